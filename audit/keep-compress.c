/*
 * Closed segments become .jsonl.gz, a piece at a time.
 *
 * A segment of 20 MB takes half a second: too long for a commit to wait. So a
 * call takes a bounded number of bytes in, and the next one goes on. The copy is
 * written under another name, synced, read back and compared by its SHA-256; then it is renamed,
 * the folder synced, and the plain file goes. Ended in between there is a temporary file, or both:
 * the next start removes what is too much (keep.c). The newest closed segment stays plain, so
 * recovery never cuts in a compressed one.
 */
#include "audit/trail-private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#define ZLIB_CONST
#include <zlib.h>

#include "base/fault.h"
#include "base/file.h"
#include "base/zip.h"

#define PART (64 << 10)
#define LEVEL 6 /* 9 takes twice the time for 1 % */
#define GZIP_WINDOW (15 + 16)

/* ---- writing gzip ---- */

struct gz {
    z_stream z;
    int fd;
    uint8_t out[PART];
};

int gz_new(int fd, struct gz **ret)
{
    AUTO_FREE struct gz *g = calloc(1, sizeof *g);

    if (!g)
        return -ENOMEM;
    g->fd = fd;
    if (deflateInit2(&g->z, LEVEL, Z_DEFLATED, GZIP_WINDOW, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return -ENOMEM;
    *ret = TAKE(g);
    return 0;
}

void gz_free(struct gz *g)
{
    if (!g)
        return;
    deflateEnd(&g->z);
    free(g);
}

static int pump(struct gz *g, int flush)
{
    int rc, r = 0;

    do {
        g->z.next_out = g->out;
        g->z.avail_out = sizeof g->out;
        rc = deflate(&g->z, flush);
        if (rc == Z_STREAM_ERROR)
            return -EIO;
        r = fd_write_all(g->fd, g->out, sizeof g->out - g->z.avail_out);
    } while (r == 0 && (flush == Z_FINISH ? rc != Z_STREAM_END : g->z.avail_out == 0));
    return r;
}

int gz_add(struct gz *g, const void *p, size_t n)
{
    g->z.next_in = p;
    g->z.avail_in = (uInt)n;
    return pump(g, Z_NO_FLUSH);
}

int gz_end(struct gz *g)
{
    g->z.avail_in = 0;
    return pump(g, Z_FINISH);
}

/* ---- one segment ---- */

struct packing {
    uint64_t first;
    int in, out;
    struct gz *gz; /* NULL: all is written, and read back */
    struct zip *back;
    struct sha256 was, is;
    struct buf plain, packed, temp; /* names */
};

static void packing_free(struct packing *p)
{
    zip_free(p->back);
    gz_free(p->gz);
    if (p->in >= 0)
        close(p->in);
    if (p->out >= 0)
        close(p->out);
    buf_fini(&p->plain);
    buf_fini(&p->packed);
    buf_fini(&p->temp);
    free(p);
}

void keep_packing_free(struct audit *a)
{
    struct packing *p = a->keep.packing;

    if (!p)
        return;
    if (buf_ok(&p->temp) && p->temp.n)
        unlinkat(a->dir, p->temp.p, 0);
    packing_free(p);
    a->keep.packing = NULL;
}

static int open_files(struct audit *a, struct packing *p, struct err *err)
{
    segment_name(&p->plain, p->first);
    segment_name_gz(&p->packed, p->first);
    buf_printf(&p->temp, "%s.tmp", p->packed.p ? p->packed.p : "");
    if (!buf_ok(&p->plain) || !buf_ok(&p->packed) || !buf_ok(&p->temp))
        return err_nomem(err);
    p->in = openat(a->dir, p->plain.p, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (p->in < 0)
        return err_set(err, -errno, "cannot open '%s': %s", p->plain.p, err_name(errno));
    unlinkat(a->dir, p->temp.p, 0);
    p->out = openat(a->dir, p->temp.p, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    if (p->out < 0)
        return err_set(err, -errno, "cannot make '%s': %s", p->temp.p, err_name(errno));
    return gz_new(p->out, &p->gz) < 0 ? err_nomem(err) : 0;
}

static int begin(struct audit *a, uint64_t first, struct err *err)
{
    struct packing *p = calloc(1, sizeof *p);

    if (!p)
        return err_nomem(err);
    p->first = first;
    p->in = p->out = -1;
    (void)!sha256_init(&p->was); /* cannot fail */
    (void)!sha256_init(&p->is);
    a->keep.packing = p;
    return open_files(a, p, err);
}

/* 1 = more to read, 0 = all is written and synced. */
static int write_some(struct packing *p, size_t bytes)
{
    char part[PART];
    int r = 0;

    while (bytes) {
        ssize_t n = read(p->in, part, sizeof part);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        sha256_add(&p->was, part, (size_t)n);
        r = gz_add(p->gz, part, (size_t)n);
        if (r < 0)
            return r;
        bytes -= bytes < (size_t)n ? bytes : (size_t)n;
    }
    (void)sync_file_range(p->out, 0, 0, SYNC_FILE_RANGE_WRITE); /* the sync at the end is short */
    if (bytes == 0)
        return 1;
    r = gz_end(p->gz);
    gz_free(TAKE(p->gz));
    return r < 0 ? r : fsync(p->out) < 0 ? -errno : 0;
}

/* The same bytes come out of it. 1 = more to compare. */
static int compare_some(struct packing *p, size_t bytes)
{
    uint8_t was[SHA256_SIZE], is[SHA256_SIZE];
    char part[PART];

    while (bytes) {
        ssize_t n = zip_read(p->back, part, sizeof part, NULL);

        if (n == -EAGAIN || n == -EINTR)
            continue;
        if (n < 0)
            return (int)n;
        if (n == 0)
            break;
        sha256_add(&p->is, part, (size_t)n);
        bytes -= bytes < (size_t)n ? bytes : (size_t)n;
    }
    if (bytes == 0)
        return 1;
    sha256_end(&p->was, was);
    sha256_end(&p->is, is);
    return memcmp(was, is, sizeof was) == 0 ? 0 : -EIO;
}

/* The copy is whole: it takes the place of the plain one. */
static int take_place(struct audit *a, struct packing *p, struct err *err)
{
    fault_point(FAULT_KEEP_PACK_WRITTEN);
    if (renameat(a->dir, p->temp.p, a->dir, p->packed.p) < 0)
        return err_set(err, -errno, "cannot rename '%s': %s", p->temp.p, err_name(errno));
    buf_reset(&p->temp);
    if (keep_sync_log(a, err) < 0)
        return err_code(err);
    fault_point(FAULT_KEEP_PACK_RENAMED);
    if (unlinkat(a->dir, p->plain.p, 0) < 0)
        return err_set(err, -errno, "cannot remove '%s': %s", p->plain.p, err_name(errno));
    return 0;
}

static int go_on(struct audit *a, struct packing *p, size_t bytes, struct err *err)
{
    int r;

    if (p->gz) {
        r = write_some(p, bytes);
        if (r == 0)
            r = zip_new(p->out, &p->back, err) < 0 ? err_code(err) : 1;
    } else {
        r = compare_some(p, bytes);
        if (r == 0)
            return take_place(a, p, err);
    }
    return r < 0 ? err_set(err, r, "cannot compress '%s': %s", p->plain.p, err_name(r)) : r;
}

/* The oldest plain one that is closed, signed and not the newest of those. False: there is none. */
static int next_plain(struct audit *a, uint64_t *ret, bool *ret_found, struct err *err)
{
    uint64_t *first = NULL;
    size_t n = 0;
    int r = segments_list(a->dir, &first, &n, err);

    *ret_found = false;
    for (size_t i = 0; r == 0 && !*ret_found && i + 2 < n && first[i + 1] <= a->signed_size; i++) {
        AUTO_BUF name = BUF_INIT;

        segment_name(&name, first[i]);
        *ret = first[i];
        *ret_found = buf_ok(&name) && faccessat(a->dir, name.p, F_OK, 0) == 0;
    }
    free(first);
    return r;
}

/* Nothing new is closed since all were done: no folder is read for that. */
static bool all_done(const struct audit *a)
{
    return a->keep.packed_at == a->end.segment || a->end.segment == 0;
}

int audit_compress_step(struct audit *a, size_t bytes, struct err *err)
{
    struct keep *k = &a->keep;
    bool found = true;
    uint64_t first = 0;
    int r = 0;

    if (k->kind != KEEP_NOTHING || (!k->packing && all_done(a)))
        return 0;
    if (!k->packing) {
        r = next_plain(a, &first, &found, err);
        if (r == 0 && found)
            r = begin(a, first, err);
    }
    if (r == 0 && !found) {
        k->packed_at = a->end.segment;
        return 0;
    }
    if (r == 0)
        r = go_on(a, k->packing, bytes, err);
    if (r <= 0)
        keep_packing_free(a);
    return r < 0 ? r : 1;
}
