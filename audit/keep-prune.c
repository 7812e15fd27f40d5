/*
 * Pruning: whole segments from the beginning, and the tiles that no proof of a kept entry needs.
 *
 * min is a segment's start, so a multiple of 256. A tile (L, N) covers the entries before
 * (N+1)*256^(L+1). The path of an entry from min on takes its siblings from tiles that cover the
 * entry itself: a sibling shares the parent, and that lies in the same tile or is its whole. So
 * tiles that end at or before min are needed by nobody. The tiles of the right edge end behind the
 * trail.
 */
#include "audit/trail-private.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/fault.h"

/* ---- what may go ---- */

static int on_first(void *ctx, uint64_t index UNUSED, struct slice line)
{
    struct slice t = line_member(slice_take(line, 200), "t");

    return time_parse_rfc3339(t, ctx) < 0 ? -EBADMSG : 1;
}

/* What cannot be read is too young to go. */
uint64_t keep_first_time(const struct audit *a, uint64_t first)
{
    struct segment_end end;
    uint64_t us = UINT64_MAX;

    (void)segment_each(a->dir, first, on_first, &us, &end, NULL);
    return us;
}

/*
 * Times never go back, so all of a segment is older than the first entry of the next one. Asking
 * that one keeps a segment for a heartbeat longer, and reads a line, not the end of a compressed
 * file.
 */
static bool may_go(const struct audit *a, const struct audit_limits *l, uint64_t next,
                   uint64_t bytes_left)
{
    return (l->before_entry && next <= l->before_entry) ||
           (l->bytes_max && bytes_left > l->bytes_max) ||
           (l->before_us && keep_first_time(a, next) < l->before_us);
}

static uint64_t bytes_of(const struct audit *a, uint64_t first)
{
    AUTO_BUF name = BUF_INIT;
    uint64_t bytes = 0;

    (void)keep_segment_file(a, first, &name, &bytes);
    return bytes;
}

static void plan(const struct audit *a, const struct audit_limits *l, const uint64_t *first,
                 size_t n, struct audit_prune *p)
{
    uint64_t left = 0;

    for (size_t i = 0; l->bytes_max && i < n; i++)
        left += bytes_of(a, first[i]);
    for (size_t i = 0; i + 1 < n && first[i + 1] <= a->signed_size; i++) {
        uint64_t bytes = bytes_of(a, first[i]);

        if (!may_go(a, l, first[i + 1], left))
            break;
        left -= bytes < left ? bytes : left;
        p->min = first[i + 1];
        p->segments++;
        p->bytes += bytes;
    }
}

int audit_prune_plan(struct audit *a, const struct audit_limits *limits, struct audit_prune *ret,
                     struct err *err)
{
    uint64_t *first = NULL;
    size_t n = 0;
    int r = segments_list(a->dir, &first, &n, err);

    if (r < 0)
        return r;
    *ret = (struct audit_prune){ 0 };
    if (n)
        ret->from = ret->min = first[0];
    plan(a, limits, first, n, ret);
    free(first);
    return 0;
}

int audit_prune_begin(struct audit *a, const struct audit_prune *p, struct err *err)
{
    AUTO_BUF todo = BUF_INIT;

    if (a->keep.kind != KEEP_NOTHING)
        return err_set(err, -EBUSY, "something else is being done to the trail: try again");
    if (p->min <= p->from || p->min % TILE_WIDTH || p->min > a->signed_size)
        return err_set(err, -EINVAL, "entry %llu is no segment's start to prune to",
                       (unsigned long long)p->min);
    keep_todo_head(&todo, KEEP_PRUNE, a->end.count);
    buf_printf(&todo, "from %llu\nmin %llu\n", (unsigned long long)p->from,
               (unsigned long long)p->min);
    if (keep_todo_write(a, &todo, err) < 0)
        return err_code(err);
    a->keep.kind = KEEP_PRUNE;
    a->keep.entry = a->end.count;
    a->keep.from = p->from;
    a->keep.min = p->min;
    fault_point(FAULT_KEEP_PRUNE_BEGUN);
    return 0;
}

/* ---- removing ---- */

static int remove_segment(const struct audit *a, uint64_t first, struct err *err)
{
    AUTO_BUF name = BUF_INIT;
    uint64_t bytes;

    while (keep_segment_file(a, first, &name, &bytes))
        if (unlinkat(a->dir, name.p, 0) < 0)
            return err_set(err, -errno, "cannot remove '%s': %s", name.p, err_name(errno));
    return buf_ok(&name) ? 0 : err_nomem(err);
}

/* The oldest one; ascending, so that what is left has no gap. 0: all that end there are gone. */
static int remove_oldest(struct audit *a, struct err *err)
{
    uint64_t *first = NULL;
    size_t n = 0;
    int r = segments_list(a->dir, &first, &n, err);

    if (r == 0 && n > 1 && first[1] <= a->keep.min) {
        r = remove_segment(a, first[0], err);
        fault_point(FAULT_KEEP_PRUNE_SEGMENT);
        r = r < 0 ? r : 1;
    }
    free(first);
    return r;
}

/* "tile/0/x001/067": its folder; gone when it is empty. */
static void remove_folder(const struct audit *a, const char *path)
{
    AUTO_BUF folder = BUF_INIT;
    const char *slash = strrchr(path, '/');

    buf_add(&folder, path, (size_t)(slash - path));
    if (buf_ok(&folder))
        (void)unlinkat(a->dir, folder.p, AT_REMOVEDIR);
}

static int remove_tile(struct audit *a, unsigned level, uint64_t n, struct err *err)
{
    AUTO_BUF path = BUF_INIT;

    tile_path(&path, level, n, TILE_WIDTH);
    if (!buf_ok(&path))
        return err_nomem(err);
    if (unlinkat(a->dir, path.p, 0) < 0 && errno != ENOENT)
        return err_set(err, -errno, "cannot remove '%s': %s", path.p, err_name(errno));
    tile_tidy(a->dir, level, n, TILE_WIDTH);
    if (n % 1000 == 999)
        remove_folder(a, path.p);
    fault_point(FAULT_KEEP_PRUNE_TILE);
    return 0;
}

/* At most `files`; 1 = there are more. Below `from` an earlier pruning has removed them. */
static int remove_tiles(struct audit *a, unsigned files, struct err *err)
{
    struct keep *k = &a->keep;

    for (; k->level < LEVELS_MAX - 1; k->level++, k->tile = 0) {
        unsigned shift = 8 * (k->level + 1);

        if (k->tile < k->from >> shift)
            k->tile = k->from >> shift;
        for (; k->tile < k->min >> shift; k->tile++) {
            if (files-- == 0)
                return 1;
            if (remove_tile(a, k->level, k->tile, err) < 0)
                return err_code(err);
        }
    }
    return 0;
}

int keep_prune_step(struct audit *a, unsigned files, struct err *err)
{
    int r;

    keep_packing_free(a); /* it may be at work on one of them */
    for (r = 1; !a->keep.segments_gone && r > 0;) {
        if (files-- == 0)
            return 1;
        r = remove_oldest(a, err);
    }
    if (r < 0)
        return r;
    if (!a->keep.segments_gone) {
        if (keep_sync_log(a, err) < 0)
            return err_code(err);
        a->keep.segments_gone = true;
    }
    r = remove_tiles(a, files, err);
    if (r)
        return r;
    fault_point(FAULT_KEEP_PRUNE_OVER);
    return keep_done(a, err);
}
