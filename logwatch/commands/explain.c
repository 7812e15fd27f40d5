/* What becomes of a line: the engine itself, with a trace. */
#include <errno.h>

#include "base/clock.h"
#include "base/term.h"
#include "base/utf8.h"
#include "logwatch/commands/common.h"

#define NEAR_MIN 340 /* of 1000: a rule of which a third held is worth showing */
#define LINE_BYTES (1 << 20)

struct explaining {
    struct cli *cli;
    const struct engine *engine;
    struct rules_scratch *scratch;
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

static const char *verdict_of(const struct rule_info *info, bool held, const struct event *ev)
{
    if (!info->evaluated)
        return "never evaluated: no channel gives its log source";
    if (held && (ev->flags & EVENT_DUPLICATE))
        return "matches, but another line told this event already: not counted";
    if (held && info->silent)
        return "matches, and is counted by a correlation";
    return held ? "matches" : "nearly matches";
}

static void show_rule(struct explaining *x, size_t i, bool held, const struct event *ev)
{
    const struct rule_info *info = rules_info(x->engine->rules, i);
    const struct rules_trace trace = { trace_line, x };

    if (x->json) {
        json_object(&x->w);
        json_member_slice(&x->w, "id", info->id);
        json_member_slice(&x->w, "title", info->title);
        json_member_bool(&x->w, "matched", held);
        json_member_str(&x->w, "verdict", verdict_of(info, held, ev));
        json_key(&x->w, "why");
        json_array(&x->w);
    } else {
        line(x, "  %.*s: %s", SLICE_FMT(info->title), verdict_of(info, held, ev));
    }
    rules_explain(x->engine->rules, x->scratch, i, ev, &trace);
    if (x->json) {
        json_array_end(&x->w);
        json_object_end(&x->w);
    }
}

static bool source_fits(const struct rule_info *info, const struct event *ev)
{
    const struct logsource *r = info->logsource, *e = ev->logsource;

    return !r || ((r->product.n == 0 || slice_eq_nocase(r->product, e->product)) &&
                  (r->service.n == 0 || slice_eq_nocase(r->service, e->service)) &&
                  (r->category.n == 0 || slice_eq_nocase(r->category, e->category)));
}

static size_t show_rules(struct explaining *x, const struct event *ev, bool matched, size_t only)
{
    const uint32_t *hits;
    size_t n = rules_match(x->engine->rules, x->scratch, ev, &hits), shown = 0;

    for (size_t i = 0; i < rules_count(x->engine->rules); i++) {
        const struct rule_info *info = rules_info(x->engine->rules, i);
        bool held = false;

        if (info->kind != RULE_DETECTION || (only != SIZE_MAX && i != only) ||
            (only == SIZE_MAX && !source_fits(info, ev)))
            continue;
        n = rules_match(x->engine->rules, x->scratch, ev, &hits);
        for (size_t j = 0; j < n; j++)
            held = held || hits[j] == i;
        if (held != matched || (!held && only == SIZE_MAX &&
                                rules_nearness(x->engine->rules, x->scratch, i, ev) < NEAR_MIN))
            continue;
        if (!x->json && shown++ == 0)
            line(x, matched ? "rules that match" : "rules that nearly match");
        show_rule(x, i, held, ev);
    }
    return shown;
}

static void show_correlations(struct explaining *x, const struct event *ev)
{
    bool any = false;

    if (x->json || (ev->flags & EVENT_DUPLICATE))
        return;
    for (size_t i = 0; i < rules_count(x->engine->rules); i++) {
        const struct rule_info *info = rules_info(x->engine->rules, i);
        AUTO_BUF window = BUF_INIT;

        if (info->kind != RULE_CORRELATION || !rules_feeds(x->engine->rules, x->scratch, i, ev))
            continue;
        if (!any)
            line(x, "counted by");
        any = true;
        buf_printf(&window, "%llus", (unsigned long long)(info->window_us / USEC_PER_SEC));
        line(x, "  %.*s (%.*s over %s)", SLICE_FMT(info->title), SLICE_FMT(info->correlation),
             window.p);
    }
}

static int explain_line(struct cli *cli, const struct engine *e, const struct format *f,
                        struct slice text, size_t only)
{
    AUTO(arena) a = arena_new(1 << 16, 64 << 20);
    AUTO(parser_scratch) ps = parser_scratch_new(e->formats);
    AUTO(rules_scratch) rs = rules_scratch_new(e->rules);
    struct parser_source source = { .format = f,
                                    .zone = cli->values[CLI_ZONE],
                                    .input = SLICE("(given)") };
    struct record record = { .text = text, .priority = -1 };
    struct explaining x = { .cli = cli,
                            .engine = e,
                            .scratch = rs,
                            .json = cli_has(cli, CLI_JSON),
                            .colour = term_colour(stdout) };
    const struct clock real = CLOCK_REAL;
    struct err err = ERR_NONE;
    struct event ev;

    x.w = json_writer(&x.out);
    if (!a || !ps || !rs)
        return EXIT_FAILED;
    if (parser_source_init(&source, &err) < 0)
        return cli_error(&err);
    if (parser_run(&source, ps, &record, clock_now(&real), a, &ev, NULL) < 0)
        return EXIT_FAILED;
    if (x.json)
        json_object(&x.w);
    show_event(&x, &ev);
    if (x.json) {
        json_key(&x.w, "rules");
        json_array(&x.w);
    }
    show_rules(&x, &ev, true, only);
    show_correlations(&x, &ev);
    show_rules(&x, &ev, false, only);
    if (x.json) {
        json_array_end(&x.w);
        json_object_end(&x.w);
        buf_char(&x.out, '\n');
    }
    fprintf(cli->out, "%.*s", SLICE_FMT(buf_view(&x.out)));
    buf_fini(&x.out);
    parser_source_fini(&source);
    return EXIT_DONE;
}

static int read_stdin(struct buf *b)
{
    char part[4096];
    size_t n;

    while ((n = fread(part, 1, sizeof part, stdin)) > 0 && b->n < LINE_BYTES)
        buf_add(b, part, n);
    return buf_ok(b) ? 0 : -ENOMEM;
}

int command_explain(struct cli *cli)
{
    AUTO(config) c = NULL;
    AUTO(engine) own = NULL;
    AUTO_BUF input = BUF_INIT;
    const struct engine *e;
    const struct format *f;
    struct slice text;
    size_t only = SIZE_MAX;
    int r = cli_engine(cli, NULL, 0, &c, &own, &e);

    if (r)
        return r;
    if (cli->nargs == 0 && read_stdin(&input) < 0)
        return EXIT_FAILED;
    text = cli->nargs ? slice_str(cli->args[0]) : buf_view(&input);
    while (text.n && text.p[text.n - 1] == '\n')
        text.n--;
    if (text.n == 0) {
        fputs("trailwarden: explain needs a line, as an argument or on standard input\n", stderr);
        return EXIT_USAGE;
    }
    f = cli_has(cli, CLI_CHANNEL) ? format_find(e->formats, slice_str(cli->values[CLI_CHANNEL]))
                                  : format_detect(e->formats, text);
    if (!f) {
        fputs(cli_has(cli, CLI_CHANNEL)
                  ? "trailwarden: no format of that name; see `trailwarden help formats`\n"
                  : "trailwarden: no format knows this line; name one with --channel\n",
              stderr);
        return EXIT_FAILED;
    }
    if (cli_has(cli, CLI_RULE) &&
        (only = rules_find(e->rules, slice_str(cli->values[CLI_RULE]))) == SIZE_MAX) {
        fputs("trailwarden: no rule of that id, name or title\n", stderr);
        return EXIT_FAILED;
    }
    return explain_line(cli, e, f, text, only);
}
