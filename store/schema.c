#include "store/store-private.h"

/* One place for the schema; user_version says which this is. */
const char store_schema[] =
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE cursor (input TEXT NOT NULL, stream TEXT NOT NULL, value BLOB NOT NULL,"
    "  committed_us INTEGER NOT NULL DEFAULT 0,"
    "  PRIMARY KEY (input, stream)) WITHOUT ROWID;"
    /* One row for those signals of a batch that are kept alike: append-only, pruned whole. */
    "CREATE TABLE signals (batch INTEGER PRIMARY KEY, newest_us INTEGER NOT NULL,"
    "  n INTEGER NOT NULL, data BLOB NOT NULL, expires_us INTEGER NOT NULL DEFAULT 0);"
    "CREATE INDEX signals_expire ON signals (expires_us);"
    "CREATE TABLE alert (n INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,"
    "  rule TEXT NOT NULL, title TEXT NOT NULL, channel TEXT NOT NULL, level INTEGER NOT NULL,"
    "  time_us INTEGER NOT NULL, grp TEXT NOT NULL, document BLOB NOT NULL);"
    "CREATE INDEX alert_time ON alert (time_us);"
    "CREATE TABLE outbox (id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL,"
    "  receiver TEXT NOT NULL, kind TEXT NOT NULL, document BLOB NOT NULL,"
    "  state INTEGER NOT NULL, attempts INTEGER NOT NULL DEFAULT 0,"
    "  created_us INTEGER NOT NULL, not_before_us INTEGER NOT NULL, expires_us INTEGER NOT NULL,"
    "  status TEXT NOT NULL DEFAULT '', remote TEXT NOT NULL DEFAULT '',"
    "  UNIQUE (key, receiver));"
    "CREATE INDEX outbox_waiting ON outbox (receiver, id) WHERE state IN (0, 2);"
    "CREATE TABLE channel (name TEXT PRIMARY KEY, lines INTEGER NOT NULL, bytes INTEGER NOT NULL,"
    "  unparsed INTEGER NOT NULL, matches INTEGER NOT NULL, last_event_us INTEGER NOT NULL,"
    "  parsed INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;"
    "CREATE TABLE input (name TEXT PRIMARY KEY, channel TEXT NOT NULL, lag_bytes INTEGER NOT NULL,"
    "  lag_since_us INTEGER NOT NULL, last_event_us INTEGER NOT NULL, streams INTEGER NOT NULL,"
    "  trouble INTEGER NOT NULL) WITHOUT ROWID;";

/* From the version before to this one; the first makes version 2. */
const char *const store_upgrades[STORE_VERSION - 1] = {
    "ALTER TABLE cursor ADD COLUMN committed_us INTEGER NOT NULL DEFAULT 0;",
    "CREATE TABLE input (name TEXT PRIMARY KEY, channel TEXT NOT NULL, lag_bytes INTEGER NOT NULL,"
    "  lag_since_us INTEGER NOT NULL, last_event_us INTEGER NOT NULL, streams INTEGER NOT NULL,"
    "  trouble INTEGER NOT NULL) WITHOUT ROWID;",
    "ALTER TABLE signals ADD COLUMN expires_us INTEGER NOT NULL DEFAULT 0;"
    "UPDATE signals SET expires_us = newest_us + 691200000000;" /* 8 days: no window was longer */
    "CREATE INDEX signals_expire ON signals (expires_us);",
    ("ALTER TABLE channel ADD COLUMN parsed INTEGER NOT NULL DEFAULT 0;"
     "UPDATE channel SET parsed = lines;"),
};
