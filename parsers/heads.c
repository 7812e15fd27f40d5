/*
 * Heads: whether a line begins as one before it did, without asking the expression again.
 *
 * Most lines that begin a record differ in the digits of their time alone. Of an alternative of the
 * expression (`\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\] \w+\.[A-Z]+: `) the places in front that take one
 * byte each are compared by hand; what the rest of it matched once it matches again, because
 * nothing in it looks at what is before or behind (looks_no_further()). All else is asked of the
 * expression.
 */
#include <stdatomic.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "base/num.h"
#include "parsers/format.h"

#define PLACES_MIN 8 /* fewer save nothing */
#define RESTS 8
#define REST_MAX 48
/* Lines of which each has another rest are not learned for ever. */
#define LEARNED_MAX 256

/* ---- what takes one byte each ---- */

struct reading {
    struct slice text; /* an alternative */
    size_t at;
};

static bool is_plain(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c && strchr(" -:,/<>\"'=_@%&;!#~", c));
}

/* In a set: for itself. */
static bool is_either(char c)
{
    return is_plain(c) && c != '-';
}

static bool is_letter(char c)
{
    return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

/* The bytes that may stand at one place. */
struct place {
    char from, to, other;
};

/* False: something else stands there. */
static bool read_place(struct reading *r, struct place *ret)
{
    struct slice s = slice_skip(r->text, r->at);
    bool escaped = s.n >= 2 && s.p[0] == '\\';

    if (escaped && s.p[1] == 'd') {
        *ret = (struct place){ '0', '9', '0' };
    } else if (escaped && !is_letter(s.p[1]) && (s.p[1] < '0' || s.p[1] > '9')) {
        *ret = (struct place){ s.p[1], s.p[1], s.p[1] };
    } else if (s.n >= 4 && s.p[0] == '[' && s.p[3] == ']' && is_either(s.p[1]) &&
               is_either(s.p[2])) {
        *ret = (struct place){ s.p[1], s.p[1], s.p[2] };
        r->at += 4;
        return true;
    } else if (s.n && is_plain(s.p[0])) {
        *ret = (struct place){ s.p[0], s.p[0], s.p[0] };
    } else {
        return false;
    }
    r->at += escaped ? 2 : 1;
    return true;
}

/* How often; 0: that differs. */
static size_t read_times(struct reading *r)
{
    struct slice s = slice_skip(r->text, r->at);
    size_t end = slice_find_byte(s, '}');
    uint64_t n;

    if (s.n == 0 || !strchr("?*+{", s.p[0]))
        return 1;
    if (s.p[0] != '{' || end == SIZE_MAX ||
        parse_u64(slice_of(s.p + 1, end - 1), 1, HEAD_PLACES_MAX, &n) < 0)
        return 0;
    r->at += end + 1;
    s = slice_skip(s, end + 1);
    return s.n && strchr("?+", s.p[0]) ? 0 : (size_t)n;
}

static void read_places(struct slice alternative, struct head *h)
{
    struct reading r = { .text = alternative };
    struct place place;

    h->n = 0;
    memset(h->from, 0, sizeof h->from);
    memset(h->to, UINT8_MAX, sizeof h->to);
    while (h->n < HEAD_PLACES_MAX && read_place(&r, &place)) {
        size_t times = read_times(&r);

        if (times == 0)
            break;
        for (; times && h->n < HEAD_PLACES_MAX; times--, h->n++) {
            h->from[h->n] = (uint8_t)place.from;
            h->to[h->n] = (uint8_t)place.to;
            h->other[h->n] = (uint8_t)place.other;
        }
    }
}

/* ---- alternatives ---- */

/* Behind a set: "[]a]" holds a bracket. */
static size_t set_end(struct slice s, size_t i)
{
    i += slice_starts(slice_skip(s, i + 1), SLICE("^")) ? 2 : 1;
    i += i < s.n && s.p[i] == ']' ? 1 : 0;
    while (i < s.n && s.p[i] != ']')
        i += s.p[i] == '\\' ? 2 : 1;
    return i;
}

/* Where the alternative that s begins with ends: at a bar, at the end of its group, or of s. */
static size_t alternative_end(struct slice s)
{
    unsigned depth = 0;

    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        if (depth == 0 && (c == '|' || c == ')'))
            return i;
        if (c == '\\')
            i++;
        else if (c == '[')
            i = set_end(s, i);
        else if (c == '(')
            depth++;
        else if (c == ')')
            depth--;
    }
    return s.n;
}

/* What may stand in one alternative and mean something in another, or hides where one ends. */
static bool is_simple(struct slice pattern)
{
    if (slice_find(pattern, SLICE("[:")) != SIZE_MAX ||
        slice_find(pattern, SLICE("\\Q")) != SIZE_MAX)
        return false;
    for (size_t at; (at = slice_find(pattern, SLICE("(?"))) != SIZE_MAX;) {
        pattern = slice_skip(pattern, at + 2);
        if (pattern.n == 0 || pattern.p[0] != ':')
            return false;
    }
    return true;
}

struct slice head_read(struct slice pattern, struct head *h)
{
    static atomic_uint ids;
    struct slice rest = is_simple(pattern) ? slice_skip(pattern, 1) : SLICE_NONE;
    bool grouped = slice_starts(rest, SLICE("(?:"));

    *h = (struct head){ .id = atomic_fetch_add(&ids, 1) + 1 };
    for (rest = grouped ? slice_skip(rest, 3) : rest; rest.n;) {
        size_t end = alternative_end(rest);
        struct slice one = slice_take(rest, end);

        /* Behind a group there is more, or a bar without a group leaves the others unanchored. */
        if ((grouped && end == rest.n) || (grouped && rest.p[end] == ')' && end + 1 < rest.n) ||
            (!grouped && end < rest.n))
            break;
        read_places(one, h);
        if (h->n >= PLACES_MIN)
            return one;
        rest = slice_skip(rest, end + 1);
    }
    h->n = 0;
    return SLICE_NONE;
}

/* ---- lines ---- */

/* What the rest matched in lines of one format. */
static __thread struct learned {
    unsigned format;
    unsigned n, made;
    struct {
        size_t n;
        struct slice_ends ends;
        char text[REST_MAX];
    } rests[RESTS];
} learned;

#ifdef __SSE2__
static __m128i sixteen(const void *p)
{
    return _mm_loadu_si128(p);
}

static bool sixteen_fit(const struct head *h, size_t i, const char *line)
{
    __m128i v = sixteen(line + i);
    __m128i in = _mm_and_si128(_mm_cmpeq_epi8(_mm_max_epu8(v, sixteen(h->from + i)), v),
                               _mm_cmpeq_epi8(_mm_min_epu8(v, sixteen(h->to + i)), v));

    in = _mm_or_si128(in, _mm_cmpeq_epi8(v, sixteen(h->other + i)));
    return _mm_movemask_epi8(in) == UINT16_MAX;
}
#endif

static bool places_fit(const struct head *h, struct slice line)
{
    size_t i = 0;

    if (h->n == 0 || line.n < h->n)
        return false;
#ifdef __SSE2__
    for (; i < h->n && i + 16 <= line.n; i += 16)
        if (!sixteen_fit(h, i, line.p))
            return false;
#endif
    for (; i < h->n; i++) {
        uint8_t c = (uint8_t)line.p[i];

        if ((c < h->from[i] || c > h->to[i]) && c != h->other[i])
            return false;
    }
    return true;
}

bool head_known(const struct head *h, struct slice line)
{
    struct slice rest = slice_skip(line, h->n);

    if (learned.format != h->id || !places_fit(h, line))
        return false;
    for (unsigned i = 0; i < learned.n; i++)
        if (slice_starts_as(rest, slice_of(learned.rests[i].text, learned.rests[i].n),
                            learned.rests[i].ends))
            return true;
    return false;
}

void head_learn(const struct head *h, struct regex_scratch *s, struct slice line)
{
    struct slice whole, rest;
    unsigned i;

    if (learned.format != h->id)
        learned = (struct learned){ .format = h->id };
    if (!places_fit(h, line) || learned.made == LEARNED_MAX ||
        regex_match(h->alone, s, line, &whole, 1) != 1)
        return;
    rest = slice_skip(whole, h->n);
    if (rest.n > REST_MAX || whole.n < h->n)
        return;
    i = learned.made++ % RESTS;
    learned.n = learned.n < RESTS ? learned.n + 1 : RESTS;
    memcpy(learned.rests[i].text, rest.p, rest.n);
    learned.rests[i].n = rest.n;
    learned.rests[i].ends = slice_ends_of(rest);
}
