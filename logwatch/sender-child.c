/* The process of one receiver: takes rows, delivers them, and says what people want there. */
#include <errno.h>
#include <signal.h>
#include <sys/socket.h>

#include "logwatch/sender-private.h"

static bool read_order(const char *p, size_t n, struct order *ret_order,
                       struct slice text[ORDER_TEXTS])
{
    uint64_t total = sizeof *ret_order;

    if (n < sizeof *ret_order)
        return false;
    memcpy(ret_order, p, sizeof *ret_order);
    for (size_t i = 0; i < ORDER_TEXTS; i++)
        total += ret_order->n[i];
    if (total != n)
        return false;
    p += sizeof *ret_order;
    for (size_t i = 0; i < ORDER_TEXTS; p += ret_order->n[i], i++)
        text[i] = slice_of(p, ret_order->n[i]);
    return true;
}

static void put_answer(const struct order *o, const struct delivery_result *result, struct buf *out)
{
    struct slice reply = buf_ok(&result->reply) ? buf_view(&result->reply) : SLICE_NONE;
    struct answer a = { .row = o->row,
                        .state = (int32_t)result->state,
                        .broken = result->broken,
                        .retry_after_us = result->retry_after_us,
                        .size = result->size,
                        .said = (int32_t)result->said };

    memcpy(a.status, result->status, sizeof a.status);
    memcpy(a.remote, result->remote, sizeof a.remote);
    reply = slice_take(reply, REPLY_MAX);
    a.reply_n = (uint32_t)reply.n;
    buf_reset(out);
    buf_add(out, &a, sizeof a);
    buf_slice(out, reply);
}

static void deliver(struct sink *sink, const char *host, struct arena *a, const struct order *o,
                    const struct slice text[ORDER_TEXTS], struct buf *out)
{
    const struct clock real = CLOCK_REAL;
    struct delivery_result result = { .state = DELIVERY_RETRY };
    struct delivery d = {
        .key = text[ORDER_KEY],
        .kind = text[ORDER_KIND],
        .text = text[ORDER_DOCUMENT],
        .attempt = o->attempt,
        .now_us = clock_now(&real),
        .checkpoint = text[ORDER_CHECKPOINT],
        .first_remote = text[ORDER_REMOTE],
        .host = host,
        .text_template = sink->text,
    };
    struct err err = ERR_NONE;

    arena_reset(a);
    d.document = json_load(a, d.text, &err);
    if (d.document) {
        sink->ops->deliver(sink, &d, &result);
    } else {
        result.state = DELIVERY_DEAD;
        snprintf(result.status, sizeof result.status, "document: %.140s", err.text);
    }
    put_answer(o, &result, out);
    buf_fini(&result.reply);
}

static volatile sig_atomic_t stopped;

void sender_stop(int sig)
{
    (void)sig;
    stopped = 1;
}

bool sender_stopped(void)
{
    return stopped;
}

/* ---- what people want ---- */

#define ACTS_PENDING 16
#define DEAF_MS 5000 /* after a receiver could not listen */

struct child {
    struct sink *sink;
    const char *host;
    int fd;
    struct arena *arena;
    struct sink_act acts[ACTS_PENDING]; /* by number, until they are answered */
    uint64_t nacts;
};

static void send_act(struct child *c, const struct sink_act *act)
{
    struct answer a = { .row = ++c->nacts, .state = ANSWER_ACT, .reply_n = sizeof *act };
    AUTO_BUF packet = BUF_INIT;

    c->acts[a.row % ACTS_PENDING] = *act;
    buf_add(&packet, &a, sizeof a);
    buf_add(&packet, act, sizeof *act);
    if (buf_ok(&packet))
        (void)send(c->fd, packet.p, packet.n, MSG_NOSIGNAL);
}

/* SIGTERM is blocked but here: none comes between this look and the wait, where it would be lost.
 */
static bool is_stopped(void)
{
    sigset_t term;

    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    sigprocmask(SIG_UNBLOCK, &term, NULL);
    sigprocmask(SIG_BLOCK, &term, NULL);
    return stopped;
}

/* Until a packet is there. People may act meanwhile, where they can. */
static void wait_for_packet(struct child *c)
{
    const struct sink_ops *ops = c->sink->ops;
    struct pollfd p = { .fd = c->fd, .events = POLLIN };
    struct sink_act act = { 0 };
    int r;

    if (!ops->listen || !c->sink->listens)
        return; /* recv() waits */
    while (!is_stopped() && (r = ops->listen(c->sink, c->fd, &act)) != 0) {
        if (r > 0)
            send_act(c, &act);
        else if (poll(&p, 1, r == -EINTR ? 0 : DEAF_MS) > 0)
            return;
        act = (struct sink_act){ 0 };
    }
}

static void take_answer(struct child *c, const struct order *o, struct slice text)
{
    const struct sink_act *act = &c->acts[o->row % ACTS_PENDING];

    if (o->row == 0 || o->row > c->nacts || o->row + ACTS_PENDING <= c->nacts)
        return;
    if (c->sink->ops->answer)
        c->sink->ops->answer(c->sink, act, text, o->attempt == 1);
}

/* False: the line has ended, or what comes on it is not understood. */
static bool take_packet(struct child *c, char *message)
{
    struct order o;
    struct slice text[ORDER_TEXTS];
    AUTO_BUF answer = BUF_INIT;
    ssize_t n = recv(c->fd, message, MESSAGE_MAX, 0);

    if (n < 0 && errno == EINTR)
        return true;
    if (n <= 0 || !read_order(message, (size_t)n, &o, text))
        return false;
    if (slice_is(text[ORDER_KIND], KIND_ANSWER)) {
        take_answer(c, &o, text[ORDER_DOCUMENT]);
        return true;
    }
    deliver(c->sink, c->host, c->arena, &o, text, &answer);
    return buf_ok(&answer) && send(c->fd, answer.p, answer.n, MSG_NOSIGNAL) >= 0;
}

void sender_work(struct sink *sink, const char *host, int fd)
{
    AUTO(arena) a = arena_new(65536, 8 << 20);
    char *message = malloc(MESSAGE_MAX);
    struct child c = { .sink = sink, .host = host, .fd = fd, .arena = a };

    while (a && message && !stopped) {
        wait_for_packet(&c);
        if (stopped || !take_packet(&c, message))
            break;
    }
    free(message);
    close(fd);
}
