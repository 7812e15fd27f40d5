#include "logwatch/own-child.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/ipc.h"

static void child_main(void (*work)(void *ctx, int fd), void *ctx, int fd)
{
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGTERM, SIG_DFL);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    signal(SIGINT, SIG_IGN); /* the parent ends us */
    signal(SIGPIPE, SIG_IGN);
    work(ctx, fd);
    _exit(0);
}

int own_child_start(void (*work)(void *ctx, int fd), void *ctx, pid_t *ret_pid, int *ret_fd,
                    struct err *err)
{
    int fds[2];
    pid_t pid;

    if (ipc_pair(SOCK_SEQPACKET, fds, err) < 0)
        return err_code(err);
    pid = fork();
    if (pid == 0) {
        close(fds[0]);
        child_main(work, ctx, fds[1]);
    }
    if (pid < 0) {
        err_set(err, -errno, "fork: %s", err_name(errno));
        close(fds[0]);
        close(fds[1]);
        return err_code(err);
    }
    close(fds[1]);
    *ret_pid = pid;
    *ret_fd = fds[0];
    return 0;
}

void own_child_end(pid_t *pid, int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
    if (*pid > 0) {
        kill(*pid, SIGTERM);
        while (waitpid(*pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    *pid = 0;
}
