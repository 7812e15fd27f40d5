/*
 * Bans: the words that the book, the commands and the blocker share.
 *
 * target   what is kept out: a network, all of it or some ports of one protocol
 * ban      a row of the book, from its first alert to its end; history keeps it
 * request  what crosses to the blocker: fixed size, nothing to parse
 * result   what became of it
 *
 * The book (store) says what should be; the blocker makes it so. A row that the blocker has not
 * confirmed is owed, and is sent again until it has: each request may be repeated.
 */
#pragma once

#include "base/ip.h"
#include "base/json.h"

#define BAN_PORTS_MAX 8
#define BAN_MAX_S (10ull * 365 * 86400) /* longer is a mistake; 0 is for good */

/* Its bytes are a key: no holes. */
struct ban_target {
    struct cidr net;
    uint8_t protocol; /* IANA's number: 6 TCP, 17 UDP; 0 = all, and then no ports */
    uint8_t none; /* 0 */
    uint16_t ports[BAN_PORTS_MAX]; /* ascending, 0 behind the last; none: all ports */
};

/* The members "protocol" and "ports" of a document; nothing when all is meant. */
void ban_ports_json(uint8_t protocol, const uint16_t ports[BAN_PORTS_MAX], struct json_writer *w);
/* The same, read; what is wrong counts as not there. */
void ban_ports_read(const struct json *doc, uint8_t *ret_protocol,
                    uint16_t ret_ports[BAN_PORTS_MAX]);
bool ban_target_eq(const struct ban_target *a, const struct ban_target *b);
/* The text in store, lists and entries: "192.0.2.1", "2001:db8::/64", "192.0.2.1 tcp 22,80". */
#define BAN_TEXT_SIZE (IP_TEXT_SIZE + 4 + 6 + BAN_PORTS_MAX * 6)
void ban_target_text(const struct ban_target *t, char out[BAN_TEXT_SIZE]);
int ban_target_parse(struct slice s, struct ban_target *ret); /* of such a text; -EINVAL */
/* The network alone: an address without its length when it is whole. */
void cidr_text(const struct cidr *c, char out[IP_TEXT_SIZE + 4]);
/* "tcp", "udp" ... or a number below 256; 0 with "all". -EINVAL */
int ban_protocol_parse(struct slice s, uint8_t *ret);
const char *ban_protocol_name(uint8_t protocol); /* "tcp"; NULL for one without a name */
/* "22,80": sorted, without repeats. -EINVAL */
int ban_ports_parse(struct slice s, uint16_t ret[BAN_PORTS_MAX]);
/*
 * What is banned for an address: itself, or in IPv6 its network of `bits6` (64: what one
 * customer has). Host bits are cleared.
 */
struct cidr ban_network(const struct ip *ip, uint8_t bits6);

/* ---- the book ---- */

enum ban_state { /* stored: new ones go behind */
                 BAN_ACTIVE,
                 BAN_ENDED, /* its time is over */
                 BAN_REMOVED, /* taken back by a person, or it left its list */
                 BAN_REFUSED, /* the blocker would not: `status` says why */
                 BAN_STATES,
};
const char *ban_state_name(enum ban_state s); /* "active" ... */

enum ban_owed { /* what the blocker has not confirmed */
                BAN_OWES_NOTHING,
                BAN_OWES_ADD,
                BAN_OWES_REMOVE,
};

struct ban {
    uint64_t id; /* 1, 2 ... in the order of the book */
    struct ban_target target;
    enum ban_state state;
    enum ban_owed owed;
    bool dry_run; /* is in the book, and was never done */
    struct slice origin; /* "rule", "manual", "list:NAME" */
    struct slice rule, title, alert, channel; /* of the newest alert; empty when by hand */
    struct slice
        reason; /* one line for people: the alert's title and group, or what the person said */
    struct slice by; /* who, when by hand; and who removed it */
    struct slice status; /* what the blocker said last; empty: nothing yet */
    uint64_t start_us, until_us; /* wall; until 0 = for good */
    uint64_t changed_us; /* the newest renewal or change of state */
    uint64_t ended_us; /* 0 = it holds */
    uint32_t times; /* this network's ban number so and so: what the escalation counts */
    uint32_t renewals;
};

/* The document of schemas/ban.json; now_us for "remaining_s". */
void ban_json(const struct ban *b, uint64_t now_us, struct json_writer *w);

/* ---- core to blocker, and back ---- */

enum ban_verb {
    BAN_ADD = 1, /* also when it is there: it holds for `seconds` from now */
    BAN_REMOVE, /* also when it is not there */
    BAN_ALLOW, /* never ban this network until we are told anew (a name that was resolved) */
    BAN_SYNC_BEGIN, /* all that should be there follows as ADDs, then SYNC_END: drop all else */
    BAN_SYNC_END,
};

struct ban_request {
    uint64_t id; /* of the row, or 0 */
    uint8_t verb;
    uint8_t family, bits, protocol; /* as in struct ban_target */
    uint8_t bytes[16];
    uint16_t ports[BAN_PORTS_MAX];
    uint32_t seconds; /* that are left; 0 = for good */
    uint32_t times;
    char rule[64], alert[40]; /* printable ASCII without blanks, for programs; may be empty */
};

enum ban_said {
    BAN_DONE = 1,
    BAN_FAILED, /* try again later */
    BAN_NO, /* never: what is asked for is not allowed */
    BAN_LOST, /* id 0: what was done is gone (another tool flushed, or we are new): sync */
};

struct ban_result {
    uint64_t id;
    uint8_t said; /* enum ban_said */
    char why[95]; /* printable; of DONE what was done */
};

/* One packet holds so many at most. */
#define BAN_BATCH_MAX 512

void ban_request_fill(const struct ban *b, uint8_t verb, uint64_t now_us, struct ban_request *ret);
