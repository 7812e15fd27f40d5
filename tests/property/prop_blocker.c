/*
 * Whatever bytes come down the line, nothing special, allowed or out of bounds ever reaches the
 * backend, each answer can be printed, and the blocker lives on. TW_BLOCKER_SEED repeats a run.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/ipc.h"
#include "base/num.h"
#include "notifiers/blockers/work-private.h"

#define PACKETS 3000

static uint64_t seed;

static uint64_t rnd(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

/* ---- a model of its own of what must never be banned: first and last address of each ---- */

static const struct {
    uint8_t family, bits;
    uint8_t bytes[16];
} protected[] = {
    { 4, 8, { 127 } },
    { 4, 8, { 0 } },
    { 4, 16, { 169, 254 } },
    { 4, 4, { 224 } },
    { 4, 32, { 255, 255, 255, 255 } },
    { 6, 128, { 0 } },
    { 6, 128, { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1 } },
    { 6, 10, { 0xfe, 0x80 } },
    { 6, 8, { 0xff } },
    { 6, 96, { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff } },
    { 4, 24, { 198, 51, 100 } }, /* allowed by the settings */
    { 6, 48, { 0x20, 1, 0x0d, 0xb8, 0, 10 } },
    { 4, 32, { 203, 0, 113, 200 } }, /* told to be allowed */
};
static const char *allow_items[] = { "198.51.100.0/24", "2001:db8:a::/48" };
static struct src_pos allow_at[2];

static bool shares(const uint8_t *a, unsigned abits, const uint8_t *b, unsigned bbits)
{
    for (unsigned i = 0; i < abits && i < bbits; i++)
        if (((a[i / 8] ^ b[i / 8]) << (i % 8)) & 0x80)
            return false;
    return true;
}

static size_t added, removed, wrong;

static bool may_be_added(const struct ban_request *q)
{
    for (size_t i = 0; i < ARRAY_SIZE(protected); i++)
        if (protected[i].family == q->family &&
            shares(protected[i].bytes, protected[i].bits, q->bytes, q->bits))
            return false;
    for (unsigned i = q->bits; i < (q->family == 4 ? 32u : 128u); i++)
        if ((q->bytes[i / 8] << (i % 8)) & 0x80)
            return false;
    return q->seconds <= BAN_MAX_S && q->bits >= (q->family == 4 ? 16 : 32) &&
           strnlen(q->rule, sizeof q->rule) < sizeof q->rule;
}

static void check_apply(struct blocker *b, const struct ban_request *q, size_t n,
                        struct ban_result *ret)
{
    (void)b;
    for (size_t i = 0; i < n; i++) {
        bool fine = (q[i].family == 4 && q[i].bits <= 32) || (q[i].family == 6 && q[i].bits <= 128);

        added += q[i].verb == BAN_ADD;
        removed += q[i].verb == BAN_REMOVE;
        wrong += !fine || (q[i].verb == BAN_ADD && !may_be_added(&q[i])) ||
                 (q[i].verb != BAN_ADD && q[i].verb != BAN_REMOVE);
        for (size_t k = 0; k < i && n < 8; k++)
            wrong += q[k].family == q[i].family && q[k].bits == q[i].bits &&
                     q[k].protocol == q[i].protocol && memcmp(q[k].bytes, q[i].bytes, 16) == 0 &&
                     memcmp(q[k].ports, q[i].ports, sizeof q[k].ports) == 0;
        blocker_say(&ret[i], q[i].id, (added + removed) % 8 ? BAN_DONE : BAN_FAILED, "done");
    }
}

static const struct blocker_ops ops = {
    .name = "model", .networks = true, .ports = true, .ends = true, .apply = check_apply
};
static struct blocker blocker = { .ops = &ops,
                                  .settings = { .allow = { allow_items, allow_at, 2 },
                                                .max = 100000,
                                                .bits4_min = 16,
                                                .bits6_min = 32 } };
static int fds[2];

static void *work(void *p)
{
    blocker_work_under(&blocker, fds[1], "/nonexistent");
    close(fds[1]);
    return p;
}

/* ---- requests: good ones near what is protected, with damage ---- */

static struct ban_request some_request(void)
{
    struct ban_request q = { .id = rnd() % 100, .verb = (uint8_t)(rnd() % 3 == 0 ? 2 : 1) };
    size_t near = rnd() % (ARRAY_SIZE(protected) * 2);
    unsigned whole;

    if (rnd() % 20 == 0)
        q.verb = (uint8_t)(BAN_SYNC_BEGIN + rnd() % 2);
    q.family = near < ARRAY_SIZE(protected) ? protected[near].family : rnd() % 2 ? 4 : 6;
    whole = q.family == 4 ? 32 : 128;
    for (unsigned i = 0; i < whole / 8; i++)
        q.bytes[i] = (uint8_t)rnd();
    if (near < ARRAY_SIZE(protected))
        for (unsigned i = 0; i < protected[near].bits / 8; i++)
            q.bytes[i] = protected[near].bytes[i];
    q.bits = (uint8_t)(rnd() % 2 ? whole : whole / 2 + rnd() % (whole / 2 + 1));
    for (unsigned i = q.bits; i < whole && rnd() % 16; i++)
        q.bytes[i / 8] &= (uint8_t) ~(0x80 >> (i % 8));
    q.seconds = (uint32_t)(rnd() % 4 ? rnd() % 100000 : rnd());
    if (rnd() % 4 == 0) {
        q.protocol = rnd() % 2 ? 6 : (uint8_t)rnd();
        for (unsigned i = 0; i < rnd() % BAN_PORTS_MAX; i++)
            q.ports[i] = (uint16_t)(i ? q.ports[i - 1] + rnd() % 500 : 1 + rnd() % 1000);
    }
    snprintf(q.rule, sizeof q.rule, "rule");
    if (rnd() % 4 == 0)
        ((uint8_t *)&q)[rnd() % sizeof q] ^= (uint8_t)(1u << rnd() % 8);
    if (q.verb == BAN_ALLOW) /* the model knows one */
        q.verb = BAN_ADD;
    return q;
}

static size_t answers, bad_answers;

static void take_answers(int flags)
{
    static struct ban_result r[BAN_BATCH_MAX];
    ssize_t n;

    while ((n = recv(fds[0], r, sizeof r, flags)) > 0) {
        bad_answers += (size_t)n % sizeof *r != 0;
        for (size_t i = 0; i < (size_t)n / sizeof *r; i++) {
            size_t length = strnlen(r[i].why, sizeof r[i].why);

            answers++;
            bad_answers +=
                r[i].said < BAN_DONE || r[i].said > BAN_LOST || length == sizeof r[i].why;
            for (size_t k = 0; k < length && k < sizeof r[i].why; k++)
                bad_answers += r[i].why[k] < 0x20 || r[i].why[k] > 0x7e;
        }
    }
}

static void put(const void *p, size_t n)
{
    while (send(fds[0], p, n, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
        assert_int_equal(errno, EAGAIN);
        take_answers(MSG_DONTWAIT);
    }
}

static void nothing_that_is_protected_ever_reaches_the_backend(void **state)
{
    static struct ban_request q[BAN_BATCH_MAX + 1];
    const struct ban_request allow = {
        .verb = BAN_ALLOW, .family = 4, .bits = 32, .bytes = { 203, 0, 113, 200 }
    };
    pthread_t thread;

    (void)state;
    assert_int_equal(ipc_pair(SOCK_SEQPACKET, fds, NULL), 0);
    assert_int_equal(pthread_create(&thread, NULL, work, NULL), 0);
    put(&allow, sizeof allow);
    for (unsigned p = 0; p < PACKETS; p++) {
        size_t n = 1 + rnd() % 12;

        for (size_t i = 0; i < n; i++)
            q[i] = some_request();
        if (p % 50 == 0) /* bytes of no shape, of no length */
            for (size_t i = 0; i < sizeof q[0] * n; i++)
                ((uint8_t *)q)[i] = (uint8_t)rnd();
        for (size_t i = 0; i < n; i++)
            if (q[i].verb == BAN_ALLOW)
                q[i].verb = BAN_REMOVE;
        put(q, p % 50 == 25 ? 1 + rnd() % (sizeof q[0] * n) : n * sizeof q[0]);
        if (p % 500 == 499) /* too long */
            put(q, sizeof q);
        take_answers(MSG_DONTWAIT);
    }
    shutdown(fds[0], SHUT_WR);
    take_answers(0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    close(fds[0]);
    assert_int_equal(wrong, 0);
    assert_int_equal(bad_answers, 0);
    printf("# %zu added, %zu removed, %zu answers\n", added, removed, answers);
    assert_true(added > PACKETS / 2 && removed > PACKETS && answers > 3 * PACKETS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_that_is_protected_ever_reaches_the_backend),
    };
    const char *given = getenv("TW_BLOCKER_SEED");

    if (!given || parse_u64(slice_str(given), 1, UINT64_MAX, &seed) < 0)
        seed = (uint64_t)time(NULL) * 2654435761u | 1;
    printf("# TW_BLOCKER_SEED=%llu\n", (unsigned long long)seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
