#include "rules/grams.h"

#include <errno.h>
#include <stdlib.h>

/* More literals have too many grams to choose from, and too few that are shared. */
#define LITERALS_MOST 512
#define PLACES (1u << 14) /* of a table of grams; filled to a half */
#define CANDIDATES_MOST (PLACES / 2)
/* What one more gram costs: as much as finding it once in so many bytes. */
#define BYTES_A_HIT 2500
/* Below this share of the literals' number the scan is faster. */
#define SHARE_NUM 2
#define SHARE_DEN 3

struct candidate {
    uint32_t gram; /* its bytes */
    uint32_t standing; /* times in the sample */
    uint32_t gain; /* literals that hold it and have no gram yet */
};

struct choice {
    const struct slice *literals;
    size_t n;
    struct candidate *list;
    size_t ncandidates;
    uint16_t *places; /* by hash: the candidate's number + 1 */
    bool *done; /* by literal */
};

static uint32_t gram_of(const char *p)
{
    const unsigned char *u = (const unsigned char *)p;

    return (uint32_t)u[0] | (uint32_t)u[1] << 8 | (uint32_t)u[2] << 16;
}

/* The place of a gram, or that where it would be. */
static uint16_t *place_of(const struct choice *c, uint32_t gram)
{
    uint32_t i = gram * UINT32_C(2654435761) >> 18;

    while (c->places[i] && c->list[c->places[i] - 1].gram != gram)
        i = (i + 1) % PLACES;
    return &c->places[i];
}

/* Is it the first of its like in the literal? */
static bool is_first(struct slice literal, size_t at)
{
    return slice_find(literal, slice_of(literal.p + at, GRAM_BYTES)) == at;
}

/* False: too many. */
static bool add_candidates(struct choice *c, struct slice literal)
{
    for (size_t at = 0; at + GRAM_BYTES <= literal.n; at++) {
        uint32_t gram = gram_of(literal.p + at);
        uint16_t *place = place_of(c, gram);

        if (!*place) {
            if (c->ncandidates == CANDIDATES_MOST)
                return false;
            c->list[c->ncandidates++] = (struct candidate){ .gram = gram };
            *place = (uint16_t)c->ncandidates;
        }
        c->list[*place - 1].gain += is_first(literal, at);
    }
    return true;
}

static void count_standing(struct choice *c, struct slice sample)
{
    uint32_t gram = 0;

    for (size_t i = 0; i < sample.n; i++) {
        gram = gram >> 8 | (uint32_t)(unsigned char)ascii_lower(sample.p[i]) << 16;
        if (i + 1 >= GRAM_BYTES) {
            size_t place = *place_of(c, gram);

            c->list[place ? place - 1 : c->ncandidates].standing++; /* the last one is nobody's */
        }
    }
}

static size_t best(const struct choice *c, size_t sample)
{
    double lowest = 0, each = (double)sample / BYTES_A_HIT;
    size_t found = SIZE_MAX;

    for (size_t i = 0; i < c->ncandidates; i++) {
        double price = c->list[i].gain ? (each + c->list[i].standing) / c->list[i].gain : 0;

        if (c->list[i].gain && (found == SIZE_MAX || price < lowest)) {
            found = i;
            lowest = price;
        }
    }
    return found;
}

static void forget(struct choice *c, struct slice literal)
{
    for (size_t at = 0; at + GRAM_BYTES <= literal.n; at++)
        c->list[*place_of(c, gram_of(literal.p + at)) - 1].gain -= is_first(literal, at);
}

/* Each literal that holds it and has none yet. Returns how many. */
static size_t give(struct choice *c, uint32_t gram, struct grams *g)
{
    struct slice text = slice_of(g->texts[g->n], GRAM_BYTES);
    uint32_t *end = &g->first[g->n + 1];
    size_t before = g->first[g->n];

    for (size_t i = 0; i < GRAM_BYTES; i++)
        g->texts[g->n][i] = (char)(gram >> (i * 8));
    *end = (uint32_t)before;
    for (size_t i = 0; i < c->n; i++) {
        size_t at = c->done[i] ? SIZE_MAX : slice_find(c->literals[i], text);

        if (at == SIZE_MAX)
            continue;
        g->uses[(*end)++] = (struct gram_use){ (uint32_t)i, (uint32_t)at };
        c->done[i] = true;
        forget(c, c->literals[i]);
    }
    g->n++;
    return *end - before;
}

/* The cheapest for each literal that it serves, again and again (a greedy cover). */
static void cover(struct choice *c, size_t sample, struct grams *g)
{
    size_t most = c->n * SHARE_NUM / SHARE_DEN, left = c->n;

    while (left && g->n < GRAMS_MAX && g->n < most)
        left -= give(c, c->list[best(c, sample)].gram, g);
    if (left)
        g->n = 0;
}

int grams_choose(const struct slice *literals, size_t n, struct slice sample, struct arena *a,
                 struct grams *ret)
{
    struct choice c = { .literals = literals, .n = n };
    bool fits = n > 0 && n <= LITERALS_MOST;
    int r = -ENOMEM;

    *ret = (struct grams){ .n = 0 };
    c.list = calloc(CANDIDATES_MOST + 1, sizeof *c.list);
    c.places = calloc(PLACES, sizeof *c.places);
    c.done = calloc(n + 1, sizeof *c.done);
    ret->uses = arena_array(a, n + 1, sizeof *ret->uses);
    if (c.list && c.places && c.done && ret->uses) {
        for (size_t i = 0; fits && i < n; i++)
            fits = add_candidates(&c, literals[i]);
        if (fits) {
            count_standing(&c, sample);
            cover(&c, sample.n, ret);
        }
        r = 0;
    }
    free(c.list);
    free(c.places);
    free(c.done);
    return r;
}
