#include "schemas/ban.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"

/* ---- targets ---- */

bool ban_target_eq(const struct ban_target *a, const struct ban_target *b)
{
    return ip_eq(&a->net.net, &b->net.net) && a->net.bits == b->net.bits &&
           a->protocol == b->protocol && memcmp(a->ports, b->ports, sizeof a->ports) == 0;
}

static unsigned whole(uint8_t family)
{
    return family == 4 ? 32 : 128;
}

void cidr_text(const struct cidr *c, char out[IP_TEXT_SIZE + 4])
{
    ip_text(&c->net, out);
    if (c->bits != whole(c->net.family)) {
        size_t n = strlen(out);

        snprintf(out + n, IP_TEXT_SIZE + 4 - n, "/%u", c->bits);
    }
}

static const struct {
    const char *name;
    uint8_t number;
} protocols[] = { { "tcp", 6 }, { "udp", 17 }, { "icmp", 1 }, { "icmpv6", 58 }, { "sctp", 132 } };

const char *ban_protocol_name(uint8_t protocol)
{
    for (size_t i = 0; i < ARRAY_SIZE(protocols); i++)
        if (protocols[i].number == protocol)
            return protocols[i].name;
    return NULL;
}

int ban_protocol_parse(struct slice s, uint8_t *ret)
{
    uint64_t n = 0;

    if (!slice_is(s, "all")) {
        for (size_t i = 0; i < ARRAY_SIZE(protocols); i++)
            if (slice_is(s, protocols[i].name))
                n = protocols[i].number;
        if (n == 0 && parse_u64(s, 1, 255, &n) < 0)
            return -EINVAL;
    }
    *ret = (uint8_t)n;
    return 0;
}

/* Sorted in, once. */
static int add_port(uint16_t ports[BAN_PORTS_MAX], size_t *n, uint16_t port)
{
    size_t at = 0;

    while (at < *n && ports[at] < port)
        at++;
    if (at < *n && ports[at] == port)
        return 0;
    if (*n == BAN_PORTS_MAX)
        return -EINVAL;
    memmove(ports + at + 1, ports + at, (*n - at) * sizeof *ports);
    ports[at] = port;
    ++*n;
    return 0;
}

int ban_ports_parse(struct slice s, uint16_t ret[BAN_PORTS_MAX])
{
    uint16_t ports[BAN_PORTS_MAX] = { 0 };
    size_t n = 0;

    while (s.n) {
        size_t comma = slice_find_byte(s, ',');
        struct slice word = slice_take(s, comma);
        uint64_t port;

        s = comma == SIZE_MAX ? SLICE_NONE : slice_skip(s, comma + 1);
        if (parse_u64(word, 1, 65535, &port) < 0 || add_port(ports, &n, (uint16_t)port) < 0)
            return -EINVAL;
    }
    memcpy(ret, ports, sizeof ports);
    return 0;
}

void ban_target_text(const struct ban_target *t, char out[BAN_TEXT_SIZE])
{
    const char *name = ban_protocol_name(t->protocol);
    size_t n;

    cidr_text(&t->net, out);
    if (t->protocol == 0)
        return;
    n = strlen(out);
    if (name)
        snprintf(out + n, BAN_TEXT_SIZE - n, " %s", name);
    else
        snprintf(out + n, BAN_TEXT_SIZE - n, " %u", t->protocol);
    for (size_t i = 0; i < BAN_PORTS_MAX && t->ports[i]; i++) {
        n = strlen(out);
        snprintf(out + n, BAN_TEXT_SIZE - n, "%c%u", i ? ',' : ' ', t->ports[i]);
    }
}

/* The first word; what is behind it stays in *s. */
static struct slice take_word(struct slice *s)
{
    size_t blank = slice_find_byte(*s, ' ');
    struct slice word = slice_take(*s, blank);

    *s = blank == SIZE_MAX ? SLICE_NONE : slice_skip(*s, blank + 1);
    return word;
}

int ban_target_parse(struct slice s, struct ban_target *ret)
{
    struct ban_target t = { 0 };

    if (cidr_parse(take_word(&s), &t.net, NULL) < 0)
        return -EINVAL;
    if (s.n && (ban_protocol_parse(take_word(&s), &t.protocol) < 0 || t.protocol == 0 ||
                ban_ports_parse(s, t.ports) < 0))
        return -EINVAL;
    *ret = t;
    return 0;
}

void ban_ports_json(uint8_t protocol, const uint16_t ports[BAN_PORTS_MAX], struct json_writer *w)
{
    const char *name = ban_protocol_name(protocol);

    if (protocol == 0)
        return;
    json_key(w, "protocol");
    if (name)
        json_put_str(w, name);
    else
        json_put_u64(w, protocol);
    json_key(w, "ports");
    json_array(w);
    for (size_t i = 0; i < BAN_PORTS_MAX && ports[i]; i++)
        json_put_u64(w, ports[i]);
    json_array_end(w);
}

void ban_ports_read(const struct json *doc, uint8_t *ret_protocol,
                    uint16_t ret_ports[BAN_PORTS_MAX])
{
    const struct json *list = json_get(doc, "ports"), *protocol = json_get(doc, "protocol");
    size_t n = 0;

    *ret_protocol = 0;
    memset(ret_ports, 0, BAN_PORTS_MAX * sizeof *ret_ports);
    if (!protocol || ban_protocol_parse(protocol->text, ret_protocol) < 0)
        return;
    for (const struct json *m = list ? list->child : NULL; m; m = m->next) {
        uint64_t port;

        if (parse_u64(m->text, 1, 65535, &port) == 0)
            (void)add_port(ret_ports, &n, (uint16_t)port);
    }
}

struct cidr ban_network(const struct ip *ip, uint8_t bits6)
{
    struct cidr c = { .net = *ip, .bits = ip->family == 4 ? 32 : bits6 };

    for (size_t i = 0; c.net.family == 6 && i < 16; i++) {
        int left = (int)c.bits - (int)i * 8;

        if (left < 8)
            c.net.bytes[i] = (uint8_t)(left <= 0 ? 0 : c.net.bytes[i] & (0xff << (8 - left)));
    }
    return c;
}

/* ---- the book ---- */

const char *ban_state_name(enum ban_state s)
{
    static const char *const names[BAN_STATES] = { "active", "ended", "removed", "refused" };

    return s < BAN_STATES ? names[s] : "unknown";
}

static void put_text(struct json_writer *w, const char *name, struct slice s)
{
    if (s.n)
        json_member_slice(w, name, s);
}

static void put_times(const struct ban *b, uint64_t now_us, struct json_writer *w)
{
    json_member_time(w, "start", b->start_us);
    if (b->until_us)
        json_member_time(w, "until", b->until_us);
    if (b->state == BAN_ACTIVE && b->until_us)
        json_member_u64(w, "remaining_s",
                        b->until_us > now_us ? (b->until_us - now_us) / USEC_PER_SEC : 0);
    json_member_time(w, "changed", b->changed_us);
    if (b->ended_us)
        json_member_time(w, "ended", b->ended_us);
}

void ban_json(const struct ban *b, uint64_t now_us, struct json_writer *w)
{
    char network[IP_TEXT_SIZE + 4];

    cidr_text(&b->target.net, network);
    json_object(w);
    json_member_u64(w, "id", b->id);
    json_member_str(w, "network", network);
    ban_ports_json(b->target.protocol, b->target.ports, w);
    json_member_str(w, "state", ban_state_name(b->state));
    json_member_bool(w, "confirmed", b->owed == BAN_OWES_NOTHING && !b->dry_run);
    json_member_bool(w, "dry_run", b->dry_run);
    json_member_slice(w, "origin", b->origin);
    put_text(w, "rule", b->rule);
    put_text(w, "title", b->title);
    put_text(w, "alert", b->alert);
    put_text(w, "channel", b->channel);
    put_text(w, "reason", b->reason);
    put_text(w, "by", b->by);
    put_text(w, "status", b->status);
    put_times(b, now_us, w);
    json_member_u64(w, "times", b->times);
    json_member_u64(w, "renewals", b->renewals);
    json_object_end(w);
}

/* ---- to the blocker ---- */

/* Words for programs: no blanks, no control characters, ASCII. */
static void word(struct slice s, char *out, size_t size)
{
    size_t n = s.n < size - 1 ? s.n : size - 1;

    for (size_t i = 0; i < n; i++)
        out[i] = s.p[i] > 0x20 && s.p[i] < 0x7f ? s.p[i] : '_';
    out[n] = '\0';
}

static uint32_t left_s(const struct ban *b, uint64_t now_us)
{
    uint64_t left;

    if (b->until_us == 0)
        return 0;
    left = b->until_us > now_us ? (b->until_us - now_us + USEC_PER_SEC - 1) / USEC_PER_SEC : 1;
    return (uint32_t)(left < BAN_MAX_S ? left : BAN_MAX_S);
}

void ban_request_fill(const struct ban *b, uint8_t verb, uint64_t now_us, struct ban_request *ret)
{
    *ret = (struct ban_request){ .id = b->id,
                                 .verb = verb,
                                 .family = b->target.net.net.family,
                                 .bits = b->target.net.bits,
                                 .protocol = b->target.protocol,
                                 .seconds = left_s(b, now_us),
                                 .times = b->times };
    memcpy(ret->bytes, b->target.net.net.bytes, sizeof ret->bytes);
    memcpy(ret->ports, b->target.ports, sizeof ret->ports);
    word(b->rule, ret->rule, sizeof ret->rule);
    word(b->alert, ret->alert, sizeof ret->alert);
}

_Static_assert(sizeof(struct ban_target) ==
                   sizeof(struct cidr) + 2 + BAN_PORTS_MAX * sizeof(uint16_t),
               "targets are compared by their bytes");
