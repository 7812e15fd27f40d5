/* Private to base/json: the limits, and the reader of ordinary texts beside yajl. */
#pragma once

#include "base/json.h"

#define JSON_DEPTH_MAX 32
#define JSON_PATH_MAX 1024
#define JSON_SCALARS_MAX 512

/*
 * The short way of json_flatten(): one object without anything unusual in it. False: the text is
 * not of that kind or no JSON at all, nothing was told, and yajl has the word. True: all was told
 * as yajl would have, *ret_result is what json_flatten() answers.
 */
bool json_plain(struct slice text, struct json_flat *flat, int *ret_result, struct err *err);
/* The long way, which takes every text: yajl. */
int json_flatten_yajl(struct slice text, struct json_flat *flat, struct err *err);
