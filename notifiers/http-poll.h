/*
 * A POST that is under way while its caller has something else to wait for, too: a long poll.
 * Nothing here blocks but http_poll_wait(), and that ends when a descriptor can be read. What
 * comes meanwhile waits in the kernel. The limits are those of http.h, but for 1 MiB of answer and
 * a timeout that the caller makes longer than the server's.
 *
 * Beside it a few requests whose answers nobody reads.
 */
#pragma once

#include "notifiers/http.h"

struct http_poll;

struct http_poll *http_poll_new(void); /* NULL: no memory */
void http_poll_free(struct http_poll *p); /* ends what is under way */
DEFINE_AUTO(http_poll)

/* One at a time. Everything but the secret is copied, that is borrowed. -EBUSY, -ENOMEM. */
int http_poll_start(struct http_poll *p, const struct http_request *q);
bool http_poll_busy(const struct http_poll *p);

/* -EBUSY when too many are under way. */
int http_poll_send(struct http_poll *p, const struct http_request *q);

/*
 * 1: the answer is there (the caller frees its body). 0: fd can be read, or has ended. -EAGAIN: it
 * is until_us on the monotonic clock. -EIO: libcurl cannot wait. -EINTR: SIGTERM, SIGINT or SIGHUP
 * came, and its handler has run, unless the caller blocks it: then it is pending.
 */
int http_poll_wait(struct http_poll *p, int fd, uint64_t until_us, struct http_answer *ret);
