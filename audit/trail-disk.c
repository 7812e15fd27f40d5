/*
 * Writing to the segment, and what to believe of a disk that failed.
 *
 * When a sync fails, the kernel may drop the dirty pages, report the error once
 * and call the next sync of the same descriptor good: the lines are gone and
 * nobody says so. So a descriptor that failed is never asked again. The segment
 * is opened anew, the committed tail is compared with the tree in memory, the
 * lines are written again from memory, and what was written is read back, with
 * the page cache dropped as far as the kernel allows.
 */
#include "audit/trail-private.h"

#include <errno.h>
#include <fcntl.h>

#include "base/fault.h"
#include "base/file.h"

#define TRIES_MAX 3

/* More room or another limit cures these: they may be tried for ever. */
static bool curable(int r)
{
    static const int codes[] = { -ENOSPC, -EDQUOT, -EFBIG, -ENOMEM, -EMFILE, -ENFILE };

    for (size_t i = 0; i < ARRAY_SIZE(codes); i++)
        if (r == codes[i])
            return true;
    return false;
}

int trail_outcome(unsigned *tries, int r, struct err *err)
{
    if (r >= 0)
        *tries = 0;
    if (r >= 0 || curable(r) || r == -ENOTRECOVERABLE)
        return r;
    if (++*tries < TRIES_MAX)
        return r;
    err_while(err,
              "the disk failed %u times in a row, nothing is signed any more: check it, "
              "then start again (docs/state.md)",
              *tries);
    if (err)
        err->code = -ENOTRECOVERABLE;
    return -ENOTRECOVERABLE;
}

/* The same bytes stand there. */
static int read_back(int fd, struct slice bytes, uint64_t offset)
{
    char part[16384];

    (void)posix_fadvise(fd, (off_t)offset, (off_t)bytes.n, POSIX_FADV_DONTNEED);
    while (bytes.n) {
        size_t want = bytes.n < sizeof part ? bytes.n : sizeof part;
        ssize_t n = pread(fd, part, want, (off_t)offset);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0 || memcmp(part, bytes.p, (size_t)n) != 0)
            return n < 0 ? -errno : -EIO;
        bytes = slice_skip(bytes, (size_t)n);
        offset += (uint64_t)n;
    }
    return 0;
}

int trail_write(struct audit *a, struct slice bytes, uint64_t offset, struct err *err)
{
    int r;

    fault_point(FAULT_TRAIL_BEFORE_PWRITE);
    r = fd_pwrite_all(a->segment_fd, bytes.p, bytes.n, offset);
    fault_point(FAULT_TRAIL_AFTER_PWRITE);
    if (r == 0 && fdatasync(a->segment_fd) < 0)
        r = -errno;
    if (r == 0 && a->doubt)
        r = read_back(a->segment_fd, bytes, offset);
    a->doubt = r < 0;
    if (r < 0)
        return err_set(err, r, "cannot write: %s", err_name(r));
    fault_point(FAULT_TRAIL_AFTER_FDATASYNC);
    return 0;
}

struct recheck {
    const struct audit *a;
    uint64_t from; /* the tree in memory holds the leaves behind this index */
    uint64_t bytes;
    bool differs;
};

static int on_line(void *ctx, uint64_t index, struct slice line)
{
    struct recheck *c = ctx;
    struct hash leaf;

    if (index >= c->a->end.count)
        return 1;
    c->bytes += line.n + 1;
    if (index < c->from)
        return 0;
    leaf = leaf_of_line(line);
    c->differs = memcmp(&leaf, &c->a->edge->tile[0][index % TILE_WIDTH], sizeof leaf) != 0;
    return c->differs;
}

int trail_recheck(struct audit *a, struct err *err)
{
    struct recheck c = { .a = a, .from = a->end.count - a->end.count % TILE_WIDTH };
    struct segment_end end;
    int r = trail_open_segment(a, a->end.segment, err);

    if (r < 0)
        return r;
    (void)posix_fadvise(a->segment_fd, 0, 0, POSIX_FADV_DONTNEED);
    r = segment_each(a->dir, a->end.segment, on_line, &c, &end, err);
    if (r < 0)
        return r;
    if (c.differs || c.bytes != a->end.bytes)
        return err_set(err, -ENOTRECOVERABLE,
                       "the disk does not hold what was committed: nothing is signed any more; see"
                       " `trailwarden trail verify` and docs/state.md");
    return 0;
}
