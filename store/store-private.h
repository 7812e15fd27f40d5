/*
 * Private to store/.
 *
 *     store.c         opening, statements, errors
 *     store-commit.c  the commit
 *     store-read.c    what is true now
 *     store-outbox.c  the outbox
 *     store-people.c  incidents and silences
 *     store-bans.c    the book of bans
 *     store-erase.c   a person's data
 *     store-disk.c    syncing, and the reserve for a full disk
 *     schema.c        the tables
 *     sql.c           the statements
 *     signals.c       a batch's signals as one blob
 */
#pragma once

#include <sqlite3.h>

#include "store/store.h"

#define STORE_VERSION 7
#define STORE_APPLICATION 0x74776172 /* "twar" */

extern const char *const store_sql[];
extern const char store_schema[];
extern const char *const store_upgrades[STORE_VERSION - 1];

enum statement {
    S_BEGIN,
    S_COMMIT,
    S_CURSOR_PUT,
    S_CURSOR_DELETE,
    S_CURSORS,
    S_CURSORS_ALL,
    S_SIGNALS_SPAN,
    S_SIGNALS_PUT,
    S_SIGNALS_PRUNE,
    S_SIGNALS,
    S_ALERT_PUT,
    S_ALERT_KNOWN,
    S_ALERTS,
    S_ALERTS_BY_ID,
    S_DOCUMENT_PUT,
    S_OUTBOX_PUT,
    S_OUTBOX_BUNDLE,
    S_OUTBOX_CHANGE,
    S_OUTBOX_FAILED,
    S_OUTBOX_FRESH,
    S_OUTBOX_STUBBORN,
    S_OUTBOX_CRITICAL,
    S_OUTBOX_WAITING,
    S_OUTBOX_DUE,
    S_OUTBOX_SENT,
    S_OUTBOX_GROUP,
    S_OUTBOX_INCIDENT,
    S_OUTBOX_REMOTE,
    S_OUTBOX_TOLD,
    S_OUTBOX_LIST,
    S_RECEIVERS,
    S_OUTCOME,
    S_OUTBOX_PRUNE,
    S_DOCUMENT_PRUNE,
    S_INCIDENT_PUT,
    S_INCIDENTS_DUE,
    S_INCIDENT_NEXT_DUE,
    S_INCIDENT,
    S_INCIDENTS,
    S_SILENCE_PUT,
    S_SILENCES,
    S_BAN_PUT,
    S_BANS,
    S_BANS_BEHIND,
    S_BANS_ACTIVE,
    S_BANS_HELD,
    S_BAN_TOTALS,
    S_BAN_PAST,
    S_BAN_LAST,
    S_BAN_NEXT,
    S_BAN_DROP,
    S_CHANNEL_ADD,
    S_CHANNELS,
    S_INPUT_PUT,
    S_INPUTS,
    S_META_PUT,
    S_META_GET,
    S_TOTALS,
    S_ALERT_NEXT,
    S_ALERT_SET,
    S_OUTBOX_BEHIND,
    S_OUTBOX_SET,
    S_DOCUMENT_NEXT,
    S_DOCUMENT_SET,
    S_INCIDENT_NEXT,
    S_INCIDENT_DROP,
    S_SILENCE_DROP,
    S_SIGNALS_NEXT,
    S_SIGNALS_SET,
    S_SIGNALS_DROP,
    STATEMENTS,
};
/* A fact that becomes true with the next commit. */
struct pending {
    char *name;
    struct buf value;
};
#define PENDING_MAX 320 /* each digest has one, and the configuration allows 256 of them */

struct store {
    sqlite3 *db;
    sqlite3_stmt *st[STATEMENTS];
    struct pending pending[PENDING_MAX];
    size_t npending;
    int lock_fd;
    char *path;
    uint64_t batches;
    struct trail_end end; /* of the writer */
    bool full_sync, folder_synced;
    uint64_t reserve_bytes; /* 0 = none is wanted */
    bool reserved;
};
int store_error(struct store *s, struct err *err); /* what the database complains of, as ours */
int store_exec(struct store *s, const char *sql);
int store_pragma(struct store *s, const char *sql); /* one number; -1 = it failed */
uint64_t store_meta_u64(struct store *s, const char *name);
void store_drop_pending(struct store *s);

/* Prepared once, reset here; NULL = store_error(). */
sqlite3_stmt *stmt_ready(struct store *s, enum statement which);
void stmt_text(sqlite3_stmt *st, int i, struct slice v); /* borrowed until the next reset */
void stmt_blob(sqlite3_stmt *st, int i, struct slice v);
void stmt_u64(sqlite3_stmt *st, int i, uint64_t v);
uint64_t stmt_column_u64(sqlite3_stmt *st, int i);
struct slice stmt_column(sqlite3_stmt *st, int i);
int stmt_run(struct store *s, sqlite3_stmt *st); /* a statement that gives no rows */

/* Ends a walk: the callback's own value, or a fault of the database. */
int stmt_walked(struct store *s, sqlite3_stmt *st, int rc, int r, struct err *err);

/* Their parts of the commit. */
int store_put_outbox(struct store *s, const struct batch *b);
int store_put_people(struct store *s, const struct batch *b);
int store_put_bans(struct store *s, const struct batch *b);

/* Signals of a batch as bytes and back; decoding checks every bound. */
/* One more; the first one of a blob begins it. */
int signals_encode(const struct signal *s, bool first, struct buf *out);
int signals_decode(struct slice data, int (*fn)(void *ctx, const struct signal *s), void *ctx);
