/*
 * From matches to what is told: match, signal, alert, action.
 *
 * match   a rule held on one event (reader to core).
 * signal  what a correlation keeps of a match: rule, group, time, value. The
 *         state of all windows is fold(signals), so signals are persisted and
 *         windows survive any restart exactly.
 * alert   what is told; its document is the contract with every receiver.
 */
#pragma once

#include "schemas/ban.h"
#include "schemas/event.h"

enum level { /* Sigma's */
             LEVEL_INFORMATIONAL,
             LEVEL_LOW,
             LEVEL_MEDIUM,
             LEVEL_HIGH,
             LEVEL_CRITICAL,
             LEVELS,
};
const char *level_name(enum level l);
int level_parse(struct slice s, enum level *ret);

struct match {
    uint32_t rule; /* index in the loaded set, or MATCH_AUDIT */
    const struct event *event;
};
#define MATCH_AUDIT UINT32_MAX /* no rule: the channel says `audit: all` */

/* What a signal did when it was taken; those before it may be gone when it is folded again. */
enum signal_flags {
    SIGNAL_FIRED = 1, /* its rule fired */
    SIGNAL_HOLDS = 2, /* the condition became true, and must hold for a while */
    SIGNAL_OPENS = 4, /* a window or group begins with it */
    SIGNAL_MARK = 8, /* nothing but that: no entry */
};

struct signal {
    uint8_t rule[16]; /* first 16 bytes of SHA-256 of the correlation rule's id */
    uint32_t part; /* which of its referenced rules */
    unsigned flags;
    uint64_t keep_us; /* event time for which it is needed */
    uint64_t time_us;
    struct slice group; /* encoded group key: values joined by 0x1f, escaped */
    struct slice value; /* for value_*; empty for counts */
    struct source_key key; /* of the event: makes a signal unique */
    struct slice evidence; /* the event, packed (schemas/event-pack.h) */
};

/* What the rule wants done; the configuration decides whether. */
struct action_ban {
    bool wanted;
    struct slice field; /* "source.ip" */
    struct slice address; /* its value in the event; validated again by the blocker */
    uint64_t for_us;
    bool dry_run; /* into the book, and no further */
    uint8_t protocol; /* as in struct ban_target */
    uint16_t ports[BAN_PORTS_MAX];
};

struct alert_group {
    struct slice name, value;
};

struct alert {
    uint8_t id[16]; /* deterministic: design.md, section 5 */
    struct slice rule_id, rule_title, rule_author, rule_file, rule_description;
    uint8_t rule_digest[32];
    enum level level;
    struct slice *tags;
    size_t ntags;
    struct slice channel;
    uint64_t time_us; /* of the event that fired */
    uint64_t first_us; /* of the first contributing event that was kept */
    uint64_t window_us; /* 0: no correlation */
    uint64_t count; /* events in the window; 1 without */
    uint64_t threshold;
    bool lower_bound; /* a limit dropped something: count is at least this */
    struct alert_group *group;
    size_t ngroup;
    struct slice *evidence; /* event documents (JSON), oldest first, at most ALERT_EVIDENCE_MAX */
    size_t nevidence;
    enum trust trust; /* the least of the contributing events */
    bool backfill;
    bool audit;
    struct slice *notify; /* names from the rule; n = 0: the routes decide */
    size_t nnotify;
    struct action_ban ban;
    struct source_key key; /* of the event that fired */
    uint8_t event_hash[32];
};
#define ALERT_EVIDENCE_MAX 10

/* Fills alert->id from rule id, rule digest, group, time, source key and event hash. */
void alert_identify(struct alert *alert);
/* A deep copy. */
struct alert *alert_copy(struct arena *a, const struct alert *alert);
/* The document of schemas/alert.json. */
void alert_json(const struct alert *alert, struct json_writer *w);
/*
 * The alert that such a document tells of: what alert_json() would write again. What it does not
 * say is zero: whom its rule names, the hash of its event. -EINVAL with a reason when it is none.
 * Texts are those of the document, so they live as long as that; the rest lives in the arena.
 */
int alert_read(const struct json *doc, struct arena *a, struct alert *ret, struct err *err);
