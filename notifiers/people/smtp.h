/*
 * One mail over SMTP by libESMTP: the only door to it.
 *
 * smtp_talk() runs in a child (proc_call() with a deadline), because the library's
 * connect() and name look-ups have none, and its timeouts are for each poll. It
 * tells what the relay said as lines of text, which smtp_read() reads in the
 * parent. Truth is what was said about the sender, each recipient and the
 * transfer, never the library's return value.
 */
#pragma once

#include "base/secret.h"
#include "base/slice.h"

#define SMTP_RECIPIENTS_MAX 64 /* one bit each in a mask */
#define SMTP_TOLD_MAX 65536 /* limit for the child's output: enough for all of them */

enum smtp_tls {
    SMTP_TLS_AUTO, /* for the configuration: the caller makes one of the others of it */
    SMTP_TLS_REQUIRED,
    SMTP_TLS_OPPORTUNISTIC, /* where offered, and with any certificate unless there is a ca_file */
    SMTP_TLS_NONE,
};

struct smtp_job {
    const char *server; /* HOST:PORT; no IPv6 address: the library cuts at the first colon */
    const char *user; /* NULL: no login; else no mail goes without one */
    const struct secret *password;
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
};

int smtp_talk(void *job, int out_fd); /* struct smtp_job *; for proc_call() */
/* The texts are clean and live as long as `out`. Anything else in it is skipped. */
void smtp_read(struct slice out, struct smtp_verdict *v);

/* The name or address in HOST:PORT. */
struct slice smtp_host(const char *server);
