#include "base/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>

#include "base/clock.h"

/* One look at least this often; with no pidfd (an old kernel, a sandbox) more often. */
#define LOOK_MS 60000
#define LOOK_NO_PIDFD_MS 10
/* What a pipe can still hold when its writers are dead, in parts. */
#define LAST_PARTS 32

struct child {
    pid_t pid;
    int pidfd; /* -1: look now and then */
    int in, out; /* our ends */
    int its_in, its_out; /* its ends, until it runs */
};

static void close_ends(struct child *c)
{
    const int fds[] = { c->in, c->out, c->its_in, c->its_out, c->pidfd };

    for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

static int open_ends(struct child *c, struct err *err)
{
    int in[2] = { -1, -1 }, out[2] = { -1, -1 };
    bool made = pipe2(in, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC) == 0;
    int code = errno;

    *c = (struct child){
        .pidfd = -1, .in = in[1], .its_in = in[0], .out = out[0], .its_out = out[1]
    };
    if (made && in[0] > 2 && in[1] > 2 && out[0] > 2 && out[1] > 2) {
        fcntl(c->in, F_SETFL, O_NONBLOCK);
        fcntl(c->out, F_SETFL, O_NONBLOCK);
        return 0;
    }
    close_ends(c);
    if (made) /* they would be in the way of each other in the child */
        return err_set(err, -EBADF, "standard input, output or error is closed");
    return err_set(err, -code, "cannot make a pipe: %s", err_name(code));
}

/* The child runs: its ends are its own. */
static void started(struct child *c)
{
    close(c->its_in);
    close(c->its_out);
    c->its_in = c->its_out = -1;
    c->pidfd = pidfd_open(c->pid, 0);
}

static int set_attributes(posix_spawnattr_t *a)
{
    sigset_t none, all;

    sigemptyset(&none);
    sigfillset(&all);
    if (posix_spawnattr_setsigmask(a, &none) || posix_spawnattr_setsigdefault(a, &all) ||
        posix_spawnattr_setpgroup(a, 0))
        return EINVAL;
    return posix_spawnattr_setflags(a, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                           POSIX_SPAWN_SETSIGDEF);
}

static int set_descriptors(posix_spawn_file_actions_t *f, const struct child *c)
{
    if (posix_spawn_file_actions_adddup2(f, c->its_in, 0) ||
        posix_spawn_file_actions_adddup2(f, c->its_out, 1) ||
        posix_spawn_file_actions_adddup2(f, c->its_out, 2))
        return ENOMEM;
    return posix_spawn_file_actions_addclosefrom_np(f, 3);
}

/* posix_spawn(), not fork(): it says why an exec failed, and no handler of ours runs in the child.
 */
static int spawn_program(struct child *c, const char *const *argv, const char *const *env)
{
    union {
        const char *const *in;
        char *const *out;
    } args = { argv }, environment = { env }; /* it changes neither */
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    int r = posix_spawnattr_init(&attributes);

    if (r)
        return r;
    r = posix_spawn_file_actions_init(&files);
    if (r == 0) {
        r = set_attributes(&attributes);
        if (r == 0)
            r = set_descriptors(&files, c);
        if (r == 0)
            r = posix_spawn(&c->pid, argv[0], &files, &attributes, args.out, environment.out);
        posix_spawn_file_actions_destroy(&files);
    }
    posix_spawnattr_destroy(&attributes);
    return r;
}

/* A fresh start: no signal is blocked, handled or ignored, nothing but 0-2 is open. */
static void child_reset(const struct child *c)
{
    sigset_t none;

    setpgid(0, 0);
    for (int s = 1; s < NSIG; s++)
        if (s != SIGKILL && s != SIGSTOP)
            signal(s, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    dup2(c->its_in, 0);
    dup2(c->its_out, 1);
    dup2(c->its_out, 2);
    close_range(3, ~0u, 0);
}

/* 0 in the child, 1 in the parent, or a negative errno. */
static int fork_child(struct child *c)
{
    sigset_t all, was;
    int code;

    fflush(NULL); /* what is buffered must not be written twice */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &was); /* no handler of ours runs in the child */
    c->pid = fork();
    code = errno;
    if (c->pid == 0) {
        child_reset(c);
        return 0;
    }
    if (c->pid > 0)
        setpgid(c->pid, c->pid); /* here, too: whoever is first */
    pthread_sigmask(SIG_SETMASK, &was, NULL);
    return c->pid < 0 ? -code : 1;
}

/* Keeps what the limit allows; the rest is read and dropped, so the child is not held up. False
 * when there is no more, for now or for ever. */
static bool read_part(const struct child *c, struct buf *out, bool *ret_end)
{
    char part[4096];
    ssize_t n = read(c->out, part, sizeof part);

    if (n <= 0) {
        *ret_end = n == 0 || (errno != EAGAIN && errno != EINTR);
        return false;
    }
    if (out->limit && (size_t)n > out->limit - out->n)
        n = (ssize_t)(out->limit - out->n);
    buf_add(out, part, (size_t)n);
    return true;
}

/* write() that answers EPIPE without a SIGPIPE, whatever the program made of that signal. */
static ssize_t write_quietly(int fd, const char *p, size_t n)
{
    const struct timespec now = { 0, 0 };
    sigset_t pipe_signal, was;
    ssize_t done;
    int code;

    sigemptyset(&pipe_signal);
    sigaddset(&pipe_signal, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_signal, &was);
    done = write(fd, p, n);
    code = errno;
    if (done < 0 && code == EPIPE && !sigismember(&was, SIGPIPE))
        sigtimedwait(&pipe_signal, NULL, &now);
    pthread_sigmask(SIG_SETMASK, &was, NULL);
    errno = code;
    return done;
}

static void write_in(struct child *c, struct slice *input)
{
    ssize_t n = input->n ? write_quietly(c->in, input->p, input->n) : 0;

    if (n > 0)
        *input = slice_skip(*input, (size_t)n);
    if (input->n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
        close(c->in);
        c->in = -1;
    }
}

/* It is dead, but not yet reaped: its number and its group are still its own. */
static bool has_ended(const struct child *c)
{
    siginfo_t info = { .si_pid = 0 };

    return waitid(P_PID, (id_t)c->pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid != 0;
}

/* Until the child ends; one that closed its output, or left it to others, is no exception. */
static void talk(struct child *c, struct slice input, uint64_t deadline, struct proc_result *r)
{
    const struct clock real = CLOCK_REAL;
    bool end = false;

    if (input.n == 0)
        write_in(c, &input);
    while (!has_ended(c)) {
        uint64_t now = clock_mono(&real), most = c->pidfd < 0 ? LOOK_NO_PIDFD_MS : LOOK_MS;
        struct pollfd fds[] = { { .fd = end ? -1 : c->out, .events = POLLIN },
                                { .fd = c->in, .events = POLLOUT },
                                { .fd = c->pidfd, .events = POLLIN } };

        if (now >= deadline) {
            r->timed_out = true;
            return;
        }
        if ((deadline - now) / USEC_PER_MSEC < most)
            most = (deadline - now) / USEC_PER_MSEC + 1;
        if (poll(fds, ARRAY_SIZE(fds), (int)most) <= 0)
            continue;
        if (fds[1].revents)
            write_in(c, &input);
        if (fds[0].revents)
            read_part(c, &r->out, &end);
    }
}

static void finish(struct child *c, struct slice input, uint64_t timeout_us, struct proc_result *r)
{
    const struct clock real = CLOCK_REAL;
    uint64_t deadline = clock_mono(&real);
    bool end = false;
    int status = 0;
    pid_t done;

    if (__builtin_add_overflow(deadline, timeout_us, &deadline))
        deadline = UINT64_MAX;
    r->timed_out = false;
    talk(c, input, deadline, r);
    kill(-c->pid, SIGKILL); /* also what it left behind in its group */
    for (unsigned i = 0; i < LAST_PARTS && read_part(c, &r->out, &end); i++)
        ;
    do
        done = waitpid(c->pid, &status, 0);
    while (done < 0 && errno == EINTR);
    /* ECHILD: somebody ignores SIGCHLD. Not known is no success. */
    r->status = done > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    r->signal = done > 0 && WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    close_ends(c);
}

int proc_run(const char *const *argv, const char *const *env, struct slice input,
             uint64_t timeout_us, struct proc_result *ret, struct err *err)
{
    static const char *const clean[] = {
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C", NULL
    };
    struct child c;
    int r;

    if (!argv[0] || argv[0][0] != '/')
        return err_set(err, -EINVAL, "'%s' is no absolute path", argv[0] ? argv[0] : "");
    r = open_ends(&c, err);
    if (r < 0)
        return r;
    r = spawn_program(&c, argv, env ? env : clean);
    if (r) {
        close_ends(&c);
        return err_set(err, -r, "cannot run '%s': %s", argv[0], err_name(r));
    }
    started(&c);
    finish(&c, input, timeout_us, ret);
    return 0;
}

int proc_call(int (*fn)(void *ctx, int out_fd), void *ctx, uint64_t timeout_us,
              struct proc_result *ret, struct err *err)
{
    struct child c;
    int r = open_ends(&c, err);

    if (r < 0)
        return r;
    r = fork_child(&c);
    if (r == 0)
        _exit(fn(ctx, STDOUT_FILENO) & 255);
    if (r < 0) {
        close_ends(&c);
        return err_set(err, r, "cannot fork: %s", err_name(r));
    }
    started(&c);
    finish(&c, SLICE_NONE, timeout_us, ret);
    return 0;
}
