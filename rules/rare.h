/*
 * Rare: literals that a scan for texts would be slow with, each kind with a pass of its own: signs
 * shorter than LITERAL_MIN, and runs of digits.
 */
#pragma once

#include "rules/prefilter.h"

struct rare {
    struct slice text;
    uint32_t id; /* its place in the list of literals */
};

struct rares {
    struct rare *signs, *digits; /* signs with the same first two bytes beside one another */
    size_t nsigns, ndigits;
    size_t digits_min;
};

static inline bool is_rare(struct slice literal)
{
    return literal.n < LITERAL_MIN || literal_digits(literal);
}

/* Those of the literals that are, in the arena. False: no memory. */
bool rares_keep(struct rares *p, const struct slice *literals, size_t n, struct arena *a);
/* As prefilter_scan(). */
void rares_find(const struct rares *p, struct slice bytes, prefilter_hit *hit, void *ctx);
