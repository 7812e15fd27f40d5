/* Addresses, endpoints and networks as the logs and people write them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>

#include "base/ip.h"

static void addresses_are_read_and_written_shortest(void **state)
{
    static const struct {
        const char *in, *out;
        unsigned family;
    } cases[] = {
        { "203.0.113.5", "203.0.113.5", 4 },        { "0.0.0.0", "0.0.0.0", 4 },
        { "2001:DB8:0:0::5", "2001:db8::5", 6 },    { "::", "::", 6 },
        { "::ffff:203.0.113.5", "203.0.113.5", 4 }, { "::FFFF:cb00:7105", "203.0.113.5", 4 },
        { "::203.0.113.5", "::cb00:7105", 6 },      { "64:ff9b::1.2.3.4", "64:ff9b::102:304", 6 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char text[IP_TEXT_SIZE];
        struct ip ip, again;

        assert_int_equal(ip_parse(slice_str(cases[i].in), &ip), 0);
        assert_int_equal(ip.family, cases[i].family);
        ip_text(&ip, text);
        assert_string_equal(text, cases[i].out);
        assert_int_equal(ip_parse(slice_str(text), &again), 0);
        assert_true(ip_eq(&ip, &again));
    }
}

static void what_is_not_wholly_an_address_is_refused(void **state)
{
    static const char *const wrong[] = {
        "",           " 1.2.3.4",  "1.2.3.4 ",
        "1.2.3",      "1.2.3.4.5", "256.1.1.1",
        "010.0.0.1",  "1.2.3.x",   "0x7f.0.0.1",
        "2130706433", "localhost", "fe80::1%eth0",
        "1::2::3",    ":1",        "1:2:3:4:5:6:7",
        "12345::",    "[::1]",     "1.2.3.4/32",
        "1.2.x.x",    "1.2.*.*",   "aaaa:aaaa:aaaa:aaaa:aaaa:aaaa:aaaa:aaaa:aaaa:aaaa",
    };
    struct ip ip = { .family = 9 };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        assert_int_equal(ip_parse(slice_str(wrong[i]), &ip), -EINVAL);
    assert_int_equal(ip_parse(SLICE("1.2.3.4\0"), &ip), -EINVAL);
    assert_int_equal(ip_parse(SLICE_NONE, &ip), -EINVAL);
    assert_int_equal(ip.family, 9);
}

static bool assert_as_written(const struct endpoint *e)
{
    char ip[IP_TEXT_SIZE], port[8];

    ip_text(&e->ip, ip);
    snprintf(port, sizeof port, "%u", e->port);
    assert_true(!e->ip_as_written.p || slice_is(e->ip_as_written, ip));
    assert_true(!e->port_as_written.p || slice_is(e->port_as_written, port));
    return e->ip_as_written.p != NULL;
}

/* Four numbers, perhaps a port, and what is nearly so: as inet_pton(3) takes it. */
static void short_ways_say_what_long_ones_do(void **state)
{
    static const char *const parts[] = { "1",  "25", "255", "10",  "0", "99",
                                         "00", "01", "256", "999", "",  "x" };
    uint32_t dice = 1, taken = 0, written = 0;

    (void)state;
    for (unsigned i = 0; i < 200000; i++) {
        unsigned numbers[5], most = i % 3 ? 6 : ARRAY_SIZE(parts);
        char text[64], *colon;
        struct endpoint e;
        uint8_t bytes[4];

        for (unsigned j = 0; j < 5; j++) {
            dice = dice * 1664525 + 1013904223;
            numbers[j] = (dice >> 16) % most;
        }
        snprintf(text, sizeof text, "%s.%s.%s.%s%s%s", parts[numbers[0]], parts[numbers[1]],
                 parts[numbers[2]], parts[numbers[3]], i % 2 ? ":" : "",
                 i % 2 ? parts[numbers[4]] : "");
        if (endpoint_parse(slice_str(text), 0, &e) == 0) {
            taken++;
            written += assert_as_written(&e);
        } else {
            e = (struct endpoint){ 0 };
        }
        colon = strchr(text, ':');
        if (colon)
            *colon++ = '\0';
        if (e.ip.family) {
            assert_int_equal(inet_pton(AF_INET, text, bytes), 1);
            assert_memory_equal(bytes, e.ip.bytes, 4);
            assert_int_equal(e.port, colon ? strtoul(colon, NULL, 10) : 0);
        } else if (inet_pton(AF_INET, text, bytes) == 1) {
            assert_true(colon && (!*colon || *colon == 'x'));
        }
    }
    assert_true(taken > 100000 && taken < 180000 && written < taken && written > 100000);
}

static void endpoints_are_read_as_the_programs_write_them(void **state)
{
    static const struct {
        const char *in;
        unsigned flags;
        const char *ip;
        unsigned port;
    } cases[] = {
        { "203.0.113.5:40001", 0, "203.0.113.5", 40001 },
        { "203.0.113.5", 0, "203.0.113.5", 0 },
        { "tcp:203.0.113.5:40001", 0, "203.0.113.5", 40001 },
        { "udp:[2001:db8::5]:53", 0, "2001:db8::5", 53 },
        { "tcp4-server:203.0.113.5:40001", 0, "203.0.113.5", 40001 },
        { "tcp6-client:[2001:db8::5]:1", 0, "2001:db8::5", 1 },
        { "udp4:203.0.113.5:65535", 0, "203.0.113.5", 65535 },
        { "udp6:2001:db8::5", 0, "2001:db8::5", 0 },
        { "[2001:db8::5]:443", 0, "2001:db8::5", 443 },
        { "[2001:db8::5]", 0, "2001:db8::5", 0 },
        { "[::ffff:203.0.113.5]:443", 0, "203.0.113.5", 443 },
        { "2001:db8::5", 0, "2001:db8::5", 0 },
        { "[AF_INET]203.0.113.5:40002", 0, "203.0.113.5", 40002 },
        { "[AF_INET6]2001:db8:66::6:44002", 0, "2001:db8:66::6", 44002 },
        { "[AF_INET6]::ffff:203.0.113.5:44002", 0, "203.0.113.5", 44002 },
        { "2001:db8::5:50978", ENDPOINT_V6_LAST_COLON_PORT, "2001:db8::5", 50978 },
        { "203.0.113.5:50978", ENDPOINT_V6_LAST_COLON_PORT, "203.0.113.5", 50978 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char text[IP_TEXT_SIZE];
        struct endpoint e;

        if (endpoint_parse(slice_str(cases[i].in), cases[i].flags, &e) < 0)
            fail_msg("'%s' was refused", cases[i].in);
        ip_text(&e.ip, text);
        assert_string_equal(text, cases[i].ip);
        assert_int_equal(e.port, cases[i].port);
        assert_as_written(&e);
    }
}

static void half_and_masked_endpoints_are_refused(void **state)
{
    static const char *const wrong[] = {
        "",
        ":",
        ":80",
        "203.0.113.5:",
        "203.0.113.5:65536",
        "203.0.113.5:-1",
        "203.0.113.5:80x",
        "203.0.113.5: 80",
        "[2001:db8::5",
        "[2001:db8::5]443",
        "[2001:db8::5]:",
        "[]:80",
        "[203.0.113.5]x",
        "tcp:",
        "TCP:203.0.113.5:1",
        "tcp:tcp:203.0.113.5:1",
        "http:203.0.113.5:1",
        "203.0.*.*:80",
        "example.org:80",
        "[AF_INET]",
        "[AF_UNIX]/x",
        "203.0.113.5:1:2",
    };
    struct endpoint e = { .port = 7 };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        if (endpoint_parse(slice_str(wrong[i]), 0, &e) != -EINVAL)
            fail_msg("'%s' was taken", wrong[i]);
    assert_int_equal(e.port, 7);
}

static bool inside(const char *net, const char *address)
{
    struct cidr c;
    struct ip ip;

    assert_int_equal(cidr_parse(slice_str(net), &c, NULL), 0);
    assert_int_equal(ip_parse(slice_str(address), &ip), 0);
    return cidr_has(&c, &ip);
}

static void a_network_has_its_addresses_and_no_others(void **state)
{
    (void)state;
    assert_true(inside("10.0.0.0/8", "10.255.255.255"));
    assert_false(inside("10.0.0.0/8", "11.0.0.0"));
    assert_true(inside("203.0.113.64/27", "203.0.113.95"));
    assert_false(inside("203.0.113.64/27", "203.0.113.96"));
    assert_false(inside("203.0.113.64/27", "203.0.113.63"));
    assert_true(inside("0.0.0.0/0", "8.8.8.8"));
    assert_false(inside("0.0.0.0/0", "::1"));
    assert_true(inside("::/0", "::1"));
    assert_true(inside("2001:db8::/33", "2001:db8:7fff::1"));
    assert_false(inside("2001:db8::/33", "2001:db8:8000::1"));
    assert_true(inside("203.0.113.5", "203.0.113.5"));
    assert_false(inside("203.0.113.5/32", "203.0.113.4"));
    assert_true(inside("203.0.113.0/24", "::ffff:203.0.113.9"));
}

static void a_network_with_host_bits_is_refused_with_the_right_one(void **state)
{
    struct err err = ERR_NONE;
    struct cidr c;

    (void)state;
    assert_int_equal(cidr_parse(SLICE("10.1.2.3/8"), &c, &err), -EINVAL);
    assert_string_equal(err.text, "'10.1.2.3/8' has host bits set: did you mean 10.0.0.0/8?");
    assert_int_equal(cidr_parse(SLICE("2001:db8::1/64"), &c, &err), -EINVAL);
    assert_string_equal(err.text,
                        "'2001:db8::1/64' has host bits set: did you mean 2001:db8::/64?");
    assert_int_equal(cidr_parse(SLICE("10.0.0.0/33"), &c, &err), -EINVAL);
    assert_string_equal(err.text, "'10.0.0.0/33': the prefix length must be 0 to 32");
    assert_int_equal(cidr_parse(SLICE("10.0.0.0/"), &c, &err), -EINVAL);
    assert_int_equal(cidr_parse(SLICE("/8"), &c, &err), -EINVAL);
    assert_string_equal(err.text, "'/8' is no address or network");
}

static void special_addresses_are_known(void **state)
{
    static const char *const special[] = { "127.0.0.1",       "127.255.0.9", "0.0.0.0",
                                           "169.254.1.1",     "224.0.0.251", "239.1.1.1",
                                           "255.255.255.255", "::1",         "::",
                                           "fe80::1",         "ff02::1",     "::ffff:127.0.0.1" };
    static const char *const usual[] = { "203.0.113.5",    "10.0.0.1", "192.168.1.1",
                                         "2001:db8::5",    "fd00::1",  "128.0.0.1",
                                         "223.255.255.255" };
    struct ip ip;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(special); i++) {
        assert_int_equal(ip_parse(slice_str(special[i]), &ip), 0);
        if (!ip_is_special(&ip))
            fail_msg("%s", special[i]);
    }
    for (size_t i = 0; i < ARRAY_SIZE(usual); i++) {
        assert_int_equal(ip_parse(slice_str(usual[i]), &ip), 0);
        if (ip_is_special(&ip))
            fail_msg("%s", usual[i]);
    }
}

static unsigned roll(uint64_t *x, unsigned n)
{
    *x = *x * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)((*x >> 33) % n);
}

/* Nearly addresses: numbers too large, zeros in front, dots and digits too many or too few. */
static void make_ipv4(uint64_t *x, char text[64])
{
    size_t n = 0, parts = roll(x, 20) ? 4 : roll(x, 6);

    for (size_t i = 0; i < parts; i++)
        n += (size_t)snprintf(text + n, 64 - n, roll(x, 30) ? "%s%u" : "%s0%u",
                              i && roll(x, 60) ? "." : "", roll(x, roll(x, 8) ? 256 : 1100));
    if (n && roll(x, 12) == 0)
        text[roll(x, (unsigned)n)] = "0123456789.a -x:"[roll(x, 16)];
    text[n] = '\0';
}

static void ipv4_is_what_inet_pton_takes(void **state)
{
    uint64_t x = 1;
    size_t good = 0;

    (void)state;
    for (size_t i = 0; i < 200000; i++) {
        char text[64];
        uint8_t want[4];
        struct ip ip;
        bool is;

        make_ipv4(&x, text);
        is = inet_pton(AF_INET, text, want) == 1;
        good += is;
        if ((ip_parse(slice_str(text), &ip) == 0 && ip.family == 4 && !strchr(text, ':')) != is)
            fail_msg("'%s'", text);
        if (is)
            assert_memory_equal(ip.bytes, want, 4);
    }
    assert_in_range(good, 50000, 190000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_read_and_written_shortest),
        cmocka_unit_test(what_is_not_wholly_an_address_is_refused),
        cmocka_unit_test(endpoints_are_read_as_the_programs_write_them),
        cmocka_unit_test(half_and_masked_endpoints_are_refused),
        cmocka_unit_test(a_network_has_its_addresses_and_no_others),
        cmocka_unit_test(a_network_with_host_bits_is_refused_with_the_right_one),
        cmocka_unit_test(special_addresses_are_known),
        cmocka_unit_test(short_ways_say_what_long_ones_do),
        cmocka_unit_test(ipv4_is_what_inet_pton_takes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
