/*
 * Private to base/regex-literal*.c: the pieces of a pattern, and the reader of
 * PCRE2's syntax, which gives up (`unsure`) at anything that it does not know.
 */
#pragma once

#include "base/marks.h"
#include "base/regex.h"

#define STRINGS_MAX 96
#define STRING_MAX 200
#define UNKNOWN '\x01' /* one character, nobody knows which: literals are cut there */

struct part {
    bool exact;
    bool asked; /* the group that is asked for is in it */
    bool digit; /* not exact, but one digit */
    size_t n; /* exact: strings; a copy of the part shares them until part_add() */
    struct slice *strings;
    struct literals best; /* else */
    const struct marks *marks; /* else: what its text needs; NULL: not known */
};

struct reading {
    struct literal_maker *m;
    const struct regex_ask *ask;
    struct slice s; /* the rest of the pattern */
    bool utf, unsure;
    bool marks; /* they are wanted, too */
    bool possessive; /* something in it gives nothing back */
    bool impossible; /* the group that is asked for cannot be that text */
    size_t groups;
    unsigned depth;
};

/* What (?i) changes; it ends with its group. */
struct mode {
    bool nocase;
};

struct times {
    size_t min, max;
};

enum group_kind {
    GROUP_PLAIN,
    GROUP_CAPTURE,
    GROUP_LOOK, /* around: it takes no text */
    GROUP_CALL, /* of another group, or a reference: any text */
    GROUP_OPTIONS, /* for the rest of the group around it */
    GROUP_UNKNOWN,
};

struct part part_unknown(void);
struct part part_empty(void); /* exact, of no width */
struct part part_char(struct reading *r, char c);
struct part part_digit(void);
/* At most STRINGS_MAX, each once. */
void part_add(struct reading *r, struct part *p, struct slice string);

/* Each takes what it reads off reading->s. */
void pattern_skip_nothing(struct reading *r);
struct times pattern_quantifier(struct reading *r);
struct part pattern_plain_char(struct reading *r, struct mode mode);
struct part pattern_class(struct reading *r, struct mode mode);
struct part pattern_hex(struct reading *r, struct mode mode); /* behind \x */
struct part pattern_property(struct reading *r); /* behind \p */
bool pattern_skip_name(struct reading *r);
/* Behind the bracket; options change the mode. */
enum group_kind pattern_group(struct reading *r, struct mode *mode);
