/*
 * Readers with and without the scan, and the lines to hold them against each other: samples of the
 * channels, many of them damaged.
 */
#pragma once

#include "logwatch/reader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/file.h"
#include "logwatch/scan.h"

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
    AUTO_BUF one = BUF_INIT;
    AUTO_BUF other = BUF_INIT;
    struct json_writer w = json_writer(&one), v = json_writer(&other);

    event_json(a->event, &w);
    event_json(b->event, &v);
    return a->rule == b->rule && slice_eq(buf_view(&one), buf_view(&other));
}

/* The same said by both; what the reader with the scan said is given back. */
static struct reader_result compare(struct both *t, const char *channel, struct slice bytes)
{
    struct reader_result off = run(t, false, channel, bytes), on = run(t, true, channel, bytes);

    assert_int_equal(on.lines, off.lines);
    assert_int_equal(on.events, off.events);
    assert_int_equal(off.parsed, off.events);
    if (on.parsed == off.parsed) { /* of the same lines */
        assert_int_equal(on.unparsed, off.unparsed);
        assert_int_equal(on.last_event_us, off.last_event_us);
        assert_int_equal(on.shows_logins, off.shows_logins);
    }
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

static unsigned rounds(void)
{
    const char *n = getenv("TW_ROUNDS");

    return n ? (unsigned)strtoul(n, NULL, 10) : 300;
}
