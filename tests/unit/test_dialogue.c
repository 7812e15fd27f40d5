/* What is noted of a conversation, and the sample alert that begins it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "logwatch/notify-sample.h"
#include "notifiers/dialogue.h"
#include "notifiers/message.h"

#define NOW_US (UINT64_C(1795225139) * USEC_PER_SEC)

static struct secret *secret_of(const char *text)
{
    struct secret *s = NULL;
    struct err err = ERR_NONE;

    assert_int_equal(secret_from_slice(slice_str(text), &s, &err), 0);
    return s;
}

/* The last of the places for secrets holds one. */
static void noted(const struct dialogue_exchange *x, const struct secret *secret, struct buf *out)
{
    struct dialogue_notes notes = { .secrets = { [DIALOGUE_SECRETS - 1] = secret } };

    dialogue_notes = &notes;
    dialogue_http(x);
    dialogue_notes = NULL;
    assert_true(buf_ok(&notes.text));
    *out = notes.text;
}

static void is_in(const struct buf *b, const char *text)
{
    if (slice_find(buf_view(b), slice_str(text)) == SIZE_MAX)
        fail_msg("no '%s' in: %s", text, b->p);
}

static void is_not_in(const struct buf *b, const char *text)
{
    if (slice_find(buf_view(b), slice_str(text)) != SIZE_MAX)
        fail_msg("'%s' in: %s", text, b->p);
}

static void nothing_is_noted_when_nobody_listens(void **state UNUSED)
{
    const struct dialogue_exchange x = { .method = "POST", .url = "https://a.example/" };

    dialogue_http(&x);
    dialogue_note("> ", SLICE("EHLO"));
    assert_null(dialogue_notes);
}

static void of_a_url_only_scheme_and_host_are_noted(void **state UNUSED)
{
    static const struct {
        const char *url, *shown;
    } cases[] = {
        { "https://hooks.example/services/T0/B0/tokentoken", "> POST https://hooks.example," },
        { "https://hooks.example?key=tokentoken", "> POST https://hooks.example," },
        { "https://hooks.example#tokentoken", "> POST https://hooks.example," },
        { "http://127.0.0.1:8081/bot1:tokentoken/x", "> POST http://127.0.0.1:8081," },
        { "https://user:tokentoken@hooks.example/", "> POST (hidden)," },
        { "tokentoken@hooks.example/", "> POST (hidden)," },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct dialogue_exchange x = { .method = "POST", .url = cases[i].url, .status = 200 };
        AUTO_BUF out = BUF_INIT;

        noted(&x, NULL, &out);
        is_in(&out, cases[i].shown);
        is_not_in(&out, "tokentoken");
    }
}

static void the_secret_is_cut_out_of_answers_even_where_they_are_cut(void **state UNUSED)
{
    AUTO(secret) s = secret_of("hunter2hunter2");
    char answer[700];

    for (size_t at = 480; at < 530; at++) {
        struct dialogue_exchange x = { .method = "POST",
                                       .url = "https://a.example/",
                                       .status = 400,
                                       .answer = { answer, sizeof answer } };
        AUTO_BUF out = BUF_INIT;

        memset(answer, '.', sizeof answer);
        memcpy(answer + at, "hunter2hunter2", 14);
        noted(&x, s, &out);
        is_not_in(&out, "hun");
        is_in(&out, "...");
        assert_true(out.n < 640);
    }
}

static void answers_cannot_move_the_terminal(void **state UNUSED)
{
    const struct dialogue_exchange x = { .method = "POST",
                                         .url = "https://a.example/",
                                         .status = 500,
                                         .seconds = 0.25,
                                         .answer = SLICE("\033[2J\r\n\x9b"
                                                         "31m{\"ok\":false}") };
    AUTO_BUF out = BUF_INIT;

    noted(&x, NULL, &out);
    is_in(&out, "< status 500 after 250 ms\n");
    is_in(&out, "{\"ok\":false}");
    for (size_t i = 0; i < out.n; i++)
        assert_true(out.p[i] == '\n' || (unsigned char)out.p[i] >= 0x20);
    is_not_in(&out, "\x9b");
}

static void no_answer_says_why(void **state UNUSED)
{
    const struct dialogue_exchange x = { .method = "POST",
                                         .url = "https://a.example/",
                                         .sent = 12,
                                         .error = "Couldn't connect to server" };
    AUTO_BUF out = BUF_INIT;

    noted(&x, NULL, &out);
    assert_string_equal(
        out.p, "> POST https://a.example, 12 bytes\n< no answer: Couldn't connect to server\n");
}

static void notes_stop_at_their_limit(void **state UNUSED)
{
    struct dialogue_notes notes = { .text = BUF_LIMIT(100) };

    dialogue_notes = &notes;
    for (size_t i = 0; i < 50; i++)
        dialogue_note("< ", SLICE("250 a line of some length"));
    dialogue_notes = NULL;
    assert_true(notes.text.n <= 100);
    buf_fini(&notes.text);
}

/* ---- the sample ---- */

static void the_sample_is_an_alert_that_says_that_it_is_a_test(void **state UNUSED)
{
    AUTO(arena) a = arena_new(16384, 0);
    AUTO_BUF text = BUF_INIT;
    struct message m;
    struct delivery d = { .host = "h.example", .attempt = 1 };
    struct err err = ERR_NONE;

    assert_true(notify_sample((const uint8_t *)"0123456789abcdef", NOW_US, &text));
    d.document = json_load(a, buf_view(&text), &err);
    assert_non_null(d.document);
    assert_int_equal(message_make(&d, a, &m, &err), 0);
    assert_true(slice_starts(m.title, SLICE("Test: ")));
    assert_true(slice_starts(m.subject, SLICE("[test] ")));
    assert_true(slice_is(m.notice, "test"));
    assert_true(slice_starts(m.why, SLICE("This is only a test")));
    assert_true(slice_is(m.id, "30313233343536373839616263646566"));
    assert_int_equal(m.incident.n, 32);
    assert_int_equal(m.nsamples, 3);
    assert_false(m.resolved);
}

/* Receivers drop repeats of an alert, but all tests are about one matter. */
static void each_sample_is_another_alert_of_one_incident(void **state UNUSED)
{
    AUTO(arena) a = arena_new(16384, 0);
    AUTO_BUF one = BUF_INIT;
    AUTO_BUF two = BUF_INIT;
    const struct json *x, *y;

    assert_true(notify_sample((const uint8_t *)"0123456789abcdef", NOW_US, &one));
    assert_true(notify_sample((const uint8_t *)"fedcba9876543210", NOW_US, &two));
    x = json_load(a, buf_view(&one), NULL);
    y = json_load(a, buf_view(&two), NULL);
    assert_false(slice_eq(json_text(x, "id"), json_text(y, "id")));
    assert_true(slice_eq(json_text(x, "incident"), json_text(y, "incident")));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_noted_when_nobody_listens),
        cmocka_unit_test(of_a_url_only_scheme_and_host_are_noted),
        cmocka_unit_test(the_secret_is_cut_out_of_answers_even_where_they_are_cut),
        cmocka_unit_test(answers_cannot_move_the_terminal),
        cmocka_unit_test(no_answer_says_why),
        cmocka_unit_test(notes_stop_at_their_limit),
        cmocka_unit_test(the_sample_is_an_alert_that_says_that_it_is_a_test),
        cmocka_unit_test(each_sample_is_another_alert_of_one_incident),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
