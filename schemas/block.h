/*
 * Block: what an input hands over, up to 1 MiB of whole records of one source.
 *
 * Two forms. A file or stdin gives `bytes`: lines separated by LF, whose
 * first byte stands at `position` of the stream. The journal gives
 * `records`: each with its own boundary, time and position. A block ends at a
 * record's end: the framing of the channel says where a multi-line record
 * begins, the input holds back what may still grow.
 *
 * The cursor is opaque to all but its input: a name of the stream inside the
 * input, and a value that says how far it was read. It becomes true in the
 * commit that holds the block's results, never earlier.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"

enum record_flags {
    RECORD_TRUNCATED = 1, /* text is only the beginning */
    RECORD_PARTIAL = 2, /* no final newline */
    RECORD_FORGEABLE = 4, /* anybody may have sent it: the transport proves no sender */
    RECORD_LINE = 8, /* of a journal: a line of a program's output, not a text as it was sent */
};

struct record {
    struct slice text; /* raw bytes, LF and one CR before it removed */
    uint64_t position;
    uint64_t time_us; /* of reception by the journal; 0 = the block's */
    uint64_t source_time_us; /* the sender's claim; 0 = none */
    uint64_t pid;
    int priority; /* syslog 0..7; -1 = none */
    unsigned flags;
    struct slice host, app; /* the sender's claims, printable ASCII; may be empty */
    struct slice sender; /* address that it came from, for a transport with senders; may be empty */
};

/* A stream's new position. value empty = forget the stream. */
struct cursor {
    struct slice stream;
    struct slice value;
};

/* Something the input must tell for the evidence: a gap, a truncation, a run of NULs. */
struct notice {
    const char *type; /* entry type: "source.gap", "source.truncated", ... */
    struct slice
        members; /* JSON members without the first comma: "\"from\":1,\"to\":5"; may be empty */
};

/* Where records end, one behind the other: offsets in the bytes. n == 0: the framing must be asked.
 */
struct record_ends {
    const uint32_t *list;
    size_t n;
};

struct block {
    struct arena *arena; /* given by the caller of input_read(), reset by it: owns all below */
    uint32_t input; /* set by the caller */
    uint8_t stream[16]; /* content identity of the stream */
    struct slice name; /* path or unit, for people */
    struct slice bytes;
    struct record_ends ends; /* of `bytes`, when the input has looked for them already */
    uint64_t position;
    struct record *records;
    size_t nrecords;
    uint64_t received_us; /* wall clock when read; replay: the file's mtime */
    unsigned last_flags; /* record_flags of the last line of `bytes` */
    unsigned first_flags; /* record_flags of the first one */
    bool backfill; /* read from before our first start */
    bool end; /* nothing more will ever come from this stream (replay, stdin) */
    struct cursor *cursors;
    size_t ncursors;
    struct notice *notices;
    size_t nnotices;
};

/*
 * Where records begin. starts == NULL: each line is a record. Lines before
 * the first start stand alone. A record is at most lines_max lines and
 * bytes_max bytes; what is more begins a new one.
 */
struct framing {
    /* ctx is read-only and shared by threads; previous is the record so far (for unclosed strings),
     * empty at the first line. */
    bool (*starts)(const void *ctx, struct slice line, struct slice previous);
    /* Told at each record's first line: `previous` is another one from now on. May be NULL. */
    void (*begins)(const void *ctx);
    const void *ctx;
    unsigned lines_max;
    size_t bytes_max;
    uint64_t idle_us; /* a held record is handed over after this silence */
};

/* Walks the records of a block in order, by its ends or by framing. false at the end. */
struct block_walk {
    size_t offset, index;
};
bool block_next(const struct block *b, const struct framing *f, struct block_walk *walk,
                struct record *ret_record);
/*
 * Is it known where the record of a byte begins and ends without a look at those before it? So it
 * is where each line is a record, and where the block has all ends. Then the walk can go on with
 * the record that holds the byte at `offset`, which it has not passed yet; and
 */
bool block_can_skip(const struct block *b, const struct framing *f);
void block_skip_to(const struct block *b, struct block_walk *walk, size_t offset);
/* ... how many records there are, and how many of them have text. */
void block_count(const struct block *b, uint64_t *ret_records, uint64_t *ret_full);

/*
 * For inputs: how many bytes of `bytes` (whole lines) are whole records, when
 * more may follow. 0 = hold everything. `held` lines beyond the framing's limits are never held.
 * Their ends are in the arena; without one, or without memory for them, they are not told.
 */
size_t framing_whole(const struct framing *f, struct slice bytes, struct arena *a,
                     struct record_ends *ret_ends);
