/* Many rules: which of them are asked, and that it is never told by what holds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "rules/rules.h"

#define OTHERS 40 /* so many rules besides that the index is asked */

struct set {
    struct field_names *names;
    struct rules *rules;
    struct rules_scratch *scratch;
    struct diag *diag;
    struct arena *arena;
    struct event ev;
};

/* Rules 0, 1 ... of the text, and others behind them that hold on nothing here. */
static void begin(struct set *s, const char *text)
{
    AUTO_BUF all = BUF_INIT;

    buf_str(&all, text);
    for (unsigned i = 0; i < OTHERS; i++)
        buf_printf(&all,
                   "---\ntitle: other %u\nlogsource: {product: test}\n"
                   "detection: {s: {g: 'never %u'}, condition: s}\n",
                   i, i);
    if (!s->names)
        s->names = field_names_new();
    s->diag = diag_new();
    s->arena = arena_new(4096, 0);
    s->rules = rules_new(s->names);
    assert_int_equal(rules_add(s->rules, "t.yml", buf_view(&all), s->diag), 0);
    assert_int_equal(rules_compile(s->rules, s->diag), 0);
    s->scratch = rules_scratch_new(s->rules);
    assert_non_null(s->scratch);
}

static void end(struct set *s)
{
    rules_scratch_free(s->scratch);
    rules_free(s->rules);
    field_names_free(s->names);
    diag_free(s->diag);
    arena_free(s->arena);
}

static void new_event(struct set *s)
{
    static const struct logsource test = { { "test", 4 }, { "", 0 }, { "", 0 } };

    arena_reset(s->arena);
    s->ev = (struct event){ .arena = s->arena, .logsource = &test, .raw = SLICE("") };
}

static void add(struct set *s, const char *name, const char *value)
{
    struct slice field = slice_str(name);

    assert_int_equal(event_add(&s->ev, field_find(s->names, field), field, VALUE_STRING,
                               arena_slice(s->arena, slice_str(value))),
                     0);
}

static size_t match(struct set *s)
{
    const uint32_t *hits;

    return rules_match(s->rules, s->scratch, &s->ev, &hits);
}

/* An event of one field. */
static size_t match_one(struct set *s, const char *name, const char *value)
{
    new_event(s);
    add(s, name, value);
    return match(s);
}

#define RULE(name, item)                                                                           \
    "---\ntitle: " name "\nlogsource: {product: test}\ndetection: {s: {" item "}, condition: s}\n"

static char *bad_value(void)
{
    static char text[3002];

    memset(text, 'a', sizeof text - 2);
    text[sizeof text - 2] = '!';
    return text;
}

static void a_rest_is_counted_in_events_named_by_the_index_or_not(void **state)
{
    struct set s = { 0 };
    struct rules_trouble t;

    (void)state;
    begin(&s, RULE("explodes", "f|re: '^(a+)+$'"));
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(match_one(&s, "f", bad_value()), 0);
    assert_true(rules_scratch_trouble(s.scratch, 0, &t));
    assert_int_equal(t.rest, 1000);
    /* Without that field nothing leads to the rule, and its rest passes all the same. */
    for (unsigned i = 0; i < 999; i++)
        assert_int_equal(match_one(&s, "h", "x"), 0);
    assert_true(rules_scratch_trouble(s.scratch, 0, &t));
    assert_int_equal(t.rest, 1);
    assert_int_equal(t.skipped, 999);
    assert_int_equal(match_one(&s, "f", "aaa"), 0);
    assert_int_equal(match_one(&s, "f", "aaa"), 1);
    end(&s);
}

static void an_expression_is_not_tried_where_its_literal_is_missing(void **state)
{
    struct set s = { 0 };
    char *bad = bad_value();

    (void)state;
    begin(&s, RULE("explodes", "f|re: '^(a+)+needle$'"));
    bad[strlen(bad) - 1] = 'e'; /* PCRE2 itself gives up where the last letter is missing */
    assert_int_equal(match_one(&s, "f", bad), 0);
    assert_int_equal(rules_scratch_limits(s.scratch), 0);
    assert_int_equal(match_one(&s, "f", "aaaneedle"), 1);
    end(&s);
}

static void limits_of_one_expression_are_the_trouble_of_each_rule_that_asks_it(void **state)
{
    struct set s = { 0 };
    struct rules_trouble t;

    (void)state;
    begin(&s, RULE("one", "f|re: '^(a+)+$'") RULE("two", "f|re: '^(a+)+$'"));
    assert_int_equal(match_one(&s, "f", bad_value()), 0);
    for (size_t i = 0; i < 2; i++) {
        assert_true(rules_scratch_trouble(s.scratch, i, &t));
        assert_int_equal(t.hits, 1);
    }
    assert_int_equal(match_one(&s, "f", "aaa"), 2);
    end(&s);
}

static void what_only_the_correlator_knows_is_taken_for_possible(void **state)
{
    struct set s = { 0 };

    (void)state;
    begin(&s, RULE("far", "geo.distance_km|gte: 500, f: login")
                  RULE("other country", "geo.prev_country: [DE, FR]"));
    assert_int_equal(match_one(&s, "f", "LOGIN"), 2);
    assert_int_equal(match_one(&s, "f", "logout"), 1);
    end(&s);
}

static void any_value_of_a_field_leads_to_the_rules(void **state)
{
    struct set s = { 0 };

    (void)state;
    begin(&s, RULE("whole", "f: needle") RULE("part", "f|contains: eedl")
                  RULE("both", "f|contains: eedl, h: there")
                      RULE("word", "'|contains': in the haystack"));
    new_event(&s);
    add(&s, "f", "x");
    add(&s, "f", "NEEDLE");
    assert_int_equal(match(&s), 2);
    add(&s, "h", "there");
    add(&s, "h", "In The Haystack");
    assert_int_equal(match(&s), 4);
    end(&s);
}

static void a_text_a_thousand_times_is_looked_at_once(void **state)
{
    AUTO_BUF value = BUF_INIT;
    struct set s = { 0 };

    (void)state;
    begin(&s, RULE("ends", "f|endswith: '\\cmd.exe'") RULE("part", "f|contains: cmd.exe"));
    for (unsigned i = 0; i < 8000; i++)
        buf_str(&value, "cmd.exe ");
    assert_int_equal(match_one(&s, "f", value.p), 1);
    buf_str(&value, "\\CMD.EXE");
    assert_int_equal(match_one(&s, "f", value.p), 2);
    end(&s);
}

/* All numbers of fields are taken: rules and events then know one by its name alone. */
static void fields_without_a_number_are_always_asked_for(void **state)
{
    struct set s = { .names = field_names_new() };
    char name[20];

    (void)state;
    for (unsigned i = 0; i < 70000; i++) {
        snprintf(name, sizeof name, "n%u", i);
        (void)field_intern(s.names, slice_str(name));
    }
    begin(&s, RULE("nameless", "f: needle"));
    assert_int_equal(field_find(s.names, SLICE("f")), FIELD_OTHER);
    assert_int_equal(match_one(&s, "f", "needle"), 1);
    assert_int_equal(match_one(&s, "f", "hay"), 0);
    assert_int_equal(match_one(&s, "n1", "needle"), 0);
    end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rest_is_counted_in_events_named_by_the_index_or_not),
        cmocka_unit_test(an_expression_is_not_tried_where_its_literal_is_missing),
        cmocka_unit_test(limits_of_one_expression_are_the_trouble_of_each_rule_that_asks_it),
        cmocka_unit_test(what_only_the_correlator_knows_is_taken_for_possible),
        cmocka_unit_test(any_value_of_a_field_leads_to_the_rules),
        cmocka_unit_test(a_text_a_thousand_times_is_looked_at_once),
        cmocka_unit_test(fields_without_a_number_are_always_asked_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
