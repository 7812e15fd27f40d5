/* Zones: what the clock on the wall shows, also in years that no file lists. */
#include "base/zone.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/clock.h"

static struct zone *zone(const char *name)
{
    struct zone *z = NULL;

    assert_int_equal(zone_load(name, &z, NULL), 0);
    return z;
}

static int64_t second(const char *text)
{
    uint64_t us = 0;

    if (time_parse_rfc3339(slice_str(text), &us) < 0)
        fail_msg("%s", text);
    return (int64_t)(us / USEC_PER_SEC);
}

static void assert_local(const char *name, const char *utc, const char *local)
{
    AUTO(zone) z = zone(name);
    char got[TIME_TEXT_SIZE];

    time_text((uint64_t)zone_local(z, second(utc)) * USEC_PER_SEC, got);
    if (strncmp(got, local, 19) != 0)
        fail_msg("%s at %s shows %s, not %s", name, utc, got, local);
}

static void the_clock_is_put_forward_and_back(void **state)
{
    (void)state;
    assert_local("Europe/Berlin", "2026-03-29T00:59:59Z", "2026-03-29T01:59:59");
    assert_local("Europe/Berlin", "2026-03-29T01:00:00Z", "2026-03-29T03:00:00");
    assert_local("Europe/Berlin", "2026-10-25T00:59:59Z", "2026-10-25T02:59:59");
    assert_local("Europe/Berlin", "2026-10-25T01:00:00Z", "2026-10-25T02:00:00");
    assert_local("Asia/Kolkata", "2026-10-25T01:00:00Z", "2026-10-25T06:30:00");
    assert_true(zone_local(NULL, 4711) == 4711);
}

static void years_behind_the_list_follow_the_rule(void **state)
{
    (void)state;
    assert_local("Europe/Berlin", "2050-03-27T00:59:59Z", "2050-03-27T01:59:59");
    assert_local("Europe/Berlin", "2050-03-27T01:00:00Z", "2050-03-27T03:00:00");
    assert_local("Europe/Berlin", "2050-10-30T00:59:59Z", "2050-10-30T02:59:59");
    assert_local("Europe/Berlin", "2050-10-30T01:00:00Z", "2050-10-30T02:00:00");
    assert_local("America/New_York", "2050-07-01T12:00:00Z", "2050-07-01T08:00:00");
    assert_local("America/New_York", "2050-12-01T12:00:00Z", "2050-12-01T07:00:00");
    /* The south, by half an hour; a change at 24:00; one that counts winter as the exception. */
    assert_local("Australia/Lord_Howe", "2050-01-01T00:00:00Z", "2050-01-01T11:00:00");
    assert_local("Australia/Lord_Howe", "2050-07-01T00:00:00Z", "2050-07-01T10:30:00");
    assert_local("Africa/Cairo", "2050-10-27T20:59:59Z", "2050-10-27T23:59:59");
    assert_local("Africa/Cairo", "2050-10-27T21:00:00Z", "2050-10-27T23:00:00");
    assert_local("Europe/Dublin", "2050-07-01T00:00:00Z", "2050-07-01T01:00:00");
    assert_local("Europe/Dublin", "2050-12-01T00:00:00Z", "2050-12-01T00:00:00");
    assert_local("Asia/Kolkata", "2050-07-01T00:00:00Z", "2050-07-01T05:30:00");
}

/* Before 2100 the calendar repeats after 28 years, so a listed year tells of one that is not. */
static void a_year_is_like_the_one_28_years_before(void **state)
{
    static const char *const zones[] = {
        "Europe/Berlin", "America/New_York", "America/Havana",   "Africa/Cairo",
        "Asia/Beirut",   "Australia/Sydney", "Pacific/Auckland", "America/Santiago",
        "Europe/Lisbon", "America/St_Johns", "Asia/Jerusalem",   "Europe/Chisinau"
    };
    const int64_t later = INT64_C(10227) * 86400;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(zones); i++) {
        AUTO(zone) z = zone(zones[i]);

        for (int64_t t = second("2029-01-01T00:00:00Z"); t < second("2037-01-01T00:00:00Z");
             t += 900)
            if (zone_local(z, t) + later != zone_local(z, t + later))
                fail_msg("%s at %lld", zones[i], (long long)t);
    }
}

static void a_time_is_reached_once_also_when_it_comes_twice_or_never(void **state)
{
    AUTO(zone) z = zone("Europe/Berlin");

    (void)state;
    assert_true(zone_reach(z, second("2026-10-25T02:30:00Z")) == second("2026-10-25T00:30:00Z"));
    assert_true(zone_reach(z, second("2026-03-29T02:30:00Z")) == second("2026-03-29T01:00:00Z"));
    assert_true(zone_reach(z, second("2026-07-01T12:00:00Z")) == second("2026-07-01T10:00:00Z"));
    assert_true(zone_reach(NULL, 4711) == 4711);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_clock_is_put_forward_and_back),
        cmocka_unit_test(years_behind_the_list_follow_the_rule),
        cmocka_unit_test(a_year_is_like_the_one_28_years_before),
        cmocka_unit_test(a_time_is_reached_once_also_when_it_comes_twice_or_never),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
