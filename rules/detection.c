/* `detection:` to a tree: search identifiers, modifiers, the condition. */
#include <errno.h>
#include <stdio.h>

#include "base/num.h"
#include "rules/tree.h"

/* ---- modifiers ---- */

struct item {
    struct slice field;
    bool keyword;
    bool contains, starts, ends, all, cased, neq, exists, re, cidr, fieldref, expand, windash;
    bool base64, base64offset, time;
    unsigned re_flags;
    int wide; /* 0 none, 1 LE, 2 BE, 3 BOM + LE */
    bool compared;
    enum comparison compare;
    enum time_part part;
};

enum modifier_what {
    M_FLAG, /* sets a bool of struct item */
    M_COMPARE, /* number: value = enum comparison */
    M_RE_FLAG, /* value = regex_flags */
    M_WIDE, /* value = encoding */
    M_PART, /* value = enum time_part */
};

/* All modifiers of the standard (SigmaHQ specification 2.1, appendix modifiers). */
static const struct modifier {
    const char *name;
    enum modifier_what what;
    size_t offset;
    int value;
} modifiers[] = {
    { "contains", M_FLAG, AT(struct item, contains), 0 },
    { "startswith", M_FLAG, AT(struct item, starts), 0 },
    { "endswith", M_FLAG, AT(struct item, ends), 0 },
    { "all", M_FLAG, AT(struct item, all), 0 },
    { "cased", M_FLAG, AT(struct item, cased), 0 },
    { "neq", M_FLAG, AT(struct item, neq), 0 },
    { "exists", M_FLAG, AT(struct item, exists), 0 },
    { "re", M_FLAG, AT(struct item, re), 0 },
    { "cidr", M_FLAG, AT(struct item, cidr), 0 },
    { "fieldref", M_FLAG, AT(struct item, fieldref), 0 },
    { "expand", M_FLAG, AT(struct item, expand), 0 },
    { "windash", M_FLAG, AT(struct item, windash), 0 },
    { "base64", M_FLAG, AT(struct item, base64), 0 },
    { "base64offset", M_FLAG, AT(struct item, base64offset), 0 },
    { "wide", M_WIDE, 0, 1 },
    { "utf16le", M_WIDE, 0, 1 },
    { "utf16be", M_WIDE, 0, 2 },
    { "utf16", M_WIDE, 0, 3 },
    { "i", M_RE_FLAG, 0, REGEX_NOCASE },
    { "ignorecase", M_RE_FLAG, 0, REGEX_NOCASE },
    { "m", M_RE_FLAG, 0, REGEX_MULTILINE },
    { "multiline", M_RE_FLAG, 0, REGEX_MULTILINE },
    { "s", M_RE_FLAG, 0, REGEX_DOTALL },
    { "dotall", M_RE_FLAG, 0, REGEX_DOTALL },
    { "lt", M_COMPARE, 0, COMPARE_LT },
    { "lte", M_COMPARE, 0, COMPARE_LTE },
    { "gt", M_COMPARE, 0, COMPARE_GT },
    { "gte", M_COMPARE, 0, COMPARE_GTE },
    { "minute", M_PART, 0, TIME_MINUTE },
    { "hour", M_PART, 0, TIME_HOUR },
    { "day", M_PART, 0, TIME_DAY },
    { "week", M_PART, 0, TIME_WEEK },
    { "month", M_PART, 0, TIME_MONTH },
    { "year", M_PART, 0, TIME_YEAR },
};

static void apply(const struct modifier *m, struct item *item)
{
    switch (m->what) {
    case M_FLAG:
        memcpy((char *)item + m->offset, &(bool){ true }, sizeof(bool));
        break;
    case M_COMPARE:
        item->compared = true;
        item->compare = (enum comparison)m->value;
        break;
    case M_RE_FLAG:
        item->re_flags |= (unsigned)m->value;
        break;
    case M_WIDE:
        item->wide = m->value;
        break;
    case M_PART:
        item->time = true;
        item->part = (enum time_part)m->value;
        break;
    }
}

static bool unknown_modifier(struct slice name, struct src_pos at, struct diag *d)
{
    const char *names[ARRAY_SIZE(modifiers) + 1] = { 0 };
    const char *near;
    char hint[80];

    for (size_t i = 0; i < ARRAY_SIZE(modifiers); i++)
        names[i] = modifiers[i].name;
    near = diag_nearest(name, names);
    if (near)
        snprintf(hint, sizeof hint, "did you mean '%s'?", near);
    diag_add(d, DIAG_ERROR, at, (unsigned)name.n, near ? hint : NULL, "unknown modifier '%.*s'",
             SLICE_FMT(name));
    return false;
}

static bool item_parse(const struct yaml *y, struct item *item, struct diag *d)
{
    struct slice rest = y->key, name;
    struct src_pos at = y->key_at;

    *item = (struct item){ 0 };
    if (!slice_split(&rest, '|', &item->field))
        return true;
    item->keyword = item->field.n == 0;
    while (slice_split(&rest, '|', &name)) {
        size_t i = 0;

        at.column = y->key_at.column + (unsigned)(name.p - y->key.p);
        while (i < ARRAY_SIZE(modifiers) && !slice_is(name, modifiers[i].name))
            i++;
        if (i == ARRAY_SIZE(modifiers))
            return unknown_modifier(name, at, d);
        apply(&modifiers[i], item);
    }
    return true;
}

/* ---- values ---- */

struct build {
    struct rules *r;
    struct arena *a;
    struct diag *d;
    const struct yaml *detection;
    struct node **compiled; /* each search identifier, in the order of the map */
    bool failed;
};

static struct node *fault(struct build *b, struct src_pos at, const char *text)
{
    diag_error(b->d, at, "%s", text);
    b->failed = true;
    return NULL;
}

struct node *node_new(struct arena *a, enum node_kind kind)
{
    struct node *n = arena_alloc(a, sizeof *n);

    if (n)
        n->kind = kind;
    return n;
}

int node_add(struct arena *a, struct node *parent, struct node *child)
{
    if (!child)
        return -EINVAL;
    if (parent->n == parent->cap) {
        size_t cap = parent->cap ? parent->cap * 2 : 4;
        struct node **c = arena_array(a, cap, sizeof *c);

        if (!c)
            return -ENOMEM;
        if (parent->n)
            memcpy(c, parent->children, parent->n * sizeof *c);
        parent->children = c;
        parent->cap = cap;
    }
    parent->children[parent->n++] = child;
    return 0;
}

/* A group of one is that one. */
static struct node *simplify(struct node *n)
{
    return n && (n->kind == NODE_AND || n->kind == NODE_OR) && n->n == 1 ? n->children[0] : n;
}

static struct node *predicate_node(struct build *b, const struct item *item,
                                   const struct predicate *p, struct slice value)
{
    struct node *n = node_new(b->a, NODE_PREDICATE);
    struct predicate *copy = arena_alloc(b->a, sizeof *copy);
    char *shown;

    if (!n || !copy)
        return fault(b, (struct src_pos){ 0 }, "out of memory");
    *copy = *p;
    copy->keyword = item->keyword;
    copy->name = item->field;
    copy->field = item->keyword ? FIELD_OTHER : field_intern(b->r->names, item->field);
    shown = arena_printf(b->a, "%.*s%s%.*s", SLICE_FMT(item->field), item->keyword ? "" : ": ",
                         SLICE_FMT(value));
    copy->shown = slice_str(shown ? shown : "");
    n->predicate = copy;
    return n;
}

static bool keep_regex(struct rules *r, struct regex *x)
{
    if (r->nregexes == r->regexes_cap) {
        size_t cap = r->regexes_cap ? r->regexes_cap * 2 : 64;
        struct regex **list = realloc(r->regexes, cap * sizeof *list);

        if (!list)
            return false;
        r->regexes = list;
        r->regexes_cap = cap;
    }
    r->regexes[r->nregexes++] = x;
    return true;
}

static struct node *regex_value(struct build *b, const struct item *item, const struct yaml *v)
{
    struct predicate p = { .kind = PREDICATE_REGEX };
    struct err err = ERR_NONE;

    if (regex_compile(v->text, item->re_flags, &p.regex, &err) < 0)
        return fault(b, v->at, err.text);
    if (!keep_regex(b->r, p.regex)) {
        regex_free(p.regex);
        return fault(b, v->at, "out of memory");
    }
    return predicate_node(b, item, &p, v->text);
}

static struct node *cidr_value(struct build *b, const struct item *item, const struct yaml *v)
{
    struct predicate p = { .kind = PREDICATE_CIDR };
    struct err err = ERR_NONE;

    if (cidr_parse(v->text, &p.cidr, &err) < 0)
        return fault(b, v->at, err.text);
    return predicate_node(b, item, &p, v->text);
}

static struct node *number_value(struct build *b, const struct item *item, const struct yaml *v)
{
    struct predicate p = { .kind = item->time ? PREDICATE_TIME : PREDICATE_NUMBER,
                           .compare = item->compared ? item->compare : COMPARE_EQ,
                           .part = item->part };

    if (!number_parse(v->text, &p.number))
        return fault(b, v->at, "this must be a number");
    return predicate_node(b, item, &p, v->text);
}

static struct node *fieldref_value(struct build *b, const struct item *item, const struct yaml *v)
{
    struct predicate p = { .kind = PREDICATE_FIELD,
                           .other_name = v->text,
                           .other = field_intern(b->r->names, v->text),
                           .starts = item->starts,
                           .ends = item->ends,
                           .contains = item->contains };

    return predicate_node(b, item, &p, v->text);
}

static struct node *exists_value(struct build *b, const struct item *item, const struct yaml *v)
{
    struct predicate p = { .kind = PREDICATE_EXISTS };

    if (!yaml_bool(v, &p.exists))
        return fault(b, v->at, "exists takes true or false");
    return predicate_node(b, item, &p, v->text);
}

/* ---- encodings ---- */

static void to_utf16(struct slice s, int wide, struct buf *out)
{
    if (wide == 3)
        buf_str(out, "\xff\xfe");
    for (size_t i = 0; i < s.n; i++) {
        char unit[2] = { s.p[i], 0 };

        if (wide == 2) {
            unit[0] = 0;
            unit[1] = s.p[i];
        }
        buf_add(out, unit, 2);
    }
}

static struct node *text_node(struct build *b, const struct item *item, struct pattern *p,
                              struct slice shown, struct src_pos at)
{
    struct predicate pr = { .kind = PREDICATE_TEXT };

    p->cased = item->cased;
    if (((item->contains || item->ends || item->keyword) &&
         (p->n == 0 || p->tokens[0] != TOKEN_ANY) &&
         pattern_append(b->a, p, TOKEN_ANY, true) < 0) ||
        ((item->contains || item->starts || item->keyword) && p->tokens[p->n - 1] != TOKEN_ANY &&
         pattern_append(b->a, p, TOKEN_ANY, false) < 0) ||
        pattern_finish(b->a, p) < 0)
        return fault(b, at, "out of memory");
    pr.pattern = *p;
    return predicate_node(b, item, &pr, shown);
}

static struct node *literal_node(struct build *b, const struct item *item, struct slice bytes,
                                 struct slice shown, struct src_pos at)
{
    struct pattern p = { .tokens = arena_array(b->a, bytes.n + 1, sizeof *p.tokens), .n = bytes.n };

    if (!p.tokens)
        return fault(b, at, "out of memory");
    for (size_t i = 0; i < bytes.n; i++)
        p.tokens[i] = (unsigned char)bytes.p[i];
    return text_node(b, item, &p, shown, at);
}

/*
 * The three ways a text can stand inside base64, by its offset in groups of
 * three bytes: some digits at both ends depend on the neighbours and are cut.
 */
static struct node *base64_offsets(struct build *b, const struct item *item, struct slice bytes,
                                   struct slice shown, struct src_pos at)
{
    static const size_t front[] = { 0, 2, 3 }, back[] = { 0, 3, 2 };
    struct node *any = node_new(b->a, NODE_OR);

    for (size_t i = 0; any && i < 3; i++) {
        AUTO_BUF padded = BUF_INIT;
        AUTO_BUF text = BUF_INIT;
        struct slice s;
        size_t cut = back[(bytes.n + i) % 3];

        buf_add(&padded, "  ", i);
        buf_slice(&padded, bytes);
        buf_base64(&text, padded.p, padded.n, true);
        s = slice_skip(buf_view(&text), front[i]);
        s = arena_slice(b->a, slice_take(s, s.n > cut ? s.n - cut : 0));
        if (!s.p || node_add(b->a, any, literal_node(b, item, s, shown, at)) < 0)
            return NULL;
    }
    return any;
}

static struct node *encoded_value(struct build *b, const struct item *item, const struct yaml *v)
{
    AUTO_BUF wide = BUF_INIT;
    AUTO_BUF text = BUF_INIT;
    struct slice bytes = v->text;

    if (item->wide) {
        to_utf16(bytes, item->wide, &wide);
        bytes = buf_view(&wide);
    }
    if (item->base64offset)
        return base64_offsets(b, item, bytes, v->text, v->at);
    if (item->base64) {
        buf_base64(&text, bytes.p, bytes.n, true);
        bytes = buf_view(&text);
    }
    bytes = arena_slice(b->a, bytes);
    return bytes.p ? literal_node(b, item, bytes, v->text, v->at) : NULL;
}

/* A dash or slash that starts a word: \B[-/]\b. */
static void mark_dashes(struct pattern *p)
{
    for (size_t i = 0; i + 1 < p->n; i++) {
        uint16_t t = p->tokens[i], before = i ? p->tokens[i - 1] : ' ', after = p->tokens[i + 1];
        bool word_before = before < 128 && (before == '_' || (before >= '0' && before <= '9') ||
                                            ((before | 32) >= 'a' && (before | 32) <= 'z'));
        bool word_after = after < 128 && (after == '_' || (after >= '0' && after <= '9') ||
                                          ((after | 32) >= 'a' && (after | 32) <= 'z'));

        if ((t == '-' || t == '/') && !word_before && word_after)
            p->tokens[i] = TOKEN_DASH;
    }
}

static struct node *text_value(struct build *b, const struct item *item, const struct yaml *v)
{
    struct pattern p;

    if (pattern_parse(b->a, v->text, &p) < 0)
        return fault(b, v->at, "out of memory");
    if (item->windash)
        mark_dashes(&p);
    return text_node(b, item, &p, v->text, v->at);
}

static struct node *null_value(struct build *b, const struct item *item)
{
    struct predicate p = { .kind = PREDICATE_NULL };

    return predicate_node(b, item, &p, SLICE("null"));
}

static struct node *one_value(struct build *b, const struct item *item, const struct yaml *v);

static const struct placeholder *placeholder(const struct rules *r, struct slice name)
{
    const struct placeholder *p = r->placeholders;

    while (p && !slice_eq(p->name, name))
        p = p->next;
    return p;
}

/* %name% becomes an OR over the configured list; the text around it stays. */
static struct node *expand_value(struct build *b, const struct item *item, const struct yaml *v)
{
    size_t open = slice_find_byte(v->text, '%');
    struct slice rest = open == SIZE_MAX ? SLICE("") : slice_skip(v->text, open + 1);
    size_t close = slice_find_byte(rest, '%');
    const struct placeholder *list;
    struct item plain = *item;
    struct node *any = node_new(b->a, NODE_OR);

    plain.expand = false;
    if (open == SIZE_MAX || close == SIZE_MAX)
        return one_value(b, &plain, v);
    list = placeholder(b->r, slice_take(rest, close));
    if (!list) {
        diag_warning(b->d, v->at, "placeholder '%.*s' has no list: the rule is not evaluated",
                     (int)close, rest.p);
        b->failed = true;
        return NULL;
    }
    for (size_t i = 0; any && i < list->n; i++) {
        struct yaml one = *v;
        char *text =
            arena_printf(b->a, "%.*s%.*s%.*s", (int)open, v->text.p, SLICE_FMT(list->values[i]),
                         (int)(rest.n - close - 1), rest.p + close + 1);

        one.text = slice_str(text);
        if (!text || node_add(b->a, any, one_value(b, item, &one)) < 0)
            return NULL;
    }
    if (any && any->n == 0) { /* an empty list matches nothing */
        struct node *never = node_new(b->a, NODE_NOT), *all = node_new(b->a, NODE_AND);

        return never && node_add(b->a, never, all) == 0 ? never : NULL;
    }
    return any;
}

static struct node *one_value(struct build *b, const struct item *item, const struct yaml *v)
{
    if (v->kind != YAML_SCALAR)
        return fault(b, v->at, "a value must be text, a number or null");
    if (item->exists)
        return exists_value(b, item, v);
    if (yaml_is_null(v))
        return null_value(b, item);
    if (item->expand)
        return expand_value(b, item, v);
    if (item->re)
        return regex_value(b, item, v);
    if (item->cidr)
        return cidr_value(b, item, v);
    if (item->compared || item->time)
        return number_value(b, item, v);
    if (item->fieldref)
        return fieldref_value(b, item, v);
    if (item->base64 || item->base64offset || item->wide)
        return encoded_value(b, item, v);
    return text_value(b, item, v);
}

static struct node *negate(struct build *b, struct node *n)
{
    struct node *not = node_new(b->a, NODE_NOT);

    return not &&node_add(b->a, not, n) == 0 ? not : NULL;
}

/* One `field|modifiers: value or list`. */
static struct node *item_node(struct build *b, const struct yaml *y)
{
    struct item item;
    struct node *n;

    if (!item_parse(y, &item, b->d)) {
        b->failed = true;
        return NULL;
    }
    if (y->kind == YAML_MAP)
        return fault(b, y->at, "a field takes a value or a list of values");
    if (y->kind == YAML_SCALAR)
        return item.neq ? negate(b, one_value(b, &item, y)) : one_value(b, &item, y);
    if (y->nchildren == 0)
        return fault(b, y->key_at, "an empty list matches nothing: leave the field out");
    n = node_new(b->a, item.all ? NODE_AND : NODE_OR);
    YAML_EACH (v, y)
        if (!n || node_add(b->a, n, one_value(b, &item, v)) < 0)
            return NULL;
    n = simplify(n);
    return item.neq ? negate(b, n) : n;
}

static struct node *map_node(struct build *b, const struct yaml *map)
{
    struct node *all = node_new(b->a, NODE_AND);

    if (map->nchildren == 0)
        return fault(b, map->at, "an empty selection");
    YAML_EACH (m, map)
        if (!all || node_add(b->a, all, item_node(b, m)) < 0)
            return NULL;
    return simplify(all);
}

static struct node *keyword_node(struct build *b, const struct yaml *v)
{
    struct item item = { .keyword = true };

    return one_value(b, &item, v);
}

/* A search identifier: map, list of maps, keywords, or a mix. */
static struct node *selection_node(struct build *b, const struct yaml *y)
{
    struct node *any;

    if (y->kind == YAML_MAP)
        return map_node(b, y);
    if (y->kind == YAML_SCALAR)
        return keyword_node(b, y);
    if (y->nchildren == 0)
        return fault(b, y->key_at, "an empty selection");
    any = node_new(b->a, NODE_OR);
    YAML_EACH (v, y)
        if (!any ||
            node_add(b->a, any, v->kind == YAML_MAP ? map_node(b, v) : keyword_node(b, v)) < 0)
            return NULL;
    return simplify(any);
}

/* ---- the condition ---- */

struct parse {
    struct build *b;
    struct slice rest, token;
    const struct yaml *node;
    unsigned depth;
};

static bool word_char(char c)
{
    return c != ' ' && c != '\t' && c != '\n' && c != '\r' && c != '(' && c != ')' && c != '|';
}

static void next_token(struct parse *p)
{
    size_t n = 0;

    while (p->rest.n && strchr(" \t\r\n", p->rest.p[0]))
        p->rest = slice_skip(p->rest, 1);
    if (p->rest.n && !word_char(p->rest.p[0]))
        n = 1;
    else
        while (n < p->rest.n && word_char(p->rest.p[n]))
            n++;
    p->token = slice_take(p->rest, n);
    p->rest = slice_skip(p->rest, n);
}

static bool token_is(const struct parse *p, const char *word)
{
    return slice_eq_nocase(p->token, slice_str(word));
}

static struct node *parse_fault(struct parse *p, const char *what)
{
    struct src_pos at = p->node->at;
    char text[160];

    if (p->node->plain && p->token.p >= p->node->text.p)
        at.column += (unsigned)(p->token.p - p->node->text.p);
    snprintf(text, sizeof text, "%s '%.*s'", what, SLICE_FMT(slice_take(p->token, 60)));
    return fault(p->b, at, text);
}

static bool is_identifier(struct slice key)
{
    static const char *const others[] = { "condition", "timeframe", "rules" };

    for (size_t i = 0; i < ARRAY_SIZE(others); i++)
        if (slice_is(key, others[i]))
            return false;
    return true;
}

/* Every identifier once, used or not: all faults are told in one go. */
static bool compile_identifiers(struct build *b)
{
    size_t i = 0;

    b->compiled = arena_array(b->a, b->detection->nchildren + 1, sizeof *b->compiled);
    if (!b->compiled)
        return false;
    YAML_EACH (y, b->detection) {
        if (is_identifier(y->key))
            b->compiled[i] = selection_node(b, y);
        if (b->compiled[i] && !b->compiled[i]->label.p)
            b->compiled[i]->label = y->key;
        i++;
    }
    return true;
}

static struct node *identifier_node(struct parse *p, const struct yaml *y)
{
    size_t i = 0;

    YAML_EACH (m, p->b->detection) {
        /* One with faults stands in as "anything": the rest of the condition is judged, too. */
        if (m == y)
            return p->b->compiled[i] ? p->b->compiled[i] : node_new(p->b->a, NODE_AND);
        i++;
    }
    return NULL;
}

static bool name_fits(struct slice pattern, struct slice name)
{
    struct pattern g;
    AUTO(arena) a = arena_new(1024, 0);

    if (!a || pattern_parse(a, pattern, &g) < 0)
        return false;
    g.cased = true;
    return pattern_finish(a, &g) == 0 && pattern_match(&g, name);
}

/* `1 of them`, `all of selection_*`; names with _ in front only when the pattern has it. */
static struct node *of_node(struct parse *p, bool all)
{
    struct node *n = node_new(p->b->a, all ? NODE_AND : NODE_OR);
    bool them;
    struct slice pattern;

    next_token(p); /* of */
    next_token(p);
    pattern = p->token;
    them = token_is(p, "them");
    if (pattern.n == 0)
        return parse_fault(p, "a name or pattern is missing after 'of' at");
    YAML_EACH (y, p->b->detection) {
        bool hidden = y->key.n && y->key.p[0] == '_' && (them || pattern.p[0] != '_');

        if (!is_identifier(y->key) || hidden)
            continue;
        if ((them || name_fits(pattern, y->key)) &&
            (!n || node_add(p->b->a, n, identifier_node(p, y)) < 0))
            return NULL;
    }
    if (n && n->n == 0)
        return parse_fault(p, "no selection fits");
    next_token(p);
    return n ? simplify(n) : NULL;
}

static struct node *parse_or(struct parse *p);

static bool followed_by_of(const struct parse *p)
{
    struct parse look = *p;

    next_token(&look);
    return token_is(&look, "of");
}

static struct node *parse_primary(struct parse *p)
{
    const struct yaml *y;
    struct node *n;

    if (token_is(p, "(")) {
        next_token(p);
        n = parse_or(p);
        if (n && !token_is(p, ")"))
            return parse_fault(p, "a ')' is missing before");
        next_token(p);
        return n;
    }
    if ((token_is(p, "1") || token_is(p, "any") || token_is(p, "all")) && followed_by_of(p))
        return of_node(p, token_is(p, "all"));
    if (token_is(p, "them"))
        return parse_fault(p, "'1 of' or 'all of' is missing before");
    y = NULL;
    YAML_EACH (m, p->b->detection)
        if (slice_eq(m->key, p->token) && is_identifier(m->key))
            y = m;
    if (!y)
        return parse_fault(p,
                           p->token.n ? "no selection is called" : "the condition ends too early:");
    n = identifier_node(p, y);
    next_token(p);
    return n;
}

static struct node *parse_not(struct parse *p)
{
    struct node *n;

    if (++p->depth > 100)
        return parse_fault(p, "the condition is nested too deep at");
    if (token_is(p, "not")) {
        next_token(p);
        n = parse_not(p);
        n = n ? negate(p->b, n) : NULL;
    } else {
        n = parse_primary(p);
    }
    p->depth--;
    return n;
}

static struct node *parse_chain(struct parse *p, const char *word, enum node_kind kind,
                                struct node *(*inner)(struct parse *))
{
    struct node *all = node_new(p->b->a, kind);

    for (;;) {
        if (!all || node_add(p->b->a, all, inner(p)) < 0)
            return NULL;
        if (!token_is(p, word))
            return simplify(all);
        next_token(p);
    }
}

static struct node *parse_and(struct parse *p)
{
    return parse_chain(p, "and", NODE_AND, parse_not);
}

static struct node *parse_or(struct parse *p)
{
    return parse_chain(p, "or", NODE_OR, parse_and);
}

static struct node *condition_node(struct build *b, const struct yaml *y)
{
    struct parse p = { .b = b, .rest = y->text, .node = y };
    struct node *n;

    if (y->kind != YAML_SCALAR)
        return fault(b, y->at, "a condition is a text");
    next_token(&p);
    n = parse_or(&p);
    if (n && p.token.n)
        return parse_fault(&p, "the condition is over before");
    return n;
}

struct node *detection_compile(struct rules *r, const struct yaml *detection, struct diag *d)
{
    struct build b = { .r = r, .a = r->arena, .d = d, .detection = detection };
    const struct yaml *condition = yaml_get(detection, "condition");
    struct node *n;

    if (!compile_identifiers(&b))
        return NULL;
    if (!condition) {
        diag_error(d, detection->at, "a detection needs a condition");
        return NULL;
    }
    if (condition->kind == YAML_SEQ) {
        n = node_new(b.a, NODE_OR);
        YAML_EACH (c, condition)
            if (!n || node_add(b.a, n, condition_node(&b, c)) < 0)
                return NULL;
        n = simplify(n);
    } else {
        n = condition_node(&b, condition);
    }
    return b.failed ? NULL : n;
}
