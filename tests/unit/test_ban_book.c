/*
 * The book of bans with a clock that is set by hand and a firewall that is a list: whatever comes,
 * dies or is refused in between, in the end both hold the same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include <config.h>

#include "base/file.h"
#include "base/proc.h"
#include "logwatch/core-bans-private.h"
#include "logwatch/core-private.h"
#include "tests/property/dice.h"

/* Bans that end by themselves; without libnftables only the one that pretends does that. */
#ifdef HAVE_NFTABLES
#define KERNEL "nftables"
#else
#define KERNEL "ipset"
#endif
#define SEC USEC_PER_SEC
#define HOUR (3600 * SEC)
#define DAY (24 * HOUR)
#define START (UINT64_C(1795262400) * SEC)
#define WALL_MAX 400

struct wall { /* the firewall, as it is */
    struct ban_target target[WALL_MAX];
    uint64_t until_us[WALL_MAX]; /* UINT64_MAX: for good */
    bool told[WALL_MAX];
    size_t n;
};

struct world {
    char folder[100], path[160];
    struct config *config;
    struct clock clock;
    struct core *core;
    struct wall wall;
    unsigned n; /* of alerts */
};

static void open_core(struct world *w)
{
    struct err err = ERR_NONE;

    if (core_attach(w->config, &w->clock, &w->core, &err) < 0)
        fail_msg("%s", err.text);
}

static void world_with(struct world *w, const char *bans, const char *more)
{
    AUTO(diag) d = diag_new();
    AUTO_BUF yaml = BUF_INIT;
    const char *tmp = getenv("TMPDIR");
    struct config_request q = { .path = w->path };

    *w = (struct world){ 0 };
    (void)snprintf(w->folder, sizeof w->folder, "%.60s/tw-bans-XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(w->folder));
    (void)snprintf(w->path, sizeof w->path, "%s/c.yaml", w->folder);
    buf_printf(&yaml,
               "state: %s/state\nhost: bans.example\n"
               "channels: {xui: {inputs: [{type: file, path: %s/x.log}]}}\n"
               "bans: {backend: " KERNEL ", max_age: 0s%s}\n%s",
               w->folder, w->folder, bans, more);
    assert_int_equal(file_replace(-1, w->path, buf_view(&yaml), 0600, NULL), 0);
    if (config_load(&q, d, &w->config) < 0) {
        diag_print(d, stderr, false);
        fail_msg("the settings are refused");
    }
    clock_set(&w->clock, START);
    open_core(w);
}

static void world_new(struct world *w, const char *bans)
{
    world_with(w, bans, "");
}

static void world_free(struct world *w)
{
    const char *const argv[] = { "/bin/rm", "-rf", w->folder, NULL };
    struct proc_result r = { .out = BUF_LIMIT(1000) };

    core_free(w->core);
    config_free(w->config);
    (void)proc_run(argv, NULL, SLICE_NONE, 10 * SEC, &r, NULL);
    buf_fini(&r.out);
}

static void commit(struct world *w)
{
    struct err err = ERR_NONE;

    if (core_commit(w->core, &err) < 0)
        fail_msg("%s", err.text);
}

static void pass(struct world *w, uint64_t us)
{
    struct err err = ERR_NONE;

    clock_set(&w->clock, clock_now(&w->clock) + us);
    assert_int_equal(core_tick(w->core, &err), 0);
}

/* Killed: what is not committed never was. */
static void restart(struct world *w)
{
    core_free(w->core);
    open_core(w);
}

static void order(struct world *w, const char *ip, uint64_t for_us)
{
    struct alert alert = { .rule_id = SLICE("guessing"),
                           .rule_title = SLICE("Failed logins"),
                           .channel = SLICE("xui"),
                           .time_us = clock_now(&w->clock),
                           .trust = TRUST_RECORD,
                           .ban = { .wanted = true,
                                    .field = SLICE("source.ip"),
                                    .address = slice_str(ip),
                                    .for_us = for_us } };
    AUTO_BUF hex = BUF_INIT;
    struct slice id;
    struct err err = ERR_NONE;

    memcpy(alert.id, &w->n, sizeof w->n);
    w->n++;
    buf_hex(&hex, alert.id, sizeof alert.id);
    id = arena_slice(w->core->arena, buf_view(&hex));
    w->core->batch.now_us = clock_now(&w->clock);
    assert_int_equal(core_bans_order(w->core->bans, &alert, id, &err), 0);
}

static bool act(struct world *w, const char *request, struct buf *answer)
{
    AUTO_BUF own = BUF_INIT;
    AUTO(arena) a = arena_new(4096, 1 << 20);
    struct err err = ERR_NONE;
    const struct core_actor me = { .uid = 0, .via = "cli" };

    answer = answer ? answer : &own;
    buf_reset(answer);
    assert_int_equal(core_act(w->core, slice_str(request), &me, answer, &err), 0);
    return json_bool(json_load(a, buf_view(answer), NULL), "ok", false);
}

/* ---- the firewall ---- */

static size_t wall_find(const struct wall *k, const struct ban_target *t)
{
    size_t i = 0;

    while (i < k->n && !ban_target_eq(&k->target[i], t))
        i++;
    return i;
}

static void wall_drop(struct wall *k, size_t i)
{
    k->n--;
    k->target[i] = k->target[k->n];
    k->until_us[i] = k->until_us[k->n];
    k->told[i] = k->told[k->n];
}

static void wall_expire(struct wall *k, uint64_t now_us)
{
    for (size_t i = 0; i < k->n;)
        if (k->until_us[i] <= now_us)
            wall_drop(k, i);
        else
            i++;
}

static void wall_take(struct wall *k, const struct ban_request *q, uint64_t now_us)
{
    struct ban_target t = { .net = { .net.family = q->family, .bits = q->bits },
                            .protocol = q->protocol };
    size_t i;

    memcpy(t.net.net.bytes, q->bytes, sizeof q->bytes);
    memcpy(t.ports, q->ports, sizeof t.ports);
    i = wall_find(k, &t);
    if (q->verb == BAN_ADD) {
        assert_true(i < WALL_MAX);
        k->n += i == k->n;
        k->target[i] = t;
        k->until_us[i] = q->seconds ? now_us + q->seconds * SEC : UINT64_MAX;
        k->told[i] = true;
    } else if (q->verb == BAN_REMOVE && i < k->n) {
        wall_drop(k, i);
    } else if (q->verb == BAN_SYNC_BEGIN) {
        memset(k->told, 0, sizeof k->told);
    } else if (q->verb == BAN_SYNC_END) {
        for (i = 0; i < k->n;)
            if (k->told[i])
                i++;
            else
                wall_drop(k, i);
    }
}

static void answer(struct world *w, uint64_t id, enum ban_said said)
{
    const struct ban_result r = { .id = id, .said = (uint8_t)said, .why = "as told" };
    struct err err = ERR_NONE;

    assert_int_equal(core_ban_result(w->core, &r, &err), 0);
}

/* All that is to be sent is done, and its answers are committed. */
static size_t serve(struct world *w)
{
    struct ban_request q[64];
    size_t all = 0, n;

    wall_expire(&w->wall, clock_now(&w->clock));
    while ((n = core_bans_requests(w->core->bans, q, 64, clock_now(&w->clock))) > 0) {
        for (size_t i = 0; i < n; i++)
            wall_take(&w->wall, &q[i], clock_now(&w->clock));
        for (size_t i = 0; i < n; i++)
            answer(w, q[i].id, BAN_DONE);
        all += n;
    }
    commit(w);
    return all;
}

static bool stands(const struct world *w, const char *text)
{
    struct ban_target t = { 0 };

    assert_int_equal(ban_target_parse(slice_str(text), &t), 0);
    return wall_find(&w->wall, &t) < w->wall.n;
}

/* ---- the book, as it is stored ---- */

static int see(void *ctx, const struct ban *b)
{
    struct buf *out = ctx;
    char target[BAN_TEXT_SIZE];

    ban_target_text(&b->target, target);
    buf_printf(out, "%s %s%s x%u +%u %llus\n", target, ban_state_name(b->state),
               b->owed ? " owed" : "", b->times, b->renewals,
               b->until_us ? (unsigned long long)((b->until_us - b->start_us) / SEC) : 0ull);
    return 0;
}

static void book_is(struct world *w, const char *expected)
{
    AUTO_BUF text = BUF_INIT;
    const struct ban_filter f = { .after_id = 1, .limit = 1000 };

    assert_int_equal(store_bans_each(w->core->store, &f, see, &text, NULL), 0);
    buf_char(&text, '\0');
    assert_string_equal(text.p, expected);
}

/* ---- tests ---- */

static void nothing_is_done_before_it_is_committed(void **state)
{
    struct ban_request q[8];
    struct world w;

    (void)state;
    world_new(&w, "");
    answer(&w, 0, BAN_LOST);
    serve(&w);
    order(&w, "192.0.2.1", HOUR);
    assert_int_equal(core_bans_requests(w.core->bans, q, 8, clock_now(&w.clock)), 0);
    restart(&w);
    book_is(&w, "");
    answer(&w, 0, BAN_LOST);
    order(&w, "192.0.2.1", HOUR);
    commit(&w);
    book_is(&w, "192.0.2.1 active owed x1 +0 3600s\n");
    assert_int_equal(serve(&w), 4); /* in the sync, and as it is owed */
    assert_true(stands(&w, "192.0.2.1"));
    book_is(&w, "192.0.2.1 active x1 +0 3600s\n");
    world_free(&w);
}

static void each_ban_of_a_network_takes_longer_until_it_was_quiet(void **state)
{
    struct world w;

    (void)state;
    world_new(&w, ", escalate: [1h, 1d], forgive: 10d");
    answer(&w, 0, BAN_LOST);
    for (int i = 0; i < 3; i++) {
        order(&w, "192.0.2.1", 600 * SEC);
        commit(&w);
        pass(&w, i == 0 ? HOUR : DAY);
        commit(&w);
    }
    book_is(&w, "192.0.2.1 ended x1 +0 3600s\n"
                "192.0.2.1 ended x2 +0 86400s\n"
                "192.0.2.1 ended x3 +0 86400s\n");
    pass(&w, 11 * DAY);
    order(&w, "192.0.2.1", 600 * SEC);
    order(&w, "192.0.2.2", 2 * HOUR); /* the rule wants more than the first step */
    commit(&w);
    book_is(&w, "192.0.2.1 ended x1 +0 3600s\n"
                "192.0.2.1 ended x2 +0 86400s\n"
                "192.0.2.1 ended x3 +0 86400s\n"
                "192.0.2.1 active owed x1 +0 3600s\n"
                "192.0.2.2 active owed x1 +0 7200s\n");
    world_free(&w);
}

static void a_ban_that_holds_is_renewed(void **state)
{
    struct world w;

    (void)state;
    world_new(&w, "");
    answer(&w, 0, BAN_LOST);
    order(&w, "192.0.2.1", HOUR);
    order(&w, "192.0.2.1", HOUR); /* nothing new */
    commit(&w);
    serve(&w);
    pass(&w, HOUR / 2);
    order(&w, "192.0.2.1", HOUR);
    commit(&w);
    book_is(&w, "192.0.2.1 active owed x1 +1 5400s\n");
    serve(&w);
    pass(&w, HOUR - SEC);
    wall_expire(&w.wall, clock_now(&w.clock));
    assert_true(stands(&w, "192.0.2.1"));
    pass(&w, 2 * SEC);
    wall_expire(&w.wall, clock_now(&w.clock));
    assert_false(stands(&w, "192.0.2.1"));
    commit(&w);
    book_is(&w, "192.0.2.1 ended x1 +1 5400s\n");
    world_free(&w);
}

static void who_is_allowed_is_never_in_the_book(void **state)
{
    static const char *const never[] = {
        "10.1.2.3", "2001:db8:7::5", "127.0.0.1",      "::1",         "224.0.0.1",
        "fe80::1",  "0.0.0.0",       "not an address", "192.0.2.1/8", "::ffff:10.1.2.3"
    };
    struct world w;

    (void)state;
    world_new(&w, ", allow: [10.0.0.0/8, '2001:db8:7:0:1::/80']");
    for (size_t i = 0; i < ARRAY_SIZE(never); i++)
        order(&w, never[i], HOUR);
    commit(&w);
    book_is(&w, "");
    assert_false(act(&w, "{\"act\":\"ban.add\",\"targets\":[\"0.0.0.0/0\"],\"for_s\":60}", NULL));
    assert_false(act(&w, "{\"act\":\"ban.add\",\"targets\":[\"192.0.0.0/8\"],\"for_s\":60}", NULL));
    assert_false(act(&w, "{\"act\":\"ban.add\",\"targets\":[\"::/0\"],\"for_s\":60}", NULL));
    assert_false(
        act(&w, "{\"act\":\"ban.add\",\"targets\":[\"10.20.0.0/16\"],\"for_s\":60}", NULL));
    commit(&w);
    book_is(&w, "");
    order(&w, "2001:db8:8:1::5", HOUR);
    commit(&w);
    book_is(&w, "2001:db8:8:1::/64 active owed x1 +0 3600s\n");
    world_free(&w);
}

/* By MaxMind's test databases, where they are. */
static void countries_and_operators_can_be_allowed(void **state)
{
    const char *source = getenv("TW_SOURCE");
    char data[300], geo[800];
    struct world w;

    (void)state;
    (void)snprintf(data, sizeof data, "%.200s/../shared/data/mmdb/test-data",
                   source ? source : ".");
    if (access(data, R_OK) < 0)
        skip();
    (void)snprintf(geo, sizeof geo,
                   "geo: {database: [%s/GeoLite2-City-Test.mmdb, %s/GeoLite2-ASN-Test.mmdb]}\n",
                   data, data);
    world_with(&w, ", allow_countries: [GB], allow_asn: [AS1221]", geo);
    order(&w, "81.2.69.142", HOUR); /* in GB */
    order(&w, "1.128.0.9", HOUR); /* of AS1221 */
    order(&w, "89.160.20.112", HOUR); /* in SE */
    commit(&w);
    book_is(&w, "89.160.20.112 active owed x1 +0 3600s\n");
    world_free(&w);
}

static void who_is_allowed_now_gets_in(void **state)
{
    const struct ip home = { .family = 4, .bytes = { 192, 0, 2, 9 } };
    struct err err = ERR_NONE;
    struct world w;

    (void)state;
    world_new(&w, ", allow: [home.example.org]");
    answer(&w, 0, BAN_LOST);
    order(&w, "192.0.2.9", HOUR);
    commit(&w);
    serve(&w);
    assert_true(stands(&w, "192.0.2.9"));
    assert_int_equal(core_bans_allow(w.core->bans, 0, &home, 1, &err), 0);
    commit(&w);
    serve(&w);
    assert_false(stands(&w, "192.0.2.9"));
    order(&w, "192.0.2.9", HOUR);
    commit(&w);
    book_is(&w, "192.0.2.9 removed x1 +0 3600s\n");
    world_free(&w);
}

static void people_ban_and_take_back(void **state)
{
    AUTO_BUF said = BUF_INIT;
    struct world w;

    (void)state;
    world_new(&w, "");
    answer(&w, 0, BAN_LOST);
    assert_true(act(&w,
                    "{\"act\":\"ban.add\",\"targets\":[\"192.0.2.1\",\"198.51.100.0/24 tcp "
                    "443,22\",\"nonsense\"],\"for_s\":0,\"reason\":\"scanner\",\"by\":\"ann\"}",
                    &said));
    assert_true(slice_find(buf_view(&said), SLICE("2 banned, 0 held already, 1 refused")) !=
                SIZE_MAX);
    commit(&w);
    serve(&w);
    book_is(&w, "192.0.2.1 active x1 +0 0s\n198.51.100.0/24 tcp 22,443 active x1 +0 0s\n");
    assert_true(act(&w, "{\"act\":\"ban.remove\",\"targets\":[\"192.0.2.1\"]}", &said));
    assert_true(act(&w, "{\"act\":\"ban.remove\",\"id\":\"2\"}", NULL));
    assert_false(act(&w, "{\"act\":\"ban.remove\",\"all\":true}", NULL));
    commit(&w);
    book_is(&w, "192.0.2.1 removed owed x1 +0 0s\n"
                "198.51.100.0/24 tcp 22,443 removed owed x1 +0 0s\n");
    serve(&w);
    assert_int_equal(w.wall.n, 0);
    book_is(&w, "192.0.2.1 removed x1 +0 0s\n198.51.100.0/24 tcp 22,443 removed x1 +0 0s\n");
    world_free(&w);
}

static void a_list_that_is_imported_again_is_replaced(void **state)
{
    char request[120];
    struct world w;

    (void)state;
    world_new(&w, "");
    assert_true(act(&w,
                    "{\"act\":\"ban.add\",\"targets\":[\"192.0.2.1\",\"192.0.2.2\"],"
                    "\"for_s\":86400,\"list\":\"feed\"}",
                    NULL));
    assert_true(act(&w, "{\"act\":\"ban.add\",\"targets\":[\"192.0.2.9\"]}", NULL));
    commit(&w);
    pass(&w, SEC);
    (void)snprintf(request, sizeof request,
                   "{\"act\":\"ban.sync\",\"list\":\"feed\",\"stamp\":%llu}",
                   (unsigned long long)clock_now(&w.clock));
    assert_true(act(&w,
                    "{\"act\":\"ban.add\",\"targets\":[\"192.0.2.2\",\"192.0.2.3\"],"
                    "\"for_s\":86400,\"list\":\"feed\"}",
                    NULL));
    assert_true(act(&w, request, NULL));
    commit(&w);
    book_is(&w, "192.0.2.1 removed owed x1 +0 86400s\n192.0.2.2 active owed x1 +0 86400s\n"
                "192.0.2.9 active owed x1 +0 3600s\n192.0.2.3 active owed x1 +0 86400s\n");
    world_free(&w);
}

static void a_dry_run_is_in_the_book_alone(void **state)
{
    struct world w;

    (void)state;
    world_new(&w, ", dry_run: true");
    answer(&w, 0, BAN_LOST);
    order(&w, "192.0.2.1", HOUR);
    commit(&w);
    serve(&w);
    assert_int_equal(w.wall.n, 0);
    pass(&w, HOUR);
    commit(&w);
    serve(&w);
    book_is(&w, "192.0.2.1 ended x1 +0 3600s\n");
    world_free(&w);
}

static void what_fails_is_tried_again_and_what_is_refused_is_not(void **state)
{
    struct ban_request q[8];
    struct world w;
    size_t n;

    (void)state;
    world_new(&w, "");
    answer(&w, 0, BAN_LOST);
    serve(&w);
    order(&w, "192.0.2.1", HOUR);
    order(&w, "192.0.2.2", HOUR);
    commit(&w);
    n = core_bans_requests(w.core->bans, q, 8, clock_now(&w.clock));
    assert_int_equal(n, 2);
    answer(&w, q[0].id, BAN_FAILED);
    answer(&w, q[1].id, BAN_NO);
    commit(&w);
    book_is(&w, "192.0.2.1 active owed x1 +0 3600s\n192.0.2.2 refused x1 +0 3600s\n");
    assert_int_equal(core_bans_requests(w.core->bans, q, 8, clock_now(&w.clock)), 0);
    pass(&w, 60 * SEC);
    assert_int_equal(serve(&w), 1);
    assert_true(stands(&w, "192.0.2.1"));
    world_free(&w);
}

/* ---- whatever happens ---- */

static void random_order(struct world *w, struct dice *d)
{
    char ip[32];

    (void)snprintf(ip, sizeof ip, roll(d, 4) ? "192.0.2.%u" : "2001:db8:0:%u::7", roll(d, 30));
    order(w, ip, (1 + roll(d, 900)) * SEC);
}

static void random_act(struct world *w, struct dice *d)
{
    char request[160];

    if (roll(d, 2))
        (void)snprintf(request, sizeof request,
                       "{\"act\":\"ban.remove\",\"targets\":[\"192.0.2.%u\"]}", roll(d, 30));
    else
        (void)snprintf(request, sizeof request,
                       "{\"act\":\"ban.add\",\"targets\":[\"192.0.2.%u\",\"192.0.2.%u udp "
                       "53\"],\"for_s\":%u}",
                       roll(d, 30), roll(d, 30), roll(d, 900));
    (void)act(w, request, NULL);
}

/* Some are done, some fail, some answers are lost with the line. */
static void random_serve(struct world *w, struct dice *d)
{
    struct ban_request q[64];
    size_t n = core_bans_requests(w->core->bans, q, 1 + roll(d, 64), clock_now(&w->clock));
    bool dies = roll(d, 8) == 0;

    wall_expire(&w->wall, clock_now(&w->clock));
    for (size_t i = 0; i < n; i++) {
        bool fails = roll(d, 10) == 0 && q[i].verb <= BAN_REMOVE;

        if (!fails)
            wall_take(&w->wall, &q[i], clock_now(&w->clock));
        if (roll(d, 20) == 0) /* it changes while the answer is on its way */
            random_act(w, d);
        if (!dies)
            answer(w, q[i].id, fails ? BAN_FAILED : BAN_DONE);
    }
    if (dies) {
        core_bans_line_gone(w->core->bans);
        if (roll(d, 2))
            w->wall.n = 0; /* and somebody flushed it */
        answer(w, 0, BAN_LOST);
    }
}

static void random_step(struct world *w, struct dice *d)
{
    switch (roll(d, 10)) {
    case 0:
        random_act(w, d);
        break;
    case 1:
        pass(w, roll(d, 200) * SEC);
        break;
    case 2:
        if (roll(d, 8) == 0) {
            restart(w);
            answer(w, 0, BAN_LOST);
        }
        break;
    case 3:
    case 4:
        commit(w);
        break;
    case 5:
    case 6:
    case 7:
        random_serve(w, d);
        break;
    default:
        random_order(w, d);
    }
}

struct same {
    struct world *w;
    size_t n;
};

static int is_there(void *ctx, const struct ban *b)
{
    struct same *s = ctx;
    size_t i = wall_find(&s->w->wall, &b->target);
    uint64_t now = clock_now(&s->w->clock), left;

    assert_int_equal(b->owed, BAN_OWES_NOTHING);
    assert_true(i < s->w->wall.n);
    s->n++;
    if (b->until_us == 0) {
        assert_true(s->w->wall.until_us[i] == UINT64_MAX);
        return 0;
    }
    left = s->w->wall.until_us[i] - now;
    assert_in_range(left + 2 * SEC, b->until_us - now, b->until_us - now + 4 * SEC);
    return 0;
}

static void book_and_firewall_agree_whatever_happens(void **state)
{
    const struct ban_filter active = { .states = 1u << BAN_ACTIVE, .limit = 10000 };

    (void)state;
    for (unsigned seed = 1; seed <= 20; seed++) {
        struct dice d = { seed };
        struct world w;
        struct same s = { .w = &w };

        world_new(&w, "");
        answer(&w, 0, BAN_LOST);
        for (int i = 0; i < 400; i++)
            random_step(&w, &d);
        commit(&w);
        for (int i = 0; i < 5; i++) { /* all retries are due */
            pass(&w, 1000 * SEC);
            random_order(&w, &d);
            commit(&w);
            serve(&w);
        }
        assert_int_equal(core_bans_owed(w.core->bans), 0);
        assert_int_equal(store_bans_each(w.core->store, &active, is_there, &s, NULL), 0);
        assert_int_equal(s.n, w.wall.n);
        world_free(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_done_before_it_is_committed),
        cmocka_unit_test(each_ban_of_a_network_takes_longer_until_it_was_quiet),
        cmocka_unit_test(a_ban_that_holds_is_renewed),
        cmocka_unit_test(who_is_allowed_is_never_in_the_book),
        cmocka_unit_test(countries_and_operators_can_be_allowed),
        cmocka_unit_test(who_is_allowed_now_gets_in),
        cmocka_unit_test(people_ban_and_take_back),
        cmocka_unit_test(a_list_that_is_imported_again_is_replaced),
        cmocka_unit_test(a_dry_run_is_in_the_book_alone),
        cmocka_unit_test(what_fails_is_tried_again_and_what_is_refused_is_not),
        cmocka_unit_test(book_and_firewall_agree_whatever_happens),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
