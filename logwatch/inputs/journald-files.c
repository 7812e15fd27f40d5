/*
 * Headers of the journal's files: which sequences there are, and how far each
 * one goes. libsystemd tells only what its sorting puts behind our place; the
 * headers tell all. Their layout is promised (systemd's JOURNAL_FILE_FORMAT).
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <systemd/sd-id128.h>
#include <unistd.h>

#include "logwatch/inputs/journald-private.h"

#define FILES_MAX 20000
#define HEADER_BYTES 176

enum header_at {
    AT_TAIL_BOOT = 56,
    AT_SEQUENCE = 72,
    AT_ENTRIES = 152,
    AT_TAIL = 160,
    AT_HEAD = 168,
};

struct scan {
    void (*fn)(void *ctx, const struct journal_header *h);
    void *ctx;
    unsigned files;
    int refused;
};

static uint64_t le64(const uint8_t *p)
{
    uint64_t v = 0;

    for (unsigned i = 8; i-- > 0;)
        v = v << 8 | p[i];
    return v;
}

static void scan_file(struct scan *s, int folder, const char *name)
{
    AUTO_FD fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    uint8_t b[HEADER_BYTES];
    struct journal_header h;

    if (s->files++ >= FILES_MAX)
        return;
    if (fd < 0) {
        s->refused += errno == EACCES || errno == EPERM;
        return;
    }
    if (pread(fd, b, sizeof b, 0) != (ssize_t)sizeof b || memcmp(b, "LPKSHHRH", 8) != 0)
        return;
    h.empty = le64(b + AT_ENTRIES) == 0;
    memcpy(h.id, b + AT_SEQUENCE, sizeof h.id);
    memcpy(h.boot, b + AT_TAIL_BOOT, sizeof h.boot);
    h.head = le64(b + AT_HEAD);
    h.tail = le64(b + AT_TAIL);
    s->fn(s->ctx, &h);
}

/* Files of a folder; with `deeper` also those of its folders that are named after a machine. */
static void scan_folder(struct scan *s, int parent, const char *path, bool deeper)
{
    int fd = openat(parent, path, O_RDONLY | O_CLOEXEC | O_DIRECTORY);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    const struct dirent *e;

    if (!dir) {
        s->refused += errno == EACCES || errno == EPERM;
        if (fd >= 0)
            close(fd);
        return;
    }
    while ((e = readdir(dir))) {
        struct slice name = slice_str(e->d_name);
        sd_id128_t id;

        if (slice_ends(name, SLICE(".journal")) || slice_ends(name, SLICE(".journal~")))
            scan_file(s, fd, e->d_name);
        else if (deeper && sd_id128_from_string(e->d_name, &id) >= 0)
            scan_folder(s, fd, e->d_name, false);
    }
    closedir(dir);
}

static void scan_local(struct scan *s)
{
    static const char *const roots[] = { "/run/log/journal", "/var/log/journal" };
    char machine[SD_ID128_STRING_MAX], path[64];
    sd_id128_t id;

    if (sd_id128_get_machine(&id) < 0)
        return;
    for (size_t i = 0; i < ARRAY_SIZE(roots); i++) {
        (void)snprintf(path, sizeof path, "%s/%s", roots[i], sd_id128_to_string(id, machine));
        scan_folder(s, AT_FDCWD, path, false);
    }
}

int journal_files(const struct journald_options *o,
                  void (*fn)(void *ctx, const struct journal_header *h), void *ctx)
{
    struct scan s = { .fn = fn, .ctx = ctx };

    for (size_t i = 0; i < o->files.n; i++)
        scan_file(&s, AT_FDCWD, o->files.items[i]);
    if (o->directory)
        scan_folder(&s, AT_FDCWD, o->directory, true);
    if (o->files.n == 0 && !o->directory)
        scan_local(&s);
    return s.refused;
}
