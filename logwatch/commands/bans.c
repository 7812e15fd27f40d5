/* What the commands on bans share. */
#include "logwatch/commands/bans.h"

#include <errno.h>

#include "base/num.h"

#define LIST_NAME_MAX 40

/* ---- which ---- */

bool bans_overlap(const struct cidr *a, const struct cidr *b)
{
    return cidr_has(a, &b->net) || cidr_has(b, &a->net);
}

int bans_network(const struct cli *cli, const char *text, struct cidr *ret)
{
    struct err err = ERR_NONE;

    return cidr_parse(slice_str(text), ret, &err) < 0 ? act_usage(cli, err.text) : EXIT_DONE;
}

static const char *state_name(unsigned i)
{
    return ban_state_name((enum ban_state)i);
}

int bans_list_name(const struct cli *cli)
{
    struct slice s = slice_str(cli->values[CLI_LIST]);
    bool good = s.n > 0 && s.n <= LIST_NAME_MAX;

    for (size_t i = 0; i < s.n && good; i++)
        good = (s.p[i] >= 'a' && s.p[i] <= 'z') || (s.p[i] >= 'A' && s.p[i] <= 'Z') ||
               (s.p[i] >= '0' && s.p[i] <= '9') || (i && memchr("._-", s.p[i], 3));
    return good ? EXIT_DONE
                : act_usage(cli, "--list is a name of letters, digits and . _ -, at most 40");
}

static int origin_of(const struct cli *cli, struct bans_wanted *w)
{
    struct slice origin = slice_str(cli->values[CLI_ORIGIN]);
    int r;

    if (cli_has(cli, CLI_LIST)) {
        r = bans_list_name(cli);
        if (r)
            return r;
        if (origin.n)
            return act_usage(cli, "either --list or --origin");
        buf_printf(&w->origin, "list:%s", cli->values[CLI_LIST]);
    } else if (slice_is(origin, "list")) {
        buf_str(&w->origin, "list:");
    } else if (!origin.n || slice_is(origin, "rule") || slice_is(origin, "manual") ||
               slice_starts(origin, SLICE("list:"))) {
        buf_slice(&w->origin, origin);
    } else {
        return act_usage(cli, "--origin is rule, manual, list or list:NAME");
    }
    return buf_ok(&w->origin) ? EXIT_DONE : EXIT_FAILED;
}

static int network_of(const struct cli *cli, const char *text, struct bans_wanted *w)
{
    unsigned whole;
    int r = bans_network(cli, text, &w->near);

    if (r)
        return r;
    whole = w->near.net.family == 4 ? 32 : 128;
    if (w->near.bits == whole)
        w->filter.inside = w->near.net;
    else
        w->by_network = true;
    return EXIT_DONE;
}

int bans_wanted_of(const struct cli *cli, const char *text, size_t limit, struct bans_wanted *ret)
{
    int r;

    *ret = (struct bans_wanted){ .origin = BUF_INIT };
    r = act_limit(cli, limit, &ret->limit);
    if (r == EXIT_DONE)
        r = act_states(cli, state_name, BAN_STATES, &ret->filter.states);
    if (r == EXIT_DONE)
        r = act_span(cli, &ret->filter.since_us, &ret->filter.until_us);
    if (r == EXIT_DONE)
        r = origin_of(cli, ret);
    if (r == EXIT_DONE && text)
        r = network_of(cli, text, ret);
    return r;
}

void bans_wanted_fini(struct bans_wanted *w)
{
    buf_fini(&w->origin);
}

struct walk {
    const struct bans_wanted *wanted;
    int (*fn)(void *ctx, const struct ban *b);
    void *ctx;
    size_t n;
};

static int see(void *ctx, const struct ban *b)
{
    struct walk *k = ctx;
    int r;

    if (k->wanted->by_network && !bans_overlap(&k->wanted->near, &b->target.net))
        return 0;
    r = k->fn(k->ctx, b);
    return r ? r : ++k->n >= k->wanted->limit;
}

int bans_each(struct desk *d, struct bans_wanted *w, int (*fn)(void *ctx, const struct ban *b),
              void *ctx)
{
    struct walk k = { .wanted = w, .fn = fn, .ctx = ctx };
    struct err err = ERR_NONE;

    w->filter.origin = buf_view(&w->origin);
    w->filter.limit = w->by_network ? INT64_MAX : w->limit;
    return store_bans_each(d->store, &w->filter, see, &k, &err) < 0 ? cli_error(&err) : EXIT_DONE;
}

/* ---- options ---- */

int bans_for(const struct cli *cli, uint64_t *ret_s)
{
    struct slice text = slice_str(cli->values[CLI_BAN_FOR]);
    uint64_t us;

    if (!cli_has(cli, CLI_BAN_FOR))
        return act_usage(cli, "for how long? --for 1h, or --for forever");
    *ret_s = 0;
    if (slice_is(text, "forever"))
        return EXIT_DONE;
    if (parse_duration(text, &us) < 0 || us < USEC_PER_SEC || us / USEC_PER_SEC > BAN_MAX_S)
        return act_usage(cli, "--for is 1s to 3650d, like 30m, 1h or 7d; or forever");
    *ret_s = us / USEC_PER_SEC;
    return EXIT_DONE;
}

/* ---- showing ---- */

const char *ban_left(const struct ban *b, uint64_t now_us, char out[24])
{
    if (b->state != BAN_ACTIVE)
        return "-";
    if (b->until_us == 0)
        return "for good";
    return b->until_us > now_us ? span_text(b->until_us - now_us, out) : "0s";
}

void buf_ban_ports(struct buf *b, const struct ban_target *t)
{
    char text[BAN_TEXT_SIZE];
    size_t blank;

    ban_target_text(t, text);
    blank = slice_find_byte(slice_str(text), ' ');
    buf_str(b, blank == SIZE_MAX ? "all" : text + blank + 1);
}

void buf_ban_state(struct buf *b, const struct ban *x)
{
    buf_str(b, ban_state_name(x->state));
    if (x->dry_run)
        buf_str(b, ", dry run");
    else if (x->owed == BAN_OWES_ADD)
        buf_str(b, ", not confirmed");
    else if (x->owed == BAN_OWES_REMOVE)
        buf_str(b, ", not confirmed as removed");
}

void buf_ban_from(struct buf *b, const struct ban *x)
{
    buf_slice(b, x->origin);
    if (x->by.n)
        buf_printf(b, " by %.*s", SLICE_FMT(x->by));
}

const char *const bans_history_headings[] = { "N",     "NETWORK", "WHAT", "SINCE", "UNTIL", "STATE",
                                              "TIMES", "FROM",    "RULE", "WHY",   NULL };

void bans_history_row(struct text_table *t, const struct ban *b)
{
    uint64_t end_us = b->ended_us ? b->ended_us : b->until_us;
    char time[TIME_TEXT_SIZE], network[IP_TEXT_SIZE + 4];
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
    text_table_cell(t, slice_str(when_text(b->start_us, time)));
    text_table_cell(t, slice_str(end_us ? when_text(end_us, time) : "for good"));
    text_table_cell(t, buf_view(&state));
    text_table_cellf(t, "%u", b->times);
    text_table_cell(t, buf_view(&from));
    text_table_cell(t, b->rule.n ? b->rule : SLICE("-"));
    text_table_cell(t, b->reason);
}
