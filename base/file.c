#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/fault.h"

static int at(int dir_fd)
{
    return dir_fd < 0 ? AT_FDCWD : dir_fd;
}

static int read_all(int fd, size_t max, struct buf *out)
{
    char part[16384];

    for (;;) {
        ssize_t n = read(fd, part, sizeof part);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            return buf_ok(out) ? 0 : -ENOMEM;
        if (out->n + (size_t)n > max)
            return -EFBIG;
        buf_add(out, part, (size_t)n);
    }
}

int file_read(int dir_fd, const char *path, size_t max, struct buf *out, struct err *err)
{
    /* O_NONBLOCK: a FIFO must not hold us before fstat() has seen what it is. */
    AUTO_FD fd = openat(at(dir_fd), path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat st;
    int r;

    if (fd < 0 || fstat(fd, &st) < 0)
        return err_set(err, -errno, "cannot open '%s': %s", path, err_name(errno));
    if (S_ISDIR(st.st_mode))
        return err_set(err, -EISDIR, "'%s' is a directory, not a file", path);
    if (!S_ISREG(st.st_mode))
        return err_set(err, -EINVAL, "'%s' is no regular file", path);
    r = read_all(fd, max, out);
    if (r == -EFBIG)
        return err_set(err, r, "'%s' is larger than %zu bytes", path, max);
    return r < 0 ? err_set(err, r, "cannot read '%s': %s", path, err_name(r)) : 0;
}

int fd_write_all(int fd, const void *p, size_t n)
{
    const char *q = p;

    while (n) {
        ssize_t done = write(fd, q, n);

        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return done < 0 ? -errno : -EIO;
        q += done;
        n -= (size_t)done;
    }
    return 0;
}

int fd_pwrite_all(int fd, const void *p, size_t n, uint64_t offset)
{
    const char *q = p;

    while (n) {
        ssize_t done = pwrite(fd, q, n, (off_t)offset);

        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return done < 0 ? -errno : -EIO;
        q += done;
        n -= (size_t)done;
        offset += (uint64_t)done;
    }
    return 0;
}

/* A rename is only durable when its directory is. */
static int sync_parent(int dir_fd, const char *path)
{
    const char *slash = strrchr(path, '/');
    AUTO_BUF folder = BUF_INIT;
    AUTO_FD fd = -1;

    if (slash)
        buf_add(&folder, path, slash == path ? 1 : (size_t)(slash - path));
    else
        buf_str(&folder, ".");
    if (!buf_ok(&folder))
        return -ENOMEM;
    fd = openat(at(dir_fd), folder.p, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

static int write_temp(int dir_fd, const char *temp, struct slice bytes, unsigned mode)
{
    AUTO_FD fd = -1;
    int r;

    /* One left by a crash may have another mode, or be a link: never written through. */
    unlinkat(at(dir_fd), temp, 0);
    fd = openat(at(dir_fd), temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, (mode_t)mode);
    if (fd < 0)
        return -errno;
    r = fd_write_all(fd, bytes.p, bytes.n);
    if (r == 0 && fsync(fd) < 0)
        r = -errno;
    return r;
}

int file_put(int dir_fd, const char *path, struct slice bytes, unsigned mode, struct err *err)
{
    AUTO_BUF temp = BUF_INIT;
    int r;

    buf_printf(&temp, "%s.tmp", path);
    if (!buf_ok(&temp))
        return err_nomem(err);
    r = write_temp(dir_fd, temp.p, bytes, mode);
    fault_point(FAULT_FILE_BEFORE_RENAME);
    if (r == 0 && renameat(at(dir_fd), temp.p, at(dir_fd), path) < 0)
        r = -errno;
    if (r < 0)
        unlinkat(at(dir_fd), temp.p, 0);
    return r < 0 ? err_set(err, r, "cannot write '%s': %s", path, err_name(r)) : 0;
}

int file_sync_folder(int dir_fd, const char *path, struct err *err)
{
    int r = sync_parent(dir_fd, path);

    return r < 0 ? err_set(err, r, "cannot write '%s': %s", path, err_name(r)) : 0;
}

int file_replace(int dir_fd, const char *path, struct slice bytes, unsigned mode, struct err *err)
{
    int r = file_put(dir_fd, path, bytes, mode, err);

    return r < 0 ? r : file_sync_folder(dir_fd, path, err);
}

static int take_room(int fd, uint64_t bytes)
{
    struct statvfs v;

    if (fstatvfs(fd, &v) < 0)
        return -errno;
    if ((uint64_t)v.f_bavail * v.f_frsize / 2 < bytes)
        return -ENOSPC;
    return -posix_fallocate(fd, 0, (off_t)bytes);
}

int file_reserve(int dir_fd, const char *path, uint64_t bytes, struct err *err)
{
    AUTO_FD fd = -1;
    struct stat st;
    int r;

    if (fstatat(at(dir_fd), path, &st, AT_SYMLINK_NOFOLLOW) == 0) {
        if (S_ISREG(st.st_mode) && (uint64_t)st.st_size == bytes &&
            (uint64_t)st.st_blocks * 512 >= bytes)
            return 0;
        if (unlinkat(at(dir_fd), path, 0) < 0) /* of another size, or not whole */
            return err_set(err, -errno, "cannot remove '%s': %s", path, err_name(errno));
    }
    fd = openat(at(dir_fd), path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_set(err, -errno, "cannot make '%s': %s", path, err_name(errno));
    r = take_room(fd, bytes);
    if (r < 0) {
        unlinkat(at(dir_fd), path, 0);
        return err_set(err, r, "no room for '%s': %s", path, err_name(r));
    }
    return 0;
}

/* mkdirat(), and fine when a folder (or a link to one) is there. */
static int make_one(int dir_fd, const char *path, unsigned mode)
{
    struct stat st;

    if (mkdirat(at(dir_fd), path, (mode_t)mode) == 0)
        return 0;
    if (errno != EEXIST || fstatat(at(dir_fd), path, &st, 0) < 0)
        return -errno;
    return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

int dir_make(int dir_fd, const char *path, unsigned mode, struct err *err)
{
    AUTO_BUF part = BUF_INIT;

    for (const char *p = path; *p;) {
        const char *slash = strchr(p + 1, '/');
        int r;

        buf_reset(&part);
        buf_add(&part, path, slash ? (size_t)(slash - path) : strlen(path));
        if (!buf_ok(&part))
            return err_nomem(err);
        r = make_one(dir_fd, part.p, mode);
        if (r < 0)
            return err_set(err, r, "cannot make folder '%s': %s", part.p, err_name(r));
        if (!slash)
            break;
        p = slash;
    }
    return 0;
}
