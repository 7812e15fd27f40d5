/*
 * CPU time of bans in nftables: in a network namespace of its own (needs root; else says so).
 *
 *     bans [HELD]      with so many bans in the set (100,000)
 *
 * Time of this process and of the kernel on its behalf, by getrusage(): the wall depends on who
 * else is there.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <sys/resource.h>

#include "base/num.h"
#include "notifiers/blockers/backends.h"

#define BATCH 5000

static double cpu_us(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static struct ban_request numbered(uint32_t i, uint8_t verb, uint32_t seconds, unsigned kind)
{
    struct ban_request q = { .id = i, .verb = verb, .family = 4, .bits = 32, .seconds = seconds };

    if (kind == 6) {
        q.family = 6;
        q.bits = 64;
        q.bytes[0] = 0x20;
        q.bytes[1] = 1;
    } else {
        q.bytes[0] = 100;
        q.bytes[3] = (uint8_t)i;
    }
    q.bytes[1 + (kind == 6)] = (uint8_t)(i >> 16);
    q.bytes[2 + (kind == 6)] = (uint8_t)(i >> 8);
    if (kind == 6)
        q.bytes[4] = (uint8_t)i;
    if (kind == 24) { /* 100.x.y.0/24, and its neighbours in 101 ... */
        q.bits = 24;
        q.bytes[0] = (uint8_t)(100 + (i >> 16));
        q.bytes[1] = (uint8_t)(i >> 8);
        q.bytes[2] = (uint8_t)i;
        q.bytes[3] = 0;
    }
    if (kind == 22) {
        q.protocol = 6;
        q.ports[0] = 22;
    }
    return q;
}

/* CPU microseconds for each of n, in batches of `batch`. */
static double measure(struct blocker *b, uint32_t from, uint32_t n, uint32_t batch, uint8_t verb,
                      unsigned kind)
{
    static struct ban_request q[BATCH];
    static struct ban_result r[BATCH];
    double began = cpu_us();

    for (uint32_t i = 0; i < n; i += batch) {
        uint32_t here = n - i < batch ? n - i : batch;

        for (uint32_t k = 0; k < here; k++)
            q[k] = numbered(from + i + k, verb, 36000, kind);
        b->ops->apply(b, q, here, r);
        for (uint32_t k = 0; k < here; k++)
            if (r[k].said != BAN_DONE) {
                fprintf(stderr, "bans: %s\n", r[k].why);
                exit(1);
            }
    }
    return (cpu_us() - began) / n;
}

static int count(void *ctx, const struct ban_held *h)
{
    (void)h;
    ++*(size_t *)ctx;
    return 0;
}

static void say(const char *what, double us)
{
    printf("  %-44s %8.2f us  %9.0f /s\n", what, us, 1e6 / us);
}

static void measure_all(struct blocker *b, uint32_t held)
{
    size_t n = 0;
    double began, us;

    say("one ban, nothing held", measure(b, 0, 500, 1, BAN_ADD, 32));
    say("new bans, batches of 5,000", measure(b, 0, held, BATCH, BAN_ADD, 32));
    say("one ban more", measure(b, held, 500, 1, BAN_ADD, 32));
    say("renewals, batches of 5,000", measure(b, 0, held / 2, BATCH, BAN_ADD, 32));
    say("new bans, batches of 512", measure(b, held + 1000, 20480, 512, BAN_ADD, 32));
    say("IPv6 /64, batches of 5,000", measure(b, 0, 20000, BATCH, BAN_ADD, 6));
    say("networks /24, batches of 5,000", measure(b, 0, 20000, BATCH, BAN_ADD, 24));
    say("one network /24 more", measure(b, 30000, 500, 1, BAN_ADD, 24));
    say("tcp port 22, batches of 5,000", measure(b, 0, 20000, BATCH, BAN_ADD, 22));
    began = cpu_us();
    if (b->ops->held(b, count, &n, NULL) < 0 || n == 0)
        exit(1);
    us = cpu_us() - began;
    say("listed", us / (double)n);
    say("taken back, batches of 5,000", measure(b, 0, held / 2, BATCH, BAN_REMOVE, 32));
}

int main(int argc, char **argv)
{
    struct blocker b = { .ops = &blocker_nftables };
    AUTO(arena) a = arena_new(4096, 0);
    struct err err = ERR_NONE;
    uint64_t held = 100000;
    struct rusage u;

    if (argc > 1 && parse_u64(slice_str(argv[1]), BATCH, 4000000, &held) < 0)
        return 64;
    printf("\nbans in nftables, CPU for each, %llu held\n", (unsigned long long)held);
    if (unshare(CLONE_NEWNET) < 0) {
        printf("  not measured: %s\n", err_name(errno));
        return 0;
    }
    b.state = a ? arena_alloc(a, b.ops->state_size) : NULL;
    if (!b.state || option_defaults(b.ops->options, b.state, a) < 0 || b.ops->open(&b, &err) < 0 ||
        b.ops->start(&b, &err) < 0) {
        printf("  not measured: %s\n", err.text);
        return 0;
    }
    measure_all(&b, (uint32_t)held);
    getrusage(RUSAGE_SELF, &u);
    printf("  memory at its most: %ld MiB\n", u.ru_maxrss / 1024);
    b.ops->close(&b);
    return 0;
}
