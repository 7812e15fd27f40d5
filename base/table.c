#include "base/table.h"

#include <endian.h>
#include <errno.h>
#include <sys/auxv.h>
#include <sys/random.h>

#include "base/num.h"

struct item {
    char *key; /* NULL: removed */
    size_t n;
    uint64_t hash;
    void *value;
};

/*
 * An index of slots (item number + 1; 0 = free) over the items in the order of
 * insertion. A removed item keeps its slot until the next rebuild.
 */
struct table {
    struct item *items;
    size_t nitems, items_cap, live, max;
    size_t first; /* no live item before it: dropping the oldest again and again stays cheap */
    uint32_t *slots;
    size_t nslots; /* a power of two */
};

static uint8_t secret[16];
static bool secret_made;

static uint64_t rotl(uint64_t x, unsigned b)
{
    return x << b | x >> (64 - b);
}

static uint64_t load64(const uint8_t *p)
{
    uint64_t v;

    memcpy(&v, p, sizeof v);
    return le64toh(v);
}

/* The last bytes of a text, fewer than eight: read from both ends, for most keys are short. */
static ALWAYS_INLINE uint64_t load_rest(const uint8_t *p, size_t n)
{
    uint32_t a, b;

    if (n == 0)
        return 0;
    if (n < 4)
        return p[0] | (uint64_t)p[n / 2] << (8 * (n / 2)) | (uint64_t)p[n - 1] << (8 * (n - 1));
    memcpy(&a, p, sizeof a);
    memcpy(&b, p + n - sizeof b, sizeof b);
    return le32toh(a) | (uint64_t)le32toh(b) << (8 * (n - sizeof b));
}

static ALWAYS_INLINE void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotl(v[1], 13) ^ v[0];
    v[0] = rotl(v[0], 32);
    v[2] += v[3];
    v[3] = rotl(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotl(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotl(v[1], 17) ^ v[2];
    v[2] = rotl(v[2], 32);
}

/* Aumasson and Bernstein, "SipHash: a fast short-input PRF": rounds a word, rounds at the end. */
static ALWAYS_INLINE uint64_t siphash(const uint8_t key[16], const void *data, size_t n,
                                      unsigned word_rounds, unsigned end_rounds)
{
    const uint8_t *p = data;
    uint64_t k0 = load64(key), k1 = load64(key + 8), last = (uint64_t)n << 56;
    uint64_t v[4] = { k0 ^ 0x736f6d6570736575u, k1 ^ 0x646f72616e646f6du, k0 ^ 0x6c7967656e657261u,
                      k1 ^ 0x7465646279746573u };
    size_t left = n;

    for (; left >= 8; left -= 8, p += 8) {
        uint64_t m = load64(p);

        v[3] ^= m;
        for (unsigned i = 0; i < word_rounds; i++)
            sip_round(v);
        v[0] ^= m;
    }
    last |= load_rest(p, left);
    v[3] ^= last;
    for (unsigned i = 0; i < word_rounds; i++)
        sip_round(v);
    v[0] ^= last;
    v[2] ^= 0xff;
    for (unsigned i = 0; i < end_rounds; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t siphash24(const uint8_t key[16], const void *p, size_t n)
{
    return siphash(key, p, n, 2, 4);
}

uint64_t table_hash(struct slice key)
{
    /* Before any thread: the first table is made while loading. */
    if (!secret_made) {
        if (getrandom(secret, sizeof secret, 0) != (ssize_t)sizeof secret) {
            /* Sandboxed: the kernel gave 16 random bytes at exec, too (getauxval(3)). */
            uintptr_t given = getauxval(AT_RANDOM);

            if (given)
                memcpy(secret, (const void *)given, sizeof secret);
        }
        secret_made = true;
    }
    return siphash(secret, key.p, key.n, 1, 3);
}

struct table *table_new(size_t max)
{
    struct table *t = calloc(1, sizeof *t);

    if (!t)
        return NULL;
    t->max = max;
    t->nslots = 16;
    t->slots = calloc(t->nslots, sizeof *t->slots);
    if (!t->slots) {
        free(t);
        return NULL;
    }
    return t;
}

void table_free(struct table *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->nitems; i++)
        free(t->items[i].key);
    free(t->items);
    free(t->slots);
    free(t);
}

void table_clear(struct table *t)
{
    for (size_t i = 0; i < t->nitems; i++)
        free(t->items[i].key);
    if (t->nitems)
        memset(t->slots, 0, t->nslots * sizeof *t->slots);
    t->nitems = t->live = t->first = 0;
}

size_t table_count(const struct table *t)
{
    return t->live;
}

/* The slot of the key, or the free one where it belongs. */
static size_t slot_of(const struct table *t, struct slice key, uint64_t hash)
{
    size_t mask = t->nslots - 1, i = hash & mask;

    for (; t->slots[i]; i = (i + 1) & mask) {
        const struct item *it = &t->items[t->slots[i] - 1];

        if (it->key && it->hash == hash && it->n == key.n &&
            (key.n == 0 || memcmp(it->key, key.p, key.n) == 0))
            return i;
    }
    return i;
}

void *table_get(const struct table *t, struct slice key)
{
    size_t slot = slot_of(t, key, table_hash(key));

    return t->slots[slot] ? t->items[t->slots[slot] - 1].value : NULL;
}

/* New slots for the live items, closed up; keeps their order. */
static int rebuild(struct table *t)
{
    size_t want = 16, n = 0;
    uint32_t *slots;

    while (want < (t->live + 1) * 2)
        want *= 2;
    slots = calloc(want, sizeof *slots);
    if (!slots)
        return -ENOMEM;
    for (size_t i = 0; i < t->nitems; i++) {
        if (!t->items[i].key)
            continue;
        t->items[n] = t->items[i];
        for (size_t s = t->items[n].hash & (want - 1);; s = (s + 1) & (want - 1))
            if (!slots[s]) {
                slots[s] = (uint32_t)n + 1;
                break;
            }
        n++;
    }
    free(t->slots);
    t->slots = slots;
    t->nslots = want;
    t->nitems = n;
    t->first = 0;
    return 0;
}

static int make_room(struct table *t)
{
    struct item *items;
    size_t cap = t->items_cap ? t->items_cap * 2 : 16;

    if ((t->nitems + 1) * 4 > t->nslots * 3 && rebuild(t) < 0)
        return -ENOMEM;
    if (t->nitems < t->items_cap)
        return 0;
    if (cap > UINT32_MAX - 1)
        return -ENOSPC;
    items = realloc(t->items, cap * sizeof *items);
    if (!items)
        return -ENOMEM;
    t->items = items;
    t->items_cap = cap;
    return 0;
}

int table_put(struct table *t, struct slice key, void *value)
{
    uint64_t hash = table_hash(key);
    size_t slot = slot_of(t, key, hash);
    int r;
    char *copy;

    if (t->slots[slot]) {
        t->items[t->slots[slot] - 1].value = value;
        return 0;
    }
    if (t->max && t->live >= t->max)
        return -ENOSPC;
    r = make_room(t);
    if (r < 0)
        return r;
    copy = slice_dup(key);
    if (!copy)
        return -ENOMEM;
    slot = slot_of(t, key, hash);
    t->items[t->nitems] = (struct item){ copy, key.n, hash, value };
    t->slots[slot] = (uint32_t)++t->nitems;
    t->live++;
    return 0;
}

void *table_remove(struct table *t, struct slice key)
{
    size_t slot = slot_of(t, key, table_hash(key));
    struct item *it;
    void *value;

    if (!t->slots[slot])
        return NULL;
    it = &t->items[t->slots[slot] - 1];
    value = it->value;
    free(it->key);
    *it = (struct item){ 0 };
    t->live--;
    while (t->first < t->nitems && !t->items[t->first].key)
        t->first++;
    return value;
}

bool table_next(const struct table *t, size_t *i, struct slice *ret_key, void **ret_value)
{
    if (*i < t->first)
        *i = t->first;
    while (*i < t->nitems && !t->items[*i].key)
        (*i)++;
    if (*i >= t->nitems)
        return false;
    if (ret_key)
        *ret_key = slice_of(t->items[*i].key, t->items[*i].n);
    if (ret_value)
        *ret_value = t->items[*i].value;
    (*i)++;
    return true;
}
