/*
 * Anchoring: a checkpoint goes to somebody who keeps it, and what comes back is kept with it.
 *
 *     anchoring_document()   what a receiver of kind "anchor" is given: the newest checkpoint,
 *                            kept before it leaves, for a witness with the proof from the tree
 *                            that it knows
 *     anchoring_take()       the answer: believed only as far as it can be checked here
 *
 * The receivers (notifiers/anchors/) see the document alone. The daemon (core-anchor.h) and
 * `trailwarden trail anchor` share this.
 */
#pragma once

#include "audit/anchor.h"
#include "notifiers/sink.h"
#include "schemas/batch.h"

/* Newest checkpoint of the trail, kept as a note. ret_size: its size. */
int anchoring_document(struct audit_notes *notes, const char *trail, bool witness, uint64_t known,
                       uint64_t now_us, struct buf *out, uint64_t *ret_size, struct err *err);

struct anchoring_answer {
    enum delivery_state state; /* as the receiver sees it; corrected by anchoring_take() */
    enum anchor_said said;
    uint64_t size; /* with ANCHOR_SIZE: of the witness */
    struct slice reply;
    char status[200]; /* one line; extended by anchoring_take() */
};

enum anchoring {
    ANCHORING_AS_IT_IS, /* answer->state says it: kept, tried again or given up */
    ANCHORING_AGAIN, /* a witness knows another tree: again from `size`, at once */
    ANCHORING_CONTRADICTED, /* what is kept elsewhere does not fit our trail: somebody lies */
};
/*
 * vkey: of a witness, else NULL. sent: the size that left; now: that of our trail. What belongs to
 * the note is kept with it.
 */
enum anchoring anchoring_take(struct audit_notes *notes, const char *vkey, bool stamp,
                              uint64_t sent, uint64_t known, uint64_t now,
                              struct anchoring_answer *answer);
