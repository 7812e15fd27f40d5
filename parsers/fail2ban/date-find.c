/*
 * Which template fits a line, and what time it says.
 *
 * Templates are asked in their order. One that is anchored, or that fits at the front, is it; a
 * date further back may be a part of the message, so it counts only when no other template finds
 * one nearer to the front.
 */
#include <ctype.h>

#include "base/macros.h"
#include "parsers/fail2ban/private.h"

#define FRONT 1 /* "[Sat Nov 21 ..." */

static bool search(const struct date_template *t, struct regex_scratch *s, struct slice line,
                   struct date_match *m, uint64_t *given_up)
{
    int rc = regex_match(t->re, s, line, m->groups, t->ngroups);

    if (rc < 0)
        ++*given_up;
    m->template = t;
    return rc == 1;
}

bool date_find(const struct date_set *set, struct regex_scratch *s, struct slice line,
               struct date_match *ret, uint64_t *given_up)
{
    const uint16_t *next = set->by_first[line.n ? (unsigned char)line.p[0] : '\n'];
    const char *best = NULL;
    UNINITIALIZED struct date_match now;

    for (; *next != NO_REGEX; next++) {
        const struct date_template *t = &set->list[*next];

        if (!search(t, s, line, &now, given_up))
            continue;
        if (best && now.groups[0].p >= best && !t->anchored)
            continue;
        best = now.groups[0].p;
        ret->template = t;
        memcpy(ret->groups, now.groups, t->ngroups * sizeof *now.groups);
        if (t->anchored || best <= line.p + FRONT)
            return true;
    }
    return best != NULL;
}

/* ---- the line before ---- */

/*
 * Built-in templates go on behind what they found with a fraction, a year, a zone or the minutes of
 * one: behind blanks a digit, a sign or a letter of Z, UTC, GMT. Where another byte stands, a line
 * that is the same up to it has the same date.
 */
static void remember(const struct dating *d, struct slice line, const struct date_match *m,
                     const struct dated *x)
{
    static const char goes_on[] = "0123456789.,:+-ZUGzug";
    struct date_memory *mem = d->memory;
    size_t n = (size_t)(m->groups[0].p - line.p) + m->groups[0].n;

    mem->nseen = 0;
    while (n < line.n && n < sizeof mem->seen && isspace((unsigned char)line.p[n]))
        n++;
    if (!x->known || !m->template->begins || m->groups[0].p != line.p || n >= line.n ||
        n >= sizeof mem->seen || memchr(goes_on, line.p[n], sizeof goes_on - 1))
        return;
    memcpy(mem->seen, line.p, n + 1);
    mem->nseen = n + 1;
    mem->cut_from = (size_t)(x->cut.p - line.p);
    mem->cut_n = x->cut.n;
    mem->time_us = x->time_us;
}

static bool repeats(const struct dating *d, struct slice line, struct dated *ret)
{
    const struct date_memory *mem = d->memory;

    if (mem->nseen == 0 || line.n < mem->nseen || memcmp(line.p, mem->seen, mem->nseen) != 0)
        return false;
    *ret = (struct dated){ slice_of(line.p + mem->cut_from, mem->cut_n), mem->time_us, true };
    return true;
}

/* What is remembered is of this set, zone and second. */
static void refresh(const struct dating *d)
{
    struct date_memory *mem = d->memory;
    uint64_t now_s = d->now_us / USEC_PER_SEC;

    if (mem->set == d->set && mem->now.zone == d->zone && mem->now.now_s == now_s)
        return;
    mem->set = d->set;
    mem->now = (struct date_now){ .zone = d->zone, .now_s = now_s };
    mem->nseen = 0;
}

void date_of(const struct dating *d, struct slice line, struct dated *ret)
{
    UNINITIALIZED struct date_match m;

    refresh(d);
    if (repeats(d, line, ret))
        return;
    *ret = (struct dated){ .time_us = d->now_us };
    if (!date_find(d->set, d->scratch, line, &m, d->given_up))
        return;
    if (m.template->ngroups > 1)
        ret->cut = m.groups[1];
    ret->known = ret->cut.n && date_time(&m, d->fixed, &d->memory->now, &ret->time_us);
    remember(d, line, &m, ret);
}
