#include "logwatch/sender-private.h"

#include <errno.h>
#include <sys/socket.h>

#include "base/fault.h"
#include "base/log.h"
#include "logwatch/own-child.h"

/* A row whose process died is tried again at once so often; it may be the row that kills. */
#define AT_ONCE_MAX 2
/* A child that died is started again after this. */
#define RESTART_US (5 * USEC_PER_SEC)

enum receiver_state {
    RECEIVER_IDLE,
    RECEIVER_BUSY, /* a row is with the child */
    RECEIVER_TOLD, /* its outcome waits for the commit */
};

struct receiver {
    struct sink *sink;
    pid_t pid;
    int fd;
    enum receiver_state state;
    uint64_t restart_us; /* monotonic; not before */
    uint64_t row, expires_us;
    unsigned attempts;
    char *key, *kind;
    struct buf act_answers; /* for people, when what they want is committed */
};

struct sender {
    const struct config *config;
    const struct clock *clock;
    struct receiver *receivers;
    size_t n;
    bool forks; /* else the parent starts the processes */
    char *message;
};

struct beginning {
    struct sender *sender;
    struct receiver *receiver;
};

static void child_work(void *ctx, int fd)
{
    const struct beginning *b = ctx;
    const struct sender *s = b->sender;

    for (size_t i = 0; i < s->n; i++)
        if (&s->receivers[i] != b->receiver && s->receivers[i].fd >= 0)
            close(s->receivers[i].fd);
    sender_work(b->receiver->sink, s->config->host, fd);
}

static int child_start(struct sender *s, struct receiver *r, struct err *err)
{
    return own_child_start(child_work, &(struct beginning){ s, r }, &r->pid, &r->fd, err);
}

/* ---- the parent's side ---- */

size_t sender_count(const struct config *c)
{
    return c->nsinks + c->nanchors;
}

struct sink *sender_sink(const struct config *c, size_t i)
{
    return i < c->nsinks ? &c->sinks[i] : c->anchors[i - c->nsinks].sink;
}

size_t sender_index(const struct config *c, struct slice name)
{
    for (size_t i = 0; i < sender_count(c); i++)
        if (slice_is(name, sender_sink(c, i)->name))
            return i;
    return SIZE_MAX;
}

int sender_new(const struct config *c, const struct clock *clock, bool forks,
               struct sender **ret_sender, struct err *err)
{
    AUTO(sender) s = calloc(1, sizeof *s);
    size_t n = sender_count(c);

    if (!s)
        return err_nomem(err);
    s->config = c;
    s->clock = clock;
    s->forks = forks;
    s->receivers = calloc(n ? n : 1, sizeof *s->receivers);
    s->message = malloc(MESSAGE_MAX);
    if (!s->receivers || !s->message)
        return err_nomem(err);
    for (size_t i = 0; i < n; i++) {
        s->receivers[i].fd = -1;
        s->receivers[i].sink = sender_sink(c, i);
    }
    s->n = n;
    for (size_t i = 0; forks && i < n; i++)
        if (child_start(s, &s->receivers[i], err) < 0)
            return err_code(err);
    *ret_sender = TAKE(s);
    return 0;
}

static void forget_row(struct receiver *r)
{
    free(r->key);
    free(r->kind);
    r->key = r->kind = NULL;
    r->state = RECEIVER_IDLE;
}

void sender_free(struct sender *s)
{
    if (!s)
        return;
    for (size_t i = 0; s->receivers && i < s->n; i++) {
        own_child_end(&s->receivers[i].pid, &s->receivers[i].fd);
        forget_row(&s->receivers[i]);
        buf_fini(&s->receivers[i].act_answers);
    }
    free(s->receivers);
    free(s->message);
    free(s);
}

size_t sender_busy(const struct sender *s)
{
    size_t n = 0;

    for (size_t i = 0; i < s->n; i++)
        n += s->receivers[i].state != RECEIVER_IDLE;
    return n;
}

size_t sender_poll(const struct sender *s, struct pollfd *fds, size_t max)
{
    size_t n = 0;

    for (size_t i = 0; i < s->n && n < max; i++)
        if (s->receivers[i].fd >= 0)
            fds[n++] = (struct pollfd){ .fd = s->receivers[i].fd, .events = POLLIN };
    return n;
}

/* What a receiver said beside how it went. */
struct said {
    struct slice remote, reply;
    enum anchor_said anchor;
    uint64_t size;
    bool broken;
};

struct dispatch {
    struct sender *sender;
    struct core *core;
    struct receiver *receiver;
    struct slice first_remote;
    struct err *err;
};

static int outcome(struct core *core, const struct receiver *r, enum delivery_state state,
                   uint64_t not_before_us, struct slice status, const struct said *said,
                   struct err *err)
{
    struct core_delivery d = {
        .row = r->row,
        .key = slice_str(r->key),
        .receiver = slice_str(r->sink->name),
        .kind = slice_str(r->kind),
        .state = state,
        .attempts = r->attempts,
        .not_before_us = not_before_us,
        .status = status,
    };

    if (said) {
        d.remote = said->remote;
        d.said = said->anchor;
        d.broken = said->broken;
        d.size = said->size;
        d.reply = said->reply;
    }
    return core_outcome(core, &d, err);
}

static bool take_row(struct receiver *r, const struct outbox_row *row)
{
    r->row = row->id;
    r->attempts = row->attempts + 1;
    r->expires_us = row->expires_us;
    r->key = slice_dup(row->key);
    r->kind = slice_dup(row->kind);
    return r->key && r->kind;
}

/* `document`: the row's, or what was made for it now. */
static int send_packet(struct sender *s, struct receiver *r, struct order *o,
                       const struct slice text[ORDER_TEXTS])
{
    char *p = s->message + sizeof *o;
    size_t n = sizeof *o;

    for (size_t i = 0; i < ORDER_TEXTS; i++) {
        o->n[i] = (uint32_t)text[i].n;
        n += text[i].n;
    }
    if (n > MESSAGE_MAX)
        return -EMSGSIZE;
    memcpy(s->message, o, sizeof *o);
    for (size_t i = 0; i < ORDER_TEXTS; p += text[i].n, i++)
        if (text[i].n)
            memcpy(p, text[i].p, text[i].n);
    return send(r->fd, s->message, n, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

static int send_order(struct dispatch *d, struct receiver *r, const struct outbox_row *row,
                      struct slice document)
{
    struct order o = { .row = row->id, .attempt = r->attempts };
    const struct slice text[ORDER_TEXTS] = { [ORDER_KEY] = row->key,
                                             [ORDER_KIND] = row->kind,
                                             [ORDER_DOCUMENT] = document,
                                             [ORDER_CHECKPOINT] = core_note_to_send(d->core),
                                             [ORDER_REMOTE] = d->first_remote };

    return send_packet(d->sender, r, &o, text);
}

/* A row that is for an idle receiver. An anchor is given the checkpoint of now. */
static int hand_out(struct dispatch *d, struct receiver *r, const struct outbox_row *row)
{
    AUTO_BUF document = BUF_INIT;
    struct err err = ERR_NONE;
    uint64_t later = clock_now(d->sender->clock) + sink_backoff_us(r->attempts, r->row);
    int e;

    if (!slice_is(row->kind, "anchor"))
        return send_order(d, r, row, row->document);
    e = core_anchor_order(d->core, row->receiver, &document, &err);
    if (e == 0)
        return send_order(d, r, row, buf_view(&document));
    log_warning("receiver '%s': %s", r->sink->name, err.text);
    r->state = RECEIVER_TOLD;
    e = outcome(d->core, r, DELIVERY_RETRY, later, slice_str(err.text), NULL, d->err);
    return e < 0 ? e : 1;
}

static int dispatch_row(void *ctx, const struct outbox_row *row, struct slice first_remote)
{
    struct dispatch *d = ctx;
    struct receiver *r = d->receiver;
    const char *why = NULL;
    int e;

    if (row->expires_us && row->expires_us < clock_now(d->sender->clock))
        why = "expired";
    if (!take_row(r, row))
        return err_nomem(d->err);
    d->first_remote = first_remote;
    fault_point(FAULT_SEND_BEFORE);
    e = why ? 0 : hand_out(d, r, row);
    if (e > 0)
        return 0; /* it has its outcome */
    if (e == -EMSGSIZE)
        why = "document too large";
    else if (e < 0) {
        forget_row(r); /* the child is gone: collect() restarts it */
        return 0;
    }
    r->state = why ? RECEIVER_TOLD : RECEIVER_BUSY;
    return why ? outcome(d->core, r, DELIVERY_DEAD, 0, slice_str(why), NULL, d->err) : 0;
}

/* Who is dead and is being started again gets nothing. */
static bool is_idle(const struct receiver *r)
{
    return r->state == RECEIVER_IDLE && r->fd >= 0;
}

int sender_dispatch(struct sender *s, struct core *core, struct err *err)
{
    struct dispatch d = { .sender = s, .core = core, .err = err };

    for (size_t i = 0; i < s->n; i++) {
        int r;

        d.receiver = &s->receivers[i];
        if (!is_idle(d.receiver))
            continue;
        r = core_next(core, slice_str(d.receiver->sink->name), dispatch_row, &d, err);
        if (r < 0)
            return r;
    }
    return 0;
}

uint64_t sender_due_us(const struct sender *s, struct core *core)
{
    uint64_t due = UINT64_MAX;

    for (size_t i = 0; i < s->n; i++) {
        uint64_t when = is_idle(&s->receivers[i])
                            ? core_next_us(core, slice_str(s->receivers[i].sink->name))
                            : UINT64_MAX;

        due = when < due ? when : due;
    }
    return due;
}

/* Past its time a retry is a dead letter. */
static enum delivery_state settle(const struct sender *s, const struct receiver *r,
                                  const struct answer *a, uint64_t *ret_not_before)
{
    uint64_t wait = a->retry_after_us ? a->retry_after_us : sink_backoff_us(r->attempts, r->row);

    *ret_not_before = 0;
    if (a->state != DELIVERY_RETRY)
        return (enum delivery_state)a->state;
    *ret_not_before = clock_now(s->clock) + wait;
    return r->expires_us && *ret_not_before > r->expires_us ? DELIVERY_DEAD : DELIVERY_RETRY;
}

static int child_died(struct sender *s, struct receiver *r, struct core *core, struct err *err)
{
    const struct answer none = { .state = DELIVERY_RETRY };
    uint64_t not_before;
    enum delivery_state state;

    log_warning("receiver '%s': its process ended", r->sink->name);
    own_child_end(&r->pid, &r->fd);
    r->restart_us = clock_mono(s->clock) + RESTART_US;
    if (r->state != RECEIVER_BUSY)
        return 0;
    r->state = RECEIVER_TOLD;
    state = settle(s, r, &none, &not_before);
    if (r->attempts <= AT_ONCE_MAX) /* ours ended, not the receiver: no reason to wait for him */
        not_before = clock_now(s->clock);
    return outcome(core, r, state, not_before, SLICE("the receiver's process ended"), NULL, err);
}

int sender_attach(struct sender *s, size_t i, int fd, struct core *core, struct err *err)
{
    struct receiver *r = i < s->n ? &s->receivers[i] : NULL;
    int e = 0;

    if (!r) {
        close(fd);
        return err_set(err, -EPROTO, "no receiver has the number %zu", i);
    }
    if (r->fd >= 0)
        e = child_died(s, r, core, err);
    r->fd = fd;
    return e;
}

/* Is it an answer to what the receiver has? It comes from a process that may be anybody's by now.
 */
static bool read_answer(const struct receiver *r, const char *p, size_t n, struct answer *ret,
                        struct said *ret_said)
{
    if (n < sizeof *ret)
        return false;
    memcpy(ret, p, sizeof *ret);
    if (ret->reply_n != n - sizeof *ret)
        return false;
    if (r->state != RECEIVER_BUSY || ret->row != r->row ||
        (ret->state != DELIVERY_SENT && ret->state != DELIVERY_RETRY &&
         ret->state != DELIVERY_DEAD && ret->state != DELIVERY_HELD) ||
        ret->said < ANCHOR_NOTHING || ret->said > ANCHOR_REFUSES)
        return false;
    ret->status[sizeof ret->status - 1] = '\0';
    ret->remote[sizeof ret->remote - 1] = '\0';
    *ret_said = (struct said){ .remote = slice_str(ret->remote),
                               .reply = slice_of(p + sizeof *ret, ret->reply_n),
                               .anchor = (enum anchor_said)ret->said,
                               .size = ret->size,
                               .broken = ret->broken && ret->state == DELIVERY_DEAD };
    return true;
}

/* As core_act() takes it. The core reads no JSON of a process that talks to strangers: it is
 * written here. */
static void act_request(struct sink_act *act, struct buf *out)
{
    struct json_writer w = json_writer(out);

    act->verb[sizeof act->verb - 1] = act->id[sizeof act->id - 1] = '\0';
    act->who[sizeof act->who - 1] = '\0';
    json_object(&w);
    json_member_str(&w, "act", act->verb);
    json_member_str(&w, "id", act->id);
    if (act->for_s)
        json_member_u64(&w, "for_s", act->for_s);
    json_member_str(&w, "by", act->who);
    json_object_end(&w);
}

/*
 * What a person wants, by a receiver that may have been taken over: only what such buttons are for,
 * and only when the configuration has them. His answer waits for the commit.
 */
static int take_act(struct sender *s, struct receiver *r, size_t n, struct core *core,
                    struct err *err)
{
    AUTO(arena) a = arena_new(4096, 1 << 20);
    AUTO_BUF told = BUF_INIT;
    AUTO_BUF request = BUF_INIT;
    char via[80];
    struct answer head;
    struct sink_act act;
    const struct json *answer;
    struct order o = { 0 };
    int e;

    memcpy(&head, s->message, sizeof head);
    if (!a || n != sizeof head + sizeof act || head.reply_n != sizeof act || !r->sink->listens)
        return 0;
    memcpy(&act, s->message + sizeof head, sizeof act);
    act_request(&act, &request);
    if (!buf_ok(&request))
        return err_nomem(err);
    snprintf(via, sizeof via, "%s:%.60s", r->sink->ops->name, r->sink->name);
    e = core_act(core, buf_view(&request), &(struct core_actor){ .uid = -1, .via = via }, &told,
                 err);
    if (e < 0)
        return e;
    answer = json_load(a, buf_view(&told), NULL);
    o.row = head.row;
    o.attempt = json_bool(answer, "ok", false);
    o.n[ORDER_DOCUMENT] = (uint32_t)json_text(answer, "text").n;
    buf_add(&r->act_answers, &o, sizeof o);
    buf_slice(&r->act_answers, json_text(answer, "text"));
    return 1;
}

static void send_act_answers(struct sender *s, struct receiver *r)
{
    struct slice rest = buf_ok(&r->act_answers) ? buf_view(&r->act_answers) : SLICE("");
    struct order o;

    while (rest.n >= sizeof o) {
        struct slice text[ORDER_TEXTS] = { [ORDER_KIND] = SLICE(KIND_ANSWER) };

        memcpy(&o, rest.p, sizeof o);
        text[ORDER_DOCUMENT] = slice_take(slice_skip(rest, sizeof o), o.n[ORDER_DOCUMENT]);
        rest = slice_skip(rest, sizeof o + text[ORDER_DOCUMENT].n);
        if (r->fd >= 0)
            (void)send_packet(s, r, &o, text);
    }
    buf_reset(&r->act_answers);
}

/* 1 = an outcome, 0 = nothing. */
static int collect_one(struct sender *s, struct receiver *r, struct core *core, struct err *err)
{
    struct answer a;
    uint64_t not_before;
    enum delivery_state state;
    struct said said;
    ssize_t n = recv(r->fd, s->message, ANSWER_MAX, MSG_DONTWAIT);
    int e;

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n < (ssize_t)sizeof a) {
        e = child_died(s, r, core, err);
        return e < 0 ? e : 1;
    }
    memcpy(&a, s->message, sizeof a);
    if (a.state == ANSWER_ACT)
        return take_act(s, r, (size_t)n, core, err);
    if (!read_answer(r, s->message, (size_t)n, &a, &said))
        return 0; /* an answer to nothing: the child is not believed */
    fault_point(FAULT_SEND_BEFORE_MARK);
    r->state = RECEIVER_TOLD;
    state = settle(s, r, &a, &not_before);
    if (state != DELIVERY_SENT && state != DELIVERY_HELD)
        log_warning("receiver '%s': %s", r->sink->name, a.status);
    e = outcome(core, r, state, not_before, slice_str(a.status), &said, err);
    return e < 0 ? e : 1;
}

int sender_collect(struct sender *s, struct core *core, struct err *err)
{
    int total = 0;

    for (size_t i = 0; i < s->n; i++) {
        struct receiver *r = &s->receivers[i];
        int e;

        if (r->fd < 0) {
            if (s->forks && clock_mono(s->clock) >= r->restart_us && child_start(s, r, err) < 0)
                return err_code(err);
            continue;
        }
        e = collect_one(s, r, core, err);
        if (e < 0)
            return e;
        total += e;
    }
    return total;
}

void sender_committed(struct sender *s)
{
    for (size_t i = 0; i < s->n; i++) {
        send_act_answers(s, &s->receivers[i]);
        if (s->receivers[i].state == RECEIVER_TOLD)
            forget_row(&s->receivers[i]);
    }
}
