/* Filters: a condition that is ANDed to the rules it names, with identifiers of its own. */
#include <errno.h>

#include "rules/load.h"

int filter_add(struct rules *r, const struct yaml *doc, unsigned number, struct diag *d)
{
    struct filter *list = load_room(r->filters, r->nfilters, &r->filters_cap, sizeof *list);
    const struct yaml *body = yaml_get(doc, "filter");
    size_t before = diag_errors(d);
    const struct logsource *ls;

    if (!list)
        return -ENOMEM;
    r->filters = list;
    meta_check(doc, d);
    ls = meta_logsource(r, doc, false, d);
    if (!ls)
        return -ENOMEM;
    if (!yaml_get(doc, "logsource"))
        diag_error(d, doc->at, "a filter needs a logsource");
    if (body->kind != YAML_MAP)
        diag_error(d, body->key_at, "filter must be a map of rules, selections and a condition");
    list[r->nfilters++] = (struct filter){ .doc = doc,
                                           .body = body,
                                           .logsource = *ls,
                                           .at = doc->at,
                                           .number = number,
                                           .broken = diag_errors(d) > before };
    return 0;
}

/* `rules:` of the filter: any, one name, or a list of ids and names. */
static bool check_rules(const struct filter *f, struct diag *d)
{
    const struct yaml *rules = yaml_get(f->body, "rules");
    bool good = rules && (rules->kind == YAML_SEQ      ? rules->nchildren > 0
                          : rules->kind == YAML_SCALAR ? rules->text.n > 0
                                                       : false);

    if (!good)
        diag_error(d, rules ? rules->key_at : f->body->at,
                   "a filter needs rules: a list of ids or names, or any");
    if (good && rules->kind == YAML_SEQ)
        YAML_EACH (one, rules)
            if (one->kind != YAML_SCALAR) {
                diag_error(d, one->at, "a rule is named by its id or name");
                good = false;
            }
    return good;
}

static bool names(const struct yaml *name, const struct rule *rule)
{
    return name->text.n &&
           (slice_eq(name->text, rule->info.id) || slice_eq(name->text, rule->info.name));
}

static bool filter_names(const struct yaml *rules, const struct rule *rule)
{
    if (rules->kind == YAML_SCALAR)
        return slice_is(rules->text, "any") || names(rules, rule);
    YAML_EACH (n, rules)
        if (names(n, rule))
            return true;
    return false;
}

static bool negates(const struct node *n)
{
    if (n->kind == NODE_NOT)
        return true;
    for (size_t i = 0; i < n->n; i++)
        if (negates(n->children[i]))
            return true;
    return false;
}

/* Names in a list that no rule has: the filter does less than its author thinks. */
static void tell_unknown(const struct rules *r, const struct yaml *rules, struct diag *d)
{
    YAML_EACH (n, rules) {
        bool known = false;

        for (size_t i = 0; i < r->n && !known; i++)
            known = names(n, &r->list[i]);
        if (!known)
            diag_warning(d, n->at, "no rule has the id or name '%.*s'",
                         SLICE_FMT(slice_take(n->text, 80)));
    }
}

static int and_to(struct rules *r, struct rule *rule, struct node *condition)
{
    struct node *both = node_new(r->arena, NODE_AND);

    if (!both || node_add(r->arena, both, rule->condition) < 0 ||
        node_add(r->arena, both, condition) < 0)
        return -ENOMEM;
    rule->condition = both;
    return 0;
}

int filter_compile(struct rules *r, struct filter *f, struct diag *d)
{
    const struct yaml *rules = yaml_get(f->body, "rules");
    struct node *condition;
    size_t hits = 0;

    if (f->broken || !check_rules(f, d))
        return 0;
    condition = detection_compile(r, f->body, true, d);
    if (!condition)
        return 0;
    f->condition = condition;
    if (!condition->label.p)
        condition->label = meta_text(f->doc, "title");
    if (!negates(condition))
        diag_warning(d, yaml_get(f->body, "condition")->at,
                     "this filter has no 'not': only what it selects would be left");
    tell_unknown(r, rules, d);
    for (size_t i = 0; i < r->n; i++) {
        struct rule *rule = &r->list[i];

        if (rule->info.kind != RULE_DETECTION || !filter_names(rules, rule) ||
            !logsource_fits(&f->logsource, rule->info.logsource))
            continue;
        hits++;
        if (rule->condition && and_to(r, rule, condition) < 0)
            return -ENOMEM;
    }
    if (!hits)
        diag_warning(d, f->at, "this filter fits no rule");
    return 0;
}
