/*
 * A message: what a document of the outbox says, in neutral pieces that each kind of
 * receiver renders with its own escaping. The document is one alert (schemas/alert.json), now
 * firing or over, or the summary of many (schemas/summary.json): a group, a storm, a day. Whole
 * pieces are dropped when room is short, never rendered text cut. All texts are clean: valid UTF-8
 * without control characters (but LF and TAB), terminal escapes, or signs that reorder text.
 */
#pragma once

#include "base/arena.h"
#include "base/json.h"
#include "notifiers/sink.h"

#define FACTS_MAX 24
#define SAMPLES_MAX 10

struct fact {
    const char *name;
    struct slice value;
};

/* Of a summary: "By rule", "Top sources": name and how often. */
#define TABLES_MAX 10
#define TABLE_ROWS_MAX 20
struct message_row {
    struct slice name, value;
};
struct message_table {
    struct slice title;
    struct message_row rows[TABLE_ROWS_MAX];
    size_t nrows, more;
};

struct message {
    struct slice level, title, rule, channel, time, id;
    struct slice subject; /* "[high] Failed logins from one address: 203.0.113.7" */
    struct slice reason; /* one sentence: why this was sent */
    struct slice description;
    struct fact facts[FACTS_MAX];
    size_t nfacts;
    struct slice samples[SAMPLES_MAX]; /* raw lines, newest last */
    size_t nsamples, more_samples;
    struct slice thread; /* stable for rule and group and day: hex */
    struct slice checkpoint;
    const char *host;
    bool resolved; /* it is over */
    bool summary; /* of `alerts` alerts: no samples, but tables */
    uint64_t alerts;
    struct slice notice; /* why it is sent: first, repeat, group, digest, quiet, escalated,
                            resolved, closed, test, daily, weekly */
    struct slice why; /* a sentence about that: "Nobody acknowledged within 15m."; may be empty */
    struct slice incident; /* 32 hex digits: the dedup key; of a summary: empty unless it is of one
                              incident */
    struct slice see; /* the command that shows more: "trailwarden alerts show 0f3a..." */
    struct message_table tables[TABLES_MAX];
    size_t ntables;
};

/*
 * -ENOMEM or -EINVAL (no alert document). All in the arena. With a template of the operator's
 * (d->text_template) its text stands for reason, facts, samples and tables; a first line "Subject:
 * ..." of it for the subject. It is cleaned like any text, and each receiver escapes it.
 */
int message_make(const struct delivery *d, struct arena *a, struct message *ret, struct err *err);
/* At most max bytes, then "..." at the end says that it was longer. */
struct slice message_clean(struct arena *a, struct slice s, size_t max);
/* The same on one line: for headers. */
struct slice message_line(struct arena *a, struct slice s, size_t max);
void buf_html(struct buf *b, struct slice s); /* & < > " ' */
/* Number of the level, 0 (informational) to 4; 2 when unknown. */
int message_rank(const struct message *m);
