/*
 * The trail that belongs to the state: opened, made, or put aside for a new one.
 *
 * The state remembers of which trail (by its origin) its committed end is: when a trail was moved
 * aside, the end of the old one says nothing about the new one.
 */
#pragma once

#include "audit/keep.h"
#include "logwatch/config.h"
#include "store/store.h"

/* What a command gives to the functions of audit/keep.h that need no opened trail. */
struct audit_config core_trail_config(const struct config *c, const struct clock *clock);
/* *ret_replay_from as audit_open() sets it. */
int core_trail_open(const struct config *c, const struct clock *clock, uint64_t now_us,
                    struct store *store, struct audit **ret_audit, uint64_t *ret_replay_from,
                    struct err *err);
