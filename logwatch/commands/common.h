/* What several commands need. */
#pragma once

#include "logwatch/commands/cli.h"
#include "logwatch/config.h"

/*
 * Loads the configuration that the options name (plus rule files given as
 * arguments). On faults they are printed and the exit code is returned.
 */
int cli_config(struct cli *cli, bool discover, struct diag *d, struct config **ret_config);
/* Only formats and rules, by --rules and --no-library, or those of the configuration. */
int cli_engine(struct cli *cli, const char *const *more, size_t nmore, struct config **ret_config,
               struct engine **ret_engine, const struct engine **ret_use);
/* Bytes of all files, for a progress bar. */
uint64_t files_size(const char *const *paths, size_t n);
/* Another owner's files would be refused by the daemon's next start. -EPERM. */
int cli_check_owner(const struct config *c, struct err *err);
/* "uid":N and, behind sudo, "login_uid":N: members of an entry about what a person did. */
void cli_who(struct buf *out);
/* The trail folder: --trail, else the configuration's. */
int cli_trail(struct cli *cli, struct config **ret_config, const char **ret_folder);
/* A time, or how long ago; 0 when the option was not given. EXIT_USAGE is told. */
int cli_time(const struct cli *cli, enum cli_option_id id, uint64_t *ret_us);
