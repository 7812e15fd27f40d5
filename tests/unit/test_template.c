/* Templates of the operator's: what they may name, what becomes of values, where faults are. */
#include "notifiers/template.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static int set_up(void **state)
{
    *state = arena_new(65536, 8 << 20);
    return *state ? 0 : -1;
}

static int tear_down(void **state)
{
    arena_free(*state);
    return 0;
}

#define DOCUMENT                                                                                   \
    "{\"rule\":{\"id\":\"r1\",\"title\":\"A \\\"b\\\" \\\\ c\"},\"level\":\"high\",\"count\":6,"   \
    "\"backfill\":false,\"tags\":[\"x\",1,null,{\"y\":true}],\"group\":[{\"name\":\"source.ip\","  \
    "\"value\":\"192.0.2.1\"},{\"name\":\"user.name\",\"value\":\"{{level}}\\u0007\\n\"}]}"

/* What the template makes of DOCUMENT. */
static void write_with(struct arena *a, const char *text, template_escape escape, struct buf *out)
{
    struct delivery d = { .key = SLICE("key-1"), .host = "edge" };
    struct template *t = NULL;
    struct message m;
    struct err err = ERR_NONE;

    d.document = json_load(a, SLICE(DOCUMENT), &err);
    assert_non_null(d.document);
    assert_int_equal(message_make(&d, a, &m, &err), 0);
    assert_int_equal(template_load("t.json", slice_str(text), a, &t, &err), 0);
    template_write(t, &m, &d, escape, out);
    assert_true(buf_ok(out));
}

static void assert_made(struct arena *a, const char *text, const char *expected)
{
    AUTO_BUF out = BUF_INIT;

    write_with(a, text, template_json, &out);
    buf_char(&out, '\0');
    assert_string_equal(out.p, expected);
}

static void a_text_without_placeholders_stays_as_it_is(void **state)
{
    assert_made(*state, "", "");
    assert_made(*state, "{\"a\": 1}\n", "{\"a\": 1}\n");
    assert_made(*state, "} }} { {x} \\\"", "} }} { {x} \\\"");
}

static void inside_quotes_a_value_is_escaped_text(void **state)
{
    assert_made(*state, "\"{{title}}\"", "\"A \\\"b\\\" \\\\ c\"");
    assert_made(*state, "\"say {{ level }}, {{level}}\"", "\"say high, high\"");
    assert_made(*state, "\"{{group.user.name}}\"", "\"{{level}}\\u0007\\n\"");
    assert_made(*state, "\"{{why}}|{{group.none}}|{{document.from}}\"", "\"||\"");
    assert_made(*state, "\"{{document.tags}}\"", "\"[\\\"x\\\",1,null,{\\\"y\\\":true}]\"");
}

static void outside_quotes_a_value_is_whole(void **state)
{
    assert_made(*state, "{{title}}", "\"A \\\"b\\\" \\\\ c\"");
    assert_made(*state, "[{{document.count}},{{document.backfill}},{{document.from}},{{why}}]",
                "[6,false,null,null]");
    assert_made(*state, "{{document.tags}}", "[\"x\",1,null,{\"y\":true}]");
    assert_made(*state, "{{document.rule.id}}{{host}}{{key}}{{status}}{{type}}",
                "\"r1\"\"edge\"\"key-1\"\"firing\"\"alert\"");
}

static void an_escaped_quote_does_not_end_a_text(void **state)
{
    assert_made(*state, "\"\\\"{{level}}\"", "\"\\\"high\"");
    assert_made(*state, "\"\\\\\"{{level}}", "\"\\\\\"\"high\"");
    assert_made(*state, "\"a\"{{level}}\"{{level}}\"", "\"a\"\"high\"\"high\"");
}

static void the_document_as_a_whole_is_the_same_document(void **state)
{
    AUTO_BUF out = BUF_INIT;
    struct err err = ERR_NONE;

    write_with(*state, "{{document}}", template_json, &out);
    assert_non_null(json_load(*state, buf_view(&out), &err));
    assert_true(slice_find(buf_view(&out), SLICE("\"count\":6")) != SIZE_MAX);
}

static void another_escaper_makes_another_text(void **state)
{
    AUTO_BUF out = BUF_INIT;

    write_with(*state, "{{title}}!", template_plain, &out);
    buf_char(&out, '\0');
    assert_string_equal(out.p, "A \"b\" \\ c!");
}

static void faults_say_where_and_what(void **state)
{
    static const struct {
        const char *text;
        unsigned line, column;
        const char *says;
    } cases[] = {
        { "{{levle}}", 1, 1, "unknown placeholder 'levle': did you mean 'level'?" },
        { "a\n  {{document.rule.ids}}", 2, 3, "unknown placeholder 'document.rule.ids'" },
        { "a\n\nb{{title", 3, 2, "'{{' without '}}'" },
        { "{{}}", 1, 1, "a placeholder is a name in {{ }}" },
        { "{{  }}", 1, 1, "a placeholder is a name in {{ }}" },
        { "{{group.}}", 1, 1, "unknown placeholder 'group.'" },
        { "{{document.}}", 1, 1, "unknown placeholder 'document.'" },
        { "{{a{{b}}", 1, 1, "unknown placeholder 'a{{b'" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct template *t = NULL;
        struct err err = ERR_NONE;

        assert_int_equal(template_load("t.json", slice_str(cases[i].text), *state, &t, &err),
                         -EINVAL);
        assert_null(t);
        assert_non_null(strstr(err.text, cases[i].says));
        assert_string_equal(err.at.file, "t.json");
        assert_int_equal(err.at.line, cases[i].line);
        assert_int_equal(err.at.column, cases[i].column);
    }
}

static void too_many_placeholders_are_refused(void **state)
{
    AUTO_BUF text = BUF_INIT;
    struct template *t = NULL;
    struct err err = ERR_NONE;

    for (int i = 0; i < 499; i++)
        buf_str(&text, "{{id}}");
    assert_int_equal(template_load("t", buf_view(&text), *state, &t, &err), 0);
    buf_str(&text, "{{id}}");
    assert_int_equal(template_load("t", buf_view(&text), *state, &t, &err), -E2BIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_without_placeholders_stays_as_it_is),
        cmocka_unit_test(inside_quotes_a_value_is_escaped_text),
        cmocka_unit_test(outside_quotes_a_value_is_whole),
        cmocka_unit_test(an_escaped_quote_does_not_end_a_text),
        cmocka_unit_test(the_document_as_a_whole_is_the_same_document),
        cmocka_unit_test(another_escaper_makes_another_text),
        cmocka_unit_test(faults_say_where_and_what),
        cmocka_unit_test(too_many_placeholders_are_refused),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
