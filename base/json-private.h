/* Private to base/json: the limits, the keys of earlier texts, and the reader of ordinary texts
 * beside yajl. */
#pragma once

#include <yajl/yajl_parse.h>

#include "base/json.h"

#define JSON_DEPTH_MAX 32
#define JSON_PATH_MAX 1024
#define JSON_SCALARS_MAX 512

/* Valid UTF-8 in the place of *text: itself, or a copy in *a, which is made for it if it is NULL.
 * False: no memory. */
bool json_cleaned(struct arena **a, struct slice *text);

/* ---- keys (json-keys.c) ---- */

#define JSON_KEY_RAW 40
#define JSON_KEY_PATH 64

/* A key of an object that stands in a certain place: that of another key, or the whole text. */
struct json_key {
    struct json_key *parent;
    struct json_key *next; /* what stood behind it the last time, or NULL */
    struct json_key *inside; /* what its object began with the last time, or NULL */
    uint64_t object; /* the object in which it was met last */
    struct slice_ends ends; /* of `raw` */
    uint32_t nraw; /* 0: not known */
    uint32_t n; /* bytes of the key: the end of its path */
    uint32_t npath;
    uint32_t front; /* bytes of `raw` before it */
    bool first; /* of its object, so there is no comma in `raw` */
    uint32_t number; /* of its path */
    char raw[JSON_KEY_RAW]; /* as it stood in the text, from the value before to its own: ,"key": */
    char path[JSON_KEY_PATH];
};

/* NULL: there is no room for it. */
struct json_key *json_key_find(struct json_keys *k, struct json_key *parent, struct slice key,
                               bool *ret_made);
/* How it stands in this text, and where in it; a key without escapes only. */
void json_key_stood(struct json_key *k, struct slice raw, size_t front, bool first);
/* Of the whole text, at its beginning; NULL: no keys are kept just now. */
struct json_key *json_keys_begin(struct json_keys *k);
uint64_t json_keys_object(struct json_keys *k); /* a number for one that begins */

static inline struct slice json_key_path(const struct json_key *k)
{
    return slice_of(k->path, k->npath);
}

/* Does it stand at p, as it did before? */
static ALWAYS_INLINE bool json_key_stands(const struct json_key *k, bool first, const char *p,
                                          const char *end)
{
    return k->nraw && k->first == first &&
           slice_starts_as(slice_of(p, (size_t)(end - p)), slice_of(k->raw, k->nraw), k->ends);
}

/* ---- reading ---- */

/*
 * The short way of json_flatten(): one object without anything unusual in it. False: the text is
 * not of that kind or no JSON at all, nothing was told, and yajl has the word. True: all was told
 * as yajl would have, but for what nobody wants; *ret_result is what json_flatten() answers.
 */
bool json_plain(struct slice text, struct json_flat *flat, int *ret_result, struct err *err);
/* The long way, which takes every text: yajl. */
int json_flatten_yajl(struct slice text, struct json_flat *flat, struct err *err);

/*
 * The whole text through callbacks (json-yajl.c); one that returns 0 ends it, and *error and *why
 * are what it says then. They must not call yajl. -EBADMSG: it is no JSON, *error, or -ENOMEM.
 */
int json_run_yajl(struct slice text, const yajl_callbacks *callbacks, void *ctx, int *error,
                  const char **why, struct err *err) MUST_CHECK;
