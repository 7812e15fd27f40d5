/*
 * Core: steps 6-9 of a line's journey. Matches in, one commit out.
 *
 *     core_open()      state database, trail, windows from the stored signals
 *     core_take()      a reader's result into the batch that is open
 *     core_outcome()   how a delivery went, into the same batch
 *     core_commit()    the batch becomes evidence, then true
 *
 * One at a time, in the order of the blocks. When a commit fails (a full
 * disk), the batch stays open: call again later and take nothing meanwhile;
 * files and the journal are the buffer.
 */
#pragma once

#include "audit/keep.h"
#include "logwatch/config.h"
#include "logwatch/reader.h"
#include "store/store.h"

struct core;
struct follow_cursor;

/* `why`: the entry that says so, "daemon.start", "daemon.reload", "daemon.restart". */
int core_open(const struct config *c, const struct clock *clock, const char *why,
              struct core **ret_core, struct err *err);
/* The same for a command that changes the state while no daemon runs: no "daemon.start". */
int core_attach(const struct config *c, const struct clock *clock, struct core **ret_core,
                struct err *err);
void core_free(struct core *core); /* says nothing in the trail: core_close() does */
DEFINE_AUTO(core)

/* Every input's stored cursors, for a reader that begins. */
int core_cursors(struct core *core, struct arena *a, struct follow_cursor **ret_cursors,
                 size_t *ret_n, struct err *err);

struct store *core_store(struct core *core);
struct audit *core_audit(struct core *core);

int core_take(struct core *core, const struct reader_result *result, struct err *err);

/* Event time moves by itself when nothing comes: windows that are over are judged. */
int core_tick(struct core *core, struct err *err);
/* Wall time at which that is due; UINT64_MAX = nothing waits for it. */
uint64_t core_due_us(const struct core *core);
uint64_t core_people_next_us(const struct core *core); /* the same of incidents that may be over */

/* An outcome of the sender for a row; the texts are copied. */
struct core_delivery {
    uint64_t row;
    struct slice key, receiver, kind;
    enum delivery_state state;
    unsigned attempts;
    bool broken; /* and so would be anything else for this receiver */
    uint64_t not_before_us;
    struct slice status, remote;
    enum anchor_said said; /* of an anchor, as what follows */
    uint64_t size;
    struct slice reply;
};
int core_outcome(struct core *core, const struct core_delivery *d, struct err *err);

/*
 * The row for a receiver that is idle: 1 = fn was called; 0 = nothing now (core-queue.h says why
 * and when it is worth asking again: core_next_us(), UINT64_MAX = nothing waits).
 */
int core_next(struct core *core, struct slice receiver,
              int (*fn)(void *ctx, const struct outbox_row *row, struct slice first_remote),
              void *ctx, struct err *err);
uint64_t core_next_us(struct core *core, struct slice receiver);

/*
 * What a person asks for: JSON (schemas/incident.h). The answer is JSON, too, also when it is
 * refused; what it changes is in the open batch, so tell it after the commit.
 */
struct core_actor {
    long uid; /* whom the kernel says it is; -1: a receiver's buttons, which may do little */
    const char *via; /* "cli", "telegram:ops" */
};
int core_act(struct core *core, struct slice request, const struct core_actor *actor,
             struct buf *answer, struct err *err);

/* The book of bans (core-bans.h), and what the blocker said of it. */
struct core_bans;
struct ban_result;
struct core_bans *core_bans(const struct core *core);
int core_ban_result(struct core *core, const struct ban_result *r, struct err *err);

/* An entry of our own life: "daemon.stop", "input.failed" ... members as in struct entry. */
int core_note(struct core *core, const char *type, struct slice members, struct err *err);

/* What is under way with the trail (audit/keep.h) owes entries: into the open batch. */
int core_keep_owed(struct core *core, struct err *err);

/* A position set by hand; an empty value forgets the stream. */
int core_cursor(struct core *core, struct slice input, struct cursor cursor, struct err *err);

/* ---- what leaves ---- */

/* The newest checkpoint, kept in the trail first; empty when it cannot be: then none leaves. */
struct slice core_note_to_send(struct core *core);
/* Rows for anchors whose time has come; and when that is (wall, UINT64_MAX = never). */
int core_anchor(struct core *core, struct err *err);
uint64_t core_anchor_due_us(const struct core *core);
/* The document of such a row: made now, with the newest checkpoint. */
int core_anchor_order(struct core *core, struct slice receiver, struct buf *out, struct err *err);

/*
 * An alarm about ourselves: an alert of level critical, by a rule that is in no file. The texts are
 * copied. subject: what it is about, like a receiver's name.
 */
struct core_alarm {
    const char *rule, *title; /* constants */
    struct slice subject, description;
};
int core_alarm(struct core *core, const struct core_alarm *alarm, struct err *err);

bool core_dirty(const struct core *core); /* something waits for a commit */
bool core_urgent(const struct core *core); /* and it is more than progress */
/* -ENOTRECOVERABLE: the disk cannot be believed any more, the process must end. */
int core_commit(struct core *core, struct err *err);
/*
 * False: the disk is full and the reserve is in use, for bans, outcomes and the alarm. Read
 * nothing, and ask again: it is made again as soon as there is room.
 */
bool core_has_room(struct core *core);
/* Signs what is committed, when it is due. */
int core_checkpoint(struct core *core, bool now, struct err *err);
