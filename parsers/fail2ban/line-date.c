/* The date of a line: found, read, and cut out of it. */
#include "parsers/fail2ban/private.h"

#define RECENT_US (60 * USEC_PER_SEC)

void f2b_remember_time(struct fail2ban_state *s, uint64_t time_us)
{
    s->has_last = true;
    s->last_us = time_us;
}

static bool use_last(const struct dating *t)
{
    if (!t->s->has_last || t->s->last_us + RECENT_US <= t->now_us)
        return false;
    t->ret->time_us = t->s->last_us;
    t->ret->time_known = true;
    return true;
}

static bool time_of(const struct dating *t, const struct date_match *m, uint64_t *ret)
{
    struct same_date *same = &t->s->same;
    struct slice text = m->groups[0];
    uint64_t now_s = t->now_us / USEC_PER_SEC;

    if (same->template == m->template && same->now_s == now_s &&
        slice_eq(text, slice_of(same->text, same->n))) {
        *ret = same->time_us;
        return true;
    }
    same->template = NULL;
    if (!date_time(m, &t->f->zone, &t->s->cache, t->now_us, ret))
        return false;
    if (text.n && text.n <= sizeof same->text) {
        same->template = m->template;
        memcpy(same->text, text.p, text.n);
        same->n = text.n;
        same->now_s = now_s;
        same->time_us = *ret;
    }
    return true;
}

/* The date of the line, p NULL: none; its time in the result. */
static struct slice find_date(const struct dating *t, struct slice line)
{
    struct same_date *same = &t->s->same;
    UNINITIALIZED struct date_match m;
    struct slice date;

    if (same->template && same->now_s == t->now_us / USEC_PER_SEC &&
        date_repeats(&t->s->dates, line, t->now_us)) {
        t->ret->time_us = same->time_us;
        t->ret->time_known = true;
        return slice_of(line.p + same->cut_from, same->cut_n);
    }
    if (!date_find(&t->s->dates, t->s->scratch, line, t->now_us, &m, &t->s->given_up))
        return SLICE_NONE;
    date = m.template->ngroups > 1 ? m.groups[1] : SLICE_NONE;
    if (date.n && time_of(t, &m, &t->ret->time_us)) {
        t->ret->time_known = true;
        same->cut_from = (size_t)(date.p - line.p);
        same->cut_n = date.n;
    }
    return date;
}

struct slice f2b_cut_date(const struct dating *t, struct slice line)
{
    struct slice date;
    size_t from;
    char *p;

    t->ret->time_us = t->now_us;
    date = find_date(t, line);
    if (t->ret->time_known)
        f2b_remember_time(t->s, t->ret->time_us);
    else if (use_last(t))
        return line; /* with what was taken for a date */
    if (date.n == 0)
        return line;
    p = arena_text(t->s->result, line.n - date.n + 1);
    if (!p)
        return line;
    from = (size_t)(date.p - line.p);
    memcpy(p, line.p, from);
    memcpy(p + from, date.p + date.n, line.n - from - date.n);
    return slice_of(p, line.n - date.n);
}
