/* What commands ask of a compiled set: trees, filters, who counts whom, cost, tests one by one. */
#include "rules/inspect.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <pthread.h>

static const char text[] =
    "title: Failed\n"
    "name: failed\n"
    "logsource: {product: xui}\n"
    "detection:\n"
    "    selection: {event.action: login_failed, user.name|re: '^a'}\n"
    "    keywords: [shout]\n"
    "    condition: selection or keywords\n"
    "trailwarden:\n"
    "    tests:\n"
    "        - {name: its matches, expect: 2, repeat: 2, events: [{event.action: login_failed, "
    "user.name: abe, source.ip: 203.0.113.5}]}\n"
    "---\n"
    "title: Guessing\n"
    "id: 11111111-1111-4111-8111-111111111112\n"
    "correlation: {type: event_count, rules: [failed], group-by: [source.ip], timespan: 5m, "
    "condition: {gte: 2}}\n"
    "trailwarden:\n"
    "    tests:\n"
    "        - {name: two, repeat: 2, events: [{event.action: login_failed, user.name: abe, "
    "source.ip: 203.0.113.5}]}\n"
    "        - {name: wrong, expect: 3, repeat: 2, events: [{event.action: login_failed, "
    "user.name: abe, source.ip: 203.0.113.5}]}\n"
    "        - {name: no word, expect: perhaps, events: [{event.action: login_ok}]}\n"
    "---\n"
    "title: Office\n"
    "logsource: {product: xui}\n"
    "filter: {rules: [failed], office: {source.ip: 198.51.100.1}, condition: not office}\n"
    "---\n"
    "title: Night\n"
    "logsource: {product: xui}\n"
    "filter: {rules: [failed], night: {user.name: owl}, condition: not night}\n";

struct set {
    struct field_names *names;
    struct diag *diag;
    struct rules *rules;
    struct rules_scratch *scratch;
    struct arena *arena;
};

static int load(void **state)
{
    struct set *s = calloc(1, sizeof *s);

    s->names = field_names_new();
    s->diag = diag_new();
    s->arena = arena_new(4096, 0);
    s->rules = rules_new(s->names);
    rules_add(s->rules, "t.yml", slice_str(text), s->diag);
    rules_compile(s->rules, s->diag);
    s->scratch = rules_scratch_new(s->rules);
    *state = s;
    return diag_errors(s->diag) ? -1 : 0;
}

static int drop(void **state)
{
    struct set *s = *state;

    rules_scratch_free(s->scratch);
    rules_free(s->rules);
    field_names_free(s->names);
    diag_free(s->diag);
    arena_free(s->arena);
    free(s);
    return 0;
}

static struct event failure(struct set *s, const char *user, const char *ip)
{
    static const struct logsource ls = { { "xui", 3 }, { "", 0 }, { "", 0 } };
    struct event ev = { .arena = s->arena, .logsource = &ls, .raw = SLICE("") };

    assert_int_equal(event_set(&ev, FIELD_EVENT_ACTION, SLICE("login_failed")), 0);
    assert_int_equal(event_set(&ev, FIELD_USER_NAME, slice_str(user)), 0);
    assert_int_equal(event_set(&ev, FIELD_SOURCE_IP, slice_str(ip)), 0);
    return ev;
}

static void append(void *ctx, unsigned depth, struct slice line)
{
    buf_printf(ctx, "%u %.*s\n", depth, SLICE_FMT(line));
}

static void the_condition_is_told_as_a_tree_without_its_filters(void **state)
{
    struct set *s = *state;
    AUTO_BUF b = BUF_INIT;
    const struct rules_lines lines = { append, &b };

    rules_tree(s->rules, 0, &lines);
    assert_string_equal(b.p, "0 any of\n"
                             "1 all of: selection\n"
                             "2 event.action is login_failed\n"
                             "2 user.name matches the regex ^a\n"
                             "1 any field or the line contains shout\n");
    buf_reset(&b);
    rules_tree(s->rules, 1, &lines);
    assert_int_equal(b.n, 0);
}

static void each_kind_of_predicate_reads_as_a_sentence(void **state)
{
    static const char rule[] =
        "title: K\n"
        "logsource: {product: xui}\n"
        "detection:\n"
        "    a: {user.name|contains: '*x*', source.port|gt: 5, source.ip|cidr: 10.0.0.0/8,"
        " url.path|endswith: .php, user.id: null, x|exists: true, y|exists: false,"
        " user.name|fieldref: user.id, '@timestamp|hour|gte': 22, z|cased: Xx, p: 'a*', q: 'a*b',"
        " r: '*', s: ''}\n"
        "    condition: a\n";
    AUTO(field_names) names = field_names_new();
    AUTO(diag) d = diag_new();
    AUTO(rules) r = rules_new(names);
    AUTO_BUF b = BUF_INIT;
    const struct rules_lines lines = { append, &b };

    (void)state;
    assert_int_equal(rules_add(r, "k.yml", slice_str(rule), d), 0);
    assert_int_equal(rules_compile(r, d), 0);
    rules_tree(r, 0, &lines);
    assert_string_equal(b.p, "0 all of: a\n"
                             "1 user.name contains x\n"
                             "1 source.port > 5\n"
                             "1 source.ip is in 10.0.0.0/8\n"
                             "1 url.path ends with .php\n"
                             "1 user.id is missing or null\n"
                             "1 x is there\n"
                             "1 y is not there\n"
                             "1 user.name equals the field user.id\n"
                             "1 hour of @timestamp >= 22\n"
                             "1 z is Xx (in this case)\n"
                             "1 p begins with a\n"
                             "1 q is like a*b\n"
                             "1 r has any value\n"
                             "1 s is empty\n");
}

static void a_filter_that_removes_a_match_is_known(void **state)
{
    struct set *s = *state;
    struct event good = failure(s, "abe", "203.0.113.5");
    struct event kept_out = failure(s, "abe", "198.51.100.1");

    assert_int_equal(rules_filters(s->rules), 2);
    assert_true(slice_is(rules_filter_title(s->rules, 0), "Office"));
    for (size_t f = 0; f < 2; f++) {
        assert_true(rules_filter_of(s->rules, f, 0));
        assert_false(rules_filter_of(s->rules, f, 1));
    }
    assert_true(rules_holds(s->rules, s->scratch, 0, &good));
    assert_false(rules_holds(s->rules, s->scratch, 0, &kept_out));
    assert_true(rules_holds_unfiltered(s->rules, s->scratch, 0, &kept_out));
    assert_false(rules_filter_passes(s->rules, s->scratch, 0, &kept_out));
    assert_true(rules_filter_passes(s->rules, s->scratch, 1, &kept_out));
}

static void who_counts_whom_is_known_from_both_sides(void **state)
{
    struct set *s = *state;

    assert_int_equal(rules_part(s->rules, 1, 0), 0);
    assert_int_equal(rules_part(s->rules, 0, 1), SIZE_MAX);
    assert_true(rules_usable(s->rules, 0));
    assert_non_null(yaml_get(rules_document(s->rules, 1), "correlation"));
}

static void the_cost_counts_predicates_keywords_and_regexes(void **state)
{
    struct set *s = *state;
    struct rules_cost cost = rules_cost(s->rules, 0);

    assert_int_equal(cost.predicates, 5); /* two are of the filters */
    assert_int_equal(cost.keywords, 1);
    assert_int_equal(cost.regexes, 1);
    assert_int_equal(cost.cost, COST_MODERATE);
    assert_int_equal(rules_cost(s->rules, 1).predicates, 0);
}

static void note(void *ctx, const struct rules_test_result *r)
{
    buf_printf(ctx, "%.*s: %s (%.*s, %llu)\n", SLICE_FMT(r->name), r->failed ? r->fault : "good",
               SLICE_FMT(r->expected), (unsigned long long)r->got);
}

static void run_all(struct set *s, struct buf *out)
{
    AUTO(rules_tester) t = rules_tester_new(s->rules, NULL);

    assert_non_null(t);
    for (size_t i = 0; i < rules_count(s->rules); i++)
        assert_int_equal(rules_tester_run(t, i, note, out), 0);
}

static void each_test_is_told_with_what_was_expected_and_got(void **state)
{
    AUTO_BUF b = BUF_INIT;

    run_all(*state, &b);
    assert_string_equal(b.p, "its matches: good (2, 2)\n"
                             "two: good (fire, 1)\n"
                             "wrong: expected 3, got 1 alerts (3, 1)\n"
                             "no word: expect is fire, silent or a number (perhaps, 0)\n");
}

struct thread {
    pthread_t id;
    struct set *set;
    struct buf out;
};

static void *work(void *ctx)
{
    struct thread *t = ctx;

    for (int i = 0; i < 50; i++) {
        buf_reset(&t->out);
        run_all(t->set, &t->out);
    }
    return NULL;
}

static void several_threads_test_one_set(void **state)
{
    AUTO_BUF alone = BUF_INIT;
    struct thread threads[4] = { 0 };

    run_all(*state, &alone);
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++) {
        threads[i].set = *state;
        assert_int_equal(pthread_create(&threads[i].id, NULL, work, &threads[i]), 0);
    }
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++) {
        pthread_join(threads[i].id, NULL);
        assert_string_equal(threads[i].out.p, alone.p);
        buf_fini(&threads[i].out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_condition_is_told_as_a_tree_without_its_filters),
        cmocka_unit_test(each_kind_of_predicate_reads_as_a_sentence),
        cmocka_unit_test(a_filter_that_removes_a_match_is_known),
        cmocka_unit_test(who_counts_whom_is_known_from_both_sides),
        cmocka_unit_test(the_cost_counts_predicates_keywords_and_regexes),
        cmocka_unit_test(each_test_is_told_with_what_was_expected_and_got),
        cmocka_unit_test(several_threads_test_one_set),
    };

    return cmocka_run_group_tests(tests, load, drop);
}
