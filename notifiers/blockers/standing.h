/*
 * Standing: the bans that the blocker believes are there, by their targets.
 *
 * It knows them from what was done and, in a sync, from what the backend lists. Times are of the
 * monotonic clock; an entry whose time is over is gone at the next sweep.
 */
#pragma once

#include "schemas/ban.h"

struct standing_entry {
    struct ban_target target;
    uint64_t until_us; /* UINT64_MAX: for good, or not known */
    bool told; /* in this sync */
};

struct standing; /* entries in the order they came */

struct standing *standing_new(void);
void standing_free(struct standing *s);
DEFINE_AUTO(standing)

void standing_clear(struct standing *s);
size_t standing_count(const struct standing *s);
struct standing_entry *standing_get(const struct standing *s, const struct ban_target *t);
/* Makes it when it is not there. NULL: out of memory. */
struct standing_entry *standing_put(struct standing *s, const struct ban_target *t,
                                    uint64_t until_us);
void standing_remove(struct standing *s, const struct ban_target *t);
/* Drops what has ended by itself. */
void standing_sweep(struct standing *s, uint64_t mono_us);
/* for (size_t i = 0; (e = standing_next(s, &i));) ... removing e meanwhile is allowed. */
struct standing_entry *standing_next(const struct standing *s, size_t *i);
