/*
 * Which lane a rule is in: with a literal that every matching line must hold
 * it rides the scan; without one each line of its channel is parsed for it.
 *
 * The rule's literals are of fields (rules_witness). A line holds them only
 * when the field's value is copied from it: an action is put there by the
 * format, which knows its own literals; what is derived or looked up has none.
 */
#include <errno.h>

#include "base/table.h"
#include "logwatch/commands/rules.h"

#define LITERAL_MIN 3

const char *const lane_names[] = {
    [LANE_SCAN] = "scan", [LANE_FIELD] = "field", [LANE_WINDOW] = "window", [LANE_NEVER] = "never"
};

/* Values that a format or a database puts there: they need not stand in the line. */
static const char *const derived[] = { "event.",   "log.",       "service.",   "host.",
                                       "network.", "source.geo", "source.as.", "trailwarden.",
                                       "geo.",     "@timestamp", "process.",   "server.",
                                       NULL };

struct gathering {
    struct rules_view *view;
    struct slice *literals;
    size_t n, cap;
    const char *why;
};

static int add(struct gathering *g, struct slice literal)
{
    char *lower;

    if (g->n == g->cap) {
        size_t cap = g->cap ? g->cap * 2 : 8;
        struct slice *more = arena_array(g->view->arena, cap, sizeof *more);

        if (!more)
            return -ENOMEM;
        if (g->n)
            memcpy(more, g->literals, g->n * sizeof *more);
        g->literals = more;
        g->cap = cap;
    }
    lower = arena_str(g->view->arena, literal);
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

/* What a line must hold for the action, in each channel that the rule looks at. */
static int add_action(struct gathering *g, const struct rule_info *info, struct slice action)
{
    const struct formats *formats = g->view->engine->formats;
    bool any = false;

    for (size_t i = 0; i < formats_count(formats) && !g->why; i++) {
        const struct format *f = formats_at(formats, i);
        const struct slice *literals;
        size_t n;

        if (!logsources_fit(info->logsource, format_logsource(f)))
            continue;
        n = format_action_literals(f, action, &literals);
        any = true;
        if (n == 0)
            g->why = "its action can be told without a literal";
        for (size_t j = 0; j < n; j++)
            if (add(g, literals[j]) < 0)
                return -ENOMEM;
    }
    if (!any)
        g->why = "no format gives its action";
    return 0;
}

static int add_witness(struct gathering *g, const struct rule_info *info, const struct witness *w)
{
    struct slice name =
        w->field == FIELD_OTHER ? SLICE("") : field_name(g->view->engine->names, w->field);
    struct slice literal = unescaped(w->literal);

    if (w->field == FIELD_EVENT_ACTION && w->whole)
        return add_action(g, info, w->literal);
    if (is_derived(name))
        g->why = "its literal is of a field that need not stand in the line";
    else if (literal.n < LITERAL_MIN)
        g->why = "its literal is too short";
    else
        return add(g, literal);
    return 0;
}

int rule_lane(struct rules_view *v, size_t i, struct lane *ret)
{
    const struct rules *r = v->engine->rules;
    const struct rule_info *info = rules_info(r, i);
    struct gathering g = { .view = v };
    const struct witness *w;
    size_t n = rules_witness(r, i, &w);

    *ret = (struct lane){ .kind = LANE_NEVER };
    if (idle_reason(v, i))
        return 0;
    ret->kind = info->kind == RULE_CORRELATION ? LANE_WINDOW : LANE_FIELD;
    if (ret->kind == LANE_WINDOW)
        return 0;
    if (n == 0)
        g.why = "no literal is certain";
    for (size_t j = 0; j < n && !g.why; j++)
        if (add_witness(&g, info, &w[j]) < 0)
            return -ENOMEM;
    ret->why = g.why;
    if (g.why)
        return 0;
    ret->kind = LANE_SCAN;
    ret->literals = g.literals;
    ret->nliterals = g.n;
    return 0;
}
