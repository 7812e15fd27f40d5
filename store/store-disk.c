/* Syncing, and the reserve for a full disk. */
#include "store/store-private.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/fault.h"
#include "base/file.h"

int store_sync(struct store *s, bool full, struct err *err)
{
    if (full == s->full_sync)
        return 0;
    if (store_exec(s, full ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL") < 0)
        return store_error(s, err);
    s->full_sync = full;
    return 0;
}

static bool path_with(const char *path, const char *more, struct buf *out)
{
    buf_printf(out, "%s%s", path, more);
    return buf_ok(out);
}

/* The names of the database's files: once is enough, they stay. */
static int sync_folder(struct store *s)
{
    const char *slash = strrchr(s->path, '/');
    AUTO_BUF folder = BUF_INIT;
    AUTO_FD fd = -1;

    if (s->folder_synced)
        return 0;
    buf_slice(&folder, slash ? slice_of(s->path, (size_t)(slash - s->path) + 1) : SLICE("."));
    if (!buf_ok(&folder))
        return -ENOMEM;
    fd = open(folder.p, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) < 0)
        return -errno;
    s->folder_synced = true;
    return 0;
}

/*
 * The write-ahead log holds the commits since the last checkpoint, and SQLite syncs it before that.
 * Its locks are not on this file: opening and closing it here drops none of them.
 */
int store_flush(struct store *s, struct err *err)
{
    AUTO_BUF wal = BUF_INIT;
    AUTO_FD fd = -1;
    int r;

    if (!path_with(s->path, "-wal", &wal))
        return err_nomem(err);
    fd = open(wal.p, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return err_set(err, -errno, "cannot open '%s': %s", wal.p, err_name(errno));
    if (fdatasync(fd) < 0)
        return err_set(err, -ENOTRECOVERABLE, "cannot sync '%s': %s", wal.p, err_name(errno));
    r = sync_folder(s);
    if (r < 0)
        return err_set(err, r, "cannot sync the folder of '%s': %s", s->path, err_name(r));
    fault_point(FAULT_STORE_AFTER_FLUSH);
    return 0;
}

/* ---- the reserve ---- */

static bool reserve_path(const char *path, struct buf *out)
{
    const char *slash = strrchr(path, '/');

    buf_printf(out, "%.*sreserve", slash ? (int)(slash - path) + 1 : 0, path);
    return buf_ok(out);
}

void store_reserve(struct store *s, uint64_t bytes)
{
    s->reserve_bytes = bytes;
    (void)store_reserve_restore(s);
}

bool store_reserve_restore(struct store *s)
{
    AUTO_BUF path = BUF_INIT;

    if (s->reserve_bytes == 0 || s->reserved)
        return true;
    s->reserved =
        reserve_path(s->path, &path) && file_reserve(-1, path.p, s->reserve_bytes, NULL) == 0;
    return s->reserved;
}

bool store_reserve_release(struct store *s)
{
    AUTO_BUF path = BUF_INIT;

    if (!s->reserved || !reserve_path(s->path, &path))
        return false;
    s->reserved = false;
    return unlink(path.p) == 0;
}

uint64_t store_reserve_size(const char *path)
{
    AUTO_BUF name = BUF_INIT;
    struct stat st;

    return reserve_path(path, &name) && stat(name.p, &st) == 0 ? (uint64_t)st.st_size : 0;
}
