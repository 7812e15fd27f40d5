/*
 * Cursor: the lines of a trail, read on beside its writer, from where one was.
 *
 * It goes on through segments as they are closed and compressed. Values that were erased meanwhile
 * are not in what it gives: a segment that was written anew is opened anew. Nothing of a line
 * behind `end` is kept, for those that are not committed may be written again.
 */
#pragma once

#include "base/err.h"
#include "base/slice.h"

struct audit_cursor;

int audit_cursor_new(const char *folder, struct audit_cursor **ret, struct err *err);
void audit_cursor_free(struct audit_cursor *c);
DEFINE_AUTO(audit_cursor)

/*
 * Calls fn for each line (without LF) from `from` on, below `end`, which must be committed, until
 * it returns non-zero: then that line is given again. Where entries were pruned it goes on with
 * the first that is there. 0 or negative errno.
 */
int audit_cursor_read(struct audit_cursor *c, uint64_t from, uint64_t end,
                      int (*fn)(void *ctx, uint64_t index, struct slice line), void *ctx,
                      struct err *err);
