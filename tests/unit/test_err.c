/* Errors: text that is whole, safe to print, and read from the outside in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "base/err.h"
#include "base/utf8.h"

static void a_failure_is_always_a_negative_code(void **state)
{
    struct err err = ERR_NONE;

    (void)state;
    assert_int_equal(err_set(&err, -ENOENT, "no"), -ENOENT);
    assert_int_equal(err_set(&err, ENOENT, "no"), -ENOENT);
    assert_int_equal(err_set(&err, 0, "no"), -EINVAL);
    assert_int_equal(err.code, -EINVAL);
    assert_int_equal(err_set(NULL, -EIO, "%s", "nobody asks"), -EIO);
    assert_int_equal(err_while(NULL, "nobody asks"), -EINVAL);
}

static void what_was_tried_stands_before_the_cause(void **state)
{
    struct err err = ERR_NONE;

    (void)state;
    err_set_at(&err, -EACCES, (struct src_pos){ "a.yaml", 3, 9 }, "cannot open '%s'", "x");
    assert_int_equal(err_while(&err, "rule '%s'", "ssh"), -EACCES);
    assert_int_equal(err_while(&err, "library"), -EACCES);
    assert_string_equal(err.text, "library: rule 'ssh': cannot open 'x'");
    assert_int_equal(err.at.line, 3);
    assert_string_equal(err.at.file, "a.yaml");
}

static void an_error_that_nobody_set_is_still_a_failure(void **state)
{
    struct err err = ERR_NONE;

    (void)state;
    assert_true(err_while(&err, "reading") < 0);
}

static void control_characters_of_both_sets_become_question_marks(void **state)
{
    struct err err = ERR_NONE;

    (void)state;
    err_set(&err, -EINVAL, "%s",
            "a\033[2Jb\n\x7f\xc2\x9b"
            "31m\xff\xc3\xa9");
    assert_string_equal(err.text, "a?[2Jb????31m?\xc3\xa9");
    err_set(&err, -EINVAL, "x");
    err_while(&err, "'%s'", "\r\n");
    assert_string_equal(err.text, "'?"
                                  "?': x");
}

static void a_long_text_is_cut_between_characters_and_says_so(void **state)
{
    for (size_t lead = 0; lead < 4; lead++) {
        struct err err = ERR_NONE;
        char text[600] = "abc";

        (void)state;
        for (size_t i = lead; i + 2 < sizeof text; i += 2)
            memcpy(text + i, "\xc3\xa9", 3);
        err_set(&err, -EINVAL, "%s", text);
        assert_true(utf8_valid(slice_str(err.text)));
        assert_true(slice_ends(slice_str(err.text), SLICE("\xc3\xa9...")));
        assert_true(strlen(err.text) > sizeof err.text - 8);
    }
}

static void a_long_attempt_does_not_push_the_cause_out(void **state)
{
    struct err err = ERR_NONE;
    char tried[400];

    (void)state;
    memset(tried, 'x', sizeof tried - 1);
    tried[sizeof tried - 1] = '\0';
    err_set(&err, -EIO, "the disk is gone");
    err_while(&err, "%s", tried);
    assert_true(slice_ends(slice_str(err.text), SLICE("...: the disk is gone")));
}

static void a_short_attempt_leaves_a_long_cause_whole(void **state)
{
    struct err err = ERR_NONE;
    char cause[200];

    (void)state;
    memset(cause, 'c', sizeof cause - 1);
    cause[sizeof cause - 1] = '\0';
    err_set(&err, -EIO, "%s", cause);
    err_while(&err, "rule 'a'");
    assert_true(slice_ends(slice_str(err.text), slice_str(cause)));
}

static void the_old_text_may_be_part_of_the_new_one(void **state)
{
    struct err err = ERR_NONE;

    (void)state;
    err_set(&err, -EIO, "inner");
    err_set(&err, err.code, "outer (%s)", err.text);
    assert_string_equal(err.text, "outer (inner)");
}

static void every_code_has_a_name(void **state)
{
    (void)state;
    assert_string_equal(err_name(-EACCES), "Permission denied");
    assert_string_equal(err_name(EACCES), "Permission denied");
    assert_string_equal(err_name(-99999), "unknown error");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failure_is_always_a_negative_code),
        cmocka_unit_test(what_was_tried_stands_before_the_cause),
        cmocka_unit_test(an_error_that_nobody_set_is_still_a_failure),
        cmocka_unit_test(control_characters_of_both_sets_become_question_marks),
        cmocka_unit_test(a_long_text_is_cut_between_characters_and_says_so),
        cmocka_unit_test(a_long_attempt_does_not_push_the_cause_out),
        cmocka_unit_test(a_short_attempt_leaves_a_long_cause_whole),
        cmocka_unit_test(the_old_text_may_be_part_of_the_new_one),
        cmocka_unit_test(every_code_has_a_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
