/* The parts of `import fail2ban`: what is read and judged, and what is written of it. */
#pragma once

#include "logwatch/commands/cli.h"
#include "parsers/fail2ban/filter.h"
#include "parsers/fail2ban/jail.h"
#include "schemas/ban.h"

#define NOTES_MAX 16
#define IMPORT_CONFIG "fail2ban.yaml"
#define IMPORT_RULES "fail2ban-rules.yml"
#define FOREVER_S (UINT64_C(520) * 7 * 86400) /* ten years: bans have an end here */

struct imported {
    const struct fail2ban_jail *jail;
    bool taken;
    const char *filter; /* as a channel names it: path and parameters */
    const char *zone; /* of its logs; NULL: UTC */
    bool journal;
    const char **units; /* of the journal; NULL behind the last */
    uint16_t ports[BAN_PORTS_MAX];
    size_t nports; /* 0: all */
    const char *notes[NOTES_MAX];
    size_t nnotes;
};

struct import {
    struct cli *cli;
    struct arena *a;
    struct diag *d;
    const char *folder;
    const char *zone; /* the machine's; NULL: UTC, or unknown */
    struct fail2ban_jails jails;
    struct imported *list;
    struct slice *allow;
    size_t nallow, allow_cap;
};

void import_note(struct import *im, struct imported *x, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* import-fail2ban-judge.c: fills all of it. -ENOMEM. */
int import_judge(struct import *im, struct imported *x);

/* import-fail2ban-write.c */
int import_write(struct import *im, struct err *err);
