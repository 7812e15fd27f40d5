/*
 * SMS by Twilio: one line of at most 160 signs of the GSM alphabet, so that each message is one
 * message on the bill; levels below a bound and more than so many a day are not sent.
 *
 * Who has the message already, and how many were sent today, is remembered in memory only.
 */
#include <stdio.h>

#include "base/num.h"
#include "base/utf8.h"
#include "notifiers/kinds.h"
#include "notifiers/people/chat.h"

/* twilio.com/docs, Message resource; 3GPP TS 23.038 */
#define TEXT_MAX 160
#define VALIDITY_S 3600 /* 1 to 36000: later than that nobody should be woken */
#define TO_MAX 10
#define HOST_MAX 24

struct sms_memory {
    char key[64]; /* the delivery that is under way */
    bool done[TO_MAX], reached; /* whom we are through with; one of them has it */
    uint64_t day, sent; /* of which day (UTC), how many */
};

struct sms {
    struct secret *token;
    const char *account, *from, *service, *base;
    struct option_strs to;
    int level;
    uint64_t per_day;
    struct chat_http http;
    struct sms_memory memory;
};

static const char *const levels[] = { "informational", "low", "medium", "high", "critical", NULL };

static const struct option sms_options[] = {
    { .name = "account",
      .type = OPTION_STR,
      .offset = AT(struct sms, account),
      .required = true,
      .help = "Account SID (AC...) of Twilio." },
    { .name = "token",
      .type = OPTION_SECRET,
      .offset = AT(struct sms, token),
      .help = "The account's auth token." },
    { .name = "from",
      .type = OPTION_STR,
      .offset = AT(struct sms, from),
      .help = "Number or name that it comes from; or use service." },
    { .name = "service",
      .type = OPTION_STR,
      .offset = AT(struct sms, service),
      .help = "SID of a messaging service (MG...)." },
    { .name = "to",
      .type = OPTION_STRS,
      .offset = AT(struct sms, to),
      .required = true,
      .help = "Numbers: + and digits; ten at most." },
    { .name = "level",
      .type = OPTION_ENUM,
      .offset = AT(struct sms, level),
      .fallback = "critical",
      .choices = levels,
      .help = "The lowest level that is worth an SMS." },
    { .name = "per_day",
      .type = OPTION_U64,
      .offset = AT(struct sms, per_day),
      .fallback = "20",
      .min = "1",
      .max = "1000",
      .help = "So many a day (UTC) and no more." },
    { .name = "base",
      .type = OPTION_STR,
      .offset = AT(struct sms, base),
      .fallback = "https://api.twilio.com",
      .help = "Server of the API." },
    CHAT_OPTIONS(struct sms, http),
    { 0 },
};

/* E.164: + and up to 15 digits. */
static bool is_number(const char *s)
{
    size_t digits = s[0] == '+' ? strspn(s + 1, "0123456789") : 0;

    return digits >= 7 && digits <= 15 && s[1 + digits] == '\0';
}

static bool is_sid(const char *s, const char *prefix)
{
    return strncmp(s, prefix, 2) == 0 && strlen(s) == 34 &&
           strspn(s + 2, "0123456789abcdefABCDEF") == 32;
}

static int sms_open(struct sink *s, struct err *err)
{
    const struct sms *o = s->state;

    if (!is_sid(o->account, "AC"))
        return err_set(err, -EINVAL, "'%s' is no account: AC and 32 hex digits", o->account);
    if (!o->from == !o->service)
        return err_set(err, -EINVAL, "give either 'from' or 'service'");
    if (o->service && !is_sid(o->service, "MG"))
        return err_set(err, -EINVAL, "'%s' is no service: MG and 32 hex digits", o->service);
    if (!o->token && !o->http.directory)
        return err_set(err, -EINVAL, "'token' is missing: a secret");
    if (o->to.n == 0 || o->to.n > TO_MAX)
        return err_set(err, -EINVAL, "'to' needs 1 to %d numbers", TO_MAX);
    for (size_t i = 0; i < o->to.n; i++)
        if (!is_number(o->to.items[i]))
            return err_set_at(err, -EINVAL, o->to.at[i], "'%s' is no number: + and 7 to 15 digits",
                              o->to.items[i]);
    return http_url_check(o->base, err);
}

/* ---- rendering ---- */

/*
 * One sign of the basic GSM alphabet for each character; those that would take two (brackets), or
 * turn the whole message into the alphabet of 70 signs, become another.
 */
static void put_gsm(struct buf *b, struct slice s)
{
    static const char odd[] = "[]{}|\\~^`", plain[] = "()()//-''";
    unsigned n;

    for (; s.n && b->n < TEXT_MAX; s = slice_skip(s, n)) {
        uint32_t cp = 0;
        const char *at;

        n = utf8_decode(s, &cp);
        n = n ? n : 1;
        at = cp && cp < 0x7f ? strchr(odd, (int)cp) : NULL;
        buf_char(b, at ? plain[at - odd] : cp >= 0x20 && cp < 0x7f ? (char)cp : '?');
    }
}

/* "[high] Failed logins: 203.0.113.7, edge-1, 0123456789ab": the end is kept, the rest gives way */
static void make_text(const struct message *m, struct buf *out)
{
    AUTO_BUF end = BUF_INIT;
    AUTO_BUF subject = BUF_INIT;
    size_t room;

    buf_str(&end, ", ");
    put_gsm(&end, slice_take(slice_str(m->host), HOST_MAX));
    if (m->see.n && !m->summary) {
        buf_str(&end, ", ");
        put_gsm(&end, slice_take(m->id, 12));
    }
    put_gsm(&subject, m->subject);
    room = TEXT_MAX - end.n;
    if (subject.n <= room) {
        buf_slice(out, buf_view(&subject));
    } else {
        buf_slice(out, slice_take(buf_view(&subject), room - 3));
        buf_str(out, "...");
    }
    buf_slice(out, buf_view(&end));
    out->failed = out->failed || end.failed || subject.failed;
}

static void put_field(struct buf *b, const char *name, struct slice value)
{
    if (b->n)
        buf_char(b, '&');
    buf_printf(b, "%s=", name);
    buf_percent(b, value);
}

static void render(const struct sms *o, const char *to, const struct buf *text, struct buf *out)
{
    buf_reset(out);
    put_field(out, "To", slice_str(to));
    put_field(out, o->service ? "MessagingServiceSid" : "From",
              slice_str(o->service ? o->service : o->from));
    put_field(out, "Body", buf_view(text));
    buf_printf(out, "&ValidityPeriod=%d&SmartEncoded=true", VALIDITY_S);
    out->failed = out->failed || text->failed;
}

/* ---- sending ---- */

/* twilio.com/docs/api/errors */
static const struct http_verdict verdicts[] = {
    { 429, NULL, DELIVERY_RETRY, false },
    { 400, "authenticate", DELIVERY_DEAD, true },
    { 0 },
};

/* A new delivery, or another try of the one that is under way? */
static void remember(struct sms_memory *m, const struct delivery *d)
{
    char key[sizeof m->key];
    uint64_t day = d->now_us / (86400 * USEC_PER_SEC);

    snprintf(key, sizeof key, "%.*s", SLICE_FMT(slice_take(d->key, sizeof key - 1)));
    if (d->attempt <= 1 || strcmp(key, m->key) != 0)
        *m = (struct sms_memory){ .day = m->day, .sent = m->sent };
    snprintf(m->key, sizeof m->key, "%s", key);
    if (day != m->day)
        m->sent = 0;
    m->day = day;
}

static bool wanted(const struct sms *o, const struct message *m, struct delivery_result *ret)
{
    if (message_rank(m) >= o->level)
        return true;
    ret->state = DELIVERY_HELD;
    snprintf(ret->status, sizeof ret->status, "not sent: below the level '%s' of this receiver",
             levels[o->level]);
    return false;
}

/* One number; false: the others need not be tried now. */
static bool send_one(struct sms *o, struct chat *c, size_t i, const struct buf *text)
{
    struct delivery_result *ret = c->result;

    if (o->memory.sent >= o->per_day) {
        ret->state = DELIVERY_HELD;
        snprintf(ret->status, sizeof ret->status, "not sent: %llu went out today, and that is all",
                 (unsigned long long)o->memory.sent);
        return false;
    }
    render(o, o->to.items[i], text, &c->body);
    chat_send(c, NULL, verdicts, ".sms.txt");
    if (ret->state == DELIVERY_SENT && !o->http.directory && !json_text(c->json, "sid").n)
        chat_again(c, "the answer has no id of a message");
    if (ret->state == DELIVERY_SENT) {
        o->memory.sent++;
        o->memory.reached = true;
        snprintf(ret->remote, sizeof ret->remote, "%.*s",
                 SLICE_FMT(message_line(c->arena, json_text(c->json, "sid"), 40)));
    }
    o->memory.done[i] = ret->state != DELIVERY_RETRY;
    return ret->state != DELIVERY_RETRY && !ret->broken;
}

/* Sent when one has it and nobody is worth another try; else what the last of them says. */
static void send_all(struct sms *o, struct chat *c)
{
    struct delivery_result *ret = c->result;
    AUTO_BUF text = BUF_INIT;

    make_text(&c->m, &text);
    for (size_t i = 0; i < o->to.n; i++)
        if (!o->memory.done[i] && !send_one(o, c, i, &text))
            return;
    if (ret->state == DELIVERY_SENT || !o->memory.reached)
        return;
    ret->state = DELIVERY_SENT; /* `status` tells of the one that was refused */
}

static bool prepare(struct sms *o, struct chat *c)
{
    if (!o->http.directory) {
        if (!chat_secret(c, o->token, "token"))
            return false;
        http_basic(o->account, o->token, &c->authorization);
    }
    buf_printf(&c->url, "%.*s/2010-04-01/Accounts/%s/Messages.json", SLICE_FMT(chat_base(o->base)),
               o->account);
    c->content_type = "Content-Type: application/x-www-form-urlencoded";
    return true;
}

static void sms_deliver(struct sink *s, const struct delivery *d, struct delivery_result *ret)
{
    struct sms *o = s->state;
    struct chat c;

    remember(&o->memory, d);
    if (chat_begin(&c, &o->http, d, ret) && wanted(o, &c.m, ret) && prepare(o, &c))
        send_all(o, &c);
    chat_end(&c);
}

static void sms_close(struct sink *s)
{
    struct sms *o = s->state;

    if (o)
        secret_free(o->token);
}

const struct sink_ops sink_sms = {
    .name = "sms",
    .summary = "text messages by Twilio, for what is critical",
    .options = sms_options,
    .state_size = sizeof(struct sms),
    /* Twilio sends one a second from one number. Each costs money: few of them become one. */
    .pace = { .burst = 3, .every_us = 20 * USEC_PER_SEC, .digest_over = 3 },
    .open = sms_open,
    .deliver = sms_deliver,
    .close = sms_close,
};
