/*
 * What the machines that speak HTTP share: address, login, client certificate, gzip, and what an
 * answer means for a batch.
 *
 * A 400 or 413 for many records is no verdict on each: the batch is halved until the one that is
 * meant stands alone, and that one is dead.
 */
#pragma once

#include "base/secret.h"
#include "notifiers/http.h"
#include "notifiers/machines/machine.h"

/* The first member of the state of each. */
struct http_batch {
    struct encoder_settings encoding;
    const char *url, *ca_file, *cert_file, *key_file, *user;
    struct secret *password, *token;
    uint64_t timeout_us;
    bool gzip;
};

#define HTTP_BATCH_OPTIONS(format_fallback)                                                        \
    ENCODER_OPTIONS(struct http_batch, encoding, format_fallback, "256KiB"),                       \
        { .name = "url",                                                                           \
          .type = OPTION_STR,                                                                      \
          .offset = AT(struct http_batch, url),                                                    \
          .required = true,                                                                        \
          .help = "Where to POST; https, or http to this machine." },                              \
        { .name = "user",                                                                          \
          .type = OPTION_STR,                                                                      \
          .offset = AT(struct http_batch, user),                                                   \
          .help = "Name for a login with a password." },                                           \
        { .name = "password",                                                                      \
          .type = OPTION_SECRET,                                                                   \
          .offset = AT(struct http_batch, password),                                               \
          .help = "Its password." },                                                               \
        { .name = "token",                                                                         \
          .type = OPTION_SECRET,                                                                   \
          .offset = AT(struct http_batch, token),                                                  \
          .help = "Key or token of the receiver, instead of a password." },                        \
        { .name = "ca_file",                                                                       \
          .type = OPTION_STR,                                                                      \
          .offset = AT(struct http_batch, ca_file),                                                \
          .path = PATH_READ,                                                                       \
          .help = "Certificates to trust instead of the system's." },                              \
        { .name = "cert_file",                                                                     \
          .type = OPTION_STR,                                                                      \
          .offset = AT(struct http_batch, cert_file),                                              \
          .path = PATH_READ,                                                                       \
          .help = "Our certificate, when the receiver asks for one." },                            \
        { .name = "key_file",                                                                      \
          .type = OPTION_STR,                                                                      \
          .offset = AT(struct http_batch, key_file),                                               \
          .path = PATH_READ,                                                                       \
          .help = "Its key." },                                                                    \
        { .name = "timeout",                                                                       \
          .type = OPTION_DURATION,                                                                 \
          .offset = AT(struct http_batch, timeout_us),                                             \
          .fallback = "30s",                                                                       \
          .min = "1s",                                                                             \
          .max = "5m",                                                                             \
          .help = "For one request." },                                                            \
    {                                                                                              \
        .name = "gzip", .type = OPTION_BOOL, .offset = AT(struct http_batch, gzip),                \
        .fallback = "true", .help = "Compress what is sent."                                       \
    }

int http_batch_open(struct http_batch *h, struct err *err);
void http_batch_close(struct http_batch *h);

#define HTTP_HEADERS_MAX 6
/*
 * Posts to the url with `path` behind it. `scheme` stands before the token in Authorization
 * ("ApiKey", "Splunk", "Bearer"); headers end with NULL and may be NULL.
 */
void http_batch_post(const struct http_batch *h, const char *path, const char *scheme,
                     const char *content_type, const char *const *headers, struct slice body,
                     struct http_answer *ret);

/* What the status alone says of those that are still RETRY. */
void http_batch_judge(const struct http_answer *a, struct machine_result *results, size_t n,
                      struct machine_said *said);
/* The same, with the service's own words in the status and the reasons. */
void http_batch_judge_said(const struct http_answer *a, struct slice words,
                           struct machine_result *results, size_t n, struct machine_said *said);
