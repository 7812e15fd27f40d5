/*
 * Private to the parent: its processes and its state.
 *
 *     parent.c         what comes in, what is due by time, the wheel
 *     parent-child.c   forking, starting, ending, reaping
 *     parent-guard.c   a child that verifies the trail, and what follows
 *     parent-guard-tell.c  the same, told to the receivers without the core
 *     parent-reload.c  another configuration, whole or not at all; sockets that stay
 */
#pragma once

#include "logwatch/parent.h"
#include "logwatch/roles.h"

#define STOP_US (60 * USEC_PER_SEC) /* who has not ended in order by then is killed */

struct child {
    enum role role;
    size_t index; /* of a sender */
    pid_t pid; /* 0 = does not run */
    uint64_t started_us, restart_us; /* monotonic */
    uint64_t wait_us; /* before the next start */
    uint8_t mark[32]; /* what its rights lie on */
    bool renewed; /* told to end for new rights: no fault */
};

enum phase {
    PHASE_RUN,
    PHASE_STOP, /* told to end: reader, then core */
    PHASE_ENDED,
};

struct guard {
    pid_t pid; /* 0 = does not run */
    int fd; /* what it says */
    uint64_t due_us; /* monotonic; 0 = not known yet */
};

struct parent {
    const struct parent_options *options;
    struct config *config;
    struct config *next; /* of a reload: begins when all have ended */
    struct clock clock;
    struct child *children; /* core, reader, senders, blocker, resolver */
    size_t n;
    int core; /* line of notes */
    int signals, control;
    int asker; /* who waits for the end of a reload; -1 = nobody */
    sigset_t before; /* the mask that children begin with */
    enum phase phase;
    bool leaving; /* ends after this stop */
    bool ready; /* this generation has told so */
    bool was_ready; /* any one has */
    bool done; /* `once` */
    uint64_t stop_us; /* monotonic: killed then */
    uint64_t watchdog_us; /* systemd's; 0 = none */
    uint64_t ping_every_us;
    uint64_t ping_us, ping_n, pong_us, tock_us, tock_n; /* last: monotonic */
    struct guard guard;
    struct err hopeless; /* why `run` ends; code 0 = it does not */
    char last_words[200]; /* entry for the trail about who ended, JSON members */
};

/* ---- parent.c ---- */

void parent_take_notes(struct parent *p); /* what the core has said so far */

/* ---- parent-child.c ---- */

/* Name of the receiver whose process it is; "" for the others. */
const char *parent_receiver(const struct parent *p, const struct child *c);
/* A note to the core, with a descriptor or -1. */
void parent_tell(struct parent *p, unsigned type, const struct buf *body, int with_fd);
/* An entry for the trail. */
void parent_tell_entry(struct parent *p, const char *type, struct slice members);
/* A configuration's set of children, none of them running. */
int parent_make_children(struct parent *p, struct err *err);
int parent_start(struct parent *p, const char *why, struct err *err);
int parent_start_child(struct parent *p, struct child *c, struct err *err);
bool parent_anyone(const struct parent *p); /* any child that runs */
void parent_kill(struct parent *p, int sig);
void parent_stop(struct parent *p); /* in order: reader, core, senders */
void parent_close_core(struct parent *p);
void parent_reap(struct parent *p);

/* ---- parent-guard.c ---- */

void parent_guard_turn(struct parent *p, uint64_t now);
void parent_guard_ended(struct parent *p, int status);
/* To every receiver, at once; waits for them, half a minute at most. */
void parent_guard_tell(struct parent *p, struct slice text);
/* A trail that did not verify the last time must do so now. -EUCLEAN: it does not. */
int parent_guard_at_start(struct parent *p, struct err *err);

/* ---- parent-reload.c ---- */

void parent_reload(struct parent *p);
int parent_change_over(struct parent *p, struct err *err);
/* Sockets that are open in `old` under the same key stay; the others are opened. */
int parent_take_sockets(struct config *c, const struct config *old, struct err *err);
void parent_close_sockets(const struct config *c);
/* To whoever asked for the reload. */
void parent_answer(struct parent *p, const char *text);
