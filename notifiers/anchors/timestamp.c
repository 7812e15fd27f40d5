/* A time stamp authority (RFC 3161): the note existed by then, says somebody whom courts know. */
#include <stdio.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/timestamp.h"
#include "notifiers/http.h"
#include "notifiers/kinds.h"

struct timestamp {
    const char *url, *ca;
    uint64_t timeout_us;
};

static const struct option timestamp_options[] = {
    { .name = "url",
      .type = OPTION_STR,
      .offset = AT(struct timestamp, url),
      .required = true,
      .help = "The authority; https, or http to this machine." },
    { .name = "ca",
      .type = OPTION_STR,
      .offset = AT(struct timestamp, ca),
      .path = PATH_READ,
      .required = true,
      .help = "File of the certificates that may vouch for its stamps." },
    { .name = "timeout",
      .type = OPTION_DURATION,
      .offset = AT(struct timestamp, timeout_us),
      .fallback = "30s",
      .min = "1s",
      .max = "2m",
      .help = "For one attempt." },
    { 0 },
};

static int timestamp_open(struct sink *s, struct err *err)
{
    const struct timestamp *t = s->state;

    return http_url_check(t->url, err);
}

static void judge(const struct timestamp *t, struct slice request, const struct http_answer *a,
                  struct delivery_result *ret)
{
    struct err err = ERR_NONE;
    char text[TIME_TEXT_SIZE];
    uint64_t at;

    if (a->status != 200) {
        http_outcome(a, ret);
        if (ret->state == DELIVERY_SENT) /* a stamp comes with 200 alone */
            ret->state = DELIVERY_DEAD;
        return;
    }
    ret->state = DELIVERY_RETRY;
    if (timestamp_check(request, buf_view(&a->body), t->ca, &at, &err) < 0) {
        ret->state = err.code == -EACCES ? DELIVERY_DEAD : DELIVERY_RETRY;
        snprintf(ret->status, sizeof ret->status, "%.150s", err.text);
        return;
    }
    time_text(at, text);
    buf_slice(&ret->reply, buf_view(&a->body));
    ret->said = ANCHOR_HOLDS;
    ret->state = buf_ok(&ret->reply) ? DELIVERY_SENT : DELIVERY_RETRY;
    snprintf(ret->status, sizeof ret->status, "stamped %s", text);
}

static void timestamp_deliver(struct sink *s, const struct delivery *d, struct delivery_result *ret)
{
    static const char *const headers[] = { "Content-Type: application/timestamp-query",
                                           "Accept: application/timestamp-reply", NULL };
    const struct timestamp *t = s->state;
    struct slice note = json_text(d->document, "note");
    AUTO_BUF request = BUF_INIT;
    uint8_t digest[SHA256_SIZE];
    struct http_request q = { .url = t->url, .headers = headers, .timeout_us = t->timeout_us };
    struct http_answer a;
    struct err err = ERR_NONE;

    sha256(note.p ? note.p : "", note.n, digest);
    if (note.n == 0 || timestamp_request(digest, &request, &err) < 0) {
        ret->state = note.n ? DELIVERY_RETRY : DELIVERY_DEAD;
        snprintf(ret->status, sizeof ret->status, "no request could be made");
        return;
    }
    q.body = buf_view(&request);
    http_post(&q, &a);
    judge(t, buf_view(&request), &a, ret);
    ret->retry_after_us = a.retry_after_s * USEC_PER_SEC;
    buf_fini(&a.body);
}

const struct sink_ops anchor_timestamp = {
    .name = "timestamp",
    .summary = "a time stamp authority (RFC 3161); its reply is kept beside the note",
    .options = timestamp_options,
    .state_size = sizeof(struct timestamp),
    .open = timestamp_open,
    .deliver = timestamp_deliver,
};
