/*
 * Private to the book:
 *
 *     core-bans.c        what is decided: orders, ends, removals, and their entries
 *     core-bans-life.c   what holds, in memory
 *     core-bans-send.c   what the blocker hears, and what it says
 */
#pragma once

#include "base/table.h"
#include "logwatch/core-bans.h"

struct item {
    uint64_t id, start_us, until_us, changed_us; /* until 0 = for good */
    struct ban_target target;
    const char *rule, *origin; /* interned */
    uint8_t alert[16];
    bool has_alert, dry_run;
    bool gone; /* it ended: only its removal is owed */
    uint8_t state; /* enum ban_state */
    uint64_t ended_us;
    bool fresh; /* the batch with it is open */
    bool queued, sent;
    bool again; /* changed since it was sent: the answer is about what it was */
    bool overtaken; /* banned again before it was removed: nothing to remove */
    uint8_t owed; /* enum ban_owed */
    uint32_t times, renewals, failures;
    uint64_t retry_us; /* wall */
    size_t at; /* in items */
    struct item *next; /* in the queue */
};

enum syncing {
    SYNC_NONE,
    SYNC_WANTED,
    SYNC_RUNS,
};

struct core_bans {
    const struct config *config;
    struct store *store;
    struct batch *batch;
    struct table *by_target; /* of those that hold */
    struct table *leaving; /* target: its removal is owed */
    struct table *by_id;
    struct table *words; /* rules and origins, once each */
    struct item **items; /* all; holes while a sync runs */
    size_t nitems, cap, holes;
    struct item *head, **tail; /* to be sent, oldest first */
    size_t nqueued, nsent;
    struct item **fresh;
    size_t nfresh, fresh_cap;
    uint64_t next_id, due_us, retry_us;
    enum syncing syncing;
    size_t sync_at;
    bool line; /* there is a blocker, and it has told that it begins */
    struct {
        struct ip ips[NAME_ADDRESSES];
        size_t n;
    } * names; /* as many as the configuration allows */
    bool allow_owed; /* the blocker has not heard of them */
};

/* ---- core-bans-life.c ---- */

const char *bans_word(struct core_bans *b, struct slice word); /* kept once; NULL: no memory */
struct slice bans_id(const uint64_t *id); /* a key of by_id */
/* Into the tables. -ENOMEM: it is the caller's still. */
int bans_keep(struct core_bans *b, struct item *i);

/* ---- core-bans.c ---- */

/* Who is allowed now, and was not when he was banned, gets in. */
int bans_free_allowed(struct core_bans *b, struct err *err);

/* The row as it is now, into the batch. */
int bans_put(struct core_bans *b, struct item *i, enum ban_state state, const struct ban *words,
             struct err *err);
/* Only what it owes, and what the blocker said of it. */
int bans_put_owed(struct core_bans *b, struct item *i, struct slice status, struct err *err);
/* An entry about it; `members` without the first comma. */
int bans_entry(struct core_bans *b, const struct item *i, const char *type,
               const struct buf *members, struct err *err);
/* It does not hold any more: out of the tables; forgotten, or kept until its removal is done. */
void bans_leave(struct core_bans *b, struct item *i, bool owe_removal);
void bans_forget(struct core_bans *b, struct item *i);
struct slice bans_key(const struct ban_target *t);

/* ---- core-bans-send.c ---- */

void bans_queue(struct core_bans *b, struct item *i);
