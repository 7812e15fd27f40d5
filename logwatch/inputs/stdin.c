/*
 * stdin: lines that come through a pipe, a terminal or a redirected file.
 *
 * What went through a pipe cannot be read again, so there is no cursor: a
 * stop in the middle loses what was on its way. Positions count bytes, and
 * the identity of the stream is that of its first line: a file given here
 * yields the same source keys as the same file followed by name.
 */
#include <errno.h>
#include <poll.h>

#include "logwatch/inputs/common.h"
#include "logwatch/inputs/lines.h"

#define BLOCK_BYTES (UINT64_C(1) << 20)

struct stdin_options {
    uint64_t max_line;
};

static const struct option stdin_options[] = {
    { .name = "max_line",
      .type = OPTION_SIZE,
      .offset = AT(struct stdin_options, max_line),
      .fallback = "64KiB",
      .min = "1KiB",
      .max = "16MiB",
      .help = "Longer lines are cut here and marked." },
    { 0 },
};

struct stdin_input {
    char *bytes; /* what was read and not handed over */
    size_t n, cap;
    uint64_t position; /* of the first of them */
    uint64_t quiet_us; /* since when nothing came */
    struct long_line *skip;
    uint8_t key[16];
    bool key_known, eof, ended;
};

static int stdin_open(struct input *in, struct err *err)
{
    const struct stdin_options *o = in->state;
    struct stdin_input *s = calloc(1, sizeof *s);
    size_t block = in->block_max ? in->block_max : BLOCK_BYTES;

    if (!s)
        return err_nomem(err);
    in->private = s;
    s->cap = block > o->max_line ? block : o->max_line + 1;
    s->bytes = malloc(s->cap);
    if (!s->bytes)
        return err_nomem(err);
    s->quiet_us = clock_mono(in->clock);
    in->fd = STDIN_FILENO;
    in->events = POLLIN;
    return 0;
}

static void stdin_close(struct input *in)
{
    struct stdin_input *s = in->private;

    if (!s)
        return;
    long_line_free(s->skip);
    free(s->bytes);
    free(s);
    in->private = NULL;
    in->fd = -1;
}

/* Takes what is there without waiting. */
static int fill(struct input *in, struct stdin_input *s, struct err *err)
{
    struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };
    ssize_t n;

    while (!s->eof && s->n < s->cap && poll(&p, 1, 0) > 0) {
        n = read(STDIN_FILENO, s->bytes + s->n, s->cap - s->n);
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
            return 0;
        if (n < 0)
            return err_set(err, -errno, "cannot read stdin: %s", err_name(errno));
        s->eof = n == 0;
        s->n += (size_t)n;
        s->quiet_us = clock_mono(in->clock);
    }
    return 0;
}

static void drop(struct stdin_input *s, size_t n)
{
    s->n -= n;
    s->position += n;
    memmove(s->bytes, s->bytes + n, s->n);
}

/* The rest of a long line. True when something is to be told. */
static int skip_rest(struct stdin_input *s, struct block *b, struct err *err)
{
    bool done;
    int r = 0;

    drop(s, long_line_skip(s->skip, slice_of(s->bytes, s->n), &done));
    if (!done && !s->eof)
        return 0;
    if (long_line_notice(s->skip, b) < 0)
        r = err_nomem(err);
    long_line_free(s->skip);
    s->skip = NULL;
    return r < 0 ? r : 1;
}

static int skip_nuls(struct stdin_input *s, size_t n, struct block *b, struct err *err)
{
    AUTO_BUF members = BUF_INIT;

    buf_printf(&members, "\"position\":%llu,\"bytes\":%zu", (unsigned long long)s->position, n);
    drop(s, n);
    if (!buf_ok(&members) || block_notice(b, "source.nulls", buf_view(&members)) < 0)
        return err_nomem(err);
    return 1;
}

static int hand_over(struct stdin_input *s, struct cut cut, const struct stdin_options *o,
                     struct block *b, struct err *err)
{
    struct slice bytes = slice_of(s->bytes, cut.n);

    if (!s->key_known)
        s->key_known = stream_key(slice_of(s->bytes, s->n), s->eof, s->key);
    memcpy(b->stream, s->key, sizeof b->stream);
    b->bytes = arena_slice(b->arena, bytes);
    if (!b->bytes.p)
        return err_nomem(err);
    b->ends = cut.ends;
    b->position = s->position;
    b->last_flags = cut.kind == CUT_PARTIAL ? RECORD_PARTIAL
                    : cut.kind == CUT_LONG  ? RECORD_TRUNCATED
                                            : 0;
    if (cut.kind == CUT_LONG) {
        bool done;

        s->skip = long_line_new(s->position);
        if (!s->skip)
            return err_nomem(err);
        (void)long_line_skip(s->skip, slice_of(s->bytes, o->max_line), &done);
    }
    drop(s, cut.n);
    return 1;
}

static int take(struct input *in, struct stdin_input *s, struct block *b, struct err *err)
{
    const struct stdin_options *o = in->state;
    uint64_t idle_us = in->framing ? in->framing->idle_us : 0;
    struct cut_rules rules = {
        .framing = in->framing,
        .line_max = o->max_line,
        .arena = b->arena,
        .full = s->n == s->cap,
        .idle = clock_mono(in->clock) >= s->quiet_us + idle_us,
        .end = s->eof,
    };
    struct cut cut;

    if (s->skip)
        return skip_rest(s, b, err);
    cut = lines_cut(slice_of(s->bytes, s->n), &rules);
    if (cut.kind == CUT_NOTHING)
        return 0;
    if (cut.kind == CUT_NULS)
        return skip_nuls(s, cut.n, b, err);
    return hand_over(s, cut, o, b, err);
}

static int stdin_read(struct input *in, struct block *b, struct err *err)
{
    struct stdin_input *s = in->private;
    int r;

    if (s->ended)
        return 0;
    r = fill(in, s, err);
    if (r < 0)
        return r;
    b->name = SLICE("stdin");
    b->received_us = clock_now(in->clock);
    r = take(in, s, b, err);
    if (r < 0)
        return r;
    if (s->eof && s->n == 0 && !s->skip) {
        s->ended = true;
        b->end = true;
        return 1;
    }
    in->wake_us = 0;
    if (s->n && in->framing && s->quiet_us + in->framing->idle_us > clock_mono(in->clock))
        in->wake_us = s->quiet_us + in->framing->idle_us;
    return r;
}

const struct input_ops input_stdin = {
    .name = "stdin",
    .summary = "lines that come through a pipe",
    .options = stdin_options,
    .state_size = sizeof(struct stdin_options),
    .open = stdin_open,
    .read = stdin_read,
    .close = stdin_close,
};
