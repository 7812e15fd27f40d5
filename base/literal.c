#include "base/literal.h"

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

static unsigned cost_of(const struct literal_maker *m, struct slice literal)
{
    unsigned cost = 1 + (unsigned)(160 / (literal.n * literal.n));

    if (m->sample)
        cost += share(m->sample, literal);
    if (slice_find(SLICE(common), literal) != SIZE_MAX)
        cost += 300;
    return cost;
}

unsigned literals_cost(struct literal_maker *m, struct literals *set)
{
    if (set->none)
        return COST_NONE;
    if (set->cost == 0) {
        set->cost = 1 + set->extra;
        for (size_t i = 0; i < set->n; i++)
            set->cost += cost_of(m, set->list[i]);
    }
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

struct literals literals_or(struct literal_maker *m, struct literals a, struct literals b)
{
    struct slice *list;
    size_t n = 0, kept = 0;

    if (a.none || b.none)
        return a.none ? a : b;
    if (a.n == 0 || b.n == 0)
        return a.n ? a : b;
    list = arena_array(m->arena, a.n + b.n, sizeof *list);
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
    n += kept;
    if (n > LITERALS_MAX)
        return literals_none("more literals than are worth a scan");
    return (struct literals){ .list = list, .n = n, .extra = a.extra + b.extra };
}

bool literals_cover(struct literals a, struct literals b)
{
    for (size_t i = 0; i < b.n; i++)
        if (!covered(a.list, a.n, b.list[i]))
            return false;
    return !b.none;
}
