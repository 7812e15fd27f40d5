#include "base/ip.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"

static const uint8_t v4_mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

/*
 * The number that p begins with, of up to `digits` digits and no zero in front; end is where the
 * text ends. The place behind it, or NULL: there is none, or more digits.
 */
static ALWAYS_INLINE const char *number_part(const char *p, const char *end, unsigned digits,
                                             unsigned *ret)
{
    const char *from = p;
    unsigned v = 0;

    for (; p < end && *p >= '0' && *p <= '9'; p++)
        v = v * 10 + (unsigned)(*p - '0');
    *ret = v;
    return p == from || p - from > (ptrdiff_t)digits || (*from == '0' && p - from > 1) ? NULL : p;
}

/*
 * The address in decimal that s begins with, as inet_pton(3) takes it; its length, or 0. There is
 * one way to write it: it is the text that ip_text() makes.
 */
static size_t ipv4_part(struct slice s, uint8_t out[4])
{
    const char *p = s.p, *end = s.p + s.n;

    for (unsigned i = 0; i < 4; i++) {
        unsigned v;

        if (i > 0 && (p == end || *p++ != '.'))
            return 0;
        p = number_part(p, end, 3, &v);
        if (!p || v > 255)
            return 0;
        out[i] = (uint8_t)v;
    }
    return (size_t)(p - s.p);
}

/* Most texts that are no address do not look like one. */
static bool may_be_v6(struct slice s)
{
    return s.n < IP_TEXT_SIZE && memchr(s.p, ':', s.n) && !memchr(s.p, '\0', s.n);
}

int ip_parse(struct slice s, struct ip *ret)
{
    char text[IP_TEXT_SIZE];
    struct ip ip = { 0 };

    if (s.n == 0)
        return -EINVAL;
    if (ipv4_part(s, ip.bytes) == s.n) {
        ip.family = 4;
        *ret = ip;
        return 0;
    }
    if (!may_be_v6(s))
        return -EINVAL;
    memcpy(text, s.p, s.n);
    text[s.n] = '\0';
    if (inet_pton(AF_INET6, text, ip.bytes) == 1) {
        ip.family = 6;
        if (memcmp(ip.bytes, v4_mapped, sizeof v4_mapped) == 0) {
            memmove(ip.bytes, ip.bytes + 12, 4);
            memset(ip.bytes + 4, 0, 12);
            ip.family = 4;
        }
    } else {
        return -EINVAL;
    }
    *ret = ip;
    return 0;
}

static char *octet(unsigned v, char behind, char *out)
{
    if (v >= 100)
        *out++ = (char)('0' + v / 100);
    if (v >= 10)
        *out++ = (char)('0' + v / 10 % 10);
    *out++ = (char)('0' + v % 10);
    *out++ = behind;
    return out;
}

void ip_text(const struct ip *ip, char out[IP_TEXT_SIZE])
{
    if (ip->family == 4) {
        for (size_t i = 0; i < 4; i++)
            out = octet(ip->bytes[i], i < 3 ? '.' : '\0', out);
        return;
    }
    if (!ip->family || !inet_ntop(AF_INET6, ip->bytes, out, IP_TEXT_SIZE))
        out[0] = '\0';
    else if (strchr(out, '.')) /* ::/96: its end, too, is written as of any other IPv6 address */
        snprintf(out, IP_TEXT_SIZE, "::%x:%x", (unsigned)(ip->bytes[12] << 8 | ip->bytes[13]),
                 (unsigned)(ip->bytes[14] << 8 | ip->bytes[15]));
}

bool ip_eq(const struct ip *a, const struct ip *b)
{
    return a->family == b->family && memcmp(a->bytes, b->bytes, a->family == 4 ? 4 : 16) == 0;
}

static const char *const prefixes[] = {
    "tcp:",         "udp:",         "tcp4:",        "tcp6:",        "udp4:",     "udp6:",
    "tcp4-server:", "tcp6-server:", "tcp4-client:", "tcp6-client:", "[AF_INET]", "[AF_INET6]",
};

static struct slice strip_prefix(struct slice s, bool *ret_inline_v6)
{
    *ret_inline_v6 = false;
    if (s.n == 0 || (s.p[0] != 't' && s.p[0] != 'u' && s.p[0] != '[')) /* most have none */
        return s;
    for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++)
        if (slice_starts(s, slice_str(prefixes[i]))) {
            *ret_inline_v6 = prefixes[i][0] == '[';
            return slice_skip(s, strlen(prefixes[i]));
        }
    return s;
}

/* IPv4 as most logs write it: the address, or the address, a colon and a port. */
static bool plain_v4(struct slice s, struct endpoint *ret)
{
    uint8_t bytes[4];
    size_t n = s.n ? ipv4_part(s, bytes) : 0;
    struct slice port_text = SLICE_NONE;
    unsigned port = 0;

    if (n == 0)
        return false;
    if (n < s.n) {
        port_text = slice_of(s.p + n + 1, s.n - n - 1);
        if (s.p[n] != ':' || number_part(port_text.p, s.p + s.n, 5, &port) != s.p + s.n ||
            port > 65535)
            return false;
    }
    *ret = (struct endpoint){ .ip = { .family = 4 },
                              .port = (uint16_t)port,
                              .ip_as_written = slice_of(s.p, n),
                              .port_as_written = port_text };
    memcpy(ret->ip.bytes, bytes, sizeof bytes);
    return true;
}

static int with_port(struct slice address, struct slice port, struct endpoint *ret)
{
    struct endpoint e = { 0 };
    uint64_t v;

    if (ip_parse(address, &e.ip) < 0 || parse_u64(port, 0, 65535, &v) < 0)
        return -EINVAL;
    e.port = (uint16_t)v;
    *ret = e;
    return 0;
}

static int bracketed(struct slice s, struct endpoint *ret)
{
    size_t close = slice_find_byte(s, ']');
    struct endpoint e = { 0 };
    struct slice inside, rest;

    if (close == SIZE_MAX)
        return -EINVAL;
    inside = slice_of(s.p + 1, close - 1);
    rest = slice_skip(s, close + 1);
    if (rest.n && rest.p[0] == ':')
        return with_port(inside, slice_skip(rest, 1), ret);
    if (rest.n || ip_parse(inside, &e.ip) < 0)
        return -EINVAL;
    *ret = e;
    return 0;
}

int endpoint_parse(struct slice s, unsigned flags, struct endpoint *ret)
{
    struct endpoint e = { 0 };
    bool inline_v6;
    size_t last;

    s = strip_prefix(s, &inline_v6);
    if (plain_v4(s, ret))
        return 0;
    if (s.n && s.p[0] == '[')
        return bracketed(s, ret);
    last = slice_rfind_byte(s, ':');
    if (last != SIZE_MAX &&
        (slice_find_byte(s, ':') == last || inline_v6 || (flags & ENDPOINT_V6_LAST_COLON_PORT)))
        return with_port(slice_of(s.p, last), slice_skip(s, last + 1), ret);
    if (ip_parse(s, &e.ip) < 0)
        return -EINVAL;
    *ret = e;
    return 0;
}

static bool bits_equal(const uint8_t *a, const uint8_t *b, unsigned bits)
{
    unsigned whole = bits / 8, rest = bits % 8;

    if (memcmp(a, b, whole) != 0)
        return false;
    return rest == 0 || ((a[whole] ^ b[whole]) >> (8 - rest)) == 0;
}

int cidr_parse(struct slice s, struct cidr *ret, struct err *err)
{
    size_t slash = slice_find_byte(s, '/');
    struct cidr c = { 0 };
    unsigned max;
    uint64_t bits;

    if (ip_parse(slash == SIZE_MAX ? s : slice_take(s, slash), &c.net) < 0)
        return err_set(err, -EINVAL, "'%.*s' is no address or network", SLICE_FMT(s));
    max = c.net.family == 4 ? 32 : 128;
    bits = max;
    if (slash != SIZE_MAX && parse_u64(slice_skip(s, slash + 1), 0, max, &bits) < 0)
        return err_set(err, -EINVAL, "'%.*s': the prefix length must be 0 to %u", SLICE_FMT(s),
                       max);
    for (unsigned i = (unsigned)bits; i < max; i++)
        if (c.net.bytes[i / 8] & (0x80 >> (i % 8))) {
            struct ip fixed = c.net;
            char text[IP_TEXT_SIZE];

            for (unsigned j = (unsigned)bits; j < max; j++)
                fixed.bytes[j / 8] &= (uint8_t) ~(0x80 >> (j % 8));
            ip_text(&fixed, text);
            return err_set(err, -EINVAL, "'%.*s' has host bits set: did you mean %s/%u?",
                           SLICE_FMT(s), text, (unsigned)bits);
        }
    c.bits = (uint8_t)bits;
    *ret = c;
    return 0;
}

bool cidr_has(const struct cidr *c, const struct ip *ip)
{
    return c->net.family == ip->family && bits_equal(c->net.bytes, ip->bytes, c->bits);
}

bool cidr_overlap(const struct cidr *a, const struct cidr *b)
{
    return a->bits <= b->bits ? cidr_has(a, &b->net) : cidr_has(b, &a->net);
}

/* RFC 6890 and the like: what a ban would cut us off with, or what is nobody. */
static const char *const special[] = {
    "0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "255.255.255.255",
    "::",        "::1",         "fe80::/10",      "ff00::/8",
};

bool ip_is_special(const struct ip *ip)
{
    for (size_t i = 0; i < ARRAY_SIZE(special); i++) {
        struct cidr c;

        if (cidr_parse(slice_str(special[i]), &c, NULL) == 0 && cidr_has(&c, ip))
            return true;
    }
    return false;
}
