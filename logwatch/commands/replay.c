#include "logwatch/replay.h"

#include <errno.h>
#include <fnmatch.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/num.h"
#include "base/term.h"
#include "logwatch/commands/replaying.h"
#include "logwatch/scan.h"
#include "logwatch/workers.h"

struct printing {
    struct cli *cli;
    struct text_table *table;
    struct progress progress;
    struct sha256 digest; /* of all alerts as JSON, one a line */
};

void replay_group(const struct alert *a, struct buf *out)
{
    for (size_t i = 0; i < a->ngroup; i++)
        buf_printf(out, "%s%.*s", i ? " " : "", SLICE_FMT(a->group[i].value));
}

static int print_alert(void *ctx, const struct alert *a)
{
    struct printing *p = ctx;
    AUTO_BUF line = BUF_INIT, group = BUF_INIT;
    struct json_writer w = json_writer(&line);
    char time[TIME_TEXT_SIZE];

    alert_json(a, &w);
    buf_char(&line, '\n');
    if (!buf_ok(&line))
        return -ENOMEM;
    sha256_add(&p->digest, line.p, line.n);
    if (cli_has(p->cli, CLI_DIGEST))
        return 0;
    if (cli_has(p->cli, CLI_JSON)) {
        fwrite(line.p, 1, line.n, p->cli->out);
        return 0;
    }
    time_text(a->time_us, time);
    time[19] = 'Z';
    time[20] = '\0';
    text_table_cell(p->table, slice_str(time));
    text_table_cell(p->table, slice_str(level_name(a->level)));
    text_table_cell(p->table, a->channel);
    text_table_cellf(p->table, "%llu", (unsigned long long)a->count);
    replay_group(a, &group);
    text_table_cell(p->table, buf_view(&group));
    text_table_cell(p->table, a->rule_title);
    return 0;
}

static void on_progress(void *ctx, uint64_t bytes, uint64_t lines)
{
    struct printing *p = ctx;

    progress_step(&p->progress, bytes, lines);
}

void replay_notice(void *ctx UNUSED, const char *path, const struct notice *n)
{
    fprintf(stderr, "trailwarden: %s: %s {%.*s}\n", path, n->type, SLICE_FMT(n->members));
}

struct summary {
    const struct replay_stats *stats;
    uint64_t used_us;
    unsigned workers;
    uint8_t digest[SHA256_SIZE];
};

static void print_json(FILE *out, const struct summary *of)
{
    const struct replay_stats *s = of->stats;
    AUTO_BUF b = BUF_INIT, digest = BUF_INIT;
    struct json_writer w = json_writer(&b);

    buf_hex(&digest, of->digest, sizeof of->digest);
    json_object(&w);
    json_member_u64(&w, "lines", s->lines);
    json_member_u64(&w, "bytes", s->bytes);
    json_member_u64(&w, "events", s->events);
    json_member_u64(&w, "parsed", s->parsed);
    json_member_u64(&w, "unparsed", s->unparsed);
    json_member_u64(&w, "matches", s->matches);
    json_member_u64(&w, "alerts", s->alerts);
    json_member_u64(&w, "regex_limits", s->regex_limits);
    json_member_slice(&w, "digest", buf_view(&digest));
    json_member_u64(&w, "workers", of->workers);
    json_member_u64(&w, "duration_us", of->used_us);
    json_object_end(&w);
    fprintf(out, "%.*s\n", SLICE_FMT(buf_view(&b)));
}

static void print_digest(FILE *out, const struct summary *of)
{
    const struct replay_stats *s = of->stats;
    AUTO_BUF digest = BUF_INIT;

    buf_hex(&digest, of->digest, sizeof of->digest);
    fprintf(out, "%.*s  %llu alerts, %llu matches, %llu events, %llu lines\n",
            SLICE_FMT(buf_view(&digest)), (unsigned long long)s->alerts,
            (unsigned long long)s->matches, (unsigned long long)s->events,
            (unsigned long long)s->lines);
}

static void print_text(FILE *out, const struct replay_stats *s)
{
    AUTO_BUF b = BUF_INIT;

    buf_bytes(&b, s->bytes);
    fprintf(out, "\n%llu alerts from %llu lines (%.*s), %llu events, %llu unparsed",
            (unsigned long long)s->alerts, (unsigned long long)s->lines, SLICE_FMT(buf_view(&b)),
            (unsigned long long)s->events, (unsigned long long)s->unparsed);
    if (s->parsed < s->events)
        fprintf(out, " of %llu that were looked into", (unsigned long long)s->parsed);
    if (s->regex_limits)
        fprintf(out, ", %llu regex limits hit", (unsigned long long)s->regex_limits);
    fprintf(out, "\n");
}

static void print_summary(const struct cli *cli, const struct summary *of)
{
    bool json = cli_has(cli, CLI_JSON), digest = cli_has(cli, CLI_DIGEST);

    if (json && digest)
        print_json(cli->out, of);
    else if (digest)
        print_digest(cli->out, of);
    else if (json && cli_has(cli, CLI_STATS))
        print_json(stderr, of);
    else if (!json && (cli_has(cli, CLI_STATS) || !cli_has(cli, CLI_QUIET)))
        print_text(cli->out, of->stats);
}

/* ---- what is played ---- */

static bool unit_fits(const char *const *units, const char *pattern)
{
    for (; units && *units; units++)
        if (fnmatch(pattern, *units, 0) == 0 || fnmatch(*units, pattern, 0) == 0)
            return true;
    return false;
}

/* Without a channel: every format with units of its own, or those that the given unit is one of. */
static void add_channels(struct playlist *l, const struct formats *formats,
                         const struct replay_file *file)
{
    for (size_t i = 0; i < formats_count(formats); i++) {
        const struct format *f = formats_at(formats, i);
        const char *const *units = format_units(f);
        struct replay_file *new = &l->files[l->n];

        if (!units || !units[0] || (l->unit[0] && !unit_fits(units, l->unit[0])))
            continue;
        *new = *file;
        new->channel = arena_str(l->arena, format_channel(f));
        if (!l->unit[0])
            new->units = units;
        l->n++;
    }
}

static void add_journal(struct playlist *l, const struct formats *formats, const char *path,
                        const struct cli *cli)
{
    struct replay_file file = { .path = path,
                                .channel = cli->values[CLI_CHANNEL],
                                .zone = cli->values[CLI_ZONE],
                                .journal = true,
                                .units = l->unit[0] ? l->unit : NULL };
    const struct format *f = NULL;

    if (!file.channel) {
        add_channels(l, formats, &file);
        return;
    }
    f = format_find(formats, slice_str(file.channel));
    if (f && !file.units)
        file.units = format_units(f);
    l->files[l->n++] = file;
}

static int make_playlist(const struct cli *cli, const struct engine *e, struct playlist *l)
{
    size_t each = formats_count(e->formats) + 1;

    l->files = arena_array(l->arena, (cli->nargs + 1) * each, sizeof *l->files);
    l->unit[0] = cli->values[CLI_UNIT];
    if (!l->files)
        return cli_error(&(struct err){ .code = -ENOMEM, .text = "out of memory" });
    if (cli_has(cli, CLI_JOURNAL))
        add_journal(l, e->formats, cli->values[CLI_JOURNAL], cli);
    for (size_t i = 0; i < cli->nargs; i++)
        if (replay_is_journal(cli->args[i]))
            add_journal(l, e->formats, cli->args[i], cli);
        else
            l->files[l->n++] = (struct replay_file){ .path = cli->args[i],
                                                     .channel = cli->values[CLI_CHANNEL],
                                                     .zone = cli->values[CLI_ZONE] };
    if (l->n > 0)
        return EXIT_DONE;
    fputs("trailwarden: no channel has this unit; name one with --channel\n", stderr);
    return EXIT_USAGE;
}

int replay_workers(const struct cli *cli, unsigned *ret)
{
    const char *text = cli_has(cli, CLI_WORKERS) ? cli->values[CLI_WORKERS] : "auto";
    uint64_t n;

    if (workers_parse(slice_str(text), &n) < 0) {
        fprintf(stderr, "trailwarden: --workers takes auto or a number up to %d, not '%s'\n",
                WORKERS_MAX, text);
        return EXIT_USAGE;
    }
    *ret = workers_count(n, false);
    return EXIT_DONE;
}

static int play(struct cli *cli, const struct config *c, const struct engine *e,
                const struct playlist *list)
{
    static const char *const headings[] = {
        "TIME", "LEVEL", "CHANNEL", "COUNT", "WHO", "WHAT", NULL
    };
    const struct clock real = CLOCK_REAL;
    AUTO(text_table) table = text_table_new(headings);
    AUTO(geo) geo = NULL;
    struct printing p = { .cli = cli, .table = table };
    struct replay_request q = { .engine = e,
                                .files = list->files,
                                .nfiles = list->n,
                                .alert = print_alert,
                                .progress = on_progress,
                                .notice = replay_notice,
                                .ctx = &p };
    struct replay_stats stats;
    struct summary summary = { .stats = &stats };
    struct err err = ERR_NONE;
    uint64_t start = clock_mono(&real);
    int r = replay_workers(cli, &q.workers);

    if (r)
        return r;
    if (sha256_init(&p.digest) < 0)
        return EXIT_FAILED;
    if (c && c->geo.n && geo_open(c->geo.items, c->geo.n, &geo, &err) < 0)
        return cli_error(&err);
    q.geo = geo;
    q.groups_max = c ? c->groups_max : 0;
    q.block_bytes = c ? c->block_bytes : 0;
    progress_start(&p.progress, "replay", files_size(cli->args, cli->nargs));
    r = replay_run(&q, &stats, &err);
    progress_end(&p.progress);
    if (!cli_has(cli, CLI_JSON) && !cli_has(cli, CLI_DIGEST) && stats.alerts)
        text_table_print(table, cli->out);
    if (r < 0)
        return cli_error(&err);
    sha256_end(&p.digest, summary.digest);
    summary.workers = q.workers;
    summary.used_us = clock_mono(&real) - start;
    print_summary(cli, &summary);
    return stats.alerts == 0 && cli_has(cli, CLI_FAIL_EMPTY) ? EXIT_NOTHING : EXIT_DONE;
}

static int no_digest(void)
{
    fputs("trailwarden: --digest is of one set of rules, --against compares two\n", stderr);
    return EXIT_USAGE;
}

int command_replay(struct cli *cli)
{
    AUTO(config) c = NULL;
    AUTO(engine) own = NULL;
    const struct engine *e;
    AUTO(arena) a = arena_new(16384, 16 << 20);
    struct playlist list = { .arena = a };
    int r;

    if (cli->nargs == 0 && !cli_has(cli, CLI_JOURNAL)) {
        fputs("trailwarden: replay needs a file, or --journal\n", stderr);
        return EXIT_USAGE;
    }
    r = a ? cli_engine(cli, NULL, 0, &c, &own, &e) : EXIT_FAILED;
    if (r == 0)
        r = make_playlist(cli, e, &list);
    if (r)
        return r;
    if (cli_has(cli, CLI_NO_PREFILTER))
        scans_disable(e->scans);
    for (size_t i = 0; i < cli->nmany; i++)
        if (cli->many_of[i] == CLI_AGAINST_RULES)
            return cli_has(cli, CLI_DIGEST) ? no_digest() : replay_against(cli, c, e, &list);
    return play(cli, c, e, &list);
}
