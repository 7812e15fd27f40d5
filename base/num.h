/*
 * Numbers, sizes, durations and times as text, with range checks.
 *
 * All parsers take the whole slice: blanks, a plus sign or rests are -EINVAL,
 * so is a minus where the type has none; out of range is -ERANGE; the result is untouched on
 * failure.
 */
#pragma once

#include "base/err.h"
#include "base/slice.h"

int parse_u64(struct slice s, uint64_t min, uint64_t max, uint64_t *ret);
int parse_i64(struct slice s, int64_t min, int64_t max, int64_t *ret);
int parse_double(struct slice s, double *ret); /* C locale, finite */
/* 64, 64KiB, 16MiB, 1GiB (also k, M, G = 1000). */
int parse_bytes(struct slice s, uint64_t *ret);
/* 300s, 5m, 1h, 7d, 2w, 250ms; a number and one unit. Microseconds. */
int parse_duration(struct slice s, uint64_t *ret_us);
/* 5m, 1h30m ... the shortest exact form: for messages. */
void buf_duration(struct buf *b, uint64_t us);
void buf_bytes(struct buf *b, uint64_t n); /* 64 KiB, 1.5 MiB */

/* Checked arithmetic: false on overflow. */
static inline bool size_add(size_t a, size_t b, size_t *ret)
{
    return !__builtin_add_overflow(a, b, ret);
}
static inline bool size_mul(size_t a, size_t b, size_t *ret)
{
    return !__builtin_mul_overflow(a, b, ret);
}
