#include "logwatch/core-alarm.h"

#include "base/hash.h"

struct alert *core_alarm_alert(struct arena *a, const struct core_alarm *alarm, uint64_t now_us)
{
    struct alert *alert = arena_alloc(a, sizeof *alert);
    struct alert_group *group = arena_alloc(a, sizeof *group);

    if (!alert || !group)
        return NULL;
    group->name = SLICE("trailwarden.receiver");
    group->value = arena_slice(a, alarm->subject);
    *alert = (struct alert){
        .rule_id = slice_str(alarm->rule),
        .rule_title = slice_str(alarm->title),
        .rule_author = SLICE("trailwarden"),
        .rule_file = SLICE("(in the program)"),
        .rule_description = arena_slice(a, alarm->description),
        .level = LEVEL_CRITICAL,
        .channel = SLICE("trailwarden"),
        .time_us = now_us,
        .first_us = now_us,
        .count = 1,
        .group = group,
        .ngroup = 1,
        .trust = TRUST_RECORD,
    };
    sha256(alarm->rule, strlen(alarm->rule), alert->rule_digest);
    sha256(alarm->description.p, alarm->description.n, alert->event_hash);
    alert_identify(alert);
    return group->value.p && alert->rule_description.p ? alert : NULL;
}
