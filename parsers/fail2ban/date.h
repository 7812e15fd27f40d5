/*
 * Dates in lines, found and read as fail2ban does in a log of which it knows nothing yet.
 *
 * A template is an expression with %-directives (datepattern) or one of the built-in ones; group 1
 * is what is cut out of the line. A set of templates is made once for a filter. Without a date
 * format of its own a filter has the built-in templates, each once anchored to the beginning of the
 * line and once anywhere.
 *
 * Which template fits is a question of the line alone. fail2ban also learns from the lines before
 * (a template that fitted is asked first); here the same line has the same date wherever a reader
 * began, so that what is found does not depend on blocks, threads or a restart.
 */
#pragma once

#include <limits.h>

#include "base/arena.h"
#include "base/diag.h"
#include "base/regex.h"
#include "base/zone.h"

#define TEMPLATES_MAX 64
#define DATE_GROUPS_MAX 40

#define DATE_ANYWHERE UINT_MAX

enum date_kind {
    DATE_PATTERN,
    DATE_EPOCH, /* seconds */
    DATE_LONG_EPOCH, /* or milliseconds, or microseconds */
    DATE_TAI64N,
};

struct date_template {
    enum date_kind kind;
    struct slice name; /* its pattern: no two in a set have the same */
    struct regex *re;
    bool anchored; /* to the beginning or the end of the line */
    bool begins; /* it and all before it look at few bytes behind a date in front: built-in ones */
    unsigned before; /* bytes of the line in front of what is cut out, at most */
    size_t number_group; /* of an epoch */
    size_t ngroups;
    char keys[DATE_GROUPS_MAX]; /* directive of each group; 0 = none */
};

struct date_set {
    struct date_template *list;
    size_t n;
    const uint16_t *by_first[256]; /* those that can fit a line that begins so; see first.c */
};

/* `patterns`: datepattern of a filter, one a line; p NULL: the built-in ones. */
int date_set_make(struct arena *a, struct slice patterns, int year, struct date_set *ret,
                  struct err *err);
void date_set_fini(struct date_set *s);
/* Bytes of a line in front of what is cut out of it, at most; DATE_ANYWHERE. */
unsigned date_set_before(const struct date_set *s);

/* One of them; err says which. */
#define LINE_BEGIN "{^LN-BEG}"
#define UNBOUND "{UNB}"
int date_template_make(struct arena *a, struct slice pattern, int year, struct date_template *t,
                       struct err *err);
/* Patterns without a directive know no case: {epoch}, Tai64n. */
struct slice date_key(struct arena *a, struct slice pattern);

struct date_match {
    const struct date_template *template;
    struct slice groups[DATE_GROUPS_MAX]; /* 0: all that fitted; 1: what is cut out */
};

/* The first template that fits near the front, else the one that fits furthest in front. Counts
 * searches that were given up in *given_up. */
bool date_find(const struct date_set *set, struct regex_scratch *s, struct slice line,
               struct date_match *ret, uint64_t *given_up);

/* The zone of dates that name none. */
struct date_zone {
    bool fixed; /* else that of the input */
    int minutes; /* ahead of UTC */
};
/* UTC, Z, +0100, CET+01:00 ...; false: no such zone. */
bool date_zone_parse(struct slice text, struct date_zone *ret);
bool zone_minutes(struct slice name, int *ret);

/* The present, as local time: what a date leaves out is of it. */
struct date_now {
    const struct zone *zone; /* NULL: UTC */
    uint64_t now_s;
    bool known; /* the rest is */
    int64_t local; /* seconds, as if local time were UTC */
    int year, month, day;
};
/* false: the groups make no date (30 February). */
bool date_time(const struct date_match *m, const struct date_zone *zone, struct date_now *now,
               uint64_t *ret_us);

/*
 * The date of a line, by what is remembered of the line before: many lines are of the same second.
 * It is no state: the answer is the same without.
 */
struct date_memory {
    const struct date_set *set;
    struct date_now now;
    char
        seen[96]; /* the beginning of the last line: its date, and the byte where it cannot go on */
    size_t nseen; /* 0: not the same again */
    size_t cut_from, cut_n;
    size_t second_at; /* two digits that may be others; 0: all must be the same */
    uint64_t time_us;
};

struct dating {
    const struct date_set *set;
    const struct date_zone *fixed;
    const struct zone *zone;
    uint64_t now_us;
    struct regex_scratch *scratch;
    struct date_memory *memory;
    uint64_t *given_up;
};

struct dated {
    struct slice cut; /* of the line; n == 0: nothing is cut out */
    uint64_t time_us;
    bool known; /* there is a time */
};
void date_of(const struct dating *d, struct slice line, struct dated *ret);
