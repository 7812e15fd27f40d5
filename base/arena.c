#include "base/arena.h"

#include <stdio.h>

#include "base/num.h"

struct chunk {
    struct chunk *next;
    size_t size, used;
    _Alignas(max_align_t) char bytes[];
};

struct arena {
    struct chunk *chunks; /* newest first */
    size_t chunk, limit, total;
    size_t first; /* at least the size of the next first chunk */
};

struct arena *arena_new(size_t chunk, size_t limit)
{
    struct arena *a = calloc(1, sizeof *a);

    if (a) {
        a->chunk = chunk ? chunk : 4096;
        a->limit = limit;
    }
    return a;
}

static void chunks_free(struct chunk *c)
{
    while (c) {
        struct chunk *next = c->next;

        free(c);
        c = next;
    }
}

void arena_free(struct arena *a)
{
    if (!a)
        return;
    chunks_free(a->chunks);
    free(a);
}

void arena_reset(struct arena *a)
{
    struct chunk *c = a->chunks;

    if (!c)
        return;
    if (!c->next) {
        c->used = 0;
        return;
    }
    a->first = a->total; /* what was needed once is needed again: in one piece */
    chunks_free(TAKE(a->chunks));
    a->total = 0;
}

size_t arena_used(const struct arena *a)
{
    size_t n = 0;

    for (const struct chunk *c = a->chunks; c; c = c->next)
        n += c->used;
    return n;
}

static struct chunk *chunk_add(struct arena *a, size_t size)
{
    size_t want = a->chunks || a->chunk > a->first ? a->chunk : a->first;
    size_t room = a->limit ? a->limit - a->total : SIZE_MAX, bytes;
    struct chunk *c;

    if (size > room)
        return NULL;
    if (want < size)
        want = size;
    if (want > room)
        want = room; /* the last bit below the limit */
    if (!size_add(sizeof *c, want, &bytes) || !(c = malloc(bytes)))
        return NULL;
    c->next = a->chunks;
    c->size = want;
    c->used = 0;
    a->chunks = c;
    a->total += want;
    return c;
}

static char *take_new(struct arena *a, size_t size)
{
    struct chunk *c = chunk_add(a, size);

    if (!c)
        return NULL;
    c->used = size;
    return c->bytes;
}

/* For each text of each line: so it stands in its callers. */
static ALWAYS_INLINE char *take(struct arena *a, size_t size, size_t align)
{
    struct chunk *c = a->chunks;
    size_t at = c ? (c->used + align - 1) & ~(align - 1) : 0;

    if (!c || at > c->size || size > c->size - at)
        return take_new(a, size);
    c->used = at + size;
    return c->bytes + at;
}

void *arena_alloc(struct arena *a, size_t size)
{
    void *p = take(a, size, _Alignof(max_align_t));

    if (p)
        memset(p, 0, size);
    return p;
}

void *arena_array(struct arena *a, size_t n, size_t size)
{
    size_t bytes;

    return size_mul(n, size, &bytes) ? arena_alloc(a, bytes) : NULL;
}

char *arena_text(struct arena *a, size_t size)
{
    return take(a, size, 1);
}

struct slice arena_slice(struct arena *a, struct slice s)
{
    char *p = take(a, s.n ? s.n : 1, 1);

    if (!p)
        return SLICE_NONE;
    if (s.n)
        memcpy(p, s.p, s.n);
    return slice_of(p, s.n);
}

char *arena_str(struct arena *a, struct slice s)
{
    char *p = arena_text(a, s.n + 1);

    if (!p)
        return NULL;
    if (s.n)
        memcpy(p, s.p, s.n);
    p[s.n] = '\0';
    return p;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
    AUTO_BUF b = BUF_INIT;
    va_list args;

    va_start(args, fmt);
    buf_vprintf(&b, fmt, args);
    va_end(args);
    return buf_ok(&b) ? arena_str(a, buf_view(&b)) : NULL;
}
