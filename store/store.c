/* The state database: opening, the commit, and what is true now. */
#include "store/store-private.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/num.h"

enum statement {
    S_BEGIN,
    S_COMMIT,
    S_CURSOR_PUT,
    S_CURSOR_DELETE,
    S_CURSORS,
    S_SIGNALS_PUT,
    S_SIGNALS_PRUNE,
    S_SIGNALS,
    S_ALERT_PUT,
    S_ALERT_KNOWN,
    S_ALERTS,
    S_OUTBOX_PUT,
    S_OUTBOX_DUE,
    S_OUTBOX_NEXT,
    S_OUTBOX_ALL,
    S_OUTCOME,
    S_CHANNEL_ADD,
    S_CHANNELS,
    S_META_PUT,
    S_META_GET,
    S_TOTALS,
    STATEMENTS,
};

static const char *const statements[STATEMENTS] = {
    [S_BEGIN] = "BEGIN IMMEDIATE",
    [S_COMMIT] = "COMMIT",
    [S_CURSOR_PUT] = "INSERT OR REPLACE INTO cursor VALUES (?1, ?2, ?3)",
    [S_CURSOR_DELETE] = "DELETE FROM cursor WHERE input = ?1 AND stream = ?2",
    [S_CURSORS] = "SELECT stream, value FROM cursor WHERE input = ?1 ORDER BY stream",
    [S_SIGNALS_PUT] = "INSERT INTO signals VALUES (?1, ?2, ?3, ?4)",
    [S_SIGNALS_PRUNE] = "DELETE FROM signals WHERE newest_us < ?1",
    [S_SIGNALS] = "SELECT data FROM signals ORDER BY batch",
    [S_ALERT_PUT] = "INSERT OR IGNORE INTO alert (id, rule, title, channel, level, time_us, grp,"
                    " document) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    [S_ALERT_KNOWN] = "SELECT 1 FROM alert WHERE id = ?1",
    [S_ALERTS] = "SELECT n, id, rule, title, channel, level, time_us, grp, document FROM alert"
                 " WHERE (?1 = 0 OR time_us >= ?1) AND (?2 = 0 OR time_us < ?2)"
                 " AND (?3 = '' OR rule = ?3) AND (?4 = '' OR channel = ?4) AND level >= ?5"
                 " ORDER BY n DESC LIMIT ?6",
    [S_OUTBOX_PUT] =
        "INSERT OR IGNORE INTO outbox (key, receiver, kind, document, state,"
        " created_us, not_before_us, expires_us) VALUES (?1, ?2, ?3, ?4, 0, ?5, ?6, ?7)",
    /* The oldest of each receiver, when it is due: a receiver's order is kept. */
    [S_OUTBOX_DUE] = "SELECT * FROM outbox WHERE id IN"
                     " (SELECT min(id) FROM outbox WHERE state IN (0, 2) GROUP BY receiver)"
                     " AND not_before_us <= ?1 ORDER BY id LIMIT ?2",
    [S_OUTBOX_NEXT] = "SELECT min(not_before_us) FROM outbox WHERE id IN"
                      " (SELECT min(id) FROM outbox WHERE state IN (0, 2) GROUP BY receiver)",
    [S_OUTBOX_ALL] = "SELECT * FROM outbox WHERE ?1 < 0 OR state = ?1 ORDER BY id DESC LIMIT ?2",
    [S_OUTCOME] = "UPDATE outbox SET state = ?2, attempts = ?3, not_before_us = ?4, status = ?5,"
                  " remote = ?6 WHERE id = ?1 AND state IN (0, 2)",
    [S_CHANNEL_ADD] = "INSERT INTO channel VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (name) DO"
                      " UPDATE SET lines = lines + ?2, bytes = bytes + ?3,"
                      " unparsed = unparsed + ?4, matches = matches + ?5,"
                      " last_event_us = max(last_event_us, ?6)",
    [S_CHANNELS] = "SELECT * FROM channel ORDER BY name",
    [S_META_PUT] = "INSERT OR REPLACE INTO meta VALUES (?1, ?2)",
    [S_META_GET] = "SELECT value FROM meta WHERE name = ?1",
    [S_TOTALS] = "SELECT (SELECT count(*) FROM alert), (SELECT coalesce(sum(n), 0) FROM signals),"
                 " (SELECT count(*) FROM outbox WHERE state IN (0, 2)),"
                 " (SELECT count(*) FROM outbox WHERE state = 1),"
                 " (SELECT count(*) FROM outbox WHERE state = 3)",
};

/* A fact that becomes true with the next commit. */
struct pending {
    char *name;
    struct buf value;
};
#define PENDING_MAX 16

struct store {
    sqlite3 *db;
    sqlite3_stmt *st[STATEMENTS];
    struct pending pending[PENDING_MAX];
    size_t npending;
    int lock_fd;
    uint64_t batches;
};

void store_fault_point(const char *name)
{
    static const char *wanted;
    static bool asked;
    static unsigned long passes;
    const char *count;
    size_t n = strlen(name);

    if (!asked) {
        wanted = getenv("TW_FAULT");
        asked = true;
    }
    if (!wanted || strncmp(wanted, name, n) != 0 || wanted[n] != ':')
        return;
    count = wanted + n + 1;
    if (++passes == strtoul(count, NULL, 10))
        kill(getpid(), SIGKILL);
}

/* ---- errors ---- */

static int code_of(int rc)
{
    switch (rc & 0xff) {
    case SQLITE_FULL:
        return -ENOSPC;
    case SQLITE_IOERR:
        return -EIO;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return -EBUSY;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return -EUCLEAN;
    case SQLITE_NOMEM:
        return -ENOMEM;
    case SQLITE_CANTOPEN:
        return -ENOENT;
    case SQLITE_READONLY:
        return -EROFS;
    default:
        return -EINVAL;
    }
}

static int fault(struct store *s, struct err *err)
{
    int rc = s->db ? sqlite3_extended_errcode(s->db) : SQLITE_NOMEM;

    /* The database has no complaint: it was a buffer of ours. */
    if (rc == SQLITE_OK || rc == SQLITE_ROW || rc == SQLITE_DONE)
        return err_nomem(err);
    return err_set(err, code_of(rc), "database: %s",
                   s->db ? sqlite3_errmsg(s->db) : "out of memory");
}

/* ---- statements ---- */

static sqlite3_stmt *ready(struct store *s, enum statement which)
{
    if (!s->st[which] && sqlite3_prepare_v3(s->db, statements[which], -1, SQLITE_PREPARE_PERSISTENT,
                                            &s->st[which], NULL) != SQLITE_OK)
        return NULL;
    sqlite3_reset(s->st[which]);
    return s->st[which];
}

static void bind_text(sqlite3_stmt *st, int i, struct slice v)
{
    sqlite3_bind_text64(st, i, v.p ? v.p : "", v.n, SQLITE_STATIC, SQLITE_UTF8);
}

static void bind_blob(sqlite3_stmt *st, int i, struct slice v)
{
    sqlite3_bind_blob64(st, i, v.p ? v.p : "", v.n, SQLITE_STATIC);
}

static void bind_u64(sqlite3_stmt *st, int i, uint64_t v)
{
    sqlite3_bind_int64(st, i, v > INT64_MAX ? INT64_MAX : (sqlite3_int64)v);
}

static uint64_t column_u64(sqlite3_stmt *st, int i)
{
    sqlite3_int64 v = sqlite3_column_int64(st, i);

    return v < 0 ? 0 : (uint64_t)v;
}

static struct slice column(sqlite3_stmt *st, int i)
{
    const char *p = sqlite3_column_blob(st, i);

    return slice_of(p ? p : "", (size_t)sqlite3_column_bytes(st, i));
}

/* A statement that gives no rows. */
static int run(struct store *s, sqlite3_stmt *st)
{
    int rc = st ? sqlite3_step(st) : SQLITE_ERROR;

    if (st)
        sqlite3_reset(st);
    (void)s;
    return rc == SQLITE_DONE || rc == SQLITE_ROW ? 0 : -1;
}

/* ---- opening ---- */

static int lock(struct store *s, const char *path, struct err *err)
{
    AUTO_BUF name = BUF_INIT;

    buf_printf(&name, "%s.lock", path);
    if (!buf_ok(&name))
        return err_nomem(err);
    s->lock_fd = open(name.p, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (s->lock_fd < 0)
        return err_set(err, -errno, "cannot open '%s': %s", name.p, err_name(errno));
    if (flock(s->lock_fd, LOCK_EX | LOCK_NB) < 0)
        return err_set(err, -EBUSY, "another trailwarden works on '%s'", path);
    return 0;
}

static int exec(struct store *s, const char *sql)
{
    return sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : -1;
}

static int pragma_int(struct store *s, const char *sql)
{
    sqlite3_stmt *st = NULL;
    int v = -1;

    if (sqlite3_prepare_v2(s->db, sql, -1, &st, NULL) == SQLITE_OK &&
        sqlite3_step(st) == SQLITE_ROW)
        v = sqlite3_column_int(st, 0);
    sqlite3_finalize(st);
    return v;
}

static bool sound(struct store *s)
{
    sqlite3_stmt *st = NULL;
    bool ok = sqlite3_prepare_v2(s->db, "PRAGMA quick_check(1)", -1, &st, NULL) == SQLITE_OK &&
              sqlite3_step(st) == SQLITE_ROW && slice_is(column(st, 0), "ok");

    sqlite3_finalize(st);
    return ok;
}

static int check_version(struct store *s, const char *path, struct err *err)
{
    int version = pragma_int(s, "PRAGMA user_version");
    int tables = pragma_int(s, "SELECT count(*) FROM sqlite_schema");
    char sql[128];

    if (version < 0 || tables < 0)
        return fault(s, err);
    if (tables != 0 && pragma_int(s, "PRAGMA application_id") != STORE_APPLICATION)
        return err_set(err, -EUCLEAN, "'%s' is a database of another program", path);
    if (version == STORE_VERSION)
        return 0;
    if (version != 0 || tables != 0)
        return err_set(err, -EUCLEAN, "'%s' has version %d, this program knows %d", path, version,
                       STORE_VERSION);
    snprintf(sql, sizeof sql, "PRAGMA application_id = %d; PRAGMA user_version = %d;",
             STORE_APPLICATION, STORE_VERSION);
    if (exec(s, "BEGIN IMMEDIATE") < 0 || exec(s, store_schema) < 0 || exec(s, sql) < 0 ||
        exec(s, "COMMIT") < 0)
        return fault(s, err);
    return 0;
}

static uint64_t meta_u64(struct store *s, const char *name)
{
    AUTO_BUF b = BUF_INIT;
    uint64_t v = 0;

    if (store_meta_get(s, name, &b) == 0)
        (void)parse_u64(buf_view(&b), 0, UINT64_MAX, &v);
    return v;
}

int store_open(const char *path, bool create, struct store **ret_store, struct err *err)
{
    AUTO(store) s = calloc(1, sizeof *s);
    int flags = SQLITE_OPEN_READWRITE | (create ? SQLITE_OPEN_CREATE : 0) | SQLITE_OPEN_NOMUTEX;
    mode_t mask;
    int rc;

    if (!s)
        return err_nomem(err);
    s->lock_fd = -1;
    if (lock(s, path, err) < 0)
        return err_code(err);
    mask = umask(0027);
    rc = sqlite3_open_v2(path, &s->db, flags, NULL);
    umask(mask);
    if (rc != SQLITE_OK)
        return fault(s, err) < 0 ? err_while(err, "'%s'", path) : -EINVAL;
    sqlite3_busy_timeout(s->db, 5000);
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    /* The log's files stay when we end: a viewer that may not write the folder could not make them.
     */
    sqlite3_file_control(s->db, NULL, SQLITE_FCNTL_PERSIST_WAL, &(int){ 1 });
    /* NORMAL in WAL: after power loss the last batches may be gone, whole; their lines are read
     * again. */
    if (exec(s, "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
                "PRAGMA journal_size_limit = 16777216; PRAGMA wal_autocheckpoint = 1000;") < 0)
        return fault(s, err) < 0 ? err_while(err, "'%s'", path) : -EINVAL;
    if (!sound(s))
        return err_set(err, -EUCLEAN, "'%s' is damaged: restore a copy, or move it away", path);
    if (check_version(s, path, err) < 0)
        return err_code(err);
    s->batches = meta_u64(s, "batches");
    *ret_store = TAKE(s);
    return 0;
}

int store_view(const char *path, struct store **ret_store, struct err *err)
{
    AUTO(store) s = calloc(1, sizeof *s);
    int version;

    if (!s)
        return err_nomem(err);
    s->lock_fd = -1;
    if (sqlite3_open_v2(path, &s->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL) !=
        SQLITE_OK)
        return fault(s, err) < 0 ? err_while(err, "'%s'", path) : -EINVAL;
    sqlite3_busy_timeout(s->db, 5000);
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    if (exec(s, "PRAGMA query_only = 1") < 0)
        return fault(s, err) < 0 ? err_while(err, "'%s'", path) : -EINVAL;
    version = pragma_int(s, "PRAGMA user_version");
    if (version < 0)
        return fault(s, err) < 0 ? err_while(err, "'%s'", path) : -EINVAL;
    if (version != STORE_VERSION || pragma_int(s, "PRAGMA application_id") != STORE_APPLICATION)
        return err_set(err, -EUCLEAN, "'%s' is no state database of this version", path);
    s->batches = meta_u64(s, "batches");
    *ret_store = TAKE(s);
    return 0;
}

static void drop_pending(struct store *s)
{
    for (size_t i = 0; i < s->npending; i++) {
        free(s->pending[i].name);
        buf_fini(&s->pending[i].value);
    }
    s->npending = 0;
}

void store_free(struct store *s)
{
    if (!s)
        return;
    drop_pending(s);
    for (size_t i = 0; i < STATEMENTS; i++)
        sqlite3_finalize(s->st[i]);
    sqlite3_close(s->db);
    if (s->lock_fd >= 0)
        close(s->lock_fd);
    free(s);
}

/* ---- meta ---- */

static struct pending *pending_of(struct store *s, const char *name)
{
    for (size_t i = 0; i < s->npending; i++)
        if (strcmp(s->pending[i].name, name) == 0)
            return &s->pending[i];
    return NULL;
}

int store_meta_get(struct store *s, const char *name, struct buf *out)
{
    const struct pending *p = pending_of(s, name);
    sqlite3_stmt *st = p ? NULL : ready(s, S_META_GET);
    int r = -ENOENT;

    if (p) {
        buf_slice(out, buf_view(&p->value));
        return buf_ok(out) ? 0 : -ENOMEM;
    }
    if (!st)
        return -EINVAL;
    bind_text(st, 1, slice_str(name));
    if (sqlite3_step(st) == SQLITE_ROW) {
        buf_slice(out, column(st, 0));
        r = buf_ok(out) ? 0 : -ENOMEM;
    }
    sqlite3_reset(st);
    return r;
}

int store_meta_set(struct store *s, const char *name, struct slice value, struct err *err)
{
    struct pending *p = pending_of(s, name);

    if (!p && s->npending == PENDING_MAX)
        return err_set(err, -ENOSPC, "more than %d facts wait for a commit", PENDING_MAX);
    if (!p) {
        p = &s->pending[s->npending];
        *p = (struct pending){ .name = slice_dup(slice_str(name)) };
        if (!p->name)
            return err_nomem(err);
        s->npending++;
    }
    buf_reset(&p->value);
    buf_slice(&p->value, value);
    return buf_ok(&p->value) ? 0 : err_nomem(err);
}

static int put_fact(struct store *s, const char *name, struct slice value)
{
    sqlite3_stmt *st = ready(s, S_META_PUT);

    if (!st)
        return -1;
    bind_text(st, 1, slice_str(name));
    bind_blob(st, 2, value);
    return run(s, st);
}

static int put_number(struct store *s, const char *name, uint64_t v)
{
    AUTO_BUF b = BUF_INIT;

    buf_u64(&b, v);
    return buf_ok(&b) ? put_fact(s, name, buf_view(&b)) : -1;
}

bool store_trail_end(struct store *s, struct trail_end *ret_end)
{
    if (s->batches == 0)
        return false;
    ret_end->count = meta_u64(s, "trail_count");
    ret_end->segment = meta_u64(s, "trail_segment");
    ret_end->bytes = meta_u64(s, "trail_bytes");
    return true;
}

uint64_t store_batches(struct store *s)
{
    return s->batches;
}

/* ---- the commit ---- */

static int put_cursors(struct store *s, const struct batch *b)
{
    for (size_t i = 0; i < b->ncursors; i++) {
        const struct cursor_update *c = &b->cursors[i];
        sqlite3_stmt *st = ready(s, c->cursor.value.n ? S_CURSOR_PUT : S_CURSOR_DELETE);

        if (!st)
            return -1;
        bind_text(st, 1, c->input);
        bind_text(st, 2, c->cursor.stream);
        if (c->cursor.value.n)
            bind_blob(st, 3, c->cursor.value);
        if (run(s, st) < 0)
            return -1;
    }
    return 0;
}

static int put_signals(struct store *s, const struct batch *b)
{
    AUTO_BUF data = BUF_INIT;
    uint64_t newest = 0;
    sqlite3_stmt *st;

    if (b->nsignals == 0)
        return 0;
    for (size_t i = 0; i < b->nsignals; i++)
        if (b->signals[i].time_us > newest)
            newest = b->signals[i].time_us;
    st = ready(s, S_SIGNALS_PUT);
    if (!st || signals_encode(b->signals, b->nsignals, &data) < 0)
        return -1;
    bind_u64(st, 1, s->batches + 1);
    bind_u64(st, 2, newest);
    bind_u64(st, 3, b->nsignals);
    bind_blob(st, 4, buf_view(&data));
    if (run(s, st) < 0)
        return -1;
    st = newest > b->signals_keep_us ? ready(s, S_SIGNALS_PRUNE) : NULL;
    if (!st)
        return 0;
    bind_u64(st, 1, newest - b->signals_keep_us);
    return run(s, st);
}

static int put_alert(struct store *s, const struct alert *a)
{
    AUTO_BUF id = BUF_INIT;
    AUTO_BUF group = BUF_INIT;
    AUTO_BUF document = BUF_INIT;
    struct json_writer w = json_writer(&document);
    sqlite3_stmt *st = ready(s, S_ALERT_PUT);

    buf_hex(&id, a->id, sizeof a->id);
    for (size_t i = 0; i < a->ngroup; i++)
        buf_printf(&group, "%s%.*s=%.*s", i ? " " : "", SLICE_FMT(a->group[i].name),
                   SLICE_FMT(a->group[i].value));
    alert_json(a, &w);
    if (!st || !buf_ok(&id) || !buf_ok(&group) || !buf_ok(&document))
        return -1;
    bind_text(st, 1, buf_view(&id));
    bind_text(st, 2, a->rule_id);
    bind_text(st, 3, a->rule_title);
    bind_text(st, 4, a->channel);
    sqlite3_bind_int(st, 5, (int)a->level);
    bind_u64(st, 6, a->time_us);
    bind_text(st, 7, buf_view(&group));
    bind_blob(st, 8, buf_view(&document));
    return run(s, st);
}

static int put_outgoing(struct store *s, const struct batch *b)
{
    for (size_t i = 0; i < b->noutgoing; i++) {
        const struct outgoing *o = &b->outgoing[i];
        sqlite3_stmt *st = ready(s, S_OUTBOX_PUT);

        if (!st)
            return -1;
        bind_text(st, 1, o->key);
        bind_text(st, 2, o->receiver);
        bind_text(st, 3, o->kind);
        bind_blob(st, 4, o->document);
        bind_u64(st, 5, b->now_us);
        bind_u64(st, 6, o->not_before_us);
        bind_u64(st, 7, o->expires_us);
        if (run(s, st) < 0)
            return -1;
    }
    return 0;
}

static int put_outcomes(struct store *s, const struct batch *b)
{
    for (size_t i = 0; i < b->noutcomes; i++) {
        const struct outcome *o = &b->outcomes[i];
        sqlite3_stmt *st = ready(s, S_OUTCOME);

        if (!st)
            return -1;
        bind_u64(st, 1, o->id);
        sqlite3_bind_int(st, 2, (int)o->state);
        bind_u64(st, 3, o->attempts);
        bind_u64(st, 4, o->not_before_us);
        bind_text(st, 5, o->status);
        bind_text(st, 6, o->remote);
        if (run(s, st) < 0)
            return -1;
    }
    return 0;
}

static int put_counts(struct store *s, const struct batch *b)
{
    for (size_t i = 0; i < b->ncounts; i++) {
        const struct channel_count *c = &b->counts[i];
        sqlite3_stmt *st = ready(s, S_CHANNEL_ADD);

        if (!st)
            return -1;
        bind_text(st, 1, c->channel);
        bind_u64(st, 2, c->lines);
        bind_u64(st, 3, c->bytes);
        bind_u64(st, 4, c->unparsed);
        bind_u64(st, 5, c->matches);
        bind_u64(st, 6, c->last_event_us);
        if (run(s, st) < 0)
            return -1;
    }
    return 0;
}

static int put_meta(struct store *s, const struct batch *b)
{
    const struct {
        const char *name;
        uint64_t value;
    } numbers[] = {
        { "batches", s->batches + 1 },         { "trail_count", b->trail.count },
        { "trail_segment", b->trail.segment }, { "trail_bytes", b->trail.bytes },
        { "last_commit_us", b->now_us },
    };

    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
        if (put_number(s, numbers[i].name, numbers[i].value) < 0)
            return -1;
    for (size_t i = 0; i < s->npending; i++)
        if (put_fact(s, s->pending[i].name, buf_view(&s->pending[i].value)) < 0)
            return -1;
    return 0;
}

static int put_all(struct store *s, const struct batch *b)
{
    if (put_cursors(s, b) < 0 || put_signals(s, b) < 0)
        return -1;
    for (size_t i = 0; i < b->nalerts; i++)
        if (put_alert(s, b->alerts[i]) < 0)
            return -1;
    if (put_outgoing(s, b) < 0 || put_outcomes(s, b) < 0 || put_counts(s, b) < 0)
        return -1;
    store_fault_point("store: in txn");
    return put_meta(s, b);
}

int store_commit(struct store *s, const struct batch *b, struct err *err)
{
    int r = run(s, ready(s, S_BEGIN));

    if (r == 0)
        r = put_all(s, b);
    if (r == 0)
        r = run(s, ready(s, S_COMMIT));
    if (r < 0) {
        r = fault(s, err);
        /* A full disk has rolled back by itself already. */
        if (!sqlite3_get_autocommit(s->db))
            (void)exec(s, "ROLLBACK");
        return r;
    }
    s->batches++;
    drop_pending(s);
    store_fault_point("store: after commit");
    return 0;
}

/* ---- what is true now ---- */

/* Ends a walk: the callback's own value, or a fault of the database. */
static int walked(struct store *s, sqlite3_stmt *st, int rc, int r, struct err *err)
{
    int e = r ? r : rc == SQLITE_DONE ? 0 : fault(s, err);

    sqlite3_reset(st);
    return e;
}

int store_cursors_each(struct store *s, struct slice input,
                       int (*fn)(void *ctx, const struct cursor *c), void *ctx, struct err *err)
{
    sqlite3_stmt *st = ready(s, S_CURSORS);
    int rc = SQLITE_DONE, r = 0;

    if (!st)
        return fault(s, err);
    bind_text(st, 1, input);
    while (r == 0 && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        const struct cursor c = { column(st, 0), column(st, 1) };

        r = fn(ctx, &c);
    }
    return walked(s, st, rc, r, err);
}

int store_signals_each(struct store *s, int (*fn)(void *ctx, const struct signal *g), void *ctx,
                       struct err *err)
{
    sqlite3_stmt *st = ready(s, S_SIGNALS);
    int rc = SQLITE_DONE, r = 0;

    if (!st)
        return fault(s, err);
    while (r == 0 && (rc = sqlite3_step(st)) == SQLITE_ROW)
        r = signals_decode(column(st, 0), fn, ctx);
    if (r == -EBADMSG)
        err_set(err, r, "stored signals are damaged");
    return walked(s, st, rc, r, err);
}

static struct outbox_row outbox_row(sqlite3_stmt *st)
{
    return (struct outbox_row){
        .id = column_u64(st, 0),
        .key = column(st, 1),
        .receiver = column(st, 2),
        .kind = column(st, 3),
        .document = column(st, 4),
        .state = (enum delivery_state)(column_u64(st, 5) & 3),
        .attempts = (unsigned)column_u64(st, 6),
        .created_us = column_u64(st, 7),
        .not_before_us = column_u64(st, 8),
        .expires_us = column_u64(st, 9),
        .status = column(st, 10),
        .remote = column(st, 11),
    };
}

static int outbox_walk(struct store *s, sqlite3_stmt *st,
                       int (*fn)(void *ctx, const struct outbox_row *row), void *ctx,
                       struct err *err)
{
    int rc = SQLITE_DONE, r = 0;

    while (r == 0 && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        struct outbox_row row = outbox_row(st);

        r = fn(ctx, &row);
    }
    return walked(s, st, rc, r, err);
}

int store_outbox_due(struct store *s, uint64_t now_us, size_t max,
                     int (*fn)(void *ctx, const struct outbox_row *row), void *ctx, struct err *err)
{
    sqlite3_stmt *st = ready(s, S_OUTBOX_DUE);

    if (!st)
        return fault(s, err);
    bind_u64(st, 1, now_us);
    bind_u64(st, 2, max);
    return outbox_walk(s, st, fn, ctx, err);
}

int store_outbox_each(struct store *s, int state, size_t limit,
                      int (*fn)(void *ctx, const struct outbox_row *row), void *ctx,
                      struct err *err)
{
    sqlite3_stmt *st = ready(s, S_OUTBOX_ALL);

    if (!st)
        return fault(s, err);
    sqlite3_bind_int(st, 1, state);
    bind_u64(st, 2, limit);
    return outbox_walk(s, st, fn, ctx, err);
}

uint64_t store_outbox_next_us(struct store *s)
{
    sqlite3_stmt *st = ready(s, S_OUTBOX_NEXT);
    uint64_t v = UINT64_MAX;

    if (st && sqlite3_step(st) == SQLITE_ROW && sqlite3_column_type(st, 0) != SQLITE_NULL)
        v = column_u64(st, 0);
    if (st)
        sqlite3_reset(st);
    return v;
}

int store_alerts_each(struct store *s, const struct alert_filter *f,
                      int (*fn)(void *ctx, const struct alert_row *row), void *ctx, struct err *err)
{
    sqlite3_stmt *st = ready(s, S_ALERTS);
    int rc = SQLITE_DONE, r = 0;

    if (!st)
        return fault(s, err);
    bind_u64(st, 1, f->since_us);
    bind_u64(st, 2, f->until_us);
    bind_text(st, 3, f->rule);
    bind_text(st, 4, f->channel);
    sqlite3_bind_int(st, 5, f->level_min);
    bind_u64(st, 6, f->limit ? f->limit : 100);
    while (r == 0 && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        const struct alert_row row = {
            .n = column_u64(st, 0),
            .id = column(st, 1),
            .rule = column(st, 2),
            .title = column(st, 3),
            .channel = column(st, 4),
            .level = (enum level)(column_u64(st, 5) % LEVELS),
            .time_us = column_u64(st, 6),
            .group = column(st, 7),
            .document = column(st, 8),
        };

        r = fn(ctx, &row);
    }
    return walked(s, st, rc, r, err);
}

bool store_alert_known(struct store *s, const uint8_t id[16])
{
    sqlite3_stmt *st = ready(s, S_ALERT_KNOWN);
    AUTO_BUF hex = BUF_INIT;
    bool known;

    buf_hex(&hex, id, 16);
    if (!st || !buf_ok(&hex))
        return false;
    bind_text(st, 1, buf_view(&hex));
    known = sqlite3_step(st) == SQLITE_ROW;
    sqlite3_reset(st);
    return known;
}

int store_channels_each(struct store *s, int (*fn)(void *ctx, const struct channel_row *row),
                        void *ctx, struct err *err)
{
    sqlite3_stmt *st = ready(s, S_CHANNELS);
    int rc = SQLITE_DONE, r = 0;

    if (!st)
        return fault(s, err);
    while (r == 0 && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        const struct channel_row row = { column(st, 0),     column_u64(st, 1), column_u64(st, 2),
                                         column_u64(st, 3), column_u64(st, 4), column_u64(st, 5) };

        r = fn(ctx, &row);
    }
    return walked(s, st, rc, r, err);
}

int store_totals(struct store *s, struct store_totals *ret, struct err *err)
{
    sqlite3_stmt *st = ready(s, S_TOTALS);

    if (!st || sqlite3_step(st) != SQLITE_ROW)
        return fault(s, err);
    *ret = (struct store_totals){
        .alerts = column_u64(st, 0),
        .signals = column_u64(st, 1),
        .outbox_waiting = column_u64(st, 2),
        .outbox_sent = column_u64(st, 3),
        .outbox_dead = column_u64(st, 4),
    };
    sqlite3_reset(st);
    ret->batches = meta_u64(s, "batches");
    ret->trail_entries = meta_u64(s, "trail_count");
    ret->last_commit_us = meta_u64(s, "last_commit_us");
    ret->bytes = (uint64_t)(pragma_int(s, "PRAGMA page_count")) *
                 (uint64_t)pragma_int(s, "PRAGMA page_size");
    return 0;
}
