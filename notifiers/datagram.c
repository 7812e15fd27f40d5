#include "notifiers/datagram.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#define WAIT_S 5

int datagram_path_check(const char *path, struct err *err)
{
    if (path[0] != '/' || strlen(path) >= sizeof((struct sockaddr_un *)NULL)->sun_path)
        return err_set(err, -EINVAL, "'%s' is no path of a socket", path);
    return 0;
}

int datagram_send(const char *path, struct slice bytes)
{
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    const struct timeval wait = { .tv_sec = WAIT_S };
    AUTO_FD fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    snprintf(to.sun_path, sizeof to.sun_path, "%s", path);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait) < 0 ||
        connect(fd, (const struct sockaddr *)&to, sizeof to) < 0 ||
        send(fd, bytes.p, bytes.n, MSG_NOSIGNAL) < 0)
        return -errno;
    return 0;
}
