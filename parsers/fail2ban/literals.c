/*
 * What a line must hold for an expression of failregex to fit.
 *
 * Expressions see the line without its date, so a text that they need may stand in the line in two
 * pieces with the date between them. Where the date stands in front, only the first bytes of the
 * text can be cut off: the rest of it is whole. Where it may stand anywhere, one half is whole.
 */
#include "parsers/fail2ban/private.h"

static struct literals one_half(struct literal_maker *m, struct slice text)
{
    struct literals front = literals_exactly(m, slice_take(text, text.n / 2));

    return literals_or(m, front, literals_exactly(m, slice_skip(text, text.n / 2)));
}

static struct literals one_in_line(struct literal_maker *m, struct slice text, unsigned before)
{
    if (literal_digits(text))
        return literals_none("the date may stand inside of the digits that it needs");
    if (before == DATE_ANYWHERE)
        return one_half(m, text);
    return literals_exactly(m, slice_skip(text, before));
}

/* Of a set of texts: all of them as they stand in a line with its date. */
static struct literals in_line(struct literal_maker *m, const struct literals *set, unsigned before)
{
    struct literals all = { .n = 0 };

    if (set->none || before == 0)
        return *set;
    for (size_t i = 0; i < set->n && !all.none; i++)
        all = literals_or(m, all, one_in_line(m, set->list[i], before));
    return all;
}

static struct literals of_expression(const struct expression *x, unsigned before,
                                     struct literal_maker *m)
{
    struct literals set = regex_literals(x->loose ? x->loose : x->re, NULL, m);

    return in_line(m, &set, before);
}

struct literals fail2ban_literals(const struct fail2ban *f, struct literal_maker *m)
{
    unsigned before = date_set_before(&f->dates);
    struct literals all = { .n = 0 }, pref = literals_none("no literal in any expression");

    if (f->maxlines > 1)
        return literals_none("several lines are looked at together");
    if (f->pref)
        pref = of_expression(f->pref, before, m);
    for (size_t i = 0; i < f->nfail && !all.none; i++)
        all = literals_or(m, all, literals_and(m, pref, of_expression(&f->fail[i], before, m)));
    return all;
}
