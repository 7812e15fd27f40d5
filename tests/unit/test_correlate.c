/* Correlations: each type, time, restarts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/num.h"
#include "rules/correlate-private.h"
#include "schemas/event-pack.h"

/* A set of rules and one stream of events through it. */
struct bench {
    struct field_names *names;
    struct rules *rules;
    struct rules_scratch *scratch;
    struct diag *diag;
    struct arena *arena, *kept_arena;
    struct correlator *correlator;
    struct batch batch;
    struct buf told; /* "title@seconds:count[group] " for each alert, in order */
    size_t nalerts;
    struct signal *kept;
    size_t nkept, kept_cap;
    uint64_t position, newest_us;
    uint64_t received_us; /* when events come in; 0 = nobody knows */
};

/* Detections that all benches have: by the value of `action`. */
#define BASE                                                                                       \
    "title: f\nname: f\nlogsource: {product: p}\ndetection: {s: {action: f}, condition: s}\n"      \
    "---\ntitle: ok\nname: ok\nlogsource: {product: p}\n"                                          \
    "detection: {s: {action: ok}, condition: s}\n"                                                 \
    "---\ntitle: x\nname: x\nlogsource: {product: p}\ndetection: {s: {action: x}, condition: s}\n" \
    "---\ntitle: all\nname: all\nlogsource: {product: p}\n"                                        \
    "detection: {s: {action: [f, ok]}, condition: s}\n"

static struct bench *bench_new(const char *text)
{
    struct bench *t = calloc(1, sizeof *t);
    struct buf all = BUF_INIT;

    assert_non_null(t);
    t->names = field_names_new();
    t->diag = diag_new();
    t->arena = arena_new(4096, 0);
    t->kept_arena = arena_new(4096, 0);
    t->rules = rules_new(t->names);
    buf_str(&all, BASE);
    buf_str(&all, text);
    rules_add(t->rules, "t.yml", buf_view(&all), t->diag);
    rules_compile(t->rules, t->diag);
    t->scratch = rules_scratch_new(t->rules);
    t->correlator = correlator_new(t->rules, 1000);
    buf_fini(&all);
    return t;
}

static void bench_free(struct bench *t)
{
    correlator_free(t->correlator);
    rules_scratch_free(t->scratch);
    rules_free(t->rules);
    field_names_free(t->names);
    diag_free(t->diag);
    arena_free(t->arena);
    arena_free(t->kept_arena);
    buf_fini(&t->told);
    free(t->kept);
    free(t);
}

/* What was told, and the signals for a restart. */
static void commit(struct bench *t)
{
    for (size_t i = 0; i < t->batch.nalerts; i++) {
        const struct alert *a = t->batch.alerts[i];

        if (a->window_us == 0) /* detections alone are not asked for */
            continue;
        t->nalerts++;
        buf_printf(&t->told, "%.*s@%llu:%llu[", SLICE_FMT(a->rule_title),
                   (unsigned long long)(a->time_us / USEC_PER_SEC), (unsigned long long)a->count);
        for (size_t k = 0; k < a->ngroup; k++)
            buf_printf(&t->told, "%s%.*s", k ? "," : "", SLICE_FMT(a->group[k].value));
        buf_str(&t->told, "] ");
    }
    for (size_t i = 0; i < t->batch.nsignals; i++) {
        struct signal g = t->batch.signals[i];

        g.group = arena_slice(t->kept_arena, g.group);
        g.value = arena_slice(t->kept_arena, g.value);
        g.evidence = arena_slice(t->kept_arena, g.evidence);
        if (t->nkept == t->kept_cap) {
            t->kept_cap = t->kept_cap ? t->kept_cap * 2 : 64;
            t->kept = realloc(t->kept, t->kept_cap * sizeof *t->kept);
            assert_non_null(t->kept);
        }
        t->kept[t->nkept++] = g;
    }
}

static void open_batch(struct bench *t)
{
    arena_reset(t->arena);
    batch_init(&t->batch, t->arena, 0);
}

static void add_fields(struct bench *t, struct event *ev, const char *fields)
{
    struct slice rest = slice_str(fields), word, name;

    while (slice_split(&rest, ' ', &word)) {
        if (!slice_split(&word, '=', &name))
            continue;
        assert_int_equal(event_add(ev, field_find(t->names, name), arena_slice(t->arena, name),
                                   VALUE_STRING, arena_slice(t->arena, word)),
                         0);
    }
}

/* An event "action=f ip=a ..." at that second. */
static void at(struct bench *t, double seconds, const char *fields)
{
    static const struct logsource ls = { { "p", 1 }, { "", 0 }, { "", 0 } };
    struct event ev = { .logsource = &ls,
                        .channel = SLICE("p"),
                        .trust = TRUST_LINE,
                        .raw = SLICE("line"),
                        .time_us = (uint64_t)(seconds * (double)USEC_PER_SEC),
                        .received_us = t->received_us };
    const uint32_t *hits;
    size_t n;

    open_batch(t);
    ev.arena = t->arena;
    add_fields(t, &ev, fields);
    ev.key.position = t->position++;
    t->newest_us = ev.time_us > t->newest_us ? ev.time_us : t->newest_us;
    n = rules_match(t->rules, t->scratch, &ev, &hits);
    for (size_t i = 0; i < n; i++) {
        struct match m = { hits[i], &ev };

        assert_int_equal(correlator_take(t->correlator, &m, &t->batch, NULL), 0);
    }
    assert_int_equal(correlator_settle(t->correlator, &t->batch, NULL), 0);
    commit(t);
}

static void until(struct bench *t, double seconds)
{
    open_batch(t);
    assert_int_equal(correlator_advance(t->correlator, (uint64_t)(seconds * (double)USEC_PER_SEC),
                                        &t->batch, NULL),
                     0);
    commit(t);
}

static const char *told(const struct bench *t)
{
    return t->told.p ? t->told.p : "";
}

/* ---- one type after the other ---- */

struct step {
    double at;
    const char *fields; /* NULL: time alone */
};

static void play(const char *rule, const struct step *steps, const char *want)
{
    struct bench *t = bench_new(rule);

    if (diag_errors(t->diag))
        diag_print(t->diag, stderr, false);
    assert_int_equal(diag_errors(t->diag), 0);
    for (; steps->at > 0; steps++)
        if (steps->fields)
            at(t, steps->at, steps->fields);
        else
            until(t, steps->at);
    assert_string_equal(told(t), want);
    bench_free(t);
}

#define PLAY(rule, want, ...)                                                                      \
    play("---\ntitle: r\n" rule, (struct step[]){ __VA_ARGS__, { 0, NULL } }, want)

static void a_new_value_is_told_when_the_group_has_learnt(void **state)
{
    (void)state;
    PLAY("correlation: {type: value_new, rules: [ok], group-by: [user], timespan: 100s,"
         " learn: 10s, condition: {field: country}}\n",
         "r@1020:1[a] r@1110:1[a] r@1230:1[a] ", { 1000, "action=ok user=a country=DE" },
         { 1005, "action=ok user=a country=FR" }, /* learning */
         { 1010, "action=ok user=a country=DE" }, { 1020, "action=ok user=a country=CN" },
         { 1021, "action=ok user=a country=CN" }, { 1022, "action=ok user=a country=" },
         { 1023, "action=ok user=b country=CN" }, /* b is new itself */
         { 1110, "action=ok user=a country=DE" }, /* exactly 100 s: forgotten */
         { 1115, "action=ok user=a country=DE" }, { 1200, "action=ok user=a country=DE" },
         { 1230, "action=ok user=a country=FR" }); /* forgotten */
}

static void a_share_is_judged_once_for_an_event_that_counts_on_both_sides(void **state)
{
    (void)state;
    PLAY("correlation: {type: event_ratio, rules: [f], of: [all], group-by: [ip], timespan: 100s,"
         " condition: {gt: 40}}\ntrailwarden: {min-events: 4}\n",
         "r@1003:50[a] ", { 1000, "action=f ip=a" }, { 1001, "action=ok ip=a" },
         { 1002, "action=ok ip=a" }, { 1003, "action=f ip=a" }, { 1004, "action=f ip=a" },
         { 1005, "action=f ip=b" });
}

static void an_alert_that_no_event_fires_itself_names_the_last_event(void **state)
{
    static const char *const rules[] = {
        "---\ntitle: r\ncorrelation: {type: event_ratio, rules: [f], of: [all], timespan: 60s, "
        "condition: {gte: 50}}\ntrailwarden: {min-events: 4}\n",
        "---\ntitle: r\ncorrelation: {type: event_count, rules: [f], timespan: 60s, condition: "
        "{gte: 2}}\ntrailwarden: {for: 3s}\n",
        "---\ntitle: r\ncorrelation: {type: event_count, rules: [f], timespan: 8s, condition: "
        "{lte: 9}}\n",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
        struct bench *t = bench_new(rules[i]);
        size_t before;

        t->position = 700;
        for (unsigned k = 0; k < 4; k++) {
            before = t->nalerts;
            at(t, 100 + k, k % 2 ? "action=f ip=a" : "action=f ip=b");
        }
        if (i > 0) { /* by time */
            before = t->nalerts;
            until(t, 109);
        }
        assert_int_equal(t->nalerts, before + 1);
        for (size_t k = 0; k < t->batch.nalerts; k++)
            if (t->batch.alerts[k]->window_us)
                assert_int_equal(t->batch.alerts[k]->key.position, 703);
        bench_free(t);
    }
}

/* ---- what is heard once for all rules ---- */

static unsigned dice(uint64_t *x, unsigned n)
{
    *x = *x * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)((*x >> 33) % n);
}

/* Fields that are missing, null, empty, long, or hold what separates the values of a key. */
static void odd_event(struct bench *t, struct event *ev, uint64_t *x)
{
    static const char *const names[] = { "a", "b", "c", "d", "e", "g" };
    static const char *const values[] = { "one",     "two",      "\x1f",      "",
                                          "o\x1fne", "\x1f\x1f", "192.0.2.1", "null" };

    ev->fields = NULL;
    ev->nfields = ev->fields_cap = 0;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        struct slice value = slice_str(values[dice(x, ARRAY_SIZE(values))]);
        bool null = slice_is(value, "null");

        if (dice(x, 6) == 0)
            continue;
        if (dice(x, 9) == 0)
            value = arena_slice(t->arena, slice_of(t->told.p, dice(x, (unsigned)t->told.n)));
        assert_int_equal(event_add(ev, field_find(t->names, slice_str(names[i])),
                                   slice_str(names[i]), null ? VALUE_NULL : VALUE_STRING, value),
                         0);
    }
}

static void assert_signal(const struct bench *t, const struct event *ev, const struct rule *rule,
                          const struct signal *s, struct slice evidence)
{
    const struct correlation *c = rule->correlation;
    AUTO_BUF key = BUF_INIT;
    AUTO_BUF value = BUF_INIT;

    assert_true(group_key(c, 0, ev, &key));
    for (size_t i = 0; i < c->nvalues; i++) {
        if (i)
            buf_char(&value, '\x1f');
        buf_slice(&value, event_value(ev, c->values[i], c->value_names[i]));
    }
    assert_memory_equal(s->rule, rule->signal_id, sizeof s->rule);
    assert_true(slice_eq(s->group, buf_view(&key)));
    assert_true(slice_eq(s->value, buf_view(&value)));
    assert_true(slice_eq(s->evidence, evidence));
    assert_non_null(correlator_find(t->correlator, rule_index(t->correlator, rule), s->group));
}

/* Rules that ask for more fields than are remembered, in all orders, alone and joined. */
static void what_rules_hear_is_what_each_would_find_alone(void **state)
{
    static const char *const asks[] = { "a/b", "b/a",  "c/d",   "a/",  "d/c", "e/a",
                                        "g/g", "a,b/", "c/a,d", "b/e", "/b",  "e/" };
    AUTO_BUF text = BUF_INIT;
    struct bench *t;
    uint64_t x = 9, signals = 0, none = 0;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(asks); i++) {
        struct slice rest = slice_str(asks[i]), group;

        (void)slice_split(&rest, '/', &group);
        buf_printf(&text,
                   "---\ntitle: r%zu\ncorrelation: {type: %s, rules: [f], group-by: [%.*s], "
                   "timespan: 1h, condition: {gte: 100000%s%.*s%s}}\n",
                   i, rest.n ? "value_count" : "event_count", SLICE_FMT(group),
                   rest.n ? ", field: [" : "", SLICE_FMT(rest), rest.n ? "]" : "");
    }
    t = bench_new(text.p);
    assert_int_equal(diag_errors(t->diag), 0);
    buf_add(&t->told, "123456789 123456789 123456789 \x1f 123456789 123456789", 52);
    for (uint64_t k = 0; k < 5000; k++) {
        struct event ev = { .time_us = 1000 + k, .key = { .position = k }, .raw = SLICE("x") };
        struct match m = { 0, &ev };
        AUTO_BUF evidence = BUF_INIT;
        size_t n = 0;

        open_batch(t);
        ev.arena = t->arena;
        odd_event(t, &ev, &x);
        event_pack(&ev, 2048, &evidence);
        assert_int_equal(correlator_take(t->correlator, &m, &t->batch, NULL), 0);
        for (size_t i = 0; i < t->rules->list[0].nlisteners; i++) {
            const struct rule *rule = &t->rules->list[t->rules->list[0].listeners[i]];
            AUTO_BUF key = BUF_INIT;

            if (!group_key(rule->correlation, 0, &ev, &key)) {
                none++;
                continue;
            }
            assert_true(n < t->batch.nsignals);
            assert_signal(t, &ev, rule, &t->batch.signals[n++], buf_view(&evidence));
        }
        assert_int_equal(n, t->batch.nsignals);
        signals += n;
    }
    assert_int_equal(correlator_stats(t->correlator).no_group, none);
    assert_true(signals > 20000 && none > 5000);
    bench_free(t);
}

/* With fewer entries than it needs a condition is not measured: it would not have held. */
static void what_is_too_few_is_known_without_measuring(void **state)
{
    static const char *const bounds[] = { "gt: 3",   "gte: 3",   "eq: 3",          "neq: 3",
                                          "lt: 3",   "lte: 3",   "gte: 2, lt: 4",  "gt: 1, gte: 5",
                                          "gte: 0",  "gt: -1",   "eq: 0",          "gt: 0",
                                          "gt: 2.5", "gte: 2.5", "gte: 1, neq: 2", "eq: -2" };
    static const char *const types[] = { "event_count, condition: {",
                                         "value_count, condition: {field: v, " };
    unsigned held = 0, early = 0;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bounds) * 2; i++) {
        char text[300];
        struct bench *t;
        struct rule *rule;
        struct group *g;
        struct number got, want;

        snprintf(text, sizeof text,
                 "---\ntitle: r\ncorrelation: {rules: [f], timespan: 1h, type: %s%s}}\n",
                 types[i % 2], bounds[i / 2]);
        t = bench_new(text);
        rule = &t->rules->list[t->rules->n - 1];
        g = slab_at(&t->correlator->slab,
                    group_new(&t->correlator->slab, shape_of(rule), SLICE("k")));
        for (uint64_t n = 0; n < 8; n++) {
            struct stamp s = { .time_us = 1 + n, .value = 1 + n / 2 };
            uint64_t least = rule->correlation->least;
            bool holds = condition_holds(rule, g, &got);

            rule->correlation->least = 0;
            assert_int_equal(condition_holds(rule, g, &want), holds);
            assert_true(!holds || got.i == want.i);
            rule->correlation->least = least;
            held += holds;
            early += n < least;
            assert_true(group_insert(&t->correlator->slab, rule->correlation, g, &s));
        }
        bench_free(t);
    }
    assert_true(held > 50 && early > 30);
}

/* All events of one group, and what a rule over their values says, by counting all of them. */
#define NAIVE_SPAN 60u

struct naive {
    struct naive_event {
        unsigned at, value;
    } list[4000];
    size_t n;
    unsigned newest;
    bool active;
};

static unsigned naive_distinct(const struct naive *all, unsigned after)
{
    bool there[100] = { false };
    unsigned n = 0;

    for (size_t i = 0; i < all->n; i++)
        if (all->list[i].at > after && all->list[i].value && !there[all->list[i].value]) {
            there[all->list[i].value] = true;
            n++;
        }
    return n;
}

/* Another event; how many values there are when it fires, else 0. */
static unsigned naive_take(struct naive *all, unsigned at, unsigned value, unsigned least)
{
    unsigned distinct;
    bool before;

    if (at + NAIVE_SPAN <= all->newest)
        return 0;
    for (unsigned now = all->newest; now <= at; now++) /* one after the other leaves */
        all->active = all->active && naive_distinct(all, now - NAIVE_SPAN) >= least;
    all->newest = at > all->newest ? at : all->newest;
    all->list[all->n++] = (struct naive_event){ at, value };
    distinct = naive_distinct(all, all->newest - NAIVE_SPAN);
    before = all->active;
    all->active = distinct >= least;
    return all->active && !before ? distinct : 0;
}

/* One event at a time of a random stream over so many values. Returns how often it fired. */
static size_t count_values(unsigned values, unsigned least, uint64_t seed)
{
    struct naive *all = calloc(1, sizeof *all);
    char text[200];
    AUTO_BUF want = BUF_INIT;
    size_t fired = 0;
    unsigned now = 1000;
    struct bench *t;

    assert_non_null(all);
    snprintf(text, sizeof text,
             "---\ntitle: r\ncorrelation: {type: value_count, rules: [x], group-by: [ip], "
             "timespan: %us, condition: {field: user, gte: %u}}\n",
             NAIVE_SPAN, least);
    t = bench_new(text);
    assert_int_equal(diag_errors(t->diag), 0);
    for (size_t i = 0; i < ARRAY_SIZE(all->list); i++) {
        unsigned value = dice(&seed, values + 1), late = dice(&seed, 4) ? 0 : dice(&seed, 80), n;

        now += dice(&seed, 40) ? dice(&seed, 12) : 50;
        n = naive_take(all, now - late, value, least);
        if (n) {
            fired++;
            buf_printf(&want, "r@%u:%u[a] ", now - late, n);
        }
        snprintf(text, sizeof text, value ? "action=x ip=a user=u%u" : "action=x ip=a", value);
        at(t, now - late, text);
    }
    assert_string_equal(told(t), want.p ? want.p : "");
    free(all);
    bench_free(t);
    return fired;
}

static void values_are_counted_by_the_newest_of_each(void **state)
{
    static const unsigned values[] = { 2, 5, 7, 9, 20, 60 };
    size_t fired = 0;

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(values); i++)
        for (unsigned least = 1; least < 12; least += 2)
            fired += count_values(values[i], least, i * 100 + least);
    assert_true(fired > 1000);
}

/* An alert names an event of each value, not the last events of one of them. */
static void each_value_is_shown(void **state)
{
    struct bench *t =
        bench_new("---\ntitle: r\ncorrelation: {type: value_count, rules: [x], group-by: [ip], "
                  "timespan: 1h, condition: {field: user, gte: 3}}\n");
    const struct group *g;
    uint32_t rule;

    (void)state;
    for (unsigned i = 0; i < 500; i++)
        at(t, 1000 + i, i == 200 ? "action=x ip=a user=s" : "action=x ip=a user=r");
    rule = t->rules->list[2].listeners[0];
    g = correlator_find(t->correlator, rule, SLICE("a"));
    assert_non_null(g);
    assert_int_equal(g->n, 2);
    assert_null(g->more);
    at(t, 2000, "action=x ip=a user=t");
    assert_string_equal(told(t), "r@2000:3[a] ");
    assert_int_equal(t->batch.alerts[t->batch.nalerts - 1]->nevidence, 3);
    assert_int_equal(t->batch.alerts[t->batch.nalerts - 1]->first_us / USEC_PER_SEC, 1200);
    bench_free(t);
}

static void the_least_recent_group_goes_and_leaves_its_memory_to_others(void **state)
{
    struct bench *t = bench_new("---\ntitle: r\ncorrelation: {type: event_count, rules: [f], "
                                "group-by: [ip], timespan: 9h, condition: {gte: 21}}\n");
    size_t full = 0;
    char text[64];

    (void)state; /* 1000 groups at most */
    for (unsigned i = 0; i < 20000; i++) {
        snprintf(text, sizeof text, "action=f ip=10.0.%u.%u", i / 250, i % 250);
        at(t, 100 + i / 100.0, text);
        if (i % 999 == 0) /* just often enough to stay */
            at(t, 100 + i / 100.0, "action=f ip=stays");
        if (i == 2000)
            full = t->correlator->slab.bytes;
    }
    assert_string_equal(told(t), "r@299:21[stays] ");
    assert_int_equal(correlator_stats(t->correlator).groups, 1000);
    assert_int_equal(correlator_stats(t->correlator).evicted, 20001 - 1000);
    /* The list of the one that stays grew from 4 entries to 8, 16 and 32. */
    assert_int_equal(t->correlator->slab.bytes, full + 3 * SLAB_CHUNK);
    bench_free(t);
}

static void a_share_falls_when_events_leave(void **state)
{
    (void)state;
    PLAY("correlation: {type: event_ratio, rules: [f], of: [all], timespan: 100s,"
         " condition: {gt: 40}}\ntrailwarden: {min-events: 2}\n",
         "r@1002:50[] r@1110:50[] ", { 1000, "action=ok" }, { 1001, "action=ok" },
         { 1001.5, "action=f" }, { 1002, "action=f" }, { 1103, "action=ok" }, { 1104, "action=ok" },
         { 1109, "action=f" }, { 1110, "action=f" });
}

static void what_does_not_come_is_told_when_time_has_passed(void **state)
{
    (void)state;
    PLAY("correlation: {type: event_absent, rules: [ok], group-by: [server], timespan: 60s}\n",
         "r@1060:0[a] r@1090:0[b] r@1260:0[a] ", { 1000, "action=ok server=a" },
         { 1010, "action=ok server=b" }, { 1030, "action=ok server=b" }, { 1062, NULL },
         { 1100, NULL }, { 1150, NULL }, { 1200, "action=ok server=a" }, { 1300, NULL });
}

static void what_comes_late_still_came(void **state)
{
    (void)state;
    PLAY("correlation: {type: event_absent, rules: [ok], group-by: [server], timespan: 60s}\n", "",
         { 1000, "action=ok server=a" }, { 1061, "action=ok server=a" },
         { 1058, "action=ok server=a" }, { 1070, NULL });
    PLAY("correlation: {type: event_absent, rules: [ok], group-by: [server], timespan: 60s}\n",
         "r@1060:0[a] r@1121:0[a] ", { 1000, "action=ok server=a" }, { 1061, "action=ok server=a" },
         { 1130, NULL });
}

static void what_is_expected_needs_no_first_event(void **state)
{
    (void)state;
    PLAY("correlation: {type: event_absent, rules: [ok], group-by: [server], timespan: 60s,"
         " expect: [a, b]}\n",
         "r@1060:0[b] ", { 1000, NULL }, { 1020, "action=ok server=a" }, { 1070, NULL });
}

static void a_condition_must_hold_for_so_long(void **state)
{
    (void)state;
    /* 1002: three. It holds until 1060, when the first one leaves; 5 s are over at 1007. */
    PLAY("correlation: {type: event_count, rules: [f], group-by: [ip], timespan: 60s,"
         " condition: {gte: 3}}\ntrailwarden: {for: 5s}\n",
         "r@1007:3[a] ", { 1000, "action=f ip=a" }, { 1001, "action=f ip=a" },
         { 1002, "action=f ip=a" }, { 1030, NULL }, { 1050, "action=f ip=a" });
    /* The first leaves at 1060, just when 58 s are over: it has left before. */
    PLAY("correlation: {type: event_count, rules: [f], group-by: [ip], timespan: 60s,"
         " condition: {gte: 3}}\ntrailwarden: {for: 58s}\n",
         "", { 1000, "action=f ip=a" }, { 1001, "action=f ip=a" }, { 1002, "action=f ip=a" },
         { 1100, NULL });
    /* A fourth one keeps it true. */
    PLAY("correlation: {type: event_count, rules: [f], group-by: [ip], timespan: 60s,"
         " condition: {gte: 3}}\ntrailwarden: {for: 58s}\n",
         "r@1060:3[a] ", { 1000, "action=f ip=a" }, { 1001, "action=f ip=a" },
         { 1002, "action=f ip=a" }, { 1059, "action=f ip=a" }, { 1100, NULL });
}

static void the_least_of_the_values_must_stay_high(void **state)
{
    (void)state;
    PLAY("correlation: {type: value_min, rules: [x], group-by: [queue], timespan: 30s,"
         " condition: {field: age, gt: 60}}\ntrailwarden: {for: 20s}\n",
         "r@1120:70[a] ", { 1000, "action=x queue=a age=70" }, { 1010, "action=x queue=a age=5" },
         { 1100, "action=x queue=a age=70" }, { 1110, "action=x queue=a age=80" },
         { 1120, "action=x queue=a age=90" }, { 1200, NULL });
}

static void a_session_ends_where_nothing_comes(void **state)
{
    (void)state;
    PLAY("correlation: {type: event_count, rules: [f], group-by: [ip], timespan: 1h,"
         " condition: {gte: 3}}\ntrailwarden: {window: session, gap: 10s}\n",
         "r@1041:3[a] ", { 1000, "action=f ip=a" }, { 1005, "action=f ip=a" },
         { 1016, "action=f ip=a" }, /* another one */
         { 1031, "action=f ip=a" }, { 1041, "action=f ip=a" }, { 1041, "action=f ip=a" });
}

static void a_correlation_counts_the_firings_of_another(void **state)
{
    (void)state;
    PLAY("correlation: {type: event_count, rules: [many], group-by: [net], timespan: 1h,"
         " condition: {gte: 2}}\n"
         "---\ntitle: many\nname: many\ncorrelation: {type: event_count, rules: [f],"
         " group-by: [net, ip], timespan: 60s, condition: {gte: 2}}\n",
         "r@1101:2[n] ", { 1000, "action=f net=n ip=a" }, { 1001, "action=f net=n ip=a" },
         { 1002, "action=f net=n ip=a" }, { 1100, "action=f net=n ip=b" },
         { 1101, "action=f net=n ip=b" }, { 1102, "action=f net=m ip=c" },
         { 1103, "action=f net=m ip=c" });
}

static void both_are_told_when_the_rule_says_generate(void **state)
{
    (void)state;
    PLAY("correlation: {type: temporal, rules: [many, ok], group-by: [ip], timespan: 60s,"
         " generate: true}\n"
         "---\ntitle: many\nname: many\ncorrelation: {type: event_count, rules: [f],"
         " group-by: [ip], timespan: 60s, condition: {gte: 2}}\n",
         "many@1001:2[a] r@1010:2[a] ", { 1000, "action=f ip=a" }, { 1001, "action=f ip=a" },
         { 1010, "action=ok ip=a" });
}

static void a_sequence_is_in_order(void **state)
{
#define SEQUENCE                                                                                   \
    "correlation: {type: temporal_ordered, rules: [f, ok, x], group-by: [ip], timespan: 60s}\n"
    (void)state;
    PLAY(SEQUENCE, "r@1002:3[a] ", { 1000, "action=f ip=a" }, { 1001, "action=ok ip=a" },
         { 1002, "action=x ip=a" });
    PLAY(SEQUENCE, "", { 1000, "action=ok ip=a" }, { 1001, "action=f ip=a" },
         { 1002, "action=x ip=a" });
    PLAY(SEQUENCE, "", { 1000, "action=f ip=a" }, { 1030, "action=ok ip=a" },
         { 1060, "action=x ip=a" }); /* the first one has left */
    /* One event is not two steps. */
    PLAY("correlation: {type: temporal_ordered, rules: [all, f], timespan: 60s}\n", "r@1001:2[] ",
         { 1000, "action=f" }, { 1001, "action=f" });
}

static void conditions_in_words_are_judged_as_soon_as_they_can_be(void **state)
{
    (void)state;
    PLAY("correlation: {type: temporal, rules: [f, ok, x], timespan: 60s,"
         " condition: f and (ok or x)}\n",
         "r@1001:2[] ", { 1000, "action=f" }, { 1001, "action=x" }, { 1002, "action=ok" });
    PLAY("correlation: {type: temporal, rules: [f, ok], group-by: [ip], timespan: 60s,"
         " condition: f and not ok}\n",
         "r@1060:1[a] ", { 1000, "action=f ip=a" }, { 1001, "action=f ip=b" },
         { 1050, "action=ok ip=b" }, { 1059, NULL }, { 1070, NULL });
}

static void an_upper_bound_is_judged_when_the_window_is_over(void **state)
{
    (void)state;
    PLAY("correlation: {type: event_count, rules: [ok], group-by: [ip], timespan: 60s,"
         " condition: {lt: 3}}\n",
         "r@1060:2[a] r@1160:1[a] ", { 1000, "action=ok ip=a" }, { 1059, "action=ok ip=a" },
         { 1100, "action=ok ip=a" }, { 1200, "action=ok ip=a" }, { 1201, "action=ok ip=a" },
         { 1202, "action=ok ip=a" }, { 1300, NULL });
}

static void sums_of_whole_numbers_are_exact(void **state)
{
    (void)state;
    PLAY("correlation: {type: value_sum, rules: [x], timespan: 60s,"
         " condition: {field: n, gte: 9007199254740995}}\n",
         "r@1003:9007199254740995[] ", { 1000, "action=x n=9007199254740992" },
         { 1001, "action=x n=1" }, { 1002, "action=x n=1" }, { 1003, "action=x n=1" },
         { 1004, "action=x n=some" });
    PLAY(
        "correlation: {type: value_avg, rules: [x], timespan: 60s, condition: {field: n, gt: 2}}\n",
        "r@1001:3[] ", { 1000, "action=x n=2" }, { 1001, "action=x n=4" },
        { 1002, "action=x n=no" });
    PLAY("correlation: {type: value_percentile, rules: [x], timespan: 60s,"
         " condition: {field: n, gte: 10, percentile: 90}}\n",
         "r@1010:10[] ", { 1001, "action=x n=1" }, { 1002, "action=x n=1" },
         { 1003, "action=x n=1" }, { 1004, "action=x n=1" }, { 1005, "action=x n=1" },
         { 1006, "action=x n=1" }, { 1007, "action=x n=1" }, { 1008, "action=x n=1" },
         { 1009, "action=x n=1" }, { 1010, "action=x n=10" });
}

#define BERLIN                                                                                     \
    "source.geo.country_iso_code=DE source.geo.location.lat=52.52 source.geo.location.lon=13.40"
#define POTSDAM                                                                                    \
    "source.geo.country_iso_code=DE source.geo.location.lat=52.40 source.geo.location.lon=13.06"
#define TOKYO                                                                                      \
    "source.geo.country_iso_code=JP source.geo.location.lat=35.68 source.geo.location.lon=139.69"

/* Berlin to Tokyo: 8,918 km. */
static void nobody_travels_so_fast(void **state)
{
    const char *rule =
        "---\ntitle: t\nname: t\nlogsource: {product: p}\ndetection: {s: {action: ok,"
        " geo.speed_kmh|gt: 900}, condition: s}\n---\ntitle: r\ncorrelation: {type:"
        " event_count, rules: [t], group-by: [user.name, geo.distance_km],"
        " timespan: 60s, condition: {gte: 1}}\n";
    struct bench *t = bench_new(rule), *next = bench_new(rule);

    (void)state;
    assert_int_equal(diag_errors(t->diag), 0);
    at(t, 1000, "action=ok user.name=a " BERLIN);
    at(t, 1100, "action=ok user.name=a " POTSDAM); /* 26 km in 100 s: 950 km/h */
    assert_string_equal(told(t), "r@1100:1[a,27] ");
    at(t, 1101, "action=ok user.name=b " TOKYO); /* somebody else */
    at(t, 1200, "action=f user.name=a " TOKYO); /* no login */
    at(t, 9000, "action=ok user.name=a " POTSDAM);
    at(t, 8000, "action=ok user.name=a " TOKYO); /* late */
    at(t, 9001, "action=ok " TOKYO); /* nobody */
    at(t, 9002, "action=ok user.name=a"); /* nowhere */
    assert_string_equal(told(t), "r@1100:1[a,27] ");
    for (size_t i = 0; i < t->nkept; i++)
        assert_int_equal(correlator_restore(next->correlator, &t->kept[i], NULL), 0);
    at(next, 9000 + 9 * 3600, "action=ok user.name=a " TOKYO); /* 8,943 km in nine hours */
    assert_string_equal(told(next), "r@41400:1[a,8942] ");
    bench_free(t);
    bench_free(next);
}

/* A line whose clock is days ahead is not where he is from now on. */
static void a_clock_far_ahead_moves_nobody(void **state)
{
    struct bench *t = bench_new("---\ntitle: t\nname: t\nlogsource: {product: p}\ndetection: {s: "
                                "{action: ok, geo.speed_kmh|gt: 900}, condition: s}\n---\n"
                                "title: r\ncorrelation: {type: event_count, rules: [t], group-by:"
                                " [user.name], timespan: 60s, condition: {gte: 1}}\n");

    (void)state;
    t->received_us = 1300 * USEC_PER_SEC;
    at(t, 1000, "action=ok user.name=a " BERLIN);
    at(t, 999999, "action=ok user.name=a " BERLIN);
    t->received_us = 1310 * USEC_PER_SEC;
    at(t, 1310, "action=ok user.name=a " TOKYO);
    assert_string_equal(told(t), "r@1310:1[a] ");
    bench_free(t);
}

/* Signals are named by the rule's id: a second rule that has it is broken, and takes none. */
static void a_doubled_id_takes_no_signals_from_the_first(void **state)
{
    const char *rule = "---\ntitle: r\nid: one\ncorrelation: {type: event_count, rules: [f],"
                       " timespan: 60s, condition: {gte: 2}}\n"
                       "---\ntitle: s\nid: one\ncorrelation: {type: event_count, rules: [f],"
                       " timespan: 9s, condition: {gte: 7}}\n";
    struct bench *t = bench_new(rule), *next = bench_new(rule);

    (void)state;
    assert_int_equal(diag_errors(t->diag), 1);
    at(t, 1000, "action=f");
    assert_int_equal(t->nkept, 1);
    assert_int_equal(correlator_restore(next->correlator, &t->kept[0], NULL), 0);
    at(next, 1030, "action=f");
    assert_string_equal(told(next), "r@1030:2[] ");
    bench_free(t);
    bench_free(next);
}

/* Under a `not`, what nobody knows yet may hold, too. */
static void a_country_is_compared_with_the_one_before(void **state)
{
    (void)state;
    PLAY("name: y\nlogsource: {product: p}\ndetection: {s: {action: ok}, same: {geo.prev_country: "
         "DE},"
         " first: {geo.prev_country: null}, condition: s and not same and not first}\n"
         "---\ntitle: q\ncorrelation: {type: event_count, rules: [y], timespan: 60s,"
         " group-by: [geo.prev_country], condition: {gte: 1}}\n",
         "q@1300:1[JP] ", { 1000, "action=ok user.name=a " BERLIN },
         { 1100, "action=ok user.name=a " BERLIN }, { 1200, "action=ok user.name=a " TOKYO },
         { 1300, "action=ok user.name=a " BERLIN });
}

static void a_clock_far_ahead_blinds_nobody(void **state)
{
    struct bench *t = bench_new("---\ntitle: r\ncorrelation: {type: event_count, rules: [f],"
                                " timespan: 60s, condition: {gte: 3}}\n");
    static const struct logsource ls = { { "p", 1 }, { "", 0 }, { "", 0 } };
    const uint64_t times[] = { 1000, 99999999, 1001 };

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct event ev = { .logsource = &ls,
                            .channel = SLICE("p"),
                            .raw = SLICE("line"),
                            .time_us = times[i] * USEC_PER_SEC,
                            .received_us = 1001 * USEC_PER_SEC,
                            .key = { .position = i } };
        struct match m = { 0, &ev };

        open_batch(t);
        ev.arena = t->arena;
        assert_int_equal(correlator_take(t->correlator, &m, &t->batch, NULL), 0);
        commit(t);
    }
    assert_string_equal(told(t), "r@1001:3[] ");
    bench_free(t);
}

static void who_reads_an_old_log_does_not_let_time_pass(void **state)
{
    struct bench *t = bench_new("---\ntitle: r\ncorrelation: {type: event_absent, rules: [ok],"
                                " group-by: [server], timespan: 60s}\n");

    (void)state;
    at(t, 1000, "action=ok server=a");
    correlator_behind(t->correlator, 1010 * USEC_PER_SEC); /* an input is still there */
    at(t, 2000, "action=ok server=b");
    at(t, 1050, "action=ok server=a");
    assert_string_equal(told(t), "");
    correlator_behind(t->correlator, 0);
    at(t, 2001, "action=ok server=b");
    assert_string_equal(told(t), "r@1110:0[a] ");
    assert_int_equal(correlator_due_us(t->correlator), 2061 * USEC_PER_SEC);
    bench_free(t);
}

/* ---- faults ---- */

static void faults_are_told_with_their_place(void **state)
{
    static const struct {
        const char *rule, *text;
    } cases[] = {
        { "correlation: {type: event_count, rules: [r], timespan: 5m, condition: {gt: 1}}",
          "cannot count itself" },
        { "name: one\ncorrelation: {type: event_count, rules: [two], timespan: 5m, condition: {gt: "
          "1}}\n---\ntitle: two\nname: two\ncorrelation: {type: event_count, rules: [one], "
          "timespan: 5m, condition: {gt: 1}}",
          "counts itself, by way of others" },
        { "correlation: {type: event_ratio, rules: [f], timespan: 5m, condition: {gt: 1}}",
          "needs 'of'" },
        { "correlation: {type: event_count, rules: [f], of: [all], timespan: 5m, condition: {gt: "
          "1}}",
          "'of' is for event_ratio" },
        { "correlation: {type: temporal, rules: [f, ok], timespan: 5m, condition: f and (ok}",
          "a parenthesis is open" },
        { "correlation: {type: temporal, rules: [f, ok], timespan: 5m, condition: f ok}",
          "something follows the condition" },
        { "correlation: {type: temporal, rules: [f, ok], timespan: 5m, condition: f and x}",
          "names 'x', which is none of 'rules'" },
        { "correlation: {type: temporal_ordered, rules: [f, ok], timespan: 5m, condition: f or ok}",
          "conditions in words are for type temporal" },
        { "correlation: {type: value_new, rules: [f], timespan: 5m}", "needs a condition" },
        { "correlation: {type: value_new, rules: [f], timespan: 5m, learn: 1h, condition: {field: "
          "a}}",
          "learn is longer than the timespan" },
        { "correlation: {type: event_absent, rules: [f], timespan: 5m, condition: {gt: 1}}",
          "this type has no bound" },
        { "correlation: {type: event_absent, rules: [f], timespan: 5m, group-by: [a, b], expect: "
          "[x]}",
          "one value for each field" },
        { "correlation: {type: event_count, rules: [f], timespan: 5m, condition: {lt: "
          "1}}\ntrailwarden: {for: 5m}",
          "'for' needs a window that slides" },
        { "correlation: {type: event_count, rules: [f], timespan: 5m, condition: {gt: "
          "1}}\ntrailwarden: {window: session}",
          "a session needs 'gap'" },
        { "correlation: {type: value_percentile, rules: [f], timespan: 5m, condition: {field: a, "
          "gt: 1, percentile: 101}}",
          "from 0 to 100" },
        { "logsource: {product: p}\ndetection: {s: {a: b}, condition: s}\ntrailwarden: {for: 5m}",
          "one event holds for no time" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct buf text = BUF_INIT;
        struct bench *t;
        bool found = false;

        buf_printf(&text, "---\ntitle: r\n%s%s\n",
                   strncmp(cases[i].rule, "name:", 5) == 0 ? "" : "name: r\n", cases[i].rule);
        t = bench_new(text.p);
        assert_true(diag_errors(t->diag) > 0);
        for (size_t k = 0; k < diag_count(t->diag); k++)
            found = found || strstr(diag_text(t->diag, k), cases[i].text);
        if (!found) {
            diag_print(t->diag, stderr, false);
            fail_msg("case %zu: %s", i, cases[i].text);
        }
        bench_free(t);
        buf_fini(&text);
    }
}

/* ---- restarts ---- */

#define MANY_RULES                                                                                 \
    "---\ntitle: count\ncorrelation: {type: event_count, rules: [f], group-by: [ip], timespan: "   \
    "40s, condition: {gte: 4}}\ntrailwarden: {suppress: 30s}\n"                                    \
    "---\ntitle: reset\ncorrelation: {type: event_count, rules: [f], group-by: [ip], timespan: "   \
    "40s, condition: {gte: 3}}\ntrailwarden: {refire: reset}\n"                                    \
    "---\ntitle: every\ncorrelation: {type: value_count, rules: [f, ok], group-by: [ip], "         \
    "timespan: 30s, condition: {field: user, gte: 3}}\ntrailwarden: {refire: every, suppress: "    \
    "7s}\n"                                                                                        \
    "---\ntitle: held\nname: held\ncorrelation: {type: event_count, rules: [f], group-by: [ip], "  \
    "timespan: 50s, condition: {gte: 3}}\ntrailwarden: {for: 15s, suppress: 20s}\n"                \
    "---\ntitle: session\ncorrelation: {type: event_count, rules: [f], group-by: [ip], timespan: " \
    "100s, condition: {gte: 4}}\ntrailwarden: {window: session, gap: 9s, for: 3s}\n"               \
    "---\ntitle: low\ncorrelation: {type: event_count, rules: [ok], group-by: [ip], timespan: "    \
    "30s, condition: {lte: 2}}\n"                                                                  \
    "---\ntitle: words\ncorrelation: {type: temporal, rules: [f, ok, x], group-by: [ip], "         \
    "timespan: 25s, condition: f and not x}\ntrailwarden: {suppress: 40s}\n"                       \
    "---\ntitle: ordered\ncorrelation: {type: temporal_ordered, rules: [f, ok, x], group-by: "     \
    "[ip], timespan: 30s}\n"                                                                       \
    "---\ntitle: new\ncorrelation: {type: value_new, rules: [ok], group-by: [ip], timespan: "      \
    "120s, learn: 30s, condition: {field: user}}\n"                                                \
    "---\ntitle: ratio\ncorrelation: {type: event_ratio, rules: [f], of: [all], timespan: 40s, "   \
    "condition: {gt: 55}}\ntrailwarden: {min-events: 5}\n"                                         \
    "---\ntitle: absent\ncorrelation: {type: event_absent, rules: [x], group-by: [ip], timespan: " \
    "45s, expect: [q]}\n"                                                                          \
    "---\ntitle: sum\ncorrelation: {type: value_sum, rules: [f], group-by: [ip], timespan: 35s, "  \
    "condition: {field: n, gt: 20}}\n"                                                             \
    "---\ntitle: parent\ncorrelation: {type: event_count, rules: [held, quick], timespan: 200s, "  \
    "condition: {gte: 3}, generate: true}\n"                                                       \
    "---\ntitle: quick\nname: quick\ncorrelation: {type: event_count, rules: [f], group-by: "      \
    "[user], timespan: 20s, condition: {gte: 2}}\n"

struct random_event {
    double at;
    char fields[64];
};

static void make_events(uint64_t *x, struct random_event *list, size_t n)
{
    static const char *const actions[] = { "f", "f", "ok", "x" };
    double now = 1000;

    for (size_t i = 0; i < n; i++) {
        now += dice(x, 9) * 0.5 + (dice(x, 25) == 0 ? 40 : 0);
        list[i].at = now - (dice(x, 6) == 0 ? dice(x, 4) : 0); /* some are late */
        snprintf(list[i].fields, sizeof list[i].fields, "action=%s ip=%c user=%c n=%u",
                 actions[dice(x, 4)], 'a' + (int)dice(x, 3), 's' + (int)dice(x, 5), dice(x, 12));
    }
}

/* As the store does: a signal goes when it is not needed any more. */
static void restore(struct bench *to, const struct bench *from, bool prune)
{
    for (size_t i = 0; i < from->nkept; i++) {
        const struct signal *s = &from->kept[i];

        if (prune && s->time_us + s->keep_us < from->newest_us)
            continue;
        assert_int_equal(correlator_restore(to->correlator, s, NULL), 0);
    }
    to->position = from->position;
    buf_str(&to->told, told(from));
}

#define EVENTS 600

static void a_kill_anywhere_changes_no_alert_of_any_type(void **state)
{
    const char *more = getenv("TW_ROUNDS");
    uint64_t rounds = 60;
    struct random_event *events = calloc(EVENTS, sizeof *events);
    size_t alerts = 0;

    (void)state;
    if (more)
        assert_int_equal(parse_u64(slice_str(more), 1, 1000000, &rounds), 0);
    for (uint64_t seed = 1; seed <= rounds; seed++) {
        struct bench *whole = bench_new(MANY_RULES), *life = bench_new(MANY_RULES);
        uint64_t x = seed;

        assert_int_equal(diag_errors(whole->diag), 0);
        make_events(&x, events, EVENTS);
        for (size_t i = 0; i < EVENTS; i++) {
            if (dice(&x, 60) == 0) {
                struct bench *next = bench_new(MANY_RULES);

                restore(next, life, true);
                for (size_t k = 0; k < life->nkept; k++) { /* they stay in the store */
                    struct batch b = { .signals = &life->kept[k], .nsignals = 1 };

                    next->batch = b;
                    commit(next);
                }
                next->newest_us = life->newest_us;
                bench_free(life);
                life = next;
            }
            at(whole, events[i].at, events[i].fields);
            at(life, events[i].at, events[i].fields);
            if (strcmp(told(whole), told(life)) != 0) {
                size_t same = 0;

                while (told(whole)[same] && told(whole)[same] == told(life)[same])
                    same++;
                fail_msg("seed %llu, event %zu at %.1f:\n  '%.200s'\n  '%.200s'",
                         (unsigned long long)seed, i, events[i].at, told(whole) + same,
                         told(life) + same);
            }
        }
        alerts += whole->nalerts;
        bench_free(whole);
        bench_free(life);
    }
    assert_true(alerts > rounds * 20); /* else nothing was shown */
    free(events);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_value_is_told_when_the_group_has_learnt),
        cmocka_unit_test(a_share_is_judged_once_for_an_event_that_counts_on_both_sides),
        cmocka_unit_test(an_alert_that_no_event_fires_itself_names_the_last_event),
        cmocka_unit_test(what_rules_hear_is_what_each_would_find_alone),
        cmocka_unit_test(what_is_too_few_is_known_without_measuring),
        cmocka_unit_test(values_are_counted_by_the_newest_of_each),
        cmocka_unit_test(each_value_is_shown),
        cmocka_unit_test(the_least_recent_group_goes_and_leaves_its_memory_to_others),
        cmocka_unit_test(a_share_falls_when_events_leave),
        cmocka_unit_test(what_does_not_come_is_told_when_time_has_passed),
        cmocka_unit_test(what_comes_late_still_came),
        cmocka_unit_test(what_is_expected_needs_no_first_event),
        cmocka_unit_test(a_condition_must_hold_for_so_long),
        cmocka_unit_test(the_least_of_the_values_must_stay_high),
        cmocka_unit_test(a_session_ends_where_nothing_comes),
        cmocka_unit_test(a_correlation_counts_the_firings_of_another),
        cmocka_unit_test(both_are_told_when_the_rule_says_generate),
        cmocka_unit_test(a_sequence_is_in_order),
        cmocka_unit_test(conditions_in_words_are_judged_as_soon_as_they_can_be),
        cmocka_unit_test(an_upper_bound_is_judged_when_the_window_is_over),
        cmocka_unit_test(sums_of_whole_numbers_are_exact),
        cmocka_unit_test(nobody_travels_so_fast),
        cmocka_unit_test(a_clock_far_ahead_moves_nobody),
        cmocka_unit_test(a_doubled_id_takes_no_signals_from_the_first),
        cmocka_unit_test(a_country_is_compared_with_the_one_before),
        cmocka_unit_test(a_clock_far_ahead_blinds_nobody),
        cmocka_unit_test(who_reads_an_old_log_does_not_let_time_pass),
        cmocka_unit_test(faults_are_told_with_their_place),
        cmocka_unit_test(a_kill_anywhere_changes_no_alert_of_any_type),
    };

    return cmocka_run_group_tests_name("correlate", tests, NULL, NULL);
}
