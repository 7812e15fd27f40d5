/* Cutting bytes into lines: the same records, however the bytes arrive. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "logwatch/inputs/common.h"
#include "logwatch/inputs/lines.h"

#define LINE_MAX_TEST 24

/* Writes what the cutter gives when `bytes` arrive in two pieces, cut at `at`. */
static void feed(struct slice bytes, size_t at, const struct framing *framing, struct buf *out)
{
    size_t begin = 0, have = at;
    bool skipping = false;
    AUTO(arena) a = arena_new(1024, 0);

    for (;;) {
        struct slice now = slice_of(bytes.p + begin, have - begin);
        struct cut_rules rules = { .framing = framing,
                                   .line_max = LINE_MAX_TEST,
                                   .arena = a,
                                   .idle = !framing,
                                   .end = have == bytes.n };
        struct cut cut;

        if (skipping) {
            const char *lf = now.n ? memchr(now.p, '\n', now.n) : NULL;

            begin = lf ? (size_t)(lf - bytes.p) + 1 : have;
            skipping = !lf;
        }
        now = slice_of(bytes.p + begin, have - begin);
        cut = skipping ? (struct cut){ .kind = CUT_NOTHING } : lines_cut(now, &rules);
        if (cut.kind == CUT_NULS && begin + cut.n == have && have < bytes.n)
            cut.kind = CUT_NOTHING; /* the run may go on: its reader looks further */
        if (cut.kind == CUT_NOTHING) {
            if (have == bytes.n)
                return;
            have = bytes.n;
            continue;
        }
        if (cut.kind == CUT_NULS) {
            buf_printf(out, "<%zu>", cut.n);
        } else {
            struct block b = { .bytes = slice_of(now.p, cut.n),
                               .ends = cut.ends,
                               .position = begin };
            struct block_walk walk = { 0 };
            struct record record;

            while (block_next(&b, framing, &walk, &record)) {
                buf_slice(out, record.text);
                buf_printf(out, cut.kind == CUT_LONG ? "@%zu(cut)|" : "@%zu|",
                           (size_t)record.position);
            }
        }
        begin += cut.n;
        skipping = cut.kind == CUT_LONG;
    }
}

static bool starts_with_digit(const void *ctx, struct slice line, struct slice previous)
{
    (void)ctx;
    (void)previous;
    return line.n && line.p[0] >= '0' && line.p[0] <= '9';
}

static const struct slice texts[] = {
    SLICE("one\ntwo\r\nthree"),
    SLICE("\n\n\nx\n\n"),
    SLICE("short\nthis line is much longer than the limit allows\nafter\n"),
    SLICE("this line is much longer than the limit allows and has no end"),
    SLICE("exactly twenty-four char\nexactly twenty-five chars\nx\n"),
    SLICE("a\n\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0b\n"),
    SLICE("a\n\0\0\0\0\0\0\0few\n\0\n"),
    SLICE("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0a line behind a hole\n"),
    SLICE("a\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0b\nc\n"),
    SLICE("1 a\n at b\n at c\n2 d\n3 e\n f"),
    SLICE("1 a\r\n b\r\n2 c\r\n\r\n\n3 d\r\n4\n"),
    SLICE(" before\n1 a\n b\n this line is much longer than the limit allows\n c\n2 d\n"),
};

static void every_cut_gives_the_same_lines(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        struct buf whole = BUF_INIT;

        feed(texts[i], texts[i].n, NULL, &whole);
        for (size_t at = 0; at < texts[i].n; at++) {
            struct buf parts = BUF_INIT;

            feed(texts[i], at, NULL, &parts);
            if (!slice_eq(buf_view(&whole), buf_view(&parts)))
                fail_msg("text %zu cut at %zu: %s is not %s", i, at, parts.p, whole.p);
            buf_fini(&parts);
        }
        buf_fini(&whole);
    }
}

static void every_cut_gives_the_same_records(void **state)
{
    static const struct framing f = {
        .starts = starts_with_digit, .lines_max = 10, .bytes_max = 1000, .idle_us = 1
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        struct buf whole = BUF_INIT;

        feed(texts[i], texts[i].n, &f, &whole);
        for (size_t at = 0; at < texts[i].n; at++) {
            struct buf parts = BUF_INIT;

            feed(texts[i], at, &f, &parts);
            if (!slice_eq(buf_view(&whole), buf_view(&parts)))
                fail_msg("text %zu cut at %zu: %s is not %s", i, at, parts.p, whole.p);
            buf_fini(&parts);
        }
        buf_fini(&whole);
    }
}

static void expect_lines(struct slice text, const char *expect)
{
    struct buf out = BUF_INIT;

    feed(text, text.n, NULL, &out);
    assert_string_equal(out.p, expect);
    buf_fini(&out);
}

static void lines_end_with_lf_and_lose_one_cr(void **state)
{
    (void)state;
    expect_lines(SLICE("one\ntwo\r\n\r\r\nthree"), "one@0|two@4|\r@9|three@12|");
}

static void a_line_of_the_limit_is_whole_and_one_byte_more_is_cut(void **state)
{
    (void)state;
    expect_lines(texts[4], "exactly twenty-four char@0|exactly twenty-five char@25(cut)|x@51|");
}

static void a_hole_is_no_long_line(void **state)
{
    (void)state;
    expect_lines(texts[7], "<32>a line behind a hole@32|");
}

static void the_key_is_that_of_the_first_line_once_it_is_complete(void **state)
{
    uint8_t a[16], b[16];
    char big[2000];

    (void)state;
    assert_false(stream_key(SLICE("first li"), false, a));
    assert_true(stream_key(SLICE("first line\nsecond"), false, a));
    assert_true(stream_key(SLICE("first line"), true, b));
    assert_memory_equal(a, b, sizeof a);
    memset(big, 'x', sizeof big);
    assert_true(stream_key(slice_of(big, 1024), false, a));
    assert_true(stream_key(slice_of(big, 2000), false, b));
    assert_memory_equal(a, b, sizeof a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_cut_gives_the_same_lines),
        cmocka_unit_test(every_cut_gives_the_same_records),
        cmocka_unit_test(lines_end_with_lf_and_lose_one_cr),
        cmocka_unit_test(a_line_of_the_limit_is_whole_and_one_byte_more_is_cut),
        cmocka_unit_test(a_hole_is_no_long_line),
        cmocka_unit_test(the_key_is_that_of_the_first_line_once_it_is_complete),
    };

    return cmocka_run_group_tests_name("input_lines", tests, NULL, NULL);
}
