/*
 * A filter of fail2ban by hand: for its own sample logs (fail2ban-score.py), for comparing with
 * fail2ban-regex (tests/integration/fail2ban.sh), and for measuring.
 *
 *     fail2ban-driver FILTER[parameters] [now=SECONDS] [timezone=Z] [zone=Area/City]
 *                     [given=SECONDS] [quiet=TIMES] [show=1]
 *
 * FILTER is a path, with or without .conf. Lines come on standard input; each gives one JSON line.
 * given: every line has this time and none in its text, as in the journal. quiet: only sums, and
 * all lines so many times. show: only the expressions, with everything put in. Exit: 78 a fault in
 * the filter, 70 anything else.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/num.h"
#include "parsers/fail2ban/filter.h"

struct job {
    const char *filter, *timezone, *zone_name;
    uint64_t now_s, given_s, quiet, show;
    const struct fail2ban *f;
    struct fail2ban_scratch *scratch;
    struct fail2ban_state *s;
    struct zone *zone;
};

static const char *const verdicts[] = { "none", "ignored", "nofail", "failure" };

static bool read_argument(struct job *j, const char *word)
{
    const struct {
        const char *name;
        uint64_t *number;
    } known[] = { { "now=", &j->now_s },
                  { "given=", &j->given_s },
                  { "quiet=", &j->quiet },
                  { "show=", &j->show } };

    if (strncmp(word, "timezone=", 9) == 0) {
        j->timezone = word + 9;
        return true;
    }
    if (strncmp(word, "zone=", 5) == 0) {
        j->zone_name = word + 5;
        return true;
    }
    for (size_t i = 0; i < ARRAY_SIZE(known); i++)
        if (strncmp(word, known[i].name, strlen(known[i].name)) == 0)
            return parse_u64(slice_str(word + strlen(known[i].name)), 0, UINT32_MAX * 2ull,
                             known[i].number) == 0;
    return false;
}

static int one_line(const struct job *j, struct slice text, struct fail2ban_result *r)
{
    const struct fail2ban_line line = { text, j->given_s * USEC_PER_SEC, j->now_s * USEC_PER_SEC,
                                        j->zone };

    return fail2ban_line(j->f, j->scratch, j->s, &line, r);
}

static void put(struct buf *out, const struct fail2ban_result *r)
{
    struct json_writer w = json_writer(out);

    json_object(&w);
    json_member_str(&w, "verdict", verdicts[r->verdict]);
    if (r->regex != SIZE_MAX)
        json_member_u64(&w, "regex", r->regex);
    json_member_slice(&w, "id", r->id.p ? r->id : SLICE(""));
    json_member_slice(&w, "host", r->host.p ? r->host : SLICE(""));
    json_member_u64(&w, "family", r->ip.family);
    json_member_u64(&w, "time_us", r->time_us);
    json_member_bool(&w, "time_known", r->time_known);
    json_member_u64(&w, "attempts", r->attempts);
    json_key(&w, "fields");
    json_object(&w);
    for (size_t i = 0; i < r->nfields; i++)
        json_member_slice(&w, r->fields[i].name, r->fields[i].value);
    json_object_end(&w);
    json_key(&w, "users");
    json_array(&w);
    for (size_t i = 0; i < r->nusers; i++)
        json_put_slice(&w, r->users[i]);
    json_array_end(&w);
    json_object_end(&w);
    buf_char(out, '\n');
}

static struct slice without_end(struct slice line)
{
    while (line.n && line.p[line.n - 1] == '\r')
        line.n--;
    return line;
}

static int each(const struct job *j)
{
    AUTO_BUF out = BUF_INIT;
    char *text = NULL;
    size_t cap = 0;
    ssize_t n;
    int rc = 0;

    while (rc == 0 && (n = getline(&text, &cap, stdin)) >= 0) {
        struct fail2ban_result r;

        n -= n && text[n - 1] == '\n';
        rc = one_line(j, without_end(slice_of(text, (size_t)n)), &r);
        buf_reset(&out);
        if (rc == 0)
            put(&out, &r);
        fwrite(out.p ? out.p : "", 1, out.n, stdout);
        fflush(stdout);
    }
    free(text);
    return rc;
}

static int all_quiet(const struct job *j)
{
    AUTO_BUF all = BUF_INIT;
    uint64_t n = 0, sums[4] = { 0 };
    char block[65536];
    size_t got;
    int rc = 0;

    while ((got = fread(block, 1, sizeof block, stdin)) > 0)
        buf_add(&all, block, got);
    for (uint64_t i = 0; i < j->quiet; i++) {
        struct slice rest = buf_view(&all), line;

        while (rc == 0 && rest.n && slice_split(&rest, '\n', &line)) {
            struct fail2ban_result r;

            rc = one_line(j, without_end(line), &r);
            sums[r.verdict]++;
            n++;
        }
    }
    printf("%llu lines: %llu failures, %llu no failure, %llu ignored; given up %llu\n",
           (unsigned long long)n, (unsigned long long)sums[FAIL2BAN_FAILURE],
           (unsigned long long)sums[FAIL2BAN_NOFAIL], (unsigned long long)sums[FAIL2BAN_IGNORED],
           (unsigned long long)fail2ban_given_up(j->scratch));
    return rc;
}

static int show(const struct job *j)
{
    for (size_t i = 0; i < fail2ban_nregexes(j->f); i++)
        printf("%.*s\n", SLICE_FMT(fail2ban_regex(j->f, i)));
    return 0;
}

static int load(struct job *j, struct fail2ban **ret)
{
    AUTO(arena) a = arena_new(4096, 1 << 20);
    AUTO(diag) d = diag_new();
    struct fail2ban_name name;
    struct err err = ERR_NONE;
    struct fail2ban_options options = { .timezone = j->timezone,
                                        .now_us = clock_now(&(struct clock)CLOCK_REAL) };
    int rc;

    if (!a || !d)
        return -ENOMEM;
    rc = fail2ban_name_parse(slice_str(j->filter), a, &name, &err);
    if (rc < 0) {
        fprintf(stderr, "%s\n", err.text);
        return rc;
    }
    options.parameters = name.parameters;
    options.nparameters = name.nparameters;
    rc = fail2ban_load(name.name, &options, d, ret);
    diag_print(d, stderr, false);
    return rc;
}

int main(int argc, char **argv)
{
    struct job j = { .filter = argc > 1 ? argv[1] : NULL,
                     .now_s = clock_now(&(struct clock)CLOCK_REAL) / USEC_PER_SEC };
    AUTO(fail2ban) f = NULL;
    AUTO(fail2ban_scratch) scratch = fail2ban_scratch_new();
    AUTO(fail2ban_state) s = NULL;
    AUTO(zone) zone = NULL;
    struct err err = ERR_NONE;

    for (int i = 2; i < argc; i++)
        if (!read_argument(&j, argv[i]))
            j.filter = NULL;
    if (!j.filter) {
        fprintf(stderr, "usage: fail2ban-driver FILTER[parameters] [now=S] [timezone=Z] [zone=A/B] "
                        "[given=S] [quiet=TIMES]\n");
        return 70;
    }
    if (load(&j, &f) < 0)
        return 78;
    if (j.zone_name && zone_load(j.zone_name, &zone, &err) < 0)
        return 70;
    s = fail2ban_keeps(f) ? fail2ban_state_new(f) : NULL;
    if (!scratch || (fail2ban_keeps(f) && !s))
        return 70;
    j.f = f;
    j.s = s;
    j.scratch = scratch;
    j.zone = zone;
    return (j.show ? show(&j) : j.quiet ? all_quiet(&j) : each(&j)) < 0 ? 70 : 0;
}
