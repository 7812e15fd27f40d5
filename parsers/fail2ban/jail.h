/*
 * Jails of fail2ban: which filter looks at which log, and what its failures come to.
 *
 * jail.conf, jail.d/ *.conf, jail.local and jail.d/ *.local of a folder, read as fail2ban reads
 * them (filter.h). Only jails that are enabled are looked at closely. Source: jail.conf(5).
 */
#pragma once

#include "base/arena.h"
#include "base/diag.h"

struct fail2ban_jail {
    struct slice name;
    struct src_pos at;
    struct slice filter; /* as written: sshd[mode=normal] */
    struct slice *logs; /* names and globs */
    size_t nlogs;
    struct slice *ignore; /* addresses, networks, names that are never banned */
    size_t nignore;
    struct slice backend, zone; /* may be empty */
    uint64_t maxretry;
    uint64_t findtime_s, bantime_s; /* bantime 0 = for ever */
    /* Settings of the jail that are about more than this: names, NULL-terminated. */
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
