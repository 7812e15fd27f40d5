/* Time: given clocks, the calendar, RFC 3339. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <time.h>

#include "base/clock.h"

static void a_given_clock_stands_and_its_intervals_never_go_back(void **state)
{
    struct clock c = CLOCK_REAL;
    uint64_t before;

    (void)state;
    clock_set(&c, 1000);
    assert_true(clock_now(&c) == 1000);
    before = clock_mono(&c);
    clock_set(&c, 5000);
    assert_true(clock_now(&c) == 5000 && clock_mono(&c) == before + 4000);
    clock_set(&c, 2000); /* the wall clock was put back */
    assert_true(clock_now(&c) == 2000 && clock_mono(&c) == before + 4000);
    clock_set(&c, 2500);
    assert_true(clock_mono(&c) == before + 4500);
}

static void the_real_clock_is_the_machine_s(void **state)
{
    const struct clock c = CLOCK_REAL;
    uint64_t now = clock_now(&c), mono = clock_mono(&c);
    time_t t = time(NULL);

    (void)state;
    assert_true(now / USEC_PER_SEC <= (uint64_t)t && (uint64_t)t - now / USEC_PER_SEC < 60);
    assert_true(clock_mono(&c) >= mono);
}

static void every_day_of_four_centuries_comes_back(void **state)
{
    int64_t first = days_from_civil(1970, 1, 1), last = days_from_civil(2370, 1, 1);
    struct civil was = civil_from_us(0);

    (void)state;
    assert_int_equal(first, 0);
    assert_int_equal(last, 146097);
    for (int64_t day = 1; day < last; day++) {
        struct civil c = civil_from_us((uint64_t)day * 86400 * USEC_PER_SEC);

        assert_int_equal(days_from_civil(c.year, c.month, c.day), day);
        assert_int_equal(c.weekday, (was.weekday + 1) % 7);
        assert_true(c.day == was.day + 1 || c.day == 1);
        was = c;
    }
    assert_int_equal(days_from_civil(2000, 2, 29) + 1, days_from_civil(2000, 3, 1));
    assert_int_equal(days_from_civil(1969, 12, 31), -1);
}

static void time_is_written_with_microseconds_in_utc(void **state)
{
    char text[TIME_TEXT_SIZE];

    (void)state;
    time_text(0, text);
    assert_string_equal(text, "1970-01-01T00:00:00.000000Z");
    time_text(UINT64_C(1795225139123456), text);
    assert_string_equal(text, "2026-11-21T01:38:59.123456Z");
    time_text(UINT64_MAX, text); /* nonsense, but inside its room */
    assert_int_equal(strlen(text), TIME_TEXT_SIZE - 1);
    assert_int_equal(civil_from_us(UINT64_C(1795225139123456)).weekday, 6);
}

static void rfc_3339_is_read_in_all_its_forms(void **state)
{
    static const struct {
        const char *text;
        uint64_t us;
    } cases[] = {
        { "1970-01-01T00:00:00Z", 0 },
        { "2026-11-21T01:38:59.123456Z", UINT64_C(1795225139123456) },
        { "2026-11-21t01:38:59.123456z", UINT64_C(1795225139123456) },
        { "2026-11-21T01:38:59.1234569999999999999999Z", UINT64_C(1795225139123456) },
        { "2026-11-21T01:38:59.1Z", UINT64_C(1795225139100000) },
        { "2026-11-21T04:38:59+03:00", UINT64_C(1795225139000000) },
        { "2026-11-20T20:08:59-05:30", UINT64_C(1795225139000000) },
        { "2026-11-21T01:38:59-00:00", UINT64_C(1795225139000000) },
        { "2026-11-21 04:38:59,123+0300", UINT64_C(1795225139123000) },
        { "2024-02-29T00:00:00Z", UINT64_C(1709164800000000) },
        { "2016-12-31T23:59:60Z", UINT64_C(1483228800000000) },
        { "9999-12-31T23:59:59Z", UINT64_C(253402300799000000) },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        uint64_t us = 1;

        assert_int_equal(time_parse_rfc3339(slice_str(cases[i].text), &us), 0);
        assert_true(us == cases[i].us);
    }
}

static void what_is_no_time_is_refused(void **state)
{
    static const char *const wrong[] = {
        "",
        "2026-11-21",
        "2026-11-21T01:38:59",
        "2026-11-21T01:38:59 Z",
        "2026-11-21T01:38:59.Z",
        "2026-11-21T01:38:59Zx",
        "2026-11-21T01:38Z",
        "2026-00-21T01:38:59Z",
        "2026-13-21T01:38:59Z",
        "2026-11-00T01:38:59Z",
        "2026-11-31T01:38:59Z",
        "2026-02-29T01:38:59Z",
        "1900-02-29T01:38:59Z",
        "2026-11-21T24:00:00Z",
        "2026-11-21T01:60:59Z",
        "2026-11-21T01:38:61Z",
        "2026-11-21T01:38:59+24:00",
        "2026-11-21T01:38:59+03:60",
        "2026-11-21T01:38:59+3:00",
        "2026-11-21T01:38:59+03",
        "2026-1-21T01:38:59Z",
        "+026-11-21T01:38:59Z",
        "2026/11/21T01:38:59Z",
        " 2026-11-21T01:38:59Z",
    };
    uint64_t us = 4711;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        assert_int_equal(time_parse_rfc3339(slice_str(wrong[i]), &us), -EINVAL);
    assert_int_equal(time_parse_rfc3339(SLICE("1969-12-31T23:59:59Z"), &us), -ERANGE);
    assert_int_equal(time_parse_rfc3339(SLICE("1970-01-01T00:00:00+00:01"), &us), -ERANGE);
    assert_true(us == 4711);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_given_clock_stands_and_its_intervals_never_go_back),
        cmocka_unit_test(the_real_clock_is_the_machine_s),
        cmocka_unit_test(every_day_of_four_centuries_comes_back),
        cmocka_unit_test(time_is_written_with_microseconds_in_utc),
        cmocka_unit_test(rfc_3339_is_read_in_all_its_forms),
        cmocka_unit_test(what_is_no_time_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
