/*
 * What is found does not depend on the scan: readers with and without it say the same
 * of any bytes. TW_ROUNDS=N makes it as long as one likes.
 */
#include "tests/unit/scan_rig.h"

#include <config.h>
#include <errno.h>

#include "rules/prefilter.h"

/* How many lines were read with it and without it. */
static uint64_t play_channel(struct both *t, const char *channel, unsigned rounds)
{
    AUTO_BUF samples = BUF_INIT;
    AUTO_BUF bytes = BUF_INIT;
    struct slice lines[2000], rest;
    uint64_t played = 0;
    size_t n = 0;

    read_samples(channel, &samples);
    rest = buf_view(&samples);
    while (n < ARRAY_SIZE(lines) && slice_split(&rest, '\n', &lines[n]))
        n++;
    assert_true(n > 5);
    for (unsigned i = 0; i < rounds; i++) {
        size_t max = dice(t, 10) ? 4000 : 200000;

        buf_reset(&bytes);
        for (size_t size = dice(t, max); bytes.n < size;)
            add_line(t, lines, n, &bytes);
        if (bytes.n && dice(t, 2))
            bytes.n--; /* the last line is not whole */
        played += compare(t, channel, buf_view(&bytes)).lines;
    }
    return played;
}

static void play_all(struct both *t)
{
    uint64_t played = 0;

    for (size_t i = 0; i < ARRAY_SIZE(channels); i++)
        played += play_channel(t, channels[i], rounds());
    print_message("%llu lines\n", (unsigned long long)played);
}

static void with_the_library_any_bytes_give_the_same_matches(void **state)
{
    struct both *t = both_new(NULL, true);

    (void)state;
    play_all(t);
    both_free(t);
}

/* Words of the samples, so that all lanes, and lines with several rules, come up. */
static void words_as_rules_give_the_same_matches(void **state)
{
    static const char rules[] =
        "title: a\nlogsource: {product: xui}\n"
        "detection: {s: {user.name|contains: root}, condition: s}\n"
        "---\ntitle: b\nlogsource: {product: xui}\n"
        "detection: {s: {message|contains: 'failed login'}, t: {user.name: admin}, condition: s "
        "and not t}\n"
        "---\ntitle: c\nlogsource: {product: laravel}\n"
        "detection: {s: {event.action: login_failed}, condition: s}\n"
        "---\ntitle: d\nlogsource: {product: laravel}\n"
        "detection: {k: ['guard', 'admin@*'], condition: k}\n"
        "---\ntitle: e\nlogsource: {product: api}\n"
        "detection: {s: {message|re: '(?i)log(?:in|out)_(?:failed|ok)'}, condition: s}\n"
        "---\ntitle: f\nlogsource: {product: openvpn}\n"
        "detection: {s: {message|contains: 'AUTH_FAILED'}, condition: s}\n"
        "---\ntitle: g\nlogsource: {product: hysteria}\n"
        "detection: {s: {message|endswith: 'error'}, condition: s}\n"
        "---\ntitle: h\nlogsource: {product: xray}\n"
        "detection: {s: {event.action: access_blocked}, condition: s}\n"
        "---\ntitle: i\nlogsource: {product: xray}\n"
        "detection: {k: ['accepted', '203.0.113.', 'login_failed'], condition: k}\n"
        "---\ntitle: j\nlogsource: {product: openvpn}\n"
        "detection: {k: ['203.0.113.5', 'failure', '..'], condition: k}\n"
        "---\ntitle: k\nlogsource: {product: api}\n"
        "detection: {k: {'|re': ['\\d{7}', '^err', 'Mozilla']}, condition: k}\n";
    struct both *t = both_new(rules, false);

    (void)state;
    play_all(t);
    both_free(t);
}

/* ---- how many lines ---- */

static void lines_are_counted_as_they_are_read(void **state)
{
    struct both t = { .dice = 5 };
    static char bytes[10000];

    (void)state;
    for (unsigned round = 0; round < 20000; round++) {
        size_t n = dice(&t, round % 100 ? 300 : sizeof bytes);
        struct block b = { .bytes = { bytes, n } };
        struct block_walk walk = { 0 };
        struct record record;
        uint64_t lines, full, want_lines = 0, want_full = 0;

        for (size_t i = 0; i < n; i++)
            bytes[i] = "\n\n\r\rab"[dice(&t, round % 2 ? 6 : 4)];
        while (block_next(&b, NULL, &walk, &record)) {
            want_lines++;
            want_full += record.text.n > 0;
        }
        block_count(&b, &lines, &full);
        assert_int_equal(lines, want_lines);
        assert_int_equal(full, want_full);
    }
}

/* ---- records of several lines ---- */

/* A line that begins with a blank goes on with the record before it. */
static bool begins_unless_indented(const void *ctx, struct slice line, struct slice previous)
{
    (void)ctx;
    (void)previous;
    return line.n == 0 || line.p[0] != ' ';
}

static void the_walk_goes_straight_to_the_record_of_a_byte(void **state)
{
    const struct framing f = { .starts = begins_unless_indented, .lines_max = 5, .bytes_max = 60 };
    struct both t = { .dice = 7 };
    static char bytes[400];
    size_t skipped = 0;

    (void)state;
    for (unsigned round = 0; round < 20000; round++) {
        AUTO(arena) a = arena_new(1024, 0);
        struct block b = { .bytes = { bytes, sizeof bytes } };
        struct block_walk walk = { 0 }, jump = { 0 };
        struct record record, found;
        uint64_t records = 0, full = 0, want_records = 0, want_full = 0;

        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = "\n\n\r  abcdefg"[dice(&t, round % 2 ? 13 : 6)];
        b.bytes.n = framing_whole(&f, b.bytes, a, &b.ends);
        if (b.bytes.n == 0)
            continue;
        assert_true(block_can_skip(&b, &f));
        while (block_next(&b, &f, &walk, &record)) {
            size_t begin = record.position;

            want_records++;
            want_full += record.text.n > 0;
            if (dice(&t, 3))
                continue;
            block_skip_to(&b, &jump, begin + dice(&t, (unsigned)(walk.offset - begin)));
            assert_true(block_next(&b, &f, &jump, &found));
            assert_int_equal(found.position, record.position);
            assert_int_equal(found.text.n, record.text.n);
            assert_int_equal(jump.offset, walk.offset);
            skipped++;
        }
        block_count(&b, &records, &full);
        assert_int_equal(records, want_records);
        assert_int_equal(full, want_full);
        b.ends.n--;
        assert_false(block_can_skip(&b, &f));
        assert_true(block_can_skip(&b, NULL));
    }
    assert_true(skipped > 100000);
}

/* ---- each place is told ---- */

#define TEXTS_MAX 40

struct found {
    uint64_t places[TEXTS_MAX]; /* by literal: how many */
    uint64_t wrong; /* told where it does not stand */
    struct slice bytes;
    const struct slice *literals;
};

/* Around a byte. */
static bool stands_around(struct slice bytes, struct slice literal, size_t at)
{
    for (size_t from = at + 1 > literal.n ? at + 1 - literal.n : 0; from <= at; from++)
        if (from + literal.n <= bytes.n &&
            slice_eq_nocase(slice_of(bytes.p + from, literal.n), literal))
            return true;
    return false;
}

static int take_place(void *ctx, uint32_t literal, size_t at)
{
    struct found *f = ctx;

    f->places[literal]++;
    f->wrong += !stands_around(f->bytes, f->literals[literal], at);
    return 0;
}

static void scan_and_compare(const struct prefilter *p, struct prefilter_scratch *s,
                             const struct slice *literals, size_t n, struct slice bytes)
{
    struct found got = { .bytes = bytes, .literals = literals };
    uint64_t want[TEXTS_MAX] = { 0 };

    for (uint32_t k = 0; k < n; k++)
        for (size_t i = 0; i + literals[k].n <= bytes.n; i++)
            want[k] += slice_eq_nocase(slice_of(bytes.p + i, literals[k].n), literals[k]);
    assert_int_equal(prefilter_scan(p, s, bytes, take_place, &got), 0);
    assert_memory_equal(got.places, want, sizeof want);
    assert_int_equal(got.wrong, 0);
}

static struct prefilter *prefilter_of(const struct slice *literals, size_t n,
                                      struct prefilter_scratch **s)
{
    struct prefilter *p = NULL;
    struct err err = ERR_NONE;
    int e = prefilter_new(literals, n, &p, &err);

    if (e == -ENOSYS)
        skip();
    assert_int_equal(e, 0);
    assert_int_equal(prefilter_scratch_for(s), 0);
    return p;
}

static void each_place_of_a_sign_is_told(void **state)
{
    static const struct slice signs[] = { SLICE(".."), SLICE("../"), SLICE("$("), SLICE("//.") };
    struct both t = { .dice = 11 };
    struct prefilter_scratch *s = NULL;
    struct prefilter *p = prefilter_of(signs, 4, &s);
    char bytes[200];

    (void)state;
    for (unsigned round = 0; round < 5000; round++) {
        size_t n = dice(&t, sizeof bytes);

        for (size_t i = 0; i < n; i++)
            bytes[i] = "./$(a"[dice(&t, 5)];
        scan_and_compare(p, s, signs, 4, slice_of(bytes, n));
    }
    prefilter_scratch_free(s);
    prefilter_free(p);
}

/* Of a log that is quiet, then full of their pieces, then of themselves: learned, and learned anew.
 */
static void add_words(struct both *t, const struct slice *literals, size_t n, unsigned kind,
                      struct buf *bytes)
{
    const struct slice *l = &literals[dice(t, n)];
    size_t from = dice(t, l->n), to = from + dice(t, l->n - from + 1);

    if (kind == 0 || dice(t, kind == 1 ? 3 : 200) == 0)
        buf_printf(bytes, "%c%c%zu ", "QxZ"[dice(t, 3)], "jkJ\n"[dice(t, 4)], dice(t, 1000));
    else if (kind == 1)
        buf_slice(bytes, slice_take(slice_skip(*l, from), to - from));
    else
        buf_slice(bytes, *l);
    if (bytes->n && dice(t, 9) == 0)
        bytes->p[bytes->n - 1] = (char)(bytes->p[bytes->n - 1] ^ 0x20);
}

static void each_place_of_a_text_is_told_whatever_was_learned(void **state)
{
    struct both t = { .dice = 23 };
    struct prefilter_scratch *s = NULL;
    char texts[TEXTS_MAX][24];
    struct slice literals[TEXTS_MAX];

    (void)state;
    for (unsigned round = 0; round < 4; round++) {
        struct prefilter *p;

        for (size_t i = 0; i < TEXTS_MAX; i++) {
            literals[i] = slice_of(texts[i], 4 + dice(&t, 20));
            for (size_t k = 0; k < literals[i].n; k++)
                texts[i][k] = "abcd e[ailfe@`{"[dice(&t, round % 2 ? 8 : 15)];
        }
        p = prefilter_of(literals, TEXTS_MAX, &s);
        for (unsigned turn = 0; turn < 8; turn++) {
            AUTO_BUF bytes = BUF_INIT;

            while (bytes.n < (turn % 4 == 3 ? 2000u : 70000u))
                add_words(&t, literals, TEXTS_MAX, (turn + round) % 3, &bytes);
            scan_and_compare(p, s, literals, TEXTS_MAX, buf_view(&bytes));
        }
        prefilter_free(p);
    }
    prefilter_scratch_free(s);
}

/* ---- what is not parsed ---- */

#define ONE_RULE                                                                                   \
    "title: a\nlogsource: {product: hysteria}\ndetection: {s: {message|contains: 'needle'}, "      \
    "condition: s}\n"

static void fill(struct buf *b, size_t lines, const char *text)
{
    for (size_t i = 0; i < lines; i++)
        buf_printf(b, "%s %zu\n", text, i);
}

static void lines_without_a_literal_are_counted_and_not_parsed(void **state)
{
    struct both *t = both_new(ONE_RULE, false);
    AUTO_BUF bytes = BUF_INIT;
    struct reader_result r;

    (void)state;
    fill(&bytes, 5000, "nothing to see here, line");
    buf_str(&bytes, "{\"msg\":\"a NEEDLE\"}\n\n");
    fill(&bytes, 5000, "nothing to see here, line");
    r = compare(t, "hysteria", buf_view(&bytes));
    assert_int_equal(r.lines, 10002);
    assert_int_equal(r.events, 10001);
    assert_int_equal(r.nmatches, 1);
#ifdef HAVE_VECTORSCAN
    assert_in_range(r.parsed, 3, 10); /* the needle, the ends, one each 64 KiB */
#endif
    both_free(t);
}

static void of_two_texts_that_a_rule_asks_for_both_must_be_there(void **state)
{
    static const char rules[] =
        "title: a\nlogsource: {product: hysteria}\ndetection: {s: {message|contains: 'needle'}, "
        "t: {message|contains: 'haystack'}, condition: s and t}\n";
    struct both *t = both_new(rules, false);
    AUTO_BUF bytes = BUF_INIT;
    struct reader_result r;

    (void)state;
    fill(&bytes, 2000, "a needle alone, line");
    buf_str(&bytes,
            "{\"msg\":\"a NEEDLE in the hayStack\"}\n{\"msg\":\"a needle, hay\\u0053tack\"}\n");
    fill(&bytes, 2000, "a haystack alone, line");
    r = compare(t, "hysteria", buf_view(&bytes));
    assert_int_equal(r.nmatches, 2);
#ifdef HAVE_VECTORSCAN
    assert_in_range(r.parsed, 4, 10);
#endif
    both_free(t);
}

/* They have passes of their own. */
static void rare_signs_and_runs_of_digits_are_found(void **state)
{
    static const char rules[] =
        "title: a\nlogsource: {product: hysteria}\n"
        "detection: {s: {message|contains: '../'}, condition: s}\n"
        "---\ntitle: b\nlogsource: {product: hysteria}\n"
        "detection: {s: {message|re: '\\d{9}'}, t: {message|contains: '$('}, condition: s or t}\n"
        "---\ntitle: c\nlogsource: {product: hysteria}\n"
        "detection: {s: {message|re: '\\d{14}'}, condition: s}\n";
    struct both *t = both_new(rules, false);
    AUTO_BUF bytes = BUF_INIT;
    struct reader_result r;

    (void)state;
    fill(&bytes, 4000, "nothing to see here, 12345678, line");
    buf_str(&bytes,
            "{\"msg\":\"../x\"}\n{\"msg\":\"..\\/x\"}\n123456789\n{\"msg\":\"123456789\"}\n"
            "{\"msg\":\"a$(\"}\n{\"msg\":\"12345678\\u0039\"}\n{\"msg\":\"12345678901234\"}\n"
            "{\"msg\":\"12345678.9\"}\n");
    fill(&bytes, 4000, "nothing to see here, 12345678, line");
    r = compare(t, "hysteria", buf_view(&bytes));
    assert_int_equal(r.nmatches, 8); /* the longest is two rules' */
#ifdef HAVE_VECTORSCAN
    assert_in_range(r.parsed, 8, 20);
#endif
    both_free(t);
}

static void a_keyword_sees_the_name_that_the_configuration_gives(void **state)
{
    static const char rules[] = "title: a\nlogsource: {product: hysteria}\n"
                                "detection: {k: [needle, old-panel], condition: k}\n";
    struct both *t = both_new(rules, false);
    AUTO_BUF bytes = BUF_INIT;

    (void)state;
    fill(&bytes, 5000, "nothing to see here, line");
    buf_str(&bytes, "{\"msg\":\"a NEEDLE\"}\n");
    assert_int_equal(compare(t, "hysteria", buf_view(&bytes)).nmatches, 1);
    t->service = "the-old-panel.service";
    assert_int_equal(compare(t, "hysteria", buf_view(&bytes)).nmatches, 5001);
    t->service = "the-new-panel.service";
    assert_int_equal(compare(t, "hysteria", buf_view(&bytes)).nmatches, 1);
    t->service = NULL;
    assert_int_equal(compare(t, "hysteria", buf_view(&bytes)).nmatches, 1);
    both_free(t);
}

/* From a database: any text can come of it, so each line is asked. */
static void a_keyword_sees_the_place_of_an_address(void **state)
{
    static const char rules[] = "title: a\nlogsource: {product: hysteria}\n"
                                "detection: {k: [needle, united king], condition: k}\n";
    const char *source = getenv("TW_SOURCE");
    char path[4096];
    const char *const paths[] = { path };
    AUTO_BUF bytes = BUF_INIT;
    AUTO(geo) geo = NULL;
    struct both *t;

    (void)state;
    snprintf(path, sizeof path, "%s/../shared/data/mmdb/test-data/GeoLite2-City-Test.mmdb",
             source ? source : ".");
    if (access(path, R_OK) < 0)
        skip();
    assert_int_equal(geo_open(paths, 1, &geo, NULL), 0);
    t = both_new(rules, false);
    fill(&bytes, 3000, "nothing to see here, line");
    buf_str(&bytes, "{\"addr\":\"81.2.69.142:40001\",\"msg\":\"client connected\"}\n");
    assert_int_equal(compare(t, "hysteria", buf_view(&bytes)).nmatches, 0);
    reader_free(t->with);
    reader_free(t->without);
    t->with = reader_new(t->on, geo);
    t->without = reader_new(t->off, geo);
    assert_int_equal(compare(t, "hysteria", buf_view(&bytes)).nmatches, 1);
    both_free(t);
}

static void a_literal_in_an_escaped_letter_is_found(void **state)
{
    struct both *t = both_new(ONE_RULE, false);
    AUTO_BUF bytes = BUF_INIT;

    (void)state;
    fill(&bytes, 500, "nothing to see here, line");
    buf_str(&bytes, "{\"msg\":\"a n\\u0065edle\"}\n{\"msg\":\"a n\\U0065edle\"}\n");
    fill(&bytes, 500, "nothing to see here, line");
    assert_int_equal(compare(t, "hysteria", buf_view(&bytes)).nmatches, 1);
    both_free(t);
}

static void a_literal_between_terminal_escapes_is_found(void **state)
{
    struct both *t = both_new(ONE_RULE, false);
    AUTO_BUF bytes = BUF_INIT;

    (void)state;
    fill(&bytes, 500, "nothing to see here, line");
    buf_str(&bytes, "{\"msg\":\"a ne\x1b[1med\x1b[0mle\"}\n");
    fill(&bytes, 500, "nothing to see here, line");
    (void)compare(t, "hysteria", buf_view(&bytes));
    both_free(t);
}

/* More candidates than are kept: the block is parsed whole. */
static void a_block_full_of_literals_gives_the_same(void **state)
{
    struct both *t = both_new(ONE_RULE, false);
    AUTO_BUF bytes = BUF_INIT;

    (void)state;
    for (size_t i = 0; i < 70000; i++)
        buf_str(&bytes, i % 100 ? "needle" : "\n");
    assert_true(compare(t, "hysteria", buf_view(&bytes)).parsed > 600);
    both_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_walk_goes_straight_to_the_record_of_a_byte),
        cmocka_unit_test(lines_without_a_literal_are_counted_and_not_parsed),
        cmocka_unit_test(lines_are_counted_as_they_are_read),
        cmocka_unit_test(each_place_of_a_sign_is_told),
        cmocka_unit_test(each_place_of_a_text_is_told_whatever_was_learned),
        cmocka_unit_test(of_two_texts_that_a_rule_asks_for_both_must_be_there),
        cmocka_unit_test(rare_signs_and_runs_of_digits_are_found),
        cmocka_unit_test(a_keyword_sees_the_name_that_the_configuration_gives),
        cmocka_unit_test(a_keyword_sees_the_place_of_an_address),
        cmocka_unit_test(a_literal_in_an_escaped_letter_is_found),
        cmocka_unit_test(a_literal_between_terminal_escapes_is_found),
        cmocka_unit_test(a_block_full_of_literals_gives_the_same),
        cmocka_unit_test(words_as_rules_give_the_same_matches),
        cmocka_unit_test(with_the_library_any_bytes_give_the_same_matches),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
