#include "logwatch/replay.h"

#include <sys/stat.h>

#include "base/clock.h"
#include "base/num.h"
#include "base/term.h"
#include "logwatch/commands/common.h"

struct printing {
    struct cli *cli;
    struct text_table *table;
    struct progress progress;
};

static void group_text(const struct alert *a, struct buf *out)
{
    for (size_t i = 0; i < a->ngroup; i++)
        buf_printf(out, "%s%.*s", i ? " " : "", SLICE_FMT(a->group[i].value));
}

static int print_alert(void *ctx, const struct alert *a)
{
    struct printing *p = ctx;
    AUTO_BUF b = BUF_INIT;
    char time[TIME_TEXT_SIZE];

    if (cli_has(p->cli, CLI_JSON)) {
        struct json_writer w = json_writer(&b);

        alert_json(a, &w);
        fprintf(p->cli->out, "%.*s\n", SLICE_FMT(buf_view(&b)));
        return 0;
    }
    time_text(a->time_us, time);
    time[19] = 'Z';
    time[20] = '\0';
    text_table_cell(p->table, slice_str(time));
    text_table_cell(p->table, slice_str(level_name(a->level)));
    text_table_cell(p->table, a->channel);
    text_table_cellf(p->table, "%llu", (unsigned long long)a->count);
    group_text(a, &b);
    text_table_cell(p->table, buf_view(&b));
    text_table_cell(p->table, a->rule_title);
    return 0;
}

static void on_progress(void *ctx, uint64_t bytes, uint64_t lines)
{
    struct printing *p = ctx;

    progress_step(&p->progress, bytes, lines);
}

static void on_notice(void *ctx UNUSED, const char *path, const struct notice *n)
{
    fprintf(stderr, "trailwarden: %s: %s {%.*s}\n", path, n->type, SLICE_FMT(n->members));
}

static void print_stats(const struct cli *cli, const struct replay_stats *s, uint64_t used_us)
{
    AUTO_BUF b = BUF_INIT;

    if (cli_has(cli, CLI_JSON)) {
        struct json_writer w = json_writer(&b);

        json_object(&w);
        json_member_u64(&w, "lines", s->lines);
        json_member_u64(&w, "bytes", s->bytes);
        json_member_u64(&w, "events", s->events);
        json_member_u64(&w, "unparsed", s->unparsed);
        json_member_u64(&w, "matches", s->matches);
        json_member_u64(&w, "alerts", s->alerts);
        json_member_u64(&w, "regex_limits", s->regex_limits);
        json_member_u64(&w, "duration_us", used_us);
        json_object_end(&w);
        fprintf(stderr, "%.*s\n", SLICE_FMT(buf_view(&b)));
        return;
    }
    buf_bytes(&b, s->bytes);
    fprintf(cli->out, "\n%llu alerts from %llu lines (%.*s), %llu events, %llu unparsed",
            (unsigned long long)s->alerts, (unsigned long long)s->lines, SLICE_FMT(buf_view(&b)),
            (unsigned long long)s->events, (unsigned long long)s->unparsed);
    if (s->regex_limits)
        fprintf(cli->out, ", %llu regex limits hit", (unsigned long long)s->regex_limits);
    fprintf(cli->out, "\n");
}

static uint64_t total_size(const struct cli *cli)
{
    uint64_t total = 0;

    for (size_t i = 0; i < cli->nargs; i++) {
        struct stat st;

        if (stat(cli->args[i], &st) == 0)
            total += (uint64_t)st.st_size;
    }
    return total;
}

static int play(struct cli *cli, const struct config *c, const struct engine *e,
                const struct replay_file *files)
{
    static const char *const headings[] = {
        "TIME", "LEVEL", "CHANNEL", "COUNT", "WHO", "WHAT", NULL
    };
    const struct clock real = CLOCK_REAL;
    AUTO(text_table) table = text_table_new(headings);
    AUTO(geo) geo = NULL;
    struct printing p = { .cli = cli, .table = table };
    struct replay_request q = { .engine = e,
                                .files = files,
                                .nfiles = cli->nargs,
                                .alert = print_alert,
                                .progress = on_progress,
                                .notice = on_notice,
                                .ctx = &p };
    struct replay_stats stats;
    struct err err = ERR_NONE;
    uint64_t start = clock_mono(&real);
    int r;

    if (c && c->geo.n && geo_open(c->geo.items, c->geo.n, &geo, &err) < 0)
        return cli_error(&err);
    q.geo = geo;
    q.groups_max = c ? c->groups_max : 0;
    q.block_bytes = c ? c->block_bytes : 0;
    progress_start(&p.progress, "replay", total_size(cli));
    r = replay_run(&q, &stats, &err);
    progress_end(&p.progress);
    if (!cli_has(cli, CLI_JSON) && stats.alerts)
        text_table_print(table, cli->out);
    if (r < 0)
        return cli_error(&err);
    if (cli_has(cli, CLI_STATS) || (!cli_has(cli, CLI_JSON) && !cli_has(cli, CLI_QUIET)))
        print_stats(cli, &stats, clock_mono(&real) - start);
    return stats.alerts == 0 && cli_has(cli, CLI_FAIL_EMPTY) ? EXIT_NOTHING : EXIT_DONE;
}

int command_replay(struct cli *cli)
{
    AUTO(config) c = NULL;
    AUTO(engine) own = NULL;
    const struct engine *e;
    AUTO_FREE struct replay_file *files = calloc(cli->nargs + 1, sizeof *files);
    int r;

    if (cli->nargs == 0) {
        fputs("trailwarden: replay needs a file\n", stderr);
        return EXIT_USAGE;
    }
    if (!files)
        return EXIT_FAILED;
    for (size_t i = 0; i < cli->nargs; i++)
        files[i] =
            (struct replay_file){ cli->args[i], cli->values[CLI_CHANNEL], cli->values[CLI_ZONE] };
    r = cli_engine(cli, NULL, 0, &c, &own, &e);
    return r ? r : play(cli, c, e, files);
}
