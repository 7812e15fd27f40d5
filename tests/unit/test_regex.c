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

static void the_literal_is_in_every_match_or_there_is_none(void **state)
{
    static const struct {
        const char *pattern, *literal;
    } cases[] = {
        { "^abc def$", "abc def" },
        { "a|b", "" },
        { "x(?:foo)?barbaz", "barbaz" },
        { "abc?def", "def" },
        { "ab+cd", "ab" },
        { "(?:a|b)xyz", "xyz" },
        { "foo[abc]longer", "longer" },
        { "a\\.b\\.c", "a.b.c" },
        { "(foo|bar)", "" },
        { "x{0,3}yz", "yz" },
        { "\\Qa|b\\E", "" },
        { "a\\d+bcd", "bcd" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        AUTO(regex) r = NULL;

        assert_int_equal(regex_compile(slice_str(cases[i].pattern), 0, &r, NULL), 0);
        if (!slice_is(regex_literal(r), cases[i].literal)) {
            print_message("%s -> '%.*s'\n", cases[i].pattern, SLICE_FMT(regex_literal(r)));
            fail();
        }
    }
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_are_given_by_number_and_name),
        cmocka_unit_test(invalid_bytes_cannot_hide_a_match),
        cmocka_unit_test(a_dollar_is_the_very_end),
        cmocka_unit_test(an_endless_pattern_hits_its_limit),
        cmocka_unit_test(faults_tell_the_column),
        cmocka_unit_test(the_literal_is_in_every_match_or_there_is_none),
        cmocka_unit_test(long_text_is_matched_on_its_first_part),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
