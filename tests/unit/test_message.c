/* The neutral message: what it says, what it keeps out, what it counts as left out. */
#include "notifiers/message.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/utf8.h"

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

#define RULE "\"rule\":{\"id\":\"r1\",\"title\":\"Failed logins\",\"author\":\"a\"}"
#define TIME "\"time\":\"2026-11-21T01:38:59.123456Z\""

/* The message of a document, which must be one. */
static struct message make(struct arena *a, const char *document)
{
    struct delivery d = { .key = SLICE("k"), .host = "edge" };
    struct message m = { 0 };
    struct err err = ERR_NONE;

    d.text = slice_str(document);
    d.document = json_load(a, d.text, &err);
    assert_string_equal(err.text, "");
    assert_non_null(d.document);
    assert_int_equal(message_make(&d, a, &m, &err), 0);
    return m;
}

static void assert_text(struct slice got, const char *expected)
{
    char text[4096];

    snprintf(text, sizeof text, "%.*s", SLICE_FMT(got));
    assert_string_equal(text, expected);
}

static const struct fact *fact(const struct message *m, const char *name)
{
    for (size_t i = 0; i < m->nfacts; i++)
        if (strcmp(m->facts[i].name, name) == 0)
            return &m->facts[i];
    return NULL;
}

static void the_subject_has_level_title_and_group(void **state)
{
    struct message m = make(*state, "{" RULE ",\"level\":\"high\"," TIME ",\"group\":["
                                    "{\"name\":\"source.ip\",\"value\":\"203.0.113.7\"},"
                                    "{\"name\":\"user.name\",\"value\":\"bob\"}]}");

    assert_text(m.subject, "[high] Failed logins: 203.0.113.7, bob");
    assert_text(fact(&m, "Source address")->value, "203.0.113.7");
    assert_text(fact(&m, "User")->value, "bob");
    assert_text(fact(&m, "Time")->value, "2026-11-21 01:38:59 UTC");
    assert_text(fact(&m, "Host")->value, "edge");
}

static void what_all_events_agree_on_is_a_fact_unless_the_group_has_it(void **state)
{
    struct message m =
        make(*state, "{" RULE ",\"group\":[{\"name\":\"user.name\",\"value\":\"bob\"}],"
                     "\"events\":[{\"fields\":{\"source.ip\":\"192.0.2.1\"}},"
                     "{\"fields\":{\"source.ip\":\"192.0.2.2\",\"user.name\":\"eve\"}},"
                     "{\"fields\":{\"source.geo.country_name\":\"Chile\"}}]}");

    assert_null(fact(&m, "Source address"));
    assert_text(fact(&m, "User")->value, "bob");
    assert_text(fact(&m, "Country")->value, "Chile");
}

static void the_channel_is_told_once(void **state)
{
    struct message m = make(*state, "{" RULE ",\"channel\":\"xui\","
                                    "\"group\":[{\"name\":\"event.module\",\"value\":\"xui\"}]}");
    size_t n = 0;

    for (size_t i = 0; i < m.nfacts; i++)
        n += slice_is(m.facts[i].value, "xui");
    assert_int_equal(n, 1);
    assert_text(fact(&m, "Channel")->value, "xui");
}

static void the_reason_says_what_was_counted(void **state)
{
    static const struct {
        const char *document, *reason;
    } cases[] = {
        { "{" RULE ",\"count\":1}", "One event of this kind is enough." },
        { "{" RULE ",\"window_s\":300,\"count\":6,\"threshold\":5}",
          "Counted 6 within 5m; the threshold is 5." },
        { "{" RULE ",\"window_s\":60,\"count\":9,\"lower_bound\":true}",
          "Counted at least 9 within 1m." },
        { "{" RULE ",\"trust\":\"forgeable\",\"backfill\":true}",
          "One event of this kind is enough; the events are from the past; strangers can write "
          "such lines, so check before you act." },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_text(make(*state, cases[i].document).reason, cases[i].reason);
}

static void the_newest_lines_are_kept_and_the_others_counted(void **state)
{
    AUTO_BUF b = BUF_INIT;
    struct message m;

    buf_str(&b, "{" RULE ",\"events\":[");
    for (int i = 0; i < 25; i++)
        buf_printf(&b, "%s{\"raw\":\"line %d\"}", i ? "," : "", i);
    buf_str(&b, "]}");
    m = make(*state, b.p);
    assert_int_equal(m.nsamples, SAMPLES_MAX);
    assert_int_equal(m.more_samples, 25 - SAMPLES_MAX);
    assert_text(m.samples[0], "line 15");
    assert_text(m.samples[SAMPLES_MAX - 1], "line 24");
}

static void more_facts_than_there_is_room_for_do_no_harm(void **state)
{
    AUTO_BUF b = BUF_INIT;
    struct message m;

    buf_str(&b, "{" RULE ",\"group\":[");
    for (int i = 0; i < 100; i++)
        buf_printf(&b, "%s{\"name\":\"f%d\",\"value\":\"some value of a hundred\"}", i ? "," : "",
                   i);
    buf_str(&b, "]}");
    m = make(*state, b.p);
    assert_int_equal(m.nfacts, FACTS_MAX);
    assert_true(m.subject.n < 600);
}

static void the_thread_is_that_of_rule_group_and_day(void **state)
{
    static const char *const documents[] = {
        "{" RULE "," TIME ",\"count\":1,\"group\":[{\"name\":\"n\",\"value\":\"v\"}]}",
        "{" RULE ",\"time\":\"2026-11-21T23:00:00Z\",\"count\":7,"
        "\"events\":[{\"fields\":{\"user.name\":\"x\"}}],"
        "\"group\":[{\"name\":\"n\",\"value\":\"v\"}]}",
        "{" RULE "," TIME ",\"group\":[{\"name\":\"n\",\"value\":\"w\"}]}",
        "{" RULE ",\"time\":\"2026-11-22T01:38:59Z\",\"group\":[{\"name\":\"n\",\"value\":\"v\"}]}",
        "{\"rule\":{\"id\":\"r2\"}," TIME ",\"group\":[{\"name\":\"n\",\"value\":\"v\"}]}",
    };
    struct slice first = make(*state, documents[0]).thread;

    assert_int_equal(first.n, 24);
    for (size_t i = 1; i < ARRAY_SIZE(documents); i++)
        assert_int_equal(slice_eq(make(*state, documents[i]).thread, first), i == 1);
}

static void a_document_without_a_rule_is_refused(void **state)
{
    struct delivery d = { .host = "edge" };
    struct message m;
    struct err err = ERR_NONE;

    d.document = json_load(*state, SLICE("{\"version\":1}"), &err);
    assert_int_equal(message_make(&d, *state, &m, &err), -EINVAL);
    assert_string_equal(err.text, "the document is no alert");
}

static void an_empty_rule_still_makes_a_message(void **state)
{
    struct message m = make(*state, "{\"rule\":{}}");

    assert_text(m.subject, "[] ");
    assert_int_equal(message_rank(&m), 2);
    assert_null(fact(&m, "Time"));
}

static void cleaning_takes_what_hides_or_reorders(void **state)
{
    static const struct {
        struct slice in;
        const char *out, *line;
    } cases[] = {
        { SLICE("plain text"), "plain text", "plain text" },
        { SLICE("a\r\nb\tc"), "a\nb\tc", "a b c" },
        { SLICE("\x1b[31mred\x1b[0m"), "red", "red" },
        { SLICE("nul\0, bell\a, del\x7f"), "nul, bell, del", "nul, bell, del" },
        { SLICE("c1 \xc2\x9b here"), "c1  here", "c1  here" },
        { SLICE("rtl \xe2\x80\xae"
                "exe"),
          "rtl exe", "rtl exe" },
        { SLICE("iso \xe2\x81\xa6 \xe2\x80\x8f"), "iso  ", "iso  " },
        { SLICE("two\xe2\x80\xa8lines"), "twolines", "twolines" },
        { SLICE("bad \xff\xc3"), "bad \xef\xbf\xbd\xef\xbf\xbd", "bad \xef\xbf\xbd\xef\xbf\xbd" },
        { SLICE("\xd8\xb3\xd9\x84\xd8\xa7\xd9\x85 \xf0\x9f\x98\x80"),
          "\xd8\xb3\xd9\x84\xd8\xa7\xd9\x85 \xf0\x9f\x98\x80",
          "\xd8\xb3\xd9\x84\xd8\xa7\xd9\x85 \xf0\x9f\x98\x80" },
        { SLICE(""), "", "" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_text(message_clean(*state, cases[i].in, 1000), cases[i].out);
        assert_text(message_line(*state, cases[i].in, 1000), cases[i].line);
    }
}

static void cleaning_keeps_its_limit_and_whole_characters(void **state)
{
    struct slice in = SLICE("\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80");

    for (size_t max = 0; max <= 20; max++) {
        struct slice out = message_clean(*state, in, max);

        assert_true(utf8_valid(out));
        assert_true(out.n <= (max < 3 ? 3 : max));
        assert_int_equal(slice_eq(out, in), max >= 16);
    }
}

static void html_signs_are_escaped(void **state)
{
    AUTO_BUF b = BUF_INIT;

    (void)state;
    buf_html(&b, SLICE("<a href=\"x\">&'"));
    assert_text(buf_view(&b), "&lt;a href=&quot;x&quot;&gt;&amp;&#39;");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_subject_has_level_title_and_group),
        cmocka_unit_test(what_all_events_agree_on_is_a_fact_unless_the_group_has_it),
        cmocka_unit_test(the_channel_is_told_once),
        cmocka_unit_test(the_reason_says_what_was_counted),
        cmocka_unit_test(the_newest_lines_are_kept_and_the_others_counted),
        cmocka_unit_test(more_facts_than_there_is_room_for_do_no_harm),
        cmocka_unit_test(the_thread_is_that_of_rule_group_and_day),
        cmocka_unit_test(a_document_without_a_rule_is_refused),
        cmocka_unit_test(an_empty_rule_still_makes_a_message),
        cmocka_unit_test(cleaning_takes_what_hides_or_reorders),
        cmocka_unit_test(cleaning_keeps_its_limit_and_whole_characters),
        cmocka_unit_test(html_signs_are_escaped),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
