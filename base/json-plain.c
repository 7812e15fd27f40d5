/*
 * Ordinary JSON, read in one go: what nearly every line of a log is.
 *
 * Ordinary is: one object, within the limits below, valid UTF-8, no key twice in an object, no
 * escaped surrogate. Whatever else comes, also each fault, is left to yajl from the first byte on:
 * so this reader never judges what is wrong, it only must not take what yajl would take otherwise.
 * tests/property/prop_json.c holds the two against each other.
 *
 * Scalars are collected and told at the end, when the whole text is known to be ordinary. Paths
 * and texts stay where they are in the line; what is made (a path of two keys, a string with
 * escapes) is written to the room.
 */
#include "base/json-private.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "base/utf8.h"

#define TOLD_MAX 256
#define KEYS_MAX 256 /* of the objects open at once */
#define OBJECT_KEYS_MAX 64 /* of one: they are compared with each other */
#define ROOM 8192

struct scalar {
    struct slice path, text;
    enum json_type type;
};

struct plain {
    const char *p, *end;
    size_t nscalars, max, nkeys, depth, used;
    struct scalar scalars[TOLD_MAX];
    struct slice keys[KEYS_MAX];
    char room[ROOM];
};

/* ---- strings ---- */

#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

/* Is a byte of the word zero? Exact, though not which of them. */
static uint64_t has_zero(uint64_t w)
{
    return (w - EACH(1)) & ~w & EACH(0x80);
}

/* Is one of the eight bytes a quote, a backslash or a control? */
static bool word_stops(uint64_t w)
{
    return has_zero(w ^ EACH('"')) | has_zero(w ^ EACH('\\')) |
           ((w - EACH(0x20)) & ~w & EACH(0x80));
}

static bool stops(char c)
{
    return c == '"' || c == '\\' || (unsigned char)c < 0x20;
}

/* The same by words and bytes: for the end of the text, and for machines without SSE2. */
static const char *tail_end(const char *p, const char *end, unsigned *high)
{
    uint64_t w, all = 0;

    for (; end - p >= 8; p += 8) {
        memcpy(&w, p, sizeof w);
        if (word_stops(w))
            break;
        all |= w;
    }
    for (; p < end && !stops(*p); p++)
        all |= (unsigned char)*p;
    *high |= (all & EACH(0x80)) != 0;
    return p;
}

/* The first quote, backslash or control from p on, or end. *high is not 0 when a byte before it is
 * not ASCII. */
static ALWAYS_INLINE const char *run_end(const char *p, const char *end, unsigned *high)
{
#ifdef __SSE2__
    const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\');
    const __m128i control = _mm_set1_epi8(0x1f);

    for (; end - p >= 16; p += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i stop = _mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, backslash));
        unsigned at, upper = (unsigned)_mm_movemask_epi8(v);

        stop = _mm_or_si128(stop, _mm_cmpeq_epi8(_mm_min_epu8(v, control), v));
        at = (unsigned)_mm_movemask_epi8(stop);
        if (at) {
            *high |= upper & (at - 1) & ~at;
            return p + __builtin_ctz(at);
        }
        *high |= upper;
    }
#endif
    return tail_end(p, end, high);
}

static bool room_add(struct plain *t, const char *p, size_t n)
{
    if (n > sizeof t->room - t->used)
        return false;
    memcpy(t->room + t->used, p, n);
    t->used += n;
    return true;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Behind "\u". Surrogates are not ordinary. */
static bool escaped_character(struct plain *t)
{
    uint32_t cp = 0;
    char out[4];

    if (t->end - t->p < 4)
        return false;
    for (unsigned i = 0; i < 4; i++) {
        int v = hex_value(*t->p++);

        if (v < 0)
            return false;
        cp = cp << 4 | (uint32_t)v;
    }
    if (cp >= 0xd800 && cp <= 0xdfff)
        return false;
    return room_add(t, out, utf8_encode(cp, out));
}

/* At a backslash. */
static bool escape(struct plain *t)
{
    static const char means[128] = { ['"'] = '"',  ['\\'] = '\\', ['/'] = '/',  ['b'] = '\b',
                                     ['f'] = '\f', ['n'] = '\n',  ['r'] = '\r', ['t'] = '\t' };
    unsigned char c;

    if (t->end - t->p < 2)
        return false;
    c = (unsigned char)t->p[1];
    t->p += 2;
    if (c == 'u')
        return escaped_character(t);
    return c < sizeof means && means[c] && room_add(t, &means[c], 1);
}

/* The rest of a string whose first backslash is at t->p. */
static bool escaped_string(struct plain *t, const char *from, unsigned high, struct slice *ret)
{
    size_t begin = t->used;
    const char *raw = from;

    while (*t->p != '"') {
        if (!room_add(t, from, (size_t)(t->p - from)) || *t->p != '\\' || !escape(t))
            return false;
        from = t->p;
        t->p = run_end(t->p, t->end, &high);
        if (t->p == t->end)
            return false;
    }
    if (!room_add(t, from, (size_t)(t->p - from)))
        return false;
    /* Escapes are ASCII and give whole characters: valid before is valid after. */
    if (high && !utf8_valid(slice_of(raw, (size_t)(t->p - raw))))
        return false;
    *ret = slice_of(t->room + begin, t->used - begin);
    t->p++;
    return true;
}

/* Behind the opening quote; goes behind the closing one. */
static ALWAYS_INLINE bool string(struct plain *t, struct slice *ret)
{
    const char *from = t->p;
    unsigned high = 0;

    t->p = run_end(from, t->end, &high);
    if (t->p == t->end)
        return false;
    if (UNLIKELY(*t->p != '"'))
        return escaped_string(t, from, high, ret);
    *ret = slice_of(from, (size_t)(t->p - from));
    t->p++;
    return !UNLIKELY(high) || utf8_valid(*ret);
}

/* ---- keys ---- */

/* Was it not yet in the object whose keys begin at `first`? *seen: one bit of 64 for each. */
static bool note_key(struct plain *t, size_t first, uint64_t *seen, struct slice key)
{
    uint64_t bit = UINT64_C(1) << (slice_ends_mix(slice_ends_of(key), key.n) >> 58);

    for (size_t i = first; UNLIKELY(*seen & bit) && i < t->nkeys; i++)
        if (slice_eq(t->keys[i], key))
            return false;
    if (t->nkeys == KEYS_MAX || t->nkeys - first == OBJECT_KEYS_MAX)
        return false;
    *seen |= bit;
    t->keys[t->nkeys++] = key;
    return true;
}

/* Its length is judged as yajl's side does it. */
static bool path_of(struct plain *t, struct slice base, struct slice key, struct slice *ret)
{
    size_t begin = t->used;

    if (base.n + key.n + 1 > JSON_PATH_MAX)
        return false;
    *ret = key;
    if (base.n == 0)
        return true;
    if (!room_add(t, base.p, base.n) || !room_add(t, ".", 1) || !room_add(t, key.p, key.n))
        return false;
    *ret = slice_of(t->room + begin, t->used - begin);
    return true;
}

/* ---- values ---- */

static ALWAYS_INLINE bool blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The next byte that is no blank; NUL at the end, which ends no ordinary text. */
static ALWAYS_INLINE char next(struct plain *t)
{
    while (t->p < t->end && UNLIKELY(blank(*t->p)))
        t->p++;
    return LIKELY(t->p < t->end) ? *t->p : '\0';
}

static bool add(struct plain *t, struct slice path, enum json_type type, struct slice text)
{
    if (t->nscalars == t->max)
        return false;
    t->scalars[t->nscalars++] = (struct scalar){ path, text, type };
    return true;
}

static bool word(struct plain *t, struct slice path, enum json_type type, struct slice text)
{
    if ((size_t)(t->end - t->p) < text.n || memcmp(t->p, text.p, text.n) != 0)
        return false;
    t->p += text.n;
    return add(t, path, type, text);
}

/* Goes behind the digits; false: there is none. */
static bool digits(struct plain *t)
{
    const char *from = t->p;

    while (t->p < t->end && *t->p >= '0' && *t->p <= '9')
        t->p++;
    return t->p > from;
}

static bool at(const struct plain *t, char c)
{
    return t->p < t->end && *t->p == c;
}

/* RFC 8259, section 6. What follows is looked at by the caller: "01" ends behind its zero. */
static bool number(struct plain *t, struct slice path)
{
    const char *from = t->p;

    t->p += at(t, '-');
    if (at(t, '0'))
        t->p++;
    else if (!digits(t))
        return false;
    if (at(t, '.')) {
        t->p++;
        if (!digits(t))
            return false;
    }
    if (at(t, 'e') || at(t, 'E')) {
        t->p++;
        t->p += at(t, '+') || at(t, '-');
        if (!digits(t))
            return false;
    }
    return add(t, path, JSON_NUMBER, slice_of(from, (size_t)(t->p - from)));
}

static bool object(struct plain *t, struct slice base);
static bool array(struct plain *t, struct slice path);

static bool inside(struct plain *t, bool (*read)(struct plain *t, struct slice path),
                   struct slice path)
{
    bool ok;

    if (t->depth == JSON_DEPTH_MAX)
        return false;
    t->depth++;
    t->p++;
    ok = read(t, path);
    t->depth--;
    return ok;
}

/* c: the first byte of the value, at t->p. */
static ALWAYS_INLINE bool value(struct plain *t, char c, struct slice path)
{
    struct slice text;

    if (c == '"') {
        t->p++;
        return string(t, &text) && add(t, path, JSON_STRING, text);
    }
    switch (c) {
    case '{':
        return inside(t, object, path);
    case '[':
        return inside(t, array, path);
    case 't':
        return word(t, path, JSON_BOOL, SLICE("true"));
    case 'f':
        return word(t, path, JSON_BOOL, SLICE("false"));
    case 'n':
        return word(t, path, JSON_NULL, SLICE("null"));
    default:
        return number(t, path);
    }
}

/* Behind the bracket; goes behind the closing one. */
static bool array(struct plain *t, struct slice path)
{
    char c = next(t);

    if (c == ']') {
        t->p++;
        return true;
    }
    for (;; c = next(t)) {
        if (!value(t, c, path))
            return false;
        c = next(t);
        t->p += c != '\0';
        if (c != ',')
            return c == ']';
    }
}

static ALWAYS_INLINE bool member(struct plain *t, struct slice base, size_t first, uint64_t *seen)
{
    struct slice key, path;

    t->p++;
    if (!string(t, &key) || !note_key(t, first, seen, key) || !path_of(t, base, key, &path) ||
        next(t) != ':')
        return false;
    t->p++;
    return value(t, next(t), path);
}

static bool object(struct plain *t, struct slice base)
{
    size_t first = t->nkeys;
    uint64_t seen = 0;
    char c = next(t);

    if (c == '}') {
        t->p++;
        return true;
    }
    for (; c == '"'; c = next(t)) {
        if (!member(t, base, first, &seen))
            return false;
        c = next(t);
        t->p += c != '\0';
        if (c != ',') {
            t->nkeys = first;
            return c == '}';
        }
    }
    return false;
}

/* ---- the text ---- */

static int tell(const struct plain *t, const struct json_flat *flat, struct err *err)
{
    for (size_t i = 0; i < t->nscalars; i++) {
        const struct scalar *s = &t->scalars[i];
        int r = flat->scalar(flat->ctx, s->path, s->type, s->text);

        if (r < 0)
            return err_set(err, r, "JSON: refused");
    }
    return 0;
}

bool json_plain(struct slice text, struct json_flat *flat, int *ret_result, struct err *err)
{
    UNINITIALIZED struct plain t; /* its lists need no clearing */
    size_t max = flat->scalars_max ? flat->scalars_max : JSON_SCALARS_MAX;

    if (text.n == 0)
        return false;
    t.p = text.p;
    t.end = text.p + text.n;
    t.max = max < TOLD_MAX ? max : TOLD_MAX;
    t.nscalars = t.nkeys = t.depth = t.used = 0;
    if (next(&t) != '{' || !inside(&t, object, SLICE_NONE) || next(&t) != '\0' || t.p != t.end)
        return false;
    flat->duplicate_key = false;
    *ret_result = tell(&t, flat, err);
    return true;
}
