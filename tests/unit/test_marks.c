#include "base/marks.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/regex.h"

static void a_text_has_the_marks_of_its_parts_in_either_case(void **state)
{
    uint64_t text = marks_of(SLICE("tcp:WWW1.example.com:443\x80"));

    (void)state;
    assert_int_equal(marks_of(SLICE("Example")) & ~text, 0);
    assert_int_equal(marks_of(SLICE("www1")) & ~text, 0);
    assert_int_equal(marks_of(SLICE("\x80")) & ~text, 0);
    assert_int_not_equal(marks_of(SLICE("torrent")) & ~text, 0);
    assert_int_not_equal(marks_of(SLICE("2")) & ~text, 0);
    assert_int_equal(marks_of(SLICE_NONE), 0);
}

static bool fits(const struct marks *set, const char *text)
{
    return marks_fit(set->any, set->n, marks_of(slice_str(text)));
}

static void one_of_the_members_is_needed(void **state)
{
    struct marks a = marks_one(marks_of(SLICE("ab"))), b = marks_one(marks_of(SLICE("cd")));
    struct marks both = marks_and(&a, &b), either = marks_or(&a, &b), nothing = { .n = 0 };
    struct marks unknown = marks_or(&a, &nothing), known = marks_and(&a, &nothing);

    (void)state;
    assert_true(fits(&both, "abcd") && !fits(&both, "ab") && !fits(&both, "cda"));
    assert_true(fits(&either, "ab") && fits(&either, "cd") && !fits(&either, "ac"));
    assert_true(fits(&unknown, "") && fits(&known, "ab") && !fits(&known, "a"));
}

static void what_does_not_fit_makes_a_set_weaker_not_wrong(void **state)
{
    static const char *const texts[] = { "xa", "xb", "xc", "xd", "xe", "xf",
                                         "xg", "xh", "xi", "xj", "xk", "xl" };
    struct marks all = marks_one(marks_of(slice_str(texts[0])));

    (void)state;
    for (size_t i = 1; i < ARRAY_SIZE(texts); i++) {
        struct marks one = marks_one(marks_of(slice_str(texts[i])));

        all = marks_or(&all, &one);
    }
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        assert_true(fits(&all, texts[i]));
    assert_false(fits(&all, "abcdefghijkl"));
}

static void assert_needs(const char *pattern, unsigned flags, const char *fit, const char *lack)
{
    AUTO(arena) a = arena_new(4096, 0);
    AUTO(regex) r = NULL;
    struct marks needs;

    assert_int_equal(regex_compile(slice_str(pattern), flags | REGEX_UTF, &r, NULL), 0);
    needs = regex_marks(r, a);
    assert_true(fits(&needs, fit));
    assert_int_equal(fits(&needs, lack), !*lack);
}

static void an_expression_needs_what_every_match_holds(void **state)
{
    (void)state;
    assert_needs(":(?:688[1-9]|6969)$", 0, "x:6885", "tcp:www483.example.com:443");
    assert_needs("(?i)/(?:admin|sudo)", 0, "/ADMIN", "/v1/items");
    assert_needs("(?:\\.\\.|%2e)/", REGEX_NOCASE, "..%2E/", "/v1/items/84145");
    assert_needs("a+b*c", 0, "ac", "ab");
    assert_needs("(?:ab|.)c", 0, "c", "ab"); /* of an alternative that could be anything */
    assert_needs("kiss", REGEX_NOCASE, "KI\u017f\u017f", "kss"); /* other letters fold to k and s */
    assert_needs("(?:a|b)?", 0, "x", "");
    assert_needs("^[^x]", 0, "y", "");
    assert_needs("a(?#b)c", 0, "ac", "a");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_has_the_marks_of_its_parts_in_either_case),
        cmocka_unit_test(one_of_the_members_is_needed),
        cmocka_unit_test(what_does_not_fit_makes_a_set_weaker_not_wrong),
        cmocka_unit_test(an_expression_needs_what_every_match_holds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
