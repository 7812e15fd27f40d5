/*
 * From alerts to messages, with a clock that is set by hand: who hears of what, when, together
 * with what, and why not. The receivers are played; what they got is a text.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/num.h"
#include "base/proc.h"
#include "logwatch/core-private.h"
#include "logwatch/sender-private.h"
#include "tests/property/dice.h"

#define SEC USEC_PER_SEC
#define MIN (60 * SEC)
#define HOUR (60 * MIN)
#define START (UINT64_C(1795262400) * SEC) /* 2026-11-21 12:00:00 UTC, a Saturday */

struct world {
    char folder[100], path[160];
    struct config *config;
    struct clock clock;
    struct core *core;
    struct buf got; /* "disk first Failed logins" lines */
    uint64_t told; /* alerts in them, summaries by their count */
    uint64_t messages;
    const char *down; /* a receiver that fails */
    const char *refuses; /* one that refuses for good */
    uint64_t poison; /* a row that always fails */
    unsigned n; /* of alerts */
    struct arena *arena;
};

static void open_core(struct world *w)
{
    struct err err = ERR_NONE;

    if (core_attach(w->config, &w->clock, &w->core, &err) < 0)
        fail_msg("%s", err.text);
}

static void world_new(struct world *w, const char *settings)
{
    AUTO(diag) d = diag_new();
    AUTO_BUF yaml = BUF_INIT;
    const char *tmp = getenv("TMPDIR");
    struct config_request q = { .path = w->path };

    *w = (struct world){ .arena = arena_new(1 << 16, 64 << 20) };
    (void)snprintf(w->folder, sizeof w->folder, "%.60s/tw-tell-XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(w->folder));
    (void)snprintf(w->path, sizeof w->path, "%s/c.yaml", w->folder);
    buf_printf(&yaml,
               "state: %s/state\nhost: tell.example\n"
               "channels: {xui: {inputs: [{type: file, path: %s/x.log}]}}\n%s",
               w->folder, w->folder, settings);
    assert_int_equal(file_replace(-1, w->path, buf_view(&yaml), 0600, NULL), 0);
    if (config_load(&q, d, &w->config) < 0) {
        diag_print(d, stderr, false);
        fail_msg("the settings are refused");
    }
    clock_set(&w->clock, START);
    open_core(w);
}

static void world_free(struct world *w)
{
    const char *const argv[] = { "/bin/rm", "-rf", w->folder, NULL };
    struct proc_result r = { .out = BUF_LIMIT(1000) };

    core_free(w->core);
    config_free(w->config);
    arena_free(w->arena);
    buf_fini(&w->got);
    (void)proc_run(argv, NULL, SLICE_NONE, 10 * SEC, &r, NULL);
    buf_fini(&r.out);
}

/* ---- what happens ---- */

struct spec {
    const char *rule, *ip;
    enum level level;
    uint64_t window_us;
    bool ban;
};

/* 32 hex digits in *ret_id when wanted. */
static void alert_of(struct world *w, const struct spec *s, char ret_id[33])
{
    struct arena *a = w->core->arena;
    struct alert *alert = arena_alloc(a, sizeof *alert);
    AUTO_BUF hex = BUF_INIT;
    struct err err = ERR_NONE;

    assert_non_null(alert);
    *alert = (struct alert){ .rule_id = slice_str(s->rule),
                             .rule_title = slice_str(s->rule),
                             .rule_author = SLICE("x"),
                             .rule_file = SLICE("x"),
                             .rule_description = SLICE("x"),
                             .level = s->level,
                             .channel = SLICE("xui"),
                             .time_us = clock_now(&w->clock),
                             .first_us = clock_now(&w->clock),
                             .window_us = s->window_us,
                             .count = 1,
                             .threshold = s->window_us ? 1 : 0,
                             .trust = TRUST_RECORD };
    if (s->ban)
        alert->ban = (struct action_ban){ .wanted = true,
                                          .field = SLICE("source.ip"),
                                          .address = slice_str(s->ip),
                                          .for_us = 60 * SEC };
    alert->group = arena_alloc(a, sizeof *alert->group);
    assert_non_null(alert->group);
    alert->group[0] = (struct alert_group){ SLICE("source.ip"), slice_str(s->ip) };
    alert->ngroup = 1;
    memcpy(alert->event_hash, &w->n, sizeof w->n);
    w->n++;
    alert_identify(alert);
    buf_hex(&hex, alert->id, 16);
    if (ret_id)
        memcpy(ret_id, hex.p, 33);
    assert_int_equal(batch_alert(&w->core->batch, alert), 0);
    assert_int_equal(core_respond(w->core, alert, &err), 0);
}

static void alert(struct world *w, const char *rule, const char *ip, enum level level)
{
    alert_of(w, &(struct spec){ rule, ip, level, 0, false }, NULL);
}

static uint64_t alerts_in(struct world *w, const struct outbox_row *row)
{
    arena_reset(w->arena);
    return json_u64(json_load(w->arena, row->document, NULL), "alerts", 1);
}

struct handing {
    struct world *w;
    bool any;
};

static int hand(void *ctx, const struct outbox_row *row, struct slice first_remote)
{
    struct handing *h = ctx;
    struct world *w = h->w;
    bool fails = (w->down && slice_is(row->receiver, w->down)) || row->id == w->poison;
    bool refused = w->refuses && slice_is(row->receiver, w->refuses);
    AUTO_BUF remote = BUF_INIT;
    struct core_delivery d = { .row = row->id,
                               .key = row->key,
                               .receiver = row->receiver,
                               .kind = row->kind,
                               .state = DELIVERY_SENT,
                               .attempts = row->attempts + 1,
                               .status = SLICE("ok") };
    struct err err = ERR_NONE;

    h->any = true;
    buf_printf(&remote, "m%llu", (unsigned long long)row->id);
    d.remote = buf_view(&remote);
    if (refused) {
        d.state = DELIVERY_DEAD;
        d.broken = true;
    } else if (fails) {
        d.state = DELIVERY_RETRY;
        d.not_before_us = clock_now(&w->clock) + sink_backoff_us(d.attempts, row->id);
    } else {
        buf_printf(&w->got, "%.*s %.*s %.*s%s%.*s\n", SLICE_FMT(row->receiver),
                   SLICE_FMT(row->reason), SLICE_FMT(row->title), first_remote.n ? " <" : "",
                   SLICE_FMT(first_remote));
        w->messages++;
        w->told += alerts_in(w, row);
    }
    assert_int_equal(core_outcome(w->core, &d, &err), 0);
    return 0;
}

static bool step(struct world *w)
{
    struct handing h = { .w = w };
    struct err err = ERR_NONE;

    if (core_tick(w->core, &err) < 0)
        fail_msg("%s", err.text);
    if (core_dirty(w->core) && core_commit(w->core, &err) < 0)
        fail_msg("%s", err.text);
    for (size_t i = 0; i < w->config->nsinks; i++)
        if (core_next(w->core, slice_str(w->config->sinks[i].name), hand, &h, &err) < 0)
            fail_msg("%s", err.text);
    return h.any || core_dirty(w->core);
}

static uint64_t next_us(struct world *w)
{
    uint64_t next = core_people_next_us(w->core);

    for (size_t i = 0; i < w->config->nsinks; i++) {
        uint64_t when = core_next_us(w->core, slice_str(w->config->sinks[i].name));

        next = when < next ? when : next;
    }
    return next;
}

/* Lives on for that long, at each moment at which something is due. */
static void live(struct world *w, uint64_t us)
{
    uint64_t end = clock_now(&w->clock) + us, next;
    unsigned turns = 0;

    for (;;) {
        while (step(w))
            if (++turns > 200000)
                fail_msg("it never rests");
        next = next_us(w);
        if (next > end)
            break;
        if (++turns > 200000 || next <= clock_now(&w->clock))
            next = clock_now(&w->clock) + 1000;
        assert_true(turns < 400000);
        clock_set(&w->clock, next);
    }
    clock_set(&w->clock, end);
}

static void reopen(struct world *w)
{
    core_free(w->core);
    open_core(w);
}

static void got(struct world *w, const char *what)
{
    buf_char(&w->got, '\0');
    assert_string_equal(w->got.p, what);
    buf_reset(&w->got);
}

static bool act(struct world *w, const char *request)
{
    AUTO_BUF answer = BUF_INIT;
    struct err err = ERR_NONE;
    const struct core_actor me = { .uid = 0, .via = "cli" };

    assert_int_equal(core_act(w->core, slice_str(request), &me, &answer, &err), 0);
    arena_reset(w->arena);
    return json_bool(json_load(w->arena, buf_view(&answer), NULL), "ok", false);
}

static int see_row(void *ctx, const struct outbox_row *row)
{
    buf_printf(ctx, "%.*s %s %.*s\n", SLICE_FMT(row->receiver), delivery_state_name(row->state),
               SLICE_FMT(row->status));
    return 0;
}

/* "disk held silence 1 by me: x" lines, newest first. */
static void rows(struct world *w, unsigned states, const char *what)
{
    AUTO_BUF b = BUF_INIT;
    const struct outbox_filter f = { .states = states, .limit = 100000 };

    assert_int_equal(store_outbox_list(w->core->store, &f, see_row, &b, NULL), 0);
    buf_char(&b, '\0');
    assert_string_equal(b.p, what);
}

static uint64_t count_rows(struct world *w, enum delivery_state state)
{
    AUTO_BUF b = BUF_INIT;
    const struct outbox_filter f = { .states = 1u << state, .limit = 1000000 };
    uint64_t n = 0;

    assert_int_equal(store_outbox_list(w->core->store, &f, see_row, &b, NULL), 0);
    for (size_t i = 0; i < b.n; i++)
        n += b.p[i] == '\n';
    return n;
}

#define DISK "notifiers: {disk: {type: file, path: /nowhere/a.jsonl}}\n"
#define TWO                                                                                        \
    "notifiers:\n  disk: {type: file, path: /nowhere/a.jsonl}\n"                                   \
    "  boss: {type: file, path: /nowhere/b.jsonl}\n"

/* ---- routes ---- */

static void each_alert_is_told_once_to_each_receiver(void **state)
{
    struct world w;

    (void)state;
    world_new(&w, TWO);
    alert(&w, "logins", "192.0.2.1", LEVEL_HIGH);
    live(&w, MIN);
    got(&w, "disk first logins\nboss first logins\n");
    alert(&w, "logins", "192.0.2.1", LEVEL_HIGH);
    alert(&w, "logins", "192.0.2.2", LEVEL_HIGH);
    live(&w, MIN);
    got(&w, "disk repeat logins <m1\nboss repeat logins <m2\n"
            "disk first logins\nboss first logins\n");
    reopen(&w);
    live(&w, HOUR);
    got(&w, "");
    world_free(&w);
}

static void what_belongs_together_comes_together(void **state)
{
    struct world w;

    (void)state;
    world_new(&w, DISK "routes: [{notify: [disk], group: [rule], wait: 30s, interval: 5m}]\n");
    for (unsigned i = 0; i < 3; i++) {
        alert(&w, "logins", i ? "192.0.2.1" : "192.0.2.2", LEVEL_HIGH);
        live(&w, 5 * SEC);
    }
    alert(&w, "other", "192.0.2.1", LEVEL_LOW);
    got(&w, "");
    live(&w, 20 * SEC);
    got(&w, "disk group 3 alerts: logins\n");
    reopen(&w); /* what waits and what was told is in the state */
    live(&w, 20 * SEC);
    got(&w, "disk first other\n");
    alert(&w, "logins", "192.0.2.3", LEVEL_HIGH);
    live(&w, MIN);
    alert(&w, "logins", "192.0.2.4", LEVEL_HIGH);
    got(&w, "");
    live(&w, 5 * MIN);
    got(&w, "disk group 2 alerts: logins\n");
    live(&w, HOUR);
    got(&w, "");
    world_free(&w);
}

static void a_repeat_waits_and_is_counted(void **state)
{
    struct world w;

    (void)state;
    world_new(&w, DISK "routes: [{notify: [disk], repeat: 4h}]\n");
    for (unsigned i = 0; i < 5; i++) { /* of one commit, too */
        alert(&w, "logins", "192.0.2.1", LEVEL_HIGH);
        alert(&w, "logins", "192.0.2.9", LEVEL_HIGH);
    }
    live(&w, MIN);
    got(&w, "disk first logins\ndisk first logins\n");
    alert(&w, "logins", "192.0.2.1", LEVEL_HIGH);
    live(&w, 3 * HOUR);
    got(&w, "");
    live(&w, HOUR);
    got(&w, "disk repeat 5 alerts: logins <m1\ndisk repeat 4 alerts: logins <m2\n");
    world_free(&w);
}

static void who_is_not_asked_is_asked_next(void **state)
{
    struct world w;
    char id[33], request[120];

    (void)state;
    world_new(&w, TWO "routes: [{notify: [disk], escalate: [{after: 15m, notify: [boss]}]}]\n");
    alert_of(&w, &(struct spec){ "logins", "192.0.2.1", LEVEL_HIGH, 0, false }, NULL);
    live(&w, 14 * MIN);
    got(&w, "disk first logins\n");
    live(&w, 2 * MIN);
    got(&w, "boss escalated logins\n");
    alert_of(&w, &(struct spec){ "logins", "192.0.2.2", LEVEL_HIGH, 0, false }, id);
    live(&w, MIN);
    (void)snprintf(request, sizeof request, "{\"act\":\"ack\",\"id\":\"%.12s\",\"by\":\"ann\"}",
                   id);
    assert_true(act(&w, request));
    reopen(&w); /* it was not committed: nobody acknowledged */
    assert_true(act(&w, request));
    live(&w, HOUR);
    got(&w, "disk first logins\n");
    rows(&w, 1u << DELIVERY_HELD, "boss held acked by ann\n");
    world_free(&w);
}

/* ---- people ---- */

static void an_acknowledged_incident_tells_nobody_until_it_is_over(void **state)
{
    struct world w;
    char id[33], request[160];

    (void)state;
    world_new(&w, TWO "routes: [{notify: [disk]}]\n");
    alert_of(&w, &(struct spec){ "logins", "192.0.2.1", LEVEL_HIGH, 10 * MIN, false }, id);
    live(&w, MIN);
    got(&w, "disk first logins\n");
    (void)snprintf(request, sizeof request,
                   "{\"act\":\"ack\",\"id\":\"%s\",\"by\":\"ann\",\"comment\":\"on it\"}", id);
    assert_true(act(&w, request));
    live(&w, MIN);
    alert_of(&w, &(struct spec){ "logins", "192.0.2.1", LEVEL_HIGH, 10 * MIN, false }, NULL);
    live(&w, MIN);
    got(&w, "");
    rows(&w, 1u << DELIVERY_HELD, "disk held acknowledged by ann: on it\n");
    assert_false(act(&w, "{\"act\":\"ack\",\"id\":\"ffffffffff\"}"));
    live(&w, 8 * MIN);
    got(&w, "");
    live(&w, 2 * MIN); /* its window is empty */
    got(&w, "disk resolved logins <m1\n");
    assert_false(act(&w, request)); /* over */
    alert_of(&w, &(struct spec){ "logins", "192.0.2.1", LEVEL_HIGH, 10 * MIN, false }, NULL);
    live(&w, MIN);
    got(&w, "disk first logins\n"); /* a new one */
    (void)snprintf(request, sizeof request, "{\"act\":\"close\",\"id\":\"%.8s\",\"by\":\"bob\"}",
                   id);
    assert_true(act(&w, request));
    live(&w, DELIVERY_STATES * HOUR);
    got(&w, "disk closed logins <m4\n");
    world_free(&w);
}

static void what_has_no_window_is_over_without_a_word(void **state)
{
    struct world w;

    (void)state;
    world_new(&w, DISK);
    alert(&w, "root", "192.0.2.1", LEVEL_HIGH);
    live(&w, 48 * HOUR);
    got(&w, "disk first root\n");
    alert(&w, "root", "192.0.2.1", LEVEL_HIGH);
    live(&w, HOUR);
    got(&w, "disk first root\n");
    world_free(&w);
}

static void a_silence_holds_back_what_fits_and_says_so(void **state)
{
    struct world w;
    char id[33], request[200];

    (void)state;
    world_new(&w, DISK);
    assert_true(act(&w, "{\"act\":\"silence.add\",\"when\":{\"rule\":[\"log*\"],\"source.ip\":"
                        "[\"192.0.2.0/24\"]},\"for_s\":3600,\"by\":\"ann\",\"comment\":\"scan\"}"));
    assert_false(act(&w, "{\"act\":\"silence.add\",\"when\":{\"level\":[\"loud\"]},\"for_s\":60}"));
    assert_false(act(&w, "{\"act\":\"silence.add\",\"when\":{\"rule\":[\"a\"]}}"));
    alert(&w, "logins", "192.0.2.1", LEVEL_HIGH);
    alert(&w, "logins", "198.51.100.1", LEVEL_HIGH);
    live(&w, MIN);
    reopen(&w);
    alert(&w, "logins", "192.0.2.2", LEVEL_HIGH);
    live(&w, MIN);
    got(&w, "disk first logins\n");
    rows(&w, 1u << DELIVERY_HELD,
         "disk held silence 1 by ann: scan\ndisk held silence 1 by ann: scan\n");
    live(&w, HOUR);
    alert_of(&w, &(struct spec){ "logins", "192.0.2.*", LEVEL_HIGH, 0, false }, id);
    live(&w, MIN);
    got(&w, "disk first logins\n"); /* it has ended */
    (void)snprintf(request, sizeof request,
                   "{\"act\":\"silence.add\",\"id\":\"%s\",\"for_s\":600,\"by\":\"ann\"}", id);
    assert_true(act(&w, request)); /* a star that came from a log line is a star */
    alert(&w, "logins", "192.0.2.*", LEVEL_HIGH);
    alert(&w, "logins", "192.0.2.7", LEVEL_HIGH);
    live(&w, SEC);
    got(&w, "disk first logins\n");
    assert_true(act(&w, "{\"act\":\"silence.expire\",\"id\":\"2\"}"));
    assert_false(act(&w, "{\"act\":\"silence.expire\",\"id\":\"2\"}"));
    alert(&w, "logins", "192.0.2.*", LEVEL_HIGH);
    live(&w, SEC);
    got(&w, "disk repeat logins <m4\n");
    world_free(&w);
}

static void who_has_only_buttons_can_do_little(void **state)
{
    static const char *const refused[] = {
        "{\"act\":\"close\",\"id\":\"%s\",\"by\":\"x\"}",
        "{\"act\":\"silence.add\",\"when\":{\"rule\":[\"*\"]},\"for_s\":60,\"by\":\"x\"}",
        "{\"act\":\"silence.add\",\"id\":\"%s\",\"for_s\":864000,\"by\":\"x\"}",
        "{\"act\":\"drop\",\"receiver\":\"disk\",\"by\":\"x\"}",
        "{\"act\":\"nothing\"}",
        "[]",
        "{",
    };
    const struct core_actor button = { .uid = -1, .via = "telegram:ops" };
    struct world w;
    char id[33], request[200];

    (void)state;
    world_new(&w, DISK);
    alert_of(&w, &(struct spec){ "logins", "192.0.2.1", LEVEL_HIGH, 0, false }, id);
    live(&w, MIN);
    for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
        AUTO_BUF answer = BUF_INIT;
        struct slice rest = slice_str(refused[i]);
        size_t at = slice_find(rest, SLICE("%s"));

        (void)snprintf(request, sizeof request, "%.*s%s%s", (int)(at == SIZE_MAX ? rest.n : at),
                       rest.p, at == SIZE_MAX ? "" : id, at == SIZE_MAX ? "" : rest.p + at + 2);
        assert_int_equal(core_act(w.core, slice_str(request), &button, &answer, NULL), 0);
        if (slice_find(buf_view(&answer), SLICE("\"ok\":true")) != SIZE_MAX)
            fail_msg("done: %s", request);
    }
    alert(&w, "logins", "192.0.2.1", LEVEL_HIGH);
    live(&w, MIN);
    got(&w, "disk first logins\ndisk repeat logins <m1\n");
    world_free(&w);
}

static int see_state(void *ctx, const struct incident *i)
{
    buf_printf(ctx, "%s\n", incident_state_name(i->state));
    return 0;
}

static uint64_t count_incidents(struct world *w, enum incident_state state)
{
    const struct incident_filter f = { .states = 1u << state, .level_min = -1 };
    AUTO_BUF b = BUF_INIT;
    uint64_t n = 0;

    assert_int_equal(store_incidents_each(w->core->store, &f, see_state, &b, NULL), 0);
    for (size_t i = 0; i < b.n; i++)
        n += b.p[i] == '\n';
    return n;
}

/* The button under an alert: the ban that it ordered, or the one that holds. */
static void a_ban_is_taken_back_by_its_alert(void **state)
{
    char id[33], request[120];
    struct ban_totals n;
    struct world w;

    (void)state;
    world_new(&w, DISK "bans: {backend: dry-run, max_age: 0s}\n");
    alert_of(&w, &(struct spec){ "logins", "192.0.2.1", LEVEL_HIGH, 0, true }, id);
    live(&w, SEC);
    (void)snprintf(request, sizeof request, "{\"act\":\"unban\",\"id\":\"%s\",\"by\":\"x\"}", id);
    assert_int_equal(store_ban_totals(w.core->store, &n, NULL), 0);
    assert_int_equal(n.active, 1);
    assert_true(act(&w, request));
    live(&w, SEC);
    assert_int_equal(store_ban_totals(w.core->store, &n, NULL), 0);
    assert_int_equal(n.active, 0);
    assert_false(act(&w, request)); /* none holds any more */
    world_free(&w);
}

/* A packet of a receiver's process, of which a part is garbage. */
static void send_garbage(struct dice *d, int fd, const struct answer *head,
                         const struct sink_act *act)
{
    char packet[sizeof *head + 2 * sizeof *act];
    size_t n = sizeof *head + sizeof *act;

    memset(packet, 'x', sizeof packet);
    memcpy(packet, head, sizeof *head);
    memcpy(packet + sizeof *head, act, sizeof *act);
    switch (roll(d, 3)) {
    case 0:
        n = 1 + roll(d, sizeof packet);
        n = n < sizeof *head ? sizeof *head : n;
        break;
    case 1:
        for (unsigned i = 0; i < 40; i++)
            packet[sizeof *head + roll(d, sizeof *act)] = (char)roll(d, 256);
        break;
    default:
        memset(packet + sizeof *head, (int)(128 + roll(d, 128)), sizeof *act);
    }
    assert_true(send(fd, packet, n, 0) == (ssize_t)n);
}

static void a_receiver_that_was_taken_over_can_do_no_more_than_its_buttons(void **state)
{
    struct answer head = { .row = 1, .state = ANSWER_ACT, .reply_n = sizeof(struct sink_act) };
    struct sink_act act = { .verb = "ack", .who = "7 ann" };
    struct dice d = { 7 };
    struct sender *s = NULL;
    struct err err = ERR_NONE;
    struct world w;
    char id[33];
    int fds[2];

    (void)state;
    world_new(&w, DISK);
    alert_of(&w, &(struct spec){ "logins", "192.0.2.1", LEVEL_HIGH, 0, false }, id);
    live(&w, SEC);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), 0);
    assert_int_equal(sender_new(w.config, &w.clock, false, &s, &err), 0);
    assert_int_equal(sender_attach(s, 0, fds[0], w.core, &err), 0);
    memcpy(act.id, id, sizeof id);
    for (unsigned i = 0; i < 1000; i++) {
        if (i == 500) /* before that it may do nothing at all */
            w.config->sinks[0].listens = true;
        send_garbage(&d, fds[1], &head, &act);
        assert_true(sender_collect(s, w.core, &err) >= 0);
        assert_int_equal(core_commit(w.core, &err), 0);
        sender_committed(s);
        if (i == 499)
            assert_int_equal(count_incidents(&w, INCIDENT_OPEN), 1);
    }
    head.row = 2;
    memcpy(act.verb, "close", 6);
    assert_true(send(fds[1], &head, sizeof head, 0) > 0); /* nothing behind it */
    assert_true(sender_collect(s, w.core, &err) >= 0);
    assert_int_equal(count_incidents(&w, INCIDENT_CLOSED), 0);
    sender_free(s);
    close(fds[1]);
    world_free(&w);
}

/* ---- what holds back ---- */

static void night_is_for_critical_alerts(void **state)
{
    struct world w;

    (void)state;
    world_new(&w, "notifiers: {disk: {type: file, path: /nowhere/a, quiet: \"22:00-07:00\"}}\n");
    live(&w, 11 * HOUR); /* 23:00 */
    alert(&w, "logins", "192.0.2.1", LEVEL_HIGH);
    live(&w, HOUR);
    alert(&w, "logins", "192.0.2.2", LEVEL_LOW);
    alert(&w, "root", "192.0.2.2", LEVEL_CRITICAL);
    live(&w, HOUR);
    got(&w, "disk first root\n");
    live(&w, 5 * HOUR + 59 * MIN);
    got(&w, "");
    live(&w, 2 * MIN);
    got(&w, "disk quiet 2 alerts: logins\n");
    world_free(&w);
}

static void maintenance_and_a_greater_alert_hold_back_the_lesser(void **state)
{
    struct world w;

    (void)state;
    world_new(&w, DISK "maintenance: [{name: upgrade, when: {rule: [restart*]}, "
                       "hours: \"Sat 13:00-14:00\"}]\n"
                       "inhibit: [{source: {level: [critical]}, target: {level: [low]}, "
                       "equal: [source.ip]}]\n");
    alert(&w, "restarted", "192.0.2.1", LEVEL_LOW);
    live(&w, HOUR + MIN);
    alert(&w, "restarted", "192.0.2.1", LEVEL_LOW);
    live(&w, MIN);
    got(&w, "disk first restarted\n");
    rows(&w, 1u << DELIVERY_HELD, "disk held maintenance: upgrade\n");
    alert(&w, "taken over", "192.0.2.1", LEVEL_CRITICAL);
    alert(&w, "probe", "192.0.2.1", LEVEL_LOW);
    alert(&w, "probe", "192.0.2.2", LEVEL_LOW);
    live(&w, MIN);
    got(&w, "disk first taken over\ndisk first probe\n");
    reopen(&w);
    alert(&w, "probe", "192.0.2.1", LEVEL_LOW);
    live(&w, MIN);
    got(&w, "");
    live(&w, 25 * HOUR); /* the greater one is over */
    alert(&w, "probe", "192.0.2.1", LEVEL_LOW);
    live(&w, MIN);
    got(&w, "disk first probe\n");
    world_free(&w);
}

/* ---- storms and outages ---- */

static void ten_thousand_alerts_in_a_minute_add_up(void **state)
{
    struct world w;

    (void)state;
    world_new(&w,
              "notifiers: {ops: {type: file, path: /nowhere/a, rate: 10/1m, digest_over: 5}}\n");
    for (unsigned i = 0; i < 10000; i++) {
        char ip[20];

        (void)snprintf(ip, sizeof ip, "10.0.%u.%u", i / 100 % 20, i % 100);
        alert(&w,
              i == 5000 ? "taken over"
              : i % 10  ? "logins"
                        : "probe",
              ip, i == 5000 ? LEVEL_CRITICAL : LEVEL_MEDIUM);
        if (i % 100 == 99)
            live(&w, 600 * USEC_PER_MSEC);
        if (i == 5100) { /* not kept waiting by the storm */
            char *at;

            live(&w, 400 * USEC_PER_MSEC);
            buf_char(&w.got, '\0');
            at = strstr(w.got.p, "first taken over\n");
            assert_non_null(at);
        }
    }
    assert_true(w.messages <= 20); /* its rate: ten, and ten a minute */
    live(&w, 10 * MIN);
    assert_int_equal(w.told, 10000);
    assert_true(w.messages <= 30);
    assert_int_equal(count_rows(&w, DELIVERY_WAITING) + count_rows(&w, DELIVERY_RETRY), 0);
    assert_int_equal(count_rows(&w, DELIVERY_SENT), w.messages);
    world_free(&w);
}

static void a_critical_alert_passes_a_storm(void **state)
{
    struct world w;

    (void)state;
    world_new(&w,
              "notifiers: {ops: {type: file, path: /nowhere/a, rate: 10/10s, digest_over: 5}}\n");
    for (unsigned i = 0; i < 50; i++)
        alert(&w, "logins", "192.0.2.1", LEVEL_MEDIUM);
    live(&w, 15 * SEC);
    got(&w, "ops digest 50 alerts: logins\n");
    for (unsigned i = 0; i < 50; i++)
        alert(&w, "logins", "192.0.2.1", LEVEL_MEDIUM);
    alert(&w, "taken over", "192.0.2.1", LEVEL_CRITICAL);
    live(&w, SEC);
    got(&w, "ops first taken over\n");
    live(&w, MIN);
    got(&w, "ops digest 50 alerts: logins <m51\n");
    world_free(&w);
}

static void a_loud_rule_is_summed_up_and_others_are_heard(void **state)
{
    struct world w;

    (void)state;
    world_new(&w, "notifiers: {ops: {type: file, path: /nowhere/a, rule_rate: 3/1h}}\n");
    for (unsigned i = 0; i < 20; i++) {
        alert(&w, "loud", "192.0.2.1", LEVEL_MEDIUM);
        live(&w, 30 * SEC);
    }
    alert(&w, "rare", "192.0.2.1", LEVEL_MEDIUM);
    live(&w, MIN);
    got(&w, "ops first loud\nops repeat loud <m1\nops repeat loud <m1\nops first rare\n");
    live(&w, 20 * MIN);
    got(&w, "ops digest 17 alerts: loud <m1\n");
    assert_int_equal(w.told, 21);
    world_free(&w);
}

static void an_outage_of_hours_loses_nothing_and_ends_in_a_summary(void **state)
{
    struct world w;

    (void)state;
    world_new(&w, "notifiers:\n  ops: {type: file, path: /nowhere/a, rate: 10/1m, digest_over: 5}\n"
                  "  disk: {type: file, path: /nowhere/b}\n");
    w.down = "ops";
    for (unsigned i = 0; i < 60; i++) {
        alert(&w, "logins", "192.0.2.1", LEVEL_MEDIUM);
        live(&w, 3 * MIN);
        if (i == 30)
            reopen(&w);
    }
    assert_int_equal(w.messages, 60); /* the other one heard all of it, as it came */
    assert_int_equal(w.told, 60);
    buf_reset(&w.got);
    w.down = NULL;
    live(&w, HOUR);
    got(&w, "ops repeat logins\nops digest 58 alerts: logins <m3\nops first logins\n");
    assert_int_equal(w.told, 120);
    world_free(&w);
}

static void a_row_that_cannot_be_delivered_does_not_stop_the_others(void **state)
{
    struct world w;

    (void)state;
    world_new(&w, DISK);
    w.poison = 1;
    for (unsigned i = 0; i < 20; i++)
        alert(&w, "logins", "192.0.2.1", LEVEL_MEDIUM);
    live(&w, HOUR);
    assert_int_equal(w.told, 19);
    w.poison = 0;
    live(&w, HOUR);
    assert_int_equal(w.told, 20);
    world_free(&w);
}

static void a_receiver_that_refuses_is_told_of_to_the_others_once(void **state)
{
    struct world w;

    (void)state;
    world_new(&w, TWO);
    w.refuses = "boss";
    for (unsigned i = 0; i < 3; i++) {
        alert(&w, "logins", "192.0.2.1", LEVEL_MEDIUM);
        live(&w, MIN);
    }
    got(&w, "disk first logins\ndisk first A receiver refuses all messages\n"
            "disk repeat logins <m1\ndisk repeat logins <m1\n");
    w.refuses = NULL;
    assert_true(act(&w, "{\"act\":\"retry\",\"receiver\":\"boss\",\"by\":\"ann\"}"));
    live(&w, MIN);
    got(&w, "boss first logins\nboss first A receiver refuses all messages\n"
            "boss repeat logins <m2\nboss repeat logins <m2\n");
    assert_false(act(&w, "{\"act\":\"retry\",\"id\":\"1\",\"by\":\"ann\"}")); /* it was sent */
    assert_false(act(&w, "{\"act\":\"drop\",\"receiver\":\"nobody\",\"by\":\"ann\"}"));
    world_free(&w);
}

/* ---- days ---- */

static int see_document(void *ctx, const struct outbox_row *row)
{
    buf_slice(ctx, row->document);
    return 0;
}

static void a_day_is_summed_up_once_whatever_happens_at_its_end(void **state)
{
    struct world w;
    AUTO_BUF document = BUF_INIT;
    const struct outbox_filter last = { .limit = 1 };
    const struct json *doc;
    uint64_t n = 0;

    (void)state;
    world_new(&w, TWO "routes: [{notify: [boss]}]\n"
                      "digests: [{every: day, at: \"07:00\", notify: [disk]}]\n");
    live(&w, SEC);
    for (unsigned i = 0; i < 12; i++)
        alert(&w, i % 3 ? "logins" : "probe", i % 2 ? "192.0.2.1" : "192.0.2.2", LEVEL_HIGH);
    live(&w, MIN);
    buf_reset(&w.got);
    live(&w, 18 * HOUR);
    reopen(&w);
    live(&w, HOUR); /* 07:01 */
    got(&w, "disk daily Daily summary\n");
    assert_int_equal(store_outbox_list(w.core->store, &last, see_document, &document, NULL), 0);
    doc = json_load(w.arena, buf_view(&document), NULL);
    assert_int_equal(json_u64(doc, "alerts", 0), 12);
    for (const struct json *t = json_get(doc, "tables")->child; t; t = t->next)
        n++;
    assert_int_equal(n, 6); /* rules, sources, levels, messages, channels, trail */
    reopen(&w);
    live(&w, 22 * HOUR);
    got(&w, "");
    core_free(w.core); /* days off are one */
    clock_set(&w.clock, clock_now(&w.clock) + 72 * HOUR);
    open_core(&w);
    live(&w, MIN);
    got(&w, "disk daily Daily summary\n");
    world_free(&w);
}

/* ---- all at once ---- */

/* Whatever happens, each alert is told once to each receiver, in a message of its own or in one
 * summary; nothing is told twice, nothing is forgotten. */
static void nothing_is_lost_and_nothing_is_told_twice(void **state)
{
    static const char *const settings =
        "notifiers:\n  ops: {type: file, path: /nowhere/a, rate: 5/1m, digest_over: 3, "
        "rule_rate: 10/1h}\n"
        "  disk: {type: file, path: /nowhere/b}\n"
        "routes:\n  - {notify: [disk], group: [rule], wait: 10s, interval: 1m, continue: true}\n"
        "  - {notify: [ops], repeat: 10m}\n";

    (void)state;
    for (unsigned seed = 1; seed <= 12; seed++) {
        struct dice d = { seed };
        struct world w;
        unsigned n = 0;

        world_new(&w, settings);
        for (unsigned i = 0; i < 150; i++) {
            char rule[8], ip[20];

            (void)snprintf(rule, sizeof rule, "r%u", roll(&d, 4));
            (void)snprintf(ip, sizeof ip, "10.0.0.%u", roll(&d, 6));
            for (unsigned k = roll(&d, 12); k > 0; k--, n++)
                alert(&w, rule, ip, roll(&d, 50) ? LEVEL_MEDIUM : LEVEL_CRITICAL);
            if (roll(&d, 20) == 0) {
                struct err err = ERR_NONE;

                assert_int_equal(core_commit(w.core, &err), 0);
                reopen(&w);
            }
            w.down = roll(&d, 3) ? NULL : roll(&d, 2) ? "ops" : "disk";
            live(&w, roll(&d, 90) * SEC);
        }
        w.down = NULL;
        live(&w, 3 * HOUR);
        if (w.told != 2 * (uint64_t)n)
            fail_msg("seed %u: %u alerts, told %llu", seed, n, (unsigned long long)w.told);
        assert_int_equal(count_rows(&w, DELIVERY_WAITING) + count_rows(&w, DELIVERY_RETRY) +
                             count_rows(&w, DELIVERY_DEAD),
                         0);
        assert_int_equal(count_rows(&w, DELIVERY_SENT), w.messages);
        world_free(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_alert_is_told_once_to_each_receiver),
        cmocka_unit_test(what_belongs_together_comes_together),
        cmocka_unit_test(a_repeat_waits_and_is_counted),
        cmocka_unit_test(who_is_not_asked_is_asked_next),
        cmocka_unit_test(an_acknowledged_incident_tells_nobody_until_it_is_over),
        cmocka_unit_test(what_has_no_window_is_over_without_a_word),
        cmocka_unit_test(a_silence_holds_back_what_fits_and_says_so),
        cmocka_unit_test(who_has_only_buttons_can_do_little),
        cmocka_unit_test(a_ban_is_taken_back_by_its_alert),
        cmocka_unit_test(a_receiver_that_was_taken_over_can_do_no_more_than_its_buttons),
        cmocka_unit_test(night_is_for_critical_alerts),
        cmocka_unit_test(maintenance_and_a_greater_alert_hold_back_the_lesser),
        cmocka_unit_test(ten_thousand_alerts_in_a_minute_add_up),
        cmocka_unit_test(a_critical_alert_passes_a_storm),
        cmocka_unit_test(a_loud_rule_is_summed_up_and_others_are_heard),
        cmocka_unit_test(an_outage_of_hours_loses_nothing_and_ends_in_a_summary),
        cmocka_unit_test(a_row_that_cannot_be_delivered_does_not_stop_the_others),
        cmocka_unit_test(a_receiver_that_refuses_is_told_of_to_the_others_once),
        cmocka_unit_test(a_day_is_summed_up_once_whatever_happens_at_its_end),
        cmocka_unit_test(nothing_is_lost_and_nothing_is_told_twice),
    };

    return cmocka_run_group_tests_name("tell", tests, NULL, NULL);
}
