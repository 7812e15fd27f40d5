/*
 * Literals of which every matching event must hold one: AND takes its best
 * child, OR the union, NOT none. What is too short or cannot be promised is none.
 */
#include <errno.h>

#include "rules/tree.h"

#define WITNESS_MAX 64
#define LITERAL_MIN 3

struct set {
    struct witness items[WITNESS_MAX];
    size_t n;
    bool none; /* nothing can be promised */
};

static void add(struct set *s, struct witness w)
{
    if (s->n == WITNESS_MAX)
        s->none = true;
    else
        s->items[s->n++] = w;
}

/* Fields that no line holds: they are looked up or computed from others. */
static bool is_derived(struct slice name)
{
    return slice_starts(name, SLICE("source.geo.")) || slice_starts(name, SLICE("source.as.")) ||
           slice_starts(name, SLICE("geo."));
}

static void of_predicate(struct rules *r, const struct predicate *p, struct set *out)
{
    struct witness w = { .field = p->keyword ? FIELD_OTHER : p->field };

    if (p->kind == PREDICATE_TEXT) {
        w.literal = pattern_longest(r->arena, &p->pattern);
        w.whole = p->pattern.shape == SHAPE_EXACT && w.literal.n == p->pattern.n;
    } else if (p->kind == PREDICATE_REGEX) {
        w.literal = regex_literal(p->regex);
    }
    if (w.literal.n < LITERAL_MIN || (!p->keyword && is_derived(p->name)))
        out->none = true;
    else
        add(out, w);
}

static size_t shortest(const struct set *s)
{
    size_t n = SIZE_MAX;

    for (size_t i = 0; i < s->n; i++)
        if (s->items[i].literal.n < n)
            n = s->items[i].literal.n;
    return n;
}

/* Fewer literals first, then longer ones. */
static bool better(const struct set *a, const struct set *b)
{
    if (b->none || b->n == 0)
        return true;
    if (a->n != b->n)
        return a->n < b->n;
    return shortest(a) > shortest(b);
}

static int of_node(struct rules *r, const struct node *n, struct set *out)
{
    struct set *child;

    if (n->kind == NODE_PREDICATE) {
        of_predicate(r, n->predicate, out);
        return 0;
    }
    if (n->kind == NODE_NOT || n->n == 0) {
        out->none = true;
        return 0;
    }
    child = malloc(sizeof *child);
    if (!child)
        return -ENOMEM;
    out->none = n->kind == NODE_AND;
    for (size_t i = 0; i < n->n; i++) {
        *child = (struct set){ .n = 0 };
        if (of_node(r, n->children[i], child) < 0) {
            free(child);
            return -ENOMEM;
        }
        if (n->kind == NODE_OR) {
            out->none = out->none || child->none;
            for (size_t j = 0; j < child->n && !out->none; j++)
                add(out, child->items[j]);
        } else if (!child->none && better(child, out)) {
            *out = *child;
        }
    }
    free(child);
    return 0;
}

int witness_find(struct rules *r, struct rule *rule)
{
    struct set *s = calloc(1, sizeof *s);
    int e = s ? of_node(r, rule->condition, s) : -ENOMEM;

    if (e == 0 && !s->none && s->n) {
        rule->witness = arena_array(r->arena, s->n, sizeof *rule->witness);
        if (rule->witness) {
            memcpy(rule->witness, s->items, s->n * sizeof *s->items);
            rule->nwitness = s->n;
        }
    }
    free(s);
    return e;
}
