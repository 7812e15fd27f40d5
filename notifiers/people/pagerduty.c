/*
 * PagerDuty, Events API v2: an incident there is one of ours (dedup_key), and ends with it.
 */
#include <stdio.h>

#include "base/clock.h"
#include "notifiers/kinds.h"
#include "notifiers/people/chat.h"

/* developer.pagerduty.com, Send an alert event: summary 1024, dedup_key 255, all of it 512 KB
 * (message.h keeps a message far below that). */
#define SUMMARY_MAX 1024
#define KEY_SIZE 32

struct pagerduty {
    struct secret *routing_key;
    const char *base;
    struct chat_http http;
};

static const struct option pagerduty_options[] = {
    { .name = "routing_key",
      .type = OPTION_SECRET,
      .offset = AT(struct pagerduty, routing_key),
      .help = "Integration key of a service (Events API v2)." },
    { .name = "base",
      .type = OPTION_STR,
      .offset = AT(struct pagerduty, base),
      .fallback = "https://events.pagerduty.com",
      .help = "Server; in Europe https://events.eu.pagerduty.com." },
    CHAT_OPTIONS(struct pagerduty, http),
    { 0 },
};

static int pagerduty_open(struct sink *s, struct err *err)
{
    const struct pagerduty *o = s->state;
    size_t n = secret_view(o->routing_key).n;

    if (!o->routing_key && !o->http.directory)
        return err_set(err, -EINVAL, "'routing_key' is missing: a secret");
    if (n && n != KEY_SIZE)
        return err_set(err, -EINVAL, "the routing key is none: it has %d signs", KEY_SIZE);
    return http_url_check(o->base, err);
}

static const char *action(const struct message *m)
{
    return m->resolved ? "resolve" : slice_is(m->notice, "acked") ? "acknowledge" : "trigger";
}

static void put_tables(const struct message *m, struct json_writer *w)
{
    for (size_t i = 0; i < m->ntables; i++) {
        json_key_slice(w, m->tables[i].title);
        json_array(w);
        for (size_t r = 0; r < m->tables[i].nrows; r++) {
            json_array(w);
            json_put_slice(w, m->tables[i].rows[r].name);
            json_put_slice(w, m->tables[i].rows[r].value);
            json_array_end(w);
        }
        json_array_end(w);
    }
}

static void put_details(const struct message *m, struct json_writer *w)
{
    json_key(w, "custom_details");
    json_object(w);
    json_member_slice(w, "reason", m->reason);
    if (m->why.n)
        json_member_slice(w, "why", m->why);
    json_member_slice(w, "id", m->id);
    if (m->see.n)
        json_member_slice(w, "see", m->see);
    for (size_t i = 0; i < m->nfacts; i++) {
        json_key_slice(w, slice_str(m->facts[i].name)); /* maybe a field's, of somebody's making */
        json_put_slice(w, m->facts[i].value);
    }
    put_tables(m, w);
    if (m->nsamples) {
        json_key(w, "lines");
        json_array(w);
        for (size_t i = 0; i < m->nsamples; i++)
            json_put_slice(w, m->samples[i]);
        json_array_end(w);
    }
    json_object_end(w);
}

static void put_payload(const struct message *m, struct json_writer *w)
{
    static const struct chat_style plain = { .size = chat_bytes, .escape = chat_plain };
    AUTO_BUF summary = BUF_INIT;
    uint64_t us;

    json_key(w, "payload");
    json_object(w);
    chat_cut(&summary, m->subject, &plain, SUMMARY_MAX);
    json_member_buf(w, "summary", &summary);
    json_member_str(w, "source", m->host);
    json_member_str(w, "severity", severity_of(m)->pagerduty);
    if (time_parse_rfc3339(m->time, &us) == 0)
        json_member_time(w, "timestamp", us);
    if (m->channel.n)
        json_member_slice(w, "component", m->channel);
    if (m->rule.n)
        json_member_slice(w, "class", m->rule);
    put_details(m, w);
    json_object_end(w);
}

static void render(const struct message *m, struct slice routing_key, struct buf *out)
{
    struct json_writer w = json_writer(out);
    const char *what = action(m);

    json_object(&w);
    json_member_slice(&w, "routing_key", routing_key);
    json_member_str(&w, "event_action", what);
    json_member_slice(&w, "dedup_key", chat_dedup(m));
    if (strcmp(what, "trigger") == 0) {
        json_member_str(&w, "client", "trailwarden");
        put_payload(m, &w);
    }
    json_object_end(&w);
}

/* 400 is an event that is none, or a key that is none: its words tell which. */
static const struct http_verdict verdicts[] = {
    { 400, "routing key", DELIVERY_DEAD, true },
    { 400, "routing_key", DELIVERY_DEAD, true },
    { 200, NULL, DELIVERY_RETRY, false }, /* it says 202: this is somebody else */
    { 0 },
};

static void pagerduty_deliver(struct sink *s, const struct delivery *d, struct delivery_result *ret)
{
    const struct pagerduty *o = s->state;
    struct chat c;

    if (chat_begin(&c, &o->http, d, ret) &&
        (o->http.directory || chat_secret(&c, o->routing_key, "routing key"))) {
        render(&c.m, o->http.directory ? SLICE("") : secret_view(o->routing_key), &c.body);
        buf_printf(&c.url, "%.*s/v2/enqueue", SLICE_FMT(chat_base(o->base)));
        chat_send(&c, NULL, verdicts, ".pagerduty.json");
    }
    chat_end(&c);
}

static void pagerduty_close(struct sink *s)
{
    struct pagerduty *o = s->state;

    if (o)
        secret_free(o->routing_key);
}

const struct sink_ops sink_pagerduty = {
    .name = "pagerduty",
    .summary = "incidents of PagerDuty: opened and resolved",
    .options = pagerduty_options,
    .state_size = sizeof(struct pagerduty),
    /* developer.pagerduty.com, Events API v2: 120 calls a minute for each integration key */
    .pace = { .burst = 60, .every_us = USEC_PER_SEC / 2 },
    .open = pagerduty_open,
    .deliver = pagerduty_deliver,
    .close = pagerduty_close,
};
