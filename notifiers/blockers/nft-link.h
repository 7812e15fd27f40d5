/*
 * The kernel's nf_tables by netlink: what libnftables does not give, or not cheaply.
 *
 *     generation   counts the transactions of all tools: it tells whether others changed anything
 *     watch        a descriptor that wakes at each transaction (one message each, by a filter)
 *     sets         their names, of one table
 *     shape        a hash of a table, its chains, rules and sets, without elements and counters:
 *                  libnftables reads all elements even for a list without them
 *     elements     of one set, a part at a time: 100,000 need no more memory than one
 *
 * Only asks; never changes. What comes is the kernel's, and is read within its bounds anyway.
 */
#pragma once

#include "base/err.h"
#include "base/hash.h"
#include "base/slice.h"

struct nft_link {
    int talk, notify; /* -1: closed */
    uint32_t sequence;
    _Alignas(8) char part[64 << 10]; /* of an answer */
};
#define NFT_LINK_CLOSED                                                                            \
    {                                                                                              \
        .talk = -1, .notify = -1                                                                   \
    }

int nft_link_open(struct nft_link *l, struct err *err);
void nft_link_close(struct nft_link *l);

int nft_link_generation(struct nft_link *l, uint32_t *ret, struct err *err);
void nft_link_drain(struct nft_link *l); /* what woke the watch */

int nft_link_sets(struct nft_link *l, const char *table, int (*fn)(void *ctx, struct slice name),
                  void *ctx, struct err *err);

int nft_link_shape(struct nft_link *l, const char *table, uint8_t ret[SHA256_SIZE],
                   struct err *err);

struct nft_element {
    struct slice key; /* as in the packet */
    uint64_t left_ms; /* UINT64_MAX: for good */
    uint64_t packets, bytes;
};
/* An answer of fn that is not 0 ends it and is handed on. -ENOENT: there is no such set. */
int nft_link_elements(struct nft_link *l, const char *table, const char *set,
                      int (*fn)(void *ctx, const struct nft_element *e), void *ctx,
                      struct err *err);

/* One message of a dump of elements; for the tests. */
int nft_link_read_elements(struct slice message, int (*fn)(void *ctx, const struct nft_element *e),
                           void *ctx);
