/* check: the configuration, and everything that carries tests of its own. */
#include <errno.h>

#include "logwatch/commands/check-lanes.h"
#include "logwatch/commands/common.h"
#include "logwatch/commands/testing.h"

struct checking {
    struct cli *cli;
    struct diag *diag;
    struct config *config;
    struct engine *own;
    const struct engine *engine; /* NULL: it could not be loaded */
    size_t samples, tests;
};

static int load(struct checking *c)
{
    struct config_request q = { .path = c->cli->values[CLI_CONFIG],
                                .state = c->cli->values[CLI_STATE],
                                .tests = true };
    int r;

    if (c->cli->nargs) { /* rule files or folders alone */
        struct engine_request er = { .rule_paths = c->cli->args,
                                     .nrule_paths = c->cli->nargs,
                                     .no_library = cli_has(c->cli, CLI_NO_LIBRARY),
                                     .tests = true };

        r = engine_load(&er, c->diag, &c->own);
        c->engine = c->own;
        return r;
    }
    r = config_load(&q, c->diag, &c->config);
    c->engine = c->config ? c->config->engine : NULL;
    return r == -ENOMEM ? r : 0;
}

static int check_formats(void *ctx)
{
    struct checking *c = ctx;

    return formats_check(c->engine->formats, c->diag, &c->samples);
}

/* Formats in this thread, rules in all: findings of formats come first in any case. */
static int run_tests(struct checking *c)
{
    AUTO(testing) t = testing_new(c->engine, NULL);
    int r = t ? testing_run(t, check_formats, c) : -ENOMEM;

    if (r < 0)
        return r == -ENOMEM ? r : 0;
    testing_findings(t, c->diag);
    c->tests = testing_count(t);
    return 0;
}

static void report(const struct checking *c)
{
    const struct cli *cli = c->cli;
    const struct engine *e = c->engine;
    size_t idle = 0;

    if (cli_has(cli, CLI_JSON) || cli_has(cli, CLI_QUIET))
        return;
    for (size_t i = 0; i < rules_count(e->rules); i++)
        idle += !rules_info(e->rules, i)->evaluated;
    fprintf(cli->out, "%zu formats with %zu samples, %zu rules with %zu tests: %s\n",
            formats_count(e->formats), c->samples, rules_count(e->rules), c->tests,
            diag_errors(c->diag) ? "faults, see above" : "good");
    if (idle)
        fprintf(cli->out,
                "%zu rules are for log sources that no channel gives: never evaluated;"
                " see `trailwarden rules list`\n",
                idle);
}

int command_check(struct cli *cli)
{
    AUTO(diag) d = diag_new();
    struct checking c = { .cli = cli, .diag = d };
    int r = d ? load(&c) : -ENOMEM;

    if (r != -ENOMEM && c.engine)
        r = run_tests(&c);
    if (r != -ENOMEM && c.engine && !cli_has(cli, CLI_QUIET))
        r = check_lanes(c.engine, c.config, !cli_has(cli, CLI_NO_LIBRARY), d);
    if (r == -ENOMEM) {
        fputs("trailwarden: out of memory\n", stderr);
        r = EXIT_FAILED;
    } else {
        r = cli_diag(cli, d);
        if (c.engine)
            report(&c);
    }
    config_free(c.config);
    engine_free(c.own);
    return r;
}
