/* Segments: the files that hold the lines. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "audit/audit-private.h"
#include "base/file.h"
#include "base/num.h"
#include "base/zip.h"

#define LINE_MAX_BYTES (16 << 20)

void segment_name(struct buf *out, uint64_t first)
{
    buf_printf(out, "log/%020llu.jsonl", (unsigned long long)first);
}

void segment_name_gz(struct buf *out, uint64_t first)
{
    segment_name(out, first);
    buf_str(out, ".gz");
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static bool first_of(const char *name, uint64_t *ret)
{
    return strlen(name) >= 26 &&
           (strcmp(name + 20, ".jsonl") == 0 || strcmp(name + 20, ".jsonl.gz") == 0) &&
           parse_u64(slice_of(name, 20), 0, UINT64_MAX, ret) == 0;
}

/* While a segment is compressed it is there twice. */
static size_t without_twins(uint64_t *list, size_t n)
{
    size_t kept = 0;

    for (size_t i = 0; i < n; i++)
        if (kept == 0 || list[kept - 1] != list[i])
            list[kept++] = list[i];
    return kept;
}

int segments_list(int dir, uint64_t **ret_first, size_t *ret_n, struct err *err)
{
    int fd = openat(dir, "log", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *e;
    uint64_t *list = NULL, first;
    size_t n = 0, cap = 0;

    if (!d) {
        if (fd >= 0)
            close(fd);
        return err_set(err, -ENOENT, "the trail has no folder 'log'");
    }
    while ((e = readdir(d))) {
        if (!first_of(e->d_name, &first))
            continue;
        if (n == cap) {
            uint64_t *more = realloc(list, (cap = cap ? cap * 2 : 16) * sizeof *more);

            if (!more) {
                free(list);
                closedir(d);
                return err_nomem(err);
            }
            list = more;
        }
        list[n++] = first;
    }
    closedir(d);
    if (n)
        qsort(list, n, sizeof *list, by_number);
    *ret_first = list;
    *ret_n = n ? without_twins(list, n) : 0;
    return 0;
}

/* ---- reading ---- */

int segment_open(int dir, uint64_t first, struct err *err)
{
    AUTO_BUF name = BUF_INIT;
    AUTO_BUF packed = BUF_INIT;
    int fd;

    segment_name(&name, first);
    segment_name_gz(&packed, first);
    if (!buf_ok(&name) || !buf_ok(&packed))
        return err_nomem(err);
    fd = openat(dir, name.p, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && errno == ENOENT)
        fd = openat(dir, packed.p, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return err_set(err, -errno, "cannot open '%s': %s", name.p, err_name(errno));
    return fd;
}

struct lines {
    struct zip *zip;
    char *buf;
    size_t have, used, cap;
    bool eof;
};

/* 1 = a line without its LF, 0 = the end (torn: bytes without LF are left), <0 = error. */
static int next_line(struct lines *l, struct slice *ret, bool *ret_torn)
{
    for (;;) {
        char *lf = memchr(l->buf + l->used, '\n', l->have - l->used);
        ssize_t n;

        if (lf) {
            *ret = slice_of(l->buf + l->used, (size_t)(lf - l->buf) - l->used);
            l->used = (size_t)(lf - l->buf) + 1;
            return 1;
        }
        if (l->eof) {
            *ret_torn = l->have > l->used;
            return 0;
        }
        memmove(l->buf, l->buf + l->used, l->have - l->used);
        l->have -= l->used;
        l->used = 0;
        if (l->have == l->cap) {
            char *more = l->cap < LINE_MAX_BYTES ? realloc(l->buf, l->cap * 2) : NULL;

            if (!more)
                return -EFBIG;
            l->buf = more;
            l->cap *= 2;
        }
        n = zip_read(l->zip, l->buf + l->have, l->cap - l->have, NULL);
        if (n < 0 && n != -EAGAIN && n != -EINTR)
            return (int)n;
        l->eof = n == 0;
        l->have += n > 0 ? (size_t)n : 0;
    }
}

static int each_line(struct lines *l, uint64_t first,
                     int (*fn)(void *ctx, uint64_t index, struct slice line), void *ctx,
                     struct segment_end *ret_end)
{
    struct slice line;
    uint64_t index = first;
    int r;

    while ((r = next_line(l, &line, &ret_end->torn)) == 1) {
        int stop = fn ? fn(ctx, index, line) : 0;

        ret_end->bytes += line.n + 1;
        ret_end->next = ++index;
        if (stop)
            return stop;
    }
    return r;
}

int segment_each(int dir, uint64_t first, int (*fn)(void *ctx, uint64_t index, struct slice line),
                 void *ctx, struct segment_end *ret_end, struct err *err)
{
    AUTO_FD fd = segment_open(dir, first, err);
    AUTO(zip) zip = NULL;
    struct lines l = { .cap = 1 << 17 };
    int r;

    if (fd < 0)
        return fd;
    r = zip_new(fd, &zip, err);
    if (r < 0)
        return r;
    l.zip = zip;
    l.buf = malloc(l.cap);
    if (!l.buf)
        return err_nomem(err);
    *ret_end = (struct segment_end){ .next = first };
    r = each_line(&l, first, fn, ctx, ret_end);
    free(l.buf);
    if (r < 0)
        err_set(err, r, "cannot read the segment of entry %llu: %s", (unsigned long long)first,
                err_name(r));
    return r;
}

int audit_each(const char *folder, uint64_t from,
               int (*fn)(void *ctx, uint64_t index, struct slice line), void *ctx, struct err *err)
{
    AUTO_FD dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    uint64_t *first = NULL;
    size_t n = 0;
    int r;

    if (dir < 0)
        return err_set(err, -errno, "cannot open trail '%s': %s", folder, err_name(errno));
    r = segments_list(dir, &first, &n, err);
    for (size_t i = 0; r == 0 && i < n; i++) {
        struct segment_end end;

        if (i + 1 < n && first[i + 1] <= from)
            continue;
        r = segment_each(dir, first[i], fn, ctx, &end, err);
    }
    free(first);
    return r;
}
