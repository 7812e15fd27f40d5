/*
 * Private to rules/: the compiled form of detections.
 *
 * A rule is a tree of AND, OR, NOT over predicates. A predicate asks one thing
 * of one field (or of all: keywords). Matching walks the tree; explaining
 * walks the same tree with a trace.
 */
#pragma once

#include "base/ip.h"
#include "base/table.h"
#include "base/yaml.h"
#include "rules/rules.h"

/* ---- letters in either case (pattern-fold.c) ---- */

/*
 * ASCII letters fold among themselves, all others by Unicode's simple case
 * folding; never across that border (U+212A is no k), so that a search for
 * ASCII bytes finds every value that an ASCII pattern can match.
 */
uint32_t fold_char(uint32_t cp);
bool fold_alone(uint32_t cp); /* no other character folds to the same */
bool fold_eq(struct slice a, struct slice b);
bool fold_starts(struct slice s, struct slice prefix);
bool fold_ends(struct slice s, struct slice suffix);
bool fold_has(struct slice s, struct slice part);

/* ---- text patterns ---- */

/* A pattern is a sequence of tokens: a character, or one of these. */
enum token {
    TOKEN_BYTE = 0x110000, /* + b: a byte >= 0x80 that is no character (UTF-16) */
    TOKEN_ANY = 0x110100, /* * : any run of characters, also none */
    TOKEN_ONE, /* ? : exactly one character */
    TOKEN_DASH, /* - / U+2013 U+2014 U+2015 (windash) */
};

enum pattern_shape {
    SHAPE_EXACT,
    SHAPE_PREFIX, /* literal* */
    SHAPE_SUFFIX, /* *literal */
    SHAPE_CONTAINS, /* *literal* */
    SHAPE_ANY, /* * */
    SHAPE_GLOB,
};

struct pattern {
    uint32_t *tokens;
    size_t n;
    enum pattern_shape shape;
    struct slice literal; /* for the simple shapes; lower case unless cased */
    size_t anchor; /* its byte to search for */
    bool cased;
};

/* Tokens are folded and the shape is found; the pattern is read-only from then on. */
int pattern_finish(struct arena *a, struct pattern *p);
bool pattern_match(const struct pattern *p, struct slice value);
/* Sigma's escapes and wildcards to tokens; the text is valid UTF-8. */
int pattern_parse(struct arena *a, struct slice text, struct pattern *ret);
int pattern_append(struct arena *a, struct pattern *p, uint32_t token, bool in_front);
bool pattern_plain(const struct pattern *p); /* no wildcards */

struct rules;

/* ---- predicates ---- */

enum predicate_kind {
    PREDICATE_TEXT,
    PREDICATE_REGEX,
    PREDICATE_CIDR,
    PREDICATE_NUMBER, /* against a bound */
    PREDICATE_EXISTS,
    PREDICATE_NULL,
    PREDICATE_FIELD, /* equals another field */
    PREDICATE_TIME, /* part of a date */
};

enum comparison {
    COMPARE_LT,
    COMPARE_LTE,
    COMPARE_GT,
    COMPARE_GTE,
    COMPARE_EQ,
    COMPARE_NEQ,
};

enum time_part {
    TIME_MINUTE,
    TIME_HOUR,
    TIME_DAY,
    TIME_WEEK,
    TIME_MONTH,
    TIME_YEAR,
};

struct number {
    bool integer; /* i is exact */
    bool large; /* an integer over INT64_MAX: u is exact */
    int64_t i;
    uint64_t u;
    double d;
};
bool number_parse(struct slice s, struct number *ret);
int number_compare(const struct number *a, const struct number *b);
/* r: as number_compare(). */
bool comparison_holds(enum comparison c, int r);

struct predicate {
    enum predicate_kind kind;
    uint32_t
        nth; /* of the set: what an event answers to it is remembered by (struct rules_scratch) */
    uint32_t field; /* FIELD_OTHER with name.n == 0: any field (keywords) */
    struct slice name;
    bool keyword;
    bool alone; /* the value of its field says all, no other value of the event does */
    enum comparison compare; /* PREDICATE_NUMBER, PREDICATE_TIME */
    const uint64_t *needs; /* marks of a value for which it holds (base/marks.h) */
    size_t nneeds;
    union {
        struct pattern pattern; /* PREDICATE_TEXT */
        struct regex *regex;
        struct cidr cidr;
        struct {
            struct number number;
            enum time_part part; /* PREDICATE_TIME */
        };
        bool exists;
        struct { /* PREDICATE_FIELD */
            uint32_t other;
            struct slice other_name;
            bool starts, ends, contains;
        };
    };
    struct slice shown; /* "event.action = login_failed", for explain */
};

enum node_kind {
    NODE_AND,
    NODE_OR,
    NODE_NOT,
    NODE_PREDICATE,
};

/* Is it about where a user came from? That is known to the correlator alone (travel.c). */
static inline bool predicate_is_derived(const struct predicate *p)
{
    return p->field == FIELD_GEO_DISTANCE_KM || p->field == FIELD_GEO_SPEED_KMH ||
           p->field == FIELD_GEO_PREV_COUNTRY;
}

struct node {
    enum node_kind kind;
    struct node **children; /* as written */
    struct node **asked; /* the same, the cheap ones first; NULL: as written */
    size_t n, cap;
    unsigned cost; /* of asking it, for comparing */
    struct predicate *predicate;
    bool is_list; /* all below is about the values of one field, without a NOT */
    uint32_t field, nth; /* of a list: that field, and its number among the answers */
    struct slice label; /* name of the search identifier, for explain */
};

/* predicate.c: what is known of a predicate before it is asked; `work` is used on the way. */
int predicate_finish(struct arena *a, struct arena *work, struct predicate *p);
/* Numbers what is answered as one, and finds what is best asked first; after all predicates have
 * their numbers. */
int nodes_finish(struct rules *r, struct node *n);

struct node *node_new(struct arena *a, enum node_kind kind);
int node_add(struct arena *a, struct node *parent, struct node *child);

/* ---- rules ---- */

struct placeholder {
    struct slice name;
    const struct slice *values;
    size_t n;
    struct placeholder *next;
};

enum correlation_type {
    CORRELATE_EVENT_COUNT,
    CORRELATE_VALUE_COUNT,
    CORRELATE_TEMPORAL,
    CORRELATE_TEMPORAL_ORDERED,
    CORRELATE_VALUE_SUM,
    CORRELATE_VALUE_AVG,
    CORRELATE_VALUE_PERCENTILE,
    CORRELATE_VALUE_MEDIAN,
    CORRELATE_VALUE_MIN,
    CORRELATE_VALUE_MAX,
    CORRELATE_VALUE_NEW,
    CORRELATE_EVENT_RATIO,
    CORRELATE_EVENT_ABSENT,
    CORRELATION_TYPES,
};

enum refire {
    REFIRE_EDGE,
    REFIRE_EVERY,
    REFIRE_RESET,
};

struct bound {
    enum comparison compare;
    struct number value;
};

/* A group-by part: one field for each referenced rule (an alias), or the same for all. */
struct group_part {
    struct slice name;
    uint32_t *fields; /* by part (referenced rule) */
    struct slice *names;
};

/* A condition in words: which of the parts were seen. */
struct part_test {
    enum {
        PART_SEEN,
        PART_AND,
        PART_OR,
        PART_NOT,
    } kind;
    uint32_t part;
    struct part_test *a, *b;
};

struct correlation {
    enum correlation_type type;
    size_t *parts; /* indices of rules: of `rules`, then of `of` */
    size_t nparts, nrules;
    struct group_part *groups;
    size_t ngroups;
    struct bound bounds[4];
    size_t nbounds;
    uint64_t least; /* with fewer entries the condition cannot hold: nothing need be measured */
    uint32_t *values; /* fields of the condition: a tuple */
    struct slice *value_names;
    size_t nvalues;
    double percentile;
    struct part_test *text; /* NULL: bounds */
    uint64_t learn_us; /* value_new: younger groups only learn */
    struct slice *expect; /* event_absent: keys of groups that must exist */
    size_t nexpect;
    bool judged_at_end; /* an upper bound or a `not`: only known when the window is over */
    bool generate;
};

static inline bool correlation_is_numeric(const struct correlation *c)
{
    return c->type >= CORRELATE_VALUE_SUM && c->type <= CORRELATE_VALUE_MAX;
}

struct response {
    const struct slice *notify;
    size_t nnotify;
    struct slice ban_field;
    uint32_t ban_id;
    uint64_t ban_us;
    bool ban_dry_run;
    uint8_t ban_protocol;
    uint16_t ban_ports[BAN_PORTS_MAX];
    bool audit;
    uint64_t suppress_us;
    uint64_t for_us; /* the condition must hold that long */
    uint64_t min_events;
    uint64_t gap_us; /* window: session; 0 = sliding */
    enum refire refire;
    const struct yaml *tests;
};

struct rule {
    struct rule_info info;
    const struct yaml *doc;
    unsigned number; /* of the document in its file, from 1; 0 = the only one */
    struct node *condition; /* detection */
    struct correlation *correlation;
    struct response response;
    uint32_t *listeners; /* correlations that refer to this rule: index, part */
    uint32_t *listener_parts;
    size_t nlisteners;
    bool broken; /* a finding: never evaluated */
    uint8_t signal_id[16]; /* what its signals name it by */
    uint64_t keep_us; /* for which its signals are needed */
    bool travels; /* it asks where a user came from: asked again in the correlator */
};

struct filter {
    const struct yaml *doc;
    const struct yaml *body;
    const struct node *condition; /* stands in every rule that it narrows */
    struct logsource logsource;
    struct src_pos at;
    unsigned number; /* as in struct rule */
    bool broken;
};

struct rules {
    struct arena *arena;
    struct field_names *names;
    struct rule *list;
    size_t n, cap;
    struct filter *filters;
    size_t nfilters, filters_cap;
    struct placeholder *placeholders;
    struct logsource *logsources;
    size_t nlogsources, logsources_cap;
    struct regex **regexes; /* to free */
    size_t nregexes, regexes_cap;
    const struct yaml *global, *previous; /* collections */
    struct table *by_signal; /* signal_id -> rule; of two with one id, the first */
    uint32_t npredicates;
    uint32_t nanswers; /* of predicates, and of nodes that are answered as one */
    struct arena *temp; /* while detections are compiled, as the next two */
    struct table *asked; /* what a predicate is made of -> that predicate */
    struct buf question;
    struct rule_index *index; /* of the compiled set (index.h) */
    bool compiled;
};

bool logsource_fits(const struct logsource *rule, const struct logsource *event);

/* detection.c: `detection:` of a rule, or a filter, to one tree. NULL with findings. */
struct node *detection_compile(struct rules *r, const struct yaml *detection, bool filter,
                               struct diag *d);
/* correlation.c */
int correlation_compile(struct rules *r, struct rule *rule, struct diag *d);
int response_load(struct rules *r, struct rule *rule, const struct yaml *node, struct diag *d);
