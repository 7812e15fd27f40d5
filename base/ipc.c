#include "base/ipc.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

#define HEADER 8 /* type, length of the body: 4 bytes each, this machine's order */
#define READ_BYTES 65536
#define FILL_BYTES (1u << 20)

int ipc_pair(int type, int ret_fds[2], struct err *err)
{
    return socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ret_fds) < 0
               ? err_set(err, -errno, "socketpair: %s", err_name(errno))
               : 0;
}

int ipc_open(struct ipc *c, int fd, size_t (*limit)(const void *ctx, unsigned type),
             const void *ctx, struct err *err)
{
    int flags = fcntl(fd, F_GETFL);

    *c = (struct ipc){ .fd = fd, .limit = limit, .ctx = ctx };
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return err_set(err, -errno, "fcntl: %s", err_name(errno));
    return 0;
}

void ipc_close(struct ipc *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    buf_fini(&c->in);
    buf_fini(&c->out);
    c->in_at = c->out_at = 0;
}

int ipc_put(struct ipc *c, unsigned type, struct slice body)
{
    if (c->out_at == c->out.n) {
        buf_reset(&c->out);
        c->out_at = 0;
    }
    wire_u32(&c->out, type);
    wire_u32(&c->out, (uint32_t)body.n);
    buf_slice(&c->out, body);
    return buf_ok(&c->out) && body.n <= UINT32_MAX ? 0 : -ENOMEM;
}

size_t ipc_waiting(const struct ipc *c)
{
    return c->out.n - c->out_at;
}

int ipc_flush(struct ipc *c)
{
    while (c->fd >= 0 && c->out_at < c->out.n) {
        ssize_t n = send(c->fd, c->out.p + c->out_at, c->out.n - c->out_at, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN ? 0 : -EPIPE;
        c->out_at += (size_t)n;
    }
    return c->fd < 0 ? -EPIPE : 0;
}

/* The frames that were taken make room for what comes. */
static void compact(struct ipc *c)
{
    if (c->in_at == 0)
        return;
    if (c->in.n > c->in_at)
        memmove(c->in.p, c->in.p + c->in_at, c->in.n - c->in_at);
    c->in.n -= c->in_at;
    c->in_at = 0;
}

int ipc_fill(struct ipc *c)
{
    size_t got = 0;

    if (c->fd < 0)
        return -EPIPE;
    compact(c);
    while (got < FILL_BYTES) {
        ssize_t n;

        if (!buf_reserve(&c->in, READ_BYTES))
            return -ENOMEM;
        n = recv(c->fd, c->in.p + c->in.n, READ_BYTES, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            break;
        if (n <= 0)
            return got ? 1 : -EPIPE;
        c->in.n += (size_t)n;
        got += (size_t)n;
    }
    return got > 0;
}

int ipc_next(struct ipc *c, struct ipc_frame *ret)
{
    size_t have = c->in.n - c->in_at;
    uint32_t head[2];
    size_t limit;

    if (have < HEADER)
        return 0;
    memcpy(head, c->in.p + c->in_at, HEADER);
    limit = c->limit(c->ctx, head[0]);
    if (limit == 0 || head[1] > limit)
        return -EPROTO;
    if (have - HEADER < head[1])
        return 0;
    ret->type = head[0];
    ret->body = slice_of(c->in.p + c->in_at + HEADER, head[1]);
    c->in_at += HEADER + head[1];
    return 1;
}

/* ---- notes ---- */

int ipc_note_send(int fd, struct slice note, int with_fd)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = { { 0 } };
    char copy[4096];
    struct iovec iov = { .iov_base = copy, .iov_len = note.n };
    struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

    if (note.n > sizeof copy)
        return -EMSGSIZE;
    memcpy(copy, note.p, note.n);
    if (with_fd >= 0) {
        struct cmsghdr *c;

        m.msg_control = control.bytes;
        m.msg_controllen = sizeof control.bytes;
        c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(c), &with_fd, sizeof with_fd);
    }
    return sendmsg(fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

ssize_t ipc_note_receive(int fd, void *p, size_t size, int *ret_fd)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec iov = { .iov_base = p, .iov_len = size };
    struct msghdr m = { .msg_iov = &iov,
                        .msg_iovlen = 1,
                        .msg_control = control.bytes,
                        .msg_controllen = sizeof control.bytes };
    ssize_t n;

    *ret_fd = -1;
    n = recvmsg(fd, &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (n < 0)
        return -errno;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
            c->cmsg_len == CMSG_LEN(sizeof(int)))
            memcpy(ret_fd, CMSG_DATA(c), sizeof *ret_fd);
    return n;
}

/* ---- bodies ---- */

void wire_u8(struct buf *b, unsigned v)
{
    buf_char(b, (char)(unsigned char)v);
}

void wire_u32(struct buf *b, uint32_t v)
{
    buf_add(b, &v, sizeof v);
}

void wire_u64(struct buf *b, uint64_t v)
{
    buf_add(b, &v, sizeof v);
}

void wire_slice(struct buf *b, struct slice s)
{
    wire_u32(b, (uint32_t)s.n);
    buf_slice(b, s);
}

static bool wire_take(struct wire *w, void *p, size_t n)
{
    if (w->bad || w->rest.n < n) {
        w->bad = true;
        memset(p, 0, n);
        return false;
    }
    memcpy(p, w->rest.p, n);
    w->rest = slice_skip(w->rest, n);
    return true;
}

unsigned wire_get_u8(struct wire *w)
{
    unsigned char v;

    (void)wire_take(w, &v, 1);
    return v;
}

uint32_t wire_get_u32(struct wire *w)
{
    uint32_t v;

    (void)wire_take(w, &v, sizeof v);
    return v;
}

uint64_t wire_get_u64(struct wire *w)
{
    uint64_t v;

    (void)wire_take(w, &v, sizeof v);
    return v;
}

struct slice wire_get_slice(struct wire *w)
{
    uint32_t n = wire_get_u32(w);
    struct slice s;

    if (w->bad || n > w->rest.n) {
        w->bad = true;
        return SLICE("");
    }
    s = slice_take(w->rest, n);
    w->rest = slice_skip(w->rest, n);
    return s;
}

size_t wire_get_count(struct wire *w, size_t each)
{
    uint32_t n = wire_get_u32(w);

    if (w->bad || n > w->rest.n / each) {
        w->bad = true;
        return 0;
    }
    return n;
}
