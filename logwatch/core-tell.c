#include "logwatch/core-tell.h"

#include <errno.h>

#include "base/hash.h"
#include "base/num.h"
#include "base/table.h"
#include "logwatch/core-entry.h"

/* An alert of a rule that has told enough waits for others of its rule for this part of the time
 * for which the rate is given. */
#define RULE_HOLD_PART 4

/* An alert that holds others back while it is open (`inhibit:`). */
struct inhibitor {
    const struct inhibition *by;
    char *incident, *values;
};
#define INHIBITORS_MAX 1000

struct core_tell {
    const struct config *config;
    struct store *store;
    struct audit *audit;
    struct core_people *people;
    struct batch *batch;
    struct table *pending; /* "receiver 0x1f group": uint64_t, when rows of this batch may go */
    struct inhibitor inhibitors[INHIBITORS_MAX];
    size_t ninhibitors, oldest;
};

/* ---- documents ---- */

int core_tell_document(struct arena *a, struct slice document, const struct tell_notice *n,
                       struct slice *ret)
{
    AUTO_BUF b = BUF_INIT;
    struct json_writer w = json_writer(&b);
    struct slice text = slice_trim(document);

    if (text.n < 2 || text.p[text.n - 1] != '}') {
        *ret = document;
        return 0;
    }
    buf_slice(&b, slice_take(text, text.n - 1));
    if (text.n > 2)
        buf_char(&b, ',');
    if (n->incident.n)
        json_member_slice(&w, "incident", n->incident);
    json_key(&w, "notification");
    json_object(&w);
    json_member_str(&w, "reason", n->reason);
    json_member_str(&w, "status", n->over ? "resolved" : "firing");
    if (n->why.n)
        json_member_slice(&w, "why", n->why);
    json_object_end(&w);
    buf_char(&b, '}');
    return entry_keep(a, &b, ret) ? 0 : -ENOMEM;
}

/* ---- what holds an alert back ---- */

static struct slice words(struct arena *a, const char *what, struct slice by, struct slice comment)
{
    char *s = arena_printf(a, "%s%s%.*s%s%.*s", what, by.n ? " by " : "", SLICE_FMT(by),
                           comment.n ? ": " : "", SLICE_FMT(slice_take(comment, 300)));

    return slice_str(s ? s : what);
}

static const struct inhibitor *inhibited(const struct core_tell *t, const struct alert *alert,
                                         struct slice incident)
{
    AUTO_BUF values = BUF_INIT;

    for (size_t i = 0; i < t->ninhibitors; i++) {
        const struct inhibitor *in = &t->inhibitors[i];

        buf_reset(&values);
        if (!slice_is(incident, in->incident) &&
            matcher_fits(&in->by->target, alert, t->batch->arena) &&
            inhibition_values(in->by, alert, &values) && slice_is(buf_view(&values), in->values))
            return in;
    }
    return NULL;
}

/* Why nobody is told of the alert; empty: they are. */
static struct slice held(const struct core_tell *t, const struct alert *alert,
                         const struct incident *i)
{
    struct arena *a = t->batch->arena;
    uint64_t now = t->batch->now_us;
    const struct silence *s = core_people_silence(t->people, alert, now, a);
    const struct maintenance *m = route_maintenance(&t->config->routing, alert, now, a);
    const struct inhibitor *in = inhibited(t, alert, i->key);
    char what[64];

    snprintf(what, sizeof what, "silence %llu", s ? (unsigned long long)s->id : 0);
    if (i->state == INCIDENT_ACKED)
        return words(a, "acknowledged", i->by, i->comment);
    if (s)
        return words(a, what, s->by, s->comment);
    if (m)
        return words(a, "maintenance", SLICE(""), slice_str(m->name));
    if (in)
        return words(a, "inhibited by incident", SLICE(""),
                     slice_take(slice_str(in->incident), 12));
    return SLICE("");
}

static void forget_inhibitor(struct inhibitor *in)
{
    free(in->incident);
    free(in->values);
    *in = (struct inhibitor){ 0 };
}

static void end_inhibitors(struct core_tell *t, struct slice incident)
{
    for (size_t i = t->ninhibitors; i > 0; i--) {
        if (!slice_is(incident, t->inhibitors[i - 1].incident))
            continue;
        forget_inhibitor(&t->inhibitors[i - 1]);
        t->inhibitors[i - 1] = t->inhibitors[--t->ninhibitors];
    }
}

static int add_inhibitor(struct core_tell *t, const struct inhibition *by, struct slice incident,
                         const struct buf *values)
{
    struct inhibitor *in;

    for (size_t i = 0; i < t->ninhibitors; i++)
        if (t->inhibitors[i].by == by && slice_is(incident, t->inhibitors[i].incident))
            return 0;
    if (t->ninhibitors < INHIBITORS_MAX) {
        in = &t->inhibitors[t->ninhibitors++];
    } else {
        in = &t->inhibitors[t->oldest++ % INHIBITORS_MAX];
        forget_inhibitor(in);
    }
    in->by = by;
    in->incident = slice_dup(incident);
    in->values = slice_dup(buf_view(values));
    if (in->incident && in->values)
        return 0;
    forget_inhibitor(in);
    *in = t->inhibitors[--t->ninhibitors];
    return -ENOMEM;
}

static int note_inhibitors(struct core_tell *t, const struct alert *alert, struct slice incident,
                           struct arena *a)
{
    const struct routing *r = &t->config->routing;

    for (size_t i = 0; i < r->ninhibitions; i++) {
        AUTO_BUF values = BUF_INIT;

        if (matcher_fits(&r->inhibitions[i].source, alert, a) &&
            inhibition_values(&r->inhibitions[i], alert, &values) &&
            add_inhibitor(t, &r->inhibitions[i], incident, &values) < 0)
            return -ENOMEM;
    }
    return 0;
}

/* ---- one alert ---- */

struct telling {
    struct core_tell *t;
    const struct alert *alert;
    const struct incident *incident;
    struct slice id, document, held, source, user;
    struct slice first, again; /* the document with its notice, made once */
    size_t row; /* of the outgoing rows of this alert */
    struct err *err;
};

/* What the alert is about, for tables of summaries: an address first. */
static void sources(struct telling *x)
{
    const struct alert *alert = x->alert;
    const struct json *fields = NULL;

    for (size_t i = 0; i < alert->ngroup; i++) {
        if (slice_is(alert->group[i].name, "source.ip"))
            x->source = alert->group[i].value;
        if (slice_is(alert->group[i].name, "user.name"))
            x->user = alert->group[i].value;
    }
    if (alert->nevidence && (!x->source.n || !x->user.n))
        fields = json_get(
            json_load(x->t->batch->arena, alert->evidence[alert->nevidence - 1], NULL), "fields");
    if (!x->source.n)
        x->source = alert->ban.address.n ? alert->ban.address : json_text(fields, "source.ip");
    if (!x->user.n)
        x->user = json_text(fields, "user.name");
}

/* "g:..." for a route's group, "r:..." a repeat, "u:..." a rule, "q:..." quiet hours: the summary
 * says it (core-queue.c). No text: it could name somebody. */
static struct slice hashed(struct arena *a, const char *what, struct slice name, struct slice text)
{
    AUTO_BUF in = BUF_INIT;
    AUTO_BUF out = BUF_INIT;
    uint8_t digest[SHA256_SIZE];
    struct slice kept;

    buf_printf(&in, "%s %.*s ", what, SLICE_FMT(name));
    buf_slice(&in, text);
    if (!buf_ok(&in))
        return SLICE("");
    sha256(in.p, in.n, digest);
    buf_printf(&out, "%s:", what);
    buf_hex(&out, digest, 12);
    return entry_keep(a, &out, &kept) ? kept : SLICE("");
}

/* What this batch said already about the receiver and the group; NULL: nothing. */
static uint64_t *pending(struct telling *x, const struct sink *sink, struct slice group)
{
    AUTO_BUF key = BUF_INIT;
    uint64_t *when;

    buf_printf(&key, "%s\x1f%.*s", sink->name, SLICE_FMT(group));
    if (!buf_ok(&key))
        return NULL;
    when = table_get(x->t->pending, buf_view(&key));
    if (when)
        return when;
    when = arena_alloc(x->t->batch->arena, sizeof *when);
    if (!when || table_put(x->t->pending, buf_view(&key), when) < 0)
        return NULL;
    *when = 0;
    return when;
}

/* The later one decides, and with whom the row goes. */
static void later(struct outgoing *o, uint64_t when, struct slice group)
{
    if (when > o->not_before_us || (when == o->not_before_us && !o->group.n))
        o->group = group;
    if (when > o->not_before_us)
        o->not_before_us = when;
}

/*
 * When a row may go that has company: with those that wait, or `between` after the last one, or
 * after `wait` when it is the first.
 */
static int join(struct telling *x, const struct sink *sink, struct outgoing *o,
                const struct group_last *last, struct slice group, uint64_t wait, uint64_t between)
{
    uint64_t *mine = pending(x, sink, group), now = x->t->batch->now_us, when = now + wait;

    if (!mine)
        return -ENOMEM;
    if (*mine)
        when = *mine;
    else if (last->waits_us > now)
        when = last->waits_us;
    else if (last->waits_us) /* it is about to go */
        when = now + between;
    else if (last->sent_us && last->sent_us + between > when)
        when = last->sent_us + between;
    *mine = *mine ? when : when > now ? when : now + between;
    later(o, when, group);
    return 0;
}

static int with_group(struct telling *x, const struct route *route, const struct sink *sink,
                      struct outgoing *o)
{
    AUTO_BUF text = BUF_INIT;
    struct group_last last;
    struct slice group;

    if (!route)
        return 0;
    route_group(route, x->alert, x->incident->key, x->t->batch->arena, &text);
    if (text.failed)
        return -ENOMEM;
    if (text.n) {
        group = hashed(x->t->batch->arena, "g", slice_str(route->name), buf_view(&text));
        last = store_outbox_group(x->t->store, slice_str(sink->name), group);
        if (join(x, sink, o, &last, group, route->wait_us, route->interval_us) < 0)
            return -ENOMEM;
    }
    if (!route->repeat_us)
        return 0;
    group = hashed(x->t->batch->arena, "r", slice_str(route->name), x->incident->key);
    last = store_outbox_incident(x->t->store, slice_str(sink->name), x->incident->key);
    return join(x, sink, o, &last, group, 0, route->repeat_us);
}

static const struct manners *manners_of(const struct config *c, const struct sink *sink)
{
    return sink >= c->sinks && sink < c->sinks + c->nsinks ? &c->manners[sink - c->sinks] : NULL;
}

/* What the receiver wishes: not too much of one rule, and peace at night. */
static int with_manners(struct telling *x, const struct sink *sink, struct outgoing *o)
{
    const struct manners *m = manners_of(x->t->config, sink);
    struct arena *a = x->t->batch->arena;
    struct slice name = slice_str(sink->name);
    uint64_t now = x->t->batch->now_us;

    if (!m)
        return 0;
    if (m->rule_burst && store_outbox_sent(x->t->store, name, x->alert->rule_id,
                                           now > m->rule_within_us ? now - m->rule_within_us : 0,
                                           m->rule_burst) >= m->rule_burst) {
        struct slice group = hashed(a, "u", name, x->alert->rule_id);
        struct group_last last = store_outbox_group(x->t->store, name, group);
        uint64_t hold = m->rule_within_us / RULE_HOLD_PART;

        if (join(x, sink, o, &last, group, hold, hold) < 0)
            return -ENOMEM;
    }
    if (x->alert->level < LEVEL_CRITICAL && hours_inside(&m->quiet, o->not_before_us))
        later(o, hours_end_us(&m->quiet, o->not_before_us), hashed(a, "q", name, SLICE("")));
    return 0;
}

static struct slice document_for(struct telling *x, const char *reason, struct slice why,
                                 struct slice *kept)
{
    const struct tell_notice n = { .reason = reason, .why = why, .incident = x->incident->key };

    if (!kept->n && core_tell_document(x->t->batch->arena, x->document, &n, kept) < 0)
        *kept = SLICE_NONE;
    return *kept;
}

/* A row, as all of an incident's are. NULL: no memory. */
static struct outgoing *add_row(struct telling *x, const struct sink *sink, struct slice key)
{
    struct outgoing *o = batch_outgoing(x->t->batch);

    if (o)
        *o = (struct outgoing){
            .key = key,
            .receiver = slice_str(sink->name),
            .kind = SLICE("notify"),
            .not_before_us = x->t->batch->now_us,
            .incident = x->incident->key,
            .rule = x->alert->rule_id,
            .title = x->alert->rule_title,
            .source = x->source,
            .user = x->user,
            .level = x->alert->level,
            .status = SLICE(""),
            .group = SLICE(""),
        };
    return o;
}

static void expire(struct outgoing *o)
{
    o->expires_us = o->not_before_us + OUTBOX_EXPIRES_US;
}

static bool is_told(const struct telling *x, struct slice receiver)
{
    for (size_t i = x->row; i < x->t->batch->noutgoing; i++)
        if (slice_eq(x->t->batch->outgoing[i].receiver, receiver))
            return true;
    return false;
}

/* Those who hear of it when nobody looks after it: rows that wait, and are held when somebody does.
 */
static int escalate(struct telling *x, const struct route *route)
{
    for (size_t i = 0; i < route->nescalate; i++) {
        const struct route_step *step = &route->escalate[i];
        struct arena *a = x->t->batch->arena;
        AUTO_BUF after = BUF_INIT;
        struct slice kept = { 0 };
        char *why;

        buf_duration(&after, step->after_us);
        why = buf_ok(&after) ? arena_printf(a, "Nobody acknowledged it within %s.", after.p) : NULL;
        for (size_t k = 0; why && k < step->notify.n; k++) {
            const struct sink *sink = config_sink(x->t->config, slice_str(step->notify.items[k]));
            char *key = arena_printf(a, "%.*s-e%zu", SLICE_FMT(x->id), i + 1);
            struct outgoing *o = sink && key ? add_row(x, sink, slice_str(key)) : NULL;

            if (!sink)
                continue;
            if (!o)
                return -ENOMEM;
            o->reason = SLICE("escalated");
            o->document = document_for(x, "escalated", slice_str(why), &kept);
            o->not_before_us += step->after_us;
            expire(o);
            if (!o->document.p)
                return -ENOMEM;
        }
        if (!why)
            return -ENOMEM;
    }
    return 0;
}

static int tell_one(void *ctx, const struct route *route, const struct sink *sink)
{
    struct telling *x = ctx;
    bool again = x->incident->alerts > 1;
    struct outgoing *o;

    if (is_told(x, slice_str(sink->name)) ||
        audit_delivered(x->t->audit, x->id, slice_str(sink->name)))
        return 0;
    o = add_row(x, sink, x->id);
    if (!o)
        return err_nomem(x->err);
    o->reason = again ? SLICE("repeat") : SLICE("first");
    o->document = again ? document_for(x, "repeat", SLICE(""), &x->again)
                        : document_for(x, "first", SLICE(""), &x->first);
    if (x->held.n) {
        o->state = DELIVERY_HELD;
        o->status = x->held;
    } else if (with_group(x, route, sink, o) < 0 || with_manners(x, sink, o) < 0) {
        return err_nomem(x->err);
    }
    expire(o);
    if (!o->document.p)
        return err_nomem(x->err);
    if (!route || x->held.n || again)
        return 0;
    return escalate(x, route) < 0 ? err_nomem(x->err) : 0;
}

int core_tell_alert(struct core_tell *t, const struct alert *alert, struct slice id,
                    struct slice document, struct err *err)
{
    struct incident *i;
    struct telling x = { .t = t,
                         .alert = alert,
                         .id = id,
                         .document = document,
                         .source = SLICE(""),
                         .user = SLICE(""),
                         .row = t->batch->noutgoing,
                         .err = err };

    if (core_people_alert(t->people, alert, id, &i, err) < 0)
        return err_code(err);
    x.incident = i;
    x.held = held(t, alert, i);
    sources(&x);
    if (note_inhibitors(t, alert, i->key, t->batch->arena) < 0)
        return err_nomem(err);
    return config_tell(t->config, alert, t->batch->arena, tell_one, &x);
}

/* ---- the end ---- */

struct ending {
    struct core_tell *t;
    const struct incident *i;
    struct alert alert;
    struct slice document, why;
    bool windowed;
    bool wanted; /* by the route of the receiver that is asked for */
    struct slice receiver;
    struct err *err;
};

static int on_alert(void *ctx, const struct alert_row *row)
{
    struct ending *e = ctx;
    struct arena *a = e->t->batch->arena;

    e->document = arena_slice(a, row->document);
    return e->document.p ? 0 : -ENOMEM;
}

/* The newest alert's document; none (erased, pruned): nobody is told. */
static int load_last(struct ending *e)
{
    struct alert_filter f = { .id = e->i->last_alert, .level_min = -1, .limit = 1 };
    const struct json *doc;
    int r = f.id.n ? store_alerts_each(e->t->store, &f, on_alert, e, e->err) : 0;

    if (r < 0)
        return r == -ENOMEM ? err_nomem(e->err) : r;
    doc = e->document.n ? json_load(e->t->batch->arena, e->document, NULL) : NULL;
    if (!doc || alert_read(doc, e->t->batch->arena, &e->alert, NULL) < 0)
        e->document = SLICE_NONE;
    e->windowed = e->alert.window_us > 0;
    return 0;
}

static int wants_end(void *ctx, const struct route *route, const struct sink *sink)
{
    struct ending *e = ctx;

    if (slice_is(e->receiver, sink->name))
        e->wanted = !route || route->resolved;
    return 0;
}

static int end_one(void *ctx, struct slice receiver)
{
    struct ending *e = ctx;
    struct arena *a = e->t->batch->arena;
    bool closed = e->i->state == INCIDENT_CLOSED;
    const struct tell_notice n = {
        .reason = closed ? "closed" : "resolved", .over = true, .why = e->why, .incident = e->i->key
    };
    char *key = arena_printf(a, "%.*s-over", SLICE_FMT(e->i->last_alert));
    struct outgoing *o;

    e->receiver = receiver;
    e->wanted = true; /* who was told by an escalation is on no route */
    if (!key || config_tell(e->t->config, &e->alert, a, wants_end, e) < 0)
        return -ENOMEM;
    if (!e->wanted || !config_sink(e->t->config, receiver))
        return 0;
    o = batch_outgoing(e->t->batch);
    if (!o)
        return -ENOMEM;
    *o = (struct outgoing){ .key = slice_str(key),
                            .receiver = arena_slice(a, receiver),
                            .kind = SLICE("notify"),
                            .reason = slice_str(n.reason),
                            .incident = e->i->key,
                            .rule = e->i->rule,
                            .title = e->i->title,
                            .source = SLICE(""),
                            .user = SLICE(""),
                            .group = SLICE(""),
                            .status = SLICE(""),
                            .level = e->i->level,
                            .not_before_us = e->t->batch->now_us };
    expire(o);
    return o->receiver.p && core_tell_document(a, e->document, &n, &o->document) == 0 ? 0 : -ENOMEM;
}

static int end(struct ending *e)
{
    int r;

    end_inhibitors(e->t, e->i->key);
    if (!e->document.n)
        return 0;
    r = store_outbox_told(e->t->store, e->i->key, e->i->opened_us, end_one, e, e->err);
    return r == -ENOMEM ? err_nomem(e->err) : r;
}

int core_tell_end(struct core_tell *t, const struct incident *i, struct slice why, struct err *err)
{
    struct ending e = { .t = t, .i = i, .why = why, .err = err };

    return load_last(&e) < 0 ? err_code(err) : end(&e);
}

struct ticking {
    struct core_tell *t;
    struct err *err;
};

/* Over by itself. Without a window there is nothing that could be over: it is only not open any
 * more. */
static int over(void *ctx, struct incident *i)
{
    struct ticking *k = ctx;
    struct ending e = { .t = k->t, .i = i, .err = k->err };
    AUTO_BUF b = BUF_INIT;

    if (load_last(&e) < 0)
        return err_code(k->err);
    i->state = INCIDENT_RESOLVED;
    i->resolve_us = 0;
    if (core_people_touch(k->t->people, i) < 0)
        return err_nomem(k->err);
    buf_printf(&b, "No more of it; %llu alert%s since it began.", (unsigned long long)i->alerts,
               i->alerts == 1 ? "" : "s");
    if (!entry_keep(k->t->batch->arena, &b, &e.why))
        return err_nomem(k->err);
    if (!e.windowed)
        e.document = SLICE_NONE;
    return end(&e);
}

int core_tell_tick(struct core_tell *t, uint64_t now_us, struct err *err)
{
    struct ticking k = { t, err };

    if (core_people_due_us(t->people) > now_us)
        return 0;
    return core_people_due(t->people, now_us, over, &k, err);
}

uint64_t core_tell_due_us(const struct core_tell *t)
{
    return core_people_due_us(t->people);
}

/* ---- life ---- */

static int load_inhibitor(void *ctx, const struct incident *i)
{
    struct ticking *k = ctx;
    struct ending e = { .t = k->t, .i = i, .err = k->err };

    if (load_last(&e) < 0)
        return err_code(k->err);
    if (e.document.n && note_inhibitors(k->t, &e.alert, i->key, k->t->batch->arena) < 0)
        return err_nomem(k->err);
    return 0;
}

int core_tell_new(const struct config *c, struct store *store, struct audit *audit,
                  struct core_people *people, struct core_tell **ret_tell, struct err *err)
{
    AUTO(core_tell) t = calloc(1, sizeof *t);

    if (!t)
        return err_nomem(err);
    t->pending = table_new(0);
    if (!t->pending)
        return err_nomem(err);
    t->config = c;
    t->store = store;
    t->audit = audit;
    t->people = people;
    *ret_tell = TAKE(t);
    return 0;
}

int core_tell_load(struct core_tell *t, struct err *err)
{
    const struct incident_filter open = { .states = 1u << INCIDENT_OPEN | 1u << INCIDENT_ACKED,
                                          .level_min = -1,
                                          .limit = INHIBITORS_MAX };
    struct ticking k = { t, err };

    if (!t->config->routing.ninhibitions)
        return 0;
    return store_incidents_each(t->store, &open, load_inhibitor, &k, err);
}

void core_tell_free(struct core_tell *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->ninhibitors; i++)
        forget_inhibitor(&t->inhibitors[i]);
    table_free(t->pending);
    free(t);
}

void core_tell_begin(struct core_tell *t, struct batch *b)
{
    t->batch = b;
    table_clear(t->pending);
}
