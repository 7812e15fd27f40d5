/*
 * Date patterns into expressions.
 *
 * Around a pattern come word boundaries, unless it is anchored itself, begins or ends with ** or
 * says {UNB}; {^LN-BEG} allows two signs in front of it at the beginning of the line. A pattern
 * without a group of its own is one group. The tests for that look at the text of the pattern only,
 * as fail2ban's do: what is in a class or escaped may count or not, and filters rely on it.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>

#include "parsers/fail2ban/date.h"
#include "parsers/fail2ban/pattern.h"

/* ---- directives ---- */

#define DAYS_SHORT "mon|tue|wed|thu|fri|sat|sun"
#define DAYS_LONG "wednesday|thursday|saturday|tuesday|monday|friday|sunday"
#define MONTHS_SHORT "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
#define MONTHS_LONG                                                                                \
    "september|february|november|december|january|october|august|march|april|june|july|may"
#define MINUTE "[0-5]?\\d"
#define DAY "[12]\\d|[0 ]?[1-9]|3[01]"
#define HOUR "[01]?\\d|2[0-3]"
#define MONTH "0?[1-9]|1[0-2]"
#define SECOND "[0-5]?\\d|6[01]"
#define OFFSET "[-+][01]\\d(?::\\d\\d|\\d\\d)?"
#define ZONE "[A-Z]{3,5}|[A-Z]"
#define WEEK "5[0-3]|[0-4]?\\d"

static const struct directive {
    const char *name;
    char key; /* what the group means */
    const char *text; /* NULL: made with the year */
    const char *before;
} directives[] = {
    { "ExY", 'Y', NULL, "" },
    { "Exy", 'y', "\\d{2}", "" },
    { "Exd", 'd', "[12]\\d|0[1-9]|3[01]", "" },
    { "Exm", 'm', "0[1-9]|1[0-2]", "" },
    { "ExH", 'H', "[01]\\d|2[0-3]", "" },
    { "Exk", 'H', HOUR, " ?" },
    { "Exl", 'I', "1[0-2]|\\d", " ?" },
    { "ExM", 'M', "[0-5]\\d", "" },
    { "ExS", 'S', "[0-5]\\d|6[01]", "" },
    { "ExZ", 'Z', ZONE, "" },
    { "Exz", 'z', "(?:" ZONE ")?" OFFSET "|" ZONE, "" },
    { "a", 'a', DAYS_SHORT, "" },
    { "A", 'A', DAYS_LONG, "" },
    { "b", 'b', MONTHS_SHORT, "" },
    { "B", 'B', MONTHS_LONG, "" },
    { "d", 'd', DAY, "" },
    { "f", 'f', "[0-9]{1,6}", "" },
    { "G", 'G', "\\d{4}", "" },
    { "H", 'H', HOUR, "" },
    { "I", 'I', "1[0-2]|0?[1-9]", "" },
    { "j", 'j', "3(?:6[0-6]|[0-5]\\d)|[12]\\d\\d|0?[1-9]\\d|0?0?[1-9]", "" },
    { "k", 'H', "[0-2]?\\d", " ?" },
    { "l", 'I', "1?\\d", " ?" },
    { "m", 'm', MONTH, "" },
    { "M", 'M', MINUTE, "" },
    { "p", 'p', "am|pm", "" },
    { "S", 'S', SECOND, "" },
    { "u", 'u', "[1-7]", "" },
    { "U", 'U', WEEK, "" },
    { "V", 'V', "5[0-3]|0[1-9]|[1-4]?\\d", "" },
    { "w", 'w', "[0-6]", "" },
    { "W", 'W', WEEK, "" },
    { "y", 'y', "\\d\\d", "" },
    { "Y", 'Y', "\\d{4}", "" },
    { "z", 'z', "UTC|GMT|Z|" OFFSET, "" },
    { "Z", 'Z', "[A-Z]{3,5}|Z", "" },
};

/* %ExY: from 2000 to a few years ahead; a stray number is no year then. */
static void add_years(struct buf *out, int year)
{
    int last = year > 2096 ? 9 : (year + 3) / 10 % 10;

    buf_printf(out, "(?P<Y>20[0-%d]\\d)", last < 2 ? 2 : last);
}

static bool put_directive(struct buf *out, struct slice rest, int year, size_t *ret_n)
{
    static const struct {
        char c;
        const char *text;
    } made[] = { { 'c', "%a\\s+%b\\s+%d\\s+%H:%M:%S\\s+%Y" },
                 { 'x', "%m/%d/%y" },
                 { 'X', "%H:%M:%S" } };
    size_t n;

    for (size_t i = 0; i < ARRAY_SIZE(directives); i++) {
        const struct directive *d = &directives[i];

        if (!slice_starts(rest, slice_str(d->name)))
            continue;
        *ret_n = strlen(d->name);
        buf_str(out, d->before);
        if (d->text)
            buf_printf(out, "(?P<%c>%s)", d->key, d->text);
        else
            add_years(out, year);
        return true;
    }
    for (size_t i = 0; i < ARRAY_SIZE(made) && rest.n; i++) {
        if (rest.p[0] != made[i].c)
            continue;
        for (const char *p = made[i].text; *p; p++)
            if (*p != '%')
                buf_char(out, *p);
            else
                put_directive(out, slice_str(++p), year, &n);
        *ret_n = 1;
        return true;
    }
    return false;
}

/* One sign: put_directive() above reads the longest name first, so a single letter is enough. */
static int fill_directives(struct slice s, int year, struct buf *out, struct err *err)
{
    while (s.n) {
        size_t at = slice_find_byte(s, '%'), n = 0;

        buf_slice(out, slice_take(s, at));
        if (at == SIZE_MAX)
            break;
        s = slice_skip(s, at + 1);
        if (s.n && s.p[0] == '%') {
            buf_char(out, '%');
            n = 1;
        } else if (!put_directive(out, s, year, &n)) {
            return err_set(err, -EINVAL, "no date has '%%%.*s': write a percent sign as %%%%",
                           (int)(s.n ? 1 : 0), s.p);
        }
        s = slice_skip(s, n);
    }
    return 0;
}

/* Names of days and months, am and pm: in any case. */
static bool has_words(struct slice s)
{
    for (size_t i = 0; i + 1 < s.n; i++)
        if (s.p[i] == '%' && strchr("aAbBpc", s.p[i + 1]) && (i == 0 || s.p[i - 1] != '%'))
            return true;
    return false;
}

/* ---- what a pattern looks like ---- */

/* (?word) at the beginning: its length. */
static size_t flags_at(struct slice s)
{
    size_t n = 2;

    if (!slice_starts(s, SLICE("(?")))
        return 0;
    while (n < s.n && (isalnum((unsigned char)s.p[n]) || s.p[n] == '_'))
        n++;
    return n > 2 && n < s.n && s.p[n] == ')' ? n + 1 : 0;
}

/* (^ or (?:^ */
static size_t group_with_anchor(struct slice s)
{
    return slice_starts(s, SLICE("(^")) ? 2 : slice_starts(s, SLICE("(?:^")) ? 4 : 0;
}

static size_t parens(struct slice s)
{
    size_t n = 0;

    while (n < s.n && s.p[n] == '(')
        n++;
    return n;
}

static bool begins_itself(struct slice s)
{
    for (size_t k = 0; k <= parens(s); k++) {
        struct slice rest = slice_skip(s, k), behind = slice_skip(rest, flags_at(rest));

        for (int i = 0; i < 2; i++, rest = behind)
            if (slice_starts(rest, SLICE("^")) || group_with_anchor(rest) ||
                slice_starts(slice_skip(rest, parens(rest)), SLICE("**")))
                return true;
    }
    return false;
}

static size_t stars_at_end(struct slice s)
{
    size_t n = s.n;

    while (n && s.p[n - 1] == ')')
        n--;
    if (n < 2 || s.p[n - 1] != '*' || s.p[n - 2] != '*' || (n > 2 && s.p[n - 3] == '\\'))
        return 0;
    return s.n - (n - 2);
}

static bool ends_with(struct slice s, const char *end, const char *never_behind)
{
    size_t n = strlen(end);

    return slice_ends(s, slice_str(end)) && (s.n == n || !strchr(never_behind, s.p[s.n - n - 1]));
}

static bool ends_itself(struct slice s)
{
    return ends_with(s, "$", "\\") || ends_with(s, "$)", "\\") || ends_with(s, "\\b", "\\") ||
           ends_with(s, "\\s", "\\") || stars_at_end(s);
}

/* Any bracket that opens a group without a question mark. */
static bool has_group(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == '(' && !(i + 1 < s.n && s.p[i + 1] == '?') && !(i && s.p[i - 1] == '\\') &&
            !(i > 1 && s.p[i - 1] == '?' && s.p[i - 2] == '('))
            return true;
    return false;
}

static bool anchored_at_begin(struct slice s)
{
    size_t n;

    s = slice_skip(s, flags_at(s));
    if (slice_starts(s, SLICE("^")))
        return true;
    n = group_with_anchor(s);
    return n && !(n < s.n && s.p[n] == '|');
}

static bool anchored_at_end(struct slice s)
{
    return ends_with(s, "$", "\\|") || ends_with(s, "$)", "\\|");
}

/* ---- building ---- */

static void put_grouped(struct buf *out, struct slice s)
{
    size_t n = flags_at(s);
    bool dollar;

    n += n < s.n && s.p[n] == '^';
    n += flags_at(slice_skip(s, n));
    dollar = s.n > n && s.p[s.n - 1] == '$' && !(s.n > 1 && s.p[s.n - 2] == '\\');
    buf_slice(out, slice_take(s, n));
    buf_char(out, '(');
    buf_slice(out, slice_of(s.p + n, s.n - n - dollar));
    buf_char(out, ')');
    if (dollar)
        buf_char(out, '$');
}

/* The two stars at both ends only say that there is no boundary. */
static void put_without_stars(struct buf *out, struct slice s)
{
    size_t end = stars_at_end(s), k = parens(s), n;

    n = k ? flags_at(slice_skip(s, k - 1)) : 0;
    n = n ? k - 1 + n : k;
    n += parens(slice_skip(s, n));
    buf_slice(out, slice_take(s, n));
    if (slice_starts(slice_skip(s, n), SLICE("**")))
        n += 2;
    if (end && s.n - end >= n) {
        buf_slice(out, slice_of(s.p + n, s.n - end - n));
        buf_slice(out, slice_skip(s, s.n - end + 2));
    } else {
        buf_slice(out, slice_skip(s, n));
    }
}

#define SIGNS_MAX 2 /* between the beginning of the line and its date */

enum begin {
    BEGIN_NOTHING,
    BEGIN_WORD,
    BEGIN_LINE,
};

/* Takes the first (?flags) out of the pattern. */
static struct slice cut_flags(struct arena *a, struct slice s, struct slice *ret_flags)
{
    *ret_flags = SLICE("");
    for (size_t i = 0; i < s.n; i++) {
        size_t n = flags_at(slice_skip(s, i));
        char *p;

        if (n == 0 || !islower((unsigned char)s.p[i + 2]))
            continue;
        *ret_flags = slice_of(s.p + i, n);
        p = arena_printf(a, "%.*s%.*s", (int)i, s.p, SLICE_FMT(slice_skip(s, i + n)));
        return p ? slice_str(p) : s;
    }
    return s;
}

/* Bytes of the line that can stand in front of group 1, which is what is cut out. */
static unsigned bytes_before(struct slice s, enum begin begin, bool own_group)
{
    s = slice_skip(s, flags_at(s));
    if (own_group && !(s.n > 1 && s.p[0] == '(' && s.p[1] != '?'))
        return DATE_ANYWHERE;
    if (begin == BEGIN_LINE)
        return SIGNS_MAX;
    return s.n && s.p[0] == '^' ? 0 : DATE_ANYWHERE;
}

/* Compiles the expression with its boundaries into the template. */
static int finish(struct arena *a, struct slice regex, enum begin begin, bool word_end,
                  struct date_template *t, struct err *err)
{
    AUTO_BUF grouped = BUF_LIMIT(PATTERN_MAX);
    AUTO_BUF bound = BUF_LIMIT(PATTERN_MAX);
    AUTO_BUF clean = BUF_LIMIT(PATTERN_MAX);
    AUTO_BUF out = BUF_LIMIT(PATTERN_MAX);
    struct slice flags, s = cut_flags(a, slice_trim(regex), &flags);
    bool begins = begin != BEGIN_NOTHING && !begins_itself(s), ends = word_end && !ends_itself(s);
    int rc;

    if (has_group(s))
        buf_slice(&grouped, s);
    else
        put_grouped(&grouped, s);
    if (begins)
        buf_printf(&bound, begin == BEGIN_LINE ? "^\\W{0,%d}" : "(?:^|\\b|(?=\\W))", SIGNS_MAX);
    buf_slice(&bound, buf_view(&grouped));
    if (ends)
        buf_str(&bound, "(?:\\b|$|(?=\\W))");
    t->before = bytes_before(s, begins ? begin : BEGIN_NOTHING, has_group(s));
    t->anchored = (begins && begin == BEGIN_LINE) || anchored_at_begin(buf_view(&bound)) ||
                  anchored_at_end(buf_view(&bound));
    buf_slice(&clean, flags);
    put_without_stars(&clean, buf_view(&bound));
    rc = pattern_python(buf_view(&clean), 0, &out, err);
    return rc < 0 ? rc : regex_compile(buf_view(&out), 0, &t->re, err);
}

static void read_keys(struct date_template *t)
{
    t->ngroups = regex_groups(t->re) + 1;
    if (t->ngroups > DATE_GROUPS_MAX)
        t->ngroups = DATE_GROUPS_MAX;
    for (size_t i = 1; i < t->ngroups; i++) {
        const char *name = regex_group_name(t->re, i);

        t->keys[i] = name && strlen(name) == 1 ? name[0] : '\0';
    }
}

static int make_pattern(struct arena *a, struct slice pattern, int year, struct date_template *t,
                        struct err *err)
{
    AUTO_BUF regex = BUF_LIMIT(PATTERN_MAX);
    enum begin begin = BEGIN_WORD;
    bool word_end = true;
    int rc;

    if (slice_starts(pattern, SLICE(UNBOUND))) {
        pattern = slice_skip(pattern, strlen(UNBOUND));
        begin = BEGIN_NOTHING;
        word_end = false;
    } else if (slice_starts(pattern, SLICE(LINE_BEGIN))) {
        pattern = slice_skip(pattern, strlen(LINE_BEGIN));
        begin = BEGIN_LINE;
    }
    if (has_words(pattern))
        buf_str(&regex, "(?i)");
    rc = fill_directives(pattern, year, &regex, err);
    if (rc < 0)
        return rc;
    return finish(a, buf_view(&regex), begin, word_end, t, err);
}

/* Ten digits or eleven, with a fraction; the long kind counts smaller parts of a second, too. */
#define SECONDS "[0-9]{10}[0-9]?\\b(?:\\.[0-9]{3,6})?"
#define LONG_SECONDS "[0-9]{10,11}(?:[0-9]{6}|[0-9]{3}(?:\\.[0-9]{1,6})?)?"
/* In front: where a bracket opens the line, one must close the number. */
#define CLOSED "(?:(?<!^\\[)|(?=[0-9.]+\\]))"
/* Elsewhere: at the very beginning, in a bracket there, or as the kernel's audit writes it. */
#define OPENED "(?:^|(?<=^\\[)|(?<=\\baudit\\()(?=[0-9.]+:[0-9]+\\)))"

static size_t find_epoch(struct slice s, size_t *ret_n)
{
    for (size_t i = 0; i < s.n; i++) {
        struct slice rest = slice_skip(s, i);

        *ret_n = slice_eq_nocase(slice_take(rest, 7), SLICE("{EPOCH}"))    ? 7
                 : slice_eq_nocase(slice_take(rest, 8), SLICE("{LEPOCH}")) ? 8
                                                                           : 0;
        if (*ret_n && !(i && s.p[i - 1] == '\\'))
            return i;
    }
    return SIZE_MAX;
}

static int make_epoch_in(struct arena *a, struct slice pattern, const char *number,
                         struct date_template *t, struct err *err)
{
    AUTO_BUF regex = BUF_LIMIT(PATTERN_MAX);
    size_t n, at;

    t->number_group = 2;
    buf_char(&regex, '(');
    while ((at = find_epoch(pattern, &n)) != SIZE_MAX) {
        buf_slice(&regex, slice_take(pattern, at));
        buf_printf(&regex, "(%s)", number);
        pattern = slice_skip(pattern, at + n);
    }
    buf_slice(&regex, pattern);
    buf_char(&regex, ')');
    return finish(a, buf_view(&regex), BEGIN_WORD, true, t, err);
}

static int make_epoch(struct arena *a, struct slice pattern, bool at_begin, bool is_long,
                      struct date_template *t, struct err *err)
{
    AUTO_BUF regex = BUF_LIMIT(PATTERN_MAX);
    const char *number = is_long ? LONG_SECONDS : SECONDS;
    size_t n;

    t->kind = is_long ? DATE_LONG_EPOCH : DATE_EPOCH;
    t->number_group = 1;
    if (find_epoch(pattern, &n) != SIZE_MAX)
        return make_epoch_in(a, pattern, number, t, err);
    buf_printf(&regex, "(%s%s)", at_begin ? CLOSED : OPENED, number);
    return finish(a, buf_view(&regex), at_begin ? BEGIN_LINE : BEGIN_NOTHING, true, t, err);
}

static bool is_word(struct slice key, const char *word)
{
    return slice_is(key, word) ||
           (slice_starts(key, SLICE(LINE_BEGIN)) &&
            slice_is(slice_skip(key, strlen(LINE_BEGIN)), word)) ||
           (slice_starts(key, SLICE("^")) && slice_is(slice_skip(key, 1), word));
}

struct slice date_key(struct arena *a, struct slice pattern)
{
    char *p = slice_find_byte(pattern, '%') == SIZE_MAX ? arena_str(a, pattern) : NULL;

    for (char *q = p; q && *q; q++)
        *q = (char)toupper((unsigned char)*q);
    return p ? slice_of(p, pattern.n) : pattern;
}

int date_template_make(struct arena *a, struct slice pattern, int year, struct date_template *t,
                       struct err *err)
{
    struct slice key = date_key(a, pattern);
    bool is_long = slice_find(key, SLICE("LEPOCH")) != SIZE_MAX;
    size_t n;
    int rc;

    *t = (struct date_template){ .name = key };
    if (find_epoch(pattern, &n) != SIZE_MAX || is_word(key, "EPOCH") || is_word(key, "LEPOCH")) {
        rc = make_epoch(a, pattern, key.p[0] != 'E' && key.p[0] != 'L', is_long, t, err);
    } else if (is_word(key, "TAI64N")) {
        t->kind = DATE_TAI64N;
        rc = finish(a, SLICE("@[0-9a-f]{24}"), key.p[0] == 'T' ? BEGIN_NOTHING : BEGIN_LINE, true,
                    t, err);
    } else {
        rc = make_pattern(a, pattern, year, t, err);
    }
    if (rc < 0)
        return err_while(err, "date pattern '%.*s'", SLICE_FMT(slice_take(pattern, 80)));
    read_keys(t);
    return 0;
}
