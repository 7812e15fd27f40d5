/* Where a record begins, by the line and by what the record before it left open. */
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "parsers/format.h"

/* Strings and objects from some place on, as far as was looked. */
struct scan {
    size_t at;
    long depth;
    bool quoted;
};

static ALWAYS_INLINE void take_sign(struct scan *c, char sign)
{
    if (sign == '"')
        c->quoted = !c->quoted;
    else if (!c->quoted)
        c->depth += sign == '{' ? 1 : sign == '}' ? -1 : 0;
}

#ifdef __SSE2__
#define CHUNK 64

/* Where in a chunk each of them stands: a bit for a byte. */
struct signs {
    uint64_t quotes, backslashes, opens, closes;
};

static ALWAYS_INLINE uint64_t where(__m128i v, char c)
{
    return (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(v, _mm_set1_epi8(c)));
}

static ALWAYS_INLINE void add_signs(struct signs *s, const char *p, unsigned shift)
{
    __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);

    s->quotes |= where(v, '"') << shift;
    s->backslashes |= where(v, '\\') << shift;
    s->opens |= where(v, '{') << shift;
    s->closes |= where(v, '}') << shift;
}

/* Of the first n bytes from p on, sixteen or more; n is no more than a chunk. */
static ALWAYS_INLINE struct signs signs_of(const char *p, unsigned n)
{
    struct signs s = { 0 };
    unsigned i = 0;

    for (; i + 16 <= n; i += 16)
        add_signs(&s, p + i, i);
    if (i < n) /* the last ones, some of them once more */
        add_signs(&s, p + n - 16, n - 16);
    return s;
}

/* Each bit with all that are below it, added without carries: inside of quotes, or not. */
static uint64_t sums_below(uint64_t bits)
{
    for (unsigned by = 1; by < 64; by *= 2)
        bits ^= bits << by;
    return bits;
}

static long how_many(uint64_t bits)
{
    long n = 0;

    for (; bits; bits &= bits - 1)
        n++;
    return n;
}

/* One after the other, for a backslash in a string hides the byte behind it. */
static void take_signs(struct scan *c, const char *p, unsigned n, const struct signs *signs)
{
    uint64_t all = signs->quotes | signs->backslashes | signs->opens | signs->closes;

    for (; all; all &= all - 1) {
        unsigned i = (unsigned)__builtin_ctzll(all);

        if (!c->quoted || p[i] != '\\')
            take_sign(c, p[i]);
        else if (i + 1 == n)
            c->at++;
        else
            all &= ~(UINT64_C(2) << i);
    }
}

static ALWAYS_INLINE void scan_chunk(struct scan *c, struct slice s)
{
    const char *p = s.p + c->at;
    unsigned n = s.n - c->at < CHUNK ? (unsigned)(s.n - c->at) : CHUNK;
    struct signs signs = signs_of(p, n);
    uint64_t inside = sums_below(signs.quotes) ^ (c->quoted ? UINT64_MAX : 0);

    c->at += n;
    if (signs.backslashes) {
        take_signs(c, p, n, &signs);
        return;
    }
    c->depth += how_many(signs.opens & ~inside) - how_many(signs.closes & ~inside);
    c->quoted = inside >> (n - 1) & 1;
}
#endif

static void scan_on(struct scan *c, struct slice s)
{
#ifdef __SSE2__
    while (c->at + 16 <= s.n)
        scan_chunk(c, s);
#endif
    for (; c->at < s.n; c->at++)
        if (c->quoted && s.p[c->at] == '\\')
            c->at++;
        else
            take_sign(c, s.p[c->at]);
}

/* Every string and object that began there has ended. */
static bool closes(struct scan *c, struct slice s)
{
    scan_on(c, s);
    return !c->quoted && c->depth <= 0;
}

#define OBJECTS_TRIED 16

/*
 * A record grows line by line, and each time the question is the same. What was looked at is not
 * looked at again: or a stranger's record of 64 KiB would cost what megabytes do. A record's first
 * line begins anew (format_record_begins()).
 */
static __thread struct memo {
    const char *p;
    size_t n;
    size_t searched; /* for places where an object begins */
    unsigned nfirst;
    struct scan first[OBJECTS_TRIED], last, whole;
} memo;

void format_record_begins(const void *ctx UNUSED)
{
    memo.p = NULL;
}

/* An object begins with ` {"`: text in front of it, then a name. */
static void find_objects(struct slice s)
{
    size_t at;

    while ((at = slice_find_byte(slice_skip(s, memo.searched), '{')) != SIZE_MAX) {
        memo.searched += at;
        if (memo.searched + 1 == s.n)
            return; /* what is behind it is not known yet */
        at = memo.searched++;
        if (at == 0 || s.p[at - 1] != ' ' || s.p[at + 1] != '"')
            continue;
        memo.last = (struct scan){ .at = at };
        if (memo.nfirst < OBJECTS_TRIED)
            memo.first[memo.nfirst++] = (struct scan){ .at = at };
    }
    memo.searched = s.n;
}

/*
 * Is a JSON string or object of the record still open? Behind text, the object is the last one
 * that closes: a stranger's text in front of it may look like the beginning of one, too, and must
 * not keep the record open, or it would swallow those behind it.
 */
static bool json_open(struct slice s)
{
    if (memo.p != s.p || s.n < memo.n) {
        memo.p = s.p;
        memo.searched = 0;
        memo.nfirst = 0;
        memo.whole = (struct scan){ 0 };
    }
    memo.n = s.n;
    if (s.n && s.p[0] == '{')
        return !closes(&memo.whole, s);
    find_objects(s);
    if (memo.nfirst == 0 || closes(&memo.last, s))
        return false;
    for (unsigned i = 0; i < memo.nfirst; i++)
        if (closes(&memo.first[i], s))
            return false;
    return true;
}

/* One scratch for each thread that splits records; regexes here are short and bounded. */
static __thread struct regex_scratch *thread_scratch;

static struct regex_scratch *framing_scratch(void)
{
    if (!thread_scratch)
        thread_scratch = regex_scratch_new();
    return thread_scratch;
}

void formats_thread_end(void)
{
    regex_scratch_free(TAKE(thread_scratch));
}

static bool fits(const struct format *f, struct slice line)
{
    struct regex_scratch *s;

    if ((line.n && f->start_by[(unsigned char)line.p[0]]) || head_known(&f->head, line))
        return true;
    s = framing_scratch();
    if (!s || regex_match(f->start, s, line, NULL, 0) != 1)
        return false;
    head_learn(&f->head, s, line);
    return true;
}

bool format_record_starts(const void *ctx, struct slice line, struct slice previous)
{
    const struct format *f = ctx;

    if (fits(f, slice_take(line, 256)) == f->start_not)
        return false;
    if (f->apart && previous.n && line.n && line.p[0] == '{' && previous.p[0] != '{')
        return false;
    /* A record that was cut in the middle of a string goes on, whatever the line looks like. */
    return !(f->unclosed && previous.n && json_open(previous));
}

/* Nothing in it looks at what is behind a match, or takes more than it must. */
static bool looks_no_further(struct slice pattern)
{
    static const char *const signs[] = { "$",  "(?=", "(?!", "(?<", "(?>", "(*",  "++",  "*+",
                                         "?+", "}+",  "\\b", "\\B", "\\Z", "\\z", "\\G", "\\K" };

    for (size_t i = 0; i < ARRAY_SIZE(signs); i++)
        if (slice_find(pattern, slice_str(signs[i])) != SIZE_MAX)
            return false;
    return true;
}

/* With which first byte does any line fit, whatever follows? */
bool format_note_starts(struct format *f)
{
    struct regex_scratch *s = framing_scratch();
    unsigned flags;

    if (!s || !f->start || !looks_no_further(regex_pattern(f->start, &flags)))
        return false;
    for (unsigned c = 0; c < 256; c++) {
        char byte = (char)c;

        f->start_by[c] = regex_match(f->start, s, slice_of(&byte, 1), NULL, 0) == 1;
    }
    return true;
}
