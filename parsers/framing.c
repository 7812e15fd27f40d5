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
/* Which of sixteen bytes are quotes, backslashes or braces. */
static ALWAYS_INLINE unsigned signs_of(const char *p)
{
    const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\');
    const __m128i brace = _mm_set1_epi8('{' | 6); /* both, with those bits set; and y */
    __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
    __m128i braces = _mm_cmpeq_epi8(_mm_or_si128(v, _mm_set1_epi8(6)), brace);
    __m128i texts = _mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, backslash));

    return (unsigned)_mm_movemask_epi8(_mm_or_si128(texts, braces));
}

static void scan_sixteen(struct scan *c, const char *p)
{
    unsigned signs = signs_of(p);

    c->at += 16;
    for (; signs; signs &= signs - 1) {
        unsigned i = (unsigned)__builtin_ctz(signs);

        if (!c->quoted || p[i] != '\\')
            take_sign(c, p[i]);
        else if (i == 15)
            c->at++; /* what is behind a backslash is not looked at */
        else
            signs &= ~(2u << i);
    }
}
#endif

static void scan_on(struct scan *c, struct slice s)
{
    while (c->at < s.n) {
#ifdef __SSE2__
        if (s.n - c->at >= 16) {
            scan_sixteen(c, s.p + c->at);
            continue;
        }
#endif
        if (c->quoted && s.p[c->at] == '\\')
            c->at++;
        else
            take_sign(c, s.p[c->at]);
        c->at++;
    }
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

static void find_objects(struct slice s)
{
    const struct slice begins = SLICE(" {\"");
    size_t at;

    while ((at = slice_find(slice_skip(s, memo.searched), begins)) != SIZE_MAX) {
        memo.searched += at + 1;
        memo.last = (struct scan){ .at = memo.searched };
        if (memo.nfirst < OBJECTS_TRIED)
            memo.first[memo.nfirst++] = memo.last;
    }
    if (s.n > memo.searched + begins.n)
        memo.searched = s.n - begins.n + 1;
}

/*
 * Is a JSON string or object of the record still open? Behind text, the object is the last one
 * that closes: a stranger's text in front of it may look like the beginning of one, too, and must
 * not keep the record open, or it would swallow those behind it.
 */
static bool json_open(struct slice s)
{
    if (memo.p != s.p || s.n < memo.n)
        memo = (struct memo){ .p = s.p };
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
