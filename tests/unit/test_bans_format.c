/* Lists of networks as files: read, written, and read again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* The commands are in no library. */
#include "logwatch/commands/bans-read.c"
#include "logwatch/commands/bans-write.c"

struct seen {
    struct buf networks, faults;
    size_t n, stop_at;
};

static int on_network(void *ctx, const struct ban_target *t)
{
    struct seen *s = ctx;
    char text[BAN_TEXT_SIZE];

    ban_target_text(t, text);
    buf_printf(&s->networks, "%s|", text);
    return ++s->n == s->stop_at ? -E2BIG : 0;
}

static void on_fault(void *ctx, unsigned line, unsigned column, const char *text)
{
    struct seen *s = ctx;

    buf_printf(&s->faults, "%u:%u: %s|", line, column, text);
}

static int read_slice(enum ban_form form, struct slice text, struct seen *s)
{
    const struct ban_list_reader r = { on_network, on_fault, s };

    s->stop_at = SIZE_MAX;
    return ban_list_read(form, text, &r);
}

static void seen_fini(struct seen *s)
{
    buf_fini(&s->networks);
    buf_fini(&s->faults);
}

#define READS(form, text, networks_, faults_)                                                      \
    do {                                                                                           \
        struct seen seen_ = { .networks = BUF_INIT };                                              \
        buf_str(&seen_.networks, "");                                                              \
        buf_str(&seen_.faults, "");                                                                \
        assert_int_equal(read_slice(form, slice_of(text, sizeof(text) - 1), &seen_), 0);           \
        assert_string_equal(buf_view(&seen_.networks).p, networks_);                               \
        assert_string_equal(buf_view(&seen_.faults).p, faults_);                                   \
        seen_fini(&seen_);                                                                         \
    } while (0)

/* ---- reading ---- */

static void a_plain_list_has_comments_blanks_and_ends_of_any_kind(void **state)
{
    (void)state;
    READS(
        BAN_PLAIN,
        "\xef\xbb\xbf# a list\r\n192.0.2.1\r\n  198.51.100.0/24 ; SBL1\n\n;x\n2001:db8::/32\t# y\n"
        "203.0.113.9 tcp 443,22\n203.0.113.10 udp",
        "192.0.2.1|198.51.100.0/24|2001:db8::/32|203.0.113.9 tcp 22,443|203.0.113.10 udp|", "");
}

static void a_bad_line_is_told_with_its_place_and_stops_nobody(void **state)
{
    (void)state;
    READS(BAN_PLAIN, "192.0.2.1\n  192.0.2.1/24\nexample.com\n<html>\n192.0.2.7 x\n192.0.2.2\n",
          "192.0.2.1|192.0.2.2|",
          "2:3: '192.0.2.1/24' has host bits set: did you mean 192.0.2.0/24?|"
          "3:1: 'example.com' is no address or network|4:1: '<html>' is no address or network|"
          "5:10: something follows the network that is no protocol with ports|");
}

static void what_is_never_banned_is_left_out_of_a_list(void **state)
{
    (void)state;
    READS(BAN_PLAIN, "127.0.0.0/8\n0.0.0.0/0\n192.0.2.1\n::/0\nfe80::1\n128.0.0.0/1\n224.0.0.0/3\n",
          "192.0.2.1|",
          "1:1: it holds addresses that are never banned|2:1: it holds addresses that are never "
          "banned|4:1: it holds addresses that are never banned|5:1: it holds addresses that are "
          "never banned|6:1: it holds addresses that are never banned|7:1: it holds addresses that "
          "are never banned|");
}

static void a_hostile_plain_list_is_only_bad_lines(void **state)
{
    struct seen s = { .stop_at = SIZE_MAX };
    AUTO_BUF text = BUF_INIT;

    (void)state;
    for (int i = 0; i < BAN_LINE_MAX + 5; i++)
        buf_char(&text, '1');
    buf_add(&text, "\n192.0.2.1\0x\n\033[2J\n192.0.2.3\n", 29);
    assert_int_equal(read_slice(BAN_PLAIN, buf_view(&text), &s), 0);
    assert_string_equal(s.networks.p, "192.0.2.3|");
    assert_non_null(strstr(s.faults.p, "1:4097: the line is too long|"));
    assert_non_null(strstr(s.faults.p, "2:1: "));
    assert_non_null(strstr(s.faults.p, "3:1: "));
    assert_null(strchr(s.faults.p, '\033'));
    seen_fini(&s);
}

static void the_reader_of_a_list_can_end_it(void **state)
{
    struct seen s = { 0 };
    const struct ban_list_reader r = { on_network, on_fault, &s };

    (void)state;
    s.stop_at = 2;
    assert_int_equal(ban_list_read(BAN_PLAIN, SLICE("192.0.2.1\n192.0.2.2\n192.0.2.3\n"), &r),
                     -E2BIG);
    assert_int_equal(s.n, 2);
    seen_fini(&s);
}

static void a_csv_list_is_read_by_its_heading(void **state)
{
    (void)state;
    READS(BAN_CSV,
          "when,\"IP\",note,protocol,ports\r\n"
          "1,192.0.2.1,\"a, \"\"b\"\"\nc\",,\r\n2,198.51.100.0/24,,udp,53\r\n3,x,,,\r\n",
          "192.0.2.1|198.51.100.0/24 udp 53|", "5:3: 'x' is no address or network|");
    READS(BAN_CSV, "192.0.2.1,5\n\n# c\n2001:db8::1,9\n", "192.0.2.1|2001:db8::1|", "");
}

static void a_csv_list_without_its_last_quote_says_what_is_lost(void **state)
{
    (void)state;
    READS(BAN_CSV, "ip,note\n192.0.2.1,a\n192.0.2.2,\"b\n192.0.2.3,c\n", "192.0.2.1|192.0.2.2|",
          "5:11: a quote has no end: the lines behind it are lost|");
}

static void a_row_of_many_cells_is_read_to_its_limit(void **state)
{
    struct seen s = { .stop_at = SIZE_MAX };
    AUTO_BUF text = BUF_INIT;

    (void)state;
    buf_str(&text, "192.0.2.1");
    for (int i = 0; i < 10000; i++)
        buf_str(&text, ",\"\"");
    buf_str(&text, "\n192.0.2.2\n");
    assert_int_equal(read_slice(BAN_CSV, buf_view(&text), &s), 0);
    assert_string_equal(s.networks.p, "192.0.2.1|192.0.2.2|");
    seen_fini(&s);
}

static void json_lists_are_lines_or_arrays_or_have_them(void **state)
{
    (void)state;
    READS(BAN_JSON,
          "{\"network\":\"192.0.2.1\",\"protocol\":\"tcp\",\"ports\":[22,80]}\n\n"
          "{\"ip\":\"198.51.100.7\"}\n{\"x\":1}\nnonsense\n\"203.0.113.1\"\n",
          "192.0.2.1 tcp 22,80|198.51.100.7|203.0.113.1|",
          "4:1: no text, and no object with a member 'network', 'ip' or 'address'|"
          "5:1: JSON at byte 1: lexical error: invalid string in json text.|");
    READS(BAN_JSON, " [\"192.0.2.1\",\n{\"address\":\"192.0.2.0/24\"}, 7]",
          "192.0.2.1|192.0.2.0/24|",
          "1:3: no text, and no object with a member 'network', 'ip' or 'address'|");
    READS(BAN_JSON, "{\"bans\":\n[\"192.0.2.1\"]}", "192.0.2.1|", "");
}

/* ---- writing ---- */

static struct ban ban_of(const char *target, uint64_t until_us)
{
    struct ban b = { .id = 7,
                     .origin = SLICE("rule"),
                     .rule = SLICE("xui-logins"),
                     .title = SLICE("logins"),
                     .alert = SLICE("abcd"),
                     .channel = SLICE("xui"),
                     .reason = SLICE("too many"),
                     .start_us = 1,
                     .until_us = until_us,
                     .changed_us = 1,
                     .times = 2 };

    assert_int_equal(ban_target_parse(slice_str(target), &b.target), 0);
    return b;
}

#define NOW (UINT64_C(1000000) * USEC_PER_SEC)

static const struct {
    const char *target;
    uint64_t left_s; /* 0 = for good */
} book[] = {
    { "203.0.113.66", 90 },        { "198.51.100.0/24", 3600 },   { "198.51.100.7", 7200 },
    { "192.0.2.1 tcp 22,80", 60 }, { "2001:db8:1::/64", 0 },      { "203.0.113.66", 100 },
    { "2001:db8:1::5", 5 },        { "198.51.100.0/25", 100000 },
};

static void write_book(enum ban_form form, const char *set, struct buf *out)
{
    AUTO(ban_export) e = NULL;

    assert_int_equal(ban_export_new(form, set, NOW, &e, NULL), 0);
    for (size_t i = 0; i < ARRAY_SIZE(book); i++) {
        struct ban b =
            ban_of(book[i].target, book[i].left_s ? NOW + book[i].left_s * USEC_PER_SEC : 0);

        assert_int_equal(ban_export_add(e, &b), 0);
    }
    assert_int_equal(ban_export_finish(e, out), 0);
}

static void a_plain_file_has_each_address_once(void **state)
{
    AUTO_BUF out = BUF_INIT;

    (void)state;
    write_book(BAN_PLAIN, NULL, &out);
    assert_string_equal(out.p, "# bans of trailwarden, 1970-01-12T13:46:40Z: 3 networks\n"
                               "# left out, because they are for some ports only: 1\n"
                               "198.51.100.0/24\n203.0.113.66\n2001:db8:1::/64\n");
}

static void an_nft_file_replaces_its_sets_in_one_go(void **state)
{
    AUTO_BUF out = BUF_INIT;

    (void)state;
    write_book(BAN_NFT, "inet fw bad", &out);
    assert_non_null(strstr(out.p, "\nflush set inet fw bad4\nflush set inet fw bad6\n"
                                  "add element inet fw bad4 {\n"
                                  "    198.51.100.0/24 timeout 3600s,\n"
                                  "    203.0.113.66 timeout 100s,\n}\n"
                                  "add element inet fw bad6 {\n    2001:db8:1::/64,\n}\n"));
}

static void an_ipset_file_says_how_long(void **state)
{
    AUTO_BUF out = BUF_INIT;

    (void)state;
    write_book(BAN_IPSET, NULL, &out);
    assert_non_null(strstr(out.p, "flush banned4\nadd banned4 198.51.100.0/24 timeout 3600 -exist\n"
                                  "add banned4 203.0.113.66 timeout 100 -exist\n"));
    assert_non_null(strstr(out.p, "add banned6 2001:db8:1::/64 timeout 0 -exist\n"));
}

static void an_empty_book_is_a_whole_file(void **state)
{
    AUTO(ban_export) e = NULL;
    AUTO_BUF out = BUF_INIT;

    (void)state;
    assert_int_equal(ban_export_new(BAN_NFT, NULL, NOW, &e, NULL), 0);
    assert_int_equal(ban_export_finish(e, &out), 0);
    assert_non_null(strstr(out.p, "0 networks\n"));
    assert_non_null(
        strstr(out.p, "flush set inet filter banned4\nflush set inet filter banned6\n"));
    assert_null(strstr(out.p, "add element"));
}

static void the_name_of_a_set_runs_nothing(void **state)
{
    static const char *const bad[] = { "inet filter x; flush ruleset",
                                       "inet filter",
                                       "inet  x y",
                                       "ip filter x",
                                       "inet filter a b",
                                       "inet filter x\nflush",
                                       "inet filter 1",
                                       "",
                                       "inet filter x{" };
    AUTO(ban_export) e = NULL;
    struct err err = ERR_NONE;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(ban_export_new(BAN_NFT, bad[i], NOW, &e, &err), -EINVAL);
    assert_int_equal(ban_export_new(BAN_IPSET, "a b", NOW, &e, &err), -EINVAL);
    assert_int_equal(ban_export_new(BAN_IPSET, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", NOW, &e, &err),
                     -EINVAL);
    assert_int_equal(ban_export_new(BAN_PLAIN, "x", NOW, &e, &err), -EINVAL);
    assert_null(e);
}

static void cells_are_no_formulas_and_no_lines(void **state)
{
    static const struct {
        const char *text, *cell;
    } cases[] = { { "=1+1", "\"'=1+1\"" },
                  { "+4", "\"'+4\"" },
                  { "-4", "\"'-4\"" },
                  { "@SUM(A1)", "\"'@SUM(A1)\"" },
                  { "a,b", "\"a,b\"" },
                  { "say \"x\"", "\"say \"\"x\"\"\"" },
                  { "a\r\nb\tc\033", "a  b c " },
                  { "=cmd|' /C calc'!A0,\"", "\"'=cmd|' /C calc'!A0,\"\"\"" },
                  { "caf\xc3\xa9", "caf\xc3\xa9" },
                  { "", "" } };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        AUTO_BUF b = BUF_INIT;

        buf_csv(&b, slice_str(cases[i].text));
        assert_string_equal(buf_view(&b).p, cases[i].cell);
    }
}

static void a_csv_row_has_as_many_cells_as_its_heading(void **state)
{
    AUTO_BUF out = BUF_INIT;
    struct slice rest, line;
    size_t lines = 0;

    (void)state;
    write_book(BAN_CSV, NULL, &out);
    rest = buf_view(&out);
    while (slice_split(&rest, '\n', &line) && line.n) {
        size_t commas = 0;
        bool quoted = false;

        for (size_t i = 0; i < line.n; i++) {
            quoted ^= line.p[i] == '"';
            commas += line.p[i] == ',' && !quoted;
        }
        assert_int_equal(commas, 18);
        assert_int_equal(line.p[line.n - 1], '\r');
        lines++;
    }
    assert_int_equal(lines, ARRAY_SIZE(book) + 1);
}

static void what_is_exported_can_be_imported(void **state)
{
    static const enum ban_form whole[] = { BAN_CSV, BAN_JSON };
    AUTO_BUF wanted = BUF_INIT;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(book); i++)
        buf_printf(&wanted, "%s|", book[i].target);
    for (size_t i = 0; i < ARRAY_SIZE(whole); i++) {
        struct seen s = { 0 };
        AUTO_BUF out = BUF_INIT;

        write_book(whole[i], NULL, &out);
        assert_int_equal(read_slice(whole[i], buf_view(&out), &s), 0);
        assert_string_equal(s.networks.p, wanted.p);
        assert_int_equal(s.faults.n, 0);
        seen_fini(&s);
    }
}

static void a_plain_file_comes_back_as_it_was_written(void **state)
{
    struct seen s = { 0 };
    AUTO_BUF out = BUF_INIT;

    (void)state;
    write_book(BAN_PLAIN, NULL, &out);
    assert_int_equal(read_slice(BAN_PLAIN, buf_view(&out), &s), 0);
    assert_string_equal(s.networks.p, "198.51.100.0/24|203.0.113.66|2001:db8:1::/64|");
    assert_int_equal(s.faults.n, 0);
    seen_fini(&s);
}

static void repeated_targets_are_dropped_and_ports_tell_them_apart(void **state)
{
    static const char *const texts[] = { "192.0.2.2",        "192.0.2.1 tcp 22", "192.0.2.1",
                                         "192.0.2.1 tcp 22", "192.0.2.1 udp 22", "192.0.2.2" };
    struct ban_target t[ARRAY_SIZE(texts)];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        assert_int_equal(ban_target_parse(slice_str(texts[i]), &t[i]), 0);
    assert_int_equal(ban_targets_unique(t, ARRAY_SIZE(t)), 4);
    assert_int_equal(ban_targets_unique(t, 0), 0);
}

static void the_ending_of_a_file_says_its_form(void **state)
{
    (void)state;
    assert_int_equal(ban_form_of("/tmp/x.csv"), BAN_CSV);
    assert_int_equal(ban_form_of("x.jsonl"), BAN_JSON);
    assert_int_equal(ban_form_of("x.nft"), BAN_NFT);
    assert_int_equal(ban_form_of("x.txt"), BAN_PLAIN);
    assert_int_equal(ban_form_of(NULL), BAN_PLAIN);
}

/* Any bytes end, and nothing but networks comes out. */
static void any_bytes_are_a_list_of_some_kind(void **state)
{
    static const char alphabet[] = "0123456789abf:./,\"'{}[]\n\r #;tcpx";
    uint32_t seed = 12345;

    (void)state;
    for (int round = 0; round < 3000; round++) {
        struct seen s = { 0 };
        char text[200];

        for (size_t i = 0; i < sizeof text; i++) {
            seed = seed * 1664525 + 1013904223;
            text[i] = alphabet[(seed >> 16) % (sizeof alphabet - 1)];
        }
        assert_int_equal(read_slice((enum ban_form)(round % 3), slice_of(text, sizeof text), &s),
                         0);
        seen_fini(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plain_list_has_comments_blanks_and_ends_of_any_kind),
        cmocka_unit_test(a_bad_line_is_told_with_its_place_and_stops_nobody),
        cmocka_unit_test(what_is_never_banned_is_left_out_of_a_list),
        cmocka_unit_test(a_hostile_plain_list_is_only_bad_lines),
        cmocka_unit_test(the_reader_of_a_list_can_end_it),
        cmocka_unit_test(a_csv_list_is_read_by_its_heading),
        cmocka_unit_test(a_csv_list_without_its_last_quote_says_what_is_lost),
        cmocka_unit_test(a_row_of_many_cells_is_read_to_its_limit),
        cmocka_unit_test(json_lists_are_lines_or_arrays_or_have_them),
        cmocka_unit_test(a_plain_file_has_each_address_once),
        cmocka_unit_test(an_nft_file_replaces_its_sets_in_one_go),
        cmocka_unit_test(an_ipset_file_says_how_long),
        cmocka_unit_test(an_empty_book_is_a_whole_file),
        cmocka_unit_test(the_name_of_a_set_runs_nothing),
        cmocka_unit_test(cells_are_no_formulas_and_no_lines),
        cmocka_unit_test(a_csv_row_has_as_many_cells_as_its_heading),
        cmocka_unit_test(what_is_exported_can_be_imported),
        cmocka_unit_test(a_plain_file_comes_back_as_it_was_written),
        cmocka_unit_test(repeated_targets_are_dropped_and_ports_tell_them_apart),
        cmocka_unit_test(the_ending_of_a_file_says_its_form),
        cmocka_unit_test(any_bytes_are_a_list_of_some_kind),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
