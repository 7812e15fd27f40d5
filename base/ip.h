/*
 * Internet addresses and networks: the one helper that reads them from logs.
 *
 * ip_parse() takes a bare IPv4 or IPv6 address (RFC 4291 text as inet_pton
 * reads it: no octal, no host names, no zone) and maps ::ffff:a.b.c.d to
 * IPv4. endpoint_parse() takes what the channels write: an optional prefix
 * (tcp: udp: udp4: tcp4-server: udp6: ...), [AF_INET]/[AF_INET6], then [v6]:port, v4:port,
 * v6:port split at the last colon when `v6_port` says so, or a bare address.
 * What is not wholly an address is refused: a masked one is none.
 */
#pragma once

#include "base/err.h"
#include "base/slice.h"

struct ip {
    uint8_t family; /* 4, 6; 0 = none */
    uint8_t bytes[16];
};

int ip_parse(struct slice s, struct ip *ret);
#define IP_TEXT_SIZE 46
void ip_text(const struct ip *ip, char out[IP_TEXT_SIZE]);
bool ip_eq(const struct ip *a, const struct ip *b);

struct endpoint {
    struct ip ip;
    uint16_t port; /* 0 = not given */
    /* Those parts of the text that are what ip_text() and a number would write; p NULL: written in
     * another way. */
    struct slice ip_as_written, port_as_written;
};
enum endpoint_flags {
    ENDPOINT_V6_LAST_COLON_PORT =
        1, /* 2001:db8::5:50978 = address and port (uvicorn, OpenVPN inline) */
};
int endpoint_parse(struct slice s, unsigned flags, struct endpoint *ret);

struct cidr {
    struct ip net;
    uint8_t bits;
};
/* 10.0.0.0/8, or a bare address (all bits). Host bits set: -EINVAL with a hint in err. */
int cidr_parse(struct slice s, struct cidr *ret, struct err *err);
bool cidr_has(const struct cidr *c, const struct ip *ip);
/* One has an address that the other has, too. */
bool cidr_overlap(const struct cidr *a, const struct cidr *b);
/* Loopback, unspecified, multicast, link-local, broadcast: never to be banned. */
bool ip_is_special(const struct ip *ip);
