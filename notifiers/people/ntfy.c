/*
 * ntfy: a push message to a topic, published as JSON (headers could not carry UTF-8).
 */
#include <stdio.h>

#include "notifiers/kinds.h"
#include "notifiers/people/chat.h"

/* docs.ntfy.sh: a longer message would become an attachment */
#define MESSAGE_MAX 4096
#define TITLE_MAX 250
#define TOPIC_MAX 64

struct ntfy {
    const char *topic, *base;
    struct chat_login login;
    struct chat_http http;
};

static const struct option ntfy_options[] = {
    { .name = "topic",
      .type = OPTION_STR,
      .offset = AT(struct ntfy, topic),
      .required = true,
      .help = "Topic; on a server without accounts whoever knows it can read." },
    CHAT_LOGIN_OPTIONS(struct ntfy, login),
    { .name = "base",
      .type = OPTION_STR,
      .offset = AT(struct ntfy, base),
      .fallback = "https://ntfy.sh",
      .help = "Server." },
    CHAT_OPTIONS(struct ntfy, http),
    { 0 },
};

static int ntfy_open(struct sink *s, struct err *err)
{
    const struct ntfy *o = s->state;
    size_t n = strlen(o->topic);

    if (n == 0 || n > TOPIC_MAX ||
        strspn(o->topic, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != n)
        return err_set(err, -EINVAL, "'%s' is no topic: up to %d letters, digits, _ and -",
                       o->topic, TOPIC_MAX);
    if (chat_login_check(&o->login, err) < 0)
        return err_code(err);
    return http_url_check(o->base, err);
}

static const struct chat_style style = { .max = MESSAGE_MAX,
                                         .size = chat_bytes,
                                         .escape = chat_plain,
                                         .strong = "",
                                         .strong_end = "",
                                         .code = chat_quote };

static void render(const struct ntfy *o, const struct message *m, struct buf *out)
{
    struct json_writer w = json_writer(out);
    AUTO_BUF b = BUF_INIT;

    json_object(&w);
    json_member_str(&w, "topic", o->topic);
    chat_cut(&b, m->subject, &style, TITLE_MAX);
    json_member_buf(&w, "title", &b);
    buf_reset(&b);
    chat_text(m, &style, CHAT_INTRO | CHAT_FACTS | CHAT_TABLES | CHAT_SAMPLES | CHAT_FOOT, &b);
    json_member_buf(&w, "message", &b); /* no markdown: it is text as it stands */
    json_member_u64(&w, "priority", m->resolved ? 2 : severity_of(m)->ntfy);
    json_key(&w, "tags");
    json_array(&w);
    json_put_str(&w, m->resolved ? "white_check_mark" : "warning");
    json_put_slice(&w, m->level);
    json_array_end(&w);
    json_object_end(&w);
}

static void ntfy_deliver(struct sink *s, const struct delivery *d, struct delivery_result *ret)
{
    const struct ntfy *o = s->state;
    struct chat c;

    if (chat_begin(&c, &o->http, d, ret) && chat_login(&c, &o->login)) {
        render(o, &c.m, &c.body);
        buf_printf(&c.url, "%.*s/", SLICE_FMT(chat_base(o->base)));
        chat_send(&c, NULL, NULL, ".ntfy.json");
        if (ret->state == DELIVERY_SENT && !o->http.directory && !json_text(c.json, "id").n)
            chat_again(&c, "the answer has no id of a message: is this a server of ntfy?");
        else if (ret->state == DELIVERY_SENT)
            snprintf(ret->remote, sizeof ret->remote, "%.*s",
                     SLICE_FMT(message_line(c.arena, json_text(c.json, "id"), 40)));
    }
    chat_end(&c);
}

static void ntfy_close(struct sink *s)
{
    struct ntfy *o = s->state;

    if (o)
        chat_login_fini(&o->login);
}

const struct sink_ops sink_ntfy = {
    .name = "ntfy",
    .summary = "push messages by ntfy, its server or yours",
    .options = ntfy_options,
    .state_size = sizeof(struct ntfy),
    /* docs.ntfy.sh, rate limits: 60 at once, then one in 5 s */
    .pace = { .burst = 60, .every_us = 5 * USEC_PER_SEC, .digest_over = 10 },
    .open = ntfy_open,
    .deliver = ntfy_deliver,
    .close = ntfy_close,
};
