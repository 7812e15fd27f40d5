/*
 * import fail2ban: the enabled jails of a host as a configuration of ours, and a report of what was
 * not carried over.
 *
 * A jail is taken when a format here reads its log: the log becomes an input of that channel, its
 * maxretry, findtime and bantime a rule that counts what the library finds there. Of other jails
 * the report says whether their filter can be read. Nothing is switched off in fail2ban, and the
 * configuration only records bans (backend dry-run) until somebody chooses another backend.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/num.h"
#include "logwatch/commands/cli.h"
#include "parsers/fail2ban/filter.h"
#include "parsers/fail2ban/jail.h"

#define NOTES_MAX 16
#define CONFIG_NAME "fail2ban.yaml"
#define RULES_NAME "fail2ban-rules.yml"
#define FOREVER_S (UINT64_C(520) * 7 * 86400) /* ten years: bans have an end here */

/* Filters whose log a format here reads, and the rule of the library that finds their failures. */
static const struct known {
    const char *filter, *format, *rule, *unit;
} known[] = {
    { "sshd", "sshd", "sshd-login-failed", "ssh.service" },
    { "openvpn", "openvpn", "openvpn-login-failed-proven", NULL },
    { "nginx-http-auth", "nginx", "nginx-basic-failed", NULL },
    { "nginx-limit-req", "nginx", "nginx-limited", NULL },
    { "nginx-botsearch", "nginx", "nginx-bait", NULL },
    { "nginx-bad-request", "nginx", "nginx-garbage", NULL },
    { "recidive", "fail2ban", "fail2ban-ban", NULL },
};

struct imported {
    const struct fail2ban_jail *jail;
    const struct known *known; /* NULL: left out */
    const char *notes[NOTES_MAX];
    size_t nnotes;
};

struct import {
    struct cli *cli;
    struct arena *a;
    struct diag *d;
    const char *folder;
    char zone[PATH_MAX]; /* what /etc/localtime points to; empty: unknown */
    struct fail2ban_jails jails;
    struct imported *list;
    struct slice *allow;
    size_t nallow, allow_cap;
};

static void note(struct import *im, struct imported *x, const char *fmt, ...) PRINTF_LIKE(3, 4);
static void note(struct import *im, struct imported *x, const char *fmt, ...)
{
    char text[400];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (x->nnotes < NOTES_MAX)
        x->notes[x->nnotes] = arena_str(im->a, slice_str(text));
    x->nnotes += x->nnotes < NOTES_MAX && x->notes[x->nnotes];
}

/* ---- judging ---- */

static const struct known *known_filter(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(known); i++)
        if (strcmp(known[i].filter, name) == 0)
            return &known[i];
    return NULL;
}

static void note_parameters(struct import *im, struct imported *x, const struct fail2ban_name *n)
{
    for (size_t i = 0; i < n->nparameters; i++) {
        bool usual = strcmp(n->parameters[i].name, "mode") == 0 &&
                     (!n->parameters[i].value[0] || !strcmp(n->parameters[i].value, "normal"));

        if (!usual)
            note(im, x, "not carried over: parameter %s=%s of its filter", n->parameters[i].name,
                 n->parameters[i].value);
    }
}

/* Of a jail that is left out: is it the log, or the filter? */
static void note_filter(struct import *im, struct imported *x, const struct fail2ban_name *n)
{
    struct fail2ban_options o = { n->parameters, n->nparameters, NULL, 0, false };
    const char *path = arena_printf(im->a, "%s/filter.d/%s.conf", im->folder, n->name);
    AUTO(fail2ban) f = NULL;

    if (path && fail2ban_load(path, &o, im->d, &f) == 0)
        note(im, x,
             "left out: no format here reads its log (its filter can be read: %zu expressions)",
             fail2ban_nregexes(f));
    else
        note(im, x, "left out: its filter '%s' cannot be read", n->name);
}

static void note_settings(struct import *im, struct imported *x)
{
    const struct fail2ban_jail *j = x->jail;

    for (size_t i = 0; i < ARRAY_SIZE(j->others) && j->others[i]; i++)
        note(im, x, "not carried over: %s of the jail", j->others[i]);
    if (j->zone.n)
        note(im, x, "not carried over: logtimezone %.*s: give the input a zone",
             SLICE_FMT(j->zone));
    if (j->bantime_s == 0)
        note(im, x, "a ban for ever became one of ten years");
    if (j->nlogs == 0 && !x->known->unit)
        note(im, x, "it has no log file: add an input to the channel");
}

static void judge(struct import *im, struct imported *x)
{
    struct fail2ban_name n;
    struct err err = ERR_NONE;

    if (fail2ban_name_parse(x->jail->filter, im->a, &n, &err) < 0) {
        note(im, x, "left out: filter '%.*s': %s", SLICE_FMT(x->jail->filter), err.text);
        return;
    }
    x->known = known_filter(n.name);
    if (!x->known) {
        note_filter(im, x, &n);
        return;
    }
    note_parameters(im, x, &n);
    note_settings(im, x);
}

/* ---- who is never banned ---- */

/* 127.0.0.1/8 is 127.0.0.0/8. */
static bool network(struct slice text, char *out, size_t n)
{
    size_t slash = slice_find_byte(text, '/');
    struct ip ip;
    char ip_out[IP_TEXT_SIZE];
    uint64_t all, bits;

    if (ip_parse(slice_take(text, slash), &ip) < 0)
        return false;
    bits = all = ip.family == 4 ? 32 : 128;
    if (slash != SIZE_MAX && parse_u64(slice_skip(text, slash + 1), 0, all, &bits) < 0)
        return false;
    for (uint64_t i = bits; i < all; i++)
        ip.bytes[i / 8] &= (uint8_t) ~(0x80u >> i % 8);
    ip_text(&ip, ip_out);
    snprintf(out, n, bits == all ? "%s" : "%s/%u", ip_out, (unsigned)bits);
    return true;
}

static int allow_one(struct import *im, struct slice text)
{
    for (size_t i = 0; i < im->nallow; i++)
        if (slice_eq(im->allow[i], text))
            return 0;
    if (im->nallow == im->allow_cap)
        return 0;
    im->allow[im->nallow] = arena_slice(im->a, text);
    return im->allow[im->nallow].p ? (int)(im->nallow++, 0) : -ENOMEM;
}

static int allow_all(struct import *im, struct imported *x)
{
    for (size_t i = 0; x->known && i < x->jail->nignore; i++) {
        char text[IP_TEXT_SIZE + 8];

        if (!network(x->jail->ignore[i], text, sizeof text))
            note(im, x, "not carried over: ignoreip %.*s is no address",
                 SLICE_FMT(slice_take(x->jail->ignore[i], 100)));
        else if (allow_one(im, slice_str(text)) < 0)
            return -ENOMEM;
    }
    return 0;
}

/* ---- what is written ---- */

static void put_quoted(struct buf *out, struct slice text)
{
    buf_char(out, '"');
    buf_json(out, text);
    buf_char(out, '"');
}

static bool first_of_format(const struct import *im, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (im->list[k].known && !strcmp(im->list[k].known->format, im->list[i].known->format))
            return false;
    return true;
}

static bool log_was_before(const struct import *im, size_t i, size_t n)
{
    for (size_t k = 0; k <= i; k++)
        for (size_t m = 0; im->list[k].known && m < (k < i ? im->list[k].jail->nlogs : n); m++)
            if (!strcmp(im->list[k].known->format, im->list[i].known->format) &&
                slice_eq(im->list[k].jail->logs[m], im->list[i].jail->logs[n]))
                return true;
    return false;
}

/* fail2ban reads times that name no zone in the machine's; ours are UTC unless the input says. */
static void put_zone(const struct import *im, struct buf *out)
{
    size_t at = slice_find(slice_str(im->zone), SLICE("zoneinfo/"));
    struct slice name = slice_skip(slice_str(im->zone), at == SIZE_MAX ? SIZE_MAX : at + 9);

    if (at == SIZE_MAX || name.n == 0 || slice_is(name, "UTC") || slice_starts(name, SLICE("Etc/")))
        return;
    buf_str(out, ", zone: ");
    put_quoted(out, name);
}

static void put_inputs(const struct import *im, size_t i, struct buf *out)
{
    const struct imported *x = &im->list[i];

    if (x->known->unit &&
        (x->jail->nlogs == 0 || slice_starts(x->jail->backend, SLICE("systemd")))) {
        if (first_of_format(im, i))
            buf_printf(out, "      - {type: journald, unit: %s}\n", x->known->unit);
        return;
    }
    for (size_t n = 0; n < x->jail->nlogs; n++) {
        if (log_was_before(im, i, n))
            continue;
        buf_str(out, "      - {type: file, path: ");
        put_quoted(out, x->jail->logs[n]);
        put_zone(im, out);
        buf_str(out, "}\n");
    }
}

/* One channel a format, with the logs of all its jails. */
static void put_channels(const struct import *im, struct buf *out)
{
    buf_str(out, "channels:\n");
    for (size_t i = 0; i < im->jails.n; i++) {
        if (!im->list[i].known || !first_of_format(im, i))
            continue;
        buf_printf(out, "  %s:\n    inputs:\n", im->list[i].known->format);
        for (size_t k = i; k < im->jails.n; k++)
            if (im->list[k].known && !strcmp(im->list[k].known->format, im->list[i].known->format))
                put_inputs(im, k, out);
    }
}

static void put_config(const struct import *im, const char *rules, struct buf *out)
{
    buf_printf(
        out, "# The jails of %s that could be taken over. `trailwarden check` judges this file.\n",
        im->folder);
    put_channels(im, out);
    buf_str(out, "rules:\n  paths: [");
    put_quoted(out, slice_str(rules));
    buf_str(out, "]\n# Bans are only recorded. Another backend: docs/notifiers.md.\n"
                 "bans:\n  backend: dry-run\n  allow: [");
    for (size_t i = 0; i < im->nallow; i++) {
        buf_str(out, i ? ", " : "");
        put_quoted(out, im->allow[i]);
    }
    buf_str(out, "]\n");
}

/* The same jail gives the same id every time. */
static void put_id(struct slice jail, struct buf *out)
{
    AUTO_BUF text = BUF_INIT;
    uint8_t h[SHA256_SIZE];

    buf_str(&text, "fail2ban jail ");
    buf_slice(&text, jail);
    sha256(buf_view(&text).p, buf_view(&text).n, h);
    h[6] = (uint8_t)((h[6] & 0x0f) | 0x80); /* RFC 9562: version 8 */
    h[8] = (uint8_t)((h[8] & 0x3f) | 0x80);
    for (size_t i = 0; i < 16; i++) {
        buf_str(out, i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "");
        buf_hex(out, h + i, 1);
    }
}

static void put_rule(const struct imported *x, struct buf *out)
{
    const struct fail2ban_jail *j = x->jail;
    AUTO_BUF title = BUF_INIT;

    buf_printf(&title, "Jail %.*s: %llu failures of one address in %llu seconds",
               SLICE_FMT(j->name), (unsigned long long)j->maxretry,
               (unsigned long long)j->findtime_s);
    buf_str(out, "title: ");
    put_quoted(out, buf_view(&title));
    buf_str(out, "\nid: ");
    put_id(j->name, out);
    buf_printf(out,
               "\nstatus: experimental\n"
               "correlation:\n"
               "    type: event_count\n"
               "    rules: [%s]\n"
               "    group-by: [source.ip]\n"
               "    timespan: %llus\n"
               "    condition: {gte: %llu}\n"
               "level: high\n"
               "trailwarden:\n"
               "    ban: {field: source.ip, for: %llus}\n",
               x->known->rule, (unsigned long long)(j->findtime_s ? j->findtime_s : 1),
               (unsigned long long)j->maxretry,
               (unsigned long long)(j->bantime_s ? j->bantime_s : FOREVER_S));
}

static void put_rules(const struct import *im, struct buf *out)
{
    bool any = false;

    for (size_t i = 0; i < im->jails.n; i++) {
        if (!im->list[i].known)
            continue;
        buf_str(out, any ? "---\n" : "");
        put_rule(&im->list[i], out);
        any = true;
    }
}

static int write_one(const struct import *im, const char *path, struct slice text, struct err *err)
{
    if (!cli_has(im->cli, CLI_FORCE) && access(path, F_OK) == 0)
        return err_set(err, -EEXIST, "'%s' is there already: --force overwrites", path);
    return file_replace(AT_FDCWD, path, text, 0644, err);
}

static int write_all(struct import *im, struct err *err)
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
    config_path = arena_printf(im->a, "%s/" CONFIG_NAME, folder);
    rules_path = arena_printf(im->a, "%s/" RULES_NAME, folder);
    if (!config_path || !rules_path)
        return err_nomem(err);
    put_config(im, rules_path, &config);
    put_rules(im, &rules);
    if (!buf_ok(&config) || !buf_ok(&rules))
        return err_nomem(err);
    rc = write_one(im, rules_path, buf_view(&rules), err);
    return rc < 0 ? rc : write_one(im, config_path, buf_view(&config), err);
}

/* ---- telling ---- */

static size_t count_taken(const struct import *im)
{
    size_t n = 0;

    for (size_t i = 0; i < im->jails.n; i++)
        n += im->list[i].known != NULL;
    return n;
}

static void tell_json(const struct import *im)
{
    AUTO_BUF out = BUF_INIT;
    struct json_writer w = json_writer(&out);

    json_object(&w);
    json_key(&w, "jails");
    json_array(&w);
    for (size_t i = 0; i < im->jails.n; i++) {
        const struct imported *x = &im->list[i];

        json_object(&w);
        json_member_slice(&w, "name", x->jail->name);
        json_member_slice(&w, "filter", x->jail->filter);
        json_member_bool(&w, "taken", x->known != NULL);
        if (x->known) {
            json_member_str(&w, "channel", x->known->format);
            json_member_str(&w, "counts", x->known->rule);
        }
        json_key(&w, "notes");
        json_array(&w);
        for (size_t k = 0; k < x->nnotes; k++)
            json_put_str(&w, x->notes[k]);
        json_array_end(&w);
        json_object_end(&w);
    }
    json_array_end(&w);
    json_member_u64(&w, "disabled", im->jails.disabled);
    json_key(&w, "findings");
    diag_json(im->d, &w);
    json_object_end(&w);
    fprintf(im->cli->out, "%.*s\n", SLICE_FMT(buf_view(&out)));
}

static void tell_jail(const struct import *im, const struct imported *x)
{
    const struct fail2ban_jail *j = x->jail;
    AUTO_BUF line = BUF_INIT;

    if (x->known) {
        buf_printf(&line, "%.*s: channel %s, %llu failures in ", SLICE_FMT(j->name),
                   x->known->format, (unsigned long long)j->maxretry);
        buf_duration(&line, j->findtime_s * USEC_PER_SEC);
        buf_str(&line, " ban for ");
        buf_duration(&line, (j->bantime_s ? j->bantime_s : FOREVER_S) * USEC_PER_SEC);
    } else {
        buf_printf(&line, "%.*s:", SLICE_FMT(j->name));
    }
    fprintf(im->cli->out, "%.*s\n", SLICE_FMT(buf_view(&line)));
    for (size_t i = 0; i < x->nnotes; i++)
        fprintf(im->cli->out, "    %s\n", x->notes[i]);
}

static void tell(const struct import *im)
{
    FILE *out = im->cli->out;

    if (cli_has(im->cli, CLI_JSON)) {
        tell_json(im);
        return;
    }
    diag_print(im->d, stderr, false);
    for (size_t i = 0; i < im->jails.n; i++)
        tell_jail(im, &im->list[i]);
    fprintf(out, "%zu jails are enabled, %zu of them taken over; %zu are disabled\n", im->jails.n,
            count_taken(im), im->jails.disabled);
    fputs("Actions are never carried over: see 'bans', 'notifiers' and 'routes'.\n", out);
    if (cli_has(im->cli, CLI_TO))
        fprintf(out, "Written: %s/" CONFIG_NAME " and " RULES_NAME "\n", im->cli->values[CLI_TO]);
    else
        fputs("Nothing is written without --to FOLDER.\n", out);
}

/* ---- the whole ---- */

static int import(struct import *im)
{
    struct err err = ERR_NONE;
    int rc = fail2ban_jails_load(im->folder, im->a, im->d, &im->jails);

    if (rc < 0) {
        cli_diag(im->cli, im->d);
        return EXIT_CONFIGURATION;
    }
    im->allow_cap = 1000;
    im->list = arena_array(im->a, im->jails.n + 1, sizeof *im->list);
    im->allow = arena_array(im->a, im->allow_cap, sizeof *im->allow);
    if (!im->list || !im->allow)
        return cli_error(&(struct err){ .code = -ENOMEM, .text = "out of memory" });
    for (size_t i = 0; i < im->jails.n; i++) {
        im->list[i].jail = &im->jails.list[i];
        judge(im, &im->list[i]);
        if (allow_all(im, &im->list[i]) < 0)
            return cli_error(&(struct err){ .code = -ENOMEM, .text = "out of memory" });
    }
    if (cli_has(im->cli, CLI_TO) && count_taken(im) && write_all(im, &err) < 0)
        return cli_error(&err);
    tell(im);
    return count_taken(im) ? EXIT_DONE : EXIT_NOTHING;
}

int command_import_fail2ban(struct cli *cli)
{
    AUTO(arena) a = arena_new(64 << 10, 64 << 20);
    AUTO(diag) d = diag_new();
    struct import im = { .cli = cli, .a = a, .d = d };

    if (cli->nargs > 1) {
        fputs("trailwarden: import fail2ban takes one folder\n", stderr);
        return EXIT_USAGE;
    }
    if (!a || !d)
        return cli_error(&(struct err){ .code = -ENOMEM, .text = "out of memory" });
    im.folder = cli->nargs ? cli->args[0] : "/etc/fail2ban";
    if (readlink("/etc/localtime", im.zone, sizeof im.zone - 1) < 0)
        im.zone[0] = '\0';
    return import(&im);
}
