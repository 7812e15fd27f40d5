/*
 * fail2ban's filters, unmodified: from a line to the address that failed.
 *
 * A filter is an ini file of fail2ban (filter.d/sshd.conf and its like). It is read with all that
 * it includes and that overrides it, in fail2ban's order: NAME.conf, NAME.d/ *.conf, NAME.local,
 * NAME.d/ *.local, and beside every file its .local. `%(name)s`, `%(known/name)s`,
 * `%(section/name)s` and `<tag>` are put in, parameters as in `filter = sshd[mode=aggressive]` win
 * over what [Definition] and [Init] say. Sources: jail.conf(5), sections "FILTER FILES" and
 * "datepattern", and the wiki of the project; where they leave a question the behaviour of version
 * 1.0.2 is the answer.
 *
 *     fail2ban_load(path, &options, diag, &f)   once; all faults with file and line in the diag
 *     fail2ban_scratch_new()                    one per thread
 *     fail2ban_line(f, scratch, NULL, &line, &result)
 *
 * Most filters say of each line what it is, whatever stood before. Where fail2ban_keeps(f), lines
 * belong together: then a state goes along, one for each stream of lines, and the lines come in
 * their order. A state can be packed and unpacked: what a crash must not lose.
 *
 * A line goes this way: its date is found and cut out, prefregex (when there is one) says what part
 * is looked at, then the first failregex that fits gives the groups; ignoreregex may veto it. With
 * `maxlines` the last lines are looked at together. Groups of one connection (F-MLFID) are kept
 * until a failure and an address came together, at most 100 connections for five minutes of the
 * log's own time.
 *
 * What differs from fail2ban, on purpose: no name is looked up in the DNS (the name is the
 * result, with family 0); text is bytes, so \d is 0-9, \w takes every byte from 0x80 on, and (?i)
 * knows ASCII only; what prefregex found stays when failregex leaves it open; a search that costs
 * too much (base/regex.h) counts as no match and is counted in the state; a text is matched on its
 * first 16 KiB. The date of a line is never replaced by the present time because it is old: who
 * calls decides that. Which date a line has is a question of this line alone (date.h).
 *
 * The filter is read-only once loaded and shared by threads; a scratch and a state belong to one.
 */
#pragma once

#include "base/arena.h"
#include "base/diag.h"
#include "base/ip.h"
#include "base/literal.h"
#include "base/slice.h"
#include "base/zone.h"

struct fail2ban;
struct fail2ban_scratch;
struct fail2ban_state;

struct fail2ban_parameter {
    const char *name, *value;
};

struct fail2ban_options {
    const struct fail2ban_parameter *parameters; /* of the jail: they win over the file */
    size_t nparameters;
    const char *timezone; /* of dates that name none: UTC, +0100, CET...; NULL = that of the line */
    uint64_t now_us; /* %ExY takes years until then; 0: all of this century */
    bool journal; /* logtype is journal unless somebody says otherwise */
};

/*
 * Reads the filter. `path` is NAME.conf, or without its ending. -EINVAL: it has errors, told in the
 * diag; what could be a slip (a parameter that nothing uses) is a warning there.
 */
int fail2ban_load(const char *path, const struct fail2ban_options *options, struct diag *d,
                  struct fail2ban **ret);
void fail2ban_free(struct fail2ban *f);
DEFINE_AUTO(fail2ban)

/* `sshd[mode=aggressive, logtype="journal"]` -> its name and parameters, all in the arena. */
struct fail2ban_name {
    char *name;
    struct fail2ban_parameter *parameters;
    size_t nparameters;
};
int fail2ban_name_parse(struct slice text, struct arena *a, struct fail2ban_name *ret,
                        struct err *err);

/* The expressions of failregex as the file has them, tags and all. */
size_t fail2ban_nregexes(const struct fail2ban *f);
struct slice fail2ban_regex(const struct fail2ban *f, size_t i);
unsigned fail2ban_maxlines(const struct fail2ban *f);
/* Of the journal: `_SYSTEMD_UNIT=x.service + _COMM=x`; may be empty. */
struct slice fail2ban_journalmatch(const struct fail2ban *f);
/* Names of groups, of all expressions together; NULL: there are no more. */
const char *fail2ban_group(const struct fail2ban *f, size_t i);
/*
 * Literals of which every line that an expression of failregex fits holds one, whether it is a
 * failure or only says something to one; in any ASCII case.
 */
struct literals fail2ban_literals(const struct fail2ban *f, struct literal_maker *m);

enum fail2ban_verdict {
    FAIL2BAN_NONE,
    FAIL2BAN_IGNORED, /* ignoreregex */
    FAIL2BAN_NOFAIL, /* an expression fits, but it is no failure, or not yet */
    FAIL2BAN_FAILURE,
};

struct fail2ban_field {
    size_t index; /* for fail2ban_group() */
    const char *name; /* of the group: user, port, ... */
    struct slice value;
};

/* All slices live until the next line with this scratch. */
struct fail2ban_result {
    enum fail2ban_verdict verdict;
    size_t regex; /* which one fitted, from 0; SIZE_MAX = none */
    struct slice id; /* what is counted: the address, unless the filter names another id */
    struct slice host; /* address or name as text; an address in its shortest form */
    struct ip ip; /* family 0: `host` is a name, or nothing */
    uint8_t bits; /* of the network, when the filter gives one; else 32 or 128 */
    struct slice user; /* p NULL = none */
    uint64_t time_us;
    bool time_known; /* else the line has no date: time_us is now */
    unsigned attempts; /* lines that make up the failure */
    const struct fail2ban_field *fields; /* all groups that are set */
    size_t nfields;
    const struct slice *users; /* of this connection so far, when it is one */
    size_t nusers;
};

struct fail2ban_scratch *fail2ban_scratch_new(void);
void fail2ban_scratch_free(struct fail2ban_scratch *s);
DEFINE_AUTO(fail2ban_scratch)
/* Searches that were given up (each counted as no match). */
uint64_t fail2ban_given_up(const struct fail2ban_scratch *s);

struct fail2ban_line {
    struct slice text; /* without its line end */
    uint64_t time_us; /* known, and not in the text (journald); 0: the text has it */
    uint64_t now_us; /* the present: what a date leaves out is of it */
    const struct zone *zone; /* of a date that names none; NULL: UTC */
};

/*
 * Negative errno: out of memory. `state` NULL: what the line says alone. The filter of a scratch
 * may change from line to line.
 */
int fail2ban_line(const struct fail2ban *f, struct fail2ban_scratch *scratch,
                  struct fail2ban_state *state, const struct fail2ban_line *line,
                  struct fail2ban_result *ret);

/* ---- state ---- */

/* Do lines belong together? */
bool fail2ban_keeps(const struct fail2ban *f);
/* Even those that no expression fits: each line must come, not only candidates. */
bool fail2ban_keeps_all(const struct fail2ban *f);

struct fail2ban_state *fail2ban_state_new(const struct fail2ban *f);
void fail2ban_state_free(struct fail2ban_state *s);
DEFINE_AUTO(fail2ban_state)

/* As bytes, at most some 200 KiB; none when there is nothing to keep. -ENOMEM. */
int fail2ban_state_pack(const struct fail2ban_state *s, struct buf *out);
/* Into a fresh state. -EINVAL: it is of another filter, or no state at all. */
int fail2ban_state_unpack(struct fail2ban_state *s, struct slice packed);
