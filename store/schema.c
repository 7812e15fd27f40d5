#include "store/store-private.h"

/*
 * Documents stand apart: several receivers share one, and the rows that are walked to find what is
 * next stay small. Version 6.
 */
#define OUTBOX_TABLES                                                                              \
    "CREATE TABLE document (id INTEGER PRIMARY KEY AUTOINCREMENT, body BLOB NOT NULL);"            \
    "CREATE TABLE outbox (id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL,"                \
    "  receiver TEXT NOT NULL, kind TEXT NOT NULL, state INTEGER NOT NULL,"                        \
    "  attempts INTEGER NOT NULL DEFAULT 0, created_us INTEGER NOT NULL,"                          \
    "  not_before_us INTEGER NOT NULL, expires_us INTEGER NOT NULL,"                               \
    "  done_us INTEGER NOT NULL DEFAULT 0, level INTEGER NOT NULL DEFAULT 0,"                      \
    "  reason TEXT NOT NULL DEFAULT '', incident TEXT NOT NULL DEFAULT '',"                        \
    "  rule TEXT NOT NULL DEFAULT '', title TEXT NOT NULL DEFAULT '',"                             \
    "  source TEXT NOT NULL DEFAULT '', user TEXT NOT NULL DEFAULT '',"                            \
    "  grp TEXT NOT NULL DEFAULT '', bundle INTEGER NOT NULL DEFAULT 0,"                           \
    "  status TEXT NOT NULL DEFAULT '', remote TEXT NOT NULL DEFAULT '',"                          \
    "  document INTEGER NOT NULL, UNIQUE (key, receiver));"                                        \
    "CREATE INDEX outbox_fresh ON outbox (receiver, not_before_us, id) WHERE state = 0;"           \
    "CREATE INDEX outbox_critical ON outbox (receiver, id) WHERE state = 0 AND level = 4;"         \
    "CREATE INDEX outbox_failed ON outbox (receiver, not_before_us) WHERE state = 2;"              \
    "CREATE INDEX outbox_sent ON outbox (receiver, done_us) WHERE state = 1;"                      \
    "CREATE INDEX outbox_incident ON outbox (incident, receiver, id) WHERE incident <> '';"        \
    "CREATE INDEX outbox_group_waits ON outbox (receiver, grp, not_before_us)"                     \
    "  WHERE state = 0 AND grp <> '';"                                                             \
    "CREATE INDEX outbox_group_sent ON outbox (receiver, grp, done_us)"                            \
    "  WHERE state = 1 AND grp <> '';"                                                             \
    "CREATE INDEX outbox_incident_waits ON outbox (incident, receiver, not_before_us)"             \
    "  WHERE state = 0 AND incident <> '';"                                                        \
    "CREATE INDEX outbox_incident_sent ON outbox (incident, receiver, done_us)"                    \
    "  WHERE state = 1 AND incident <> '';"                                                        \
    "CREATE INDEX outbox_bundle ON outbox (bundle) WHERE bundle <> 0;"                             \
    "CREATE TABLE incident (key TEXT PRIMARY KEY, rule TEXT NOT NULL, title TEXT NOT NULL,"        \
    "  channel TEXT NOT NULL, grp TEXT NOT NULL, last_alert TEXT NOT NULL, who TEXT NOT NULL,"     \
    "  comment TEXT NOT NULL, level INTEGER NOT NULL, state INTEGER NOT NULL,"                     \
    "  alerts INTEGER NOT NULL, first_us INTEGER NOT NULL, last_us INTEGER NOT NULL,"              \
    "  opened_us INTEGER NOT NULL, changed_us INTEGER NOT NULL, resolve_us INTEGER NOT NULL)"      \
    "  WITHOUT ROWID;"                                                                             \
    "CREATE INDEX incident_last ON incident (last_us);"                                            \
    "CREATE INDEX incident_due ON incident (resolve_us) WHERE resolve_us > 0;"                     \
    "CREATE TABLE silence (id INTEGER PRIMARY KEY, matchers TEXT NOT NULL, who TEXT NOT NULL,"     \
    "  comment TEXT NOT NULL, from_us INTEGER NOT NULL, until_us INTEGER NOT NULL);"

/* Version 7. lo and hi: the first and the last address, behind their family. */
#define BAN_TABLE                                                                                  \
    "CREATE TABLE ban (id INTEGER PRIMARY KEY, target TEXT NOT NULL, lo BLOB NOT NULL,"            \
    "  hi BLOB NOT NULL, origin TEXT NOT NULL, rule TEXT NOT NULL, title TEXT NOT NULL,"           \
    "  alert TEXT NOT NULL, channel TEXT NOT NULL, reason TEXT NOT NULL, who TEXT NOT NULL,"       \
    "  status TEXT NOT NULL, state INTEGER NOT NULL, owed INTEGER NOT NULL,"                       \
    "  dry_run INTEGER NOT NULL, start_us INTEGER NOT NULL, until_us INTEGER NOT NULL,"            \
    "  changed_us INTEGER NOT NULL, ended_us INTEGER NOT NULL, times INTEGER NOT NULL,"            \
    "  renewals INTEGER NOT NULL);"                                                                \
    "CREATE INDEX ban_net ON ban (lo, hi);"                                                        \
    "CREATE INDEX ban_active ON ban (until_us) WHERE state = 0;"                                   \
    "CREATE INDEX ban_owed ON ban (id) WHERE owed <> 0;"                                           \
    "CREATE INDEX ban_alert ON ban (alert) WHERE alert <> '';"

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
    "  time_us INTEGER NOT NULL, grp TEXT NOT NULL, document BLOB NOT NULL,"
    "  incident TEXT NOT NULL DEFAULT '');"
    "CREATE INDEX alert_time ON alert (time_us);"
    "CREATE INDEX alert_incident ON alert (incident, n) WHERE incident <> '';" OUTBOX_TABLES
    "CREATE TABLE channel (name TEXT PRIMARY KEY, lines INTEGER NOT NULL, bytes INTEGER NOT NULL,"
    "  unparsed INTEGER NOT NULL, matches INTEGER NOT NULL, last_event_us INTEGER NOT NULL,"
    "  parsed INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;"
    "CREATE TABLE input (name TEXT PRIMARY KEY, channel TEXT NOT NULL, lag_bytes INTEGER NOT NULL,"
    "  lag_since_us INTEGER NOT NULL, last_event_us INTEGER NOT NULL, streams INTEGER NOT NULL,"
    "  trouble INTEGER NOT NULL) WITHOUT ROWID;" BAN_TABLE;

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
    ("ALTER TABLE outbox RENAME TO outbox_5;"
     "DROP INDEX outbox_waiting;"
     "ALTER TABLE alert ADD COLUMN incident TEXT NOT NULL DEFAULT '';"
     "CREATE INDEX alert_incident ON alert (incident, n) WHERE incident <> '';" OUTBOX_TABLES
     "INSERT INTO document (id, body) SELECT id, document FROM outbox_5;"
     "INSERT INTO outbox (id, key, receiver, kind, state, attempts, created_us, not_before_us,"
     "  expires_us, done_us, status, remote, document) SELECT id, key, receiver, kind, state,"
     "  attempts, created_us, not_before_us, expires_us,"
     "  CASE WHEN state IN (1, 3) THEN created_us ELSE 0 END, status, remote, id FROM outbox_5;"
     "DROP TABLE outbox_5;"),
    /* Orders that nobody had taken: the book is who orders now. */
    ("UPDATE outbox SET state = 3, done_us = created_us, status = 'given up: bans are in the book "
     "now'"
     " WHERE kind = 'ban' AND state IN (0, 2);" BAN_TABLE),
};
