/*
 * Blocking: the core's line to the process that bans (notifiers/blockers/blocker.h).
 *
 *     blocking_new()        nobody is there yet, or (`forks`) starts the process itself
 *     blocking_attach()     the parent started one: its line
 *     blocking_collect()    what it said, into the core's batch
 *     blocking_dispatch()   what it must hear; only what is committed
 *
 * Never blocks. A process that died is started again; the book tells the new one everything.
 */
#pragma once

#include <poll.h>

#include "logwatch/core.h"

struct blocking;

/* *ret is NULL when no bans are configured; all calls take that. forks: as sender_new(). */
int blocking_new(const struct config *c, const struct clock *clock, bool forks,
                 struct blocking **ret, struct err *err);
void blocking_free(struct blocking *b); /* ends the process it forked; bans stay */
int blocking_attach(struct blocking *b, int fd, struct core *core, struct err *err);
int blocking_collect(struct blocking *b, struct core *core, struct err *err);
int blocking_dispatch(struct blocking *b, struct core *core, struct err *err);
uint64_t blocking_due_us(const struct blocking *b, const struct core *core); /* wall */
bool blocking_busy(const struct blocking *b, const struct core *core); /* something is owed */
size_t blocking_poll(const struct blocking *b, struct pollfd *fds, size_t max); /* 0 or 1 */
