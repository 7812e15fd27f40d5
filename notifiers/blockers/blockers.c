/* The registry of blockers, and what all of them say. */
#include "notifiers/blockers/backends.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const struct blocker_ops *const blocker_kinds[] = {
    &blocker_nftables, &blocker_ipset, &blocker_fail2ban, &blocker_command, &blocker_dry_run, NULL,
};

const struct blocker_ops *blocker_kind(struct slice name)
{
    for (size_t i = 0; blocker_kinds[i]; i++)
        if (slice_is(name, blocker_kinds[i]->name))
            return blocker_kinds[i];
    return NULL;
}

bool blocker_say(struct ban_result *ret, uint64_t id, enum ban_said said, const char *fmt, ...)
{
    va_list args;

    memset(ret, 0, sizeof *ret); /* the padding leaves this process, too */
    ret->id = id;
    ret->said = (uint8_t)said;
    va_start(args, fmt);
    vsnprintf(ret->why, sizeof ret->why, fmt, args);
    va_end(args);
    for (char *p = ret->why; *p; p++)
        if (*p < 0x20 || *p > 0x7e)
            *p = '?';
    return false;
}

bool blocker_ending(void)
{
    sigset_t pending;

    return sigpending(&pending) == 0 && sigismember(&pending, SIGTERM) == 1;
}
