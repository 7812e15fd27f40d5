/* The walk of a tree with a trace, for `explain`; how near a rule was. */
#include "rules/match.h"

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
    bool held = node_holds(x->scratch, n, x->event);

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
    scratch_take(s, ev);
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

    scratch_take(s, ev);
    for (size_t p = 0; c && p < c->nparts; p++) {
        const struct rule *part = &r->list[c->parts[p]];

        if (!part->broken && part->condition &&
            logsource_fits(part->info.logsource, ev->logsource) &&
            node_holds(s, part->condition, ev))
            return true;
    }
    return false;
}
