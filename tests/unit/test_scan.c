/*
 * What is found does not depend on the scan: readers with and without it say the same
 * of any bytes. TW_ROUNDS=N makes it as long as one likes.
 */
#include "logwatch/reader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/file.h"
#include "logwatch/scan.h"
#include <config.h>

#define NOW_US (UINT64_C(1795225200) * USEC_PER_SEC)

static const char *const channels[] = { "api", "hysteria", "laravel", "openvpn", "xray", "xui" };

/* One channel read in both ways. */
struct both {
    struct engine *on, *off;
    struct reader *with, *without;
    struct arena *arena_on, *arena_off;
    struct config_channel channel;
    struct config_input input;
    struct reader_source source;
    const char *service;
    uint64_t dice;
};

static uint64_t dice(struct both *t, uint64_t sides)
{
    t->dice = t->dice * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (t->dice >> 33) % sides;
}

static struct engine *load(const char *rules, bool library)
{
    struct engine_request q = { .no_library = !library };
    struct diag *d = diag_new();
    struct engine *e = NULL;
    char path[] = "/tmp/tw-scan-XXXXXX";
    const char *paths[] = { path };
    int fd = rules ? mkstemp(path) : -1;

    if (rules) {
        assert_true(fd >= 0 && dprintf(fd, "%s", rules) > 0);
        q.rule_paths = paths;
        q.nrule_paths = 1;
    }
    assert_int_equal(engine_load(&q, d, &e), 0);
    diag_print(d, stdout, false);
    assert_int_equal(diag_errors(d), 0);
    diag_free(d);
    if (rules) {
        close(fd);
        unlink(path);
    }
    return e;
}

static struct both *both_new(const char *rules, bool library)
{
    struct both *t = calloc(1, sizeof *t);

    assert_non_null(t);
    t->on = load(rules, library);
    t->off = load(rules, library);
    scans_disable(t->off->scans);
    t->with = reader_new(t->on, NULL);
    t->without = reader_new(t->off, NULL);
    t->arena_on = arena_new(1 << 20, 0);
    t->arena_off = arena_new(1 << 20, 0);
    t->dice = 7;
    return t;
}

static void both_free(struct both *t)
{
    reader_free(t->with);
    reader_free(t->without);
    engine_free(t->on);
    engine_free(t->off);
    arena_free(t->arena_on);
    arena_free(t->arena_off);
    free(t);
}

static struct reader_result run(struct both *t, bool on, const char *channel, struct slice bytes)
{
    struct engine *e = on ? t->on : t->off;
    struct reader_result result;
    struct err err = ERR_NONE;
    struct block b = { .arena = on ? t->arena_on : t->arena_off,
                       .name = SLICE("a.log"),
                       .bytes = bytes,
                       .position = 1000,
                       .received_us = NOW_US,
                       .last_flags = RECORD_PARTIAL };

    arena_reset(b.arena);
    t->channel = (struct config_channel){ .format = format_find(e->formats, slice_str(channel)) };
    t->channel.name = format_channel(t->channel.format);
    t->input = (struct config_input){ .name = "a", .channel = &t->channel, .service = t->service };
    assert_int_equal(reader_source_init(&t->source, &t->input, &err), 0);
    assert_int_equal(reader_run(on ? t->with : t->without, &t->source, &b, &result, &err), 0);
    reader_source_fini(&t->source);
    return result;
}

static bool same_match(const struct match *a, const struct match *b)
{
    return a->rule == b->rule && a->event->key.position == b->event->key.position &&
           slice_eq(a->event->raw, b->event->raw) && a->event->flags == b->event->flags &&
           a->event->time_us == b->event->time_us;
}

/* The same said by both; what the reader with the scan said is given back. */
static struct reader_result compare(struct both *t, const char *channel, struct slice bytes)
{
    struct reader_result off = run(t, false, channel, bytes), on = run(t, true, channel, bytes);

    assert_int_equal(on.lines, off.lines);
    assert_int_equal(on.events, off.events);
    assert_int_equal(off.parsed, off.events);
    for (size_t i = 0; i < on.nmatches && i < off.nmatches; i++)
        if (!same_match(&on.matches[i], &off.matches[i])) {
            print_message(
                "%s, match %zu: rule %u at %llu, without the scan %u at %llu: %.*s\n", channel, i,
                on.matches[i].rule, (unsigned long long)on.matches[i].event->key.position,
                off.matches[i].rule, (unsigned long long)off.matches[i].event->key.position,
                SLICE_FMT(off.matches[i].event->raw));
            fail();
        }
    assert_int_equal(on.nmatches, off.nmatches);
    return on;
}

/* ---- hostile lines ---- */

static void damage(struct both *t, struct buf *line)
{
    static const char *const pieces[] = { "\x1b[31m", "\\u0061", "\\",       "&amp;", "\r",
                                          "\xff\xfe", "\\/",     "\t",       "\"",    "{\"a\":1}",
                                          "ROOT",     " ",       "\xd0\x96", "",      "401" };
    const char *piece = pieces[dice(t, ARRAY_SIZE(pieces))];
    size_t at = dice(t, line->n + 1);
    AUTO_BUF copy = BUF_INIT;

    buf_add(&copy, line->p ? line->p : "", at);
    buf_str(&copy, piece);
    buf_add(&copy, line->p + at, line->n - at);
    buf_reset(line);
    buf_slice(line, buf_view(&copy));
}

/* A letter as JSON may write it. */
static void escape_letter(struct both *t, struct buf *line)
{
    size_t at = dice(t, line->n + 1);
    AUTO_BUF copy = BUF_INIT;

    while (at < line->n && !(line->p[at] >= 'a' && line->p[at] <= 'z'))
        at++;
    if (at == line->n)
        return;
    buf_add(&copy, line->p, at);
    buf_printf(&copy, "\\u%04x", (unsigned)line->p[at]);
    buf_add(&copy, line->p + at + 1, line->n - at - 1);
    buf_reset(line);
    buf_slice(line, buf_view(&copy));
}

static void turn_case(struct both *t, struct buf *line)
{
    for (size_t i = dice(t, line->n + 1), n = dice(t, 12); i < line->n && n; i++, n--)
        if ((line->p[i] >= 'a' && line->p[i] <= 'z') || (line->p[i] >= 'A' && line->p[i] <= 'Z'))
            line->p[i] ^= 0x20;
}

static void add_line(struct both *t, const struct slice *lines, size_t n, struct buf *out)
{
    AUTO_BUF line = BUF_INIT;

    buf_slice(&line, lines[dice(t, n)]);
    switch (dice(t, 8)) {
    case 0:
        damage(t, &line);
        break;
    case 1:
        escape_letter(t, &line);
        break;
    case 2:
        turn_case(t, &line);
        break;
    case 3:
        line.n = dice(t, line.n + 1);
        break;
    default:
        break;
    }
    buf_slice(out, buf_view(&line));
    buf_str(out, dice(t, 20) ? "\n" : dice(t, 2) ? "\r\n" : "\n\n");
}

static void read_samples(const char *channel, struct buf *out)
{
    const char *source = getenv("TW_SOURCE");
    AUTO_BUF path = BUF_INIT;
    struct err err = ERR_NONE;

    buf_printf(&path, "%s/contrib/samples/%s.log", source ? source : ".", channel);
    assert_int_equal(file_read(-1, path.p, 1 << 20, out, &err), 0);
}

static void play_channel(struct both *t, const char *channel, unsigned rounds)
{
    AUTO_BUF samples = BUF_INIT;
    AUTO_BUF bytes = BUF_INIT;
    struct slice lines[2000], rest;
    size_t n = 0;

    read_samples(channel, &samples);
    rest = buf_view(&samples);
    while (n < ARRAY_SIZE(lines) && slice_split(&rest, '\n', &lines[n]))
        n++;
    assert_true(n > 5);
    for (unsigned i = 0; i < rounds; i++) {
        size_t max = dice(t, 10) ? 4000 : 200000;

        buf_reset(&bytes);
        for (size_t size = dice(t, max); bytes.n < size;)
            add_line(t, lines, n, &bytes);
        if (bytes.n && dice(t, 2))
            bytes.n--; /* the last line is not whole */
        (void)compare(t, channel, buf_view(&bytes));
    }
}

static unsigned rounds(void)
{
    const char *n = getenv("TW_ROUNDS");

    return n ? (unsigned)strtoul(n, NULL, 10) : 300;
}

static void with_the_library_any_bytes_give_the_same_matches(void **state)
{
    struct both *t = both_new(NULL, true);

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(channels); i++)
        play_channel(t, channels[i], rounds());
    both_free(t);
}

/* Words of the samples, so that all lanes, and lines with several rules, come up. */
static void words_as_rules_give_the_same_matches(void **state)
{
    static const char rules[] =
        "title: a\nlogsource: {product: xui}\n"
        "detection: {s: {user.name|contains: root}, condition: s}\n"
        "---\ntitle: b\nlogsource: {product: xui}\n"
        "detection: {s: {message|contains: 'failed login'}, t: {user.name: admin}, condition: s "
        "and not t}\n"
        "---\ntitle: c\nlogsource: {product: laravel}\n"
        "detection: {s: {event.action: login_failed}, condition: s}\n"
        "---\ntitle: d\nlogsource: {product: laravel}\n"
        "detection: {k: ['guard', 'admin@*'], condition: k}\n"
        "---\ntitle: e\nlogsource: {product: api}\n"
        "detection: {s: {message|re: '(?i)log(?:in|out)_(?:failed|ok)'}, condition: s}\n"
        "---\ntitle: f\nlogsource: {product: openvpn}\n"
        "detection: {s: {message|contains: 'AUTH_FAILED'}, condition: s}\n"
        "---\ntitle: g\nlogsource: {product: hysteria}\n"
        "detection: {s: {message|endswith: 'error'}, condition: s}\n"
        "---\ntitle: h\nlogsource: {product: xray}\n"
        "detection: {s: {event.action: access_blocked}, condition: s}\n"
        "---\ntitle: i\nlogsource: {product: xray}\n"
        "detection: {k: ['accepted', '203.0.113.', 'login_failed'], condition: k}\n"
        "---\ntitle: j\nlogsource: {product: openvpn}\n"
        "detection: {k: ['203.0.113.5', 'failure', '..'], condition: k}\n"
        "---\ntitle: k\nlogsource: {product: api}\n"
        "detection: {k: {'|re': ['\\d{7}', '^err', 'Mozilla']}, condition: k}\n";
    struct both *t = both_new(rules, false);

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(channels); i++)
        play_channel(t, channels[i], rounds());
    both_free(t);
}

/* ---- what is not parsed ---- */

#define ONE_RULE                                                                                   \
    "title: a\nlogsource: {product: hysteria}\ndetection: {s: {message|contains: 'needle'}, "      \
    "condition: s}\n"

static void fill(struct buf *b, size_t lines, const char *text)
{
    for (size_t i = 0; i < lines; i++)
        buf_printf(b, "%s %zu\n", text, i);
}

static void lines_without_a_literal_are_counted_and_not_parsed(void **state)
{
    struct both *t = both_new(ONE_RULE, false);
    AUTO_BUF bytes = BUF_INIT;
    struct reader_result r;

    (void)state;
    fill(&bytes, 5000, "nothing to see here, line");
    buf_str(&bytes, "{\"msg\":\"a NEEDLE\"}\n\n");
    fill(&bytes, 5000, "nothing to see here, line");
    r = compare(t, "hysteria", buf_view(&bytes));
    assert_int_equal(r.lines, 10002);
    assert_int_equal(r.events, 10001);
    assert_int_equal(r.nmatches, 1);
#ifdef HAVE_VECTORSCAN
    assert_in_range(r.parsed, 3, 10); /* the needle, the ends, one each 64 KiB */
#endif
    both_free(t);
}

/* They have passes of their own. */
static void rare_signs_and_runs_of_digits_are_found(void **state)
{
    static const char rules[] =
        "title: a\nlogsource: {product: hysteria}\n"
        "detection: {s: {message|contains: '../'}, condition: s}\n"
        "---\ntitle: b\nlogsource: {product: hysteria}\n"
        "detection: {s: {message|re: '\\d{9}'}, t: {message|contains: '$('}, condition: s or t}\n"
        "---\ntitle: c\nlogsource: {product: hysteria}\n"
        "detection: {s: {message|re: '\\d{14}'}, condition: s}\n";
    struct both *t = both_new(rules, false);
    AUTO_BUF bytes = BUF_INIT;
    struct reader_result r;

    (void)state;
    fill(&bytes, 4000, "nothing to see here, 12345678, line");
    buf_str(&bytes,
            "{\"msg\":\"../x\"}\n{\"msg\":\"..\\/x\"}\n123456789\n{\"msg\":\"123456789\"}\n"
            "{\"msg\":\"a$(\"}\n{\"msg\":\"12345678\\u0039\"}\n{\"msg\":\"12345678901234\"}\n"
            "{\"msg\":\"12345678.9\"}\n");
    fill(&bytes, 4000, "nothing to see here, 12345678, line");
    r = compare(t, "hysteria", buf_view(&bytes));
    assert_int_equal(r.nmatches, 8); /* the longest is two rules' */
#ifdef HAVE_VECTORSCAN
    assert_in_range(r.parsed, 8, 20);
#endif
    both_free(t);
}

static void a_keyword_sees_the_name_that_the_configuration_gives(void **state)
{
    static const char rules[] = "title: a\nlogsource: {product: hysteria}\n"
                                "detection: {k: [needle, old-panel], condition: k}\n";
    struct both *t = both_new(rules, false);
    AUTO_BUF bytes = BUF_INIT;

    (void)state;
    fill(&bytes, 5000, "nothing to see here, line");
    buf_str(&bytes, "{\"msg\":\"a NEEDLE\"}\n");
    assert_int_equal(compare(t, "hysteria", buf_view(&bytes)).nmatches, 1);
    t->service = "the-old-panel.service";
    assert_int_equal(compare(t, "hysteria", buf_view(&bytes)).nmatches, 5001);
    t->service = "the-new-panel.service";
    assert_int_equal(compare(t, "hysteria", buf_view(&bytes)).nmatches, 1);
    t->service = NULL;
    assert_int_equal(compare(t, "hysteria", buf_view(&bytes)).nmatches, 1);
    both_free(t);
}

/* From a database: any text can come of it, so each line is asked. */
static void a_keyword_sees_the_place_of_an_address(void **state)
{
    static const char rules[] = "title: a\nlogsource: {product: hysteria}\n"
                                "detection: {k: [needle, united king], condition: k}\n";
    const char *source = getenv("TW_SOURCE");
    AUTO_BUF path = BUF_INIT;
    AUTO_BUF bytes = BUF_INIT;
    AUTO(geo) geo = NULL;
    const char *paths[1];
    struct both *t;

    (void)state;
    buf_printf(&path, "%s/../shared/data/mmdb/test-data/GeoLite2-City-Test.mmdb",
               source ? source : ".");
    paths[0] = path.p;
    if (access(path.p, R_OK) < 0)
        skip();
    assert_int_equal(geo_open(paths, 1, &geo, NULL), 0);
    t = both_new(rules, false);
    fill(&bytes, 3000, "nothing to see here, line");
    buf_str(&bytes, "{\"addr\":\"81.2.69.142:40001\",\"msg\":\"client connected\"}\n");
    assert_int_equal(compare(t, "hysteria", buf_view(&bytes)).nmatches, 0);
    reader_free(t->with);
    reader_free(t->without);
    t->with = reader_new(t->on, geo);
    t->without = reader_new(t->off, geo);
    assert_int_equal(compare(t, "hysteria", buf_view(&bytes)).nmatches, 1);
    both_free(t);
}

static void a_literal_in_an_escaped_letter_is_found(void **state)
{
    struct both *t = both_new(ONE_RULE, false);
    AUTO_BUF bytes = BUF_INIT;

    (void)state;
    fill(&bytes, 500, "nothing to see here, line");
    buf_str(&bytes, "{\"msg\":\"a n\\u0065edle\"}\n{\"msg\":\"a n\\U0065edle\"}\n");
    fill(&bytes, 500, "nothing to see here, line");
    assert_int_equal(compare(t, "hysteria", buf_view(&bytes)).nmatches, 1);
    both_free(t);
}

static void a_literal_between_terminal_escapes_is_found(void **state)
{
    struct both *t = both_new(ONE_RULE, false);
    AUTO_BUF bytes = BUF_INIT;

    (void)state;
    fill(&bytes, 500, "nothing to see here, line");
    buf_str(&bytes, "{\"msg\":\"a ne\x1b[1med\x1b[0mle\"}\n");
    fill(&bytes, 500, "nothing to see here, line");
    (void)compare(t, "hysteria", buf_view(&bytes));
    both_free(t);
}

/* More candidates than are kept: the block is parsed whole. */
static void a_block_full_of_literals_gives_the_same(void **state)
{
    struct both *t = both_new(ONE_RULE, false);
    AUTO_BUF bytes = BUF_INIT;

    (void)state;
    for (size_t i = 0; i < 70000; i++)
        buf_str(&bytes, i % 100 ? "needle" : "\n");
    assert_true(compare(t, "hysteria", buf_view(&bytes)).parsed > 600);
    both_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_without_a_literal_are_counted_and_not_parsed),
        cmocka_unit_test(rare_signs_and_runs_of_digits_are_found),
        cmocka_unit_test(a_keyword_sees_the_name_that_the_configuration_gives),
        cmocka_unit_test(a_keyword_sees_the_place_of_an_address),
        cmocka_unit_test(a_literal_in_an_escaped_letter_is_found),
        cmocka_unit_test(a_literal_between_terminal_escapes_is_found),
        cmocka_unit_test(a_block_full_of_literals_gives_the_same),
        cmocka_unit_test(words_as_rules_give_the_same_matches),
        cmocka_unit_test(with_the_library_any_bytes_give_the_same_matches),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
