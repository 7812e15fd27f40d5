/* The note itself by POST, as text: to anything that keeps what it gets. */
#include <errno.h>
#include <stdio.h>

#include "notifiers/http.h"
#include "notifiers/kinds.h"

struct post {
    const char *url, *ca_file;
    struct secret *header;
    uint64_t timeout_us;
};

static const struct option post_options[] = {
    { .name = "url",
      .type = OPTION_STR,
      .offset = AT(struct post, url),
      .required = true,
      .help = "Where to POST the note; https, or http to this machine." },
    { .name = "header",
      .type = OPTION_SECRET,
      .offset = AT(struct post, header),
      .help = "A header line that goes with it, like: Authorization: Bearer ..." },
    { .name = "timeout",
      .type = OPTION_DURATION,
      .offset = AT(struct post, timeout_us),
      .fallback = "15s",
      .min = "1s",
      .max = "2m",
      .help = "For one attempt." },
    { .name = "ca_file",
      .type = OPTION_STR,
      .offset = AT(struct post, ca_file),
      .path = PATH_READ,
      .help = "Certificates to trust instead of the system's." },
    { 0 },
};

static bool header_ok(struct slice line)
{
    size_t colon = slice_find_byte(line, ':');

    for (size_t i = 0; i < line.n; i++)
        if ((unsigned char)line.p[i] < 0x20 || line.p[i] == 0x7f)
            return false;
    return colon != SIZE_MAX && colon > 0;
}

static int post_open(struct sink *s, struct err *err)
{
    const struct post *p = s->state;
    struct slice line = secret_view(p->header);

    if (line.n && !header_ok(line))
        return err_set(err, -EINVAL, "the header is none: it looks like NAME: VALUE");
    return http_url_check(p->url, err);
}

static void post_deliver(struct sink *s, const struct delivery *d, struct delivery_result *ret)
{
    const struct post *p = s->state;
    AUTO_BUF idempotency = BUF_INIT;
    const char *headers[4] = { "Content-Type: text/plain; charset=utf-8" };
    struct http_request q = { .url = p->url,
                              .headers = headers,
                              .body = json_text(d->document, "note"),
                              .secret = p->header,
                              .timeout_us = p->timeout_us,
                              .ca_file = p->ca_file };
    struct http_answer a;

    ret->state = DELIVERY_RETRY;
    if (p->header && secret_view(p->header).n == 0) {
        snprintf(ret->status, sizeof ret->status, "the header could not be read");
        return;
    }
    buf_printf(&idempotency, "Idempotency-Key: %.*s", SLICE_FMT(d->key));
    headers[1] = idempotency.p;
    headers[2] = p->header ? secret_view(p->header).p : NULL;
    if (!buf_ok(&idempotency))
        return;
    http_post(&q, &a);
    http_outcome(&a, ret);
    if (ret->state == DELIVERY_SENT)
        ret->said = ANCHOR_HOLDS;
    buf_fini(&a.body);
}

static void post_close(struct sink *s)
{
    struct post *p = s->state;

    if (p)
        secret_free(p->header);
}

const struct sink_ops anchor_post = {
    .name = "post",
    .summary = "the note by POST to a URL",
    .options = post_options,
    .state_size = sizeof(struct post),
    .open = post_open,
    .deliver = post_deliver,
    .close = post_close,
};
