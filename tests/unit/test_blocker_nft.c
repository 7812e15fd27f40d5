/* What nftables is told, and what the kernel says about it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <endian.h>
#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netlink.h>
#include <stdio.h>

#include "notifiers/blockers/nft-link.h"
#include "notifiers/blockers/nft-text.h"

static struct ban_request request(const char *target, uint32_t seconds)
{
    struct ban_request q = { .verb = BAN_ADD, .seconds = seconds };
    struct ban_target t;

    assert_int_equal(ban_target_parse(slice_str(target), &t), 0);
    q.family = t.net.net.family;
    q.bits = t.net.bits;
    q.protocol = t.protocol;
    memcpy(q.bytes, t.net.net.bytes, 16);
    memcpy(q.ports, t.ports, sizeof q.ports);
    return q;
}

static void the_name_of_a_set_says_what_is_in_it(void **state)
{
    static const struct {
        const char *target, *name;
    } cases[] = {
        { "192.0.2.1", "b4_32" },
        { "192.0.2.0/24", "b4_24" },
        { "2001:db8::/64", "b6_64" },
        { "192.0.2.1 udp", "b4_32_17" },
        { "2001:db8::/64 tcp 22,80,65535", "b6_64_6_22_80_65535" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct ban_target t, back;
        char name[NFT_NAME_SIZE];

        assert_int_equal(ban_target_parse(slice_str(cases[i].target), &t), 0);
        nft_set_name(&t, name);
        assert_string_equal(name, cases[i].name);
        assert_int_equal(nft_set_parse(slice_str(name), &back), 0);
        assert_true(nft_scope_eq(&t, &back));
    }
}

static void names_that_we_would_not_give_are_not_ours(void **state)
{
    static const char *const wrong[] = {
        "",
        "b",
        "b4",
        "b5_32",
        "b4_33",
        "b6_129",
        "b4_032",
        "b4_32_",
        "b4_32_0",
        "b4_32_256",
        "b4_32_6_0",
        "b4_32_6_65536",
        "__set0",
        "b4_32_6_22x",
        "B4_32",
        "b4 32",
        "b4_-1",
        "b4_32_6_022",
        "b4_32_6_1_2_3_4_5_6_7_8_9",
    };
    struct ban_target t;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        assert_int_equal(nft_set_parse(slice_str(wrong[i]), &t), -EINVAL);
}

static void elements_are_addresses_and_times_only(void **state)
{
    const struct nft_look look = { .table = "trailwarden" };
    struct ban_request q[3] = { request("192.0.2.1", 60), request("192.0.2.2", 0),
                                request("192.0.2.3", 3650 * 86400u) };
    const uint32_t which[3] = { 0, 1, 2 };
    AUTO_BUF out = BUF_INIT;

    (void)state;
    memcpy(q[0].rule, "}; flush ruleset", 16);
    nft_put_elements(&out, &look, q, which, 3, NFT_RENEW);
    assert_string_equal(out.p,
                        "add element inet trailwarden b4_32 { 192.0.2.1,192.0.2.2,192.0.2.3 }\n"
                        "delete element inet trailwarden b4_32 { "
                        "192.0.2.1,192.0.2.2,192.0.2.3 }\n"
                        "add element inet trailwarden b4_32 { 192.0.2.1 timeout "
                        "60s,192.0.2.2,192.0.2.3 timeout 3650d }\n");
}

static void the_table_is_one_transaction_around_its_sets(void **state)
{
    const struct nft_look look = { .table = "t", .priority = -10, .chains = { true }, .log = true };
    struct ban_target scopes[2] = { 0 };
    AUTO_BUF out = BUF_INIT;

    (void)state;
    assert_int_equal(nft_set_parse(SLICE("b6_64"), &scopes[0]), 0);
    assert_int_equal(nft_set_parse(SLICE("b4_24_6_22"), &scopes[1]), 0);
    nft_put_table(&out, &look, scopes, 2);
    assert_non_null(strstr(out.p, "add rule inet t bans ip6 saddr & ffff:ffff:ffff:ffff:: @b6_64 "
                                  "goto sentence\n"));
    assert_non_null(strstr(out.p, "add rule inet t bans meta l4proto 6 th dport { 22 } ip saddr & "
                                  "255.255.255.0 @b4_24_6_22 goto sentence\n"));
    assert_non_null(strstr(out.p, "hook input priority -10; policy accept; }\n"));
    assert_null(strstr(out.p, "hook forward"));
    assert_null(strstr(out.p, "flush set"));
    assert_null(strstr(out.p, "delete set"));
    assert_null(strstr(out.p, "ruleset"));
}

/* ---- the kernel's messages ---- */

struct message {
    uint8_t bytes[512];
    size_t n;
};

static size_t open_attribute(struct message *m, uint16_t type)
{
    const struct nlattr a = { .nla_len = NLA_HDRLEN, .nla_type = type };

    memcpy(m->bytes + m->n, &a, sizeof a);
    m->n += NLA_HDRLEN;
    return m->n - NLA_HDRLEN;
}

static void close_attribute(struct message *m, size_t at)
{
    const uint16_t n = (uint16_t)(m->n - at);

    memcpy(m->bytes + at, &n, sizeof n);
    m->n = at + NLA_ALIGN(n);
}

static void put_attribute(struct message *m, uint16_t type, const void *p, size_t n)
{
    size_t at = open_attribute(m, type);

    memcpy(m->bytes + m->n, p, n);
    m->n += n;
    close_attribute(m, at);
}

static struct message one_element(void)
{
    struct message m = { .n = 0 };
    size_t list = open_attribute(&m, NFTA_SET_ELEM_LIST_ELEMENTS | NLA_F_NESTED), element, key,
           expression, data;
    const uint64_t left = htobe64(59001), packets = htobe64(7);

    element = open_attribute(&m, NFTA_LIST_ELEM | NLA_F_NESTED);
    key = open_attribute(&m, NFTA_SET_ELEM_KEY | NLA_F_NESTED);
    put_attribute(&m, NFTA_DATA_VALUE, "\xc0\x00\x02\x01", 4);
    close_attribute(&m, key);
    put_attribute(&m, NFTA_SET_ELEM_EXPIRATION, &left, 8);
    expression = open_attribute(&m, NFTA_SET_ELEM_EXPR | NLA_F_NESTED);
    put_attribute(&m, NFTA_EXPR_NAME, "counter", 8);
    data = open_attribute(&m, NFTA_EXPR_DATA | NLA_F_NESTED);
    put_attribute(&m, NFTA_COUNTER_PACKETS, &packets, 8);
    close_attribute(&m, data);
    close_attribute(&m, expression);
    close_attribute(&m, element);
    close_attribute(&m, list);
    return m;
}

static int keep(void *ctx, const struct nft_element *e)
{
    *(struct nft_element *)ctx = *e;
    return 0;
}

static void an_element_is_read_with_its_time_and_count(void **state)
{
    struct message m = one_element();
    struct nft_element e = { 0 };

    (void)state;
    assert_int_equal(nft_link_read_elements(slice_of((char *)m.bytes, m.n), keep, &e), 0);
    assert_int_equal(e.left_ms, 59001);
    assert_int_equal(e.packets, 7);
    assert_memory_equal(e.key.p, "\xc0\x00\x02\x01", 4);
}

/* A heap copy of exactly the length: a sanitizer sees the first byte too far. */
static void cut_and_damaged_messages_are_read_within_their_bounds(void **state)
{
    struct message m = one_element();

    (void)state;
    for (size_t n = 0; n <= m.n; n++)
        for (size_t flip = 0; flip <= m.n * 8; flip++) {
            char *copy = malloc(n + 1);
            struct nft_element e;

            assert_non_null(copy);
            memcpy(copy, m.bytes, n);
            copy = realloc(copy, n ? n : 1);
            if (flip / 8 < n)
                copy[flip / 8] ^= (char)(1 << flip % 8);
            nft_link_read_elements(slice_of(copy, n), keep, &e);
            free(copy);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_name_of_a_set_says_what_is_in_it),
        cmocka_unit_test(names_that_we_would_not_give_are_not_ours),
        cmocka_unit_test(elements_are_addresses_and_times_only),
        cmocka_unit_test(the_table_is_one_transaction_around_its_sets),
        cmocka_unit_test(an_element_is_read_with_its_time_and_count),
        cmocka_unit_test(cut_and_damaged_messages_are_read_within_their_bounds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
