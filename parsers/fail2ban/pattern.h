/*
 * Expressions as fail2ban writes them (Python's re, with tags) as PCRE2 takes them.
 */
#pragma once

#include "base/err.h"
#include "base/slice.h"

/* Of one expression, tags put in: PCRE2's door takes 8 KiB. */
#define PATTERN_MAX 8192

/*
 * <HOST>, <ADDR>, <F-USER>...</F-USER>, <SKIPLINES> and their like become groups. `addresses_only`:
 * <HOST> is an address and never a name (usedns = no). Tags nobody knows stay as they are.
 */
int pattern_tags(struct slice text, bool addresses_only, struct buf *out);

enum pattern_flags {
    PATTERN_MULTILINE = 1, /* it is compiled with REGEX_MULTILINE */
    /*
     * One that fits wherever the expression does, and maybe more, for the literals of it:
     * base/regex-literal.c knows nothing of conditions, (?(group)yes|no).
     */
    PATTERN_LOOSE = 2,
};
#define PATTERN_CONDITION "(?("

/* Python's syntax into PCRE2's, for text that ends with a line end: `$` also matches before it. */
int pattern_python(struct slice text, unsigned flags, struct buf *out, struct err *err);
