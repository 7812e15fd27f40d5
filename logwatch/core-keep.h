/*
 * What the daemon does with old entries, beside its work: pruning by the limits of `trail: {keep,
 * keep_bytes}`, and compressing closed segments. A little each turn, so that no commit waits for
 * more than some tens of milliseconds.
 *
 * A wrong clock must not cost the evidence: the limits are looked at an hour after the start, then
 * each hour, and not when the clock has jumped since.
 */
#pragma once

#include "base/log.h"
#include "logwatch/core.h"

struct core_keep {
    uint64_t next_us; /* monotonic: the limits are looked at again */
    uint64_t wall_us, mono_us; /* at the last look, or the start */
    uint64_t failed_us; /* monotonic; 0 = the last step did not fail */
    bool more; /* something is under way: turn again soon */
    struct log_gate gate;
};

/* In a turn in which nothing is owed. Entries go into the open batch. */
void core_keep_turn(struct core_keep *k, struct core *core, const struct config *c,
                    const struct clock *clock);
/* Members of the entry that declares a pruning. */
void core_keep_members(struct buf *out, const struct audit_prune *p, const char *reason);
