/* Literals: sets, of expressions, of a format's fields, of rules. */
#include "logwatch/lane.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/utf8.h"

struct bench {
    struct arena *arena;
    struct literal_maker m;
    struct engine *engine;
};

static int setup(void **state)
{
    static struct bench b;

    b.arena = arena_new(4096, 0);
    b.m = (struct literal_maker){ .arena = b.arena };
    *state = &b;
    return b.arena ? 0 : -1;
}

static int teardown(void **state)
{
    struct bench *b = *state;

    engine_free(b->engine);
    b->engine = NULL;
    arena_free(b->arena);
    return 0;
}

/* "a|b", "none" or "never". */
static const char *shown(struct bench *b, struct literals l)
{
    AUTO_BUF text = BUF_INIT;

    assert_false(b->m.failed);
    if (l.none || l.n == 0)
        return l.none ? "none" : "never";
    for (size_t i = 0; i < l.n; i++) {
        buf_str(&text, i ? "|" : "");
        if (literal_digits(l.list[i]))
            buf_printf(&text, "%zu digits", literal_digits(l.list[i]));
        else
            buf_slice(&text, l.list[i]);
    }
    return arena_str(b->arena, buf_view(&text));
}

static void assert_literals(struct bench *b, const char *what, struct literals got,
                            const char *want)
{
    const char *text = shown(b, got);

    if (strcmp(text, want) != 0)
        print_message("%s\n", what);
    assert_string_equal(text, want);
}

/* ---- sets ---- */

static struct literals of(struct bench *b, const char *text)
{
    return literals_of(&b->m, slice_str(text));
}

static void a_text_is_cut_where_some_format_escapes(void **state)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        { "Failed Password", "failed password" },
        { "abc", "none" },
        { "ab\"cdefg\"h", "cdefg" },
        { "a\\bcdef", "bcdef" },
        { "wxyz<abcde", "wxyz<abcde" }, /* JSON can only write \u003c: such a line is parsed */
        { "..\\c", ".." },
        { "../", ".." }, /* signs alone: two are enough */
        { "$(", "$(" },
        { "a|", "none" },
        { "://", "none" }, /* in every log */
        { "x\"..\"more", "more" },
        { "q=*secret*", "secret" },
        { "caf\xc3\xa9 au lait", " au lait" },
        { "tab\there it is", "here it is" },
        { "a/bcdef/g", "/bcdef" }, /* "\/bcdef" holds it, too */
        { "100%sure", "100%sure" },
        { "", "none" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_literals(*state, cases[i].text, of(*state, cases[i].text), cases[i].want);
}

static void and_takes_what_fewer_sample_lines_hold(void **state)
{
    static const char lines[] = "get http/1.1 200\0get http/1.1 404\0login_failed http/1.1 401\0";
    const struct literal_sample sample = { SLICE(lines), 3 };
    struct bench *b = *state;

    b->m.sample = &sample;
    assert_literals(b, "and", literals_and(&b->m, of(b, " HTTP"), of(b, "login_failed")),
                    "login_failed");
    assert_literals(b, "and", literals_and(&b->m, of(b, " 401"), of(b, " HTTP/")), " 401");
    assert_literals(b, "piece", of(b, "http\"more rare"), "more rare");
    b->m.sample = NULL;
    assert_literals(b, "and", literals_and(&b->m, literals_none("x"), of(b, "abcd")), "abcd");
    /* what cannot be is better than all */
    assert_literals(b, "and", literals_and(&b->m, of(b, "abcd"), (struct literals){ .n = 0 }),
                    "never");
}

static const char *also(struct bench *b, struct literals l)
{
    return l.also ? shown(b, *l.also) : "nothing";
}

static void what_an_and_does_not_take_must_be_there_too(void **state)
{
    struct bench *b = *state;
    struct literal_union all = { .m = &b->m };
    struct literals two = literals_and(&b->m, of(b, "login_failed"), of(b, "wxyz"));
    struct literals three = literals_and(&b->m, two, of(b, "more rare than the others"));
    struct literals many = of(b, "word0"), either;
    char text[8];

    assert_string_equal(also(b, two), "wxyz");
    assert_string_equal(also(b, three), "login_failed");
    /* what is in the first anyway says nothing */
    assert_string_equal(also(b, literals_and(&b->m, of(b, "abcdef"), of(b, "bcde"))), "nothing");
    /* whichever of two holds: what is known of one alone is there, too */
    either = literals_or(&b->m, two, of(b, "third"));
    assert_literals(b, "or", either, "login_failed|third");
    assert_string_equal(also(b, either), "wxyz|third");
    assert_string_equal(also(b, literals_or(&b->m, of(b, "abcd"), of(b, "efgh"))), "nothing");
    literals_take(&all, of(b, "third"));
    literals_take(&all, (struct literals){ .n = 0 });
    literals_take(&all, two);
    assert_string_equal(also(b, literals_taken(&all)), "third|wxyz");
    for (unsigned i = 1; i <= LITERALS_ALSO_MAX; i++) {
        snprintf(text, sizeof text, "word%u", i);
        many = literals_or(&b->m, many, of(b, text));
    }
    assert_string_equal(also(b, literals_and(&b->m, of(b, "login_failed"), many)), "nothing");
    assert_string_equal(also(b, literals_or(&b->m, two, many)), "nothing");
}

static void a_record_is_searched_in_either_case(void **state)
{
    static const struct slice word = SLICE("n.e-dle"), signs = SLICE("$("),
                              digits = SLICE("\2\2\2\2\2\2\2");
    AUTO_BUF raw = BUF_INIT;

    (void)state;
    for (size_t before = 0; before < 40; before++) {
        for (size_t behind = 0; behind < 40; behind += 13) {
            buf_reset(&raw);
            buf_printf(&raw, "%*sN.e-DLE%*s", (int)before, "", (int)behind, "");
            assert_true(literals_stand(&word, 1, buf_view(&raw)));
            assert_false(literals_stand(&signs, 1, buf_view(&raw)));
            raw.p[before + 1] = 'n' & 0x5f; /* differs in the bit of case, and is no letter */
            assert_false(literals_stand(&word, 1, buf_view(&raw)));
            raw.p[before + 3] = '\r'; /* so does this from '-' */
            assert_false(literals_stand(&word, 1, buf_view(&raw)));
        }
    }
    assert_true(literals_stand(&signs, 1, SLICE("a$(b")));
    assert_false(literals_stand(&signs, 1, SLICE("$")));
    assert_true(literals_stand(&digits, 1, SLICE("a1234567")));
    assert_false(literals_stand(&digits, 1, SLICE("123456-7")));
    assert_false(literals_stand(&word, 0, SLICE("n.e-dle")));
}

static void or_puts_together_and_drops_what_another_covers(void **state)
{
    struct bench *b = *state;
    struct literals all = { .n = 0 };
    char text[8];

    assert_literals(b, "or", literals_or(&b->m, of(b, "abcd"), of(b, "wxyz")), "abcd|wxyz");
    assert_literals(b, "or", literals_or(&b->m, of(b, "xabcdx"), of(b, "ABCD")), "abcd");
    assert_literals(b, "or", literals_or(&b->m, of(b, "abcd"), of(b, "xabcdx")), "abcd");
    assert_literals(b, "or", literals_or(&b->m, of(b, "abcd"), literals_none("x")), "none");
    assert_literals(b, "or", literals_or(&b->m, (struct literals){ .n = 0 }, of(b, "abcd")),
                    "abcd");
    for (unsigned i = 0; i < 100; i++) {
        snprintf(text, sizeof text, "w%03u", i);
        all = literals_or(&b->m, all, of(b, text));
        assert_int_equal(all.n, i + 1);
    }
    /* Too many for comparing all with all. */
    assert_int_equal(literals_or(&b->m, all, literals_or(&b->m, all, of(b, "more"))).n, 101);
    assert_int_equal(literals_or(&b->m, all, of(b, "xw042x")).n, 100);
}

/* As slow as can be: does one of the others stand in it, or the same before it? */
static bool is_needed(const struct slice *list, size_t n, size_t i)
{
    for (size_t k = 0; k < n; k++)
        if (k != i && slice_find(list[i], list[k]) != SIZE_MAX && (list[k].n < list[i].n || k < i))
            return false;
    return true;
}

static void a_run_of_digits_is_found_wherever_it_stands(void **state)
{
    struct bench *b = *state;

    for (size_t want = LITERAL_DIGITS_MIN; want < 12; want++) {
        struct literals l = literals_digits(&b->m, want);

        for (size_t before = 0; before < 25; before++)
            for (size_t digits = 0; digits < 25; digits++) {
                char text[60];
                size_t n = before + digits + 3;

                memset(text, '-', sizeof text);
                memset(text + before, '7', digits);
                if (before > 2)
                    text[before - 2] = '1';
                assert_int_equal(literal_find(l.list[0], slice_of(text, n), 0),
                                 digits >= want ? before + digits : SIZE_MAX);
            }
    }
    /* The longer run holds the shorter, and no text does. */
    assert_literals(b, "or",
                    literals_or(&b->m, literals_digits(&b->m, 9), literals_digits(&b->m, 12)),
                    "9 digits");
    assert_literals(b, "or", literals_or(&b->m, literals_digits(&b->m, 9), of(b, "123456789")),
                    "9 digits|123456789");
    assert_true(literals_digits(&b->m, LITERAL_DIGITS_MIN - 1).none);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The end of the first run of n or more, one byte after the other. */
static size_t first_run(size_t n, struct slice s, size_t from)
{
    size_t run = 0;

    for (size_t i = from; i < s.n; i++) {
        run = is_digit(s.p[i]) ? run + 1 : 0;
        if (run >= n && (i + 1 == s.n || !is_digit(s.p[i + 1])))
            return i + 1;
    }
    return SIZE_MAX;
}

static void a_run_of_digits_is_found_in_a_long_text(void **state)
{
    static const size_t lengths[] = { 7, 8, 13, 31, 32, 33, 50, LITERAL_DIGITS_MAX };
    struct bench *b = *state;
    uint64_t x = 1;
    char text[700];

    for (unsigned round = 0; round < 4000; round++) {
        size_t want = lengths[round % ARRAY_SIZE(lengths)], from = 0;
        struct slice s = { text, sizeof text - round % 70 };
        struct literals l = literals_digits(&b->m, want);

        for (size_t i = 0; i < sizeof text; i++) {
            x = x * UINT64_C(6364136223846793005) + 1;
            text[i] = (x >> 40) % (want + 1) ? (char)('0' + (x >> 50) % 10) : "/:a\xb0"[x >> 62];
        }
        while (from != SIZE_MAX) {
            size_t end = literal_find(l.list[0], s, from);

            assert_int_equal(end, first_run(want, s, from));
            from = end;
        }
    }
}

static void a_union_of_many_is_what_comparing_each_with_each_gives(void **state)
{
    struct bench *b = *state;
    uint64_t x = 1;

    for (unsigned round = 0; round < 200; round++) {
        struct literal_union all = { .m = &b->m };
        struct slice list[300];
        struct literals got;
        size_t n = 0;

        for (size_t i = 0; i < ARRAY_SIZE(list); i++) {
            char text[12];
            size_t length = 4 - (round % 3 == 2 ? 2 : 0) + (x >> 40) % 5;

            for (size_t k = 0; k < length; k++) {
                x = x * 6364136223846793005u + 1442695040888963407u;
                text[k] = "ab/."[(x >> 33) % (round % 3 + 2)];
            }
            list[i] = arena_slice(b->arena, slice_of(text, length));
            literals_take(&all, (struct literals){ .list = &list[i], .n = 1 });
        }
        got = literals_taken(&all);
        for (size_t i = 0; i < ARRAY_SIZE(list); i++)
            if (is_needed(list, ARRAY_SIZE(list), i)) {
                assert_true(n < got.n);
                assert_true(slice_eq(got.list[n++], list[i]));
            }
        assert_int_equal(got.n, n);
    }
}

static void a_union_knows_what_has_no_literal_and_its_limit(void **state)
{
    struct bench *b = *state;
    struct literal_union none = { .m = &b->m }, never = { .m = &b->m }, many = { .m = &b->m };
    char text[16];

    literals_take(&none, of(b, "abcd"));
    literals_take(&none, literals_none("why"));
    literals_take(&none, of(b, "efgh"));
    assert_literals(b, "none", literals_taken(&none), "none");
    assert_string_equal(literals_taken(&none).why, "why");
    literals_take(&never, (struct literals){ .n = 0 });
    assert_literals(b, "never", literals_taken(&never), "never");
    for (unsigned i = 0; i <= LITERALS_MAX; i++) {
        snprintf(text, sizeof text, "w%06u", i);
        literals_take(&many, of(b, text));
        if (i + 1 == LITERALS_MAX)
            assert_int_equal(literals_taken(&many).n, LITERALS_MAX);
    }
    assert_true(literals_taken(&many).none);
}

static void a_long_list_of_rare_texts_is_better_than_one_that_every_line_holds(void **state)
{
    static const char lines[] = "get http/1.1 200\0get http/1.1 404\0";
    const struct literal_sample sample = { SLICE(lines), 2 };
    struct bench *b = *state;
    struct literal_union many = { .m = &b->m };
    char text[16];

    b->m.sample = &sample;
    for (unsigned i = 0; i < 5000; i++) {
        snprintf(text, sizeof text, "rare%06u", i);
        literals_take(&many, of(b, text));
    }
    assert_int_equal(literals_and(&b->m, of(b, "http/1.1"), literals_taken(&many)).n, 5000);
    assert_literals(b, "and", literals_and(&b->m, literals_taken(&many), of(b, "login_failed")),
                    "login_failed");
    b->m.sample = NULL;
}

/* ---- expressions ---- */

static struct literals of_regex(struct bench *b, const char *pattern, unsigned flags,
                                const struct regex_ask *ask)
{
    AUTO(regex) r = NULL;

    assert_int_equal(regex_compile(slice_str(pattern), flags, &r, NULL), 0);
    return regex_literals(r, ask, &b->m);
}

static void an_expression_has_the_literals_of_all_its_ways(void **state)
{
    static const struct {
        const char *pattern, *want;
    } cases[] = {
        { "^abc def$", "abc def" },
        { "a|b", "none" },
        { "^(?:login_failed|login_failure|invalid_credentials)(?:\\n.*)?$",
          "login_failed|login_failure|invalid_credentials" },
        { "x(?:foo)?barbaz", "barbaz" },
        { "abcd?defg", "defg" },
        { "abcd+efgh", "defgh" },
        { "user (?:added|removed) by", "user added by|user removed by" },
        { "(?:a|b)wxyz", "awxyz|bwxyz" },
        { "[Cc]lient (?:.*)", "client " },
        { "[a-c]lient", "lient" },
        { "(?:abcd(?:e|f)|ghij)k", "abcdek|abcdfk|ghijk" },
        { "(?:abcd.*|ghij)k", "abcd|ghij" },
        { "a\\.b\\.c", "a.b.c" },
        { "x{0,3}wxyz", "wxyz" },
        { "(?:ab){2}cd", "ababcd" },
        { "\\Qa|bcd\\E", "a|bcd" },
        { "\\Qabcd\\E?efgh", "efgh" },
        { "abc(?#here)defg", "abcdefg" },
        { "abcd(?#here)?efgh", "efgh" },
        { "a\\x62cdef", "abcdef" },
        { "ab\\d+cdef", "cdef" },
        { "(?<name>qrst)\\k<name>x", "qrst" },
        { "(?=look)there", "there" },
        { "(?<!not)here", "here" },
        { "ab(?!zz)cd", "abcd" },
        { "a[^]]bcde", "bcde" },
        { "a[\\]|]bcd", "a]bcd|a|bcd" },
        { "x[0-9]{9}", "9 digits" },
        { "^\\d{7,}$", "7 digits" },
        { "\\d{6}", "none" },
        { "\\d{2,9}", "none" },
        { "[0-9a]{9}", "none" },
        { "[^0-9]{9}", "none" },
        { "(?:\\d{8}|word)x", "8 digits|word" },
        { "\\d{900}", "64 digits" },
        { "['+]or[' 0-3]", "none" },
        { "['+]or[' 0-9]", "'or'|'or |'or0|'or1|'or2|'or3|'or4|'or5|'or6|'or7|'or8|'or9|"
                           "+or'|+or |+or0|+or1|+or2|+or3|+or4|+or5|+or6|+or7|+or8|+or9" },
        { "(?:\\.\\.|%2e%2e)(?:/|%2f)", "..|%2e%2e" },
        { "(?:\\.\\.|%2e)(?:/|%2f)", "none" },
        { "a[[:alpha:]]bcde", "bcde" },
        { "(?|abcd|efgh)", "abcd|efgh" },
        { "(?i)ABCD", "abcd" },
        { "HTTP/1.1\" 401", " 401" },
        { "", "none" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_literals(*state, cases[i].pattern, of_regex(*state, cases[i].pattern, 0, NULL),
                        cases[i].want);
}

static void what_is_not_understood_has_none(void **state)
{
    static const char *const patterns[] = {
        "ab(*ACCEPT)cdef",     "(?x)abcd efgh", "(?x-i:ab) abcd",   "abcd{,3}efgh",
        "(a)(?(1)bcde|x)fghi", "abcd\\012efgh", "(?C1)abcd",        "abcd\\cZefgh",
        "abcd\\o{40}e",        "(*UCP)abcd",    "[\\Qabcd\\E]efgh", "(a)abcd\\g1efgh",
    };

    for (size_t i = 0; i < ARRAY_SIZE(patterns); i++)
        assert_literals(*state, patterns[i], of_regex(*state, patterns[i], 0, NULL), "none");
}

static void letters_that_fold_beyond_ascii_cut(void **state)
{
    assert_literals(*state, "cased", of_regex(*state, "tokens", REGEX_UTF, NULL), "tokens");
    assert_literals(*state, "utf", of_regex(*state, "tokenizer", REGEX_UTF | REGEX_NOCASE, NULL),
                    "enizer");
    assert_literals(*state, "inline", of_regex(*state, "(?i)tokenizer", REGEX_UTF, NULL), "enizer");
    assert_literals(*state, "bytes", of_regex(*state, "tokens", REGEX_NOCASE, NULL), "tokens");
    assert_literals(*state, "whole characters", of_regex(*state, "x\xc3\xa9?wxyz", REGEX_UTF, NULL),
                    "wxyz");
}

static void what_a_group_holds_makes_the_answer_sharper(void **state)
{
    const char *pattern =
        "^\"(?<m>[A-Z]+) (?<p>.*) HTTP\" (?<status>\\d{3}) (?: email: (?<user>.*))?$";
    const char *status = "^x\" (?<status>401|403)$";
    const struct slice admin = SLICE("/admin");
    const struct literals path = { .list = &admin, .n = 1 };
    struct regex_ask whole = { .group = 3, .whole = SLICE("429") }, user = { .group = 4 },
                     part = { .group = 2, .holds = &path },
                     first = { .group = 1, .whole = SLICE("403") };

    assert_literals(*state, "whole", of_regex(*state, pattern, 0, &whole), " 429 ");
    assert_literals(*state, "it took part", of_regex(*state, pattern, 0, &user), " email: ");
    assert_literals(*state, "part", of_regex(*state, pattern, 0, &part), "/admin");
    assert_literals(*state, "one of its ways", of_regex(*state, status, 0, &first), " 403");
    first.whole = SLICE("404");
    assert_literals(*state, "none of its ways", of_regex(*state, status, 0, &first), "never");
    /* Set in a way that failed, as PCRE2's JIT leaves it. */
    first.whole = SLICE("z");
    assert_literals(*state, "possessive", of_regex(*state, "^(?:(?<a>.)*+abcd|wxyz).*$", 0, &first),
                    "abcd|wxyz");
    /* Where it may come again, its neighbours may be another time's. */
    first.whole = SLICE("abcd");
    assert_literals(*state, "again", of_regex(*state, "^(?:x(?<a>\\w+)|y)+z$", 0, &first), "xabcd");
}

/* ---- a format's fields ---- */

static const char *const format_text =
    "format: one\n"
    "logsource: {product: one}\n"
    "syslog: true\n"
    "layouts:\n"
    "  - {name: json, kind: json}\n"
    "  - name: access\n"
    "    match: '^(?<address>\\S+) \"(?<message>(?<method>[A-Z]+) (?<path>\\S+))\" "
    "(?<status>\\d{3})$'\n"
    "  - {name: text, match: '^(?<level>INFO|ERROR): (?<message>.*)$'}\n"
    "fields: {msg: message, lvl: level, ip: address, who.name: user, code: status}\n"
    "events:\n"
    "  - {action: login_failed, match: '^(?:bad password|unknown user) (?<user>\\S+)$'}\n"
    "  - {action: login_failed, starts: 'denied: ', has: remote}\n"
    "  - {action: login_ok, match: '^welcome$', when: {log.level: [error]}}\n"
    "  - {action: rate_limited, when: {http.response.status_code: ['429']}}\n"
    "  - {action: service_error, when: {log.level: [error]}, set: {event.code: odd}}\n"
    "  - {action: probe, match: '^a\\d+$'}\n";

static const char *const text_format =
    "format: two\n"
    "logsource: {product: two}\n"
    "layouts:\n"
    "  - {name: text, match: '^two: (?<message>.*)$'}\n"
    "events:\n"
    "  - {action: login_ok, match: '^welcome (?<user>\\S+)$', set: {user.target.name: root}}\n";

static struct formats *two_formats(struct field_names *names)
{
    struct formats *f = formats_new(names);
    struct diag *d = diag_new();
    int r = formats_add(f, "one.yaml", slice_str(format_text), d);

    r = r < 0 ? r : formats_add(f, "two.yaml", slice_str(text_format), d);
    diag_print(d, stdout, false);
    diag_free(d);
    assert_int_equal(r, 0);
    return f;
}

static bool equals(const void *ctx, struct slice value)
{
    return slice_eq_nocase(*(const struct slice *)ctx, value);
}

static void a_fields_value_has_the_literals_of_all_that_can_give_it(void **state)
{
    static const struct {
        const char *format, *field, *value, *want;
    } cases[] = {
        /* entries, and a member of the same name */
        { "one", "event.action", "login_failed",
          "bad password |unknown user |denied: |login_failed" },
        { "one", "event.action", "login_ok", "welcome|login_ok" },
        { "one", "event.action", "probe", "none" }, /* "a1" */
        { "one", "event.action", "rate_limited", " 429|code|rate_limited" },
        { "one", "event.code", "odd", "error|\"err\"|event" },
        { "two", "event.action", "login_ok", "welcome " },
        { "two", "event.action", "login_failed", "never" },
        { "two", "event.outcome", "success", "welcome " },
        { "two", "user.target.name", "root", "welcome " },
        { "two", "user.target.name", "alice", "never" },
        /* copied */
        { "two", "user.name", "alice", "alice" },
        { "two", "user.name", "bob", "welcome bob" },
        { "two", "message", "hello", "hello" },
        { "two", "message", "abc", "none" },
        { "one", "user.name", "bob", "bad password bob|user|name" },
        /* made uniform */
        { "one", "source.ip", "203.0.113.9", "203.0.113.9|ffff" },
        { "one", "source.ip", "2001:db8::1", "2001:" },
        { "one", "source.ip", "64:ff9b::cb00:7109", ":ff9b:" },
        { "one", "source.ip", "::cb00:7109", "cb00|203.0" },
        { "one", "source.ip", "1:2:3:4:5:6:7:8", "none" },
        { "one", "source.ip", "2001:0db8::1", "2001:" },
        { "one", "source.ip", "12345::", "12345::" }, /* a member of that name */
        { "one", "source.ip", "localhost", "localhost" },
        { "two", "source.ip", "203.0.113.9", "never" },
        /* there whatever the record holds */
        { "two", "event.module", "two", "none" },
        { "two", "event.module", "one", "never" },
        { "two", "trailwarden.trust", "line", "none" },
        { "two", "source.geo.country_iso_code", "DE", "none" },
        { "two", "service.name", "two.service", "none" },
        { "two", "trailwarden.unparsed", "true", "none" },
        /* of the transport */
        { "two", "host.name", "vpn1", "none" },
        { "two", "log.level", "error", "none" },
        /* nobody gives it, but a member may */
        { "two", "odd.field", "value", "never" },
        { "one", "odd.field", "value", "value" },
        { "one", "odd_field.of", "x", "odd_field" },
    };
    AUTO(field_names) names = field_names_new();
    AUTO(formats) formats = two_formats(names);
    struct bench *b = *state;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct format *f = format_find(formats, slice_str(cases[i].format));
        struct slice value = slice_str(cases[i].value);
        struct literals in_value = literals_of(&b->m, value);
        const struct format_ask ask = { .field = slice_str(cases[i].field),
                                        .in_value = &in_value,
                                        .whole = value,
                                        .holds = equals,
                                        .ctx = &value };

        assert_literals(b, cases[i].field, format_literals(f, &ask, &b->m), cases[i].want);
    }
}

static bool has(const void *ctx, struct slice value)
{
    return slice_find(value, *(const struct slice *)ctx) != SIZE_MAX;
}

static void a_keyword_has_the_literals_of_all_values_that_can_hold_it(void **state)
{
    static const struct format_beside nothing = { .places = false }, place = { .places = true },
                                      service = { .service = { "old-panel.service", 17 } };
    static const struct {
        const char *format, *word, *want;
        const struct format_beside *beside;
    } cases[] = {
        { "two", "mallory", "mallory", &nothing },
        { "two", "bob", "none", &nothing },
        /* what is put there: actions, categories, outcomes, constants */
        { "two", "login_ok", "login_ok|welcome ", &nothing },
        { "two", "authentic", "authentic|welcome ", &nothing },
        { "two", "success", "success|welcome ", &nothing },
        { "two", "root", "root|welcome ", &nothing },
        { "one", "login_failed", "login_failed|bad password |unknown user |denied: ", &nothing },
        /* of every record: format, channel, trust */
        { "one", "unparsed", "unparsed", &nothing },
        { "two", "true", "none", &nothing },
        { "two", "forge", "none", &nothing },
        /* levels are made uniform: of a text, of JSON, of a priority in front of the line */
        { "one", "error", "error|\"err\"", &nothing },
        { "one", "critical", "crit|fatal|alert|emerg|panic", &nothing },
        { "two", "critical", "critical", &nothing },
        /* addresses, too */
        { "one", "203.0.113.9", "203.0.113.9|ffff", &nothing },
        { "one", "203.0.113.9 - - [", "203.0.113.9 - - [", &nothing },
        { "one", "2001:db8::1", "2001:", &nothing },
        { "one", "4444", "4444|68.68", &nothing },
        { "one", "44444", "44444", &nothing },
        { "one", "a:b:c:d", "none", &nothing },
        { "two", "203.0.113.9", "203.0.113.9", &nothing },
        /* what the configuration puts beside the record */
        { "two", "mallory", "none", &place },
        { "two", "mallory", "none", NULL },
        { "two", "panel", "none", &service },
        { "two", "mallory", "mallory", &service },
    };
    AUTO(field_names) names = field_names_new();
    AUTO(formats) formats = two_formats(names);
    struct bench *b = *state;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct format *f = format_find(formats, slice_str(cases[i].format));
        struct slice value = slice_str(cases[i].word);
        struct literals in_value = literals_of(&b->m, value);
        const struct format_ask ask = {
            .beside = cases[i].beside, .in_value = &in_value, .holds = has, .ctx = &value
        };

        assert_literals(b, cases[i].word, format_literals(f, &ask, &b->m), cases[i].want);
    }
}

static void escapes_that_no_literal_knows_are_told(void **state)
{
    struct engine_request q = { .no_library = true };
    struct diag *d = diag_new();
    struct bench *b = *state;

    assert_int_equal(engine_load(&q, d, &b->engine), 0);
    diag_free(d);
    assert_true(format_hides(format_find(b->engine->formats, SLICE("xui"))));
    assert_false(format_hides(format_find(b->engine->formats, SLICE("sshd"))));
    assert_false(format_hides(format_find(b->engine->formats, SLICE("api"))));
}

/* ---- rules ---- */

static const char *const head = "title: t\nid: 11111111-2222-4333-8444-555555555555\n"
                                "logsource: {product: sshd-test}\ndetection:\n";

/* The lane of a rule with this detection in format two. */
static struct lane lane_in_two(struct bench *b, const char *detection)
{
    const struct format_beside nothing = { .places = false };
    AUTO_BUF text = BUF_INIT;
    struct diag *d = diag_new();
    struct lane lane;

    engine_free(b->engine);
    b->engine = calloc(1, sizeof *b->engine);
    b->engine->names = field_names_new();
    b->engine->formats = two_formats(b->engine->names);
    b->engine->rules = rules_new(b->engine->names);
    buf_printf(&text, "%s%s", head, detection);
    for (char *p; (p = strstr(text.p, "sshd-test"));)
        memcpy(p, "two      ", 9);
    assert_int_equal(rules_add(b->engine->rules, "t.yml", buf_view(&text), d), 0);
    assert_int_equal(rules_compile(b->engine->rules, d), 0);
    diag_free(d);
    assert_int_equal(lane_of(b->engine, format_find(b->engine->formats, SLICE("two")), &nothing, 0,
                             b->arena, &lane),
                     0);
    return lane;
}

static void a_rule_rides_the_scan_by_the_best_of_what_it_asks(void **state)
{
    static const struct {
        const char *detection;
        enum lane_kind kind;
        const char *want; /* its first literal, or a part of why */
    } cases[] = {
        { "    s: {event.action: login_ok}\n    condition: s\n", LANE_SCAN, "welcome " },
        { "    s: {event.action: login_ok, user.name: administrator}\n    condition: s\n",
          LANE_SCAN, "administrator" },
        { "    s: {event.action|re: '^login'}\n    condition: s\n", LANE_SCAN, "welcome " },
        { "    s: {user.name|re: '(?:mallory|trudy)$'}\n    condition: s\n", LANE_SCAN, "mallory" },
        { "    s: {event.action: login_failed}\n    condition: s\n", LANE_NEVER, "" },
        { "    s: {event.action: login_ok}\n    f: {user.name: bob}\n    condition: s and not f\n",
          LANE_SCAN, "welcome " },
        { "    s: {event.action: login_ok}\n    condition: not s\n", LANE_FIELD,
          "must not be there" },
        { "    s: {user.name|exists: true}\n    condition: s\n", LANE_FIELD, "any value" },
        { "    s: {source.geo.country_iso_code: DE}\n    condition: s\n", LANE_NEVER, "" },
        { "    s: {geo.prev_country: DE}\n    condition: s\n", LANE_FIELD, "computed" },
        { "    s: {user.name|fieldref: host.name}\n    condition: s\n", LANE_SCAN, "welcome " },
        { "    s: {message|contains: abc}\n    condition: s\n", LANE_FIELD, "message" },
        { "    s: ['anything at all']\n    condition: s\n", LANE_SCAN, "anything at all" },
        { "    s: ['anything', abc]\n    condition: s\n", LANE_FIELD, "abc: too short" },
        { "    s: {'|re': '^any(?:thing|body)$'}\n    condition: s\n", LANE_SCAN, "anything" },
        { "    s: ['anything', 'line']\n    condition: s\n", LANE_FIELD, "put there" },
        { "    a: {message|contains: abcd}\n    b: {message|contains: x}\n    condition: a or b\n",
          LANE_FIELD, "message: " },
        { "    a: {message|contains|all: ['ab*wxyz', q]}\n    condition: a\n", LANE_SCAN, "wxyz" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct lane lane = lane_in_two(*state, cases[i].detection);

        print_message("%s", cases[i].detection);
        assert_string_equal(lane_names[lane.kind], lane_names[cases[i].kind]);
        if (lane.kind == LANE_SCAN)
            assert_true(slice_is(lane.literals[0], cases[i].want));
        if (lane.kind == LANE_FIELD)
            assert_non_null(strstr(lane.why, cases[i].want));
    }
}

static void what_stands_beside_a_record_takes_the_literal_of_who_asks_for_it(void **state)
{
    static const struct format_beside places = { .places = true },
                                      service = { .service = { "old-panel.service", 17 } };
    static const struct {
        const char *detection;
        const struct format_beside *beside;
        enum lane_kind kind;
    } cases[] = {
        { "    s: {source.geo.country_iso_code: DE}\n    condition: s\n", &places, LANE_FIELD },
        { "    s: [mallory]\n    condition: s\n", &places, LANE_FIELD },
        { "    s: {user.name: mallory}\n    condition: s\n", &places, LANE_SCAN },
        { "    s: [mallory]\n    condition: s\n", &service, LANE_SCAN },
        { "    s: [panel]\n    condition: s\n", &service, LANE_FIELD },
        { "    s: {service.name: old-panel.service}\n    condition: s\n", &service, LANE_FIELD },
        { "    s: {service.name: other.service}\n    condition: s\n", &service, LANE_NEVER },
    };
    struct bench *b = *state;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct lane lane = lane_in_two(b, cases[i].detection);
        const struct format *two = format_find(b->engine->formats, SLICE("two"));

        assert_int_equal(lane_of(b->engine, two, cases[i].beside, 0, b->arena, &lane), 0);
        print_message("%s", cases[i].detection);
        assert_string_equal(lane_names[lane.kind], lane_names[cases[i].kind]);
    }
}

static void only_its_own_formats_and_detections_have_a_lane(void **state)
{
    struct bench *b = *state;
    struct lane lane = lane_in_two(b, "    s: {event.action: login_ok}\n    condition: s\n");

    assert_int_equal(lane.kind, LANE_SCAN);
    assert_int_equal(
        lane_of(b->engine, format_find(b->engine->formats, SLICE("one")), NULL, 0, b->arena, &lane),
        0);
    assert_int_equal(lane.kind, LANE_NEVER);
    assert_int_equal(lane_of_rule(b->engine, 0, b->arena, &lane), 0);
    assert_int_equal(lane.kind, LANE_SCAN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_is_cut_where_some_format_escapes),
        cmocka_unit_test(and_takes_what_fewer_sample_lines_hold),
        cmocka_unit_test(what_an_and_does_not_take_must_be_there_too),
        cmocka_unit_test(a_record_is_searched_in_either_case),
        cmocka_unit_test(or_puts_together_and_drops_what_another_covers),
        cmocka_unit_test(a_run_of_digits_is_found_wherever_it_stands),
        cmocka_unit_test(a_run_of_digits_is_found_in_a_long_text),
        cmocka_unit_test(a_union_of_many_is_what_comparing_each_with_each_gives),
        cmocka_unit_test(a_union_knows_what_has_no_literal_and_its_limit),
        cmocka_unit_test(a_long_list_of_rare_texts_is_better_than_one_that_every_line_holds),
        cmocka_unit_test(an_expression_has_the_literals_of_all_its_ways),
        cmocka_unit_test(what_is_not_understood_has_none),
        cmocka_unit_test(letters_that_fold_beyond_ascii_cut),
        cmocka_unit_test(what_a_group_holds_makes_the_answer_sharper),
        cmocka_unit_test(a_fields_value_has_the_literals_of_all_that_can_give_it),
        cmocka_unit_test(a_keyword_has_the_literals_of_all_values_that_can_hold_it),
        cmocka_unit_test(escapes_that_no_literal_knows_are_told),
        cmocka_unit_test(a_rule_rides_the_scan_by_the_best_of_what_it_asks),
        cmocka_unit_test(what_stands_beside_a_record_takes_the_literal_of_who_asks_for_it),
        cmocka_unit_test(only_its_own_formats_and_detections_have_a_lane),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
