/*
 * Compressed copies: what becomes of rotated files.
 *
 * A stream whose file is gone may stand in a compressed one: it goes on there,
 * at its offset. A compressed file may also be a generation that came and went
 * while we were away: then it is read from its beginning. And it may be what we
 * have read already, or are reading from the file that it is made of: then it
 * must not be read. So it is judged by what it holds, never by its name:
 *
 *   it begins like the plain file beside it  it is being made: left alone
 *   it begins like a stream that still has   it is a copy: left alone, until
 *   its file                                 that stream has lost its file
 *   it begins like a lost stream, and the    the stream goes on in it
 *   bytes before the offset are the same
 *   it begins like a lost stream and ends    a copy made before the last lines
 *   before the offset                        were written: all of it was read
 *   anything else, written since we know     a new generation
 *   the log
 *
 * Judging needs the content up to the offset. That may be gigabytes, so it is
 * done in pieces between the turns of the other streams, one file at a time,
 * the oldest first: memory holds one archive (128 MiB of window at worst). While
 * one waits that is older than a log's own file, that log waits too, so lines come
 * in their order. It does not wait for a copy of what was read to its end.
 */
#include <errno.h>

#include "base/json.h"
#include "base/table.h"
#include "logwatch/inputs/file-private.h"

#define TARGETS_MAX 16
#define SEEN_MAX 8192
#define CHUNK_BYTES 65536
#define CHUNKS_A_TURN 64

/* A stream that the file may hold. */
struct target {
    struct stream *stream;
    bool lives; /* it has a file of its own */
};

struct pack_job {
    char *path;
    struct stat st;
    int fd;
    struct zip *zip;
    struct err fault;
    bool over; /* the whole content was seen */
    char head[HEAD_MAX];
    size_t nhead;
    struct known_bytes tail; /* the last bytes before the position */
    struct target targets[TARGETS_MAX];
    size_t ntargets;
    struct stream *best; /* holds this content, and most of it */
    bool copy; /* of a stream that has its own file */
    bool urgent; /* there may be lines in it that were not read */
    bool wait; /* cannot be judged now */
};

static void job_free(struct pack_job *j)
{
    if (!j)
        return;
    zip_free(j->zip);
    if (j->fd >= 0)
        close(j->fd);
    free(j->path);
    free(j);
}

/* For AUTO(). */
static inline void pack_job_free(struct pack_job *j)
{
    job_free(j);
}
DEFINE_AUTO(pack_job)

/* ---- what was judged to be none of ours ---- */

struct seen_key {
    uint64_t dev, ino, size, mtime_ns;
};

static struct seen_key seen_key(const struct stat *st)
{
    return (struct seen_key){ st->st_dev, st->st_ino, (uint64_t)st->st_size, stat_mtime_ns(st) };
}

static bool was_seen(const struct file_input *f, const struct stat *st)
{
    struct seen_key k = seen_key(st);
    void *v = f->packs_seen ? table_get(f->packs_seen, slice_of((const char *)&k, sizeof k)) : NULL;

    return v == (void *)(uintptr_t)(f->losses + 1);
}

/* Until a stream is lost: it might be that stream's content. */
static void set_seen(struct file_input *f, const struct stat *st)
{
    struct seen_key k = seen_key(st);

    if (f->packs_seen && table_count(f->packs_seen) >= SEEN_MAX) {
        table_free(f->packs_seen);
        f->packs_seen = NULL;
    }
    if (!f->packs_seen)
        f->packs_seen = table_new(0);
    if (f->packs_seen)
        (void)!table_put(f->packs_seen, slice_of((const char *)&k, sizeof k),
                         (void *)(uintptr_t)(f->losses + 1));
}

static void tell_unreadable(struct file_input *f, const char *path, const char *text)
{
    AUTO_BUF members = BUF_INIT;
    struct json_writer w = json_writer(&members);

    json_member_str(&w, "error", text);
    file_notice(f, "source.unreadable", path, buf_view(&members));
}

/* ---- first sight: how it begins ---- */

static int job_open(struct scan *sc, const struct found *x, struct pack_job *j)
{
    ssize_t n = 1;

    j->fd = scan_open(sc, x, &j->st);
    if (j->fd < 0)
        return j->fd;
    j->path = strdup(x->path);
    if (!j->path || zip_new(j->fd, &j->zip, NULL) < 0)
        return -ENOMEM;
    while (j->nhead < HEAD_MAX && n > 0) {
        n = zip_read(j->zip, j->head + j->nhead, HEAD_MAX - j->nhead, &j->fault);
        j->nhead += n > 0 ? (size_t)n : 0;
    }
    j->wait = n == -EAGAIN; /* megabytes that hold nothing: no log */
    j->over = n <= 0;
    j->tail.held = true;
    mark_move(&j->tail, slice_of(j->head, j->nhead));
    return 0;
}

static bool begins_like_lost(struct stream *s, const struct pack_job *j)
{
    size_t n = j->nhead < s->head.n ? j->nhead : s->head.n;

    if (n == 0 || (!s->head.held && n < s->head.n))
        return false;
    return s->head.held ? memcmp(j->head, s->head.bytes, n) == 0 : known_is(&s->head, j->head);
}

/* The file behind a stream that has one, opened when it is not. */
static int own_file(const struct stream *s, int *ret_opened, struct stat *st)
{
    const char *text;
    int fd = s->fd;

    *ret_opened = -1;
    if (fd >= 0)
        return fstat(fd, st) == 0 ? fd : -1;
    fd = *ret_opened = file_open(s->where, st, &text);
    return fd >= 0 && st->st_dev == s->dev && st->st_ino == s->ino ? fd : -1;
}

/* A copy is not longer than its original, and has its first bytes, also those not read yet. */
static bool begins_like_living(struct stream *s, const struct pack_job *j)
{
    char bytes[HEAD_MAX];
    AUTO_FD opened = -1;
    struct stat st;
    int fd;

    if (s->packed.size)
        return begins_like_lost(s, j);
    fd = own_file(s, &opened, &st);
    return fd >= 0 && j->nhead > 0 && (uint64_t)st.st_size >= j->nhead &&
           read_at(fd, bytes, j->nhead, 0) > 0 && memcmp(bytes, j->head, j->nhead) == 0;
}

static bool lives(const struct stream *s)
{
    return s->found || s->fd >= 0;
}

static void add_target(const struct file_input *f, struct pack_job *j, struct stream *s)
{
    bool living = lives(s);

    if (s->forgotten || j->ntargets >= TARGETS_MAX || !file_is_related(f, s, j->path) ||
        !(living ? begins_like_living(s, j) : s->offset && begins_like_lost(s, j)))
        return;
    if (living && !s->found && !s->packed.size)
        j->wait = true; /* read from its descriptor to the end: it is lost soon */
    if (!living && !s->ended)
        j->urgent = true;
    j->targets[j->ntargets++] = (struct target){ s, living };
}

static bool has_lost_target(const struct pack_job *j)
{
    for (size_t i = 0; i < j->ntargets; i++)
        if (!j->targets[i].lives)
            return true;
    return false;
}

static bool is_young(const struct file_input *f, const struct stat *st)
{
    uint64_t now = clock_now(f->in->clock);
    uint64_t then = stat_mtime_ns(st) / 1000; /* of writing; a new name does not count */

    return now < then + YOUNG_US && then < now + YOUNG_US;
}

/*
 * Is it being made of the plain file beside it? While names are shifted, a generation's plain file
 * may stand beside the archive of another: that is no reason to leave the archive for later.
 */
static bool is_being_made(const struct pack_job *j)
{
    char plain[PATH_MAX], bytes[HEAD_MAX];
    size_t n = name_unpacked(j->path);
    const char *text;
    struct stat st;
    AUTO_FD fd = -1;

    if (n == 0 || n >= sizeof plain)
        return false; /* nothing of that name can be opened */
    memcpy(plain, j->path, n);
    plain[n] = '\0';
    fd = file_open(plain, &st, &text);

    return fd >= 0 && (j->nhead == 0 || (read_at(fd, bytes, j->nhead, 0) > 0 &&
                                         memcmp(bytes, j->head, j->nhead) == 0));
}

/* 1 = it matters, 0 = it does not, <0 = cannot be judged now. */
static int job_begin(struct scan *sc, const struct found *x, struct pack_job *j)
{
    struct file_input *f = sc->f;
    const char *refusal;
    int r = job_open(sc, x, j);

    if (r < 0)
        return r;
    if (is_being_made(j))
        return -EAGAIN;
    for (size_t i = 0; i < f->nstreams; i++)
        add_target(f, j, f->streams[i]);
    if (!has_lost_target(j) && !scan_generation_of(f, x))
        return 0;
    if (!has_lost_target(j))
        j->urgent = true;
    refusal = bytes_refusal(slice_of(j->head, j->nhead));
    if (j->nhead == 0 && j->fault.code && !is_young(f, &j->st))
        refusal = j->fault.text;
    if (!refusal)
        return 1;
    tell_unreadable(f, x->path, refusal);
    return 0;
}

/* ---- judging ---- */

/* At the offset of a target: are the bytes before it the stream's? */
static void judge_at(struct pack_job *j, const struct target *t, const char *mark_end)
{
    struct stream *s = t->stream;

    if (!known_is(&s->mark, mark_end - s->mark.n))
        return;
    if (t->lives)
        return; /* judged at the end */
    if (!j->best || s->offset > j->best->offset)
        j->best = s;
}

static uint64_t next_stop(const struct pack_job *j)
{
    uint64_t at = zip_position(j->zip), stop = UINT64_MAX;

    for (size_t i = 0; i < j->ntargets; i++) {
        uint64_t offset = j->targets[i].stream->offset;

        if (!j->targets[i].lives && offset > at && offset < stop)
            stop = offset;
    }
    return stop;
}

/* Is there a living one of which it may be the copy? Those that are shorter drop out. */
static bool may_be_copy(struct pack_job *j)
{
    uint64_t at = zip_position(j->zip);
    bool any = false;

    for (size_t i = 0; i < j->ntargets; i++) {
        struct target *t = &j->targets[i];
        AUTO_FD opened = -1;
        struct stat st = { 0 };

        if (!t->lives)
            continue;
        if (t->stream->packed.size) {
            any = any || at <= t->stream->offset || !t->stream->packed.done;
            continue;
        }
        any = any || (own_file(t->stream, &opened, &st) >= 0 && (uint64_t)st.st_size >= at);
    }
    return any;
}

/* At its end: has a living stream all of it? */
static bool is_copy(const struct pack_job *j, const struct target *t)
{
    struct stream *s = t->stream;
    uint64_t at = zip_position(j->zip);
    char bytes[MARK_MAX];
    AUTO_FD opened = -1;
    struct stat st;
    int fd;

    if (s->packed.size)
        return s->offset == at && known_is(&s->mark, j->tail.bytes + j->tail.n - s->mark.n);
    fd = own_file(s, &opened, &st);
    return fd >= 0 && (uint64_t)st.st_size >= at &&
           read_at(fd, bytes, j->tail.n, at - j->tail.n) > 0 &&
           memcmp(bytes, j->tail.bytes, j->tail.n) == 0;
}

static void judge_end(struct pack_job *j)
{
    for (size_t i = 0; i < j->ntargets; i++)
        if (j->targets[i].lives && is_copy(j, &j->targets[i]))
            j->copy = true;
}

/* The offsets that the first bytes cover. */
static void judge_head(struct pack_job *j)
{
    for (size_t i = 0; i < j->ntargets; i++) {
        const struct target *t = &j->targets[i];

        if (t->stream->offset && t->stream->offset <= j->nhead)
            judge_at(j, t, j->head + t->stream->offset);
    }
}

/* One piece. True when all is known that must be. */
static bool job_step(struct pack_job *j)
{
    char bytes[CHUNK_BYTES];
    uint64_t at = zip_position(j->zip), stop = next_stop(j);
    ssize_t n;

    if (j->over || (stop == UINT64_MAX && (j->best || !may_be_copy(j))))
        return true;
    n = zip_read(j->zip, bytes, stop - at < sizeof bytes ? (size_t)(stop - at) : sizeof bytes,
                 &j->fault);
    if (n == -EAGAIN) {
        j->fault.code = 0;
        return false;
    }
    if (n <= 0) {
        j->over = true;
        return false;
    }
    mark_move(&j->tail, slice_of(bytes, (size_t)n));
    for (size_t i = 0; i < j->ntargets; i++)
        if (j->targets[i].stream->offset == zip_position(j->zip))
            judge_at(j, &j->targets[i], j->tail.bytes + j->tail.n);
    return false;
}

/* ---- the verdict ---- */

static void learn_key(struct stream *s, const struct pack_job *j)
{
    struct slice head = slice_of(j->head, j->nhead);
    size_t nuls = 0;

    while (nuls < head.n && head.p[nuls] == '\0')
        nuls++;
    if (nuls >= NUL_RUN_MIN)
        head = slice_skip(head, nuls);
    if (head.n)
        s->key_known = stream_key(head, j->nhead < HEAD_MAX, s->key);
}

/* The stream goes on in the file, at its offset. */
static void go_on(struct file_input *f, struct pack_job *j, struct stream *s)
{
    char *where = strdup(j->path);

    stream_attach(f, s, TAKE_FD(j->fd), &j->st);
    stream_pack(s, &j->st);
    s->state = STREAM_ROTATED;
    s->since_us = file_now(f);
    s->found = true;
    s->cut = s->first_look = false;
    if (!s->key_known)
        learn_key(s, j);
    if (where) {
        free(s->where);
        s->where = where;
    }
    if (zip_position(j->zip) == s->offset)
        (void)unpack_new(f, s, TAKE(j->zip), NULL); /* else it is unpacked once more */
}

/* All of the file was read before it was copied: its end is the stream's. */
static bool end_in(struct file_input *f, struct pack_job *j, struct stream *s)
{
    uint64_t end = zip_position(j->zip);

    if (end == 0 || end >= s->offset || file_is_older(s, &j->st))
        return false;
    s->offset = end;
    s->mark = j->tail;
    if (s->head.n > end)
        s->head.n = (unsigned)end;
    if (j->nhead >= s->head.n) {
        memcpy(s->head.bytes, j->head, s->head.n);
        s->head.held = true;
    }
    s->flags = 0;
    s->hole_bytes = 0;
    go_on(f, j, s);
    return true;
}

static void begin(struct file_input *f, struct pack_job *j, const char *log)
{
    AUTO(stream) s = NULL;

    if (!file_room(f, j->path))
        return;
    s = stream_new(log);
    if (!s)
        return;
    s->first_seen_us = clock_now(f->in->clock);
    near_inherit(f, s);
    zip_free(j->zip);
    j->zip = NULL;
    if (zip_new(j->fd, &j->zip, NULL) == 0 && file_keep(f, s))
        go_on(f, j, TAKE(s));
}

/* Holes are all alike: by one nobody knows that all of a file was read. */
static bool is_hole(struct slice b)
{
    while (b.n > 0 && b.p[b.n - 1] == '\0')
        b.n--;
    return b.n == 0;
}

static bool shorter_than_lost(struct file_input *f, struct pack_job *j)
{
    if (is_hole(slice_of(j->head, j->nhead)))
        return false;
    for (size_t i = 0; i < j->ntargets; i++)
        if (!j->targets[i].lives && end_in(f, j, j->targets[i].stream))
            return true;
    return false;
}

/* A stream that had its own file when the job began has lost it: the next scan knows that. */
static bool lost_meanwhile(const struct pack_job *j)
{
    for (size_t i = 0; i < j->ntargets; i++) {
        const struct target *t = &j->targets[i];
        AUTO_FD opened = -1;
        struct stat st;

        if (t->lives && !t->stream->packed.size && own_file(t->stream, &opened, &st) < 0)
            return true;
    }
    return false;
}

static void decide(struct file_input *f, struct pack_job *j)
{
    if (j->over)
        judge_end(j);
    if (!j->copy && lost_meanwhile(j))
        return;
    if (j->best) {
        go_on(f, j, j->best);
        return;
    }
    if (j->fault.code && has_lost_target(j)) {
        tell_unreadable(f, j->path, j->fault.text); /* what was read already may be in it */
        set_seen(f, &j->st);
        return;
    }
    if (j->copy || (j->over && !j->fault.code && shorter_than_lost(f, j))) {
        set_seen(f, &j->st);
        return;
    }
    {
        const struct found x = { .path = j->path, .st = j->st };
        const char *log = scan_generation_of(f, &x);

        if (log)
            begin(f, j, log);
        else
            set_seen(f, &j->st);
    }
}

bool packs_work(struct file_input *f)
{
    struct pack_job *j = f->job;
    bool known = false;

    for (unsigned i = 0; j && i < CHUNKS_A_TURN && !known; i++)
        known = job_step(j);
    if (!known)
        return j != NULL;
    f->job = NULL;
    decide(f, j);
    job_free(j);
    f->scan_us = file_now(f); /* for the next one */
    return true;
}

/* ---- which one is next ---- */

static bool is_busy(const struct file_input *f)
{
    for (size_t i = 0; i < f->nstreams; i++)
        if (f->streams[i]->packed.size && f->streams[i]->fd >= 0 && !f->streams[i]->packed.done)
            return true;
    return f->job != NULL;
}

/* A plain generation that is older has lines to give. */
static bool older_comes_first(const struct file_input *f, const struct pack_job *j)
{
    for (size_t i = 0; i < f->nstreams; i++) {
        const struct stream *s = f->streams[i];
        const char *root = near_root(s), *here = name_base(s->where);

        if (s->fd >= 0 && s->ready && !s->packed.size && name_is_rotated(root, here) &&
            near_name(root, name_base(j->path)) && name_cmp_age(root, here, name_base(j->path)) < 0)
            return true;
    }
    return false;
}

/* Is it the file of the job that runs? */
static bool is_job(const struct file_input *f, const struct stat *st)
{
    return f->job && f->job->st.st_dev == st->st_dev && f->job->st.st_ino == st->st_ino;
}

static int pack_seen(struct scan *sc, struct found *x)
{
    struct file_input *f = sc->f;
    AUTO(pack_job) j = NULL;
    int r;

    if (is_job(f, &x->st))
        return f->job->urgent ? names_add(&f->packs_due, f->job->path) : 0;
    if (was_seen(f, &x->st))
        return 0;
    j = calloc(1, sizeof *j);
    if (!j)
        return -ENOMEM;
    j->fd = -1;
    r = job_begin(sc, x, j);
    if (r == 0)
        set_seen(f, &x->st);
    if (r <= 0)
        return r == -ENOMEM ? r : 0;
    if (j->wait)
        return 0;
    if (j->urgent && names_add(&f->packs_due, j->path) < 0)
        return -ENOMEM;
    if (is_young(f, &j->st)) {
        sc->young = true; /* perhaps it is still written */
        return 0;
    }
    if (is_busy(f) || older_comes_first(f, j))
        return 0;
    judge_head(j);
    f->job = TAKE(j);
    return 0;
}

/* The log whose name it has been given. */
static const char *log_of(const struct file_input *f, const char *path)
{
    for (size_t i = 0; i < f->nstreams; i++)
        if (near_name(name_base(f->streams[i]->path), name_base(path)))
            return name_base(f->streams[i]->path);
    return "";
}

static int by_age(const void *a, const void *b)
{
    const struct found *x = *(struct found *const *)a, *y = *(struct found *const *)b;
    int r = strcmp(x->log, y->log);

    r = r ? r : name_cmp_age(x->log, name_base(x->path), name_base(y->path));
    return r ? r : strcmp(x->path, y->path);
}

int packs_scan(struct scan *sc)
{
    AUTO_FREE struct found **list = calloc(sc->nfound + 1, sizeof *list);
    size_t n = 0;
    int r = list ? 0 : -ENOMEM;

    names_fini(&sc->f->packs_due);
    for (size_t i = 0; r == 0 && i < sc->nfound; i++)
        if (sc->found[i].packed && !sc->found[i].stream) {
            sc->found[i].log = log_of(sc->f, sc->found[i].path);
            list[n++] = &sc->found[i];
        }
    if (n > 1)
        qsort(list, n, sizeof *list, by_age);
    for (size_t i = 0; r == 0 && i < n; i++)
        r = pack_seen(sc, list[i]);
    return r;
}

/* ---- who waits ---- */

/*
 * While names are shifted, an archive and the plain file of the next generation may have the same
 * number: the archive is the older one.
 */
static bool waits_for(const struct stream *s, const char *path)
{
    const char *base = near_root(s);

    return name_same_folder(path, s->path) && near_name(base, name_base(path)) &&
           ((s->state == STREAM_LIVE && !name_is_rotated(base, name_base(s->where))) ||
            name_cmp_age(base, name_base(path), name_base(s->where)) <= 0);
}

bool packs_before(const struct file_input *f, const struct stream *s)
{
    if (s->packed.size)
        return false;
    for (size_t i = 0; i < f->packs_due.n; i++)
        if (waits_for(s, f->packs_due.items[i]))
            return true;
    for (size_t i = 0; i < f->nstreams; i++) {
        const struct stream *o = f->streams[i];

        if (o->packed.size && o->fd >= 0 && !o->packed.done && waits_for(s, o->where))
            return true;
    }
    return false;
}

bool packs_may_hold(const struct file_input *f, const struct stream *s)
{
    for (size_t i = 0; f->job && i < f->job->ntargets; i++)
        if (f->job->targets[i].stream == s)
            return true;
    for (size_t i = 0; i < f->packs_due.n; i++)
        if (near_name(near_root(s), name_base(f->packs_due.items[i])))
            return true;
    return false;
}

void packs_forget(struct file_input *f, const struct stream *s)
{
    for (size_t i = 0; f->job && i < f->job->ntargets; i++)
        if (f->job->targets[i].stream == s) {
            job_free(f->job);
            f->job = NULL;
        }
}

void packs_free(struct file_input *f)
{
    job_free(f->job);
    f->job = NULL;
    table_free(f->packs_seen);
    names_fini(&f->packs_due);
}
