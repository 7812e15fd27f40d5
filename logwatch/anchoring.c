/* Documents for anchors, and their answers. */
#include "logwatch/anchoring.h"

#include <errno.h>
#include <stdio.h>

#include "audit/view.h"
#include "base/clock.h"

/* ---- what leaves ---- */

static int add_proof(struct audit_view *v, uint64_t known, uint64_t size, struct json_writer *w,
                     struct err *err)
{
    AUTO_BUF proof = BUF_INIT;
    struct slice rest, line;

    /* A size that we do not have (any more) cannot be gone on from: the answer will tell. */
    if (known > size)
        known = 0;
    if (known && known < size && audit_view_consistency(v, known, size, &proof, err) < 0)
        return err_code(err);
    json_member_u64(w, "old", known);
    json_key(w, "proof");
    json_array(w);
    rest = buf_view(&proof);
    while (rest.n && slice_split(&rest, '\n', &line))
        if (line.n)
            json_put_slice(w, line);
    json_array_end(w);
    return 0;
}

int anchoring_document(struct audit_notes *notes, const char *trail, bool witness, uint64_t known,
                       uint64_t now_us, struct buf *out, uint64_t *ret_size, struct err *err)
{
    AUTO(audit_view) v = NULL;
    AUTO_BUF kept = BUF_INIT;
    struct audit_checkpoint_says c;
    struct json_writer w = json_writer(out);

    if (audit_view_open(trail, &v, err) < 0)
        return err_code(err);
    if (audit_note_read(audit_view_note(v), &c) < 0)
        return err_set(err, -EBADMSG, "the trail's checkpoint cannot be read");
    if (audit_notes_keep(notes, audit_view_note(v), now_us, err) < 0)
        return err_code(err);
    /* What others have signed goes with it, but a witness wants to see the trail's own word. */
    if (!witness && audit_notes_read(notes, c.size, &kept, err) < 0)
        return err_code(err);
    json_object(&w);
    json_member_u64(&w, "version", 1);
    json_member_slice(&w, "origin", c.origin);
    json_member_u64(&w, "size", c.size);
    json_member_slice(&w, "root", c.root);
    json_member_slice(&w, "note", witness ? audit_view_note(v) : buf_view(&kept));
    if (witness && add_proof(v, known, c.size, &w, err) < 0)
        return err_code(err);
    json_object_end(&w);
    *ret_size = c.size;
    return buf_ok(out) ? 0 : err_nomem(err);
}

/* ---- what comes back ---- */

static void keep_answer(struct audit_notes *notes, const char *vkey, bool stamp, uint64_t sent,
                        struct anchoring_answer *a)
{
    struct err err = ERR_NONE;
    char text[TIME_TEXT_SIZE];
    uint64_t at = 0;
    int r = 0;

    if (vkey)
        r = audit_notes_cosign(notes, sent, a->reply, vkey, &at, &err);
    else if (stamp)
        r = audit_notes_stamp(notes, sent, a->reply, &err);
    if (r < 0) {
        a->state = DELIVERY_RETRY;
        snprintf(a->status, sizeof a->status, "%.180s", err.text);
        return;
    }
    if (!vkey)
        return;
    if (at > UINT64_C(253402300799)) /* the year 9999 */
        at = UINT64_C(253402300799);
    time_text(at * USEC_PER_SEC, text);
    snprintf(a->status, sizeof a->status, "cosigned %s", text);
}

static enum anchoring contradicted(struct anchoring_answer *a, uint64_t size, const char *what)
{
    char text[sizeof a->status];

    snprintf(text, sizeof text, "%s (ours: %llu entries)", what, (unsigned long long)size);
    memcpy(a->status, text, sizeof text);
    a->state = DELIVERY_DEAD;
    return ANCHORING_CONTRADICTED;
}

/* The witness knows another tree than the one that we went on from. */
static enum anchoring other_size(struct anchoring_answer *a, uint64_t sent, uint64_t known,
                                 uint64_t now)
{
    char what[120];

    if (a->size > now) {
        snprintf(what, sizeof what, "the witness has signed a checkpoint of %llu entries",
                 (unsigned long long)a->size);
        return contradicted(a, now, what);
    }
    if (a->size == sent && known == sent)
        return contradicted(a, sent, "the witness has signed another checkpoint of the same size");
    /* The size that we did go on from: the answer makes no sense, and asking at once would not end.
     */
    return a->size == known ? ANCHORING_AS_IT_IS : ANCHORING_AGAIN;
}

enum anchoring anchoring_take(struct audit_notes *notes, const char *vkey, bool stamp,
                              uint64_t sent, uint64_t known, uint64_t now,
                              struct anchoring_answer *a)
{
    if (a->said == ANCHOR_REFUSES) {
        AUTO_BUF what = BUF_INIT;

        buf_str(&what, a->status);
        return contradicted(a, sent, what.p ? what.p : "");
    }
    if (a->said == ANCHOR_SIZE)
        return other_size(a, sent, known, now);
    if (a->state == DELIVERY_SENT)
        keep_answer(notes, vkey, stamp, sent, a);
    return ANCHORING_AS_IT_IS;
}
