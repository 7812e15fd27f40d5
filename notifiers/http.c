/* One request by libcurl, with every default that matters set by us. */
#include "notifiers/http-private.h"

#include <errno.h>
#include <stdio.h>

#include "base/ip.h"
#include "base/num.h"
#include "base/utf8.h"
#include "notifiers/dialogue.h"

#define ANSWER_MAX 65536
#define WAIT_MAX_S 86400 /* no server makes us wait longer */

static size_t on_body(char *p, size_t size, size_t n, void *ctx)
{
    struct http_answer *a = ctx;
    size_t bytes = size * n, room = a->body.limit - a->body.n;

    buf_add(&a->body, p, bytes < room ? bytes : room);
    return bytes <= room ? bytes : 0; /* more than that is no answer of ours */
}

static bool loopback(struct slice host)
{
    static const uint8_t one[16] = { [15] = 1 };
    struct ip ip;

    if (slice_is(host, "localhost"))
        return true;
    if (ip_parse(host, &ip) < 0)
        return false;
    return ip.family == 4 ? ip.bytes[0] == 127 : memcmp(ip.bytes, one, sizeof one) == 0;
}

int http_url_check(const char *url, struct err *err)
{
    struct slice s = slice_str(url), host;
    size_t end;

    if (slice_starts(s, SLICE("https://")))
        return 0;
    if (!slice_starts(s, SLICE("http://")))
        return err_set(err, -EINVAL, "the address must begin with https://");
    host = slice_skip(s, 7);
    end = slice_find_byte(host, '/');
    host = slice_take(host, end == SIZE_MAX ? host.n : end);
    if (slice_find_byte(host, '@') != SIZE_MAX) /* http://127.0.0.1:1@elsewhere/ */
        return err_set(err, -EINVAL, "an address has no user name: use the options");
    if (host.n && host.p[0] == '[') {
        end = slice_find_byte(host, ']');
        host = end == SIZE_MAX ? host : slice_of(host.p + 1, end - 1);
    } else {
        end = slice_find_byte(host, ':');
        host = slice_take(host, end == SIZE_MAX ? host.n : end);
    }
    if (loopback(host))
        return 0;
    return err_set(err, -EINVAL, "http:// is only for this machine: use https://");
}

bool http_retryable(long status)
{
    return status == 0 || status == 408 || status == 425 || status == 429 || status >= 500;
}

bool http_broken(long status)
{
    return status == 401 || status == 403 || status == 404 || status == 410;
}

void http_outcome(const struct http_answer *a, struct delivery_result *ret)
{
    ret->state = a->status >= 200 && a->status < 300 ? DELIVERY_SENT
                 : http_retryable(a->status)         ? DELIVERY_RETRY
                                                     : DELIVERY_DEAD;
    ret->broken = http_broken(a->status);
    ret->retry_after_us = a->retry_after_s * USEC_PER_SEC;
    if (a->status)
        snprintf(ret->status, sizeof ret->status, "http %ld", a->status);
    else
        snprintf(ret->status, sizeof ret->status, "%.150s", a->error);
}

static bool says(struct slice text, const char *what)
{
    size_t n = strlen(what);

    for (size_t i = 0; i + n <= text.n; i++)
        if (slice_eq_nocase(slice_of(text.p + i, n), slice_str(what)))
            return true;
    return false;
}

void http_judge(const struct http_answer *a, const struct http_verdict *verdicts, struct slice said,
                struct delivery_result *ret)
{
    http_outcome(a, ret);
    if (a->status && said.n)
        snprintf(ret->status, sizeof ret->status, "http %ld %.*s", a->status,
                 SLICE_FMT(utf8_cut(said, sizeof ret->status - 16)));
    for (const struct http_verdict *v = verdicts; v && v->state; v++) {
        if ((v->status && v->status != a->status) || (v->says && !says(said, v->says)))
            continue;
        ret->state = v->state;
        ret->broken = v->broken;
        return;
    }
}

void http_basic(const char *user, const struct secret *password, struct buf *out)
{
    AUTO_BUF plain = BUF_INIT;

    buf_printf(&plain, "%s:%.*s", user, SLICE_FMT(secret_view(password)));
    buf_str(out, "Authorization: Basic ");
    buf_base64(out, plain.p ? plain.p : "", plain.n, true);
    out->failed = out->failed || plain.failed;
    if (plain.p)
        explicit_bzero(plain.p, plain.n);
}

void buf_percent(struct buf *b, struct slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if ((c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') || c == '-' ||
            c == '.' || c == '_' || c == '~')
            buf_char(b, (char)c);
        else
            buf_printf(b, "%%%02X", c);
    }
}

static struct curl_slist *header_list(const char *const *headers)
{
    struct curl_slist *list = NULL;

    for (; headers && *headers; headers++)
        list = curl_slist_append(list, *headers);
    return curl_slist_append(list, "Expect:");
}

static void note_exchange(CURL *c, const struct http_request *q, const struct http_answer *a)
{
    struct dialogue_exchange x = { .method = "POST",
                                   .url = q->url,
                                   .sent = q->body.n,
                                   .status = a->status,
                                   .error = a->error,
                                   .answer = buf_view(&a->body) };

    curl_easy_getinfo(c, CURLINFO_EFFECTIVE_METHOD, &x.method);
    curl_easy_getinfo(c, CURLINFO_TOTAL_TIME, &x.seconds);
    dialogue_http(&x);
}

CURL *http_prepare(const struct http_request *q, struct curl_slist **ret_headers,
                   struct http_answer *ret)
{
    struct curl_slist *headers = header_list(q->headers);
    CURL *c = curl_easy_init();
    uint64_t ms = (q->timeout_us ? q->timeout_us : 15 * USEC_PER_SEC) / 1000;

    *ret = (struct http_answer){ .body = BUF_LIMIT(q->answer_max ? q->answer_max : ANSWER_MAX) };
    if (!c || !headers) {
        snprintf(ret->error, sizeof ret->error, "out of memory");
        curl_slist_free_all(headers);
        curl_easy_cleanup(c);
        return NULL;
    }
    curl_easy_setopt(c, CURLOPT_URL, q->url);
    curl_easy_setopt(c, CURLOPT_POSTFIELDS, q->body.p);
    curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)q->body.n);
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_PROXY, "");
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, 5000L);
    curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)ms);
    curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(c, CURLOPT_USERAGENT, "trailwarden");
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, ret);
    if (q->method)
        curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, q->method);
    if (q->ca_file) { /* instead of the system's, which Debian's libcurl has as a folder, too */
        curl_easy_setopt(c, CURLOPT_CAINFO, q->ca_file);
        curl_easy_setopt(c, CURLOPT_CAPATH, NULL);
    }
    if (q->cert_file) {
        curl_easy_setopt(c, CURLOPT_SSLCERT, q->cert_file);
        curl_easy_setopt(c, CURLOPT_SSLKEY, q->key_file);
    }
    *ret_headers = headers;
    return c;
}

void http_conclude(CURL *c, CURLcode rc, const struct secret *secret, struct http_answer *ret)
{
    curl_off_t wait = 0;

    curl_easy_getinfo(c, CURLINFO_RETRY_AFTER, &wait);
    if (wait > 0)
        ret->retry_after_s = wait < WAIT_MAX_S ? (uint64_t)wait : WAIT_MAX_S;
    if (rc == CURLE_OK || rc == CURLE_WRITE_ERROR)
        curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &ret->status);
    else
        snprintf(ret->error, sizeof ret->error, "%.150s", curl_easy_strerror(rc));
    secret_scrub(secret, ret->error);
}

void http_post(const struct http_request *q, struct http_answer *ret)
{
    struct curl_slist *headers;
    CURL *c = http_prepare(q, &headers, ret);

    if (!c)
        return;
    http_conclude(c, curl_easy_perform(c), q->secret, ret);
    note_exchange(c, q, ret);
    curl_easy_cleanup(c);
    curl_slist_free_all(headers);
}
