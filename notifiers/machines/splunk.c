/*
 * Splunk's HTTP Event Collector: JSON objects one behind the other. 200 says "taken", not
 * "indexed"; with `acknowledge` a batch counts only when the indexers said so.
 */
#include <errno.h>
#include <sodium.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/num.h"
#include "notifiers/machines/http-batch.h"
#include "notifiers/machines/kinds.h"

#define ACK_PAUSE_US (USEC_PER_SEC / 4)

struct splunk {
    struct http_batch http;
    const char *index, *source, *sourcetype;
    bool acknowledge;
    char channel[37]; /* of this process: a GUID */
};

static const struct option splunk_options[] = {
    HTTP_BATCH_OPTIONS("ecs"),
    { .name = "index",
      .type = OPTION_STR,
      .offset = AT(struct splunk, index),
      .help = "Index; else that of the token." },
    { .name = "source",
      .type = OPTION_STR,
      .offset = AT(struct splunk, source),
      .fallback = "trailwarden",
      .help = "What is said in source." },
    { .name = "sourcetype",
      .type = OPTION_STR,
      .offset = AT(struct splunk, sourcetype),
      .fallback = "_json",
      .help = "What is said in sourcetype." },
    { .name = "acknowledge",
      .type = OPTION_BOOL,
      .offset = AT(struct splunk, acknowledge),
      .fallback = "false",
      .help = "Wait until the indexers have it; the token must have that switched on." },
    { 0 },
};

static void make_channel(char out[37])
{
    uint8_t r[16];
    size_t n = 0;

    randombytes_buf(r, sizeof r);
    r[6] = (uint8_t)((r[6] & 0x0f) | 0x40);
    r[8] = (uint8_t)((r[8] & 0x3f) | 0x80);
    for (size_t i = 0; i < sizeof r; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            out[n++] = '-';
        snprintf(out + n, 3, "%02x", r[i]);
        n += 2;
    }
}

static int splunk_open(struct machine *m, struct err *err)
{
    struct splunk *o = m->state;

    if (!o->http.token)
        return err_set(err, -EINVAL, "a 'token' is needed");
    make_channel(o->channel);
    return http_batch_open(&o->http, err);
}

static void put_member(struct buf *out, const char *name, struct slice value, size_t max)
{
    if (value.n == 0)
        return;
    buf_printf(out, ",\"%s\":\"", name);
    text_put(out, &text_json, value, max);
    buf_char(out, '"');
}

/* The event is an object, or a text of another format. */
static int put_event(const struct splunk *o, const struct trail_record *r, struct buf *out)
{
    const struct encoder *encoder = o->http.encoding.encoder;
    AUTO_BUF event = BUF_INIT;
    int e = encoder_encode(&o->http.encoding, r, &event);

    if (e < 0)
        return e;
    buf_printf(out, "{\"time\":%llu.%06llu", (unsigned long long)(r->event_us / USEC_PER_SEC),
               (unsigned long long)(r->event_us % USEC_PER_SEC));
    put_member(out, "host", r->host, 255);
    put_member(out, "source", slice_str(o->source), 255);
    put_member(out, "sourcetype", slice_str(o->sourcetype), 255);
    put_member(out, "index", slice_str(o->index), 255);
    buf_str(out, ",\"fields\":{\"event_id\":\"");
    text_put(out, &text_json, r->id, 400);
    buf_str(out, "\"},\"event\":");
    if (encoder->json) {
        buf_slice(out, buf_view(&event));
    } else {
        buf_char(out, '"');
        text_put(out, &text_json, buf_view(&event), SIZE_MAX);
        buf_char(out, '"');
    }
    buf_char(out, '}');
    return buf_ok(out) ? 0 : -ENOMEM;
}

static int make_body(const struct splunk *o, const struct trail_record *records, size_t n,
                     struct machine_result *results, struct buf *out)
{
    for (size_t i = 0; i < n; i++) {
        int r = put_event(o, &records[i], out);

        if (r == -EMSGSIZE)
            result_dead(&results[i], "the event is too large");
        else if (r < 0)
            return r;
    }
    return buf_ok(out) ? 0 : -ENOMEM;
}

/* Is it indexed? {"acks":{"7":true}} */
static bool ask(const struct splunk *o, const char *const *headers, uint64_t ack)
{
    AUTO(arena) a = arena_new(4096, 1 << 20);
    struct http_answer answer;
    char body[64], key[24];
    const struct json *doc;
    bool yes;

    snprintf(body, sizeof body, "{\"acks\":[%llu]}", (unsigned long long)ack);
    snprintf(key, sizeof key, "%llu", (unsigned long long)ack);
    http_batch_post(&o->http, "/services/collector/ack", "Splunk", "application/json", headers,
                    slice_str(body), &answer);
    doc = a && answer.status == 200 ? json_load(a, buf_view(&answer.body), NULL) : NULL;
    yes = json_bool(doc ? json_get(doc, "acks") : NULL, key, false);
    buf_fini(&answer.body);
    return yes;
}

static bool acknowledged(const struct splunk *o, const char *const *headers, const struct json *doc)
{
    const struct clock real = CLOCK_REAL;
    uint64_t ack = json_u64(doc, "ackId", UINT64_MAX);
    uint64_t end = clock_mono(&real) + o->http.timeout_us;

    while (ack != UINT64_MAX) {
        if (ask(o, headers, ack))
            return true;
        if (clock_mono(&real) >= end)
            return false;
        usleep(ACK_PAUSE_US);
    }
    return false;
}

/*
 * {"text":"..","code":6,"invalid-event-number":3}: those before it first, then it stands alone at
 * the front, where it is judged.
 */
static bool judge_invalid(const struct json *doc, size_t n, struct machine_said *said)
{
    uint64_t which = json_u64(doc, "invalid-event-number", UINT64_MAX);

    if (n < 2 || which >= n)
        return false;
    said->fewer = which ? (size_t)which : 1;
    snprintf(said->status, sizeof said->status, "http 400 for one event");
    return true;
}

static void judge(const struct splunk *o, const struct http_answer *answer,
                  const char *const *headers, struct machine_result *results, size_t n,
                  struct machine_said *said)
{
    AUTO(arena) a = arena_new(4096, 1 << 20);
    const struct json *doc = a ? json_load(a, buf_view(&answer->body), NULL) : NULL;

    if (answer->status == 200 && o->acknowledge && !acknowledged(o, headers, doc)) {
        snprintf(said->status, sizeof said->status, "taken, but not indexed in time");
        return;
    }
    if (answer->status == 400 && judge_invalid(doc, n, said))
        return;
    http_batch_judge_said(answer, json_text(doc, "text"), results, n, said);
}

static void splunk_deliver(struct machine *m, const struct trail_record *records, size_t n,
                           struct machine_result *results, struct machine_said *said)
{
    struct splunk *o = m->state;
    struct http_answer a;
    char channel[80];
    const char *const headers[] = { channel, NULL };
    AUTO_BUF body = BUF_INIT;

    snprintf(channel, sizeof channel, "X-Splunk-Request-Channel: %s", o->channel);
    if (make_body(o, records, n, results, &body) < 0) {
        snprintf(said->status, sizeof said->status, "out of memory");
        return;
    }
    if (body.n == 0)
        return;
    http_batch_post(&o->http, "/services/collector/event", "Splunk", "application/json", headers,
                    buf_view(&body), &a);
    judge(o, &a, headers, results, n, said);
    buf_fini(&a.body);
}

static void splunk_close(struct machine *m)
{
    http_batch_close(m->state);
}

const struct machine_ops machine_splunk = {
    .name = "splunk",
    .summary = "events into Splunk, by its HTTP Event Collector",
    .options = splunk_options,
    .state_size = sizeof(struct splunk),
    .open = splunk_open,
    .deliver = splunk_deliver,
    .close = splunk_close,
};
