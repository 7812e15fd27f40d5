/* Tiles in the C2SP tlog-tiles layout. A tile file never changes but by becoming wider. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "audit/audit-private.h"
#include "base/file.h"
#include "base/num.h"

/* Three digits an element, every element but the last with an x: 1234067 -> x001/x234/067 */
void tile_path(struct buf *out, unsigned level, uint64_t n, unsigned width)
{
    unsigned parts[8];
    size_t k = 0;

    do {
        parts[k++] = (unsigned)(n % 1000);
        n /= 1000;
    } while (n && k < ARRAY_SIZE(parts));
    buf_printf(out, "tile/%u/", level);
    while (k-- > 0)
        buf_printf(out, k ? "x%03u/" : "%03u", parts[k]);
    if (width < TILE_WIDTH)
        buf_printf(out, ".p/%u", width);
}

static int make_parent(int dir, const char *path, struct err *err)
{
    const char *slash = strrchr(path, '/');
    AUTO_BUF folder = BUF_INIT;

    buf_add(&folder, path, (size_t)(slash - path));
    return buf_ok(&folder) ? dir_make(dir, folder.p, 0750, err) : err_nomem(err);
}

static bool same_folder(const struct buf *a, const struct buf *b)
{
    size_t n = a->n && b->n ? slice_rfind_byte(buf_view(a), '/') : SIZE_MAX;

    return n != SIZE_MAX && n == slice_rfind_byte(buf_view(b), '/') && memcmp(a->p, b->p, n) == 0;
}

int tile_done(struct tile_writer *w, struct err *err)
{
    int r = w->last.n ? file_sync_folder(w->dir, w->last.p, err) : 0;

    buf_fini(&w->last);
    return r;
}

int tile_put(struct tile_writer *w, unsigned level, uint64_t n, const struct hash *hashes,
             unsigned width, struct err *err)
{
    AUTO_BUF path = BUF_INIT;
    struct slice bytes = slice_of((const char *)hashes, width * sizeof *hashes);
    int r;

    tile_path(&path, level, n, width);
    if (!buf_ok(&path))
        return err_nomem(err);
    if (w->last.n && !same_folder(&w->last, &path) && tile_done(w, err) < 0)
        return err_code(err);
    r = file_put(w->dir, path.p, bytes, 0640, err);
    if (r == -ENOENT) { /* the first one of its folder */
        r = make_parent(w->dir, path.p, err);
        if (r == 0)
            r = file_put(w->dir, path.p, bytes, 0640, err);
    }
    if (r < 0)
        return r;
    buf_reset(&w->last);
    buf_slice(&w->last, buf_view(&path));
    return buf_ok(&w->last) ? 0 : err_nomem(err);
}

int tile_write(int dir, unsigned level, uint64_t n, const struct hash *hashes, unsigned width,
               struct err *err)
{
    struct tile_writer w = { .dir = dir };
    int r = tile_put(&w, level, n, hashes, width, err);

    if (r == 0)
        return tile_done(&w, err);
    buf_fini(&w.last);
    return r;
}

static void remove_all_but(int folder, unsigned width)
{
    DIR *d = fdopendir(folder);
    struct dirent *e;

    while (d && (e = readdir(d))) {
        uint64_t w;

        if (parse_u64(slice_str(e->d_name), 1, TILE_WIDTH - 1, &w) == 0 && w != width)
            unlinkat(folder, e->d_name, 0);
    }
    if (d)
        closedir(d);
    else
        close(folder);
}

void tile_tidy(int dir, unsigned level, uint64_t n, unsigned width)
{
    AUTO_BUF path = BUF_INIT;
    int folder;

    tile_path(&path, level, n, TILE_WIDTH);
    buf_str(&path, ".p");
    folder = buf_ok(&path) ? openat(dir, path.p, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (folder < 0)
        return;
    remove_all_but(folder, width);
    if (width == TILE_WIDTH)
        unlinkat(dir, path.p, AT_REMOVEDIR);
}

int tile_read(int dir, unsigned level, uint64_t n, unsigned width, struct hash *out)
{
    AUTO_BUF path = BUF_INIT;
    AUTO_BUF bytes = BUF_INIT;
    int r;

    tile_path(&path, level, n, width);
    if (!buf_ok(&path))
        return -ENOMEM;
    r = file_read(dir, path.p, TILE_WIDTH * HASH_SIZE, &bytes, NULL);
    if (r < 0)
        return r;
    if (bytes.n != width * sizeof *out)
        return -EBADMSG;
    memcpy(out, bytes.p, bytes.n);
    return 0;
}

/* The widest partial file of a tile; 0 = none. */
static unsigned widest(int dir, unsigned level, uint64_t n)
{
    AUTO_BUF path = BUF_INIT;
    unsigned best = 0;
    int folder;
    DIR *d;
    struct dirent *e;

    tile_path(&path, level, n, TILE_WIDTH);
    buf_str(&path, ".p");
    folder = buf_ok(&path) ? openat(dir, path.p, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    d = folder >= 0 ? fdopendir(folder) : NULL;
    while (d && (e = readdir(d))) {
        uint64_t w;

        if (parse_u64(slice_str(e->d_name), 1, TILE_WIDTH - 1, &w) == 0 && w > best)
            best = (unsigned)w;
    }
    if (d)
        closedir(d);
    else if (folder >= 0)
        close(folder);
    return best;
}

int tile_read_wide(int dir, unsigned level, uint64_t n, unsigned width, struct hash *out)
{
    int r = tile_read(dir, level, n, width, out);

    /* Twice: what was the widest may be gone when it is opened, for a wider one. */
    for (unsigned i = 0; r == -ENOENT && i < 4; i++) {
        unsigned w = widest(dir, level, n);

        r = tile_read(dir, level, n, TILE_WIDTH, out);
        if (r == 0)
            return TILE_WIDTH;
        if (r == -ENOENT && w >= width) {
            r = tile_read(dir, level, n, w, out);
            if (r == 0)
                return (int)w;
        }
    }
    return r < 0 ? r : (int)width;
}
