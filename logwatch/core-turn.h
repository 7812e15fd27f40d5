/*
 * The turn of the core: commit what is owed, sign it, hand it to the
 * receivers. Read core_turn() first.
 *
 * Nothing is taken while a commit is owed (core_turn_blocked): what was read
 * is in the open batch, and nothing is acted on before it is evidence.
 * The same in a process of its own (role-core.c) and beside the reader (pipeline.c).
 */
#pragma once

#include "base/log.h"
#include "logwatch/blocking.h"
#include "logwatch/core-forward.h"
#include "logwatch/core-keep.h"
#include "logwatch/sender.h"

struct core_turn {
    const struct config *config;
    const struct clock *clock;
    struct core *core;
    struct sender *sender;
    struct core_forward *forward;
    struct blocking *blocking; /* NULL: no bans */
    uint64_t last_commit_us, blocked_until_us; /* monotonic */
    struct log_gate gate;
    struct core_keep keep;
    bool blocked; /* a commit is owed */
    bool full; /* the disk is: the reserve is in use */
    bool lost; /* what the disk holds cannot be believed any more */
    bool hurry; /* somebody waits for the commit of what is there */
};

/* -ENOTRECOVERABLE: the process must end, and a person must look at the disk. */
int core_turn(struct core_turn *t, struct err *err);
bool core_turn_blocked(const struct core_turn *t); /* nothing may be taken now */
/* At most so long until the next turn, when nothing comes. */
uint64_t core_turn_wait_us(const struct core_turn *t);
/* With `once`: nothing waits for a commit, nothing is on its way, what is left waits for a retry.
 */
bool core_turn_finished(const struct core_turn *t);
/* The last commit and checkpoint. What is on its way to receivers is waited for `patience_us`. */
int core_turn_stop(struct core_turn *t, uint64_t patience_us, struct err *err);
