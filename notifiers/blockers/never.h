/*
 * Never: the addresses that no ban may touch, whatever was asked for.
 *
 * Special ones (loopback, link-local, multicast ...), our own, gateways, DNS servers and the peers
 * of SSH sessions: a ban of one of them locks out the operator or cuts the machine off. The list
 * is read anew when a ban is judged, at most once a second, and not so often that reading takes
 * more than a fiftieth of the time.
 *
 * An SSH peer counts when somebody is logged in from there: its address has a session (logind,
 * utmp), or its connection is older than sshd's patience with a login (LoginGraceTime). A mere
 * connection to the port is what a guesser of passwords has, too.
 *
 * What cannot be read now leaves the question open (-EAGAIN): then nothing is banned. That a file
 * does not exist is an answer; /etc/resolv.conf is kept as it was last read.
 *
 * The readers of lines are pure functions; what they get is bounded and not trusted.
 */
#pragma once

#include "base/ip.h"

struct never;

/* root: put before all paths, for tests; "" else. It is borrowed. */
struct never *never_new(const char *root);
void never_free(struct never *n);
DEFINE_AUTO(never)

/*
 * 0 = may be banned; 1 = never, and *ret_why says what it is: "default gateway"; -EAGAIN = not
 * known now, *ret_why says what cannot be read.
 */
int never_judge(struct never *n, const struct cidr *net, uint64_t mono_us, const char **ret_why);
/* Reads all of it when that is due: connections must be seen more than once to be old. */
void never_look(struct never *n, uint64_t mono_us);

/* ---- readers of single lines: false when it is no such line ---- */

struct never_route {
    struct ip gateway;
    bool is_default;
};
bool never_read_route4(struct slice line, struct never_route *ret); /* /proc/net/route */
bool never_read_route6(struct slice line, struct never_route *ret); /* /proc/net/ipv6_route */
bool never_read_nameserver(struct slice line, struct ip *ret); /* resolv.conf */

struct never_peer {
    struct ip ip;
    uint64_t inode; /* of our socket: tells one connection from the next */
};
/* /proc/net/tcp and tcp6: an established connection to our port 22. */
bool never_read_tcp(struct slice line, struct never_peer *ret);
/* A file of /run/systemd/sessions: where somebody is logged in from. */
bool never_read_session(struct slice text, struct ip *ret);
