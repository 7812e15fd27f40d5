/*
 * LEEF 2.0 (QRadar). It has no escapes: what would end a value there is a blank instead. The sign
 * between the attributes is ^ by itself: relays turn the TAB of the standard into #011.
 */
#include "notifiers/machines/encoder-private.h"

static const struct {
    const char *key;
    unsigned slot;
    bool number;
} attributes[] = {
    { "srcPort", FIELD_SOURCE_PORT, true },
    { "dst", FIELD_DESTINATION_ADDRESS, false },
    { "dstPort", FIELD_DESTINATION_PORT, true },
    { "usrName", FIELD_USER_NAME, false },
    { "accountName", FIELD_USER_TARGET_NAME, false },
    { "proto", FIELD_NETWORK_TRANSPORT, false },
    { "url", FIELD_URL_ORIGINAL, false },
    { "policy", RECORD_RULE, false },
    { "resource", FIELD_SERVICE_NAME, false },
    { "role", FIELD_USER_ROLES, false },
    { "action", FIELD_EVENT_ACTION, false },
    { "reason", FIELD_EVENT_REASON, false },
    { "channel", RECORD_CHANNEL, false },
    { "level", RECORD_LEVEL, false },
    { "country", FIELD_SOURCE_GEO_COUNTRY_ISO_CODE, false },
    { "asn", FIELD_SOURCE_AS_NUMBER, true },
    { "method", FIELD_HTTP_REQUEST_METHOD, false },
    { "statusCode", FIELD_HTTP_RESPONSE_STATUS_CODE, true },
    { "userAgent", FIELD_USER_AGENT_ORIGINAL, false },
    { "hostName", FIELD_HOST_NAME, false },
    { "count", RECORD_COUNT, true },
    { "techniques", RECORD_TAGS, false },
    { "alert", RECORD_ALERT, false },
    { "receiver", RECORD_RECEIVER, false },
    { "status", RECORD_STATUS, false },
    { "raw", RECORD_RAW, false },
};

static void put_attribute(const struct encoder_settings *s, struct buf *out, const char *key,
                          struct slice value, size_t max)
{
    if (value.n == 0)
        return;
    buf_char(out, s->delimiter[0]);
    buf_str(out, key);
    buf_char(out, '=');
    text_put(out, &s->leef, value, max);
}

static void put_attributes(const struct encoder_settings *s, const struct trail_record *r,
                           const struct encode_limits *l, struct buf *out)
{
    for (size_t i = 0; i < ARRAY_SIZE(attributes); i++) {
        struct slice value = limited_slot(r, l, attributes[i].slot);

        if (!attributes[i].number || is_number(value, INT64_MAX))
            put_attribute(s, out, attributes[i].key, value, l->value);
    }
}

static void encode(const struct encoder_settings *s, const struct trail_record *r,
                   const struct encode_limits *l, struct buf *out)
{
    struct slice action = r->slots[FIELD_EVENT_ACTION];
    const char *category = r->kind->ecs_category[0];

    buf_str(out, "LEEF:2.0|" PRODUCT_VENDOR "|" PRODUCT_NAME "|" PACKAGE_VERSION "|");
    text_put(out, &text_leef_header, slice_is(r->type, "event") && action.n ? action : r->type,
             128);
    buf_printf(out, "|%c|devTime=%llu", s->delimiter[0], (unsigned long long)(r->event_us / 1000));
    buf_printf(out, "%csev=%u", s->delimiter[0], r->severity ? r->severity : 1);
    put_attribute(s, out, "id", r->id, 255);
    put_attribute(s, out, "cat", slice_str(category ? category : "other"), SIZE_MAX);
    put_attribute(s, out, "outcome", record_outcome(r), SIZE_MAX);
    put_attribute(s, out, "src", record_address(r), 45);
    put_attributes(s, r, l, out);
    if (l->truncated)
        put_attribute(s, out, "truncated", SLICE("true"), SIZE_MAX);
    put_attribute(s, out, "msg", record_message(r), l->message);
}

const struct encoder encoder_leef = {
    .name = "leef",
    .summary = "LEEF 2.0, for QRadar",
    .content_type = "text/plain; charset=utf-8",
    .encode = encode,
};
