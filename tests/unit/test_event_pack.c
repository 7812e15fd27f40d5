/* Events packed for windows: the short document comes out of them, and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "schemas/event-pack.h"

#define MAX 2048
#define ROUNDS 3000

static uint32_t dice(uint32_t *x, uint32_t n)
{
    *x = *x * 1664525u + 1013904223u;
    return (uint32_t)(((uint64_t)*x * n) >> 32);
}

static struct slice random_text(struct arena *a, uint32_t *x, uint32_t longest)
{
    static const char *const pieces[] = { "a", "Zz", "\"", "\\", "é", "\n", " ", "€", "{", "1" };
    AUTO_BUF b = BUF_INIT;

    for (uint32_t n = dice(x, longest); b.n < n;)
        buf_str(&b, pieces[dice(x, ARRAY_SIZE(pieces))]);
    return arena_slice(a, buf_view(&b));
}

static void make_event(struct arena *a, uint32_t *x, struct event *ev)
{
    *ev = (struct event){ .time_us = UINT64_C(1790000000000000) + dice(x, 1000000000),
                          .channel = SLICE("api"),
                          .format = random_text(a, x, 20),
                          .input = random_text(a, x, 200),
                          .key = { .stream = { 1, 2, 0, 255 }, .position = dice(x, 1u << 30) },
                          .trust = (enum trust)dice(x, TRUST_RECORD + 1),
                          .flags = dice(x, 1024),
                          .raw = random_text(a, x, dice(x, 4) ? 400 : 3000),
                          .arena = a };
    for (uint32_t n = dice(x, 40); n > 0; n--) {
        enum field_id id = (enum field_id)dice(x, FIELD_DICTIONARY);

        if (dice(x, 8) == 0)
            (void)event_add(ev, FIELD_OTHER, SLICE("other"), VALUE_STRING, SLICE("not kept"));
        else if (dice(x, 16) == 0)
            (void)event_add(ev, FIELD_USER_NAME, SLICE("user.name"), VALUE_NULL, SLICE_NONE);
        else
            (void)event_set(ev, id, random_text(a, x, dice(x, 4) ? 40 : 300));
    }
}

/* The document as it is written from the event: what is cut is cut at whole characters. */
static void expected(const struct event *ev, struct arena *a, struct buf *out)
{
    struct event copy = *ev;
    struct json_writer w = json_writer(out);

    copy.nfields = copy.fields_cap = 0;
    copy.fields = NULL;
    copy.arena = a;
    for (size_t i = 0; i < ev->nfields && copy.nfields < 24; i++) {
        struct field f = ev->fields[i];

        while (f.value.n > MAX / 16 || (f.value.n && f.value.n < ev->fields[i].value.n &&
                                        ((unsigned char)f.value.p[f.value.n] & 0xc0) == 0x80))
            f.value.n--;
        if (f.id < FIELD_DICTIONARY && f.id != FIELD_MESSAGE)
            (void)event_add(&copy, f.id, f.name, f.type, f.value);
    }
    while (copy.raw.n > MAX / 2 || (copy.raw.n < ev->raw.n && copy.raw.n &&
                                    ((unsigned char)copy.raw.p[copy.raw.n] & 0xc0) == 0x80))
        copy.raw.n--;
    event_json_cut(&copy, copy.raw.n < ev->raw.n, &w);
}

static void the_short_document_comes_out_of_a_pack(void **state)
{
    AUTO(arena) a = arena_new(65536, 64 << 20);
    uint32_t x = 7;

    (void)state;
    for (unsigned i = 0; i < ROUNDS; i++) {
        AUTO_BUF pack = BUF_INIT;
        AUTO_BUF got = BUF_INIT;
        AUTO_BUF want = BUF_INIT;
        struct event ev;

        arena_reset(a);
        make_event(a, &x, &ev);
        event_pack(&ev, MAX, &pack);
        event_pack_json(buf_view(&pack), &got);
        expected(&ev, a, &want);
        assert_string_equal(got.p, want.p);
        assert_non_null(json_load(a, buf_view(&got), NULL));
        assert_int_equal(event_pack_trust(buf_view(&pack)), ev.trust);
        assert_true(slice_is(event_pack_channel(buf_view(&pack), a), "api"));
        assert_true(slice_starts(ev.raw, event_pack_raw(buf_view(&pack), a)));
    }
}

static void a_pack_that_was_cut_or_changed_tells_nothing_wrong(void **state)
{
    AUTO(arena) a = arena_new(65536, 64 << 20);
    AUTO_BUF pack = BUF_INIT;
    struct event ev;
    uint32_t x = 3;

    (void)state;
    make_event(a, &x, &ev);
    event_pack(&ev, MAX, &pack);
    for (size_t n = 0; n < pack.n; n++) {
        AUTO_BUF got = BUF_INIT;
        AUTO_BUF part = BUF_INIT; /* of just that length: a reader beyond its end is seen */

        buf_add(&part, pack.p, n);
        event_pack_json(buf_view(&part), &got);
        assert_int_equal(got.n, 0);
        assert_int_equal(event_pack_raw(buf_view(&part), a).n, 0);
    }
    for (size_t n = 0; n < pack.n; n++) {
        AUTO_BUF got = BUF_INIT;

        pack.p[n] ^= (char)(1u << n % 8);
        event_pack_json(buf_view(&pack), &got);
        assert_true(got.n == 0 || (got.p[0] == '{' && got.p[got.n - 1] == '}'));
        pack.p[n] ^= (char)(1u << n % 8);
    }
}

static void documents_that_older_versions_stored_are_read(void **state)
{
    AUTO(arena) a = arena_new(65536, 64 << 20);
    struct slice old = SLICE("{\"channel\":\"xui\",\"trust\":\"line\",\"raw\":\"say "
                             "\\\"trust\\\":\\\"forgeable\\\"\"}");
    AUTO_BUF got = BUF_INIT;

    (void)state;
    event_pack_json(old, &got);
    assert_true(slice_eq(buf_view(&got), old));
    assert_true(slice_is(event_pack_channel(old, a), "xui"));
    assert_true(slice_is(event_pack_raw(old, a), "say \"trust\":\"forgeable\""));
    assert_int_equal(event_pack_trust(old), TRUST_LINE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_short_document_comes_out_of_a_pack),
        cmocka_unit_test(a_pack_that_was_cut_or_changed_tells_nothing_wrong),
        cmocka_unit_test(documents_that_older_versions_stored_are_read),
    };

    return cmocka_run_group_tests_name("event_pack", tests, NULL, NULL);
}
