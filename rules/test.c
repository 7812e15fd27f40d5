/* The tests inside the rules: `trailwarden: {tests: [...]}`. */
#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/num.h"
#include "rules/tree.h"

/* A fixed beginning, so that a failing test fails the same way everywhere. */
#define START_US (UINT64_C(1767225600) * USEC_PER_SEC) /* 2026-01-01T00:00:00Z */

struct run {
    const struct rules *rules;
    const struct rules_test_parser *parser;
    struct diag *diag;
    struct rules_scratch *scratch;
    struct correlator *correlator;
    struct arena *arena;
    struct batch batch;
    const struct rule *rule;
    uint64_t now_us, step_us;
    uint64_t position;
    bool failed;
};

static void test_fault(struct run *run, const struct yaml *test, const char *text)
{
    const struct yaml *name = yaml_get(test, "name");

    diag_error(run->diag, test->at, "test '%.*s' of rule '%.*s': %s",
               SLICE_FMT(name ? name->text : SLICE("")), SLICE_FMT(run->rule->info.title), text);
    run->failed = true;
}

static int take(struct run *run, struct event *ev)
{
    const uint32_t *hits;
    size_t n;

    ev->key.position = run->position++;
    n = rules_match(run->rules, run->scratch, ev, &hits);
    for (size_t i = 0; i < n; i++) {
        struct match m = { hits[i], ev };

        if (correlator_take(run->correlator, &m, &run->batch, NULL) < 0)
            return -ENOMEM;
    }
    return 0;
}

static const struct logsource *test_logsource(struct run *run, struct slice channel)
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
static int field_event(struct run *run, const struct yaml *y, struct slice channel)
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

static int line_event(struct run *run, const struct yaml *test, const struct yaml *y,
                      struct slice channel)
{
    const struct event *parsed =
        run->parser ? run->parser->parse(run->parser->ctx, channel, y->text, run->arena) : NULL;
    struct event ev;

    if (!parsed) {
        test_fault(run, test, "its channel has no format that reads lines");
        return 0;
    }
    ev = *parsed;
    ev.time_us = run->now_us;
    run->now_us += run->step_us;
    return take(run, &ev);
}

static uint64_t alerts_of_rule(const struct run *run)
{
    uint64_t n = 0;

    for (size_t i = 0; i < run->batch.nalerts; i++)
        n += slice_eq(run->batch.alerts[i]->rule_id, run->rule->info.id);
    return n;
}

static void judge(struct run *run, const struct yaml *test)
{
    const struct yaml *expect = yaml_get(test, "expect");
    uint64_t got = alerts_of_rule(run), want = 0;
    char text[96];
    bool fire = !expect || slice_is(expect->text, "fire");

    if (expect && !fire && !slice_is(expect->text, "silent") &&
        parse_u64(expect->text, 0, 1000000, &want) < 0) {
        test_fault(run, test, "expect is fire, silent or a number");
        return;
    }
    if (fire ? got > 0 : got == want)
        return;
    snprintf(text, sizeof text, "expected %.*s, got %llu alerts",
             (int)(expect ? expect->text.n : 4), expect ? expect->text.p : "fire",
             (unsigned long long)got);
    test_fault(run, test, text);
}

static int run_events(struct run *run, const struct yaml *test, struct slice channel)
{
    const struct yaml *times = yaml_get(test, "repeat");
    uint64_t repeat = 1;
    int e = 0;

    if (times && parse_u64(times->text, 1, 100000, &repeat) < 0)
        test_fault(run, test, "repeat is a number");
    for (; repeat && e == 0; repeat--) {
        YAML_EACH (y, yaml_get(test, "events"))
            e = e ? e : field_event(run, y, channel);
        YAML_EACH (y, yaml_get(test, "lines"))
            e = e ? e : line_event(run, test, y, channel);
    }
    return e;
}

/* Of the first detection that it counts, by way of others or not. */
static struct slice product_of(const struct rules *r, const struct rule *rule)
{
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

static int run_test(struct run *run, const struct yaml *test)
{
    const struct yaml *channel = yaml_get(test, "channel"), *every = yaml_get(test, "every"),
                      *wait = yaml_get(test, "wait");
    uint64_t wait_us = default_wait_us(run->rule);
    struct slice name = channel ? channel->text : SLICE("");
    int e;

    if (!channel && run->rule->info.logsource)
        name = run->rule->info.logsource->product;
    if (!channel && run->rule->correlation)
        name = product_of(run->rules, run->rule);
    arena_reset(run->arena);
    batch_init(&run->batch, run->arena, START_US);
    run->now_us = START_US;
    run->step_us = USEC_PER_SEC;
    if (every && parse_duration(every->text, &run->step_us) < 0)
        test_fault(run, test, "every is a duration like 10s");
    if (wait && parse_duration(wait->text, &wait_us) < 0)
        test_fault(run, test, "wait is a duration like 7d");
    run->correlator = correlator_new(run->rules, 1000);
    if (!run->correlator)
        return -ENOMEM;
    e = run_events(run, test, name);
    if (e == 0)
        e = correlator_advance(run->correlator, run->now_us + wait_us, &run->batch, NULL);
    correlator_free(run->correlator);
    if (e == 0)
        judge(run, test);
    return e;
}

int rules_test(const struct rules *r, const struct rules_test_parser *parser, struct diag *d,
               size_t *ret_ran, size_t *ret_failed)
{
    struct run run = { .rules = r, .parser = parser, .diag = d };
    int e = 0;

    run.scratch = rules_scratch_new(r);
    run.arena = arena_new(65536, 64 << 20);
    if (!run.scratch || !run.arena)
        e = -ENOMEM;
    *ret_ran = *ret_failed = 0;
    for (size_t i = 0; e == 0 && i < r->n; i++) {
        run.rule = &r->list[i];
        YAML_EACH (test, run.rule->response.tests) {
            if (e || run.rule->broken)
                break;
            run.failed = false;
            e = run_test(&run, test);
            (*ret_ran)++;
            *ret_failed += run.failed;
        }
    }
    rules_scratch_free(run.scratch);
    arena_free(run.arena);
    return e ? e : *ret_failed ? -EINVAL : 0;
}
