/*
 * The tests inside rules, run by as many threads as there are processors.
 *
 * The threads share the read-only engine and nothing else. Outcomes are in the
 * order of the rules and of the tests in them, however many threads ran.
 */
#pragma once

#include "base/term.h"
#include "logwatch/engine.h"
#include "rules/inspect.h"

struct test_outcome {
    size_t rule;
    struct slice name, expected, fault; /* fault: empty when good */
    struct src_pos at;
    uint64_t got;
    bool failed;
};

struct testing;

/* wanted: by rule, NULL = all. */
struct testing *testing_new(const struct engine *e, const bool *wanted);
void testing_free(struct testing *t);
DEFINE_AUTO(testing)

/*
 * `beside` is called once by the calling thread while the others work, NULL: nothing. Draws a
 * progress bar on a terminal's stderr. 0 or -ENOMEM.
 */
int testing_run(struct testing *t, int (*beside)(void *ctx), void *ctx);

size_t testing_count(const struct testing *t);
size_t testing_failed(const struct testing *t);
const struct test_outcome *testing_at(const struct testing *t, size_t i);
/* One finding for each test that failed. */
void testing_findings(const struct testing *t, struct diag *d);
