/* Says what would be banned, and changes nothing. */
#include "notifiers/blockers/backends.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/file.h"

struct dry_run {
    const char *file;
};

static const struct option dry_run_options[] = {
    { .name = "file",
      .type = OPTION_STR,
      .offset = AT(struct dry_run, file),
      .path = PATH_WRITE,
      .help = "File that gets a line for each ban that would be." },
    { 0 },
};

static int append(const char *path, const struct buf *lines)
{
    AUTO_FD fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0640);

    if (fd < 0)
        return -errno;
    return buf_ok(lines) ? fd_write_all(fd, lines->p, lines->n) : -ENOMEM;
}

static void put_request(struct buf *out, const struct ban_request *q)
{
    struct ban_target t = { .net.net.family = q->family,
                            .net.bits = q->bits,
                            .protocol = q->protocol };
    char text[BAN_TEXT_SIZE];

    memcpy(t.net.net.bytes, q->bytes, sizeof q->bytes);
    memcpy(t.ports, q->ports, sizeof t.ports);
    ban_target_text(&t, text);
    if (q->verb == BAN_REMOVE)
        buf_printf(out, "would unban %s", text);
    else if (q->seconds)
        buf_printf(out, "would ban %s for %us", text, q->seconds);
    else
        buf_printf(out, "would ban %s for good", text);
}

static void dry_run_apply(struct blocker *b, const struct ban_request *q, size_t n,
                          struct ban_result *ret)
{
    const struct dry_run *d = b->state;
    AUTO_BUF lines = BUF_INIT;
    int r = 0;

    for (size_t i = 0; i < n; i++) {
        size_t from = lines.n;

        put_request(&lines, &q[i]);
        blocker_say(&ret[i], q[i].id, BAN_DONE, "%s", buf_ok(&lines) ? lines.p + from : "");
        buf_printf(&lines, ": %.*s\n", (int)strnlen(q[i].rule, sizeof q[i].rule), q[i].rule);
    }
    if (d->file)
        r = append(d->file, &lines);
    for (size_t i = 0; r < 0 && i < n; i++)
        blocker_say(&ret[i], q[i].id, BAN_FAILED, "cannot write '%.60s': %s", d->file, err_name(r));
}

const struct blocker_ops blocker_dry_run = {
    .name = "dry-run",
    .summary = "says what would be banned",
    .options = dry_run_options,
    .state_size = sizeof(struct dry_run),
    .ends = true,
    .pretends = true,
    .networks = true,
    .ports = true,
    .apply = dry_run_apply,
};
