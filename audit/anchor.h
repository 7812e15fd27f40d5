/*
 * Kept notes: the checkpoints that left this machine, in checkpoints/<20-digit size>.
 *
 * A checkpoint that somebody else holds pins the trail down to its size. What left is remembered
 * here, before it leaves, and what came back for it is kept with it: lines of witnesses behind its
 * own signatures, a time stamp (RFC 3161) in <size>.tsr over the file as it was then. Lines are
 * only ever appended, so a time stamp is over the file or over its beginning.
 *
 *     audit_notes_keep()     durable before the note may leave; a repeat does nothing
 *     audit_notes_cosign()   a witness's answer, checked with its key
 *     audit_notes_stamp()    a time stamp; the caller has checked it
 *     audit_notes_thin()     so that they stay few; audit_notes_keep() does it once an hour
 *
 * Kept for ever: the newest one of each day. For a week: the newest of each hour; for a day: of
 * each ten minutes; for an hour: all. One that a witness or a time stamp stands behind goes before
 * the others of its hour or day. Needs no keys; writes nothing but these files.
 */
#pragma once

#include "base/err.h"
#include "base/slice.h"

struct audit_notes;

/* What a checkpoint says; the texts point into the note. Signatures are not judged. */
struct audit_checkpoint_says {
    struct slice origin;
    uint64_t size;
    struct slice root; /* base64 */
};
int audit_note_read(struct slice note, struct audit_checkpoint_says *ret); /* -EBADMSG */

/*
 * Notes in a text that somebody kept: the note itself, a mail as it was saved, alert documents.
 * audit_notes_unwrap() makes plain lines of it; audit_notes_next() gives one note after the other.
 */
int audit_notes_unwrap(struct slice text, struct buf *out);
bool audit_notes_next(struct slice *rest, struct slice *ret_note);

/* -EINVAL: no key of a witness (NAME+HEX+BASE64, cosignature/v1). */
int audit_witness_check(const char *vkey, struct err *err);

int audit_notes_open(const char *trail_folder, struct audit_notes **ret, struct err *err);
void audit_notes_free(struct audit_notes *n);
DEFINE_AUTO(audit_notes)

/* -EUCLEAN: another checkpoint of this size left before: one of them is forged. */
int audit_notes_keep(struct audit_notes *n, struct slice note, uint64_t now_us, struct err *err);
/* The kept note with all that is behind it by now. -ENOENT */
int audit_notes_read(struct audit_notes *n, uint64_t size, struct buf *out, struct err *err);
/*
 * Lines that a witness gave for the kept note of this size. Those of other keys are ignored.
 * -ENOKEY: none is of this key. -EKEYREJECTED: it does not fit. -EBADMSG: these are no such lines.
 */
int audit_notes_cosign(struct audit_notes *n, uint64_t size, struct slice lines, const char *vkey,
                       uint64_t *ret_time_s, struct err *err);
int audit_notes_stamp(struct audit_notes *n, uint64_t size, struct slice reply, struct err *err);
/* The largest kept size that this witness stands behind; 0 = none. */
int audit_notes_witnessed(struct audit_notes *n, const char *vkey, uint64_t *ret_size,
                          struct err *err);
/* The kept note of the largest size; -ENOENT: none was kept. */
int audit_notes_newest(struct audit_notes *n, struct buf *out, struct err *err);
int audit_notes_thin(struct audit_notes *n, uint64_t now_us, struct err *err);
