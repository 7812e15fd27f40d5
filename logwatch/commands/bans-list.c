/* `bans list` and `bans history`: the book as a table. */
#include "logwatch/commands/bans.h"

#include <errno.h>
#include <time.h>

#include "base/clock.h"
#include "base/utf8.h"

#define FOLLOW_S 1
#define HISTORY_LIMIT 1000

struct listing {
    struct desk *desk;
    struct text_table *table; /* NULL: each is printed at once */
    bool history;
    size_t n;
};

static void list_row(struct text_table *t, const struct ban *b, uint64_t now_us)
{
    char network[IP_TEXT_SIZE + 4], left[24];
    AUTO_BUF ports = BUF_INIT;
    AUTO_BUF state = BUF_INIT;
    AUTO_BUF from = BUF_INIT;

    cidr_text(&b->target.net, network);
    buf_ban_ports(&ports, &b->target);
    buf_ban_state(&state, b);
    buf_ban_from(&from, b);
    text_table_cellf(t, "%llu", (unsigned long long)b->id);
    text_table_cell(t, slice_str(network));
    text_table_cell(t, buf_view(&ports));
    text_table_cell(t, buf_view(&state));
    text_table_cell(t, slice_str(ban_left(b, now_us, left)));
    text_table_cellf(t, "%u", b->times);
    text_table_cell(t, buf_view(&from));
    text_table_cell(t, b->rule.n ? b->rule : SLICE("-"));
    text_table_cell(t, b->reason);
}

/* A line for who follows: columns are not known before all rows are. */
static void follow_row(const struct desk *d, const struct ban *b)
{
    char text[BAN_TEXT_SIZE], left[24], time[TIME_TEXT_SIZE];
    AUTO_BUF line = BUF_INIT;
    AUTO_BUF clean = BUF_INIT;

    ban_target_text(&b->target, text);
    buf_printf(&line, "%s  %s  ", when_text(b->start_us, time), text);
    buf_ban_state(&line, b);
    buf_printf(&line, "  %s  number %u  ", ban_left(b, d->now_us, left), b->times);
    buf_ban_from(&line, b);
    buf_printf(&line, "  %.*s", SLICE_FMT(b->reason));
    buf_printable(&clean, buf_view(&line));
    fprintf(d->cli->out, "%.*s\n", SLICE_FMT(buf_view(&clean)));
}

static int list_ban(void *ctx, const struct ban *b)
{
    struct listing *l = ctx;
    struct desk *d = l->desk;

    l->n++;
    if (cli_has(d->cli, CLI_JSON)) {
        ban_json(b, d->now_us, &d->w);
        return desk_print(d);
    }
    if (!l->table)
        follow_row(d, b);
    else if (l->history)
        bans_history_row(l->table, b);
    else
        list_row(l->table, b, d->now_us);
    return 0;
}

/* New ones, oldest first, until the reader is gone. */
static int follow(struct desk *d, struct bans_wanted *w, struct listing *l)
{
    const struct timespec pause = { .tv_sec = FOLLOW_S };
    const struct clock real = CLOCK_REAL;
    uint64_t last = store_ban_last(d->store);
    int r = EXIT_DONE;

    l->table = NULL;
    w->limit = SIZE_MAX;
    while (r == EXIT_DONE && fflush(d->cli->out) == 0 && !ferror(d->cli->out)) {
        (void)nanosleep(&pause, NULL);
        r = desk_look_again(d);
        if (r)
            break;
        d->now_us = clock_now(&real);
        w->filter.after_id = last + 1;
        last = store_ban_last(d->store);
        r = bans_each(d, w, list_ban, l);
    }
    return r;
}

static int list(struct cli *cli, struct listing *l, struct bans_wanted *w)
{
    struct desk d;
    int r;

    l->desk = &d;
    r = desk_open(&d, cli, true);
    if (r == EXIT_DONE) {
        w->filter.rule = desk_rule(&d, cli->values[CLI_RULE]);
        r = bans_each(&d, w, list_ban, l);
    }
    if (r == EXIT_DONE && !cli_has(cli, CLI_JSON))
        text_table_print(l->table, cli->out);
    if (r == EXIT_DONE && cli_has(cli, CLI_FOLLOW))
        r = follow(&d, w, l);
    if (r == EXIT_DONE && l->n == 0 && cli_has(cli, CLI_FAIL_EMPTY))
        r = EXIT_NOTHING;
    desk_fini(&d);
    return r;
}

int command_bans_list(struct cli *cli)
{
    static const char *const headings[] = { "N",     "NETWORK", "WHAT", "STATE", "LEFT",
                                            "TIMES", "FROM",    "RULE", "WHY",   NULL };
    AUTO(text_table) table = text_table_new(headings);
    struct listing l = { .table = table };
    struct bans_wanted w;
    int r = table ? bans_wanted_of(cli, cli->values[CLI_IP], 100, &w) : EXIT_FAILED;

    if (!table)
        return r;
    if (!w.filter.states && !cli_has(cli, CLI_ALL_ENDED))
        w.filter.states = 1u << BAN_ACTIVE;
    if (r == EXIT_DONE && cli->nargs)
        r = act_usage(cli, "an address is given with --ip; or see `trailwarden bans show ADDRESS`");
    if (r == EXIT_DONE)
        r = list(cli, &l, &w);
    bans_wanted_fini(&w);
    return r;
}

int command_bans_history(struct cli *cli)
{
    AUTO(text_table) table = text_table_new(bans_history_headings);
    struct listing l = { .table = table, .history = true };
    struct bans_wanted w;
    int r = table ? bans_wanted_of(cli, cli->args[0], HISTORY_LIMIT, &w) : EXIT_FAILED;

    if (!table)
        return r;
    if (r == EXIT_DONE && cli->nargs > 1)
        r = act_usage(cli, "one address or network, or none for all");
    if (r == EXIT_DONE)
        r = list(cli, &l, &w);
    bans_wanted_fini(&w);
    return r;
}
