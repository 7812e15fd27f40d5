/* One POST by libcurl, with every default that matters set by us. */
#include "notifiers/http-private.h"

#include <errno.h>
#include <stdio.h>

#include "base/ip.h"
#include "base/num.h"
#include "notifiers/dialogue.h"

#define ANSWER_MAX 65536

static size_t on_body(char *p, size_t size, size_t n, void *ctx)
{
    struct http_answer *a = ctx;
    size_t bytes = size * n, room = ANSWER_MAX - a->body.n;

    buf_add(&a->body, p, bytes < room ? bytes : room);
    return bytes <= room ? bytes : 0; /* more than that is no answer of ours */
}

static size_t on_header(char *p, size_t size, size_t n, void *ctx)
{
    struct http_answer *a = ctx;
    struct slice h = slice_of(p, size * n), name = SLICE("retry-after:");

    if (h.n > name.n && slice_eq_nocase(slice_take(h, name.n), name))
        (void)parse_u64(slice_trim(slice_skip(h, name.n)), 0, 86400, &a->retry_after_s);
    return size * n;
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
                                   .answer = buf_view(&a->body),
                                   .secret = q->secret };

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

    *ret = (struct http_answer){ .body = BUF_LIMIT(ANSWER_MAX) };
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
    curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(c, CURLOPT_HEADERDATA, ret);
    if (q->ca_file)
        curl_easy_setopt(c, CURLOPT_CAINFO, q->ca_file);
    *ret_headers = headers;
    return c;
}

void http_conclude(CURL *c, CURLcode rc, const struct secret *secret, struct http_answer *ret)
{
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
