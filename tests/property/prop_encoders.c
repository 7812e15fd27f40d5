/*
 * parse(encode(record)) == record, whatever strangers put into it.
 *
 * Records with hostile values go through every encoder and come back by decoders that were written
 * from the documents of the formats (siem_decode.h). TW_ENCODER_CASES says how many (make
 * encoder-pairs: a million), TW_ENCODER_SEED which.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/num.h"
#include "base/utf8.h"
#include "notifiers/machines/encoder.h"
#include "siem_decode.h"

static uint64_t seed = 20261121;

static uint64_t next(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

/* ---- values of strangers ---- */

static const struct slice pieces[] = {
    SLICE("alice"),
    SLICE("\n"),
    SLICE("\r"),
    SLICE("\r\n<13>1 - - - - - - forged"),
    SLICE("|"),
    SLICE("="),
    SLICE("]"),
    SLICE("\""),
    SLICE("\\"),
    SLICE("\\\""),
    SLICE(" src=1.2.3.4"),
    SLICE(" msg=x y"),
    SLICE("^usrName=root"),
    SLICE("] [tw@1 id=\"0\"]"),
    SLICE("\x1b[31m"),
    SLICE("\x01"),
    SLICE("\0\0"),
    SLICE("\t"),
    SLICE("\x7f"),
    SLICE("\xe2\x80\xa8"),
    SLICE("\xe2\x80\xa9"),
    SLICE("\xc2\x85"),
    SLICE("\xff"),
    SLICE("\xc3"),
    SLICE("\xe2\x82"),
    SLICE("\xed\xa0\x80"),
    SLICE("\xf0\x9f\x92\xa9"),
    SLICE("\xc3\xa9"),
    SLICE("CEF:0|a|b|c|d|e|9|"),
    SLICE("\",\"i\":0,\"x\":\""),
    SLICE("</script>"),
    SLICE("%n%s"),
    SLICE("203.0.113.7"),
    SLICE("2001:db8::1"),
    SLICE("443"),
    SLICE("18446744073709551616"),
    SLICE("1e400"),
    SLICE("-1"),
};

static struct slice hostile(struct arena *a)
{
    AUTO_BUF b = BUF_INIT;
    size_t n = next() % 6;

    if (next() % 100 == 0) {
        size_t many = next() % 70000;

        bool wide = next() % 2;

        for (size_t i = 0; i < many; i++)
            if (wide)
                buf_str(&b, i % 3 ? "\xf0\x9f\x92\xa9" : "x");
            else
                buf_char(&b, (char)(next() % 4 ? 'x' : (char)(next() & 0xff)));
    }
    for (size_t i = 0; i < n; i++)
        buf_slice(&b, pieces[next() % ARRAY_SIZE(pieces)]);
    return arena_slice(a, buf_view(&b));
}

static const char *const types[] = { "alert",    "event",        "ban.order", "daemon.start",
                                     "delivery", "trail.anchor", "\n\x1b]|\"" };
static const char *const actions[] = { "login_failed", "login_ok",      "user_added",
                                       "conn_open",    "access",        "ip_blocked",
                                       "probe",        "service_start", "x" };

static void make(struct trail_record *r, struct arena *a)
{
    *r = (struct trail_record){ .index = next() >> 12,
                                .time_us = UINT64_C(1795305495296225) + next() % 1000000000,
                                .event_us = UINT64_C(1795305495296225) - next() % 1000000000,
                                .type = slice_str(types[next() % ARRAY_SIZE(types)]),
                                .severity = (unsigned)(next() % 11),
                                .line = SLICE(
                                    "{\"i\":1,\"t\":\"2026-11-21T23:58:15.243890Z\",\"type\":\"x\""
                                    ",\"sd\":{}\t,\"pii\":{}}") };
    r->origin = next() % 8 ? SLICE("host.example/trail/1") : hostile(a);
    r->host = next() % 8 ? SLICE("host.example") : hostile(a);
    r->id = next() % 8 ? SLICE("host.example/trail/1/77") : hostile(a);
    for (unsigned i = 0; i < RECORD_SLOTS; i++)
        if (next() % 3 == 0)
            r->slots[i] = hostile(a);
    if (next() % 2)
        r->slots[FIELD_EVENT_ACTION] = slice_str(actions[next() % ARRAY_SIZE(actions)]);
    if (next() % 2)
        r->slots[FIELD_SOURCE_IP] = SLICE("2001:db8::1");
    if (next() % 4 == 0)
        r->slots[RECORD_TAGS] = SLICE("attack.t1110.001 attack.credential-access attack.t9");
    r->extra = arena_array(a, RECORD_EXTRA_MAX, sizeof *r->extra);
    for (r->nextra = 0; r->nextra < next() % 6; r->nextra++) {
        char name[24];

        snprintf(name, sizeof name, "n%zu\"\\.\n", r->nextra);
        r->extra[r->nextra].name = arena_slice(a, slice_str(name));
        r->extra[r->nextra].value = hostile(a);
    }
    r->kind = record_kind_of(r->type, r->slots[FIELD_EVENT_ACTION]);
}

/* ---- what must come back ---- */

struct model {
    const char *line_feed, *carriage; /* what stands for them */
    bool keeps_controls; /* JSON */
    bool trims;
    char delimiter; /* a blank instead */
};
static const struct model model_json = { "\n", "\r", true, false, 0 };
static const struct model model_parameter = { " ", " ", false, false, 0 };
static const struct model model_message = { " \xe2\x8f\x8e ", " ", false, false, 0 };
static const struct model model_cef = { "\n", "\r", false, true, 0 };
static const struct model model_leef = { " ", " ", false, false, '^' };

static struct slice trim_blanks(struct slice s)
{
    while (s.n && (unsigned char)s.p[0] <= ' ')
        s = slice_skip(s, 1);
    while (s.n && (unsigned char)s.p[s.n - 1] <= ' ')
        s.n--;
    return s;
}

static void expect(const struct model *m, struct slice s, size_t max, struct buf *out)
{
    size_t used = 0;

    s = m->trims ? trim_blanks(s) : s;
    while (s.n) {
        uint32_t cp = 0xfffd;
        unsigned n = utf8_decode(s, &cp);
        char c[4];
        unsigned bytes = utf8_encode(n ? cp : 0xfffd, c);

        if (used + bytes > max)
            break;
        used += bytes;
        s = slice_skip(s, n ? n : 1);
        if (m->keeps_controls)
            buf_add(out, c, bytes);
        else if (cp == '\n')
            buf_str(out, m->line_feed);
        else if (cp == '\r')
            buf_str(out, m->carriage);
        else if (cp < 0x20 || (cp >= 0x7f && cp < 0xa0) || cp == 0x2028 || cp == 0x2029 ||
                 (m->delimiter && cp == (unsigned char)m->delimiter))
            buf_char(out, ' ');
        else
            buf_add(out, c, bytes);
    }
}

enum value_kind {
    ANY,
    NUMBER, /* or nothing */
    PORT,
    ADDRESS,
};

struct expected {
    unsigned slot;
    const char *name;
    size_t max;
    enum value_kind kind;
};

/* From the tables of the formats, as far as a value goes into one place unchanged. */
static const struct expected in_rfc5424[] = {
    { RECORD_RULE, "rule", 8192, ANY },
    { FIELD_USER_NAME, "user", 8192, ANY },
    { FIELD_SOURCE_IP, "src_ip", 8192, ANY },
    { FIELD_URL_ORIGINAL, "url", 8192, ANY },
    { FIELD_EVENT_REASON, "reason", 8192, ANY },
    { RECORD_CHANNEL, "channel", 8192, ANY },
    { FIELD_USER_AGENT_ORIGINAL, "agent", 8192, ANY },
    { RECORD_TAGS, "tags", 8192, ANY },
};
static const struct expected in_cef[] = {
    { FIELD_USER_NAME, "suser", 1023, ANY },
    { FIELD_USER_TARGET_NAME, "duser", 1023, ANY },
    { FIELD_EVENT_REASON, "reason", 1023, ANY },
    { FIELD_URL_ORIGINAL, "request", 1023, ANY },
    { FIELD_HTTP_REQUEST_METHOD, "requestMethod", 1023, ANY },
    { FIELD_USER_AGENT_ORIGINAL, "requestClientApplication", 1023, ANY },
    { RECORD_CHANNEL, "cs1", 4000, ANY },
    { RECORD_TAGS, "cs2", 4000, ANY },
    { FIELD_SOURCE_PORT, "spt", 19, PORT },
    { FIELD_SOURCE_AS_NUMBER, "cn1", 19, NUMBER },
};
static const struct expected in_leef[] = {
    { FIELD_USER_NAME, "usrName", 8192, ANY },
    { FIELD_URL_ORIGINAL, "url", 8192, ANY },
    { FIELD_USER_TARGET_NAME, "accountName", 8192, ANY },
    { RECORD_RULE, "policy", 8192, ANY },
    { FIELD_SERVICE_NAME, "resource", 8192, ANY },
    { FIELD_SOURCE_PORT, "srcPort", 19, NUMBER },
    { FIELD_EVENT_REASON, "reason", 8192, ANY },
};
static const struct expected in_ecs[] = {
    { FIELD_USER_NAME, "user.name", 8192, ANY },
    { FIELD_URL_ORIGINAL, "url.original", 8192, ANY },
    { FIELD_URL_PATH, "url.path", 8192, ANY },
    { RECORD_RULE, "rule.id", 8192, ANY },
    { FIELD_EVENT_REASON, "event.reason", 8192, ANY },
    { FIELD_SOURCE_AS_ORGANIZATION_NAME, "source.as.organization.name", 8192, ANY },
    { FIELD_SOURCE_PORT, "source.port", 19, NUMBER },
    { FIELD_SOURCE_IP, "source.ip", 45, ADDRESS },
    { FIELD_USER_AGENT_ORIGINAL, "user_agent.original", 8192, ANY },
    { FIELD_USER_TARGET_NAME, "user.target.name", 8192, ANY },
};
static const struct expected in_ocsf[] = {
    { FIELD_EVENT_REASON, "status_detail", 8192, ANY },
    { RECORD_CHANNEL, "unmapped.channel", 8192, ANY },
    { RECORD_STATUS, "unmapped.status", 8192, ANY },
};
static const struct expected in_gelf[] = {
    { FIELD_USER_NAME, "_user", 8192, ANY },      { FIELD_URL_ORIGINAL, "_url", 8192, ANY },
    { RECORD_RULE, "_rule", 8192, ANY },          { FIELD_SOURCE_PORT, "_source_port", 19, NUMBER },
    { FIELD_EVENT_REASON, "_reason", 8192, ANY },
};

static const struct under_test {
    const struct encoder *encoder;
    bool (*decode)(struct decoded *d, struct slice s);
    const struct model *model, *message_model;
    const struct expected *list;
    size_t n;
    const char *message, *truncated, *id;
    size_t message_max;
} formats[] = {
    { &encoder_rfc5424, decode_rfc5424, &model_parameter, &model_message, in_rfc5424,
      ARRAY_SIZE(in_rfc5424), "MSG", "truncated", "id", 65536 },
    { &encoder_cef, decode_cef, &model_cef, &model_cef, in_cef, ARRAY_SIZE(in_cef), "msg", "cs4",
      NULL, 1023 },
    { &encoder_leef, decode_leef, &model_leef, &model_leef, in_leef, ARRAY_SIZE(in_leef), "msg",
      "truncated", "id", 65536 },
    { &encoder_ecs, decode_json, &model_json, &model_json, in_ecs, ARRAY_SIZE(in_ecs), "message",
      "trailwarden.truncated", "event.id", 65536 },
    { &encoder_ocsf, decode_json, &model_json, &model_json, in_ocsf, ARRAY_SIZE(in_ocsf), "message",
      "unmapped.truncated", "metadata.uid", 65536 },
    { &encoder_gelf, decode_json, &model_json, &model_json, in_gelf, ARRAY_SIZE(in_gelf),
      "short_message", "_truncated", "_event_id", 1024 },
};

/* ---- the check ---- */

static struct encoder_settings settings_of(const struct encoder *e, uint64_t max)
{
    struct encoder_settings s = { .facility = 16,
                                  .enterprise = 32473,
                                  .max_bytes = max,
                                  .ocsf_version = (int)(next() % 3),
                                  .ecs_version = "9.0.0",
                                  .dataset = "trailwarden",
                                  .namespace_ = "default",
                                  .delimiter = "^",
                                  .raw = true };

    for (s.format = 0; encoders[s.format] != e;)
        s.format++;
    assert_int_equal(encoder_ready(&s, NULL), 0);
    return s;
}

/* No sign that ends a line for anybody; LF is the frame of most receivers. */
static void assert_one_line(struct slice s, const char *format)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i], d = i + 1 < s.n ? (unsigned char)s.p[i + 1] : 0;
        unsigned char e = i + 2 < s.n ? (unsigned char)s.p[i + 2] : 0;

        if (c < 0x20 || c == 0x7f || (c == 0xc2 && d >= 0x80 && d < 0xa0) ||
            (c == 0xe2 && d == 0x80 && (e == 0xa8 || e == 0xa9)))
            fail_msg("%s: byte %zu is %02x", format, i, c);
    }
    assert_true(utf8_valid(s));
}

static bool is_plain_number(struct slice s)
{
    uint64_t v;

    return parse_u64(s, 0, UINT64_C(1) << 53, &v) == 0;
}

static bool is_address(struct slice s)
{
    char text[64], to[16];

    snprintf(text, sizeof text, "%.*s", SLICE_FMT(slice_take(s, sizeof text - 1)));
    return strlen(text) == s.n &&
           (inet_pton(AF_INET, text, to) == 1 || inet_pton(AF_INET6, text, to) == 1);
}

static struct slice source_of(const struct trail_record *r, const struct expected *e)
{
    struct slice s = r->slots[e->slot];

    if (e->kind == NUMBER && !is_plain_number(s))
        return SLICE("");
    if (e->kind == PORT && (!is_plain_number(s) || s.n > 3))
        return SLICE("");
    if (e->kind == ADDRESS && !is_address(s))
        return SLICE("");
    return s;
}

static void assert_same(const struct under_test *f, const struct model *m, const char *name,
                        struct slice source, size_t max, bool truncated, struct slice got)
{
    AUTO_BUF want = BUF_INIT;

    expect(m, source, max, &want);
    if (m->trims) {
        struct slice trimmed = trim_blanks(buf_view(&want));

        got = trim_blanks(got);
        if (slice_eq(trimmed, got) || (truncated && slice_starts(trimmed, got)))
            return;
    }
    if (slice_eq(buf_view(&want), got) || (truncated && slice_starts(buf_view(&want), got)))
        return;
    fail_msg("%s: %s is '%.*s', not '%.*s'", f->encoder->name, name,
             SLICE_FMT(slice_take(got, 500)), SLICE_FMT(slice_take(buf_view(&want), 500)));
}

static void check(const struct under_test *f, const struct trail_record *r, struct arena *a)
{
    static const uint64_t sizes[] = { 2048, 4096, 8000, 1 << 20 };
    struct encoder_settings s = settings_of(f->encoder, sizes[next() % ARRAY_SIZE(sizes)]);
    struct decoded d = { .arena = a };
    AUTO_BUF out = BUF_INIT;
    bool truncated;
    int e = encoder_encode(&s, r, &out);

    if (e < 0)
        fail_msg("%s: %s at %llu", f->encoder->name, err_name(e), (unsigned long long)s.max_bytes);
    assert_true(out.n <= s.max_bytes);
    assert_one_line(buf_view(&out), f->encoder->name);
    if (!f->decode(&d, buf_view(&out)) || d.fault)
        fail_msg("%s: %s in %.2000s", f->encoder->name, d.fault, out.p);
    truncated = decoded_get(&d, f->truncated).p != NULL;
    for (size_t i = 0; i < f->n; i++)
        assert_same(f, f->model, f->list[i].name, source_of(r, &f->list[i]), f->list[i].max,
                    truncated, decoded_get(&d, f->list[i].name));
    assert_same(f, f->message_model, f->message, record_message(r), f->message_max, truncated,
                decoded_get(&d, f->message));
    if (f->id)
        assert_same(f, f->model, f->id, r->id, 255, false, decoded_get(&d, f->id));
}

static uint64_t number_of(const char *name, uint64_t fallback)
{
    const char *text = getenv(name);
    uint64_t v = fallback;

    if (text && parse_u64(slice_str(text), 1, UINT64_MAX, &v) < 0)
        fail_msg("%s is no number", name);
    return v;
}

static void what_is_encoded_comes_back_by_a_strict_decoder(void **state)
{
    uint64_t cases = number_of("TW_ENCODER_CASES", 1500);
    struct arena *a = arena_new(1 << 20, 0);
    struct trail_record r;

    (void)state;
    seed = number_of("TW_ENCODER_SEED", seed);
    print_message("# seed %llu, %llu records\n", (unsigned long long)seed,
                  (unsigned long long)cases);
    for (uint64_t i = 0; i < cases; i++) {
        arena_reset(a);
        make(&r, a);
        for (size_t f = 0; f < ARRAY_SIZE(formats); f++)
            check(&formats[f], &r, a);
    }
    arena_free(a);
}

/* Each sign of the catalogue alone, in every slot at once. */
static void one_record_stays_one_record_for_each_hostile_value(void **state)
{
    struct arena *a = arena_new(1 << 20, 0);

    (void)state;
    for (size_t p = 0; p < ARRAY_SIZE(pieces); p++) {
        for (size_t f = 0; f < ARRAY_SIZE(formats); f++) {
            struct trail_record r;

            arena_reset(a);
            make(&r, a);
            for (unsigned i = 0; i < RECORD_SLOTS; i++)
                r.slots[i] = pieces[p];
            check(&formats[f], &r, a);
        }
    }
    arena_free(a);
}

/* ---- reading ---- */

static void member_personal(struct json_writer *w, const char *name, struct slice value)
{
    json_key(w, name);
    json_array(w);
    json_put_str(w, "AAAAAAAAAAAAAAAAAAAAAA");
    json_put_slice(w, value);
    json_array_end(w);
}

static void put_event(struct json_writer *w, struct slice user, struct slice raw, const char *time)
{
    json_object(w);
    json_member_str(w, "time", time);
    json_member_str(w, "channel", "api");
    json_member_slice(w, "raw", raw);
    json_key(w, "fields");
    json_object(w);
    json_member_slice(w, "user.name", user);
    json_object_end(w);
    json_object_end(w);
}

static void an_alert_is_read_with_the_event_that_fired(void **state)
{
    uint64_t cases = number_of("TW_ENCODER_CASES", 1500) / 3 + 1;
    struct arena *a = arena_new(1 << 20, 0);
    struct record_reader *rr = record_reader_new("o/trail/1", "h");

    (void)state;
    assert_non_null(rr);
    for (uint64_t i = 0; i < cases; i++) {
        AUTO_BUF line = BUF_INIT;
        AUTO_BUF events = BUF_INIT;
        AUTO_BUF clean = BUF_INIT;
        struct json_writer w = json_writer(&line), ew = json_writer(&events);
        struct slice first, last, raw;
        struct trail_record r;
        struct err err = ERR_NONE;

        arena_reset(a);
        first = hostile(a);
        last = hostile(a);
        raw = hostile(a);
        json_array(&ew);
        put_event(&ew, first, SLICE(",{\"time\":\""), "2026-11-21T01:00:00.000000Z");
        put_event(&ew, last, raw, "2026-11-21T01:00:01.000000Z");
        json_array_end(&ew);
        json_object(&w);
        json_member_u64(&w, "i", i);
        json_member_str(&w, "t", "2026-11-21T23:58:15.243890Z");
        json_member_str(&w, "type", "alert");
        json_member_str(&w, "level", "high");
        json_key(&w, "pii");
        json_object(&w);
        member_personal(&w, "source.ip", SLICE("203.0.113.7"));
        member_personal(&w, "events", buf_view(&events));
        json_object_end(&w);
        json_object_end(&w);
        if (record_read(rr, buf_view(&line), a, &r, &err) < 0)
            fail_msg("%s", err.text);
        assert_int_equal(r.index, i);
        assert_int_equal(r.severity, 7);
        assert_true(slice_is(r.slots[FIELD_SOURCE_IP], "203.0.113.7"));
        assert_true(slice_eq(r.slots[FIELD_USER_NAME], utf8_clean(a, last, NULL)));
        assert_true(slice_eq(r.slots[RECORD_RAW], utf8_clean(a, raw, NULL)));
        assert_int_equal(r.event_us % 60000000, 1000000);
    }
    record_reader_free(rr);
    arena_free(a);
}

static void erased_values_are_simply_not_there(void **state)
{
    AUTO(arena) a = arena_new(65536, 0);
    AUTO(record_reader) rr = record_reader_new("o/trail/1", "h");
    struct trail_record r;

    (void)state;
    assert_int_equal(
        record_read(rr,
                    SLICE("{\"i\":2,\"t\":\"2026-11-21T23:58:15.243890Z\",\"type\":\"alert\","
                          "\"rule\":\"r\",\"sd\":{\"source.ip\":\"AAAA\"}}"),
                    a, &r, NULL),
        0);
    assert_int_equal(r.slots[FIELD_SOURCE_IP].n, 0);
    assert_true(slice_is(r.slots[RECORD_RULE], "r"));
    assert_true(slice_is(r.id, "o/trail/1/2"));
}

static void what_is_no_entry_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "{}",
        "[]",
        "x",
        "{\"i\":1}",
        "{\"i\":1,\"t\":\"2026-11-21T23:58:15.243890Z\"}",
        "{\"i\":-1,\"t\":\"2026-11-21T23:58:15.243890Z\",\"type\":\"x\"}",
        "{\"i\":1,\"t\":\"yesterday\",\"type\":\"x\"}",
    };
    AUTO(arena) a = arena_new(65536, 0);
    AUTO(record_reader) rr = record_reader_new("o/trail/1", "h");
    struct trail_record r;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_true(record_read(rr, slice_str(bad[i]), a, &r, NULL) < 0);
}

static void the_severities_are_those_of_each_scheme(void **state)
{
    static const struct {
        const char *level;
        unsigned syslog, ocsf;
    } of[] = { { "informational", 6, 1 },
               { "low", 5, 2 },
               { "medium", 4, 3 },
               { "high", 3, 4 },
               { "critical", 2, 5 } };
    AUTO(arena) a = arena_new(65536, 0);
    AUTO(record_reader) rr = record_reader_new("o/trail/1", "h");

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(of); i++) {
        char line[160], want[32];
        struct encoder_settings s = settings_of(&encoder_ocsf, 8000);
        AUTO_BUF out = BUF_INIT;
        struct trail_record r;

        snprintf(line, sizeof line,
                 "{\"i\":2,\"t\":\"2026-11-21T23:58:15.243890Z\",\"type\":\"alert\",\"level\":"
                 "\"%s\"}",
                 of[i].level);
        assert_int_equal(record_read(rr, slice_str(line), a, &r, NULL), 0);
        assert_int_equal(encoder_encode(&s, &r, &out), 0);
        snprintf(want, sizeof want, "\"severity_id\":%u,", of[i].ocsf);
        assert_true(slice_find(buf_view(&out), slice_str(want)) != SIZE_MAX);
        s = settings_of(&encoder_rfc5424, 8000);
        buf_reset(&out);
        assert_int_equal(encoder_encode(&s, &r, &out), 0);
        snprintf(want, sizeof want, "<%u>1 ", 16 * 8 + of[i].syslog);
        assert_true(slice_starts(buf_view(&out), slice_str(want)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_encoded_comes_back_by_a_strict_decoder),
        cmocka_unit_test(one_record_stays_one_record_for_each_hostile_value),
        cmocka_unit_test(an_alert_is_read_with_the_event_that_fired),
        cmocka_unit_test(erased_values_are_simply_not_there),
        cmocka_unit_test(what_is_no_entry_is_refused),
        cmocka_unit_test(the_severities_are_those_of_each_scheme),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
