/*
 * Marks: which bytes stand in a text, in one number.
 *
 * ASCII letters of both cases share a bit, and so do some other bytes. A text has all the marks of
 * whatever stands in it: so most searches that will not find anything are known not to, without a
 * search, by one look at the marks of both. They exclude, they never promise.
 *
 * A set says what is needed: all the marks of at least one of its members. An empty one says that
 * nothing is known, so anything will do. What does not fit into a set makes it weaker, never wrong.
 */
#pragma once

#include "base/slice.h"

#define MARKS_MAX 24 /* of a set */

struct marks {
    uint64_t any[MARKS_MAX];
    size_t n;
};

static inline uint64_t marks_of_byte(unsigned char c)
{
    return UINT64_C(1) << ((c & 31) | (c >> 1 & 32));
}
static inline uint64_t marks_of(struct slice text)
{
    uint64_t marks = 0;

    for (size_t i = 0; i < text.n; i++)
        marks |= marks_of_byte((unsigned char)text.p[i]);
    return marks;
}
static inline bool marks_fit(const uint64_t *any, size_t n, uint64_t text)
{
    for (size_t i = 0; i < n; i++)
        if ((any[i] & ~text) == 0)
            return true;
    return n == 0;
}

/* One of these: of a text that is needed as a whole. */
struct marks marks_one(uint64_t marks);
/* Both are needed; either one is. */
struct marks marks_and(const struct marks *a, const struct marks *b);
struct marks marks_or(const struct marks *a, const struct marks *b);
