/*
 * CEF 0: header fields with bars, then key=value. Keys are those of this table, never a stranger's;
 * own values stand in pairs of a custom field and its label.
 */
#include "notifiers/machines/encoder-private.h"

static const struct {
    const char *key;
    unsigned slot;
    size_t max; /* bytes of a text; the largest number */
    const char *label;
    bool number;
} extensions[] = {
    { "spt", FIELD_SOURCE_PORT, 65535, NULL, true },
    { "suser", FIELD_USER_NAME, 1023, NULL, false },
    { "duser", FIELD_USER_TARGET_NAME, 1023, NULL, false },
    { "dvchost", FIELD_HOST_NAME, 100, NULL, false },
    { "dhost", FIELD_DESTINATION_ADDRESS, 1023, NULL, false },
    { "dpt", FIELD_DESTINATION_PORT, 65535, NULL, true },
    { "proto", FIELD_NETWORK_TRANSPORT, 31, NULL, false },
    { "app", FIELD_NETWORK_PROTOCOL, 31, NULL, false },
    { "act", FIELD_EVENT_ACTION, 63, NULL, false },
    { "reason", FIELD_EVENT_REASON, 1023, NULL, false },
    { "request", FIELD_URL_ORIGINAL, 1023, NULL, false },
    { "requestMethod", FIELD_HTTP_REQUEST_METHOD, 1023, NULL, false },
    { "requestClientApplication", FIELD_USER_AGENT_ORIGINAL, 1023, NULL, false },
    { "cat", FIELD_EVENT_CATEGORY, 1023, NULL, false },
    { "cnt", RECORD_COUNT, INT32_MAX, NULL, true },
    { "cs1", RECORD_CHANNEL, 4000, "Channel", false },
    { "cs2", RECORD_TAGS, 4000, "Techniques", false },
    { "cs3", FIELD_SOURCE_GEO_COUNTRY_ISO_CODE, 4000, "Country", false },
    { "cs5", RECORD_ALERT, 4000, "Alert", false },
    { "cs6", RECORD_RAW, 4000, "Raw", false },
    { "cn1", FIELD_SOURCE_AS_NUMBER, UINT32_MAX, "ASN", true },
    { "cn2", FIELD_HTTP_RESPONSE_STATUS_CODE, 999, "Status", true },
    { "flexString1", RECORD_STATUS, 1023, "Status", false },
    { "flexString2", RECORD_RECEIVER, 1023, "Receiver", false },
};

static void put_key(struct buf *out, const char *key)
{
    buf_char(out, ' ');
    buf_str(out, key);
    buf_char(out, '=');
}

static void put_value(struct buf *out, const char *key, struct slice value, size_t max)
{
    if (value.n == 0)
        return;
    put_key(out, key);
    text_put(out, &text_cef_value, value, max);
}

static void put_labelled(struct buf *out, const char *key, const char *label, struct slice value,
                         size_t max)
{
    put_value(out, key, value, max);
    if (value.n == 0 || !label)
        return;
    buf_char(out, ' ');
    buf_str(out, key);
    buf_str(out, "Label=");
    buf_str(out, label);
}

static void put_head(struct buf *out, struct slice value, size_t max)
{
    buf_char(out, '|');
    text_put(out, &text_cef_header, value, max);
}

static void put_address(struct buf *out, struct slice address)
{
    if (slice_find_byte(address, ':') == SIZE_MAX)
        put_value(out, "src", address, 45);
    else
        put_labelled(out, "c6a2", "Source IPv6 Address", address, 45);
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static void put_extensions(const struct trail_record *r, const struct encode_limits *l,
                           struct buf *out)
{
    for (size_t i = 0; i < ARRAY_SIZE(extensions); i++) {
        struct slice value = limited_slot(r, l, extensions[i].slot);

        if (extensions[i].number && !is_number(value, extensions[i].max))
            continue;
        put_labelled(out, extensions[i].key, extensions[i].label, value,
                     extensions[i].number ? 19 : least(extensions[i].max, l->value));
    }
}

/* The rule of an alert, the action of an event, else the type of the entry. */
static struct slice class_of(const struct trail_record *r)
{
    if (r->slots[RECORD_RULE].n)
        return r->slots[RECORD_RULE];
    return slice_is(r->type, "event") && r->slots[FIELD_EVENT_ACTION].n
               ? r->slots[FIELD_EVENT_ACTION]
               : r->type;
}

static void encode(const struct encoder_settings *s, const struct trail_record *r,
                   const struct encode_limits *l, struct buf *out)
{
    struct slice title = r->slots[RECORD_TITLE];

    (void)s;
    buf_str(out, "CEF:0|" PRODUCT_VENDOR "|" PRODUCT_NAME "|" PACKAGE_VERSION);
    put_head(out, class_of(r), least(1023, l->value));
    put_head(out, title.n ? title : slice_str(r->kind->title), least(512, l->message));
    buf_printf(out, "|%u|rt=%llu", r->severity, (unsigned long long)(r->event_us / 1000));
    put_key(out, "externalId");
    buf_u64(out, r->index);
    put_value(out, "deviceExternalId", r->origin, least(255, l->value));
    put_value(out, "outcome", record_outcome(r), 63);
    put_address(out, record_address(r));
    if (!limited_slot(r, l, FIELD_HOST_NAME).n)
        put_value(out, "dvchost", r->host, least(100, l->value));
    put_extensions(r, l, out);
    if (l->truncated)
        buf_str(out, " cs4=true cs4Label=Truncated");
    put_value(out, "msg", record_message(r), least(1023, l->message));
}

const struct encoder encoder_cef = {
    .name = "cef",
    .summary = "ArcSight's common event format",
    .content_type = "text/plain; charset=utf-8",
    .encode = encode,
};
