#include "rules/inspect.h"

#include "rules/match.h"

#define CHEAP_MAX 10
#define MODERATE_MAX 100

const struct yaml *rules_document(const struct rules *r, size_t i)
{
    return r->list[i].doc;
}

bool rules_usable(const struct rules *r, size_t i)
{
    const struct rule *rule = &r->list[i];

    return !rule->broken && (rule->condition || rule->info.kind == RULE_CORRELATION);
}

size_t rules_part(const struct rules *r, size_t of, size_t i)
{
    const struct rule *rule = &r->list[i];

    for (size_t n = 0; n < rule->nlisteners; n++)
        if (rule->listeners[n] == of)
            return rule->listener_parts[n];
    return SIZE_MAX;
}

/* ---- filters: compile_filter() hangs each on top, as AND(what was there, filter) ---- */

static const struct filter *filter_on(const struct rules *r, const struct node *n)
{
    for (size_t f = 0; n && n->kind == NODE_AND && n->n == 2 && f < r->nfilters; f++)
        if (r->filters[f].condition && n->children[1] == r->filters[f].condition)
            return &r->filters[f];
    return NULL;
}

static const struct node *without_filters(const struct rules *r, const struct node *n)
{
    while (filter_on(r, n))
        n = n->children[0];
    return n;
}

size_t rules_filters(const struct rules *r)
{
    return r->nfilters;
}

const struct yaml *rules_filter_document(const struct rules *r, size_t filter)
{
    return r->filters[filter].doc;
}

struct slice rules_filter_title(const struct rules *r, size_t filter)
{
    const struct yaml *title = yaml_get(r->filters[filter].doc, "title");

    return title && title->kind == YAML_SCALAR ? title->text : SLICE("(without a title)");
}

bool rules_filter_of(const struct rules *r, size_t filter, size_t i)
{
    const struct node *n = r->list[i].condition;

    for (const struct filter *f = filter_on(r, n); f; n = n->children[0], f = filter_on(r, n))
        if (f == &r->filters[filter])
            return true;
    return false;
}

static bool asks(const struct rules *r, size_t i, const struct event *ev)
{
    const struct rule *rule = &r->list[i];

    return !rule->broken && rule->condition && logsource_fits(rule->info.logsource, ev->logsource);
}

bool rules_holds(const struct rules *r, struct rules_scratch *s, size_t i, const struct event *ev)
{
    scratch_take(s, ev);
    return asks(r, i, ev) && node_holds(s, r->list[i].condition, ev);
}

bool rules_filter_passes(const struct rules *r, struct rules_scratch *s, size_t filter,
                         const struct event *ev)
{
    const struct node *n = r->filters[filter].condition;

    scratch_take(s, ev);
    return !n || node_holds(s, n, ev);
}

bool rules_holds_unfiltered(const struct rules *r, struct rules_scratch *s, size_t i,
                            const struct event *ev)
{
    scratch_take(s, ev);
    return asks(r, i, ev) && node_holds(s, without_filters(r, r->list[i].condition), ev);
}

/* ---- the tree ---- */

static const char *const shape_words[] = {
    [SHAPE_EXACT] = "is",          [SHAPE_PREFIX] = "begins with", [SHAPE_SUFFIX] = "ends with",
    [SHAPE_CONTAINS] = "contains", [SHAPE_ANY] = "has any value",  [SHAPE_GLOB] = "is like",
};
static const char *const compare_words[] = {
    [COMPARE_LT] = "<",   [COMPARE_LTE] = "<=", [COMPARE_GT] = ">",
    [COMPARE_GTE] = ">=", [COMPARE_EQ] = "=",   [COMPARE_NEQ] = "!=",
};
static const char *const part_words[] = {
    [TIME_MINUTE] = "minute", [TIME_HOUR] = "hour",   [TIME_DAY] = "day",
    [TIME_WEEK] = "week",     [TIME_MONTH] = "month", [TIME_YEAR] = "year",
};

/* What the predicate does with its value; NULL: the value is not told. */
static const char *verb_of(const struct predicate *p)
{
    switch (p->kind) {
    case PREDICATE_TEXT:
        return shape_words[p->pattern.shape];
    case PREDICATE_REGEX:
        return "matches the regex";
    case PREDICATE_CIDR:
        return "is in";
    case PREDICATE_NUMBER:
    case PREDICATE_TIME:
        return compare_words[p->compare];
    case PREDICATE_FIELD:
        return p->starts     ? "begins with the field"
               : p->ends     ? "ends with the field"
               : p->contains ? "contains the field"
                             : "equals the field";
    case PREDICATE_EXISTS:
        return p->exists ? "is there" : "is not there";
    case PREDICATE_NULL:
        break;
    }
    return "is missing or null";
}

/* The value as written, without the wildcards that the verb says already. */
static struct slice value_of(const struct predicate *p)
{
    size_t head = p->keyword ? 0 : p->name.n + 2; /* "name: " */
    struct slice v = slice_skip(p->shown, head);
    bool simple = p->kind == PREDICATE_TEXT && p->pattern.shape != SHAPE_EXACT &&
                  p->pattern.shape != SHAPE_GLOB;

    if (p->kind == PREDICATE_EXISTS || p->kind == PREDICATE_NULL ||
        (p->kind == PREDICATE_TEXT && p->pattern.shape == SHAPE_ANY))
        return SLICE("");
    if (simple && v.n > 1 && v.p[0] == '*')
        v = slice_skip(v, 1);
    if (simple && v.n > 1 && v.p[v.n - 1] == '*' && v.p[v.n - 2] != '\\')
        v.n--;
    return v;
}

static void predicate_text(const struct predicate *p, struct buf *b)
{
    struct slice value = value_of(p);

    if (p->kind == PREDICATE_TIME)
        buf_printf(b, "%s of ", part_words[p->part]);
    buf_slice(b, p->keyword ? SLICE("any field or the line") : p->name);
    buf_printf(b, " %s%s", verb_of(p), value.n ? " " : "");
    buf_slice(b, value);
    if (p->kind == PREDICATE_TEXT && p->pattern.shape == SHAPE_EXACT && value.n == 0)
        buf_str(b, " empty");
    if (p->kind == PREDICATE_TEXT && p->pattern.cased)
        buf_str(b, " (in this case)");
}

static void tree_line(const struct node *n, unsigned depth, const struct rules_lines *out)
{
    static const char *const words[] = { "all of", "any of", "not" };
    AUTO_BUF b = BUF_INIT;

    if (n->kind == NODE_PREDICATE) {
        predicate_text(n->predicate, &b);
    } else {
        buf_printf(&b, "%s%s", words[n->kind], n->label.n ? ": " : "");
        buf_slice(&b, n->label);
    }
    out->line(out->ctx, depth, buf_view(&b));
    for (size_t i = 0; i < n->n; i++)
        tree_line(n->children[i], depth + 1, out);
}

void rules_tree(const struct rules *r, size_t i, const struct rules_lines *out)
{
    const struct node *n = without_filters(r, r->list[i].condition);

    if (n)
        tree_line(n, 0, out);
}

/* ---- cost ---- */

static void add_cost(const struct node *n, struct rules_cost *cost)
{
    if (n->kind == NODE_PREDICATE) {
        bool regex = n->predicate->kind == PREDICATE_REGEX && n->predicate->regex;

        cost->predicates++;
        cost->keywords += n->predicate->keyword;
        cost->regexes += regex;
        cost->bare_regexes += regex && regex_is_bare(n->predicate->regex);
        return;
    }
    for (size_t i = 0; i < n->n; i++)
        add_cost(n->children[i], cost);
}

/* The weights are rough: a keyword looks at every field, a bare regex runs on every value. */
struct rules_cost rules_cost(const struct rules *r, size_t i)
{
    struct rules_cost cost = { 0 };
    size_t weight;

    if (!r->list[i].condition)
        return cost;
    add_cost(r->list[i].condition, &cost);
    weight = cost.predicates + 8 * cost.keywords + 10 * cost.regexes + 20 * cost.bare_regexes;
    cost.cost = weight <= CHEAP_MAX      ? COST_CHEAP
                : weight <= MODERATE_MAX ? COST_MODERATE
                                         : COST_HIGH;
    return cost;
}
