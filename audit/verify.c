/*
 * Verification: needs the trail folder and the anchors, no secret. Order and
 * codes as docs/trail.md says. May run while the daemon writes: what is behind
 * the checkpoint read first is not judged.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "audit/audit-private.h"
#include "base/file.h"
#include "base/num.h"

#define FINDINGS_MAX 100
#define STALE_US (UINT64_C(3600) * USEC_PER_SEC)

/* A root that some note promises for a size. */
struct promise {
    uint64_t size;
    struct hash root;
    const char *code; /* when it is broken */
    char name[64];
    bool met;
};

struct epoch {
    struct vkey key;
    uint64_t size; /* of its proof: from here on it signs */
};

struct verify {
    const struct audit_verify_options *o;
    struct audit_report *report;
    int dir;
    struct note note;
    struct checkpoint checkpoint;
    struct buf note_text;
    struct vkey identity;
    bool have_identity;
    struct epoch *epochs;
    size_t nepochs, epochs_cap;
    struct promise *promises;
    size_t npromises, promises_cap;
    struct edge *edge;
    struct hash tile[TILE_WIDTH]; /* level-0 tile on disk that covers the current entry */
    uint64_t tile_n;
    unsigned tile_width;
    uint64_t last_us, done_bytes, total_bytes;
    unsigned key_epochs;
    bool stop; /* the first bad line ends the walk: all roots behind it are wrong anyway */
    int failed;
};

static void finding(struct verify *v, const char *code, bool warning, uint64_t index,
                    const char *fmt, ...) PRINTF_LIKE(5, 6);

static void finding(struct verify *v, const char *code, bool warning, uint64_t index,
                    const char *fmt, ...)
{
    struct audit_report *r = v->report;
    struct audit_finding *f;
    va_list args;

    r->good = r->good && warning;
    if (r->nfindings >= FINDINGS_MAX)
        return;
    if (!r->findings)
        r->findings = calloc(FINDINGS_MAX, sizeof *r->findings);
    if (!r->findings) {
        v->failed = -ENOMEM;
        return;
    }
    f = &r->findings[r->nfindings++];
    f->code = code;
    f->warning = warning;
    f->index = index;
    va_start(args, fmt);
    vsnprintf(f->text, sizeof f->text, fmt, args);
    va_end(args);
}

static bool promise(struct verify *v, uint64_t size, const struct hash *root, const char *code,
                    const char *name)
{
    struct promise *p;

    if (v->npromises == v->promises_cap) {
        size_t cap = v->promises_cap ? v->promises_cap * 2 : 32;

        p = realloc(v->promises, cap * sizeof *p);
        if (!p) {
            v->failed = -ENOMEM;
            return false;
        }
        v->promises = p;
        v->promises_cap = cap;
    }
    p = &v->promises[v->npromises++];
    *p = (struct promise){ .size = size, .root = *root, .code = code };
    snprintf(p->name, sizeof p->name, "%s", name);
    return true;
}

/* ---- checkpoint, anchors, epochs ---- */

static bool read_checkpoint(struct verify *v, struct err *err)
{
    int r = file_read(v->dir, "checkpoint", 1 << 20, &v->note_text, err);

    if (r == -ENOENT)
        finding(v, "MISSING", false, UINT64_MAX, "the trail has no checkpoint");
    else if (r < 0)
        v->failed = r;
    else if (note_parse(buf_view(&v->note_text), &v->note) < 0 ||
             checkpoint_parse(v->note.text, &v->checkpoint) < 0)
        finding(v, "CHECKPOINT_FORMAT", false, UINT64_MAX,
                "the checkpoint is no signed checkpoint");
    else
        return true;
    return false;
}

static int first_line(void *ctx, uint64_t index UNUSED, struct slice line)
{
    buf_slice(ctx, line);
    return 1;
}

static bool take_anchor(struct verify *v)
{
    AUTO_BUF line = BUF_INIT;
    struct slice text;

    if (v->o->identity_vkey) {
        if (vkey_parse(slice_str(v->o->identity_vkey), &v->identity) < 0) {
            finding(v, "SIG_UNKNOWN", false, UINT64_MAX, "the given identity key is no vkey");
            return false;
        }
    } else {
        (void)audit_each(v->o->folder, 0, first_line, &line, NULL);
        text = line_member(buf_view(&line), "vkey");
        if (vkey_parse(text, &v->identity) < 0) {
            finding(v, "FORMAT", false, 0, "entry 0 names no identity key");
            return false;
        }
        finding(v, "NO_ANCHOR", true, UINT64_MAX,
                "no identity key was given: the trail's own word is taken");
    }
    return true;
}

static bool add_epoch(struct verify *v, const struct vkey *key, uint64_t size)
{
    struct epoch *e;

    if (v->nepochs == v->epochs_cap) {
        size_t cap = v->epochs_cap ? v->epochs_cap * 2 : 16;

        e = realloc(v->epochs, cap * sizeof *e);
        if (!e) {
            v->failed = -ENOMEM;
            return false;
        }
        v->epochs = e;
        v->epochs_cap = cap;
    }
    v->epochs[v->nepochs++] = (struct epoch){ *key, size };
    return true;
}

/* Proof n: the entry that announced key n, in a note signed by identity, key n - 1 and key n. */
static bool check_epoch(struct verify *v, unsigned n, struct slice text)
{
    AUTO_BUF leaf = BUF_INIT;
    struct proof p = { .n = 0 };
    struct vkey key;

    if (proof_parse(text, &leaf, &p) < 0 ||
        vkey_parse(line_member(p.leaf, "epoch_vkey"), &key) < 0) {
        finding(v, "EPOCH_CHAIN", false, UINT64_MAX, "epochs/%06u.tlog-proof cannot be read", n);
        return false;
    }
    if (!proof_holds(&p) || p.checkpoint.size != p.index + 1) {
        finding(v, "EPOCH_CHAIN", false, p.index, "the proof of epoch key %u does not hold", n);
        return false;
    }
    if (note_check(&p.note, &v->identity) != NOTE_GOOD || note_check(&p.note, &key) != NOTE_GOOD ||
        (n && note_check(&p.note, &v->epochs[n - 1].key) != NOTE_GOOD)) {
        finding(v, "EPOCH_KEY", false, p.index,
                "epoch key %u was not signed in by the key before it", n);
        return false;
    }
    return promise(v, p.checkpoint.size, &p.checkpoint.root, "EPOCH_CHAIN", "an epoch's note") &&
           add_epoch(v, &key, p.checkpoint.size);
}

static bool check_epochs(struct verify *v)
{
    struct vkey anchor;

    for (unsigned n = 0;; n++) {
        AUTO_BUF text = BUF_INIT;
        char path[48];

        snprintf(path, sizeof path, "epochs/%06u.tlog-proof", n);
        if (file_read(v->dir, path, 1 << 20, &text, NULL) < 0)
            break;
        if (!check_epoch(v, n, buf_view(&text)))
            return false;
    }
    if (v->nepochs == 0) {
        finding(v, "EPOCH_GAP", false, UINT64_MAX, "no epoch key is proved");
        return false;
    }
    if (!v->o->epoch_vkey) {
        finding(v, "NO_EPOCH_ANCHOR", true, UINT64_MAX, "no first epoch key was given");
    } else if (vkey_parse(slice_str(v->o->epoch_vkey), &anchor) < 0 ||
               memcmp(anchor.key, v->epochs[0].key.key, sizeof anchor.key) != 0) {
        finding(v, "EPOCH_KEY", false, 0, "the first epoch key is not the one given");
        return false;
    }
    v->report->epochs = (unsigned)v->nepochs;
    return true;
}

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
        finding(v, "ORIGIN", false, UINT64_MAX, "%s is of another trail", name);
        return false;
    }
    if (by_identity == NOTE_GOOD && by_epoch == NOTE_GOOD)
        return true;
    finding(v, by_identity == NOTE_BAD || by_epoch == NOTE_BAD ? "SIG_BAD" : "SIG_UNKNOWN", false,
            UINT64_MAX, "%s is not signed by the %s key", name,
            by_identity == NOTE_GOOD ? "epoch" : "identity");
    return false;
}

/* A note kept inside or elsewhere: a larger size is a rollback of ours, another root a fork. */
static void check_kept(struct verify *v, const char *path, int dir, bool against)
{
    AUTO_BUF text = BUF_INIT;
    struct note n;
    struct checkpoint c;
    const char *slash = strrchr(path, '/');

    if (file_read(dir, path, 1 << 20, &text, NULL) < 0 || note_parse(buf_view(&text), &n) < 0 ||
        checkpoint_parse(n.text, &c) < 0) {
        finding(v, "CHECKPOINT_FORMAT", false, UINT64_MAX, "the note '%.80s' cannot be read", path);
        return;
    }
    if (!check_signatures(v, &n, &c, path))
        return;
    v->report->notes++;
    if (c.size > v->checkpoint.size)
        finding(v, "ROLLBACK", false, UINT64_MAX,
                "the note '%.60s' is of %llu entries, the trail has %llu", path,
                (unsigned long long)c.size, (unsigned long long)v->checkpoint.size);
    else
        promise(v, c.size, &c.root, "FORK", slash ? slash + 1 : path);
    (void)against;
}

static void check_notes(struct verify *v)
{
    int fd = openat(v->dir, "checkpoints", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *e;

    if (!d && fd >= 0)
        close(fd);
    while (d && (e = readdir(d))) {
        AUTO_BUF path = BUF_INIT;

        if (strlen(e->d_name) != 20)
            continue;
        buf_printf(&path, "checkpoints/%s", e->d_name);
        if (buf_ok(&path))
            check_kept(v, path.p, v->dir, false);
    }
    if (d)
        closedir(d);
    for (size_t i = 0; i < v->o->nagainst; i++)
        check_kept(v, v->o->against[i], -1, true);
}

/* ---- lines against tiles ---- */

/* The level-0 tile that covers entry i: full, or the partial one of the checkpoint's size. */
static bool load_tile(struct verify *v, uint64_t n)
{
    uint64_t size = v->checkpoint.size;
    unsigned width = n < size / TILE_WIDTH ? TILE_WIDTH : (unsigned)(size % TILE_WIDTH);
    int r;

    if (v->tile_width && v->tile_n == n)
        return true;
    r = tile_read(v->dir, 0, n, width, v->tile);
    if (r < 0) { /* the daemon may have gone on: a wider one has it as its prefix */
        for (unsigned w = width + 1; r < 0 && w <= TILE_WIDTH; w++)
            r = tile_read(v->dir, 0, n, w, v->tile);
    }
    if (r < 0) {
        finding(v, r == -EBADMSG ? "TILE_SIZE" : "MISSING", false, n * TILE_WIDTH,
                "tile 0/%llu cannot be read", (unsigned long long)n);
        return false;
    }
    v->tile_n = n;
    v->tile_width = width;
    return true;
}

static bool tile_has(const struct verify *v, const struct hash *h, size_t from)
{
    for (size_t i = from; i < v->tile_width; i++)
        if (memcmp(&v->tile[i], h, sizeof *h) == 0)
            return true;
    return false;
}

/* Which kind of change it was: the tiles still say what stood there. */
static void name_change(struct verify *v, uint64_t index, const struct hash *leaf)
{
    size_t at = (size_t)(index % TILE_WIDTH);
    const char *code = tile_has(v, leaf, at + 1) ? "DELETED"
                       : tile_has(v, leaf, 0)    ? "REORDERED"
                                                 : "EDITED";

    finding(v, code, false, index, "entry %llu is not what was signed", (unsigned long long)index);
    v->stop = true;
}

static void check_promises(struct verify *v)
{
    struct hash root;
    bool have = false;

    for (size_t i = 0; i < v->npromises; i++) {
        struct promise *p = &v->promises[i];

        if (p->size != v->edge->size || p->met)
            continue;
        if (!have)
            root = edge_root(v->edge);
        have = true;
        p->met = true;
        if (memcmp(&root, &p->root, sizeof root) != 0)
            finding(v, p->code, false, p->size - 1, "the log does not fit %s (%llu entries)",
                    p->name, (unsigned long long)p->size);
    }
}

static int on_full_tile(void *ctx, unsigned level, uint64_t n, const struct hash *hashes)
{
    struct verify *v = ctx;
    struct hash disk[TILE_WIDTH];
    int r;

    if (level == 0)
        return 0; /* compared line by line */
    r = tile_read(v->dir, level, n, TILE_WIDTH, disk);
    if (r < 0)
        finding(v, r == -EBADMSG ? "TILE_SIZE" : "MISSING", false, UINT64_MAX,
                "tile %u/%llu cannot be read", level, (unsigned long long)n);
    else if (memcmp(disk, hashes, sizeof disk) != 0)
        finding(v, "TILE_BAD", false, UINT64_MAX, "tile %u/%llu does not fit the lines", level,
                (unsigned long long)n);
    return 0;
}

static int on_verify_line(void *ctx, uint64_t index, struct slice line)
{
    struct verify *v = ctx;
    char text[160];
    const char *code;
    struct hash leaf;
    unsigned pii = 0;

    v->done_bytes += line.n + 1;
    v->report->entries = index + 1;
    if (index >= v->checkpoint.size) {
        v->report->entries = v->checkpoint.size;
        return 2;
    }
    if (!load_tile(v, index / TILE_WIDTH))
        return 1;
    leaf = leaf_of_line(line);
    if (memcmp(&leaf, &v->tile[index % TILE_WIDTH], sizeof leaf) != 0) {
        name_change(v, index, &leaf);
        return 1;
    }
    code = line_check(line, index, &v->last_us, text, sizeof text, &pii);
    if (code)
        finding(v, code, false, index, "entry %llu: %s", (unsigned long long)index, text);
    v->report->pii_checked += pii;
    v->report->pii_erased += pii == 0 && slice_find(line, SLICE(",\"sd\":{")) != SIZE_MAX;
    v->key_epochs += slice_find(slice_take(line, 100), SLICE("\"type\":\"key.epoch\"")) != SIZE_MAX;
    if (index == 0)
        v->report->first_us = v->last_us;
    v->report->last_us = v->last_us;
    if (edge_add(v->edge, &leaf, on_full_tile, v) < 0)
        return v->failed = -ENOMEM;
    check_promises(v);
    if (v->o->progress && index % 1024 == 0)
        v->o->progress(v->o->ctx, v->done_bytes, v->total_bytes);
    return 0;
}

static void total_bytes(struct verify *v, const uint64_t *first, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        AUTO_BUF name = BUF_INIT;
        struct stat st;

        segment_name(&name, first[i]);
        if (buf_ok(&name) && fstatat(v->dir, name.p, &st, 0) == 0)
            v->total_bytes += (uint64_t)st.st_size;
    }
}

static void walk_segment(struct verify *v, const uint64_t *first, size_t n, size_t i,
                         struct err *err)
{
    struct segment_end end;
    int r = segment_each(v->dir, first[i], on_verify_line, v, &end, err);

    if (r < 0) {
        v->failed = r;
        return;
    }
    if (r == 1)
        v->stop = true;
    else if (r == 0 && i + 1 < n && end.next != first[i + 1]) {
        finding(v, end.next < first[i + 1] ? "DELETED" : "INSERTED", false, end.next,
                "the segment of entry %llu has %llu lines, not %llu", (unsigned long long)first[i],
                (unsigned long long)(end.next - first[i]),
                (unsigned long long)(first[i + 1] - first[i]));
        v->stop = true;
    } else if (r == 0 && end.torn) {
        finding(v, "TORN_TAIL", true, end.next, "the last line has no end");
    }
}

static void check_lines(struct verify *v, struct err *err)
{
    uint64_t *first = NULL;
    size_t n = 0;

    v->failed = segments_list(v->dir, &first, &n, err);
    if (v->failed == 0 && (n == 0 || first[0] != 0))
        finding(v, "DELETED", false, 0, "the log does not begin with entry 0");
    else
        total_bytes(v, first, n);
    for (size_t i = 0; i < n && !v->failed && !v->stop && v->report->good; i++)
        if (first[i] < v->checkpoint.size)
            walk_segment(v, first, n, i, err);
    free(first);
    if (v->failed || v->stop)
        return;
    if (v->edge->size < v->checkpoint.size)
        finding(v, "TRUNCATED", false, v->edge->size, "the log ends at %llu, signed were %llu",
                (unsigned long long)v->edge->size, (unsigned long long)v->checkpoint.size);
}

static void check_partial_tiles(struct verify *v)
{
    for (unsigned level = 1; level < LEVELS_MAX; level++) {
        unsigned width = (unsigned)edge_width(v->edge, level);
        struct hash disk[TILE_WIDTH];
        uint64_t n = (v->edge->size >> (level * 8)) / TILE_WIDTH;
        int r = -ENOENT;

        if (width == 0)
            continue;
        for (unsigned w = width; r < 0 && w <= TILE_WIDTH; w++)
            r = tile_read(v->dir, level, n, w, disk);
        if (r < 0)
            finding(v, "MISSING", false, UINT64_MAX, "tile %u/%llu cannot be read", level,
                    (unsigned long long)n);
        else if (memcmp(disk, v->edge->tile[level], width * sizeof *disk) != 0)
            finding(v, "TILE_BAD", false, UINT64_MAX, "tile %u/%llu does not fit the lines", level,
                    (unsigned long long)n);
    }
}

static void check_rest(struct verify *v)
{
    check_partial_tiles(v);
    if (v->key_epochs + 1 != v->nepochs)
        finding(v, "EPOCH_GAP", false, UINT64_MAX, "%u epoch entries, but %zu epoch proofs",
                v->key_epochs, v->nepochs - 1);
    for (size_t i = 0; i < v->npromises; i++)
        if (!v->promises[i].met && v->promises[i].size > 0)
            finding(v, "LINE_COUNT", false, v->promises[i].size, "no root could be made for %s",
                    v->promises[i].name);
    if (v->o->now_us && v->report->last_us + STALE_US < v->o->now_us)
        finding(v, "STALE", true, UINT64_MAX, "the newest entry is older than an hour");
}

static void verify_all(struct verify *v, struct err *err)
{
    v->report->good = true;
    if (!read_checkpoint(v, err) || !take_anchor(v) || !check_epochs(v) ||
        !check_signatures(v, &v->note, &v->checkpoint, "the checkpoint"))
        return;
    v->report->signed_size = v->checkpoint.size;
    memcpy(v->report->root, v->checkpoint.root.b, HASH_SIZE);
    if (!promise(v, v->checkpoint.size, &v->checkpoint.root, "ROOT_MISMATCH", "the checkpoint"))
        return;
    check_notes(v);
    check_lines(v, err);
    if (!v->failed && !v->stop && v->report->good)
        check_rest(v);
}

int audit_verify(const struct audit_verify_options *o, struct audit_report *ret_report,
                 struct err *err)
{
    struct verify v = { .o = o, .report = ret_report };

    *ret_report = (struct audit_report){ 0 };
    v.dir = open(o->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (v.dir < 0)
        return err_set(err, -errno, "cannot open trail '%s': %s", o->folder, err_name(errno));
    v.edge = calloc(1, sizeof *v.edge);
    if (v.edge)
        verify_all(&v, err);
    else
        v.failed = err_nomem(err);
    free(v.edge);
    free(v.promises);
    free(v.epochs);
    buf_fini(&v.note_text);
    close(v.dir);
    return v.failed;
}

void audit_report_fini(struct audit_report *r)
{
    free(r->findings);
    r->findings = NULL;
}
