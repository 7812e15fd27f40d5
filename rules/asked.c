#include "rules/asked.h"

#include "rules/match.h"

struct rules_asked {
    const struct predicate **list;
    size_t n, cap;
    struct arena *arena;
    bool all, regex, failed;
};

static void add(struct rules_asked *q, const struct predicate *p)
{
    if (q->n == q->cap) {
        size_t cap = q->cap ? q->cap * 2 : 16;
        const struct predicate **list = arena_array(q->arena, cap, sizeof *list);

        if (!list) {
            q->failed = true;
            return;
        }
        if (q->n)
            memcpy(list, q->list, q->n * sizeof *list);
        q->list = list;
        q->cap = cap;
    }
    q->list[q->n++] = p;
}

static void take(struct rules_asked *q, const struct predicate *p)
{
    bool presence = p->kind == PREDICATE_EXISTS || p->kind == PREDICATE_NULL;
    bool nameless =
        p->field == FIELD_OTHER || (p->kind == PREDICATE_FIELD && p->other == FIELD_OTHER);

    q->all = q->all || p->keyword || presence || nameless;
    q->regex = q->regex || p->kind == PREDICATE_REGEX;
    for (size_t i = 0; i < q->n; i++)
        if (q->list[i] == p)
            return;
    add(q, p);
}

static void walk(struct rules_asked *q, const struct node *n)
{
    if (n->kind == NODE_PREDICATE)
        take(q, n->predicate);
    for (size_t i = 0; i < n->n && !q->all && !q->failed; i++)
        walk(q, n->children[i]);
}

const struct rules_asked *rules_asked(const struct rules *r, const uint64_t *only, struct arena *a)
{
    struct rules_asked *q = arena_alloc(a, sizeof *q);

    if (!q)
        return NULL;
    q->arena = a;
    for (size_t i = 0; i < r->n && !q->all && !q->failed; i++)
        if (only[i / 64] >> i % 64 & 1 && r->list[i].condition)
            walk(q, r->list[i].condition);
    return q->failed ? NULL : q;
}

bool rules_asked_all(const struct rules_asked *q)
{
    return q->all;
}

static bool is_of(const struct predicate *p, uint32_t field)
{
    return p->field == field || (p->kind == PREDICATE_FIELD && p->other == field);
}

bool rules_asked_field(const struct rules_asked *q, uint32_t field)
{
    for (size_t i = 0; i < q->n; i++)
        if (is_of(q->list[i], field))
            return true;
    return q->all;
}

/*
 * With an expression among them any value counts: which rules are asked at all depends on what is
 * there, and an expression that is asked may run into its limits, which is told.
 */
bool rules_asked_value(const struct rules_asked *q, uint32_t field, struct slice value)
{
    if (q->all || q->regex)
        return rules_asked_field(q, field);
    for (size_t i = 0; i < q->n; i++)
        if (is_of(q->list[i], field) && predicate_may_hold(q->list[i], value))
            return true;
    return false;
}
