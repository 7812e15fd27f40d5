/* Worker threads: the results of one thread, in its order, whatever the threads do. */
#include "logwatch/workers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

#include <fcntl.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/privileges.h"
#include "base/proc.h"
#include "logwatch/replay.h"

#define BLOCKS 200
#define SLOTS 9

struct bench {
    char folder[64];
    struct engine *engine;
    struct config_channel channel;
    struct config_input input;
    struct reader_source source;
    struct rules_memory *memory;
};

/* Rules without a literal, one that explodes on lines that ask for it, one that counts. */
static const char rules[] =
    "title: a port\nid: 9a1d0c52-0000-4000-8000-000000000001\nlogsource: {product: xui}\n"
    "detection: {s: {event.action: login_failed}, condition: s}\nlevel: low\n"
    "---\n"
    "title: an expression that explodes\nid: 9a1d0c52-0000-4000-8000-000000000002\n"
    "logsource: {product: xui}\n"
    "detection: {s: {user.name|re: '^(a+)+$'}, condition: s}\nlevel: low\n"
    "---\n"
    "title: several\nid: 9a1d0c52-0000-4000-8000-000000000003\n"
    "correlation: {type: event_count, rules: [9a1d0c52-0000-4000-8000-000000000001],\n"
    "  group-by: [source.ip], timespan: 60s, condition: {gte: 3}}\nlevel: medium\n";

static const char *path(const struct bench *t, const char *name)
{
    static char text[4][200];
    static unsigned n;
    char *p = text[n++ % 4];

    (void)snprintf(p, sizeof text[0], "%s/%s", t->folder, name);
    return p;
}

static void write_file(const char *name, struct slice text)
{
    AUTO_FD fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    assert_true(fd >= 0);
    assert_int_equal(fd_write_all(fd, text.p, text.n), 0);
}

static int setup(void **state)
{
    struct bench *t = calloc(1, sizeof *t);
    AUTO(diag) d = diag_new();
    const char *paths[1];
    struct engine_request q = { .rule_paths = paths, .nrule_paths = 1, .no_library = true };
    const char *tmp = getenv("TMPDIR");
    struct err err = ERR_NONE;

    (void)snprintf(t->folder, sizeof t->folder, "%.40s/tw-workers-XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(t->folder));
    paths[0] = path(t, "rules.yml");
    write_file(paths[0], slice_str(rules));
    assert_int_equal(engine_load(&q, d, &t->engine), 0);
    if (diag_errors(d))
        fail_msg("%s", diag_text(d, 0));
    t->channel = (struct config_channel){ .name = SLICE("xui"),
                                          .format = format_find(t->engine->formats, SLICE("xui")) };
    t->input = (struct config_input){ .name = "test", .channel = &t->channel, .ops = &input_file };
    assert_int_equal(reader_source_init(&t->source, &t->input, &err), 0);
    t->memory = rules_memory_new(t->engine->rules);
    assert_non_null(t->memory);
    *state = t;
    return 0;
}

static int teardown(void **state)
{
    struct bench *t = *state;
    const char *const argv[] = { "/bin/rm", "-rf", t->folder, NULL };
    struct proc_result r = { .out = BUF_LIMIT(1000) };

    (void)proc_run(argv, NULL, SLICE_NONE, 10 * USEC_PER_SEC, &r, NULL);
    buf_fini(&r.out);
    reader_source_fini(&t->source);
    rules_memory_free(t->memory);
    engine_free(t->engine);
    free(t);
    return 0;
}

static struct workers *pool(const struct bench *t, unsigned nthreads, size_t nslots)
{
    struct workers *w;
    struct err err = ERR_NONE;

    assert_int_equal(workers_new(t->engine, NULL, nthreads, nslots, &w, &err), 0);
    return w;
}

/* ---- lines ---- */

static uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static void add_line(struct buf *b, unsigned second, const char *user, unsigned host)
{
    buf_printf(b,
               "2026/11/21 01:%02u:%02u WARNING - failed login: username=\"%s\", "
               "IP=\"203.0.113.%u\", reason=\"invalid credentials\"\n",
               second / 60 % 60, second % 60, user, host % 250 + 1);
}

/* The block's number is its position; more lines in some, so that threads overtake one another. */
static void fill(struct bench *t, struct work *work, unsigned number)
{
    AUTO_BUF b = BUF_INIT;

    for (unsigned i = 0; i <= number % 7 * 40; i++)
        add_line(&b, number, "root", number);
    work->block.bytes = arena_slice(work->block.arena, buf_view(&b));
    assert_non_null(work->block.bytes.p);
    work->block.position = (uint64_t)number << 32;
    work->source = &t->source;
    work->memory = t->memory;
    work->owner = t;
}

static void take(struct workers *w, struct work_queue *q, unsigned number)
{
    struct work *work;
    struct err err = ERR_NONE;

    assert_int_equal(workers_take(w, q, &work, &err), 0);
    assert_int_equal(work->result.nmatches, number % 7 * 40 + 1);
    assert_int_equal(work->result.matches[0].event->key.position, (uint64_t)number << 32);
    workers_release(w, work);
}

/* ---- slots and queues ---- */

static void results_come_in_the_order_given(void **state)
{
    for (unsigned nthreads = 0; nthreads <= 4; nthreads += 2) {
        AUTO(workers) w = pool(*state, nthreads, SLOTS);
        struct work_queue q = { 0 };
        unsigned given = 0, taken = 0;

        while (taken < BLOCKS) {
            struct work *work = given < BLOCKS ? workers_slot(w) : NULL;

            if (work) {
                fill(*state, work, given);
                workers_give(w, &q, work, given++ % 11 == 3);
            } else {
                take(w, &q, taken++);
            }
        }
        assert_int_equal(q.n, 0);
        assert_false(workers_ready(w, &q));
        assert_int_equal(workers_awake(w), nthreads > 0);
    }
}

static void each_queue_has_an_order_of_its_own(void **state)
{
    AUTO(workers) w = pool(*state, 2, 20);
    struct work_queue q[2] = { { 0 }, { 0 } };

    for (unsigned i = 0; i < 20; i++) {
        struct work *work = workers_slot(w);

        fill(*state, work, i);
        workers_give(w, &q[i % 2], work, false);
    }
    for (unsigned i = 1; i < 20; i += 2)
        take(w, &q[1], i);
    for (unsigned i = 0; i < 20; i += 2)
        take(w, &q[0], i);
}

static void without_a_free_slot_nothing_more_is_read(void **state)
{
    AUTO(workers) w = pool(*state, 2, 3);
    struct work_queue q = { 0 };
    struct work *work;
    struct err err = ERR_NONE;

    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(workers_free_slots(w), 3 - i);
        work = workers_slot(w);
        assert_non_null(work);
        fill(*state, work, i);
        workers_give(w, &q, work, false);
    }
    assert_null(workers_slot(w));
    assert_int_equal(workers_take(w, &q, &work, &err), 0);
    assert_null(workers_slot(w)); /* its result is still in use */
    workers_release(w, work);
    assert_ptr_equal(workers_slot(w), work);
}

/* A block whose arena has no room for its events. */
static void a_failure_is_the_error_of_its_block(void **state)
{
    for (unsigned nthreads = 0; nthreads <= 2; nthreads += 2) {
        AUTO(workers) w = pool(*state, nthreads, SLOTS);
        struct work_queue q = { 0 };
        struct err err = ERR_NONE;
        struct work *work;

        for (unsigned i = 0; i < 5; i++) {
            work = workers_slot(w);
            fill(*state, work, i);
            for (size_t size = 64 << 20; i == 2 && size; size /= 2)
                while (arena_text(work->block.arena, size))
                    ;
            workers_give(w, &q, work, false);
        }
        take(w, &q, 0);
        take(w, &q, 1);
        assert_int_equal(workers_take(w, &q, &work, &err), -ENOMEM);
        assert_int_equal(err.code, -ENOMEM);
        workers_release(w, work);
        take(w, &q, 3);
        take(w, &q, 4);
    }
}

static void what_is_told_of_is_there(void **state)
{
    AUTO(workers) w = pool(*state, 1, 2);
    struct work_queue q = { 0 };
    struct work *work = workers_slot(w);
    fd_set set;

    fill(*state, work, 6);
    workers_give(w, &q, work, false);
    FD_ZERO(&set);
    FD_SET(workers_fd(w), &set);
    assert_int_equal(select(workers_fd(w) + 1, &set, NULL, NULL, NULL), 1);
    workers_heard(w);
    assert_true(workers_ready(w, &q));
    take(w, &q, 6);
}

static void threads_end_when_told_and_begin_again(void **state)
{
    AUTO(workers) w = pool(*state, 2, SLOTS);
    struct work_queue q = { 0 };

    assert_false(workers_awake(w));
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < SLOTS; i++) {
            struct work *work = workers_slot(w);

            fill(*state, work, i);
            workers_give(w, &q, work, false);
        }
        assert_true(workers_awake(w));
        for (unsigned i = 0; i < SLOTS; i++)
            take(w, &q, i);
        workers_rest(w);
        assert_false(workers_awake(w));
    }
}

/* A pool that ends with blocks in work gives all back: the sanitizers and valgrind would tell. */
static void an_end_waits_for_what_is_in_work(void **state)
{
    AUTO(workers) w = pool(*state, 2, SLOTS);
    struct work_queue q = { 0 };

    for (unsigned i = 0; i < SLOTS; i++) {
        struct work *work = workers_slot(w);

        fill(*state, work, 6);
        workers_give(w, &q, work, false);
    }
}

static int refused(void *ctx, int out_fd)
{
    struct bench *t = ctx;
    const struct privileges p = { .anywhere = true };
    struct workers *w = pool(t, 2, SLOTS);
    struct work_queue q = { 0 };
    struct err err = ERR_NONE;

    log_init(LOG_LEVEL_ERROR, "test");
    if (privileges_drop(&p, NULL, &err) < 0)
        fd_write_all(out_fd, err.text, strlen(err.text));
    for (unsigned i = 0; i < 3; i++) {
        struct work *work = workers_slot(w);

        fill(t, work, i);
        workers_give(w, &q, work, false);
    }
    for (unsigned i = 0; i < 3; i++)
        take(w, &q, i);
    if (!workers_awake(w))
        fd_write_all(out_fd, "none", 4);
    _exit(0);
}

static void without_the_right_to_threads_the_taker_reads(void **state)
{
    struct proc_result r = { .out = BUF_LIMIT(4000) };

    assert_int_equal(proc_call(refused, *state, 30 * USEC_PER_SEC, &r, NULL), 0);
    assert_int_equal(r.status, 0);
    assert_string_equal(r.out.p ? r.out.p : "", "none");
    buf_fini(&r.out);
}

/* ---- whole files ---- */

static int add_alert(void *ctx, const struct alert *a)
{
    AUTO_BUF b = BUF_INIT;
    struct json_writer w = json_writer(&b);

    alert_json(a, &w);
    sha256_add(ctx, b.p, b.n);
    return 0;
}

/* Everything that a replay says, as text. */
static struct replay_stats result_of(const struct bench *t, const struct replay_file *files,
                                     size_t nfiles, unsigned nworkers, size_t block, char ret[200])
{
    struct sha256 h;
    struct replay_request q = { .engine = t->engine,
                                .files = files,
                                .nfiles = nfiles,
                                .workers = nworkers,
                                .block_bytes = block,
                                .alert = add_alert,
                                .ctx = &h };
    struct replay_stats s;
    struct err err = ERR_NONE;
    uint8_t digest[SHA256_SIZE];
    AUTO_BUF hex = BUF_INIT;

    assert_int_equal(sha256_init(&h), 0);
    assert_int_equal(replay_run(&q, &s, &err), 0);
    sha256_end(&h, digest);
    buf_hex(&hex, digest, sizeof digest);
    (void)snprintf(ret, 200, "%.*s %llu %llu %llu %llu %llu %llu", SLICE_FMT(buf_view(&hex)),
                   (unsigned long long)s.lines, (unsigned long long)s.events,
                   (unsigned long long)s.unparsed, (unsigned long long)s.matches,
                   (unsigned long long)s.alerts, (unsigned long long)s.regex_limits);
    return s;
}

/* bad: one line in so many runs an expression into its limit. 0 = none. */
static void write_log(const char *name, unsigned nlines, unsigned bad, uint64_t seed)
{
    AUTO_BUF b = BUF_INIT;
    char a[400];

    memset(a, 'a', sizeof a - 2);
    a[sizeof a - 2] = '!';
    a[sizeof a - 1] = '\0';
    for (unsigned i = 0; i < nlines; i++) {
        uint64_t r = next_random(&seed);

        add_line(&b, i / 3,
                 bad && r % bad == 0 ? a
                 : r % 5 == 0        ? "aaa"
                                     : "root",
                 (unsigned)(r >> 20) % 40);
    }
    write_file(name, buf_view(&b));
}

static void any_block_size_and_number_of_workers_give_the_same(void **state)
{
    const struct bench *t = *state;
    const struct replay_file files[] = { { .path = path(t, "a.log"), .channel = "xui" },
                                         { .path = path(t, "b.log"), .channel = "xui" },
                                         { .path = path(t, "c.log"), .channel = "xui" } };
    uint64_t seed = 0x5eed5eed;
    struct replay_stats s;
    char want[200], got[200];

    write_log(files[0].path, 300, 0, 1);
    write_log(files[1].path, 120, 0, 2);
    write_log(files[2].path, 1, 0, 3);
    s = result_of(t, files, 3, 0, 0, want);
    assert_int_equal(s.events, 421);
    assert_true(s.matches >= 421 && s.alerts > 20);
    for (unsigned i = 0; i < 1000; i++) {
        unsigned nworkers = (unsigned)(next_random(&seed) % 5);
        size_t block = 200 + next_random(&seed) % (i % 2 ? 2000 : 60000);

        result_of(t, files, 3, nworkers, block, got);
        if (strcmp(want, got) != 0)
            print_message("%u workers, blocks of %zu\n", nworkers, block);
        assert_string_equal(got, want);
    }
}

/* A rule rests for the lines behind those that ran it into its limits, whoever reads them. */
static void rules_that_rest_do_so_for_the_same_lines(void **state)
{
    const struct bench *t = *state;
    const struct replay_file files[] = { { .path = path(t, "d.log"), .channel = "xui" },
                                         { .path = path(t, "e.log"), .channel = "xui" } };
    static const size_t blocks[] = { 1 << 10, 4 << 10, 10000, 64 << 10, 1 << 20 };
    char want[200], got[200];
    struct replay_stats s;

    write_log(files[0].path, 4000, 20, 4);
    write_log(files[1].path, 1500, 9, 5);
    s = result_of(t, files, 2, 0, 0, want);
    for (size_t i = 0; i < ARRAY_SIZE(blocks); i++)
        for (unsigned nworkers = 0; nworkers <= 4; nworkers += 2) {
            result_of(t, files, 2, nworkers, blocks[i], got);
            assert_string_equal(got, want);
        }
    /* It was about something: without a rest, more lines than these would run into the limits. */
    assert_in_range(s.regex_limits, 200, 320);
}

/* Under the thread sanitizer each cut takes 50 ms. */
#ifdef __SANITIZE_THREAD__
#define CUT_STEP 61
#else
#define CUT_STEP 1
#endif

/* A file that was cut anywhere: the library's rules, and records of several lines. */
static void a_file_cut_at_any_byte_gives_the_same(void **state)
{
    static const char *const samples[] = { "xui", "laravel" };
    const struct engine_request request = { 0 };
    const char *source = getenv("TW_SOURCE");
    struct bench t = *(struct bench *)*state;
    AUTO(diag) d = diag_new();
    AUTO(engine) library = NULL;
    char want[200], got[200], name[400];
    uint64_t alerts = 0;

    if (!source)
        skip();
    assert_int_equal(engine_load(&request, d, &library), 0);
    t.engine = library;
    for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
        const struct replay_file file = { .path = path(&t, "cut.log"), .channel = samples[i] };
        AUTO_BUF text = BUF_INIT;

        (void)snprintf(name, sizeof name, "%s/contrib/samples/%s.log", source, samples[i]);
        assert_int_equal(file_read(-1, name, 1 << 20, &text, NULL), 0);
        for (size_t n = 1; n <= text.n && n <= 2500; n += CUT_STEP) {
            write_file(file.path, slice_of(text.p, n));
            alerts += result_of(&t, &file, 1, 0, 0, want).alerts;
            (void)result_of(&t, &file, 1, 2, 300 + n % 200, got);
            assert_string_equal(got, want);
        }
    }
    assert_true(alerts > 100);
}

/* ---- how many ---- */

static void the_number_is_a_number_or_auto(void **state)
{
    uint64_t n;

    (void)state;
    assert_int_equal(workers_parse(SLICE("3"), &n), 0);
    assert_int_equal(n, 3);
    assert_int_equal(workers_parse(SLICE("auto"), &n), 0);
    assert_true(workers_count(n, false) <= 4);
    assert_true(workers_count(n, true) <= 3 && workers_count(n, true) != 1);
    assert_true(workers_count(n, true) <= workers_count(n, false));
    assert_int_equal(workers_count(0, false), 0);
    assert_int_equal(workers_count(7, true), 7);
    assert_true(workers_parse(SLICE("17"), &n) < 0);
    assert_true(workers_parse(SLICE("-1"), &n) < 0);
    assert_true(workers_parse(SLICE(""), &n) < 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(results_come_in_the_order_given),
        TEST(each_queue_has_an_order_of_its_own),
        TEST(without_a_free_slot_nothing_more_is_read),
        TEST(a_failure_is_the_error_of_its_block),
        TEST(what_is_told_of_is_there),
        TEST(threads_end_when_told_and_begin_again),
        TEST(an_end_waits_for_what_is_in_work),
        TEST(without_the_right_to_threads_the_taker_reads),
        TEST(any_block_size_and_number_of_workers_give_the_same),
        TEST(rules_that_rest_do_so_for_the_same_lines),
        TEST(a_file_cut_at_any_byte_gives_the_same),
        cmocka_unit_test(the_number_is_a_number_or_auto),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
