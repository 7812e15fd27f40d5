/* See text.h. One pass: runs of plain bytes are copied whole. */
#include "notifiers/machines/text.h"

#include <stdio.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "base/utf8.h"

#define BLANK(from) [from] = " "
#define BLANKS                                                                                     \
    BLANK(0), BLANK(1), BLANK(2), BLANK(3), BLANK(4), BLANK(5), BLANK(6), BLANK(7), BLANK(8),      \
        BLANK(9), BLANK(10), BLANK(11), BLANK(12), BLANK(13), BLANK(14), BLANK(15), BLANK(16),     \
        BLANK(17), BLANK(18), BLANK(19), BLANK(20), BLANK(21), BLANK(22), BLANK(23), BLANK(24),    \
        BLANK(25), BLANK(26), BLANK(27), BLANK(28), BLANK(29), BLANK(30), BLANK(31), BLANK(127)

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverride-init"
#ifdef __clang__
#pragma clang diagnostic ignored "-Winitializer-overrides"
#endif
const struct text_style text_json = {
    .json = true,
    .special = { '"', '\\' },
    .map = { "\\u0000", "\\u0001", "\\u0002",      "\\u0003",       "\\u0004",
             "\\u0005", "\\u0006", "\\u0007",      "\\b",           "\\t",
             "\\n",     "\\u000b", "\\f",          "\\r",           "\\u000e",
             "\\u000f", "\\u0010", "\\u0011",      "\\u0012",       "\\u0013",
             "\\u0014", "\\u0015", "\\u0016",      "\\u0017",       "\\u0018",
             "\\u0019", "\\u001a", "\\u001b",      "\\u001c",       "\\u001d",
             "\\u001e", "\\u001f", ['"'] = "\\\"", ['\\'] = "\\\\", [127] = "\\u007f" }
};
/* U+23CE, a return sign: the tail of a line with LF would be a message of its own downstream. */
const struct text_style text_message = { .map = { BLANKS, ['\n'] = " \xe2\x8f\x8e " } };
const struct text_style text_parameter = {
    .special = { '"', '\\', ']' }, .map = { BLANKS, ['"'] = "\\\"", ['\\'] = "\\\\", [']'] = "\\]" }
};
const struct text_style text_cef_header = { .special = { '\\', '|' },
                                            .map = { BLANKS, ['\\'] = "\\\\", ['|'] = "\\|" },
                                            .trim = true };
const struct text_style text_cef_value = {
    .special = { '\\', '=' },
    .map = { BLANKS, ['\n'] = "\\n", ['\r'] = "\\r", ['\\'] = "\\\\", ['='] = "\\=" },
    .trim = true
};
/* LEEF has no escapes at all. */
const struct text_style text_leef_header = { .special = { '|' }, .map = { BLANKS, ['|'] = "/" } };
const struct text_style text_leef_value = { .map = { BLANKS } };
#pragma GCC diagnostic pop

static bool ends_lines(uint32_t cp)
{
    return (cp >= 0x80 && cp < 0xa0) || cp == 0x2028 || cp == 0x2029;
}

/* One sign that is not ASCII: how many bytes of s it takes; 0: there is no room for it. */
static size_t put_wide(struct buf *b, const struct text_style *style, struct slice s, size_t room)
{
    uint32_t cp = 0;
    unsigned n = utf8_decode(s, &cp);
    char u[8];

    if (n == 0) {
        if (room < 3)
            return 0;
        buf_add(b, "\xef\xbf\xbd", 3);
        return 1;
    }
    if (n > room)
        return 0;
    if (!ends_lines(cp)) {
        buf_add(b, s.p, n);
    } else if (style->json) {
        snprintf(u, sizeof u, "\\u%04x", (unsigned)cp & 0xffff);
        buf_add(b, u, 6);
    } else {
        buf_char(b, ' ');
    }
    return n;
}

static struct slice trimmed(struct slice s)
{
    while (s.n && (unsigned char)s.p[0] <= ' ')
        s = slice_skip(s, 1);
    while (s.n && (unsigned char)s.p[s.n - 1] <= ' ')
        s.n--;
    return s;
}

/* How many bytes at the start are plain for sure: in steps of 16. */
static size_t plain_prefix(const struct text_style *style, const char *p, size_t n)
{
    size_t i = 0;

#ifdef __SSE2__
    const __m128i low = _mm_set1_epi8(0x1f), del = _mm_set1_epi8(0x7f);
    const __m128i a = _mm_set1_epi8(style->special[0]), b = _mm_set1_epi8(style->special[1]);
    const __m128i c = _mm_set1_epi8(style->special[2]);

    for (; i + 16 <= n; i += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(p + i));
        __m128i bad = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(v, a), _mm_cmpeq_epi8(v, b)),
                                   _mm_or_si128(_mm_cmpeq_epi8(v, c), _mm_cmpeq_epi8(v, del)));

        /* As signed bytes those from 0x80 on are below, too. */
        if (_mm_movemask_epi8(_mm_andnot_si128(bad, _mm_cmpgt_epi8(v, low))) != 0xffff)
            break;
    }
#else
    (void)style;
    (void)p;
    (void)n;
#endif
    return i;
}

void text_put(struct buf *b, const struct text_style *style, struct slice s, size_t max)
{
    size_t used = 0; /* bytes of the clean value */

    if (style->trim)
        s = trimmed(s);
    for (size_t i = 0; i < s.n && used < max;) {
        size_t from = i, end = s.n - i < max - used ? s.n : i + (max - used);
        unsigned char c = 0;

        i += plain_prefix(style, s.p + i, end - i);
        while (i < end && (c = (unsigned char)s.p[i]) < 0x80 && !style->map[c])
            i++;
        if (i > from)
            buf_add(b, s.p + from, i - from);
        used += i - from;
        if (i >= end)
            continue;
        if (c < 0x80) {
            buf_str(b, style->map[c]);
            i++;
            used++;
        } else {
            size_t n = put_wide(b, style, slice_skip(s, i), max - used);

            if (n == 0)
                return;
            used += n == 1 ? 3 : n; /* one byte: it was wrong, and is U+FFFD now */
            i += n;
        }
    }
}

void text_put_name(struct buf *b, struct slice s, size_t max, const char * not )
{
    if (s.n == 0) {
        buf_char(b, '-');
        return;
    }
    for (size_t i = 0; i < s.n && i < max; i++) {
        char c = s.p[i];

        buf_char(b, c > ' ' && c < 0x7f && !(not &&strchr(not, c)) ? c : '_');
    }
}
