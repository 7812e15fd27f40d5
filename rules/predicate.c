/* What is known of a predicate before any event is. */
#include <errno.h>

#include "rules/tree.h"

/* Those that search. What is compared at one place only is as quickly asked. */
static struct marks needs_of(const struct predicate *p, struct arena *work)
{
    const struct pattern *pattern = &p->pattern;
    uint64_t marks = 0;

    if (p->kind == PREDICATE_REGEX)
        return regex_marks(p->regex, work);
    if (p->kind != PREDICATE_TEXT)
        return (struct marks){ .n = 0 };
    if (pattern->shape == SHAPE_CONTAINS)
        return marks_one(marks_of(pattern->literal));
    for (size_t i = 0; pattern->shape == SHAPE_GLOB && i < pattern->n; i++)
        if (pattern->tokens[i] < 0x80)
            marks |= marks_of_byte((unsigned char)pattern->tokens[i]);
    return marks_one(marks);
}

static bool is_alone(const struct predicate *p)
{
    return !p->keyword && p->field != FIELD_OTHER &&
           (p->kind == PREDICATE_TEXT || p->kind == PREDICATE_REGEX || p->kind == PREDICATE_CIDR ||
            p->kind == PREDICATE_NUMBER || p->kind == PREDICATE_TIME);
}

int predicate_finish(struct arena *a, struct arena *work, struct predicate *p)
{
    struct marks needs;
    uint64_t *list;

    p->alone = is_alone(p);
    needs = needs_of(p, work);
    list = arena_array(a, needs.n, sizeof *list);
    if (!list)
        return -ENOMEM;
    if (needs.n)
        memcpy(list, needs.any, needs.n * sizeof *list);
    p->needs = list;
    p->nneeds = needs.n;
    return 0;
}

/* ---- nodes ---- */

#define SORTED_MAX 64 /* children; more are the values of a list */
#define COST_MAX 1000000
#define COST_NOT 60 /* mostly true: where all is asked for, it decides last */

/* About as many instructions, in tens; a value that came before costs nothing. */
static unsigned cost_of(const struct predicate *p)
{
    static const unsigned kinds[] = {
        [PREDICATE_TEXT] = 2,   [PREDICATE_REGEX] = 50, [PREDICATE_CIDR] = 10,
        [PREDICATE_NUMBER] = 8, [PREDICATE_EXISTS] = 2, [PREDICATE_NULL] = 2,
        [PREDICATE_FIELD] = 10, [PREDICATE_TIME] = 20,
    };
    bool searches = p->kind == PREDICATE_TEXT && p->pattern.shape >= SHAPE_CONTAINS;

    return (kinds[p->kind] + (searches ? 10 : 0)) * (p->keyword ? 20 : 1);
}

static uint32_t field_of(const struct node *n)
{
    if (n->kind == NODE_PREDICATE)
        return n->predicate->alone ? n->predicate->field : FIELD_OTHER;
    return n->is_list ? n->field : FIELD_OTHER;
}

/* What `explain` shows and what the index counts with stays in the order of the rule. */
static int sort(struct arena *a, struct node *n)
{
    bool sorted = true;

    for (size_t i = 1; i < n->n; i++)
        sorted = sorted && n->children[i - 1]->cost <= n->children[i]->cost;
    if (sorted || n->n > SORTED_MAX)
        return 0;
    n->asked = arena_array(a, n->n, sizeof(struct node *));
    if (!n->asked)
        return -ENOMEM;
    for (size_t i = 0; i < n->n; i++) {
        size_t to = i;

        for (; to > 0 && n->asked[to - 1]->cost > n->children[i]->cost; to--)
            n->asked[to] = n->asked[to - 1];
        n->asked[to] = n->children[i];
    }
    return 0;
}

static bool is_list(const struct node *n)
{
    bool list = (n->kind == NODE_AND || n->kind == NODE_OR) && n->n > 0;

    for (size_t i = 0; i < n->n && list; i++)
        list = field_of(n->children[i]) != FIELD_OTHER &&
               field_of(n->children[i]) == field_of(n->children[0]);
    return list;
}

int nodes_finish(struct rules *r, struct node *n)
{
    if (n->cost)
        return 0; /* shared with another rule */
    n->cost = n->kind == NODE_PREDICATE ? cost_of(n->predicate)
              : n->kind == NODE_NOT     ? COST_NOT
                                        : 1;
    for (size_t i = 0; i < n->n; i++) {
        if (nodes_finish(r, n->children[i]) < 0)
            return -ENOMEM;
        n->cost += n->children[i]->cost;
        n->cost = n->cost < COST_MAX ? n->cost : COST_MAX;
    }
    if (is_list(n)) {
        n->is_list = true;
        n->field = field_of(n->children[0]);
        n->nth = r->nanswers++;
    }
    return sort(r->arena, n);
}
