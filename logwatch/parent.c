#include "logwatch/parent-private.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <systemd/sd-daemon.h>

#include "base/log.h"
#include "logwatch/control.h"
#include "logwatch/sender.h"

#define NOTE_SIZE 4096

/* ---- what comes in ---- */

static void take_signals(struct parent *p)
{
    struct signalfd_siginfo info;

    while (read(p->signals, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGHUP) {
            parent_reload(p);
        } else if (info.ssi_signo != SIGCHLD) {
            log_notice("ending on signal %u", info.ssi_signo);
            sd_notify(0, "STOPPING=1");
            p->leaving = true;
            parent_stop(p);
        }
    }
    parent_reap(p);
}

/* Somebody wants something of the core: it answers on the line that he came by. */
static void hand_act(struct parent *p, const char *request, uid_t uid, int fd)
{
    AUTO_BUF body = BUF_INIT;

    wire_u32(&body, uid);
    wire_slice(&body, slice_str(request));
    parent_tell(p, MESSAGE_ACT, &body, fd);
}

static void take_control(struct parent *p)
{
    char request[CONTROL_REQUEST_MAX];
    uid_t uid;
    int fd;

    if (control_accept(p->control, request, &fd, &uid) != 1)
        return;
    if (request[0] == '{' && p->core >= 0 && p->ready) {
        hand_act(p, request, uid, fd);
        close(fd);
        return;
    }
    if (strcmp(request, "reload") == 0 && p->asker < 0) {
        p->asker = fd;
        parent_reload(p);
        return;
    }
    control_answer(fd, strcmp(request, "ping") == 0 ? "ok" : "failed: no such request, or not now");
}

/* Everything that READY promises: state and trail are open, the inputs are being read. */
static void generation_ready(struct parent *p)
{
    struct err err = ERR_NONE;

    p->ready = true;
    if (p->control < 0 && control_listen(p->config->state, &p->control, &err) < 0)
        log_err(LOG_LEVEL_WARNING, &err);
    sd_notify(0, "READY=1\nSTATUS=following");
    if (p->was_ready)
        parent_answer(p, "ok: the new configuration runs");
    p->was_ready = true;
}

static void take_pong(struct parent *p, struct wire *w)
{
    uint64_t n = wire_get_u64(w), tock = wire_get_u64(w), now = clock_mono(&p->clock);
    bool blocked = wire_get_u8(w) == 1;

    if (w->bad || n != p->ping_n)
        return;
    p->pong_us = now;
    if (tock != p->tock_n || blocked) {
        p->tock_n = tock;
        p->tock_us = now;
        /* A full disk is no stall: killing would not mend it. */
        sd_notify(0, blocked ? "WATCHDOG=1\nSTATUS=waiting for the disk"
                             : "WATCHDOG=1\nSTATUS=following");
    }
}

static void take_hopeless(struct parent *p, struct wire *w)
{
    uint32_t code = wire_get_u32(w);
    struct slice text = wire_get_slice(w);

    if (!w->bad && code && code < 4096)
        err_set(&p->hopeless, -(int)code, "%.*s", SLICE_FMT(text));
}

void parent_take_notes(struct parent *p)
{
    char bytes[NOTE_SIZE];
    ssize_t n;
    int fd;

    while (p->core >= 0 && (n = ipc_note_receive(p->core, bytes, sizeof bytes, &fd)) > 0) {
        struct wire w = { .rest = slice_of(bytes, (size_t)n) };
        unsigned type = wire_get_u8(&w);

        if (fd >= 0)
            close(fd);
        if (message_limit(type, ROLE_CORE, ROLE_PARENT) == 0)
            log_error("the core sent a note that it may not send");
        else if (type == MESSAGE_READY)
            generation_ready(p);
        else if (type == MESSAGE_PONG)
            take_pong(p, &w);
        else if (type == MESSAGE_HOPELESS)
            take_hopeless(p, &w);
        else if (!p->leaving) { /* MESSAGE_DONE */
            p->leaving = true;
            parent_stop(p);
        }
    }
}

/* ---- by time ---- */

/* A log folder that was made anew is out of an old process's reach: a new one gets to it. */
static void renew_rights(struct parent *p)
{
    for (size_t i = 1; i < p->n; i++) {
        struct child *c = &p->children[i];
        struct role_start s = { .config = p->config, .index = c->index };
        uint8_t mark[32];

        if (!c->pid || c->renewed)
            continue;
        role_rights_mark(c->role, &s, mark);
        if (memcmp(mark, c->mark, sizeof mark) == 0)
            continue;
        log_notice("folders of the %s%s%s changed: it begins anew with rights to them",
                   role_name(c->role), *parent_receiver(p, c) ? " to " : "", parent_receiver(p, c));
        c->renewed = true;
        kill(c->pid, SIGTERM);
    }
}

static void ping(struct parent *p, uint64_t now)
{
    AUTO_BUF body = BUF_INIT;

    if (now < p->ping_us || p->core < 0 || !p->ready)
        return;
    p->ping_us = now + p->ping_every_us;
    renew_rights(p);
    wire_u64(&body, ++p->ping_n);
    parent_tell(p, MESSAGE_PING, &body, -1);
}

/* The first that does not move any more is killed, and started again like one that died. */
static void find_stalled(struct parent *p, uint64_t now)
{
    uint64_t stall = p->config->stall_us;
    struct child *c = p->pong_us && now > p->pong_us + stall   ? &p->children[0]
                      : p->tock_us && now > p->tock_us + stall ? &p->children[1]
                                                               : NULL;

    if (!c || !c->pid || p->phase != PHASE_RUN || !p->ready)
        return;
    log_error("%s has not moved for %u s: killing it", role_name(c->role),
              (unsigned)(stall / USEC_PER_SEC));
    p->pong_us = p->tock_us = now;
    kill(c->pid, SIGKILL);
}

static int restart_due(struct parent *p, uint64_t now, struct err *err)
{
    if (p->core < 0) {
        if (!parent_anyone(p) && now >= p->children[0].restart_us)
            return parent_start(p, "daemon.restart", err);
        return 0;
    }
    for (size_t i = 1; i < p->n; i++)
        if (!p->children[i].pid && now >= p->children[i].restart_us) {
            p->tock_us = now;
            if (parent_start_child(p, &p->children[i], err) < 0)
                return err_code(err);
        }
    return 0;
}

static int stopped(struct parent *p, uint64_t now, struct err *err)
{
    if (now >= p->stop_us && parent_anyone(p)) {
        log_error("not all ended in time: killing them");
        parent_kill(p, SIGKILL);
        p->stop_us = now + STOP_US;
    }
    if (parent_anyone(p))
        return 0;
    parent_close_core(p);
    if (p->next && !p->leaving)
        return parent_change_over(p, err);
    p->phase = PHASE_ENDED;
    return 0;
}

static int by_time(struct parent *p, struct err *err)
{
    uint64_t now = clock_mono(&p->clock);

    if (p->phase == PHASE_STOP)
        return stopped(p, now, err);
    ping(p, now);
    find_stalled(p, now);
    parent_guard_turn(p, now);
    return restart_due(p, now, err);
}

static int wait_ms(const struct parent *p)
{
    uint64_t now = clock_mono(&p->clock),
             wait = p->phase == PHASE_STOP ? USEC_PER_SEC : p->ping_every_us;

    for (size_t i = 0; p->phase == PHASE_RUN && i < p->n; i++) {
        const struct child *c = &p->children[i];

        if (!c->pid && c->restart_us < now + wait)
            wait = c->restart_us > now ? c->restart_us - now : 0;
    }
    if (p->guard.due_us && !p->guard.pid && p->guard.due_us < now + wait)
        wait = p->guard.due_us > now ? p->guard.due_us - now : 0;
    return (int)(wait / 1000 + 1);
}

/* ---- the wheel ---- */

static int turn(struct parent *p, struct err *err)
{
    struct pollfd fds[3] = { { .fd = p->signals, .events = POLLIN },
                             { .fd = p->core, .events = POLLIN },
                             { .fd = p->control, .events = POLLIN } };

    (void)poll(fds, 3, wait_ms(p));
    parent_take_notes(p);
    take_signals(p);
    if (fds[2].revents & POLLIN)
        take_control(p);
    return by_time(p, err);
}

static int open_signals(struct parent *p, struct err *err)
{
    static const int wanted[] = { SIGTERM, SIGINT, SIGHUP, SIGCHLD };
    sigset_t set;

    sigemptyset(&set);
    for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
        sigaddset(&set, wanted[i]);
    sigprocmask(SIG_BLOCK, &set, &p->before);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file size limit is an error to handle, not a death */
    p->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return p->signals < 0 ? err_set(err, -errno, "signalfd: %s", err_name(errno)) : 0;
}

static int open_all(struct parent *p, struct err *err)
{
    (void)sd_watchdog_enabled(0, &p->watchdog_us);
    if (open_signals(p, err) < 0 || parent_make_children(p, err) < 0)
        return err_code(err);
    if (role_make_folders(p->config, err) < 0)
        return err_code(err);
    if (parent_take_sockets(p->config, NULL, err) < 0 || parent_guard_at_start(p, err) < 0)
        return err_code(err);
    return parent_start(p, "daemon.start", err);
}

static void close_all(struct parent *p)
{
    parent_kill(p, SIGKILL);
    if (p->guard.pid) {
        kill(p->guard.pid, SIGKILL);
        (void)waitpid(p->guard.pid, NULL, 0);
        close(p->guard.fd);
    }
    for (size_t i = 0; i < p->n; i++)
        if (p->children[i].pid)
            (void)waitpid(p->children[i].pid, NULL, 0);
    parent_answer(p, "failed: the daemon ends");
    parent_close_core(p);
    if (p->control >= 0) {
        AUTO_BUF path = BUF_INIT;

        close(p->control);
        buf_printf(&path, "%s/control", p->config->state);
        if (buf_ok(&path))
            (void)unlink(path.p);
    }
    if (p->signals >= 0)
        close(p->signals);
    parent_close_sockets(p->config);
    parent_close_sockets(p->next);
    config_free(p->config);
    config_free(p->next);
    free(p->children);
}

int parent_run(struct config *c, const struct parent_options *o, struct err *err)
{
    struct parent p = {
        .options = o, .config = c, .core = -1, .signals = -1, .control = -1, .asker = -1
    };
    int r;

    if (o->loaded)
        o->loaded(c);
    r = open_all(&p, err);
    while (r == 0 && p.phase != PHASE_ENDED)
        r = turn(&p, err);
    if (r == 0 && p.hopeless.code) {
        *err = p.hopeless;
        r = err->code;
    }
    close_all(&p);
    return r;
}
