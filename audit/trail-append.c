/* Entries behind the committed end: provisional until the store has committed it. */
#include "audit/trail-private.h"

#include <errno.h>
#include <stdio.h>

#include "base/fault.h"
#include "base/json.h"

#define STEP_US USEC_PER_SEC

struct append {
    struct audit *a;
    struct buf lines; /* of the open segment */
    struct trail_end end; /* provisional */
};

static int flush_lines(struct append *p, struct err *err)
{
    int r;

    if (p->lines.n == 0)
        return 0;
    if (!buf_ok(&p->lines))
        return err_nomem(err);
    r = trail_write(p->a, buf_view(&p->lines), p->end.bytes - p->lines.n, err);
    buf_reset(&p->lines);
    return r;
}

/* The day of the open segment is that of its first entry. */
static bool another_day(const struct append *p, uint64_t time_us)
{
    struct audit *a = p->a;
    uint64_t day = 86400 * USEC_PER_SEC;

    if (p->end.segment != a->end.segment) /* it began in this batch */
        return false;
    if (a->day_segment != a->end.segment || a->day_us == 0) {
        a->day_segment = a->end.segment;
        a->day_us = keep_first_time(a, a->end.segment);
    }
    return a->day_us != UINT64_MAX && time_us / day != a->day_us / day;
}

/* A new segment at a multiple of 256 when the open one is large or of another day. */
static int maybe_roll_segment(struct append *p, uint64_t time_us, struct err *err)
{
    struct audit *a = p->a;

    if (p->end.count % TILE_WIDTH || p->end.count == p->end.segment ||
        !(p->end.count - p->end.segment >= SEGMENT_ENTRIES || p->end.bytes >= SEGMENT_BYTES ||
          another_day(p, time_us)))
        return 0;
    if (flush_lines(p, err) < 0)
        return err_code(err);
    p->end.segment = p->end.count;
    p->end.bytes = 0;
    if (trail_open_segment(a, p->end.segment, err) < 0)
        return err_code(err);
    if (ftruncate(a->segment_fd, 0) < 0)
        return err_set(err, -errno, "cannot cut a segment: %s", err_name(errno));
    fault_point(FAULT_TRAIL_NEW_SEGMENT);
    return 0;
}

static int append_one(struct append *p, const struct entry *e, uint64_t time_us, struct err *err)
{
    struct audit *a = p->a;
    size_t before;
    struct hash *pending;

    if (maybe_roll_segment(p, time_us, err) < 0)
        return err_code(err);
    before = p->lines.n;
    if (entry_line(&a->maker, e, p->end.count, time_us, &p->lines) < 0)
        return err_nomem(err);
    pending = trail_grown(a->pending, a->npending, &a->pending_cap, sizeof *pending);
    if (!pending)
        return err_nomem(err);
    a->pending = pending;
    pending[a->npending++] = leaf_of_line(slice_of(p->lines.p + before, p->lines.n - before - 1));
    p->end.count++;
    p->end.bytes += p->lines.n - before;
    return 0;
}

/* `t` never goes back; a step of the clock is an entry of its own with the true reading. */
static int append_clock(struct append *p, uint64_t wall, uint64_t *ret_time, struct err *err)
{
    struct audit *a = p->a;
    uint64_t mono = clock_mono(a->config.clock);
    uint64_t expected = a->last_now_us + (mono - a->last_mono_us);
    bool step = a->clock_known && (wall + STEP_US < expected || wall > expected + STEP_US);
    struct entry e = { .type = SLICE("clock.step") };
    AUTO_BUF b = BUF_INIT;
    struct json_writer w = json_writer(&b);
    int r = 0;

    *ret_time = wall > a->last_time_us ? wall : a->last_time_us;
    if (step && !a->config.clock->given) {
        json_member_time(&w, "clock", wall);
        json_member_time(&w, "expected", expected);
        e.members = buf_view(&b);
        r = append_one(p, &e, *ret_time, err);
    }
    a->pending_now_us = wall; /* known when the batch is committed: a retry says the step again */
    a->pending_mono_us = mono;
    return r;
}

/* It was signed before the state knew of it, and its line was read again. */
static bool dropped(struct audit *a, const struct entry *e)
{
    AUTO_BUF line = BUF_INIT;
    struct entry bare = { .type = e->type, .members = e->members };

    if (!a->replayed || entry_line(&a->maker, &bare, 0, 0, &line) < 0)
        return false;
    return trail_replayed(a, slice_of(line.p, line.n - 1));
}

static bool epoch_is_due(const struct audit *a)
{
    return a->epoch_due || trail_now(a) >= a->epoch_start_us + a->config.epoch_s * USEC_PER_SEC;
}

/* The last entry of its batch: the checkpoint of exactly this size ends the old epoch. */
static int append_epoch(struct append *p, uint64_t time_us, struct err *err)
{
    struct audit *a = p->a;
    struct entry e = { .type = SLICE("key.epoch") };
    AUTO_BUF vkey = BUF_INIT;
    AUTO_BUF b = BUF_INIT;
    struct json_writer w = json_writer(&b);
    char name[40];

    trail_epoch_file(name, a->epoch_n + 1);
    key_wipe(&a->next_epoch);
    if (trail_new_key(a, name, &a->next_epoch, err) < 0)
        return err_code(err);
    vkey_text(&a->next_epoch.public, &vkey);
    json_member_u64(&w, "epoch", a->epoch_n + 1);
    json_member_buf(&w, "epoch_vkey", &vkey);
    e.members = buf_view(&b);
    if (append_one(p, &e, time_us, err) < 0)
        return err_code(err);
    a->pending_epoch = true;
    return 0;
}

static int append_all(struct append *p, const struct batch *b, uint64_t time_us, struct err *err)
{
    struct audit *a = p->a;
    struct entry beat = { .type = SLICE("heartbeat") };

    for (size_t i = 0; i < b->nentries; i++)
        if (!dropped(a, &b->entries[i]) && append_one(p, &b->entries[i], time_us, err) < 0)
            return err_code(err);
    if (epoch_is_due(a) && append_epoch(p, time_us, err) < 0)
        return err_code(err);
    if (p->end.count == a->end.count &&
        time_us >= a->last_entry_us + a->config.heartbeat_s * USEC_PER_SEC)
        return append_one(p, &beat, time_us, err);
    return 0;
}

/* Room for all tiles that the pending leaves can fill: audit_committed() cannot fail. */
static int room_for_tiles(struct audit *a, struct err *err)
{
    size_t need = a->nfull + a->npending / (TILE_WIDTH - 1) + LEVELS_MAX;
    struct full_tile *t;

    if (need <= a->full_cap)
        return 0;
    t = realloc(a->full, need * sizeof *t);
    if (!t)
        return err_nomem(err);
    a->full = t;
    a->full_cap = need;
    return 0;
}

static int append_batch(struct audit *a, struct batch *b, struct err *err)
{
    struct append p = { .a = a, .end = a->end };
    uint64_t time_us;
    int r = 0;

    if (a->roll_at) /* the epoch ends at exactly this size: sign before anything is added */
        r = audit_checkpoint(a, true, err);
    if (r == 0 && a->doubt)
        r = trail_recheck(a, err);
    if (r < 0)
        return r;
    a->npending = 0;
    a->pending_epoch = false;
    r = append_clock(&p, trail_now(a), &time_us, err);
    if (r == 0)
        r = append_all(&p, b, time_us, err);
    if (r == 0)
        r = room_for_tiles(a, err);
    if (r == 0)
        r = flush_lines(&p, err);
    if (r < 0 && p.end.segment != a->end.segment) /* back to the committed segment */
        (void)trail_open_segment(a, a->end.segment, NULL);
    buf_fini(&p.lines);
    if (r < 0)
        return r;
    b->trail = p.end;
    if (p.end.count > a->end.count)
        a->last_time_us = time_us;
    return 0;
}

int audit_append(struct audit *a, struct batch *b, struct err *err)
{
    return trail_outcome(&a->append_tries, append_batch(a, b, err), err);
}

void audit_committed(struct audit *a, const struct trail_end *end)
{
    if (end->count != a->end.count + a->npending)
        return; /* not the batch that was appended last: nothing to take over */
    for (size_t i = 0; i < a->npending; i++)
        (void)edge_add(a->edge, &a->pending[i], trail_keep_full, a); /* room_for_tiles() */
    a->clock_known = true;
    a->last_now_us = a->pending_now_us;
    a->last_mono_us = a->pending_mono_us;
    if (a->npending)
        a->last_entry_us = a->last_time_us;
    if (a->pending_epoch) {
        a->roll_at = end->count;
        a->epoch_due = false;
        a->epoch_start_us = trail_now(a);
    }
    a->end = *end;
    a->npending = 0;
    a->pending_epoch = false;
}
