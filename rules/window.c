/* Groups: entries in the order of time, totals that move with them, who is due. */
#include "rules/window.h"

#define TALLY_MIN 8

/* ---- values and how often they are there ---- */

static size_t tally_slot(const struct totals *t, uint64_t value)
{
    size_t i = (size_t)value & (t->tally_cap - 1);

    while (t->tally[i].value && t->tally[i].value != value)
        i = (i + 1) & (t->tally_cap - 1);
    return i;
}

static bool tally_grow(struct totals *t)
{
    struct totals more = *t;

    if (t->tallies * 2 < t->tally_cap)
        return true;
    more.tally_cap = t->tally_cap ? t->tally_cap * 2 : TALLY_MIN;
    more.tally = calloc(more.tally_cap, sizeof *more.tally);
    if (!more.tally)
        return false;
    for (size_t i = 0; i < t->tally_cap; i++)
        if (t->tally[i].value)
            more.tally[tally_slot(&more, t->tally[i].value)] = t->tally[i];
    free(t->tally);
    *t = more;
    return true;
}

struct tally *tally_find(struct totals *t, uint64_t value, bool add)
{
    size_t i;

    if (add && !tally_grow(t))
        return NULL;
    if (t->tally_cap == 0)
        return NULL;
    i = tally_slot(t, value);
    if (t->tally[i].value)
        return &t->tally[i];
    if (!add)
        return NULL;
    t->tallies++;
    t->tally[i] = (struct tally){ .value = value };
    return &t->tally[i];
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

static bool number_add(struct totals *t, const struct number *v)
{
    size_t at;

    if (t->numbers == t->numbers_cap) {
        size_t cap = t->numbers_cap ? t->numbers_cap * 2 : 16;
        struct number *list = realloc(t->sorted, cap * sizeof *list);

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

struct totals *group_totals(const struct correlation *c, struct group *g)
{
    if (!g->totals && c->type != CORRELATE_EVENT_COUNT) {
        g->totals = calloc(1, sizeof *g->totals);
        if (g->totals)
            g->totals->parts = calloc(c->nparts + 1, sizeof *g->totals->parts);
        if (g->totals && !g->totals->parts) {
            free(g->totals);
            g->totals = NULL;
        }
    }
    return g->totals;
}

static bool is_whole(const struct number *n)
{
    return n->integer || n->large;
}

static __int128 whole_number(const struct number *n)
{
    return n->large ? (__int128)n->u : n->integer ? (__int128)n->i : 0;
}

static bool totals_add(const struct correlation *c, struct group *g, const struct stamp *s)
{
    struct totals *t = group_totals(c, g);
    struct tally *tally;

    if (c->type == CORRELATE_EVENT_COUNT)
        return true;
    if (!t)
        return false;
    if (s->value && c->type == CORRELATE_VALUE_COUNT) {
        tally = tally_find(t, s->value, true);
        if (!tally)
            return false;
        tally->n++;
    } else if (s->value && correlation_is_numeric(c)) {
        if (!number_add(t, &s->number))
            return false;
        t->sum += whole_number(&s->number);
        t->fractions += !is_whole(&s->number);
    }
    t->parts[s->part]++;
    return true;
}

static void totals_remove(const struct correlation *c, struct group *g, const struct stamp *s)
{
    struct totals *t = g->totals;
    struct tally *tally;

    if (!t)
        return;
    t->parts[s->part]--;
    if (s->value && c->type == CORRELATE_VALUE_COUNT) {
        tally = tally_find(t, s->value, false);
        if (tally && --tally->n == 0)
            tally_remove(t, tally);
    } else if (s->value && correlation_is_numeric(c)) {
        number_remove(t, &s->number);
        t->sum -= whole_number(&s->number);
        t->fractions -= !is_whole(&s->number);
    }
}

/* ---- entries ---- */

struct group *group_new(uint32_t rule, struct slice key)
{
    struct group *g = calloc(1, sizeof *g + key.n + 1);

    if (!g)
        return NULL;
    memcpy((char *)(g + 1), key.p, key.n);
    g->key = slice_of((char *)(g + 1), key.n);
    g->rule = rule;
    return g;
}

void group_free(struct group *g)
{
    free(g->stamps);
    free(g->place);
    if (g->totals) {
        free(g->totals->parts);
        free(g->totals->tally);
        free(g->totals->sorted);
        free(g->totals);
    }
    free(g);
}

void group_drop_first(const struct correlation *c, struct group *g)
{
    totals_remove(c, g, group_at(g, 0));
    g->first++;
    g->n--;
    if (g->n == 0)
        g->first = 0;
}

void group_clear(const struct correlation *c, struct group *g)
{
    while (g->n)
        group_drop_first(c, g);
    g->active = false;
    g->pending_us = 0;
}

static bool make_room(struct group *g)
{
    uint32_t cap;
    struct stamp *s;

    if (g->first + g->n < g->cap)
        return true;
    if (g->first > g->n) { /* more than half is free in front */
        memmove(g->stamps, g->stamps + g->first, g->n * sizeof *s);
        g->first = 0;
        return true;
    }
    cap = g->cap ? g->cap * 2 : 1; /* most groups see one event */
    s = realloc(g->stamps, cap * sizeof *s);
    if (!s)
        return false;
    g->stamps = s;
    g->cap = cap;
    return true;
}

bool group_insert(const struct correlation *c, struct group *g, const struct stamp *s)
{
    size_t i;

    if (g->n >= ENTRIES_MAX) {
        group_drop_first(c, g);
        g->lower_bound = true;
    }
    if (!make_room(g) || !totals_add(c, g, s))
        return false;
    for (i = g->n; i > 0 && group_at(g, i - 1)->time_us > s->time_us; i--)
        *group_at(g, i) = *group_at(g, i - 1);
    *group_at(g, i) = *s;
    g->n++;
    return true;
}

struct group *group_split(const struct correlation *c, struct group *g, uint64_t end_us)
{
    struct group *later = group_new(g->rule, SLICE(""));
    uint32_t from = 0;

    while (from < g->n && group_at(g, from)->time_us < end_us)
        from++;
    for (uint32_t i = from; later && i < g->n; i++) {
        if (!make_room(later)) {
            group_free(later);
            return NULL;
        }
        later->stamps[later->n++] = *group_at(g, i);
    }
    if (!later)
        return NULL;
    while (g->n > from)
        totals_remove(c, g, group_at(g, --g->n));
    return later;
}

bool group_join(const struct correlation *c, struct group *g, struct group *later)
{
    bool ok = true;

    for (uint32_t i = 0; i < later->n; i++)
        ok = ok && group_insert(c, g, group_at(later, i));
    group_free(later);
    return ok;
}

/* ---- who is due: a binary heap ---- */

static bool is_sooner(const struct group *a, const struct group *b)
{
    if (a->due_us != b->due_us)
        return a->due_us < b->due_us;
    if (a->rule != b->rule)
        return a->rule < b->rule;
    return slice_cmp(a->key, b->key) < 0;
}

static void put(struct dues *d, size_t at, struct group *g)
{
    d->heap[at] = g;
    g->due_at = (uint32_t)at + 1;
}

static void rise(struct dues *d, size_t at, struct group *g)
{
    for (; at > 0 && is_sooner(g, d->heap[(at - 1) / 2]); at = (at - 1) / 2)
        put(d, at, d->heap[(at - 1) / 2]);
    put(d, at, g);
}

static void sink(struct dues *d, size_t at, struct group *g)
{
    for (;;) {
        size_t child = at * 2 + 1;

        if (child + 1 < d->n && is_sooner(d->heap[child + 1], d->heap[child]))
            child++;
        if (child >= d->n || !is_sooner(d->heap[child], g))
            break;
        put(d, at, d->heap[child]);
        at = child;
    }
    put(d, at, g);
}

static void due_remove(struct dues *d, struct group *g)
{
    size_t at = g->due_at - 1;
    struct group *last = d->heap[--d->n];

    g->due_at = 0;
    g->due_us = 0;
    if (last == g)
        return;
    sink(d, at, last);
    rise(d, last->due_at - 1, last);
}

bool due_set(struct dues *d, struct group *g, uint64_t us)
{
    if (g->due_us == us)
        return true;
    if (g->due_at)
        due_remove(d, g);
    if (us == 0)
        return true;
    if (d->n == d->cap) {
        size_t cap = d->cap ? d->cap * 2 : 64;
        struct group **heap = realloc(d->heap, cap * sizeof(struct group *));

        if (!heap)
            return false;
        d->heap = heap;
        d->cap = cap;
    }
    g->due_us = us;
    d->n++;
    rise(d, d->n - 1, g);
    return true;
}

struct group *due_first(const struct dues *d, uint64_t us)
{
    return d->n && d->heap[0]->due_us <= us ? d->heap[0] : NULL;
}

void dues_fini(struct dues *d)
{
    free(d->heap);
    *d = (struct dues){ 0 };
}
