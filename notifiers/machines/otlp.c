/*
 * OTLP over HTTP, logs as JSON: for any collector of OpenTelemetry. Numbers of 64 bits are texts
 * there and enums are numbers, always.
 */
#include <errno.h>
#include <stdio.h>

#include "base/num.h"
#include "notifiers/machines/encoder-private.h"
#include "notifiers/machines/http-batch.h"
#include "notifiers/machines/kinds.h"

struct otlp {
    struct http_batch http;
};

static const struct option otlp_options[] = { HTTP_BATCH_OPTIONS("ecs"), { 0 } };

static int otlp_open(struct machine *m, struct err *err)
{
    return http_batch_open(m->state, err);
}

static const struct attribute {
    const char *name;
    unsigned slot;
    bool number;
} attributes[] = {
    { "source.address", FIELD_SOURCE_IP, false },  { "source.port", FIELD_SOURCE_PORT, true },
    { "user.name", FIELD_USER_NAME, false },       { "event.action", FIELD_EVENT_ACTION, false },
    { "event.reason", FIELD_EVENT_REASON, false }, { "rule.id", RECORD_RULE, false },
    { "rule.name", RECORD_TITLE, false },          { "trailwarden.channel", RECORD_CHANNEL, false },
    { "trailwarden.level", RECORD_LEVEL, false },  { "trailwarden.alert", RECORD_ALERT, false },
    { "trailwarden.count", RECORD_COUNT, true },
};

static void put_attribute(struct json_put *j, const char *name, struct slice value, bool number)
{
    if (value.n == 0 || (number && !is_number(value, INT64_MAX)))
        return;
    jput_open(j, NULL, '{');
    jput_str(j, "key", name);
    jput_open(j, "value", '{');
    jput_text(j, number ? "intValue" : "stringValue", value);
    jput_close(j, '}');
    jput_close(j, '}');
}

/* SeverityNumber: 9 info, 13 warn, 17 error, 21 fatal. */
static const struct severity_words {
    unsigned up_to, number;
    const char *text;
} severities[] = {
    { 0, 5, "DEBUG" }, { 4, 9, "INFO" }, { 6, 13, "WARN" }, { 8, 17, "ERROR" }, { 10, 21, "FATAL" }
};

static const struct severity_words *severity_words(unsigned severity)
{
    size_t i = 0;

    while (i + 1 < ARRAY_SIZE(severities) && severity > severities[i].up_to)
        i++;
    return &severities[i];
}

static void put_nanoseconds(struct json_put *j, const char *key, uint64_t us)
{
    char text[32];
    int n = snprintf(text, sizeof text, "%llu000", (unsigned long long)us);

    jput_text(j, key, slice_of(text, (size_t)n));
}

static int put_record(const struct otlp *o, const struct trail_record *r, struct json_put *j)
{
    const struct severity_words *severity = severity_words(r->severity);
    AUTO_BUF body = BUF_INIT;
    int e = encoder_encode(&o->http.encoding, r, &body);

    if (e < 0)
        return e;
    jput_open(j, NULL, '{');
    put_nanoseconds(j, "timeUnixNano", r->event_us);
    put_nanoseconds(j, "observedTimeUnixNano", r->time_us);
    jput_u64(j, "severityNumber", severity->number);
    jput_str(j, "severityText", severity->text);
    jput_long(j, "eventName", r->type, 128);
    jput_open(j, "body", '{');
    jput_long(j, "stringValue", buf_view(&body), SIZE_MAX);
    jput_close(j, '}');
    jput_open(j, "attributes", '[');
    put_attribute(j, "event.id", r->id, false);
    for (size_t i = 0; i < ARRAY_SIZE(attributes); i++)
        put_attribute(j, attributes[i].name, r->slots[attributes[i].slot], attributes[i].number);
    jput_close(j, ']');
    jput_close(j, '}');
    return buf_ok(j->out) ? 0 : -ENOMEM;
}

static int make_body(const struct otlp *o, const struct trail_record *records, size_t n,
                     struct machine_result *results, struct buf *out)
{
    struct json_put j = { .out = out, .max = 1024 };
    static const struct slice end = { "]}]}]}", 6 };

    buf_str(out, "{\"resourceLogs\":[{\"resource\":{\"attributes\":[");
    put_attribute(&j, "service.name", SLICE(PRODUCT_NAME), false);
    put_attribute(&j, "service.version", SLICE(PACKAGE_VERSION), false);
    put_attribute(&j, "host.name", records[0].host, false);
    buf_str(out, "]},\"scopeLogs\":[{\"scope\":{\"name\":\"" PRODUCT_NAME "\"},\"logRecords\":[");
    j.comma = false;
    for (size_t i = 0; i < n; i++) {
        int e = put_record(o, &records[i], &j);

        if (e == -EMSGSIZE)
            result_dead(&results[i], "the record is too large");
        else if (e < 0)
            return e;
    }
    buf_slice(out, end);
    return buf_ok(out) ? 0 : -ENOMEM;
}

/*
 * {"partialSuccess":{"rejectedLogRecords":"2","errorMessage":".."}}: taken for good, and it is not
 * said which. They are not sent again; when it is all of them, all are dead.
 */
static void judge_partial(struct slice body, struct machine_result *results, size_t n,
                          struct machine_said *said)
{
    AUTO(arena) a = arena_new(4096, 4 << 20);
    const struct json *doc = a ? json_load(a, body, NULL) : NULL;
    const struct json *partial = doc ? json_get(doc, "partialSuccess") : NULL;
    struct slice words = slice_take(json_text(partial, "errorMessage"), 90);
    uint64_t rejected = 0;

    /* A text, as 64 bits are there; some write a number. */
    if (parse_u64(json_text(partial, "rejectedLogRecords"), 0, UINT64_MAX, &rejected) < 0 ||
        rejected == 0)
        return;
    said->rejected = rejected;
    snprintf(said->status, sizeof said->status, "%llu records rejected: %.*s",
             (unsigned long long)rejected, SLICE_FMT(words));
    for (size_t i = 0; i < n && rejected >= n; i++)
        if (results[i].state == DELIVERY_SENT)
            result_dead(&results[i], "rejected: %.*s", SLICE_FMT(words));
}

/* Only these are tried again (OTLP 1.x, "Failures"). */
static bool otlp_retryable(long status)
{
    return status == 0 || status == 408 || status == 429 || status == 502 || status == 503 ||
           status == 504;
}

static void otlp_deliver(struct machine *m, const struct trail_record *records, size_t n,
                         struct machine_result *results, struct machine_said *said)
{
    struct otlp *o = m->state;
    struct http_answer a;
    AUTO_BUF body = BUF_INIT;

    if (make_body(o, records, n, results, &body) < 0) {
        snprintf(said->status, sizeof said->status, "out of memory");
        return;
    }
    http_batch_post(&o->http, "/v1/logs", "Bearer", "application/json", NULL, buf_view(&body), &a);
    if (a.status >= 500 && !otlp_retryable(a.status)) /* as its document says: no retry */
        a.status = 400;
    http_batch_judge(&a, results, n, said);
    if (a.status == 200)
        judge_partial(buf_view(&a.body), results, n, said);
    buf_fini(&a.body);
}

static void otlp_close(struct machine *m)
{
    http_batch_close(m->state);
}

const struct machine_ops machine_otlp = {
    .name = "otlp",
    .summary = "log records to an OpenTelemetry collector",
    .options = otlp_options,
    .state_size = sizeof(struct otlp),
    .open = otlp_open,
    .deliver = otlp_deliver,
    .close = otlp_close,
};
