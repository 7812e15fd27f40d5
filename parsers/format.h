/*
 * Private to parsers/: a declared format as loaded. docs/formats.md says how
 * one is written.
 */
#pragma once

#include "base/table.h"
#include "base/yaml.h"
#include "base/zone.h"
#include "parsers/parser.h"

/* Where a named group or a JSON member goes. */
enum target_kind {
    TARGET_FIELD, /* a field of the dictionary, or a raw name */
    TARGET_TIME, /* the event's time */
    TARGET_LEVEL, /* log.level, made uniform */
    TARGET_MESSAGE,
    TARGET_ADDRESS, /* source.address, source.ip, source.port */
    TARGET_ADDRESS6, /* the same; IPv6 has its port behind the last colon */
    TARGET_JSON, /* an object whose members are mapped, too */
    TARGET_SECRET, /* never kept: masked in the raw text */
    TARGET_IGNORE,
};

struct target {
    enum target_kind kind;
    uint32_t field;
    struct slice name;
    bool go_quoted; /* undo Go's %q and HTML escapes */
};

/* One of the texts stands in everything that a pattern matches: needs.c. */
struct need {
    struct slice *any;
    size_t n;
    bool at_start; /* of the text */
};

#define NEEDS_MAX 4

struct needs {
    struct need list[NEEDS_MAX];
    size_t n;
};

/* Of a pattern without flags that change how letters are read. -1: memory is out. */
int needs_read(struct slice pattern, struct arena *a, struct needs *ret);
/* Could a text that begins with this byte have what is needed? */
bool needs_begin(const struct needs *needs, char c);
/* Does a text that has what is needed hold this one? */
bool needs_hold(const struct needs *needs, struct slice what);
/* false: the pattern does not match this text. */
bool needs_met(const struct needs *needs, struct slice text);

#define GROUPS_MAX 24

struct captures {
    struct regex *regex;
    struct needs needs;
    struct target targets[GROUPS_MAX]; /* by group number */
    size_t n;
    bool has_json; /* of those */
};

#define LAYOUTS_MAX 64

enum layout_kind {
    LAYOUT_TEXT,
    LAYOUT_JSON,
    LAYOUT_LOGFMT,
};

struct layout {
    struct slice name;
    enum layout_kind kind;
    struct captures captures; /* LAYOUT_TEXT */
    bool openvpn_prefix; /* the message may begin with a peer */
    enum trust trust;
    bool has_trust;
    struct slice not_in; /* no record of an input whose name holds this is so: there it is forged */
};

/* A field must have one of these values (ASCII case does not matter). */
struct condition {
    uint32_t field;
    struct slice name;
    struct slice *values;
    size_t n;
};

struct constant {
    enum field_id field;
    struct slice value;
};

struct event_entry {
    struct slice action; /* empty: noise, told apart so that nothing below fits */
    const struct action *known;
    struct slice starts, has; /* of the message */
    bool asks_has; /* what the pattern needs does not say so already */
    struct captures captures; /* regex NULL: no pattern */
    struct condition *conditions;
    size_t nconditions;
    struct constant *constants;
    size_t nconstants;
    struct field *says; /* the constants, then action, category, outcome, duplicate */
    size_t nsays;
    bool duplicate, forgeable;
    struct slice outcome, category;
    struct src_pos at;
    struct literals literals; /* of which every record of this entry holds one */
};

struct alias {
    struct slice name; /* raw name: "context.email" */
    uint32_t id; /* of the raw name */
    struct target target;
};

struct sample {
    struct slice line;
    struct slice action, ip, user;
    bool has_action, has_ip, has_user, unparsed;
    struct src_pos at;
};

struct filter; /* filter.h */

#define HEAD_PLACES_MAX 48 /* a multiple of 16 */

/*
 * An alternative of an expression that begins with places of one byte each (heads.c): the i-th is
 * in a range, or one byte more. Behind the last one any byte fits.
 */
struct head {
    unsigned id; /* of all that ever were */
    size_t n; /* 0: there is none */
    uint8_t from[HEAD_PLACES_MAX], to[HEAD_PLACES_MAX], other[HEAD_PLACES_MAX];
    struct regex *alone; /* the alternative; the set keeps it */
};

struct format {
    struct filter *filter; /* its lines go through a filter of fail2ban; NULL: through layouts */
    struct slice name, channel, summary;
    const struct field_names *names;
    struct logsource logsource;
    struct layout *layouts;
    size_t nlayouts; /* up to LAYOUTS_MAX */
    bool leaves_out; /* some of them, by the name of the input */
    struct event_entry *events;
    size_t nevents;
    uint64_t begin[256]; /* by the first byte of a message: the entries, of 64, that could fit */
    uint64_t begin_empty; /* those that could fit an empty message */
    struct alias **aliases; /* by the id of the raw name; NULL: none */
    size_t naliases;
    struct sample *samples;
    size_t nsamples;
    const char **units, **paths;
    struct framing framing;
    struct regex *start; /* of a record */
    struct head head; /* of that */
    bool start_by[256]; /* the first byte of a line says that it fits, whatever follows */
    bool start_not; /* a record starts where the pattern does NOT fit */
    bool unclosed; /* an open JSON string holds the record together */
    bool apart; /* JSON and text do not stand in one file: JSON behind text is a part of it */
    enum trust trust;
    bool syslog; /* a syslog prefix may stand before everything */
    bool tells_level; /* by itself: the priority of such a prefix says nothing then */
    struct literal_sample lines; /* its samples */
    const char **login_marks; /* actions, or "level:debug"; NULL-terminated */
    struct slice login_hint;
};

struct formats {
    struct arena *arena;
    struct field_names *names;
    struct format **list;
    size_t n, cap;
    struct regex **regexes;
    size_t nregexes, regexes_cap;
};

/* What a glance reads (glance.c). Sets are by id: bit i % 64 of word i / 64. */
struct glance {
    uint64_t *fields; /* that are asked for, or that an entry's condition asks for */
    uint64_t *members; /* raw names that come to anything */
    uint64_t *entries; /* that could say what is asked for */
    size_t nnames, nentries; /* entries: up to the last of those */
    size_t most; /* fields that an entry and all behind it could add */
    bool address; /* source.address, source.ip or source.port */
    bool places; /* what is looked up for source.ip */
    bool common; /* what is put beside every record */
    bool unsure;
};

/* formats-load.c: one document. -EINVAL: findings are in diag. */
int format_load(struct formats *set, const struct yaml *y, struct diag *d);
/* Takes the place of one with its name. false: no memory. */
bool formats_put(struct formats *set, struct format *f);

/* Action words with their ECS category and outcome. */
struct action {
    const char *name, *category, *outcome;
};
const struct action *action_find(struct slice name);

/* framing.c: for struct framing; ctx is the format. */
bool format_record_starts(const void *ctx, struct slice line, struct slice previous);
void format_record_begins(const void *ctx);
/* Fills start_by; once the expression is compiled. Returns whether it looks at nothing behind a
 * match. */
bool format_note_starts(struct format *f);

/* heads.c. An alternative of a pattern with places for the head, or p NULL. */
struct slice head_read(struct slice pattern, struct head *h);
/* Does the line begin as one that was learned? false: that is not known. */
bool head_known(const struct head *h, struct slice line);
/* A line that fits the whole pattern. */
void head_learn(const struct head *h, struct regex_scratch *s, struct slice line);

/* Words for levels, and what they become: NULL behind the last. */
const char *level_word(size_t i, const char **ret_level);
/* literals-address.c: of a text that ip_text() made, which holds one of in_value. */
struct literals address_literals(struct literal_maker *m, const struct literals *in_value);
/* literals.c: once a format is loaded. Negative: memory is out. */
int format_prepare(struct format *f, struct arena *a);

/* ---- time ---- */

/*
 * Any of the times that the channels write, told apart by their shape:
 * RFC 3339, 2026/11/21 01:50:01.000123, 2026-11-21 01:42:39,498, Sat Nov 21
 * 01:34:32 2026, Nov 21 01:44:28 (the year nearest to received_us), epoch in
 * seconds with microseconds, epoch in milliseconds with fraction.
 */
int time_parse(struct slice s, const struct zone *z, uint64_t received_us, uint64_t *ret_us);

/*
 * The last time that was parsed: most lines are of the same second as the one before. One for each
 * thread; begins zeroed. The answer is that of time_parse().
 */
#define TIME_NEAR_MAX 40
struct time_near {
    char text[TIME_NEAR_MAX];
    size_t n; /* 0: none */
    size_t fraction, digits; /* where it begins (without one: the end), and how many it has */
    uint64_t scale; /* microseconds of its last digit */
    uint64_t us; /* without its fraction */
};
int time_parse_near(struct time_near *near, struct slice s, const struct zone *z,
                    uint64_t received_us, uint64_t *ret_us);

/* ---- pieces ---- */

/* The syslog prefix of a line (RFC 3164 as written to files, RFC 5424). 0 = there is none. */
struct syslog_prefix {
    struct slice time, host, program, pid;
    int priority; /* -1 = none */
};
size_t syslog_prefix(struct slice line, struct syslog_prefix *ret);

/* key=value pairs with quotes; fn gets decoded texts (in the arena when changed). false: this is no
 * logfmt. */
bool logfmt_parse(struct slice text, struct arena *a,
                  int (*fn)(void *ctx, struct slice key, struct slice value), void *ctx);

/*
 * OpenVPN: "[CN/]ADDRESS " before the message. The rest is the message.
 * *ret_doubt: the text can be read in more than one way, so a peer wrote part of it.
 */
struct slice openvpn_prefix(struct slice text, struct slice *ret_user, struct slice *ret_address,
                            bool *ret_doubt);

/* Go's %q and the HTML escapes of template.HTMLEscapeString undone. */
struct slice go_unquote(struct arena *a, struct slice s);
