/* A filter of fail2ban as the format of a channel: events, state over a restart, configuration. */
#include "logwatch/config.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/file.h"
#include "parsers/parser.h"

/* 2026-11-21T12:00:00Z */
#define NOW_US (UINT64_C(1795262400) * USEC_PER_SEC)

struct rig {
    struct engine *e;
    struct diag *d;
    struct arena *a;
    struct parser_scratch *scratch;
    struct parser_source source;
    uint64_t position;
    uint8_t stream[16];
    struct event ev;
};

static const char *data_folder(void)
{
    static char path[PATH_MAX];
    const char *source = getenv("TW_SOURCE");

    assert_non_null(realpath(source ? source : ".", path));
    return path;
}

static void open_source(struct rig *r)
{
    struct err err = ERR_NONE;

    r->source = (struct parser_source){ .format = format_filter(r->e->formats, SLICE("door")),
                                        .stream = r->stream };
    assert_non_null(r->source.format);
    assert_int_equal(parser_source_init(&r->source, &err), 0);
}

static void open_rig(struct rig *r, const char *name, bool journal)
{
    char filter[PATH_MAX + 100];
    struct filter_request q = { SLICE("door"), SLICE_NONE, journal, { "c.yaml", 3, 5 } };
    struct engine_request request = { .no_library = true, .filters = &q, .nfilters = 1 };

    *r = (struct rig){ .d = diag_new(), .a = arena_new(4096, 1 << 20) };
    snprintf(filter, sizeof filter, "%s/tests/data/fail2ban/filter.d/%s", data_folder(), name);
    q.filter = slice_str(filter);
    assert_int_equal(engine_load(&request, r->d, &r->e), 0);
    if (diag_errors(r->d))
        diag_print(r->d, stderr, false);
    assert_int_equal(diag_errors(r->d), 0);
    r->scratch = parser_scratch_new(r->e->formats);
    assert_non_null(r->scratch);
    open_source(r);
}

static void close_rig(struct rig *r)
{
    parser_source_fini(&r->source);
    parser_scratch_free(r->scratch);
    engine_free(r->e);
    arena_free(r->a);
    diag_free(r->d);
}

static bool feed(struct rig *r, struct record record)
{
    record.position = r->position++;
    record.priority = -1;
    assert_int_equal(parser_run(&r->source, r->scratch, &record, NOW_US, r->a, &r->ev, NULL), 0);
    return slice_is(event_text(&r->ev, FIELD_EVENT_OUTCOME), "failure");
}

static bool say(struct rig *r, const char *line)
{
    return feed(r, (struct record){ .text = slice_str(line) });
}

static void assert_field(const struct rig *r, const char *name, const char *want)
{
    const struct field *f = event_get_named(&r->ev, slice_str(name));

    if (!want && !f)
        return;
    if (!f || !want || !slice_is(f->value, want))
        fail_msg("%s is '%.*s', not '%s'", name, f ? (int)f->value.n : 4, f ? f->value.p : "none",
                 want ? want : "none");
}

/* ---- events ---- */

static void a_failure_is_an_event_with_its_fields(void **state)
{
    struct rig r;

    (void)state;
    open_rig(&r, "shell", false);
    assert_true(say(&r, "Nov 21 11:59:01 host sshd[11]: Failed password for root from "
                        "::ffff:192.0.2.1 port 4242 ssh2"));
    assert_field(&r, "event.category", "authentication");
    assert_field(&r, "source.ip", "192.0.2.1");
    assert_field(&r, "source.address", "192.0.2.1");
    assert_field(&r, "user.name", "root");
    assert_field(&r, "fail2ban.id", "192.0.2.1");
    assert_field(&r, "fail2ban.user", "root");
    assert_field(&r, "fail2ban.ip4", "192.0.2.1");
    assert_field(&r, "fail2ban.nofail", NULL);
    assert_field(&r, "event.module", "door");
    assert_true(slice_ends(event_text(&r.ev, FIELD_FAIL2BAN_FILTER), SLICE("filter.d/shell")));
    assert_int_equal(r.ev.time_us, NOW_US - 59 * USEC_PER_SEC);
    assert_int_equal(r.ev.flags & (EVENT_TIME_GUESSED | EVENT_UNPARSED), 0);
    assert_true(slice_is(r.ev.logsource->product, "fail2ban"));
    assert_true(slice_is(r.ev.logsource->service, "door"));
    close_rig(&r);
}

static void a_line_that_is_no_failure_is_its_text(void **state)
{
    struct rig r;

    (void)state;
    open_rig(&r, "shell", false);
    assert_false(say(&r, "Nov 21 11:59:01 host sshd[11]: all is well"));
    assert_field(&r, "source.ip", NULL);
    assert_field(&r, "fail2ban.filter", NULL);
    assert_field(&r, "message", "Nov 21 11:59:01 host sshd[11]: all is well");
    assert_false(say(&r, "Nov 21 11:59:04 host sshd[16]: Failed password for root from "
                         "192.0.2.250 port 4242")); /* ignoreregex */
    assert_field(&r, "source.ip", NULL);
    assert_int_equal(r.ev.flags & EVENT_UNPARSED, 0);
    assert_false(say(&r, ""));
    close_rig(&r);
}

static void a_name_or_a_network_is_no_address(void **state)
{
    struct rig r;

    (void)state;
    open_rig(&r, "shell", false);
    assert_true(say(&r, "Nov 21 11:59:03 h sshd[14]: Failed password for eve from "
                        "evil.example.org port 2"));
    assert_field(&r, "source.address", "evil.example.org");
    assert_field(&r, "source.ip", NULL);
    close_rig(&r);
    open_rig(&r, "tunnel", false);
    assert_true(say(&r, "2026-11-21 11:59:03 flood from 192.0.2.77/28"));
    assert_field(&r, "source.address", "192.0.2.64/28");
    assert_field(&r, "source.ip", NULL);
    assert_field(&r, "fail2ban.id", "192.0.2.64/28");
    close_rig(&r);
}

static void bytes_that_are_no_utf8_are_cleaned_in_the_fields(void **state)
{
    struct rig r;

    (void)state;
    open_rig(&r, "shell", false);
    assert_true(say(&r, "Nov 21 11:00:00 h sshd[1]: Failed x for \xff\xc3\xa9 from 192.0.2.1 "
                        "port 1"));
    assert_field(&r, "user.name", "\xef\xbf\xbd\xc3\xa9");
    close_rig(&r);
}

static void a_record_of_the_journal_is_read_with_its_sender(void **state)
{
    struct record record = { .text = SLICE("Failed password for root from 192.0.2.1 port 4"),
                             .app = SLICE("sshd"),
                             .pid = 11,
                             .time_us = NOW_US - 7 };
    struct rig r;

    (void)state;
    open_rig(&r, "shell", true);
    assert_true(feed(&r, record));
    assert_int_equal(r.ev.time_us, NOW_US - 7);
    record.app = SLICE("other");
    assert_false(feed(&r, record));
    close_rig(&r);
    open_rig(&r, "shell", false);
    record.app = SLICE("sshd");
    record.host = SLICE("h");
    assert_true(feed(&r, record));
    close_rig(&r);
}

/* ---- lines that belong together ---- */

static const char *const address_line = "Nov 21 11:00:00 h sshd[1]: Connection from 192.0.2.9 "
                                        "port 1";
static const char *const failure_line = "Nov 21 11:00:01 h sshd[1]: User bob is locked";

static void lines_join_in_their_own_stream(void **state)
{
    struct rig r;

    (void)state;
    open_rig(&r, "shell", false);
    assert_true(parser_source_ordered(&r.source));
    assert_false(say(&r, address_line));
    r.stream[0] = 1;
    assert_false(say(&r, failure_line));
    r.stream[0] = 0;
    assert_true(say(&r, failure_line));
    assert_field(&r, "source.ip", "192.0.2.9");
    assert_field(&r, "user.name", "bob");
    close_rig(&r);
}

static size_t changes(struct rig *r, struct cursor **ret)
{
    size_t n;

    assert_int_equal(parser_source_changes(&r->source, r->a, ret, &n), 0);
    return n;
}

/* A new process: all that there is of the old one are its cursors. */
static void restart(struct rig *r, const struct cursor *list, size_t n)
{
    parser_source_fini(&r->source);
    open_source(r);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(parser_source_restore(&r->source, &list[i]), 0);
}

static void a_failure_whose_first_line_was_before_a_restart_is_found(void **state)
{
    struct cursor *list;
    struct rig r;

    (void)state;
    open_rig(&r, "shell", false);
    say(&r, address_line);
    assert_int_equal(changes(&r, &list), 1);
    assert_true(parser_cursor_is(list[0].stream));
    assert_false(parser_cursor_is(SLICE("fc9b562d7190381f4b4d7e38b47ac359")));
    restart(&r, list, 1);
    assert_int_equal(changes(&r, &list), 0);
    assert_true(say(&r, failure_line));
    assert_field(&r, "source.ip", "192.0.2.9");
    close_rig(&r);
}

static void a_position_that_was_set_back_begins_anew(void **state)
{
    struct rig r;

    (void)state;
    open_rig(&r, "shell", false);
    say(&r, "Nov 21 11:00:00 h sshd[2]: nothing");
    say(&r, address_line);
    r.position = 0;
    assert_false(say(&r, failure_line));
    close_rig(&r);
}

static void streams_have_a_limit_and_what_goes_is_forgotten(void **state)
{
    struct cursor *list;
    struct rig r;
    size_t n, gone = 0;

    (void)state;
    open_rig(&r, "shell", false);
    for (r.stream[0] = 0; r.stream[0] < 64; r.stream[0]++)
        say(&r, address_line);
    assert_int_equal(changes(&r, &list), 64);
    for (; r.stream[0] < 70; r.stream[0]++)
        say(&r, address_line);
    n = changes(&r, &list);
    for (size_t i = 0; i < n; i++)
        gone += list[i].value.n == 0;
    assert_int_equal(n, 12);
    assert_int_equal(gone, 6);
    r.stream[0] = 0;
    assert_false(say(&r, failure_line));
    r.stream[0] = 69;
    assert_true(say(&r, failure_line));
    close_rig(&r);
}

static void a_cursor_that_is_none_of_it_is_refused(void **state)
{
    static const struct cursor bad[] = {
        { { "filter:00", 9 }, { "{}", 2 } },
        { { "filter:00000000000000000000000000000000", 39 }, { "", 0 } },
        { { "filter:00000000000000000000000000000000", 39 },
          { "{\"version\":1,\"offset\":1,\"kept\":\"AAAA\"}", 38 } },
        { { "filter:0000000000000000000000000000000x", 39 },
          { "{\"version\":1,\"offset\":1,\"kept\":\"\"}", 34 } },
    };
    struct rig r;

    (void)state;
    open_rig(&r, "shell", false);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(parser_source_restore(&r.source, &bad[i]), -EINVAL);
    assert_false(say(&r, address_line));
    assert_true(say(&r, failure_line));
    close_rig(&r);
}

static void a_filter_without_connections_is_read_in_any_order(void **state)
{
    struct rig r;

    (void)state;
    open_rig(&r, "tunnel", false);
    assert_false(parser_source_ordered(&r.source));
    close_rig(&r);
}

/* ---- configuration ---- */

static int load(struct diag *d, struct config **ret, const char *fmt, ...) PRINTF_LIKE(3, 4);
static int load(struct diag *d, struct config **ret, const char *fmt, ...)
{
    const char *folder = getenv("TMPDIR");
    char path[PATH_MAX];
    struct config_request q = { .path = path };
    AUTO_BUF text = BUF_INIT;
    struct err err = ERR_NONE;
    va_list args;
    int r;

    snprintf(path, sizeof path, "%s/test_filter.%d.yaml", folder ? folder : "/tmp", getpid());
    va_start(args, fmt);
    buf_vprintf(&text, fmt, args);
    va_end(args);
    assert_int_equal(file_replace(AT_FDCWD, path, buf_view(&text), 0600, &err), 0);
    r = config_load(&q, d, ret);
    unlink(path);
    return r;
}

static bool told(const struct diag *d, const char *text)
{
    for (size_t i = 0; i < diag_count(d); i++)
        if (strstr(diag_text(d, i), text))
            return true;
    diag_print(d, stderr, false);
    return false;
}

static void a_channel_is_read_by_its_filter_and_another_by_a_format_of_that_name(void **state)
{
    AUTO(diag) d = diag_new();
    AUTO(config) c = NULL;

    (void)state;
    assert_int_equal(load(d, &c,
                          "channels:\n"
                          "  sshd: {filter: '%s/tests/data/fail2ban/filter.d/shell.conf', inputs: "
                          "[{type: file, path: /x}]}\n"
                          "  other: {format: sshd, inputs: [{type: file, path: /y}]}\n",
                          data_folder()),
                     0);
    assert_true(slice_is(format_name(c->channels[0].format), "filter.sshd"));
    assert_true(slice_is(format_channel(c->channels[0].format), "sshd"));
    assert_true(slice_is(format_name(c->channels[1].format), "sshd"));
}

static void a_filter_that_cannot_be_used_refuses_the_configuration(void **state)
{
    static const struct {
        const char *filter, *why;
    } cases[] = {
        { "/nowhere/x.conf", "there is no such file" },
        { "./x.conf", "it is no path from / on" },
        { "x[mode", "filter 'x[mode'" },
        { "%s/tests/data/fail2ban/bad/expression.conf", "failregex 2" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        AUTO(diag) d = diag_new();
        AUTO(config) c = NULL;
        char filter[PATH_MAX + 100];

        snprintf(filter, sizeof filter, "%s%s", cases[i].filter[0] == '%' ? data_folder() : "",
                 cases[i].filter + (cases[i].filter[0] == '%' ? 2 : 0));
        assert_int_equal(load(d, &c, "channels: {a: {filter: '%s', inputs: []}}\n", filter),
                         -EINVAL);
        assert_true(told(d, cases[i].why));
    }
}

static void a_channel_has_a_format_or_a_filter(void **state)
{
    AUTO(diag) d = diag_new();
    AUTO(config) c = NULL;

    (void)state;
    assert_int_equal(load(d, &c,
                          "channels: {a: {format: sshd, filter: "
                          "'%s/tests/data/fail2ban/filter.d/shell', inputs: []}}\n",
                          data_folder()),
                     -EINVAL);
    assert_true(told(d, "a format or a filter, not both"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failure_is_an_event_with_its_fields),
        cmocka_unit_test(a_line_that_is_no_failure_is_its_text),
        cmocka_unit_test(a_name_or_a_network_is_no_address),
        cmocka_unit_test(bytes_that_are_no_utf8_are_cleaned_in_the_fields),
        cmocka_unit_test(a_record_of_the_journal_is_read_with_its_sender),
        cmocka_unit_test(lines_join_in_their_own_stream),
        cmocka_unit_test(a_failure_whose_first_line_was_before_a_restart_is_found),
        cmocka_unit_test(a_position_that_was_set_back_begins_anew),
        cmocka_unit_test(streams_have_a_limit_and_what_goes_is_forgotten),
        cmocka_unit_test(a_cursor_that_is_none_of_it_is_refused),
        cmocka_unit_test(a_filter_without_connections_is_read_in_any_order),
        cmocka_unit_test(a_channel_is_read_by_its_filter_and_another_by_a_format_of_that_name),
        cmocka_unit_test(a_filter_that_cannot_be_used_refuses_the_configuration),
        cmocka_unit_test(a_channel_has_a_format_or_a_filter),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
