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

/* Where in a chunk they stand: a bit for a byte. */
struct signs {
    uint64_t quotes, others; /* braces and backslashes */
};

static ALWAYS_INLINE __m128i where(__m128i v, char c)
{
    return _mm_cmpeq_epi8(v, _mm_set1_epi8(c));
}

static ALWAYS_INLINE struct signs signs_of_sixteen(const char *p)
{
    __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
    __m128i braces = _mm_or_si128(where(v, '{'), where(v, '}'));

    return (struct signs){
        (unsigned)_mm_movemask_epi8(where(v, '"')),
        (unsigned)_mm_movemask_epi8(_mm_or_si128(braces, where(v, '\\'))),
    };
}

/* Of n bytes from p on, no more than a chunk; sixteen bytes before their end may be read. */
static ALWAYS_INLINE struct signs signs_of(const char *p, unsigned n)
{
    struct signs all = { 0 }, some;
    unsigned i = 0;

    for (; i + 16 <= n; i += 16) {
        some = signs_of_sixteen(p + i);
        all.quotes |= some.quotes << i;
        all.others |= some.others << i;
    }
    if (i == n)
        return all;
    some = signs_of_sixteen(p + n - 16); /* the last ones, some of them once more */
    all.quotes |= n < 16 ? some.quotes >> (16 - n) : some.quotes << (n - 16);
    all.others |= n < 16 ? some.others >> (16 - n) : some.others << (n - 16);
    return all;
}

/* Which bytes stand behind an odd number of quotes: each bit with all that are below it, added
 * without carries. */
static ALWAYS_INLINE uint64_t inside(uint64_t quotes, bool quoted)
{
    quotes ^= quotes << 1;
    quotes ^= quotes << 2;
    quotes ^= quotes << 4;
    quotes ^= quotes << 8;
    quotes ^= quotes << 16;
    quotes ^= quotes << 32;
    return quoted ? ~quotes : quotes;
}

static ALWAYS_INLINE unsigned chunk_at(struct slice s, size_t at)
{
    return s.n - at < CHUNK ? (unsigned)(s.n - at) : CHUNK;
}

/* One after the other, for a backslash in a string hides the byte behind it. */
static void scan_chunk(struct scan *c, struct slice s)
{
    const char *p = s.p + c->at;
    unsigned n = chunk_at(s, c->at);
    struct signs signs = signs_of(p, n);

    c->at += n;
    for (uint64_t all = signs.quotes | signs.others; all; all &= all - 1) {
        unsigned i = (unsigned)__builtin_ctzll(all);

        if (!c->quoted || p[i] != '\\')
            take_sign(c, p[i]);
        else if (i + 1 == n)
            c->at++;
        else
            all &= ~(UINT64_C(2) << i);
    }
}

#define SIMPLE_MAX 512

/*
 * Most records are one line with one object, which ends there: that is seen at once. False: look
 * closer.
 */
static bool is_simple(struct slice s)
{
    size_t first = slice_find_byte(s, '{');
    bool quoted = false, closed = false;
    unsigned n;

    if (first == SIZE_MAX)
        return true;
    if (s.n < 16 || s.n > SIMPLE_MAX || first + 1 == s.n ||
        (first > 0 && (s.p[first - 1] != ' ' || s.p[first + 1] != '"')))
        return false;
    for (size_t at = first + 1; at < s.n; at += n) {
        struct signs signs;
        uint64_t in;

        n = chunk_at(s, at);
        signs = signs_of(s.p + at, n);
        in = inside(signs.quotes, quoted);
        quoted = in >> (n - 1) & 1;
        for (; signs.others; signs.others &= signs.others - 1) {
            unsigned i = (unsigned)__builtin_ctzll(signs.others);

            if (s.p[at + i] != '}')
                return false;
            closed = closed || !(in >> i & 1);
        }
    }
    return closed && !quoted;
}
#else
static bool is_simple(struct slice s)
{
    return slice_find_byte(s, '{') == SIZE_MAX;
}
#endif

static void scan_on(struct scan *c, struct slice s)
{
#ifdef __SSE2__
    while (s.n >= 16 && c->at < s.n)
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
        if (is_simple(s))
            return false;
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
