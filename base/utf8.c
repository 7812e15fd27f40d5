#include "base/utf8.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* Hex digits of escaped bytes. */
static const char hex[] = "0123456789abcdef";

static size_t ascii_run(const char *p, size_t n)
{
    size_t i = 0;
    uint64_t word;

#ifdef __SSE2__
    for (; i + 64 <= n; i += 64) {
        const __m128i *v = (const __m128i *)(const void *)(p + i);
        __m128i one = _mm_or_si128(_mm_loadu_si128(v), _mm_loadu_si128(v + 1));
        __m128i other = _mm_or_si128(_mm_loadu_si128(v + 2), _mm_loadu_si128(v + 3));

        if (_mm_movemask_epi8(_mm_or_si128(one, other)))
            break;
    }
#endif
    while (i + 8 <= n) {
        memcpy(&word, p + i, 8);
        if (word & 0x8080808080808080u)
            break;
        i += 8;
    }
    while (i < n && !(p[i] & 0x80))
        i++;
    return i;
}

/*
 * Length of the valid character at p (n > 0), or 0 and in *ret_bad how many
 * bytes one U+FFFD stands for. RFC 3629, section 4: the ranges of the second
 * byte rule out overlong forms and surrogates.
 */
static unsigned sequence(const unsigned char *p, size_t n, unsigned *ret_bad)
{
    unsigned char lo = 0x80, hi = 0xbf, lead = p[0];
    unsigned len, i;

    *ret_bad = 1;
    if (lead < 0x80)
        return 1;
    if (lead < 0xc2 || lead > 0xf4)
        return 0;
    len = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if (lead == 0xe0)
        lo = 0xa0;
    else if (lead == 0xed)
        hi = 0x9f;
    else if (lead == 0xf0)
        lo = 0x90;
    else if (lead == 0xf4)
        hi = 0x8f;
    for (i = 1; i < len; i++) {
        if (i >= n || p[i] < lo || p[i] > hi) {
            *ret_bad = i;
            return 0;
        }
        lo = 0x80;
        hi = 0xbf;
    }
    return len;
}

static size_t valid_run(struct slice s)
{
    size_t i = 0;
    unsigned bad;

    while (i < s.n) {
        unsigned len;

        i += ascii_run(s.p + i, s.n - i);
        if (i == s.n)
            break;
        len = sequence((const unsigned char *)s.p + i, s.n - i, &bad);
        if (!len)
            break;
        i += len;
    }
    return i;
}

bool utf8_valid(struct slice s)
{
    return valid_run(s) == s.n;
}

#ifdef __SSE2__
/* As signed numbers, both bytes with the high bit and control characters are less than a blank. */
static ALWAYS_INLINE __m128i not_plain(const char *p)
{
    return _mm_cmplt_epi8(_mm_loadu_si128((const __m128i *)(const void *)p), _mm_set1_epi8(' '));
}
#endif

bool utf8_is_plain(struct slice s)
{
    size_t i = 0;

#ifdef __SSE2__
    for (; i + 32 <= s.n; i += 32)
        if (_mm_movemask_epi8(_mm_or_si128(not_plain(s.p + i), not_plain(s.p + i + 16))))
            return false;
    if (s.n >= 32) /* the last bytes, some of them once more */
        return !_mm_movemask_epi8(
            _mm_or_si128(not_plain(s.p + s.n - 32), not_plain(s.p + s.n - 16)));
#endif
    while (i < s.n && (signed char)s.p[i] >= ' ')
        i++;
    return i == s.n;
}

struct slice utf8_clean(struct arena *a, struct slice s, bool *ret_changed)
{
    size_t i = valid_run(s), n;
    char *out;

    if (ret_changed)
        *ret_changed = i != s.n;
    if (i == s.n)
        return s;
    out = arena_text(a, s.n * 3); /* each wrong byte at most three */
    if (!out)
        return SLICE_NONE;
    memcpy(out, s.p, i);
    n = i;
    while (i < s.n) {
        unsigned bad, len = sequence((const unsigned char *)s.p + i, s.n - i, &bad);

        if (len) {
            memcpy(out + n, s.p + i, len);
            n += len;
            i += len;
        } else {
            memcpy(out + n, "\xef\xbf\xbd", 3);
            n += 3;
            i += bad;
        }
    }
    return slice_of(out, n);
}

unsigned utf8_decode(struct slice s, uint32_t *ret_cp)
{
    static const unsigned char mask[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
    unsigned bad, len = s.n ? sequence((const unsigned char *)s.p, s.n, &bad) : 0;
    uint32_t cp;

    if (!len)
        return 0;
    cp = (unsigned char)s.p[0] & mask[len];
    for (unsigned i = 1; i < len; i++)
        cp = cp << 6 | ((unsigned char)s.p[i] & 0x3f);
    *ret_cp = cp;
    return len;
}

unsigned utf8_encode(uint32_t cp, char out[4])
{
    static const unsigned char lead[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
    unsigned len;

    if (cp > 0x10ffff || (cp >= 0xd800 && cp <= 0xdfff))
        cp = 0xfffd;
    len = cp < 0x80 ? 1 : cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
    if (len == 1) {
        out[0] = (char)cp;
        return 1;
    }
    for (unsigned i = len; i-- > 1; cp >>= 6)
        out[i] = (char)(0x80 | (cp & 0x3f));
    out[0] = (char)(lead[len] | cp);
    return len;
}

struct slice utf8_cut(struct slice s, size_t max)
{
    size_t at = max;

    if (s.n <= max)
        return s;
    while (at > 0 && max - at < 3 && ((unsigned char)s.p[at] & 0xc0) == 0x80)
        at--;
    /* Wrong bytes without a first one: nothing there to keep whole. */
    return slice_of(s.p, ((unsigned char)s.p[at] & 0xc0) == 0x80 ? max : at);
}

static size_t skip_range(const char *p, size_t n, size_t i, char from, char to)
{
    while (i < n && p[i] >= from && p[i] <= to)
        i++;
    return i;
}

/* Behind the string that began at p: it ends with BEL or ST. 2 when nothing ends it. */
static size_t string_length(const char *p, size_t n)
{
    for (size_t i = 2; i < n; i++) {
        if (p[i] == '\a')
            return i + 1;
        if (p[i] == '\033' && i + 1 < n && p[i + 1] == '\\')
            return i + 2;
    }
    return 2;
}

/*
 * How many bytes the escape sequence at p (p[0] is ESC) takes. ECMA-35,
 * section 13.1 and ECMA-48, sections 5.4, 5.6. A byte that cannot belong to it
 * (a line feed, the first of a character) ends it and stays.
 */
static size_t escape_length(const char *p, size_t n)
{
    size_t i = 1;

    if (n < 2)
        return n;
    if (p[1] == '[') {
        i = skip_range(p, n, 2, 0x30, 0x3f);
        i = skip_range(p, n, i, 0x20, 0x2f);
        return i < n && p[i] >= 0x40 && p[i] <= 0x7e ? i + 1 : i;
    }
    if (strchr("]PX^_", p[1]) && p[1])
        return string_length(p, n);
    i = skip_range(p, n, 1, 0x20, 0x2f);
    return i < n && p[i] >= 0x30 && p[i] <= 0x7e ? i + 1 : i;
}

struct slice ansi_strip(struct arena *a, struct slice s)
{
    size_t i = slice_find_byte(s, '\033'), n;
    char *out;

    if (i == SIZE_MAX)
        return s;
    out = arena_text(a, s.n);
    if (!out)
        return SLICE_NONE;
    memcpy(out, s.p, i);
    n = i;
    while (i < s.n) {
        if (s.p[i] == '\033')
            i += escape_length(s.p + i, s.n - i);
        else
            out[n++] = s.p[i++];
    }
    return slice_of(out, n);
}

void buf_printable(struct buf *b, struct slice s)
{
    size_t i = 0;

    while (i < s.n) {
        uint32_t cp = 0;
        unsigned len = utf8_decode(slice_skip(s, i), &cp);
        unsigned char c = (unsigned char)s.p[i];

        if (len && cp >= 0x20 && cp != 0x7f && !(cp >= 0x80 && cp < 0xa0) &&
            !(cp >= 0x202a && cp <= 0x202e) && !(cp >= 0x2066 && cp <= 0x2069)) {
            buf_add(b, s.p + i, len);
            i += len;
            continue;
        }
        /* Bidirectional controls can turn a line around on a screen: escaped too. */
        for (unsigned j = 0; j < (len ? len : 1); j++, i++) {
            c = (unsigned char)s.p[i];
            buf_str(b, "\\x");
            buf_char(b, hex[c >> 4]);
            buf_char(b, hex[c & 15]);
        }
    }
}
