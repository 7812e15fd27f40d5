/* The document of an alert, written and read again. */
#include "schemas/alert.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct slice tags[] = { SLICE("attack.t1110"), SLICE("a \"tag\"") };
static struct alert_group group[] = { { SLICE("source.ip"), SLICE("203.0.113.7") },
                                      { SLICE("user.name"), SLICE("al\nice\\") } };
static struct slice evidence[] = {
    SLICE("{\"time\":\"2026-11-21T01:00:00.000000Z\",\"flags\":[],\"fields\":{\"a\":[\"x\",null],"
          "\"n\":\"-1.5e3\"},\"cut\":true}"),
    SLICE("{\"raw\":\"\\u0000\\u001b[2J\",\"fields\":{}}"),
};

static struct alert sample(void)
{
    struct alert alert = {
        .rule_id = SLICE("xray-login-failed"),
        .rule_title = SLICE("Failed logins"),
        .rule_author = SLICE("us"),
        .rule_file = SLICE("x.yml"),
        .rule_description = SLICE("d"),
        .level = LEVEL_HIGH,
        .tags = tags,
        .ntags = 2,
        .channel = SLICE("xray"),
        .time_us = UINT64_C(1795224886132131),
        .first_us = UINT64_C(1795224880000001),
        .window_us = 300 * USEC_PER_SEC,
        .count = UINT64_MAX,
        .threshold = 5,
        .lower_bound = true,
        .group = group,
        .ngroup = 2,
        .evidence = evidence,
        .nevidence = 2,
        .trust = TRUST_RECORD,
        .backfill = true,
        .ban = { .wanted = true, .address = SLICE("203.0.113.7"), .for_us = 600 * USEC_PER_SEC },
        .key = { .stream = { 1, 2, 255 }, .position = UINT64_MAX },
    };

    memset(alert.rule_digest, 0xab, sizeof alert.rule_digest);
    alert_identify(&alert);
    return alert;
}

static void write_alert(const struct alert *alert, struct buf *out)
{
    struct json_writer w = json_writer(out);

    alert_json(alert, &w);
    assert_true(buf_ok(out));
}

static int read_alert(struct slice text, struct arena *a, struct alert *ret, struct err *err)
{
    struct json *doc = json_load(a, text, err);

    return doc ? alert_read(doc, a, ret, err) : -EINVAL;
}

static void what_was_written_is_read_again(void **state)
{
    AUTO(arena) a = arena_new(4096, 1 << 20);
    AUTO_BUF first = BUF_INIT;
    AUTO_BUF second = BUF_INIT;
    struct alert alert = sample(), again;

    (void)state;
    write_alert(&alert, &first);
    assert_int_equal(read_alert(buf_view(&first), a, &again, NULL), 0);
    write_alert(&again, &second);
    assert_string_equal(first.p, second.p);
    assert_memory_equal(alert.id, again.id, sizeof alert.id);
    assert_int_equal(again.nnotify, 0);
}

static void little_is_needed(void **state)
{
    AUTO(arena) a = arena_new(4096, 1 << 20);
    struct alert alert;

    (void)state;
    assert_int_equal(
        read_alert(SLICE("{\"rule\":{\"id\":\"x\"},\"level\":\"low\"}"), a, &alert, NULL), 0);
    assert_true(slice_is(alert.rule_id, "x"));
    assert_int_equal(alert.level, LEVEL_LOW);
    assert_int_equal(alert.count, 1);
    assert_int_equal(alert.trust, TRUST_FORGEABLE);
    assert_int_equal(alert.ngroup + alert.ntags + alert.nevidence, 0);
}

static void what_is_no_alert_is_refused_with_a_reason(void **state)
{
    static const char *const bad[] = {
        "[]",
        "{}",
        "\"x\"",
        "{\"rule\":\"x\",\"level\":\"low\"}",
        "{\"rule\":{\"id\":\"\"},\"level\":\"low\"}",
        "{\"rule\":{\"id\":[]},\"level\":\"low\"}",
        "{\"rule\":{\"id\":\"x\"}}",
        "{\"rule\":{\"id\":\"x\"},\"level\":\"lowest\"}",
        "{\"rule\":{\"id\":\"x\"},\"level\":\"low\",\"id\":\"0\"}",
        "{\"rule\":{\"id\":\"x\"},\"level\":\"low\",\"tags\":{}}",
        "{\"rule\":{\"id\":\"x\"},\"level\":\"low\",\"tags\":[1]}",
        "{\"rule\":{\"id\":\"x\"},\"level\":\"low\",\"group\":\"x\"}",
        "{\"rule\":{\"id\":\"x\"},\"level\":\"low\",\"group\":[{\"value\":\"x\"}]}",
        "{\"rule\":{\"id\":\"x\"},\"level\":\"low\",\"events\":[\"x\"]}",
    };
    AUTO(arena) a = arena_new(4096, 1 << 20);

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct alert alert = { .count = 77 };
        struct err err = ERR_NONE;

        if (read_alert(slice_str(bad[i]), a, &alert, &err) != -EINVAL || !err.text[0])
            fail_msg("%s", bad[i]);
        assert_int_equal(alert.count, 77);
    }
}

/* Any byte changed: it is refused, or what was read can be written and read again. */
static void a_damaged_document_does_no_harm(void **state)
{
    AUTO_BUF text = BUF_INIT;
    struct alert alert = sample();
    unsigned taken = 0;

    (void)state;
    write_alert(&alert, &text);
    for (size_t i = 0; i < text.n; i++)
        for (size_t k = 0; k < 4; k++) {
            AUTO(arena) a = arena_new(16384, 1 << 20);
            AUTO_BUF again = BUF_INIT;
            char kept = text.p[i];
            struct alert got;

            text.p[i] = "\"[0\\"[k];
            if (read_alert(buf_view(&text), a, &got, NULL) == 0) {
                taken++;
                write_alert(&got, &again);
                assert_int_equal(read_alert(buf_view(&again), a, &got, NULL), 0);
            }
            text.p[i] = kept;
        }
    assert_true(taken > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_written_is_read_again),
        cmocka_unit_test(little_is_needed),
        cmocka_unit_test(what_is_no_alert_is_refused_with_a_reason),
        cmocka_unit_test(a_damaged_document_does_no_harm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
