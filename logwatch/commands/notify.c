/* `notify list|show|retry|drop|receivers`: the history of what was told, and what waits. */
#include "logwatch/commands/act.h"

#include <errno.h>

#include "base/clock.h"
#include "base/num.h"
#include "logwatch/commands/message-text.h"

#define WHAT_SHOWN 48

struct listing {
    struct desk *desk;
    struct text_table *table;
    size_t n;
};

static const char *state_name(unsigned i)
{
    return delivery_state_name((enum delivery_state)i);
}

/* ---- list ---- */

static void buf_what(const struct outbox_row *row, struct buf *b)
{
    AUTO_BUF text = BUF_INIT;

    if (row->title.n)
        buf_printf(&text, "[%s] ", level_name(row->level));
    buf_slice(&text, row->title.n ? row->title : row->kind);
    if (row->source.n || row->user.n)
        buf_printf(&text, ": %.*s%s%.*s", SLICE_FMT(row->source),
                   row->source.n && row->user.n ? ", " : "", SLICE_FMT(row->user));
    buf_clip(b, buf_view(&text), WHAT_SHOWN);
}

static int list_row(void *ctx, const struct outbox_row *row)
{
    struct listing *l = ctx;
    struct desk *d = l->desk;
    AUTO_BUF what = BUF_INIT;
    AUTO_BUF fate = BUF_INIT;
    char time[TIME_TEXT_SIZE];

    l->n++;
    if (cli_has(d->cli, CLI_JSON)) {
        json_object(&d->w);
        outbox_members(&d->w, row);
        json_object_end(&d->w);
        return desk_print(d);
    }
    buf_what(row, &what);
    text_table_cellf(l->table, "%llu", (unsigned long long)row->id);
    text_table_cell(l->table, slice_str(when_text(row->created_us, time)));
    text_table_cell(l->table, row->receiver);
    text_table_cell(l->table, row->reason.n ? row->reason : row->kind);
    text_table_cell(l->table, slice_str(delivery_state_name(row->state)));
    text_table_cellf(l->table, "%u", row->attempts);
    text_table_cell(l->table, buf_view(&what));
    buf_fate(&fate, row, d->now_us);
    text_table_cell(l->table, buf_view(&fate));
    return 0;
}

static int filter_of(const struct cli *cli, struct outbox_filter *f)
{
    int r;

    *f = (struct outbox_filter){ .receiver = slice_str(cli->values[CLI_RECEIVER]) };
    r = act_limit(cli, 100, &f->limit);
    if (r == EXIT_DONE)
        r = act_span(cli, &f->since_us, &f->until_us);
    return r ? r : act_states(cli, state_name, DELIVERY_STATES, &f->states);
}

int command_notify_list(struct cli *cli)
{
    static const char *const headings[] = { "N",     "WHEN",  "RECEIVER", "WHY", "STATE",
                                            "TRIES", "ABOUT", "STATUS",   NULL };
    AUTO(text_table) table = text_table_new(headings);
    struct desk d;
    struct listing l = { &d, table, 0 };
    struct outbox_filter f;
    struct err err = ERR_NONE;
    int r = filter_of(cli, &f);

    if (r || !table)
        return r ? r : EXIT_FAILED;
    r = desk_open(&d, cli, true);
    if (r == EXIT_DONE)
        f.rule = desk_rule(&d, cli->values[CLI_RULE]);
    if (r == EXIT_DONE && store_outbox_list(d.store, &f, list_row, &l, &err) < 0)
        r = cli_error(&err);
    if (r == EXIT_DONE && !cli_has(cli, CLI_JSON))
        text_table_print(table, cli->out);
    if (r == EXIT_DONE && l.n == 0 && cli_has(cli, CLI_FAIL_EMPTY))
        r = EXIT_NOTHING;
    desk_fini(&d);
    return r;
}

/* ---- show ---- */

static int show_json(struct desk *d, const struct outbox_row *row, const struct buf *text)
{
    json_object(&d->w);
    outbox_members(&d->w, row);
    json_key(&d->w, "document");
    if (json_load(d->arena, row->document, NULL))
        json_put_raw(&d->w, row->document);
    else
        json_put_slice(&d->w, row->document);
    json_member_buf(&d->w, "text", text);
    json_object_end(&d->w);
    return desk_print(d);
}

static void show_times(const struct desk *d, const struct outbox_row *row)
{
    bool waits = row->state == DELIVERY_WAITING || row->state == DELIVERY_RETRY;
    char time[TIME_TEXT_SIZE];

    print_fact(d, "created", slice_str(when_text(row->created_us, time)));
    if (waits && row->not_before_us > d->now_us)
        print_fact(d, "not before", slice_str(when_text(row->not_before_us, time)));
    if (waits && row->expires_us)
        print_fact(d, "expires", slice_str(when_text(row->expires_us, time)));
    if (row->done_us)
        print_fact(d, "done", slice_str(when_text(row->done_us, time)));
}

static void show_text(const struct desk *d, const struct outbox_row *row, const struct buf *text)
{
    print_factf(d, "message", "%llu to %.*s (%.*s)", (unsigned long long)row->id,
                SLICE_FMT(row->receiver), SLICE_FMT(row->kind));
    print_factf(d, "state", "%s after %u attempt%s", delivery_state_name(row->state), row->attempts,
                row->attempts == 1 ? "" : "s");
    if (row->bundle)
        print_factf(d, "told in", "message %llu", (unsigned long long)row->bundle);
    print_fact(d, "status", row->status);
    print_fact(d, "remote id", row->remote);
    show_times(d, row);
    print_fact(d, "reason", row->reason);
    print_fact(d, "key", row->key);
    print_fact(d, "incident", row->incident);
    print_fact(d, "rule", row->rule);
    print_fact(d, "group", row->group);
    fputc('\n', d->cli->out);
    print_lines(d, text->n ? buf_view(text) : row->document);
}

static int show_row(void *ctx, const struct outbox_row *row)
{
    struct listing *l = ctx;
    struct desk *d = l->desk;
    AUTO_BUF text = BUF_INIT;

    l->n++;
    (void)message_text(row->document, d->config->host, d->arena, &text);
    if (cli_has(d->cli, CLI_JSON))
        return show_json(d, row, &text);
    show_text(d, row, &text);
    return 0;
}

/* The rows that this one tells. */
static int count_row(void *ctx, const struct outbox_row *row UNUSED)
{
    ++*(size_t *)ctx;
    return 0;
}

static void show_members(const struct desk *d, uint64_t id)
{
    const struct outbox_filter f = { .bundle = id, .limit = 1000000 };
    size_t n = 0;

    if (store_outbox_list(d->store, &f, count_row, &n, NULL) == 0 && n)
        fprintf(d->cli->out, "\nit tells of %zu other rows\n", n);
}

int command_notify_show(struct cli *cli)
{
    struct desk d;
    struct listing l = { &d, NULL, 0 };
    struct outbox_filter f = { .limit = 1 };
    struct err err = ERR_NONE;
    int r;

    if (cli->nargs != 1 || parse_u64(slice_str(cli->args[0]), 1, INT64_MAX, &f.id) < 0)
        return act_usage(cli, "the number of a message is wanted, as `notify list` shows it");
    r = desk_open(&d, cli, true);
    if (r == EXIT_DONE && store_outbox_list(d.store, &f, show_row, &l, &err) < 0)
        r = cli_error(&err);
    if (r == EXIT_DONE && l.n == 0) {
        fprintf(stderr, "trailwarden: there is no message %s\n", cli->args[0]);
        r = EXIT_FAILED;
    } else if (r == EXIT_DONE && !cli_has(cli, CLI_JSON)) {
        show_members(&d, f.id);
    }
    desk_fini(&d);
    return r;
}

/* ---- retry, drop ---- */

/* Rows by number, or all of a receiver. */
static int act_on(struct cli *cli, const char *verb)
{
    struct desk d;
    struct act a;
    int r;

    if (!cli_has(cli, CLI_RECEIVER))
        return act_each(cli, verb, true);
    if (cli->nargs)
        return act_usage(cli, "either numbers, or --receiver");
    r = desk_open(&d, cli, false);
    if (r == EXIT_DONE) {
        act_begin(&a, verb);
        json_member_str(&a.w, "receiver", cli->values[CLI_RECEIVER]);
        r = act_send(&d, &a);
    }
    desk_fini(&d);
    return r;
}

int command_notify_retry(struct cli *cli)
{
    return act_on(cli, "retry");
}

int command_notify_drop(struct cli *cli)
{
    return act_on(cli, "drop");
}

/* ---- receivers ---- */

struct receivers {
    struct desk *desk;
    struct text_table *table;
    bool *seen; /* of the configured ones */
};

/* The kind of a configured one, by its number; NULL: it is configured no more. */
static const char *kind_of(const struct config *c, struct slice name, size_t *ret_i)
{
    *ret_i = SIZE_MAX;
    for (size_t i = 0; i < c->nsinks; i++)
        if (slice_is(name, c->sinks[i].name)) {
            *ret_i = i;
            return c->sinks[i].ops->name;
        }
    for (size_t i = 0; i < c->nanchors; i++)
        if (slice_is(name, c->anchors[i].sink->name))
            return c->anchors[i].sink->ops->name;
    return NULL;
}

static int receiver_json(struct desk *d, const struct receiver_row *row, const char *kind)
{
    struct json_writer *w = &d->w;

    json_object(w);
    json_member_slice(w, "receiver", row->receiver);
    json_member_bool(w, "configured", kind != NULL);
    json_member_str(w, "kind", kind ? kind : "");
    for (unsigned i = 0; i < DELIVERY_STATES; i++)
        json_member_u64(w, state_name(i), row->rows[i]);
    json_key(w, "oldest");
    if (row->oldest_us)
        json_put_time(w, row->oldest_us);
    else
        json_put_null(w);
    json_key(w, "last_sent");
    if (row->sent_us)
        json_put_time(w, row->sent_us);
    else
        json_put_null(w);
    json_object_end(w);
    return desk_print(d);
}

static int receiver_text(const struct receivers *x, const struct receiver_row *row,
                         const char *kind)
{
    const struct desk *d = x->desk;
    struct text_table *t = x->table;
    static const enum delivery_state columns[] = { DELIVERY_SENT, DELIVERY_DEAD, DELIVERY_BUNDLED,
                                                   DELIVERY_HELD };
    char time[TIME_TEXT_SIZE], age[24] = "-";

    if (row->oldest_us && d->now_us > row->oldest_us)
        span_text(d->now_us - row->oldest_us, age);
    text_table_cell(t, row->receiver);
    text_table_cell(t, slice_str(kind ? kind : "(gone)"));
    text_table_cellf(t, "%llu",
                     (unsigned long long)(row->rows[DELIVERY_WAITING] + row->rows[DELIVERY_RETRY]));
    text_table_cell(t, slice_str(age));
    for (size_t i = 0; i < ARRAY_SIZE(columns); i++)
        text_table_cellf(t, "%llu", (unsigned long long)row->rows[columns[i]]);
    text_table_cell(t, slice_str(when_text(row->sent_us, time)));
    return 0;
}

static int receiver_row(void *ctx, const struct receiver_row *row)
{
    struct receivers *x = ctx;
    size_t i;
    const char *kind = kind_of(x->desk->config, row->receiver, &i);

    if (i != SIZE_MAX)
        x->seen[i] = true;
    return cli_has(x->desk->cli, CLI_JSON) ? receiver_json(x->desk, row, kind)
                                           : receiver_text(x, row, kind);
}

static int receivers_each(struct receivers *x, struct err *err)
{
    const struct config *c = x->desk->config;
    int r;

    x->seen = arena_array(x->desk->arena, c->nsinks + 1, sizeof *x->seen);
    if (!x->seen)
        return err_nomem(err);
    r = store_receivers_each(x->desk->store, receiver_row, x, err);
    for (size_t i = 0; r == 0 && i < c->nsinks; i++) {
        const struct receiver_row none = { .receiver = slice_str(c->sinks[i].name) };

        if (!x->seen[i])
            r = receiver_row(x, &none);
    }
    return r;
}

int command_notify_receivers(struct cli *cli)
{
    static const char *const headings[] = { "RECEIVER", "KIND",    "WAITING", "OLDEST",    "SENT",
                                            "DEAD",     "BUNDLED", "HELD",    "LAST SENT", NULL };
    AUTO(text_table) table = text_table_new(headings);
    struct desk d;
    struct receivers x = { &d, table, NULL };
    struct err err = ERR_NONE;
    int r = desk_open(&d, cli, true);

    if (r == EXIT_DONE && (!table || receivers_each(&x, &err) < 0))
        r = table ? cli_error(&err) : EXIT_FAILED;
    if (r == EXIT_DONE && !cli_has(cli, CLI_JSON))
        text_table_print(table, cli->out);
    desk_fini(&d);
    return r;
}
