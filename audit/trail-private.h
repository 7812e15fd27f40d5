/*
 * Private to audit/trail*.c: the writer and its parts.
 *
 *     trail.c          folders, files, a new trail
 *     trail-keys.c     secret keys on disk
 *     trail-recover.c  start: what is there against what was committed and signed
 *     trail-replay.c   entries that were signed before the state knew them
 *     trail-append.c   entries behind the committed end
 *     trail-sign.c     tiles, checkpoints, the end of an epoch
 *     trail-disk.c     writing, and what to believe of a disk that failed
 */
#pragma once

#include "audit/keep-private.h"

#define STEP_US USEC_PER_SEC

struct full_tile {
    unsigned level;
    uint64_t n;
    struct hash hashes[TILE_WIDTH];
};

struct audit {
    struct audit_config config;
    int dir, key_dir, lock_fd, segment_fd;
    struct signing_key identity, epoch, next_epoch;
    unsigned epoch_n;
    struct edge *edge; /* committed entries */
    struct full_tile *full; /* not on disk yet */
    size_t nfull, full_cap;
    size_t nfull_written; /* of them on disk, not tidied yet */
    unsigned written[LEVELS_MAX]; /* width of the partial file on disk */
    bool untidy[LEVELS_MAX]; /* and narrower ones are beside it */
    struct hash *pending; /* leaves appended, not committed */
    size_t npending, pending_cap;
    bool pending_epoch; /* the last of them is a key.epoch */
    uint64_t roll_at; /* committed size at which an epoch ends; 0 = none */
    struct trail_end end; /* committed */
    uint64_t signed_size;
    uint64_t last_time_us, last_now_us, last_mono_us;
    uint64_t last_entry_us, epoch_start_us, signed_us;
    uint64_t pending_now_us, pending_mono_us; /* of the batch that is not committed */
    bool clock_known, epoch_due;
    bool unclean; /* who wrote before did not end by itself */
    bool doubt; /* a write or sync of the segment failed: look before the next one */
    unsigned append_tries, sign_tries; /* failures of the disk, one after the other */
    struct table *replayed; /* entries signed before the state knew them; see trail-replay.c */
    struct entry_maker maker;
    struct buf note;
    uint64_t day_segment,
        day_us; /* an open segment, and the time of its first entry; 0 = unknown */
    struct keep keep;
    char origin[KEY_NAME_MAX]; /* with any_origin: the trail's own */
};

/* ---- trail.c ---- */

uint64_t trail_now(const struct audit *a);
/* Room for one more element; NULL = no memory. */
void *trail_grown(void *array, size_t n, size_t *cap, size_t size);
/* A tile_full_fn: keeps the tile until it is written. */
int trail_keep_full(void *ctx, unsigned level, uint64_t n, const struct hash *hashes);
struct audit *trail_alloc(const struct audit_config *config);
int trail_check_origin(const char *origin, struct err *err);
int trail_open_folders(struct audit *a, struct err *err);
/* Only the key folder, and the writer's lock in it. -ENOKEY: there is none. */
int trail_lock_keys(struct audit *a, struct err *err);
/* The segment becomes the open one; made when absent. */
int trail_open_segment(struct audit *a, uint64_t first, struct err *err);
/* -EUCLEAN: what is wrong, and what to do. */
int trail_damaged(struct err *err, const char *what);

/* ---- trail-keys.c ---- */

void trail_epoch_file(char out[40], unsigned n);
int trail_new_key(struct audit *a, const char *name, struct signing_key *k, struct err *err);
int trail_read_key(int dir, const char *name, const char *origin, struct signing_key *k,
                   struct err *err);
/* The identity and the current epoch's key. */
int trail_load_keys(struct audit *a, struct err *err);

/* ---- trail-recover.c ---- */

/* ---- trail-replay.c ---- */

/* Keeps what a signed line says, if it can come again. */
int trail_replay_add(struct audit *a, struct slice line);
bool trail_replayed(const struct audit *a, struct slice line);

/* ---- trail-disk.c ---- */

/*
 * Writes to the open segment and syncs. After a failure (then a->doubt is set) the next one
 * reads back what it wrote.
 */
int trail_write(struct audit *a, struct slice bytes, uint64_t offset, struct err *err);
/* A new descriptor of the open segment, and its committed tail compared with the tree. */
int trail_recheck(struct audit *a, struct err *err);
/* Counts failures of the disk: the third in a row is -ENOTRECOVERABLE. */
int trail_outcome(unsigned *tries, int r, struct err *err);

/* ---- trail-sign.c ---- */

int trail_write_tiles(struct audit *a, struct err *err);
void trail_make_note(const struct audit *a, const struct signing_key *const *keys, size_t n,
                     struct buf *out);
int trail_write_epoch_proof(struct audit *a, unsigned n, struct err *err);
