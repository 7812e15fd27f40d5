/* `alerts list`, and the acts on alerts: ack, close, reopen, comment. */
#include "logwatch/commands/act.h"

#include <errno.h>

#include "base/table.h"

#define WHO_SHOWN 60 /* a stranger may have made it long */

struct listing {
    struct desk *desk;
    struct text_table *table;
    struct table *states; /* of incidents, by key: 1 + enum incident_state */
    unsigned wanted; /* bit set of states; 0 = all */
    size_t n, limit;
    struct err err;
};

/* Many alerts are of one incident; and what was looked up once need not be asked again. */
#define STATES_MAX 4096

static int see_state(void *ctx, const struct incident *i)
{
    *(int *)ctx = (int)i->state;
    return 1;
}

/* -2: a fault. -1: it is of a version that knew no incidents, or the incident is long over and
 * forgotten. */
static int state_of(struct listing *l, struct slice incident)
{
    static char marks[INCIDENT_STATES + 1];
    char *known;
    int state = -1;

    if (incident.n == 0)
        return -1;
    known = table_get(l->states, incident);
    if (known)
        return (int)(known - marks) - 1;
    if (store_incident(l->desk->store, incident, see_state, &state, &l->err) < 0)
        return -2;
    (void)!table_put(l->states, incident, &marks[state + 1]); /* full: asked again */
    return state;
}

/* Its document, with what became of it. */
static void list_json(struct listing *l, const struct alert_row *row, int state)
{
    FILE *out = l->desk->cli->out;
    struct slice text = slice_trim(row->document);

    if (state < 0 || text.n < 2 || text.p[text.n - 1] != '}') {
        fprintf(out, "%.*s\n", SLICE_FMT(text));
        return;
    }
    fprintf(out, "%.*s,\"state\":\"%s\"}\n", (int)(text.n - 1), text.p,
            incident_state_name((enum incident_state)state));
}

static int list_alert(void *ctx, const struct alert_row *row)
{
    struct listing *l = ctx;
    int state = state_of(l, row->incident);
    AUTO_BUF who = BUF_INIT;
    char time[TIME_TEXT_SIZE];

    if (state < -1)
        return err_code(&l->err);
    if (l->wanted && (state < 0 || !(l->wanted >> state & 1)))
        return 0;
    if (cli_has(l->desk->cli, CLI_JSON)) {
        list_json(l, row, state);
    } else {
        text_table_cell(l->table, slice_str(when_text(row->time_us, time)));
        text_table_cell(l->table, slice_str(level_name(row->level)));
        text_table_cell(
            l->table, slice_str(state < 0 ? "-" : incident_state_name((enum incident_state)state)));
        text_table_cell(l->table, row->channel);
        text_table_cell(l->table, slice_take(row->id, ID_SHOWN));
        buf_clip(&who, row->group, WHO_SHOWN);
        text_table_cell(l->table, buf_view(&who));
        text_table_cell(l->table, row->title);
    }
    return ++l->n >= l->limit ? 1 : 0;
}

static const char *state_name(unsigned i)
{
    return incident_state_name((enum incident_state)i);
}

static int filter_of(const struct cli *cli, struct alert_filter *f, struct listing *l)
{
    int r = act_limit(cli, 100, &l->limit);

    *f = (struct alert_filter){ .channel = slice_str(cli->values[CLI_CHANNEL]) };
    if (r == EXIT_DONE)
        r = act_span(cli, &f->since_us, &f->until_us);
    if (r == EXIT_DONE)
        r = act_level(cli, &f->level_min);
    if (r == EXIT_DONE)
        r = act_states(cli, state_name, INCIDENT_STATES, &l->wanted);
    f->limit = l->wanted ? INT64_MAX : l->limit; /* how many must be looked at is not known */
    return r;
}

int command_alerts_list(struct cli *cli)
{
    static const char *const headings[] = { "TIME", "LEVEL", "STATE", "CHANNEL",
                                            "ID",   "WHO",   "WHAT",  NULL };
    AUTO(text_table) table = text_table_new(headings);
    AUTO(table) states = table_new(STATES_MAX);
    struct desk d;
    struct listing l = { .desk = &d, .table = table, .states = states, .err = ERR_NONE };
    struct alert_filter f;
    int r = filter_of(cli, &f, &l);

    if (r)
        return r;
    if (!table || !states)
        return EXIT_FAILED;
    r = desk_open(&d, cli, true);
    if (r == EXIT_DONE)
        f.rule = desk_rule(&d, cli->values[CLI_RULE]);
    if (r == EXIT_DONE && store_alerts_each(d.store, &f, list_alert, &l, &l.err) < 0)
        r = cli_error(&l.err);
    if (r == EXIT_DONE && !cli_has(cli, CLI_JSON))
        text_table_print(table, cli->out);
    if (r == EXIT_DONE && l.n == 0 && cli_has(cli, CLI_FAIL_EMPTY))
        r = EXIT_NOTHING;
    desk_fini(&d);
    return r;
}

/* ---- acts ---- */

int command_alerts_ack(struct cli *cli)
{
    return act_each(cli, "ack", false);
}

int command_alerts_close(struct cli *cli)
{
    return act_each(cli, "close", false);
}

int command_alerts_unban(struct cli *cli)
{
    return act_each(cli, "unban", false);
}

int command_alerts_reopen(struct cli *cli)
{
    return act_each(cli, "reopen", false);
}

int command_alerts_comment(struct cli *cli)
{
    if (cli->nargs != 2)
        return act_usage(cli, "an id and a text are wanted; quote the text");
    cli->values[CLI_COMMENT] = cli->args[--cli->nargs];
    return act_each(cli, "comment", false);
}
