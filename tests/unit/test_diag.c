/* Findings: all of them, in the order of place, with the line and a mark below it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "base/diag.h"
#include "base/json.h"

static char *printed(const struct diag *d)
{
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);

    assert_non_null(out);
    diag_print(d, out, false);
    fclose(out);
    return text;
}

static void a_finding_shows_its_line_and_a_hint(void **state)
{
    AUTO(diag) d = diag_new();
    AUTO_FREE char *text = NULL;

    (void)state;
    diag_source(d, "rules/ssh.yml", SLICE("a: 1\n    treshold: 5\nb: 2\n"));
    diag_add(d, DIAG_ERROR, (struct src_pos){ "rules/ssh.yml", 2, 5 }, 8,
             "did you mean 'threshold'?", "unknown key '%s'", "treshold");
    text = printed(d);
    assert_string_equal(text, "rules/ssh.yml:2:5: error: unknown key 'treshold'\n"
                              "     2 |     treshold: 5\n"
                              "       |     ^~~~~~~~ did you mean 'threshold'?\n");
    assert_string_equal(diag_text(d, 0), "rules/ssh.yml:2:5: error: unknown key 'treshold'");
    assert_string_equal(diag_text(d, 1), "");
    assert_int_equal(diag_errors(d), 1);
}

static void the_mark_stands_below_wide_and_escaped_text(void **state)
{
    AUTO(diag) d = diag_new();
    AUTO_FREE char *text = NULL;

    (void)state;
    diag_source(d, "f", SLICE("\t\xc3\xa9\033: wrong\r\n"));
    diag_add(d, DIAG_WARNING, (struct src_pos){ "f", 1, 6 }, 99, NULL, "here");
    text = printed(d);
    assert_string_equal(text, "f:1:6: warning: here\n"
                              "     1 |  \xc3\xa9\\x1b: wrong\n"
                              "       |         ^~~~~\n");
}

static void a_place_outside_the_text_shows_no_line(void **state)
{
    static const struct src_pos places[] = {
        { "f", 9, 1 }, { "f", 1, 900 }, { "f", 0, 0 }, { "g", 1, 1 }, { NULL, 0, 0 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        AUTO(diag) d = diag_new();
        AUTO_FREE char *text = NULL;

        diag_source(d, "f", SLICE("one\n"));
        diag_add(d, DIAG_ERROR, places[i], 3, NULL, "x");
        text = printed(d);
        assert_null(strchr(text, '|'));
        assert_true(slice_ends(slice_str(text), SLICE("error: x\n")));
    }
}

static void a_hidden_rest_of_a_line_is_shown_as_asterisks(void **state)
{
    AUTO(diag) d = diag_new();
    AUTO_FREE char *text = NULL;

    (void)state;
    diag_source(d, "f", SLICE("a: 1\ntoken: s3cret\nb: 2\n"));
    diag_hide(d, (struct src_pos){ "f", 2, 8 });
    diag_hide(d, (struct src_pos){ "f", 9, 9 });
    diag_hide(d, (struct src_pos){ "unknown", 1, 1 });
    diag_add(d, DIAG_ERROR, (struct src_pos){ "f", 2, 8 }, 6, NULL, "wrong");
    diag_add(d, DIAG_ERROR, (struct src_pos){ "f", 3, 1 }, 1, NULL, "wrong");
    text = printed(d);
    assert_null(strstr(text, "s3cret"));
    assert_non_null(strstr(text, "     2 | token: ******\n"));
    assert_non_null(strstr(text, "     3 | b: 2\n"));
}

static void findings_are_printed_in_the_order_of_place(void **state)
{
    AUTO(diag) d = diag_new();
    AUTO_FREE char *text = NULL;
    const char *b = diag_path(d, "b.yaml"), *a = diag_path(d, "a.yaml");

    (void)state;
    diag_error(d, ((struct src_pos){ NULL, 0, 0 }), "nowhere");
    diag_error(d, ((struct src_pos){ a, 1, 1 }), "fourth");
    diag_error(d, ((struct src_pos){ b, 7, 1 }), "third");
    diag_error(d, ((struct src_pos){ b, 2, 9 }), "first");
    diag_error(d, ((struct src_pos){ b, 2, 9 }), "second");
    text = printed(d);
    assert_string_equal(text, "b.yaml:2:9: error: first\nb.yaml:2:9: error: second\n"
                              "b.yaml:7:1: error: third\na.yaml:1:1: error: fourth\n"
                              "error: nowhere\n");
}

static void texts_and_names_are_copied_and_printable(void **state)
{
    AUTO(diag) d = diag_new();
    char path[] = "x\033.yaml", hint[] = "h\033";
    struct err err = ERR_NONE;

    (void)state;
    diag_add(d, DIAG_NOTE, (struct src_pos){ path, 1, 2 }, 0, hint, "'%s'", "\r\xc2\x9b");
    err_set_at(&err, -5, (struct src_pos){ path, 4, 0 }, "e");
    diag_add_err(d, (struct src_pos){ "other", 1, 1 }, &err);
    err.at.line = 0;
    diag_add_err(d, (struct src_pos){ "other", 1, 1 }, &err);
    memset(path, 'q', sizeof path - 1);
    assert_string_equal(diag_text(d, 0), "x\\x1b.yaml:1:2: note: '\\x0d\\xc2\\x9b'");
    assert_string_equal(diag_text(d, 1), "x\\x1b.yaml:4:1: error: e");
    assert_string_equal(diag_text(d, 2), "other:1:1: error: e");
    assert_int_equal(diag_errors(d), 2);
    assert_int_equal(diag_count(d), 3);
}

static void rubbish_is_counted_but_not_kept_without_end(void **state)
{
    AUTO(diag) d = diag_new();
    AUTO_FREE char *text = NULL;

    (void)state;
    for (unsigned i = 0; i < 5000; i++)
        diag_error(d, ((struct src_pos){ "f", i + 1, 1 }), "wrong");
    assert_int_equal(diag_errors(d), 5000);
    assert_int_equal(diag_count(d), 1000);
    text = printed(d);
    assert_true(
        slice_ends(slice_str(text), SLICE("... and 4000 more findings: 5000 errors in all\n")));
}

static void programs_get_the_same_as_json(void **state)
{
    AUTO(diag) d = diag_new();
    AUTO_BUF b = BUF_INIT;
    struct json_writer w = json_writer(&b);

    (void)state;
    diag_add(d, DIAG_ERROR, (struct src_pos){ "f", 3, 4 }, 1, "hint", "say \"%s\"", "x");
    diag_warning(d, ((struct src_pos){ "f", 1, 1 }), "w");
    diag_json(d, &w);
    assert_string_equal(b.p, "[{\"level\":\"warning\",\"file\":\"f\",\"line\":1,\"column\":1,"
                             "\"message\":\"w\"},"
                             "{\"level\":\"error\",\"file\":\"f\",\"line\":3,\"column\":4,"
                             "\"message\":\"say \\\"x\\\"\",\"hint\":\"hint\"}]");
}

static void the_nearest_name_is_one_that_was_meant(void **state)
{
    static const char *const names[] = { "threshold", "timeframe", "type", "path", "id", NULL };

    (void)state;
    assert_string_equal(diag_nearest(SLICE("treshold"), names), "threshold");
    assert_string_equal(diag_nearest(SLICE("trheshold"), names), "threshold");
    assert_string_equal(diag_nearest(SLICE("pth"), names), "path");
    assert_string_equal(diag_nearest(SLICE("tpye"), names), "type");
    assert_string_equal(diag_nearest(SLICE("id"), names), "id");
    assert_null(diag_nearest(SLICE("banana"), names));
    assert_null(diag_nearest(SLICE("x"), names));
    assert_null(diag_nearest(SLICE(""), names));
    assert_null(diag_nearest(SLICE_NONE, NULL));
}

static void a_name_without_end_is_near_to_nothing(void **state)
{
    static const char *const names[] = { "threshold", NULL };
    char text[4000];

    (void)state;
    memset(text, 't', sizeof text);
    assert_null(diag_nearest(slice_of(text, sizeof text), names));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_finding_shows_its_line_and_a_hint),
        cmocka_unit_test(the_mark_stands_below_wide_and_escaped_text),
        cmocka_unit_test(a_place_outside_the_text_shows_no_line),
        cmocka_unit_test(a_hidden_rest_of_a_line_is_shown_as_asterisks),
        cmocka_unit_test(findings_are_printed_in_the_order_of_place),
        cmocka_unit_test(texts_and_names_are_copied_and_printable),
        cmocka_unit_test(rubbish_is_counted_but_not_kept_without_end),
        cmocka_unit_test(programs_get_the_same_as_json),
        cmocka_unit_test(the_nearest_name_is_one_that_was_meant),
        cmocka_unit_test(a_name_without_end_is_near_to_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
