/*
 * Dates in lines, found and read as fail2ban does.
 *
 * A template is an expression with %-directives (datepattern) or one of the built-in ones; group 1
 * is what is cut out of the line. A set of templates is made once for a filter; which of them fits
 * a log is learnt per stream: the one that fitted last is tried first, at the place where it
 * fitted, and templates that fit often move to the front. Without a date format of its own a
 * filter has the built-in templates, each once anchored to the beginning of the line and once
 * anywhere.
 */
#pragma once

#include "base/arena.h"
#include "base/diag.h"
#include "base/regex.h"

#define TEMPLATES_MAX 64
#define DATE_GROUPS_MAX 40

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
    bool begins; /* built-in, at the beginning: it looks at few bytes behind the date */
    double weight;
    size_t number_group; /* of an epoch */
    size_t ngroups;
    char keys[DATE_GROUPS_MAX]; /* directive of each group; 0 = none */
};

struct date_set {
    struct date_template *list;
    size_t n;
};

/* `patterns`: datepattern of a filter, one a line; p NULL: the built-in ones. */
int date_set_make(struct arena *a, struct slice patterns, int year, struct date_set *ret,
                  struct err *err);
void date_set_fini(struct date_set *s);

/* One of them; err says which. */
#define LINE_BEGIN "{^LN-BEG}"
#define UNBOUND "{UNB}"
int date_template_make(struct arena *a, struct slice pattern, int year, struct date_template *t,
                       struct err *err);
/* Patterns without a directive know no case: {epoch}, Tai64n. */
struct slice date_key(struct arena *a, struct slice pattern);

/* What is used of a template in one stream. */
struct date_use {
    unsigned short template;
    unsigned hits;
    uint64_t last_us;
    size_t distance; /* where it stood in the line last time */
};

struct date_finder {
    char
        seen[96]; /* the beginning of the last line: its date, and the byte where it cannot go on */
    size_t nseen; /* 0: not the same again */
    const struct date_set *set;
    struct date_use order[TEMPLATES_MAX];
    size_t n, last, first_unused;
    size_t begin, end; /* of the last date, and the bytes around it; -1 = none */
    int before_begin, at_begin, before_end, at_end;
};

struct date_match {
    const struct date_template *template;
    struct slice groups[DATE_GROUPS_MAX]; /* 0: all that fitted; 1: what is cut out */
};

void date_finder_init(struct date_finder *f, const struct date_set *set);
/* 1 = found, 0 = none. Counts searches that were given up in *given_up. */
int date_find(struct date_finder *f, struct regex_scratch *s, struct slice line, uint64_t now_us,
              struct date_match *ret, uint64_t *given_up);

/* The line begins as the last one did, so its date is the same, at the same place: nothing is
 * searched. */
bool date_repeats(struct date_finder *f, struct slice line, uint64_t now_us);

/* The zone of dates that name none. */
struct date_zone {
    bool fixed; /* else the machine's */
    int minutes; /* ahead of UTC */
};
/* UTC, Z, +0100, CET+01:00 ...; false: no such zone. */
bool date_zone_parse(struct slice text, struct date_zone *ret);
bool zone_minutes(struct slice name, int *ret);

/* Present time and the last date as local time, kept because asking is slow. */
struct date_cache {
    uint64_t now_s;
    int64_t now_local; /* seconds, as if local time were UTC */
    int now_year, now_month, now_day;
    int64_t quarter; /* 15 minutes of local time, and its UTC seconds */
    int64_t quarter_utc;
    bool has_now, has_quarter;
};
/* false: the groups make no date (30 February). */
bool date_time(const struct date_match *m, const struct date_zone *zone, struct date_cache *c,
               uint64_t now_us, uint64_t *ret_us);
