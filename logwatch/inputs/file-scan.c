/*
 * Which file is which stream.
 *
 * Two passes over everything that can be seen, never file by file in the order
 * of a folder: first all exact identities, then what moved, then what is new.
 *
 *   1  every name that the configuration gives, by device, inode, head, mark
 *   2  streams that no name gave: still itself behind its descriptor, or in the
 *      same folder under another name (rename), or as content (copy)
 *   3  the rest of the names: new streams; also rotated files of a log that changed
 *      since we follow it: written and rotated while we were away. Compressed ones
 *      come last, one after the other (file-pack.c)
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>

#include "base/json.h"
#include "base/table.h"
#include "logwatch/inputs/file-private.h"

#define FOLDER_ENTRIES_MAX 20000
#define MOVED_US (20 * USEC_PER_MSEC)

struct file_key {
    uint64_t dev, ino;
};

static struct slice key_slice(const struct file_key *k)
{
    return slice_of((const char *)k, sizeof *k);
}

/* ---- opening ---- */

static const char *kind_refusal(const struct stat *st)
{
    if (S_ISREG(st->st_mode))
        return NULL;
    if (S_ISDIR(st->st_mode))
        return "is a folder: name the files in it, like FOLDER/*.log";
    if (S_ISFIFO(st->st_mode))
        return "is a named pipe: pipe it into stdin";
    if (S_ISSOCK(st->st_mode))
        return "is a socket, not a file";
    return "is a device, not a file";
}

/* 0 = a regular file that may be read; else a negative errno and its text. */
int file_look(const char *path, struct stat *st, const char **ret_text)
{
    if (stat(path, st) < 0) {
        *ret_text = errno == ENOENT ? "does not exist" : err_name(errno);
        return -errno;
    }
    *ret_text = kind_refusal(st);
    if (*ret_text)
        return S_ISDIR(st->st_mode) ? -EISDIR : -EINVAL;
    if (!name_is_safe(path, st)) {
        *ret_text = "belongs to another user and lies in a folder that everybody can write";
        return -EPERM;
    }
    return 0;
}

int file_open(const char *path, struct stat *ret_st, const char **ret_text)
{
    int r = file_look(path, ret_st, ret_text);
    AUTO_FD fd = -1;

    if (r < 0)
        return r;
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        *ret_text = err_name(errno);
        return -errno;
    }
    if (fstat(fd, ret_st) < 0) {
        *ret_text = err_name(errno);
        return -errno;
    }
    *ret_text = kind_refusal(ret_st); /* it may have been changed in between */
    return *ret_text ? -EINVAL : TAKE_FD(fd);
}

struct stream *file_keep(struct file_input *f, struct stream *s)
{
    if (f->nstreams >= STREAMS_MAX + FORGOTTEN_MAX)
        return NULL;
    if (f->nstreams == f->streams_cap) {
        size_t cap = f->streams_cap ? f->streams_cap * 2 : 16;
        struct stream **list = realloc(f->streams, cap * sizeof(struct stream *));

        if (!list)
            return NULL;
        f->streams = list;
        f->streams_cap = cap;
    }
    f->streams[f->nstreams++] = s;
    f->roots_stale = true;
    return s;
}

/* ---- what is there ---- */

int scan_add(struct scan *sc, const char *path, const struct found *x)
{
    struct file_key k = { x->st.st_dev, x->st.st_ino };
    struct found *list = sc->found;

    if (table_get(sc->files, key_slice(&k)))
        return 0; /* the same file under a second name */
    if (sc->nfound == sc->cap) {
        size_t cap = sc->cap ? sc->cap * 2 : 32;

        list = realloc(list, cap * sizeof *list);
        if (!list)
            return -ENOMEM;
        sc->found = list;
        sc->cap = cap;
    }
    list[sc->nfound] = *x;
    list[sc->nfound].path = strdup(path);
    if (!list[sc->nfound].path)
        return -ENOMEM;
    sc->nfound++;
    return table_put(sc->files, key_slice(&k), sc) == -ENOMEM ? -ENOMEM : 0;
}

static void scan_fini(struct scan *sc)
{
    for (size_t i = 0; i < sc->nfound; i++)
        free(sc->found[i].path);
    free(sc->found);
    table_free(sc->files);
}

static void watch_folder_of(struct file_input *f, const char *path)
{
    AUTO_FREE char *folder = name_folder(path);

    /* Wildcards in the folder's own name: the files below are watched where they are found. */
    if (folder && !name_is_pattern(folder))
        watches_add(f, folder);
}

static int find_pattern(struct scan *sc, const char *pattern)
{
    struct names names = { 0 };
    bool plain = !name_is_pattern(pattern);
    int r;

    watch_folder_of(sc->f, pattern); /* before looking: what moves from now on is told */
    r = names_glob(&names, pattern);
    if (r == 0 && names.n == 0)
        fault_seen(sc->f, pattern, -ENOENT, "nothing has such a name");
    if (names.cut && !sc->f->at_limit) {
        sc->f->at_limit = true;
        file_notice(sc->f, "source.limit", pattern, SLICE("\"error\":\"too many files\""));
    }
    for (size_t i = 0; r == 0 && i < names.n; i++) {
        struct stat st;
        const char *text;
        int e = file_look(names.items[i], &st, &text);

        if (e == 0)
            r = scan_add(sc, names.items[i],
                         &(struct found){ .st = st, .configured = true, .plain = plain });
        else if (plain || e != -ENOENT)
            fault_seen(sc->f, names.items[i], e, text);
    }
    names_fini(&names);
    return r;
}

/*
 * Opens what was found. Names may have moved on since they were looked up, and what
 * the name gives now may be another stream's file: that is -ESTALE, for the next scan.
 */
int scan_open(struct scan *sc, const struct found *x, struct stat *st)
{
    const char *text = "";
    int fd = file_open(x->path, st, &text);

    if (fd == -ENOENT) {
        sc->moved = true;
        return -ESTALE;
    }
    if (fd < 0) {
        fault_seen(sc->f, x->path, fd, text);
        return fd;
    }
    if (st->st_dev == x->st.st_dev && st->st_ino == x->st.st_ino)
        return fd;
    close(fd);
    sc->moved = true;
    return -ESTALE;
}

/* ---- pass 1: exact ---- */

static void now_at(struct file_input *f, struct stream *s, struct found *x)
{
    enum stream_state state = x->configured ? STREAM_LIVE : STREAM_ROTATED;

    x->stream = s;
    s->found = true;
    s->plain_name = x->plain;
    s->seen_size = (uint64_t)x->st.st_size;
    s->seen_ns = stat_mtime_ns(&x->st);
    if (s->lost_us || s->state != state) {
        s->since_us = file_now(f);
        s->dirty = s->dirty || s->lost_us;
    }
    s->lost_us = 0;
    s->told = false;
    s->state = state;
    if (strcmp(s->where, x->path) != 0) {
        AUTO_FREE char *real = realpath(x->path, NULL);
        char *where = strdup(real ? real : x->path);

        if (where) {
            s->dirty = s->dirty || strcmp(s->where, where) != 0;
            free(s->where);
            s->where = where;
        }
    }
}

/* Nothing happened to the file since its identity was last verified. */
static bool unchanged(const struct found *x, const struct stream *s)
{
    if (s->packed.size || x->packed)
        return x->packed && stream_is_packed(s, &x->st) && (s->packed.done || s->fd >= 0);
    return s->seen_size == (uint64_t)x->st.st_size && s->seen_ns == stat_mtime_ns(&x->st) &&
           s->seen_size >= s->offset;
}

/* A descriptor of the file that somebody who claims it has open; -1 = none. */
static int claimed_fd(struct stream *claims, struct stat *st)
{
    for (struct stream *s = claims; s; s = s->next_claim)
        if (s->fd >= 0 && fstat(s->fd, st) == 0)
            return s->fd;
    return -1;
}

/*
 * Was the file made after we saw the stream for the first time? Then its inode was used again, and
 * nobody has cut anything. Not every file system knows when a file was made.
 */
static bool is_made_later(int fd, const struct stream *s)
{
    struct statx sx;
    uint64_t us;

    if (statx(fd, "", AT_EMPTY_PATH, STATX_BTIME, &sx) < 0 || !(sx.stx_mask & STATX_BTIME))
        return false;
    us = (uint64_t)sx.stx_btime.tv_sec * USEC_PER_SEC + sx.stx_btime.tv_nsec / 1000;
    return us > s->first_seen_us;
}

/* Of those who claim the inode, the one whose content it holds, with the most read; the others have
 * lost it. */
static struct stream *judge_claims(struct file_input *f, const struct found *x,
                                   struct stream *claims, int fd, const struct stat *st)
{
    struct stream *best = NULL;

    for (struct stream *s = claims; s; s = s->next_claim) {
        bool same_kind = x->packed == (s->packed.size > 0);
        int r = same_kind ? stream_is(s, fd, st) : 0;

        if (r < 0)
            return s; /* cannot be read now: leave it all as it is */
        if (r == 0) {
            if ((same_kind && s->fd >= 0) ||
                (strcmp(s->path, x->path) == 0 && !is_made_later(fd, s)))
                stream_cut(f, s, st);
            else
                stream_lost(f, s);
        } else if (!best || s->offset > best->offset) {
            if (best)
                best->forgotten = true;
            best = s;
        } else {
            s->forgotten = true;
        }
    }
    return best;
}

/*
 * An inode may be claimed by several streams: it was used again after a file was
 * deleted. Opens only when there is something to read or to verify.
 */
static void match_exact(struct scan *sc, struct found *x, struct stream *claims)
{
    AUTO_FD opened = -1;
    struct stream *s;
    struct stat st;
    int fd;

    for (s = claims; s; s = s->next_claim)
        if (unchanged(x, s)) {
            now_at(sc->f, s, x);
            return;
        }
    fd = claimed_fd(claims, &st);
    if (fd < 0) {
        opened = fd = scan_open(sc, x, &st);
        if (fd < 0) { /* cannot be judged now: all stay as they are */
            opened = -1;
            for (s = claims; s; s = s->next_claim)
                s->found = true;
            x->stream = claims;
            return;
        }
    }
    s = judge_claims(sc->f, x, claims, fd, &st);
    if (!s)
        return;
    now_at(sc->f, s, x);
    if (s->fd < 0 && opened >= 0 &&
        (s->packed.size ? !s->packed.done : (uint64_t)st.st_size > s->offset))
        stream_attach(sc->f, s, TAKE_FD(opened), &st);
}

/* (dev, ino) to the streams that claim it, as a chain. */
static int index_streams(struct file_input *f, struct table **ret)
{
    AUTO(table) t = table_new(0);

    if (!t)
        return -ENOMEM;
    for (size_t i = 0; i < f->nstreams; i++) {
        struct stream *s = f->streams[i];
        struct file_key k = { s->dev, s->ino };

        if (!s->ino || s->forgotten || s->found)
            continue;
        s->next_claim = table_get(t, key_slice(&k));
        if (table_put(t, key_slice(&k), s) < 0)
            return -ENOMEM;
    }
    *ret = TAKE(t);
    return 0;
}

static int pass_exact(struct scan *sc, size_t from)
{
    AUTO(table) t = NULL;
    int r = index_streams(sc->f, &t);

    for (size_t i = from; r == 0 && i < sc->nfound; i++) {
        struct file_key k = { sc->found[i].st.st_dev, sc->found[i].st.st_ino };
        struct stream *s = table_get(t, key_slice(&k));

        if (s)
            match_exact(sc, &sc->found[i], s);
    }
    return r;
}

/* ---- pass 2: what no name gave ---- */

/* Behind its descriptor, it is still there; or it is lost. */
static void pass_open(struct file_input *f)
{
    for (size_t i = 0; i < f->nstreams; i++) {
        struct stream *s = f->streams[i];
        struct stat st = { 0 };

        if (s->found || s->forgotten)
            continue;
        if (s->fd >= 0 && (fstat(s->fd, &st) < 0 || stream_is(s, s->fd, &st) <= 0)) {
            stream_cut(f, s, &st);
        } else if (s->state == STREAM_LIVE) {
            s->state = s->fd >= 0 ? STREAM_ROTATED : STREAM_LOST;
            s->since_us = file_now(f);
        }
    }
}

/* Lost content in files that no name of ours gives (those that one gives are judged before their
 * first block). */
static void pass_content(struct scan *sc)
{
    for (size_t i = 0; i < sc->f->nstreams; i++) {
        struct stream *s = sc->f->streams[i];

        for (size_t k = 0; s->state == STREAM_LOST && !s->found && k < sc->nfound; k++) {
            struct found *x = &sc->found[k];
            struct stat st;
            int fd;

            if (x->stream || x->configured || x->packed)
                continue;
            fd = scan_open(sc, x, &st);
            if (fd < 0)
                continue;
            if (file_find_lost(sc->f, s, x->path, fd, &st))
                x->stream = s;
            else
                close(fd);
        }
    }
}

/* ---- pass 3: new ---- */

static void start_note(struct file_input *f, const struct stream *s, const char *from)
{
    AUTO_BUF members = BUF_INIT;
    struct json_writer w = json_writer(&members);

    json_member_str(&w, "from", from);
    json_member_u64(&w, "offset", s->offset);
    file_notice(f, "source.start", s->path, buf_view(&members));
}

/* The choice of `from` is for what was there when we came for the first time, and for nothing else.
 */
static int first_position(struct file_input *f, struct stream *s, uint64_t size)
{
    if (f->scanned || !f->in->first_start)
        return 0;
    if (f->options->from == FROM_BEGIN) {
        s->backfill_end = size;
        start_note(f, s, "begin");
        return 0;
    }
    if (stream_jump(s, stream_end_offset(s->fd, size)) < 0)
        return -EIO;
    s->first_look = s->offset == 0;
    start_note(f, s, "end");
    return 0;
}

/* Of those that are lost, who was read to the end goes before others, and who was lost first. */
static bool goes_before(const struct stream *a, const struct stream *b)
{
    return a->ended != b->ended ? a->ended : a->lost_us < b->lost_us;
}

/*
 * The table is full: somebody goes. Those that are forgotten go with the next blocks, and take no
 * room any more: many files that are rotated at once must not wait for one another.
 */
bool file_room(struct file_input *f, const char *path)
{
    struct stream *first = NULL;
    size_t n = 0;

    if (f->nstreams < STREAMS_MAX)
        return true;
    for (size_t i = 0; i < f->nstreams; i++) {
        struct stream *s = f->streams[i];

        n += !s->forgotten;
        if (!s->forgotten && s->state == STREAM_LOST && (!first || goes_before(s, first)))
            first = s;
    }
    if (f->nstreams >= STREAMS_MAX + FORGOTTEN_MAX)
        return false; /* there will be room after the next blocks */
    if (n < STREAMS_MAX)
        return true;
    if (first) {
        first->forgotten = true;
        return true;
    }
    if (!f->at_limit)
        file_notice(f, "source.limit", path, SLICE("\"error\":\"too many files\""));
    f->at_limit = true;
    return false;
}

static int begin_stream(struct scan *sc, struct found *x)
{
    struct file_input *f = sc->f;
    AUTO(stream) s = NULL;
    struct stat st;
    int fd;

    if (!file_room(f, x->path))
        return 0;
    fd = scan_open(sc, x, &st);
    if (fd < 0)
        return 0;
    s = stream_new(x->path);
    if (!s) {
        close(fd);
        return -ENOMEM;
    }
    s->first_seen_us = clock_now(f->in->clock);
    near_inherit(f, s);
    stream_attach(f, s, fd, &st);
    x->st = st;
    s->state = x->configured ? STREAM_LIVE : STREAM_ROTATED;
    s->since_us = file_now(f);
    now_at(f, s, x);
    if (first_position(f, s, (uint64_t)st.st_size) == 0 && file_keep(f, s)) {
        s->dirty = true;
        s = NULL;
    } else {
        x->stream = NULL;
        f->nopen--;
    }
    return 0;
}

static int pass_new(struct scan *sc)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < sc->nfound; i++) {
        struct found *x = &sc->found[i];
        const char *path;

        if (x->stream || x->packed)
            continue;
        path = x->configured ? x->path : scan_generation_of(sc->f, x);
        if (!path)
            continue;
        r = begin_stream(sc, x);
        if (r == 0 && x->stream && path != x->path) {
            char *name = strdup(path);

            if (name) {
                free(x->stream->path);
                x->stream->path = name;
            }
        }
    }
    return r;
}

/* ---- after it ---- */

static void tell_lost(struct file_input *f, struct stream *s)
{
    AUTO_BUF members = BUF_INIT;

    s->told = s->dirty = true;
    if (s->ended || s->offset == 0)
        return;
    if (s->cut)
        buf_printf(&members, "\"from\":%llu,\"to\":%llu", (unsigned long long)s->offset,
                   (unsigned long long)s->cut_to);
    else
        buf_printf(&members, "\"offset\":%llu", (unsigned long long)s->offset);
    file_notice(f, s->cut ? "source.truncated" : "source.lost", s->path, buf_view(&members));
}

static void settle(struct file_input *f)
{
    uint64_t now = clock_now(f->in->clock), mono = file_now(f);

    for (size_t i = 0; i < f->nstreams; i++) {
        struct stream *s = f->streams[i];

        if (s->found || s->forgotten || s->fd >= 0)
            continue;
        if (s->state != STREAM_LOST) {
            s->state = STREAM_LOST;
            s->since_us = mono;
            f->losses++;
        }
        if (!s->lost_us) {
            s->lost_us = now;
            s->dirty = true;
        }
        if (f->scanned && !s->told && mono >= s->since_us + f->options->rotate_wait_us &&
            !packs_may_hold(f, s))
            tell_lost(f, s);
        /* It still says since when the log is known, for those who are not judged yet. */
        if ((s->offset == 0 && !packs_may_hold(f, s)) || now > s->lost_us + FORGET_US)
            s->forgotten = true;
    }
}

/* What is no log is told like any other trouble, and looked at again each time. */
static void check_contents(struct file_input *f)
{
    for (size_t i = 0; i < f->nstreams; i++) {
        struct stream *s = f->streams[i];
        struct stat st;

        if (!s->found || s->forgotten || !s->first_look)
            continue;
        if (s->fd >= 0 && fstat(s->fd, &st) == 0)
            s->refusal = content_refusal(s->fd, (uint64_t)st.st_size);
        if (s->refusal)
            fault_seen(f, s->path, -EINVAL, s->refusal);
    }
}

int file_scan(struct file_input *f, struct err *err)
{
    struct scan sc = { .f = f, .files = table_new(0) };
    size_t named;
    bool moved;
    int r = sc.files ? 0 : -ENOMEM;

    f->look_near = !f->scanned || f->names_moved || f->inotify < 0;
    f->names_moved = false;
    for (size_t i = 0; i < f->nstreams; i++)
        f->streams[i]->found = false;
    for (size_t i = 0; r == 0 && i < f->options->path.n; i++)
        r = find_pattern(&sc, f->options->path.items[i]);
    named = sc.nfound;
    if (r == 0)
        r = near_roots(f);
    if (r == 0)
        r = pass_exact(&sc, 0);
    if (r == 0)
        pass_open(f);
    if (r == 0)
        r = scan_neighbours(&sc);
    if (r == 0)
        r = pass_exact(&sc, named);
    if (r == 0)
        pass_content(&sc);
    if (r == 0)
        r = pass_new(&sc);
    if (r == 0)
        r = near_roots(f);
    if (r == 0)
        r = packs_scan(&sc);
    if (r == 0)
        settle(f);
    check_contents(f);
    faults_tell(f);
    moved = sc.moved;
    f->names_moved = f->names_moved || moved; /* nothing new is believed before the next scan */
    scan_fini(&sc);
    f->scanned = f->scanned || r == 0;
    f->scan_us = file_now(f) + (moved ? MOVED_US : sc.young ? YOUNG_US : SCAN_US);
    return r < 0 ? err_nomem(err) : 0;
}
