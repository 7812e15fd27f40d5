/*
 * Routing: who hears of an alert, how soon, together with what; and why not.
 *
 *     matcher    what an alert must be (routes, inhibitions, maintenance, silences)
 *     hours      times of day and week in a zone (quiet hours, maintenance)
 *     route      an item of `routes:`
 *     manners    what a receiver wishes: quiet hours, rate, digests
 *
 * Pure functions of their arguments: no state, no clock, no store. Filled by the configuration
 * (logwatch/config-routes.c), asked by the core (logwatch/core-tell.h) and by `notify route`.
 */
#pragma once

#include "base/option.h"
#include "base/zone.h"
#include "schemas/incident.h"

/* ---- what an alert must be ---- */

/* `field: source.ip, values: [192.0.2.0/24, 2001:db8::1, "10.*"]`: one of them must fit. */
struct matcher_field {
    const char *name;
    struct option_strs values; /* an address or network, or a text with * for anything */
};

/* All that is named must fit; nothing named: every alert. */
struct matcher {
    unsigned levels; /* bit set of enum level; 0 = all */
    struct option_strs rules, channels, tags; /* with * for anything; rules: id or title */
    struct matcher_field *fields;
    size_t nfields;
};

/*
 * Fields are those of the alert's group, else of its newest event. An address in a group is
 * compared as an address. Memory of the arena only while it works.
 */
bool matcher_fits(const struct matcher *m, const struct alert *alert, struct arena *a);
/* The first part that does not fit: "level", "rule", "channel", "tag" or a field; NULL: all do. */
const char *matcher_misfit(const struct matcher *m, const struct alert *alert);
/* Can it fit anything? -EINVAL with a reason: empty, long, or a network with host bits. */
int matcher_check_value(const char *text, struct err *err);
/*
 * From JSON: {"level":["high"],"rule":["xray-*"],"channel":[...],"tag":[...],"source.ip":["..."]};
 * a text is a list of one. Unknown levels, empty lists, more than 32 members or values: -EINVAL.
 * What it returns lives in the arena. Fields may also stand in an object "field", as in the
 * configuration: for those that are called like one of the words above. In texts \* is a star.
 * `matcher_json_alert`: the one that fits just this incident.
 */
int matcher_json(struct slice json, struct arena *a, struct matcher *ret, struct err *err);
void matcher_json_alert(const struct alert *alert, struct buf *out);
void matcher_words(const struct matcher *m, struct buf *out); /* "level high, rule xray-*" */
/* Why it does not fit: "level is high, not critical"; nothing when it does. */
void matcher_why(const struct matcher *m, const struct alert *alert, struct buf *out);

/* ---- times of day ---- */

struct hours {
    bool given;
    const char *zone; /* IANA name; NULL = UTC */
    const struct zone *local; /* borrowed: `zone`, loaded; NULL: it is loaded at each question */
    unsigned days; /* bit 0 = Monday; the day on which the span begins; 0 = all */
    unsigned from_min, to_min; /* minutes of the day; to <= from: it ends on the next day */
};
/* "22:00-07:00", "Mon-Fri 18:00-08:00", "Sat,Sun"; zone beside it. -EINVAL with a reason. */
int hours_parse(struct slice text, const char *zone, struct hours *ret, struct err *err);
bool hours_inside(const struct hours *h, uint64_t wall_us);
/* When the span that holds wall_us ends; wall_us itself when none does. At most 8 days on. */
uint64_t hours_end_us(const struct hours *h, uint64_t wall_us);
void hours_words(const struct hours *h, struct buf *out); /* "Sun 02:00-04:00 Europe/Berlin" */
/* When the next one begins, after wall_us; UINT64_MAX: none given. */
uint64_t hours_next_us(const struct hours *h, uint64_t wall_us);
/* "07:00" up to "24:00"; "Mon", 0 = Monday. */
int hours_parse_minute(struct slice text, unsigned *ret_min);
int hours_parse_day(struct slice text, unsigned *ret_weekday);

/* ---- routes ---- */

struct route_step {
    uint64_t after_us; /* since the alert, unless somebody acknowledged or closed it */
    struct option_strs notify;
};

struct route {
    const char *name; /* "routes[2]", or as given: for words about it */
    struct matcher when;
    struct option_strs notify;
    struct option_strs group; /* "rule", "channel", "level", "host", "incident", names of fields; n
                                 = 0: each alert goes alone */
    uint64_t wait_us; /* the first of a group waits so long for others */
    uint64_t interval_us; /* between two messages about one group */
    uint64_t repeat_us; /* between two messages about one incident; what came meanwhile is counted
                           in the next. 0 = each alert is told */
    struct route_step *escalate;
    size_t nescalate;
    bool resolved; /* those who were told hear of the end, too */
    bool go_on; /* `continue`: try the following routes as well */
};

/* While an alert that fits `source` is open, those that fit `target` and agree in `equal` (fields
 * of the group, "channel", "host") are held back. */
struct inhibition {
    const char *name;
    struct matcher source, target;
    struct option_strs equal;
};

struct maintenance {
    const char *name;
    struct matcher when;
    struct hours hours; /* each day or week; else from_us to until_us */
    uint64_t from_us, until_us;
};

/* What a receiver wishes, whatever the route. */
struct manners {
    struct hours quiet; /* levels below critical wait for its end and come as one */
    unsigned burst; /* messages at once; 0 = as the kind of receiver says */
    uint64_t every_us; /* one more after this long */
    unsigned digest_over; /* more than so many waiting messages become one; UINT_MAX = never; 0 = as
                             the kind says */
    unsigned rule_burst; /* messages about one rule ... */
    uint64_t rule_within_us; /* ... within this long; more come as one; 0 = any number */
};

struct routing {
    const struct route *routes; /* n = 0: everyone hears of everything */
    size_t nroutes;
    const struct inhibition *inhibitions;
    size_t ninhibitions;
    const struct maintenance *maintenances;
    size_t nmaintenances;
};

/*
 * The routes that take the alert, in order. An alert whose rule names receivers itself
 * (alert->notify) takes none: the caller tells those. fn's non-zero answer ends it.
 */
int route_each(const struct routing *r, const struct alert *alert, struct arena *a,
               int (*fn)(void *ctx, const struct route *route), void *ctx);
/* The group that the alert belongs to on this route, as a text; empty: alone. */
void route_group(const struct route *route, const struct alert *alert, struct slice incident,
                 struct arena *a, struct buf *out);
/* The maintenance that the alert falls into now; NULL = none. */
const struct maintenance *route_maintenance(const struct routing *r, const struct alert *alert,
                                            uint64_t wall_us, struct arena *a);
/* When it is over, if nothing follows; wall_us itself when it is not on. At most 8 days on for one
 * with hours. */
uint64_t maintenance_end_us(const struct maintenance *m, uint64_t wall_us);
/* The values that `equal` names, as one text, to be compared; false: the alert has not all. */
bool inhibition_values(const struct inhibition *i, const struct alert *alert, struct buf *out);
