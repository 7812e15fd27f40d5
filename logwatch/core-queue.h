/*
 * The queue: which row a receiver gets next, and when. Orders and anchors go as they come; messages
 * to people are paced.
 *
 *     core_queue_next()      the row for a receiver that is idle, or nothing yet
 *     core_queue_outcome()   how it went: the circuit breaker
 *     core_queue_due_us()    when it is worth asking again
 *
 * Order. Of one receiver what failed is first, then the oldest. A row that failed PATIENCE times
 * lets one other be tried: when that one passes, it was the row; when it fails, it is the receiver.
 * Breaker. After a failure nothing is tried before the pause is over; then one row is.
 * Pace. A token bucket for each receiver: its kind's, or as configured; filled again after a start
 * by what the store says was sent.
 * Storm. More rows than `digest_over` that wait become one summary, then at most one in a minute
 * until it is calm. Critical alerts go before it alone while there are tokens.
 * Groups. Rows of one group that wait become one summary.
 * A summary and its members are one commit: each alert is told once, or in one summary.
 */
#pragma once

#include "logwatch/config.h"
#include "logwatch/core-people.h"

struct core_queue;

int core_queue_new(const struct config *c, struct store *store, struct core_people *people,
                   uint64_t now_us, struct core_queue **ret_queue, struct err *err);
void core_queue_free(struct core_queue *q);
DEFINE_AUTO(core_queue)
void core_queue_begin(struct core_queue *q, struct batch *b);

/*
 * 1 = fn was called with the row to deliver; its first_remote is what the receiver called its first
 * message about the incident. 0 = nothing now; rows may have been summed up or held in the batch:
 * they are there after its commit.
 */
int core_queue_next(struct core_queue *q, struct slice receiver, uint64_t now_us,
                    int (*fn)(void *ctx, const struct outbox_row *row, struct slice first_remote),
                    void *ctx, struct err *err);
struct queue_outcome {
    enum delivery_state state;
    unsigned attempts;
    uint64_t not_before_us, now_us;
    bool broken; /* nothing will get through any more */
};
/* True: that it is broken is news. */
bool core_queue_outcome(struct core_queue *q, struct slice receiver, const struct queue_outcome *o);
/* Of a receiver that is idle; UINT64_MAX = nothing waits. */
uint64_t core_queue_due_us(struct core_queue *q, struct slice receiver);
