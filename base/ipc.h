/*
 * Messages between our own processes.
 *
 * Two kinds of line. A stream (`struct ipc` over a SOCK_STREAM pair) carries
 * frames of any size up to a limit: a type and a body. Nothing here blocks:
 * frames wait in a buffer until the other side takes them, and whoever fills
 * it asks ipc_waiting() before he makes more. A note line (SOCK_SEQPACKET
 * pair) carries single small messages and, with one, a descriptor.
 *
 * The other side may be taken over by an attacker: lengths are checked against
 * the limit of the type before anything is kept. What a body holds is its
 * reader's business (wire_get below never reads past its end).
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"

struct ipc_frame {
    unsigned type;
    struct slice body; /* until the next ipc_next() or ipc_fill() */
};

struct ipc {
    int fd; /* -1: closed */
    /* Largest body of a type that we take; 0 = the type is not for us. */
    size_t (*limit)(const void *ctx, unsigned type);
    const void *ctx;
    struct buf in, out;
    size_t in_at, out_at;
};

/* A connected pair, close-on-exec: [0] and [1]. */
int ipc_pair(int type, int ret_fds[2], struct err *err);

/* Takes fd and makes it non-blocking. */
int ipc_open(struct ipc *c, int fd, size_t (*limit)(const void *ctx, unsigned type),
             const void *ctx, struct err *err);
void ipc_close(struct ipc *c);

/* Queues a frame. -ENOMEM. */
int ipc_put(struct ipc *c, unsigned type, struct slice body);
size_t ipc_waiting(const struct ipc *c); /* bytes that the other side has not taken yet */
/* Sends what it can. 0, or -EPIPE when nobody is there any more. */
int ipc_flush(struct ipc *c);

/* Takes what has come, at most about 1 MiB a call. 1 = something came, 0 = nothing, -EPIPE = the
 * other side has closed (what came before is still there to take), -EPROTO = a frame that is not
 * allowed. */
int ipc_fill(struct ipc *c);
/* The next whole frame. 1, 0 = none yet, -EPROTO. */
int ipc_next(struct ipc *c, struct ipc_frame *ret);

/* A note with at most one descriptor (-1 = none). -EAGAIN when the line is full. */
int ipc_note_send(int fd, struct slice note, int with_fd);
/* Length of the note, 0 = closed, negative errno. *ret_fd: -1, or a descriptor that is the
 * caller's now. */
ssize_t ipc_note_receive(int fd, void *p, size_t size, int *ret_fd);

/* ---- bodies ---- */

void wire_u8(struct buf *b, unsigned v);
void wire_u32(struct buf *b, uint32_t v);
void wire_u64(struct buf *b, uint64_t v);
void wire_slice(struct buf *b, struct slice s); /* length, bytes */

/* Reads in the order of writing; the first fault sticks, ask `bad` at the end. */
struct wire {
    struct slice rest;
    bool bad;
};
unsigned wire_get_u8(struct wire *w);
uint32_t wire_get_u32(struct wire *w);
uint64_t wire_get_u64(struct wire *w);
struct slice wire_get_slice(struct wire *w); /* in the body */
/* A count of things that take at least `each` bytes: more cannot be there, and is a fault. */
size_t wire_get_count(struct wire *w, size_t each);
