/* Matchers, hours and routes: what fits, when, and where it leads. */
#include "notifiers/route.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/num.h"
#include "notifiers/route-private.h"

#define EVENT(fields)                                                                              \
    "{\"time\":\"2026-11-21T01:00:00.000000Z\",\"channel\":\"xray\",\"raw\":\"a b\","              \
    "\"fields\":{" fields "}}"

static struct alert_group group[] = {
    { SLICE("source.ip"), SLICE("203.0.113.7") },
    { SLICE("user.name"), SLICE("al*ice\\") },
};
static struct slice tags[] = { SLICE("attack.t1110"), SLICE("attack.credential_access") };
static struct slice evidence[] = {
    SLICE(EVENT("\"destination.ip\":\"192.0.2.1\"")),
    SLICE(EVENT("\"destination.ip\":\"2001:db8::0:5\",\"destination.port\":443,"
                "\"host.name\":\"vpn 1\",\"url\":[\"/a\",\"/b\"],\"gone\":null")),
};

static struct alert sample(void)
{
    return (struct alert){ .rule_id = SLICE("xray-login-failed"),
                           .level = LEVEL_HIGH,
                           .channel = SLICE("xray"),
                           .tags = tags,
                           .ntags = 2,
                           .group = group,
                           .ngroup = 2,
                           .evidence = evidence,
                           .nevidence = 2 };
}

static struct arena *arena_of_test(void)
{
    struct arena *a = arena_new(4096, 1 << 20);

    assert_non_null(a);
    return a;
}

/* ---- matchers ---- */

static void a_star_stands_for_anything_and_a_backslash_takes_that_away(void **state)
{
    static const struct {
        const char *pattern, *text;
        bool fits;
    } cases[] = {
        { "", "", true },
        { "", "a", false },
        { "*", "", true },
        { "*", "anything", true },
        { "**", "a", true },
        { "xray-*", "xray-login", true },
        { "xray-*", "Xray-login", false },
        { "*-failed", "xray-failed", true },
        { "*-failed", "xray-failed2", false },
        { "a*b*c", "a1b2b3c", true },
        { "a*b*c", "a1c2b", false },
        { "a*a", "a", false },
        { "*aab", "aaab", true },
        { "a.c", "abc", false },
        { "10.*", "10.1.2.3", true },
        { "\\*", "*", true },
        { "\\*", "a", false },
        { "\\**", "*a", true },
        { "a\\\\", "a\\", true },
        { "DOMAIN\\alice", "DOMAIN\\alice", true },
        { "a\\", "a\\", true },
        { "ab", "a", false },
        { "?", "a", false },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        if (glob_fits(slice_str(cases[i].pattern), slice_str(cases[i].text)) != cases[i].fits)
            fail_msg("'%s' and '%s'", cases[i].pattern, cases[i].text);
}

static void a_pattern_of_many_stars_ends_soon(void **state)
{
    static char text[65536], pattern[1024];

    (void)state;
    memset(text, 'a', sizeof text);
    for (size_t i = 0; i < sizeof pattern; i++)
        pattern[i] = i % 2 ? 'a' : '*';
    pattern[sizeof pattern - 1] = 'b';
    assert_false(glob_fits(slice_of(pattern, sizeof pattern), slice_of(text, sizeof text)));
}

static void assert_json(const char *json, const char *misfit)
{
    AUTO(arena) a = arena_of_test();
    struct alert alert = sample();
    struct matcher m = { 0 };
    struct err err = ERR_NONE;
    const char *part;

    if (matcher_json(slice_str(json), a, &m, &err) < 0)
        fail_msg("%s: %s", json, err.text);
    part = matcher_misfit(&m, &alert);
    assert_int_equal(matcher_fits(&m, &alert, a), !part);
    if (!part != !misfit || (part && strcmp(part, misfit) != 0))
        fail_msg("%s: %s", json, part ? part : "fits");
}

static void all_that_is_named_must_fit(void **state)
{
    static const struct {
        const char *json, *misfit;
    } cases[] = {
        { "{}", NULL },
        { "{\"level\":\"high\"}", NULL },
        { "{\"level\":[\"low\",\"high\"]}", NULL },
        { "{\"level\":[\"critical\"]}", "level" },
        { "{\"rule\":[\"a\",\"xray-*\"]}", NULL },
        { "{\"rule\":\"xray\"}", "rule" },
        { "{\"channel\":\"x*\",\"tag\":\"attack.t1*\"}", NULL },
        { "{\"channel\":\"openvpn\"}", "channel" },
        { "{\"tag\":\"attack.t2*\"}", "tag" },
        { "{\"source.ip\":\"203.0.113.0/24\"}", NULL },
        { "{\"source.ip\":[\"10.0.0.0/8\",\"::ffff:203.0.113.7\"]}", NULL },
        { "{\"source.ip\":\"203.0.*\"}", NULL },
        { "{\"source.ip\":\"10.0.0.0/8\"}", "source.ip" },
        { "{\"user.name\":\"al\\\\*ice\\\\\\\\\"}", NULL },
        { "{\"user.name\":\"203.0.113.0/24\"}", "user.name" },
        { "{\"destination.ip\":\"2001:db8::/32\"}", NULL }, /* of the newest event */
        { "{\"destination.ip\":\"2001:0db8:0::5\"}", NULL },
        { "{\"destination.ip\":\"192.0.2.1\"}", "destination.ip" },
        { "{\"destination.port\":443}", NULL },
        { "{\"url\":\"/b\"}", NULL },
        { "{\"gone\":\"*\"}", "gone" },
        { "{\"raw\":\"*\"}", "raw" },
        { "{\"field\":{\"source.ip\":\"203.0.113.7\",\"url\":\"/a\"}}", NULL },
        { "{\"field\":{\"level\":\"high\"}}", "level" }, /* there is no such field */
        { "{\"level\":\"high\",\"rule\":\"xray-*\",\"source.ip\":\"::/0\"}", "source.ip" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_json(cases[i].json, cases[i].misfit);
}

static void refuse(const char *json)
{
    AUTO(arena) a = arena_of_test();
    struct matcher m = { .levels = 77 };
    struct err err = ERR_NONE;

    if (matcher_json(slice_str(json), a, &m, &err) != -EINVAL)
        fail_msg("%.60s is taken", json);
    assert_true(err.text[0]);
    assert_int_equal(m.levels, 77);
    assert_int_equal(matcher_json(slice_str(json), a, &m, NULL), -EINVAL);
}

static void what_says_nothing_clear_is_refused(void **state)
{
    static const char *const cases[] = {
        "",
        "{",
        "[]",
        "\"high\"",
        "null",
        "{\"level\":\"hihg\"}",
        "{\"level\":[]}",
        "{\"level\":[\"high\",4]}",
        "{\"level\":{\"a\":1}}",
        "{\"rule\":[]}",
        "{\"rule\":null}",
        "{\"rule\":[[\"a\"]]}",
        "{\"rule\":\"\"}",
        "{\"rule\":\"a\\u0000b\"}",
        "{\"a\\u0000b\":\"x\"}",
        "{\"\":\"x\"}",
        "{\"field\":{\"\":\"x\"}}",
        "{\"field\":{\"a\":{}}}",
        "{\"source.ip\":\"10.0.0.1/8\"}",
        "{\"source.ip\":\"10.0.0.0/33\"}",
        "{\"a\":\"x\",\"field\":{\"a\":\"y\"}}",
        "{} {}",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        refuse(cases[i]);
}

/* Any two bytes changed: it is refused with a reason, or it can be asked. */
static void damaged_json_does_no_harm(void **state)
{
    static const char whole[] =
        "{\"level\":[\"high\"],\"rule\":\"x*\",\"source.ip\":[\"10.0.0.0/8\"],"
        "\"field\":{\"a\":[\"\\u00e4\",4]}}";
    static const char signs[] = "\"[]{}:,\\*/0\x80";
    struct alert alert = sample();
    unsigned taken = 0;

    (void)state;
    for (size_t i = 0; i + 1 < sizeof whole; i++)
        for (size_t k = 0; k < (sizeof signs - 1) * (sizeof signs - 1); k++) {
            AUTO(arena) a = arena_new(16384, 1 << 20);
            AUTO_BUF words = BUF_INIT;
            struct err err = ERR_NONE;
            struct matcher m;
            char text[sizeof whole];

            memcpy(text, whole, sizeof text);
            text[i] = signs[k % (sizeof signs - 1)];
            text[(i * 7 + k) % (sizeof whole - 1)] = signs[k / (sizeof signs - 1)];
            if (matcher_json(slice_of(text, sizeof text - 1), a, &m, &err) == 0) {
                taken++;
                (void)matcher_fits(&m, &alert, a);
                matcher_words(&m, &words);
                assert_true(words.n > 0);
            } else {
                assert_true(err.code == -EINVAL && err.text[0]);
            }
        }
    assert_true(taken > 100);
}

static void members_and_values_have_a_limit(void **state)
{
    AUTO(arena) a = arena_of_test();
    struct matcher m;

    (void)state;
    for (unsigned n = 32; n <= 33; n++) {
        AUTO_BUF members = BUF_INIT;
        AUTO_BUF values = BUF_INIT;
        AUTO_BUF text = BUF_INIT;

        for (unsigned i = 0; i < n; i++) {
            buf_printf(&members, "%s\"f%u\":\"x\"", i ? "," : "{", i);
            buf_printf(&values, "%s\"%u\"", i ? "," : "{\"rule\":[", i);
        }
        buf_str(&members, "}");
        buf_str(&values, "]}");
        buf_str(&text, "{\"rule\":\"");
        for (unsigned i = 0; i < n * 32; i++)
            buf_char(&text, 'x');
        buf_str(&text, "\"}");
        assert_int_equal(matcher_json(buf_view(&members), a, &m, NULL), n > 32 ? -EINVAL : 0);
        assert_int_equal(matcher_json(buf_view(&values), a, &m, NULL), n > 32 ? -EINVAL : 0);
        assert_int_equal(matcher_json(buf_view(&text), a, &m, NULL), n > 32 ? -EINVAL : 0);
    }
}

/* The user is called al*ice\: that is no pattern. */
static void the_matcher_of_an_incident_fits_it_and_no_other(void **state)
{
    AUTO(arena) a = arena_of_test();
    AUTO_BUF json = BUF_INIT;
    struct alert alert = sample();
    struct alert_group other[] = { group[0], { SLICE("user.name"), SLICE("alXice\\") } };
    struct matcher m;

    (void)state;
    matcher_json_alert(&alert, &json);
    assert_int_equal(matcher_json(buf_view(&json), a, &m, NULL), 0);
    assert_true(matcher_fits(&m, &alert, a));
    alert.rule_id = SLICE("another");
    assert_string_equal(matcher_misfit(&m, &alert), "rule");
    alert = sample();
    alert.group = other;
    assert_string_equal(matcher_misfit(&m, &alert), "user.name");
}

static void the_matcher_of_any_incident_can_be_read(void **state)
{
    static char long_value[4096];
    struct alert_group odd[] = { { SLICE("level"), SLICE("a\0b") },
                                 { SLICE("empty"), SLICE("") },
                                 { SLICE("long"), { long_value, sizeof long_value } } };
    AUTO(arena) a = arena_of_test();
    AUTO_BUF json = BUF_INIT;
    struct alert alert = sample();
    struct matcher m;

    (void)state;
    for (size_t i = 0; i + 1 < sizeof long_value; i += 2)
        memcpy(long_value + i, "\xc3\xa4", 2);
    alert.group = odd;
    alert.ngroup = 3;
    matcher_json_alert(&alert, &json);
    assert_true(json.n < 3000);
    assert_int_equal(matcher_json(buf_view(&json), a, &m, NULL), 0);
    assert_true(matcher_fits(&m, &alert, a));
    odd[0].value = SLICE("b\0b");
    assert_string_equal(matcher_misfit(&m, &alert), "level");
}

static void assert_words(const char *json, const char *want)
{
    AUTO(arena) a = arena_of_test();
    AUTO_BUF out = BUF_INIT;
    struct matcher m;

    assert_int_equal(matcher_json(slice_str(json), a, &m, NULL), 0);
    matcher_words(&m, &out);
    assert_string_equal(out.p, want);
}

static void a_matcher_is_said_in_words(void **state)
{
    (void)state;
    assert_words("{}", "every alert");
    assert_words("{\"level\":[\"high\",\"critical\"],\"rule\":\"xray-*\"}",
                 "level critical or high, rule xray-*");
    assert_words("{\"tag\":\"a\",\"channel\":[\"b\",\"c\"],\"source.ip\":\"10.0.0.0/8\"}",
                 "channel b or c, tag a, source.ip 10.0.0.0/8");
    assert_words("{\"user.name\":\"\\u001b[2J\"}", "user.name \\x1b[2J");
}

static void assert_why(const char *json, const char *want)
{
    AUTO(arena) a = arena_of_test();
    AUTO_BUF out = BUF_INIT;
    struct alert alert = sample();
    struct matcher m;

    assert_int_equal(matcher_json(slice_str(json), a, &m, NULL), 0);
    matcher_why(&m, &alert, &out);
    assert_string_equal(out.n ? out.p : "", want);
}

static void what_does_not_fit_is_said_in_words(void **state)
{
    (void)state;
    assert_why("{\"level\":\"high\",\"source.ip\":\"203.0.113.7\"}", "");
    assert_why("{\"level\":[\"low\",\"critical\"],\"rule\":\"x\"}",
               "level is high, not critical or low");
    assert_why("{\"rule\":[\"a\",\"b*\"]}", "rule is xray-login-failed, not a or b*");
    assert_why("{\"channel\":\"xui\"}", "channel is xray, not xui");
    assert_why("{\"tag\":\"attack.t2*\"}", "tag: none is attack.t2*");
    assert_why("{\"source.ip\":\"10.0.0.0/8\"}", "source.ip is 203.0.113.7, not 10.0.0.0/8");
    assert_why("{\"field\":{\"rule\":\"a\"}}", "rule is not there");
    assert_why("{\"user.id\":\"a\"}", "user.id is not there");
}

/* ---- hours ---- */

static uint64_t at(const char *text)
{
    uint64_t us = 0;

    if (time_parse_rfc3339(slice_str(text), &us) < 0)
        fail_msg("%s", text);
    return us;
}

static struct hours hours(const char *text, const char *zone)
{
    struct hours h = { 0 };
    struct err err = ERR_NONE;

    if (hours_parse(slice_str(text), zone, &h, &err) < 0)
        fail_msg("%s", err.text);
    return h;
}

static void hours_are_read(void **state)
{
    static const struct {
        const char *text;
        unsigned days, from, to;
    } cases[] = {
        { "22:00-07:00", 0, 1320, 420 },
        { "0:00-24:00", 0, 0, 0 },
        { "Mon-Fri 18:00-08:00", 0x1f, 1080, 480 },
        { "Sat,Sun", 0x60, 0, 0 },
        { " sun  02:00-04:30 ", 0x40, 120, 270 },
        { "Fri-Mon", 0x71, 0, 0 },
        { "Mon, Wed 22:00-07:00", 0x05, 1320, 420 },
        { "Mon,Wed-Fri 09:05-09:06", 0x1d, 545, 546 },
        { "Mon-Sun 00:00-00:00", 0x7f, 0, 0 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct hours h = hours(cases[i].text, NULL);

        assert_true(h.given);
        assert_int_equal(h.days, cases[i].days);
        assert_int_equal(h.from_min, cases[i].from);
        assert_int_equal(h.to_min, cases[i].to);
    }
}

static void assert_hours_words(const char *text, const char *zone, const char *want)
{
    AUTO_BUF out = BUF_INIT;
    struct hours h = hours(text, zone);

    hours_words(&h, &out);
    assert_string_equal(out.p, want);
}

static void hours_are_said_in_words(void **state)
{
    (void)state;
    assert_hours_words("22:00-7:05", NULL, "22:00-07:05 UTC");
    assert_hours_words("Mon-Wed 18:00-24:00", "Asia/Kolkata",
                       "Mon,Tue,Wed 18:00-00:00 Asia/Kolkata");
    assert_hours_words("Sat,Sun", "Europe/Berlin", "Sat,Sun Europe/Berlin");
    assert_hours_words("0:00-24:00", NULL, "00:00-00:00 UTC");
}

static void what_are_no_hours_is_refused(void **state)
{
    static const char *const cases[] = { "",
                                         " ",
                                         "22:00",
                                         "22-07",
                                         "22:00-",
                                         "-07:00",
                                         "22:0-07:00",
                                         "22:00-07:000",
                                         "22:60-7:00",
                                         "24:00-07:00",
                                         "22:00-24:01",
                                         "22:00-07:00 Mon",
                                         "Mo",
                                         "Mon-",
                                         "-Mon",
                                         "Mon,,Tue",
                                         "Mon,",
                                         "Mon Tue",

                                         "22:00 - 07:00",
                                         "Mon-Tue-Wed",
                                         "999999999999:00-07:00",
                                         "always" };
    struct hours h = { 0 };
    struct err err = ERR_NONE;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        if (hours_parse(slice_str(cases[i]), NULL, &h, &err) != -EINVAL || h.given)
            fail_msg("'%s' is taken", cases[i]);
    assert_int_equal(hours_parse(SLICE("Sat"), "Europe/Berlinn", &h, &err), -EINVAL);
    assert_non_null(strstr(err.text, "Europe/Berlinn"));
    assert_int_equal(hours_parse(SLICE("Sat"), "../../etc/passwd", &h, NULL), -EINVAL);
    assert_false(hours_inside(&h, 0));
    assert_int_equal(hours_end_us(&h, 5), 5);
    assert_true(hours_next_us(&h, 5) == UINT64_MAX);
}

static void assert_span(const char *text, const char *zone, const char *from, const char *to)
{
    struct hours h = hours(text, zone);
    uint64_t begin = at(from), end = at(to), got;
    char got_text[TIME_TEXT_SIZE];

    if (hours_inside(&h, begin - 1) || !hours_inside(&h, begin) || !hours_inside(&h, end - 1))
        fail_msg("%s %s: from %s to %s", text, zone, from, to);
    assert_false(hours_inside(&h, end));
    assert_true(hours_next_us(&h, begin - 1) == begin);
    got = hours_end_us(&h, begin);
    time_text(got, got_text);
    if (got != end || hours_end_us(&h, end - 1) != end)
        fail_msg("%s %s: ends %s, not %s", text, zone, got_text, to);
    assert_int_equal(hours_end_us(&h, end), end);
}

static void a_span_ends_at_its_wall_time(void **state)
{
    static const struct {
        const char *text, *zone, *from, *to;
    } cases[] = {
        { "22:00-07:00", NULL, "2026-11-21T22:00:00Z", "2026-11-22T07:00:00Z" },
        { "22:00-07:00", "UTC", "2026-11-21T22:00:00Z", "2026-11-22T07:00:00Z" },
        { "09:00-17:30", NULL, "2026-11-21T09:00:00Z", "2026-11-21T17:30:00Z" },
        { "22:00-07:00", "Europe/Berlin", "2026-11-21T21:00:00Z", "2026-11-22T06:00:00Z" },
        { "22:00-07:00", "Asia/Kolkata", "2026-11-21T16:30:00Z", "2026-11-22T01:30:00Z" },
        /* 2026-11-20 is a Friday; a span counts to the day of its beginning. */
        { "Fri 22:00-07:00", NULL, "2026-11-20T22:00:00Z", "2026-11-21T07:00:00Z" },
        { "Sat,Sun", "Europe/Berlin", "2026-11-20T23:00:00Z", "2026-11-22T23:00:00Z" },
        { "Mon-Fri 00:00-24:00", NULL, "2026-11-16T00:00:00Z", "2026-11-21T00:00:00Z" },
        { "Mon-Fri 18:00-08:00", NULL, "2026-11-20T18:00:00Z", "2026-11-21T08:00:00Z" },
        /* Berlin, 29 March: 02:00 becomes 03:00. */
        { "22:00-07:00", "Europe/Berlin", "2026-03-28T21:00:00Z", "2026-03-29T05:00:00Z" },
        { "01:30-02:30", "Europe/Berlin", "2026-03-29T00:30:00Z", "2026-03-29T01:00:00Z" },
        { "02:30-04:00", "Europe/Berlin", "2026-03-29T01:00:00Z", "2026-03-29T02:00:00Z" },
        { "01:00-03:00", "Europe/Berlin", "2026-03-29T00:00:00Z", "2026-03-29T01:00:00Z" },
        { "Sun", "Europe/Berlin", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z" },
        /* 25 October: 03:00 becomes 02:00. */
        { "22:00-07:00", "Europe/Berlin", "2026-10-24T20:00:00Z", "2026-10-25T06:00:00Z" },
        { "01:00-02:30", "Europe/Berlin", "2026-10-24T23:00:00Z", "2026-10-25T00:30:00Z" },
        { "02:15-02:45", "Europe/Berlin", "2026-10-25T00:15:00Z", "2026-10-25T00:45:00Z" },
        { "02:30-04:00", "Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-25T03:00:00Z" },
        { "Sun", "Europe/Berlin", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z" },
        /* Lord Howe, 5 April: 02:00 becomes 01:30. */
        { "22:00-07:00", "Australia/Lord_Howe", "2026-04-04T11:00:00Z", "2026-04-04T20:30:00Z" },
        { "01:00-01:45", "Australia/Lord_Howe", "2026-04-04T14:00:00Z", "2026-04-04T14:45:00Z" },
        /* Havana, 8 March: 00:00 becomes 01:00; 1 November: 01:00 becomes 00:00. */
        { "Sun", "America/Havana", "2026-03-08T05:00:00Z", "2026-03-09T04:00:00Z" },
        { "Sat", "America/Havana", "2026-03-07T05:00:00Z", "2026-03-08T05:00:00Z" },
        { "Sat 22:00-00:30", "America/Havana", "2026-03-08T03:00:00Z", "2026-03-08T05:00:00Z" },
        { "Sun", "America/Havana", "2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z" },
        { "Sat 22:00-00:30", "America/Havana", "2026-11-01T02:00:00Z", "2026-11-01T04:30:00Z" },
        /* Cairo, 29 October: 24:00 becomes 23:00, still Thursday. */
        { "Thu", "Africa/Cairo", "2026-10-28T21:00:00Z", "2026-10-29T22:00:00Z" },
        { "Thu 22:00-07:00", "Africa/Cairo", "2026-10-29T19:00:00Z", "2026-10-30T05:00:00Z" },
        { "Fri", "Africa/Cairo", "2026-10-29T22:00:00Z", "2026-10-30T22:00:00Z" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_span(cases[i].text, cases[i].zone, cases[i].from, cases[i].to);
}

static void a_span_that_the_clock_leaves_out_does_not_begin(void **state)
{
    struct hours h = hours("02:15-02:45", "Europe/Berlin");

    (void)state;
    for (uint64_t t = at("2026-03-29T00:00:00Z"); t < at("2026-03-29T04:00:00Z");
         t += 60 * USEC_PER_SEC)
        assert_false(hours_inside(&h, t));
    assert_true(hours_next_us(&h, at("2026-03-29T00:00:00Z")) == at("2026-03-30T00:15:00Z"));
}

static void hours_without_end_are_asked_again_after_eight_days(void **state)
{
    struct hours h = hours("00:00-24:00", "Europe/Berlin");
    uint64_t t = at("2026-11-21T12:00:00Z");

    (void)state;
    assert_true(hours_end_us(&h, t) == t + UINT64_C(8) * 86400 * USEC_PER_SEC);
}

static void a_loaded_zone_says_the_same_as_its_name(void **state)
{
    AUTO(zone) z = NULL;
    struct hours h = hours("22:00-07:00", "Europe/Berlin"), loaded = h;
    uint64_t t = at("2026-03-28T22:00:00Z");

    (void)state;
    assert_int_equal(zone_load("Europe/Berlin", &z, NULL), 0);
    loaded.local = z;
    loaded.zone = "there is no such zone";
    assert_true(hours_end_us(&h, t) == hours_end_us(&loaded, t));
}

static uint64_t roll(uint64_t *seed, uint64_t below)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed % below;
}

/* Of any hours in any zone: inside exactly from next to end, to the microsecond. */
static void the_end_is_the_first_moment_outside(void **state)
{
    static const char *const zones[] = { "UTC",           "Europe/Berlin",  "Australia/Lord_Howe",
                                         "Asia/Kolkata",  "America/Havana", "Africa/Cairo",
                                         "Asia/Beirut",   "Pacific/Apia",   "America/St_Johns",
                                         "Asia/Kathmandu" };
    const uint64_t most = UINT64_C(8) * 86400 * USEC_PER_SEC;
    struct zone *loaded[ARRAY_SIZE(zones)] = { 0 };
    uint64_t seed = 0x7261696c;
    unsigned inside = 0;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(zones); i++)
        assert_int_equal(zone_load(zones[i], &loaded[i], NULL), 0);
    for (unsigned i = 0; i < 20000; i++) {
        size_t z = roll(&seed, ARRAY_SIZE(zones));
        struct hours h = { .given = true, .local = loaded[z] };
        /* From 1987 to 2036: days of changes near midnight are among them. */
        uint64_t t = (UINT64_C(536500000) + roll(&seed, UINT64_C(1550000000))) * USEC_PER_SEC +
                     roll(&seed, USEC_PER_SEC);
        uint64_t end, next;

        h.days = (unsigned)roll(&seed, 128);
        h.from_min = (unsigned)roll(&seed, 1440);
        h.to_min = (unsigned)roll(&seed, 1440);
        end = hours_end_us(&h, t);
        next = hours_next_us(&h, t);
        assert_true(next > t);
        if (!hours_inside(&h, t)) {
            assert_true(end == t);
            assert_true(hours_inside(&h, next) && !hours_inside(&h, next - 1));
            continue;
        }
        inside++;
        if (end <= t || end > t + most || !hours_inside(&h, end - 1) ||
            (end < t + most && hours_inside(&h, end)))
            fail_msg("%s, days %x, %u to %u at %llu", zones[z], h.days, h.from_min, h.to_min,
                     (unsigned long long)t);
    }
    assert_true(inside > 2000);
    for (size_t i = 0; i < ARRAY_SIZE(zones); i++)
        zone_free(loaded[i]);
}

/* ---- routes ---- */

static int note_route(void *ctx, const struct route *route)
{
    struct buf *out = ctx;

    buf_printf(out, "%s ", route->name);
    return strcmp(route->name, "stop") == 0 ? -EINTR : 0;
}

static void assert_routes(const struct route *routes, size_t n, const struct alert *alert,
                          const char *want, int said)
{
    AUTO(arena) a = arena_of_test();
    AUTO_BUF out = BUF_INIT;
    struct routing r = { .routes = routes, .nroutes = n };

    assert_int_equal(route_each(&r, alert, a, note_route, &out), said);
    assert_string_equal(out.n ? out.p : "", want);
}

static void the_first_route_that_fits_takes_it_and_more_while_they_continue(void **state)
{
    struct route routes[] = {
        { .name = "low", .when = { .levels = 1u << LEVEL_LOW } },
        { .name = "a", .when = { .levels = 1u << LEVEL_HIGH }, .go_on = true },
        { .name = "medium", .when = { .levels = 1u << LEVEL_MEDIUM }, .go_on = true },
        { .name = "b" },
        { .name = "c" },
    };
    struct alert alert = sample();
    struct slice name = SLICE("ops");

    (void)state;
    assert_routes(routes, 5, &alert, "a b ", 0);
    assert_routes(routes, 2, &alert, "a ", 0);
    assert_routes(routes, 0, &alert, "", 0);
    routes[1].name = "stop";
    assert_routes(routes, 5, &alert, "stop ", -EINTR);
    alert.notify = &name;
    alert.nnotify = 1;
    assert_routes(routes, 5, &alert, "", 0); /* the rule names its receivers */
}

static void assert_group(const char *const *names, size_t n, const struct alert *alert,
                         const char *want)
{
    AUTO(arena) a = arena_of_test();
    AUTO_BUF out = BUF_INIT;
    const char *items[8];
    struct route route = { .group = { .items = items, .n = n } };

    for (size_t i = 0; i < n; i++)
        items[i] = names[i];
    route_group(&route, alert, SLICE("0123abcd"), a, &out);
    assert_string_equal(out.n ? out.p : "", want);
}

static void a_group_is_a_text_that_no_other_group_has(void **state)
{
    struct alert alert = sample();

    (void)state;
    assert_group((const char *const[]){ "rule" }, 0, &alert, "");
    assert_group((const char *const[]){ "rule", "channel", "level", "incident" }, 4, &alert,
                 "rule=xray-login-failed channel=xray level=high incident=0123abcd");
    assert_group((const char *const[]){ "source.ip", "user.name" }, 2, &alert,
                 "source.ip=203.0.113.7 user.name=al*ice\\\\");
    assert_group((const char *const[]){ "host", "url", "none" }, 3, &alert,
                 "host=vpn\\ 1 url=/a none=");
    alert.nevidence = 0;
    assert_group((const char *const[]){ "host" }, 1, &alert, "host=");
}

static void maintenance_holds_within_its_hours_or_dates_and_for_what_fits(void **state)
{
    AUTO(arena) a = arena_of_test();
    struct maintenance m[] = {
        { .name = "other", .when = { .levels = 1u << LEVEL_LOW }, .from_us = 0, .until_us = 1000 },
        { .name = "dates", .from_us = 100, .until_us = 200 },
        { .name = "sundays", .hours = hours("Sun 02:00-04:00", "Europe/Berlin") },
    };
    struct routing r = { .maintenances = m, .nmaintenances = 3 };
    struct alert alert = sample();
    uint64_t sunday = at("2026-11-22T01:00:00Z");

    (void)state;
    assert_null(route_maintenance(&r, &alert, 99, a));
    assert_ptr_equal(route_maintenance(&r, &alert, 100, a), &m[1]);
    assert_ptr_equal(route_maintenance(&r, &alert, 199, a), &m[1]);
    assert_null(route_maintenance(&r, &alert, 200, a));
    assert_null(route_maintenance(&r, &alert, sunday - 1, a));
    assert_ptr_equal(route_maintenance(&r, &alert, sunday, a), &m[2]);
    assert_int_equal(maintenance_end_us(&m[1], 150), 200);
    assert_int_equal(maintenance_end_us(&m[1], 250), 250);
    assert_true(maintenance_end_us(&m[2], sunday) == at("2026-11-22T03:00:00Z"));
}

static bool values(const char *const *names, size_t n, const struct alert *alert, struct buf *out)
{
    const char *items[4];
    struct inhibition i = { .equal = { .items = items, .n = n } };

    for (size_t k = 0; k < n; k++)
        items[k] = names[k];
    buf_reset(out);
    return inhibition_values(&i, alert, out);
}

static void what_must_agree_is_compared_as_one_text(void **state)
{
    AUTO_BUF out = BUF_INIT;
    struct alert alert = sample();

    (void)state;
    assert_true(values((const char *const[]){ "source.ip", "channel" }, 2, &alert, &out));
    assert_string_equal(out.p, "source.ip=203.0.113.7 channel=xray");
    assert_true(values((const char *const[]){ "host" }, 1, &alert, &out));
    assert_string_equal(out.p, "host=vpn\\ 1");
    assert_true(values(NULL, 0, &alert, &out));
    assert_int_equal(out.n, 0);
    /* A field of one of its events only: another event may have another. */
    assert_false(values((const char *const[]){ "destination.ip" }, 1, &alert, &out));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_star_stands_for_anything_and_a_backslash_takes_that_away),
        cmocka_unit_test(a_pattern_of_many_stars_ends_soon),
        cmocka_unit_test(all_that_is_named_must_fit),
        cmocka_unit_test(what_says_nothing_clear_is_refused),
        cmocka_unit_test(damaged_json_does_no_harm),
        cmocka_unit_test(members_and_values_have_a_limit),
        cmocka_unit_test(the_matcher_of_an_incident_fits_it_and_no_other),
        cmocka_unit_test(the_matcher_of_any_incident_can_be_read),
        cmocka_unit_test(a_matcher_is_said_in_words),
        cmocka_unit_test(what_does_not_fit_is_said_in_words),
        cmocka_unit_test(hours_are_read),
        cmocka_unit_test(hours_are_said_in_words),
        cmocka_unit_test(what_are_no_hours_is_refused),
        cmocka_unit_test(a_span_ends_at_its_wall_time),
        cmocka_unit_test(a_span_that_the_clock_leaves_out_does_not_begin),
        cmocka_unit_test(hours_without_end_are_asked_again_after_eight_days),
        cmocka_unit_test(a_loaded_zone_says_the_same_as_its_name),
        cmocka_unit_test(the_end_is_the_first_moment_outside),
        cmocka_unit_test(the_first_route_that_fits_takes_it_and_more_while_they_continue),
        cmocka_unit_test(a_group_is_a_text_that_no_other_group_has),
        cmocka_unit_test(maintenance_holds_within_its_hours_or_dates_and_for_what_fits),
        cmocka_unit_test(what_must_agree_is_compared_as_one_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
