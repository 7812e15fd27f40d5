/* What routes, their short form, what calms them and manners of receivers become. */
#include "logwatch/config-private.h"

#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/file.h"

#define MINUTE (60 * USEC_PER_SEC)
#define RECEIVERS                                                                                  \
    "rules: {library: false}\n"                                                                    \
    "notifiers:\n  ops: {type: file, path: /tmp/o}\n  sms: {type: file, path: /tmp/s}\n"           \
    "  boss: {type: file, path: /tmp/b}\n"

/* NULL when it was refused. */
static struct config *load(const char *yaml)
{
    AUTO(diag) d = diag_new();
    struct config *c = NULL;
    struct err err = ERR_NONE;
    const char *tmp = getenv("TMPDIR");
    char path[256];
    struct config_request q = { .path = path };
    int fd;

    (void)snprintf(path, sizeof path, "%.100s/tw-config-XXXXXX", tmp ? tmp : "/tmp");
    fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(file_replace(-1, path, slice_str(yaml), 0600, &err), 0);
    if (config_load(&q, d, &c) < 0) {
        for (size_t i = 0; i < diag_count(d); i++)
            print_message("%s\n", diag_text(d, i));
        config_free(c);
        c = NULL;
    }
    (void)unlink(path);
    return c;
}

static struct config *loaded(const char *yaml)
{
    struct config *c = load(yaml);

    assert_non_null(c);
    return c;
}

static void a_route_says_all_that_it_can(void **state)
{
    AUTO(config)
    c = loaded(RECEIVERS
               "routes:\n"
               "  - {name: night, when: {level: [high, low], rule: \"x-*\", channel: xray,"
               " tag: attack.*,\n"
               "     field: {source.ip: [10.0.0.0/8, \"192.0.*\"], user.name: root}},\n"
               "     notify: [ops, sms], group: [rule, source.ip], wait: 30s,"
               " interval: 10m, repeat: 4h,\n"
               "     escalate: [{after: 15m, notify: boss}, {after: 1h, notify: [boss,"
               " ops]}], resolved: false, continue: true}\n");
    const struct route *r = &c->routing.routes[0];

    (void)state;
    assert_int_equal(c->routing.nroutes, 1);
    assert_string_equal(r->name, "night");
    assert_int_equal(r->when.levels, 1u << LEVEL_HIGH | 1u << LEVEL_LOW);
    assert_string_equal(r->when.rules.items[0], "x-*");
    assert_string_equal(r->when.channels.items[0], "xray");
    assert_string_equal(r->when.tags.items[0], "attack.*");
    assert_int_equal(r->when.nfields, 2);
    assert_string_equal(r->when.fields[0].name, "source.ip");
    assert_int_equal(r->when.fields[0].values.n, 2);
    assert_string_equal(r->when.fields[1].values.items[0], "root");
    assert_int_equal(r->group.n, 2);
    assert_int_equal(r->wait_us, MINUTE / 2);
    assert_int_equal(r->interval_us, 10 * MINUTE);
    assert_int_equal(r->repeat_us, 240 * MINUTE);
    assert_int_equal(r->nescalate, 2);
    assert_int_equal(r->escalate[1].after_us, 60 * MINUTE);
    assert_string_equal(r->escalate[1].notify.items[1], "ops");
    assert_false(r->resolved);
    assert_true(r->go_on);
}

static void what_a_route_does_not_say_has_a_default(void **state)
{
    AUTO(config) c = loaded(RECEIVERS "routes: [{notify: ops}, {notify: ops, group: rule}]\n");
    const struct route *r = c->routing.routes;

    (void)state;
    assert_string_equal(r[0].name, "routes[0]");
    assert_string_equal(r[1].name, "routes[1]");
    assert_int_equal(r[0].when.levels, 0);
    assert_int_equal(r[0].interval_us, 0);
    assert_int_equal(r[1].interval_us, 5 * MINUTE); /* of a group */
    assert_int_equal(r[0].wait_us + r[0].repeat_us + r[0].nescalate + r[0].group.n, 0);
    assert_true(r[0].resolved);
    assert_false(r[0].go_on);
}

static void priorities_are_routes_by_level_the_highest_first(void **state)
{
    AUTO(config) c = loaded(RECEIVERS "priorities: {low: ops, critical: [ops, sms], high: []}\n");
    const struct route *r = c->routing.routes;

    (void)state;
    assert_int_equal(c->routing.nroutes, 3);
    assert_string_equal(r[0].name, "priorities.critical");
    assert_int_equal(r[0].when.levels, 1u << LEVEL_CRITICAL);
    assert_int_equal(r[0].notify.n, 2);
    assert_int_equal(r[1].notify.n, 0);
    assert_int_equal(r[2].when.levels, 1u << LEVEL_LOW);
    assert_true(r[2].resolved);
}

static void inhibitions_and_maintenance_are_read(void **state)
{
    AUTO(config)
    c = loaded(RECEIVERS
               "inhibit: [{source: {level: critical}, target: {rule: [a, b]}, equal: host}]\n"
               "maintenance:\n  - {hours: \"Sun 02:00-04:00\", zone: Europe/Berlin}\n"
               "  - {name: move, when: {channel: xray}, from: 2026-11-21T22:00:00Z,"
               " until: \"2026-11-22T01:00:00+01:00\"}\n");
    const struct routing *r = &c->routing;

    (void)state;
    assert_string_equal(r->inhibitions[0].name, "inhibit[0]");
    assert_int_equal(r->inhibitions[0].source.levels, 1u << LEVEL_CRITICAL);
    assert_int_equal(r->inhibitions[0].source.rules.n, 0);
    assert_int_equal(r->inhibitions[0].target.rules.n, 2);
    assert_string_equal(r->inhibitions[0].equal.items[0], "host");
    assert_int_equal(r->nmaintenances, 2);
    assert_int_equal(r->maintenances[0].hours.days, 0x40);
    assert_string_equal(r->maintenances[0].hours.zone, "Europe/Berlin");
    assert_non_null(r->maintenances[0].hours.local);
    assert_string_equal(r->maintenances[1].name, "move");
    assert_false(r->maintenances[1].hours.given);
    assert_int_equal(r->maintenances[1].until_us - r->maintenances[1].from_us, 120 * MINUTE);
}

static void a_digest_has_its_time_and_day(void **state)
{
    AUTO(config)
    c = loaded(RECEIVERS
               "digests: [{notify: ops}, {every: week, day: Fri, at: \"18:30\","
               " zone: Asia/Kolkata, notify: [ops, boss]}, {every: week, notify: ops}]\n");

    (void)state;
    assert_int_equal(c->ndigests, 3);
    assert_false(c->digests[0].weekly);
    assert_int_equal(c->digests[0].at_min, 420);
    assert_null(c->digests[0].zone);
    assert_true(c->digests[1].weekly);
    assert_int_equal(c->digests[1].at_min, 1110);
    assert_int_equal(c->digests[1].weekday, 4);
    assert_string_equal(c->digests[1].zone, "Asia/Kolkata");
    assert_non_null(c->digests[1].local);
    assert_int_equal(c->digests[1].notify.n, 2);
    assert_int_equal(c->digests[2].weekday, 0);
}

static void assert_next(const struct config_digest *d, const char *now, const char *next)
{
    uint64_t from = 0;
    char got[TIME_TEXT_SIZE];

    assert_int_equal(time_parse_rfc3339(slice_str(now), &from), 0);
    time_text(config_digest_next_us(d, from), got);
    got[19] = '\0';
    assert_string_equal(got, next);
}

static void a_digest_comes_at_its_wall_time(void **state)
{
    AUTO(config)
    c = loaded(RECEIVERS
               "digests: [{notify: ops, zone: Europe/Berlin},"
               " {every: week, day: Sun, at: \"02:30\", zone: Europe/Berlin, notify: ops}]\n");

    (void)state;
    assert_next(&c->digests[0], "2026-03-28T05:59:59Z", "2026-03-28T06:00:00");
    assert_next(&c->digests[0], "2026-03-28T06:00:00Z", "2026-03-29T05:00:00");
    assert_next(&c->digests[1], "2026-11-16T12:00:00Z", "2026-11-22T01:30:00");
    assert_next(&c->digests[1], "2026-11-22T01:30:00Z", "2026-11-29T01:30:00");
    /* A time that the clock leaves out, and one that it shows twice. */
    assert_next(&c->digests[1], "2026-03-28T12:00:00Z", "2026-03-29T01:00:00");
    assert_next(&c->digests[1], "2026-10-24T12:00:00Z", "2026-10-25T00:30:00");
    assert_next(&c->digests[1], "2026-10-25T00:30:00Z", "2026-11-01T01:30:00");
}

/* Its own would never be read: the common one has the name. */
static void no_kind_of_receiver_has_an_option_called_like_a_common_one(void **state)
{
    (void)state;
    for (size_t i = 0; sink_kinds[i]; i++)
        for (const struct option *o = sink_kinds[i]->options; o->name; o++)
            for (const struct option *c = config_notifier_options; c->name; c++)
                if (strcmp(o->name, c->name) == 0)
                    fail_msg("%s: %s", sink_kinds[i]->name, o->name);
}

static void no_ban_backend_has_an_option_called_like_a_common_one(void **state)
{
    (void)state;
    for (size_t i = 0; blocker_kinds[i]; i++)
        for (const struct option *o = blocker_kinds[i]->options; o->name; o++)
            for (const struct option *c = config_bans_options; c->name; c++)
                if (strcmp(o->name, c->name) == 0)
                    fail_msg("%s: %s", blocker_kinds[i]->name, o->name);
}

static void manners_stand_at_the_index_of_their_receiver(void **state)
{
    AUTO(config)
    c = loaded("rules: {library: false}\nnotifiers:\n  plain: {type: file, path: /tmp/p}\n"
               "  calm: {type: file, path: /tmp/c, quiet: \"22:00-07:00\", zone: Europe/Berlin,"
               " rate: 20/1m, digest_over: 7, rule_rate: 3/1h}\n"
               "  wild: {type: file, path: /tmp/w, digest_over: never, rule_rate: none, rate: 9/1s,"
               " zone: Europe/Berlin}\n");
    const struct manners *m = c->manners;

    (void)state;
    assert_string_equal(c->sinks[1].name, "calm");
    assert_false(m[0].quiet.given);
    /* A file has no pace, so nothing is held back that nobody wished. */
    assert_int_equal(m[0].burst + m[0].every_us + m[0].digest_over + m[0].rule_burst, 0);
    assert_true(m[1].quiet.given);
    assert_int_equal(m[1].quiet.from_min, 1320);
    assert_non_null(m[1].quiet.local);
    assert_ptr_equal(m[1].quiet.local, m[2].quiet.local); /* loaded once */
    assert_int_equal(m[1].burst, 20);
    assert_int_equal(m[1].every_us, 3 * USEC_PER_SEC);
    assert_int_equal(m[1].digest_over, 7);
    assert_int_equal(m[1].rule_burst, 3);
    assert_int_equal(m[1].rule_within_us, 60 * MINUTE);
    assert_int_equal(m[2].digest_over, UINT_MAX);
    assert_int_equal(m[2].rule_burst, 0);
    assert_int_equal(m[2].every_us, 111111);
}

static int note(void *ctx, const struct route *route, const struct sink *sink)
{
    struct buf *out = ctx;

    buf_printf(out, "%s:%s ", route ? route->name : "-", sink->name);
    return strcmp(sink->name, "boss") == 0 ? -EINTR : 0;
}

static void assert_told(const struct config *c, const struct alert *alert, const char *want)
{
    AUTO(arena) a = arena_new(4096, 1 << 20);
    AUTO_BUF out = BUF_INIT;
    int r = config_tell(c, alert, a, note, &out);

    assert_string_equal(out.n ? out.p : "", want);
    assert_int_equal(r, strstr(want, "boss") ? -EINTR : 0);
}

static void each_receiver_is_told_once(void **state)
{
    AUTO(config)
    c = loaded(RECEIVERS "routes: [{when: {level: high}, notify: [ops, ops, sms], continue: true},"
                         " {notify: [sms, ops]}]\n");
    AUTO(config) none = loaded(RECEIVERS);
    AUTO(config) far = loaded(RECEIVERS "routes: [{notify: [boss, ops]}]\n");
    struct slice names[] = { SLICE("sms"), SLICE("nobody"), SLICE("sms"), SLICE("ops") };
    struct alert alert = { .level = LEVEL_HIGH, .rule_id = SLICE("x") };

    (void)state;
    assert_told(c, &alert, "routes[0]:ops routes[0]:sms ");
    assert_told(none, &alert, "-:ops -:sms -:boss ");
    assert_told(far, &alert, "routes[0]:boss "); /* a non-zero answer ends it */
    alert.level = LEVEL_LOW;
    assert_told(c, &alert, "routes[1]:sms routes[1]:ops ");
    alert.notify = names;
    alert.nnotify = 4;
    assert_told(c, &alert, "-:sms -:ops ");
}

static void two_routes_have_two_names(void **state)
{
    AUTO(config)
    same = load(RECEIVERS "routes: [{name: a, notify: ops}, {name: a, notify: sms}]\n");
    AUTO(config)
    taken = load(RECEIVERS "routes: [{name: \"routes[1]\", notify: ops}, {notify: sms}]\n");

    (void)state;
    assert_null(same);
    assert_null(taken);
}

static void too_many_are_refused(void **state)
{
    AUTO_BUF yaml = BUF_INIT;
    AUTO(config) most = NULL;

    (void)state;
    buf_str(&yaml, RECEIVERS "routes:\n");
    for (unsigned i = 0; i < 256; i++)
        buf_str(&yaml, "  - {notify: ops}\n");
    most = loaded(yaml.p);
    assert_int_equal(most->routing.nroutes, 256);
    buf_str(&yaml, "  - {notify: ops}\n");
    assert_null(load(yaml.p));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_route_says_all_that_it_can),
        cmocka_unit_test(what_a_route_does_not_say_has_a_default),
        cmocka_unit_test(priorities_are_routes_by_level_the_highest_first),
        cmocka_unit_test(inhibitions_and_maintenance_are_read),
        cmocka_unit_test(a_digest_has_its_time_and_day),
        cmocka_unit_test(a_digest_comes_at_its_wall_time),
        cmocka_unit_test(no_kind_of_receiver_has_an_option_called_like_a_common_one),
        cmocka_unit_test(no_ban_backend_has_an_option_called_like_a_common_one),
        cmocka_unit_test(manners_stand_at_the_index_of_their_receiver),
        cmocka_unit_test(each_receiver_is_told_once),
        cmocka_unit_test(two_routes_have_two_names),
        cmocka_unit_test(too_many_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
