/*
 * Webhook: the alert document by POST, signed as Standard Webhooks asks
 * (webhook-id, webhook-timestamp, webhook-signature: v1,HMAC-SHA256).
 */
#include <sodium.h>
#include <stdio.h>

#include "notifiers/http.h"
#include "notifiers/kinds.h"

struct webhook {
    const char *url, *ca_file;
    struct secret *secret;
    uint64_t timeout_us;
};

static const struct option webhook_options[] = {
    { .name = "url",
      .type = OPTION_STR,
      .offset = AT(struct webhook, url),
      .required = true,
      .help = "Where to POST; https, or http to this machine." },
    { .name = "secret",
      .type = OPTION_SECRET,
      .offset = AT(struct webhook, secret),
      .help = "Signing secret: whsec_ and base64, as Standard Webhooks has it." },
    { .name = "timeout",
      .type = OPTION_DURATION,
      .offset = AT(struct webhook, timeout_us),
      .fallback = "15s",
      .min = "1s",
      .max = "2m",
      .help = "For one attempt." },
    { .name = "ca_file",
      .type = OPTION_STR,
      .offset = AT(struct webhook, ca_file),
      .path = PATH_READ,
      .help = "Certificates to trust instead of the system's." },
    { 0 },
};

static int webhook_open(struct sink *s, struct err *err)
{
    const struct webhook *w = s->state;

    return http_url_check(w->url, err);
}

static void sign(const struct webhook *w, struct slice id, struct slice stamp, struct slice body,
                 struct buf *out)
{
    struct slice text = secret_view(w->secret);
    uint8_t key[256], mac[crypto_auth_hmacsha256_BYTES];
    crypto_auth_hmacsha256_state st;
    size_t n = 0;

    if (slice_starts(text, SLICE("whsec_")) &&
        base64_decode(slice_skip(text, 6), true, key, sizeof key, &n) < 0)
        n = 0;
    if (n == 0) {
        n = text.n < sizeof key ? text.n : sizeof key;
        memcpy(key, text.p, n);
    }
    crypto_auth_hmacsha256_init(&st, key, n);
    crypto_auth_hmacsha256_update(&st, (const uint8_t *)id.p, id.n);
    crypto_auth_hmacsha256_update(&st, (const uint8_t *)".", 1);
    crypto_auth_hmacsha256_update(&st, (const uint8_t *)stamp.p, stamp.n);
    crypto_auth_hmacsha256_update(&st, (const uint8_t *)".", 1);
    crypto_auth_hmacsha256_update(&st, (const uint8_t *)body.p, body.n);
    crypto_auth_hmacsha256_final(&st, mac);
    sodium_memzero(key, sizeof key);
    buf_str(out, "webhook-signature: v1,");
    buf_base64(out, mac, sizeof mac, true);
}

static void webhook_deliver(struct sink *s, const struct delivery *d, struct delivery_result *ret)
{
    const struct webhook *w = s->state;
    AUTO_BUF id = BUF_INIT;
    AUTO_BUF stamp = BUF_INIT;
    AUTO_BUF signature = BUF_INIT;
    AUTO_BUF idempotency = BUF_INIT;
    AUTO_BUF body = BUF_INIT;
    const char *headers[6] = { "Content-Type: application/json" };
    struct http_request q = {
        .url = w->url, .secret = w->secret, .timeout_us = w->timeout_us, .ca_file = w->ca_file
    };
    struct http_answer a;

    if (w->secret && secret_view(w->secret).n == 0) { /* never unsigned by accident */
        ret->state = DELIVERY_RETRY;
        snprintf(ret->status, sizeof ret->status, "the signing secret could not be read");
        return;
    }
    delivery_text(d, &body);
    if (!buf_ok(&body)) {
        ret->state = DELIVERY_RETRY;
        snprintf(ret->status, sizeof ret->status, "out of memory");
        return;
    }
    q.body = buf_view(&body);
    buf_printf(&id, "webhook-id: msg_%.*s", SLICE_FMT(d->key));
    buf_printf(&stamp, "webhook-timestamp: %llu", (unsigned long long)(d->now_us / USEC_PER_SEC));
    buf_printf(&idempotency, "Idempotency-Key: %.*s", SLICE_FMT(d->key));
    headers[1] = id.p;
    headers[2] = stamp.p;
    headers[3] = idempotency.p;
    if (w->secret) {
        sign(w, slice_skip(buf_view(&id), 12), slice_skip(buf_view(&stamp), 19), q.body,
             &signature);
        headers[4] = signature.p;
    }
    q.headers = headers;
    http_post(&q, &a);
    http_outcome(&a, ret);
    buf_fini(&a.body);
}

static void webhook_close(struct sink *s)
{
    struct webhook *w = s->state;

    if (w)
        secret_free(w->secret);
}

const struct sink_ops sink_webhook = {
    .name = "webhook",
    .summary = "the alert as JSON to a URL, signed",
    .options = webhook_options,
    .state_size = sizeof(struct webhook),
    .open = webhook_open,
    .deliver = webhook_deliver,
    .close = webhook_close,
};
