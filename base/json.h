/*
 * JSON (RFC 8259), read by yajl and written by hand; the only door to yajl.
 *
 * Reading has two forms. json_flatten() is for log lines: every scalar is
 * told once with its dotted path ("context.email"; an array's members share
 * the array's path), nothing is kept. It may tell while it reads, so before it
 * knows of a fault further on: collect, and publish only when it returned 0.
 * Ordinary lines have a short way of their own there (base/json-plain.c), with
 * the same result. json_load() is for our own documents: a small tree in an
 * arena.
 *
 * Both limit the depth to 32, take the first of duplicate keys, give numbers
 * as their text and clean invalid UTF-8 to U+FFFD. Trailing bytes behind the
 * value are an error. A dot in a key is not told from one between two keys.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"

enum json_type {
    JSON_NULL,
    JSON_BOOL, /* text is true or false */
    JSON_NUMBER, /* text as written */
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT,
};

/* ---- flat ---- */

/* Keys of earlier texts, for who reads many of one kind: in the same order they are read at once.
 */
struct json_keys;
struct json_keys *json_keys_new(void); /* NULL when memory is out */
void json_keys_free(struct json_keys *k);
DEFINE_AUTO(json_keys)
void json_keys_forget(struct json_keys *k); /* their numbers hold no more */

struct json_flat {
    /* path and text live during the call only. */
    int (*scalar)(void *ctx, struct slice path, enum json_type type, struct slice text);
    void *ctx;
    /* A key that was in the same object before: its value is passed over. May be NULL. */
    void (*again)(void *ctx, struct slice path);
    bool duplicate_key; /* result: some object had a key twice, also in an array */
    size_t scalars_max; /* 0 = 512; more are an error (-E2BIG) */

    struct json_keys *keys; /* may be NULL */
    /* With keys, for who wants little: a set of numbers of paths, bit n % 64 of word n / 64, and
     * the number of a path, which is asked when a key is new. What has another number may be
     * counted instead of told. `wanted` NULL: all is told. */
    const uint64_t *wanted;
    size_t nwanted; /* numbers; no larger one is wanted */
    uint32_t (*number)(void *ctx, struct slice path);
    size_t passed; /* result: scalars that were not told */
};
/* A path over 1 KiB and more than 512 keys in the objects open at once are -E2BIG, too. */
int json_flatten(struct slice text, struct json_flat *flat, struct err *err);

/* ---- tree ---- */

struct json {
    enum json_type type;
    struct slice key; /* in an object, else empty */
    struct slice text; /* scalars, decoded */
    struct json *child;
    struct json *next;
};
/* The tree and its texts live in the arena (texts are copied). NULL and err on failure; so on more
 * than 1024 keys in one object. */
struct json *json_load(struct arena *a, struct slice text, struct err *err);
const struct json *json_get(const struct json *object,
                            const char *key); /* NULL when absent; takes NULL */
struct slice json_text(const struct json *object,
                       const char *key); /* empty when absent or no scalar */
uint64_t json_u64(const struct json *object, const char *key, uint64_t fallback);
bool json_bool(const struct json *object, const char *key, bool fallback);

/* ---- writing: compact, no blanks; member order is call order ---- */

struct json_writer {
    struct buf *out; /* borrowed */
    bool comma; /* private */
};
static inline struct json_writer json_writer(struct buf *out)
{
    return (struct json_writer){ out, false };
}
void json_object(struct json_writer *w);
void json_object_end(struct json_writer *w);
void json_array(struct json_writer *w);
void json_array_end(struct json_writer *w);
void json_key(struct json_writer *w, const char *key);
void json_key_slice(struct json_writer *w, struct slice key);
void json_put_slice(struct json_writer *w,
                    struct slice text); /* a string; invalid UTF-8 becomes U+FFFD */
void json_put_str(struct json_writer *w, const char *text);
void json_put_u64(struct json_writer *w, uint64_t v);
void json_put_i64(struct json_writer *w, int64_t v);
void json_put_bool(struct json_writer *w, bool v);
void json_put_null(struct json_writer *w);
void json_put_time(struct json_writer *w, uint64_t us); /* RFC 3339 text, UTC */
void json_put_tree(struct json_writer *w, const struct json *tree);
void json_put_raw(struct json_writer *w, struct slice json); /* already JSON: our own only */

/* member = key and value in one call */
void json_member_slice(struct json_writer *w, const char *key, struct slice text);
void json_member_str(struct json_writer *w, const char *key, const char *text);
/* What was written into a buffer; one that failed fails the document, too. */
void json_member_buf(struct json_writer *w, const char *key, const struct buf *text);
void json_member_u64(struct json_writer *w, const char *key, uint64_t v);
void json_member_bool(struct json_writer *w, const char *key, bool v);
void json_member_time(struct json_writer *w, const char *key, uint64_t us);

/* The escaper alone, without quotes: \" \\ \b \f \n \r \t \u00XX (also DEL); the rest as it is. */
void buf_json(struct buf *b, struct slice text);
