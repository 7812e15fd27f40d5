/* The registry of machines, their option tables, and what becomes of a batch. */
#include "notifiers/machines/machine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void each_kind_has_a_name_a_summary_help_and_defaults(void **state)
{
    (void)state;
    for (size_t i = 0; machine_kinds[i]; i++) {
        const struct machine_ops *ops = machine_kinds[i];
        struct arena *a = arena_new(4096, 0);
        void *options = arena_alloc(a, ops->state_size);

        assert_ptr_equal(machine_kind(slice_str(ops->name)), ops);
        assert_true(strlen(ops->summary) > 10);
        for (const struct option *o = ops->options; o->name; o++)
            assert_true(o->help && o->help[strlen(o->help) - 1] == '.');
        assert_int_equal(option_defaults(ops->options, options, a), 0);
        arena_free(a);
    }
    assert_null(machine_kind(SLICE("syslo")));
}

/* ---- a receiver that takes so many at once, and refuses some for good ---- */

#define RECORDS 100

struct picky {
    size_t most; /* at once */
    uint64_t poison; /* index that makes a batch fail as a whole */
    uint64_t busy_from; /* index from which on it is busy */
    uint64_t taken[RECORDS];
    unsigned calls;
};

static void picky_deliver(struct machine *m, const struct trail_record *records, size_t n,
                          struct machine_result *results, struct machine_said *said)
{
    struct picky *p = m->state;
    bool poisoned = false;

    assert_true(++p->calls < 1000);
    for (size_t i = 0; i < n; i++)
        poisoned = poisoned || records[i].index == p->poison;
    if (n > p->most || (poisoned && n > 1)) {
        said->fewer = n / 2;
        return;
    }
    if (poisoned) {
        result_dead(&results[0], "no");
        return;
    }
    for (size_t i = 0; i < n && records[i].index < p->busy_from; i++) {
        results[i].state = DELIVERY_SENT;
        p->taken[records[i].index]++;
    }
}

static const struct machine_ops picky_ops = { .name = "picky", .deliver = picky_deliver };

static void play(struct picky *p, struct machine_result *results, struct machine_said *said)
{
    static struct trail_record records[RECORDS];
    struct machine m = { .ops = &picky_ops, .state = p };

    for (size_t i = 0; i < RECORDS; i++)
        records[i].index = i;
    machine_deliver(&m, records, RECORDS, results, said);
}

static void a_batch_is_parted_until_the_receiver_takes_it(void **state)
{
    struct picky p = { .most = 7, .poison = UINT64_MAX, .busy_from = UINT64_MAX };
    struct machine_result results[RECORDS];
    struct machine_said said;

    (void)state;
    play(&p, results, &said);
    for (size_t i = 0; i < RECORDS; i++) {
        assert_int_equal(results[i].state, DELIVERY_SENT);
        assert_int_equal(p.taken[i], 1);
    }
}

static void one_poisoned_record_dies_alone(void **state)
{
    (void)state;
    for (uint64_t poison = 0; poison < RECORDS; poison += 9) {
        struct picky p = { .most = 1000, .poison = poison, .busy_from = UINT64_MAX };
        struct machine_result results[RECORDS];
        struct machine_said said;

        play(&p, results, &said);
        for (size_t i = 0; i < RECORDS; i++) {
            assert_int_equal(results[i].state, i == poison ? DELIVERY_DEAD : DELIVERY_SENT);
            assert_int_equal(p.taken[i], i == poison ? 0 : 1);
        }
        assert_string_equal(results[poison].reason, "no");
    }
}

static void what_is_behind_a_failure_waits(void **state)
{
    struct picky p = { .most = 10, .poison = UINT64_MAX, .busy_from = 34 };
    struct machine_result results[RECORDS];
    struct machine_said said;

    (void)state;
    play(&p, results, &said);
    for (size_t i = 0; i < RECORDS; i++)
        assert_int_equal(results[i].state, i < 34 ? DELIVERY_SENT : DELIVERY_RETRY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_has_a_name_a_summary_help_and_defaults),
        cmocka_unit_test(a_batch_is_parted_until_the_receiver_takes_it),
        cmocka_unit_test(one_poisoned_record_dies_alone),
        cmocka_unit_test(what_is_behind_a_failure_waits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
