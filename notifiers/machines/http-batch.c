/* See http-batch.h. */
#include "notifiers/machines/http-batch.h"

#include <errno.h>
#include <stdio.h>
#include <zlib.h>

#include "base/utf8.h"

int http_batch_open(struct http_batch *h, struct err *err)
{
    if ((h->cert_file != NULL) != (h->key_file != NULL))
        return err_set(err, -EINVAL, "'cert_file' and 'key_file' belong together");
    if ((h->user != NULL) != (h->password != NULL))
        return err_set(err, -EINVAL, "'user' and 'password' belong together");
    if (h->token && h->user)
        return err_set(err, -EINVAL, "give either 'token' or 'user'");
    if (http_url_check(h->url, err) < 0)
        return err_code(err);
    h->encoding.header = HEADER_NONE;
    return encoder_ready(&h->encoding, err);
}

void http_batch_close(struct http_batch *h)
{
    if (!h)
        return;
    secret_free(h->password);
    secret_free(h->token);
}

static int compress_body(struct slice body, struct buf *out)
{
    z_stream z = { 0 };
    int r;

    if (deflateInit2(&z, 5, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return -ENOMEM;
    if (!buf_reserve(out, deflateBound(&z, body.n))) {
        deflateEnd(&z);
        return -ENOMEM;
    }
    z.next_in = (Bytef *)(uintptr_t)body.p;
    z.avail_in = (uInt)body.n;
    z.next_out = (Bytef *)out->p;
    z.avail_out = (uInt)(out->cap - 1);
    r = deflate(&z, Z_FINISH);
    out->n = z.total_out;
    deflateEnd(&z);
    return r == Z_STREAM_END ? 0 : -EIO;
}

static void put_authorization(const struct http_batch *h, const char *scheme, struct buf *out)
{
    if (h->token)
        buf_printf(out, "Authorization: %s %.*s", scheme, SLICE_FMT(secret_view(h->token)));
    else if (h->user)
        http_basic(h->user, h->password, out);
}

void http_batch_post(const struct http_batch *h, const char *path, const char *scheme,
                     const char *content_type, const char *const *headers, struct slice body,
                     struct http_answer *ret)
{
    const char *list[HTTP_HEADERS_MAX + 4];
    AUTO_BUF url = BUF_INIT;
    AUTO_BUF type = BUF_INIT;
    AUTO_BUF authorization = BUF_INIT;
    AUTO_BUF packed = BUF_INIT;
    struct http_request q = { .headers = list,
                              .body = body,
                              .secret = h->token ? h->token : h->password,
                              .timeout_us = h->timeout_us,
                              .ca_file = h->ca_file,
                              .cert_file = h->cert_file,
                              .key_file = h->key_file,
                              .answer_max = 1 << 20 };
    size_t n = 0;

    buf_str(&url, h->url);
    buf_str(&url, path);
    buf_printf(&type, "Content-Type: %s", content_type);
    put_authorization(h, scheme, &authorization);
    list[n++] = type.p;
    if (authorization.n)
        list[n++] = authorization.p;
    for (size_t i = 0; headers && headers[i] && i < HTTP_HEADERS_MAX; i++)
        list[n++] = headers[i];
    if (h->gzip && compress_body(body, &packed) == 0) {
        q.body = buf_view(&packed);
        list[n++] = "Content-Encoding: gzip";
    }
    list[n] = NULL;
    q.url = url.p;
    if (buf_ok(&url) && buf_ok(&type) && buf_ok(&authorization))
        http_post(&q, ret);
    else
        *ret = (struct http_answer){ .error = "out of memory" };
    if (authorization.p)
        explicit_bzero(authorization.p, authorization.n);
}

static void judge_waiting(struct machine_result *results, size_t n, enum delivery_state state,
                          const char *reason)
{
    for (size_t i = 0; i < n; i++)
        if (results[i].state == DELIVERY_RETRY)
            results_all(&results[i], 1, state, reason);
}

/* Words of a service for a status line. */
static void put_words(struct slice words, char *out, size_t size)
{
    AUTO_BUF clean = BUF_INIT;

    buf_printable(&clean, utf8_cut(slice_trim(words), size / 2));
    snprintf(out, size, "%s", clean.p ? clean.p : "");
}

void http_batch_judge_said(const struct http_answer *a, struct slice words,
                           struct machine_result *results, size_t n, struct machine_said *said)
{
    char text[100], reason[120];

    put_words(words, text, sizeof text);
    if (a->status == 0)
        snprintf(reason, sizeof reason, "%.110s", a->error);
    else
        snprintf(reason, sizeof reason, "http %ld%s%.90s", a->status, *text ? " " : "", text);
    snprintf(said->status, sizeof said->status, "%s", reason);
    said->retry_after_us = a->retry_after_s * USEC_PER_SEC;
    if (a->status >= 200 && a->status < 300) {
        judge_waiting(results, n, DELIVERY_SENT, NULL);
    } else if (!http_retryable(a->status)) {
        said->broken = http_broken(a->status);
        if (n > 1 && !said->broken)
            said->fewer = n / 2;
        else if (!said->broken && a->status >= 400)
            judge_waiting(results, n, DELIVERY_DEAD, reason);
    }
}

void http_batch_judge(const struct http_answer *a, struct machine_result *results, size_t n,
                      struct machine_said *said)
{
    http_batch_judge_said(a, SLICE(""), results, n, said);
}
