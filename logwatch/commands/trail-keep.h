/* What the commands share that change the trail while no daemon runs. */
#pragma once

#include "logwatch/commands/common.h"
#include "logwatch/core.h"

/* The trail, writable; what an earlier run began is finished. */
int trail_attach(const struct config *c, struct core **ret_core, struct err *err);
/* Entries become true and signed, and what they declare is done. */
int trail_settle(struct core *core, struct err *err);
/* "uid 0,login_uid 1000": numbers, since a name would be data of somebody that can never be erased.
 */
void trail_who(struct buf *out);
