/*
 * Files: what the parts of this input share.
 *
 *     file.c         the options, the turn of the wheel
 *     file-turn.c    whose turn it is, and the order of a log's generations
 *     file-replay.c  replay of named files
 *     file-stream.c  one generation of content: is it still itself, its cursor
 *     file-read.c    its lines
 *     file-scan.c    which file is which stream: two passes over all names
 *     file-copy.c    what copytruncate leaves
 *     file-pack.c    what compressing rotated files leaves
 *     base/zip.c     the content of a compressed file (knows nothing of streams)
 *     file-name.c    names: globs, rotated names, who may have put them there
 *     file-fault.c   troubles with paths
 *     file-watch.c   inotify
 *
 * A stream is one generation of content. It outlives the name of its file, its
 * inode and this process. A file IS the stream when device, inode, the first
 * bytes that were read (head) and the last ones (mark) all agree; each of them
 * alone is wrong: inodes are used again, files begin alike, names are moved.
 * A stream of which nothing was read yet has no identity and is judged anew
 * until its first block.
 */
#pragma once

#include <limits.h>

#include <sys/stat.h>
#include <sys/types.h>

#include "base/zip.h"
#include "logwatch/inputs/common.h"
#include "logwatch/inputs/lines.h"

#define HEAD_MAX 1024
#define MARK_MAX 128
#define STREAMS_MAX 4096
#define FORGOTTEN_MAX 4096 /* on their way out */
#define OPEN_MAX 256 /* descriptors kept; the rest is opened again when it grows */
#define NOTICES_MAX 64 /* waiting to be told; more are counted */
#define YOUNG_US (2 * USEC_PER_SEC)
#define SCAN_US (10 * USEC_PER_SEC)
#define FORGET_US (UINT64_C(7) * 24 * 3600 * USEC_PER_SEC)

enum file_from {
    FROM_END,
    FROM_BEGIN,
};

struct file_options {
    struct option_strs path;
    int from;
    uint64_t max_line, partial_wait_us, rotate_wait_us, poll_us;
};

/* Bytes that were read, to know the content again. The hash alone survives a restart. */
struct known_bytes {
    uint64_t hash; /* first 8 bytes of SHA-256 */
    unsigned n;
    bool held; /* `bytes` are here, not only their hash */
    char bytes[HEAD_MAX];
};

enum stream_state {
    STREAM_LIVE, /* a configured name leads to it */
    STREAM_ROTATED, /* it lives on under another name, or without one */
    STREAM_LOST, /* no file is it now: its content may turn up again */
};

enum stream_flags {
    STREAM_MIDDLE = 1, /* the offset is inside a line whose beginning was handed over as partial */
    STREAM_SKIP = 2, /* the offset is inside a line that is too long: its rest is not handed over */
};

enum hold {
    HOLD_NOT,
    HOLD_COPY, /* of what is read elsewhere: nobody waits for it */
    HOLD_WAIT, /* not known yet */
};

/* The content of a compressed file, from the stream's offset on. */
struct unpack {
    struct zip *zip;
    char *bytes; /* unpacked and not handed over yet */
    size_t n, cap;
    bool over; /* nothing follows `bytes`: the end, or a fault */
    struct err fault;
    struct known_bytes tail; /* of what was passed over, on the way to the offset */
};

/* Of a compressed file: its size and time say whether it is still the same. */
struct packed {
    uint64_t size; /* 0: the file is not compressed */
    uint64_t mtime_ns;
    bool done; /* read to its end */
};

struct stream {
    char id[33];
    uint8_t key[16];
    bool key_known;
    char *path; /* the name by which it was found first */
    char *where; /* where it is now, resolved */
    char *root; /* the log that `path` is a rotated name of; NULL = of none */
    dev_t dev;
    ino_t ino;
    struct known_bytes head, mark;
    uint64_t offset;
    uint64_t first_seen_us; /* wall */
    uint64_t log_seen_us; /* wall: its log, by the first of its generations */
    uint64_t mtime_ns; /* of the file when it was last read */
    uint64_t lost_us; /* wall; 0 = not lost */
    uint64_t hole_bytes; /* NUL bytes before the offset that were passed over, not told yet */
    unsigned flags;
    struct packed packed;

    /* Not kept in the cursor. */
    enum stream_state state;
    int fd; /* -1: closed for now */
    uint64_t since_us; /* monotonic: in this state */
    uint64_t grown_us; /* monotonic: last growth seen */
    uint64_t size; /* as seen by the last look */
    uint64_t tried_size, tried_ns; /* as they were when reading gave nothing more */
    uint64_t seen_size, seen_ns; /* as they were when the scan last verified the identity */
    uint64_t hole_end; /* NUL bytes were seen up to here */
    uint64_t text_at; /* the same from the beginning on, until the key is known */
    uint64_t backfill_end; /* what is before was there before our first start */
    uint64_t used; /* for the choice whom to close */
    uint64_t flush_us; /* monotonic: when held records are handed over; 0 = none held */
    struct stream *next_claim; /* of the same inode, during a scan */
    struct long_line *skip;
    struct unpack *unpack; /* while a compressed file is read */
    bool first_look; /* nothing was handed over yet: it may be a copy of another */
    bool ready; /* worth reading */
    bool dirty; /* the cursor must be told */
    bool found; /* by the scan that runs */
    bool ended; /* rotated, read to its end, closed */
    const char *refusal; /* why it is no log; NULL = it is one */
    bool plain_name; /* the configuration names it without wildcards */
    bool told; /* what became of it */
    bool cut; /* lost because its file was cut or replaced in place */
    uint64_t cut_to; /* and that long it was then */
    enum hold held; /* not read: it may be a copy of another */
    uint64_t wait_us; /* monotonic: since when it is not known; 0 = it is */
    uint64_t turn; /* in which it was tried last */
    uint64_t waits_from; /* turn; 0 = it does not wait for older ones */
    uint64_t goal, goal_set; /* where it ended in that turn */
    uint64_t passed; /* turn in which the last goal was set that was passed */
    unsigned looks; /* scans before its first block, because names had moved */
    bool forgotten; /* its cursor goes with the next block */
    bool gone; /* and has gone */
};

struct waiting_notice {
    const char *type;
    char *name;
    char *members;
};

/* A trouble with a path, told when it begins and when it ends. */
struct fault {
    char *path;
    int code;
    char text[160];
    bool told, seen;
    uint64_t since_us;
};
#define FAULTS_MAX 256

struct names {
    char **items;
    size_t n, cap;
    bool cut; /* there were more than STREAMS_MAX */
};

struct file_input {
    const struct file_options *options;
    struct input *in;
    struct stream **streams;
    size_t nstreams, streams_cap;
    size_t turn;
    struct waiting_notice notices[NOTICES_MAX];
    size_t nnotices;
    struct fault *faults;
    size_t nfaults;
    uint64_t scan_us, poll_us; /* monotonic: when due */
    uint64_t clock_of_use;
    size_t nopen;
    size_t block_max;
    int inotify;
    struct watch *watches;
    size_t nwatches;
    uint64_t hinted_us; /* monotonic: the last scan */
    struct pack_job *job; /* the compressed file that is judged now */
    struct table
        *packs_seen; /* compressed files that are none of ours, as long as nothing is lost */
    struct names packs_due; /* logs of which compressed files wait to be read: the logs wait too */
    uint64_t losses; /* how often a stream was lost */
    bool roots_stale; /* streams have come */
    bool scanned, at_limit, started, ended;
    bool again; /* a stream was lost in this turn: scan and try once more */
    bool busy; /* a stream has more to do, and nothing to give yet */
    bool names_moved; /* since the last scan */
    bool look_near; /* in this scan: also beside logs of which nothing was read */
    uint64_t turns;
    struct err fault_err; /* to be returned by the next read; code 0 = none */
    /* Replay. */
    char **replay;
    size_t nreplay, replay_at;
    struct stream *replay_stream;
};

static inline uint64_t file_now(const struct file_input *f)
{
    return clock_mono(f->in->clock);
}

static inline uint64_t stat_mtime_ns(const struct stat *st)
{
    return (uint64_t)st->st_mtim.tv_sec * UINT64_C(1000000000) + (uint64_t)st->st_mtim.tv_nsec;
}

/* Tells once; members take ownership of nothing. Silent when memory or room is out. */
void file_notice(struct file_input *f, const char *type, const char *name, struct slice members);

/* Nothing more will come to the stream: then the last line is given as it is. */
bool stream_is_over(const struct file_input *f, const struct stream *s);

/* ---- file-turn.c ---- */

/* A block of the stream whose turn it is; as stream_read(). */
int turns_read(struct file_input *f, struct block *b, struct err *err);

/* ---- file-stream.c ---- */

struct stream *stream_new(const char *path);
void stream_free(struct stream *s);
DEFINE_AUTO(stream)
/* From and to the cursor's text. */
/* NULL: not a cursor of ours; -ENOMEM in err: nobody knows (err is else untouched). */
struct stream *stream_load(const struct cursor *c, struct arena *a, struct err *err);
void stream_cursor(const struct stream *s, struct buf *out);

/* Is the open file this stream? >0 yes, 0 no, <0 cannot be read. */
int stream_is(struct stream *s, int fd, const struct stat *st);
/* The same without device and inode: by head and mark. */
int stream_content_is(struct stream *s, int fd, const struct stat *st);
/* Are the first bytes those of the stream, as far as there are any? Needs `head.held`, or a full
 * head. */
bool stream_begins(const struct stream *s, int fd, uint64_t size);
/* The stream goes on in this file. Takes fd. */
void stream_attach(struct file_input *f, struct stream *s, int fd, const struct stat *st);
bool stream_is_packed(const struct stream *s, const struct stat *st);
/* The file that was attached is compressed. */
void stream_pack(struct stream *s, const struct stat *st);
void stream_detach(struct file_input *f, struct stream *s);
void stream_lost(struct file_input *f, struct stream *s);
/* The same because its file was cut or replaced in place: this is the file now. */
void stream_cut(struct file_input *f, struct stream *s, const struct stat *st);
/* Moves without handing over: head and mark are read from the file. -EIO when it cannot. */
int stream_jump(struct stream *s, uint64_t offset);
/* The same for bytes of this content that are not handed over: -ESTALE when it was cut meanwhile.
 */
int stream_skip(struct stream *s, uint64_t offset);
/* Where following from the end begins: behind the last LF. */
uint64_t stream_end_offset(int fd, uint64_t size);
/* What kind of file is this not? NULL = looks like text. */
const char *content_refusal(int fd, uint64_t size);
/* The same of the first bytes of a content; compressed content in it is no log either. */
const char *bytes_refusal(struct slice bytes);

/* What the stream knows of the content moves on by these bytes, as if they had been read. */
void stream_advance(struct stream *s, struct slice read);
/* Reads exactly n bytes: 1 all, 0 there are fewer, <0 error. */
int read_at(int fd, void *p, size_t n, uint64_t offset);
/* The last MARK_MAX bytes of what was known and what is new. */
void mark_move(struct known_bytes *mark, struct slice more);
/* Are these k->n bytes the known ones? Then they are held from now on. */
bool known_is(struct known_bytes *k, const char *bytes);
/*
 * Where the text begins, behind a hole at the beginning, looked for from *at on. False when none
 * is there up to `*at`: there may be more to look at.
 */
bool text_begins(int fd, uint64_t size, uint64_t *at);

/* ---- file-read.c ---- */

/*
 * One block of the stream. 1 = there is one, 0 = nothing now, -ESTALE = the file is not
 * the stream any more (the caller scans), other negative = cannot be read. `end`: nothing more will
 * come.
 */
int stream_read(struct file_input *f, struct stream *s, struct block *b, bool end, struct err *err);
/* Unpacking begins with this archive, whose position is not behind the offset. Takes z. */
int unpack_new(struct file_input *f, struct stream *s, struct zip *z, struct err *err);
void unpack_free(struct unpack *u);
DEFINE_AUTO(unpack)

/* ---- file-scan.c ---- */

struct found {
    char *path;
    struct stat st;
    struct stream *stream;
    bool configured; /* else only a neighbour of one that is */
    bool plain; /* without wildcards */
    bool packed; /* its name says that it is compressed */
    const char *log; /* then: of this log, by its name */
};

struct scan {
    struct file_input *f;
    struct found *found;
    size_t nfound, cap;
    struct table *files; /* (dev, ino) of what was found */
    bool moved; /* names changed while we looked: look again soon */
    bool young; /* a file may still be written */
};

/* Takes a file down, unless it was found under another name; the path is copied. -ENOMEM. */
int scan_add(struct scan *sc, const char *path, const struct found *x);
/*
 * Opens what was found. Names may have moved on since they were looked up, and what
 * the name gives now may be another stream's file: that is -ESTALE, for the next scan.
 */
int scan_open(struct scan *sc, const struct found *x, struct stat *st);
/* 0 = a regular file that may be read; else a negative errno and its text. */
int file_look(const char *path, struct stat *st, const char **ret_text);
/* Makes sure that one more stream fits. */
bool file_room(struct file_input *f, const char *path);

int file_scan(struct file_input *f, struct err *err);
/* Opens as all log files are opened. A negative errno and its text: not there, not allowed, no
 * regular file. */
int file_open(const char *path, struct stat *ret_st, const char **ret_text);
/* The stream by one more; NULL when memory is out or there is no room. */
struct stream *file_keep(struct file_input *f, struct stream *s);

/* ---- file-near.c ---- */

/* Looks into the folders of the streams that were not found. -ENOMEM. */
int scan_neighbours(struct scan *sc);
/* A rotated name of the log, or a compressed one of it or of the log itself. */
bool near_name(const char *base, const char *name);
/* The name of the log: under a glob its rotated files may have been found by their own names. */
const char *near_root(const struct stream *s);
/* Finds them for all, when streams have come. */
int near_roots(struct file_input *f);
/* What older generations know of the first sight of the log goes on in the new one. */
void near_inherit(const struct file_input *f, struct stream *s);
/*
 * The log of ours that this is an unknown generation of: it came and went while we were away, or
 * while names moved under a scan. NULL: of none, or older than our first sight of that log.
 */
const char *scan_generation_of(const struct file_input *f, const struct found *x);

/* ---- file-pack.c ---- */

/* What became of the compressed files that were found. -ENOMEM. */
int packs_scan(struct scan *sc);
/* Goes on with judging; true when a compressed file is being judged. */
bool packs_work(struct file_input *f);
/* Must the stream wait for a compressed file of the same log that is older? */
bool packs_before(const struct file_input *f, const struct stream *s);
/* A compressed file that was not judged yet may hold what the stream has lost. */
bool packs_may_hold(const struct file_input *f, const struct stream *s);
/* The stream goes: nothing may point to it any more. */
void packs_forget(struct file_input *f, const struct stream *s);
void packs_free(struct file_input *f);

/* ---- file-copy.c ---- */

/* By its name, could the file at this path be what became of the stream, or a copy of it? */
bool file_is_related(const struct file_input *f, const struct stream *s, const char *path);

/* Did the file at this time change so long before the stream was read that it is no copy of it? */
bool file_is_older(const struct stream *s, const struct stat *st);

/*
 * Before the first block of a stream: is its file a copy of another stream's
 * content? Then it is left alone for now, or has become that stream (then
 * `s->forgotten` is set).
 */
enum hold file_hold(struct file_input *f, struct stream *s);
/* The lost stream goes on in this file if its content is there. Takes fd when true. */
bool file_find_lost(struct file_input *f, struct stream *s, const char *path, int fd,
                    const struct stat *st);

/* ---- file-fault.c ---- */

/* During a scan: this path has this trouble. */
void fault_seen(struct file_input *f, const char *path, int code, const char *text);
/* After it: tells what began and what is over. */
void faults_tell(struct file_input *f);
void faults_free(struct file_input *f);

/* ---- file-replay.c ---- */

int file_replay_open(struct file_input *f, struct err *err);
int file_replay_read(struct file_input *f, struct block *b, struct err *err);
void file_replay_close(struct file_input *f);

/* ---- file-name.c ---- */

void names_fini(struct names *l);
int names_add(struct names *l, const char *name);
/* Every name that the pattern gives now, sorted; compressed ones are left out. */
int names_glob(struct names *l, const char *pattern);
bool name_is_pattern(const char *pattern);
bool name_is_compressed(const char *name);
/* Length of the name without .gz or .zst; 0 = it has no such ending. */
size_t name_unpacked(const char *name);
/* <0: a is the older generation of the two. Compressed or not makes no difference. */
int name_cmp_age(const char *base, const char *a, const char *b);
/* The name without the stamp of a rotation (and of a packer): "a.log" of "a.log.1" and of itself.
 */
void name_root(const char *name, char out[NAME_MAX + 1]);
const char *name_base(const char *path);
/* The folder of a path, "." or "/" when there is none. New string. */
char *name_folder(const char *path);
bool name_same_folder(const char *a, const char *b);
/* "access.log.1", "access.log-20261121", "access-20261121.log" of "access.log". */
bool name_is_rotated(const char *base, const char *name);
/* Could somebody else have put this file there to make us read another? */
bool name_is_safe(const char *path, const struct stat *st);

/* ---- inotify: a hint that something happened in a folder ---- */

int watches_open(struct file_input *f);
void watches_add(struct file_input *f, const char *folder);
/* Reads what waits; *ret_names: something came or went, so a scan is due. True when anything
 * happened. */
bool watches_read(struct file_input *f, bool *ret_names);
void watches_close(struct file_input *f);
