/*
 * Slack: blocks to an incoming webhook, or by a bot (chat.postMessage), which can also edit its
 * first message when the matter is over (chat.update) and answer in its thread.
 */
#include <stdio.h>

#include "base/num.h"
#include "notifiers/kinds.h"
#include "notifiers/people/chat.h"

/* docs.slack.dev, reference/block-kit: header 150, section text 3000, context element 3000. Beside
 * them there is a limit for all of a message that is not documented (slackapi/bolt-js#2867): so
 * much less than 8000 in all. */
#define HEADER_MAX 150
#define SECTION_MAX 2900
#define FOOT_MAX 500
#define TEXT_MAX 1000

struct slack {
    struct secret *url, *token;
    const char *channel, *base;
    struct chat_http http;
};

static const struct option slack_options[] = {
    { .name = "url",
      .type = OPTION_SECRET,
      .offset = AT(struct slack, url),
      .help = "Address of an incoming webhook; or use token and channel." },
    { .name = "token",
      .type = OPTION_SECRET,
      .offset = AT(struct slack, token),
      .help = "A bot's token (xoxb-...): its messages are edited when the matter is over." },
    { .name = "channel",
      .type = OPTION_STR,
      .offset = AT(struct slack, channel),
      .help = "Where the bot writes: a channel's id." },
    { .name = "base",
      .type = OPTION_STR,
      .offset = AT(struct slack, base),
      .fallback = "https://slack.com/api",
      .help = "Server of the Web API." },
    CHAT_OPTIONS(struct slack, http),
    { 0 },
};

static int slack_open(struct sink *s, struct err *err)
{
    const struct slack *o = s->state;

    if (!o->http.directory && !o->url == !o->token)
        return err_set(err, -EINVAL, "give either 'url' or 'token' with 'channel'");
    if (o->token && (!o->channel || !o->channel[0]))
        return err_set(err, -EINVAL, "a bot needs a 'channel'");
    if (o->url)
        return chat_url_check(o->url, err);
    return http_url_check(o->base, err);
}

/* ---- rendering ---- */

/* These three are all that begins anything: mentions and links are in <>. */
static void escape(struct buf *b, struct slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        const char *entity = s.p[i] == '&'   ? "&amp;"
                             : s.p[i] == '<' ? "&lt;"
                             : s.p[i] == '>' ? "&gt;"
                                             : NULL;

        if (entity)
            buf_str(b, entity);
        else
            buf_char(b, s.p[i]);
    }
}

/* There is no escape for what ends code: another sign that looks like it. */
static void code(struct buf *b, struct slice s)
{
    buf_char(b, '`');
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == '`')
            buf_str(b, "\xcb\x8b");
        else
            escape(b, slice_of(s.p + i, 1));
    buf_char(b, '`');
}

static const struct chat_style style = { .max = SECTION_MAX,
                                         .size = chat_units,
                                         .escape = escape,
                                         .strong = "*",
                                         .strong_end = "*",
                                         .code = code };

/* verbatim: nothing in a value becomes a link by itself. */
static void put_text(struct json_writer *w, const char *type, struct slice text)
{
    json_object(w);
    json_member_str(w, "type", type);
    json_member_slice(w, "text", text);
    if (strcmp(type, "mrkdwn") == 0)
        json_member_bool(w, "verbatim", true);
    json_object_end(w);
}

static void put_block(struct json_writer *w, const char *block, const char *type,
                      const struct buf *text)
{
    if (text->n == 0)
        return; /* an empty one would be refused */
    json_object(w);
    json_member_str(w, "type", block);
    json_key(w, strcmp(block, "context") == 0 ? "elements" : "text");
    if (strcmp(block, "context") == 0)
        json_array(w);
    put_text(w, type, buf_view(text));
    if (strcmp(block, "context") == 0)
        json_array_end(w);
    json_object_end(w);
}

static void put_head(const struct message *m, struct buf *out, size_t max)
{
    buf_str(out, m->resolved ? "\xe2\x9c\x85 " : severity_of(m)->mark);
    if (!m->resolved)
        buf_char(out, ' ');
    chat_cut(out, m->subject, &style, max - 4);
}

static void put_blocks(const struct message *m, struct json_writer *w, struct buf *b)
{
    AUTO_BUF foot = BUF_INIT;

    json_key(w, "blocks");
    json_array(w);
    put_head(m, b, HEADER_MAX);
    put_block(w, "header", "plain_text", b);
    buf_reset(b);
    chat_text(m, &style, CHAT_INTRO | CHAT_FACTS | CHAT_TABLES, b);
    put_block(w, "section", "mrkdwn", b);
    buf_reset(b);
    chat_text(m, &style, CHAT_SAMPLES, b);
    put_block(w, "section", "mrkdwn", b);
    buf_reset(b);
    chat_foot(m, &foot);
    chat_cut(b, buf_view(&foot), &style, FOOT_MAX);
    put_block(w, "context", "mrkdwn", b);
    json_array_end(w);
}

/* What the bot keeps of a message: "CHANNEL TS". Only what Slack's ids consist of is taken. */
struct place {
    struct slice channel, ts;
};

static bool consists_of(struct slice s, const char *signs)
{
    for (size_t i = 0; i < s.n; i++)
        if (!s.p[i] || !strchr(signs, s.p[i]))
            return false;
    return s.n > 0;
}

static bool read_place(struct slice remote, struct place *ret)
{
    struct slice rest = remote;

    return slice_split(&rest, ' ', &ret->channel) && slice_split(&rest, ' ', &ret->ts) &&
           consists_of(ret->channel, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") &&
           consists_of(ret->ts, "0123456789.");
}

enum how {
    POST, /* a new message */
    REPLY, /* in the thread of the first one, and in the channel */
    EDIT, /* the first one */
};

static void render(const struct slack *o, const struct message *m, enum how how,
                   const struct place *first, struct buf *out)
{
    struct json_writer w = json_writer(out);
    AUTO_BUF b = BUF_INIT;

    buf_reset(out);
    json_object(&w);
    if (how == EDIT)
        json_member_slice(&w, "channel", first->channel);
    else if (o->token)
        json_member_str(&w, "channel", o->channel);
    if (how != POST)
        json_member_slice(&w, how == EDIT ? "ts" : "thread_ts", first->ts);
    if (how == REPLY)
        json_member_bool(&w, "reply_broadcast", true);
    put_head(m, &b, TEXT_MAX);
    json_member_buf(&w, "text", &b); /* of the notification, and where blocks are not shown */
    buf_reset(&b);
    put_blocks(m, &w, &b);
    if (how != EDIT) {
        json_member_bool(&w, "unfurl_links", false);
        json_member_bool(&w, "unfurl_media", false);
    }
    json_object_end(&w);
    out->failed = out->failed || b.failed;
}

/* ---- sending ---- */

/* 200 with "ok": false is a failure; its word decides. A webhook says 200 and "ok". */
static const struct http_verdict verdicts[] = {
    { 200, "ratelimited", DELIVERY_RETRY, false },
    { 200, "internal_error", DELIVERY_RETRY, false },
    { 200, "fatal_error", DELIVERY_RETRY, false },
    { 200, "service_unavailable", DELIVERY_RETRY, false },
    { 200, "request_timeout", DELIVERY_RETRY, false },
    { 200, "invalid_auth", DELIVERY_DEAD, true },
    { 200, "not_authed", DELIVERY_DEAD, true },
    { 200, "account_inactive", DELIVERY_DEAD, true },
    { 200, "token_revoked", DELIVERY_DEAD, true },
    { 200, "token_expired", DELIVERY_DEAD, true },
    { 200, "missing_scope", DELIVERY_DEAD, true },
    { 200, "channel_not_found", DELIVERY_DEAD, true },
    { 200, "not_in_channel", DELIVERY_DEAD, true },
    { 200, "is_archived", DELIVERY_DEAD, true },
    { 200, "restricted_action", DELIVERY_DEAD, true },
    { 0 },
};

/* What none of the verdicts knows: an answer that is none is tried again, a refusal is final. */
static void judge_body(const struct slack *o, struct chat *c)
{
    bool answered = c->json && c->json->type == JSON_OBJECT && json_get(c->json, "ok");
    struct delivery_result *ret = c->result;

    if (c->http->directory || c->answer.status != 200 || ret->state != DELIVERY_SENT)
        return;
    if (!o->token && slice_is(slice_trim(buf_view(&c->answer.body)), "ok"))
        return;
    if (!answered)
        chat_again(c, "http 200, but the answer is not Slack's");
    else if (!json_bool(c->json, "ok", false))
        ret->state = DELIVERY_DEAD;
}

static void keep_place(struct chat *c)
{
    struct slice channel = json_text(c->json, "channel"), ts = json_text(c->json, "ts");
    struct place place;
    char remote[sizeof c->result->remote];

    snprintf(remote, sizeof remote, "%.*s %.*s", SLICE_FMT(slice_take(channel, 40)),
             SLICE_FMT(slice_take(ts, 30)));
    if (c->result->state == DELIVERY_SENT && read_place(slice_str(remote), &place))
        snprintf(c->result->remote, sizeof c->result->remote, "%s", remote);
}

static void call(const struct slack *o, struct chat *c, enum how how, const struct place *first)
{
    render(o, &c->m, how, first, &c->body);
    buf_reset(&c->url);
    if (o->token)
        buf_printf(&c->url, "%.*s/chat.%s", SLICE_FMT(chat_base(o->base)),
                   how == EDIT ? "update" : "postMessage");
    else
        buf_slice(&c->url, secret_view(o->url));
    chat_send(c, NULL, verdicts, ".slack.json");
    judge_body(o, c);
    if (o->token && how != EDIT)
        keep_place(c);
}

/* The first message cannot be edited any more, but another one may be sent. */
static bool gone(const struct chat *c)
{
    static const char *const words[] = { "message_not_found", "cant_update_message",
                                         "edit_window_closed", "thread_not_found" };
    struct slice error = json_text(c->json, "error");

    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (slice_is(error, words[i]))
            return true;
    return false;
}

static bool prepare(const struct slack *o, struct chat *c)
{
    if (o->http.directory)
        return true;
    if (!chat_secret(c, o->token ? o->token : o->url, o->token ? "token" : "url"))
        return false;
    if (o->token)
        buf_printf(&c->authorization, "Authorization: Bearer %.*s",
                   SLICE_FMT(secret_view(o->token)));
    if (o->token)
        c->content_type = "Content-Type: application/json; charset=utf-8";
    return true;
}

static void slack_deliver(struct sink *s, const struct delivery *d, struct delivery_result *ret)
{
    const struct slack *o = s->state;
    struct place first = { SLICE_NONE, SLICE_NONE };
    struct chat c;

    if (chat_begin(&c, &o->http, d, ret) && prepare(o, &c)) {
        bool again = o->token && read_place(d->first_remote, &first);

        call(o, &c, !again ? POST : c.m.resolved ? EDIT : REPLY, &first);
        if (again && ret->state == DELIVERY_DEAD && gone(&c))
            call(o, &c, POST, &first);
    }
    chat_end(&c);
}

static void slack_close(struct sink *s)
{
    struct slack *o = s->state;

    if (!o)
        return;
    secret_free(o->url);
    secret_free(o->token);
}

const struct sink_ops sink_slack = {
    .name = "slack",
    .summary = "a channel of Slack, by a webhook or a bot",
    .options = slack_options,
    .state_size = sizeof(struct slack),
    /* docs.slack.dev, rate limits: one a second and channel, short bursts are tolerated */
    .pace = { .burst = 3, .every_us = USEC_PER_SEC, .digest_over = 10 },
    .open = slack_open,
    .deliver = slack_deliver,
    .close = slack_close,
};
