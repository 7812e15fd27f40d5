/*
 * Lines: how much of the bytes at hand can be handed over now.
 *
 * One rule set for files and stdin. The answer depends on the bytes alone and
 * never on how they arrived: any cut of an input gives the same records
 * (tests/unit/test_input_lines.c tries every one).
 *
 *     CUT_LINES    n bytes of whole lines that are whole records
 *     CUT_PARTIAL  n bytes, the last line has no LF: only with `end`
 *     CUT_LONG     a line longer than the limit: n bytes are its beginning
 *     CUT_NULS     n NUL bytes where a line should begin: a hole, not text
 *     CUT_NOTHING  wait for more
 *
 * The caller gives at least line_max + 1 bytes when there are that many.
 */
#pragma once

#include "base/hash.h"
#include "logwatch/inputs/input.h"

/* Fewer are left in the line: somebody may log one. */
#define NUL_RUN_MIN 16

enum cut_kind {
    CUT_NOTHING,
    CUT_LINES,
    CUT_PARTIAL,
    CUT_LONG,
    CUT_NULS,
};

struct cut {
    enum cut_kind kind;
    size_t n;
    struct record_ends ends; /* CUT_LINES: of the records, when they had to be looked for */
};

struct cut_rules {
    const struct framing *framing; /* NULL = lines */
    size_t line_max;
    struct arena *arena; /* for the ends of records; NULL: they are not wanted */
    bool full; /* the buffer has no room for more: hold nothing back */
    bool idle; /* silence was long enough: records do not grow any more */
    bool end; /* nothing more will come */
};

struct cut lines_cut(struct slice bytes, const struct cut_rules *rules);

/* The rest of a line that is too long: counted and hashed, never kept. */
struct long_line {
    uint64_t position, bytes;
    struct sha256 sha;
    bool known; /* the hash covers the line from its beginning */
};

struct long_line *long_line_new(uint64_t position);
void long_line_free(struct long_line *l);
DEFINE_AUTO(long_line)
/* How many of the bytes belong to the line, its LF included; *ret_done: the LF was among them. */
size_t long_line_skip(struct long_line *l, struct slice bytes, bool *ret_done);
/* The notice "source.long_line" with place, length and hash. */
int long_line_notice(struct long_line *l, struct block *b);
