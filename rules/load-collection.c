/*
 * Collections: `action: global` is merged into every later detection rule of
 * the file and wins over it, `reset` ends that, `repeat` is the rule before
 * merged with this one. Not in the text of the standard; older rules use it.
 */
#include <errno.h>

#include "rules/load.h"

static struct yaml *yaml_copy(struct arena *a, const struct yaml *y)
{
    struct yaml *c = arena_alloc(a, sizeof *c), **tail;

    if (!c)
        return NULL;
    *c = *y;
    c->child = NULL;
    c->next = NULL;
    tail = &c->child;
    YAML_EACH (m, y) {
        *tail = yaml_copy(a, m);
        if (!*tail)
            return NULL;
        tail = &(*tail)->next;
    }
    return c;
}

/* Members of `over` go into `base`; maps are merged, anything else is replaced. */
static bool yaml_merge(struct arena *a, struct yaml *base, const struct yaml *over, bool top)
{
    YAML_EACH (m, over) {
        struct yaml **slot = &base->child;
        struct yaml *copy;

        if (top && slice_is(m->key, "action"))
            continue;
        while (*slot && !slice_eq((*slot)->key, m->key))
            slot = &(*slot)->next;
        if (*slot && (*slot)->kind == YAML_MAP && m->kind == YAML_MAP) {
            if (!yaml_merge(a, *slot, m, false))
                return false;
            continue;
        }
        copy = yaml_copy(a, m);
        if (!copy)
            return false;
        copy->next = *slot ? (*slot)->next : NULL;
        base->nchildren += *slot ? 0 : 1;
        *slot = copy;
    }
    return true;
}

static const struct yaml *no_memory(const struct yaml *doc, struct diag *d)
{
    diag_error(d, doc->at, "out of memory");
    return NULL;
}

static const struct yaml *take_action(struct rules *r, const struct yaml *doc,
                                      const struct yaml *action, struct diag *d)
{
    struct yaml *again;

    if (slice_is(action->text, "global")) {
        r->global = yaml_copy(r->arena, doc);
        return r->global ? NULL : no_memory(doc, d);
    }
    if (slice_is(action->text, "reset")) {
        r->global = NULL;
        return NULL;
    }
    if (!slice_is(action->text, "repeat")) {
        diag_error(d, action->at, "unknown action '%.*s': global, reset or repeat",
                   SLICE_FMT(slice_take(action->text, 80)));
        return NULL;
    }
    if (!r->previous) {
        diag_error(d, action->at, "'repeat' needs a rule before it");
        return NULL;
    }
    again = yaml_copy(r->arena, r->previous);
    if (!again || !yaml_merge(r->arena, again, doc, true))
        return no_memory(doc, d);
    again->at = doc->at;
    r->previous = again; /* the next repeat goes on from here */
    return again;
}

const struct yaml *collection_take(struct rules *r, const struct yaml *doc, struct diag *d)
{
    const struct yaml *action = yaml_get(doc, "action");
    struct yaml *whole;

    if (yaml_get(doc, "correlation") || yaml_get(doc, "filter")) {
        if (action)
            diag_error(d, action->key_at, "an action belongs to detection rules");
        return action ? NULL : doc;
    }
    if (action)
        doc = take_action(r, doc, action, d);
    else
        r->previous = doc;
    if (!doc || !r->global)
        return doc;
    whole = yaml_copy(r->arena, doc);
    if (!whole || !yaml_merge(r->arena, whole, r->global, true))
        return no_memory(doc, d);
    return whole;
}
