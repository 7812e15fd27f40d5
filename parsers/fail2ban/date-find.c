/*
 * Which template fits a line.
 *
 * First the one that fitted last, at its place when the bytes around it are the same; then all in
 * their order. A date that stands further back than dates of its template did so far, or than the
 * last one, is taken only when no other template finds one nearer to the front: it may be a part of
 * the message.
 */
#include <ctype.h>

#include "base/macros.h"
#include "parsers/fail2ban/date.h"

#define UNUSED_US (300 * USEC_PER_SEC) /* a template that lay idle so long gives way */
#define NO_DATE SIZE_MAX

struct found {
    size_t i, begin, end;
};

struct search {
    struct date_finder *f;
    struct regex_scratch *s;
    struct slice line;
    struct date_match *m;
    uint64_t *given_up;
};

void date_finder_init(struct date_finder *f, const struct date_set *set)
{
    *f = (struct date_finder){ .set = set, .n = set->n, .last = SIZE_MAX, .begin = 1 };
    f->before_begin = f->at_begin = f->before_end = f->at_end = -1;
    for (size_t i = 0; i < set->n; i++)
        f->order[i] = (struct date_use){ .template = (unsigned short)i, .distance = NO_DATE };
}

static const struct date_template *template_of(const struct date_finder *f, size_t i)
{
    return &f->set->list[f->order[i].template];
}

static int byte_at(struct slice line, size_t at)
{
    return at < line.n ? (unsigned char)line.p[at] : -1;
}

static int byte_before(struct slice line, size_t at)
{
    return at ? byte_at(line, at - 1) : -1;
}

static bool is_sign(int c)
{
    return c >= 0 && c < 0x80 && !isalnum(c);
}

/* Searches line[from, to). */
static bool search(struct search *q, size_t i, size_t from, size_t to, struct found *ret)
{
    const struct date_template *t = template_of(q->f, i);
    struct slice *g = q->m->groups;
    int rc = regex_match_from(t->re, q->s, slice_take(q->line, to), from, g, t->ngroups);

    if (rc < 0)
        ++*q->given_up;
    if (rc != 1)
        return false;
    q->m->template = t;
    ret->i = i;
    ret->begin = (size_t)(g[0].p - q->line.p);
    ret->end = ret->begin + g[0].n;
    return true;
}

/* Outside the same, or inside the same and no letter: the date stands where the last one did. */
static bool same_place(const struct date_finder *f, struct slice line)
{
    bool begin = byte_before(line, f->begin) == f->before_begin ||
                 (byte_at(line, f->begin) == f->at_begin && is_sign(f->at_begin));
    bool end = byte_at(line, f->end) == f->at_end ||
               (byte_before(line, f->end) == f->before_end && is_sign(f->before_end));

    return begin && end;
}

/* 1: it is that. 0: not. *ret_tried: searching it again is no use. */
static int try_last(struct search *q, struct found *ret, bool *ret_reserve, bool *ret_tried)
{
    struct date_finder *f = q->f;
    const struct date_template *t = template_of(f, f->last);
    bool at_place = !t->anchored && same_place(f, q->line);

    *ret_tried = !at_place;
    if (!search(q, f->last, at_place ? f->begin : 0, at_place ? f->end : SIZE_MAX, ret))
        return 0;
    if (f->n == 1 || t->anchored || (ret->begin == f->begin && ret->end == f->end))
        return 1;
    *ret_reserve = true;
    return 0;
}

/* All in their order, but `but`. */
static bool try_all(struct search *q, size_t but, struct found *best, bool reserve)
{
    struct date_match kept;

    if (reserve)
        kept = *q->m;
    for (size_t i = 0; i < q->f->n; i++) {
        struct found now;

        if (i == but || !search(q, i, 0, SIZE_MAX, &now))
            continue;
        if (i + 1 >= q->f->n || template_of(q->f, i)->anchored ||
            (now.begin <= q->f->order[i].distance && now.begin <= q->f->begin)) {
            *best = now;
            return true;
        }
        if (!reserve || now.begin < best->begin) {
            *best = now;
            kept = *q->m;
            reserve = true;
        }
    }
    if (reserve)
        *q->m = kept;
    return reserve;
}

/* ---- order ---- */

static double weight(const struct date_finder *f, size_t i)
{
    const struct date_use *u = &f->order[i];

    return u->hits * f->set->list[u->template].weight / (double)(u->distance ? u->distance : 1);
}

static bool gives_way(const struct date_finder *f, size_t pos, double w, uint64_t last_us)
{
    return w > weight(f, pos) ||
           (last_us > UNUSED_US && last_us - UNUSED_US > f->order[pos].last_us);
}

/* Nearer to the front when it earns it: at once to the first unused place or halfway, or by one. */
static size_t move_up(struct date_finder *f, size_t i)
{
    size_t pos = f->first_unused < i ? f->first_unused : i / 2;
    struct date_use moved = f->order[i];
    double w = weight(f, i);

    if (!gives_way(f, pos, w, moved.last_us)) {
        if (pos == i - 1 || !gives_way(f, i - 1, w, moved.last_us))
            return i;
        pos = i - 1;
    }
    memmove(&f->order[pos + 1], &f->order[pos], (i - pos) * sizeof moved);
    f->order[pos] = moved;
    while (f->first_unused < f->n && f->order[f->first_unused].hits)
        f->first_unused++;
    return pos;
}

/*
 * Built-in templates go on behind what they found with a fraction, a year, a zone or the minutes of
 * one: behind blanks a digit, a sign or a letter of Z, UTC, GMT. Where another byte stands, a line
 * that is the same up to it has the same date.
 */
static void remember(struct date_finder *f, struct slice line, const struct found *x)
{
    static const char goes_on[] = "0123456789.,:+-ZUGzug";
    size_t n = x->end;

    f->nseen = 0;
    while (n < line.n && n < sizeof f->seen && isspace((unsigned char)line.p[n]))
        n++;
    if (!template_of(f, f->last)->begins || x->begin != 0 || n >= line.n || n >= sizeof f->seen ||
        memchr(goes_on, line.p[n], sizeof goes_on - 1))
        return;
    memcpy(f->seen, line.p, n + 1);
    f->nseen = n + 1;
}

bool date_repeats(struct date_finder *f, struct slice line, uint64_t now_us)
{
    struct date_use *u;

    if (f->nseen == 0 || line.n < f->nseen || memcmp(line.p, f->seen, f->nseen) != 0)
        return false;
    u = &f->order[f->last];
    u->hits += u->hits < 1000000000;
    u->last_us = now_us;
    return true;
}

static void learn(struct date_finder *f, struct slice line, const struct found *x, uint64_t now_us)
{
    struct date_use *u = &f->order[x->i];
    size_t i = x->i;

    u->hits += u->hits < 1000000000;
    u->last_us = now_us;
    u->distance = x->begin;
    if (f->first_unused == i)
        f->first_unused++;
    f->begin = x->begin;
    f->end = x->end;
    f->before_begin = byte_before(line, x->begin);
    f->at_begin = byte_at(line, x->begin);
    f->before_end = byte_before(line, x->end);
    f->at_end = byte_at(line, x->end);
    if (i && i != f->last)
        i = move_up(f, i);
    f->last = i;
    remember(f, line, x);
}

int date_find(struct date_finder *f, struct regex_scratch *s, struct slice line, uint64_t now_us,
              struct date_match *ret, uint64_t *given_up)
{
    struct search q = { f, s, line, ret, given_up };
    struct found best = { 0, SIZE_MAX, SIZE_MAX };
    bool reserve = false, tried = false, found = false;

    if (f->last < f->n)
        found = try_last(&q, &best, &reserve, &tried);
    if (!found)
        found = try_all(&q, tried ? f->last : SIZE_MAX, &best, reserve);
    if (found)
        learn(f, line, &best, now_us);
    return found;
}
