/*
 * Literals: texts of which a record must hold one, whatever else it holds.
 *
 * The scan of raw blocks looks for them (any ASCII case) and only what holds one is parsed. So a
 * literal is a promise: where it is missing there is no match. A set has three states:
 *
 *     n > 0    at least one of them is there
 *     n == 0   it cannot be at all: nothing in a record could make it true
 *     none     nothing is promised; `why` says what stands in the way
 *
 * AND takes the better of two sets, OR puts them together. Better is what fewer records hold: by
 * the sample lines of the format, by how common a text is in logs at all, by length and by number.
 * The other one of an AND is not lost: where it is short it is `also`, a second set of which one
 * must be there, too. Who found one of the first set in a record can look for it there.
 *
 * Literals are cut at every character that some format may write otherwise; they are lower case
 * and at least LITERAL_MIN bytes, because a scan for shorter ones finds too much. Two that are
 * found in another way serve where nothing better is certain: a few signs that hardly a line holds
 * (".."), and a long run of digits, whichever they are: DIGIT_MARK, as often as there must be
 * digits.
 */
#pragma once

#include "base/arena.h"

#define LITERAL_MIN 4
#define LITERAL_SIGNS_MIN 2 /* of signs: neither letters nor digits */
#define LITERAL_DIGITS_MIN 7
#define LITERAL_DIGITS_MAX 64
#define DIGIT_MARK '\x02'
/* Of one set: lists of words and of addresses are that long. */
#define LITERALS_MAX 50000
/* Of what must be there, too: each is a search of its own. */
#define LITERALS_ALSO_MAX 6

struct literals {
    const struct slice *list;
    size_t n;
    bool none;
    const char *why; /* none: a constant, or text in the maker's arena */
    unsigned cost; /* 0 = not asked for yet */
    unsigned extra; /* to its cost: what its maker knows against it */
    const struct literals *also; /* one of these, too: n > 0, without `also`; NULL: not known */
};

/* Lines that are usual: lower case, each ended by NUL. */
struct literal_sample {
    struct slice text;
    size_t nlines;
};

/* Memory and taste of one piece of work. */
struct literal_maker {
    struct arena *arena;
    const struct literal_sample *sample; /* may be NULL */
    bool failed; /* memory was out: no answer counts */
};

static inline struct literals literals_none(const char *why)
{
    return (struct literals){ .none = true, .why = why };
}

/* Of a text that is there as a whole: its best piece. */
struct literals literals_of(struct literal_maker *m, struct slice text);
/* The text as it is, lower case: for what the caller knows to be in the record byte by byte. */
struct literals literals_exactly(struct literal_maker *m, struct slice text);
/* A run of so many digits or more. */
struct literals literals_digits(struct literal_maker *m, size_t n);
/* How many digits the literal stands for; 0: it is a text. */
static inline size_t literal_digits(struct slice literal)
{
    return literal.n && literal.p[0] == DIGIT_MARK ? literal.n : 0;
}
/* Where it ends in a text in lower case, searched from `from` on; SIZE_MAX: it is not there. */
size_t literal_find(struct slice literal, struct slice lower, size_t from);
/* Does one of them stand in raw bytes, in whichever case? For a few literals and one record. */
bool literals_stand(const struct slice *list, size_t n, struct slice raw);
/* For people: 'text', or what is meant. */
void literal_show(struct buf *out, struct slice literal);
/* Both hold: the better one. One of them holds: all. */
struct literals literals_and(struct literal_maker *m, struct literals a, struct literals b);
struct literals literals_or(struct literal_maker *m, struct literals a, struct literals b);

/*
 * One of many holds, each taken in by itself: what literals_or() would say of all of them, in time
 * that grows with their number and not with its square. Begins as { .m = maker }.
 */
struct literal_union {
    struct literal_maker *m;
    struct slice *list;
    size_t n, cap;
    unsigned extra;
    struct literals none; /* once one without a literal was taken in */
    struct literals also; /* one of these is there, too */
    bool paired; /* some had such a set of its own */
};
void literals_take(struct literal_union *u, struct literals l);
struct literals literals_taken(struct literal_union *u);

/* What a set lets through, for sorting only: lower is better. */
unsigned literals_cost(struct literal_maker *m, struct literals *set);
/* Does what holds one of b hold one of a anyway? */
bool literals_cover(struct literals a, struct literals b);
/* Is there one, and is it so good that a search for a better one is not worth while? */
bool literals_good(struct literal_maker *m, struct literals *set);

/* Lower case for ASCII; p NULL when memory is out. */
struct slice literal_lower(struct arena *a, struct slice text);
