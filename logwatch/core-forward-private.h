/* Private to forwarding: core-forward.c hands out, core-forward-take.c takes what became of it. */
#pragma once

#include "audit/cursor.h"
#include "base/log.h"
#include "logwatch/core-forward.h"

struct forward {
    const struct config_forward *config;
    struct machine *machine;
    struct audit_cursor *cursor;
    pid_t pid;
    int fd;
    uint64_t restart_us; /* monotonic */
    bool loaded; /* the position was read from the state */
    struct forward_position at; /* as it will be with the next commit */
    uint64_t not_before_us; /* wall */
    unsigned failures; /* in a row */
    bool failing, broken_told;
    /* In work: entries [at.next, to), of which `batch` were handed out. */
    bool busy;
    uint64_t number, to, to_time_us;
    uint64_t *batch;
    bool *own; /* that entry tells of dead ones: when it dies itself, no other entry says so */
    size_t nbatch;
    uint64_t *done; /* behind at.next, in order: not to be sent again */
    size_t ndone;
    struct log_gate gate;
};

struct core_forward {
    const struct config *config;
    const struct clock *clock;
    struct forward *items;
    size_t n;
    bool forks;
    struct buf packet;
    char *answer;
    struct arena *arena;
};

/* As it will be with the next commit. */
int forward_put_position(struct core_forward *x, struct forward *f, struct core *core,
                         struct err *err);
/* All up to `to` is done, or is not for this receiver. */
int forward_advance(struct core_forward *x, struct forward *f, struct core *core, uint64_t to,
                    uint64_t time_us, struct err *err);
/* An answer of the receiver's process, which is believed as far as it can be one. */
int forward_take(struct core_forward *x, struct forward *f, struct core *core, struct slice packet,
                 struct err *err);
