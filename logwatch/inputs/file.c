/*
 * file: lines of files, through rotation.
 *
 * Names may be globs and {a,b} lists. Every file they give is followed by its
 * content, not by its name: rename, copytruncate, unlink with reused inodes,
 * symlinks that flip, and any of these while we were away (file-private.h,
 * file-copy.c, docs/inputs.md). inotify is only a hint; each file is looked at
 * once in `poll` as well.
 *
 * Fair: one block of one stream a turn, then the next stream. The cursor of a
 * stream rides in its block.
 *
 * With `once` (replay) the named files are read from their beginning to their
 * end in the order given, and nothing is followed or remembered.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>

#include "base/json.h"
#include "logwatch/inputs/file-private.h"

#define BLOCK_BYTES (UINT64_C(1) << 20)
#define HINT_US (10 * USEC_PER_MSEC) /* scans by hint are at least this far apart */
#define CURSORS_A_BLOCK 256

/* Says that an input was here: a file that appears after that is new, also after a restart. */
#define STARTED SLICE("-")

static const char *const from_choices[] = { "end", "begin", NULL };

static const struct option file_options[] = {
    { .name = "path",
      .type = OPTION_STRS,
      .offset = AT(struct file_options, path),
      .path = PATH_READ,
      .required = true,
      .help = "Files to follow: names, globs, {a,b} lists." },
    { .name = "from",
      .type = OPTION_ENUM,
      .offset = AT(struct file_options, from),
      .choices = from_choices,
      .fallback = "end",
      .help = "Where to begin at the very first start in files that are there already; files that "
              "appear later are read from their beginning." },
    { .name = "max_line",
      .type = OPTION_SIZE,
      .offset = AT(struct file_options, max_line),
      .fallback = "64KiB",
      .min = "1KiB",
      .max = "16MiB",
      .help = "Longer lines are cut here and marked." },
    { .name = "partial_wait",
      .type = OPTION_DURATION,
      .offset = AT(struct file_options, partial_wait_us),
      .fallback = "10s",
      .max = "1h",
      .help = "How long a last line without newline waits in a rotated file." },
    { .name = "rotate_wait",
      .type = OPTION_DURATION,
      .offset = AT(struct file_options, rotate_wait_us),
      .fallback = "5s",
      .max = "1h",
      .help = "How long a rotated or deleted file must be quiet before it is closed." },
    { .name = "poll",
      .type = OPTION_DURATION,
      .offset = AT(struct file_options, poll_us),
      .fallback = "1s",
      .min = "10ms",
      .max = "60s",
      .help = "How often files are looked at when no event tells of them." },
    { 0 },
};

void file_notice(struct file_input *f, const char *type, const char *name, struct slice members)
{
    struct waiting_notice *n = &f->notices[f->nnotices];

    if (f->nnotices >= NOTICES_MAX)
        return;
    n->type = type;
    n->name = strdup(name);
    n->members = slice_dup(members);
    if (n->name && n->members) {
        f->nnotices++;
        return;
    }
    free(n->name);
    free(n->members);
}

/* ---- open and close ---- */

static int load_streams(struct file_input *f, struct err *err)
{
    const struct input *in = f->in;
    AUTO(arena) a = arena_new(4096, 0);

    if (!a)
        return err_nomem(err);
    for (size_t i = 0; i < in->ncursors; i++) {
        struct err why = ERR_NONE;
        struct stream *s;

        if (slice_eq(in->cursors[i].stream, STARTED)) {
            f->started = true;
            continue;
        }
        s = stream_load(&in->cursors[i], a, &why);
        arena_reset(a);
        if (why.code) /* to read it as a new one would double it */
            return err_nomem(err);
        if (!s) {
            file_notice(f, "source.bad_cursor", in->name, SLICE(""));
            continue;
        }
        s->since_us = file_now(f);
        if (!file_keep(f, s)) {
            stream_free(s);
            return err_nomem(err);
        }
    }
    return 0;
}

static int file_input_open(struct input *in, struct err *err)
{
    struct file_input *f = calloc(1, sizeof *f);
    const struct file_options *o = in->state;
    size_t block = in->block_max ? in->block_max : BLOCK_BYTES;

    if (!f)
        return err_nomem(err);
    in->private = f;
    f->in = in;
    f->options = o;
    f->inotify = -1;
    f->block_max = block > o->max_line ? block : o->max_line + 1;
    in->fd = -1;
    if (o->path.n == 0)
        return err_set(err, -EINVAL, "an input of type file needs a path");
    if (in->once)
        return file_replay_open(f, err);
    if (load_streams(f, err) < 0)
        return err_code(err);
    in->fd = watches_open(f);
    in->events = 0;
    return 0;
}

static void file_input_close(struct input *in)
{
    struct file_input *f = in->private;

    if (!f)
        return;
    for (size_t i = 0; i < f->nstreams; i++)
        stream_free(f->streams[i]);
    free(f->streams);
    for (size_t i = 0; i < f->nnotices; i++) {
        free(f->notices[i].name);
        free(f->notices[i].members);
    }
    faults_free(f);
    packs_free(f);
    watches_close(f);
    file_replay_close(f);
    free(f);
    in->private = NULL;
    in->fd = -1;
}

/* ---- following ---- */

/* Closes the file that was used longest ago and has nothing to tell. */
static void make_room(struct file_input *f)
{
    struct stream *oldest = NULL;

    for (size_t i = 0; f->nopen > OPEN_MAX && i < f->nstreams; i++) {
        struct stream *s = f->streams[i];

        if (s->fd >= 0 && s->state == STREAM_LIVE && !s->skip && s->size == s->offset &&
            (!oldest || s->used < oldest->used))
            oldest = s;
    }
    if (oldest)
        stream_detach(f, oldest);
}

static uint64_t quiet_since(const struct stream *s)
{
    return s->grown_us > s->since_us ? s->grown_us : s->since_us;
}

/* Nothing more will come: then the last line is given as it is. */
bool stream_is_over(const struct file_input *f, const struct stream *s)
{
    uint64_t quiet = file_now(f) - quiet_since(s);

    return s->state == STREAM_ROTATED && quiet >= f->options->rotate_wait_us &&
           quiet >= f->options->partial_wait_us;
}

/*
 * Has somebody a deleted file open for writing? The kernel gives no read lease then. Only the
 * owner and root may ask; for others it looks as if there were none.
 */
static bool has_writer(int fd)
{
    /* Were it opened for writing in between, the signal must be one that harms nobody. */
    if (fcntl(fd, F_SETSIG, SIGWINCH) < 0 || fcntl(fd, F_SETLEASE, F_RDLCK) < 0)
        return errno == EAGAIN;
    (void)fcntl(fd, F_SETLEASE, F_UNLCK);
    return false;
}

/* Closing needs no wait for a partial line: there is none. */
static bool is_done(const struct file_input *f, const struct stream *s, const struct stat *st)
{
    return s->state == STREAM_ROTATED && (uint64_t)st->st_size == s->offset && !s->skip &&
           (st->st_nlink == 0 || s->found) &&
           file_now(f) - quiet_since(s) >= f->options->rotate_wait_us &&
           (st->st_nlink > 0 || !has_writer(s->fd));
}

/* It is still itself and nothing that was read is missing, but it was longer: part of a line. */
static void tell_shrunk(struct file_input *f, struct stream *s, const struct stat *st)
{
    AUTO_BUF members = BUF_INIT;
    uint64_t size = (uint64_t)st->st_size;

    /* Room made beforehand that is given back is no loss. */
    if (s->size == UINT64_MAX || size >= s->size || size < s->offset || s->offset == 0 ||
        s->hole_end > s->offset || s->tried_size != s->size || stream_is(s, s->fd, st) <= 0)
        return;
    buf_printf(&members, "\"from\":%llu,\"to\":%llu", (unsigned long long)s->size,
               (unsigned long long)size);
    file_notice(f, "source.truncated", s->path, buf_view(&members));
}

static void poll_open(struct file_input *f, struct stream *s)
{
    uint64_t now = file_now(f), size;
    struct stat st;

    if (s->packed.size) {
        s->ready = true;
        return;
    }
    if (fstat(s->fd, &st) < 0)
        return;
    size = (uint64_t)st.st_size;
    tell_shrunk(f, s, &st);
    if (s->size != size) {
        s->size = size;
        s->grown_us = now;
    }
    if (is_done(f, s, &st)) {
        s->ended = s->dirty = true;
        stream_detach(f, s);
        return;
    }
    if (s->state == STREAM_LIVE && st.st_nlink == 0)
        f->scan_us = now;
    s->ready = s->ready || size != s->tried_size || stat_mtime_ns(&st) != s->tried_ns ||
               (s->flush_us && now >= s->flush_us) || (s->first_look && size > 0) ||
               (size > s->offset && stream_is_over(f, s)) || (s->skip && stream_is_over(f, s));
}

static void poll_closed(struct file_input *f, struct stream *s)
{
    const char *text;
    struct stat st;
    int fd;

    if (s->state != STREAM_LIVE)
        return;
    if (stat(s->where, &st) < 0 || st.st_dev != s->dev || st.st_ino != s->ino ||
        (uint64_t)st.st_size < s->offset) {
        f->scan_us = file_now(f);
        return;
    }
    if ((uint64_t)st.st_size == s->offset)
        return;
    fd = file_open(s->where, &st, &text);
    if (fd >= 0 && st.st_dev == s->dev && st.st_ino == s->ino) {
        stream_attach(f, s, fd, &st);
        return;
    }
    if (fd >= 0) /* the name moved on in between */
        close(fd);
    f->scan_us = file_now(f);
}

static void poll_streams(struct file_input *f)
{
    for (size_t i = 0; i < f->nstreams; i++) {
        struct stream *s = f->streams[i];

        if (s->forgotten || s->refusal)
            continue;
        if (s->fd >= 0)
            poll_open(f, s);
        else
            poll_closed(f, s);
    }
    make_room(f);
    f->poll_us = file_now(f) + f->options->poll_us;
}

static uint64_t wake_at(const struct file_input *f)
{
    uint64_t wake = f->poll_us < f->scan_us ? f->poll_us : f->scan_us;

    for (size_t i = 0; i < f->nstreams; i++) {
        const struct stream *s = f->streams[i];

        if (s->flush_us && s->fd >= 0 && s->flush_us < wake)
            wake = s->flush_us;
    }
    return wake;
}

/* Events, then what is due by time. */
static int look_around(struct file_input *f, struct err *err)
{
    bool names = false;
    bool any = watches_read(f, &names);
    uint64_t now = file_now(f);

    f->names_moved = f->names_moved || names;
    if (names && f->scan_us > f->hinted_us + HINT_US)
        f->scan_us = f->hinted_us + HINT_US;
    if (now >= f->scan_us) {
        int r = file_scan(f, err);

        if (r < 0)
            return r;
        f->hinted_us = now;
        any = true;
    }
    if (any || now >= wake_at(f))
        poll_streams(f);
    return 0;
}

/* A notice that no block of lines carries. One name a block. */
static int give_notice(struct file_input *f, struct block *b, struct err *err)
{
    struct waiting_notice *n = &f->notices[0];
    int r = block_notice(b, n->type, slice_str(n->members));

    b->name = arena_slice(b->arena, slice_str(n->name));
    if (r < 0 || !b->name.p)
        return err_nomem(err);
    free(n->name);
    free(n->members);
    f->nnotices--;
    memmove(f->notices, f->notices + 1, f->nnotices * sizeof *f->notices);
    return 1;
}

static void drop_forgotten(struct file_input *f)
{
    size_t kept = 0;

    for (size_t i = 0; i < f->nstreams; i++) {
        struct stream *s = f->streams[i];

        if (s->gone) {
            packs_forget(f, s);
            stream_detach(f, s);
            stream_free(s);
        } else {
            f->streams[kept++] = s;
        }
    }
    f->nstreams = kept;
}

/*
 * Cursors that changed without lines: found, moved, lost, forgotten. They ride in
 * the next block of whatever stream: a new generation must be known before a later
 * one is, or nobody would look for it after a restart.
 */
static int add_cursors(struct file_input *f, struct block *b, struct err *err)
{
    if (!f->started) {
        if (block_cursor(b, STARTED, SLICE("{\"version\":1}")) < 0)
            return err_nomem(err);
        f->started = true;
    }
    for (size_t i = 0; i < f->nstreams && b->ncursors < CURSORS_A_BLOCK; i++) {
        struct stream *s = f->streams[i];
        AUTO_BUF value = BUF_INIT;

        if (!s->dirty && !s->forgotten)
            continue;
        if (!s->forgotten)
            stream_cursor(s, &value);
        if (!buf_ok(&value) || block_cursor(b, slice_str(s->id), buf_view(&value)) < 0)
            return err_nomem(err);
        s->dirty = false;
        s->gone = s->forgotten;
    }
    drop_forgotten(f);
    return b->ncursors > 0;
}

static int give_cursors(struct file_input *f, struct block *b, struct err *err)
{
    b->name = slice_str(f->in->name);
    return add_cursors(f, b, err);
}

/* Bytes of the file that were not handed over; of a compressed file, not unpacked. */
static uint64_t unread(const struct stream *s)
{
    if (s->fd < 0 || s->forgotten || s->refusal || s->held)
        return 0;
    if (s->packed.size)
        return s->packed.size - (s->unpack ? zip_consumed(s->unpack->zip) : 0);
    return s->size != UINT64_MAX && s->size > s->offset ? s->size - s->offset : 0;
}

/* A line that is not complete yet makes bytes, but nobody is late with it. */
static bool is_late(const struct stream *s)
{
    return s->packed.size || s->ready || s->tried_size != s->size;
}

static void tell_lag(struct file_input *f)
{
    struct input_lag lag = { 0 };

    for (size_t i = 0; i < f->nstreams; i++) {
        const struct stream *s = f->streams[i];
        uint64_t bytes = unread(s), since = s->mtime_ns ? s->mtime_ns / 1000 : s->first_seen_us;

        lag.streams += s->fd >= 0;
        lag.bytes += bytes;
        if (bytes && is_late(s) && (!lag.since_us || since < lag.since_us))
            lag.since_us = since;
    }
    f->in->lag = lag;
}

static int follow(struct file_input *f, struct block *b, struct err *err)
{
    bool judging;
    int r = 0;

    /* Twice at most: a file that turned out to be another is looked for at once. */
    for (unsigned i = 0; i < 2; i++) {
        f->again = f->busy = false;
        r = look_around(f, err);
        if (r == 0 && f->nnotices)
            r = give_notice(f, b, err);
        if (r == 0)
            r = turns_read(f, b, err);
        if (r != 0 || !f->again)
            break;
    }
    judging = packs_work(f);
    if (r > 0)
        r = add_cursors(f, b, err) < 0 ? -ENOMEM : 1;
    if (r == 0)
        r = give_cursors(f, b, err);
    tell_lag(f);
    f->in->wake_us = judging || f->busy ? file_now(f) : wake_at(f);
    if (r == 0 && f->fault_err.code) {
        *err = f->fault_err;
        f->fault_err.code = 0;
        return err_code(err);
    }
    return r;
}

/* Young files and archives wait until it is known what they are; not for ever. */
static bool waits_for_time(const struct file_input *f)
{
    uint64_t now = file_now(f);

    for (size_t i = 0; i < f->nstreams; i++) {
        const struct stream *s = f->streams[i];

        if (s->fd >= 0 && s->held == HOLD_WAIT && now < s->wait_us + 2 * YOUNG_US)
            return true;
    }
    return f->packs_due.n > 0;
}

static int file_input_read(struct input *in, struct block *b, struct err *err)
{
    struct file_input *f = in->private;
    int r = in->once ? file_replay_read(f, b, err) : follow(f, b, err);

    in->waiting = r == 0 && !in->once && waits_for_time(f);
    return r;
}

const struct input_ops input_file = {
    .name = "file",
    .summary = "lines of files, through rotation",
    .options = file_options,
    .state_size = sizeof(struct file_options),
    .open = file_input_open,
    .read = file_input_read,
    .close = file_input_close,
};
