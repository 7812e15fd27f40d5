/* Groups: their records, entries in the order of time, totals that move with them, who is due. */
#include "rules/window.h"

#define TALLY_MIN 8
#define KEY_HERE 200 /* longer keys have memory of their own */
#define LIST_KEPT 5 /* 1 << this: an empty list that has more room goes */

const struct more no_more;

/* ---- values and how often they are there ---- */

static size_t tally_slot(const struct totals *t, uint64_t value)
{
    size_t i = (size_t)value & (t->tally_cap - 1);

    while (t->tally[i].value && t->tally[i].value != value)
        i = (i + 1) & (t->tally_cap - 1);
    return i;
}

static bool tally_grow(struct slab *slab, struct totals *t)
{
    struct totals more = *t;

    more.tally_cap = t->tally_cap ? t->tally_cap * 2 : TALLY_MIN;
    more.tally = slab_piece(slab, more.tally_cap * sizeof *more.tally);
    if (!more.tally)
        return false;
    for (size_t i = 0; i < t->tally_cap; i++)
        if (t->tally[i].value)
            more.tally[tally_slot(&more, t->tally[i].value)] = t->tally[i];
    slab_piece_free(slab, t->tally);
    *t = more;
    return true;
}

/* NULL: it has none. */
static struct tally *tally_find(const struct totals *t, uint64_t value)
{
    struct tally *tally = t->tally_cap ? &t->tally[tally_slot(t, value)] : NULL;

    return tally && tally->value ? tally : NULL;
}

struct tally *tally_add(struct slab *slab, struct totals *t, uint64_t value)
{
    struct tally *tally = tally_find(t, value);

    if (tally)
        return tally;
    if (t->tallies * 2 >= t->tally_cap && !tally_grow(slab, t))
        return NULL;
    tally = &t->tally[tally_slot(t, value)];
    t->tallies++;
    *tally = (struct tally){ .value = value };
    return tally;
}

/* Those behind it move up, so that none is cut off from its place. */
static void tally_remove(struct totals *t, struct tally *gone)
{
    size_t hole = (size_t)(gone - t->tally), mask = t->tally_cap - 1;

    t->tallies--;
    for (size_t i = (hole + 1) & mask; t->tally[i].value; i = (i + 1) & mask) {
        size_t home = (size_t)t->tally[i].value & mask;

        if (((i - home) & mask) >= ((i - hole) & mask)) {
            t->tally[hole] = t->tally[i];
            hole = i;
        }
    }
    t->tally[hole].value = 0;
}

void tally_sweep(struct totals *t, uint64_t older_than)
{
    for (size_t i = 0; i < t->tally_cap;)
        if (t->tally[i].value && t->tally[i].n <= older_than)
            tally_remove(t, &t->tally[i]); /* another may be here now */
        else
            i++;
}

/* ---- numbers in their order ---- */

/* The first place whose number is not smaller. */
static size_t number_place(const struct totals *t, const struct number *v)
{
    size_t from = 0, to = t->numbers;

    while (from < to) {
        size_t middle = from + (to - from) / 2;

        if (number_compare(&t->sorted[middle], v) < 0)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

static bool number_add(struct slab *slab, struct totals *t, const struct number *v)
{
    size_t at;

    if (t->numbers == t->numbers_cap) {
        size_t cap = t->numbers_cap ? t->numbers_cap * 2 : 16;
        struct number *list =
            slab_piece_grow(slab, t->sorted, t->numbers * sizeof *list, cap * sizeof *list);

        if (!list)
            return false;
        t->sorted = list;
        t->numbers_cap = cap;
    }
    at = number_place(t, v);
    memmove(t->sorted + at + 1, t->sorted + at, (t->numbers - at) * sizeof *t->sorted);
    t->sorted[at] = *v;
    t->numbers++;
    return true;
}

static void number_remove(struct totals *t, const struct number *v)
{
    size_t at = number_place(t, v);

    t->numbers--;
    memmove(t->sorted + at, t->sorted + at + 1, (t->numbers - at) * sizeof *t->sorted);
}

/* ---- totals ---- */

struct more *group_more(struct slab *slab, struct group *g)
{
    if (!g->more)
        g->more = slab_piece(slab, sizeof *g->more);
    return g->more;
}

struct totals *group_totals(struct slab *slab, const struct correlation *c, struct group *g)
{
    size_t bytes = sizeof(struct totals) + (c->nparts + 1) * sizeof(uint64_t);

    if (c->type == CORRELATE_EVENT_COUNT || more_of(g)->totals)
        return more_of(g)->totals;
    if (g->more) {
        g->more->totals = slab_piece(slab, bytes);
        return g->more->totals;
    }
    g->more = slab_piece(slab, sizeof *g->more + bytes); /* both are read together */
    if (!g->more)
        return NULL;
    g->more->totals = (struct totals *)(g->more + 1);
    g->more->totals_here = true;
    return g->more->totals;
}

static bool counts_more_than_entries(const struct group *g)
{
    return (g->shape.pieces & (STAMP_TAG | STAMP_VALUE)) != 0;
}

static bool is_whole(const struct number *n)
{
    return n->integer || n->large;
}

static __int128 whole_number(const struct number *n)
{
    return n->large ? (__int128)n->u : n->integer ? (__int128)n->i : 0;
}

static bool count_value(struct slab *slab, struct totals *t, uint64_t value)
{
    struct tally *tally;

    if (!value)
        return true;
    tally = tally_find(t, value);
    if (!tally)
        tally = tally_add(slab, t, value);
    if (tally)
        tally->n++;
    return tally != NULL;
}

static void uncount_value(struct totals *t, uint64_t value)
{
    struct tally *tally = value ? tally_find(t, value) : NULL;

    if (tally && --tally->n == 0)
        tally_remove(t, tally);
}

/* Another entry than those that are there already. */
static bool count_entry(struct slab *slab, struct group *g, struct totals *t, const struct stamp *s)
{
    if (s->value && g->shape.pieces & STAMP_VALUE) {
        if (!number_add(slab, t, &s->number))
            return false;
        t->sum += whole_number(&s->number);
        t->fractions += !is_whole(&s->number);
    }
    t->parts[s->part]++;
    return true;
}

/* Most groups never have more than a few values: these need no totals. */
static bool totals_add(struct slab *slab, const struct correlation *c, struct group *g,
                       const struct stamp *s)
{
    struct totals *t = more_of(g)->totals;
    bool few = !t && g->shape.pieces == STAMP_VALUE;

    if (!counts_more_than_entries(g) || (few && g->n < VALUES_FEW))
        return true;
    t = t ? t : group_totals(slab, c, g);
    if (!t)
        return false;
    if (g->shape.pieces & STAMP_TAG)
        return count_entry(slab, g, t, s);
    for (size_t i = 0; few && i < g->n; i++)
        if (!count_value(slab, t, stamp_hash(g, i)))
            return false;
    return count_value(slab, t, s->value);
}

/* The i-th entry goes. */
static void totals_remove(struct group *g, size_t i)
{
    struct totals *t = more_of(g)->totals;
    struct stamp s;

    if (!t || !counts_more_than_entries(g))
        return;
    if (!(g->shape.pieces & STAMP_TAG)) {
        uncount_value(t, stamp_hash(g, i));
        return;
    }
    stamp_unpack(g, i, &s);
    t->parts[s.part]--;
    if (s.value && g->shape.pieces & STAMP_VALUE) {
        number_remove(t, &s.number);
        t->sum -= whole_number(&s.number);
        t->fractions -= !is_whole(&s.number);
    }
}

/* ---- groups ---- */

struct long_key {
    char *p;
    size_t n;
};

struct slice long_key_of_group(const struct group *g)
{
    struct long_key k;

    memcpy(&k, key_place(g), sizeof k);
    return slice_of(k.p, k.n);
}

static bool set_key(struct group *g, struct slice key)
{
    struct long_key k = { NULL, key.n };

    if (key.n <= KEY_HERE) {
        g->key_n = (uint16_t)key.n;
        if (key.n)
            memcpy(key_place(g), key.p, key.n);
        return true;
    }
    k.p = slice_dup(key);
    g->key_n = KEY_ELSEWHERE;
    memcpy(key_place(g), &k, sizeof k);
    return k.p != NULL;
}

uint32_t group_new(struct slab *slab, struct shape shape, struct slice key)
{
    size_t key_bytes = key.n <= KEY_HERE ? key.n : sizeof(struct long_key);
    uint32_t record =
        slab_alloc(slab, offsetof(struct group, stamp) + shape.stamp_bytes + key_bytes);
    struct group *g = record ? slab_at(slab, record) : NULL;

    if (!g)
        return 0;
    g->shape = shape;
    if (set_key(g, key))
        return record;
    slab_free(slab, record);
    return 0;
}

static void more_free(struct slab *slab, struct more *m)
{
    if (!m)
        return;
    if (m->totals) {
        slab_piece_free(slab, m->totals->tally);
        slab_piece_free(slab, m->totals->sorted);
        if (!m->totals_here)
            slab_piece_free(slab, m->totals);
    }
    slab_piece_free(slab, m->place);
    slab_piece_free(slab, m);
}

void group_free(struct slab *slab, uint32_t record)
{
    struct group *g = slab_at(slab, record);
    struct long_key k;

    if (g->key_n == KEY_ELSEWHERE) {
        memcpy(&k, key_place(g), sizeof k);
        free(k.p);
    }
    if (g->list_log)
        slab_piece_free(slab, g->list);
    more_free(slab, g->more);
    slab_free(slab, record);
}

/* ---- the list of entries ---- */

static uint32_t seconds(uint64_t time_us)
{
    return time_us / USEC_PER_SEC < UINT32_MAX ? (uint32_t)(time_us / USEC_PER_SEC) : UINT32_MAX;
}

static uint64_t time_at(const char *entry)
{
    return ((const struct packed_stamp *)(const void *)entry)->time_us;
}

/* A group that held many once is not large for ever. */
static void shrink(struct slab *slab, struct group *g)
{
    if (g->list_log <= LIST_KEPT)
        return;
    slab_piece_free(slab, g->list);
    g->list_log = 0;
}

void group_drop_first(struct slab *slab, struct group *g)
{
    totals_remove(g, 0);
    g->n--;
    if (g->n && g->list_log) {
        g->first++;
        g->oldest_s = seconds(group_at(g, 0)->time_us);
    } else if (g->list_log) {
        g->first = 0;
    }
    if (g->n == 0)
        shrink(slab, g);
}

void group_clear(struct slab *slab, struct group *g)
{
    while (g->n)
        group_drop_first(slab, g);
    g->active = false;
    if (g->more)
        g->more->pending_us = 0;
}

static bool grow(struct slab *slab, struct group *g)
{
    size_t room = (size_t)g->shape.stamp_bytes << g->list_log;
    char *list =
        g->list_log ? slab_piece_grow(slab, g->list, room, room * 2) : slab_piece(slab, room * 2);

    if (!list)
        return false;
    if (!g->list_log) { /* the one that was here */
        memcpy(list, &g->stamp, g->shape.stamp_bytes);
        g->first = 0;
        g->oldest_s = seconds(time_at(list));
    }
    g->list = list;
    g->list_log++;
    return true;
}

static bool make_room(struct slab *slab, struct group *g)
{
    size_t first = g->list_log ? g->first : 0;

    if (first + g->n < (size_t)1 << g->list_log)
        return true;
    if (first <= g->n)
        return grow(slab, g);
    memmove(g->list, group_at(g, 0), (size_t)g->n * g->shape.stamp_bytes);
    g->first = 0; /* more than half was free in front */
    return true;
}

bool group_renew(struct group *g, const struct stamp *s)
{
    size_t bytes = g->shape.stamp_bytes, i = g->n;
    size_t few = g->n < VALUES_FEW ? 0 : (size_t)g->n - VALUES_FEW;
    struct packed_stamp *old = NULL;

    if (g->shape.pieces != STAMP_VALUE)
        return false;
    while (i > few && !old) {
        struct packed_stamp *e = group_at(g, --i);

        old = stamp_hash(g, i) == s->value && e->trust == s->trust ? e : NULL;
    }
    if (!old || old->time_us > s->time_us)
        return old != NULL;
    for (; i + 1 < g->n && group_at(g, i + 1)->time_us <= s->time_us; i++)
        memcpy(group_at(g, i), group_at(g, i + 1), bytes);
    stamp_pack(g->shape, group_at(g, i), s);
    if (g->list_log)
        g->oldest_s = seconds(group_at(g, 0)->time_us);
    return true;
}

bool group_insert(struct slab *slab, const struct correlation *c, struct group *g,
                  const struct stamp *s)
{
    size_t bytes = g->shape.stamp_bytes, i;
    char *at;

    if (g->n >= ENTRIES_MAX) {
        group_drop_first(slab, g);
        g->lower_bound = true;
    }
    if (!make_room(slab, g) || !totals_add(slab, c, g, s))
        return false;
    at = (char *)group_at(g, g->n);
    for (i = g->n; i > 0 && time_at(at - bytes) > s->time_us; i--, at -= bytes)
        memcpy(at, at - bytes, bytes);
    stamp_pack(g->shape, (struct packed_stamp *)(void *)at, s);
    g->n++;
    if (i == 0 && g->list_log)
        g->oldest_s = seconds(s->time_us);
    return true;
}

bool group_split(struct group *g, uint64_t end_us, struct aside *ret)
{
    uint16_t from = 0;

    while (from < g->n && group_at(g, from)->time_us < end_us)
        from++;
    *ret = (struct aside){ .n = (size_t)g->n - from };
    ret->list = ret->n ? calloc(ret->n, sizeof *ret->list) : NULL;
    if (ret->n && !ret->list)
        return false;
    for (size_t i = 0; i < ret->n; i++)
        stamp_unpack(g, from + i, &ret->list[i]);
    for (; g->n > from; g->n--)
        totals_remove(g, g->n - 1u);
    return true;
}

bool group_join(struct slab *slab, const struct correlation *c, struct group *g,
                struct aside *later)
{
    bool ok = true;

    for (size_t i = 0; i < later->n; i++)
        ok = ok && group_insert(slab, c, g, &later->list[i]);
    free(later->list);
    return ok;
}

/* ---- who is due: a binary heap ---- */

static bool is_sooner(const struct due *a, const struct due *b)
{
    if (a->us != b->us)
        return a->us < b->us;
    if (a->group->more->rule != b->group->more->rule)
        return a->group->more->rule < b->group->more->rule;
    return slice_cmp(key_of_group(a->group), key_of_group(b->group)) < 0;
}

static void put(struct dues *d, size_t at, struct due due)
{
    d->heap[at] = due;
    due.group->more->due_at = (uint32_t)at + 1;
}

static void rise(struct dues *d, size_t at, struct due due)
{
    for (; at > 0 && is_sooner(&due, &d->heap[(at - 1) / 2]); at = (at - 1) / 2)
        put(d, at, d->heap[(at - 1) / 2]);
    put(d, at, due);
}

static void sink(struct dues *d, size_t at, struct due due)
{
    for (;;) {
        size_t child = at * 2 + 1;

        if (child + 1 < d->n && is_sooner(&d->heap[child + 1], &d->heap[child]))
            child++;
        if (child >= d->n || !is_sooner(&d->heap[child], &due))
            break;
        put(d, at, d->heap[child]);
        at = child;
    }
    put(d, at, due);
}

static void due_remove(struct dues *d, struct group *g)
{
    size_t at = g->more->due_at - 1;
    struct due last = d->heap[--d->n];

    g->more->due_at = 0;
    g->more->due_us = 0;
    if (last.group == g)
        return;
    sink(d, at, last);
    rise(d, last.group->more->due_at - 1, last);
}

bool due_set(struct dues *d, struct slab *slab, uint32_t rule, struct group *g, uint64_t us)
{
    if (more_of(g)->due_us == us)
        return true;
    if (!group_more(slab, g))
        return false;
    if (g->more->due_at)
        due_remove(d, g);
    if (us == 0)
        return true;
    if (d->n == d->cap) {
        size_t cap = d->cap ? d->cap * 2 : 64;
        struct due *heap = realloc(d->heap, cap * sizeof *heap);

        if (!heap)
            return false;
        d->heap = heap;
        d->cap = cap;
    }
    g->more->due_us = us;
    g->more->rule = rule & INT32_MAX;
    d->n++;
    rise(d, d->n - 1, (struct due){ us, g });
    return true;
}

void dues_fini(struct dues *d)
{
    free(d->heap);
    *d = (struct dues){ 0 };
}
