/* Records in chunks: named by four bytes, packed, given out again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "rules/slab.h"

#define MANY 20000

static void records_are_zeroed_apart_and_packed(void **state)
{
    struct slab s = { 0 };
    uint32_t *records = calloc(MANY, sizeof *records);

    (void)state;
    assert_non_null(records);
    for (uint32_t i = 0; i < MANY; i++) {
        uint32_t *p;

        records[i] = slab_alloc(&s, 64);
        assert_int_not_equal(records[i], 0);
        p = slab_at(&s, records[i]);
        assert_int_equal((uintptr_t)p % 64, 0);
        for (unsigned k = 0; k < 16; k++)
            assert_int_equal(p[k], 0);
        for (unsigned k = 0; k < 16; k++)
            p[k] = i;
    }
    for (uint32_t i = 0; i < MANY; i++)
        for (unsigned k = 0; k < 16; k++)
            assert_int_equal(((uint32_t *)slab_at(&s, records[i]))[k], i);
    assert_true(s.bytes < MANY * 64 + SLAB_CHUNK);
    slab_fini(&s);
    free(records);
}

static void what_is_freed_is_given_out_again(void **state)
{
    struct slab s = { 0 };
    uint32_t first = slab_alloc(&s, 100), second = slab_alloc(&s, 100), third;
    char *p = slab_at(&s, first);

    (void)state;
    memset(p, 'x', 100);
    slab_free(&s, first);
    third = slab_alloc(&s, 112); /* the same class */
    assert_int_equal(third, first);
    assert_int_equal(p[0] | p[111], 0);
    assert_int_not_equal(slab_alloc(&s, 100), second);
    assert_int_equal(s.bytes, SLAB_CHUNK);
    slab_fini(&s);
}

static void empty_chunks_go_back_and_their_places_are_used_again(void **state)
{
    struct slab s = { 0 };
    uint32_t *records = calloc(MANY, sizeof *records), places = 0;

    (void)state;
    assert_non_null(records);
    for (unsigned round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < MANY; i++)
            records[i] = slab_alloc(&s, 80);
        assert_true(s.bytes >= MANY * 80);
        for (uint32_t i = 0; i < MANY; i++) /* not in their order */
            slab_free(&s, records[(i * 7919u) % MANY]);
        assert_int_equal(s.bytes, SLAB_CHUNK); /* one is kept */
        places = round ? places : s.nchunks;
        assert_int_equal(s.nchunks, places);
    }
    slab_fini(&s);
    free(records);
}

static void sizes_do_not_mix_and_large_ones_are_refused(void **state)
{
    struct slab s = { 0 };

    (void)state;
    assert_int_equal(slab_alloc(&s, 0), 0);
    assert_int_equal(slab_alloc(&s, SLAB_MAX + 1), 0);
    assert_int_equal(s.bytes, 0);
    for (size_t n = 1; n <= SLAB_MAX; n++) {
        uint32_t a = slab_alloc(&s, n);

        assert_int_not_equal(a, 0);
        memset(slab_at(&s, a), 'x', n);
        assert_int_equal(a / (SLAB_CHUNK / SLAB_UNIT), (n + 15) / 16);
    }
    slab_fini(&s);
}

/* Against a model: who holds a record still holds it, whatever others do. */
static void any_order_keeps_what_is_held(void **state)
{
    struct slab s = { 0 };
    struct {
        uint32_t record;
        size_t size;
    } held[500] = { { 0, 0 } };
    uint64_t x = 1;

    (void)state;
    for (unsigned step = 0; step < 200000; step++) {
        unsigned i;

        x = x * 6364136223846793005u + 1442695040888963407u;
        i = (unsigned)(x >> 40) % ARRAY_SIZE(held);
        if (held[i].record) {
            const unsigned char *p = slab_at(&s, held[i].record);

            assert_int_equal(p[0], i % 251);
            assert_int_equal(p[held[i].size - 1], i % 251);
            slab_free(&s, held[i].record);
            held[i].record = 0;
        } else {
            held[i].size = 48 + (x >> 20) % 200;
            held[i].record = slab_alloc(&s, held[i].size);
            assert_int_not_equal(held[i].record, 0);
            memset(slab_at(&s, held[i].record), (int)(i % 251), held[i].size);
        }
    }
    slab_fini(&s);
}

/* Pieces of all sizes, malloc's among them: each holds what it held, and zeros behind it. */
static void pieces_grow_and_keep_what_they_hold(void **state)
{
    struct slab s = { 0 };
    struct {
        unsigned char *p;
        size_t n;
    } held[100] = { { NULL, 0 } };
    uint64_t x = 5;

    (void)state;
    for (unsigned step = 0; step < 50000; step++) {
        unsigned i;
        size_t n, more;

        x = x * 6364136223846793005u + 1442695040888963407u;
        i = (unsigned)(x >> 40) % ARRAY_SIZE(held);
        n = held[i].n;
        more = n + 1 + (x >> 20) % 700;
        for (size_t k = 0; k < n; k++)
            assert_int_equal(held[i].p[k], i + 1);
        if (n > 5000) {
            slab_piece_free(&s, held[i].p);
            held[i].p = NULL;
            held[i].n = 0;
            continue;
        }
        held[i].p = slab_piece_grow(&s, held[i].p, n, more);
        assert_non_null(held[i].p);
        assert_int_equal((uintptr_t)held[i].p % _Alignof(max_align_t), 0);
        for (size_t k = n; k < more; k++)
            assert_int_equal(held[i].p[k], 0);
        memset(held[i].p, (int)i + 1, more);
        held[i].n = more;
    }
    for (size_t i = 0; i < ARRAY_SIZE(held); i++)
        slab_piece_free(&s, held[i].p);
    for (uint32_t i = 1; i <= s.nchunks; i++)
        assert_int_equal(s.chunks[i].live, 0);
    assert_null(slab_piece(&s, SIZE_MAX));
    slab_fini(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_are_zeroed_apart_and_packed),
        cmocka_unit_test(what_is_freed_is_given_out_again),
        cmocka_unit_test(empty_chunks_go_back_and_their_places_are_used_again),
        cmocka_unit_test(sizes_do_not_mix_and_large_ones_are_refused),
        cmocka_unit_test(any_order_keeps_what_is_held),
        cmocka_unit_test(pieces_grow_and_keep_what_they_hold),
    };

    return cmocka_run_group_tests_name("slab", tests, NULL, NULL);
}
