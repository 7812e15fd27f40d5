/* The library is the same rules with and without what it carries to test itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "logwatch/engine.h"

static struct engine *engine_with(bool tests, struct diag *d)
{
    const struct engine_request q = { .tests = tests };
    struct engine *e = NULL;

    assert_int_equal(engine_load(&q, d, &e), 0);
    assert_int_equal(diag_count(d), 0);
    return e;
}

static void its_tests_are_all_that_the_short_library_lacks(void **state)
{
    AUTO(diag) d = diag_new();
    AUTO(engine) whole = engine_with(true, d);
    AUTO(engine) brief = engine_with(false, d);
    size_t tests = 0;

    (void)state;
    assert_int_equal(rules_count(whole->rules), rules_count(brief->rules));
    assert_memory_equal(whole->rules_digest, brief->rules_digest, sizeof brief->rules_digest);
    for (size_t i = 0; i < rules_count(whole->rules); i++) {
        const struct rule_info *a = rules_info(whole->rules, i), *b = rules_info(brief->rules, i);

        assert_true(slice_eq(a->id, b->id) && slice_eq(a->file, b->file));
        assert_int_equal(a->at.line, b->at.line);
        assert_memory_equal(a->digest, b->digest, sizeof a->digest);
        assert_int_equal(b->ntests, 0);
        tests += a->ntests;
    }
    assert_true(tests > rules_count(whole->rules));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(its_tests_are_all_that_the_short_library_lacks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
