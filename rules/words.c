/*
 * Conditions in words over the rules of a temporal correlation.
 *
 *     or < and < not < parentheses; a name is the id, name or title of one of `rules`
 *
 * With `not` nothing is known before the window is over.
 */
#include "rules/build.h"

#define DEPTH_MAX 64
#define WORDS_MAX 1000

struct words {
    struct rule_build *b;
    const struct yaml *y;
    struct slice rest, word; /* word.n == 0: the end */
    unsigned n;
};

static bool is_part_of_word(char c)
{
    return c != '(' && c != ')' && c != ' ' && c != '\t' && c != '\n' && c != '\r';
}

static void next(struct words *w)
{
    size_t n = 0;

    w->rest = slice_trim(w->rest);
    if (w->rest.n)
        n = 1;
    while (n && is_part_of_word(w->rest.p[0]) && n < w->rest.n && is_part_of_word(w->rest.p[n]))
        n++;
    w->word = slice_take(w->rest, n);
    w->rest = slice_skip(w->rest, n);
    w->n++;
}

static bool is_word(const struct words *w, const char *text)
{
    return w->word.n && slice_eq_nocase(w->word, slice_str(text));
}

static struct part_test *test_new(struct words *w, int kind, struct part_test *a,
                                  struct part_test *b)
{
    struct part_test *t = a || kind == PART_SEEN ? arena_alloc(w->b->r->arena, sizeof *t) : NULL;

    if (!t || (kind != PART_SEEN && kind != PART_NOT && !b))
        return NULL;
    t->kind = kind;
    t->a = a;
    t->b = b;
    return t;
}

static struct part_test *any_of(struct words *w, unsigned depth);

static struct part_test *name(struct words *w)
{
    const struct correlation *c = w->b->c;
    struct part_test *t = test_new(w, PART_SEEN, NULL, NULL);
    size_t i = rules_find(w->b->r, w->word);

    for (size_t p = 0; t && i != SIZE_MAX && p < c->nrules; p++)
        if (c->parts[p] == i) {
            t->part = (uint32_t)p;
            next(w);
            return t;
        }
    diag_error(w->b->d, w->y->at, "the condition names '%.*s', which is none of 'rules'",
               SLICE_FMT(w->word));
    w->b->failed = true;
    return NULL;
}

static struct part_test *one(struct words *w, unsigned depth)
{
    struct part_test *t;

    if (depth > DEPTH_MAX || w->n > WORDS_MAX) {
        rule_fault(w->b, w->y, "this condition is too long or too deep");
        return NULL;
    }
    if (is_word(w, "not")) {
        next(w);
        w->b->c->judged_at_end = true;
        t = one(w, depth + 1);
        return test_new(w, PART_NOT, t, NULL);
    }
    if (!is_word(w, "("))
        return name(w);
    next(w);
    t = any_of(w, depth + 1);
    if (t && !is_word(w, ")")) {
        rule_fault(w->b, w->y, "a parenthesis is open at the end of the condition");
        return NULL;
    }
    next(w);
    return t;
}

static struct part_test *all_of(struct words *w, unsigned depth)
{
    struct part_test *t = one(w, depth);

    while (t && is_word(w, "and")) {
        next(w);
        t = test_new(w, PART_AND, t, one(w, depth));
    }
    return t;
}

static struct part_test *any_of(struct words *w, unsigned depth)
{
    struct part_test *t = all_of(w, depth);

    while (t && is_word(w, "or")) {
        next(w);
        t = test_new(w, PART_OR, t, all_of(w, depth));
    }
    return t;
}

void correlation_text(struct rule_build *b, const struct yaml *y)
{
    struct words w = { .b = b, .y = y, .rest = y->text };

    next(&w);
    b->c->text = any_of(&w, 0);
    if (b->failed)
        return;
    if (!b->c->text)
        rule_fault(b, y, "out of memory");
    else if (w.word.n)
        rule_fault(b, y, "something follows the condition: 'and' or 'or' is missing");
}
