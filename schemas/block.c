#include "schemas/block.h"

/* The line at `offset` without LF and CR; *ret_next is behind its LF. */
static struct slice line_at(struct slice bytes, size_t offset, size_t *ret_next)
{
    const char *p = bytes.p + offset;
    size_t rest = bytes.n - offset;
    const char *lf = memchr(p, '\n', rest);
    size_t n = lf ? (size_t)(lf - p) : rest;

    *ret_next = offset + n + (lf ? 1 : 0);
    if (lf && n > 0 && p[n - 1] == '\r')
        n--;
    return slice_of(p, n);
}

/* Where the record that begins at `offset` ends: at the first line that begins another. */
static size_t record_end(const struct framing *f, struct slice bytes, size_t offset,
                         struct slice *ret_text, bool *ret_full)
{
    size_t next, end;
    unsigned lines = 1;
    struct slice line = line_at(bytes, offset, &end);
    struct slice text = line;

    *ret_full = false;
    while (f && f->starts && end < bytes.n) {
        line = line_at(bytes, end, &next);
        if (lines >= f->lines_max || next - offset > f->bytes_max) {
            *ret_full = true;
            break;
        }
        if (f->starts(f->ctx, line, text))
            break;
        text.n = (size_t)(line.p + line.n - text.p);
        end = next;
        lines++;
    }
    *ret_text = text;
    return end;
}

static bool next_in_bytes(const struct block *b, const struct framing *f, struct block_walk *walk,
                          struct record *r)
{
    size_t begin = walk->offset;
    bool full;

    if (begin >= b->bytes.n)
        return false;
    *r = (struct record){ .position = b->position + begin, .priority = -1 };
    walk->offset = record_end(f, b->bytes, begin, &r->text, &full);
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
    const char *lf = memrchr(from, '\n', offset - walk->offset);

    if (lf)
        walk->offset = (size_t)(lf + 1 - b->bytes.p);
}

void block_count_lines(const struct block *b, uint64_t *ret_lines, uint64_t *ret_full)
{
    uint64_t lines = 0, full = 0;

    for (size_t offset = 0; offset < b->bytes.n; lines++)
        full += line_at(b->bytes, offset, &offset).n > 0;
    *ret_lines = lines;
    *ret_full = full;
}

size_t framing_whole(const struct framing *f, struct slice bytes)
{
    size_t offset = 0;

    if (!f || !f->starts)
        return bytes.n;
    while (offset < bytes.n) {
        struct slice text;
        bool full;
        size_t end = record_end(f, bytes, offset, &text, &full);

        if (end >= bytes.n)
            return offset; /* it may still grow */
        offset = end;
    }
    return offset;
}
