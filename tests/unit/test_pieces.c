/* Times, zones, syslog prefix, logfmt, OpenVPN's peer, Go's quotes, framing. */
#include "parsers/format.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/clock.h"

static void assert_time(const char *text, const char *zone, const char *want)
{
    AUTO(zone) z = NULL;
    uint64_t us = 0;
    char got[TIME_TEXT_SIZE];

    if (zone)
        assert_int_equal(zone_load(zone, &z, NULL), 0);
    if (time_parse(slice_str(text), z, UINT64_C(1795224600) * USEC_PER_SEC, &us) < 0) {
        print_message("%s\n", text);
        fail();
    }
    time_text(us, got);
    assert_string_equal(got, want);
}

static void every_syntax_of_the_channels_is_read(void **state)
{
    (void)state;
    assert_time("2026-11-21T01:38:59Z", NULL, "2026-11-21T01:38:59.000000Z");
    assert_time("2026-11-21T03:38:59+02:00", NULL, "2026-11-21T01:38:59.000000Z");
    assert_time("1795225139538.8574", NULL, "2026-11-21T01:38:59.538857Z");
    assert_time("2026/11/21 01:50:01.000123", NULL, "2026-11-21T01:50:01.000123Z");
    assert_time("2026/11/21 01:37:02", NULL, "2026-11-21T01:37:02.000000Z");
    assert_time("2026-11-21 01:34:32", NULL, "2026-11-21T01:34:32.000000Z");
    assert_time("Sat Nov 21 01:34:32 2026", NULL, "2026-11-21T01:34:32.000000Z");
    assert_time("1795224886.132131", NULL, "2026-11-21T01:34:46.132131Z");
    assert_time("2026-11-21 01:42:39,498", NULL, "2026-11-21T01:42:39.498000Z");
    assert_time("2026-11-21T01:41:39.247103+00:00", NULL, "2026-11-21T01:41:39.247103Z");
    assert_time("Nov 21 01:44:28", NULL, "2026-11-21T01:44:28.000000Z");
    assert_time("21/Nov/2026:01:44:28 +0000", NULL, "2026-11-21T01:44:28.000000Z");
    assert_time("21/Nov/2026:01:44:28 +0530", NULL, "2026-11-20T20:14:28.000000Z");
    assert_time("20/Nov/2026:20:44:28 -0500", "Asia/Kolkata", "2026-11-21T01:44:28.000000Z");
    assert_time("Jan  1 00:00:05", NULL, "2027-01-01T00:00:05.000000Z");
}

static void a_local_time_is_read_in_its_zone(void **state)
{
    (void)state;
    assert_time("2026/11/21 01:37:02", "Europe/Berlin", "2026-11-21T00:37:02.000000Z");
    assert_time("2026/07/21 01:37:02", "Europe/Berlin", "2026-07-20T23:37:02.000000Z");
    assert_time("2026/10/25 02:30:00", "Europe/Berlin", "2026-10-25T00:30:00.000000Z"); /* twice */
    assert_time("2026/03/29 03:00:00", "Europe/Berlin", "2026-03-29T01:00:00.000000Z");
    assert_time("2026/11/21 01:37:02", "Asia/Kolkata", "2026-11-20T20:07:02.000000Z");
}

static void what_is_no_time_or_zone_is_refused(void **state)
{
    static const char *const bad[] = { "",
                                       "2026-13-01 00:00:00",
                                       "2026-11-21 25:00:00",
                                       "21/Nov/2026:01:44:28 +2500",
                                       "21/Nov/2026:01:44:28 0000",
                                       "yesterday",
                                       "2026/11/21 01:37:02 x",
                                       "Nov 99 01:44:28",
                                       "-5" };
    struct zone *z = NULL;
    uint64_t us;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_true(time_parse(slice_str(bad[i]), NULL, 0, &us) < 0);
    assert_true(zone_load("Europe/Berlinn", &z, NULL) < 0);
    assert_true(zone_load("../../etc/passwd", &z, NULL) < 0);
}

static void a_syslog_prefix_is_told_from_text(void **state)
{
    struct syslog_prefix p;
    struct slice line = SLICE("Nov 21 01:44:28 vpn1 ovpn-server[812]: the text");

    (void)state;
    assert_true(slice_is(slice_skip(line, syslog_prefix(line, &p)), "the text"));
    assert_true(slice_is(p.host, "vpn1"));
    assert_true(slice_is(p.program, "ovpn-server"));
    assert_true(slice_is(p.pid, "812"));
    line = SLICE("<34>1 2026-11-21T01:44:28Z h app 7 ID [x@1 a=\"q]\\\"\"] the text");
    assert_true(slice_is(slice_skip(line, syslog_prefix(line, &p)), "the text"));
    assert_int_equal(p.priority, 2);
    line = SLICE("<999>1 no");
    assert_int_equal(syslog_prefix(line, &p), 0);
    line = SLICE("just a text: with a colon");
    assert_int_equal(syslog_prefix(line, &p), 0);
}

static int on_pair(void *ctx, struct slice key, struct slice value)
{
    buf_printf(ctx, "%.*s=%.*s;", SLICE_FMT(key), SLICE_FMT(value));
    return 0;
}

static void logfmt_takes_quotes_and_refuses_prose(void **state)
{
    AUTO(arena) a = arena_new(1024, 0);
    AUTO_BUF b = BUF_INIT;

    (void)state;
    assert_true(
        logfmt_parse(SLICE("level=info msg=\"a \\\"b\\\"\\n\" ip=1.2.3.4 e="), a, on_pair, &b));
    assert_string_equal(b.p, "level=info;msg=a \"b\"\n;ip=1.2.3.4;e=;");
    /* Only what a writer must escape is undone: any other backslash stays where it was. */
    buf_reset(&b);
    assert_true(
        logfmt_parse(SLICE("msg=\"lo\\gin \\\\ \\x41 \\u0041 a\\tb\\rc\" e=x\\y"), a, on_pair, &b));
    assert_string_equal(b.p, "msg=lo\\gin \\ \\x41 \\u0041 a\tb\rc;e=x\\y;");
    assert_false(logfmt_parse(SLICE("this is prose"), a, on_pair, &b));
    assert_false(logfmt_parse(SLICE("a=\"open"), a, on_pair, &b));
    assert_false(logfmt_parse(SLICE(""), a, on_pair, &b));
}

static void a_peer_is_read_from_the_prefix_and_doubt_is_told(void **state)
{
    static const struct {
        const char *text, *user, *address, *message;
        bool doubt;
    } cases[] = {
        { "Initialization Sequence Completed", "", "", "Initialization Sequence Completed", false },
        { "203.0.113.5:40002 TLS Error: x", "", "203.0.113.5:40002", "TLS Error: x", false },
        { "bob/203.0.113.5:40002 MULTI: x", "bob", "203.0.113.5:40002", "MULTI: x", false },
        { "carol/udp6:[2001:db8::6]:47021 SENT CONTROL", "carol", "udp6:[2001:db8::6]:47021",
          "SENT CONTROL", false },
        { "2001:db8:66::6 VERIFY ERROR", "", "2001:db8:66::6", "VERIFY ERROR", false },
        { "198.51.100.1:1 TLS: user 'a/203.0.113.9:5 MULTI: x'", "", "198.51.100.1:1",
          "TLS: user 'a/203.0.113.9:5 MULTI: x'", true },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct slice user, address;
        bool doubt;
        struct slice message = openvpn_prefix(slice_str(cases[i].text), &user, &address, &doubt);

        assert_true(slice_is(message, cases[i].message));
        assert_true(slice_is(user.p ? user : SLICE(""), cases[i].user));
        assert_true(slice_is(address.p ? address : SLICE(""), cases[i].address));
        assert_int_equal(doubt, cases[i].doubt);
    }
}

static void gos_quotes_are_undone(void **state)
{
    AUTO(arena) a = arena_new(1024, 0);

    (void)state;
    assert_true(slice_is(go_unquote(a, SLICE("plain")), "plain"));
    assert_true(slice_is(go_unquote(a, SLICE("a\\\"b\\n&lt;&amp;\\u00e9\\x41")), "a\"b\n<&\xc3\xa9"
                                                                                 "A"));
    assert_true(slice_is(go_unquote(a, SLICE("\\xff\\ud800\\")), "\xef\xbf\xbd\xef\xbf\xbd\\"));
}

/* Times of one log, and what damaged ones look like: the last one is no reason for another answer.
 */
static void a_time_near_the_last_one_is_the_same_as_alone(void **state)
{
    static const char *const shapes[] = {
        "2026-11-21T01:42:39.512345Z",
        "2026-11-21T01:42:39.5Z",
        "2026-11-21T01:42:39Z",
        "2026-11-21 01:42:39,498",
        "2026-11-21T01:42:39.51+02:00",
        "2026/11/21 01:50:01.000123",
        "2026/11/21 01:50:01",
        "2026-11-21T01:42:39.512345678Z",
        "1969-12-31T23:59:59.9+01:00",
        "Nov 21 01:44:28",
        "1795224886.132131",
        "21/Nov/2026:01:44:28 +0100",
        "2026-11-21T01:42:60.25Z",
        "2026-11-21T01:42:39.512345",
        "Sat Nov 21 01:34:32 2026",
    };
    struct time_near near = { .n = 0 };
    uint64_t x = 7;
    size_t times = 0;

    (void)state;
    for (int i = 0; i < 200000; i++) {
        char text[48];
        size_t n;
        uint64_t alone = 1, after = 1;
        int r, q;

        x = x * UINT64_C(6364136223846793005) + 1442695040888963407u;
        n = strlen(shapes[(x >> 33) % (x >> 60 ? 3 : ARRAY_SIZE(shapes))]);
        memcpy(text, shapes[(x >> 33) % (x >> 60 ? 3 : ARRAY_SIZE(shapes))], n);
        if (x >> 50 & 1)
            text[(x >> 40) % n] = "0123456789.Z"[(x >> 20) % 12];
        if ((x >> 51 & 7) == 0)
            n = (x >> 25) % (n + 1);
        r = time_parse(slice_of(text, n), NULL, (UINT64_C(1795225200) * USEC_PER_SEC), &alone);
        q = time_parse_near(&near, slice_of(text, n), NULL, (UINT64_C(1795225200) * USEC_PER_SEC),
                            &after);
        times += r == 0;
        assert_int_equal(r, q);
        assert_int_equal(alone, after);
    }
    assert_in_range(times, 50000, 190000);
}

/* ---- framing: the parser's and the input's view are the same ---- */

static bool starts_with_bracket(const void *ctx, struct slice line, struct slice previous)
{
    (void)ctx;
    (void)previous;
    return line.n && line.p[0] == '[';
}

static void records_hold_together_and_the_last_is_held_back(void **state)
{
    const struct framing f = { .starts = starts_with_bracket, .lines_max = 3, .bytes_max = 1000 };
    struct block b = { .bytes = SLICE("x\n[a\n1\n[b\r\n2\n3\n4\n[c\n"), .position = 100 };
    static const char *const want[] = { "x", "[a\n1", "[b\r\n2\n3", "4", "[c" };
    static const uint64_t at[] = { 100, 102, 107, 115, 117 };
    struct block_walk walk = { 0 };
    struct record r;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
        assert_true(block_next(&b, &f, &walk, &r));
        assert_true(slice_is(r.text, want[i]));
        assert_int_equal(r.position, at[i]);
    }
    assert_false(block_next(&b, &f, &walk, &r));
    assert_int_equal(framing_whole(&f, b.bytes, NULL, &b.ends), 17); /* "[c" may still grow */
    assert_int_equal(b.ends.n, 0);
    assert_int_equal(framing_whole(NULL, b.bytes, NULL, &b.ends), b.bytes.n);
}

/* Whole records of any bytes, walked by their ends and by the framing. */
static void ends_say_what_the_framing_says(void **state)
{
    const struct framing f = { .starts = starts_with_bracket, .lines_max = 4, .bytes_max = 20 };
    uint64_t x = 7;

    (void)state;
    for (int i = 0; i < 20000; i++) {
        AUTO(arena) a = arena_new(1024, 0);
        struct block with = { .arena = a }, without;
        struct block_walk one = { 0 }, other = { 0 };
        char text[60];
        struct record r, q;
        size_t n = 0;

        for (; n < sizeof text; n++) {
            x = x * UINT64_C(6364136223846793005) + 1442695040888963407u;
            text[n] = "[[\n\n\n\rxy"[x >> 33 & 7];
        }
        text[n - 1] = '\n';
        with.bytes = slice_of(text, n);
        with.bytes.n = framing_whole(&f, with.bytes, a, &with.ends);
        without = with;
        without.ends.n = 0;
        assert_true(with.ends.n > 0 || with.bytes.n == 0);
        while (block_next(&without, &f, &other, &q)) {
            assert_true(block_next(&with, &f, &one, &r));
            assert_true(slice_eq(r.text, q.text));
            assert_int_equal(r.position, q.position);
            assert_int_equal(one.offset, other.offset);
        }
        assert_false(block_next(&with, &f, &one, &r));
    }
}

static struct formats *all_formats(struct field_names *names)
{
    const char *source = getenv("TW_SOURCE");
    struct formats *formats = formats_new(names);
    struct diag *d = diag_new();
    AUTO_BUF folder = BUF_INIT;

    buf_printf(&folder, "%s/parsers/formats", source ? source : ".");
    assert_int_equal(formats_add_folder(formats, folder.p, d), 0);
    diag_free(d);
    return formats;
}

/* Where the first byte says that a record starts, the expression says so of any line behind it. */
static void what_surely_starts_a_record_starts_one(void **state)
{
    AUTO(field_names) names = field_names_new();
    AUTO(formats) formats = all_formats(names);
    AUTO(regex_scratch) scratch = regex_scratch_new();
    uint64_t x = 7, tried = 0;

    (void)state;
    for (size_t i = 0; i < formats->n; i++)
        for (int line = 0; line < 20000; line++) {
            const struct format *f = formats->list[i];
            char text[12];

            for (size_t j = 0; j < sizeof text; j++) {
                x = x * UINT64_C(6364136223846793005) + 1442695040888963407u;
                text[j] = (char)(x >> (x >> 63 ? 40 : 41) & (j ? 127 : 255));
            }
            if (!f->start || !f->start_by[(unsigned char)text[0]])
                continue;
            assert_int_equal(regex_match(f->start, scratch, slice_of(text, 12), NULL, 0), 1);
            tried++;
        }
    assert_true(tried > 20); /* the API's "{" */
}

static bool closes(struct slice s)
{
    bool quoted = false;
    long depth = 0;

    for (size_t i = 0; i < s.n; i++)
        if (quoted && s.p[i] == '\\')
            i++;
        else if (s.p[i] == '"')
            quoted = !quoted;
        else if (!quoted)
            depth += s.p[i] == '{' ? 1 : s.p[i] == '}' ? -1 : 0;
    return !quoted && depth <= 0;
}

static void an_object_holds_its_record_together_until_it_closes(void **state)
{
    AUTO(field_names) names = field_names_new();
    AUTO(formats) formats = all_formats(names);
    const struct framing *f = format_framing(format_find(formats, SLICE("laravel")));
    uint64_t x = 7, closed = 0;

    (void)state;
    for (int i = 0; i < 200000; i++) {
        char text[64] = "{";
        size_t n;

        x = x * UINT64_C(6364136223846793005) + 1442695040888963407u;
        n = 1 + (x >> 33) % (sizeof text - 1);
        for (size_t j = 1; j < n; j++) {
            x = x * UINT64_C(6364136223846793005) + 1442695040888963407u;
            text[j] = "{}\"\\}y\x7f\xfb     abcd"[(x >> 33) % 17];
        }
        f->begins(f->ctx); /* another record; then it grows, as with each line that it takes */
        for (size_t m = 1 + x % n; m <= n; m += 1 + (x >> 40) % 9)
            assert_int_equal(f->starts(f->ctx, SLICE("{\"message\":1}"), slice_of(text, m)),
                             closes(slice_of(text, m)));
        f->begins(f->ctx);
        assert_int_equal(f->starts(f->ctx, SLICE("{\"message\":1}"), slice_of(text, n)),
                         closes(slice_of(text, n)));
        closed += closes(slice_of(text, n));
    }
    assert_in_range(closed, 20000, 180000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_syntax_of_the_channels_is_read),
        cmocka_unit_test(a_local_time_is_read_in_its_zone),
        cmocka_unit_test(what_is_no_time_or_zone_is_refused),
        cmocka_unit_test(a_syslog_prefix_is_told_from_text),
        cmocka_unit_test(logfmt_takes_quotes_and_refuses_prose),
        cmocka_unit_test(a_peer_is_read_from_the_prefix_and_doubt_is_told),
        cmocka_unit_test(gos_quotes_are_undone),
        cmocka_unit_test(a_time_near_the_last_one_is_the_same_as_alone),
        cmocka_unit_test(records_hold_together_and_the_last_is_held_back),
        cmocka_unit_test(ends_say_what_the_framing_says),
        cmocka_unit_test(what_surely_starts_a_record_starts_one),
        cmocka_unit_test(an_object_holds_its_record_together_until_it_closes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
