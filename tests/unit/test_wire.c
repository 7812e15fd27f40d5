/* What a reader's result is on the other side, and what a reader that was taken over may try. */
#include "logwatch/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include <errno.h>

struct bench {
    struct config *config;
    struct arena *arena;
    struct buf body;
};

static int setup(void **state)
{
    struct bench *t = calloc(1, sizeof *t);
    AUTO(diag) d = diag_new();
    char path[] = "/tmp/tw-wire-XXXXXX";
    int fd = mkstemp(path);
    FILE *f = fdopen(fd, "w");
    struct config_request q = { .path = path };

    fputs("state: /nonexistent\nchannels:\n  xui: {inputs: [{type: file, path: /tmp/a}, {type: "
          "file, path: "
          "/tmp/b}]}\n  api: {inputs: [{type: stdin}]}\n",
          f);
    fclose(f);
    assert_int_equal(config_load(&q, d, &t->config), 0);
    unlink(path);
    t->arena = arena_new(4096, 0);
    *state = t;
    return 0;
}

static int teardown(void **state)
{
    struct bench *t = *state;

    config_free(t->config);
    arena_free(t->arena);
    buf_fini(&t->body);
    free(t);
    return 0;
}

static struct event *an_event(struct bench *t, const char *raw)
{
    struct event *ev = arena_alloc(t->arena, sizeof *ev);
    uint32_t inner = field_find(t->config->engine->names, SLICE("source.ip"));

    *ev = (struct event){ .time_us = 1795225175000000,
                          .received_us = 7,
                          .channel = SLICE("xui"),
                          .format = SLICE("xui"),
                          .input = SLICE("/tmp/a"),
                          .trust = TRUST_LINE,
                          .flags = EVENT_NUL,
                          .raw = slice_str(raw),
                          .arena = t->arena };
    memset(ev->key.stream, 0xab, sizeof ev->key.stream);
    ev->key.position = 4242;
    assert_int_equal(event_add(ev, inner, SLICE("source.ip"), VALUE_STRING, SLICE("192.0.2.1")), 0);
    assert_int_equal(event_add(ev, FIELD_OTHER, SLICE("my own"), VALUE_NUMBER, SLICE("7")), 0);
    assert_int_equal(event_add(ev, FIELD_OTHER, SLICE("nothing"), VALUE_NULL, SLICE("")), 0);
    return ev;
}

/* Two events, three matches, cursors, notices. */
static void a_result(struct bench *t, struct reader_result *r)
{
    struct match *m = arena_array(t->arena, 3, sizeof *m);
    struct event *one = an_event(t, "one"), *two = an_event(t, "two");
    static const struct cursor cursors[] = { { { "s", 1 }, { "{\"offset\":1}", 12 } },
                                             { { "gone", 4 }, { "", 0 } } };
    static const struct notice notices[] = { { "source.gap", { "\"from\":1,\"to\":5", 15 } },
                                             { "source.start", { "", 0 } } };

    m[0] = (struct match){ 0, one };
    m[1] = (struct match){ 3, one };
    m[2] = (struct match){ MATCH_AUDIT, two };
    *r = (struct reader_result){
        .input = inputs_at(t->config, 1),
        .matches = m,
        .nmatches = 3,
        .cursors = cursors,
        .ncursors = 2,
        .notices = notices,
        .nnotices = 2,
        .name = SLICE("/tmp/b"),
        .lines = 10,
        .bytes = 1000,
        .events = 9,
        .unparsed = 2,
        .regex_limits = 1,
        .last_event_us = 5,
        .lag = { 1, 2, 3 },
        .trouble = TROUBLE_SILENT | TROUBLE_BLIND,
        .shows_logins = true,
    };
    buf_reset(&t->body);
    assert_int_equal(wire_put_result(&t->body, t->config, r), 0);
}

static void a_result_crosses_unchanged(void **state)
{
    struct bench *t = *state;
    struct reader_result sent, got;
    AUTO_BUF a = BUF_INIT;
    AUTO_BUF b = BUF_INIT;
    struct err err = ERR_NONE;

    a_result(t, &sent);
    if (wire_get_result(buf_view(&t->body), t->config, t->arena, &got, &err) < 0)
        fail_msg("%s", err.text);
    assert_ptr_equal(got.input, inputs_at(t->config, 1));
    assert_int_equal(got.lines, 10);
    assert_int_equal(got.unparsed, 2);
    assert_int_equal(got.lag.streams, 3);
    assert_int_equal(got.trouble, TROUBLE_SILENT | TROUBLE_BLIND);
    assert_true(got.shows_logins);
    assert_false(got.end);
    assert_true(slice_is(got.name, "/tmp/b"));
    assert_int_equal(got.ncursors, 2);
    assert_true(slice_is(got.cursors[0].value, "{\"offset\":1}"));
    assert_int_equal(got.cursors[1].value.n, 0);
    assert_string_equal(got.notices[0].type, "source.gap");
    assert_true(slice_is(got.notices[0].members, "\"from\":1,\"to\":5"));
    assert_int_equal(got.nmatches, 3);
    for (size_t i = 0; i < 3; i++) {
        struct json_writer wa = json_writer(&a), wb = json_writer(&b);

        assert_int_equal(got.matches[i].rule, sent.matches[i].rule);
        event_json(sent.matches[i].event, &wa);
        event_json(got.matches[i].event, &wb);
        assert_int_equal(got.matches[i].event->fields[0].id, sent.matches[i].event->fields[0].id);
    }
    assert_ptr_equal(got.matches[0].event, got.matches[1].event); /* one event, two rules */
    assert_true(slice_eq(buf_view(&a), buf_view(&b)));
}

static void every_cut_and_every_changed_byte_is_survived(void **state)
{
    struct bench *t = *state;
    struct reader_result sent, got;
    size_t refused = 0;
    char *copy;

    a_result(t, &sent);
    copy = malloc(t->body.n);
    for (size_t n = 0; n < t->body.n; n++) {
        struct err err = ERR_NONE;
        char *part = malloc(n ? n : 1); /* of its own, so that reading past it is seen */

        memcpy(part, t->body.p, n);
        assert_int_equal(wire_get_result(slice_of(part, n), t->config, t->arena, &got, &err),
                         -EPROTO);
        free(part);
        for (unsigned bit = 0; bit < 8; bit++) {
            memcpy(copy, t->body.p, t->body.n);
            copy[n] = (char)(copy[n] ^ (1 << bit));
            refused +=
                wire_get_result(slice_of(copy, t->body.n), t->config, t->arena, &got, &err) < 0;
        }
        arena_reset(t->arena);
    }
    assert_true(refused > t->body.n); /* what remains is another result, and a sound one */
    free(copy);
}

static void a_reader_cannot_name_what_is_not_there(void **state)
{
    struct bench *t = *state;
    struct reader_result sent, got;
    struct err err = ERR_NONE;
    struct match *m;

    a_result(t, &sent);
    m = sent.matches;
    m[1].rule = (uint32_t)rules_count(t->config->engine->rules);
    buf_reset(&t->body);
    assert_int_equal(wire_put_result(&t->body, t->config, &sent), 0);
    assert_int_equal(wire_get_result(buf_view(&t->body), t->config, t->arena, &got, &err), -EPROTO);
    m[1].rule = 0;
    sent.input = (const struct config_input *)m; /* no input of the configuration */
    buf_reset(&t->body);
    assert_int_equal(wire_put_result(&t->body, t->config, &sent), 0);
    assert_int_equal(wire_get_result(buf_view(&t->body), t->config, t->arena, &got, &err), -EPROTO);
}

static void a_note_cannot_smuggle_json_into_the_trail(void **state)
{
    static const struct {
        const char *type;
        struct slice members;
        int expected;
    } cases[] = {
        { "source.gap", { "\"from\":1", 8 }, 0 },
        { "source.gap", { "", 0 }, 0 },
        { "source.gap", { "\"from\":1},{\"x\":2", 16 }, -EPROTO },
        { "source.gap", { "\"from\":1}", 9 }, -EPROTO },
        { "source.gap", { "\"a\":1\0,\"b\":}", 12 }, -EPROTO },
        { "source.gap", { "from", 4 }, -EPROTO },
        { "Source", { "", 0 }, -EPROTO },
        { "a\",\"x\":\"", { "", 0 }, -EPROTO },
        { "", { "", 0 }, -EPROTO },
        { "a.type.that.is.far.longer.than.any.of.ours", { "", 0 }, -EPROTO },
    };
    struct bench *t = *state;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct err err = ERR_NONE;
        struct slice members;
        const char *type;

        buf_reset(&t->body);
        assert_int_equal(wire_put_note(&t->body, cases[i].type, cases[i].members), 0);
        assert_int_equal(wire_get_note(buf_view(&t->body), t->arena, &type, &members, &err),
                         cases[i].expected);
    }
}

static void each_message_has_one_direction(void **state)
{
    (void)state;
    for (unsigned type = 0; type < MESSAGES + 3; type++) {
        unsigned ways = 0;

        for (int from = ROLE_PARENT; from <= ROLE_SENDER; from++)
            for (int to = ROLE_PARENT; to <= ROLE_SENDER; to++)
                ways += message_limit(type, (enum role)from, (enum role)to) > 0;
        assert_int_equal(ways, type >= 1 && type < MESSAGES);
    }
    assert_int_equal(message_limit(MESSAGE_STOP, ROLE_READER, ROLE_CORE), 0);
    assert_int_equal(message_limit(MESSAGE_RESULT, ROLE_SENDER, ROLE_CORE), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_result_crosses_unchanged, setup, teardown),
        cmocka_unit_test_setup_teardown(every_cut_and_every_changed_byte_is_survived, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_reader_cannot_name_what_is_not_there, setup, teardown),
        cmocka_unit_test_setup_teardown(a_note_cannot_smuggle_json_into_the_trail, setup, teardown),
        cmocka_unit_test(each_message_has_one_direction),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
