/* The writer's folders and files, and a new trail. */
#include "audit/trail-private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>

#include "base/fault.h"
#include "base/file.h"
#include "base/json.h"

uint64_t trail_now(const struct audit *a)
{
    return clock_now(a->config.clock);
}

void *trail_grown(void *array, size_t n, size_t *cap, size_t size)
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

int trail_keep_full(void *ctx, unsigned level, uint64_t n, const struct hash *hashes)
{
    struct audit *a = ctx;
    struct full_tile *t = trail_grown(a->full, a->nfull, &a->full_cap, sizeof *t);

    if (!t)
        return -ENOMEM;
    a->full = t;
    t = &t[a->nfull++];
    t->level = level;
    t->n = n;
    memcpy(t->hashes, hashes, sizeof t->hashes);
    return 0;
}

int trail_damaged(struct err *err, const char *what)
{
    return err_set(
        err, -EUCLEAN,
        "%s: nothing is signed any more; see `trailwarden trail verify` and docs/state.md", what);
}

/* ---- opening files ---- */

int trail_check_origin(const char *origin, struct err *err)
{
    if (!origin[0] || strlen(origin) >= KEY_NAME_MAX || strpbrk(origin, " +\n\t"))
        return err_set(err, -EINVAL, "'%s' is no origin: no blanks, no '+', at most %d signs",
                       origin, KEY_NAME_MAX - 1);
    return 0;
}

int trail_lock_keys(struct audit *a, struct err *err)
{
    a->key_dir = open(a->config.key_folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (a->key_dir < 0)
        return err_set(err, errno == ENOENT ? -ENOKEY : -errno, "cannot open '%s': %s",
                       a->config.key_folder, err_name(errno));
    a->lock_fd = openat(a->key_dir, "checkpoint.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (a->lock_fd < 0)
        return err_set(err, -errno, "cannot lock '%s': %s", a->config.key_folder, err_name(errno));
    if (flock(a->lock_fd, LOCK_EX | LOCK_NB) < 0)
        return err_set(err, -EBUSY, "another process writes this trail");
    return 0;
}

int trail_open_folders(struct audit *a, struct err *err)
{
    a->dir = open(a->config.folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (a->dir < 0)
        return err_set(err, -errno, "cannot open '%s': %s", a->config.folder, err_name(errno));
    return trail_lock_keys(a, err);
}

struct audit *trail_alloc(const struct audit_config *config)
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
    keep_fini(a);
    key_wipe(&a->identity);
    key_wipe(&a->epoch);
    key_wipe(&a->next_epoch);
    for (size_t i = 0; i < 4; i++) {
        int fd = (const int[]){ a->segment_fd, a->lock_fd, a->key_dir, a->dir }[i];

        if (fd >= 0)
            close(fd);
    }
    table_free(a->replayed);
    entry_maker_fini(&a->maker);
    buf_fini(&a->note);
    free(a->edge);
    free(a->full);
    free(a->pending);
    free(a);
}

int trail_open_segment(struct audit *a, uint64_t first, struct err *err)
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

/* ---- a new trail ---- */

static void prev_member(struct json_writer *w, const struct audit_prev *prev)
{
    AUTO_BUF root = BUF_INIT;

    buf_base64(&root, prev->root, sizeof prev->root, true);
    json_key(w, "prev");
    json_object(w);
    json_member_str(w, "origin", prev->origin);
    json_member_u64(w, "size", prev->size);
    json_member_buf(w, "root", &root);
    json_object_end(w);
}

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
    json_member_buf(&w, "vkey", &identity);
    json_member_buf(&w, "epoch_vkey", &epoch);
    json_member_u64(&w, "heartbeat_s", a->config.heartbeat_s);
    json_member_u64(&w, "epoch_s", a->config.epoch_s);
    if (a->config.prev)
        prev_member(&w, a->config.prev);
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
    if (entry_line(&a->maker, &e, 0, trail_now(a), &line) < 0 || trail_open_segment(a, 0, err) < 0)
        return err_nomem(err);
    r = ftruncate(a->segment_fd, 0) < 0 ? -errno : fd_pwrite_all(a->segment_fd, line.p, line.n, 0);
    if (r < 0 || fdatasync(a->segment_fd) < 0)
        return err_set(err, r < 0 ? r : -errno, "cannot write the trail: %s",
                       err_name(r < 0 ? r : errno));
    leaf = leaf_of_line(slice_of(line.p, line.n - 1));
    if (edge_add(a->edge, &leaf, trail_keep_full, a) < 0)
        return err_nomem(err);
    a->end = (struct trail_end){ .count = 1, .segment = 0, .bytes = line.n };
    return 0;
}

/* Ended inside an earlier audit_init() there is the genesis at most; more is evidence. */
static int check_empty(struct audit *a, struct err *err)
{
    uint64_t *first = NULL;
    struct segment_end end = { 0 };
    size_t n = 0;
    int r = segments_list(a->dir, &first, &n, err);

    if (r == 0 && n == 1)
        r = segment_each(a->dir, first[0], NULL, NULL, &end, err);
    if (r >= 0 && (n > 1 || end.next > 1))
        r = trail_damaged(err, "there are entries, but no checkpoint: restore it");
    free(first);
    return r;
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
    AUTO(audit) a = trail_alloc(config);
    const struct signing_key *keys[2];
    char name[40];

    if (!a)
        return err_nomem(err);
    if (trail_check_origin(config->origin, err) < 0 || make_folders(config, err) < 0 ||
        trail_open_folders(a, err) < 0)
        return err_code(err);
    if (faccessat(a->dir, "checkpoint", F_OK, 0) == 0)
        return err_set(err, -EEXIST, "'%s' holds a trail already", config->folder);
    if (check_empty(a, err) < 0)
        return err_code(err);
    trail_epoch_file(name, 0);
    if (trail_new_key(a, "identity.key", &a->identity, err) < 0 ||
        trail_new_key(a, name, &a->epoch, err) < 0 || write_genesis(a, err) < 0 ||
        trail_write_tiles(a, err) < 0)
        return err_code(err);
    keys[0] = &a->identity;
    keys[1] = &a->epoch;
    trail_make_note(a, keys, 2, &a->note);
    if (!buf_ok(&a->note)) /* never half a checkpoint on disk */
        return err_nomem(err);
    fault_point(FAULT_TRAIL_IN_INIT);
    /* The proof first: a trail with a checkpoint is complete. */
    if (trail_write_epoch_proof(a, 0, err) < 0 ||
        file_replace(a->dir, "checkpoint", buf_view(&a->note), 0640, err) < 0)
        return err_code(err);
    if (ret_anchors)
        audit_anchors(a, ret_anchors);
    return 0;
}

/* ---- what it is now ---- */

void audit_anchors(const struct audit *a, struct audit_anchors *ret_anchors)
{
    AUTO_BUF b = BUF_INIT;

    vkey_text(&a->identity.public, &b);
    snprintf(ret_anchors->identity_vkey, sizeof ret_anchors->identity_vkey, "%s", b.p ? b.p : "");
    buf_reset(&b);
    vkey_text(&a->epoch.public, &b);
    snprintf(ret_anchors->epoch_vkey, sizeof ret_anchors->epoch_vkey, "%s", b.p ? b.p : "");
}

uint64_t audit_due_us(const struct audit *a)
{
    uint64_t beat = a->last_entry_us + a->config.heartbeat_s * USEC_PER_SEC;
    uint64_t epoch = a->epoch_due ? 0 : a->epoch_start_us + a->config.epoch_s * USEC_PER_SEC;

    return beat < epoch ? beat : epoch;
}

bool audit_unclean(const struct audit *a)
{
    return a->unclean;
}

struct trail_end audit_end(const struct audit *a)
{
    return a->end;
}

struct slice audit_note(const struct audit *a)
{
    return buf_view(&a->note);
}
