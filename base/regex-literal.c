/*
 * Literals of regular expressions: a reader of PCRE2's syntax that understands
 * what is certain and gives up, wholly, at anything that it does not know.
 *
 * Each piece of a pattern is either exact (its text is one of a few strings) or
 * has a set of literals of which one stands in its text. In a sequence exact
 * neighbours are multiplied while they stay few; all that comes up on the way
 * is weighed, and the best is kept. Letters are lower case throughout: the scan
 * knows no case, so what is exact here is exact but for case.
 */
#include "base/regex-literal-private.h"

#define DEPTH_MAX 40
#define TIMES_MAX 4

static const struct literals nothing = { .none = true,
                                         .why = "its expression has no certain text" };

static void alternatives(struct reading *r, struct mode mode, struct part *ret);

static struct literals literals_of_part(struct literal_maker *m, const struct part *p)
{
    struct literals all = { .n = 0 };

    if (!p->exact)
        return p->best.none ? nothing : p->best;
    for (size_t i = 0; i < p->n && !all.none; i++)
        all = literals_or(m, all, literals_of(m, p->strings[i]));
    return all.none ? nothing : all;
}

static struct marks marks_of_part(const struct part *p)
{
    struct marks all = { .n = 0 };

    if (!p->exact)
        return p->marks ? *p->marks : all;
    for (size_t i = 0; i < p->n; i++) {
        struct slice rest = p->strings[i], known;
        uint64_t bits = 0;
        struct marks one;

        while (slice_split(&rest, UNKNOWN, &known))
            bits |= marks_of(known);
        one = marks_one(bits);
        all = i ? marks_or(&all, &one) : one;
    }
    return all;
}

static const struct marks *marks_kept(struct reading *r, const struct marks *marks)
{
    struct marks *kept = arena_alloc(r->m->arena, sizeof *kept);

    r->m->failed = r->m->failed || !kept;
    if (kept)
        *kept = *marks;
    return kept;
}

/* ---- sequences ---- */

/* `open` is what stands before and may go on; `best` is the best of what is behind us. */
struct sequence {
    struct part open;
    struct literals best;
    const struct marks *marks; /* all that is behind us needs these */
    bool broken; /* something that is not exact was met */
    bool asked;
};

static void weigh(struct reading *r, struct sequence *q, const struct part *p)
{
    q->best = literals_and(r->m, q->best, literals_of_part(r->m, p));
    if (r->marks) {
        struct marks marks = marks_of_part(p);

        if (q->marks)
            marks = marks_and(q->marks, &marks);
        q->marks = marks_kept(r, &marks);
    }
}

static void flush(struct reading *r, struct sequence *q)
{
    weigh(r, q, &q->open);
    q->open = part_empty();
    q->broken = true;
}

static struct slice joined(struct literal_maker *m, struct slice a, struct slice b)
{
    char *out;

    if (a.n == 0)
        return b;
    out = arena_text(m->arena, a.n + b.n + 1);
    if (!out) {
        m->failed = true;
        return SLICE("");
    }
    memcpy(out, a.p, a.n);
    if (b.n)
        memcpy(out + a.n, b.p, b.n);
    return slice_of(out, a.n + b.n);
}

static size_t longest(const struct part *p)
{
    size_t n = 0;

    for (size_t i = 0; i < p->n; i++)
        if (p->strings[i].n > n)
            n = p->strings[i].n;
    return n;
}

/* Every string of `open` with every one of p behind it; too many: p begins anew. */
static void multiply(struct reading *r, struct sequence *q, const struct part *p)
{
    struct part product = { .exact = true, .best = nothing };

    if (q->open.n > 1 || p->n > 1) {
        weigh(r, q, &q->open);
        weigh(r, q, p);
    }
    if (q->open.n * p->n > STRINGS_MAX || longest(&q->open) + longest(p) > STRING_MAX) {
        flush(r, q);
        q->open = *p;
        return;
    }
    for (size_t i = 0; i < q->open.n; i++)
        for (size_t j = 0; j < p->n; j++)
            part_add(r, &product, joined(r->m, q->open.strings[i], p->strings[j]));
    q->open = product;
}

/*
 * What was asked for took part, so it is there at least once. Where it may come again nothing is
 * known of its neighbours: the other times may have gone another way.
 */
static void append_asked(struct reading *r, struct sequence *q, const struct part *p,
                         struct times t)
{
    q->asked = true;
    if (p->exact && t.max == 1) {
        multiply(r, q, p);
        return;
    }
    flush(r, q);
    weigh(r, q, p);
}

static void append(struct reading *r, struct sequence *q, const struct part *p, struct times t)
{
    if (p->asked) {
        append_asked(r, q, p, t);
        return;
    }
    if (t.min == 0 || !p->exact) {
        flush(r, q);
        if (p->digit)
            q->best = literals_and(r->m, q->best, literals_digits(r->m, t.min));
        if (t.min)
            weigh(r, q, p);
        return;
    }
    for (size_t i = 0; i < t.min && i < TIMES_MAX; i++)
        multiply(r, q, p);
    if (t.max > t.min || t.min > TIMES_MAX) {
        flush(r, q);
        q->open = *p; /* the last of them */
    }
}

/* ---- atoms ---- */

static struct part quoted(struct reading *r, struct mode mode, struct sequence *q)
{
    const struct times once = { 1, 1 };
    size_t end = slice_find(r->s, SLICE("\\E"));
    struct slice text = slice_take(r->s, end == SIZE_MAX ? r->s.n : end), rest;
    struct part last = part_empty();

    rest = slice_skip(r->s, end == SIZE_MAX ? r->s.n : end + 2);
    for (bool first = true; text.n; first = false) {
        if (!first)
            append(r, q, &last, once);
        r->s = text;
        last = pattern_plain_char(r, mode);
        text = r->s;
    }
    r->s = rest;
    return last; /* a quantifier takes the last character only */
}

/* Behind the backslash. */
static struct part escape(struct reading *r, struct mode mode, struct sequence *q)
{
    char c = r->s.n ? r->s.p[0] : '\0';

    if (!c || (unsigned char)c >= 0x80) {
        r->unsure = true;
        return part_unknown();
    }
    r->s = slice_skip(r->s, 1);
    if (c == 'Q')
        return quoted(r, mode, q);
    if (c == 'x')
        return pattern_hex(r, mode);
    if (c == 'p' || c == 'P')
        return pattern_property(r);
    if (strchr("AZzbBGK", c))
        return part_empty();
    if (strchr("nrtfea", c))
        return part_char(r, UNKNOWN);
    if (c == 'd')
        return part_digit();
    if (strchr("DwWsShHvVRX", c))
        return part_unknown();
    if (c >= '1' && c <= '9' && !(r->s.n && r->s.p[0] >= '0' && r->s.p[0] <= '9'))
        return part_unknown();
    if ((c == 'k' || c == 'g') && pattern_skip_name(r))
        return part_unknown();
    if ((c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z')) {
        r->unsure = true;
        return part_unknown();
    }
    return part_char(r, c); /* no letter, no digit: it stands for itself; no case either */
}

/* ---- groups ---- */

static bool admits(const struct part *p, struct slice text)
{
    for (size_t i = 0; i < p->n; i++)
        if (slice_find_byte(p->strings[i], UNKNOWN) != SIZE_MAX || slice_eq(p->strings[i], text))
            return true;
    return !p->exact;
}

/* The group that is asked for: what is known of it takes the place of what it could be. */
static void answer(struct reading *r, struct part *p)
{
    const struct regex_ask *ask = r->ask;

    if (ask->whole.p && ask->whole.n <= STRING_MAX) {
        struct slice text = literal_lower(r->m->arena, ask->whole);

        r->m->failed = r->m->failed || !text.p;
        r->impossible = r->impossible || !admits(p, text);
        *p = (struct part){ .exact = true, .best = nothing };
        part_add(r, p, text);
    } else if (ask->holds && !ask->holds->none) {
        *p = part_unknown();
        p->best = *ask->holds;
    }
    p->asked = true;
}

static struct part group(struct reading *r, struct mode *mode)
{
    struct mode inner = *mode;
    struct part p = part_empty();
    enum group_kind kind;
    bool asked = false;

    r->s = slice_skip(r->s, 1);
    kind = pattern_group(r, &inner);
    if (kind == GROUP_UNKNOWN || r->depth >= DEPTH_MAX) {
        r->unsure = true;
        return part_unknown();
    }
    if (kind == GROUP_CAPTURE)
        asked = ++r->groups == (r->ask ? r->ask->group : 0);
    if (kind == GROUP_OPTIONS) {
        *mode = inner;
    } else if (kind == GROUP_CALL) {
        p = part_unknown();
    } else {
        r->depth++;
        alternatives(r, inner, &p);
        r->depth--;
    }
    if (r->s.n == 0 || r->s.p[0] != ')')
        r->unsure = true;
    r->s = slice_skip(r->s, 1);
    if (kind == GROUP_LOOK)
        return part_empty();
    if (asked)
        answer(r, &p);
    return p;
}

/* ---- the whole ---- */

static struct part atom(struct reading *r, struct mode *mode, struct sequence *q)
{
    char c = r->s.p[0];

    switch (c) {
    case '(':
        return group(r, mode);
    case '[':
        return pattern_class(r, *mode);
    case '\\':
        r->s = slice_skip(r->s, 1);
        return escape(r, *mode, q);
    case '.':
        r->s = slice_skip(r->s, 1);
        return part_unknown();
    case '^':
    case '$':
        r->s = slice_skip(r->s, 1);
        return part_empty();
    case '*':
    case '+':
    case '?':
        r->unsure = true;
        return part_unknown();
    case '{': /* plain, unless some version takes it for a quantifier */
        r->unsure = r->unsure || r->s.n < 2 || strchr("0123456789, \t", r->s.p[1]);
        return pattern_plain_char(r, *mode);
    default:
        return pattern_plain_char(r, *mode);
    }
}

static void sequence(struct reading *r, struct mode *mode, struct part *ret)
{
    struct sequence q = { .open = part_empty(), .best = nothing };

    while (!r->unsure && !r->m->failed) {
        struct part p;

        pattern_skip_nothing(r);
        if (r->s.n == 0 || r->s.p[0] == '|' || r->s.p[0] == ')')
            break;
        p = atom(r, mode, &q);
        append(r, &q, &p, pattern_quantifier(r));
    }
    if (q.broken) {
        flush(r, &q);
        *ret = part_unknown();
        ret->best = q.best;
        ret->marks = q.marks;
    } else {
        *ret = q.open;
    }
    ret->asked = q.asked;
}

static void unite(struct reading *r, struct part *all, const struct part *p)
{
    if (all->exact && p->exact && all->n + p->n <= STRINGS_MAX) {
        for (size_t i = 0; i < p->n; i++)
            part_add(r, all, p->strings[i]);
        return;
    }
    all->best = literals_or(r->m, literals_of_part(r->m, all), literals_of_part(r->m, p));
    if (r->marks) {
        struct marks one = marks_of_part(all), other = marks_of_part(p);

        one = marks_or(&one, &other);
        all->marks = marks_kept(r, &one);
    }
    all->exact = false;
}

static void alternatives(struct reading *r, struct mode mode, struct part *ret)
{
    sequence(r, &mode, ret);
    while (!r->unsure && r->s.n && r->s.p[0] == '|') {
        struct part p;

        r->s = slice_skip(r->s, 1);
        sequence(r, &mode, &p);
        /* Where the group took part, its alternative was the one. */
        if (p.asked)
            *ret = p;
        else if (!ret->asked)
            unite(r, ret, &p);
    }
}

static struct part whole_pattern(struct reading *reading, const struct regex *r)
{
    struct mode mode = { false };
    struct part whole;
    unsigned flags;

    reading->s = regex_pattern(r, &flags);
    reading->utf = flags & REGEX_UTF;
    mode.nocase = flags & REGEX_NOCASE;
    alternatives(reading, mode, &whole);
    reading->unsure = reading->unsure || reading->s.n;
    return whole;
}

struct literals regex_literals(const struct regex *r, const struct regex_ask *ask,
                               struct literal_maker *m)
{
    struct reading reading = { .m = m, .ask = ask };
    struct part whole = whole_pattern(&reading, r);
    struct literals l = literals_of_part(m, &whole);

    /* With JIT a group keeps what it held in an alternative that failed behind a possessive
     * repetition (PCRE2 10.42): that it is set says nothing then. */
    if (ask && reading.possessive)
        return regex_literals(r, NULL, m);
    if (reading.unsure)
        return literals_none("its expression has parts that are not understood");
    if (m->failed)
        return literals_none("out of memory");
    return reading.impossible ? (struct literals){ .n = 0 } : l;
}

struct marks regex_marks(const struct regex *r, struct arena *work)
{
    struct literal_maker m = { .arena = work };
    struct reading reading = { .m = &m, .marks = true };
    struct part whole = whole_pattern(&reading, r);

    return reading.unsure || m.failed ? (struct marks){ .n = 0 } : marks_of_part(&whole);
}

bool regex_is_bare(const struct regex *r)
{
    struct arena *a = arena_new(4096, 1 << 20);
    struct literal_maker m = { .arena = a };
    bool bare = !a || regex_literals(r, NULL, &m).none;

    arena_free(a);
    return bare;
}
