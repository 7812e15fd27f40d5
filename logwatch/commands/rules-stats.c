/*
 * rules stats: which lane each rule is in and what it costs; over logs, what
 * came of it.
 *
 * Over logs the rules run twice: once as replay runs them, for the alerts, and
 * once one by one with a clock beside. A match of a line that holds none of
 * its rule's literals would be one that the scan had missed: that is counted
 * and told, and must not be.
 */
#include <errno.h>
#include <time.h>

#include "base/num.h"
#include "base/table.h"
#include "base/term.h"
#include "base/utf8.h"
#include "logwatch/commands/rules.h"
#include "logwatch/replay.h"

#define LITERALS_SHOWN 3
#define HANDLE_MAX 24
#define WIDE 110 /* columns that have room for titles */

struct measured {
    struct lane lane;
    struct rules_cost cost;
    uint64_t asked, candidates, matches, alerts, limits, missed, ns;
};

struct stats {
    struct rules_view view;
    struct measured *rules;
    size_t *order;
    size_t n; /* in order */
    struct rules_scratch *scratch;
    struct table *by_id; /* id -> measured */
    struct buf lower;
    struct progress progress;
    struct replay_stats replayed;
    uint64_t limit, candidates, parsed_anyway;
    bool logs;
};

/* ---- which rules ---- */

static int selected(struct stats *s)
{
    struct cli *cli = s->view.cli;
    const struct engine *e = s->view.engine;
    const char *channel = s->logs ? NULL : cli->values[CLI_CHANNEL];
    const struct format *f = channel ? format_find(e->formats, slice_str(channel)) : NULL;
    size_t only = SIZE_MAX;

    if (channel && !f) {
        fputs("trailwarden: no channel of that name; see `trailwarden help formats`\n", stderr);
        return EXIT_USAGE;
    }
    if (cli_has(cli, CLI_RULE) &&
        (only = rules_view_find(&s->view, cli->values[CLI_RULE])) == SIZE_MAX)
        return EXIT_FAILED;
    for (size_t i = 0; i < rules_count(e->rules); i++)
        if ((only == SIZE_MAX || only == i) && (!f || rule_is_for(e, i, f)))
            s->order[s->n++] = i;
    return EXIT_DONE;
}

static int measure_rules(struct stats *s)
{
    const struct rules *r = s->view.engine->rules;
    size_t n = rules_count(r);

    s->rules = calloc(n + 1, sizeof *s->rules);
    s->order = calloc(n + 1, sizeof *s->order);
    s->scratch = rules_scratch_new(r);
    s->by_id = table_new(0);
    if (!s->rules || !s->order || !s->scratch || !s->by_id)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        struct slice id = rules_info(r, i)->id;

        s->rules[i].cost = rules_cost(r, i);
        if (lane_of_rule(s->view.engine, i, s->view.arena, &s->rules[i].lane) < 0)
            return -ENOMEM;
        if (id.n && !table_get(s->by_id, id) && table_put(s->by_id, id, &s->rules[i]) < 0)
            return -ENOMEM;
    }
    return 0;
}

/* ---- over logs ---- */

static void lower_into(struct buf *out, struct slice raw)
{
    buf_reset(out);
    buf_slice(out, raw);
    for (size_t i = 0; i < out->n; i++)
        if (out->p[i] >= 'A' && out->p[i] <= 'Z')
            out->p[i] = (char)(out->p[i] - 'A' + 'a');
}

static bool holds_literal(const struct lane *lane, struct slice line)
{
    return literals_stand(lane->literals, lane->nliterals, line) &&
           (!lane->nalso || literals_stand(lane->also, lane->nalso, line));
}

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static bool timed(struct stats *s, size_t rule, const struct event *ev)
{
    struct measured *m = &s->rules[rule];
    uint64_t limits = rules_scratch_limits(s->scratch), start = now_ns();
    bool held = rules_holds(s->view.engine->rules, s->scratch, rule, ev);

    m->ns += now_ns() - start;
    m->limits += rules_scratch_limits(s->scratch) - limits;
    m->matches += held;
    return held;
}

static void on_event(void *ctx, const struct event *ev)
{
    struct stats *s = ctx;
    const struct rules *r = s->view.engine->rules;
    const struct format *f = format_find(s->view.engine->formats, ev->format);
    bool candidate = false, anyway = false, passes = !f || lane_passes_over(f, ev->raw);

    lower_into(&s->lower, ev->raw);
    for (size_t i = 0; i < rules_count(r); i++) {
        struct measured *m = &s->rules[i];
        bool held, literal;

        if (m->lane.kind > LANE_FIELD ||
            !logsource_matches(rules_info(r, i)->logsource, ev->logsource))
            continue;
        literal =
            passes || m->lane.kind == LANE_FIELD || holds_literal(&m->lane, buf_view(&s->lower));
        held = timed(s, i, ev);
        m->asked++;
        m->candidates += literal;
        m->missed += held && !literal;
        candidate = candidate || (literal && m->lane.kind == LANE_SCAN);
        anyway = anyway || m->lane.kind == LANE_FIELD;
    }
    s->candidates += candidate;
    s->parsed_anyway += anyway;
}

static int on_alert(void *ctx, const struct alert *a)
{
    struct stats *s = ctx;
    struct measured *m = table_get(s->by_id, a->rule_id);

    if (m)
        m->alerts++;
    return 0;
}

static void on_progress(void *ctx, uint64_t bytes, uint64_t lines)
{
    struct stats *s = ctx;

    progress_step(&s->progress, bytes, lines);
}

static struct replay_file *files_of(struct stats *s)
{
    struct cli *cli = s->view.cli;
    const char *channel = cli->values[CLI_CHANNEL];
    const struct formats *formats = s->view.engine->formats;
    const struct format *f = channel ? format_find(formats, slice_str(channel)) : NULL;
    struct replay_file *files = arena_array(s->view.arena, cli->nargs, sizeof *files);

    for (size_t i = 0; files && i < cli->nargs; i++) {
        files[i] = (struct replay_file){ .path = cli->args[i],
                                         .channel = channel,
                                         .zone = cli->values[CLI_ZONE],
                                         .journal = replay_is_journal(cli->args[i]) };
        if (files[i].journal && f)
            files[i].units = format_units(f);
    }
    return files;
}

static int play(struct stats *s)
{
    struct cli *cli = s->view.cli;
    struct replay_request q = { .engine = s->view.engine,
                                .files = files_of(s),
                                .nfiles = cli->nargs,
                                .alert = on_alert,
                                .event = on_event,
                                .progress = on_progress,
                                .ctx = s };
    struct err err = ERR_NONE;
    int r;

    if (!q.files)
        return out_of_memory();
    progress_start(&s->progress, "stats", files_size(cli->args, cli->nargs));
    r = replay_run(&q, &s->replayed, &err);
    progress_end(&s->progress);
    return r < 0 ? cli_error(&err) : EXIT_DONE;
}

/* ---- telling ---- */

static int slowest_first(const void *a, const void *b, void *ctx)
{
    const struct stats *s = ctx;
    size_t i = *(const size_t *)a, j = *(const size_t *)b;
    uint64_t x = s->rules[i].ns, y = s->rules[j].ns;

    return x != y ? (x < y) - (x > y) : (i > j) - (i < j);
}

static void literals_text(const struct lane *lane, struct buf *out)
{
    if (lane->kind == LANE_FIELD)
        buf_str(out, lane->why);
    for (size_t i = 0; i < lane->nliterals && i < LITERALS_SHOWN; i++) {
        buf_str(out, i ? " " : "");
        literal_show(out, lane->literals[i]);
    }
    if (lane->nliterals > LITERALS_SHOWN)
        buf_printf(out, " and %zu more", lane->nliterals - LITERALS_SHOWN);
}

/* Without a title beside it a rule is better known by its own than by an id. */
static void handle_cell(struct text_table *t, const struct rule_info *info, bool titled)
{
    text_table_cell(t, info->name.n ? utf8_cut(info->name, HANDLE_MAX)
                       : titled     ? slice_take(info->id, 8)
                                    : utf8_cut(info->title, HANDLE_MAX));
}

static void table_lanes(const struct stats *s)
{
    static const char *const headings[] = { "LANE",    "COST", "PREDICATES",
                                            "REGEXES", "RULE", "LITERALS, OR WHY THERE IS NONE",
                                            NULL };
    AUTO(text_table) t = text_table_new(headings);
    uint64_t shown = 0;

    for (size_t k = 0; t && k < s->n; k++) {
        const struct measured *m = &s->rules[s->order[k]];
        AUTO_BUF b = BUF_INIT;

        if (m->lane.kind > LANE_FIELD || shown++ >= s->limit)
            continue;
        literals_text(&m->lane, &b);
        text_table_cell(t, slice_str(lane_names[m->lane.kind]));
        text_table_cell(t, slice_str(cost_names[m->cost.cost]));
        text_table_cellf(t, "%zu", m->cost.predicates);
        text_table_cellf(t, "%zu", m->cost.regexes);
        handle_cell(t, rules_info(s->view.engine->rules, s->order[k]), false);
        text_table_cell(t, buf_view(&b));
    }
    if (t)
        text_table_print(t, s->view.cli->out);
}

static void percent(struct buf *b, uint64_t part, uint64_t whole)
{
    if (whole)
        buf_printf(b, "%.1f%%", (double)part * 100 / (double)whole);
    else
        buf_str(b, "-");
}

static void row_of_log(const struct stats *s, struct text_table *t, size_t rule, bool titled)
{
    const struct measured *m = &s->rules[rule];
    const struct rule_info *info = rules_info(s->view.engine->rules, rule);
    AUTO_BUF share = BUF_INIT;

    percent(&share, m->candidates, m->asked);
    handle_cell(t, info, titled);
    text_table_cell(t, slice_str(lane_names[m->lane.kind]));
    text_table_cellf(t, "%.2f", (double)m->ns / 1e6);
    text_table_cellf(t, "%llu", (unsigned long long)m->asked);
    text_table_cell(t, buf_view(&share));
    text_table_cellf(t, "%llu", (unsigned long long)m->matches);
    text_table_cellf(t, "%llu", (unsigned long long)m->alerts);
    text_table_cellf(t, "%llu", (unsigned long long)m->limits);
    if (titled)
        text_table_cell(t, info->title);
}

static void summary(const struct stats *s)
{
    FILE *out = s->view.cli->out;
    uint64_t missed = 0, events = s->replayed.events;
    AUTO_BUF b = BUF_INIT;

    percent(&b, s->candidates, events);
    fprintf(out, "\n%llu lines, %llu events; %.*s hold a literal of a rule in the scan lane",
            (unsigned long long)s->replayed.lines, (unsigned long long)events,
            SLICE_FMT(buf_view(&b)));
    buf_reset(&b);
    percent(&b, s->parsed_anyway, events);
    fprintf(out, ",\n%.*s are parsed anyway for a rule in the field lane; %llu alerts\n",
            SLICE_FMT(buf_view(&b)), (unsigned long long)s->replayed.alerts);
    for (size_t k = 0; k < s->n; k++)
        missed += s->rules[s->order[k]].missed;
    if (missed)
        fprintf(out, "%llu matches were of lines without a literal of their rule: report this\n",
                (unsigned long long)missed);
}

static void table_logs(const struct stats *s)
{
    static const char *const headings[] = { "RULE",    "LANE",   "MS",     "LINES", "WITH",
                                            "MATCHES", "ALERTS", "LIMITS", "TITLE", NULL };
    static const char *const narrow[] = { "RULE",    "LANE",   "MS",     "LINES", "WITH",
                                          "MATCHES", "ALERTS", "LIMITS", NULL };
    FILE *out = s->view.cli->out;
    bool titled = !isatty(fileno(out)) || term_width(out) >= WIDE;
    AUTO(text_table) t = text_table_new(titled ? headings : narrow);
    uint64_t shown = 0;

    for (size_t k = 0; t && k < s->n; k++) {
        const struct measured *m = &s->rules[s->order[k]];

        /* Rules of other channels say nothing about this log. */
        if ((m->asked || m->alerts) && shown++ < s->limit)
            row_of_log(s, t, s->order[k], titled);
    }
    if (t)
        text_table_print(t, s->view.cli->out);
    summary(s);
}

static void json_of(const struct stats *s, size_t rule, struct json_writer *w)
{
    const struct measured *m = &s->rules[rule];
    const struct rule_info *info = rules_info(s->view.engine->rules, rule);

    json_object(w);
    json_member_slice(w, "id", info->id);
    json_member_slice(w, "name", info->name);
    json_member_slice(w, "title", info->title);
    json_member_str(w, "lane", lane_names[m->lane.kind]);
    json_key(w, "literals");
    json_array(w);
    for (size_t i = 0; i < m->lane.nliterals; i++)
        json_put_literal(w, m->lane.literals[i]);
    json_array_end(w);
    if (m->lane.why)
        json_member_str(w, "why", m->lane.why);
    json_member_str(w, "cost", cost_names[m->cost.cost]);
    json_member_u64(w, "predicates", m->cost.predicates);
    json_member_u64(w, "regexes", m->cost.regexes);
    if (s->logs) {
        json_member_u64(w, "lines", m->asked);
        json_member_u64(w, "candidates", m->candidates);
        json_member_u64(w, "matches", m->matches);
        json_member_u64(w, "alerts", m->alerts);
        json_member_u64(w, "regex_limits", m->limits);
        json_member_u64(w, "missed", m->missed);
        json_member_u64(w, "time_us", m->ns / 1000);
    }
    json_object_end(w);
}

static int tell_json(const struct stats *s)
{
    AUTO_BUF b = BUF_INIT;
    struct json_writer w = json_writer(&b);

    json_object(&w);
    if (s->logs) {
        json_member_u64(&w, "lines", s->replayed.lines);
        json_member_u64(&w, "events", s->replayed.events);
        json_member_u64(&w, "candidates", s->candidates);
        json_member_u64(&w, "parsed_anyway", s->parsed_anyway);
        json_member_u64(&w, "alerts", s->replayed.alerts);
    }
    json_key(&w, "rules");
    json_array(&w);
    for (size_t k = 0; k < s->n && k < s->limit; k++)
        json_of(s, s->order[k], &w);
    json_array_end(&w);
    json_object_end(&w);
    return print_json(s->view.cli, &b);
}

static int tell(struct stats *s)
{
    struct cli *cli = s->view.cli;

    s->limit = UINT64_MAX;
    if (cli_has(cli, CLI_LIMIT) &&
        parse_u64(slice_str(cli->values[CLI_LIMIT]), 1, UINT32_MAX, &s->limit) < 0) {
        fputs("trailwarden: --limit is a number\n", stderr);
        return EXIT_USAGE;
    }
    if (s->logs)
        qsort_r(s->order, s->n, sizeof *s->order, slowest_first, s);
    if (cli_has(cli, CLI_JSON))
        return tell_json(s);
    (s->logs ? table_logs : table_lanes)(s);
    return EXIT_DONE;
}

int command_rules_stats(struct cli *cli)
{
    struct stats s = { .logs = cli->nargs > 0 };
    int r = rules_view_open(&s.view, cli, NULL, 0, false);

    if (r == EXIT_DONE && measure_rules(&s) < 0)
        r = out_of_memory();
    if (r == EXIT_DONE)
        r = selected(&s);
    if (r == EXIT_DONE && s.logs)
        r = play(&s);
    if (r == EXIT_DONE)
        r = tell(&s);
    free(s.rules);
    free(s.order);
    rules_scratch_free(s.scratch);
    table_free(s.by_id);
    buf_fini(&s.lower);
    rules_view_fini(&s.view);
    return r;
}
