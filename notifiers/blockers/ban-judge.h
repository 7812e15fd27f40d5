/*
 * Ban judge: the last look at a request before something is done.
 *
 * It trusts nobody, least of all the core: form, special and own addresses (never.h), allow list,
 * lengths, times, how many and how fast. All numbers come from the blocker's own settings. Taking
 * a ban back is never refused; only what names no network at all is.
 *
 * ALLOW is kept until the process ends, or for its `seconds`; a network that is told again begins
 * anew.
 */
#pragma once

#include "notifiers/blockers/blocker.h"
#include "notifiers/blockers/never.h"

#define BAN_JUDGE_TOLD_MAX 1024 /* networks by BAN_ALLOW */

struct ban_judge {
    const struct blocker *blocker;
    struct never *never;
    struct cidr *allow; /* of the settings; what is no network there is a name, and is told */
    size_t nallow;
    struct {
        struct cidr net;
        uint64_t until_us;
    } told[BAN_JUDGE_TOLD_MAX];
    size_t ntold;
    uint64_t tokens, filled_us; /* millionths of a new ban */
};

struct ban_judge_facts {
    uint64_t held; /* bans at once, now */
    bool known; /* it is held: a renewal */
    bool sync; /* told in a sync: no new ban */
};

/* root as of never_new(). */
int ban_judge_open(struct ban_judge *j, const struct blocker *b, const char *root, struct err *err);
void ban_judge_close(struct ban_judge *j);

/* The form, of each request that names a network; false: ret says BAN_NO. */
bool ban_judge_form(const struct ban_request *q, struct ban_target *ret_target,
                    struct ban_result *ret);
/* Of a good form: false, ret says BAN_NO or BAN_FAILED and why. Counts it for the rate. */
bool ban_judge_add(struct ban_judge *j, const struct ban_request *q, const struct ban_target *t,
                   const struct ban_judge_facts *facts, uint64_t mono_us, struct ban_result *ret);
void ban_judge_allow(struct ban_judge *j, const struct ban_request *q, const struct ban_target *t,
                     uint64_t mono_us, struct ban_result *ret);
