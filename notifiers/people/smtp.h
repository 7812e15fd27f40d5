/*
 * One mail over SMTP: the only door to the libraries that speak it.
 *
 * smtp_talk() runs in a child (proc_call() with a deadline), because connecting
 * and looking up names may block without one, and the libraries' timeouts are for each
 * poll. It tells what the relay said as lines of text, which smtp_read() reads
 * in the parent. Truth is what was said about the sender, each recipient and the
 * transfer, never a library's return value.
 *
 * Two libraries, one way of telling:
 *
 *     libESMTP  STARTTLS or no TLS, a name or an IPv4 address
 *     libcurl   TLS from the start, an OAuth token, an IPv6 address: what the other cannot
 */
#pragma once

#include "base/err.h"
#include "base/secret.h"
#include "base/slice.h"

#define SMTP_RECIPIENTS_MAX 64 /* one bit each in a mask */
#define SMTP_TOLD_MAX 65536 /* limit for the child's output: enough for all of them */

enum smtp_tls {
    SMTP_TLS_AUTO, /* for the configuration: the caller makes one of the others of it */
    SMTP_TLS_IMPLICIT, /* from the first byte; verified */
    SMTP_TLS_REQUIRED, /* STARTTLS; verified */
    SMTP_TLS_OPPORTUNISTIC, /* where offered, and with any certificate unless there is a ca_file */
    SMTP_TLS_NONE,
};

struct smtp_server {
    struct slice host; /* a name, an IPv4 address, or an IPv6 address without its brackets */
    uint16_t port;
    bool v6;
};

struct smtp_job {
    const char *server; /* HOST:PORT that smtp_server_parse() took */
    const char *user; /* NULL: no login; else no mail goes without one */
    const struct secret *password;
    const struct secret *token; /* OAuth instead of a password; NULL: none */
    const char *ca_file; /* NULL: the system's */
    enum smtp_tls tls;
    const char *from;
    const char *const *to;
    size_t nto;
    uint64_t skip; /* recipients that need no attempt */
    struct slice mail;
};

struct smtp_verdict {
    int from, transfer; /* codes; 0 = none */
    uint64_t accepted, refused; /* recipients: 2xx, 5xx */
    struct slice said; /* the first refusal, code and text; p NULL when there is none */
    struct slice transfer_text;
    struct slice failure; /* what went wrong beside the relay's answers; may be empty */
    struct slice step; /* what was waited for last; p NULL: nothing yet */
};

/* HOST:PORT or [IPV6]:PORT; nothing else can stand in it. */
int smtp_server_parse(const char *server, struct smtp_server *ret, struct err *err);
bool smtp_is_loopback(const struct smtp_server *s);

int smtp_talk(void *job, int out_fd); /* struct smtp_job *; for proc_call() */
/* The texts are clean and live as long as `out`. Anything else in it is skipped. */
void smtp_read(struct slice out, struct smtp_verdict *v);
