#include "base/regex.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static int match(const char *pattern, unsigned flags, struct slice text, struct slice *groups,
                 size_t n)
{
    AUTO(regex) r = NULL;
    AUTO(regex_scratch) s = regex_scratch_new();

    assert_int_equal(regex_compile(slice_str(pattern), flags, &r, NULL), 0);
    return regex_match(r, s, text, groups, n);
}

static void groups_are_given_by_number_and_name(void **state)
{
    AUTO(regex) r = NULL;
    struct slice g[3];

    (void)state;
    assert_int_equal(regex_compile(SLICE("^(?<user>\\w+)(?: at (?<ip>\\S+))?$"), 0, &r, NULL), 0);
    assert_int_equal(regex_groups(r), 2);
    assert_string_equal(regex_group_name(r, 2), "ip");
    assert_int_equal(match("^(?<user>\\w+)(?: at (?<ip>\\S+))?$", 0, SLICE("bob"), g, 3), 1);
    assert_true(slice_is(g[1], "bob"));
    assert_null(g[2].p);
}

static void invalid_bytes_cannot_hide_a_match(void **state)
{
    (void)state;
    assert_int_equal(match("^user=(.*) ip=1$", 0, SLICE("user=a\xff ip=1"), NULL, 0), 1);
}

static void a_dollar_is_the_very_end(void **state)
{
    (void)state;
    assert_int_equal(match("^a$", 0, SLICE("a\n"), NULL, 0), 0);
}

static void an_endless_pattern_hits_its_limit(void **state)
{
    char text[4000];

    (void)state;
    memset(text, 'a', sizeof text);
    assert_int_equal(match("^(a+)+$", 0, slice_of(text, 40), NULL, 0), 1);
    text[39] = 'b';
    assert_int_equal(match("^(a+)+$", 0, slice_of(text, 40), NULL, 0), -E2BIG);
}

static void faults_tell_the_column(void **state)
{
    AUTO(regex) r = NULL;
    struct err err = ERR_NONE;

    (void)state;
    assert_true(regex_compile(SLICE("ab(c"), 0, &r, &err) < 0);
    assert_int_equal(err.at.column, 5);
    assert_true(regex_compile(SLICE("\\C"), 0, &r, &err) < 0);
    assert_true(regex_compile(SLICE("(*UTF)a"), 0, &r, &err) < 0);
}

static void long_text_is_matched_on_its_first_part(void **state)
{
    static char text[40000];

    (void)state;
    memset(text, 'x', sizeof text);
    memcpy(text + 30000, "needle", 6);
    assert_int_equal(match("needle", 0, slice_of(text, sizeof text), NULL, 0), 0);
    memcpy(text + 100, "needle", 6);
    assert_int_equal(match("needle", 0, slice_of(text, sizeof text), NULL, 0), 1);
}

static void long_utf_text_is_cut_between_characters(void **state)
{
    static char text[20000];

    (void)state;
    for (size_t i = 1; i + 1 < sizeof text; i += 2)
        memcpy(text + i, "\xc3\xa9", 2);
    text[0] = 'n';
    text[sizeof text - 1] = 'x';
    assert_int_equal(match("^n", REGEX_UTF, slice_of(text, sizeof text), NULL, 0), 1);
    assert_int_equal(match("z", REGEX_UTF, slice_of(text, sizeof text), NULL, 0), 0);
}

static void of_groups_with_one_name_the_set_one_is_found(void **state)
{
    static const char pattern[] = "^(?:v4 (?<ip>[0-9.]+)|v6 (?<ip>[0-9a-f:]+))$";
    AUTO(regex) r = NULL;
    struct slice g[3];

    (void)state;
    assert_int_equal(regex_compile(SLICE(pattern), 0, &r, NULL), 0);
    assert_string_equal(regex_group_name(r, 1), "ip");
    assert_string_equal(regex_group_name(r, 2), "ip");
    assert_null(regex_group_name(r, 0));
    assert_null(regex_group_name(r, 3));
    assert_int_equal(match(pattern, 0, SLICE("v6 ::1"), g, 3), 1);
    assert_null(g[1].p);
    assert_true(slice_is(g[2], "::1"));
}

static void groups_beyond_those_asked_for_do_not_matter(void **state)
{
    struct slice g[5];

    (void)state;
    assert_int_equal(match("(a)(b)(c)", 0, SLICE("abc"), g, 2), 1);
    assert_true(slice_is(g[1], "a"));
    assert_int_equal(match("(a)", 0, SLICE("abc"), g, 5), 1);
    assert_null(g[4].p); /* there is none */
}

static void more_than_63_groups_lose_only_the_last(void **state)
{
    char pattern[241] = "";
    struct slice g[100];
    char text[100];

    (void)state;
    for (size_t i = 0; i < 80; i++)
        memcpy(pattern + 3 * i, "(a)", 3);
    pattern[240] = '\0';
    memset(text, 'a', sizeof text);
    assert_int_equal(match(pattern, 0, slice_of(text, 80), g, 81), 1);
    assert_true(slice_is(g[63], "a"));
    assert_null(g[64].p);
}

static void flags_are_those_asked_for(void **state)
{
    (void)state;
    assert_int_equal(match("ABC", 0, SLICE("abc"), NULL, 0), 0);
    assert_int_equal(match("ABC", REGEX_NOCASE, SLICE("abc"), NULL, 0), 1);
    assert_int_equal(match("^b", 0, SLICE("a\nb"), NULL, 0), 0);
    assert_int_equal(match("^b", REGEX_MULTILINE, SLICE("a\nb"), NULL, 0), 1);
    assert_int_equal(match("a.b", 0, SLICE("a\nb"), NULL, 0), 0);
    assert_int_equal(match("a.b", REGEX_DOTALL, SLICE("a\nb"), NULL, 0), 1);
    assert_int_equal(match("b", REGEX_ANCHORED, SLICE("ab"), NULL, 0), 0);
    assert_int_equal(match("^.$", REGEX_UTF, SLICE("\xc3\xa9"), NULL, 0), 1);
    assert_int_equal(match("^.$", 0, SLICE("\xc3\xa9"), NULL, 0), 0);
}

static void text_that_is_no_utf8_is_no_silent_miss_in_utf_mode(void **state)
{
    (void)state;
    assert_int_equal(match("a", REGEX_UTF,
                           SLICE("\xff"
                                 "a"),
                           NULL, 0),
                     -E2BIG);
}

static void a_pattern_cannot_raise_its_limit(void **state)
{
    char text[41];

    (void)state;
    memset(text, 'a', 40);
    text[40] = 'b';
    assert_int_equal(match("(*LIMIT_MATCH=100000000)^(a+)+$", 0, slice_of(text, 41), NULL, 0),
                     -E2BIG);
}

static void a_lazy_repeat_over_a_long_text_has_stack_enough(void **state)
{
    static char text[16384];

    (void)state;
    memset(text, 'x', sizeof text);
    assert_int_equal(match("(?:.|\\n)*?z", 0, slice_of(text, sizeof text), NULL, 0), 0);
}

static void a_pattern_has_a_limit(void **state)
{
    static char pattern[8193];
    AUTO(regex) r = NULL;

    (void)state;
    memset(pattern, 'a', sizeof pattern);
    assert_int_equal(regex_compile(slice_of(pattern, 8193), 0, &r, NULL), -E2BIG);
    assert_null(r);
    assert_int_equal(regex_compile(slice_of(pattern, 8192), 0, &r, NULL), 0);
}

static void empty_patterns_and_texts_match(void **state)
{
    struct slice g[1];

    (void)state;
    assert_int_equal(match("", 0, SLICE_NONE, g, 1), 1);
    assert_int_equal(g[0].n, 0);
    assert_int_equal(match("a", 0, SLICE_NONE, g, 1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_are_given_by_number_and_name),
        cmocka_unit_test(invalid_bytes_cannot_hide_a_match),
        cmocka_unit_test(a_dollar_is_the_very_end),
        cmocka_unit_test(an_endless_pattern_hits_its_limit),
        cmocka_unit_test(faults_tell_the_column),
        cmocka_unit_test(long_text_is_matched_on_its_first_part),
        cmocka_unit_test(long_utf_text_is_cut_between_characters),
        cmocka_unit_test(of_groups_with_one_name_the_set_one_is_found),
        cmocka_unit_test(groups_beyond_those_asked_for_do_not_matter),
        cmocka_unit_test(more_than_63_groups_lose_only_the_last),
        cmocka_unit_test(flags_are_those_asked_for),
        cmocka_unit_test(text_that_is_no_utf8_is_no_silent_miss_in_utf_mode),
        cmocka_unit_test(a_pattern_cannot_raise_its_limit),
        cmocka_unit_test(a_lazy_repeat_over_a_long_text_has_stack_enough),
        cmocka_unit_test(a_pattern_has_a_limit),
        cmocka_unit_test(empty_patterns_and_texts_match),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
