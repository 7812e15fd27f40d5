#include "logwatch/inputs/syslog-socket.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/num.h"

#define BACKLOG 128
/* About a second of a storm. Without CAP_NET_ADMIN net.core.rmem_max is the limit. */
#define BUFFER_BYTES (8 << 20)

static const char *const transport_names[] = { "udp", "tcp", "unix" };

/* ---- texts ---- */

static int refuse(struct err *err, struct slice text, const char *why)
{
    return err_set(err, -EINVAL,
                   "listen '%.*s': %s; write udp:ADDRESS:PORT, tcp:ADDRESS:PORT or unix:/PATH",
                   SLICE_FMT(slice_take(text, 80)), why);
}

/* "0.0.0.0:514" or "[::1]:6514" */
static int read_address(struct slice text, struct slice s, struct syslog_place *ret,
                        struct err *err)
{
    bool bracket = s.n && s.p[0] == '[';
    size_t colon = slice_rfind_byte(s, ':'), n = colon;
    uint64_t port;

    if (colon == SIZE_MAX)
        return refuse(err, text, "the port is missing");
    if (bracket && (colon < 2 || s.p[colon - 1] != ']'))
        return refuse(err, text, "no ]:PORT behind the [address");
    if (bracket) {
        n -= 2;
        s = slice_skip(s, 1);
    } else if (slice_find_byte(slice_take(s, colon), ':') != SIZE_MAX) {
        return refuse(err, text, "an IPv6 address needs [ ] around it");
    }
    if (parse_u64(slice_skip(s, colon + 1 - bracket), 0, 65535, &port) < 0)
        return refuse(err, text, "the port is no number up to 65535");
    if (ip_parse(slice_take(s, n), &ret->ip) < 0)
        return refuse(err, text, "this is no address, and names are not looked up");
    ret->port = (uint16_t)port;
    return 0;
}

static int read_path(struct slice text, struct slice s, struct syslog_place *ret, struct err *err)
{
    if (s.n == 0 || s.p[0] != '/')
        return refuse(err, text, "the path must begin with /");
    if (s.n >= sizeof((struct sockaddr_un *)0)->sun_path)
        return refuse(err, text, "a socket's path has at most 107 bytes");
    ret->path = s;
    return 0;
}

int syslog_place_read(struct slice text, struct syslog_place *ret, struct err *err)
{
    struct syslog_place at = { 0 };
    size_t colon = slice_find_byte(text, ':');
    struct slice word = slice_take(text, colon), rest = slice_skip(text, word.n + 1);
    int r;

    for (size_t i = 0; i < ARRAY_SIZE(transport_names); i++) {
        if (!slice_is(word, transport_names[i]))
            continue;
        at.transport = (enum syslog_transport)i;
        r = at.transport == SYSLOG_UNIX ? read_path(text, rest, &at, err)
                                        : read_address(text, rest, &at, err);
        if (r == 0)
            *ret = at;
        return r;
    }
    return refuse(err, text, "it must begin with udp:, tcp: or unix:");
}

void syslog_place_text(const struct syslog_place *at, struct buf *out)
{
    char ip[IP_TEXT_SIZE];

    buf_str(out, transport_names[at->transport]);
    buf_char(out, ' ');
    if (at->transport == SYSLOG_UNIX) {
        buf_slice(out, at->path);
        return;
    }
    ip_text(&at->ip, ip);
    buf_printf(out, at->ip.family == 6 ? "[%s]:%u" : "%s:%u", ip, at->port);
}

int syslog_mode_read(struct slice text, unsigned *ret, struct err *err)
{
    unsigned mode = 0;

    for (size_t i = 0; i < text.n; i++) {
        if (text.n > 4 || text.p[i] < '0' || text.p[i] > '7')
            return err_set(err, -EINVAL, "mode '%.*s' is not of the form 0660",
                           SLICE_FMT(slice_take(text, 20)));
        mode = mode << 3 | (unsigned)(text.p[i] - '0');
    }
    *ret = mode & 0777;
    return 0;
}

/* ---- sockets ---- */

static int set(int fd, int level, int name, int value, const char *what, struct err *err)
{
    if (setsockopt(fd, level, name, &value, sizeof value) < 0)
        return err_set(err, -errno, "%s: %s", what, err_name(errno));
    return 0;
}

static void raise_buffer(int fd)
{
    if (set(fd, SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES, "", NULL) < 0)
        (void)set(fd, SOL_SOCKET, SO_RCVBUF, BUFFER_BYTES, "", NULL);
}

static int prepare(int fd, const struct syslog_place *at, struct err *err)
{
    int r = 0;

    raise_buffer(fd);
    if (at->transport == SYSLOG_TCP) {
        r = set(fd, SOL_SOCKET, SO_REUSEADDR, 1, "SO_REUSEADDR", err);
        (void)set(fd, SOL_SOCKET, SO_KEEPALIVE, 1, "", NULL);
        (void)set(fd, IPPROTO_TCP, TCP_KEEPIDLE, 60, "", NULL);
        (void)set(fd, IPPROTO_TCP, TCP_KEEPINTVL, 20, "", NULL);
        (void)set(fd, IPPROTO_TCP, TCP_KEEPCNT, 3, "", NULL);
    } else {
        r = set(fd, SOL_SOCKET, SO_TIMESTAMPNS, 1, "SO_TIMESTAMPNS", err);
    }
    if (r == 0 && at->transport == SYSLOG_UDP)
        r = set(fd, SOL_SOCKET, SO_RXQ_OVFL, 1, "SO_RXQ_OVFL", err);
    if (r == 0 && at->transport == SYSLOG_UNIX)
        r = set(fd, SOL_SOCKET, SO_PASSCRED, 1, "SO_PASSCRED", err);
    if (r == 0 && at->ip.family == 6)
        r = set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0, "IPV6_V6ONLY", err);
    return r;
}

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_un local;
};

static socklen_t address_of(const struct syslog_place *at, union address *a)
{
    memset(a, 0, sizeof *a);
    if (at->transport == SYSLOG_UNIX) {
        a->local.sun_family = AF_UNIX;
        memcpy(a->local.sun_path, at->path.p, at->path.n);
        return sizeof a->local;
    }
    if (at->ip.family == 6) {
        a->v6.sin6_family = AF_INET6;
        a->v6.sin6_port = htons(at->port);
        memcpy(&a->v6.sin6_addr, at->ip.bytes, 16);
        return sizeof a->v6;
    }
    a->v4.sin_family = AF_INET;
    a->v4.sin_port = htons(at->port);
    memcpy(&a->v4.sin_addr, at->ip.bytes, 4);
    return sizeof a->v4;
}

/* A socket's file outlives its program. It goes only when the kernel says that nobody hears. */
static int clear_path(const union address *a, socklen_t n, struct err *err)
{
    const char *path = a->local.sun_path;
    AUTO_FD probe = -1;
    struct stat st;

    if (lstat(path, &st) < 0)
        return errno == ENOENT ? 0 : err_set(err, -errno, "'%s': %s", path, err_name(errno));
    if (!S_ISSOCK(st.st_mode))
        return err_set(err, -EEXIST, "'%s' is there already and is no socket: it stays", path);
    probe = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (probe < 0)
        return err_set(err, -errno, "socket: %s", err_name(errno));
    if (connect(probe, &a->any, n) == 0 || errno != ECONNREFUSED)
        return err_set(err, -EADDRINUSE, "another program hears on '%s'", path);
    if (unlink(path) < 0 && errno != ENOENT)
        return err_set(err, -errno, "cannot replace '%s': %s", path, err_name(errno));
    return 0;
}

int syslog_listen(const struct syslog_place *at, unsigned mode, int *ret_fd, struct err *err)
{
    int type = at->transport == SYSLOG_TCP ? SOCK_STREAM : SOCK_DGRAM;
    int family = at->transport == SYSLOG_UNIX ? AF_UNIX : at->ip.family == 6 ? AF_INET6 : AF_INET;
    bool local = at->transport == SYSLOG_UNIX;
    AUTO_BUF name = BUF_INIT;
    AUTO_FD fd = -1;
    union address a;
    socklen_t n = address_of(at, &a);
    int r;

    syslog_place_text(at, &name);
    fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return err_set(err, -errno, "cannot make a socket for %s: %s", buf_view(&name).p,
                       err_name(errno));
    r = prepare(fd, at, err);
    if (r == 0 && local)
        r = clear_path(&a, n, err);
    if (r < 0)
        return r;
    /* The mode of the descriptor is that of the file to come: at no moment is it open to more. */
    if (local && fchmod(fd, mode) < 0)
        return err_set(err, -errno, "mode of %s: %s", buf_view(&name).p, err_name(errno));
    if (bind(fd, &a.any, n) < 0 || (type == SOCK_STREAM && listen(fd, BACKLOG) < 0))
        return err_set(err, -errno, "cannot listen on %s: %s", buf_view(&name).p, err_name(errno));
    if (local && chmod(a.local.sun_path, mode) < 0) /* the umask may have taken some */
        return err_set(err, -errno, "mode of %s: %s", buf_view(&name).p, err_name(errno));
    *ret_fd = TAKE_FD(fd);
    return 0;
}
