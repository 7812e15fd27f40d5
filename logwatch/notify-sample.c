#include "logwatch/notify-sample.h"

#include "base/clock.h"
#include "logwatch/core-tell.h"

#define LINES 3
#define COUNT 6
#define WINDOW_US (300 * USEC_PER_SEC)

static const char address[] = "192.0.2.10", user[] = "test-user";

/* Line i of the sample, as its event's document. */
static bool sample_event(struct arena *a, uint64_t time_us, struct slice *ret)
{
    struct event ev = { .time_us = time_us,
                        .channel = SLICE("test"),
                        .format = SLICE("test"),
                        .input = SLICE("trailwarden notify test"),
                        .trust = TRUST_RECORD,
                        .arena = a };
    AUTO_BUF raw = BUF_INIT;
    AUTO_BUF text = BUF_INIT;
    struct json_writer w = json_writer(&text);
    char time[TIME_TEXT_SIZE];

    time_text(time_us, time);
    buf_printf(&raw, "%.19sZ TEST failed login: username=\"%s\", IP=\"%s\" (an example line)", time,
               user, address);
    ev.raw = buf_view(&raw);
    if (event_set(&ev, FIELD_SOURCE_IP, slice_str(address)) < 0 ||
        event_set(&ev, FIELD_USER_NAME, slice_str(user)) < 0)
        return false;
    event_json(&ev, &w);
    *ret = buf_ok(&raw) && buf_ok(&text) ? arena_slice(a, buf_view(&text)) : SLICE_NONE;
    return ret->p != NULL;
}

static struct alert sample_alert(const uint8_t id[16], uint64_t now_us)
{
    struct alert alert = {
        .rule_id = SLICE("trailwarden-test"),
        .rule_title = SLICE("Test: failed logins from one address"),
        .rule_author = SLICE("trailwarden"),
        .rule_file = SLICE("none"),
        .rule_description = SLICE("A test of this receiver by `trailwarden notify test`. Nothing "
                                  "has happened and nothing is to be done."),
        .level = LEVEL_MEDIUM,
        .channel = SLICE("test"),
        .time_us = now_us,
        .first_us = now_us - WINDOW_US / 2,
        .window_us = WINDOW_US,
        .count = COUNT,
        .threshold = COUNT - 1,
        .trust = TRUST_RECORD,
    };

    memcpy(alert.id, id, sizeof alert.id);
    return alert;
}

bool notify_sample(const uint8_t id[16], uint64_t now_us, struct buf *out)
{
    AUTO(arena) a = arena_new(8192, 1 << 20);
    struct alert alert = sample_alert(id, now_us);
    struct alert_group group[] = { { SLICE("source.ip"), slice_str(address) },
                                   { SLICE("user.name"), slice_str(user) } };
    struct tell_notice notice = { .reason = "test",
                                  .why = SLICE("This is only a test: somebody asked for it.") };
    struct slice lines[LINES], document;
    AUTO_BUF key = BUF_INIT;
    AUTO_BUF text = BUF_INIT;
    struct json_writer w = json_writer(&text);

    for (size_t i = 0; i < LINES; i++)
        if (!a || !sample_event(a, now_us - (LINES - 1 - i) * 30 * USEC_PER_SEC, &lines[i]))
            return false;
    alert.group = group;
    alert.ngroup = ARRAY_SIZE(group);
    alert.evidence = lines;
    alert.nevidence = LINES;
    alert_json(&alert, &w);
    if (!incident_key(&alert, &key) || !buf_ok(&text))
        return false;
    notice.incident = buf_view(&key);
    if (core_tell_document(a, buf_view(&text), &notice, &document) < 0)
        return false;
    buf_slice(out, document);
    return buf_ok(out);
}
