/* What explain says of the last line: event, rules, windows, what follows. */
#include <errno.h>

#include "base/clock.h"
#include "base/term.h"
#include "base/utf8.h"
#include "logwatch/commands/explain-private.h"

#define NEAR_MIN 340 /* of 1000: a rule of which a third held is worth showing */
#define EARLIER_SHOWN 10

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
            buf_str(&x->out, "    filter '");
            printable(x, rules_filter_title(r, f));
            line(x, "' (%s:%u)", doc->at.file ? doc->at.file : "", doc->at.line);
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
            (x->only == SIZE_MAX && !logsource_matches(info->logsource, ev->logsource)) ||
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

void explain_group(const struct alert *a, struct buf *out)
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

        explain_group(a, &b);
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
    size_t rule = rules_of_signal(x->seen.rules, s);
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
        if (rules_of_signal(x->seen.rules, &x->batch.signals[s]) == i)
            return;
    buf_yaml(&fields, group);
    buf_str(&x->out, "  ");
    printable(x, info->title);
    buf_str(&x->out, "\n    not counted: the event lacks a field of its group-by ");
    printable(x, buf_view(&fields));
    buf_char(&x->out, '\n');
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
static void show_suppressed(struct explaining *x, size_t rule)
{
    struct slice address = event_text(&x->event, FIELD_SOURCE_IP);
    AUTO_BUF group = BUF_INIT;
    const struct earlier *e;
    char time[TIME_TEXT_SIZE];

    if (rules_info(x->engine->rules, rule)->silent || !rule_suppress_us(x->engine->rules, rule))
        return;
    buf_group(&group, address.p ? address : SLICE(""));
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
    const uint32_t *hits;
    size_t n;

    show_earlier(x);
    line(x, "what follows");
    for (size_t i = 0; i < x->batch.nalerts; i++)
        alert_text(x->config, x->engine->rules, x->batch.alerts[i], &x->out);
    if (x->batch.nalerts == 0)
        line(x, "  no alert");
    if (x->nearlier == 0 || x->event.flags & EVENT_DUPLICATE)
        return;
    n = rules_match(x->engine->rules, x->scratch, &x->event, &hits);
    for (size_t i = 0; i < n; i++)
        show_suppressed(x, hits[i]);
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

int explain_show(struct explaining *x)
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
