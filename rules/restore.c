/* The fold of stored signals, and what a window holds, for people. */
#include "rules/correlate-private.h"
#include "schemas/event-pack.h"

static int restore_entry(struct taking *t, const struct rule *rule, struct group *g,
                         const struct signal *s)
{
    struct stamp stamp = { .time_us = s->time_us,
                           .part = (uint16_t)s->part,
                           .trust = (uint8_t)event_pack_trust(s->evidence),
                           .key = s->key };
    struct heard value = { .text = s->value };

    if (rule->correlation->judged_at_end && s->flags & SIGNAL_OPENS &&
        window_opens(t, rule, g, s->time_us) < 0)
        return -1;
    stamp_value(rule->correlation, &value, &stamp);
    if (group_is_past(rule, g, s->time_us))
        return 0;
    if (evidence_put(&t->c->evidence, rule_index(t->c, rule), s->evidence, &stamp.evidence) < 0)
        return -1;
    return group_take(t, rule, g, &stamp, SIZE_MAX);
}

int correlator_restore(struct correlator *c, const struct signal *s, struct err *err)
{
    size_t index = rules_of_signal(c->rules, s);
    const struct rule *rule = index == SIZE_MAX ? NULL : &c->rules->list[index];
    struct taking t = { .c = c, .flags = s->flags };
    struct group *g;
    int e = 0;

    if (!rule || rule->broken)
        return 0; /* the rule is gone or changed its name: so is its window */
    if (rule->correlation && s->part >= rule->correlation->nparts)
        return 0;
    e = rule->travels ? travel_restore(c, index, s) : 0;
    if (e)
        return e < 0 ? err_nomem(err) : 0;
    g = correlator_group(c, index, s->group);
    if (!g)
        return err_nomem(err);
    if (!rule->correlation) /* a detection with suppress */
        g->silent_until_us = s->time_us + rule->response.suppress_us;
    else if (s->flags & SIGNAL_MARK && s->flags & SIGNAL_FIRED)
        e = group_fired(&t, rule, g, s->time_us);
    else if (rule->correlation->type == CORRELATE_EVENT_ABSENT && s->flags & SIGNAL_MARK)
        g->expected = true;
    else if (s->flags & SIGNAL_MARK)
        e = window_opens(&t, rule, g, s->time_us);
    else
        e = restore_entry(&t, rule, g, s);
    return e < 0 ? err_nomem(err) : 0;
}

bool correlator_view(const struct correlator *c, size_t rule, struct slice group, uint64_t now_us,
                     struct correlator_view *ret)
{
    const struct rule *r = &c->rules->list[rule];
    const struct group *g = correlator_find(c, rule, group);
    uint64_t span = r->info.window_us;
    struct number value;

    if (!g || !r->correlation)
        return false;
    value = measure(r->correlation, g);
    *ret = (struct correlator_view){ .value = value.integer ? (double)value.i : value.d,
                                     .due_us = more_of(g)->due_us };
    for (size_t i = 0; i < g->n; i++)
        ret->events += group_at(g, i)->time_us + span > now_us;
    return true;
}
