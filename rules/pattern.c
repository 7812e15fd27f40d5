/* Text patterns: Sigma's wildcards, compared without regard to case unless `cased`. */
#include <errno.h>

#include "base/utf8.h"
#include "rules/tree.h"

/*
 * sigma: \* and \? are plain, \\ is one backslash, a backslash before anything
 * else or at the end is itself.
 */
int pattern_parse(struct arena *a, struct slice text, struct pattern *ret)
{
    struct pattern p = { .tokens = arena_array(a, text.n + 1, sizeof *p.tokens) };

    if (!p.tokens)
        return -ENOMEM;
    while (text.n) {
        uint32_t cp;
        unsigned n = utf8_decode(text, &cp);

        if (!n) {
            n = 1;
            cp = TOKEN_BYTE + (unsigned char)text.p[0];
        } else if (cp == '\\' && text.n > 1 && memchr("*?\\", text.p[1], 3)) {
            n = 2;
            cp = (unsigned char)text.p[1];
        } else if (cp == '*' || cp == '?') {
            cp = cp == '*' ? TOKEN_ANY : TOKEN_ONE;
        }
        p.tokens[p.n++] = cp;
        text = slice_skip(text, n);
    }
    *ret = p;
    return 0;
}

int pattern_append(struct arena *a, struct pattern *p, uint32_t token, bool in_front)
{
    uint32_t *t = arena_array(a, p->n + 1, sizeof *t);

    if (!t)
        return -ENOMEM;
    if (p->n)
        memcpy(t + (in_front ? 1 : 0), p->tokens, p->n * sizeof *t);
    t[in_front ? 0 : p->n] = token;
    p->tokens = t;
    p->n++;
    return 0;
}

bool pattern_plain(const struct pattern *p)
{
    for (size_t i = 0; i < p->n; i++)
        if (p->tokens[i] >= TOKEN_ANY)
            return false;
    return true;
}

/* Bytes of which the value must hold exactly these: no wildcard, no letter with other forms. */
static bool byte_range(const struct pattern *p, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        uint32_t t = p->tokens[i];

        if (t >= TOKEN_ANY || (!p->cased && t >= 0x80 && t < TOKEN_BYTE && !fold_alone(t)))
            return false;
    }
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
    if (!byte_range(p, *from, *to))
        return SHAPE_GLOB;
    return front && back ? SHAPE_CONTAINS
           : front       ? SHAPE_SUFFIX
           : back        ? SHAPE_PREFIX
                         : SHAPE_EXACT;
}

static unsigned token_bytes(uint32_t token, char out[4])
{
    if (token < TOKEN_BYTE)
        return utf8_encode(token, out);
    out[0] = (char)(token - TOKEN_BYTE);
    return 1;
}

/* Where the literal's rarest byte is: searching for it passes over most of a value. */
static size_t anchor_of(struct slice literal)
{
    static const char common[] = " etaoinsr\\.-lhdcum/:pgf01w23by";
    size_t best = 0, best_rank = 0;

    for (size_t i = 0; i < literal.n; i++) {
        const char *at = literal.p[i] ? strchr(common, literal.p[i]) : NULL;
        size_t rank = at ? (size_t)(at - common) + 1 : sizeof common;

        if (rank > best_rank) {
            best = i;
            best_rank = rank;
        }
    }
    return best;
}

int pattern_finish(struct arena *a, struct pattern *p)
{
    size_t from, to, n = 0;
    char *text;

    for (size_t i = 0; i < p->n && !p->cased; i++)
        if (p->tokens[i] < TOKEN_BYTE)
            p->tokens[i] = fold_char(p->tokens[i]);
    p->shape = shape_of(p, &from, &to);
    if (p->shape == SHAPE_GLOB || p->shape == SHAPE_ANY)
        return 0;
    text = arena_text(a, (to - from) * 4 + 4);
    if (!text)
        return -ENOMEM;
    for (size_t i = from; i < to; i++)
        n += token_bytes(p->tokens[i], text + n);
    p->literal = slice_of(text, n);
    p->anchor = anchor_of(p->literal);
    return 0;
}

static bool same(const char *value, struct slice literal, bool cased)
{
    if (cased)
        return literal.n == 0 || memcmp(value, literal.p, literal.n) == 0;
    for (size_t i = 0; i < literal.n; i++)
        if (ascii_lower(value[i]) != literal.p[i])
            return false;
    return true;
}

static const char *next_byte(const char *from, const char *end, char c)
{
    const char *p = from < end ? memchr(from, c, (size_t)(end - from)) : NULL;

    return p ? p : end;
}

/* Looks for the rarest byte of the literal, in both its cases, and compares around it. */
static bool contains(const struct pattern *p, struct slice value)
{
    struct slice literal = p->literal;
    const char *start, *end, *small, *large;
    char c;

    if (literal.n == 0)
        return true;
    if (literal.n > value.n)
        return false;
    if (p->cased)
        return slice_find(value, literal) != SIZE_MAX;
    c = literal.p[p->anchor];
    start = value.p + p->anchor;
    end = start + (value.n - literal.n) + 1;
    small = next_byte(start, end, c);
    large = c >= 'a' && c <= 'z' ? next_byte(start, end, (char)(c - 32)) : end;
    while (small < end || large < end) {
        const char *at = small < large ? small : large;

        if (same(at - p->anchor, literal, false))
            return true;
        if (at == small)
            small = next_byte(small + 1, end, c);
        else
            large = next_byte(large + 1, end, (char)(c - 32));
    }
    return false;
}

/* Bytes of the dash at the start of s, or 0. */
static size_t dash_length(struct slice s)
{
    if (s.p[0] == '-' || s.p[0] == '/')
        return 1;
    if (s.n >= 3 && memcmp(s.p, "\xe2\x80", 2) == 0 && s.p[2] >= '\x93' && s.p[2] <= '\x95')
        return 3;
    return 0;
}

/* How many bytes the token takes at the start of s; 0 = it does not fit. */
static size_t token_takes(uint32_t token, struct slice s, bool cased)
{
    unsigned char c;
    uint32_t cp;
    unsigned n;

    if (s.n == 0)
        return 0;
    c = (unsigned char)s.p[0];
    if (token < 0x80)
        return (cased ? c : (unsigned char)ascii_lower((char)c)) == token ? 1 : 0;
    if (token == TOKEN_DASH)
        return dash_length(s);
    if (token >= TOKEN_BYTE && token < TOKEN_ANY)
        return c == token - TOKEN_BYTE ? 1 : 0;
    n = utf8_decode(s, &cp);
    if (token == TOKEN_ONE)
        return n ? n : 1;
    return n && (cased ? cp : fold_char(cp)) == token ? n : 0;
}

/* A whole character, so that no ? begins inside one. */
static size_t character(struct slice value, size_t at)
{
    uint32_t cp;
    unsigned n = (unsigned char)value.p[at] < 0x80 ? 1 : utf8_decode(slice_skip(value, at), &cp);

    return n ? n : 1;
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
        star_at += character(value, star_at);
        at = star_at;
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
        return value.n >= n && contains(p, value);
    case SHAPE_ANY:
        return true;
    case SHAPE_GLOB:
        break;
    }
    return glob(p, value);
}
