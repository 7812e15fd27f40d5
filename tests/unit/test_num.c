/* Numbers as text: exact ranges, nothing around them, results untouched on failure. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "base/num.h"

static void unsigned_numbers_keep_to_their_range(void **state)
{
    static const struct {
        const char *text;
        uint64_t min, max;
        int r;
        uint64_t want;
    } cases[] = {
        { "0", 0, UINT64_MAX, 0, 0 },
        { "18446744073709551615", 0, UINT64_MAX, 0, UINT64_MAX },
        { "18446744073709551616", 0, UINT64_MAX, -ERANGE, 0 },
        { "99999999999999999999999", 0, UINT64_MAX, -ERANGE, 0 },
        { "99999999999999999999999x", 0, UINT64_MAX, -EINVAL, 0 },
        { "65535", 0, 65535, 0, 65535 },
        { "65536", 0, 65535, -ERANGE, 0 },
        { "0", 1, 9, -ERANGE, 0 },
        { "007", 0, 9, 0, 7 },
        { "", 0, 9, -EINVAL, 0 },
        { " 1", 0, 9, -EINVAL, 0 },
        { "1 ", 0, 9, -EINVAL, 0 },
        { "+1", 0, 9, -EINVAL, 0 },
        { "-0", 0, 9, -EINVAL, 0 },
        { "0x1", 0, 9, -EINVAL, 0 },
        { "1.0", 0, 9, -EINVAL, 0 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        uint64_t v = 4711;

        assert_int_equal(parse_u64(slice_str(cases[i].text), cases[i].min, cases[i].max, &v),
                         cases[i].r);
        assert_true(v == (cases[i].r ? 4711 : cases[i].want));
    }
    assert_int_equal(parse_u64(SLICE("1\0"), 0, 9, &(uint64_t){ 0 }), -EINVAL);
}

static void signed_numbers_reach_both_ends(void **state)
{
    int64_t v = 0;

    (void)state;
    assert_int_equal(parse_i64(SLICE("-9223372036854775808"), INT64_MIN, INT64_MAX, &v), 0);
    assert_true(v == INT64_MIN);
    assert_int_equal(parse_i64(SLICE("9223372036854775807"), INT64_MIN, INT64_MAX, &v), 0);
    assert_true(v == INT64_MAX);
    assert_int_equal(parse_i64(SLICE("9223372036854775808"), INT64_MIN, INT64_MAX, &v), -ERANGE);
    assert_int_equal(parse_i64(SLICE("-9223372036854775809"), INT64_MIN, INT64_MAX, &v), -ERANGE);
    assert_int_equal(parse_i64(SLICE("-1"), 0, 9, &v), -ERANGE);
    assert_int_equal(parse_i64(SLICE("-"), -9, 9, &v), -EINVAL);
    assert_int_equal(parse_i64(SLICE("--1"), -9, 9, &v), -EINVAL);
    assert_int_equal(parse_i64(SLICE("+1"), -9, 9, &v), -EINVAL);
    assert_true(v == INT64_MAX);
}

static void doubles_are_finite_and_plain(void **state)
{
    static const char *const wrong[] = { "",   " 1",  "1 ", "+1", "nan",  "inf", "0x1p3",
                                         "1e", "1,5", "-",  ".",  "1..2", "1e5x" };
    double v = 0;

    (void)state;
    assert_int_equal(parse_double(SLICE("-1.5e+2"), &v), 0);
    assert_true(v == -150);
    assert_int_equal(parse_double(SLICE("0.25"), &v), 0);
    assert_true(v == 0.25);
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        assert_int_equal(parse_double(slice_str(wrong[i]), &v), -EINVAL);
    assert_int_equal(parse_double(SLICE("1e999"), &v), -ERANGE);
    assert_int_equal(parse_double(SLICE("1\0"), &v), -EINVAL);
    assert_true(v == 0.25);
}

static void sizes_know_both_kinds_of_units(void **state)
{
    uint64_t v = 0;

    (void)state;
    assert_int_equal(parse_bytes(SLICE("64"), &v), 0);
    assert_int_equal(v, 64);
    assert_int_equal(parse_bytes(SLICE("64KiB"), &v), 0);
    assert_int_equal(v, 65536);
    assert_int_equal(parse_bytes(SLICE("2k"), &v), 0);
    assert_int_equal(v, 2000);
    assert_int_equal(parse_bytes(SLICE("3GiB"), &v), 0);
    assert_true(v == UINT64_C(3) << 30);
    assert_int_equal(parse_bytes(SLICE("64 KiB"), &v), -EINVAL);
    assert_int_equal(parse_bytes(SLICE("KiB"), &v), -EINVAL);
    assert_int_equal(parse_bytes(SLICE("64kib"), &v), -EINVAL);
    assert_int_equal(parse_bytes(SLICE("99999999999999GiB"), &v), -ERANGE);
    assert_true(v == UINT64_C(3) << 30);
}

static void durations_are_a_number_and_one_unit(void **state)
{
    static const struct {
        const char *text;
        uint64_t us;
    } cases[] = {
        { "7us", 7 },
        { "250ms", 250000 },
        { "300s", 300000000 },
        { "5m", 300000000 },
        { "1h", UINT64_C(3600000000) },
        { "7d", UINT64_C(604800000000) },
        { "1w", UINT64_C(604800000000) },
        { "0s", 0 },
    };
    static const char *const wrong[] = { "", "5", "m", "5 m", "1h30m", "-5m", "5M", "1.5h" };
    uint64_t v = 0;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_int_equal(parse_duration(slice_str(cases[i].text), &v), 0);
        assert_true(v == cases[i].us);
    }
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        assert_int_equal(parse_duration(slice_str(wrong[i]), &v), -EINVAL);
    assert_int_equal(parse_duration(SLICE("99999999999999w"), &v), -ERANGE);
}

static void durations_and_sizes_are_written_short(void **state)
{
    AUTO_BUF b = BUF_INIT;

    (void)state;
    buf_duration(&b, 5400 * USEC_PER_SEC);
    buf_char(&b, ' ');
    buf_duration(&b, 0);
    buf_char(&b, ' ');
    buf_duration(&b, 2 * 86400 * USEC_PER_SEC + 1);
    buf_char(&b, ' ');
    buf_duration(&b, 250000);
    assert_string_equal(b.p, "1h30m 0s 2d1us 250ms");
    buf_reset(&b);
    buf_bytes(&b, 1023);
    buf_char(&b, '|');
    buf_bytes(&b, 65536);
    buf_char(&b, '|');
    buf_bytes(&b, 1572864);
    assert_string_equal(b.p, "1023 B|64 KiB|1.5 MiB");
}

static void sums_and_products_that_overflow_are_seen(void **state)
{
    size_t v = 0;

    (void)state;
    assert_true(size_add(SIZE_MAX - 1, 1, &v) && v == SIZE_MAX);
    assert_false(size_add(SIZE_MAX, 1, &v));
    assert_true(size_mul(SIZE_MAX / 2, 2, &v));
    assert_false(size_mul(SIZE_MAX / 2 + 1, 2, &v));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unsigned_numbers_keep_to_their_range),
        cmocka_unit_test(signed_numbers_reach_both_ends),
        cmocka_unit_test(doubles_are_finite_and_plain),
        cmocka_unit_test(sizes_know_both_kinds_of_units),
        cmocka_unit_test(durations_are_a_number_and_one_unit),
        cmocka_unit_test(durations_and_sizes_are_written_short),
        cmocka_unit_test(sums_and_products_that_overflow_are_seen),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
