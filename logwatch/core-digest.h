/*
 * Digests: what a day or a week brought, to those who like to read it (`digests:`). Alerts by rule,
 * source, user and level; bans; messages; how the channels stand; size and root of the trail.
 *
 * When the last one was is a fact of the state, so a restart sends none twice and forgets none.
 * The first one comes at the first time that is due after the first start.
 */
#pragma once

#include "audit/audit.h"
#include "logwatch/config.h"
#include "store/store.h"

struct digest_from {
    const struct config *config;
    struct store *store;
    struct audit *audit;
};

/* Rows for the digests that are due, into the batch. */
int core_digest_tick(const struct digest_from *from, struct batch *b, uint64_t now_us,
                     struct err *err);
/* When the next is; UINT64_MAX = there are none. */
uint64_t core_digest_due_us(const struct digest_from *from);
