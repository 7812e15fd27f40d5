/*
 * A glance says what the whole event would: rules of every kind, made by dice, over the samples of
 * all formats, whole and damaged. Readers with the scan glance at what it names, those without it
 * read everything. TW_ROUNDS=N makes it as long as one likes, TW_GLANCE_SEED=N another one.
 */
#include "tests/unit/scan_rig.h"

#include "logwatch/glances.h"
#include "parsers/format.h"

#define PICK(t, list) ((list)[dice((t), ARRAY_SIZE(list))])

/* ---- rules by dice ---- */

static const char *const fields[] = {
    "event.action",
    "event.action",
    "event.outcome",
    "event.category",
    "event.code",
    "http.response.status_code",
    "http.response.status_code",
    "http.request.method",
    "url.original",
    "user.name",
    "user.name",
    "user.id",
    "user.roles",
    "user_agent.original",
    "source.ip",
    "source.ip",
    "source.port",
    "source.address",
    "destination.address",
    "log.level",
    "log.level",
    "message",
    "message",
    "trailwarden.trust",
    "trailwarden.duplicate",
    "trailwarden.unparsed",
    "trailwarden.session",
    "trailwarden.format",
    "event.reason",
    "event.module",
    "host.name",
    "process.name",
    "process.pid",
    "error.message",
    "log.logger",
    /* as the sources name them */
    "status_code",
    "status",
    "level",
    "level_name",
    "msg",
    "username",
    "email",
    "context.email",
    "context",
    "channel",
    "client_ip",
    "addr",
    "id",
    "duration_ms",
    "nowhere",
};
static const char *const values[] = {
    "login_failed", "login_ok",  "access",       "access_denied", "access_error",
    "probe",        "conn_open", "failure",      "success",       "authentication",
    "'401'",        "'403'",     "'404'",        "'200'",         "'5*'",
    "GET",          "POST",      "error",        "warning",       "info",
    "debug",        "root",      "admin",        "admin*",        "'*@example.com'",
    "forgeable",    "line",      "'true'",       "failed",        "service_*",
    "'*'",          "'1'",       "203.0.113.66", "'*.1'",
};

static void put_test(struct both *t, struct buf *b)
{
    static const char *const networks[] = { "203.0.113.0/24", "198.51.100.0/25", "2001:db8::/32" };
    static const char *const compare[] = { "lt", "lte", "gt", "gte" };
    static const char *const parts[] = { "contains", "startswith", "endswith" };
    static const char *const words[] = { "log", "fail", "e", "2", "ad", "203.0" };
    static const char *const expressions[] = { "^.{0,7}$", "[0-9]{3}", "(?i)^a.*n$", "o" };
    const char *field = PICK(t, fields);

    switch (dice(t, 12)) {
    case 0:
    case 1:
    case 2:
        buf_printf(b, "%s|%s: %u", field, PICK(t, compare), (unsigned)dice(t, 9) * 100);
        break;
    case 3:
        buf_printf(b, "source.ip|cidr: '%s'", PICK(t, networks));
        break;
    case 4:
        buf_printf(b, "%s|%s: '%s'", field, PICK(t, parts), PICK(t, words));
        break;
    case 5:
        buf_printf(b, "%s|re: '%s'", field, PICK(t, expressions));
        break;
    case 6:
        if (dice(t, 6) == 0)
            buf_printf(b, "%s|exists: %s", field, dice(t, 2) ? "true" : "false");
        else
            buf_printf(b, "%s|fieldref: %s", field, PICK(t, fields));
        break;
    default:
        buf_printf(b, "%s: %s", field, PICK(t, values));
        break;
    }
}

static void put_selection(struct both *t, const char *name, struct buf *b)
{
    buf_printf(b, "    %s:\n", name);
    for (uint64_t i = 0, n = 1 + dice(t, 2); i < n; i++) {
        buf_str(b, "      - ");
        put_test(t, b);
        buf_str(b, "\n");
    }
}

static void put_rule(struct both *t, const struct logsource *ls, struct buf *b)
{
    static const char *const conditions[] = { "s", "s", "s and t", "s and not t", "not s and t" };

    buf_printf(b, "---\ntitle: %llu\nlogsource: {product: %.*s}\ndetection:\n",
               (unsigned long long)b->n, SLICE_FMT(ls->product));
    put_selection(t, "s", b);
    put_selection(t, "t", b);
    buf_printf(b, "    condition: %s\n", PICK(t, conditions));
}

/* ---- lines ---- */

#define LINES_MAX 500

static size_t lines_of(struct both *t, const struct format *f, const struct buf *log,
                       struct slice lines[LINES_MAX])
{
    struct slice rest = buf_view(log), line;
    size_t n = 0;

    for (size_t i = 0; i < f->nsamples && n < LINES_MAX; i++)
        lines[n++] = f->samples[i].line;
    while (n < LINES_MAX && slice_split(&rest, '\n', &line))
        if (line.n && dice(t, 2))
            lines[n++] = line;
    return n;
}

/*
 * As many members as JSON may have, more fields than an event has room for: the last ones have
 * none, so they are not there for a glance either.
 */
static void put_crowd(uint64_t members, struct buf *out)
{
    static const char *const names[] = { "msg",   "event",  "name",   "logger", "ip",
                                         "user",  "email",  "actor",  "target", "role",
                                         "level", "reason", "detail", "method", "path" };

    buf_str(out, "{\"time\":\"2026-11-21T01:42:39Z\",\"message\":\"a crowd\"");
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        buf_printf(out, ",\"%s\":\"%zu\"", names[i], i);
    for (uint64_t i = 0; i < members; i++)
        buf_printf(out, ",\"x%llu\":1", (unsigned long long)i);
    buf_str(out, ",\"status_code\":503,\"nowhere\":\"failed\"}\n");
}

static void play_format(struct both *t, const struct format *f, unsigned rounds)
{
    AUTO_BUF log = BUF_INIT;
    AUTO_BUF bytes = BUF_INIT;
    struct slice lines[LINES_MAX];
    AUTO_BUF name = BUF_INIT;
    size_t n;

    buf_slice(&name, f->name);
    for (size_t i = 0; i < ARRAY_SIZE(channels); i++)
        if (slice_is(f->name, channels[i]))
            read_samples(channels[i], &log);
    n = lines_of(t, f, &log, lines);
    for (unsigned i = 0; n && i < rounds; i++) {
        buf_reset(&bytes);
        for (size_t size = 2000 + dice(t, 10000); bytes.n < size;) {
            if (dice(t, 50) == 0)
                put_crowd(130 + dice(t, 120), &bytes);
            add_line(t, lines, n, &bytes);
        }
        (void)compare(t, name.p, buf_view(&bytes));
    }
}

/* One rule of each channel more: every line is read for it, and none matches. */
static void put_field_lane(const struct logsource *ls, struct buf *b)
{
    buf_printf(b,
               "---\ntitle: every line %llu\nlogsource: {product: %.*s}\n"
               "detection: {s: {source.port|lt: 0}, condition: s}\n",
               (unsigned long long)b->n, SLICE_FMT(ls->product));
}

static void play_rules(struct both *dices, const struct formats *formats, unsigned rounds)
{
    AUTO_BUF rules = BUF_INIT;
    bool every_line = dice(dices, 2);
    struct both *t;

    for (size_t i = 0; i < formats->n; i++) {
        if (every_line)
            put_field_lane(&formats->list[i]->logsource, &rules);
        for (uint64_t j = 0, n = 1 + dice(dices, 3); j < n; j++)
            put_rule(dices, &formats->list[i]->logsource, &rules);
    }
    t = both_new(rules.p + 4, false);
    t->dice = dices->dice;
    for (size_t i = 0; i < t->on->formats->n; i++)
        play_format(t, t->on->formats->list[i], rounds);
    both_free(t);
}

static void any_rules_say_the_same_of_a_glance_and_of_the_whole(void **state)
{
    struct both *t = both_new(NULL, false);
    const char *seed = getenv("TW_GLANCE_SEED");

    (void)state;
    t->dice = seed ? strtoull(seed, NULL, 10) : 7;
    for (unsigned i = 0; i < rounds() / 10; i++)
        play_rules(t, t->on->formats, 3);
    both_free(t);
}

/* ---- what one thing hangs on ---- */

static size_t matches(const char *channel, const char *detection, const char *line)
{
    AUTO_BUF rule = BUF_INIT;
    struct both *t;
    size_t n;

    buf_printf(&rule, "title: a\nlogsource: {product: %s}\ndetection: {s: {%s}, condition: s}\n",
               channel, detection);
    t = both_new(rule.p, false);
    n = compare(t, channel, slice_str(line)).nmatches;
    both_free(t);
    return n;
}

static void an_entry_is_known_by_fields_that_no_rule_asks_for(void **state)
{
    (void)state;
    assert_int_equal(matches("api", "event.action: service_error",
                             "{\"level\":\"critical\",\"msg\":\"out of memory\"}\n"),
                     1);
    assert_int_equal(matches("laravel", "event.action: job_failed",
                             "{\"message\":\"x\",\"status\":\"failed\",\"result\":\"failed\"}\n"),
                     1);
}

static void an_entry_that_fits_before_is_the_events(void **state)
{
    (void)state;
    assert_int_equal(matches("api", "event.action: service_error",
                             "{\"level\":\"critical\",\"msg\":\"login_failed\"}\n"),
                     0);
}

static void an_object_is_there_by_its_members(void **state)
{
    (void)state;
    assert_int_equal(matches("laravel", "context|exists: true, message: needle",
                             "{\"message\":\"needle\",\"context\":{\"email\":\"a\"}}\n"),
                     1);
    assert_int_equal(matches("laravel", "context: null, message: needle",
                             "{\"message\":\"needle\",\"context\":{\"email\":\"a\"}}\n"),
                     0);
}

static void another_field_is_read_to_be_compared_with(void **state)
{
    const char *line = "{\"msg\":\"needle\",\"username\":\"ann\",\"node\":\"ann\"}\n";

    (void)state;
    assert_int_equal(matches("api", "message: needle, user.name|fieldref: node", line), 1);
    assert_int_equal(matches("api", "message: needle, user.name|fieldref: msg", line), 0);
}

static void a_field_without_room_in_the_event_is_not_there(void **state)
{
    size_t found = 0;

    (void)state;
    for (uint64_t members = 160; members < 232; members++) {
        AUTO_BUF line = BUF_INIT;

        put_crowd(members, &line);
        found += matches("api", "message: a crowd, nowhere: failed", line.p);
    }
    assert_in_range(found, 5, 50); /* some have it, some do not */
}

/* ---- what a glance leaves out ---- */

struct ask {
    const char *field, *value;
    const struct engine *engine;
};

static bool ask_field(const void *ctx, uint32_t id)
{
    const struct ask *a = ctx;

    return id == field_find(a->engine->names, slice_str(a->field));
}

static bool ask_value(const void *ctx, uint32_t id, struct slice value)
{
    const struct ask *a = ctx;

    return ask_field(ctx, id) && (!a->value || slice_is(value, a->value));
}

static size_t entries_of(const char *format, const char *field, const char *value)
{
    struct engine *e = load(NULL, false);
    const struct format *f = format_find(e->formats, slice_str(format));
    AUTO(arena) a = arena_new(4096, 0);
    const struct ask ask = { field, value, e };
    const struct glance_ask q = { ask_field, ask_value, &ask };
    const struct glance *g = glance_new(f, &q, a);
    size_t n = 0;

    assert_non_null(g);
    for (size_t i = 0; i < f->nevents; i++)
        n += g->entries[i / 64] >> i % 64 & 1;
    engine_free(e);
    return n;
}

static void only_entries_that_could_say_it_are_looked_at(void **state)
{
    (void)state;
    assert_int_equal(entries_of("api", "duration_ms", NULL), 0);
    assert_int_equal(entries_of("api", "event.action", "login_failed"), 2);
    assert_int_equal(entries_of("api", "event.action", "nothing"), 0);
    assert_int_equal(entries_of("api", "http.response.status_code", "503"), 1); /* 5\d\d */
    assert_int_equal(entries_of("api", "http.response.status_code", "404"), 3);
    assert_int_equal(entries_of("api", "http.response.status_code", "299"), 2); /* 2\d\d, [1234] */
    assert_int_equal(entries_of("api", "url.original", "299"), 10); /* anything may be a path */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_entries_that_could_say_it_are_looked_at),
        cmocka_unit_test(an_entry_is_known_by_fields_that_no_rule_asks_for),
        cmocka_unit_test(an_entry_that_fits_before_is_the_events),
        cmocka_unit_test(an_object_is_there_by_its_members),
        cmocka_unit_test(another_field_is_read_to_be_compared_with),
        cmocka_unit_test(a_field_without_room_in_the_event_is_not_there),
        cmocka_unit_test(any_rules_say_the_same_of_a_glance_and_of_the_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
