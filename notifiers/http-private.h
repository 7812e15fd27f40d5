/* What http.c (a POST that is waited for) and http-poll.c (one that is under way) share. */
#pragma once

#include <curl/curl.h>

#include "notifiers/http.h"

/*
 * A handle with all our limits, and an empty answer; NULL: out of memory, the answer says so. The
 * body of the request is borrowed until the end, *ret_headers is to be freed behind the handle.
 */
CURL *http_prepare(const struct http_request *q, struct curl_slist **ret_headers,
                   struct http_answer *ret);
/* Puts the status, or why there is none, into the answer. */
void http_conclude(CURL *c, CURLcode rc, const struct secret *secret, struct http_answer *ret);
