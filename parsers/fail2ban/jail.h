/*
 * Jails of fail2ban: which filter looks at which log, and what its failures come to.
 *
 * jail.conf, jail.d/ *.conf, jail.local and jail.d/ *.local of a folder, read as fail2ban reads
 * them (filter.h). Only jails that are enabled are looked at closely. Source: jail.conf(5).
 */
#pragma once

#include "base/arena.h"
#include "base/diag.h"

#define FAIL2BAN_MULTIPLIERS_MAX 16

/* Longer bans for who comes again. */
struct fail2ban_increment {
    bool on;
    bool formula; /* one of its own: not understood here */
    double factor;
    uint64_t max_s; /* 0 = none */
    double multipliers[FAIL2BAN_MULTIPLIERS_MAX]; /* n == 0: each ban twice the one before */
    size_t n;
};

struct fail2ban_jail {
    struct slice name;
    struct src_pos at;
    struct slice filter; /* as written: sshd[mode=normal] */
    struct slice *logs; /* names and globs */
    size_t nlogs;
    struct slice *ignore; /* addresses, networks, names that are never banned */
    size_t nignore;
    /* As they stand there; may be empty. */
    struct slice backend, zone, encoding, journalmatch, port, protocol, banaction;
    struct slice usedns, datepattern, maxlines; /* these go over what the filter says */
    struct fail2ban_increment increment;
    bool own_action; /* else it is the one of all jails */
    uint64_t maxretry;
    uint64_t findtime_s, bantime_s; /* bantime 0 = for ever */
    /* Settings of the jail itself that are about more than this: names, NULL-terminated. */
    const char *others[16];
};

struct fail2ban_jails {
    struct fail2ban_jail *list;
    size_t n;
    size_t disabled;
};

/* Faults are in the diag; -EINVAL when there are any. All memory is the arena's. */
int fail2ban_jails_load(const char *folder, struct arena *a, struct diag *d,
                        struct fail2ban_jails *ret);

/* 600, 10m, 1d12h, 1 year 6 months; -1 and less: *ret_forever. -EINVAL: no such time. */
int fail2ban_seconds(struct slice text, uint64_t *ret, bool *ret_forever);
