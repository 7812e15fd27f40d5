/*
 * Grams: a few texts of three bytes that many literals share.
 *
 * A scan for some dozen literals is two to four times as fast as one for a dozen texts of three
 * bytes, whatever their length. Each literal holds the gram that stands for it, so where no gram
 * stands no literal does; where one stands the literals behind it are compared. That pays as long
 * as the grams are rare, and which are is known by the log alone: they are chosen by a sample of
 * it, and it is the caller who counts whether the choice still holds.
 */
#pragma once

#include "base/arena.h"

#define GRAM_BYTES 3
/* Of more the scan is no faster than that for the literals. */
#define GRAMS_MAX 40

/* One literal behind a gram. */
struct gram_use {
    uint32_t literal; /* its index */
    uint32_t at; /* in it, the gram's first byte */
};

struct grams {
    size_t n; /* 0: none that would pay */
    char texts[GRAMS_MAX][GRAM_BYTES];
    struct gram_use *uses; /* in the arena: of gram i from first[i] up to first[i + 1] */
    uint32_t first[GRAMS_MAX + 1];
};

/* The literals are lower case and as long as a gram or longer; the sample is raw. -ENOMEM. */
int grams_choose(const struct slice *literals, size_t n, struct slice sample, struct arena *a,
                 struct grams *ret);
