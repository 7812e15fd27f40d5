#include "notifiers/blockers/nft-text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"

const char *const nft_chain_names[NFT_CHAINS + 1] = { "input", "forward", "prerouting", NULL };

/* ---- names ---- */

void nft_set_name(const struct ban_target *scope, char out[NFT_NAME_SIZE])
{
    int n = snprintf(out, NFT_NAME_SIZE, "b%u_%u", scope->net.net.family, scope->net.bits);

    if (scope->protocol)
        n += snprintf(out + n, NFT_NAME_SIZE - (size_t)n, "_%u", scope->protocol);
    for (size_t i = 0; i < BAN_PORTS_MAX && scope->ports[i]; i++)
        n += snprintf(out + n, NFT_NAME_SIZE - (size_t)n, "_%u", scope->ports[i]);
}

static int read_parts(struct slice name, struct ban_target *t)
{
    struct slice part;
    uint64_t v;

    if (!slice_split(&name, '_', &part) || part.n != 2 || part.p[0] != 'b' ||
        (part.p[1] != '4' && part.p[1] != '6'))
        return -EINVAL;
    t->net.net.family = (uint8_t)(part.p[1] - '0');
    if (!slice_split(&name, '_', &part) ||
        parse_u64(part, 0, t->net.net.family == 4 ? 32 : 128, &v) < 0)
        return -EINVAL;
    t->net.bits = (uint8_t)v;
    if (slice_split(&name, '_', &part)) {
        if (parse_u64(part, 1, 255, &v) < 0)
            return -EINVAL;
        t->protocol = (uint8_t)v;
    }
    for (size_t i = 0; slice_split(&name, '_', &part); i++) {
        if (i == BAN_PORTS_MAX || parse_u64(part, 1, 65535, &v) < 0)
            return -EINVAL;
        t->ports[i] = (uint16_t)v;
    }
    return 0;
}

int nft_set_parse(struct slice name, struct ban_target *ret_scope)
{
    struct ban_target t = { 0 };
    char again[NFT_NAME_SIZE];

    if (read_parts(name, &t) < 0)
        return -EINVAL;
    nft_set_name(&t, again);
    if (!slice_is(name, again)) /* "b4_032": no name that we would give */
        return -EINVAL;
    *ret_scope = t;
    return 0;
}

bool nft_scope_eq(const struct ban_target *a, const struct ban_target *b)
{
    return a->net.net.family == b->net.net.family && a->net.bits == b->net.bits &&
           a->protocol == b->protocol && memcmp(a->ports, b->ports, sizeof a->ports) == 0;
}

/* ---- table ---- */

static void put_set(struct buf *out, const struct nft_look *l, const struct ban_target *scope)
{
    char name[NFT_NAME_SIZE];

    nft_set_name(scope, name);
    buf_printf(out, "add set inet %s %s { type %s; flags timeout; counter; }\n", l->table, name,
               scope->net.net.family == 4 ? "ipv4_addr" : "ipv6_addr");
}

static void put_ports(struct buf *out, const struct ban_target *scope)
{
    if (scope->protocol)
        buf_printf(out, "meta l4proto %u ", scope->protocol);
    for (size_t i = 0; i < BAN_PORTS_MAX && scope->ports[i]; i++)
        buf_printf(out, "%s%u", i ? ", " : "th dport { ", scope->ports[i]);
    if (scope->ports[0])
        buf_str(out, " } ");
}

static void put_mask(struct buf *out, const struct ban_target *scope)
{
    struct ip mask = { .family = scope->net.net.family };
    char text[IP_TEXT_SIZE];
    unsigned whole = mask.family == 4 ? 32 : 128;

    if (scope->net.bits == whole)
        return;
    for (unsigned i = 0; i < scope->net.bits; i++)
        mask.bytes[i / 8] |= (uint8_t)(0x80 >> (i % 8));
    ip_text(&mask, text);
    buf_printf(out, "& %s ", text);
}

static void put_rule(struct buf *out, const struct nft_look *l, const struct ban_target *scope)
{
    char name[NFT_NAME_SIZE];

    nft_set_name(scope, name);
    buf_printf(out, "add rule inet %s bans ", l->table);
    put_ports(out, scope);
    buf_str(out, scope->net.net.family == 4 ? "ip saddr " : "ip6 saddr ");
    put_mask(out, scope);
    buf_printf(out, "@%s goto sentence\n", name);
}

static void put_rules(struct buf *out, const struct nft_look *l, const struct ban_target *scopes,
                      size_t n)
{
    buf_printf(out, "flush chain inet %s bans\n", l->table);
    for (size_t i = 0; i < n; i++)
        put_rule(out, l, &scopes[i]);
}

static void put_sentence(struct buf *out, const struct nft_look *l)
{
    buf_printf(out, "flush chain inet %s sentence\n", l->table);
    if (l->log)
        buf_printf(out,
                   "add rule inet %s sentence limit rate 10/second log prefix \"trailwarden ban: "
                   "\" level info\n",
                   l->table);
    if (l->reject) {
        buf_printf(out, "add rule inet %s sentence meta l4proto 6 reject with tcp reset\n",
                   l->table);
        buf_printf(out, "add rule inet %s sentence reject\n", l->table);
    } else {
        buf_printf(out, "add rule inet %s sentence drop\n", l->table);
    }
}

/* A chain at a hook cannot change its priority: it goes and comes back. */
static void put_chains(struct buf *out, const struct nft_look *l)
{
    for (size_t i = 0; i < NFT_CHAINS; i++) {
        const char *name = nft_chain_names[i];

        buf_printf(out, "add chain inet %s %s\n", l->table, name);
        buf_printf(out, "flush chain inet %s %s\n", l->table, name);
        buf_printf(out, "delete chain inet %s %s\n", l->table, name);
        if (!l->chains[i])
            continue;
        buf_printf(out,
                   "add chain inet %s %s { type filter hook %s priority %" PRId64
                   "; policy accept; }\n",
                   l->table, name, name, l->priority);
        buf_printf(out, "add rule inet %s %s jump bans\n", l->table, name);
    }
}

void nft_put_table(struct buf *out, const struct nft_look *l, const struct ban_target *scopes,
                   size_t n)
{
    buf_printf(out, "add table inet %s\n", l->table);
    buf_printf(out, "add chain inet %s sentence\n", l->table);
    buf_printf(out, "add chain inet %s bans\n", l->table);
    for (size_t i = 0; i < n; i++)
        put_set(out, l, &scopes[i]);
    put_sentence(out, l);
    put_rules(out, l, scopes, n);
    put_chains(out, l);
}

void nft_put_removal(struct buf *out, const struct nft_look *l, const struct ban_target *scope)
{
    char name[NFT_NAME_SIZE];

    nft_set_name(scope, name);
    buf_printf(out, "delete set inet %s %s\n", l->table, name);
}

/* ---- elements ---- */

/* nft takes no number above eight digits, but days and seconds beside each other. */
static void put_element(struct buf *out, const struct ban_request *q, bool with_time)
{
    struct ip ip = { .family = q->family };
    char text[IP_TEXT_SIZE];

    memcpy(ip.bytes, q->bytes, sizeof ip.bytes);
    ip_text(&ip, text);
    buf_str(out, text);
    if (!with_time || !q->seconds)
        return;
    buf_str(out, " timeout ");
    if (q->seconds >= 86400) {
        buf_u64(out, q->seconds / 86400);
        buf_char(out, 'd');
    }
    if (q->seconds % 86400) {
        buf_u64(out, q->seconds % 86400);
        buf_char(out, 's');
    }
}

static void put_command(struct buf *out, const struct nft_look *l, const char *command,
                        const struct ban_request *q, const uint32_t *which, size_t n,
                        bool with_time)
{
    struct ban_target scope = { .net.net.family = q[which[0]].family,
                                .net.bits = q[which[0]].bits,
                                .protocol = q[which[0]].protocol };
    char name[NFT_NAME_SIZE];

    memcpy(scope.ports, q[which[0]].ports, sizeof scope.ports);
    nft_set_name(&scope, name);
    buf_printf(out, "%s element inet %s %s { ", command, l->table, name);
    for (size_t i = 0; i < n; i++) {
        if (i)
            buf_char(out, ',');
        put_element(out, &q[which[i]], with_time);
    }
    buf_str(out, " }\n");
}

void nft_put_elements(struct buf *out, const struct nft_look *l, const struct ban_request *q,
                      const uint32_t *which, size_t n, enum nft_how how)
{
    switch (how) {
    case NFT_CREATE:
        put_command(out, l, "create", q, which, n, true);
        return;
    case NFT_RENEW:
        put_command(out, l, "add", q, which, n, false);
        put_command(out, l, "delete", q, which, n, false);
        put_command(out, l, "add", q, which, n, true);
        return;
    case NFT_DELETE:
        put_command(out, l, "delete", q, which, n, false);
        return;
    case NFT_REMOVE:
        put_command(out, l, "add", q, which, n, false);
        put_command(out, l, "delete", q, which, n, false);
        return;
    }
}
