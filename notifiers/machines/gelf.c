/* GELF 1.1 (Graylog): flat JSON, further members with _ in front, texts and numbers only. */
#include <stdio.h>

#include "notifiers/machines/encoder-private.h"

static const struct {
    const char *name;
    unsigned slot;
    bool number;
} members[] = {
    { "_alert", RECORD_ALERT, false },
    { "_rule", RECORD_RULE, false },
    { "_level_name", RECORD_LEVEL, false },
    { "_channel", RECORD_CHANNEL, false },
    { "_action", FIELD_EVENT_ACTION, false },
    { "_reason", FIELD_EVENT_REASON, false },
    { "_user", FIELD_USER_NAME, false },
    { "_target_user", FIELD_USER_TARGET_NAME, false },
    { "_source_ip", FIELD_SOURCE_IP, false },
    { "_source_port", FIELD_SOURCE_PORT, true },
    { "_country", FIELD_SOURCE_GEO_COUNTRY_ISO_CODE, false },
    { "_asn", FIELD_SOURCE_AS_NUMBER, true },
    { "_destination", FIELD_DESTINATION_ADDRESS, false },
    { "_destination_port", FIELD_DESTINATION_PORT, true },
    { "_method", FIELD_HTTP_REQUEST_METHOD, false },
    { "_url", FIELD_URL_ORIGINAL, false },
    { "_status_code", FIELD_HTTP_RESPONSE_STATUS_CODE, true },
    { "_user_agent", FIELD_USER_AGENT_ORIGINAL, false },
    { "_log_level", FIELD_LOG_LEVEL, false },
    { "_log_host", FIELD_HOST_NAME, false },
    { "_service", FIELD_SERVICE_NAME, false },
    { "_session", FIELD_TRAILWARDEN_SESSION, false },
    { "_count", RECORD_COUNT, true },
    { "_tags", RECORD_TAGS, false },
    { "_receiver", RECORD_RECEIVER, false },
    { "_state", RECORD_STATE, false },
    { "_status", RECORD_STATUS, false },
    { "_trust", RECORD_TRUST, false },
    { "_source_key", RECORD_KEY, false },
};

static void put_members(const struct trail_record *r, const struct encode_limits *l,
                        struct json_put *j)
{
    for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
        struct slice value = limited_slot(r, l, members[i].slot);

        if (!members[i].number)
            jput_text(j, members[i].name, value);
        else if (is_number(value, JSON_INTEGER_MAX))
            jput_raw(j, members[i].name, value);
    }
}

static void encode(const struct encoder_settings *s, const struct trail_record *r,
                   const struct encode_limits *l, struct buf *out)
{
    struct json_put j = { .out = out, .max = l->value };
    char time[32];

    (void)s;
    snprintf(time, sizeof time, "%llu.%06llu", (unsigned long long)(r->event_us / 1000000),
             (unsigned long long)(r->event_us % 1000000));
    jput_open(&j, NULL, '{');
    jput_str(&j, "version", "1.1");
    jput_long(&j, "host", r->host.n ? r->host : SLICE("-"), 255);
    jput_long(&j, "short_message", record_message(r), l->message < 1024 ? l->message : 1024);
    jput_long(&j, "full_message", limited_raw(r, l), 65536);
    jput_raw(&j, "timestamp", slice_str(time));
    jput_u64(&j, "level", syslog_severity(r->severity));
    jput_long(&j, "_event_id", r->id, 255);
    jput_long(&j, "_entry", r->type, 128);
    jput_str(&j, "_title", r->kind->title);
    jput_text(&j, "_outcome", record_outcome(r));
    put_members(r, l, &j);
    if (l->truncated)
        jput_str(&j, "_truncated", "true");
    jput_close(&j, '}');
}

const struct encoder encoder_gelf = {
    .name = "gelf",
    .summary = "GELF 1.1, for Graylog",
    .content_type = "application/json",
    .json = true,
    .encode = encode,
};
