/* The writer: new trails, recovery, appending, signing. */
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <sys/file.h>

#include "audit/audit-private.h"
#include "base/file.h"
#include "base/json.h"
#include "base/num.h"

#define CHECKPOINT_US USEC_PER_SEC
#define STEP_US USEC_PER_SEC

struct full_tile {
    unsigned level;
    uint64_t n;
    struct hash hashes[TILE_WIDTH];
};

struct audit {
    struct audit_config config;
    int dir, key_dir, lock_fd, segment_fd;
    struct signing_key identity, epoch, next_epoch;
    unsigned epoch_n;
    struct edge *edge; /* committed entries */
    struct full_tile *full; /* not on disk yet */
    size_t nfull, full_cap;
    unsigned written[LEVELS_MAX]; /* width of the partial file on disk */
    struct hash *pending; /* leaves appended, not committed */
    size_t npending, pending_cap;
    bool pending_epoch; /* the last of them is a key.epoch */
    uint64_t roll_at; /* committed size at which an epoch ends; 0 = none */
    struct trail_end end; /* committed */
    uint64_t signed_size;
    uint64_t last_time_us, last_now_us, last_mono_us;
    uint64_t last_entry_us, epoch_start_us, signed_us;
    bool clock_known, epoch_due;
    struct table *replayed; /* entries signed before the state: dropped when they come again */
    struct buf note;
};

/* ---- small ---- */

static uint64_t now(const struct audit *a)
{
    return clock_now(a->config.clock);
}

static void *grown(void *array, size_t n, size_t *cap, size_t size)
{
    size_t more = *cap ? *cap * 2 : 64;
    void *p;

    if (n < *cap)
        return array;
    p = realloc(array, more * size);
    if (p)
        *cap = more;
    return p;
}

static int keep_full(void *ctx, unsigned level, uint64_t n, const struct hash *hashes)
{
    struct audit *a = ctx;
    struct full_tile *t = grown(a->full, a->nfull, &a->full_cap, sizeof *t);

    if (!t)
        return -ENOMEM;
    a->full = t;
    t = &t[a->nfull++];
    t->level = level;
    t->n = n;
    memcpy(t->hashes, hashes, sizeof t->hashes);
    return 0;
}

/* ---- keys ---- */

static int write_key(int dir, const char *name, const uint8_t seed[32], struct err *err)
{
    AUTO_BUF b = BUF_INIT;
    int r;

    buf_hex(&b, seed, 32);
    buf_char(&b, '\n');
    r = buf_ok(&b) ? file_replace(dir, name, buf_view(&b), 0600, err) : err_nomem(err);
    if (b.p)
        sodium_memzero(b.p, b.n);
    return r;
}

static int read_key(int dir, const char *name, const char *origin, struct signing_key *k,
                    struct err *err)
{
    AUTO_BUF b = BUF_LIMIT(256);
    uint8_t seed[32];
    int r = file_read(dir, name, 200, &b, err);

    if (r < 0)
        return err_while(err, "secret key");
    if (hex_decode(slice_trim(buf_view(&b)), seed, sizeof seed) < 0)
        r = err_set(err, -EBADMSG, "'%s' is no secret key", name);
    else if (key_from_seed(k, origin, seed) < 0)
        r = err_set(err, -EIO, "libsodium does not work");
    sodium_memzero(b.p, b.n);
    sodium_memzero(seed, sizeof seed);
    return r;
}

static void epoch_file(char out[40], unsigned n)
{
    snprintf(out, 40, "epoch-%06u.key", n);
}

static int new_key(struct audit *a, const char *name, struct signing_key *k, struct err *err)
{
    uint8_t seed[32];
    int r;

    if (sodium_init() < 0)
        return err_set(err, -EIO, "libsodium does not work");
    randombytes_buf(seed, sizeof seed);
    r = write_key(a->key_dir, name, seed, err);
    if (r == 0)
        r = key_from_seed(k, a->config.origin, seed) < 0 ? err_set(err, -EIO, "libsodium") : 0;
    sodium_memzero(seed, sizeof seed);
    return r;
}

/* ---- opening files ---- */

static int check_origin(const char *origin, struct err *err)
{
    if (!origin[0] || strlen(origin) >= KEY_NAME_MAX || strpbrk(origin, " +\n\t"))
        return err_set(err, -EINVAL, "'%s' is no origin: no blanks, no '+', at most %d signs",
                       origin, KEY_NAME_MAX - 1);
    return 0;
}

static int open_folders(struct audit *a, struct err *err)
{
    a->dir = open(a->config.folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (a->dir < 0)
        return err_set(err, -errno, "cannot open '%s': %s", a->config.folder, err_name(errno));
    a->key_dir = open(a->config.key_folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (a->key_dir < 0)
        return err_set(err, -errno, "cannot open '%s': %s", a->config.key_folder, err_name(errno));
    a->lock_fd = openat(a->key_dir, "checkpoint.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (a->lock_fd < 0)
        return err_set(err, -errno, "cannot lock '%s': %s", a->config.key_folder, err_name(errno));
    if (flock(a->lock_fd, LOCK_EX | LOCK_NB) < 0)
        return err_set(err, -EBUSY, "another process writes this trail");
    return 0;
}

static struct audit *audit_alloc(const struct audit_config *config)
{
    struct audit *a = calloc(1, sizeof *a);

    if (!a)
        return NULL;
    a->config = *config;
    a->dir = a->key_dir = a->lock_fd = a->segment_fd = -1;
    a->edge = calloc(1, sizeof *a->edge);
    if (!a->edge) {
        free(a);
        return NULL;
    }
    return a;
}

void audit_free(struct audit *a)
{
    if (!a)
        return;
    key_wipe(&a->identity);
    key_wipe(&a->epoch);
    key_wipe(&a->next_epoch);
    for (size_t i = 0; i < 4; i++) {
        int fd = (const int[]){ a->segment_fd, a->lock_fd, a->key_dir, a->dir }[i];

        if (fd >= 0)
            close(fd);
    }
    table_free(a->replayed);
    buf_fini(&a->note);
    free(a->edge);
    free(a->full);
    free(a->pending);
    free(a);
}

static int open_segment(struct audit *a, uint64_t first, struct err *err)
{
    AUTO_BUF name = BUF_INIT;
    AUTO_FD log = -1;

    segment_name(&name, first);
    if (!buf_ok(&name))
        return err_nomem(err);
    if (a->segment_fd >= 0)
        close(a->segment_fd);
    a->segment_fd = openat(a->dir, name.p, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (a->segment_fd < 0)
        return err_set(err, -errno, "cannot open '%s': %s", name.p, err_name(errno));
    log = openat(a->dir, "log", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (log < 0 || fsync(log) < 0)
        return err_set(err, -errno, "cannot sync 'log': %s", err_name(errno));
    return 0;
}

/* ---- signing ---- */

static int write_tiles(struct audit *a, struct err *err)
{
    for (size_t i = 0; i < a->nfull; i++) {
        const struct full_tile *t = &a->full[i];

        if (tile_write(a->dir, t->level, t->n, t->hashes, TILE_WIDTH, a->written[t->level], err) <
            0)
            return err_code(err);
        a->written[t->level] = 0;
    }
    a->nfull = 0;
    for (unsigned level = 0; level < LEVELS_MAX; level++) {
        unsigned width = (unsigned)edge_width(a->edge, level);

        if (width == 0 || width == a->written[level])
            continue;
        if (tile_write(a->dir, level, (a->edge->size >> (level * 8)) / TILE_WIDTH,
                       a->edge->tile[level], width, a->written[level], err) < 0)
            return err_code(err);
        a->written[level] = width;
    }
    return 0;
}

static void make_note(const struct audit *a, const struct signing_key *const *keys, size_t n,
                      struct buf *out)
{
    AUTO_BUF text = BUF_INIT;
    struct hash root = edge_root(a->edge);

    checkpoint_text(&text, a->config.origin, a->edge->size, &root);
    buf_reset(out);
    note_sign(out, buf_view(&text), keys, n);
    out->failed = out->failed || text.failed;
}

/* The proof that entry `index`, the newest, is in the tree of this size. */
static int proof_of_last(const struct audit *a, struct slice leaf, struct buf *out)
{
    struct hash path[LEVELS_MAX * 8];
    uint64_t index = a->edge->size - 1;
    size_t n = 0;

    /* The newest leaf's siblings are the perfect subtrees to its left, smallest first. */
    for (unsigned level = 0; level < LEVELS_MAX; level++)
        for (size_t bit = 1; bit < TILE_WIDTH; bit <<= 1) {
            size_t width = (size_t)(index >> (level * 8)) % TILE_WIDTH;
            struct hash part[TILE_WIDTH];

            if (!(width & bit))
                continue;
            memcpy(part, &a->edge->tile[level][width & ~(bit * 2 - 1)], bit * sizeof *part);
            path[n++] = merkle_root(part, bit);
        }
    buf_str(out, "c2sp.org/tlog-proof@v1\nextra ");
    buf_base64(out, leaf.p, leaf.n, true);
    buf_printf(out, "\nindex %llu\n", (unsigned long long)index);
    for (size_t i = 0; i < n; i++) {
        buf_base64(out, path[i].b, HASH_SIZE, true);
        buf_char(out, '\n');
    }
    buf_char(out, '\n');
    return buf_ok(out) ? 0 : -ENOMEM;
}

struct find_line {
    uint64_t index;
    struct buf leaf;
};

static int on_find(void *ctx, uint64_t index, struct slice line)
{
    struct find_line *f = ctx;

    if (index != f->index)
        return 0;
    return leaf_data(line, &f->leaf) < 0 ? -ENOMEM : 1;
}

/* epochs/N.tlog-proof: the entry that announced key N, proved by the note just signed. */
static int write_epoch_proof(struct audit *a, unsigned n, struct err *err)
{
    struct find_line f = { .index = a->edge->size - 1, .leaf = BUF_INIT };
    struct segment_end end;
    AUTO_BUF proof = BUF_INIT;
    char path[48];
    int r = segment_each(a->dir, a->end.segment, on_find, &f, &end, err);

    if (r == 1 && proof_of_last(a, buf_view(&f.leaf), &proof) == 0) {
        buf_slice(&proof, buf_view(&a->note));
        snprintf(path, sizeof path, "epochs/%06u.tlog-proof", n);
        r = buf_ok(&proof) ? file_replace(a->dir, path, buf_view(&proof), 0640, err)
                           : err_nomem(err);
    } else if (r >= 0) {
        r = err_set(err, -EUCLEAN, "the entry of the new epoch is not there");
    }
    buf_fini(&f.leaf);
    return r;
}

/* The old secret is gone for good once the proof of the new one is durable. */
static int finish_roll(struct audit *a, struct err *err)
{
    char name[40];

    if (write_epoch_proof(a, a->epoch_n + 1, err) < 0)
        return err_code(err);
    epoch_file(name, a->epoch_n);
    unlinkat(a->key_dir, name, 0);
    fsync(a->key_dir);
    key_wipe(&a->epoch);
    a->epoch = a->next_epoch;
    key_wipe(&a->next_epoch);
    a->epoch_n++;
    a->roll_at = 0;
    a->epoch_start_us = now(a);
    return 0;
}

bool audit_unsigned(const struct audit *a)
{
    return a->end.count > a->signed_size || a->roll_at;
}

int audit_checkpoint(struct audit *a, bool at_once, struct err *err)
{
    const struct signing_key *keys[] = { &a->identity, &a->epoch, &a->next_epoch };
    uint64_t mono = clock_mono(a->config.clock);

    if (!audit_unsigned(a) || (!at_once && mono < a->signed_us + CHECKPOINT_US))
        return 0;
    if (write_tiles(a, err) < 0)
        return err_code(err);
    audit_fault_point("trail: before sign");
    make_note(a, keys, a->roll_at ? 3 : 2, &a->note);
    if (!buf_ok(&a->note))
        return err_nomem(err);
    if (file_replace(a->dir, "checkpoint", buf_view(&a->note), 0640, err) < 0)
        return err_code(err);
    a->signed_size = a->end.count;
    a->signed_us = mono;
    return a->roll_at ? finish_roll(a, err) : 0;
}

/* ---- a new trail ---- */

static int genesis_members(struct audit *a, struct buf *out)
{
    AUTO_BUF identity = BUF_INIT;
    AUTO_BUF epoch = BUF_INIT;
    struct json_writer w = json_writer(out);

    vkey_text(&a->identity.public, &identity);
    vkey_text(&a->epoch.public, &epoch);
    json_member_str(&w, "format", "trailwarden-trail/1");
    json_member_str(&w, "origin", a->config.origin);
    json_member_u64(&w, "epoch", 0);
    json_member_slice(&w, "vkey", buf_view(&identity));
    json_member_slice(&w, "epoch_vkey", buf_view(&epoch));
    json_member_u64(&w, "heartbeat_s", a->config.heartbeat_s);
    json_member_u64(&w, "epoch_s", a->config.epoch_s);
    return buf_ok(out) ? 0 : -ENOMEM;
}

static int write_genesis(struct audit *a, struct err *err)
{
    AUTO_BUF members = BUF_INIT;
    AUTO_BUF line = BUF_INIT;
    struct entry e = { .type = SLICE("trail.genesis") };
    struct hash leaf;
    int r;

    if (genesis_members(a, &members) < 0)
        return err_nomem(err);
    e.members = buf_view(&members);
    if (entry_line(&e, 0, now(a), &line) < 0 || open_segment(a, 0, err) < 0)
        return err_nomem(err);
    r = ftruncate(a->segment_fd, 0) < 0 ? -errno : fd_pwrite_all(a->segment_fd, line.p, line.n, 0);
    if (r < 0 || fdatasync(a->segment_fd) < 0)
        return err_set(err, r < 0 ? r : -errno, "cannot write the trail: %s",
                       err_name(r < 0 ? r : errno));
    leaf = leaf_of_line(slice_of(line.p, line.n - 1));
    if (edge_add(a->edge, &leaf, keep_full, a) < 0)
        return err_nomem(err);
    a->end = (struct trail_end){ .count = 1, .segment = 0, .bytes = line.n };
    return 0;
}

static int make_folders(const struct audit_config *c, struct err *err)
{
    static const char *const folders[] = { "log", "tile", "checkpoints", "epochs" };
    AUTO_BUF path = BUF_INIT;

    if (dir_make(-1, c->folder, 0750, err) < 0 || dir_make(-1, c->key_folder, 0700, err) < 0)
        return err_code(err);
    for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
        buf_reset(&path);
        buf_printf(&path, "%s/%s", c->folder, folders[i]);
        if (!buf_ok(&path) || dir_make(-1, path.p, 0750, err) < 0)
            return err_code(err);
    }
    return 0;
}

int audit_init(const struct audit_config *config, struct audit_anchors *ret_anchors,
               struct err *err)
{
    AUTO(audit) a = audit_alloc(config);
    const struct signing_key *keys[2];
    char name[40];

    if (!a)
        return err_nomem(err);
    if (check_origin(config->origin, err) < 0 || make_folders(config, err) < 0 ||
        open_folders(a, err) < 0)
        return err_code(err);
    if (faccessat(a->dir, "checkpoint", F_OK, 0) == 0)
        return err_set(err, -EEXIST, "'%s' holds a trail already", config->folder);
    epoch_file(name, 0);
    if (new_key(a, "identity.key", &a->identity, err) < 0 || new_key(a, name, &a->epoch, err) < 0 ||
        write_genesis(a, err) < 0 || write_tiles(a, err) < 0)
        return err_code(err);
    keys[0] = &a->identity;
    keys[1] = &a->epoch;
    make_note(a, keys, 2, &a->note);
    /* The proof first: a trail with a checkpoint is complete. */
    if (write_epoch_proof(a, 0, err) < 0 ||
        file_replace(a->dir, "checkpoint", buf_view(&a->note), 0640, err) < 0)
        return err_code(err);
    if (ret_anchors)
        audit_anchors(a, ret_anchors);
    return 0;
}

void audit_anchors(const struct audit *a, struct audit_anchors *ret_anchors)
{
    AUTO_BUF b = BUF_INIT;

    vkey_text(&a->identity.public, &b);
    snprintf(ret_anchors->identity_vkey, sizeof ret_anchors->identity_vkey, "%s", b.p ? b.p : "");
    buf_reset(&b);
    vkey_text(&a->epoch.public, &b);
    snprintf(ret_anchors->epoch_vkey, sizeof ret_anchors->epoch_vkey, "%s", b.p ? b.p : "");
}

/* ---- recovery ---- */

static int damaged(struct err *err, const char *what)
{
    return err_set(err, -EUCLEAN, "%s: nothing is signed any more; see `trailwarden trail verify`",
                   what);
}

static int load_keys(struct audit *a, struct err *err)
{
    char name[40];
    unsigned n = 0;

    if (read_key(a->key_dir, "identity.key", a->config.origin, &a->identity, err) < 0)
        return err_code(err);
    for (;; n++) { /* the newest proof names the current epoch */
        char path[48];

        snprintf(path, sizeof path, "epochs/%06u.tlog-proof", n + 1);
        if (n > 999998 || faccessat(a->dir, path, F_OK, 0) < 0)
            break;
    }
    a->epoch_n = n;
    epoch_file(name, n);
    return read_key(a->key_dir, name, a->config.origin, &a->epoch, err);
}

/* The checkpoint, with both signatures good. */
static int load_checkpoint(struct audit *a, struct checkpoint *ret, struct err *err)
{
    struct note n;
    int r = file_read(a->dir, "checkpoint", 1 << 20, &a->note, err);

    if (r < 0)
        return r;
    if (note_parse(buf_view(&a->note), &n) < 0 || checkpoint_parse(n.text, ret) < 0)
        return damaged(err, "the checkpoint cannot be read");
    if (!slice_is(ret->origin, a->config.origin))
        return err_set(err, -EUCLEAN, "the trail's origin is '%.*s', the configuration says '%s'",
                       SLICE_FMT(ret->origin), a->config.origin);
    if (note_check(&n, &a->identity.public) != NOTE_GOOD)
        return damaged(err, "the checkpoint is not signed by our key");
    return 0;
}

struct recovery {
    struct audit *a;
    uint64_t signed_size, committed; /* committed: how many lines count */
    uint64_t bundle; /* first index that is hashed again */
    uint64_t count, bytes; /* of the segment being read, up to `committed` */
    uint64_t last_us;
    bool stop_line; /* what the last line is */
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

        if (width == 0)
            continue;
        if (tile_read(a->dir, level, n, width, a->edge->tile[level]) < 0)
            return damaged(err, "a tile is missing or has a wrong size");
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

static void note_entry(struct recovery *r, struct slice line)
{
    size_t quote;
    struct slice type = slice_skip(line, 1);
    uint64_t us;

    r->epoch_line = announced_epoch(line);
    r->stop_line = slice_find(slice_take(line, 100), SLICE("\"type\":\"daemon.stop\"")) != SIZE_MAX;
    quote = slice_find(type, SLICE("\"t\":\""));
    if (quote != SIZE_MAX &&
        time_parse_rfc3339(slice_take(slice_skip(type, quote + 5), 27), &us) == 0)
        r->last_us = us;
}

/* What an entry says, without index, time and salts: equal when the same lines are read again. */
static struct slice entry_identity(struct slice line)
{
    size_t at = slice_find(line, SLICE("\"type\":")), tab = slice_find_byte(line, '\t');
    struct slice s = slice_take(line, tab == SIZE_MAX ? line.n : tab);
    size_t sd = slice_find(s, SLICE(",\"sd\":"));

    if (at == SIZE_MAX)
        return SLICE("");
    s = slice_take(s, sd == SIZE_MAX ? s.n - (tab == SIZE_MAX ? 1 : 0) : sd);
    return slice_skip(s, at);
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

        if (edge_add(a->edge, &leaf, keep_full, a) < 0)
            return r->failed = -ENOMEM;
        if (a->edge->size == r->signed_size) {
            r->signed_root = edge_root(a->edge);
            r->have_root = true;
        }
    }
    if (a->replayed && index >= a->end.count) {
        struct slice id = entry_identity(line);

        if (id.n && table_put(a->replayed, id, a) == -ENOMEM)
            return r->failed = -ENOMEM;
    }
    return 0;
}

/* Cuts the open segment to what counts and removes segments behind it. */
static int cut(struct audit *a, const uint64_t *first, size_t n, const struct recovery *r,
               struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        AUTO_BUF name = BUF_INIT;

        if (first[i] <= a->end.segment)
            continue;
        segment_name(&name, first[i]);
        if (!buf_ok(&name) || unlinkat(a->dir, name.p, 0) < 0)
            return err_set(err, -errno, "cannot remove '%s': %s", name.p, err_name(errno));
    }
    if (open_segment(a, a->end.segment, err) < 0)
        return err_code(err);
    if (ftruncate(a->segment_fd, (off_t)r->bytes) < 0 || fsync(a->segment_fd) < 0)
        return err_set(err, -errno, "cannot cut the trail: %s", err_name(errno));
    return 0;
}

static int read_lines(struct audit *a, const uint64_t *first, size_t n, struct recovery *r,
                      struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        struct segment_end end;
        int e;

        if (i + 1 < n && first[i + 1] <= r->bundle && first[i + 1] <= a->end.count)
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
    if (a->replayed || r->epoch_line != a->epoch_n + 1)
        return 0;
    epoch_file(name, a->epoch_n + 1);
    if (read_key(a->key_dir, name, a->config.origin, &a->next_epoch, err) < 0)
        return err_code(err);
    a->roll_at = a->end.count;
    return 0;
}

static int recover(struct audit *a, const struct trail_end *committed, uint64_t *ret_replay_from,
                   struct err *err)
{
    struct checkpoint cp;
    struct recovery r = { .a = a };
    uint64_t *first = NULL;
    size_t n = 0;
    int e = load_checkpoint(a, &cp, err);

    if (e < 0)
        return e;
    e = segments_list(a->dir, &first, &n, err);
    if (e == 0)
        e = count_lines(a, first, n, &r.committed, err);
    if (e < 0)
        goto out;
    *ret_replay_from = UINT64_MAX;
    if (r.committed < cp.size) {
        e = damaged(err, "the log is shorter than its signed checkpoint");
        goto out;
    }
    if (committed && r.committed < committed->count) {
        e = damaged(err, "the log is shorter than the state says");
        goto out;
    }
    if (committed && committed->count < cp.size) { /* a restored or lost state: signed lines stay */
        *ret_replay_from = a->end.count = committed->count;
        a->replayed = table_new(1 << 20);
        r.committed = r.committed > cp.size ? cp.size : r.committed;
    } else if (committed) {
        r.committed = committed->count;
        a->end.count = committed->count;
    } else {
        a->end.count = r.committed;
    }
    r.signed_size = cp.size;
    r.bundle = cp.size - cp.size % TILE_WIDTH;
    e = load_upper(a, cp.size, err);
    if (e == 0 && r.bundle == cp.size) {
        r.signed_root = edge_root(a->edge);
        r.have_root = true;
    }
    if (e == 0)
        e = read_lines(a, first, n, &r, err);
    if (e == 0 && (!r.have_root || memcmp(&r.signed_root, &cp.root, sizeof cp.root) != 0))
        e = damaged(err, "the log does not fit its signed checkpoint");
    if (e == 0)
        e = cut(a, first, n, &r, err);
    a->end.count = r.committed;
    a->end.bytes = r.bytes;
    a->signed_size = cp.size;
    a->last_time_us = r.last_us;
    a->last_entry_us = r.last_us;
    a->epoch_due = !r.stop_line && r.committed > 1;
    if (e == 0)
        e = restore_roll(a, &r, err);
out:
    free(first);
    return e;
}

int audit_open(const struct audit_config *config, const struct trail_end *committed,
               struct audit **ret_audit, uint64_t *ret_replay_from, struct err *err)
{
    AUTO(audit) a = audit_alloc(config);
    AUTO_BUF path = BUF_INIT;
    int r;

    if (!a)
        return err_nomem(err);
    if (check_origin(config->origin, err) < 0)
        return err_code(err);
    buf_printf(&path, "%s/checkpoint", config->folder);
    if (!buf_ok(&path) || access(path.p, F_OK) < 0) {
        if (committed && committed->count)
            return damaged(err, "the trail is gone, but the state knows one");
        return err_set(err, -ENOENT, "'%s' holds no trail", config->folder);
    }
    r = open_folders(a, err);
    if (r == 0)
        r = load_keys(a, err);
    if (r == 0)
        r = recover(a, committed, ret_replay_from, err);
    if (r < 0)
        return r;
    a->epoch_start_us = now(a);
    *ret_audit = TAKE(a);
    return 0;
}

/* ---- appending ---- */

struct append {
    struct audit *a;
    struct buf lines; /* of the open segment */
    struct trail_end end; /* provisional */
    int failed;
};

static int flush_lines(struct append *p, struct err *err)
{
    int r;

    if (p->lines.n == 0)
        return 0;
    if (!buf_ok(&p->lines))
        return err_nomem(err);
    r = fd_pwrite_all(p->a->segment_fd, p->lines.p, p->lines.n, p->end.bytes - p->lines.n);
    audit_fault_point("trail: after pwrite");
    if (r < 0 || fdatasync(p->a->segment_fd) < 0)
        return err_set(err, r < 0 ? r : -errno, "cannot write: %s", err_name(r < 0 ? r : errno));
    audit_fault_point("trail: after fdatasync");
    buf_reset(&p->lines);
    return 0;
}

/* A new segment at a multiple of 256 when the open one is large or of another day. */
static int maybe_roll_segment(struct append *p, uint64_t time_us, struct err *err)
{
    struct audit *a = p->a;
    uint64_t day = 86400 * USEC_PER_SEC;
    bool full = p->end.count - p->end.segment >= SEGMENT_ENTRIES || p->end.bytes >= SEGMENT_BYTES ||
                (a->last_entry_us && time_us / day != a->last_entry_us / day);

    if (p->end.count % TILE_WIDTH || p->end.count == p->end.segment || !full)
        return 0;
    if (flush_lines(p, err) < 0)
        return err_code(err);
    p->end.segment = p->end.count;
    p->end.bytes = 0;
    if (open_segment(a, p->end.segment, err) < 0)
        return err_code(err);
    if (ftruncate(a->segment_fd, 0) < 0)
        return err_set(err, -errno, "cannot cut a segment: %s", err_name(errno));
    return 0;
}

static int append_one(struct append *p, const struct entry *e, uint64_t time_us, struct err *err)
{
    struct audit *a = p->a;
    size_t before;
    struct hash *pending;

    if (maybe_roll_segment(p, time_us, err) < 0)
        return err_code(err);
    before = p->lines.n;
    if (entry_line(e, p->end.count, time_us, &p->lines) < 0)
        return err_nomem(err);
    pending = grown(a->pending, a->npending, &a->pending_cap, sizeof *pending);
    if (!pending)
        return err_nomem(err);
    a->pending = pending;
    pending[a->npending++] = leaf_of_line(slice_of(p->lines.p + before, p->lines.n - before - 1));
    p->end.count++;
    p->end.bytes += p->lines.n - before;
    return 0;
}

/* `t` never goes back; a step of the clock is an entry of its own with the true reading. */
static int append_clock(struct append *p, uint64_t wall, uint64_t *ret_time, struct err *err)
{
    struct audit *a = p->a;
    uint64_t mono = clock_mono(a->config.clock);
    uint64_t expected = a->last_now_us + (mono - a->last_mono_us);
    bool step = a->clock_known && (wall + STEP_US < expected || wall > expected + STEP_US);
    struct entry e = { .type = SLICE("clock.step") };
    AUTO_BUF b = BUF_INIT;
    struct json_writer w = json_writer(&b);
    int r = 0;

    *ret_time = wall > a->last_time_us ? wall : a->last_time_us;
    if (step && !a->config.clock->given) {
        json_member_time(&w, "clock", wall);
        json_member_time(&w, "expected", expected);
        e.members = buf_view(&b);
        r = append_one(p, &e, *ret_time, err);
    }
    a->clock_known = true;
    a->last_now_us = wall;
    a->last_mono_us = mono;
    return r;
}

static bool dropped(struct audit *a, const struct entry *e)
{
    AUTO_BUF line = BUF_INIT;
    struct entry bare = { .type = e->type, .members = e->members };

    if (!a->replayed || entry_line(&bare, 0, 0, &line) < 0)
        return false;
    return table_remove(a->replayed, entry_identity(slice_of(line.p, line.n - 1))) != NULL;
}

static bool epoch_is_due(const struct audit *a)
{
    return a->epoch_due || now(a) >= a->epoch_start_us + a->config.epoch_s * USEC_PER_SEC;
}

/* The last entry of its batch: the checkpoint of exactly this size ends the old epoch. */
static int append_epoch(struct append *p, uint64_t time_us, struct err *err)
{
    struct audit *a = p->a;
    struct entry e = { .type = SLICE("key.epoch") };
    AUTO_BUF vkey = BUF_INIT;
    AUTO_BUF b = BUF_INIT;
    struct json_writer w = json_writer(&b);
    char name[40];

    epoch_file(name, a->epoch_n + 1);
    key_wipe(&a->next_epoch);
    if (new_key(a, name, &a->next_epoch, err) < 0)
        return err_code(err);
    vkey_text(&a->next_epoch.public, &vkey);
    json_member_u64(&w, "epoch", a->epoch_n + 1);
    json_member_slice(&w, "epoch_vkey", buf_view(&vkey));
    e.members = buf_view(&b);
    if (append_one(p, &e, time_us, err) < 0)
        return err_code(err);
    a->pending_epoch = true;
    return 0;
}

static int append_all(struct append *p, const struct batch *b, uint64_t time_us, struct err *err)
{
    struct audit *a = p->a;
    struct entry beat = { .type = SLICE("heartbeat") };

    for (size_t i = 0; i < b->nentries; i++)
        if (!dropped(a, &b->entries[i]) && append_one(p, &b->entries[i], time_us, err) < 0)
            return err_code(err);
    if (epoch_is_due(a) && append_epoch(p, time_us, err) < 0)
        return err_code(err);
    if (p->end.count == a->end.count &&
        time_us >= a->last_entry_us + a->config.heartbeat_s * USEC_PER_SEC)
        return append_one(p, &beat, time_us, err);
    return 0;
}

int audit_append(struct audit *a, struct batch *b, struct err *err)
{
    struct append p = { .a = a, .end = a->end };
    uint64_t time_us;
    int r = 0;

    if (a->roll_at) /* the epoch ends at exactly this size: sign before anything is added */
        r = audit_checkpoint(a, true, err);
    if (r < 0)
        return r;
    a->npending = 0;
    a->pending_epoch = false;
    r = append_clock(&p, now(a), &time_us, err);
    if (r == 0)
        r = append_all(&p, b, time_us, err);
    if (r == 0)
        r = flush_lines(&p, err);
    if (r < 0 && p.end.segment != a->end.segment) /* back to the committed segment */
        (void)open_segment(a, a->end.segment, NULL);
    buf_fini(&p.lines);
    if (r < 0)
        return r;
    b->trail = p.end;
    if (p.end.count > a->end.count)
        a->last_time_us = time_us;
    return 0;
}

void audit_committed(struct audit *a, const struct trail_end *end)
{
    if (end->count != a->end.count + a->npending)
        return; /* not the batch that was appended last: nothing to take over */
    for (size_t i = 0; i < a->npending; i++)
        if (edge_add(a->edge, &a->pending[i], keep_full, a) < 0)
            abort(); /* no memory for a hash: the next checkpoint would be wrong */
    if (a->npending)
        a->last_entry_us = a->last_time_us;
    if (a->pending_epoch) {
        a->roll_at = end->count;
        a->epoch_due = false;
        a->epoch_start_us = now(a);
    }
    a->end = *end;
    a->npending = 0;
    a->pending_epoch = false;
}

uint64_t audit_due_us(const struct audit *a)
{
    uint64_t beat = a->last_entry_us + a->config.heartbeat_s * USEC_PER_SEC;
    uint64_t epoch = a->epoch_due ? 0 : a->epoch_start_us + a->config.epoch_s * USEC_PER_SEC;

    return beat < epoch ? beat : epoch;
}

struct trail_end audit_end(const struct audit *a)
{
    return a->end;
}

struct slice audit_note(const struct audit *a)
{
    return buf_view(&a->note);
}
