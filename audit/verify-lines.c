/*
 * Lines against the level-0 tiles, which name the first bad one; tiles against the root follow from
 * the tree that is built of the lines (verify-tree.c).
 */
#include <errno.h>

#include "audit/verify-private.h"

#define BEHIND_MAX 65536 /* lines behind the checkpoint that are counted */
#define BEHIND_US (60 * USEC_PER_SEC) /* the daemon signs each second */

/* ---- level-0 tiles ---- */

/* The width that tile n has in the signed tree. */
static unsigned width_of(const struct verify *v, uint64_t n)
{
    uint64_t left = v->checkpoint.size - n * TILE_WIDTH;

    return left < TILE_WIDTH ? (unsigned)left : TILE_WIDTH;
}

static bool load_tile(struct verify *v, uint64_t n)
{
    unsigned width = width_of(v, n);
    int r;

    if (v->tile_width && v->tile_n == n)
        return true;
    r = tile_read_wide(v->dir, 0, n, width, v->tile);
    v->tile_width = r < 0 ? 0 : width;
    v->tile_n = n;
    if (verify_cannot(v, r))
        v->failed = r;
    else if (r < 0)
        verify_fault(v, r == -EBADMSG || r == -EFBIG ? "TILE_SIZE" : "MISSING", n * TILE_WIDTH,
                     "tile 0/%llu cannot be read", (unsigned long long)n);
    return r >= 0;
}

/* Is the leaf signed as the entry that its line says it is? */
static bool signed_at(const struct verify *v, uint64_t index, const struct hash *leaf)
{
    UNINITIALIZED struct hash tile[TILE_WIDTH];
    uint64_t n = index / TILE_WIDTH;

    return index < v->checkpoint.size && tile_read_wide(v->dir, 0, n, width_of(v, n), tile) >= 0 &&
           memcmp(&tile[index % TILE_WIDTH], leaf, sizeof *leaf) == 0;
}

/* ---- what a change is called ---- */

static void suspect(struct verify *v, uint64_t index, struct slice line, const struct hash *leaf)
{
    v->suspect = (struct suspect){ true, index, line_index(line), *leaf };
}

/*
 * From the first difference on the lines are alone: when they lead to the signed root, it is the
 * tile that was damaged.
 */
static int add_alone(struct verify *v, const struct hash *leaf)
{
    if (v->edge->size < v->checkpoint.size && edge_add(v->edge, leaf, NULL, NULL) < 0)
        v->failed = -ENOMEM;
    return v->failed ? 1 : 0;
}

static void end_alone(struct verify *v)
{
    struct hash root = edge_root(v->edge);

    if (v->edge->size == v->checkpoint.size && memcmp(&root, &v->checkpoint.root, sizeof root) == 0)
        verify_rename(v, "EDITED", "TILE_BAD",
                      "the lines are those that were signed, a tile of level 0 is not");
}

/* `next`: the leaf of the line behind; NULL: there is none. */
static void name_change(struct verify *v, const struct hash *next)
{
    const struct suspect *s = &v->suspect;
    bool fits = next && memcmp(next, &v->tile[s->index % TILE_WIDTH], sizeof *next) == 0;
    bool other = s->told != s->index && signed_at(v, s->told, &s->leaf);
    const char *code;

    if (other && s->told > s->index)
        code = fits ? "REORDERED" : "DELETED";
    else
        code = fits ? "INSERTED" : other ? "REORDERED" : "EDITED";
    verify_fault(v, code, s->index, "entry %llu is not what was signed",
                 (unsigned long long)s->index);
    v->suspect.there = false;
    v->alone = true;
    (void)add_alone(v, &s->leaf);
}

/* ---- lines ---- */

/* Not signed: counted, never judged. */
static int on_behind(struct verify *v, struct slice line)
{
    size_t comma = slice_find_byte(slice_take(line, 40), ',');

    if (v->behind++ == 0 && comma != SIZE_MAX)
        (void)time_parse_rfc3339(slice_take(slice_skip(line, comma + 6), 27), &v->behind_us);
    return v->behind < BEHIND_MAX ? 0 : 2;
}

/* Of a pruned trail the entry that says so may stand before the part that is read. */
static int on_before(struct verify *v, uint64_t index, struct slice line)
{
    struct hash leaf;

    if (v->first[0] == 0 ||
        slice_find(slice_take(line, 100), SLICE("Z\",\"type\":\"trail.prune\"")) == SIZE_MAX)
        return 0;
    leaf = leaf_of_line(line);
    v->judge.type = SLICE("trail.prune");
    if (signed_at(v, index, &leaf))
        verify_entry(v, index, line, 0);
    return 0;
}

static int on_good(struct verify *v, uint64_t index, struct slice line, const struct hash *leaf)
{
    uint64_t before_us = v->judge.last_us;
    const char *code = line_check(&v->judge, line, index);

    if (code)
        verify_fault(v, code, index, "entry %llu: %s", (unsigned long long)index, v->judge.text);
    else
        verify_entry(v, index, line, before_us);
    if (v->report->first_us == 0)
        v->report->first_us = v->judge.last_us;
    if (verify_tree_add(v, leaf) < 0)
        v->failed = -ENOMEM;
    if (v->o->progress && index % 1024 == 0)
        v->o->progress(v->o->ctx, index - v->start, v->checkpoint.size - v->start);
    return v->failed ? 1 : 0;
}

static int on_line(void *ctx, uint64_t index, struct slice line)
{
    struct verify *v = ctx;
    struct hash leaf;

    if (index < v->start)
        return on_before(v, index, line);
    if (!v->suspect.there && index >= v->checkpoint.size)
        return v->alone ? 2 : on_behind(v, line);
    leaf = leaf_of_line(line);
    if (v->suspect.there)
        name_change(v, &leaf);
    if (v->alone)
        return add_alone(v, &leaf);
    if (index >= v->segment_end) {
        verify_fault(v, "INSERTED", index, "more lines than the segment's own stand before %llu",
                     (unsigned long long)v->segment_end);
        return 1;
    }
    if (!load_tile(v, index / TILE_WIDTH))
        return 1;
    if (memcmp(&leaf, &v->tile[index % TILE_WIDTH], sizeof leaf) != 0) {
        suspect(v, index, line, &leaf);
        return 0;
    }
    return on_good(v, index, line, &leaf);
}

/* ---- segments ---- */

static void unreadable(struct verify *v, uint64_t first, int r)
{
    if (verify_cannot(v, r)) {
        v->failed = r;
        return;
    }
    verify_fault(v, r == -ENOENT ? "MISSING" : "FORMAT", v->edge->size,
                 "the segment of entry %llu cannot be read", (unsigned long long)first);
    v->stop = true;
}

/* A closed segment ends where the next one begins, with a whole line. */
static void judge_end(struct verify *v, uint64_t first, const struct segment_end *end)
{
    bool short_ = end->next < v->segment_end && end->next < v->checkpoint.size;

    if (v->segment_end == UINT64_MAX) {
        v->torn_bytes = end->torn ? end->bytes + 1 : 0;
        return;
    }
    if (short_ && end->next % TILE_WIDTH == 0)
        verify_fault(v, "MISSING", end->next, "the segment of entry %llu is not there",
                     (unsigned long long)end->next);
    else if (short_)
        verify_fault(v, "DELETED", end->next, "the segment of entry %llu has %llu lines, not %llu",
                     (unsigned long long)first, (unsigned long long)(end->next - first),
                     (unsigned long long)(v->segment_end - first));
    else if (end->torn && v->segment_end <= v->checkpoint.size)
        verify_fault(v, "INSERTED", end->next, "bytes stand behind the segment of entry %llu",
                     (unsigned long long)first);
    else
        return;
    v->stop = true;
}

static void walk_segment(struct verify *v, size_t i)
{
    struct segment_end end = { 0 };
    int r;

    v->segment_end = i + 1 < v->nfirst ? v->first[i + 1] : UINT64_MAX;
    r = segment_each(v->dir, v->first[i], on_line, v, &end, NULL);
    if (v->suspect.there)
        name_change(v, NULL);
    if (v->alone)
        v->stop = r < 0 || v->edge->size >= v->checkpoint.size;
    else if (r < 0)
        unreadable(v, v->first[i], r);
    else if (r == 1)
        v->stop = true;
    else if (r == 0)
        judge_end(v, v->first[i], &end);
}

/* ---- where to begin ---- */

static int take_time(void *ctx, uint64_t index UNUSED, struct slice line)
{
    size_t comma = slice_find_byte(slice_take(line, 40), ',');

    if (comma != SIZE_MAX)
        (void)time_parse_rfc3339(slice_take(slice_skip(line, comma + 6), 27), ctx);
    return 1;
}

/* The last segment that begins before the time. */
static uint64_t segment_at(struct verify *v, uint64_t time_us)
{
    size_t i = v->nfirst;

    while (i-- > 0) {
        struct segment_end end;
        uint64_t us = UINT64_MAX;

        (void)segment_each(v->dir, v->first[i], take_time, &us, &end, NULL);
        if (us <= time_us && v->first[i] <= v->checkpoint.size)
            return v->first[i];
    }
    return v->first[0];
}

static void find_start(struct verify *v)
{
    uint64_t from = v->o->since.note ? v->since : v->o->since.size;

    if (v->o->since.time_us)
        from = segment_at(v, v->o->since.time_us);
    if (from > v->checkpoint.size)
        from = v->checkpoint.size;
    if (from < v->first[0])
        from = v->first[0];
    v->start = from - from % TILE_WIDTH;
    v->report->first_entry = v->first[0];
    v->report->read_from = v->start;
}

static bool list_segments(struct verify *v)
{
    int r = segments_list(v->dir, &v->first, &v->nfirst, NULL);

    if (verify_cannot(v, r))
        v->failed = r;
    else if (r < 0 || v->nfirst == 0)
        verify_fault(v, "MISSING", 0, "the trail has no entries");
    else if (v->first[0] % TILE_WIDTH || v->first[0] > v->checkpoint.size)
        verify_fault(v, "DELETED", v->first[0], "the log begins with entry %llu",
                     (unsigned long long)v->first[0]);
    else
        return true;
    return false;
}

/* ---- the end ---- */

/* Torn while the daemon writes is no news: look again. */
static bool still_torn(struct verify *v)
{
    struct segment_end end;

    return v->torn_bytes &&
           segment_each(v->dir, v->first[v->nfirst - 1], NULL, NULL, &end, NULL) == 0 && end.torn &&
           end.bytes + 1 == v->torn_bytes;
}

static void judge_tail(struct verify *v)
{
    uint64_t now = v->o->now_us;

    v->report->entries = v->edge->size;
    v->report->behind = v->behind;
    v->report->last_us = v->judge.last_us;
    if (v->edge->size < v->checkpoint.size)
        verify_fault(v, "TRUNCATED", v->edge->size, "the log ends at %llu, signed were %llu",
                     (unsigned long long)v->edge->size, (unsigned long long)v->checkpoint.size);
    if (v->behind && now > v->behind_us + BEHIND_US)
        verify_warning(v, "UNSIGNED_TAIL", v->checkpoint.size,
                       "%llu lines behind the checkpoint are not signed",
                       (unsigned long long)v->behind);
    if (still_torn(v))
        verify_warning(v, "TORN_TAIL", NO_ENTRY, "the last line has no end");
}

void verify_lines(struct verify *v, struct err *err)
{
    if (!list_segments(v))
        return;
    find_start(v);
    if (!verify_tree_below(v))
        return;
    for (size_t i = 0; i < v->nfirst && !v->failed && !v->stop; i++)
        if (v->first[0] > 0 || i + 1 == v->nfirst || v->first[i + 1] > v->start)
            walk_segment(v, i);
    if (v->failed)
        err_set(err, v->failed, "cannot read the trail: %s", err_name(v->failed));
    else if (v->alone)
        end_alone(v);
    else if (!v->stop)
        judge_tail(v);
}
