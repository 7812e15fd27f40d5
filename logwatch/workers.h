/*
 * Workers: steps 1-5 of a line's journey (reader_run) on several threads, with the results of one.
 *
 *     workers_slot()      a free slot with an empty arena: fill its block; NULL: all are in use
 *     workers_give()      the block goes to the end of a queue, and to the next free thread
 *     workers_take()      the first of a queue with its result, when that is there
 *     workers_release()   the slot is free again
 *
 * All calls are the owner's, a single thread; a worker sees one slot at a time and
 * nothing else. A queue is an order of blocks, one for each order that matters (replay:
 * each file). What comes out of it is what one thread would have given, whatever
 * worker was faster: a block is read on its own, and when that is not the same as reading it behind
 * the blocks before (a rule rests, rules.h), workers_take() reads it once more, in order. Of a
 * source whose records depend on one another (parser_source_ordered()) the taker reads every block
 * itself, in order and once.
 *
 * Blocks cross between threads, never lines: a mutex for each block, no lock and
 * no malloc for a line. Memory: the slots that were ever in use at once. No slot
 * free means: read no more now.
 *
 * Threads are made by the first block that is not read `here`, and end in
 * workers_rest(): who has little to read has no thread. Without threads
 * (count 0, or the system refuses them) workers_take() reads the block itself. They take over
 * the rights of the thread that makes them: begin them behind privileges_drop().
 */
#pragma once

#include "logwatch/reader.h"

#define WORKERS_MAX 16
#define WORKERS_AUTO UINT64_MAX

struct work {
    /* Filled by who reads; block.arena is the slot's. */
    struct block block;
    const struct reader_source *source; /* borrowed, with `memory`, until it is taken */
    struct rules_memory *memory; /* of the source's earlier blocks */
    void *owner;
    struct input_lag lag;
    size_t bytes; /* the owner's count */
    /* By workers_take(). */
    struct reader_result result;

    /* private */
    bool here; /* the taker reads it; else a thread does */
    bool done; /* under the lock: the thread has */
    int outcome;
    struct err err;
    struct rules_memory *seen; /* of this block alone */
    struct work *next; /* in its queue, or the free ones */
    struct work *next_job;
};

/* In the order given. Zeroed at first. */
struct work_queue {
    struct work *first, *last;
    size_t n;
};

struct workers;

/*
 * `count` as the configuration has it, as a number of threads. WORKERS_AUTO: as many as there are
 * processors for this process (affinity, control group), at most 4; `live` leaves one to the core.
 * Where that would be a single one: none.
 */
unsigned workers_count(uint64_t count, bool live);
/* Tests: TW_WORKERS=N in the environment makes it N when live, and every block is handed over. */
bool workers_eager(void);
/* "auto" or a number up to WORKERS_MAX. */
int workers_parse(struct slice text, uint64_t *ret);

int workers_new(const struct engine *e, struct geo *geo, unsigned nthreads, size_t nslots,
                struct workers **ret_workers, struct err *err);
/* Threads end first, behind the blocks that they have. */
void workers_free(struct workers *w);
DEFINE_AUTO(workers)

/* The reader of the owner's thread. */
struct reader *workers_reader(struct workers *w);
/* Readable when a block was finished since workers_heard(); -1: nobody will ever say so. */
int workers_fd(const struct workers *w);
void workers_heard(struct workers *w);

struct work *workers_slot(struct workers *w);
size_t workers_free_slots(const struct workers *w);
/* here: too small to be handed over. */
void workers_give(struct workers *w, struct work_queue *q, struct work *work, bool here);
/* Can workers_take() give the first without waiting for a thread? */
bool workers_ready(struct workers *w, const struct work_queue *q);
/* The queue must hold one. The slot is the caller's also after an error. */
int workers_take(struct workers *w, struct work_queue *q, struct work **ret_work, struct err *err);
void workers_release(struct workers *w, struct work *work);

/* Are there threads? Ends them and gives back the memory of free slots: for quiet times. */
bool workers_awake(const struct workers *w);
void workers_rest(struct workers *w);
