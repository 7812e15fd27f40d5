/*
 * Private to rules/match*.c: what one thread needs to match.
 *
 *     match.c           routes, the walk of the trees, rules that run into limits
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

/* Where the event of turn `turn` has its first field of one id. */
struct field_place {
    uint64_t turn;
    uint32_t first;
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
    uint64_t turn;
    uint64_t *answers; /* by predicate: the turn it was asked in * 2 + whether it held */
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
/* Finds the fields of an event; before any node_holds() on it. */
void scratch_take(struct rules_scratch *s, const struct event *ev);
bool predicate_holds(struct rules_scratch *s, const struct predicate *p, const struct event *ev);
/* For this value, as far as that is known without the rest of the event. */
bool predicate_may_hold(const struct predicate *p, struct slice value);
bool node_holds(struct rules_scratch *s, const struct node *n, const struct event *ev);
bool field_fits(const struct predicate *p, const struct field *f);
