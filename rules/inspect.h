/*
 * What commands ask of a compiled set beyond matching: the document as it was
 * written, the condition as a tree, filters, who counts whom, what a rule
 * costs, and tests one rule at a time.
 *
 * Everything here reads only: any thread may ask, each with a scratch or
 * tester of its own.
 */
#pragma once

#include "base/yaml.h"
#include "rules/rules.h"

/* The document after its collection; lives as long as the rules. */
const struct yaml *rules_document(const struct rules *r, size_t i);
/* False: a fault was found in it, so it is never evaluated. */
bool rules_usable(const struct rules *r, size_t i);
/* Does detection rule i hold on the event? The question of rules_match() for one rule. */
bool rules_holds(const struct rules *r, struct rules_scratch *s, size_t i, const struct event *ev);
/* Which part of correlation `of` rule i is: 0.. or SIZE_MAX. */
size_t rules_part(const struct rules *r, size_t of, size_t i);

/* The condition of a detection rule, without its filters, line by line; depth 0 first. */
struct rules_lines {
    void (*line)(void *ctx, unsigned depth, struct slice text);
    void *ctx;
};
void rules_tree(const struct rules *r, size_t i, const struct rules_lines *out);

/* ---- filters ---- */

size_t rules_filters(const struct rules *r);
const struct yaml *rules_filter_document(const struct rules *r, size_t filter);
struct slice rules_filter_title(const struct rules *r, size_t filter);
/* Does the filter narrow rule i? */
bool rules_filter_of(const struct rules *r, size_t filter, size_t i);
/* Does it let the event through? */
bool rules_filter_passes(const struct rules *r, struct rules_scratch *s, size_t filter,
                         const struct event *ev);
/* Would the rule hold without its filters? */
bool rules_holds_unfiltered(const struct rules *r, struct rules_scratch *s, size_t i,
                            const struct event *ev);

/* ---- cost ---- */

enum cost_class {
    COST_CHEAP,
    COST_MODERATE,
    COST_HIGH,
};
struct rules_cost {
    size_t predicates, keywords, regexes;
    size_t bare_regexes; /* without a literal that every match holds: run on every value */
    enum cost_class cost;
};
struct rules_cost rules_cost(const struct rules *r, size_t i);

/* ---- tests, one rule at a time ---- */

struct rules_tester; /* one for each thread */

struct rules_tester *rules_tester_new(const struct rules *r,
                                      const struct rules_test_parser *parser);
void rules_tester_free(struct rules_tester *t);
DEFINE_AUTO(rules_tester)

struct rules_test_result {
    struct slice name;
    struct src_pos at;
    bool failed;
    const char *fault; /* what was expected and got; lives during the call */
    struct slice expected; /* as written */
    uint64_t got; /* alerts; matches of a rule that is only counted by others */
};
/* Runs the tests of rule i in their order. 0 or -ENOMEM. */
int rules_tester_run(struct rules_tester *t, size_t i,
                     void (*told)(void *ctx, const struct rules_test_result *result), void *ctx);
