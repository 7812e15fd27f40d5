/*
 * Batch: everything that becomes true together in one commit.
 *
 * The core fills it from the readers' results and the sender's outcomes;
 * audit_append() writes its entries behind the trail's committed end and
 * says where the end is now; store_commit() makes all of it true in one
 * transaction. All memory is the batch's arena.
 */
#pragma once

#include "schemas/ban.h"
#include "schemas/block.h"
#include "schemas/incident.h"

/* A personal value of an entry: the leaf holds only its salted digest. */
struct entry_pii {
    struct slice name; /* [a-z0-9._]+ */
    struct slice value; /* clean UTF-8 */
};

/* One line of the trail to be (docs: trail format 1). Index, time and digests are added by audit.
 */
struct entry {
    struct slice type; /* [a-z0-9._-]+ */
    struct slice members; /* JSON members without a first comma; no sd, no pii */
    struct entry_pii *pii;
    size_t npii;
};

/* A row of the outbox. New states go behind: they are stored. */
enum delivery_state {
    DELIVERY_WAITING,
    DELIVERY_SENT,
    DELIVERY_RETRY, /* failed, will be tried again at not_before_us */
    DELIVERY_DEAD, /* given up: refused, expired or dropped */
    DELIVERY_BUNDLED, /* told in another row, whose number is `bundle` */
    DELIVERY_HELD, /* not told, and `status` says why: silenced, acknowledged ... */
    DELIVERY_STATES,
};
const char *delivery_state_name(enum delivery_state s);

/* A message to one receiver, waiting in the outbox. (key, receiver) is unique: a repeat is
 * ignored. */
struct outgoing {
    struct slice key; /* 32 hex digits of the alert id, or another unique text */
    struct slice receiver; /* name in the configuration */
    struct slice kind; /* "notify" or "anchor" */
    struct slice document; /* JSON: alert or summary */
    uint64_t not_before_us;
    uint64_t expires_us;
    /* of "notify", for grouping, digests and history */
    enum delivery_state state; /* WAITING, or HELD with `status` */
    struct slice status;
    struct slice reason; /* "first", "escalated" ... as message.notice */
    struct slice incident, rule, title, source, user; /* source: an address or the group */
    struct slice group; /* rows of one group that wait go as one; empty: alone */
    enum level level;
    const uint64_t *members; /* of a summary: rows that become BUNDLED with it */
    size_t nmembers;
};

/* How an attempt went (sender to core). */
struct outcome {
    uint64_t id; /* row of the outbox */
    enum delivery_state state;
    unsigned attempts;
    uint64_t not_before_us;
    struct slice status; /* "250 2.0.0 queued", "http 429", "exit 3" */
    struct slice remote; /* the receiver's id for it, or empty */
};

/* A row that an act or the core changes, beside outcomes. */
struct row_change {
    uint64_t id;
    enum delivery_state state; /* WAITING: it begins anew; HELD, DEAD: `status` says why */
    uint64_t not_before_us, expires_us; /* of WAITING */
    struct slice status;
};

struct cursor_update {
    struct slice input; /* name of the input in the configuration */
    struct cursor cursor;
};

/* Counters of a channel since the last commit, added to the stored ones. */
struct channel_count {
    struct slice channel;
    uint64_t lines, bytes, parsed, unparsed, matches;
    uint64_t last_event_us;
};

/* What is wrong with an input or its channel now; told as notices, too (logwatch/health.h). */
enum input_trouble {
    TROUBLE_FAILED = 1, /* it cannot be opened or read */
    TROUBLE_SILENT = 2,
    TROUBLE_BEHIND = 4,
    TROUBLE_UNPARSED = 8,
    TROUBLE_BLIND = 16, /* nothing shows that failed logins can be seen */
};
/* "failed", "silent" ... for one bit. */
const char *trouble_name(unsigned bit);
#define TROUBLES 5

/* How an input stands; the newest one counts. */
struct input_health {
    struct slice input, channel;
    uint64_t lag_bytes, lag_since_us, last_event_us; /* wall; 0 = none */
    unsigned streams, trouble;
};

struct trail_end {
    uint64_t count; /* entries */
    uint64_t segment; /* first index of the open segment */
    uint64_t bytes; /* length of the open segment */
};

struct batch {
    struct arena *arena;
    struct cursor_update *cursors;
    size_t ncursors, cursors_cap;
    struct signal *signals;
    size_t nsignals, signals_cap;
    struct signal *unasked; /* not NULL: nobody asks for signals, so all are this one */
    struct alert **alerts;
    size_t nalerts, alerts_cap;
    struct entry *entries;
    size_t nentries, entries_cap;
    struct outgoing *outgoing;
    size_t noutgoing, outgoing_cap;
    struct outcome *outcomes;
    size_t noutcomes, outcomes_cap;
    struct row_change *changes;
    size_t nchanges, changes_cap;
    const struct incident **incidents; /* borrowed: the core's, as they are at the commit */
    size_t nincidents, incidents_cap;
    struct silence *silences;
    size_t nsilences, silences_cap;
    const struct ban *
        *bans; /* rows of the book, as they are at the commit; in the arena or the core's */
    size_t nbans, bans_cap;
    struct channel_count *counts;
    size_t ncounts, counts_cap;
    struct input_health *healths;
    size_t nhealths, healths_cap;
    struct trail_end trail; /* set by audit_append() */
    uint64_t now_us;
    uint64_t needed_us; /* stored signals from that event time on must stay */
};

void batch_init(struct batch *b, struct arena *a, uint64_t now_us);
bool batch_empty(const struct batch *b); /* nothing but counts */
/* Each appends a zeroed element and returns it; NULL when memory is out. */
struct cursor_update *batch_cursor(struct batch *b);
struct signal *batch_signal(struct batch *b);
int batch_alert(struct batch *b, struct alert *alert); /* borrowed: must live in the arena */
struct entry *batch_entry(struct batch *b, const char *type);
struct outgoing *batch_outgoing(struct batch *b);
struct outcome *batch_outcome(struct batch *b);
struct row_change *batch_change(struct batch *b);
int batch_incident(struct batch *b, const struct incident *incident); /* borrowed */
int batch_ban(struct batch *b, const struct ban *ban); /* borrowed; texts that are empty and a start
                                                          of 0 leave what the book says */
struct silence *batch_silence(struct batch *b, uint64_t id); /* finds or adds */
struct channel_count *batch_count(struct batch *b, struct slice channel); /* finds or adds */
struct input_health *batch_health(struct batch *b, struct slice input); /* finds or adds */
