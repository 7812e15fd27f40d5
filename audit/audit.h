/*
 * The audit trail: an append-only Merkle log (RFC 6962, C2SP tlog-tiles) in
 * the trail format 1 of docs/trail.md. Everything needed to verify it later
 * is public; the secret keys live elsewhere.
 *
 *     audit_init()        a new trail: keys, genesis, first checkpoint
 *     audit_open()        start-up recovery against the committed end
 *     audit_append()      entries behind the committed end, fdatasync
 *     audit_checkpoint()  tiles and signed checkpoint up to the committed count
 *     audit_verify()      needs no keys but the anchors; other processes may run it live
 *
 * One writer: a lock beside the key folder. audit_append() twice without a commit between is fine
 * (the batch was given up: the second call writes at the committed end again, see
 * audit_committed()).
 */
#pragma once

#include "base/clock.h"
#include "base/err.h"
#include "schemas/batch.h"

struct audit;

struct audit_range {
    uint64_t from, to; /* entries [from, to) */
};

/* The trail that a new one follows: its last believable checkpoint. */
struct audit_prev {
    const char *origin;
    uint64_t size;
    uint8_t root[32];
};

struct audit_config {
    const char *folder; /* the trail, mode 0750 */
    const char *key_folder; /* secret keys, mode 0700, never inside `folder` */
    const char *origin; /* host.example/trail/1; no blanks, no '+' */
    bool any_origin; /* `origin` is for a new trail; one that is there may have another name */
    const struct audit_prev *prev; /* of a new trail; may be NULL */
    uint64_t heartbeat_s; /* 300 */
    uint64_t epoch_s; /* 86400 */
    const struct clock *clock;
    struct audit_range replay; /* told by an earlier start, see audit_open(); all 0 = none */
};

struct audit_anchors {
    char identity_vkey[160];
    char epoch_vkey[160];
};

/* A new trail; -EEXIST when the folder holds one. */
int audit_init(const struct audit_config *config, struct audit_anchors *ret_anchors,
               struct err *err);

/*
 * Opens for writing. `committed` is what the state database says (NULL: a trail used alone; all 0:
 * a state that knows nothing, new or lost). Lines behind it are cut when no checkpoint covers them.
 *
 * State older than the checkpoint: nothing signed is cut, *ret_replay_from is set to the committed
 * count (else UINT64_MAX), and alerts, events and refused bans that stand in [committed, signed)
 * are dropped by audit_append() when their lines are read again. The caller keeps that range and
 * gives it to later starts in config->replay, as long as the lines may come again.
 *
 * -ENOENT: there is no trail, and the state knows none. -ENOKEY: the secret keys are missing or
 * others may read them. -EUCLEAN: fewer lines than signed or committed, another root, another
 * origin: nothing is signed.
 */
int audit_open(const struct audit_config *config, const struct trail_end *committed,
               struct audit **ret_audit, uint64_t *ret_replay_from, struct err *err);
void audit_free(struct audit *a); /* signs nothing; closes */
DEFINE_AUTO(audit)

/* A message about this alert went to the receiver (or was given up) in the entries that are
 * replayed: it must not be told again. */
bool audit_delivered(const struct audit *a, struct slice id, struct slice receiver);

/*
 * Appends batch->entries at the committed end, syncs, sets batch->trail. The
 * end stays provisional until audit_committed(). Adds heartbeat, clock.step and
 * key.epoch entries that are due. An entry may name its source: members hold
 * "key":"<stream>-<position>" for de-duplication.
 *
 * A failed write or sync leaves the trail in doubt: the next call opens the segment anew, compares
 * the committed tail with the tree, writes again and reads that back. After three failures of the
 * disk in a row: -ENOTRECOVERABLE, the process must end. A full disk is no such failure.
 */
int audit_append(struct audit *a, struct batch *b, struct err *err);
/* The store has committed the end: it is true now. */
void audit_committed(struct audit *a, const struct trail_end *end);
/*
 * Tiles and checkpoint up to the committed end. Nothing to do when it is signed
 * already, or was signed less than a second ago and `now` is false.
 */
int audit_checkpoint(struct audit *a, bool now, struct err *err);
/* The next audit_checkpoint(a, now) will sign: flush the state before it. */
bool audit_checkpoint_due(const struct audit *a, bool now);
bool audit_unsigned(const struct audit *a); /* committed entries wait for a signature */
/* When an entry of our own (heartbeat, epoch) is due, in time of the clock: commit a batch then. */
uint64_t audit_due_us(const struct audit *a);
struct trail_end audit_end(const struct audit *a);
/* The writer before did not end by itself: the newest entries say that it ran, and not that it
 * stopped. */
bool audit_unclean(const struct audit *a);
/* The newest signed checkpoint note, as text; lives until the next call on `a`. */
struct slice audit_note(const struct audit *a);
void audit_anchors(const struct audit *a, struct audit_anchors *ret_anchors);

/* ---- without keys ---- */

struct audit_finding {
    const char *code; /* EDITED, DELETED, ROOT_MISMATCH ...: docs/trail.md */
    bool warning;
    uint64_t index; /* entry, or UINT64_MAX */
    char text[200];
};

struct audit_report {
    uint64_t entries; /* in the log, as far as they are signed */
    uint64_t signed_size, behind; /* behind: lines that are not signed yet */
    uint64_t first_entry; /* those before were pruned */
    uint64_t read_from; /* those before were not read: their tiles lead to the signed root */
    uint64_t first_us, last_us;
    uint8_t root[32];
    unsigned epochs, notes;
    unsigned unchecked; /* of notes: the tiles that they need were pruned */
    uint64_t pii_checked, pii_erased; /* personal values */
    struct audit_finding *findings;
    size_t nfindings;
    bool good; /* no finding but warnings */
};

struct audit_since { /* one of them, or none */
    uint64_t time_us;
    uint64_t size;
    const char *note; /* path of a signed note; counts as one of `against`, too */
};

struct audit_verify_options {
    const char *folder;
    const char
        *identity_vkey; /* anchors kept elsewhere; NULL: taken from the genesis, with a warning */
    const char *epoch_vkey;
    const char *const *against; /* paths of notes kept elsewhere */
    size_t nagainst;
    struct audit_since since; /* lines before are not read */
    void (*progress)(void *ctx, uint64_t done, uint64_t total); /* entries */
    void *ctx;
    uint64_t now_us; /* for STALE and UNSIGNED_TAIL; 0 = do not judge */
};

/* 0 and a report (good or not); negative errno when it cannot be checked at all. */
int audit_verify(const struct audit_verify_options *o, struct audit_report *ret_report,
                 struct err *err);
void audit_report_fini(struct audit_report *r);

/* Calls fn for each entry line (without LF) in order; fn returns non-zero to stop. */
int audit_each(const char *folder, uint64_t from,
               int (*fn)(void *ctx, uint64_t index, struct slice line), void *ctx, struct err *err);
