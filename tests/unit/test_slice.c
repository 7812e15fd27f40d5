/* Slices that borrow, and the buffer that remembers its failure. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "base/slice.h"

static void empty_and_absent_texts_are_equal_and_safe(void **state)
{
    struct slice part;

    (void)state;
    assert_true(slice_eq(SLICE_NONE, SLICE("")));
    assert_true(slice_is(SLICE_NONE, ""));
    assert_null(slice_skip(SLICE_NONE, 3).p);
    assert_int_equal(slice_take(SLICE_NONE, 3).n, 0);
    assert_int_equal(slice_trim(SLICE_NONE).n, 0);
    assert_true(slice_find_byte(SLICE_NONE, 'a') == SIZE_MAX);
    assert_true(slice_rfind_byte(SLICE_NONE, 'a') == SIZE_MAX);
    assert_true(slice_starts(SLICE_NONE, SLICE("")) && slice_ends(SLICE_NONE, SLICE("")));
    assert_false(slice_split(&(struct slice){ NULL, 0 }, ',', &part));
    assert_int_equal(slice_str(NULL).n, 0);
}

static void a_nul_byte_is_a_byte_like_any_other(void **state)
{
    (void)state;
    assert_false(slice_eq(SLICE("a\0b"), SLICE("a\0c")));
    assert_int_equal(slice_find_byte(SLICE("a\0b"), 'b'), 2);
    assert_int_equal(slice_find(SLICE("a\0bc"), SLICE("\0b")), 1);
    assert_true(slice_cmp(SLICE("a\0b"), SLICE("a\0a")) > 0);
}

static void order_is_by_unsigned_bytes_then_length(void **state)
{
    (void)state;
    assert_true(slice_cmp(SLICE("a"), SLICE("ab")) < 0);
    assert_true(slice_cmp(SLICE("\xff"), SLICE("a")) > 0);
    assert_int_equal(slice_cmp(SLICE("ab"), SLICE("ab")), 0);
    assert_true(slice_cmp(SLICE_NONE, SLICE("a")) < 0);
}

static void case_is_ignored_for_ascii_only(void **state)
{
    (void)state;
    assert_true(slice_eq_nocase(SLICE("Root@Z["), SLICE("rOOT@z[")));
    assert_false(slice_eq_nocase(SLICE("["), SLICE("{")));
    assert_false(slice_eq_nocase(SLICE("\xc3\x89"), SLICE("\xc3\xa9")));
    assert_false(slice_eq_nocase(SLICE("a"), SLICE("aa")));
}

static void cutting_and_finding_stay_inside(void **state)
{
    struct slice s = SLICE(" \t abc:d:e\r\n");

    (void)state;
    s = slice_trim(s);
    assert_true(slice_is(s, "abc:d:e"));
    assert_int_equal(slice_find_byte(s, ':'), 3);
    assert_int_equal(slice_rfind_byte(s, ':'), 5);
    assert_int_equal(slice_find(s, SLICE("d:e")), 4);
    assert_true(slice_find(s, SLICE("d:ef")) == SIZE_MAX);
    assert_int_equal(slice_find(s, SLICE("")), 0);
    assert_true(slice_is(slice_skip(s, 6), "e"));
    assert_int_equal(slice_skip(s, 99).n, 0);
    assert_true(slice_is(slice_take(s, 3), "abc"));
    assert_true(slice_starts(s, SLICE("abc")) && !slice_starts(s, SLICE("abd")));
    assert_true(slice_ends(s, SLICE(":e")) && !slice_ends(s, SLICE("xxabc:d:e")));
    assert_int_equal(slice_trim(SLICE(" \n ")).n, 0);
}

static void splitting_gives_empty_parts_too(void **state)
{
    static const char *const want[] = { "", "a", "", "b", "" };
    struct slice rest = SLICE(",a,,b,"), part;
    size_t n = 0;

    (void)state;
    while (slice_split(&rest, ',', &part)) {
        assert_true(n < ARRAY_SIZE(want));
        assert_true(slice_is(part, want[n++]));
    }
    assert_int_equal(n, ARRAY_SIZE(want));
    rest = SLICE("");
    assert_true(slice_split(&rest, ',', &part));
    assert_false(slice_split(&rest, ',', &part));
}

static void a_buffer_grows_and_ends_with_a_nul(void **state)
{
    AUTO_BUF b = BUF_INIT;

    (void)state;
    assert_int_equal(buf_view(&b).n, 0);
    assert_non_null(buf_view(&b).p);
    for (unsigned i = 0; i < 1000; i++) {
        buf_printf(&b, "%u,", i);
        assert_int_equal(b.p[b.n], '\0');
    }
    assert_true(slice_starts(buf_view(&b), SLICE("0,1,2,")));
    assert_true(slice_ends(buf_view(&b), SLICE(",998,999,")));
    assert_int_equal(b.n, 10 * 2 + 90 * 3 + 900 * 4);
    buf_reset(&b);
    buf_u64(&b, 0);
    buf_char(&b, ' ');
    buf_u64(&b, UINT64_MAX);
    assert_string_equal(b.p, "0 18446744073709551615");
}

static void the_limit_is_exact_and_remembered(void **state)
{
    AUTO_BUF b = BUF_LIMIT(5);

    (void)state;
    buf_str(&b, "12345");
    assert_true(buf_ok(&b));
    buf_char(&b, '6');
    assert_false(buf_ok(&b));
    buf_add(&b, "", 0);
    assert_string_equal(b.p, "12345");
    assert_null(buf_take(&b));
    assert_int_equal(b.limit, 5);
    buf_printf(&b, "%s", "123456");
    assert_false(buf_ok(&b));
    assert_int_equal(b.n, 0);
    buf_reset(&b);
    assert_true(buf_ok(&b));
    assert_false(buf_reserve(&b, SIZE_MAX));
}

static void what_is_taken_leaves_the_buffer_empty(void **state)
{
    AUTO_BUF b = BUF_INIT;
    AUTO_FREE char *empty = buf_take(&b);
    AUTO_FREE char *text = NULL;

    (void)state;
    assert_string_equal(empty, "");
    buf_str(&b, "abc");
    text = buf_take(&b);
    assert_string_equal(text, "abc");
    assert_int_equal(b.n, 0);
    assert_null(b.p);
}

/* RFC 4648, section 10. */
static const struct {
    const char *plain, *padded, *bare;
} vectors[] = {
    { "", "", "" },
    { "f", "Zg==", "Zg" },
    { "fo", "Zm8=", "Zm8" },
    { "foo", "Zm9v", "Zm9v" },
    { "foob", "Zm9vYg==", "Zm9vYg" },
    { "fooba", "Zm9vYmE=", "Zm9vYmE" },
    { "foobar", "Zm9vYmFy", "Zm9vYmFy" },
};

static void base64_gives_the_vectors_of_rfc_4648_both_ways(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
        struct slice plain = slice_str(vectors[i].plain);

        for (int padded = 0; padded < 2; padded++) {
            const char *want = padded ? vectors[i].padded : vectors[i].bare;
            AUTO_BUF b = BUF_INIT;
            char out[6];
            size_t n = 99;

            buf_base64(&b, plain.p, plain.n, padded);
            assert_true(slice_is(buf_view(&b), want));
            assert_int_equal(base64_decode(slice_str(want), padded, out, sizeof out, &n), 0);
            assert_true(slice_eq(slice_of(out, n), plain));
        }
    }
}

static void base64_that_is_not_canonical_is_refused(void **state)
{
    static const char *const padded[] = { "Zg",   "Zg=",  "Zg===",  "Zh==", "Z===", "====",
                                          "Zm9=", "Z=g=", "Zm9v\n", "Zm 9", "Zm-_", "Zg==Zg==" };
    static const char *const bare[] = { "Z", "Zg==", "Zh", "Zm9", "Zm9vY", "Zm8=", "Zm-_" };
    char out[16];
    size_t n;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(padded); i++)
        assert_int_equal(base64_decode(slice_str(padded[i]), true, out, sizeof out, &n), -EINVAL);
    for (size_t i = 0; i < ARRAY_SIZE(bare); i++)
        assert_int_equal(base64_decode(slice_str(bare[i]), false, out, sizeof out, &n), -EINVAL);
    assert_int_equal(base64_decode(SLICE("Zm9v"), true, out, 2, &n), -ENOSPC);
}

static void hex_is_lower_case_and_of_exact_length(void **state)
{
    AUTO_BUF b = BUF_INIT;
    uint8_t out[3] = { 0 };

    (void)state;
    buf_hex(&b, "\x00\xab\xff", 3);
    assert_string_equal(b.p, "00abff");
    assert_int_equal(hex_decode(buf_view(&b), out, sizeof out), 0);
    assert_memory_equal(out, "\x00\xab\xff", 3);
    assert_int_equal(hex_decode(SLICE("00abf"), out, sizeof out), -EINVAL);
    assert_int_equal(hex_decode(SLICE("00abff00"), out, sizeof out), -EINVAL);
    assert_int_equal(hex_decode(SLICE("00ABff"), out, sizeof out), -EINVAL);
    assert_int_equal(hex_decode(SLICE("00xbff"), out, sizeof out), -EINVAL);
}

static void the_ends_of_short_texts_tell_them_apart(void **state)
{
    (void)state;
    for (size_t n = 1; n <= 16; n++)
        for (size_t at = 0; at < n; at++)
            for (unsigned c = 1; c < 256; c++) {
                char one[16] = { 0 }, other[16] = { 0 };
                struct slice_ends a, b;

                other[at] = (char)c;
                a = slice_ends_of(slice_of(one, n));
                b = slice_ends_of(slice_of(other, n));
                assert_false(a.a == b.a && a.b == b.b);
            }
}

/* Few letters, so that much is nearly found; beside the end and across it, and longer ones, too. */
static void a_text_is_found_where_memmem_finds_it(void **state)
{
    char text[100], what[40];
    uint32_t dice = 1;
    unsigned found = 0;

    (void)state;
    for (unsigned i = 0; i < 200000; i++) {
        size_t n = i % (sizeof text + 1), m = 1 + i % (i % 4 ? 5 : sizeof what);
        char letters = i % 8 ? 2 : 1;
        const char *at;

        for (size_t j = 0; j < sizeof text; j++) {
            dice = dice * 1664525 + 1013904223;
            text[j] = (char)('a' + (dice >> 16) % 8 / 4 % (unsigned)letters);
            if (j < m)
                what[j] = (char)('a' + (dice >> 24) % (unsigned)letters);
        }
        at = memmem(text, n, what, m);
        found += at != NULL;
        assert_true(slice_find(slice_of(text, n), slice_of(what, m)) ==
                    (at ? (size_t)(at - text) : SIZE_MAX));
    }
    assert_true(found > 50000 && found < 190000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_and_absent_texts_are_equal_and_safe),
        cmocka_unit_test(a_nul_byte_is_a_byte_like_any_other),
        cmocka_unit_test(order_is_by_unsigned_bytes_then_length),
        cmocka_unit_test(case_is_ignored_for_ascii_only),
        cmocka_unit_test(cutting_and_finding_stay_inside),
        cmocka_unit_test(splitting_gives_empty_parts_too),
        cmocka_unit_test(a_buffer_grows_and_ends_with_a_nul),
        cmocka_unit_test(the_limit_is_exact_and_remembered),
        cmocka_unit_test(what_is_taken_leaves_the_buffer_empty),
        cmocka_unit_test(base64_gives_the_vectors_of_rfc_4648_both_ways),
        cmocka_unit_test(base64_that_is_not_canonical_is_refused),
        cmocka_unit_test(the_ends_of_short_texts_tell_them_apart),
        cmocka_unit_test(a_text_is_found_where_memmem_finds_it),
        cmocka_unit_test(hex_is_lower_case_and_of_exact_length),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
