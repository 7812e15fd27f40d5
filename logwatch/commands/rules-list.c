/* rules list: what is loaded, and what of it is never evaluated. */
#include <errno.h>

#include "base/num.h"
#include "base/term.h"
#include "base/utf8.h"
#include "logwatch/commands/rules.h"

#define IDLE_SHOWN 20
#define NARROW 120 /* columns; below them a long handle is cut */
#define HANDLE_NARROW 18

struct listing {
    struct rules_view view;
    const struct format *format; /* of --channel */
    enum level level;
    size_t only; /* of --rule */
    uint64_t limit;
    size_t shown, idle;
    size_t handle_max;
    struct text_table *table;
};

static int filters(struct listing *l)
{
    struct cli *cli = l->view.cli;
    const char *channel = cli->values[CLI_CHANNEL], *level = cli->values[CLI_LEVEL];

    l->only = SIZE_MAX;
    l->limit = UINT64_MAX;
    if (channel && !(l->format = format_find(l->view.engine->formats, slice_str(channel)))) {
        fputs("trailwarden: no channel of that name; see `trailwarden help formats`\n", stderr);
        return EXIT_USAGE;
    }
    if (level && level_parse(slice_str(level), &l->level) < 0) {
        fputs("trailwarden: --level is informational, low, medium, high or critical\n", stderr);
        return EXIT_USAGE;
    }
    if (cli_has(cli, CLI_LIMIT) &&
        parse_u64(slice_str(cli->values[CLI_LIMIT]), 1, UINT32_MAX, &l->limit) < 0) {
        fputs("trailwarden: --limit is a number\n", stderr);
        return EXIT_USAGE;
    }
    if (cli_has(cli, CLI_RULE) &&
        (l->only = rules_view_find(&l->view, cli->values[CLI_RULE])) == SIZE_MAX)
        return EXIT_FAILED;
    return EXIT_DONE;
}

static bool wanted(const struct listing *l, size_t i)
{
    const struct rule_info *info = rules_info(l->view.engine->rules, i);

    return (l->only == SIZE_MAX || l->only == i) && info->level >= l->level &&
           (!l->format || rule_is_for(l->view.engine, i, l->format)) && l->shown < l->limit;
}

/* A correlation's is that of the rules that it counts, when they have but one. */
static void source_text(const struct listing *l, size_t i, struct buf *out)
{
    const struct rules *r = l->view.engine->rules;
    const struct rule_info *info = rules_info(r, i);
    AUTO_BUF one = BUF_INIT;

    if (info->kind == RULE_DETECTION) {
        buf_logsource(out, info->logsource);
        return;
    }
    for (size_t p = 0; p < rules_count(r); p++) {
        if (p == i || rules_part(r, i, p) == SIZE_MAX)
            continue;
        buf_reset(&one);
        source_text(l, p, &one);
        if (out->n && !slice_eq(buf_view(out), buf_view(&one))) {
            buf_reset(out);
            buf_str(out, "several");
            return;
        }
        if (!out->n)
            buf_slice(out, buf_view(&one));
    }
}

static int list_json(struct listing *l, size_t i, const struct lane *lane, const char *idle)
{
    const struct rule_info *info = rules_info(l->view.engine->rules, i);
    AUTO_BUF b = BUF_INIT;
    AUTO_BUF source = BUF_INIT;
    struct json_writer w = json_writer(&b);

    source_text(l, i, &source);
    json_object(&w);
    json_member_slice(&w, "id", info->id);
    json_member_slice(&w, "name", info->name);
    json_member_slice(&w, "title", info->title);
    json_member_str(&w, "level", level_name(info->level));
    json_member_str(&w, "kind", info->kind == RULE_CORRELATION ? "correlation" : "detection");
    json_member_buf(&w, "source", &source);
    json_member_place(&w, info);
    json_member_bool(&w, "evaluated", !idle);
    if (idle)
        json_member_str(&w, "reason", idle);
    json_member_str(&w, "lane", lane_names[lane->kind]);
    json_member_bool(&w, "silent", info->silent);
    json_member_u64(&w, "tests", info->ntests);
    json_object_end(&w);
    return print_json(l->view.cli, &b);
}

static void list_row(struct listing *l, size_t i, const struct lane *lane)
{
    const struct rule_info *info = rules_info(l->view.engine->rules, i);
    struct slice handle = rule_handle(info);
    AUTO_BUF source = BUF_INIT;

    source_text(l, i, &source);
    text_table_cell(l->table, slice_str(level_short(info->level)));
    text_table_cell(l->table, slice_str(rule_kind_name(info)));
    text_table_cell(l->table, slice_str(lane_names[lane->kind]));
    text_table_cell(l->table, buf_view(&source));
    text_table_cellf(l->table, "%zu", info->ntests);
    text_table_cell(l->table,
                    !info->name.n ? slice_take(handle, 8) : utf8_cut(handle, l->handle_max));
    text_table_cell(l->table, info->title);
}

static int list(struct listing *l)
{
    for (size_t i = 0; i < rules_count(l->view.engine->rules); i++) {
        struct lane lane;
        const char *idle;

        if (!wanted(l, i))
            continue;
        if (lane_of_rule(l->view.engine, i, l->view.arena, &lane) < 0)
            return out_of_memory();
        idle = idle_reason(&l->view, i);
        l->shown++;
        l->idle += idle != NULL;
        if (!cli_has(l->view.cli, CLI_JSON))
            list_row(l, i, &lane);
        else if (list_json(l, i, &lane, idle))
            return EXIT_FAILED;
    }
    return EXIT_DONE;
}

static void list_idle(struct listing *l)
{
    FILE *out = l->view.cli->out;
    size_t shown = 0, n = 0;

    if (l->idle)
        fprintf(out, "\n%zu never evaluated:\n", l->idle);
    for (size_t i = 0; l->idle && i < rules_count(l->view.engine->rules); i++) {
        const struct rule_info *info = rules_info(l->view.engine->rules, i);
        const char *why = idle_reason(&l->view, i);
        AUTO_BUF text = BUF_INIT;

        if (!why || info->level < l->level || (l->only != SIZE_MAX && l->only != i) ||
            (l->format && !rule_is_for(l->view.engine, i, l->format)) || n++ >= l->idle ||
            shown++ >= IDLE_SHOWN)
            continue;
        buf_printable(&text, info->title);
        buf_str(&text, ": ");
        buf_printable(&text, slice_str(why));
        fprintf(out, "  %.*s\n", SLICE_FMT(buf_view(&text)));
    }
    if (l->idle > IDLE_SHOWN)
        fprintf(out, "  and %zu more; --json tells all\n", l->idle - IDLE_SHOWN);
}

int command_rules_list(struct cli *cli)
{
    static const char *const headings[] = { "LEVEL", "KIND", "LANE",  "SOURCE",
                                            "TESTS", "RULE", "TITLE", NULL };
    AUTO(text_table) table = text_table_new(headings);
    struct listing l = { .table = table, .handle_max = SIZE_MAX };
    int r = rules_view_open(&l.view, cli, cli->args, cli->nargs, false);

    if (isatty(fileno(cli->out)) && term_width(cli->out) < NARROW)
        l.handle_max = HANDLE_NARROW;
    if (r == EXIT_DONE)
        r = filters(&l);
    if (r == EXIT_DONE)
        r = list(&l);
    if (r == EXIT_DONE && !cli_has(cli, CLI_JSON) && l.shown) {
        text_table_print(table, cli->out);
        list_idle(&l);
    }
    if (r == EXIT_DONE && l.shown == 0 && cli_has(cli, CLI_FAIL_EMPTY))
        r = EXIT_NOTHING;
    rules_view_fini(&l.view);
    return r;
}
