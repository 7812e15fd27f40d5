/*
 * Elasticsearch and OpenSearch: POST /_bulk. 200 does not mean stored: each item has a status of
 * its own. Documents are created under the record's id, so a repeat is a 409, which is as good.
 */
#include <errno.h>
#include <stdio.h>

#include "base/utf8.h"
#include "notifiers/machines/http-batch.h"
#include "notifiers/machines/kinds.h"

#define PATH "/_bulk?filter_path=errors,items.*.status,items.*.error.type,items.*.error.reason"

struct elasticsearch {
    struct http_batch http;
    const char *index;
};

static const struct option elasticsearch_options[] = {
    HTTP_BATCH_OPTIONS("ecs"),
    { .name = "index",
      .type = OPTION_STR,
      .offset = AT(struct elasticsearch, index),
      .fallback = "logs-trailwarden-default",
      .help = "Data stream or index." },
    { 0 },
};

static int elasticsearch_open(struct machine *m, struct err *err)
{
    struct elasticsearch *o = m->state;

    if (!encoders[o->http.encoding.format]->json)
        return err_set(err, -EINVAL, "'format' must be one of JSON: ecs, ocsf, gelf or json");
    return http_batch_open(&o->http, err);
}

/* Documents with their lines of action; one that is dead has none. */
static int make_body(const struct elasticsearch *o, const struct trail_record *records, size_t n,
                     struct machine_result *results, struct buf *out)
{
    for (size_t i = 0; i < n; i++) {
        size_t before = out->n;
        int r;

        buf_str(out, "{\"create\":{\"_index\":\"");
        text_put(out, &text_json, slice_str(o->index), 255);
        buf_str(out, "\",\"_id\":\"");
        text_put(out, &text_json, records[i].id, 400);
        buf_str(out, "\"}}\n");
        r = encoder_encode(&o->http.encoding, &records[i], out);
        if (r == -EMSGSIZE) {
            out->n = before;
            result_dead(&results[i], "the document is too large");
            continue;
        }
        if (r < 0)
            return r;
        buf_char(out, '\n');
    }
    return buf_ok(out) ? 0 : -ENOMEM;
}

/* {"create":{"status":400,"error":{"type":"mapper_parsing_exception","reason":".."}}} */
static void judge_item(const struct json *item, struct machine_result *result,
                       struct machine_said *said)
{
    const struct json *action = item->child, *error = json_get(action, "error");
    uint64_t status = json_u64(action, "status", 0);
    struct slice type = json_text(error, "type"), reason = json_text(error, "reason");

    if ((status >= 200 && status < 300) || status == 409) {
        result->state = DELIVERY_SENT;
    } else if (http_retryable((long)status)) {
        snprintf(said->status, sizeof said->status, "item: http %u", (unsigned)status);
    } else if (http_broken((long)status)) { /* the index is missing, or not ours */
        said->broken = true;
        snprintf(said->status, sizeof said->status, "item: http %u %.*s", (unsigned)status,
                 SLICE_FMT(utf8_cut(type, 80)));
    } else {
        result_dead(result, "http %u %.*s %.*s", (unsigned)status, SLICE_FMT(utf8_cut(type, 40)),
                    SLICE_FMT(utf8_cut(reason, 60)));
    }
}

/* Items are in the order of the documents that were sent: those that are RETRY still. */
static void judge_items(struct slice body, struct machine_result *results, size_t n,
                        struct machine_said *said)
{
    AUTO(arena) a = arena_new(65536, 32 << 20);
    const struct json *doc = a ? json_load(a, body, NULL) : NULL;
    const struct json *item = doc ? json_get(doc, "items") : NULL;
    size_t i = 0;

    snprintf(said->status, sizeof said->status, "stored");
    if (doc && json_get(doc, "errors") && !json_bool(doc, "errors", true)) {
        for (i = 0; i < n; i++)
            if (results[i].state == DELIVERY_RETRY)
                results[i].state = DELIVERY_SENT;
        return;
    }
    if (!item || item->type != JSON_ARRAY) {
        snprintf(said->status, sizeof said->status, "the answer is none of _bulk");
        return;
    }
    for (item = item->child; item; item = item->next) {
        while (i < n && results[i].state != DELIVERY_RETRY)
            i++;
        if (i < n)
            judge_item(item, &results[i++], said);
    }
}

static void elasticsearch_deliver(struct machine *m, const struct trail_record *records, size_t n,
                                  struct machine_result *results, struct machine_said *said)
{
    struct elasticsearch *o = m->state;
    struct http_answer a;
    AUTO_BUF body = BUF_INIT;

    if (make_body(o, records, n, results, &body) < 0) {
        snprintf(said->status, sizeof said->status, "out of memory");
        return;
    }
    if (body.n == 0)
        return;
    http_batch_post(&o->http, PATH, "ApiKey", "application/x-ndjson", NULL, buf_view(&body), &a);
    if (a.status == 200)
        judge_items(buf_view(&a.body), results, n, said);
    else
        http_batch_judge(&a, results, n, said);
    buf_fini(&a.body);
}

static void elasticsearch_close(struct machine *m)
{
    http_batch_close(m->state);
}

const struct machine_ops machine_elasticsearch = {
    .name = "elasticsearch",
    .summary = "documents into Elasticsearch or OpenSearch, by _bulk",
    .options = elasticsearch_options,
    .state_size = sizeof(struct elasticsearch),
    .open = elasticsearch_open,
    .deliver = elasticsearch_deliver,
    .close = elasticsearch_close,
};
