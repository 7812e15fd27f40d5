/*
 * The guard: a child that verifies the trail now and then, and what follows.
 *
 * It may read the trail's folder and nothing else, writes one line into a pipe, and runs when
 * nobody else wants the processor. Its outcome is an entry, trail.verify. A trail that does not
 * verify is signed no more: the core is killed, `run` ends with exit status 10, and the next start
 * verifies before it does anything (guard.json in the state folder says that it must).
 */
#include "logwatch/parent-private.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <systemd/sd-daemon.h>

#include "audit/audit.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/privileges.h"

#define RECORD "guard.json"
#define LINE_MAX_BYTES 2048
#define FIRST_US (60 * USEC_PER_SEC) /* behind the start, or `verify` when that is shorter */
#define IDLE_CLASS (3 << 13) /* ioprio_set(2): only when the disk has nothing else to do */

/* ---- the child ---- */

static int drop_rights(const struct config *c, struct err *err)
{
    const char *const read[] = { c->trail, NULL };
    const struct privileges p = { .read = read, .user = c->user, .files_max = 256 };

    return privileges_drop(&p, NULL, err);
}

static const struct audit_finding *first_fault(const struct audit_report *r)
{
    for (size_t i = 0; i < r->nfindings; i++)
        if (!r->findings[i].warning)
            return &r->findings[i];
    return NULL;
}

/* The members of the entry. */
static void put_report(struct buf *out, const struct audit_report *r, uint64_t us)
{
    const struct audit_finding *f = first_fault(r);
    struct json_writer w = json_writer(out);

    json_member_bool(&w, "good", r->good);
    json_member_u64(&w, "size", r->signed_size);
    json_member_u64(&w, "seconds", us / USEC_PER_SEC);
    if (f) {
        json_member_str(&w, "code", f->code);
        json_member_str(&w, "text", f->text);
    }
}

static int guard_main(const struct config *c, int pipe_fd)
{
    const struct clock real = CLOCK_REAL;
    const struct audit_verify_options o = { .folder = c->trail, .now_us = clock_now(&real) };
    uint64_t start = clock_mono(&real);
    struct audit_report report = { .good = false };
    struct err err = ERR_NONE;
    AUTO_BUF line = BUF_LIMIT(LINE_MAX_BYTES);
    int r;

    (void)setpriority(PRIO_PROCESS, 0, 19);
    (void)syscall(SYS_ioprio_set, 1, 0, IDLE_CLASS);
    r = drop_rights(c, &err);
    for (unsigned i = 0; r == 0 && !report.good && i < 2; i++) { /* a fault is looked at twice */
        audit_report_fini(&report);
        r = audit_verify(&o, &report, &err);
    }
    if (r < 0) {
        (void)err_while(&err, "the trail cannot be verified");
        log_err(LOG_LEVEL_ERROR, &err);
        return ROLE_FAILED;
    }
    put_report(&line, &report, clock_mono(&real) - start);
    audit_report_fini(&report);
    if (!buf_ok(&line) || fd_write_all(pipe_fd, line.p, line.n) < 0)
        return ROLE_FAILED;
    return report.good ? ROLE_DONE : ROLE_HOPELESS;
}

static int fork_guard(struct parent *p, struct err *err)
{
    pid_t parent_pid = getpid();
    int fds[2];

    if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
        return err_set(err, -errno, "pipe: %s", err_name(errno));
    fflush(NULL);
    p->guard.pid = fork();
    if (p->guard.pid == 0) {
        (void)prctl(PR_SET_NAME, "tw-guard");
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent_pid || dup2(fds[1], 3) < 0)
            _exit(ROLE_FAILED);
        (void)close_range(4, ~0u, 0);
        config_forget_sinks(p->config, NULL);
        signal(SIGINT, SIG_IGN);
        signal(SIGTERM, SIG_DFL);
        sigprocmask(SIG_SETMASK, &p->before, NULL);
        _exit(guard_main(p->config, 3));
    }
    close(fds[1]);
    if (p->guard.pid < 0) {
        p->guard.pid = 0;
        close(fds[0]);
        return err_set(err, -errno, "fork: %s", err_name(errno));
    }
    p->guard.fd = fds[0];
    return 0;
}

/* ---- what it said ---- */

/* {"time":...,"good":...,...}: for `status`, and for the next start. */
static void record(struct parent *p, struct slice members)
{
    const struct clock real = CLOCK_REAL;
    AUTO_BUF b = BUF_INIT;
    AUTO_BUF path = BUF_INIT;
    struct json_writer w = json_writer(&b);
    struct err err = ERR_NONE;

    json_object(&w);
    json_member_time(&w, "time", clock_now(&real));
    buf_char(&b, ',');
    buf_slice(&b, members);
    buf_str(&b, "}\n");
    buf_printf(&path, "%s/" RECORD, p->config->state);
    if (buf_ok(&b) && buf_ok(&path) && file_replace(-1, path.p, buf_view(&b), 0644, &err) < 0)
        log_err(LOG_LEVEL_WARNING, &err);
}

static void read_outcome(struct parent *p, struct buf *out)
{
    char bytes[LINE_MAX_BYTES];
    ssize_t n = p->guard.fd >= 0 ? read(p->guard.fd, bytes, sizeof bytes) : 0;

    if (n > 0)
        buf_add(out, bytes, (size_t)n);
    if (p->guard.fd >= 0)
        close(p->guard.fd);
    p->guard.fd = -1;
    p->guard.pid = 0;
    p->guard.due_us = clock_mono(&p->clock) + p->config->verify_us;
}

static struct json *parsed(struct arena *a, const struct buf *members)
{
    AUTO_BUF b = BUF_INIT;

    buf_printf(&b, "{%.*s}", SLICE_FMT(buf_view(members)));
    return a && buf_ok(&b) ? json_load(a, buf_view(&b), NULL) : NULL;
}

static int refuse(struct err *err, const struct buf *members)
{
    AUTO(arena) a = arena_new(4096, 1 << 20);
    const struct json *doc = parsed(a, members);

    return err_set(err, -EUCLEAN,
                   "the trail does not verify (%.*s: %.*s): nothing is signed any more; see"
                   " `trailwarden trail verify` and docs/trail.md",
                   SLICE_FMT(json_text(doc, "code")), SLICE_FMT(json_text(doc, "text")));
}

/* At once: an orderly end would sign once more. What was committed is not lost. */
static void stop_signing(struct parent *p, const struct buf *members)
{
    (void)refuse(&p->hopeless, members);
    log_err(LOG_LEVEL_ERROR, &p->hopeless);
    parent_kill(p, SIGKILL);
    p->leaving = true;
    p->phase = PHASE_STOP;
    p->stop_us = clock_mono(&p->clock) + STOP_US;
    parent_guard_tell(p, slice_str(p->hopeless.text));
}

void parent_guard_ended(struct parent *p, int status)
{
    AUTO_BUF members = BUF_INIT;
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : ROLE_FAILED;

    read_outcome(p, &members);
    if (!buf_ok(&members) || members.n == 0 || code == ROLE_FAILED) {
        log_warning("the trail could not be verified: tried again later");
        return;
    }
    record(p, buf_view(&members));
    if (code == ROLE_HOPELESS && p->phase == PHASE_RUN)
        stop_signing(p, &members);
    else if (p->phase == PHASE_RUN)
        parent_tell_entry(p, "trail.verify", buf_view(&members));
}

/* ---- when ---- */

void parent_guard_turn(struct parent *p, uint64_t now)
{
    struct err err = ERR_NONE;
    uint64_t every = p->config->verify_us;

    if (!every || p->options->run.once || p->phase != PHASE_RUN || !p->ready || p->guard.pid)
        return;
    if (!p->guard.due_us)
        p->guard.due_us = now + (every < FIRST_US ? every : FIRST_US);
    if (now < p->guard.due_us)
        return;
    p->guard.due_us = now + every;
    if (fork_guard(p, &err) < 0)
        log_err(LOG_LEVEL_WARNING, &err);
}

static bool was_bad(const struct parent *p)
{
    AUTO(arena) a = arena_new(4096, 1 << 20);
    AUTO_BUF path = BUF_INIT;
    AUTO_BUF text = BUF_INIT;
    const struct json *doc;

    buf_printf(&path, "%s/" RECORD, p->config->state);
    if (!a || !buf_ok(&path) || file_read(-1, path.p, LINE_MAX_BYTES + 100, &text, NULL) < 0)
        return false;
    doc = json_load(a, buf_view(&text), NULL);
    return doc && !json_bool(doc, "good", true);
}

/* Its exit status, or -1: told to end meanwhile. */
static int wait_for_guard(struct parent *p)
{
    struct pollfd fd = { .fd = p->signals, .events = POLLIN };
    struct signalfd_siginfo info;
    bool told = false;
    int status = W_EXITCODE(ROLE_FAILED, 0);

    while (waitpid(p->guard.pid, &status, WNOHANG) == 0) {
        (void)poll(&fd, 1, 1000);
        while (read(p->signals, &info, sizeof info) == (ssize_t)sizeof info)
            told = told || info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT;
        if (told)
            kill(p->guard.pid, SIGKILL);
    }
    return told ? -1 : status;
}

int parent_guard_at_start(struct parent *p, struct err *err)
{
    AUTO_BUF members = BUF_INIT;
    int status;

    p->guard.fd = -1;
    if (!was_bad(p))
        return 0;
    log_notice("the trail did not verify the last time: verifying it before anything else");
    if (fork_guard(p, err) < 0)
        return err_code(err);
    sd_notify(0, "EXTEND_TIMEOUT_USEC=3600000000\nSTATUS=verifying the trail");
    status = wait_for_guard(p);
    read_outcome(p, &members);
    if (members.n)
        record(p, buf_view(&members));
    if (status == -1)
        return err_set(err, -EINTR, "told to end");
    if (WIFEXITED(status) && WEXITSTATUS(status) == ROLE_DONE)
        return 0;
    return refuse(err, &members);
}
