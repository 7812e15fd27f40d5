/*
 * Text as pointer and length (may hold NUL, not terminated), and a growing
 * buffer to write text into.
 *
 * A slice borrows: who makes it says how long it lives. A buf owns its bytes,
 * never fails in the middle (a failure or the limit is remembered, further
 * writes do nothing; ask buf_ok() once at the end) and is always followed by
 * a NUL byte that is not counted.
 */
#pragma once

#include <stdarg.h>
#include <string.h>

#include "base/macros.h"

struct slice {
    const char *p;
    size_t n;
};

#define SLICE(literal) ((struct slice){ (literal), sizeof(literal) - 1 })
#define SLICE_NONE ((struct slice){ NULL, 0 })
/* For "%.*s". */
#define SLICE_FMT(s) (int)(s).n, (s).p

static inline struct slice slice_of(const char *p, size_t n)
{
    return (struct slice){ p, n };
}
static inline struct slice slice_str(const char *text)
{
    return (struct slice){ text, text ? strlen(text) : 0 };
}
static inline bool slice_eq(struct slice a, struct slice b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}
static inline bool slice_is(struct slice a, const char *text)
{
    return slice_eq(a, slice_str(text));
}
static inline struct slice slice_skip(struct slice s, size_t n)
{
    if (s.n == 0)
        return s; /* p may be NULL: no arithmetic on it */
    return n >= s.n ? slice_of(s.p + s.n, 0) : slice_of(s.p + n, s.n - n);
}
static inline struct slice slice_take(struct slice s, size_t n)
{
    return n >= s.n ? s : slice_of(s.p, n);
}

/*
 * Both ends of a short text as numbers. Two texts of the same length up to 16 bytes are equal when
 * their ends are.
 */
struct slice_ends {
    uint64_t a, b;
};
static inline struct slice_ends slice_ends_of(struct slice s)
{
    struct slice_ends e = { 0, 0 };
    uint32_t x, y;

    if (s.n >= 8) {
        memcpy(&e.a, s.p, 8);
        memcpy(&e.b, s.p + s.n - 8, 8);
    } else if (s.n >= 4) {
        memcpy(&x, s.p, 4);
        memcpy(&y, s.p + s.n - 4, 4);
        e = (struct slice_ends){ x, y };
    } else if (s.n) {
        e.a = (unsigned char)s.p[0];
        e.b = (unsigned char)s.p[s.n / 2] + ((uint64_t)(unsigned char)s.p[s.n - 1] << 8);
    }
    return e;
}
/* Does it begin with a text whose ends these are? For what is mostly another one. */
static inline bool slice_starts_as(struct slice s, struct slice text, struct slice_ends ends)
{
    struct slice_ends here;

    if (s.n < text.n)
        return false;
    here = slice_ends_of(slice_of(s.p, text.n));
    return here.a == ends.a && here.b == ends.b &&
           (text.n <= 16 || memcmp(s.p, text.p, text.n) == 0);
}
/*
 * A quick number for a name, of its length and its ends: for a cache or a filter, where a stranger
 * who makes names collide gains nothing but the slow way. Tables have table_hash().
 */
static inline uint64_t slice_ends_mix(struct slice_ends e, size_t n)
{
    return ((e.a ^ e.b << 5 ^ e.b >> 59) + n) * UINT64_C(0x9e3779b97f4a7c15);
}

static inline char ascii_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}
bool slice_eq_nocase(struct slice a, struct slice b); /* ASCII only */
int slice_cmp(struct slice a, struct slice b); /* bytewise, like strcmp */
bool slice_starts(struct slice s, struct slice prefix);
bool slice_ends(struct slice s, struct slice suffix);
/* Offset of the first (last) occurrence, or SIZE_MAX. */
size_t slice_find(struct slice s, struct slice what);
size_t slice_find_byte(struct slice s, char c);
size_t slice_rfind_byte(struct slice s, char c);
struct slice slice_trim(struct slice s); /* blanks, tabs, CR, LF at both ends */
/* Cuts *rest before the first c and behind it; false when *rest is used up (p NULL). */
bool slice_split(struct slice *rest, char c, struct slice *ret_part);
char *slice_dup(struct slice s) MUST_CHECK; /* new NUL-terminated string, or NULL */

struct buf {
    char *p;
    size_t n;
    size_t cap;
    size_t limit; /* 0 = none */
    bool failed;
};

#define BUF_INIT                                                                                   \
    {                                                                                              \
        0                                                                                          \
    }
#define BUF_LIMIT(max)                                                                             \
    {                                                                                              \
        .limit = (max)                                                                             \
    }

void buf_fini(struct buf *b);
#define AUTO_BUF __attribute__((cleanup(buf_fini))) struct buf
void buf_reset(struct buf *b); /* empty, keeps the memory, forgets a failure */
bool buf_reserve(struct buf *b, size_t more);
void buf_add(struct buf *b, const void *p, size_t n);
void buf_slice(struct buf *b, struct slice s);
void buf_str(struct buf *b, const char *text);
static inline void buf_char(struct buf *b, char c)
{
    if (b->failed || b->limit || b->n + 1 >= b->cap) {
        buf_add(b, &c, 1);
        return;
    }
    b->p[b->n++] = c;
    b->p[b->n] = '\0';
}
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
void buf_vprintf(struct buf *b, const char *fmt, va_list args) PRINTF_LIKE(2, 0);
void buf_u64(struct buf *b, uint64_t v);
void buf_hex(struct buf *b, const void *p, size_t n);
void buf_base64(struct buf *b, const void *p, size_t n, bool padded);

static inline bool buf_ok(const struct buf *b)
{
    return !b->failed;
}
static inline struct slice buf_view(const struct buf *b) /* until the next write */
{
    return (struct slice){ b->p ? b->p : "", b->n };
}
/* The bytes as a heap string; the buf is empty afterwards. NULL when failed. */
char *buf_take(struct buf *b) MUST_CHECK;

/* Strict: standard alphabet, length and padding right (or no padding at all). */
int base64_decode(struct slice text, bool padded, void *out, size_t out_max, size_t *ret_n);
int hex_decode(struct slice text, void *out, size_t out_size); /* lower case, exact length */
