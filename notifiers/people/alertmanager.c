/*
 * Alertmanager: alerts are pushed to /api/v2/alerts, and end there when the matter is over. The
 * same words serve `format: alertmanager` of the webhook.
 */
#include "notifiers/people/alertmanager.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/hash.h"
#include "notifiers/kinds.h"
#include "notifiers/people/chat.h"

/* No limits are documented; these keep it far below what a proxy before it takes (1 MiB). */
#define LABEL_MAX 200
#define LABELS_MAX 24
#define TEXT_MAX 8000

struct alertmanager {
    const char *url;
    struct chat_login login;
    uint64_t lasts_us;
    struct chat_http http;
};

static const struct option alertmanager_options[] = {
    { .name = "url",
      .type = OPTION_STR,
      .offset = AT(struct alertmanager, url),
      .required = true,
      .help = "Its address, without /api/v2/alerts." },
    CHAT_LOGIN_OPTIONS(struct alertmanager, login),
    { .name = "lasts",
      .type = OPTION_DURATION,
      .offset = AT(struct alertmanager, lasts_us),
      .fallback = "4h",
      .min = "1m",
      .max = "30d",
      .help = "An alert that nobody resolved ends there after this long." },
    CHAT_OPTIONS(struct alertmanager, http),
    { 0 },
};

static int alertmanager_open(struct sink *s, struct err *err)
{
    const struct alertmanager *o = s->state;

    if (chat_login_check(&o->login, err) < 0)
        return err_code(err);
    return http_url_check(o->url, err);
}

/* ---- labels ---- */

struct label {
    char name[64];
    struct slice value;
};
struct labels {
    struct label items[LABELS_MAX];
    size_t n;
};

/* [a-zA-Z_][a-zA-Z0-9_]*; empty values and a name that is there already are left out. */
static void add_label(struct labels *l, struct slice name, struct slice value)
{
    struct label *label = &l->items[l->n];
    size_t n = 0;

    if (l->n == LABELS_MAX || value.n == 0 || name.n == 0)
        return;
    if (name.p[0] >= '0' && name.p[0] <= '9')
        label->name[n++] = '_';
    for (size_t i = 0; i < name.n && n + 1 < sizeof label->name; i++) {
        char c = name.p[i];
        bool fine = (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');

        label->name[n++] = fine ? c : '_';
    }
    label->name[n] = '\0';
    for (size_t i = 0; i < l->n; i++)
        if (strcmp(l->items[i].name, label->name) == 0)
            return;
    label->value = value;
    l->n++;
}

/* What names the alert comes first. The group's fields have their own names: source_ip. */
static void fill_labels(const struct message *m, const struct delivery *d, struct arena *a,
                        struct labels *l)
{
    const struct json *group = json_get(d->document, "group");

    /* The title of a summary has a count: each would be an alert of another name. */
    add_label(l, SLICE("alertname"),
              m->title.n && !m->summary ? m->title : SLICE("trailwarden summary"));
    add_label(l, SLICE("severity"), m->level);
    add_label(l, SLICE("rule"), m->rule);
    add_label(l, SLICE("channel"), m->channel);
    add_label(l, SLICE("instance"), slice_str(m->host));
    add_label(l, SLICE("incident"), m->summary ? m->incident : chat_dedup(m));
    for (const struct json *g = group ? group->child : NULL; g; g = g->next)
        add_label(l, json_text(g, "name"), message_line(a, json_text(g, "value"), LABEL_MAX));
}

static void put_labels(const struct labels *l, struct json_writer *w)
{
    json_object(w);
    for (size_t i = 0; i < l->n; i++)
        json_member_slice(w, l->items[i].name, l->items[i].value);
    json_object_end(w);
}

/* ---- one alert ---- */

static const struct chat_style style = { .max = TEXT_MAX,
                                         .size = chat_bytes,
                                         .escape = chat_plain,
                                         .strong = "",
                                         .strong_end = "",
                                         .code = chat_quote };

static void put_annotations(const struct message *m, struct json_writer *w)
{
    AUTO_BUF text = BUF_INIT;

    chat_text(m, &style, CHAT_INTRO | CHAT_FACTS | CHAT_TABLES | CHAT_SAMPLES | CHAT_FOOT, &text);
    json_object(w);
    json_member_slice(w, "summary", m->subject);
    json_member_buf(w, "description", &text);
    if (m->why.n)
        json_member_slice(w, "why", m->why);
    json_member_slice(w, "alert", m->id);
    json_object_end(w);
}

/* The same for the same labels, as Alertmanager's own is. */
static void put_fingerprint(const struct labels *l, struct json_writer *w)
{
    AUTO_BUF in = BUF_INIT;
    AUTO_BUF hex = BUF_INIT;
    uint8_t digest[SHA256_SIZE];

    for (size_t i = 0; i < l->n; i++)
        buf_printf(&in, "%s=%.*s\n", l->items[i].name, SLICE_FMT(l->items[i].value));
    sha256(in.p ? in.p : "", in.n, digest);
    buf_hex(&hex, digest, 8);
    json_member_buf(w, "fingerprint", &hex);
}

static void put_alert(const struct message *m, const struct delivery *d, const struct labels *l,
                      uint64_t ends_us, bool webhook, struct json_writer *w)
{
    uint64_t starts_us = d->now_us;

    (void)time_parse_rfc3339(m->time, &starts_us);
    if (starts_us > d->now_us)
        starts_us = d->now_us; /* endsAt must not be before it */
    json_object(w);
    if (webhook)
        json_member_str(w, "status", m->resolved ? "resolved" : "firing");
    json_key(w, "labels");
    put_labels(l, w);
    json_key(w, "annotations");
    put_annotations(m, w);
    json_member_time(w, "startsAt", starts_us);
    json_member_time(w, "endsAt", m->resolved ? d->now_us : ends_us);
    json_member_str(w, "generatorURL", "");
    if (webhook)
        put_fingerprint(l, w);
    json_object_end(w);
}

void alertmanager_payload(const struct message *m, const struct delivery *d, const char *receiver,
                          struct buf *out)
{
    struct json_writer w = json_writer(out);
    AUTO(arena) a = arena_new(4096, 1 << 20);
    struct labels l = { .n = 0 };

    if (!a) {
        out->failed = true;
        return;
    }
    fill_labels(m, d, a, &l);
    json_object(&w);
    json_member_str(&w, "version", "4");
    json_member_slice(&w, "groupKey", chat_dedup(m));
    json_member_u64(&w, "truncatedAlerts", 0);
    json_member_str(&w, "status", m->resolved ? "resolved" : "firing");
    json_member_str(&w, "receiver", receiver);
    json_key(&w, "groupLabels");
    put_labels(&l, &w);
    json_key(&w, "commonLabels");
    put_labels(&l, &w);
    json_key(&w, "commonAnnotations");
    put_annotations(m, &w);
    json_member_str(&w, "externalURL", "");
    if (m->notice.n)
        json_member_slice(&w, "notification_reason", m->notice);
    json_key(&w, "alerts");
    json_array(&w);
    put_alert(m, d, &l, 0, true, &w);
    json_array_end(&w);
    json_object_end(&w);
}

/* ---- pushing ---- */

static void render(const struct alertmanager *o, struct chat *c)
{
    struct json_writer w = json_writer(&c->body);
    struct labels l = { .n = 0 };

    fill_labels(&c->m, c->delivery, c->arena, &l);
    json_array(&w);
    put_alert(&c->m, c->delivery, &l, c->delivery->now_us + o->lasts_us, false, &w);
    json_array_end(&w);
}

static void alertmanager_deliver(struct sink *s, const struct delivery *d,
                                 struct delivery_result *ret)
{
    const struct alertmanager *o = s->state;
    struct chat c;

    if (chat_begin(&c, &o->http, d, ret) && chat_login(&c, &o->login)) {
        render(o, &c);
        buf_printf(&c.url, "%.*s/api/v2/alerts", SLICE_FMT(chat_base(o->url)));
        chat_send(&c, NULL, NULL, ".alertmanager.json");
    }
    chat_end(&c);
}

static void alertmanager_close(struct sink *s)
{
    struct alertmanager *o = s->state;

    if (o)
        chat_login_fini(&o->login);
}

const struct sink_ops sink_alertmanager = {
    .name = "alertmanager",
    .summary = "alerts of a Prometheus Alertmanager",
    .options = alertmanager_options,
    .state_size = sizeof(struct alertmanager),
    .open = alertmanager_open,
    .deliver = alertmanager_deliver,
    .close = alertmanager_close,
};
