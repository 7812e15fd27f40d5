/* The ring of evidence: what was put comes back, or nothing does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "rules/evidence.h"

#define KEPT 40000

static size_t make(char *out, size_t size, unsigned i)
{
    size_t n = 1 + i * 37 % (size - 1);

    for (size_t k = 0; k < n; k++)
        out[k] = (char)('a' + (i + k) % 26);
    return n;
}

static void a_text_comes_back_whole_or_is_gone_and_the_newest_are_there(void **state)
{
    struct evidence e = { 0 };
    struct evidence_ref *refs = calloc(KEPT, sizeof *refs);
    char text[2048];
    size_t there = 0;

    (void)state;
    for (unsigned i = 0; i < KEPT; i++) {
        size_t n = make(text, sizeof text, i);

        assert_int_equal(evidence_put(&e, slice_of(text, n), &refs[i]), 0);
        assert_true(slice_eq(evidence_get(&e, refs[i]), slice_of(text, n)));
    }
    for (unsigned i = 0; i < KEPT; i++) {
        size_t n = make(text, sizeof text, i);
        struct slice got = evidence_get(&e, refs[i]);

        if (got.n == 0) {
            assert_int_equal(there, 0); /* the oldest go */
            continue;
        }
        there++;
        assert_true(slice_eq(got, slice_of(text, n)));
    }
    assert_true(e.cap <= (size_t)16 << 20);
    assert_in_range(there, 10000, KEPT - 1);
    evidence_fini(&e);
    free(refs);
}

static void little_takes_little(void **state)
{
    struct evidence e = { 0 };
    struct evidence_ref first, second, none;

    (void)state;
    assert_int_equal(evidence_put(&e, SLICE(""), &none), 0);
    assert_int_equal(evidence_put(&e, SLICE("one"), &first), 0);
    assert_int_equal(evidence_put(&e, SLICE("two"), &second), 0);
    assert_int_equal(evidence_get(&e, none).n, 0);
    assert_true(slice_is(evidence_get(&e, first), "one"));
    assert_true(slice_is(evidence_get(&e, second), "two"));
    assert_int_equal(e.cap, 65536);
    evidence_fini(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_comes_back_whole_or_is_gone_and_the_newest_are_there),
        cmocka_unit_test(little_takes_little),
    };

    return cmocka_run_group_tests_name("evidence", tests, NULL, NULL);
}
