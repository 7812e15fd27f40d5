/*
 * Blocker: one kind of firewall, driven by requests of a fixed size.
 *
 * It runs in a process of its own that holds CAP_NET_ADMIN (or what the operator's programs
 * need) and nothing else: no logs, no state, no secrets, no network. What should be banned is in
 * the core's book; a blocker that begins anew is told all of it. Two layers:
 *
 *     blocker_work()   takes packets of requests, judges each (ban-judge.h), hands what may be
 *                      done to the backend in batches, answers; watches that it stays done
 *     ops              one table for each backend: nftables, ipset, fail2ban, command, dry-run
 *
 * A request is judged here again, whoever sent it: a network that is never banned (never.h), the
 * allow list, a prefix that is too short, a time that is too long, more bans than `max` or faster
 * than `rate` are BAN_NO or BAN_FAILED. BAN_REMOVE is never refused.
 *
 * The line: each side may have more to say than the other has taken, so the core must not wait
 * when it sends; the blocker waits until its answers are taken. Requests are answered one by one,
 * in packets as they come; BAN_LOST (id 0) may stand between any two. In a sync the ALLOWs come
 * before the ADDs. Where `ends` is false, the core sends BAN_REMOVE when a ban's time is over.
 *
 * What the process needs beside its line:
 *
 *     all          sockets of AF_NETLINK, protocol 0 (getifaddrs). Reading /proc/net (a link to
 *                  /proc/self/net): route, ipv6_route, tcp, tcp6; /etc/resolv.conf,
 *                  /run/systemd/resolve. What does not exist does no harm; when one of /proc/net
 *                  cannot be read, nothing is banned. /run/systemd/sessions and /run/utmp: without
 *                  them an SSH session protects its address only when it is older than 150 s
 *     nftables     capability net_admin. Sockets of AF_NETLINK, protocol 12 (NETLINK_NETFILTER),
 *                  also later on (libnftables opens its own anew after an interrupted listing),
 *                  with bind, sendmsg, recvmsg, getsockname, setsockopt (buffers, patience, a
 *                  filter, a group). /etc/iproute2, /etc/protocols: their lack does no harm.
 *                  25 MiB with 100,000 bans. With `close` (ops->runs): exec, as ipset
 *     ipset        net_admin, which its program must inherit; exec
 *     fail2ban     exec; the server's socket is root's
 *     command      exec, and whatever the operator's programs need
 *     dry-run      writing `file`
 */
#pragma once

#include "base/option.h"
#include "schemas/ban.h"

struct blocker;

/* What is there now, as the backend itself sees it. */
struct ban_held {
    struct ban_target target;
    uint64_t left_s; /* UINT64_MAX = for good or not known */
    uint64_t packets, bytes; /* dropped by it; 0 = not counted */
};

struct blocker_ops {
    const char *name; /* the word after `backend:` */
    const char *summary;
    const struct option *options; /* ends with { 0 } */
    size_t state_size;
    bool ends; /* bans end by themselves at the other end, also when we are dead */
    bool networks; /* takes more than single addresses */
    bool ports; /* takes protocol and ports */
    bool needs_net_admin;
    bool pretends; /* nothing is done: its bans are dry runs in the book */
    bool runs_programs; /* of the operator's choice: its process keeps its rights */
    size_t batch; /* largest that apply() gets; 0 = 5,000 */

    /* At configuration: checks what tables cannot. In the parent, with no side effect. */
    int (*open)(struct blocker *b, struct err *err);
    /* In its own process, when rights were dropped: tables and sets are made, hooks run. */
    int (*start)(struct blocker *b, struct err *err);
    /* Loaded and opened: it runs programs as it is configured, though its kind need not. NULL: no.
     */
    bool (*runs)(const struct blocker *b);
    /*
     * All of these, in order; a batch may be up to 5,000, and no target is in it twice. Fills
     * ret[i] for each; one bad request must not fail the others.
     */
    void (*apply)(struct blocker *b, const struct ban_request *q, size_t n, struct ban_result *ret);
    /*
     * 1 = as we left it; 2 = others changed something: single bans may be missing, which held()
     * will show; 0 = gone or changed by others (it was made anew, empty); negative: errno.
     */
    int (*check)(struct blocker *b, struct err *err);
    /* Becomes readable when somebody changed the firewall: check then. -1 or NULL: only by time. */
    int (*watch)(struct blocker *b);
    /* -ENOTSUP: it cannot be listed. NULL: the same. */
    int (*held)(struct blocker *b, int (*fn)(void *ctx, const struct ban_held *h), void *ctx,
                struct err *err);
    void (*close)(struct blocker *b); /* also after a failed open, or twice; bans stay */
};

struct blocker_settings { /* common to all backends; the configuration's `bans:` */
    struct option_strs allow; /* networks; names are resolved elsewhere and come as BAN_ALLOW */
    uint64_t max; /* bans at once */
    uint64_t rate; /* new bans a minute */
    uint64_t bits4_min, bits6_min; /* shorter prefixes are refused: 16, 32 */
    uint64_t check_us; /* look at the firewall so often */
};

struct blocker {
    const struct blocker_ops *ops;
    void *state; /* state_size bytes, filled from the options */
    struct blocker_settings settings;
};

extern const struct blocker_ops *const blocker_kinds[]; /* ends with NULL */

const struct blocker_ops *blocker_kind(struct slice name); /* NULL when unknown */

/* Fills one result, printable; false, to be handed on. */
bool blocker_say(struct ban_result *ret, uint64_t id, enum ban_said said, const char *fmt, ...)
    PRINTF_LIKE(4, 5);

/* SIGTERM waits: what is slow leaves the rest of its batch undone. */
bool blocker_ending(void);

/* The process of the blocker: starts, works until the line (SOCK_SEQPACKET) ends or SIGTERM comes
 * (it stays blocked), and closes. */
void blocker_work(struct blocker *b, int fd);
