/* One event against the compiled rules. */
#include <errno.h>

#include "rules/index.h"
#include "rules/match.h"

/* Not inlined, as the next: most of what is asked is a predicate, which needs no registers kept. */
static __attribute__((noinline)) bool children_hold(struct rules_scratch *s, const struct node *n,
                                                    const struct event *ev)
{
    struct node *const *asked = n->asked ? n->asked : n->children;

    for (size_t i = 0; i < n->n; i++)
        if (node_holds(s, asked[i], ev) == (n->kind == NODE_OR))
            return n->kind == NODE_OR;
    return n->kind == NODE_AND;
}

/* A list of values for one field is answered as a predicate is. */
static __attribute__((noinline)) bool list_holds(struct rules_scratch *s, const struct node *n,
                                                 const struct event *ev)
{
    const struct field_place *place = scratch_place(s, n->field, ev);
    uint64_t *answer, limits = rules_scratch_limits(s);
    bool held;

    if (!place)
        return false;
    answer = &s->answers[(size_t)n->nth * VALUES_KEPT + place->column];
    if (*answer >> 1 == place->number)
        return *answer & 1;
    held = children_hold(s, n, ev);
    if (rules_scratch_limits(s) == limits)
        *answer = place->number << 1 | held;
    return held;
}

bool node_holds(struct rules_scratch *s, const struct node *n, const struct event *ev)
{
    if (n->kind == NODE_PREDICATE)
        return predicate_holds(s, n->predicate, ev);
    if (n->kind == NODE_NOT)
        return !node_holds(s, n->children[0], ev);
    return n->is_list ? list_holds(s, n, ev) : children_hold(s, n, ev);
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

static size_t set_words(const struct rules *r)
{
    return r->n / 64 + 1;
}

static void route_fill(struct rules_scratch *s, struct route *route)
{
    memset(route->rules, 0, set_words(s->rules) * sizeof *route->rules);
    for (size_t i = 0; i < s->rules->n; i++)
        if (rules_asks(s->rules, i, &route->logsource))
            route->rules[i / 64] |= UINT64_C(1) << i % 64;
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
        route->rules = arena_array(s->arena, set_words(s->rules), sizeof *route->rules);
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
    s->own.nrules = r->n;
    s->memory = &s->own;
    s->looked = calloc(r->index ? index_buckets(r->index) + 1 : 1, sizeof *s->looked);
    s->candidates = calloc(set_words(r), sizeof *s->candidates);
    return scratch_init_fields(s) && s->regex && s->arena && s->hits && s->looked && s->candidates
               ? TAKE(s)
               : NULL;
}

void rules_scratch_free(struct rules_scratch *s)
{
    if (!s)
        return;
    regex_scratch_free(s->regex);
    arena_free(s->arena);
    free(s->hits);
    free(s->own.troubles);
    free(s->own.rested);
    scratch_fini_fields(s);
    free(s->looked);
    free(s->candidates);
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
static bool trouble_room(struct rules_memory *m)
{
    if (!m->troubles)
        m->troubles = calloc(m->nrules + 1, sizeof *m->troubles);
    if (!m->rested)
        m->rested = calloc(m->nrules + 1, sizeof *m->rested);
    return m->troubles && m->rested;
}

/* Without memory for it no rule rests: slower, and not less exact. */
static void add_trouble(struct rules_memory *m, uint32_t rule, uint64_t hits)
{
    struct trouble *t = trouble_room(m) ? &m->troubles[rule] : NULL;

    if (!t)
        return;
    if (m->events - t->last > TROUBLE_FORGOTTEN)
        t->strikes = t->pause = 0;
    t->last = m->events;
    t->hits += hits;
    t->strikes += hits;
    if (t->strikes < TROUBLE_HITS)
        return;
    t->strikes = TROUBLE_HITS - 1;
    t->pause = t->pause ? t->pause * 2 : TROUBLE_PAUSE;
    if (t->pause > TROUBLE_PAUSE_MAX)
        t->pause = TROUBLE_PAUSE_MAX;
    t->rest = t->pause;
    m->nresting++;
    for (size_t i = 0; i < m->nrested; i++)
        if (m->rested[i] == rule)
            return;
    m->rested[m->nrested++] = rule;
}

size_t rules_scratch_rested(struct rules_scratch *s, const uint32_t **ret_rules)
{
    size_t n = s->memory->nrested;

    *ret_rules = s->memory->rested;
    s->memory->nrested = 0;
    return n;
}

static bool rests(struct rules_memory *m, uint32_t rule)
{
    struct trouble *t = &m->troubles[rule];

    if (t->rest == 0)
        return false;
    t->skipped++;
    if (--t->rest == 0)
        m->nresting--;
    return true;
}

bool rules_scratch_trouble(const struct rules_scratch *s, size_t rule, struct rules_trouble *ret)
{
    const struct trouble none = { 0 };
    const struct trouble *t = s->memory->troubles ? &s->memory->troubles[rule] : &none;

    *ret = (struct rules_trouble){ t->hits, t->skipped, t->rest };
    return t->hits > 0;
}

/* ---- what is remembered ---- */

struct rules_memory *rules_memory_new(const struct rules *r)
{
    struct rules_memory *m = calloc(1, sizeof *m);

    if (m)
        m->nrules = r->n;
    return m;
}

void rules_memory_free(struct rules_memory *m)
{
    if (!m)
        return;
    free(m->troubles);
    free(m->rested);
    free(m);
}

void rules_memory_forget(struct rules_memory *m)
{
    free(m->troubles);
    free(m->rested);
    *m = (struct rules_memory){ .nrules = m->nrules };
}

void rules_scratch_remember(struct rules_scratch *s, struct rules_memory *m)
{
    s->memory = m ? m : &s->own;
}

bool rules_memory_pass(struct rules_memory *m, const struct rules_memory *later)
{
    if (m->nresting || later->troubles)
        return false;
    m->events += later->events;
    return true;
}

/* ---- one event ---- */

/* Up to so many rules are asked one after the other: that costs less than a look into the index. */
#define FEW_RULES 16

static ALWAYS_INLINE void ask(struct rules_scratch *s, uint32_t rule, const struct event *ev,
                              size_t *n)
{
    const struct rule *r = &s->rules->list[rule];
    uint64_t limits = s->limits.hit;

    if (r->travels ? travel_may_hold(s, r->condition, ev, true) : node_holds(s, r->condition, ev))
        s->hits[(*n)++] = rule;
    if (s->limits.hit != limits)
        add_trouble(s->memory, rule, s->limits.hit - limits);
}

/* Their numbers; FEW_RULES + 1 when there are more. */
static size_t list_few(const uint64_t *set, size_t words, uint32_t *list)
{
    size_t n = 0;

    for (size_t i = 0; i < words; i++)
        for (uint64_t bits = set[i]; bits; bits &= bits - 1) {
            if (n == FEW_RULES)
                return FEW_RULES + 1;
            list[n++] = (uint32_t)(i * 64 + (size_t)__builtin_ctzll(bits));
        }
    return n;
}

static size_t match_few(struct rules_scratch *s, const struct event *ev, const uint32_t *list,
                        size_t nlist)
{
    size_t n = 0;

    for (size_t i = 0; i < nlist; i++)
        if (s->memory->nresting == 0 || !rests(s->memory, list[i]))
            ask(s, list[i], ev, &n);
    return n;
}

/*
 * The rules of the set that hold. A rest is counted in events of the set, whether
 * the index names the rule for them or not: it ends for the same line either way.
 */
static size_t match_many(struct rules_scratch *s, const struct event *ev, const uint64_t *set)
{
    const uint64_t *candidates = s->candidates;
    size_t n = 0;

    index_find(s->rules->index, s, ev, s->candidates);
    for (size_t word = 0; word < set_words(s->rules); word++) {
        uint64_t bits = s->memory->nresting ? set[word] : set[word] & candidates[word];

        for (; bits; bits &= bits - 1) {
            uint32_t rule = (uint32_t)(word * 64 + (size_t)__builtin_ctzll(bits));

            if (s->memory->nresting && rests(s->memory, rule))
                continue;
            if (candidates[word] >> rule % 64 & 1)
                ask(s, rule, ev, &n);
        }
    }
    return n;
}

static size_t match(struct rules_scratch *s, const struct event *ev, const uint64_t *set)
{
    uint32_t few[FEW_RULES];
    size_t n = list_few(set, set_words(s->rules), few);

    s->memory->events++;
    scratch_take(s, ev);
    return n > FEW_RULES ? match_many(s, ev, set) : match_few(s, ev, few, n);
}

size_t rules_match(const struct rules *r UNUSED, struct rules_scratch *s, const struct event *ev,
                   const uint32_t **ret_rules)
{
    const struct route *route = route_of(s, ev->logsource);

    *ret_rules = s->hits;
    return route ? match(s, ev, route->rules) : 0;
}

static bool is_empty(const uint64_t *set, size_t words)
{
    for (size_t i = 0; i < words; i++)
        if (set[i])
            return false;
    return true;
}

size_t rules_match_only(const struct rules *r, struct rules_scratch *s, const struct event *ev,
                        const uint64_t *only, const uint32_t **ret_rules)
{
    *ret_rules = s->hits;
    return is_empty(only, set_words(r)) ? 0 : match(s, ev, only);
}
