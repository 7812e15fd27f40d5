/* One value of a field to a predicate. */
#include <errno.h>

#include "rules/detection.h"

bool value_is_null(const struct yaml *v)
{
    return yaml_is_null(v) || (v && v->kind == YAML_SCALAR && v->plain &&
                               (slice_is(v->text, "Null") || slice_is(v->text, "NULL")));
}

static struct node *predicate_node(struct build *b, const struct item *item,
                                   const struct predicate *p, struct slice value)
{
    struct node *n = node_new(b->a, NODE_PREDICATE);
    struct predicate *copy = arena_alloc(b->a, sizeof *copy);
    char *shown;

    if (!n || !copy)
        return build_fault(b, (struct src_pos){ 0 }, "out of memory");
    *copy = *p;
    copy->nth = b->r->npredicates++;
    copy->keyword = item->keyword;
    copy->name = item->field;
    copy->field = item->keyword ? FIELD_OTHER : field_intern(b->r->names, item->field);
    shown = arena_printf(b->a, "%.*s%s%.*s", SLICE_FMT(item->field), item->keyword ? "" : ": ",
                         SLICE_FMT(value));
    copy->shown = slice_str(shown ? shown : "");
    if (predicate_finish(b->a, b->temp, copy) < 0)
        return build_fault(b, (struct src_pos){ 0 }, "out of memory");
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
    struct src_pos at = v->at;

    if (regex_compile(v->text, item->re_flags | REGEX_UTF, &p.regex, &err) < 0) {
        if (v->plain && err.at.column)
            at.column += err.at.column - 1;
        return build_fault(b, at, "%s", err.text);
    }
    if (!keep_regex(b->r, p.regex)) {
        regex_free(p.regex);
        return build_fault(b, v->at, "out of memory");
    }
    return predicate_node(b, item, &p, v->text);
}

static struct node *cidr_value(struct build *b, const struct item *item, const struct yaml *v)
{
    struct predicate p = { .kind = PREDICATE_CIDR };
    struct err err = ERR_NONE;

    if (cidr_parse(v->text, &p.cidr, &err) < 0)
        return build_fault(b, v->at, "%s", err.text);
    return predicate_node(b, item, &p, v->text);
}

static struct node *number_value(struct build *b, const struct item *item, const struct yaml *v)
{
    struct predicate p = { .kind = PREDICATE_NUMBER, .compare = item->compare };

    if (!number_parse(v->text, &p.number))
        return build_fault(b, v->at, "this must be a number");
    return predicate_node(b, item, &p, v->text);
}

static struct node *time_value(struct build *b, const struct item *item, const struct yaml *v)
{
    static const struct {
        const char *name;
        int min, max;
    } ranges[] = {
        [TIME_MINUTE] = { "minute", 0, 59 }, [TIME_HOUR] = { "hour", 0, 23 },
        [TIME_DAY] = { "day", 1, 31 },       [TIME_WEEK] = { "week", 1, 53 },
        [TIME_MONTH] = { "month", 1, 12 },   [TIME_YEAR] = { "year", 0, 9999 },
    };
    struct predicate p = { .kind = PREDICATE_TIME, .compare = item->compare, .part = item->part };

    if (!number_parse(v->text, &p.number) || !p.number.integer ||
        p.number.i < ranges[item->part].min || p.number.i > ranges[item->part].max)
        return build_fault(b, v->at, "%s is a number from %d to %d", ranges[item->part].name,
                           ranges[item->part].min, ranges[item->part].max);
    return predicate_node(b, item, &p, v->text);
}

static struct node *fieldref_value(struct build *b, const struct item *item, const struct yaml *v)
{
    bool contains = item_has(item, MOD(CONTAINS));
    struct predicate p = { .kind = PREDICATE_FIELD,
                           .other_name = v->text,
                           .starts = item_has(item, MOD(STARTSWITH)),
                           .ends = item_has(item, MOD(ENDSWITH)) };

    /* At the start or at the end is anywhere, as the wildcards of both would say. */
    p.contains = contains || (p.starts && p.ends);
    if (v->text.n == 0)
        return build_fault(b, v->at, "fieldref takes the name of a field");
    if (slice_find_byte(v->text, '*') != SIZE_MAX || slice_find_byte(v->text, '?') != SIZE_MAX)
        return build_fault(b, v->at, "fieldref takes the name of a field, without wildcards");
    p.other = field_intern(b->r->names, v->text);
    return predicate_node(b, item, &p, v->text);
}

static struct node *exists_value(struct build *b, const struct item *item, const struct yaml *v)
{
    struct predicate p = { .kind = PREDICATE_EXISTS };

    if (!yaml_bool(v, &p.exists))
        return build_fault(b, v->at, "exists takes true or false");
    return predicate_node(b, item, &p, v->text);
}

/* Out of the memory in which it was made. */
static int keep_pattern(struct build *b, const struct pattern *p, struct pattern *ret)
{
    uint32_t *tokens = arena_array(b->a, p->n, sizeof *tokens);
    struct slice literal = p->literal.n ? arena_slice(b->a, p->literal) : SLICE("");

    if ((p->n && !tokens) || !literal.p)
        return -ENOMEM;
    if (p->n)
        memcpy(tokens, p->tokens, p->n * sizeof *tokens);
    *ret = *p;
    ret->tokens = tokens;
    ret->literal = literal;
    return 0;
}

struct node *pattern_node(struct build *b, const struct item *item, struct pattern *p,
                          const struct yaml *v)
{
    bool front = item->keyword || item_has(item, MOD(CONTAINS) | MOD(ENDSWITH));
    bool back = item->keyword || item_has(item, MOD(CONTAINS) | MOD(STARTSWITH));
    struct predicate pr = { .kind = PREDICATE_TEXT };

    p->cased = item_has(item, MOD(CASED));
    if (front && (p->n == 0 || p->tokens[0] != TOKEN_ANY) &&
        pattern_append(b->temp, p, TOKEN_ANY, true) < 0)
        return build_fault(b, v->at, "out of memory");
    if (back && (p->n == 0 || p->tokens[p->n - 1] != TOKEN_ANY) &&
        pattern_append(b->temp, p, TOKEN_ANY, false) < 0)
        return build_fault(b, v->at, "out of memory");
    if (pattern_finish(b->temp, p) < 0 || keep_pattern(b, p, &pr.pattern) < 0)
        return build_fault(b, v->at, "out of memory");
    return predicate_node(b, item, &pr, v->text);
}

static bool is_word(uint32_t t)
{
    return t == '_' || (t >= '0' && t <= '9') || (t < 128 && (t | 32) >= 'a' && (t | 32) <= 'z');
}

/* A dash or slash that starts a word: \B[-/]\b. */
static void mark_dashes(struct pattern *p)
{
    bool word_before = false;

    for (size_t i = 0; i + 1 < p->n; i++) {
        uint32_t t = p->tokens[i];

        if ((t == '-' || t == '/') && !word_before && is_word(p->tokens[i + 1]))
            p->tokens[i] = TOKEN_DASH;
        word_before = is_word(t);
    }
}

static struct node *text_value(struct build *b, const struct item *item, const struct yaml *v)
{
    struct pattern p;

    if (pattern_parse(b->temp, v->text, &p) < 0)
        return build_fault(b, v->at, "out of memory");
    if (item->keyword && p.n == 0)
        return build_fault(b, v->at, "an empty keyword stands in every event");
    if (item_has(item, MOD(WINDASH)))
        mark_dashes(&p);
    if (item_has(item, MOD(BASE64) | MOD(BASE64OFFSET) | MOD(WIDE)))
        return encoded_node(b, item, &p, v);
    return pattern_node(b, item, &p, v);
}

static struct node *null_value(struct build *b, const struct item *item, const struct yaml *v)
{
    struct predicate p = { .kind = PREDICATE_NULL };

    if (item->keyword)
        return build_fault(b, v->at, "a keyword without text");
    if (item->has & ~MOD(NEQ))
        return build_fault(b, v->at, "null takes no modifier but neq");
    return predicate_node(b, item, &p, SLICE("null"));
}

static struct node *plain_value(struct build *b, const struct item *item, const struct yaml *v)
{
    static const struct {
        unsigned has;
        struct node *(*node)(struct build *, const struct item *, const struct yaml *);
    } kinds[] = {
        { MOD(EXISTS), exists_value }, { MOD(RE), regex_value },
        { MOD(CIDR), cidr_value },     { MOD(FIELDREF), fieldref_value },
        { MOD(PART), time_value },     { MOD(COMPARE), number_value },
    };

    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        if (item_has(item, kinds[i].has))
            return kinds[i].node(b, item, v);
    return text_value(b, item, v);
}

/* ---- what was asked before ---- */

/* All that a predicate is made of; how it is combined with others is no part of it. */
static bool write_question(struct buf *out, const struct item *item, const struct yaml *v)
{
    const unsigned how[] = { item->has & ~(MOD(ALL) | MOD(NEQ) | MOD(EXPAND)),
                             item->re_flags,
                             (unsigned)item->wide,
                             (unsigned)item->compare,
                             (unsigned)item->part,
                             item->keyword };

    buf_reset(out);
    buf_add(out, how, sizeof how);
    buf_add(out, &item->field.n, sizeof item->field.n);
    buf_slice(out, item->field);
    buf_slice(out, v->text);
    return buf_ok(out);
}

/* Rules ask the same of an event again and again: it is kept, and answered, once. */
static struct node *shared_value(struct build *b, const struct item *item, const struct yaml *v)
{
    struct buf *question = &b->r->question;
    struct predicate *known;
    struct node *n;

    if (!write_question(question, item, v))
        return build_fault(b, v->at, "out of memory");
    known = table_get(b->r->asked, buf_view(question));
    n = known ? node_new(b->a, NODE_PREDICATE) : plain_value(b, item, v);
    if (n && known)
        n->predicate = known;
    else if (n && n->kind == NODE_PREDICATE &&
             table_put(b->r->asked, buf_view(question), n->predicate) < 0)
        return build_fault(b, v->at, "out of memory");
    return n;
}

/* ---- placeholders ---- */

static const struct placeholder *placeholder(const struct rules *r, struct slice name)
{
    const struct placeholder *p = r->placeholders;

    while (p && !slice_eq(p->name, name))
        p = p->next;
    return p;
}

static bool name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
}

/*
 * The next %name% from `from` on. A percent sign behind a backslash is plain;
 * one that no name and second sign follow is, too.
 */
static bool find_placeholder(struct slice text, size_t from, size_t *ret_at, size_t *ret_end)
{
    for (size_t i = from; i < text.n; i++) {
        size_t n = i + 1;

        if (text.p[i] == '\\') {
            i++;
            continue;
        }
        if (text.p[i] != '%')
            continue;
        while (n < text.n && name_char(text.p[n]))
            n++;
        if (n < text.n && text.p[n] == '%' && n > i + 1) {
            *ret_at = i;
            *ret_end = n + 1;
            return true;
        }
    }
    return false;
}

/* Inside a regular expression a value of the list is meant as it is written. */
static void quote(struct buf *out, struct slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] > 0 && strchr("\\^$.|?*+()[]{}#- /", s.p[i]))
            buf_char(out, '\\');
        buf_char(out, s.p[i]);
    }
}

/* \% is a percent sign; other escapes are left to the pattern. */
static void unescape(struct buf *out, struct slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '\\' && i + 1 < s.n && s.p[i + 1] == '%')
            i++;
        else if (s.p[i] == '\\' && i + 1 < s.n)
            buf_char(out, s.p[i++]);
        buf_char(out, s.p[i]);
    }
}

/* What the placeholders of one value have become so far. */
struct expansion {
    struct build *b;
    const struct item *item;
    const struct yaml *v;
    struct node *any;
    unsigned made, depth;
};

#define EXPANSIONS_MAX 100000
#define PLACEHOLDERS_MAX 8 /* in one value */

static bool expand_rest(struct expansion *x, struct slice done, size_t from);

static bool expansion_done(struct expansion *x, struct slice text)
{
    struct yaml one = *x->v;
    struct slice copy = arena_slice(x->b->a, text);

    if (++x->made > EXPANSIONS_MAX) {
        build_fault(x->b, x->v->at, "the placeholders of this value make more than %d texts",
                    EXPANSIONS_MAX);
        return false;
    }
    one.text = copy;
    one.plain = false; /* columns within the text are no longer those of the file */
    return copy.p && node_add(x->b->a, x->any, shared_value(x->b, x->item, &one)) == 0;
}

static bool expand_one(struct expansion *x, struct slice done, size_t at, size_t end)
{
    struct slice text = x->v->text;
    struct slice name = slice_of(text.p + at + 1, end - at - 2);
    const struct placeholder *list = placeholder(x->b->r, name);

    if (++x->depth > PLACEHOLDERS_MAX) {
        build_fault(x->b, x->v->at, "more than %d placeholders in one value", PLACEHOLDERS_MAX);
        return false;
    }
    if (!list) {
        diag_warning(x->b->d, x->v->at, "placeholder '%.*s' has no list: the rule is not evaluated",
                     SLICE_FMT(name));
        x->b->failed = true;
        return false;
    }
    for (size_t i = 0; i < list->n; i++) {
        AUTO_BUF more = BUF_INIT;

        buf_slice(&more, done);
        if (item_has(x->item, MOD(RE)))
            quote(&more, list->values[i]);
        else
            buf_slice(&more, list->values[i]);
        if (!buf_ok(&more) || !expand_rest(x, buf_view(&more), end))
            return false;
    }
    x->depth--;
    return true;
}

static bool expand_rest(struct expansion *x, struct slice done, size_t from)
{
    AUTO_BUF more = BUF_INIT;
    struct slice text = x->v->text;
    size_t at = text.n, end = text.n;
    bool found = find_placeholder(text, from, &at, &end);

    buf_slice(&more, done);
    unescape(&more, slice_of(text.p + from, at - from));
    if (!buf_ok(&more))
        return false;
    return found ? expand_one(x, buf_view(&more), at, end) : expansion_done(x, buf_view(&more));
}

/* %name% becomes an OR over the configured list; the text around it stays. */
static struct node *expand_value(struct build *b, const struct item *item, const struct yaml *v)
{
    struct expansion x = { b, item, v, node_new(b->a, NODE_OR), 0, 0 };

    /* A list without values leaves an OR of nothing: it never holds. */
    return x.any && expand_rest(&x, SLICE(""), 0) ? build_simplify(x.any) : NULL;
}

struct node *value_node(struct build *b, const struct item *item, const struct yaml *v)
{
    if (v->kind != YAML_SCALAR)
        return build_fault(b,
                           v->kind == YAML_MAP ? v->at
                           : v->key_at.line    ? v->key_at
                                               : v->at,
                           "a value must be text, a number or null");
    if (value_is_null(v) && !item_has(item, MOD(EXISTS)))
        return null_value(b, item, v);
    if (item_has(item, MOD(EXPAND)))
        return expand_value(b, item, v);
    return shared_value(b, item, v);
}
