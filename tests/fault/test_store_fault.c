/*
 * Faults under the store: killed between any two steps, a full disk, a limit of
 * file size, damaged blobs. After each the database holds exactly the batches
 * that were committed.
 */
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include "base/fault.h"
#include "store/store-private.h"
#include "tests/unit/store_rig.h"

/* A batch in which every part says n. */
static void fill(struct bench *t, unsigned n, size_t ballast)
{
    char *big = arena_alloc(t->arena, ballast + 1);

    memset(big, 'b', ballast);
    add_cursor(t, "s", arena_printf(t->arena, "%u", n));
    t->keep_us = 1u << 30;
    add_signal(t, 1000 + n, "g");
    add_alert(t, n, LEVEL_LOW);
    add_outgoing(t, arena_printf(t->arena, "k%u", n), "ops", 0);
    t->batch.outgoing[t->batch.noutgoing - 1].document = slice_of(big, ballast);
    batch_count(&t->batch, SLICE("api"))->lines = 1;
    t->batch.trail = (struct trail_end){ n, 0, n * 100 };
}

static int count_signal(void *ctx, const struct signal *s)
{
    (void)s;
    ++*(unsigned *)ctx;
    return 0;
}

static int lines_of(void *ctx, const struct channel_row *row)
{
    *(unsigned *)ctx = (unsigned)row->lines;
    return 0;
}

/* All parts say the same number of batches; which one. */
static unsigned consistent(struct bench *t)
{
    struct store_totals totals;
    struct trail_end end = { 0 };
    unsigned signals = 0, lines = 0, n;

    assert_int_equal(store_totals(t->store, &totals, &t->err), 0);
    n = (unsigned)store_batches(t->store);
    assert_int_equal(store_signals_each(t->store, count_signal, &signals, &t->err), 0);
    assert_int_equal(store_channels_each(t->store, lines_of, &lines, &t->err), 0);
    (void)store_trail_end(t->store, &end);
    assert_int_equal(totals.alerts, n);
    assert_int_equal(totals.outbox_waiting, n);
    assert_int_equal(signals, n);
    assert_int_equal(lines, n);
    assert_int_equal(end.count, n);
    assert_string_equal(CURSORS(t, t->store), n ? arena_printf(t->arena, "s=%u ", n) : "");
    return n;
}

/* Goes on from what is there, as a restart does. Ends only by a signal or after `until`. */
static void run_child(struct bench *t, unsigned until)
{
    if (store_open(t->path, true, &t->store, &t->err) < 0)
        _exit(2);
    for (unsigned n = (unsigned)store_batches(t->store) + 1; n <= until; n++) {
        fill(t, n, 300);
        if (commit(t) < 0)
            _exit(3);
    }
    _exit(0);
}

/* This program again, as a writer that ends at the point: the variable is read once a process. */
static void run_to_point(struct bench *t, const char *point)
{
    pid_t pid = fork();
    int status = 0;

    if (pid == 0) {
        setenv("TW_FAULT", point, 1);
        execl("/proc/self/exe", "writer", t->path, (char *)NULL);
        _exit(127);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), FAULT_EXIT);
}

static void killed_at(const char *point, unsigned expect)
{
    struct bench t;

    bench_new(&t);
    run_to_point(&t, point);
    bench_open(&t);
    assert_int_equal(consistent(&t), expect);
    fill(&t, expect + 1, 300); /* and it goes on */
    assert_int_equal(commit(&t), 0);
    assert_int_equal(consistent(&t), expect + 1);
    bench_free(&t);
}

static void killed_inside_the_transaction_nothing_of_it_is_true(void **state)
{
    (void)state;
    killed_at("store: in txn:1", 0);
    killed_at("store: in txn:4", 3);
}

static void killed_after_the_commit_all_of_it_is_true(void **state)
{
    (void)state;
    killed_at("store: after commit:1", 1);
    killed_at("store: after commit:4", 4);
}

static void killed_at_any_time_the_parts_agree(void **state)
{
    struct bench t;
    unsigned last = 0;

    (void)state;
    bench_new(&t);
    for (unsigned round = 0; round < 25; round++) {
        pid_t pid = fork();
        unsigned now;

        if (pid == 0)
            run_child(&t, UINT32_MAX);
        nanosleep(&(struct timespec){ .tv_nsec = 2000000 + (round * 7919 % 23) * 1000000 }, NULL);
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        bench_open(&t);
        now = consistent(&t);
        assert_true(now >= last);
        last = now;
        bench_close(&t);
    }
    print_message("%u batches\n", last);
    assert_true(last > 0);
    bench_free(&t);
}

static void a_viewer_works_after_a_crash(void **state)
{
    struct bench t;
    struct store *view;

    (void)state;
    bench_new(&t);
    run_to_point(&t, "store: in txn:3");
    assert_int_equal(store_view(t.path, &view, &t.err), 0);
    assert_string_equal(CURSORS(&t, view), "s=2 ");
    store_free(view);
    bench_free(&t);
}

/* Commits until it fails; then the same batch again when there is room. */
static void until_full(struct bench *t, int expect, void (*make_room)(struct bench *))
{
    unsigned done = 0;
    int r = 0;

    bench_open(t);
    while (r == 0 && done < 10000) {
        fill(t, done + 1, 20000);
        r = store_commit(t->store, &t->batch, &t->err);
        if (r == 0) {
            batch_init(&t->batch, t->arena, 2000);
            done++;
        }
    }
    assert_int_equal(r, expect);
    assert_true(done > 0);
    assert_int_equal(consistent(t), done);
    assert_int_equal(store_commit(t->store, &t->batch, &t->err), expect); /* and again */
    assert_int_equal(consistent(t), done);
    make_room(t);
    assert_int_equal(commit(t), 0);
    assert_int_equal(consistent(t), done + 1);
    bench_close(t);
    bench_open(t);
    assert_int_equal(consistent(t), done + 1);
}

static void raise_limit(struct bench *t)
{
    struct rlimit limit;

    (void)t;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void a_limit_of_file_size_loses_nothing_that_was_committed(void **state)
{
    struct bench t;
    struct rlimit old, small;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);

    (void)state;
    bench_new(&t);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = (struct rlimit){ 1 << 20, old.rlim_max };
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    until_full(&t, -EIO, raise_limit);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    signal(SIGXFSZ, handler);
    bench_free(&t);
}

static void remove_ballast(struct bench *t)
{
    assert_int_equal(unlink(arena_printf(t->arena, "%s/ballast", t->folder)), 0);
}

static void write_ballast(struct bench *t)
{
    static char zeros[1 << 16];
    int fd = open(arena_printf(t->arena, "%s/ballast", t->folder), O_WRONLY | O_CREAT, 0640);

    assert_true(fd >= 0);
    for (unsigned i = 0; i < 16; i++)
        assert_int_equal(write(fd, zeros, sizeof zeros), (ssize_t)sizeof zeros);
    close(fd);
}

/* In a child with mounts of its own. */
static void fill_tmpfs(struct bench *t)
{
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("none", t->folder, "tmpfs", 0, "size=2m") < 0)
        _exit(77);
    write_ballast(t);
    until_full(t, -ENOSPC, remove_ballast);
    bench_close(t);
    _exit(0);
}

static void a_full_disk_loses_nothing_that_was_committed(void **state)
{
    struct bench t;
    pid_t pid;
    int status = -1;

    (void)state;
    bench_new(&t);
    pid = fork();
    if (pid == 0)
        fill_tmpfs(&t);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    bench_free(&t);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        skip();
    assert_int_equal(status, 0);
}

static int any_signal(void *ctx, const struct signal *s)
{
    size_t *n = ctx;

    *n += s->group.n + s->value.n + s->evidence.n;
    for (size_t i = 0; i < s->evidence.n; i++)
        *n += (unsigned char)s->evidence.p[i]; /* touch it: the sanitizer watches */
    return 0;
}

static void damaged_signals_are_refused_and_nothing_is_read_beyond_them(void **state)
{
    struct bench t;
    struct buf data = BUF_INIT;
    size_t n = 0, refused = 0;

    (void)state;
    bench_new(&t);
    add_signal(&t, 1, "group");
    add_signal(&t, 2, "other");
    for (size_t i = 0; i < t.batch.nsignals; i++)
        assert_int_equal(signals_encode(&t.batch.signals[i], i == 0, &data), 0);
    assert_int_equal(signals_decode(buf_view(&data), any_signal, &n), 0);
    for (size_t cut = 0; cut < data.n; cut++) { /* at each length, in memory of just that size */
        char *copy = malloc(cut ? cut : 1);

        memcpy(copy, data.p, cut);
        refused += signals_decode(slice_of(copy, cut), any_signal, &n) == -EBADMSG;
        free(copy);
    }
    assert_int_equal(refused, data.n - 2); /* cut between two signals, it is a blob of fewer */
    for (size_t at = 0; at < data.n; at++) {
        char *copy = malloc(data.n);

        memcpy(copy, data.p, data.n);
        copy[at] = (char)0xff;
        (void)signals_decode(slice_of(copy, data.n), any_signal, &n);
        free(copy);
    }
    buf_fini(&data);
    bench_free(&t);
}

static int run_writer(const char *path)
{
    struct bench t = { .arena = arena_new(4096, 0) };

    (void)snprintf(t.path, sizeof t.path, "%s", path);
    batch_init(&t.batch, t.arena, 1000);
    run_child(&t, 10);
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(killed_inside_the_transaction_nothing_of_it_is_true),
        cmocka_unit_test(killed_after_the_commit_all_of_it_is_true),
        cmocka_unit_test(killed_at_any_time_the_parts_agree),
        cmocka_unit_test(a_viewer_works_after_a_crash),
        cmocka_unit_test(a_limit_of_file_size_loses_nothing_that_was_committed),
        cmocka_unit_test(a_full_disk_loses_nothing_that_was_committed),
        cmocka_unit_test(damaged_signals_are_refused_and_nothing_is_read_beyond_them),
    };

    if (argc == 2 && strcmp(argv[0], "writer") == 0)
        return run_writer(argv[1]);
    return cmocka_run_group_tests_name("store_fault", tests, NULL, NULL);
}
