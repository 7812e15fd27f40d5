/*
 * Webhook: the document of the outbox by POST, or what a template makes of it, signed as Standard
 * Webhooks asks (webhook-id, webhook-timestamp, webhook-signature: v1,HMAC-SHA256).
 */
#include <errno.h>
#include <sodium.h>
#include <stdio.h>

#include "base/file.h"
#include "notifiers/http.h"
#include "notifiers/kinds.h"
#include "notifiers/people/alertmanager.h"
#include "notifiers/template.h"

#define TEMPLATE_MAX (64 << 10)
#define BODY_MAX (1 << 20)

enum format {
    FORMAT_NATIVE,
    FORMAT_ALERTMANAGER,
};
static const char *const formats[] = { "native", "alertmanager", NULL };

struct webhook {
    const char *url, *ca_file, *template_file;
    struct secret *secret, *secret_before;
    uint64_t timeout_us;
    int format;
    struct arena *arena; /* of the template */
    struct template *template;
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
    { .name = "secret_before",
      .type = OPTION_SECRET,
      .offset = AT(struct webhook, secret_before),
      .help = "The one that was used until now: both sign while it is replaced." },
    { .name = "format",
      .type = OPTION_ENUM,
      .offset = AT(struct webhook, format),
      .fallback = "native",
      .choices = formats,
      .help = "The document as it is, or what Alertmanager's webhooks send (version 4)." },
    { .name = "template",
      .type = OPTION_STR,
      .offset = AT(struct webhook, template_file),
      .path = PATH_READ,
      .help = "File with JSON of your own and {{placeholders}}." },
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

/* ---- the template ---- */

/* Each has what breaks JSON that somebody put together by hand. */
static const char *const samples[] = {
    "{\"version\":1,\"id\":\"0123456789abcdef0123456789abcdef\",\"rule\":{\"id\":\"r\",\"title\":"
    "\"A \\\"quoted\\\" \\\\ title\"},\"level\":\"high\",\"time\":\"2026-11-21T01:38:59.123456Z\","
    "\"group\":[{\"name\":\"source.ip\",\"value\":\"\\\"}],{{x}}\\u0007\"}],\"count\":6}",
    "{\"version\":1,\"type\":\"summary\",\"id\":\"digest-1\",\"kind\":\"digest\",\"title\":\"2 "
    "alerts\",\"level\":\"low\",\"alerts\":2}",
};

static int render_template(const struct webhook *w, const struct delivery *d, struct arena *a,
                           struct buf *out, struct err *err)
{
    struct message m;

    if (message_make(d, a, &m, err) < 0)
        return err_code(err);
    template_write(w->template, &m, d, template_json, out);
    if (!buf_ok(out))
        return err_set(err, -ENOMEM, "out of memory, or the template makes more than 1 MiB");
    return json_load(a, buf_view(out), err) ? 0
                                            : err_while(err, "what the template makes is no JSON");
}

/* It must make JSON of a sample of each kind. */
static int check_template(const struct webhook *w, struct err *err)
{
    for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
        AUTO(arena) a = arena_new(16384, 4 << 20);
        AUTO_BUF out = BUF_LIMIT(BODY_MAX);
        struct delivery d = { .key = SLICE("0123"), .host = "host", .text = slice_str(samples[i]) };

        d.document = a ? json_load(a, d.text, err) : NULL;
        if (!d.document)
            return a ? err_code(err) : err_nomem(err);
        if (render_template(w, &d, a, &out, err) < 0) {
            err->at = (struct src_pos){ w->template_file, 1, 1 };
            return err_code(err);
        }
    }
    return 0;
}

static int load_template(struct webhook *w, struct err *err)
{
    AUTO_BUF text = BUF_INIT;
    struct slice kept;

    w->arena = arena_new(16384, 1 << 20);
    if (!w->arena)
        return err_nomem(err);
    if (file_read(-1, w->template_file, TEMPLATE_MAX, &text, err) < 0)
        return err_code(err);
    kept = arena_slice(w->arena, buf_view(&text));
    if (!kept.p)
        return err_nomem(err);
    if (template_load(w->template_file, kept, w->arena, &w->template, err) < 0)
        return err_code(err);
    return check_template(w, err);
}

static int webhook_open(struct sink *s, struct err *err)
{
    struct webhook *w = s->state;

    if (w->secret_before && !w->secret)
        return err_set(err, -EINVAL, "'secret_before' needs a 'secret'");
    if (w->template_file && w->format != FORMAT_NATIVE)
        return err_set(err, -EINVAL, "give either 'template' or 'format'");
    if (http_url_check(w->url, err) < 0)
        return err_code(err);
    return w->template_file ? load_template(w, err) : 0;
}

/* ---- sending ---- */

static void sign(const struct secret *secret, struct slice id, struct slice stamp,
                 struct slice body, struct buf *out)
{
    struct slice text = secret_view(secret);
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
    buf_str(out, " v1,");
    buf_base64(out, mac, sizeof mac, true);
}

static void fail(struct delivery_result *ret, enum delivery_state state, const char *why)
{
    ret->state = state;
    snprintf(ret->status, sizeof ret->status, "%.150s", why);
}

/* What is sent; false: the result says why nothing is. */
static bool make_body(const struct sink *s, const struct delivery *d, struct buf *body,
                      struct delivery_result *ret)
{
    const struct webhook *w = s->state;
    AUTO(arena) a = arena_new(32768, 8 << 20);
    struct err err = ERR_NONE;
    struct message m;

    if (!a)
        err_nomem(&err);
    else if (w->template)
        (void)render_template(w, d, a, body, &err);
    else if (w->format == FORMAT_NATIVE)
        delivery_text(d, body);
    else if (message_make(d, a, &m, &err) == 0)
        alertmanager_payload(&m, d, s->name, body);
    if (err.code)
        fail(ret, err.code == -ENOMEM ? DELIVERY_RETRY : DELIVERY_DEAD, err.text);
    else if (!buf_ok(body))
        fail(ret, DELIVERY_RETRY, "out of memory");
    return !err.code && buf_ok(body);
}

/* Never unsigned by accident. */
static bool secrets_there(const struct webhook *w, struct delivery_result *ret)
{
    if ((!w->secret || secret_view(w->secret).n) &&
        (!w->secret_before || secret_view(w->secret_before).n))
        return true;
    fail(ret, DELIVERY_RETRY, "the signing secret could not be read");
    return false;
}

static void webhook_deliver(struct sink *s, const struct delivery *d, struct delivery_result *ret)
{
    const struct webhook *w = s->state;
    AUTO_BUF id = BUF_INIT;
    AUTO_BUF stamp = BUF_INIT;
    AUTO_BUF signature = BUF_INIT;
    AUTO_BUF idempotency = BUF_INIT;
    AUTO_BUF body = { .limit = w->template ? BODY_MAX : 0 };
    const char *headers[6] = { "Content-Type: application/json" };
    struct http_request q = {
        .url = w->url, .secret = w->secret, .timeout_us = w->timeout_us, .ca_file = w->ca_file
    };
    struct http_answer a;

    if (!secrets_there(w, ret) || !make_body(s, d, &body, ret))
        return;
    q.body = buf_view(&body);
    buf_printf(&id, "webhook-id: msg_%.*s", SLICE_FMT(d->key));
    buf_printf(&stamp, "webhook-timestamp: %llu", (unsigned long long)(d->now_us / USEC_PER_SEC));
    buf_printf(&idempotency, "Idempotency-Key: %.*s", SLICE_FMT(d->key));
    headers[1] = id.p;
    headers[2] = stamp.p;
    headers[3] = idempotency.p;
    if (w->secret) {
        struct slice id_text = slice_skip(buf_view(&id), 12);
        struct slice stamp_text = slice_skip(buf_view(&stamp), 19);

        buf_str(&signature, "webhook-signature:");
        sign(w->secret, id_text, stamp_text, q.body, &signature);
        if (w->secret_before)
            sign(w->secret_before, id_text, stamp_text, q.body, &signature);
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

    if (!w)
        return;
    secret_free(w->secret);
    secret_free(w->secret_before);
    arena_free(w->arena);
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
