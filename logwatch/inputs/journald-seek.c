/*
 * Finding the place: at the start, after files went away, after clocks jumped.
 *
 * Everything is read, also the entries of other units: only without matches do
 * the numbers of a sequence run without a hole, and a hole is the one sign of
 * entries that were deleted before we read them. A hole is looked at twice:
 * journald may have written to the file of a user while we were already behind
 * it in the system's.
 *
 * libsystemd sorts the entries of different sequences and boots by time. With a
 * clock that was set back it puts new ones before our place and never returns
 * them. The headers of the files show them; then we read again from the
 * beginning, and pass over what was consumed.
 */
#include <errno.h>

#include "base/json.h"
#include "logwatch/inputs/journald-private.h"

#define STRAYS_US (1 * USEC_PER_SEC)
#define CONSUMED_MAX 100000
#define SET_BACK "\"reason\":\"a clock was set back: entries lie before the cursor\""

int journal_open_handle(const struct journald_options *o, sd_journal **ret)
{
    const char **paths;
    int r;

    if (o->files.n == 0 && !o->directory)
        return sd_journal_open(ret, SD_JOURNAL_LOCAL_ONLY);
    if (o->files.n == 0)
        return sd_journal_open_directory(ret, o->directory, 0);
    paths = calloc(o->files.n + 1, sizeof *paths);
    if (!paths)
        return -ENOMEM;
    memcpy(paths, o->files.items, o->files.n * sizeof *paths);
    r = sd_journal_open_files(ret, paths, 0);
    free(paths);
    return r;
}

/* Files that were deleted make sd_journal_next() fail on the same spot until this is called. */
void journal_process(struct journal *s)
{
    (void)sd_journal_process(s->j);
}

static void note(struct journal *s, const char *type, const char *members)
{
    s->notice_type = type;
    buf_reset(&s->notice);
    buf_str(&s->notice, members);
}

bool journal_consumed(struct journal *s, const struct place *at)
{
    const struct sequence *q = sequence_find(s, at->id);

    return q && at->seqnum <= q->seqnum;
}

/* The same entry under another number: journald copied it from /run to /var. */
bool journal_copied(const struct journal *s, const struct place *at)
{
    const struct place *p = s->again ? &s->before : &s->place;

    if (!s->cursor || memcmp(at->id, p->id, sizeof at->id) == 0 ||
        memcmp(at->boot, p->boot, sizeof at->boot) != 0)
        return false;
    return s->again ? at->mono_us <= p->mono_us
                    : at->mono_us == p->mono_us && at->realtime_us == p->realtime_us &&
                          at->hash == p->hash;
}

/* ---- the start ---- */

struct survey {
    struct journal *s;
    bool any, known; /* files with entries; one of the sequence that we were in */
    uint64_t tail; /* of that sequence */
};

static void survey_file(void *ctx, const struct journal_header *h)
{
    struct survey *v = ctx;

    v->any = v->any || !h->empty;
    if (memcmp(h->id, v->s->place.id, sizeof h->id) != 0)
        return;
    v->known = true;
    v->tail = h->tail > v->tail ? h->tail : v->tail;
}

static void reach_tail(void *ctx, const struct journal_header *h)
{
    sequence_reach(ctx, h->id, h->tail);
}

/* What was deleted before our first start is no loss. */
static void reach_head(void *ctx, const struct journal_header *h)
{
    struct sequence *q = sequence_find(ctx, h->id);

    if (h->empty)
        return;
    if (!q)
        sequence_reach(ctx, h->id, h->head - 1);
    else if (q->seqnum >= h->head)
        q->seqnum = h->head - 1;
}

/* All from the beginning; what was consumed of other sequences stays so. */
static int resync(struct journal *s, const char *reason)
{
    AUTO_BUF members = BUF_INIT;
    struct json_writer w = json_writer(&members);

    json_member_str(&w, "reason", reason);
    if (!buf_ok(&members))
        return -ENOMEM;
    note(s, "source.resync", members.p);
    free(s->cursor);
    s->cursor = NULL;
    s->standing = false;
    s->again = true;
    return sd_journal_seek_head(s->j);
}

static int seek_cursor(struct journal *s)
{
    int r;

    s->standing = false;
    if (!s->cursor) {
        r = sd_journal_seek_head(s->j);
        r = r < 0 ? r : sd_journal_next(s->j);
        s->standing = r > 0;
        return r;
    }
    r = sd_journal_seek_cursor(s->j, s->cursor);
    if (r >= 0)
        r = sd_journal_next(s->j);
    if (r > 0)
        s->standing = sd_journal_test_cursor(s->j, s->cursor) <= 0;
    return r;
}

/*
 * A journal that ends before the stored cursor, or that has nothing of our
 * sequence and nothing behind our place, is another one: it was replaced or set
 * back. It is read from its beginning, for a repeat is recognised and a loss is not.
 */
static int seek_stored(struct journal *s, const struct journald_options *o)
{
    struct survey v = { .s = s };
    int r = seek_cursor(s);

    (void)journal_files(o, survey_file, &v);
    if (r < 0)
        return r;
    if (v.known && v.tail && v.tail < s->place.seqnum) {
        sequence_forget(s, s->place.id);
        return resync(s, "the journal ends before the stored cursor");
    }
    if (r == 0 && v.any && !v.known) {
        s->lost_end = true;
        s->lost = s->place;
        return resync(s, "the journal is another one");
    }
    return 0;
}

static int seek_end(struct journal *s, const struct journald_options *o)
{
    int r;

    (void)journal_files(o, reach_tail, s);
    r = sd_journal_seek_tail(s->j);
    if (r >= 0)
        r = sd_journal_previous(s->j);
    if (r == 0) /* nothing at all yet: all that comes is new */
        return sd_journal_seek_head(s->j);
    if (r > 0)
        r = place_here(s->j, &s->cursor, &s->place);
    if (r >= 0)
        sequence_reach(s, s->place.id, s->place.seqnum);
    return r;
}

int journal_start(struct input *in)
{
    const struct journald_options *o = in->state;
    struct journal *s = in->private;

    if (s->cursor)
        return seek_stored(s, o);
    s->dirty = !in->once;
    if (in->first_start && !in->once && o->from == JOURNAL_END)
        return seek_end(s, o);
    if (in->first_start)
        (void)journal_files(o, reach_head, s);
    return sd_journal_seek_head(s->j);
}

/* ---- the handle ---- */

static int focus(struct journal *s)
{
    AUTO_BUF b = BUF_INIT;

    sd_journal_flush_matches(s->j);
    if (!s->focused)
        return 0;
    buf_str(&b, "_BOOT_ID=");
    buf_hex(&b, s->focus, sizeof s->focus);
    return buf_ok(&b) ? sd_journal_add_match(s->j, b.p, b.n) : -ENOMEM;
}

/* A new handle at the same place: gives memory back, and is the last help when it fails. */
int journal_reopen(struct input *in)
{
    struct journal *s = in->private;
    sd_journal *j;
    int r = journal_open_handle(in->state, &j);

    if (r < 0)
        return r;
    sd_journal_close(s->j);
    s->j = j;
    s->bloated = false;
    in->fd = sd_journal_get_fd(j); /* before the seek */
    in->fd = in->fd < 0 ? -1 : in->fd;
    r = focus(s);
    return r < 0 ? r : seek_cursor(s);
}

int journal_step(struct input *in)
{
    struct journal *s = in->private;
    int r;

    if (s->standing)
        return 1;
    r = sd_journal_next(s->j);
    if (r >= 0)
        return r;
    journal_process(s);
    r = sd_journal_next(s->j);
    if (r >= 0)
        return r;
    r = journal_reopen(in);
    if (r < 0 || s->standing)
        return r < 0 ? r : 1;
    return sd_journal_next(s->j);
}

/* ---- holes ---- */

/* Where the next entry behind our place is, that was not consumed. 1 = we stand on it. */
static int look_again(struct journal *s, struct place *ret, bool *ret_gone)
{
    int r;

    journal_process(s);
    r = seek_cursor(s);
    *ret_gone = s->standing;
    if (r > 0 && !s->standing)
        r = sd_journal_next(s->j);
    s->standing = false;
    for (unsigned n = 0; r > 0 && n < CONSUMED_MAX; n++) {
        if (place_here(s->j, NULL, ret) >= 0 && !journal_consumed(s, ret))
            break;
        r = sd_journal_next(s->j);
    }
    s->standing = r > 0;
    return r;
}

static int tell_gap(struct block *b, const uint8_t id[16], uint64_t from, uint64_t to,
                    const char *sequence)
{
    AUTO_BUF members = BUF_INIT;
    AUTO_BUF text = BUF_INIT;
    struct json_writer w = json_writer(&members);

    buf_hex(&text, id, 16);
    json_member_buf(&w, "stream", &text);
    json_member_u64(&w, "from", from);
    if (to)
        json_member_u64(&w, "to", to);
    if (sequence)
        json_member_str(&w, "sequence", sequence);
    return buf_ok(&members) && buf_ok(&text) ? block_notice(b, "source.gap", buf_view(&members))
                                             : -ENOMEM;
}

struct least {
    const struct place *at, *place;
    uint64_t from, least; /* the lowest number from `from` on that a file has */
    bool copied; /* by a file of the boot that we are in */
    bool later; /* a file has later numbers of our own sequence */
};

static void find_least(void *ctx, const struct journal_header *h)
{
    struct least *l = ctx;
    uint64_t n = h->head > l->from ? h->head : l->from;

    if (memcmp(h->id, l->place->id, sizeof h->id) == 0)
        l->later = l->later || h->empty || h->tail > l->place->seqnum;
    if (!l->at || h->empty || memcmp(h->id, l->at->id, sizeof h->id) != 0 || h->tail < l->from ||
        n >= l->at->seqnum)
        return;
    l->least = n < l->least ? n : l->least;
    l->copied = l->copied || memcmp(h->boot, l->place->boot, sizeof h->boot) == 0;
}

static int tell_end(struct block *b, const struct place *last)
{
    return tell_gap(b, last->id, last->seqnum + 1, 0, "ended");
}

/* All is passed again from the beginning, without what was consumed. `ended`: see struct hole. */
static int scan_again(struct pass *p, bool ended)
{
    struct journal *s = p->s;

    if (ended && tell_end(p->b, &s->place) < 0)
        return -ENOMEM;
    s->standing = false;
    s->again = true;
    s->before = s->place;
    return sd_journal_seek_head(s->j);
}

/*
 * Another sequence than that of our place. Lower numbers that the files still have were sorted
 * before our place: copies, when journald moves entries from /run to /var in the boot that we are
 * in; else the clock was set back. When our place itself was deleted and nothing is left of its
 * sequence, what came after it may be lost. 1 = go on, 0 = all is passed again.
 */
static int judge_switch(struct pass *p, const struct place *at, bool gone, struct hole *h)
{
    struct journal *s = p->s;
    struct least l = { .at = at, .place = &s->place, .from = h->from, .least = at->seqnum };
    int r;

    (void)journal_files(p->in->state, find_least, &l);
    h->ended = gone && !l.later && !l.copied;
    if (l.least < at->seqnum && !l.copied && !s->again) {
        note(s, "source.resync", SET_BACK);
        s->focused = false;
        r = focus(s);
        return r < 0 ? r : scan_again(p, h->ended);
    }
    h->to = l.least - 1;
    h->any = h->to >= h->from;
    return 1;
}

int journal_hole(struct pass *p, const struct place *at, struct hole *ret)
{
    struct journal *s = p->s;
    const struct sequence *q = sequence_find(s, at->id);
    struct hole h = { .from = q ? q->seqnum + 1 : 1, .to = at->seqnum - 1 };
    struct place next;
    bool gone = false;
    int r = 1;

    *ret = (struct hole){ 0 };
    h.first = !q;
    h.any = h.to >= h.from;
    if (!s->whole || s->nsequences == 0 || (q && at->seqnum == h.from))
        return 1;
    if (!s->again) {
        r = look_again(s, &next, &gone);
        if (r <= 0 || !place_same(&next, at))
            return r < 0 ? r : 0;
        s->standing = false;
    }
    if (s->cursor && memcmp(at->id, s->place.id, sizeof at->id) != 0)
        r = judge_switch(p, at, gone, &h);
    if (r > 0)
        *ret = h;
    return r;
}

int journal_tell_hole(struct pass *p, const struct hole *h, const struct place *at)
{
    int r = 0;

    if (h->ended)
        r = tell_end(p->b, &p->s->place);
    if (r == 0 && h->any)
        r = tell_gap(p->b, at->id, h->from, h->to, h->first ? "new" : NULL);
    return r;
}

int journal_tell_start(struct journal *s, struct block *b)
{
    const char *type = s->notice_type;
    int r = type ? block_notice(b, type, buf_view(&s->notice)) : 0;

    if (r == 0 && s->lost_end)
        r = tell_end(b, &s->lost);
    s->notice_type = NULL;
    s->lost_end = false;
    return r;
}

/* ---- entries before our place ---- */

struct stray {
    struct journal *s;
    bool found;
    uint8_t id[16], boot[16];
};

/* In one boot the monotonic clock sorts, which never goes back: what it puts before us is old. */
static void find_stray(void *ctx, const struct journal_header *h)
{
    struct stray *f = ctx;
    const struct sequence *q = sequence_find(f->s, h->id);

    if (f->found || h->empty || (q && h->tail <= q->seqnum) ||
        memcmp(h->boot, f->s->boot, sizeof h->boot) == 0 ||
        (f->s->focused && memcmp(h->boot, f->s->focus, sizeof h->boot) == 0))
        return;
    f->found = true;
    memcpy(f->id, h->id, sizeof f->id);
    memcpy(f->boot, h->boot, sizeof f->boot);
}

/*
 * The first time all is passed again. Entries that come to the same sequence later are of the boot
 * that is running: that boot alone is followed then, for it needs no sorting.
 */
static int aim(struct pass *p, const struct stray *f)
{
    struct journal *s = p->s;
    struct least l = { .place = &s->place };
    bool gone;
    int r;

    s->focused = false;
    r = focus(s);
    gone = r < 0 || seek_cursor(s) <= 0 || s->standing;
    (void)journal_files(p->in->state, find_least, &l);
    s->focused = s->scanned && memcmp(s->scanned_id, f->id, sizeof f->id) == 0;
    s->scanned = true;
    memcpy(s->scanned_id, f->id, sizeof s->scanned_id);
    memcpy(s->focus, f->boot, sizeof s->focus);
    r = focus(s);
    return r < 0 ? r : scan_again(p, gone && !l.later && s->whole);
}

int journal_strays(struct pass *p)
{
    struct input *in = p->in;
    struct journal *s = p->s;
    struct stray f = { .s = s };
    uint64_t now = clock_mono(in->clock);
    int r;

    s->strays_due = s->cursor && !in->once && now < s->strays_us;
    if (!s->cursor || s->strays_due)
        return 0;
    s->strays_us = now + STRAYS_US;
    (void)journal_files(in->state, find_stray, &f);
    if (!f.found)
        return 0;
    journal_process(s);
    r = sd_journal_next(s->j);
    if (r != 0) {
        s->standing = r > 0;
        return r;
    }
    r = aim(p, &f);
    if (r < 0)
        return r;
    if (!s->focused)
        note(s, "source.resync", SET_BACK);
    return 1;
}
