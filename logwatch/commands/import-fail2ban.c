/*
 * import fail2ban: the enabled jails of a host as a configuration of ours, and a report of what was
 * not carried over.
 *
 * A jail whose filter can be read becomes a channel of its name that is read by this filter, and
 * two rules: each failure, and the jail's maxretry of them within findtime, which bans for bantime.
 * Nothing is switched off in fail2ban, and the configuration only records bans (backend dry-run)
 * until somebody chooses another backend.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/num.h"
#include "logwatch/commands/import-fail2ban.h"

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
    for (size_t i = 0; x->taken && i < x->jail->nignore; i++) {
        char text[IP_TEXT_SIZE + 8];

        if (!network(x->jail->ignore[i], text, sizeof text))
            import_note(im, x, "not carried over: ignoreip %.*s is no address",
                        SLICE_FMT(slice_take(x->jail->ignore[i], 100)));
        else if (allow_one(im, slice_str(text)) < 0)
            return -ENOMEM;
    }
    return 0;
}

/* ---- telling ---- */

static size_t count_taken(const struct import *im)
{
    size_t n = 0;

    for (size_t i = 0; i < im->jails.n; i++)
        n += im->list[i].taken;
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
        json_member_bool(&w, "taken", x->taken);
        if (x->taken) {
            json_member_slice(&w, "channel", x->jail->name);
            json_member_str(&w, "reads", x->filter);
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

    if (x->taken) {
        buf_printf(&line, "%.*s: filter %s, %llu failures in ", SLICE_FMT(j->name), x->filter,
                   (unsigned long long)j->maxretry);
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
    fputs("Actions are never carried over: see 'bans', 'notifiers' and 'routes'. Names of hosts in "
          "logs are never\nlooked up, so only addresses are banned.\n",
          out);
    if (cli_has(im->cli, CLI_TO))
        fprintf(out, "Written: %s/" IMPORT_CONFIG " and " IMPORT_RULES "\n",
                im->cli->values[CLI_TO]);
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
        if (import_judge(im, &im->list[i]) < 0 || allow_all(im, &im->list[i]) < 0)
            return cli_error(&(struct err){ .code = -ENOMEM, .text = "out of memory" });
    }
    if (cli_has(im->cli, CLI_TO) && count_taken(im) && import_write(im, &err) < 0)
        return cli_error(&err);
    tell(im);
    return count_taken(im) ? EXIT_DONE : EXIT_NOTHING;
}

/* What /etc/localtime points to; NULL: UTC, or unknown. */
static const char *own_zone(struct arena *a)
{
    char link[PATH_MAX] = "";
    ssize_t n = readlink("/etc/localtime", link, sizeof link - 1);
    size_t at = slice_find(slice_str(link), SLICE("zoneinfo/"));
    struct slice name = slice_skip(slice_str(link), at == SIZE_MAX ? SIZE_MAX : at + 9);

    if (n <= 0 || at == SIZE_MAX || name.n == 0 || slice_is(name, "UTC") ||
        slice_starts(name, SLICE("Etc/")))
        return NULL;
    return arena_str(a, name);
}

int command_import_fail2ban(struct cli *cli)
{
    AUTO(arena) a = arena_new(64 << 10, 64 << 20);
    AUTO(diag) d = diag_new();
    struct import im = { .cli = cli, .a = a, .d = d };
    const char *folder = cli->nargs ? cli->args[0] : "/etc/fail2ban";
    char real[PATH_MAX];

    if (cli->nargs > 1) {
        fputs("trailwarden: import fail2ban takes one folder\n", stderr);
        return EXIT_USAGE;
    }
    if (!a || !d)
        return cli_error(&(struct err){ .code = -ENOMEM, .text = "out of memory" });
    im.folder = realpath(folder, real) ? real : folder; /* a channel names it from / on */
    im.zone = own_zone(a);
    return import(&im);
}
