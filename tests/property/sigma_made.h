/* Random rules, and random events that are near them. */
#pragma once

#include <stdio.h>

#include <cmocka.h>

#include "rules/rules.h"
#include "tests/property/dice.h"
#include "tests/property/sigma_naive.h"

#define SEEDS 40 /* of one rule */
#define RULES_MAX 24

/* Most of a rule is of one kind, so that events can hit several of its items. */
enum theme {
    ANYTHING,
    WILDCARDS,
    DASHES,
    NUMBERS,
    CODES,
    DATES,
    WHOLE,
    THEMES,
};

/* What a rule asks for, to make events that are near it. */
struct wanted {
    char seeds[SEEDS][200];
    size_t nseeds;
    enum theme theme;
};

struct made {
    struct dice *d;
    struct buf text;
    struct wanted rules[RULES_MAX];
    size_t nrules;
    struct wanted *now; /* of the rule or the event that is made */
};

static const char *const fields[] = { "a", "b", "a.b", "x y", "u-v", "größe" };
static const char *const expansions[] = { "ab", "a?", "b*a", "\xc3\xa9", "x-y", NULL };

/* ---- rules ---- */

static void quoted(struct made *m, const char *text)
{
    if (m->now->nseeds < SEEDS)
        snprintf(m->now->seeds[m->now->nseeds++], sizeof m->now->seeds[0], "%s", text);
    buf_char(&m->text, '"');
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            buf_char(&m->text, '\\');
        if (*text == '\n')
            buf_str(&m->text, "\\n");
        else
            buf_char(&m->text, *text);
    }
    buf_char(&m->text, '"');
}

static const char *const plain_atoms[] = {
    "a",
    "b",
    "A",
    "B",
    "ab",
    "admin",
    "-",
    "/",
    " ",
    " -a",
    "\xc3\xa9",
    "\xc3\x89",
    "\xcf\x83",
    "\xcf\x82",
    "\xce\xa3",
    "\xc3\x9f",
    "k",
    "s",
    "0",
    "1",
    ".",
    "\n",
    "%",
    "\xe2\xb1\xa2",
    "_",
    "\\\\",
    "\\*",
    "\\?",
    "\\x",
    "\xc9\xab",
    "[",
    "\xe1\xba\x9e",
    "b-",
    "z",
    "a-b",
    "--b",
    "\xc5\xbf",
    "\xe2\x84\xaa",
    "\xf0\x9f\x98\x80",
    "\xf0\x90\x90\x80",
    "\xf0\x90\x90\xa8",
};

static void text_value(struct made *m, bool wildcards, bool expand)
{
    char text[200] = "";
    size_t n = 0;
    bool put = false;

    for (unsigned k = 1 + roll(m->d, 4); k; k--) {
        const char *atom = PICK(m->d, plain_atoms);

        if (wildcards && roll(m->d, 3) == 0)
            atom = PICK(m->d, ((const char *const[]){ "*", "?", "**", "a*",
                                                      "*?"
                                                      "?",
                                                      "?*?" }));
        /* A backslash before it would make the percent sign plain. */
        if (expand && !put && roll(m->d, 3) == 0 && (n == 0 || text[n - 1] != '\\')) {
            atom = "%p%";
            put = true;
        } else if (expand && *atom == '%') {
            atom = "q";
        }
        n += (size_t)snprintf(text + n, sizeof text - n, "%s", atom);
    }
    quoted(m, text);
}

static void re_value(struct made *m)
{
    static const char *const atoms[] = { "a",   "b",        "[ab]", "[a\xc3\xa9]", ".",
                                         "\\.", "\xc3\xa9", "1",    "A",           "\\\\" };
    static const char *const counts[] = { "", "", "", "?", "*", "+" };
    char text[200];
    size_t n = 0;

    n += (size_t)snprintf(text + n, sizeof text - n, "%s", roll(m->d, 4) ? "" : "^");
    for (unsigned k = 1 + roll(m->d, 4); k; k--) {
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%s", PICK(m->d, atoms),
                              PICK(m->d, counts));
        if (k > 1 && roll(m->d, 8) == 0)
            n += (size_t)snprintf(text + n, sizeof text - n, "|");
    }
    snprintf(text + n, sizeof text - n, "%s", roll(m->d, 4) ? "" : "$");
    quoted(m, text);
}

static void one_of(struct made *m, const char *const *list, size_t n)
{
    quoted(m, list[roll(m->d, (unsigned)n)]);
}

static const char *const networks[] = { "10.0.0.0/8", "10.1.0.0/16", "192.0.2.7/32", "0.0.0.0/0",
                                        "fe80::/10",  "::/0",        "10.128.0.0/9" };
static const char *const addresses[] = { "10.1.2.3",  "10.200.0.1", "192.0.2.7",   "192.0.2.8",
                                         "fe80::1",   "febf::2",    "2001:db8::1", "10.1.2",
                                         "10.1.2.3 ", "x" };
static const char *const numbers[] = { "0",
                                       "5",
                                       "-5",
                                       "5.0",
                                       "5.5",
                                       "-5.5",
                                       "2251799813685248",
                                       "2251799813685248.5",
                                       "1e3",
                                       "1000",
                                       "-0",
                                       "9007199254740993",
                                       "9007199254740992",
                                       "9223372036854775807",
                                       "9223372036854775808",
                                       "-9223372036854775808",
                                       "18446744073709551615",
                                       "18446744073709551614" };
static const char *const odd_numbers[] = {
    "abc", "", " 5", "5 ", "+5", "0x5", "5.", ".5", "-", "."
};
static const char *const dates[] = { "2026-11-21T13:05:00Z", "2026-01-01",           "2027-01-03",
                                     "2025-12-29T23:59:59Z", "2024-02-29",           "2026-02-30",
                                     "2020-12-31T00:00:00Z", "2026-11-21T13:05:00Y", "13:05" };
static const char *const hours[] = { "13", "0", "23", "12" };
static const char *const weeks[] = { "1", "53", "47", "52" };
static const char *const days[] = { "1", "3", "11", "12", "2" };

enum shape {
    TEXT,
    PLAIN,
    EXPAND,
    RE,
    NET,
    NUMBER,
    HOUR,
    WEEK,
    DAY,
    OTHER,
    EXISTS,
    NONE,
};

static const struct form {
    const char *modifiers;
    enum shape shape;
    bool list; /* a list of values makes sense */
    bool keyword;
} forms[] = {
    { "", TEXT, true, false },
    { "", PLAIN, true, false },
    { "|contains", TEXT, true, true },
    { "|contains", TEXT, true, true },
    { "|startswith", TEXT, true, false },
    { "|endswith", TEXT, true, false },
    { "|startswith|endswith", TEXT, true, false },
    { "|cased", TEXT, true, true },
    { "|contains|cased", TEXT, true, true },
    { "|endswith|cased", TEXT, true, false },
    { "|contains|all", TEXT, true, true },
    { "|all", TEXT, true, true },
    { "|neq", TEXT, true, false },
    { "|contains|neq", TEXT, true, false },
    { "|contains|all|neq", TEXT, true, false },
    { "|windash", TEXT, true, true },
    { "|windash|contains", TEXT, true, true },
    { "|contains|windash|all", TEXT, true, true },
    { "|startswith|windash|cased", TEXT, true, false },
    { "|expand", EXPAND, true, true },
    { "|contains|expand", EXPAND, true, true },
    { "|contains|all|expand", EXPAND, true, true },
    { "|base64", PLAIN, true, true },
    { "|base64|contains|cased", PLAIN, true, true },
    { "|base64offset|contains", PLAIN, true, true },
    { "|base64offset|contains|cased", PLAIN, true, true },
    { "|base64offset|contains|all", PLAIN, true, true },
    { "|wide|base64offset|contains|cased", PLAIN, true, true },
    { "|utf16be|base64offset|contains", PLAIN, true, true },
    { "|utf16|base64|startswith", PLAIN, true, false },
    { "|utf16le|base64", PLAIN, true, true },
    { "|re", RE, true, true },
    { "|re|i", RE, true, true },
    { "|re|s|m", RE, true, true },
    { "|re|all", RE, true, true },
    { "|re|neq", RE, true, false },
    { "|cidr", NET, true, true },
    { "|cidr|neq", NET, true, false },
    { "|gt", NUMBER, true, false },
    { "|gte", NUMBER, true, false },
    { "|lt", NUMBER, true, false },
    { "|lte|all", NUMBER, true, false },
    { "|gt|neq", NUMBER, true, false },
    { "|hour", HOUR, true, false },
    { "|minute|lt", HOUR, true, false },
    { "|week", WEEK, true, false },
    { "|day|gte", DAY, true, false },
    { "|month|neq", DAY, true, false },
    { "|fieldref", OTHER, true, false },
    { "|fieldref|neq", OTHER, true, false },
    { "|fieldref|contains", OTHER, true, false },
    { "|fieldref|startswith", OTHER, true, false },
    { "|fieldref|endswith|all", OTHER, true, false },
    { "|exists", EXISTS, false, false },
    { "", NONE, false, false },
    { "|neq", NONE, false, false },
};

static void value(struct made *m, enum shape shape)
{
    switch (shape) {
    case TEXT:
    case PLAIN:
        text_value(m, shape == TEXT, false);
        break;
    case EXPAND:
        text_value(m, true, true);
        break;
    case RE:
        re_value(m);
        break;
    case NET:
        one_of(m, networks, ARRAY_SIZE(networks));
        break;
    case NUMBER:
        one_of(m, numbers, ARRAY_SIZE(numbers));
        break;
    case HOUR:
        one_of(m, hours, ARRAY_SIZE(hours));
        break;
    case WEEK:
        one_of(m, weeks, ARRAY_SIZE(weeks));
        break;
    case DAY:
        one_of(m, days, ARRAY_SIZE(days));
        break;
    case OTHER:
        one_of(m, fields, ARRAY_SIZE(fields));
        break;
    case EXISTS:
        buf_str(&m->text, roll(m->d, 2) ? "true" : "false");
        break;
    case NONE:
        buf_str(&m->text, "null");
        break;
    }
}

static bool of_theme(const struct form *f, enum theme theme)
{
    switch (theme) {
    case WILDCARDS:
        return f->shape == TEXT && !strstr(f->modifiers, "windash");
    case DASHES:
        return strstr(f->modifiers, "windash") != NULL;
    case NUMBERS:
        return f->shape == NUMBER;
    case CODES:
        return f->shape == PLAIN;
    case WHOLE:
        return f->shape == PLAIN && !*f->modifiers;
    case DATES:
        return f->shape == HOUR || f->shape == WEEK || f->shape == DAY;
    case ANYTHING:
    case THEMES:
        break;
    }
    return true;
}

static const struct form *some_form(struct made *m)
{
    const struct form *f = &PICK(m->d, forms);

    for (unsigned k = 0; k < 40 && !of_theme(f, m->now->theme); k++)
        f = &PICK(m->d, forms);
    return f;
}

/* Members of a map; a key stands once. */
static void map(struct made *m)
{
    unsigned used = roll(m->d, (unsigned)ARRAY_SIZE(fields)), n = 1 + roll(m->d, 3);

    buf_char(&m->text, '{');
    for (unsigned i = 0; i < n; i++) {
        const struct form *f = some_form(m);
        bool keyword = f->keyword && i == 0 && roll(m->d, 5) == 0;
        bool list = f->list && roll(m->d, 2);

        /* Fields differ, so keys do, however equal the modifiers are. */
        buf_printf(&m->text, "%s\"%s%s\": ", i ? ", " : "",
                   keyword ? "" : fields[(used + i) % ARRAY_SIZE(fields)], f->modifiers);
        if (list)
            buf_char(&m->text, '[');
        for (unsigned k = list ? 1 + roll(m->d, 3) : 1; k; k--) {
            value(m, f->shape);
            buf_str(&m->text, k > 1 ? ", " : "");
        }
        if (list)
            buf_char(&m->text, ']');
    }
    buf_char(&m->text, '}');
}

static void selection(struct made *m)
{
    switch (roll(m->d, 6)) {
    case 0: /* a keyword, alone or in a list */
        text_value(m, true, false);
        break;
    case 1: /* maps and keywords */
        buf_char(&m->text, '[');
        for (unsigned n = 1 + roll(m->d, 3); n; n--) {
            if (roll(m->d, 3))
                map(m);
            else
                text_value(m, true, false);
            buf_str(&m->text, n > 1 ? ", " : "");
        }
        buf_char(&m->text, ']');
        break;
    default:
        map(m);
    }
}

static void condition(struct made *m, unsigned depth)
{
    static const char *const leaves[] = {
        "x",           "sel_1",       "sel_2",   "_h",          "1 of sel_*", "all of sel_*",
        "any of them", "all of them", "1 of _*", "ALL OF *l_*", "1 OF x",
    };
    static const char *const joins[] = { " and ", " or ", " AND ", " Or " };

    switch (depth ? roll(m->d, 5) : 0) {
    case 1:
        buf_str(&m->text, roll(m->d, 2) ? "not " : "NOT ");
        condition(m, depth - 1);
        break;
    case 2:
        buf_char(&m->text, '(');
        condition(m, depth - 1);
        buf_char(&m->text, ')');
        break;
    case 3:
    case 4:
        condition(m, depth - 1);
        buf_str(&m->text, PICK(m->d, joins));
        condition(m, depth - 1);
        break;
    default:
        buf_str(&m->text, PICK(m->d, leaves));
    }
}

/* One selection: its few items alone decide. */
static void small_detection(struct made *m)
{
    buf_str(&m->text, "  x: ");
    map(m);
    buf_str(&m->text, "\n  condition: x\n");
}

static void detection(struct made *m)
{
    static const char *const names[] = { "x", "sel_1", "sel_2", "_h" };

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        buf_printf(&m->text, "  %s: ", names[i]);
        selection(m);
        buf_char(&m->text, '\n');
    }
    buf_str(&m->text, "  condition: ");
    if (roll(m->d, 8) == 0) {
        buf_char(&m->text, '[');
        condition(m, 2);
        buf_str(&m->text, ", ");
        condition(m, 2);
        buf_char(&m->text, ']');
    } else {
        condition(m, 3);
    }
    buf_char(&m->text, '\n');
}

/* Sometimes with a filter behind it. */
static void make_rule(struct made *m)
{
    unsigned number = (unsigned)m->nrules;
    bool filter = roll(m->d, 4) == 0, small = number && roll(m->d, 2);

    m->now = &m->rules[m->nrules++];
    m->now->theme = (enum theme)roll(m->d, THEMES);
    buf_printf(&m->text, "%stitle: t%u\nname: t%u\nlogsource: {product: test}\ndetection:\n",
               number ? "---\n" : "", number, number);
    if (small)
        small_detection(m);
    else
        detection(m);
    if (filter) {
        buf_printf(&m->text,
                   "---\ntitle: f%u\nlogsource: {product: test}\nfilter:\n  rules: [t%u]\n", number,
                   number);
        detection(m);
    }
}

/* ---- events ---- */

/* Something near a text that the rule asks for. */
static void near(struct made *m, char *out, size_t size)
{
    const struct wanted *w = m->now;
    const char *seed = w->nseeds ? w->seeds[roll(m->d, (unsigned)w->nseeds)] : "a";
    static const char *const noise[] = { "",  "a",  "xx",       "\xc3\xa9", "-", "\n",
                                         "b", "/a", "\xcf\x82", " ",        "" };
    bool exact = roll(m->d, 2), flip = roll(m->d, 2);
    size_t n = 0;

    n += (size_t)snprintf(out + n, size - n, "%s", exact ? "" : PICK(m->d, noise));
    for (; *seed && n + 8 < size; seed++) {
        const char *put = NULL;
        char one[2] = { *seed, '\0' };

        if (*seed == '\\' && seed[1] && strchr("*?\\", seed[1]) && roll(m->d, 4))
            one[0] = *++seed;
        else if (*seed == '*' || *seed == '?')
            put = PICK(m->d, noise);
        else if (*seed == '%' && strncmp(seed, "%p%", 3) == 0)
            put = expansions[roll(m->d, 5)];
        else if ((*seed == '-' || *seed == '/') && roll(m->d, 2))
            put = PICK(m->d, ((const char *const[]){ "/", "-", "\xe2\x80\x93", "\xe2\x80\x95" }));
        if (put && *put && *seed == '%')
            seed += 2;
        if (flip && ((one[0] >= 'a' && one[0] <= 'z') || (one[0] >= 'A' && one[0] <= 'Z')) &&
            roll(m->d, 3) == 0)
            one[0] = (char)(one[0] ^ 32);
        n += (size_t)snprintf(out + n, size - n, "%s", put ? put : one);
    }
    snprintf(out + n, size - n, "%s", exact ? "" : PICK(m->d, noise));
}

/* Letters beyond ASCII in the other case, now and then. */
static void other_case(struct made *m, char *text)
{
    static const char pairs[][2][3] = { { "\xc3\xa9", "\xc3\x89" },
                                        { "\xcf\x83", "\xce\xa3" },
                                        { "\xcf\x82", "\xcf\x83" } };

    for (size_t i = 0; i < ARRAY_SIZE(pairs); i++)
        for (char *at = strstr(text, pairs[i][0]); at; at = strstr(at + 2, pairs[i][0]))
            if (roll(m->d, 2))
                memcpy(at, pairs[i][1], 2);
}

static void encoded(struct made *m, char *out)
{
    static const char *const ways[] = { "", "", "|wide", "|utf16be", "|utf16" };
    char text[300];
    unsigned char bytes[4 * 300];
    struct points p;
    size_t n, pad = roll(m->d, 3);

    near(m, text, 60);
    naive_points(slice_str(text), &p);
    memset(bytes, 'z', pad);
    n = naive_bytes(slice_str(PICK(m->d, ways)), &p, bytes + pad);
    naive_base64(bytes, pad + n, out);
}

static void event_value(struct made *m, char *out, size_t size)
{
    static const unsigned themed[THEMES] = {
        [ANYTHING] = 11, [WILDCARDS] = 11, [DASHES] = 11, [NUMBERS] = 1,
        [CODES] = 4,     [DATES] = 3,      [WHOLE] = 11
    };

    switch (roll(m->d, 2) ? themed[m->now->theme] : roll(m->d, 12)) {
    case 0:
        snprintf(out, size, "%s", PICK(m->d, addresses));
        break;
    case 1:
        snprintf(out, size, "%s", PICK(m->d, numbers));
        break;
    case 2:
        snprintf(out, size, "%s", PICK(m->d, odd_numbers));
        break;
    case 3:
        snprintf(out, size, "%s", PICK(m->d, dates));
        break;
    case 4:
    case 5:
        encoded(m, out);
        break;
    default:
        near(m, out, 200);
        other_case(m, out);
    }
}

static void make_event(struct made *m, struct arena *a, const struct field_names *names,
                       struct event *ev)
{
    static const struct logsource test = { { "test", 4 }, { "", 0 }, { "s", 1 } };
    static const struct logsource other = { { "other", 5 }, { "", 0 }, { "", 0 } };
    char text[2000];

    m->now = &m->rules[roll(m->d, (unsigned)m->nrules)]; /* near this one */
    *ev = (struct event){ .arena = a, .logsource = roll(m->d, 16) ? &test : &other };
    for (unsigned n = roll(m->d, 9); n; n--) {
        struct slice name = slice_str(PICK(m->d, fields));
        bool null = roll(m->d, 10) == 0;

        event_value(m, text, sizeof text);
        assert_int_equal(event_add(ev, field_find(names, name), name,
                                   null ? VALUE_NULL : VALUE_STRING,
                                   null ? SLICE("") : arena_slice(a, slice_str(text))),
                         0);
    }
    text[0] = '\0';
    if (roll(m->d, 2))
        event_value(m, text, sizeof text);
    ev->raw = arena_slice(a, slice_str(text));
}
