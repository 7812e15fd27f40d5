/* A file that gets one JSON document a line. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/file.h"
#include "notifiers/kinds.h"

struct file_sink {
    const char *path;
};

static const struct option file_options[] = {
    { .name = "path",
      .type = OPTION_STR,
      .offset = AT(struct file_sink, path),
      .path = PATH_WRITE,
      .required = true,
      .help = "File that gets one JSON document a line." },
    { 0 },
};

static void file_deliver(struct sink *s, const struct delivery *d, struct delivery_result *ret)
{
    const struct file_sink *f = s->state;
    AUTO_FD fd = open(f->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0640);
    AUTO_BUF line = BUF_INIT;
    int r;

    delivery_text(d, &line);
    buf_char(&line, '\n');
    r = fd < 0 ? -errno : !buf_ok(&line) ? -ENOMEM : fd_write_all(fd, line.p, line.n);
    ret->state = r < 0 ? DELIVERY_RETRY : DELIVERY_SENT;
    snprintf(ret->status, sizeof ret->status,
             r < 0 ? "cannot write '%.80s': %.50s" : "written to %.80s%s", f->path,
             r < 0 ? err_name(r) : "");
}

const struct sink_ops sink_file = {
    .name = "file",
    .summary = "one JSON document a line in a file",
    .options = file_options,
    .state_size = sizeof(struct file_sink),
    .stays_here = true,
    .deliver = file_deliver,
};
