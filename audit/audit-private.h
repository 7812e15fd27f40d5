/* Private to audit/. docs/trail.md describes all formats. */
#pragma once

#include "audit/audit.h"
#include "base/hash.h"
#include "base/table.h"

#define HASH_SIZE 32
#define TILE_WIDTH 256
#define LEVELS_MAX 8 /* 256^8 entries are enough */
#define LEAF_MAX 32768
#define KEY_NAME_MAX 100

struct hash {
    uint8_t b[HASH_SIZE];
};

/* ---- merkle.c: RFC 6962, section 2.1 ---- */

struct hash merkle_leaf(struct slice data);
struct hash merkle_leaf_of_parts(struct slice data, struct slice more); /* as if joined */
struct hash merkle_node(const struct hash *left, const struct hash *right);
/* MTH over n leaf (or subtree) hashes; changes the array. n = 0: hash of nothing. */
struct hash merkle_root(struct hash *hashes, size_t n);

/* The right edge of a growing tree: the partial tile of each level. */
struct edge {
    uint64_t size;
    struct hash tile[LEVELS_MAX][TILE_WIDTH];
};
/* Adds a leaf; full(ctx, level, n, hashes) is told of each tile that became full. */
typedef int (*tile_full_fn)(void *ctx, unsigned level, uint64_t n, const struct hash *hashes);
int edge_add(struct edge *e, const struct hash *leaf, tile_full_fn full, void *ctx);
size_t edge_width(const struct edge *e, unsigned level);
struct hash edge_root(const struct edge *e);

/*
 * A tree whose whole subtrees are known: hash() of the n leaves from `from` on, n a power of two
 * and `from` a multiple of it. Proofs are made of it, the leaf's sibling first; at most 64 hashes.
 * Negative errno when hash() fails.
 */
struct subtrees {
    int (*hash)(void *ctx, uint64_t from, uint64_t n, struct hash *ret);
    void *ctx;
};
/* MTH of the n leaves from `from` on, which begin a subtree of at least n leaves. */
int merkle_range(const struct subtrees *t, uint64_t from, uint64_t n, struct hash *ret);
int merkle_inclusion(const struct subtrees *t, uint64_t index, uint64_t size, struct hash out[64],
                     size_t *ret_n);
int merkle_consistency(const struct subtrees *t, uint64_t old, uint64_t size, struct hash out[64],
                       size_t *ret_n);
bool merkle_check_inclusion(const struct hash *leaf, uint64_t index, uint64_t size,
                            const struct hash *proof, size_t n, const struct hash *root);
bool merkle_check_consistency(uint64_t old, uint64_t size, const struct hash *old_root,
                              const struct hash *root, const struct hash *proof, size_t n);

/* ---- tile.c ---- */

/* "tile/0/x001/x234/067" or with ".p/W" for width < 256. */
void tile_path(struct buf *out, unsigned level, uint64_t n, unsigned width);
int tile_write(int dir, unsigned level, uint64_t n, const struct hash *hashes, unsigned width,
               struct err *err);
/* Many of them: durable when tile_done() has returned 0, which must be called after any failure. */
struct tile_writer {
    int dir;
    struct buf last; /* path of the newest one, whose folder is not synced yet */
};
int tile_put(struct tile_writer *w, unsigned level, uint64_t n, const struct hash *hashes,
             unsigned width, struct err *err);
int tile_done(struct tile_writer *w, struct err *err);
/*
 * Removes the partial files beside the one of this width (all of them beside a full tile). Not
 * before the checkpoint that needs this one is signed: until then the former checkpoint needs them.
 */
void tile_tidy(int dir, unsigned level, uint64_t n, unsigned width);
int tile_read(int dir, unsigned level, uint64_t n, unsigned width, struct hash *out);
/*
 * The first `width` hashes of a tile that may be wider: the writer went on. Returns how many it
 * has. out: TILE_WIDTH. -ENOENT, -EBADMSG: the file has another size than its name says.
 */
int tile_read_wide(int dir, unsigned level, uint64_t n, unsigned width, struct hash *out);

/* ---- note.c: C2SP signed-note and tlog-checkpoint ---- */

#define SIGNATURE_ED25519 0x01
#define SIGNATURE_COSIGNATURE 0x04 /* of a witness, with its time: cosignature/v1 */
#define SIGNATURE_MAX 72 /* a time and an Ed25519 signature */
#define SIGNATURES_MAX 16

struct vkey {
    char name[KEY_NAME_MAX];
    uint8_t type;
    uint8_t id[4];
    uint8_t key[32];
};
struct signing_key {
    struct vkey public;
    uint8_t secret[64]; /* libsodium's form; wiped by key_wipe() */
};
void vkey_make(struct vkey *v, const char *name, const uint8_t key[32]);
void vkey_text(const struct vkey *v, struct buf *out);
int vkey_parse(struct slice s, struct vkey *ret); /* a log's key */
int vkey_parse_witness(struct slice s, struct vkey *ret); /* a witness's key */
int key_from_seed(struct signing_key *k, const char *name, const uint8_t seed[32]);
void key_wipe(struct signing_key *k);

struct note_signature {
    struct slice name;
    uint8_t id[4];
    uint8_t bytes[SIGNATURE_MAX]; /* the first of them */
    size_t n; /* may be more: of an algorithm that is not ours */
};
struct note {
    struct slice text; /* with its last LF */
    struct note_signature signatures[SIGNATURES_MAX];
    size_t nsignatures;
};
int note_parse(struct slice s, struct note *ret);
int note_parse_signature(struct slice line, struct note_signature *ret); /* without its LF */
void note_sign(struct buf *note, struct slice text, const struct signing_key *const *keys,
               size_t n);
enum note_verdict {
    NOTE_GOOD,
    NOTE_UNKNOWN, /* no signature of that key */
    NOTE_BAD,
};
enum note_verdict note_check(const struct note *n, const struct vkey *v);
/* One signature, when it is of that key; ret_time_s (may be NULL): when a witness made it. */
enum note_verdict note_check_signature(struct slice text, const struct note_signature *s,
                                       const struct vkey *v, uint64_t *ret_time_s);

struct checkpoint {
    struct slice origin;
    uint64_t size;
    struct hash root;
};
void checkpoint_text(struct buf *out, const char *origin, uint64_t size, const struct hash *root);
int checkpoint_parse(struct slice text, struct checkpoint *ret);

/* ---- proof.c: C2SP tlog-proof ---- */

struct proof {
    struct slice leaf;
    uint64_t index;
    struct hash path[64];
    size_t n;
    struct note note;
    struct checkpoint checkpoint;
};
void hash_text(struct buf *out, const struct hash *h); /* base64 and LF */
void proof_text(struct buf *out, struct slice leaf, uint64_t index, const struct hash *path,
                size_t n, struct slice note);
/* The leaf is decoded into `leaf`; the rest points into the text. -EBADMSG. */
int proof_parse(struct slice s, struct buf *leaf, struct proof *ret);
bool proof_holds(const struct proof *p); /* the path leads to the root; signatures are not judged */

/* ---- entry.c ---- */

/* The leaf data of a line (without LF): the line, or what is before its TAB and a brace. */
int leaf_data(struct slice line, struct buf *out);
struct hash leaf_of_line(struct slice line);
/* What the lines of one writer share: memory, and randomness drawn in advance. Zeroed at first. */
struct entry_maker {
    uint8_t salts[64][16];
    size_t nsalts; /* left */
    struct buf pii, salt, digest;
    struct arena *clean; /* for values that are no UTF-8 */
};
void entry_maker_fini(struct entry_maker *m); /* wipes */
/* Appends one line with its LF. */
int entry_line(struct entry_maker *m, const struct entry *e, uint64_t index, uint64_t time_us,
               struct buf *out);
struct slice line_member(struct slice line, const char *name); /* a plain string or number member */
/* base64(SHA-256("trailwarden/sd/v1" LF salt LF name LF value)): what the leaf holds of a value. */
void personal_digest(struct slice salt, struct slice name, struct slice value, struct buf *out);

/* ---- verify-line.c ---- */

/* Lines are judged one after the other: begins zeroed. */
struct line_judge {
    uint64_t last_us;
    char date[10]; /* of the last line, and its midnight */
    uint64_t date_us;
    struct slice type; /* of the last line; in it */
    unsigned values, erased; /* personal values of the last line: kept, and dropped */
    char text[120]; /* what is wrong */
    struct arena *arena; /* made when it is needed */
    struct buf digest;
};
/*
 * Index, time order, form and personal digests of a line. NULL = good, else a code. The bytes
 * before the TAB count as hashed: only their form is looked at, there is no JSON to be read.
 */
const char *line_check(struct line_judge *j, struct slice line, uint64_t index);
void line_judge_fini(struct line_judge *j);
/* The index that a line tells of itself; UINT64_MAX: it tells none. */
uint64_t line_index(struct slice line);

/* ---- segments ---- */

#define SEGMENT_ENTRIES 65536
#define SEGMENT_BYTES (64 << 20)
void segment_name(struct buf *out, uint64_t first);
void segment_name_gz(struct buf *out, uint64_t first);
/* Plain or compressed. */
int segment_open(int dir, uint64_t first, struct err *err);
/* First indices of all segments, plain or compressed, ascending; the caller frees. */
int segments_list(int dir, uint64_t **ret_first, size_t *ret_n, struct err *err);

struct segment_end {
    uint64_t next; /* index behind the last whole line */
    uint64_t bytes; /* length of the whole lines */
    bool torn; /* bytes without LF follow */
};
/* Each whole line of a segment; fn returns non-zero to stop. fn NULL: only counts. */
int segment_each(int dir, uint64_t first, int (*fn)(void *ctx, uint64_t index, struct slice line),
                 void *ctx, struct segment_end *ret_end, struct err *err);

/* ---- anchor.c ---- */

struct kept_note {
    uint64_t size;
    uint64_t time_us; /* when it was kept */
    bool outside; /* a witness or a time stamp stands behind it */
    bool drop; /* chosen to go */
};
/* The rule of audit_notes_thin(); notes are in the order of their sizes. */
void kept_notes_choose(struct kept_note *notes, size_t n, uint64_t now_us);

/* ---- view.c ---- */

struct audit_view;
int view_dir(const struct audit_view *v); /* the trail's folder */
