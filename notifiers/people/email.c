/*
 * E-mail by a relay. The bytes are made in mail.c, SMTP is spoken behind smtp.h, by
 * a child with a hard deadline. judge() makes one result of what the relay said
 * about the sender, each recipient and the transfer:
 *
 *     SENT   every recipient was accepted or refused for good, at least one accepted
 *     DEAD   the sender, the message or every recipient was refused for good (5xx)
 *     RETRY  anything else: 4xx, no answer, a login refused, an unknown end
 *
 * Who has the mail already is remembered for the next attempts, so that one
 * greylisted recipient does not bring the others a copy with each attempt. The
 * memory is lost with the process; then the fixed Message-Id tells readers.
 */
#include <errno.h>
#include <stdio.h>

#include "base/ip.h"
#include "base/num.h"
#include "base/proc.h"
#include "base/utf8.h"
#include "notifiers/kinds.h"
#include "notifiers/outbox-folder.h"
#include "notifiers/people/mail.h"
#include "notifiers/people/smtp.h"

#define KEY_MAX 80
#define MEMORY 16 /* deliveries whose recipients are remembered */

/* In the order of enum smtp_tls. */
static const char *const tls_choices[] = { "auto",          "implicit", "required",
                                           "opportunistic", "none",     NULL };

/* Recipients of a delivery that need no further attempt. */
struct progress {
    char key[KEY_MAX];
    uint64_t accepted, refused;
};

struct email {
    const char *server, *user, *from, *reply_to, *ca_file, *directory, *token_file;
    struct secret *password;
    struct option_strs to, cc, bcc;
    const char *people[SMTP_RECIPIENTS_MAX]; /* all of them, in this order */
    size_t npeople;
    int tls;
    uint64_t timeout_us;
    struct progress memory[MEMORY];
    unsigned oldest;
};

static const struct option email_options[] = {
    { .name = "server",
      .type = OPTION_STR,
      .offset = AT(struct email, server),
      .fallback = "localhost:25",
      .help = "Mail relay as HOST:PORT or [IPV6]:PORT." },
    { .name = "user",
      .type = OPTION_STR,
      .offset = AT(struct email, user),
      .help = "Name for the login at the relay." },
    { .name = "password",
      .type = OPTION_SECRET,
      .offset = AT(struct email, password),
      .help = "Password for it." },
    { .name = "token_file",
      .type = OPTION_STR,
      .offset = AT(struct email, token_file),
      .path = PATH_READ,
      .help = "Instead of a password: file with an OAuth access token, read for each attempt." },
    { .name = "from",
      .type = OPTION_STR,
      .offset = AT(struct email, from),
      .required = true,
      .help = "Sender's address." },
    { .name = "to",
      .type = OPTION_STRS,
      .offset = AT(struct email, to),
      .required = true,
      .help = "Addresses that get the mail." },
    { .name = "cc",
      .type = OPTION_STRS,
      .offset = AT(struct email, cc),
      .help = "Addresses that get a copy." },
    { .name = "bcc",
      .type = OPTION_STRS,
      .offset = AT(struct email, bcc),
      .help = "Addresses that get a copy and are not named in it." },
    { .name = "reply_to",
      .type = OPTION_STR,
      .offset = AT(struct email, reply_to),
      .help = "Address for answers." },
    { .name = "tls",
      .type = OPTION_ENUM,
      .offset = AT(struct email, tls),
      .choices = tls_choices,
      .fallback = "auto",
      .help = "implicit: from the start; required: STARTTLS; auto: implicit on port 465, else "
              "required unless the relay is this machine." },
    { .name = "ca_file",
      .type = OPTION_STR,
      .offset = AT(struct email, ca_file),
      .path = PATH_READ,
      .help = "Certificates to trust instead of the system's." },
    { .name = "timeout",
      .type = OPTION_DURATION,
      .offset = AT(struct email, timeout_us),
      .fallback = "60s",
      .min = "2s",
      .max = "5m",
      .help = "For one attempt, all of it." },
    { .name = "directory",
      .type = OPTION_STR,
      .offset = AT(struct email, directory),
      .path = PATH_WRITE,
      .help = "Write the mails into this folder instead of sending them." },
    { 0 },
};

/* ---- configuration ---- */

static int add_people(struct email *e, const struct option_strs *list, struct err *err)
{
    for (size_t i = 0; i < list->n; i++) {
        if (!mail_address_ok(list->items[i]))
            return err_set_at(err, -EINVAL, list->at[i], "'%s' is no mail address", list->items[i]);
        if (e->npeople == SMTP_RECIPIENTS_MAX)
            return err_set_at(err, -EINVAL, list->at[i], "a mail goes to 1 to %d addresses",
                              SMTP_RECIPIENTS_MAX);
        e->people[e->npeople++] = list->items[i];
    }
    return 0;
}

static int check_people(struct email *e, struct err *err)
{
    const char *const senders[] = { e->from, e->reply_to };

    for (size_t i = 0; i < ARRAY_SIZE(senders); i++)
        if (senders[i] && !mail_address_ok(senders[i]))
            return err_set(err, -EINVAL, "'%s' is no mail address", senders[i]);
    if (e->to.n == 0)
        return err_set(err, -EINVAL, "a mail goes to 1 to %d addresses", SMTP_RECIPIENTS_MAX);
    e->npeople = 0;
    if (add_people(e, &e->to, err) < 0 || add_people(e, &e->cc, err) < 0)
        return -EINVAL;
    return add_people(e, &e->bcc, err);
}

static int check_login(const struct email *e, struct err *err)
{
    if (e->password && e->token_file)
        return err_set(err, -EINVAL, "a login has a password or a token_file, not both");
    if (e->user && !e->password && !e->token_file)
        return err_set(err, -EINVAL, "user '%s' has no password and no token_file", e->user);
    if (!e->user && (e->password || e->token_file))
        return err_set(err, -EINVAL, "a login needs the option user, too");
    return 0;
}

static int check_tls(struct email *e, const struct smtp_server *server, struct err *err)
{
    bool here = smtp_is_loopback(server), submissions = server->port == 465;

    if (e->tls == SMTP_TLS_AUTO)
        e->tls = submissions ? SMTP_TLS_IMPLICIT
                 : here      ? SMTP_TLS_OPPORTUNISTIC
                             : SMTP_TLS_REQUIRED;
    if (submissions && e->tls != SMTP_TLS_IMPLICIT)
        return err_set(err, -EINVAL,
                       "port 465 wants TLS from the start: tls: implicit, or port 587");
    if (e->tls != SMTP_TLS_REQUIRED && e->tls != SMTP_TLS_IMPLICIT && !here)
        return err_set(err, -EINVAL, "without TLS only to this machine: '%s' is another",
                       e->server);
    return 0;
}

static int email_open(struct sink *s, struct err *err)
{
    struct email *e = s->state;
    struct smtp_server server;

    if (check_people(e, err) < 0 || smtp_server_parse(e->server, &server, err) < 0 ||
        check_login(e, err) < 0)
        return -EINVAL;
    return check_tls(e, &server, err);
}

/* ---- what came of it ---- */

static uint64_t everyone(const struct email *e)
{
    return e->npeople == 64 ? UINT64_MAX : (UINT64_C(1) << e->npeople) - 1;
}

/* What the server said, with what we knew before; p collects. */
static enum delivery_state judge(const struct email *e, const struct smtp_verdict *v,
                                 struct progress *p)
{
    if (v->transfer / 100 == 2)
        p->accepted |= v->accepted;
    p->refused |= v->refused;
    /* The sender or the message, so for all. But 530 only asks for a login, and DATA without
     * a recipient is refused as a matter of form. */
    if ((v->from / 100 == 5 && v->from != 530) || (v->transfer / 100 == 5 && v->accepted))
        p->refused |= everyone(e) & ~p->accepted;
    if ((p->accepted | p->refused) != everyone(e))
        return DELIVERY_RETRY;
    return p->accepted ? DELIVERY_SENT : DELIVERY_DEAD;
}

static void word(const struct email *e, const struct smtp_verdict *v, const struct progress *p,
                 enum delivery_state state, struct delivery_result *ret)
{
    struct slice text = v->said.p ? v->said : v->failure;
    unsigned has = (unsigned)__builtin_popcountll(p->accepted);

    if (state == DELIVERY_SENT && !v->said.p)
        snprintf(ret->status, sizeof ret->status, "smtp: accepted, %d %.*s", v->transfer,
                 SLICE_FMT(utf8_cut(v->transfer_text, 110)));
    else if (has)
        snprintf(ret->status, sizeof ret->status, "smtp: accepted for %u of %zu: %.*s", has,
                 e->npeople, SLICE_FMT(utf8_cut(text, 110)));
    else
        snprintf(ret->status, sizeof ret->status, "smtp: %.*s", SLICE_FMT(utf8_cut(text, 140)));
    if (state == DELIVERY_SENT)
        snprintf(ret->remote, sizeof ret->remote, "%.*s",
                 SLICE_FMT(utf8_cut(v->transfer_text, 79)));
    secret_scrub(e->password, ret->status);
}

/* The place for this delivery: the one it had, or the oldest. */
static struct progress *remember(struct email *e, struct slice key, bool first)
{
    struct progress *p;

    for (size_t i = 0; i < MEMORY && !first; i++)
        if (slice_is(key, e->memory[i].key))
            return &e->memory[i];
    p = &e->memory[e->oldest++ % MEMORY];
    *p = (struct progress){ 0 };
    if (key.n < KEY_MAX)
        memcpy(p->key, key.p, key.n);
    return p;
}

/* What the child did not say itself: it was killed, or died. */
static struct slice no_word(const struct smtp_verdict *v, bool timed_out, char *text, size_t size)
{
    if (!timed_out)
        return SLICE("the mailer ended without a word");
    snprintf(text, size, "no end within the deadline; waited for %.*s",
             SLICE_FMT(v->step.p ? v->step : SLICE("the greeting")));
    return slice_str(text);
}

static void take_verdict(struct email *e, const struct proc_result *r, struct progress *p,
                         struct delivery_result *ret)
{
    struct smtp_verdict v = { 0 };
    char text[100];

    smtp_read(buf_view(&r->out), &v);
    if (!v.failure.p && !v.transfer)
        v.failure = no_word(&v, r->timed_out, text, sizeof text);
    ret->state = judge(e, &v, p);
    word(e, &v, p, ret->state, ret);
}

/* ---- sending ---- */

static void send_mail(struct email *e, const struct delivery *d, struct slice mail,
                      const struct secret *token, struct delivery_result *ret)
{
    struct progress *p = remember(e, d->key, d->attempt <= 1);
    struct smtp_job job = {
        .server = e->server,
        .user = e->user,
        .password = e->password,
        .token = token,
        .ca_file = e->ca_file,
        .tls = (enum smtp_tls)e->tls,
        .from = e->from,
        .to = e->people,
        .nto = e->npeople,
        .skip = p->accepted | p->refused,
        .mail = mail,
    };
    struct proc_result r = { .out = BUF_LIMIT(SMTP_TOLD_MAX) };
    struct err err = ERR_NONE;

    if (proc_call(smtp_talk, &job, e->timeout_us, &r, &err) < 0)
        snprintf(ret->status, sizeof ret->status, "%.150s", err.text);
    else
        take_verdict(e, &r, p, ret);
    secret_scrub(token, ret->status);
    buf_fini(&r.out);
}

/* With what the login needs. A token lives for an hour, so its file is read each time. */
static void log_in_and_send(struct email *e, const struct delivery *d, struct slice mail,
                            struct delivery_result *ret)
{
    AUTO(secret) token = NULL;
    struct err err = ERR_NONE;

    if (e->token_file && secret_from_file(e->token_file, &token, &err) < 0)
        snprintf(ret->status, sizeof ret->status, "token_file: %.140s", err.text);
    else if (e->password && secret_view(e->password).n == 0)
        snprintf(ret->status, sizeof ret->status, "the password could not be read");
    else
        send_mail(e, d, mail, token, ret);
}

static void email_deliver(struct sink *s, const struct delivery *d, struct delivery_result *ret)
{
    struct email *e = s->state;
    const struct mail_people who = { .from = e->from,
                                     .reply_to = e->reply_to,
                                     .to = e->to.items,
                                     .nto = e->to.n,
                                     .cc = e->cc.items,
                                     .ncc = e->cc.n };
    AUTO(arena) a = arena_new(32768, 4 << 20);
    AUTO_BUF mail = BUF_INIT;
    struct message m;
    struct err err = ERR_NONE;

    ret->state = DELIVERY_RETRY;
    if (!a || message_make(d, a, &m, &err) < 0 || mail_make(&who, &m, d, &mail) < 0) {
        ret->state = err.code == -EINVAL ? DELIVERY_DEAD : DELIVERY_RETRY;
        snprintf(ret->status, sizeof ret->status, "%.150s", err.code ? err.text : "out of memory");
    } else if (e->directory) {
        folder_deliver(e->directory, ".eml", d, buf_view(&mail), ret);
    } else {
        log_in_and_send(e, d, buf_view(&mail), ret);
    }
}

static void email_close(struct sink *s)
{
    struct email *e = s->state;

    if (e)
        secret_free(e->password);
}

const struct sink_ops sink_email = {
    .name = "email",
    .summary = "mail by a relay, text and HTML",
    .loads_libraries = true, /* SASL plugins of libesmtp */
    .pace = { .burst = 10, .every_us = 6 * USEC_PER_SEC, .digest_over = 10 },
    .options = email_options,
    .state_size = sizeof(struct email),
    .open = email_open,
    .deliver = email_deliver,
    .close = email_close,
};
