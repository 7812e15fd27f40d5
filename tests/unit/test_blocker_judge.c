/* What a blocker refuses, whoever asks: form, allow list, special and own addresses, pace. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/file.h"
#include "notifiers/blockers/backends.h"
#include "notifiers/blockers/ban-judge.h"

static const char *allow_items[] = { "198.51.100.0/24", "2001:db8:a::/48", "vpn.example" };
static struct src_pos allow_at[3];

static struct blocker with_settings(void)
{
    return (struct blocker){ .ops = &blocker_dry_run,
                             .settings = { .allow = { allow_items, allow_at, 3 },
                                           .max = 10,
                                           .rate = 60,
                                           .bits4_min = 16,
                                           .bits6_min = 32 } };
}

static char root[256];

static void put_file(const char *path, const char *text)
{
    char whole[512];
    struct err err = ERR_NONE;

    snprintf(whole, sizeof whole, "%s%s", root, path);
    assert_int_equal(file_replace(AT_FDCWD, whole, slice_str(text), 0644, &err), 0);
}

static int make_root(void **state)
{
    static const char *const folders[] = {
        "", "/proc", "/proc/net", "/etc", "/run", "/run/systemd", "/run/systemd/sessions"
    };
    const char *tmp = getenv("TMPDIR");

    (void)state;
    snprintf(root, sizeof root, "%s/tw-judge.%d", tmp ? tmp : "/tmp", (int)getpid());
    for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
        char whole[512];

        snprintf(whole, sizeof whole, "%s%s", root, folders[i]);
        if (mkdir(whole, 0755) < 0 && errno != EEXIST)
            return -1;
    }
    put_file("/proc/net/route",
             "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
             "eth0\t00000000\t0101C0C6\t0003\t0\t0\t0\t00000000\t0\t0\t0\n" /* 198.192.1.1 */
             "eth0\t0000C0C6\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n");
    put_file("/etc/resolv.conf",
             "# resolver\nnameserver 198.18.53.53\nnameserver 2001:db8:53::1\n");
    return 0;
}

static struct ban_request ban(const char *network, uint32_t seconds)
{
    struct ban_request q = { .id = 7, .verb = BAN_ADD, .seconds = seconds, .rule = "ssh" };
    struct cidr c;

    assert_int_equal(cidr_parse(slice_str(network), &c, NULL), 0);
    q.family = c.net.family;
    q.bits = c.bits;
    memcpy(q.bytes, c.net.bytes, 16);
    return q;
}

/* "" when it may be done. */
static const char *judged(struct ban_judge *j, const struct ban_request *q, uint64_t mono_us)
{
    static struct ban_result r;
    const struct ban_judge_facts facts = { 0 };
    struct ban_target t;

    memset(&r, 0, sizeof r);
    if (ban_judge_form(q, &t, &r) && ban_judge_add(j, q, &t, &facts, mono_us, &r))
        return "";
    assert_true(r.said == BAN_NO || r.said == BAN_FAILED);
    assert_int_equal(r.id, q->id);
    return r.why;
}

static void what_no_ban_may_touch_is_refused_with_its_reason(void **state)
{
    static const struct {
        const char *network, *why;
    } cases[] = {
        { "203.0.113.9", "" },
        { "203.0.113.0/24", "" },
        { "2001:db8:1::/64", "" },
        { "127.0.0.1", "never banned: special address" },
        { "127.0.0.0/16", "never banned: special address" },
        { "224.0.0.0/16", "never banned: special address" },
        { "::1", "never banned: special address" },
        { "fe80::/64", "never banned: special address" },
        { "198.192.1.1", "never banned: default gateway" },
        { "198.192.0.0/16", "never banned: default gateway" },
        { "198.18.53.53", "never banned: DNS server" },
        { "198.18.53.0/24", "never banned: DNS server" },
        { "2001:db8:53::/64", "never banned: DNS server" },
        { "198.51.100.7", "allowed: 198.51.100.0/24" },
        { "198.51.0.0/16", "allowed: 198.51.100.0/24" },
        { "2001:db8:a:1::/64", "allowed: 2001:db8:a::/48" },
        { "203.0.0.0/15", "a network of /15: /16 is the largest allowed" },
        { "2001::/16", "a network of /16: /32 is the largest allowed" },
    };
    struct blocker b = with_settings();
    struct ban_judge j;

    (void)state;
    assert_int_equal(ban_judge_open(&j, &b, root, NULL), 0);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct ban_request q = ban(cases[i].network, 60);

        assert_string_equal(judged(&j, &q, 1), cases[i].why);
    }
    ban_judge_close(&j);
}

/* "a::/0"-like shapes with a blocker that would take any length. */
static void a_network_around_a_special_one_is_refused_at_any_length(void **state)
{
    static const char *const networks[] = { "126.0.0.0/7", "169.254.0.0/15", "::/96", "fe00::/7",
                                            "::ffff:0:0/95" };
    struct blocker b = with_settings();
    struct ban_judge j;

    (void)state;
    b.settings.bits4_min = b.settings.bits6_min = 0;
    assert_int_equal(ban_judge_open(&j, &b, root, NULL), 0);
    for (size_t i = 0; i < ARRAY_SIZE(networks); i++) {
        struct cidr c;
        struct ban_request q;

        if (cidr_parse(slice_str(networks[i]), &c, NULL) < 0)
            continue;
        q = ban(networks[i], 60);
        assert_string_equal(judged(&j, &q, 1), "never banned: special address");
    }
    {
        struct ban_request q = { .verb = BAN_ADD, .family = 6, .bits = 128 };

        q.bytes[10] = q.bytes[11] = 0xff; /* ::ffff:1.2.3.4 */
        q.bytes[12] = 1;
        assert_string_equal(judged(&j, &q, 1), "never banned: special address");
    }
    ban_judge_close(&j);
}

/* The list here is bytes, the one of base/ip.c is text: they must not part. */
static void what_is_special_elsewhere_is_special_here(void **state)
{
    struct blocker b = with_settings();
    struct ban_judge j;
    unsigned found = 0;

    (void)state;
    assert_int_equal(ban_judge_open(&j, &b, root, NULL), 0);
    for (unsigned i = 0; i < 65536; i++)
        for (unsigned end = 0; end < 2; end++) {
            struct cidr c4 = {
                { 4, { (uint8_t)(i >> 8), (uint8_t)i, end ? 255 : 0, end ? 255 : 1 } }, 32
            };
            struct cidr c6 = { { 6, { (uint8_t)(i >> 8), (uint8_t)i } }, 128 };
            const char *why;

            c6.net.bytes[15] = (uint8_t)end;
            if (ip_is_special(&c4.net)) {
                found++;
                assert_int_equal(never_judge(j.never, &c4, 1, &why), 1);
            }
            if (ip_is_special(&c6.net)) {
                found++;
                assert_int_equal(never_judge(j.never, &c6, 1, &why), 1);
            }
        }
    assert_true(found > 1000);
    ban_judge_close(&j);
}

static void our_own_addresses_are_never_banned(void **state)
{
    struct blocker b = with_settings();
    struct ban_judge j;
    struct ban_request q = ban("127.0.0.2", 60); /* on every machine */

    (void)state;
    assert_int_equal(ban_judge_open(&j, &b, root, NULL), 0);
    assert_string_equal(judged(&j, &q, 1), "never banned: special address");
    ban_judge_close(&j);
}

static void a_request_of_a_wrong_form_is_no(void **state)
{
    struct blocker b = with_settings();
    struct ban_judge j;
    struct ban_request q;

    (void)state;
    assert_int_equal(ban_judge_open(&j, &b, root, NULL), 0);
#define WRONG(change, text)                                                                        \
    q = ban("203.0.113.9", 60);                                                                    \
    change;                                                                                        \
    assert_string_equal(judged(&j, &q, 1), text)
    WRONG(q.family = 5, "this is no network");
    WRONG(q.bits = 33, "this is no network");
    WRONG(q.bits = 24, "this is no network");
    WRONG(q.bytes[4] = 1, "this is no network");
    WRONG(q.seconds = UINT32_MAX, "longer than 3650 days");
    WRONG(q.ports[0] = 22, "these are no ports of protocol 0");
    WRONG(q.ports[0] = 22; q.protocol = 1, "these are no ports of protocol 1");
    WRONG(q.ports[0] = 22; q.ports[1] = 22; q.protocol = 6, "these are no ports of protocol 6");
    WRONG(q.ports[1] = 22; q.protocol = 6, "these are no ports of protocol 6");
    WRONG(memset(q.rule, 'x', sizeof q.rule), "the names of rule or alert are no words");
    WRONG(q.alert[0] = '\n', "the names of rule or alert are no words");
    WRONG(q.ports[0] = 22; q.ports[1] = 80; q.protocol = 6, "");
    ban_judge_close(&j);
}

static void new_bans_have_a_pace_and_a_number(void **state)
{
    struct blocker b = with_settings();
    struct ban_judge_facts facts = { 0 };
    struct ban_request q = ban("203.0.113.9", 60);
    struct ban_target t;
    struct ban_result r;
    struct ban_judge j;

    (void)state;
    assert_int_equal(ban_judge_open(&j, &b, root, NULL), 0);
    assert_true(ban_judge_form(&q, &t, &r));
    for (size_t i = 0; i < 60; i++)
        assert_true(ban_judge_add(&j, &q, &t, &facts, 1000, &r));
    assert_false(ban_judge_add(&j, &q, &t, &facts, 1000, &r));
    assert_int_equal(r.said, BAN_FAILED);
    assert_string_equal(r.why, "more than 60 new bans a minute");
    facts.known = true; /* a renewal */
    assert_true(ban_judge_add(&j, &q, &t, &facts, 1000, &r));
    facts = (struct ban_judge_facts){ .sync = true };
    assert_true(ban_judge_add(&j, &q, &t, &facts, 1000, &r));
    facts = (struct ban_judge_facts){ 0 };
    assert_true(ban_judge_add(&j, &q, &t, &facts, 1000 + USEC_PER_SEC, &r)); /* one a second */
    assert_false(ban_judge_add(&j, &q, &t, &facts, 1000 + USEC_PER_SEC, &r));
    facts.held = 10;
    assert_false(ban_judge_add(&j, &q, &t, &facts, 1000 + 300 * USEC_PER_SEC, &r));
    assert_string_equal(r.why, "there are 10 bans, the most allowed");
    ban_judge_close(&j);
}

static void what_is_told_to_be_allowed_is_not_banned_for_its_time(void **state)
{
    struct blocker b = with_settings();
    struct ban_request allow = ban("203.0.113.9", 5), q = ban("203.0.113.0/24", 60);
    struct ban_target t;
    struct ban_result r;
    struct ban_judge j;

    (void)state;
    assert_int_equal(ban_judge_open(&j, &b, root, NULL), 0);
    assert_true(ban_judge_form(&allow, &t, &r));
    ban_judge_allow(&j, &allow, &t, 1000, &r);
    assert_int_equal(r.said, BAN_DONE);
    ban_judge_allow(&j, &allow, &t, 2000, &r);
    assert_int_equal(j.ntold, 1);
    assert_string_equal(judged(&j, &q, 3000), "allowed: 203.0.113.9");
    assert_string_equal(judged(&j, &q, 2000 + 6 * USEC_PER_SEC), "");
    for (unsigned i = 0; i < BAN_JUDGE_TOLD_MAX + 10; i++) {
        t.net.net.bytes[0] = (uint8_t)(i >> 8);
        t.net.net.bytes[1] = (uint8_t)i;
        allow.seconds = 0;
        ban_judge_allow(&j, &allow, &t, 3000, &r);
    }
    assert_int_equal(r.said, BAN_FAILED);
    assert_int_equal(j.ntold, BAN_JUDGE_TOLD_MAX);
    ban_judge_close(&j);
}

static void a_backend_gets_only_what_it_can_do(void **state)
{
    const struct blocker_ops plain = { .name = "plain" };
    struct blocker b = with_settings();
    struct ban_request net = ban("203.0.113.0/24", 60), port = ban("203.0.113.9", 60);
    struct ban_judge j;

    (void)state;
    b.ops = &plain;
    assert_int_equal(ban_judge_open(&j, &b, root, NULL), 0);
    assert_string_equal(judged(&j, &net, 1), "backend plain bans single addresses only");
    port.protocol = 6;
    assert_string_equal(judged(&j, &port, 1), "backend plain bans no single protocols or ports");
    ban_judge_close(&j);
}

/* ---- who is logged in ---- */

static const char peers[] =
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout "
    "inode\n"
    "   0: 0100007F:0016 0971CB0A:C001 01 00000000:00000000 00:00000000 00000000     0        0 "
    "4242 1 0000000000000000 20 4 30 10 -1\n"; /* 10.203.113.9 */

static const char *peer_judged(struct ban_judge *j, uint64_t mono_us)
{
    struct ban_request q = ban("10.203.113.9", 60);

    return judged(j, &q, mono_us);
}

static void who_only_knocks_at_ssh_can_be_banned(void **state)
{
    struct blocker b = with_settings();
    struct ban_judge j;

    (void)state;
    put_file("/proc/net/tcp", peers);
    assert_int_equal(ban_judge_open(&j, &b, root, NULL), 0);
    assert_string_equal(peer_judged(&j, USEC_PER_SEC), "");
    assert_string_equal(peer_judged(&j, 100 * USEC_PER_SEC), "");
    /* sshd would have thrown out a stranger by now */
    assert_string_equal(peer_judged(&j, 200 * USEC_PER_SEC), "never banned: SSH session");
    ban_judge_close(&j);
}

static void a_new_connection_from_the_same_place_is_not_an_old_one(void **state)
{
    struct blocker b = with_settings();
    char other[sizeof peers];
    struct ban_judge j;

    (void)state;
    put_file("/proc/net/tcp", peers);
    assert_int_equal(ban_judge_open(&j, &b, root, NULL), 0);
    assert_string_equal(peer_judged(&j, USEC_PER_SEC), "");
    memcpy(other, peers, sizeof peers);
    memcpy(strstr(other, "4242"), "4243", 4);
    put_file("/proc/net/tcp", other);
    assert_string_equal(peer_judged(&j, 200 * USEC_PER_SEC), "");
    ban_judge_close(&j);
}

static void who_is_logged_in_by_ssh_is_never_banned(void **state)
{
    struct blocker b = with_settings();
    char path[512];
    struct ban_judge j;

    (void)state;
    put_file("/proc/net/tcp", peers);
    put_file("/run/systemd/sessions/7", "UID=0\nREMOTE=1\nREMOTE_HOST=10.203.113.9\n");
    assert_int_equal(ban_judge_open(&j, &b, root, NULL), 0);
    assert_string_equal(peer_judged(&j, USEC_PER_SEC), "never banned: SSH session");
    snprintf(path, sizeof path, "%s/run/systemd/sessions/7", root);
    unlink(path);
    assert_string_equal(peer_judged(&j, USEC_PER_SEC + 1000), "never banned: SSH session");
    assert_string_equal(peer_judged(&j, 3 * USEC_PER_SEC), ""); /* read anew */
    ban_judge_close(&j);
}

static void what_cannot_be_read_bans_nobody_meanwhile(void **state)
{
    struct blocker b = with_settings();
    char path[512], was[512];
    struct ban_judge j;

    (void)state;
    put_file("/proc/net/tcp", "");
    snprintf(path, sizeof path, "%s/proc/net/route", root);
    snprintf(was, sizeof was, "%s/route", root);
    assert_int_equal(rename(path, was), 0);
    assert_int_equal(mkdir(path, 0755), 0);
    assert_int_equal(ban_judge_open(&j, &b, root, NULL), 0);
    assert_string_equal(peer_judged(&j, 1),
                        "cannot read /proc/net/route: Is a directory: nothing is banned meanwhile");
    assert_int_equal(rmdir(path), 0);
    assert_string_equal(peer_judged(&j, 2 * USEC_PER_SEC), ""); /* there are no routes */
    assert_int_equal(rename(was, path), 0);
    ban_judge_close(&j);
}

static void hostile_lines_of_proc_are_no_addresses(void **state)
{
    static const char *const lines[] = {
        "",
        " ",
        "eth0",
        "eth0 0 0 0 0 0 0 0",
        "eth0\t00000000\t0101C0C\t0003\t0\t0\t0\t00000000",
        "eth0\t00000000\t0101C0C6\t0001\t0\t0\t0\t00000000",
        "eth0\t00000000\t0101C0C6\t00000003\t0\t0\t0\t00000000",
        "eth0\t00000000\t0101C0G6\t0003\t0\t0\t0\t00000000",
        "0: 0100007F:0016 0971CB0A:C001 0A x x x x x 4242",
        "0: 0100007F:0017 0971CB0A:C001 01 x x x x x 4242",
        "0: 0100007F:0016 0971CB0A 01 x x x x x 4242",
        "0: 0100007F:0016 0971CB0A:C001 01 x x x x x -1",
        "0: :0016 :0016 01 x x x x x 1",
        "nameserver",
        "nameserver x",
        "nameservers 1.2.3.4",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
        struct slice s = slice_str(lines[i]);
        struct never_route r;
        struct never_peer p;
        struct ip ip;

        assert_false(never_read_route4(s, &r));
        assert_false(never_read_route6(s, &r));
        assert_false(never_read_tcp(s, &p));
        assert_false(never_read_nameserver(s, &ip));
        assert_false(never_read_session(s, &ip));
    }
}

static void the_kernels_lines_are_read(void **state)
{
    struct never_route r;
    struct never_peer p;
    struct ip ip;
    char text[IP_TEXT_SIZE];

    (void)state;
    assert_true(never_read_route6(
        SLICE("00000000000000000000000000000000 00 00000000000000000000000000000000 00 "
              "20010db8000000000000000000000001 00000400 00000001 00000000 00000003     eth0"),
        &r));
    assert_true(r.is_default);
    ip_text(&r.gateway, text);
    assert_string_equal(text, "2001:db8::1");
    assert_true(never_read_tcp(
        SLICE("1: 0000000000000000FFFF00000100007F:0016 0000000000000000FFFF00000971CB0A:D431 01 "
              "00000000:00000000 02:000A0000 00000000 0 0 991 2 0"),
        &p));
    ip_text(&p.ip, text);
    assert_string_equal(text, "10.203.113.9");
    assert_int_equal(p.inode, 991);
    assert_true(never_read_nameserver(SLICE("nameserver  fe80::1%eth0\r"), &ip));
}

static int remove_root(void **state)
{
    static const char *const paths[] = {
        "/proc/net/tcp", "/proc/net/route",       "/proc/net",    "/proc", "/etc/resolv.conf",
        "/etc",          "/run/systemd/sessions", "/run/systemd", "/run",  ""
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
        char whole[512];

        snprintf(whole, sizeof whole, "%s%s", root, paths[i]);
        remove(whole);
    }
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_no_ban_may_touch_is_refused_with_its_reason),
        cmocka_unit_test(a_network_around_a_special_one_is_refused_at_any_length),
        cmocka_unit_test(what_is_special_elsewhere_is_special_here),
        cmocka_unit_test(our_own_addresses_are_never_banned),
        cmocka_unit_test(a_request_of_a_wrong_form_is_no),
        cmocka_unit_test(new_bans_have_a_pace_and_a_number),
        cmocka_unit_test(what_is_told_to_be_allowed_is_not_banned_for_its_time),
        cmocka_unit_test(a_backend_gets_only_what_it_can_do),
        cmocka_unit_test(who_only_knocks_at_ssh_can_be_banned),
        cmocka_unit_test(a_new_connection_from_the_same_place_is_not_an_old_one),
        cmocka_unit_test(who_is_logged_in_by_ssh_is_never_banned),
        cmocka_unit_test(what_cannot_be_read_bans_nobody_meanwhile),
        cmocka_unit_test(hostile_lines_of_proc_are_no_addresses),
        cmocka_unit_test(the_kernels_lines_are_read),
    };

    return cmocka_run_group_tests(tests, make_root, remove_root);
}
