/* report: what a period's entries say, as text, HTML, PDF, JSON, CSV or OSCAL. */
#include "logwatch/commands/report.h"

#include <errno.h>

#include "audit/view.h"
#include "base/clock.h"
#include "base/num.h"
#include "base/term.h"
#include "base/utf8.h"

#define DEFAULT_SAMPLES 5

static int usage(const char *text, const char *what)
{
    AUTO_BUF b = BUF_INIT;

    buf_printable(&b, slice_str(what));
    fprintf(stderr, "trailwarden: %s%s%s%s; see `trailwarden report --help`\n", text,
            what ? " '" : "", b.p && what ? b.p : "", what ? "'" : "");
    return EXIT_USAGE;
}

/* ---- what is asked ---- */

static const struct report_kind_info *kind_of(const char *name)
{
    const struct report_kind_info *k;

    for (size_t i = 0; (k = report_kind(i)); i++)
        if (strcmp(k->name, name) == 0)
            return k;
    return NULL;
}

static int unknown_kind(const char *name)
{
    const char *names[16] = { 0 }, *near;

    for (size_t i = 0; i < ARRAY_SIZE(names) - 1 && report_kind(i); i++)
        names[i] = report_kind(i)->name;
    near = name ? diag_nearest(slice_str(name), names) : NULL;
    fputs("trailwarden: report needs a kind:", stderr);
    for (size_t i = 0; names[i]; i++)
        fprintf(stderr, "%s %s", i ? "," : "", names[i]);
    fprintf(stderr, "%s%s%s\n", near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
    return EXIT_USAGE;
}

static int want_standard(const struct cli *cli, const struct report_kind_info *k,
                         struct report_ask *ask)
{
    const char *given = cli->values[CLI_STANDARD];
    AUTO_BUF b = BUF_INIT;

    ask->standard = given ? given : "";
    if (!k->standard)
        return given ? usage("this report takes no --standard", NULL) : EXIT_DONE;
    for (size_t i = 0; report_standard(i); i++) {
        if (given && strcmp(given, report_standard(i)) == 0)
            return EXIT_DONE;
        buf_printf(&b, "%s%s", i ? ", " : "", report_standard(i));
    }
    fprintf(stderr, "trailwarden: --standard is one of: %s\n", b.p ? b.p : "");
    return EXIT_USAGE;
}

static int want_numbers(const struct cli *cli, struct report_ask *ask)
{
    ask->samples = DEFAULT_SAMPLES;
    if (cli_has(cli, CLI_SAMPLES) &&
        parse_u64(slice_str(cli->values[CLI_SAMPLES]), 0, REPORT_SAMPLES_MAX, &ask->samples) < 0)
        return usage("--samples is a number up to 100", NULL);
    if (cli_has(cli, CLI_SEED) &&
        parse_u64(slice_str(cli->values[CLI_SEED]), 0, INT64_MAX, &ask->seed) < 0)
        return usage("--seed is a number", NULL);
    return EXIT_DONE;
}

/* The words of a period, or --from and --to; the moment is that of the newest signed entry's. */
static int want_period(const struct cli *cli, const struct zone *z, const char *words,
                       const struct report_kind_info *k, struct report_ask *ask)
{
    const struct clock real = CLOCK_REAL;
    uint64_t now = clock_now(&real) / USEC_PER_SEC * USEC_PER_SEC;
    const char *from = cli->values[CLI_FROM], *to = cli->values[CLI_TO_TIME];

    if (words && (from || to))
        return usage("a period, or --from and --to: not both", NULL);
    words = words ? words : k->period;
    ask->to_us = now;
    if (!from && !to && report_period(slice_str(words), z, now, &ask->from_us, &ask->to_us) < 0)
        return usage(
            "a period is like today, last-week, last-month, 2026-10, 2026-10-05 or 30d, not",
            words);
    if (to && report_moment(slice_str(to), z, true, &ask->to_us) < 0)
        return usage("--to is like 2026-11-30 or 2026-11-30T12:00, not", to);
    if (to && !from)
        ask->from_us =
            ask->to_us > 7 * 86400 * USEC_PER_SEC ? ask->to_us - 7 * 86400 * USEC_PER_SEC : 0;
    if (from && report_moment(slice_str(from), z, false, &ask->from_us) < 0)
        return usage("--from is like 2026-11-01 or 2026-11-01T12:00, not", from);
    return ask->from_us < ask->to_us ? EXIT_DONE : usage("the period ends before it begins", NULL);
}

static int want_arguments(struct reporting *x, const struct report_kind_info *k,
                          struct report_ask *ask)
{
    const struct cli *cli = x->cli;
    size_t at = 1;

    ask->kind = k->name;
    ask->zone = cli_has(cli, CLI_TZ) ? cli->values[CLI_TZ] : "";
    ask->channel = cli_has(cli, CLI_CHANNEL) ? cli->values[CLI_CHANNEL] : "";
    ask->subject = "";
    if (k->subject) {
        if (cli->nargs < 2)
            return usage("whose? user=alice, ip=203.0.113.7 or email=a@example.com", NULL);
        ask->subject = cli->args[at++];
    }
    if (cli->nargs > at + 1)
        return usage("one period at most, not also", cli->args[at + 1]);
    return want_period(cli, x->zone, cli->nargs > at ? cli->args[at] : NULL, k, ask);
}

static int want_zone(struct reporting *x)
{
    const char *name = x->cli->values[CLI_TZ];
    struct err err = ERR_NONE;

    if (!name || strcmp(name, "UTC") == 0)
        x->cli->values[CLI_TZ] = NULL;
    else if (zone_load(name, &x->zone, &err) < 0)
        return usage("no time zone is called", name);
    return EXIT_DONE;
}

static int want_form(struct reporting *x)
{
    const char *name = x->cli->values[CLI_FORM];

    x->form = name ? report_form_of(slice_str(name)) : FORM_TEXT;
    if (cli_has(x->cli, CLI_JSON))
        x->form = FORM_JSON;
    return x->form == FORMS ? usage("--format is text, html, pdf, json, csv or oscal, not", name)
                            : EXIT_DONE;
}

/* ---- making it ---- */

static int make_it(struct reporting *x, struct report_ask *ask)
{
    AUTO(audit_view) v = NULL;
    AUTO_BUF facts = BUF_INIT;
    AUTO_BUF request = BUF_INIT;
    struct progress progress;
    struct report_source source = { x->folder, report_progress, &progress };
    struct err err = ERR_NONE;
    int r;

    if (audit_view_open(x->folder, &v, &err) < 0)
        return cli_error(&err);
    ask->checkpoint = audit_view_note(v);
    if (x->config)
        report_facts(x->config, strcmp(ask->kind, "capacity") == 0, &facts);
    ask->facts = buf_view(&facts);
    if (!buf_ok(&facts) || report_request(ask, &request, &err) < 0)
        return EXIT_FAILED;
    progress_start(&progress, "report", 0);
    progress.unit = "entries";
    r = report_make(&source, buf_view(&request), x->arena, &x->report, &err);
    progress_end(&progress);
    return r < 0 ? cli_error(&err) : report_put(x);
}

void report_progress(void *ctx, uint64_t done, uint64_t total)
{
    struct progress *p = ctx;

    p->total = total;
    progress_step(p, done, done);
}

int command_report(struct cli *cli)
{
    AUTO(config) c = NULL;
    AUTO(arena) arena = arena_new(1 << 20, REPORT_ARENA_MAX);
    struct reporting x = { .cli = cli, .arena = arena };
    const struct report_kind_info *k = cli->nargs ? kind_of(cli->args[0]) : NULL;
    struct report_ask ask = { 0 };
    int r = k ? want_form(&x) : unknown_kind(cli->nargs ? cli->args[0] : NULL);

    if (r == EXIT_DONE)
        r = want_standard(cli, k, &ask);
    if (r == EXIT_DONE)
        r = want_numbers(cli, &ask);
    if (r == EXIT_DONE)
        r = want_zone(&x);
    if (r == EXIT_DONE)
        r = want_arguments(&x, k, &ask);
    if (r == EXIT_DONE)
        r = cli_trail(cli, &c, &x.folder);
    x.config = c;
    if (r == EXIT_DONE)
        r = arena ? make_it(&x, &ask) : EXIT_FAILED;
    zone_free(x.zone);
    return r;
}
