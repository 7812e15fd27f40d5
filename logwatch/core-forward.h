/*
 * The core's side of forwarding: positions, batches, outcomes.
 *
 *     core_forward_new()        nobody is there yet, or (`forks`) starts the processes itself
 *     core_forward_attach()     the parent started the process of a receiver: its line
 *     core_forward_collect()    what became of batches: positions and entries into the open batch
 *     core_forward_dispatch()   the next entries, to receivers that are idle
 *
 * Only committed entries leave. A position is true with the commit; what was sent since the last
 * one is sent again after a crash, under the same ids. A record that a receiver will never take
 * becomes an entry `forward.dead`, and the position goes on. A receiver that fails is tried again
 * with growing pauses, for ever: the trail is the queue, so nothing is lost and nothing piles up
 * in memory. Reading for it is bounded in each turn: detection never waits.
 */
#pragma once

#include <poll.h>

#include "logwatch/core.h"
#include "logwatch/forward.h"

struct core_forward;

int core_forward_new(const struct config *c, const struct clock *clock, bool forks,
                     struct core_forward **ret, struct err *err);
void core_forward_free(struct core_forward *x); /* ends the processes it forked */
DEFINE_AUTO(core_forward)

/* The process of receiver i waits at the other end of fd, which is taken. */
int core_forward_attach(struct core_forward *x, size_t i, int fd, struct err *err);

/* Never blocks. Number of answers taken, or negative errno. */
int core_forward_collect(struct core_forward *x, struct core *core, struct err *err);
int core_forward_dispatch(struct core_forward *x, struct core *core, struct err *err);

/* Wall time at which one that is idle may be given something; UINT64_MAX: nothing waits. */
uint64_t core_forward_due_us(const struct core_forward *x, struct core *core);
size_t core_forward_busy(const struct core_forward *x); /* receivers that work on a batch */
size_t core_forward_poll(const struct core_forward *x, struct pollfd *fds, size_t max);
