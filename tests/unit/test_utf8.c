/* UTF-8 and what terminals make of text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/utf8.h"

#define FFFD "\xef\xbf\xbd"

static void every_character_comes_back_and_nothing_else_is_one(void **state)
{
    (void)state;
    for (uint32_t cp = 0; cp <= 0x10ffff; cp++) {
        bool surrogate = cp >= 0xd800 && cp <= 0xdfff;
        uint32_t got = 0;
        char out[4];
        unsigned n = utf8_encode(cp, out);

        if (utf8_decode(slice_of(out, n), &got) != n || got != (surrogate ? 0xfffd : cp))
            fail_msg("U+%04X came back as U+%04X", cp, got);
    }
    assert_int_equal(utf8_encode(0x110000, (char[4]){ 0 }), 3);
    assert_int_equal(utf8_encode(UINT32_MAX, (char[4]){ 0 }), 3);
}

/* The model: decode by arithmetic, then refuse overlong forms, surrogates and too large ones. */
static bool model_valid(const unsigned char *p, size_t n)
{
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };

    for (size_t i = 0; i < n;) {
        unsigned len = p[i] < 0x80             ? 1
                       : (p[i] & 0xe0) == 0xc0 ? 2
                       : (p[i] & 0xf0) == 0xe0 ? 3
                       : (p[i] & 0xf8) == 0xf0 ? 4
                                               : 0;
        uint32_t cp = len == 1 ? p[i] : p[i] & (0x7fu >> len);

        if (len == 0 || len > n - i)
            return false;
        for (unsigned j = 1; j < len; j++) {
            if ((p[i + j] & 0xc0) != 0x80)
                return false;
            cp = cp << 6 | (p[i + j] & 0x3f);
        }
        if (cp < least[len] || cp > 0x10ffff || (cp >= 0xd800 && cp <= 0xdfff))
            return false;
        i += len;
    }
    return true;
}

static void validity_is_that_of_rfc_3629_for_all_short_texts(void **state)
{
    static const unsigned char third[] = { 0, 'a', 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc2 };
    unsigned char t[4];

    (void)state;
    for (unsigned a = 0; a < 256; a++)
        for (unsigned b = 0; b < 256; b++)
            for (size_t c = 0; c < sizeof third; c++)
                for (size_t n = 1; n <= 4; n++) {
                    t[0] = (unsigned char)a;
                    t[1] = (unsigned char)b;
                    t[2] = third[c];
                    t[3] = 0xbf;
                    if (utf8_valid(slice_of((char *)t, n)) != model_valid(t, n))
                        fail_msg("%02x %02x %02x %02x, %zu bytes", a, b, t[2], t[3], n);
                }
}

static void wrong_bytes_are_found_at_every_place_of_a_word(void **state)
{
    char text[40];

    (void)state;
    for (size_t n = 1; n <= sizeof text; n++)
        for (size_t at = 0; at < n; at++) {
            memset(text, 'a', sizeof text);
            assert_true(utf8_valid(slice_of(text, n)));
            text[at] = '\x80';
            assert_false(utf8_valid(slice_of(text, n)));
        }
    assert_true(utf8_valid(SLICE_NONE));
}

static void each_maximal_wrong_part_becomes_one_replacement(void **state)
{
    /* The Unicode Standard, tables 3-8 to 3-11 of section 3.9. */
    static const struct {
        const char *in, *out;
    } cases[] = {
        { "\xc0\xaf\xe0\x80\xbf\xf0\x81\x82"
          "A",
          FFFD FFFD FFFD FFFD FFFD FFFD FFFD FFFD "A" },
        { "\xed\xa0\x80\xed\xbf\xbf\xed\xaf"
          "A",
          FFFD FFFD FFFD FFFD FFFD FFFD FFFD FFFD "A" },
        { "\xf4\x91\x92\x93\xff"
          "A\x80\xbf"
          "B",
          FFFD FFFD FFFD FFFD FFFD "A" FFFD FFFD "B" },
        { "\xe1\x80\xe2\xf0\x91\x92\xf1\xbf"
          "A",
          FFFD FFFD FFFD FFFD "A" },
        { "user\xff\xc3\xa9\xe2\x82", "user" FFFD "\xc3\xa9" FFFD },
    };
    AUTO(arena) a = arena_new(0, 0);

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        bool changed = false;
        struct slice out = utf8_clean(a, slice_str(cases[i].in), &changed);

        assert_true(changed);
        assert_true(slice_is(out, cases[i].out));
        assert_true(utf8_valid(out));
    }
}

static void clean_text_is_the_same_slice(void **state)
{
    AUTO(arena) a = arena_new(0, 0);
    struct slice s = SLICE("caf\xc3\xa9 \xf0\x9f\x92\xa1 and so on and so on");
    bool changed = true;

    (void)state;
    assert_ptr_equal(utf8_clean(a, s, &changed).p, s.p);
    assert_false(changed);
    assert_int_equal(arena_used(a), 0);
    assert_null(utf8_clean(a, SLICE_NONE, NULL).p);
}

static void cleaning_without_memory_answers_none(void **state)
{
    AUTO(arena) a = arena_new(0, 4);

    (void)state;
    assert_null(utf8_clean(a,
                           SLICE("abc\xff"
                                 "def"),
                           NULL)
                    .p);
    assert_null(ansi_strip(a, SLICE("abc\033[mdef")).p);
}

static void a_cut_never_divides_a_character(void **state)
{
    struct slice s = SLICE("a\xc3\xa9\xf0\x9f\x92\xa1z");

    (void)state;
    for (size_t max = 0; max <= s.n + 1; max++) {
        struct slice cut = utf8_cut(s, max);

        assert_true(cut.n <= max && utf8_valid(cut));
        assert_true(cut.n + 4 > (max < s.n ? max : s.n));
    }
    /* Wrong bytes do not take the whole text along. */
    assert_int_equal(utf8_cut(SLICE("\x80\x80\x80\x80\x80\x80\x80\x80"), 6).n, 6);
}

static void colour_and_other_sequences_disappear(void **state)
{
    static const struct {
        const char *in, *out;
    } cases[] = {
        { "\033[31mred\033[0m", "red" },
        { "a\033[38;5;208;1mb", "ab" },
        { "\033(B\033[mplain", "plain" }, /* tput sgr0 */
        { "\033]0;title\atext", "text" },
        { "\033]8;;http://x\033\\link\033]8;;\033\\", "link" },
        { "\033Px\033\\y\033_q\033\\z", "yz" },
        { "\033=a\0337b\033c", "ab" },
        { "end\033", "end" },
        { "end\033[", "end" },
        { "end\033[3;", "end" },
        { "no sequence", "no sequence" },
    };
    AUTO(arena) a = arena_new(0, 0);

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_true(slice_is(ansi_strip(a, slice_str(cases[i].in)), cases[i].out));
    assert_ptr_equal(ansi_strip(a, slice_str(cases[10].in)).p, cases[10].in);
}

static void a_broken_sequence_hides_nothing_behind_it(void **state)
{
    static const struct {
        const char *in, *out;
    } cases[] = {
        { "user \033]evil from 203.0.113.5", "user evil from 203.0.113.5" },
        { "user \033Pevil", "user evil" },
        { "a\033[\nb", "a\nb" },
        { "a\033[31\xc3\xa9"
          "b",
          "a\xc3\xa9"
          "b" },
        { "a\033\xc3\xa9"
          "b",
          "a\xc3\xa9"
          "b" },
        { "a\033\033[mb", "ab" },
    };
    AUTO(arena) a = arena_new(0, 0);

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct slice out = ansi_strip(a, slice_str(cases[i].in));

        assert_true(slice_is(out, cases[i].out));
        assert_true(utf8_valid(out));
    }
}

static void nothing_printed_can_steer_a_terminal(void **state)
{
    AUTO_BUF b = BUF_INIT;

    (void)state;
    buf_printable(&b, SLICE("a\033[2J\r\n\t\0\x7f|\xc2\x9b|\xff|\xe2\x80\xae|\xc3\xa9"));
    assert_string_equal(b.p, "a\\x1b[2J\\x0d\\x0a\\x09\\x00\\x7f|\\xc2\\x9b|\\xff|\\xe2\\x80\\xae|"
                             "\xc3\xa9");
}

static void plain_text_is_told_wherever_another_byte_stands(void **state)
{
    char text[100];

    (void)state;
    for (size_t n = 0; n <= sizeof text; n++) {
        memset(text, '~', sizeof text);
        assert_true(utf8_is_plain(slice_of(text, n)));
        for (size_t at = 0; at < n; at++)
            for (unsigned c = 0; c < 256; c++) {
                text[at] = (char)c;
                if (utf8_is_plain(slice_of(text, n)) != (c >= 0x20 && c < 0x80))
                    fail_msg("byte %u at %zu of %zu", c, at, n);
                text[at] = ' ';
            }
    }
    assert_true(utf8_is_plain(SLICE_NONE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_character_comes_back_and_nothing_else_is_one),
        cmocka_unit_test(validity_is_that_of_rfc_3629_for_all_short_texts),
        cmocka_unit_test(wrong_bytes_are_found_at_every_place_of_a_word),
        cmocka_unit_test(each_maximal_wrong_part_becomes_one_replacement),
        cmocka_unit_test(clean_text_is_the_same_slice),
        cmocka_unit_test(cleaning_without_memory_answers_none),
        cmocka_unit_test(a_cut_never_divides_a_character),
        cmocka_unit_test(colour_and_other_sequences_disappear),
        cmocka_unit_test(a_broken_sequence_hides_nothing_behind_it),
        cmocka_unit_test(plain_text_is_told_wherever_another_byte_stands),
        cmocka_unit_test(nothing_printed_can_steer_a_terminal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
