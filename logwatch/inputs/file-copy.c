/*
 * Copies: what copytruncate leaves.
 *
 * The log is copied to another name and then cut to nothing. What we had not
 * read yet is only in the copy then, and what we had read must not be read
 * from there again. So a new file that begins like a stream is not believed
 * to be new:
 *
 *   the stream's own file is still itself  the copy is held: not read, not judged
 *   it was cut, and the copy holds all we   the stream goes on in the copy, at its
 *   have read                               offset; the cut file is a new stream
 *   it was cut, and the copy ends before    all of the copy was read: the stream
 *   our offset                              goes on at the copy's end
 *
 * Judging a copy at first sight, while cp still writes it, reads thousands of
 * lines twice; judging it before the cut is seen loses the rest.
 */
#include <errno.h>

#include "logwatch/inputs/file-private.h"

/*
 * A copy is made after what we read was written: older files are other generations. But
 * lines that come between the copy and the cut are read by us too, and cp takes its time.
 */
#define COPY_SLACK_NS (UINT64_C(60) * 1000000000)

static int bytes_at(int fd, char *p, size_t n, uint64_t at)
{
    return pread(fd, p, n, (off_t)at) == (ssize_t)n;
}

/* Both files have the same first and last bytes, as far as the shorter one goes. */
static bool same_so_far(int a, int b, uint64_t size)
{
    char x[HEAD_MAX], y[HEAD_MAX];
    size_t head = size < HEAD_MAX ? (size_t)size : HEAD_MAX;
    size_t tail = size < MARK_MAX ? (size_t)size : MARK_MAX;

    return bytes_at(a, x, head, 0) && bytes_at(b, y, head, 0) && memcmp(x, y, head) == 0 &&
           bytes_at(a, x, tail, size - tail) && bytes_at(b, y, tail, size - tail) &&
           memcmp(x, y, tail) == 0;
}

/* Has the folder of that file a log of this name itself? Then its rotated files are that log's. */
static bool has_log(const struct file_input *f, const char *path, const char *base)
{
    for (size_t i = 0; i < f->nstreams; i++) {
        const struct stream *s = f->streams[i];

        if (!s->forgotten && name_same_folder(s->path, path) &&
            strcmp(name_base(s->path), base) == 0)
            return true;
    }
    return false;
}

/* Without memory of its own: an answer that is wrong because memory is out would read a copy again.
 */
bool file_is_related(const struct file_input *f, const struct stream *s, const char *path)
{
    const char *base = near_root(s), *name = name_base(path);

    if (name_same_folder(path, s->path) || name_same_folder(path, s->where))
        return near_name(base, name) || strcmp(base, name) == 0 ||
               strcmp(name_base(s->where), name) == 0;
    /* Moved to a folder of old logs: there must be bytes enough to know it by its content. */
    return s->head.n == HEAD_MAX && near_name(base, name) && !has_log(f, path, base);
}

static bool is_young(const struct file_input *f, const struct stat *st)
{
    uint64_t now = clock_now(f->in->clock), then = stat_mtime_ns(st) / 1000;

    return now < then + YOUNG_US && then < now + YOUNG_US;
}

static void go_on_in(struct file_input *f, struct stream *s, const char *path, int fd,
                     const struct stat *st)
{
    char *where = strdup(path);

    stream_attach(f, s, fd, st);
    s->state = STREAM_ROTATED;
    s->since_us = file_now(f);
    s->found = true;
    s->cut = false;
    s->dirty = true;
    s->packed = (struct packed){ 0 };
    if (where) {
        free(s->where);
        s->where = where;
    }
}

bool file_is_older(const struct stream *s, const struct stat *st)
{
    return stat_mtime_ns(st) + COPY_SLACK_NS < s->mtime_ns;
}

/*
 * The first bytes may be a hole, and holes are all alike: the first line must be the same, too.
 * With more of a hole than is looked at here, nobody knows.
 */
static bool first_line_is(const struct stream *s, int fd, uint64_t size)
{
    char bytes[STREAM_KEY_BYTES];
    uint8_t key[sizeof s->key];
    uint64_t at = 0;
    ssize_t n;

    if (!s->key_known)
        return true;
    if (!text_begins(fd, size, &at))
        return at < size;
    n = pread(fd, bytes, sizeof bytes, (off_t)at);
    return n > 0 && stream_key(slice_of(bytes, (size_t)n), true, key) &&
           memcmp(key, s->key, sizeof key) == 0;
}

bool file_find_lost(struct file_input *f, struct stream *s, const char *path, int fd,
                    const struct stat *st)
{
    uint64_t size = (uint64_t)st->st_size;

    if (s->offset == 0 || size == 0 || file_is_older(s, st) || !file_is_related(f, s, path))
        return false;
    if (stream_content_is(s, fd, st) > 0) {
        if (!first_line_is(s, fd, size))
            return false;
        go_on_in(f, s, path, fd, st);
        return true;
    }
    if (size >= s->offset || !stream_begins(s, fd, size) || is_young(f, st) ||
        !first_line_is(s, fd, size))
        return false;
    go_on_in(f, s, path, fd, st);
    if (stream_jump(s, size) < 0)
        stream_lost(f, s);
    return true;
}

/* The copy of a stream whose own file is still there. */
static bool is_copy_of_living(const struct stream *s, const struct stream *o, uint64_t size)
{
    struct stat st;

    if (fstat(o->fd, &st) < 0 || (uint64_t)st.st_size < size)
        return false; /* longer than the original: a file of its own */
    return size > 0 && same_so_far(s->fd, o->fd, size);
}

/* A name was given to a new file that holds all of the old one: an editor, or mv over it. */
static bool replaces(const struct file_input *f, const struct stream *s, struct stream *o,
                     const struct stat *st)
{
    struct stat old;

    return o->state == STREAM_ROTATED && !o->packed.size && o->offset > 0 &&
           fstat(o->fd, &old) == 0 && old.st_nlink == 0 && (uint64_t)old.st_size == o->offset &&
           file_is_related(f, o, s->path) && stream_content_is(o, s->fd, st) > 0;
}

/* The other stream takes the file over; this one was only a name for it. */
static void take_over(struct file_input *f, struct stream *o, struct stream *s,
                      const struct stat *st)
{
    int fd = TAKE_FD(s->fd);

    f->nopen--;
    go_on_in(f, o, s->where, fd, st);
    if (s->state == STREAM_LIVE) {
        o->state = STREAM_LIVE;
        o->plain_name = s->plain_name;
    }
    s->forgotten = true;
}

static bool still_itself(struct file_input *f, struct stream *o)
{
    struct stat own = { 0 };

    if (fstat(o->fd, &own) == 0 && stream_is(o, o->fd, &own) > 0)
        return true;
    stream_cut(f, o, &own);
    return false;
}

/* All that the other has read stands in this file, and nothing more will come to it. */
static bool was_read(const struct stream *s, struct stream *o, const struct stat *st)
{
    bool whole = (uint64_t)st->st_size == o->offset;

    if (o->offset == 0 || !(o->packed.size ? whole || !o->packed.done : whole && o->ended))
        return false;
    return stream_content_is(o, s->fd, st) > 0;
}

/*
 * Nothing was read of either, and the other is the log itself: then the log is read, not the
 * copy that cp is just making of it. Once the log is cut, the copy is no copy any more.
 */
static bool copies_the_unread_log(const struct stream *s, const struct stream *o,
                                  const struct stat *st)
{
    const char *root = near_root(o);

    return o->offset == 0 && o->fd >= 0 && o->state == STREAM_LIVE && !o->packed.size &&
           name_is_rotated(root, name_base(s->where)) &&
           !name_is_rotated(root, name_base(o->where)) &&
           is_copy_of_living(s, o, (uint64_t)st->st_size);
}

/* A file of which all was read need not be open: since a restart, or because there are many. */
static bool is_open(struct file_input *f, struct stream *o)
{
    const char *text;
    struct stat st;
    int fd;

    if (o->fd >= 0 || !o->found)
        return o->fd >= 0;
    fd = file_open(o->where, &st, &text);
    if (fd >= 0 && st.st_dev == o->dev && st.st_ino == o->ino) {
        stream_attach(f, o, fd, &st);
        return true;
    }
    if (fd >= 0)
        close(fd);
    f->scan_us = file_now(f);
    return false;
}

/* The log itself is no copy of its own rotated file: two generations may hold the same line. */
static bool is_newer(const struct stream *s, const struct stream *o)
{
    return !o->packed.size && o->found && name_is_rotated(name_base(s->where), name_base(o->where));
}

/* May find that the other is lost; then the caller judges the file against that. */
static bool hold_for_living(struct file_input *f, struct stream *s, struct stream *o,
                            const struct stat *st)
{
    if (is_newer(s, o))
        return false;
    if (was_read(s, o, st) || copies_the_unread_log(s, o, st))
        return true;
    if (o->packed.size || o->offset == 0 || !stream_begins(o, s->fd, (uint64_t)st->st_size) ||
        !is_open(f, o) || !still_itself(f, o))
        return false;
    if (replaces(f, s, o, st)) {
        take_over(f, o, s, st);
        return true;
    }
    if (is_copy_of_living(s, o, (uint64_t)st->st_size))
        return true;
    /* Different, but perhaps only because it was cut while we compared. */
    (void)still_itself(f, o);
    return false;
}

static enum hold hold_for_lost(struct file_input *f, struct stream *s, struct stream *o,
                               const struct stat *st)
{
    int fd;

    if (o->offset == 0 || !file_is_related(f, o, s->path))
        return HOLD_NOT;
    fd = dup(s->fd);
    if (fd >= 0 && file_find_lost(f, o, s->where, fd, st)) {
        if (s->state == STREAM_LIVE)
            o->plain_name = s->plain_name;
        s->forgotten = true;
        stream_detach(f, s);
        return HOLD_COPY;
    }
    if (fd >= 0)
        close(fd);
    /* It may become the copy: cp is still at work. */
    return !file_is_older(o, st) && (uint64_t)st->st_size < o->offset && is_young(f, st) &&
                   stream_begins(o, s->fd, (uint64_t)st->st_size)
               ? HOLD_WAIT
               : HOLD_NOT;
}

enum hold file_hold(struct file_input *f, struct stream *s)
{
    struct stat st;
    bool near = false;

    if (fstat(s->fd, &st) < 0)
        return HOLD_COPY;
    for (size_t i = 0; i < f->nstreams; i++) {
        struct stream *o = f->streams[i];
        enum hold hold;

        if (o == s || o->forgotten || !file_is_related(f, o, s->path))
            continue;
        near = true;
        if (o->state != STREAM_LOST && hold_for_living(f, s, o, &st))
            return HOLD_COPY;
        hold = o->state == STREAM_LOST ? hold_for_lost(f, s, o, &st) : HOLD_NOT;
        if (hold)
            return hold;
    }
    return near && !s->plain_name && st.st_size < HEAD_MAX && is_young(f, &st) ? HOLD_WAIT
                                                                               : HOLD_NOT;
}
