/* The alert of a document: what alert_json() wrote, come back from a store or a receiver. */
#include "schemas/alert.h"

#include <errno.h>

#include "base/clock.h"
#include "base/num.h"

#define LIST_MAX 256

/* ---- JSON again ---- */

/* json_load() has limited the depth. */
static void write_value(const struct json *v, struct json_writer *w) // NOLINT(misc-no-recursion)
{
    bool object = v->type == JSON_OBJECT;

    if (v->type == JSON_STRING) {
        json_put_slice(w, v->text);
        return;
    }
    if (v->type != JSON_ARRAY && !object) {
        json_put_raw(w, v->type == JSON_NULL ? SLICE("null") : v->text);
        return;
    }
    (object ? json_object : json_array)(w);
    for (const struct json *m = v->child; m; m = m->next) {
        if (object)
            json_key_slice(w, m->key);
        write_value(m, w);
    }
    (object ? json_object_end : json_array_end)(w);
}

/* ---- lists ---- */

static size_t length(const struct json *list)
{
    size_t n = 0;

    for (const struct json *m = list ? list->child : NULL; m; m = m->next)
        n++;
    return n;
}

/* The length of a list that may be absent; -EINVAL when it is none, or too long. */
static int list_of(const struct json *doc, const char *key, const struct json **ret_list,
                   struct err *err)
{
    const struct json *list = json_get(doc, key);

    if (list && (list->type != JSON_ARRAY || length(list) > LIST_MAX))
        return err_set(err, -EINVAL, "'%s' must be a list of at most %d", key, LIST_MAX);
    *ret_list = list;
    return (int)length(list);
}

static int read_tags(const struct json *doc, struct arena *a, struct alert *alert, struct err *err)
{
    const struct json *list = NULL;
    int n = list_of(doc, "tags", &list, err);

    if (n < 0)
        return n;
    alert->tags = arena_array(a, (size_t)n + 1, sizeof *alert->tags);
    if (!alert->tags)
        return err_nomem(err);
    for (const struct json *m = list ? list->child : NULL; m; m = m->next) {
        if (m->type != JSON_STRING)
            return err_set(err, -EINVAL, "'tags' must be a list of texts");
        alert->tags[alert->ntags++] = m->text;
    }
    return 0;
}

static int read_group(const struct json *doc, struct arena *a, struct alert *alert, struct err *err)
{
    const struct json *list = NULL;
    int n = list_of(doc, "group", &list, err);

    if (n < 0)
        return n;
    alert->group = arena_array(a, (size_t)n + 1, sizeof *alert->group);
    if (!alert->group)
        return err_nomem(err);
    for (const struct json *m = list ? list->child : NULL; m; m = m->next) {
        struct alert_group g = { json_text(m, "name"), json_text(m, "value") };

        if (m->type != JSON_OBJECT || g.name.n == 0)
            return err_set(err, -EINVAL, "'group' must be a list of {name, value}");
        alert->group[alert->ngroup++] = g;
    }
    return 0;
}

static int read_events(const struct json *doc, struct arena *a, struct alert *alert,
                       struct err *err)
{
    const struct json *list = NULL;
    int n = list_of(doc, "events", &list, err);

    if (n < 0)
        return n;
    alert->evidence = arena_array(a, (size_t)n + 1, sizeof *alert->evidence);
    if (!alert->evidence)
        return err_nomem(err);
    for (const struct json *m = list ? list->child : NULL; m; m = m->next) {
        AUTO_BUF text = BUF_INIT;
        struct json_writer w = json_writer(&text);
        struct slice *kept = &alert->evidence[alert->nevidence++];

        if (m->type != JSON_OBJECT)
            return err_set(err, -EINVAL, "'events' must be a list of events");
        write_value(m, &w);
        *kept = buf_ok(&text) ? arena_slice(a, buf_view(&text)) : SLICE_NONE;
        if (!kept->p)
            return err_nomem(err);
    }
    return 0;
}

/* ---- values ---- */

static void read_rule(const struct json *rule, struct alert *alert)
{
    alert->rule_id = json_text(rule, "id");
    alert->rule_title = json_text(rule, "title");
    alert->rule_author = json_text(rule, "author");
    alert->rule_file = json_text(rule, "file");
    alert->rule_description = json_text(rule, "description");
    (void)hex_decode(json_text(rule, "digest"), alert->rule_digest, sizeof alert->rule_digest);
}

static void read_numbers(const struct json *doc, struct alert *alert)
{
    struct slice time = json_text(doc, "time"), first = json_text(doc, "first");
    uint64_t window_s = json_u64(doc, "window_s", 0);

    if (time_parse_rfc3339(time, &alert->time_us) < 0)
        alert->time_us = 0;
    if (time_parse_rfc3339(first, &alert->first_us) < 0)
        alert->first_us = alert->time_us;
    alert->window_us = window_s < UINT64_MAX / USEC_PER_SEC ? window_s * USEC_PER_SEC : 0;
    alert->count = json_u64(doc, "count", 1);
    alert->threshold = json_u64(doc, "threshold", 0);
    alert->lower_bound = json_bool(doc, "lower_bound", false);
    alert->backfill = json_bool(doc, "backfill", false);
}

static void read_trust(const struct json *doc, struct alert *alert)
{
    alert->trust = TRUST_FORGEABLE; /* when nobody says: the least */
    for (int t = TRUST_FORGEABLE; t <= TRUST_RECORD; t++)
        if (slice_is(json_text(doc, "trust"), trust_name((enum trust)t)))
            alert->trust = (enum trust)t;
}

static void read_ban(const struct json *ban, struct alert *alert)
{
    uint64_t for_s = json_u64(ban, "for_s", 0);

    if (!ban || ban->type != JSON_OBJECT)
        return;
    alert->ban.wanted = true;
    alert->ban.address = json_text(ban, "address");
    ban_ports_read(ban, &alert->ban.protocol, alert->ban.ports);
    alert->ban.dry_run = json_bool(ban, "dry_run", false);
    alert->ban.for_us = for_s < UINT64_MAX / USEC_PER_SEC ? for_s * USEC_PER_SEC : 0;
}

/* "0f3a...-4711" */
static void read_key(struct slice text, struct source_key *key)
{
    struct slice stream;
    uint64_t position;

    (void)slice_split(&text, '-', &stream);
    if (text.p && parse_u64(text, 0, UINT64_MAX, &position) == 0 &&
        hex_decode(stream, key->stream, sizeof key->stream) == 0)
        key->position = position;
}

int alert_read(const struct json *doc, struct arena *a, struct alert *ret, struct err *err)
{
    struct alert alert = { 0 };
    const struct json *rule = json_get(doc, "rule");
    int r;

    if (!doc || doc->type != JSON_OBJECT)
        return err_set(err, -EINVAL, "an alert is an object");
    read_rule(rule, &alert);
    if (alert.rule_id.n == 0)
        return err_set(err, -EINVAL, "this is no alert: it has no rule.id");
    if (level_parse(json_text(doc, "level"), &alert.level) < 0)
        return err_set(err, -EINVAL, "this is no alert: its level is '%.*s'",
                       SLICE_FMT(slice_take(json_text(doc, "level"), 40)));
    if (json_get(doc, "id") && hex_decode(json_text(doc, "id"), alert.id, sizeof alert.id) < 0)
        return err_set(err, -EINVAL, "this is no alert: its id is not 32 hex digits");
    alert.channel = json_text(doc, "channel");
    read_numbers(doc, &alert);
    read_trust(doc, &alert);
    read_ban(json_get(doc, "ban"), &alert);
    read_key(json_text(doc, "key"), &alert.key);
    r = read_tags(doc, a, &alert, err);
    if (r == 0)
        r = read_group(doc, a, &alert, err);
    if (r == 0)
        r = read_events(doc, a, &alert, err);
    if (r == 0)
        *ret = alert;
    return r;
}
