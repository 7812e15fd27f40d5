#include "base/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/file.h"

struct child {
    pid_t pid;
    int in, out; /* our ends */
};

/* A fresh start: no signal is blocked or ignored, nothing but 0-2 is open. */
static void child_reset(void)
{
    sigset_t none;

    setpgid(0, 0);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    for (int s = 1; s < NSIG; s++)
        if (s != SIGKILL && s != SIGSTOP)
            signal(s, SIG_DFL);
}

static int spawn(struct child *c, struct err *err)
{
    int in[2], out[2];

    if (pipe2(in, O_CLOEXEC) < 0)
        return err_set(err, -errno, "pipe: %s", err_name(errno));
    if (pipe2(out, O_CLOEXEC) < 0) {
        close(in[0]);
        close(in[1]);
        return err_set(err, -errno, "pipe: %s", err_name(errno));
    }
    fflush(NULL); /* what is buffered must not be written twice */
    c->pid = fork();
    if (c->pid == 0) {
        child_reset();
        dup2(in[0], 0);
        dup2(out[1], 1);
        dup2(out[1], 2);
        close_range(3, ~0u, 0);
        return 0;
    }
    close(in[0]);
    close(out[1]);
    c->in = in[1];
    c->out = out[0];
    if (c->pid < 0) {
        close(c->in);
        close(c->out);
        return err_set(err, -errno, "fork: %s", err_name(errno));
    }
    setpgid(c->pid, c->pid);
    fcntl(c->in, F_SETFL, O_NONBLOCK);
    fcntl(c->out, F_SETFL, O_NONBLOCK);
    return 1;
}

/* Keeps what the limit allows; the rest is read and dropped, so the child is not held up. */
static bool read_out(struct child *c, struct buf *out)
{
    char part[4096];
    ssize_t n = read(c->out, part, sizeof part);

    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        return false;
    if (n > 0) {
        size_t room = out->limit && out->limit > out->n ? out->limit - out->n : 0;

        buf_add(out, part, out->limit && (size_t)n > room ? room : (size_t)n);
    }
    return true;
}

static void write_in(struct child *c, struct slice *input)
{
    ssize_t n = input->n ? write(c->in, input->p, input->n) : 0;

    if (n > 0)
        *input = slice_skip(*input, (size_t)n);
    if (input->n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
        close(c->in);
        c->in = -1;
    }
}

static void talk(struct child *c, struct slice input, uint64_t deadline, struct proc_result *r)
{
    const struct clock real = CLOCK_REAL;
    bool open = true;

    if (input.n == 0) {
        close(c->in);
        c->in = -1;
    }
    while (open) {
        uint64_t now = clock_mono(&real);
        struct pollfd fds[2] = { { .fd = c->out, .events = POLLIN },
                                 { .fd = c->in, .events = POLLOUT } };

        if (now >= deadline) {
            r->timed_out = true;
            break;
        }
        if (poll(fds, 2, (int)((deadline - now) / 1000 + 1)) < 0 && errno != EINTR)
            break;
        if (c->in >= 0 && fds[1].revents)
            write_in(c, &input);
        if (fds[0].revents)
            open = read_out(c, &r->out);
    }
}

/* A child that closed its output but lives on has until the deadline, too. */
static void reap(struct child *c, uint64_t deadline, struct proc_result *r)
{
    const struct clock real = CLOCK_REAL;
    int status = 0;
    pid_t done;

    while ((done = waitpid(c->pid, &status, WNOHANG)) == 0 && !r->timed_out) {
        if (clock_mono(&real) >= deadline)
            r->timed_out = true;
        else
            poll(NULL, 0, 5);
    }
    kill(-c->pid, SIGKILL); /* also what it left behind in its group */
    while (done == 0 && waitpid(c->pid, &status, 0) < 0 && errno == EINTR)
        ;
    r->status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    r->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void finish(struct child *c, struct slice input, uint64_t timeout_us, struct proc_result *r)
{
    const struct clock real = CLOCK_REAL;
    uint64_t deadline = clock_mono(&real) + timeout_us;

    talk(c, input, deadline, r);
    reap(c, deadline, r);
    close(c->out);
    if (c->in >= 0)
        close(c->in);
}

int proc_run(const char *const *argv, const char *const *env, struct slice input,
             uint64_t timeout_us, struct proc_result *ret, struct err *err)
{
    static const char *const clean[] = {
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C", NULL
    };
    struct child c;
    int r;

    if (argv[0][0] != '/')
        return err_set(err, -EINVAL, "'%s' is no absolute path", argv[0]);
    if (access(argv[0], X_OK) < 0)
        return err_set(err, -errno, "cannot run '%s': %s", argv[0], err_name(errno));
    r = spawn(&c, err);
    if (r < 0)
        return r;
    if (r == 0) {
        union {
            const char *const *in;
            char *const *out;
        } args = { argv }, environment = { env ? env : clean }; /* execve() changes neither */

        execve(argv[0], args.out, environment.out);
        _exit(127);
    }
    finish(&c, input, timeout_us, ret);
    return 0;
}

int proc_call(int (*fn)(void *ctx, int out_fd), void *ctx, uint64_t timeout_us,
              struct proc_result *ret, struct err *err)
{
    struct child c;
    int r = spawn(&c, err);

    if (r < 0)
        return r;
    if (r == 0)
        _exit(fn(ctx, 1) & 255);
    finish(&c, SLICE_NONE, timeout_us, ret);
    return 0;
}
