/*
 * Arena: memory that is freed all at once.
 *
 * A batch of events keeps its text, fields and matches here and drops the
 * lot in one call when it is done. There is no free of a single piece, so
 * there is none to forget. A lone chunk survives a reset; several are replaced
 * by one as large as all of them: in steady state a batch costs no malloc
 * (tests/unit/test_arena.c counts).
 */
#pragma once

#include "base/slice.h"

struct arena;

/* limit 0 = none. NULL when memory is out. */
struct arena *arena_new(size_t chunk, size_t limit);
void arena_free(struct arena *a);
DEFINE_AUTO(arena)
void arena_reset(struct arena *a);
size_t arena_used(const struct arena *a);

/* Zeroed, aligned for any type; NULL beyond the limit given to arena_new(). */
void *arena_alloc(struct arena *a, size_t size) MUST_CHECK;
void *arena_array(struct arena *a, size_t n, size_t size) MUST_CHECK; /* checked product */
/* Not zeroed, byte aligned: for text. */
char *arena_text(struct arena *a, size_t size) MUST_CHECK;

/* A copy; p is NULL when memory is out (an empty slice gets a non-NULL p). */
struct slice arena_slice(struct arena *a, struct slice s) MUST_CHECK;
char *arena_str(struct arena *a, struct slice s) MUST_CHECK; /* NUL-terminated copy */
char *arena_printf(struct arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3) MUST_CHECK;
