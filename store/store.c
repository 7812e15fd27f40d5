/* The state database: opening, statements, errors. */
#include "store/store-private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "base/num.h"

/* ---- errors ---- */

/*
 * A sync that failed is never asked again on the same descriptor: the kernel may have dropped the
 * pages and say "done". Such a process has to end; the next one reads back what is really there.
 */
static int code_of(int rc)
{
    switch (rc) {
    case SQLITE_IOERR_FSYNC:
    case SQLITE_IOERR_DIR_FSYNC:
        return -ENOTRECOVERABLE;
    default:
        break;
    }
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

int store_error(struct store *s, struct err *err)
{
    int rc = s->db ? sqlite3_extended_errcode(s->db) : SQLITE_NOMEM;

    /* The database has no complaint: it was a buffer of ours. */
    if (rc == SQLITE_OK || rc == SQLITE_ROW || rc == SQLITE_DONE)
        return err_nomem(err);
    return err_set(err, code_of(rc), "database: %s",
                   s->db ? sqlite3_errmsg(s->db) : "out of memory");
}

/* ---- statements ---- */

sqlite3_stmt *stmt_ready(struct store *s, enum statement which)
{
    if (!s->st[which] && sqlite3_prepare_v3(s->db, store_sql[which], -1, SQLITE_PREPARE_PERSISTENT,
                                            &s->st[which], NULL) != SQLITE_OK)
        return NULL;
    sqlite3_reset(s->st[which]);
    return s->st[which];
}

void stmt_text(sqlite3_stmt *st, int i, struct slice v)
{
    sqlite3_bind_text64(st, i, v.p ? v.p : "", v.n, SQLITE_STATIC, SQLITE_UTF8);
}

void stmt_blob(sqlite3_stmt *st, int i, struct slice v)
{
    sqlite3_bind_blob64(st, i, v.p ? v.p : "", v.n, SQLITE_STATIC);
}

void stmt_u64(sqlite3_stmt *st, int i, uint64_t v)
{
    sqlite3_bind_int64(st, i, v > INT64_MAX ? INT64_MAX : (sqlite3_int64)v);
}

uint64_t stmt_column_u64(sqlite3_stmt *st, int i)
{
    sqlite3_int64 v = sqlite3_column_int64(st, i);

    return v < 0 ? 0 : (uint64_t)v;
}

struct slice stmt_column(sqlite3_stmt *st, int i)
{
    const char *p = sqlite3_column_blob(st, i);

    return slice_of(p ? p : "", (size_t)sqlite3_column_bytes(st, i));
}

/* A statement that gives no rows. */
int stmt_run(struct store *s, sqlite3_stmt *st)
{
    int rc = st ? sqlite3_step(st) : SQLITE_ERROR;

    if (st)
        sqlite3_reset(st);
    (void)s;
    return rc == SQLITE_DONE || rc == SQLITE_ROW ? 0 : -1;
}

/* ---- opening ---- */

/* Which process wrote its number into the lock file; 0 = it cannot be read. */
static long holder_of(int fd)
{
    char text[24];
    ssize_t n = pread(fd, text, sizeof text, 0);
    uint64_t pid = 0;

    if (n <= 0 || parse_u64(slice_trim(slice_of(text, (size_t)n)), 1, INT32_MAX, &pid) < 0)
        return 0;
    return (long)pid;
}

static int lock_file(const char *path, int flags, struct buf *name)
{
    buf_printf(name, "%s.lock", path);
    if (!buf_ok(name))
        return -ENOMEM;
    return open(name->p, flags | O_CLOEXEC | O_NOFOLLOW, 0640);
}

/* A look of store_holder() holds the lock for a moment: one refusal is no answer. */
static bool locked(int fd)
{
    for (unsigned i = 0; i < 5; i++) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0)
            return true;
        nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
    }
    return false;
}

static int lock(struct store *s, const char *path, struct err *err)
{
    AUTO_BUF name = BUF_INIT;
    char text[24];
    int n = snprintf(text, sizeof text, "%ld\n", (long)getpid());

    s->lock_fd = lock_file(path, O_RDWR | O_CREAT, &name);
    if (!buf_ok(&name))
        return err_nomem(err);
    if (s->lock_fd < 0)
        return err_set(err, -errno, "cannot open '%s': %s", name.p, err_name(errno));
    if (!locked(s->lock_fd))
        return err_set(err, -EBUSY, "another trailwarden (process %ld) works on '%s'",
                       holder_of(s->lock_fd), path);
    /* Only for people: a full disk must not keep us from starting. */
    if (pwrite(s->lock_fd, text, (size_t)n, 0) == n && ftruncate(s->lock_fd, n) < 0)
        return err_set(err, -errno, "cannot write '%s': %s", name.p, err_name(errno));
    return 0;
}

long store_holder(const char *path)
{
    AUTO_BUF name = BUF_INIT;
    AUTO_FD fd = lock_file(path, O_RDONLY, &name);
    long pid;

    if (fd < 0 || flock(fd, LOCK_SH | LOCK_NB) == 0)
        return 0;
    pid = holder_of(fd);
    return pid ? pid : -1;
}

int store_exec(struct store *s, const char *sql)
{
    return sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : -1;
}

int store_pragma(struct store *s, const char *sql)
{
    sqlite3_stmt *st = NULL;
    int v = -1;

    if (sqlite3_prepare_v2(s->db, sql, -1, &st, NULL) == SQLITE_OK &&
        sqlite3_step(st) == SQLITE_ROW)
        v = sqlite3_column_int(st, 0);
    sqlite3_finalize(st);
    return v;
}

static int damaged(const char *path, struct err *err)
{
    return err_set(err, -EUCLEAN,
                   "'%s' is damaged: restore a copy, or move it and its -wal away and start again;"
                   " what is signed in the trail is not doubled (docs/state.md)",
                   path);
}

/* The database itself refuses: a damaged one gets the advice, too. */
static int refused(struct store *s, const char *path, struct err *err)
{
    if (store_error(s, err) == -EUCLEAN)
        return damaged(path, err);
    return err_while(err, "'%s'", path);
}

/* 1 = sound, 0 = not, -1 = it could not be asked. */
static int sound(struct store *s)
{
    sqlite3_stmt *st = NULL;
    bool asked = sqlite3_prepare_v2(s->db, "PRAGMA quick_check(1)", -1, &st, NULL) == SQLITE_OK &&
                 sqlite3_step(st) == SQLITE_ROW;
    int r = asked ? slice_is(stmt_column(st, 0), "ok") : -1;

    sqlite3_finalize(st);
    return r;
}

/* Short of memory it may find fault where there is none: only twice the same is damage. */
static int check_pages(struct store *s, const char *path, struct err *err)
{
    int r = sound(s);

    if (r == 0)
        r = sound(s);
    return r > 0 ? 0 : r == 0 ? damaged(path, err) : refused(s, path, err);
}

/* All tables of a new one, or the steps from an older version to this one. */
static int make_version(struct store *s, int from, struct err *err)
{
    char sql[128];
    bool ok = store_exec(s, "BEGIN IMMEDIATE") == 0;

    if (from == 0)
        ok = ok && store_exec(s, store_schema) == 0;
    for (int v = from; ok && v > 0 && v < STORE_VERSION; v++)
        ok = store_exec(s, store_upgrades[v - 1]) == 0;
    snprintf(sql, sizeof sql, "PRAGMA application_id = %d; PRAGMA user_version = %d;",
             STORE_APPLICATION, STORE_VERSION);
    if (!ok || store_exec(s, sql) < 0 || store_exec(s, "COMMIT") < 0)
        return store_error(s, err);
    return 0;
}

static int check_version(struct store *s, const char *path, struct err *err)
{
    int version = store_pragma(s, "PRAGMA user_version");
    int tables = store_pragma(s, "SELECT count(*) FROM sqlite_schema");

    if (version < 0 || tables < 0)
        return refused(s, path, err);
    if (tables != 0 && store_pragma(s, "PRAGMA application_id") != STORE_APPLICATION)
        return err_set(err, -EUCLEAN, "'%s' is a database of another program", path);
    if (version > STORE_VERSION || (version == 0 && tables != 0))
        return err_set(err, -EUCLEAN,
                       "'%s' has version %d, this program knows %d: use the program that wrote it",
                       path, version, STORE_VERSION);
    return version == STORE_VERSION ? 0 : make_version(s, version, err);
}

uint64_t store_meta_u64(struct store *s, const char *name)
{
    AUTO_BUF b = BUF_INIT;
    uint64_t v = 0;

    if (store_meta_get(s, name, &b) == 0)
        (void)parse_u64(buf_view(&b), 0, UINT64_MAX, &v);
    return v;
}

/* A number that cannot be read now is not one that is not there: that would be a lost state. */
static int load_end(struct store *s, struct err *err)
{
    const struct {
        const char *name;
        uint64_t *value;
    } numbers[] = { { "batches", &s->batches },
                    { "trail_count", &s->end.count },
                    { "trail_segment", &s->end.segment },
                    { "trail_bytes", &s->end.bytes } };

    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        AUTO_BUF b = BUF_INIT;
        int r = store_meta_get(s, numbers[i].name, &b);

        if (r == 0 && b.n == 0) /* none is empty: it had no memory for the column */
            r = -ENOMEM;
        if (r == 0 && parse_u64(buf_view(&b), 0, UINT64_MAX, numbers[i].value) < 0)
            return err_set(err, -EUCLEAN, "the state's '%s' is no number", numbers[i].name);
        if (r < 0 && r != -ENOENT)
            return err_set(err, r, "cannot read the state's '%s': %s", numbers[i].name,
                           err_name(r));
    }
    return 0;
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
    s->path = slice_dup(slice_str(path));
    if (!s->path)
        return err_nomem(err);
    if (lock(s, path, err) < 0)
        return err_code(err);
    mask = umask(0027); /* the files hold what logs say about people */
    rc = sqlite3_open_v2(path, &s->db, flags, NULL);
    umask(mask);
    if (rc != SQLITE_OK)
        return refused(s, path, err);
    if (sqlite3_db_readonly(s->db, "main")) /* it falls back to that without a word */
        return err_set(err, -EACCES, "'%s' cannot be written", path);
    sqlite3_busy_timeout(s->db, 5000);
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    /* The log's files stay when we end: a viewer that may not write the folder could not make them.
     */
    sqlite3_file_control(s->db, NULL, SQLITE_FCNTL_PERSIST_WAL, &(int){ 1 });
    /* NORMAL in WAL: after power loss the last batches may be gone, whole; their lines are read
     * again. */
    if (store_exec(s,
                   "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
                   "PRAGMA journal_size_limit = 16777216; PRAGMA wal_autocheckpoint = 1000;") < 0)
        return refused(s, path, err);
    /* A log that may not be written is opened read-only without a word, too. */
    if (store_exec(s, "BEGIN IMMEDIATE; ROLLBACK") < 0)
        return refused(s, path, err);
    if (check_pages(s, path, err) < 0)
        return err_code(err);
    if (check_version(s, path, err) < 0 || load_end(s, err) < 0)
        return err_code(err);
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
        return refused(s, path, err);
    sqlite3_busy_timeout(s->db, 5000);
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    if (store_exec(s, "PRAGMA query_only = 1") < 0)
        return refused(s, path, err);
    version = store_pragma(s, "PRAGMA user_version");
    if (version < 0)
        return refused(s, path, err);
    if (version != STORE_VERSION || store_pragma(s, "PRAGMA application_id") != STORE_APPLICATION)
        return err_set(err, -EUCLEAN, "'%s' is no state database of this version", path);
    s->batches = store_meta_u64(s, "batches");
    *ret_store = TAKE(s);
    return 0;
}

void store_drop_pending(struct store *s)
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
    store_drop_pending(s);
    for (size_t i = 0; i < STATEMENTS; i++)
        sqlite3_finalize(s->st[i]);
    sqlite3_close(s->db);
    if (s->lock_fd >= 0)
        close(s->lock_fd);
    free(s->path);
    free(s);
}
