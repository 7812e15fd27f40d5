#include "logwatch/commands/common.h"

#include <errno.h>

static int check_rules(struct cli *cli, struct diag *d, const struct engine *e, size_t *samples,
                       size_t *tests, size_t *failed)
{
    int r = engine_test(e, d, samples, tests, failed);

    (void)cli;
    return r == -ENOMEM ? r : 0;
}

static void report(const struct cli *cli, const struct diag *d, const struct engine *e,
                   size_t samples, size_t tests)
{
    size_t idle = 0;

    if (cli_has(cli, CLI_JSON) || cli_has(cli, CLI_QUIET))
        return;
    for (size_t i = 0; i < rules_count(e->rules); i++)
        idle += !rules_info(e->rules, i)->evaluated;
    fprintf(cli->out, "%zu formats with %zu samples, %zu rules with %zu tests: %s\n",
            formats_count(e->formats), samples, rules_count(e->rules), tests,
            diag_errors(d) ? "faults, see above" : "good");
    if (idle)
        fprintf(cli->out, "%zu rules are for log sources that no channel gives: never evaluated\n",
                idle);
}

int command_check(struct cli *cli)
{
    struct config_request q = { .path = cli->values[CLI_CONFIG], .state = cli->values[CLI_STATE] };
    AUTO(diag) d = diag_new();
    AUTO(config) c = NULL;
    AUTO(engine) own = NULL;
    const struct engine *e = NULL;
    size_t samples = 0, tests = 0, failed = 0;
    int r = d ? 0 : -ENOMEM;

    if (r == 0 && cli->nargs) { /* rule files or folders alone */
        struct engine_request er = { .rule_paths = cli->args, .nrule_paths = cli->nargs };

        r = engine_load(&er, d, &own);
        e = own;
    } else if (r == 0) {
        r = config_load(&q, d, &c);
        e = c ? c->engine : NULL;
    }
    if (e && r != -ENOMEM)
        r = check_rules(cli, d, e, &samples, &tests, &failed);
    if (r == -ENOMEM) {
        fputs("trailwarden: out of memory\n", stderr);
        return EXIT_FAILED;
    }
    r = cli_diag(cli, d);
    if (e)
        report(cli, d, e, samples, tests);
    return r;
}
