/*
 * syslog: messages over UDP, TCP or a local datagram socket.
 *
 * Nothing can be read again, and a datagram that nobody took is gone: so
 * every loss is counted by reason and told (source.dropped), at most once in
 * TELL_US for each reason. What is counted and not told yet rides in the cursor: a
 * restart does not lose it. The kernel's count of datagrams that found the
 * buffer full goes on as long as the socket lives, which may be longer than
 * we do; the cursor says how much of it was taken, and of which socket.
 *
 * A record's key is a random identity made at open and a number: no two lives
 * share one, so no two messages do. The time is that of arrival, by the kernel
 * where it tells. Who sent a message is known (TCP), or claimed (all of the header,
 * and the address of a datagram): hence RECORD_FORGEABLE for UDP.
 *
 * After open no socket is made, none is configured, nothing is opened: only
 * recv, recvmsg, accept4, epoll and close.
 */
#include <errno.h>
#include <netinet/in.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <systemd/sd-id128.h>

#include "base/json.h"
#include "base/num.h"
#include "logwatch/inputs/syslog-message.h"
#include "logwatch/inputs/syslog-private.h"

#define BYTES_MAX (UINT64_C(1) << 20)
#define DATAGRAMS_MAX 4096 /* looked at in one call */
#define TELL_US (10 * USEC_PER_SEC)
#define CURSOR_NAME SLICE("syslog")

static const struct option syslog_options[] = {
    { .name = "listen",
      .type = OPTION_STR,
      .offset = AT(struct syslog_options, listen),
      .required = true,
      .help = "Where to hear: udp:ADDRESS:PORT, tcp:ADDRESS:PORT or unix:/PATH; no host names." },
    { .name = "senders",
      .type = OPTION_STRS,
      .offset = AT(struct syslog_options, senders),
      .help = "Addresses and networks that may send; none: everybody." },
    { .name = "rate",
      .type = OPTION_U64,
      .offset = AT(struct syslog_options, rate),
      .fallback = "5000",
      .min = "0",
      .max = "1000000",
      .help = "Messages a second from one sender; more are dropped (TCP: wait); 0: no limit." },
    { .name = "connections",
      .type = OPTION_U64,
      .offset = AT(struct syslog_options, connections),
      .fallback = "256",
      .min = "1",
      .max = "4096",
      .help = "TCP connections at once." },
    { .name = "max_line",
      .type = OPTION_SIZE,
      .offset = AT(struct syslog_options, max_line),
      .fallback = "64KiB",
      .min = "1KiB",
      .max = "1MiB",
      .help = "Longer messages are cut here and marked." },
    { .name = "mode",
      .type = OPTION_STR,
      .offset = AT(struct syslog_options, mode),
      .fallback = "0660",
      .help = "Permissions of the unix socket." },
    { 0 },
};

static const char *const loss_names[] = {
    [LOSS_KERNEL] = "kernel",           [LOSS_RATE] = "rate",
    [LOSS_LONG] = "too_long",           [LOSS_SENDER] = "sender",
    [LOSS_CONNECTIONS] = "connections", [LOSS_UNFINISHED] = "unfinished",
};

/* ---- the socket ---- */

static void key_text(const void *state, struct buf *out)
{
    const struct syslog_options *o = state;
    struct syslog_place at;

    if (syslog_place_read(slice_str(o->listen), &at, NULL) == 0)
        syslog_place_text(&at, out);
}

/* Said by `trailwarden check`, not first at night when the daemon begins. */
static int check(const void *state, struct err *err)
{
    const struct syslog_options *o = state;
    AUTO(senders) senders = NULL;
    struct syslog_place at;
    unsigned mode;
    int r = o->listen ? syslog_place_read(slice_str(o->listen), &at, err) : 0;

    if (r == 0)
        r = syslog_mode_read(slice_str(o->mode), &mode, err);
    return r < 0 ? r : senders_new(&o->senders, o->rate, &senders, err);
}

static int hear(const void *state, int *ret_fd, struct err *err)
{
    const struct syslog_options *o = state;
    struct syslog_place at;
    unsigned mode;
    int r = syslog_place_read(slice_str(o->listen), &at, err);

    if (r == 0)
        r = syslog_mode_read(slice_str(o->mode), &mode, err);
    return r < 0 ? r : syslog_listen(&at, mode, ret_fd, err);
}

/* Boot and cookie: no other socket ever has both. */
static void identify(struct syslog *s)
{
    uint64_t cookie = 0;
    socklen_t n = sizeof cookie;
    sd_id128_t boot = SD_ID128_NULL;

    (void)sd_id128_get_boot(&boot);
    (void)getsockopt(s->fd, SOL_SOCKET, SO_COOKIE, &cookie, &n);
    memcpy(s->socket_id, boot.bytes, 16);
    memcpy(s->socket_id + 16, &cookie, 8);
}

/* ---- losses ---- */

void lose(struct syslog *s, enum loss_reason reason, uint64_t n, const struct ip *sender)
{
    struct loss *l = &s->losses[reason];

    if (n == 0)
        return;
    l->count += n;
    if (sender)
        l->sender = *sender;
    s->dirty = true;
}

static bool due(const struct loss *l, uint64_t now_us)
{
    return l->count && (!l->told_us || now_us >= l->told_us + TELL_US);
}

static int tell_loss(struct pass *p, enum loss_reason reason)
{
    struct loss *l = &p->s->losses[reason];
    AUTO_BUF members = BUF_INIT;
    struct json_writer w = json_writer(&members);
    char ip[IP_TEXT_SIZE];

    json_member_str(&w, "reason", loss_names[reason]);
    json_member_u64(&w, "count", l->count);
    if (l->sender.family) {
        ip_text(&l->sender, ip);
        json_member_str(&w, "last_sender", ip);
    }
    if (!buf_ok(&members) || block_notice(p->b, "source.dropped", buf_view(&members)) < 0)
        return -ENOMEM;
    *l = (struct loss){ .told_us = clock_mono(p->in->clock) };
    p->s->dirty = true;
    return 0;
}

static int tell_losses(struct pass *p)
{
    uint64_t now = clock_mono(p->in->clock);

    for (size_t i = 0; i < LOSS_REASONS; i++)
        if (due(&p->s->losses[i], now) && tell_loss(p, (enum loss_reason)i) < 0)
            return -ENOMEM;
    return 0;
}

/* ---- cursor ---- */

static void load_cursor(struct input *in, struct syslog *s)
{
    AUTO(arena) a = arena_new(4096, 1 << 20);
    const struct json *v, *lost;
    uint8_t socket_id[sizeof s->socket_id];

    if (!a || in->ncursors == 0 || !slice_eq(in->cursors[0].stream, CURSOR_NAME))
        return;
    v = json_load(a, in->cursors[0].value, NULL);
    s->had_before = hex_decode(json_text(v, "stream"), s->before, sizeof s->before) == 0;
    s->before_count = json_u64(v, "count", 0);
    if (hex_decode(json_text(v, "socket"), socket_id, sizeof socket_id) == 0 &&
        memcmp(socket_id, s->socket_id, sizeof socket_id) == 0)
        s->dropped = (uint32_t)json_u64(v, "dropped", 0);
    lost = json_get(v, "lost");
    for (size_t i = 0; i < LOSS_REASONS; i++)
        s->losses[i].count = json_u64(lost, loss_names[i], 0);
}

static int save_cursor(struct syslog *s, struct block *b)
{
    AUTO_BUF value = BUF_INIT;
    AUTO_BUF hex = BUF_INIT;
    struct json_writer w = json_writer(&value);

    buf_hex(&hex, s->stream, sizeof s->stream);
    json_object(&w);
    json_member_u64(&w, "version", 1);
    json_member_buf(&w, "stream", &hex);
    json_member_u64(&w, "count", s->count);
    buf_reset(&hex);
    buf_hex(&hex, s->socket_id, sizeof s->socket_id);
    json_member_buf(&w, "socket", &hex);
    json_member_u64(&w, "dropped", s->dropped);
    json_key(&w, "lost");
    json_object(&w);
    for (size_t i = 0; i < LOSS_REASONS; i++)
        if (s->losses[i].count)
            json_member_u64(&w, loss_names[i], s->losses[i].count);
    json_object_end(&w);
    json_object_end(&w);
    if (!buf_ok(&value) || !buf_ok(&hex))
        return -ENOMEM;
    s->dirty = false;
    return block_cursor(b, CURSOR_NAME, buf_view(&value));
}

/* Where the keys of this life begin, and where those of the last one ended. */
static int tell_start(struct pass *p)
{
    struct syslog *s = p->s;
    AUTO_BUF members = BUF_INIT;

    if (s->started)
        return 0;
    buf_str(&members, "\"stream\":\"");
    buf_hex(&members, s->stream, sizeof s->stream);
    buf_char(&members, '"');
    if (s->had_before) {
        buf_str(&members, ",\"before\":\"");
        buf_hex(&members, s->before, sizeof s->before);
        buf_printf(&members, "\",\"count\":%llu", (unsigned long long)s->before_count);
    }
    if (!buf_ok(&members) || block_notice(p->b, "source.start", buf_view(&members)) < 0)
        return -ENOMEM;
    s->started = true;
    s->dirty = true;
    return 0;
}

/* ---- open and close ---- */

static int set_up(struct input *in, struct syslog *s, const struct syslog_options *o,
                  struct err *err)
{
    AUTO_BUF place = BUF_INIT;
    int r = syslog_place_read(slice_str(o->listen), &s->at, err);

    if (r == 0)
        r = senders_new(&o->senders, o->rate, &s->senders, err);
    if (r < 0)
        return r;
    syslog_place_text(&s->at, &place);
    s->place = buf_take(&place);
    s->scratch = malloc(o->max_line);
    if (!s->place || !s->scratch)
        return err_nomem(err);
    if (getrandom(s->stream, sizeof s->stream, 0) != (ssize_t)sizeof s->stream)
        return err_set(err, -EIO, "no random bytes: %s", err_name(errno));
    s->fd = in->socket;
    if (s->fd >= 0)
        return 0;
    r = hear(o, &s->fd, err);
    s->own_fd = r == 0;
    return r;
}

static int syslog_open(struct input *in, struct err *err)
{
    const struct syslog_options *o = in->state;
    struct syslog *s = calloc(1, sizeof *s);
    int r;

    if (!s)
        return err_nomem(err);
    s->fd = -1;
    in->private = s;
    if (in->once)
        return err_set(err, -ENOTSUP, "there is nothing to replay from a syslog socket");
    r = set_up(in, s, o, err);
    if (r < 0)
        return r;
    identify(s);
    load_cursor(in, s);
    in->fd = s->fd;
    if (s->at.transport == SYSLOG_TCP) {
        r = connections_new(s->fd, o->connections, o->max_line, &s->connections, err);
        if (r < 0)
            return r;
        in->fd = connections_fd(s->connections);
    }
    return 0;
}

static void syslog_close(struct input *in)
{
    struct syslog *s = in->private;

    if (!s)
        return;
    connections_free(s->connections);
    if (s->own_fd)
        close(s->fd);
    senders_free(s->senders);
    free(s->scratch);
    free(s->place);
    free(s);
    in->private = NULL;
    in->fd = -1;
}

/* ---- records ---- */

bool pass_full(const struct pass *p)
{
    return p->b->nrecords == RECORDS_MAX || p->bytes >= p->bytes_max;
}

static int sender_text(struct pass *p, const struct ip *ip, struct slice *ret)
{
    char text[IP_TEXT_SIZE];

    if (ip->family && !(p->sender_text.p && ip_eq(ip, &p->sender))) {
        ip_text(ip, text);
        p->sender_text = arena_slice(p->b->arena, slice_str(text));
        p->sender = *ip;
    }
    *ret = ip->family ? p->sender_text : SLICE_NONE;
    return ip->family && !ret->p ? -ENOMEM : 0;
}

int pass_add(struct pass *p, const struct arrival *a)
{
    struct block *b = p->b;
    struct slice raw = arena_slice(b->arena, a->raw), sender;
    struct syslog_message m;

    if (!b->records)
        b->records = arena_array(b->arena, RECORDS_MAX, sizeof *b->records);
    if (!b->records || !raw.p || sender_text(p, &a->sender, &sender) < 0)
        return -ENOMEM;
    syslog_message_read(raw, a->time_us, &m);
    if (m.text.n == 0)
        return 0;
    b->records[b->nrecords++] = (struct record){
        .text = m.text,
        .host = m.host,
        .app = m.app,
        .sender = sender,
        .position = p->s->count++,
        .time_us = a->time_us,
        .source_time_us = m.time_us,
        .pid = m.pid,
        .priority = m.priority,
        .flags = a->flags,
    };
    p->bytes += raw.n;
    p->s->dirty = true;
    return 0;
}

/* ---- datagrams ---- */

void ip_of_peer(const struct sockaddr_storage *from, struct ip *ret)
{
    static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
    const uint8_t *v6 = ((const struct sockaddr_in6 *)from)->sin6_addr.s6_addr;

    *ret = (struct ip){ 0 };
    if (from->ss_family == AF_INET) {
        ret->family = 4;
        memcpy(ret->bytes, &((const struct sockaddr_in *)from)->sin_addr, 4);
    } else if (from->ss_family == AF_INET6 && memcmp(v6, mapped, sizeof mapped) == 0) {
        ret->family = 4;
        memcpy(ret->bytes, v6 + sizeof mapped, 4);
    } else if (from->ss_family == AF_INET6) {
        ret->family = 6;
        memcpy(ret->bytes, v6, 16);
    }
}

/* What came beside the bytes. */
struct beside {
    struct ip identity; /* of the bucket: address, or user of the machine */
    uint64_t time_us;
};

static void close_passed(const struct cmsghdr *c)
{
    size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

    for (size_t i = 0; i < n; i++) {
        int fd;

        memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
        close(fd);
    }
}

static void read_beside(struct syslog *s, struct msghdr *m, struct beside *ret)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
        uint32_t dropped;
        struct timespec t;
        struct ucred who;

        if (c->cmsg_level != SOL_SOCKET)
            continue;
        switch (c->cmsg_type) {
        case SO_RXQ_OVFL:
            memcpy(&dropped, CMSG_DATA(c), sizeof dropped);
            lose(s, LOSS_KERNEL, dropped - s->dropped, NULL);
            s->dropped = dropped;
            break;
        case SCM_TIMESTAMPNS:
            memcpy(&t, CMSG_DATA(c), sizeof t);
            ret->time_us = (uint64_t)t.tv_sec * USEC_PER_SEC + (uint64_t)t.tv_nsec / 1000;
            break;
        case SCM_CREDENTIALS:
            memcpy(&who, CMSG_DATA(c), sizeof who);
            memcpy(ret->identity.bytes, &who.uid, sizeof who.uid);
            break;
        case SCM_RIGHTS: /* nobody asked for descriptors */
            close_passed(c);
            break;
        default:
            break;
        }
    }
}

static bool wanted(struct pass *p, const struct beside *beside)
{
    struct syslog *s = p->s;
    bool local = s->at.transport == SYSLOG_UNIX;
    const struct ip *sender = local ? NULL : &beside->identity;

    if (!local && !senders_allow(s->senders, &beside->identity)) {
        lose(s, LOSS_SENDER, 1, sender);
        return false;
    }
    if (!senders_take(s->senders, &beside->identity, beside->time_us)) {
        lose(s, LOSS_RATE, 1, sender);
        return false;
    }
    return true;
}

/* 1 = there was one, 0 = nothing now. */
static int take_datagram(struct pass *p, struct err *err)
{
    struct syslog *s = p->s;
    union {
        struct cmsghdr align;
        char bytes[256];
    } control;
    struct sockaddr_storage from = { 0 };
    struct iovec part = { s->scratch, p->o->max_line };
    struct msghdr m = { .msg_name = &from,
                        .msg_namelen = sizeof from,
                        .msg_iov = &part,
                        .msg_iovlen = 1,
                        .msg_control = &control,
                        .msg_controllen = sizeof control };
    struct beside beside = { 0 };
    struct arrival a = { 0 };
    ssize_t n = recvmsg(s->fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return errno == EINTR;
    if (n < 0)
        return err_set(err, -errno, "cannot read %s: %s", s->place, err_name(errno));
    if (s->at.transport == SYSLOG_UDP)
        ip_of_peer(&from, &beside.identity);
    beside.time_us = clock_now(p->in->clock);
    read_beside(s, &m, &beside);
    if (!wanted(p, &beside))
        return 1;
    a = (struct arrival){ .raw = slice_of(s->scratch, (size_t)n), .time_us = beside.time_us };
    if (s->at.transport == SYSLOG_UDP) {
        a.sender = beside.identity;
        a.flags = RECORD_FORGEABLE;
    }
    if (m.msg_flags & MSG_TRUNC) {
        a.flags |= RECORD_TRUNCATED;
        lose(s, LOSS_LONG, 1, a.sender.family ? &a.sender : NULL);
    }
    return pass_add(p, &a) < 0 ? err_nomem(err) : 1;
}

static int read_datagrams(struct pass *p, struct err *err)
{
    int r = 1;

    for (unsigned i = 0; r > 0 && i < DATAGRAMS_MAX && !pass_full(p); i++)
        r = take_datagram(p, err);
    p->in->lag = (struct input_lag){ .since_us = r > 0 && p->b->nrecords
                                                     ? p->b->records[p->b->nrecords - 1].time_us
                                                     : 0 };
    return r < 0 && p->b->nrecords == 0 ? r : 0; /* what was taken is handed over first */
}

/* ---- read ---- */

static uint64_t next_wake(const struct input *in, const struct syslog *s)
{
    uint64_t wake = s->connections ? connections_wake_us(s->connections) : 0;

    for (size_t i = 0; i < LOSS_REASONS; i++) {
        const struct loss *l = &s->losses[i];

        if (l->count && (!wake || l->told_us + TELL_US < wake))
            wake = l->told_us + TELL_US;
    }
    return wake ? wake : clock_mono(in->clock) + 30 * USEC_PER_SEC;
}

static int syslog_read(struct input *in, struct block *b, struct err *err)
{
    struct syslog *s = in->private;
    struct pass p = { .in = in,
                      .s = s,
                      .b = b,
                      .o = in->state,
                      .bytes_max = in->block_max ? in->block_max : BYTES_MAX };
    int r = s->connections ? connections_read(s->connections, &p, err) : read_datagrams(&p, err);

    if (r < 0)
        return r;
    if (tell_start(&p) < 0 || tell_losses(&p) < 0)
        return err_nomem(err);
    b->name = slice_str(s->place);
    b->received_us = clock_now(in->clock);
    memcpy(b->stream, s->stream, sizeof b->stream);
    in->wake_us = next_wake(in, s);
    if (!s->dirty)
        return 0;
    return save_cursor(s, b) < 0 ? err_nomem(err) : 1;
}

const struct input_ops input_syslog = {
    .name = "syslog",
    .summary = "messages over UDP, TCP or a local socket",
    .options = syslog_options,
    .state_size = sizeof(struct syslog_options),
    .check = check,
    .listen_key = key_text,
    .listen = hear,
    .once_only = true,
    .open = syslog_open,
    .read = syslog_read,
    .close = syslog_close,
};
