/*
 * What the commands on bans share: which bans are meant, and how one is shown.
 *
 * The book is read in the state, without a daemon. What changes it are acts (act.h).
 */
#pragma once

#include "logwatch/commands/act.h"

/* Which bans a command is about. */
struct bans_wanted {
    struct ban_filter filter;
    struct cidr near; /* family 0: any; else those that share addresses with it */
    bool by_network; /* the store cannot ask for it: looked at here */
    size_t limit;
    struct buf origin; /* of `filter` */
};
/* From the options; `text`: an address or network, or NULL. EXIT_USAGE is told. */
int bans_wanted_of(const struct cli *cli, const char *text, size_t limit, struct bans_wanted *ret);
void bans_wanted_fini(struct bans_wanted *w);
/* fn for each; non-zero ends it. An exit code; faults are told. */
int bans_each(struct desk *d, struct bans_wanted *w, int (*fn)(void *ctx, const struct ban *b),
              void *ctx);
/* An address or network. EXIT_USAGE is told. */
int bans_network(const struct cli *cli, const char *text, struct cidr *ret);
bool bans_overlap(const struct cidr *a, const struct cidr *b);

/* "42m", "for good", "-" when it holds no more. */
const char *ban_left(const struct ban *b, uint64_t now_us, char out[24]);
/* "all", "tcp 22,80" */
void buf_ban_ports(struct buf *b, const struct ban_target *t);
/* "active", "active, dry run", "active, not confirmed" */
void buf_ban_state(struct buf *b, const struct ban *x);
/* "spamhaus" of "list:spamhaus", and who it was by hand. */
void buf_ban_from(struct buf *b, const struct ban *x);
/* Its row in the table of `bans history`, which `bans show` has, too. */
extern const char *const bans_history_headings[];
void bans_history_row(struct text_table *t, const struct ban *b);

/* --for AGE|forever: seconds, 0 for good. */
int bans_for(const struct cli *cli, uint64_t *ret_s);
/* The name of a list: letters, digits and . _ -, at most 40. EXIT_USAGE is told. */
int bans_list_name(const struct cli *cli);

/* ---- requests about many networks ---- */

struct bans_request {
    const char *verb; /* "ban.add" */
    const struct ban_target *targets; /* those that are left */
    size_t n;
    /* of "ban.add" */
    uint64_t for_s;
    const char *reason, *list; /* NULL: none */
    bool dry_run;
};
/* Begins an act with as many targets as one takes, and takes them off the request. How many. */
size_t bans_request_begin(struct desk *d, struct bans_request *q, struct act *a);
/* --reason as it may be sent. */
int bans_reason(const struct cli *cli);

/* From where the caller is logged in over SSH; also behind sudo. False: he is not, or not known. */
bool ssh_peer(struct ip *ret);
