/*
 * Reading lines of the trail quickly: no tree, no copy, one pass over the members that are wanted.
 *
 * A report reads millions of lines and wants a few members of each. A member's value is what
 * stands in the line (`raw`: a string without its quotes, still escaped; an object or array with
 * its brackets). Lines are of our own writer, but somebody may have edited them: a line that is no
 * JSON ends the iteration early, and nothing is read outside of it. Whether the line is what was
 * signed is for `trail verify` and for the proofs.
 */
#pragma once

#include "base/slice.h"

enum line_kind { LINE_STRING, LINE_SCALAR, LINE_NESTED };

struct line_member {
    struct slice key; /* raw, as the value */
    struct slice raw;
    enum line_kind kind;
};

struct line_head {
    uint64_t index, us;
    struct slice type;
    struct slice rest; /* the members behind the type: for line_next() */
};
/* {"i":N,"t":"...","type":"..." at the beginning; false: the line has another. */
bool line_head(struct slice line, struct line_head *ret);

/* The members of an object: *rest begins as what stands behind its brace. False: no more. */
bool line_next(struct slice *rest, struct line_member *ret);
/* The same in two steps: the key, and *rest at its value; the value. */
bool line_begins(struct slice *rest, struct slice *ret_key);
bool line_value(struct slice *rest, struct line_member *ret);
/* The values of an array; *rest as above. */
bool line_item(struct slice *rest, struct line_member *ret);
/* Behind the first bracket of a nested value: for the two above. */
static inline struct slice line_inside(struct slice nested)
{
    return slice_skip(nested, 1);
}

/* A raw string, decoded into `out` (which is emptied), or the raw one when nothing is escaped. */
struct slice line_text(struct slice raw, struct buf *out);
uint64_t line_u64(struct slice raw); /* 0 when it is no number */
