/*
 * The lines of a stream: bytes at the offset, cut where lines_cut() says, with
 * the cursor in the block. Of a compressed file the bytes are unpacked ahead of
 * the offset, up to one block, and all else is the same.
 */
#include <errno.h>

#include "base/json.h"
#include "logwatch/inputs/file-private.h"

#define PROBE_BYTES 65536
#define PROBES_A_TURN 64
#define OLD_US (UINT64_C(300) * USEC_PER_SEC) /* an archive that is older holds the past */

/* ---- reading ---- */

struct reading {
    struct file_input *f;
    struct stream *s;
    struct block *b;
    struct slice bytes;
    uint64_t size;
    bool last; /* nothing more will come */
    bool end; /* and the bytes reach up to there */
    bool packed; /* the file is compressed: `size` means nothing */
};

static int out_of_memory(struct err *err)
{
    return err_nomem(err);
}

/* The block is complete: the cursor rides in it. */
static int finish(struct reading *r, struct err *err)
{
    AUTO_BUF value = BUF_INIT;

    r->b->name = arena_slice(r->b->arena, slice_str(r->s->path));
    if (!r->b->name.p)
        return out_of_memory(err);
    if (!r->b->received_us)
        r->b->received_us = clock_now(r->f->in->clock);
    if (r->f->in->once)
        return 1;
    stream_cursor(r->s, &value);
    if (!buf_ok(&value) || block_cursor(r->b, slice_str(r->s->id), buf_view(&value)) < 0)
        return out_of_memory(err);
    r->s->dirty = false;
    return 1;
}

static int read_rest_of_long(struct reading *r, struct err *err)
{
    struct stream *s = r->s;
    bool done;
    size_t n;

    if (!s->skip) { /* begun before a restart: its hash is not known any more */
        s->skip = long_line_new(s->offset);
        if (!s->skip)
            return out_of_memory(err);
        s->skip->known = false;
    }
    n = long_line_skip(s->skip, r->bytes, &done);
    stream_advance(s, slice_of(r->bytes.p, n));
    if (done || r->end) {
        if (long_line_notice(s->skip, r->b) < 0)
            return out_of_memory(err);
        long_line_free(s->skip);
        s->skip = NULL;
        s->flags &= ~(unsigned)STREAM_SKIP;
    }
    return finish(r, err);
}

static int begin_long(struct stream *s, struct slice beginning, struct err *err)
{
    bool done;

    s->skip = long_line_new(s->offset);
    if (!s->skip)
        return out_of_memory(err);
    (void)long_line_skip(s->skip, beginning, &done);
    s->flags |= STREAM_SKIP;
    return 0;
}

static int hand_over(struct reading *r, struct cut cut, struct err *err)
{
    struct stream *s = r->s;
    struct block *b = r->b;
    struct slice given = slice_take(r->bytes, cut.n);

    memcpy(b->stream, s->key, sizeof b->stream);
    b->bytes = given;
    b->ends = cut.ends;
    b->position = s->offset;
    b->backfill = b->backfill || s->offset < s->backfill_end;
    if (s->flags & STREAM_MIDDLE)
        b->first_flags =
            RECORD_PARTIAL; /* the rest of a line that was handed over without its end */
    s->flags &= ~(unsigned)STREAM_MIDDLE;
    if (cut.kind == CUT_LONG) {
        b->last_flags = RECORD_TRUNCATED;
        if (begin_long(s, given, err) < 0)
            return err_code(err);
    } else if (cut.kind == CUT_PARTIAL) {
        b->last_flags = RECORD_PARTIAL;
        s->flags |= STREAM_MIDDLE;
    }
    stream_advance(s, given);
    return finish(r, err);
}

/* A long hole takes several looks, one after the other; one that cannot be read waits. */
static void look_on(struct reading *r, bool moved)
{
    r->s->ready = moved;
    r->f->busy = r->f->busy || moved;
}

/* Where the NUL bytes that begin at the offset end; the size when nothing else is there (yet). */
static uint64_t hole_ends(struct reading *r, bool *ret_known)
{
    struct stream *s = r->s;
    char bytes[PROBE_BYTES];
    uint64_t at = s->hole_end > s->offset ? s->hole_end : s->offset;

    *ret_known = false;
    for (unsigned i = 0; at < r->size && i < PROBES_A_TURN; i++) {
        off_t data = lseek(s->fd, (off_t)at, SEEK_DATA);
        ssize_t n;

        if (data < 0 && errno == ENXIO)
            at = r->size;
        else if (data > (off_t)at)
            at = (uint64_t)data;
        n = pread(s->fd, bytes, sizeof bytes, (off_t)at);
        if (n <= 0)
            break;
        for (ssize_t k = 0; k < n; k++)
            if (bytes[k] != '\0') {
                *ret_known = true;
                return at + (uint64_t)k;
            }
        at += (uint64_t)n;
    }
    return at;
}

static bool hole_is_ours(const struct reading *r, uint64_t end)
{
    struct stream *s = r->s;
    struct stat st;

    return fstat(s->fd, &st) == 0 && (uint64_t)st.st_size >= end && stream_is(s, s->fd, &st) > 0;
}

/*
 * NUL bytes where a line should begin: a hole left by a cut under a writer that
 * does not append, or blocks that a crash left empty. They are skipped when
 * text follows; at the end of a live file they may be room made beforehand,
 * into which the writer still writes, so they wait.
 */
static int nulls_notice(struct reading *r, uint64_t from, uint64_t to)
{
    AUTO_BUF members = BUF_INIT;

    buf_printf(&members, "\"position\":%llu,\"bytes\":%llu", (unsigned long long)from,
               (unsigned long long)(to - from));
    return buf_ok(&members) ? block_notice(r->b, "source.nulls", buf_view(&members)) : -ENOMEM;
}

static int read_hole(struct reading *r, struct err *err)
{
    struct stream *s = r->s;
    bool known;
    uint64_t from = s->offset, before = s->hole_end, end = hole_ends(r, &known);

    /* A file that was cut in the meantime looks like a hole up to its old end. */
    if (!hole_is_ours(r, end))
        return -ESTALE;
    s->hole_end = end;
    if (!known && !(r->last && end >= r->size)) {
        look_on(r, end < r->size && end != before);
        return 0;
    }
    if (stream_skip(s, end) < 0)
        return -ESTALE;
    s->hole_end = 0;
    if (nulls_notice(r, from - s->hole_bytes, end) < 0)
        return out_of_memory(err);
    s->hole_bytes = 0;
    return finish(r, err);
}

/*
 * The same in a compressed file: a hole that is longer than what was unpacked is told in one, by
 * whoever comes to its end.
 */
static int read_packed_hole(struct reading *r, size_t n, struct err *err)
{
    struct stream *s = r->s;
    bool goes_on = n == r->bytes.n && !r->end;

    if (goes_on)
        n -= NUL_RUN_MIN; /* by these the rest is known as a hole */
    s->hole_bytes += n;
    stream_advance(s, slice_take(r->bytes, n));
    if (goes_on)
        return finish(r, err);
    if (nulls_notice(r, s->offset - s->hole_bytes, s->offset) < 0)
        return out_of_memory(err);
    s->hole_bytes = 0;
    return finish(r, err);
}

static uint64_t idle_us(const struct file_input *f)
{
    return f->in->framing && f->in->framing->starts ? f->in->framing->idle_us : 0;
}

static int take(struct reading *r, struct err *err)
{
    struct stream *s = r->s;
    struct file_input *f = r->f;
    struct cut_rules rules = {
        .framing = f->in->framing,
        .line_max = f->options->max_line,
        .arena = r->b->arena,
        .full = r->bytes.n >= f->block_max,
        .idle = r->end || (!f->in->once && !r->packed && file_now(f) >= s->grown_us + idle_us(f)),
        .end = r->end,
    };
    struct cut cut;

    s->flush_us = 0;
    if (s->flags & STREAM_SKIP)
        return read_rest_of_long(r, err);
    cut = lines_cut(r->bytes, &rules);
    if (cut.kind == CUT_NULS)
        return r->packed ? read_packed_hole(r, cut.n, err) : read_hole(r, err);
    if (cut.kind == CUT_NOTHING) {
        if (!r->packed && memchr(r->bytes.p, '\n', r->bytes.n))
            s->flush_us = s->grown_us + idle_us(f);
        return 0;
    }
    return hand_over(r, cut, err);
}

/* The text was found behind a hole, bit by bit: has nobody written into the hole since? */
static bool begins_with_hole(const struct stream *s)
{
    char bytes[NUL_RUN_MIN] = { 0 }, nuls[NUL_RUN_MIN] = { 0 };

    return pread(s->fd, bytes, sizeof bytes, 0) == sizeof bytes &&
           memcmp(bytes, nuls, sizeof nuls) == 0;
}

/* True when the text was found; the key may be unknown then, too: of a line that is not complete.
 */
static bool learn_key(struct stream *s, uint64_t size, bool end)
{
    char bytes[STREAM_KEY_BYTES];
    ssize_t n;

    if (s->text_at > size || (s->text_at && !begins_with_hole(s)))
        s->text_at = 0;
    if (!text_begins(s->fd, size, &s->text_at))
        return false;
    n = pread(s->fd, bytes, sizeof bytes, (off_t)s->text_at);
    s->key_known = n > 0 && stream_key(slice_of(bytes, (size_t)n), end, s->key);
    return true;
}

/*
 * Nothing is handed over before the key is known. False: there is more of a hole at the
 * beginning than was looked at by now.
 */
static bool key_or_nothing(struct reading *r)
{
    struct stream *s = r->s;
    uint64_t before = s->text_at;

    if (s->key_known || learn_key(s, r->size, r->end))
        return true;
    if (s->text_at >= r->size) {
        s->text_at = 0; /* nothing but room: the text may come anywhere */
        return true;
    }
    look_on(r, s->text_at != before);
    return false;
}

/* The bytes at the offset, between two looks at the identity. 1 = there are some. */
static int read_between(struct reading *r, struct err *err)
{
    struct stream *s = r->s;
    struct stat st;
    size_t want;
    bool known;
    ssize_t n;
    char *p;

    if (fstat(s->fd, &st) < 0 || stream_is(s, s->fd, &st) <= 0)
        return -ESTALE;
    r->size = (uint64_t)st.st_size;
    s->tried_size = r->size;
    s->tried_ns = stat_mtime_ns(&st);
    if (s->size != r->size) {
        s->size = r->size;
        s->grown_us = file_now(r->f);
    }
    if (r->size == s->offset)
        return 0;
    want = r->size - s->offset < r->f->block_max ? (size_t)(r->size - s->offset) : r->f->block_max;
    p = arena_text(r->b->arena, want);
    if (!p)
        return out_of_memory(err);
    n = pread(s->fd, p, want, (off_t)s->offset);
    if (n < 0)
        return err_set(err, -errno, "cannot read '%s': %s", s->where, err_name(errno));
    r->bytes = slice_of(p, (size_t)n);
    r->end = r->last && s->offset + (size_t)n == r->size;
    s->mtime_ns = s->tried_ns;
    known = key_or_nothing(r);
    if (fstat(s->fd, &st) < 0 || stream_is(s, s->fd, &st) <= 0 ||
        (uint64_t)st.st_size < s->offset + (size_t)n)
        return -ESTALE;
    return known && n > 0;
}

static int read_plain(struct reading *r, struct err *err)
{
    struct stream *s = r->s;
    int got = read_between(r, err);

    if (got < 0)
        return got;
    if (got == 0 && s->skip && r->last) { /* a long line ends where the stream ends */
        r->end = true;
        return read_rest_of_long(r, err);
    }
    if (got == 0)
        return 0;
    got = take(r, err);
    if (got > 0)
        s->ready = s->offset < r->size;
    return got;
}

/* ---- compressed ---- */

void unpack_free(struct unpack *u)
{
    if (!u)
        return;
    zip_free(u->zip);
    free(u->bytes);
    free(u);
}

int unpack_new(struct file_input *f, struct stream *s, struct zip *z, struct err *err)
{
    AUTO(unpack) u = calloc(1, sizeof *u);

    if (!u) {
        zip_free(z);
        return out_of_memory(err);
    }
    u->zip = z;
    u->cap = f->block_max;
    u->bytes = malloc(u->cap);
    if (!u->bytes)
        return out_of_memory(err);
    u->tail.held = true;
    s->unpack = TAKE(u);
    return 0;
}

static int unpack_open(struct reading *r, struct err *err)
{
    struct zip *z;
    int e = zip_new(r->s->fd, &z, err);

    return e < 0 ? e : unpack_new(r->f, r->s, z, err);
}

/* One reading of the archive. 1 = something came, 0 = nothing yet, or nothing any more. */
static int unpack_some(struct unpack *u, char *p, size_t n, size_t *ret_got)
{
    ssize_t got = zip_read(u->zip, p, n, &u->fault);

    *ret_got = got > 0 ? (size_t)got : 0;
    if (got == -EAGAIN)
        u->fault.code = 0;
    u->over = u->over || (got <= 0 && got != -EAGAIN);
    return got > 0;
}

/*
 * On the way to an offset where an earlier process stopped. 1 = there, 0 = call again,
 * -ESTALE = the content at the offset is not what was read.
 */
static int pass_over(struct stream *s)
{
    struct unpack *u = s->unpack;

    for (unsigned i = 0; i < PROBES_A_TURN; i++) {
        uint64_t at = zip_position(u->zip), left = s->offset - at;
        size_t got;

        if (left == 0)
            return u->tail.n == 0 || known_is(&s->mark, u->tail.bytes + u->tail.n - s->mark.n)
                       ? 1
                       : -ESTALE;
        if (!unpack_some(u, u->bytes, left < u->cap ? (size_t)left : u->cap, &got))
            return u->over ? -ESTALE : 0;
        if (at == 0 && (got < s->head.n || !known_is(&s->head, u->bytes)))
            return -ESTALE;
        mark_move(&u->tail, slice_of(u->bytes, got));
    }
    return 0;
}

/* Fills what is unpacked ahead. 1 = it can be looked at, 0 = call again, <0 as stream_read(). */
static int unpack_ahead(struct reading *r, struct err *err)
{
    struct stream *s = r->s;
    struct unpack *u;
    struct stat st;
    int e = s->unpack ? 0 : unpack_open(r, err);

    if (e < 0)
        return e;
    u = s->unpack;
    if (fstat(s->fd, &st) < 0 || stream_is(s, s->fd, &st) <= 0)
        return -ESTALE;
    s->mtime_ns = s->packed.mtime_ns;
    if (u->n == 0 && !u->over && zip_position(u->zip) < s->offset) {
        e = pass_over(s);
        if (e <= 0)
            return e;
    }
    while (u->n < u->cap && !u->over) {
        size_t got;

        if (!unpack_some(u, u->bytes + u->n, u->cap - u->n, &got))
            break;
        u->n += got;
    }
    return u->n == u->cap || u->over;
}

static int packed_over(struct reading *r, struct err *err)
{
    struct stream *s = r->s;
    struct unpack *u = s->unpack;
    AUTO_BUF members = BUF_INIT;
    struct json_writer w = json_writer(&members);

    if (s->skip || (s->flags & STREAM_SKIP)) {
        r->end = true;
        return read_rest_of_long(r, err);
    }
    s->packed.done = s->dirty = s->ended = true;
    if (!u->fault.code)
        return 0;
    if (r->f->in->once)
        return err_set(err, u->fault.code, "'%s' %s", s->where, u->fault.text);
    json_member_str(&w, "error", u->fault.text);
    file_notice(r->f, "source.unreadable", s->where, buf_view(&members));
    return 0;
}

/* As text_begins() finds it: a hole before the first line does not count. */
static bool learn_packed_key(struct stream *s, struct slice bytes, bool end)
{
    size_t nuls = 0;

    while (nuls < bytes.n && bytes.p[nuls] == '\0')
        nuls++;
    if (nuls >= NUL_RUN_MIN)
        bytes = slice_skip(bytes, nuls);
    return bytes.n && stream_key(bytes, end, s->key);
}

static int read_packed(struct reading *r, struct err *err)
{
    struct stream *s = r->s;
    uint64_t before = s->offset;
    int got = unpack_ahead(r, err);
    struct unpack *u = s->unpack;
    char *p;

    s->ready = got == 0;
    if (got <= 0)
        return got;
    if (u->n == 0)
        return packed_over(r, err);
    p = arena_text(r->b->arena, u->n);
    if (!p)
        return out_of_memory(err);
    memcpy(p, u->bytes, u->n);
    r->bytes = slice_of(p, u->n);
    r->end = u->over;
    r->b->backfill = s->packed.mtime_ns / 1000 + OLD_US < clock_now(r->f->in->clock);
    if (!s->key_known)
        s->key_known = learn_packed_key(s, r->bytes, r->end);
    got = take(r, err);
    u->n -= s->offset - before;
    memmove(u->bytes, u->bytes + (s->offset - before), u->n);
    s->ready = true;
    return got;
}

int stream_read(struct file_input *f, struct stream *s, struct block *b, bool end, struct err *err)
{
    struct reading r = { .f = f, .s = s, .b = b, .last = end, .packed = s->packed.size > 0 };

    s->ready = false;
    s->used = ++f->clock_of_use;
    return r.packed ? read_packed(&r, err) : read_plain(&r, err);
}
