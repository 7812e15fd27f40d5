/*
 * Witness (C2SP tlog-witness, add-checkpoint): somebody who signs our checkpoint only when it
 * continues the one that he signed before. The lines of his answer are checked where the trail is
 * kept, with his key; here only their outer form counts.
 */
#include <stdio.h>

#include "base/num.h"
#include "notifiers/http.h"
#include "notifiers/kinds.h"

#define PROOF_MAX 63 /* hashes; the protocol's limit */

struct witness {
    const char *url, *vkey, *ca_file;
    uint64_t timeout_us;
};

static const struct option witness_options[] = {
    { .name = "url",
      .type = OPTION_STR,
      .offset = AT(struct witness, url),
      .required = true,
      .help = "Where it takes submissions; add-checkpoint is added. https, or http to this "
              "machine." },
    { .name = "vkey",
      .type = OPTION_STR,
      .offset = AT(struct witness, vkey),
      .required = true,
      .help = "Its key, NAME+HEX+BASE64 (cosignature/v1)." },
    { .name = "timeout",
      .type = OPTION_DURATION,
      .offset = AT(struct witness, timeout_us),
      .fallback = "15s",
      .min = "1s",
      .max = "2m",
      .help = "For one attempt." },
    { .name = "ca_file",
      .type = OPTION_STR,
      .offset = AT(struct witness, ca_file),
      .path = PATH_READ,
      .help = "Certificates to trust instead of the system's." },
    { 0 },
};

static int witness_open(struct sink *s, struct err *err)
{
    const struct witness *w = s->state;

    return http_url_check(w->url, err);
}

static bool make_body(const struct json *doc, struct buf *out)
{
    const struct json *proof = json_get(doc, "proof");
    size_t n = 0;

    buf_printf(out, "old %llu\n", (unsigned long long)json_u64(doc, "old", 0));
    for (const struct json *h = proof ? proof->child : NULL; h; h = h->next, n++) {
        buf_slice(out, h->text);
        buf_char(out, '\n');
    }
    buf_char(out, '\n');
    buf_slice(out, json_text(doc, "note"));
    return n <= PROOF_MAX && json_text(doc, "note").n && buf_ok(out);
}

static void say(struct delivery_result *ret, enum delivery_state state, const char *text)
{
    ret->state = state;
    snprintf(ret->status, sizeof ret->status, "%s", text);
}

/* 409: it does not know the tree that we went on from, and says which one it knows. */
static void judge_conflict(const struct http_answer *a, struct delivery_result *ret)
{
    struct slice body = buf_view(&a->body);
    uint64_t size;

    if (body.n && body.p[body.n - 1] == '\n')
        body.n--;
    if (parse_u64(body, 0, INT64_MAX, &size) < 0) {
        say(ret, DELIVERY_RETRY, "http 409, and no size in the answer");
        return;
    }
    ret->said = ANCHOR_SIZE;
    ret->size = size;
    ret->state = DELIVERY_RETRY;
    snprintf(ret->status, sizeof ret->status, "http 409: its last checkpoint is of %llu entries",
             (unsigned long long)size);
}

static void judge_lines(const struct http_answer *a, struct delivery_result *ret)
{
    if (a->body.n == 0 || a->body.n > REPLY_MAX || !buf_ok(&a->body)) {
        say(ret, DELIVERY_RETRY,
            a->body.n ? "the answer is larger than signatures are" : "the answer is empty");
        return;
    }
    ret->said = ANCHOR_HOLDS;
    buf_slice(&ret->reply, buf_view(&a->body));
    say(ret, buf_ok(&ret->reply) ? DELIVERY_SENT : DELIVERY_RETRY, "http 200");
}

static void judge(const struct http_answer *a, struct delivery_result *ret)
{
    static const struct {
        long status;
        const char *text;
    } refusals[] = {
        { 400, "http 400: it does not understand the request" },
        { 403, "http 403: it has another key for this trail: tell its operator the identity key" },
        { 404, "http 404: it does not know this trail: tell its operator origin and identity key" },
        { 422, "http 422: it says that the checkpoint does not continue what it signed before" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(refusals); i++)
        if (a->status == refusals[i].status) {
            say(ret, DELIVERY_DEAD, refusals[i].text);
            ret->said = a->status == 422 ? ANCHOR_REFUSES : ANCHOR_NOTHING;
            return;
        }
    if (a->status == 200) {
        judge_lines(a, ret);
    } else if (a->status == 409) {
        judge_conflict(a, ret);
    } else {
        http_outcome(a, ret);
        if (ret->state == DELIVERY_SENT) /* signatures come with 200 alone */
            ret->state = DELIVERY_DEAD;
    }
}

static void witness_deliver(struct sink *s, const struct delivery *d, struct delivery_result *ret)
{
    static const char *const headers[] = { "Content-Type: text/plain; charset=utf-8", NULL };
    const struct witness *w = s->state;
    struct slice base = slice_str(w->url);
    AUTO_BUF url = BUF_INIT;
    AUTO_BUF body = BUF_INIT;
    struct http_request q = { .headers = headers,
                              .timeout_us = w->timeout_us,
                              .ca_file = w->ca_file };
    struct http_answer a;

    while (base.n && base.p[base.n - 1] == '/')
        base.n--;
    buf_printf(&url, "%.*s/add-checkpoint", SLICE_FMT(base));
    if (!make_body(d->document, &body) || !buf_ok(&url)) {
        say(ret, DELIVERY_DEAD, "the document is no checkpoint with its proof");
        return;
    }
    q.url = url.p;
    q.body = buf_view(&body);
    http_post(&q, &a);
    judge(&a, ret);
    ret->retry_after_us = a.retry_after_s * USEC_PER_SEC;
    buf_fini(&a.body);
}

const struct sink_ops anchor_witness = {
    .name = "witness",
    .summary = "a C2SP witness: it signs what continues the checkpoint it signed before",
    .options = witness_options,
    .state_size = sizeof(struct witness),
    .open = witness_open,
    .deliver = witness_deliver,
};

const char *anchor_vkey(const struct sink *s)
{
    const struct witness *w = s->state;

    return s->ops == &anchor_witness && w ? w->vkey : NULL;
}
