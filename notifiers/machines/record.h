/*
 * Record: one entry of the trail, read for a program elsewhere.
 *
 * It is made from the entry's line (docs/trail.md) and holds what every encoder needs under one
 * set of names: the dictionary's (schemas/fields.yaml, which are ECS names) and a few of our own.
 * Of an event that is its document; of an alert its own members and the document of the event that
 * fired, which is the last of its events. Personal values that were erased are simply not there.
 *
 * A record borrows the line and owns the rest through the arena it was read with. Its texts came
 * from logs: whoever writes them somewhere cleans, cuts and escapes them (text.h), always.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "notifiers/machines/kind.h"
#include "schemas/event.h"

/* Beside the dictionary. */
enum record_slot {
    RECORD_TITLE = FIELD_DICTIONARY, /* of the rule */
    RECORD_RULE, /* its id */
    RECORD_RULE_SHA256,
    RECORD_ALERT, /* id of the alert that this is, or is about */
    RECORD_LEVEL,
    RECORD_CHANNEL,
    RECORD_COUNT,
    RECORD_TAGS, /* of the rule, joined by blanks */
    RECORD_KEY, /* source key of the event */
    RECORD_TRUST,
    RECORD_RAW,
    RECORD_RECEIVER,
    RECORD_STATE,
    RECORD_STATUS,
    RECORD_SLOTS,
};

struct record_extra {
    struct slice name, value;
};
#define RECORD_EXTRA_MAX 48

struct trail_record {
    uint64_t index;
    uint64_t time_us; /* of the entry: never goes back */
    uint64_t event_us; /* when it happened; that of the entry when nothing else is said */
    struct slice line; /* as in the trail, without LF */
    struct slice type;
    struct slice id; /* ORIGIN/INDEX: the same in every repeat */
    struct slice origin, host;
    const struct record_kind *kind;
    unsigned severity; /* 0 (nothing) to 10 */
    struct slice slots[RECORD_SLOTS]; /* empty: none */
    struct record_extra *extra; /* what has no slot */
    size_t nextra;
};

struct record_reader;
/* origin and host are borrowed. NULL: memory. */
struct record_reader *record_reader_new(const char *origin, const char *host);
void record_reader_free(struct record_reader *rr);
DEFINE_AUTO(record_reader)

/* -EINVAL: it is no entry; -ENOMEM. The line must live as long as the record. */
int record_read(struct record_reader *rr, struct slice line, struct arena *a,
                struct trail_record *ret, struct err *err);

/* What happened, in words; never empty. */
struct slice record_message(const struct trail_record *r);
/* success, failure or unknown. */
struct slice record_outcome(const struct trail_record *r);
/* The address, when it is one: "203.0.113.5". */
struct slice record_address(const struct trail_record *r);
bool record_is_alert(const struct trail_record *r);
