/*
 * Which lane a rule is in: with a literal that every matching line must hold
 * it rides the scan; without one each line of its channel is parsed for it.
 *
 * The rule's literals are of fields (rules_witness). A line holds them only
 * when the field's value is copied from it: an action is put there by the
 * format, which knows its own literals; what is derived or looked up has none.
 */
#include "logwatch/lane.h"

#include <errno.h>

#include "rules/inspect.h"

#define LITERAL_MIN 4

const char *const lane_names[] = {
    [LANE_SCAN] = "scan", [LANE_FIELD] = "field", [LANE_WINDOW] = "window", [LANE_NEVER] = "never"
};

/* Values that a format or a database puts there: they need not stand in the line. */
static const char *const derived[] = { "event.",   "log.",       "service.",   "host.",
                                       "network.", "source.geo", "source.as.", "trailwarden.",
                                       "geo.",     "@timestamp", "process.",   "server.",
                                       NULL };

struct gathering {
    const struct engine *engine;
    const struct format *format;
    struct arena *arena;
    struct slice *literals;
    size_t n, cap;
    const char *why;
};

static int add(struct gathering *g, struct slice literal)
{
    char *lower;

    if (g->n == g->cap) {
        size_t cap = g->cap ? g->cap * 2 : 8;
        struct slice *more = arena_array(g->arena, cap, sizeof *more);

        if (!more)
            return -ENOMEM;
        if (g->n)
            memcpy(more, g->literals, g->n * sizeof *more);
        g->literals = more;
        g->cap = cap;
    }
    lower = arena_str(g->arena, literal);
    if (!lower)
        return -ENOMEM;
    for (size_t i = 0; i < literal.n; i++)
        if (lower[i] >= 'A' && lower[i] <= 'Z')
            lower[i] = (char)(lower[i] - 'A' + 'a');
    for (size_t i = 0; i < g->n; i++)
        if (slice_is(g->literals[i], lower))
            return 0;
    g->literals[g->n++] = slice_of(lower, literal.n);
    return 0;
}

/* The longest part without characters that some format escapes. */
static struct slice unescaped(struct slice s)
{
    struct slice best = { "", 0 };

    for (size_t i = 0, from = 0; i <= s.n; i++) {
        unsigned char c = i < s.n ? (unsigned char)s.p[i] : 0;

        if (c >= 0x20 && c < 0x7f && !strchr("\"\\/<>&%", c))
            continue;
        if (i - from > best.n)
            best = slice_of(s.p + from, i - from);
        from = i + 1;
    }
    return best;
}

static bool is_derived(struct slice name)
{
    for (size_t i = 0; derived[i]; i++)
        if (slice_starts(name, slice_str(derived[i])))
            return true;
    return false;
}

/* What a record must hold for the format to give the action. */
static int add_action(struct gathering *g, struct slice action)
{
    const struct slice *literals;
    size_t n = format_action_literals(g->format, action, &literals);

    if (n == 0)
        g->why = "its action can be told without a literal";
    for (size_t j = 0; j < n; j++)
        if (add(g, literals[j]) < 0)
            return -ENOMEM;
    return 0;
}

static int add_witness(struct gathering *g, const struct witness *w)
{
    struct slice name =
        w->field == FIELD_OTHER ? SLICE("") : field_name(g->engine->names, w->field);
    struct slice literal = unescaped(w->literal);

    if (w->field == FIELD_EVENT_ACTION && w->whole)
        return add_action(g, w->literal);
    if (is_derived(name))
        g->why = "its literal is of a field that need not stand in the line";
    else if (literal.n < LITERAL_MIN)
        g->why = "its literal is too short";
    else
        return add(g, literal);
    return 0;
}

static bool part_fits(struct slice rule, struct slice event)
{
    return rule.n == 0 || slice_eq_nocase(rule, event);
}

bool logsource_matches(const struct logsource *rule, const struct logsource *event)
{
    return part_fits(rule->product, event->product) && part_fits(rule->category, event->category) &&
           part_fits(rule->service, event->service);
}

static bool evaluated(const struct engine *e, size_t rule)
{
    return rules_usable(e->rules, rule) && rules_info(e->rules, rule)->evaluated;
}

int lane_of(const struct engine *e, const struct format *f, size_t rule, struct arena *a,
            struct lane *ret)
{
    struct gathering g = { .engine = e, .format = f, .arena = a };
    const struct witness *w;
    size_t n = rules_witness(e->rules, rule, &w);

    *ret = (struct lane){ .kind = LANE_NEVER };
    if (rules_info(e->rules, rule)->kind == RULE_CORRELATION)
        ret->kind = LANE_WINDOW;
    if (ret->kind == LANE_WINDOW || !evaluated(e, rule) ||
        !logsource_matches(rules_info(e->rules, rule)->logsource, format_logsource(f)))
        return 0;
    if (n == 0)
        g.why = "no literal is certain";
    for (size_t j = 0; j < n && !g.why; j++)
        if (add_witness(&g, &w[j]) < 0)
            return -ENOMEM;
    ret->kind = g.why ? LANE_FIELD : LANE_SCAN;
    ret->why = g.why;
    if (!g.why) {
        ret->literals = g.literals;
        ret->nliterals = g.n;
    }
    return 0;
}

int lane_of_rule(const struct engine *e, size_t rule, struct arena *a, struct lane *ret)
{
    struct gathering all = { .engine = e, .arena = a };

    *ret = (struct lane){ .kind = LANE_NEVER };
    for (size_t i = 0; i < formats_count(e->formats); i++) {
        struct lane one;

        if (lane_of(e, formats_at(e->formats, i), rule, a, &one) < 0)
            return -ENOMEM;
        if (one.kind == LANE_FIELD || one.kind == LANE_WINDOW) {
            *ret = one;
            return 0;
        }
        for (size_t j = 0; j < one.nliterals; j++)
            if (add(&all, one.literals[j]) < 0)
                return -ENOMEM;
        if (one.kind == LANE_SCAN)
            ret->kind = LANE_SCAN;
    }
    ret->literals = all.literals;
    ret->nliterals = all.n;
    return 0;
}
