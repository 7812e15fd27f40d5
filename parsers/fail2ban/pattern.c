/*
 * Python's re into PCRE2, read once from left to right.
 *
 * What is the same in both goes through as it is. What is not:
 *
 *     $              before a final LF, too: \Z; Python's \Z is PCRE2's \z
 *     \v             one sign there, a class here: \x0b
 *     \u00e9 \U...   the bytes of the character
 *     \w \W          letters beyond ASCII are in \w there: every byte from 0x80 on
 *     {,3}           means {0,3}
 *     [[:x:]]        a class like any other there
 *     (?(name)...)   written (?(<name>)...)
 *     ((?i)...)      flags of a group: (?i:...); anywhere else they are for the whole expression
 *     (?a) (?u) (?L) nothing to do with bytes: left out
 */
#include "parsers/fail2ban/pattern.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>

#include "base/utf8.h"

struct python {
    struct slice all, rest;
    struct buf *out;
    bool multiline, loose;
    char flags[8]; /* of the whole */
    size_t nflags;
    struct err *err;
};

static int fault(struct python *p, const char *text)
{
    size_t at = (size_t)(p->rest.p - p->all.p) + 1;

    return err_set_at(p->err, -EINVAL, (struct src_pos){ NULL, 1, (unsigned)at },
                      "regular expression: %s at byte %zu", text, at);
}

static void pass(struct python *p, size_t n)
{
    buf_slice(p->out, slice_take(p->rest, n));
    p->rest = slice_skip(p->rest, n);
}

static char at(const struct python *p, size_t i)
{
    return i < p->rest.n ? p->rest.p[i] : '\0';
}

/* ---- escapes ---- */

static bool hex(const struct python *p, size_t from, size_t n, uint32_t *ret)
{
    uint32_t v = 0;

    for (size_t i = from; i < from + n; i++) {
        char c = at(p, i);

        if (!isxdigit((unsigned char)c))
            return false;
        v = v << 4 | (uint32_t)(c <= '9' ? c - '0' : (c | 32) - 'a' + 10);
    }
    *ret = v;
    return true;
}

static void put_byte(struct python *p, unsigned char c)
{
    buf_printf(p->out, "\\x%02x", c);
}

/* \xhh, \uhhhh, \Uhhhhhhhh */
static int character(struct python *p, size_t digits)
{
    char bytes[4];
    uint32_t cp;
    unsigned n;

    if (!hex(p, 2, digits, &cp))
        return fault(p, "not enough hexadecimal digits");
    n = cp > 0x10ffff ? 0 : utf8_encode(cp, bytes);
    if (n == 0)
        return fault(p, "no such character");
    for (unsigned i = 0; i < n; i++)
        put_byte(p, (unsigned char)bytes[i]);
    p->rest = slice_skip(p->rest, 2 + digits);
    return 0;
}

static const struct {
    char c;
    const char *outside, *in_class; /* NULL: it is no escape there */
} escapes[] = {
    { 'A', "\\A", NULL },
    { 'Z', "\\z", NULL },
    { 'b', "\\b", "\\x08" },
    { 'B', "\\B", NULL },
    { 'd', "\\d", "\\d" },
    { 'D', "\\D", "\\D" },
    { 's', "\\s", "\\s" },
    { 'S', "\\S", "\\S" },
    { 'w', "[\\w\\x80-\\xff]", "\\w\\x80-\\xff" },
    { 'W', "[^\\w\\x80-\\xff]", "\\W" },
    { 'a', "\\x07", "\\x07" },
    { 'f', "\\f", "\\f" },
    { 'n', "\\n", "\\n" },
    { 'r', "\\r", "\\r" },
    { 't', "\\t", "\\t" },
    { 'v', "\\x0b", "\\x0b" },
};

static int named_escape(struct python *p, bool in_class)
{
    for (size_t i = 0; i < ARRAY_SIZE(escapes); i++) {
        const char *text = in_class ? escapes[i].in_class : escapes[i].outside;

        if (escapes[i].c != at(p, 1) || !text)
            continue;
        buf_str(p->out, text);
        p->rest = slice_skip(p->rest, 2);
        return 0;
    }
    return fault(p, "an escape that Python does not know");
}

static int escape(struct python *p, bool in_class)
{
    char c = at(p, 1);

    if (p->rest.n < 2)
        return fault(p, "a backslash with nothing behind it");
    if (c == 'x' || c == 'u' || c == 'U')
        return character(p, c == 'x' ? 2 : c == 'u' ? 4 : 8);
    if (isalpha((unsigned char)c))
        return named_escape(p, in_class);
    pass(p, 2); /* signs; digits go on as they do in PCRE2 */
    return 0;
}

/* ---- classes ---- */

static int class(struct python *p)
{
    pass(p, 1);
    if (at(p, 0) == '^')
        pass(p, 1);
    if (at(p, 0) == ']') { /* the first one is a sign */
        buf_str(p->out, "\\]");
        p->rest = slice_skip(p->rest, 1);
    }
    while (p->rest.n && at(p, 0) != ']') {
        int rc = 0;

        if (at(p, 0) == '\\') {
            rc = escape(p, true);
        } else if (at(p, 0) == '[') {
            buf_str(p->out, "\\[");
            p->rest = slice_skip(p->rest, 1);
        } else {
            pass(p, 1);
        }
        if (rc < 0)
            return rc;
    }
    if (p->rest.n == 0)
        return fault(p, "a class that is not closed");
    pass(p, 1);
    return 0;
}

/* ---- groups ---- */

/* (?letters) at i: how long it is; 0: it is none. */
static size_t flags_at(const struct python *p, size_t i)
{
    size_t n = i + 2;

    if (at(p, i) != '(' || at(p, i + 1) != '?')
        return 0;
    while (islower((unsigned char)at(p, n)) || at(p, n) == 'L')
        n++;
    return n > i + 2 && at(p, n) == ')' ? n + 1 - i : 0;
}

static bool for_bytes(char flag)
{
    return flag == 'a' || flag == 'u' || flag == 'L';
}

static int flags_of_all(struct python *p, size_t n)
{
    for (size_t i = 2; i < n - 1; i++) {
        char c = at(p, i);

        if (for_bytes(c))
            continue;
        if (!strchr("imsx", c))
            return fault(p, "a flag that Python does not know");
        if (!memchr(p->flags, c, p->nflags))
            p->flags[p->nflags++] = c;
        p->multiline = p->multiline || c == 'm';
    }
    p->rest = slice_skip(p->rest, n);
    return 0;
}

/* (?letters-letters: */
static bool flags_of_group(struct python *p, size_t i)
{
    size_t n = i + 2;

    while (isalpha((unsigned char)at(p, n)) || at(p, n) == '-')
        n++;
    if (n == i + 2 || at(p, n) != ':' || at(p, i + 2) == 'P')
        return false;
    buf_str(p->out, "(?");
    for (size_t k = i + 2; k <= n; k++)
        if (!for_bytes(at(p, k)))
            buf_char(p->out, at(p, k));
    p->rest = slice_skip(p->rest, n + 1);
    return true;
}

/* ((?i) and (?:(?i): the flags are for this group, which is no capture. */
static bool flagged_group(struct python *p)
{
    size_t inner = at(p, 1) == '?' && at(p, 2) == ':' ? 3 : 1;
    size_t n = flags_at(p, inner);

    if (n == 0)
        return false;
    buf_str(p->out, "(?");
    for (size_t i = inner + 2; i < inner + n - 1; i++)
        if (!for_bytes(at(p, i)))
            buf_char(p->out, at(p, i));
    buf_char(p->out, ':');
    p->rest = slice_skip(p->rest, inner + n);
    return true;
}

static int condition(struct python *p)
{
    size_t end = slice_find_byte(p->rest, ')');
    struct slice name;

    if (end == SIZE_MAX || end < 4)
        return fault(p, "a condition without its group");
    name = slice_of(p->rest.p + 3, end - 3);
    if (p->loose)
        buf_str(p->out, "(?:|"); /* neither, or any of the two */
    else if (isdigit((unsigned char)name.p[0]))
        buf_printf(p->out, PATTERN_CONDITION "%.*s)", SLICE_FMT(name));
    else
        buf_printf(p->out, PATTERN_CONDITION "<%.*s>)", SLICE_FMT(name));
    p->rest = slice_skip(p->rest, end + 1);
    return 0;
}

static int group(struct python *p)
{
    size_t n = flags_at(p, 0);

    if (n)
        return flags_of_all(p, n);
    if (flagged_group(p))
        return 0;
    if (at(p, 1) != '?') {
        if (at(p, 1) == '*') /* PCRE2's verbs */
            return fault(p, "nothing to repeat");
        pass(p, 1);
        return 0;
    }
    if (at(p, 2) == '(')
        return condition(p);
    if (flags_of_group(p, 0))
        return 0;
    if (!strchr(":=!<>P#", at(p, 2)) || at(p, 2) == '\0')
        return fault(p, "a group that Python does not know");
    if (at(p, 2) == '#') { /* a comment may hold anything */
        size_t end = slice_find_byte(p->rest, ')');

        p->rest = slice_skip(p->rest, end == SIZE_MAX ? p->rest.n : end + 1);
        return 0;
    }
    pass(p, 3);
    return 0;
}

/* ---- the whole ---- */

static int piece(struct python *p)
{
    switch (at(p, 0)) {
    case '\\':
        return escape(p, false);
    case '[':
        return class(p);
    case '(':
        return group(p);
    case '$':
        buf_str(p->out, p->multiline ? "$" : "\\Z");
        p->rest = slice_skip(p->rest, 1);
        return 0;
    case '{':
        pass(p, 1);
        if (at(p, 0) == ',' && isdigit((unsigned char)at(p, 1)))
            buf_char(p->out, '0');
        return 0;
    default:
        pass(p, 1);
        return 0;
    }
}

int pattern_python(struct slice text, unsigned flags, struct buf *out, struct err *err)
{
    AUTO_BUF body = BUF_LIMIT(PATTERN_MAX);
    struct python p = { .all = text,
                        .rest = text,
                        .out = &body,
                        .multiline = flags & PATTERN_MULTILINE,
                        .loose = flags & PATTERN_LOOSE,
                        .err = err };

    while (p.rest.n && buf_ok(&body)) {
        int rc = piece(&p);

        if (rc < 0)
            return rc;
    }
    if (p.nflags)
        buf_printf(out, "(?%.*s)", (int)p.nflags, p.flags);
    buf_slice(out, buf_view(&body));
    if (!buf_ok(&body) || !buf_ok(out))
        return err_set(err, -E2BIG, "regular expression: longer than %d bytes", PATTERN_MAX);
    return 0;
}
