/*
 * The connections of a TCP socket.
 *
 * Each has a buffer that grows to one message at most. In one call every
 * connection that has something gives up to QUOTA messages in turn, so a busy one
 * does not shut out the others; who is too fast is left alone for PAUSE_US:
 * the messages wait at the sender. A message that is not whole within HALF_US
 * is handed over as far as it came, and its connection ends.
 *
 * When all places are taken a newcomer gets one only from an address that holds
 * several more than its own: the connection there that was silent longest ends.
 */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/table.h"
#include "logwatch/inputs/syslog-private.h"

#define EVENTS_MAX 64
#define ROUNDS_MAX 8
#define QUOTA 64
#define BUFFER_MIN 4096
#define PAUSE_US (10 * USEC_PER_MSEC)
#define HALF_US (30 * USEC_PER_SEC)
#define ACCEPT_PAUSE_US (1 * USEC_PER_SEC)

struct connection {
    int fd;
    struct ip ip;
    char *bytes;
    size_t n, cap;
    struct syslog_framer framer;
    uint64_t heard_us; /* monotonic, all of them */
    uint64_t half_us; /* since when a message is not whole; 0 = none is begun */
    uint64_t resume_us; /* not read before; 0 = at any time */
    bool watched; /* by epoll */
    bool more; /* there may be whole messages in the buffer */
    bool end, broken; /* nothing more will come; and not by the sender's will */
};

struct connections {
    int epoll, fd;
    size_t max, line_max;
    struct connection **list;
    size_t n, turn;
    struct table *held; /* address -> how many connections, as a number */
    uint64_t accept_us; /* monotonic: nobody is let in before; 0 = the door is open */
};

/* ---- life ---- */

static int watch(struct connections *c, int fd, void *whom)
{
    struct epoll_event e = { .events = EPOLLIN, .data.ptr = whom };

    return epoll_ctl(c->epoll, EPOLL_CTL_ADD, fd, &e) < 0 ? -errno : 0;
}

static void unwatch(struct connections *c, int fd)
{
    struct epoll_event e = { 0 };

    (void)epoll_ctl(c->epoll, EPOLL_CTL_DEL, fd, &e);
}

int connections_new(int fd, size_t max, size_t line_max, struct connections **ret, struct err *err)
{
    struct connections *c = calloc(1, sizeof *c);
    int r;

    if (!c)
        return err_nomem(err);
    *c = (struct connections){ .epoll = -1, .fd = fd, .max = max, .line_max = line_max };
    c->list = calloc(max, sizeof *c->list);
    c->held = table_new(max);
    c->epoll = epoll_create1(EPOLL_CLOEXEC);
    r = !c->list || !c->held ? -ENOMEM : c->epoll < 0 ? -errno : watch(c, fd, NULL);
    if (r < 0) {
        connections_free(c);
        return err_set(err, r, "epoll: %s", err_name(r));
    }
    *ret = c;
    return 0;
}

static void connection_free(struct connection *p)
{
    close(p->fd);
    free(p->bytes);
    free(p);
}

void connections_free(struct connections *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->n; i++)
        connection_free(c->list[i]);
    if (c->epoll >= 0)
        close(c->epoll);
    table_free(c->held);
    free(c->list);
    free(c);
}

int connections_fd(const struct connections *c)
{
    return c->epoll;
}

size_t connections_count(const struct connections *c)
{
    return c->n;
}

/* ---- how many each address holds ---- */

static struct slice key_of(const struct ip *ip)
{
    return slice_of((const char *)ip, sizeof *ip); /* bytes only, no padding */
}

static size_t held_by(const struct connections *c, const struct ip *ip)
{
    return (size_t)(uintptr_t)table_get(c->held, key_of(ip));
}

static void hold(struct connections *c, const struct ip *ip, size_t n)
{
    if (n == 0)
        (void)table_remove(c->held, key_of(ip));
    else if (table_put(c->held, key_of(ip), (void *)(uintptr_t)n) < 0)
        return; /* memory is out: it counts as one that holds less */
}

static void drop_at(struct connections *c, size_t i)
{
    size_t held = held_by(c, &c->list[i]->ip);

    hold(c, &c->list[i]->ip, held ? held - 1 : 0);
    connection_free(c->list[i]); /* leaves epoll with its descriptor */
    c->list[i] = c->list[--c->n];
}

/* ---- letting in ---- */

/* The silent one of the address that holds most; false when a newcomer has no better claim. */
static bool make_room(struct connections *c, struct pass *p, const struct ip *ip)
{
    size_t own = held_by(c, ip), most = 0, which = 0;

    for (size_t i = 0; i < c->n; i++) {
        const struct connection *a = c->list[i], *b = c->list[which];
        size_t n = held_by(c, &a->ip);

        if (n > most || (n == most && ip_eq(&a->ip, &b->ip) && a->heard_us < b->heard_us)) {
            most = n;
            which = i;
        }
    }
    if (most < own + 2)
        return false;
    lose(p->s, LOSS_CONNECTIONS, 1, &c->list[which]->ip);
    if (syslog_frame_open(&c->list[which]->framer, c->list[which]->n))
        lose(p->s, LOSS_UNFINISHED, 1, &c->list[which]->ip);
    drop_at(c, which);
    return true;
}

static int let_in(struct connections *c, struct pass *p, int fd, const struct ip *ip)
{
    struct connection *n;

    if (!senders_allow(p->s->senders, ip)) {
        lose(p->s, LOSS_SENDER, 1, ip);
        return 0;
    }
    if (c->n == c->max && !make_room(c, p, ip)) {
        lose(p->s, LOSS_CONNECTIONS, 1, ip);
        return 0;
    }
    n = calloc(1, sizeof *n);
    if (!n) {
        lose(p->s, LOSS_CONNECTIONS, 1, ip);
        return 0;
    }
    *n = (struct connection){
        .fd = fd, .ip = *ip, .heard_us = clock_mono(p->in->clock), .watched = true
    };
    if (watch(c, fd, n) < 0) {
        lose(p->s, LOSS_CONNECTIONS, 1, ip);
        free(n);
        return 0;
    }
    c->list[c->n++] = n;
    hold(c, ip, held_by(c, ip) + 1);
    return 1;
}

/* Out of descriptors or memory: the door stays shut for a while, else it would ring for ever. */
static void shut(struct connections *c, struct pass *p)
{
    lose(p->s, LOSS_CONNECTIONS, 1, NULL);
    c->accept_us = clock_mono(p->in->clock) + ACCEPT_PAUSE_US;
    unwatch(c, c->fd);
}

static void let_all_in(struct connections *c, struct pass *p)
{
    for (unsigned i = 0; i < EVENTS_MAX; i++) {
        struct sockaddr_storage from = { 0 };
        socklen_t n = sizeof from;
        struct ip ip;
        int fd = accept4(c->fd, (struct sockaddr *)&from, &n, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (fd < 0) {
            if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
                shut(c, p);
            if (errno == EINTR || errno == ECONNABORTED)
                continue;
            return;
        }
        ip_of_peer(&from, &ip);
        if (!let_in(c, p, fd, &ip))
            close(fd);
    }
}

/* ---- bytes ---- */

static int grow(struct connections *c, struct connection *p)
{
    size_t cap = p->cap ? p->cap * 2 : BUFFER_MIN;
    char *bytes;

    if (cap > FRAME_ROOM(c->line_max))
        cap = FRAME_ROOM(c->line_max);
    bytes = realloc(p->bytes, cap);
    if (!bytes)
        return -ENOMEM;
    p->bytes = bytes;
    p->cap = cap;
    return 0;
}

static int fill(struct connections *c, struct connection *p, uint64_t now)
{
    ssize_t n;

    if (p->n == p->cap && grow(c, p) < 0)
        return -ENOMEM;
    n = recv(p->fd, p->bytes + p->n, p->cap - p->n, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    p->end = n <= 0;
    p->broken = n < 0;
    if (n > 0) {
        p->n += (size_t)n;
        p->heard_us = now;
        if (p->framer.skip || p->framer.skip_line)
            p->half_us = now; /* it is long, not slow */
    }
    p->more = true;
    return 0;
}

static int hand_over(struct pass *p, const struct connection *from, const struct syslog_frame *f)
{
    struct arrival a = { .raw = f->text,
                         .sender = from->ip,
                         .time_us = clock_now(p->in->clock),
                         .flags =
                             (f->cut ? RECORD_TRUNCATED : 0) | (f->partial ? RECORD_PARTIAL : 0) };

    if (f->cut)
        lose(p->s, LOSS_LONG, 1, &from->ip);
    /* A line that ends with its connection is as whole as it can be. */
    if (f->partial && (f->counted || from->broken))
        lose(p->s, LOSS_UNFINISHED, 1, &from->ip);
    return pass_add(p, &a);
}

static void pause_reading(struct connections *c, struct connection *p, uint64_t now)
{
    p->resume_us = now + PAUSE_US;
    if (p->watched)
        unwatch(c, p->fd);
    p->watched = false;
}

/* Whole messages of the buffer, up to the quota. */
static int take_messages(struct connections *c, struct connection *from, struct pass *p)
{
    uint64_t now = clock_mono(p->in->clock);
    size_t used = 0;
    int r = 0;

    from->more = false;
    for (unsigned i = 0; r == 0; i++) {
        struct slice rest = slice_of(from->bytes + used, from->n - used);
        struct syslog_framer before = from->framer;
        struct syslog_frame f = { 0 };
        bool found = rest.n && syslog_frame_next(&from->framer, rest, c->line_max, from->end, &f);

        if (found && (i >= QUOTA || pass_full(p))) {
            from->framer = before;
            from->more = true;
            break;
        }
        if (found && !senders_take(p->s->senders, &from->ip, clock_now(p->in->clock))) {
            from->framer = before;
            from->more = true;
            pause_reading(c, from, now);
            break;
        }
        used += f.used;
        if (!found)
            break;
        from->half_us = 0;
        r = hand_over(p, from, &f);
    }
    from->n -= used;
    if (used && from->n)
        memmove(from->bytes, from->bytes + used, from->n);
    if (!syslog_frame_open(&from->framer, from->n) || from->more)
        from->half_us = 0;
    else if (!from->half_us)
        from->half_us = now;
    return r;
}

/* ---- turns ---- */

static void wake_paused(struct connections *c, uint64_t now)
{
    if (c->accept_us && now >= c->accept_us && watch(c, c->fd, NULL) == 0)
        c->accept_us = 0;
    for (size_t i = 0; i < c->n; i++) {
        struct connection *p = c->list[i];

        if (!p->resume_us || now < p->resume_us)
            continue;
        p->resume_us = 0;
        p->watched = !p->end && watch(c, p->fd, p) == 0;
    }
}

/* Reads once from each connection that has something. True when anything happened. */
static int listen_round(struct connections *c, struct pass *p, bool *ret_any)
{
    struct epoll_event events[EVENTS_MAX];
    int n = epoll_wait(c->epoll, events, EVENTS_MAX, 0);
    bool door = false;

    for (int i = 0; i < n; i++) {
        struct connection *from = events[i].data.ptr;

        *ret_any = true;
        if (!from)
            door = true;
        else if (!from->more && fill(c, from, clock_mono(p->in->clock)) < 0)
            return -ENOMEM;
    }
    if (door)
        let_all_in(c, p); /* last: it may end connections that are among the events */
    return 0;
}

/* What is in the buffers, beginning where the last block was full. */
static int serve_round(struct connections *c, struct pass *p, bool *ret_any)
{
    size_t n = c->n, begin = c->turn, i = 0;
    int r = 0;

    for (; r == 0 && i < n && !pass_full(p); i++) {
        struct connection *from = c->list[(begin + i) % n];

        if (!from->more || from->resume_us)
            continue;
        *ret_any = true;
        r = take_messages(c, from, p);
    }
    c->turn = n ? (begin + i) % n : 0;
    return r;
}

/* Whose message does not get whole, and who has said all. */
static int end_some(struct connections *c, struct pass *p)
{
    uint64_t now = clock_mono(p->in->clock);
    int r = 0;

    for (size_t i = 0; r == 0 && i < c->n;) {
        struct connection *from = c->list[i];
        bool late = from->half_us && now >= from->half_us + HALF_US;

        if (late && !from->end) {
            from->end = from->broken = from->more = true;
            if (!pass_full(p) && !from->resume_us)
                r = take_messages(c, from, p);
        }
        if (from->end && !from->more) {
            if (from->broken && (from->framer.skip || from->framer.skip_line))
                lose(p->s, LOSS_UNFINISHED, 1, &from->ip);
            drop_at(c, i);
            continue;
        }
        if (from->end && from->watched) {
            unwatch(c, from->fd);
            from->watched = false;
        }
        i++;
    }
    return r;
}

int connections_read(struct connections *c, struct pass *p, struct err *err)
{
    bool any = true;
    int r = 0;

    wake_paused(c, clock_mono(p->in->clock));
    for (unsigned i = 0; r == 0 && any && i < ROUNDS_MAX && !pass_full(p); i++) {
        any = false;
        r = listen_round(c, p, &any);
        if (r == 0)
            r = serve_round(c, p, &any);
        if (r == 0)
            r = end_some(c, p);
    }
    p->in->lag = (struct input_lag){ .streams = (unsigned)c->n };
    for (size_t i = 0; i < c->n; i++)
        p->in->lag.bytes += c->list[i]->n;
    if (p->in->lag.bytes && p->b->nrecords)
        p->in->lag.since_us = p->b->records[p->b->nrecords - 1].time_us;
    return r < 0 ? err_nomem(err) : 0;
}

uint64_t connections_wake_us(const struct connections *c)
{
    uint64_t wake = c->accept_us;

    for (size_t i = 0; i < c->n; i++) {
        const struct connection *p = c->list[i];
        uint64_t at = p->resume_us ? p->resume_us
                      : p->more    ? 1 /* at once */
                      : p->half_us ? p->half_us + HALF_US
                                   : 0;

        if (at && (!wake || at < wake))
            wake = at;
    }
    return wake;
}
