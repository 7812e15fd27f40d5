/*
 * Any service that takes POSTs: one record a line (NDJSON for the formats of JSON). The key of the
 * batch stands in Idempotency-Key: the ids of its first and last record.
 */
#include <errno.h>
#include <stdio.h>

#include "notifiers/machines/http-batch.h"
#include "notifiers/machines/kinds.h"

struct http_lines {
    struct http_batch http;
    const char *scheme;
};

static const struct option http_options[] = {
    HTTP_BATCH_OPTIONS("json"),
    { .name = "scheme",
      .type = OPTION_STR,
      .offset = AT(struct http_lines, scheme),
      .fallback = "Bearer",
      .help = "Word before the token in Authorization." },
    { 0 },
};

static int http_lines_open(struct machine *m, struct err *err)
{
    struct http_lines *o = m->state;

    return http_batch_open(&o->http, err);
}

static void http_lines_deliver(struct machine *m, const struct trail_record *records, size_t n,
                               struct machine_result *results, struct machine_said *said)
{
    struct http_lines *o = m->state;
    const char *type = o->http.encoding.encoder->json ? "application/x-ndjson"
                                                      : o->http.encoding.encoder->content_type;
    AUTO_FREE size_t *ends = calloc(n, sizeof *ends);
    struct http_answer a;
    AUTO_BUF key = BUF_INIT;
    AUTO_BUF body = BUF_INIT;
    const char *headers[] = { NULL, NULL };

    buf_str(&key, "Idempotency-Key: ");
    text_put_name(&key, records[0].id, 300, NULL);
    buf_printf(&key, "-%llu", (unsigned long long)records[n - 1].index);
    if (!ends || !buf_ok(&key) ||
        encode_records(&o->http.encoding, records, n, "\n", 1, results, ends, &body) < 0) {
        snprintf(said->status, sizeof said->status, "out of memory");
        return;
    }
    if (body.n == 0)
        return;
    headers[0] = key.p;
    http_batch_post(&o->http, "", o->scheme, type, headers, buf_view(&body), &a);
    http_batch_judge(&a, results, n, said);
    buf_fini(&a.body);
}

static void http_lines_close(struct machine *m)
{
    http_batch_close(m->state);
}

const struct machine_ops machine_http = {
    .name = "http",
    .summary = "lines by POST to any URL",
    .options = http_options,
    .state_size = sizeof(struct http_lines),
    .open = http_lines_open,
    .deliver = http_lines_deliver,
    .close = http_lines_close,
};
