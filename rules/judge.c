/*
 * What an entry does to its group, and what time does: sliding windows, windows
 * that are judged at their end, values that are new, events that do not come.
 *
 * While signals are restored, nothing is judged that needs what was before them:
 * each says what it did.
 */
#include <errno.h>

#include "rules/correlate-private.h"

static bool set_due(struct taking *t, const struct rule *rule, struct group *g, uint64_t us)
{
    return due_set(&t->c->dues, &t->c->slab, rule_index(t->c, rule), g, us);
}

static int silence(struct taking *t, const struct rule *rule, struct group *g, uint64_t time_us)
{
    if (!rule->response.suppress_us)
        return 0;
    if (!group_more(&t->c->slab, g))
        return -ENOMEM;
    g->more->silent_until_us = time_us + rule->response.suppress_us;
    return 0;
}

/* By time, not by an event: a signal of its own says so. */
static int fire_at(struct taking *t, const struct rule *rule, struct group *g, uint64_t time_us,
                   const struct number *value)
{
    struct taking by_time = { .c = t->c, .b = t->b };
    const struct source_key none = { .position = 0 };
    struct heard group = { .text = key_of_group(g) };
    struct signal *mark;

    if (time_us < group_silent_until(g))
        return 0;
    if (silence(t, rule, g, time_us) < 0)
        return -ENOMEM;
    if (!t->b)
        return 0;
    mark = correlator_signal(&by_time, rule_index(t->c, rule), time_us, &none, &group, NULL);
    if (!mark)
        return -ENOMEM;
    mark->flags = SIGNAL_FIRED | SIGNAL_MARK;
    return correlator_fire(&by_time, rule, g, time_us, value);
}

/* ---- sliding windows ---- */

static void calm(struct taking *t, const struct rule *rule, struct group *g)
{
    g->active = false;
    if (!g->more)
        return;
    g->more->pending_us = 0;
    if (g->more->due_us)
        (void)set_due(t, rule, g, 0);
}

static int held_long_enough(struct taking *t, const struct rule *rule, struct group *g)
{
    uint64_t when = g->more->pending_us + rule->response.for_us;
    struct number value;

    g->more->pending_us = 0;
    (void)set_due(t, rule, g, 0);
    (void)condition_holds(rule, g, &value);
    return fire_at(t, rule, g, when, &value);
}

static uint64_t session_end(const struct rule *rule, const struct group *g)
{
    return rule->response.gap_us ? g->last_us + rule->response.gap_us + 1 : UINT64_MAX;
}

/* When the next entry leaves, or all of them because a session is over. */
static uint64_t next_leave(const struct rule *rule, const struct group *g)
{
    uint64_t leaves, end = session_end(rule, g);

    if (g->n == 0)
        return UINT64_MAX;
    leaves = group_at(g, 0)->time_us + rule->info.window_us;
    return leaves < end ? leaves : end;
}

static void leave(struct taking *t, const struct rule *rule, struct group *g, uint64_t now_us)
{
    struct number value;
    bool over = now_us >= session_end(rule, g);

    while (g->n && (over || group_at(g, 0)->time_us + rule->info.window_us <= now_us))
        group_drop_first(&t->c->slab, g);
    if (g->active && !condition_holds(rule, g, &value))
        calm(t, rule, g);
}

/*
 * Entries leave one moment after the other; at each the condition is judged, if it held. What
 * leaves at the very moment at which it would have held long enough has left before.
 */
static int pass_time(struct taking *t, const struct rule *rule, struct group *g, uint64_t now_us)
{
    int e = 0;

    while (e == 0) {
        uint64_t leaves = next_leave(rule, g);
        uint64_t since = more_of(g)->pending_us;
        uint64_t held = since ? since + rule->response.for_us : UINT64_MAX;

        if (held < leaves && held <= now_us)
            e = held_long_enough(t, rule, g);
        else if (leaves <= now_us)
            leave(t, rule, g, leaves);
        else
            break;
    }
    return e;
}

/* Most events see no other leave: that is known without a look at the list. */
static bool all_stay(const struct rule *rule, const struct group *g, uint64_t now_us)
{
    return !rule->response.for_us && !rule->response.gap_us &&
           (g->n == 0 || group_oldest_us(g) + rule->info.window_us > now_us);
}

/* This and judge() are the way of nearly all entries: they stand in their callers. */
static ALWAYS_INLINE int slide(struct taking *t, const struct rule *rule, struct group *g,
                               struct stamp *s)
{
    int e = 0;

    if (s->time_us > g->last_us) {
        if (!all_stay(rule, g, s->time_us))
            e = pass_time(t, rule, g, s->time_us);
        g->last_us = s->time_us;
    }
    if (e == 0 && group_renew(g, s))
        return 0;
    if (g->n >= ENTRIES_MAX)
        t->c->stats.dropped++;
    return e == 0 && !group_insert(&t->c->slab, rule->correlation, g, s) ? -ENOMEM : e;
}

static int begin_holding(struct taking *t, const struct rule *rule, struct group *g)
{
    t->did = SIGNAL_HOLDS;
    if (!group_more(&t->c->slab, g))
        return -ENOMEM;
    g->more->pending_us = g->last_us;
    return set_due(t, rule, g, g->last_us + rule->response.for_us) ? 0 : -ENOMEM;
}

/* What the stored signal did; the condition held before, if it says nothing. */
static int judge_again(struct taking *t, const struct rule *rule, struct group *g)
{
    struct number value;

    g->active = condition_holds(rule, g, &value);
    if (t->flags & SIGNAL_HOLDS)
        return begin_holding(t, rule, g);
    if (t->flags & SIGNAL_FIRED) {
        if (silence(t, rule, g, g->last_us) < 0)
            return -ENOMEM;
        if (rule->response.refire == REFIRE_RESET)
            group_clear(&t->c->slab, g);
    }
    return 0;
}

static int judge_all(struct taking *t, const struct rule *rule, struct group *g)
{
    struct number value;
    bool before = g->active;
    int e;

    if (!condition_holds(rule, g, &value)) {
        calm(t, rule, g);
        return 0;
    }
    g->active = true;
    if ((before && rule->response.refire != REFIRE_EVERY) || more_of(g)->pending_us)
        return 0;
    if (rule->response.for_us)
        return begin_holding(t, rule, g);
    if (g->last_us < group_silent_until(g))
        return 0;
    t->did = SIGNAL_FIRED;
    if (silence(t, rule, g, g->last_us) < 0)
        return -ENOMEM;
    e = correlator_fire(t, rule, g, g->last_us, &value);
    if (rule->response.refire == REFIRE_RESET)
        group_clear(&t->c->slab, g);
    return e;
}

static ALWAYS_INLINE int judge(struct taking *t, const struct rule *rule, struct group *g)
{
    if (!t->b)
        return judge_again(t, rule, g);
    if (!too_few(rule->correlation, g))
        return judge_all(t, rule, g);
    calm(t, rule, g);
    return 0;
}

static void mark_signal(struct taking *t, size_t mark)
{
    if (t->b && mark < t->b->nsignals)
        t->b->signals[mark].flags |= t->did;
}

static int judge_later(struct correlator *c, size_t rule, struct group *g, size_t mark)
{
    for (size_t i = 0; i < c->nopen; i++)
        if (c->open[i].group == g) {
            c->open[i].mark = mark;
            return 0;
        }
    if (c->nopen == c->open_cap) {
        size_t cap = c->open_cap ? c->open_cap * 2 : 8;
        struct open_judgement *list = realloc(c->open, cap * sizeof *list);

        if (!list)
            return -ENOMEM;
        c->open = list;
        c->open_cap = cap;
    }
    c->open[c->nopen++] = (struct open_judgement){ g, rule, mark };
    return 0;
}

int judge_open(struct taking *t)
{
    struct correlator *c = t->c;
    int e = 0;

    for (size_t i = 0; i < c->nopen && e == 0; i++) {
        struct open_judgement open = c->open[i]; /* what fires may add to the list */

        t->did = 0;
        e = judge(t, &c->rules->list[open.rule], open.group);
        mark_signal(t, open.mark);
    }
    c->nopen = 0;
    return e;
}

/* ---- windows that are judged at their end ---- */

static int window_begins(struct taking *t, const struct rule *rule, struct group *g,
                         uint64_t time_us)
{
    struct more *m = group_more(&t->c->slab, g);

    if (!m)
        return -ENOMEM;
    while (!m->opened_us && g->n && group_at(g, 0)->time_us < time_us)
        group_drop_first(&t->c->slab, g);
    m->opened_us = time_us;
    return set_due(t, rule, g, time_us + rule->info.window_us) ? 0 : -ENOMEM;
}

/* Restoring, the signal that opened its window may be gone, and the window with it. */
static int put_in_window(struct taking *t, const struct rule *rule, struct group *g,
                         struct stamp *s)
{
    uint64_t opened = more_of(g)->opened_us;
    bool opens = !opened || s->time_us < opened;
    int e = 0;

    if (!t->b && !opened)
        opens = (t->flags & SIGNAL_OPENS) != 0;
    if (opens) {
        t->did = SIGNAL_OPENS;
        e = window_begins(t, rule, g, s->time_us);
    }
    g->last_us = s->time_us > g->last_us ? s->time_us : g->last_us;
    return e == 0 && !group_insert(&t->c->slab, rule->correlation, g, s) ? -ENOMEM : e;
}

/* What came behind the end opens the next window; a signal of its own says so. */
static int open_next(struct taking *t, const struct rule *rule, struct group *g)
{
    struct heard group = { .text = key_of_group(g) };
    struct signal *mark = NULL;
    struct stamp first;

    stamp_unpack(g, 0, &first);
    if (t->b) {
        mark =
            correlator_signal(t, rule_index(t->c, rule), first.time_us, &first.key, &group, NULL);
        if (!mark)
            return -ENOMEM;
        mark->flags = SIGNAL_OPENS | SIGNAL_MARK;
    }
    return window_begins(t, rule, g, first.time_us);
}

static int close_window(struct taking *t, const struct rule *rule, struct group *g)
{
    const struct correlation *c = rule->correlation;
    uint64_t end = g->more->opened_us + rule->info.window_us; /* it is open: there is more */
    struct number value;
    struct aside later;
    int e = 0;

    if (!group_split(g, end, &later))
        return -ENOMEM;
    if (condition_holds(rule, g, &value))
        e = fire_at(t, rule, g, end, &value);
    group_clear(&t->c->slab, g);
    g->more->judged_us = end;
    g->more->opened_us = 0;
    if (!group_join(&t->c->slab, c, g, &later) || !set_due(t, rule, g, 0))
        e = e ? e : -ENOMEM;
    return e == 0 && g->n ? open_next(t, rule, g) : e;
}

int window_opens(struct taking *t, const struct rule *rule, struct group *g, uint64_t time_us)
{
    uint64_t opened = more_of(g)->opened_us;
    int e = 0;

    if (opened && time_us >= opened + rule->info.window_us)
        e = close_window(t, rule, g);
    if (e == 0 && t->flags & SIGNAL_MARK)
        e = window_begins(t, rule, g, time_us);
    return e;
}

/* ---- values that are new ---- */

/* True when one was forgotten that still counted. */
static bool forget_values(struct totals *totals, uint64_t span, uint64_t now)
{
    uint64_t oldest = UINT64_MAX;

    if (totals->tallies < ENTRIES_MAX)
        return false;
    tally_sweep(totals, now > span ? now - span : 0);
    if (totals->tallies < ENTRIES_MAX)
        return false;
    for (size_t i = 0; i < totals->tally_cap; i++)
        if (totals->tally[i].value && totals->tally[i].n < oldest)
            oldest = totals->tally[i].n;
    tally_sweep(totals, oldest);
    return true;
}

/* A group begins with its first event, or anew when all that it knew is forgotten. */
static void begin_learning(struct taking *t, const struct rule *rule, struct group *g, uint64_t now)
{
    if (g->last_us && now < g->last_us + rule->info.window_us)
        return;
    t->did = SIGNAL_OPENS;
    g->more->opened_us =
        t->b || (t->flags & SIGNAL_OPENS) ? now : 0; /* 0: it is older than what is left */
}

/* 1 = new, 0 = known. */
static int learn_value(struct taking *t, const struct rule *rule, struct group *g, uint64_t value,
                       uint64_t now)
{
    uint64_t span = rule->info.window_us;
    struct totals *totals = group_totals(&t->c->slab, rule->correlation, g);
    struct tally *seen;
    int is_new;

    if (!totals)
        return -ENOMEM;
    if (forget_values(totals, span, now)) {
        g->lower_bound = true;
        t->c->stats.dropped++;
    }
    seen = tally_add(&t->c->slab, totals, value);
    if (!seen)
        return -ENOMEM;
    is_new = seen->n == 0 || seen->n + span <= now;
    seen->n = now > seen->n ? now : seen->n;
    return is_new;
}

static int see_value(struct taking *t, const struct rule *rule, struct group *g, struct stamp *s)
{
    const struct number one = { .integer = true, .i = 1, .d = 1 };
    uint64_t now = s->time_us, learnt;
    int is_new, e;

    if (!group_more(&t->c->slab, g))
        return -ENOMEM;
    begin_learning(t, rule, g, now);
    is_new = learn_value(t, rule, g, s->value, now);
    g->last_us = now > g->last_us ? now : g->last_us;
    learnt = g->more->opened_us + rule->correlation->learn_us;
    if (!t->b && t->flags & SIGNAL_FIRED && silence(t, rule, g, now) < 0)
        return -ENOMEM;
    if (is_new <= 0 || !t->b || now < learnt || now < group_silent_until(g))
        return is_new < 0 ? is_new : 0;
    t->did |= SIGNAL_FIRED;
    if (silence(t, rule, g, now) < 0 || !group_insert(&t->c->slab, rule->correlation, g, s))
        return -ENOMEM;
    e = correlator_fire(t, rule, g, now, &one);
    group_clear(&t->c->slab, g);
    return e;
}

/* ---- events that do not come ---- */

/*
 * The first entry is what the group waits from. Later ones move it on, each within the span of the
 * one before; what comes behind the span waits until nothing can come into the gap any more.
 */
static int wait_from(struct taking *t, const struct rule *rule, struct group *g)
{
    uint64_t span = rule->info.window_us;

    while (g->n > 1 && group_at(g, 1)->time_us <= group_at(g, 0)->time_us + span)
        group_drop_first(&t->c->slab, g);
    return set_due(t, rule, g, g->n ? group_at(g, 0)->time_us + span : 0) ? 0 : -ENOMEM;
}

int group_expect(struct taking *t, const struct rule *rule, struct group *g, struct stamp *s)
{
    if (g->n && s->time_us < group_at(g, 0)->time_us)
        return 0;
    g->last_us = s->time_us > g->last_us ? s->time_us : g->last_us;
    if (!group_insert(&t->c->slab, rule->correlation, g, s))
        return -ENOMEM;
    return wait_from(t, rule, g);
}

static int miss(struct taking *t, const struct rule *rule, struct group *g)
{
    const struct number none = { .integer = true };
    const struct correlation *c = rule->correlation;
    uint64_t from = group_at(g, 0)->time_us;
    struct aside later;
    int e;

    if (!group_split(g, from + 1, &later))
        return -ENOMEM;
    e = fire_at(t, rule, g, from + rule->info.window_us, &none);
    group_clear(&t->c->slab, g);
    if (!group_join(&t->c->slab, c, g, &later))
        e = e ? e : -ENOMEM;
    return e ? e : wait_from(t, rule, g);
}

/* ---- what time alone fired ---- */

int group_fired(struct taking *t, const struct rule *rule, struct group *g, uint64_t time_us)
{
    uint64_t span = rule->info.window_us;

    if (rule->correlation->type == CORRELATE_EVENT_ABSENT)
        return g->n && group_at(g, 0)->time_us + span <= time_us ? miss(t, rule, g) : 0;
    if (rule->correlation->judged_at_end)
        return more_of(g)->opened_us && more_of(g)->opened_us + span <= time_us
                   ? close_window(t, rule, g)
                   : 0;
    return pass_time(t, rule, g, time_us);
}

/* ---- all types ---- */

int group_take(struct taking *t, const struct rule *rule, struct group *g, struct stamp *s,
               size_t mark)
{
    static int (*const takers[CORRELATION_TYPES])(struct taking *, const struct rule *,
                                                  struct group *, struct stamp *) = {
        [CORRELATE_VALUE_NEW] = see_value,
        [CORRELATE_EVENT_ABSENT] = group_expect,
    };
    const struct correlation *c = rule->correlation;
    int e;

    t->did = 0;
    if (takers[c->type])
        e = takers[c->type](t, rule, g, s);
    else if (c->judged_at_end)
        e = put_in_window(t, rule, g, s);
    else if (c->type == CORRELATE_EVENT_RATIO && t->b) {
        e = slide(t, rule, g, s);
        /* The event may count below the line, too. */
        return e ? e : judge_later(t->c, rule_index(t->c, rule), g, mark);
    } else {
        e = slide(t, rule, g, s);
        e = e ? e : judge(t, rule, g);
    }
    mark_signal(t, mark);
    return e;
}

int group_due(struct taking *t, const struct rule *rule, struct group *g)
{
    uint64_t now = g->more->due_us;
    int e;

    if (rule->correlation->type == CORRELATE_EVENT_ABSENT)
        return miss(t, rule, g);
    if (rule->correlation->judged_at_end)
        return close_window(t, rule, g);
    e = pass_time(t, rule, g, now);
    if (g->more->due_us == now)
        (void)set_due(t, rule, g, 0);
    return e;
}
