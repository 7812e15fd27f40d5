/*
 * The core's anchors: when the newest checkpoint goes where, and what it means that it went.
 *
 * Each `anchor_every` an anchor gets one row of the outbox, unless its last row still waits: so
 * retries, dead letters and outcomes are those of all receivers. What it holds is made when it is
 * handed out: always the newest checkpoint, for a witness with the proof from the tree that it
 * knows, learnt from the kept notes and from its answers.
 */
#pragma once

#include "audit/anchor.h"
#include "logwatch/anchoring.h"
#include "logwatch/config.h"
#include "store/store.h"

struct core_anchors;

/* Borrows all three. */
int core_anchors_new(const struct config *c, struct store *store, struct core_anchors **ret,
                     struct err *err);
void core_anchors_free(struct core_anchors *x);
DEFINE_AUTO(core_anchors)

/* Rows that are due, into the batch. `size`: of the newest checkpoint. */
int core_anchors_tick(struct core_anchors *x, struct batch *b, uint64_t size, uint64_t now_us,
                      struct err *err);
uint64_t core_anchors_due_us(const struct core_anchors *x); /* UINT64_MAX = never */

/* The note may leave: it is kept. */
int core_anchors_keep(struct core_anchors *x, struct slice note, uint64_t now_us, struct err *err);

/*
 * Did a larger checkpoint of this trail leave than it has now? Then somebody cut it: 1, and what
 * it is in words. Asked once, at the start.
 */
int core_anchors_rolled_back(struct core_anchors *x, const struct audit_checkpoint_says *now,
                             struct buf *why);

/* The document for a row of this anchor. */
int core_anchors_order(struct core_anchors *x, struct slice receiver, uint64_t now_us,
                       struct buf *out, struct err *err);

/* How it went; answer is corrected. members: of the entry that says so, empty = none. */
enum anchoring core_anchors_take(struct core_anchors *x, struct slice receiver, uint64_t now_size,
                                 struct anchoring_answer *answer, struct buf *members);
/* A contradiction was not told yet; true once for each size that an anchor names. */
bool core_anchors_news(struct core_anchors *x, struct slice receiver, uint64_t size);
