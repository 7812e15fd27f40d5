/*
 * The condition: or < and < not < `X of P` < parentheses, over search identifiers.
 * Words are whole words; operators in any letter case, identifiers as written.
 */
#include "rules/detection.h"

#define DEPTH_MAX 100

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

    while (p->rest.n && p->rest.p[0] && strchr(" \t\r\n", p->rest.p[0]))
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

/* A condition on one line of its own has columns; in a block or quotes with escapes it has not. */
static struct node *parse_fault(struct parse *p, const char *what)
{
    struct src_pos at = p->node->at;

    if (p->node->plain && slice_find_byte(p->node->text, '\n') == SIZE_MAX)
        at.column += build_columns(p->node->text.p, p->token.p);
    return build_fault(p->b, at, "%s '%.*s'", what, SLICE_FMT(slice_take(p->token, 60)));
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

/* * stands for any characters, everything else for itself. */
static bool name_fits(struct slice pattern, struct slice name)
{
    size_t i = 0, at = 0, star = SIZE_MAX, star_at = 0;

    while (at < name.n) {
        if (i < pattern.n && pattern.p[i] == '*') {
            star = i++;
            star_at = at;
        } else if (i < pattern.n && pattern.p[i] == name.p[at]) {
            i++;
            at++;
        } else if (star != SIZE_MAX) {
            i = star + 1;
            at = ++star_at;
        } else {
            return false;
        }
    }
    while (i < pattern.n && pattern.p[i] == '*')
        i++;
    return i == pattern.n;
}

/* `1 of them`, `all of selection_*`; names with _ in front only when the pattern has it. */
static struct node *of_node(struct parse *p, bool all)
{
    struct node *n = node_new(p->b->a, all ? NODE_AND : NODE_OR);
    struct slice pattern;
    bool them;

    next_token(p); /* of */
    next_token(p);
    pattern = p->token;
    them = token_is(p, "them");
    if (pattern.n == 0 || !word_char(pattern.p[0]))
        return parse_fault(p, "a name or pattern is missing after 'of' at");
    YAML_EACH (y, p->b->detection) {
        bool hidden = y->key.n && y->key.p[0] == '_' && (them || pattern.p[0] != '_');

        if (!is_identifier(p->b, y) || hidden)
            continue;
        if ((them || name_fits(pattern, y->key)) &&
            (!n || node_add(p->b->a, n, identifier_node(p, y)) < 0))
            return NULL;
    }
    if (n && n->n == 0)
        return parse_fault(p, "no selection fits");
    next_token(p);
    return n ? build_simplify(n) : NULL;
}

static struct node *parse_or(struct parse *p);

static bool followed_by_of(const struct parse *p)
{
    struct parse look = *p;

    next_token(&look);
    return token_is(&look, "of");
}

static struct node *parenthesis(struct parse *p)
{
    struct node *n;

    next_token(p);
    n = parse_or(p);
    if (n && !token_is(p, ")"))
        return parse_fault(p, "a ')' is missing before");
    next_token(p);
    return n;
}

static struct node *name_node(struct parse *p)
{
    const struct yaml *y = NULL;
    struct node *n;

    YAML_EACH (m, p->b->detection)
        if (slice_eq(m->key, p->token) && is_identifier(p->b, m))
            y = m;
    if (!y && p->token.n == 0)
        return parse_fault(p, "the condition ends too early:");
    if (!y && token_is(p, "|"))
        return parse_fault(p, "counting belongs in a correlation rule, not behind");
    if (!y && slice_find_byte(p->token, '*') != SIZE_MAX)
        return parse_fault(p, "'1 of' or 'all of' is missing before");
    if (!y)
        return parse_fault(p, "no selection is called");
    n = identifier_node(p, y);
    next_token(p);
    return n;
}

static struct node *parse_primary(struct parse *p)
{
    if (token_is(p, "("))
        return parenthesis(p);
    if (followed_by_of(p)) {
        if (token_is(p, "1") || token_is(p, "any") || token_is(p, "all"))
            return of_node(p, token_is(p, "all"));
        return parse_fault(p, "before 'of' stands 1, any or all, not");
    }
    if (token_is(p, "them"))
        return parse_fault(p, "'1 of' or 'all of' is missing before");
    return name_node(p);
}

static struct node *parse_not(struct parse *p)
{
    struct node *n;

    if (++p->depth > DEPTH_MAX)
        return parse_fault(p, "the condition is nested too deep at");
    if (token_is(p, "not")) {
        next_token(p);
        n = parse_not(p);
        n = n ? build_negate(p->b, n) : NULL;
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
            return build_simplify(all);
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

struct node *condition_node(struct build *b, const struct yaml *y)
{
    struct parse p = { .b = b, .rest = y->text, .node = y };
    struct node *n;

    if (y->kind != YAML_SCALAR)
        return build_fault(b, y->at, "a condition is a text");
    next_token(&p);
    n = parse_or(&p);
    if (n && token_is(&p, "|"))
        return parse_fault(&p, "counting belongs in a correlation rule, not behind");
    if (n && p.token.n)
        return parse_fault(&p, "the condition is over before");
    return n;
}
