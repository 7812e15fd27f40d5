/*
 * A second reading of Sigma's detections, to be compared with rules/: slow and
 * plain, straight from the YAML document, nothing kept. It shares no code with
 * the engine but the reading of YAML and the event. Rules must be valid.
 */
#pragma once

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/yaml.h"
#include "schemas/event.h"

#define NAIVE_MAX 4096

struct naive {
    const struct yaml *detection;
    const struct event *ev;
    bool filter;
    const char *expand_name; /* one placeholder, for all */
    const char *const *expand_values; /* NULL-terminated */
};

/* ---- text as code points ---- */

struct points {
    unsigned p[NAIVE_MAX];
    size_t n;
};

#define STAR 0x200000u
#define ONE 0x200001u

static unsigned naive_fold(unsigned c)
{
    static const unsigned pairs[][2] = { { 0xc4, 0xe4 },      { 0xc9, 0xe9 },   { 0x3a3, 0x3c3 },
                                         { 0x3c2, 0x3c3 },    { 0x1e9e, 0xdf }, { 0x2c62, 0x26b },
                                         { 0x10400, 0x10428 } };

    if (c >= 'A' && c <= 'Z')
        return c - 'A' + 'a';
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if (pairs[i][0] == c)
            return pairs[i][1];
    return c;
}

static void naive_points(struct slice s, struct points *out)
{
    out->n = 0;
    for (size_t i = 0; i < s.n && out->n < NAIVE_MAX;) {
        unsigned char c = (unsigned char)s.p[i];
        unsigned more = c < 0x80 ? 0 : c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
        unsigned v = c < 0x80 ? c : c & (0x3fu >> more);

        for (unsigned k = 1; k <= more; k++)
            v = v << 6 | ((unsigned char)s.p[i + k] & 0x3f);
        out->p[out->n++] = v;
        i += more + 1;
    }
}

/* Escapes and wildcards. */
static void naive_pattern(struct slice s, struct points *out)
{
    struct points raw;

    naive_points(s, &raw);
    out->n = 0;
    for (size_t i = 0; i < raw.n; i++) {
        unsigned c = raw.p[i], next = i + 1 < raw.n ? raw.p[i + 1] : 0;

        if (c == '\\' && (next == '*' || next == '?' || next == '\\')) {
            out->p[out->n++] = next;
            i++;
        } else {
            out->p[out->n++] = c == '*' ? STAR : c == '?' ? ONE : c;
        }
    }
}

/* All ways, by a table: can the pattern from i on take the text from j on? */
static bool naive_glob(const struct points *p, const struct points *t, bool cased)
{
    bool *row = calloc(t->n + 2, sizeof *row), *next = calloc(t->n + 2, sizeof *next), held;

    next[t->n] = true;
    for (size_t i = p->n; i-- > 0;) {
        for (size_t j = t->n + 1; j-- > 0;) {
            bool fits = j < t->n &&
                        (p->p[i] == ONE ||
                         (cased ? p->p[i] == t->p[j] : naive_fold(p->p[i]) == naive_fold(t->p[j])));

            row[j] = p->p[i] == STAR ? next[j] || (j < t->n && row[j + 1]) : fits && next[j + 1];
        }
        memcpy(next, row, (t->n + 2) * sizeof *row);
    }
    held = next[0];
    free(row);
    free(next);
    return held;
}

/* ---- modifiers of an item ---- */

static bool naive_has(struct slice key, const char *modifier)
{
    char text[300], want[40];

    snprintf(text, sizeof text, "%.*s|", (int)key.n, key.p);
    snprintf(want, sizeof want, "|%s|", modifier);
    return strstr(text, want) != NULL;
}

static bool naive_sides(struct slice key, struct points *p, bool keyword, const struct points *t)
{
    struct points q = { .n = 0 };
    bool front = keyword || naive_has(key, "contains") || naive_has(key, "endswith");
    bool back = keyword || naive_has(key, "contains") || naive_has(key, "startswith");

    if (front)
        q.p[q.n++] = STAR;
    for (size_t i = 0; i < p->n; i++)
        q.p[q.n++] = p->p[i];
    if (back)
        q.p[q.n++] = STAR;
    return naive_glob(&q, t, naive_has(key, "cased"));
}

/* ---- windash: every spelling ---- */

static bool naive_word(unsigned c)
{
    return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool naive_windash(struct slice key, struct points *p, size_t from, unsigned before,
                          bool keyword, const struct points *t)
{
    static const unsigned dashes[] = { '-', '/', 0x2013, 0x2014, 0x2015 };

    for (size_t i = from; i < p->n; i++) {
        unsigned c = p->p[i];

        if ((c == '-' || c == '/') && !naive_word(before) && i + 1 < p->n &&
            naive_word(p->p[i + 1])) {
            bool any = false;

            for (size_t k = 0; k < 5; k++) {
                struct points q = *p;

                q.p[i] = dashes[k];
                any = any || naive_windash(key, &q, i + 1, c, keyword, t);
            }
            return any;
        }
        before = c;
    }
    return naive_sides(key, p, keyword, t);
}

/* ---- base64 ---- */

static void naive_base64(const unsigned char *in, size_t n, char *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t o = 0;

    /* One bit at a time. */
    for (size_t bit = 0; bit < n * 8; bit += 6) {
        unsigned v = 0;

        for (size_t k = bit; k < bit + 6; k++)
            v = v << 1 | (k < n * 8 ? (in[k / 8] >> (7 - k % 8)) & 1u : 0);
        out[o++] = digits[v];
    }
    while (o % 4)
        out[o++] = '=';
    out[o] = '\0';
}

static size_t naive_bytes(struct slice key, const struct points *p, unsigned char *out)
{
    bool le = naive_has(key, "wide") || naive_has(key, "utf16le") || naive_has(key, "utf16");
    bool be = naive_has(key, "utf16be");
    size_t n = 0;

    if (naive_has(key, "utf16")) {
        out[n++] = 0xff;
        out[n++] = 0xfe;
    }
    for (size_t i = 0; i < p->n; i++) {
        unsigned c = p->p[i], units[2] = { c, 0 }, nunits = 1;

        if (le || be) {
            if (c > 0xffff) {
                units[0] = 0xd800 | (c - 0x10000) >> 10;
                units[1] = 0xdc00 | ((c - 0x10000) & 0x3ff);
                nunits = 2;
            }
            for (unsigned k = 0; k < nunits; k++) {
                out[n++] = (unsigned char)(be ? units[k] >> 8 : units[k] & 255);
                out[n++] = (unsigned char)(be ? units[k] & 255 : units[k] >> 8);
            }
        } else if (c < 0x80) {
            out[n++] = (unsigned char)c;
        } else if (c < 0x800) {
            out[n++] = (unsigned char)(0xc0 | c >> 6);
            out[n++] = (unsigned char)(0x80 | (c & 63));
        } else if (c < 0x10000) {
            out[n++] = (unsigned char)(0xe0 | c >> 12);
            out[n++] = (unsigned char)(0x80 | (c >> 6 & 63));
            out[n++] = (unsigned char)(0x80 | (c & 63));
        } else {
            out[n++] = (unsigned char)(0xf0 | c >> 18);
            out[n++] = (unsigned char)(0x80 | (c >> 12 & 63));
            out[n++] = (unsigned char)(0x80 | (c >> 6 & 63));
            out[n++] = (unsigned char)(0x80 | (c & 63));
        }
    }
    return n;
}

static bool naive_text(struct slice key, const char *text, bool keyword, const struct points *t)
{
    struct points p = { .n = 0 };

    for (; *text; text++)
        p.p[p.n++] = (unsigned char)*text;
    return naive_sides(key, &p, keyword, t);
}

/* The digits that do not depend on the neighbours are those equal beside 00 and beside FF. */
static bool naive_offset(struct slice key, const unsigned char *bytes, size_t n, size_t offset,
                         bool keyword, const struct points *t)
{
    unsigned char low[NAIVE_MAX], high[NAIVE_MAX];
    char a[2 * NAIVE_MAX], b[2 * NAIVE_MAX], same[2 * NAIVE_MAX];
    size_t total = offset + n + (3 - (offset + n) % 3) % 3, k = 0;

    memset(low, 0, total);
    memset(high, 0xff, total);
    memcpy(low + offset, bytes, n);
    memcpy(high + offset, bytes, n);
    naive_base64(low, total, a);
    naive_base64(high, total, b);
    for (size_t i = 0; a[i]; i++)
        if (a[i] == b[i])
            same[k++] = a[i];
    same[k] = '\0';
    return naive_text(key, same, keyword, t);
}

static bool naive_encoded(struct slice key, struct slice value, bool keyword,
                          const struct points *t)
{
    unsigned char bytes[NAIVE_MAX];
    char text[2 * NAIVE_MAX];
    struct points p;
    size_t n;

    naive_pattern(value, &p);
    n = naive_bytes(key, &p, bytes);
    if (naive_has(key, "base64offset"))
        return naive_offset(key, bytes, n, 0, keyword, t) ||
               naive_offset(key, bytes, n, 1, keyword, t) ||
               naive_offset(key, bytes, n, 2, keyword, t);
    naive_base64(bytes, n, text);
    return naive_text(key, text, keyword, t);
}

/* ---- a small language of expressions: literals, ., [abc], ? * +, ^ $, | ---- */

static bool naive_re_here(const struct points *r, size_t i, const struct points *t, size_t j,
                          unsigned flags);

static size_t naive_re_atom(const struct points *r, size_t i)
{
    size_t n = 1;

    if (r->p[i] == '[')
        while (r->p[i + n - 1] != ']')
            n++;
    return r->p[i] == '\\' ? 2 : n;
}

#define RE_I 1u
#define RE_S 2u
#define RE_M 4u

static bool naive_re_fits(const struct points *r, size_t i, unsigned c, unsigned flags)
{
    if (r->p[i] == '.')
        return c != '\n' || flags & RE_S;
    if (r->p[i] == '[') {
        for (i++; r->p[i] != ']'; i++)
            if (r->p[i] == c || (flags & RE_I && naive_fold(r->p[i]) == naive_fold(c)))
                return true;
        return false;
    }
    if (r->p[i] == '\\')
        i++;
    return r->p[i] == c || (flags & RE_I && naive_fold(r->p[i]) == naive_fold(c));
}

static bool naive_re_repeat(const struct points *r, size_t i, size_t n, size_t min, size_t max,
                            const struct points *t, size_t j, unsigned flags)
{
    for (size_t k = 0; k <= max; k++) {
        if (k >= min && naive_re_here(r, i + n + 1, t, j + k, flags))
            return true;
        if (j + k >= t->n || !naive_re_fits(r, i, t->p[j + k], flags))
            return false;
    }
    return false;
}

static bool naive_re_here(const struct points *r, size_t i, const struct points *t, size_t j,
                          unsigned flags)
{
    size_t n;
    unsigned q;

    if (i >= r->n || r->p[i] == '|')
        return true;
    if (r->p[i] == '$')
        return (j == t->n || (flags & RE_M && t->p[j] == '\n')) &&
               naive_re_here(r, i + 1, t, j, flags);
    if (r->p[i] == '^') /* PCRE: no line begins behind a line feed that ends the text */
        return (j == 0 || (flags & RE_M && j < t->n && t->p[j - 1] == '\n')) &&
               naive_re_here(r, i + 1, t, j, flags);
    n = naive_re_atom(r, i);
    q = i + n < r->n ? r->p[i + n] : 0;
    if (q == '?' || q == '*' || q == '+')
        return naive_re_repeat(r, i, n, q == '+', q == '?' ? 1 : NAIVE_MAX, t, j, flags);
    return j < t->n && naive_re_fits(r, i, t->p[j], flags) &&
           naive_re_here(r, i + n, t, j + 1, flags);
}

static bool naive_re(struct slice key, struct slice value, const struct points *t)
{
    unsigned flags = (naive_has(key, "i") ? RE_I : 0) | (naive_has(key, "s") ? RE_S : 0) |
                     (naive_has(key, "m") ? RE_M : 0);
    struct points r;

    naive_points(value, &r);
    for (size_t i = 0; i <= r.n; i++) {
        if (i && !(r.p[i - 1] == '|'))
            continue;
        for (size_t j = 0; j <= t->n; j++)
            if (naive_re_here(&r, i, t, j, flags))
                return true;
    }
    return false;
}

/* ---- networks, numbers, dates ---- */

static int naive_address(const char *text, unsigned char out[16])
{
    if (inet_pton(AF_INET, text, out) == 1)
        return 32;
    return inet_pton(AF_INET6, text, out) == 1 ? 128 : 0;
}

static bool naive_cidr(struct slice value, struct slice data)
{
    unsigned char net[16], ip[16];
    char text[100], address[100];
    char *slash;
    int bits, family;

    if (data.n > 60 || memchr(data.p, 0, data.n))
        return false;
    snprintf(text, sizeof text, "%.*s", (int)value.n, value.p);
    snprintf(address, sizeof address, "%.*s", (int)data.n, data.p);
    slash = strchr(text, '/');
    *slash = '\0';
    bits = (int)strtol(slash + 1, NULL, 10);
    family = naive_address(text, net);
    if (!family || naive_address(address, ip) != family)
        return false;
    for (int i = 0; i < bits; i++)
        if (((net[i / 8] ^ ip[i / 8]) >> (7 - i % 8)) & 1)
            return false;
    return true;
}

/* 80-bit numbers hold every integer of 64 bits exactly. */
static bool naive_number(struct slice s, long double *ret)
{
    char text[80], *end;
    size_t digits = 0;

    if (s.n == 0 || s.n >= 60)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (!s.p[i] || !strchr("0123456789.eE+-", s.p[i]))
            return false;
        digits += s.p[i] >= '0' && s.p[i] <= '9';
    }
    snprintf(text, sizeof text, "%.*s", (int)s.n, s.p);
    if (!digits || text[0] == '+')
        return false;
    *ret = strtold(text, &end);
    return *end == '\0' && *ret < 1e300L && *ret > -1e300L;
}

static bool naive_compare(struct slice key, long double a, long double b)
{
    if (naive_has(key, "lt"))
        return a < b;
    if (naive_has(key, "lte"))
        return a <= b;
    if (naive_has(key, "gt"))
        return a > b;
    if (naive_has(key, "gte"))
        return a >= b;
    return a == b;
}

static bool naive_date(struct slice key, struct slice value, struct slice data)
{
    static const char *const parts[] = { "minute", "hour", "day", "week", "month", "year" };
    struct tm t = { 0 }, normal;
    char text[64], out[8];
    long double want;
    int n = 0, part = 0, is[6];
    time_t sec;

    if (data.n != 10 && data.n != 20)
        return false;
    snprintf(text, sizeof text, "%.*s", (int)data.n, data.p);
    if (sscanf(text, "%4d-%2d-%2d%n", &t.tm_year, &t.tm_mon, &t.tm_mday, &n) != 3 || n != 10)
        return false;
    if (data.n == 20 &&
        (sscanf(text + 10, "T%2d:%2d:%2d%n", &t.tm_hour, &t.tm_min, &t.tm_sec, &n) != 3 || n != 9 ||
         text[19] != 'Z'))
        return false;
    while (!naive_has(key, parts[part]))
        part++;
    if (data.n == 10 && part < 2)
        return false;
    t.tm_year -= 1900;
    t.tm_mon -= 1;
    normal = t;
    sec = timegm(&normal);
    if (normal.tm_mday != t.tm_mday || normal.tm_mon != t.tm_mon || sec < 0)
        return false;
    strftime(out, sizeof out, "%V", &normal);
    is[0] = t.tm_min;
    is[1] = t.tm_hour;
    is[2] = t.tm_mday;
    is[3] = (int)strtol(out, NULL, 10);
    is[4] = t.tm_mon + 1;
    is[5] = t.tm_year + 1900;
    return naive_number(value, &want) && naive_compare(key, is[part], want);
}

/* ---- items ---- */

static bool naive_is_null(const struct yaml *v)
{
    return v->plain && (v->text.n == 0 || slice_is(v->text, "null") || slice_is(v->text, "~"));
}

static struct slice naive_field(struct slice key)
{
    size_t bar = slice_find_byte(key, '|');

    return bar == SIZE_MAX ? key : slice_take(key, bar);
}

static bool naive_fieldref(const struct naive *x, struct slice key, struct slice name,
                           const struct points *t)
{
    for (size_t i = 0; i < x->ev->nfields; i++) {
        const struct field *f = &x->ev->fields[i];
        struct points p;

        if (!slice_eq(f->name, name) || f->type == VALUE_NULL)
            continue;
        naive_points(f->value, &p);
        if (naive_sides(key, &p, false, t))
            return true;
    }
    return false;
}

/* One value of the rule against one of the event. */
static bool naive_one(const struct naive *x, struct slice key, struct slice value, bool keyword,
                      struct slice data)
{
    struct points t, p;
    long double a, b;

    naive_points(data, &t);
    if (naive_has(key, "re"))
        return naive_re(key, value, &t);
    if (naive_has(key, "cidr"))
        return naive_cidr(value, data);
    if (naive_has(key, "fieldref"))
        return naive_fieldref(x, key, value, &t);
    if (naive_has(key, "hour") || naive_has(key, "minute") || naive_has(key, "day") ||
        naive_has(key, "week") || naive_has(key, "month") || naive_has(key, "year"))
        return naive_date(key, value, data);
    if (naive_has(key, "lt") || naive_has(key, "lte") || naive_has(key, "gt") ||
        naive_has(key, "gte"))
        return naive_number(data, &a) && naive_number(value, &b) && naive_compare(key, a, b);
    if (naive_has(key, "base64") || naive_has(key, "base64offset"))
        return naive_encoded(key, value, keyword, &t);
    naive_pattern(value, &p);
    if (naive_has(key, "windash"))
        return naive_windash(key, &p, 0, ' ', keyword, &t);
    return naive_sides(key, &p, keyword, &t);
}

static bool naive_anywhere(const struct naive *x, struct slice key, struct slice value)
{
    bool keyword = naive_field(key).n == 0;

    for (size_t i = 0; i < x->ev->nfields; i++) {
        const struct field *f = &x->ev->fields[i];

        if (f->type != VALUE_NULL && (keyword || slice_eq(f->name, naive_field(key))) &&
            naive_one(x, key, value, keyword, f->value))
            return true;
    }
    return keyword && naive_one(x, key, value, keyword, x->ev->raw);
}

/* With the one placeholder replaced by each of its values (it stands at most once). */
static bool naive_expanded(const struct naive *x, struct slice key, struct slice value)
{
    char mark[40], text[1000];
    size_t at;

    snprintf(mark, sizeof mark, "%%%s%%", x->expand_name);
    at = naive_has(key, "expand") ? slice_find(value, slice_str(mark)) : SIZE_MAX;
    if (at == SIZE_MAX)
        return naive_anywhere(x, key, value);
    for (size_t i = 0; x->expand_values[i]; i++) {
        snprintf(text, sizeof text, "%.*s%s%.*s", (int)at, value.p, x->expand_values[i],
                 (int)(value.n - at - strlen(mark)), value.p + at + strlen(mark));
        if (naive_anywhere(x, key, slice_str(text)))
            return true;
    }
    return false;
}

static bool naive_below(struct slice name, struct slice field)
{
    return slice_eq(name, field) ||
           (name.n > field.n && name.p[field.n] == '.' && memcmp(name.p, field.p, field.n) == 0);
}

static bool naive_value(const struct naive *x, struct slice key, const struct yaml *v)
{
    bool there = false, null = false;

    for (size_t i = 0; i < x->ev->nfields; i++) {
        there = there || naive_below(x->ev->fields[i].name, naive_field(key));
        null = null || (slice_eq(x->ev->fields[i].name, naive_field(key)) &&
                        x->ev->fields[i].type == VALUE_NULL);
    }
    if (naive_has(key, "exists"))
        return there == slice_is(v->text, "true");
    if (naive_is_null(v))
        return null || !there;
    return naive_expanded(x, key, v->text);
}

static bool naive_item(const struct naive *x, const struct yaml *y)
{
    bool all = naive_has(y->key, "all"), held = all;

    if (y->kind == YAML_SEQ) {
        YAML_EACH (v, y)
            held = all ? held && naive_value(x, y->key, v) : held || naive_value(x, y->key, v);
    } else {
        held = naive_value(x, y->key, y);
    }
    return naive_has(y->key, "neq") ? !held : held;
}

static bool naive_selection(const struct naive *x, const struct yaml *y)
{
    bool held;

    if (y->kind == YAML_SCALAR)
        return naive_anywhere(x, SLICE(""), y->text);
    held = y->kind == YAML_MAP;
    YAML_EACH (m, y) {
        if (y->kind == YAML_MAP)
            held = held && naive_item(x, m);
        else
            held = held || naive_selection(x, m);
    }
    return held;
}

/* ---- the condition, by its grammar ---- */

struct naive_words {
    char word[200][40];
    size_t n, at;
};

static void naive_split(struct slice s, struct naive_words *w)
{
    for (size_t i = 0; i < s.n;) {
        size_t k = 0;

        if (s.p[i] == ' ') {
            i++;
            continue;
        }
        do
            w->word[w->n][k++] = s.p[i++];
        while (w->word[w->n][0] != '(' && w->word[w->n][0] != ')' && i < s.n && s.p[i] != ' ' &&
               s.p[i] != '(' && s.p[i] != ')');
        w->word[w->n++][k] = '\0';
    }
}

static bool naive_star(const char *pattern, const char *name)
{
    if (*pattern == '*')
        return naive_star(pattern + 1, name) || (*name && naive_star(pattern, name + 1));
    return *pattern == *name && (!*name || naive_star(pattern + 1, name + 1));
}

static bool naive_of(const struct naive *x, bool all, const char *pattern)
{
    bool held = all, them = strcmp(pattern, "them") == 0;

    YAML_EACH (y, x->detection) {
        char name[100];

        snprintf(name, sizeof name, "%.*s", (int)y->key.n, y->key.p);
        if (strcmp(name, "condition") == 0 || (x->filter && strcmp(name, "rules") == 0))
            continue;
        if (name[0] == '_' && pattern[0] != '_')
            continue;
        if (them || naive_star(pattern, name))
            held = all ? held && naive_selection(x, y) : held || naive_selection(x, y);
    }
    return held;
}

static bool naive_or(const struct naive *x, struct naive_words *w);

static bool naive_primary(const struct naive *x, struct naive_words *w)
{
    const char *word = w->word[w->at++];
    bool held;

    if (strcasecmp(word, "not") == 0)
        return !naive_primary(x, w);
    if (strcmp(word, "(") == 0) {
        held = naive_or(x, w);
        w->at++;
        return held;
    }
    if (w->at < w->n && strcasecmp(w->word[w->at], "of") == 0) {
        w->at += 2;
        return naive_of(x, strcasecmp(word, "all") == 0, w->word[w->at - 1]);
    }
    return naive_selection(x, yaml_get(x->detection, word));
}

static bool naive_and(const struct naive *x, struct naive_words *w)
{
    bool held = naive_primary(x, w);

    while (w->at < w->n && strcasecmp(w->word[w->at], "and") == 0) {
        w->at++;
        held = naive_primary(x, w) && held;
    }
    return held;
}

static bool naive_or(const struct naive *x, struct naive_words *w)
{
    bool held = naive_and(x, w);

    while (w->at < w->n && strcasecmp(w->word[w->at], "or") == 0) {
        w->at++;
        held = naive_and(x, w) || held;
    }
    return held;
}

static bool naive_condition(const struct naive *x)
{
    const struct yaml *c = yaml_get(x->detection, "condition");
    bool held = false;

    if (c->kind == YAML_SCALAR) {
        struct naive_words *w = calloc(1, sizeof *w);

        naive_split(c->text, w);
        held = naive_or(x, w);
        free(w);
        return held;
    }
    YAML_EACH (one, c) {
        struct naive_words *w = calloc(1, sizeof *w);

        naive_split(one->text, w);
        held = naive_or(x, w) || held;
        free(w);
    }
    return held;
}
