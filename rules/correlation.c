/* `correlation:` of a rule, checked and resolved. */
#include <errno.h>
#include <stdio.h>

#include "base/num.h"
#include "rules/build.h"
#include "rules/window.h"

#define PARTS_MAX 1000

static const char *const type_names[] = {
    [CORRELATE_EVENT_COUNT] = "event_count",
    [CORRELATE_VALUE_COUNT] = "value_count",
    [CORRELATE_TEMPORAL] = "temporal",
    [CORRELATE_TEMPORAL_ORDERED] = "temporal_ordered",
    [CORRELATE_VALUE_SUM] = "value_sum",
    [CORRELATE_VALUE_AVG] = "value_avg",
    [CORRELATE_VALUE_PERCENTILE] = "value_percentile",
    [CORRELATE_VALUE_MEDIAN] = "value_median",
    [CORRELATE_VALUE_MIN] = "value_min",
    [CORRELATE_VALUE_MAX] = "value_max",
    [CORRELATE_VALUE_NEW] = "value_new",
    [CORRELATE_EVENT_RATIO] = "event_ratio",
    [CORRELATE_EVENT_ABSENT] = "event_absent",
    [CORRELATION_TYPES] = NULL,
};

static void load_type(struct rule_build *b)
{
    const struct yaml *y = yaml_get(b->node, "type");

    if (!y || y->kind != YAML_SCALAR)
        return rule_fault(b, b->node, "a correlation needs a type");
    for (int i = 0; i < CORRELATION_TYPES; i++)
        if (slice_is(y->text, type_names[i])) {
            b->c->type = (enum correlation_type)i;
            return;
        }
    rule_unknown(b, y, "type of correlation", type_names);
}

static void load_part(struct rule_build *b, const struct yaml *y)
{
    size_t i = y->kind == YAML_SCALAR ? rules_find(b->r, y->text) : SIZE_MAX;

    if (i == SIZE_MAX) {
        diag_error(b->d, y->at, "no rule has the id or name '%.*s'", SLICE_FMT(y->text));
        b->failed = true;
    } else if (&b->r->list[i] == b->rule) {
        rule_fault(b, y, "a correlation cannot count itself");
    } else {
        b->c->parts[b->c->nparts++] = i;
    }
}

static void load_part_list(struct rule_build *b, const struct yaml *y)
{
    size_t *parts = arena_array(b->r->arena, b->c->nparts + y->nchildren + 1, sizeof *parts);

    if (!parts)
        return rule_fault(b, y, "out of memory");
    if (b->c->nparts + y->nchildren > PARTS_MAX)
        return rule_fault(b, y, "more rules than a correlation may have");
    if (b->c->nparts)
        memcpy(parts, b->c->parts, b->c->nparts * sizeof *parts);
    b->c->parts = parts;
    if (y->kind == YAML_SCALAR)
        load_part(b, y);
    else
        YAML_EACH (item, y)
            load_part(b, item);
}

static void load_parts(struct rule_build *b)
{
    const struct yaml *y = yaml_get(b->node, "rules"), *of = yaml_get(b->node, "of");
    bool ratio = b->c->type == CORRELATE_EVENT_RATIO;

    if (!y)
        return rule_fault(b, b->node, "a correlation needs 'rules'");
    load_part_list(b, y);
    b->c->nrules = b->c->nparts;
    if (ratio && !of)
        rule_fault(b, b->node, "an event_ratio needs 'of': the rules of all that is counted");
    else if (!ratio && of)
        rule_fault(b, of, "'of' is for event_ratio");
    else if (of)
        load_part_list(b, of);
    if (b->c->nparts == 0)
        rule_fault(b, y, "'rules' names none");
}

static void load_timespan(struct rule_build *b)
{
    const struct yaml *y = yaml_get(b->node, "timespan");

    if (!y)
        y = yaml_get(b->node, "timeframe");
    if (!y || y->kind != YAML_SCALAR || parse_duration(y->text, &b->rule->info.window_us) < 0 ||
        b->rule->info.window_us == 0)
        rule_fault(b, y ? y : b->node, "a correlation needs a timespan like 5m");
}

/* The field of an alias for one part: `aliases: {name: {rule: field}}`. */
static struct slice alias_field(const struct rule_build *b, struct slice name, size_t part)
{
    const struct rule_info *info = &b->r->list[b->c->parts[part]].info;

    YAML_EACH (alias, yaml_get(b->node, "aliases")) {
        if (!slice_eq(alias->key, name))
            continue;
        YAML_EACH (m, alias)
            if (slice_eq(m->key, info->id) || slice_eq(m->key, info->name) ||
                slice_eq(m->key, info->title))
                return m->text;
    }
    return name;
}

static void load_group(struct rule_build *b, const struct yaml *y)
{
    struct group_part *g = &b->c->groups[b->c->ngroups++];

    g->name = y->text;
    g->fields = arena_array(b->r->arena, b->c->nparts + 1, sizeof *g->fields);
    g->names = arena_array(b->r->arena, b->c->nparts + 1, sizeof *g->names);
    if (!g->fields || !g->names)
        return rule_fault(b, y, "out of memory");
    for (size_t i = 0; i < b->c->nparts; i++) {
        g->names[i] = alias_field(b, y->text, i);
        g->fields[i] = field_intern(b->r->names, g->names[i]);
    }
}

static void load_groups(struct rule_build *b)
{
    const struct yaml *y = yaml_get(b->node, "group-by");

    if (!y)
        return;
    b->c->groups = arena_array(b->r->arena, y->nchildren + 1, sizeof *b->c->groups);
    if (!b->c->groups)
        return rule_fault(b, y, "out of memory");
    if (y->kind == YAML_SCALAR)
        load_group(b, y);
    else
        YAML_EACH (item, y)
            load_group(b, item);
}

static void load_value_fields(struct rule_build *b, const struct yaml *y)
{
    size_t n = y->kind == YAML_SEQ ? y->nchildren : 1;
    struct correlation *c = b->c;

    c->values = arena_array(b->r->arena, n, sizeof *c->values);
    c->value_names = arena_array(b->r->arena, n, sizeof *c->value_names);
    if (!c->values || !c->value_names)
        return rule_fault(b, y, "out of memory");
    if (y->kind == YAML_SCALAR)
        c->value_names[c->nvalues++] = y->text;
    else
        YAML_EACH (item, y)
            c->value_names[c->nvalues++] = item->text;
    for (size_t i = 0; i < c->nvalues; i++)
        c->values[i] = field_intern(b->r->names, c->value_names[i]);
}

static const struct {
    const char *name;
    enum comparison compare;
    bool upper; /* true only when the window is over */
} bound_names[] = {
    { "gt", COMPARE_GT, false },  { "gte", COMPARE_GTE, false }, { "lt", COMPARE_LT, true },
    { "lte", COMPARE_LTE, true }, { "eq", COMPARE_EQ, true },    { "neq", COMPARE_NEQ, true },
};

static void load_bound(struct rule_build *b, const struct yaml *m)
{
    static const char *const names[] = { "gt",  "gte",   "lt",         "lte", "eq",
                                         "neq", "field", "percentile", NULL };

    for (size_t i = 0; i < ARRAY_SIZE(bound_names); i++) {
        struct bound *bound = &b->c->bounds[b->c->nbounds];

        if (!slice_is(m->key, bound_names[i].name))
            continue;
        if (b->c->nbounds == ARRAY_SIZE(b->c->bounds) || m->kind != YAML_SCALAR ||
            !number_parse(m->text, &bound->value))
            return rule_fault(b, m, "a bound must be a number");
        bound->compare = bound_names[i].compare;
        b->c->judged_at_end = b->c->judged_at_end || bound_names[i].upper;
        b->c->nbounds++;
        return;
    }
    {
        struct yaml key = *m;

        key.text = m->key;
        key.at = m->key_at;
        rule_unknown(b, &key, "key of a condition", names);
    }
}

static void load_percentile(struct rule_build *b, const struct yaml *m)
{
    struct number n;

    if (m->kind != YAML_SCALAR || !number_parse(m->text, &n) || n.d < 0 || n.d > 100)
        return rule_fault(b, m, "a percentile is a number from 0 to 100");
    b->c->percentile = n.d;
}

static void load_bounds(struct rule_build *b, const struct yaml *y)
{
    YAML_EACH (m, y) {
        if (slice_is(m->key, "field"))
            load_value_fields(b, m);
        else if (slice_is(m->key, "percentile"))
            load_percentile(b, m);
        else
            load_bound(b, m);
    }
}

/* What each type needs of its condition. */
static const struct needs {
    bool bound, field, may_lack; /* may_lack: the whole condition */
} needs[CORRELATION_TYPES] = {
    [CORRELATE_EVENT_COUNT] = { .bound = true },
    [CORRELATE_VALUE_COUNT] = { .bound = true, .field = true },
    [CORRELATE_TEMPORAL] = { .may_lack = true },
    [CORRELATE_TEMPORAL_ORDERED] = { .may_lack = true },
    [CORRELATE_VALUE_SUM] = { .bound = true, .field = true },
    [CORRELATE_VALUE_AVG] = { .bound = true, .field = true },
    [CORRELATE_VALUE_PERCENTILE] = { .bound = true, .field = true },
    [CORRELATE_VALUE_MEDIAN] = { .bound = true, .field = true },
    [CORRELATE_VALUE_MIN] = { .bound = true, .field = true },
    [CORRELATE_VALUE_MAX] = { .bound = true, .field = true },
    [CORRELATE_VALUE_NEW] = { .field = true },
    [CORRELATE_EVENT_RATIO] = { .bound = true },
    [CORRELATE_EVENT_ABSENT] = { .may_lack = true },
};

static void load_condition(struct rule_build *b)
{
    const struct yaml *y = yaml_get(b->node, "condition");
    const struct needs *n = &needs[b->c->type];

    b->c->percentile = 50;
    if (!y && n->may_lack)
        return;
    if (!y)
        return rule_fault(b, b->node,
                          n->bound ? "a correlation needs a condition like {gte: 5}"
                                   : "this type needs a condition: {field: NAME}");
    if (y->kind == YAML_SCALAR && b->c->type == CORRELATE_TEMPORAL)
        return correlation_text(b, y);
    if (y->kind != YAML_MAP)
        return rule_fault(b, y, "conditions in words are for type temporal: use {gte: N}");
    load_bounds(b, y);
    if (b->failed)
        return;
    if (n->bound && b->c->nbounds == 0)
        rule_fault(b, y, "a condition needs a bound: gt, gte, lt, lte, eq or neq");
    if (n->field && b->c->nvalues == 0)
        rule_fault(b, y, "this type needs 'field:' in its condition");
    if (b->c->nbounds &&
        (b->c->type == CORRELATE_VALUE_NEW || b->c->type == CORRELATE_EVENT_ABSENT))
        rule_fault(b, y, "this type has no bound: each new value, each absence is told");
}

/* ---- what single types have ---- */

static void load_learn(struct rule_build *b)
{
    const struct yaml *y = yaml_get(b->node, "learn");

    if (!y)
        return;
    if (b->c->type != CORRELATE_VALUE_NEW)
        return rule_fault(b, y, "'learn' is for value_new");
    if (y->kind != YAML_SCALAR || parse_duration(y->text, &b->c->learn_us) < 0)
        return rule_fault(b, y, "learn is a duration like 14d");
    if (b->c->learn_us > b->rule->info.window_us)
        rule_fault(b, y, "learn is longer than the timespan: nothing would ever be told");
}

/* A group as it is written: one value, or a list of them in the order of group-by. */
static bool expected_key(struct rule_build *b, const struct yaml *y, struct slice *ret)
{
    AUTO_BUF key = BUF_INIT;
    size_t n = 0;

    if (y->kind == YAML_SCALAR && y->text.n)
        group_key_add(&key, n++, y->text);
    YAML_EACH (value, y) {
        if (value->kind != YAML_SCALAR || value->text.n == 0)
            return false;
        group_key_add(&key, n++, value->text);
    }
    if (n != b->c->ngroups)
        return false;
    *ret = arena_slice(b->r->arena, buf_view(&key));
    return buf_ok(&key) && ret->p;
}

static void load_expect(struct rule_build *b)
{
    const struct yaml *y = yaml_get(b->node, "expect");

    if (!y)
        return;
    if (b->c->type != CORRELATE_EVENT_ABSENT)
        return rule_fault(b, y, "'expect' is for event_absent");
    if (y->kind != YAML_SEQ)
        return rule_fault(b, y, "expect is a list of groups");
    b->c->expect = arena_array(b->r->arena, y->nchildren + 1, sizeof *b->c->expect);
    if (!b->c->expect)
        return rule_fault(b, y, "out of memory");
    YAML_EACH (item, y)
        if (!expected_key(b, item, &b->c->expect[b->c->nexpect++]))
            return rule_fault(b, item, "a group has one value for each field of group-by");
}

static void check_keys(struct rule_build *b)
{
    static const char *const names[] = { "type",     "rules",     "of",        "group-by",
                                         "timespan", "timeframe", "condition", "aliases",
                                         "generate", "learn",     "expect",    "min-events",
                                         NULL };

    YAML_EACH (m, b->node) {
        struct yaml key = *m;
        size_t i = 0;

        while (names[i] && !slice_is(m->key, names[i]))
            i++;
        key.text = m->key;
        key.at = m->key_at;
        if (!names[i])
            rule_unknown(b, &key, "key of a correlation", names);
    }
}

/* What `trailwarden:` asks for that this type cannot give. */
static void check_response(struct rule_build *b)
{
    const struct response *resp = &b->rule->response;
    bool slides = !b->c->judged_at_end && b->c->type != CORRELATE_VALUE_NEW &&
                  b->c->type != CORRELATE_EVENT_ABSENT;

    if (resp->for_us && !slides)
        rule_fault(b, b->node, "'for' needs a window that slides: this one is judged once");
    if (resp->gap_us && !slides)
        rule_fault(b, b->node, "'window: session' needs a window that slides");
}

/* A number of events, or of their values, is never more than there are entries. */
static uint64_t least_entries(const struct correlation *c)
{
    uint64_t least = 0;

    if (c->type != CORRELATE_EVENT_COUNT && c->type != CORRELATE_VALUE_COUNT)
        return 0;
    for (size_t i = 0; i < c->nbounds; i++) {
        const struct bound *b = &c->bounds[i];
        bool lower =
            b->compare == COMPARE_GTE || b->compare == COMPARE_EQ || b->compare == COMPARE_GT;
        uint64_t n = b->value.integer && b->value.i > 0 ? (uint64_t)b->value.i : 0;

        n += n && b->compare == COMPARE_GT;
        if (lower && n > least)
            least = n;
    }
    return least;
}

int correlation_compile(struct rules *r, struct rule *rule, struct diag *d)
{
    struct rule_build b = { .r = r, .rule = rule, .d = d };

    b.node = yaml_get(rule->doc, "correlation");
    b.c = rule->correlation = arena_alloc(r->arena, sizeof *rule->correlation);
    if (!b.c)
        return -ENOMEM;
    if (b.node->kind != YAML_MAP) {
        diag_error(d, b.node->key_at, "correlation must be a map");
        return -EINVAL;
    }
    check_keys(&b);
    load_type(&b);
    load_parts(&b);
    load_timespan(&b);
    load_groups(&b);
    load_condition(&b);
    b.c->least = least_entries(b.c);
    load_learn(&b);
    load_expect(&b);
    rule_min_events(&b, yaml_get(b.node, "min-events"));
    check_response(&b);
    (void)yaml_bool(yaml_get(b.node, "generate"), &b.c->generate);
    (void)yaml_bool(yaml_get(rule->doc, "generate"), &b.c->generate);
    return b.failed ? -EINVAL : 0;
}
