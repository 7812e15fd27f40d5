/*
 * Private to rules/match*.c: what one thread needs to match.
 *
 *     match.c           routes, the walk of the trees, rules that run into limits
 *     match-field.c     the fields of an event, and what is known of their values
 *     match-value.c     one predicate against the values of an event
 *     match-explain.c   the same walk with a trace
 */
#pragma once

#include "rules/tree.h"

/* Log sources seen by one thread: channels, so few. */
#define ROUTES_MAX 64

/* Limit hits of one rule after which it rests, and for how many events of its log source. */
#define TROUBLE_HITS 100
#define TROUBLE_PAUSE 1000
#define TROUBLE_PAUSE_MAX 1000000
/* Events without a hit after which what was is forgotten. */
#define TROUBLE_FORGOTTEN 1000000

/* Expressions that gave up, and those that saw only the start of a long value. */
struct regex_limits {
    uint64_t hit, cut;
};

struct trouble {
    uint64_t hits, skipped; /* in all */
    uint64_t strikes; /* towards the next rest */
    uint64_t pause, rest; /* events: of the last rest, still to come */
    uint64_t last; /* event of the last hit */
};

struct route {
    struct logsource logsource; /* copies */
    uint64_t *rules; /* a set: bit i % 64 of word i / 64 */
};

#define NO_FIELD UINT32_MAX

/* Values of one field of which the answers are kept, and how long one of them may be. */
#define VALUES_KEPT 4
#define VALUE_KEPT_MAX 16 /* its ends are all there is of it */

/* Where the event of turn `turn` has its first field of one id, and when scratch_look() was there,
 * what that value is. */
struct field_place {
    uint64_t turn;
    uint32_t first;
    uint32_t column; /* of its answers */
    uint64_t number; /* 0: nobody looked yet */
    uint64_t marks;
};

struct value_seen {
    struct slice_ends ends;
    uint64_t n, number, marks;
};

/* What earlier events leave behind for later ones: rules that rest. */
struct rules_memory {
    size_t nrules;
    uint64_t events;
    struct trouble *troubles; /* by rule; NULL until the first limit is hit */
    size_t nresting; /* rules that rest now */
    uint32_t *rested; /* not told yet */
    size_t nrested;
};

struct rules_scratch {
    const struct rules *rules;
    struct rules_memory own, *memory;
    struct regex_scratch *regex;
    struct arena *arena;
    struct route routes[ROUTES_MAX];
    size_t nroutes;
    uint32_t *hits;
    struct regex_limits limits;
    uint64_t numbers; /* the last one given, to an event or to a value */
    uint64_t turn; /* the number of this event */
    uint64_t *answers; /* by predicate and column: number of what was asked * 2 + whether it held */
    struct value_seen *seen; /* by field id and column */
    uint64_t marks[256]; /* of each byte */
    uint64_t *looked; /* by bucket of the index: the turn it was opened in */
    uint64_t *candidates; /* a set of rules, by the index */
    struct field_place *places; /* by field id */
    size_t nplaces;
    uint32_t next[EVENT_FIELDS_MAX]; /* the next field of the same id */
};

/* travel.c: does the condition ask where a user came from? Then: may it hold, whatever that is? */
bool travel_asked(const struct node *n);
bool travel_may_hold(struct rules_scratch *s, const struct node *n, const struct event *ev,
                     bool unknown);
bool scratch_init_fields(struct rules_scratch *s);
void scratch_fini_fields(struct rules_scratch *s);
void scratch_look(struct rules_scratch *s, struct field_place *place, const struct event *ev);
/* Finds the fields of an event; before any node_holds() on it. */
void scratch_take(struct rules_scratch *s, const struct event *ev);
/* Its place in this event, with what is known of its value; NULL: there is no such field. */
static inline const struct field_place *scratch_place(struct rules_scratch *s, uint32_t field,
                                                      const struct event *ev)
{
    struct field_place *place = &s->places[field];

    if (place->turn != s->turn)
        return NULL;
    if (place->number == 0)
        scratch_look(s, place, ev);
    return place;
}
bool predicate_holds(struct rules_scratch *s, const struct predicate *p, const struct event *ev);
/* For this value, as far as that is known without the rest of the event. */
bool predicate_may_hold(const struct predicate *p, struct slice value);
bool node_holds(struct rules_scratch *s, const struct node *n, const struct event *ev);
bool field_fits(const struct predicate *p, const struct field *f);
