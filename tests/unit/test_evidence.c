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
    struct evidence e;
    struct evidence_ref *refs = calloc(KEPT, sizeof *refs);
    char text[2048];
    size_t there = 0;
    bool gone = false;

    (void)state;
    assert_int_equal(evidence_init(&e, 1), 0);
    for (unsigned i = 0; i < KEPT; i++) {
        size_t n = make(text, sizeof text, i);

        assert_int_equal(evidence_put(&e, 0, slice_of(text, n), &refs[i]), 0);
        assert_true(slice_eq(evidence_get(&e, refs[i]), slice_of(text, n)));
    }
    for (unsigned i = 0; i < KEPT; i++) {
        size_t n = make(text, sizeof text, i);
        struct slice got = evidence_get(&e, refs[i]);

        if (got.n == 0) {
            assert_true(!gone || there == 0); /* the oldest go */
            gone = gone || there < 4000; /* behind those that came before it was known for much */
            assert_true(gone);
            there = 0;
            continue;
        }
        there++;
        assert_true(slice_eq(got, slice_of(text, n)));
    }
    assert_true(e.rings[0].cap + e.rings[1].cap <= (size_t)16 << 20);
    assert_in_range(there, 7000, KEPT - 1);
    evidence_fini(&e);
    free(refs);
}

static void little_takes_little(void **state)
{
    struct evidence e;
    struct evidence_ref first = { 0 }, second = { 0 }, none = { 0 };

    (void)state;
    assert_int_equal(evidence_init(&e, 1), 0);
    assert_int_equal(evidence_put(&e, 0, SLICE(""), &none), 0);
    assert_int_equal(evidence_put(&e, 0, SLICE("one"), &first), 0);
    assert_int_equal(evidence_put(&e, 0, SLICE("two"), &second), 0);
    assert_int_equal(evidence_get(&e, none).n, 0);
    assert_true(slice_is(evidence_get(&e, first), "one"));
    assert_true(slice_is(evidence_get(&e, second), "two"));
    assert_int_equal(e.rings[0].cap, 65536);
    assert_int_equal(e.rings[1].cap, 0);
    evidence_fini(&e);
}

/* Each event counts for the first ten rules, one in a thousand for the last one, too. */
static void a_flood_takes_no_evidence_from_the_others(void **state)
{
    enum { OFTEN = 10, EVENTS = 400000, RARE = 1000 };
    static struct evidence_ref rare[EVENTS / RARE];
    struct evidence_ref ref = { 0 };
    struct evidence e;
    char text[300];

    (void)state;
    assert_int_equal(evidence_init(&e, OFTEN + 1), 0);
    for (unsigned i = 0; i < EVENTS; i++) {
        uint64_t head = e.rings[0].head + e.rings[1].head;
        int n = snprintf(text, sizeof text, "%u%0200u", i, i);

        ref.at = 0;
        for (unsigned rule = 0; rule < OFTEN; rule++)
            assert_int_equal(evidence_put(&e, rule, slice_of(text, (size_t)n), &ref), 0);
        if (i % RARE == 0) {
            assert_int_equal(evidence_put(&e, OFTEN, slice_of(text, (size_t)n), &ref), 0);
            rare[i / RARE] = ref;
        } else if (i > EVENTS / 10 && e.rings[1].head > head / 2) {
            assert_true(e.rings[0].head + e.rings[1].head < head + 600); /* once for the ten */
        }
    }
    assert_true(slice_eq(evidence_get(&e, ref), slice_str(text)));
    for (unsigned i = EVENTS / RARE / 10; i < EVENTS / RARE; i++) {
        snprintf(text, sizeof text, "%u%0200u", i * RARE, i * RARE);
        assert_true(slice_eq(evidence_get(&e, rare[i]), slice_str(text)));
    }
    evidence_fini(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_comes_back_whole_or_is_gone_and_the_newest_are_there),
        cmocka_unit_test(little_takes_little),
        cmocka_unit_test(a_flood_takes_no_evidence_from_the_others),
    };

    return cmocka_run_group_tests_name("evidence", tests, NULL, NULL);
}
