/*
 * The blocker's work: packets of requests in, packets of results out.
 *
 *     take_packets   all that wait, without waiting for more: a single ban is done at once, and
 *                    what piled up while we worked is one batch
 *     handle         one request: judged, and put on the list of what is to be done
 *     flush          the list goes to the backend in one call; results are answered
 *     look           on the clock, and when the backend's descriptor wakes us: is it still there?
 *
 * A sync compares with what the backend lists itself, where it can: what is there with about the
 * same time is left alone, what was not told goes.
 */
#include "notifiers/blockers/work-private.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/log.h"
#include "notifiers/blockers/ban-judge.h"
#include "notifiers/blockers/standing.h"

#define APPLY_MAX 5000
#define ABOUT_US (2 * USEC_PER_SEC)
#define START_AGAIN_US (2 * USEC_PER_SEC)
#define SWEEP_US USEC_PER_SEC
#define LOOK_US (30 * USEC_PER_SEC) /* never.h wants to see connections more than once */
#define LISTED_MAX 4000000
#define CHECK_US (60 * USEC_PER_SEC) /* where nothing is set */

struct work {
    struct blocker *b;
    int fd;
    int stop; /* readable at SIGTERM: we end in good order */
    struct ban_judge judge;
    struct standing *standing; /* what is held */
    struct standing *waiting; /* targets of `todo` */
    struct ban_request *packet, *todo;
    struct ban_result *said; /* of todo, then of the line */
    struct ban_result *answers;
    size_t ntodo, nanswers, todo_max;
    size_t fresh; /* of todo: not held yet */
    bool started, ended; /* the line */
    bool syncing, doubt; /* doubt: what is held is to be compared at the next look */
    size_t told, kept, written; /* of this sync */
    uint64_t next_start_us, next_check_us, next_sweep_us, next_look_us;
    struct log_gate gate;
    struct err fault; /* why it has not started */
};

static uint64_t now_us(void)
{
    const struct clock real = CLOCK_REAL;

    return clock_mono(&real);
}

/* ---- answers ---- */

/* Waits until the core takes it: it never waits for us. */
static void send_packet(struct work *w, const void *p, size_t n)
{
    while (!w->ended && send(w->fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
        struct pollfd fds[2] = { { .fd = w->fd, .events = POLLOUT },
                                 { .fd = w->stop, .events = POLLIN } };

        if (errno == EINTR)
            continue;
        if (errno != EAGAIN && errno != ENOBUFS)
            w->ended = true;
        else if (poll(fds, ARRAY_SIZE(fds), 1000) > 0 &&
                 ((fds[0].revents & (POLLERR | POLLHUP)) || fds[1].revents))
            w->ended = true;
    }
}

static void send_answers(struct work *w)
{
    for (size_t i = 0; i < w->nanswers; i += BAN_BATCH_MAX) {
        size_t n = w->nanswers - i < BAN_BATCH_MAX ? w->nanswers - i : BAN_BATCH_MAX;

        send_packet(w, w->answers + i, n * sizeof *w->answers);
    }
    w->nanswers = 0;
}

static void answer(struct work *w, const struct ban_result *r)
{
    if (w->nanswers == APPLY_MAX)
        send_answers(w);
    w->answers[w->nanswers++] = *r;
}

static void say(struct work *w, uint64_t id, enum ban_said said, const char *text)
{
    struct ban_result r;

    blocker_say(&r, id, said, "%s", text);
    answer(w, &r);
}

static void say_lost(struct work *w, const char *why)
{
    w->syncing = false;
    say(w, 0, BAN_LOST, why);
}

/* A fault that may come again and again is told once a minute. */
static void tell_fault(struct work *w, const char *what, const struct err *err)
{
    uint64_t missed;

    if (log_gate(&w->gate, now_us(), &missed))
        log_warning("bans: %s: %s", what, err->text);
}

/* ---- doing ---- */

static uint64_t until(uint32_t seconds, uint64_t now)
{
    return seconds ? now + seconds * USEC_PER_SEC : UINT64_MAX;
}

static void target_of(const struct ban_request *q, struct ban_target *t)
{
    struct ban_result ignored;

    *t = (struct ban_target){ 0 };
    ban_judge_form(q, t, &ignored); /* it was judged before */
}

static void note_done(struct work *w, const struct ban_request *q, uint64_t now)
{
    struct ban_target t;
    struct standing_entry *e;

    target_of(q, &t);
    if (q->verb == BAN_REMOVE) {
        standing_remove(w->standing, &t);
        return;
    }
    e = standing_put(w->standing, &t, until(q->seconds, now));
    if (w->syncing) {
        w->written++;
        w->told += e && !e->told;
    }
    if (e) /* else: it is written again in the next sync */
        e->told = true;
}

static void apply(struct work *w, const struct ban_request *q, size_t n, struct ban_result *ret)
{
    for (size_t i = 0; i < n; i++)
        blocker_say(&ret[i], q[i].id, BAN_FAILED, "the backend said nothing");
    if (!w->started) {
        for (size_t i = 0; i < n; i++)
            blocker_say(&ret[i], q[i].id, BAN_FAILED, "not ready: %s", w->fault.text);
        return;
    }
    w->b->ops->apply(w->b, q, n, ret);
    for (size_t i = 0; i < n; i++)
        ret[i].id = q[i].id;
}

/* The list is done and empty. */
static void flush(struct work *w)
{
    uint64_t now = now_us();

    if (w->ntodo == 0)
        return;
    apply(w, w->todo, w->ntodo, w->said);
    for (size_t i = 0; i < w->ntodo; i++) {
        if (w->said[i].said == BAN_DONE)
            note_done(w, &w->todo[i], now);
        answer(w, &w->said[i]);
    }
    w->ntodo = w->fresh = 0;
    standing_clear(w->waiting);
    if (w->todo_max < APPLY_MAX) /* programs are slow: who waits is told as we go */
        send_answers(w);
}

/* No target is twice in one batch: the backend may order what it gets. */
static void put_todo(struct work *w, const struct ban_request *q, const struct ban_target *t,
                     bool fresh)
{
    if (w->ntodo == w->todo_max || standing_get(w->waiting, t))
        flush(w);
    if (!standing_put(w->waiting, t, 0)) {
        say(w, q->id, BAN_FAILED, "out of memory");
        return;
    }
    w->todo[w->ntodo++] = *q;
    w->fresh += fresh;
}

/* ---- requests ---- */

/* Where bans end only when we say so, a time that is not known is as good as any. */
static bool held_as_told(const struct work *w, const struct standing_entry *e, uint64_t told)
{
    uint64_t a = e->until_us;

    return (a > told ? a - told : told - a) <= ABOUT_US || (a == UINT64_MAX && !w->b->ops->ends);
}

static void handle_add(struct work *w, const struct ban_request *q)
{
    uint64_t now = now_us();
    struct ban_target t;
    struct ban_result r;
    struct standing_entry *e;
    struct ban_judge_facts facts = { .sync = w->syncing };

    if (!ban_judge_form(q, &t, &r)) {
        answer(w, &r);
        return;
    }
    e = standing_get(w->standing, &t);
    facts.known = e && e->until_us > now;
    facts.held = (w->syncing ? w->told : standing_count(w->standing)) + w->fresh;
    if (!ban_judge_add(&w->judge, q, &t, &facts, now, &r)) {
        answer(w, &r);
        return;
    }
    if (facts.known && w->syncing) {
        w->told += !e->told;
        e->told = true;
        if (held_as_told(w, e, until(q->seconds, now))) {
            w->kept++;
            say(w, q->id, BAN_DONE, "held already");
            return;
        }
    }
    put_todo(w, q, &t, !facts.known);
}

static void handle_remove(struct work *w, const struct ban_request *q)
{
    struct ban_target t;
    struct ban_result r;

    if (ban_judge_form(q, &t, &r))
        put_todo(w, q, &t, false);
    else
        answer(w, &r);
}

static void handle_allow(struct work *w, const struct ban_request *q)
{
    struct ban_target t;
    struct ban_result r;

    if (ban_judge_form(q, &t, &r))
        ban_judge_allow(&w->judge, q, &t, now_us(), &r);
    answer(w, &r);
}

struct listing {
    struct standing *into;
    uint64_t now;
};

static int note_listed(void *ctx, const struct ban_held *h)
{
    const struct listing *l = ctx;
    uint64_t end = UINT64_MAX;

    if (standing_count(l->into) >= LISTED_MAX)
        return -ENOSPC;
    if (h->left_s <= BAN_MAX_S)
        end = l->now + h->left_s * USEC_PER_SEC;
    return standing_put(l->into, &h->target, end) ? 0 : -ENOMEM;
}

/* What is there, as the backend sees it. New; NULL: it cannot say, *ret_code says why not. */
static struct standing *list_held(struct work *w, int *ret_code)
{
    struct err err = ERR_NONE;
    AUTO(standing) into = standing_new();
    struct listing l = { into, now_us() };

    *ret_code = -ENOTSUP;
    if (!w->b->ops->held || !w->started || !into)
        return NULL;
    *ret_code = w->b->ops->held(w->b, note_listed, &l, &err);
    if (*ret_code == 0)
        return TAKE(into);
    if (*ret_code != -ENOTSUP)
        tell_fault(w, "what is banned cannot be listed", &err);
    return NULL;
}

/* Where it cannot be listed, what we did stands; where that failed, all is written anew. */
static void learn_held(struct work *w)
{
    int code;
    struct standing *there = list_held(w, &code);

    if (there) {
        standing_free(w->standing);
        w->standing = there;
    } else if (code != -ENOTSUP) {
        standing_clear(w->standing);
    }
}

static void handle_begin(struct work *w, const struct ban_request *q)
{
    struct standing_entry *e;

    flush(w);
    learn_held(w);
    for (size_t i = 0; (e = standing_next(w->standing, &i));)
        e->told = false;
    w->syncing = true;
    w->told = w->kept = w->written = 0;
    say(w, q->id, BAN_DONE, "");
}

/* Up to a batch of those that were not told; the answer is for nobody. */
static size_t remove_untold(struct work *w, size_t *ret_failed)
{
    struct standing_entry *e;
    size_t n = 0, done = 0;

    for (size_t i = 0; n < w->todo_max && (e = standing_next(w->standing, &i));)
        if (!e->told) {
            struct ban_request *q = &w->todo[n++];

            e->told = true; /* once is enough */
            *q = (struct ban_request){ .verb = BAN_REMOVE,
                                       .family = e->target.net.net.family,
                                       .bits = e->target.net.bits,
                                       .protocol = e->target.protocol };
            memcpy(q->bytes, e->target.net.net.bytes, sizeof q->bytes);
            memcpy(q->ports, e->target.ports, sizeof q->ports);
        }
    if (n)
        apply(w, w->todo, n, w->said);
    for (size_t i = 0; i < n; i++)
        if (w->said[i].said == BAN_DONE) {
            note_done(w, &w->todo[i], 0);
            done++;
        }
    *ret_failed += n - done;
    return n;
}

static void handle_end(struct work *w, const struct ban_request *q)
{
    size_t removed = 0, failed = 0, n;
    struct ban_result r;

    flush(w);
    if (!w->syncing) {
        say(w, q->id, BAN_NO, "no sync has begun");
        return;
    }
    standing_sweep(w->standing, now_us());
    while ((n = remove_untold(w, &failed)) > 0)
        removed += n;
    w->syncing = false;
    blocker_say(&r, q->id, failed ? BAN_FAILED : BAN_DONE,
                "%zu kept, %zu written, %zu removed, %zu could not be", w->kept, w->written,
                removed - failed, failed);
    answer(w, &r);
}

static void handle(struct work *w, const struct ban_request *q)
{
    static void (*const verbs[])(struct work *, const struct ban_request *) = {
        [BAN_ADD] = handle_add,          [BAN_REMOVE] = handle_remove, [BAN_ALLOW] = handle_allow,
        [BAN_SYNC_BEGIN] = handle_begin, [BAN_SYNC_END] = handle_end,
    };

    if (q->verb < ARRAY_SIZE(verbs) && verbs[q->verb])
        verbs[q->verb](w, q);
    else
        say(w, q->id, BAN_NO, "this is no request");
}

/* False when nothing waits any more. */
static bool take_packet(struct work *w, size_t *taken)
{
    const size_t size = BAN_BATCH_MAX * sizeof *w->packet;
    ssize_t n = recv(w->fd, w->packet, size, MSG_DONTWAIT | MSG_TRUNC);

    if (n < 0 && errno == EINTR)
        return true;
    if (n <= 0) {
        w->ended = n == 0 || errno != EAGAIN;
        return false;
    }
    if ((size_t)n > size || (size_t)n % sizeof *w->packet) {
        say(w, 0, BAN_NO, "this is no packet of requests");
        return true;
    }
    for (size_t i = 0; i < (size_t)n / sizeof *w->packet; i++)
        handle(w, &w->packet[i]);
    *taken += (size_t)n / sizeof *w->packet;
    return true;
}

static void take_packets(struct work *w)
{
    size_t taken = 0;

    while (taken < w->todo_max && take_packet(w, &taken))
        ;
    flush(w);
    send_answers(w);
}

/* ---- is it still there? ---- */

static uint64_t check_us(const struct work *w)
{
    return w->b->settings.check_us ? w->b->settings.check_us : CHECK_US;
}

static void start(struct work *w, uint64_t now)
{
    struct err err = ERR_NONE;
    int r = w->b->ops->start ? w->b->ops->start(w->b, &err) : 0;

    w->started = r >= 0;
    if (r < 0) {
        w->fault = err;
        w->next_start_us = now + START_AGAIN_US;
        tell_fault(w, w->b->ops->name, &err);
        return;
    }
    w->next_check_us = now + check_us(w);
    say_lost(w, "begun anew");
}

/* Others changed something: is all that we did still listed? */
static void compare(struct work *w, uint64_t now)
{
    int code;
    AUTO(standing) there = list_held(w, &code);
    size_t missing = 0;
    struct standing_entry *e;

    w->doubt = false;
    if (!there)
        return;
    for (size_t i = 0; (e = standing_next(w->standing, &i));)
        missing += e->until_us > now + ABOUT_US && !standing_get(there, &e->target);
    if (missing) {
        standing_clear(w->standing);
        say_lost(w, "bans were taken away by others");
    }
}

static void check(struct work *w)
{
    struct err err = ERR_NONE;
    int r = w->b->ops->check ? w->b->ops->check(w->b, &err) : 1;

    if (r < 0)
        tell_fault(w, "cannot be looked at", &err);
    if (r > 1)
        w->doubt = true;
    if (r == 0) {
        standing_clear(w->standing);
        say_lost(w, "the firewall was changed by others and made anew");
    }
}

static void look(struct work *w, bool woken)
{
    uint64_t now = now_us();
    bool due = now >= w->next_check_us;

    if (!w->started && now >= w->next_start_us)
        start(w, now);
    if (w->started && (due || woken))
        check(w);
    if (w->started && due) {
        w->next_check_us = now + check_us(w);
        if (w->doubt)
            compare(w, now);
    }
    if (now >= w->next_sweep_us) {
        standing_sweep(w->standing, now);
        w->next_sweep_us = now + SWEEP_US;
    }
    if (now >= w->next_look_us) {
        never_look(w->judge.never, now);
        w->next_look_us = now + LOOK_US;
    }
    send_answers(w);
}

static int patience_ms(const struct work *w)
{
    uint64_t now = now_us(), next = w->started ? w->next_check_us : w->next_start_us;

    if (w->next_look_us < next)
        next = w->next_look_us;
    return next > now ? (int)((next - now) / USEC_PER_MSEC) + 1 : 0;
}

static void loop(struct work *w)
{
    bool woken = false;

    while (!w->ended) {
        struct pollfd fds[3] = { { .fd = w->fd, .events = POLLIN },
                                 { .fd = w->stop, .events = POLLIN },
                                 { .fd = -1, .events = POLLIN } };

        look(w, woken);
        woken = false;
        if (w->started && w->b->ops->watch)
            fds[2].fd = w->b->ops->watch(w->b);
        if (w->ended || poll(fds, ARRAY_SIZE(fds), patience_ms(w)) < 0)
            continue;
        woken = fds[2].revents != 0;
        if (fds[1].revents)
            w->ended = true;
        else if (fds[0].revents)
            take_packets(w);
    }
}

static int open_work(struct work *w, const char *root, struct err *err)
{
    sigset_t term;

    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &term, NULL);
    w->stop = signalfd(-1, &term, SFD_CLOEXEC | SFD_NONBLOCK);
    if (w->stop < 0)
        return err_set(err, -errno, "signalfd: %s", err_name(errno));
    w->standing = standing_new();
    w->waiting = standing_new();
    w->packet = calloc(BAN_BATCH_MAX, sizeof *w->packet);
    w->todo = calloc(APPLY_MAX, sizeof *w->todo);
    w->said = calloc(APPLY_MAX, sizeof *w->said);
    w->answers = calloc(APPLY_MAX, sizeof *w->answers);
    if (!w->standing || !w->waiting || !w->packet || !w->todo || !w->said || !w->answers)
        return err_nomem(err);
    return ban_judge_open(&w->judge, w->b, root, err);
}

void blocker_work_under(struct blocker *b, int fd, const char *root)
{
    size_t batch = b->ops->batch;
    struct work w = {
        .b = b, .fd = fd, .stop = -1, .todo_max = batch && batch < APPLY_MAX ? batch : APPLY_MAX
    };
    struct err err = ERR_NONE;

    if (open_work(&w, root, &err) < 0)
        log_err(LOG_LEVEL_ERROR, &err);
    else
        loop(&w);
    ban_judge_close(&w.judge);
    standing_free(w.standing);
    standing_free(w.waiting);
    free(w.packet);
    free(w.todo);
    free(w.said);
    free(w.answers);
    if (w.stop >= 0)
        close(w.stop);
    if (b->ops->close)
        b->ops->close(b);
}

void blocker_work(struct blocker *b, int fd)
{
    blocker_work_under(b, fd, "");
}
