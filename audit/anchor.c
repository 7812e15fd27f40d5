/* Kept notes: writing them down before they leave, and what comes back for them. */
#include "audit/anchor.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "audit/audit-private.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/num.h"

#define NOTE_FILE_MAX (64 << 10)
#define KEPT_MAX 200000 /* of one folder; thinned there are fewer than 4000 and one a day */
#define NAME_DIGITS 20
#define NAME_SIZE 48 /* checkpoints/<20 digits>.tsr */

#define MINUTE_US (UINT64_C(60) * USEC_PER_SEC)
#define HOUR_US (60 * MINUTE_US)
#define DAY_US (24 * HOUR_US)

struct audit_notes {
    int dir;
    uint64_t newest; /* kept by us already; 0 = none */
    uint64_t thinned_us;
};

int audit_note_read(struct slice note, struct audit_checkpoint_says *ret)
{
    struct note n;
    struct checkpoint c;
    struct slice rest, line;

    if (note_parse(note, &n) < 0 || checkpoint_parse(n.text, &c) < 0)
        return -EBADMSG;
    rest = n.text;
    for (size_t i = 0; i < 3; i++)
        (void)slice_split(&rest, '\n', &line);
    *ret = (struct audit_checkpoint_says){ .origin = c.origin, .size = c.size, .root = line };
    return 0;
}

static int witness_key(const char *vkey, struct vkey *ret, struct err *err)
{
    if (vkey_parse_witness(slice_str(vkey), ret) < 0)
        return err_set(err, -EINVAL,
                       "'%.100s' is no key of a witness: NAME+HEX+BASE64, of type 4 "
                       "(cosignature/v1)",
                       vkey);
    return 0;
}

int audit_witness_check(const char *vkey, struct err *err)
{
    struct vkey v;

    return witness_key(vkey, &v, err);
}

int audit_notes_open(const char *trail_folder, struct audit_notes **ret, struct err *err)
{
    AUTO(audit_notes) n = calloc(1, sizeof *n);

    if (!n)
        return err_nomem(err);
    n->dir = open(trail_folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (n->dir < 0)
        return err_set(err, -errno, "cannot open trail '%s': %s", trail_folder, err_name(errno));
    *ret = TAKE(n);
    return 0;
}

void audit_notes_free(struct audit_notes *n)
{
    if (!n)
        return;
    if (n->dir >= 0)
        close(n->dir);
    free(n);
}

/* ---- files ---- */

static void note_path(char out[NAME_SIZE], uint64_t size, const char *suffix)
{
    snprintf(out, NAME_SIZE, "checkpoints/%020llu%s", (unsigned long long)size, suffix);
}

/*
 * What a command of root's writes must stay the daemon's. A daemon of root's may not give files
 * away, and need not: it reads its own.
 */
static void give_to_owner(int dir, const char *path)
{
    struct stat st;

    if (geteuid() == 0 && fstat(dir, &st) == 0 && (st.st_uid || st.st_gid))
        (void)!fchownat(dir, path, st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW);
}

static int write_file(const struct audit_notes *n, const char *path, struct slice bytes,
                      struct err *err)
{
    struct stat st;
    int r = 0;

    /* A trail that was restored may lack the folder. */
    if (fstatat(n->dir, "checkpoints", &st, 0) < 0) {
        r = dir_make(n->dir, "checkpoints", 0750, err);
        give_to_owner(n->dir, "checkpoints");
    }
    if (r == 0)
        r = file_replace(n->dir, path, bytes, 0640, err);
    if (r == 0)
        give_to_owner(n->dir, path);
    return r;
}

int audit_notes_read(struct audit_notes *n, uint64_t size, struct buf *out, struct err *err)
{
    char path[NAME_SIZE];

    note_path(path, size, "");
    return file_read(n->dir, path, NOTE_FILE_MAX, out, err);
}

/* A kept note that is one. */
static int read_note(struct audit_notes *n, uint64_t size, struct buf *text, struct note *ret_note,
                     struct err *err)
{
    struct checkpoint c;
    int r = audit_notes_read(n, size, text, err);

    if (r < 0)
        return r;
    if (note_parse(buf_view(text), ret_note) < 0 || checkpoint_parse(ret_note->text, &c) < 0 ||
        c.size != size)
        return err_set(err, -EUCLEAN, "the kept note of %llu entries is no such note",
                       (unsigned long long)size);
    return 0;
}

/* 1 = the same one is kept already. */
static int kept_already(struct audit_notes *n, const struct note *new, uint64_t size,
                        struct err *err)
{
    AUTO_BUF text = BUF_INIT;
    struct note old;
    struct err why = ERR_NONE;
    int r = read_note(n, size, &text, &old, &why);

    if (r == -ENOENT)
        return 0;
    if (r == 0 && slice_eq(old.text, new->text))
        return 1;
    if (r == 0)
        return err_set(err, -EUCLEAN,
                       "another checkpoint of %llu entries left before: the trail has two "
                       "histories, see `trailwarden trail verify`",
                       (unsigned long long)size);
    if (err)
        *err = why;
    return r;
}

int audit_notes_keep(struct audit_notes *n, struct slice note, uint64_t now_us, struct err *err)
{
    struct note parsed;
    struct checkpoint c;
    char path[NAME_SIZE];
    int r;

    if (note_parse(note, &parsed) < 0 || checkpoint_parse(parsed.text, &c) < 0)
        return err_set(err, -EBADMSG, "this is no signed checkpoint");
    if (n->newest && c.size == n->newest)
        return 0;
    r = kept_already(n, &parsed, c.size, err);
    if (r < 0)
        return r;
    note_path(path, c.size, "");
    if (r == 0)
        r = write_file(n, path, note, err);
    if (r < 0)
        return r;
    n->newest = c.size;
    if (now_us < n->thinned_us + HOUR_US)
        return 0;
    n->thinned_us = now_us;
    (void)audit_notes_thin(n, now_us, NULL); /* it will be tried again: nothing depends on it */
    return 0;
}

/* ---- what comes back ---- */

static bool has_line_of(const struct note *n, const struct vkey *v)
{
    for (size_t i = 0; i < n->nsignatures; i++)
        if (note_check_signature(n->text, &n->signatures[i], v, NULL) == NOTE_GOOD)
            return true;
    return false;
}

/* The one line of that key. */
static int find_line(struct slice text, struct slice lines, const struct vkey *v,
                     struct slice *ret_line, uint64_t *ret_time_s, struct err *err)
{
    struct slice line;

    if (lines.n == 0 || lines.p[lines.n - 1] != '\n')
        return err_set(err, -EBADMSG, "the witness's answer is cut off");
    while (lines.n && slice_split(&lines, '\n', &line)) {
        struct note_signature s;
        enum note_verdict verdict;

        if (note_parse_signature(line, &s) < 0)
            return err_set(err, -EBADMSG, "the witness's answer is no signature");
        verdict = note_check_signature(text, &s, v, ret_time_s);
        if (verdict == NOTE_BAD)
            return err_set(err, -EKEYREJECTED, "the signature of '%s' does not fit the checkpoint",
                           v->name);
        if (verdict == NOTE_GOOD) {
            *ret_line = line;
            return 0;
        }
    }
    return err_set(err, -ENOKEY, "no signature of '%s' is in the witness's answer", v->name);
}

int audit_notes_cosign(struct audit_notes *n, uint64_t size, struct slice lines, const char *vkey,
                       uint64_t *ret_time_s, struct err *err)
{
    AUTO_BUF text = BUF_INIT;
    struct note note;
    struct vkey v;
    struct slice line;
    char path[NAME_SIZE];
    int r = witness_key(vkey, &v, err);

    if (r == 0)
        r = read_note(n, size, &text, &note, err);
    if (r == 0)
        r = find_line(note.text, lines, &v, &line, ret_time_s, err);
    if (r < 0)
        return r;
    if (has_line_of(&note, &v))
        return 0; /* the first one is as good, and nothing that is stamped may change */
    if (note.nsignatures == SIGNATURES_MAX)
        return err_set(err, -E2BIG, "the note has %d signatures already", SIGNATURES_MAX);
    buf_slice(&text, line);
    buf_char(&text, '\n');
    note_path(path, size, "");
    return buf_ok(&text) ? write_file(n, path, buf_view(&text), err) : err_nomem(err);
}

int audit_notes_stamp(struct audit_notes *n, uint64_t size, struct slice reply, struct err *err)
{
    char path[NAME_SIZE];

    note_path(path, size, ".tsr");
    return write_file(n, path, reply, err);
}

/* ---- which are there ---- */

static int by_size(const void *a, const void *b)
{
    uint64_t x = ((const struct kept_note *)a)->size, y = ((const struct kept_note *)b)->size;

    return x < y ? -1 : x > y;
}

/* Ascending; the caller frees. */
static int list_notes(const struct audit_notes *n, struct kept_note **ret, size_t *ret_n,
                      struct err *err)
{
    int fd = openat(n->dir, "checkpoints", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    struct kept_note *list = NULL;
    size_t count = 0, cap = 0;
    struct dirent *e;

    *ret = NULL;
    *ret_n = 0;
    if (!d) {
        r = -errno;
        if (fd >= 0)
            close(fd);
        return r == -ENOENT ? 0 : err_set(err, r, "cannot read 'checkpoints': %s", err_name(r));
    }
    while (r == 0 && (e = readdir(d))) {
        uint64_t size;

        if (strlen(e->d_name) != NAME_DIGITS ||
            parse_u64(slice_str(e->d_name), 0, UINT64_MAX, &size) < 0)
            continue;
        if (count == cap && count < KEPT_MAX) {
            size_t more = cap ? cap * 2 : 256;
            struct kept_note *p = realloc(list, more * sizeof *p);

            r = p ? 0 : -ENOMEM;
            list = p ? p : list;
            cap = p ? more : cap;
        }
        if (r == 0 && count < cap)
            list[count++] = (struct kept_note){ .size = size };
    }
    closedir(d);
    if (r < 0) {
        free(list);
        return err_nomem(err);
    }
    if (count)
        qsort(list, count, sizeof *list, by_size);
    *ret = list;
    *ret_n = count;
    return 0;
}

int audit_notes_witnessed(struct audit_notes *n, const char *vkey, uint64_t *ret_size,
                          struct err *err)
{
    struct kept_note *list;
    struct vkey v;
    size_t count;

    if (witness_key(vkey, &v, err) < 0 || list_notes(n, &list, &count, err) < 0)
        return err_code(err);
    *ret_size = 0;
    for (size_t i = count; i-- > 0 && *ret_size == 0;) {
        AUTO_BUF text = BUF_INIT;
        struct note note;

        if (read_note(n, list[i].size, &text, &note, NULL) == 0 && has_line_of(&note, &v))
            *ret_size = list[i].size;
    }
    free(list);
    return 0;
}

int audit_notes_newest(struct audit_notes *n, struct buf *out, struct err *err)
{
    struct kept_note *list;
    size_t count;
    int r = list_notes(n, &list, &count, err);

    if (r == 0)
        r = count ? audit_notes_read(n, list[count - 1].size, out, err)
                  : err_set(err, -ENOENT, "no checkpoint was kept yet");
    free(list);
    return r;
}

/* ---- thinning ---- */

/* The time for which one is enough at this age; 0 = all stay. */
static uint64_t slot_width(uint64_t age_us)
{
    static const struct {
        uint64_t age_us, width_us;
    } table[] = { { HOUR_US, 0 }, { DAY_US, 10 * MINUTE_US }, { 7 * DAY_US, HOUR_US } };

    for (size_t i = 0; i < ARRAY_SIZE(table); i++)
        if (age_us < table[i].age_us)
            return table[i].width_us;
    return DAY_US;
}

void kept_notes_choose(struct kept_note *notes, size_t n, uint64_t now_us)
{
    struct kept_note *best = NULL; /* of the slot in work */
    uint64_t slot = 0, width = 0;

    for (size_t i = n; i-- > 0;) {
        struct kept_note *k = &notes[i];
        uint64_t w = slot_width(now_us > k->time_us ? now_us - k->time_us : 0);

        k->drop = false;
        if (w == 0 || i + 1 == n) /* the newest stays, however old */
            continue;
        if (!best || w != width || k->time_us / w != slot) {
            best = k;
            width = w;
            slot = k->time_us / w;
        } else if (k->outside && !best->outside) {
            best->drop = true;
            best = k;
        } else {
            k->drop = true;
        }
    }
}

/* A line of somebody else's, or a time stamp. */
static bool is_outside(struct audit_notes *n, uint64_t size)
{
    AUTO_BUF text = BUF_INIT;
    struct note note;
    struct checkpoint c;
    struct stat st;
    char path[NAME_SIZE];

    note_path(path, size, ".tsr");
    if (fstatat(n->dir, path, &st, AT_SYMLINK_NOFOLLOW) == 0)
        return true;
    if (read_note(n, size, &text, &note, NULL) < 0 || checkpoint_parse(note.text, &c) < 0)
        return true; /* what cannot be read is not for us to remove */
    for (size_t i = 0; i < note.nsignatures; i++)
        if (!slice_eq(note.signatures[i].name, c.origin))
            return true;
    return false;
}

static void look_at(struct audit_notes *n, struct kept_note *k, uint64_t now_us)
{
    struct stat st;
    char path[NAME_SIZE];

    note_path(path, k->size, "");
    k->time_us = now_us;
    if (fstatat(n->dir, path, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_mtim.tv_sec > 0)
        k->time_us = (uint64_t)st.st_mtim.tv_sec * USEC_PER_SEC;
    k->outside = is_outside(n, k->size);
}

int audit_notes_thin(struct audit_notes *n, uint64_t now_us, struct err *err)
{
    struct kept_note *list;
    size_t count;

    if (list_notes(n, &list, &count, err) < 0)
        return err_code(err);
    for (size_t i = 0; i < count; i++)
        look_at(n, &list[i], now_us);
    kept_notes_choose(list, count, now_us);
    for (size_t i = 0; i < count; i++) {
        char path[NAME_SIZE];

        if (!list[i].drop)
            continue;
        note_path(path, list[i].size, "");
        (void)unlinkat(n->dir, path, 0);
        note_path(path, list[i].size, ".tsr");
        (void)unlinkat(n->dir, path, 0);
    }
    free(list);
    return 0;
}
