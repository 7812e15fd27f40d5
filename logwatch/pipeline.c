#include "logwatch/pipeline.h"

#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <systemd/sd-daemon.h>

#include "logwatch/core-turn.h"
#include "logwatch/follow.h"
#include "logwatch/wire.h"

#define POLLFDS_MAX 512
#define RECEIVERS_MAX 64

struct pipeline {
    const struct config *config;
    const struct run_options *options;
    struct clock clock;
    struct core_turn turn;
    struct follow *follow;
    struct follow_cursor *cursors;
    size_t ncursors;
    struct arena *arena; /* of the cursors */
    int signal_fd;
    bool stopping;
};

/* ---- opening ---- */

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

static int take_result(void *ctx, const struct reader_result *result, struct err *err)
{
    struct pipeline *p = ctx;

    return core_take(p->turn.core, result, err);
}

static int open_follow(struct pipeline *p, struct err *err)
{
    const struct follow_out out = { .result = take_result, .ctx = p };
    int r = follow_new(p->config, &p->clock, &out, p->options->once, &p->follow, err);

    if (r == 0)
        r = core_cursors(p->turn.core, p->arena, &p->cursors, &p->ncursors, err);
    return r < 0 ? r : follow_open(p->follow, p->cursors, p->ncursors, err);
}

static int open_all(struct pipeline *p, struct err *err)
{
    p->arena = arena_new(16384, 64 << 20);
    if (!p->arena)
        return err_nomem(err);
    if (open_signals(p, err) < 0)
        return err_code(err);
    p->turn.config = p->config;
    p->turn.clock = &p->clock;
    /* Children first: they must not inherit the state database or the keys. */
    if (sender_new(p->config, &p->clock, true, &p->turn.sender, err) < 0)
        return err_code(err);
    if (blocking_new(p->config, &p->clock, true, &p->turn.blocking, err) < 0)
        return err_code(err);
    if (core_forward_new(p->config, &p->clock, true, &p->turn.forward, err) < 0)
        return err_code(err);
    if (core_open(p->config, &p->clock, "daemon.start", &p->turn.core, err) < 0)
        return err_code(err);
    return open_follow(p, err);
}

static void close_all(struct pipeline *p)
{
    follow_free(p->follow);
    sender_free(p->turn.sender);
    core_forward_free(p->turn.forward);
    blocking_free(p->turn.blocking);
    core_free(p->turn.core);
    arena_free(p->arena);
    if (p->signal_fd >= 0)
        close(p->signal_fd);
}

/* ---- turning ---- */

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
    uint64_t wait = core_turn_wait_us(&p->turn);
    size_t n = 0;

    fds[n++] = (struct pollfd){ .fd = p->signal_fd, .events = POLLIN };
    n += blocking_poll(p->turn.blocking, fds + n, 1);
    n += core_forward_poll(p->turn.forward, fds + n, FORWARDS_MAX);
    n += sender_poll(p->turn.sender, fds + n, RECEIVERS_MAX - n);
    if (!core_turn_blocked(&p->turn)) {
        n += follow_poll(p->follow, fds + n, POLLFDS_MAX - n);
        if (follow_wait_us(p->follow) < wait)
            wait = follow_wait_us(p->follow);
    }
    (void)poll(fds, n, (int)(wait / 1000 + 1));
}

static int turn_until_told(struct pipeline *p, struct err *err)
{
    sd_notify(0, "READY=1");
    while (!p->stopping) {
        bool any = false;
        int r = 0;

        if (!core_turn_blocked(&p->turn))
            r = follow_turn(p->follow, &any, err);
        if (r == 0)
            r = core_turn(&p->turn, err);
        if (r < 0)
            return r;
        if (p->options->once && !any && follow_settled(p->follow) && core_turn_finished(&p->turn))
            break;
        if (!any)
            wait_for_work(p);
        take_signal(p);
    }
    sd_notify(0, "STOPPING=1");
    return 0;
}

int pipeline_run(const struct config *c, const struct run_options *o, struct err *err)
{
    struct pipeline p = { .config = c, .options = o, .signal_fd = -1 };
    int r = open_all(&p, err);

    if (r == 0)
        r = turn_until_told(&p, err);
    if (r == 0 && !core_turn_blocked(&p.turn))
        r = follow_drain(p.follow, err);
    if (r == 0)
        r = core_turn_stop(&p.turn, 0, err);
    close_all(&p);
    return r;
}
