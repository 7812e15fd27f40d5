/* A person is erased from the store: no byte is left, and all that is of others stays. */
#include "base/file.h"
#include "store/store-private.h"
#include "tests/unit/store_rig.h"

static bool hit(void *ctx, struct slice name, struct slice text)
{
    (void)name;
    return slice_find(text, slice_str(ctx)) != SIZE_MAX;
}

static void add_alert_of(struct bench *t, unsigned n, const char *user)
{
    struct alert *a;

    add_alert(t, n, LEVEL_LOW);
    a = t->batch.alerts[t->batch.nalerts - 1];
    a->group[0] = (struct alert_group){ SLICE("user.name"), slice_str(user) };
    a->evidence = arena_array(t->arena, 1, sizeof *a->evidence);
    a->evidence[0] = slice_str(arena_printf(t->arena, "{\"raw\":\"login of %s\"}", user));
    a->nevidence = 1;
}

static void add_message(struct bench *t, const char *key, const char *kind, const char *document)
{
    add_outgoing(t, key, "ops", 0);
    t->batch.outgoing[t->batch.noutgoing - 1].kind = slice_str(kind);
    t->batch.outgoing[t->batch.noutgoing - 1].document = slice_str(document);
}

static void fill(struct bench *t)
{
    t->keep_us = UINT64_C(1) << 40;
    add_alert_of(t, 1, "alice");
    add_alert_of(t, 2, "bob");
    add_signal(t, 100, "alice");
    add_signal(t, 101, "bob");
    add_signal(t, 102, "carol");
    t->batch.signals[2].evidence = SLICE("{\"raw\":\"carol and alice\"}");
    add_message(t, "k1", "notify", "{\"a\":[\"x alice\",7,null,true],\"b\":\"bob\"}");
    add_message(t, "k2", "ban", "{\"address\":\"alice\"}");
    add_message(t, "k3", "notify", "{\"b\":\"bob\"}");
    assert_int_equal(commit(t), 0);
}

static int see_document(void *ctx, const struct outbox_row *row)
{
    buf_printf(ctx, "%d %.*s\n", (int)row->state, SLICE_FMT(row->document));
    return 0;
}

static int see_group(void *ctx, const struct alert_row *row)
{
    buf_printf(ctx, "%.*s\n", SLICE_FMT(row->group));
    return 0;
}

/* In the file, and in its log. */
static bool on_disk(struct bench *t, const char *text)
{
    static const char *const ends[] = { "", "-wal" };
    bool found = false;

    for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
        AUTO_BUF b = BUF_INIT;

        assert_int_equal(
            file_read(-1, arena_printf(t->arena, "%s%s", t->path, ends[i]), 1 << 24, &b, NULL), 0);
        found = found || slice_find(buf_view(&b), slice_str(text)) != SIZE_MAX;
    }
    return found;
}

static void a_person_is_gone_and_the_others_stay(void **state)
{
    static char alice[] = "alice";
    const uint8_t id[16] = { 1 };
    struct alert_filter all = { .level_min = -1 };
    struct store_erased n;
    struct bench t;

    (void)state;
    bench_new(&t);
    bench_open(&t);
    fill(&t);
    assert_true(on_disk(&t, "alice"));
    assert_int_equal(store_erase(t.store, hit, alice, true, &n, &t.err), 0);
    assert_int_equal(n.alerts, 1);
    assert_int_equal(n.messages, 2);
    assert_int_equal(n.signals, 2);
    assert_string_equal(SIGNALS(&t, t.store), "alice@100 bob@101 carol@102 "); /* only counted */
    assert_int_equal(store_erase(t.store, hit, alice, false, &n, &t.err), 0);
    assert_int_equal(n.alerts, 1);
    assert_false(on_disk(&t, "alice"));
    assert_true(on_disk(&t, "bob"));
    assert_string_equal(SIGNALS(&t, t.store), "bob@101 ");
    assert_int_equal(store_alert_known(t.store, id, &t.err), 1);
    assert_string_equal(SEEN(&t, store_alerts_each(t.store, &all, see_group, &out_, NULL)),
                        "user.name=bob\n[erased]\n");
    assert_string_equal(SEEN(&t, store_outbox_each(t.store, -1, 9, see_document, &out_, NULL)),
                        "0 {\"b\":\"bob\"}\n"
                        "3 {\"address\":\"[erased]\"}\n"
                        "0 {\"a\":[\"[erased]\",7,null,true],\"b\":\"bob\"}\n");
    fill(&t); /* and it goes on: what is known is not added again */
    bench_free(&t);
}

static int see_who(void *ctx, const struct outbox_row *row)
{
    buf_printf(ctx, "%.*s,%.*s,%.*s\n", SLICE_FMT(row->source), SLICE_FMT(row->user),
               SLICE_FMT(row->incident));
    return 0;
}

static int see_incident(void *ctx, const struct incident *i)
{
    buf_printf(ctx, "%.*s ", SLICE_FMT(i->key));
    return 0;
}

static int see_silence(void *ctx, const struct silence *s)
{
    buf_printf(ctx, "%llu ", (unsigned long long)s->id);
    return 0;
}

static void put_incident(struct bench *t, const char *key, const char *group, const char *by)
{
    struct incident *i = arena_alloc(t->arena, sizeof *i);

    *i = (struct incident){ .key = slice_str(key),
                            .rule = SLICE("r"),
                            .title = SLICE("r"),
                            .channel = SLICE("xui"),
                            .last_alert = SLICE("00"),
                            .comment = SLICE("a comment") };
    i->group = slice_str(group);
    i->by = slice_str(by);
    assert_int_equal(batch_incident(&t->batch, i), 0);
}

static void what_people_dealt_with_goes_with_the_person(void **state)
{
    static char alice[] = "alice";
    const struct incident_filter any = { .level_min = -1 };
    struct store_erased n;
    struct bench t;

    (void)state;
    bench_new(&t);
    bench_open(&t);
    add_message(&t, "k1", "notify", "{\"a\":\"bob\"}");
    t.batch.outgoing[0].user = SLICE("alice");
    t.batch.outgoing[0].source = SLICE("192.0.2.1");
    t.batch.outgoing[0].incident = SLICE("aaaa");
    put_incident(&t, "aaaa", "user.name=alice", "");
    put_incident(&t, "bbbb", "user.name=bob", "alice");
    put_incident(&t, "cccc", "user.name=bob", "carol");
    for (uint64_t i = 1; i <= 2; i++) {
        struct silence *s = batch_silence(&t.batch, i);

        s->when = i == 1 ? SLICE("{\"user.name\":[\"alice\"]}") : SLICE("{\"rule\":[\"r\"]}");
        s->by = SLICE("carol");
        s->comment = SLICE("");
        s->until_us = 9;
    }
    assert_int_equal(commit(&t), 0);
    assert_int_equal(store_erase(t.store, hit, alice, true, &n, &t.err), 0);
    assert_string_equal(SEEN(&t, store_silences_each(t.store, 0, see_silence, &out_, NULL)),
                        "2 1 ");
    assert_int_equal(store_erase(t.store, hit, alice, false, &n, &t.err), 0);
    assert_string_equal(SEEN(&t, store_outbox_each(t.store, -1, 9, see_who, &out_, NULL)),
                        "192.0.2.1,[erased],\n");
    assert_string_equal(SEEN(&t, store_incidents_each(t.store, &any, see_incident, &out_, NULL)),
                        "cccc ");
    assert_string_equal(SEEN(&t, store_silences_each(t.store, 0, see_silence, &out_, NULL)), "2 ");
    assert_false(on_disk(&t, "alice"));
    bench_free(&t);
}

/* Deleted long ago, by pruning: nobody can reach it, but the bytes are in a free page. */
static void what_was_deleted_before_is_gone_from_free_pages(void **state)
{
    static char nobody[] = "nobody at all";
    struct store_erased n;
    struct bench t;

    (void)state;
    bench_new(&t);
    bench_open(&t);
    add_cursor(&t, "alice", "{}");
    assert_int_equal(commit(&t), 0);
    add_cursor(&t, "alice", "");
    assert_int_equal(commit(&t), 0);
    assert_true(on_disk(&t, "alice"));
    assert_int_equal(store_erase(t.store, hit, nobody, false, &n, &t.err), 0);
    assert_false(on_disk(&t, "alice"));
    bench_free(&t);
}

static void what_is_no_json_is_replaced_whole(void **state)
{
    static char alice[] = "alice";
    struct store_erased n;
    struct bench t;

    (void)state;
    bench_new(&t);
    bench_open(&t);
    add_message(&t, "k1", "notify", "{\"broken\":\"alice");
    assert_int_equal(commit(&t), 0);
    assert_int_equal(store_erase(t.store, hit, alice, false, &n, &t.err), 0);
    assert_string_equal(SEEN(&t, store_outbox_each(t.store, -1, 9, see_document, &out_, NULL)),
                        "0 {\"erased\":true}\n");
    assert_false(on_disk(&t, "alice"));
    bench_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_person_is_gone_and_the_others_stay),
        cmocka_unit_test(what_people_dealt_with_goes_with_the_person),
        cmocka_unit_test(what_was_deleted_before_is_gone_from_free_pages),
        cmocka_unit_test(what_is_no_json_is_replaced_whole),
    };

    return cmocka_run_group_tests_name("store_erase", tests, NULL, NULL);
}
