/*
 * Literals of which every record that a rule matches must hold one.
 *
 * AND takes its best child, OR the union, NOT none. What a predicate asks of a field's value is
 * known here; what a record must hold for the field to have such a value, the source knows. All
 * of it is asked when it is wanted, not when rules are loaded.
 */
#include <errno.h>

#include "rules/tree.h"

struct walk {
    struct literal_maker *m;
    const struct witness_source *source;
    struct regex_scratch *regex; /* when one is needed */
};

/* Wildcards, and what has other forms, become a sign at which literals are cut. */
static struct slice text_of(struct literal_maker *m, const struct pattern *p)
{
    char *text = arena_text(m->arena, p->n + 1);

    for (size_t i = 0; text && i < p->n; i++)
        text[i] = p->tokens[i] < 0x80 ? (char)p->tokens[i] : '\0';
    m->failed = m->failed || !text;
    return text ? slice_of(text, p->n) : SLICE("");
}

static bool is_plain_ascii(const struct pattern *p)
{
    for (size_t i = 0; i < p->n; i++)
        if (p->tokens[i] >= 0x80)
            return false;
    return p->shape == SHAPE_EXACT;
}

struct holding {
    struct walk *walk;
    const struct predicate *p;
};

/* Only what is put there by a format is asked here, so it need not be fast. */
static bool could_hold(const void *ctx, struct slice value)
{
    const struct holding *h = ctx;

    if (h->p->kind == PREDICATE_TEXT)
        return pattern_match(&h->p->pattern, value);
    if (h->p->kind != PREDICATE_REGEX)
        return true;
    if (!h->walk->regex)
        h->walk->regex = regex_scratch_new();
    return !h->walk->regex || regex_match(h->p->regex, h->walk->regex, value, NULL, 0) != 0;
}

static struct literals explained(struct literal_maker *m, const struct predicate *p,
                                 struct literals l)
{
    if (l.none)
        l.why = arena_printf(m->arena, "%.*s: %s", SLICE_FMT(slice_take(p->shown, 100)),
                             l.why ? l.why : "no literal");
    m->failed = m->failed || (l.none && !l.why);
    return l;
}

static const char *const no_value[] = {
    [PREDICATE_TEXT] = "too short",      [PREDICATE_REGEX] = "too short",
    [PREDICATE_CIDR] = "a network",      [PREDICATE_NUMBER] = "a number",
    [PREDICATE_EXISTS] = "any value",    [PREDICATE_NULL] = "no value",
    [PREDICATE_FIELD] = "another field", [PREDICATE_TIME] = "a time",
};

static struct literals of_predicate(struct walk *w, const struct predicate *p)
{
    struct holding holding = { w, p };
    struct literals in_value = literals_none(no_value[p->kind]);
    struct witness ask = { .field = p->keyword ? SLICE("") : p->name,
                           .in_value = &in_value,
                           .holds = could_hold,
                           .ctx = &holding };

    if (p->kind == PREDICATE_EXISTS || p->kind == PREDICATE_NULL)
        return in_value;
    if (p->kind == PREDICATE_TEXT) {
        struct slice text = text_of(w->m, &p->pattern);

        in_value = literals_of(w->m, text);
        if (is_plain_ascii(&p->pattern))
            ask.whole = text;
    } else if (p->kind == PREDICATE_REGEX) {
        in_value = regex_literals(p->regex, NULL, w->m);
    }
    return w->source->of(w->source->ctx, &ask, w->m);
}

static struct literals of_node(struct walk *w, const struct node *n);

static struct literals of_any(struct walk *w, const struct node *n)
{
    struct literal_union all = { .m = w->m };

    for (size_t i = 0; i < n->n && !all.none.none; i++)
        literals_take(&all, of_node(w, n->children[i]));
    return literals_taken(&all);
}

static struct literals of_all(struct walk *w, const struct node *n)
{
    struct literals best = { .none = true };

    for (size_t i = 0; i < n->n; i++)
        best = literals_and(w->m, best, of_node(w, n->children[i]));
    return best;
}

static struct literals of_node(struct walk *w, const struct node *n)
{
    if (n->kind == NODE_PREDICATE)
        return explained(w->m, n->predicate, of_predicate(w, n->predicate));
    if (n->kind == NODE_NOT || n->n == 0)
        return literals_none("what must not be there has no literal");
    return n->kind == NODE_AND ? of_all(w, n) : of_any(w, n);
}

struct literals rules_literals(const struct rules *r, size_t i, const struct witness_source *source,
                               struct literal_maker *m)
{
    struct walk w = { .m = m, .source = source };
    struct literals l = of_node(&w, r->list[i].condition);

    regex_scratch_free(w.regex);
    return l;
}
