/*
 * Bans as files: lists that others wrote, and files that other tools read.
 *
 *     ban_list_read()    plain, CSV or JSON: each network is told once for each line that names it,
 *                        each line that is none with its place; a fault stops nobody
 *     ban_export_*()     plain, nft, ipset: the networks; CSV, JSON: all that is known of each ban
 *
 * Lists come from strangers: lines, cells and documents have limits, nothing of them is printed as
 * it came. Nothing here asks the daemon or the state.
 *
 * A firewall's set holds networks and times, and takes no network inside another one. So these
 * files name the outermost only, and leave bans out that are for some ports (they are counted).
 */
#pragma once

#include <stdio.h>

#include "schemas/ban.h"

enum ban_form { BAN_PLAIN, BAN_CSV, BAN_JSON, BAN_NFT, BAN_IPSET, BAN_FORMS };
/* -EINVAL. `reading`: only those that can be read. */
int ban_form_parse(struct slice name, bool reading, enum ban_form *ret);
/* By the ending of the file's name; plain when it says nothing. */
enum ban_form ban_form_of(const char *path);

/* ---- lists ---- */

#define BAN_LINE_MAX 4096

struct ban_list_reader {
    /* Non-zero ends it. */
    int (*network)(void *ctx, const struct ban_target *t);
    void (*fault)(void *ctx, unsigned line, unsigned column, const char *text);
    void *ctx;
};
/* 0, what network() returned, or -ENOMEM. In a JSON array the column is the number of the item. */
int ban_list_read(enum ban_form form, struct slice text, const struct ban_list_reader *r);
/* Is or holds an address that is never banned: loopback, link-local, multicast ... */
bool ban_target_special(const struct ban_target *t);

/* Sorts, and drops what comes twice. How many are left. */
size_t ban_targets_unique(struct ban_target *t, size_t n);

/* ---- exports ---- */

struct ban_export;
/*
 * `set`: nft "inet TABLE SET", ipset "SET"; NULL: "inet filter banned", "banned". The names get 4
 * and 6 behind them. -EINVAL: no name that these tools take.
 */
int ban_export_new(enum ban_form form, const char *set, uint64_t now_us, struct ban_export **ret,
                   struct err *err);
void ban_export_free(struct ban_export *e);
DEFINE_AUTO(ban_export)
/* Copied. -ENOMEM. */
int ban_export_add(struct ban_export *e, const struct ban *b);
/* The whole file, once. -ENOMEM. */
int ban_export_finish(struct ban_export *e, struct buf *out);
/* How many stand in the file; and were left out, because they are for some ports only. */
size_t ban_export_count(const struct ban_export *e, size_t *ret_ports);

/*
 * A CSV cell (RFC 4180) that no spreadsheet takes for a formula: such a text gets a ' in front.
 * Control characters, line ends too, become blanks.
 */
void buf_csv(struct buf *b, struct slice text);
