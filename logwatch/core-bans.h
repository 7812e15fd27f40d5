/*
 * The book of bans, in the core: who is kept out and until when. It decides, writes what it
 * decided into the open batch, and hands requests to the blocker for what is committed.
 *
 *     core_bans_order()     an alert wants a ban
 *     core_bans_add(), core_bans_remove()   a person does
 *     core_bans_tick()      times that are over
 *     core_bans_requests()  what the blocker must hear next
 *     core_bans_result()    what it said
 *
 * All that holds is in memory (some 200 bytes each); history is in the store. A blocker that
 * begins anew, or finds its work gone, says BAN_LOST: then all that holds is sent again between
 * SYNC_BEGIN and SYNC_END, and what is not in the book is dropped there.
 */
#pragma once

#include "logwatch/config.h"
#include "store/store.h"

struct core_bans;

int core_bans_new(const struct config *c, struct store *store, struct core_bans **ret,
                  struct err *err);
/* The first batch is open: who is allowed since the last start gets in. */
int core_bans_start(struct core_bans *b, struct err *err);
void core_bans_free(struct core_bans *b);
/* A new batch is open; what was in the former is true now. */
void core_bans_begin(struct core_bans *b, struct batch *batch);

/* Refusals are entries, too. `id`: of the alert, hex. */
int core_bans_order(struct core_bans *b, const struct alert *alert, struct slice id,
                    struct err *err);

struct ban_wish { /* of a person */
    struct ban_target target;
    uint64_t for_us; /* 0 = for good */
    struct slice origin, reason, by; /* live until the commit */
    bool dry_run;
};
enum ban_answer {
    BAN_ANSWER_DONE,
    BAN_ANSWER_HELD, /* it holds already, at least as long */
    BAN_ANSWER_REFUSED, /* `text` says why */
};
/* text: "banned for 1h", "allowed by 10.0.0.0/8". */
int core_bans_add(struct core_bans *b, const struct ban_wish *wish, enum ban_answer *ret,
                  char text[160], struct err *err);

struct ban_choice { /* which of those that hold; empty members: any */
    uint64_t id;
    const struct ban_target *target; /* exactly this one */
    const struct cidr *net; /* this network, whatever the ports */
    struct slice origin;
    uint64_t older_us; /* not named again since then; 0 = any */
};
struct ban_gone {
    uint64_t id;
    struct ban_target target;
    uint64_t left_us; /* UINT64_MAX = for good */
    const char *rule; /* may be empty */
};
/* fn hears of each (may be NULL). How many; negative: a fault. */
int core_bans_remove(struct core_bans *b, const struct ban_choice *choice, struct slice by,
                     const char *why, void (*fn)(void *ctx, const struct ban_gone *g), void *ctx,
                     struct err *err);

int core_bans_tick(struct core_bans *b, uint64_t now_us, struct err *err);
uint64_t core_bans_due_us(const struct core_bans *b); /* wall; UINT64_MAX = nothing ends */

#define NAME_ADDRESSES 16
/* A name of the allow list has these addresses now. */
int core_bans_allow(struct core_bans *b, size_t name, const struct ip *ips, size_t n,
                    struct err *err);

/* ---- to and from the blocker ---- */

/* At most max; how many. What is handed out is not handed out again until it failed or was lost. */
size_t core_bans_requests(struct core_bans *b, struct ban_request *q, size_t max, uint64_t now_us);
/* Those could not be sent: the line is gone. All is lost until BAN_LOST comes. */
void core_bans_line_gone(struct core_bans *b);
uint64_t core_bans_send_us(const struct core_bans *b); /* when there is something; UINT64_MAX */
int core_bans_result(struct core_bans *b, const struct ban_result *r, struct err *err);
size_t core_bans_owed(const struct core_bans *b); /* that wait to be sent or answered */
