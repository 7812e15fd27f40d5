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
 *
 * Each reader of a part begins at p and returns where the part ends; NULL: not ordinary.
 */
#include "base/json-private.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "base/utf8.h"

#define TOLD_MAX 256
#define KEYS_MAX 256 /* of the objects open at once, without those that are kept */
#define OBJECT_KEYS_MAX 64 /* of one: they are compared with each other */
#define ROOM 8192

struct scalar {
    struct slice path, text;
    enum json_type type;
};

struct plain {
    const char *begin, *end;
    const struct json_flat *flat;
    unsigned high; /* not 0: a byte of a string so far is not ASCII */
    size_t nscalars, left, max, nkeys, depth, used;
    struct scalar scalars[TOLD_MAX];
    struct slice keys[KEYS_MAX];
    char room[ROOM];
};

/* Where a value stands. */
struct place {
    struct slice path;
    struct json_key *key; /* NULL: it is not kept */
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

/* The same by words and bytes: for short texts, and for machines without SSE2. */
static const char *slow_end(const char *p, const char *end, unsigned *high)
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

#ifdef __SSE2__
/* A bit for each of sixteen bytes: it is one of those. */
static ALWAYS_INLINE unsigned stops_near(const char *p, unsigned *high)
{
    const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\');
    const __m128i control = _mm_set1_epi8(0x1f);
    __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
    __m128i stop = _mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, backslash));

    *high |= (unsigned)_mm_movemask_epi8(v);
    return (unsigned)_mm_movemask_epi8(
        _mm_or_si128(stop, _mm_cmpeq_epi8(_mm_min_epu8(v, control), v)));
}
#endif

/* The first quote, backslash or control from p on, or the end. */
static ALWAYS_INLINE const char *run_end(struct plain *t, const char *p)
{
#ifdef __SSE2__
    unsigned at, before;

    for (; t->end - p >= 16; p += 16) {
        at = stops_near(p, &t->high);
        if (at)
            return p + __builtin_ctz(at);
    }
    before = (unsigned)(16 - (t->end - p));
    if (LIKELY(t->end - t->begin >= 16)) { /* the last sixteen: some of them are behind us */
        at = stops_near(t->end - 16, &t->high) >> before;
        return at ? p + __builtin_ctz(at) : t->end;
    }
#endif
    return slow_end(p, t->end, &t->high);
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
static const char *escaped_character(struct plain *t, const char *p)
{
    uint32_t cp = 0;
    char out[4];

    if (t->end - p < 4)
        return NULL;
    for (unsigned i = 0; i < 4; i++) {
        int v = hex_value(*p++);

        if (v < 0)
            return NULL;
        cp = cp << 4 | (uint32_t)v;
    }
    if (cp >= 0xd800 && cp <= 0xdfff)
        return NULL;
    return room_add(t, out, utf8_encode(cp, out)) ? p : NULL;
}

/* At a backslash. */
static const char *escape(struct plain *t, const char *p)
{
    static const char means[128] = { ['"'] = '"',  ['\\'] = '\\', ['/'] = '/',  ['b'] = '\b',
                                     ['f'] = '\f', ['n'] = '\n',  ['r'] = '\r', ['t'] = '\t' };
    unsigned char c;

    if (t->end - p < 2)
        return NULL;
    c = (unsigned char)p[1];
    if (c == 'u')
        return escaped_character(t, p + 2);
    return c < sizeof means && means[c] && room_add(t, &means[c], 1) ? p + 2 : NULL;
}

/* The rest of a string that begins at `from` and has its first backslash at p. */
static const char *escaped_string(struct plain *t, const char *from, const char *p,
                                  struct slice *ret)
{
    size_t begin = t->used;

    while (*p != '"') {
        if (!room_add(t, from, (size_t)(p - from)) || *p != '\\' || !(p = escape(t, p)))
            return NULL;
        from = p;
        p = run_end(t, p);
        if (p == t->end)
            return NULL;
    }
    if (!room_add(t, from, (size_t)(p - from)))
        return NULL;
    *ret = slice_of(t->room + begin, t->used - begin);
    return p + 1;
}

/* Behind the opening quote; goes behind the closing one. */
static ALWAYS_INLINE const char *string(struct plain *t, const char *from, struct slice *ret)
{
    const char *p = run_end(t, from);

    if (UNLIKELY(p == t->end))
        return NULL;
    if (UNLIKELY(*p != '"'))
        return escaped_string(t, from, p, ret);
    *ret = slice_of(from, (size_t)(p - from));
    return p + 1;
}

static ALWAYS_INLINE bool blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The next byte that is no blank, or the end. */
static ALWAYS_INLINE const char *skip(const struct plain *t, const char *p)
{
    while (p < t->end && UNLIKELY(blank(*p)))
        p++;
    return p;
}

/* NUL at the end, which ends no ordinary text. */
static ALWAYS_INLINE char byte(const struct plain *t, const char *p)
{
    return LIKELY(p < t->end) ? *p : '\0';
}

/* ---- keys ---- */

/* An object that is open. */
struct object {
    struct place place;
    uint64_t number; /* for keys that are kept */
    size_t first; /* for the others: where they begin in t->keys */
    uint64_t seen; /* one bit of 64 for each */
    struct json_key **expected; /* what stood here the last time */
};

/* Was it not yet in the object? */
static bool note_key(struct plain *t, struct object *o, struct slice key)
{
    uint64_t bit = UINT64_C(1) << (slice_ends_mix(slice_ends_of(key), key.n) >> 58);

    for (size_t i = o->first; UNLIKELY(o->seen & bit) && i < t->nkeys; i++)
        if (slice_eq(t->keys[i], key))
            return false;
    if (t->nkeys == KEYS_MAX || t->nkeys - o->first == OBJECT_KEYS_MAX)
        return false;
    o->seen |= bit;
    t->keys[t->nkeys++] = key;
    return true;
}

static bool note_kept_key(const struct object *o, struct json_key *k)
{
    bool twice = k->object == o->number;

    k->object = o->number;
    return !twice;
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

static struct json_key *kept_key(const struct plain *t, const struct object *o, struct slice key)
{
    bool made = false;
    struct json_key *k =
        o->place.key ? json_key_find(t->flat->keys, o->place.key, key, &made) : NULL;

    if (made && t->flat->number)
        k->number = t->flat->number(t->flat->ctx, json_key_path(k));
    return k;
}

/* At the quote of a key; goes to its value. `from`: where it begins, with what is before it. */
static const char *new_key(struct plain *t, struct object *o, const char *from, const char *p,
                           bool first, struct place *ret)
{
    const char *plain = p + 1;
    struct json_key *k;
    struct slice key;

    p = string(t, plain, &key);
    p = p ? skip(t, p) : t->end;
    if (byte(t, p) != ':')
        return NULL;
    p = skip(t, p + 1);
    k = kept_key(t, o, key);
    if (k ? !note_kept_key(o, k) : !note_key(t, o, key))
        return NULL;
    ret->key = k;
    if (!k)
        return path_of(t, o->place.path, key, &ret->path) ? p : NULL;
    ret->path = o->place.path.n ? json_key_path(k) : key;
    if (key.p == plain)
        json_key_stood(k, slice_of(from, (size_t)(p - from)), (size_t)(plain - from), first);
    *o->expected = k;
    o->expected = &k->next;
    return p;
}

/* From behind the bracket, or behind a value. At the end of the object *ret_over is set. */
static const char *next_key(struct plain *t, struct object *o, const char *from, bool first,
                            struct place *ret, bool *ret_over)
{
    const char *p = skip(t, from);

    if (byte(t, p) == '}') {
        *ret_over = true;
        return p + 1;
    }
    if (!first) {
        if (byte(t, p) != ',')
            return NULL;
        p = skip(t, p + 1);
    }
    return byte(t, p) == '"' ? new_key(t, o, from, p, first, ret) : NULL;
}

/* The same; where the expected key stands, it is known how it goes on. */
static ALWAYS_INLINE const char *key(struct plain *t, struct object *o, const char *p, bool first,
                                     struct place *ret, bool *ret_over)
{
    struct json_key *k = *o->expected;

    if (UNLIKELY(!k || !json_key_stands(k, first, p, t->end)))
        return next_key(t, o, p, first, ret, ret_over);
    ret->key = k;
    /* In the line where it can be: whoever keeps it need not copy it then. */
    ret->path = o->place.path.n ? json_key_path(k) : slice_of(p + k->front, k->n);
    o->expected = &k->next;
    return note_kept_key(o, k) ? p + k->nraw : NULL;
}

/* ---- values ---- */

/* Of a key that is not kept it is not known. */
static ALWAYS_INLINE bool is_wanted(const struct json_flat *flat, const struct json_key *k)
{
    return !flat->wanted || !k ||
           (k->number < flat->nwanted && flat->wanted[k->number / 64] >> k->number % 64 & 1);
}

static ALWAYS_INLINE bool add(struct plain *t, const struct place *at, enum json_type type,
                              struct slice text)
{
    if (t->left == 0)
        return false;
    t->left--;
    if (is_wanted(t->flat, at->key))
        t->scalars[t->nscalars++] = (struct scalar){ at->path, text, type };
    return true;
}

static const char *word(struct plain *t, const char *p, const struct place *at, enum json_type type,
                        struct slice text)
{
    if ((size_t)(t->end - p) < text.n || memcmp(p, text.p, text.n) != 0)
        return NULL;
    return add(t, at, type, text) ? p + text.n : NULL;
}

/* Behind the digits; NULL: there is none. */
static ALWAYS_INLINE const char *digits(const struct plain *t, const char *from)
{
    const char *p = from;

    while (p < t->end && *p >= '0' && *p <= '9')
        p++;
    return p > from ? p : NULL;
}

/* RFC 8259, section 6. What follows is looked at by the caller: "01" ends behind its zero. */
static const char *number(struct plain *t, const char *from, const struct place *at)
{
    const char *p = from + (byte(t, from) == '-');

    p = byte(t, p) == '0' ? p + 1 : digits(t, p);
    if (p && byte(t, p) == '.')
        p = digits(t, p + 1);
    if (p && (byte(t, p) | 0x20) == 'e') {
        p++;
        p = digits(t, p + (byte(t, p) == '+' || byte(t, p) == '-'));
    }
    return p && add(t, at, JSON_NUMBER, slice_of(from, (size_t)(p - from))) ? p : NULL;
}

static const char *object(struct plain *t, const char *p, const struct place *at);
static const char *array(struct plain *t, const char *p, const struct place *at);

static const char *inside(struct plain *t, const char *p, const struct place *at,
                          const char *(*read)(struct plain *t, const char *p,
                                              const struct place *at))
{
    if (t->depth == JSON_DEPTH_MAX)
        return NULL;
    t->depth++;
    p = read(t, p + 1, at);
    t->depth--;
    return p;
}

static ALWAYS_INLINE const char *value(struct plain *t, const char *p, const struct place *at)
{
    struct slice text;
    char c = byte(t, p);

    if (c == '"') {
        p = string(t, p + 1, &text);
        return p && add(t, at, JSON_STRING, text) ? p : NULL;
    }
    switch (c) {
    case '{':
        return inside(t, p, at, object);
    case '[':
        return inside(t, p, at, array);
    case 't':
        return word(t, p, at, JSON_BOOL, SLICE("true"));
    case 'f':
        return word(t, p, at, JSON_BOOL, SLICE("false"));
    case 'n':
        return word(t, p, at, JSON_NULL, SLICE("null"));
    default:
        return number(t, p, at);
    }
}

/* Behind the bracket; goes behind the closing one. */
static const char *array(struct plain *t, const char *p, const struct place *at)
{
    p = skip(t, p);
    if (byte(t, p) == ']')
        return p + 1;
    while ((p = value(t, skip(t, p), at))) {
        p = skip(t, p);
        if (byte(t, p) != ',')
            return byte(t, p) == ']' ? p + 1 : NULL;
        p++;
    }
    return NULL;
}

static const char *object(struct plain *t, const char *p, const struct place *at)
{
    struct json_key *unknown = NULL;
    struct object o = { .place = *at, .first = t->nkeys };
    bool over = false;

    o.expected = at->key ? &at->key->inside : &unknown;
    if (at->key)
        o.number = json_keys_object(t->flat->keys);
    for (bool first = true;; first = false) {
        struct place member;

        p = key(t, &o, p, first, &member, &over);
        if (over)
            break;
        if (!p || !(p = value(t, p, &member)))
            return NULL;
    }
    t->nkeys = o.first;
    return p;
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
    struct place whole = { SLICE_NONE, flat->keys ? json_keys_begin(flat->keys) : NULL };
    const char *p;

    if (text.n == 0)
        return false;
    t.begin = text.p;
    t.end = text.p + text.n;
    t.high = 0;
    t.flat = flat;
    t.left = t.max = max < TOLD_MAX ? max : TOLD_MAX;
    t.nscalars = t.nkeys = t.depth = t.used = 0;
    p = skip(&t, text.p);
    if (byte(&t, p) != '{' || !(p = inside(&t, p, &whole, object)) || skip(&t, p) != t.end)
        return false;
    /* Between strings all is ASCII, and escapes give whole characters: what is valid as a whole is
     * valid in each. */
    if (UNLIKELY(t.high) && !utf8_valid(text))
        return false;
    flat->duplicate_key = false;
    flat->passed = t.max - t.left - t.nscalars;
    *ret_result = tell(&t, flat, err);
    return true;
}
