/*
 * Matches to signals and alerts, over event time. Depends on the order of the
 * matches alone.
 *
 * The window of an event at t is (t - span, t]. A rule fires when its condition
 * becomes true and is armed again when it has become false (rising edge).
 * Between events a window can only lose entries, so a condition is judged when
 * one comes and when one leaves. What is only known when time has passed (upper
 * bounds, absence, `for`) is judged when the watermark passes it: the newest
 * event time less LATENESS_US, or what the caller knows to be over.
 *
 * The state is the fold of the signals: a signal says, besides its event, what it
 * did (schemas/alert.h), so what is left of them tells the same as all of them.
 */
#include <errno.h>

#include "rules/correlate-private.h"
#include "schemas/event-pack.h"

#define EVIDENCE_BYTES 2048
#define STALE_A_TURN 2
#define EVER_US (UINT64_C(36500) * 24 * 3600 * USEC_PER_SEC)

/* ---- groups ---- */

static void forget(struct correlator *c, struct groups *w, uint32_t record)
{
    struct group *g = slab_at(&c->slab, record);

    (void)due_set(&c->dues, &c->slab, 0, g, 0);
    for (size_t i = 0; i < c->nopen; i++)
        if (c->open[i].group == g)
            c->open[i--] = c->open[--c->nopen];
    groups_remove(w, &c->slab, record);
    c->stats.groups--;
}

/* No event that comes in time can tell that it was ever there. */
static bool is_stale(const struct correlator *c, const struct rule *rule, const struct group *g)
{
    uint64_t span = rule->info.window_us;

    return more_of(g)->due_at == 0 && !g->expected && group_silent_until(g) <= c->watermark_us &&
           g->last_us + span <= c->watermark_us;
}

/* Old logs may be read beside new ones, so there must be a reason. */
static void forget_stale(struct correlator *c, const struct rule *rule, struct groups *w)
{
    if (w->n < c->groups_max / 2)
        return;
    for (unsigned i = 0; i < STALE_A_TURN && w->oldest; i++) {
        if (!is_stale(c, rule, slab_at(&c->slab, w->oldest)))
            return;
        forget(c, w, w->oldest);
    }
}

struct group *correlator_add_group(struct correlator *c, size_t rule, struct slice key,
                                   uint32_t tag)
{
    struct groups *w = &c->groups[rule];
    uint32_t record;

    forget_stale(c, &c->rules->list[rule], w);
    if (w->n >= c->groups_max) {
        forget(c, w, w->oldest);
        c->stats.evicted++;
        c->stats.evicted_rule = rule;
    }
    record = groups_add(w, &c->slab, key, tag);
    if (!record)
        return NULL;
    c->stats.groups++;
    return slab_at(&c->slab, record);
}

struct group *correlator_find(const struct correlator *c, size_t rule, struct slice key)
{
    uint32_t record = groups_find(&c->groups[rule], &c->slab, key, groups_tag(key));

    return record ? slab_at(&c->slab, record) : NULL;
}

struct group *correlator_group(struct correlator *c, size_t rule, struct slice key)
{
    uint32_t tag = groups_tag(key), record = groups_find(&c->groups[rule], &c->slab, key, tag);

    if (!record)
        return correlator_add_group(c, rule, key, tag);
    groups_touch(&c->groups[rule], &c->slab, record);
    return slab_at(&c->slab, record);
}

struct correlator *correlator_new(const struct rules *r, size_t groups_max)
{
    AUTO(correlator) c = calloc(1, sizeof *c);

    if (!c)
        return NULL;
    c->rules = r;
    c->groups_max = groups_max ? groups_max : 100000;
    c->behind_us = UINT64_MAX;
    c->groups = calloc(r->n + 1, sizeof *c->groups);
    if (!c->groups || evidence_init(&c->evidence, r->n) < 0)
        return NULL;
    for (size_t i = 0; i < r->n; i++)
        c->groups[i].shape = shape_of(&r->list[i]);
    return TAKE(c);
}

void correlator_free(struct correlator *c)
{
    if (!c)
        return;
    for (size_t i = 0; c->groups && i < c->rules->n; i++)
        groups_fini(&c->groups[i], &c->slab);
    slab_fini(&c->slab);
    dues_fini(&c->dues);
    free(c->groups);
    free(c->open);
    rules_scratch_free(c->scratch);
    evidence_fini(&c->evidence);
    buf_fini(&c->evidence_text);
    free(c);
}

struct correlator_stats correlator_stats(const struct correlator *c)
{
    return c->stats;
}

/* ---- firing ---- */

/* What of the event is kept, in `text` as long as it is needed. */
static bool set_evidence(struct taking *t, struct buf *text)
{
    event_pack(t->ev, EVIDENCE_BYTES, text);
    t->evidence = buf_view(text);
    t->kept = false;
    return buf_ok(text);
}

/* It is made once for all matches of an event. */
static bool share_evidence(struct taking *t)
{
    struct correlator *c = t->c;

    if (c->evidence_of != t->ev) {
        c->evidence_of = NULL;
        buf_reset(&c->evidence_text);
        if (!set_evidence(t, &c->evidence_text))
            return false;
        c->evidence_of = t->ev;
        c->evidence_ref = (struct evidence_ref){ 0 };
    }
    t->evidence = buf_view(&c->evidence_text);
    t->ref = c->evidence_ref;
    t->kept = false;
    return true;
}

/* The firing counts for correlations over this one. */
static int feed_parents(struct taking *t, const struct rule *rule, const struct alert *alert)
{
    struct taking fired = { .c = t->c, .b = t->b };
    AUTO_BUF text = BUF_INIT;

    fired.ev = event_of_alert(t->c->rules, rule, alert, t->b->arena);
    return fired.ev && set_evidence(&fired, &text) ? correlator_tell(&fired, rule) : -ENOMEM;
}

int correlator_fire(struct taking *t, const struct rule *rule, const struct group *g,
                    uint64_t time_us, const struct number *value)
{
    struct cause cause = { time_us, t->ev };
    struct alert *alert;
    int e = 0;

    if (!t->b)
        return 0;
    alert = alert_of_group(rule, g, &t->c->evidence, &cause, value, t->b->arena);
    if (!alert)
        return -ENOMEM;
    if (!rule->info.silent)
        e = batch_alert(t->b, alert);
    return e ? e : rule->nlisteners ? feed_parents(t, rule, alert) : 0;
}

/* ---- detections that stand for themselves ---- */

static bool set_subject(struct taking *t, struct alert *alert, struct slice subject)
{
    alert->group = arena_array(t->b->arena, 1, sizeof *alert->group);
    if (!alert->group)
        return false;
    alert->group[0].name = SLICE("source.ip");
    alert->group[0].value = arena_slice(t->b->arena, subject);
    alert->ngroup = 1;
    return alert->group[0].value.p != NULL;
}

/* Told on each match, or once in `suppress` for an address. 1 = tell it. */
static int may_tell(struct taking *t, size_t index, struct slice subject)
{
    const struct rule *rule = &t->c->rules->list[index];
    uint64_t now = event_time_us(t->ev);
    struct heard group = { .text = subject };
    struct signal *s;
    struct group *g;

    if (!rule->response.suppress_us)
        return 1;
    g = correlator_group(t->c, index, subject);
    if (!g)
        return -ENOMEM;
    if (now < group_silent_until(g))
        return 0;
    s = correlator_signal(t, index, now, &t->ev->key, &group, NULL);
    if (!s)
        return -ENOMEM;
    s->flags = SIGNAL_FIRED;
    g->last_us = now;
    g->silent_until_us = now + rule->response.suppress_us; /* a detection: it stands alone */
    return 1;
}

static int detect(struct taking *t, size_t index)
{
    const struct rule *rule = &t->c->rules->list[index];
    struct slice subject = event_text(t->ev, FIELD_SOURCE_IP);
    struct alert *alert;
    int e = may_tell(t, index, subject.p ? subject : SLICE(""));

    if (e <= 0)
        return e;
    alert = alert_of_rule(rule, t->ev, t->b->arena);
    if (!alert || (subject.n && !set_subject(t, alert, subject)) ||
        !alert_add_evidence(alert, t->b->arena, t->evidence))
        return -ENOMEM;
    alert_identify(alert);
    return batch_alert(t->b, alert);
}

/* ---- time ---- */

/*
 * Groups that must exist, whether anything came of them or not: they begin now. A second signal
 * says for ever that they have begun once: else a restart would let them begin again.
 */
static int expect_group(struct taking *t, size_t index, struct slice key)
{
    struct correlator *c = t->c;
    struct stamp s = { .time_us = c->watermark_us, .trust = TRUST_RECORD };
    struct heard group = { .text = key };
    struct group *g = correlator_find(c, index, key);
    struct signal *mark;

    if (g) {
        g->expected = true;
        return 0;
    }
    g = correlator_group(c, index, key);
    if (!g || !correlator_signal(t, index, s.time_us, &s.key, &group, NULL) ||
        !(mark = correlator_signal(t, index, s.time_us, &s.key, &group, NULL)))
        return -ENOMEM;
    mark->flags = SIGNAL_MARK;
    mark->keep_us = EVER_US;
    g->expected = true;
    return group_expect(t, &c->rules->list[index], g, &s);
}

static int expect_groups(struct taking *t)
{
    const struct rules *r = t->c->rules;
    int e = 0;

    for (size_t i = 0; i < r->n; i++) {
        const struct correlation *c = r->list[i].broken ? NULL : r->list[i].correlation;

        for (size_t k = 0; c && e == 0 && k < c->nexpect; k++)
            e = expect_group(t, i, c->expect[k]);
    }
    return e;
}

/* All that is due up to then, in its order. */
static int pass_dues(struct taking *t, uint64_t watermark_us)
{
    struct correlator *c = t->c;
    struct group *g;
    int e = 0;

    while (e == 0 && (g = due_first(&c->dues, watermark_us)) != NULL) {
        if (g->more->due_us > c->watermark_us)
            c->watermark_us = g->more->due_us;
        e = group_due(t, &c->rules->list[g->more->rule], g);
    }
    return e;
}

static int move_time(struct correlator *c, struct batch *b, uint64_t watermark_us)
{
    int e = 0;

    if (watermark_us <= c->watermark_us || watermark_us == TIME_STANDS)
        return 0;
    if (due_first(&c->dues, watermark_us))
        e = pass_dues(&(struct taking){ .c = c, .b = b }, watermark_us);
    c->watermark_us = watermark_us;
    if (e == 0 && !c->expected && b) {
        c->expected = true;
        e = expect_groups(&(struct taking){ .c = c, .b = b });
    }
    return e;
}

static int settle(struct correlator *c, struct batch *b)
{
    return c->nopen ? judge_open(&(struct taking){ .c = c, .b = b }) : 0;
}

static bool same_event(const struct correlator *c, const struct event *ev)
{
    return c->any && c->time_us == ev->time_us && c->key.position == ev->key.position &&
           memcmp(c->key.stream, ev->key.stream, sizeof c->key.stream) == 0;
}

/* Another event than the last one: what waits for its end is judged, and time moves on. */
static int begin_event(struct correlator *c, const struct event *ev, struct batch *b)
{
    uint64_t now = event_time_us(ev), mark = now > LATENESS_US ? now - LATENESS_US : 0;
    int e;

    if (same_event(c, ev))
        return 0;
    e = settle(c, b);
    c->any = true;
    c->evidence_of = NULL;
    c->key = ev->key;
    c->time_us = ev->time_us;
    return e ? e : move_time(c, b, mark < c->behind_us ? mark : c->behind_us);
}

int correlator_take(struct correlator *c, const struct match *m, struct batch *b, struct err *err)
{
    const struct rule *rule = &c->rules->list[m->rule];
    struct taking t = { .c = c, .ev = m->event, .b = b };
    AUTO_BUF own = BUF_INIT; /* what is known of a journey is no other match's */
    UNINITIALIZED struct event travelled;
    int e;

    if (m->event->flags & EVENT_DUPLICATE)
        return 0; /* another line told this already */
    e = begin_event(c, m->event, b);
    if (e == 0 && rule->travels) {
        e = travel_take(&t, m->rule, &travelled);
        if (e <= 0)
            return e < 0 ? err_nomem(err) : 0;
        t.ev = &travelled;
        e = 0;
    }
    if (!(rule->travels ? set_evidence(&t, &own) : share_evidence(&t)))
        return err_nomem(err);
    if (e == 0 && !rule->info.silent)
        e = detect(&t, m->rule);
    e = e ? e : correlator_tell(&t, rule);
    if (!rule->travels)
        c->evidence_ref = t.ref;
    return e < 0 ? err_nomem(err) : 0;
}

int correlator_settle(struct correlator *c, struct batch *b, struct err *err)
{
    c->any = false;
    return settle(c, b) < 0 ? err_nomem(err) : 0;
}

int correlator_advance(struct correlator *c, uint64_t watermark_us, struct batch *b,
                       struct err *err)
{
    return settle(c, b) < 0 || move_time(c, b, watermark_us) < 0 ? err_nomem(err) : 0;
}

void correlator_behind(struct correlator *c, uint64_t since_us)
{
    c->behind_us = since_us ? since_us : UINT64_MAX;
}

uint64_t correlator_due_us(const struct correlator *c)
{
    if (!c->expected && c->watermark_us == 0)
        return TIME_STANDS + 1; /* groups that must exist begin with time */
    return c->dues.n ? c->dues.heap[0].us : UINT64_MAX;
}
