/*
 * Machine: a receiver of records that is a program: a SIEM, a bus, a file.
 *
 * It is handed batches of records in the order of the trail and says of each how it went; what it
 * keeps (a connection) may be lost at any time. Every record is sent at least once; a repeat
 * carries the same id (ORIGIN/INDEX), which receivers with ids recognise.
 *
 *     SENT    the receiver has it, or had it before
 *     RETRY   not now: the caller comes again with it, in order
 *     DEAD    this one record will never be taken, and `reason` says why
 *
 * A receiver that refuses us as a whole (a token revoked, an index that is missing) makes no record
 * dead: that is RETRY, and `broken`.
 */
#pragma once

#include "notifiers/machines/encoder.h"
#include "schemas/batch.h"

struct machine_result {
    enum delivery_state state;
    char reason[120]; /* of DEAD; printable */
};

/* What the receiver says of the batch. */
struct machine_said {
    bool broken;
    uint64_t retry_after_us; /* its wish; 0: our back-off */
    size_t fewer; /* no more records at once than that; 0: as many as we like */
    bool again; /* records before these may be lost, too: send all from `again_from` on */
    uint64_t again_from; /* index in the trail */
    uint64_t rejected; /* taken by the answer, but not stored, and it does not say which */
    char status[160];
};

struct machine;

struct machine_ops {
    const char *name; /* the word after `type:` */
    const char *summary;
    const struct option *options;
    size_t state_size;
    bool loads_libraries; /* while it works */
    bool stays_here; /* never reaches for the network */

    /* After the options were loaded; checks what tables cannot. */
    int (*open)(struct machine *m, struct err *err);
    /* Fills all results; may block up to its own deadline. */
    void (*deliver)(struct machine *m, const struct trail_record *records, size_t n,
                    struct machine_result *results, struct machine_said *said);
    void (*close)(struct machine *m); /* also after a failed open */
};

struct machine {
    const char *name; /* in the configuration */
    const char *host; /* ours */
    const struct machine_ops *ops;
    void *state;
    size_t at_once; /* records in one delivery(); kept by machine_deliver(); 0: all */
};

/* The registry, in the manual's order; ends with NULL. */
extern const struct machine_ops *const machine_kinds[];
const struct machine_ops *machine_kind(struct slice name); /* NULL when unknown */

/*
 * Delivers in parts as large as the receiver takes, until all went or one did not: what is behind
 * a failure is RETRY.
 */
void machine_deliver(struct machine *m, const struct trail_record *records, size_t n,
                     struct machine_result *results, struct machine_said *said);

/* ---- for the machines ---- */

void results_all(struct machine_result *results, size_t n, enum delivery_state state,
                 const char *reason);
void result_dead(struct machine_result *result, const char *fmt, ...) PRINTF_LIKE(2, 3);

/*
 * Encodes each record, with `end` behind it; ends[i] is where it ends in `out`. One that cannot be
 * encoded is DEAD, and has no bytes. -ENOMEM.
 */
int encode_records(const struct encoder_settings *s, const struct trail_record *records, size_t n,
                   const char *end, size_t end_n, struct machine_result *results, size_t *ends,
                   struct buf *out);
