/* `bans add` and `bans remove`: what they ask of the daemon. */
#include "logwatch/commands/bans.h"

#include <errno.h>
#include <netinet/in.h>

#include "base/clock.h"
#include "base/num.h"
#include "base/utf8.h"
#include "logwatch/commands/bans-format.h"

#define IN_ACT 60 /* networks in one request */
#define REASON_MAX 300

/* ---- requests ---- */

static void put_members(const struct bans_request *q, struct json_writer *w)
{
    if (strcmp(q->verb, "ban.add") != 0)
        return;
    json_member_u64(w, "for_s", q->for_s);
    if (q->reason)
        json_member_str(w, "reason", q->reason);
    if (q->list)
        json_member_str(w, "list", q->list);
    if (q->dry_run)
        json_member_bool(w, "dry_run", true);
}

size_t bans_request_begin(struct desk *d, struct bans_request *q, struct act *a)
{
    size_t n = 0;

    act_begin(a, q->verb);
    put_members(q, &a->w);
    json_key(&a->w, "targets");
    json_array(&a->w);
    while (n < q->n && n < IN_ACT && (n == 0 || act_has_room(d, a, BAN_TEXT_SIZE + 4))) {
        char text[BAN_TEXT_SIZE];

        ban_target_text(&q->targets[n++], text);
        json_put_str(&a->w, text);
    }
    json_array_end(&a->w);
    q->targets += n;
    q->n -= n;
    return n;
}

int bans_reason(const struct cli *cli)
{
    struct slice s = slice_str(cli->values[CLI_BAN_REASON]);

    return s.n <= REASON_MAX && act_text_ok(s)
               ? EXIT_DONE
               : act_usage(cli, "--reason is one line of text in UTF-8, at most 300 bytes");
}

/* ---- what is named ---- */

static int ports_of(const struct cli *cli, struct ban_target *t)
{
    if (cli_has(cli, CLI_PROTOCOL) &&
        ban_protocol_parse(slice_str(cli->values[CLI_PROTOCOL]), &t->protocol) < 0)
        return act_usage(cli, "--protocol is tcp, udp, icmp, icmpv6, sctp, all or a number");
    if (!cli_has(cli, CLI_PORTS))
        return EXIT_DONE;
    if (!cli_has(cli, CLI_PROTOCOL))
        t->protocol = IPPROTO_TCP;
    if (t->protocol != IPPROTO_TCP && t->protocol != IPPROTO_UDP && t->protocol != IPPROTO_SCTP)
        return act_usage(cli, "ports need a protocol: tcp, udp or sctp");
    if (ban_ports_parse(slice_str(cli->values[CLI_PORTS]), t->ports) < 0 || t->ports[0] == 0)
        return act_usage(cli, "--ports is 1 to 8 ports with commas, like 22,80");
    return EXIT_DONE;
}

/* "192.0.2.1", "192.0.2.0/24", or whole: "192.0.2.1 tcp 22,80". */
static int target_of(const struct cli *cli, const char *text, struct ban_target *ret)
{
    if (ban_target_parse(slice_str(text), ret) < 0)
        return bans_network(cli, text, &ret->net);
    if (!cli_has(cli, CLI_PORTS) && !cli_has(cli, CLI_PROTOCOL))
        return EXIT_DONE;
    if (ret->protocol)
        return act_usage(cli, "the ports are given twice");
    return ports_of(cli, ret);
}

/* ---- add ---- */

/* A ban that locks its caller out is meant seldom. */
static bool agreed(const struct ban_target *t, const struct ip *peer)
{
    char target[BAN_TEXT_SIZE], from[IP_TEXT_SIZE], answer[16];

    ban_target_text(t, target);
    ip_text(peer, from);
    fprintf(stderr, "trailwarden: %s holds %s, from where you are logged in over SSH\n", target,
            from);
    if (!isatty(STDIN_FILENO)) {
        fputs("trailwarden: nobody can be asked here: say --yes when that is meant\n", stderr);
        return false;
    }
    fputs("Ban it all the same? Type yes: ", stderr);
    return fgets(answer, sizeof answer, stdin) && slice_is(slice_trim(slice_str(answer)), "yes");
}

static int check_targets(const struct cli *cli, const struct ban_target *t, size_t n)
{
    struct ip peer;
    bool known = !cli_has(cli, CLI_YES) && ssh_peer(&peer);

    for (size_t i = 0; i < n; i++) {
        if (ban_target_special(&t[i])) {
            fprintf(stderr,
                    "trailwarden: '%s' is or holds a special address (loopback, link-local,"
                    " multicast ...): these are never banned\n",
                    cli->args[i]);
            return EXIT_USAGE;
        }
        if (known && cidr_has(&t[i].net, &peer) && !agreed(&t[i], &peer))
            return EXIT_FAILED;
    }
    return EXIT_DONE;
}

static int send_all(struct cli *cli, struct bans_request *q)
{
    struct desk d;
    int r = desk_open(&d, cli, false), worst = EXIT_DONE;

    while (r == EXIT_DONE && q->n) {
        struct act a;
        int e;

        bans_request_begin(&d, q, &a);
        e = act_send(&d, &a);
        worst = worst ? worst : e;
        if (e != EXIT_DONE && e != EXIT_FAILED)
            break; /* so it would be with the others */
    }
    desk_fini(&d);
    return r ? r : worst;
}

/* Of all arguments. NULL: told. */
static struct ban_target *targets_of(const struct cli *cli, int *ret_exit)
{
    AUTO_FREE struct ban_target *t = calloc(cli->nargs + 1, sizeof *t);

    *ret_exit = t ? EXIT_DONE : EXIT_FAILED;
    for (size_t i = 0; *ret_exit == EXIT_DONE && i < cli->nargs; i++)
        *ret_exit = target_of(cli, cli->args[i], &t[i]);
    return TAKE(t);
}

int command_bans_add(struct cli *cli)
{
    struct bans_request q = { .verb = "ban.add",
                              .reason = cli->values[CLI_BAN_REASON],
                              .list = cli->values[CLI_LIST],
                              .dry_run = cli_has(cli, CLI_DRY_RUN) };
    struct ban_target *t;
    int r;

    if (cli->nargs == 0)
        return act_usage(cli, "which address or network?");
    r = bans_for(cli, &q.for_s);
    if (r == EXIT_DONE)
        r = bans_reason(cli);
    if (r == EXIT_DONE && cli_has(cli, CLI_LIST))
        r = bans_list_name(cli);
    if (r)
        return r;
    t = targets_of(cli, &r);
    if (r == EXIT_DONE)
        r = check_targets(cli, t, cli->nargs);
    q.targets = t;
    q.n = cli->nargs;
    if (r == EXIT_DONE)
        r = send_all(cli, &q);
    free(t);
    return r;
}

/* ---- remove ---- */

struct changed {
    struct desk *desk;
    uint64_t since_us;
    size_t n;
};

static int see_removed(void *ctx, const struct ban *b)
{
    struct changed *c = ctx;
    char target[BAN_TEXT_SIZE], left[SPAN_TEXT_SIZE];
    AUTO_BUF clean = BUF_INIT;

    if (b->ended_us < c->since_us)
        return 0;
    c->n++;
    ban_target_text(&b->target, target);
    buf_printf(&clean, "%s: removed", target);
    time_span_text(b->until_us > b->ended_us ? b->until_us - b->ended_us : 0, left);
    if (b->until_us)
        buf_printf(&clean, ", %s were left", left);
    else
        buf_str(&clean, ", it was for good");
    if (b->rule.n) {
        buf_str(&clean, ", rule ");
        buf_printable(&clean, b->rule);
    }
    fprintf(c->desk->cli->out, "  %.*s\n", SLICE_FMT(buf_view(&clean)));
    return 0;
}

/* They may be more than an answer holds: what the book says since then. */
static int print_changed(struct desk *d, uint64_t since_us)
{
    struct changed c = { .desk = d, .since_us = since_us };
    const struct ban_filter f = { .states = 1u << BAN_REMOVED, .limit = INT64_MAX };
    struct err err = ERR_NONE;
    int r = desk_look_again(d);

    if (r)
        return r;
    if (store_bans_each(d->store, &f, see_removed, &c, &err) < 0)
        return cli_error(&err);
    fprintf(d->cli->out, "%zu removed\n", c.n);
    return EXIT_DONE;
}

/* The bans of a list, of an alert, or all. */
static int remove_many(struct cli *cli, const char *member, const char *value)
{
    const struct clock real = CLOCK_REAL;
    uint64_t since_us = clock_now(&real);
    const struct json *answer;
    struct desk d;
    struct act a;
    int r = desk_open(&d, cli, false);

    if (r == EXIT_DONE) {
        act_begin(&a, "ban.remove");
        if (value)
            json_member_str(&a.w, member, value);
        else
            json_member_bool(&a.w, member, true);
        r = act_ask(&d, &a, &answer);
    }
    if (r == EXIT_DONE && (cli_has(cli, CLI_JSON) || !json_bool(answer, "ok", false)))
        r = act_print(&d, answer);
    else if (r == EXIT_DONE)
        r = print_changed(&d, since_us);
    desk_fini(&d);
    return r;
}

static int remove_numbers(struct cli *cli)
{
    struct desk d;
    int r = desk_open(&d, cli, false), worst = EXIT_DONE;

    for (size_t i = 0; r == EXIT_DONE && i < cli->nargs; i++) {
        struct act a;
        int e;

        act_begin(&a, "ban.remove");
        json_member_str(&a.w, "id", cli->args[i]);
        e = act_send(&d, &a);
        worst = worst ? worst : e;
        if (e != EXIT_DONE && e != EXIT_FAILED)
            break;
    }
    desk_fini(&d);
    return r ? r : worst;
}

static size_t numbers(const struct cli *cli)
{
    size_t n = 0;
    uint64_t id;

    for (size_t i = 0; i < cli->nargs; i++)
        n += parse_u64(slice_str(cli->args[i]), 1, INT64_MAX, &id) == 0;
    return n;
}

static int remove_named(struct cli *cli)
{
    struct bans_request q = { .verb = "ban.remove", .n = cli->nargs };
    struct ban_target *t;
    int r;

    if (numbers(cli) == cli->nargs)
        return remove_numbers(cli);
    if (numbers(cli))
        return act_usage(cli, "either numbers or addresses and networks");
    t = targets_of(cli, &r);
    q.targets = t;
    if (r == EXIT_DONE)
        r = send_all(cli, &q);
    if (r == EXIT_FAILED)
        fputs("trailwarden: a wider network may hold it: see `trailwarden bans show ADDRESS`\n",
              stderr);
    free(t);
    return r;
}

int command_bans_remove(struct cli *cli)
{
    const char *list = cli->values[CLI_LIST], *alert = cli->values[CLI_OF_ALERT];
    bool all = cli_has(cli, CLI_ALL_BANS);
    int r = list ? bans_list_name(cli) : EXIT_DONE;

    if (r)
        return r;
    if ((cli->nargs > 0) + (list != NULL) + (alert != NULL) + all != 1)
        return act_usage(cli, "which? addresses, networks or numbers; or --list, --alert, --all");
    if (alert && !id_ok(slice_str(alert)))
        return act_usage(cli, "an id is 4 to 32 hex digits, as `trailwarden alerts list` shows"
                              " them");
    if (cli->nargs)
        return remove_named(cli);
    return remove_many(cli, list ? "list" : alert ? "alert" : "all", list ? list : alert);
}
