/*
 * Discord: an embed to a webhook. The message is edited when the matter is over.
 */
#include <stdio.h>

#include "base/clock.h"
#include "base/num.h"
#include "notifiers/kinds.h"
#include "notifiers/people/chat.h"

/* discord.com/developers/docs, Embed limits: title 256, description 4096, 25 fields of 256 and
 * 1024, footer 2048, and 6000 for all of them together. */
#define TITLE_MAX 256
#define TEXT_MAX 3200
#define FIELDS_MAX 25
#define FIELD_NAME_MAX 256
#define FIELD_MAX 1024
#define FIELDS_UNITS 2000 /* all together */
#define FOOT_MAX 400
_Static_assert(TITLE_MAX + TEXT_MAX + FIELDS_UNITS + FOOT_MAX <= 6000, "Discord's sum");
#define SUPPRESS_NOTIFICATIONS 4096 /* message flag 1 << 12 */

struct discord {
    struct secret *url;
    const char *thread;
    struct chat_http http;
};

static const struct option discord_options[] = {
    { .name = "url",
      .type = OPTION_SECRET,
      .offset = AT(struct discord, url),
      .help = "Address of the channel's webhook." },
    { .name = "thread",
      .type = OPTION_STR,
      .offset = AT(struct discord, thread),
      .help = "Id of a thread in that channel." },
    CHAT_OPTIONS(struct discord, http),
    { 0 },
};

static bool is_id(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
    return s.n > 0 && s.n < 24;
}

static int discord_open(struct sink *s, struct err *err)
{
    const struct discord *o = s->state;

    if (!o->url && !o->http.directory)
        return err_set(err, -EINVAL, "'url' is missing: the address of the webhook, as a secret");
    if (o->thread && !is_id(slice_str(o->thread)))
        return err_set(err, -EINVAL, "'%s' is no id of a thread: a number", o->thread);
    return chat_url_check(o->url, err);
}

/* ---- rendering ---- */

/* A backslash before a sign makes it a sign. In an address it ends the link, too. */
static void escape(struct buf *b, struct slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] && strchr("\\`*_~|<>[]()#@:-", s.p[i]))
            buf_char(b, '\\');
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
            buf_char(b, s.p[i]);
    buf_char(b, '`');
}

static const struct chat_style style = { .max = TEXT_MAX,
                                         .size = chat_units,
                                         .escape = escape,
                                         .strong = "**",
                                         .strong_end = "**",
                                         .code = code };

/* Facts that find no room are counted in the last field. */
static void put_fields(const struct message *m, struct json_writer *w)
{
    size_t used = 0, left_out = 0, n = 0;
    AUTO_BUF name = BUF_INIT;
    AUTO_BUF value = BUF_INIT;

    json_key(w, "fields");
    json_array(w);
    for (size_t i = 0; i < m->nfacts; i++) {
        size_t size;

        buf_reset(&name);
        buf_reset(&value);
        chat_cut(&name, slice_str(m->facts[i].name), &style, FIELD_NAME_MAX);
        chat_cut(&value, m->facts[i].value, &style, FIELD_MAX);
        size = chat_units(buf_view(&name)) + chat_units(buf_view(&value));
        if (n == FIELDS_MAX - 1 || used + size > FIELDS_UNITS - 40 || !name.n || !value.n) {
            left_out++;
            continue;
        }
        used += size;
        n++;
        json_object(w);
        json_member_buf(w, "name", &name);
        json_member_buf(w, "value", &value);
        json_member_bool(w, "inline", true);
        json_object_end(w);
    }
    if (left_out) {
        json_object(w);
        buf_reset(&value);
        buf_printf(&value, "%zu not shown", left_out);
        json_member_str(w, "name", "More");
        json_member_buf(w, "value", &value);
        json_object_end(w);
    }
    json_array_end(w);
    w->out->failed = w->out->failed || name.failed || value.failed;
}

static void put_embed(const struct message *m, struct json_writer *w)
{
    AUTO_BUF b = BUF_INIT;
    AUTO_BUF foot = BUF_INIT;
    uint64_t us;

    json_object(w);
    chat_cut(&b, m->subject, &style, TITLE_MAX);
    json_member_buf(w, "title", &b);
    buf_reset(&b);
    chat_text(m, &style, CHAT_INTRO | CHAT_TABLES | CHAT_SAMPLES, &b);
    json_member_buf(w, "description", &b);
    json_member_u64(w, "color", m->resolved ? 0x2e7d32 : severity_of(m)->colour);
    put_fields(m, w);
    buf_reset(&b);
    chat_foot(m, &foot); /* no markup there */
    buf_slice(&b, slice_take(buf_view(&foot), FOOT_MAX));
    json_key(w, "footer");
    json_object(w);
    json_member_buf(w, "text", &b);
    json_object_end(w);
    if (time_parse_rfc3339(m->time, &us) == 0)
        json_member_time(w, "timestamp", us);
    json_object_end(w);
}

static void render(const struct message *m, bool edit, struct buf *out)
{
    struct json_writer w = json_writer(out);

    buf_reset(out);
    json_object(&w);
    json_key(&w, "embeds");
    json_array(&w);
    put_embed(m, &w);
    json_array_end(&w);
    json_key(&w, "allowed_mentions"); /* @everyone in a user name calls nobody */
    json_object(&w);
    json_key(&w, "parse");
    json_array(&w);
    json_array_end(&w);
    json_object_end(&w);
    if (!edit && (severity_of(m)->silent || m->resolved))
        json_member_u64(&w, "flags", SUPPRESS_NOTIFICATIONS);
    json_object_end(&w);
}

/* ---- sending ---- */

static const struct http_verdict verdicts[] = {
    { 404, "Unknown Message", DELIVERY_DEAD, false },
    { 404, "Unknown Channel", DELIVERY_DEAD, true },
    { 0 },
};

/* {webhook}[/messages/ID]?wait=true[&thread_id=ID]; without wait a failure would not be told. */
static void make_url(const struct discord *o, struct slice edit, struct buf *url)
{
    struct slice all = secret_view(o->url), path = all;
    size_t query = slice_find_byte(all, '?');

    buf_reset(url);
    if (query != SIZE_MAX)
        path = slice_take(all, query);
    while (path.n && path.p[path.n - 1] == '/')
        path.n--;
    buf_slice(url, path);
    if (edit.n)
        buf_printf(url, "/messages/%.*s", SLICE_FMT(edit));
    buf_printf(url, "?wait=true%s%s", o->thread ? "&thread_id=" : "", o->thread ? o->thread : "");
    if (query != SIZE_MAX && all.n > query + 1)
        buf_printf(url, "&%.*s", SLICE_FMT(slice_skip(all, query + 1)));
}

static void call(const struct discord *o, struct chat *c, struct slice edit)
{
    struct slice id;

    render(&c->m, edit.n > 0, &c->body);
    make_url(o, edit, &c->url);
    chat_send(c, edit.n ? "PATCH" : NULL, verdicts, ".discord.json");
    if (c->http->directory || c->result->state != DELIVERY_SENT)
        return;
    id = json_text(c->json, "id");
    if (is_id(id))
        snprintf(c->result->remote, sizeof c->result->remote, "%.*s", SLICE_FMT(id));
    else
        chat_again(c, "the answer has no id of a message");
}

static void discord_deliver(struct sink *s, const struct delivery *d, struct delivery_result *ret)
{
    const struct discord *o = s->state;
    struct chat c;

    if (chat_begin(&c, &o->http, d, ret) && (o->http.directory || chat_secret(&c, o->url, "url"))) {
        bool edit = c.m.resolved && is_id(d->first_remote);

        call(o, &c, edit ? d->first_remote : SLICE_NONE);
        if (edit && c.answer.status == 404 && !ret->broken)
            call(o, &c, SLICE_NONE); /* somebody removed the first message */
    }
    chat_end(&c);
}

static void discord_close(struct sink *s)
{
    struct discord *o = s->state;

    if (o)
        secret_free(o->url);
}

const struct sink_ops sink_discord = {
    .name = "discord",
    .summary = "a channel of Discord, by its webhook",
    .options = discord_options,
    .state_size = sizeof(struct discord),
    /* The limits come with each answer and are not to be built in (docs, Rate Limits); this is what
     * webhooks are known to take, and 429 says the rest. */
    .pace = { .burst = 5, .every_us = 2 * USEC_PER_SEC, .digest_over = 10 },
    .open = discord_open,
    .deliver = discord_deliver,
    .close = discord_close,
};
