/*
 * A new trail in the place of this one: the old folder is renamed, its keys are put aside or
 * wiped, and a trail with a new key begins whose genesis names the old one.
 *
 * The phases are written down one by one; each can be done again. The old folder stays beside the
 * new one, whole: its anchors verify it as before.
 */
#include "audit/trail-private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/fault.h"
#include "base/file.h"
#include "base/json.h"
#include "base/num.h"

#define ASIDE_MAX 64
#define BY_MAX 1024

enum phase {
    PHASE_FOLDER = 1, /* what is done next */
    PHASE_KEYS,
    PHASE_INIT,
    PHASE_STATE, /* the new trail is there; its first commit is not */
};

struct move {
    uint64_t phase, damaged, prev_size;
    char origin[AUDIT_ORIGIN_MAX], prev_origin[AUDIT_ORIGIN_MAX];
    char aside[ASIDE_MAX]; /* what the old folder's name gets, and the folder of its keys */
    char root[2 * HASH_SIZE + 1]; /* hex */
    char by[BY_MAX]; /* JSON string */
};

/* ---- written down ---- */

static void todo_text(const struct move *m, enum keep_kind kind, uint64_t entry, struct buf *out)
{
    keep_todo_head(out, kind, entry);
    buf_printf(out, "phase %llu\ndamaged %llu\norigin %s\nby %s\n", (unsigned long long)m->phase,
               (unsigned long long)m->damaged, m->origin, m->by);
    if (kind == KEEP_MOVE)
        buf_printf(out, "aside %s\nprev %s\nsize %llu\nroot %s\n", m->aside, m->prev_origin,
                   (unsigned long long)m->prev_size, m->root);
}

static int write_down(struct audit *a, enum keep_kind kind, struct err *err)
{
    AUTO_BUF text = BUF_INIT;

    todo_text(a->keep.move, kind, a->keep.entry, &text);
    return keep_todo_write(a, &text, err);
}

static int take_text(char *to, size_t size, struct slice text)
{
    if (text.n == 0 || text.n >= size)
        return -EBADMSG;
    memcpy(to, text.p, text.n);
    to[text.n] = '\0';
    return 0;
}

int keep_move_line(struct audit *a, struct slice word, struct slice rest)
{
    struct move *m = a->keep.move;

    if (!m)
        m = a->keep.move = calloc(1, sizeof *m);
    if (!m)
        return -ENOMEM;
    const struct {
        const char *word;
        char *to;
        size_t size;
        uint64_t *number;
    } words[] = {
        { "origin", m->origin, sizeof m->origin, NULL },
        { "prev", m->prev_origin, sizeof m->prev_origin, NULL },
        { "aside", m->aside, sizeof m->aside, NULL },
        { "root", m->root, sizeof m->root, NULL },
        { "by", m->by, sizeof m->by, NULL },
        { "phase", NULL, 0, &m->phase },
        { "damaged", NULL, 0, &m->damaged },
        { "size", NULL, 0, &m->prev_size },
    };

    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (slice_is(word, words[i].word))
            return words[i].number ? parse_u64(rest, 0, UINT64_MAX, words[i].number)
                                   : take_text(words[i].to, words[i].size, rest);
    return -EBADMSG;
}

static int quote(char to[BY_MAX], const char *by)
{
    AUTO_BUF b = BUF_INIT;
    struct json_writer w = json_writer(&b);

    json_put_slice(&w, slice_take(slice_str(by), 150));
    return buf_ok(&b) ? take_text(to, BY_MAX, buf_view(&b)) : -ENOMEM;
}

/* ---- begun ---- */

/* "damaged-20261121T180200Z": a name that is free beside the folder. */
static int name_aside(const struct audit *a, struct move *m)
{
    struct civil c = civil_from_us(trail_now(a));

    for (unsigned i = 0; i < 100; i++) {
        AUTO_BUF path = BUF_INIT;
        int n = snprintf(m->aside, sizeof m->aside, "%s-%04d%02u%02uT%02u%02u%02uZ",
                         m->damaged ? "damaged" : "closed", c.year, c.month, c.day, c.hour,
                         c.minute, c.second);

        if (i)
            (void)snprintf(m->aside + n, sizeof m->aside - (size_t)n, ".%u", i);
        buf_printf(&path, "%s.%s", a->config.folder, m->aside);
        if (buf_ok(&path) && access(path.p, F_OK) < 0)
            return 0;
    }
    return -EEXIST;
}

static int set_prev(struct move *m, const struct audit_prev *prev)
{
    AUTO_BUF hex = BUF_INIT;

    buf_hex(&hex, prev->root, sizeof prev->root);
    m->prev_size = prev->size;
    return buf_ok(&hex) && take_text(m->root, sizeof m->root, buf_view(&hex)) == 0
               ? take_text(m->prev_origin, sizeof m->prev_origin, slice_str(prev->origin))
               : -ENOMEM;
}

/* A todo of either kind in memory. */
static int prepare(struct audit *a, const char *origin, const char *by, bool damaged,
                   struct err *err)
{
    struct move *m;

    if (trail_check_origin(origin, err) < 0)
        return err_code(err);
    if (strcmp(origin, a->config.origin) == 0)
        return err_set(err, -EINVAL, "the new trail needs another name than '%s'", origin);
    m = a->keep.move = calloc(1, sizeof *m);
    if (!m || take_text(m->origin, sizeof m->origin, slice_str(origin)) < 0 || quote(m->by, by) < 0)
        return err_nomem(err);
    m->damaged = damaged;
    m->phase = PHASE_FOLDER;
    return 0;
}

static int begin_move(struct audit *a, const struct audit_prev *prev, struct err *err)
{
    struct move *m = a->keep.move;
    int r = name_aside(a, m);

    if (r == 0)
        r = set_prev(m, prev);
    if (r < 0)
        return err_set(err, r, "cannot name the old trail: %s", err_name(r));
    a->keep.entry = 0; /* of the new trail: from the beginning */
    r = write_down(a, KEEP_MOVE, err);
    fault_point(FAULT_KEEP_MOVE_BEGUN);
    return r;
}

int audit_move_begin(const struct audit_config *config, const struct audit_move *m, struct err *err)
{
    AUTO(audit) a = trail_alloc(config);
    int r;

    if (!a)
        return err_nomem(err);
    if (dir_make(-1, config->key_folder, 0700, err) < 0 || trail_lock_keys(a, err) < 0)
        return err_code(err);
    if (strcmp(m->origin, m->prev.origin) == 0)
        return err_set(err, -EINVAL, "the new trail needs another name than '%s'", m->origin);
    r = prepare(a, m->origin, m->by, m->damaged, err);
    return r < 0 ? r : begin_move(a, &m->prev, err);
}

int audit_rotate_begin(struct audit *a, const char *origin, const char *by, struct err *err)
{
    int r;

    if (a->keep.kind != KEEP_NOTHING)
        return err_set(err, -EBUSY, "something else is being done to the trail: try again");
    r = prepare(a, origin, by, false, err);
    if (r < 0)
        return r;
    a->keep.kind = KEEP_ROTATE;
    a->keep.entry = a->end.count;
    r = write_down(a, KEEP_ROTATE, err);
    fault_point(FAULT_KEEP_ROTATE_BEGUN);
    return r;
}

bool audit_rotating(const struct audit *a)
{
    return a->keep.kind == KEEP_ROTATE && a->keep.declared;
}

int audit_rotate_move(struct audit *a, struct err *err)
{
    struct audit_prev prev = { .origin = a->config.origin, .size = a->signed_size };
    struct hash root = edge_root(a->edge);

    if (a->keep.kind != KEEP_ROTATE || a->signed_size != a->end.count)
        return err_set(err, -EINVAL, "the trail is not closed and signed");
    memcpy(prev.root, root.b, sizeof prev.root);
    fault_point(FAULT_KEEP_ROTATE_CLOSED);
    return begin_move(a, &prev, err);
}

const char *audit_origin(const struct audit *a)
{
    return a->config.origin;
}

/* ---- carried out ---- */

static int sync_parent_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    AUTO_BUF folder = BUF_INIT;
    AUTO_FD fd = -1;

    buf_slice(&folder, slash ? slice_of(path, (size_t)(slash - path) + 1) : SLICE("."));
    if (!buf_ok(&folder))
        return -ENOMEM;
    fd = open(folder.p, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

static int move_folder(struct audit *a, struct err *err)
{
    const char *folder = a->config.folder;
    AUTO_BUF aside = BUF_INIT;
    int r = 0;

    buf_printf(&aside, "%s.%s", folder, a->keep.move->aside);
    if (!buf_ok(&aside))
        return err_nomem(err);
    if (access(aside.p, F_OK) < 0 && access(folder, F_OK) == 0) /* else it was done, or is gone */
        r = rename(folder, aside.p) < 0 ? -errno : sync_parent_of(folder);
    fault_point(FAULT_KEEP_MOVE_ASIDE);
    return r < 0
               ? err_set(err, r, "cannot put '%s' aside as '%s': %s", folder, aside.p, err_name(r))
               : 0;
}

static bool is_key(const char *name)
{
    struct slice s = slice_str(name);

    return slice_starts(s, SLICE("identity.key")) ||
           (slice_starts(s, SLICE("epoch-")) && slice_find(s, SLICE(".key")) != SIZE_MAX);
}

/* Overwritten before it goes; what the disk keeps of old blocks is beyond us. */
static int wipe_key(int dir, const char *name)
{
    static const char zeros[128];
    AUTO_FD fd = openat(dir, name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);

    if (fd >= 0) {
        (void)fd_pwrite_all(fd, zeros, sizeof zeros, 0);
        (void)fsync(fd);
    }
    return unlinkat(dir, name, 0) < 0 && errno != ENOENT ? -errno : 0;
}

static int keep_key(int dir, const char *name, const char *aside)
{
    AUTO_BUF to = BUF_INIT;

    buf_printf(&to, "%s/%s", aside, name);
    return !buf_ok(&to) ? -ENOMEM : renameat(dir, name, dir, to.p) < 0 ? -errno : 0;
}

static int move_keys(struct audit *a, struct err *err)
{
    const struct move *m = a->keep.move;
    int fd = openat(a->key_dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *e;

    if (!d) {
        if (fd >= 0)
            close(fd);
        return err_set(err, -errno, "cannot read the key folder: %s", err_name(errno));
    }
    if (m->damaged)
        r = dir_make(a->key_dir, m->aside, 0700, err);
    while (r == 0 && (e = readdir(d)))
        if (is_key(e->d_name))
            r = m->damaged ? keep_key(a->key_dir, e->d_name, m->aside)
                           : wipe_key(a->key_dir, e->d_name);
    closedir(d);
    if (r == 0 && fsync(a->key_dir) < 0)
        r = -errno;
    fault_point(FAULT_KEEP_MOVE_KEYS);
    return r < 0 ? err_set(err, r, "cannot put the old keys away: %s", err_name(r)) : 0;
}

static int make_new(struct audit *a, struct err *err)
{
    const struct move *m = a->keep.move;
    struct audit_prev prev = { .origin = m->prev_origin, .size = m->prev_size };
    struct audit_config config = a->config;
    int r;

    config.origin = m->origin;
    config.prev = &prev;
    if (hex_decode(slice_str(m->root), prev.root, sizeof prev.root) < 0)
        return err_set(err, -EBADMSG, "the old trail's root is not known");
    close(a->lock_fd); /* audit_init() takes it; the state is locked all the time */
    a->lock_fd = -1;
    r = audit_init(&config, NULL, err);
    fault_point(FAULT_KEEP_MOVE_MADE);
    return r == -EEXIST ? 0 : r; /* ended behind it */
}

static int next_phase(struct audit *a, struct err *err)
{
    static int (*const phases[])(struct audit * a, struct err * err) = {
        [PHASE_FOLDER] = move_folder,
        [PHASE_KEYS] = move_keys,
        [PHASE_INIT] = make_new,
    };
    struct move *m = a->keep.move;
    int r = m->phase < PHASE_FOLDER ? -EBADMSG : phases[m->phase](a, err);

    if (r < 0)
        return r;
    m->phase++;
    return write_down(a, KEEP_MOVE, err);
}

/* 1 = one is written down, and loaded. The lock is held until `a` is freed. */
static int load_move(struct audit *a, struct err *err)
{
    int r;

    if (access(a->config.key_folder, F_OK) < 0)
        return 0;
    r = trail_lock_keys(a, err);
    if (r == 0)
        r = keep_todo_load(a, err);
    return r < 0 ? r : a->keep.move != NULL;
}

int audit_move_target(const struct audit_config *config, char ret_origin[AUDIT_ORIGIN_MAX],
                      struct err *err)
{
    AUTO(audit) a = trail_alloc(config);
    int r = a ? load_move(a, err) : err_nomem(err);

    ret_origin[0] = '\0';
    if (r > 0)
        memcpy(ret_origin, a->keep.move->origin, AUDIT_ORIGIN_MAX);
    return r < 0 ? r : 0;
}

int audit_move_finish(const struct audit_config *config, char ret_origin[AUDIT_ORIGIN_MAX],
                      struct err *err)
{
    AUTO(audit) a = trail_alloc(config);
    int r = a ? load_move(a, err) : err_nomem(err);

    ret_origin[0] = '\0';
    if (r <= 0 || a->keep.kind != KEEP_MOVE)
        return r < 0 ? r : 0;
    r = 0;
    while (r == 0 && a->keep.move->phase < PHASE_STATE)
        r = next_phase(a, err);
    if (r == 0)
        memcpy(ret_origin, a->keep.move->origin, AUDIT_ORIGIN_MAX);
    return r < 0 ? err_while(err, "putting the old trail aside") : 0;
}

/* ---- the entry in the new trail ---- */

int keep_move_owed(struct audit *a, struct batch *b, struct err *err)
{
    const struct move *m = a->keep.move;
    struct entry *e = batch_entry(b, "trail.moved");
    AUTO_BUF text = BUF_INIT;
    struct json_writer w = json_writer(&text);

    if (!m || !e)
        return err_nomem(err);
    json_member_str(&w, "reason", m->damaged ? "damaged" : "rotated");
    json_member_str(&w, "from", m->prev_origin);
    json_member_str(&w, "aside", m->aside);
    json_key(&w, "by");
    json_put_raw(&w, slice_str(m->by));
    if (!buf_ok(&text))
        return err_nomem(err);
    e->members = arena_slice(b->arena, buf_view(&text));
    return e->members.p ? 0 : err_nomem(err);
}
