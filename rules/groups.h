/*
 * Private to rules/: the groups of one rule, by their key and by when they were last used.
 *
 * Open addressing over slots of eight bytes: the record, and 32 bits of the keyed hash
 * of its key (base/table.h), so that looking for a key touches no group but its own, and
 * growing none. The order of use is a list through the groups: nothing depends on the
 * order of the hashes.
 */
#pragma once

#include "rules/window.h"

struct group_slot {
    uint32_t tag, record; /* record 0 = free */
};

/* Begins zeroed, but for the shape. */
struct groups {
    struct group_slot *slots;
    uint32_t nslots; /* a power of two, or 0 */
    uint32_t n;
    uint32_t oldest, newest; /* records; 0 = none */
    struct shape shape;
};

uint32_t groups_tag(struct slice key);
/* The record of that key (`tag` is its), or 0. */
uint32_t groups_find(const struct groups *w, const struct slab *slab, struct slice key,
                     uint32_t tag);
/* A new group, used last; the key is not there. 0 = no memory. */
uint32_t groups_add(struct groups *w, struct slab *slab, struct slice key, uint32_t tag) MUST_CHECK;
/* It is the one used last now. */
void groups_touch(struct groups *w, const struct slab *slab, uint32_t record);
void groups_remove(struct groups *w, struct slab *slab, uint32_t record); /* and frees it */
void groups_fini(struct groups *w, struct slab *slab);
