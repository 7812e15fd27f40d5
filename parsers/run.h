/*
 * Private to parsers/run*.c: one record on its way to one event. The hot path:
 * no malloc, all memory from the batch's arena.
 *
 *     run.c           the record: clean text, fields of its sender and of its format, filters
 *     run-match.c     which layout fits, and which entry of the format says what happened
 *     run-members.c   members of JSON and logfmt, by the names that the format gives them
 *     run-values.c    values that are more than text: level, time, address, a secret
 */
#pragma once

#include "base/ip.h"
#include "parsers/filter.h"
#include "parsers/format.h"

#define NAMES_CACHED 256
#define NAME_CACHED_MAX 40
#define GLANCED 32
#define INPUT_KEPT_MAX 256

/* What the name of a member is to a format. */
struct member_name {
    const struct alias *alias; /* NULL: it has no meaning but itself */
    struct slice name; /* p NULL: not in the dictionary, only the record has it */
    uint32_t id;
    uint32_t n; /* of the bytes; 0: nothing is kept here */
    struct slice_ends ends; /* all that there is of up to 16 bytes */
    char bytes[NAME_CACHED_MAX];
};

/* Which layouts of a format no record of an input has: all records of a block ask the same. */
struct left_out {
    const struct format *format; /* NULL: nothing is known */
    uint64_t layouts;
    size_t n; /* of the input's name */
    char input[INPUT_KEPT_MAX];
};

/*
 * One per thread. Records of one log repeat the same names: what was looked up for one is kept for
 * the next, in the place that the name's bytes say. Never more than what a look-up would give:
 * for another format, or when there are more names, it begins anew.
 */
struct parser_scratch {
    struct regex_scratch *regex;
    struct json_keys *keys;
    struct fail2ban_scratch *filter; /* made by the first record that needs it */
    /* What a glance found by a filter, for who reads the same record whole: it is asked once. */
    struct filtered found;
    const char *found_text;
    uint64_t found_at;
    struct slice groups[GROUPS_MAX];
    const struct format *format; /* of the names */
    uint32_t nnames; /* that were interned when they were looked up */
    size_t fields; /* that the last event had */
    struct time_near near;
    struct left_out left_out;
    struct field glanced[GLANCED]; /* of a glance */
    struct buf escaped; /* of the record at hand: JSON as it should have been written */
    struct member_name names[NAMES_CACHED];
};

/* The record at hand. */
struct run {
    const struct parser_source *source;
    const struct format *f;
    struct parser_scratch *scratch;
    struct arena *a;
    struct event *ev;
    struct slice text; /* clean, without escape sequences */
    struct slice message;
    bool has_time, has_level, has_address;
    bool says_who; /* a member was there for it, whatever stood in it */
    bool doubt; /* who it is about is a claim, or can be read in two ways: forgeable, also in a
                   journal */
    struct ip ip; /* when there is an address */
    bool failed; /* memory */
    const struct parser_trace *trace;
    const struct glance *glance; /* NULL: the whole event is wanted */
    uint32_t asked; /* by the last condition, when there were so many fields; what was found */
    size_t asked_with;
    const struct field *found;
    size_t passed; /* fields that a glance passed over, at least as many as there are */
};

/* Sets of a glance are by id. */
static ALWAYS_INLINE bool has(const uint64_t *set, uint32_t id)
{
    return set[id / 64] >> id % 64 & 1;
}

static inline bool wants(const struct glance *g, uint32_t id)
{
    return id < g->nnames && has(g->fields, id);
}

/* event_add(), with the usual case at hand: there is room. */
static ALWAYS_INLINE void put(struct run *r, uint32_t id, struct slice name, enum value_type type,
                              struct slice value)
{
    struct event *ev = r->ev;

    if (r->glance && !wants(r->glance, id))
        r->passed++;
    else if (LIKELY(ev->nfields < ev->fields_cap && ev->nfields < EVENT_FIELDS_MAX))
        ev->fields[ev->nfields++] =
            (struct field){ .id = id, .type = type, .name = name, .value = value };
    else if (event_add(ev, id, name, type, value) == -ENOMEM)
        r->failed = true;
}

/* By the id of a field: its name. */
extern const struct slice run_dictionary[FIELD_DICTIONARY];

static ALWAYS_INLINE void set(struct run *r, enum field_id id, struct slice value)
{
    if (value.n)
        put(r, id, run_dictionary[id], VALUE_STRING, value);
}

/* In any case of ASCII letters. Most words are not the one: their lengths or first letters differ.
 */
static ALWAYS_INLINE bool same_word(struct slice a, struct slice b)
{
    return a.n == b.n && (a.n == 0 || ((a.p[0] ^ b.p[0]) & ~0x20) == 0) && slice_eq_nocase(a, b);
}

/* run-values.c. Of levels, times and addresses the first that there is counts. */
void run_set_level(struct run *r, struct slice word);
void run_set_priority(struct run *r, int priority);
void run_set_time(struct run *r, struct slice text, uint64_t received_us);
void run_set_address(struct run *r, struct slice text, unsigned flags);
void run_compare_address(struct run *r, struct slice text, unsigned flags);
void run_apply_special(struct run *r, const struct target *t, struct slice value,
                       enum value_type type);

/* value.p is not NULL. Most targets are fields as they stand. */
static ALWAYS_INLINE void apply(struct run *r, const struct target *t, struct slice value,
                                enum value_type type)
{
    if (t->kind != TARGET_FIELD || t->go_quoted)
        run_apply_special(r, t, value, type);
    else if (value.n)
        put(r, t->field, t->name, type, value);
}

/* run-members.c. Names are of one format: opened before the first member of a record is read. */
void run_open_names(struct run *r);
bool run_read_json(struct run *r, struct slice s);
bool run_read_logfmt(struct run *r, struct slice text);

/* run-match.c: false: no layout knows the text. */
bool run_read_text(struct run *r);
