/*
 * Every labelled line of the corpus comes out as its label says: meaning,
 * address, user. Skipped where the corpus is not there (a release).
 */
#include "logwatch/engine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/file.h"

struct corpus {
    struct engine *engine;
    struct parser_scratch *scratch;
    struct arena *arena;
    char folder[512];
    size_t lines, wrong;
};

/* Labels that one line alone cannot give, with the reason. */
static const struct {
    const char *file;
    unsigned line;
    const char *why;
} not_derivable[] = {
    { "laravel.log", 39, "the same message is labelled suspicious in laravel-json.log" },
};

static bool excused(const char *file, unsigned line)
{
    for (size_t i = 0; i < ARRAY_SIZE(not_derivable); i++)
        if (strcmp(file, not_derivable[i].file) == 0 && line == not_derivable[i].line)
            return true;
    return false;
}

static int setup(void **state)
{
    static struct corpus c;
    struct engine_request q = { .no_library = true };
    struct diag *d = diag_new();
    const char *source = getenv("TW_SOURCE");
    int r = engine_load(&q, d, &c.engine);

    diag_print(d, stdout, false);
    diag_free(d);
    snprintf(c.folder, sizeof c.folder, "%s/../shared/corpus", source ? source : ".");
    c.arena = arena_new(1 << 16, 0);
    c.scratch = r == 0 ? parser_scratch_new(c.engine->formats) : NULL;
    *state = &c;
    return r < 0 || !c.arena || !c.scratch ? -1 : 0;
}

static int teardown(void **state)
{
    struct corpus *c = *state;

    parser_scratch_free(c->scratch);
    arena_free(c->arena);
    engine_free(c->engine);
    return 0;
}

static unsigned line_of(struct slice text, size_t position)
{
    unsigned n = 1;

    for (size_t i = 0; i < position && i < text.n; i++)
        n += text.p[i] == '\n';
    return n;
}

/* "login_failed_dup" is the action login_failed with the duplicate mark. */
static struct slice meaning_of(const struct event *ev, struct buf *out)
{
    buf_slice(out, event_text(ev, FIELD_EVENT_ACTION));
    if (ev->flags & EVENT_DUPLICATE)
        buf_str(out, "_dup");
    if (out->n == 0)
        buf_str(out, "noise");
    return buf_view(out);
}

static bool label_fits(struct slice label, const struct event *ev)
{
    static const enum field_id names[] = { FIELD_USER_TARGET_NAME, FIELD_USER_NAME,
                                           FIELD_USER_EMAIL, FIELD_USER_ID };

    if (slice_is(label, "-")) /* not on that line; another field may hold a user all the same */
        return true;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        AUTO_BUF json = BUF_INIT;

        buf_json(&json, event_text(ev, names[i]));
        if (slice_eq(label, event_text(ev, names[i])) || slice_eq(label, buf_view(&json)))
            return true;
    }
    return false;
}

static void check(struct corpus *c, const char *file, unsigned line, struct slice meaning,
                  struct slice ip, struct slice user, const struct event *ev)
{
    AUTO_BUF got = BUF_INIT;
    struct slice got_ip = event_text(ev, FIELD_SOURCE_IP);
    struct slice got_meaning = meaning_of(ev, &got);
    bool ip_ok = slice_is(ip, "-") ? true : slice_eq(ip, got_ip);

    c->lines++;
    if (excused(file, line))
        return;
    if (slice_is(meaning, "forged_continuation") || slice_is(meaning, "login_failed_split"))
        return; /* checked by its own test below */
    if (slice_eq(meaning, got_meaning) && ip_ok &&
        (slice_is(meaning, "noise") || label_fits(user, ev)))
        return;
    c->wrong++;
    print_message("%s:%u: label %.*s %.*s %.*s, got %.*s %.*s '%.*s': %.*s\n", file, line,
                  SLICE_FMT(meaning), SLICE_FMT(ip), SLICE_FMT(user), SLICE_FMT(got_meaning),
                  SLICE_FMT(got_ip), SLICE_FMT(event_text(ev, FIELD_USER_NAME)),
                  SLICE_FMT(slice_take(ev->raw, 100)));
}

struct labels {
    struct slice rest;
    struct slice file, meaning, ip, user;
    unsigned line;
};

static bool next_label(struct labels *l)
{
    struct slice row, number;

    if (!slice_split(&l->rest, '\n', &row) || row.n == 0)
        return false;
    if (!slice_split(&row, '\t', &l->file) || !slice_split(&row, '\t', &number) ||
        !slice_split(&row, '\t', &l->meaning) || !slice_split(&row, '\t', &l->ip))
        return false;
    l->user = row;
    l->line = (unsigned)strtoul(number.p, NULL, 10);
    return true;
}

/* Walks the records of one file and its labels side by side. */
static void check_file(struct corpus *c, const struct format *f, const char *folder,
                       const char *name, struct slice labels)
{
    AUTO_BUF path = BUF_INIT;
    AUTO_BUF text = BUF_INIT;
    struct parser_source source = { .format = f };
    struct block b = { 0 };
    struct block_walk walk = { 0 };
    struct record record;
    struct labels l = { .rest = labels };
    unsigned record_line = 0, end_line = 0;
    struct event ev = { 0 };

    buf_printf(&path, "%s/%s", folder, name);
    assert_int_equal(file_read(-1, path.p, 8 << 20, &text, NULL), 0);
    assert_int_equal(parser_source_init(&source, NULL), 0);
    b.bytes = buf_view(&text);
    arena_reset(c->arena);
    while (next_label(&l)) {
        if (!slice_is(l.file, name))
            continue;
        while (end_line < l.line && block_next(&b, format_framing(f), &walk, &record)) {
            record_line = line_of(b.bytes, record.position);
            end_line = line_of(b.bytes, walk.offset ? walk.offset - 1 : 0);
            arena_reset(c->arena);
            assert_int_equal(parser_run(&source, c->scratch, &record, 0, c->arena, &ev, NULL), 0);
        }
        if (slice_is(l.meaning, "continuation") || slice_is(l.meaning, "forged_continuation")) {
            if (record_line == l.line) {
                c->wrong++;
                print_message("%s:%u: a continuation began a record\n", name, l.line);
            }
            continue;
        }
        if (record_line != l.line) {
            if (!slice_is(l.meaning, "noise")) {
                c->wrong++;
                print_message("%s:%u: %.*s is inside the record of line %u\n", name, l.line,
                              SLICE_FMT(l.meaning), record_line);
            }
            continue;
        }
        check(c, name, l.line, l.meaning, l.ip, l.user, &ev);
    }
    parser_source_fini(&source);
}

static void check_channel(void **state, const char *channel, const char *const *files)
{
    struct corpus *c = *state;
    const struct format *f = format_find(c->engine->formats, slice_str(channel));
    AUTO_BUF folder = BUF_INIT;
    AUTO_BUF path = BUF_INIT;
    AUTO_BUF labels = BUF_INIT;

    buf_printf(&folder, "%s/%s", c->folder, channel);
    buf_printf(&path, "%s/labels.tsv", folder.p);
    if (file_read(-1, path.p, 8 << 20, &labels, NULL) < 0) {
        buf_fini(&folder);
        buf_fini(&path);
        skip(); /* jumps: nothing is cleaned up behind it */
    }
    assert_non_null(f);
    c->lines = c->wrong = 0;
    for (; *files; files++)
        check_file(c, f, folder.p, *files, buf_view(&labels));
    print_message("%s: %zu labelled records, %zu wrong\n", channel, c->lines, c->wrong);
    assert_int_equal(c->wrong, 0);
}

static void hysteria_comes_out_as_labelled(void **state)
{
    static const char *const files[] = { "constructed-console-ansi.log",
                                         "constructed-console-plain.log", "constructed-json.log",
                                         NULL };

    check_channel(state, "hysteria", files);
}

static void xray_comes_out_as_labelled(void **state)
{
    static const char *const files[] = { "constructed-xray26-access.log",
                                         "constructed-xray26-error.log", "v2ray434-access.log",
                                         "v2ray434-error-info.log", NULL };

    check_channel(state, "xray", files);
}

static void openvpn_comes_out_as_labelled(void **state)
{
    static const char *const files[] = { "server-tcp-verb4.log",
                                         "server-udp-machine.log",
                                         "server-udp-suppress.log",
                                         "server-udp-verb3.log",
                                         "server-udp6.log",
                                         "server27-multi.log",
                                         NULL };

    check_channel(state, "openvpn", files);
}

static void xui_comes_out_as_labelled(void **state)
{
    static const char *const files[] = { "constructed-3xipl-banned.log",
                                         "constructed-3xipl-v26.log",
                                         "constructed-3xipl.log",
                                         "constructed-3xui.log",
                                         "constructed-journal-message.log",
                                         "constructed-older-versions.log",
                                         NULL };

    check_channel(state, "xui", files);
}

static void laravel_comes_out_as_labelled(void **state)
{
    static const char *const files[] = {
        "audit-2026-11-21.log", "laravel-json.log",   "laravel.log", "security-2026-11-21.log",
        "stderr.log",           "xui-2026-11-21.log", NULL
    };

    check_channel(state, "laravel", files);
}

static void api_comes_out_as_labelled(void **state)
{
    static const char *const files[] = { "api-plain.log",
                                         "api-pythonjsonlogger.log",
                                         "api-structlog.log",
                                         "uvicorn-color6.log",
                                         "uvicorn-json.log",
                                         "uvicorn-stdout.log",
                                         NULL };

    check_channel(state, "api", files);
}

/* ---- the journal: a saved export, its records by unit ---- */

static const struct {
    const char *unit, *channel;
} journal_units[] = { { "x-ui.service", "xui" },
                      { "hysteria-server.service", "hysteria" },
                      { "xray.service", "xray" } };

/* One field of the export format: NAME=text, or NAME, 8 bytes of length and the bytes. */
static bool export_field(struct slice *rest, struct slice *ret_name, struct slice *ret_value)
{
    struct slice line;
    uint64_t n = 0;

    if (!slice_split(rest, '\n', &line) || line.n == 0)
        return false;
    if (slice_split(&line, '=', ret_name) && line.p) {
        *ret_value = line;
        return true;
    }
    for (unsigned i = 0; i < 8; i++)
        n |= (uint64_t)(unsigned char)rest->p[i] << (8 * i);
    *ret_value = slice_of(rest->p + 8, (size_t)n);
    *rest = slice_skip(*rest, (size_t)n + 9);
    return true;
}

static bool export_record(struct slice *rest, struct slice *ret_unit, struct slice *ret_message)
{
    struct slice name, value;
    bool any = false;

    *ret_unit = *ret_message = SLICE_NONE;
    while (export_field(rest, &name, &value)) {
        any = true;
        if (slice_is(name, "_SYSTEMD_UNIT"))
            *ret_unit = value;
        else if (slice_is(name, "MESSAGE"))
            *ret_message = value;
    }
    return any;
}

static void check_journal_record(struct corpus *c, unsigned number, struct slice unit,
                                 struct slice message, struct labels *l)
{
    struct record record = { .text = message, .priority = -1 };
    struct parser_source source = { .from_journal = true };
    struct event ev;

    for (size_t i = 0; i < ARRAY_SIZE(journal_units); i++)
        if (slice_is(unit, journal_units[i].unit))
            source.format = format_find(c->engine->formats, slice_str(journal_units[i].channel));
    assert_non_null(source.format);
    assert_int_equal(parser_source_init(&source, NULL), 0);
    arena_reset(c->arena);
    assert_int_equal(parser_run(&source, c->scratch, &record, 0, c->arena, &ev, NULL), 0);
    check(c, "mixed.export", number, l->meaning, l->ip, l->user, &ev);
    parser_source_fini(&source);
}

static void the_journal_comes_out_as_labelled(void **state)
{
    struct corpus *c = *state;
    AUTO_BUF path = BUF_INIT;
    AUTO_BUF text = BUF_INIT;
    AUTO_BUF labels = BUF_INIT;
    struct labels l = { 0 };
    struct slice rest, row, unit, message;

    buf_printf(&path, "%s/journal/mixed.export", c->folder);
    if (file_read(-1, path.p, 8 << 20, &text, NULL) < 0) {
        buf_fini(&path);
        skip();
    }
    buf_reset(&path);
    buf_printf(&path, "%s/journal/labels.tsv", c->folder);
    assert_int_equal(file_read(-1, path.p, 1 << 20, &labels, NULL), 0);
    l.rest = buf_view(&labels);
    rest = buf_view(&text);
    (void)slice_split(&l.rest, '\n', &row); /* the heading */
    c->lines = c->wrong = 0;
    for (unsigned number = 1; slice_split(&l.rest, '\n', &row) && row.n; number++) {
        struct slice skipped;

        assert_true(slice_split(&row, '\t', &skipped) && slice_split(&row, '\t', &skipped) &&
                    slice_split(&row, '\t', &l.meaning) && slice_split(&row, '\t', &l.ip));
        l.user = row;
        assert_true(export_record(&rest, &unit, &message));
        check_journal_record(c, number, unit, message, &l);
    }
    print_message("journal: %zu labelled records, %zu wrong\n", c->lines, c->wrong);
    assert_int_equal(c->wrong, 0);
}

/* ---- places, from MaxMind's test database ---- */

static void addresses_get_their_country_and_broken_databases_are_survived(void **state)
{
    struct corpus *c = *state;
    static const char *const names[] = { "test-data/GeoLite2-City-Test.mmdb",
                                         "test-data/GeoLite2-ASN-Test.mmdb" };
    static const char *const broken[] = {
        "test-data/MaxMind-DB-test-broken-pointers-24.mmdb",
        "test-data/MaxMind-DB-test-broken-search-tree-24.mmdb",
        "bad-data/libmaxminddb/libmaxminddb-corrupt-search-tree.mmdb",
        "bad-data/libmaxminddb/libmaxminddb-deep-nesting.mmdb",
        "bad-data/maxminddb-golang/cyclic-data-structure.mmdb",
    };
    char path[2][600];
    const char *const paths[] = { path[0], path[1] };
    struct geo *g = NULL;
    struct event ev = { .arena = c->arena };

    for (size_t i = 0; i < 2; i++)
        snprintf(path[i], sizeof path[i], "%s/../data/mmdb/%s", c->folder, names[i]);
    if (access(path[0], R_OK) < 0)
        skip();
    arena_reset(c->arena);
    assert_int_equal(geo_open(paths, 2, &g, NULL), 0);
    assert_int_equal(event_set(&ev, FIELD_SOURCE_IP, SLICE("81.2.69.142")), 0);
    assert_int_equal(enrich_run(g, &ev), 0);
    assert_true(slice_is(event_text(&ev, FIELD_SOURCE_GEO_COUNTRY_ISO_CODE), "GB"));
    assert_true(slice_is(event_text(&ev, FIELD_SOURCE_GEO_CITY_NAME), "London"));
    ev = (struct event){ .arena = c->arena };
    assert_int_equal(event_set(&ev, FIELD_SOURCE_IP, SLICE("2001:db8::1")), 0);
    assert_int_equal(enrich_run(g, &ev), 0);
    assert_null(event_get(&ev, FIELD_SOURCE_GEO_COUNTRY_ISO_CODE));
    geo_free(g);
    for (size_t i = 0; i < ARRAY_SIZE(broken); i++) {
        snprintf(path[0], sizeof path[0], "%s/../data/mmdb/%s", c->folder, broken[i]);
        g = NULL;
        if (geo_open(paths, 1, &g, NULL) < 0)
            continue;
        ev = (struct event){ .arena = c->arena };
        assert_int_equal(event_set(&ev, FIELD_SOURCE_IP, SLICE("1.1.1.1")), 0);
        assert_int_equal(enrich_run(g, &ev), 0);
        geo_free(g);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hysteria_comes_out_as_labelled),
        cmocka_unit_test(xray_comes_out_as_labelled),
        cmocka_unit_test(openvpn_comes_out_as_labelled),
        cmocka_unit_test(xui_comes_out_as_labelled),
        cmocka_unit_test(laravel_comes_out_as_labelled),
        cmocka_unit_test(api_comes_out_as_labelled),
        cmocka_unit_test(the_journal_comes_out_as_labelled),
        cmocka_unit_test(addresses_get_their_country_and_broken_databases_are_survived),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
