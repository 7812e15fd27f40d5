/* Roots that notes promise, against the lines that are read and the tiles that are not. */
#include <errno.h>

#include "audit/verify-private.h"

bool verify_promise(struct verify *v, uint64_t size, const struct hash *root, const char *code,
                    const char *name)
{
    struct promise *p =
        verify_grown(v, v->promises, v->npromises, &v->promises_cap, sizeof *v->promises);

    if (!p)
        return false;
    v->promises = p;
    p = &v->promises[v->npromises++];
    *p = (struct promise){ .size = size, .root = *root, .code = code };
    for (size_t i = 0; i + 1 < sizeof p->name && name[i]; i++)
        p->name[i] = name[i];
    return true;
}

static int by_size(const void *a, const void *b)
{
    const struct promise *x = a, *y = b;

    return (x->size > y->size) - (x->size < y->size);
}

static void broken(struct verify *v, const struct promise *p)
{
    verify_fault(v, p->code, p->size ? p->size - 1 : NO_ENTRY,
                 "the log does not fit %s (%llu entries)", p->name, (unsigned long long)p->size);
}

/* ---- below the first line that is read ---- */

/* A subtree of 2^k leaves lies in one tile of level k / 8. */
static int subtree(void *ctx, uint64_t from, uint64_t n, struct hash *ret)
{
    struct verify *v = ctx;
    unsigned k = (unsigned)__builtin_ctzll(n), level = k / 8;
    uint64_t at = from >> (level * 8), count = n >> (level * 8);
    UNINITIALIZED struct hash tile[TILE_WIDTH];
    int r =
        tile_read_wide(v->dir, level, at / TILE_WIDTH, (unsigned)(at % TILE_WIDTH + count), tile);

    if (r < 0)
        return r;
    *ret = merkle_root(&tile[at % TILE_WIDTH], (size_t)count);
    return 0;
}

/*
 * The tiles give a proof that the smaller tree is the beginning of the signed one. What they say
 * is not believed: the proof leads to both signed roots, or to none.
 */
static void check_smaller(struct verify *v, const struct promise *p)
{
    const struct subtrees t = { subtree, v };
    const struct checkpoint *c = &v->checkpoint;
    struct hash path[64], empty;
    size_t n;
    int r;

    if (p->size == 0) {
        empty = merkle_root(&empty, 0);
        if (memcmp(&empty, &p->root, sizeof empty) != 0)
            broken(v, p);
        return;
    }
    r = merkle_consistency(&t, p->size, c->size, path, &n);
    if (verify_cannot(v, r))
        v->failed = r;
    else if (r == -ENOENT && v->first[0] > 0 && p->size < v->first[0])
        v->report->unchecked++; /* its tiles were pruned with its lines */
    else if (r < 0)
        verify_fault(v, r == -ENOENT ? "MISSING" : "TILE_SIZE", p->size - 1,
                     "a tile that leads to %s cannot be read", p->name);
    else if (!merkle_check_consistency(p->size, c->size, &p->root, &c->root, path, n))
        broken(v, p);
}

static void check_here(struct verify *v)
{
    struct hash root;
    bool have = false;

    for (; v->next_promise < v->npromises; v->next_promise++) {
        const struct promise *p = &v->promises[v->next_promise];

        if (p->size > v->edge->size)
            break;
        if (!have)
            root = edge_root(v->edge);
        have = true;
        if (memcmp(&root, &p->root, sizeof root) != 0)
            broken(v, p);
    }
}

/* The right edge of the tree of v->start entries, a multiple of 256: each level's partial tile. */
static bool load_edge(struct verify *v)
{
    v->edge->size = v->start;
    for (unsigned level = 1; level < LEVELS_MAX; level++) {
        unsigned width = (unsigned)edge_width(v->edge, level);
        uint64_t n = (v->start >> (level * 8)) / TILE_WIDTH;
        int r = width ? tile_read_wide(v->dir, level, n, width, v->edge->tile[level]) : 0;

        if (verify_cannot(v, r))
            v->failed = r;
        else if (r < 0)
            verify_fault(v, r == -ENOENT ? "MISSING" : "TILE_SIZE", NO_ENTRY,
                         "tile %u/%llu cannot be read", level, (unsigned long long)n);
        if (r < 0)
            return false;
    }
    return true;
}

bool verify_tree_below(struct verify *v)
{
    if (v->npromises)
        qsort(v->promises, v->npromises, sizeof *v->promises, by_size);
    for (; v->next_promise < v->npromises && v->promises[v->next_promise].size < v->start &&
           !v->failed;
         v->next_promise++)
        check_smaller(v, &v->promises[v->next_promise]);
    if (v->failed || !load_edge(v))
        return false;
    check_here(v);
    return true;
}

/* ---- while lines are read ---- */

static void compare_tile(struct verify *v, unsigned level, uint64_t n, const struct hash *hashes,
                         unsigned width)
{
    UNINITIALIZED struct hash disk[TILE_WIDTH];
    int r = tile_read_wide(v->dir, level, n, width, disk);

    if (verify_cannot(v, r))
        v->failed = r;
    else if (r < 0)
        verify_fault(v, r == -EBADMSG || r == -EFBIG ? "TILE_SIZE" : "MISSING", NO_ENTRY,
                     "tile %u/%llu cannot be read", level, (unsigned long long)n);
    else if (memcmp(disk, hashes, width * sizeof *disk) != 0)
        verify_fault(v, "TILE_BAD", NO_ENTRY, "tile %u/%llu does not fit the lines", level,
                     (unsigned long long)n);
}

static int on_full_tile(void *ctx, unsigned level, uint64_t n, const struct hash *hashes)
{
    if (level > 0) /* those of level 0 are compared line by line */
        compare_tile(ctx, level, n, hashes, TILE_WIDTH);
    return 0;
}

int verify_tree_add(struct verify *v, const struct hash *leaf)
{
    int r = edge_add(v->edge, leaf, on_full_tile, v);

    if (r == 0 && v->next_promise < v->npromises &&
        v->promises[v->next_promise].size <= v->edge->size)
        check_here(v);
    return r;
}

void verify_tree_end(struct verify *v)
{
    check_here(v);
    for (unsigned level = 1; level < LEVELS_MAX; level++) {
        unsigned width = (unsigned)edge_width(v->edge, level);

        if (width)
            compare_tile(v, level, (v->edge->size >> (level * 8)) / TILE_WIDTH,
                         v->edge->tile[level], width);
    }
    for (; v->next_promise < v->npromises; v->next_promise++)
        verify_fault(v, "LINE_COUNT", NO_ENTRY, "no root could be made for %s",
                     v->promises[v->next_promise].name);
}
