/*
 * Reader: steps 1-5 of a line's journey. Blocks in, matches out.
 *
 * A pure function of (block, rule set): nothing is kept between blocks but
 * memory for reuse and, when an expression ran into its limits, the rules that rest
 * (workers.h), so blocks may be read by several threads, each with a reader
 * of its own. What goes on to the core is a reader_result, never a line.
 */
#pragma once

#include "logwatch/config.h"
#include "schemas/alert.h"
#include "schemas/block.h"

/* reader -> core. Lives in its arena until the core has taken it. */
struct reader_result {
    struct arena *arena;
    const struct config_input *input;
    struct match *matches; /* in the order of the records */
    size_t nmatches;
    const struct cursor *cursors;
    size_t ncursors;
    const struct notice *notices;
    size_t nnotices;
    struct slice name; /* path or unit */
    uint64_t lines, bytes, events; /* records that have a text are events */
    uint64_t parsed, unparsed; /* events that were looked into, and those that no layout fits */
    uint64_t regex_limits;
    uint64_t last_event_us;
    struct input_lag lag;
    unsigned trouble; /* enum input_trouble */
    bool shows_logins; /* an event proves that failed logins can be seen (format_shows_logins) */
    bool end;
};

struct reader;

struct reader *reader_new(const struct engine *e, struct geo *geo);
void reader_free(struct reader *r);
DEFINE_AUTO(reader)

/* What differs between the inputs; made once for each, kept with it. */
struct reader_source {
    struct parser_source parser;
    const struct config_input *input;
    bool replayed; /* no clock to hold the events' own against */
};
int reader_source_init(struct reader_source *s, const struct config_input *in, struct err *err);
void reader_source_fini(struct reader_source *s);

/*
 * Everything of the result lives in block->arena. -ENOMEM is the only failure.
 *
 * What the input has to tell (a gap, a cut file, messages that journald dropped) is an event for
 * the rules, too: log source product trailwarden, service source; event.action is the notice's
 * type, its members are fields. Not in replay: the past of a saved file is not our own.
 */
int reader_run(struct reader *r, const struct reader_source *source, const struct block *b,
               struct reader_result *ret_result, struct err *err);

/* What is remembered from block to block goes there from now on (rules.h); NULL = the reader's own.
 */
void reader_remember(struct reader *r, struct rules_memory *m);

/* For `explain` and tests: told of each event, before the rules. May be NULL. */
void reader_observe(struct reader *r, void (*fn)(void *ctx, const struct event *ev), void *ctx);
