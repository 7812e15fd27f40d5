/*
 * Regular expressions with limits; the only door to PCRE2.
 *
 * Byte mode, JIT when the system allows, match limit 100,000, `$` is the very
 * end, \C refused. Give it clean text (base/utf8.h). Text longer than 16 KiB
 * is matched on its first 16 KiB. A compiled regex is read-only and shared by
 * threads; the scratch is one per thread.
 */
#pragma once

#include "base/err.h"
#include "base/literal.h"
#include "base/marks.h"
#include "base/slice.h"

#define REGEX_TEXT_MAX (16 * 1024)

enum regex_flags {
    REGEX_NOCASE = 1,
    REGEX_MULTILINE = 2,
    REGEX_DOTALL = 4,
    REGEX_UTF = 8, /* text must have passed utf8_valid() */
    REGEX_ANCHORED = 16,
};

struct regex;
struct regex_scratch;

/* On a fault err->at.column is the 1-based offset in the pattern. */
int regex_compile(struct slice pattern, unsigned flags, struct regex **ret_regex, struct err *err);
void regex_free(struct regex *r);
DEFINE_AUTO(regex)

size_t regex_groups(const struct regex *r); /* number of capture groups, without the whole */
/* Name of group 1..n, or NULL. Several groups may have one name: use the one that is set. */
const char *regex_group_name(const struct regex *r, size_t group);
struct slice regex_pattern(const struct regex *r, unsigned *ret_flags);

/*
 * Literals of which every text that matches holds one (regex-literal.c). When in doubt there are
 * none. With `ask`: of texts that match and whose capture group `group` (its number) is set. What
 * is known of the group makes the answer sharper: that it is one text in any ASCII case (p NULL:
 * not known), or that one of some literals stands in it.
 */
struct regex_ask {
    size_t group;
    struct slice whole;
    const struct literals *holds;
};
struct literals regex_literals(const struct regex *r, const struct regex_ask *ask,
                               struct literal_maker *m);
/* What every text that matches needs (base/marks.h). */
struct marks regex_marks(const struct regex *r, struct arena *work);
/* Can a text that begins with this byte match? true when that is not known. */
bool regex_may_begin(const struct regex *r, unsigned char c);
/* No literal at all. */
bool regex_is_bare(const struct regex *r);

struct regex_scratch *regex_scratch_new(void);
void regex_scratch_free(struct regex_scratch *s);
DEFINE_AUTO(regex_scratch)

/*
 * 1 = match, 0 = none, -E2BIG = a limit was hit: to be counted, never taken
 * for "no match" in silence. groups[0] is the whole; unset groups have p NULL.
 */
int regex_match(const struct regex *r, struct regex_scratch *s, struct slice text,
                struct slice *ret_groups, size_t ngroups);
/* The same, searched from byte `from` of the text on; what stands before may be looked at. */
int regex_match_from(const struct regex *r, struct regex_scratch *s, struct slice text, size_t from,
                     struct slice *ret_groups, size_t ngroups);
