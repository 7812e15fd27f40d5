/* Where a record begins, by the line and by what the record before it left open. */
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "parsers/format.h"

/* Where the next quote, backslash or brace is, from i on; or the end. */
static ALWAYS_INLINE size_t next_sign(struct slice s, size_t i)
{
#ifdef __SSE2__
    const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\');
    const __m128i brace = _mm_set1_epi8('{' | 6); /* both, with those bits set; and y */

    for (; s.n - i >= 16; i += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(s.p + i));
        __m128i braces = _mm_cmpeq_epi8(_mm_or_si128(v, _mm_set1_epi8(6)), brace);
        __m128i texts = _mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, backslash));
        unsigned at = (unsigned)_mm_movemask_epi8(_mm_or_si128(texts, braces));

        if (at)
            return i + (size_t)__builtin_ctz(at);
    }
#endif
    return i;
}

/* Every string and object that begins in the text ends in it. */
static bool json_closes(struct slice s)
{
    bool quoted = false;
    long depth = 0;

    for (size_t i = next_sign(s, 0); i < s.n; i = next_sign(s, i + 1)) {
        char c = s.p[i];

        if (quoted && c == '\\')
            i++;
        else if (c == '"')
            quoted = !quoted;
        else if (!quoted)
            depth += c == '{' ? 1 : c == '}' ? -1 : 0;
        if (i >= s.n) /* a backslash at the end */
            break;
    }
    return !quoted && depth <= 0;
}

#define OBJECTS_TRIED 16

/* Of the last ` {"`: where its brace is; 0 = there is none. */
static size_t last_object(struct slice s)
{
    size_t at = slice_rfind_byte(s, '{');

    while (at != SIZE_MAX && at > 0 && !(s.p[at - 1] == ' ' && at + 1 < s.n && s.p[at + 1] == '"'))
        at = slice_rfind_byte(slice_take(s, at), '{');
    return at == SIZE_MAX ? 0 : at;
}

/*
 * Is a JSON string or object of the record still open? Behind text, the object is the last one
 * that closes: a stranger's text in front of it may look like the beginning of one, too, and must
 * not keep the record open, or it would swallow those behind it.
 */
static bool json_open(struct slice s)
{
    const struct slice begins = SLICE(" {\"");
    size_t from = 0, at;

    if (s.n && s.p[0] == '{')
        return !json_closes(s);
    at = last_object(s);
    if (at == 0)
        return false;
    if (json_closes(slice_skip(s, at)))
        return false;
    for (unsigned i = 0; i < OBJECTS_TRIED; i++) {
        at = slice_find(slice_skip(s, from), begins);
        if (at == SIZE_MAX)
            break;
        from += at + 1;
        if (json_closes(slice_skip(s, from)))
            return false;
    }
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

bool format_record_starts(const void *ctx, struct slice line, struct slice previous)
{
    const struct format *f = ctx;
    struct regex_scratch *s = framing_scratch();
    bool sure = line.n && f->start_by[(unsigned char)line.p[0]];
    bool fits = sure || (s && regex_match(f->start, s, slice_take(line, 256), NULL, 0) == 1);

    if (fits == f->start_not)
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
void format_note_starts(struct format *f)
{
    struct regex_scratch *s = framing_scratch();
    unsigned flags;

    if (!s || !f->start || !looks_no_further(regex_pattern(f->start, &flags)))
        return;
    for (unsigned c = 0; c < 256; c++) {
        char byte = (char)c;

        f->start_by[c] = regex_match(f->start, s, slice_of(&byte, 1), NULL, 0) == 1;
    }
}
