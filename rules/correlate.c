/*
 * Windows over event time. Depends on the order of the matches alone.
 *
 * A group keeps its entries in the order of event time. The window of an event
 * at t is (t - span, t]. A rule fires when its condition becomes true and
 * is armed again when it has become false (rising edge); between events a
 * count can only fall, so it is judged just before each event and just behind it.
 */
#include <errno.h>
#include <stdio.h>

#include "base/hash.h"
#include "rules/tree.h"

#define ENTRIES_MAX 10000 /* in one group; the oldest goes, the result is a lower bound */
#define EVIDENCE_BYTES 2048
#define GROUP_SEPARATOR '\x1f'

struct stamp {
    uint64_t time_us;
    uint32_t part;
    uint64_t value; /* hash of the value; 0 = none */
    struct number number;
    char *evidence; /* the last ALERT_EVIDENCE_MAX ones only */
    size_t evidence_n;
    uint8_t trust;
    struct source_key key;
};

struct group {
    struct slice key; /* in its own memory */
    struct stamp *stamps;
    size_t first, n, cap;
    uint64_t last_us; /* newest event time seen */
    uint64_t opened_us; /* for conditions judged at the end */
    uint64_t silent_until_us;
    bool active, lower_bound;
    struct group *older, *newer; /* least recent first */
};

struct window {
    struct table *groups;
    struct group *oldest, *newest;
};

struct correlator {
    const struct rules *rules;
    struct window *windows; /* one for each rule; detections use it for suppress */
    size_t groups_max;
    struct correlator_stats stats;
};

/* ---- groups ---- */

static void stamp_fini(struct stamp *s)
{
    free(s->evidence);
    s->evidence = NULL;
}

static void group_free(struct group *g)
{
    for (size_t i = 0; i < g->n; i++)
        stamp_fini(&g->stamps[g->first + i]);
    free(g->stamps);
    free(g);
}

static void unlink_group(struct window *w, struct group *g)
{
    *(g->older ? &g->older->newer : &w->oldest) = g->newer;
    *(g->newer ? &g->newer->older : &w->newest) = g->older;
    g->older = g->newer = NULL;
}

static void link_newest(struct window *w, struct group *g)
{
    g->older = w->newest;
    *(w->newest ? &w->newest->newer : &w->oldest) = g;
    w->newest = g;
}

static void evict(struct correlator *c, struct window *w)
{
    struct group *g = w->oldest;

    unlink_group(w, g);
    table_remove(w->groups, g->key);
    group_free(g);
    c->stats.evicted++;
    c->stats.groups--;
}

static struct group *group_get(struct correlator *c, size_t rule, struct slice key, bool create)
{
    struct window *w = &c->windows[rule];
    struct group *g;

    if (!w->groups && !(create && (w->groups = table_new(0))))
        return NULL;
    g = table_get(w->groups, key);
    if (g && create) {
        unlink_group(w, g);
        link_newest(w, g);
    }
    if (g || !create)
        return g;
    if (table_count(w->groups) >= c->groups_max)
        evict(c, w);
    g = calloc(1, sizeof *g + key.n + 1);
    if (!g)
        return NULL;
    memcpy((char *)(g + 1), key.p, key.n);
    g->key = slice_of((char *)(g + 1), key.n);
    if (table_put(w->groups, key, g) < 0) {
        free(g);
        return NULL;
    }
    link_newest(w, g);
    c->stats.groups++;
    return g;
}

struct correlator *correlator_new(const struct rules *r, size_t groups_max)
{
    AUTO(correlator) c = calloc(1, sizeof *c);

    if (!c)
        return NULL;
    c->rules = r;
    c->groups_max = groups_max ? groups_max : 100000;
    c->windows = calloc(r->n + 1, sizeof *c->windows);
    return c->windows ? TAKE(c) : NULL;
}

void correlator_free(struct correlator *c)
{
    if (!c)
        return;
    for (size_t i = 0; c->windows && i < c->rules->n; i++) {
        while (c->windows[i].oldest) {
            struct group *g = c->windows[i].oldest;

            unlink_group(&c->windows[i], g);
            group_free(g);
        }
        table_free(c->windows[i].groups);
    }
    free(c->windows);
    free(c);
}

struct correlator_stats correlator_stats(const struct correlator *c)
{
    return c->stats;
}

/* ---- entries of a group ---- */

static struct stamp *at(const struct group *g, size_t i)
{
    return &g->stamps[g->first + i];
}

static void drop_first(struct group *g)
{
    stamp_fini(at(g, 0));
    g->first++;
    g->n--;
    if (g->n == 0)
        g->first = 0;
}

static void expire(struct group *g, uint64_t now_us, uint64_t span_us)
{
    while (g->n && at(g, 0)->time_us + span_us <= now_us)
        drop_first(g);
}

static bool make_room(struct group *g)
{
    size_t cap;
    struct stamp *s;

    if (g->first + g->n < g->cap)
        return true;
    if (g->first > g->n) { /* more than half is free in front */
        memmove(g->stamps, g->stamps + g->first, g->n * sizeof *s);
        g->first = 0;
        return true;
    }
    cap = g->cap ? g->cap * 2 : 8;
    s = realloc(g->stamps, cap * sizeof *s);
    if (!s)
        return false;
    g->stamps = s;
    g->cap = cap;
    return true;
}

/* In its place by time; equal times keep the order of arrival. */
static bool insert(struct correlator *c, struct group *g, const struct stamp *s)
{
    size_t i;

    if (g->n >= ENTRIES_MAX) {
        drop_first(g);
        g->lower_bound = true;
        c->stats.dropped++;
    }
    if (!make_room(g))
        return false;
    for (i = g->n; i > 0 && at(g, i - 1)->time_us > s->time_us; i--)
        *at(g, i) = *at(g, i - 1);
    *at(g, i) = *s;
    g->n++;
    if (g->n > ALERT_EVIDENCE_MAX)
        stamp_fini(at(g, g->n - ALERT_EVIDENCE_MAX - 1));
    return true;
}

/* ---- conditions ---- */

static int by_hash(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static int by_number(const void *a, const void *b)
{
    return number_compare(a, b);
}

static uint64_t distinct_values(const struct group *g)
{
    uint64_t *v = malloc((g->n + 1) * sizeof *v), n = 0;
    size_t have = 0;

    if (!v)
        return 0;
    for (size_t i = 0; i < g->n; i++)
        if (at(g, i)->value)
            v[have++] = at(g, i)->value;
    qsort(v, have, sizeof *v, by_hash);
    for (size_t i = 0; i < have; i++)
        n += i == 0 || v[i] != v[i - 1];
    free(v);
    return n;
}

static uint64_t parts_present(const struct correlation *c, const struct group *g)
{
    uint64_t n = 0;

    for (size_t p = 0; p < c->nparts; p++)
        for (size_t i = 0; i < g->n; i++)
            if (at(g, i)->part == p) {
                n++;
                break;
            }
    return n;
}

/* How many steps of the sequence are there, in order, inside the window. */
static uint64_t ordered_steps(const struct correlation *c, const struct group *g)
{
    size_t step = 0;

    for (size_t i = 0; i < g->n && step < c->nparts; i++)
        if (at(g, i)->part == step)
            step++;
    return step;
}

static struct number of_u64(uint64_t v)
{
    return (struct number){ .integer = true, .i = (int64_t)v, .d = (double)v };
}

/* Sums of integers stay integers: exact to 64 bits, then a double takes over. */
static struct number sum(const struct group *g, size_t *ret_n)
{
    struct number total = of_u64(0);

    *ret_n = 0;
    for (size_t i = 0; i < g->n; i++) {
        const struct stamp *s = at(g, i);

        if (!s->value)
            continue;
        (*ret_n)++;
        total.integer = total.integer && s->number.integer &&
                        !__builtin_add_overflow(total.i, s->number.i, &total.i);
        total.d += s->number.d;
    }
    return total;
}

static struct number percentile(const struct group *g, double p)
{
    struct number *v = malloc((g->n + 1) * sizeof *v), r = of_u64(0);
    size_t n = 0, i;

    if (!v)
        return r;
    for (i = 0; i < g->n; i++)
        if (at(g, i)->value)
            v[n++] = at(g, i)->number;
    if (n) {
        qsort(v, n, sizeof *v, by_number);
        i = (size_t)(p / 100 * (double)n);
        r = v[i >= n ? n - 1 : i]; /* nearest rank */
    }
    free(v);
    return r;
}

static struct number measure(const struct correlation *c, const struct group *g)
{
    size_t n;
    struct number s;

    switch (c->type) {
    case CORRELATE_EVENT_COUNT:
        return of_u64(g->n);
    case CORRELATE_VALUE_COUNT:
        return of_u64(distinct_values(g));
    case CORRELATE_TEMPORAL:
        return of_u64(parts_present(c, g));
    case CORRELATE_TEMPORAL_ORDERED:
        return of_u64(ordered_steps(c, g));
    case CORRELATE_VALUE_SUM:
        return sum(g, &n);
    case CORRELATE_VALUE_AVG:
        s = sum(g, &n);
        return (struct number){ .d = n ? s.d / (double)n : 0 };
    case CORRELATE_VALUE_PERCENTILE:
    case CORRELATE_VALUE_MEDIAN:
        return percentile(g, c->percentile);
    case CORRELATE_VALUE_MIN:
        return percentile(g, 0);
    case CORRELATE_VALUE_MAX:
        return percentile(g, 100);
    case CORRELATION_TYPES:
        break;
    }
    return of_u64(0);
}

static bool bound_holds(const struct bound *b, const struct number *v)
{
    int r = number_compare(v, &b->value);

    switch (b->compare) {
    case COMPARE_LT:
        return r < 0;
    case COMPARE_LTE:
        return r <= 0;
    case COMPARE_GT:
        return r > 0;
    case COMPARE_GTE:
        return r >= 0;
    case COMPARE_EQ:
        return r == 0;
    case COMPARE_NEQ:
        break;
    }
    return r != 0;
}

static bool condition_holds(const struct correlation *c, const struct group *g,
                            struct number *ret_value)
{
    *ret_value = measure(c, g);
    if (g->n == 0)
        return false;
    if (c->nbounds == 0)
        return (uint64_t)ret_value->i >= c->nparts;
    for (size_t i = 0; i < c->nbounds; i++)
        if (!bound_holds(&c->bounds[i], ret_value))
            return false;
    return true;
}

/* ---- group keys and values ---- */

static struct slice field_value(const struct event *ev, uint32_t id, struct slice name)
{
    const struct field *f = id != FIELD_OTHER ? event_get(ev, id) : event_get_named(ev, name);

    return f && f->type != VALUE_NULL ? f->value : SLICE_NONE;
}

/* Values joined by 0x1f, which is written double inside a value. False: a field is missing. */
static bool group_key(const struct correlation *c, uint32_t part, const struct event *ev,
                      struct buf *out)
{
    for (size_t i = 0; i < c->ngroups; i++) {
        struct slice v = field_value(ev, c->groups[i].fields[part], c->groups[i].names[part]);

        if (!v.p || v.n == 0)
            return false;
        if (i)
            buf_char(out, GROUP_SEPARATOR);
        for (size_t j = 0; j < v.n; j++) {
            if (v.p[j] == GROUP_SEPARATOR)
                buf_char(out, GROUP_SEPARATOR);
            buf_char(out, v.p[j]);
        }
    }
    return buf_ok(out);
}

/* The i-th value of an encoded key, decoded into `out`. */
static void group_value(struct slice key, size_t i, struct buf *out)
{
    for (size_t j = 0; j < key.n; j++) {
        bool separator = key.p[j] == GROUP_SEPARATOR;

        if (separator && j + 1 < key.n && key.p[j + 1] == GROUP_SEPARATOR)
            j++;
        else if (separator) {
            if (i-- == 0)
                return;
            continue;
        }
        if (i == 0)
            buf_char(out, key.p[j]);
    }
}

static void value_text(const struct correlation *c, const struct event *ev, struct buf *out)
{
    for (size_t i = 0; i < c->nvalues; i++) {
        if (i)
            buf_char(out, GROUP_SEPARATOR);
        buf_slice(out, field_value(ev, c->values[i], c->value_names[i]));
    }
}

static uint64_t value_hash(struct slice v)
{
    uint64_t h = v.n ? table_hash(v) : 0;

    return v.n && h == 0 ? 1 : h;
}

/* ---- alerts ---- */

static bool copy_text(struct arena *a, struct slice *s)
{
    *s = arena_slice(a, *s);
    return s->p != NULL;
}

static struct alert *alert_of_rule(const struct rule *rule, const struct event *ev, struct arena *a)
{
    struct alert *alert = arena_alloc(a, sizeof *alert);

    if (!alert)
        return NULL;
    alert->rule_id = rule->info.id; /* the rules outlive the batch */
    alert->rule_title = rule->info.title;
    alert->rule_author = rule->info.author;
    alert->rule_file = rule->info.file;
    alert->rule_description = rule->info.description;
    memcpy(alert->rule_digest, rule->info.digest, sizeof alert->rule_digest);
    alert->level = rule->info.level;
    alert->ntags = rule->info.ntags;
    alert->tags = arena_array(a, alert->ntags + 1, sizeof *alert->tags);
    alert->notify = arena_array(a, rule->response.nnotify + 1, sizeof *alert->notify);
    if (!alert->tags || !alert->notify)
        return NULL;
    for (size_t i = 0; i < alert->ntags; i++)
        alert->tags[i] = rule->info.tags[i];
    for (size_t i = 0; i < rule->response.nnotify; i++)
        alert->notify[i] = rule->response.notify[i];
    alert->nnotify = rule->response.nnotify;
    alert->audit = rule->response.audit;
    alert->channel = ev->channel;
    alert->time_us = alert->first_us = ev->time_us;
    alert->count = 1;
    alert->trust = ev->trust;
    alert->backfill = (ev->flags & EVENT_BACKFILL) != 0;
    alert->key = ev->key;
    event_hash(ev, alert->event_hash);
    alert->ban.wanted = rule->response.ban_us != 0;
    alert->ban.for_us = rule->response.ban_us;
    alert->ban.field = rule->response.ban_field;
    if (alert->ban.wanted)
        alert->ban.address = field_value(ev, rule->response.ban_id, rule->response.ban_field);
    if (!alert->ban.address.p)
        alert->ban.address = SLICE("");
    return copy_text(a, &alert->channel) && copy_text(a, &alert->ban.address) ? alert : NULL;
}

static bool add_evidence(struct alert *alert, struct arena *a, struct slice text)
{
    if (!alert->evidence)
        alert->evidence = arena_array(a, ALERT_EVIDENCE_MAX, sizeof *alert->evidence);
    if (!alert->evidence)
        return false;
    if (alert->nevidence == ALERT_EVIDENCE_MAX || text.n == 0)
        return true;
    alert->evidence[alert->nevidence] = arena_slice(a, text);
    return alert->evidence[alert->nevidence++].p != NULL;
}

static bool set_group(struct alert *alert, const struct correlation *c, struct slice key,
                      struct arena *a)
{
    alert->group = arena_array(a, c->ngroups + 1, sizeof *alert->group);
    if (!alert->group)
        return false;
    for (size_t i = 0; i < c->ngroups; i++) {
        AUTO_BUF v = BUF_INIT;

        group_value(key, i, &v);
        alert->group[i].name = c->groups[i].name;
        alert->group[i].value = arena_slice(a, buf_view(&v));
        if (!buf_ok(&v) || !alert->group[i].value.p)
            return false;
    }
    alert->ngroup = c->ngroups;
    return true;
}

static uint64_t threshold_of(const struct correlation *c)
{
    if (c->nbounds == 0)
        return c->nparts;
    return c->bounds[0].value.i > 0 ? (uint64_t)c->bounds[0].value.i : 0;
}

static int fire(const struct rule *rule, const struct group *g, const struct event *ev,
                const struct number *value, struct batch *b)
{
    struct alert *alert = alert_of_rule(rule, ev, b->arena);

    if (!alert || !set_group(alert, rule->correlation, g->key, b->arena))
        return -ENOMEM;
    alert->window_us = rule->info.window_us;
    alert->count = value->i > 0 ? (uint64_t)value->i : (uint64_t)(value->d > 0 ? value->d : 0);
    alert->threshold = threshold_of(rule->correlation);
    alert->lower_bound = g->lower_bound;
    alert->first_us = g->n ? at(g, 0)->time_us : ev->time_us;
    for (size_t i = 0; i < g->n; i++) {
        const struct stamp *s = at(g, i);

        if (s->trust < alert->trust)
            alert->trust = (enum trust)s->trust;
        if (s->evidence && !add_evidence(alert, b->arena, slice_of(s->evidence, s->evidence_n)))
            return -ENOMEM;
    }
    alert_identify(alert);
    return batch_alert(b, alert);
}

/* ---- taking ---- */

struct taking {
    struct correlator *c;
    const struct event *ev;
    struct batch *b; /* NULL while restoring: nothing is told */
    struct slice evidence;
};

static bool may_fire(const struct rule *rule, struct group *g, bool now, uint64_t t)
{
    bool edge = now && (!g->active || rule->response.refire == REFIRE_EVERY);

    g->active = now;
    if (!edge || t < g->silent_until_us)
        return false;
    g->silent_until_us = rule->response.suppress_us ? t + rule->response.suppress_us : 0;
    return true;
}

static void clear(struct group *g)
{
    while (g->n)
        drop_first(g);
    g->active = false;
}

/* One stamp into one group; fires when the condition has become true. */
static int stamp_in(struct taking *t, const struct rule *rule, struct group *g, struct stamp *s)
{
    const struct correlation *c = rule->correlation;
    struct number value;
    uint64_t span = rule->info.window_us;
    int e = 0;

    if (g->last_us >= span && s->time_us <= g->last_us - span) {
        t->c->stats.dropped++; /* older than the whole window */
        stamp_fini(s);
        return 0;
    }
    if (s->time_us > g->last_us)
        g->last_us = s->time_us;
    expire(g, g->last_us, span);
    if (g->active && !condition_holds(c, g, &value))
        g->active = false;
    if (!insert(t->c, g, s)) {
        stamp_fini(s);
        return -ENOMEM;
    }
    if (c->judged_at_end) {
        g->opened_us = g->opened_us ? g->opened_us : s->time_us;
        return 0;
    }
    if (may_fire(rule, g, condition_holds(c, g, &value), g->last_us)) {
        e = t->b ? fire(rule, g, t->ev, &value, t->b) : 0;
        if (rule->response.refire == REFIRE_RESET)
            clear(g);
    }
    return e;
}

static bool keep_evidence(struct stamp *s, struct slice evidence)
{
    s->evidence = slice_dup(evidence);
    s->evidence_n = evidence.n;
    return s->evidence != NULL;
}

static int add_signal(const struct taking *t, const struct rule *rule, uint32_t part,
                      struct slice group, struct slice value)
{
    struct signal *s = batch_signal(t->b);
    uint8_t digest[32];

    if (!s)
        return -ENOMEM;
    sha256(rule->info.id.p, rule->info.id.n, digest);
    memcpy(s->rule, digest, sizeof s->rule);
    s->part = part;
    s->time_us = t->ev->time_us;
    s->key = t->ev->key;
    s->group = arena_slice(t->b->arena, group);
    s->value = arena_slice(t->b->arena, value);
    s->evidence = arena_slice(t->b->arena, t->evidence);
    return s->group.p && s->value.p && s->evidence.p ? 0 : -ENOMEM;
}

static int listen(struct taking *t, size_t index, uint32_t part)
{
    const struct rule *rule = &t->c->rules->list[index];
    const struct correlation *c = rule->correlation;
    AUTO_BUF key = BUF_INIT;
    AUTO_BUF value = BUF_INIT;
    struct stamp s = {
        .time_us = t->ev->time_us, .part = part, .trust = (uint8_t)t->ev->trust, .key = t->ev->key
    };
    struct group *g;

    if (!group_key(c, part, t->ev, &key)) {
        if (!buf_ok(&key))
            return -ENOMEM;
        t->c->stats.no_group++;
        return 0;
    }
    value_text(c, t->ev, &value);
    if (!buf_ok(&value))
        return -ENOMEM;
    s.value = value_hash(buf_view(&value));
    if (c->type >= CORRELATE_VALUE_SUM && !number_parse(buf_view(&value), &s.number))
        s.value = 0;
    g = group_get(t->c, index, buf_view(&key), true);
    if (!g || add_signal(t, rule, part, buf_view(&key), buf_view(&value)) < 0 ||
        !keep_evidence(&s, t->evidence))
        return -ENOMEM;
    return stamp_in(t, rule, g, &s);
}

/* A detection that stands for itself: told on each match, or once in `suppress` for a group. */
static int detect(struct taking *t, size_t index)
{
    const struct rule *rule = &t->c->rules->list[index];
    struct alert *alert = alert_of_rule(rule, t->ev, t->b->arena);
    struct slice subject = alert ? event_text(t->ev, FIELD_SOURCE_IP) : SLICE_NONE;

    if (!alert)
        return -ENOMEM;
    if (subject.n) {
        alert->group = arena_array(t->b->arena, 1, sizeof *alert->group);
        if (!alert->group)
            return -ENOMEM;
        alert->group[0].name = SLICE("source.ip");
        alert->group[0].value = subject;
        if (!copy_text(t->b->arena, &alert->group[0].value))
            return -ENOMEM;
        alert->ngroup = 1;
    }
    if (rule->response.suppress_us) {
        struct group *g = group_get(t->c, index, subject.p ? subject : SLICE(""), true);

        if (!g || add_signal(t, rule, 0, subject.p ? subject : SLICE(""), SLICE("")) < 0)
            return -ENOMEM;
        if (t->ev->time_us < g->silent_until_us)
            return 0;
        g->silent_until_us = t->ev->time_us + rule->response.suppress_us;
    }
    if (!add_evidence(alert, t->b->arena, t->evidence))
        return -ENOMEM;
    alert_identify(alert);
    return batch_alert(t->b, alert);
}

int correlator_take(struct correlator *c, const struct match *m, struct batch *b, struct err *err)
{
    const struct rule *rule = &c->rules->list[m->rule];
    struct taking t = { .c = c, .ev = m->event, .b = b };
    AUTO_BUF evidence = BUF_INIT;
    struct json_writer w = json_writer(&evidence);
    int e = 0;

    if (m->event->flags & EVENT_DUPLICATE)
        return 0; /* another line told this already */
    event_json_short(m->event, EVIDENCE_BYTES, &w);
    if (!buf_ok(&evidence))
        return err_nomem(err);
    t.evidence = buf_view(&evidence);
    if (!rule->info.silent)
        e = detect(&t, m->rule);
    for (size_t i = 0; e == 0 && i < rule->nlisteners; i++)
        if (!c->rules->list[rule->listeners[i]].broken)
            e = listen(&t, rule->listeners[i], rule->listener_parts[i]);
    return e < 0 ? err_nomem(err) : 0;
}

/* Windows whose condition has an upper bound: judged once, when the span is over. */
static int judge(struct correlator *c, size_t index, uint64_t now_us, struct batch *b)
{
    const struct rule *rule = &c->rules->list[index];
    struct slice key;
    void *value;

    for (size_t i = 0;
         c->windows[index].groups && table_next(c->windows[index].groups, &i, &key, &value);) {
        struct group *g = value;
        uint64_t end = g->opened_us + rule->info.window_us;
        struct number n;

        if (!g->opened_us || now_us < end)
            continue;
        if (condition_holds(rule->correlation, g, &n) && end >= g->silent_until_us && b) {
            struct event ev = { .time_us = end,
                                .trust = TRUST_RECORD,
                                .key = at(g, 0)->key,
                                .channel = SLICE(""),
                                .raw = g->key };
            int e = fire(rule, g, &ev, &n, b);

            if (e < 0)
                return e;
            g->silent_until_us = end + rule->response.suppress_us;
        }
        clear(g);
        g->opened_us = 0;
    }
    return 0;
}

int correlator_advance(struct correlator *c, uint64_t watermark_us, struct batch *b,
                       struct err *err)
{
    for (size_t i = 0; i < c->rules->n; i++) {
        const struct rule *rule = &c->rules->list[i];

        if (rule->correlation && !rule->broken && rule->correlation->judged_at_end &&
            judge(c, i, watermark_us, b) < 0)
            return err_nomem(err);
    }
    return 0;
}

static size_t rule_by_hash(const struct rules *r, const uint8_t hash[16])
{
    for (size_t i = 0; i < r->n; i++) {
        uint8_t digest[32];

        sha256(r->list[i].info.id.p, r->list[i].info.id.n, digest);
        if (memcmp(digest, hash, 16) == 0)
            return i;
    }
    return SIZE_MAX;
}

static enum trust evidence_trust(struct slice evidence)
{
    if (slice_find(evidence, SLICE("\"trust\":\"forgeable\"")) != SIZE_MAX)
        return TRUST_FORGEABLE;
    if (slice_find(evidence, SLICE("\"trust\":\"line\"")) != SIZE_MAX)
        return TRUST_LINE;
    return TRUST_RECORD;
}

int correlator_restore(struct correlator *c, const struct signal *s, struct err *err)
{
    size_t index = rule_by_hash(c->rules, s->rule);
    const struct rule *rule = index == SIZE_MAX ? NULL : &c->rules->list[index];
    struct taking t = { .c = c };
    struct stamp stamp = { .time_us = s->time_us, .part = s->part, .key = s->key };
    struct group *g;

    if (!rule || rule->broken)
        return 0; /* the rule is gone or changed its name: so is its window */
    g = group_get(c, index, s->group, true);
    if (!g)
        return err_nomem(err);
    if (!rule->correlation) { /* a detection with suppress */
        if (s->time_us >= g->silent_until_us)
            g->silent_until_us = s->time_us + rule->response.suppress_us;
        return 0;
    }
    if (s->part >= rule->correlation->nparts)
        return 0;
    stamp.trust = (uint8_t)evidence_trust(s->evidence);
    stamp.value = value_hash(s->value);
    if (rule->correlation->type >= CORRELATE_VALUE_SUM && !number_parse(s->value, &stamp.number))
        stamp.value = 0;
    if (!keep_evidence(&stamp, s->evidence) || stamp_in(&t, rule, g, &stamp) < 0)
        return err_nomem(err);
    return 0;
}

bool correlator_peek(const struct correlator *c, size_t rule, struct slice group, uint64_t now_us,
                     uint64_t *ret_count, uint64_t *ret_threshold)
{
    const struct window *w = &c->windows[rule];
    const struct rule *r = &c->rules->list[rule];
    const struct group *g = w->groups ? table_get(w->groups, group) : NULL;
    uint64_t n = 0;

    if (!g || !r->correlation)
        return false;
    for (size_t i = 0; i < g->n; i++)
        n += at(g, i)->time_us + r->info.window_us > now_us;
    *ret_count = n;
    *ret_threshold = threshold_of(r->correlation);
    return true;
}
