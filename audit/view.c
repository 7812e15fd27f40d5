/* Reading a trail beside its writer: entries, and the hashes of any part of the signed tree. */
#include "audit/view.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "audit/audit-private.h"
#include "base/file.h"
#include "base/num.h"

#define CHECKPOINT_MAX (1 << 20)
#define KEPT_TILES 16 /* a path needs two of each level at most */
#define LINE_BYTES (1 << 17) /* a leaf, and personal values behind it */

struct kept_tile {
    bool used;
    unsigned level, width;
    uint64_t n, turn;
    struct hash hashes[TILE_WIDTH];
};

struct audit_view {
    int dir;
    struct buf note_text;
    struct note note;
    struct checkpoint checkpoint;
    uint64_t *first; /* of the segments */
    size_t nfirst;
    struct kept_tile tiles[KEPT_TILES];
    uint64_t turn;
};

static int load(struct audit_view *v, struct err *err)
{
    int r = file_read(v->dir, "checkpoint", CHECKPOINT_MAX, &v->note_text, err);

    if (r < 0)
        return r;
    if (note_parse(buf_view(&v->note_text), &v->note) < 0 ||
        checkpoint_parse(v->note.text, &v->checkpoint) < 0)
        return err_set(err, -EBADMSG, "the trail's checkpoint cannot be read");
    return segments_list(v->dir, &v->first, &v->nfirst, err);
}

int audit_view_open(const char *folder, struct audit_view **ret, struct err *err)
{
    AUTO(audit_view) v = calloc(1, sizeof *v);

    if (!v)
        return err_nomem(err);
    v->dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (v->dir < 0)
        return err_set(err, -errno, "cannot open trail '%s': %s", folder, err_name(errno));
    if (load(v, err) < 0)
        return err_code(err);
    *ret = TAKE(v);
    return 0;
}

void audit_view_free(struct audit_view *v)
{
    if (!v)
        return;
    if (v->dir >= 0)
        close(v->dir);
    buf_fini(&v->note_text);
    free(v->first);
    free(v);
}

uint64_t audit_view_size(const struct audit_view *v)
{
    return v->checkpoint.size;
}

uint64_t audit_view_first(const struct audit_view *v)
{
    return v->nfirst ? v->first[0] : 0;
}

struct slice audit_view_note(const struct audit_view *v)
{
    return buf_view(&v->note_text);
}

struct slice audit_view_origin(const struct audit_view *v)
{
    return v->checkpoint.origin;
}

int view_dir(const struct audit_view *v)
{
    return v->dir;
}

/* ---- hashes ---- */

static struct kept_tile *place_of(struct audit_view *v, unsigned level, uint64_t n, bool *ret_there)
{
    struct kept_tile *oldest = &v->tiles[0];

    for (size_t i = 0; i < KEPT_TILES; i++) {
        struct kept_tile *t = &v->tiles[i];

        *ret_there = t->used && t->level == level && t->n == n;
        if (*ret_there)
            return t;
        if (t->turn < oldest->turn)
            oldest = t;
    }
    return oldest;
}

static int tile_of(struct audit_view *v, unsigned level, uint64_t n, const struct hash **ret)
{
    uint64_t all = v->checkpoint.size >> (level * 8), left = all - n * TILE_WIDTH;
    unsigned width = left < TILE_WIDTH ? (unsigned)left : TILE_WIDTH;
    bool there;
    struct kept_tile *t = place_of(v, level, n, &there);
    int r;

    t->turn = ++v->turn;
    if (!there) {
        t->used = false;
        r = tile_read_wide(v->dir, level, n, width, t->hashes);
        if (r < 0)
            return r;
        t->used = true;
        t->level = level;
        t->n = n;
    }
    *ret = t->hashes;
    return 0;
}

/* A subtree of 2^k leaves lies in one tile of level k / 8. */
static int subtree(void *ctx, uint64_t from, uint64_t n, struct hash *ret)
{
    unsigned k = (unsigned)__builtin_ctzll(n), level = k / 8;
    uint64_t at = from >> (level * 8);
    struct hash part[TILE_WIDTH];
    const struct hash *tile;
    int r = tile_of(ctx, level, at / TILE_WIDTH, &tile);

    if (r < 0)
        return r;
    memcpy(part, &tile[at % TILE_WIDTH], (sizeof *part) << (k % 8));
    *ret = merkle_root(part, (size_t)1 << (k % 8));
    return 0;
}

static struct subtrees trees(struct audit_view *v)
{
    return (struct subtrees){ subtree, v };
}

static int no_tile(struct err *err, int r)
{
    return r == -ENOENT ? err_set(err, -ENOENT, "a tile is missing: it was pruned, or removed")
                        : err_set(err, r, "a tile cannot be read: %s", err_name(r));
}

int audit_view_root(struct audit_view *v, uint64_t size, uint8_t ret[32], struct err *err)
{
    struct subtrees t = trees(v);
    struct hash root;
    int r;

    if (size > v->checkpoint.size)
        return err_set(err, -EINVAL, "the trail has %llu signed entries",
                       (unsigned long long)v->checkpoint.size);
    r = merkle_range(&t, 0, size, &root);
    if (r < 0)
        return no_tile(err, r);
    memcpy(ret, root.b, sizeof root.b);
    return 0;
}

int audit_view_back(struct audit_view *v, struct slice note, struct err *err)
{
    AUTO_BUF kept = BUF_INIT;
    struct checkpoint c;
    struct note n;
    uint8_t root[32];
    int r;

    buf_slice(&kept, note);
    if (!buf_ok(&kept))
        return err_nomem(err);
    if (note_parse(buf_view(&kept), &n) < 0 || checkpoint_parse(n.text, &c) < 0)
        return err_set(err, -EBADMSG, "that is no checkpoint");
    if (!slice_eq(c.origin, v->checkpoint.origin))
        return err_set(err, -EBADMSG, "that checkpoint is of the trail '%.*s'",
                       SLICE_FMT(slice_take(c.origin, KEY_NAME_MAX)));
    if (c.size > v->checkpoint.size)
        return err_set(err, -EUCLEAN, "the trail has %llu signed entries; it had %llu then",
                       (unsigned long long)v->checkpoint.size, (unsigned long long)c.size);
    r = audit_view_root(v, c.size, root, err);
    if (r < 0)
        return r;
    if (memcmp(root, c.root.b, sizeof root) != 0)
        return err_set(err, -EUCLEAN, "the first %llu entries are not those that were signed then",
                       (unsigned long long)c.size);
    buf_fini(&v->note_text);
    v->note_text = kept;
    kept = (struct buf)BUF_INIT;
    v->note = n;
    v->checkpoint = c;
    return 0;
}

/* ---- lines ---- */

struct wanted {
    uint64_t index;
    struct buf *out;
};

static int on_line(void *ctx, uint64_t index, struct slice line)
{
    struct wanted *w = ctx;

    if (index != w->index)
        return 0;
    buf_slice(w->out, line);
    return 1;
}

/* The index that a line tells of itself; UINT64_MAX: it tells none. */
static uint64_t told_index(struct slice line)
{
    struct slice rest = slice_skip(line, 5);
    size_t n = slice_find_byte(rest, ',');
    uint64_t index;

    if (!slice_starts(line, SLICE("{\"i\":")) || n == SIZE_MAX ||
        parse_u64(slice_take(rest, n), 0, UINT64_MAX - 1, &index) < 0)
        return UINT64_MAX;
    return index;
}

struct halving {
    int fd;
    uint64_t low, high; /* a line begins at low; the wanted one in [low, high) */
    uint64_t index;
    struct buf part; /* bytes read at `mid` */
};

/* Reads at an offset; the first line that begins in what was read. False: none does. */
static bool line_behind(struct halving *h, uint64_t mid, uint64_t *ret_at, uint64_t *ret_index)
{
    ssize_t n = pread(h->fd, h->part.p, LINE_BYTES, (off_t)mid);
    struct slice bytes = slice_of(h->part.p, n > 0 ? (size_t)n : 0);
    size_t lf = slice_find_byte(bytes, '\n');

    if (lf == SIZE_MAX || lf + 1 >= bytes.n)
        return false;
    *ret_at = mid + lf + 1;
    *ret_index = told_index(slice_skip(bytes, lf + 1));
    return *ret_index != UINT64_MAX;
}

/* Lines say their index, so the middle tells in which half the wanted one lies. */
static void halve(struct halving *h)
{
    while (h->high - h->low > LINE_BYTES) {
        uint64_t mid = h->low + (h->high - h->low) / 2, at, index;

        if (!line_behind(h, mid, &at, &index) || at >= h->high)
            return;
        if (index <= h->index)
            h->low = at;
        else
            h->high = at;
    }
}

/* 1 = found; 0 = not that way: somebody changed the indices, or the segment is compressed. */
static int search(struct audit_view *v, uint64_t first, uint64_t index, struct buf *out)
{
    AUTO_BUF name = BUF_INIT;
    AUTO_FD fd = -1;
    struct halving h = { .index = index, .part = BUF_INIT };
    struct stat st;
    struct slice rest, line;
    ssize_t n = -1;
    int found = 0;

    segment_name(&name, first);
    if (!buf_ok(&name) || !buf_reserve(&h.part, 4 * LINE_BYTES))
        return 0;
    fd = h.fd = openat(v->dir, name.p, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd >= 0 && fstat(fd, &st) == 0) {
        h.high = (uint64_t)st.st_size;
        halve(&h);
        n = pread(fd, h.part.p, 4 * LINE_BYTES, (off_t)h.low);
    }
    rest = slice_of(h.part.p, n > 0 ? (size_t)n : 0);
    while (!found && slice_find_byte(rest, '\n') != SIZE_MAX && slice_split(&rest, '\n', &line))
        if (told_index(line) == index) {
            buf_slice(out, line);
            found = 1;
        }
    buf_fini(&h.part);
    return found;
}

static size_t segment_of(const struct audit_view *v, uint64_t index)
{
    size_t low = 0, high = v->nfirst;

    while (high - low > 1) {
        size_t mid = low + (high - low) / 2;

        if (v->first[mid] <= index)
            low = mid;
        else
            high = mid;
    }
    return low;
}

int audit_view_line(struct audit_view *v, uint64_t index, struct buf *out, struct err *err)
{
    struct wanted w = { index, out };
    struct segment_end end;
    size_t i = segment_of(v, index);
    int r;

    if (index >= v->checkpoint.size || v->nfirst == 0)
        return err_set(err, -ENOENT, "there is no entry %llu: %llu are signed",
                       (unsigned long long)index, (unsigned long long)v->checkpoint.size);
    if (index < v->first[0])
        return err_set(err, -ENOENT, "entry %llu was pruned: the first one kept is %llu",
                       (unsigned long long)index, (unsigned long long)v->first[0]);
    r = search(v, v->first[i], index, out);
    if (r == 0)
        r = segment_each(v->dir, v->first[i], on_line, &w, &end, err);
    if (r < 0)
        return r;
    if (r == 0)
        return err_set(err, -ENOENT, "entry %llu is missing from its segment",
                       (unsigned long long)index);
    return buf_ok(out) ? 0 : err_nomem(err);
}

/* The first epoch's proof holds it, and is never pruned. */
int audit_view_genesis(struct audit_view *v, struct buf *out, struct err *err)
{
    AUTO_BUF text = BUF_INIT;
    UNINITIALIZED struct proof p;
    int r = file_read(v->dir, "epochs/000000.tlog-proof", CHECKPOINT_MAX, &text, err);

    if (r < 0)
        return r;
    if (proof_parse(buf_view(&text), out, &p) < 0 || !proof_holds(&p))
        return err_set(err, -EBADMSG, "epochs/000000.tlog-proof cannot be read");
    return buf_ok(out) ? 0 : err_nomem(err);
}

/* ---- proofs ---- */

static int changed(struct err *err, uint64_t index)
{
    return err_set(err, -EUCLEAN,
                   "entry %llu is not what was signed: see `trailwarden trail verify`",
                   (unsigned long long)index);
}

static int prove(struct audit_view *v, uint64_t index, struct slice leaf, struct buf *out,
                 struct err *err)
{
    struct subtrees t = trees(v);
    struct hash path[64], hash = merkle_leaf(leaf);
    size_t n;
    int r = merkle_inclusion(&t, index, v->checkpoint.size, path, &n);

    if (r < 0)
        return no_tile(err, r);
    if (!merkle_check_inclusion(&hash, index, v->checkpoint.size, path, n, &v->checkpoint.root))
        return changed(err, index);
    proof_text(out, leaf, index, path, n, buf_view(&v->note_text));
    return buf_ok(out) ? 0 : err_nomem(err);
}

int audit_view_prove(struct audit_view *v, uint64_t index, struct buf *out, struct err *err)
{
    AUTO_BUF line = BUF_INIT;
    AUTO_BUF leaf = BUF_INIT;
    int r = audit_view_line(v, index, &line, err);

    if (r < 0)
        return r;
    if (leaf_data(buf_view(&line), &leaf) < 0)
        return err_nomem(err);
    return prove(v, index, buf_view(&leaf), out, err);
}

int audit_view_consistency(struct audit_view *v, uint64_t old, uint64_t size, struct buf *out,
                           struct err *err)
{
    struct subtrees t = trees(v);
    struct hash path[64];
    size_t n;
    int r;

    if (old == 0 || old > size || size > v->checkpoint.size)
        return err_set(err, -EINVAL, "sizes must be 1 to %llu, the older one first",
                       (unsigned long long)v->checkpoint.size);
    r = merkle_consistency(&t, old, size, path, &n);
    if (r < 0)
        return no_tile(err, r);
    for (size_t i = 0; i < n; i++)
        hash_text(out, &path[i]);
    return buf_ok(out) ? 0 : err_nomem(err);
}
