/*
 * Follow: all inputs of the configuration, read in turn, each block through
 * the reader (steps 1-5 of a line's journey).
 *
 *     follow_new()     reader, zones, place databases: with rights
 *     follow_open()    the inputs, each at its stored cursors
 *     follow_turn()    one block of each input that has one; results go to `out`
 *
 * Blocks of floods and backlogs are read by worker threads (workers.h), results come in
 * the order in which blocks were read all the same. Threads are made by the first turn, at the
 * earliest: behind the dropping of rights.
 *
 * A fault of one input stays with that one: told, noted, tried again. Never
 * blocks but in follow_drain(). The same in a process of its own (role-reader.c) and beside the
 * core (pipeline.c, --single): only `out` differs.
 */
#pragma once

#include <poll.h>

#include "logwatch/reader.h"

struct follow;

/* Where results go. A negative answer ends the turn and is follow_turn()'s. */
struct follow_out {
    int (*result)(void *ctx, const struct reader_result *result, struct err *err);
    /* May more be given now? NULL = always. */
    bool (*ready)(void *ctx);
    void *ctx;
};

struct follow_cursor {
    size_t input; /* inputs_at() */
    struct cursor cursor;
};

int follow_new(const struct config *c, const struct clock *clock, const struct follow_out *out,
               bool once, struct follow **ret_follow, struct err *err);
void follow_free(struct follow *f);
DEFINE_AUTO(follow)

/* The cursors are borrowed for the life of `f`: an input that cannot be opened is tried again. */
int follow_open(struct follow *f, const struct follow_cursor *cursors, size_t n, struct err *err);

/* *ret_any: something was read, or given. */
int follow_turn(struct follow *f, bool *ret_any, struct err *err);

/* Are there blocks whose results were not given yet? */
bool follow_busy(const struct follow *f);
/* Gives all of them, waiting for the workers and not asking whether there is room. */
int follow_drain(struct follow *f, struct err *err);

/* What to wait for: fills at most max entries, returns how many; and for how long at most. */
size_t follow_poll(const struct follow *f, struct pollfd *fds, size_t max);
uint64_t follow_wait_us(const struct follow *f);
/* Nothing was read for so long that no record is held back any more. */
bool follow_settled(const struct follow *f);
