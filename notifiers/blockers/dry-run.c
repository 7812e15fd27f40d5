/* Says what would be banned, and changes nothing. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/file.h"
#include "base/utf8.h"
#include "notifiers/blockers/order.h"
#include "notifiers/kinds.h"

struct dry_run {
    struct option_strs allow;
    const char *file;
};

static const struct option dry_run_options[] = {
    { .name = "allow",
      .type = OPTION_STRS,
      .offset = AT(struct dry_run, allow),
      .help = "Networks that are never banned." },
    { .name = "file",
      .type = OPTION_STR,
      .offset = AT(struct dry_run, file),
      .path = PATH_WRITE,
      .help = "File that gets a line for each ban that would be." },
    { 0 },
};

static int dry_run_open(struct sink *s, struct err *err)
{
    const struct dry_run *r = s->state;

    return allow_check(&r->allow, err);
}

static int append(const char *path, const struct buf *line)
{
    AUTO_FD fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0640);

    if (fd < 0)
        return -errno;
    return buf_ok(line) ? fd_write_all(fd, line->p, line->n) : -ENOMEM;
}

static void dry_run_deliver(struct sink *s, const struct delivery *d, struct delivery_result *ret)
{
    const struct dry_run *r = s->state;
    AUTO_BUF line = BUF_INIT;
    char address[IP_TEXT_SIZE];
    struct ban_order o;
    int e = 0;

    if (!ban_order_read(d, &r->allow, &o, ret))
        return;
    ip_text(&o.address, address);
    if (o.unban)
        buf_printf(&line, "would unban %s: ", address);
    else
        buf_printf(&line, "would ban %s for %llus: ", address, (unsigned long long)o.for_s);
    buf_printable(&line, o.title);
    buf_char(&line, '\n');
    if (r->file)
        e = append(r->file, &line);
    ret->state = e < 0 ? DELIVERY_RETRY : DELIVERY_SENT;
    snprintf(ret->status, sizeof ret->status,
             e < 0 ? "cannot write '%.80s'%.0s%.0s" : "%.0swould %s %s", e < 0 ? r->file : "",
             o.unban ? "unban" : "ban", address);
}

static bool dry_run_unbans(const struct sink *s)
{
    (void)s;
    return true;
}

const struct sink_ops sink_dry_run = {
    .name = "dry-run",
    .summary = "says what would be banned",
    .options = dry_run_options,
    .state_size = sizeof(struct dry_run),
    .bans = true,
    .stays_here = true,
    .unbans = dry_run_unbans,
    .open = dry_run_open,
    .deliver = dry_run_deliver,
};
