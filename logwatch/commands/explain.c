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
#include "base/utf8.h"
#include "logwatch/commands/explain.h"

#define NEAR_MIN 340 /* of 1000: a rule of which a third held is worth showing */
#define INPUT_BYTES (16u << 20)
#define LINES_MAX 100000
#define EARLIER_MAX 1000 /* alerts of lines before the last one */
#define EARLIER_SHOWN 10

/* An alert of an earlier line. */
struct earlier {
    size_t line, rule;
    uint64_t time_us;
    const char *group; /* as buf_group() has it */
};

struct explaining {
    struct cli *cli;
    struct rules_view view;
    const struct engine *engine;
    const struct config *config; /* NULL: nobody is told */
    struct config *extra; /* --config beside --rules */
    struct rules_scratch *scratch;
    struct parser_scratch *parser;
    struct parser_source source;
    struct correlator *correlator;
    struct geo *geo;
    struct arena *arena; /* of the line at hand */
    struct batch batch; /* what the last line came to */
    struct event event;
    struct seen seen;
    struct earlier earlier[EARLIER_MAX];
    size_t nearlier, lines, only;
    struct buf out;
    struct json_writer w;
    bool json;
    bool colour;
};

static void line(struct explaining *x, const char *fmt, ...) PRINTF_LIKE(2, 3);

static void line(struct explaining *x, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    buf_vprintf(&x->out, fmt, args);
    va_end(args);
    buf_char(&x->out, '\n');
}

static void printable(struct explaining *x, struct slice s)
{
    buf_printable(&x->out, s);
}

static void show_event(struct explaining *x, const struct event *ev)
{
    char time[TIME_TEXT_SIZE];

    if (x->json) {
        json_key(&x->w, "event");
        event_json(ev, &x->w);
        return;
    }
    time_text(ev->time_us, time);
    if (ev->flags & EVENT_UNPARSED)
        line(x, "format   none knows this line: it stays an event, marked trailwarden.unparsed");
    else
        line(x, "format   %.*s", SLICE_FMT(ev->format));
    line(x, "time     %s%s", time, ev->flags & EVENT_TIME_GUESSED ? " (the line states none)" : "");
    line(x, "trust    %s", trust_name(ev->trust));
    line(x, "fields");
    for (size_t i = 0; i < ev->nfields; i++) {
        buf_printf(&x->out, "  %-28.*s ", SLICE_FMT(ev->fields[i].name));
        printable(x, utf8_cut(ev->fields[i].value, 200));
        buf_char(&x->out, '\n');
    }
}

static void trace_line(void *ctx, unsigned depth, struct slice text, bool held)
{
    struct explaining *x = ctx;

    if (x->json) {
        json_object(&x->w);
        json_member_u64(&x->w, "depth", depth);
        json_member_slice(&x->w, "text", text);
        json_member_bool(&x->w, "held", held);
        json_object_end(&x->w);
        return;
    }
    buf_printf(&x->out, "    %*s%s ", (int)depth * 2, "",
               held        ? x->colour ? "\033[32myes\033[0m" : "yes"
               : x->colour ? "\033[31mno\033[0m "
                           : "no ");
    printable(x, text);
    buf_char(&x->out, '\n');
}

enum outcome_of { MATCHED, FILTERED, NEAR };

static const char *verdict_of(const struct rule_info *info, enum outcome_of outcome,
                              const struct event *ev)
{
    bool held = outcome == MATCHED;

    if (outcome == FILTERED)
        return "would match, but a filter removed it";
    if (!info->evaluated)
        return "never evaluated: no channel gives its log source";
    if (held && (ev->flags & EVENT_DUPLICATE))
        return "matches, but another line told this event already: not counted";
    if (held && info->silent)
        return "matches, and is counted by a correlation";
    return held ? "matches" : "nearly matches";
}

/* The filters that did not let the event through. */
static void show_filters(struct explaining *x, size_t i, const struct event *ev)
{
    const struct rules *r = x->engine->rules;

    for (size_t f = 0; f < rules_filters(r); f++) {
        const struct yaml *doc = rules_filter_document(r, f);

        if (!rules_filter_of(r, f, i) || rules_filter_passes(r, x->scratch, f, ev))
            continue;
        if (!x->json) {
            line(x, "    filter '%.*s' (%s:%u)", SLICE_FMT(rules_filter_title(r, f)),
                 doc->at.file ? doc->at.file : "", doc->at.line);
            continue;
        }
        json_object(&x->w);
        json_member_slice(&x->w, "title", rules_filter_title(r, f));
        json_member_str(&x->w, "file", doc->at.file ? doc->at.file : "");
        json_member_u64(&x->w, "line", doc->at.line);
        json_object_end(&x->w);
    }
}

static void show_rule_json(struct explaining *x, size_t i, enum outcome_of outcome,
                           const struct event *ev)
{
    const struct rule_info *info = rules_info(x->engine->rules, i);
    const struct rules_trace trace = { trace_line, x };

    json_object(&x->w);
    json_member_slice(&x->w, "id", info->id);
    json_member_slice(&x->w, "title", info->title);
    json_member_bool(&x->w, "matched", outcome == MATCHED);
    json_member_str(&x->w, "verdict", verdict_of(info, outcome, ev));
    json_key(&x->w, "filtered_by");
    json_array(&x->w);
    if (outcome == FILTERED)
        show_filters(x, i, ev);
    json_array_end(&x->w);
    json_key(&x->w, "why");
    json_array(&x->w);
    rules_explain(x->engine->rules, x->scratch, i, ev, &trace);
    json_array_end(&x->w);
    json_object_end(&x->w);
}

static void show_rule(struct explaining *x, size_t i, enum outcome_of outcome,
                      const struct event *ev)
{
    const struct rule_info *info = rules_info(x->engine->rules, i);
    const struct rules_trace trace = { trace_line, x };

    if (x->json) {
        show_rule_json(x, i, outcome, ev);
        return;
    }
    buf_str(&x->out, "  ");
    printable(x, info->title);
    line(x, ": %s", verdict_of(info, outcome, ev));
    if (outcome == FILTERED)
        show_filters(x, i, ev);
    rules_explain(x->engine->rules, x->scratch, i, ev, &trace);
}

static enum outcome_of outcome_of(const struct explaining *x, size_t i, const struct event *ev)
{
    const struct rules *r = x->engine->rules;

    if (rules_info(r, i)->evaluated && rules_holds(r, x->scratch, i, ev))
        return MATCHED;
    return rules_info(r, i)->evaluated && rules_holds_unfiltered(r, x->scratch, i, ev) ? FILTERED
                                                                                       : NEAR;
}

static void show_rules(struct explaining *x, const struct event *ev, enum outcome_of outcome)
{
    static const char *const headings[] = { "rules that match", "rules that a filter kept out",
                                            "rules that nearly match" };
    const struct rules *r = x->engine->rules;
    size_t shown = 0;

    for (size_t i = 0; i < rules_count(r); i++) {
        const struct rule_info *info = rules_info(r, i);

        if (info->kind != RULE_DETECTION || (x->only != SIZE_MAX && i != x->only) ||
            (x->only == SIZE_MAX && !logsources_fit(info->logsource, ev->logsource)) ||
            outcome_of(x, i, ev) != outcome)
            continue;
        if (outcome == NEAR && x->only == SIZE_MAX &&
            rules_nearness(r, x->scratch, i, ev) < NEAR_MIN)
            continue;
        if (!x->json && shown++ == 0)
            line(x, "%s", headings[outcome]);
        show_rule(x, i, outcome, ev);
    }
}

/* ---- windows ---- */

static void alert_group(const struct alert *a, struct buf *out)
{
    for (size_t i = 0; i < a->ngroup; i++) {
        buf_str(out, i ? ", " : "");
        buf_slice(out, a->group[i].value);
    }
    if (a->ngroup == 0)
        buf_str(out, "(all)");
}

/* The last alert of this rule and group before the last line; NULL: none. */
static const struct earlier *told_before(const struct explaining *x, size_t rule,
                                         struct slice group)
{
    for (size_t i = x->nearlier; i-- > 0;)
        if (x->earlier[i].rule == rule && slice_is(group, x->earlier[i].group))
            return &x->earlier[i];
    return NULL;
}

static bool told_now(const struct explaining *x, size_t rule, struct slice group)
{
    for (size_t i = 0; i < x->batch.nalerts; i++) {
        const struct alert *a = x->batch.alerts[i];
        AUTO_BUF b = BUF_INIT;

        alert_group(a, &b);
        if (rules_find(x->engine->rules, a->rule_id) == rule && slice_eq(buf_view(&b), group))
            return true;
    }
    return false;
}

static void set_told(const struct explaining *x, struct window_view *w)
{
    const struct earlier *e;
    uint64_t suppress = rule_suppress_us(x->engine->rules, w->rule);
    AUTO_BUF group = BUF_INIT;

    buf_group(&group, w->group);
    e = told_before(x, w->rule, buf_view(&group));
    w->told_now = told_now(x, w->rule, buf_view(&group));
    w->told_us = e ? e->time_us : 0;
    if (e && suppress && e->time_us + suppress > x->event.time_us)
        w->silent_until_us = e->time_us + suppress;
}

static int show_window(struct explaining *x, const struct signal *s, bool first)
{
    size_t rule = rule_of_signal(x->engine->rules, s->rule);
    const struct rule_info *info = rule == SIZE_MAX ? NULL : rules_info(x->engine->rules, rule);
    struct window_view w;

    if (!info || info->kind != RULE_CORRELATION)
        return 0;
    if (window_look(&x->view, &x->seen, x->correlator, rule, s->group, x->event.time_us, &w) < 0)
        return -ENOMEM;
    set_told(x, &w);
    if (x->json) {
        window_json(&x->view, &w, &x->w);
        return 1;
    }
    if (first)
        line(x, "counted by");
    window_text(&x->view, &w, &x->out);
    return 1;
}

/* A correlation whose rule matched, but whose group-by names what the event lacks. */
static void show_ungrouped(struct explaining *x, size_t i)
{
    const struct rule_info *info = rules_info(x->engine->rules, i);
    const struct yaml *group =
        yaml_get(yaml_get(rules_document(x->engine->rules, i), "correlation"), "group-by");
    AUTO_BUF fields = BUF_INIT;

    if (info->kind != RULE_CORRELATION || !group ||
        !rules_feeds(x->engine->rules, x->scratch, i, &x->event))
        return;
    for (size_t s = 0; s < x->batch.nsignals; s++)
        if (rule_of_signal(x->engine->rules, x->batch.signals[s].rule) == i)
            return;
    buf_yaml(&fields, group);
    buf_str(&x->out, "  ");
    printable(x, info->title);
    line(x, "\n    not counted: the event lacks a field of its group-by %.*s",
         SLICE_FMT(buf_view(&fields)));
}

static int show_windows(struct explaining *x)
{
    bool any = false;

    for (size_t i = 0; i < x->batch.nsignals; i++) {
        int r = show_window(x, &x->batch.signals[i], !any);

        if (r < 0)
            return r;
        any = any || r > 0;
    }
    for (size_t i = 0;
         !x->json && !(x->event.flags & EVENT_DUPLICATE) && i < rules_count(x->engine->rules); i++)
        show_ungrouped(x, i);
    return 0;
}

/* ---- what follows ---- */

/* A detection that matched and told nothing, for it told this group a while ago. */
static void show_suppressed(struct explaining *x, const struct signal *s)
{
    size_t rule = rule_of_signal(x->engine->rules, s->rule);
    AUTO_BUF group = BUF_INIT;
    const struct earlier *e;
    char time[TIME_TEXT_SIZE];

    if (rule == SIZE_MAX || rules_info(x->engine->rules, rule)->kind != RULE_DETECTION)
        return;
    buf_group(&group, s->group);
    e = told_before(x, rule, buf_view(&group));
    if (!e || told_now(x, rule, buf_view(&group)))
        return;
    time_text(e->time_us + rule_suppress_us(x->engine->rules, rule), time);
    buf_str(&x->out, "  no alert: ");
    printable(x, rules_info(x->engine->rules, rule)->title);
    line(x, ": suppressed until %.8s, line %zu told it", time + 11, e->line);
}

static void show_earlier(struct explaining *x)
{
    size_t from = x->nearlier > EARLIER_SHOWN ? x->nearlier - EARLIER_SHOWN : 0;

    if (x->nearlier)
        line(x, "alerts of lines before%s", from ? " (the last ones)" : "");
    for (size_t i = from; i < x->nearlier; i++) {
        const struct earlier *e = &x->earlier[i];

        buf_printf(&x->out, "  line %zu: ", e->line);
        printable(x, rules_info(x->engine->rules, e->rule)->title);
        buf_str(&x->out, ", ");
        printable(x, slice_str(e->group));
        buf_char(&x->out, '\n');
    }
}

static void show_after(struct explaining *x)
{
    bool suppressed = x->batch.nsignals > 0 && x->nearlier > 0;

    show_earlier(x);
    line(x, "what follows");
    for (size_t i = 0; i < x->batch.nalerts; i++)
        alert_text(x->config, x->engine->rules, x->batch.alerts[i], &x->out);
    if (x->batch.nalerts == 0)
        line(x, "  no alert");
    for (size_t i = 0; suppressed && i < x->batch.nsignals; i++)
        show_suppressed(x, &x->batch.signals[i]);
}

static void show_after_json(struct explaining *x)
{
    json_key(&x->w, "alerts");
    json_array(&x->w);
    for (size_t i = 0; i < x->batch.nalerts; i++) {
        json_object(&x->w);
        json_key(&x->w, "alert");
        alert_json(x->batch.alerts[i], &x->w);
        alert_consequences_json(x->config, x->batch.alerts[i], &x->w);
        json_object_end(&x->w);
    }
    json_array_end(&x->w);
    json_key(&x->w, "earlier");
    json_array(&x->w);
    for (size_t i = 0; i < x->nearlier; i++) {
        const struct earlier *e = &x->earlier[i];

        json_object(&x->w);
        json_member_u64(&x->w, "line", e->line);
        json_member_slice(&x->w, "rule", rules_info(x->engine->rules, e->rule)->id);
        json_member_str(&x->w, "group", e->group);
        json_member_time(&x->w, "time", e->time_us);
        json_object_end(&x->w);
    }
    json_array_end(&x->w);
}

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
        alert_group(a, &group);
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
        r = seen_add(&x->seen, x->engine->rules, &x->batch.signals[i]);
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

static int show(struct explaining *x)
{
    x->w = json_writer(&x->out);
    if (x->json) {
        json_object(&x->w);
        json_member_u64(&x->w, "lines", x->lines);
    } else if (x->lines > 1) {
        line(x, "line     the last of %zu", x->lines);
    }
    show_event(x, &x->event);
    if (x->json) {
        json_key(&x->w, "rules");
        json_array(&x->w);
    }
    show_rules(x, &x->event, MATCHED);
    if (!x->json && show_windows(x) < 0)
        return out_of_memory();
    show_rules(x, &x->event, FILTERED);
    show_rules(x, &x->event, NEAR);
    if (!x->json) {
        show_after(x);
        fprintf(x->cli->out, "%.*s", SLICE_FMT(buf_view(&x->out)));
        return EXIT_DONE;
    }
    json_array_end(&x->w);
    json_key(&x->w, "windows");
    json_array(&x->w);
    if (show_windows(x) < 0)
        return out_of_memory();
    json_array_end(&x->w);
    show_after_json(x);
    json_object_end(&x->w);
    return print_json(x->cli, &x->out);
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
    x->seen.arena = x->view.arena;
    if (!x->arena || !x->parser || !x->scratch || !x->correlator)
        return out_of_memory();
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
    r = feed_all(x, f, text, &err) < 0 ? cli_error(&err) : show(x);
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
    free(x->seen.items);
    buf_fini(&x->out);
    config_free(x->extra);
    rules_view_fini(&x->view);
    return r;
}
