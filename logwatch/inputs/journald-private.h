/*
 * Inside of the journald input: what its files share.
 *
 *     journald.c        options, open, the turn that makes a block
 *     journald-place.c  where an entry stands; what was consumed of each sequence
 *     journald-entry.c  the fields of one entry, whatever a sender put into it
 *     journald-seek.c   start, holes in the numbers, entries before our place
 *     journald-files.c  headers of the journal's files
 *     journald-lines.c  long lines that journald cut into parts
 *
 * A sequence is what journald numbers without a hole, across files, rotations
 * and boots, until a file had to be begun anew. Numbers say what was read and
 * what is lost; times never do, for clocks are set back.
 */
#pragma once

#include <systemd/sd-journal.h>

#include "logwatch/inputs/common.h"

#define JOURNAL_RECORDS_MAX 1024
#define JOURNAL_BYTES_MAX (UINT64_C(1) << 20)
#define JOURNAL_PROCESS_EVERY 256
#define JOURNAL_PART_WAIT_US (5 * USEC_PER_SEC)
#define JOURNAL_SEQUENCES_MAX 32
#define JOURNAL_LINES_MAX 16
/* SD_MESSAGE_JOURNAL_DROPPED */
#define JOURNAL_DROPPED_ID "a596d6fe7bfa4994828e72309e95d61e"

enum journal_from {
    JOURNAL_END,
    JOURNAL_BEGIN,
};

struct journald_options {
    struct option_strs unit, files;
    const char *directory;
    int from;
    uint64_t max_line;
};

/* Place of an entry: what its cursor says. */
struct place {
    uint8_t id[16]; /* of the sequence */
    uint8_t boot[16];
    uint64_t seqnum, mono_us, realtime_us, hash;
};

/* What was consumed of one sequence: all up to this number, read or told as lost. */
struct sequence {
    uint8_t id[16];
    uint64_t seqnum;
};

/* A stream in the middle of a line that was handed over already. */
struct open_line {
    char stream[64];
    size_t nstream;
    uint64_t pid;
    uint64_t until; /* parts up to this number were in it; later ones are handed over, marked */
};

struct journal {
    sd_journal *j;
    char *cursor; /* of the last entry that was consumed; NULL = none */
    struct place place; /* of that entry */
    struct place before; /* the place when all began to be passed `again` */
    struct sequence sequences[JOURNAL_SEQUENCES_MAX]; /* the one used last at the end */
    size_t nsequences;
    struct open_line lines[JOURNAL_LINES_MAX];
    size_t nlines;
    uint64_t start_us; /* wall */
    uint64_t save_us; /* monotonic: when progress among the entries of others is worth a cursor */
    uint64_t strays_us; /* monotonic: when the files' headers may be looked at again */
    uint64_t held_us; /* monotonic: since when a line waits for its other parts; 0 = none */
    bool strays_due; /* that was too early to do */
    struct place lost; /* of a sequence whose end is lost */
    bool lost_end; /* to be told */
    bool standing; /* on an entry that was not consumed yet */
    bool whole; /* all of the journal can be read: a missing number is a loss */
    bool again; /* on the way through entries that were consumed */
    bool dirty; /* the cursor is worth a commit */
    bool moved; /* entries of others were passed since the last one */
    bool ended; /* nothing more now */
    bool bloated; /* the library holds the memory of a huge field */
    bool scanned, focused; /* see journald-seek.c */
    uint8_t scanned_id[16], focus[16]; /* a sequence; a boot */
    uint8_t boot[16]; /* of the entry that the handle was on last */
    const char **units; /* with ".service" where it was left out; 0 = all */
    size_t nunits;
    struct arena *arena;
    struct buf notice; /* of the open: told with the first block */
    const char *notice_type;
};

/* The fields of one entry that matter, in the arena given. */
struct entry_fields {
    struct slice message, unit, stream, transport, message_id, object_unit, dropped, line_break;
    uint64_t priority, pid, source_us;
    unsigned messages; /* how many MESSAGE fields there were: the first counts */
};

/* One read: a block in the making. */
struct pass {
    struct input *in;
    struct journal *s;
    struct block *b;
    size_t max; /* bytes of a message */
    uint64_t bytes;
    unsigned doubled; /* entries with several messages */
    uint64_t doubled_at;
    struct place first;
    bool hold; /* the line we stand on is not complete yet */
};

/* ---- journald-place.c ---- */

bool place_parse(struct slice cursor, struct place *ret);
/* The entry we stand on. The cursor is the caller's to free; NULL: not wanted. */
int place_here(sd_journal *j, char **ret_cursor, struct place *ret);
bool place_same(const struct place *a, const struct place *b);
struct sequence *sequence_find(struct journal *s, const uint8_t id[16]);
/* Only forward; a new one drops the one that was used least lately when there is no room. */
void sequence_reach(struct journal *s, const uint8_t id[16], uint64_t seqnum);
void sequence_forget(struct journal *s, const uint8_t id[16]);
int cursor_load(struct input *in, struct journal *s);
int cursor_save(struct journal *s, struct block *b);

/* ---- journald-entry.c ---- */

#define ENTRY_TEXT_MAX 256

/* The unit, trusted: journald drops what a sender claims. Empty: none. */
int entry_unit(sd_journal *j, char ret[ENTRY_TEXT_MAX + 1]);
bool entry_wiped(sd_journal *j); /* its file was deleted and emptied under us */
bool entry_is(sd_journal *j, const char *field, const char *value);
/* `max`: of the message; one byte more is kept when it is longer. *bloated: a huge field was met.
 */
int entry_read(sd_journal *j, struct arena *a, size_t max, struct entry_fields *ret, bool *bloated);

/* ---- journald-files.c ---- */

struct journal_header {
    uint8_t id[16]; /* of the sequence */
    uint8_t boot[16]; /* of its last entry */
    uint64_t head, tail; /* numbers of its first and last entry */
    bool empty; /* no entry yet: tail is the last number of the file before it, 0 = none */
};
/* Calls fn for every file. 0, or how many may not be read. */
int journal_files(const struct journald_options *o,
                  void (*fn)(void *ctx, const struct journal_header *h), void *ctx);

/* ---- journald-seek.c ---- */

int journal_open_handle(const struct journald_options *o, sd_journal **ret);
int journal_reopen(struct input *in);
int journal_start(struct input *in);
int journal_step(struct input *in);
void journal_process(struct journal *s);
/* Entries that are missing before one, to be told when that one is consumed. */
struct hole {
    bool any; /* numbers of its sequence */
    bool first; /* ... which was not known yet */
    bool ended; /* the sequence of our place: nobody knows how far it went */
    uint64_t from, to;
};
/* 1 = go on with the entry at *at, 0 = look at where we stand now, <0 = failed. */
int journal_hole(struct pass *p, const struct place *at, struct hole *ret);
/* What came to light at the open or while seeking. */
int journal_tell_start(struct journal *s, struct block *b);
int journal_tell_hole(struct pass *p, const struct hole *h, const struct place *at);
bool journal_consumed(struct journal *s, const struct place *at);
bool journal_copied(const struct journal *s, const struct place *at);
/* Nothing came: are there entries that sorting by time hides from us? 1 = read again. */
int journal_strays(struct pass *p);

/* ---- journald-lines.c ---- */

struct open_line *line_find(struct journal *s, const struct entry_fields *f);
void line_close(struct journal *s, struct open_line *line);
/* The first part of a line was added as the block's last record: adds the others. <0, or 0. */
int line_gather(struct pass *p, const struct entry_fields *f, char **cursor, struct place *at);
