#include "rules/groups.h"

#include "base/table.h"

#define SLOTS_MIN 16
#define SLOTS_MAX (UINT32_C(1) << 31)

uint32_t groups_tag(struct slice key)
{
    return (uint32_t)table_hash(key);
}

/* ---- the order of use ---- */

static ALWAYS_INLINE void unlink_group(struct groups *w, const struct slab *slab,
                                       const struct group *g)
{
    if (g->older)
        ((struct group *)slab_at(slab, g->older))->newer = g->newer;
    else
        w->oldest = g->newer;
    if (g->newer)
        ((struct group *)slab_at(slab, g->newer))->older = g->older;
    else
        w->newest = g->older;
}

static ALWAYS_INLINE void link_newest(struct groups *w, const struct slab *slab, uint32_t record)
{
    struct group *g = slab_at(slab, record);

    g->newer = 0;
    g->older = w->newest;
    if (w->newest)
        ((struct group *)slab_at(slab, w->newest))->newer = record;
    else
        w->oldest = record;
    w->newest = record;
}

void groups_touch(struct groups *w, const struct slab *slab, uint32_t record)
{
    if (w->newest == record)
        return;
    unlink_group(w, slab, slab_at(slab, record));
    link_newest(w, slab, record);
}

/* ---- slots ---- */

uint32_t groups_find(const struct groups *w, const struct slab *slab, struct slice key,
                     uint32_t tag)
{
    const struct group_slot *slots = w->slots;
    uint32_t mask = w->nslots - 1;

    if (!slots)
        return 0;
    for (uint32_t i = tag & mask; slots[i].record; i = (i + 1) & mask)
        if (slots[i].tag == tag && slice_eq(key_of_group(slab_at(slab, slots[i].record)), key))
            return slots[i].record;
    return 0;
}

static void put_slot(struct group_slot *slots, uint32_t mask, struct group_slot slot)
{
    uint32_t i = slot.tag & mask;

    while (slots[i].record)
        i = (i + 1) & mask;
    slots[i] = slot;
}

/* Three quarters are used at most. */
static bool make_room(struct groups *w)
{
    uint32_t n = w->nslots ? w->nslots * 2 : SLOTS_MIN;
    struct group_slot *slots;

    if (w->n + 1 <= w->nslots / 4 * 3)
        return true;
    if (w->nslots >= SLOTS_MAX)
        return false;
    slots = calloc(n, sizeof *slots);
    if (!slots)
        return false;
    for (uint32_t i = 0; i < w->nslots; i++)
        if (w->slots[i].record)
            put_slot(slots, n - 1, w->slots[i]);
    free(w->slots);
    w->slots = slots;
    w->nslots = n;
    return true;
}

/* Those behind it move up, so that none is cut off from its place. */
static void drop_slot(struct groups *w, uint32_t hole)
{
    uint32_t mask = w->nslots - 1;

    for (uint32_t i = (hole + 1) & mask; w->slots[i].record; i = (i + 1) & mask) {
        uint32_t home = w->slots[i].tag & mask;

        if (((i - home) & mask) >= ((i - hole) & mask)) {
            w->slots[hole] = w->slots[i];
            hole = i;
        }
    }
    w->slots[hole].record = 0;
}

uint32_t groups_add(struct groups *w, struct slab *slab, struct slice key, uint32_t tag)
{
    uint32_t record = make_room(w) ? group_new(slab, w->shape, key) : 0;

    if (!record)
        return 0;
    put_slot(w->slots, w->nslots - 1, (struct group_slot){ tag, record });
    link_newest(w, slab, record);
    w->n++;
    return record;
}

void groups_remove(struct groups *w, struct slab *slab, uint32_t record)
{
    const struct group *g = slab_at(slab, record);
    uint32_t i = groups_tag(key_of_group(g)) & (w->nslots - 1);

    while (w->slots[i].record != record)
        i = (i + 1) & (w->nslots - 1);
    drop_slot(w, i);
    unlink_group(w, slab, g);
    group_free(slab, record);
    w->n--;
}

void groups_fini(struct groups *w, struct slab *slab)
{
    uint32_t next;

    for (uint32_t record = w->oldest; record; record = next) {
        next = ((const struct group *)slab_at(slab, record))->newer;
        group_free(slab, record);
    }
    free(w->slots);
    *w = (struct groups){ .shape = w->shape };
}
