/* The trail as the static files of C2SP tlog-tiles: hashes, and leaves in bundles of 256. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "audit/audit-private.h"
#include "audit/view.h"
#include "base/file.h"

/* tlog-tiles, "entry bundles": each leaf behind its length of two bytes, big-endian. */
struct exporting {
    struct audit_view *v;
    int to;
    struct buf bundle;
    uint64_t size, next; /* of the next entry */
    void (*progress)(void *ctx, uint64_t done, uint64_t total);
    void *ctx;
    int failed;
    struct err *err;
};

static unsigned width_at(uint64_t all, uint64_t n)
{
    return all - n * TILE_WIDTH < TILE_WIDTH ? (unsigned)(all - n * TILE_WIDTH) : TILE_WIDTH;
}

static int write_at(struct exporting *x, const struct buf *path, struct slice bytes)
{
    AUTO_BUF folder = BUF_INIT;
    const char *slash = path->p ? strrchr(path->p, '/') : NULL;

    if (!buf_ok(path) || !slash)
        return err_nomem(x->err);
    buf_add(&folder, path->p, (size_t)(slash - path->p));
    if (!buf_ok(&folder))
        return err_nomem(x->err);
    if (dir_make(x->to, folder.p, 0755, x->err) < 0)
        return err_code(x->err);
    return file_replace(x->to, path->p, bytes, 0644, x->err);
}

/* tile/entries/<N>: the path of a hash tile with another level. */
static void bundle_path(struct buf *out, uint64_t n, unsigned width)
{
    AUTO_BUF tile = BUF_INIT;

    tile_path(&tile, 0, n, width);
    buf_str(out, "tile/entries/");
    buf_slice(out, slice_skip(buf_view(&tile), strlen("tile/0/")));
    out->failed = out->failed || tile.failed;
}

static int write_bundle(struct exporting *x)
{
    AUTO_BUF path = BUF_INIT;
    uint64_t n = (x->next - 1) / TILE_WIDTH;
    int r;

    bundle_path(&path, n, (unsigned)(x->next - n * TILE_WIDTH));
    r = buf_ok(&x->bundle) ? write_at(x, &path, buf_view(&x->bundle)) : err_nomem(x->err);
    buf_reset(&x->bundle);
    if (x->progress)
        x->progress(x->ctx, x->next, x->size);
    return r;
}

static int on_line(void *ctx, uint64_t index, struct slice line)
{
    struct exporting *x = ctx;
    AUTO_BUF leaf = BUF_INIT;
    uint8_t length[2];

    if (index >= x->size)
        return 1;
    if (leaf_data(line, &leaf) < 0)
        return x->failed = err_nomem(x->err);
    if (leaf.n > UINT16_MAX)
        return x->failed = err_set(x->err, -EFBIG, "entry %llu is too long for a bundle",
                                   (unsigned long long)index);
    length[0] = (uint8_t)(leaf.n >> 8);
    length[1] = (uint8_t)leaf.n;
    buf_add(&x->bundle, length, sizeof length);
    buf_slice(&x->bundle, buf_view(&leaf));
    x->next = index + 1;
    if (x->next % TILE_WIDTH == 0 || x->next == x->size)
        x->failed = write_bundle(x);
    return x->failed;
}

static int export_entries(struct exporting *x, int dir)
{
    uint64_t *first = NULL;
    size_t n = 0;
    int r = segments_list(dir, &first, &n, x->err);

    for (size_t i = 0; r == 0 && i < n && first[i] < x->size; i++) {
        struct segment_end end;

        r = segment_each(dir, first[i], on_line, x, &end, x->err);
    }
    free(first);
    return x->failed ? x->failed : r < 0 ? r : 0;
}

/* What was pruned has no tiles any more. */
static int export_tile(struct exporting *x, int dir, unsigned level, uint64_t n, unsigned width)
{
    AUTO_BUF path = BUF_INIT;
    struct hash hashes[TILE_WIDTH];
    int r = tile_read_wide(dir, level, n, width, hashes);

    if (r == -ENOENT && (n + 1) << ((level + 1) * 8) <= audit_view_first(x->v))
        return 0;
    if (r < 0)
        return err_set(x->err, r, "tile %u/%llu cannot be read: %s", level, (unsigned long long)n,
                       err_name(r));
    tile_path(&path, level, n, width);
    return write_at(x, &path, slice_of((const char *)hashes, width * sizeof *hashes));
}

static int export_tiles(struct exporting *x, int dir)
{
    for (unsigned level = 0; level < LEVELS_MAX && x->size >> (level * 8); level++) {
        uint64_t all = x->size >> (level * 8);

        for (uint64_t n = 0; n * TILE_WIDTH < all; n++)
            if (export_tile(x, dir, level, n, width_at(all, n)) < 0)
                return err_code(x->err);
    }
    return 0;
}

int audit_view_export(struct audit_view *v, const char *folder,
                      void (*progress)(void *ctx, uint64_t done, uint64_t total), void *ctx,
                      struct err *err)
{
    struct exporting x = { .v = v,
                           .size = audit_view_size(v),
                           .progress = progress,
                           .ctx = ctx,
                           .err = err,
                           .bundle = BUF_INIT };
    int dir = view_dir(v), r;

    if (mkdir(folder, 0755) < 0)
        return err_set(err, -errno, "cannot make '%s': %s", folder, err_name(errno));
    x.to = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (x.to < 0)
        return err_set(err, -errno, "cannot open '%s': %s", folder, err_name(errno));
    r = export_tiles(&x, dir);
    if (r == 0)
        r = export_entries(&x, dir);
    if (r == 0) /* last: who sees it finds the rest */
        r = file_replace(x.to, "checkpoint", audit_view_note(v), 0644, err);
    buf_fini(&x.bundle);
    close(x.to);
    return r;
}
