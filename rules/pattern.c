/* Text patterns: Sigma's wildcards, compared without ASCII case unless `cased`. */
#include <errno.h>

#include "base/utf8.h"
#include "rules/tree.h"

static unsigned char lower(unsigned char c)
{
    return c >= 'A' && c <= 'Z' ? c + 32 : c;
}

static int add(struct arena *a, struct pattern *p, size_t *cap, uint16_t token)
{
    if (p->n == *cap) {
        size_t more = *cap ? *cap * 2 : 32;
        uint16_t *t = arena_array(a, more, sizeof *t);

        if (!t)
            return -ENOMEM;
        if (p->n)
            memcpy(t, p->tokens, p->n * sizeof *t);
        p->tokens = t;
        *cap = more;
    }
    p->tokens[p->n++] = token;
    return 0;
}

/*
 * sigma: \* and \? are plain, \\ is one backslash, a backslash before anything
 * else or at the end is itself.
 */
int pattern_parse(struct arena *a, struct slice text, struct pattern *ret)
{
    struct pattern p = { 0 };
    size_t cap = 0;
    int r = 0;

    for (size_t i = 0; i < text.n && r == 0; i++) {
        unsigned char c = (unsigned char)text.p[i];
        bool pair = c == '\\' && i + 1 < text.n && strchr("*?\\", text.p[i + 1]);

        if (pair && text.p[i + 1])
            r = add(a, &p, &cap, (unsigned char)text.p[++i]);
        else
            r = add(a, &p, &cap, c == '*' ? TOKEN_ANY : c == '?' ? TOKEN_ONE : c);
    }
    *ret = p;
    return r;
}

int pattern_append(struct arena *a, struct pattern *p, uint16_t token, bool in_front)
{
    uint16_t *t = arena_array(a, p->n + 1, sizeof *t);

    if (!t)
        return -ENOMEM;
    if (p->n)
        memcpy(t + (in_front ? 1 : 0), p->tokens, p->n * sizeof *t);
    t[in_front ? 0 : p->n] = token;
    p->tokens = t;
    p->n++;
    return 0;
}

static bool plain_range(const struct pattern *p, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++)
        if (p->tokens[i] >= TOKEN_ANY)
            return false;
    return true;
}

static enum pattern_shape shape_of(const struct pattern *p, size_t *from, size_t *to)
{
    bool front = p->n && p->tokens[0] == TOKEN_ANY;
    bool back = p->n && p->tokens[p->n - 1] == TOKEN_ANY;

    *from = front ? 1 : 0;
    *to = back && p->n > *from ? p->n - 1 : p->n;
    if (p->n == 1 && front)
        return SHAPE_ANY;
    if (!plain_range(p, *from, *to))
        return SHAPE_GLOB;
    return front && back ? SHAPE_CONTAINS
           : front       ? SHAPE_SUFFIX
           : back        ? SHAPE_PREFIX
                         : SHAPE_EXACT;
}

int pattern_finish(struct arena *a, struct pattern *p)
{
    size_t from, to;
    char *text;

    for (size_t i = 0; i < p->n && !p->cased; i++)
        if (p->tokens[i] < TOKEN_ANY)
            p->tokens[i] = lower((unsigned char)p->tokens[i]);
    p->shape = shape_of(p, &from, &to);
    if (p->shape == SHAPE_GLOB || p->shape == SHAPE_ANY)
        return 0;
    text = arena_text(a, to - from + 1);
    if (!text)
        return -ENOMEM;
    for (size_t i = from; i < to; i++)
        text[i - from] = (char)p->tokens[i];
    p->literal = slice_of(text, to - from);
    return 0;
}

static bool same(const char *value, struct slice literal, bool cased)
{
    if (cased)
        return memcmp(value, literal.p, literal.n) == 0;
    for (size_t i = 0; i < literal.n; i++)
        if (lower((unsigned char)value[i]) != (unsigned char)literal.p[i])
            return false;
    return true;
}

static bool contains(struct slice value, struct slice literal, bool cased)
{
    if (literal.n == 0)
        return true;
    if (cased)
        return slice_find(value, literal) != SIZE_MAX;
    for (size_t i = 0; i + literal.n <= value.n; i++)
        if (lower((unsigned char)value.p[i]) == (unsigned char)literal.p[0] &&
            same(value.p + i, literal, false))
            return true;
    return false;
}

/* Bytes of the dash at the start of s, or 0. */
static size_t dash_length(struct slice s)
{
    if (s.n && (s.p[0] == '-' || s.p[0] == '/'))
        return 1;
    if (s.n >= 3 && memcmp(s.p, "\xe2\x80", 2) == 0 && s.p[2] >= '\x93' && s.p[2] <= '\x95')
        return 3;
    return 0;
}

/* How many bytes the token takes at the start of s; 0 = it does not fit. */
static size_t token_takes(uint16_t token, struct slice s, bool cased)
{
    uint32_t cp;
    unsigned n;

    if (s.n == 0)
        return 0;
    if (token == TOKEN_ONE) {
        n = utf8_decode(s, &cp);
        return n ? n : 1;
    }
    if (token == TOKEN_DASH)
        return dash_length(s);
    return (cased ? (unsigned char)s.p[0] : lower((unsigned char)s.p[0])) == token ? 1 : 0;
}

/* Backtracks to the last * only: linear in practice, quadratic at worst. */
static bool glob(const struct pattern *p, struct slice value)
{
    size_t i = 0, at = 0, star = SIZE_MAX, star_at = 0;

    while (at < value.n || i < p->n) {
        size_t n;

        if (i < p->n && p->tokens[i] == TOKEN_ANY) {
            star = i++;
            star_at = at;
            continue;
        }
        n = i < p->n ? token_takes(p->tokens[i], slice_skip(value, at), p->cased) : 0;
        if (n) {
            i++;
            at += n;
            continue;
        }
        if (star == SIZE_MAX || star_at >= value.n)
            return false;
        i = star + 1;
        at = ++star_at;
    }
    return true;
}

bool pattern_match(const struct pattern *p, struct slice value)
{
    size_t n = p->literal.n;

    switch (p->shape) {
    case SHAPE_EXACT:
        return value.n == n && same(value.p, p->literal, p->cased);
    case SHAPE_PREFIX:
        return value.n >= n && same(value.p, p->literal, p->cased);
    case SHAPE_SUFFIX:
        return value.n >= n && same(value.p + value.n - n, p->literal, p->cased);
    case SHAPE_CONTAINS:
        return value.n >= n && contains(value, p->literal, p->cased);
    case SHAPE_ANY:
        return true;
    case SHAPE_GLOB:
        break;
    }
    return glob(p, value);
}

struct slice pattern_longest(struct arena *a, const struct pattern *p)
{
    size_t best = 0, best_n = 0, run = 0;
    char *text;

    for (size_t i = 0; i <= p->n; i++) {
        if (i < p->n && p->tokens[i] < TOKEN_ANY) {
            run++;
            continue;
        }
        if (run > best_n) {
            best_n = run;
            best = i - run;
        }
        run = 0;
    }
    text = arena_text(a, best_n + 1);
    if (!text)
        return SLICE_NONE;
    for (size_t i = 0; i < best_n; i++)
        text[i] = (char)p->tokens[best + i];
    return slice_of(text, best_n);
}
