#include "logwatch/control.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

/* The folder by descriptor: its path may be longer than a socket's address can be. */
static int address(const char *state, struct sockaddr_un *ret, int *ret_dir)
{
    *ret_dir = open(state, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (*ret_dir < 0)
        return -errno;
    *ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
    (void)snprintf(ret->sun_path, sizeof ret->sun_path, "/proc/self/fd/%d/control", *ret_dir);
    return 0;
}

static int bind_here(int fd, const char *state)
{
    struct sockaddr_un at;
    AUTO_FD dir = -1;
    mode_t was;
    int r = address(state, &at, &dir);

    if (r < 0)
        return r;
    (void)unlinkat(dir, "control", 0); /* the state's lock says that no other daemon is there */
    was = umask(0177);
    r = bind(fd, (struct sockaddr *)&at, sizeof at) < 0 ? -errno : 0;
    umask(was);
    return r;
}

int control_listen(const char *state, int *ret_fd, struct err *err)
{
    AUTO_FD fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int r = fd < 0 ? -errno : bind_here(fd, state);

    if (r == 0 && listen(fd, 8) < 0)
        r = -errno;
    if (r < 0)
        return err_set(err, r, "control socket in '%s': %s", state, err_name(r));
    *ret_fd = TAKE_FD(fd);
    return 0;
}

int control_accept(int listener, char request[CONTROL_REQUEST_MAX], int *ret_fd, uid_t *ret_uid)
{
    AUTO_FD fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    struct pollfd p = { .fd = fd, .events = POLLIN };
    struct ucred who = { .uid = (uid_t)-1 };
    socklen_t size = sizeof who;
    ssize_t n;

    if (fd < 0)
        return 0;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) < 0 ||
        (who.uid != 0 && who.uid != geteuid()))
        return 0;
    if (poll(&p, 1, 1000) <= 0) /* the word comes with the connection, or never */
        return 0;
    n = recv(fd, request, CONTROL_REQUEST_MAX - 1, MSG_DONTWAIT);
    if (n <= 0)
        return 0;
    request[n] = '\0';
    *ret_fd = TAKE_FD(fd);
    *ret_uid = who.uid;
    return 1;
}

void control_answer(int fd, const char *text)
{
    (void)send(fd, text, strnlen(text, CONTROL_ANSWER_MAX), MSG_NOSIGNAL | MSG_DONTWAIT);
    close(fd);
}

int control_send(const char *state, const char *request, int *ret_fd, struct err *err)
{
    AUTO_FD fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    struct sockaddr_un at;
    AUTO_FD dir = -1;
    int r = fd < 0 ? -errno : address(state, &at, &dir);

    if (r == 0 && connect(fd, (struct sockaddr *)&at, sizeof at) < 0)
        r = -errno;
    if (r == -ENOENT)
        r = -ECONNREFUSED;
    if (r < 0)
        return r == -ECONNREFUSED
                   ? err_set(err, r, "no daemon runs on '%s'", state)
                   : err_set(err, r, "control socket in '%s': %s", state, err_name(r));
    if (send(fd, request, strlen(request), MSG_NOSIGNAL) < 0)
        return err_set(err, -errno, "control socket: %s", err_name(errno));
    *ret_fd = TAKE_FD(fd);
    return 0;
}

int control_receive(int fd, uint64_t timeout_us, struct buf *out, struct err *err)
{
    char answer[CONTROL_ANSWER_MAX];
    struct pollfd p = { .fd = fd, .events = POLLIN };
    ssize_t n;

    if (poll(&p, 1, (int)(timeout_us / 1000)) <= 0)
        return err_set(err, -ETIMEDOUT, "the daemon does not answer");
    n = recv(fd, answer, sizeof answer, 0);
    if (n <= 0)
        return err_set(err, -EPIPE, "the daemon closed the connection without an answer");
    buf_add(out, answer, (size_t)n);
    return buf_ok(out) ? 0 : err_nomem(err);
}

int control_ask(const char *state, const char *request, uint64_t timeout_us, struct buf *out,
                struct err *err)
{
    AUTO_FD fd = -1;
    int r = control_send(state, request, &fd, err);

    return r < 0 ? r : control_receive(fd, timeout_us, out, err);
}
