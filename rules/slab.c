#include "rules/slab.h"

#include <string.h>

#include "base/num.h"

#if defined(__SANITIZE_ADDRESS__)
#define SLAB_POISON 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SLAB_POISON 1
#endif
#endif

#ifdef SLAB_POISON
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#endif

#define UNITS (SLAB_CHUNK / SLAB_UNIT)
#define CHUNKS_MAX (UINT32_MAX / UNITS) /* 64 GiB */
#define LINE 64

_Static_assert((SLAB_MAX + SLAB_UNIT - 1) / SLAB_UNIT <= UINT8_MAX, "a class is one byte");

static size_t class_bytes(const struct slab_chunk *k)
{
    return (size_t)k->class * SLAB_UNIT;
}

static bool has_room(const struct slab_chunk *k)
{
    return k->freed || ((size_t)k->fresh + 1) * class_bytes(k) <= SLAB_CHUNK;
}

/* ---- chunks that have room ---- */

static void offer(struct slab *s, uint32_t chunk)
{
    struct slab_chunk *k = &s->chunks[chunk];
    uint32_t *first = &s->room[k->class];

    k->next = *first;
    k->before = 0;
    if (*first)
        s->chunks[*first].before = chunk;
    *first = chunk;
}

static void withdraw(struct slab *s, uint32_t chunk)
{
    struct slab_chunk *k = &s->chunks[chunk];

    *(k->before ? &s->chunks[k->before].next : &s->room[k->class]) = k->next;
    if (k->next)
        s->chunks[k->next].before = k->before;
}

/* A place in the list of chunks; 0 = none. */
static uint32_t new_place(struct slab *s)
{
    uint32_t place = s->gone, cap = s->cap ? s->cap * 2 : 8;
    struct slab_chunk *list;

    if (place) {
        s->gone = s->chunks[place].next;
        return place;
    }
    if (s->nchunks + 1 >= s->cap) {
        list = cap <= CHUNKS_MAX ? realloc(s->chunks, cap * sizeof *list) : NULL;
        if (!list)
            return 0;
        list[0] = (struct slab_chunk){ 0 }; /* so that no record is called 0 */
        s->chunks = list;
        s->cap = cap;
    }
    return ++s->nchunks;
}

static void give_place(struct slab *s, uint32_t place)
{
    s->chunks[place] = (struct slab_chunk){ .next = s->gone };
    s->gone = place;
}

/*
 * Aligned by hand: what aligned_alloc() gave back once is too short for the next one, so chunks
 * that come and go would leave holes.
 */
static char *chunk_memory(uint8_t *ret_shift)
{
    char *block = malloc(SLAB_CHUNK + LINE);

    if (!block)
        return NULL;
    *ret_shift = (uint8_t)(LINE - (uintptr_t)block % LINE);
    return block + *ret_shift;
}

static void chunk_free(struct slab_chunk *k)
{
    ASAN_UNPOISON_MEMORY_REGION(k->memory, SLAB_CHUNK);
    free(k->memory - k->shift);
}

static uint32_t new_chunk(struct slab *s, uint8_t class)
{
    uint32_t chunk = new_place(s);
    uint8_t shift = 0;
    char *memory = chunk ? chunk_memory(&shift) : NULL;

    if (!memory) {
        if (chunk)
            give_place(s, chunk);
        return 0;
    }
    ASAN_POISON_MEMORY_REGION(memory, SLAB_CHUNK);
    s->chunks[chunk] = (struct slab_chunk){ .memory = memory, .class = class, .shift = shift };
    s->bytes += SLAB_CHUNK;
    offer(s, chunk);
    return chunk;
}

static void drop_chunk(struct slab *s, uint32_t chunk)
{
    withdraw(s, chunk);
    chunk_free(&s->chunks[chunk]);
    s->bytes -= SLAB_CHUNK;
    give_place(s, chunk);
}

void slab_fini(struct slab *s)
{
    for (uint32_t i = 1; i <= s->nchunks; i++)
        if (s->chunks[i].memory)
            chunk_free(&s->chunks[i]);
    free(s->chunks);
    *s = (struct slab){ 0 };
}

/* ---- records ---- */

/* A freed record begins with the number of the one that was freed before it. */
static size_t take_record(struct slab_chunk *k)
{
    size_t at = k->freed ? k->freed - 1u : k->fresh++;
    char *p = k->memory + at * class_bytes(k);

    ASAN_UNPOISON_MEMORY_REGION(p, class_bytes(k));
    if (k->freed)
        memcpy(&k->freed, p, sizeof k->freed);
    memset(p, 0, class_bytes(k));
    k->live++;
    return at;
}

uint32_t slab_alloc(struct slab *s, size_t size)
{
    uint8_t class = (uint8_t)((size + SLAB_UNIT - 1) / SLAB_UNIT);
    uint32_t chunk;
    size_t at;

    if (size == 0 || size > SLAB_MAX)
        return 0;
    chunk = s->room[class] ? s->room[class] : new_chunk(s, class);
    if (!chunk)
        return 0;
    at = take_record(&s->chunks[chunk]);
    if (!has_room(&s->chunks[chunk]))
        withdraw(s, chunk);
    return chunk * UNITS + (uint32_t)at * class;
}

void slab_free(struct slab *s, uint32_t record)
{
    uint32_t chunk = record / UNITS;
    struct slab_chunk *k = &s->chunks[chunk];
    char *p = slab_at(s, record);

    if (!has_room(k))
        offer(s, chunk);
    memcpy(p, &k->freed, sizeof k->freed);
    ASAN_POISON_MEMORY_REGION(p, class_bytes(k));
    k->freed = (uint16_t)(record % UNITS / k->class + 1);
    if (--k->live == 0 && (k->before || k->next))
        drop_chunk(s, chunk);
}

/* ---- pieces ---- */

/* In front of each. */
struct piece_head {
    _Alignas(max_align_t) uint32_t record; /* 0: malloc's */
};

void *slab_piece(struct slab *s, size_t size)
{
    struct piece_head *head;
    size_t bytes;
    uint32_t record = 0;

    if (!size_add(size, sizeof *head, &bytes))
        return NULL;
    if (bytes > SLAB_MAX) {
        head = calloc(1, bytes);
    } else {
        record = slab_alloc(s, bytes);
        head = record ? slab_at(s, record) : NULL;
    }
    if (!head)
        return NULL;
    head->record = record;
    return head + 1;
}

void slab_piece_free(struct slab *s, void *p)
{
    struct piece_head *head = p;

    if (!p)
        return;
    head--;
    if (head->record)
        slab_free(s, head->record);
    else
        free(head);
}

/* malloc's stays malloc's, and may grow where it is. */
static void *grow_large(void *p, size_t n, size_t size)
{
    struct piece_head *head = p;
    size_t bytes;

    head = size_add(size, sizeof *head, &bytes) ? realloc(head - 1, bytes) : NULL;
    if (!head)
        return NULL;
    memset((char *)(head + 1) + n, 0, size - n);
    return head + 1;
}

void *slab_piece_grow(struct slab *s, void *p, size_t n, size_t size)
{
    void *longer;

    if (p && ((const struct piece_head *)p - 1)->record == 0)
        return grow_large(p, n, size);
    longer = slab_piece(s, size);
    if (longer && n)
        memcpy(longer, p, n);
    if (longer)
        slab_piece_free(s, p);
    return longer;
}
