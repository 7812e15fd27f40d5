/*
 * Opsgenie, Alert API v2: an alert there is an incident of ours (alias), and is closed with it.
 */
#include <stdio.h>

#include "notifiers/kinds.h"
#include "notifiers/people/chat.h"

/* docs.opsgenie.com, Alert API, Create alert */
#define MESSAGE_MAX 130
#define DESCRIPTION_MAX 15000
#define DETAILS_MAX 8000 /* all names and values together */
#define NOTE_MAX 500

struct opsgenie {
    struct secret *key;
    const char *base;
    struct chat_http http;
};

static const struct option opsgenie_options[] = {
    { .name = "key",
      .type = OPTION_SECRET,
      .offset = AT(struct opsgenie, key),
      .help = "API key of an integration." },
    { .name = "base",
      .type = OPTION_STR,
      .offset = AT(struct opsgenie, base),
      .fallback = "https://api.opsgenie.com",
      .help = "Server; in Europe https://api.eu.opsgenie.com." },
    CHAT_OPTIONS(struct opsgenie, http),
    { 0 },
};

static int opsgenie_open(struct sink *s, struct err *err)
{
    const struct opsgenie *o = s->state;

    if (!o->key && !o->http.directory)
        return err_set(err, -EINVAL, "'key' is missing: a secret");
    return http_url_check(o->base, err);
}

static const struct chat_style style = { .max = DESCRIPTION_MAX,
                                         .size = chat_units,
                                         .escape = chat_plain,
                                         .strong = "",
                                         .strong_end = "",
                                         .code = chat_quote };

static void put_details(const struct message *m, struct json_writer *w)
{
    size_t used = 0;

    json_key(w, "details");
    json_object(w);
    for (size_t i = 0; i < m->nfacts; i++) {
        used += strlen(m->facts[i].name) + m->facts[i].value.n;
        if (used > DETAILS_MAX)
            break; /* they stand in the description, too */
        json_key_slice(w, slice_str(m->facts[i].name)); /* maybe a field's, of somebody's making */
        json_put_slice(w, m->facts[i].value);
    }
    json_object_end(w);
}

static void render_create(const struct message *m, struct buf *out)
{
    struct json_writer w = json_writer(out);
    AUTO_BUF b = BUF_INIT;

    json_object(&w);
    chat_cut(&b, m->subject, &style, MESSAGE_MAX);
    json_member_buf(&w, "message", &b);
    json_member_slice(&w, "alias", chat_dedup(m));
    buf_reset(&b);
    chat_text(m, &style, CHAT_INTRO | CHAT_FACTS | CHAT_TABLES | CHAT_SAMPLES | CHAT_FOOT, &b);
    json_member_buf(&w, "description", &b);
    put_details(m, &w);
    json_key(&w, "tags");
    json_array(&w);
    json_put_slice(&w, m->level);
    if (m->channel.n)
        json_put_slice(&w, m->channel);
    json_array_end(&w);
    json_member_str(&w, "entity", m->host);
    json_member_str(&w, "source", "trailwarden");
    json_member_str(&w, "priority", severity_of(m)->opsgenie);
    json_object_end(&w);
}

static void render_end(const struct message *m, struct buf *out)
{
    struct json_writer w = json_writer(out);
    AUTO_BUF note = BUF_INIT;

    chat_cut(&note, m->why.n ? m->why : m->reason, &style, NOTE_MAX);
    json_object(&w);
    json_member_str(&w, "source", "trailwarden");
    json_member_buf(&w, "note", &note);
    json_object_end(&w);
}

static const struct http_verdict verdicts[] = {
    { 501, NULL, DELIVERY_DEAD, false }, /* the one 5xx that stays (the vendor's SDK) */
    { 200, NULL, DELIVERY_RETRY, false }, /* it says 202: this is somebody else */
    { 0 },
};

static void opsgenie_deliver(struct sink *s, const struct delivery *d, struct delivery_result *ret)
{
    const struct opsgenie *o = s->state;
    struct chat c;

    if (chat_begin(&c, &o->http, d, ret) && (o->http.directory || chat_secret(&c, o->key, "key"))) {
        const char *end = c.m.resolved                    ? "close"
                          : slice_is(c.m.notice, "acked") ? "acknowledge"
                                                          : NULL;

        buf_printf(&c.url, "%.*s/v2/alerts", SLICE_FMT(chat_base(o->base)));
        buf_printf(&c.authorization, "Authorization: GenieKey %.*s",
                   SLICE_FMT(secret_view(o->key)));
        if (end) {
            buf_char(&c.url, '/');
            buf_percent(&c.url, chat_dedup(&c.m));
            buf_printf(&c.url, "/%s?identifierType=alias", end);
            render_end(&c.m, &c.body);
        } else {
            render_create(&c.m, &c.body);
        }
        chat_send(&c, NULL, verdicts, ".opsgenie.json");
    }
    chat_end(&c);
}

static void opsgenie_close(struct sink *s)
{
    struct opsgenie *o = s->state;

    if (o)
        secret_free(o->key);
}

const struct sink_ops sink_opsgenie = {
    .name = "opsgenie",
    .summary = "alerts of Opsgenie: created and closed",
    .options = opsgenie_options,
    .state_size = sizeof(struct opsgenie),
    /* The vendor's limit depends on the account; 429 says when. */
    .open = opsgenie_open,
    .deliver = opsgenie_deliver,
    .close = opsgenie_close,
};
