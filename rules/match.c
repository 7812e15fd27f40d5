/* One event against the compiled rules. */
#include <errno.h>

#include "rules/match.h"

bool node_holds(struct rules_scratch *s, const struct node *n, const struct event *ev)
{
    if (n->kind == NODE_PREDICATE)
        return predicate_holds(s, n->predicate, ev);
    if (n->kind == NODE_NOT)
        return !node_holds(s, n->children[0], ev);
    for (size_t i = 0; i < n->n; i++)
        if (node_holds(s, n->children[i], ev) == (n->kind == NODE_OR))
            return n->kind == NODE_OR;
    return n->kind == NODE_AND;
}

/* ---- routing ---- */

static bool part_fits(struct slice rule, struct slice event)
{
    return rule.n == 0 || slice_eq_nocase(rule, event);
}

bool logsource_fits(const struct logsource *rule, const struct logsource *event)
{
    static const struct logsource none;

    if (!event)
        event = &none;
    return part_fits(rule->product, event->product) && part_fits(rule->category, event->category) &&
           part_fits(rule->service, event->service);
}

static bool logsource_eq(const struct logsource *a, const struct logsource *b)
{
    return slice_eq(a->product, b->product) && slice_eq(a->category, b->category) &&
           slice_eq(a->service, b->service);
}

bool rules_asks(const struct rules *r, size_t i, const struct logsource *ls)
{
    const struct rule *rule = &r->list[i];

    return !rule->broken && rule->condition && rule->info.evaluated &&
           logsource_fits(rule->info.logsource, ls);
}

static void route_fill(struct rules_scratch *s, struct route *route)
{
    route->n = 0;
    for (size_t i = 0; i < s->rules->n; i++)
        if (rules_asks(s->rules, i, &route->logsource))
            route->rules[route->n++] = (uint32_t)i;
}

static const struct route *route_of(struct rules_scratch *s, const struct logsource *ls)
{
    static const struct logsource none;
    struct route *route;

    if (!ls)
        ls = &none;
    for (size_t i = 0; i < s->nroutes; i++)
        if (logsource_eq(&s->routes[i].logsource, ls))
            return &s->routes[i];
    /* Past the last place (only tests have so many) it is filled again for each. */
    route = &s->routes[s->nroutes < ROUTES_MAX - 1 ? s->nroutes++ : ROUTES_MAX - 1];
    route->logsource.product = arena_slice(s->arena, ls->product);
    route->logsource.category = arena_slice(s->arena, ls->category);
    route->logsource.service = arena_slice(s->arena, ls->service);
    if (!route->rules)
        route->rules = arena_array(s->arena, s->rules->n + 1, sizeof *route->rules);
    if (!route->rules)
        return NULL;
    route_fill(s, route);
    return route;
}

struct rules_scratch *rules_scratch_new(const struct rules *r)
{
    AUTO(rules_scratch) s = calloc(1, sizeof *s);

    if (!s)
        return NULL;
    s->rules = r;
    s->regex = regex_scratch_new();
    s->arena = arena_new(4096, 0);
    s->hits = calloc(r->n + 1, sizeof *s->hits);
    s->troubles = calloc(r->n + 1, sizeof *s->troubles);
    s->rested = calloc(r->n + 1, sizeof *s->rested);
    s->nplaces = field_count(r->names);
    s->places = calloc(s->nplaces + 1, sizeof *s->places);
    return s->regex && s->arena && s->hits && s->troubles && s->rested && s->places ? TAKE(s)
                                                                                    : NULL;
}

void rules_scratch_free(struct rules_scratch *s)
{
    if (!s)
        return;
    regex_scratch_free(s->regex);
    arena_free(s->arena);
    free(s->hits);
    free(s->troubles);
    free(s->rested);
    free(s->places);
    free(s);
}

uint64_t rules_scratch_limits(const struct rules_scratch *s)
{
    return s->limits.hit + s->limits.cut;
}

/* ---- rules whose regular expressions run into their limits ---- */

/*
 * Each hit costs as much as thousands of events, and who writes the log can
 * cause one in every line. So a rule that has had its share rests for a number
 * of events and is then tried again: one more hit, and it rests twice as long.
 * For good would be an invitation: a few bad lines would turn a rule off.
 */
static void add_trouble(struct rules_scratch *s, uint32_t rule, uint64_t hits)
{
    struct trouble *t = &s->troubles[rule];

    if (s->events - t->last > TROUBLE_FORGOTTEN)
        t->strikes = t->pause = 0;
    t->last = s->events;
    t->hits += hits;
    t->strikes += hits;
    if (t->strikes < TROUBLE_HITS)
        return;
    t->strikes = TROUBLE_HITS - 1;
    t->pause = t->pause ? t->pause * 2 : TROUBLE_PAUSE;
    if (t->pause > TROUBLE_PAUSE_MAX)
        t->pause = TROUBLE_PAUSE_MAX;
    t->rest = t->pause;
    s->troubled = true;
    for (size_t i = 0; i < s->nrested; i++)
        if (s->rested[i] == rule)
            return;
    s->rested[s->nrested++] = rule;
}

size_t rules_scratch_rested(struct rules_scratch *s, const uint32_t **ret_rules)
{
    size_t n = s->nrested;

    *ret_rules = s->rested;
    s->nrested = 0;
    return n;
}

static bool rests(struct rules_scratch *s, uint32_t rule)
{
    struct trouble *t = &s->troubles[rule];

    if (t->rest == 0)
        return false;
    t->rest--;
    t->skipped++;
    return true;
}

bool rules_scratch_trouble(const struct rules_scratch *s, size_t rule, struct rules_trouble *ret)
{
    const struct trouble *t = &s->troubles[rule];

    *ret = (struct rules_trouble){ t->hits, t->skipped, t->rest };
    return t->hits > 0;
}

/* ---- one event ---- */

static void ask(struct rules_scratch *s, uint32_t rule, const struct event *ev, size_t *n)
{
    const struct rule *r = &s->rules->list[rule];
    uint64_t limits = s->limits.hit;

    if (s->troubled && rests(s, rule))
        return;
    if (r->travels ? travel_may_hold(s, r->condition, ev, true) : node_holds(s, r->condition, ev))
        s->hits[(*n)++] = rule;
    if (s->limits.hit != limits)
        add_trouble(s, rule, s->limits.hit - limits);
}

size_t rules_match(const struct rules *r UNUSED, struct rules_scratch *s, const struct event *ev,
                   const uint32_t **ret_rules)
{
    const struct route *route = route_of(s, ev->logsource);
    size_t n = 0;

    s->events++;
    scratch_take(s, ev);
    for (size_t i = 0; route && i < route->n; i++)
        ask(s, route->rules[i], ev, &n);
    *ret_rules = s->hits;
    return n;
}

size_t rules_match_only(const struct rules *r, struct rules_scratch *s, const struct event *ev,
                        const uint64_t *only, const uint32_t **ret_rules)
{
    size_t n = 0;

    s->events++;
    scratch_take(s, ev);
    for (size_t word = 0; word <= r->n / 64; word++)
        for (uint64_t bits = only[word]; bits; bits &= bits - 1)
            ask(s, (uint32_t)(word * 64 + (size_t)__builtin_ctzll(bits)), ev, &n);
    *ret_rules = s->hits;
    return n;
}
