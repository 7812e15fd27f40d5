/*
 * Microsoft Teams: an Adaptive Card to a workflow ("When a Teams webhook request is received"). All
 * texts are TextRuns, which know no markup, so nothing has to be escaped.
 */
#include <stdio.h>

#include "base/num.h"
#include "notifiers/kinds.h"
#include "notifiers/people/chat.h"

/* learn.microsoft.com, limits of incoming messages: 28 KB. Some of it stays free, for the workflow
 * wraps the card once more. */
#define CARD_MAX (24 << 10)
#define FOOT_BYTES 1024
#define SAMPLE_BYTES 1200 /* kept free of tables and facts: the newest line should fit */

struct teams {
    struct secret *url;
    struct chat_http http;
};

static const struct option teams_options[] = {
    { .name = "url",
      .type = OPTION_SECRET,
      .offset = AT(struct teams, url),
      .help = "Address of the workflow." },
    CHAT_OPTIONS(struct teams, http),
    { 0 },
};

static int teams_open(struct sink *s, struct err *err)
{
    const struct teams *o = s->state;

    if (!o->url && !o->http.directory)
        return err_set(err, -EINVAL, "'url' is missing: the address of the workflow, as a secret");
    return chat_url_check(o->url, err);
}

/* ---- rendering ---- */

struct card {
    struct json_writer w; /* of the whole request */
    struct buf block; /* one element of the body */
    size_t left_out;
};

struct run {
    struct slice text;
    bool strong, code, small;
    const char *colour, *size;
};

static void put_run(struct json_writer *w, const struct run *r)
{
    json_object(w);
    json_member_str(w, "type", "TextRun");
    json_member_slice(w, "text", r->text);
    if (r->strong)
        json_member_str(w, "weight", "Bolder");
    if (r->code)
        json_member_str(w, "fontType", "Monospace");
    if (r->small)
        json_member_bool(w, "isSubtle", true);
    if (r->colour)
        json_member_str(w, "color", r->colour);
    if (r->size)
        json_member_str(w, "size", r->size);
    json_object_end(w);
}

static void make_block(struct card *c, const struct run *runs, size_t n, bool gap)
{
    struct json_writer w = json_writer(&c->block);

    buf_reset(&c->block);
    json_object(&w);
    json_member_str(&w, "type", "RichTextBlock");
    json_member_str(&w, "spacing", gap ? "Medium" : "None");
    json_key(&w, "inlines");
    json_array(&w);
    for (size_t i = 0; i < n; i++)
        if (runs[i].text.n)
            put_run(&w, &runs[i]);
    json_array_end(&w);
    json_object_end(&w);
}

/* A block goes in whole or not at all. */
static bool put_block(struct card *c, const struct run *runs, size_t n, bool gap, size_t reserve)
{
    make_block(c, runs, n, gap);
    if (c->w.out->n + c->block.n + reserve > CARD_MAX) {
        c->left_out++;
        return false;
    }
    json_put_raw(&c->w, buf_view(&c->block));
    return true;
}

static void put_line(struct card *c, struct slice name, struct slice value, size_t reserve)
{
    const struct run runs[] = { { .text = name, .strong = true },
                                { .text = name.n ? SLICE(": ") : SLICE(""), .strong = true },
                                { .text = value } };

    if (name.n || value.n)
        put_block(c, runs, ARRAY_SIZE(runs), false, reserve);
}

static void put_head(struct card *c, const struct message *m)
{
    const struct run head = { .text = m->subject,
                              .strong = true,
                              .size = "Large",
                              .colour = m->resolved ? "good" : severity_of(m)->card };
    const struct run why[] = { { .text = m->reason }, { .text = SLICE(" ") }, { .text = m->why } };

    put_block(c, &head, 1, false, 0);
    put_block(c, why, m->why.n ? 3 : 1, false, 0);
}

static void put_table(struct card *c, const struct message_table *t, size_t reserve)
{
    const struct run title = { .text = t->title, .strong = true };
    AUTO_BUF more = BUF_INIT;

    put_block(c, &title, 1, true, reserve);
    for (size_t i = 0; i < t->nrows; i++)
        put_line(c, t->rows[i].name, t->rows[i].value, reserve);
    if (t->more) {
        buf_printf(&more, "%zu more", t->more);
        put_line(c, SLICE(""), buf_view(&more), reserve);
    }
}

/* Lines are dropped from the oldest: the newest is what set the rule off. */
static void put_samples(struct card *c, const struct message *m)
{
    size_t first = m->nsamples, bytes = c->w.out->n + FOOT_BYTES;

    while (first > 0) {
        const struct run r = { .text = m->samples[first - 1], .code = true };

        make_block(c, &r, 1, false);
        bytes += c->block.n + 1;
        if (bytes > CARD_MAX)
            break;
        first--;
    }
    c->left_out += first + m->more_samples;
    for (size_t i = first; i < m->nsamples; i++) {
        const struct run r = { .text = m->samples[i], .code = true };

        if (m->samples[i].n)
            put_block(c, &r, 1, i == first, FOOT_BYTES);
    }
}

static void put_foot(struct card *c, const struct message *m)
{
    AUTO_BUF b = BUF_INIT;
    struct run r = { .small = true, .size = "Small" };

    if (c->left_out) {
        buf_printf(&b, "%zu more not shown", c->left_out);
        put_line(c, SLICE(""), buf_view(&b), 0);
    }
    buf_reset(&b);
    chat_foot(m, &b);
    r.text = buf_view(&b);
    if (r.text.n)
        put_block(c, &r, 1, true, 0);
}

static void put_body(struct card *c, const struct message *m)
{
    size_t reserve = FOOT_BYTES + (m->nsamples ? SAMPLE_BYTES : 0);

    json_key(&c->w, "body");
    json_array(&c->w);
    put_head(c, m);
    for (size_t i = 0; i < m->nfacts; i++)
        put_line(c, slice_str(m->facts[i].name), m->facts[i].value, reserve);
    for (size_t i = 0; i < m->ntables; i++)
        put_table(c, &m->tables[i], reserve);
    put_samples(c, m);
    put_foot(c, m);
    json_array_end(&c->w);
}

static void render(const struct message *m, struct buf *out)
{
    struct card c = { .w = json_writer(out), .block = BUF_INIT };
    struct json_writer *w = &c.w;

    json_object(w);
    json_member_str(w, "type", "message");
    json_key(w, "attachments");
    json_array(w);
    json_object(w);
    json_member_str(w, "contentType", "application/vnd.microsoft.card.adaptive");
    json_key(w, "contentUrl");
    json_put_null(w);
    json_key(w, "content");
    json_object(w);
    json_member_str(w, "$schema", "http://adaptivecards.io/schemas/adaptive-card.json");
    json_member_str(w, "type", "AdaptiveCard");
    json_member_str(w, "version", "1.4");
    json_key(w, "msteams");
    json_object(w);
    json_member_str(w, "width", "full");
    json_object_end(w);
    json_member_slice(w, "fallbackText", m->subject);
    put_body(&c, m);
    json_object_end(w);
    json_object_end(w);
    json_array_end(w);
    json_object_end(w);
    out->failed = out->failed || c.block.failed;
    buf_fini(&c.block);
}

/* ---- sending ---- */

/* Old connectors say 200 and then "Webhook message delivery failed with error: ...". */
static const struct http_verdict verdicts[] = {
    { 200, "HTTP error 429", DELIVERY_RETRY, false },
    { 200, "delivery failed", DELIVERY_DEAD, false },
    { 0 },
};

static void teams_deliver(struct sink *s, const struct delivery *d, struct delivery_result *ret)
{
    const struct teams *o = s->state;
    struct chat c;

    if (chat_begin(&c, &o->http, d, ret) && (o->http.directory || chat_secret(&c, o->url, "url"))) {
        render(&c.m, &c.body);
        buf_slice(&c.url, secret_view(o->url));
        chat_send(&c, NULL, verdicts, ".teams.json");
    }
    chat_end(&c);
}

static void teams_close(struct sink *s)
{
    struct teams *o = s->state;

    if (o)
        secret_free(o->url);
}

const struct sink_ops sink_teams = {
    .name = "teams",
    .summary = "a channel of Microsoft Teams, by a workflow",
    .options = teams_options,
    .state_size = sizeof(struct teams),
    /* learn.microsoft.com, rate limits of webhooks: four a second, and fewer in an hour */
    .pace = { .burst = 4, .every_us = 2 * USEC_PER_SEC, .digest_over = 10 },
    .open = teams_open,
    .deliver = teams_deliver,
    .close = teams_close,
};
