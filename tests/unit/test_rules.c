/* The Sigma engine: language, windows, restart. */
#include "rules/rules.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

struct set {
    struct field_names *names;
    struct rules *rules;
    struct rules_scratch *scratch;
    struct diag *diag;
    struct arena *arena;
};

static struct set load(const char *text)
{
    struct set s = { .names = field_names_new(), .diag = diag_new(), .arena = arena_new(4096, 0) };

    s.rules = rules_new(s.names);
    rules_add(s.rules, "t.yml", slice_str(text), s.diag);
    rules_compile(s.rules, s.diag);
    s.scratch = rules_scratch_new(s.rules);
    return s;
}

static void drop(struct set *s)
{
    rules_scratch_free(s->scratch);
    rules_free(s->rules);
    field_names_free(s->names);
    diag_free(s->diag);
    arena_free(s->arena);
}

/* Fields as name, value, name, value ..., NULL; a value "(null)" is null. */
static struct event event_of(struct set *s, const char *const *fields)
{
    static const struct logsource ls = { { "xui", 3 }, { "", 0 }, { "", 0 } };
    struct event ev = { .arena = s->arena,
                        .logsource = &ls,
                        .channel = SLICE("xui"),
                        .trust = TRUST_LINE,
                        .raw = SLICE("the raw line") };

    for (; *fields; fields += 2) {
        bool null = strcmp(fields[1], "(null)") == 0;

        assert_int_equal(event_add(&ev, field_find(s->names, slice_str(fields[0])),
                                   slice_str(fields[0]), null ? VALUE_NULL : VALUE_STRING,
                                   slice_str(fields[1])),
                         0);
    }
    return ev;
}

/* One selection, one event: does it hold? */
static bool holds(const char *selection, const char *const *fields)
{
    AUTO_BUF text = BUF_INIT;
    struct set s;
    struct event ev;
    const uint32_t *hits;
    size_t n;

    buf_printf(&text, "title: t\nlogsource: {product: xui}\ndetection:\n%s\nlevel: low\n",
               selection);
    s = load(text.p);
    if (diag_errors(s.diag)) {
        print_message("%s\n", diag_text(s.diag, 0));
        fail();
    }
    ev = event_of(&s, fields);
    n = rules_match(s.rules, s.scratch, &ev, &hits);
    drop(&s);
    return n == 1;
}

static void modifiers_mean_what_the_standard_says(void **state)
{
    static const struct {
        const char *item, *value;
        bool held;
    } cases[] = {
        { "f: Admin", "aDMIN", true },
        { "f|cased: Admin", "admin", false },
        { "f|contains: dmi", "aDMin", true },
        { "f|startswith: adm", "administrator", true },
        { "f|endswith: tor", "administrator", true },
        { "f: ad*tor", "administrator", true },
        { "f: ad?in", "adm\xc3\xa9in", false },
        { "f: adm?in", "adm\xc3\xa9in", true },
        { "f: 'a\\*b'", "a*b", true },
        { "f: 'a\\*b'", "axb", false },
        { "f: 'a\\\\*b'", "a\\xxb", true },
        { "f: 'C:\\Windows\\x'", "c:\\windows\\X", true },
        { "f|re: '^ad.*n$'", "admin", true },
        { "f|re: '^AD'", "admin", false },
        { "f|re|i: '^AD'", "admin", true },
        { "f|cidr: 203.0.113.0/24", "203.0.113.9", true },
        { "f|cidr: 203.0.113.0/24", "203.0.114.9", false },
        { "f|cidr: '2001:db8::/32'", "2001:db8::1", true },
        { "f|gt: 5", "6", true },
        { "f|gt: 5", "5", false },
        { "f|lte: 9007199254740993", "9007199254740994", false },
        { "f|gte: 1.5", "1.50", true },
        { "f|lt: 5", "five", false },
        { "f|neq: x", "y", true },
        { "f|contains|all: [ad, in]", "admin", true },
        { "f|contains|all: [ad, xx]", "admin", false },
        { "f|base64offset|contains: /bin/sh", "xxL2Jpbi9zaA==", true },
        { "f|base64|contains: foo", "aZm9vb", true },
        { "f|windash|contains: ' -enc'", "ps /enc x", true },
        { "f|windash|contains: ' -enc'",
          "ps \xe2\x80\x93"
          "enc x",
          true },
        { "f|hour: 13", "2026-11-21T13:00:00Z", true },
        { "f: 4625", "4625", true },
        { "f: ''", "x", false },
        { "f: null", "x", false },
        { "f: null", "(null)", true },
        { "f|exists: true", "(null)", true },
        { "f|exists: false", "x", false },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        AUTO_BUF text = BUF_INIT;
        const char *const fields[] = { "f", cases[i].value, NULL };

        buf_printf(&text, "  selection:\n    %s\n  condition: selection", cases[i].item);
        if (holds(text.p, fields) != cases[i].held) {
            print_message("%s on '%s'\n", cases[i].item, cases[i].value);
            fail();
        }
    }
}

static void missing_fields_match_nothing_but_their_absence(void **state)
{
    static const char *const none[] = { "other", "1", NULL };

    (void)state;
    assert_false(holds("  s: {f: '*'}\n  condition: s", none));
    assert_true(holds("  s: {f: null}\n  condition: s", none));
    assert_true(holds("  s: {f: x}\n  condition: not s", none));
    assert_true(holds("  s: {f|neq: x}\n  condition: s", none));
    assert_true(holds("  s: {f|exists: false}\n  condition: s", none));
}

static void an_array_matches_by_any_member(void **state)
{
    static const char *const two[] = { "f", "a", "f", "b", NULL };

    (void)state;
    assert_true(holds("  s: {f: b}\n  condition: s", two));
    assert_false(holds("  s: {f: c}\n  condition: s", two));
}

static void conditions_bind_as_written(void **state)
{
    static const char *const ev[] = { "a", "1", "b", "2", NULL };
    static const char sel[] = "  x: {a: 1}\n  y: {b: 9}\n  z: {b: 2}\n  _h: {a: 7}\n  condition: ";
    static const struct {
        const char *condition;
        bool held;
    } cases[] = {
        { "x or y and y", true }, { "(x or y) and y", false }, { "not y and x", true },
        { "1 of them", true },    { "all of them", false },    { "x and not (y or _h)", true },
        { "1 of _*", false },     { "not not x", true },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        AUTO_BUF text = BUF_INIT;

        buf_printf(&text, "%s%s", sel, cases[i].condition);
        if (holds(text.p, ev) != cases[i].held) {
            print_message("%s\n", cases[i].condition);
            fail();
        }
    }
}

static void keywords_run_over_all_values_and_the_raw_text(void **state)
{
    static const char *const ev[] = { "a", "some Error here", NULL };

    (void)state;
    assert_true(holds("  k: [error]\n  condition: k", ev));
    assert_true(holds("  k: [RAW LINE]\n  condition: k", ev));
    assert_true(holds("  k: {'|all': [error, raw]}\n  condition: k", ev));
    assert_false(holds("  k: [nothing]\n  condition: k", ev));
}

static void rules_of_other_sources_are_not_asked(void **state)
{
    static const char *const fields[] = { "f", "x", NULL };
    struct set s =
        load("title: t\nlogsource: {product: windows}\ndetection: {s: {f: x}, condition: s}\n"
             "---\ntitle: u\nlogsource: {product: xui}\ndetection: {s: {f: x}, condition: s}\n");
    struct event ev = event_of(&s, fields);
    const uint32_t *hits;

    (void)state;
    assert_int_equal(rules_match(s.rules, s.scratch, &ev, &hits), 1);
    assert_int_equal(hits[0], 1);
    drop(&s);
}

static void faults_are_told_all_at_once_with_their_place(void **state)
{
    static const char *const texts[] = {
        "title: a\nlogsource: {product: x}\ndetection:\n  s: {f|contans: y}\n  condition: s\n",
        "title: a\nlogsource: {product: x}\ndetection:\n  s: {f|re: '('}\n  condition: s and t\n",
        "title: a\ncorrelation: {type: event_cuont, rules: [nobody], timespan: 5q, condition: "
        "{gtt: 1}}\n",
        "title: a\nlogsource: {product: x}\ndetection: {s: {}, condition: s}\n",
        "title: a\nlogsource: {product: x}\ndetection: {s: [], condition: s}\n",
        "title: a\nlogsource: {product: x}\ndetection: {s: {f|cidr: 10.0.0.1/8}, condition: s}\n",
        "title: a\nlogsource: {product: x}\ndetection: {s: {f: 1}, condition: (s}\n",
        "title: a\nlogsource: {product: x}\ndetection: {s: {f: 1}, condition: s | count() > 5}\n",
        "title: a\nlogsource: {product: x}\ndetection: {s: {f: 1}, condition: s}\ntrailwarden: "
        "{ban: {for: soon}}\n",
    };
    static const size_t faults[] = { 1, 2, 4, 1, 1, 1, 1, 1, 1 };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        struct set s = load(texts[i]);

        if (diag_errors(s.diag) < faults[i] || strncmp(diag_text(s.diag, 0), "t.yml:", 6) != 0) {
            print_message("%zu faults: %s -> %s\n", diag_errors(s.diag), texts[i],
                          diag_text(s.diag, 0));
            fail();
        }
        drop(&s);
    }
}

static void a_filter_is_anded_to_its_rules(void **state)
{
    static const char *const in[] = { "f", "x", "user", "bob", NULL };
    static const char *const out[] = { "f", "x", "user", "root", NULL };
    struct set s =
        load("title: t\nname: t\nlogsource: {product: xui}\ndetection: {s: {f: x}, condition: s}\n"
             "---\ntitle: no root\nlogsource: {product: xui}\n"
             "filter: {rules: [t], s: {user: root}, condition: not s}\n");
    struct event a = event_of(&s, in), b = event_of(&s, out);
    const uint32_t *hits;

    (void)state;
    assert_int_equal(diag_errors(s.diag), 0);
    assert_int_equal(rules_match(s.rules, s.scratch, &a, &hits), 1);
    assert_int_equal(rules_match(s.rules, s.scratch, &b, &hits), 0);
    drop(&s);
}

/* ---- time ---- */

#define COUNT_RULE(condition, more)                                                                \
    "title: fail\nname: fail\nlogsource: {product: xui}\ndetection: {s: {action: f}, condition: "  \
    "s}\n"                                                                                         \
    "---\ntitle: many\nid: many\ncorrelation: {type: event_count, rules: [fail], group-by: [ip], " \
    "timespan: 60s, condition: " condition "}\n" more

struct stream {
    struct set *set;
    struct correlator *correlator;
    struct arena *arena;
    struct buf told; /* "ip@seconds:count " for each alert */
    struct signal *kept; /* every signal, in order */
    size_t nkept;
    struct arena *kept_arena;
    uint64_t position;
};

static struct stream stream_new(struct set *set)
{
    struct stream s = { .set = set,
                        .correlator = correlator_new(set->rules, 100),
                        .arena = arena_new(4096, 0),
                        .kept_arena = arena_new(4096, 0) };

    s.kept = calloc(10000, sizeof *s.kept);
    return s;
}

static void stream_free(struct stream *s)
{
    correlator_free(s->correlator);
    arena_free(s->arena);
    arena_free(s->kept_arena);
    buf_fini(&s->told);
    free(s->kept);
}

static void keep_signals(struct stream *s, const struct batch *b)
{
    for (size_t i = 0; i < b->nsignals; i++) {
        struct signal g = b->signals[i];

        g.group = arena_slice(s->kept_arena, g.group);
        g.value = arena_slice(s->kept_arena, g.value);
        g.evidence = arena_slice(s->kept_arena, g.evidence);
        s->kept[s->nkept++] = g;
    }
}

static void push(struct stream *s, const char *ip, uint64_t seconds, const char *value)
{
    const char *const fields[] = { "action", "f", "ip", ip, "value", value, NULL };
    struct event ev = event_of(s->set, fields);
    const uint32_t *hits;
    size_t n;
    struct batch b;

    ev.time_us = seconds * USEC_PER_SEC;
    ev.key.position = s->position++;
    n = rules_match(s->set->rules, s->set->scratch, &ev, &hits);
    arena_reset(s->arena);
    batch_init(&b, s->arena, 0);
    for (size_t i = 0; i < n; i++) {
        struct match m = { hits[i], &ev };

        assert_int_equal(correlator_take(s->correlator, &m, &b, NULL), 0);
    }
    for (size_t i = 0; i < b.nalerts; i++)
        buf_printf(&s->told, "%s@%llu:%llu ", ip, (unsigned long long)seconds,
                   (unsigned long long)b.alerts[i]->count);
    keep_signals(s, &b);
}

static void told_is(struct stream *s, const char *want)
{
    assert_string_equal(s->told.p ? s->told.p : "", want);
}

static void a_window_is_open_at_its_old_end(void **state)
{
    struct set set = load(COUNT_RULE("{gte: 3}", ""));
    struct stream s = stream_new(&set);

    (void)state;
    assert_int_equal(diag_errors(set.diag), 0);
    push(&s, "a", 100, "");
    push(&s, "a", 130, "");
    push(&s, "a", 160, ""); /* 100 is exactly 60 s ago: out */
    told_is(&s, "");
    push(&s, "a", 161, "");
    told_is(&s, "a@161:3 ");
    stream_free(&s);
    drop(&set);
}

static void a_filter_on_a_rule_changes_its_correlations(void **state)
{
    struct set set = load(COUNT_RULE("{gte: 2}", "---\ntitle: no a\nlogsource: {product: xui}\n"
                                                 "filter: {rules: [fail], s: {ip: a}, condition: "
                                                 "not s}\n"));
    struct stream s = stream_new(&set);

    (void)state;
    assert_int_equal(diag_errors(set.diag), 0);
    for (uint64_t t = 100; t < 110; t++)
        push(&s, "a", t, "");
    push(&s, "b", 110, "");
    push(&s, "b", 111, "");
    told_is(&s, "b@111:2 ");
    stream_free(&s);
    drop(&set);
}

static void it_fires_when_the_condition_becomes_true_and_not_again_before_it_was_false(void **state)
{
    struct set set = load(COUNT_RULE("{gte: 3}", ""));
    struct stream s = stream_new(&set);

    (void)state;
    for (uint64_t t = 100; t < 110; t++)
        push(&s, "a", t, "");
    told_is(&s, "a@102:3 ");
    push(&s, "b", 110, "");
    push(&s, "a", 200, ""); /* all else has left the window: armed again */
    push(&s, "a", 201, "");
    push(&s, "a", 202, "");
    told_is(&s, "a@102:3 a@202:3 ");
    stream_free(&s);
    drop(&set);
}

static void refire_and_suppress_are_obeyed(void **state)
{
    struct set every = load(COUNT_RULE("{gte: 3}", "trailwarden: {refire: every, suppress: 5s}\n"));
    struct set reset = load(COUNT_RULE("{gte: 3}", "trailwarden: {refire: reset}\n"));
    struct stream e = stream_new(&every), r = stream_new(&reset);

    (void)state;
    for (uint64_t t = 0; t < 9; t++) {
        push(&e, "a", 100 + t, "");
        push(&r, "a", 100 + t, "");
    }
    told_is(&e, "a@102:3 a@107:8 ");
    told_is(&r, "a@102:3 a@105:3 a@108:3 ");
    stream_free(&e);
    stream_free(&r);
    drop(&every);
    drop(&reset);
}

static void values_are_counted_once(void **state)
{
    struct set set =
        load("title: fail\nname: fail\nlogsource: {product: xui}\n"
             "detection: {s: {action: f}, condition: s}\n---\ntitle: many\ncorrelation: "
             "{type: value_count, rules: [fail], group-by: [ip], timespan: 60s, "
             "condition: {field: value, gte: 3}}\n");
    struct stream s = stream_new(&set);

    (void)state;
    push(&s, "a", 100, "x");
    push(&s, "a", 101, "y");
    push(&s, "a", 102, "x");
    push(&s, "a", 103, "");
    told_is(&s, "");
    push(&s, "a", 104, "z");
    told_is(&s, "a@104:3 ");
    stream_free(&s);
    drop(&set);
}

static void a_late_event_is_put_in_its_place(void **state)
{
    struct set set = load(COUNT_RULE("{gte: 3}", ""));
    struct stream s = stream_new(&set);

    (void)state;
    push(&s, "a", 150, "");
    push(&s, "a", 160, "");
    push(&s, "a", 95, ""); /* older than the window of 160 */
    told_is(&s, "");
    push(&s, "a", 120, "");
    told_is(&s, "a@120:3 ");
    stream_free(&s);
    drop(&set);
}

static void an_event_without_the_group_is_not_counted(void **state)
{
    struct set set = load(COUNT_RULE("{gte: 1}", ""));
    struct stream s = stream_new(&set);

    (void)state;
    push(&s, "", 100, "");
    told_is(&s, "");
    assert_int_equal(correlator_stats(s.correlator).no_group, 1);
    stream_free(&s);
    drop(&set);
}

static uint64_t next_random(uint64_t *x)
{
    *x = *x * 6364136223846793005u + 1442695040888963407u;
    return *x >> 33;
}

/* Cut a stream anywhere, keep only the signals: the rest tells the same. */
static void a_restart_anywhere_changes_no_alert(void **state)
{
    struct set set = load(COUNT_RULE("{gte: 4}", "trailwarden: {suppress: 20s}\n"));
    static const char *const ips[] = { "a", "b", "c" };

    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        uint64_t x = seed, time[300];
        const char *ip[300];
        struct stream whole = stream_new(&set), first = stream_new(&set), second = stream_new(&set);
        size_t cut = (size_t)(next_random(&x) % 300);

        for (size_t i = 0; i < 300; i++) {
            time[i] = (i ? time[i - 1] : 1000) + next_random(&x) % 12;
            ip[i] = ips[next_random(&x) % 3];
            push(&whole, ip[i], time[i], "");
            if (i < cut)
                push(&first, ip[i], time[i], "");
        }
        for (size_t i = 0; i < first.nkept; i++)
            assert_int_equal(correlator_restore(second.correlator, &first.kept[i], NULL), 0);
        buf_str(&second.told, first.told.p ? first.told.p : "");
        second.position = first.position;
        for (size_t i = cut; i < 300; i++)
            push(&second, ip[i], time[i], "");
        if (strcmp(whole.told.p ? whole.told.p : "", second.told.p ? second.told.p : "") != 0)
            print_message("seed %llu, cut at %zu\n", (unsigned long long)seed, cut);
        assert_string_equal(whole.told.p, second.told.p);
        stream_free(&whole);
        stream_free(&first);
        stream_free(&second);
    }
    drop(&set);
}

static void groups_are_bounded_and_the_least_recent_goes(void **state)
{
    struct set set = load(COUNT_RULE("{gte: 2}", ""));
    struct stream s = stream_new(&set);

    (void)state;
    for (unsigned i = 0; i < 500; i++) {
        char ip[16];

        snprintf(ip, sizeof ip, "ip%u", i);
        push(&s, ip, 100, "");
    }
    assert_int_equal(correlator_stats(s.correlator).groups, 100);
    assert_int_equal(correlator_stats(s.correlator).evicted, 400);
    stream_free(&s);
    drop(&set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(modifiers_mean_what_the_standard_says),
        cmocka_unit_test(missing_fields_match_nothing_but_their_absence),
        cmocka_unit_test(an_array_matches_by_any_member),
        cmocka_unit_test(conditions_bind_as_written),
        cmocka_unit_test(keywords_run_over_all_values_and_the_raw_text),
        cmocka_unit_test(rules_of_other_sources_are_not_asked),
        cmocka_unit_test(faults_are_told_all_at_once_with_their_place),
        cmocka_unit_test(a_filter_is_anded_to_its_rules),
        cmocka_unit_test(a_window_is_open_at_its_old_end),
        cmocka_unit_test(a_filter_on_a_rule_changes_its_correlations),
        cmocka_unit_test(
            it_fires_when_the_condition_becomes_true_and_not_again_before_it_was_false),
        cmocka_unit_test(refire_and_suppress_are_obeyed),
        cmocka_unit_test(values_are_counted_once),
        cmocka_unit_test(a_late_event_is_put_in_its_place),
        cmocka_unit_test(an_event_without_the_group_is_not_counted),
        cmocka_unit_test(a_restart_anywhere_changes_no_alert),
        cmocka_unit_test(groups_are_bounded_and_the_least_recent_goes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
