/* `field|modifier|modifier`: the table of modifiers, and what may stand together. */
#include <stdio.h>

#include "rules/detection.h"

/* All modifiers of the standard (specification 2.1, appendix modifiers) and of the reference
 * library. */
static const struct word {
    const char *name;
    enum modifier is;
    int value;
} words[] = {
    { "contains", MOD_CONTAINS, 0 },
    { "startswith", MOD_STARTSWITH, 0 },
    { "endswith", MOD_ENDSWITH, 0 },
    { "all", MOD_ALL, 0 },
    { "cased", MOD_CASED, 0 },
    { "neq", MOD_NEQ, 0 },
    { "exists", MOD_EXISTS, 0 },
    { "re", MOD_RE, 0 },
    { "cidr", MOD_CIDR, 0 },
    { "fieldref", MOD_FIELDREF, 0 },
    { "expand", MOD_EXPAND, 0 },
    { "windash", MOD_WINDASH, 0 },
    { "base64", MOD_BASE64, 0 },
    { "base64offset", MOD_BASE64OFFSET, 0 },
    { "wide", MOD_WIDE, WIDE_LE },
    { "utf16le", MOD_WIDE, WIDE_LE },
    { "utf16be", MOD_WIDE, WIDE_BE },
    { "utf16", MOD_WIDE, WIDE_BOM },
    { "i", MOD_RE_FLAG, REGEX_NOCASE },
    { "ignorecase", MOD_RE_FLAG, REGEX_NOCASE },
    { "m", MOD_RE_FLAG, REGEX_MULTILINE },
    { "multiline", MOD_RE_FLAG, REGEX_MULTILINE },
    { "s", MOD_RE_FLAG, REGEX_DOTALL },
    { "dotall", MOD_RE_FLAG, REGEX_DOTALL },
    { "lt", MOD_COMPARE, COMPARE_LT },
    { "lte", MOD_COMPARE, COMPARE_LTE },
    { "gt", MOD_COMPARE, COMPARE_GT },
    { "gte", MOD_COMPARE, COMPARE_GTE },
    { "minute", MOD_PART, TIME_MINUTE },
    { "hour", MOD_PART, TIME_HOUR },
    { "day", MOD_PART, TIME_DAY },
    { "week", MOD_PART, TIME_WEEK },
    { "month", MOD_PART, TIME_MONTH },
    { "year", MOD_PART, TIME_YEAR },
};

#define SIDES (MOD(CONTAINS) | MOD(STARTSWITH) | MOD(ENDSWITH))
#define LISTS (MOD(ALL) | MOD(NEQ))
#define ENCODINGS (MOD(BASE64) | MOD(BASE64OFFSET) | MOD(WIDE))

/*
 * Which others a modifier may meet in one key, and which of them must not
 * stand before it (they would have changed the value that it reads).
 */
static const struct company {
    unsigned beside, not_before;
    bool keyword; /* also without a field */
} company[MODIFIERS] = {
#define TEXTS (SIDES | LISTS | MOD(CASED) | MOD(EXPAND))
    [MOD_CONTAINS] = { TEXTS | MOD(FIELDREF) | MOD(WINDASH) | ENCODINGS, 0, true },
    [MOD_STARTSWITH] = { TEXTS | MOD(FIELDREF) | MOD(WINDASH) | ENCODINGS, 0, false },
    [MOD_ENDSWITH] = { TEXTS | MOD(FIELDREF) | MOD(WINDASH) | ENCODINGS, 0, false },
    [MOD_ALL] = { ~(MOD(EXISTS) | MOD(ALL)), 0, true },
    [MOD_CASED] = { SIDES | LISTS | MOD(EXPAND) | MOD(WINDASH) | ENCODINGS, 0, true },
    [MOD_NEQ] = { ~(MOD(EXISTS) | MOD(NEQ)), 0, false },
    [MOD_EXISTS] = { 0, 0, false },
    [MOD_RE] = { LISTS | MOD(RE_FLAG) | MOD(EXPAND), ~0u, true },
    [MOD_RE_FLAG] = { LISTS | MOD(RE) | MOD(RE_FLAG) | MOD(EXPAND), 0, true },
    [MOD_CIDR] = { LISTS | MOD(EXPAND), LISTS, true },
    [MOD_FIELDREF] = { SIDES | LISTS, SIDES, false },
    [MOD_EXPAND] = { TEXTS | MOD(RE) | MOD(RE_FLAG) | MOD(CIDR) | MOD(WINDASH) | ENCODINGS,
                     ENCODINGS, true },
    [MOD_WINDASH] = { TEXTS, 0, true },
    [MOD_BASE64] = { TEXTS | MOD(WIDE), SIDES, true },
    [MOD_BASE64OFFSET] = { TEXTS | MOD(WIDE), SIDES, true },
    [MOD_WIDE] = { TEXTS | MOD(BASE64) | MOD(BASE64OFFSET), MOD(BASE64) | MOD(BASE64OFFSET) | SIDES,
                   true },
    [MOD_COMPARE] = { LISTS | MOD(PART), 0, false },
    [MOD_PART] = { LISTS | MOD(COMPARE), MOD(COMPARE), false },
#undef TEXTS
};

static bool unknown(struct build *b, struct slice name, struct src_pos at)
{
    const char *names[ARRAY_SIZE(words) + 1] = { 0 };
    const char *near;
    char hint[80];

    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        names[i] = words[i].name;
    near = diag_nearest(name, names);
    if (near)
        snprintf(hint, sizeof hint, "did you mean '%s'?", near);
    diag_add(b->d, DIAG_ERROR, at, (unsigned)name.n, near ? hint : NULL, "unknown modifier '%.*s'",
             SLICE_FMT(slice_take(name, 80)));
    b->failed = true;
    return false;
}

/* May the word follow what the item has by now? */
static bool fits(struct build *b, const struct item *item, const struct word *w, struct src_pos at)
{
    const struct company *c = &company[w->is];

    for (unsigned m = 0; m < MODIFIERS; m++) {
        if (!(item->has & 1u << m))
            continue;
        if (m == w->is && m != MOD_RE_FLAG) {
            build_fault(b, at, "'%s': one of its kind has been said already", w->name);
            return false;
        }
        if (!(c->beside & 1u << m)) {
            build_fault(b, at, "'%s' cannot stand with '%s'", w->name, item->words[m]);
            return false;
        }
        if (c->not_before & 1u << m) {
            build_fault(b, at, "'%s' must stand before '%s'", w->name, item->words[m]);
            return false;
        }
    }
    if (w->is == MOD_RE_FLAG && !item_has(item, MOD(RE))) {
        build_fault(b, at, "'%s' belongs behind 're'", w->name);
        return false;
    }
    if (item->keyword && !c->keyword) {
        build_fault(b, at, "'%s' needs a field before it", w->name);
        return false;
    }
    return true;
}

static void apply(struct item *item, const struct word *w)
{
    item->has |= 1u << w->is;
    item->words[w->is] = w->name;
    if (w->is == MOD_RE_FLAG)
        item->re_flags |= (unsigned)w->value;
    else if (w->is == MOD_WIDE)
        item->wide = (enum wide)w->value;
    else if (w->is == MOD_COMPARE)
        item->compare = (enum comparison)w->value;
    else if (w->is == MOD_PART)
        item->part = (enum time_part)w->value;
}

bool item_parse(struct build *b, const struct yaml *y, struct item *item)
{
    struct slice rest = y->key, name;
    struct src_pos at = y->key_at;

    *item = (struct item){ .compare = COMPARE_EQ };
    if (!slice_split(&rest, '|', &item->field))
        item->field = SLICE("");
    item->keyword = item->field.n == 0;
    if (item->keyword && !rest.p) {
        build_fault(b, y->key_at, "a field without a name: keywords stand in a list");
        return false;
    }
    while (slice_split(&rest, '|', &name)) {
        size_t i = 0;

        at.column = y->key_at.column + build_columns(y->key.p, name.p);
        while (i < ARRAY_SIZE(words) && !slice_is(name, words[i].name))
            i++;
        if (i == ARRAY_SIZE(words))
            return unknown(b, name, at);
        if (!fits(b, item, &words[i], at))
            return false;
        apply(item, &words[i]);
    }
    return true;
}
