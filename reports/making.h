/*
 * What the kinds of reports share while one is made: the request, the evidence, the document.
 *
 * A query (E1 to E15 of docs/reports.md) is a row of the table in queries.c: it says what there is
 * as a table, and judges it for a control. A kind is a function that puts queries and text of its
 * own into the document.
 */
#pragma once

#include "audit/view.h"
#include "reports/doc.h"
#include "reports/make.h"
#include "reports/survey.h"

struct making {
    const struct report_source *source;
    const struct report_kind *kind;
    const struct json *request, *facts; /* facts: NULL when there are none */
    struct arena *arena;
    struct audit_view *view;
    struct report *report;
    struct survey survey;
    struct doc doc;
    struct zone *zone; /* NULL: UTC */
    uint64_t start; /* the first entry that was read */
    uint64_t first_us; /* time of the oldest entry that is kept */
    uint64_t first_index;
    int surveyed; /* what the reading of lines returned */
    struct err *err;
};

struct report_kind {
    struct report_kind_info info;
    bool by_day; /* series of days, however short */
    uint64_t reach_us; /* beyond the period before: read from so far back on; 0 */
    int (*build)(struct making *m); /* 0 or negative with m->err */
};

int kind_security(struct making *m);
int kind_compliance(struct making *m);
int kind_capacity(struct making *m);
int kind_access(struct making *m);
int kind_user(struct making *m);

/* ---- queries ---- */

enum control_state {
    CONTROL_EVIDENCE,
    CONTROL_ATTENTION,
    CONTROL_NOT_CONFIGURED,
    CONTROL_NOT_OBSERVABLE,
    CONTROL_STATES
};
const char *control_state_name(enum control_state s);

struct query {
    const char *id, *name, *title; /* "E1", "logins", "Logins" */
    void (*show)(struct making *m); /* blocks of the newest section */
    /* What is there, in one line. `days`: how far back it should reach (E10); 0 = does not matter
     */
    enum control_state (*judge)(struct making *m, unsigned days, struct buf *why);
};
extern const struct query queries[];
extern const size_t nqueries;

/* By their numbers: queries[QUERY(1)] is E1. */
#define QUERY(n) ((n)-1)

void show_logins(struct making *m);
void show_sources(struct making *m, size_t max);
void show_lockouts(struct making *m);
void show_admin(struct making *m);
void show_accounts(struct making *m);
void show_trail(struct making *m);
void show_inputs(struct making *m);
void show_alerts(struct making *m);
void show_rules(struct making *m, size_t max);
void show_bans(struct making *m);
void show_reviews(struct making *m);
void show_retention(struct making *m);
void show_failures(struct making *m);
void show_clock(struct making *m);
void show_messages(struct making *m);
void show_personal(struct making *m);
void show_access(struct making *m);
void show_list(struct making *m, enum ev_list list, const char *name, const char *title,
               const char *note, size_t max);

/* Seconds from an alert's entry to its first message, or to its acknowledgement: in order. */
double *told_delays(struct making *m, bool acked, enum level min, size_t *ret_n,
                    size_t *ret_missing);
double percentile(const double *sorted, size_t n, double p); /* NAN: none */

/* A fact as a number; UINT64_MAX: it is not said. */
uint64_t fact_u64(const struct making *m, const char *name);
const struct json *fact_list(const struct making *m, const char *name); /* its first; NULL */
/* Does some channel record all its events? */
bool records_events(const struct making *m);
