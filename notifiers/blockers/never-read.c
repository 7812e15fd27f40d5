/* The readers of never.h: text of the kernel's and of resolv.conf, a line at a time. */
#include "notifiers/blockers/never.h"

#include <string.h>

#include "base/num.h"

#define FIELDS_MAX 24
#define RTF_GATEWAY_FLAG 0x2u
#define SSH_PORT 22
#define ESTABLISHED 1

/* Words between blanks; what is behind the last is dropped. */
static size_t split(struct slice line, struct slice out[FIELDS_MAX])
{
    size_t n = 0, at = 0;

    while (n < FIELDS_MAX) {
        size_t from;

        while (at < line.n && (line.p[at] == ' ' || line.p[at] == '\t'))
            at++;
        from = at;
        while (at < line.n && line.p[at] != ' ' && line.p[at] != '\t')
            at++;
        if (at == from)
            break;
        out[n++] = slice_of(line.p + from, at - from);
    }
    return n;
}

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Exactly `digits` of them. */
static bool hex(struct slice s, size_t digits, uint32_t *ret)
{
    uint32_t v = 0;

    if (s.n != digits)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        int d = digit(s.p[i]);

        if (d < 0)
            return false;
        v = v << 4 | (uint32_t)d;
    }
    *ret = v;
    return true;
}

/* The kernel prints the words of an address as numbers of this machine. */
static bool hex_words(struct slice s, struct ip *ret)
{
    struct ip ip = { .family = s.n == 8 ? 4 : 6 };
    static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

    if (s.n != 8 && s.n != 32)
        return false;
    for (size_t i = 0; i < s.n / 8; i++) {
        uint32_t word;

        if (!hex(slice_of(s.p + i * 8, 8), 8, &word))
            return false;
        memcpy(ip.bytes + i * 4, &word, 4);
    }
    if (ip.family == 6 && memcmp(ip.bytes, mapped, sizeof mapped) == 0) {
        memmove(ip.bytes, ip.bytes + 12, 4);
        memset(ip.bytes + 4, 0, 12);
        ip.family = 4;
    }
    *ret = ip;
    return true;
}

/* ipv6_route has the bytes in their order. */
static bool hex_bytes(struct slice s, struct ip *ret)
{
    struct ip ip = { .family = 6 };

    if (s.n != 32)
        return false;
    for (size_t i = 0; i < 16; i++) {
        uint32_t byte;

        if (!hex(slice_of(s.p + i * 2, 2), 2, &byte))
            return false;
        ip.bytes[i] = (uint8_t)byte;
    }
    *ret = ip;
    return true;
}

static bool is_zero(const struct ip *ip)
{
    static const uint8_t zero[16];

    return memcmp(ip->bytes, zero, sizeof zero) == 0;
}

/* Iface Destination Gateway Flags RefCnt Use Metric Mask ... */
bool never_read_route4(struct slice line, struct never_route *ret)
{
    struct slice f[FIELDS_MAX];
    struct never_route r;
    uint32_t destination, flags, mask;

    if (split(line, f) < 8 || f[2].n != 8 || !hex(f[1], 8, &destination) ||
        !hex_words(f[2], &r.gateway) || !hex(f[3], 4, &flags) || !hex(f[7], 8, &mask))
        return false;
    if (!(flags & RTF_GATEWAY_FLAG) || is_zero(&r.gateway))
        return false;
    r.is_default = destination == 0 && mask == 0;
    *ret = r;
    return true;
}

/* destination length source length gateway metric refcnt use flags iface */
bool never_read_route6(struct slice line, struct never_route *ret)
{
    struct slice f[FIELDS_MAX];
    struct never_route r;
    struct ip destination;
    uint32_t bits, flags;

    if (split(line, f) < 9 || !hex_bytes(f[0], &destination) || !hex(f[1], 2, &bits) ||
        !hex_bytes(f[4], &r.gateway) || !hex(f[8], 8, &flags))
        return false;
    if (!(flags & RTF_GATEWAY_FLAG) || is_zero(&r.gateway))
        return false;
    r.is_default = bits == 0 && is_zero(&destination);
    *ret = r;
    return true;
}

bool never_read_nameserver(struct slice line, struct ip *ret)
{
    struct slice f[FIELDS_MAX];

    return split(slice_trim(line), f) >= 2 && slice_is(f[0], "nameserver") &&
           ip_parse(slice_take(f[1], slice_find_byte(f[1], '%')), ret) == 0;
}

static bool endpoint(struct slice s, struct ip *ret_ip, uint32_t *ret_port)
{
    size_t colon = slice_find_byte(s, ':');

    return colon != SIZE_MAX && hex_words(slice_take(s, colon), ret_ip) &&
           hex(slice_skip(s, colon + 1), 4, ret_port);
}

/* sl local remote st tx:rx tr:when retrnsmt uid timeout inode */
bool never_read_tcp(struct slice line, struct never_peer *ret)
{
    struct slice f[FIELDS_MAX];
    struct never_peer p;
    struct ip local;
    uint32_t port, remote_port, state;

    if (split(line, f) < 10 || !endpoint(f[1], &local, &port) || port != SSH_PORT ||
        !endpoint(f[2], &p.ip, &remote_port) || !hex(f[3], 2, &state) || state != ESTABLISHED ||
        parse_u64(f[9], 0, UINT64_MAX, &p.inode) < 0)
        return false;
    *ret = p;
    return true;
}

bool never_read_session(struct slice text, struct ip *ret)
{
    struct slice rest = text, line;

    while (slice_split(&rest, '\n', &line))
        if (slice_starts(line, SLICE("REMOTE_HOST=")))
            return ip_parse(slice_trim(slice_skip(line, 12)), ret) == 0;
    return false;
}
