/*
 * What becomes of old entries and of personal data, without breaking a proof.
 *
 *     prune      whole segments from the beginning go, with the tiles that only they needed
 *     erase      personal values behind the TAB go, of one person, wherever they stand
 *     compress   closed segments become .jsonl.gz
 *     move       the trail is put aside, and a new one names it: damaged, or with a new key
 *
 * All of it is the writer's work: on an opened trail, or under its lock. Leaves, and so the root
 * and every proof of what is kept, stay as they are: a leaf ends at the TAB, and tiles are only
 * removed when no proof of a kept entry can need them.
 *
 * What takes several steps is written down first, in the file `keep.todo` of the key folder (which
 * is not part of the trail and is not given away). audit_open() reads it and finishes what was
 * begun, or forgets it when the entry that declares it was never committed:
 *
 *     prune   todo, entry `trail.prune`, commit, checkpoint, files go, todo goes.
 *             Without the entry nothing is gone yet: forgotten. With it the rest goes.
 *     erase   todo (which entries, which names; never the values), segments are rewritten, entries
 *             `pii.erase`, commit, checkpoint, todo goes. At every step the rewriting can be
 *             done again from the todo, and the entries are owed until they are committed.
 *     move    todo, the folders are renamed, a new trail is made, its first commit, todo goes.
 *
 * Erasing makes the open segment shorter than the state database says until the next commit. That
 * is sound: recovery counts lines, and the lines' number and leaves are what they were; it takes
 * the length of the segment from the lines it counted (trail-recover.c), never from the state.
 */
#pragma once

#include "audit/audit.h"
#include "base/ip.h"

/* ---- what is under way ---- */

bool audit_keep_busy(const struct audit *a);
/*
 * Goes on with it: removes at most `files` files. 1 = there is more, call again; 0 = nothing can be
 * done now (it may wait for its entry to be signed).
 */
int audit_keep_step(struct audit *a, unsigned files, struct err *err);
/* Entries that what is under way owes, into the batch: call it before a commit. */
int audit_keep_owed(struct audit *a, struct batch *b, struct err *err);

/* ---- prune ---- */

struct audit_limits {
    uint64_t before_us; /* segments whose entries are all older may go; 0 = not by age */
    uint64_t bytes_max; /* the oldest go until the log is no larger; 0 = not by size */
    uint64_t before_entry; /* segments that end there may go; 0 = not by number */
};

struct audit_prune {
    uint64_t from, min; /* entries [from, min) go; from == min: nothing to do */
    uint64_t segments, bytes;
};

/* What would go. The open segment never does. */
int audit_prune_plan(struct audit *a, const struct audit_limits *limits, struct audit_prune *ret,
                     struct err *err);
/*
 * Writes it down. The caller then appends `trail.prune` {"min":M,"reason":...} to the next batch
 * that it commits; audit_keep_step() removes when that is signed. -EBUSY: something else is under
 * way.
 */
int audit_prune_begin(struct audit *a, const struct audit_prune *p, struct err *err);

/* ---- erase ---- */

/*
 * Whose data. A user or address is looked for as a word, whatever its case, in every personal
 * value: also in raw lines, behind JSON escapes and percent signs. An ip is compared as an address.
 * A user of digits alone is only looked for in fields that name users: in a raw line any number
 * would fit.
 */
enum audit_subject_kind {
    AUDIT_SUBJECT_USER,
    AUDIT_SUBJECT_EMAIL,
    AUDIT_SUBJECT_IP,
    AUDIT_SUBJECT_FIELD, /* one field has this value */
};
struct audit_subject {
    enum audit_subject_kind kind;
    struct slice field; /* of AUDIT_SUBJECT_FIELD */
    struct slice value; /* borrowed */
    struct ip ip;
};
/* "user=alice", "email=...", "ip=..."; with `field` "user.id=4711". -EINVAL. */
int audit_subject_parse(struct slice text, bool field, struct audit_subject *ret, struct err *err);
/* Does it occur in the value of that name (NULL: of some field), which may be a JSON document? */
bool audit_subject_in(const struct audit_subject *s, struct slice name, struct slice value);

struct erase_plan;
struct audit_erasure {
    uint64_t entries, values, segments;
};
/* Which values would go: those in which any of the subjects occurs. */
int audit_erase_plan(struct audit *a, const struct audit_subject *subjects, size_t n,
                     struct erase_plan **ret_plan, struct audit_erasure *ret, struct err *err);
void audit_erase_plan_free(struct erase_plan *p);
/* Tells each entry, and the JSON array of the names that go from it. */
void audit_erase_plan_each(const struct erase_plan *p,
                           void (*fn)(void *ctx, uint64_t index, struct slice names), void *ctx);
/*
 * Writes it down and rewrites the segments; nothing provisional may be behind the committed end.
 * The caller then commits what audit_keep_owed() gives and signs it. Takes the plan. After a
 * failure it is not over: audit_open() goes on with it.
 */
int audit_erase_begin(struct audit *a, struct erase_plan *p, const char *reason, const char *by,
                      struct err *err);

/* ---- compress ---- */

/*
 * Closed and signed segments, all but the newest of them, become .jsonl.gz, oldest first: at most
 * `bytes` of input a call. What was written is read back and compared before the plain file goes.
 * 1 = there is more.
 */
int audit_compress_step(struct audit *a, size_t bytes, struct err *err);

/* ---- a new trail in the place of this one ---- */

#define AUDIT_ORIGIN_MAX 100

struct audit_move {
    const char *origin; /* of the new trail */
    struct audit_prev prev; /* the last believable checkpoint of the old one */
    bool damaged; /* the old keys are put aside; else they are wiped: the old trail is closed */
    const char *by;
};

/*
 * The largest checkpoint that the trail's own key signed: of `checkpoint`, the kept notes and the
 * epochs' proofs. Without the key the one that the first epoch's proof names is believed.
 * ret->origin points to `origin`. -ENOENT: there is none.
 */
int audit_believable(const struct audit_config *config, char origin[AUDIT_ORIGIN_MAX],
                     struct audit_prev *ret, struct err *err);
/* Writes it down, for a trail that audit_open() refuses. -EBUSY: somebody writes it. */
int audit_move_begin(const struct audit_config *config, const struct audit_move *m,
                     struct err *err);
/*
 * Before audit_open(): carries out what is written down. *ret_origin is the new trail's (or empty:
 * nothing was to do). The state of the old trail says nothing about the new one; that it was moved
 * is owed as an entry, see audit_keep_owed().
 */
int audit_move_finish(const struct audit_config *config, char ret_origin[AUDIT_ORIGIN_MAX],
                      struct err *err);
/* The new trail of a move or rotation that is written down and not over; empty: there is none. */
int audit_move_target(const struct audit_config *config, char ret_origin[AUDIT_ORIGIN_MAX],
                      struct err *err);

/*
 * A new identity key: writes down that the trail ends. The caller appends `trail.close`, commits
 * and signs it, calls audit_rotate_move() and frees the writer; audit_move_finish() then does the
 * rest.
 */
int audit_rotate_begin(struct audit *a, const char *origin, const char *by, struct err *err);
/* The trail is closed by an entry, and rotating is to go on. */
bool audit_rotating(const struct audit *a);
int audit_rotate_move(struct audit *a, struct err *err);
const char *audit_origin(const struct audit *a);
