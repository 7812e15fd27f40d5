/*
 * What the commands on rules share: the loaded set with the findings of its
 * load, rules by what a person calls them, and YAML told again.
 */
#pragma once

#include "base/yaml.h"
#include "logwatch/commands/common.h"
#include "logwatch/lane.h"
#include "rules/inspect.h"

struct rules_view {
    struct cli *cli;
    struct diag *diag; /* of the load; places in the rules point into it */
    struct config *config;
    struct engine *own;
    const struct engine *engine;
    struct arena *arena;
};

/*
 * Loads the configuration's rules, or the library with --rules and `paths`. Faults are printed
 * unless `lenient`; then they stay in view->diag. An exit code. Call rules_view_fini() in any case.
 */
int rules_view_open(struct rules_view *v, struct cli *cli, const char *const *paths, size_t npaths,
                    bool lenient);
void rules_view_fini(struct rules_view *v);

/* By id, name, title or the unique beginning of an id. SIZE_MAX: the text is on stderr. */
size_t rules_view_find(struct rules_view *v, const char *what);

/*
 * Arguments that are files or folders, and those that are rules. by_name gets the rest. Paths are
 * for rules_view_open(); a rule is of a path when its file is it or below it.
 */
bool argument_is_path(const char *arg);
bool rule_is_of(const struct rule_info *info, const char *path);

/* Why the rule is never evaluated; NULL when it is. Lives as long as the view. */
const char *idle_reason(struct rules_view *v, size_t i);
/* Does the channel's format give the rule's log source, or that of a rule that it counts? */
bool rule_is_for(const struct engine *e, size_t i, const struct format *f);
/* "xui", "product/category/service" without what is missing or said twice. */
void buf_logsource(struct buf *b, const struct logsource *ls);

/* ---- words ---- */

extern const char *const cost_names[];
const char *rule_kind_name(const struct rule_info *info); /* counted: only by correlations */
/* The name, else the id. */
struct slice rule_handle(const struct rule_info *info);
const char *level_short(enum level l);
/* [a, b] and {a: 1}, one line. */
void buf_yaml(struct buf *b, const struct yaml *y);
void json_put_yaml(struct json_writer *w, const struct yaml *y);
void json_put_literal(struct json_writer *w, struct slice literal); /* base/literal.h */
void json_member_place(struct json_writer *w, const struct rule_info *info);
/* Prints the document as a line and resets the buffer; -ENOMEM when it failed. */
int print_json(struct cli *cli, struct buf *b);
int out_of_memory(void); /* says so; EXIT_FAILED */
