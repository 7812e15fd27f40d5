#include "logwatch/parent.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <systemd/sd-daemon.h>

#include "base/file.h"
#include "base/log.h"
#include "logwatch/control.h"
#include "logwatch/roles.h"
#include "logwatch/sender.h"

#define RESTART_FIRST_US (100 * USEC_PER_MSEC)
#define RESTART_LAST_US (30 * USEC_PER_SEC)
#define STEADY_US (60 * USEC_PER_SEC) /* who lived so long begins again with the first wait */
#define PING_US (10 * USEC_PER_SEC) /* or oftener: a part of the watchdog's time, or of `stall` */
#define PINGS_A_WAIT 4
#define STOP_US (60 * USEC_PER_SEC)
#define NOTE_SIZE 4096

struct child {
    enum role role;
    size_t index; /* of a sender */
    pid_t pid; /* 0 = does not run */
    uint64_t started_us, restart_us; /* monotonic */
    uint64_t wait_us; /* before the next start */
    uint8_t mark[32]; /* what its rights lie on */
    bool renewed; /* told to end for new rights: no fault */
};

enum phase {
    PHASE_RUN,
    PHASE_STOP, /* told to end: reader, then core */
    PHASE_ENDED,
};

struct parent {
    const struct parent_options *options;
    struct config *config;
    struct config *next; /* of a reload: begins when all have ended */
    struct clock clock;
    struct child *children; /* core, reader, senders */
    size_t n;
    int core; /* line of notes */
    int signals, control;
    int asker; /* who waits for the end of a reload; -1 = nobody */
    sigset_t before; /* the mask that children begin with */
    enum phase phase;
    bool leaving; /* ends after this stop */
    bool ready; /* this generation has told so */
    bool was_ready; /* any one has */
    bool done; /* `once` */
    uint64_t stop_us; /* monotonic: killed then */
    uint64_t watchdog_us; /* systemd's; 0 = none */
    uint64_t ping_every_us;
    uint64_t ping_us, ping_n, pong_us, tock_us, tock_n; /* last: monotonic */
    int status; /* exit status of `run` */
    char last_words[200]; /* entry for the trail about who ended, JSON members */
};

/* ---- forking ---- */

static int by_number(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

/* A role has only the descriptors that are its own. */
static void close_others(int *keep, size_t n)
{
    unsigned from = 3;

    qsort(keep, n, sizeof *keep, by_number);
    for (size_t i = 0; i < n; i++) {
        if (keep[i] < 3)
            continue;
        if ((unsigned)keep[i] > from)
            (void)close_range(from, (unsigned)keep[i] - 1, 0);
        from = (unsigned)keep[i] + 1;
    }
    (void)close_range(from, ~0u, 0);
}

#define KEEP_MAX 512

static void keep_own(const struct parent *p, const struct child *c, const struct role_start *s)
{
    int keep[KEEP_MAX];
    size_t n = 0;

    keep[n++] = s->core;
    keep[n++] = s->parent;
    for (size_t i = 0; c->role == ROLE_READER && i < inputs_count(p->config) && n < KEEP_MAX; i++)
        keep[n++] = inputs_at(p->config, i)->socket;
    close_others(keep, n);
    if (c->role != ROLE_READER) { /* the reader alone may have lines on stdin */
        int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

        if (null >= 0) {
            (void)dup2(null, STDIN_FILENO);
            close(null);
        }
    }
}

static int child_main(struct parent *p, const struct child *c, const struct role_start *s,
                      pid_t parent_pid)
{
    static const char *const names[] = { "tw-parent", "tw-reader", "tw-core", "tw-send" };

    (void)prctl(PR_SET_NAME, names[c->role]);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent_pid)
        return ROLE_FAILED;
    keep_own(p, c, s);
    config_forget_sinks(p->config,
                        c->role == ROLE_SENDER ? sender_sink(p->config, c->index) : NULL);
    signal(SIGINT, SIG_IGN); /* Ctrl-C reaches all: the parent says who ends when */
    signal(SIGHUP, SIG_IGN);
    signal(SIGTERM, SIG_DFL);
    if (c->role == ROLE_READER) { /* which takes SIGTERM by a descriptor */
        sigset_t set;

        sigemptyset(&set);
        sigaddset(&set, SIGTERM);
        sigprocmask(SIG_SETMASK, &set, NULL);
        return role_reader(s);
    }
    sigprocmask(SIG_SETMASK, &p->before, NULL);
    return c->role == ROLE_CORE ? role_core(s) : role_sender(s);
}

static int child_fork(struct parent *p, struct child *c, const struct role_start *s,
                      struct err *err)
{
    pid_t parent_pid = getpid();

    fflush(NULL);
    c->pid = fork();
    if (c->pid < 0) {
        c->pid = 0;
        return err_set(err, -errno, "fork: %s", err_name(errno));
    }
    if (c->pid == 0) {
        int status = child_main(p, c, s, parent_pid);

        fflush(NULL);
        _exit(status); /* what the parent has at its exit is the parent's */
    }
    c->started_us = clock_mono(&p->clock);
    return 0;
}

/* ---- notes to the core ---- */

static void tell_core(struct parent *p, unsigned type, const struct buf *body, int with_fd)
{
    AUTO_BUF note = BUF_INIT;

    wire_u8(&note, type);
    if (body)
        buf_slice(&note, buf_view(body));
    if (buf_ok(&note) && p->core >= 0)
        (void)ipc_note_send(p->core, buf_view(&note), with_fd);
}

static void tell_entry(struct parent *p, const char *type, struct slice members)
{
    AUTO_BUF body = BUF_INIT;

    if (wire_put_note(&body, type, members) == 0)
        tell_core(p, MESSAGE_TELL, &body, -1);
}

/* ---- starting ---- */

static int start_core(struct parent *p, struct child *c, const char *why, struct err *err)
{
    struct role_start s = {
        .config = p->config, .core = -1, .why = why, .once = p->options->run.once
    };
    int pair[2], r;

    if (ipc_pair(SOCK_SEQPACKET, pair, err) < 0)
        return err_code(err);
    s.parent = pair[1];
    r = child_fork(p, c, &s, err);
    close(pair[1]);
    if (r < 0)
        close(pair[0]);
    else
        p->core = pair[0];
    return r;
}

/* Reader and senders: a line to the core, of which the core gets its end by a note. */
static int start_other(struct parent *p, struct child *c, struct err *err)
{
    struct role_start s = {
        .config = p->config, .parent = -1, .index = c->index, .once = p->options->run.once
    };
    AUTO_BUF body = BUF_INIT;
    int pair[2], r;

    if (ipc_pair(c->role == ROLE_READER ? SOCK_STREAM : SOCK_SEQPACKET, pair, err) < 0)
        return err_code(err);
    s.core = pair[1];
    role_rights_mark(c->role, &s, c->mark);
    r = child_fork(p, c, &s, err);
    close(pair[1]);
    if (r == 0) {
        wire_u8(&body, c->role);
        wire_u32(&body, (uint32_t)c->index);
        tell_core(p, MESSAGE_ATTACH, &body, pair[0]);
    }
    close(pair[0]);
    return r;
}

static int start_child(struct parent *p, struct child *c, const char *why, struct err *err)
{
    return c->role == ROLE_CORE ? start_core(p, c, why, err) : start_other(p, c, err);
}

/* A configuration's set of children, none of them running. */
static int make_children(struct parent *p, struct err *err)
{
    size_t n = 2 + sender_count(p->config);

    free(p->children);
    p->children = calloc(n, sizeof *p->children);
    p->n = p->children ? n : 0;
    if (!p->children)
        return err_nomem(err);
    p->children[0].role = ROLE_CORE;
    p->children[1].role = ROLE_READER;
    for (size_t i = 2; i < n; i++) {
        p->children[i].role = ROLE_SENDER;
        p->children[i].index = i - 2;
    }
    return 0;
}

static void set_ping(struct parent *p)
{
    uint64_t every = p->config->stall_us / PINGS_A_WAIT;

    if (p->watchdog_us && p->watchdog_us / PINGS_A_WAIT < every)
        every = p->watchdog_us / PINGS_A_WAIT;
    p->ping_every_us = every < PING_US ? every : PING_US;
}

static int start_all(struct parent *p, const char *why, struct err *err)
{
    p->phase = PHASE_RUN;
    set_ping(p);
    p->ready = false;
    p->pong_us = p->tock_us = clock_mono(&p->clock);
    for (size_t i = 0; i < p->n; i++) {
        if (start_child(p, &p->children[i], why, err) < 0)
            return err_code(err);
        if (i == 0 && p->last_words[0])
            tell_entry(p, "role.ended", slice_str(p->last_words));
    }
    p->last_words[0] = '\0';
    return 0;
}

/* ---- ending ---- */

static bool anyone(const struct parent *p)
{
    for (size_t i = 0; i < p->n; i++)
        if (p->children[i].pid)
            return true;
    return false;
}

static void kill_all(struct parent *p, int sig)
{
    for (size_t i = 0; i < p->n; i++)
        if (p->children[i].pid)
            kill(p->children[i].pid, sig);
}

/* The reader gives what it has and ends; the core takes it, commits and ends; senders follow. */
static void stop_all(struct parent *p)
{
    if (p->phase != PHASE_RUN)
        return;
    p->phase = PHASE_STOP;
    p->stop_us = clock_mono(&p->clock) + STOP_US;
    if (p->children[1].pid)
        kill(p->children[1].pid, SIGTERM);
    tell_core(p, MESSAGE_STOP, NULL, -1);
}

static void close_core(struct parent *p)
{
    if (p->core >= 0)
        close(p->core);
    p->core = -1;
}

static const char *how(int status, char text[64])
{
    if (WIFSIGNALED(status))
        (void)snprintf(text, 64, "signal %d", WTERMSIG(status));
    else
        (void)snprintf(text, 64, "status %d", WEXITSTATUS(status));
    return text;
}

static void schedule(struct parent *p, struct child *c)
{
    uint64_t now = clock_mono(&p->clock);

    if (now >= c->started_us + STEADY_US)
        c->wait_us = 0;
    c->wait_us = c->wait_us == 0                    ? RESTART_FIRST_US
                 : c->wait_us * 2 > RESTART_LAST_US ? RESTART_LAST_US
                                                    : c->wait_us * 2;
    c->restart_us = now + c->wait_us;
}

/* Without a core nobody else has work: all end, and all begin again. */
static void core_ended(struct parent *p, struct child *c, int status)
{
    close_core(p);
    kill_all(p, SIGKILL);
    p->pong_us = 0;
    if (p->phase == PHASE_RUN && WIFEXITED(status) && WEXITSTATUS(status) == ROLE_HOPELESS) {
        p->status = 1;
        p->leaving = true;
        p->phase = PHASE_STOP;
    } else if (p->phase == PHASE_RUN) {
        schedule(p, c);
    }
}

static void child_ended(struct parent *p, struct child *c, int status)
{
    const char *receiver = c->role == ROLE_SENDER ? sender_sink(p->config, c->index)->name : "";
    char text[64];

    c->pid = 0;
    if (p->phase != PHASE_RUN && c->role != ROLE_CORE)
        return;
    if (c->renewed) {
        c->renewed = false;
        c->restart_us = 0;
        return;
    }
    if (p->phase == PHASE_RUN) {
        log_warning("%s%s%s%s ended (%s)", role_name(c->role), *receiver ? " '" : "", receiver,
                    *receiver ? "'" : "", how(status, text));
        if (!p->last_words[0]) /* the first that ended, not those that it took along */
            (void)snprintf(p->last_words, sizeof p->last_words, "\"role\":\"%s\",\"how\":\"%s\"",
                           role_name(c->role), how(status, text));
    }
    if (c->role == ROLE_CORE) {
        core_ended(p, c, status);
        return;
    }
    if (p->core >= 0) {
        tell_entry(p, "role.ended", slice_str(p->last_words));
        p->last_words[0] = '\0';
    }
    schedule(p, c);
}

static void reap(struct parent *p)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        for (size_t i = 0; i < p->n; i++)
            if (p->children[i].pid == pid)
                child_ended(p, &p->children[i], status);
}

/* ---- reloading ---- */

static void answer(struct parent *p, const char *text)
{
    if (p->asker >= 0)
        control_answer(p->asker, text);
    p->asker = -1;
}

/* Sockets that are open under the same key stay; the others are opened now, while that can still
 * be refused. */
static int take_sockets(struct config *c, const struct config *old, struct err *err)
{
    for (size_t i = 0; i < inputs_count(c); i++) {
        struct config_input *in = inputs_at(c, i);
        AUTO_BUF key = BUF_INIT;

        if (!in->ops->listen)
            continue;
        in->ops->listen_key(in->state, &key);
        for (size_t k = 0; old && k < inputs_count(old); k++) {
            const struct config_input *was = inputs_at(old, k);
            AUTO_BUF other = BUF_INIT;

            if (was->ops != in->ops || was->socket < 0)
                continue;
            was->ops->listen_key(was->state, &other);
            if (slice_eq(buf_view(&key), buf_view(&other)))
                in->socket = fcntl(was->socket, F_DUPFD_CLOEXEC, 3);
        }
        if (in->socket < 0 && in->ops->listen(in->state, &in->socket, err) < 0)
            return err_while(err, "input '%s'", in->name);
    }
    return 0;
}

static void close_sockets(const struct config *c)
{
    for (size_t i = 0; c && i < inputs_count(c); i++)
        if (inputs_at(c, i)->socket >= 0)
            close(inputs_at(c, i)->socket);
}

static void refuse(struct parent *p, const char *why)
{
    AUTO_BUF b = BUF_INIT;
    AUTO_BUF text = BUF_INIT;
    struct json_writer w = json_writer(&b);

    log_error("the configuration stays as it was: %s", why);
    json_member_str(&w, "error", why);
    if (buf_ok(&b))
        tell_entry(p, "config.refused", buf_view(&b));
    buf_printf(&text, "failed: %s", why);
    answer(p, buf_ok(&text) ? text.p : "failed");
    sd_notify(0, "READY=1");
}

static struct config *load_next(struct parent *p, struct diag *d, struct err *err)
{
    AUTO(config) c = NULL;

    if (config_load(&p->options->request, d, &c) == -ENOMEM) {
        err_nomem(err);
        return NULL;
    }
    diag_print(d, stderr, false);
    if (diag_errors(d)) {
        err_set(err, -EINVAL, "%s", diag_text(d, 0));
        return NULL;
    }
    if (inputs_count(c) == 0) {
        err_set(err, -EINVAL, "nothing to follow");
        return NULL;
    }
    if (strcmp(c->state, p->config->state) != 0 || strcmp(c->trail, p->config->trail) != 0 ||
        strcmp(c->keys, p->config->keys) != 0 || strcmp(c->origin, p->config->origin) != 0) {
        err_set(err, -EINVAL, "state, trail, keys and origin change only with a restart");
        return NULL;
    }
    if (take_sockets(c, p->config, err) < 0) {
        close_sockets(c);
        return NULL;
    }
    return TAKE(c);
}

static void reload(struct parent *p)
{
    AUTO(diag) d = diag_new();
    struct err err = ERR_NONE;
    char text[100];

    if (p->phase != PHASE_RUN || p->next) {
        answer(p, "failed: already reloading or ending");
        return;
    }
    (void)snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%llu",
                   (unsigned long long)clock_mono(&p->clock));
    sd_notify(0, text);
    p->next = d ? load_next(p, d, &err) : NULL;
    if (!p->next) {
        refuse(p, d ? err.text : "out of memory");
        return;
    }
    log_notice("the new configuration is good: changing over");
    stop_all(p);
}

static int change_over(struct parent *p, struct err *err)
{
    struct config *old = p->config;

    p->config = TAKE(p->next);
    close_sockets(old);
    config_free(old);
    if (make_children(p, err) < 0)
        return err_code(err);
    if (p->options->loaded)
        p->options->loaded(p->config);
    return start_all(p, "daemon.reload", err);
}

/* ---- what comes in ---- */

static void take_signals(struct parent *p)
{
    struct signalfd_siginfo info;

    while (read(p->signals, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGHUP) {
            reload(p);
        } else if (info.ssi_signo != SIGCHLD) {
            log_notice("ending on signal %u", info.ssi_signo);
            sd_notify(0, "STOPPING=1");
            p->leaving = true;
            stop_all(p);
        }
    }
    reap(p);
}

static void take_control(struct parent *p)
{
    char request[CONTROL_REQUEST_MAX];
    int fd;

    if (control_accept(p->control, request, &fd) != 1)
        return;
    if (strcmp(request, "reload") == 0 && p->asker < 0) {
        p->asker = fd;
        reload(p);
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
        answer(p, "ok: the new configuration runs");
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

static void take_notes(struct parent *p)
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
        else if (!p->leaving) { /* MESSAGE_DONE */
            p->leaving = true;
            stop_all(p);
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
                   role_name(c->role), c->role == ROLE_SENDER ? " to " : "",
                   c->role == ROLE_SENDER ? sender_sink(p->config, c->index)->name : "");
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
    tell_core(p, MESSAGE_PING, &body, -1);
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
        if (!anyone(p) && now >= p->children[0].restart_us)
            return start_all(p, "daemon.restart", err);
        return 0;
    }
    for (size_t i = 1; i < p->n; i++)
        if (!p->children[i].pid && now >= p->children[i].restart_us) {
            p->tock_us = now;
            if (start_other(p, &p->children[i], err) < 0)
                return err_code(err);
        }
    return 0;
}

static int stopped(struct parent *p, uint64_t now, struct err *err)
{
    if (now >= p->stop_us && anyone(p)) {
        log_error("not all ended in time: killing them");
        kill_all(p, SIGKILL);
        p->stop_us = now + STOP_US;
    }
    if (anyone(p))
        return 0;
    close_core(p);
    if (p->next && !p->leaving)
        return change_over(p, err);
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
    return (int)(wait / 1000 + 1);
}

/* ---- the wheel ---- */

static int turn(struct parent *p, struct err *err)
{
    struct pollfd fds[3] = { { .fd = p->signals, .events = POLLIN },
                             { .fd = p->core, .events = POLLIN },
                             { .fd = p->control, .events = POLLIN } };

    (void)poll(fds, 3, wait_ms(p));
    take_notes(p);
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
    if (open_signals(p, err) < 0 || make_children(p, err) < 0)
        return err_code(err);
    if (dir_make(-1, p->config->state, 0750, err) < 0)
        return err_code(err);
    if (take_sockets(p->config, NULL, err) < 0)
        return err_code(err);
    return start_all(p, "daemon.start", err);
}

static void close_all(struct parent *p)
{
    kill_all(p, SIGKILL);
    for (size_t i = 0; i < p->n; i++)
        if (p->children[i].pid)
            (void)waitpid(p->children[i].pid, NULL, 0);
    answer(p, "failed: the daemon ends");
    close_core(p);
    if (p->control >= 0) {
        AUTO_BUF path = BUF_INIT;

        close(p->control);
        buf_printf(&path, "%s/control", p->config->state);
        if (buf_ok(&path))
            (void)unlink(path.p);
    }
    if (p->signals >= 0)
        close(p->signals);
    close_sockets(p->config);
    close_sockets(p->next);
    config_free(p->config);
    config_free(p->next);
    free(p->children);
}

int parent_run(struct config *c, const struct parent_options *o, int *ret_status, struct err *err)
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
    *ret_status = p.status;
    close_all(&p);
    return r;
}
