/*
 * Telegram Bot API: messages by sendMessage, in HTML; a message about what is over by
 * editMessageText in the place of the first one. The odd answers of the server are handled one
 * by one, each with another form of the same message.
 */
#include "notifiers/people/telegram-private.h"

#include <errno.h>
#include <stdio.h>

#include "base/num.h"
#include "notifiers/kinds.h"
#include "notifiers/outbox-folder.h"
#include "notifiers/people/chat.h"

#define WAIT_MAX_S 86400 /* no server makes us wait longer */
#define TRIES_MAX 5 /* forms of one message in one attempt */

static const char *const resolve_words[] = { "edit", "reply", "both", NULL };

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
    { .name = "on_resolve",
      .type = OPTION_ENUM,
      .offset = AT(struct telegram, on_resolve),
      .choices = resolve_words,
      .fallback = "edit",
      .help = "When it is over: mark the first message, reply to it, or both." },
    { .name = "protect_content",
      .type = OPTION_BOOL,
      .offset = AT(struct telegram, protect),
      .help = "Messages cannot be forwarded or saved." },
    { .name = "buttons",
      .type = OPTION_BOOL,
      .offset = AT(struct telegram, buttons),
      .help = "Ack, Silence 1 h and Unban below each message; needs operators." },
    { .name = "operators",
      .type = OPTION_STRS,
      .offset = AT(struct telegram, operators),
      .help = "Who may press them: numeric ids of users." },
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

static int check_operators(const struct telegram *t, struct err *err)
{
    int64_t id;

    for (size_t i = 0; i < t->operators.n; i++)
        if (parse_i64(slice_str(t->operators.items[i]), 1, INT64_MAX, &id) < 0)
            return err_set(err, -EINVAL, "'%s' is no operator: the number of a user, no name",
                           t->operators.items[i]);
    if (t->buttons && !t->operators.n)
        return err_set(err, -EINVAL, "buttons need operators: the numbers of who may press them");
    return 0;
}

static int telegram_open(struct sink *s, struct err *err)
{
    const struct telegram *t = s->state;
    int64_t id;

    if (t->chat[0] != '@' && parse_i64(slice_str(t->chat), INT64_MIN, INT64_MAX, &id) < 0)
        return err_set(err, -EINVAL, "'%s' is no chat: a number, or @name", t->chat);
    if (secret_view(t->token).n && !token_ok(secret_view(t->token)))
        return err_set(err, -EINVAL, "the token is none: it looks like 123456:ABC-def");
    if (check_operators(t, err) < 0)
        return err_code(err);
    return t->directory ? 0 : http_url_check(t->base, err);
}

/* ---- calls ---- */

const char *const telegram_headers[] = { "Content-Type: application/json", NULL };

bool telegram_url(const struct telegram *t, const char *method, struct buf *url)
{
    buf_printf(url, "%.*s/bot%.*s/%s", SLICE_FMT(chat_base(t->base)),
               SLICE_FMT(secret_view(t->token)), method);
    return buf_ok(url);
}

bool telegram_says(struct slice text, const char *what)
{
    size_t n = strlen(what);

    for (size_t i = 0; i + n <= text.n; i++)
        if (slice_eq_nocase(slice_of(text.p + i, n), slice_of(what, n)))
            return true;
    return false;
}

void telegram_read(struct http_answer *h, struct arena *a, struct telegram_answer *ret)
{
    const struct json *doc = h->status ? json_load(a, buf_view(&h->body), NULL) : NULL;
    uint64_t wait;

    *ret = (struct telegram_answer){ .status = h->status,
                                     .ok = h->status == 200 && json_bool(doc, "ok", false),
                                     .result = json_get(doc, "result"),
                                     .parameters = json_get(doc, "parameters") };
    ret->said = h->status ? message_line(a, json_text(doc, "description"), 120)
                          : message_line(a, slice_str(h->error), 150);
    wait = json_u64(ret->parameters, "retry_after", h->retry_after_s);
    ret->wait_s = wait < WAIT_MAX_S ? wait : WAIT_MAX_S;
    buf_fini(&h->body);
}

void telegram_call(const struct telegram *t, const char *method, struct slice body,
                   uint64_t timeout_us, struct arena *a, struct telegram_answer *ret)
{
    AUTO_BUF url = BUF_INIT;
    struct http_answer h = { .error = "out of memory" };
    struct http_request q = { .headers = telegram_headers,
                              .body = body,
                              .secret = t->token,
                              .timeout_us = timeout_us,
                              .ca_file = t->ca_file };

    if (telegram_url(t, method, &url)) {
        q.url = url.p;
        http_post(&q, &h);
    }
    telegram_read(&h, a, ret);
    if (url.p)
        explicit_bzero(url.p, url.n); /* the token stands in it */
}

/* 0: known by its name alone. */
static int64_t chat_number(const struct telegram *t)
{
    int64_t id = t->moved;

    if (!id)
        (void)parse_i64(slice_str(t->chat), INT64_MIN, INT64_MAX, &id);
    return id;
}

static void put_chat(const struct telegram *t, struct json_writer *w)
{
    json_key(w, "chat_id");
    if (chat_number(t))
        json_put_i64(w, chat_number(t));
    else
        json_put_str(w, t->chat);
}

void telegram_put_reply(struct json_writer *w, uint64_t message)
{
    json_key(w, "reply_parameters");
    json_object(w);
    json_member_u64(w, "message_id", message);
    json_member_bool(w, "allow_sending_without_reply", true);
    json_object_end(w);
}

/* ---- one message ---- */

/* What is tried, and what was learnt about it from refusals. */
struct attempt {
    struct telegram *t;
    const struct message *m;
    struct arena *a;
    struct telegram_form form;
    uint64_t first; /* the first message of the incident; 0 = none */
    int64_t first_chat; /* where it is; 0 = here */
    bool edit; /* that one, instead of a new one */
    unsigned buttons;
    unsigned tries;
    bool moved, lost;
};

/* A message can be replied to in its own chat only; elsewhere its number is another message's. */
static bool first_is_here(const struct attempt *x)
{
    int64_t here = chat_number(x->t);

    return x->first && (!x->first_chat || !here || x->first_chat == here);
}

static void put_options(const struct attempt *x, struct json_writer *w)
{
    put_chat(x->t, w);
    if (x->t->thread)
        json_member_u64(w, "message_thread_id", x->t->thread);
    if (first_is_here(x))
        telegram_put_reply(w, x->first);
    json_member_bool(w, "disable_notification", message_rank(x->m) < 2);
    if (x->t->protect)
        json_member_bool(w, "protect_content", true);
}

/* Where it is, also when the configuration names another chat by now. */
static void put_target(const struct attempt *x, struct json_writer *w)
{
    if (x->first_chat) {
        json_key(w, "chat_id");
        json_put_i64(w, x->first_chat);
    } else {
        put_chat(x->t, w);
    }
    json_member_u64(w, "message_id", x->first);
}

/* An edit without reply_markup takes the buttons away. */
static int request(const struct attempt *x, struct buf *out)
{
    AUTO_BUF text = BUF_INIT;
    struct json_writer w = json_writer(out);

    buf_reset(out);
    telegram_text(x->m, &x->form, &text);
    json_object(&w);
    if (x->edit)
        put_target(x, &w);
    else
        put_options(x, &w);
    json_member_buf(&w, "text", &text);
    if (!x->form.plain)
        json_member_str(&w, "parse_mode", "HTML");
    json_key(&w, "link_preview_options");
    json_object(&w);
    json_member_bool(&w, "is_disabled", true);
    json_object_end(&w);
    if (x->buttons && !x->edit) {
        json_key(&w, "reply_markup");
        telegram_put_buttons(&w, telegram_button_id(x->m), x->buttons);
    }
    json_object_end(&w);
    return buf_ok(out) ? 0 : -ENOMEM;
}

/* The group is another chat now; the messages of the old one are out of reach. */
static bool move(struct attempt *x, const struct telegram_answer *a)
{
    int64_t id;

    if (x->moved ||
        parse_i64(json_text(a->parameters, "migrate_to_chat_id"), INT64_MIN, INT64_MAX, &id) < 0)
        return false;
    if (!x->edit || !x->first_chat || x->first_chat == chat_number(x->t))
        x->t->moved = id;
    x->lost = x->edit;
    x->edit = false;
    x->first = 0;
    return x->moved = true;
}

static bool go_plain(struct attempt *x, const struct telegram_answer *a)
{
    (void)a;
    return !x->form.plain && (x->form.plain = true);
}

static bool shorten(struct attempt *x, const struct telegram_answer *a)
{
    (void)a;
    x->form.samples /= 2;
    x->form.units /= 2;
    return true;
}

static bool send_anew(struct attempt *x, const struct telegram_answer *a)
{
    (void)a;
    x->lost = x->edit;
    x->edit = false;
    return x->lost;
}

static bool reply_to_none(struct attempt *x, const struct telegram_answer *a)
{
    bool did = x->first && !x->edit;

    (void)a;
    x->first = did ? 0 : x->first;
    return did;
}

static bool without_buttons(struct attempt *x, const struct telegram_answer *a)
{
    bool did = x->buttons;

    (void)a;
    x->buttons = 0;
    return did;
}

/* Refusals (400) that another form of the same message may mend: true = try again now. */
static const struct {
    const char *says;
    bool (*mend)(struct attempt *x, const struct telegram_answer *a);
} mends[] = {
    { "", move },
    { "can't parse entities", go_plain },
    { "message is too long", shorten },
    { "text is too long", shorten },
    { "message to edit not found", send_anew },
    { "message can't be edited", send_anew },
    { "message_id_invalid", send_anew },
    { "message to be replied not found", reply_to_none },
    { "message to reply not found", reply_to_none },
    { "button_data_invalid", without_buttons },
    { "reply markup is too long", without_buttons },
};

static bool mend(struct attempt *x, const struct telegram_answer *a)
{
    if (a->status != 400 || ++x->tries >= TRIES_MAX)
        return false;
    for (size_t i = 0; i < ARRAY_SIZE(mends); i++)
        if (telegram_says(a->said, mends[i].says) && mends[i].mend(x, a))
            return true;
    return false;
}

static void tell_sent(const struct attempt *x, struct delivery_result *ret)
{
    const struct telegram_form *f = &x->form;

    ret->state = DELIVERY_SENT;
    snprintf(ret->status, sizeof ret->status, "http 200%s%s%s", f->plain ? ", as plain text" : "",
             f->units < TELEGRAM_UNITS ? ", shortened" : "",
             x->lost   ? ", anew: the first message is gone"
             : x->edit ? ", the first message marked"
                       : "");
    if (x->t->moved)
        snprintf(ret->status + strlen(ret->status), sizeof ret->status - strlen(ret->status),
                 ", the group has moved: put chat %lld into the configuration",
                 (long long)x->t->moved);
}

/*
 * MESSAGE@CHAT: numbers of messages begin anew in each chat, so the one alone would name another
 * message once the group has moved or another chat is configured.
 */
static void put_remote(const struct attempt *x, const struct telegram_answer *a,
                       struct delivery_result *ret)
{
    uint64_t id = json_u64(a->result, "message_id", x->edit ? x->first : 0);
    int64_t chat = x->edit ? x->first_chat : 0;

    if (!id)
        return;
    (void)parse_i64(json_text(json_get(a->result, "chat"), "id"), INT64_MIN, INT64_MAX, &chat);
    snprintf(ret->remote, sizeof ret->remote, "%llu", (unsigned long long)id);
    if (chat)
        snprintf(ret->remote, sizeof ret->remote, "%llu@%lld", (unsigned long long)id,
                 (long long)chat);
}

static void read_remote(struct slice remote, struct attempt *x)
{
    struct slice rest = remote, id = SLICE_NONE, chat = SLICE_NONE;

    (void)slice_split(&rest, '@', &id);
    if (parse_u64(id, 1, INT64_MAX, &x->first) == 0 && slice_split(&rest, '@', &chat) &&
        parse_i64(chat, INT64_MIN, INT64_MAX, &x->first_chat) < 0)
        x->first = 0;
}

/* Where its words say more than the status: so would any other message to this chat end. */
static const struct http_verdict verdicts[] = {
    { 200, NULL, DELIVERY_RETRY, false }, /* not "ok" */
    { 400, "chat not found", DELIVERY_DEAD, true },
    { 400, "thread not found", DELIVERY_DEAD, true },
    { 400, "chat_write_forbidden", DELIVERY_DEAD, true },
    { 400, "not enough rights to send", DELIVERY_DEAD, true },
    { 400, "have no rights to send", DELIVERY_DEAD, true },
    { 0 },
};

static void judge(const struct attempt *x, const struct telegram_answer *a,
                  struct delivery_result *ret)
{
    struct http_answer h = { .status = a->status };

    if (a->ok || (x->edit && telegram_says(a->said, "message is not modified"))) {
        put_remote(x, a, ret);
        tell_sent(x, ret);
        return;
    }
    snprintf(h.error, sizeof h.error, "%.*s", SLICE_FMT(a->said));
    http_judge(&h, verdicts, a->said, ret);
    if (a->wait_s)
        ret->retry_after_us = (a->wait_s + 1) * USEC_PER_SEC;
    secret_scrub(x->t->token, ret->status);
}

/* One message, in as many forms as it takes. True: it is there. */
static bool send_one(struct attempt *x, struct delivery_result *ret)
{
    AUTO_BUF body = BUF_INIT;
    struct telegram_answer a;

    x->tries = 0;
    do {
        if (request(x, &body) < 0) {
            ret->state = DELIVERY_RETRY;
            snprintf(ret->status, sizeof ret->status, "out of memory");
            return false;
        }
        telegram_call(x->t, x->edit ? "editMessageText" : "sendMessage", buf_view(&body),
                      x->t->timeout_us, x->a, &a);
    } while (mend(x, &a));
    judge(x, &a, ret);
    return ret->state == DELIVERY_SENT;
}

/* ---- a delivery ---- */

static unsigned buttons_for(const struct telegram *t, const struct message *m,
                            const struct json *document)
{
    if (!t->buttons || m->resolved || !telegram_button_id(m).n)
        return 0;
    return BUTTON_ACK | BUTTON_SILENCE |
           (!m->summary && json_get(document, "ban") ? BUTTON_UNBAN : 0u);
}

/* Marking the first message makes no sound, so a reply can follow it. */
static void send_all(struct attempt *x, struct delivery_result *ret)
{
    bool over = x->m->resolved && x->first;

    x->edit = over && x->t->on_resolve != ON_RESOLVE_REPLY;
    x->form.brief = over && !x->edit;
    if (!send_one(x, ret) || !x->edit || x->t->on_resolve != ON_RESOLVE_BOTH)
        return;
    x->edit = false;
    x->form.brief = true;
    (void)send_one(x, ret);
}

static void telegram_deliver(struct sink *s, const struct delivery *d, struct delivery_result *ret)
{
    struct telegram *t = s->state;
    AUTO(arena) a = arena_new(32768, 4 << 20);
    struct message m;
    struct err err = ERR_NONE;
    struct attempt x = {
        .t = t, .m = &m, .a = a, .form = { .samples = SAMPLES_MAX, .units = TELEGRAM_UNITS }
    };

    ret->state = DELIVERY_RETRY;
    if (!a || message_make(d, a, &m, &err) < 0) {
        ret->state = err.code == -EINVAL ? DELIVERY_DEAD : DELIVERY_RETRY;
        snprintf(ret->status, sizeof ret->status, "%.150s", err.text);
        return;
    }
    read_remote(d->first_remote, &x);
    x.buttons = buttons_for(t, &m, d->document);
    if (t->directory) {
        AUTO_BUF body = BUF_INIT;

        if (request(&x, &body) == 0)
            folder_deliver(t->directory, ".telegram.json", d, buf_view(&body), ret);
        return;
    }
    if (secret_view(t->token).n == 0) {
        snprintf(ret->status, sizeof ret->status, "the bot's token could not be read");
        return;
    }
    send_all(&x, ret);
}

static void telegram_close(struct sink *s)
{
    struct telegram *t = s->state;

    if (!t)
        return;
    telegram_listener_free(t->listener);
    t->listener = NULL;
    secret_free(t->token);
}

const struct sink_ops sink_telegram = {
    .name = "telegram",
    .summary = "a chat, by a bot of yours",
    .options = telegram_options,
    .state_size = sizeof(struct telegram),
    /* A group takes 20 messages a minute, with short bursts; a chat more, and long texts less. */
    .pace = { .burst = 3, .every_us = 3 * USEC_PER_SEC, .digest_over = 10 },
    .open = telegram_open,
    .deliver = telegram_deliver,
    .close = telegram_close,
    .listens = telegram_listens,
    .listen = telegram_listen,
    .answer = telegram_answer,
};
