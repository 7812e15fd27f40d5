/*
 * Waiting for presses of buttons, by getUpdates with a long poll that a delivery interrupts.
 *
 * What was handed out is confirmed by the next poll's offset, which is in memory: after a start the
 * server gives again what was not confirmed, and nothing that was pressed meanwhile is lost. The
 * server does not say when a button was pressed. So what comes before the first empty answer (it
 * was pressed while nobody listened) counts as old when its message is older than an hour:
 * an act must not come hours late. Who pressed is asked to press again.
 *
 * A receiver is a process of its own and this is its main loop: so it logs, but nothing that a
 * stranger could have chosen.
 */
#include "notifiers/people/telegram-private.h"

#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "notifiers/http-poll.h"

#define POLL_S 50 /* the server answers then, with or without a press */
#define POLL_LIMIT_US (65 * USEC_PER_SEC)
/*
 * Of one answer; the others wait at the server. Each brings its message, and the one that replied
 * to, in \u escapes: up to 50 KiB.
 */
#define PRESSES_MAX 10
#define ANSWER_ARENA (16 << 20)
#define STALE_S 3600
#define ANSWER_LIMIT_US (5 * USEC_PER_SEC)
#define PAUSE_MAX_US (60 * USEC_PER_SEC)
#define CONFLICT_US (30 * USEC_PER_SEC)
#define CONFLICT_MAX_US (300 * USEC_PER_SEC)
#define REPEAT_US (5 * USEC_PER_SEC) /* nothing but what was confirmed: no hurry */
#define FOR_EVER UINT64_MAX

struct telegram_listener {
    struct http_poll *http;
    struct arena *arena; /* of one answer */
    struct telegram_press presses[PRESSES_MAX];
    size_t first, n; /* not handed out yet */
    uint64_t offset; /* of the next update; 0 = the first there is */
    uint64_t not_before_us; /* of the next poll, monotonic */
    uint64_t heard_us; /* monotonic: end of the last poll that was good */
    unsigned failures;
    long told; /* status that was told; 0 is "no answer", NOTHING_TOLD that all was well */
    bool caught_up; /* what comes now was pressed now */
    bool stopped; /* the token is refused */
    struct log_gate strangers;
};
#define NOTHING_TOLD (-1)

bool telegram_listens(const struct sink *s)
{
    const struct telegram *t = s->state;

    return t->buttons && !t->directory && secret_view(t->token).n;
}

void telegram_listener_free(struct telegram_listener *l)
{
    if (!l)
        return;
    http_poll_free(l->http);
    arena_free(l->arena);
    free(l);
}

/* Not before it is needed: it begins in the receiver's own process. */
static int make_listener(struct telegram *t)
{
    struct telegram_listener *l = t->listener;

    if (l)
        return 0;
    l = t->listener = calloc(1, sizeof *l);
    if (!l)
        return -ENOMEM;
    l->http = http_poll_new();
    l->arena = arena_new(16384, ANSWER_ARENA);
    l->told = NOTHING_TOLD;
    if (l->http && l->arena)
        return 0;
    telegram_listener_free(l);
    t->listener = NULL;
    return -ENOMEM;
}

static uint64_t mono(void)
{
    const struct clock real = CLOCK_REAL;

    return clock_mono(&real);
}

/* ---- the poll ---- */

static void begin(struct telegram *t, const char *method, const struct buf *body, uint64_t limit_us,
                  int (*how)(struct http_poll *p, const struct http_request *q))
{
    AUTO_BUF url = BUF_INIT;
    struct http_request q = { .headers = telegram_headers,
                              .body = buf_view(body),
                              .secret = t->token,
                              .timeout_us = limit_us,
                              .ca_file = t->ca_file };

    if (buf_ok(body) && telegram_url(t, method, &url)) {
        q.url = url.p;
        (void)how(t->listener->http, &q);
    }
    if (url.p)
        explicit_bzero(url.p, url.n); /* the token stands in it */
}

/* The first ones do not wait: what was pressed before is told apart by that. */
static void poll_begin(struct telegram *t)
{
    struct telegram_listener *l = t->listener;
    AUTO_BUF body = BUF_INIT;
    struct json_writer w = json_writer(&body);

    if (l->heard_us && mono() - l->heard_us > STALE_S * USEC_PER_SEC)
        l->caught_up = false;
    json_object(&w);
    if (l->offset)
        json_member_u64(&w, "offset", l->offset);
    json_member_u64(&w, "timeout", l->caught_up ? POLL_S : 0);
    json_member_u64(&w, "limit", l->failures ? 1 : PRESSES_MAX); /* it may have been too long */
    json_key(&w, "allowed_updates");
    json_array(&w);
    json_put_str(&w, "callback_query");
    json_array_end(&w);
    json_object_end(&w);
    begin(t, "getUpdates", &body, POLL_LIMIT_US, http_poll_start);
    l->not_before_us = mono() + USEC_PER_SEC; /* of the next try, should this not have begun */
}

/*
 * False: the server gave again what was confirmed. Numbers rise by one; only after a week without
 * any they may begin anywhere, so a number far below is new.
 */
static bool is_new(struct telegram_listener *l, uint64_t offset, const struct json *update)
{
    uint64_t id = json_u64(update, "update_id", UINT64_MAX);

    if (id >= INT64_MAX || (id < offset && offset - id <= PRESSES_MAX))
        return false;
    l->offset = id + 1;
    return true;
}

static void take_updates(struct telegram *t, const struct json *updates)
{
    const struct clock real = CLOCK_REAL;
    struct telegram_listener *l = t->listener;
    uint64_t now_s = clock_now(&real) / USEC_PER_SEC, offset = l->offset;
    uint64_t before_s = l->caught_up || now_s < STALE_S ? 0 : now_s - STALE_S;
    const struct json *u = updates->child;
    bool news = !u;

    l->caught_up = l->caught_up || !u;
    l->first = l->n = 0;
    for (; u && l->n < PRESSES_MAX; u = u->next) {
        if (!is_new(l, offset, u))
            continue;
        news = true;
        if (telegram_press(t, u, before_s, l->arena, &l->presses[l->n]))
            l->n++;
    }
    if (!news)
        l->not_before_us = mono() + REPEAT_US;
}

/* ---- what can go wrong with it ---- */

static uint64_t pause_us(const struct telegram_listener *l, const struct telegram_answer *a)
{
    uint64_t us;

    if (a->wait_s)
        return (a->wait_s + 1) * USEC_PER_SEC;
    if (a->status == 409) {
        us = CONFLICT_US << (l->failures < 5 ? l->failures - 1 : 4);
        return us < CONFLICT_MAX_US ? us : CONFLICT_MAX_US;
    }
    us = sink_backoff_us(l->failures - 1, mono());
    return us < PAUSE_MAX_US ? us : PAUSE_MAX_US;
}

static const char *advice(long status)
{
    return status == 409   ? "another program asks with this token, or a webhook is set; trying on"
           : status == 429 ? "waiting as long as the server wishes"
                           : "trying on";
}

/* Once for each kind of failure, until all is well again. */
static void poll_failed(struct sink *s, struct telegram *t, const struct telegram_answer *a)
{
    struct telegram_listener *l = t->listener;
    char said[160];

    l->failures += l->failures < 1000;
    l->stopped = a->status == 401 || a->status == 404;
    l->not_before_us = mono() + pause_us(l, a);
    if (l->told == a->status)
        return;
    l->told = a->status;
    snprintf(said, sizeof said, "%.*s", SLICE_FMT(a->said));
    secret_scrub(t->token, said);
    if (l->stopped)
        log_warning(
            "receiver '%s': nobody listens to its buttons until the next start: http %ld %s",
            s->name, a->status, said);
    else
        log_warning("receiver '%s': buttons cannot be asked for: http %ld %s: %s", s->name,
                    a->status, said, advice(a->status));
}

static void take_answer(struct sink *s, struct telegram *t, struct http_answer *h)
{
    struct telegram_listener *l = t->listener;
    struct telegram_answer a;

    arena_reset(l->arena);
    telegram_read(h, l->arena, &a);
    if (!a.ok || !a.result || a.result->type != JSON_ARRAY) {
        poll_failed(s, t, &a);
        return;
    }
    if (l->told != NOTHING_TOLD)
        log_notice("receiver '%s': its buttons are listened to again", s->name);
    l->told = NOTHING_TOLD;
    l->failures = 0;
    l->heard_us = mono();
    l->not_before_us = 0;
    take_updates(t, a.result);
}

/* ---- presses ---- */

static void put_answer(struct json_writer *w, struct slice query, struct slice text, bool alert)
{
    json_object(w);
    json_member_slice(w, "callback_query_id", query);
    json_member_slice(w, "text", utf16_cut(text, TELEGRAM_ANSWER_UNITS));
    if (alert)
        json_member_bool(w, "show_alert", true);
    json_object_end(w);
}

/* Without waiting for it: who may not press buttons shall delay nobody. */
static void refuse(struct sink *s, struct telegram *t, const struct telegram_press *p)
{
    static const struct slice words[] = {
        [PRESS_NOT_ALLOWED] = SLICE("not allowed"),
        [PRESS_UNKNOWN] = SLICE("unknown button"),
        [PRESS_STALE] = SLICE("pressed while nobody listened: please press again"),
    };
    AUTO_BUF body = BUF_INIT;
    struct json_writer w = json_writer(&body);
    uint64_t missed;

    put_answer(&w, slice_str(p->query), words[p->kind], true);
    begin(t, "answerCallbackQuery", &body, ANSWER_LIMIT_US, http_poll_send);
    if (p->kind != PRESS_STALE && log_gate(&t->listener->strangers, mono(), &missed))
        log_warning("receiver '%s': a press of a button by user %lld was refused: %.*s (%llu more "
                    "before)",
                    s->name, (long long)p->from, SLICE_FMT(words[p->kind]),
                    (unsigned long long)missed);
}

static bool next_act(struct sink *s, struct telegram *t, struct sink_act *ret)
{
    struct telegram_listener *l = t->listener;

    while (l->first < l->n) {
        const struct telegram_press *p = &l->presses[l->first++];

        if (p->kind == PRESS_ACT) {
            *ret = p->act;
            return true;
        }
        refuse(s, t, p);
    }
    return false;
}

int telegram_listen(struct sink *s, int fd, struct sink_act *ret)
{
    struct telegram *t = s->state;
    struct telegram_listener *l;

    if (make_listener(t) < 0)
        return -ENOMEM;
    l = t->listener;
    for (;;) {
        struct http_answer h;
        int r;

        if (next_act(s, t, ret))
            return 1;
        if (!l->stopped && !http_poll_busy(l->http) && mono() >= l->not_before_us)
            poll_begin(t);
        r = http_poll_wait(l->http, fd,
                           l->stopped || http_poll_busy(l->http) ? FOR_EVER : l->not_before_us, &h);
        if (r == 1)
            take_answer(s, t, &h);
        else if (r != -EAGAIN)
            return r;
    }
}

/* ---- answers ---- */

/* The server forgets a press after some minutes; that its answer comes late is nobody's fault. */
static bool call(struct sink *s, const char *method, const struct buf *body, struct arena *a)
{
    struct telegram *t = s->state;
    struct telegram_answer said;
    char text[160];

    if (!buf_ok(body))
        return false;
    telegram_call(t, method, buf_view(body), ANSWER_LIMIT_US, a, &said);
    if (said.ok || telegram_says(said.said, "query is too old") ||
        telegram_says(said.said, "message is not modified"))
        return true;
    snprintf(text, sizeof text, "%.*s", SLICE_FMT(said.said));
    secret_scrub(t->token, text);
    log_notice("receiver '%s': %s: http %ld %s", s->name, method, said.status, text);
    return said.status != 0;
}

static void drop_buttons(struct sink *s, const struct sink_act *act, const struct telegram_place *p,
                         struct arena *a)
{
    AUTO_BUF body = BUF_INIT;
    struct json_writer w = json_writer(&body);

    json_object(&w);
    json_key(&w, "chat_id");
    json_put_i64(&w, p->chat);
    json_member_u64(&w, "message_id", p->message);
    json_key(&w, "reply_markup");
    telegram_put_buttons(&w, slice_str(act->id), p->buttons);
    json_object_end(&w);
    (void)call(s, "editMessageReplyMarkup", &body, a);
}

/* For the others in the chat: what was done, and by whom. No sound, and no sign that calls him. */
static void tell_others(struct sink *s, const struct sink_act *act, const struct telegram_place *p,
                        struct slice text, struct arena *a)
{
    const struct telegram *t = s->state;
    struct slice who = slice_str(act->who), name;
    AUTO_BUF body = BUF_INIT;
    AUTO_BUF line = BUF_INIT;
    struct json_writer w = json_writer(&body);

    if (slice_split(&who, ' ', &name) && who.n)
        name = slice_starts(who, SLICE("@")) ? slice_skip(who, 1) : who;
    buf_slice(&line, utf16_cut(text, TELEGRAM_ANSWER_UNITS));
    buf_printf(&line, " (%.*s)", SLICE_FMT(name));
    json_object(&w);
    json_key(&w, "chat_id");
    json_put_i64(&w, p->chat);
    if (t->thread)
        json_member_u64(&w, "message_thread_id", t->thread);
    telegram_put_reply(&w, p->message);
    json_member_bool(&w, "disable_notification", true);
    if (t->protect)
        json_member_bool(&w, "protect_content", true);
    json_member_buf(&w, "text", &line);
    json_key(&w, "link_preview_options");
    json_object(&w);
    json_member_bool(&w, "is_disabled", true);
    json_object_end(&w);
    json_object_end(&w);
    (void)call(s, "sendMessage", &body, a);
}

void telegram_answer(struct sink *s, const struct sink_act *act, struct slice text, bool done)
{
    AUTO(arena) a = arena_new(8192, 1 << 20);
    struct telegram_place place;
    AUTO_BUF body = BUF_INIT;
    struct json_writer w = json_writer(&body);
    struct slice line;

    if (!a || !telegram_place(act, &place))
        return;
    line = message_line(a, text, 4 * TELEGRAM_ANSWER_UNITS);
    put_answer(&w, place.query, line, !done);
    if (!call(s, "answerCallbackQuery", &body, a) || !done)
        return;
    drop_buttons(s, act, &place, a);
    tell_others(s, act, &place, line, a);
}
