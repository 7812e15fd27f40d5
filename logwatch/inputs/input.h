/*
 * Input: where lines come from. Each kind is one .c with one constant.
 *
 *     open    with rights; may block; takes the stored cursors
 *     read    one block of whole records, or nothing now; never blocks
 *     close   also after a failed open
 *
 * An input remembers nothing on disk: its cursors ride in the block and come
 * back at the next open. It may be read again from any cursor it ever gave.
 * Loss, truncation and the like are told as notices in a block.
 */
#pragma once

#include "base/clock.h"
#include "base/option.h"
#include "schemas/block.h"

struct input;

/* How far behind an input is. */
struct input_lag {
    uint64_t bytes; /* known to be there and not handed over yet; 0 where nobody knows */
    uint64_t since_us; /* wall: what was read last was written then, and there is more; 0 = none */
    unsigned streams; /* files, or connections */
};

struct input_ops {
    const char *name; /* the word after `type:` in the configuration */
    const char *summary; /* one line for `trailwarden help inputs` */
    const struct option *options; /* ends with { 0 } */
    size_t state_size; /* what the options fill; zeroed for you */

    /* Checks what the option table cannot; NULL: nothing. */
    int (*check)(const void *state, struct err *err);
    /*
     * Only for inputs with a socket of their own, else NULL. It is opened with rights before any
     * reader runs and outlives readers and reloads: `listen_key` says what it is ("udp
     * 0.0.0.0:514"), a socket that is open under the same key is used again.
     */
    void (*listen_key)(const void *state, struct buf *out);
    int (*listen)(const void *state, int *ret_fd, struct err *err);
    bool once_only; /* cannot be read again: what was read is committed and synced at once */
    int (*open)(struct input *in, struct err *err);
    /* 1 = a block (maybe only notices or cursors), 0 = nothing now, <0 = failed, told once, tried
     * again later. */
    int (*read)(struct input *in, struct block *b, struct err *err);
    void (*close)(struct input *in);
};

struct input {
    const char *name; /* unique in the configuration: key of its cursors */
    const struct input_ops *ops;
    void *state; /* state_size bytes, filled from the options */
    const struct framing *framing; /* of the channel's format; NULL = lines */
    const struct clock *clock;
    bool first_start; /* no cursor of this input was ever committed */
    bool once; /* replay: read what is there, then `end`; nothing is waited for */
    size_t block_max; /* bytes; 0 = 1 MiB */
    int socket; /* of `listen`, borrowed; -1 = none */
    /* Given by open: */
    int fd; /* readable when there may be something; -1 = poll by time */
    int events; /* poll events for fd; 0 = POLLIN */
    uint64_t wake_us; /* monotonic time at which read() wants to be called at the latest */
    struct input_lag lag; /* kept up to date by read */
    bool waiting; /* read gave nothing, but time alone will free something: not all was read yet */
    void *private; /* the input's own */
    /* Stored cursors, given before open; borrowed for the call. */
    const struct cursor *cursors;
    size_t ncursors;
};

/* The registry, in the manual's order; ends with NULL. */
extern const struct input_ops *const input_kinds[];
const struct input_ops *input_kind(struct slice name); /* NULL when unknown */

extern const struct input_ops input_file, input_journald, input_stdin, input_syslog;
