/* Start: what is on disk against what was committed and what was signed. */
#include "audit/trail-private.h"

#include <errno.h>
#include <fcntl.h>

#include "base/file.h"
#include "base/num.h"

/* Entries that are known again after a lost state: the newest ones; 16 bytes and a row each. */
#define REPLAY_MAX (UINT64_C(1) << 21)

/* The checkpoint, with both signatures good. */
static int load_checkpoint(struct audit *a, struct checkpoint *ret, struct err *err)
{
    struct note n;
    int r = file_read(a->dir, "checkpoint", 1 << 20, &a->note, err);

    if (r < 0)
        return r;
    if (note_parse(buf_view(&a->note), &n) < 0 || checkpoint_parse(n.text, ret) < 0)
        return trail_damaged(err, "the checkpoint cannot be read");
    if (!slice_is(ret->origin, a->config.origin))
        return err_set(err, -EUCLEAN, "the trail's origin is '%.*s', the configuration says '%s'",
                       SLICE_FMT(ret->origin), a->config.origin);
    if (note_check(&n, &a->identity.public) != NOTE_GOOD)
        return trail_damaged(err, "the checkpoint is not signed by our key");
    return 0;
}

struct recovery {
    struct audit *a;
    uint64_t signed_size, committed; /* committed: how many lines count */
    uint64_t bundle; /* first index that is hashed again */
    struct audit_range replay; /* entries that may come again */
    uint64_t count, bytes; /* of the segment being read, up to `committed` */
    uint64_t last_us;
    bool stop_line; /* what the last line is */
    bool runs; /* by the last line that tells: the writer had not ended */
    uint64_t epoch_line; /* the epoch it announces; 0 = it is another */
    struct hash signed_root;
    bool have_root;
    int failed;
};

/* Tiles of the levels above the last bundle, from disk, for a tree of `size`. */
static int load_upper(struct audit *a, uint64_t size, struct err *err)
{
    a->edge->size = size - size % TILE_WIDTH;
    for (unsigned level = 1; level < LEVELS_MAX; level++) {
        unsigned width = (unsigned)(size >> (level * 8)) % TILE_WIDTH;
        uint64_t n = (size >> (level * 8)) / TILE_WIDTH;
        int r;

        if (width == 0)
            continue;
        r = tile_read(a->dir, level, n, width, a->edge->tile[level]);
        if (r == -ENOENT || r == -EBADMSG || r == -EFBIG)
            return trail_damaged(err, "a tile is missing or has a wrong size");
        if (r < 0)
            return err_set(err, r, "cannot read a tile: %s", err_name(r));
        a->written[level] = width;
    }
    a->written[0] = (unsigned)(size % TILE_WIDTH);
    return 0;
}

static uint64_t announced_epoch(struct slice line)
{
    static const struct slice begin = { ",\"type\":\"key.epoch\",\"epoch\":", 28 };
    size_t at = slice_find(slice_take(line, 140), begin);
    struct slice rest = at == SIZE_MAX ? SLICE("") : slice_skip(line, at + begin.n);
    size_t digits = 0;
    uint64_t n = 0;

    while (digits < rest.n && rest.p[digits] >= '0' && rest.p[digits] <= '9')
        digits++;
    return parse_u64(slice_take(rest, digits), 1, 999999, &n) < 0 ? 0 : n;
}

/* Lines that are written while no daemon runs tell nothing of how the last one ended. */
static bool tells_of_daemon(struct slice type)
{
    static const char *const others[] = { "state.cursor", "pii.erase",   "trail.prune",
                                          "trail.anchor", "trail.moved", "key.epoch" };

    for (size_t i = 0; i < ARRAY_SIZE(others); i++)
        if (slice_is(type, others[i]))
            return false;
    return true;
}

static void note_entry(struct recovery *r, struct slice line)
{
    struct slice kind = line_member(slice_take(line, 140), "type");
    size_t quote;
    struct slice type = slice_skip(line, 1);
    uint64_t us;

    r->epoch_line = announced_epoch(line);
    r->stop_line = slice_is(kind, "daemon.stop");
    if (tells_of_daemon(kind))
        r->runs = !r->stop_line && !slice_is(kind, "trail.genesis");
    quote = slice_find(type, SLICE("\"t\":\""));
    if (quote != SIZE_MAX &&
        time_parse_rfc3339(slice_take(slice_skip(type, quote + 5), 27), &us) == 0)
        r->last_us = us;
}

static int on_line(void *ctx, uint64_t index, struct slice line)
{
    struct recovery *r = ctx;
    struct audit *a = r->a;

    if (index >= r->committed)
        return 1;
    r->count = index + 1;
    r->bytes += line.n + 1;
    note_entry(r, line);
    if (index >= r->bundle) {
        struct hash leaf = leaf_of_line(line);

        if (edge_add(a->edge, &leaf, trail_keep_full, a) < 0)
            return r->failed = -ENOMEM;
        if (a->edge->size == r->signed_size) {
            r->signed_root = edge_root(a->edge);
            r->have_root = true;
        }
    }
    if (index >= r->replay.from && index < r->replay.to)
        return r->failed = trail_replay_add(a, line);
    return 0;
}

/* Compressed segments are signed, and another one was closed behind them: none of them is cut. */
static bool cuts_compressed(const struct audit *a, const uint64_t *first, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        AUTO_BUF name = BUF_INIT;

        if (first[i] < a->end.segment)
            continue;
        segment_name(&name, first[i]);
        if (!buf_ok(&name) || faccessat(a->dir, name.p, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
            return true;
    }
    return false;
}

/* Cuts the open segment to what counts and removes segments behind it. */
static int cut(struct audit *a, const uint64_t *first, size_t n, const struct recovery *r,
               struct err *err)
{
    if (cuts_compressed(a, first, n))
        return trail_damaged(err, "the checkpoint is much older than the log: restore it");
    for (size_t i = 0; i < n; i++) {
        AUTO_BUF name = BUF_INIT;

        if (first[i] <= a->end.segment)
            continue;
        segment_name(&name, first[i]);
        if (!buf_ok(&name) || unlinkat(a->dir, name.p, 0) < 0)
            return err_set(err, -errno, "cannot remove '%s': %s", name.p, err_name(errno));
    }
    if (trail_open_segment(a, a->end.segment, err) < 0)
        return err_code(err);
    if (ftruncate(a->segment_fd, (off_t)r->bytes) < 0 || fsync(a->segment_fd) < 0)
        return err_set(err, -errno, "cannot cut the trail: %s", err_name(errno));
    return 0;
}

static int read_lines(struct audit *a, const uint64_t *first, size_t n, struct recovery *r,
                      struct err *err)
{
    uint64_t from = r->bundle < r->committed ? r->bundle : r->committed - 1;

    if (r->replay.to && r->replay.from < from)
        from = r->replay.from;
    for (size_t i = 0; i < n; i++) {
        struct segment_end end;
        int e;

        if (i + 1 < n && first[i + 1] <= from)
            continue;
        if (first[i] >= r->committed && r->count)
            break;
        r->bytes = 0;
        a->end.segment = first[i];
        e = segment_each(a->dir, first[i], on_line, r, &end, err);
        if (r->failed)
            return err_nomem(err);
        if (e < 0)
            return e;
    }
    return 0;
}

/* How many whole lines there are: for a trail without a state. */
static int count_lines(struct audit *a, const uint64_t *first, size_t n, uint64_t *ret,
                       struct err *err)
{
    struct segment_end end = { 0 };
    int r = n ? segment_each(a->dir, first[n - 1], NULL, NULL, &end, err) : 0;

    *ret = end.next;
    return r;
}

static int restore_roll(struct audit *a, const struct recovery *r, struct err *err)
{
    char name[40];

    /* Signed or not: the roll is over when its proof is there, and the proofs made epoch_n. */
    if (r->epoch_line != a->epoch_n + 1)
        return 0;
    trail_epoch_file(name, a->epoch_n + 1);
    if (trail_read_key(a->key_dir, name, a->config.origin, &a->next_epoch, err) < 0)
        return err_code(err);
    a->roll_at = a->end.count;
    return 0;
}

/* How many lines count, and which of the signed ones may come again. */
static int judge(struct audit *a, const struct checkpoint *cp, const struct trail_end *committed,
                 struct recovery *r, uint64_t *ret_replay_from, struct err *err)
{
    uint64_t lines = r->committed, known = committed ? committed->count : lines;

    *ret_replay_from = UINT64_MAX;
    if (lines < cp->size)
        return trail_damaged(err, "the log is shorter than its signed checkpoint");
    if (lines < known)
        return trail_damaged(err, "the log is shorter than the state says");
    r->committed = known > cp->size ? known : cp->size;
    r->replay = a->config.replay;
    if (known < cp->size) { /* a restored or lost state: signed lines stay */
        *ret_replay_from = known;
        r->replay.from = r->replay.to && r->replay.from < known ? r->replay.from : known;
        r->replay.to = cp->size;
    }
    if (r->replay.to > r->committed)
        r->replay.to = r->committed;
    if (r->replay.to > REPLAY_MAX && r->replay.from < r->replay.to - REPLAY_MAX)
        r->replay.from = r->replay.to - REPLAY_MAX;
    a->replayed = r->replay.from < r->replay.to ? table_new(0) : NULL;
    r->signed_size = cp->size;
    r->bundle = cp->size - cp->size % TILE_WIDTH;
    return r->replay.from < r->replay.to && !a->replayed ? err_nomem(err) : 0;
}

/* The tree of the checkpoint, from tiles and lines, has the root that was signed. */
static int compare(struct audit *a, const uint64_t *first, size_t n, const struct checkpoint *cp,
                   struct recovery *r, struct err *err)
{
    int e = load_upper(a, cp->size, err);

    if (e < 0)
        return e;
    if (r->bundle == cp->size) {
        r->signed_root = edge_root(a->edge);
        r->have_root = true;
    }
    e = read_lines(a, first, n, r, err);
    if (e < 0)
        return e;
    if (!r->have_root || memcmp(&r->signed_root, &cp->root, sizeof cp->root) != 0)
        return trail_damaged(err, "the log does not fit its signed checkpoint");
    return 0;
}

static int recover_from(struct audit *a, const struct checkpoint *cp, const uint64_t *first,
                        size_t n, const struct trail_end *committed, uint64_t *ret_replay_from,
                        struct err *err)
{
    struct recovery r = { .a = a };
    int e = count_lines(a, first, n, &r.committed, err);

    if (e == 0)
        e = judge(a, cp, committed, &r, ret_replay_from, err);
    if (e == 0)
        e = compare(a, first, n, cp, &r, err);
    if (e == 0)
        e = cut(a, first, n, &r, err);
    if (e < 0)
        return e;
    a->end.count = r.committed;
    a->end.bytes = r.bytes;
    a->signed_size = cp->size;
    a->last_time_us = r.last_us;
    a->last_entry_us = r.last_us;
    a->epoch_due = !r.stop_line && r.committed > 1;
    a->unclean = r.runs;
    return restore_roll(a, &r, err);
}

static int recover(struct audit *a, const struct trail_end *committed, uint64_t *ret_replay_from,
                   struct err *err)
{
    struct checkpoint cp;
    uint64_t *first = NULL;
    size_t n = 0;
    int e = load_checkpoint(a, &cp, err);

    if (e < 0)
        return e;
    e = segments_list(a->dir, &first, &n, err);
    if (e == 0)
        e = recover_from(a, &cp, first, n, committed, ret_replay_from, err);
    free(first);
    return e;
}

/* What the checkpoint says; whether our key signed it is seen later. */
static void take_origin(struct audit *a)
{
    AUTO_BUF text = BUF_INIT;
    struct note n;
    struct checkpoint c;

    if (file_read(a->dir, "checkpoint", 1 << 20, &text, NULL) < 0 ||
        note_parse(buf_view(&text), &n) < 0 || checkpoint_parse(n.text, &c) < 0 ||
        c.origin.n >= sizeof a->origin)
        return;
    memcpy(a->origin, c.origin.p, c.origin.n);
    a->origin[c.origin.n] = '\0';
    a->config.origin = a->origin;
}

int audit_open(const struct audit_config *config, const struct trail_end *committed,
               struct audit **ret_audit, uint64_t *ret_replay_from, struct err *err)
{
    AUTO(audit) a = trail_alloc(config);
    AUTO_BUF path = BUF_INIT;
    int r;

    if (!a)
        return err_nomem(err);
    if (trail_check_origin(config->origin, err) < 0)
        return err_code(err);
    buf_printf(&path, "%s/checkpoint", config->folder);
    if (!buf_ok(&path) || access(path.p, F_OK) < 0) {
        if (committed && committed->count)
            return trail_damaged(err, "the trail is gone, but the state knows one: restore it");
        return err_set(err, -ENOENT, "'%s' holds no trail", config->folder);
    }
    r = trail_open_folders(a, err);
    if (r == 0 && config->any_origin)
        take_origin(a);
    if (r == 0)
        r = trail_load_keys(a, err);
    if (r == 0)
        r = recover(a, committed, ret_replay_from, err);
    if (r == 0)
        r = keep_open(a, err);
    if (r < 0)
        return r;
    a->epoch_start_us = trail_now(a);
    *ret_audit = TAKE(a);
    return 0;
}
