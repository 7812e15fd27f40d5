/*
 * What is signed: the checkpoint, the chain of epoch keys, notes that were kept.
 *
 * The daemon may sign meanwhile. Epochs and kept notes are looked up before the checkpoint is read,
 * so all of them must be of trees that it contains; epochs once more behind it, because it may be
 * signed by a key that is newer than the first look.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "audit/anchor.h"
#include "audit/verify-private.h"
#include "base/file.h"
#include "base/num.h"

#define NOTE_BYTES (1 << 20)
#define HEARTBEAT_S 300

/* ---- anchors ---- */

static bool take_identity(struct verify *v, struct slice genesis)
{
    if (v->o->identity_vkey) {
        if (vkey_parse(slice_str(v->o->identity_vkey), &v->identity) == 0)
            return true;
        verify_fault(v, "SIG_UNKNOWN", NO_ENTRY, "the given identity key is no vkey");
        return false;
    }
    if (vkey_parse(line_member(genesis, "vkey"), &v->identity) < 0) {
        verify_fault(v, "EPOCH_CHAIN", 0, "entry 0 names no identity key");
        return false;
    }
    verify_warning(v, "NO_ANCHOR", NO_ENTRY,
                   "no identity key was given: the trail's own word is taken");
    return true;
}

static bool take_first_epoch(struct verify *v, const struct vkey *first)
{
    struct vkey anchor;

    if (!v->o->epoch_vkey) {
        verify_warning(v, "NO_EPOCH_ANCHOR", NO_ENTRY, "no first epoch key was given");
        return true;
    }
    if (vkey_parse(slice_str(v->o->epoch_vkey), &anchor) == 0 &&
        memcmp(anchor.key, first->key, sizeof anchor.key) == 0)
        return true;
    verify_fault(v, "EPOCH_KEY", 0, "the first epoch key is not the one given");
    return false;
}

/* Entry 0 is in the first proof also when the log was pruned. */
static bool take_genesis(struct verify *v, struct slice leaf, const struct vkey *key)
{
    uint64_t seconds;

    if (parse_u64(line_member(leaf, "heartbeat_s"), 1, UINT32_MAX, &seconds) < 0)
        seconds = HEARTBEAT_S;
    v->heartbeat_us = seconds * USEC_PER_SEC;
    return take_identity(v, leaf) && take_first_epoch(v, key);
}

/* ---- epochs ---- */

/* The leaf is the entry that announces key n, not text of an event that looks like one. */
static bool announces(const struct proof *p, unsigned n, struct vkey *ret)
{
    struct slice head = slice_take(p->leaf, 120);
    uint64_t epoch;

    return line_index(p->leaf) == p->index && (n > 0) == (p->index > 0) &&
           slice_find(head, n ? SLICE("Z\",\"type\":\"key.epoch\",")
                              : SLICE("Z\",\"type\":\"trail.genesis\",")) != SIZE_MAX &&
           parse_u64(line_member(p->leaf, "epoch"), 0, UINT32_MAX, &epoch) == 0 && epoch == n &&
           vkey_parse(line_member(p->leaf, "epoch_vkey"), ret) == 0;
}

/* Proof n: the entry that announced key n, in a note signed by identity, key n - 1 and key n. */
static bool check_epoch(struct verify *v, unsigned n, struct slice text)
{
    AUTO_BUF leaf = BUF_INIT;
    UNINITIALIZED struct proof p;
    struct vkey key;
    struct epoch *e;
    char name[32];

    if (proof_parse(text, &leaf, &p) < 0 || !announces(&p, n, &key)) {
        verify_fault(v, "EPOCH_CHAIN", NO_ENTRY,
                     "epochs/%06u.tlog-proof is no proof of epoch key %u", n, n);
        return false;
    }
    if (!proof_holds(&p) || p.checkpoint.size != p.index + 1 ||
        (n && p.checkpoint.size <= v->epochs[n - 1].size)) {
        verify_fault(v, "EPOCH_CHAIN", p.index, "the proof of epoch key %u does not hold", n);
        return false;
    }
    if (n == 0 && !take_genesis(v, p.leaf, &key))
        return false;
    if (!slice_is(p.checkpoint.origin, v->identity.name)) {
        verify_fault(v, "ORIGIN", p.index, "the proof of epoch key %u is of another trail", n);
        return false;
    }
    if (note_check(&p.note, &v->identity) != NOTE_GOOD || note_check(&p.note, &key) != NOTE_GOOD ||
        (n && note_check(&p.note, &v->epochs[n - 1].key) != NOTE_GOOD)) {
        verify_fault(v, "EPOCH_KEY", p.index, "epoch key %u was not signed in by the key before it",
                     n);
        return false;
    }
    e = verify_grown(v, v->epochs, v->nepochs, &v->epochs_cap, sizeof *e);
    if (!e)
        return false;
    v->epochs = e;
    v->epochs[v->nepochs++] = (struct epoch){ key, p.checkpoint.size };
    snprintf(name, sizeof name, "the note of epoch %u", n);
    return verify_promise(v, p.checkpoint.size, &p.checkpoint.root, "EPOCH_CHAIN", name);
}

/* 1 = read, 0 = there is none, negative: it cannot be read. */
static int read_epoch(struct verify *v, unsigned n, struct buf *out)
{
    char path[48];
    int r;

    snprintf(path, sizeof path, "epochs/%06u.tlog-proof", n);
    r = file_read(v->dir, path, NOTE_BYTES, out, NULL);
    return r == -ENOENT ? 0 : r < 0 ? r : 1;
}

/* How many epoch proofs the folder holds at least: the largest number, and one. */
static unsigned count_epochs(struct verify *v)
{
    int fd = openat(v->dir, "epochs", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *e;
    uint64_t n, most = 0;

    if (!d && fd >= 0)
        close(fd);
    while (d && (e = readdir(d)))
        if (strlen(e->d_name) == 17 && strcmp(e->d_name + 6, ".tlog-proof") == 0 &&
            parse_u64(slice_of(e->d_name, 6), 0, 999999, &n) == 0 && n >= most)
            most = n + 1;
    if (d)
        closedir(d);
    return (unsigned)most;
}

static bool read_epochs(struct verify *v)
{
    unsigned n = count_epochs(v);

    while (v->nepochs < n) {
        AUTO_BUF text = BUF_INIT;
        unsigned next = (unsigned)v->nepochs;
        int r = read_epoch(v, next, &text);

        if (verify_cannot(v, r)) {
            v->failed = r;
            return false;
        }
        if (r <= 0) {
            verify_fault(v, "EPOCH_GAP", NO_ENTRY, "the proof of epoch key %u is missing", next);
            return false;
        }
        if (!check_epoch(v, next, buf_view(&text)))
            return false;
    }
    if (v->nepochs == 0)
        verify_fault(v, "EPOCH_GAP", NO_ENTRY, "no epoch key is proved");
    return v->nepochs > 0 && !v->failed;
}

bool verify_epoch_now(struct verify *v, unsigned n)
{
    AUTO_BUF text = BUF_INIT;

    return read_epoch(v, n, &text) == 1 && check_epoch(v, n, buf_view(&text));
}

/* Those that came behind the first look may be of trees that the checkpoint does not have yet. */
static bool judge_epochs(struct verify *v, size_t known)
{
    while (v->nepochs > known && v->epochs[v->nepochs - 1].size > v->checkpoint.size) {
        v->nepochs--;
        v->npromises--; /* added last, with its epoch */
    }
    v->report->epochs = (unsigned)v->nepochs;
    if (v->epochs[v->nepochs - 1].size <= v->checkpoint.size)
        return true;
    verify_fault(v, "ROLLBACK", NO_ENTRY,
                 "epoch %zu begins at %llu entries, the checkpoint has %llu", v->nepochs - 1,
                 (unsigned long long)v->epochs[v->nepochs - 1].size,
                 (unsigned long long)v->checkpoint.size);
    return false;
}

/* ---- signatures ---- */

/* Signed by the identity key and the key of the epoch that the size belongs to. */
static bool check_signatures(struct verify *v, const struct note *n, const struct checkpoint *c,
                             const char *name)
{
    const struct epoch *e = &v->epochs[0];
    enum note_verdict by_identity = note_check(n, &v->identity), by_epoch;

    for (size_t i = 0; i < v->nepochs; i++)
        if (v->epochs[i].size <= c->size)
            e = &v->epochs[i];
    by_epoch = note_check(n, &e->key);
    if (!slice_is(c->origin, v->identity.name)) {
        verify_fault(v, "ORIGIN", NO_ENTRY, "%s is of another trail", name);
        return false;
    }
    if (by_identity == NOTE_GOOD && by_epoch == NOTE_GOOD)
        return true;
    verify_fault(v,
                 by_identity == NOTE_BAD || by_epoch == NOTE_BAD ? "SIG_BAD"
                 : by_identity == NOTE_GOOD                      ? "EPOCH_KEY"
                                                                 : "SIG_UNKNOWN",
                 NO_ENTRY, "%s is not signed by the %s key", name,
                 by_identity == NOTE_GOOD ? "epoch's" : "identity");
    return false;
}

static bool parse(struct slice text, struct note *n, struct checkpoint *c)
{
    return note_parse(text, n) == 0 && checkpoint_parse(n->text, c) == 0;
}

static bool read_checkpoint(struct verify *v, struct err *err)
{
    int r = file_read(v->dir, "checkpoint", NOTE_BYTES, &v->note_text, err);

    if (verify_cannot(v, r))
        v->failed = r;
    else if (r < 0)
        verify_fault(v, r == -ENOENT ? "MISSING" : "CHECKPOINT_FORMAT", NO_ENTRY,
                     r == -ENOENT ? "the trail has no checkpoint"
                                  : "the checkpoint cannot be read");
    else if (!parse(buf_view(&v->note_text), &v->note, &v->checkpoint))
        verify_fault(v, "CHECKPOINT_FORMAT", NO_ENTRY, "the checkpoint is no signed checkpoint");
    else
        return true;
    return false;
}

/* ---- notes that were kept ---- */

/* A larger size than ours is a rollback of ours, another root a second history. */
static bool check_kept(struct verify *v, const char *path, struct slice text, uint64_t *ret_size)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    struct note n;
    struct checkpoint c;

    if (!parse(text, &n, &c)) {
        verify_fault(v, "CHECKPOINT_FORMAT", NO_ENTRY, "the note '%.80s' cannot be read", name);
        return false;
    }
    if (c.size > v->checkpoint.size && slice_is(c.origin, v->identity.name) &&
        note_check(&n, &v->identity) ==
            NOTE_GOOD) { /* by an epoch's key that is lost, too, maybe */
        verify_fault(v, "ROLLBACK", NO_ENTRY,
                     "the note '%.60s' is of %llu entries, the trail has %llu", name,
                     (unsigned long long)c.size, (unsigned long long)v->checkpoint.size);
        return false;
    }
    if (!check_signatures(v, &n, &c, name))
        return false;
    v->report->notes++;
    *ret_size = c.size;
    return verify_promise(v, c.size, &c.root, "FORK", name);
}

/* "checkpoints/<size>" of all, each with its NUL. */
static void list_kept(struct verify *v, struct buf *out)
{
    int fd = openat(v->dir, "checkpoints", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *e;
    uint64_t size;

    if (!d && fd >= 0)
        close(fd);
    while (d && (e = readdir(d)))
        if (strlen(e->d_name) == 20 && parse_u64(slice_str(e->d_name), 0, UINT64_MAX, &size) == 0)
            buf_printf(out, "checkpoints/%s%c", e->d_name, 0);
    if (d)
        closedir(d);
    if (!buf_ok(out))
        v->failed = -ENOMEM;
}

static void check_all_kept(struct verify *v, const struct buf *names)
{
    for (size_t at = 0; at < names->n && !v->failed; at += strlen(names->p + at) + 1) {
        AUTO_BUF text = BUF_INIT;
        uint64_t size;
        int r = file_read(v->dir, names->p + at, NOTE_BYTES, &text, NULL);

        if (verify_cannot(v, r))
            v->failed = r;
        else if (r != -ENOENT) /* it was there a moment ago: thinned out */
            (void)check_kept(v, names->p + at, buf_view(&text), &size);
    }
}

/* Notes in a mail as it was saved, in alert documents, between other lines. *ret_size: the last. */
static bool check_wrapped(struct verify *v, const char *path, struct slice text, uint64_t *ret_size)
{
    AUTO_BUF plain = BUF_INIT;
    struct slice rest, note;
    bool any = false, good = true;

    if (audit_notes_unwrap(text, &plain) < 0) {
        v->failed = -ENOMEM;
        return false;
    }
    rest = buf_view(&plain);
    while (audit_notes_next(&rest, &note)) {
        any = true;
        good = check_kept(v, path, note, ret_size) && good;
    }
    return any ? good : check_kept(v, path, text, ret_size); /* says that it is none */
}

/* A note from elsewhere must be there: not to see it is no answer. */
static bool check_given(struct verify *v, const char *path, uint64_t *ret_size, struct err *err)
{
    AUTO_BUF text = BUF_INIT;
    int r = file_read(AT_FDCWD, path, NOTE_BYTES, &text, err);
    struct note n;
    struct checkpoint c;

    if (r < 0)
        v->failed = r;
    if (r < 0 || parse(buf_view(&text), &n, &c))
        return r >= 0 && check_kept(v, path, buf_view(&text), ret_size);
    return check_wrapped(v, path, buf_view(&text), ret_size);
}

bool verify_keys(struct verify *v, struct err *err)
{
    AUTO_BUF kept = BUF_INIT;
    uint64_t size;
    size_t known;

    list_kept(v, &kept);
    if (v->failed || !read_epochs(v))
        return false;
    known = v->nepochs;
    if (!read_checkpoint(v, err) || !read_epochs(v) || !judge_epochs(v, known) ||
        !check_signatures(v, &v->note, &v->checkpoint, "the checkpoint") ||
        !verify_promise(v, v->checkpoint.size, &v->checkpoint.root, "ROOT_MISMATCH",
                        "the checkpoint"))
        return false;
    check_all_kept(v, &kept);
    for (size_t i = 0; i < v->o->nagainst && !v->failed; i++)
        (void)check_given(v, v->o->against[i], &size, err);
    if (v->o->since.note && !v->failed && check_given(v, v->o->since.note, &size, err))
        v->since = size;
    return !v->failed;
}
