/*
 * E-mail by a relay. The bytes are made in mail.c, SMTP is spoken in smtp.c, by
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

static const char *const tls_choices[] = { "auto", "required", "opportunistic", "none", NULL };

/* Recipients of a delivery that need no further attempt. */
struct progress {
    char key[KEY_MAX];
    uint64_t accepted, refused;
};

struct email {
    const char *server, *user, *from, *ca_file, *directory;
    struct secret *password;
    struct option_strs to;
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
      .help = "Mail relay as HOST:PORT; STARTTLS, so no port 465." },
    { .name = "user",
      .type = OPTION_STR,
      .offset = AT(struct email, user),
      .help = "Name for the login at the relay." },
    { .name = "password",
      .type = OPTION_SECRET,
      .offset = AT(struct email, password),
      .help = "Password for it." },
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
    { .name = "tls",
      .type = OPTION_ENUM,
      .offset = AT(struct email, tls),
      .choices = tls_choices,
      .fallback = "auto",
      .help = "STARTTLS: auto requires it unless the relay is this machine." },
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

static bool server_is_here(const struct email *e)
{
    struct slice host = smtp_host(e->server);
    struct ip ip;

    return slice_is(host, "localhost") ||
           (ip_parse(host, &ip) == 0 && ip.family == 4 && ip.bytes[0] == 127);
}

static int check_people(const struct email *e, struct err *err)
{
    if (!mail_address_ok(e->from))
        return err_set(err, -EINVAL, "'%s' is no mail address", e->from);
    if (e->to.n == 0 || e->to.n > SMTP_RECIPIENTS_MAX)
        return err_set(err, -EINVAL, "a mail goes to 1 to %d addresses", SMTP_RECIPIENTS_MAX);
    for (size_t i = 0; i < e->to.n; i++)
        if (!mail_address_ok(e->to.items[i]))
            return err_set_at(err, -EINVAL, e->to.at[i], "'%s' is no mail address", e->to.items[i]);
    return 0;
}

static int email_open(struct sink *s, struct err *err)
{
    struct email *e = s->state;
    struct slice server = slice_str(e->server);
    size_t colon = slice_rfind_byte(server, ':');
    uint64_t port;

    if (check_people(e, err) < 0)
        return -EINVAL;
    if (colon == SIZE_MAX || smtp_host(e->server).n == 0 || smtp_host(e->server).n > 253 ||
        parse_u64(slice_skip(server, colon + 1), 1, 65535, &port) < 0)
        return err_set(err, -EINVAL, "'%s' is no server: write HOST:PORT", e->server);
    if (slice_find_byte(server, ':') != colon)
        return err_set(err, -EINVAL, "'%s': the SMTP library takes no IPv6 address: write a name",
                       e->server);
    if (port == 465)
        return err_set(err, -EINVAL, "port 465 wants TLS from the start: use 587 (STARTTLS)");
    if (e->tls == SMTP_TLS_AUTO)
        e->tls = server_is_here(e) ? SMTP_TLS_OPPORTUNISTIC : SMTP_TLS_REQUIRED;
    if (e->tls != SMTP_TLS_REQUIRED && !server_is_here(e))
        return err_set(err, -EINVAL, "without TLS only to this machine: '%s' is another",
                       e->server);
    return 0;
}

static uint64_t everyone(const struct email *e)
{
    return e->to.n == 64 ? UINT64_MAX : (UINT64_C(1) << e->to.n) - 1;
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
                 e->to.n, SLICE_FMT(utf8_cut(text, 110)));
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

static void send_mail(struct email *e, const struct delivery *d, struct slice mail,
                      struct delivery_result *ret)
{
    struct progress *p = remember(e, d->key, d->attempt <= 1);
    struct smtp_job job = {
        .server = e->server,
        .user = e->user,
        .password = e->password,
        .ca_file = e->ca_file,
        .tls = (enum smtp_tls)e->tls,
        .from = e->from,
        .to = e->to.items,
        .nto = e->to.n,
        .skip = p->accepted | p->refused,
        .mail = mail,
    };
    struct proc_result r = { .out = BUF_LIMIT(SMTP_TOLD_MAX) };
    struct smtp_verdict v = { 0 };
    struct err err = ERR_NONE;

    if (proc_call(smtp_talk, &job, e->timeout_us, &r, &err) < 0) {
        snprintf(ret->status, sizeof ret->status, "%.150s", err.text);
    } else {
        smtp_read(buf_view(&r.out), &v);
        if (!v.failure.p && !v.transfer)
            v.failure = r.timed_out ? SLICE("no end within the deadline")
                                    : SLICE("the mailer ended without a word");
        ret->state = judge(e, &v, p);
        word(e, &v, p, ret->state, ret);
    }
    buf_fini(&r.out);
}

static void email_deliver(struct sink *s, const struct delivery *d, struct delivery_result *ret)
{
    struct email *e = s->state;
    const struct mail_people who = { .from = e->from, .to = e->to.items, .nto = e->to.n };
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
    } else if (e->user && secret_view(e->password).n == 0) {
        snprintf(ret->status, sizeof ret->status, "the password could not be read");
    } else {
        send_mail(e, d, buf_view(&mail), ret);
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
    .options = email_options,
    .state_size = sizeof(struct email),
    .open = email_open,
    .deliver = email_deliver,
    .close = email_close,
};
