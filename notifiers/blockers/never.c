#include "notifiers/blockers/never.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <utmp.h>

#include "base/clock.h"
#include "base/file.h"

/* Of one source. More than these own addresses or sessions: then nothing is banned. */
#define LIST_MAX 4096
#define SEEN_MAX 512
#define SESSIONS_MAX 1024
#define LINE_MAX_BYTES 1024
#define FILE_MAX_BYTES (64 << 20)
#define LOOK_US USEC_PER_SEC
#define GRACE_US (150 * USEC_PER_SEC) /* sshd gives 120 s for a login */

struct entry {
    struct ip ip;
    const char *what; /* fixed text */
};

struct list {
    struct entry *items;
    size_t n, cap;
    bool full;
};

struct seen { /* an SSH connection, and since when we know it */
    struct never_peer peer;
    uint64_t first_us;
    bool again;
};

enum source { OWN, GATEWAYS, SERVERS, PEERS, SOURCES };

struct never {
    const char *root;
    struct list lists[SOURCES];
    char fault[SOURCES][160]; /* why the last reading failed; empty: it did not */
    struct list sessions; /* while peers are read */
    struct seen seen[SEEN_MAX];
    size_t nseen;
    uint64_t next_us, now_us;
};

/*
 * What ip_is_special() knows, as networks (and class E, and IPv4 inside of IPv6): a ban of a
 * network could hold one. Bytes, for each ban asks them all.
 */
static const struct cidr special[] = {
    { { 4, { 0 } }, 8 },
    { { 4, { 127 } }, 8 },
    { { 4, { 169, 254 } }, 16 },
    { { 4, { 224 } }, 3 },
    { { 6, { 0 } }, 127 }, /* ::, ::1 */
    { { 6, { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff } }, 96 },
    { { 6, { 0xfe, 0x80 } }, 10 },
    { { 6, { 0xff } }, 8 },
};

static bool is_special(const struct cidr *net)
{
    for (size_t i = 0; i < ARRAY_SIZE(special); i++)
        if (cidr_overlap(&special[i], net))
            return true;
    return false;
}

struct never *never_new(const char *root)
{
    struct never *n = calloc(1, sizeof *n);

    if (n)
        n->root = root;
    return n;
}

void never_free(struct never *n)
{
    if (!n)
        return;
    for (size_t i = 0; i < SOURCES; i++)
        free(n->lists[i].items);
    free(n->sessions.items);
    free(n);
}

/* ---- reading ---- */

static bool list_has(const struct list *l, const struct ip *ip)
{
    for (size_t i = 0; i < l->n; i++)
        if (ip_eq(&l->items[i].ip, ip))
            return true;
    return false;
}

static void list_add(struct list *l, const struct ip *ip, const char *what)
{
    if (l->n == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : 32;
        struct entry *more = cap > LIST_MAX ? NULL : realloc(l->items, cap * sizeof *more);

        if (!more) {
            l->full = true;
            return;
        }
        l->items = more;
        l->cap = cap;
    }
    l->items[l->n++] = (struct entry){ *ip, what };
}

typedef void line_fn(void *ctx, struct slice line);

/* Whole lines out of the block; the rest of an unfinished one moves to its front. */
static size_t take_lines(char *block, size_t n, bool *skip, line_fn *fn, void *ctx)
{
    size_t from = 0;

    for (;;) {
        char *end = memchr(block + from, '\n', n - from);

        if (!end)
            break;
        if (!*skip && (size_t)(end - block) - from <= LINE_MAX_BYTES)
            fn(ctx, slice_of(block + from, (size_t)(end - block) - from));
        *skip = false;
        from = (size_t)(end - block) + 1;
    }
    if (n - from > LINE_MAX_BYTES) {
        *skip = true;
        return 0;
    }
    memmove(block, block + from, n - from);
    return n - from;
}

/* A file that does not exist has no lines. */
static int each_line(const char *root, const char *path, line_fn *fn, void *ctx)
{
    char whole[512], block[16384];
    bool skip = false;
    size_t have = 0, total = 0;
    ssize_t n;

    snprintf(whole, sizeof whole, "%s%s", root, path);
    AUTO_FD fd = open(whole, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

    if (fd < 0)
        return errno == ENOENT ? 0 : -errno;
    while ((n = read(fd, block + have, sizeof block - have)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        total += (size_t)n;
        if (total > FILE_MAX_BYTES)
            return -EFBIG;
        have = take_lines(block, have + (size_t)n, &skip, fn, ctx);
    }
    if (have && !skip)
        fn(ctx, slice_of(block, have));
    return 0;
}

static int read_own(struct never *n, struct list *l)
{
    struct ifaddrs *all;

    (void)n;
    if (getifaddrs(&all) < 0)
        return -errno;
    for (const struct ifaddrs *i = all; i; i = i->ifa_next) {
        struct ip ip = { 0 };
        union {
            const struct sockaddr *any;
            const struct sockaddr_in *v4;
            const struct sockaddr_in6 *v6;
        } a = { i->ifa_addr };

        if (!a.any || (a.any->sa_family != AF_INET && a.any->sa_family != AF_INET6))
            continue;
        ip.family = a.any->sa_family == AF_INET ? 4 : 6;
        if (ip.family == 4)
            memcpy(ip.bytes, &a.v4->sin_addr, 4);
        else
            memcpy(ip.bytes, &a.v6->sin6_addr, 16);
        list_add(l, &ip, "an address of this machine");
    }
    freeifaddrs(all);
    return 0;
}

static void add_route(struct list *l, const struct never_route *r)
{
    if (!list_has(l, &r->gateway))
        list_add(l, &r->gateway, r->is_default ? "default gateway" : "gateway");
}

static void route4(void *ctx, struct slice line)
{
    struct never_route r;

    if (never_read_route4(line, &r))
        add_route(ctx, &r);
}

static void route6(void *ctx, struct slice line)
{
    struct never_route r;

    if (never_read_route6(line, &r))
        add_route(ctx, &r);
}

static int read_gateways(struct never *n, struct list *l)
{
    int r = each_line(n->root, "/proc/net/route", route4, l);

    return r < 0 ? r : each_line(n->root, "/proc/net/ipv6_route", route6, l);
}

static void nameserver(void *ctx, struct slice line)
{
    struct ip ip;

    if (never_read_nameserver(line, &ip) && !list_has(ctx, &ip))
        list_add(ctx, &ip, "DNS server");
}

/* The second is where systemd-resolved names those behind its own 127.0.0.53. */
static int read_servers(struct never *n, struct list *l)
{
    int r = each_line(n->root, "/etc/resolv.conf", nameserver, l);

    each_line(n->root, "/run/systemd/resolve/resolv.conf", nameserver, l);
    return r;
}

/* ---- SSH ---- */

static void read_session_file(struct never *n, int folder, const char *name)
{
    AUTO_BUF text = BUF_LIMIT(8192);
    struct ip ip;

    if (file_read(folder, name, 8192, &text, NULL) == 0 && never_read_session(buf_view(&text), &ip))
        list_add(&n->sessions, &ip, "SSH session");
}

static void read_logind(struct never *n)
{
    char path[512];
    const struct dirent *d;
    DIR *dir;

    snprintf(path, sizeof path, "%s/run/systemd/sessions", n->root);
    dir = opendir(path);
    for (size_t i = 0; dir && i < SESSIONS_MAX && (d = readdir(dir)); i++)
        if (d->d_name[0] != '.' && !strchr(d->d_name, '.')) /* "7.ref" is no file */
            read_session_file(n, dirfd(dir), d->d_name);
    if (dir)
        closedir(dir);
}

static void read_utmp(struct never *n)
{
    char path[512];
    struct utmp u;

    snprintf(path, sizeof path, "%s/run/utmp", n->root);
    AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    for (size_t i = 0; fd >= 0 && i < SESSIONS_MAX && read(fd, &u, sizeof u) == sizeof u; i++) {
        struct ip ip;

        if (u.ut_type == USER_PROCESS &&
            ip_parse(slice_of(u.ut_host, strnlen(u.ut_host, sizeof u.ut_host)), &ip) == 0)
            list_add(&n->sessions, &ip, "SSH session");
    }
}

/* Since when it is known; UINT64_MAX: there is no room to remember it. */
static uint64_t known_since(struct never *n, const struct never_peer *p)
{
    for (size_t i = 0; i < n->nseen; i++)
        if (n->seen[i].peer.inode == p->inode && ip_eq(&n->seen[i].peer.ip, &p->ip)) {
            n->seen[i].again = true;
            return n->seen[i].first_us;
        }
    if (n->nseen == SEEN_MAX)
        return UINT64_MAX;
    n->seen[n->nseen++] = (struct seen){ *p, n->now_us, true };
    return n->now_us;
}

static void tcp(void *ctx, struct slice line)
{
    struct never *n = ctx;
    struct list *l = &n->lists[PEERS];
    struct never_peer p;
    uint64_t since;

    if (!never_read_tcp(line, &p) || p.inode == 0)
        return;
    since = known_since(n, &p);
    if (list_has(l, &p.ip))
        return;
    if (list_has(&n->sessions, &p.ip) || (since <= n->now_us && n->now_us - since >= GRACE_US))
        list_add(l, &p.ip, "SSH session");
}

static void forget_closed(struct never *n)
{
    size_t kept = 0;

    for (size_t i = 0; i < n->nseen; i++)
        if (n->seen[i].again) {
            n->seen[kept] = n->seen[i];
            n->seen[kept++].again = false;
        }
    n->nseen = kept;
}

static int read_peers(struct never *n, struct list *l)
{
    int r;

    (void)l;
    n->sessions.n = 0;
    n->sessions.full = false;
    read_logind(n);
    read_utmp(n);
    r = each_line(n->root, "/proc/net/tcp", tcp, n);
    if (r == 0)
        r = each_line(n->root, "/proc/net/tcp6", tcp, n);
    if (r == 0)
        forget_closed(n);
    return r;
}

/* ---- the whole ---- */

static const struct {
    const char *name;
    int (*read)(struct never *n, struct list *l);
    bool keeps; /* a failure leaves what was read before, and is no fault */
} sources[SOURCES] = {
    [OWN] = { "own addresses", read_own, false },
    [GATEWAYS] = { "/proc/net/route", read_gateways, false },
    [SERVERS] = { "/etc/resolv.conf", read_servers, true },
    [PEERS] = { "/proc/net/tcp", read_peers, false },
};

static void read_source(struct never *n, size_t i)
{
    struct list *l = &n->lists[i], was = *l;
    int r;

    l->n = 0;
    l->full = false;
    r = sources[i].read(n, l);
    if (r < 0 && sources[i].keeps) { /* the items are overwritten from the front only */
        l->n = l->n > was.n ? l->n : was.n;
        r = 0;
    }
    n->fault[i][0] = '\0';
    if (r < 0)
        snprintf(n->fault[i], sizeof n->fault[i], "cannot read %s: %s", sources[i].name,
                 err_name(r));
    else if (l->full)
        snprintf(n->fault[i], sizeof n->fault[i], "%s: more than can be kept", sources[i].name);
}

void never_look(struct never *n, uint64_t mono_us)
{
    const struct clock real = CLOCK_REAL;
    uint64_t began = clock_mono(&real), took;

    if (mono_us < n->next_us)
        return;
    n->now_us = mono_us;
    for (size_t i = 0; i < SOURCES; i++)
        read_source(n, i);
    took = clock_mono(&real) - began;
    n->next_us = mono_us + (took * 50 > LOOK_US ? took * 50 : LOOK_US);
}

int never_judge(struct never *n, const struct cidr *net, uint64_t mono_us, const char **ret_why)
{
    if (is_special(net)) {
        *ret_why = "special address";
        return 1;
    }
    never_look(n, mono_us);
    for (size_t s = 0; s < SOURCES; s++)
        for (size_t i = 0; i < n->lists[s].n; i++)
            if (cidr_has(net, &n->lists[s].items[i].ip)) {
                *ret_why = n->lists[s].items[i].what;
                return 1;
            }
    for (size_t s = 0; s < SOURCES; s++)
        if (n->fault[s][0]) {
            *ret_why = n->fault[s];
            return -EAGAIN;
        }
    return 0;
}
