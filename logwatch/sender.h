/*
 * Sender: step 10. Committed outbox rows are delivered, retried or given up.
 *
 * One process for each receiver: a dead mail relay delays nobody else, and a
 * receiver that crashes takes nothing with it. A row is with at most one
 * process; it stays "waiting" in the store until its outcome is committed, so a
 * crash anywhere delivers it again, with the same key.
 *
 * The core's side:
 *     sender_new()        nobody is there yet, or (`forks`) starts the processes itself
 *     sender_attach()     the parent started the process of a receiver: its line
 *     sender_dispatch()   hands due rows to idle receivers
 *     sender_collect()    outcomes into the core's batch
 *     sender_committed()  the batch is true: receivers are free for the next row
 * The receiver's side: sender_work() until the line ends.
 */
#pragma once

#include <poll.h>

#include "logwatch/core.h"

struct sender;

/* Receivers by number: the notifiers in the order of the configuration, the anchors. */
size_t sender_count(const struct config *c);
struct sink *sender_sink(const struct config *c, size_t i);
size_t sender_index(const struct config *c, struct slice name); /* SIZE_MAX: none has it */

/* forks: before any thread, state database or key is open in this process. */
int sender_new(const struct config *c, const struct clock *clock, bool forks,
               struct sender **ret_sender, struct err *err);
void sender_free(struct sender *s); /* ends the processes it forked */
DEFINE_AUTO(sender)

/* A process of receiver i waits at the other end of fd, which is taken. One that was there before
 * is gone: what it had is tried again. */
int sender_attach(struct sender *s, size_t i, int fd, struct core *core, struct err *err);

int sender_dispatch(struct sender *s, struct core *core, struct err *err);
/* Never blocks. Number of outcomes taken, or negative errno. */
int sender_collect(struct sender *s, struct core *core, struct err *err);
void sender_committed(struct sender *s);

/* When a receiver that is idle may be given a row; UINT64_MAX = none is. */
uint64_t sender_due_us(const struct sender *s, struct core *core);
size_t sender_busy(const struct sender *s); /* receivers that work on a row */
/* Fills at most max poll entries; returns how many. */
size_t sender_poll(const struct sender *s, struct pollfd *fds, size_t max);

/* The process of one receiver: takes rows and delivers them until the line ends, or until
 * sender_stop(), a signal handler: then the row in work is the last one. */
void sender_stop(int sig);
bool sender_stopped(void); /* that signal came */
void sender_work(struct sink *sink, const char *host, int fd);
