/*
 * Doctor: is this host fit for the daemon? One check is one row of the table in
 * doctor.c: it says findings, each with a result and, where something is to be
 * done, cures: commands to copy.
 *
 * Works without a daemon and without root. Run by root it first becomes the
 * service's user with the groups of the unit file, so that every access is
 * answered as the daemon would get it. It changes nothing.
 */
#pragma once

#include "logwatch/commands/common.h"

#define DOCTOR_USER "trailwarden"

enum doctor_result { DOCTOR_OK, DOCTOR_INFO, DOCTOR_WARN, DOCTOR_BAD };

struct doctor_finding {
    const char *check; /* borrowed */
    enum doctor_result result;
    char *what;
    char *cures; /* a line each; NULL = none */
};

#define DOCTOR_FINDINGS_MAX 512

struct doctor {
    struct cli *cli;
    struct config *config; /* NULL: it does not load */
    struct diag *diag;
    char user[64]; /* who the daemon is, as far as is known */
    const char *check; /* the one that runs */
    struct doctor_finding findings[DOCTOR_FINDINGS_MAX];
    size_t n;
    size_t dropped; /* beyond the limit */
};

void doctor_say(struct doctor *d, enum doctor_result result, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
/* Of the finding that was said last. */
void doctor_cure(struct doctor *d, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* The named texts of an input's options, or NULL: whatever kind of input it is. */
const struct option_strs *doctor_option(const struct config_input *in, const char *name);
/* Calls fn for each input that has an option of this name. */
void doctor_inputs(struct doctor *d, const char *option,
                   void (*fn)(struct doctor *d, const struct config_input *in,
                              const struct option_strs *values));
/* The first number in a small file; false when there is none. */
bool doctor_number(const char *path, uint64_t *ret);

/* doctor-files.c */
void doctor_check_files(struct doctor *d);
void doctor_check_logrotate(struct doctor *d);
void doctor_check_inotify(struct doctor *d);
void doctor_check_zones(struct doctor *d);
/* doctor-journal.c */
void doctor_check_journal(struct doctor *d);
void doctor_check_rate_limit(struct doctor *d);
/* doctor-state.c */
void doctor_check_state(struct doctor *d);
void doctor_check_trail(struct doctor *d);
void doctor_check_secrets(struct doctor *d);
void doctor_check_daemon(struct doctor *d);
/* doctor-host.c */
void doctor_check_descriptors(struct doctor *d);
void doctor_check_landlock(struct doctor *d);
void doctor_check_seccomp(struct doctor *d);
void doctor_check_jit(struct doctor *d);
void doctor_check_libraries(struct doctor *d);
void doctor_check_clock(struct doctor *d);
void doctor_check_system(struct doctor *d);
