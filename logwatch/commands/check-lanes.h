/*
 * Which rules of the user's own make every line of a channel be parsed.
 *
 * A rule without a literal puts its channel in the field lane (lane.h): nothing is missed, and all
 * of the channel costs more, for all rules. Who wrote the rule is told once, as a warning at its
 * place; of a large collection the first few are told and the others counted.
 */
#pragma once

#include "logwatch/config.h"

/* `config` NULL: rule files alone, asked of every format. `library`: its rules are loaded, too. */
int check_lanes(const struct engine *e, const struct config *config, bool library, struct diag *d);
