/* SMTP by libESMTP, with guards where the library is careless. In the child. */
#include <stddef.h>
#include <sys/types.h>

#include <auth-client.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

/* Behind those: libesmtp.h declares what takes their types only when it knows them. */
#include <libesmtp.h>

#include <stdarg.h>
#include <stdio.h>

#include "base/ip.h"
#include "notifiers/people/smtp-private.h"

struct session {
    struct dialogue *d;
    const struct smtp_job *job;
    bool given, told;
};

static const char *on_message(void **ctx UNUSED, int *len, void *arg)
{
    struct session *s = arg;

    if (!len) { /* rewind */
        s->given = false;
        return NULL;
    }
    *len = s->given ? 0 : (int)s->job->mail.n;
    s->given = true;
    return *len ? s->job->mail.p : NULL;
}

static int on_auth(auth_client_request_t request, char **result, int fields, void *arg)
{
    const struct smtp_job *job = arg;

    for (int i = 0; i < fields; i++) {
        union {
            const char *in;
            char *out;
        } text = { NULL }; /* the library takes char *, and does not change it */

        if (request[i].flags & AUTH_USER)
            text.in = job->user;
        else if (request[i].flags & AUTH_PASS)
            text.in = secret_view(job->password).p;
        else
            return 0;
        result[i] = text.out;
    }
    return 1;
}

static bool trust_names(const struct smtp_job *job, SSL_CTX *x)
{
    X509_VERIFY_PARAM *p = SSL_CTX_get0_param(x);
    struct smtp_server server;
    char host[256];
    struct ip ip;

    if (smtp_server_parse(job->server, &server, NULL) < 0)
        return false;
    snprintf(host, sizeof host, "%.*s", SLICE_FMT(server.host));
    if ((job->ca_file ? SSL_CTX_load_verify_locations(x, job->ca_file, NULL)
                      : SSL_CTX_set_default_verify_paths(x)) != 1)
        return false;
    return (ip_parse(server.host, &ip) == 0 ? X509_VERIFY_PARAM_set1_ip_asc(p, host)
                                            : X509_VERIFY_PARAM_set1_host(p, host, 0)) == 1;
}

/* The library only says "Client error" of a certificate that is not right. */
static int on_certificate(int fine, X509_STORE_CTX *store)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct dialogue *d = ssl ? SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)) : NULL;

    if (!fine && d)
        snprintf(d->refusal, sizeof d->refusal, "certificate: %s",
                 X509_verify_cert_error_string(X509_STORE_CTX_get_error(store)));
    return fine;
}

/* Our own context: TLS 1.2 at least, and the name in the configuration is the one to be proved. */
static SSL_CTX *tls_context(struct dialogue *d)
{
    const struct smtp_job *job = d->job;
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
    SSL_CTX_set_app_data(x, d);
    SSL_CTX_set_verify(x, smtp_verifies(job) ? SSL_VERIFY_PEER : SSL_VERIFY_NONE,
                       smtp_verifies(job) ? on_certificate : NULL);
    if (smtp_verifies(job) && !trust_names(job, x)) {
        SSL_CTX_free(x);
        return NULL;
    }
    return x;
}

static bool set_up_tls(struct dialogue *d, smtp_session_t session)
{
    SSL_CTX *x;

    if (d->job->tls == SMTP_TLS_NONE)
        return smtp_starttls_enable(session, Starttls_DISABLED) != 0;
    x = tls_context(d);
    return x && smtp_starttls_set_ctx(session, x) &&
           smtp_starttls_enable(session, d->job->tls == SMTP_TLS_REQUIRED ? Starttls_REQUIRED
                                                                          : Starttls_ENABLED);
}

/* The library's monitor, which sees the password, too. */
static void on_traffic(const char *p, int n, int writing, void *arg)
{
    struct session *s = arg;
    struct slice bytes = slice_of(p, n > 0 ? (size_t)n : 0);

    if (writing)
        dialogue_said(s->d, bytes);
    else
        dialogue_heard(s->d, bytes);
}

static void tell_status(const struct session *s, const char *what, size_t index,
                        const smtp_status_t *st)
{
    dialogue_tell(s->d, what, index, st ? st->code : 0, slice_str(st && st->text ? st->text : ""));
}

struct telling {
    const struct session *s;
    size_t next;
};

/* Comes in the order of smtp_add_recipient(). */
static void on_recipient(smtp_recipient_t r, const char *mailbox UNUSED, void *arg)
{
    struct telling *t = arg;

    t->next = smtp_next_recipient(t->s->job, t->next);
    if (t->next < SMTP_RECIPIENTS_MAX)
        tell_status(t->s, "to", t->next++, smtp_recipient_status(r));
}

/* What a handshake failed by stands in OpenSSL's queue; all else the library says itself. */
static void tell_failure(const struct session *s)
{
    const char *tls = ERR_reason_error_string(ERR_peek_last_error()), *text;
    char buffer[160] = "";

    if (s->d->starttls && !s->d->tls && tls && !s->d->refusal[0]) {
        snprintf(buffer, sizeof buffer, "TLS: %s", tls);
        text = buffer;
    } else {
        text = smtp_strerror(smtp_errno(), buffer, sizeof buffer);
    }
    dialogue_tell_failure(s->d, text ? text : "");
}

static void tell_all(struct session *s, smtp_message_t message)
{
    const smtp_status_t *transfer = smtp_message_transfer_status(message);
    struct telling t = { .s = s };

    if (s->told)
        return;
    s->told = true;
    if (!transfer || transfer->code / 100 != 2)
        tell_failure(s);
    tell_status(s, "from", 0, smtp_reverse_path_status(message));
    smtp_enumerate_recipients(message, on_recipient, &t);
    tell_status(s, "transfer", 0, transfer);
}

/*
 * The library's own checks run behind OpenSSL's. Its name check compares with
 * the name that DNS gives, and its cipher check knows no modern suites: our
 * context has settled both. An invalid certificate gets here only unverified.
 */
static void on_event(smtp_session_t session UNUSED, int event, void *arg, ...)
{
    struct session *s = arg;
    va_list args;

    va_start(args, arg);
    switch (event) {
    case SMTP_EV_WRONG_PEER_CERTIFICATE:
        *va_arg(args, int *) = 1;
        break;
    case SMTP_EV_NO_PEER_CERTIFICATE:
        *va_arg(args, int *) = !smtp_verifies(s->job);
        break;
    case SMTP_EV_INVALID_PEER_CERTIFICATE:
        (void)va_arg(args, long);
        *va_arg(args, int *) = !smtp_verifies(s->job);
        break;
    case SMTP_EV_WEAK_CIPHER:
        (void)va_arg(args, long);
        *va_arg(args, int *) = 1;
        break;
    case SMTP_EV_STARTTLS_OK:
        s->d->tls = true;
        break;
    case SMTP_EV_MESSAGESENT: /* now, since a relay may be silent at the QUIT */
        tell_all(s, va_arg(args, smtp_message_t));
        dialogue_told_all();
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

static void set_up_login(const struct smtp_job *job, smtp_session_t session)
{
    union {
        const struct smtp_job *in;
        void *out;
    } arg = { job }; /* on_auth() only reads it */
    auth_context_t auth;

    if (!job->user || !job->password)
        return;
    auth_client_init();
    auth = auth_create_context();
    auth_set_mechanism_flags(auth, AUTH_PLUGIN_PLAIN, 0);
    auth_set_interact_cb(auth, on_auth, arg.out);
    smtp_auth_set_context(session, auth);
}

/* Only of failures: a relay that is slow needs no mail of its own about that. */
static void add_recipients(const struct smtp_job *job, smtp_message_t message)
{
    size_t i = smtp_next_recipient(job, 0);

    for (; i < SMTP_RECIPIENTS_MAX; i = smtp_next_recipient(job, i + 1)) {
        smtp_recipient_t r = smtp_add_recipient(message, job->to[i]);

        if (r)
            smtp_dsn_set_notify(r, Notify_FAILURE);
    }
}

/* The child ends with everything it holds, so nothing is freed. */
int smtp_by_esmtp(struct dialogue *d)
{
    struct session whole = { .job = d->job, .d = d }, *s = &whole;
    smtp_session_t session = smtp_create_session();
    smtp_message_t message = session ? smtp_add_message(session) : NULL;

    if (!message || !smtp_set_server(session, s->job->server))
        return 1;
    if (!set_up_tls(d, session))
        dialogue_give_up(d, "TLS could not be set up: ", "is ca_file right?");
    set_timeouts(session);
    smtp_set_eventcb(session, on_event, s);
    smtp_set_monitorcb(session, on_traffic, s, 0);
    set_up_login(s->job, session);
    smtp_set_reverse_path(message, s->job->from);
    smtp_set_messagecb(message, on_message, s);
    add_recipients(s->job, message);
    (void)smtp_start_session(session); /* says 1 for failures, too */
    tell_all(s, message);
    return 0;
}
