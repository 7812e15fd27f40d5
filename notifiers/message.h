/*
 * A message: what an alert document says, in neutral pieces that each kind of
 * receiver renders with its own escaping. Whole pieces are dropped when room is
 * short, never rendered text cut. All texts are clean: valid UTF-8 without
 * control characters (but LF and TAB), terminal escapes, or signs that reorder text.
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
};

/* -ENOMEM or -EINVAL (no alert document). All in the arena. */
int message_make(const struct delivery *d, struct arena *a, struct message *ret, struct err *err);
/* At most max bytes, then "..." at the end says that it was longer. */
struct slice message_clean(struct arena *a, struct slice s, size_t max);
/* The same on one line: for headers. */
struct slice message_line(struct arena *a, struct slice s, size_t max);
void buf_html(struct buf *b, struct slice s); /* & < > " ' */
/* Number of the level, 0 (informational) to 4; 2 when unknown. */
int message_rank(const struct message *m);
