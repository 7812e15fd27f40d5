/*
 * SMTP by libcurl, for what libESMTP cannot: TLS from the start, TLS 1.3, OAuth
 * tokens, IPv6. In the child.
 *
 * One transaction for all recipients: MAIL_RCPT_ALLOWFAILS has the library go on
 * when some are refused. What was said about each is read from the answers
 * themselves, in the debug callback: the library sends one command at a time. The
 * alternative, a transaction for each recipient, would be up to 64 mails for each alert.
 */
#include <curl/curl.h>
#include <stdio.h>

#include "notifiers/people/smtp-private.h"

#if LIBCURL_VERSION_NUM >= 0x080200
#define SOME_MAY_FAIL CURLOPT_MAIL_RCPT_ALLOWFAILS
#else
#define SOME_MAY_FAIL CURLOPT_MAIL_RCPT_ALLLOWFAILS /* sic */
#endif

struct upload {
    struct dialogue *d;
    const struct smtp_job *job;
    CURL *curl;
    struct slice rest;
    size_t recipient; /* whose answer comes next */
    bool told; /* the transfer */
};

/* ---- what comes and goes ---- */

static size_t on_read(char *out, size_t size, size_t n, void *ctx)
{
    struct upload *u = ctx;
    struct slice part = slice_take(u->rest, size * n);

    if (part.n)
        memcpy(out, part.p, part.n);
    u->rest = slice_skip(u->rest, part.n);
    return part.n;
}

static size_t on_write(char *p UNUSED, size_t size, size_t n, void *ctx UNUSED)
{
    return size * n; /* answers come by on_debug() */
}

static void on_transfer(struct upload *u, int code, struct slice text)
{
    dialogue_tell(u->d, "transfer", 0, code, text);
    dialogue_told_all();
    u->told = true;
}

/*
 * The library goes on without a login when none is offered. Where STARTTLS is
 * still to come the offer may come behind it.
 */
static void check_offer(const struct dialogue *d)
{
    bool last = d->tls || d->job->tls == SMTP_TLS_NONE;

    if (d->job->user && last && !d->login_offered)
        dialogue_give_up(d, "login refused: ", "the relay offers none");
}

static void on_answer(struct dialogue *d, int code, struct slice text)
{
    struct upload *u = d->arg;

    if (d->step == STEP_EHLO && code / 100 == 2) {
        check_offer(d);
    } else if (d->step == STEP_MAIL) {
        dialogue_tell(d, "from", 0, code, text);
    } else if (d->step == STEP_RCPT) {
        u->recipient = smtp_next_recipient(d->job, u->recipient);
        if (u->recipient < SMTP_RECIPIENTS_MAX)
            dialogue_tell(d, "to", u->recipient++, code, text);
    } else if ((d->step == STEP_DATA && code != 354) || d->step == STEP_DOT) {
        on_transfer(u, code, text);
    }
}

static int on_debug(CURL *c UNUSED, curl_infotype type, char *p, size_t n, void *ctx)
{
    struct upload *u = ctx;

    if (type == CURLINFO_HEADER_OUT) {
        if (u->d->starttls) /* the library says nothing before TLS stands */
            u->d->tls = true;
        dialogue_said(u->d, slice_of(p, n));
    } else if (type == CURLINFO_HEADER_IN) {
        dialogue_heard(u->d, slice_of(p, n));
    }
    return 0;
}

/* ---- what the library is told ---- */

static const struct {
    const char *scheme;
    long use_ssl;
} ways[] = {
    [SMTP_TLS_IMPLICIT] = { "smtps", CURLUSESSL_ALL },
    [SMTP_TLS_REQUIRED] = { "smtp", CURLUSESSL_ALL },
    [SMTP_TLS_OPPORTUNISTIC] = { "smtp", CURLUSESSL_TRY },
    [SMTP_TLS_NONE] = { "smtp", CURLUSESSL_NONE },
};

static bool set_up_session(struct upload *u)
{
    CURL *c = u->curl;
    char url[300];

    snprintf(url, sizeof url, "%s://%s", ways[u->job->tls].scheme, u->job->server);
    return curl_easy_setopt(c, CURLOPT_URL, url) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "smtp,smtps") == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_PROXY, "") == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_FORBID_REUSE, 1L) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, 60000L) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_SERVER_RESPONSE_TIMEOUT, 120L) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_VERBOSE, 1L) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_DEBUGFUNCTION, on_debug) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_DEBUGDATA, u) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_write) == CURLE_OK;
}

/* The name in the configuration is the one to be proved; a ca_file stands alone. */
static bool set_up_tls(const struct upload *u)
{
    CURL *c = u->curl;
    bool verify = smtp_verifies(u->job);

    return curl_easy_setopt(c, CURLOPT_USE_SSL, ways[u->job->tls].use_ssl) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, verify ? 1L : 0L) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, verify ? 2L : 0L) == CURLE_OK &&
           (!u->job->ca_file || (curl_easy_setopt(c, CURLOPT_CAINFO, u->job->ca_file) == CURLE_OK &&
                                 curl_easy_setopt(c, CURLOPT_CAPATH, NULL) == CURLE_OK));
}

/* Only what a password or a token alone can do: the library would prefer Kerberos and NTLM. */
static bool set_up_login(const struct upload *u)
{
    const struct smtp_job *job = u->job;
    CURL *c = u->curl;

    if (!job->user)
        return true;
    if (curl_easy_setopt(c, CURLOPT_USERNAME, job->user) != CURLE_OK ||
        curl_easy_setopt(c, CURLOPT_SASL_IR, 1L) != CURLE_OK)
        return false;
    if (job->token)
        return curl_easy_setopt(c, CURLOPT_XOAUTH2_BEARER, secret_view(job->token).p) == CURLE_OK &&
               curl_easy_setopt(c, CURLOPT_LOGIN_OPTIONS, "AUTH=OAUTHBEARER;AUTH=XOAUTH2") ==
                   CURLE_OK;
    return curl_easy_setopt(c, CURLOPT_PASSWORD, secret_view(job->password).p) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_LOGIN_OPTIONS, "AUTH=PLAIN;AUTH=LOGIN") == CURLE_OK;
}

static bool set_up_mail(struct upload *u)
{
    const struct smtp_job *job = u->job;
    struct curl_slist *to = NULL;
    CURL *c = u->curl;
    size_t i = smtp_next_recipient(job, 0);

    for (; i < SMTP_RECIPIENTS_MAX; i = smtp_next_recipient(job, i + 1)) {
        to = curl_slist_append(to, job->to[i]);
        if (!to)
            return false;
    }
    return curl_easy_setopt(c, CURLOPT_MAIL_FROM, job->from) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_MAIL_RCPT, to) == CURLE_OK &&
           curl_easy_setopt(c, SOME_MAY_FAIL, 1L) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_UPLOAD, 1L) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_READFUNCTION, on_read) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_READDATA, u) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_INFILESIZE_LARGE, (curl_off_t)job->mail.n) == CURLE_OK;
}

/* The child ends with everything it holds, so nothing is freed. */
int smtp_by_curl(struct dialogue *d)
{
    struct upload u = { .d = d, .job = d->job, .curl = curl_easy_init(), .rest = d->job->mail };
    char error[CURL_ERROR_SIZE] = "";
    CURLcode rc;

    if (!u.curl)
        return 1;
    d->arg = &u;
    d->on_answer = on_answer;
    d->tls = d->job->tls == SMTP_TLS_IMPLICIT;
    if (!set_up_session(&u) || !set_up_tls(&u) || !set_up_login(&u) || !set_up_mail(&u) ||
        curl_easy_setopt(u.curl, CURLOPT_ERRORBUFFER, error) != CURLE_OK)
        dialogue_give_up(d, "libcurl could not be set up: ", "is its build a usual one?");
    rc = curl_easy_perform(u.curl);
    if (!u.told)
        dialogue_tell_failure(d, error[0] ? error : curl_easy_strerror(rc));
    return 0;
}
