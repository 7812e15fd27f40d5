/* Private to parsers/fail2ban: a loaded filter and the state of a stream. */
#pragma once

#include "base/arena.h"
#include "base/regex.h"
#include "base/table.h"
#include "parsers/fail2ban/date.h"
#include "parsers/fail2ban/filter.h"

#define GROUPS_MAX 63 /* base/regex keeps 64 with the whole */
#define NAMES_MAX 64 /* of groups, in all expressions of a filter */
#define REGEXES_MAX 500
#define MAXLINES_MAX 200
#define CONNECTIONS_MAX 100
#define CONNECTION_US (300 * USEC_PER_SEC)
#define USERS_MAX 16
#define VALUE_KEPT_MAX 1024 /* of a group of a connection */
#define STATE_BYTES_MAX ((size_t)128 << 10) /* of the connections of a state */
#define HINTS_MAX 4 /* literals of one expression */

/* The first names are the same in every filter. */
enum name {
    NAME_IP4,
    NAME_IP6,
    NAME_DNS,
    NAME_FID,
    NAME_CIDR,
    NAME_USER,
    NAME_MLFID,
    NAME_NOFAIL,
    NAME_MLFFORGET,
    NAME_MLFGAINED,
    NAME_CONTENT,
    NAME_FIXED,
};
#define NO_NAME 0xff
#define NO_REGEX 0xffff

/* alt_user_1 fills user when that is empty; tuple_id goes behind id. */
struct merged {
    uint8_t from, into;
    bool tuple;
};

struct expression {
    struct regex *re;
    struct regex *loose; /* for its literals, where `re` hides them; or NULL */
    struct slice source;
    size_t ngroups; /* with the whole */
    uint8_t names[GROUPS_MAX + 1]; /* of each group */
    struct merged *merged;
    size_t nmerged;
    uint8_t skips[8]; /* groups of <SKIPLINES> */
    size_t nskips;
    struct slice hints[HINTS_MAX]; /* one of them stands, in any case, in a text that fits */
    size_t nhints; /* 0: nothing is known */
};

struct fail2ban {
    struct arena *arena;
    const char *names[NAMES_MAX];
    size_t nnames;
    struct expression *pref; /* or NULL */
    struct expression *fail, *ignore;
    size_t nfail, nignore;
    /* By the first byte of a text: the expressions of `fail` that can fit, ends with NO_REGEX. */
    const uint16_t *by_first[256];
    unsigned maxlines;
    struct date_set dates;
    struct date_zone zone;
    struct slice journalmatch;
    uint64_t digest; /* of what gives a state its meaning */
};

/* Groups by name; p NULL = not set. */
struct groups {
    struct slice v[NAMES_MAX];
};

struct connection {
    uint64_t set; /* which groups were set once: NAMES_MAX bits */
    struct slice users[USERS_MAX];
    size_t nusers;
    bool pending; /* a failure whose address is not known yet */
    unsigned matches, nofail_matches;
    uint64_t until_us;
    size_t bytes; /* of its copies */
    struct groups groups; /* own copies; room for the names that the filter has */
};

/* What one line needs; nothing in it is for the next one but what saves work. */
struct fail2ban_scratch {
    struct regex_scratch *regex;
    struct date_memory dates;
    uint64_t given_up;
    struct buf text, content, lower;
    struct arena *result;
    struct groups pref, groups; /* of the line at work */
    struct connection passing; /* one of a single line; borrows from it */
    struct connection *parting; /* forgotten, but in the last result */
};

/* What lines leave to those behind them. */
struct fail2ban_state {
    const struct fail2ban *filter;
    struct slice *lines; /* of maxlines, kept */
    size_t nlines;
    struct arena *kept, *spare; /* the text of the lines */
    struct table *connections; /* by the text of F-MLFID; NULL until there is one */
    size_t bytes; /* of all connections */
    uint64_t clock_us; /* the newest time of a line of a connection, while there is one */
    uint64_t last_us; /* of the last line that had one, for those without; 0: none */
};

/* first.c: lists of numbers that end with NO_REGEX. */
int f2b_sort_by_first(struct arena *a, struct regex *const *list, size_t n,
                      const uint16_t *ret[256]);

/* state.c */
uint64_t f2b_digest(const struct fail2ban *f);

/* connection.c */
struct merging {
    const struct fail2ban *f;
    struct fail2ban_scratch *scratch;
    struct fail2ban_state *state; /* NULL: the line stands alone */
    struct groups *groups;
    unsigned matched; /* lines */
    uint64_t time_us; /* of the line; 0: not known */
};
/* What is known of the connection with the groups of this line; NULL: out of memory. */
struct connection *f2b_connection_merge(const struct merging *m);
void f2b_connection_free(struct connection *c);
void f2b_connections_free(struct table *t);
struct connection *f2b_connection_new(const struct fail2ban *f);
/* A connection as it was packed (state.c); takes it. */
int f2b_connection_put(struct fail2ban_state *s, struct connection *c);
bool f2b_connection_value(struct connection *c, struct slice *into, struct slice v);
