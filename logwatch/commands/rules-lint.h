/* Between rules-lint.c, which says what is looked at, and its checks. */
#pragma once

#include "logwatch/commands/rules.h"

struct lint {
    struct rules_view view;
    struct engine *bare; /* formats alone: the names that they and the dictionary know */
    const char **names; /* the same as a list, for "did you mean" */
    bool notes;
    size_t warnings;
    /* the one at hand */
    size_t rule;
    const struct rule_info *info;
    const struct yaml *doc;
};

/* level NOTE is dropped unless asked for. near: what was meant, or NULL. */
void lint_say(struct lint *l, enum diag_level level, struct src_pos at, size_t span,
              const char *near, const char *fmt, ...) PRINTF_LIKE(6, 7);

struct lint_check {
    const char *name;
    void (*run)(struct lint *l);
};
/* Each is run on each rule, in this order; ends with { 0 }. */
extern const struct lint_check lint_head_checks[]; /* rules-lint-head.c: what stands around it */
extern const struct lint_check lint_body_checks[]; /* rules-lint-body.c: what it looks for */
void lint_filter(struct lint *l, const struct yaml *doc);
