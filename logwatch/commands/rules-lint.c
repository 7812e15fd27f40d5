/* rules lint: what loads, but could be better. */
#include <errno.h>

#include "logwatch/commands/rules-lint.h"

void lint_say(struct lint *l, enum diag_level level, struct src_pos at, size_t span,
              const char *near, const char *fmt, ...)
{
    AUTO_BUF text = BUF_INIT;
    AUTO_BUF hint = BUF_INIT;
    va_list args;

    if (level == DIAG_NOTE && !l->notes)
        return;
    va_start(args, fmt);
    buf_vprintf(&text, fmt, args);
    va_end(args);
    if (near)
        buf_printf(&hint, "did you mean '%s'?", near);
    l->warnings += level == DIAG_WARNING;
    diag_add(l->view.diag, level, at, (unsigned)span, near ? hint.p : NULL, "%s",
             text.p ? text.p : "");
}

static int load_names(struct lint *l)
{
    const struct engine_request q = { .no_library = true };
    uint32_t n;

    if (engine_load(&q, l->view.diag, &l->bare) < 0)
        return -ENOMEM;
    n = field_count(l->bare->names);
    l->names = arena_array(l->view.arena, n + 1, sizeof *l->names);
    for (uint32_t i = 0; l->names && i < n; i++)
        l->names[i] = arena_str(l->view.arena, field_name(l->bare->names, i));
    return l->names ? 0 : -ENOMEM;
}

static bool wanted(const struct cli *cli, const struct rule_info *info)
{
    for (size_t i = 0; i < cli->nargs; i++)
        if (rule_is_of(info, cli->args[i]))
            return true;
    return cli->nargs == 0;
}

static void run_checks(struct lint *l, const struct lint_check *checks)
{
    for (; checks->name; checks++)
        checks->run(l);
}

static size_t lint_rules(struct lint *l)
{
    const struct rules *r = l->view.engine->rules;
    size_t n = 0;

    for (l->rule = 0; l->rule < rules_count(r); l->rule++) {
        l->info = rules_info(r, l->rule);
        l->doc = rules_document(r, l->rule);
        if (!wanted(l->view.cli, l->info))
            continue;
        run_checks(l, lint_head_checks);
        run_checks(l, lint_body_checks);
        n++;
    }
    for (size_t f = 0; f < rules_filters(r); f++)
        lint_filter(l, rules_filter_document(r, f));
    return n;
}

static int lint(struct lint *l)
{
    struct cli *cli = l->view.cli;
    size_t errors, n;

    if (load_names(l) < 0)
        return out_of_memory();
    n = lint_rules(l);
    errors = diag_errors(l->view.diag);
    cli_diag(cli, l->view.diag);
    if (!cli_has(cli, CLI_JSON))
        fprintf(cli->out, "%zu rules: %zu errors, %zu warnings\n", n, errors, l->warnings);
    return errors ? EXIT_ANSWER_NO : EXIT_DONE;
}

int command_rules_lint(struct cli *cli)
{
    struct lint l = { .notes = cli_has(cli, CLI_VERBOSE) || cli_has(cli, CLI_JSON) };
    int r = rules_view_open(&l.view, cli, cli->args, cli->nargs, true);

    if (r == EXIT_DONE)
        r = lint(&l);
    engine_free(l.bare);
    rules_view_fini(&l.view);
    return r;
}
