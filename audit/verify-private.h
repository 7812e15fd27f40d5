/*
 * Private to audit/verify*.c: what verification knows while it reads.
 *
 *     verify.c          order, findings, a trail that moves meanwhile
 *     verify-keys.c     checkpoint, anchors, epochs, kept notes
 *     verify-tree.c     roots that notes promise, against tiles and lines
 *     verify-lines.c    segments and their lines against level-0 tiles; what a change is called
 *     verify-entry.c    what entries say of one another: gaps, erasing, pruning, epochs
 *     verify-line.c     the form of one line
 */
#pragma once

#include "audit/audit-private.h"

/* A root that some note promises for a size. */
struct promise {
    uint64_t size;
    struct hash root;
    const char *code; /* when it is broken */
    char name[64];
};

struct epoch {
    struct vkey key;
    uint64_t size; /* of its proof: from here on it signs */
};

/* The first line that is not what was signed; the line behind it tells what happened. */
struct suspect {
    bool there;
    uint64_t index, told; /* told: the index that the line names; UINT64_MAX: none */
    struct hash leaf;
};

/* Entries whose personal values were erased and no entry has said so yet: a bit each. */
#define CHUNK_ENTRIES 65536
struct bits {
    uint64_t **chunk; /* NULL = no bit in it */
    size_t n;
};

struct gap {
    uint64_t count, longest_us, at;
};

struct verify {
    const struct audit_verify_options *o;
    struct audit_report *report;
    int dir;
    bool vanished; /* a file that was listed is gone */

    /* verify-keys.c */
    struct note note;
    struct checkpoint checkpoint;
    struct buf note_text;
    struct vkey identity;
    struct epoch *epochs;
    size_t nepochs, epochs_cap;
    uint64_t heartbeat_us;
    uint64_t since; /* of a note given as --since; else 0 */

    /* verify-tree.c */
    struct promise *promises; /* ordered by size once all are known */
    size_t npromises, promises_cap, next_promise;
    struct edge *edge;

    /* verify-lines.c */
    uint64_t *first; /* of the segments */
    size_t nfirst;
    uint64_t start; /* entries from here on are read */
    uint64_t segment_end; /* index of the next segment */
    struct hash tile[TILE_WIDTH]; /* level-0 tile on disk that covers the current entry */
    uint64_t tile_n;
    unsigned tile_width; /* 0 = none */
    struct suspect suspect;
    bool alone; /* a line and its tile differ: do the lines alone lead to the signed root? */
    struct line_judge judge;
    uint64_t behind, behind_us; /* lines that nothing signs, and the time of the first */
    uint64_t torn_bytes; /* size of the last segment when bytes without LF ended it */

    /* verify-entry.c */
    uint64_t pruned_to; /* the largest minimum that a trail.prune names */
    size_t next_epoch;
    bool stopped; /* a daemon.stop, and no start since */
    bool roll_open; /* the last signed entry announces a key that has no proof yet */
    struct gap gap;
    struct bits erased;

    bool stop; /* the first bad line ends the walk: all roots behind it are wrong anyway */
    int failed;
};

/* ---- verify.c ---- */

#define NO_ENTRY UINT64_MAX
void verify_fault(struct verify *v, const char *code, uint64_t index, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
void verify_warning(struct verify *v, const char *code, uint64_t index, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
/* What was found first is something else. */
void verify_rename(struct verify *v, const char *from, const char *code, const char *text);
/* Room for one more element; NULL = no memory, and v->failed is set. */
void *verify_grown(struct verify *v, void *array, size_t n, size_t *cap, size_t size);
/* No fault of the trail, but of the disk, of memory or of rights. Notes what is gone. */
bool verify_cannot(struct verify *v, int r);

/* ---- verify-keys.c ---- */

/* All that is signed: false when nothing more can be judged. */
bool verify_keys(struct verify *v, struct err *err);
/* The daemon may write the proof of the last epoch a moment after the checkpoint. */
bool verify_epoch_now(struct verify *v, unsigned n);

/* ---- verify-tree.c ---- */

bool verify_promise(struct verify *v, uint64_t size, const struct hash *root, const char *code,
                    const char *name);
/* The edge at v->start, and what was promised for smaller trees: from tiles. */
bool verify_tree_below(struct verify *v);
/* One more leaf; roots that were promised for the new size. */
int verify_tree_add(struct verify *v, const struct hash *leaf);
void verify_tree_end(struct verify *v);

/* ---- verify-lines.c ---- */

void verify_lines(struct verify *v, struct err *err);

/* ---- verify-entry.c ---- */

/* A signed line of good form. */
void verify_entry(struct verify *v, uint64_t index, struct slice line, uint64_t before_us);
void verify_entries_end(struct verify *v);
void verify_entries_fini(struct verify *v);
