/* rules show: everything of one rule, in the order in which a reader asks. */
#include <errno.h>

#include "base/num.h"
#include "base/term.h"
#include "base/utf8.h"
#include "logwatch/commands/rules.h"

#define LITERALS_SHOWN 8

struct showing {
    struct rules_view view;
    const struct rule_info *info;
    const struct yaml *doc;
    size_t rule;
    struct lane lane;
    struct buf out;
    struct json_writer w;
    bool json, colour;
};

static const struct rules *rules_of(const struct showing *s)
{
    return s->view.engine->rules;
}

/* ---- for people ---- */

static void row(struct showing *s, const char *name, struct slice text)
{
    text = slice_trim(text);
    if (!text.n)
        return;
    buf_printf(&s->out, "%-12s ", name);
    for (struct slice rest = text, line; slice_split(&rest, '\n', &line);) {
        if (line.p != text.p)
            buf_str(&s->out, "\n             ");
        buf_printable(&s->out, slice_trim(line));
    }
    buf_char(&s->out, '\n');
}

static void row_str(struct showing *s, const char *name, const char *text)
{
    row(s, name, slice_str(text));
}

static void row_yaml(struct showing *s, const char *name, const struct yaml *y)
{
    AUTO_BUF b = BUF_INIT;

    if (!y || yaml_is_null(y))
        return;
    if (y->kind == YAML_SEQ) /* a line for each */
        YAML_EACH (item, y) {
            buf_str(&b, b.n ? "\n" : "");
            buf_yaml(&b, item);
        }
    else
        buf_yaml(&b, y);
    row(s, name, buf_view(&b));
}

static void heading(struct showing *s, const char *text)
{
    buf_printf(&s->out, "%s%s%s\n", s->colour ? "\033[1m" : "", text, s->colour ? "\033[0m" : "");
}

static void tree_line(void *ctx, unsigned depth, struct slice text)
{
    struct showing *s = ctx;

    if (s->json) {
        json_object(&s->w);
        json_member_u64(&s->w, "depth", depth);
        json_member_slice(&s->w, "text", text);
        json_object_end(&s->w);
        return;
    }
    buf_printf(&s->out, "  %*s", (int)depth * 2, "");
    buf_printable(&s->out, text);
    buf_char(&s->out, '\n');
}

static void place_row(struct showing *s)
{
    AUTO_BUF b = BUF_INIT;

    buf_printf(&b, "%.*s:%u", SLICE_FMT(s->info->file), s->info->at.line);
    row(s, "file", buf_view(&b));
}

static void source_row(struct showing *s)
{
    const struct formats *formats = s->view.engine->formats;
    const char *idle = idle_reason(&s->view, s->rule);
    AUTO_BUF b = BUF_INIT;
    bool any = false;

    if (s->info->kind == RULE_DETECTION)
        buf_logsource(&b, s->info->logsource);
    for (size_t i = 0; !idle && i < formats_count(formats); i++)
        if (rule_is_for(s->view.engine, s->rule, formats_at(formats, i))) {
            buf_printf(&b, "%s%.*s",
                       any   ? ", "
                       : b.n ? ", given by "
                             : "given by ",
                       SLICE_FMT(format_name(formats_at(formats, i))));
            any = true;
        }
    row(s, "log source", buf_view(&b));
    if (idle)
        row_str(s, "evaluated", arena_printf(s->view.arena, "never: %s", idle));
}

static void counts_rows(struct showing *s)
{
    const struct rules *r = rules_of(s);

    for (size_t i = 0; i < rules_count(r); i++) {
        const struct rule_info *info = rules_info(r, i);
        bool part = i != s->rule && rules_part(r, s->rule, i) != SIZE_MAX;
        bool whole = i != s->rule && rules_part(r, i, s->rule) != SIZE_MAX;
        AUTO_BUF b = BUF_INIT;

        buf_printf(&b, "%.*s (%.*s)", SLICE_FMT(info->title), SLICE_FMT(rule_handle(info)));
        if (part)
            row(s, "counts", buf_view(&b));
        if (whole)
            row(s, "counted by", buf_view(&b));
    }
    if (s->info->silent)
        row_str(s, "tells", "nothing itself: it is only counted");
}

static void filter_rows(struct showing *s)
{
    const struct rules *r = rules_of(s);

    for (size_t f = 0; f < rules_filters(r); f++) {
        const struct yaml *doc = rules_filter_document(r, f);
        AUTO_BUF b = BUF_INIT;

        if (!rules_filter_of(r, f, s->rule))
            continue;
        buf_printf(&b, "%.*s (%s:%u)", SLICE_FMT(rules_filter_title(r, f)),
                   doc->at.file ? doc->at.file : "", doc->at.line);
        row(s, "filtered by", buf_view(&b));
    }
}

static void lane_row(struct showing *s)
{
    AUTO_BUF b = BUF_INIT;

    if (s->lane.kind == LANE_NEVER || s->lane.kind == LANE_WINDOW)
        return;
    buf_str(&b, lane_names[s->lane.kind]);
    if (s->lane.kind == LANE_FIELD)
        buf_printf(&b, ": each line is parsed, for %s", s->lane.why);
    for (size_t i = 0; i < s->lane.nliterals && i < LITERALS_SHOWN; i++) {
        buf_str(&b, i ? " or " : ": a line must hold ");
        literal_show(&b, s->lane.literals[i]);
    }
    if (s->lane.nliterals > LITERALS_SHOWN)
        buf_printf(&b, " and %zu more", s->lane.nliterals - LITERALS_SHOWN);
    row(s, "lane", buf_view(&b));
}

static void cost_row(struct showing *s)
{
    struct rules_cost cost = rules_cost(rules_of(s), s->rule);

    if (s->info->kind != RULE_DETECTION || !cost.predicates)
        return;
    row_str(s, "cost",
            arena_printf(s->view.arena, "%s: %zu predicates, %zu keywords, %zu regexes",
                         cost_names[cost.cost], cost.predicates, cost.keywords, cost.regexes));
}

static void response_rows(struct showing *s)
{
    YAML_EACH (m, yaml_get(s->doc, "trailwarden")) {
        if (slice_is(m->key, "tests"))
            continue;
        row_yaml(s, arena_str(s->view.arena, m->key), m);
    }
    row_str(s, "tests", arena_printf(s->view.arena, "%zu", s->info->ntests));
}

static void tags_row(struct showing *s)
{
    AUTO_BUF b = BUF_INIT;

    for (size_t i = 0; i < s->info->ntags; i++)
        buf_printf(&b, "%s%.*s", i ? ", " : "", SLICE_FMT(s->info->tags[i]));
    row(s, "tags", buf_view(&b));
}

static void correlation_rows(struct showing *s)
{
    YAML_EACH (m, yaml_get(s->doc, "correlation"))
        if (!slice_is(m->key, "rules")) {
            AUTO_BUF b = BUF_INIT;

            buf_yaml(&b, m);
            row(s, arena_str(s->view.arena, m->key), buf_view(&b));
        }
}

static int show_text(struct showing *s)
{
    static const char *const plain[][2] = {
        { "license", "license" },       { "date", "date" },
        { "modified", "modified" },     { "description", "description" },
        { "references", "references" }, { "falsepositives", "innocent" }
    };
    const struct rules_lines tree = { tree_line, s };
    AUTO_BUF title = BUF_INIT;

    buf_printable(&title, s->info->title);
    heading(s, title.p ? title.p : "");
    row(s, "id", s->info->id);
    row(s, "name", s->info->name);
    place_row(s);
    row_str(s, "kind", rule_kind_name(s->info));
    row_str(s, "level", level_name(s->info->level));
    row(s, "status", s->info->status);
    row(s, "author", s->info->author);
    for (size_t i = 0; i < ARRAY_SIZE(plain); i++)
        row_yaml(s, plain[i][1], yaml_get(s->doc, plain[i][0]));
    tags_row(s);
    source_row(s);
    correlation_rows(s);
    counts_rows(s);
    filter_rows(s);
    response_rows(s);
    lane_row(s);
    cost_row(s);
    if (s->info->kind == RULE_DETECTION) {
        buf_char(&s->out, '\n');
        heading(s, "condition");
        rules_tree(rules_of(s), s->rule, &tree);
    }
    if (!buf_ok(&s->out))
        return out_of_memory();
    fprintf(s->view.cli->out, "%.*s", SLICE_FMT(buf_view(&s->out)));
    return EXIT_DONE;
}

/* ---- as JSON ---- */

static void json_rule(struct showing *s, size_t i)
{
    const struct rule_info *info = rules_info(rules_of(s), i);

    json_object(&s->w);
    json_member_slice(&s->w, "id", info->id);
    json_member_slice(&s->w, "title", info->title);
    json_object_end(&s->w);
}

static void json_relations(struct showing *s, const char *key, bool parts)
{
    const struct rules *r = rules_of(s);

    json_key(&s->w, key);
    json_array(&s->w);
    for (size_t i = 0; i < rules_count(r); i++)
        if (i != s->rule &&
            (parts ? rules_part(r, s->rule, i) : rules_part(r, i, s->rule)) != SIZE_MAX)
            json_rule(s, i);
    json_array_end(&s->w);
}

static void json_filters(struct showing *s)
{
    const struct rules *r = rules_of(s);

    json_key(&s->w, "filters");
    json_array(&s->w);
    for (size_t f = 0; f < rules_filters(r); f++) {
        const struct yaml *doc = rules_filter_document(r, f);

        if (!rules_filter_of(r, f, s->rule))
            continue;
        json_object(&s->w);
        json_member_slice(&s->w, "title", rules_filter_title(r, f));
        json_member_str(&s->w, "file", doc->at.file ? doc->at.file : "");
        json_member_u64(&s->w, "line", doc->at.line);
        json_object_end(&s->w);
    }
    json_array_end(&s->w);
}

static void json_cost(struct showing *s)
{
    struct rules_cost cost = rules_cost(rules_of(s), s->rule);

    json_key(&s->w, "cost");
    json_object(&s->w);
    json_member_str(&s->w, "class", cost_names[cost.cost]);
    json_member_u64(&s->w, "predicates", cost.predicates);
    json_member_u64(&s->w, "keywords", cost.keywords);
    json_member_u64(&s->w, "regexes", cost.regexes);
    json_object_end(&s->w);
}

static void json_lane(struct showing *s)
{
    json_member_str(&s->w, "lane", lane_names[s->lane.kind]);
    json_key(&s->w, "literals");
    json_array(&s->w);
    for (size_t i = 0; i < s->lane.nliterals; i++)
        json_put_literal(&s->w, s->lane.literals[i]);
    json_array_end(&s->w);
}

static int show_json(struct showing *s)
{
    const struct rules_lines tree = { tree_line, s };
    const char *idle = idle_reason(&s->view, s->rule);

    json_object(&s->w);
    json_member_slice(&s->w, "id", s->info->id);
    json_member_slice(&s->w, "name", s->info->name);
    json_member_slice(&s->w, "title", s->info->title);
    json_member_str(&s->w, "kind", s->info->kind == RULE_CORRELATION ? "correlation" : "detection");
    json_member_str(&s->w, "level", level_name(s->info->level));
    json_member_place(&s->w, s->info);
    json_member_bool(&s->w, "silent", s->info->silent);
    json_member_bool(&s->w, "evaluated", !idle);
    if (idle)
        json_member_str(&s->w, "reason", idle);
    json_lane(s);
    json_relations(s, "counts", true);
    json_relations(s, "counted_by", false);
    json_filters(s);
    json_cost(s);
    json_key(&s->w, "condition");
    json_array(&s->w);
    rules_tree(rules_of(s), s->rule, &tree);
    json_array_end(&s->w);
    json_member_u64(&s->w, "tests", s->info->ntests);
    json_key(&s->w, "document"); /* description, references, response ...: as written */
    json_put_yaml(&s->w, s->doc);
    json_object_end(&s->w);
    return print_json(s->view.cli, &s->out);
}

int command_rules_show(struct cli *cli)
{
    struct showing s = { .json = cli_has(cli, CLI_JSON), .colour = term_colour(cli->out) };
    int r;

    if (cli->nargs != 1) {
        fputs("trailwarden: rules show needs one rule: its id, name or title\n", stderr);
        return EXIT_USAGE;
    }
    r = rules_view_open(&s.view, cli, NULL, 0, false);
    if (r == EXIT_DONE && (s.rule = rules_view_find(&s.view, cli->args[0])) == SIZE_MAX)
        r = EXIT_FAILED;
    if (r == EXIT_DONE && lane_of_rule(s.view.engine, s.rule, s.view.arena, &s.lane) < 0)
        r = out_of_memory();
    if (r == EXIT_DONE) {
        s.info = rules_info(rules_of(&s), s.rule);
        s.doc = rules_document(rules_of(&s), s.rule);
        s.w = json_writer(&s.out);
        r = s.json ? show_json(&s) : show_text(&s);
    }
    buf_fini(&s.out);
    rules_view_fini(&s.view);
    return r;
}
