/*
 * Whose turn it is: one block of one stream, then the next stream; and the
 * generations of a log in their order.
 *
 * What was written before a rotation is read before what came after it, or
 * windows of rules see another story than a replay. So a stream's turn belongs
 * to the oldest generation of its log that has something to give. One that is
 * held is judged again first: its original may have been cut since. Is it still
 * not known whether it is a copy (cp is at work, or the log began with a few
 * bytes), the newer ones wait, but not longer than a file is young: a copy that
 * is never completed must not stop the log. Nobody waits for a copy of what is
 * read elsewhere, and no log waits for another one.
 *
 * What an older file gets while a newer one waits for it is not waited for: somebody
 * who writes into a rotated file faster than we read must not hide the log (and
 * app.1 and app.2 may be two instances). So from time to time a mark is set at the
 * end of each file, and who waits is done when a mark was passed that is younger
 * than the waiting.
 */
#include <errno.h>

#include "logwatch/inputs/file-private.h"

#define LOOKS_MAX 8 /* scans before the first block, because names moved */

/*
 * Before anything of a stream is believed. A copy that was made and a cut since the last scan
 * would leave the new content under the old name: so names that moved are looked at first.
 */
static enum hold names_hold(struct file_input *f, struct stream *s)
{
    bool names = false;

    if (s->looks >= LOOKS_MAX)
        return HOLD_NOT;
    (void)watches_read(f, &names);
    f->names_moved = f->names_moved || names;
    if (!f->names_moved)
        return HOLD_NOT;
    s->looks++;
    f->scan_us = file_now(f);
    f->again = true;
    return HOLD_WAIT;
}

static enum hold hold(struct file_input *f, struct stream *s)
{
    struct stat st;

    if (!s->first_look || s->packed.size)
        return HOLD_NOT;
    if (fstat(s->fd, &st) < 0 || st.st_size == 0)
        return HOLD_COPY; /* if it is one; there is nothing to wait for */
    if (names_hold(f, s))
        return HOLD_WAIT;
    if (content_refusal(s->fd, (uint64_t)st.st_size)) {
        f->scan_us = file_now(f); /* it will say so */
        return HOLD_COPY;
    }
    return file_hold(f, s);
}

static int lost_while_reading(struct file_input *f, struct stream *s)
{
    struct stat st;

    if (s->offset > 0 && !s->packed.size && fstat(s->fd, &st) == 0)
        stream_cut(f, s, &st);
    else if (s->offset > 0)
        stream_lost(f, s);
    f->scan_us = file_now(f);
    f->again = true;
    return 0;
}

static int read_one(struct file_input *f, struct stream *s, struct block *b, struct err *err)
{
    int r;

    if (packs_before(f, s))
        return 0; /* and it stays ready */
    s->ready = false;
    s->held = hold(f, s);
    if (s->held != HOLD_WAIT)
        s->wait_us = 0;
    else if (!s->wait_us)
        s->wait_us = file_now(f);
    if (s->held)
        return 0;
    s->first_look = false;
    s->waits_from = 0;
    r = stream_read(f, s, b, stream_is_over(f, s), err);
    if (s->offset >= s->goal) {
        s->passed = s->goal_set;
        s->goal_set = f->turns;
        s->goal = s->size;
    }
    s->first_look = s->offset == 0 && !s->packed.size;
    if (s->packed.done) {
        stream_detach(f, s);
        f->scan_us = file_now(f); /* the next one may begin */
        f->again = true;
    }
    return r == -ESTALE ? lost_while_reading(f, s) : r;
}

/* ---- the order of generations ---- */

static bool is_open(const struct stream *s)
{
    return s->fd >= 0 && !s->forgotten && !s->refusal;
}

static bool is_ready(const struct stream *s)
{
    return s->ready && is_open(s);
}

static int cmp_names(const struct stream *a, const struct stream *b)
{
    char root[NAME_MAX + 1];

    name_root(name_base(b->where), root);
    return name_cmp_age(root, name_base(a->where), name_base(b->where));
}

/* The log itself, not a rotated file that a glob names as well. */
static bool is_log(const struct stream *s)
{
    char root[NAME_MAX + 1];

    name_root(name_base(s->where), root);
    return s->state == STREAM_LIVE && strcmp(root, name_base(s->where)) == 0;
}

/* By their names where both have one; what was deleted has only its time, and its last name. */
static bool is_before(const struct stream *a, const struct stream *b)
{
    int r = cmp_names(a, b);

    if (r != 0 && a->found && b->found)
        return r < 0;
    if (is_log(a) != is_log(b))
        return is_log(b);
    return a->seen_ns != b->seen_ns ? a->seen_ns < b->seen_ns : r < 0;
}

/* Found by the same name, or names of one log in one folder: a glob may name the rotated files as
 * well. */
static bool are_one_log(const struct stream *a, const struct stream *b)
{
    char x[NAME_MAX + 1], y[NAME_MAX + 1];

    if (strcmp(a->path, b->path) == 0)
        return true;
    if (!name_same_folder(a->where, b->where))
        return false;
    name_root(name_base(a->where), x);
    name_root(name_base(b->where), y);
    return strcmp(x, y) == 0;
}

/* May the stream have to wait for this one? */
static bool may_come_first(const struct stream *o, const struct stream *s)
{
    if (!is_open(o) || o->packed.size || o == s)
        return false;
    if (s->waits_from && o->passed > s->waits_from)
        return false;
    return o->ready || o->held == HOLD_WAIT || (o->held && s->first_look);
}

static struct stream *older_generation(const struct file_input *f, struct stream *s, uint64_t turn)
{
    struct stream *first = s;

    for (size_t i = 0; i < f->nstreams; i++) {
        struct stream *o = f->streams[i];

        if (o->turn != turn && may_come_first(o, s) && are_one_log(o, s) && is_before(o, s) &&
            (first == s || is_before(o, first)))
            first = o;
    }
    return first;
}

static bool must_wait_for(const struct file_input *f, const struct stream *o)
{
    if (is_ready(o))
        return true; /* it is not done yet */
    return is_open(o) && o->held == HOLD_WAIT && file_now(f) < o->wait_us + YOUNG_US;
}

/* The stream's turn; the older generations of the same log take it first. */
static int read_turn(struct file_input *f, struct stream *s, struct block *b, struct err *err)
{
    uint64_t turn = ++f->turns;
    struct stream *o;

    while ((o = older_generation(f, s, turn)) != s) {
        int r;

        o->turn = turn;
        r = read_one(f, o, b, err);
        if (r > 0 && !s->waits_from)
            s->waits_from = turn;
        if (r != 0 || f->again || must_wait_for(f, o))
            return r;
    }
    return is_ready(s) ? read_one(f, s, b, err) : 0;
}

int turns_read(struct file_input *f, struct block *b, struct err *err)
{
    size_t n = f->nstreams;

    for (size_t i = 0; i < n; i++) {
        size_t at = (f->turn + i) % n;
        int r;

        if (!is_ready(f->streams[at]))
            continue;
        r = read_turn(f, f->streams[at], b, err);
        if (r == 0 && !f->again)
            continue;
        f->turn = at + 1;
        return r;
    }
    return 0;
}
