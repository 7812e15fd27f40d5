/* `bans show`: all of one ban; or whether an address is banned, and why or why not. */
#include "logwatch/commands/bans.h"

#include <errno.h>

#include "base/clock.h"
#include "base/num.h"
#include "base/utf8.h"
#include "logwatch/commands/bans-format.h"
#include "logwatch/commands/message-text.h"

#define SHOWN_MAX 8 /* bans that hold it at once */
#define HISTORY_MAX 50
#define LINE_SHOWN 2000

struct showing {
    struct desk *desk;
    const char *query;
    uint64_t id; /* that was asked for; 0 = a network was */
    struct cidr net;
    struct ban *bans, *past; /* those that hold it; the others, newest first */
    size_t nbans, npast, more; /* more: of the past, not kept */
    bool banned; /* or a part of it */
    bool whole; /* all of it, by one ban that is for all ports */
};

/* ---- finding ---- */

static bool keep(struct arena *a, struct slice *s)
{
    *s = arena_slice(a, *s);
    return s->p != NULL;
}

/* The store's texts live for a call. */
static int copy_ban(struct arena *a, const struct ban *b, struct ban *ret)
{
    *ret = *b;
    return keep(a, &ret->origin) && keep(a, &ret->rule) && keep(a, &ret->title) &&
                   keep(a, &ret->alert) && keep(a, &ret->channel) && keep(a, &ret->reason) &&
                   keep(a, &ret->by) && keep(a, &ret->status)
               ? 0
               : -ENOMEM;
}

static int take(void *ctx, const struct ban *b)
{
    struct showing *s = ctx;
    bool wanted = s->id ? b->id == s->id : b->state == BAN_ACTIVE;

    if (wanted && b->state == BAN_ACTIVE && !b->dry_run) {
        s->banned = true;
        s->whole |= b->target.protocol == 0 && b->target.net.bits <= s->net.bits;
    }
    if (wanted && s->nbans < SHOWN_MAX)
        return copy_ban(s->desk->arena, b, &s->bans[s->nbans++]);
    if (s->npast == HISTORY_MAX) {
        s->more++;
        return 0;
    }
    return copy_ban(s->desk->arena, b, &s->past[s->npast++]);
}

static int see_network(void *ctx, const struct ban *b)
{
    *(struct cidr *)ctx = b->target.net;
    return 1;
}

/* The network of the ban with that number. */
static int find_id(struct showing *s)
{
    const struct ban_filter f = { .id = s->id, .limit = 1 };
    struct err err = ERR_NONE;

    if (store_bans_each(s->desk->store, &f, see_network, &s->net, &err) < 0)
        return cli_error(&err);
    if (s->net.net.family)
        return EXIT_DONE;
    fprintf(stderr, "trailwarden: there is no ban %llu: `trailwarden bans history` lists all\n",
            (unsigned long long)s->id);
    return EXIT_FAILED;
}

static int find(struct showing *s)
{
    char text[IP_TEXT_SIZE + 4];
    struct bans_wanted w;
    int r = s->id ? find_id(s) : EXIT_DONE;

    if (r)
        return r;
    s->bans = arena_array(s->desk->arena, SHOWN_MAX, sizeof *s->bans);
    s->past = arena_array(s->desk->arena, HISTORY_MAX, sizeof *s->past);
    if (!s->bans || !s->past)
        return EXIT_FAILED;
    cidr_text(&s->net, text);
    r = bans_wanted_of(s->desk->cli, text, 1000000, &w);
    if (r == EXIT_DONE)
        r = bans_each(s->desk, &w, take, s);
    bans_wanted_fini(&w);
    return r;
}

/* ---- the alert behind it ---- */

static int see_alert(void *ctx, const struct alert_row *row)
{
    buf_slice(ctx, row->document);
    return 1;
}

static void alert_of(const struct showing *s, const struct ban *b, struct buf *out)
{
    const struct alert_filter f = { .id = b->alert, .level_min = -1, .limit = 1 };

    if (b->alert.n)
        (void)store_alerts_each(s->desk->store, &f, see_alert, out, NULL);
}

static void show_lines(const struct desk *d, const struct json *doc)
{
    const struct json *events = json_get(doc, "events");

    if (events && events->child)
        fputs("lines, the newest last\n", d->cli->out);
    for (const struct json *e = events ? events->child : NULL; e; e = e->next) {
        AUTO_BUF clean = BUF_INIT;
        bool cut = json_bool(e, "cut", false) || json_text(e, "raw").n > LINE_SHOWN;

        buf_printable(&clean, utf8_cut(json_text(e, "raw"), LINE_SHOWN));
        fprintf(d->cli->out, "  %.*s%s\n", SLICE_FMT(buf_view(&clean)), cut ? "..." : "");
    }
}

static void show_alert(const struct showing *s, const struct ban *b)
{
    struct desk *d = s->desk;
    AUTO(arena) a = arena_new(16384, 64 << 20);
    AUTO_BUF text = BUF_INIT;
    const struct json *doc;

    if (!b->alert.n || !a)
        return;
    alert_of(s, b, &text);
    doc = text.n ? json_load(a, buf_view(&text), NULL) : NULL;
    print_factf(d, "alert", "%.*s%s", SLICE_FMT(b->alert),
                doc ? "" : ", which is not stored any more: trailwarden trail grep ID");
    if (!doc)
        return;
    print_fact(d, "because", message_why(buf_view(&text), a));
    show_lines(d, doc);
}

/* ---- one ban ---- */

static void show_state(const struct showing *s, const struct ban *b)
{
    struct desk *d = s->desk;
    char time[TIME_TEXT_SIZE], left[SPAN_TEXT_SIZE];

    time_span_text(b->until_us > d->now_us ? b->until_us - d->now_us : 0, left);
    if (b->state != BAN_ACTIVE)
        print_factf(d, "state", "%s %s", ban_state_name(b->state), when_text(b->ended_us, time));
    else if (b->until_us)
        print_factf(d, "state", "active, %s left: until %s", left, when_text(b->until_us, time));
    else
        print_fact(d, "state", SLICE("active, for good"));
    if (b->dry_run)
        print_fact(d, "dry run", SLICE("it stands in the book and was never done"));
    else if (b->owed != BAN_OWES_NOTHING)
        print_fact(d, "waits",
                   b->owed == BAN_OWES_ADD ? SLICE("the firewall has not confirmed it yet")
                                           : SLICE("the firewall has not confirmed its end yet"));
    print_fact(d, "firewall", b->status);
}

/* How often, and what that is for the next time. */
static void show_times(const struct showing *s, const struct ban *b)
{
    const struct config_bans *c = &s->desk->config->bans;
    char next[SPAN_TEXT_SIZE];
    AUTO_BUF text = BUF_INIT;

    buf_printf(&text, "number %u of this network", b->times);
    if (b->renewals)
        buf_printf(&text, ", renewed %u time%s", b->renewals, b->renewals == 1 ? "" : "s");
    if (c->nescalate && b->times) {
        time_span_text(c->escalate_us[b->times < c->nescalate ? b->times : c->nescalate - 1], next);
        buf_printf(&text, "; the next one takes %s at least", next);
    }
    print_fact(s->desk, "ban", buf_view(&text));
}

static void show_ban(const struct showing *s, const struct ban *b)
{
    struct desk *d = s->desk;
    char network[IP_TEXT_SIZE + 4], time[TIME_TEXT_SIZE];
    AUTO_BUF ports = BUF_INIT;
    AUTO_BUF from = BUF_INIT;

    cidr_text(&b->target.net, network);
    buf_ban_ports(&ports, &b->target);
    buf_ban_from(&from, b);
    fputc('\n', d->cli->out);
    print_factf(d, "number", "%llu", (unsigned long long)b->id);
    print_fact(d, "network", slice_str(network));
    print_fact(d, "ports", buf_view(&ports));
    show_state(s, b);
    print_fact(d, "since", slice_str(when_text(b->start_us, time)));
    if (b->changed_us != b->start_us)
        print_fact(d, "changed", slice_str(when_text(b->changed_us, time)));
    print_fact(d, "from", buf_view(&from));
    if (b->rule.n)
        print_factf(d, "rule", "%.*s (%.*s)", SLICE_FMT(b->title), SLICE_FMT(b->rule));
    print_fact(d, "channel", b->channel);
    print_fact(d, "why", b->reason);
    show_times(s, b);
    show_alert(s, b);
}

/* ---- all ---- */

/* What keeps it from being banned; NULL: nothing that is known here (the blocker asks the host,
 * too). */
static const char *never(const struct showing *s, char text[80])
{
    const struct ban_target t = { .net = s->net };
    const char *why = config_ban_forbidden(s->desk->config, &s->net, text);

    return why || !ban_target_special(&t) ? why : "it holds addresses that are never banned";
}

static void show_past(const struct showing *s)
{
    AUTO(text_table) t = text_table_new(bans_history_headings);

    if (!t || s->npast == 0)
        return;
    fprintf(s->desk->cli->out, "\n%s\n", s->id ? "other bans of it" : "earlier");
    for (size_t i = 0; i < s->npast; i++)
        bans_history_row(t, &s->past[i]);
    text_table_print(t, s->desk->cli->out);
    if (s->more)
        fprintf(s->desk->cli->out, "%zu more: `trailwarden bans history %s`\n", s->more, s->query);
}

/* Nothing is kept out by it, whatever the book says. */
static bool only_said(const struct desk *d)
{
    const struct blocker *b = d->config->bans.blocker;

    return b && strcmp(b->ops->name, "dry-run") == 0;
}

/* The first line answers the question. */
static void show_answer(const struct showing *s)
{
    FILE *out = s->desk->cli->out;
    char text[IP_TEXT_SIZE + 4], allowed[80];
    const char *why = never(s, allowed);

    cidr_text(&s->net, text);
    if (s->id)
        return;
    if (s->banned)
        fprintf(out, "%s is banned%s%s\n", text,
                s->whole ? "" : " in part: some of its addresses, or some ports",
                only_said(s->desk) ? "; the backend is dry-run, so nothing is done" : "");
    else
        fprintf(out, "%s is not banned%s\n", text, s->nbans ? ": there is but a dry run" : "");
    if (why)
        print_fact(s->desk, "never", slice_str(why));
    if (s->nbans == 0)
        print_factf(s->desk, "see",
                    "trailwarden alerts list; trailwarden trail grep %s --type "
                    "ban.skipped",
                    text);
}

static int show_text(const struct showing *s)
{
    show_answer(s);
    for (size_t i = 0; i < s->nbans; i++)
        show_ban(s, &s->bans[i]);
    show_past(s);
    return EXIT_DONE;
}

static void put_bans(const struct showing *s, const char *name, const struct ban *bans, size_t n)
{
    struct desk *d = s->desk;

    json_key(&d->w, name);
    json_array(&d->w);
    for (size_t i = 0; i < n; i++)
        ban_json(&bans[i], d->now_us, &d->w);
    json_array_end(&d->w);
}

static int show_json(const struct showing *s)
{
    struct desk *d = s->desk;
    AUTO_BUF alert = BUF_INIT;
    char text[IP_TEXT_SIZE + 4], allowed[80];
    const char *why = never(s, allowed);

    cidr_text(&s->net, text);
    if (s->nbans)
        alert_of(s, &s->bans[0], &alert);
    json_object(&d->w);
    json_member_str(&d->w, "network", text);
    json_member_bool(&d->w, "banned", s->banned);
    put_bans(s, "bans", s->bans, s->nbans);
    put_bans(s, "history", s->past, s->npast);
    json_member_u64(&d->w, "history_not_shown", s->more);
    if (why)
        json_member_str(&d->w, "never", why);
    json_key(&d->w, "alert");
    if (alert.n)
        json_put_raw(&d->w, slice_trim(buf_view(&alert)));
    else
        json_put_null(&d->w);
    json_object_end(&d->w);
    return desk_print(d) < 0 ? EXIT_FAILED : EXIT_DONE;
}

static int query_of(struct cli *cli, struct showing *s)
{
    if (cli->nargs != 1)
        return act_usage(cli, "the number of a ban, an address or a network is wanted");
    s->query = cli->args[0];
    if (parse_u64(slice_str(s->query), 1, INT64_MAX, &s->id) == 0)
        return EXIT_DONE;
    return bans_network(cli, s->query, &s->net);
}

int command_bans_show(struct cli *cli)
{
    struct desk d;
    struct showing s = { .desk = &d };
    int r = query_of(cli, &s);

    if (r)
        return r;
    r = desk_open(&d, cli, true);
    if (r == EXIT_DONE)
        r = find(&s);
    if (r == EXIT_DONE)
        r = cli_has(cli, CLI_JSON) ? show_json(&s) : show_text(&s);
    if (r == EXIT_DONE && !s.id && !s.banned && cli_has(cli, CLI_FAIL_EMPTY))
        r = EXIT_NOTHING;
    desk_fini(&d);
    return r;
}
