#include "logwatch/core-private.h"
#include "logwatch/sender.h"

#include <errno.h>
#include <stdio.h>

#include "base/fault.h"
#include "base/file.h"
#include "base/utf8.h"
#include "logwatch/core-alarm.h"
#include "logwatch/core-entry.h"
#include "logwatch/core-replay.h"
#include "logwatch/core-trail.h"
#include "logwatch/follow.h"
#include "logwatch/wire.h"
#include <config.h>

#define RESERVE_BYTES (16 << 20)
/* Of the outbox: rows with their end are kept so long, and dropped a few at a time. */
#define HISTORY_US (UINT64_C(90) * 86400 * USEC_PER_SEC)
#define PRUNE_EVERY_US (UINT64_C(600) * USEC_PER_SEC)
#define PRUNE_STEPS 4
#define PRUNE_ROWS 500 /* of one step, as the store does it */

static void batch_open(struct core *core)
{
    arena_reset(core->arena);
    batch_init(&core->batch, core->arena, clock_now(core->clock));
    core->once_only = false;
    if (!core->queue)
        return; /* they are opened one after another */
    core_people_begin(core->people, &core->batch);
    core_tell_begin(core->tell, &core->batch);
    core_queue_begin(core->queue, &core->batch);
    core_bans_begin(core->bans, &core->batch);
}

/* ---- start ---- */

/* What cannot be read again must survive a power failure from its commit on. */
static bool any_once_only(const struct config *c)
{
    for (size_t i = 0; i < inputs_count(c); i++)
        if (inputs_at(c, i)->ops->once_only)
            return true;
    return false;
}

static int restore_signal(void *ctx, const struct signal *s)
{
    struct core *core = ctx;

    return correlator_restore(core->correlator, s, NULL);
}

/* The state is older than the checkpoint: a restored or lost database. It goes on by itself. */
static int replay(struct core *core, uint64_t from, struct err *err)
{
    struct audit_range range = { from, audit_end(core->audit).count };
    AUTO_BUF b = BUF_INIT;

    if (range.to <= 1) /* nothing but the genesis: a new trail */
        return 0;
    log_warning("the state is older than the signed trail: entries %llu to %llu are kept, their"
                " lines are read again and what comes again is dropped",
                (unsigned long long)range.from, (unsigned long long)range.to - 1);
    buf_printf(&b, "\"from\":%llu,\"to\":%llu", (unsigned long long)range.from,
               (unsigned long long)range.to);
    if (!buf_ok(&b) || core_note(core, "state.replay", buf_view(&b), err) < 0)
        return err_nomem(err);
    return core_replay_begin(core->store, core->audit, &core->batch, range, err);
}

static int open_trail(struct core *core, struct err *err)
{
    uint64_t replay_from = UINT64_MAX;
    int r = core_trail_open(core->config, core->clock, core->batch.now_us, core->store,
                            &core->audit, &replay_from, err);

    if (r == 0 && replay_from != UINT64_MAX)
        r = replay(core, replay_from, err);
    return r;
}

/* Rows of receivers that are not configured any more: nobody would ever take them. */
static int on_receiver(void *ctx, const struct receiver_row *row)
{
    struct core *core = ctx;

    if (sender_index(core->config, row->receiver) != SIZE_MAX ||
        row->rows[DELIVERY_WAITING] + row->rows[DELIVERY_RETRY] == 0)
        return 0;
    return core_give_up(core, row->receiver, "receiver is not configured any more", NULL);
}

static int open_telling(struct core *core, struct err *err)
{
    uint64_t now = clock_now(core->clock);
    int r = core_people_new(core->store, now, &core->people, err);

    if (r == 0)
        r = core_tell_new(core->config, core->store, core->audit, core->people, &core->tell, err);
    if (r == 0)
        r = core_bans_new(core->config, core->store, &core->bans, err);
    if (r == 0)
        r = core_queue_new(core->config, core->store, core->people, now, &core->queue, err);
    if (r < 0)
        return r;
    core_bans_begin(core->bans, &core->batch);
    core_people_begin(core->people, &core->batch);
    core_tell_begin(core->tell, &core->batch);
    core_queue_begin(core->queue, &core->batch);
    r = core_tell_load(core->tell, err);
    if (r == 0)
        r = core_bans_start(core->bans, err);
    if (r == 0)
        r = store_receivers_each(core->store, on_receiver, core, err);
    return r == -ENOMEM ? err_nomem(err) : r;
}

static int note_start(struct core *core, const char *why, struct err *err)
{
    AUTO_BUF b = BUF_INIT;
    AUTO_BUF rules = BUF_INIT;
    AUTO_BUF config = BUF_INIT;

    buf_hex(&rules, core->config->engine->rules_digest, 32);
    buf_hex(&config, core->config->digest, 32);
    if (!buf_ok(&rules) || !buf_ok(&config))
        return err_nomem(err);
    buf_printf(&b, "\"version\":\"%s\",\"rules_sha256\":\"%s\",\"config_sha256\":\"%s\"%s",
               PACKAGE_VERSION, rules.p, config.p,
               audit_unclean(core->audit) ? ",\"unclean\":true" : "");
    if (!buf_ok(&b))
        return err_nomem(err);
    return core_note(core, why, buf_view(&b), err);
}

int core_attach(const struct config *c, const struct clock *clock, struct core **ret_core,
                struct err *err)
{
    AUTO(core) core = calloc(1, sizeof *core);
    AUTO_BUF path = BUF_INIT;
    int r;

    if (!core)
        return err_nomem(err);
    core->config = c;
    core->clock = clock;
    core->arena = arena_new(1 << 18, 256 << 20);
    core->correlator = correlator_new(c->engine->rules, c->groups_max);
    core->time = core_time_new(c, clock_now(clock));
    buf_printf(&path, "%s/trailwarden.db", c->state);
    if (!core->arena || !core->correlator || !core->time || !buf_ok(&path))
        return err_nomem(err);
    batch_open(core);
    if (dir_make(-1, c->state, 0750, err) < 0)
        return err_code(err);
    if (store_open(path.p, true, &core->store, err) < 0)
        return err_code(err);
    store_reserve(core->store, RESERVE_BYTES);
    if (any_once_only(c) && store_sync(core->store, true, err) < 0)
        return err_code(err);
    r = open_trail(core, err);
    if (r == 0)
        r = core_keep_owed(core, err);
    if (r < 0)
        return r;
    if (core_anchors_new(c, core->store, &core->anchors, err) < 0)
        return err_code(err);
    r = open_telling(core, err);
    if (r < 0)
        return r;
    r = store_signals_each(core->store, restore_signal, core, err);
    if (r < 0)
        return err_while(err, "stored windows");
    *ret_core = TAKE(core);
    return 0;
}

int core_open(const struct config *c, const struct clock *clock, const char *why,
              struct core **ret_core, struct err *err)
{
    AUTO(core) core = NULL;
    int r = core_attach(c, clock, &core, err);

    if (r == 0)
        r = note_start(core, why, err);
    if (r < 0)
        return r;
    fault_point(FAULT_CORE_STARTED);
    *ret_core = TAKE(core);
    return 0;
}

void core_free(struct core *core)
{
    if (!core)
        return;
    correlator_free(core->correlator);
    core_time_free(core->time);
    core_anchors_free(core->anchors);
    core_queue_free(core->queue);
    core_bans_free(core->bans);
    core_tell_free(core->tell);
    core_people_free(core->people);
    audit_free(core->audit);
    store_free(core->store);
    arena_free(core->arena);
    free(core);
}

/* ---- cursors for a reader ---- */

struct cursor_list {
    struct follow_cursor *items;
    size_t n, cap, input;
    struct arena *arena;
};

static int add_cursor(void *ctx, const struct cursor *c)
{
    struct cursor_list *l = ctx;
    struct follow_cursor *item;

    if (l->n == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : 16;
        struct follow_cursor *items = arena_array(l->arena, cap, sizeof *items);

        if (!items)
            return -ENOMEM;
        if (l->n)
            memcpy(items, l->items, l->n * sizeof *items);
        l->items = items;
        l->cap = cap;
    }
    item = &l->items[l->n++];
    item->input = l->input;
    item->cursor.stream = arena_slice(l->arena, c->stream);
    item->cursor.value = arena_slice(l->arena, c->value);
    return item->cursor.stream.p && item->cursor.value.p ? 0 : -ENOMEM;
}

int core_cursors(struct core *core, struct arena *a, struct follow_cursor **ret_cursors,
                 size_t *ret_n, struct err *err)
{
    struct cursor_list l = { .arena = a };
    const struct config_input *in;

    for (; (in = inputs_at(core->config, l.input)); l.input++)
        if (store_cursors_each(core->store, slice_str(in->name), add_cursor, &l, err) < 0)
            return err_while(err, "cursors of '%s'", in->name);
    *ret_cursors = l.items;
    *ret_n = l.n;
    return 0;
}

struct store *core_store(struct core *core)
{
    return core->store;
}

struct audit *core_audit(struct core *core)
{
    return core->audit;
}

/* ---- what an alert leads to ---- */

/* Evidence, messages and ban of one alert. */
int core_respond(struct core *core, const struct alert *alert, struct err *err)
{
    AUTO_BUF hex = BUF_INIT;
    AUTO_BUF text = BUF_INIT;
    struct json_writer w = json_writer(&text);
    struct slice id, document;

    core->batch.now_us = clock_now(core->clock); /* it may have been opened long ago */
    buf_hex(&hex, alert->id, sizeof alert->id);
    alert_json(alert, &w);
    if (!entry_keep(core->arena, &hex, &id) || !entry_keep(core->arena, &text, &document))
        return err_nomem(err);
    if (entry_of_alert(&core->batch, core->config, alert) < 0)
        return err_nomem(err);
    if (core_tell_alert(core->tell, alert, id, document, err) < 0)
        return err_code(err);
    /* After a lost state the trail knows that it was ordered. */
    if (!alert->ban.wanted || audit_delivered(core->audit, id, SLICE("bans")))
        return 0;
    return core_bans_order(core->bans, alert, id, err);
}

struct core_bans *core_bans(const struct core *core)
{
    return core->bans;
}

int core_ban_result(struct core *core, const struct ban_result *r, struct err *err)
{
    core->batch.now_us = clock_now(core->clock);
    return core_bans_result(core->bans, r, err);
}

static bool known_in_batch(const struct core *core, size_t before, const struct alert *alert)
{
    for (size_t i = 0; i < before; i++)
        if (memcmp(core->batch.alerts[i]->id, alert->id, sizeof alert->id) == 0)
            return true;
    return false;
}

/* New alerts stay, repeats (a file read again under another name) go. */
static int respond_all(struct core *core, size_t first, struct err *err)
{
    struct batch *b = &core->batch;
    size_t kept = first;

    for (size_t i = first; i < b->nalerts; i++) {
        struct alert *alert = b->alerts[i];

        int known =
            known_in_batch(core, kept, alert) ? 1 : store_alert_known(core->store, alert->id, err);

        if (known < 0)
            return known;
        if (known)
            continue;
        b->alerts[kept++] = alert;
        if (core_respond(core, alert, err) < 0)
            return err_code(err);
    }
    b->nalerts = kept;
    return 0;
}

/* ---- taking ---- */

static int take_matches(struct core *core, const struct reader_result *result, struct err *err)
{
    size_t first = core->batch.nalerts;

    for (size_t i = 0; i < result->nmatches; i++) {
        const struct match *m = &result->matches[i];
        int r = 0;

        if (m->rule == MATCH_AUDIT)
            r = entry_of_event(&core->batch, m->event) < 0 ? err_nomem(err) : 0;
        else if (correlator_take(core->correlator, m, &core->batch, err) < 0)
            r = err_code(err);
        if (r < 0)
            return r;
    }
    if (correlator_settle(core->correlator, &core->batch, err) < 0)
        return err_code(err);
    return respond_all(core, first, err);
}

int core_cursor(struct core *core, struct slice input, struct cursor cursor, struct err *err)
{
    struct cursor_update *u = batch_cursor(&core->batch);

    if (!u)
        return err_nomem(err);
    u->input = arena_slice(core->arena, input);
    u->cursor.stream = arena_slice(core->arena, cursor.stream);
    u->cursor.value = arena_slice(core->arena, cursor.value);
    return u->input.p && u->cursor.stream.p && u->cursor.value.p ? 0 : err_nomem(err);
}

static int take_cursors(struct core *core, const struct reader_result *result, struct err *err)
{
    for (size_t i = 0; i < result->ncursors; i++)
        if (core_cursor(core, slice_str(result->input->name), result->cursors[i], err) < 0)
            return err_code(err);
    return 0;
}

static int take_notices(struct core *core, const struct reader_result *result, struct err *err)
{
    for (size_t i = 0; i < result->nnotices; i++) {
        const struct notice *n = &result->notices[i];
        AUTO_BUF b = BUF_INIT;
        struct json_writer w = json_writer(&b);

        json_member_str(&w, "input", result->input->name);
        json_member_slice(&w, "name", result->name);
        if (n->members.n) {
            buf_char(&b, ',');
            buf_slice(&b, n->members);
        }
        if (!buf_ok(&b) || core_note(core, n->type, buf_view(&b), err) < 0)
            return err_nomem(err);
    }
    return 0;
}

static int take_counts(struct core *core, const struct reader_result *result, struct err *err)
{
    struct channel_count *c = batch_count(&core->batch, result->input->channel->name);
    struct input_health *h = batch_health(&core->batch, slice_str(result->input->name));

    if (!c || !h)
        return err_nomem(err);
    c->lines += result->lines;
    c->bytes += result->bytes;
    c->parsed += result->parsed;
    c->unparsed += result->unparsed;
    c->matches += result->nmatches;
    if (result->last_event_us > c->last_event_us)
        c->last_event_us = result->last_event_us;
    h->channel = result->input->channel->name;
    h->lag_bytes = result->lag.bytes;
    h->lag_since_us = result->lag.since_us;
    h->streams = result->lag.streams;
    h->trouble = result->trouble;
    if (result->last_event_us > h->last_event_us)
        h->last_event_us = result->last_event_us;
    core->once_only = core->once_only || (result->input->ops->once_only && result->lines);
    return 0;
}

static int tell_windows(struct core *core, struct err *err)
{
    struct correlator_stats now = correlator_stats(core->correlator);
    AUTO_BUF b = BUF_INIT;

    if (!core_windows_judge(&core->windows, &now, core->config, clock_now(core->clock), &b))
        return 0;
    return buf_ok(&b) ? core_note(core, "windows.evicted", buf_view(&b), err) : err_nomem(err);
}

int core_take(struct core *core, const struct reader_result *result, struct err *err)
{
    int r;

    core_time_take(core->time, result, clock_now(core->clock));
    correlator_behind(core->correlator, core_time_behind(core->time, clock_now(core->clock)));
    r = take_matches(core, result, err);

    if (r == 0)
        r = take_notices(core, result, err);
    if (r == 0)
        r = take_counts(core, result, err);
    if (r == 0)
        r = take_cursors(core, result, err);
    if (r == 0)
        r = tell_windows(core, err);
    fault_point(FAULT_CORE_AFTER_TAKE);
    return r;
}

static struct digest_from digest_from(const struct core *core)
{
    return (struct digest_from){ core->config, core->store, core->audit };
}

uint64_t core_people_next_us(const struct core *core)
{
    const struct digest_from from = digest_from(core);
    uint64_t over = core_tell_due_us(core->tell), digest = core_digest_due_us(&from),
             ban = core_bans_due_us(core->bans);

    over = over < digest ? over : digest;
    return over < ban ? over : ban;
}

uint64_t core_due_us(const struct core *core)
{
    uint64_t due = correlator_due_us(core->correlator);

    return due == UINT64_MAX ? due : due + LATENESS_US;
}

/* What became of old messages is nobody's question any more; the trail knows it for ever. */
static int prune_history(struct core *core, uint64_t now_us, struct err *err)
{
    int n = PRUNE_ROWS;

    if (now_us < core->prune_us || now_us < HISTORY_US)
        return 0;
    core->prune_us = now_us + PRUNE_EVERY_US;
    for (unsigned i = 0; i < PRUNE_STEPS && n == PRUNE_ROWS; i++)
        n = store_outbox_prune(core->store, now_us - HISTORY_US, err);
    return n < 0 ? err_code(err) : 0;
}

static int tick_digests(struct core *core, uint64_t now_us, struct err *err)
{
    const struct digest_from from = digest_from(core);

    return core_digest_due_us(&from) > now_us ? 0
                                              : core_digest_tick(&from, &core->batch, now_us, err);
}

int core_tick(struct core *core, struct err *err)
{
    uint64_t now = clock_now(core->clock), behind = core_time_behind(core->time, now);
    uint64_t over = now > LATENESS_US ? now - LATENESS_US : 0; /* nothing older will come */
    size_t first = core->batch.nalerts;

    core->batch.now_us = now;
    if (core_tell_tick(core->tell, now, err) < 0 || tick_digests(core, now, err) < 0 ||
        core_bans_tick(core->bans, now, err) < 0 || prune_history(core, now, err) < 0)
        return err_code(err);
    if (behind && behind < over)
        over = behind;
    if (correlator_due_us(core->correlator) > over)
        return 0;
    if (correlator_advance(core->correlator, over, &core->batch, err) < 0)
        return err_code(err);
    return respond_all(core, first, err);
}

int core_note(struct core *core, const char *type, struct slice members, struct err *err)
{
    struct slice kept = arena_slice(core->arena, members);
    char *name = arena_str(core->arena, slice_str(type));
    struct entry *e = name ? batch_entry(&core->batch, name) : NULL;

    if (!e || !kept.p)
        return err_nomem(err);
    e->members = kept;
    return 0;
}

int core_keep_owed(struct core *core, struct err *err)
{
    return audit_keep_owed(core->audit, &core->batch, err);
}

/* ---- the commit ---- */

bool core_dirty(const struct core *core)
{
    return !batch_empty(&core->batch) || core->batch.ncounts;
}

bool core_urgent(const struct core *core)
{
    const struct batch *b = &core->batch;

    return b->nentries || b->nalerts || b->noutcomes || b->noutgoing || b->nchanges ||
           b->nincidents || b->nsilences || b->nbans || b->nsignals > 4096 || core->once_only;
}

static int commit_batch(struct core *core, struct err *err);

/* The disk is full: what keeps room back is deleted once, and the alarm is in the same commit. */
static int commit_with_reserve(struct core *core, struct err *err)
{
    if (!store_reserve_release(core->store))
        return err_code(err);
    log_error("the disk is full: the reserve is in use, and nothing is read until there is room");
    if (core_note(core, "disk.full", SLICE_NONE, err) < 0)
        return err_code(err);
    core->full = true;
    return commit_batch(core, err);
}

bool core_has_room(struct core *core)
{
    if (!core->full)
        return true;
    if (!store_reserve_restore(core->store))
        return false;
    log_notice("the disk has room again: the reserve is whole");
    core->full = false;
    (void)core_note(core, "disk.room", SLICE_NONE, NULL);
    return true;
}

/*
 * One batch becomes evidence, then true, then action. The order is the
 * promise: the transaction holds cursor, signals, alerts, outgoing rows and
 * the trail's new length together. What it does not cover never happened: a
 * restart cuts those lines off the trail and reads the input again.
 */
static int commit_batch(struct core *core, struct err *err)
{
    struct batch *b = &core->batch;
    struct correlator_stats windows = correlator_stats(core->correlator);

    b->now_us = clock_now(core->clock);
    b->needed_us = core_time_needed(core->time, b->now_us);
    if (core_windows_save(core->store, &windows, err) < 0)
        return err_code(err);
    if (audit_append(core->audit, b, err) < 0)
        return err_while(err, "trail '%s'", core->config->trail);
    if (store_commit(core->store, b, err) < 0) /* the one commit point */
        return err_while(err, "state '%s'", core->config->state);
    audit_committed(core->audit, &b->trail);
    batch_open(core);
    return 0;
}

int core_commit(struct core *core, struct err *err)
{
    int r = commit_batch(core, err);

    return r == -ENOSPC || r == -EDQUOT ? commit_with_reserve(core, err) : r;
}

/* A checkpoint may leave the host at once, so the state that it covers is durable before it. */
int core_checkpoint(struct core *core, bool now, struct err *err)
{
    if (audit_checkpoint_due(core->audit, now) && store_flush(core->store, err) < 0)
        return err_while(err, "state '%s'", core->config->state);
    if (audit_checkpoint(core->audit, now, err) < 0)
        return err_while(err, "checkpoint of '%s'", core->config->trail);
    return 0;
}
