/* SMTP by libESMTP, with guards where the library is careless. */
#include <stddef.h>
#include <sys/types.h>

#include <auth-client.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

/* Behind those: libesmtp.h declares what takes their types only when it knows them. */
#include <libesmtp.h>

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/file.h"
#include "base/ip.h"
#include "base/num.h"
#include "base/utf8.h"
#include "notifiers/people/smtp.h"

struct slice smtp_host(const char *server)
{
    struct slice s = slice_str(server);
    size_t colon = slice_rfind_byte(s, ':');

    s = slice_take(s, colon == SIZE_MAX ? s.n : colon);
    return s;
}

/* ---- in the child ---- */

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
    const struct smtp_job *job;
    bool given, told;
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

/*
 * Whether the certificate must be right. A relay on this machine has one of its
 * own making as a rule (Debian's "snakeoil"), and without TLS would do, too.
 */
static bool verifies(const struct smtp_job *job)
{
    return job->tls == SMTP_TLS_REQUIRED || job->ca_file;
}

static bool trust_names(const struct smtp_job *job, SSL_CTX *x)
{
    X509_VERIFY_PARAM *p = SSL_CTX_get0_param(x);
    char host[256];
    struct ip ip;

    snprintf(host, sizeof host, "%.*s", SLICE_FMT(smtp_host(job->server)));
    if ((job->ca_file ? SSL_CTX_load_verify_locations(x, job->ca_file, NULL)
                      : SSL_CTX_set_default_verify_paths(x)) != 1)
        return false;
    return (ip_parse(slice_str(host), &ip) == 0 ? X509_VERIFY_PARAM_set1_ip_asc(p, host)
                                                : X509_VERIFY_PARAM_set1_host(p, host, 0)) == 1;
}

/* Our own context: TLS 1.2 at least, and the name in the configuration is the one to be proved. */
static SSL_CTX *tls_context(const struct smtp_job *job)
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
    SSL_CTX_set_verify(x, verifies(job) ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
    if (verifies(job) && !trust_names(job, x)) {
        SSL_CTX_free(x);
        return NULL;
    }
    return x;
}

static bool set_up_tls(const struct smtp_job *job, smtp_session_t session)
{
    SSL_CTX *x;

    if (job->tls == SMTP_TLS_NONE)
        return smtp_starttls_enable(session, Starttls_DISABLED) != 0;
    x = tls_context(job);
    return x && smtp_starttls_set_ctx(session, x) &&
           smtp_starttls_enable(session, job->tls == SMTP_TLS_REQUIRED ? Starttls_REQUIRED
                                                                       : Starttls_ENABLED);
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
    if (s->job->user && !w->logged_in && slice_starts(line, SLICE("MAIL ")))
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

struct telling {
    const struct session *s;
    int fd;
    size_t next;
};

/* Comes in the order of smtp_add_recipient(). */
static void on_recipient(smtp_recipient_t r, const char *mailbox UNUSED, void *arg)
{
    struct telling *t = arg;

    while (t->next < SMTP_RECIPIENTS_MAX - 1 && (t->s->job->skip >> t->next & 1))
        t->next++;
    tell(t->fd, "to", t->next++, smtp_recipient_status(r));
}

static void tell_all(struct session *s, smtp_message_t message)
{
    const smtp_status_t *transfer = smtp_message_transfer_status(message);
    struct telling t = { .s = s, .fd = s->fd };
    struct smtp_status failure = { 0 };
    char text[160] = "";

    if (s->told)
        return;
    s->told = true;
    if (!transfer || transfer->code / 100 != 2) {
        failure.text = smtp_strerror(smtp_errno(), text, sizeof text);
        tell(s->fd, "failure", 0, &failure);
    }
    tell(s->fd, "from", 0, smtp_reverse_path_status(message));
    smtp_enumerate_recipients(message, on_recipient, &t);
    tell(s->fd, "transfer", 0, transfer);
}

/*
 * The library's own checks run behind OpenSSL's. Its name check compares with
 * the name that DNS gives, and its cipher check knows no modern suites: our
 * context has settled both. An invalid certificate gets here only unverified.
 */
static void on_event(smtp_session_t session UNUSED, int event, void *arg, ...)
{
    struct session *s = arg;
    const struct smtp_job *job = s->job;
    va_list args;

    va_start(args, arg);
    switch (event) {
    case SMTP_EV_WRONG_PEER_CERTIFICATE:
        *va_arg(args, int *) = 1;
        break;
    case SMTP_EV_NO_PEER_CERTIFICATE:
        *va_arg(args, int *) = !verifies(job);
        break;
    case SMTP_EV_INVALID_PEER_CERTIFICATE:
        (void)va_arg(args, long);
        *va_arg(args, int *) = !verifies(job);
        break;
    case SMTP_EV_WEAK_CIPHER:
        (void)va_arg(args, long);
        *va_arg(args, int *) = 1;
        break;
    case SMTP_EV_STARTTLS_OK:
        s->watch.tls = true;
        break;
    case SMTP_EV_MESSAGESENT: /* now, since a relay may be silent at the QUIT */
        tell_all(s, va_arg(args, smtp_message_t));
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

/* The child: it ends with everything it holds, so nothing is freed. */
int smtp_talk(void *ctx, int out_fd)
{
    struct session whole = { .job = ctx, .fd = out_fd }, *s = &whole;
    smtp_session_t session = smtp_create_session();
    smtp_message_t message = session ? smtp_add_message(session) : NULL;

    signal(SIGPIPE, SIG_IGN); /* the library does not ask for MSG_NOSIGNAL */
    if (!message || !smtp_set_server(session, s->job->server))
        return 1;
    if (!set_up_tls(s->job, session))
        give_up(s, "TLS could not be set up: ", "is ca_file right?");
    set_timeouts(session);
    smtp_set_eventcb(session, on_event, s);
    smtp_set_monitorcb(session, on_traffic, s, 0);
    set_up_login(s->job, session);
    smtp_set_reverse_path(message, s->job->from);
    smtp_set_messagecb(message, on_message, s);
    for (size_t i = 0; i < s->job->nto; i++)
        if (!(s->job->skip >> i & 1))
            smtp_add_recipient(message, s->job->to[i]);
    (void)smtp_start_session(session); /* says 1 for failures, too */
    tell_all(s, message);
    return 0;
}

/* ---- in the parent ---- */

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
        parse_u64(code, 0, 999, &n) < 0 || !line.p)
        return false;
    *ret_code = (int)n;
    *ret_text = line;
    return true;
}

void smtp_read(struct slice out, struct smtp_verdict *v)
{
    struct slice line, what, text;
    uint64_t index;
    int code;

    while (slice_split(&out, '\n', &line)) {
        if (!read_line(line, &what, &index, &code, &text))
            continue;
        if (slice_is(what, "failure")) {
            v->failure = text;
        } else if (slice_is(what, "from")) {
            v->from = code;
        } else if (slice_is(what, "to")) {
            v->accepted |= (uint64_t)(code / 100 == 2) << index;
            v->refused |= (uint64_t)(code / 100 == 5) << index;
        } else if (slice_is(what, "transfer")) {
            v->transfer = code;
            v->transfer_text = text;
        }
        if (code >= 400 && !v->said.p) /* its code and text, as the server said it */
            v->said = slice_of(text.p - 4, text.n + 4);
    }
}
