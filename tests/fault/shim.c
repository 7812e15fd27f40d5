/*
 * A disk and a memory that fail when told: LD_PRELOAD for tests/fault/run.sh.
 *
 *     TW_SHIM=CLASS:N:WHAT
 *
 * The N-th call of CLASS (alloc, write, sync, rename, open, truncate, unlink) fails with the errno
 * WHAT (ENOMEM, ENOSPC, EIO, EROFS, EMFILE, EACCES), is short (write only: half is
 * written), or the process ends by _exit(86) right before or after the call
 * (exit-before, exit-after). WHAT with a `+` behind it fails each call from the N-th on.
 * TW_SHIM_AFTER=TEXT starts the counting when a file whose name holds TEXT is opened.
 * TW_SHIM_COUNT=FILE gets the number of calls of each class at the end.
 *
 * Only the process that was started counts: its children (the receivers) run undisturbed.
 * Plain system calls and __libc_malloc: nothing here needs memory or dlsym.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define EXIT_STATUS 86

enum class {
    ALLOC,
    WRITE,
    SYNC,
    RENAME,
    OPEN,
    TRUNCATE,
    UNLINK,
    CLASSES,
};
static const char *const class_names[CLASSES] = { "alloc", "write",    "sync",  "rename",
                                                  "open",  "truncate", "unlink" };
static const struct {
    const char *name;
    int code;
} codes[] = { { "ENOMEM", ENOMEM }, { "ENOSPC", ENOSPC }, { "EIO", EIO },
              { "EROFS", EROFS },   { "EMFILE", EMFILE }, { "EACCES", EACCES } };

static pid_t owner;
static int wanted = -1, code;
static unsigned long nth;
static int sticky, is_short, exit_before, exit_after;
static const char *after; /* NULL: counting */
static atomic_ulong counts[CLASSES];

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);

static void parse(const char *text)
{
    char class[16], what[16];

    if (sscanf(text, "%15[a-z]:%lu:%15s", class, &nth, what) != 3)
        _exit(99);
    if (what[0] && what[strlen(what) - 1] == '+') {
        sticky = 1;
        what[strlen(what) - 1] = '\0';
    }
    for (int i = 0; i < CLASSES; i++)
        if (strcmp(class, class_names[i]) == 0)
            wanted = i;
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (strcmp(what, codes[i].name) == 0)
            code = codes[i].code;
    is_short = strcmp(what, "short") == 0;
    exit_before = strcmp(what, "exit-before") == 0;
    exit_after = strcmp(what, "exit-after") == 0;
    if (wanted < 0 || !(code || is_short || exit_before || exit_after))
        _exit(99);
}

__attribute__((constructor)) static void begin(void)
{
    const char *text = getenv("TW_SHIM");

    if (text)
        parse(text);
    for (int i = 0; i < CLASSES; i++)
        counts[i] = 0;
    after = getenv("TW_SHIM_AFTER");
    owner = getpid();
    unsetenv("LD_PRELOAD"); /* children are others */
}

__attribute__((destructor)) static void report(void)
{
    const char *path = getenv("TW_SHIM_COUNT");
    char text[256];
    int fd, n = 0;

    if (!path || getpid() != owner)
        return;
    for (int i = 0; i < CLASSES; i++)
        n += snprintf(text + n, sizeof text - (size_t)n, "%s %lu\n", class_names[i],
                      (unsigned long)counts[i]);
    fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    (void)!syscall(SYS_write, fd, text, n);
}

/* 1 = this is the call. Then errno is set, or the process has ended. */
static int hit(enum class c)
{
    unsigned long n;

    if (owner == 0 || after || syscall(SYS_getpid) != owner)
        return 0;
    n = ++counts[c];
    if ((int)c != wanted || !(n == nth || (sticky && n > nth)))
        return 0;
    if (exit_before)
        _exit(EXIT_STATUS);
    if (code)
        errno = code;
    return 1;
}

#define FAILS(c) (hit_ = hit(c), hit_ && code)
#define ENDS (hit_ && exit_after ? _exit(EXIT_STATUS) : (void)0)

#ifndef SHIM_NO_MALLOC
void *malloc(size_t n)
{
    int hit_;
    void *p = FAILS(ALLOC) ? NULL : __libc_malloc(n);

    ENDS;
    return p;
}

void *calloc(size_t n, size_t size)
{
    int hit_;
    void *p = FAILS(ALLOC) ? NULL : __libc_calloc(n, size);

    ENDS;
    return p;
}

void *realloc(void *old, size_t n)
{
    int hit_;
    void *p = FAILS(ALLOC) ? NULL : __libc_realloc(old, n);

    ENDS;
    return p;
}
#endif

#define CALL(c, call)                                                                              \
    int hit_;                                                                                      \
    long r = FAILS(c) ? -1 : (call);                                                               \
    ENDS

ssize_t write(int fd, const void *p, size_t n)
{
    int hit_ = hit(WRITE);
    long r;

    if (hit_ && code)
        return -1;
    r = syscall(SYS_write, fd, p, hit_ && is_short ? (n + 1) / 2 : n);
    ENDS;
    return r;
}

ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
    int hit_ = hit(WRITE);
    long r;

    if (hit_ && code) { /* a disk fills up or fails in the middle of a write */
        if (n > 1)
            (void)!syscall(SYS_pwrite64, fd, p, n / 2, at);
        errno = code;
        return -1;
    }
    r = syscall(SYS_pwrite64, fd, p, hit_ && is_short ? (n + 1) / 2 : n, at);
    ENDS;
    return r;
}

ssize_t pwrite64(int fd, const void *p, size_t n, off_t at)
{
    return pwrite(fd, p, n, at);
}

int fsync(int fd)
{
    CALL(SYNC, syscall(SYS_fsync, fd));
    return (int)r;
}

int fdatasync(int fd)
{
    CALL(SYNC, syscall(SYS_fdatasync, fd));
    return (int)r;
}

int rename(const char *from, const char *to)
{
    CALL(RENAME, syscall(SYS_rename, from, to));
    return (int)r;
}

int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
    CALL(RENAME, syscall(SYS_renameat, from_dir, from, to_dir, to));
    return (int)r;
}

static int open_mode(int dir, const char *path, int flags, mode_t mode)
{
    if (after && owner && strstr(path, after))
        after = NULL;
    CALL(OPEN, syscall(SYS_openat, dir, path, flags, mode));
    return (int)r;
}

#define MODE(flags)                                                                                \
    mode_t mode = 0;                                                                               \
    if ((flags) & (O_CREAT | __O_TMPFILE)) {                                                       \
        va_list ap;                                                                                \
        va_start(ap, flags);                                                                       \
        mode = va_arg(ap, mode_t);                                                                 \
        va_end(ap);                                                                                \
    }

int open(const char *path, int flags, ...)
{
    MODE(flags)
    return open_mode(AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    MODE(flags)
    return open_mode(AT_FDCWD, path, flags, mode);
}

int openat(int dir, const char *path, int flags, ...)
{
    MODE(flags)
    return open_mode(dir, path, flags, mode);
}

int openat64(int dir, const char *path, int flags, ...)
{
    MODE(flags)
    return open_mode(dir, path, flags, mode);
}

int ftruncate(int fd, off_t n)
{
    CALL(TRUNCATE, syscall(SYS_ftruncate, fd, n));
    return (int)r;
}

int ftruncate64(int fd, off_t n)
{
    return ftruncate(fd, n);
}

int unlink(const char *path)
{
    CALL(UNLINK, syscall(SYS_unlink, path));
    return (int)r;
}

int unlinkat(int dir, const char *path, int flags)
{
    CALL(UNLINK, syscall(SYS_unlinkat, dir, path, flags));
    return (int)r;
}
