/*
 * Event: one log record with named fields. The unit of all detection.
 *
 * An event borrows everything: its raw text from the block it came from, its
 * fields from the arena of the batch. To keep one longer, event_copy() it.
 * The order of fields is the order in which the parser wrote them; the first
 * of equal names wins (later ones are kept for keyword search).
 */
#pragma once

#include "base/arena.h"
#include "base/json.h"
#include "schemas/field.h"

enum value_type {
    VALUE_STRING,
    VALUE_NUMBER, /* text as written */
    VALUE_BOOL, /* true, false */
    VALUE_NULL,
};

struct field {
    uint32_t id; /* FIELD_OTHER: only `name` tells */
    enum value_type type;
    struct slice name; /* always set */
    struct slice value; /* clean UTF-8 */
};

/* Who could have written this text? From formats.md's findings, told by the format. */
enum trust {
    TRUST_FORGEABLE, /* a client can make a whole line of its own: never ban on it alone */
    TRUST_LINE, /* one line is one event of the service */
    TRUST_RECORD, /* the transport keeps the record's boundary and its sender */
};

/* The triple that routes an event to Sigma rules; empty parts match nothing but an absent key. */
struct logsource {
    struct slice product, category, service;
};

enum event_flags {
    EVENT_TRUNCATED = 1, /* longer than max_line: the rest is not here */
    EVENT_PARTIAL = 2, /* no final newline */
    EVENT_INVALID_UTF8 = 4, /* cleaned */
    EVENT_DUPLICATE_KEY = 8, /* JSON with a key twice: first taken */
    EVENT_NUL = 16,
    EVENT_ANSI = 32,
    EVENT_UNPARSED = 64, /* no format knew it */
    EVENT_BACKFILL = 128, /* old when read: no bans for the past */
    EVENT_TIME_GUESSED = 256, /* no time in the text: that of reception */
    EVENT_DUPLICATE = 512, /* repeats an event that another line told */
};

/* Content identity: the same in a renamed, copied or replayed file. */
struct source_key {
    uint8_t stream[16];
    uint64_t position;
};

struct event {
    uint64_t time_us;
    uint64_t received_us;
    const struct logsource *logsource;
    struct slice channel; /* "openvpn" */
    struct slice format; /* "openvpn.text"; empty when unparsed */
    struct slice input; /* path or unit, for people */
    struct source_key key;
    enum trust trust;
    unsigned flags;
    struct slice raw; /* the record without its newline */
    struct field *fields;
    size_t nfields, fields_cap;
    struct arena *arena; /* where fields grow */
};

#define EVENT_FIELDS_MAX 256

/* -ENOMEM; -E2BIG beyond EVENT_FIELDS_MAX (the event keeps what it has). value must be clean UTF-8.
 */
int event_add(struct event *ev, uint32_t id, struct slice name, enum value_type type,
              struct slice value);
/* A dictionary field as a string; an empty value is not added. */
int event_set(struct event *ev, enum field_id id, struct slice value);
const struct field *event_get(const struct event *ev, uint32_t id);
const struct field *event_get_named(const struct event *ev, struct slice name);
struct slice event_text(const struct event *ev, uint32_t id); /* empty when absent */

/* A deep copy in another arena; NULL when memory is out. */
struct event *event_copy(struct arena *a, const struct event *ev);
/* SHA-256 over the raw text. */
void event_hash(const struct event *ev, uint8_t out[32]);
/* "input:position" key as text: 32 hex digits, '-', decimal position. */
void buf_source_key(struct buf *b, const struct source_key *key);

/* The document of schemas/event.json. */
void event_json(const struct event *ev, struct json_writer *w);
/* The same; `cut`: the raw text was longer, which the document says. */
void event_json_cut(const struct event *ev, bool cut, struct json_writer *w);
const char *trust_name(enum trust t);
