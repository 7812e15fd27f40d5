/* The table: order, removal, limits, and the keyed hash. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>

#include "base/table.h"

static struct slice key_of(unsigned i, char text[16])
{
    return slice_of(text, (size_t)snprintf(text, 16, "key-%u", i));
}

static void *value_of(unsigned i)
{
    return (char *)1 + i;
}

/* "SipHash: a fast short-input PRF", appendix A, and two of the vectors published with it. */
static void siphash_gives_the_published_values(void **state)
{
    static const struct {
        size_t n;
        uint64_t want;
    } vectors[] = {
        { 0, UINT64_C(0x726fdb47dd0e0e31) },
        { 1, UINT64_C(0x74f839c593dc67fd) },
        { 8, UINT64_C(0x93f5f5799a932462) },
        { 15, UINT64_C(0xa129ca6149be45e5) },
    };
    uint8_t key[16], in[16];

    (void)state;
    for (uint8_t i = 0; i < 16; i++)
        key[i] = in[i] = i;
    for (size_t i = 0; i < ARRAY_SIZE(vectors); i++)
        assert_true(siphash24(key, in, vectors[i].n) == vectors[i].want);
}

static void what_was_put_is_found_and_replaced(void **state)
{
    AUTO(table) t = table_new(0);
    char text[16];

    (void)state;
    assert_null(table_get(t, SLICE("key-0")));
    for (unsigned i = 0; i < 1000; i++)
        assert_int_equal(table_put(t, key_of(i, text), value_of(i)), 0);
    assert_int_equal(table_put(t, SLICE("key-7"), value_of(5000)), 0);
    assert_int_equal(table_count(t), 1000);
    for (unsigned i = 0; i < 1000; i++)
        assert_ptr_equal(table_get(t, key_of(i, text)), value_of(i == 7 ? 5000 : i));
    assert_null(table_get(t, SLICE("key-1000")));
}

static void keys_are_bytes_and_copied(void **state)
{
    AUTO(table) t = table_new(0);
    char key[] = "a\0b";

    (void)state;
    assert_int_equal(table_put(t, slice_of(key, 3), value_of(1)), 0);
    assert_int_equal(table_put(t, SLICE("a"), value_of(2)), 0);
    assert_int_equal(table_put(t, SLICE_NONE, value_of(3)), 0);
    memset(key, 'x', sizeof key);
    assert_ptr_equal(table_get(t, SLICE("a\0b")), value_of(1));
    assert_ptr_equal(table_get(t, SLICE("a")), value_of(2));
    assert_ptr_equal(table_get(t, SLICE("")), value_of(3));
}

static void the_limit_counts_live_entries(void **state)
{
    AUTO(table) t = table_new(2);

    (void)state;
    assert_int_equal(table_put(t, SLICE("a"), value_of(1)), 0);
    assert_int_equal(table_put(t, SLICE("b"), value_of(2)), 0);
    assert_int_equal(table_put(t, SLICE("c"), value_of(3)), -ENOSPC);
    assert_int_equal(table_put(t, SLICE("a"), value_of(4)), 0);
    assert_ptr_equal(table_remove(t, SLICE("a")), value_of(4));
    assert_null(table_remove(t, SLICE("a")));
    assert_int_equal(table_put(t, SLICE("c"), value_of(3)), 0);
    assert_int_equal(table_count(t), 2);
}

/* Against the slow model: a list of what lives, oldest first. */
static void order_is_that_of_insertion_through_any_removals(void **state)
{
    enum { KEYS = 64, STEPS = 20000 };
    AUTO(table) t = table_new(0);
    unsigned live[KEYS], nlive = 0, seed = 12345;
    char text[16];

    (void)state;
    for (unsigned step = 0; step < STEPS; step++) {
        unsigned k, at = 0;
        struct slice key;
        void *value;
        size_t i = 0;

        seed = seed * 1103515245u + 12345u;
        k = (seed >> 16) % KEYS;
        while (at < nlive && live[at] != k)
            at++;
        if (at < nlive) {
            assert_ptr_equal(table_remove(t, key_of(k, text)), value_of(k));
            memmove(live + at, live + at + 1, (--nlive - at) * sizeof *live);
        } else {
            assert_int_equal(table_put(t, key_of(k, text), value_of(k)), 0);
            live[nlive++] = k;
        }
        assert_int_equal(table_count(t), nlive);
        for (at = 0; table_next(t, &i, &key, &value); at++) {
            assert_true(at < nlive);
            assert_ptr_equal(value, value_of(live[at]));
            assert_true(slice_eq(key, key_of(live[at], text)));
        }
        assert_int_equal(at, nlive);
    }
}

static void entries_may_be_removed_while_walking(void **state)
{
    AUTO(table) t = table_new(0);
    char text[16];
    struct slice key;
    size_t seen = 0;

    (void)state;
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(table_put(t, key_of(i, text), value_of(i)), 0);
    for (size_t i = 0; table_next(t, &i, &key, NULL); seen++)
        if (seen % 2 == 0)
            assert_non_null(table_remove(t, slice_of(memcpy(text, key.p, key.n), key.n)));
    assert_int_equal(seen, 100);
    assert_int_equal(table_count(t), 50);
}

/* A window that drops its oldest group for each new one: 200,000 times in well under a second. */
static void dropping_the_oldest_again_and_again_is_cheap(void **state)
{
    enum { LIVE = 4096, ROUNDS = 200000 };
    AUTO(table) t = table_new(LIVE);
    char text[16];

    (void)state;
    for (unsigned n = 0; n < ROUNDS; n++) {
        if (n >= LIVE) {
            size_t i = 0;
            struct slice key;
            void *value;

            assert_true(table_next(t, &i, &key, &value));
            assert_ptr_equal(value, value_of(n - LIVE));
            memcpy(text, key.p, key.n);
            assert_non_null(table_remove(t, slice_of(text, key.n)));
        }
        assert_int_equal(table_put(t, key_of(n, text), value_of(n)), 0);
    }
    assert_int_equal(table_count(t), LIVE);
}

static void the_same_key_has_the_same_hash_within_a_process(void **state)
{
    static const uint8_t zero[16];

    (void)state;
    assert_true(table_hash(SLICE("a")) == table_hash(SLICE("a")));
    assert_true(table_hash(SLICE("a")) != table_hash(SLICE("b")));
    assert_true(table_hash(SLICE("a")) != siphash24(zero, "a", 1)); /* there is a secret */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(siphash_gives_the_published_values),
        cmocka_unit_test(what_was_put_is_found_and_replaced),
        cmocka_unit_test(keys_are_bytes_and_copied),
        cmocka_unit_test(the_limit_counts_live_entries),
        cmocka_unit_test(order_is_that_of_insertion_through_any_removals),
        cmocka_unit_test(entries_may_be_removed_while_walking),
        cmocka_unit_test(dropping_the_oldest_again_and_again_is_cheap),
        cmocka_unit_test(the_same_key_has_the_same_hash_within_a_process),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
