/* Dice for properties: the same throws for the same seed, on every machine. */
#pragma once

#include "base/macros.h"

struct dice {
    uint64_t x;
};

static inline unsigned roll(struct dice *d, unsigned n)
{
    d->x = d->x * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)((d->x >> 33) % n);
}

#define PICK(d, list) ((list)[roll((d), (unsigned)ARRAY_SIZE(list))])
