/*
 * Named steps at which a test ends the process.
 *
 *     TW_FAULT="store: in txn:3" trailwarden run ...
 *
 * ends the process by _exit() at the third pass of that step, as a power
 * failure would: nothing is flushed, no handler runs. The variable is read at
 * the first step that is passed, and never by a program that runs with more
 * rights than its caller; nothing that is read later can set it. Without it a
 * step costs one comparison. Passes are counted for each process.
 *
 * (Besides base/log the only state that changes and is not handed around: a step deep
 * in a library has nobody to ask.) The table is the only place that names a step: fault_names[] is
 * for tests that walk over all of them.
 */
#pragma once

#include "base/macros.h"

#define FAULT_EXIT 86 /* the exit status of a process that ended at its step */

/* Name, and what is true on disk when the process ends there. */
#define FAULT_POINTS(X)                                                                            \
    X(TRAIL_BEFORE_PWRITE, "trail: before pwrite", "nothing of the batch")                         \
    X(TRAIL_AFTER_PWRITE, "trail: after pwrite", "lines are written, not synced")                  \
    X(TRAIL_AFTER_FDATASYNC, "trail: after fdatasync", "lines are durable, not committed")         \
    X(TRAIL_NEW_SEGMENT, "trail: new segment", "an empty segment at the end")                      \
    X(STORE_IN_TXN, "store: in txn", "rows are in an open transaction")                            \
    X(STORE_AFTER_COMMIT, "store: after commit", "the batch is true, not signed")                  \
    X(STORE_AFTER_FLUSH, "store: after flush", "the batch is durable, not signed")                 \
    X(TRAIL_AFTER_TILE, "trail: after tile", "a tile is ahead of the checkpoint")                  \
    X(TRAIL_BEFORE_SIGN, "trail: before sign", "all tiles are there, the checkpoint is old")       \
    X(TRAIL_AFTER_CHECKPOINT, "trail: after checkpoint", "signed, nothing sent")                   \
    X(TRAIL_EPOCH_SIGNED, "trail: epoch signed", "the last checkpoint of an epoch, no proof yet")  \
    X(TRAIL_EPOCH_PROVED, "trail: epoch proved", "the proof is there, the old secret, too")        \
    X(TRAIL_IN_INIT, "trail: in init", "keys and genesis, no checkpoint")                          \
    X(KEEP_PRUNE_BEGUN, "keep: prune begun", "written down, not declared, nothing is gone")        \
    X(KEEP_PRUNE_SEGMENT, "keep: prune segment", "an old segment is gone, others not yet")         \
    X(KEEP_PRUNE_TILE, "keep: prune tile", "old segments and one more tile are gone")              \
    X(KEEP_PRUNE_OVER, "keep: prune over", "all is gone, and still written down")                  \
    X(KEEP_ERASE_BEGUN, "keep: erase begun", "written down, no line is changed")                   \
    X(KEEP_ERASE_WRITTEN, "keep: erase written", "a rewritten segment beside the old one")         \
    X(KEEP_ERASE_RENAMED, "keep: erase renamed", "one more segment is rewritten")                  \
    X(KEEP_ERASE_REWRITTEN, "keep: erase rewritten", "all are, nothing is declared")               \
    X(KEEP_ERASE_OVER, "keep: erase over", "declared and signed, and still written down")          \
    X(KEEP_PACK_WRITTEN, "keep: compress written", "a whole compressed copy under another name")   \
    X(KEEP_PACK_RENAMED, "keep: compress renamed", "a segment is there plain and compressed")      \
    X(KEEP_ROTATE_BEGUN, "keep: rotate begun", "written down, the trail is not closed")            \
    X(KEEP_ROTATE_CLOSED, "keep: rotate closed", "the trail is closed and signed")                 \
    X(KEEP_MOVE_BEGUN, "keep: move begun", "written down, nothing is moved")                       \
    X(KEEP_MOVE_ASIDE, "keep: move aside", "the trail is put aside, its keys are there")           \
    X(KEEP_MOVE_KEYS, "keep: move keys", "neither trail nor keys")                                 \
    X(KEEP_MOVE_MADE, "keep: move made", "a new trail, the state knows the old one")               \
    X(FILE_BEFORE_RENAME, "file: before rename", "a whole temporary file beside the old one")      \
    X(READER_AFTER_READ, "reader: after read", "read and matched, not handed over")                \
    X(CORE_AFTER_TAKE, "core: after take", "taken into the open batch, not committed")             \
    X(CORE_STARTED, "core: started", "nothing new is committed")                                   \
    X(SEND_BEFORE, "send: before", "the row waits, nothing was sent")                              \
    X(SEND_BEFORE_MARK, "send: after send, before mark", "sent, and the row still waits")

enum fault_point {
#define FAULT_ENUM(id, name, help) FAULT_##id,
    FAULT_POINTS(FAULT_ENUM)
#undef FAULT_ENUM
        FAULT_NPOINTS,
};

extern const char *const fault_names[FAULT_NPOINTS];

enum fault_state {
    FAULT_UNASKED,
    FAULT_OFF,
    FAULT_ARMED,
};
extern enum fault_state fault_state;

void fault_pass(enum fault_point point);

static inline void fault_point(enum fault_point point)
{
    if (UNLIKELY(fault_state != FAULT_OFF))
        fault_pass(point);
}
