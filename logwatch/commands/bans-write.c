/* Bans as files for other tools: plain, nft, ipset, CSV, JSON. */
#include "logwatch/commands/bans-format.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"

#define NAME_LONGEST 28 /* of a set, without the 4 or 6; ipset takes 31 */
#define IPSET_TIMEOUT_MAX 2147483u

struct element {
    struct cidr net;
    uint64_t until_us; /* 0 = for good */
};

struct ban_export {
    enum ban_form form;
    char set[160];
    uint64_t now_us;
    struct element *elements;
    size_t n, cap;
    size_t rows, ports; /* written at once; left out */
    struct buf body; /* CSV and JSON */
};

/* ---- cells ---- */

void buf_csv(struct buf *b, struct slice text)
{
    bool formula = text.n && memchr("=+-@", text.p[0], 4);
    bool quoted = formula;

    for (size_t i = 0; i < text.n && !quoted; i++)
        quoted = text.p[i] == ',' || text.p[i] == '"';
    if (quoted)
        buf_char(b, '"');
    if (formula)
        buf_char(b, '\'');
    for (size_t i = 0; i < text.n; i++) {
        unsigned char byte = (unsigned char)text.p[i];

        if (byte == '"')
            buf_char(b, '"');
        buf_char(b, byte < 0x20 || byte == 0x7f ? ' ' : text.p[i]);
    }
    if (quoted)
        buf_char(b, '"');
}

static void cell(struct buf *b, struct slice text)
{
    buf_char(b, ',');
    buf_csv(b, text);
}

static void cell_u64(struct buf *b, uint64_t n)
{
    buf_char(b, ',');
    buf_u64(b, n);
}

static void cell_time(struct buf *b, uint64_t us)
{
    char time[TIME_TEXT_SIZE] = "";

    if (us)
        time_text(us, time);
    cell(b, slice_str(time));
}

static void csv_first_row(struct buf *b)
{
    buf_str(b, "id,network,protocol,ports,state,dry_run,confirmed,origin,rule,title,alert,channel,"
               "reason,by,start,until,remaining_s,times,renewals\r\n");
}

/* "tcp", "22,80". */
static void csv_target(struct buf *b, const struct ban_target *t)
{
    char text[BAN_TEXT_SIZE];
    struct slice rest, word;

    ban_target_text(t, text);
    rest = slice_str(text);
    for (int i = 0; i < 3; i++)
        cell(b, slice_split(&rest, ' ', &word) ? word : SLICE(""));
}

static void csv_ban(struct buf *b, const struct ban *x, uint64_t now_us)
{
    const struct slice texts[] = { x->origin,  x->rule,   x->title, x->alert,
                                   x->channel, x->reason, x->by };

    buf_u64(b, x->id);
    csv_target(b, &x->target);
    cell(b, slice_str(ban_state_name(x->state)));
    cell(b, slice_str(x->dry_run ? "true" : "false"));
    cell(b, slice_str(x->owed == BAN_OWES_NOTHING && !x->dry_run ? "true" : "false"));
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        cell(b, texts[i]);
    cell_time(b, x->start_us);
    cell_time(b, x->until_us);
    if (x->until_us)
        cell_u64(b, x->until_us > now_us ? (x->until_us - now_us) / USEC_PER_SEC : 0);
    else
        cell(b, SLICE(""));
    cell_u64(b, x->times);
    cell_u64(b, x->renewals);
    buf_str(b, "\r\n");
}

/* ---- names of sets ---- */

/* These go into files that a firewall runs: nothing but names. */
static bool name_ok(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!((s.p[i] >= 'a' && s.p[i] <= 'z') || (s.p[i] >= 'A' && s.p[i] <= 'Z') ||
              s.p[i] == '_' || (i && ((s.p[i] >= '0' && s.p[i] <= '9') || s.p[i] == '-'))))
            return false;
    return s.n > 0 && s.n <= NAME_LONGEST;
}

static bool nft_set_ok(struct slice text)
{
    struct slice family, table, set;

    return slice_split(&text, ' ', &family) && slice_split(&text, ' ', &table) &&
           slice_split(&text, ' ', &set) && !text.p &&
           (slice_is(family, "inet") || slice_is(family, "netdev") || slice_is(family, "bridge")) &&
           name_ok(table) && name_ok(set);
}

static int set_name(struct ban_export *e, const char *set, struct err *err)
{
    if (!set)
        set = e->form == BAN_NFT ? "inet filter banned" : "banned";
    if (e->form == BAN_NFT ? !nft_set_ok(slice_str(set)) : !name_ok(slice_str(set)))
        return err_set(err, -EINVAL,
                       e->form == BAN_NFT
                           ? "'%s' names no set: \"inet TABLE SET\" is wanted (or netdev, bridge)"
                           : "'%s' names no set: letters, digits, _ and - are wanted, at most 28",
                       set);
    (void)snprintf(e->set, sizeof e->set, "%s", set);
    return 0;
}

/* ---- collecting ---- */

int ban_export_new(enum ban_form form, const char *set, uint64_t now_us, struct ban_export **ret,
                   struct err *err)
{
    AUTO(ban_export) e = calloc(1, sizeof *e);

    if (!e)
        return err_nomem(err);
    e->form = form;
    e->now_us = now_us;
    if (form != BAN_NFT && form != BAN_IPSET && set)
        return err_set(err, -EINVAL, "only nft and ipset have sets");
    if ((form == BAN_NFT || form == BAN_IPSET) && set_name(e, set, err) < 0)
        return err_code(err);
    if (form == BAN_CSV)
        csv_first_row(&e->body);
    *ret = TAKE(e);
    return 0;
}

void ban_export_free(struct ban_export *e)
{
    if (!e)
        return;
    free(e->elements);
    buf_fini(&e->body);
    free(e);
}

static int add_element(struct ban_export *e, const struct ban *b)
{
    if (e->n == e->cap) {
        size_t cap = e->cap ? e->cap * 2 : 256;
        struct element *more = realloc(e->elements, cap * sizeof *more);

        if (!more)
            return -ENOMEM;
        e->elements = more;
        e->cap = cap;
    }
    e->elements[e->n++] = (struct element){ b->target.net, b->until_us };
    return 0;
}

static int add_document(struct ban_export *e, const struct ban *b)
{
    struct json_writer w = json_writer(&e->body);

    ban_json(b, e->now_us, &w);
    buf_char(&e->body, '\n');
    return buf_ok(&e->body) ? 0 : -ENOMEM;
}

int ban_export_add(struct ban_export *e, const struct ban *b)
{
    if (e->form == BAN_JSON || e->form == BAN_CSV)
        e->rows++;
    if (e->form == BAN_JSON)
        return add_document(e, b);
    if (e->form == BAN_CSV) {
        csv_ban(&e->body, b, e->now_us);
        return buf_ok(&e->body) ? 0 : -ENOMEM;
    }
    if (b->target.protocol) { /* as a whole network it would keep more out than is banned */
        e->ports++;
        return 0;
    }
    return add_element(e, b);
}

size_t ban_export_count(const struct ban_export *e, size_t *ret_ports)
{
    *ret_ports = e->ports;
    return e->rows;
}

/* ---- each address once ---- */

static int compare_nets(const struct cidr *a, const struct cidr *b)
{
    int r = (a->net.family > b->net.family) - (a->net.family < b->net.family);

    if (r == 0)
        r = memcmp(a->net.bytes, b->net.bytes, sizeof a->net.bytes);
    return r ? r : (a->bits > b->bits) - (a->bits < b->bits);
}

static int compare_elements(const void *a, const void *b)
{
    return compare_nets(&((const struct element *)a)->net, &((const struct element *)b)->net);
}

static int compare_targets(const void *a, const void *b)
{
    const struct ban_target *x = a, *y = b;
    int r = compare_nets(&x->net, &y->net);

    if (r == 0)
        r = (x->protocol > y->protocol) - (x->protocol < y->protocol);
    return r ? r : memcmp(x->ports, y->ports, sizeof x->ports);
}

size_t ban_targets_unique(struct ban_target *t, size_t n)
{
    size_t kept = 0;

    if (n)
        qsort(t, n, sizeof *t, compare_targets);
    for (size_t i = 0; i < n; i++)
        if (kept == 0 || !ban_target_eq(&t[i], &t[kept - 1]))
            t[kept++] = t[i];
    return kept;
}

/* Of networks that hold one another the outermost; of the same one the longest. */
static void keep_outermost(struct ban_export *e)
{
    size_t kept = 0;

    if (e->n)
        qsort(e->elements, e->n, sizeof *e->elements, compare_elements);
    for (size_t i = 0; i < e->n; i++) {
        struct element *last = kept ? &e->elements[kept - 1] : NULL, *x = &e->elements[i];

        if (!last || !cidr_has(&last->net, &x->net.net))
            e->elements[kept++] = *x;
        else if (last->net.bits == x->net.bits && last->until_us &&
                 (x->until_us == 0 || x->until_us > last->until_us))
            last->until_us = x->until_us;
    }
    e->n = e->rows = kept;
}

/* ---- files ---- */

static uint64_t left_s(const struct ban_export *e, const struct element *x)
{
    return x->until_us > e->now_us ? (x->until_us - e->now_us + USEC_PER_SEC - 1) / USEC_PER_SEC
                                   : 1;
}

static void head(const struct ban_export *e, struct buf *out)
{
    char time[TIME_TEXT_SIZE];

    time_text(e->now_us, time);
    buf_printf(out, "# bans of trailwarden, %.19sZ: %zu network%s\n", time, e->n,
               e->n == 1 ? "" : "s");
    if (e->ports)
        buf_printf(out, "# left out, because they are for some ports only: %zu\n", e->ports);
}

static void write_plain(const struct ban_export *e, struct buf *out)
{
    char text[IP_TEXT_SIZE + 4];

    for (size_t i = 0; i < e->n; i++) {
        cidr_text(&e->elements[i].net, text);
        buf_printf(out, "%s\n", text);
    }
}

static void nft_elements(const struct ban_export *e, uint8_t family, struct buf *out)
{
    char text[IP_TEXT_SIZE + 4];
    size_t n = 0;

    for (size_t i = 0; i < e->n; i++) {
        const struct element *x = &e->elements[i];

        if (x->net.net.family != family)
            continue;
        if (n++ == 0)
            buf_printf(out, "add element %s%u {\n", e->set, family);
        cidr_text(&x->net, text);
        buf_printf(out, "    %s", text);
        if (x->until_us)
            buf_printf(out, " timeout %llus", (unsigned long long)left_s(e, x));
        buf_str(out, ",\n");
    }
    if (n)
        buf_str(out, "}\n");
}

/* One transaction: the sets hold just this when it is loaded. */
static void write_nft(const struct ban_export *e, struct buf *out)
{
    buf_printf(out,
               "# load it: nft -f FILE; the sets are made once with\n"
               "#   nft add set %s4 '{ type ipv4_addr; flags interval, timeout; }'\n"
               "#   nft add set %s6 '{ type ipv6_addr; flags interval, timeout; }'\n"
               "flush set %s4\nflush set %s6\n",
               e->set, e->set, e->set, e->set);
    nft_elements(e, 4, out);
    nft_elements(e, 6, out);
}

static void ipset_entries(const struct ban_export *e, uint8_t family, struct buf *out)
{
    char text[IP_TEXT_SIZE + 4];

    buf_printf(out, "create %s%u hash:net family %s maxelem 1048576 timeout 0 -exist\n", e->set,
               family, family == 4 ? "inet" : "inet6");
    buf_printf(out, "flush %s%u\n", e->set, family);
    for (size_t i = 0; i < e->n; i++) {
        const struct element *x = &e->elements[i];
        uint64_t left = left_s(e, x);

        if (x->net.net.family != family)
            continue;
        cidr_text(&x->net, text);
        buf_printf(out, "add %s%u %s timeout %llu -exist\n", e->set, family, text,
                   (unsigned long long)(x->until_us == 0           ? 0
                                        : left < IPSET_TIMEOUT_MAX ? left
                                                                   : IPSET_TIMEOUT_MAX));
    }
}

static void write_ipset(const struct ban_export *e, struct buf *out)
{
    buf_str(out, "# load it: ipset restore < FILE\n");
    ipset_entries(e, 4, out);
    ipset_entries(e, 6, out);
}

int ban_export_finish(struct ban_export *e, struct buf *out)
{
    static void (*const writers[BAN_FORMS])(const struct ban_export *e, struct buf *out) = {
        [BAN_PLAIN] = write_plain, [BAN_NFT] = write_nft, [BAN_IPSET] = write_ipset
    };

    if (!writers[e->form]) {
        buf_slice(out, buf_view(&e->body));
        return buf_ok(out) && buf_ok(&e->body) ? 0 : -ENOMEM;
    }
    keep_outermost(e);
    head(e, out);
    writers[e->form](e, out);
    return buf_ok(out) ? 0 : -ENOMEM;
}
