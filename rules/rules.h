/*
 * Rules: Sigma documents compiled to detections, matched on events and
 * correlated over time.
 *
 *     rules_new()        empty set
 *     rules_add()        YAML text of any number of documents, findings in diag
 *     rules_compile()    resolves references, filters, log sources; then the set is read-only
 *     rules_match()      one event -> indices of the rules that hold (any thread)
 *     correlator_take()  matches in order -> signals and alerts (one thread)
 *
 * Deviations from and readings of the standard are in docs/rules.md. Faults of
 * one document leave the rest usable; the caller decides whether to go on.
 */
#pragma once

#include "base/diag.h"
#include "base/regex.h"
#include "schemas/alert.h"
#include "schemas/batch.h"
#include "schemas/event.h"

struct rules;

struct rules *rules_new(struct field_names *names);
void rules_free(struct rules *r);
DEFINE_AUTO(rules)

int rules_add(struct rules *r, const char *path, struct slice text, struct diag *d);
/* Each *.yml and *.yaml below the path (a file or a folder, recursively), in the order of names. */
int rules_add_path(struct rules *r, const char *path, struct diag *d);
/* Values for |expand placeholders: name -> list. Call before rules_compile(). */
int rules_placeholder(struct rules *r, struct slice name, const struct slice *values, size_t n);
/* The same from a YAML file, `name: [value, ...]`; the last list of a name counts. */
int rules_placeholders_file(struct rules *r, const char *path, struct diag *d);
int rules_compile(struct rules *r, struct diag *d);

enum rule_kind {
    RULE_DETECTION,
    RULE_CORRELATION,
};

/* What the commands show of a rule. */
struct rule_info {
    enum rule_kind kind;
    struct slice id, name, title, status, description, author, file;
    struct src_pos at;
    enum level level;
    const struct slice *tags;
    size_t ntags;
    const struct logsource *logsource; /* detection rules */
    struct slice correlation; /* "event_count"..., empty for detections */
    uint64_t window_us;
    bool silent; /* only referenced by correlations: does not alert itself */
    bool evaluated; /* false: its log source is not one that any channel gives */
    uint8_t digest[32]; /* of its compiled document */
    size_t ntests;
};

size_t rules_count(const struct rules *r);
const struct rule_info *rules_info(const struct rules *r, size_t i);
/* By id, name or title; SIZE_MAX when unknown. */
size_t rules_find(const struct rules *r, struct slice what);
/* Of the rule that the signal names, if it is there still; else SIZE_MAX. */
size_t rules_of_signal(const struct rules *r, const struct signal *s);
/* Does rule i ask events of that log source? Correlations do not: they see matches. */
bool rules_asks(const struct rules *r, size_t i, const struct logsource *ls);
/* Digest of the whole set: SHA-256 over the digests in order. */
void rules_digest(const struct rules *r, uint8_t out[32]);

/* Log sources that channels give; the caller registers each before rules_compile(). None = all are
 * evaluated. */
int rules_logsource(struct rules *r, const struct logsource *ls);

/*
 * Literals of which a raw record must hold one for detection rule i to match. The rule knows what
 * it asks of a field's value; the source answers what a record must hold for that. n == 0 and not
 * `none`: no record can match.
 */
struct witness {
    struct slice field; /* name; empty: any, and the text itself */
    const struct literals *in_value; /* of which the value holds one, as far as is known */
    struct slice whole; /* the value is this ASCII text in any case; p NULL: not known */
    bool (*holds)(const void *ctx, struct slice value); /* could this value do? */
    const void *ctx;
};
struct witness_source {
    struct literals (*of)(void *ctx, const struct witness *w, struct literal_maker *m);
    void *ctx;
};
struct literals rules_literals(const struct rules *r, size_t i, const struct witness_source *source,
                               struct literal_maker *m);

/* ---- one event ---- */

struct rules_scratch;
struct rules_scratch *rules_scratch_new(const struct rules *r);
void rules_scratch_free(struct rules_scratch *s);
DEFINE_AUTO(rules_scratch)

/* Indices of detection rules that hold, ascending, in scratch memory until the next call. Regex
 * limits hit are counted. */
size_t rules_match(const struct rules *r, struct rules_scratch *s, const struct event *ev,
                   const uint32_t **ret_rules);
/*
 * Only the rules of a set are asked: bit i of word i / 64 is rule i. They must be detections whose
 * log source fits the event's.
 */
size_t rules_match_only(const struct rules *r, struct rules_scratch *s, const struct event *ev,
                        const uint64_t *only, const uint32_t **ret_rules);
uint64_t rules_scratch_limits(const struct rules_scratch *s); /* regex limits hit so far */
/*
 * A rule whose regular expressions have run into their limits: how often (false:
 * never), how many events it was not asked about since, and for how many more it rests.
 */
struct rules_trouble {
    uint64_t hits, skipped, rest;
};
bool rules_scratch_trouble(const struct rules_scratch *s, size_t rule, struct rules_trouble *ret);
/* Rules that began to rest since this was asked last; valid until the next rules_match(). */
size_t rules_scratch_rested(struct rules_scratch *s, const uint32_t **ret_rules);

/*
 * What the events of one source leave behind for the next ones (rules that rest), apart from the
 * scratch of the thread that matches them: so a source can be read by several threads.
 *
 * Blocks are matched each with a memory of its own, begun anew. In the order of the blocks
 * rules_memory_pass() then puts them behind the source's memory `m`. False: a rule rests, or ran
 * into its limits in the block; its events must be matched again, with `m` itself.
 */
struct rules_memory;
struct rules_memory *rules_memory_new(const struct rules *r);
void rules_memory_free(struct rules_memory *m);
DEFINE_AUTO(rules_memory)
void rules_memory_forget(struct rules_memory *m); /* begins anew */
bool rules_memory_pass(struct rules_memory *m, const struct rules_memory *later);
/* Borrowed until the next call; NULL = the scratch's own. */
void rules_scratch_remember(struct rules_scratch *s, struct rules_memory *m);

/* Why rule i does or does not hold on the event, as a tree of lines. */
struct rules_trace {
    /* depth 0 = the condition; text is made for people; held says the outcome */
    void (*line)(void *ctx, unsigned depth, struct slice text, bool held);
    void *ctx;
};
bool rules_explain(const struct rules *r, struct rules_scratch *s, size_t i, const struct event *ev,
                   const struct rules_trace *trace);
/* Does correlation rule i count the event (one of its rules matches)? */
bool rules_feeds(const struct rules *r, struct rules_scratch *s, size_t i, const struct event *ev);
/* How near: leaves that held / leaves tried, 0..1000. */
unsigned rules_nearness(const struct rules *r, struct rules_scratch *s, size_t i,
                        const struct event *ev);

/* ---- over time ---- */

struct correlator;

/* groups_max: for each rule; the least recent goes and is counted. */
struct correlator *correlator_new(const struct rules *r, size_t groups_max);
void correlator_free(struct correlator *c);
DEFINE_AUTO(correlator)

/*
 * Takes one match: adds signals and alerts to the batch (texts copied to its
 * arena). Events that are duplicates (EVENT_DUPLICATE) count nowhere. Depends
 * on nothing but the order of calls and the events: no wall clock. All matches of
 * an event come one after the other.
 */
int correlator_take(struct correlator *c, const struct match *m, struct batch *b, struct err *err);
/* The last event has no more matches: what waits for that is judged. Before each commit. */
int correlator_settle(struct correlator *c, struct batch *b, struct err *err);
/*
 * Time. Taking an event moves it to LATENESS_US before the event, but not past
 * what correlator_behind() says: what is older may still come (0 = nothing is).
 * correlator_advance(): nothing older than this will come.
 */
#define LATENESS_US (5 * USEC_PER_SEC)
#define TIME_STANDS 1 /* nobody knows how old what comes may be */
void correlator_behind(struct correlator *c, uint64_t since_us);
int correlator_advance(struct correlator *c, uint64_t watermark_us, struct batch *b,
                       struct err *err);
/* Event time at which the next window is judged, if nothing comes; UINT64_MAX = none. */
uint64_t correlator_due_us(const struct correlator *c);
/* At start: folds a stored signal, in stored order; alerts are not told again. */
int correlator_restore(struct correlator *c, const struct signal *s, struct err *err);

struct correlator_stats {
    uint64_t groups; /* now, of all rules */
    uint64_t evicted; /* groups that a limit forgot */
    uint64_t dropped; /* entries that a limit forgot */
    uint64_t no_group; /* events that lack a field of `group-by` */
    uint64_t late; /* events that came too late for their group */
    size_t evicted_rule; /* whose group was evicted last */
};
struct correlator_stats correlator_stats(const struct correlator *c);

/* The window of one rule and group, for `explain`. */
struct correlator_view {
    double value; /* what the condition compares */
    uint64_t events; /* in the window that ends now; of a value that is counted, the newest */
    uint64_t due_us; /* when time alone will judge it; 0 = never */
};
/* False when nothing is known of that group. */
bool correlator_view(const struct correlator *c, size_t rule, struct slice group, uint64_t now_us,
                     struct correlator_view *ret);

/* ---- the tests inside the rules ---- */

/*
 * Runs `trailwarden.tests` of all rules: events are given as maps of fields,
 * or `lines:` of raw text that `parse` turns into events. Failures are findings.
 */
struct rules_test_parser {
    /* One raw line of a channel to an event in the arena; NULL when it cannot. */
    const struct event *(*parse)(void *ctx, struct slice channel, struct slice line,
                                 struct arena *a);
    void *ctx;
};
int rules_test(const struct rules *r, const struct rules_test_parser *parser, struct diag *d,
               size_t *ret_ran, size_t *ret_failed);
