/*
 * Filters of fail2ban: whatever is written in them and whatever stands in a log, loading ends with
 * a filter or with a fault that is told, and a line with a verdict. What is refused before an
 * expression is asked (its first byte, its literals, a date that seems to be the last one again)
 * never hides a match. The same lines give the
 * same results again. Random changes of the filters of tests/data/fail2ban; the same seed gives the
 * same cases, TW_FAIL2BAN_SEED and TW_FAIL2BAN_CASES change them.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/num.h"
#include "parsers/fail2ban/private.h"
#include "tests/property/dice.h"

#define NOW_US (UINT64_C(1795262400) * USEC_PER_SEC)
#define LINES 60

static const char *const filters[] = { "shell", "tunnel", "web",   "again",
                                       "mail",  "pair",   "dates", "local" };

static const char *const pieces[] = {
    "\n",
    "[",
    "]",
    "(",
    ")",
    "(?P<x>",
    "<HOST>",
    "<ADDR>",
    "<F-MLFID>",
    "</F-MLFID>",
    "<F-USER>",
    "</F-USER>",
    "%",
    "%%",
    "%(",
    ")s",
    "%(known/",
    "%(_daemon)s",
    "<",
    ">",
    "<mode>",
    "\\",
    "\\d",
    "\\w+",
    "$",
    "^",
    "*",
    "+?",
    "{2,}",
    "{,9}",
    "|",
    "(?i)",
    "(?(",
    "<SKIPLINES>",
    "=",
    ":",
    " ;",
    "#",
    "\t",
    "  ",
    "[Definition]",
    "[Init]",
    "[DEFAULT]",
    "[INCLUDES]",
    "before = shell.conf",
    "failregex = ",
    "ignoreregex = <HOST>",
    "prefregex = ^<F-CONTENT>.+</F-CONTENT>$",
    "datepattern = ",
    "{DATE}",
    "{EPOCH}",
    "{^LN-BEG}",
    "{NONE}",
    "**",
    "%%Y",
    "%%ExY",
    "%%b",
    "maxlines = 3",
    "mode = strict",
    "\xc3\xa9",
    "\xff",
    "usedns = no",
    "[^",
    "(?<!a)",
    "(?=",
};

static const char *const words[] = {
    "Nov 21 11:59:01 ",
    "2026-11-21 11:59:01 ",
    "2026-11-21T11:59:01Z ",
    "1795248550 ",
    "h ",
    "sshd[1]: ",
    "sshd[2]: ",
    "mail/smtpd[3]: ",
    "banner.actions ",
    "Failed x for ",
    "bob",
    " from ",
    "192.0.2.1",
    "2001:db8::1",
    "::ffff:192.0.2.4",
    "evil.example",
    " port 1",
    "invalid user ",
    "Connection closed by ",
    "Connection from ",
    "Accepted pw for ",
    "User ",
    " is locked",
    "NOTICE ",
    "[x] Ban ",
    "[conn1] ",
    "failed to log in",
    "end of ",
    "NOQUEUE: reject: ",
    "RCPT from u[",
    "]: ",
    "554 5.7.1 ",
    "warning: ",
    "SASL PLAIN authentication failed: ",
    "handshake failed",
    "flood ",
    "/24",
    ":1194 ",
    "TLS Auth Error",
    "\xc3\xa9",
    "\xff",
    "%",
    "[AF_INET6]",
    "first ",
    "second ",
    "[error] 8#0: *1 user \"a\": password mismatch, client: ",
    ", server: , request: \"GET / HTTP/1.0\"",
};

/* What may stand behind a date, or go on with it. */
static const char *const behind[] = { ".5", ".123456", ",5",  " 2026",  " 202",  " Z",
                                      "Z",  "+0100",   "+01", "+01:00", "+00:0", " UTC",
                                      "  ", "\t",      ":",   "" };

static const char *const whole_lines[] = {
    "Nov 21 11:59:01 h sshd[1]: Failed x for bob from 192.0.2.1 port 1",
    "Nov 21 11:59:01 h sshd[1]: Failed x for invalid user a b from 2001:db8::1 port 1",
    "Nov 21 11:59:02 h sshd[1]: User bob is locked",
    "Nov 21 11:59:02 h sshd[2]: Connection from 192.0.2.9 port 1",
    "Nov 21 11:59:02 h sshd[2]: User eve is locked",
    "Nov 21 11:59:03 h sshd[2]: Connection closed by 192.0.2.9",
    "Nov 21 11:59:03 h sshd[2]: Accepted pw for eve from 192.0.2.9",
    "2026-11-20 23:59:59 tunnel-7/192.0.2.4:51234 TLS Auth Error: no",
    "2026-11-20 23:59:59 flood from 192.0.2.77/24",
    "2026/11/21 10:00:00 [error] 8#0: *1 user \"b\": password mismatch, client: 192.0.2.5",
    "2026-11-21 09:00:00,123 banner.actions [77]: NOTICE  [x] Ban 192.0.2.8",
    "Nov 21 08:00:00 mx mail/smtpd[1]: NOQUEUE: reject: RCPT from u[192.0.2.30]: 554 5.7.1 no",
    "Nov 21 08:00:00 mx mail/smtpd[1]: warning: u[192.0.2.30]: SASL login authentication failed: x",
    "2026-11-21 09:00:00 [conn1] failed to log in",
    "2026-11-21 09:00:01 [conn1] end of 192.0.2.1",
    "Nov 21 11:59:30 from 192.0.2.1",
    "2026-11-21T11:59:30.123456+00:00 h sshd[1]: Failed x for bob from 192.0.2.1 port 1",
    "2026-11-21T11:59:30.123456+00: h sshd[1]: Failed x for bob from 192.0.2.1 port 1",
    "2026-11-21 09:00:01 first 192.0.2.1",
    "second two here 192.0.2.1",
};

struct world {
    struct dice d;
    char folder[256];
    uint64_t loaded, refused, failures, lines;
};

static void read_own(const char *name, struct buf *out)
{
    const char *source = getenv("TW_SOURCE");
    char path[4096];

    snprintf(path, sizeof path, "%s/tests/data/fail2ban/filter.d/%s", source ? source : ".", name);
    assert_int_equal(file_read(AT_FDCWD, path, 1 << 20, out, NULL), 0);
}

static void write_file(const struct world *w, const char *name, struct slice text)
{
    char path[512];

    snprintf(path, sizeof path, "%s/%s", w->folder, name);
    assert_int_equal(file_put(AT_FDCWD, path, text, 0600, NULL), 0);
}

/* Some bytes out, some in. */
static void change(struct world *w, struct buf *text)
{
    unsigned n = roll(&w->d, 4);

    for (unsigned i = 0; i < n && text->n; i++) {
        AUTO_BUF out = BUF_INIT;
        size_t at = roll(&w->d, (unsigned)text->n), cut = roll(&w->d, 3) ? roll(&w->d, 4) : 0;
        struct slice all = buf_view(text);

        buf_slice(&out, slice_take(all, at));
        if (roll(&w->d, 3))
            buf_str(&out, PICK(&w->d, pieces));
        buf_slice(&out, slice_skip(all, at + cut));
        buf_reset(text);
        buf_slice(text, buf_view(&out));
    }
}

static int load(const struct world *w, struct diag *d, struct fail2ban **ret)
{
    struct fail2ban_options o = { .now_us = NOW_US };
    char path[512];

    snprintf(path, sizeof path, "%s/case.conf", w->folder);
    return fail2ban_load(path, &o, d, ret);
}

/* The same filter, but every expression is asked. */
static void sort_all_dates(struct fail2ban *f)
{
    uint16_t *all = arena_array(f->arena, f->dates.n + 1, sizeof *all);

    assert_non_null(all);
    for (size_t i = 0; i < f->dates.n; i++) {
        all[i] = (uint16_t)i;
        f->dates.list[i].begins = false;
    }
    all[f->dates.n] = NO_REGEX;
    for (size_t c = 0; c < 256; c++)
        f->dates.by_first[c] = all;
}

static void ask_all(struct fail2ban *f)
{
    uint16_t *all = arena_array(f->arena, f->nfail + 1, sizeof *all);

    assert_non_null(all);
    for (size_t i = 0; i < f->nfail; i++) {
        all[i] = (uint16_t)i;
        f->fail[i].nhints = 0;
    }
    all[f->nfail] = NO_REGEX;
    for (size_t c = 0; c < 256; c++)
        f->by_first[c] = all;
    if (f->pref)
        f->pref->nhints = 0;
    sort_all_dates(f);
}

/* A whole line, at times with a word in it or bytes out of it; or words alone. */
static void make_line(struct world *w, struct buf *out)
{
    struct slice line = slice_str(PICK(&w->d, whole_lines));
    size_t at = line.n, cut = 0;

    buf_reset(out);
    if (roll(&w->d, 3) == 0) {
        at = roll(&w->d, (unsigned)line.n);
        cut = roll(&w->d, 4);
    }
    if (roll(&w->d, 3) == 0) { /* something behind the date, or in it */
        size_t date = 15 + roll(&w->d, 9);

        buf_slice(out, slice_take(line, date));
        buf_str(out, PICK(&w->d, behind));
        buf_slice(out, slice_skip(line, date));
        return;
    }
    if (roll(&w->d, 8))
        buf_slice(out, slice_take(line, at));
    for (unsigned i = roll(&w->d, 3) ? 0 : roll(&w->d, 9); i; i--)
        buf_str(out, PICK(&w->d, words));
    if (roll(&w->d, 8))
        buf_slice(out, slice_skip(line, at + cut));
}

static void assert_same(const struct fail2ban_result *a, const struct fail2ban_result *b)
{
    assert_int_equal(a->verdict, b->verdict);
    assert_int_equal(a->regex, b->regex);
    assert_true(slice_eq(a->id, b->id));
    assert_true(slice_eq(a->host, b->host));
    assert_true(slice_eq(a->user, b->user));
    assert_int_equal(a->time_us, b->time_us);
    assert_int_equal(a->attempts, b->attempts);
    assert_int_equal(a->nfields, b->nfields);
}

static void assert_sound(const struct fail2ban *f, const struct fail2ban_result *r)
{
    if (r->verdict != FAIL2BAN_FAILURE)
        return;
    assert_true(r->regex < f->nfail);
    assert_non_null(r->id.p);
    assert_true(r->ip.family == 0 || r->ip.family == 4 || r->ip.family == 6);
    assert_true(r->ip.family == 0 || r->bits <= (r->ip.family == 4 ? 32 : 128));
    for (size_t i = 0; i < r->nfields; i++)
        assert_true(r->fields[i].name && r->fields[i].value.p);
}

/* Another digit in its date: mostly it is of another second then. */
static void change_digit(struct world *w, struct buf *line)
{
    for (size_t i = roll(&w->d, 30); i < line->n && i < 30; i++)
        if (line->p[i] >= '0' && line->p[i] <= '9') {
            line->p[i] = (char)('0' + roll(&w->d, 10));
            return;
        }
}

/* What a restart leaves of a state is all of it. */
static void restart(const struct fail2ban *f, struct fail2ban_state **s)
{
    AUTO_BUF packed = BUF_INIT;

    assert_int_equal(fail2ban_state_pack(*s, &packed), 0);
    fail2ban_state_free(*s);
    *s = fail2ban_state_new(f);
    assert_non_null(*s);
    if (packed.n)
        assert_int_equal(fail2ban_state_unpack(*s, buf_view(&packed)), 0);
}

/* What the scan of a channel looks for is in every line that an expression fits. */
static void assert_literal(const struct literals *set, struct slice line, bool fits)
{
    AUTO(arena) a = arena_new(4096, 0);
    struct slice lower = literal_lower(a, line);

    for (size_t i = 0; fits && i < set->n; i++)
        fits = literal_find(set->list[i], lower, 0) == SIZE_MAX;
    if (fits && !set->none)
        fail_msg("no literal in '%.*s'", SLICE_FMT(line));
}

/* Two streams in one scratch: what it remembers must not be heard from one in the other. */
static void run_lines(struct world *w, const struct fail2ban *f, struct fail2ban *all)
{
    AUTO(fail2ban_scratch) scratch = fail2ban_scratch_new();
    AUTO(fail2ban_state) s = fail2ban_state_new(f);
    AUTO(fail2ban_state) t = fail2ban_state_new(all);
    AUTO(arena) work = arena_new(4096, 64 << 20);
    struct literal_maker maker = { .arena = work };
    struct literals literals = fail2ban_literals(f, &maker);
    AUTO_BUF line = BUF_INIT;

    for (unsigned i = 0; i < LINES; i++) {
        AUTO(fail2ban_scratch) fresh = fail2ban_scratch_new();
        struct fail2ban_line l = { .now_us = NOW_US + i / 8 * USEC_PER_SEC };
        struct fail2ban_result a, b;

        make_line(w, &line);
        if (roll(&w->d, 3) == 0)
            change_digit(w, &line);
        l.text = buf_view(&line);
        assert_int_equal(fail2ban_line(f, scratch, s, &l, &a), 0);
        assert_int_equal(fail2ban_line(all, fresh, t, &l, &b), 0);
        assert_sound(f, &a);
        assert_same(&a, &b);
        assert_literal(&literals, l.text, a.verdict != FAIL2BAN_NONE);
        if (roll(&w->d, 4) == 0)
            restart(f, &s);
        w->failures += a.verdict == FAIL2BAN_FAILURE;
        w->lines++;
    }
}

static void one_case(struct world *w)
{
    AUTO_BUF text = BUF_INIT;
    AUTO(diag) d = diag_new();
    AUTO(fail2ban) f = NULL;
    AUTO(fail2ban) all = NULL;
    char name[64];
    int rc;

    snprintf(name, sizeof name, "%s.conf", PICK(&w->d, filters));
    read_own(name, &text);
    change(w, &text);
    write_file(w, "case.conf", buf_view(&text));
    rc = load(w, d, &f);
    if (rc < 0) {
        assert_true(diag_errors(d) > 0);
        w->refused++;
        return;
    }
    w->loaded++;
    assert_int_equal(load(w, d, &all), 0);
    ask_all(all);
    run_lines(w, f, all);
}

static uint64_t from_environment(const char *name, uint64_t fallback)
{
    const char *text = getenv(name);
    uint64_t n;

    return text && parse_u64(slice_str(text), 0, UINT64_MAX, &n) == 0 ? n : fallback;
}

static void no_filter_and_no_line_does_harm_and_nothing_quick_hides_a_match(void **state)
{
    const char *tmp = getenv("TMPDIR");
    struct world w = { .d = { from_environment("TW_FAIL2BAN_SEED", 7) } };
    uint64_t cases = from_environment("TW_FAIL2BAN_CASES", 150);
    AUTO_BUF shared = BUF_INIT, shell = BUF_INIT;
    char path[512];

    (void)state;
    snprintf(w.folder, sizeof w.folder, "%s/prop-fail2ban.XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(w.folder));
    read_own("shared.conf", &shared);
    read_own("shell.conf", &shell);
    write_file(&w, "shared.conf", buf_view(&shared));
    write_file(&w, "shell.conf", buf_view(&shell));
    for (uint64_t i = 0; i < cases; i++)
        one_case(&w);
    print_message("seed %llu: %llu filters loaded, %llu refused; %llu lines, %llu failures\n",
                  (unsigned long long)from_environment("TW_FAIL2BAN_SEED", 7),
                  (unsigned long long)w.loaded, (unsigned long long)w.refused,
                  (unsigned long long)w.lines, (unsigned long long)w.failures);
    assert_true(w.loaded > cases / 10 && w.refused > 0 && w.failures > cases / 10);
    for (size_t i = 0; i < 3; i++) {
        static const char *const made[] = { "case.conf", "shared.conf", "shell.conf" };

        snprintf(path, sizeof path, "%s/%s", w.folder, made[i]);
        unlink(path);
    }
    rmdir(w.folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_filter_and_no_line_does_harm_and_nothing_quick_hides_a_match),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
