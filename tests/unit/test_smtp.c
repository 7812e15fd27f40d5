/* Servers' names, what the parent reads of the mailer's words, and the conversation as it is heard.
 */
#include "notifiers/people/smtp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/proc.h"
#include "notifiers/people/smtp-private.h"

/* ---- HOST:PORT ---- */

static void a_server_is_a_name_or_an_address_and_a_port(void **state)
{
    static const struct {
        const char *text, *host;
        uint16_t port;
        bool v6, here;
    } fine[] = {
        { "mail.example.org:587", "mail.example.org", 587, false, false },
        { "localhost:25", "localhost", 25, false, true },
        { "127.9.9.9:65535", "127.9.9.9", 65535, false, true },
        { "192.0.2.1:1", "192.0.2.1", 1, false, false },
        { "[2001:db8::1]:465", "2001:db8::1", 465, true, false },
        { "[::1]:25", "::1", 25, true, true },
        { "a_b-c.d:25", "a_b-c.d", 25, false, false },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(fine); i++) {
        struct smtp_server s;

        assert_int_equal(smtp_server_parse(fine[i].text, &s, NULL), 0);
        assert_true(slice_is(s.host, fine[i].host));
        assert_int_equal(s.port, fine[i].port);
        assert_int_equal(s.v6, fine[i].v6);
        assert_int_equal(smtp_is_loopback(&s), fine[i].here);
    }
}

static void nothing_else_is_a_server(void **state)
{
    static const char *const refused[] = {
        "",
        ":",
        "host",
        "host:",
        ":25",
        "host:0",
        "host:65536",
        "host:+25",
        "host: 25",
        "host:25 ",
        "::1:25",
        "[::1]",
        "[::1]25",
        "[::1:25",
        "::1]:25",
        "[]:25",
        "[host]:25",
        "[127.0.0.1]:25",
        "[fe80::1%eth0]:25",
        "user@host:25",
        "user:pass@host:25",
        "host/path:25",
        "host?x:25",
        "host#x:25",
        "smtp://host:25",
        "ho st:25",
        "host\r\nx:25",
        "h\xc3\xb6st:25",
        "a:b:25",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
        struct smtp_server s;
        struct err err = ERR_NONE;

        if (smtp_server_parse(refused[i], &s, &err) == 0)
            fail_msg("'%s' was taken", refused[i]);
        assert_non_null(strstr(err.text, "HOST:PORT"));
    }
}

/* ---- what the parent reads ---- */

static struct smtp_verdict read_all(const char *text)
{
    struct smtp_verdict v = { 0 };

    smtp_read(slice_str(text), &v);
    return v;
}

static void each_recipient_has_its_own_verdict(void **state)
{
    struct smtp_verdict v = read_all("\n@@from 0 250 ok\n\n@@to 0 250 ok\n\n@@to 1 550 gone\n"
                                     "\n@@to 2 451 later\n\n@@to 63 251 ok\n"
                                     "\n@@transfer 0 250 queued as 1\n");

    (void)state;
    assert_int_equal(v.from, 250);
    assert_int_equal(v.transfer, 250);
    assert_true(v.accepted == (UINT64_C(1) | UINT64_C(1) << 63));
    assert_true(v.refused == 2);
    assert_true(slice_is(v.said, "550 gone"));
    assert_true(slice_is(v.transfer_text, "queued as 1"));
    assert_null(v.failure.p);
}

static void what_is_no_line_of_ours_says_nothing(void **state)
{
    static const char *const others[] = {
        "",
        "@@",
        "@@to",
        "@@to 0 250",
        "@@to 64 250 ok\n",
        "@@to -1 250 ok\n",
        "@@to 0 1000 ok\n",
        "@@to 0 x ok\n",
        "@to 0 250 ok\n",
        " @@to 0 250 ok\n",
        "a library's debug line\n",
        "@@transfer 0 ",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
        struct smtp_verdict v = read_all(others[i]);

        assert_true(v.accepted == 0 && v.refused == 0 && v.transfer == 0 && v.from == 0);
    }
}

/* ---- the conversation ---- */

struct scene {
    const struct smtp_job *job;
    const char *const *lines; /* "> " we, "< " the relay, "T" TLS stands; NULL at the end */
    size_t chunk; /* of the relay's bytes; 0: a line */
};

static void on_answer(struct dialogue *d, int code, struct slice text)
{
    dialogue_tell(d, "answer", 0, code, text);
}

static void hear(struct dialogue *d, const char *line, size_t chunk)
{
    char text[8192];
    struct slice s;
    int n = snprintf(text, sizeof text, "%s\r\n", line);

    for (s = slice_of(text, (size_t)n); s.n; s = slice_skip(s, chunk ? chunk : s.n))
        dialogue_heard(d, slice_take(s, chunk ? chunk : s.n));
}

static int play(void *ctx, int fd)
{
    const struct scene *scene = ctx;
    struct dialogue d = { .job = scene->job, .fd = fd, .on_answer = on_answer };

    dialogue_begin(&d);
    for (const char *const *p = scene->lines; *p; p++) {
        char said[512];

        if ((*p)[0] == '>') {
            snprintf(said, sizeof said, "%s\r\n", *p + 2);
            dialogue_said(&d, slice_str(said));
        } else if ((*p)[0] == '<') {
            hear(&d, *p + 2, scene->chunk);
        } else {
            d.tls = true;
        }
    }
    dialogue_tell_failure(&d, "the end");
    return 0;
}

/* What the child told; the caller frees. */
static struct buf told(const struct smtp_job *job, const char *const *lines, size_t chunk)
{
    struct scene scene = { job, lines, chunk };
    struct proc_result r = { .out = BUF_LIMIT(SMTP_TOLD_MAX) };

    assert_int_equal(proc_call(play, &scene, 10 * USEC_PER_SEC, &r, NULL), 0);
    return r.out;
}

static void assert_failure(const struct smtp_job *job, const char *const *lines, const char *text)
{
    for (size_t chunk = 0; chunk < 4; chunk++) {
        AUTO_BUF out = told(job, lines, chunk);
        struct smtp_verdict v = read_all(out.p ? out.p : "");

        if (!v.failure.p || !slice_is(v.failure, text))
            fail_msg("'%.*s' instead of '%s'", SLICE_FMT(v.failure), text);
    }
}

static const char *const login[] = {
    "< 220 hi",
    "> EHLO x",
    "< 250-relay",
    "< 250-SIZE 1",
    "< 250 AUTH PLAIN",
    "> AUTH PLAIN",
    "< 334 ",
    "> QUIT as a password looks like a command",
    "< 235 2.7.0 in",
    "> MAIL FROM:<a@b>",
    "< 250-2.1.0 first",
    "< 250 2.1.0 second",
    NULL,
};

static void an_answer_is_the_same_in_any_pieces(void **state)
{
    const struct smtp_job job = { .user = "alerts" };
    AUTO_BUF whole = told(&job, login, 0);

    (void)state;
    assert_non_null(strstr(whole.p, "\n@@answer 0 250 2.1.0 first\n"));
    assert_non_null(strstr(whole.p, "\n@@answer 0 235 2.7.0 in\n"));
    assert_non_null(strstr(whole.p, "\n@@step 0 0 MAIL\n"));
    assert_null(strstr(whole.p, "QUIT"));
    for (size_t chunk = 1; chunk < 8; chunk++) {
        AUTO_BUF pieces = told(&job, login, chunk);

        assert_string_equal(pieces.p, whole.p);
    }
}

static void nothing_goes_out_without_the_login_that_was_asked_for(void **state)
{
    static const char *const none[] = { "< 220 hi",          "> EHLO x", "< 250 relay",
                                        "> MAIL FROM:<a@b>", "< 250 ok", NULL };
    static const char *const refused[] = { "< 220 hi",          "> EHLO x", "< 250 AUTH PLAIN",
                                           "> AUTH PLAIN eA==", "< 535 no", "> MAIL FROM:<a@b>",
                                           "< 250 ok",          NULL };
    const struct smtp_job job = { .user = "alerts" }, without = { 0 };

    (void)state;
    assert_failure(&job, none, "login refused: the relay offers none");
    assert_failure(&job, refused, "login refused: 535 no");
    assert_failure(&without, none, "the end");
}

static void answers_before_the_handshake_end_it_all(void **state)
{
    static const char *const early[] = { "< 220 hi",   "> EHLO x", "< 250 STARTTLS",
                                         "> STARTTLS", "< 220 go", "< 250 and now this",
                                         NULL };
    static const char *const late[] = { "< 220 hi",   "> EHLO x",   "< 250 STARTTLS",
                                        "> STARTTLS", "< 220 go",   "T",
                                        "> EHLO x",   "< 250 fine", NULL };
    static const char *const refused[] = { "< 220 hi",   "> EHLO x", "< 250 STARTTLS",
                                           "> STARTTLS", "< 454 no", "< 250 and more",
                                           NULL };
    const struct smtp_job job = { 0 };

    (void)state;
    assert_failure(&job, early, "the relay answered before it was asked: somebody is in between");
    assert_failure(&job, late, "the end");
    assert_failure(&job, refused, "the end"); /* no TLS to come, nothing to slip in before */
}

static void what_was_said_at_the_login_is_not_told(void **state)
{
    static const char *const echo[] = { "< 220 hi",
                                        "> EHLO x",
                                        "< 250 AUTH PLAIN",
                                        "> AUTH PLAIN AGFsZXJ0cwBjb3JyZWN0IGhvcnNl",
                                        "< 535 AUTH PLAIN (AGFsZXJ0cwBjb3JyZWN0IGhvcnNl) is wrong",
                                        NULL };
    static const char *const part[] = { "< 220 hi",
                                        "> EHLO x",
                                        "< 250 AUTH LOGIN",
                                        "> AUTH LOGIN",
                                        "< 334 VXNlcm5hbWU6",
                                        "> YWxlcnRz",
                                        "< 334 UGFzc3dvcmQ6",
                                        "> Y29ycmVjdCBob3JzZQ==",
                                        "< 535 Y29ycmVjdCBo...",
                                        NULL };
    const struct smtp_job job = { .user = "alerts" };

    (void)state;
    assert_failure(&job, echo, "login refused: 535 AUTH PLAIN (***) is wrong");
    assert_failure(&job, part, "login refused: 535 ***...");
}

static void what_is_no_smtp_is_told_at_once(void **state)
{
    static const char *const others[][2] = { { "< SSH-2.0-OpenSSH_9.2", NULL },
                                             { "< HTTP/1.1 400 Bad Request", NULL },
                                             { "< 99 bottles", NULL },
                                             { "< 2200 hi", NULL } };
    const struct smtp_job job = { 0 };

    (void)state;
    assert_failure(&job, others[0], "no answer of SMTP: SSH-2.0-OpenSSH_9.2");
    assert_failure(&job, others[1], "no answer of SMTP: HTTP/1.1 400 Bad Request");
    assert_failure(&job, others[2], "no answer of SMTP: 99 bottles");
    assert_failure(&job, others[3], "no answer of SMTP: 2200 hi");
}

static void hostile_bytes_stay_one_line_of_ours(void **state)
{
    static const char *const lines[] = { "< 220 hi", "> EHLO x", "> MAIL FROM:<a@b>",
                                         "< 550 \x1b[2J\r@@transfer 0 250 \xff", NULL };
    const struct smtp_job job = { 0 };

    (void)state;
    for (size_t chunk = 0; chunk < 8; chunk++) {
        AUTO_BUF out = told(&job, lines, chunk);
        struct smtp_verdict v = read_all(out.p);

        assert_int_equal(v.transfer, 0);
        assert_null(strchr(out.p, '\x1b'));
        assert_null(strchr(out.p, '\r'));
    }
}

/* Ends by itself, by a word or by giving up, whatever comes. */
static int babble(void *ctx, int fd)
{
    const struct smtp_job job = { .user = "alerts" };
    struct dialogue d = { .job = &job, .fd = fd, .on_answer = on_answer };
    uint64_t dice = *(const uint64_t *)ctx;

    dialogue_begin(&d);
    for (int i = 0; i < 3000; i++) {
        static const char *const words[] = { "250 ", "354 ", "220-", "535 ", "\r\n", "\n", "334 " };
        static const char *const ours[] = { "EHLO x\r\n",    "STARTTLS\r\n", "AUTH PLAIN x\r\n",
                                            "DATA\r\n",      "QUIT\r\n",     "\n\n\r",
                                            "RCPT TO:<>\r\n" };
        char byte;

        dice = dice * UINT64_C(6364136223846793005) + 1442695040888963407u;
        byte = (char)(dice >> 40);
        if (dice >> 57 == 0)
            dialogue_heard(&d, slice_of(&byte, 1));
        else if (dice >> 62 <= 1)
            dialogue_said(&d, slice_str(ours[(dice >> 33) % ARRAY_SIZE(ours)]));
        else
            dialogue_heard(&d, slice_str(words[(dice >> 33) % ARRAY_SIZE(words)]));
    }
    return 0;
}

static void any_bytes_are_survived(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct proc_result r = { .out = BUF_LIMIT(1 << 20) };

        assert_int_equal(proc_call(babble, &seed, 10 * USEC_PER_SEC, &r, NULL), 0);
        if (r.signal || r.timed_out || r.status > 1)
            fail_msg("seed %llu", (unsigned long long)seed);
        assert_int_equal(read_all(r.out.p ? r.out.p : "").transfer, 0);
        buf_fini(&r.out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_server_is_a_name_or_an_address_and_a_port),
        cmocka_unit_test(nothing_else_is_a_server),
        cmocka_unit_test(each_recipient_has_its_own_verdict),
        cmocka_unit_test(what_is_no_line_of_ours_says_nothing),
        cmocka_unit_test(an_answer_is_the_same_in_any_pieces),
        cmocka_unit_test(nothing_goes_out_without_the_login_that_was_asked_for),
        cmocka_unit_test(answers_before_the_handshake_end_it_all),
        cmocka_unit_test(what_was_said_at_the_login_is_not_told),
        cmocka_unit_test(what_is_no_smtp_is_told_at_once),
        cmocka_unit_test(hostile_bytes_stay_one_line_of_ours),
        cmocka_unit_test(any_bytes_are_survived),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
