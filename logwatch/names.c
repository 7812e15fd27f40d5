#include "logwatch/names.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/log.h"
#include "logwatch/core-bans.h"

#define AGAIN_US (30 * USEC_PER_SEC) /* a name that did not answer is asked for again */

struct answer {
    uint32_t name, n;
    struct ip ips[NAME_ADDRESSES];
};

struct names {
    const struct config *config;
    int fd;
};

/* ---- the core's side ---- */

int names_new(const struct config *c, struct names **ret, struct err *err)
{
    struct names *n;

    *ret = NULL;
    if (!c->bans.blocker || c->bans.allow_names.n == 0)
        return 0;
    n = calloc(1, sizeof *n);
    if (!n)
        return err_nomem(err);
    n->config = c;
    n->fd = -1;
    *ret = n;
    return 0;
}

static void line_close(struct names *n)
{
    if (n->fd >= 0)
        close(n->fd);
    n->fd = -1;
}

void names_free(struct names *n)
{
    if (n)
        line_close(n);
    free(n);
}

int names_attach(struct names *n, int fd, struct err *err)
{
    if (!n) {
        close(fd);
        return err_set(err, -EPROTO, "no names are configured");
    }
    line_close(n);
    n->fd = fd;
    return 0;
}

/* Addresses that are some, and none that would allow everything. */
static size_t believe(struct answer *a)
{
    size_t n = 0;

    for (size_t i = 0; i < a->n && i < NAME_ADDRESSES; i++)
        if ((a->ips[i].family == 4 || a->ips[i].family == 6) && !ip_is_special(&a->ips[i]))
            a->ips[n++] = a->ips[i];
    return n;
}

int names_collect(struct names *n, struct core *core, struct err *err)
{
    struct answer a;

    while (n && n->fd >= 0) {
        ssize_t got = recv(n->fd, &a, sizeof a, MSG_DONTWAIT);

        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            return 0;
        if (got <= 0) {
            line_close(n); /* the parent starts another */
            return 0;
        }
        if ((size_t)got == sizeof a &&
            core_bans_allow(core_bans(core), a.name, a.ips, believe(&a), err) < 0)
            return err_code(err);
    }
    return 0;
}

size_t names_poll(const struct names *n, struct pollfd *fds, size_t max)
{
    if (!n || n->fd < 0 || max == 0)
        return 0;
    fds[0] = (struct pollfd){ .fd = n->fd, .events = POLLIN };
    return 1;
}

/* ---- the process ---- */

static bool take_address(const struct addrinfo *i, struct ip *ret)
{
    *ret = (struct ip){ 0 };
    if (i->ai_family == AF_INET) {
        ret->family = 4;
        memcpy(ret->bytes, &((const struct sockaddr_in *)(const void *)i->ai_addr)->sin_addr, 4);
    } else if (i->ai_family == AF_INET6) {
        ret->family = 6;
        memcpy(ret->bytes, &((const struct sockaddr_in6 *)(const void *)i->ai_addr)->sin6_addr, 16);
    }
    return ret->family != 0;
}

/* Sorted, so that the same addresses are the same answer. */
static int by_bytes(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct ip));
}

static bool ask(const char *name, struct answer *a)
{
    const struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
    struct addrinfo *list = NULL;
    int r = getaddrinfo(name, NULL, &hints, &list);

    if (r != 0) {
        log_warning("bans: allow: '%s' has no address now (%s): it keeps those it had", name,
                    gai_strerror(r));
        return false;
    }
    for (const struct addrinfo *i = list; i && a->n < NAME_ADDRESSES; i = i->ai_next)
        a->n += take_address(i, &a->ips[a->n]);
    freeaddrinfo(list);
    qsort(a->ips, a->n, sizeof a->ips[0], by_bytes);
    return a->n > 0;
}

static bool ask_all(const struct config *c, int fd)
{
    bool all = true;

    for (size_t i = 0; i < c->bans.allow_names.n; i++) {
        struct answer a = { .name = (uint32_t)i };

        if (!ask(c->bans.allow_names.items[i], &a))
            all = false;
        else if (send(fd, &a, sizeof a, MSG_NOSIGNAL) < 0)
            return false;
    }
    return all;
}

void names_work(const struct config *c, int fd)
{
    struct pollfd line = { .fd = fd, .events = POLLIN };

    for (;;) {
        uint64_t wait =
            ask_all(c, fd) || c->bans.resolve_us < AGAIN_US ? c->bans.resolve_us : AGAIN_US;

        if (poll(&line, 1, (int)(wait / 1000)) != 0) /* nobody says anything: the line ended */
            return;
    }
}
