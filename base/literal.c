#include "base/literal.h"

#include <stdlib.h>

#define COST_NONE 1000000u
#define COST_GOOD 200u /* of a set, and for each of its literals this much more: */
#define COST_EACH 12u

/* Runs of what logs say all the time; a literal that stands in here says little. */
static const char common[] =
    " http/1.0 http/1.1 http/2.0 200 ok get post message level info: user name username from time "
    "timestamp date client address connection request response server status port -0000 +0000 "
    "00:00:00 .000000 2024 2025 2026 2027 127.0.0.1 https:// true false null root localhost "
    "service ";

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

struct slice literal_lower(struct arena *a, struct slice text)
{
    char *out = arena_text(a, text.n + 1);

    for (size_t i = 0; out && i < text.n; i++)
        out[i] = lower(text.p[i]);
    return out ? slice_of(out, text.n) : SLICE_NONE;
}

/*
 * Some format may write these otherwise: JSON and Go escape, logfmt quotes, a mask is put where a
 * secret was (*), and half a surrogate pair is read as a question mark.
 */
static bool cuts(char c)
{
    return (unsigned char)c <= 0x1f || (unsigned char)c >= 0x7f || strchr("\"\\<>&*?", c);
}

/* ---- what a literal lets through ---- */

/* Of a thousand sample lines, how many hold it? */
static unsigned share(const struct literal_sample *s, struct slice literal)
{
    struct slice rest = s->text;
    size_t hits = 0, at;

    while ((at = slice_find(rest, literal)) != SIZE_MAX) {
        size_t end = slice_find_byte(slice_skip(rest, at), '\0');

        hits++;
        if (end == SIZE_MAX)
            break;
        rest = slice_skip(rest, at + end + 1);
    }
    return (unsigned)(hits * 1000 / (s->nlines ? s->nlines : 1));
}

static unsigned cost_of_length(struct slice literal)
{
    return 1 + (unsigned)(160 / (literal.n * literal.n));
}

static unsigned cost_of_use(const struct literal_maker *m, struct slice literal)
{
    return (m->sample ? share(m->sample, literal) : 0) +
           (slice_find(SLICE(common), literal) != SIZE_MAX ? 300 : 0);
}

static unsigned cost_of(const struct literal_maker *m, struct slice literal)
{
    return cost_of_length(literal) + cost_of_use(m, literal);
}

/*
 * Of many literals some are weighed for all. What each costs however rare it is stands for what is
 * not known of it; of a long list that is not more than of one of SAMPLED.
 */
#define SAMPLED 64

unsigned literals_cost(struct literal_maker *m, struct literals *set)
{
    size_t step = set->n / SAMPLED + 1;
    uint64_t known = 0, each = 0;

    if (set->none)
        return COST_NONE;
    if (set->cost)
        return set->cost;
    for (size_t i = 0; i < set->n; i += step) {
        each += cost_of_length(set->list[i]);
        known += cost_of_use(m, set->list[i]);
    }
    known = known * step + each + set->extra;
    set->cost = known < COST_NONE - 1 ? 1 + (unsigned)known : COST_NONE - 1;
    return set->cost;
}

bool literals_good(struct literal_maker *m, struct literals *set)
{
    return literals_cost(m, set) <= COST_GOOD + COST_EACH * set->n;
}

/* ---- sets ---- */

static struct literals one(struct literal_maker *m, struct slice literal)
{
    struct slice *list = arena_alloc(m->arena, sizeof *list);

    if (!list || !literal.p) {
        m->failed = true;
        return literals_none("out of memory");
    }
    *list = literal;
    return (struct literals){ .list = list, .n = 1 };
}

struct literals literals_exactly(struct literal_maker *m, struct slice text)
{
    return text.n < LITERAL_MIN ? literals_none("too short")
                                : one(m, literal_lower(m->arena, text));
}

/* Only when there is more than one piece are they weighed. */
struct literals literals_of(struct literal_maker *m, struct slice text)
{
    struct slice best = SLICE_NONE;
    unsigned best_cost = 0;

    for (size_t i = 0, from = 0; i <= text.n; i++) {
        struct slice piece = slice_of(text.p + from, i - from);

        if (i < text.n && !cuts(text.p[i]) && (text.p[i] != '/' || i == from))
            continue;
        from = i < text.n && text.p[i] == '/' ? i : i + 1;
        if (piece.n < LITERAL_MIN)
            continue;
        piece = literal_lower(m->arena, piece);
        if (!piece.p) {
            m->failed = true;
        } else if (!best.p) {
            best = piece;
        } else {
            unsigned cost = cost_of(m, piece);

            best_cost = best_cost ? best_cost : cost_of(m, best);
            if (cost >= best_cost)
                continue;
            best = piece;
            best_cost = cost;
        }
    }
    return best.p ? one(m, best) : literals_none("too short");
}

struct literals literals_and(struct literal_maker *m, struct literals a, struct literals b)
{
    if (a.none && (a.why == NULL || !b.none))
        return b;
    if (a.none || b.none || a.n == 0)
        return a;
    if (b.n == 0)
        return b;
    return literals_cost(m, &b) < literals_cost(m, &a) ? b : a;
}

/* What holds a longer one holds the shorter one that stands in it, too. */
static bool covered(const struct slice *list, size_t n, struct slice literal)
{
    for (size_t i = 0; i < n; i++)
        if (literal.n >= list[i].n && slice_find(literal, list[i]) != SIZE_MAX)
            return true;
    return false;
}

/* ---- many ---- */

struct entry {
    struct slice text;
    bool told;
};

/*
 * Literals in the order of their bytes, none of which begins with another: so the last one that is
 * not behind a text is the only one that the text can begin with.
 */
struct directory {
    struct entry *list;
    size_t n;
    uint8_t starts[8192]; /* bits: some literal may begin with these bytes */
};

static unsigned start_of(const char *p)
{
    uint32_t head;

    memcpy(&head, p, LITERAL_MIN);
    return (head * UINT32_C(2654435761)) >> 16;
}

static int by_text(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;

    return slice_cmp(x->text, y->text);
}

static bool directory_fill(struct directory *d, struct arena *a, const struct slice *list, size_t n)
{
    size_t kept = 0;

    d->list = arena_array(a, n, sizeof *d->list);
    if (!d->list)
        return false;
    for (size_t i = 0; i < n; i++)
        d->list[i].text = list[i];
    qsort(d->list, n, sizeof *d->list, by_text);
    for (size_t i = 0; i < n; i++) {
        struct slice text = d->list[i].text;

        if (kept && slice_starts(text, d->list[kept - 1].text))
            continue;
        d->list[kept++].text = text;
        d->starts[start_of(text.p) / 8] |= (uint8_t)(1u << start_of(text.p) % 8);
    }
    d->n = kept;
    return true;
}

/* The literal with which the text begins, or NULL. */
static struct entry *directory_find(const struct directory *d, struct slice text)
{
    size_t from = 0, to = d->n;

    if (!(d->starts[start_of(text.p) / 8] & 1u << start_of(text.p) % 8))
        return NULL;
    while (from < to) {
        size_t middle = from + (to - from) / 2;

        if (slice_cmp(d->list[middle].text, text) <= 0)
            from = middle + 1;
        else
            to = middle;
    }
    return from && slice_starts(text, d->list[from - 1].text) ? &d->list[from - 1] : NULL;
}

/* Does no other one stand in it? Of two that are the same the first counts. */
static bool is_wanted(const struct directory *d, struct slice literal)
{
    struct entry *own = directory_find(d, literal);

    if (own->text.n < literal.n || own->told)
        return false;
    for (struct slice rest = slice_skip(literal, 1); rest.n >= LITERAL_MIN;
         rest = slice_skip(rest, 1))
        if (directory_find(d, rest))
            return false;
    own->told = true;
    return true;
}

void literals_take(struct literal_union *u, struct literals l)
{
    if (u->none.none || l.none) {
        u->none = u->none.none ? u->none : l;
        return;
    }
    u->extra += l.extra;
    if (u->n + l.n > u->cap) {
        size_t cap = u->cap * 2 > u->n + l.n ? u->cap * 2 : u->n + l.n;
        struct slice *list = arena_array(u->m->arena, cap, sizeof *list);

        if (!list) {
            u->m->failed = true;
            u->none = literals_none("out of memory");
            return;
        }
        if (u->n)
            memcpy(list, u->list, u->n * sizeof *list);
        u->list = list;
        u->cap = cap;
    }
    if (l.n)
        memcpy(u->list + u->n, l.list, l.n * sizeof *l.list);
    u->n += l.n;
}

struct literals literals_taken(struct literal_union *u)
{
    struct directory d = { .n = 0 };
    struct slice *kept;
    size_t n = 0;

    if (u->none.none || u->n == 0)
        return u->none;
    kept = arena_array(u->m->arena, u->n, sizeof *kept);
    if (!kept || !directory_fill(&d, u->m->arena, u->list, u->n)) {
        u->m->failed = true;
        return literals_none("out of memory");
    }
    for (size_t i = 0; i < u->n; i++)
        if (is_wanted(&d, u->list[i]))
            kept[n++] = u->list[i];
    if (n > LITERALS_MAX)
        return literals_none("more literals than are worth a scan");
    return (struct literals){ .list = kept, .n = n, .extra = u->extra };
}

/* So few that comparing all with all is fastest. */
#define FEW 400

/* As literals_taken() does it. Room for the smaller result is never missing: it is in the arena. */
static struct literals few_or(struct literal_maker *m, struct literals a, struct literals b)
{
    struct slice *list = arena_array(m->arena, a.n + b.n, sizeof *list);
    size_t n = 0, kept = 0;

    if (!list) {
        m->failed = true;
        return literals_none("out of memory");
    }
    for (size_t i = 0; i < b.n; i++)
        if (!covered(a.list, a.n, b.list[i]))
            list[a.n + n++] = b.list[i];
    if (n == 0)
        return a;
    for (size_t i = 0; i < a.n; i++)
        if (!covered(list + a.n, n, a.list[i]))
            list[kept++] = a.list[i];
    memmove(list + kept, list + a.n, n * sizeof *list);
    return (struct literals){ .list = list, .n = kept + n, .extra = a.extra + b.extra };
}

struct literals literals_or(struct literal_maker *m, struct literals a, struct literals b)
{
    struct literal_union all = { .m = m };

    if (a.none || b.none)
        return a.none ? a : b;
    if (a.n == 0 || b.n == 0)
        return a.n ? a : b;
    if (a.n * b.n <= FEW)
        return few_or(m, a, b);
    literals_take(&all, a);
    literals_take(&all, b);
    return literals_taken(&all);
}

bool literals_cover(struct literals a, struct literals b)
{
    for (size_t i = 0; i < b.n; i++)
        if (!covered(a.list, a.n, b.list[i]))
            return false;
    return !b.none;
}
