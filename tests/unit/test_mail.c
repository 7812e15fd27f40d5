/* The bytes of a mail: headers and text as a whole, and that hostile values stay values. */
#include "notifiers/people/mail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/utf8.h"
#include "notifiers/people/mail-private.h"

#define NOTE "example.net/trail\n12\nAAAA=\n\n\xe2\x80\x94 example.net/trail BBBB=\n"

static const char *const to[] = { "a@example.org", "b@example.org" };
static const char *const cc[] = { "c@example.org" };

static struct message ordinary(void)
{
    struct message m = {
        .level = SLICE("critical"),
        .title = SLICE("A login worked after many failed ones"),
        .rule = SLICE("xui-login-after-guessing"),
        .id = SLICE("0123456789abcdef0123456789abcdef"),
        .subject = SLICE("[critical] A login worked after many failed ones: 203.0.113.7"),
        .reason = SLICE("Counted 6 within 5m; the threshold is 5."),
        .description = SLICE("Somebody guessed passwords at the panel, and then one was right.\n"
                             "\n\n\nChange the password."),
        .facts = { { "Source address", SLICE("203.0.113.7") },
                   { "Country", SLICE("Netherlands") },
                   { "Ban ordered", SLICE("203.0.113.7 for 1d") } },
        .nfacts = 3,
        .samples = { SLICE("2026/11/21 01:38:02 WARNING - web: failed login: username=\"admin\", "
                           "IP=\"203.0.113.7\"") },
        .nsamples = 1,
        .more_samples = 2,
        .thread = SLICE("3b037a065e494d4318aea07a"),
        .checkpoint = SLICE(NOTE),
        .host = "edge-1.example.net",
    };

    return m;
}

/* Every text is the same; NUL-terminated for the asserts. */
static struct message filled(const char *text)
{
    struct slice s = slice_str(text);
    struct message m = { .level = s,
                         .title = s,
                         .rule = s,
                         .channel = s,
                         .time = s,
                         .id = s,
                         .subject = s,
                         .reason = s,
                         .description = s,
                         .facts = { { text, s } },
                         .nfacts = 1,
                         .samples = { s },
                         .nsamples = 1,
                         .tables = { { SLICE("By rule"), { { s, s } }, 1, 1 } },
                         .ntables = 1,
                         .thread = s,
                         .checkpoint = s,
                         .host = text };

    return m;
}

static char *make(const struct message *m, const char *key)
{
    const struct mail_people who = { .from = "alerts@example.org",
                                     .reply_to = "desk@example.org",
                                     .to = to,
                                     .nto = 2,
                                     .cc = cc,
                                     .ncc = 1 };
    const struct delivery d = { .key = slice_str(key), .now_us = 1795226400 * USEC_PER_SEC };
    struct buf out = BUF_INIT;
    char *text;

    assert_int_equal(mail_make(&who, m, &d, &out), 0);
    text = buf_take(&out);
    assert_non_null(text);
    return text;
}

/* ---- whole ---- */

static void the_headers_are_these(void **state)
{
    struct message m = ordinary();
    char *mail = make(&m, "00aa"), *end = strstr(mail, "\r\n\r\n");

    (void)state;
    assert_non_null(end);
    *end = '\0';
    assert_string_equal(
        mail, "MIME-Version: 1.0\r\n"
              "Date: Sat, 21 Nov 2026 02:00:00 +0000\r\n"
              "From: trailwarden <alerts@example.org>\r\n"
              "Reply-To: desk@example.org\r\n"
              "To: a@example.org,\r\n b@example.org\r\n"
              "Cc: c@example.org\r\n"
              "Subject: [critical] A login worked after many failed ones: 203.0.113.7\r\n"
              "Message-Id: <00aa@example.org>\r\n"
              "In-Reply-To: <alert-3b037a065e494d4318aea07a@example.org>\r\n"
              "References: <alert-3b037a065e494d4318aea07a@example.org>\r\n"
              "Auto-Submitted: auto-generated\r\n"
              "X-Auto-Response-Suppress: All\r\n"
              "List-Id: trailwarden alerts <alerts.example.org>\r\n"
              "X-Trailwarden-Alert: 0123456789abcdef0123456789abcdef\r\n"
              "X-Trailwarden-Rule: xui-login-after-guessing\r\n"
              "X-Trailwarden-Level: critical\r\n"
              "Importance: high\r\n"
              "X-Priority: 1\r\n"
              "Content-Type: multipart/alternative;\r\n boundary=\"=_3b037a065e494d4318aea07a\"");
    free(mail);
}

static void the_text_part_is_this(void **state)
{
    struct message m = ordinary();
    AUTO_BUF b = BUF_INIT;

    (void)state;
    mail_text(&m, &b);
    assert_string_equal(b.p,
                        "[critical] A login worked after many failed ones: 203.0.113.7\n"
                        "\n"
                        "Counted 6 within 5m; the threshold is 5.\n"
                        "\n"
                        "Source address   203.0.113.7\n"
                        "Country          Netherlands\n"
                        "Ban ordered      203.0.113.7 for 1d\n"
                        "\n"
                        "Somebody guessed passwords at the panel, and then one was right.\n"
                        "\n"
                        "Change the password.\n"
                        "\n"
                        "The line:\n"
                        "\n"
                        "  (2 more not shown)\n"
                        "  2026/11/21 01:38:02 WARNING - web: failed login: username=\"admin\",\n"
                        "      IP=\"203.0.113.7\"\n"
                        "\n"
                        "All of it, on edge-1.example.net:\n"
                        "\n"
                        "  trailwarden alerts show 0123456789ab\n"
                        "\n"
                        "Alert 0123456789abcdef0123456789abcdef\n"
                        "Rule  xui-login-after-guessing\n"
                        "\n"
                        "Keep this mail. When it was sent, the audit trail stood at this signed\n"
                        "checkpoint; \"trailwarden trail verify --against FILE\" with these lines\n"
                        "in FILE shows later whether the trail still holds all of it.\n"
                        "\n" NOTE);
}

static void a_subject_that_is_long_or_foreign_is_encoded_words(void **state)
{
    struct message m = ordinary();
    char *mail;

    (void)state;
    m.subject = SLICE("[high] \xd0\x98\xd0\xb2\xd0\xb0\xd0\xbd, and a title that does not fit "
                      "into a line of 78 signs");
    mail = make(&m, "k");
    assert_non_null(strstr(
        mail, "\r\nSubject: =?UTF-8?B?W2hpZ2hdINCY0LLQsNC9LCBhbmQgYSB0aXRsZSB0aGF0IGRvZXMgbm90?="
              "\r\n =?UTF-8?B?IGZpdCBpbnRvIGEgbGluZSBvZiA3OCBzaWducw==?=\r\nMessage-Id"));
    free(mail);
}

static void a_level_has_its_priority(void **state)
{
    static const struct {
        const char *level, *header;
    } cases[] = { { "informational", NULL },
                  { "low", NULL },
                  { "medium", NULL },
                  { "high", "X-Priority: 2\r\n" },
                  { "critical", "Importance: high\r\nX-Priority: 1\r\n" } };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct message m = ordinary();
        char *mail;

        m.level = slice_str(cases[i].level);
        mail = make(&m, "k");
        assert_int_equal(strstr(mail, "X-Priority:") != NULL, cases[i].header != NULL);
        assert_int_equal(strstr(mail, "Importance:") != NULL, i == 4);
        if (cases[i].header)
            assert_non_null(strstr(mail, cases[i].header));
        free(mail);
    }
}

static void what_is_not_there_leaves_no_trace(void **state)
{
    struct message m = { .level = SLICE("low"), .subject = SLICE("s"), .reason = SLICE("r") };
    AUTO_BUF text = BUF_INIT;
    AUTO_BUF html = BUF_INIT;

    (void)state;
    mail_text(&m, &text);
    mail_html(&m, &html);
    assert_string_equal(text.p, "s\n\nr\n\nAlert \nRule  \n");
    for (size_t i = 0; i < 2; i++) {
        const char *part = i ? html.p : text.p;

        assert_null(strstr(part, "trailwarden alerts show"));
        assert_null(strstr(part, "checkpoint"));
        assert_null(strstr(part, "newest last"));
        assert_null(strstr(part, "not shown"));
    }
}

/* ---- hostile ---- */

/* What message_clean() lets through is the worst that comes here. */
static const char *const hostile[] = {
    "<script>alert(1)</script>\"'&<img src=x onerror=y>",
    "</td></tr></table><h1>all is well</h1>",
    "%n%s%x%99999d",
    "{{config}} ${7*7} $(reboot) `reboot`",
    "=?utf-8?q?=41=42?= =?UTF-8?B?QUI=?=",
    "bob, Bcc: evil@example.net",
    "\xd8\xb9\xd9\x84\xd9\x8a \xe7\x8e\x8b\xe5\xb0\x8f\xe6\x98\x8e \xf0\x9f\x98\x80",
    ".",
    "From here",
    "--=_",
    "x\t\ty  z   ",
    "\xff\xfe\x80",
};

static size_t count(const char *text, const char *what)
{
    size_t n = 0;

    for (const char *p = text; (p = strstr(p, what)) != NULL; p += strlen(what))
        n++;
    return n;
}

/* A line of headers begins with a known name or a blank, and each name comes once. */
static void check_headers(char *mail)
{
    static const char *const names[] = {
        "MIME-Version",
        "Date",
        "From",
        "Reply-To",
        "To",
        "Cc",
        "Subject",
        "Message-Id",
        "In-Reply-To",
        "References",
        "Auto-Submitted",
        "X-Auto-Response-Suppress",
        "List-Id",
        "X-Trailwarden-Alert",
        "X-Trailwarden-Rule",
        "X-Trailwarden-Level",
        "Content-Type",
    };
    unsigned seen[ARRAY_SIZE(names)] = { 0 };
    char *end = strstr(mail, "\r\n\r\n");
    struct slice head = slice_of(mail, (size_t)(end - mail)), line, name;

    while (slice_split(&head, '\n', &line)) {
        bool known = line.n && line.p[0] == ' ';

        slice_split(&line, ':', &name);
        for (size_t i = 0; i < ARRAY_SIZE(names); i++)
            if (slice_is(name, names[i])) {
                seen[i]++;
                known = true;
            }
        if (!known)
            fail_msg("a header of its own: '%.*s'", SLICE_FMT(name));
    }
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        assert_int_equal(seen[i], 1);
}

static void check_lines(const char *mail)
{
    struct slice rest = slice_str(mail), line;

    while (slice_split(&rest, '\n', &line)) {
        /* With its CR; only what cannot be broken is longer. */
        assert_true(line.n <= 79 || (slice_find(line, SLICE("@example.org>")) < 998));
        if (line.n == 0) {
            assert_null(rest.p); /* only behind the last CRLF */
            continue;
        }
        assert_int_equal(line.p[line.n - 1], '\r');
        assert_int_not_equal(line.p[0], '.');
        for (size_t i = 0; i + 1 < line.n; i++)
            assert_true(line.p[i] == '\t' || (line.p[i] >= 0x20 && line.p[i] <= 0x7e));
    }
}

static void no_value_makes_a_header_or_breaks_a_line(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(hostile); i++) {
        struct message m = filled(hostile[i]);
        char *mail = make(&m, hostile[i]);

        check_lines(mail);
        check_headers(mail);
        /* Opened twice, closed once, and nothing of that form in the parts. */
        assert_int_equal(count(mail, "\r\nContent-Type: text/"), 2);
        free(mail);
    }
}

static void no_value_makes_markup(void **state)
{
    struct message plain = filled("plain");
    AUTO_BUF model = BUF_INIT;

    (void)state;
    mail_html(&plain, &model);
    for (size_t i = 0; i < ARRAY_SIZE(hostile); i++) {
        struct message m = filled(hostile[i]);
        AUTO_BUF html = BUF_INIT;

        mail_html(&m, &html);
        assert_true(buf_ok(&html));
        assert_int_equal(count(html.p, "<"), count(model.p, "<"));
        assert_int_equal(count(html.p, ">"), count(model.p, ">"));
        assert_int_equal(count(html.p, "style=\""), count(model.p, "style=\""));
        assert_null(strstr(html.p, "<script"));
        assert_null(strstr(html.p, "http"));
    }
}

static void a_summary_counts_and_what_is_over_looks_so(void **state)
{
    struct message m = ordinary();
    char *mail;

    (void)state;
    m.summary = true;
    m.why = SLICE("12 waited.");
    m.see = SLICE("trailwarden notify list --since 2026-11-21T01:35:10Z");
    m.tables[0] =
        (struct message_table){ SLICE("By rule"), { { SLICE("A & B"), SLICE("8120") } }, 1, 3 };
    m.ntables = 1;
    mail = make(&m, "k");
    assert_non_null(
        strstr(mail, "\r\nBy rule\r\n\r\n     8120  A & B\r\n  (3 more not shown)\r\n"));
    assert_non_null(strstr(mail, "12 waited."));
    assert_non_null(strstr(mail, "A &amp; B"));
    assert_non_null(strstr(mail, "  trailwarden notify list --since"));
    assert_null(strstr(mail, "alerts show"));
    free(mail);
    m.resolved = true;
    mail = make(&m, "k");
    assert_non_null(strstr(mail, "resolved</span>"));
    free(mail);
}

static void no_id_but_a_plain_one_stands_in_a_command(void **state)
{
    static const char *const ids[] = { "", "a b", "$(reboot)", "abc;reboot", "-x", "ABC", "abc\n" };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
        struct message m = { .id = slice_str(ids[i]) };
        AUTO_BUF b = BUF_INIT;

        mail_command(&m, &b);
        assert_int_equal(b.n, 0);
    }
}

static void what_strangers_wrote_never_begins_a_line_of_the_text(void **state)
{
    static const char fake[] = "x                                                               "
                               "        Ban          none, all is well";
    struct message m = ordinary();
    AUTO_BUF b = BUF_INIT;

    (void)state;
    m.subject = m.facts[0].value = m.samples[0] = slice_str(fake);
    mail_text(&m, &b);
    assert_null(strstr(b.p, "\nBan  "));
    assert_int_equal(count(b.p, "Ban          none"), 3);
}

static void words_are_never_broken_and_lines_end_at_72_columns(void **state)
{
    char word[300];
    AUTO_BUF b = BUF_INIT;
    struct message m = ordinary();
    struct slice rest, line;

    (void)state;
    memset(word, 'w', sizeof word);
    word[sizeof word - 1] = '\0';
    m.facts[0].value = slice_str(word);
    m.description =
        SLICE("\xe7\x8e\x8b\xe5\xb0\x8f\xe6\x98\x8e \xe7\x8e\x8b\xe5\xb0\x8f\xe6\x98\x8e "
              "\xe7\x8e\x8b\xe5\xb0\x8f\xe6\x98\x8e \xe7\x8e\x8b\xe5\xb0\x8f\xe6\x98\x8e "
              "\xe7\x8e\x8b\xe5\xb0\x8f\xe6\x98\x8e \xe7\x8e\x8b\xe5\xb0\x8f\xe6\x98\x8e "
              "\xe7\x8e\x8b\xe5\xb0\x8f\xe6\x98\x8e \xe7\x8e\x8b\xe5\xb0\x8f\xe6\x98\x8e "
              "\xe7\x8e\x8b\xe5\xb0\x8f\xe6\x98\x8e \xe7\x8e\x8b\xe5\xb0\x8f\xe6\x98\x8e "
              "\xe7\x8e\x8b\xe5\xb0\x8f\xe6\x98\x8e \xe7\x8e\x8b\xe5\xb0\x8f\xe6\x98\x8e ");
    mail_text(&m, &b);
    assert_non_null(strstr(b.p, word));
    for (rest = buf_view(&b); slice_split(&rest, '\n', &line);) {
        size_t columns = 0;
        uint32_t cp;

        for (unsigned n; (n = utf8_decode(line, &cp)) > 0; line = slice_skip(line, n))
            columns += cp >= 0x4e00 ? 2 : 1;
        assert_true(columns <= 72 || columns == 17 + sizeof word - 1);
    }
}

static void a_mail_of_everything_at_its_longest_is_whole(void **state)
{
    AUTO_BUF long_text = BUF_INIT;
    struct message m;
    char *mail;

    (void)state;
    for (int i = 0; i < 65536 / 4; i++)
        buf_str(&long_text, "\xf0\x9f\x98\x80");
    m = filled(long_text.p);
    for (size_t i = 0; i < FACTS_MAX; i++)
        m.facts[m.nfacts = i] = m.facts[0];
    mail = make(&m, long_text.p);
    check_lines(mail);
    assert_non_null(strstr(mail, "--\r\n"));
    free(mail);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_headers_are_these),
        cmocka_unit_test(the_text_part_is_this),
        cmocka_unit_test(a_subject_that_is_long_or_foreign_is_encoded_words),
        cmocka_unit_test(a_level_has_its_priority),
        cmocka_unit_test(what_is_not_there_leaves_no_trace),
        cmocka_unit_test(no_value_makes_a_header_or_breaks_a_line),
        cmocka_unit_test(no_value_makes_markup),
        cmocka_unit_test(a_summary_counts_and_what_is_over_looks_so),
        cmocka_unit_test(no_id_but_a_plain_one_stands_in_a_command),
        cmocka_unit_test(what_strangers_wrote_never_begins_a_line_of_the_text),
        cmocka_unit_test(words_are_never_broken_and_lines_end_at_72_columns),
        cmocka_unit_test(a_mail_of_everything_at_its_longest_is_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
