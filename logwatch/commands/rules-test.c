/* rules test: the tests inside rules, each with what came of it. */
#include <errno.h>

#include "base/term.h"
#include "base/utf8.h"
#include "logwatch/commands/rules.h"
#include "logwatch/commands/testing.h"

struct selection {
    const char **paths;
    size_t npaths;
    const char **names;
    size_t nnames;
};

/* A file or folder is loaded beside the library; anything else names a rule. */
static int sort_arguments(const struct cli *cli, struct selection *s)
{
    s->paths = calloc(2 * (cli->nargs + 1), sizeof *s->paths);
    if (!s->paths)
        return out_of_memory();
    s->names = s->paths + cli->nargs + 1;
    for (size_t i = 0; i < cli->nargs; i++)
        if (argument_is_path(cli->args[i]))
            s->paths[s->npaths++] = cli->args[i];
        else
            s->names[s->nnames++] = cli->args[i];
    return EXIT_DONE;
}

static int select_rules(struct rules_view *v, const struct selection *s, bool *wanted)
{
    const struct rules *r = v->engine->rules;

    for (size_t i = 0; i < s->nnames; i++) {
        size_t rule = rules_view_find(v, s->names[i]);

        if (rule == SIZE_MAX)
            return EXIT_FAILED;
        wanted[rule] = true;
    }
    for (size_t i = 0; i < rules_count(r); i++) {
        wanted[i] = wanted[i] || v->cli->nargs == 0;
        for (size_t p = 0; p < s->npaths; p++)
            wanted[i] = wanted[i] || rule_is_of(rules_info(r, i), s->paths[p]);
    }
    return EXIT_DONE;
}

static int tell_json(struct rules_view *v, const struct testing *t)
{
    AUTO_BUF b = BUF_INIT;

    for (size_t i = 0; i < testing_count(t); i++) {
        const struct test_outcome *o = testing_at(t, i);
        const struct rule_info *info = rules_info(v->engine->rules, o->rule);
        struct json_writer w = json_writer(&b);

        json_object(&w);
        json_member_slice(&w, "rule", info->id);
        json_member_slice(&w, "title", info->title);
        json_member_slice(&w, "test", o->name);
        json_member_slice(&w, "file", info->file);
        json_member_u64(&w, "line", o->at.line);
        json_member_bool(&w, "good", !o->failed);
        json_member_slice(&w, "expected", o->expected);
        json_member_u64(&w, "got", o->got);
        if (o->failed)
            json_member_slice(&w, "fault", o->fault);
        json_object_end(&w);
        if (print_json(v->cli, &b))
            return EXIT_FAILED;
    }
    return EXIT_DONE;
}

static void tell_one(const struct rules_view *v, const struct test_outcome *o, bool colour)
{
    const struct rule_info *info = rules_info(v->engine->rules, o->rule);
    const char *mark = !o->failed ? colour ? "\033[32mgood\033[0m" : "good"
                       : colour   ? "\033[31mFAILED\033[0m"
                                  : "FAILED";
    AUTO_BUF b = BUF_INIT;

    buf_printf(&b, "  %s  ", mark);
    buf_printable(&b, o->name);
    if (o->failed) {
        buf_printf(&b, "\n        %.*s:%u: ", SLICE_FMT(info->file), o->at.line);
        buf_printable(&b, o->fault);
    }
    fprintf(v->cli->out, "%.*s\n", SLICE_FMT(buf_view(&b)));
}

static void tell_text(struct rules_view *v, const struct testing *t)
{
    bool colour = term_colour(v->cli->out), quiet = cli_has(v->cli, CLI_QUIET);
    size_t last = SIZE_MAX;

    for (size_t i = 0; i < testing_count(t); i++) {
        const struct test_outcome *o = testing_at(t, i);
        const struct rule_info *info = rules_info(v->engine->rules, o->rule);
        AUTO_BUF title = BUF_INIT;

        if (quiet && !o->failed)
            continue;
        buf_printable(&title, info->title);
        if (o->rule != last)
            fprintf(v->cli->out, "%.*s\n", SLICE_FMT(buf_view(&title)));
        last = o->rule;
        tell_one(v, o, colour);
    }
    if (!quiet)
        fprintf(v->cli->out, "%zu tests, %zu failed\n", testing_count(t), testing_failed(t));
}

static int run(struct rules_view *v, const struct selection *s)
{
    AUTO_FREE bool *wanted = calloc(rules_count(v->engine->rules) + 1, sizeof *wanted);
    AUTO(testing) t = NULL;
    int r = wanted ? select_rules(v, s, wanted) : out_of_memory();

    if (r)
        return r;
    t = testing_new(v->engine, wanted);
    if (!t || testing_run(t, NULL, NULL) < 0)
        return out_of_memory();
    if (cli_has(v->cli, CLI_JSON))
        r = tell_json(v, t);
    else
        tell_text(v, t);
    return r ? r : testing_failed(t) ? EXIT_ANSWER_NO : EXIT_DONE;
}

int command_rules_test(struct cli *cli)
{
    struct selection s = { 0 };
    struct rules_view v = { 0 };
    int r = sort_arguments(cli, &s);

    if (r == EXIT_DONE)
        r = rules_view_open(&v, cli, s.paths, s.npaths, false);
    if (r == EXIT_DONE)
        r = run(&v, &s);
    rules_view_fini(&v);
    free(s.paths);
    return r;
}
