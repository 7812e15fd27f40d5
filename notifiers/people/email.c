/*
 * E-mail by a relay. The bytes are made in mail.c; libESMTP speaks SMTP in a
 * child with a hard deadline, because its connect() and name look-ups have none.
 *
 * Truth is what the server said: for the sender, each recipient and the
 * transfer, never the library's return value. The child tells these as lines of
 * text, judge() makes one result of them:
 *
 *     SENT   every recipient was accepted or refused for good, at least one accepted
 *     DEAD   the sender, the message or every recipient was refused for good (5xx)
 *     RETRY  anything else: 4xx, no answer, a login refused, an unknown end
 *
 * Who has the mail already is remembered for the next attempts, so that one
 * greylisted recipient does not bring the others a copy with each attempt. The
 * memory is lost with the process; then the fixed Message-Id tells readers.
 */
#include <stddef.h>
#include <sys/types.h>

#include <auth-client.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

/* Behind those: libesmtp.h declares what takes their types only when it knows them. */
#include <libesmtp.h>

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/file.h"
#include "base/ip.h"
#include "base/num.h"
#include "base/proc.h"
#include "base/secret.h"
#include "base/utf8.h"
#include "notifiers/kinds.h"
#include "notifiers/outbox-folder.h"
#include "notifiers/people/mail.h"

#define RECIPIENTS_MAX 64 /* one bit each in a mask */
#define KEY_MAX 80
#define MEMORY 16 /* deliveries whose recipients are remembered */

enum tls_mode {
    TLS_AUTO, /* required, but for a server on this machine */
    TLS_REQUIRED,
    TLS_OPPORTUNISTIC,
    TLS_NONE,
};

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
      .help = "Write the mails into this folder instead of sending them." },
    { 0 },
};

static struct slice server_host(const struct email *e)
{
    struct slice s = slice_str(e->server);
    size_t colon = slice_rfind_byte(s, ':');

    s = slice_take(s, colon == SIZE_MAX ? s.n : colon);
    return s;
}

static bool server_is_here(const struct email *e)
{
    struct slice host = server_host(e);
    struct ip ip;

    return slice_is(host, "localhost") ||
           (ip_parse(host, &ip) == 0 && ip.family == 4 && ip.bytes[0] == 127);
}

static int check_people(const struct email *e, struct err *err)
{
    if (!mail_address_ok(e->from))
        return err_set(err, -EINVAL, "'%s' is no mail address", e->from);
    if (e->to.n == 0 || e->to.n > RECIPIENTS_MAX)
        return err_set(err, -EINVAL, "a mail goes to 1 to %d addresses", RECIPIENTS_MAX);
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
    if (colon == SIZE_MAX || server_host(e).n == 0 || server_host(e).n > 253 ||
        parse_u64(slice_skip(server, colon + 1), 1, 65535, &port) < 0)
        return err_set(err, -EINVAL, "'%s' is no server: write HOST:PORT", e->server);
    if (slice_find_byte(server, ':') != colon)
        return err_set(err, -EINVAL, "'%s': the SMTP library takes no IPv6 address: write a name",
                       e->server);
    if (port == 465)
        return err_set(err, -EINVAL, "port 465 wants TLS from the start: use 587 (STARTTLS)");
    if (e->tls == TLS_AUTO)
        e->tls = server_is_here(e) ? TLS_OPPORTUNISTIC : TLS_REQUIRED;
    if (e->tls != TLS_REQUIRED && !server_is_here(e))
        return err_set(err, -EINVAL, "without TLS only to this machine: '%s' is another",
                       e->server);
    return 0;
}

/* ---- SMTP, in the child ---- */

/* What the conversation has come to, seen by on_traffic(). */
struct watch {
    bool starttls, tls; /* asked for; stands */
    bool complete; /* the answer to the last command has come whole */
    bool ahead; /* and bytes behind it, before TLS */
    bool login, logged_in;
    char head[5]; /* of the line that is coming */
    size_t column;
    char refusal[100];
};

struct session {
    const struct email *e;
    struct slice mail;
    uint64_t skip; /* recipients that need no attempt */
    bool given;
    int fd;
    struct watch watch;
};

static const char *on_message(void **ctx UNUSED, int *len, void *arg)
{
    struct session *s = arg;

    if (!len) { /* rewind */
        s->given = false;
        return NULL;
    }
    *len = s->given ? 0 : (int)s->mail.n;
    s->given = true;
    return *len ? s->mail.p : NULL;
}

static int on_auth(auth_client_request_t request, char **result, int fields, void *arg)
{
    const struct email *e = arg;

    for (int i = 0; i < fields; i++) {
        union {
            const char *in;
            char *out;
        } text = { NULL }; /* the library takes char *, and does not change it */

        if (request[i].flags & AUTH_USER)
            text.in = e->user;
        else if (request[i].flags & AUTH_PASS)
            text.in = secret_view(e->password).p;
        else
            return 0;
        result[i] = text.out;
    }
    return 1;
}

/*
 * Whether the certificate must be right. A relay on this machine has one of its
 * own making as a rule (Debian's "snakeoil"), and without TLS would do, too.
 */
static bool verifies(const struct email *e)
{
    return e->tls == TLS_REQUIRED || e->ca_file;
}

static bool trust_names(const struct email *e, SSL_CTX *x)
{
    X509_VERIFY_PARAM *p = SSL_CTX_get0_param(x);
    char host[256];
    struct ip ip;

    snprintf(host, sizeof host, "%.*s", SLICE_FMT(server_host(e)));
    if ((e->ca_file ? SSL_CTX_load_verify_locations(x, e->ca_file, NULL)
                    : SSL_CTX_set_default_verify_paths(x)) != 1)
        return false;
    return (ip_parse(slice_str(host), &ip) == 0 ? X509_VERIFY_PARAM_set1_ip_asc(p, host)
                                                : X509_VERIFY_PARAM_set1_host(p, host, 0)) == 1;
}

/* Our own context: TLS 1.2 at least, and the name in the configuration is the one to be proved. */
static SSL_CTX *tls_context(const struct email *e)
{
    SSL_CTX *x = SSL_CTX_new(TLS_client_method());

    if (!x)
        return NULL;
    SSL_CTX_set_min_proto_version(x, TLS1_2_VERSION);
    /*
     * Not 1.3: its session tickets come behind the handshake, the library takes
     * them for an answer and waits for ever instead of sending its EHLO.
     */
    SSL_CTX_set_max_proto_version(x, TLS1_2_VERSION);
    SSL_CTX_set_options(x, SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_verify(x, verifies(e) ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
    if (verifies(e) && !trust_names(e, x)) {
        SSL_CTX_free(x);
        return NULL;
    }
    return x;
}

static bool set_up_tls(const struct email *e, smtp_session_t session)
{
    SSL_CTX *x;

    if (e->tls == TLS_NONE)
        return smtp_starttls_enable(session, Starttls_DISABLED) != 0;
    x = tls_context(e);
    return x && smtp_starttls_set_ctx(session, x) &&
           smtp_starttls_enable(session,
                                e->tls == TLS_REQUIRED ? Starttls_REQUIRED : Starttls_ENABLED);
}

/* "@@" WHAT INDEX CODE TEXT: one line, whatever the server said. */
static void tell(int fd, const char *what, size_t index, const smtp_status_t *st)
{
    AUTO_BUF text = BUF_INIT;
    AUTO_BUF line = BUF_INIT;

    buf_printable(&text, slice_trim(slice_take(slice_str(st && st->text ? st->text : ""), 120)));
    buf_printf(&line, "\n@@%s %zu %d %s\n", what, index, st ? st->code : 0, text.p ? text.p : "");
    if (buf_ok(&line))
        (void)fd_write_all(fd, line.p, line.n);
}

/* Ends the child with a reason: for what the library would let pass. */
static void give_up(const struct session *s, const char *what, const char *detail)
{
    char text[160];
    const struct smtp_status failure = { .text = text };

    snprintf(text, sizeof text, "%s%s", what, detail);
    tell(s->fd, "failure", 0, &failure);
    _exit(1);
}

static void on_command(struct session *s, struct slice line)
{
    struct watch *w = &s->watch;

    w->complete = false;
    w->login =
        slice_starts(line, SLICE("AUTH ")) || (w->login && !slice_starts(line, SLICE("MAIL ")));
    w->starttls = w->starttls || slice_starts(line, SLICE("STARTTLS"));
    if (s->e->user && !w->logged_in && slice_starts(line, SLICE("MAIL ")))
        give_up(s, "login refused: ", w->refusal[0] ? w->refusal : "the relay offers none");
}

/* A line of an answer is whole; "NNN " ends the answer, "NNN-" does not. */
static void on_answer_line(struct session *s, struct slice line)
{
    struct watch *w = &s->watch;

    if (w->head[3] == '-')
        return;
    w->complete = true;
    if (w->login && w->head[0] == '2')
        w->logged_in = true;
    else if (w->login && w->head[0] != '3')
        snprintf(w->refusal, sizeof w->refusal, "%.*s", SLICE_FMT(slice_take(line, 90)));
}

/*
 * The library's monitor. It is for two things that the library gets wrong: after a
 * refused login it sends the mail without one, and bytes that came before
 * the TLS handshake are taken as answers behind it (a man in the middle could
 * have a mail "accepted" that way).
 */
static void on_traffic(const char *p, int n, int writing, void *arg)
{
    struct session *s = arg;
    struct watch *w = &s->watch;
    struct slice rest = slice_of(p, n > 0 ? (size_t)n : 0), line;

    if (writing) {
        on_command(s, rest);
        return;
    }
    while (rest.n) {
        size_t end = slice_find_byte(rest, '\n');

        line = slice_take(rest, end == SIZE_MAX ? rest.n : end + 1);
        w->ahead = w->ahead || (w->complete && !w->tls);
        for (size_t i = 0; i < line.n && w->column < 4; i++)
            w->head[w->column++] = line.p[i];
        if (end != SIZE_MAX) {
            on_answer_line(s, slice_trim(line));
            w->column = 0;
        }
        rest = slice_skip(rest, line.n);
    }
    if (w->starttls && w->ahead && !w->tls)
        give_up(s, "the relay answered before it was asked: ", "somebody is in between");
}

/*
 * The library's own checks run behind OpenSSL's. Its name check compares with
 * the name that DNS gives, and its cipher check knows no modern suites: our
 * context has settled both. An invalid certificate gets here only unverified.
 */
static void on_event(smtp_session_t session UNUSED, int event, void *arg, ...)
{
    struct session *s = arg;
    const struct email *e = s->e;
    va_list args;

    va_start(args, arg);
    switch (event) {
    case SMTP_EV_WRONG_PEER_CERTIFICATE:
        *va_arg(args, int *) = 1;
        break;
    case SMTP_EV_NO_PEER_CERTIFICATE:
        *va_arg(args, int *) = !verifies(e);
        break;
    case SMTP_EV_INVALID_PEER_CERTIFICATE:
        (void)va_arg(args, long);
        *va_arg(args, int *) = !verifies(e);
        break;
    case SMTP_EV_WEAK_CIPHER:
        (void)va_arg(args, long);
        *va_arg(args, int *) = 1;
        break;
    case SMTP_EV_STARTTLS_OK:
        s->watch.tls = true;
        break;
    default:
        break;
    }
    va_end(args);
}

static void set_timeouts(smtp_session_t session)
{
    static const struct {
        int which;
        long ms;
    } timeouts[] = {
        { Timeout_GREETING, 20000 },  { Timeout_ENVELOPE, 30000 }, { Timeout_DATA, 60000 },
        { Timeout_TRANSFER, 120000 }, { Timeout_DATA2, 120000 },
    };

    for (size_t i = 0; i < ARRAY_SIZE(timeouts); i++)
        smtp_set_timeout(session, timeouts[i].which | Timeout_OVERRIDE_RFC2822_MINIMUM,
                         timeouts[i].ms);
}

struct telling {
    const struct session *s;
    int fd;
    size_t next;
};

/* Comes in the order of smtp_add_recipient(). */
static void on_recipient(smtp_recipient_t r, const char *mailbox UNUSED, void *arg)
{
    struct telling *t = arg;

    while (t->next < RECIPIENTS_MAX - 1 && (t->s->skip >> t->next & 1))
        t->next++;
    tell(t->fd, "to", t->next++, smtp_recipient_status(r));
}

static void tell_all(const struct session *s, smtp_message_t message, int fd)
{
    const smtp_status_t *transfer = smtp_message_transfer_status(message);
    struct telling t = { .s = s, .fd = fd };
    struct smtp_status failure = { 0 };
    char text[160] = "";

    if (!transfer || transfer->code / 100 != 2) {
        failure.text = smtp_strerror(smtp_errno(), text, sizeof text);
        tell(fd, "failure", 0, &failure);
    }
    tell(fd, "from", 0, smtp_reverse_path_status(message));
    smtp_enumerate_recipients(message, on_recipient, &t);
    tell(fd, "transfer", 0, transfer);
}

static void set_up_login(const struct email *e, smtp_session_t session)
{
    union {
        const struct email *in;
        void *out;
    } arg = { e }; /* on_auth() only reads it */
    auth_context_t auth;

    if (!e->user || !e->password)
        return;
    auth_client_init();
    auth = auth_create_context();
    auth_set_mechanism_flags(auth, AUTH_PLUGIN_PLAIN, 0);
    auth_set_interact_cb(auth, on_auth, arg.out);
    smtp_auth_set_context(session, auth);
}

/* The child: it ends with everything it holds, so nothing is freed. */
static int talk(void *ctx, int out_fd)
{
    struct session *s = ctx;
    smtp_session_t session = smtp_create_session();
    smtp_message_t message = session ? smtp_add_message(session) : NULL;

    s->fd = out_fd;
    signal(SIGPIPE, SIG_IGN); /* the library does not ask for MSG_NOSIGNAL */
    if (!message || !smtp_set_server(session, s->e->server))
        return 1;
    if (!set_up_tls(s->e, session))
        give_up(s, "TLS could not be set up: ", "is ca_file right?");
    set_timeouts(session);
    smtp_set_eventcb(session, on_event, s);
    smtp_set_monitorcb(session, on_traffic, s, 0);
    set_up_login(s->e, session);
    smtp_set_reverse_path(message, s->e->from);
    smtp_set_messagecb(message, on_message, s);
    for (size_t i = 0; i < s->e->to.n; i++)
        if (!(s->skip >> i & 1))
            smtp_add_recipient(message, s->e->to.items[i]);
    (void)smtp_start_session(session); /* says 1 for failures, too */
    tell_all(s, message, out_fd);
    return 0;
}

/* ---- the parent's side ---- */

struct verdict {
    int from, transfer; /* codes; 0 = none */
    uint64_t accepted, refused;
    struct slice transfer_text, failure, said; /* said: the first refusal, code and text */
};

static bool read_line(struct slice line, struct slice *ret_what, uint64_t *ret_index, int *ret_code,
                      struct slice *ret_text)
{
    struct slice index, code;
    uint64_t n;

    if (!slice_starts(line, SLICE("@@")))
        return false;
    line = slice_skip(line, 2);
    if (!slice_split(&line, ' ', ret_what) || !slice_split(&line, ' ', &index) ||
        !slice_split(&line, ' ', &code) || parse_u64(index, 0, 63, ret_index) < 0 ||
        parse_u64(code, 0, 999, &n) < 0)
        return false;
    *ret_code = (int)n;
    *ret_text = line.p ? line : SLICE("");
    return true;
}

static void read_verdict(struct slice out, struct verdict *v)
{
    struct slice line, what, text;
    uint64_t index;
    int code;

    while (slice_split(&out, '\n', &line)) {
        if (!read_line(line, &what, &index, &code, &text))
            continue;
        if (slice_is(what, "failure"))
            v->failure = text;
        else if (slice_is(what, "from"))
            v->from = code;
        else if (slice_is(what, "to") && code / 100 == 2)
            v->accepted |= UINT64_C(1) << index;
        else if (slice_is(what, "to") && code / 100 == 5)
            v->refused |= UINT64_C(1) << index;
        else if (slice_is(what, "transfer"))
            v->transfer = code, v->transfer_text = text;
        if (code >= 400 && !v->said.p) /* its code and text, as the server said it */
            v->said = slice_of(text.p - 4, text.n + 4);
    }
}

static uint64_t everyone(const struct email *e)
{
    return e->to.n == 64 ? UINT64_MAX : (UINT64_C(1) << e->to.n) - 1;
}

/* What the server said, with what we knew before; p collects. */
static enum delivery_state judge(const struct email *e, const struct verdict *v, struct progress *p)
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

static void word(const struct email *e, const struct verdict *v, const struct progress *p,
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
    struct session session = { .e = e, .mail = mail, .skip = p->accepted | p->refused };
    struct proc_result r = { .out = BUF_LIMIT(65536) };
    struct verdict v = { 0 };
    struct err err = ERR_NONE;

    if (proc_call(talk, &session, e->timeout_us, &r, &err) < 0) {
        snprintf(ret->status, sizeof ret->status, "%.150s", err.text);
    } else if (r.timed_out) {
        snprintf(ret->status, sizeof ret->status, "smtp: no end within the deadline");
    } else {
        read_verdict(buf_view(&r.out), &v);
        if (!v.failure.p && !v.transfer)
            v.failure = SLICE("the mailer ended without a word");
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
    } else if (e->user && !e->password) {
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
    .options = email_options,
    .state_size = sizeof(struct email),
    .open = email_open,
    .deliver = email_deliver,
    .close = email_close,
};
