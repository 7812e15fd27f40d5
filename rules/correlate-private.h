/*
 * Private to rules/: the correlator's state and one taking.
 *
 *     correlate.c   matches in, alerts out; groups; time
 *     listen.c      what of an event counts for which group; signals
 *     judge.c       what an entry does to its group, by the type of the rule
 *     groups.c      the groups of a rule: by key, by use
 *     window.c      a group: entries, totals, when it is due
 *     stamp.c       what of an event is kept
 *     slab.c        the memory of groups
 *     measure.c     what a condition compares
 *     fire.c        alerts
 *     travel.c      where users were before
 *     restore.c     the fold of stored signals; a view for people
 */
#pragma once

#include "rules/groups.h"

/* A group that is judged when all entries of an event are in. */
struct open_judgement {
    struct group *group;
    size_t rule;
    size_t mark; /* the signal that says how it went */
};

struct correlator {
    const struct rules *rules;
    struct slab slab;
    struct groups *groups; /* by rule; detections use them for suppress */
    struct dues dues;
    struct evidence evidence;
    struct buf evidence_text; /* of the event that was taken last */
    const struct event *evidence_of; /* that event, while it is the one; NULL: no text */
    struct evidence_ref evidence_ref; /* its place in the ring; 0: none yet */
    struct open_judgement *open;
    size_t nopen, open_cap;
    size_t groups_max;
    struct correlator_stats stats;
    struct source_key key; /* of the event that was taken last */
    uint64_t time_us; /* its time */
    bool any; /* it may have more matches */
    struct rules_scratch *scratch; /* for rules that are asked here once more; NULL: none was */
    bool expected; /* groups that must exist were made */
    uint64_t watermark_us, behind_us;
};

#define FUTURE_US (300 * USEC_PER_SEC) /* how far a clock may be ahead of ours */

/* A text that becomes the key of a group, or its value. */
struct heard {
    uint32_t field; /* FIELD_OTHER: not of one field of an event */
    bool hashed, looked;
    bool joined; /* looked: as a key it is written otherwise, for it holds a separator */
    uint64_t hash;
    struct slice text; /* empty when the field is missing */
    struct slice kept; /* its copy in the batch; p NULL: none yet */
};

struct taking {
    struct correlator *c;
    const struct event *ev; /* NULL: time moves */
    struct batch *b; /* NULL while restoring: nothing is told */
    struct slice evidence;
    bool kept; /* the evidence is in the batch */
    struct evidence_ref ref; /* and there in the ring; 0: not yet */
    unsigned flags; /* restoring: what the signal did */
    unsigned did; /* else: what it does */
};

/* The group of that key, used now; made when there is none. NULL: no memory. */
struct group *correlator_group(struct correlator *c, size_t rule, struct slice key);
/* A new one; there is none of that key, whose tag this is. NULL: no memory. */
struct group *correlator_add_group(struct correlator *c, size_t rule, struct slice key,
                                   uint32_t tag);
/* NULL: there is none. */
struct group *correlator_find(const struct correlator *c, size_t rule, struct slice key);
/* The place of a rule in the list. */
static inline uint32_t rule_index(const struct correlator *c, const struct rule *rule)
{
    return (uint32_t)(rule - c->rules->list);
}
/* The event counts for the correlations that listen to the rule. */
int correlator_tell(struct taking *t, const struct rule *rule);
/* A signal of the rule that becomes true with the batch; texts are copied. `value` may be
 * NULL. NULL: no memory. */
struct signal *correlator_signal(struct taking *t, size_t rule, uint64_t time_us,
                                 const struct source_key *key, struct heard *group,
                                 struct heard *value);
/* The alert leaves, and counts for correlations over this one. Restoring: nothing. */
int correlator_fire(struct taking *t, const struct rule *rule, const struct group *g,
                    uint64_t time_us, const struct number *value);
/* A clock that is far ahead of ours must not close the windows of the others. */
uint64_t event_time_us(const struct event *ev);
/* The value and its number, as the type of correlation needs it. */
void stamp_value(const struct correlation *c, struct heard *value, struct stamp *s);

/* ---- travel.c ---- */

/*
 * The second step of a detection that asks where a user came from. 1 = the event, with what is
 * known now in *ret, matches; 0 = it does not.
 */
int travel_take(struct taking *t, size_t rule, struct event *ret);
/* 1 = it was a place of a user, 0 = another signal. */
int travel_restore(struct correlator *c, size_t rule, const struct signal *s);

/* ---- judge.c ---- */

/* One entry into its group; `mark` is its signal in the batch. */
int group_take(struct taking *t, const struct rule *rule, struct group *g, struct stamp *s,
               size_t mark);
/* What was put off until all entries of an event are in. */
int judge_open(struct taking *t);
/* Event time has come to what the group was due at. */
int group_due(struct taking *t, const struct rule *rule, struct group *g);
/* Too old for its group: it would change what was told. */
static inline bool group_is_past(const struct rule *rule, const struct group *g, uint64_t time_us)
{
    uint64_t span = rule->info.window_us;

    if (rule->correlation->judged_at_end)
        return time_us < more_of(g)->judged_us;
    return g->last_us >= span && time_us <= g->last_us - span;
}
/* The last event of a group that must not be silent. */
int group_expect(struct taking *t, const struct rule *rule, struct group *g, struct stamp *s);
/* Restoring: it fired then, by time. */
int group_fired(struct taking *t, const struct rule *rule, struct group *g, uint64_t time_us);
/* Restoring: a window opens then, so the one before it was judged. */
int window_opens(struct taking *t, const struct rule *rule, struct group *g, uint64_t time_us);
