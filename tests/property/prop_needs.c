/*
 * What a pattern needs, against PCRE2: a text that matches has all of it. Random patterns over few
 * letters, so that random texts match them often; TW_NEEDS_SEED and TW_NEEDS_CASES change which
 * and how many. And some patterns of which the needs are known.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "parsers/format.h"
#include "tests/property/dice.h"

#define TEXTS 60 /* for each pattern */

/* ---- what is read ---- */

static void assert_needs(const char *pattern, const char *want)
{
    AUTO(arena) a = arena_new(4096, 0);
    AUTO_BUF b = BUF_INIT;
    struct needs needs;

    assert_int_equal(needs_read(slice_str(pattern), a, &needs), 0);
    for (size_t i = 0; i < needs.n; i++) {
        buf_str(&b, i ? " & " : "");
        buf_str(&b, needs.list[i].at_start ? "^" : "");
        for (size_t j = 0; j < needs.list[i].n; j++) {
            buf_str(&b, j ? "|" : "");
            buf_slice(&b, needs.list[i].any[j]);
        }
    }
    buf_char(&b, '\0');
    assert_string_equal(b.p, want);
}

static void plain_texts_of_the_top_level_are_needed(void **state)
{
    (void)state;
    assert_needs("^user_created(?:\\n.*)?$", "^user_created");
    assert_needs("^(?:ok|failed) login$", "^ok login|failed login");
    assert_needs("^(?:.*\")?(?<m>[A-Z]+) (?<p>.*?) HTTP/[\\d.]+\" (?<s>404|400)(?: .*)?$",
                 " HTTP/ & \" 404|\" 400");
    assert_needs("^(?:.*\")?(?<m>POST) (?<p>\\S*/x) HTTP/[\\d.]+\" (?<s>5\\d\\d)$",
                 "POST  &  HTTP/ & \" 5");
    assert_needs("^a+b?cd*ef{2}gh(?:ij)+kl(?:mn)*op$", "^a & ghij & kl & op");
    assert_needs("^ab(?<=b)(?<!>zz)cd$", "^ab & cd");
    assert_needs("^x(?:a|b|c|d|e|f|g|h|ii)yz$", "^x & yz");
    assert_needs("^x(?:ab[])|]b|cc)dd$", "^xab|xcc & dd");
    assert_needs("^\\[x\\] \\d+ (?=yy)zz(?!y)..ww$", "^[x]  & zz & ww");
}

static void what_is_not_understood_needs_nothing(void **state)
{
    static const char *const patterns[] = {
        "^abc|def$",          "^(?i)abc$",    "^(?i:abc)d$", "abc",         "^\\Qabc\\E$",
        "^(?:\\Q)\\E|ab)cc$", "^ab(*FAIL)c$", "^ab\\Kcd$",   "^ab(?#c)d$",  "^ab(?>cd)$",
        "^(?|a|b)c$",         "^ab\\x41cd$",  "^ab{,3}cd$",  "^(ab)\\1cd$",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(patterns); i++)
        assert_needs(patterns[i], "");
}

static void a_text_is_found_wherever_it_stands(void **state)
{
    char text[96];
    struct slice what = SLICE("needle");
    struct needs needs = { .list = { { &what, 1, false } }, .n = 1 };

    (void)state;
    for (size_t n = 0; n <= 80; n++)
        for (size_t at = 0; at <= n; at++) {
            memset(text, 'n', sizeof text);
            memcpy(text + at, "needle", 6); /* also across the end */
            assert_int_equal(needs_met(&needs, slice_of(text, n)), n - at >= 6);
        }
}

/* ---- random patterns ---- */

static void put_quantifier(struct dice *d, struct buf *b)
{
    static const char *const some[] = { "?",  "*",  "+",  "{2}", "{0,2}", "{1,}",
                                        "??", "*?", "+?", "*+",  "?+",    "++" };

    if (roll(d, 4) == 0)
        buf_str(b, PICK(d, some));
}

static void put_parts(struct dice *d, struct buf *b, unsigned depth);

static void put_group(struct dice *d, struct buf *b, unsigned depth)
{
    static const char *const heads[] = { "(",   "(?:",  "(?:",  "(?:",  "(?<g>", "(?=",
                                         "(?!", "(?<!", "(?<=", "(?i:", "(?>",   "(?|" };
    unsigned alternatives = 1 + roll(d, roll(d, 5) ? 4 : 11);
    const char *head = heads[roll(d, roll(d, 4) ? 5 : (unsigned)ARRAY_SIZE(heads))];

    buf_str(b, head);
    for (unsigned i = 0; i < alternatives; i++) {
        buf_str(b, i ? "|" : "");
        put_parts(d, b, depth + 1);
    }
    buf_char(b, ')');
}

static void put_parts(struct dice *d, struct buf *b, unsigned depth)
{
    static const char *const some[] = { ".",     "[ab]",  "[^a]", "\\w", "\\d", "[]a]",
                                        "[)(|]", "[])|]", "\\.",  "\\(", "\\|", ">",
                                        "\\[",   " ",     "\"",   "-" };
    static const char *const odd[] = { "$",   "^", "\\b",     "\\x61", "(?i)",
                                       "\\1", "|", "\\Q(\\E", "a{,2}", "\\K" };
    unsigned n = roll(d, depth ? 4 : 8);

    for (unsigned i = 0; i < n; i++) {
        unsigned kind = roll(d, 40);

        if (kind < 24)
            buf_char(b, "aaabbc"[roll(d, 6)]);
        else if (kind < 31)
            buf_str(b, PICK(d, some));
        else if (kind < 39 && depth < 3)
            put_group(d, b, depth);
        else if (roll(d, 4) == 0)
            buf_str(b, PICK(d, odd));
        if (kind != 39)
            put_quantifier(d, b);
    }
}

/* Of the pattern's own characters, or any. */
static void put_text(struct dice *d, struct buf *b, struct slice pattern)
{
    unsigned n = roll(d, 12);

    for (unsigned i = 0; i < n; i++) {
        char c = roll(d, 3) && pattern.n ? pattern.p[roll(d, (unsigned)pattern.n)]
                                         : "abcA. "[roll(d, 6)];

        if (!strchr("?*+:<>\\", c) || roll(d, 8) == 0)
            buf_char(b, c);
    }
    if (roll(d, 2)) /* the pattern itself with most of its marks gone */
        for (size_t i = 0; i < pattern.n; i++)
            if (!strchr("?*+:<>\\^$(){}|[]=!", pattern.p[i]) || roll(d, 20) == 0)
                buf_char(b, pattern.p[i]);
}

static uint64_t setting(const char *name, uint64_t fallback)
{
    const char *text = getenv(name);

    return text ? strtoull(text, NULL, 10) : fallback;
}

struct counts {
    uint64_t needing, matches, refused, wrong;
};

static void try_pattern(struct dice *d, struct regex_scratch *s, struct counts *c)
{
    AUTO_BUF pattern = BUF_INIT;
    AUTO(arena) a = arena_new(4096, 0);
    AUTO(regex) r = NULL;
    struct needs needs;

    buf_char(&pattern, '^');
    put_parts(d, &pattern, 0);
    buf_char(&pattern, '$');
    if (regex_compile(buf_view(&pattern), REGEX_DOTALL, &r, NULL) < 0)
        return;
    assert_int_equal(needs_read(buf_view(&pattern), a, &needs), 0);
    c->needing += needs.n > 0;
    for (unsigned i = 0; i < TEXTS; i++) {
        AUTO_BUF text = BUF_INIT;
        struct slice group;
        bool met, matches;

        put_text(d, &text, buf_view(&pattern));
        met = needs_met(&needs, buf_view(&text));
        matches = regex_match(r, s, buf_view(&text), &group, 1) == 1;
        c->matches += matches && needs.n;
        c->refused += !met;
        if (matches && !met && c->wrong++ < 5)
            print_message("'%s' matches '%s'\n", pattern.p, text.p ? text.p : "");
    }
}

static void what_matches_has_what_the_pattern_needs(void **state)
{
    AUTO(regex_scratch) s = regex_scratch_new();
    struct dice d = { setting("TW_NEEDS_SEED", 1) };
    uint64_t cases = setting("TW_NEEDS_CASES", 300000) / TEXTS;
    struct counts c = { 0 };

    (void)state;
    for (uint64_t i = 0; i < cases; i++)
        try_pattern(&d, s, &c);
    print_message("%llu patterns, %llu with needs, %llu matches of those, %llu texts refused\n",
                  (unsigned long long)cases, (unsigned long long)c.needing,
                  (unsigned long long)c.matches, (unsigned long long)c.refused);
    assert_int_equal(c.wrong, 0);
    assert_true(c.needing > cases / 4 && c.matches > cases / 4 && c.refused > cases);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_texts_of_the_top_level_are_needed),
        cmocka_unit_test(what_is_not_understood_needs_nothing),
        cmocka_unit_test(a_text_is_found_wherever_it_stands),
        cmocka_unit_test(what_matches_has_what_the_pattern_needs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
