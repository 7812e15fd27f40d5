/* Filters of fail2ban: our own filters and lines (tests/data/fail2ban). */
#include "parsers/fail2ban/filter.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/clock.h"
#include "parsers/fail2ban/jail.h"
#include "parsers/fail2ban/pattern.h"

/* 2026-11-21T12:00:00Z, a Saturday */
#define NOW_S UINT64_C(1795262400)

struct rig {
    struct diag *d;
    struct fail2ban *f;
    struct fail2ban_scratch *scratch;
    struct fail2ban_state *s;
    uint64_t now_us;
    struct fail2ban_result r;
};

static void path_of(char *out, size_t n, const char *name)
{
    const char *source = getenv("TW_SOURCE");

    snprintf(out, n, "%s/tests/data/fail2ban/%s", source ? source : ".", name);
}

static int load(struct rig *rig, const char *name, const struct fail2ban_parameter *parameters,
                size_t n)
{
    struct fail2ban_options o = { parameters, n, NULL, NOW_S * USEC_PER_SEC, false };
    char path[4096];

    *rig = (struct rig){ .d = diag_new(),
                         .scratch = fail2ban_scratch_new(),
                         .now_us = NOW_S * USEC_PER_SEC };
    path_of(path, sizeof path, name);
    return fail2ban_load(path, &o, rig->d, &rig->f);
}

static void close_rig(struct rig *rig)
{
    fail2ban_state_free(rig->s);
    fail2ban_scratch_free(rig->scratch);
    fail2ban_free(rig->f);
    diag_free(rig->d);
}

static void open_rig(struct rig *rig, const char *name, const char *parameter, const char *value)
{
    struct fail2ban_parameter p = { parameter, value };

    if (load(rig, name, &p, parameter ? 1 : 0) < 0) {
        diag_print(rig->d, stderr, false);
        fail_msg("%s did not load", name);
    }
    assert_int_equal(diag_count(rig->d), 0);
    rig->s = fail2ban_state_new(rig->f);
    assert_non_null(rig->s);
}

static enum fail2ban_verdict say(struct rig *rig, const char *line)
{
    const struct fail2ban_line l = { slice_str(line), 0, rig->now_us, NULL };

    assert_int_equal(fail2ban_line(rig->f, rig->scratch, rig->s, &l, &rig->r), 0);
    return rig->r.verdict;
}

static void assert_slice(struct slice got, const char *want)
{
    if (!slice_is(got, want ? want : ""))
        fail_msg("'%.*s' is not '%s'", SLICE_FMT(got), want ? want : "");
}

static void assert_when(const struct rig *rig, const char *want)
{
    char got[TIME_TEXT_SIZE];

    time_text(rig->r.time_us, got);
    got[19] = '\0';
    assert_string_equal(got, want);
}

/* ---- samples ---- */

struct sample {
    const char *line;
    const char *host; /* NULL: no failure */
    const char *user, *when;
};

static void check_samples(struct rig *rig, const struct sample *samples, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        bool failed = say(rig, samples[i].line) == FAIL2BAN_FAILURE;

        if (failed != (samples[i].host != NULL))
            fail_msg("%s: %s", failed ? "a failure" : "no failure", samples[i].line);
        if (!failed)
            continue;
        assert_slice(rig->r.host, samples[i].host);
        if (samples[i].user)
            assert_slice(rig->r.user, samples[i].user);
        if (samples[i].when)
            assert_when(rig, samples[i].when);
    }
    close_rig(rig);
}

#define CHECK(rig, ...)                                                                            \
    do {                                                                                           \
        static const struct sample samples_[] = { __VA_ARGS__ };                                   \
        check_samples(&(rig), samples_, ARRAY_SIZE(samples_));                                     \
    } while (0)

static void ssh_lines_give_address_user_and_time(void **state)
{
    struct rig rig;

    (void)state;
    open_rig(&rig, "filter.d/shell.conf", NULL, NULL);
    CHECK(rig,
          { "Nov 21 11:59:01 host sshd[11]: Failed password for root from 192.0.2.1 port 4242 ssh2",
            "192.0.2.1", "root", "2026-11-21T11:59:01" },
          { "Nov 21 11:59:02 host sshd[12]: error: Failed none for invalid user a from b from "
            "2001:db8::0:1 port 1",
            "2001:db8::1", "a from b", "2026-11-21T11:59:02" },
          { "Dec 24 01:02:03 host sshd[13]: Failed password for bob from ::ffff:192.0.2.7 port 9",
            "192.0.2.7", "bob", "2025-12-24T01:02:03" },
          { "Nov 21 11:59:03 host sshd[14]: Failed password for eve from evil.example.org port 2",
            "evil.example.org", "eve", NULL },
          { "Nov 21 11:59:04 host other[15]: Failed password for root from 192.0.2.1 port 4242",
            NULL, NULL, NULL },
          { "Nov 21 11:59:04 host sshd[16]: Failed password for root from 192.0.2.250 port 4242",
            NULL, NULL, NULL }, /* ignoreregex */
          { "Nov 21 11:59:05 host sshd[17]: Did not say hello, FROM 192.0.2.3", NULL, NULL, NULL });
}

static void a_parameter_chooses_among_settings(void **state)
{
    struct rig rig;

    (void)state;
    open_rig(&rig, "filter.d/shell.conf", "mode", "strict");
    CHECK(rig,
          { "Nov 21 11:59:05 host sshd[17]: Did not say hello, FROM 192.0.2.3", "192.0.2.3", NULL,
            NULL },
          { "Nov 21 11:59:05 host sshd[18]: Bad protocol \\x16\\x03 from [2001:DB8::A]",
            "2001:db8::a", NULL, NULL },
          { "Nov 21 11:59:05 host sshd[19]: Bad protocol x from host.example", NULL, NULL, NULL });
    open_rig(&rig, "filter.d/shell.conf", "logtype", "journal");
    CHECK(rig, { "sshd[11]: Failed password for root from 192.0.2.1 port 4242 ssh2", "192.0.2.1",
                 "root", NULL });
}

static void tunnel_lines_give_networks_ids_and_both_kinds_of_addresses(void **state)
{
    struct rig rig;

    (void)state;
    open_rig(&rig, "filter.d/tunnel.conf", NULL, NULL);
    CHECK(rig,
          { "2026-11-20 23:59:59 tunnel-7/192.0.2.4:51234 TLS Auth Error: no", "192.0.2.4", NULL,
            "2026-11-20T23:59:59" },
          { "Fri Nov 20 23:59:58 2026 [AF_INET6]2001:db8::4:1194 handshake failed", "2001:db8::4",
            NULL, "2026-11-20T23:59:58" },
          { "2026-11-20 23:59:59 flood from 192.0.2.77/24", "192.0.2.0/24", NULL, NULL },
          { "2026-11-20 23:59:59 flood from [2001:db8:1:2::3/48]", "2001:db8:1::/48", NULL, NULL },
          { "2026-11-20 23:59:59 client c-17 at 192.0.2.9 refused", "192.0.2.9", NULL, NULL },
          { "2026-11-20 23:59:59 peer 192.0.2.9 is no peer", NULL, NULL, NULL },
          { "2026-11-20 23:59:59 peer fe80::1 is no peer", "fe80::1", NULL, NULL },
          { "2026-11-20 23:59:59 resolver ns1.example.net answers nothing", "ns1.example.net", NULL,
            NULL },
          { "20.11.2026 192.0.2.4:51234 TLS Auth Error: no", NULL, NULL, NULL });
    open_rig(&rig, "filter.d/tunnel.conf", NULL, NULL);
    say(&rig, "2026-11-20 23:59:59 client c-17 at 192.0.2.9 refused");
    assert_slice(rig.r.id, "c-17");
    assert_int_equal(rig.r.ip.family, 4);
    say(&rig, "2026-11-20 23:59:59 resolver 1.2.3.4.example answers nothing");
    assert_int_equal(rig.r.ip.family, 0);
    close_rig(&rig);
}

static void web_lines_keep_the_date_in_the_message(void **state)
{
    struct rig rig;

    (void)state;
    open_rig(&rig, "filter.d/web.conf", NULL, NULL);
    CHECK(rig,
          { "2026/11/21 10:00:00 [error] 8#0: *1 user \"bob\": password mismatch, client: "
            "192.0.2.5, server: www.example.org, request: \"GET /x HTTP/1.1\"",
            "192.0.2.5", NULL, "2026-11-21T10:00:00" },
          { "2026/11/21 10:00:00 [error] 8#0: *1 user \"a\", client: 192.0.2.66, \" was not found "
            "in \"/etc/pw\", client: 192.0.2.5, server: , request: \"GET / HTTP/1.0\"",
            "192.0.2.5", NULL, NULL },
          { "x 2026/11/21 10:00:00 [error] 8#0: *1 user \"bob\": password mismatch, client: "
            "192.0.2.5, server: s, request: \"GET / HTTP/1.1\"",
            NULL, NULL, NULL });
}

static void a_name_between_percent_signs_may_be_given_by_the_jail(void **state)
{
    struct rig rig;

    (void)state;
    open_rig(&rig, "filter.d/again.conf", "_own", "long");
    CHECK(rig,
          { "2026-11-21 09:00:00,123 banner.actions [77]: NOTICE  [shell] Ban 192.0.2.8",
            "192.0.2.8", NULL, "2026-11-21T09:00:00" },
          { "2026-11-21 09:00:00,123 banner.actions [77]: NOTICE  [long] Ban 192.0.2.8", NULL, NULL,
            NULL });
}

static void mail_lines_go_through_tags_of_tags(void **state)
{
    struct rig rig;

    (void)state;
    open_rig(&rig, "filter.d/mail.conf", NULL, NULL);
    CHECK(rig,
          { "Nov 21 08:00:00 mx mail/smtpd[1]: NOQUEUE: reject: RCPT from unknown[192.0.2.30]: "
            "554 5.7.1 <x@example.org>: Relay access denied",
            "192.0.2.30", NULL, NULL },
          { "2026-11-21T08:00:00.5+01:00 mx mail-in/smtpd[1]: warning: unknown[2001:db8::30]: SASL "
            "login authentication failed: x",
            "2001:db8::30", NULL, "2026-11-21T07:00:00" },
          { "Nov 21 08:00:00 mx mail/smtpd[1]: warning: unknown[192.0.2.30]: SASL PLAIN "
            "authentication failed:  lost connection",
            NULL, NULL, NULL });
    open_rig(&rig, "filter.d/mail.conf", "mode", "normal");
    CHECK(rig, { "Nov 21 08:00:00 mx mail/smtpd[1]: warning: x[192.0.2.30]: SASL PLAIN "
                 "authentication failed: x",
                 NULL, NULL, NULL });
}

/* ---- several lines ---- */

static void the_address_may_come_lines_before_the_failure(void **state)
{
    struct rig rig;

    (void)state;
    open_rig(&rig, "filter.d/shell.conf", NULL, NULL);
    assert_int_equal(say(&rig, "Nov 21 11:00:00 h sshd[5]: Connection from 192.0.2.9 port 1"),
                     FAIL2BAN_NOFAIL);
    assert_int_equal(say(&rig, "Nov 21 11:00:00 h sshd[6]: User other is locked"), FAIL2BAN_NOFAIL);
    assert_int_equal(say(&rig, "Nov 21 11:00:01 h sshd[5]: User bob is locked"), FAIL2BAN_FAILURE);
    assert_slice(rig.r.host, "192.0.2.9");
    assert_slice(rig.r.user, "bob");
    assert_int_equal(rig.r.attempts, 2);
    /* and after it */
    assert_int_equal(say(&rig, "Nov 21 11:00:02 h sshd[6]: Connection closed by 192.0.2.10"),
                     FAIL2BAN_FAILURE);
    assert_slice(rig.r.host, "192.0.2.10");
    assert_slice(rig.r.user, "other");
    /* which forgot the connection */
    assert_int_equal(say(&rig, "Nov 21 11:00:03 h sshd[6]: User third is locked"), FAIL2BAN_NOFAIL);
    close_rig(&rig);
}

static void a_log_in_takes_pending_failures_back_unless_users_were_tried(void **state)
{
    struct rig rig;

    (void)state;
    open_rig(&rig, "filter.d/shell.conf", NULL, NULL);
    say(&rig, "Nov 21 11:00:00 h sshd[5]: User bob is locked");
    assert_int_equal(
        say(&rig, "Nov 21 11:00:01 h sshd[5]: Accepted password for bob from 192.0.2.9 port 1"),
        FAIL2BAN_NOFAIL);
    say(&rig, "Nov 21 11:00:00 h sshd[6]: Connection from 192.0.2.9 port 2");
    assert_int_equal(
        say(&rig, "Nov 21 11:00:01 h sshd[6]: Accepted password for bob from 192.0.2.9 port 1"),
        FAIL2BAN_NOFAIL);
    say(&rig, "Nov 21 11:00:00 h sshd[7]: Failed password for eve from 192.0.2.9 port 2");
    assert_int_equal(
        say(&rig, "Nov 21 11:00:01 h sshd[7]: Accepted password for bob from 192.0.2.9 port 1"),
        FAIL2BAN_FAILURE);
    assert_int_equal(rig.r.nusers, 2);
    close_rig(&rig);
}

static void a_user_that_is_empty_gives_way_to_another_group(void **state)
{
    struct rig rig;

    (void)state;
    open_rig(&rig, "filter.d/shell.conf", NULL, NULL);
    CHECK(rig,
          { "Nov 21 11:00:00 h sshd[8]: pam: failure; ruser=tom rhost=192.0.2.11 user=",
            "192.0.2.11", "tom", NULL },
          { "Nov 21 11:00:00 h sshd[9]: pam: failure; ruser=tom rhost=192.0.2.11 user=jim",
            "192.0.2.11", "jim", NULL });
}

static void a_connection_is_forgotten_after_five_minutes_and_beyond_a_hundred(void **state)
{
    struct rig rig;
    char line[128];

    (void)state;
    open_rig(&rig, "filter.d/shell.conf", NULL, NULL);
    say(&rig, "Nov 21 11:00:00 h sshd[1]: Connection from 192.0.2.9 port 1");
    assert_int_equal(say(&rig, "Nov 21 11:06:00 h sshd[1]: User bob is locked"), FAIL2BAN_NOFAIL);
    say(&rig, "Nov 21 11:06:00 h sshd[2]: Connection from 192.0.2.9 port 1");
    for (int i = 0; i < 100; i++) {
        snprintf(line, sizeof line, "Nov 21 11:06:00 h sshd[1%03d]: User x is locked", i);
        say(&rig, line);
    }
    assert_int_equal(say(&rig, "Nov 21 11:06:00 h sshd[2]: User bob is locked"), FAIL2BAN_NOFAIL);
    assert_int_equal(say(&rig, "Nov 21 11:06:00 h sshd[1099]: Connection closed by 192.0.2.9"),
                     FAIL2BAN_FAILURE);
    close_rig(&rig);
}

static void maxlines_looks_at_lines_together_and_gives_back_what_was_skipped(void **state)
{
    struct rig rig;

    (void)state;
    open_rig(&rig, "filter.d/pair.conf", NULL, NULL);
    assert_int_equal(fail2ban_maxlines(rig.f), 5);
    say(&rig, "2026-11-21 09:00:00 [conn1] failed to log in");
    say(&rig, "2026-11-21 09:00:00 [conn2] failed to log in");
    assert_int_equal(say(&rig, "2026-11-21 09:00:01 [conn1] end of 192.0.2.1"), FAIL2BAN_FAILURE);
    assert_slice(rig.r.host, "192.0.2.1");
    assert_int_equal(rig.r.attempts, 2);
    assert_int_equal(say(&rig, "2026-11-21 09:00:01 [conn1] end of 192.0.2.1"), FAIL2BAN_NONE);
    assert_int_equal(say(&rig, "2026-11-21 09:00:02 [conn2] end of 192.0.2.2"), FAIL2BAN_FAILURE);
    say(&rig, "2026-11-21 09:00:00 [conn3] failed to log in");
    for (int i = 0; i < 4; i++)
        say(&rig, "2026-11-21 09:00:00 something else");
    assert_int_equal(say(&rig, "2026-11-21 09:00:02 [conn3] end of 192.0.2.3"), FAIL2BAN_NONE);
    close_rig(&rig);
}

/* ---- overriding ---- */

static void a_local_file_overrides_and_still_knows_what_was_there(void **state)
{
    struct rig rig;

    (void)state;
    open_rig(&rig, "filter.d/local.conf", NULL, NULL);
    assert_int_equal(fail2ban_nregexes(rig.f), 3);
    assert_slice(fail2ban_regex(rig.f, 0), "^first <HOST>$");
    assert_slice(fail2ban_regex(rig.f, 1), "^second two here <HOST>$");
    assert_slice(fail2ban_regex(rig.f, 2), "^third here <HOST>$");
    close_rig(&rig);
    open_rig(&rig, "filter.d/local", "place", "there");
    assert_slice(fail2ban_regex(rig.f, 1), "^second two there <HOST>$");
    assert_slice(fail2ban_regex(rig.f, 2), "^third here <HOST>$");
    close_rig(&rig);
}

/* ---- dates ---- */

static void assert_date(const char *pattern, const char *line, const char *want)
{
    struct rig rig;

    open_rig(&rig, "filter.d/dates.conf", pattern ? "datepattern" : NULL, pattern);
    if (say(&rig, line) != FAIL2BAN_FAILURE && want)
        fail_msg("%s: no failure", line);
    if (!want)
        assert_int_equal(rig.r.verdict, FAIL2BAN_NONE);
    else if (want[0])
        assert_when(&rig, want);
    else
        assert_false(rig.r.time_known);
    close_rig(&rig);
}

static void usual_dates_are_found_without_a_pattern(void **state)
{
    static const struct {
        const char *date, *when;
    } dates[] = {
        { "2026-11-21T08:09:10.123+01:00", "2026-11-21T07:09:10" },
        { "2026-11-21 08:09:10,123", "2026-11-21T08:09:10" },
        { "2026.11.21 08:09:10", "2026-11-21T08:09:10" },
        { "Nov 21 08:09:10", "2026-11-21T08:09:10" },
        { "Sat Nov 21 08:09:10.5 2026", "2026-11-21T08:09:10" },
        { "Sat Nov 21 2026 08:09:10", "2026-11-21T08:09:10" },
        { "21/11/2026 08:09:10", "2026-11-21T08:09:10" },
        { "21-11-26 08:09:10", "2026-11-21T08:09:10" },
        { "21/Nov/2026:08:09:10 -0100", "2026-11-21T09:09:10" },
        { "11/21/2026:08:09:10", "2026-11-21T08:09:10" },
        { "1795248550", "2026-11-21T08:09:10" },
        { "1795248550.500", "2026-11-21T08:09:10" },
        { "08:09:10", "2026-11-21T08:09:10" },
        { "13:09:10", "2026-11-20T13:09:10" }, /* it is noon: yesterday */
        { "<11/21/26@08:09:10>", "2026-11-21T08:09:10" },
        { "261121  8:09:10", "2026-11-21T08:09:10" },
        { "Nov 21, 2026 08:09:10 PM", "2026-11-21T20:09:10" },
        { "Nov-21-26 08:09:10", "2026-11-21T08:09:10" },
        { "20261121T080910", "2026-11-21T08:09:10" },
        { "CET Nov 21 08:09:10", "2026-11-21T07:09:10" },
        { "@400000006921f4e600000000", "2025-11-22T17:37:42" },
        { "Nov 22 11:59:59", "2026-11-22T11:59:59" }, /* less than a day ahead */
        { "Nov 22 12:00:01", "2025-11-22T12:00:01" },
    };
    char line[128];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(dates); i++) {
        snprintf(line, sizeof line, "%s from 192.0.2.1", dates[i].date);
        assert_date(NULL, line, dates[i].when);
    }
}

static void a_pattern_says_where_the_date_is_and_what_is_cut_out(void **state)
{
    (void)state;
    assert_date("^%d.%m.%Y %H:%M", "21.11.2026 08:09 from 192.0.2.1", "2026-11-21T08:09:00");
    assert_date("^%d.%m.%Y %H:%M", "x 21.11.2026 08:09 from 192.0.2.1", NULL);
    assert_date("^t=({EPOCH}) ", "t=1795248550 from 192.0.2.1", "2026-11-21T08:09:10");
    assert_date("^t={EPOCH}", "t=1795248550 from 192.0.2.1", "2026-11-21T08:09:10");
    assert_date("{LEPOCH}", "1795248550123 from 192.0.2.1", "2026-11-21T08:09:10");
    assert_date("^\\S+ ({DATE})", "", NULL);
    assert_date("{DATE}$", " from 192.0.2.1 2026-11-21 08:09:10", NULL); /* a blank stays */
    assert_date("\\s*{DATE}$", " from 192.0.2.1 2026-11-21 08:09:10", "2026-11-21T08:09:10");
    assert_date("{NONE}", "from 192.0.2.1", "");
    assert_date("{NONE}", "2026-11-21 08:09:10 from 192.0.2.1", NULL);
    assert_date("TAI64N", "@400000006921f4e600000000 from 192.0.2.1", "2025-11-22T17:37:42");
    assert_date("%Y-%j %H:%M", "2026-325 08:09 from 192.0.2.1", "2026-11-21T08:09:00");
    assert_date("%A %W %Y %l:%M %p", "Saturday 46 2026  8:09 pm from 192.0.2.1",
                "2026-11-21T20:09:00");
    assert_date("%d/%b/%Y %H:%M %ExZ", "21/nov/2026 08:09 PST from 192.0.2.1",
                "2026-11-21T16:09:00");
    assert_date("{UNB}%d%m%Y-%H%M", "A21112026-0809from 192.0.2.1", NULL);
    assert_date("%%%Y%%%m%%%d", "%2026%11%21 from 192.0.2.1", "2026-11-21T00:00:00");
}

static void a_line_without_a_date_is_of_the_present(void **state)
{
    struct rig rig;

    (void)state;
    open_rig(&rig, "filter.d/dates.conf", NULL, NULL);
    say(&rig, "Nov 21 11:59:30 from 192.0.2.1");
    say(&rig, "from 192.0.2.1");
    assert_false(rig.r.time_known);
    assert_when(&rig, "2026-11-21T12:00:00");
    assert_int_equal(say(&rig, "Feb 30 11:59:30 from 192.0.2.1"), FAIL2BAN_FAILURE);
    assert_false(rig.r.time_known);
    close_rig(&rig);
}

static void lines_that_are_looked_at_together_share_the_last_date(void **state)
{
    struct rig rig;

    (void)state;
    open_rig(&rig, "filter.d/pair.conf", NULL, NULL);
    say(&rig, "2026-11-21 09:00:00 [conn1] failed to log in");
    assert_int_equal(say(&rig, "[conn1] end of 192.0.2.1"), FAIL2BAN_FAILURE);
    assert_when(&rig, "2026-11-21T09:00:00");
    close_rig(&rig);
}

static void a_date_without_a_zone_is_of_the_zone_of_the_input(void **state)
{
    struct rig rig;
    struct err err = ERR_NONE;
    AUTO(zone) zone = NULL;
    struct fail2ban_line l = { SLICE("Jul 21 11:59:30 from 192.0.2.1"), 0, 0, NULL };

    (void)state;
    if (zone_load("Europe/Berlin", &zone, &err) < 0)
        skip();
    open_rig(&rig, "filter.d/dates.conf", NULL, NULL);
    l.now_us = rig.now_us;
    l.zone = zone;
    assert_int_equal(fail2ban_line(rig.f, rig.scratch, NULL, &l, &rig.r), 0);
    assert_when(&rig, "2026-07-21T09:59:30");
    l.zone = NULL;
    assert_int_equal(fail2ban_line(rig.f, rig.scratch, NULL, &l, &rig.r), 0);
    assert_when(&rig, "2026-07-21T11:59:30");
    close_rig(&rig);
}

static void a_date_in_a_message_does_not_win_over_the_one_in_front(void **state)
{
    struct rig rig;

    (void)state;
    open_rig(&rig, "filter.d/dates.conf", NULL, NULL);
    for (int i = 0; i < 3; i++) {
        say(&rig, "Nov 21 11:00:00 said 2026-01-01 00:00:00");
        assert_when(&rig, "2026-11-21T11:00:00");
    }
    close_rig(&rig);
}

static void a_date_is_the_one_of_the_line_before_only_where_it_ends_there(void **state)
{
    static const struct {
        const char *before, *line, *when;
    } pairs[] = {
        { "2026-11-21T11:59:30+00:0x", "2026-11-21T11:59:30+00:30", "2026-11-21T11:29:30" },
        { "2026-11-21T11:59:30 x", "2026-11-21T11:59:30 +0100", "2026-11-21T10:59:30" },
        { "2026-11-21T11:59:30 x", "2026-11-21T11:59:30 Z", "2026-11-21T11:59:30" },
        { "Nov 21 11:59:30 x", "Nov 21 11:59:30 2025", "2025-11-21T11:59:30" },
        { "Nov 21 11:59:30 2x", "Nov 21 11:59:30 2025", "2025-11-21T11:59:30" },
        { "Nov 21 11:59:3x", "Nov 21 11:59:30", "2026-11-21T11:59:30" },
        { "Nov 21 11:59:30 x", "Nov 21 11:59:30", "2026-11-21T11:59:30" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
        struct rig rig;
        char line[128];

        open_rig(&rig, "filter.d/dates.conf", NULL, NULL);
        say(&rig, pairs[i].before);
        snprintf(line, sizeof line, "%s from 192.0.2.1", pairs[i].line);
        if (say(&rig, line) != FAIL2BAN_FAILURE)
            fail_msg("no failure: %s", line);
        assert_when(&rig, pairs[i].when);
        close_rig(&rig);
    }
}

/* ---- expressions ---- */

static void assert_python(const char *in, const char *want)
{
    AUTO_BUF out = BUF_INIT;
    struct err err = ERR_NONE;
    int rc = pattern_python(slice_str(in), 0, &out, &err);

    assert_int_equal(rc < 0, want == NULL);
    if (want)
        assert_string_equal(out.p ? out.p : "", want);
}

static void python_is_said_as_pcre2(void **state)
{
    (void)state;
    assert_python("^a$", "^a\\Z");
    assert_python("a\\Z\\v[\\v\\b]", "a\\z\\x0b[\\x0b\\x08]");
    assert_python("\\w\\W[\\w-]", "[\\w\\x80-\\xff][^\\w\\x80-\\xff][\\w\\x80-\\xff-]");
    assert_python("a{,3}b{2,}{x", "a{0,3}b{2,}{x");
    assert_python("[[:alpha:]$][]x][^]x]", "[\\[:alpha:]\\Z][\\]x][^\\]x]");
    assert_python("(?P<a>x)(?(a)y|z)(?P=a)(?(1)b)", "(?P<a>x)(?(<a>)y|z)(?P=a)(?(1)b)");
    assert_python("((?i)x)(?:(?i)y)(?iu:z)", "(?i:x)(?i:y)(?i:z)");
    assert_python("x(?iu)y", "(?i)xy");
    assert_python("\\u00e9\\x41\\/\\<", "\\xc3\\xa9\\x41\\/\\<");
    assert_python("a(?#$ (x)b", "ab");
    assert_python("\\Q", NULL);
    assert_python("\\K", NULL);
    assert_python("(*ACCEPT)", NULL);
    assert_python("[a", NULL);
    assert_python("\\x4", NULL);
    assert_python("(?R)", NULL);
}

static void tags_without_meaning_stay(void **state)
{
    AUTO_BUF out = BUF_INIT;

    (void)state;
    pattern_tags(SLICE("<co ts=\"<W> </F-USER><F-USER>x</F-USER><F-A-1><no>"), false, &out);
    assert_string_equal(out.p, "<co ts=\"<W> </F-USER>(?P<user>x)(?P<a-1><no>");
}

/* ---- names ---- */

static void a_name_brings_its_parameters(void **state)
{
    AUTO(arena) a = arena_new(4096, 0);
    struct fail2ban_name n;
    struct err err = ERR_NONE;

    (void)state;
    assert_int_equal(
        fail2ban_name_parse(SLICE("shell[mode=all, x=\"a, b]\"][ y='c' ]"), a, &n, &err), 0);
    assert_string_equal(n.name, "shell");
    assert_int_equal(n.nparameters, 3);
    assert_string_equal(n.parameters[1].value, "a, b]");
    assert_string_equal(n.parameters[2].name, "y");
    assert_int_equal(fail2ban_name_parse(SLICE("shell"), a, &n, &err), 0);
    assert_int_equal(n.nparameters, 0);
    assert_int_equal(fail2ban_name_parse(SLICE("shell[mode]"), a, &n, &err), -EINVAL);
    assert_int_equal(fail2ban_name_parse(SLICE("shell[mode=a"), a, &n, &err), -EINVAL);
    assert_int_equal(fail2ban_name_parse(SLICE("shell[a=\"b]"), a, &n, &err), -EINVAL);
    assert_int_equal(fail2ban_name_parse(SLICE(""), a, &n, &err), -EINVAL);
}

static void assert_seconds(const char *text, uint64_t want, bool forever)
{
    uint64_t got = 0;
    bool never_ends = false;

    assert_int_equal(fail2ban_seconds(slice_str(text), &got, &never_ends), 0);
    assert_int_equal(got, want);
    assert_int_equal(never_ends, forever);
}

static void times_of_jails_are_sums_of_units(void **state)
{
    static const char *const bad[] = { "", "m", "10x", "-", "1 2 q", "99999999999y" };
    uint64_t got;
    bool forever;

    (void)state;
    assert_seconds("600", 600, false);
    assert_seconds("10m", 600, false);
    assert_seconds("1d12h", 129600, false);
    assert_seconds("1 Hour 30 min", 5400, false);
    assert_seconds("6 months", 15778800, false);
    assert_seconds("1y", 31557600, false);
    assert_seconds("-1", 1, true);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_true(fail2ban_seconds(slice_str(bad[i]), &got, &forever) < 0);
}

/* ---- faults ---- */

static void assert_fault(const char *name, const char *const *texts, size_t n)
{
    struct rig rig;

    assert_int_equal(load(&rig, name, NULL, 0), -EINVAL);
    for (size_t i = 0; i < n; i++) {
        bool found = false;

        for (size_t k = 0; k < diag_count(rig.d); k++)
            found = found || strstr(diag_text(rig.d, k), texts[i]);
        if (!found) {
            diag_print(rig.d, stderr, false);
            fail_msg("%s: not told: %s", name, texts[i]);
        }
    }
    assert_int_equal(diag_count(rig.d), n);
    close_rig(&rig);
}

#define FAULT(name, ...)                                                                           \
    do {                                                                                           \
        static const char *const texts_[] = { __VA_ARGS__ };                                       \
        assert_fault("bad/" name, texts_, ARRAY_SIZE(texts_));                                     \
    } while (0)

static void faults_are_told_with_their_place(void **state)
{
    (void)state;
    FAULT("name.conf", "name.conf:2:1: error: unknown name '_prefx' in %(...)s");
    FAULT("expression.conf", "expression.conf:4:1: error: failregex 2: regular expression:",
          "expression.conf:5:1: error: failregex 3: no address in it");
    FAULT("shape.conf", "shape.conf:1:1: error: a value before the first section",
          "shape.conf:3:1: error: neither a section nor 'name = value'",
          "shape.conf:6:1: error: 'failregex' is there twice");
    FAULT("slip.conf", "slip.conf:2:1: warning: 'failregx' is used by nothing",
          "error: the filter has no failregex");
    FAULT("circle.conf", "circle.conf:2:1: error: 'failregex' is made of itself by way of <a>");
    FAULT("deep.conf", "deep.conf:4:1: error: names in %(...)s go more than 10 deep");
    FAULT("loop.conf", "loop.conf:4:1: error: failregex 1: regular expression: an escape",
          "loop.conf:5:1: error: maxlines is '100000'",
          "loop.conf:6:1: error: date pattern '%K': no date has '%K'");
}

static void a_parameter_that_nothing_uses_is_told(void **state)
{
    struct fail2ban_parameter p = { "moed", "strict" };
    struct rig rig;

    (void)state;
    assert_int_equal(load(&rig, "filter.d/shell.conf", &p, 1), 0);
    assert_int_equal(diag_count(rig.d), 1);
    assert_non_null(strstr(diag_text(rig.d, 0), "parameter 'moed' is used by nothing"));
    close_rig(&rig);
    assert_true(load(&rig, "filter.d/none.conf", NULL, 0) < 0);
    assert_non_null(strstr(diag_text(rig.d, 0), "there is no such file"));
    close_rig(&rig);
}

/* ---- hostile lines ---- */

static void a_line_that_costs_too_much_counts_as_no_match(void **state)
{
    struct fail2ban_parameter p[] = { { "failregex", "^(?:\\w+\\s?)*from <HOST>$" } };
    struct rig rig;
    char line[6000];

    (void)state;
    assert_int_equal(load(&rig, "filter.d/dates.conf", p, 1), 0);
    rig.s = fail2ban_state_new(rig.f);
    memset(line, 'a', sizeof line);
    memcpy(line + sizeof line - 10, " from !!!", 10);
    assert_int_equal(say(&rig, line), FAIL2BAN_NONE);
    assert_true(fail2ban_given_up(rig.scratch) > 0);
    close_rig(&rig);
}

static void odd_bytes_and_long_lines_are_only_text(void **state)
{
    struct rig rig;
    char line[40000];

    (void)state;
    open_rig(&rig, "filter.d/shell.conf", NULL, NULL);
    say(&rig, "");
    say(&rig, "Nov 21 11:00:00");
    say(&rig, "\xff\xfe\x80");
    assert_int_equal(say(&rig,
                         "Nov 21 11:00:00 h sshd[1]: Failed x for \xff\xc3\xa9 from 192.0.2.1 "
                         "port 1"),
                     FAIL2BAN_FAILURE);
    assert_slice(rig.r.user, "\xff\xc3\xa9");
    memset(line, 'x', sizeof line);
    line[sizeof line - 1] = '\0';
    memcpy(line, "Nov 21 11:00:00 h sshd[1]: User ", 32);
    assert_int_equal(say(&rig, line), FAIL2BAN_NONE);
    close_rig(&rig);
}

static void a_time_from_outside_leaves_the_line_whole(void **state)
{
    const struct fail2ban_line line = { SLICE("sshd[3]: Failed x for y from 192.0.2.1 port 1"),
                                        UINT64_C(7000000), 0, NULL };
    struct rig rig;

    (void)state;
    open_rig(&rig, "filter.d/shell.conf", "logtype", "journal");
    assert_int_equal(fail2ban_line(rig.f, rig.scratch, rig.s, &line, &rig.r), 0);
    assert_int_equal(rig.r.verdict, FAIL2BAN_FAILURE);
    assert_true(rig.r.time_known && rig.r.time_us == UINT64_C(7000000));
    close_rig(&rig);
}

/* ---- state ---- */

/* As after a restart: what was packed is all that is left. */
static void restart(struct rig *rig)
{
    AUTO_BUF packed = BUF_INIT;

    assert_int_equal(fail2ban_state_pack(rig->s, &packed), 0);
    fail2ban_state_free(rig->s);
    rig->s = fail2ban_state_new(rig->f);
    if (packed.n)
        assert_int_equal(fail2ban_state_unpack(rig->s, buf_view(&packed)), 0);
}

static void a_connection_goes_on_behind_a_restart(void **state)
{
    struct rig rig;

    (void)state;
    open_rig(&rig, "filter.d/shell.conf", NULL, NULL);
    assert_true(fail2ban_keeps(rig.f) && !fail2ban_keeps_all(rig.f));
    say(&rig, "Nov 21 11:00:00 h sshd[1]: Connection from 192.0.2.9 port 1");
    restart(&rig);
    assert_int_equal(say(&rig, "Nov 21 11:00:01 h sshd[1]: User bob is locked"), FAIL2BAN_FAILURE);
    assert_slice(rig.r.host, "192.0.2.9");
    assert_slice(rig.r.user, "bob");
    close_rig(&rig);
}

static void lines_that_wait_for_more_are_there_behind_a_restart(void **state)
{
    struct rig rig;

    (void)state;
    open_rig(&rig, "filter.d/pair.conf", NULL, NULL);
    assert_true(fail2ban_keeps_all(rig.f));
    say(&rig, "2026-11-21 09:00:00 [conn1] failed to log in");
    restart(&rig);
    assert_int_equal(say(&rig, "2026-11-21 09:00:01 [conn1] end of 192.0.2.1"), FAIL2BAN_FAILURE);
    assert_int_equal(rig.r.attempts, 2);
    close_rig(&rig);
}

static void a_packed_state_is_checked(void **state)
{
    struct rig rig, other;
    AUTO_BUF packed = BUF_INIT;

    (void)state;
    open_rig(&rig, "filter.d/shell.conf", NULL, NULL);
    open_rig(&other, "filter.d/pair.conf", NULL, NULL);
    assert_int_equal(fail2ban_state_pack(rig.s, &packed), 0);
    assert_int_equal(packed.n, 0);
    say(&rig, "Nov 21 11:00:00 h sshd[1]: Connection from 192.0.2.9 port 1");
    assert_int_equal(fail2ban_state_pack(rig.s, &packed), 0);
    assert_int_equal(fail2ban_state_unpack(other.s, buf_view(&packed)), -EINVAL);
    for (size_t n = 0; n < packed.n; n++) {
        AUTO(fail2ban_state) s = fail2ban_state_new(rig.f);

        assert_int_equal(fail2ban_state_unpack(s, slice_of(packed.p, n)), -EINVAL);
    }
    for (size_t i = 0; i < packed.n; i++) {
        AUTO(fail2ban_state) s = fail2ban_state_new(rig.f);

        packed.p[i] = (char)(packed.p[i] ^ 0x80);
        (void)fail2ban_state_unpack(s, buf_view(&packed));
        packed.p[i] = (char)(packed.p[i] ^ 0x80);
    }
    close_rig(&other);
    close_rig(&rig);
}

static void what_strangers_make_a_state_keep_has_a_limit(void **state)
{
    struct rig rig;
    AUTO_BUF packed = BUF_INIT;
    char line[4000];

    (void)state;
    open_rig(&rig, "filter.d/shell.conf", NULL, NULL);
    for (int i = 0; i < 400; i++) {
        int n = snprintf(line, sizeof line, "Nov 21 11:00:00 h sshd[%d]: User ", i % 60);

        memset(line + n, 'a' + i % 26, 3000);
        snprintf(line + n + 3000, sizeof line - (size_t)n - 3000, "%d is locked", i);
        say(&rig, line);
    }
    assert_int_equal(fail2ban_state_pack(rig.s, &packed), 0);
    assert_true(packed.n > 1000 && packed.n < (size_t)200 << 10);
    restart(&rig);
    close_rig(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ssh_lines_give_address_user_and_time),
        cmocka_unit_test(a_parameter_chooses_among_settings),
        cmocka_unit_test(tunnel_lines_give_networks_ids_and_both_kinds_of_addresses),
        cmocka_unit_test(web_lines_keep_the_date_in_the_message),
        cmocka_unit_test(a_name_between_percent_signs_may_be_given_by_the_jail),
        cmocka_unit_test(mail_lines_go_through_tags_of_tags),
        cmocka_unit_test(the_address_may_come_lines_before_the_failure),
        cmocka_unit_test(a_log_in_takes_pending_failures_back_unless_users_were_tried),
        cmocka_unit_test(a_user_that_is_empty_gives_way_to_another_group),
        cmocka_unit_test(a_connection_is_forgotten_after_five_minutes_and_beyond_a_hundred),
        cmocka_unit_test(maxlines_looks_at_lines_together_and_gives_back_what_was_skipped),
        cmocka_unit_test(a_local_file_overrides_and_still_knows_what_was_there),
        cmocka_unit_test(usual_dates_are_found_without_a_pattern),
        cmocka_unit_test(a_pattern_says_where_the_date_is_and_what_is_cut_out),
        cmocka_unit_test(a_line_without_a_date_is_of_the_present),
        cmocka_unit_test(lines_that_are_looked_at_together_share_the_last_date),
        cmocka_unit_test(a_date_without_a_zone_is_of_the_zone_of_the_input),
        cmocka_unit_test(a_date_in_a_message_does_not_win_over_the_one_in_front),
        cmocka_unit_test(a_date_is_the_one_of_the_line_before_only_where_it_ends_there),
        cmocka_unit_test(python_is_said_as_pcre2),
        cmocka_unit_test(tags_without_meaning_stay),
        cmocka_unit_test(a_name_brings_its_parameters),
        cmocka_unit_test(times_of_jails_are_sums_of_units),
        cmocka_unit_test(faults_are_told_with_their_place),
        cmocka_unit_test(a_parameter_that_nothing_uses_is_told),
        cmocka_unit_test(a_line_that_costs_too_much_counts_as_no_match),
        cmocka_unit_test(odd_bytes_and_long_lines_are_only_text),
        cmocka_unit_test(a_time_from_outside_leaves_the_line_whole),
        cmocka_unit_test(a_connection_goes_on_behind_a_restart),
        cmocka_unit_test(lines_that_wait_for_more_are_there_behind_a_restart),
        cmocka_unit_test(a_packed_state_is_checked),
        cmocka_unit_test(what_strangers_make_a_state_keep_has_a_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
