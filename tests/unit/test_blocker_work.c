/* The blocker's work: packets in, results out, one batch for what waits, syncs, what was lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/ipc.h"
#include "notifiers/blockers/work-private.h"

/* ---- a backend that writes down what it is told ---- */

#define NOTED_MAX 20000
#define HELD_MAX 64

struct recorder {
    pthread_mutex_t lock;
    struct ban_request noted[NOTED_MAX];
    size_t nnoted, calls, largest;
    struct ban_held held[HELD_MAX];
    size_t nheld;
    int check, wake; /* the next answer of check(); an eventfd */
    int starts_that_fail;
    uint64_t slow_us; /* the first call takes so long */
    bool lists, closed;
};
static struct recorder rec = { .lock = PTHREAD_MUTEX_INITIALIZER };

static int rec_start(struct blocker *b, struct err *err)
{
    (void)b;
    return rec.starts_that_fail-- > 0 ? err_set(err, -EIO, "no firewall") : 0;
}

static void rec_apply(struct blocker *b, const struct ban_request *q, size_t n,
                      struct ban_result *ret)
{
    (void)b;
    pthread_mutex_lock(&rec.lock);
    rec.calls++;
    if (n > rec.largest)
        rec.largest = n;
    for (size_t i = 0; i < n && rec.nnoted < NOTED_MAX; i++)
        rec.noted[rec.nnoted++] = q[i];
    for (size_t i = 0; i < n; i++)
        if (strcmp(q[i].rule, "broken") == 0)
            blocker_say(&ret[i], 0, BAN_FAILED, "broken\n");
        else
            blocker_say(&ret[i], 0, BAN_DONE, "noted");
    pthread_mutex_unlock(&rec.lock);
    if (rec.slow_us && rec.calls == 1)
        usleep((unsigned)rec.slow_us);
}

static int rec_check(struct blocker *b, struct err *err)
{
    uint64_t n;
    int r;

    (void)b;
    (void)err;
    pthread_mutex_lock(&rec.lock);
    if (read(rec.wake, &n, sizeof n) < 0)
        n = 0;
    r = rec.check;
    rec.check = 1;
    pthread_mutex_unlock(&rec.lock);
    return r;
}

static int rec_watch(struct blocker *b)
{
    (void)b;
    return rec.wake;
}

static int rec_held(struct blocker *b, int (*fn)(void *ctx, const struct ban_held *h), void *ctx,
                    struct err *err)
{
    (void)b;
    if (!rec.lists)
        return err_set(err, -ENOTSUP, "no list");
    for (size_t i = 0; i < rec.nheld; i++)
        if (fn(ctx, &rec.held[i]))
            return -ENOMEM;
    return 0;
}

static void rec_close(struct blocker *b)
{
    (void)b;
    rec.closed = true;
}

static const struct blocker_ops rec_ops = { .name = "recorder",
                                            .networks = true,
                                            .ports = true,
                                            .start = rec_start,
                                            .apply = rec_apply,
                                            .check = rec_check,
                                            .watch = rec_watch,
                                            .held = rec_held,
                                            .close = rec_close };

/* ---- the core's end ---- */

static struct blocker blocker;
static pthread_t thread;
static int line = -1, its_line;

static void *work(void *p)
{
    (void)p;
    blocker_work_under(&blocker, its_line, "/nonexistent");
    close(its_line);
    return NULL;
}

/* One result; waits for it. */
static struct ban_result next(void)
{
    static struct ban_result kept[BAN_BATCH_MAX];
    static size_t n, at;

    if (at == n) {
        struct pollfd p = { .fd = line, .events = POLLIN };
        ssize_t got;

        assert_int_equal(poll(&p, 1, 10000), 1);
        got = recv(line, kept, sizeof kept, 0);
        assert_true(got > 0 && (size_t)got % sizeof *kept == 0);
        n = (size_t)got / sizeof *kept;
        at = 0;
    }
    assert_true(memchr(kept[at].why, '\0', sizeof kept[at].why) != NULL);
    return kept[at++];
}

static void expect(uint64_t id, enum ban_said said, const char *why)
{
    struct ban_result r = next();

    assert_int_equal(r.id, id);
    assert_int_equal(r.said, said);
    if (why)
        assert_string_equal(r.why, why);
}

static void begin(const struct blocker_ops *ops)
{
    int fds[2];

    assert_int_equal(ipc_pair(SOCK_SEQPACKET, fds, NULL), 0);
    line = fds[0];
    its_line = fds[1];
    rec.nnoted = rec.calls = rec.largest = 0;
    rec.check = 1;
    rec.closed = false;
    blocker = (struct blocker){ .ops = ops,
                                .settings = { .max = 100000,
                                              .bits4_min = 16,
                                              .bits6_min = 32,
                                              .check_us = 60 * USEC_PER_SEC } };
    assert_int_equal(pthread_create(&thread, NULL, work, NULL), 0);
}

static void end(void)
{
    close(line);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(rec.closed);
    rec.nheld = 0;
    rec.lists = false;
    rec.slow_us = 0;
}

static struct ban_request request(uint64_t id, uint8_t verb, const char *network, uint32_t seconds)
{
    struct ban_request q = { .id = id, .verb = verb, .seconds = seconds, .rule = "ssh" };
    struct cidr c;

    if (network) {
        assert_int_equal(cidr_parse(slice_str(network), &c, NULL), 0);
        q.family = c.net.family;
        q.bits = c.bits;
        memcpy(q.bytes, c.net.bytes, 16);
    }
    return q;
}

static void tell(uint64_t id, uint8_t verb, const char *network, uint32_t seconds)
{
    struct ban_request q = request(id, verb, network, seconds);

    assert_int_equal(send(line, &q, sizeof q, 0), sizeof q);
}

static void hold(const char *network, uint64_t left_s)
{
    struct ban_request q = request(0, 0, network, 0);
    struct ban_held *h = &rec.held[rec.nheld++];

    *h = (struct ban_held){ .left_s = left_s };
    h->target.net.net.family = q.family;
    h->target.net.bits = q.bits;
    memcpy(h->target.net.net.bytes, q.bytes, 16);
    rec.lists = true;
}

static bool noted(size_t i, uint8_t verb, const char *network)
{
    struct ban_request q = request(0, verb, network, 0);

    return i < rec.nnoted && rec.noted[i].verb == verb && rec.noted[i].bits == q.bits &&
           memcmp(rec.noted[i].bytes, q.bytes, 16) == 0;
}

/* ---- tests ---- */

static void it_says_that_it_is_new_and_does_what_it_is_told(void **state)
{
    (void)state;
    begin(&rec_ops);
    expect(0, BAN_LOST, "begun anew");
    tell(1, BAN_ADD, "203.0.113.9", 60);
    expect(1, BAN_DONE, "noted");
    tell(2, BAN_REMOVE, "203.0.113.9", 0);
    expect(2, BAN_DONE, "noted");
    tell(3, BAN_ADD, "127.0.0.1", 60);
    expect(3, BAN_NO, "never banned: special address");
    tell(4, BAN_REMOVE, "127.0.0.1", 0); /* never refused */
    expect(4, BAN_DONE, "noted");
    end();
    assert_int_equal(rec.nnoted, 3);
}

static void a_single_ban_does_not_wait_for_company(void **state)
{
    const struct clock real = CLOCK_REAL;
    uint64_t best = UINT64_MAX;

    (void)state;
    begin(&rec_ops);
    expect(0, BAN_LOST, NULL);
    for (unsigned i = 0; i < 50; i++) {
        uint64_t from = clock_mono(&real);

        tell(1, BAN_ADD, "203.0.113.9", 60);
        expect(1, BAN_DONE, NULL);
        if (clock_mono(&real) - from < best)
            best = clock_mono(&real) - from;
    }
    assert_true(best < 20 * USEC_PER_MSEC);
    end();
}

static void what_piled_up_is_one_batch(void **state)
{
    struct ban_request q[BAN_BATCH_MAX];

    (void)state;
    rec.slow_us = 300 * USEC_PER_MSEC;
    begin(&rec_ops);
    expect(0, BAN_LOST, NULL);
    tell(1, BAN_ADD, "203.0.113.9", 60);
    while (rec.calls == 0)
        usleep(1000);
    for (unsigned p = 0; p < 4; p++) {
        for (unsigned i = 0; i < 200; i++) {
            q[i] = request(p * 200 + i + 2, BAN_ADD, "203.0.113.9", 60);
            q[i].bytes[2] = (uint8_t)p;
            q[i].bytes[3] = (uint8_t)i;
        }
        assert_int_equal(send(line, q, 200 * sizeof *q, 0), 200 * sizeof *q);
    }
    for (unsigned i = 1; i <= 801; i++)
        expect(i, BAN_DONE, "noted");
    end();
    assert_int_equal(rec.nnoted, 801);
    assert_int_equal(rec.calls, 2);
    assert_int_equal(rec.largest, 800);
}

static void a_target_is_not_twice_in_one_batch(void **state)
{
    struct ban_request q[3] = { request(1, BAN_ADD, "203.0.113.9", 60),
                                request(2, BAN_REMOVE, "203.0.113.9", 0),
                                request(3, BAN_ADD, "203.0.113.9", 30) };

    (void)state;
    begin(&rec_ops);
    expect(0, BAN_LOST, NULL);
    assert_int_equal(send(line, q, sizeof q, 0), sizeof q);
    for (unsigned i = 1; i <= 3; i++)
        expect(i, BAN_DONE, NULL);
    end();
    assert_int_equal(rec.calls, 3);
    assert_true(noted(1, BAN_REMOVE, "203.0.113.9") && rec.noted[2].seconds == 30);
}

static void garbage_is_no(void **state)
{
    static const char bytes[3 * sizeof(struct ban_request)] = { 1 };

    (void)state;
    begin(&rec_ops);
    expect(0, BAN_LOST, NULL);
    assert_int_equal(send(line, bytes, 7, 0), 7);
    expect(0, BAN_NO, "this is no packet of requests");
    assert_int_equal(send(line, bytes, sizeof bytes, 0), sizeof bytes);
    expect(1, BAN_NO, "this is no request");
    expect(0, BAN_NO, "this is no request");
    expect(0, BAN_NO, "this is no request");
    tell(9, 77, "203.0.113.9", 60);
    expect(9, BAN_NO, "this is no request");
    tell(9, BAN_SYNC_END, NULL, 0);
    expect(9, BAN_NO, "no sync has begun");
    end();
    assert_int_equal(rec.nnoted, 0);
}

static void one_bad_request_fails_alone_and_its_text_is_printable(void **state)
{
    struct ban_request q[2] = { request(1, BAN_ADD, "203.0.113.9", 60),
                                request(2, BAN_ADD, "203.0.113.10", 60) };

    (void)state;
    memcpy(q[0].rule, "broken", 7);
    begin(&rec_ops);
    expect(0, BAN_LOST, NULL);
    assert_int_equal(send(line, q, sizeof q, 0), sizeof q);
    expect(1, BAN_FAILED, "broken?");
    expect(2, BAN_DONE, "noted");
    end();
}

static void a_sync_writes_what_differs_and_removes_what_was_not_told(void **state)
{
    (void)state;
    hold("203.0.113.1", 60); /* as told */
    hold("203.0.113.2", 61); /* about as told */
    hold("203.0.113.3", 10); /* shorter than told */
    hold("203.0.113.4", 60); /* not told */
    hold("203.0.113.5", UINT64_MAX); /* for good, as told */
    begin(&rec_ops);
    expect(0, BAN_LOST, NULL);
    tell(10, BAN_SYNC_BEGIN, NULL, 0);
    expect(10, BAN_DONE, "");
    tell(1, BAN_ADD, "203.0.113.1", 60);
    expect(1, BAN_DONE, "held already");
    tell(2, BAN_ADD, "203.0.113.2", 60);
    expect(2, BAN_DONE, "held already");
    tell(3, BAN_ADD, "203.0.113.3", 60);
    expect(3, BAN_DONE, "noted");
    tell(5, BAN_ADD, "203.0.113.5", 0);
    expect(5, BAN_DONE, "held already");
    tell(6, BAN_ADD, "203.0.113.6", 0);
    expect(6, BAN_DONE, "noted");
    tell(11, BAN_SYNC_END, NULL, 0);
    expect(11, BAN_DONE, "3 kept, 2 written, 1 removed, 0 could not be");
    end();
    assert_int_equal(rec.nnoted, 3);
    assert_true(noted(0, BAN_ADD, "203.0.113.3"));
    assert_true(noted(1, BAN_ADD, "203.0.113.6"));
    assert_true(noted(2, BAN_REMOVE, "203.0.113.4"));
}

/* Where nothing can be listed: what this process did. */
static void a_second_sync_knows_what_the_first_did(void **state)
{
    (void)state;
    begin(&rec_ops);
    expect(0, BAN_LOST, NULL);
    for (unsigned i = 0; i < 2; i++) {
        tell(10, BAN_SYNC_BEGIN, NULL, 0);
        expect(10, BAN_DONE, "");
        tell(1, BAN_ADD, "203.0.113.1", 600);
        expect(1, BAN_DONE, i ? "held already" : "noted");
        if (i == 0) {
            tell(2, BAN_ADD, "203.0.113.2", 600);
            expect(2, BAN_DONE, "noted");
        }
        tell(11, BAN_SYNC_END, NULL, 0);
        expect(11, BAN_DONE, NULL);
    }
    end();
    assert_int_equal(rec.nnoted, 3);
    assert_true(noted(2, BAN_REMOVE, "203.0.113.2"));
}

static void what_may_not_be_banned_any_more_is_taken_away_by_a_sync(void **state)
{
    (void)state;
    hold("203.0.113.1", 60);
    begin(&rec_ops);
    expect(0, BAN_LOST, NULL);
    tell(9, BAN_ALLOW, "203.0.113.0/30", 0);
    expect(9, BAN_DONE, "allowed");
    tell(10, BAN_SYNC_BEGIN, NULL, 0);
    expect(10, BAN_DONE, "");
    tell(1, BAN_ADD, "203.0.113.1", 60);
    expect(1, BAN_NO, "allowed: 203.0.113.0/30");
    tell(11, BAN_SYNC_END, NULL, 0);
    expect(11, BAN_DONE, "0 kept, 0 written, 1 removed, 0 could not be");
    end();
    assert_true(noted(0, BAN_REMOVE, "203.0.113.1"));
}

static void what_others_took_away_is_told(void **state)
{
    const uint64_t one = 1;

    (void)state;
    begin(&rec_ops);
    expect(0, BAN_LOST, "begun anew");
    pthread_mutex_lock(&rec.lock);
    rec.check = 0;
    assert_int_equal(write(rec.wake, &one, sizeof one), sizeof one);
    pthread_mutex_unlock(&rec.lock);
    expect(0, BAN_LOST, "the firewall was changed by others and made anew");
    end();
}

static void a_firewall_that_does_not_start_is_tried_again(void **state)
{
    (void)state;
    rec.starts_that_fail = 1;
    begin(&rec_ops);
    tell(1, BAN_ADD, "203.0.113.9", 60);
    expect(1, BAN_FAILED, "not ready: no firewall");
    expect(0, BAN_LOST, "begun anew");
    tell(1, BAN_ADD, "203.0.113.9", 60);
    expect(1, BAN_DONE, "noted");
    end();
}

static void slow_backends_answer_in_small_lots(void **state)
{
    struct blocker_ops slow = rec_ops;
    struct ban_request q[40];

    (void)state;
    slow.batch = 16;
    begin(&slow);
    expect(0, BAN_LOST, NULL);
    for (unsigned i = 0; i < 40; i++) {
        q[i] = request(i + 1, BAN_ADD, "203.0.113.9", 60);
        q[i].bytes[3] = (uint8_t)i;
    }
    assert_int_equal(send(line, q, sizeof q, 0), sizeof q);
    for (unsigned i = 1; i <= 40; i++)
        expect(i, BAN_DONE, "noted");
    end();
    assert_int_equal(rec.largest, 16);
    assert_int_equal(rec.calls, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_says_that_it_is_new_and_does_what_it_is_told),
        cmocka_unit_test(a_single_ban_does_not_wait_for_company),
        cmocka_unit_test(what_piled_up_is_one_batch),
        cmocka_unit_test(a_target_is_not_twice_in_one_batch),
        cmocka_unit_test(garbage_is_no),
        cmocka_unit_test(one_bad_request_fails_alone_and_its_text_is_printable),
        cmocka_unit_test(a_sync_writes_what_differs_and_removes_what_was_not_told),
        cmocka_unit_test(a_second_sync_knows_what_the_first_did),
        cmocka_unit_test(what_may_not_be_banned_any_more_is_taken_away_by_a_sync),
        cmocka_unit_test(what_others_took_away_is_told),
        cmocka_unit_test(a_firewall_that_does_not_start_is_tried_again),
        cmocka_unit_test(slow_backends_answer_in_small_lots),
    };

    rec.wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
