#include "logwatch/core-queue.h"

#include <errno.h>
#include <limits.h>

#include "base/hash.h"
#include "logwatch/core-entry.h"
#include "logwatch/core-summary.h"
#include "logwatch/core-tell.h"
#include "logwatch/sender.h"

#define PATIENCE 5
#define CALM_US (60 * USEC_PER_SEC) /* between two summaries of a storm */
#define MEMBERS_MAX 20000 /* of one summary */
#define SUMMARY "sum-" /* begins the keys of summaries */

struct line {
    struct slice receiver;
    struct sink_pace pace; /* as configured, or of its kind */
    uint64_t tat_us; /* token bucket as a time: when it will be full again (GCRA) */
    uint64_t open_us; /* circuit breaker: nothing before this */
    uint64_t wait_us; /* fresh rows: nothing before this, but critical ones */
    uint64_t storm_us; /* the newest summary of a storm; 0 = it is calm */
    unsigned failures;
    bool summed; /* the open batch changes its rows */
    bool broken;
};

struct core_queue {
    struct store *store;
    struct core_people *people;
    struct batch *batch;
    struct line *lines;
    size_t n;
};

/* ---- pace ---- */

static uint64_t token_us(const struct line *l)
{
    uint64_t credit = l->pace.burst ? (l->pace.burst - 1) * l->pace.every_us : 0;

    if (!l->pace.burst)
        return 0;
    return l->tat_us > credit ? l->tat_us - credit : 0;
}

static void take_token(struct line *l, uint64_t now_us)
{
    l->tat_us = (l->tat_us > now_us ? l->tat_us : now_us) + l->pace.every_us;
}

static struct sink_pace pace_of(const struct config *c, size_t i)
{
    struct sink_pace pace = sender_sink(c, i)->ops->pace;
    const struct manners *m = i < c->nsinks ? &c->manners[i] : NULL;

    if (m && m->burst) {
        pace.burst = m->burst;
        pace.every_us = m->every_us;
    }
    if (m && m->digest_over)
        pace.digest_over = m->digest_over == UINT_MAX ? 0 : m->digest_over;
    return pace;
}

/* What was sent before a restart counts; what failed before it keeps its pause. */
static void fill(struct core_queue *q, struct line *l, uint64_t now_us)
{
    uint64_t window = (uint64_t)l->pace.burst * l->pace.every_us, sent;
    struct outbox_due due = store_outbox_due(q->store, l->receiver);

    if (due.failed)
        l->open_us = due.failed_us;
    l->failures = due.failed > 0;
    if (!l->pace.burst)
        return;
    sent = store_outbox_sent(q->store, l->receiver, SLICE(""),
                             now_us > window ? now_us - window : 0, l->pace.burst);
    l->tat_us = now_us + sent * l->pace.every_us;
}

/* ---- summaries ---- */

struct summing {
    struct core_queue *q;
    struct line *line;
    struct summary *summary;
    uint64_t *ids;
    size_t n, cap;
    struct slice incident, rule; /* of all; empty: they differ */
};

static void agree(struct arena *a, bool first, struct slice *of_all, struct slice one)
{
    if (first)
        *of_all = arena_slice(a, one);
    else if (!slice_eq(*of_all, one))
        *of_all = SLICE("");
}

static int add_member(void *ctx, const struct outbox_row *row)
{
    struct summing *x = ctx;
    struct arena *a = x->q->batch->arena;

    if (slice_starts(row->key, SLICE(SUMMARY)) || slice_is(row->reason, "escalated") ||
        slice_is(row->reason, "resolved") || slice_is(row->reason, "closed"))
        return 0; /* they say something of their own */
    if (x->n == x->cap) {
        size_t cap = x->cap ? x->cap * 2 : 64;
        uint64_t *ids = arena_array(a, cap, sizeof *ids);

        if (!ids)
            return -ENOMEM;
        if (x->n)
            memcpy(ids, x->ids, x->n * sizeof *ids);
        x->ids = ids;
        x->cap = cap;
    }
    agree(a, x->n == 0, &x->incident, row->incident);
    agree(a, x->n == 0, &x->rule, row->rule);
    x->ids[x->n++] = row->id;
    return summary_add(x->summary, row);
}

/* Group: as core-tell.c names it; empty: a storm. */
static void head_of(const struct summing *x, struct slice group, struct arena *a,
                    struct summary_head *h)
{
    char kind = group.n ? group.p[0] : 's';
    const char *why;

    h->kind = kind == 'g' ? "group" : kind == 'r' ? "repeat" : kind == 'q' ? "quiet" : "digest";
    switch (kind) {
    case 'g':
    case 'q':
        why = ""; /* the kind says it */
        break;
    case 'r':
        why = arena_printf(a, "The same again, %zu times since the last message.", x->n);
        break;
    case 'u':
        why = "This rule has told a lot already.";
        break;
    default:
        why = arena_printf(a, "%zu waited, and more than %u become one; none is left out.", x->n,
                           x->line->pace.digest_over);
    }
    h->why = slice_str(why ? why : "");
}

static int key_of(const struct summing *x, struct arena *a, struct slice *ret)
{
    AUTO_BUF in = BUF_INIT;
    AUTO_BUF out = BUF_INIT;
    uint8_t digest[SHA256_SIZE];

    buf_printf(&in, "%.*s", SLICE_FMT(x->line->receiver));
    for (size_t i = 0; i < x->n; i++)
        buf_printf(&in, " %llu", (unsigned long long)x->ids[i]);
    if (!buf_ok(&in))
        return -ENOMEM;
    sha256(in.p, in.n, digest);
    buf_str(&out, SUMMARY);
    buf_hex(&out, digest, 12);
    return entry_keep(a, &out, ret) ? 0 : -ENOMEM;
}

static int put_summary(struct summing *x, struct slice group, uint64_t now_us)
{
    struct arena *a = x->q->batch->arena;
    struct summary_head h = { 0 };
    struct outgoing *o = batch_outgoing(x->q->batch);

    head_of(x, group, a, &h);
    if (!o || key_of(x, a, &h.key) < 0)
        return -ENOMEM;
    *o = (struct outgoing){
        .key = h.key,
        .receiver = x->line->receiver,
        .kind = SLICE("notify"),
        .reason = slice_str(h.kind),
        .incident = x->incident,
        .rule = x->rule,
        .title = summary_title(x->summary, a),
        .source = SLICE(""),
        .user = SLICE(""),
        .status = SLICE(""),
        .group = arena_slice(a, group),
        .level = summary_level(x->summary),
        .not_before_us = now_us,
        .expires_us = now_us + OUTBOX_EXPIRES_US,
        .members = x->ids,
        .nmembers = x->n,
    };
    x->line->summed = true;
    return o->title.p && o->group.p ? summary_write(x->summary, &h, a, &o->document) : -ENOMEM;
}

/* 1 = the rows that wait will be one; 0 = there are not two. */
static int sum_up(struct core_queue *q, struct line *l, struct slice group, uint64_t now_us,
                  struct err *err)
{
    AUTO(summary) summary = summary_new();
    struct summing x = { .q = q, .line = l, .summary = summary };
    int r = summary ? store_outbox_waiting(q->store, l->receiver, group, now_us, MEMBERS_MAX,
                                           add_member, &x, err)
                    : -ENOMEM;

    if (r == 0 && x.n < 2)
        return 0;
    if (r == 0)
        r = put_summary(&x, group, now_us);
    if (r < 0)
        return r == -ENOMEM ? err_nomem(err) : r;
    return 1;
}

/* ---- the next row ---- */

struct asking {
    struct core_queue *q;
    struct line *line;
    uint64_t now_us;
    int (*fn)(void *ctx, const struct outbox_row *row, struct slice first_remote);
    void *ctx;
    bool handed;
    struct slice remote;
    struct err *err;
};

static int count_one(void *ctx, const struct outbox_row *row)
{
    (void)row;
    ++*(size_t *)ctx;
    return 0;
}

/* What the receiver called its first message about the incident, since that was opened. */
static int find_remote(struct asking *x, const struct outbox_row *row)
{
    AUTO_BUF remote = BUF_INIT;
    struct incident *i;

    x->remote = SLICE("");
    if (!row->incident.n || slice_is(row->reason, "first"))
        return 0;
    if (core_people_find(x->q->people, row->incident, &i, x->err) < 0)
        return err_code(x->err);
    if (!i)
        return 0;
    if (store_outbox_remote(x->q->store, row->incident, x->line->receiver, i->opened_us, &remote) <
        0)
        return err_nomem(x->err);
    if (remote.n)
        x->remote = arena_slice(x->q->batch->arena, buf_view(&remote));
    return 0;
}

static int hand(struct asking *x, const struct outbox_row *row)
{
    int r = find_remote(x, row);

    if (r < 0)
        return r;
    if (slice_is(row->kind, "notify"))
        take_token(x->line, x->now_us);
    x->handed = true;
    return x->fn(x->ctx, row, x->remote);
}

/* Somebody looks after it by now, or it is over: the next step is not asked. */
static int hold_escalation(struct asking *x, const struct outbox_row *row, bool *ret_held)
{
    struct arena *a = x->q->batch->arena;
    struct incident *i;
    struct row_change *c;
    char *why;

    *ret_held = false;
    if (core_people_find(x->q->people, row->incident, &i, x->err) < 0)
        return err_code(x->err);
    if (!i || i->state == INCIDENT_OPEN)
        return 0;
    c = batch_change(x->q->batch);
    why = arena_printf(a, "%s%s%.*s", incident_state_name(i->state), i->by.n ? " by " : "",
                       SLICE_FMT(i->by));
    if (!c || !why)
        return err_nomem(x->err);
    *c = (struct row_change){ .id = row->id, .state = DELIVERY_HELD, .status = slice_str(why) };
    *ret_held = x->line->summed = true;
    return 0;
}

/* Fresh rows of a storm: one summary a minute. 1 = this row does not go by itself now. */
static int weather(struct asking *x)
{
    struct line *l = x->line;
    size_t waiting = 0;
    int r;

    if (!l->pace.digest_over)
        return 0;
    if (l->storm_us && x->now_us < l->storm_us + CALM_US) {
        l->wait_us = l->storm_us + CALM_US;
        return 1;
    }
    r = store_outbox_waiting(x->q->store, l->receiver, SLICE(""), x->now_us,
                             l->pace.digest_over + 1, count_one, &waiting, x->err);
    if (r < 0)
        return r;
    if (waiting <= l->pace.digest_over) {
        l->storm_us = 0;
        return 0;
    }
    r = sum_up(x->q, l, SLICE(""), x->now_us, x->err);
    if (r > 0)
        l->storm_us = x->now_us;
    return r;
}

static int fresh(struct asking *x, const struct outbox_row *row)
{
    bool own_words = slice_starts(row->key, SLICE(SUMMARY));
    int r = 0;

    if (slice_is(row->reason, "escalated")) {
        bool held;

        r = hold_escalation(x, row, &held);
        if (r < 0 || held)
            return r;
        own_words = true;
    }
    if (!own_words && row->group.n)
        r = sum_up(x->q, x->line, row->group, x->now_us, x->err);
    if (r == 0 && !own_words)
        r = weather(x);
    if (r != 0)
        return r < 0 ? r : 0;
    if (token_us(x->line) > x->now_us) {
        x->line->wait_us = token_us(x->line);
        return 0;
    }
    return hand(x, row);
}

static int on_head(void *ctx, const struct outbox_row *row)
{
    struct asking *x = ctx;
    bool over = row->expires_us && row->expires_us < x->now_us;

    if (!slice_is(row->kind, "notify") || row->attempts || over)
        return hand(x, row);
    return fresh(x, row);
}

static int on_critical(void *ctx, const struct outbox_row *row)
{
    return hand(ctx, row);
}

static struct line *line_of(struct core_queue *q, struct slice receiver)
{
    for (size_t i = 0; i < q->n; i++)
        if (slice_eq(q->lines[i].receiver, receiver))
            return &q->lines[i];
    return NULL;
}

/* While two rows fail it is the receiver: no third one is tried. */
static bool may_try_fresh(const struct line *l, const struct outbox_due *due)
{
    return l->failures == 0 || due->failed < 2;
}

int core_queue_next(struct core_queue *q, struct slice receiver, uint64_t now_us,
                    int (*fn)(void *ctx, const struct outbox_row *row, struct slice first_remote),
                    void *ctx, struct err *err)
{
    struct line *l = line_of(q, receiver);
    struct asking x = {
        .q = q, .line = l, .now_us = now_us, .fn = fn, .ctx = ctx, .remote = SLICE(""), .err = err
    };
    struct outbox_due due;
    int r = 0;

    if (!l || l->summed || now_us < l->open_us)
        return 0;
    due = store_outbox_due(q->store, receiver);
    if (l->storm_us && now_us < l->storm_us + CALM_US && token_us(l) <= now_us)
        r = store_outbox_critical(q->store, receiver, now_us, on_critical, &x, err);
    if (r >= 0 && !x.handed && (now_us >= l->wait_us || due.failed_us <= now_us))
        r = store_outbox_head(q->store, receiver, now_us, PATIENCE, may_try_fresh(l, &due), on_head,
                              &x, err);
    return r < 0 ? r : x.handed;
}

bool core_queue_outcome(struct core_queue *q, struct slice receiver, const struct queue_outcome *o)
{
    struct line *l = line_of(q, receiver);
    bool broken = o->broken, news = l && broken && !l->broken;

    if (!l)
        return false;
    l->failures = o->state == DELIVERY_RETRY ? l->failures + 1 : 0;
    l->open_us = o->state != DELIVERY_RETRY ? 0
                 : o->attempts < PATIENCE   ? o->not_before_us
                                            : o->now_us + sink_backoff_us(l->failures, l->failures);
    if (o->state == DELIVERY_SENT)
        l->broken = false;
    l->broken = l->broken || broken;
    return news;
}

uint64_t core_queue_due_us(struct core_queue *q, struct slice receiver)
{
    struct line *l = line_of(q, receiver);
    struct outbox_due due;
    uint64_t when;

    if (!l || l->summed)
        return UINT64_MAX;
    due = store_outbox_due(q->store, receiver);
    when = !may_try_fresh(l, &due)                                   ? UINT64_MAX
           : due.fresh_us != UINT64_MAX && due.fresh_us < l->wait_us ? l->wait_us
                                                                     : due.fresh_us;
    if (due.failed_us < when)
        when = due.failed_us;
    return when != UINT64_MAX && when < l->open_us ? l->open_us : when;
}

/* ---- life ---- */

int core_queue_new(const struct config *c, struct store *store, struct core_people *people,
                   uint64_t now_us, struct core_queue **ret_queue, struct err *err)
{
    AUTO(core_queue) q = calloc(1, sizeof *q);

    if (!q)
        return err_nomem(err);
    q->store = store;
    q->people = people;
    q->n = sender_count(c);
    q->lines = calloc(q->n ? q->n : 1, sizeof *q->lines);
    if (!q->lines)
        return err_nomem(err);
    for (size_t i = 0; i < q->n; i++) {
        q->lines[i].receiver = slice_str(sender_sink(c, i)->name);
        q->lines[i].pace = pace_of(c, i);
        fill(q, &q->lines[i], now_us);
    }
    *ret_queue = TAKE(q);
    return 0;
}

void core_queue_free(struct core_queue *q)
{
    if (!q)
        return;
    free(q->lines);
    free(q);
}

void core_queue_begin(struct core_queue *q, struct batch *b)
{
    q->batch = b;
    for (size_t i = 0; i < q->n; i++)
        q->lines[i].summed = false;
}
