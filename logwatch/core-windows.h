/*
 * Windows, for an operator: how many groups there are, and what was given up.
 *
 * The counts since the start are in the state with each commit, for `status`. That a
 * rule has more groups than `limits.groups` is told at once, because it makes slow
 * attacks invisible: a warning in our log and an entry `windows.evicted` of the trail,
 * and again each hour while it goes on.
 */
#pragma once

#include "logwatch/config.h"
#include "rules/rules.h"
#include "store/store.h"

/* Begins zeroed. */
struct core_windows {
    uint64_t evicted, told_us; /* when it was told last; 0 = never */
};

/* True: there is something to tell, its members are in *out. */
bool core_windows_judge(struct core_windows *w, const struct correlator_stats *now,
                        const struct config *c, uint64_t now_us, struct buf *out);
/* With the next commit. */
int core_windows_save(struct store *s, const struct correlator_stats *now, struct err *err);
/* False: none was ever saved. */
bool core_windows_load(struct store *s, struct correlator_stats *ret);
