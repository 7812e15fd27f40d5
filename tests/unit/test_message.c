/* The neutral message: what it says, what it keeps out, what it counts as left out. */
#include "notifiers/message.h"
#include "notifiers/template.h"

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

#define INCIDENT "0123456789abcdef0123456789abcdef"
#define ID "\"id\":\"fedcba9876543210fedcba9876543210\""

static void an_older_document_has_no_incident_and_no_notice(void **state)
{
    struct message m = make(*state, "{" RULE "}");

    assert_text(m.incident, "");
    assert_text(m.notice, "");
    assert_text(m.why, "");
    assert_text(m.see, "");
    assert_false(m.resolved);
    assert_false(m.summary);
    assert_int_equal(m.alerts, 1);
    assert_int_equal(m.ntables, 0);
}

static void a_message_says_why_it_is_sent_and_where_more_is(void **state)
{
    struct message m = make(*state, "{" RULE "," ID ",\"level\":\"high\",\"incident\":\"" INCIDENT
                                    "\",\"notification\":{\"reason\":\"escalated\",\"status\":"
                                    "\"firing\",\"why\":\"Nobody acknowledged within 15m.\"}}");

    assert_text(m.subject, "[high] Failed logins");
    assert_text(m.notice, "escalated");
    assert_text(m.why, "Nobody acknowledged within 15m.");
    assert_text(m.incident, INCIDENT);
    assert_text(m.see, "trailwarden alerts show fedcba987654");
    assert_false(m.resolved);
}

static void what_is_over_or_a_test_says_so_first(void **state)
{
    static const struct {
        const char *notification, *subject, *reason;
        bool resolved;
    } cases[] = {
        { "{\"reason\":\"resolved\",\"status\":\"resolved\",\"why\":\"Quiet for 1h.\"}",
          "[resolved] Failed logins", "It is over.", true },
        { "{\"reason\":\"closed\",\"status\":\"resolved\"}", "[resolved] Failed logins",
          "It is over.", true },
        { "{\"reason\":\"test\",\"status\":\"firing\"}", "[test] Failed logins",
          "One event of this kind is enough.", false },
        { "{\"reason\":\"resolved\"}", "[low] Failed logins", "One event of this kind is enough.",
          false },
        { "\"resolved\"", "[low] Failed logins", "One event of this kind is enough.", false },
    };
    char document[512];

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct message m;

        snprintf(document, sizeof document, "{" RULE ",\"level\":\"low\",\"notification\":%s}",
                 cases[i].notification);
        m = make(*state, document);
        assert_text(m.subject, cases[i].subject);
        assert_text(m.reason, cases[i].reason);
        assert_int_equal(m.resolved, cases[i].resolved);
        assert_int_equal(message_rank(&m), 1);
    }
}

static void an_incident_has_one_thread_a_day_whatever_its_alerts_say(void **state)
{
    static const char *const documents[] = {
        "{" RULE "," TIME ",\"incident\":\"" INCIDENT "\"}",
        "{" RULE "," TIME ",\"incident\":\"" INCIDENT "\",\"group\":[{\"name\":\"n\",\"value\":"
        "\"v\"}],\"notification\":{\"reason\":\"resolved\",\"status\":\"resolved\"}}",
        "{" RULE ",\"time\":\"2026-11-22T00:00:00Z\",\"incident\":\"" INCIDENT "\"}",
        "{" RULE "," TIME ",\"incident\":\"00000000000000000000000000000000\"}",
        "{" RULE "," TIME "}",
    };
    struct slice first = make(*state, documents[0]).thread;

    for (size_t i = 1; i < ARRAY_SIZE(documents); i++)
        assert_int_equal(slice_eq(make(*state, documents[i]).thread, first), i == 1);
}

static void only_hex_digits_reach_keys_and_commands(void **state)
{
    static const char *const documents[] = {
        "{" RULE ",\"id\":\"$(reboot)12345\",\"incident\":\"$(reboot)9abcdef0123456789abcdef\"}",
        "{" RULE ",\"id\":\"0123456789a\",\"incident\":\"0123456789ABCDEF0123456789ABCDEF\"}",
        "{" RULE ",\"id\":7,\"incident\":\"0123456789abcdef0123456789abcdef0\"}",
        "{" RULE ",\"id\":{},\"incident\":[\"" INCIDENT "\"]}",
    };

    for (size_t i = 0; i < ARRAY_SIZE(documents); i++) {
        struct message m = make(*state, documents[i]);

        assert_text(m.see, "");
        assert_text(m.incident, "");
    }
}

static void an_operators_words_stand_for_ours_and_values_are_cleaned(void **state)
{
    static const char words[] =
        "Subject: {{title}} on {{host}}\nFrom {{group.source.ip}}:\n{{see}}\n";
    struct arena *a = *state;
    struct delivery d = {
        .kind = SLICE("notify"),
        .host = "edge",
        .text = SLICE("{\"version\":1,\"id\":\"0123456789abcdef0123456789abcdef\",\"rule\":{\"id\":"
                      "\"r\",\"title\":"
                      "\"A\\ntitle\"},\"level\":\"high\",\"time\":\"2026-11-21T01:38:59.123456Z\","
                      "\"group\":[{\"name\":"
                      "\"source.ip\",\"value\":\"\\u001b[31m{{x}}\\nBcc: y\"}],\"count\":6}")
    };
    struct template *t;
    struct message m;

    arena_reset(a);
    assert_int_equal(template_load("t", SLICE(words), a, &t, NULL), 0);
    d.text_template = t;
    d.document = json_load(a, d.text, NULL);
    assert_int_equal(message_make(&d, a, &m, NULL), 0);
    assert_text(m.subject, "A title on edge");
    assert_text(m.reason, "From {{x}} Bcc: y:\ntrailwarden alerts show 0123456789ab");
    assert_int_equal(m.nfacts + m.nsamples + m.ntables, 0);
}

#define SUMMARY                                                                                    \
    "\"version\":1,\"type\":\"summary\",\"id\":\"digest-7\",\"level\":\"high\",\"alerts\":17,"     \
    "\"title\":\"17 alerts: Failed logins and 2 more rules\","                                     \
    "\"from\":\"2026-11-21T01:35:10.000000Z\",\"to\":\"2026-11-21T01:38:59.123456Z\""

static void a_summary_has_tables_instead_of_lines(void **state)
{
    struct message m = make(
        *state,
        "{" SUMMARY ",\"kind\":\"digest\",\"why\":\"12 messages waited.\",\"tables\":[{\"title\":"
        "\"By rule\",\"rows\":[{\"name\":\"Failed logins\",\"value\":\"12\"},{\"name\":\"Scans\","
        "\"value\":\"5\"}],\"more\":3}],\"newest\":[{\"id\":\"00\",\"level\":\"high\",\"title\":"
        "\"Failed logins\",\"group\":\"source.ip=192.0.2.1\",\"time\":\"2026-11-21T01:38:59.1Z\"},"
        "{\"level\":\"low\",\"title\":\"Scans\"}],"
        "\"notification\":{\"reason\":\"digest\",\"status\":\"firing\"}}");

    assert_true(m.summary);
    assert_text(m.subject, "[high] 17 alerts: Failed logins and 2 more rules");
    assert_text(m.reason, "More waited than one can read, so they come as one message.");
    assert_text(m.why, "12 messages waited.");
    assert_text(m.notice, "digest");
    assert_text(m.see, "trailwarden notify list --since 2026-11-21T01:35:10Z");
    assert_int_equal(m.alerts, 17);
    assert_int_equal(m.nsamples, 0);
    assert_text(fact(&m, "From")->value, "2026-11-21 01:35:10 UTC");
    assert_text(fact(&m, "To")->value, "2026-11-21 01:38:59 UTC");
    assert_text(fact(&m, "Alerts")->value, "17");
    assert_text(fact(&m, "Host")->value, "edge");
    assert_int_equal(m.ntables, 2);
    assert_text(m.tables[0].title, "By rule");
    assert_int_equal(m.tables[0].nrows, 2);
    assert_int_equal(m.tables[0].more, 3);
    assert_text(m.tables[0].rows[1].name, "Scans");
    assert_text(m.tables[0].rows[1].value, "5");
    assert_text(m.tables[1].title, "Newest");
    assert_text(m.tables[1].rows[0].name, "2026-11-21 01:38:59 UTC");
    assert_text(m.tables[1].rows[0].value, "[high] Failed logins: source.ip=192.0.2.1");
    assert_text(m.tables[1].rows[1].name, "");
    assert_text(m.tables[1].rows[1].value, "[low] Scans");
}

static void a_summary_of_nothing_is_still_a_message(void **state)
{
    struct message m = make(*state, "{\"type\":\"summary\"}");

    assert_true(m.summary);
    assert_text(m.subject, "[] ");
    assert_text(m.reason, "Several alerts in one message.");
    assert_text(m.see, "");
    assert_int_equal(m.ntables, 0);
    assert_int_equal(m.thread.n, 24);
}

static void a_summary_of_one_incident_hangs_in_its_thread(void **state)
{
    struct message one = make(*state, "{" RULE "," TIME ",\"incident\":\"" INCIDENT "\"}");
    struct message many =
        make(*state, "{" SUMMARY ",\"kind\":\"repeat\",\"incident\":\"" INCIDENT "\"}");
    struct message mixed = make(*state, "{" SUMMARY ",\"kind\":\"group\"}");

    assert_true(slice_eq(one.thread, many.thread));
    assert_false(slice_eq(one.thread, mixed.thread));
    assert_text(many.incident, INCIDENT);
}

/* One table more than there is room for, each with more rows than it holds, and the newest. */
static void big_summary(struct buf *b)
{
    buf_str(b, "{" SUMMARY ",\"tables\":[");
    for (int t = 0; t < TABLES_MAX + 1; t++) {
        buf_printf(b, "%s{\"title\":\"t%d\",\"more\":2,\"rows\":[", t ? "," : "", t);
        for (int r = 0; r < TABLE_ROWS_MAX + 5; r++)
            buf_printf(b, "%s{\"name\":\"n%d\",\"value\":\"v\"}", r ? "," : "", r);
        buf_str(b, "]}");
    }
    buf_str(b, "],\"newest\":[");
    for (int i = 0; i < TABLE_ROWS_MAX + 7; i++)
        buf_printf(b, "%s{\"title\":\"a%d\",\"level\":\"low\"}", i ? "," : "", i);
    buf_str(b, "]}");
}

static void tables_keep_their_limits_and_count_the_rest(void **state)
{
    AUTO_BUF b = BUF_INIT;
    struct message m;

    big_summary(&b);
    m = make(*state, b.p);
    assert_int_equal(m.ntables, TABLES_MAX);
    assert_int_equal(m.tables[0].nrows, TABLE_ROWS_MAX);
    assert_int_equal(m.tables[0].more, 2 + 5);
    assert_text(m.tables[TABLES_MAX - 1].title, "Newest");
    assert_int_equal(m.tables[TABLES_MAX - 1].nrows, TABLE_ROWS_MAX);
    assert_int_equal(m.tables[TABLES_MAX - 1].more, 7);
}

static void a_summary_carries_nothing_that_hides_or_reorders(void **state)
{
#define HOSTILE "a\\u001b[31m\\u202eb\\r\\nc\\u0000\\u2028d"
#define CLEANED "ab cd"
    struct message m = make(
        *state, "{\"type\":\"summary\",\"level\":\"" HOSTILE "\",\"title\":\"" HOSTILE
                "\",\"why\":\"" HOSTILE "\",\"kind\":\"" HOSTILE "\",\"alerts\":-5,\"tables\":["
                "{\"title\":\"" HOSTILE "\",\"more\":-1,\"rows\":[{\"name\":\"" HOSTILE
                "\",\"value\":\"" HOSTILE "\"},5,null,[1]]},7],"
                "\"newest\":[{\"title\":\"" HOSTILE "\",\"group\":\"" HOSTILE
                "\",\"level\":\"" HOSTILE "\",\"time\":\"" HOSTILE "\"}]}");

    assert_text(m.subject, "[" CLEANED "] " CLEANED);
    assert_text(m.why, CLEANED);
    assert_text(m.notice, CLEANED);
    assert_int_equal(m.alerts, 0);
    assert_text(m.tables[0].title, CLEANED);
    assert_text(m.tables[0].rows[0].name, CLEANED);
    assert_text(m.tables[0].rows[0].value, CLEANED);
    assert_text(m.tables[m.ntables - 1].rows[0].name, "");
    assert_text(m.tables[m.ntables - 1].rows[0].value, "[" CLEANED "] " CLEANED ": " CLEANED);
}

static void long_values_of_a_summary_are_cut_at_whole_characters(void **state)
{
    AUTO_BUF b = BUF_INIT;
    struct message m;

    buf_str(&b, "{" SUMMARY ",\"newest\":[{\"level\":\"low\",\"group\":\"x\",\"title\":\"");
    for (int i = 0; i < 16384; i++)
        buf_str(&b, "\xf0\x9f\x98\x80");
    buf_str(&b, "\"}],\"tables\":[{\"title\":\"t\",\"rows\":[{\"name\":\"");
    for (int i = 0; i < 16384; i++)
        buf_str(&b, "\xf0\x9f\x98\x80");
    buf_str(&b, "\",\"value\":\"1\"}]}]}");
    m = make(*state, b.p);
    assert_in_range(m.tables[0].rows[0].name.n, 100, 120);
    assert_true(utf8_valid(m.tables[0].rows[0].name));
    assert_in_range(m.tables[1].rows[0].value.n, 100, 300);
    assert_true(utf8_valid(m.tables[1].rows[0].value));
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
        cmocka_unit_test(an_older_document_has_no_incident_and_no_notice),
        cmocka_unit_test(a_message_says_why_it_is_sent_and_where_more_is),
        cmocka_unit_test(what_is_over_or_a_test_says_so_first),
        cmocka_unit_test(an_incident_has_one_thread_a_day_whatever_its_alerts_say),
        cmocka_unit_test(only_hex_digits_reach_keys_and_commands),
        cmocka_unit_test(an_operators_words_stand_for_ours_and_values_are_cleaned),
        cmocka_unit_test(a_summary_has_tables_instead_of_lines),
        cmocka_unit_test(a_summary_of_nothing_is_still_a_message),
        cmocka_unit_test(a_summary_of_one_incident_hangs_in_its_thread),
        cmocka_unit_test(tables_keep_their_limits_and_count_the_rest),
        cmocka_unit_test(a_summary_carries_nothing_that_hides_or_reorders),
        cmocka_unit_test(long_values_of_a_summary_are_cut_at_whole_characters),
        cmocka_unit_test(cleaning_takes_what_hides_or_reorders),
        cmocka_unit_test(cleaning_keeps_its_limit_and_whole_characters),
        cmocka_unit_test(html_signs_are_escaped),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
