/* `detection:` to a tree: search identifiers, and the condition over them. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "rules/detection.h"

struct node *build_fault(struct build *b, struct src_pos at, const char *fmt, ...)
{
    char text[400];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    diag_error(b->d, at, "%s", text);
    b->failed = true;
    return NULL;
}

struct node *node_new(struct arena *a, enum node_kind kind)
{
    struct node *n = arena_alloc(a, sizeof *n);

    if (n)
        n->kind = kind;
    return n;
}

int node_add(struct arena *a, struct node *parent, struct node *child)
{
    if (!child)
        return -EINVAL;
    if (parent->n == parent->cap) {
        size_t cap = parent->cap ? parent->cap * 2 : 4;
        struct node **c = arena_array(a, cap, sizeof *c);

        if (!c)
            return -ENOMEM;
        if (parent->n)
            memcpy(c, parent->children, parent->n * sizeof *c);
        parent->children = c;
        parent->cap = cap;
    }
    parent->children[parent->n++] = child;
    return 0;
}

struct node *build_simplify(struct node *n)
{
    return n && (n->kind == NODE_AND || n->kind == NODE_OR) && n->n == 1 ? n->children[0] : n;
}

struct node *build_negate(struct build *b, struct node *n)
{
    struct node *not = node_new(b->a, NODE_NOT);

    return not &&node_add(b->a, not, n) == 0 ? not : NULL;
}

/* ---- one `field|modifiers: value or list` ---- */

/* Each value is tried, so that all faults are told. */
static struct node *list_node(struct build *b, const struct item *item, const struct yaml *y)
{
    struct node *n = node_new(b->a, item_has(item, MOD(ALL)) ? NODE_AND : NODE_OR);
    bool bad = !n;

    if (item_has(item, MOD(EXISTS)))
        return build_fault(b, y->at, "exists takes true or false, no list");
    YAML_EACH (v, y) {
        struct node *one = NULL;

        if (value_is_null(v))
            build_fault(b, v->at, "null in a list: ask for it in an item of its own");
        else
            one = value_node(b, item, v);
        bad = bad || !one || node_add(b->a, n, one) < 0;
    }
    return bad ? NULL : build_simplify(n);
}

static struct node *item_node(struct build *b, const struct yaml *y)
{
    struct item item;
    struct node *n;

    if (!item_parse(b, y, &item))
        return NULL;
    if (y->kind == YAML_MAP)
        return build_fault(b, y->at, "a field takes a value or a list of values");
    if (y->kind == YAML_SEQ && y->nchildren == 0)
        return build_fault(b, y->key_at, "an empty list matches nothing: leave the field out");
    if (item_has(&item, MOD(ALL)) && (y->kind == YAML_SCALAR || y->nchildren == 1))
        diag_warning(b->d, y->key_at, "'all' over a single value says nothing");
    n = y->kind == YAML_SCALAR ? value_node(b, &item, y) : list_node(b, &item, y);
    return n && item_has(&item, MOD(NEQ)) ? build_negate(b, n) : n;
}

/* ---- search identifiers: a map, a list of maps, keywords, or a mix ---- */

static struct node *map_node(struct build *b, const struct yaml *map)
{
    struct node *all = node_new(b->a, NODE_AND);
    bool bad = !all;

    if (map->nchildren == 0)
        return build_fault(b, map->at, "an empty selection");
    YAML_EACH (m, map) {
        struct node *one = item_node(b, m);

        bad = bad || !one || node_add(b->a, all, one) < 0;
    }
    return bad ? NULL : build_simplify(all);
}

static struct node *member_node(struct build *b, const struct yaml *v)
{
    struct item keyword = { .keyword = true };

    if (v->kind == YAML_SEQ)
        return build_fault(b, v->at, "a list in a list: keywords and maps stand in one");
    return v->kind == YAML_MAP ? map_node(b, v) : value_node(b, &keyword, v);
}

static struct node *selection_node(struct build *b, const struct yaml *y)
{
    struct node *any;
    bool bad;

    if (y->kind != YAML_SEQ)
        return member_node(b, y);
    if (y->nchildren == 0)
        return build_fault(b, y->key_at, "an empty selection");
    any = node_new(b->a, NODE_OR);
    bad = !any;
    YAML_EACH (v, y) {
        struct node *one = member_node(b, v);

        bad = bad || !one || node_add(b->a, any, one) < 0;
    }
    return bad ? NULL : build_simplify(any);
}

/* ---- the whole ---- */

bool is_identifier(const struct build *b, const struct yaml *y)
{
    /* timeframe: of the old standard; a count over time is a correlation now. */
    return !slice_is(y->key, "condition") && !slice_is(y->key, "timeframe") &&
           !(b->filter && slice_is(y->key, "rules"));
}

/* Names that the condition could not tell from its own words. */
static bool check_name(struct build *b, const struct yaml *y)
{
    static const char *const reserved[] = { "and", "or", "not", "them" };

    for (size_t i = 0; i < ARRAY_SIZE(reserved); i++)
        if (slice_eq_nocase(y->key, slice_str(reserved[i]))) {
            build_fault(b, y->key_at, "'%s' is a word of conditions: name the selection otherwise",
                        reserved[i]);
            return false;
        }
    return true;
}

/* Every identifier once, used or not: all faults are told in one go. */
static bool compile_identifiers(struct build *b)
{
    size_t i = 0, n = 0;

    b->compiled = arena_array(b->a, b->detection->nchildren + 1, sizeof *b->compiled);
    if (!b->compiled)
        return false;
    YAML_EACH (y, b->detection) {
        if (slice_is(y->key, "timeframe"))
            diag_warning(b->d, y->key_at, "timeframe means nothing here: a correlation counts");
        if (is_identifier(b, y) && check_name(b, y)) {
            b->compiled[i] = selection_node(b, y);
            n++;
            /* What is missing would stand for "anything" below. */
            if (!b->compiled[i] && !b->failed)
                build_fault(b, y->key_at, "out of memory");
        }
        if (b->compiled[i] && !b->compiled[i]->label.p)
            b->compiled[i]->label = y->key;
        i++;
    }
    if (n == 0 && !b->failed)
        build_fault(b, b->detection->at, "no selection: a condition needs something to ask for");
    return true;
}

static struct node *conditions_node(struct build *b, const struct yaml *condition)
{
    struct node *any = node_new(b->a, NODE_OR);
    bool bad = !any;

    if (condition->nchildren == 0)
        return build_fault(b, condition->key_at, "an empty list of conditions");
    YAML_EACH (c, condition) {
        struct node *one = condition_node(b, c);

        bad = bad || !one || node_add(b->a, any, one) < 0;
    }
    return bad ? NULL : build_simplify(any);
}

static struct node *detection_node(struct build *b)
{
    const struct yaml *condition = yaml_get(b->detection, "condition");
    struct node *n;

    if (!compile_identifiers(b))
        return build_fault(b, b->detection->at, "out of memory");
    if (!condition)
        return build_fault(b, b->detection->at, "a %s needs a condition",
                           b->filter ? "filter" : "detection");
    n = condition->kind == YAML_SEQ ? conditions_node(b, condition) : condition_node(b, condition);
    if (!n && !b->failed)
        build_fault(b, condition->at, "out of memory");
    return b->failed ? NULL : n;
}

struct node *detection_compile(struct rules *r, const struct yaml *detection, bool filter,
                               struct diag *d)
{
    struct build b = {
        .r = r, .a = r->arena, .temp = r->temp, .d = d, .detection = detection, .filter = filter
    };
    struct node *n = detection_node(&b);

    arena_reset(r->temp);
    return n;
}
