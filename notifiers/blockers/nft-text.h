/*
 * What nft is told, as text.
 *
 * One set for each scope: family, prefix length, protocol and ports of a ban; its elements are
 * bare addresses in a hash, and one rule asks it with the scope's mask and ports. So bans of
 * overlapping networks live side by side (an interval set refuses the second one), adding one
 * costs the same whatever the set holds, a renewal touches one element, and what is listed is the
 * ban itself. The name of a set says its scope: "b4_32", "b6_64", "b4_24_6_22_80".
 *
 * A scope is a struct ban_target whose address does not matter.
 */
#pragma once

#include "schemas/ban.h"

#define NFT_NAME_SIZE 96

void nft_set_name(const struct ban_target *scope, char out[NFT_NAME_SIZE]);
/* The address is all zero. -EINVAL: not a name of ours. */
int nft_set_parse(struct slice name, struct ban_target *ret_scope);
bool nft_scope_eq(const struct ban_target *a, const struct ban_target *b);

struct nft_look { /* of the table */
    const char *table;
    int64_t priority;
    bool chains[3]; /* input, forward, prerouting */
    bool reject; /* else drop */
    bool log;
};
#define NFT_CHAINS 3
extern const char *const nft_chain_names[NFT_CHAINS + 1]; /* ends with NULL */

/* Table, chains and rules anew, in one transaction; sets and their elements stay. */
void nft_put_table(struct buf *out, const struct nft_look *l, const struct ban_target *scopes,
                   size_t n);
void nft_put_removal(struct buf *out, const struct nft_look *l, const struct ban_target *scope);

/*
 * No command of nft works both for what is there and for what is not: so the quick one first, and
 * when the transaction fails, the sure one.
 */
enum nft_how {
    NFT_CREATE, /* fails when one of them is there */
    NFT_RENEW, /* sure: added, deleted, added again with its time */
    NFT_DELETE, /* fails when one of them is not there */
    NFT_REMOVE, /* sure: added, deleted */
};
/* These (indexes into q), all of one scope. */
void nft_put_elements(struct buf *out, const struct nft_look *l, const struct ban_request *q,
                      const uint32_t *which, size_t n, enum nft_how how);
