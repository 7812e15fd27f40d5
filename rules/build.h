/*
 * Private to rules/: loading one rule, with findings.
 *
 *     correlation.c   `correlation:`
 *     words.c         conditions in words
 *     response.c      `trailwarden:`
 */
#pragma once

#include "rules/tree.h"

struct rule_build {
    struct rules *r;
    struct rule *rule;
    struct correlation *c;
    const struct yaml *node;
    struct diag *d;
    bool failed;
};

void rule_fault(struct rule_build *b, const struct yaml *at, const char *text);
/* "unknown WHAT 'x'", with the nearest of the names (NULL at the end). */
void rule_unknown(struct rule_build *b, const struct yaml *at, const char *what,
                  const char *const *names);
/* `min-events`; NULL = not given. */
void rule_min_events(struct rule_build *b, const struct yaml *y);
/* A condition in words over the names of the rules (specification 2.2): and, or, not, parentheses.
 */
void correlation_text(struct rule_build *b, const struct yaml *y);
