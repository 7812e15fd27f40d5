#include "logwatch/glances.h"

#include <stdlib.h>

#include "rules/asked.h"

#define PLACES 256 /* sets of rules that have a glance; the others are read whole */
#define TRIES 8 /* places where one may be */
#define RULES_MAX 64 /* what more rules ask for is most of an event */
#define ARENA_BYTES ((size_t)8 << 20)
/* Records after which it is judged whether a glance pays: the first time, and then. */
#define FIRST_RECORDS 8
#define RECORDS 256

struct place {
    const struct format *format; /* NULL: free */
    const uint64_t *only;
    const struct glance *glance; /* NULL: there can be none */
    unsigned records, whole, until;
    bool pays;
};

struct glances {
    const struct engine *engine;
    size_t words; /* of a set of rules */
    struct arena *arena, *work;
    struct place *last;
    struct place places[PLACES];
};

struct glances *glances_new(const struct engine *e)
{
    AUTO(glances) g = calloc(1, sizeof *g);

    if (!g)
        return NULL;
    g->engine = e;
    g->words = rules_count(e->rules) / 64 + 1;
    g->arena = arena_new(16384, ARENA_BYTES);
    g->work = arena_new(16384, ARENA_BYTES);
    return g->arena && g->work ? TAKE(g) : NULL;
}

void glances_free(struct glances *g)
{
    if (!g)
        return;
    arena_free(g->arena);
    arena_free(g->work);
    free(g);
}

static bool is_for(const struct glances *g, const struct place *p, const struct format *f,
                   const uint64_t *only)
{
    return p->format == f && memcmp(p->only, only, g->words * sizeof *only) == 0;
}

static bool asked_field(const void *ctx, uint32_t id)
{
    return rules_asked_field(ctx, id);
}

static bool asked_value(const void *ctx, uint32_t id, struct slice value)
{
    return rules_asked_value(ctx, id, value);
}

static size_t count_rules(const struct glances *g, const uint64_t *only)
{
    size_t n = 0;

    for (size_t i = 0; i < g->words; i++)
        n += (size_t)__builtin_popcountll(only[i]);
    return n;
}

static const struct glance *make(struct glances *g, const struct format *f, const uint64_t *only)
{
    const struct rules_asked *asked;
    struct glance_ask ask = { .field = asked_field, .value = asked_value };

    if (count_rules(g, only) > RULES_MAX)
        return NULL;
    arena_reset(g->work);
    ask.ctx = asked = rules_asked(g->engine->rules, only, g->work);
    return asked && !rules_asked_all(asked) ? glance_new(f, &ask, g->arena) : NULL;
}

/* false: no memory, and so no place. */
static bool fill(struct glances *g, struct place *p, const struct format *f, const uint64_t *only)
{
    uint64_t *copy = arena_array(g->arena, g->words, sizeof *copy);

    if (!copy)
        return false;
    memcpy(copy, only, g->words * sizeof *copy);
    *p = (struct place){ f, copy, make(g, f, only), 0, 0, FIRST_RECORDS, true };
    return true;
}

/* Its place, made when there is one free; NULL: there is none. */
static struct place *find(struct glances *g, const struct format *f, const uint64_t *only)
{
    uint64_t h = (uintptr_t)f;

    for (size_t i = 0; i < g->words; i++)
        h = (h ^ only[i] ^ h >> 29) * UINT64_C(0x9e3779b97f4a7c15);
    for (uint64_t i = 0; i < TRIES; i++) {
        struct place *p = &g->places[((h >> 32) + i) % PLACES];

        if (!p->format)
            return fill(g, p, f, only) ? p : NULL;
        if (is_for(g, p, f, only))
            return p;
    }
    return NULL;
}

const struct glance *glances_find(struct glances *g, const struct format *f, const uint64_t *only)
{
    if (!g->last || !is_for(g, g->last, f, only))
        g->last = find(g, f, only);
    return g->last && g->last->pays ? g->last->glance : NULL;
}

void glances_told(struct glances *g, bool whole)
{
    struct place *p = g->last;

    if (!p)
        return;
    p->whole += whole;
    if (++p->records < p->until)
        return;
    p->pays = p->whole * 2 < p->records;
    p->records = p->whole = 0;
    p->until = RECORDS;
}
