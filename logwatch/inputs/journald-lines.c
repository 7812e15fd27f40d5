/*
 * Long lines. journald cuts what a program writes at 48 KiB and marks each part
 * but the last. The parts are put together by looking ahead from the first one,
 * so the line has its own place whatever lies between and wherever a block
 * ends. Parts that lie further on are passed over when their turn comes; that
 * is remembered with the cursor.
 *
 * Parts of one line came within five seconds: at the journal's end we wait that
 * long, and in an old journal a later part is not taken either. So a line is
 * the same live and in a replay.
 */
#include <errno.h>

#include "logwatch/inputs/journald-private.h"

#define LOOK_MAX 2048
#define SLACK_US (1 * USEC_PER_SEC)

enum outcome {
    LINE_COMPLETE,
    LINE_FULL, /* longer than is wanted: the other parts only have to be passed over */
    LINE_CUT_OFF, /* the rest came too late, or too far away */
    LINE_AT_END, /* of the journal */
};

struct gathering {
    struct pass *p;
    struct record *record;
    struct place first, last; /* parts that are in it */
    struct place joined; /* the last one before which nothing lay between */
    char *cursor; /* of that one; NULL: the first */
    struct slice stream;
    uint64_t pid;
    bool between;
};

static bool is_line(const struct open_line *l, struct slice stream, uint64_t pid)
{
    return l->pid == pid && slice_eq(slice_of(l->stream, l->nstream), stream);
}

struct open_line *line_find(struct journal *s, const struct entry_fields *f)
{
    for (size_t i = 0; f->stream.n && i < s->nlines; i++)
        if (is_line(&s->lines[i], f->stream, f->pid))
            return &s->lines[i];
    return NULL;
}

void line_close(struct journal *s, struct open_line *line)
{
    size_t i = (size_t)(line - s->lines);

    s->nlines--;
    memmove(line, line + 1, (s->nlines - i) * sizeof *line);
}

static void line_open(struct journal *s, const struct gathering *g, uint64_t until)
{
    struct open_line *l;

    if (s->nlines == JOURNAL_LINES_MAX)
        line_close(s, s->lines); /* the oldest: its program died in the middle of a line */
    l = &s->lines[s->nlines++];
    *l = (struct open_line){ .nstream = g->stream.n, .pid = g->pid, .until = until };
    memcpy(l->stream, g->stream.p, g->stream.n);
}

static int append(struct gathering *g, struct slice more)
{
    struct pass *p = g->p;
    struct slice have = g->record->text;
    char *text;

    more = slice_take(more, p->max + 1 - have.n);
    text = arena_text(p->b->arena, have.n + more.n + 1);
    if (!text)
        return -ENOMEM;
    memcpy(text, have.p, have.n);
    memcpy(text + have.n, more.p, more.n);
    g->record->text = slice_of(text, have.n + more.n);
    p->bytes += more.n;
    return 0;
}

/* 1 = it is a part and was taken, 0 = it is not, <0 = failed; *ret says how the line stands. */
static int take_part(struct gathering *g, enum outcome *ret)
{
    struct journal *s = g->p->s;
    struct entry_fields f;
    struct place at;
    char *cursor;
    int r;

    if (!entry_is(s->j, "_STREAM_ID", arena_str(g->p->b->arena, g->stream)))
        return 0;
    if (entry_read(s->j, g->p->b->arena, g->p->max, &f, &s->bloated) < 0 || f.pid != g->pid ||
        place_here(s->j, &cursor, &at) < 0)
        return 0;
    if (at.mono_us > g->first.mono_us + JOURNAL_PART_WAIT_US) {
        *ret = LINE_CUT_OFF;
        free(cursor);
        return 1;
    }
    g->between = g->between || at.seqnum != g->last.seqnum + 1;
    r = append(g, f.message);
    if (r == 0 && !g->between) {
        free(g->cursor);
        g->cursor = TAKE(cursor);
        g->joined = at;
    }
    free(cursor);
    g->last = at;
    *ret = !slice_is(f.line_break, "line-max") ? LINE_COMPLETE
           : g->record->text.n > g->p->max     ? LINE_FULL
                                               : LINE_AT_END;
    return r < 0 ? r : 1;
}

static int look_ahead(struct gathering *g, enum outcome *ret)
{
    struct journal *s = g->p->s;

    *ret = g->record->text.n > g->p->max ? LINE_FULL : LINE_AT_END;
    for (unsigned n = 1; *ret == LINE_AT_END && n <= LOOK_MAX; n++) {
        int r;

        if (n % JOURNAL_PROCESS_EVERY == 0)
            journal_process(s);
        r = sd_journal_next(s->j);
        if (r <= 0)
            return 0;
        r = take_part(g, ret);
        if (r < 0)
            return r;
        g->between = g->between || r == 0;
    }
    if (*ret == LINE_AT_END)
        *ret = LINE_CUT_OFF;
    return 0;
}

/* Is it worth waiting for the other parts? */
static bool may_grow(const struct gathering *g)
{
    const struct input *in = g->p->in;
    struct journal *s = g->p->s;
    uint64_t now = clock_mono(in->clock), wait = JOURNAL_PART_WAIT_US + SLACK_US;

    if (in->once || clock_now(in->clock) > g->first.realtime_us + wait)
        return false;
    if (!s->held_us)
        s->held_us = now;
    return now < s->held_us + wait;
}

/* Back on the entry of this cursor; on the one behind it when it was deleted meanwhile. */
static int stand_on(struct journal *s, const char *cursor, bool *ret_there)
{
    int r = sd_journal_seek_cursor(s->j, cursor);

    if (r >= 0)
        r = sd_journal_next(s->j);
    *ret_there = r > 0 && sd_journal_test_cursor(s->j, cursor) > 0;
    return r;
}

static int hold(struct gathering *g, const char *cursor)
{
    struct pass *p = g->p;
    bool there;
    int r = stand_on(p->s, cursor, &there);

    p->bytes -= g->record->text.n;
    p->b->nrecords--;
    p->hold = true;
    p->s->standing = r > 0;
    return r < 0 ? r : 0;
}

/* How far we are then: at the last part when nothing lay between, else at the part before that. */
static int settle(struct gathering *g, char **cursor, struct place *at)
{
    bool there;
    int r;

    if (g->cursor) {
        free(*cursor);
        *cursor = TAKE(g->cursor);
        *at = g->joined;
    }
    r = stand_on(g->p->s, *cursor, &there);
    g->p->s->standing = r > 0 && !there;
    return r < 0 ? r : 0;
}

int line_gather(struct pass *p, const struct entry_fields *f, char **cursor, struct place *at)
{
    struct gathering g = { .p = p,
                           .record = &p->b->records[p->b->nrecords - 1],
                           .first = *at,
                           .last = *at,
                           .stream = f->stream,
                           .pid = f->pid };
    enum outcome outcome;
    int r;

    if (f->stream.n == 0 || f->stream.n > sizeof p->s->lines[0].stream)
        return 0;
    r = look_ahead(&g, &outcome);
    if (r == 0 && outcome == LINE_AT_END && may_grow(&g)) {
        r = hold(&g, *cursor);
    } else if (r == 0) {
        p->s->held_us = 0;
        if (outcome == LINE_AT_END || outcome == LINE_CUT_OFF)
            g.record->flags |= RECORD_PARTIAL;
        if (outcome != LINE_COMPLETE || g.between)
            line_open(p->s, &g,
                      outcome == LINE_COMPLETE || outcome == LINE_FULL ? UINT64_MAX
                                                                       : g.last.seqnum);
        r = settle(&g, cursor, at);
    }
    free(g.cursor);
    return r;
}
