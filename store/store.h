/*
 * Store: one SQLite database (WAL). Its transaction is THE commit.
 *
 *     store_open()     schema, lock, quick check; one writer
 *     store_commit()   a batch becomes true: all of it or nothing
 *     store_sync()     must the next commits survive a power failure at once?
 *     store_flush()    what is committed is durable now
 *     store_reserve()  room for the last commits of a full disk
 *     store_*_each()   what is true now
 *     store_view()     a read-only second door for commands and web
 *
 * Messages in the outbox are unique by (key, receiver): a repeat of an alert
 * is ignored. Rows are never deleted before a final state. After an error the
 * database holds exactly the batches committed before.
 */
#pragma once

#include "base/err.h"
#include "schemas/batch.h"

struct store;

/*
 * create: make it when absent. -EBUSY when another daemon holds the lock (the text names its
 * process); -EUCLEAN when it is damaged, of another program or version. Folder must exist.
 */
int store_open(const char *path, bool create, struct store **ret_store, struct err *err);
/* Read-only, no lock: for other processes. */
int store_view(const char *path, struct store **ret_store, struct err *err);
/* A view stays at one commit from its next read on, whatever is committed meanwhile. */
int store_hold(struct store *s, struct err *err);
unsigned store_version(void); /* of the schema */
void store_free(struct store *s);
DEFINE_AUTO(store)

/* The process that works on it: 0 = none, -1 = one that cannot be named. */
long store_holder(const char *path);

/*
 * -ENOSPC, -EIO, ...: nothing of the batch is true, try again later. -ENOTRECOVERABLE: a sync
 * failed; the process must end, and the next start looks what is there.
 */
int store_commit(struct store *s, const struct batch *b, struct err *err);

/*
 * full: each commit is synced (PRAGMA synchronous = FULL), for inputs that cannot be read again.
 * Else (the start) a power failure may take the last commits back, whole: their lines are read
 * again.
 */
int store_sync(struct store *s, bool full, struct err *err);
/* All that is committed survives a power failure. Call it before a checkpoint leaves the host. */
int store_flush(struct store *s, struct err *err);

/*
 * The reserve is a file `reserve` beside the database that holds room back. store_reserve() says
 * how large it should be and makes it when as much again stays free. When a commit finds no room,
 * store_reserve_release() deletes it (true: there was one, try again); store_reserve_restore()
 * makes it again (true: it is whole; also when none is wanted).
 */
void store_reserve(struct store *s, uint64_t bytes);
bool store_reserve_release(struct store *s);
bool store_reserve_restore(struct store *s);
uint64_t store_reserve_size(const char *path); /* of the database at `path`, as it is on disk */

/* False when nothing was ever committed. */
bool store_trail_end(struct store *s, struct trail_end *ret_end);
uint64_t store_batches(struct store *s); /* number of commits so far */

/* Small facts of our own: "rules_digest", "trail_origin"; kept in the next store_commit(). */
int store_meta_get(struct store *s, const char *name, struct buf *out); /* -ENOENT */
int store_meta_set(struct store *s, const char *name, struct slice value, struct err *err);

/* fn returns non-zero to stop; slices live during the call. */
int store_cursors_each(struct store *s, struct slice input,
                       int (*fn)(void *ctx, const struct cursor *c), void *ctx, struct err *err);
struct cursor_row {
    struct slice input;
    struct cursor cursor;
    uint64_t committed_us; /* 0 = by a version that did not note it */
};
/* Of all inputs, also those that are not configured any more. */
int store_cursors_all(struct store *s, int (*fn)(void *ctx, const struct cursor_row *row),
                      void *ctx, struct err *err);

struct signals_span {
    uint64_t n, batches;
    uint64_t oldest_us, newest_us; /* event time of the newest in the oldest and newest batch */
};
int store_signals_span(struct store *s, struct signals_span *ret, struct err *err);
/* In the order of their commit. */
int store_signals_each(struct store *s, int (*fn)(void *ctx, const struct signal *g), void *ctx,
                       struct err *err);

struct outbox_row {
    uint64_t id;
    struct slice key, receiver, kind, document;
    enum delivery_state state;
    unsigned attempts;
    uint64_t created_us, not_before_us, expires_us;
    struct slice status, remote;
};
/* Waiting rows that are due, oldest first, at most one a receiver (order is kept for each). */
int store_outbox_due(struct store *s, uint64_t now_us, size_t max,
                     int (*fn)(void *ctx, const struct outbox_row *row), void *ctx,
                     struct err *err);
uint64_t store_outbox_next_us(struct store *s); /* when the next is due; UINT64_MAX = none */
/* All rows, newest first; state -1 = any. */
int store_outbox_each(struct store *s, int state, size_t limit,
                      int (*fn)(void *ctx, const struct outbox_row *row), void *ctx,
                      struct err *err);

struct alert_row {
    uint64_t n; /* number in the order of commit */
    struct slice id, rule, title, channel, group, document;
    enum level level;
    uint64_t time_us;
};
struct alert_filter {
    uint64_t since_us, until_us; /* 0 = open */
    struct slice rule, channel;
    int level_min; /* -1 = any */
    size_t limit; /* 0 = 100 */
};
/* Newest first. */
int store_alerts_each(struct store *s, const struct alert_filter *f,
                      int (*fn)(void *ctx, const struct alert_row *row), void *ctx,
                      struct err *err);
/* 1 = it is there, 0 = not, negative: it cannot be known now. */
int store_alert_known(struct store *s, const uint8_t id[16], struct err *err);

struct channel_row {
    struct slice channel;
    uint64_t lines, bytes, unparsed, matches, last_event_us;
    uint64_t parsed; /* of the lines: looked into; `unparsed` is of these */
};
int store_channels_each(struct store *s, int (*fn)(void *ctx, const struct channel_row *row),
                        void *ctx, struct err *err);

/* How each input stood at its last commit, by channel and name. */
int store_inputs_each(struct store *s, int (*fn)(void *ctx, const struct input_health *h),
                      void *ctx, struct err *err);

struct store_erased {
    uint64_t alerts, messages, signals;
};
/*
 * What a person's erasure takes: hit() says for a name and a value whether that person occurs in
 * it (an empty name: a whole text; a NULL one: the value of some field). Such texts of alerts and
 * messages become "[erased]", so that an alert stays known by its id; a ban order that waits is
 * given up; signals of windows in which that person occurs are dropped. Then the database is
 * written anew and its log cut, so that no free page holds the bytes. `only_count`: changes
 * nothing. The writer's; a transaction of its own.
 */
int store_erase(struct store *s, bool (*hit)(void *ctx, struct slice name, struct slice text),
                void *ctx, bool only_count, struct store_erased *ret, struct err *err);

struct store_totals {
    uint64_t alerts, signals, outbox_waiting, outbox_sent, outbox_dead;
    uint64_t batches, trail_entries, bytes;
    uint64_t last_commit_us;
};
int store_totals(struct store *s, struct store_totals *ret, struct err *err);
