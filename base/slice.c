#include "base/slice.h"

#include <errno.h>
#include <stdio.h>
#include <strings.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

bool slice_eq_nocase(struct slice a, struct slice b)
{
    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++)
        if (ascii_lower(a.p[i]) != ascii_lower(b.p[i]))
            return false;
    return true;
}

int slice_cmp(struct slice a, struct slice b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int r = n ? memcmp(a.p, b.p, n) : 0;

    return r ? r : (a.n > b.n) - (a.n < b.n);
}

bool slice_starts(struct slice s, struct slice prefix)
{
    return s.n >= prefix.n && (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}

bool slice_ends(struct slice s, struct slice suffix)
{
    return s.n >= suffix.n &&
           (suffix.n == 0 || memcmp(s.p + s.n - suffix.n, suffix.p, suffix.n) == 0);
}

#define FIND_SHORT 32

#ifdef __SSE2__
/* The first of the sixteen places from p on where it stands, or 16. Both its ends are looked at
 * first. */
static ALWAYS_INLINE unsigned find_near(const char *p, struct slice what, __m128i first,
                                        __m128i last)
{
    __m128i a = _mm_loadu_si128((const __m128i *)(const void *)p);
    __m128i b = _mm_loadu_si128((const __m128i *)(const void *)(p + what.n - 1));
    unsigned both = (unsigned)_mm_movemask_epi8(
        _mm_and_si128(_mm_cmpeq_epi8(a, first), _mm_cmpeq_epi8(b, last)));

    for (; UNLIKELY(both); both &= both - 1)
        if (memcmp(p + __builtin_ctz(both), what.p, what.n) == 0)
            return (unsigned)__builtin_ctz(both);
    return 16;
}

/* What memmem() prepares costs more than the search for a short text in a line. */
static size_t find_short(struct slice s, struct slice what)
{
    const __m128i first = _mm_set1_epi8(what.p[0]), last = _mm_set1_epi8(what.p[what.n - 1]);
    size_t places = s.n - what.n + 1, i = 0;
    unsigned at;

    for (; i + 16 <= places; i += 16)
        if ((at = find_near(s.p + i, what, first, last)) < 16)
            return i + at;
    if (i && i < places) { /* the last ones, some of them once more */
        at = find_near(s.p + places - 16, what, first, last);
        return at < 16 ? places - 16 + at : SIZE_MAX;
    }
    for (; i < places; i++)
        if (s.p[i] == what.p[0] && memcmp(s.p + i, what.p, what.n) == 0)
            return i;
    return SIZE_MAX;
}
#endif

size_t slice_find(struct slice s, struct slice what)
{
    const char *p;

    if (what.n == 0)
        return 0;
    if (s.n < what.n)
        return SIZE_MAX;
#ifdef __SSE2__
    if (LIKELY(what.n <= FIND_SHORT))
        return find_short(s, what);
#endif
    p = memmem(s.p, s.n, what.p, what.n);
    return p ? (size_t)(p - s.p) : SIZE_MAX;
}

size_t slice_find_byte(struct slice s, char c)
{
    const char *p = s.n ? memchr(s.p, c, s.n) : NULL;

    return p ? (size_t)(p - s.p) : SIZE_MAX;
}

size_t slice_rfind_byte(struct slice s, char c)
{
    const char *p = s.n ? memrchr(s.p, c, s.n) : NULL;

    return p ? (size_t)(p - s.p) : SIZE_MAX;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct slice slice_trim(struct slice s)
{
    while (s.n && is_blank(s.p[0]))
        s = slice_skip(s, 1);
    while (s.n && is_blank(s.p[s.n - 1]))
        s.n--;
    return s;
}

bool slice_split(struct slice *rest, char c, struct slice *ret_part)
{
    size_t at;

    if (!rest->p)
        return false;
    at = slice_find_byte(*rest, c);
    if (at == SIZE_MAX) {
        *ret_part = *rest;
        *rest = SLICE_NONE;
        return true;
    }
    *ret_part = slice_of(rest->p, at);
    *rest = slice_of(rest->p + at + 1, rest->n - at - 1);
    return true;
}

char *slice_dup(struct slice s)
{
    char *p = malloc(s.n + 1);

    if (!p)
        return NULL;
    if (s.n)
        memcpy(p, s.p, s.n);
    p[s.n] = '\0';
    return p;
}

void buf_fini(struct buf *b)
{
    free(b->p);
    *b = (struct buf){ .limit = b->limit };
}

void buf_reset(struct buf *b)
{
    b->n = 0;
    b->failed = false;
    if (b->p)
        b->p[0] = '\0';
}

bool buf_reserve(struct buf *b, size_t more)
{
    size_t need, cap = b->cap ? b->cap : 64;
    char *p;

    if (b->failed)
        return false;
    if (__builtin_add_overflow(b->n, more, &need) || need == SIZE_MAX ||
        (b->limit && need > b->limit)) {
        b->failed = true;
        return false;
    }
    need++; /* the NUL */
    if (need <= b->cap)
        return true;
    while (cap < need)
        cap = cap > SIZE_MAX / 2 ? need : cap * 2;
    p = realloc(b->p, cap);
    if (!p) {
        b->failed = true;
        return false;
    }
    b->p = p;
    b->cap = cap;
    return true;
}

void buf_add(struct buf *b, const void *p, size_t n)
{
    if (!buf_reserve(b, n))
        return;
    if (n)
        memcpy(b->p + b->n, p, n);
    b->n += n;
    b->p[b->n] = '\0';
}

void buf_slice(struct buf *b, struct slice s)
{
    buf_add(b, s.p, s.n);
}

void buf_str(struct buf *b, const char *text)
{
    buf_add(b, text, strlen(text));
}

void buf_vprintf(struct buf *b, const char *fmt, va_list args)
{
    va_list again;
    int n;

    va_copy(again, args);
    n = vsnprintf(NULL, 0, fmt, args);
    if (n < 0)
        b->failed = true;
    else if (buf_reserve(b, (size_t)n)) {
        vsnprintf(b->p + b->n, (size_t)n + 1, fmt, again);
        b->n += (size_t)n;
    }
    va_end(again);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    buf_vprintf(b, fmt, args);
    va_end(args);
}

void buf_u64(struct buf *b, uint64_t v)
{
    char digits[20];
    size_t n = sizeof digits;

    do {
        digits[--n] = (char)('0' + v % 10);
        v /= 10;
    } while (v);
    buf_add(b, digits + n, sizeof digits - n);
}

void buf_hex(struct buf *b, const void *p, size_t n)
{
    static const char hex[] = "0123456789abcdef";
    const uint8_t *q = p;

    if (!buf_reserve(b, n * 2))
        return;
    for (size_t i = 0; i < n; i++) {
        b->p[b->n++] = hex[q[i] >> 4];
        b->p[b->n++] = hex[q[i] & 15];
    }
    b->p[b->n] = '\0';
}

static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void buf_base64(struct buf *b, const void *p, size_t n, bool padded)
{
    const uint8_t *q = p;
    char *out;

    if (!buf_reserve(b, (n / 3 + 1) * 4))
        return;
    out = b->p + b->n;
    for (; n >= 3; n -= 3, q += 3) {
        *out++ = base64_digits[q[0] >> 2];
        *out++ = base64_digits[(q[0] & 3) << 4 | q[1] >> 4];
        *out++ = base64_digits[(q[1] & 15) << 2 | q[2] >> 6];
        *out++ = base64_digits[q[2] & 63];
    }
    if (n) {
        *out++ = base64_digits[q[0] >> 2];
        *out++ = base64_digits[(q[0] & 3) << 4 | (n > 1 ? q[1] >> 4 : 0)];
        if (n > 1)
            *out++ = base64_digits[(q[1] & 15) << 2];
        for (; padded && n < 3; n++)
            *out++ = '=';
    }
    *out = '\0';
    b->n = (size_t)(out - b->p);
}

char *buf_take(struct buf *b)
{
    char *p = NULL;

    if (!b->failed && buf_reserve(b, 0)) {
        p = b->p;
        p[b->n] = '\0';
        b->p = NULL;
    }
    buf_fini(b);
    return p;
}

static int base64_value(char c)
{
    const char *p = c ? strchr(base64_digits, c) : NULL;

    return p ? (int)(p - base64_digits) : -1;
}

int base64_decode(struct slice text, bool padded, void *out, size_t out_max, size_t *ret_n)
{
    uint8_t *q = out;
    size_t n = 0, digits = text.n;
    uint32_t bits = 0;
    unsigned have = 0;

    if (padded) {
        if (text.n % 4)
            return -EINVAL;
        while (digits && text.n - digits < 2 && text.p[digits - 1] == '=')
            digits--;
    }
    if (digits % 4 == 1 || (!padded && digits != text.n))
        return -EINVAL;
    for (size_t i = 0; i < digits; i++) {
        int v = base64_value(text.p[i]);

        if (v < 0)
            return -EINVAL;
        bits = bits << 6 | (uint32_t)v;
        have += 6;
        if (have >= 8) {
            if (n >= out_max)
                return -ENOSPC;
            have -= 8;
            q[n++] = (uint8_t)(bits >> have);
        }
    }
    if (bits & ((1u << have) - 1))
        return -EINVAL; /* left-over bits must be zero: one value, one text */
    *ret_n = n;
    return 0;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

int hex_decode(struct slice text, void *out, size_t out_size)
{
    uint8_t *q = out;

    if (text.n != out_size * 2)
        return -EINVAL;
    for (size_t i = 0; i < out_size; i++) {
        int a = hex_value(text.p[2 * i]), b = hex_value(text.p[2 * i + 1]);

        if (a < 0 || b < 0)
            return -EINVAL;
        q[i] = (uint8_t)(a << 4 | b);
    }
    return 0;
}
