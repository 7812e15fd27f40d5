/* `correlation:` and `trailwarden:` of a rule, checked and resolved. */
#include <errno.h>
#include <stdio.h>

#include "base/num.h"
#include "rules/tree.h"

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
    [CORRELATION_TYPES] = NULL,
};

struct build {
    struct rules *r;
    struct rule *rule;
    struct correlation *c;
    const struct yaml *node;
    struct diag *d;
    bool failed;
};

static void fault(struct build *b, const struct yaml *at, const char *text)
{
    diag_error(b->d, at->key.n ? at->key_at : at->at, "%s", text);
    b->failed = true;
}

static void unknown(struct build *b, const struct yaml *at, const char *what,
                    const char *const *names)
{
    const char *near = diag_nearest(at->text, names);
    char hint[80];

    if (near)
        snprintf(hint, sizeof hint, "did you mean '%s'?", near);
    diag_add(b->d, DIAG_ERROR, at->at, (unsigned)at->text.n, near ? hint : NULL,
             "unknown %s '%.*s'", what, SLICE_FMT(at->text));
    b->failed = true;
}

static void load_type(struct build *b)
{
    const struct yaml *y = yaml_get(b->node, "type");

    if (!y || y->kind != YAML_SCALAR)
        return fault(b, b->node, "a correlation needs a type");
    for (int i = 0; i < CORRELATION_TYPES; i++)
        if (slice_is(y->text, type_names[i])) {
            b->c->type = (enum correlation_type)i;
            return;
        }
    unknown(b, y, "type of correlation", type_names);
}

static void load_part(struct build *b, const struct yaml *y)
{
    size_t i = y->kind == YAML_SCALAR ? rules_find(b->r, y->text) : SIZE_MAX;

    if (i == SIZE_MAX) {
        diag_error(b->d, y->at, "no rule has the id or name '%.*s'", SLICE_FMT(y->text));
        b->failed = true;
    } else if (b->r->list[i].info.kind == RULE_CORRELATION) {
        fault(b, y, "a correlation over correlations is not supported yet");
    } else {
        b->c->parts[b->c->nparts++] = i;
    }
}

static void load_parts(struct build *b)
{
    const struct yaml *y = yaml_get(b->node, "rules");

    if (!y)
        return fault(b, b->node, "a correlation needs 'rules'");
    b->c->parts = arena_array(b->r->arena, y->nchildren + 1, sizeof *b->c->parts);
    if (!b->c->parts)
        return fault(b, y, "out of memory");
    if (y->kind == YAML_SCALAR)
        load_part(b, y);
    else
        YAML_EACH (item, y)
            load_part(b, item);
}

static void load_timespan(struct build *b)
{
    const struct yaml *y = yaml_get(b->node, "timespan");

    if (!y)
        y = yaml_get(b->node, "timeframe");
    if (!y || y->kind != YAML_SCALAR || parse_duration(y->text, &b->rule->info.window_us) < 0 ||
        b->rule->info.window_us == 0)
        fault(b, y ? y : b->node, "a correlation needs a timespan like 5m");
}

/* The field of an alias for one part: `aliases: {name: {rule: field}}`. */
static struct slice alias_field(const struct build *b, struct slice name, size_t part)
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

static void load_group(struct build *b, const struct yaml *y)
{
    struct group_part *g = &b->c->groups[b->c->ngroups++];

    g->name = y->text;
    g->fields = arena_array(b->r->arena, b->c->nparts + 1, sizeof *g->fields);
    g->names = arena_array(b->r->arena, b->c->nparts + 1, sizeof *g->names);
    if (!g->fields || !g->names)
        return fault(b, y, "out of memory");
    for (size_t i = 0; i < b->c->nparts; i++) {
        g->names[i] = alias_field(b, y->text, i);
        g->fields[i] = field_intern(b->r->names, g->names[i]);
    }
}

static void load_groups(struct build *b)
{
    const struct yaml *y = yaml_get(b->node, "group-by");

    if (!y)
        return;
    b->c->groups = arena_array(b->r->arena, y->nchildren + 1, sizeof *b->c->groups);
    if (!b->c->groups)
        return fault(b, y, "out of memory");
    if (y->kind == YAML_SCALAR)
        load_group(b, y);
    else
        YAML_EACH (item, y)
            load_group(b, item);
}

static void load_value_fields(struct build *b, const struct yaml *y)
{
    size_t n = y->kind == YAML_SEQ ? y->nchildren : 1;
    struct correlation *c = b->c;

    c->values = arena_array(b->r->arena, n, sizeof *c->values);
    c->value_names = arena_array(b->r->arena, n, sizeof *c->value_names);
    if (!c->values || !c->value_names)
        return fault(b, y, "out of memory");
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

static void load_bound(struct build *b, const struct yaml *m)
{
    static const char *const names[] = { "gt",  "gte",   "lt",         "lte", "eq",
                                         "neq", "field", "percentile", NULL };

    for (size_t i = 0; i < ARRAY_SIZE(bound_names); i++) {
        struct bound *bound = &b->c->bounds[b->c->nbounds];

        if (!slice_is(m->key, bound_names[i].name))
            continue;
        if (b->c->nbounds == ARRAY_SIZE(b->c->bounds) || m->kind != YAML_SCALAR ||
            !number_parse(m->text, &bound->value))
            return fault(b, m, "a bound must be a number");
        bound->compare = bound_names[i].compare;
        b->c->judged_at_end = b->c->judged_at_end || bound_names[i].upper;
        b->c->nbounds++;
        return;
    }
    {
        struct yaml key = *m;

        key.text = m->key;
        key.at = m->key_at;
        unknown(b, &key, "key of a condition", names);
    }
}

static void load_condition(struct build *b)
{
    const struct yaml *y = yaml_get(b->node, "condition");
    bool temporal = b->c->type == CORRELATE_TEMPORAL || b->c->type == CORRELATE_TEMPORAL_ORDERED;

    b->c->percentile = 50;
    if (!y && temporal)
        return;
    if (!y)
        return fault(b, b->node, "a correlation needs a condition like {gte: 5}");
    if (y->kind != YAML_MAP)
        return fault(b, y, "conditions in words are not supported yet: use {gte: N}");
    YAML_EACH (m, y) {
        struct number n;

        if (slice_is(m->key, "field"))
            load_value_fields(b, m);
        else if (slice_is(m->key, "percentile"))
            b->c->percentile = number_parse(m->text, &n) ? n.d : 50;
        else
            load_bound(b, m);
    }
    if (b->c->nbounds == 0)
        fault(b, y, "a condition needs a bound: gt, gte, lt, lte, eq or neq");
    if (b->c->type >= CORRELATE_VALUE_COUNT && !temporal && b->c->nvalues == 0)
        fault(b, y, "this type needs 'field:' in its condition");
}

static void check_keys(struct build *b)
{
    static const char *const names[] = { "type",     "rules",     "group-by",
                                         "timespan", "timeframe", "condition",
                                         "aliases",  "generate",  NULL };

    YAML_EACH (m, b->node) {
        struct yaml key = *m;
        size_t i = 0;

        while (names[i] && !slice_is(m->key, names[i]))
            i++;
        key.text = m->key;
        key.at = m->key_at;
        if (!names[i])
            unknown(b, &key, "key of a correlation", names);
    }
}

int correlation_compile(struct rules *r, struct rule *rule, struct diag *d)
{
    struct build b = { .r = r, .rule = rule, .d = d };

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
    (void)yaml_bool(yaml_get(b.node, "generate"), &b.c->generate);
    (void)yaml_bool(yaml_get(rule->doc, "generate"), &b.c->generate);
    return b.failed ? -EINVAL : 0;
}

/* ---- trailwarden: ---- */

static const char *const response_keys[] = { "notify", "ban",   "audit", "suppress",
                                             "refire", "tests", NULL };

static void load_notify(struct build *b, const struct yaml *y)
{
    struct slice *list = arena_array(b->r->arena, y->nchildren + 1, sizeof *list);
    size_t n = 0;

    if (!list)
        return fault(b, y, "out of memory");
    if (y->kind == YAML_SCALAR)
        list[n++] = y->text;
    else
        YAML_EACH (item, y)
            list[n++] = item->text;
    b->rule->response.notify = list;
    b->rule->response.nnotify = n;
}

static void load_ban(struct build *b, const struct yaml *y)
{
    const struct yaml *field = yaml_get(y, "field"), *span = yaml_get(y, "for");
    struct response *resp = &b->rule->response;

    YAML_EACH (m, y)
        if (!slice_is(m->key, "field") && !slice_is(m->key, "for"))
            fault(b, m, "a ban has 'field' and 'for'");
    resp->ban_field = field ? field->text : SLICE("source.ip");
    resp->ban_id = field_intern(b->r->names, resp->ban_field);
    if (!span || parse_duration(span->text, &resp->ban_us) < 0 || resp->ban_us == 0)
        fault(b, y, "a ban needs a duration: {for: 1h}");
}

static void load_refire(struct build *b, const struct yaml *y)
{
    static const char *const names[] = { "edge", "every", "reset", NULL };

    for (int i = 0; names[i]; i++)
        if (slice_is(y->text, names[i])) {
            b->rule->response.refire = (enum refire)i;
            return;
        }
    unknown(b, y, "refire", names);
}

static void load_response_key(struct build *b, const struct yaml *m)
{
    struct response *resp = &b->rule->response;

    if (slice_is(m->key, "notify"))
        load_notify(b, m);
    else if (slice_is(m->key, "ban"))
        load_ban(b, m);
    else if (slice_is(m->key, "refire"))
        load_refire(b, m);
    else if (slice_is(m->key, "tests"))
        resp->tests = m;
    else if (slice_is(m->key, "audit")) {
        if (!yaml_bool(m, &resp->audit))
            fault(b, m, "audit is true or false");
    } else if (slice_is(m->key, "suppress")) {
        if (parse_duration(m->text, &resp->suppress_us) < 0)
            fault(b, m, "suppress is a duration like 30m");
    } else {
        struct yaml key = *m;

        key.text = m->key;
        key.at = m->key_at;
        unknown(b, &key, "key of trailwarden:", response_keys);
    }
}

int response_load(struct rules *r, struct rule *rule, const struct yaml *node, struct diag *d)
{
    struct build b = { .r = r, .rule = rule, .d = d };

    if (!node)
        return 0;
    if (node->kind != YAML_MAP) {
        diag_error(d, node->key_at, "trailwarden must be a map");
        rule->broken = true;
        return -EINVAL;
    }
    YAML_EACH (m, node)
        load_response_key(&b, m);
    rule->broken = rule->broken || b.failed;
    rule->info.ntests = rule->response.tests ? rule->response.tests->nchildren : 0;
    return b.failed ? -EINVAL : 0;
}
