/*
 * The engine: field names, formats and rules, loaded once and read-only then.
 * `run`, `replay`, `explain` and `check` all use this one.
 */
#pragma once

#include "parsers/parser.h"
#include "rules/rules.h"

struct engine {
    struct field_names *names;
    struct formats *formats;
    struct rules *rules;
    uint8_t rules_digest[32];
    struct scans *scans; /* which records are parsed (scan.h) */
};

struct engine_request {
    const char *const *rule_paths; /* besides the library inside the program */
    size_t nrule_paths;
    const char *const *placeholders; /* files of lists for `expand` */
    size_t nplaceholders;
    bool no_library;
    bool tests; /* what the library's rules carry to test themselves is kept, too */
    const char *const *format_paths;
    size_t nformat_paths;
    const struct filter_request *filters; /* of channels that have one */
    size_t nfilters;
};

/* Findings in diag; the engine is there even with errors, unless memory is out (-ENOMEM). */
int engine_load(const struct engine_request *request, struct diag *d, struct engine **ret_engine);
void engine_free(struct engine *e);
DEFINE_AUTO(engine)

/*
 * Raw lines of a rule's tests, as the channel's format reads them: for rules_test_parser. The
 * scratch is one thread's.
 */
struct engine_lines {
    const struct engine *engine;
    struct parser_scratch *scratch;
};
const struct event *engine_line(void *lines, struct slice channel, struct slice line,
                                struct arena *a);
