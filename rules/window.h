/*
 * Private to rules/: groups and their windows.
 *
 * A group is one tuple of values (`group-by`) of one rule. It keeps what came in
 * the order of event time, and totals that move with it, so that asking for a
 * condition costs nothing that grows with the window (values for a percentile
 * are kept sorted). The order of the groups that are due is that of time, then
 * rule, then key: nothing depends on hash order.
 *
 * Most groups see one event and are never heard of again, and strangers choose how
 * many there are. So a group is one record (rules/slab.h): the fixed part, the first
 * entry, the key; for a count by an address that is 64 bytes. An entry holds what
 * rules of its type ask for, more entries are a list of their own, and what few
 * groups need (`more`) is made when it is needed: pieces of the same slab.
 */
#pragma once

#include "rules/evidence.h"
#include "rules/slab.h"
#include "rules/tree.h"

#define ENTRIES_MAX 10000 /* in one group; the oldest goes, the result is a lower bound */
#define VALUES_FEW 8 /* so many are counted by a look at all of them */

/* What is kept of one event, unpacked. What the type of the rule does not ask for is lost. */
struct stamp {
    uint64_t time_us;
    uint64_t value; /* hash of the value; 0 = none */
    struct number number;
    struct source_key key;
    struct evidence_ref evidence;
    uint16_t part;
    uint8_t trust;
};

/* What every entry begins with; its pieces follow in their order. */
struct packed_stamp {
    uint64_t time_us : 62, trust : 2;
    struct evidence_ref evidence;
};

enum stamp_piece {
    STAMP_TAG = 1, /* part and kind of number */
    STAMP_VALUE = 2, /* the number, or the hash of the value */
    STAMP_KEY = 4, /* of the event: for alerts that no event fires by itself */
};

/* What the groups of a rule look like. */
struct shape {
    uint8_t stamp_bytes;
    uint8_t pieces; /* enum stamp_piece */
    bool alone; /* of a detection: no entries, but until when it is silent */
};

/* A value and how many entries have it, or (value_new) when it was seen last. */
struct tally {
    uint64_t value, n;
};

struct totals {
    struct tally *tally; /* open addressing; value 0 = free */
    size_t tallies, tally_cap;
    __int128 sum; /* of whole numbers */
    struct number *sorted; /* all numbers */
    size_t numbers, numbers_cap, fractions;
    uint64_t parts[]; /* entries by part */
};

/* Where a user was (travel.c). */
struct place {
    uint64_t time_us; /* 0 = never seen */
    double lat, lon;
    bool located; /* else only the country is known */
    char country[8];
};

/* What most groups never need. */
struct more {
    uint64_t opened_us; /* of a window that is judged at its end, or when the group began */
    uint64_t judged_us; /* what is older was judged */
    uint64_t pending_us; /* the condition holds since then, not long enough yet; 0 = no */
    uint64_t silent_until_us;
    uint64_t due_us;
    uint32_t due_at; /* place among those that are due, from 1; 0 = none */
    uint32_t rule : 31; /* set when it is due */
    bool totals_here : 1; /* behind it, in the same piece of memory */
    struct totals *totals; /* NULL: only the number is asked, or so few values are compared */
    struct place *place; /* NULL: not asked */
};

struct group {
    uint64_t last_us; /* newest event time seen */
    struct more *more; /* NULL: none was needed yet */
    uint32_t older, newer; /* records; the least recent first (rules/groups.h) */
    uint16_t n; /* entries */
    uint16_t key_n;
    struct shape shape;
    uint8_t list_log : 5; /* room in the list is 1 << list_log; 0 = the one entry here */
    bool active : 1; /* the condition held when it was judged last */
    bool lower_bound : 1; /* a limit dropped something */
    bool expected : 1; /* it must exist, so it is never forgotten */
    /* As long as an entry of the rule; then the key. */
    union {
        struct packed_stamp stamp;
        struct {
            char *list; /* a piece */
            uint16_t first;
            uint32_t oldest_s; /* of the first entry, rounded down */
        };
        uint64_t silent_until_us; /* alone */
    };
};

/* Groups by when time alone makes a difference to them: a heap. */
struct due {
    uint64_t us;
    struct group *group;
};
struct dues {
    struct due *heap;
    size_t n, cap;
};

struct shape shape_of(const struct rule *rule);
/* A record with that key; 0 = no memory. */
uint32_t group_new(struct slab *slab, struct shape shape, struct slice key) MUST_CHECK;
void group_free(struct slab *slab, uint32_t record);

/* Behind the entry that lies in the group; a long one is elsewhere. */
#define KEY_ELSEWHERE UINT16_MAX
static inline char *key_place(const struct group *g)
{
    return (char *)(uintptr_t)&g->stamp + g->shape.stamp_bytes;
}
struct slice long_key_of_group(const struct group *g);
static inline struct slice key_of_group(const struct group *g)
{
    return g->key_n != KEY_ELSEWHERE ? slice_of(key_place(g), g->key_n) : long_key_of_group(g);
}

/* The part that is made when it is needed (NULL: no memory), and to read it. */
struct more *group_more(struct slab *slab, struct group *g) MUST_CHECK;
extern const struct more no_more;
static inline const struct more *more_of(const struct group *g)
{
    return g->more ? g->more : &no_more;
}
static inline uint64_t group_silent_until(const struct group *g)
{
    return g->shape.alone ? g->silent_until_us : more_of(g)->silent_until_us;
}

/* The i-th entry, oldest first. */
static inline struct packed_stamp *group_at(const struct group *g, size_t i)
{
    struct packed_stamp *here = (struct packed_stamp *)(uintptr_t)&g->stamp;

    return g->list_log ? (struct packed_stamp *)(g->list + (g->first + i) * g->shape.stamp_bytes)
                       : here;
}
/* The time of the first entry, or less than a second before it: without a look at the list. */
static inline uint64_t group_oldest_us(const struct group *g)
{
    return g->list_log ? g->oldest_s * USEC_PER_SEC : g->stamp.time_us;
}
void stamp_pack(struct shape shape, struct packed_stamp *e, const struct stamp *s);
/* Its hash of a value; for rules that count values: it stands in front of other pieces. */
static inline uint64_t stamp_hash(const struct group *g, size_t i)
{
    return *(const uint64_t *)(const void *)(group_at(g, i) + 1);
}
void stamp_unpack(const struct group *g, size_t i, struct stamp *ret);

/*
 * Where values are counted, the newest entry of each says as much as all of them: if one of the
 * last few has the value, it becomes this one. So a group that sees the same value over and over
 * stays as small as it began. False: it must be inserted.
 */
bool group_renew(struct group *g, const struct stamp *s);
/* In its place by time; equal times keep the order of arrival. False: no memory. */
bool group_insert(struct slab *slab, const struct correlation *c, struct group *g,
                  const struct stamp *s);
void group_drop_first(struct slab *slab, struct group *g);
/* All entries go; what was told and silenced stays. */
void group_clear(struct slab *slab, struct group *g);
/* What came at that time and later is set aside, and comes back. False: no memory. */
struct aside {
    struct stamp *list;
    size_t n;
};
bool group_split(struct group *g, uint64_t end_us, struct aside *ret) MUST_CHECK;
bool group_join(struct slab *slab, const struct correlation *c, struct group *g,
                struct aside *later);

/* The entry for a value, which may be new; NULL: no memory. */
struct tally *tally_add(struct slab *slab, struct totals *t, uint64_t value);
/* Forgets the values whose n is not greater. */
void tally_sweep(struct totals *t, uint64_t older_than);
/* NULL: no memory, or only the number is asked. */
struct totals *group_totals(struct slab *slab, const struct correlation *c, struct group *g);

/* Due at that time (0 = not at all). False when memory is out. */
bool due_set(struct dues *d, struct slab *slab, uint32_t rule, struct group *g, uint64_t us);
/* The first one that is due up to then; NULL = none. */
static inline struct group *due_first(const struct dues *d, uint64_t us)
{
    return d->n && d->heap[0].us <= us ? d->heap[0].group : NULL;
}
void dues_fini(struct dues *d);

/* ---- measure.c ---- */

/* What the condition compares: a number of events, distinct values, a sum ... */
struct number measure(const struct correlation *c, const struct group *g);
/* Mostly there are fewer entries, or values, than the condition asks for. */
static inline bool too_few(const struct correlation *c, const struct group *g)
{
    const struct totals *t = more_of(g)->totals;

    return (t && c->type == CORRELATE_VALUE_COUNT ? t->tallies : g->n) < c->least;
}
/* Is there enough, and does the condition hold? *ret_value: what was compared, if it does. */
bool condition_holds(const struct rule *rule, const struct group *g, struct number *ret_value);
/* The first bound, for people; rounded towards zero. */
uint64_t threshold_of(const struct correlation *c);

/* ---- fire.c ---- */

/* What fires: an event, or time. */
struct cause {
    uint64_t time_us;
    const struct event *event; /* NULL: time */
};

/* An alert of a rule about one event; texts are in the arena. NULL when memory is out. */
struct alert *alert_of_rule(const struct rule *rule, const struct event *ev, struct arena *a);
bool alert_add_evidence(struct alert *alert, struct arena *a, struct slice pack);
/* The alert of a correlation for what its group holds now. */
struct alert *alert_of_group(const struct rule *rule, const struct group *g,
                             const struct evidence *evidence, const struct cause *cause,
                             const struct number *value, struct arena *a);
/* The same as an event, for correlations over this one: the group's fields. NULL when memory is
 * out. */
struct event *event_of_alert(const struct rules *r, const struct rule *rule,
                             const struct alert *alert, struct arena *a);
/* Values joined by 0x1f, which is written double inside a value. False: a field is missing, or
 * (buf_ok()) memory is. A key of one value is that value, unless it splits. */
bool group_key(const struct correlation *c, uint32_t part, const struct event *ev, struct buf *b);
bool group_key_splits(struct slice value);
/* The i-th value is added to a key. */
void group_key_add(struct buf *key, size_t i, struct slice value);
/* The value of a field, SLICE_NONE when it is missing or null. */
struct slice event_value(const struct event *ev, uint32_t id, struct slice name);
