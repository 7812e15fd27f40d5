/* What the encoders share: limits applied to a slot, the syslog header, JSON that is never cut. */
#pragma once

#include "notifiers/machines/encoder.h"
#include <config.h> /* the one of configure */

#define PRODUCT_VENDOR "trailwarden"
#define PRODUCT_NAME "trailwarden"

/* The largest number that each JSON reader keeps exactly. */
#define JSON_INTEGER_MAX (UINT64_C(1) << 53)

unsigned syslog_severity(unsigned severity); /* 7..2 of 0..10 */
/* The header of the settings, with the blank behind it. */
void put_syslog_header(const struct encoder_settings *s, const struct trail_record *r,
                       struct buf *out);

/* What of a slot is told under these limits: empty when nothing is. */
struct slice limited_slot(const struct trail_record *r, const struct encode_limits *l,
                          unsigned slot);
/* The same for the raw text: empty, too, when it is told already as the message. */
struct slice limited_raw(const struct trail_record *r, const struct encode_limits *l);
/* A plain decimal up to `max`: JSON takes it as it is. */
bool is_number(struct slice s, uint64_t max);
bool is_decimal(struct slice s); /* -12.5 */

/* A JSON document under writing. Keys are our own words, never a stranger's. */
struct json_put {
    struct buf *out;
    size_t max; /* of each text */
    bool comma;
};
void jput_open(struct json_put *j, const char *key, char bracket); /* key NULL: none */
void jput_close(struct json_put *j, char bracket);
/* An empty text is not written. */
void jput_text(struct json_put *j, const char *key, struct slice s);
void jput_long(struct json_put *j, const char *key, struct slice s, size_t max);
void jput_str(struct json_put *j, const char *key, const char *s); /* ours */
void jput_u64(struct json_put *j, const char *key, uint64_t v);
void jput_bool(struct json_put *j, const char *key, bool v);
void jput_raw(struct json_put *j, const char *key, struct slice json); /* checked by the caller */
void jput_time(struct json_put *j, const char *key, uint64_t us); /* RFC 3339 */
/* A stranger's name as a key: PRINTUSASCII without quotes, backslashes and points. */
void jput_named(struct json_put *j, struct slice name, struct slice s);

/* Calls fn for each word of the tags that is an ATT&CK technique: "attack.t1110.001" as
 * "T1110.001".
 */
void each_technique(const struct trail_record *r, void (*fn)(void *ctx, struct slice id),
                    void *ctx);
