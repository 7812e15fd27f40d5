/* The configuration and the rules of the jails that were taken over. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "logwatch/commands/import-fail2ban.h"

#define ESCALATE_MAX 12

static void put_quoted(struct buf *out, struct slice text)
{
    buf_char(out, '"');
    buf_json(out, text);
    buf_char(out, '"');
}

/* ---- channels ---- */

static void put_zone(const struct imported *x, struct buf *out)
{
    if (!x->zone || strcmp(x->zone, "UTC") == 0)
        return;
    buf_str(out, ", zone: ");
    put_quoted(out, slice_str(x->zone));
}

static void put_journal(const struct imported *x, struct buf *out)
{
    buf_str(out, "      - {type: journald");
    for (size_t i = 0; x->units[i]; i++) {
        buf_str(out, i ? ", " : ", unit: [");
        put_quoted(out, slice_str(x->units[i]));
    }
    buf_str(out, x->units[0] ? "]}\n" : "}\n");
}

static bool was_before(const struct fail2ban_jail *j, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (slice_eq(j->logs[i], j->logs[n]))
            return true;
    return false;
}

static void put_files(const struct imported *x, struct buf *out)
{
    for (size_t i = 0; i < x->jail->nlogs; i++) {
        if (was_before(x->jail, i))
            continue;
        buf_str(out, "      - {type: file, path: ");
        put_quoted(out, x->jail->logs[i]);
        put_zone(x, out);
        buf_str(out, "}\n");
    }
}

static void put_channel(const struct imported *x, struct buf *out)
{
    buf_str(out, "  ");
    put_quoted(out, x->jail->name);
    buf_str(out, ":\n    filter: ");
    put_quoted(out, slice_str(x->filter));
    buf_str(out, "\n    inputs:\n");
    if (x->journal)
        put_journal(x, out);
    else
        put_files(x, out);
}

/* ---- longer bans ---- */

static double multiplier(const struct fail2ban_increment *x, size_t bans)
{
    if (x->n)
        return x->factor * x->multipliers[bans < x->n ? bans : x->n - 1];
    return bans ? x->factor * (double)(UINT64_C(1) << bans) : 1;
}

/* How long the first ban is, the second...; the last is for all that follow. */
static size_t scale_of(const struct fail2ban_jail *j, uint64_t ret[ESCALATE_MAX])
{
    const struct fail2ban_increment *x = &j->increment;
    uint64_t max = x->max_s && x->max_s < FOREVER_S ? x->max_s : FOREVER_S;
    size_t n = 0;

    while (n < ESCALATE_MAX) {
        double s = (double)j->bantime_s * multiplier(x, n);

        ret[n] = s < (double)max ? (uint64_t)s : max;
        if (n && ret[n] <= ret[n - 1])
            break;
        n++;
        if (x->n && n >= x->n)
            break;
    }
    return n;
}

static bool same_scale(const struct fail2ban_jail *a, const struct fail2ban_jail *b)
{
    uint64_t x[ESCALATE_MAX], y[ESCALATE_MAX];
    size_t n = scale_of(a, x);

    return n == scale_of(b, y) && memcmp(x, y, n * sizeof *x) == 0;
}

/* There is one for all bans: that of the first jail which has one. */
static void put_escalate(struct import *im, struct buf *out)
{
    const struct fail2ban_jail *first = NULL;
    uint64_t scale[ESCALATE_MAX];
    size_t n;

    for (size_t i = 0; i < im->jails.n; i++) {
        struct imported *x = &im->list[i];

        if (!x->taken || !x->jail->increment.on || x->jail->bantime_s == 0)
            continue;
        if (!first)
            first = x->jail;
        else if (!same_scale(first, x->jail))
            import_note(im, x, "its longer bans are those of jail %.*s: one scale is for all",
                        SLICE_FMT(first->name));
    }
    if (!first)
        return;
    n = scale_of(first, scale);
    for (size_t i = 0; i < n; i++)
        buf_printf(out, "%s%llus", i ? ", " : "  escalate: [", (unsigned long long)scale[i]);
    buf_str(out, "]\n");
}

static void put_config(struct import *im, const char *rules, struct buf *out)
{
    buf_printf(
        out, "# The jails of %s that could be taken over. `trailwarden check` judges this file.\n",
        im->folder);
    buf_str(out, "channels:\n");
    for (size_t i = 0; i < im->jails.n; i++)
        if (im->list[i].taken)
            put_channel(&im->list[i], out);
    buf_str(out, "rules:\n  paths: [");
    put_quoted(out, slice_str(rules));
    buf_str(out, "]\n# Bans are only recorded. Another backend: docs/notifiers.md.\n"
                 "bans:\n  backend: dry-run\n");
    put_escalate(im, out);
    buf_str(out, "  allow: [");
    for (size_t i = 0; i < im->nallow; i++) {
        buf_str(out, i ? ", " : "");
        put_quoted(out, im->allow[i]);
    }
    buf_str(out, "]\n");
}

/* ---- rules ---- */

/* The same jail gives the same ids every time. */
static void put_id(const char *what, struct slice jail, struct buf *out)
{
    AUTO_BUF text = BUF_INIT;
    uint8_t h[SHA256_SIZE];

    buf_printf(&text, "fail2ban %s ", what);
    buf_slice(&text, jail);
    sha256(buf_view(&text).p, buf_view(&text).n, h);
    h[6] = (uint8_t)((h[6] & 0x0f) | 0x80); /* RFC 9562: version 8 */
    h[8] = (uint8_t)((h[8] & 0x3f) | 0x80);
    for (size_t i = 0; i < 16; i++) {
        buf_str(out, i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "");
        buf_hex(out, h + i, 1);
    }
}

static void put_head(const char *what, struct slice title, struct slice jail, struct buf *out)
{
    buf_str(out, "title: ");
    put_quoted(out, title);
    buf_str(out, "\nid: ");
    put_id(what, jail, out);
    buf_str(out, "\nstatus: experimental\n");
}

static void put_failure(const struct imported *x, struct buf *out)
{
    AUTO_BUF title = BUF_INIT;

    buf_printf(&title, "Jail %.*s: a failure", SLICE_FMT(x->jail->name));
    put_head("failure", buf_view(&title), x->jail->name, out);
    buf_str(out, "logsource: {product: fail2ban, service: ");
    put_quoted(out, x->jail->name);
    buf_str(out, "}\n"
                 "detection:\n"
                 "    failure: {event.outcome: failure}\n"
                 "    condition: failure\n"
                 "level: low\n");
}

static void put_ports(const struct imported *x, struct buf *out)
{
    if (x->nports == 0)
        return;
    for (size_t i = 0; i < x->nports; i++)
        buf_printf(out, "%s%u", i ? ", " : ", ports: [", x->ports[i]);
    buf_str(out, "]");
    if (x->jail->protocol.n)
        buf_printf(out, ", protocol: %s", slice_is(x->jail->protocol, "udp") ? "udp" : "tcp");
}

/*
 * refire: reset, for fail2ban forgets the failures of an address when it bans it: the next ban
 * takes as many again.
 */
static void put_jail(const struct imported *x, struct buf *out)
{
    const struct fail2ban_jail *j = x->jail;
    AUTO_BUF title = BUF_INIT;

    buf_printf(&title, "Jail %.*s: %llu failures of one address in %llu seconds",
               SLICE_FMT(j->name), (unsigned long long)j->maxretry,
               (unsigned long long)j->findtime_s);
    put_head("jail", buf_view(&title), j->name, out);
    buf_str(out, "correlation:\n    type: event_count\n    rules: [");
    put_id("failure", j->name, out);
    buf_printf(out,
               "]\n"
               "    group-by: [source.ip]\n"
               "    timespan: %llus\n"
               "    condition: {gte: %llu}\n"
               "level: high\n"
               "trailwarden:\n"
               "    refire: reset\n"
               "    ban: {field: source.ip, for: %llus",
               (unsigned long long)(j->findtime_s ? j->findtime_s : 1),
               (unsigned long long)j->maxretry,
               (unsigned long long)(j->bantime_s ? j->bantime_s : FOREVER_S));
    put_ports(x, out);
    buf_str(out, "}\n");
}

static void put_rules(const struct import *im, struct buf *out)
{
    for (size_t i = 0; i < im->jails.n; i++) {
        if (!im->list[i].taken)
            continue;
        buf_str(out, out->n ? "---\n" : "");
        put_failure(&im->list[i], out);
        buf_str(out, "---\n");
        put_jail(&im->list[i], out);
    }
}

/* ---- files ---- */

static int write_one(const struct import *im, const char *path, struct slice text, struct err *err)
{
    if (!cli_has(im->cli, CLI_FORCE) && access(path, F_OK) == 0)
        return err_set(err, -EEXIST, "'%s' is there already: --force overwrites", path);
    return file_replace(AT_FDCWD, path, text, 0644, err);
}

int import_write(struct import *im, struct err *err)
{
    AUTO_BUF config = BUF_INIT;
    AUTO_BUF rules = BUF_INIT;
    char folder[PATH_MAX];
    const char *config_path, *rules_path;
    int rc = dir_make(AT_FDCWD, im->cli->values[CLI_TO], 0755, err);

    if (rc < 0)
        return rc;
    if (!realpath(im->cli->values[CLI_TO], folder))
        return err_set(err, -errno, "'%s': %s", im->cli->values[CLI_TO], err_name(errno));
    config_path = arena_printf(im->a, "%s/" IMPORT_CONFIG, folder);
    rules_path = arena_printf(im->a, "%s/" IMPORT_RULES, folder);
    if (!config_path || !rules_path)
        return err_nomem(err);
    put_config(im, rules_path, &config);
    put_rules(im, &rules);
    if (!buf_ok(&config) || !buf_ok(&rules))
        return err_nomem(err);
    rc = write_one(im, rules_path, buf_view(&rules), err);
    return rc < 0 ? rc : write_one(im, config_path, buf_view(&config), err);
}
