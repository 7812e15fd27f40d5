/* Reports over a small trail whose every figure is known. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/unit/trail_rig.h"

#include "audit/view.h"
#include "base/zone.h"
#include "reports/controls.h"
#include "reports/line.h"
#include "reports/make.h"
#include "reports/survey.h"

#define BEGIN (UINT64_C(1790000000) * USEC_PER_SEC)
#define HOUR (UINT64_C(3600) * USEC_PER_SEC)

/* ---- a trail ---- */

static void put(struct trail_rig *t, const char *type, const char *members, const char *name,
                const char *value)
{
    AUTO(arena) arena = arena_new(4096, 0);
    struct entry_pii pii = { slice_str(name), slice_str(value) };
    struct entry *e;
    struct batch b;

    batch_init(&b, arena, clock_now(&t->clock));
    e = batch_entry(&b, type);
    e->members = slice_str(members);
    e->pii = &pii;
    e->npii = name != NULL;
    assert_int_equal(audit_append(t->audit, &b, NULL), 0);
    audit_committed(t->audit, &b.trail);
}

static void put_event(struct trail_rig *t, const char *channel, const char *action, const char *ip,
                      const char *user)
{
    char when[TIME_TEXT_SIZE], members[300], doc[600];

    time_text(clock_now(&t->clock), when);
    snprintf(members, sizeof members,
             "\"channel\":\"%s\",\"time\":\"%s\",\"action\":\"%s\",\"key\":\"k-1\"", channel, when,
             action);
    snprintf(doc, sizeof doc,
             "{\"time\":\"%s\",\"raw\":\"a \\\"quoted\\\" line of %s\",\"fields\":{\"source.ip\":"
             "\"%s\",\"source.geo.country_iso_code\":\"NL\",\"user.name\":\"%s\","
             "\"event.action\":\"%s\"}}",
             when, user, ip, user, action);
    put(t, "event", members, "event", doc);
}

static void put_alert(struct trail_rig *t, const char *id, const char *level, uint64_t us,
                      const char *ip)
{
    char when[TIME_TEXT_SIZE], members[400], doc[400];

    time_text(us, when);
    snprintf(members, sizeof members,
             "\"id\":\"%s\",\"rule\":\"rule-%s\",\"title\":\"A \\\"rule\\\"\",\"level\":\"%s\","
             "\"channel\":\"xui\",\"time\":\"%s\",\"count\":6,\"backfill\":false",
             id, level, level, when);
    snprintf(doc, sizeof doc,
             "[{\"fields\":{\"source.ip\":\"192.0.2.200\"}},{\"fields\":{\"source.ip\":\"%s\","
             "\"event.action\":\"login_failed\"}}]",
             ip);
    put(t, "alert", members, "events", doc);
}

/*
 * One hour before the period: a failed login and an alert. In it: 12 failed logins of one address,
 * its ban 90 s after the tenth, two good logins, three alerts (one told after 30 s, acknowledged
 * after 10 min), a change of rights, an input that fails for 5 min, a gap of an hour.
 */
static struct trail_rig *known_trail(void)
{
    struct trail_rig *t = rig_new();

    rig_open(t);
    (void)rig_entry(t, "daemon.start",
                    "\"version\":\"9\",\"rules_sha256\":\"aa\",\"config_sha256\":\"bb\"");
    put_event(t, "api", "login_failed", "192.0.2.9", "eve");
    put_alert(t, "00000000000000000000000000000001", "low", clock_now(&t->clock), "192.0.2.9");
    rig_pass(t, HOUR);
    for (unsigned i = 0; i < 12; i++) {
        put_event(t, "api", "login_failed", "192.0.2.1", "al\\\"ice");
        rig_pass(t, 10 * USEC_PER_SEC);
    }
    rig_pass(t, 60 * USEC_PER_SEC);
    put(t, "ban.order",
        "\"id\":\"00000000000000000000000000000002\",\"receiver\":\"bans\","
        "\"state\":\"sent\",\"attempt\":1,\"status\":\"ok\"",
        "address", "192.0.2.1");
    put_event(t, "api", "login_ok", "192.0.2.2", "bob");
    put_event(t, "api", "login_ok", "192.0.2.2", "bob");
    put_event(t, "api", "priv_change", "192.0.2.2", "bob");
    put_event(t, "api", "access", "192.0.2.3", "carol");
    put_alert(t, "00000000000000000000000000000002", "high", clock_now(&t->clock), "192.0.2.1");
    put_alert(t, "00000000000000000000000000000003", "medium", clock_now(&t->clock), "192.0.2.4");
    put_alert(t, "00000000000000000000000000000004", "medium", clock_now(&t->clock), "192.0.2.4");
    rig_pass(t, 30 * USEC_PER_SEC);
    put(t, "delivery",
        "\"id\":\"00000000000000000000000000000002\",\"receiver\":\"ops\","
        "\"state\":\"sent\",\"attempt\":1,\"status\":\"ok\"",
        NULL, NULL);
    put(t, "delivery",
        "\"id\":\"00000000000000000000000000000003\",\"receiver\":\"ops\","
        "\"state\":\"dead\",\"attempt\":9,\"status\":\"no\"",
        NULL, NULL);
    rig_pass(t, 570 * USEC_PER_SEC);
    put(t, "act",
        "\"act\":\"ack\",\"via\":\"cli\",\"done\":true,\"id\":"
        "\"00000000000000000000000000000002\"",
        "user.name", "dora");
    (void)rig_entry(t, "input.failed", "\"input\":\"xui:file:/x\",\"name\":\"/x\"");
    rig_pass(t, 300 * USEC_PER_SEC);
    (void)rig_entry(t, "input.recovered", "\"input\":\"xui:file:/x\",\"name\":\"/x\"");
    rig_close(t);
    rig_pass(t, HOUR);
    rig_open(t);
    (void)rig_entry(t, "heartbeat", "");
    /* Recorded now, about the hour before the period: not of it. */
    put_alert(t, "00000000000000000000000000000005", "high", BEGIN + HOUR / 2, "192.0.2.4");
    rig_pass(t, HOUR);
    /* Recorded after the period, about it. */
    put_alert(t, "00000000000000000000000000000006", "critical", BEGIN + HOUR + USEC_PER_SEC,
              "192.0.2.5");
    (void)rig_entry(t, "daemon.stop", "");
    return t;
}

static struct trail_rig *trail;

static int begin(void **state)
{
    (void)state;
    trail = known_trail();
    rig_close(trail);
    return 0;
}

static int end(void **state)
{
    (void)state;
    rig_free(trail);
    return 0;
}

/* ---- making and looking ---- */

static struct report_ask asked(const char *kind, const char *extra)
{
    return (struct report_ask){ .kind = kind,
                                .from_us = BEGIN + HOUR,
                                .to_us = BEGIN + 5 * HOUR / 2,
                                .zone = "",
                                .channel = "",
                                .standard = strcmp(kind, "compliance") == 0 ? extra : "",
                                .subject = strcmp(kind, "user") == 0 ? extra : "",
                                .samples = 5 };
}

static int make(const struct trail_rig *t, struct report_ask ask, struct arena *a,
                struct report **ret, struct err *err)
{
    AUTO(audit_view) v = NULL;
    AUTO_BUF request = BUF_INIT;
    struct report_source source = { .folder = t->trail };

    assert_int_equal(audit_view_open(t->trail, &v, err), 0);
    ask.checkpoint = audit_view_note(v);
    assert_int_equal(report_request(&ask, &request, err), 0);
    return report_make(&source, buf_view(&request), a, ret, err);
}

static struct report *made(struct report_ask ask, struct arena *a)
{
    struct report *r = NULL;
    struct err err = ERR_NONE;

    if (make(trail, ask, a, &r, &err) < 0)
        print_message("%s\n", err.text);
    assert_non_null(r);
    return r;
}

static const struct report_block *block(const struct report *r, const char *name)
{
    for (size_t s = 0; s < r->nsections; s++)
        for (size_t i = 0; i < r->sections[s].nblocks; i++)
            if (slice_is(r->sections[s].blocks[i].name, name))
                return &r->sections[s].blocks[i];
    print_message("no block '%s'\n", name);
    return NULL;
}

static const struct report_figure *figure(const struct report *r, const char *name)
{
    for (size_t s = 0; s < r->nsections; s++)
        for (size_t i = 0; i < r->sections[s].nblocks; i++) {
            const struct report_block *b = &r->sections[s].blocks[i];

            for (size_t k = 0; k < b->nfigures; k++)
                if (slice_is(b->figures[k].name, name))
                    return &b->figures[k];
        }
    print_message("no figure '%s'\n", name);
    return NULL;
}

static double number(const struct report *r, const char *name)
{
    const struct report_figure *f = figure(r, name);

    return f ? f->number : NAN;
}

/* The cell of the row whose first cell is `key`. */
static struct slice cell(const struct report *r, const char *table, const char *key,
                         const char *column)
{
    const struct report_block *b = block(r, table);

    for (size_t i = 0; b && i < b->nrows; i++)
        for (size_t c = 0; slice_is(b->rows[i].cells[0].text, key) && c < b->ncolumns; c++)
            if (slice_is(b->columns[c].name, column))
                return b->rows[i].cells[c].text;
    print_message("no cell '%s' of '%s' in '%s'\n", column, key, table);
    return SLICE("?");
}

#define assert_cell(r, table, key, column, expected)                                               \
    do {                                                                                           \
        struct slice cell_ = cell(r, table, key, column);                                          \
        if (!slice_is(cell_, expected))                                                            \
            fail_msg("%s of %s: '%.*s', not '%s'", column, key, SLICE_FMT(cell_), expected);       \
    } while (0)

/* ---- figures ---- */

static void figures_are_those_of_the_entries(void **state)
{
    AUTO(arena) a = arena_new(65536, 0);
    struct report *r = made(asked("security", ""), a);

    (void)state;
    assert_true(number(r, "alerts") == 4); /* three, and one that was recorded later */
    assert_true(number(r, "alerts_high") == 2);
    assert_true(number(r, "logins_failed") == 12);
    assert_true(number(r, "logins_good") == 2);
    assert_true(number(r, "bans") == 1);
    assert_true(number(r, "privileges") == 1);
    assert_true(number(r, "blind") == 1);
    assert_true(number(r, "undelivered") == 1);
    assert_cell(r, "levels", "critical", "alerts", "1");
    assert_cell(r, "levels", "medium", "alerts", "2");
    assert_cell(r, "rules", "A \"rule\"", "alerts", "2");
    assert_cell(r, "logins", "api", "failed", "12");
    assert_cell(r, "logins", "xui", "failed", "-");
    assert_cell(r, "logins", "xui", "alerted", "24");
    assert_int_equal(block(r, "accounts")->nrows, 1);
}

static void sources_say_country_and_what_was_done(void **state)
{
    AUTO(arena) a = arena_new(65536, 0);
    struct report *r = made(asked("security", ""), a);

    (void)state;
    assert_cell(r, "sources", "192.0.2.1", "failed", "12");
    assert_cell(r, "sources", "192.0.2.1", "country", "NL");
    assert_cell(r, "sources", "192.0.2.1", "done", "banned");
    assert_cell(r, "sources", "192.0.2.1", "alerts", "1");
    assert_cell(r, "sources", "192.0.2.4", "alerts", "2");
    assert_cell(r, "sources", "192.0.2.2", "good", "2");
}

static void a_run_of_failures_is_followed_to_its_ban(void **state)
{
    AUTO(arena) a = arena_new(65536, 0);
    struct report *r = made(asked("security", ""), a);
    const struct report_block *b = block(r, "lockouts");

    (void)state;
    assert_int_equal(b->nrows, 1);
    assert_cell(r, "lockouts", "192.0.2.1", "failures", "12");
    assert_cell(r, "lockouts", "192.0.2.1", "delay", "1 min 30 s");
}

static void messages_and_acts_are_timed_from_the_entry_of_the_alert(void **state)
{
    AUTO(arena) a = arena_new(65536, 0);
    struct report *r = made(asked("security", ""), a);

    (void)state;
    assert_cell(r, "delays", "its first message, high and critical", "median", "30 s");
    assert_cell(r, "delays", "its first message, high and critical", "without", "1");
    assert_cell(r, "delays", "its acknowledgement or end by a person, high and critical", "median",
                "10 min");
    assert_cell(r, "messages", "ops", "sent", "1");
    assert_cell(r, "messages", "ops", "dead", "1");
}

static void blind_spots_have_their_length_and_gaps_too(void **state)
{
    AUTO(arena) a = arena_new(65536, 0);
    struct report *r = made(asked("security", ""), a);

    (void)state;
    assert_cell(r, "blind", "xui:file:/x", "lasted", "5 min");
    assert_int_equal(block(r, "gaps")->nrows,
                     2); /* two hours; what is within two heartbeats is none */
    assert_true(number(r, "gaps") == 2);
}

static void what_was_recorded_late_is_said(void **state)
{
    AUTO(arena) a = arena_new(65536, 0);
    struct report *r = made(asked("security", ""), a);
    const struct report_block *b = block(r, "recorded");

    (void)state;
    assert_non_null(b);
    assert_true(
        slice_find(b->text, SLICE("1 alerts of the period were recorded after it; 1 that")) !=
        SIZE_MAX);
}

static void the_period_before_is_compared_when_the_trail_reaches_it(void **state)
{
    AUTO(arena) a = arena_new(65536, 0);
    struct report_ask ask = asked("security", "");
    struct report *r;

    (void)state;
    ask.to_us = ask.from_us + HOUR;
    r = made(ask, a);
    assert_true(slice_is(figure(r, "logins_failed")->before, "up 1100 %, was 1"));
    assert_cell(r, "levels", "low", "before", "1");
    ask.to_us = ask.from_us + 2 * HOUR;
    r = made(ask, a);
    assert_int_equal(figure(r, "logins_failed")->before.n, 0);
}

static void a_channel_alone_counts_alone(void **state)
{
    AUTO(arena) a = arena_new(65536, 0);
    struct report_ask ask = asked("security", "");
    struct report *r;

    (void)state;
    ask.channel = "xui";
    r = made(ask, a);
    assert_true(number(r, "alerts") == 4);
    assert_true(number(r, "logins_failed") == 0);
}

/* ---- what it rests on ---- */

static void samples_are_proved_and_the_checkpoint_is_there(void **state)
{
    AUTO(arena) a = arena_new(65536, 0);
    struct report *r = made(asked("security", ""), a);

    (void)state;
    assert_true(r->nproofs >= 5 && r->nproofs <= 10);
    for (size_t i = 0; i < r->nproofs; i++) {
        AUTO_BUF leaf = BUF_INIT;
        struct audit_proved proved;

        assert_int_equal(audit_check_proof(r->proofs[i].proof, trail->anchors.identity_vkey, &leaf,
                                           &proved, NULL),
                         0);
        assert_int_equal(proved.index, r->proofs[i].index);
        assert_int_equal(proved.size, r->size);
        assert_int_equal(r->proofs[i].leaf_hash.n, 64);
    }
    assert_true(slice_is(r->origin, "test.example/1"));
    assert_int_equal(r->root.n, 44);
    assert_true(slice_is(r->config_digest, "bb"));
}

static void the_same_seed_draws_the_same_sample(void **state)
{
    AUTO(arena) a = arena_new(65536, 0);
    struct report_ask ask = asked("capacity", "");
    struct report *one, *two, *other;
    size_t differ = 0;

    (void)state;
    one = made(ask, a);
    two = made(ask, a);
    ask.seed = 7;
    other = made(ask, a);
    assert_int_equal(one->nproofs, two->nproofs);
    for (size_t i = 0; i < one->nproofs; i++)
        assert_int_equal(one->proofs[i].index, two->proofs[i].index);
    for (size_t i = 0; i < one->nproofs && i < other->nproofs; i++)
        differ += one->proofs[i].index != other->proofs[i].index;
    assert_true(differ > 0 || one->nproofs != other->nproofs);
}

/* A longer trail gives the same report when the request names the older tree. */
static void it_is_made_again_over_the_tree_of_its_checkpoint(void **state)
{
    struct trail_rig *t = rig_clone(trail);
    AUTO(arena) a = arena_new(65536, 0);
    AUTO_BUF first = BUF_INIT;
    AUTO_BUF again = BUF_INIT;
    struct report_source source = { .folder = t->trail };
    struct report *r = NULL, *later = NULL;
    struct slice request;

    (void)state;
    assert_int_equal(make(t, asked("security", ""), a, &r, NULL), 0);
    assert_int_equal(report_json(r, &first, NULL), 0);
    request = r->request;
    rig_open(t);
    put_alert(t, "00000000000000000000000000000007", "high", BEGIN + HOUR + USEC_PER_SEC,
              "192.0.2.8");
    (void)rig_entry(t, "heartbeat", "");
    rig_close(t);
    assert_int_equal(report_make(&source, request, a, &later, NULL), 0);
    assert_int_equal(report_json(later, &again, NULL), 0);
    assert_true(slice_eq(buf_view(&first), buf_view(&again)));
    assert_int_equal(make(t, asked("security", ""), a, &later, NULL), 0);
    assert_true(number(later, "alerts") == 5);
    rig_free(t);
}

static void an_edited_trail_is_refused(void **state)
{
    struct trail_rig *t = rig_clone(trail);
    AUTO(arena) a = arena_new(65536, 0);
    AUTO_BUF bytes = BUF_INIT;
    struct err err = ERR_NONE;
    struct report *r = NULL;
    char *at;

    (void)state;
    rig_read(t, "log/00000000000000000000.jsonl", &bytes);
    at = strstr(bytes.p, "\"action\":\"login_failed\"");
    assert_non_null(at);
    memcpy(at, "\"action\":\"login_okayed\"", 23);
    rig_write(t, "log/00000000000000000000.jsonl", buf_view(&bytes));
    assert_int_equal(make(t, asked("security", ""), a, &r, &err), -EUCLEAN);
    assert_non_null(strstr(err.text, "the trail does not verify: EDITED"));
    rig_free(t);
}

static void a_checkpoint_of_another_history_is_refused(void **state)
{
    AUTO(arena) a = arena_new(65536, 0);
    struct trail_rig *other = rig_new();
    struct report_source source = { .folder = trail->trail };
    struct report_ask ask = asked("security", "");
    AUTO(audit_view) v = NULL;
    AUTO_BUF request = BUF_INIT;
    struct err err = ERR_NONE;
    struct report *r = NULL;

    (void)state;
    rig_open(other);
    (void)rig_entry(other, "heartbeat", "");
    rig_close(other);
    assert_int_equal(audit_view_open(other->trail, &v, NULL), 0);
    ask.checkpoint = audit_view_note(v);
    assert_int_equal(report_request(&ask, &request, NULL), 0);
    assert_int_equal(report_make(&source, buf_view(&request), a, &r, &err), -EUCLEAN);
    assert_non_null(strstr(err.text, "are not those that were signed then"));
    rig_free(other);
}

static void hostile_requests_are_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "{",
        "[]",
        "{\"version\":2}",
        "{\"version\":1,\"kind\":\"nothing\"}",
        "{\"version\":1,\"kind\":\"security\"}",
        "{\"version\":1,\"kind\":\"security\",\"from\":\"2026-01-02T00:00:00Z\",\"to\":"
        "\"2026-01-01T00:00:00Z\"}",
        "{\"version\":1,\"kind\":\"security\",\"from\":\"2026-01-02T00:00:00Z\",\"to\":"
        "\"2026-02-01T00:00:00Z\",\"zone\":\"../../etc/passwd\"}",
        "{\"version\":1,\"kind\":\"security\",\"from\":\"2026-01-02T00:00:00Z\",\"to\":"
        "\"2026-02-01T00:00:00Z\",\"checkpoint\":\"none\"}",
        "{\"version\":1,\"kind\":\"security\",\"from\":\"2026-01-02T00:00:00Z\",\"to\":"
        "\"2026-02-01T00:00:00Z\",\"samples\":101}",
        "{\"version\":1,\"kind\":\"compliance\",\"from\":\"2026-01-02T00:00:00Z\",\"to\":"
        "\"2026-02-01T00:00:00Z\",\"standard\":\"pci-3\"}",
        "{\"version\":1,\"kind\":\"user\",\"from\":\"2026-01-02T00:00:00Z\",\"to\":"
        "\"2026-02-01T00:00:00Z\"}",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        AUTO(arena) a = arena_new(65536, 0);
        struct report_source source = { .folder = trail->trail };
        struct report *r = NULL;

        assert_true(report_make(&source, slice_str(texts[i]), a, &r, NULL) < 0);
        assert_null(r);
    }
}

/* ---- the other kinds ---- */

static void a_control_is_in_one_of_four_states_and_never_a_score(void **state)
{
    AUTO(arena) a = arena_new(65536, 0);

    (void)state;
    for (size_t s = 0; s < nstandards; s++) {
        struct report *r = made(asked("compliance", standards[s].name), a);
        const struct report_block *b = block(r, "controls");
        double all = number(r, "evidence") + number(r, "attention") + number(r, "not-configured") +
                     number(r, "not-observable");

        assert_int_equal(b->nrows, standards[s].n);
        assert_true(all == (double)standards[s].n);
        for (size_t i = 0; i < standards[s].n; i++) {
            struct slice got = cell(r, "controls", standards[s].controls[i].id, "state");

            assert_true(slice_is(got, "evidence") || slice_is(got, "attention") ||
                        slice_is(got, "not-configured") || slice_is(got, "not-observable"));
            for (size_t k = 0; k < i; k++)
                assert_string_not_equal(standards[s].controls[i].id, standards[s].controls[k].id);
        }
    }
}

static void a_control_says_what_it_rests_on(void **state)
{
    AUTO(arena) a = arena_new(65536, 0);
    struct report *r = made(asked("compliance", "pci-dss"), a);

    (void)state;
    assert_cell(r, "controls", "8.3.4", "state", "evidence");
    assert_cell(r, "controls", "8.3.4", "found",
                "E2: 1 times 10 failed logins of one address in 30 minutes, 0 of them without a "
                "ban");
    assert_cell(r, "controls", "10.5.1", "state", "attention"); /* the trail is hours old */
    assert_cell(r, "controls", "8.4", "state", "not-observable");
    assert_cell(r, "controls", "10.6.1", "state", "evidence");
}

static void oscal_is_of_compliance_alone_and_repeats_itself(void **state)
{
    AUTO(arena) a = arena_new(65536, 0);
    AUTO_BUF one = BUF_INIT;
    AUTO_BUF two = BUF_INIT;

    (void)state;
    assert_int_equal(report_oscal(made(asked("security", ""), a), &one, NULL), -ENOTSUP);
    buf_reset(&one);
    assert_int_equal(report_oscal(made(asked("compliance", "gdpr"), a), &one, NULL), 0);
    assert_int_equal(report_oscal(made(asked("compliance", "gdpr"), a), &two, NULL), 0);
    assert_true(slice_eq(buf_view(&one), buf_view(&two)));
    assert_non_null(strstr(one.p, "\"control-id\":\"Art._5_1__e_\""));
}

static void what_is_held_about_a_person_is_found(void **state)
{
    AUTO(arena) a = arena_new(65536, 0);
    struct report *r = made(asked("user", "user=bob"), a);
    const struct report_block *b;

    (void)state;
    assert_true(number(r, "entries") == 3);
    b = block(r, "held");
    assert_int_equal(b->nrows, 3);
    assert_true(slice_is(b->rows[0].cells[5].text, "a \"quoted\" line of bob"));
    r = made(asked("user", "ip=192.0.2.1"), a);
    assert_true(number(r, "entries") == 14); /* 12 events, a ban, an alert */
    r = made(asked("user", "user=nobody"), a);
    assert_true(number(r, "entries") == 0);
}

static void who_never_logged_in_is_listed_apart(void **state)
{
    AUTO(arena) a = arena_new(65536, 0);
    struct report *r = made(asked("access-review", ""), a);

    (void)state;
    assert_cell(r, "active", "bob", "good", "2");
    assert_cell(r, "dormant", "al\"ice", "failed", "12");
    assert_true(number(r, "users") == 2);
}

/* Days that grow by the same number of entries lie on a line: the interval is narrow. */
static void growth_on_a_line_is_foretold(void **state)
{
    struct trail_rig *t = rig_new();
    AUTO(arena) a = arena_new(65536, 0);
    struct report_ask ask = asked("capacity", "");
    struct report *r = NULL;

    (void)state;
    clock_set(&t->clock, BEGIN / RIG_DAY * RIG_DAY + RIG_DAY);
    ask.from_us = t->clock.now_us;
    rig_open(t);
    for (unsigned day = 0; day < 12; day++) {
        rig_entries(t, 40 + 10 * day);
        rig_pass(t, RIG_DAY);
        if (day != 4)
            continue;
        ask.to_us = t->clock.now_us;
        assert_int_equal(make(t, ask, a, &r, NULL), 0);
        assert_non_null(block(r, "too_little"));
    }
    (void)rig_entry(t, "heartbeat", "");
    rig_close(t);
    ask.to_us = t->clock.now_us + 1;
    assert_int_equal(make(t, ask, a, &r, NULL), 0);
    assert_non_null(block(r, "ahead"));
    {
        const struct report_row *month = &block(r, "ahead")->rows[0];
        double perfect = 0, each = number(r, "bytes") / number(r, "entries");

        for (unsigned day = 12; day < 42; day++)
            perfect += (40 + 10 * day) * each;
        assert_true(fabs(month->cells[1].number - perfect) < 0.1 * perfect);
        assert_true(month->cells[2].number <= month->cells[1].number);
        assert_true(month->cells[3].number >= month->cells[1].number);
        assert_true(month->cells[3].number - month->cells[2].number < 0.2 * perfect);
    }
    rig_free(t);
}

/* ---- limits ---- */

static void beyond_its_limit_a_table_counts_the_rest(void **state)
{
    AUTO(arena) a = arena_new(1 << 20, 0);
    struct survey e = { .from_us = 1, .to_us = UINT64_MAX / 2 };
    uint64_t index = 0;

    (void)state;
    assert_int_equal(survey_init(&e, a, NULL, true, NULL), 0);
    for (unsigned i = 0; i < SURVEY_KEYS_MAX + 100; i++) {
        char line[600];

        snprintf(
            line, sizeof line,
            "{\"i\":%llu,\"t\":\"2026-11-21T00:00:00.000000Z\",\"type\":\"event\",\"channel\":"
            "\"api\",\"time\":\"2026-11-21T00:00:00Z\",\"action\":\"login_failed\",\"sd\":{"
            "\"event\":\"x\"}\t,\"pii\":{\"event\":[\"s\",\"{\\\"fields\\\":{\\\"source.ip\\\":"
            "\\\"2001:db8::%x\\\"}}\"]}}",
            (unsigned long long)index, i);
        survey_take(&e, index++, slice_str(line));
    }
    assert_int_equal(survey_end(&e, NULL), 0);
    assert_int_equal(table_count(e.sources), SURVEY_KEYS_MAX);
    assert_int_equal(e.other_sources, 100);
    assert_int_equal(e.now.class[CLASS_FAILED], SURVEY_KEYS_MAX + 100);
    assert_true(arena_used(a) < 64 << 20);
    survey_fini(&e);
}

static void lists_keep_so_many_and_count_all(void **state)
{
    AUTO(arena) a = arena_new(1 << 20, 0);
    struct survey e = { .from_us = 1, .to_us = UINT64_MAX / 2 };

    (void)state;
    assert_int_equal(survey_init(&e, a, NULL, true, NULL), 0);
    for (unsigned i = 0; i < SURVEY_ITEMS_MAX + 5; i++) {
        char line[200];

        snprintf(line, sizeof line,
                 "{\"i\":%u,\"t\":\"2026-11-21T00:00:00.000000Z\",\"type\":\"clock.step\"}", i);
        survey_take(&e, i, slice_str(line));
    }
    assert_int_equal(e.lists[LIST_CLOCK].n, SURVEY_ITEMS_MAX);
    assert_int_equal(e.lists[LIST_CLOCK].all, SURVEY_ITEMS_MAX + 5);
    assert_int_equal(e.now.clock_steps, SURVEY_ITEMS_MAX + 5);
    survey_fini(&e);
}

/* ---- bans ---- */

#define HEAD "{\"i\":%u,\"t\":\"2026-11-21T00:00:%02u.000000Z\",\"type\":"

/* A ban is counted once: its order only says how it went, and a dry run is none. */
static void bans_of_the_book_are_counted_once(void **state)
{
    static const char *const lines[] = {
        HEAD
        "\"alert\",\"id\":\"0a\",\"rule\":\"r\",\"level\":\"high\",\"channel\":\"api\",\"time\":"
        "\"2026-11-21T00:00:00Z\",\"count\":10,\"sd\":{\"events\":\"x\"}\t,\"pii\":{\"events\":["
        "\"s\","
        "\"[{\\\"fields\\\":{\\\"source.ip\\\":\\\"2001:db8::7\\\",\\\"event.action\\\":"
        "\\\"login_failed\\\"}}]\"]}}",
        HEAD "\"ban.add\",\"ban\":1,\"id\":\"0a\",\"origin\":\"rule\",\"sd\":{\"address\":\"x\"}\t,"
             "\"pii\":{"
             "\"address\":[\"s\",\"2001:db8::/64\"]}}",
        HEAD "\"ban.order\",\"ban\":1,\"id\":\"0a\",\"verb\":\"add\",\"state\":\"sent\"}",
        HEAD
        "\"ban.add\",\"ban\":2,\"dry_run\":true,\"sd\":{\"address\":\"x\"}\t,\"pii\":{\"address\":["
        "\"s\",\"192.0.2.9 tcp 22\"]}}",
        HEAD "\"ban.order\",\"ban\":3,\"verb\":\"add\",\"state\":\"dead\"}",
        HEAD "\"ban.end\",\"ban\":1}",
        HEAD "\"ban.remove\",\"ban\":4}",
        HEAD "\"ban.skipped\",\"id\":\"0b\",\"reason\":\"too old\"}",
    };
    AUTO(arena) a = arena_new(1 << 20, 0);
    struct survey e = { .from_us = 1, .to_us = UINT64_MAX / 2 };
    const struct ev_who *w;

    (void)state;
    assert_int_equal(survey_init(&e, a, NULL, true, NULL), 0);
    for (unsigned i = 0; i < ARRAY_SIZE(lines); i++) {
        char line[700], head[80];

        snprintf(head, sizeof head, HEAD, i, i);
        snprintf(line, sizeof line, "%s%s", head, lines[i] + strlen(HEAD));
        survey_take(&e, i, slice_str(line));
    }
    assert_int_equal(survey_end(&e, NULL), 0);
    assert_int_equal(e.now.banned, 1);
    assert_int_equal(e.now.ban_dry, 1);
    assert_int_equal(e.now.ban_failed, 1);
    assert_int_equal(e.now.ban_ended, 1);
    assert_int_equal(e.now.unbanned, 1);
    assert_int_equal(e.now.ban_skipped, 1);
    w = table_get(e.sources, SLICE("2001:db8::7"));
    assert_non_null(w); /* the ban of its network is its ban */
    assert_int_equal(w->bans, 1);
    assert_int_equal(e.nruns, 1);
    assert_true(e.runs[0].banned_us > e.runs[0].reached_us);
    survey_fini(&e);
}

/* ---- lines ---- */

static void members_are_read_and_decoded(void **state)
{
    static const char line[] =
        "{\"i\":12,\"t\":\"2026-11-21T01:02:03.000004Z\",\"type\":\"event\",\"a\":\"x\\\"\\\\\","
        "\"b\":{\"c\":[1,{\"d\":\"}\"}]},\"e\":-1.5,\"f\":\"\\u00e9\\ud83d\\ude00\\n\"}";
    struct line_head h;
    struct line_member m;
    AUTO_BUF b = BUF_INIT;

    (void)state;
    assert_true(line_head(slice_str(line), &h));
    assert_int_equal(h.index, 12);
    assert_true(slice_is(h.type, "event"));
    assert_true(line_next(&h.rest, &m) && slice_is(m.key, "a"));
    assert_true(slice_is(line_text(m.raw, &b), "x\"\\"));
    assert_true(line_next(&h.rest, &m) && m.kind == LINE_NESTED);
    assert_true(slice_is(m.raw, "{\"c\":[1,{\"d\":\"}\"}]}"));
    assert_true(line_next(&h.rest, &m) && slice_is(m.raw, "-1.5") && m.kind == LINE_SCALAR);
    assert_true(line_next(&h.rest, &m));
    assert_true(slice_is(line_text(m.raw, &b), "\xc3\xa9\xf0\x9f\x98\x80\n"));
    assert_false(line_next(&h.rest, &m));
}

/* Each cut of a line, and each byte changed, in memory of its own: a sanitizer sees a step out. */
static void cut_and_broken_lines_are_read_without_a_step_outside(void **state)
{
    static const char whole[] =
        "{\"i\":0,\"t\":\"2026-11-21T01:02:03.000004Z\",\"type\":\"event\",\"channel\":\"a\","
        "\"time\":"
        "\"2026-11-21T01:02:03Z\",\"action\":\"login_failed\",\"sd\":{\"event\":\"x\"}\t,\"pii\":{"
        "\"event\":[\"s\",\"{\\\"raw\\\":\\\"\\\\u12\\\",\\\"fields\\\":{\\\"source.ip\\\":["
        "\\\"1\\\"]"
        "}}\"]}}";
    static const char bytes[] = "\"\\{}[]:,\t\n\0u";

    (void)state;
    for (size_t n = 0; n < sizeof whole; n++)
        for (size_t k = 0; k < sizeof bytes; k++) {
            AUTO(arena) a = arena_new(4096, 0);
            struct survey e = { .from_us = 1, .to_us = UINT64_MAX / 2 };
            char *copy = malloc(n ? n : 1);

            memcpy(copy, whole, n);
            if (n > 40 && k)
                copy[n / 2] = bytes[k - 1];
            assert_int_equal(survey_init(&e, a, NULL, true, NULL), 0);
            survey_take(&e, 0, slice_of(copy, n));
            assert_int_equal(survey_end(&e, NULL), 0);
            survey_fini(&e);
            free(copy);
        }
}

/* ---- periods ---- */

static void periods_in_words_are_days_of_the_zone(void **state)
{
    static const struct {
        const char *words, *from, *to;
    } cases[] = {
        { "today", "2026-11-22T00:00:00Z", "2026-11-23T00:00:00Z" },
        { "yesterday", "2026-11-21T00:00:00Z", "2026-11-22T00:00:00Z" },
        { "last-week", "2026-11-09T00:00:00Z", "2026-11-16T00:00:00Z" },
        { "this-week", "2026-11-16T00:00:00Z", "2026-11-23T00:00:00Z" },
        { "last-month", "2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z" },
        { "last-year", "2025-01-01T00:00:00Z", "2026-01-01T00:00:00Z" },
        { "2026-02", "2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z" },
        { "2026-12", "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z" },
        { "2026-10-05", "2026-10-05T00:00:00Z", "2026-10-06T00:00:00Z" },
        { "2d", "2026-11-20T12:00:00Z", "2026-11-22T12:00:00Z" },
    };
    static const char *const bad[] = { "",           "tomorrow", "2026-13", "2026-02-30", "2026-1",
                                       "last_month", "0d",       "1969",    "2026-10-",   "-7d" };
    uint64_t now, from, to, want_from, want_to;

    (void)state;
    assert_int_equal(time_parse_rfc3339(SLICE("2026-11-22T12:00:00Z"), &now), 0);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_int_equal(time_parse_rfc3339(slice_str(cases[i].from), &want_from), 0);
        assert_int_equal(time_parse_rfc3339(slice_str(cases[i].to), &want_to), 0);
        assert_int_equal(report_period(slice_str(cases[i].words), NULL, now, &from, &to), 0);
        assert_int_equal(from, want_from);
        assert_int_equal(to, want_to);
    }
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(report_period(slice_str(bad[i]), NULL, now, &from, &to), -EINVAL);
}

static void a_day_of_a_changed_clock_has_its_own_length(void **state)
{
    AUTO(zone) z = NULL;
    uint64_t now, from, to;

    (void)state;
    if (zone_load("Europe/Berlin", &z, NULL) < 0)
        skip();
    assert_int_equal(time_parse_rfc3339(SLICE("2026-11-22T12:00:00Z"), &now), 0);
    assert_int_equal(report_period(SLICE("2026-10-25"), z, now, &from, &to), 0);
    assert_int_equal((to - from) / HOUR, 25);
    assert_int_equal(report_moment(SLICE("2026-10-25"), z, true, &to), 0);
    assert_int_equal(to, from + 25 * HOUR);
    assert_int_equal(report_moment(SLICE("2026-07-01T12:30"), z, false, &from), 0);
    assert_int_equal(time_parse_rfc3339(SLICE("2026-07-01T10:30:00Z"), &to), 0);
    assert_int_equal(from, to);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(figures_are_those_of_the_entries),
        cmocka_unit_test(sources_say_country_and_what_was_done),
        cmocka_unit_test(a_run_of_failures_is_followed_to_its_ban),
        cmocka_unit_test(messages_and_acts_are_timed_from_the_entry_of_the_alert),
        cmocka_unit_test(blind_spots_have_their_length_and_gaps_too),
        cmocka_unit_test(what_was_recorded_late_is_said),
        cmocka_unit_test(the_period_before_is_compared_when_the_trail_reaches_it),
        cmocka_unit_test(a_channel_alone_counts_alone),
        cmocka_unit_test(samples_are_proved_and_the_checkpoint_is_there),
        cmocka_unit_test(the_same_seed_draws_the_same_sample),
        cmocka_unit_test(it_is_made_again_over_the_tree_of_its_checkpoint),
        cmocka_unit_test(an_edited_trail_is_refused),
        cmocka_unit_test(a_checkpoint_of_another_history_is_refused),
        cmocka_unit_test(hostile_requests_are_refused),
        cmocka_unit_test(a_control_is_in_one_of_four_states_and_never_a_score),
        cmocka_unit_test(a_control_says_what_it_rests_on),
        cmocka_unit_test(oscal_is_of_compliance_alone_and_repeats_itself),
        cmocka_unit_test(what_is_held_about_a_person_is_found),
        cmocka_unit_test(who_never_logged_in_is_listed_apart),
        cmocka_unit_test(growth_on_a_line_is_foretold),
        cmocka_unit_test(beyond_its_limit_a_table_counts_the_rest),
        cmocka_unit_test(lists_keep_so_many_and_count_all),
        cmocka_unit_test(bans_of_the_book_are_counted_once),
        cmocka_unit_test(members_are_read_and_decoded),
        cmocka_unit_test(cut_and_broken_lines_are_read_without_a_step_outside),
        cmocka_unit_test(periods_in_words_are_days_of_the_zone),
        cmocka_unit_test(a_day_of_a_changed_clock_has_its_own_length),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
