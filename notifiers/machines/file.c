/*
 * A file that others read: one record a line. It is opened anew when it was moved or removed, so
 * any rotation works; a batch that fails in the middle is taken back.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/file.h"
#include "notifiers/machines/kinds.h"

struct file_machine {
    struct encoder_settings encoding;
    const char *path;
    bool sync;
    int fd; /* + 1; 0: none */
};

static const struct option file_options[] = {
    ENCODER_OPTIONS(struct file_machine, encoding, "json", "256KiB"),
    { .name = "path",
      .type = OPTION_STR,
      .offset = AT(struct file_machine, path),
      .required = true,
      .path = PATH_WRITE,
      .help = "File to append to." },
    { .name = "sync",
      .type = OPTION_BOOL,
      .offset = AT(struct file_machine, sync),
      .fallback = "true",
      .help = "Wait until the disk has it." },
    { 0 },
};

static int file_open(struct machine *m, struct err *err)
{
    struct file_machine *o = m->state;

    if (o->path[0] != '/')
        return err_set(err, -EINVAL, "'path' must begin with /");
    return encoder_ready(&o->encoding, err);
}

static void drop(struct file_machine *o)
{
    if (o->fd)
        close(o->fd - 1);
    o->fd = 0;
}

/* Is what is open still what the name means? */
static bool moved(const struct file_machine *o)
{
    struct stat open_one, named;

    return fstat(o->fd - 1, &open_one) < 0 || stat(o->path, &named) < 0 ||
           open_one.st_ino != named.st_ino || open_one.st_dev != named.st_dev;
}

static int ready(struct file_machine *o)
{
    int fd;

    if (o->fd && !moved(o))
        return 0;
    drop(o);
    fd = open(o->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);
    if (fd < 0)
        return -errno;
    o->fd = fd + 1;
    return 0;
}

static int append(struct file_machine *o, struct slice bytes)
{
    struct stat st;
    int r = ready(o);

    if (r < 0)
        return r;
    if (fstat(o->fd - 1, &st) < 0)
        return -errno;
    r = fd_write_all(o->fd - 1, bytes.p, bytes.n);
    if (r == 0 && o->sync && S_ISREG(st.st_mode) && fdatasync(o->fd - 1) < 0)
        r = -errno;
    if (r < 0 && S_ISREG(st.st_mode))
        (void)!ftruncate(o->fd - 1, st.st_size);
    return r;
}

static void file_deliver(struct machine *m, const struct trail_record *records, size_t n,
                         struct machine_result *results, struct machine_said *said)
{
    struct file_machine *o = m->state;
    AUTO_FREE size_t *ends = calloc(n, sizeof *ends);
    AUTO_BUF out = BUF_INIT;
    int r = -ENOMEM;

    if (ends && encode_records(&o->encoding, records, n, "\n", 1, results, ends, &out) == 0)
        r = append(o, buf_view(&out));
    for (size_t i = 0; i < n && r == 0; i++)
        if (results[i].state == DELIVERY_RETRY)
            results[i].state = DELIVERY_SENT;
    snprintf(said->status, sizeof said->status,
             r < 0 ? "cannot write '%.90s': %s" : "written to '%.90s'%s", o->path,
             r < 0 ? err_name(r) : "");
}

static void file_close(struct machine *m)
{
    if (m->state)
        drop(m->state);
}

const struct machine_ops machine_file = {
    .name = "file",
    .summary = "lines into a file",
    .options = file_options,
    .state_size = sizeof(struct file_machine),
    .stays_here = true,
    .open = file_open,
    .deliver = file_deliver,
    .close = file_close,
};
