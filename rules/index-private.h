/*
 * Private to rules/index*.c.
 *
 *     index-build.c   the keys of each rule, and the tables over them
 *     index.c         an event against the tables
 */
#pragma once

#include "rules/index.h"

/* A kind, a field (ANY_FIELD: of keywords) and what of its value, in one word. */
enum key_kind {
    KEY_PRESENT,
    KEY_VALUE, /* hash of the whole value */
    KEY_BEYOND_ASCII, /* some byte of it is */
    KEY_GRAM, /* + how many: bytes that stand in it */
};

#define KEY_KIND_SHIFT 61
#define KEY_FIELD_SHIFT 32
#define ANY_FIELD UINT32_C(0x1fffffff)
#define GRAM_MIN 2
#define GRAM_MAX 4
#define GRAMS (GRAM_MAX - GRAM_MIN + 1)
/* Puts case aside: 'A' becomes 'a'; other pairs become one, too. */
#define CASE_BITS UINT64_C(0x2020202020202020)

/* Which grams of one length there are, by the upper bits of their hash; bits NULL: none. */
struct index_grams {
    const uint64_t *bits;
    unsigned shift;
};

/* What the values of a field are looked up for. */
struct index_field {
    struct index_grams grams[GRAMS];
    size_t value_max; /* the longest text that a whole value is asked to be + 1; 0: none */
    bool present, beyond_ascii;
    bool used; /* any of it */
};

/* The rules that a predicate leads to; NULL: they are asked without asking it before. */
struct index_lead {
    const struct predicate *predicate;
    uint32_t first, n; /* of rules */
};

struct index_slot {
    uint64_t key;
    uint32_t bucket; /* its number + 1; 0: free */
};

struct rule_index {
    struct index_field *fields, any;
    uint32_t nfields;
    struct index_slot *slots;
    uint32_t mask;
    uint32_t *buckets; /* leads of bucket i: from buckets[i] up to buckets[i + 1] */
    size_t nbuckets;
    struct index_lead *leads;
    uint32_t *rules;
    uint64_t *always; /* rules without a key */
    size_t words; /* of a set of rules */
};

static inline uint64_t key_of(unsigned kind, uint32_t field, uint32_t what)
{
    return (uint64_t)kind << KEY_KIND_SHIFT | (uint64_t)field << KEY_FIELD_SHIFT | what;
}

static inline uint32_t key_slot(uint64_t key, uint32_t mask)
{
    return (uint32_t)((key * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & mask;
}

/* n: GRAM_MIN to GRAM_MAX; a constant where it must be fast. */
static ALWAYS_INLINE uint32_t gram_at(const char *p, size_t n)
{
    uint32_t gram = 0;

    memcpy(&gram, p, n);
    return gram | (uint32_t)CASE_BITS;
}

static inline uint32_t gram_hash(uint32_t gram)
{
    return gram * UINT32_C(0x9e3779b1);
}

uint32_t text_hash(struct slice value);
