/*
 * Sender: step 10. Committed outbox rows are delivered, retried or given up.
 *
 * One child process for each receiver: a dead mail relay delays nobody else,
 * and a receiver that crashes takes nothing with it. A row is with at most one
 * child; it stays "waiting" in the store until its outcome is committed, so a
 * crash anywhere delivers it again, with the same key.
 *
 *     sender_start()      forks the children (before any thread)
 *     sender_dispatch()   hands due rows to idle children
 *     sender_collect()    outcomes into the core's batch
 *     sender_committed()  the batch is true: receivers are free for the next row
 */
#pragma once

#include <poll.h>

#include "logwatch/core.h"

struct sender;

int sender_start(const struct config *c, const struct clock *clock, struct sender **ret_sender,
                 struct err *err);
void sender_free(struct sender *s); /* ends the children */
DEFINE_AUTO(sender)

int sender_dispatch(struct sender *s, struct core *core, struct err *err);
/* Never blocks. Number of outcomes taken, or negative errno. */
int sender_collect(struct sender *s, struct core *core, struct err *err);
void sender_committed(struct sender *s);

size_t sender_busy(const struct sender *s); /* receivers that work on a row */
/* Fills at most max poll entries; returns how many. */
size_t sender_poll(const struct sender *s, struct pollfd *fds, size_t max);
