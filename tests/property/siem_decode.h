/*
 * Strict decoders of what the encoders write, by the documents of the formats and by nothing of
 * ours: each gives a list of (name, value), or says why it is not of the format.
 */
#pragma once

#include <stdio.h>

#include "base/arena.h"
#include "base/json.h"

#define PAIRS_MAX 160

struct pair {
    struct slice name, value;
};

struct decoded {
    struct arena *arena;
    struct pair pairs[PAIRS_MAX];
    size_t n;
    const char *fault;
};

static inline struct slice decoded_get(const struct decoded *d, const char *name)
{
    for (size_t i = 0; i < d->n; i++)
        if (slice_is(d->pairs[i].name, name))
            return d->pairs[i].value;
    return SLICE_NONE;
}

static inline void decoded_add(struct decoded *d, struct slice name, struct slice value)
{
    for (size_t i = 0; i < d->n; i++)
        if (slice_eq(d->pairs[i].name, name))
            d->fault = "a name stands twice";
    if (d->n == PAIRS_MAX) {
        d->fault = "too many names";
        return;
    }
    d->pairs[d->n++] = (struct pair){ arena_slice(d->arena, name), arena_slice(d->arena, value) };
}

static inline bool decoded_fail(struct decoded *d, const char *why)
{
    if (!d->fault)
        d->fault = why;
    return false;
}

static inline bool is_printable_word(struct slice s, size_t max)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < 33 || s.p[i] > 126)
            return false;
    return s.n >= 1 && s.n <= max;
}

static inline bool all_digits(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
    return s.n > 0;
}

/* ---- RFC 5424, section 6 ---- */

static inline bool decode_sd_value(struct decoded *d, struct slice *rest, struct slice name)
{
    AUTO_BUF value = BUF_INIT;

    for (;;) {
        char c;

        if (rest->n == 0)
            return decoded_fail(d, "a value without its end");
        c = rest->p[0];
        *rest = slice_skip(*rest, 1);
        if (c == '"')
            break;
        if (c == ']')
            return decoded_fail(d, "a bracket that is not escaped");
        if (c == '\\') {
            if (!rest->n || !strchr("\"\\]", rest->p[0]))
                return decoded_fail(d, "a backslash before what needs none");
            c = rest->p[0];
            *rest = slice_skip(*rest, 1);
        }
        buf_char(&value, c);
    }
    decoded_add(d, name, buf_view(&value));
    return true;
}

static inline bool decode_sd(struct decoded *d, struct slice *rest)
{
    size_t n = 0;

    if (!slice_starts(*rest, SLICE("[")))
        return decoded_fail(d, "no structured data");
    *rest = slice_skip(*rest, 1);
    while (n < rest->n && rest->p[n] != ' ' && rest->p[n] != ']')
        n++;
    if (!is_printable_word(slice_take(*rest, n), 32))
        return decoded_fail(d, "SD-ID");
    decoded_add(d, SLICE("SD-ID"), slice_take(*rest, n));
    *rest = slice_skip(*rest, n);
    while (slice_starts(*rest, SLICE(" "))) {
        size_t eq = slice_find_byte(*rest, '=');
        struct slice name;

        if (eq == SIZE_MAX)
            return decoded_fail(d, "a parameter without =");
        name = slice_of(rest->p + 1, eq - 1);
        if (!is_printable_word(name, 32) || slice_find_byte(name, '"') != SIZE_MAX ||
            slice_find_byte(name, ']') != SIZE_MAX)
            return decoded_fail(d, "PARAM-NAME");
        *rest = slice_skip(*rest, eq + 1);
        if (!slice_starts(*rest, SLICE("\"")))
            return decoded_fail(d, "a value without quotes");
        *rest = slice_skip(*rest, 1);
        if (!decode_sd_value(d, rest, name))
            return false;
    }
    if (!slice_starts(*rest, SLICE("]")))
        return decoded_fail(d, "structured data without its end");
    *rest = slice_skip(*rest, 1);
    return true;
}

static inline bool decode_rfc5424(struct decoded *d, struct slice s)
{
    static const struct {
        const char *name;
        size_t max;
    } header[] = { { "VERSION", 1 },   { "TIMESTAMP", 32 }, { "HOSTNAME", 255 },
                   { "APP-NAME", 48 }, { "PROCID", 128 },   { "MSGID", 32 } };
    size_t end = slice_find_byte(s, '>');
    struct slice rest, word, pri;

    if (!slice_starts(s, SLICE("<")) || end == SIZE_MAX)
        return decoded_fail(d, "PRI");
    pri = slice_of(s.p + 1, end - 1);
    if (!all_digits(pri) || pri.n > 3 || (pri.n > 1 && pri.p[0] == '0'))
        return decoded_fail(d, "PRI");
    decoded_add(d, SLICE("PRI"), pri);
    rest = slice_skip(s, end + 1);
    for (size_t i = 0; i < ARRAY_SIZE(header); i++) {
        if (!slice_split(&rest, ' ', &word) || !is_printable_word(word, header[i].max))
            return decoded_fail(d, header[i].name);
        decoded_add(d, slice_str(header[i].name), word);
    }
    if (!decode_sd(d, &rest))
        return false;
    if (rest.n && rest.p[0] != ' ')
        return decoded_fail(d, "no blank before MSG");
    decoded_add(d, SLICE("MSG"), slice_skip(rest, 1));
    return true;
}

/* ---- CEF ---- */

/* Length of a key with its = at the start of s; 0: none. */
static inline size_t cef_key(struct slice s)
{
    size_t n = 0;

    while (n < s.n &&
           ((s.p[n] >= '0' && s.p[n] <= '9') || ((s.p[n] | 32) >= 'a' && (s.p[n] | 32) <= 'z')))
        n++;
    return n && n < s.n && s.p[n] == '=' ? n : 0;
}

static inline bool cef_unescape(struct decoded *d, struct slice s, bool header, struct buf *out)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        if (c == '\\') {
            if (++i == s.n)
                return decoded_fail(d, "a backslash at the end");
            c = s.p[i];
            if (!strchr(header ? "\\|" : "\\=nr", c))
                return decoded_fail(d, "an unknown escape");
            c = header ? c : c == 'n' ? '\n' : c == 'r' ? '\r' : c;
        } else if (header ? c == '|' : c == '=') {
            return decoded_fail(d, "a sign that is not escaped");
        }
        buf_char(out, c);
    }
    return true;
}

static inline bool decode_cef_header(struct decoded *d, struct slice *rest)
{
    static const char *const names[] = { "CEF",   "Vendor", "Product", "Version",
                                         "Class", "Name",   "Severity" };

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        AUTO_BUF value = BUF_INIT;
        size_t n = 0;

        while (n < rest->n && rest->p[n] != '|')
            n += rest->p[n] == '\\' ? 2 : 1;
        if (n >= rest->n)
            return decoded_fail(d, "too few header fields");
        if (!cef_unescape(d, slice_take(*rest, n), true, &value))
            return false;
        decoded_add(d, slice_str(names[i]), buf_view(&value));
        *rest = slice_skip(*rest, n + 1);
    }
    return true;
}

static inline bool decode_cef(struct decoded *d, struct slice s)
{
    if (!decode_cef_header(d, &s))
        return false;
    while (s.n) {
        size_t key = cef_key(s), n = key + 1;
        AUTO_BUF value = BUF_INIT;

        if (!key)
            return decoded_fail(d, "no key");
        /* The value ends before " key=". */
        while (n < s.n && !(s.p[n] == ' ' && cef_key(slice_skip(s, n + 1))))
            n++;
        if (!cef_unescape(d, slice_of(s.p + key + 1, n - key - 1), false, &value))
            return false;
        decoded_add(d, slice_take(s, key), buf_view(&value));
        s = slice_skip(s, n + 1);
    }
    return true;
}

/* ---- LEEF 2.0 ---- */

static inline bool decode_leef(struct decoded *d, struct slice s)
{
    static const char *const names[] = { "LEEF", "Vendor", "Product", "Version", "Event", "Sign" };
    struct slice word;
    char sign;

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (!slice_split(&s, '|', &word))
            return decoded_fail(d, "too few header fields");
        decoded_add(d, slice_str(names[i]), word);
    }
    if (word.n != 1)
        return decoded_fail(d, "the sign between attributes");
    sign = word.p[0];
    while (slice_split(&s, sign, &word)) {
        size_t eq = slice_find_byte(word, '=');

        if (eq == SIZE_MAX || eq == 0)
            return decoded_fail(d, "an attribute without =");
        decoded_add(d, slice_take(word, eq), slice_skip(word, eq + 1));
    }
    return true;
}

/* ---- JSON, by the reader of ours that is yajl's ---- */

static inline void flatten_json(struct decoded *d, const struct json *j, const char *path)
{
    for (const struct json *c = j->child; c; c = c->next) {
        char name[512];

        snprintf(name, sizeof name, "%s%s%.*s", path, *path ? "." : "", SLICE_FMT(c->key));
        if (c->type == JSON_OBJECT)
            flatten_json(d, c, name);
        else if (c->type != JSON_ARRAY)
            decoded_add(d, slice_str(name), c->text);
    }
}

static inline bool decode_json(struct decoded *d, struct slice s)
{
    struct err err = ERR_NONE;
    const struct json *j = json_load(d->arena, s, &err);

    if (!j || j->type != JSON_OBJECT)
        return decoded_fail(d, "no JSON object");
    flatten_json(d, j, "");
    return true;
}
