/* Rules and events made to do harm: nothing crashes, nothing hangs, nothing goes untold. */
#include "rules/tree.h"

#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

#include <cmocka.h>

#include "base/json.h"

struct set {
    struct field_names *names;
    struct rules *rules;
    struct rules_scratch *scratch;
    struct diag *diag;
    struct arena *arena;
};

static struct set load_slice(struct slice text)
{
    struct set s = { .names = field_names_new(), .diag = diag_new(), .arena = arena_new(4096, 0) };

    s.rules = rules_new(s.names);
    rules_add(s.rules, "t.yml", text, s.diag);
    rules_compile(s.rules, s.diag);
    s.scratch = rules_scratch_new(s.rules);
    assert_non_null(s.scratch);
    return s;
}

static struct set load(const char *text)
{
    return load_slice(slice_str(text));
}

static void drop(struct set *s)
{
    rules_scratch_free(s->scratch);
    rules_free(s->rules);
    field_names_free(s->names);
    diag_free(s->diag);
    arena_free(s->arena);
}

static size_t match(struct set *s, struct slice value)
{
    static const struct logsource test = { { "test", 4 }, { "", 0 }, { "", 0 } };
    struct event ev = { .arena = s->arena, .logsource = &test, .raw = SLICE("") };
    const uint32_t *hits;
    size_t n;

    assert_int_equal(
        event_add(&ev, field_find(s->names, SLICE("f")), SLICE("f"), VALUE_STRING, value), 0);
    n = rules_match(s->rules, s->scratch, &ev, &hits);
    arena_reset(s->arena);
    return n;
}

static uint64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static bool is_told(const struct set *s, const char *what)
{
    for (size_t i = 0; i < diag_count(s->diag); i++)
        if (strstr(diag_text(s->diag, i), what))
            return true;
    return false;
}

#define HEAD "title: t\nid: t\nlogsource: {product: test}\n"
#define RULE(item) HEAD "detection:\n  s:\n    " item "\n  condition: s\n"

static struct slice repeated(char c, size_t n, char last)
{
    static char text[256 * 1024];

    memset(text, c, n);
    text[n] = last;
    return slice_of(text, n + 1);
}

/* ---- expressions that explode ---- */

static void an_expression_that_explodes_is_stopped_and_counted(void **state)
{
    static const char *const items[] = {
        RULE("f|re: '^(a+)+$'"),
        RULE("f|re: '^(a|a)*$'"),
        RULE("f|re: '^(a|aa)+$'"),
        RULE("f|re: '(a*)*[bc]$'"),
        RULE("f|re: '^(([a-z])+.)+[A-Z]([a-z])+$'"),
        RULE("f|re: '(.*a){20}$'"),
        RULE("f|re|i: '^(.+)+[^!]$'"),
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(items); i++) {
        struct set s = load(items[i]);

        assert_int_equal(diag_errors(s.diag), 0);
        assert_int_equal(match(&s, repeated('a', 3000, '!')), 0);
        if (rules_scratch_limits(s.scratch) != 1)
            print_message("%s", items[i]);
        assert_int_equal(rules_scratch_limits(s.scratch), 1);
        drop(&s);
    }
}

static void a_rule_that_explodes_again_and_again_rests_and_is_tried_again(void **state)
{
    struct set s =
        load(RULE("f|re: '^(a+)+$'") "---\ntitle: u\nid: u\nlogsource: {product: test}\n"
                                     "detection: {s: {f|endswith: '!'}, condition: s}\n");
    struct rules_trouble t;
    const uint32_t *rested;
    struct slice bad = repeated('a', 3000, '!');

    (void)state;
    assert_false(rules_scratch_trouble(s.scratch, 0, &t));
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(match(&s, bad), 1); /* the other rule goes on */
    assert_true(rules_scratch_trouble(s.scratch, 0, &t));
    assert_int_equal(t.hits, 100);
    assert_int_equal(t.rest, 1000);
    assert_int_equal(rules_scratch_rested(s.scratch, &rested), 1);
    assert_int_equal(rested[0], 0);
    assert_int_equal(rules_scratch_rested(s.scratch, &rested), 0);
    assert_false(rules_scratch_trouble(s.scratch, 1, &t));
    /* A value that matches is not asked about now; it is counted that it was not. */
    for (unsigned i = 0; i < 1000; i++)
        assert_int_equal(match(&s, SLICE("aaa")), 0);
    assert_true(rules_scratch_trouble(s.scratch, 0, &t));
    assert_int_equal(t.skipped, 1000);
    assert_int_equal(t.rest, 0);
    assert_int_equal(match(&s, SLICE("aaa")), 1);
    /* One more, and it rests for twice as long. */
    assert_int_equal(match(&s, bad), 1);
    for (unsigned i = 0; i < 2000; i++)
        assert_int_equal(match(&s, SLICE("aaa")), 0);
    assert_int_equal(match(&s, SLICE("aaa")), 1);
    assert_int_equal(rules_scratch_limits(s.scratch), 101);
    drop(&s);
}

static void a_value_too_long_for_an_expression_is_counted_and_never_a_reason_to_rest(void **state)
{
    struct set s = load(RULE("f|re: 'x$'"));
    struct rules_trouble t;

    (void)state;
    for (unsigned i = 0; i < 200; i++)
        assert_int_equal(match(&s, repeated('a', 65535, 'x')), 0);
    assert_int_equal(rules_scratch_limits(s.scratch), 200);
    assert_false(rules_scratch_trouble(s.scratch, 0, &t));
    drop(&s);
}

static void long_expressions_are_refused(void **state)
{
    AUTO_BUF text = BUF_INIT;
    struct set s;

    (void)state;
    buf_str(&text, HEAD "detection:\n  s:\n    f|re: '");
    buf_slice(&text, repeated('a', 9000, 'a'));
    buf_str(&text, "'\n  condition: s\n");
    s = load_slice(buf_view(&text));
    assert_int_equal(diag_errors(s.diag), 1);
    assert_true(is_told(&s, "longer than"));
    drop(&s);
}

/* ---- values ---- */

static void values_of_64_kib_are_compared_whole(void **state)
{
    static const struct {
        const char *rule;
        size_t n;
    } cases[] = {
        { RULE("f|endswith: ax"), 1 },
        { RULE("f|contains: aaaax"), 1 },
        { RULE("f|startswith: aaa"), 1 },
        { RULE("f: 'a*a*a*a*a*a*a*ax'"), 1 },
        { RULE("f: 'a*a*a*a*a*b*a*ax'"), 0 },
        { RULE("f: '*??????????????????x'"), 1 },
        { RULE("f|contains: 'A?A?A?A?b'"), 0 },
        { RULE("f|contains: '\xc3\xa9'"), 0 },
        { RULE("f|fieldref: f"), 1 },
        { RULE("f|fieldref|contains: f"), 1 },
        { RULE("f|gt: 5"), 0 },
        { RULE("f|cidr: 10.0.0.0/8"), 0 },
        { RULE("f|hour: 5"), 0 },
        { RULE("f|windash|contains: ' -x'"), 0 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct set s = load(cases[i].rule);

        assert_int_equal(diag_errors(s.diag), 0);
        if (match(&s, repeated('a', 65535, 'x')) != cases[i].n)
            fail_msg("%s", cases[i].rule);
        drop(&s);
    }
}

/* One field against another: a stranger chooses both, and must not buy minutes with a line. */
static void long_fields_are_looked_for_in_one_another(void **state)
{
    struct buf whole = BUF_INIT, part = BUF_INIT, other = BUF_INIT;

    (void)state;
    for (unsigned i = 0; i < 65000; i++)
        buf_char(&whole, 'a');
    buf_str(&whole, "\xc3\x89");
    for (unsigned i = 0; i < 32000; i++) {
        buf_char(&part, 'A');
        buf_char(&other, 'a');
    }
    buf_str(&part, "\xc3\xa9");
    buf_str(&other, "b");
    for (unsigned i = 0; i < 20; i++) {
        assert_true(fold_has(buf_view(&whole), buf_view(&part)));
        assert_true(fold_ends(buf_view(&whole), buf_view(&part)));
        assert_false(fold_has(buf_view(&whole), buf_view(&other)));
        assert_false(fold_ends(buf_view(&whole), buf_view(&other)));
    }
    buf_fini(&whole);
    buf_fini(&part);
    buf_fini(&other);
}

static void bytes_that_are_no_text_are_compared_as_they_are(void **state)
{
    static const struct slice values[] = {
        { "\xed\xa0\x80", 3 }, { "\xff\xfe", 2 }, { "\xc3", 1 },     { "\xe2\x80", 2 },
        { "a\0b", 3 },         { "\x80\x80", 2 }, { "\xf8\x88", 2 }, { "", 0 },
    };
    static const char *const items[] = {
        RULE("f: '*'"),
        RULE("f: '?*'"),
        RULE("f|contains: '\xc3\xa9'"),
        RULE("f|re: '.'"),
        RULE("f|re|i: '[^a]'"),
        RULE("f|windash: '-a'"),
        RULE("f|fieldref: f"),
        RULE("f|cased: '?\?'"),
        RULE("f|endswith: '\xe2\x80\x93'"),
        RULE("f|wide: 'ab'"),
        RULE("f|gt: 1"),
        RULE("f|week: 1"),
        RULE("f|exists: true"),
        RULE("f|cidr: 10.0.0.0/8"),
        RULE("f|fieldref|endswith: f"),
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(items); i++) {
        struct set s = load(items[i]);

        assert_int_equal(diag_errors(s.diag), 0);
        for (size_t k = 0; k < ARRAY_SIZE(values); k++) {
            size_t n = match(&s, values[k]);

            if (strstr(items[i], "'*'") || strstr(items[i], "fieldref") ||
                strstr(items[i], "exists"))
                assert_int_equal(n, 1);
        }
        drop(&s);
    }
}

static void numbers_beyond_all_types_are_no_trouble(void **state)
{
    static const char *const values[] = {
        "99999999999999999999999999999999999999999999999999999999999999999999999999999999",
        "-99999999999999999999",
        "1e308",
        "1e309",
        "-1e309",
        "1e-400",
        "0.0000000000000000001",
        "18446744073709551616",
        "-9223372036854775809",
        "e",
        "1e",
        "--1",
        "1.2.3",
        "nan",
        "inf",
    };
    static const char *const bounds[] = { "0", "18446744073709551615", "-9223372036854775808",
                                          "1e300", "0.5" };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bounds); i++) {
        AUTO_BUF text = BUF_INIT;
        struct set s;

        buf_printf(&text, HEAD "detection: {a: {f|gt: %s}, b: {f|lte: %s}, condition: a and b}\n",
                   bounds[i], bounds[i]);
        s = load_slice(buf_view(&text));
        assert_int_equal(diag_errors(s.diag), 0);
        for (size_t k = 0; k < ARRAY_SIZE(values); k++)
            assert_int_equal(match(&s, slice_str(values[k])), 0); /* never both */
        drop(&s);
    }
}

static void a_surrogate_in_a_rule_is_told_or_harmless(void **state)
{
    struct set s = load(RULE("f|contains: \"\\ud800\""));

    (void)state;
    assert_true(diag_count(s.diag) > 0 || rules_count(s.rules) == 1);
    (void)match(&s, SLICE("\xed\xa0\x80"));
    drop(&s);
}

/* ---- documents ---- */

static void a_bomb_of_aliases_is_refused(void **state)
{
    AUTO_BUF text = BUF_INIT;
    struct set s;

    (void)state;
    buf_str(&text, "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for (unsigned i = 1; i < 12; i++) {
        buf_printf(&text, "a%u: &a%u [", i, i);
        for (unsigned k = 0; k < 10; k++)
            buf_printf(&text, "%s*a%u", k ? ", " : "", i - 1);
        buf_str(&text, "]\n");
    }
    buf_str(&text, RULE("f: *a11"));
    s = load_slice(buf_view(&text));
    assert_true(diag_errors(s.diag) > 0);
    assert_int_equal(rules_count(s.rules), 0);
    drop(&s);
}

static void anchors_in_a_circle_are_refused(void **state)
{
    struct set s = load(HEAD "detection: &d\n  s: *d\n  condition: s\n");

    (void)state;
    assert_true(diag_errors(s.diag) > 0);
    drop(&s);
}

static void nesting_without_end_is_refused(void **state)
{
    static const char *const opens[] = { "[", "{a: ", "- " };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(opens); i++) {
        AUTO_BUF text = BUF_INIT;
        struct set s;

        buf_str(&text, HEAD "detection:\n  condition: s\n  s:\n   ");
        for (unsigned k = 0; k < 5000; k++)
            buf_str(&text, opens[i]);
        s = load_slice(buf_view(&text));
        assert_true(diag_errors(s.diag) > 0);
        drop(&s);
    }
}

static void conditions_without_end_are_refused(void **state)
{
    static const char *const words[] = { "(", "not ", "s and (", "not(" };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        AUTO_BUF text = BUF_INIT;
        struct set s;

        buf_str(&text, HEAD "detection:\n  s: {f: x}\n  condition: '");
        for (unsigned k = 0; k < 50000; k++)
            buf_str(&text, words[i]);
        buf_str(&text, "s'\n");
        s = load_slice(buf_view(&text));
        assert_int_equal(diag_errors(s.diag), 1);
        assert_true(is_told(&s, "nested too deep"));
        drop(&s);
    }
}

static void a_long_flat_condition_is_read(void **state)
{
    AUTO_BUF text = BUF_INIT;
    struct set s;

    (void)state;
    buf_str(&text, HEAD "detection:\n  s: {f: x}\n  condition: s");
    for (unsigned k = 0; k < 50000; k++)
        buf_str(&text, k % 2 ? " and s" : " or not s");
    buf_str(&text, "\n");
    s = load_slice(buf_view(&text));
    assert_int_equal(diag_errors(s.diag), 0);
    assert_int_equal(match(&s, SLICE("x")), 1);
    drop(&s);
}

static void many_values_and_many_selections_are_read(void **state)
{
    AUTO_BUF text = BUF_INIT;
    struct set s;

    (void)state;
    buf_str(&text, HEAD "detection:\n");
    for (unsigned i = 0; i < 2000; i++)
        buf_printf(&text, "  s%u: {f|contains: [v%u, w%u, x%u]}\n", i, i, i, i);
    buf_str(&text, "  condition: 1 of s*\n");
    s = load_slice(buf_view(&text));
    assert_int_equal(diag_errors(s.diag), 0);
    assert_int_equal(match(&s, SLICE("a w1999 b")), 1);
    assert_int_equal(match(&s, SLICE("a y b")), 0);
    drop(&s);
}

static void placeholders_do_not_multiply_without_end(void **state)
{
    struct set s = { .names = field_names_new(), .diag = diag_new(), .arena = arena_new(4096, 0) };
    struct slice values[100];
    char text[100][8];

    (void)state;
    s.rules = rules_new(s.names);
    for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
        snprintf(text[i], sizeof text[i], "v%zu", i);
        values[i] = slice_str(text[i]);
    }
    assert_int_equal(rules_placeholder(s.rules, SLICE("p"), values, ARRAY_SIZE(values)), 0);
    rules_add(s.rules, "t.yml", slice_str(RULE("f|expand: '%p%%p%%p%%p%%p%'")), s.diag);
    rules_compile(s.rules, s.diag);
    s.scratch = rules_scratch_new(s.rules);
    assert_int_equal(diag_errors(s.diag), 1);
    assert_true(is_told(&s, "more than 100000 texts"));
    drop(&s);
}

static void lists_of_placeholders_come_from_a_file(void **state)
{
    const char *tmp = getenv("TMPDIR");
    struct set s = { .names = field_names_new(), .diag = diag_new(), .arena = arena_new(4096, 0) };
    char path[300];
    FILE *f;
    int fd;

    (void)state;
    s.rules = rules_new(s.names);
    snprintf(path, sizeof path, "%s/tw-placeholders-XXXXXX", tmp ? tmp : "/tmp");
    fd = mkstemp(path);
    f = fdopen(fd, "w");
    fputs("good: [a, 'b*']\nempty: []\nbad: text\nworse: [{x: y}, null]\n", f);
    fclose(f);
    assert_int_equal(rules_placeholders_file(s.rules, path, s.diag), -EINVAL);
    assert_int_equal(diag_errors(s.diag), 3);
    assert_true(is_told(&s, ":3:1: error: placeholder 'bad' must be a list"));
    rules_add(s.rules, "t.yml", slice_str(RULE("f|expand: ['%good%', '%empty%']")), s.diag);
    rules_compile(s.rules, s.diag);
    s.scratch = rules_scratch_new(s.rules);
    assert_int_equal(match(&s, SLICE("bxx")), 1);
    assert_int_equal(match(&s, SLICE("%empty%")), 0);
    assert_int_equal(unlink(path), 0);
    drop(&s);
}

static void a_key_twice_is_an_error_with_its_place(void **state)
{
    struct set s = load(HEAD "title: u\ndetection: {s: {f: x}, condition: s}\n");

    (void)state;
    assert_true(diag_errors(s.diag) > 0);
    assert_true(is_told(&s, "t.yml:4:"));
    drop(&s);
}

static void a_file_over_the_limit_is_told_and_not_read(void **state)
{
    const char *tmp = getenv("TMPDIR");
    struct set s = { .names = field_names_new(), .diag = diag_new(), .arena = arena_new(4096, 0) };
    char folder[300], path[400];
    FILE *f;

    (void)state;
    s.rules = rules_new(s.names);
    snprintf(folder, sizeof folder, "%s/tw-rules-XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/a.yml", folder);
    f = fopen(path, "w");
    for (unsigned i = 0; i < 200000; i++)
        fputs("# filler\n", f);
    fclose(f);
    assert_true(rules_add_path(s.rules, folder, s.diag) < 0);
    assert_true(is_told(&s, "a.yml"));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
    drop(&s);
}

/* ---- many rules ---- */

static void ten_thousand_rules_load_and_match(void **state)
{
    AUTO_BUF text = BUF_INIT;
    struct set s = { .names = field_names_new(), .diag = diag_new(), .arena = arena_new(4096, 0) };
    uint64_t start = now_ms(), loaded;
    size_t n = 0;

    (void)state;
    s.rules = rules_new(s.names);
    for (unsigned i = 0; i < 10000; i++) {
        buf_reset(&text);
        buf_printf(&text,
                   "title: rule %u\nid: %08x-0000-4000-8000-000000000000\nname: n%u\n"
                   "logsource: {product: test}\ndetection:\n  s: {f|contains: [word%u, other%u], "
                   "g|re: 'x%u.*y'}\n  t: {f: value%u}\n  condition: s or t\n",
                   i, i, i, i, i, i, i);
        assert_int_equal(rules_add(s.rules, "t.yml", buf_view(&text), s.diag), 0);
    }
    assert_int_equal(rules_compile(s.rules, s.diag), 0);
    loaded = now_ms();
    s.scratch = rules_scratch_new(s.rules);
    for (unsigned i = 0; i < 200; i++)
        n += match(&s, SLICE("value77"));
    print_message("10,000 rules: loaded in %llu ms, an event in %llu us\n",
                  (unsigned long long)(loaded - start),
                  (unsigned long long)((now_ms() - loaded) * 1000 / 200));
    assert_int_equal(rules_count(s.rules), 10000);
    assert_int_equal(n, 200);
    drop(&s);
}

/* ---- random damage ---- */

static const char *const good[] = {
    HEAD "status: test\ndate: 2026-01-01\ntags: [attack.t1078]\nlevel: low\ndetection:\n"
         "  sel_1:\n    f|contains|all: [foo, 'b*r']\n    g|re: '^a(b|c)+$'\n  sel_2:\n"
         "    - h|base64offset|contains: /bin/sh\n    - i|windash|endswith: ' -enc'\n"
         "  _k: [key*word, other]\n  condition: 1 of sel_* and not (_k or all of them)\n",
    HEAD "name: n\ndetection:\n  s: {f|cidr: [10.0.0.0/8, 'fe80::/10'], g|gte: 17, h: null}\n"
         "  condition: s\n---\ntitle: f\nlogsource: {product: test}\nfilter:\n  rules: [n]\n"
         "  a: {u|fieldref: v}\n  condition: not a\n---\ntitle: c\ncorrelation:\n"
         "  type: event_count\n  rules: [n]\n  group-by: [f]\n  timespan: 5m\n"
         "  condition: {gte: 3}\n",
    "title: \"q\\u00e9\"\nlogsource: {category: x, product: test}\ndetection:\n  s:\n"
    "    f|wide|base64|contains: &v 'pi\\*ng'\n    g: *v\n    t|hour|gte: 22\n"
    "    e|exists: false\n    \"x y|cased|startswith\": \"a\\tb\"\n  condition: [s, not s]\n"
    "related:\n  - {id: a, type: similar}\n",
};

static unsigned roll(uint64_t *x, size_t n)
{
    *x = *x * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)((*x >> 33) % n);
}

static const char *const pieces[] = {
    "|",       "*",    "\\",    "%",       "'",    "\"",       "\n",    "---\n",
    ": ",      "- ",   "[",     "]",       "{",    "}",        "&",     "*v",
    "|re",     "|all", "|neq",  "|expand", "%p%",  "null",     "~",     "(",
    ")",       "not ", "1 of ", "#",       "\xc3", "\xc3\xa9", "\t",    "99999999999999999999",
    "!!str ",  "? ",   "|\n ",  ">-\n ",   "''",   "|gt",      "|cidr", "|fieldref",
    "|exists", "<<: ",
};

/* Bytes changed, cut, doubled, and pieces of the language put in anywhere. */
static size_t damage(uint64_t *x, char *text, size_t n, size_t max)
{
    for (unsigned k = roll(x, 3) ? 1 : 1 + roll(x, 6); k && n > 8; k--) {
        size_t at = roll(x, n), len = 1 + roll(x, n - at < 20 ? n - at : 20);
        const char *piece = pieces[roll(x, ARRAY_SIZE(pieces))];

        switch (roll(x, 4)) {
        case 0:
            text[at] = (char)(roll(x, 4) ? 32 + roll(x, 95) : roll(x, 256));
            break;
        case 1:
            memmove(text + at, text + at + len, n - at - len);
            n -= len;
            break;
        case 2:
            if (n + len < max) {
                memmove(text + at + len, text + at, n - at);
                n += len;
            }
            break;
        default:
            if (n + strlen(piece) < max) {
                memmove(text + at + strlen(piece), text + at, n - at);
                memcpy(text + at, piece, strlen(piece));
                n += strlen(piece);
            }
        }
    }
    return n;
}

static void damaged_rules_are_loaded_or_told(void **state)
{
    const char *more = getenv("TW_SIGMA_DAMAGES");
    uint64_t x = 7, rounds = more ? strtoull(more, NULL, 10) : 4000;
    size_t loaded = 0, told = 0;

    (void)state;
    for (uint64_t i = 0; i < rounds; i++) {
        const char *from = good[i % ARRAY_SIZE(good)];
        char text[4096];
        size_t n = strlen(from);
        struct set s;

        memcpy(text, from, n);
        n = damage(&x, text, n, sizeof text);
        s = load_slice(slice_of(text, n));
        if (rules_count(s.rules) == 0 && diag_count(s.diag) == 0)
            fail_msg("neither loaded nor told: %.*s", (int)n, text);
        loaded += diag_errors(s.diag) == 0;
        told += diag_errors(s.diag) > 0;
        (void)match(&s, SLICE("foo bar 10.1.2.3 L2Jpbi9zaA=="));
        (void)match(&s, SLICE(""));
        drop(&s);
    }
    print_message("%zu loaded, %zu told\n", loaded, told);
    assert_true(loaded > rounds / 20 && told > rounds / 20);
}

static void random_bytes_are_told(void **state)
{
    uint64_t x = 11;

    (void)state;
    for (unsigned i = 0; i < 2000; i++) {
        char text[300];
        size_t n = 1 + roll(&x, sizeof text - 1);
        struct set s;

        for (size_t k = 0; k < n; k++)
            text[k] = (char)(roll(&x, 3) ? 32 + roll(&x, 95) : roll(&x, 256));
        s = load_slice(slice_of(text, n));
        assert_true(diag_count(s.diag) > 0);
        drop(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_expression_that_explodes_is_stopped_and_counted),
        cmocka_unit_test(a_rule_that_explodes_again_and_again_rests_and_is_tried_again),
        cmocka_unit_test(a_value_too_long_for_an_expression_is_counted_and_never_a_reason_to_rest),
        cmocka_unit_test(long_expressions_are_refused),
        cmocka_unit_test(values_of_64_kib_are_compared_whole),
        cmocka_unit_test(long_fields_are_looked_for_in_one_another),
        cmocka_unit_test(bytes_that_are_no_text_are_compared_as_they_are),
        cmocka_unit_test(numbers_beyond_all_types_are_no_trouble),
        cmocka_unit_test(a_surrogate_in_a_rule_is_told_or_harmless),
        cmocka_unit_test(a_bomb_of_aliases_is_refused),
        cmocka_unit_test(anchors_in_a_circle_are_refused),
        cmocka_unit_test(nesting_without_end_is_refused),
        cmocka_unit_test(conditions_without_end_are_refused),
        cmocka_unit_test(a_long_flat_condition_is_read),
        cmocka_unit_test(many_values_and_many_selections_are_read),
        cmocka_unit_test(placeholders_do_not_multiply_without_end),
        cmocka_unit_test(lists_of_placeholders_come_from_a_file),
        cmocka_unit_test(a_key_twice_is_an_error_with_its_place),
        cmocka_unit_test(a_file_over_the_limit_is_told_and_not_read),
        cmocka_unit_test(ten_thousand_rules_load_and_match),
        cmocka_unit_test(damaged_rules_are_loaded_or_told),
        cmocka_unit_test(random_bytes_are_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
