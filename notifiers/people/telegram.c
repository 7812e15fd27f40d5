/*
 * Telegram Bot API: sendMessage in HTML mode, rendered in whole blocks within
 * the limit, with the odd answers of the server handled one by one.
 */
#include <errno.h>
#include <stdio.h>

#include "base/num.h"
#include "base/utf8.h"
#include "notifiers/http.h"
#include "notifiers/kinds.h"
#include "notifiers/message.h"
#include "notifiers/outbox-folder.h"

/*
 * The limit is 4096 UTF-16 units behind the entities. This counts before them,
 * so it is on the safe side, and leaves room.
 */
#define UNITS_MAX 3900
#define FOOT_UNITS 220 /* "N more not shown", the alert's id, size and root of the trail */
#define SAMPLE_UNITS 700 /* kept free of facts: the newest line should fit */
#define WAIT_MAX_S 86400 /* no server makes us wait longer */
#define TRIES_MAX 4 /* forms of one message in one attempt */

struct telegram {
    struct secret *token;
    const char *chat, *base, *ca_file, *directory;
    uint64_t thread, timeout_us;
};

static const struct option telegram_options[] = {
    { .name = "token",
      .type = OPTION_SECRET,
      .offset = AT(struct telegram, token),
      .help = "The bot's token." },
    { .name = "chat",
      .type = OPTION_STR,
      .offset = AT(struct telegram, chat),
      .required = true,
      .help = "Chat id (groups are negative), or @channel." },
    { .name = "thread",
      .type = OPTION_U64,
      .offset = AT(struct telegram, thread),
      .help = "Topic of a forum group." },
    { .name = "base",
      .type = OPTION_STR,
      .offset = AT(struct telegram, base),
      .fallback = "https://api.telegram.org",
      .help = "Server of the Bot API." },
    { .name = "ca_file",
      .type = OPTION_STR,
      .offset = AT(struct telegram, ca_file),
      .path = PATH_READ,
      .help = "Certificates to trust instead of the system's." },
    { .name = "timeout",
      .type = OPTION_DURATION,
      .offset = AT(struct telegram, timeout_us),
      .fallback = "15s",
      .min = "1s",
      .max = "2m",
      .help = "For one attempt." },
    { .name = "directory",
      .type = OPTION_STR,
      .offset = AT(struct telegram, directory),
      .path = PATH_WRITE,
      .help = "Write the requests into this folder instead of sending them." },
    { 0 },
};

/* It becomes part of a path. Its text is in no error. */
static bool token_ok(struct slice token)
{
    for (size_t i = 0; i < token.n; i++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:_-",
                    token.p[i]) ||
            !token.p[i])
            return false;
    return slice_find_byte(token, ':') != SIZE_MAX;
}

static int telegram_open(struct sink *s, struct err *err)
{
    const struct telegram *t = s->state;
    int64_t id;

    if (t->chat[0] != '@' && parse_i64(slice_str(t->chat), INT64_MIN, INT64_MAX, &id) < 0)
        return err_set(err, -EINVAL, "'%s' is no chat: a number, or @name", t->chat);
    if (secret_view(t->token).n && !token_ok(secret_view(t->token)))
        return err_set(err, -EINVAL, "the token is none: it looks like 123456:ABC-def");
    return t->directory ? 0 : http_url_check(t->base, err);
}

/* ---- rendering ---- */

static size_t utf16_units(struct slice s)
{
    size_t units = 0;

    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if ((c & 0xc0) != 0x80)
            units += c >= 0xf0 ? 2 : 1;
    }
    return units;
}

struct text {
    struct buf html;
    size_t units, left_out;
    bool plain;
};

/* A block goes in whole or not at all: cut markup would be refused. */
static bool add_block(struct text *t, const struct buf *block, size_t reserve)
{
    size_t units = utf16_units(buf_view(block));

    if (t->units + units + reserve > UNITS_MAX) {
        t->left_out++;
        return false;
    }
    buf_slice(&t->html, buf_view(block));
    t->units += units;
    return true;
}

/* HTML mode knows these three; quotes matter in attributes only, and we have none. */
static void escape(const struct text *t, struct buf *b, struct slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        const char *entity = t->plain        ? NULL
                             : s.p[i] == '&' ? "&amp;"
                             : s.p[i] == '<' ? "&lt;"
                             : s.p[i] == '>' ? "&gt;"
                                             : NULL;

        if (entity)
            buf_str(b, entity);
        else
            buf_char(b, s.p[i]);
    }
}

static void tag(const struct text *t, struct buf *b, const char *html)
{
    if (!t->plain)
        buf_str(b, html);
}

static const char *mark(const struct message *m)
{
    static const char *const marks[] = { "\xe2\x84\xb9\xef\xb8\x8f", "\xf0\x9f\x94\xb5",
                                         "\xf0\x9f\x9f\xa1", "\xf0\x9f\x9f\xa0",
                                         "\xf0\x9f\x94\xb4" };

    return marks[message_rank(m)];
}

static void add_head(const struct message *m, struct text *t)
{
    AUTO_BUF b = BUF_INIT;

    buf_printf(&b, "%s ", mark(m));
    tag(t, &b, "<b>");
    escape(t, &b, m->subject);
    tag(t, &b, "</b>");
    buf_char(&b, '\n');
    escape(t, &b, m->reason);
    buf_char(&b, '\n');
    add_block(t, &b, 0);
}

static void add_facts(const struct message *m, struct text *t)
{
    AUTO_BUF b = BUF_INIT;

    for (size_t i = 0; i < m->nfacts; i++) {
        buf_reset(&b);
        buf_char(&b, '\n');
        tag(t, &b, "<b>");
        escape(t, &b, slice_str(m->facts[i].name));
        tag(t, &b, "</b>");
        buf_str(&b, ": ");
        escape(t, &b, m->facts[i].value);
        add_block(t, &b, FOOT_UNITS + SAMPLE_UNITS);
    }
}

static void sample_block(const struct text *t, struct slice line, struct buf *b)
{
    buf_reset(b);
    buf_str(b, "\n\n");
    tag(t, b, "<code>");
    escape(t, b, line);
    tag(t, b, "</code>");
}

/* Lines are dropped from the oldest: the newest is what set the rule off. */
static void add_samples(const struct message *m, size_t most, struct text *t)
{
    AUTO_BUF b = BUF_INIT;
    size_t first = m->nsamples, units = t->units + FOOT_UNITS;

    while (first > 0 && m->nsamples - first < most) {
        sample_block(t, m->samples[first - 1], &b);
        units += utf16_units(buf_view(&b));
        if (units > UNITS_MAX)
            break;
        first--;
    }
    t->left_out += first;
    for (size_t i = first; i < m->nsamples; i++) {
        sample_block(t, m->samples[i], &b);
        add_block(t, &b, FOOT_UNITS);
    }
}

/*
 * Size and root of the newest checkpoint, its second and third line: whoever keeps the chat can
 * compare them with the trail. The signatures would take a tenth of the room.
 */
static void add_trail(const struct message *m, const struct text *t, struct buf *b)
{
    struct slice rest = m->checkpoint, origin, size, root;

    if (!slice_split(&rest, '\n', &origin) || !slice_split(&rest, '\n', &size) ||
        !slice_split(&rest, '\n', &root) || size.n == 0 || size.n > 20 || root.n != 44)
        return;
    buf_str(b, "\ntrail ");
    escape(t, b, size);
    buf_char(b, ' ');
    tag(t, b, "<code>");
    escape(t, b, root);
    tag(t, b, "</code>");
}

static void render(const struct message *m, size_t samples, struct text *t)
{
    AUTO_BUF b = BUF_INIT;

    add_head(m, t);
    add_facts(m, t);
    add_samples(m, samples, t);
    t->left_out += m->more_samples;
    if (t->left_out)
        buf_printf(&b, "\n\n%zu more not shown", t->left_out);
    buf_str(&b, "\n\n");
    escape(t, &b, m->id);
    add_trail(m, t, &b);
    add_block(t, &b, 0);
}

static int request(const struct telegram *t, const struct message *m, const char *chat, bool plain,
                   size_t samples, struct buf *out)
{
    struct text text = { .html = BUF_INIT, .plain = plain };
    struct json_writer w = json_writer(out);
    int64_t id;

    buf_reset(out);
    render(m, samples, &text);
    json_object(&w);
    json_key(&w, "chat_id");
    if (parse_i64(slice_str(chat), INT64_MIN, INT64_MAX, &id) == 0)
        json_put_i64(&w, id);
    else
        json_put_str(&w, chat);
    if (t->thread)
        json_member_u64(&w, "message_thread_id", t->thread);
    json_member_buf(&w, "text", &text.html);
    if (!plain)
        json_member_str(&w, "parse_mode", "HTML");
    json_key(&w, "link_preview_options");
    json_object(&w);
    json_member_bool(&w, "is_disabled", true);
    json_object_end(&w);
    json_member_bool(&w, "disable_notification", message_rank(m) < 2);
    json_object_end(&w);
    out->failed = out->failed || text.html.failed;
    buf_fini(&text.html);
    return buf_ok(out) ? 0 : -ENOMEM;
}

/* ---- sending ---- */

struct attempt {
    const struct telegram *t;
    const struct message *m;
    struct arena *a;
    char chat[40];
    bool plain, moved;
    size_t samples;
    unsigned tries;
};

static bool says(struct slice description, const char *what)
{
    for (size_t i = 0; i + strlen(what) <= description.n; i++)
        if (slice_eq_nocase(slice_of(description.p + i, strlen(what)), slice_str(what)))
            return true;
    return false;
}

/* A refusal that another form of the same message may mend: true = try again now. */
static bool mend(struct attempt *x, const struct json *answer, struct slice description)
{
    const struct json *parameters = json_get(answer, "parameters");
    struct slice to = json_text(parameters, "migrate_to_chat_id");
    int64_t id;

    if (++x->tries >= TRIES_MAX)
        return false;
    if (!x->moved && parse_i64(to, INT64_MIN, INT64_MAX, &id) == 0) {
        snprintf(x->chat, sizeof x->chat, "%lld", (long long)id);
        return x->moved = true;
    }
    if (says(description, "can't parse entities") && !x->plain)
        return x->plain = true;
    if (says(description, "message is too long") && x->samples) {
        x->samples /= 2;
        return true;
    }
    return false;
}

static void judge(struct attempt *x, long status, const struct json *answer,
                  struct delivery_result *ret)
{
    struct slice description =
        message_line(x->a, json_text(answer, "description"), sizeof ret->status - 40);
    uint64_t wait = json_u64(json_get(answer, "parameters"), "retry_after", 0);

    if (status == 200 && json_bool(answer, "ok", false)) {
        ret->state = DELIVERY_SENT;
        snprintf(ret->remote, sizeof ret->remote, "%.*s",
                 SLICE_FMT(json_text(json_get(answer, "result"), "message_id")));
        snprintf(ret->status, sizeof ret->status, "http 200%s%s%s%.39s",
                 x->plain ? ", sent as plain text" : "",
                 x->samples < SAMPLES_MAX ? ", sent shortened" : "",
                 x->moved ? ", the group has moved: put this chat id into the configuration: " : "",
                 x->moved ? x->chat : "");
        return;
    }
    ret->state = http_retryable(status) || status == 200 ? DELIVERY_RETRY : DELIVERY_DEAD;
    if (wait)
        ret->retry_after_us = ((wait < WAIT_MAX_S ? wait : WAIT_MAX_S) + 1) * USEC_PER_SEC;
    snprintf(ret->status, sizeof ret->status, "http %ld %.*s", status, SLICE_FMT(description));
    secret_scrub(x->t->token, ret->status);
}

/* One request; true = send another one at once. */
static bool attempt(struct attempt *x, struct delivery_result *ret)
{
    static const char *const headers[] = { "Content-Type: application/json", NULL };
    AUTO_BUF url = BUF_INIT;
    AUTO_BUF body = BUF_INIT;
    struct http_request q = { .headers = headers,
                              .secret = x->t->token,
                              .timeout_us = x->t->timeout_us,
                              .ca_file = x->t->ca_file };
    struct http_answer a;
    const struct json *answer;
    struct slice base = slice_str(x->t->base);
    bool again = false;

    while (base.n && base.p[base.n - 1] == '/')
        base.n--;
    buf_printf(&url, "%.*s/bot%.*s/sendMessage", SLICE_FMT(base),
               SLICE_FMT(secret_view(x->t->token)));
    if (request(x->t, x->m, x->chat, x->plain, x->samples, &body) < 0 || !buf_ok(&url)) {
        snprintf(ret->status, sizeof ret->status, "out of memory");
        return false;
    }
    q.url = url.p;
    q.body = buf_view(&body);
    http_post(&q, &a);
    answer = a.status ? json_load(x->a, buf_view(&a.body), NULL) : NULL;
    if (a.status == 0)
        snprintf(ret->status, sizeof ret->status, "%.150s", a.error);
    else if (a.status == 400 && mend(x, answer, json_text(answer, "description")))
        again = true;
    else
        judge(x, a.status, answer, ret);
    if (a.retry_after_s && !ret->retry_after_us)
        ret->retry_after_us = (a.retry_after_s + 1) * USEC_PER_SEC;
    buf_fini(&a.body);
    explicit_bzero(url.p, url.n); /* the token stands in it */
    return again;
}

static void telegram_deliver(struct sink *s, const struct delivery *d, struct delivery_result *ret)
{
    const struct telegram *t = s->state;
    AUTO(arena) a = arena_new(32768, 4 << 20);
    struct message m;
    struct err err = ERR_NONE;
    struct attempt x = { .t = t, .m = &m, .a = a, .samples = SAMPLES_MAX };

    ret->state = DELIVERY_RETRY;
    if (!a || message_make(d, a, &m, &err) < 0) {
        ret->state = err.code == -EINVAL ? DELIVERY_DEAD : DELIVERY_RETRY;
        snprintf(ret->status, sizeof ret->status, "%.150s", err.text);
        return;
    }
    snprintf(x.chat, sizeof x.chat, "%.39s", t->chat);
    if (t->directory) {
        AUTO_BUF body = BUF_INIT;

        if (request(t, &m, x.chat, false, SAMPLES_MAX, &body) == 0)
            folder_deliver(t->directory, ".telegram.json", d, buf_view(&body), ret);
        return;
    }
    if (secret_view(t->token).n == 0) {
        snprintf(ret->status, sizeof ret->status, "the bot's token could not be read");
        return;
    }
    while (attempt(&x, ret))
        ;
}

static void telegram_close(struct sink *s)
{
    struct telegram *t = s->state;

    if (t)
        secret_free(t->token);
}

const struct sink_ops sink_telegram = {
    .name = "telegram",
    .summary = "a chat, by a bot of yours",
    .options = telegram_options,
    .state_size = sizeof(struct telegram),
    .open = telegram_open,
    .deliver = telegram_deliver,
    .close = telegram_close,
};
