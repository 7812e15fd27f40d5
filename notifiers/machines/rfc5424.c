/*
 * RFC 5424: what happened as structured data, and the message behind it.
 *
 *     <132>1 2026-11-21T01:38:59.123456Z vpn1 trailwarden - alert [tw@32473 id="..." ...] text
 */
#include "notifiers/machines/encoder-private.h"

static const struct {
    const char *name;
    unsigned slot;
} parameters[] = {
    { "alert", RECORD_ALERT },
    { "rule", RECORD_RULE },
    { "level", RECORD_LEVEL },
    { "channel", RECORD_CHANNEL },
    { "action", FIELD_EVENT_ACTION },
    { "reason", FIELD_EVENT_REASON },
    { "user", FIELD_USER_NAME },
    { "target", FIELD_USER_TARGET_NAME },
    { "src_ip", FIELD_SOURCE_IP },
    { "src_port", FIELD_SOURCE_PORT },
    { "country", FIELD_SOURCE_GEO_COUNTRY_ISO_CODE },
    { "asn", FIELD_SOURCE_AS_NUMBER },
    { "dst", FIELD_DESTINATION_ADDRESS },
    { "dst_port", FIELD_DESTINATION_PORT },
    { "method", FIELD_HTTP_REQUEST_METHOD },
    { "url", FIELD_URL_ORIGINAL },
    { "status_code", FIELD_HTTP_RESPONSE_STATUS_CODE },
    { "agent", FIELD_USER_AGENT_ORIGINAL },
    { "host", FIELD_HOST_NAME },
    { "service", FIELD_SERVICE_NAME },
    { "session", FIELD_TRAILWARDEN_SESSION },
    { "count", RECORD_COUNT },
    { "tags", RECORD_TAGS },
    { "receiver", RECORD_RECEIVER },
    { "state", RECORD_STATE },
    { "status", RECORD_STATUS },
    { "trust", RECORD_TRUST },
    { "key", RECORD_KEY },
    { "raw", RECORD_RAW },
};

static void put_parameter(struct buf *out, const char *name, struct slice value, size_t max)
{
    if (value.n == 0)
        return;
    buf_char(out, ' ');
    buf_str(out, name);
    buf_add(out, "=\"", 2);
    text_put(out, &text_parameter, value, max);
    buf_char(out, '"');
}

/* The header is there, up to the id. */
static void encode(const struct encoder_settings *s, const struct trail_record *r,
                   const struct encode_limits *l, struct buf *out)
{
    put_parameter(out, "title", slice_str(r->kind->title), l->value);
    put_parameter(out, "outcome", record_outcome(r), l->value);
    for (size_t i = 0; i < ARRAY_SIZE(parameters); i++)
        put_parameter(out, parameters[i].name, limited_slot(r, l, parameters[i].slot), l->value);
    if (l->truncated)
        buf_str(out, " truncated=\"true\"");
    buf_str(out, "] ");
    if (s->bom)
        buf_str(out, "\xef\xbb\xbf");
    text_put(out, &text_message, record_message(r), l->message);
}

const struct encoder encoder_rfc5424 = {
    .name = "rfc5424",
    .summary = "syslog with structured data",
    .content_type = "text/plain; charset=utf-8",
    .encode = encode,
};
