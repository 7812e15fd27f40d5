/* The parent's children: how they begin, and how they end. */
#include "logwatch/parent-private.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/log.h"
#include "logwatch/forward.h"
#include "logwatch/sender.h"

#define RESTART_FIRST_US (100 * USEC_PER_MSEC)
#define RESTART_LAST_US (30 * USEC_PER_SEC)
#define STEADY_US (60 * USEC_PER_SEC) /* who lived so long begins again with the first wait */
#define PING_US (10 * USEC_PER_SEC) /* or oftener: a part of the watchdog's time, or of `stall` */
#define PINGS_A_WAIT 4

const char *parent_receiver(const struct parent *p, const struct child *c)
{
    if (c->role == ROLE_FORWARDER)
        return forward_machine(p->config, c->index)->name;
    return c->role == ROLE_SENDER ? sender_sink(p->config, c->index)->name : "";
}

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
    static const char *const names[] = { "tw-parent", "tw-reader", "tw-core",   "tw-send",
                                         "tw-block",  "tw-names",  "tw-forward" };

    (void)prctl(PR_SET_NAME, names[c->role]);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent_pid)
        return ROLE_FAILED;
    keep_own(p, c, s);
    config_forget_sinks(p->config,
                        c->role == ROLE_SENDER ? sender_sink(p->config, c->index) : NULL);
    config_forget_forwards(p->config,
                           c->role == ROLE_FORWARDER ? forward_machine(p->config, c->index) : NULL);
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
    if (c->role == ROLE_BLOCKER)
        return role_blocker(s);
    if (c->role == ROLE_RESOLVER)
        return role_resolver(s);
    if (c->role == ROLE_FORWARDER)
        return role_forwarder(s);
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

void parent_tell(struct parent *p, unsigned type, const struct buf *body, int with_fd)
{
    AUTO_BUF note = BUF_INIT;

    wire_u8(&note, type);
    if (body)
        buf_slice(&note, buf_view(body));
    if (buf_ok(&note) && p->core >= 0)
        (void)ipc_note_send(p->core, buf_view(&note), with_fd);
}

void parent_tell_entry(struct parent *p, const char *type, struct slice members)
{
    AUTO_BUF body = BUF_INIT;

    if (wire_put_note(&body, type, members) == 0)
        parent_tell(p, MESSAGE_TELL, &body, -1);
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

/* Reader, senders and blocker: a line to the core, of which the core gets its end by a note. */
int parent_start_child(struct parent *p, struct child *c, struct err *err)
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
        parent_tell(p, MESSAGE_ATTACH, &body, pair[0]);
    }
    close(pair[0]);
    return r;
}

static int start_child(struct parent *p, struct child *c, const char *why, struct err *err)
{
    return c->role == ROLE_CORE ? start_core(p, c, why, err) : parent_start_child(p, c, err);
}

/* A configuration's set of children, none of them running. */
int parent_make_children(struct parent *p, struct err *err)
{
    size_t senders = sender_count(p->config), n = 2 + senders, forwards = p->config->nforwards;
    bool blocker = p->config->bans.blocker != NULL;
    bool resolver = blocker && p->config->bans.allow_names.n;

    free(p->children);
    p->children = calloc(n + forwards + blocker + resolver, sizeof *p->children);
    p->n = p->children ? n + forwards + blocker + resolver : 0;
    if (!p->children)
        return err_nomem(err);
    p->children[0].role = ROLE_CORE;
    p->children[1].role = ROLE_READER;
    for (size_t i = 0; i < senders; i++) {
        p->children[2 + i].role = ROLE_SENDER;
        p->children[2 + i].index = i;
    }
    for (size_t i = 0; i < forwards; i++) {
        p->children[n].role = ROLE_FORWARDER;
        p->children[n++].index = i;
    }
    if (blocker)
        p->children[n].role = ROLE_BLOCKER;
    if (resolver)
        p->children[n + 1].role = ROLE_RESOLVER;
    return 0;
}

static void set_ping(struct parent *p)
{
    uint64_t every = p->config->stall_us / PINGS_A_WAIT;

    if (p->watchdog_us && p->watchdog_us / PINGS_A_WAIT < every)
        every = p->watchdog_us / PINGS_A_WAIT;
    p->ping_every_us = every < PING_US ? every : PING_US;
}

int parent_start(struct parent *p, const char *why, struct err *err)
{
    p->phase = PHASE_RUN;
    set_ping(p);
    p->ready = false;
    p->pong_us = p->tock_us = clock_mono(&p->clock);
    for (size_t i = 0; i < p->n; i++) {
        if (start_child(p, &p->children[i], why, err) < 0)
            return err_code(err);
        if (i == 0 && p->last_words[0])
            parent_tell_entry(p, "role.ended", slice_str(p->last_words));
    }
    p->last_words[0] = '\0';
    return 0;
}

/* ---- ending ---- */

bool parent_anyone(const struct parent *p)
{
    for (size_t i = 0; i < p->n; i++)
        if (p->children[i].pid)
            return true;
    return false;
}

void parent_kill(struct parent *p, int sig)
{
    for (size_t i = 0; i < p->n; i++)
        if (p->children[i].pid)
            kill(p->children[i].pid, sig);
}

/* The reader gives what it has and ends; the core takes it, commits and ends; senders follow. */
void parent_stop(struct parent *p)
{
    if (p->phase != PHASE_RUN)
        return;
    p->phase = PHASE_STOP;
    p->stop_us = clock_mono(&p->clock) + STOP_US;
    if (p->children[1].pid)
        kill(p->children[1].pid, SIGTERM);
    parent_tell(p, MESSAGE_STOP, NULL, -1);
}

void parent_close_core(struct parent *p)
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

/* In an end in order, who bans may run the operator's last hook; STOP_US bounds that. */
static void end_all(struct parent *p)
{
    for (size_t i = 0; i < p->n; i++)
        if (p->children[i].pid)
            kill(p->children[i].pid,
                 p->phase != PHASE_RUN && p->children[i].role == ROLE_BLOCKER ? SIGTERM : SIGKILL);
}

/* Without a core nobody else has work: all end, and all begin again. */
static void core_ended(struct parent *p, struct child *c, int status)
{
    parent_take_notes(p); /* its last words */
    parent_close_core(p);
    end_all(p);
    p->pong_us = 0;
    if (p->phase == PHASE_RUN && WIFEXITED(status) && WEXITSTATUS(status) == ROLE_HOPELESS) {
        if (!p->hopeless.code) /* it could not even say so */
            err_set(&p->hopeless, -EIO, "the core cannot work");
        p->leaving = true;
        p->phase = PHASE_STOP;
    } else if (p->phase == PHASE_RUN) {
        schedule(p, c);
    }
}

static void child_ended(struct parent *p, struct child *c, int status)
{
    const char *receiver = parent_receiver(p, c);
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
        parent_tell_entry(p, "role.ended", slice_str(p->last_words));
        p->last_words[0] = '\0';
    }
    schedule(p, c);
}

void parent_reap(struct parent *p)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid == p->guard.pid)
            parent_guard_ended(p, status);
        for (size_t i = 0; i < p->n; i++)
            if (p->children[i].pid == pid)
                child_ended(p, &p->children[i], status);
    }
}
