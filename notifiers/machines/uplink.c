/* See uplink.h. */
#include "notifiers/machines/uplink.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/ip.h"

#define DRAIN_POLL_US 500

struct uplink {
    int fd;
    SSL_CTX *context;
    SSL *ssl;
    uint64_t timeout_us;
};

static uint64_t mono(void)
{
    const struct clock real = CLOCK_REAL;

    return clock_mono(&real);
}

/* 0, or -ETIMEDOUT. */
static int wait_for(int fd, short events, uint64_t end_us)
{
    for (;;) {
        uint64_t now = mono();
        struct pollfd p = { .fd = fd, .events = events };
        int r = now >= end_us ? 0 : poll(&p, 1, (int)((end_us - now) / 1000 + 1));

        if (r > 0)
            return 0;
        if (r == 0)
            return -ETIMEDOUT;
        if (errno != EINTR)
            return -errno;
    }
}

static int connect_one(const struct addrinfo *a, uint64_t end_us, int *ret_fd)
{
    AUTO_FD fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int fault = 0, one = 1, r;
    socklen_t n = sizeof fault;

    if (fd < 0)
        return -errno;
    if (connect(fd, a->ai_addr, a->ai_addrlen) < 0 && errno != EINPROGRESS)
        return -errno;
    r = wait_for(fd, POLLOUT, end_us);
    if (r < 0)
        return r;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &fault, &n) < 0 || fault)
        return -(fault ? fault : errno);
    if (a->ai_socktype == SOCK_STREAM) {
        (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    }
    *ret_fd = TAKE_FD(fd);
    return 0;
}

int uplink_connect(const char *host, uint16_t port, int type, uint64_t timeout_us, int *ret_fd,
                   struct err *err)
{
    const struct addrinfo hints = { .ai_family = AF_UNSPEC,
                                    .ai_socktype = type,
                                    .ai_flags = AI_NUMERICSERV | AI_ADDRCONFIG };
    uint64_t end = mono() + timeout_us;
    struct addrinfo *list = NULL;
    char service[8];
    int r;

    snprintf(service, sizeof service, "%u", port);
    r = getaddrinfo(host, service, &hints, &list);
    if (r)
        return err_set(err, -EHOSTUNREACH, "'%s': %s", host, gai_strerror(r));
    r = -EHOSTUNREACH;
    for (const struct addrinfo *a = list; a && r < 0; a = a->ai_next)
        r = connect_one(a, end, ret_fd);
    freeaddrinfo(list);
    return r < 0 ? err_set(err, r, "no connection to '%s' port %u: %s", host, port, err_name(r))
                 : 0;
}

/* ---- TLS ---- */

static int tls_fault(struct err *err, const char *what, const SSL *ssl)
{
    unsigned long code = ERR_get_error();
    long verify = ssl ? SSL_get_verify_result(ssl) : X509_V_OK;
    char text[160] = "the connection ended";

    if (verify != X509_V_OK)
        snprintf(text, sizeof text, "%s", X509_verify_cert_error_string(verify));
    else if (code)
        ERR_error_string_n(code, text, sizeof text);
    ERR_clear_error();
    return err_set(err, -EPROTO, "%s: %s", what, text);
}

static int load_files(SSL_CTX *x, const struct uplink_settings *s, struct err *err)
{
    if (s->ca_file ? SSL_CTX_load_verify_locations(x, s->ca_file, NULL) != 1
                   : SSL_CTX_set_default_verify_paths(x) != 1)
        return tls_fault(err, "authorities", NULL);
    if (!s->cert_file)
        return 0;
    if (SSL_CTX_use_certificate_chain_file(x, s->cert_file) != 1 ||
        SSL_CTX_use_PrivateKey_file(x, s->key_file, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(x) != 1)
        return tls_fault(err, "our certificate", NULL);
    return 0;
}

static int expect_name(SSL *ssl, const char *name, struct err *err)
{
    struct ip ip;

    if (ip_parse(slice_str(name), &ip) == 0) {
        if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) != 1)
            return tls_fault(err, "the peer's address", NULL);
        return 0;
    }
    if (SSL_set1_host(ssl, name) != 1 ||
        SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                 (void *)(uintptr_t)name) != 1)
        return tls_fault(err, "the peer's name", NULL);
    return 0;
}

/* 1 = go on, 0 = it is done, negative: it failed. */
static int tls_wait(struct uplink *st, int result, uint64_t end_us)
{
    switch (SSL_get_error(st->ssl, result)) {
    case SSL_ERROR_NONE:
        return 0;
    case SSL_ERROR_WANT_READ:
        return wait_for(st->fd, POLLIN, end_us) < 0 ? -ETIMEDOUT : 1;
    case SSL_ERROR_WANT_WRITE:
        return wait_for(st->fd, POLLOUT, end_us) < 0 ? -ETIMEDOUT : 1;
    default:
        return -EPROTO;
    }
}

static int tls_start(struct uplink *st, const struct uplink_settings *s, struct err *err)
{
    uint64_t end = mono() + s->timeout_us;
    int r;

    ERR_clear_error();
    st->context = SSL_CTX_new(TLS_client_method());
    if (!st->context || SSL_CTX_set_min_proto_version(st->context, TLS1_2_VERSION) != 1)
        return tls_fault(err, "TLS", NULL);
    SSL_CTX_set_verify(st->context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_mode(st->context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_AUTO_RETRY);
    if (load_files(st->context, s, err) < 0)
        return err_code(err);
    st->ssl = SSL_new(st->context);
    if (!st->ssl || SSL_set_fd(st->ssl, st->fd) != 1)
        return tls_fault(err, "TLS", NULL);
    if (expect_name(st->ssl, s->peer_name ? s->peer_name : s->host, err) < 0)
        return err_code(err);
    do {
        int done = SSL_connect(st->ssl);

        r = tls_wait(st, done, end);
    } while (r > 0);
    if (r == -ETIMEDOUT)
        return err_set(err, r, "TLS: no end of the handshake");
    return r < 0 ? tls_fault(err, "TLS", st->ssl) : 0;
}

/* ---- the stream ---- */

int uplink_open(const struct uplink_settings *s, struct uplink **ret, struct err *err)
{
    AUTO(uplink) st = calloc(1, sizeof *st);

    if (!st)
        return err_nomem(err);
    st->fd = -1;
    st->timeout_us = s->timeout_us;
    if (uplink_connect(s->host, s->port, SOCK_STREAM, s->timeout_us, &st->fd, err) < 0)
        return err_code(err);
    if (s->tls && tls_start(st, s, err) < 0)
        return err_code(err);
    *ret = TAKE(st);
    return 0;
}

/* Some of it: how much, or negative errno. */
static ssize_t write_some(struct uplink *st, struct slice s, uint64_t end_us)
{
    for (;;) {
        ssize_t n;
        int r;

        if (st->ssl) {
            size_t took = 0;

            ERR_clear_error();
            r = SSL_write_ex(st->ssl, s.p, s.n, &took);
            if (r == 1)
                return (ssize_t)took;
            r = tls_wait(st, r, end_us);
        } else {
            n = send(st->fd, s.p, s.n, MSG_NOSIGNAL);
            if (n > 0)
                return n;
            if (n < 0 && errno != EAGAIN && errno != EINTR)
                return -errno;
            r = wait_for(st->fd, POLLOUT, end_us);
        }
        if (r < 0)
            return r;
    }
}

/* Until the peer's kernel has it all: a reset shows before that. */
static int drain(struct uplink *st, uint64_t end_us)
{
    int waiting = 0;

    while (ioctl(st->fd, SIOCOUTQ, &waiting) == 0 && waiting > 0) {
        if (uplink_ended(st))
            return -ECONNRESET;
        if (mono() >= end_us)
            return -ETIMEDOUT;
        usleep(DRAIN_POLL_US);
    }
    return uplink_ended(st) ? -ECONNRESET : 0;
}

int uplink_write(struct uplink *st, struct slice bytes, struct err *err)
{
    uint64_t end = mono() + st->timeout_us;
    int r;

    while (bytes.n) {
        ssize_t n = write_some(st, bytes, end);

        if (n < 0 && st->ssl && n == -EPROTO)
            return tls_fault(err, "TLS", st->ssl);
        if (n < 0)
            return err_set(err, (int)n, "cannot send: %s", err_name((int)n));
        bytes = slice_skip(bytes, (size_t)n);
    }
    r = drain(st, end);
    return r < 0 ? err_set(err, r, "the connection ended") : 0;
}

bool uplink_ended(struct uplink *st)
{
    char rest[1024];

    for (;;) {
        ssize_t n;

        if (st->ssl) {
            int r;

            ERR_clear_error();
            r = SSL_read(st->ssl, rest, sizeof rest);
            if (r > 0)
                continue;
            return SSL_get_error(st->ssl, r) != SSL_ERROR_WANT_READ;
        }
        n = recv(st->fd, rest, sizeof rest, MSG_DONTWAIT);
        if (n > 0 || (n < 0 && errno == EINTR))
            continue;
        return n == 0 || errno != EAGAIN;
    }
}

void uplink_free(struct uplink *st)
{
    if (!st)
        return;
    if (st->ssl && SSL_is_init_finished(st->ssl) && SSL_get_verify_result(st->ssl) == X509_V_OK) {
        ERR_clear_error();
        (void)SSL_shutdown(st->ssl); /* close_notify; its answer is not waited for */
    }
    SSL_free(st->ssl);
    SSL_CTX_free(st->context);
    if (st->fd >= 0)
        close(st->fd);
    free(st);
}
