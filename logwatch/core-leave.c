/* What leaves: messages and checkpoints, and how it went. */
#include <errno.h>
#include <stdio.h>

#include "logwatch/core-alarm.h"
#include "logwatch/core-entry.h"
#include "logwatch/core-private.h"

/* Attempts that will be repeated are news only the first time: an outage of hours must not fill the
 * trail. */
static bool worth_an_entry(const struct core_delivery *d)
{
    return d->state != DELIVERY_RETRY || d->attempts == 1;
}

static int delivery_entry(struct core *core, const struct core_delivery *d, struct err *err)
{
    return worth_an_entry(d) && entry_of_delivery(&core->batch, d) < 0 ? err_nomem(err) : 0;
}

static int put_outcome(struct core *core, const struct core_delivery *d, struct err *err)
{
    struct outcome *o = batch_outcome(&core->batch);

    if (!o)
        return err_nomem(err);
    *o = (struct outcome){
        .id = d->row,
        .state = d->state,
        .attempts = d->attempts,
        .not_before_us = d->not_before_us,
        .status = arena_slice(core->arena, d->status),
        .remote = arena_slice(core->arena, d->remote),
    };
    return o->status.p && o->remote.p ? 0 : err_nomem(err);
}

/* ---- anchors ---- */

static int tell_contradiction(struct core *core, struct slice by, const char *status,
                              struct err *err)
{
    AUTO_BUF text = BUF_INIT;

    log_error("the trail is contradicted by '%.*s': %s", SLICE_FMT(by), status);
    buf_printf(&text,
               "%s. The trail may have been rolled back or written anew. Keep all of it as it is, "
               "and look: trailwarden trail verify --against NOTE, with notes kept elsewhere",
               status);
    if (!buf_ok(&text))
        return err_nomem(err);
    return core_alarm(core,
                      &(struct core_alarm){ .rule = "trailwarden-trail-contradicted",
                                            .title = "A checkpoint kept elsewhere contradicts the "
                                                     "audit trail",
                                            .subject = by,
                                            .description = buf_view(&text) },
                      err);
}

/* What an anchor says is believed as far as it can be checked; then it is an outcome like others.
 */
static int anchor_outcome(struct core *core, const struct core_delivery *d, struct err *err)
{
    struct core_delivery now = *d;
    struct anchoring_answer a = {
        .state = d->state, .said = d->said, .size = d->size, .reply = d->reply
    };
    AUTO_BUF members = BUF_INIT;
    enum anchoring how;

    snprintf(a.status, sizeof a.status, "%.*s", SLICE_FMT(slice_take(d->status, 160)));
    how = core_anchors_take(core->anchors, d->receiver, audit_end(core->audit).count, &a, &members);
    now.state = a.state;
    now.status = slice_str(a.status);
    if (how == ANCHORING_AGAIN && now.state == DELIVERY_RETRY)
        now.not_before_us = clock_now(core->clock);
    else if (d->state == DELIVERY_SENT && now.state == DELIVERY_RETRY)
        now.not_before_us = clock_now(core->clock) + sink_backoff_us(d->attempts, d->row);
    if (put_outcome(core, &now, err) < 0 || !buf_ok(&members))
        return err_nomem(err);
    if (how == ANCHORING_CONTRADICTED && core_anchors_news(core->anchors, d->receiver, d->size) &&
        tell_contradiction(core, d->receiver, a.status, err) < 0)
        return err_code(err);
    if (members.n)
        return core_note(core,
                         how == ANCHORING_CONTRADICTED ? "trail.contradicted" : "trail.anchor",
                         buf_view(&members), err);
    return how != ANCHORING_AGAIN ? delivery_entry(core, &now, err) : 0;
}

/* The receiver refuses for good: the others hear of it, once. */
static int tell_broken(struct core *core, const struct core_delivery *d, struct err *err)
{
    AUTO_BUF text = BUF_INIT;

    log_error("receiver '%.*s' is broken: %.*s", SLICE_FMT(d->receiver), SLICE_FMT(d->status));
    buf_printf(&text,
               "%.*s. Nothing gets through to it any more. Mend its token or address, then: "
               "trailwarden notify retry --receiver %.*s",
               SLICE_FMT(d->status), SLICE_FMT(d->receiver));
    if (!buf_ok(&text))
        return err_nomem(err);
    return core_alarm(core,
                      &(struct core_alarm){ .rule = "trailwarden-receiver-broken",
                                            .title = "A receiver refuses all messages",
                                            .subject = d->receiver,
                                            .description = buf_view(&text) },
                      err);
}

int core_outcome(struct core *core, const struct core_delivery *d, struct err *err)
{
    const struct queue_outcome o = { .state = d->state,
                                     .attempts = d->attempts,
                                     .not_before_us = d->not_before_us,
                                     .now_us = clock_now(core->clock),
                                     .broken = d->broken };

    if (core_queue_outcome(core->queue, d->receiver, &o) && tell_broken(core, d, err) < 0)
        return err_code(err);
    if (slice_is(d->kind, "anchor"))
        return anchor_outcome(core, d, err);
    if (put_outcome(core, d, err) < 0)
        return err_code(err);
    return delivery_entry(core, d, err);
}

/* Notes that left and are kept here contradict what the trail is now. */
static int tell_kept(struct core *core, const char *why, struct err *err)
{
    AUTO_BUF members = BUF_INIT;
    struct json_writer w = json_writer(&members);

    if (core->notes_told)
        return 0;
    core->notes_told = true;
    json_member_str(&w, "receiver", "kept notes");
    json_member_str(&w, "state", "contradicted");
    json_member_str(&w, "status", why);
    if (!buf_ok(&members) || core_note(core, "trail.contradicted", buf_view(&members), err) < 0)
        return err_nomem(err);
    return tell_contradiction(core, SLICE("kept notes"), why, err);
}

int core_anchor(struct core *core, struct err *err)
{
    struct audit_checkpoint_says c;
    AUTO_BUF why = BUF_INIT;
    bool first = !core->notes_checked;

    if (!first && core_anchors_due_us(core->anchors) > clock_now(core->clock))
        return 0;
    if (audit_note_read(audit_note(core->audit), &c) < 0)
        return 0; /* nothing is signed yet */
    core->notes_checked = true;
    if (first && core_anchors_rolled_back(core->anchors, &c, &why) && buf_ok(&why) &&
        tell_kept(core, why.p, err) < 0)
        return err_code(err);
    return core_anchors_tick(core->anchors, &core->batch, c.size, clock_now(core->clock), err);
}

uint64_t core_anchor_due_us(const struct core *core)
{
    return core_anchors_due_us(core->anchors);
}

int core_anchor_order(struct core *core, struct slice receiver, struct buf *out, struct err *err)
{
    return core_anchors_order(core->anchors, receiver, clock_now(core->clock), out, err);
}

/* A message waits for nothing: it goes without the note when the note cannot be kept. */
struct slice core_note_to_send(struct core *core)
{
    struct slice note = audit_note(core->audit);
    struct err err = ERR_NONE;
    uint64_t missed;

    if (note.n == 0 || core_anchors_keep(core->anchors, note, clock_now(core->clock), &err) == 0)
        return note;
    if (err.code == -EUCLEAN) /* no memory for the alarm: the log says it below */
        (void)tell_kept(core, err.text, NULL);
    if (log_gate(&core->keep_gate, clock_mono(core->clock), &missed))
        log_error("the checkpoint is not sent along, for it cannot be kept: %s", err.text);
    return SLICE_NONE;
}

int core_alarm(struct core *core, const struct core_alarm *alarm, struct err *err)
{
    struct alert *alert = core_alarm_alert(core->arena, alarm, clock_now(core->clock));

    if (!alert || batch_alert(&core->batch, alert) < 0)
        return err_nomem(err);
    return core_respond(core, alert, err);
}

/* ---- the next row ---- */

int core_next(struct core *core, struct slice receiver,
              int (*fn)(void *ctx, const struct outbox_row *row, struct slice first_remote),
              void *ctx, struct err *err)
{
    return core_queue_next(core->queue, receiver, clock_now(core->clock), fn, ctx, err);
}

uint64_t core_next_us(struct core *core, struct slice receiver)
{
    return core_queue_due_us(core->queue, receiver);
}

struct giving_up {
    struct core *core;
    const char *why;
    struct err *err;
};

static int give_up(void *ctx, const struct outbox_row *row)
{
    struct giving_up *g = ctx;
    const struct core_delivery d = { .row = row->id,
                                     .key = row->key,
                                     .receiver = row->receiver,
                                     .kind = row->kind,
                                     .state = DELIVERY_DEAD,
                                     .attempts = row->attempts,
                                     .status = slice_str(g->why) };

    if (put_outcome(g->core, &d, g->err) < 0)
        return err_code(g->err);
    return delivery_entry(g->core, &d, g->err);
}

int core_give_up(struct core *core, struct slice receiver, const char *why, struct err *err)
{
    const struct outbox_filter waiting = { .receiver = receiver,
                                           .states = 1u << DELIVERY_WAITING | 1u << DELIVERY_RETRY,
                                           .limit = 100000 };
    struct giving_up g = { core, why, err };

    return store_outbox_list(core->store, &waiting, give_up, &g, err);
}
