/* Private to audit/keep*.c and the writer: what is under way besides appending (keep.h). */
#pragma once

#include "audit/audit-private.h"
#include "audit/keep.h"

enum keep_kind {
    KEEP_NOTHING,
    KEEP_PRUNE,
    KEEP_ERASE,
    KEEP_ROTATE,
    KEEP_MOVE,
    KEEP_KINDS,
};

struct packing;
struct move;

struct keep {
    enum keep_kind kind;
    uint64_t entry; /* the entry that declares it has this index, or a later one */
    bool declared; /* and is committed; then `entry` is the last of them */
    uint64_t from, min; /* prune: [from, min) goes */
    bool segments_gone;
    unsigned level; /* the next tile that goes */
    uint64_t tile;
    struct erase_plan *erase;
    struct move *move;
    struct packing *packing;
    uint64_t packed_at; /* the open segment when there was nothing left to compress */
};

/* ---- keep.c ---- */

/* In audit_open(), behind recovery: what a crash left is removed, what was begun is finished. */
int keep_open(struct audit *a, struct err *err);
void keep_fini(struct audit *a);
/* The head of a todo; the kind's own lines follow. */
void keep_todo_head(struct buf *out, enum keep_kind kind, uint64_t entry);
int keep_todo_write(struct audit *a, const struct buf *text, struct err *err);
/* What the key folder says is under way. */
int keep_todo_load(struct audit *a, struct err *err);
int keep_done(struct audit *a, struct err *err);
int keep_sync_log(const struct audit *a, struct err *err);
/* The name of the file that holds the segment. False: there is none. */
bool keep_segment_file(const struct audit *a, uint64_t first, struct buf *out, uint64_t *ret_bytes);

/* ---- keep-prune.c ---- */

/* Time of the first entry; UINT64_MAX: there is none, or it cannot be read. */
uint64_t keep_first_time(const struct audit *a, uint64_t first);
int keep_prune_step(struct audit *a, unsigned files, struct err *err);

/* ---- keep-erase.c ---- */

/* A line of the todo: "reason ...", "by ...", "names ...", "at ...". */
int keep_erase_line(struct audit *a, struct slice word, struct slice rest);
/* Rewrites all segments that the plan names; it may have been done before. */
int keep_erase_rewrite(struct audit *a, struct err *err);
int keep_erase_owed(struct audit *a, struct batch *b, struct err *err);

/* ---- keep-move.c ---- */

int keep_move_line(struct audit *a, struct slice word, struct slice rest);
int keep_move_owed(struct audit *a, struct batch *b, struct err *err);

/* ---- keep-compress.c ---- */

/* A gzip file being written. */
struct gz;
int gz_new(int fd, struct gz **ret);
int gz_add(struct gz *g, const void *p, size_t n);
int gz_end(struct gz *g); /* all is handed to the file, not synced */
void gz_free(struct gz *g);
DEFINE_AUTO(gz)
void keep_packing_free(struct audit *a); /* and its temporary file */
