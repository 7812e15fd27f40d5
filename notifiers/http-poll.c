#include "notifiers/http-poll.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>

#include "base/clock.h"
#include "notifiers/http-private.h"

#define SENT_MAX 4 /* under way beside the poll */
#define WAIT_MAX_MS 60000
#define POLLED_MAX (1 << 20) /* of one answer: many messages with their texts */

struct flight {
    CURL *curl; /* NULL: none */
    struct curl_slist *headers;
    struct http_answer answer;
    const struct secret *secret;
    bool done;
};

struct http_poll {
    CURLM *multi;
    sigset_t ends;
    int signals; /* can be read while one of them is pending */
    struct flight poll, sent[SENT_MAX];
};

struct http_poll *http_poll_new(void)
{
    AUTO(http_poll) p = calloc(1, sizeof *p);

    if (!p)
        return NULL;
    sigemptyset(&p->ends);
    sigaddset(&p->ends, SIGTERM);
    sigaddset(&p->ends, SIGINT);
    sigaddset(&p->ends, SIGHUP);
    p->signals = signalfd(-1, &p->ends, SFD_CLOEXEC | SFD_NONBLOCK);
    p->multi = curl_multi_init();
    return p->signals >= 0 && p->multi ? TAKE(p) : NULL;
}

/* The answer's body is left to the caller. */
static void land(struct http_poll *p, struct flight *f)
{
    if (!f->curl)
        return;
    curl_multi_remove_handle(p->multi, f->curl);
    curl_easy_cleanup(f->curl);
    curl_slist_free_all(f->headers);
    f->curl = NULL;
}

static void drop(struct http_poll *p, struct flight *f)
{
    land(p, f);
    buf_fini(&f->answer.body);
    *f = (struct flight){ 0 };
}

void http_poll_free(struct http_poll *p)
{
    if (!p)
        return;
    drop(p, &p->poll);
    for (size_t i = 0; i < SENT_MAX; i++)
        drop(p, &p->sent[i]);
    curl_multi_cleanup(p->multi);
    if (p->signals >= 0)
        close(p->signals);
    free(p);
}

static int take_off(struct http_poll *p, const struct http_request *q, struct flight *f)
{
    *f = (struct flight){ .secret = q->secret };
    f->curl = http_prepare(q, &f->headers, &f->answer);
    if (!f->curl)
        return -ENOMEM;
    if (curl_easy_setopt(f->curl, CURLOPT_COPYPOSTFIELDS, q->body.p) == CURLE_OK &&
        curl_easy_setopt(f->curl, CURLOPT_PRIVATE, f) == CURLE_OK &&
        curl_multi_add_handle(p->multi, f->curl) == CURLM_OK)
        return 0;
    drop(p, f);
    return -ENOMEM;
}

int http_poll_start(struct http_poll *p, const struct http_request *q)
{
    int r = p->poll.curl ? -EBUSY : take_off(p, q, &p->poll);

    if (r == 0)
        p->poll.answer.body.limit = POLLED_MAX;
    return r;
}

bool http_poll_busy(const struct http_poll *p)
{
    return p->poll.curl;
}

int http_poll_send(struct http_poll *p, const struct http_request *q)
{
    for (size_t i = 0; i < SENT_MAX; i++)
        if (!p->sent[i].curl)
            return take_off(p, q, &p->sent[i]);
    return -EBUSY;
}

/* Moves everything on; what came to its end is marked or dropped. */
static void move_on(struct http_poll *p)
{
    CURLMsg *m;
    int n;

    (void)curl_multi_perform(p->multi, &n);
    while ((m = curl_multi_info_read(p->multi, &n))) {
        struct flight *f = NULL;
        CURLcode rc = m->data.result;

        if (m->msg != CURLMSG_DONE ||
            curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&f) != CURLE_OK || !f)
            continue;
        if (f != &p->poll) {
            drop(p, f);
            continue;
        }
        http_conclude(f->curl, rc, f->secret, &f->answer);
        f->done = true;
    }
}

static int wait_here(struct http_poll *p, int fd, uint64_t until_us, struct http_answer *ret)
{
    const struct clock real = CLOCK_REAL;

    for (;;) {
        struct pollfd mine[] = { { .fd = fd, .events = POLLIN },
                                 { .fd = p->signals, .events = POLLIN } };
        struct curl_waitfd also[] = { { .fd = fd, .events = CURL_WAIT_POLLIN },
                                      { .fd = p->signals, .events = CURL_WAIT_POLLIN } };
        uint64_t now = clock_mono(&real), ms;

        move_on(p);
        if (p->poll.done) {
            land(p, &p->poll);
            *ret = p->poll.answer;
            p->poll = (struct flight){ 0 };
            return 1;
        }
        if (poll(mine, 2, 0) > 0) /* an end that curl does not tell of, too */
            return mine[0].revents ? 0 : -EINTR;
        if (now >= until_us)
            return -EAGAIN;
        ms = (until_us - now) / USEC_PER_MSEC + 1;
        if (curl_multi_poll(p->multi, also, 2, ms < WAIT_MAX_MS ? (int)ms : WAIT_MAX_MS, NULL) !=
            CURLM_OK)
            return -EIO;
    }
}

/*
 * A signal that came between a look at the caller's flag and the system call would be slept over:
 * libcurl has no ppoll(). So they stay pending meanwhile, and their handlers run behind it.
 */
int http_poll_wait(struct http_poll *p, int fd, uint64_t until_us, struct http_answer *ret)
{
    sigset_t before;
    int r;

    if (sigprocmask(SIG_BLOCK, &p->ends, &before) < 0)
        return -errno;
    r = wait_here(p, fd, until_us, ret);
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    return r;
}
