/* Where a record begins: as the expression says, and not within an object that is still open. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/diag.h"
#include "base/regex.h"
#include "parsers/format.h"
#include "parsers/parser.h"

/* Some have places in front and some have none; some look like one that has. */
static const char *const patterns[] = {
    "^(?:\\[\\d{4}-\\d\\d-\\d\\d[ T]\\d\\d:\\d\\d[^\\]]{0,20}\\] [\\w.-]+\\.[A-Z]+: |\\{\"a\":)",
    "^\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d [A-Z]+ ",
    "^\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d INFO ",
    "^(?:\\{|\\[\\d\\d\\d\\d-[01]\\d-\\d\\d\\] .{0,5};|x)",
    "^(?:(?i)\\[|\\[\\d{4}-\\d\\d-\\d\\d\\])",
    "^\\[\\d{4}-\\d\\d-\\d\\d (?:a|b)\\]|x",
    "^\\d{4}-\\d\\d-\\d\\d\\b",
    "^\\d{4}-\\d\\d-\\d{2,3} ",
    "^(?:\\d{4}-\\d\\d-\\d\\d )?\\[",
    "^(?:[]|)a]x|\\d{4}-\\d\\d-\\d\\d [^]|)]{3}(?:\\||:)|[^\\]|]{99})",
};

static const char *const lines[] = {
    "[2026-11-21 01:38:00] production.DEBUG: a",
    "[2026-11-21T01:38:00+00:00] production.ERROR: b",
    "[2026-11-21 01:38] a.B: ",
    "2026-11-21 01:38:00 INFO begins",
    "2026-11-21 01:38:00 WARNING begins",
    "[2026-11-21] abc; or so",
    "[2026-11-21 a]",
    "[2026-11-21 b]",
    "{\"a\":1}",
    "x",
    "",
};

static uint64_t state = 3;

static uint64_t dice(uint64_t sides)
{
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (state >> 33) % sides;
}

/* Mostly other digits, now and then another byte, or an end. */
static size_t make_line(char *line)
{
    size_t n = strlen(lines[dice(ARRAY_SIZE(lines))]);
    const char *from = lines[0];

    for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
        if (strlen(lines[i]) == n)
            from = lines[i];
    memcpy(line, from, n);
    for (size_t i = 0; i < n; i++)
        if (line[i] >= '0' && line[i] <= '9')
            line[i] = (char)('0' + dice(10));
    if (n && dice(3) == 0)
        line[dice(n)] = " 0aA].:x\xff"[dice(9)];
    return dice(9) ? n : dice(n + 1);
}

static const struct format *format_of(struct formats *set, size_t i, struct diag *d)
{
    char text[600], name[20];

    snprintf(name, sizeof name, "f%zu", i);
    snprintf(
        text, sizeof text,
        "format: %s\nchannel: %s\nsummary: a\nlogsource: {product: %s}\nframing: {start: "
        "'%s'}\nlayouts: [{name: a, match: '^(?<message>.*)$'}]\nfields: {a: ignore}\n"
        "events:\n  - {action: service_start, starts: zzz, samples: ['zzz']}\nsamples: ['a']\n",
        name, name, name, patterns[i]);
    (void)formats_add(set, name, slice_str(text), d);
    for (size_t k = 0; k < diag_count(d); k++)
        print_message("%s\n", diag_text(d, k));
    assert_int_equal(diag_errors(d), 0);
    return format_find(set, slice_str(name));
}

static void a_line_begins_a_record_whatever_was_learned(void **unused)
{
    struct field_names *names = field_names_new();
    struct formats *set = formats_new(names);
    AUTO(diag) d = diag_new();
    AUTO(regex_scratch) s = regex_scratch_new();
    const struct format *all[ARRAY_SIZE(patterns)];
    unsigned begun = 0, heads = 0;

    (void)unused;
    for (size_t i = 0; i < ARRAY_SIZE(patterns); i++) {
        all[i] = format_of(set, i, d);
        heads += all[i]->head.n > 0;
    }
    for (unsigned round = 0; round < 160000; round++) {
        /* Some lines of one log, then those of another. */
        const struct format *f = all[round / 50 % ARRAY_SIZE(patterns)];
        const struct framing *framing = format_framing(f);
        char line[80];
        struct slice l = slice_of(line, make_line(line));
        bool want = regex_match(f->start, s, l, NULL, 0) == 1;

        framing->begins(framing->ctx);
        if (framing->starts(framing->ctx, l, SLICE_NONE) != want) {
            print_message("%.*s: '%.*s'\n", SLICE_FMT(f->name), SLICE_FMT(l));
            fail();
        }
        begun += want;
    }
    assert_int_equal(heads, 6);
    assert_in_range(begun, 20000, 140000);
    formats_thread_end();
    formats_free(set);
    field_names_free(names);
}

/* Whether all that begins at `at` has ended, a byte at a time. */
static bool ends_naively(struct slice s, size_t at)
{
    bool quoted = false;
    long depth = 0;

    for (; at < s.n; at++)
        if (quoted && s.p[at] == '\\')
            at++;
        else if (s.p[at] == '"')
            quoted = !quoted;
        else if (!quoted)
            depth += s.p[at] == '{' ? 1 : s.p[at] == '}' ? -1 : 0;
    return !quoted && depth <= 0;
}

/* An object behind text is open when neither the last one that begins there ends nor one of 16. */
static bool is_open_naively(struct slice s)
{
    bool ends = false, last = true;
    unsigned objects = 0;

    if (s.p[0] == '{')
        return !ends_naively(s, 0);
    for (size_t i = 1; i + 1 < s.n; i++)
        if (memcmp(s.p + i - 1, " {\"", 3) == 0) {
            last = ends_naively(s, i);
            ends = ends || (objects++ < 16 && last);
        }
    return objects && !ends && !last;
}

static void an_open_object_goes_on_however_it_was_cut(void **unused)
{
    static const char *const pieces[] = { " {\"",
                                          "{",
                                          "}",
                                          "\"",
                                          "\\",
                                          "\\\"",
                                          "a",
                                          " ",
                                          "y",
                                          "\n",
                                          "\":{\"a\":\"b\"}",
                                          "some more text here" };
    static const char text[] =
        "format: g\nchannel: g\nsummary: a\nlogsource: {product: g}\n"
        "framing: {start: '^#', unclosed: true}\n"
        "layouts: [{name: a, match: '^(?<message>.*)$'}]\nfields: {a: ignore}\n"
        "events:\n  - {action: service_start, starts: zzz, samples: ['zzz']}\nsamples: ['a']\n";
    struct field_names *names = field_names_new();
    struct formats *set = formats_new(names);
    AUTO(diag) d = diag_new();
    AUTO_BUF record = BUF_INIT;
    const struct framing *f;
    unsigned open = 0, asked = 0;

    (void)unused;
    (void)formats_add(set, "g", slice_str(text), d);
    assert_int_equal(diag_errors(d), 0);
    f = format_framing(format_find(set, SLICE("g")));
    buf_reserve(&record, 4096);
    for (unsigned round = 0; round < 60000; round++) {
        uint64_t growing = 1 + dice(4);

        buf_reset(&record);
        f->begins(f->ctx);
        buf_str(&record, dice(5) ? "#" : "{");
        for (; growing; growing--) { /* a record grows, and is asked about each time */
            for (uint64_t n = dice(dice(4) ? 12 : 80); n; n--)
                buf_str(&record, pieces[dice(round % 3 ? ARRAY_SIZE(pieces) : 4)]);
            open += is_open_naively(buf_view(&record));
            asked++;
            if (f->starts(f->ctx, SLICE("#"), buf_view(&record)) ==
                is_open_naively(buf_view(&record)))
                fail_msg("'%.*s'", SLICE_FMT(buf_view(&record)));
        }
    }
    assert_in_range(open, asked / 10, asked - asked / 10);
    formats_thread_end();
    formats_free(set);
    field_names_free(names);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_begins_a_record_whatever_was_learned),
        cmocka_unit_test(an_open_object_goes_on_however_it_was_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
