#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "base/literal.h"

#include <stdlib.h>

#include "base/utf8.h"

#define COST_NONE 1000000u
#define COST_GOOD 200u /* of a set, and for each of its literals this much more: */
#define COST_EACH 12u
#define COST_SIGNS 150u /* they have a search of their own: only where there is nothing good */
#define RARE 5u /* of a thousand sample lines */

/* Runs of what logs say all the time; a literal that stands in here says little. */
static const char common[] =
    " http/1.0 http/1.1 http/2.0 200 ok get post message level info: user name username from time "
    "timestamp date client address connection request response server status port -0000 +0000 "
    "00:00:00 .000000 2024 2025 2026 2027 127.0.0.1 https:// true false null root localhost "
    "service ";

struct slice literal_lower(struct arena *a, struct slice text)
{
    char *out = arena_text(a, text.n + 1);

    for (size_t i = 0; out && i < text.n; i++)
        out[i] = ascii_lower(text.p[i]);
    return out ? slice_of(out, text.n) : SLICE_NONE;
}

/*
 * Some format may write these otherwise: JSON and Go escape, logfmt quotes, a mask is put where a
 * secret was (*), and half a surrogate pair is read as a question mark. What JSON can write as \u00
 * only, and HTML as an entity, need not be cut: records with those are always parsed (lane.h).
 */
static bool cuts(char c)
{
    return (unsigned char)c <= 0x1f || (unsigned char)c >= 0x7f || strchr("\"\\*?", c);
}

/* ---- runs of digits ---- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

#ifdef __SSE2__
/* A bit for each of 16 bytes that is a digit. */
static ALWAYS_INLINE uint64_t digits_16(const char *p)
{
    const __m128i zero = _mm_set1_epi8((char)('0' - 128)), ten = _mm_set1_epi8(10 - 128);
    __m128i some = _mm_loadu_si128((const __m128i *)(const void *)p);

    return (unsigned)_mm_movemask_epi8(_mm_cmplt_epi8(_mm_sub_epi8(some, zero), ten));
}

static ALWAYS_INLINE uint64_t digits_64(const char *p)
{
    return digits_16(p) | digits_16(p + 16) << 16 | digits_16(p + 32) << 32 |
           digits_16(p + 48) << 48;
}
#endif

/* A place before which no run of n begins. */
static size_t skip_short_runs(size_t n, struct slice s, size_t from)
{
#ifdef __SSE2__
    size_t least = n < 32 ? n : 32;

    for (; from + 64 <= s.n; from += 64 - (least - 1)) {
        uint64_t runs = digits_64(s.p + from); /* a bit where so many begin: of 1, 2, 4, ... */

        for (size_t known = 1; known < least && runs;) {
            size_t more = known < least - known ? known : least - known;

            runs &= runs >> more;
            known += more;
        }
        if (runs)
            return from + (size_t)__builtin_ctzll(runs);
    }
#else
    (void)n;
    (void)s;
#endif
    return from;
}

/* A run of n or more has a digit at each n-th place of the text: the rest is only looked at there.
 */
static size_t find_digits(size_t n, struct slice s, size_t from)
{
    from = skip_short_runs(n, s, from);
    for (size_t at = from + n - 1; at < s.n;) {
        size_t begin = at, end = at;

        if (!is_digit(s.p[at])) {
            at += n;
            continue;
        }
        while (begin > from && is_digit(s.p[begin - 1]))
            begin--;
        while (end < s.n && is_digit(s.p[end]))
            end++;
        if (end - begin >= n)
            return end;
        at = end + n;
    }
    return SIZE_MAX;
}

size_t literal_find(struct slice literal, struct slice lower, size_t from)
{
    size_t n = literal_digits(literal), at;

    if (n)
        return find_digits(n, lower, from);
    at = slice_find(slice_skip(lower, from), literal);
    return at == SIZE_MAX ? SIZE_MAX : from + at + literal.n;
}

/* ---- in one raw record ---- */

static bool is_at(const char *p, struct slice literal)
{
    for (size_t i = 0; i < literal.n; i++)
        if (ascii_lower(p[i]) != literal.p[i])
            return false;
    return true;
}

#ifdef __SSE2__
/* At one of the sixteen places from p on? Both its ends are looked at first, as if all had case. */
static bool is_near(const char *p, struct slice literal)
{
    const __m128i bit = _mm_set1_epi8(0x20);
    __m128i a = _mm_loadu_si128((const __m128i *)(const void *)p);
    __m128i b = _mm_loadu_si128((const __m128i *)(const void *)(p + literal.n - 1));
    __m128i first = _mm_set1_epi8((char)(literal.p[0] | 0x20));
    __m128i last = _mm_set1_epi8((char)(literal.p[literal.n - 1] | 0x20));
    unsigned both = (unsigned)_mm_movemask_epi8(_mm_and_si128(
        _mm_cmpeq_epi8(_mm_or_si128(a, bit), first), _mm_cmpeq_epi8(_mm_or_si128(b, bit), last)));

    for (; both; both &= both - 1)
        if (is_at(p + __builtin_ctz(both), literal))
            return true;
    return false;
}
#endif

static bool stands(struct slice literal, struct slice raw)
{
    const char *p = raw.p, *end;

    if (literal_digits(literal))
        return find_digits(literal.n, raw, 0) != SIZE_MAX;
    if (raw.n < literal.n)
        return false;
    end = p + (raw.n - literal.n) + 1; /* of the places */
#ifdef __SSE2__
    for (; end - p >= 16; p += 16)
        if (is_near(p, literal))
            return true;
#endif
    for (; p < end; p++)
        if (is_at(p, literal))
            return true;
    return false;
}

bool literals_stand(const struct slice *list, size_t n, struct slice raw)
{
    for (size_t i = 0; i < n; i++)
        if (stands(list[i], raw))
            return true;
    return false;
}

void literal_show(struct buf *out, struct slice literal)
{
    if (literal_digits(literal)) {
        buf_printf(out, "%zu digits in a row", literal_digits(literal));
        return;
    }
    buf_char(out, '\'');
    buf_printable(out, literal);
    buf_char(out, '\'');
}

/* ---- what a literal lets through ---- */

/* Of a thousand sample lines, how many hold it? */
static unsigned share(const struct literal_sample *s, struct slice literal)
{
    size_t hits = 0, at = 0;

    while ((at = literal_find(literal, s->text, at)) != SIZE_MAX) {
        size_t end = slice_find_byte(slice_skip(s->text, at), '\0');

        hits++;
        if (end == SIZE_MAX)
            break;
        at += end + 1;
    }
    return (unsigned)(hits * 1000 / (s->nlines ? s->nlines : 1));
}

static unsigned cost_of_length(struct slice literal)
{
    return 1 + (unsigned)(160 / (literal.n * literal.n)) +
           (literal.n < LITERAL_MIN ? COST_SIGNS : 0);
}

static unsigned cost_of_use(const struct literal_maker *m, struct slice literal)
{
    return (m->sample ? share(m->sample, literal) : 0) +
           (slice_find(SLICE(common), literal) != SIZE_MAX ? 300 : 0);
}

static unsigned cost_of(const struct literal_maker *m, struct slice literal)
{
    return cost_of_length(literal) + cost_of_use(m, literal);
}

/*
 * Of many literals some are weighed for all. What each costs however rare it is stands for what is
 * not known of it; of a long list that is not more than of one of SAMPLED.
 */
#define SAMPLED 64

unsigned literals_cost(struct literal_maker *m, struct literals *set)
{
    size_t step = set->n / SAMPLED + 1;
    uint64_t known = 0, each = 0;

    if (set->none)
        return COST_NONE;
    if (set->cost)
        return set->cost;
    for (size_t i = 0; i < set->n; i += step) {
        each += cost_of_length(set->list[i]);
        known += cost_of_use(m, set->list[i]);
    }
    known = known * step + each + set->extra;
    set->cost = known < COST_NONE - 1 ? 1 + (unsigned)known : COST_NONE - 1;
    return set->cost;
}

bool literals_good(struct literal_maker *m, struct literals *set)
{
    return literals_cost(m, set) <= COST_GOOD + COST_EACH * set->n;
}

/* ---- sets ---- */

static struct literals one(struct literal_maker *m, struct slice literal)
{
    struct slice *list = arena_alloc(m->arena, sizeof *list);

    if (!list || !literal.p) {
        m->failed = true;
        return literals_none("out of memory");
    }
    *list = literal;
    return (struct literals){ .list = list, .n = 1 };
}

struct literals literals_exactly(struct literal_maker *m, struct slice text)
{
    return text.n < LITERAL_MIN ? literals_none("too short")
                                : one(m, literal_lower(m->arena, text));
}

struct literals literals_digits(struct literal_maker *m, size_t n)
{
    char *text;

    if (n < LITERAL_DIGITS_MIN)
        return literals_none("too short");
    n = n < LITERAL_DIGITS_MAX ? n : LITERAL_DIGITS_MAX;
    text = arena_text(m->arena, n);
    if (text)
        memset(text, DIGIT_MARK, n);
    return one(m, slice_of(text, n));
}

/* Signs alone, too few for the scan: worth a search of their own where they are rare. */
static bool are_rare_signs(const struct literal_maker *m, struct slice piece)
{
    if (piece.n < LITERAL_SIGNS_MIN)
        return false;
    for (size_t i = 0; i < piece.n; i++)
        if (is_digit(piece.p[i]) || piece.p[i] == ' ' ||
            (ascii_lower(piece.p[i]) >= 'a' && ascii_lower(piece.p[i]) <= 'z'))
            return false;
    return slice_find(SLICE(common), piece) == SIZE_MAX &&
           (!m->sample || share(m->sample, piece) <= RARE);
}

/* The pieces of a text, one after the other. */
static bool next_piece(struct slice text, size_t *at, struct slice *ret)
{
    size_t from = *at, i;

    if (from > text.n)
        return false;
    for (i = from; i < text.n && !cuts(text.p[i]) && (text.p[i] != '/' || i == from); i++)
        ;
    *ret = slice_of(text.p + from, i - from);
    *at = i < text.n && text.p[i] == '/' ? i : i + 1;
    return true;
}

static struct literals rare_signs(struct literal_maker *m, struct slice text)
{
    struct slice piece;
    size_t at = 0;

    while (next_piece(text, &at, &piece))
        if (piece.n < LITERAL_MIN && are_rare_signs(m, piece))
            return one(m, literal_lower(m->arena, piece));
    return literals_none("too short");
}

/* Only when there is more than one piece are they weighed. */
struct literals literals_of(struct literal_maker *m, struct slice text)
{
    struct slice best = SLICE_NONE, piece;
    unsigned best_cost = 0;
    size_t at = 0;

    while (next_piece(text, &at, &piece)) {
        if (piece.n < LITERAL_MIN)
            continue;
        piece = literal_lower(m->arena, piece);
        if (!piece.p) {
            m->failed = true;
        } else if (!best.p) {
            best = piece;
        } else {
            unsigned cost = cost_of(m, piece);

            best_cost = best_cost ? best_cost : cost_of(m, best);
            if (cost >= best_cost)
                continue;
            best = piece;
            best_cost = cost;
        }
    }
    return best.p ? one(m, best) : rare_signs(m, text);
}

/* What the first set promises anyway says nothing more. */
static bool says_more(const struct literals *first, const struct literals *l)
{
    return !l->none && l->n && l->n <= LITERALS_ALSO_MAX && !literals_cover(*l, *first);
}

static const struct literals *kept(struct literal_maker *m, struct literals l)
{
    struct literals *copy = arena_alloc(m->arena, sizeof *copy);

    if (copy)
        *copy = l;
    m->failed = m->failed || !copy;
    return copy;
}

/* The best of what is left is what must be there, too. */
static struct literals both(struct literal_maker *m, struct literals best, struct literals other)
{
    struct literals rest[3], *also = NULL;
    size_t n = 0;

    if (best.also)
        rest[n++] = *best.also;
    if (other.also)
        rest[n++] = *other.also;
    other.also = NULL;
    rest[n++] = other;
    for (size_t i = 0; i < n; i++)
        if (says_more(&best, &rest[i]) &&
            (!also || literals_cost(m, &rest[i]) < literals_cost(m, also)))
            also = &rest[i];
    best.also = also ? kept(m, *also) : NULL;
    return best;
}

struct literals literals_and(struct literal_maker *m, struct literals a, struct literals b)
{
    if (a.none && (a.why == NULL || !b.none))
        return b;
    if (a.none || b.none || a.n == 0)
        return a;
    if (b.n == 0)
        return b;
    return literals_cost(m, &b) < literals_cost(m, &a) ? both(m, b, a) : both(m, a, b);
}

/* What holds a longer one holds the shorter one that stands in it, too. */
static bool covered(const struct slice *list, size_t n, struct slice literal)
{
    for (size_t i = 0; i < n; i++)
        if (literal.n >= list[i].n && slice_find(literal, list[i]) != SIZE_MAX)
            return true;
    return false;
}

/* ---- many ---- */

struct entry {
    struct slice text;
    bool told;
};

/*
 * Literals in the order of their bytes, none of which begins with another: so the last one that is
 * not behind a text is the only one that the text can begin with.
 */
struct directory {
    struct entry *list;
    size_t n, shortest; /* of any literal, not over LITERAL_MIN */
    uint8_t starts[8192]; /* bits: some literal may begin with these bytes */
};

static unsigned start_of(const struct directory *d, const char *p)
{
    uint32_t head = 0;

    memcpy(&head, p, d->shortest);
    return (head * UINT32_C(2654435761)) >> 16;
}

static int by_text(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;

    return slice_cmp(x->text, y->text);
}

static bool directory_fill(struct directory *d, struct arena *a, const struct slice *list, size_t n)
{
    size_t kept = 0;

    d->list = arena_array(a, n, sizeof *d->list);
    if (!d->list)
        return false;
    d->shortest = LITERAL_MIN;
    for (size_t i = 0; i < n; i++) {
        d->list[i].text = list[i];
        if (list[i].n < d->shortest)
            d->shortest = list[i].n;
    }
    qsort(d->list, n, sizeof *d->list, by_text);
    for (size_t i = 0; i < n; i++) {
        struct slice text = d->list[i].text;
        unsigned start = start_of(d, text.p);

        if (kept && slice_starts(text, d->list[kept - 1].text))
            continue;
        d->list[kept++].text = text;
        d->starts[start / 8] |= (uint8_t)(1u << start % 8);
    }
    d->n = kept;
    return true;
}

/* The literal with which the text begins, or NULL. */
static struct entry *directory_find(const struct directory *d, struct slice text)
{
    unsigned start = start_of(d, text.p);
    size_t from = 0, to = d->n;

    if (!(d->starts[start / 8] & 1u << start % 8))
        return NULL;
    while (from < to) {
        size_t middle = from + (to - from) / 2;

        if (slice_cmp(d->list[middle].text, text) <= 0)
            from = middle + 1;
        else
            to = middle;
    }
    return from && slice_starts(text, d->list[from - 1].text) ? &d->list[from - 1] : NULL;
}

/* Does no other one stand in it? Of two that are the same the first counts. */
static bool is_wanted(const struct directory *d, struct slice literal)
{
    struct entry *own = directory_find(d, literal);

    if (own->text.n < literal.n || own->told)
        return false;
    for (struct slice rest = slice_skip(literal, 1); rest.n >= d->shortest;
         rest = slice_skip(rest, 1))
        if (directory_find(d, rest))
            return false;
    own->told = true;
    return true;
}

/* Where nothing is known beside it, what must be there is there, too. */
static struct literals second_of(const struct literals *l)
{
    struct literals second = l->also ? *l->also : *l;

    second.also = NULL;
    return second;
}

#define SECONDS_MAX ((size_t)64) /* while they are put together: many are the same */

static struct literals few_or(struct literal_maker *m, struct literals a, struct literals b);

static void take_second(struct literal_union *u, const struct literals *l)
{
    struct literals second = second_of(l);

    u->paired = u->paired || l->also;
    if (u->n == 0)
        u->also = second;
    else if (!u->also.none)
        u->also = u->also.n + second.n > SECONDS_MAX ? literals_none("too many")
                                                     : few_or(u->m, u->also, second);
}

void literals_take(struct literal_union *u, struct literals l)
{
    if (u->none.none || l.none) {
        u->none = u->none.none ? u->none : l;
        return;
    }
    if (l.n)
        take_second(u, &l);
    u->extra += l.extra;
    if (u->n + l.n > u->cap) {
        size_t cap = u->cap * 2 > u->n + l.n ? u->cap * 2 : u->n + l.n;
        struct slice *list = arena_array(u->m->arena, cap, sizeof *list);

        if (!list) {
            u->m->failed = true;
            u->none = literals_none("out of memory");
            return;
        }
        if (u->n)
            memcpy(list, u->list, u->n * sizeof *list);
        u->list = list;
        u->cap = cap;
    }
    if (l.n)
        memcpy(u->list + u->n, l.list, l.n * sizeof *l.list);
    u->n += l.n;
}

struct literals literals_taken(struct literal_union *u)
{
    struct literals all = { .extra = u->extra };
    struct directory d = { .n = 0 };
    struct slice *list;

    if (u->none.none || u->n == 0)
        return u->none;
    all.list = list = arena_array(u->m->arena, u->n, sizeof *list);
    if (!list || !directory_fill(&d, u->m->arena, u->list, u->n)) {
        u->m->failed = true;
        return literals_none("out of memory");
    }
    for (size_t i = 0; i < u->n; i++)
        if (is_wanted(&d, u->list[i]))
            list[all.n++] = u->list[i];
    if (all.n > LITERALS_MAX)
        return literals_none("more literals than are worth a scan");
    if (u->paired && says_more(&all, &u->also))
        all.also = kept(u->m, u->also);
    return all;
}

/* So few that comparing all with all is fastest. */
#define FEW 400

/* As literals_taken() does it. Room for the smaller result is never missing: it is in the arena. */
static struct literals few_or(struct literal_maker *m, struct literals a, struct literals b)
{
    struct slice *list = arena_array(m->arena, a.n + b.n, sizeof *list);
    size_t n = 0, kept = 0;

    if (!list) {
        m->failed = true;
        return literals_none("out of memory");
    }
    for (size_t i = 0; i < b.n; i++)
        if (!covered(a.list, a.n, b.list[i]))
            list[a.n + n++] = b.list[i];
    a.also = NULL;
    if (n == 0)
        return a;
    for (size_t i = 0; i < a.n; i++)
        if (!covered(list + a.n, n, a.list[i]))
            list[kept++] = a.list[i];
    memmove(list + kept, list + a.n, n * sizeof *list);
    return (struct literals){ .list = list, .n = kept + n, .extra = a.extra + b.extra };
}

/* One of these is there, too, whichever of the two holds. */
static const struct literals *seconds(struct literal_maker *m, const struct literals *all,
                                      const struct literals *a, const struct literals *b)
{
    struct literals l = second_of(a), other = second_of(b);

    if ((!a->also && !b->also) || l.n + other.n > SECONDS_MAX)
        return NULL;
    l = few_or(m, l, other);
    return says_more(all, &l) ? kept(m, l) : NULL;
}

struct literals literals_or(struct literal_maker *m, struct literals a, struct literals b)
{
    struct literal_union all = { .m = m };

    if (a.none || b.none)
        return a.none ? a : b;
    if (a.n == 0 || b.n == 0)
        return a.n ? a : b;
    if (a.n * b.n <= FEW) {
        struct literals few = few_or(m, a, b);

        few.also = seconds(m, &few, &a, &b);
        return few;
    }
    literals_take(&all, a);
    literals_take(&all, b);
    return literals_taken(&all);
}

bool literals_cover(struct literals a, struct literals b)
{
    for (size_t i = 0; i < b.n; i++)
        if (!covered(a.list, a.n, b.list[i]))
            return false;
    return !b.none;
}
