#include "schemas/block.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* A line without LF and CR, and what is behind its LF. */
struct line {
    struct slice text;
    size_t next;
};

static struct line line_from(struct slice bytes, size_t offset)
{
    const char *p = bytes.p + offset;
    size_t rest = bytes.n - offset;
    const char *lf = memchr(p, '\n', rest);
    size_t n = lf ? (size_t)(lf - p) : rest, next = offset + n + (lf ? 1 : 0);

    if (lf && n > 0 && p[n - 1] == '\r')
        n--;
    return (struct line){ slice_of(p, n), next };
}

/*
 * Where the record that begins at `offset` with that line ends: at the first line that begins
 * another, which takes the place of *line if there is one.
 */
static size_t record_end(const struct framing *f, struct slice bytes, size_t offset,
                         struct line *line, struct slice *ret_text)
{
    size_t end = line->next;
    unsigned lines = 1;

    *ret_text = line->text;
    if (f && f->begins)
        f->begins(f->ctx);
    while (f && f->starts && end < bytes.n) {
        *line = line_from(bytes, end);
        if (lines >= f->lines_max || line->next - offset > f->bytes_max ||
            f->starts(f->ctx, line->text, *ret_text))
            break;
        ret_text->n = (size_t)(line->text.p + line->text.n - ret_text->p);
        end = line->next;
        lines++;
    }
    return end;
}

/* The text of a record of whole lines: without the last LF and the CR before it. */
static struct slice text_of(struct slice lines)
{
    lines.n--;
    if (lines.n > 0 && lines.p[lines.n - 1] == '\r')
        lines.n--;
    return lines;
}

static bool next_in_bytes(const struct block *b, const struct framing *f, struct block_walk *walk,
                          struct record *r)
{
    size_t begin = walk->offset;
    struct line line;

    if (begin >= b->bytes.n)
        return false;
    *r = (struct record){ .position = b->position + begin, .priority = -1 };
    if (f && walk->index < b->ends.n) {
        walk->offset = b->ends.list[walk->index++];
        r->text = text_of(slice_of(b->bytes.p + begin, walk->offset - begin));
    } else {
        line = line_from(b->bytes, begin);
        walk->offset = record_end(f, b->bytes, begin, &line, &r->text);
    }
    if (begin == 0)
        r->flags |= b->first_flags;
    if (walk->offset >= b->bytes.n)
        r->flags |= b->last_flags;
    return true;
}

bool block_next(const struct block *b, const struct framing *f, struct block_walk *walk,
                struct record *ret_record)
{
    if (!b->records)
        return next_in_bytes(b, f, walk, ret_record);
    if (walk->index >= b->nrecords)
        return false;
    *ret_record = b->records[walk->index++];
    return true;
}

void block_skip_to(const struct block *b, struct block_walk *walk, size_t offset)
{
    const char *from = b->bytes.p + walk->offset;
    const char *lf;

    if (b->ends.n) {
        for (; b->ends.list[walk->index] <= offset; walk->index++)
            walk->offset = b->ends.list[walk->index];
        return;
    }
    lf = memrchr(from, '\n', offset - walk->offset);
    if (lf)
        walk->offset = (size_t)(lf + 1 - b->bytes.p);
}

bool block_can_skip(const struct block *b, const struct framing *f)
{
    return !f || (b->ends.n && b->ends.list[b->ends.n - 1] == b->bytes.n);
}

/* Line feeds, and those of lines that hold nothing. */
struct feeds {
    uint64_t all, bare;
};

static void count_feeds(struct slice bytes, size_t from, size_t to, struct feeds *f)
{
    for (size_t i = from; i < to; i++)
        if (bytes.p[i] == '\n') {
            size_t end = i > 0 && bytes.p[i - 1] == '\r' ? i - 1 : i;

            f->all++;
            f->bare += end == 0 || bytes.p[end - 1] == '\n';
        }
}

#ifdef __SSE2__
/* In steps of so many bytes, and as many steps as a byte can count. */
#define STEP ((size_t)16)
#define STEPS_MAX 255

static __m128i where(const char *p, char c)
{
    return _mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)(const void *)p), _mm_set1_epi8(c));
}

static uint64_t sum(__m128i bytes)
{
    __m128i halves = _mm_sad_epu8(bytes, _mm_setzero_si128());

    return (uint64_t)_mm_cvtsi128_si64(halves) +
           (uint64_t)_mm_cvtsi128_si64(_mm_srli_si128(halves, 8));
}

/* Before p stand two more bytes. */
static void count_steps(const char *p, size_t steps, struct feeds *f)
{
    __m128i all = _mm_setzero_si128(), bare = all;

    for (; steps; steps--, p += STEP) {
        __m128i lf = where(p, '\n');
        __m128i before =
            _mm_or_si128(where(p - 1, '\n'), _mm_and_si128(where(p - 1, '\r'), where(p - 2, '\n')));

        all = _mm_sub_epi8(all, lf);
        bare = _mm_sub_epi8(bare, _mm_and_si128(lf, before));
    }
    f->all += sum(all);
    f->bare += sum(bare);
}
#endif

static void count_lines(const struct block *b, uint64_t *ret_lines, uint64_t *ret_full)
{
    struct feeds f = { 0 };
    size_t at = b->bytes.n < 2 ? b->bytes.n : 2;
    bool open = b->bytes.n && b->bytes.p[b->bytes.n - 1] != '\n';

    count_feeds(b->bytes, 0, at, &f);
#ifdef __SSE2__
    for (size_t steps; (steps = (b->bytes.n - at) / STEP) > 0; at += steps * STEP) {
        steps = steps < STEPS_MAX ? steps : STEPS_MAX;
        count_steps(b->bytes.p + at, steps, &f);
    }
#endif
    count_feeds(b->bytes, at, b->bytes.n, &f);
    *ret_lines = f.all + open;
    *ret_full = f.all - f.bare + open;
}

static void count_ends(const struct block *b, uint64_t *ret_records, uint64_t *ret_full)
{
    size_t begin = 0;

    *ret_records = b->ends.n;
    *ret_full = 0;
    for (size_t i = 0; i < b->ends.n; begin = b->ends.list[i++])
        *ret_full += text_of(slice_of(b->bytes.p + begin, b->ends.list[i] - begin)).n > 0;
}

void block_count(const struct block *b, uint64_t *ret_records, uint64_t *ret_full)
{
    if (b->ends.n)
        count_ends(b, ret_records, ret_full);
    else
        count_lines(b, ret_records, ret_full);
}

/* Room for those of records of this many bytes at first. */
#define RECORD_BYTES 128

struct ends {
    struct arena *arena; /* NULL: nobody wants them, or there is no memory */
    uint32_t *list;
    size_t n, cap;
};

static void add_end(struct ends *e, size_t offset, size_t bytes)
{
    size_t cap = e->cap ? e->cap * 2 : bytes / RECORD_BYTES + 16;
    uint32_t *list;

    if (!e->arena)
        return;
    if (e->n == e->cap) {
        list = arena_array(e->arena, cap, sizeof *list);
        if (!list) {
            *e = (struct ends){ 0 };
            return;
        }
        if (e->n)
            memcpy(list, e->list, e->n * sizeof *list);
        e->list = list;
        e->cap = cap;
    }
    e->list[e->n++] = (uint32_t)offset;
}

size_t framing_whole(const struct framing *f, struct slice bytes, struct arena *a,
                     struct record_ends *ret_ends)
{
    struct ends ends = { .arena = bytes.n < UINT32_MAX ? a : NULL };
    size_t offset = 0;
    struct line line;

    *ret_ends = (struct record_ends){ 0 };
    if (!f || !f->starts || bytes.n == 0)
        return bytes.n;
    line = line_from(bytes, 0);
    while (offset < bytes.n) {
        struct slice text;
        size_t end = record_end(f, bytes, offset, &line, &text);

        if (end >= bytes.n)
            break; /* it may still grow */
        offset = end;
        add_end(&ends, end, bytes.n);
    }
    *ret_ends = (struct record_ends){ ends.list, ends.n };
    return offset;
}
