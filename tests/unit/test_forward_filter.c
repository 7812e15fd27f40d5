/* Which entries a receiver gets. */
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "logwatch/config.h"
#include "logwatch/forward.h"

#define LINE                                                                                       \
    "{\"i\":7,\"t\":\"2026-11-21T06:13:58.000000Z\",\"type\":\"alert\",\"id\":\"00\",\"rule\":"    \
    "\"4616d1ce-1\",\"level\":\"high\",\"channel\":\"xui\",\"group\":{\"host.name\":\"fra-1\"},"   \
    "\"sd\":{\"source.ip\":\"AbC=\"}\t,\"pii\":{\"source.ip\":[\"c2FsdA\",\"203.0.113.7\"],"       \
    "\"events\":[\"c2FsdA\",\"[{\\\"user.name\\\":\\\"root\\\"}]\"]}}"

static bool takes(const char *field)
{
    const char *items[] = { field };
    const struct config_forward f = { .fields = { .items = items, .n = 1 } };

    return forward_takes(&f, slice_str(LINE));
}

static void one_of_the_fields_must_be_there(void **state)
{
    (void)state;
    assert_true(takes("level=high"));
    assert_true(takes("rule=4616d1ce-*"));
    assert_true(takes("host.name=fra-1"));
    assert_true(takes("source.ip=203.0.113.7"));
    assert_true(takes("source.ip=203.0.113.*"));
    assert_false(takes("source.ip=203.0.113"));
    assert_false(takes("level=hig"));
    assert_false(takes("ip=203.0.113.7"));
    assert_false(takes("name=fra-1"));
    assert_false(takes("rule=*x"));
}

static void a_text_inside_of_a_value_is_no_field(void **state)
{
    (void)state;
    assert_false(takes("user.name=root")); /* escaped: it stands in the text of an event */
}

static void a_line_that_ends_anywhere_is_read_within_its_bounds(void **state)
{
    const char *items[] = { "source.ip=203.0.113.7", "level=high" };
    const struct config_forward f = { .fields = { .items = items, .n = 2 } };
    size_t taken = 0;

    (void)state;
    for (size_t n = 0; n < sizeof LINE; n++) {
        char *copy = slice_dup(slice_of(LINE, n));

        assert_non_null(copy);
        taken += forward_takes(&f, slice_of(copy, n));
        free(copy);
    }
    assert_true(taken > 0 && taken < sizeof LINE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_of_the_fields_must_be_there),
        cmocka_unit_test(a_text_inside_of_a_value_is_no_field),
        cmocka_unit_test(a_line_that_ends_anywhere_is_read_within_its_bounds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
