/*
 * Private to rules/detection*.c: from `detection:` of one document to a tree.
 *
 *     detection.c             search identifiers: maps, lists, keywords
 *     detection-modifiers.c   field|modifiers, and which of them may stand together
 *     detection-value.c       one value to a predicate
 *     detection-encode.c      values in UTF-16 and base64
 *     detection-condition.c   the condition over the identifiers
 *
 * A fault is told to the diag and remembered; the rest of the document is read on.
 */
#pragma once

#include "rules/tree.h"

enum modifier {
    MOD_CONTAINS,
    MOD_STARTSWITH,
    MOD_ENDSWITH,
    MOD_ALL,
    MOD_CASED,
    MOD_NEQ,
    MOD_EXISTS,
    MOD_RE,
    MOD_RE_FLAG,
    MOD_CIDR,
    MOD_FIELDREF,
    MOD_EXPAND,
    MOD_WINDASH,
    MOD_BASE64,
    MOD_BASE64OFFSET,
    MOD_WIDE,
    MOD_COMPARE,
    MOD_PART,
    MODIFIERS,
};
#define MOD(name) (1u << MOD_##name)

enum wide {
    WIDE_LE = 1,
    WIDE_BE,
    WIDE_BOM, /* FF FE, then LE */
};

/* One key of a map: its field and what the modifiers said. */
struct item {
    struct slice field;
    bool keyword;
    unsigned has; /* MOD() bits */
    const char *words[MODIFIERS]; /* by which name each was said */
    unsigned re_flags;
    enum wide wide;
    enum comparison compare;
    enum time_part part;
};

struct build {
    struct rules *r;
    struct arena *a;
    struct arena *temp; /* until the detection is compiled */
    struct diag *d;
    const struct yaml *detection;
    bool filter; /* `rules` is no identifier */
    struct node **compiled; /* each search identifier, in the order of the map */
    bool failed;
};

/* Columns count characters: how many stand from `from` to `to`. */
static inline unsigned build_columns(const char *from, const char *to)
{
    unsigned n = 0;

    for (; from < to; from++)
        n += ((unsigned char)*from & 0xc0) != 0x80;
    return n;
}

static inline bool item_has(const struct item *item, unsigned bits)
{
    return (item->has & bits) != 0;
}

struct node *build_fault(struct build *b, struct src_pos at, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
struct node *build_negate(struct build *b, struct node *n);
/* A group of one is that one. */
struct node *build_simplify(struct node *n);

/* y is a member of a map; false with a finding. */
bool item_parse(struct build *b, const struct yaml *y, struct item *item);

/* Plain null in any of YAML's spellings, or nothing. */
bool value_is_null(const struct yaml *v);
struct node *value_node(struct build *b, const struct item *item, const struct yaml *v);
/* The same for a pattern whose escapes are read; wildcards of contains and the like are added. */
struct node *pattern_node(struct build *b, const struct item *item, struct pattern *p,
                          const struct yaml *v);
struct node *encoded_node(struct build *b, const struct item *item, const struct pattern *p,
                          const struct yaml *v);

/* Is the member of a detection or filter a search identifier? */
bool is_identifier(const struct build *b, const struct yaml *y);
struct node *condition_node(struct build *b, const struct yaml *y);
