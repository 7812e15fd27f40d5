/*
 * What people deal with: incidents, silences, and what they say about them.
 *
 * incident  all alerts of one rule and one group (one address, one user ...) until it is over. Its
 *           key is the dedup key that every receiver sees: the same for the same rule and group on
 *           each day and host.
 * silence   alerts that fit are recorded, but nobody is told until it ends.
 * act       what somebody asks for: acknowledge, close, silence ... Each is an entry of the trail.
 */
#pragma once

#include "schemas/alert.h"

enum incident_state {
    INCIDENT_OPEN,
    INCIDENT_ACKED, /* somebody looks after it: nobody else is told until it is over */
    INCIDENT_CLOSED, /* by a person; the next alert opens it again */
    INCIDENT_RESOLVED, /* by itself; the same */
    INCIDENT_STATES,
};
const char *incident_state_name(enum incident_state s);

struct incident {
    struct slice key; /* 32 hex digits */
    struct slice rule, title, channel, group; /* group: "source.ip=192.0.2.1 user.name=x" */
    struct slice last_alert; /* id of the newest */
    struct slice by, comment; /* the newest of a person; may be empty */
    enum level level; /* the highest */
    enum incident_state state;
    uint64_t alerts; /* since it was opened */
    uint64_t first_us, last_us; /* event time of the first and newest alert */
    uint64_t opened_us, changed_us; /* wall */
    uint64_t resolve_us; /* wall: over when nothing comes until then; 0 = only a person ends it */
};

/* The key of the alert's incident. False: no memory. */
bool incident_key(const struct alert *alert, struct buf *out);
/* "source.ip=192.0.2.1 user.name=x", as alerts are listed. */
void incident_group(const struct alert *alert, struct buf *out);

struct silence {
    uint64_t id;
    struct slice when; /* JSON object, as matcher_json() reads it (notifiers/route.h) */
    struct slice by, comment;
    uint64_t from_us, until_us; /* wall; ended early: until_us is when */
};

/*
 * An act, as control socket and receivers hand it to the core: JSON, one object.
 *     {"act":"ack","id":"ALERT OR INCIDENT","by":"alice","comment":"...","via":"telegram:ops"}
 * id: of an alert or incident, at least 4 hex digits that name one alone; of a silence or an outbox
 * row: its number.
 */
#define ACT_MAX 3500
/*
 * act             members beside by, via, comment
 * ack             id
 * close           id
 * reopen          id
 * comment         id, comment
 * silence.add     when (object), for_s; or id and for_s: the incident's rule and group
 * silence.expire  id
 * retry           id of a dead or waiting row; or receiver: all its dead rows
 * drop            id, or receiver: waiting and dead rows, given up with the reason "dropped by"
 * unban           id of the alert that ordered the ban
 * ban.add         targets (1 to 60 texts of ban_target_text), for_s (0 = for good); optional:
 *                 reason, list (the name of the list that they are of), dry_run
 * ban.remove      one of: targets (as above), id (of the book, as text), alert (its id), list,
 *                 all (true)
 * ban.sync        list, stamp (wall, microseconds): bans of the list that were not added or
 *                 renewed since then are removed
 * The answer: {"ok":true,"text":"acknowledged: Failed logins ...", "id":...} or
 * {"ok":false,"text":"no alert begins with 'abcd'"}. Of ban.* it may have what became of each, as
 * many as an answer holds: "bans": [{"id":17,"target":"192.0.2.1","text":"banned for 1h"}]. That of
 * ban.add has "banned", "held" (already) and "refused": how many.
 */
