/*
 * What becomes of a line: the engine itself, with a trace.
 *
 * Several lines are fed in their order; the last one is shown, with the
 * windows as they stand after it and what would follow.
 */
#include <errno.h>
#include <fcntl.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/term.h"
#include "logwatch/commands/explain-private.h"

#define INPUT_BYTES (16u << 20)
#define LINES_MAX 100000

/* ---- feeding ---- */

static int remember(struct explaining *x)
{
    for (size_t i = 0; i < x->batch.nalerts; i++) {
        const struct alert *a = x->batch.alerts[i];
        size_t rule = rules_find(x->engine->rules, a->rule_id);
        AUTO_BUF group = BUF_INIT;

        if (rule == SIZE_MAX)
            continue;
        if (x->nearlier == EARLIER_MAX) {
            memmove(x->earlier, x->earlier + 1, (EARLIER_MAX - 1) * sizeof *x->earlier);
            x->nearlier--;
        }
        explain_group(a, &group);
        x->earlier[x->nearlier++] = (struct earlier){ x->lines, rule, a->time_us,
                                                      arena_str(x->view.arena, buf_view(&group)) };
        if (!x->earlier[x->nearlier - 1].group)
            return -ENOMEM;
    }
    return 0;
}

static int take_matches(struct explaining *x, struct err *err)
{
    const uint32_t *hits;
    size_t n = rules_match(x->engine->rules, x->scratch, &x->event, &hits);
    int r = correlator_advance(x->correlator, x->event.time_us, &x->batch, err);

    for (size_t i = 0; r == 0 && i < n; i++) {
        struct match m = { hits[i], &x->event };

        r = correlator_take(x->correlator, &m, &x->batch, err);
    }
    for (size_t i = 0; r == 0 && i < x->batch.nsignals; i++)
        r = seen_add(&x->seen, &x->batch.signals[i]);
    return r;
}

static int feed(struct explaining *x, const struct record *record, struct err *err)
{
    const struct clock real = CLOCK_REAL;
    int r = remember(x);

    if (r < 0 || ++x->lines > LINES_MAX)
        return r < 0 ? err_nomem(err)
                     : err_set(err, -E2BIG, "more than %d lines: use replay", LINES_MAX);
    arena_reset(x->arena);
    batch_init(&x->batch, x->arena, clock_now(&real));
    if (parser_run(&x->source, x->parser, record, clock_now(&real), x->arena, &x->event, NULL) <
            0 ||
        (x->geo && enrich_run(x->geo, &x->event) == -ENOMEM))
        return err_nomem(err);
    x->batch.now_us = x->event.time_us;
    return take_matches(x, err);
}

static int feed_all(struct explaining *x, const struct format *f, struct slice text,
                    struct err *err)
{
    struct block b = { .name = SLICE("(given)"), .bytes = text };
    struct block_walk walk = { 0 };
    struct record record;
    int r = 0;

    while (r == 0 && block_next(&b, format_framing(f), &walk, &record))
        if (record.text.n)
            r = feed(x, &record, err);
    return r;
}

/* ---- the command ---- */

static int read_input(struct cli *cli, struct buf *b, struct slice *ret, struct err *err)
{
    char part[4096];
    size_t n;

    if (cli->nargs) {
        *ret = slice_str(cli->args[0]);
    } else if (cli_has(cli, CLI_FILE)) {
        if (file_read(AT_FDCWD, cli->values[CLI_FILE], INPUT_BYTES, b, err) < 0)
            return err_code(err);
        *ret = buf_view(b);
    } else {
        while ((n = fread(part, 1, sizeof part, stdin)) > 0 && b->n < INPUT_BYTES)
            buf_add(b, part, n);
        *ret = buf_view(b);
    }
    while (ret->n && ret->p[ret->n - 1] == '\n')
        ret->n--;
    return buf_ok(b) ? 0 : err_nomem(err);
}

/* Rules from --rules and receivers from --config: both were asked for. */
static int find_config(struct explaining *x)
{
    AUTO(diag) d = diag_new();

    x->config = x->view.config;
    if (x->config || !cli_has(x->cli, CLI_CONFIG))
        return EXIT_DONE;
    if (!d)
        return out_of_memory();
    x->config = NULL;
    return cli_config(x->cli, false, d, &x->extra);
}

static int prepare(struct explaining *x, const struct format *f, struct err *err)
{
    const struct config *c;
    int r = find_config(x);

    if (r)
        return r;
    if (x->extra)
        x->config = x->extra;
    c = x->config;
    x->source = (struct parser_source){ .format = f,
                                        .zone = x->cli->values[CLI_ZONE],
                                        .input = SLICE("(given)") };
    x->arena = arena_new(1 << 16, 64 << 20);
    x->parser = parser_scratch_new(x->engine->formats);
    x->scratch = rules_scratch_new(x->engine->rules);
    x->correlator = correlator_new(x->engine->rules, c ? c->groups_max : 0);
    if (!x->arena || !x->parser || !x->scratch || !x->correlator)
        return out_of_memory();
    seen_init(&x->seen, x->engine->rules, x->view.arena);
    if (c && c->geo.n && geo_open(c->geo.items, c->geo.n, &x->geo, err) < 0)
        return cli_error(err);
    return parser_source_init(&x->source, err) < 0 ? cli_error(err) : EXIT_DONE;
}

static const struct format *format_for(const struct explaining *x, struct slice text)
{
    const char *channel = x->cli->values[CLI_CHANNEL];
    const struct format *f = channel ? format_find(x->engine->formats, slice_str(channel))
                                     : format_detect(x->engine->formats, text);

    if (!f)
        fputs(channel ? "trailwarden: no format of that name; see `trailwarden help formats`\n"
                      : "trailwarden: no format knows this line; name one with --channel\n",
              stderr);
    return f;
}

static int explain(struct explaining *x)
{
    AUTO_BUF input = BUF_INIT;
    struct err err = ERR_NONE;
    const struct format *f;
    struct slice text;
    int r;

    if (read_input(x->cli, &input, &text, &err) < 0)
        return cli_error(&err);
    if (text.n == 0) {
        fputs("trailwarden: explain needs a line: as an argument, with --file, or on standard"
              " input\n",
              stderr);
        return EXIT_USAGE;
    }
    f = format_for(x, text);
    if (!f)
        return EXIT_FAILED;
    if (cli_has(x->cli, CLI_RULE) &&
        (x->only = rules_view_find(&x->view, x->cli->values[CLI_RULE])) == SIZE_MAX)
        return EXIT_FAILED;
    r = prepare(x, f, &err);
    if (r)
        return r;
    r = feed_all(x, f, text, &err) < 0 ? cli_error(&err) : explain_show(x);
    parser_source_fini(&x->source);
    return r;
}

int command_explain(struct cli *cli)
{
    AUTO_FREE struct explaining *x = calloc(1, sizeof *x);
    int r;

    if (!x)
        return out_of_memory();
    if (cli_has(cli, CLI_AT))
        return explain_at(cli);
    x->cli = cli;
    x->only = SIZE_MAX;
    x->json = cli_has(cli, CLI_JSON);
    x->colour = term_colour(cli->out);
    r = rules_view_open(&x->view, cli, NULL, 0, false);
    x->engine = x->view.engine;
    if (r == EXIT_DONE)
        r = explain(x);
    correlator_free(x->correlator);
    rules_scratch_free(x->scratch);
    parser_scratch_free(x->parser);
    geo_free(x->geo);
    arena_free(x->arena);
    seen_fini(&x->seen);
    buf_fini(&x->out);
    config_free(x->extra);
    rules_view_fini(&x->view);
    return r;
}
