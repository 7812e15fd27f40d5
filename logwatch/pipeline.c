#include "logwatch/pipeline.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <systemd/sd-daemon.h>

#include "base/log.h"
#include "logwatch/core.h"
#include "logwatch/sender.h"

#define COMMIT_US (1 * USEC_PER_SEC) /* progress alone is committed this often */
#define RETRY_US (1 * USEC_PER_SEC) /* a failed commit is tried again after this */
#define INPUT_RETRY_US (10 * USEC_PER_SEC)
#define SETTLE_US (USEC_PER_SEC / 4)
#define IDLE_US (30 * USEC_PER_SEC)
#define POLLFDS_MAX 512

struct follower {
    const struct config_input *config;
    struct input input;
    struct reader_source source;
    bool open, failed, ended, idle;
    uint64_t retry_us;
    struct log_gate gate;
};

struct pipeline {
    const struct config *config;
    const struct pipeline_options *options;
    struct clock clock;
    struct core *core;
    struct sender *sender;
    struct reader *reader;
    struct geo *geo;
    struct arena *block_arena;
    struct follower *followers;
    size_t nfollowers;
    int signal_fd;
    uint64_t last_commit_us, blocked_until_us;
    struct log_gate commit_gate;
    bool stopping, blocked;
    uint64_t busy_us; /* monotonic: when something was read last */
    uint64_t settle_us; /* how long a record may be held back by its framing */
};

/* ---- opening ---- */

struct cursor_list {
    struct cursor *items;
    size_t n, cap;
    struct arena *arena;
};

static int add_cursor(void *ctx, const struct cursor *c)
{
    struct cursor_list *l = ctx;

    if (l->n == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : 16;
        struct cursor *items = arena_array(l->arena, cap, sizeof *items);

        if (!items)
            return -ENOMEM;
        if (l->n)
            memcpy(items, l->items, l->n * sizeof *items);
        l->items = items;
        l->cap = cap;
    }
    l->items[l->n].stream = arena_slice(l->arena, c->stream);
    l->items[l->n].value = arena_slice(l->arena, c->value);
    return l->items[l->n++].value.p ? 0 : -ENOMEM;
}

static int follower_open(struct pipeline *p, struct follower *f, struct err *err)
{
    AUTO(arena) a = arena_new(16384, 64 << 20);
    struct cursor_list cursors = { .arena = a };
    int r;

    if (!a)
        return err_nomem(err);
    r = store_cursors_each(core_store(p->core), slice_str(f->config->name), add_cursor, &cursors,
                           err);
    if (r < 0)
        return r;
    f->input = (struct input){
        .name = f->config->name,
        .ops = f->config->ops,
        .state = f->config->state,
        .framing = format_framing(f->config->channel->format),
        .clock = &p->clock,
        .first_start = cursors.n == 0,
        .block_max = p->config->block_bytes,
        .fd = -1,
        .socket = -1,
        .cursors = cursors.items,
        .ncursors = cursors.n,
    };
    r = f->input.ops->open(&f->input, err);
    f->input.cursors = NULL;
    if (r < 0) {
        f->input.ops->close(&f->input);
        return err_while(err, "input '%s'", f->config->name);
    }
    f->open = true;
    if (f->input.framing && f->input.framing->idle_us + SETTLE_US > p->settle_us)
        p->settle_us = f->input.framing->idle_us + SETTLE_US;
    return 0;
}

/* A fault of one input stays with that one: told, noted, tried again. */
static void follower_fail(struct pipeline *p, struct follower *f, const struct err *err)
{
    uint64_t missed;
    AUTO_BUF b = BUF_INIT;
    struct json_writer w = json_writer(&b);

    f->retry_us = clock_mono(&p->clock) + INPUT_RETRY_US;
    if (log_gate(&f->gate, clock_mono(&p->clock), &missed))
        log_err(LOG_LEVEL_ERROR, err);
    if (f->failed)
        return;
    f->failed = true;
    json_member_str(&w, "input", f->config->name);
    json_member_str(&w, "error", err->text);
    if (buf_ok(&b))
        (void)core_note(p->core, "input.failed", buf_view(&b), NULL);
}

static void follower_recovered(struct pipeline *p, struct follower *f)
{
    AUTO_BUF b = BUF_INIT;
    struct json_writer w = json_writer(&b);

    if (!f->failed)
        return;
    f->failed = false;
    log_notice("input '%s' works again", f->config->name);
    json_member_str(&w, "input", f->config->name);
    if (buf_ok(&b))
        (void)core_note(p->core, "input.recovered", buf_view(&b), NULL);
}

static int open_followers(struct pipeline *p, struct err *err)
{
    const struct config *c = p->config;
    size_t n = 0;

    for (size_t i = 0; i < c->nchannels; i++)
        n += c->channels[i].ninputs;
    p->followers = calloc(n ? n : 1, sizeof *p->followers);
    if (!p->followers)
        return err_nomem(err);
    for (size_t i = 0; i < c->nchannels; i++)
        for (size_t j = 0; j < c->channels[i].ninputs; j++) {
            struct follower *f = &p->followers[p->nfollowers++];
            struct err e = ERR_NONE;

            f->config = &c->channels[i].inputs[j];
            if (reader_source_init(&f->source, f->config, err) < 0)
                return err_while(err, "input '%s'", f->config->name);
            if (follower_open(p, f, &e) < 0)
                follower_fail(p, f, &e);
        }
    return 0;
}

static int open_signals(struct pipeline *p, struct err *err)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file size limit is an error to handle, not a death */
    p->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return p->signal_fd < 0 ? err_set(err, -errno, "signalfd: %s", err_name(errno)) : 0;
}

static int open_all(struct pipeline *p, struct err *err)
{
    const struct config *c = p->config;

    p->block_arena = arena_new(2 << 20, 256 << 20);
    if (!p->block_arena)
        return err_nomem(err);
    if (c->geo.n && geo_open(c->geo.items, c->geo.n, &p->geo, err) < 0)
        return err_code(err);
    p->reader = reader_new(c->engine, p->geo);
    if (!p->reader)
        return err_nomem(err);
    if (open_signals(p, err) < 0)
        return err_code(err);
    /* Children first: they must not inherit the state database or the keys. */
    if (sender_start(c, &p->clock, &p->sender, err) < 0)
        return err_code(err);
    if (core_open(c, &p->clock, &p->core, err) < 0)
        return err_code(err);
    return open_followers(p, err);
}

static void close_all(struct pipeline *p)
{
    for (size_t i = 0; i < p->nfollowers; i++) {
        if (p->followers[i].open)
            p->followers[i].input.ops->close(&p->followers[i].input);
        reader_source_fini(&p->followers[i].source);
    }
    free(p->followers);
    sender_free(p->sender);
    core_free(p->core);
    reader_free(p->reader);
    geo_free(p->geo);
    arena_free(p->block_arena);
    if (p->signal_fd >= 0)
        close(p->signal_fd);
}

/* ---- turning ---- */

/* What an input has to tell is an entry of the trail; the operator at the console hears of it, too.
 */
static void log_notices(const struct follower *f, const struct block *b)
{
    for (size_t i = 0; i < b->nnotices; i++) {
        const struct notice *n = &b->notices[i];
        bool start = strcmp(n->type, "source.start") == 0;

        log_at(start ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING, "%s: %.*s: {%.*s}", n->type,
               b->name.p ? (int)b->name.n : (int)strlen(f->config->name),
               b->name.p ? b->name.p : f->config->name, SLICE_FMT(n->members));
    }
}

/* Steps 1-6 for one block of one input. 1 = there was one. */
static int read_block(struct pipeline *p, struct follower *f, struct err *err)
{
    struct block b = { .arena = p->block_arena };
    struct reader_result result;
    struct err e = ERR_NONE;
    int r;

    arena_reset(p->block_arena);
    r = f->input.ops->read(&f->input, &b, &e);
    if (r < 0) {
        follower_fail(p, f, &e);
        return 0;
    }
    if (r == 0)
        return 0;
    follower_recovered(p, f);
    f->ended = b.end;
    log_notices(f, &b);
    r = reader_run(p->reader, &f->source, &b, &result, err);
    if (r < 0)
        return r;
    r = core_take(p->core, &result, err);
    return r < 0 ? r : 1;
}

/* One block from each input in turn: a flooded file cannot starve the others. */
static int read_all(struct pipeline *p, bool *ret_any, struct err *err)
{
    uint64_t now = clock_mono(&p->clock);

    *ret_any = false;
    for (size_t i = 0; i < p->nfollowers; i++) {
        struct follower *f = &p->followers[i];
        struct err e = ERR_NONE;
        int r;

        if (f->ended || (f->failed && now < f->retry_us))
            continue;
        if (!f->open && follower_open(p, f, &e) < 0) {
            follower_fail(p, f, &e);
            continue;
        }
        r = read_block(p, f, err);
        if (r < 0)
            return r;
        f->idle = r == 0;
        *ret_any = *ret_any || r > 0;
    }
    return 0;
}

static void commit_failed(struct pipeline *p, const struct err *err)
{
    uint64_t missed;

    p->blocked = true;
    p->blocked_until_us = clock_mono(&p->clock) + RETRY_US;
    if (log_gate(&p->commit_gate, clock_mono(&p->clock), &missed)) {
        log_err(LOG_LEVEL_ERROR, err);
        log_error("nothing is read until this commit succeeds; the logs themselves are the buffer");
    }
}

/* Steps 7 and 8. A failure keeps the batch: reading stops, the commit is tried again. */
static bool commit(struct pipeline *p)
{
    struct err err = ERR_NONE;

    if (core_commit(p->core, &err) < 0) {
        commit_failed(p, &err);
        return false;
    }
    if (p->blocked)
        log_notice("the commit succeeded again");
    p->blocked = false;
    p->last_commit_us = clock_mono(&p->clock);
    sender_committed(p->sender);
    return true;
}

static bool commit_due(const struct pipeline *p)
{
    if (p->blocked)
        return clock_mono(&p->clock) >= p->blocked_until_us;
    return core_urgent(p->core) ||
           (core_dirty(p->core) && clock_mono(&p->clock) >= p->last_commit_us + COMMIT_US) ||
           audit_due_us(core_audit(p->core)) <= clock_now(&p->clock);
}

static void checkpoint(struct pipeline *p)
{
    struct err err = ERR_NONE;

    if (core_checkpoint(p->core, false, &err) < 0)
        commit_failed(p, &err);
}

static uint64_t until(uint64_t when, uint64_t now)
{
    return when > now ? when - now : 0;
}

static int poll_timeout_ms(const struct pipeline *p)
{
    uint64_t now = clock_mono(&p->clock), wall = clock_now(&p->clock);
    uint64_t wait = IDLE_US, next;

    if (p->blocked)
        return (int)(until(p->blocked_until_us, now) / 1000 + 1);
    for (size_t i = 0; i < p->nfollowers; i++) {
        const struct follower *f = &p->followers[i];

        if (f->ended)
            continue;
        next = f->failed ? f->retry_us : f->input.wake_us;
        if (next && until(next, now) < wait)
            wait = until(next, now);
    }
    if (p->options->once && wait > SETTLE_US)
        wait = SETTLE_US;
    if (core_dirty(p->core) && until(p->last_commit_us + COMMIT_US, now) < wait)
        wait = until(p->last_commit_us + COMMIT_US, now);
    next = store_outbox_next_us(core_store(p->core));
    if (next != UINT64_MAX && until(next, wall) < wait && sender_busy(p->sender) == 0)
        wait = until(next, wall);
    next = audit_due_us(core_audit(p->core));
    if (next != UINT64_MAX && until(next, wall) < wait)
        wait = until(next, wall);
    if (audit_unsigned(core_audit(p->core)) && wait > COMMIT_US)
        wait = COMMIT_US;
    return (int)(wait / 1000 + 1);
}

static void take_signal(struct pipeline *p)
{
    struct signalfd_siginfo info;

    if (read(p->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
        log_notice("ending on signal %u", info.ssi_signo);
        p->stopping = true;
    }
}

static void wait_for_work(struct pipeline *p)
{
    struct pollfd fds[POLLFDS_MAX];
    size_t n = 0;

    fds[n++] = (struct pollfd){ .fd = p->signal_fd, .events = POLLIN };
    n += sender_poll(p->sender, fds + n, 64);
    for (size_t i = 0; !p->blocked && i < p->nfollowers && n < POLLFDS_MAX; i++) {
        const struct follower *f = &p->followers[i];

        if (f->open && !f->ended && f->input.fd >= 0)
            fds[n++] =
                (struct pollfd){ .fd = f->input.fd,
                                 .events = (short)(f->input.events ? f->input.events : POLLIN) };
    }
    (void)poll(fds, n, poll_timeout_ms(p));
}

/*
 * One turn of the wheel. Reading stops while a commit is owed: what was read
 * is in the open batch, and nothing is acted on before it is evidence.
 */
static int pipeline_turn(struct pipeline *p, bool *ret_idle, struct err *err)
{
    bool any = false;
    int r = 0;

    if (!p->blocked)
        r = read_all(p, &any, err);
    if (r == 0)
        r = sender_collect(p->sender, p->core, err);
    if (r >= 0 && commit_due(p))
        commit(p);
    if (r >= 0 && !p->blocked) {
        checkpoint(p);
        r = sender_dispatch(p->sender, p->core, err);
    }
    *ret_idle = !any;
    return r < 0 ? r : 0;
}

/*
 * With `once`: nothing was read for so long that no record is held back any
 * more, nothing is on its way, what is left only waits for a retry.
 */
static bool finished(const struct pipeline *p, bool idle)
{
    return p->options->once && idle && !p->blocked && sender_busy(p->sender) == 0 &&
           clock_mono(&p->clock) >= p->busy_us + p->settle_us &&
           store_outbox_next_us(core_store(p->core)) > clock_now(&p->clock);
}

static void stop(struct pipeline *p)
{
    struct err err = ERR_NONE;

    if (p->blocked) {
        log_error("ending with a commit that failed: the same lines will be read again");
        return;
    }
    (void)core_note(p->core, "daemon.stop", SLICE_NONE, NULL);
    if (core_commit(p->core, &err) < 0 || core_checkpoint(p->core, true, &err) < 0)
        log_err(LOG_LEVEL_ERROR, &err);
}

static int turn_until_told(struct pipeline *p, struct err *err)
{
    int r = 0;

    sd_notify(0, "READY=1");
    p->busy_us = clock_mono(&p->clock);
    while (!p->stopping) {
        bool idle;

        r = pipeline_turn(p, &idle, err);
        if (r < 0)
            return r;
        if (!idle)
            p->busy_us = clock_mono(&p->clock);
        if (finished(p, idle)) {
            if (!core_dirty(p->core) || commit(p))
                break;
        } else if (idle) {
            wait_for_work(p);
        }
        take_signal(p);
    }
    sd_notify(0, "STOPPING=1");
    return 0;
}

int pipeline_run(const struct config *c, const struct pipeline_options *o, struct err *err)
{
    struct pipeline p = { .config = c, .options = o, .signal_fd = -1 };
    int r = open_all(&p, err);

    if (r == 0)
        r = turn_until_told(&p, err);
    if (r == 0)
        stop(&p);
    close_all(&p);
    return r;
}
