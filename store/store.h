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
    uint64_t done_us; /* when it got its final state; 0 = it has none yet */
    struct slice status, remote;
    /* of "notify"; empty in rows of versions that did not note it */
    enum level level;
    struct slice reason, incident, rule, title, source, user, group;
    uint64_t bundle; /* BUNDLED: the row that tells it */
};

/* ---- the outbox, for who looks at it ---- */

struct outbox_filter {
    uint64_t id; /* this one row; 0 = any */
    unsigned states; /* bit set of enum delivery_state; 0 = all */
    struct slice receiver, rule, incident, key; /* empty = any */
    uint64_t since_us, until_us; /* created; 0 = open */
    uint64_t bundle; /* the rows that this one tells; 0 = any */
    size_t limit; /* 0 = 100 */
};
/* Newest first. */
int store_outbox_list(struct store *s, const struct outbox_filter *f,
                      int (*fn)(void *ctx, const struct outbox_row *row), void *ctx,
                      struct err *err);
/* All rows, newest first; state -1 = any. */
int store_outbox_each(struct store *s, int state, size_t limit,
                      int (*fn)(void *ctx, const struct outbox_row *row), void *ctx,
                      struct err *err);
struct receiver_row {
    struct slice receiver;
    uint64_t rows[DELIVERY_STATES];
    uint64_t oldest_us; /* created, of those that wait; 0 = none waits */
    uint64_t sent_us; /* the newest that was sent; 0 = none */
};
int store_receivers_each(struct store *s, int (*fn)(void *ctx, const struct receiver_row *row),
                         void *ctx, struct err *err);

/* ---- the outbox, for who empties it (logwatch/core-queue.h) ---- */

/*
 * The next row of a receiver that may go at now_us: what failed first, then (with `fresh`) the
 * oldest that was never tried, then what failed `patience` times or more. 1 = fn was called, 0 =
 * none.
 */
int store_outbox_head(struct store *s, struct slice receiver, uint64_t now_us, unsigned patience,
                      bool fresh, int (*fn)(void *ctx, const struct outbox_row *row), void *ctx,
                      struct err *err);
/* The oldest of level critical that was never tried; the same. */
int store_outbox_critical(struct store *s, struct slice receiver, uint64_t now_us,
                          int (*fn)(void *ctx, const struct outbox_row *row), void *ctx,
                          struct err *err);
/*
 * Rows of a receiver that were never tried and may go at now_us, oldest first, without their
 * documents; `group` not empty: only those of that group.
 */
int store_outbox_waiting(struct store *s, struct slice receiver, struct slice group,
                         uint64_t now_us, size_t max,
                         int (*fn)(void *ctx, const struct outbox_row *row), void *ctx,
                         struct err *err);
/* When the next row of the receiver may go; UINT64_MAX = none waits. */
struct outbox_due {
    uint64_t fresh_us, failed_us;
    unsigned failed; /* rows that failed and wait; 9 = so many or more */
};
struct outbox_due store_outbox_due(struct store *s, struct slice receiver);
/* Messages sent to a receiver since then; rule empty: about anything. At most `max` are counted. */
uint64_t store_outbox_sent(struct store *s, struct slice receiver, struct slice rule,
                           uint64_t since_us, uint64_t max);
struct group_last {
    uint64_t waits_us; /* not_before of a row of that group that waits; 0 = none */
    uint64_t sent_us; /* the newest message about it; 0 = none */
};
struct group_last store_outbox_group(struct store *s, struct slice receiver, struct slice group);
/* The same of rows about one incident. */
struct group_last store_outbox_incident(struct store *s, struct slice receiver,
                                        struct slice incident);
/* Receivers that were told about the incident since then. */
int store_outbox_told(struct store *s, struct slice incident, uint64_t since_us,
                      int (*fn)(void *ctx, struct slice receiver), void *ctx, struct err *err);
/* What the receiver called its first message about the incident since then; empty: nothing. */
int store_outbox_remote(struct store *s, struct slice incident, struct slice receiver,
                        uint64_t since_us, struct buf *out);
/* Drops final rows older than that, some at a time. How many; negative: a fault. */
int store_outbox_prune(struct store *s, uint64_t before_us, struct err *err);

/* ---- incidents and silences ---- */

struct incident_filter {
    struct slice key; /* begins with this; empty = any */
    unsigned states; /* bit set; 0 = all */
    struct slice rule, channel;
    int level_min; /* -1 = any */
    uint64_t since_us; /* newest alert at or after */
    size_t limit; /* 0 = 100 */
};
/* The one with the newest alert first. */
int store_incidents_each(struct store *s, const struct incident_filter *f,
                         int (*fn)(void *ctx, const struct incident *i), void *ctx,
                         struct err *err);
int store_incident(struct store *s, struct slice key,
                   int (*fn)(void *ctx, const struct incident *i), void *ctx, struct err *err);
/* Those that are over by themselves now, some of them; and when the next is. */
int store_incidents_due(struct store *s, uint64_t now_us,
                        int (*fn)(void *ctx, const struct incident *i), void *ctx, struct err *err);
uint64_t store_incident_due_us(struct store *s); /* UINT64_MAX = none */
/* All, newest first; until_us > 0: those that end after it. */
int store_silences_each(struct store *s, uint64_t until_us,
                        int (*fn)(void *ctx, const struct silence *i), void *ctx, struct err *err);

/* ---- the book of bans ---- */

struct ban_filter {
    uint64_t id; /* this one; 0 = any */
    unsigned states; /* bit set of enum ban_state; 0 = all */
    struct ip inside; /* whose network holds this address; family 0 = any */
    struct slice rule, origin, alert; /* empty = any; an origin "list:" means all lists */
    uint64_t since_us, until_us; /* started; 0 = open */
    uint64_t after_id; /* oldest first, ids from this one on; 0 = newest first */
    bool held; /* those that hold or owe something, oldest first, and nothing else of this filter */
    size_t limit; /* 0 = 100 */
};
/* fn returns non-zero to stop; slices live during the call. */
int store_bans_each(struct store *s, const struct ban_filter *f,
                    int (*fn)(void *ctx, const struct ban *b), void *ctx, struct err *err);
uint64_t store_ban_last(struct store *s); /* the highest id; 0 = none yet */
struct ban_totals {
    uint64_t active, owed, dry_run, all;
};
int store_ban_totals(struct store *s, struct ban_totals *ret, struct err *err);
/* The newest ban of exactly this network: its number, and when it ended (0: it holds, or there is
 * none: times is 0). */
struct ban_past {
    uint64_t times, ended_us;
};
int store_ban_past(struct store *s, const struct cidr *net, struct ban_past *ret, struct err *err);

struct alert_row {
    uint64_t n; /* number in the order of commit */
    struct slice id, rule, title, channel, group, document;
    struct slice incident; /* its key; empty: of a version that did not note it */
    enum level level;
    uint64_t time_us;
};
struct alert_filter {
    struct slice id; /* begins with this; empty = any */
    struct slice incident; /* of this one; empty = any */
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
    uint64_t alerts, messages, signals, bans;
};
/*
 * What a person's erasure takes: hit() says for a name and a value whether that person occurs in
 * it (an empty name: a whole text; a NULL one: the value of some field). Such texts of alerts and
 * messages become "[erased]", so that an alert stays known by its id; a ban order that waits is
 * given up; signals of windows in which that person occurs are dropped, and so are bans, also those
 * that hold. Then the database is written anew and its log cut, so that no free page holds the
 * bytes. `only_count`: changes nothing. The writer's; a transaction of its own.
 */
int store_erase(struct store *s, bool (*hit)(void *ctx, struct slice name, struct slice text),
                void *ctx, bool only_count, struct store_erased *ret, struct err *err);

struct store_totals {
    uint64_t alerts, signals, outbox_waiting, outbox_sent, outbox_dead;
    uint64_t batches, trail_entries, bytes;
    uint64_t last_commit_us;
    struct ban_totals bans;
};
int store_totals(struct store *s, struct store_totals *ret, struct err *err);
