#include "reports/line.h"

#include "base/clock.h"
#include "base/num.h"
#include "base/utf8.h"

#define TIME_CHARS 27 /* 2026-11-21T01:38:59.123456Z */

/* ---- the head ---- */

static bool take(struct slice *s, struct slice what)
{
    if (s->n < what.n || memcmp(s->p, what.p, what.n) != 0)
        return false;
    *s = slice_skip(*s, what.n);
    return true;
}

bool line_head(struct slice line, struct line_head *ret)
{
    struct slice s = line;
    size_t end;

    if (!take(&s, SLICE("{\"i\":")))
        return false;
    end = slice_find_byte(slice_take(s, 21), ',');
    if (end == SIZE_MAX || parse_u64(slice_take(s, end), 0, UINT64_MAX, &ret->index) < 0)
        return false;
    s = slice_skip(s, end);
    if (!take(&s, SLICE(",\"t\":\"")) || s.n < TIME_CHARS ||
        time_parse_rfc3339(slice_take(s, TIME_CHARS), &ret->us) < 0)
        return false;
    s = slice_skip(s, TIME_CHARS);
    if (!take(&s, SLICE("\",\"type\":\"")))
        return false;
    end = slice_find_byte(s, '"');
    if (end == SIZE_MAX)
        return false;
    ret->type = slice_take(s, end);
    ret->rest = slice_skip(s, end + 1);
    return true;
}

/* ---- members ---- */

static void skip_blanks(struct slice *s)
{
    size_t i = 0;

    while (i < s->n && (s->p[i] == ' ' || s->p[i] == '\t' || s->p[i] == ','))
        i++;
    *s = slice_skip(*s, i);
}

/* s begins behind the quote: how long the string is, without the closing one. SIZE_MAX: open. */
static size_t string_length(struct slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '"')
            return i;
        i += s.p[i] == '\\';
    }
    return SIZE_MAX;
}

/* s begins with the bracket: how long it is with the closing one. SIZE_MAX: open. */
static size_t nested_length(struct slice s)
{
    size_t depth = 0;

    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        if (c == '"') {
            size_t n = string_length(slice_skip(s, i + 1));

            if (n == SIZE_MAX)
                return SIZE_MAX;
            i += n + 1;
        } else if (c == '{' || c == '[') {
            depth++;
        } else if ((c == '}' || c == ']') && --depth == 0) {
            return i + 1;
        }
    }
    return SIZE_MAX;
}

static size_t scalar_length(struct slice s)
{
    size_t i = 0;

    while (i < s.n && s.p[i] != ',' && s.p[i] != '}' && s.p[i] != ']' && s.p[i] != ' ' &&
           s.p[i] != '\t')
        i++;
    return i ? i : SIZE_MAX;
}

bool line_value(struct slice *s, struct line_member *ret)
{
    size_t n;
    char c = s->n ? s->p[0] : '\0';
    bool quoted = c == '"';

    ret->kind = quoted ? LINE_STRING : c == '{' || c == '[' ? LINE_NESTED : LINE_SCALAR;
    if (quoted)
        *s = slice_skip(*s, 1);
    n = quoted                     ? string_length(*s)
        : ret->kind == LINE_NESTED ? nested_length(*s)
                                   : scalar_length(*s);
    if (n == SIZE_MAX)
        return false;
    ret->raw = slice_take(*s, n);
    *s = slice_skip(*s, n + quoted);
    return true;
}

bool line_begins(struct slice *rest, struct slice *ret_key)
{
    size_t n;

    skip_blanks(rest);
    if (!take(rest, SLICE("\"")))
        return false;
    n = string_length(*rest);
    if (n == SIZE_MAX)
        return false;
    *ret_key = slice_take(*rest, n);
    *rest = slice_skip(*rest, n + 1);
    return take(rest, SLICE(":"));
}

bool line_next(struct slice *rest, struct line_member *ret)
{
    return line_begins(rest, &ret->key) && line_value(rest, ret);
}

bool line_item(struct slice *rest, struct line_member *ret)
{
    skip_blanks(rest);
    ret->key = SLICE("");
    return rest->n && rest->p[0] != ']' && line_value(rest, ret);
}

/* ---- strings ---- */

static uint32_t four_hex(struct slice s)
{
    uint32_t v = 0;

    if (s.n < 4)
        return UINT32_MAX;
    for (size_t i = 0; i < 4; i++) {
        char c = s.p[i];
        uint32_t d = c >= '0' && c <= '9'   ? (uint32_t)(c - '0')
                     : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a' + 10)
                     : c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A' + 10)
                                            : 16;

        if (d == 16)
            return UINT32_MAX;
        v = v << 4 | d;
    }
    return v;
}

/* \u and four digits, maybe a pair of them: how much of s was used. */
static size_t put_code(struct slice s, struct buf *out)
{
    uint32_t cp = four_hex(slice_skip(s, 2)), low;
    char utf8[4];
    size_t used = 6;

    if (cp == UINT32_MAX) {
        buf_str(out, "\xef\xbf\xbd");
        return 2;
    }
    if (cp >= 0xd800 && cp < 0xdc00 && s.n >= 12 && s.p[6] == '\\' && s.p[7] == 'u') {
        low = four_hex(slice_skip(s, 8));
        if (low >= 0xdc00 && low < 0xe000) {
            cp = 0x10000 + ((cp - 0xd800) << 10) + (low - 0xdc00);
            used = 12;
        }
    }
    buf_add(out, utf8, utf8_encode(cp, utf8));
    return used;
}

static size_t put_escape(struct slice s, struct buf *out)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    const char *at = s.n > 1 && s.p[1] ? strchr(from, s.p[1]) : NULL;

    if (s.n > 1 && s.p[1] == 'u')
        return put_code(s, out);
    if (at)
        buf_char(out, to[at - from]);
    return 2;
}

struct slice line_text(struct slice raw, struct buf *out)
{
    size_t at = slice_find_byte(raw, '\\');

    if (at == SIZE_MAX)
        return raw;
    buf_reset(out);
    while (at != SIZE_MAX) {
        buf_slice(out, slice_take(raw, at));
        raw = slice_skip(raw, at);
        raw = slice_skip(raw, put_escape(raw, out));
        at = slice_find_byte(raw, '\\');
    }
    buf_slice(out, raw);
    return buf_view(out);
}

uint64_t line_u64(struct slice raw)
{
    uint64_t v = 0;

    (void)parse_u64(raw, 0, UINT64_MAX, &v);
    return v;
}
