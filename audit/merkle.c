/* Hashes, the growing tree and proofs (RFC 6962, section 2.1). */
#include <errno.h>

#include "audit/audit-private.h"

struct hash merkle_leaf(struct slice data)
{
    return merkle_leaf_of_parts(data, SLICE(""));
}

struct hash merkle_leaf_of_parts(struct slice data, struct slice more)
{
    struct sha256 h;
    struct hash out = { { 0 } };

    (void)!sha256_init(&h); /* cannot fail */
    sha256_add(&h, "\0", 1);
    sha256_add(&h, data.p, data.n);
    sha256_add(&h, more.p, more.n);
    sha256_end(&h, out.b);
    return out;
}

struct hash merkle_node(const struct hash *left, const struct hash *right)
{
    uint8_t in[1 + 2 * HASH_SIZE];
    struct hash out;

    in[0] = 1;
    memcpy(in + 1, left->b, HASH_SIZE);
    memcpy(in + 1 + HASH_SIZE, right->b, HASH_SIZE);
    sha256(in, sizeof in, out.b);
    return out;
}

/* Neighbours are paired level by level; an odd last one goes up unchanged. */
struct hash merkle_root(struct hash *h, size_t n)
{
    struct hash empty;

    if (n == 0) {
        sha256("", 0, empty.b);
        return empty;
    }
    while (n > 1) {
        size_t m = 0;

        for (size_t i = 0; i + 1 < n; i += 2)
            h[m++] = merkle_node(&h[i], &h[i + 1]);
        if (n % 2)
            h[m++] = h[n - 1];
        n = m;
    }
    return h[0];
}

/* Width of the partial tile of a level: floor(size / 256^L) mod 256. */
size_t edge_width(const struct edge *e, unsigned level)
{
    return level * 8 >= 64 ? 0 : (size_t)(e->size >> (level * 8)) % TILE_WIDTH;
}

/* The tile is full: told, and its root goes up. Rare, and large on the stack: not in edge_add(). */
static __attribute__((noinline)) int tile_is_full(struct edge *e, unsigned level, uint64_t n,
                                                  tile_full_fn full, void *ctx, struct hash *ret)
{
    UNINITIALIZED struct hash copy[TILE_WIDTH];
    int r = full ? full(ctx, level, n, e->tile[level]) : 0;

    if (r < 0)
        return r;
    memcpy(copy, e->tile[level], sizeof copy);
    *ret = merkle_root(copy, TILE_WIDTH);
    return 0;
}

int edge_add(struct edge *e, const struct hash *leaf, tile_full_fn full, void *ctx)
{
    struct hash h = *leaf;

    for (unsigned level = 0; level < LEVELS_MAX; level++) {
        uint64_t n = e->size >> (level * 8);
        size_t at = (size_t)(n % TILE_WIDTH);
        int r;

        e->tile[level][at] = h;
        if (at != TILE_WIDTH - 1)
            break;
        r = tile_is_full(e, level, n / TILE_WIDTH, full, ctx, &h);
        if (r < 0)
            return r;
    }
    e->size++;
    return 0;
}

/* From the lowest level up, the perfect subtrees of each partial tile from its right end. */
struct hash edge_root(const struct edge *e)
{
    struct hash acc, empty;
    bool have = false;

    for (unsigned level = 0; level < LEVELS_MAX; level++) {
        size_t width = edge_width(e, level);

        for (size_t bit = 1; bit <= width; bit <<= 1) {
            struct hash part[TILE_WIDTH], t;

            if (!(width & bit))
                continue;
            memcpy(part, &e->tile[level][(width & ~(bit * 2 - 1))], bit * sizeof *part);
            t = merkle_root(part, bit);
            acc = have ? merkle_node(&t, &acc) : t;
            have = true;
        }
    }
    if (have)
        return acc;
    sha256("", 0, empty.b);
    return empty;
}

/* ---- proofs ---- */

/* The largest power of two below n. */
static uint64_t split(uint64_t n)
{
    return UINT64_C(1) << (63 - __builtin_clzll(n - 1));
}

int merkle_range(const struct subtrees *t, uint64_t from, uint64_t n, struct hash *ret)
{
    struct hash left, right;
    int r;

    if (n == 0) {
        *ret = merkle_root(&left, 0);
        return 0;
    }
    if ((n & (n - 1)) == 0)
        return t->hash(t->ctx, from, n, ret);
    r = t->hash(t->ctx, from, split(n), &left);
    if (r == 0)
        r = merkle_range(t, from + split(n), n - split(n), &right);
    if (r == 0)
        *ret = merkle_node(&left, &right);
    return r;
}

/* From the root down the siblings come last first. */
static void turn_around(struct hash *out, size_t n)
{
    for (size_t i = 0; i < n / 2; i++) {
        struct hash h = out[i];

        out[i] = out[n - 1 - i];
        out[n - 1 - i] = h;
    }
}

/* RFC 6962, section 2.1.1 */
int merkle_inclusion(const struct subtrees *t, uint64_t index, uint64_t size, struct hash out[64],
                     size_t *ret_n)
{
    uint64_t from = 0;
    int r = 0;

    for (*ret_n = 0; r == 0 && size > 1; ++*ret_n) {
        uint64_t k = split(size);

        if (index - from < k) {
            r = merkle_range(t, from + k, size - k, &out[*ret_n]);
            size = k;
        } else {
            r = merkle_range(t, from, k, &out[*ret_n]);
            from += k;
            size -= k;
        }
    }
    turn_around(out, *ret_n);
    return r;
}

/* RFC 6962, section 2.1.2 */
int merkle_consistency(const struct subtrees *t, uint64_t old, uint64_t size, struct hash out[64],
                       size_t *ret_n)
{
    uint64_t from = 0;
    bool whole = true; /* the old tree is a whole left part: its root is known */
    int r = 0;

    *ret_n = 0;
    if (old == 0)
        return 0;
    while (r == 0 && old - from != size) {
        uint64_t k = split(size);

        if (old - from <= k) {
            r = merkle_range(t, from + k, size - k, &out[(*ret_n)++]);
            size = k;
        } else {
            r = merkle_range(t, from, k, &out[(*ret_n)++]);
            from += k;
            size -= k;
            whole = false;
        }
    }
    if (r == 0 && !whole)
        r = merkle_range(t, from, size, &out[(*ret_n)++]);
    turn_around(out, *ret_n);
    return r;
}

/* RFC 9162, section 2.1.3.2 */
bool merkle_check_inclusion(const struct hash *leaf, uint64_t index, uint64_t size,
                            const struct hash *proof, size_t n, const struct hash *root)
{
    uint64_t fn = index, sn = size - 1;
    struct hash r = *leaf;

    if (size == 0 || index >= size)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (sn == 0)
            return false;
        if ((fn & 1) || fn == sn) {
            r = merkle_node(&proof[i], &r);
            while (!(fn & 1) && fn) {
                fn >>= 1;
                sn >>= 1;
            }
        } else {
            r = merkle_node(&r, &proof[i]);
        }
        fn >>= 1;
        sn >>= 1;
    }
    return sn == 0 && memcmp(&r, root, sizeof r) == 0;
}

/* RFC 9162, section 2.1.4.2 */
bool merkle_check_consistency(uint64_t old, uint64_t size, const struct hash *old_root,
                              const struct hash *root, const struct hash *proof, size_t n)
{
    uint64_t fn = old - 1, sn = size - 1;
    struct hash fr, sr;
    size_t i = 0;

    if (old == 0 || old > size)
        return false;
    if (old == size)
        return n == 0 && memcmp(old_root, root, sizeof *root) == 0;
    while (fn & 1) {
        fn >>= 1;
        sn >>= 1;
    }
    if (fn) { /* the old tree is no perfect one: its first piece is given */
        if (n == 0)
            return false;
        fr = sr = proof[i++];
    } else {
        fr = sr = *old_root;
    }
    for (; i < n; i++) {
        if (sn == 0)
            return false;
        if ((fn & 1) || fn == sn) {
            fr = merkle_node(&proof[i], &fr);
            sr = merkle_node(&proof[i], &sr);
            while (!(fn & 1) && fn) {
                fn >>= 1;
                sn >>= 1;
            }
        } else {
            sr = merkle_node(&sr, &proof[i]);
        }
        fn >>= 1;
        sn >>= 1;
    }
    return sn == 0 && memcmp(&fr, old_root, sizeof fr) == 0 && memcmp(&sr, root, sizeof sr) == 0;
}
