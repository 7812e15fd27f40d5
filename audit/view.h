/*
 * A trail, read: its entries by number, and proofs out of its tiles.
 *
 * Needs no keys, and may be done beside the writer. Everything is about one tree: that of the
 * checkpoint that was there when the view was opened. What is proved was compared with the signed
 * tree; the rest is not judged here: audit_verify() does that.
 */
#pragma once

#include "base/err.h"
#include "base/slice.h"

struct audit_view;

/* -ENOENT: no trail. -EBADMSG: its checkpoint cannot be read. */
int audit_view_open(const char *folder, struct audit_view **ret, struct err *err);
void audit_view_free(struct audit_view *v);
DEFINE_AUTO(audit_view)

uint64_t audit_view_size(const struct audit_view *v);
/* Entries before it were pruned. */
uint64_t audit_view_first(const struct audit_view *v);
/* The checkpoint, a signed note; valid as long as the view. */
struct slice audit_view_note(const struct audit_view *v);
struct slice audit_view_origin(const struct audit_view *v);

/*
 * From now on everything is about the tree of an older checkpoint, which must be the beginning of
 * the view's: so what was shown then can be shown again. Its signatures are not judged: proofs that
 * are made now carry it, and audit_check_proof() does. -EBADMSG: it is none, or of another trail.
 * -EUCLEAN: the trail has another history, or is shorter.
 */
int audit_view_back(struct audit_view *v, struct slice note, struct err *err);

/* The leaf of entry 0, which says the keys; also when entry 0 was pruned. -EBADMSG, -ENOENT */
int audit_view_genesis(struct audit_view *v, struct buf *out, struct err *err);
/* The line without its LF. -ENOENT: not there, or not any more. */
int audit_view_line(struct audit_view *v, uint64_t index, struct buf *out, struct err *err);

/*
 * A C2SP tlog-proof file: the entry's leaf, its path and the checkpoint. -ENOENT as above;
 * -EUCLEAN: the line or a tile is not what was signed.
 */
int audit_view_prove(struct audit_view *v, uint64_t index, struct buf *out, struct err *err);
/*
 * That the tree of `old` entries is the beginning of that of `size` (both at most the view's): the
 * hashes of RFC 6962, section 2.1.2, in base64, one a line. -EINVAL: there are no such trees.
 */
int audit_view_consistency(struct audit_view *v, uint64_t old, uint64_t size, struct buf *out,
                           struct err *err);
/* The root of the tree of the first `size` entries. */
int audit_view_root(struct audit_view *v, uint64_t size, uint8_t ret[32], struct err *err);

/*
 * The static files that any client of C2SP tlog-tiles reads, written into an empty folder:
 * checkpoint, tile/<L>/<N>, tile/entries/<N>. Personal values are not in them.
 */
int audit_view_export(struct audit_view *v, const char *folder,
                      void (*progress)(void *ctx, uint64_t done, uint64_t total), void *ctx,
                      struct err *err);

/* ---- without a trail ---- */

struct audit_proved {
    struct slice origin, leaf; /* in the proof, and in `leaf_bytes` */
    uint64_t index, size;
};
/*
 * Does the proof hold, and did the owner of the key sign it? Needs nothing but the two. leaf_bytes
 * keeps the leaf. -EBADMSG: it is no proof. -EKEYREJECTED: not signed by that key. -EUCLEAN: the
 * path does not lead to the signed root.
 */
int audit_check_proof(struct slice proof, const char *identity_vkey, struct buf *leaf_bytes,
                      struct audit_proved *ret, struct err *err);
/*
 * Are two signed checkpoints of one trail, one the beginning of the other? `proof` is what
 * audit_view_consistency() gave for their sizes.
 */
int audit_check_consistency(struct slice old_note, struct slice note, struct slice proof,
                            const char *identity_vkey, struct err *err);
