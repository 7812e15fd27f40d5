/* One event against the compiled rules; and the same walk with a trace for `explain`. */
#include <errno.h>
#include <math.h>

#include "base/clock.h"
#include "base/num.h"
#include "rules/tree.h"

/* Log sources seen by one thread: channels, so few. */
#define ROUTES_MAX 64

struct route {
    struct logsource logsource; /* copies */
    uint32_t *rules;
    size_t n;
};

struct rules_scratch {
    const struct rules *rules;
    struct regex_scratch *regex;
    struct arena *arena;
    struct route routes[ROUTES_MAX];
    size_t nroutes;
    uint32_t *hits;
    uint64_t limits;
};

/* ---- numbers ---- */

bool number_parse(struct slice s, struct number *ret)
{
    struct number n = { 0 };

    if (parse_i64(s, INT64_MIN, INT64_MAX, &n.i) == 0) {
        n.integer = true;
        n.d = (double)n.i;
    } else if (parse_double(s, &n.d) < 0) {
        return false;
    }
    *ret = n;
    return true;
}

/* 64-bit integers are compared as such: no rounding to double. */
int number_compare(const struct number *a, const struct number *b)
{
    if (a->integer && b->integer)
        return (a->i > b->i) - (a->i < b->i);
    return (a->d > b->d) - (a->d < b->d);
}

static bool compare_holds(enum comparison c, int r)
{
    switch (c) {
    case COMPARE_LT:
        return r < 0;
    case COMPARE_LTE:
        return r <= 0;
    case COMPARE_GT:
        return r > 0;
    case COMPARE_GTE:
        return r >= 0;
    case COMPARE_EQ:
        return r == 0;
    case COMPARE_NEQ:
        break;
    }
    return r != 0;
}

/* ---- one value ---- */

static bool iso_week(const struct civil *c, int64_t *ret)
{
    int64_t day = days_from_civil(c->year, c->month, c->day);
    int64_t weekday = (c->weekday + 6) % 7; /* Monday = 0 */
    int64_t thursday = day - weekday + 3;
    struct civil t = civil_from_us((uint64_t)thursday * 86400 * USEC_PER_SEC);

    *ret = (thursday - days_from_civil(t.year, 1, 1)) / 7 + 1;
    return true;
}

/* The offset written in the value counts: its own clock is read. */
static bool time_part_of(enum time_part part, struct slice value, struct number *ret)
{
    uint64_t us;
    struct civil c;
    struct slice local = slice_take(value, 19);
    char text[24];

    if (local.n != 19)
        return false;
    memcpy(text, local.p, 19);
    memcpy(text + 19, "Z", 2);
    if (time_parse_rfc3339(slice_str(text), &us) < 0)
        return false;
    c = civil_from_us(us);
    ret->integer = true;
    switch (part) {
    case TIME_MINUTE:
        ret->i = c.minute;
        break;
    case TIME_HOUR:
        ret->i = c.hour;
        break;
    case TIME_DAY:
        ret->i = c.day;
        break;
    case TIME_WEEK:
        iso_week(&c, &ret->i);
        break;
    case TIME_MONTH:
        ret->i = c.month;
        break;
    case TIME_YEAR:
        ret->i = c.year;
        break;
    }
    ret->d = (double)ret->i;
    return true;
}

static bool regex_holds(struct regex_scratch *s, uint64_t *limits, const struct regex *r,
                        struct slice value)
{
    struct slice whole;
    int m = regex_match(r, s, value, &whole, 1);

    if (m < 0)
        (*limits)++; /* told by the caller: never "no match" in silence */
    return m == 1;
}

static bool other_holds(const struct predicate *p, struct slice value, const struct event *ev)
{
    const struct field *o =
        p->other == FIELD_OTHER ? event_get_named(ev, p->other_name) : event_get(ev, p->other);

    if (!o || o->type == VALUE_NULL || o->value.n > value.n)
        return false;
    if (p->starts)
        return slice_eq_nocase(slice_take(value, o->value.n), o->value);
    if (p->ends)
        return slice_eq_nocase(slice_skip(value, value.n - o->value.n), o->value);
    if (p->contains) {
        for (size_t i = 0; i + o->value.n <= value.n; i++)
            if (slice_eq_nocase(slice_of(value.p + i, o->value.n), o->value))
                return true;
        return false;
    }
    return slice_eq_nocase(value, o->value);
}

static bool value_holds(struct regex_scratch *s, uint64_t *limits, const struct predicate *p,
                        struct slice value, const struct event *ev)
{
    struct number n = { 0 };
    struct ip ip;

    switch (p->kind) {
    case PREDICATE_TEXT:
        return pattern_match(&p->pattern, value);
    case PREDICATE_REGEX:
        return regex_holds(s, limits, p->regex, value);
    case PREDICATE_CIDR:
        return ip_parse(value, &ip) == 0 && cidr_has(&p->cidr, &ip);
    case PREDICATE_NUMBER:
        return number_parse(value, &n) && compare_holds(p->compare, number_compare(&n, &p->number));
    case PREDICATE_TIME:
        return time_part_of(p->part, value, &n) &&
               compare_holds(p->compare, number_compare(&n, &p->number));
    case PREDICATE_FIELD:
        return other_holds(p, value, ev);
    case PREDICATE_EXISTS:
    case PREDICATE_NULL:
        break;
    }
    return false;
}

static bool field_fits(const struct predicate *p, const struct field *f)
{
    return p->field != FIELD_OTHER ? f->id == p->field : slice_eq(f->name, p->name);
}

/* Keywords: any value at any depth, and the raw text. */
static bool keyword_holds(struct regex_scratch *s, uint64_t *limits, const struct predicate *p,
                          const struct event *ev)
{
    for (size_t i = 0; i < ev->nfields; i++)
        if (ev->fields[i].type != VALUE_NULL && value_holds(s, limits, p, ev->fields[i].value, ev))
            return true;
    return value_holds(s, limits, p, ev->raw, ev);
}

bool predicate_holds(const struct rules *r UNUSED, struct regex_scratch *s, uint64_t *limits,
                     const struct predicate *p, const struct event *ev)
{
    bool present = false, null = false;

    if (p->keyword)
        return keyword_holds(s, limits, p, ev);
    for (size_t i = 0; i < ev->nfields; i++) {
        const struct field *f = &ev->fields[i];

        if (!field_fits(p, f))
            continue;
        present = true;
        null = null || f->type == VALUE_NULL;
        /* An array's members share the name: any of them will do. */
        if (f->type != VALUE_NULL && value_holds(s, limits, p, f->value, ev))
            return true;
    }
    if (p->kind == PREDICATE_EXISTS)
        return present == p->exists;
    return p->kind == PREDICATE_NULL && (!present || null);
}

static bool node_holds(const struct rules *r, struct rules_scratch *s, const struct node *n,
                       const struct event *ev)
{
    if (n->kind == NODE_PREDICATE)
        return predicate_holds(r, s->regex, &s->limits, n->predicate, ev);
    if (n->kind == NODE_NOT)
        return !node_holds(r, s, n->children[0], ev);
    for (size_t i = 0; i < n->n; i++)
        if (node_holds(r, s, n->children[i], ev) == (n->kind == NODE_OR))
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

static void route_fill(struct rules_scratch *s, struct route *route)
{
    route->n = 0;
    for (size_t i = 0; i < s->rules->n; i++) {
        const struct rule *rule = &s->rules->list[i];

        if (!rule->broken && rule->condition && rule->info.evaluated &&
            logsource_fits(rule->info.logsource, &route->logsource))
            route->rules[route->n++] = (uint32_t)i;
    }
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
    return s->regex && s->arena && s->hits ? TAKE(s) : NULL;
}

void rules_scratch_free(struct rules_scratch *s)
{
    if (!s)
        return;
    regex_scratch_free(s->regex);
    arena_free(s->arena);
    free(s->hits);
    free(s);
}

uint64_t rules_scratch_limits(const struct rules_scratch *s)
{
    return s->limits;
}

size_t rules_match(const struct rules *r, struct rules_scratch *s, const struct event *ev,
                   const uint32_t **ret_rules)
{
    const struct route *route = route_of(s, ev->logsource);
    size_t n = 0;

    for (size_t i = 0; route && i < route->n; i++)
        if (node_holds(r, s, r->list[route->rules[i]].condition, ev))
            s->hits[n++] = route->rules[i];
    *ret_rules = s->hits;
    return n;
}

/* ---- explaining ---- */

struct explain {
    const struct rules *rules;
    struct rules_scratch *scratch;
    const struct event *event;
    const struct rules_trace *trace;
    struct arena *arena;
    unsigned held, tried;
};

static struct slice actual_value(const struct predicate *p, const struct event *ev)
{
    for (size_t i = 0; i < ev->nfields; i++)
        if (field_fits(p, &ev->fields[i]))
            return ev->fields[i].type == VALUE_NULL ? SLICE("null") : ev->fields[i].value;
    return SLICE_NONE;
}

static void trace_predicate(struct explain *x, const struct predicate *p, unsigned depth, bool held)
{
    struct slice value = actual_value(p, x->event);
    char *text;

    if (p->keyword)
        text = arena_printf(x->arena, "%.*s (anywhere)", SLICE_FMT(p->shown));
    else if (!value.p)
        text = arena_printf(x->arena, "%.*s (the event has no such field)", SLICE_FMT(p->shown));
    else
        text = arena_printf(x->arena, "%.*s (is '%.*s')", SLICE_FMT(p->shown),
                            SLICE_FMT(slice_take(value, 80)));
    if (text)
        x->trace->line(x->trace->ctx, depth, slice_str(text), held);
}

static bool explain_node(struct explain *x, const struct node *n, unsigned depth)
{
    static const char *const words[] = { "all of", "any of", "not" };
    bool held = node_holds(x->rules, x->scratch, n, x->event);

    if (n->kind == NODE_PREDICATE) {
        x->tried++;
        x->held += held;
        if (x->trace)
            trace_predicate(x, n->predicate, depth, held);
        return held;
    }
    if (x->trace) {
        char *text = arena_printf(x->arena, "%s%s%.*s", words[n->kind], n->label.n ? ": " : "",
                                  SLICE_FMT(n->label));

        if (text)
            x->trace->line(x->trace->ctx, depth, slice_str(text), held);
    }
    for (size_t i = 0; i < n->n; i++)
        explain_node(x, n->children[i], depth + 1);
    return held;
}

static bool explain(const struct rules *r, struct rules_scratch *s, size_t i,
                    const struct event *ev, const struct rules_trace *trace, unsigned *ret_near)
{
    AUTO(arena) a = arena_new(4096, 1 << 20);
    struct explain x = { r, s, ev, trace, a, 0, 0 };
    bool held;

    *ret_near = 0;
    if (!a || i >= r->n || !r->list[i].condition || r->list[i].broken)
        return false;
    held = explain_node(&x, r->list[i].condition, 0);
    *ret_near = x.tried ? x.held * 1000 / x.tried : 0;
    return held;
}

bool rules_explain(const struct rules *r, struct rules_scratch *s, size_t i, const struct event *ev,
                   const struct rules_trace *trace)
{
    unsigned near;

    return explain(r, s, i, ev, trace, &near);
}

unsigned rules_nearness(const struct rules *r, struct rules_scratch *s, size_t i,
                        const struct event *ev)
{
    unsigned near;

    (void)explain(r, s, i, ev, NULL, &near);
    return near;
}

bool rules_feeds(const struct rules *r, struct rules_scratch *s, size_t i, const struct event *ev)
{
    const struct correlation *c = i < r->n ? r->list[i].correlation : NULL;

    for (size_t p = 0; c && p < c->nparts; p++) {
        const struct rule *part = &r->list[c->parts[p]];

        if (!part->broken && part->condition &&
            logsource_fits(part->info.logsource, ev->logsource) &&
            node_holds(r, s, part->condition, ev))
            return true;
    }
    return false;
}
