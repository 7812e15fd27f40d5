/*
 * After a restored or lost state: signed entries that the state does not know.
 *
 *     core_replay_range()  what an earlier start has kept, for audit_open()
 *     core_replay_begin()  this start found the state older than the checkpoint
 *
 * The range is a fact of the state ("replay"), so that a kill in the middle of
 * reading again doubles nothing. It is dropped after a week: files are
 * forgotten after that, too.
 */
#pragma once

#include "audit/audit.h"
#include "store/store.h"

/* All 0 = none. A fault is never taken for "none". */
int core_replay_range(struct store *store, uint64_t now_us, struct audit_range *ret_range,
                      struct err *err);
/*
 * Keeps the range with the next commit. Rows of the outbox that the trail knows as delivered
 * become so in the batch: nobody is told twice.
 */
int core_replay_begin(struct store *store, struct audit *audit, struct batch *b,
                      struct audit_range range, struct err *err);
