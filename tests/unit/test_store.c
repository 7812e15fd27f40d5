/* The store: what a commit makes true, in which order, and who may look. */
#include "store/store-private.h"
#include "tests/unit/store_rig.h"

#include <sqlite3.h>

static void a_commit_makes_everything_true_together(void **state)
{
    struct bench t;
    struct trail_end end;
    struct store_totals totals;
    struct alert_filter all = { .level_min = -1 };

    (void)state;
    bench_new(&t);
    bench_open(&t);
    assert_false(store_trail_end(t.store, &end));
    add_cursor(&t, "s1", "10");
    add_cursor(&t, "s2", "20");
    add_signal(&t, 500, "g1");
    add_alert(&t, 1, LEVEL_HIGH);
    add_outgoing(&t, "k1", "ops", 0);
    *batch_count(&t.batch, SLICE("api")) =
        (struct channel_count){ SLICE("api"), 10, 1000, 10, 2, 1, 400 };
    t.batch.trail = (struct trail_end){ 7, 5, 900 };
    assert_int_equal(commit(&t), 0);
    bench_close(&t);
    bench_open(&t);
    assert_string_equal(CURSORS(&t, t.store), "s1=10 s2=20 ");
    assert_string_equal(SIGNALS(&t, t.store), "g1@500 ");
    assert_string_equal(DUE(&t, t.store, 1), "1:k1>ops/0 ");
    assert_string_equal(SEEN(&t, store_alerts_each(t.store, &all, see_alert, &out_, NULL)),
                        "1:0100/high ");
    assert_string_equal(SEEN(&t, store_channels_each(t.store, see_channel, &out_, NULL)),
                        "api:10,1000,10,2,1,400 ");
    assert_true(store_trail_end(t.store, &end));
    assert_int_equal(end.count, 7);
    assert_int_equal(end.segment, 5);
    assert_int_equal(end.bytes, 900);
    assert_int_equal(store_batches(t.store), 1);
    assert_int_equal(store_totals(t.store, &totals, NULL), 0);
    assert_int_equal(totals.alerts, 1);
    assert_int_equal(totals.signals, 1);
    assert_int_equal(totals.outbox_waiting, 1);
    assert_int_equal(totals.trail_entries, 7);
    assert_int_equal(totals.last_commit_us, 1000);
    bench_free(&t);
}

static void cursors_are_replaced_and_forgotten(void **state)
{
    struct bench t;

    (void)state;
    bench_new(&t);
    bench_open(&t);
    add_cursor(&t, "a", "1");
    add_cursor(&t, "b", "1");
    assert_int_equal(commit(&t), 0);
    add_cursor(&t, "a", "2");
    add_cursor(&t, "b", "");
    add_cursor(&t, "a", "3");
    assert_int_equal(commit(&t), 0);
    assert_string_equal(CURSORS(&t, t.store), "a=3 ");
    assert_string_equal(
        SEEN(&t, store_cursors_each(t.store, SLICE("other"), see_cursor, &out_, NULL)), "");
    bench_free(&t);
}

static int whole_signal(void *ctx, const struct signal *s)
{
    unsigned *n = ctx;

    assert_memory_equal(s->rule, "0123456789abcdef", 16);
    assert_int_equal(s->part, 3);
    assert_memory_equal(s->key.stream, "stream-of-source", 16);
    assert_int_equal(s->key.position, 77);
    assert_true(slice_is(s->value, "v"));
    assert_true(slice_is(s->evidence, "{\"a\":1}"));
    return ++*n == 2; /* stops the walk */
}

static void signals_come_back_whole_and_in_the_order_of_their_commit(void **state)
{
    struct bench t;
    unsigned n = 0;

    (void)state;
    bench_new(&t);
    bench_open(&t);
    t.keep_us = 1000000;
    add_signal(&t, 300, "z");
    add_signal(&t, 100, "a");
    assert_int_equal(commit(&t), 0);
    t.keep_us = 1000000;
    add_signal(&t, 200, "m");
    assert_int_equal(commit(&t), 0);
    assert_string_equal(SIGNALS(&t, t.store), "z@300 a@100 m@200 ");
    assert_int_equal(store_signals_each(t.store, whole_signal, &n, NULL), 1);
    assert_int_equal(n, 2);
    bench_free(&t);
}

static void signals_go_when_all_of_their_batch_are_too_old(void **state)
{
    struct bench t;

    (void)state;
    bench_new(&t);
    bench_open(&t);
    t.keep_us = 100;
    add_signal(&t, 1000, "old");
    add_signal(&t, 1050, "less");
    assert_int_equal(commit(&t), 0);
    t.keep_us = 100;
    add_signal(&t, 1150, "kept"); /* 1050 is just within */
    assert_int_equal(commit(&t), 0);
    assert_string_equal(SIGNALS(&t, t.store), "old@1000 less@1050 kept@1150 ");
    t.keep_us = 100;
    add_signal(&t, 1151, "new");
    assert_int_equal(commit(&t), 0);
    assert_string_equal(SIGNALS(&t, t.store), "kept@1150 new@1151 ");
    bench_free(&t);
}

static void a_repeated_alert_or_message_is_ignored(void **state)
{
    struct bench t;
    struct store_totals totals;

    (void)state;
    bench_new(&t);
    bench_open(&t);
    for (unsigned i = 0; i < 3; i++) {
        add_alert(&t, 1, LEVEL_LOW);
        add_outgoing(&t, "k1", "ops", 0);
        add_outgoing(&t, "k1", "sec", 0);
        assert_int_equal(commit(&t), 0);
    }
    assert_string_equal(OUTBOX(&t, t.store), "2:k1>sec/0 1:k1>ops/0 ");
    assert_int_equal(store_totals(t.store, &totals, NULL), 0);
    assert_int_equal(totals.alerts, 1);
    assert_int_equal(store_alert_known(t.store, (uint8_t[16]){ 1 }, NULL), 1);
    assert_int_equal(store_alert_known(t.store, (uint8_t[16]){ 2 }, NULL), 0);
    bench_free(&t);
}

static void a_delivered_message_does_not_come_back_when_it_is_repeated(void **state)
{
    struct bench t;

    (void)state;
    bench_new(&t);
    bench_open(&t);
    add_outgoing(&t, "k1", "ops", 0);
    assert_int_equal(commit(&t), 0);
    add_outcome(&t, 1, DELIVERY_SENT, 0);
    assert_int_equal(commit(&t), 0);
    add_outgoing(&t, "k1", "ops", 0);
    assert_int_equal(commit(&t), 0);
    assert_string_equal(DUE(&t, t.store, 9999), "");
    assert_string_equal(OUTBOX(&t, t.store), "1:k1>ops/1 ");
    bench_free(&t);
}

static void each_receiver_gets_what_failed_first_and_then_the_oldest(void **state)
{
    struct bench t;

    (void)state;
    bench_new(&t);
    bench_open(&t);
    add_outgoing(&t, "k1", "ops", 10);
    add_outgoing(&t, "k2", "ops", 10);
    add_outgoing(&t, "k3", "sec", 0);
    assert_int_equal(commit(&t), 0);
    assert_string_equal(DUE(&t, t.store, 5), "3:k3>sec/0 ");
    assert_int_equal(store_outbox_due(t.store, SLICE("ops")).fresh_us, 10);
    assert_string_equal(DUE(&t, t.store, 100), "1:k1>ops/0 3:k3>sec/0 ");
    add_outcome(&t, 1, DELIVERY_RETRY, 500);
    add_outcome(&t, 3, DELIVERY_SENT, 0);
    assert_int_equal(commit(&t), 0);
    assert_int_equal(store_outbox_due(t.store, SLICE("ops")).failed_us, 500);
    assert_string_equal(DUE(&t, t.store, 500), "1:k1>ops/2 ");
    add_outcome(&t, 1, DELIVERY_DEAD, 0);
    assert_int_equal(commit(&t), 0);
    assert_string_equal(DUE(&t, t.store, 500), "2:k2>ops/0 ");
    add_outcome(&t, 2, DELIVERY_SENT, 0);
    assert_int_equal(commit(&t), 0);
    assert_true(store_outbox_due(t.store, SLICE("ops")).fresh_us == UINT64_MAX);
    bench_free(&t);
}

static void a_row_that_failed_too_often_lets_the_others_pass(void **state)
{
    struct bench t;

    (void)state;
    bench_new(&t);
    bench_open(&t);
    add_outgoing(&t, "k1", "ops", 0);
    add_outgoing(&t, "k2", "ops", 0);
    assert_int_equal(commit(&t), 0);
    add_outcome(&t, 1, DELIVERY_RETRY, 0);
    t.batch.outcomes[0].attempts = 5;
    assert_int_equal(commit(&t), 0);
    assert_string_equal(DUE(&t, t.store, 1), "2:k2>ops/0 ");
    add_outcome(&t, 2, DELIVERY_SENT, 0);
    assert_int_equal(commit(&t), 0);
    assert_string_equal(DUE(&t, t.store, 1), "1:k1>ops/2 ");
    bench_free(&t);
}

static void a_summary_and_its_members_are_one_commit(void **state)
{
    static const uint64_t members[] = { 1, 2 };
    struct bench t;

    (void)state;
    bench_new(&t);
    bench_open(&t);
    add_outgoing(&t, "k1", "ops", 0);
    add_outgoing(&t, "k2", "ops", 0);
    add_outgoing(&t, "k3", "ops", 0);
    assert_int_equal(commit(&t), 0);
    add_outgoing(&t, "sum", "ops", 0);
    t.batch.outgoing[0].members = members;
    t.batch.outgoing[0].nmembers = 2;
    assert_int_equal(commit(&t), 0);
    assert_string_equal(OUTBOX(&t, t.store), "4:sum>ops/0 3:k3>ops/0 2:k2>ops/4 1:k1>ops/4 ");
    add_outgoing(&t, "sum", "ops", 0); /* a repeat of the key takes nobody along */
    t.batch.outgoing[0].members = (const uint64_t[]){ 3 };
    t.batch.outgoing[0].nmembers = 1;
    assert_int_equal(commit(&t), 0);
    assert_string_equal(OUTBOX(&t, t.store), "4:sum>ops/0 3:k3>ops/0 2:k2>ops/4 1:k1>ops/4 ");
    bench_free(&t);
}

static void a_final_state_stays(void **state)
{
    struct bench t;

    (void)state;
    bench_new(&t);
    bench_open(&t);
    add_outgoing(&t, "k1", "ops", 0);
    assert_int_equal(commit(&t), 0);
    add_outcome(&t, 1, DELIVERY_DEAD, 0);
    assert_int_equal(commit(&t), 0);
    add_outcome(&t, 1, DELIVERY_SENT, 0); /* a late answer */
    assert_int_equal(commit(&t), 0);
    assert_string_equal(OUTBOX(&t, t.store), "1:k1>ops/3 ");
    bench_free(&t);
}

static void alerts_are_filtered_and_newest_first(void **state)
{
    struct bench t;
    struct alert_filter f = { .level_min = LEVEL_MEDIUM };

    (void)state;
    bench_new(&t);
    bench_open(&t);
    for (unsigned i = 1; i <= 5; i++)
        add_alert(&t, i, i % 2 ? LEVEL_LOW : LEVEL_CRITICAL);
    assert_int_equal(commit(&t), 0);
    assert_string_equal(SEEN(&t, store_alerts_each(t.store, &f, see_alert, &out_, NULL)),
                        "4:0400/critical 2:0200/critical ");
    f = (struct alert_filter){ .since_us = 102, .until_us = 105, .level_min = -1, .limit = 2 };
    assert_string_equal(SEEN(&t, store_alerts_each(t.store, &f, see_alert, &out_, NULL)),
                        "4:0400/critical 3:0300/low ");
    f = (struct alert_filter){ .rule = SLICE("r-2"), .level_min = -1 };
    assert_string_equal(SEEN(&t, store_alerts_each(t.store, &f, see_alert, &out_, NULL)), "");
    bench_free(&t);
}

static void counts_of_channels_are_added_up(void **state)
{
    struct bench t;

    (void)state;
    bench_new(&t);
    bench_open(&t);
    *batch_count(&t.batch, SLICE("api")) =
        (struct channel_count){ SLICE("api"), 1, 10, 1, 1, 0, 500 };
    *batch_count(&t.batch, SLICE("vpn")) =
        (struct channel_count){ SLICE("vpn"), 2, 20, 1, 0, 1, 0 };
    assert_int_equal(commit(&t), 0);
    *batch_count(&t.batch, SLICE("api")) =
        (struct channel_count){ SLICE("api"), 1, 5, 1, 0, 1, 400 };
    assert_int_equal(commit(&t), 0);
    assert_string_equal(SEEN(&t, store_channels_each(t.store, see_channel, &out_, NULL)),
                        "api:2,15,2,1,1,500 vpn:2,20,1,0,1,0 ");
    bench_free(&t);
}

static void a_fact_becomes_true_with_the_next_commit(void **state)
{
    struct bench t;
    struct buf b = BUF_INIT;

    (void)state;
    bench_new(&t);
    bench_open(&t);
    assert_int_equal(store_meta_get(t.store, "origin", &b), -ENOENT);
    assert_int_equal(store_meta_set(t.store, "origin", SLICE("first"), NULL), 0);
    assert_int_equal(store_meta_get(t.store, "origin", &b), 0);
    assert_string_equal(b.p, "first");
    bench_close(&t); /* without a commit */
    bench_open(&t);
    assert_int_equal(store_meta_get(t.store, "origin", &b), -ENOENT);
    assert_int_equal(store_meta_set(t.store, "origin", SLICE("first"), NULL), 0);
    assert_int_equal(store_meta_set(t.store, "origin", SLICE("second"), NULL), 0);
    assert_int_equal(commit(&t), 0);
    bench_close(&t);
    bench_open(&t);
    buf_reset(&b);
    assert_int_equal(store_meta_get(t.store, "origin", &b), 0);
    assert_string_equal(b.p, "second");
    buf_fini(&b);
    bench_free(&t);
}

static void a_second_daemon_is_refused(void **state)
{
    struct bench t;
    struct store *second = NULL;

    (void)state;
    bench_new(&t);
    bench_open(&t);
    assert_int_equal(store_open(t.path, true, &second, &t.err), -EBUSY);
    assert_null(second);
    assert_non_null(strstr(
        t.err.text, arena_printf(t.arena, "another trailwarden (process %ld)", (long)getpid())));
    assert_int_equal(store_holder(t.path), getpid());
    bench_close(&t);
    assert_int_equal(store_holder(t.path), 0);
    bench_open(&t); /* the lock went with its owner */
    bench_free(&t);
}

static void a_viewer_sees_each_commit_and_can_change_nothing(void **state)
{
    struct bench t;
    struct store *view;
    struct batch other;

    (void)state;
    bench_new(&t);
    bench_open(&t);
    assert_int_equal(store_view(t.path, &view, &t.err), 0);
    assert_string_equal(CURSORS(&t, view), "");
    add_cursor(&t, "a", "1");
    assert_int_equal(commit(&t), 0);
    assert_string_equal(CURSORS(&t, view), "a=1 ");
    batch_init(&other, t.arena, 5);
    assert_int_equal(store_commit(view, &other, &t.err), -EROFS);
    bench_close(&t);
    assert_string_equal(CURSORS(&t, view), "a=1 ");
    store_free(view);
    bench_free(&t);
}

static void a_walk_of_a_viewer_does_not_stop_the_writer(void **state)
{
    struct bench t;
    struct store *view;

    (void)state;
    bench_new(&t);
    bench_open(&t);
    for (unsigned i = 0; i < 50; i++) {
        add_cursor(&t, text_of(&t, "s", i).p, "1");
        t.batch.cursors[t.batch.ncursors - 1].cursor.stream = text_of(&t, "s", i);
    }
    assert_int_equal(commit(&t), 0);
    assert_int_equal(store_view(t.path, &view, &t.err), 0);
    {
        sqlite3 *db; /* a reader that stands in the middle of its walk */
        sqlite3_stmt *st;

        assert_int_equal(sqlite3_open_v2(t.path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_prepare_v2(db, "SELECT * FROM cursor", -1, &st, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_step(st), SQLITE_ROW);
        add_cursor(&t, "new", "2");
        assert_int_equal(commit(&t), 0);
        sqlite3_finalize(st);
        sqlite3_close(db);
    }
    assert_non_null(strstr(CURSORS(&t, view), "new=2 "));
    store_free(view);
    bench_free(&t);
}

/* Without the right to write the folder: needs root to become somebody else. */
static void a_viewer_needs_no_right_to_write(void **state)
{
    struct bench t;
    pid_t pid;
    int status = -1;

    (void)state;
    if (geteuid() != 0)
        skip();
    bench_new(&t);
    bench_open(&t);
    add_cursor(&t, "a", "1");
    assert_int_equal(commit(&t), 0);
    bench_close(&t);
    assert_int_equal(chmod(t.folder, 0755), 0);
    pid = fork();
    if (pid == 0) {
        struct store *view;
        struct buf out = BUF_INIT;

        if (setgid(0) < 0 || setuid(65534) < 0) /* the group may read, nothing more */
            _exit(1);
        if (store_view(t.path, &view, &t.err) < 0) {
            (void)fprintf(stderr, "%s\n", t.err.text);
            _exit(2);
        }
        if (store_cursors_each(view, SLICE("in"), see_cursor, &out, NULL) < 0)
            _exit(3);
        _exit(strcmp(out.p, "a=1 ") == 0 ? 0 : 4);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WEXITSTATUS(status), 0);
    bench_free(&t);
}

static void others_may_not_read_it(void **state)
{
    struct bench t;
    struct stat st;

    (void)state;
    bench_new(&t);
    bench_open(&t);
    add_cursor(&t, "a", "1");
    assert_int_equal(commit(&t), 0);
    assert_int_equal(stat(t.path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    assert_int_equal(stat(arena_printf(t.arena, "%s-wal", t.path), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    bench_free(&t);
}

static void overwrite(const char *path, off_t at, const char *bytes)
{
    int fd = open(path, O_WRONLY | O_CREAT, 0640);

    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, bytes, strlen(bytes), at), (ssize_t)strlen(bytes));
    close(fd);
}

static void a_damaged_file_is_refused_with_what_to_do(void **state)
{
    struct bench t;
    char junk[4096];

    (void)state;
    bench_new(&t);
    bench_open(&t);
    for (unsigned i = 0; i < 2000; i++) {
        add_cursor(&t, "x", "a value that fills some pages of the database ......................");
        t.batch.cursors[i].cursor.stream = text_of(&t, "s", i);
    }
    assert_int_equal(commit(&t), 0);
    bench_close(&t);
    memset(junk, 'J', sizeof junk - 1);
    junk[sizeof junk - 1] = '\0';
    for (off_t page = 4; page < 20; page++)
        overwrite(t.path, page * 4096, junk);
    assert_int_equal(store_open(t.path, true, &t.store, &t.err), -EUCLEAN);
    assert_non_null(strstr(t.err.text, "is damaged: restore a copy, or move it and its -wal away"));
    assert_null(t.store);
    bench_free(&t);
}

/* A state with some pages, closed. */
static void make_large(struct bench *t)
{
    bench_new(t);
    bench_open(t);
    for (unsigned i = 0; i < 2000; i++) {
        add_cursor(t, "x", "a value that fills some pages of the database ......................");
        t->batch.cursors[i].cursor.stream = text_of(t, "s", i);
    }
    assert_int_equal(commit(t), 0);
    sqlite3_wal_checkpoint_v2(t->store->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    bench_close(t);
}

static void a_cut_file_and_a_strange_header_are_refused_with_what_to_do(void **state)
{
    struct bench t;

    (void)state;
    make_large(&t);
    assert_int_equal(truncate(t.path, 30000), 0);
    assert_int_equal(store_open(t.path, true, &t.store, &t.err), -EUCLEAN);
    assert_non_null(strstr(t.err.text, "is damaged: restore a copy"));
    bench_free(&t);
    make_large(&t);
    overwrite(t.path, 0, "these are not the bytes of a database, they are of somebody else");
    assert_int_equal(store_open(t.path, true, &t.store, &t.err), -EUCLEAN);
    assert_non_null(strstr(t.err.text, "is damaged: restore a copy"));
    bench_free(&t);
}

/* In a child that ends without closing: the last commit stands in the log alone. */
static void commit_twice(struct bench *t)
{
    bench_open(t);
    t->batch.trail.count = 5;
    if (commit(t) < 0)
        _exit(1);
    sqlite3_wal_checkpoint_v2(t->store->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    t->batch.trail.count = 9;
    _exit(commit(t) < 0);
}

static void without_its_log_the_state_is_an_older_one_and_whole(void **state)
{
    struct bench t;
    struct trail_end end;
    int status = -1;
    pid_t pid;

    (void)state;
    bench_new(&t);
    pid = fork();
    if (pid == 0)
        commit_twice(&t);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(unlink(arena_printf(t.arena, "%s-wal", t.path)), 0);
    bench_open(&t);
    assert_true(store_trail_end(t.store, &end));
    assert_int_equal(end.count, 5);
    bench_free(&t);
}

static void a_flush_and_full_syncs_change_nothing_that_is_seen(void **state)
{
    struct bench t;

    (void)state;
    bench_new(&t);
    bench_open(&t);
    assert_int_equal(store_sync(t.store, true, &t.err), 0);
    assert_int_equal(store_pragma(t.store, "PRAGMA synchronous"), 2);
    add_cursor(&t, "s", "1");
    assert_int_equal(commit(&t), 0);
    assert_int_equal(store_sync(t.store, false, &t.err), 0);
    assert_int_equal(store_pragma(t.store, "PRAGMA synchronous"), 1);
    assert_int_equal(store_flush(t.store, &t.err), 0);
    add_cursor(&t, "s", "2");
    assert_int_equal(commit(&t), 0);
    assert_int_equal(store_flush(t.store, &t.err), 0);
    assert_string_equal(CURSORS(&t, t.store), "s=2 ");
    bench_free(&t);
}

static void the_reserve_is_made_given_back_and_made_again(void **state)
{
    struct bench t;

    (void)state;
    bench_new(&t);
    bench_open(&t);
    assert_true(store_reserve_restore(t.store)); /* none is wanted */
    assert_false(store_reserve_release(t.store));
    store_reserve(t.store, 1 << 20);
    assert_int_equal(store_reserve_size(t.path), 1 << 20);
    bench_close(&t);
    bench_open(&t);
    store_reserve(t.store, 1 << 20); /* the one that is there */
    assert_true(store_reserve_release(t.store));
    assert_false(store_reserve_release(t.store));
    assert_int_equal(store_reserve_size(t.path), 0);
    assert_true(store_reserve_restore(t.store));
    assert_int_equal(store_reserve_size(t.path), 1 << 20);
    store_reserve_release(t.store);
    store_reserve(t.store, UINT64_C(1) << 60); /* more than any disk: it starts without */
    assert_int_equal(store_reserve_size(t.path), 0);
    bench_free(&t);
}

static void what_is_no_state_database_is_refused(void **state)
{
    struct bench t;
    sqlite3 *db;

    (void)state;
    bench_new(&t);
    overwrite(t.path, 0,
              "this is a text and no database, but it is long enough to be looked at: "
              "a header of one hundred bytes at the least.");
    assert_int_equal(store_open(t.path, true, &t.store, &t.err), -EUCLEAN);
    assert_int_equal(store_view(t.path, &t.store, &t.err), -EUCLEAN);
    assert_int_equal(unlink(t.path), 0);
    assert_int_equal(sqlite3_open(t.path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "CREATE TABLE theirs (x)", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    assert_int_equal(store_open(t.path, true, &t.store, &t.err), -EUCLEAN);
    assert_non_null(strstr(t.err.text, "is a database of another program"));
    bench_free(&t);
}

static void a_later_version_is_refused(void **state)
{
    struct bench t;
    sqlite3 *db;

    (void)state;
    bench_new(&t);
    bench_open(&t);
    bench_close(&t);
    assert_int_equal(sqlite3_open(t.path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "PRAGMA user_version = 9", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    assert_int_equal(store_open(t.path, true, &t.store, &t.err), -EUCLEAN);
    assert_non_null(strstr(t.err.text, "has version 9, this program knows 7"));
    bench_free(&t);
}

/* As version 5 made it. */
static const char version_5[] =
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE cursor (input TEXT NOT NULL, stream TEXT NOT NULL, value BLOB NOT NULL,"
    "  committed_us INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (input, stream)) WITHOUT ROWID;"
    "CREATE TABLE signals (batch INTEGER PRIMARY KEY, newest_us INTEGER NOT NULL,"
    "  n INTEGER NOT NULL, data BLOB NOT NULL, expires_us INTEGER NOT NULL DEFAULT 0);"
    "CREATE TABLE alert (n INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,"
    "  rule TEXT NOT NULL, title TEXT NOT NULL, channel TEXT NOT NULL, level INTEGER NOT NULL,"
    "  time_us INTEGER NOT NULL, grp TEXT NOT NULL, document BLOB NOT NULL);"
    "CREATE TABLE outbox (id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL,"
    "  receiver TEXT NOT NULL, kind TEXT NOT NULL, document BLOB NOT NULL, state INTEGER NOT NULL,"
    "  attempts INTEGER NOT NULL DEFAULT 0, created_us INTEGER NOT NULL,"
    "  not_before_us INTEGER NOT NULL, expires_us INTEGER NOT NULL,"
    "  status TEXT NOT NULL DEFAULT '', remote TEXT NOT NULL DEFAULT '', UNIQUE (key, receiver));"
    "CREATE INDEX outbox_waiting ON outbox (receiver, id) WHERE state IN (0, 2);"
    "CREATE TABLE channel (name TEXT PRIMARY KEY, lines INTEGER NOT NULL, bytes INTEGER NOT NULL,"
    "  unparsed INTEGER NOT NULL, matches INTEGER NOT NULL, last_event_us INTEGER NOT NULL,"
    "  parsed INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;"
    "CREATE TABLE input (name TEXT PRIMARY KEY, channel TEXT NOT NULL, lag_bytes INTEGER NOT NULL,"
    "  lag_since_us INTEGER NOT NULL, last_event_us INTEGER NOT NULL, streams INTEGER NOT NULL,"
    "  trouble INTEGER NOT NULL) WITHOUT ROWID;"
    "INSERT INTO alert VALUES (7, 'ab', 'r', 'r', 'xui', 3, 100, '', '{}');"
    "INSERT INTO outbox VALUES (4, 'ab', 'ops', 'notify', '{\"a\":1}', 1, 1, 5, 5, 9, 'ok', 'm');"
    "INSERT INTO outbox VALUES (5, 'cd', 'ops', 'notify', '{\"a\":2}', 0, 0, 6, 6, 9, '', '');"
    "INSERT INTO outbox VALUES (6, 'ef', 'sec', 'notify', '{\"a\":3}', 2, 2, 6, 8, 9, 'no', '');"
    "INSERT INTO outbox VALUES (7, 'gh', 'bans', 'ban', '{\"a\":4}', 0, 0, 6, 6, 9, '', '');"
    "PRAGMA application_id = 1953980786; PRAGMA user_version = 5;";

static int see_all(void *ctx, const struct outbox_row *row)
{
    buf_printf(ctx, "%llu:%.*s/%d/%u/%llu=%.*s ", (unsigned long long)row->id, SLICE_FMT(row->key),
               (int)row->state, row->attempts, (unsigned long long)row->done_us,
               SLICE_FMT(row->document));
    return 0;
}

static void what_an_earlier_version_kept_goes_on(void **state)
{
    const struct alert_filter all = { .level_min = -1 };
    struct bench t;
    sqlite3 *db;

    (void)state;
    bench_new(&t);
    assert_int_equal(sqlite3_open(t.path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, version_5, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    bench_open(&t);
    assert_string_equal(
        SEEN(&t, store_outbox_each(t.store, -1, 9, see_all, &out_, NULL)),
        "7:gh/3/0/6={\"a\":4} 6:ef/2/2/0={\"a\":3} 5:cd/0/0/0={\"a\":2} 4:ab/1/1/5={\"a\":1} ");
    assert_string_equal(DUE(&t, t.store, 8), "5:cd>ops/0 6:ef>sec/2 ");
    assert_string_equal(SEEN(&t, store_alerts_each(t.store, &all, see_alert, &out_, NULL)),
                        "7:ab/high ");
    add_outgoing(&t, "new", "ops", 0);
    assert_int_equal(commit(&t), 0);
    assert_string_equal(DUE(&t, t.store, 1), "8:new>ops/0 ");
    bench_free(&t);
}

static void what_is_not_there_is_made_only_when_asked(void **state)
{
    struct bench t;

    (void)state;
    bench_new(&t);
    assert_int_equal(store_open(t.path, false, &t.store, &t.err), -ENOENT);
    assert_int_equal(store_view(t.path, &t.store, &t.err), -ENOENT);
    bench_free(&t);
}

static void any_text_is_kept_as_it_is(void **state)
{
    static const char hostile[] = "'; DROP TABLE alert;--\xff\xfe";
    struct bench t;

    (void)state;
    bench_new(&t);
    bench_open(&t);
    add_cursor(&t, hostile, "v\xff");
    assert_int_equal(commit(&t), 0);
    assert_string_equal(CURSORS(&t, t.store), "'; DROP TABLE alert;--\xff\xfe=v\xff ");
    bench_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_commit_makes_everything_true_together),
        cmocka_unit_test(cursors_are_replaced_and_forgotten),
        cmocka_unit_test(signals_come_back_whole_and_in_the_order_of_their_commit),
        cmocka_unit_test(signals_go_when_all_of_their_batch_are_too_old),
        cmocka_unit_test(a_repeated_alert_or_message_is_ignored),
        cmocka_unit_test(a_delivered_message_does_not_come_back_when_it_is_repeated),
        cmocka_unit_test(each_receiver_gets_what_failed_first_and_then_the_oldest),
        cmocka_unit_test(a_row_that_failed_too_often_lets_the_others_pass),
        cmocka_unit_test(a_summary_and_its_members_are_one_commit),
        cmocka_unit_test(a_final_state_stays),
        cmocka_unit_test(alerts_are_filtered_and_newest_first),
        cmocka_unit_test(counts_of_channels_are_added_up),
        cmocka_unit_test(a_fact_becomes_true_with_the_next_commit),
        cmocka_unit_test(a_second_daemon_is_refused),
        cmocka_unit_test(a_viewer_sees_each_commit_and_can_change_nothing),
        cmocka_unit_test(a_walk_of_a_viewer_does_not_stop_the_writer),
        cmocka_unit_test(a_viewer_needs_no_right_to_write),
        cmocka_unit_test(others_may_not_read_it),
        cmocka_unit_test(a_damaged_file_is_refused_with_what_to_do),
        cmocka_unit_test(a_cut_file_and_a_strange_header_are_refused_with_what_to_do),
        cmocka_unit_test(without_its_log_the_state_is_an_older_one_and_whole),
        cmocka_unit_test(a_flush_and_full_syncs_change_nothing_that_is_seen),
        cmocka_unit_test(the_reserve_is_made_given_back_and_made_again),
        cmocka_unit_test(what_is_no_state_database_is_refused),
        cmocka_unit_test(a_later_version_is_refused),
        cmocka_unit_test(what_an_earlier_version_kept_goes_on),
        cmocka_unit_test(what_is_not_there_is_made_only_when_asked),
        cmocka_unit_test(any_text_is_kept_as_it_is),
    };

    return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
