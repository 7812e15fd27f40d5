/* How far a record can be believed: what a stranger could have written, by transport, file and
 * text. */
#include "parsers/format.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

struct world {
    struct field_names *names;
    struct formats *formats;
    struct parser_scratch *scratch;
    struct arena *a;
};

static int setup(void **state)
{
    static struct world w;
    const char *source = getenv("TW_SOURCE");
    struct diag *d = diag_new();
    char folder[4096];

    w.names = field_names_new();
    w.formats = formats_new(w.names);
    snprintf(folder, sizeof folder, "%s/parsers/formats", source ? source : ".");
    assert_int_equal(formats_add_folder(w.formats, folder, d), 0);
    diag_free(d);
    w.scratch = parser_scratch_new(w.formats);
    w.a = arena_new(1 << 16, 0);
    *state = &w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;

    parser_scratch_free(w->scratch);
    formats_free(w->formats);
    field_names_free(w->names);
    arena_free(w->a);
    return 0;
}

struct origin {
    const char *input;
    bool journal;
    unsigned flags;
};

static const struct origin file = { "/var/log/x.log", false, 0 };
static const struct origin journal = { "x.service", true, 0 };
static const struct origin output = { "x.service", true, RECORD_LINE };

static struct event parse(struct world *w, const char *format, const struct origin *from,
                          const char *line)
{
    const struct format *f = format_find(w->formats, slice_str(format));
    struct parser_source source = { .format = f,
                                    .channel = slice_str(format),
                                    .input = slice_str(from->input),
                                    .from_journal = from->journal };
    struct record r = { .text = slice_str(line), .priority = -1, .flags = from->flags };
    struct event ev;

    assert_non_null(f);
    assert_int_equal(parser_run(&source, w->scratch, &r, 1, w->a, &ev, NULL), 0);
    return ev;
}

static void assert_trust(struct world *w, const char *format, const struct origin *from,
                         const char *line, enum trust trust)
{
    struct event ev = parse(w, format, from, line);
    const struct field *told = event_get(&ev, FIELD_TRAILWARDEN_TRUST);

    if (ev.trust != trust)
        print_error("%s\n", line);
    assert_int_equal(ev.trust, trust);
    assert_true(told && slice_is(told->value, trust_name(trust)));
}

#define MONOLOG                                                                                    \
    "[2026-11-21 01:41:39] production.WARNING: Failed login attempt {\"ip\":\"203.0.113.66\"} "

static void a_journal_keeps_the_boundary_of_a_text_but_not_of_an_output(void **state)
{
    assert_trust(*state, "laravel", &file, MONOLOG, TRUST_FORGEABLE);
    assert_trust(*state, "laravel", &journal, MONOLOG, TRUST_RECORD);
    assert_trust(*state, "laravel", &output, MONOLOG, TRUST_FORGEABLE);
}

static void a_datagram_proves_nothing(void **state)
{
    static const struct origin datagram = { "udp:514", false, RECORD_FORGEABLE };

    assert_trust(*state, "sshd", &datagram,
                 "Failed password for root from 198.51.100.1 port 22 ssh2", TRUST_FORGEABLE);
}

static void no_transport_proves_an_address_that_is_a_claim(void **state)
{
    static const char claim[] =
        "WARNING - wrong username: \"admin\", password: \"x\", IP: \"198.51.100.1\"";

    assert_trust(*state, "xui", &file, claim, TRUST_FORGEABLE);
    assert_trust(*state, "xui", &journal, claim, TRUST_FORGEABLE);
    assert_trust(*state, "xui", &output, claim, TRUST_FORGEABLE);
}

static void no_transport_proves_a_line_that_can_be_read_in_two_ways(void **state)
{
    assert_trust(*state, "sshd", &journal,
                 "Failed publickey for invalid user x from 198.51.100.1 port 22 ssh2: RSA-CERT "
                 "SHA256:abc ID y from 203.0.113.66 port 40 ssh2: RSA-CERT SHA256:abc ID z "
                 "(serial 0) CA RSA SHA256:def",
                 TRUST_FORGEABLE);
    assert_trust(*state, "openvpn", &journal,
                 "PLUGIN AUTH-PAM: BACKGROUND: user 'x/198.51.100.1:4 TLS Auth Error: Auth "
                 "Username/Password verification failed for peer' failed to authenticate: no",
                 TRUST_FORGEABLE);
    assert_trust(*state, "openvpn", &journal,
                 "198.51.100.1:4 TLS Auth Error: Auth Username/Password verification failed for "
                 "peer/203.0.113.66:40002 AEAD Decrypt error: bad packet ID (may be a replay)",
                 TRUST_FORGEABLE);
}

static void an_address_with_port_0_is_from_a_header(void **state)
{
    assert_trust(*state, "xray", &file,
                 "2026/11/21 01:50:02 from 198.51.100.1:0 rejected  proxy/trojan: not a valid user",
                 TRUST_FORGEABLE);
    assert_trust(*state, "xray", &file,
                 "2026/11/21 01:50:02 from [2001:db8::]:0 rejected  proxy/trojan: not a valid user",
                 TRUST_FORGEABLE);
    assert_trust(*state, "api", &file,
                 "INFO:     2001:db8::5:0 - \"POST /login HTTP/1.1\" 401 Unauthorized",
                 TRUST_FORGEABLE);
    assert_trust(*state, "api", &file, "{\"event\":\"login_failed\",\"ip\":\"2001:db8::0\"}",
                 TRUST_LINE);
}

static void addresses_that_disagree_and_names_that_repeat_prove_nothing(void **state)
{
    assert_trust(
        *state, "api", &file,
        "{\"event\":\"login_failed\",\"client_ip\":\"198.51.100.1\",\"addr\":\"203.0.113.66\"}",
        TRUST_FORGEABLE);
    assert_trust(
        *state, "api", &file,
        "{\"event\":\"login_failed\",\"client_ip\":\"203.0.113.66\",\"addr\":\"203.0.113.66:7\"}",
        TRUST_LINE);
    assert_trust(
        *state, "api", &file,
        "{\"event\":\"login_failed\",\"ip\":\"198.51.100.1\",\"x\":1,\"ip\":\"203.0.113.66\"}",
        TRUST_FORGEABLE);
    assert_trust(*state, "api", &file,
                 "{\"event\":\"login_failed\",\"ip\":\"unknown\",\"x\":1,\"ip\":\"198.51.100.1\"}",
                 TRUST_FORGEABLE);
    assert_trust(*state, "api", &file,
                 "{\"event\":\"login_failed\",\"ip\":\"203.0.113.66\",\"h\":{\"x\":1,\"x\":2}}",
                 TRUST_LINE);
}

static void a_line_of_the_access_log_is_none_in_an_error_log(void **state)
{
    static const struct origin errors = { "/var/log/nginx/error.log", false, 0 };
    static const char line[] =
        "203.0.113.66 - a [21/Nov/2026:01:44:28 +0000] \"GET / HTTP/1.1\" 401 1 \"-\" \"x\"";
    struct event ev = parse(*state, "nginx", &errors, line);

    assert_true(ev.flags & EVENT_UNPARSED);
    assert_null(event_get(&ev, FIELD_SOURCE_IP));
    ev = parse(*state, "nginx", &file, line);
    assert_non_null(event_get(&ev, FIELD_SOURCE_IP));
}

static void json_behind_text_is_a_part_of_it_where_both_do_not_mix(void **state)
{
    struct world *w = *state;
    const struct framing *f = format_framing(format_find(w->formats, SLICE("laravel")));
    struct slice json = SLICE("{\"message\":\"x\"}");

    assert_true(f->starts(f->ctx, json, SLICE("")));
    assert_true(f->starts(f->ctx, json, json));
    assert_false(f->starts(f->ctx, json, SLICE("[2026-11-21 01:41:39] production.ERROR: x")));
    assert_true(f->starts(f->ctx, SLICE("[2026-11-21 01:41:39] production.ERROR: x"), json));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_journal_keeps_the_boundary_of_a_text_but_not_of_an_output),
        cmocka_unit_test(a_datagram_proves_nothing),
        cmocka_unit_test(no_transport_proves_an_address_that_is_a_claim),
        cmocka_unit_test(no_transport_proves_a_line_that_can_be_read_in_two_ways),
        cmocka_unit_test(an_address_with_port_0_is_from_a_header),
        cmocka_unit_test(addresses_that_disagree_and_names_that_repeat_prove_nothing),
        cmocka_unit_test(a_line_of_the_access_log_is_none_in_an_error_log),
        cmocka_unit_test(json_behind_text_is_a_part_of_it_where_both_do_not_mix),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
