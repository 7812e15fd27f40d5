/*
 * Forwarding: entries of the trail to programs elsewhere (notifiers/machines/).
 *
 * Each receiver has a process of its own and a position in the trail: the entry that comes next.
 * The core (core-forward.h) reads the trail from there on, hands out batches of lines, and moves
 * the position in the commit that holds what became of them. So the trail is the queue: a receiver
 * that was away for a week gets all of it, in order, and nothing waits for it.
 *
 * Receivers' processes are numbered behind those of the senders (sender_count()).
 */
#pragma once

#include "base/option.h"
#include "notifiers/machines/machine.h"

struct config;

#define FORWARDS_MAX 16

struct config_forward {
    struct machine machine;
    const char *type;
    struct option_strs types, levels, channels, fields; /* empty: all */
    int from; /* of a receiver that is new: enum forward_from */
    uint64_t batch; /* entries at once */
};

enum forward_from {
    FORWARD_FROM_BEGIN,
    FORWARD_FROM_NOW,
};

struct machine *forward_machine(const struct config *c, size_t i); /* NULL behind the last */

/* Does the entry's line pass the filter? */
bool forward_takes(const struct config_forward *f, struct slice line);

/* ---- the position, as it is stored with the cursors of the inputs ---- */

#define FORWARD_STREAM "position"
struct forward_position {
    uint64_t next; /* entry */
    uint64_t time_us; /* of the last one that is done; 0 = none */
};
/* "forward/NAME", in the arena. */
char *forward_input(struct arena *a, const char *name);
/* Of another trail it is none: false. */
bool forward_position_read(struct slice value, struct slice origin, struct forward_position *ret);
void forward_position_write(const struct forward_position *p, struct slice origin, struct buf *out);

/* ---- what crosses to the receiver's process and back: one packet each (SOCK_SEQPACKET) ---- */

#define FORWARD_PACKET_MAX (160u << 10)
#define FORWARD_BATCH_MAX 2000
#define FORWARD_REASONS_MAX 32 /* in one answer; more dead ones are told without theirs */

/* To it: this, the origin, and n lines, each with its LF. */
struct forward_order {
    uint64_t number;
    uint32_t n, origin_n;
};
/* From it: this, n states (a byte each), and reasons. */
struct forward_answer {
    uint64_t number;
    uint64_t retry_after_us, again_from, rejected;
    uint32_t n, nreasons;
    uint8_t broken, again, unused[6];
    char status[160];
};
struct forward_reason {
    uint32_t which;
    char text[120];
};
#define FORWARD_ANSWER_MAX                                                                         \
    (sizeof(struct forward_answer) + FORWARD_BATCH_MAX +                                           \
     FORWARD_REASONS_MAX * sizeof(struct forward_reason))

/* The process of a receiver: takes orders until the line ends, or until a SIGTERM. */
void forward_work(struct machine *m, const char *host, int fd);
