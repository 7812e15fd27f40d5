/* What is under way besides appending: written down, found again at the start, finished. */
#include "audit/keep.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "audit/trail-private.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/num.h"

#define PLAN_FILE "keep.todo"
#define PLAN_MAX (256 << 20)
#define PLAN_FORMAT "trailwarden-keep/1 "

static const struct {
    const char *name, *type; /* of the entry that declares it */
} kinds[KEEP_KINDS] = {
    [KEEP_NOTHING] = { "", "" },
    [KEEP_PRUNE] = { "prune", "trail.prune" },
    [KEEP_ERASE] = { "erase", "pii.erase" },
    [KEEP_ROTATE] = { "rotate", "trail.close" },
    [KEEP_MOVE] = { "move", "trail.moved" },
};

/* ---- files ---- */

int keep_sync_log(const struct audit *a, struct err *err)
{
    AUTO_FD log = openat(a->dir, "log", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    return log < 0 || fsync(log) < 0
               ? err_set(err, -errno, "cannot sync 'log': %s", err_name(errno))
               : 0;
}

bool keep_segment_file(const struct audit *a, uint64_t first, struct buf *out, uint64_t *ret_bytes)
{
    static void (*const names[])(struct buf * out, uint64_t first) = { segment_name,
                                                                       segment_name_gz };

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        struct stat st;

        buf_reset(out);
        names[i](out, first);
        if (buf_ok(out) && fstatat(a->dir, out->p, &st, AT_SYMLINK_NOFOLLOW) == 0) {
            *ret_bytes = (uint64_t)st.st_size;
            return true;
        }
    }
    return false;
}

/* ---- what a crash left ---- */

/* A copy that was not finished: it may hold what was to be erased. */
static int remove_temps(const struct audit *a, struct err *err)
{
    int fd = openat(a->dir, "log", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *e;

    if (!d) {
        if (fd >= 0)
            close(fd);
        return err_set(err, -errno, "cannot read 'log': %s", err_name(errno));
    }
    while (r == 0 && (e = readdir(d)))
        if (slice_ends(slice_str(e->d_name), SLICE(".tmp")) && unlinkat(fd, e->d_name, 0) < 0)
            r = err_set(err, -errno, "cannot remove 'log/%s': %s", e->d_name, err_name(errno));
    closedir(d);
    return r;
}

static bool both_there(const struct audit *a, uint64_t first)
{
    AUTO_BUF plain = BUF_INIT;
    AUTO_BUF packed = BUF_INIT;

    segment_name(&plain, first);
    segment_name_gz(&packed, first);
    return buf_ok(&plain) && buf_ok(&packed) && faccessat(a->dir, packed.p, F_OK, 0) == 0 &&
           faccessat(a->dir, plain.p, F_OK, 0) == 0;
}

/* The plain one counts, if it is whole: what is evidence is never given for a file that is not. */
static int remove_twin(const struct audit *a, uint64_t first, uint64_t next, struct err *err)
{
    AUTO_BUF packed = BUF_INIT;
    struct segment_end end;
    int r = segment_each(a->dir, first, NULL, NULL, &end, err);

    if (r < 0)
        return r;
    if (end.next != next)
        return trail_damaged(err, "a segment is there plain and compressed, the plain one is not"
                                  " whole");
    segment_name_gz(&packed, first);
    if (!buf_ok(&packed) || unlinkat(a->dir, packed.p, 0) < 0)
        return err_set(err, -errno, "cannot remove a compressed twin: %s", err_name(errno));
    return 0;
}

static int remove_twins(const struct audit *a, struct err *err)
{
    uint64_t *first = NULL;
    size_t n = 0;
    int r = segments_list(a->dir, &first, &n, err);

    for (size_t i = 0; i < n && r == 0; i++)
        if (both_there(a, first[i]))
            r = remove_twin(a, first[i], i + 1 < n ? first[i + 1] : a->end.count, err);
    free(first);
    return r;
}

/* ---- written down ---- */

void keep_todo_head(struct buf *out, enum keep_kind kind, uint64_t entry)
{
    buf_printf(out, PLAN_FORMAT "%s\nentry %llu\n", kinds[kind].name, (unsigned long long)entry);
}

int keep_todo_write(struct audit *a, const struct buf *text, struct err *err)
{
    if (!buf_ok(text))
        return err_nomem(err);
    return file_replace(a->key_dir, PLAN_FILE, buf_view(text), 0600, err);
}

static void forget(struct audit *a)
{
    struct keep *k = &a->keep;

    audit_erase_plan_free(k->erase);
    free(k->move);
    *k = (struct keep){ .packing = k->packing, .packed_at = k->packed_at };
}

int keep_done(struct audit *a, struct err *err)
{
    if ((unlinkat(a->key_dir, PLAN_FILE, 0) < 0 && errno != ENOENT) || fsync(a->key_dir) < 0)
        return err_set(err, -errno, "cannot remove '" PLAN_FILE "': %s", err_name(errno));
    forget(a);
    return 0;
}

static int take_line(struct audit *a, struct slice line)
{
    struct keep *k = &a->keep;
    const struct {
        const char *word;
        uint64_t *value;
    } numbers[] = { { "entry", &k->entry }, { "from", &k->from }, { "min", &k->min } };
    struct slice rest = line, word;

    if (!slice_split(&rest, ' ', &word))
        return -EBADMSG;
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
        if (slice_is(word, numbers[i].word))
            return parse_u64(rest, 0, UINT64_MAX, numbers[i].value);
    if (k->kind == KEEP_ERASE)
        return keep_erase_line(a, word, rest);
    return k->kind == KEEP_ROTATE || k->kind == KEEP_MOVE ? keep_move_line(a, word, rest)
                                                          : -EBADMSG;
}

static int take_todo(struct audit *a, struct slice text)
{
    struct slice line, head = SLICE(PLAN_FORMAT);
    int r = 0;

    if (!slice_split(&text, '\n', &line) || !slice_starts(line, head))
        return -EBADMSG;
    for (int i = KEEP_NOTHING + 1; i < KEEP_KINDS; i++)
        if (slice_is(slice_skip(line, head.n), kinds[i].name))
            a->keep.kind = (enum keep_kind)i;
    if (a->keep.kind == KEEP_NOTHING)
        return -EBADMSG;
    while (r == 0 && slice_split(&text, '\n', &line))
        r = line.n ? take_line(a, line) : 0;
    return r;
}

int keep_todo_load(struct audit *a, struct err *err)
{
    AUTO_BUF text = BUF_INIT;
    int r = file_read(a->key_dir, PLAN_FILE, PLAN_MAX, &text, err);

    if (r == -ENOENT) {
        if (err)
            *err = (struct err)ERR_NONE;
        return 0;
    }
    if (r == 0)
        r = take_todo(a, buf_view(&text));
    if (r < 0)
        return err_set(err, r == -ENOMEM ? r : -EBADMSG,
                       "what was begun with the trail is not known: '" PLAN_FILE
                       "' in the key folder cannot be read");
    return 0;
}

/* ---- was it declared? ---- */

struct declared {
    struct slice type;
    uint64_t from, to;
    uint64_t last; /* the last one found + 1 */
};

static int on_declared(void *ctx, uint64_t index, struct slice line)
{
    struct declared *d = ctx;

    if (index >= d->to)
        return 1;
    if (index >= d->from && slice_eq(line_member(slice_take(line, 200), "type"), d->type))
        d->last = index + 1;
    return 0;
}

/* Looks for the entry in what is committed. */
static int look_for_entry(struct audit *a, struct err *err)
{
    struct declared d = { slice_str(kinds[a->keep.kind].type), a->keep.entry, a->end.count, 0 };
    uint64_t *first = NULL;
    size_t n = 0;
    int r = segments_list(a->dir, &first, &n, err);

    for (size_t i = 0; i < n && r == 0; i++) {
        struct segment_end end;

        if ((i + 1 < n && first[i + 1] <= d.from) || first[i] >= d.to)
            continue;
        r = segment_each(a->dir, first[i], on_declared, &d, &end, err);
        r = r > 0 ? 0 : r;
    }
    free(first);
    if (r == 0 && d.last) {
        a->keep.declared = true;
        a->keep.entry = d.last - 1;
    }
    return r;
}

/* ---- the start, and going on ---- */

static int take_up(struct audit *a, struct err *err)
{
    struct keep *k = &a->keep;
    int r = look_for_entry(a, err);

    if (r < 0)
        return r;
    if (k->declared || k->kind == KEEP_MOVE)
        return 0;
    return k->kind == KEEP_ERASE ? keep_erase_rewrite(a, err) : keep_done(a, err);
}

int keep_open(struct audit *a, struct err *err)
{
    int r = remove_temps(a, err);

    if (r == 0)
        r = remove_twins(a, err);
    if (r == 0)
        r = keep_todo_load(a, err);
    if (r == 0 && a->keep.kind != KEEP_NOTHING)
        r = take_up(a, err);
    return r;
}

void keep_fini(struct audit *a)
{
    keep_packing_free(a);
    forget(a);
}

bool audit_keep_busy(const struct audit *a)
{
    return a->keep.kind != KEEP_NOTHING;
}

int audit_keep_step(struct audit *a, unsigned files, struct err *err)
{
    struct keep *k = &a->keep;

    if (k->kind == KEEP_NOTHING)
        return 0;
    if (!k->declared && a->end.count > k->entry && look_for_entry(a, err) < 0)
        return err_code(err);
    if (!k->declared || a->signed_size <= k->entry)
        return 0;
    if (k->kind == KEEP_PRUNE)
        return keep_prune_step(a, files, err);
    if (k->kind == KEEP_ROTATE)
        return 0; /* audit_rotate_move() is what comes next */
    fault_point(FAULT_KEEP_ERASE_OVER);
    return keep_done(a, err);
}

int audit_keep_owed(struct audit *a, struct batch *b, struct err *err)
{
    if (a->keep.declared)
        return 0;
    if (a->keep.kind == KEEP_MOVE)
        return keep_move_owed(a, b, err);
    return a->keep.kind == KEEP_ERASE ? keep_erase_owed(a, b, err) : 0;
}
