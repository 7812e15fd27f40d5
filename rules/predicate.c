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

static uint32_t field_of(const struct node *n)
{
    if (n->kind == NODE_PREDICATE)
        return n->predicate->alone ? n->predicate->field : FIELD_OTHER;
    return n->is_list ? n->field : FIELD_OTHER;
}

void nodes_finish(struct rules *r, struct node *n)
{
    bool list = (n->kind == NODE_AND || n->kind == NODE_OR) && n->n > 0;

    if (n->is_list)
        return; /* shared with another rule */
    for (size_t i = 0; i < n->n; i++) {
        nodes_finish(r, n->children[i]);
        list = list && field_of(n->children[i]) != FIELD_OTHER &&
               field_of(n->children[i]) == field_of(n->children[0]);
    }
    if (!list)
        return;
    n->is_list = true;
    n->field = field_of(n->children[0]);
    n->nth = r->nanswers++;
}
