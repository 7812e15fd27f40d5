/* What a condition compares, from the totals of a group. */
#include "rules/window.h"

static struct number of_u64(uint64_t v)
{
    return (struct number){ .integer = true, .i = (int64_t)v, .d = (double)v };
}

static struct number of_double(double v)
{
    return (struct number){ .d = v };
}

static uint64_t parts_present(const struct correlation *c, const struct totals *t)
{
    uint64_t n = 0;

    for (size_t p = 0; p < c->nparts; p++)
        n += t->parts[p] > 0;
    return n;
}

/* How many steps of the sequence are there, in their order. */
static uint64_t ordered_steps(const struct correlation *c, const struct group *g)
{
    const uint64_t *parts = more_of(g)->totals->parts;
    struct stamp s;
    size_t step = 0;

    for (size_t p = 0; p < c->nparts && c->nbounds == 0; p++) /* then all are needed */
        if (parts[p] == 0)
            return p;
    for (size_t i = 0; i < g->n && step < c->nparts; i++) {
        stamp_unpack(g, i, &s);
        step += s.part == step;
    }
    return step;
}

/* Whole numbers are summed exactly; others once more each time, so that no error is carried on. */
static struct number sum(const struct totals *t)
{
    double d = 0;

    if (t->fractions == 0 && t->sum >= INT64_MIN && t->sum <= INT64_MAX)
        return (struct number){ .integer = true, .i = (int64_t)t->sum, .d = (double)t->sum };
    if (t->fractions == 0)
        return of_double((double)t->sum);
    for (size_t i = 0; i < t->numbers; i++)
        d += t->sorted[i].d;
    return of_double(d);
}

static struct number average(const struct totals *t)
{
    return of_double(t->numbers ? sum(t).d / (double)t->numbers : 0);
}

static struct number percentile(const struct totals *t, double p)
{
    size_t i = (size_t)(p / 100 * (double)t->numbers); /* p percent are before it */

    if (t->numbers == 0)
        return of_u64(0);
    return t->sorted[i >= t->numbers ? t->numbers - 1 : i];
}

static uint64_t hits(const struct totals *t, size_t from, size_t to)
{
    uint64_t n = 0;

    for (size_t p = from; p < to; p++)
        n += t->parts[p];
    return n;
}

static struct number ratio(const struct correlation *c, const struct totals *t)
{
    uint64_t of = hits(t, c->nrules, c->nparts);

    return of_double(of ? 100.0 * (double)hits(t, 0, c->nrules) / (double)of : 0);
}

/* Few entries have no totals. */
static uint64_t distinct(const struct group *g)
{
    uint64_t values[VALUES_FEW], n = 0;

    for (size_t i = 0; i < g->n && i < VALUES_FEW; i++) {
        uint64_t value = stamp_hash(g, i);
        size_t before = 0;

        while (before < n && values[before] != value)
            before++;
        if (value && before == n)
            values[n++] = value;
    }
    return n;
}

struct number measure(const struct correlation *c, const struct group *g)
{
    const struct totals *t = more_of(g)->totals;

    if (!t && c->type == CORRELATE_VALUE_COUNT)
        return of_u64(distinct(g));
    if (!t || c->type == CORRELATE_EVENT_COUNT)
        return of_u64(g->n);
    switch (c->type) {
    case CORRELATE_VALUE_COUNT:
        return of_u64(t->tallies);
    case CORRELATE_TEMPORAL:
        return of_u64(parts_present(c, t));
    case CORRELATE_TEMPORAL_ORDERED:
        return of_u64(ordered_steps(c, g));
    case CORRELATE_VALUE_SUM:
        return sum(t);
    case CORRELATE_VALUE_AVG:
        return average(t);
    case CORRELATE_VALUE_PERCENTILE:
    case CORRELATE_VALUE_MEDIAN:
        return percentile(t, c->percentile);
    case CORRELATE_VALUE_MIN:
        return percentile(t, 0);
    case CORRELATE_VALUE_MAX:
        return percentile(t, 100);
    case CORRELATE_EVENT_RATIO:
        return ratio(c, t);
    case CORRELATE_EVENT_COUNT:
    case CORRELATE_VALUE_NEW:
    case CORRELATE_EVENT_ABSENT:
    case CORRELATION_TYPES:
        break;
    }
    return of_u64(g->n);
}

static bool text_holds(const struct part_test *test, const struct totals *t)
{
    switch (test->kind) {
    case PART_AND:
        return text_holds(test->a, t) && text_holds(test->b, t);
    case PART_OR:
        return text_holds(test->a, t) || text_holds(test->b, t);
    case PART_NOT:
        return !text_holds(test->a, t);
    case PART_SEEN:
        break;
    }
    return t->parts[test->part] > 0;
}

/* Numbers are asked for when there are any: no event without its value makes an average. */
static bool has_enough(const struct rule *rule, const struct group *g)
{
    const struct correlation *c = rule->correlation;
    const struct totals *t = more_of(g)->totals;
    uint64_t n = c->type == CORRELATE_EVENT_RATIO && t ? hits(t, c->nrules, c->nparts) : g->n;

    return n > 0 && n >= rule->response.min_events &&
           (!correlation_is_numeric(c) || (t && t->numbers));
}

bool condition_holds(const struct rule *rule, const struct group *g, struct number *ret_value)
{
    const struct correlation *c = rule->correlation;

    if (too_few(c, g)) {
        *ret_value = (struct number){ .integer = true };
        return false;
    }
    *ret_value = measure(c, g);
    if (!has_enough(rule, g))
        return false;
    if (c->text)
        return text_holds(c->text, more_of(g)->totals);
    if (c->nbounds == 0)
        return (uint64_t)ret_value->i >= c->nparts;
    for (size_t i = 0; i < c->nbounds; i++)
        if (!comparison_holds(c->bounds[i].compare, number_compare(ret_value, &c->bounds[i].value)))
            return false;
    return true;
}

uint64_t threshold_of(const struct correlation *c)
{
    if (c->nbounds == 0)
        return c->text ? 0 : c->nparts;
    return c->bounds[0].value.i > 0 ? (uint64_t)c->bounds[0].value.i : 0;
}
