/* The statements, by name. Rows of the outbox are read by OUTBOX_ROW, in that order. */
#include "store/store-private.h"

#define OUTBOX_FIRST                                                                               \
    "SELECT " OUTBOX_ROW ", d.body FROM outbox o JOIN document d ON d.id = o.document"             \
    " WHERE o.id = (SELECT id FROM outbox "
#define OUTBOX_ROW                                                                                 \
    "o.id, key, receiver, kind, state, attempts, created_us, not_before_us, expires_us, done_us,"  \
    " level, reason, incident, rule, title, source, user, grp, bundle, status, remote"

#define BAN_ROW                                                                                    \
    "id, target, origin, rule, title, alert, channel, reason, who, status, state, owed, dry_run,"  \
    " start_us, until_us, changed_us, ended_us, times, renewals"
#define BAN_WHERE                                                                                  \
    "(?1 = 0 OR id = ?1) AND (?2 >> state) & 1 AND (?3 IS NULL OR (lo <= ?3 AND hi >= ?3))"        \
    " AND (?4 = '' OR rule = ?4) AND (?5 = '' OR origin = ?5 OR (?5 = 'list:' AND"                 \
    " origin LIKE 'list:%')) AND (?6 = '' OR alert = ?6) AND (?7 = 0 OR start_us >= ?7)"           \
    " AND (?8 = 0 OR start_us < ?8)"

const char *const store_sql[STATEMENTS] = {
    [S_BEGIN] = "BEGIN IMMEDIATE",
    [S_COMMIT] = "COMMIT",
    [S_CURSOR_PUT] = "INSERT OR REPLACE INTO cursor VALUES (?1, ?2, ?3, ?4)",
    [S_CURSOR_DELETE] = "DELETE FROM cursor WHERE input = ?1 AND stream = ?2",
    [S_CURSORS] = "SELECT stream, value FROM cursor WHERE input = ?1 ORDER BY stream",
    [S_CURSORS_ALL] = "SELECT input, stream, value, committed_us FROM cursor"
                      " ORDER BY input, stream",
    [S_SIGNALS_SPAN] = "SELECT coalesce(sum(n), 0), count(*), coalesce(min(newest_us), 0),"
                       " coalesce(max(newest_us), 0) FROM signals",
    [S_SIGNALS_PUT] = "INSERT INTO signals VALUES (?1, ?2, ?3, ?4, ?5)",
    [S_SIGNALS_PRUNE] = "DELETE FROM signals WHERE expires_us < ?1",
    [S_SIGNALS] = "SELECT data FROM signals ORDER BY batch",
    [S_ALERT_PUT] = "INSERT OR IGNORE INTO alert (id, rule, title, channel, level, time_us, grp,"
                    " document, incident) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    [S_ALERT_KNOWN] = "SELECT 1 FROM alert WHERE id = ?1",
    [S_ALERTS] = "SELECT n, id, rule, title, channel, level, time_us, grp, document, incident"
                 " FROM alert"
                 " WHERE (?1 = 0 OR time_us >= ?1) AND (?2 = 0 OR time_us < ?2)"
                 " AND (?3 = '' OR rule = ?3) AND (?4 = '' OR channel = ?4) AND level >= ?5"
                 " AND (?7 = '' OR incident = ?7)"
                 " ORDER BY n DESC LIMIT ?6",
    [S_ALERTS_BY_ID] = "SELECT n, id, rule, title, channel, level, time_us, grp, document, incident"
                       " FROM alert WHERE id >= ?1 AND id < ?1 || 'g' ORDER BY id LIMIT ?2",
    [S_DOCUMENT_PUT] = "INSERT INTO document (body) VALUES (?1)",
    [S_OUTBOX_PUT] =
        "INSERT OR IGNORE INTO outbox (key, receiver, kind, state, created_us, not_before_us,"
        " expires_us, done_us, level, reason, incident, rule, title, source, user, grp, status,"
        " document) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15,"
        " ?16, ?17, ?18)",
    [S_OUTBOX_BUNDLE] = "UPDATE outbox SET state = 4, bundle = ?2, done_us = ?3 WHERE id = ?1"
                        " AND state = 0 AND attempts = 0",
    [S_OUTBOX_CHANGE] = "UPDATE outbox SET state = ?2, attempts = 0, not_before_us = ?3,"
                        " expires_us = ?4, done_us = ?5, status = ?6 WHERE id = ?1"
                        " AND state IN (0, 2, 3)",
    /* Three looks, each by an index: what failed is first, what failed too often is last. */
    [S_OUTBOX_FAILED] = OUTBOX_FIRST "WHERE receiver = ?1 AND state = 2 AND not_before_us <= ?2"
                                     " AND attempts < ?3 ORDER BY id LIMIT 1)",
    [S_OUTBOX_FRESH] = OUTBOX_FIRST "WHERE receiver = ?1 AND state = 0 AND not_before_us <= ?2"
                                    " ORDER BY not_before_us, id LIMIT 1)",
    [S_OUTBOX_STUBBORN] = OUTBOX_FIRST "WHERE receiver = ?1 AND state = 2 AND not_before_us <= ?2"
                                       " AND attempts >= ?3 ORDER BY attempts, id LIMIT 1)",
    [S_OUTBOX_CRITICAL] = OUTBOX_FIRST "WHERE receiver = ?1 AND state = 0 AND level = 4"
                                       " AND not_before_us <= ?2 ORDER BY id LIMIT 1)",
    [S_OUTBOX_WAITING] = "SELECT " OUTBOX_ROW " FROM outbox o WHERE receiver = ?1"
                         " AND state = 0 AND attempts = 0"
                         " AND not_before_us <= ?2 AND (?3 = '' OR grp = ?3)"
                         " AND kind = 'notify' ORDER BY id LIMIT ?4",
    [S_OUTBOX_DUE] =
        "SELECT (SELECT min(not_before_us) FROM outbox WHERE receiver = ?1 AND state = 0),"
        " (SELECT min(not_before_us) FROM outbox WHERE receiver = ?1 AND state = 2),"
        " (SELECT count(*) FROM (SELECT 1 FROM outbox WHERE receiver = ?1 AND state = 2 LIMIT 9))",
    [S_OUTBOX_SENT] = "SELECT count(*) FROM (SELECT 1 FROM outbox WHERE receiver = ?1"
                      " AND state = 1 AND done_us >= ?2 AND kind = 'notify'"
                      " AND (?3 = '' OR rule = ?3) LIMIT ?4)",
    /* Each subselect is one step in one of the partial indices, however many rows there are. */
    [S_OUTBOX_GROUP] =
        "SELECT (SELECT min(not_before_us) FROM outbox WHERE receiver = ?1 AND grp = ?2"
        "  AND state = 0 AND grp <> ''), (SELECT max(done_us) FROM outbox WHERE receiver = ?1"
        "  AND grp = ?2 AND state = 1 AND grp <> '')",
    [S_OUTBOX_INCIDENT] =
        "SELECT (SELECT min(not_before_us) FROM outbox WHERE incident = ?2 AND receiver = ?1"
        "  AND state = 0 AND incident <> '' AND reason <> 'escalated'),"
        " (SELECT max(done_us) FROM outbox WHERE incident = ?2 AND receiver = ?1 AND state = 1"
        "  AND incident <> '')",
    [S_OUTBOX_REMOTE] = "SELECT remote FROM outbox WHERE incident = ?1 AND receiver = ?2"
                        " AND state = 1 AND incident <> '' AND done_us >= ?3"
                        " ORDER BY done_us LIMIT 1",
    [S_OUTBOX_TOLD] = "SELECT receiver FROM outbox WHERE incident = ?1 AND created_us >= ?2"
                      " AND state IN (1, 4) GROUP BY receiver",
    [S_OUTBOX_LIST] = "SELECT " OUTBOX_ROW ", d.body FROM outbox o JOIN document d"
                      " ON d.id = o.document WHERE (?1 = 0 OR o.id = ?1)"
                      " AND ((1 << state) & ?2) <> 0 AND (?3 = '' OR receiver = ?3)"
                      " AND (?4 = '' OR rule = ?4) AND (?5 = '' OR incident = ?5)"
                      " AND (?6 = '' OR key = ?6) AND (?7 = 0 OR created_us >= ?7)"
                      " AND (?8 = 0 OR created_us < ?8) AND (?9 = 0 OR bundle = ?9)"
                      " ORDER BY o.id DESC LIMIT ?10",
    [S_RECEIVERS] = "SELECT receiver, sum(state = 0), sum(state = 1), sum(state = 2),"
                    " sum(state = 3), sum(state = 4), sum(state = 5),"
                    " min(CASE WHEN state IN (0, 2) THEN created_us END),"
                    " max(CASE WHEN state = 1 THEN done_us END)"
                    " FROM outbox GROUP BY receiver ORDER BY receiver",
    [S_OUTCOME] = "UPDATE outbox SET state = ?2, attempts = ?3, not_before_us = ?4, status = ?5,"
                  " remote = ?6, done_us = ?7 WHERE id = ?1 AND state IN (0, 2)",
    [S_OUTBOX_PRUNE] = "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox"
                       " WHERE state NOT IN (0, 2) AND done_us < ?1 ORDER BY id LIMIT 500)",
    [S_DOCUMENT_PRUNE] = "DELETE FROM document WHERE id IN (SELECT id FROM document WHERE id <"
                         " coalesce((SELECT min(document) FROM outbox), 0) LIMIT 500)",
    [S_INCIDENT_PUT] = "INSERT OR REPLACE INTO incident VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8,"
                       " ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
    [S_INCIDENTS_DUE] = "SELECT * FROM incident WHERE resolve_us > 0 AND resolve_us <= ?1"
                        " ORDER BY resolve_us LIMIT 500",
    [S_INCIDENT_NEXT_DUE] = "SELECT min(resolve_us) FROM incident WHERE resolve_us > 0",
    [S_INCIDENT] = "SELECT * FROM incident WHERE key = ?1",
    [S_INCIDENTS] = "SELECT * FROM incident WHERE (?1 = '' OR substr(key, 1, length(?1)) = ?1)"
                    " AND ((1 << state) & ?2) <> 0 AND (?3 = '' OR rule = ?3)"
                    " AND (?4 = '' OR channel = ?4) AND level >= ?5 AND last_us >= ?6"
                    " ORDER BY last_us DESC, key LIMIT ?7",
    [S_SILENCE_PUT] = "INSERT OR REPLACE INTO silence VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    [S_SILENCES] = "SELECT * FROM silence WHERE ?1 = 0 OR until_us > ?1 ORDER BY id DESC",
    /* Of a row that is there, texts that are given and numbers are new. */
    [S_BAN_PUT] =
        "INSERT INTO ban (id, target, lo, hi, origin, rule, title, alert, channel, reason, who,"
        " status, state, owed, dry_run, start_us, until_us, changed_us, ended_us, times, renewals)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18,"
        " ?19, ?20, ?21) ON CONFLICT (id) DO UPDATE SET"
        " origin = coalesce(nullif(?5, ''), origin), rule = coalesce(nullif(?6, ''), rule),"
        " title = coalesce(nullif(?7, ''), title), alert = coalesce(nullif(?8, ''), alert),"
        " channel = coalesce(nullif(?9, ''), channel), reason = coalesce(nullif(?10, ''), reason),"
        " who = coalesce(nullif(?11, ''), who), status = coalesce(nullif(?12, ''), status),"
        " state = ?13, owed = ?14, dry_run = ?15, until_us = ?17, changed_us = ?18, ended_us = ?19,"
        " renewals = ?21",
    [S_BANS] = "SELECT " BAN_ROW " FROM ban WHERE " BAN_WHERE " ORDER BY id DESC LIMIT ?9",
    [S_BANS_BEHIND] =
        "SELECT " BAN_ROW " FROM ban WHERE " BAN_WHERE " AND id > ?10 ORDER BY id LIMIT ?9",
    [S_BANS_ACTIVE] =
        "SELECT " BAN_ROW " FROM ban WHERE state = 0 AND " BAN_WHERE " ORDER BY id DESC LIMIT ?9",
    [S_BANS_HELD] = "SELECT " BAN_ROW " FROM ban WHERE state = 0 OR owed <> 0 ORDER BY id",
    [S_BAN_TOTALS] = "SELECT (SELECT count(*) FROM ban WHERE state = 0),"
                     " (SELECT count(*) FROM ban WHERE owed <> 0),"
                     " (SELECT count(*) FROM ban WHERE state = 0 AND dry_run = 1),"
                     " (SELECT count(*) FROM ban)",
    [S_BAN_PAST] = "SELECT times, ended_us FROM ban WHERE lo = ?1 AND hi = ?2 AND state <> 3"
                   " ORDER BY id DESC LIMIT 1",
    [S_BAN_LAST] = "SELECT coalesce(max(id), 0) FROM ban",
    [S_CHANNEL_ADD] =
        "INSERT INTO channel VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (name) DO"
        " UPDATE SET lines = lines + ?2, bytes = bytes + ?3,"
        " unparsed = unparsed + ?4, matches = matches + ?5,"
        " last_event_us = max(last_event_us, ?6), parsed = parsed + ?7",
    [S_CHANNELS] = "SELECT * FROM channel ORDER BY name",
    [S_INPUT_PUT] = "INSERT INTO input VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (name) DO"
                    " UPDATE SET channel = ?2, lag_bytes = ?3, lag_since_us = ?4,"
                    " last_event_us = max(last_event_us, ?5), streams = ?6, trouble = ?7",
    [S_INPUTS] = "SELECT * FROM input ORDER BY channel, name",
    [S_META_PUT] = "INSERT OR REPLACE INTO meta VALUES (?1, ?2)",
    [S_META_GET] = "SELECT value FROM meta WHERE name = ?1",
    [S_TOTALS] = "SELECT (SELECT count(*) FROM alert), (SELECT coalesce(sum(n), 0) FROM signals),"
                 " (SELECT count(*) FROM outbox WHERE state IN (0, 2)),"
                 " (SELECT count(*) FROM outbox WHERE state = 1),"
                 " (SELECT count(*) FROM outbox WHERE state = 3)",
    /* Erasing walks by number: rows are changed meanwhile. */
    [S_ALERT_NEXT] = "SELECT n, grp, document FROM alert WHERE n > ?1 ORDER BY n LIMIT 1",
    [S_ALERT_SET] = "UPDATE alert SET grp = ?2, document = ?3, incident = '' WHERE n = ?1",
    [S_OUTBOX_BEHIND] =
        "SELECT o.id, d.body, o.status, o.remote, o.source, o.user, o.kind, o.state, o.document"
        " FROM outbox o JOIN document d ON d.id = o.document WHERE o.id > ?1 ORDER BY o.id LIMIT 1",
    [S_OUTBOX_SET] = "UPDATE outbox SET status = ?2, remote = ?3, source = ?4, user = ?5,"
                     " state = ?6, incident = '', grp = '' WHERE id = ?1",
    [S_DOCUMENT_NEXT] = "SELECT id, body FROM document WHERE id > ?1 ORDER BY id LIMIT 1",
    [S_DOCUMENT_SET] = "UPDATE document SET body = ?2 WHERE id = ?1",
    [S_INCIDENT_NEXT] = "SELECT key, grp, who, comment FROM incident WHERE key > ?1 ORDER BY key"
                        " LIMIT 1",
    [S_INCIDENT_DROP] = "DELETE FROM incident WHERE key = ?1",
    [S_SILENCE_DROP] = "DELETE FROM silence WHERE id = ?1",
    [S_BAN_NEXT] = "SELECT id, target, reason, who, title FROM ban WHERE id > ?1"
                   " ORDER BY id LIMIT 1",
    [S_BAN_DROP] = "DELETE FROM ban WHERE id = ?1",
    [S_SIGNALS_NEXT] = "SELECT batch, data FROM signals WHERE batch > ?1 ORDER BY batch LIMIT 1",
    [S_SIGNALS_SET] = "UPDATE signals SET n = ?2, data = ?3 WHERE batch = ?1",
    [S_SIGNALS_DROP] = "DELETE FROM signals WHERE batch = ?1",
};
