/*
 * Private to rules/: small records in large chunks, named by four bytes.
 *
 * A record of 16 to SLAB_MAX bytes (rounded up to 16) lies in a chunk of records
 * of its size; there is nothing between them, so a record of 64 bytes is one line
 * of the cache. It never moves: a pointer to it is good until slab_free(). What is
 * freed is given out again first, and a chunk that is empty goes back to the system
 * (one of each size is kept). With AddressSanitizer a freed record is poison.
 *
 * A piece is memory that hangs on a record, named by its address: a list, a table. It lies in a
 * record, too, whose number stands in front of it; a larger one is malloc's. So groups that grow
 * and shrink cost no malloc.
 */
#pragma once

#include "base/macros.h"

#define SLAB_MAX 2064 /* a list of 64 entries of 32 bytes */
#define SLAB_UNIT 16
#define SLAB_CHUNK 65536

struct slab_chunk {
    char *memory; /* NULL: this place of the list is free */
    uint32_t next, before; /* chunks of the size that have room; free places: the next one */
    uint16_t live, fresh; /* records in use; records ever given out */
    uint16_t freed; /* the record that was freed last, from 1 */
    uint8_t class; /* size in units */
    uint8_t shift; /* of the memory behind what malloc gave */
};

/* Begins zeroed. */
struct slab {
    struct slab_chunk *chunks; /* from 1 */
    uint32_t nchunks, cap;
    uint32_t room[SLAB_MAX / SLAB_UNIT + 1]; /* by size: the first chunk with room; 0 = none */
    uint32_t gone; /* the first free place of the list */
    size_t bytes; /* of all chunks */
};

void slab_fini(struct slab *s);
/* A zeroed record; 0 when memory is out, or the size is beyond SLAB_MAX. */
uint32_t slab_alloc(struct slab *s, size_t size) MUST_CHECK;
void slab_free(struct slab *s, uint32_t record);

/* Zeroed, aligned for any type. NULL: no memory. */
void *slab_piece(struct slab *s, size_t size) MUST_CHECK;
/* A longer piece with the same beginning (`n` bytes of it, zeros behind) in the place of `p`, which
 * may be NULL; that one stays when there is no memory. */
void *slab_piece_grow(struct slab *s, void *p, size_t n, size_t size) MUST_CHECK;
void slab_piece_free(struct slab *s, void *p); /* may be NULL */

static inline void *slab_at(const struct slab *s, uint32_t record)
{
    const uint32_t units = SLAB_CHUNK / SLAB_UNIT;

    return s->chunks[record / units].memory + (size_t)(record % units) * SLAB_UNIT;
}
