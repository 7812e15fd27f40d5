/* The arena: bounds, alignment, and no malloc in steady state (it is counted here). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <stdlib.h>

static size_t mallocs;
static bool memory_is_out;

static void *counted_malloc(size_t size)
{
    if (memory_is_out)
        return NULL;
    mallocs++;
    return malloc(size);
}

/* The arena's own calls only: the .c is read here in place of the library's. */
#define malloc counted_malloc
#include "base/arena.c"
#undef malloc

static void memory_is_zeroed_and_aligned_also_after_text(void **state)
{
    AUTO(arena) a = arena_new(256, 0);

    (void)state;
    for (unsigned round = 0; round < 3; round++) {
        for (size_t i = 1; i < 40; i++) {
            char *text = arena_text(a, i);
            unsigned char *p = arena_alloc(a, i);

            assert_non_null(text);
            memset(text, 0xff, i);
            assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
            for (size_t j = 0; j < i; j++)
                assert_int_equal(p[j], 0);
            memset(p, 0xff, i);
        }
        arena_reset(a);
        assert_int_equal(arena_used(a), 0);
    }
}

static void a_batch_costs_no_malloc_in_steady_state(void **state)
{
    AUTO(arena) a = arena_new(1024, 1 << 20);

    (void)state;
    for (unsigned batch = 0; batch < 10; batch++) {
        if (batch == 2)
            mallocs = 0;
        for (size_t i = 0; i < 500; i++)
            assert_non_null(arena_alloc(a, 40 + i % 17));
        assert_non_null(arena_text(a, 5000));
        arena_reset(a);
    }
    assert_int_equal(mallocs, 0);
}

static void arena_refuses_more_than_its_limit(void **state)
{
    AUTO(arena) a = arena_new(64, 1000);
    size_t got = 0;

    (void)state;
    assert_null(arena_text(a, 1001));
    while (arena_text(a, 10))
        got += 10;
    assert_true(got > 900 && got <= 1000);
    assert_null(arena_alloc(a, 64));
    arena_reset(a);
    assert_non_null(arena_text(a, 1000));
    assert_null(arena_text(a, 1));
}

static void a_limit_below_the_chunk_is_used_to_the_last_byte(void **state)
{
    AUTO(arena) a = arena_new(4096, 100);

    (void)state;
    mallocs = 0;
    for (unsigned i = 0; i < 100; i++)
        assert_non_null(arena_text(a, 1));
    assert_null(arena_text(a, 1));
    assert_int_equal(mallocs, 1);
}

static void sizes_that_overflow_are_refused(void **state)
{
    AUTO(arena) a = arena_new(64, 0);
    volatile size_t all = SIZE_MAX; /* the compiler would warn where it knew */

    (void)state;
    assert_null(arena_array(a, all / 2, 3));
    assert_null(arena_alloc(a, all));
    assert_null(arena_text(a, all - 8));
    assert_non_null(arena_array(a, 3, 5));
}

static void copies_are_whole_and_their_own(void **state)
{
    AUTO(arena) a = arena_new(64, 0);
    char text[] = "a\0b";
    struct slice s = arena_slice(a, slice_of(text, 3));
    char *c = arena_str(a, SLICE("xyz"));

    (void)state;
    text[0] = 'q';
    assert_true(slice_eq(s, SLICE("a\0b")));
    assert_string_equal(c, "xyz");
    assert_non_null(arena_slice(a, SLICE_NONE).p);
    assert_string_equal(arena_str(a, SLICE_NONE), "");
    assert_string_equal(arena_printf(a, "%s-%d", "n", 7), "n-7");
}

static void without_memory_everything_answers_null(void **state)
{
    AUTO(arena) a = arena_new(64, 0);

    (void)state;
    memory_is_out = true;
    assert_null(arena_alloc(a, 8));
    assert_null(arena_str(a, SLICE("x")));
    assert_null(arena_slice(a, SLICE("x")).p);
    assert_null(arena_printf(a, "x"));
    memory_is_out = false;
    assert_non_null(arena_alloc(a, 8));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_zeroed_and_aligned_also_after_text),
        cmocka_unit_test(a_batch_costs_no_malloc_in_steady_state),
        cmocka_unit_test(arena_refuses_more_than_its_limit),
        cmocka_unit_test(a_limit_below_the_chunk_is_used_to_the_last_byte),
        cmocka_unit_test(sizes_that_overflow_are_refused),
        cmocka_unit_test(copies_are_whole_and_their_own),
        cmocka_unit_test(without_memory_everything_answers_null),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
