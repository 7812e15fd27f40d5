/* The registry of receivers, their option tables, and the back-off. */
#include "notifiers/sink.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "notifiers/http.h"
#include "notifiers/people/mail.h"
#include "notifiers/severity.h"

static void each_kind_is_found_by_its_name_alone(void **state)
{
    (void)state;
    for (size_t i = 0; sink_kinds[i]; i++) {
        assert_non_null(sink_kind(slice_str(sink_kinds[i]->name)));
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(sink_kinds[i]->name, sink_kinds[j]->name);
    }
    assert_null(sink_kind(SLICE("emai")));
    assert_null(sink_kind(SLICE("emails")));
    assert_null(sink_kind(SLICE("")));
}

static void each_kind_has_a_summary_help_and_defaults(void **state)
{
    (void)state;
    for (size_t i = 0; sink_kinds[i]; i++) {
        const struct sink_ops *ops = sink_kinds[i];
        struct arena *a = arena_new(4096, 0);
        void *options = arena_alloc(a, ops->state_size);

        assert_true(strlen(ops->summary) > 10);
        assert_non_null(ops->deliver);
        for (const struct option *o = ops->options; o->name; o++)
            assert_true(o->help && o->help[strlen(o->help) - 1] == '.');
        assert_int_equal(option_defaults(ops->options, options, a), 0);
        arena_free(a);
    }
}

static void the_pause_grows_to_a_quarter_of_an_hour_and_no_further(void **state)
{
    uint64_t longest = 0;

    (void)state;
    for (unsigned attempts = 1; attempts < 200; attempts++) {
        uint64_t cap = attempts < 9 ? (2 * USEC_PER_SEC) << attempts : 900 * USEC_PER_SEC;

        for (uint64_t seed = 0; seed < 200; seed++) {
            uint64_t us = sink_backoff_us(attempts, seed);

            assert_true(us >= USEC_PER_SEC / 2);
            assert_true(us <= cap + USEC_PER_SEC / 2);
            longest = us > longest ? us : longest;
        }
    }
    assert_true(longest > 800 * USEC_PER_SEC);
    (void)sink_backoff_us(0, 0);
    assert_true(sink_backoff_us(UINT32_MAX, UINT64_MAX) <= 901 * USEC_PER_SEC);
}

static void the_pause_is_the_same_for_the_same_seed_and_spread_over_seeds(void **state)
{
    unsigned low = 0;

    (void)state;
    for (uint64_t seed = 0; seed < 1000; seed++) {
        assert_int_equal(sink_backoff_us(12, seed), sink_backoff_us(12, seed));
        low += sink_backoff_us(12, seed) < 450 * USEC_PER_SEC;
    }
    assert_in_range(low, 400, 600);
}

static void only_answers_that_may_change_are_tried_again(void **state)
{
    static const long again[] = { 0, 408, 425, 429, 500, 502, 503, 504 };
    static const long final[] = { 200, 301, 302, 400, 401, 403, 404, 410, 422 };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(again); i++)
        assert_true(http_retryable(again[i]));
    for (size_t i = 0; i < ARRAY_SIZE(final); i++)
        assert_false(http_retryable(final[i]));
}

static void a_revoked_key_and_a_removed_hook_break_the_receiver(void **state)
{
    static const long broken[] = { 401, 403, 404, 410 };
    static const long others[] = { 0, 200, 204, 302, 400, 408, 422, 429, 500, 503 };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(broken); i++) {
        struct http_answer a = { .status = broken[i] };
        struct delivery_result r = { 0 };

        http_outcome(&a, &r);
        assert_true(r.broken);
        assert_int_equal(r.state, DELIVERY_DEAD);
    }
    for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
        struct http_answer a = { .status = others[i] };
        struct delivery_result r = { .broken = true };

        http_outcome(&a, &r);
        assert_false(r.broken);
    }
}

static void the_first_verdict_that_fits_wins(void **state)
{
    static const struct http_verdict verdicts[] = {
        { 200, "rate", DELIVERY_RETRY, false },
        { 200, "revoked", DELIVERY_DEAD, true },
        { 0, "never", DELIVERY_DEAD, false },
        { 501, NULL, DELIVERY_DEAD, false },
        { 0 },
    };
    static const struct {
        long status;
        struct slice said;
        enum delivery_state state;
        bool broken;
    } cases[] = {
        { 200, SLICE("Token REVOKED"), DELIVERY_DEAD, true },
        { 200, SLICE("rate, revoked"), DELIVERY_RETRY, false },
        { 200, SLICE(""), DELIVERY_SENT, false },
        { 500, SLICE("never again"), DELIVERY_DEAD, false },
        { 500, SLICE("revoked"), DELIVERY_RETRY, false },
        { 501, SLICE(""), DELIVERY_DEAD, false },
        { 404, SLICE(""), DELIVERY_DEAD, true },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct http_answer a = { .status = cases[i].status };
        struct delivery_result r = { 0 };

        http_judge(&a, verdicts, cases[i].said, &r);
        assert_int_equal(r.state, cases[i].state);
        assert_int_equal(r.broken, cases[i].broken);
    }
}

static void each_level_has_one_urgency_in_all_words(void **state)
{
    static const char *const levels[] = { "informational", "low", "medium", "high", "critical" };
    unsigned syslog = 8, ntfy = 0;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(levels); i++) {
        struct message m = { .level = slice_str(levels[i]) };
        const struct severity *s = severity_of(&m);

        assert_string_equal(s->name, levels[i]);
        assert_true(s->syslog < syslog && s->ntfy > ntfy);
        assert_int_equal(s->silent, i < 2);
        syslog = s->syslog;
        ntfy = s->ntfy;
    }
    assert_string_equal(severity_of(&(struct message){ .level = SLICE("x") })->name, "medium");
}

static void programs_get_no_digests_and_people_do(void **state)
{
    static const char *const people[] = { "slack", "discord", "teams", "ntfy", "sms" };
    static const char *const programs[] = { "webhook",      "file",   "pagerduty", "opsgenie",
                                            "alertmanager", "syslog", "command" };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(people); i++) {
        assert_in_range(sink_kind(slice_str(people[i]))->pace.digest_over, 1, 10);
        assert_true(sink_kind(slice_str(people[i]))->pace.every_us > 0);
    }
    for (size_t i = 0; i < ARRAY_SIZE(programs); i++)
        assert_int_equal(sink_kind(slice_str(programs[i]))->pace.digest_over, 0);
}

static void what_is_not_plain_is_percent_encoded(void **state)
{
    AUTO_BUF b = BUF_INIT;

    (void)state;
    buf_percent(&b, SLICE("aZ0-._~ +&=%\n\xc3\xa4/[@{`"));
    assert_string_equal(b.p, "aZ0-._~%20%2B%26%3D%25%0A%C3%A4%2F%5B%40%7B%60");
}

static void clear_http_is_for_this_machine(void **state)
{
    static const char *const fine[] = {
        "https://example.org/x",   "http://127.0.0.1/",  "http://127.0.0.1:8081",
        "http://localhost:8081/x", "http://[::1]:8081/", "http://127.9.9.9/a@b",
    };
    static const char *const refused[] = {
        "http://example.org/",
        "http://127.0.0.1.example.org/",
        "ftp://127.0.0.1/",
        "http://127.0.0.1:1@evil.org",
        "http://localhost@evil.org/",
        "http://[fe80::1]/",
        "http://[::]/",
        "http://0.0.0.0/",
        "",
        "file:///etc/passwd",
        "http://",
        "http://[::1",
        "http://127.0.0.1?@evil.org/",
        "http://localhost.evil.org",
        "http://[::ffff:9.9.9.9]/",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(fine); i++)
        assert_int_equal(http_url_check(fine[i], NULL), 0);
    for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
        if (http_url_check(refused[i], NULL) == 0)
            fail_msg("'%s' was taken", refused[i]);
}

static void a_mail_address_carries_nothing_else(void **state)
{
    static const char *const fine[] = { "a@b", "alerts+vpn@mail.example.org",
                                        "o'hara@example.org" };
    static const char *const refused[] = {
        "",      "a",       "@b",      "a@",      "a@b@c",  "a b@c",          "a@b\r\nBcc: c@d",
        "a@b\n", "<a@b>",   "a@b,c@d", "\"a\"@b", "a(x)@b", "\xc3\xa4@b.org", "a@b\x7f",
        "a\t@b", "a@b;c@d", "a:b@c",   "a\\@b",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(fine); i++)
        assert_true(mail_address_ok(fine[i]));
    for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
        assert_false(mail_address_ok(refused[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_is_found_by_its_name_alone),
        cmocka_unit_test(each_kind_has_a_summary_help_and_defaults),
        cmocka_unit_test(the_pause_grows_to_a_quarter_of_an_hour_and_no_further),
        cmocka_unit_test(the_pause_is_the_same_for_the_same_seed_and_spread_over_seeds),
        cmocka_unit_test(only_answers_that_may_change_are_tried_again),
        cmocka_unit_test(a_revoked_key_and_a_removed_hook_break_the_receiver),
        cmocka_unit_test(the_first_verdict_that_fits_wins),
        cmocka_unit_test(each_level_has_one_urgency_in_all_words),
        cmocka_unit_test(programs_get_no_digests_and_people_do),
        cmocka_unit_test(what_is_not_plain_is_percent_encoded),
        cmocka_unit_test(clear_http_is_for_this_machine),
        cmocka_unit_test(a_mail_address_carries_nothing_else),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
