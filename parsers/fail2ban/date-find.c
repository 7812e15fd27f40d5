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

#define YEARLY_US (UINT64_C(300) * 86400 * USEC_PER_SEC)

static bool is_second(const char *p)
{
    return p[0] >= '0' && p[0] <= '5' && p[1] >= '0' && p[1] <= '9';
}

static unsigned second(const char *p)
{
    return (unsigned)(p[0] - '0') * 10 + (unsigned)(p[1] - '0');
}

/*
 * Where the second stands when nothing else depends on it: another one from 00 to 59 fits the same
 * template in the same way, which is the first that is asked, and it is far from where the present
 * decides about the year or the day. 0: it does not stand so.
 */
static size_t second_of(const struct dating *d, struct slice line, const struct date_match *m,
                        uint64_t time_us)
{
    const struct date_template *t = m->template, *first;
    bool day = false;
    size_t at = 0;

    first = &d->set->list[d->set->by_first[(unsigned char)line.p[0]][0]];
    if (t != first || time_us > d->now_us || time_us + YEARLY_US < d->now_us)
        return 0;
    for (size_t i = 1; i < t->ngroups; i++) {
        if (t->keys[i] == 'S' && m->groups[i].n == 2 && is_second(m->groups[i].p))
            at = (size_t)(m->groups[i].p - line.p);
        day = day || (t->keys[i] == 'd' && m->groups[i].p);
    }
    return day ? at : 0;
}

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
    mem->second_at = second_of(d, line, m, x->time_us);
}

static bool same_but_second(const struct date_memory *mem, struct slice line, uint64_t *ret_us)
{
    size_t at = mem->second_at;

    *ret_us = mem->time_us;
    if (line.n < mem->nseen)
        return false;
    if (at == 0)
        return memcmp(line.p, mem->seen, mem->nseen) == 0;
    if (!is_second(line.p + at) ||
        memcmp(line.p + at + 2, mem->seen + at + 2, mem->nseen - at - 2) ||
        memcmp(line.p, mem->seen, at) != 0)
        return false;
    *ret_us += (uint64_t)second(line.p + at) * USEC_PER_SEC;
    *ret_us -= (uint64_t)second(mem->seen + at) * USEC_PER_SEC;
    return true;
}

static bool repeats(const struct dating *d, struct slice line, struct dated *ret)
{
    const struct date_memory *mem = d->memory;
    uint64_t time_us;

    if (mem->nseen == 0 || !same_but_second(mem, line, &time_us))
        return false;
    *ret = (struct dated){ slice_of(line.p + mem->cut_from, mem->cut_n), time_us, true };
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
