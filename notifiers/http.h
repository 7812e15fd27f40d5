/*
 * One HTTP request with our limits: no redirects, no proxy from the environment,
 * https only unless the host is this machine, 64 KiB of answer, deadlines.
 * Error texts of libcurl can hold the URL: they are scrubbed of `secret`.
 */
#pragma once

#include "base/err.h"
#include "base/secret.h"
#include "base/slice.h"
#include "notifiers/sink.h"

struct http_request {
    const char *method; /* NULL = POST */
    const char *url;
    const char *const *headers; /* NULL-terminated "Name: value" */
    struct slice body;
    const struct secret *secret; /* may stand in the URL; may be NULL */
    uint64_t timeout_us; /* 0 = 15 s */
    const char *ca_file; /* NULL = the system's */
    const char *cert_file, *key_file; /* ours, both or none */
    size_t answer_max; /* 0 = 64 KiB */
};

struct http_answer {
    long status; /* 0: no answer at all */
    struct buf body;
    uint64_t retry_after_s; /* Retry-After, seconds or a date; a day at most */
    char error[160]; /* when status is 0 */
};

void http_post(const struct http_request *q, struct http_answer *ret);
/* https, or http to a loopback address. */
int http_url_check(const char *url, struct err *err);
/* 408, 425, 429 and 5xx, or no answer. */
bool http_retryable(long status);
/* 401, 403, 404, 410: a key revoked, a hook removed. Any other message would end the same way. */
bool http_broken(long status);
/*
 * What the answer alone makes of a delivery: 2xx is sent; what http_retryable() says is tried
 * again, when the receiver wishes it; the rest is dead, and the receiver maybe broken.
 */
void http_outcome(const struct http_answer *a, struct delivery_result *ret);

/* What a service's own words make of an answer, where they say more than its status. */
struct http_verdict {
    long status; /* 0: any */
    const char *says; /* part of the words, in any case; NULL: any */
    enum delivery_state state;
    bool broken;
};
/*
 * As http_outcome(), with `said`, clean words of the service, in the status. The first verdict that
 * fits wins; the list ends with state 0, and may be NULL.
 */
void http_judge(const struct http_answer *a, const struct http_verdict *verdicts, struct slice said,
                struct delivery_result *ret);
/* "Authorization: Basic ..." (RFC 7617). It holds the secret: wipe it. */
void http_basic(const char *user, const struct secret *password, struct buf *out);
/* RFC 3986: all but letters, digits and -._~ as %XX. */
void buf_percent(struct buf *b, struct slice s);
