/*
 * The tests inside the rules: `trailwarden: {tests: [...]}`. A tester runs the
 * tests of one rule at a time on memory of its own, so several threads may
 * each have one on the same set.
 */
#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/num.h"
#include "rules/inspect.h"
#include "rules/tree.h"

/* A fixed beginning, so that a failing test fails the same way everywhere. */
#define START_US (UINT64_C(1767225600) * USEC_PER_SEC) /* 2026-01-01T00:00:00Z */

struct rules_tester {
    const struct rules *rules;
    struct rules_test_parser parser; /* parse may be NULL */
    struct rules_scratch *scratch;
    struct correlator *correlator;
    struct arena *arena;
    struct batch batch;
    const struct rule *rule;
    uint64_t now_us, step_us;
    uint64_t position;
    uint64_t matches; /* of the rule itself */
    struct buf fault; /* the first one of a test */
};

static void test_fault(struct rules_tester *run, const char *fmt, ...) PRINTF_LIKE(2, 3);

static void test_fault(struct rules_tester *run, const char *fmt, ...)
{
    va_list args;

    if (run->fault.n)
        return;
    va_start(args, fmt);
    buf_vprintf(&run->fault, fmt, args);
    va_end(args);
}

static int take(struct rules_tester *run, struct event *ev)
{
    const uint32_t *hits;
    size_t n;

    ev->key.position = run->position++;
    n = rules_match(run->rules, run->scratch, ev, &hits);
    for (size_t i = 0; i < n; i++) {
        struct match m = { hits[i], ev };

        run->matches += &run->rules->list[hits[i]] == run->rule;
        if (correlator_take(run->correlator, &m, &run->batch, NULL) < 0)
            return -ENOMEM;
    }
    return 0;
}

static const struct logsource *test_logsource(struct rules_tester *run, struct slice channel)
{
    struct logsource *ls = arena_alloc(run->arena, sizeof *ls);

    for (size_t i = 0; i < run->rules->nlogsources; i++)
        if (slice_eq(run->rules->logsources[i].product, channel))
            return &run->rules->logsources[i];
    if (ls)
        ls->product = channel;
    return ls;
}

/* An event written as a map of fields. */
static int field_event(struct rules_tester *run, const struct yaml *y, struct slice channel)
{
    struct event ev = { .arena = run->arena, .trust = TRUST_LINE, .channel = channel };
    uint64_t given;

    ev.logsource = test_logsource(run, channel);
    ev.time_us = run->now_us;
    YAML_EACH (m, y) {
        enum value_type type = yaml_is_null(m) ? VALUE_NULL : VALUE_STRING;

        if (slice_is(m->key, "@timestamp") && time_parse_rfc3339(m->text, &given) == 0)
            ev.time_us = given;
        if (m->kind == YAML_SCALAR)
            (void)event_add(&ev, field_find(run->rules->names, m->key), m->key, type, m->text);
        else
            YAML_EACH (item, m)
                (void)event_add(&ev, field_find(run->rules->names, m->key), m->key, VALUE_STRING,
                                item->text);
    }
    ev.raw = SLICE("");
    run->now_us = ev.time_us + run->step_us;
    return take(run, &ev);
}

static int line_event(struct rules_tester *run, const struct yaml *y, struct slice channel)
{
    const struct event *parsed =
        run->parser.parse ? run->parser.parse(run->parser.ctx, channel, y->text, run->arena) : NULL;
    struct event ev;

    if (!parsed) {
        test_fault(run, "its channel has no format that reads lines");
        return 0;
    }
    ev = *parsed;
    ev.time_us = run->now_us;
    run->now_us += run->step_us;
    return take(run, &ev);
}

/* A correlation that is only counted by others: its signals say that it fired. */
static uint64_t silent_firings(const struct rules_tester *run)
{
    uint64_t n = 0;

    for (size_t i = 0; i < run->batch.nsignals; i++)
        n += run->batch.signals[i].flags & SIGNAL_FIRED &&
             memcmp(run->batch.signals[i].rule, run->rule->signal_id,
                    sizeof run->rule->signal_id) == 0;
    return n;
}

/* A rule that is only counted by correlations tells nothing itself: its matches are meant. */
static uint64_t got_of_rule(const struct rules_tester *run)
{
    uint64_t n = 0;

    if (run->rule->info.silent && run->rule->condition)
        return run->matches;
    if (run->rule->info.silent)
        return silent_firings(run);
    for (size_t i = 0; i < run->batch.nalerts; i++)
        n += slice_eq(run->batch.alerts[i]->rule_id, run->rule->info.id);
    return n;
}

static void judge(struct rules_tester *run, struct rules_test_result *result)
{
    uint64_t want = 0;
    bool fire = slice_is(result->expected, "fire");

    result->got = got_of_rule(run);
    if (!fire && !slice_is(result->expected, "silent") &&
        parse_u64(result->expected, 0, 1000000, &want) < 0) {
        test_fault(run, "expect is fire, silent or a number");
        return;
    }
    if (fire ? result->got == 0 : result->got != want)
        test_fault(run, "expected %.*s, got %llu %s", SLICE_FMT(result->expected),
                   (unsigned long long)result->got,
                   run->rule->info.silent && run->rule->condition ? "matches" : "alerts");
}

static int run_events(struct rules_tester *run, const struct yaml *test, struct slice channel)
{
    const struct yaml *times = yaml_get(test, "repeat");
    uint64_t repeat = 1;
    int e = 0;

    if (times && parse_u64(times->text, 1, 100000, &repeat) < 0)
        test_fault(run, "repeat is a number");
    for (; repeat && e == 0; repeat--) {
        YAML_EACH (y, yaml_get(test, "events"))
            e = e ? e : field_event(run, y, channel);
        YAML_EACH (y, yaml_get(test, "lines"))
            e = e ? e : line_event(run, y, channel);
    }
    return e;
}

/* The channel that the test names; else that of the rule, or of the first rule that it counts. */
static struct slice channel_of(const struct rules_tester *run, const struct yaml *test)
{
    const struct yaml *channel = yaml_get(test, "channel");
    const struct rules *r = run->rules;
    const struct rule *rule = run->rule;

    if (channel)
        return channel->text;
    while (rule->correlation && rule->correlation->nparts)
        rule = &r->list[rule->correlation->parts[0]];
    return rule->info.logsource ? rule->info.logsource->product : SLICE("");
}

/* Until all windows are judged; of what is expected, only the test can say how long it waits. */
static uint64_t default_wait_us(const struct rule *rule)
{
    bool absent = rule->correlation && rule->correlation->type == CORRELATE_EVENT_ABSENT;

    return absent ? 0 : 366 * 86400 * USEC_PER_SEC;
}

static int play_test(struct rules_tester *run, const struct yaml *test)
{
    const struct yaml *every = yaml_get(test, "every"), *wait = yaml_get(test, "wait");
    uint64_t wait_us = default_wait_us(run->rule);
    int e;

    arena_reset(run->arena);
    batch_init(&run->batch, run->arena, START_US);
    run->now_us = START_US;
    run->step_us = USEC_PER_SEC;
    run->position = run->matches = 0;
    if (every && parse_duration(every->text, &run->step_us) < 0)
        test_fault(run, "every is a duration like 10s");
    if (wait && parse_duration(wait->text, &wait_us) < 0)
        test_fault(run, "wait is a duration like 7d");
    run->correlator = correlator_new(run->rules, 1000);
    if (!run->correlator)
        return -ENOMEM;
    e = run_events(run, test, channel_of(run, test));
    if (e == 0)
        e = correlator_advance(run->correlator, run->now_us + wait_us, &run->batch, NULL);
    correlator_free(run->correlator);
    return e;
}

static int run_test(struct rules_tester *run, const struct yaml *test,
                    struct rules_test_result *ret)
{
    const struct yaml *name = yaml_get(test, "name"), *expect = yaml_get(test, "expect");
    int e;

    *ret = (struct rules_test_result){
        .name = name ? name->text : SLICE(""),
        .at = test->at,
        .expected = expect ? expect->text : SLICE("fire"),
    };
    buf_reset(&run->fault);
    e = play_test(run, test);
    if (e)
        return e;
    judge(run, ret);
    ret->failed = run->fault.n > 0 || !buf_ok(&run->fault);
    ret->fault = ret->failed ? run->fault.p : NULL;
    return buf_ok(&run->fault) ? 0 : -ENOMEM;
}

struct rules_tester *rules_tester_new(const struct rules *r, const struct rules_test_parser *parser)
{
    AUTO(rules_tester) t = calloc(1, sizeof *t);

    if (!t)
        return NULL;
    t->rules = r;
    if (parser)
        t->parser = *parser;
    t->scratch = rules_scratch_new(r);
    t->arena = arena_new(65536, 64 << 20);
    return t->scratch && t->arena ? TAKE(t) : NULL;
}

void rules_tester_free(struct rules_tester *t)
{
    if (!t)
        return;
    rules_scratch_free(t->scratch);
    arena_free(t->arena);
    buf_fini(&t->fault);
    free(t);
}

int rules_tester_run(struct rules_tester *t, size_t i,
                     void (*told)(void *ctx, const struct rules_test_result *result), void *ctx)
{
    t->rule = &t->rules->list[i];
    if (t->rule->broken)
        return 0;
    YAML_EACH (test, t->rule->response.tests) {
        struct rules_test_result result;
        int e = run_test(t, test, &result);

        if (e < 0)
            return e;
        told(ctx, &result);
    }
    return 0;
}

/* ---- all of them ---- */

struct all {
    const struct rules *rules;
    size_t rule;
    struct diag *diag;
    size_t *ran, *failed;
};

static void count_test(void *ctx, const struct rules_test_result *result)
{
    struct all *all = ctx;

    (*all->ran)++;
    if (!result->failed)
        return;
    (*all->failed)++;
    diag_error(all->diag, result->at, "test '%.*s' of rule '%.*s': %s", SLICE_FMT(result->name),
               SLICE_FMT(all->rules->list[all->rule].info.title), result->fault);
}

int rules_test(const struct rules *r, const struct rules_test_parser *parser, struct diag *d,
               size_t *ret_ran, size_t *ret_failed)
{
    AUTO(rules_tester) t = rules_tester_new(r, parser);
    struct all all = { .rules = r, .diag = d, .ran = ret_ran, .failed = ret_failed };
    int e = t ? 0 : -ENOMEM;

    *ret_ran = *ret_failed = 0;
    for (all.rule = 0; e == 0 && all.rule < r->n; all.rule++)
        e = rules_tester_run(t, all.rule, count_test, &all);
    return e ? e : *ret_failed ? -EINVAL : 0;
}
