/*
 * explain, in parts: explain.c feeds lines to the engine; explain-show.c shows
 * what it makes of the last one; explain-window.c says how a window of a correlation
 * stands; explain-after.c what follows an alert; explain-at.c asks the stored
 * signals of a moment in the past.
 */
#pragma once

#include "logwatch/commands/rules.h"
#include "schemas/batch.h"

/* ---- signals: what correlations kept of the events so far ---- */

struct seen_signal {
    size_t rule;
    uint32_t part;
    uint64_t time_us;
    struct slice group, value, evidence;
};
struct seen {
    const struct rules *rules;
    struct arena *arena; /* of the texts; borrowed */
    struct seen_signal *items;
    size_t n, cap;
};
void seen_init(struct seen *s, const struct rules *r, struct arena *a);
void seen_fini(struct seen *s);
/* -E2BIG beyond a million signals. */
int seen_add(struct seen *s, const struct signal *g);
/* "203.0.113.5, root": an encoded group key, for people. */
void buf_group(struct buf *b, struct slice group);

/* ---- one window at one moment ---- */

struct window_view {
    size_t rule;
    struct slice group; /* encoded */
    uint64_t span_us;
    uint64_t count;
    uint64_t need; /* 0: no number alone decides; `condition` is as written */
    const char *unit; /* what is counted: "events", "different values", "rules" */
    const char *condition;
    const char *missing; /* titles of what was not seen yet; NULL: nothing to name */
    uint64_t
        due_us; /* the next must come before: then the oldest leaves; 0 = there is no such time */
    bool at_end; /* judged when the window is over, at due_us */
    uint64_t told_us, silent_until_us; /* the last alert of this group; 0 = none */
    bool told_now;
};
/* How the group's window stands at a time. -ENOMEM. */
int window_look(struct rules_view *v, const struct seen *seen, const struct correlator *c,
                size_t rule, struct slice group, uint64_t at_us, struct window_view *ret);
void window_text(const struct rules_view *v, const struct window_view *w, struct buf *out);
void window_json(const struct rules_view *v, const struct window_view *w, struct json_writer *out);
/* `suppress:` of the rule. */
uint64_t rule_suppress_us(const struct rules *r, size_t rule);

/* ---- what follows an alert ---- */

/* c NULL: there is no configuration that says who is told. */
void alert_text(const struct config *c, const struct rules *r, const struct alert *alert,
                struct buf *out);
void alert_consequences_json(const struct config *c, const struct alert *alert,
                             struct json_writer *out);

/* explain --at */
int explain_at(struct cli *cli);
