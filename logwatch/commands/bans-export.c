/* `bans export`: what holds now, as a file for other tools. It needs no daemon. */
#include "logwatch/commands/bans.h"

#include <errno.h>

#include "base/file.h"
#include "logwatch/commands/bans-format.h"

#define FILE_MODE 0644

struct exporting {
    struct desk *desk;
    struct ban_export *export;
};

static int add(void *ctx, const struct ban *b)
{
    struct exporting *x = ctx;
    struct desk *d = x->desk;

    if (b->dry_run && !cli_has(d->cli, CLI_WITH_DRY_RUN))
        return 0;
    if (b->until_us && b->until_us <= d->now_us)
        return 0; /* over, and the daemon has not said so yet */
    return ban_export_add(x->export, b);
}

/* Old or new, never a half. */
static int put(const struct cli *cli, const struct ban_export *e, struct slice text)
{
    const char *path = cli->values[CLI_OUT];
    struct err err = ERR_NONE;
    size_t ports, n = ban_export_count(e, &ports);

    if (!path)
        return fwrite(text.p, 1, text.n, cli->out) == text.n ? EXIT_DONE : EXIT_FAILED;
    if (file_replace(-1, path, text, FILE_MODE, &err) < 0)
        return cli_error(&err);
    fprintf(stderr, "trailwarden: %zu ban%s written to '%s'", n, n == 1 ? "" : "s", path);
    if (ports)
        fprintf(stderr, "; %zu left out: for some ports only", ports);
    fputc('\n', stderr);
    return EXIT_DONE;
}

static int export_bans(struct cli *cli, struct bans_wanted *w, enum ban_form form)
{
    AUTO(ban_export) e = NULL;
    AUTO_BUF text = BUF_INIT;
    struct err err = ERR_NONE;
    struct desk d;
    struct exporting x = { .desk = &d };
    int r = desk_open(&d, cli, true);

    if (r == EXIT_DONE && ban_export_new(form, cli->values[CLI_SET], d.now_us, &e, &err) < 0)
        r = act_usage(cli, err.text);
    x.export = e;
    if (r == EXIT_DONE)
        r = bans_each(&d, w, add, &x);
    if (r == EXIT_DONE && ban_export_finish(e, &text) < 0) {
        fputs("trailwarden: out of memory\n", stderr);
        r = EXIT_FAILED;
    }
    if (r == EXIT_DONE)
        r = put(cli, e, buf_view(&text));
    desk_fini(&d);
    return r;
}

int command_bans_export(struct cli *cli)
{
    enum ban_form form = ban_form_of(cli->values[CLI_OUT]);
    struct bans_wanted w;
    int r = bans_wanted_of(cli, NULL, SIZE_MAX >> 1, &w);

    w.filter.states = 1u << BAN_ACTIVE;
    if (r == EXIT_DONE && cli->nargs)
        r = act_usage(cli, "where to is said with --out");
    if (r == EXIT_DONE && cli_has(cli, CLI_FORMAT) &&
        ban_form_parse(slice_str(cli->values[CLI_FORMAT]), false, &form) < 0)
        r = act_usage(cli, "--format is plain, csv, json, nft or ipset");
    if (r == EXIT_DONE)
        r = export_bans(cli, &w, form);
    bans_wanted_fini(&w);
    return r;
}
