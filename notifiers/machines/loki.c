/*
 * Loki: pushes of streams. Labels are few and bounded: job, host, channel, type and severity; what
 * strangers choose stands in the line. The time of a line is that of its entry, which never goes
 * back, so Loki never finds one out of order; when it happened stands in the line.
 */
#include <errno.h>
#include <stdio.h>

#include "notifiers/machines/http-batch.h"
#include "notifiers/machines/kinds.h"

struct loki {
    struct http_batch http;
    const char *tenant, *job;
};

static const struct option loki_options[] = {
    HTTP_BATCH_OPTIONS("ecs"),
    { .name = "tenant",
      .type = OPTION_STR,
      .offset = AT(struct loki, tenant),
      .help = "X-Scope-OrgID." },
    { .name = "job",
      .type = OPTION_STR,
      .offset = AT(struct loki, job),
      .fallback = "trailwarden",
      .help = "The label job." },
    { 0 },
};

static int loki_open(struct machine *m, struct err *err)
{
    struct loki *o = m->state;

    if (o->tenant && strpbrk(o->tenant, "\r\n"))
        return err_set(err, -EINVAL, "'tenant' is one word");
    return http_batch_open(&o->http, err);
}

static const char *severity_name(unsigned severity)
{
    static const char *const names[] = { "debug",  "info",     "info",    "notice",
                                         "notice", "warning",  "warning", "error",
                                         "error",  "critical", "critical" };

    return names[severity < ARRAY_SIZE(names) ? severity : ARRAY_SIZE(names) - 1];
}

static bool same_stream(const struct trail_record *a, const struct trail_record *b)
{
    return slice_eq(a->type, b->type) &&
           slice_eq(a->slots[RECORD_CHANNEL], b->slots[RECORD_CHANNEL]) &&
           severity_name(a->severity) == severity_name(b->severity);
}

static void put_label(struct buf *out, const char *name, struct slice value)
{
    if (value.n == 0)
        return;
    if (out->p[out->n - 1] != '{')
        buf_char(out, ',');
    buf_printf(out, "\"%s\":\"", name);
    text_put(out, &text_json, value, 128);
    buf_char(out, '"');
}

static void put_labels(const struct loki *o, const struct trail_record *r, struct buf *out)
{
    buf_str(out, "{\"stream\":{");
    put_label(out, "job", slice_str(o->job));
    put_label(out, "host", r->host);
    put_label(out, "channel", r->slots[RECORD_CHANNEL]);
    put_label(out, "type", r->type);
    put_label(out, "severity", slice_str(severity_name(r->severity)));
    buf_str(out, "},\"values\":[");
}

static int put_value(const struct loki *o, const struct trail_record *r, struct buf *out)
{
    AUTO_BUF line = BUF_INIT;
    int e = encoder_encode(&o->http.encoding, r, &line);

    if (e < 0)
        return e;
    if (out->p[out->n - 1] != '[')
        buf_char(out, ',');
    buf_printf(out, "[\"%llu000\",\"", (unsigned long long)r->time_us);
    text_put(out, &text_json, buf_view(&line), SIZE_MAX);
    buf_str(out, "\",{\"event_id\":\"");
    text_put(out, &text_json, r->id, 400);
    buf_str(out, "\"}]");
    return buf_ok(out) ? 0 : -ENOMEM;
}

/* All records of the stream of records[from], in their order. */
static int put_stream(const struct loki *o, const struct trail_record *records, size_t from,
                      size_t n, struct machine_result *results, bool *told, struct buf *out)
{
    if (out->p[out->n - 1] == '}')
        buf_char(out, ',');
    put_labels(o, &records[from], out);
    for (size_t i = from; i < n; i++) {
        int e = 0;

        if (told[i] || !same_stream(&records[from], &records[i]))
            continue;
        told[i] = true;
        e = put_value(o, &records[i], out);
        if (e == -EMSGSIZE)
            result_dead(&results[i], "the line is too large");
        else if (e < 0)
            return e;
    }
    buf_str(out, "]}");
    return buf_ok(out) ? 0 : -ENOMEM;
}

static int make_body(const struct loki *o, const struct trail_record *records, size_t n,
                     struct machine_result *results, struct buf *out)
{
    AUTO_FREE bool *told = calloc(n, sizeof *told);

    if (!told)
        return -ENOMEM;
    buf_str(out, "{\"streams\":[");
    for (size_t i = 0; i < n; i++)
        if (!told[i] && put_stream(o, records, i, n, results, told, out) < 0)
            return -ENOMEM;
    buf_str(out, "]}");
    return buf_ok(out) ? 0 : -ENOMEM;
}

static void loki_deliver(struct machine *m, const struct trail_record *records, size_t n,
                         struct machine_result *results, struct machine_said *said)
{
    struct loki *o = m->state;
    struct http_answer a;
    char tenant[280];
    const char *const headers[] = { o->tenant ? tenant : NULL, NULL };
    AUTO_BUF body = BUF_INIT;

    snprintf(tenant, sizeof tenant, "X-Scope-OrgID: %.250s", o->tenant ? o->tenant : "");
    if (make_body(o, records, n, results, &body) < 0) {
        snprintf(said->status, sizeof said->status, "out of memory");
        return;
    }
    http_batch_post(&o->http, "/loki/api/v1/push", "Bearer", "application/json", headers,
                    buf_view(&body), &a);
    http_batch_judge_said(&a, a.status == 400 ? buf_view(&a.body) : SLICE(""), results, n, said);
    buf_fini(&a.body);
}

static void loki_close(struct machine *m)
{
    http_batch_close(m->state);
}

const struct machine_ops machine_loki = {
    .name = "loki",
    .summary = "lines into Grafana Loki",
    .options = loki_options,
    .state_size = sizeof(struct loki),
    .open = loki_open,
    .deliver = loki_deliver,
    .close = loki_close,
};
