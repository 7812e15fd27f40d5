/*
 * Survey: what the entries of a period say, counted in one pass over their lines.
 *
 *     survey_init(); each line of the trail in order -> survey_take(); survey_end()
 *
 * Alerts and events belong to the period in which they happened (the time of the event), whenever
 * they were recorded; everything else to the time of its entry. The period before, of the same
 * length, is counted too, for comparison.
 *
 * Memory is bounded: a table keeps so many keys and counts the rest as `other`, a list keeps so
 * many items and counts all. Personal values that were erased count under SURVEY_ERASED. All of
 * it lives in the arena.
 */
#pragma once

#include "audit/keep.h"
#include "base/json.h"
#include "base/table.h"
#include "base/zone.h"
#include "reports/line.h"
#include "schemas/alert.h"

#define SURVEY_ERASED "(erased)"
#define SURVEY_SAMPLES 3
#define SURVEY_KEYS_MAX 50000 /* addresses, users: 20 MiB each when full */
#define SURVEY_NAMES_MAX 5000 /* rules, channels, receivers */
#define SURVEY_IDS_MAX 200000 /* alerts that are followed to message and acknowledgement */
#define SURVEY_ITEMS_MAX 1000 /* of a list */
#define SURVEY_BUCKETS_MAX 400
#define SURVEY_FAILS_MAX 10 /* failed logins that make a run (PCI DSS 8.3.4: at most 10) */
#define SURVEY_FAILS_US (30 * 60 * USEC_PER_SEC) /* so many within that time */

/* What an event's action means. */
enum event_class {
    CLASS_OTHER,
    CLASS_GOOD,
    CLASS_FAILED,
    CLASS_ACCOUNT,
    CLASS_PRIVILEGE,
    CLASS_ADMIN,
    CLASS_PROVISIONED,
    CLASS_PROVISION_FAILED,
    CLASS_BLOCKED,
    CLASSES,
};
enum event_class event_class_of(struct slice action);

struct ev_samples {
    uint64_t index[SURVEY_SAMPLES];
    unsigned n;
};

/* An address or a user. */
struct ev_who {
    struct slice key;
    uint64_t class[CLASSES], alerts, bans, erased;
    uint64_t first_us, last_us;
    uint64_t good_us; /* the newest good login */
    struct slice country, channel; /* of the newest; channel "several" */
    uint64_t fails[SURVEY_FAILS_MAX]; /* times of the newest failures */
    unsigned nfails;
    size_t run; /* the open run of failures and 1; 0 = none */
    struct ev_samples samples;
};

struct ev_rule {
    struct slice id, title, channel;
    enum level level;
    uint64_t n, before, events, first_us, last_us;
    struct ev_samples samples;
};

struct ev_channel {
    struct slice name;
    uint64_t events, class[CLASSES], alerts, alerts_failed, events_failed, first_us, last_us;
    uint64_t opened, with_source, with_user; /* events whose document was looked into */
    uint64_t troubles;
};

struct ev_receiver {
    struct slice name;
    uint64_t sent, dead, retried, anchored;
    uint64_t last_sent_us;
};

/* One alert on its way to people. Times of entries. */
struct ev_told {
    uint64_t recorded_us, told_us, acked_us;
    struct ev_who *source; /* NULL: nobody */
    enum level level;
};

/* One noteworthy entry. */
enum ev_list {
    LIST_ACCOUNT, /* E4: accounts and privileges */
    LIST_ADMIN, /* E3: what administrators did, ours and the services' */
    LIST_BAN, /* E8 */
    LIST_ACT, /* E9: what people did with alerts */
    LIST_FAILURE, /* E11: starts, ends, faults */
    LIST_CLOCK, /* E12 */
    LIST_TRAIL, /* E5: verifications, anchors, keys */
    LIST_KEEP, /* E10: prunes */
    LIST_ERASE, /* E14 */
    LIST_ACCESS, /* E15: reports */
    LIST_GAP, /* E5: nothing for more than two heartbeats */
    LISTS,
};
struct ev_item {
    uint64_t index, us;
    struct slice type, channel, who, what;
    uint64_t until_us; /* gaps */
};
struct ev_items {
    struct ev_item *items;
    size_t n, cap;
    uint64_t all;
};

/* A time in which something could not be seen. */
struct ev_trouble {
    uint64_t index, from_us, until_us; /* until 0: not over, or a moment */
    struct slice input, kind;
    bool lasts; /* has an end */
};

/* A personal value in which the subject occurs. */
struct ev_held {
    uint64_t index, us;
    struct slice type, channel, name, text;
};

/* E2: many failures of one address, and whether it was banned then. */
struct ev_run {
    uint64_t index, begin_us, reached_us, failures, banned_us;
    struct slice key;
};

struct ev_totals {
    uint64_t entries, bytes;
    uint64_t level[LEVELS], alerts;
    uint64_t class[CLASSES], events;
    uint64_t banned, unbanned, ban_failed, ban_skipped, ban_ended, ban_dry;
    uint64_t sent, dead, retried;
    uint64_t acked, acts, refused_acts;
    uint64_t troubles, starts, stops, unclean, reloads, role_ends, config_refused;
    uint64_t verified, anchored, contradicted, epochs, heartbeats, clock_steps;
    uint64_t erased, prunes, reports, reads, disk_full;
};

enum ev_series {
    SERIES_ALERTS,
    SERIES_FAILED,
    SERIES_GOOD,
    SERIES_BANS,
    SERIES_ENTRIES,
    SERIES_BYTES,
    SERIES_EVENTS,
    SERIES_ACTS,
    EV_SERIES
};

struct survey {
    struct arena *arena;
    /* what is asked */
    uint64_t before_us, from_us, to_us;
    struct slice channel; /* only this one, where an entry names a channel; empty: all */
    struct audit_subject subject; /* whose values are in `held`; no value: nobody's */
    uint64_t seed; /* of the sample */
    size_t samples_max;

    /* what was found */
    struct ev_totals now, before;
    struct table *sources, *users, *rules, *channels, *receivers, *told, *open;
    uint64_t other_sources, other_users, other_rules, other_channels, other_told;
    struct ev_items lists[LISTS];
    struct ev_trouble *troubles;
    size_t ntroubles, troubles_cap;
    uint64_t all_troubles;
    struct ev_held *held;
    size_t nheld, held_cap;
    uint64_t all_held, held_entries, held_first_us, held_last_us;
    struct ev_run *runs;
    size_t nruns, runs_cap;
    uint64_t all_runs;
    uint64_t *bounds; /* of the buckets, nbuckets + 1 */
    size_t nbuckets;
    double *series[EV_SERIES];
    uint64_t earlier, later; /* alerts: recorded in the period about earlier events; and later */
    uint64_t personal, erased; /* personal values of the period's entries; gone */
    uint64_t first_index, last_index, first_us, last_us; /* of the period's entries */
    uint64_t gaps, heartbeat_us;
    struct slice config_digest, rules_digest,
        version; /* of the newest start or reload up to `to` */
    uint64_t *sample, *sample_hash; /* the entries with the smallest keyed hashes */
    size_t nsample;
    bool failed; /* memory is out */

    /* private */
    uint64_t tail_us; /* time of the entry before */
    bool stopped;
    uint64_t lines_bad;
    struct buf text, doc, doc2;
};

/* Times and what is asked must be set; the rest zero. `zone` for the days of the series. */
int survey_init(struct survey *e, struct arena *a, const struct zone *zone, bool by_day,
                struct err *err);
void survey_take(struct survey *e, uint64_t index, struct slice line);
int survey_end(struct survey *e, struct err *err);
void survey_fini(struct survey *e);

/* The entries of a table, the one with the most `n` first (equal ones by key): *ret_n pointers in
 * the arena. NULL: memory. */
typedef uint64_t (*survey_weight)(const void *value);
void **survey_sorted(struct arena *a, const struct table *t, survey_weight n, size_t *ret_n);

/* ---- between survey*.c ---- */

struct ev_fields {
    struct line_member m[40];
    size_t n;
    struct slice personal; /* what stands behind the TAB, or empty */
    struct { /* read from it by fields_open() */
        struct slice name, value; /* raw */
    } pii[16];
    size_t npii;
    bool open;
    uint64_t digests; /* personal values that the leaf vouches for, gone or not */
    struct slice sd; /* its object; empty: none */
};
void fields_read(struct ev_fields *f, const struct line_head *h);
/* The personal values: few entries are asked for them, and they are most of a line. */
void fields_open(struct ev_fields *f);
/* The raw value of a leaf's member; empty when it has none. */
struct slice fields_get(const struct ev_fields *f, const char *name);
/* A personal value, raw; false: the entry has none. *ret_erased: it had one. */
bool fields_personal(struct ev_fields *f, const char *name, struct slice *ret, bool *ret_erased);
/* Fields of an event's document, raw; of several values the first. */
enum ev_field {
    EV_SOURCE,
    EV_COUNTRY,
    EV_USER,
    EV_ACTION,
    EV_TARGET,
    EV_EMAIL,
    EV_GROUP,
    EV_ROLES,
    EV_MESSAGE,
    EV_FIELDS,
};
struct ev_document {
    bool there;
    struct slice field[EV_FIELDS];
};
/* `text`: the decoded document; empty: there is none. */
void document_read(struct ev_document *d, struct slice text);

struct slice ev_keep(struct survey *e, struct slice s);
void ev_sample(struct ev_samples *s, uint64_t index);
struct ev_who *ev_who(struct survey *e, struct table *t, struct slice key, uint64_t *other);
struct ev_channel *ev_channel(struct survey *e, struct slice name);
struct ev_item *ev_list(struct survey *e, enum ev_list list, const struct line_head *h);
struct ev_trouble *ev_trouble(struct survey *e);
struct ev_run *ev_run(struct survey *e);
struct ev_held *ev_held(struct survey *e);
void ev_add(struct survey *e, enum ev_series s, uint64_t us, double n);
/* The totals that a time belongs to; NULL: neither period. */
struct ev_totals *ev_slot(struct survey *e, uint64_t us);

void survey_alert(struct survey *e, const struct line_head *h, struct ev_fields *f);
void survey_event(struct survey *e, const struct line_head *h, struct ev_fields *f);
void survey_ban(struct survey *e, const struct line_head *h, struct ev_fields *f);
void survey_subject(struct survey *e, const struct line_head *h, struct ev_fields *f);
void survey_other(struct survey *e, const struct line_head *h, struct ev_fields *f);
