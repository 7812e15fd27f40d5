/*
 * The command line: one table of options, one table of commands. Help,
 * completion and the manual page are made from them.
 *
 * A command says which options it takes by a bit set; parsing, defaults and
 * "did you mean" are the same for all.
 */
#pragma once

#include <stdio.h>

#include "base/diag.h"
#include "base/json.h"

/* design: exit codes mean the same in every command */
enum exit_code {
    EXIT_DONE = 0,
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    EXIT_NOTHING = 3,
    EXIT_NOT_PERMITTED = 4,
    EXIT_NO_DAEMON = 5,
    EXIT_ANSWER_NO = 10,
    EXIT_CONFIGURATION = 78,
};

enum cli_option_id {
    CLI_CONFIG,
    CLI_STATE,
    CLI_JSON,
    CLI_CHANNEL,
    CLI_ZONE,
    CLI_RULES,
    CLI_NO_PREFILTER,
    CLI_NO_LIBRARY,
    CLI_ONCE,
    CLI_QUIET,
    CLI_VERBOSE,
    CLI_RULE,
    CLI_STATS,
    CLI_TRAIL,
    CLI_VKEY,
    CLI_EPOCH_VKEY,
    CLI_AGAINST,
    CLI_SINCE_POINT,
    CLI_TYPE,
    CLI_GREP,
    CLI_FAIL_EMPTY,
    CLI_LIMIT,
    CLI_SINGLE,
    CLI_FORGET,
    CLI_JOURNAL,
    CLI_UNIT,
    CLI_LEVEL,
    CLI_TO,
    CLI_ALL,
    CLI_FORCE,
    CLI_FILE,
    CLI_AT,
    CLI_GROUP,
    CLI_AGAINST_RULES,
    CLI_FAIL_ON_CHANGE,
    CLI_WORKERS,
    CLI_DIGEST,
    CLI_SINCE,
    CLI_UNTIL,
    CLI_FIELD,
    CLI_STATUS,
    CLI_RECEIVER,
    CLI_COMMENT,
    CLI_FOR,
    CLI_OF_RULE,
    CLI_OF_CHANNEL,
    CLI_OF_LEVEL,
    CLI_OF_FIELD,
    CLI_ALL_ENDED,
    CLI_OUT,
    CLI_PROOF,
    CLI_QR,
    CLI_INDEX,
    CLI_TILES,
    CLI_TO_ANCHOR,
    CLI_KEEP,
    CLI_BEFORE,
    CLI_BEFORE_ENTRY,
    CLI_DRY_RUN,
    CLI_SUBJECT,
    CLI_NAME,
    CLI_REASON,
    CLI_NEW_ORIGIN,
    CLI_YES,
    CLI_TREE,
    CLI_IP,
    CLI_ORIGIN,
    CLI_LIST,
    CLI_FOLLOW,
    CLI_BAN_FOR,
    CLI_BAN_REASON,
    CLI_PORTS,
    CLI_PROTOCOL,
    CLI_OF_ALERT,
    CLI_ALL_BANS,
    CLI_FORMAT,
    CLI_SET,
    CLI_WITH_DRY_RUN,
    CLI_REPLACE,
    CLI_FROM,
    CLI_TO_TIME,
    CLI_TZ,
    CLI_STANDARD,
    CLI_FORM,
    CLI_SAMPLES,
    CLI_SEED,
    CLI_TABLE,
    CLI_HELP,
    CLI_OPTIONS,
};

struct cli_option {
    const char *name; /* without the two dashes */
    char letter; /* 0 = none */
    const char *value; /* what is given, in capitals; NULL = a switch */
    const char *help;
};
extern const struct cli_option cli_options[CLI_OPTIONS];

#define CLI_VALUES_MAX 64

struct cli {
    const struct command *command;
    const char *values[CLI_OPTIONS]; /* the last one given; switches: "" */
    const char *many[CLI_VALUES_MAX]; /* of --rules and others that may be repeated, in order */
    enum cli_option_id many_of[CLI_VALUES_MAX];
    size_t nmany;
    const char **args; /* what is left, NULL-terminated */
    size_t nargs;
    FILE *out;
};

typedef unsigned __int128 cli_set; /* bits of enum cli_option_id */
#define CLI_BIT(id) ((cli_set)1 << (id))
#define OPT(id) CLI_BIT(CLI_##id)

struct command {
    const char *name; /* "trail verify" */
    const char *summary;
    const char *args; /* "FILE..." or "" */
    cli_set options; /* OPT(CONFIG) | ... */
    int (*run)(struct cli *cli);
    const char *example;
};
extern const struct command commands[]; /* ends with { 0 } */

static inline bool cli_has(const struct cli *cli, enum cli_option_id id)
{
    return cli->values[id] != NULL;
}

/* Fills *ret; EXIT_DONE, or EXIT_USAGE with the text already on stderr. */
int cli_parse(int argc, char **argv, struct cli *ret);
void cli_fini(struct cli *cli);
void cli_help(FILE *out);
void cli_command_help(FILE *out, const struct command *c);

/* Prints a finding list (or its JSON) and says the exit code for it. */
int cli_diag(const struct cli *cli, const struct diag *d);
/* "trailwarden: text", and the exit code that fits the errno. */
int cli_error(const struct err *err);

int command_run(struct cli *cli);
int command_reload(struct cli *cli);
int command_replay(struct cli *cli);
int command_check(struct cli *cli);
int command_explain(struct cli *cli);
int command_status(struct cli *cli);
int command_doctor(struct cli *cli);
int command_alerts_list(struct cli *cli);
int command_alerts_show(struct cli *cli);
int command_alerts_ack(struct cli *cli);
int command_alerts_close(struct cli *cli);
int command_alerts_reopen(struct cli *cli);
int command_alerts_unban(struct cli *cli);
int command_alerts_comment(struct cli *cli);
int command_silences_list(struct cli *cli);
int command_silences_add(struct cli *cli);
int command_silences_expire(struct cli *cli);
int command_bans_list(struct cli *cli);
int command_bans_show(struct cli *cli);
int command_bans_history(struct cli *cli);
int command_bans_add(struct cli *cli);
int command_bans_remove(struct cli *cli);
int command_bans_export(struct cli *cli);
int command_bans_import(struct cli *cli);
int command_notify_list(struct cli *cli);
int command_notify_show(struct cli *cli);
int command_notify_receivers(struct cli *cli);
int command_notify_retry(struct cli *cli);
int command_notify_drop(struct cli *cli);
int command_notify_test(struct cli *cli);
int command_notify_route(struct cli *cli);
int command_rules_list(struct cli *cli);
int command_rules_show(struct cli *cli);
int command_rules_test(struct cli *cli);
int command_rules_stats(struct cli *cli);
int command_rules_lint(struct cli *cli);
int command_rules_import(struct cli *cli);
int command_import_fail2ban(struct cli *cli);
int command_state_show(struct cli *cli);
int command_state_export(struct cli *cli);
int command_state_set_cursor(struct cli *cli);
int command_trail_init(struct cli *cli);
int command_trail_anchors(struct cli *cli);
int command_trail_verify(struct cli *cli);
int command_trail_anchor(struct cli *cli);
int command_trail_show(struct cli *cli);
int command_trail_grep(struct cli *cli);
int command_trail_prove(struct cli *cli);
int command_trail_check_proof(struct cli *cli);
int command_trail_consistency(struct cli *cli);
int command_trail_checkpoint(struct cli *cli);
int command_trail_export(struct cli *cli);
int command_trail_prune(struct cli *cli);
int command_trail_erase(struct cli *cli);
int command_trail_recover(struct cli *cli);
int command_trail_rotate(struct cli *cli);
int command_report(struct cli *cli);
int command_report_verify(struct cli *cli);
int command_config_schema(struct cli *cli);
int command_completion(struct cli *cli);
int command_help(struct cli *cli);
int command_version(struct cli *cli);
