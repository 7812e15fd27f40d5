/* See cursor.h. Segments that are still written are read by position, compressed ones in one go. */
#include "audit/cursor.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "audit/audit-private.h"
#include "base/zip.h"

#define CHUNK (256u << 10)
#define LINE_BYTES_MAX (16u << 20)

struct audit_cursor {
    int dir, fd; /* fd: of the open segment, -1 = none */
    uint64_t first; /* of that segment */
    uint64_t next; /* the line that comes next */
    uint64_t offset; /* where it begins; of the content */
    struct zip *zip; /* a compressed one */
    char *bytes; /* a part of the segment, from `offset` on */
    size_t used, have, cap;
};

int audit_cursor_new(const char *folder, struct audit_cursor **ret, struct err *err)
{
    AUTO(audit_cursor) c = calloc(1, sizeof *c);

    if (!c)
        return err_nomem(err);
    c->fd = -1;
    c->cap = CHUNK;
    c->bytes = malloc(c->cap);
    c->dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (c->dir < 0)
        return err_set(err, -errno, "cannot open trail '%s': %s", folder, err_name(errno));
    if (!c->bytes)
        return err_nomem(err);
    *ret = TAKE(c);
    return 0;
}

static void close_segment(struct audit_cursor *c)
{
    zip_free(c->zip);
    c->zip = NULL;
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    c->used = c->have = 0;
    c->offset = 0;
}

void audit_cursor_free(struct audit_cursor *c)
{
    if (!c)
        return;
    close_segment(c);
    if (c->dir >= 0)
        close(c->dir);
    free(c->bytes);
    free(c);
}

static int open_segment(struct audit_cursor *c, uint64_t first, struct err *err)
{
    close_segment(c);
    c->fd = segment_open(c->dir, first, err);
    if (c->fd < 0)
        return c->fd;
    c->first = c->next = first;
    return zip_kind_of(c->fd) == ZIP_NONE ? 0 : zip_new(c->fd, &c->zip, err);
}

/* More behind what is there; 0 = the end of the file. */
static ssize_t fill(struct audit_cursor *c)
{
    ssize_t n;

    memmove(c->bytes, c->bytes + c->used, c->have - c->used);
    c->have -= c->used;
    c->used = 0;
    if (c->have == c->cap) {
        char *more = c->cap < LINE_BYTES_MAX ? realloc(c->bytes, c->cap * 2) : NULL;

        if (!more)
            return -EFBIG;
        c->bytes = more;
        c->cap *= 2;
    }
    do
        n = c->zip
                ? zip_read(c->zip, c->bytes + c->have, c->cap - c->have, NULL)
                : pread(c->fd, c->bytes + c->have, c->cap - c->have, (off_t)(c->offset + c->have));
    while ((n < 0 && !c->zip && errno == EINTR) || (c->zip && n == -EAGAIN));
    if (n < 0)
        return c->zip ? n : -errno;
    c->have += (size_t)n;
    return n;
}

/* 1 = a line, 0 = the end of what is written. */
static int next_line(struct audit_cursor *c, struct slice *ret)
{
    for (;;) {
        char *lf = memchr(c->bytes + c->used, '\n', c->have - c->used);
        ssize_t n;

        if (lf) {
            *ret = slice_of(c->bytes + c->used, (size_t)(lf - c->bytes) - c->used);
            return 1;
        }
        n = fill(c);
        if (n <= 0)
            return (int)n;
    }
}

static void pass(struct audit_cursor *c, struct slice line)
{
    c->used += line.n + 1;
    c->offset += line.n + 1;
    c->next++;
}

/* To the segment that holds `from`, or the first one behind it, and there to its line. */
static int seek(struct audit_cursor *c, uint64_t from, struct err *err)
{
    uint64_t *list = NULL, first;
    size_t n = 0, i;
    struct slice line;
    int r = segments_list(c->dir, &list, &n, err);

    if (r < 0)
        return r;
    for (i = n; i > 1 && list[i - 1] > from; i--)
        ;
    first = n ? list[i ? i - 1 : 0] : 0;
    free(list);
    if (n == 0)
        return err_set(err, -ENOENT, "the trail has no segment");
    r = open_segment(c, first, err);
    while (r == 0 && c->next < from) {
        r = next_line(c, &line);
        if (r == 0)
            return 0; /* the end of this segment: those behind were asked for */
        if (r > 0) {
            pass(c, line);
            r = 0;
        }
    }
    return r < 0 ? err_set(err, r, "cannot read the trail: %s", err_name(r)) : 0;
}

/* Is what is open still the segment's file? Erasing and compressing write it anew. */
static bool replaced(const struct audit_cursor *c)
{
    struct stat is, named;
    AUTO_BUF name = BUF_INIT;

    if (c->zip)
        segment_name_gz(&name, c->first);
    else
        segment_name(&name, c->first);
    return !buf_ok(&name) || fstat(c->fd, &is) < 0 || fstatat(c->dir, name.p, &named, 0) < 0 ||
           is.st_ino != named.st_ino || is.st_dev != named.st_dev;
}

/* What was read ahead may be written again; of a closed segment it stays. */
static void forget_ahead(struct audit_cursor *c)
{
    if (!c->zip)
        c->used = c->have = 0;
}

static int next_segment(struct audit_cursor *c, struct err *err)
{
    uint64_t at = c->next;
    int r = seek(c, at, err);

    if (r == 0 && c->next < at) /* the same one again: nothing behind it */
        return err_set(err, -EIO, "entry %llu is committed and not there", (unsigned long long)at);
    return r;
}

int audit_cursor_read(struct audit_cursor *c, uint64_t from, uint64_t end,
                      int (*fn)(void *ctx, uint64_t index, struct slice line), void *ctx,
                      struct err *err)
{
    bool again = false;
    int r = 0;

    if (from >= end)
        return 0;
    if (c->fd < 0 || c->next != from || replaced(c))
        r = seek(c, from, err);
    while (r == 0 && c->next < end) {
        struct slice line;

        r = next_line(c, &line);
        if (r < 0) {
            err_set(err, r, "cannot read the trail: %s", err_name(r));
        } else if (r == 0) {
            r = again ? err_set(err, -EIO, "entry %llu is committed and not there",
                                (unsigned long long)c->next)
                      : next_segment(c, err);
            again = true;
        } else {
            if (fn(ctx, c->next, line))
                break;
            again = false;
            pass(c, line);
            r = 0;
        }
    }
    forget_ahead(c);
    return r < 0 ? r : 0;
}
