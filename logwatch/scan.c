#include "logwatch/scan.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/table.h"
#include "logwatch/lane.h"
#include "rules/prefilter.h"

#define SAMPLE_BYTES ((size_t)64 << 10)
/* Candidates in one block; a block that has more is parsed whole. */
#define CANDIDATES_MAX 65536
#define ALL_RULES UINT32_MAX
#define SAMPLE (UINT32_MAX - 1) /* parsed, and asked no rule that it would not be asked anyway */
#define ESCAPE '\x1b'

/* An escaped ASCII letter in JSON: "\u0061". Behind it, any literal may be hidden. */
static const struct slice hidden_letter = SLICE("\\u00");

struct literal_list {
    const struct slice *list;
    size_t n;
};

struct scan_plan {
    struct prefilter *prefilter; /* NULL: no rule has a literal */
    uint32_t *rules; /* of literal i: from first[i] up to first[i + 1] */
    size_t *first;
    size_t nliterals; /* without the last one, hidden_letter */
    struct literal_list
        *also; /* by rule: of these the record must hold one, too, if there are any */
    struct arena *arena; /* their texts */
    uint64_t *paired; /* the rules that have such */
    uint64_t *always; /* rules without a literal */
    size_t words; /* of a set of rules */
    bool parses_all;
    bool hides; /* the format undoes escapes: a backslash or an ampersand may hide anything */
};

bool scan_parses_all(const struct scan_plan *p)
{
    return p->parses_all;
}

/* ---- plans ---- */

struct pair {
    uint32_t literal, rule;
};

struct planning {
    const struct engine *engine;
    const struct format *format;
    const struct format_beside *beside;
    struct scan_plan *plan;
    struct arena *arena;
    struct table *seen; /* literal -> its number + 1 */
    struct slice *literals;
    size_t nliterals, literals_cap;
    struct pair *pairs;
    size_t npairs, pairs_cap;
};

static void *room(void *list, size_t n, size_t *cap, size_t size)
{
    size_t more = *cap ? *cap * 2 : 64;
    void *p;

    if (n < *cap)
        return list;
    p = reallocarray(list, more, size);
    if (p)
        *cap = more;
    return p;
}

/* The number of a literal; SIZE_MAX: no memory. */
static size_t number_of(struct planning *p, struct slice literal)
{
    uintptr_t number = (uintptr_t)table_get(p->seen, literal);
    struct slice *list;

    if (number)
        return number - 1;
    list = room(p->literals, p->nliterals, &p->literals_cap, sizeof *list);
    if (!list || table_put(p->seen, literal, (void *)(p->nliterals + 1)) < 0)
        return SIZE_MAX;
    p->literals = list;
    p->literals[p->nliterals] = literal;
    return p->nliterals++;
}

static int add_literal(struct planning *p, struct slice literal, size_t rule)
{
    size_t number = number_of(p, literal);
    struct pair *list = room(p->pairs, p->npairs, &p->pairs_cap, sizeof *list);

    if (list)
        p->pairs = list;
    if (!list || number == SIZE_MAX)
        return -ENOMEM;
    p->pairs[p->npairs++] = (struct pair){ (uint32_t)number, (uint32_t)rule };
    return 0;
}

/* What outlives the planning. */
static int add_also(struct planning *p, const struct lane *lane, size_t rule)
{
    struct slice *list = arena_array(p->plan->arena, lane->nalso, sizeof *list);

    for (size_t i = 0; list && i < lane->nalso; i++) {
        list[i] = arena_slice(p->plan->arena, lane->also[i]);
        if (!list[i].p)
            return -ENOMEM;
    }
    p->plan->also[rule] = (struct literal_list){ list, lane->nalso };
    p->plan->paired[rule / 64] |= UINT64_C(1) << rule % 64;
    return list ? 0 : -ENOMEM;
}

static int add_rule(struct planning *p, size_t rule)
{
    struct lane lane;
    int e = lane_of(p->engine, p->format, p->beside, rule, p->arena, &lane);

    if (e == 0 && lane.kind == LANE_FIELD) {
        p->plan->parses_all = true;
        p->plan->always[rule / 64] |= UINT64_C(1) << rule % 64;
    }
    for (size_t i = 0; e == 0 && lane.kind == LANE_SCAN && i < lane.nliterals; i++)
        e = add_literal(p, lane.literals[i], rule);
    if (e == 0 && lane.kind == LANE_SCAN && lane.nalso)
        e = add_also(p, &lane, rule);
    return e;
}

/* The pairs by literal. */
static int order(struct planning *p)
{
    struct scan_plan *plan = p->plan;

    plan->nliterals = p->nliterals;
    plan->first = calloc(p->nliterals + 2, sizeof *plan->first);
    plan->rules = calloc(p->npairs + 1, sizeof *plan->rules);
    if (!plan->first || !plan->rules)
        return -ENOMEM;
    for (size_t i = 0; i < p->npairs; i++)
        plan->first[p->pairs[i].literal + 2]++;
    for (size_t i = 2; i < p->nliterals + 2; i++)
        plan->first[i] += plan->first[i - 1];
    for (size_t i = 0; i < p->npairs; i++)
        plan->rules[plan->first[p->pairs[i].literal + 1]++] = p->pairs[i].rule;
    return 0;
}

static int fill_plan(struct planning *p)
{
    const struct rules *r = p->engine->rules;
    struct err err = ERR_NONE;
    int e = 0;

    p->plan->words = rules_count(r) / 64 + 1;
    p->plan->always = calloc(p->plan->words, sizeof *p->plan->always);
    p->plan->paired = calloc(p->plan->words, sizeof *p->plan->paired);
    p->plan->also = calloc(rules_count(r) + 1, sizeof *p->plan->also);
    p->plan->arena = arena_new(1024, 0);
    if (!p->plan->always || !p->plan->paired || !p->plan->also || !p->plan->arena)
        return -ENOMEM;
    for (size_t i = 0; e == 0 && i < rules_count(r); i++)
        if (rules_asks(r, i, format_logsource(p->format)))
            e = add_rule(p, i);
    if (e == 0)
        e = order(p);
    if (e || p->nliterals == 0)
        return e;
    if (number_of(p, hidden_letter) == SIZE_MAX)
        return -ENOMEM;
    return prefilter_new(p->literals, p->nliterals, &p->plan->prefilter, &err);
}

static void plan_free(struct scan_plan *p)
{
    if (!p)
        return;
    prefilter_free(p->prefilter);
    free(p->rules);
    free(p->first);
    free(p->always);
    free(p->paired);
    free(p->also);
    arena_free(p->arena);
    free(p);
}

/* NULL: it cannot be made, so everything is parsed. */
static struct scan_plan *plan_new(const struct engine *e, const struct format *f,
                                  const struct format_beside *beside)
{
    struct planning p = { .engine = e, .format = f, .beside = beside };
    int r = -ENOMEM;

    p.plan = calloc(1, sizeof *p.plan);
    p.arena = arena_new(4096, 0);
    p.seen = table_new(0);
    if (p.plan && p.arena && p.seen) {
        p.plan->hides = format_hides(f);
        r = fill_plan(&p);
    }
    arena_free(p.arena);
    table_free(p.seen);
    free(p.literals);
    free(p.pairs);
    if (r == 0)
        return p.plan;
    plan_free(p.plan);
    return NULL;
}

/* Of one format there are as many as there are services of other names: that of each input. */
struct plan_place {
    const struct format *format;
    struct format_beside beside;
    struct scan_plan *plan;
};

struct scans {
    const struct engine *engine;
    pthread_mutex_t lock;
    struct plan_place *places;
    size_t n, cap;
    struct arena *names; /* of services */
    bool disabled;
};

struct scans *scans_new(const struct engine *e)
{
    struct scans *s = calloc(1, sizeof *s);

    if (!s)
        return NULL;
    s->engine = e;
    s->names = arena_new(256, 0);
    if (!s->names || pthread_mutex_init(&s->lock, NULL) != 0) {
        arena_free(s->names);
        free(s);
        return NULL;
    }
    return s;
}

void scans_free(struct scans *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->n; i++)
        plan_free(s->places[i].plan);
    pthread_mutex_destroy(&s->lock);
    arena_free(s->names);
    free(s->places);
    free(s);
}

void scans_disable(struct scans *s)
{
    s->disabled = true;
}

static bool is_for(const struct plan_place *p, const struct format *f,
                   const struct format_beside *beside)
{
    return p->format == f && p->beside.places == beside->places &&
           slice_eq(p->beside.service, beside->service);
}

/* NULL: no memory. */
static struct plan_place *place_new(struct scans *s, const struct format *f,
                                    const struct format_beside *beside)
{
    struct plan_place *list = room(s->places, s->n, &s->cap, sizeof *list);
    struct format_beside kept = { beside->places, arena_slice(s->names, beside->service) };

    if (list)
        s->places = list;
    if (!list || !kept.service.p)
        return NULL;
    list[s->n] = (struct plan_place){ f, kept, plan_new(s->engine, f, &kept) };
    return &list[s->n++];
}

const struct scan_plan *scans_plan(struct scans *s, const struct format *f,
                                   const struct format_beside *beside)
{
    const struct plan_place *place;
    const struct scan_plan *plan;
    size_t i = 0;

    if (s->disabled)
        return NULL;
    pthread_mutex_lock(&s->lock);
    while (i < s->n && !is_for(&s->places[i], f, beside))
        i++;
    place = i < s->n ? &s->places[i] : place_new(s, f, beside);
    plan = place ? place->plan : NULL;
    pthread_mutex_unlock(&s->lock);
    return plan;
}

/* ---- one block ---- */

struct candidate {
    uint32_t offset; /* a byte of its record */
    uint32_t literal; /* or ALL_RULES, SAMPLE */
};

struct scan {
    struct prefilter_scratch *scratch;
    const struct scan_plan *prepared; /* the scratch fits it */
    struct candidate *hits, *marks; /* both in the order of offsets: merged when taken */
    size_t nhits, hit, hits_cap;
    size_t nmarks, mark, marks_cap;
    uint64_t *only;
    unsigned looks, saved;
    bool unordered;
};

struct scan *scan_new(void)
{
    return calloc(1, sizeof(struct scan));
}

void scan_free(struct scan *s)
{
    if (!s)
        return;
    prefilter_scratch_free(s->scratch);
    free(s->hits);
    free(s->marks);
    free(s->only);
    free(s);
}

static bool add(struct candidate **list, size_t *n, size_t *cap, size_t offset, uint32_t literal)
{
    struct candidate *more;

    if (*n == CANDIDATES_MAX)
        return false;
    more = room(*list, *n, cap, sizeof **list);
    if (!more)
        return false;
    *list = more;
    more[(*n)++] = (struct candidate){ (uint32_t)offset, literal };
    return true;
}

static int take_hit(void *ctx, uint32_t literal, size_t at)
{
    struct scan *s = ctx;

    if (literal == s->prepared->nliterals)
        literal = ALL_RULES;
    s->unordered = s->unordered || (s->nhits && at < s->hits[s->nhits - 1].offset);
    return add(&s->hits, &s->nhits, &s->hits_cap, at, literal) ? 0 : 1;
}

static bool mark(struct scan *s, size_t offset, uint32_t why)
{
    return add(&s->marks, &s->nmarks, &s->marks_cap, offset, why);
}

/* The next byte at which something may be hidden. */
static size_t next_doubt(const struct scan_plan *p, struct slice bytes, size_t from)
{
    struct slice rest = slice_skip(bytes, from);
    size_t at = slice_find_byte(rest, ESCAPE), other;

    if (p->hides) {
        other = slice_find_byte(slice_take(rest, at), '\\');
        at = other < at ? other : at;
        other = slice_find_byte(slice_take(rest, at), '&');
        at = other < at ? other : at;
    }
    return at == SIZE_MAX ? SIZE_MAX : from + at;
}

/* Records of a sample, and those in which something may be hidden: one mark for each line. */
static bool mark_lines(struct scan *s, const struct scan_plan *p, struct slice bytes)
{
    size_t sample = 0, doubt = next_doubt(p, bytes, 0);

    while (sample < bytes.n || doubt != SIZE_MAX) {
        size_t at = sample < doubt ? sample : doubt;

        if (!mark(s, at, at == doubt ? ALL_RULES : SAMPLE))
            return false;
        if (at == sample)
            sample += SAMPLE_BYTES;
        if (at == doubt) {
            size_t lf = slice_find_byte(slice_skip(bytes, at), '\n');

            doubt = lf == SIZE_MAX ? SIZE_MAX : next_doubt(p, bytes, at + lf);
        }
    }
    return bytes.n == 0 || mark(s, bytes.n - 1, SAMPLE);
}

static bool prepare(struct scan *s, const struct scan_plan *p)
{
    s->nhits = s->hit = s->nmarks = s->mark = 0;
    s->looks = s->saved = 0;
    s->unordered = false;
    if (s->prepared == p)
        return true;
    if (p->prefilter && prefilter_scratch_for(&s->scratch) < 0)
        return false;
    free(s->only);
    s->only = calloc(p->words, sizeof *s->only);
    s->prepared = s->only ? p : NULL;
    return s->only != NULL;
}

static int by_offset(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;

    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

bool scan_block(struct scan *s, const struct scan_plan *p, struct slice bytes)
{
    if (bytes.n >= UINT32_MAX || !prepare(s, p) || !mark_lines(s, p, bytes))
        return false;
    if (p->prefilter && (prefilter_scan(p->prefilter, s->scratch, bytes, take_hit, s) < 0 ||
                         s->nhits == CANDIDATES_MAX))
        return false;
    if (s->unordered)
        qsort(s->hits, s->nhits, sizeof *s->hits, by_offset);
    return true;
}

bool scan_next(const struct scan *s, size_t *ret_offset)
{
    size_t hit = s->hit < s->nhits ? s->hits[s->hit].offset : SIZE_MAX;
    size_t at = s->mark < s->nmarks ? s->marks[s->mark].offset : SIZE_MAX;

    *ret_offset = hit < at ? hit : at;
    return *ret_offset != SIZE_MAX;
}

static void add_rules(struct scan *s, const struct scan_plan *p, uint32_t literal)
{
    for (size_t i = p->first[literal]; i < p->first[literal + 1]; i++)
        s->only[p->rules[i] / 64] |= UINT64_C(1) << p->rules[i] % 64;
}

/* Looks in a block after which it is known whether they are worth while: one in four saves a parse.
 */
#define LOOKS 16

/*
 * Does one of the rules stand that a literal leads to? False: of all of them the other literals
 * are not there. What is parsed anyway is not searched.
 */
static bool any_stands(struct scan *s, const struct scan_plan *p, struct slice record)
{
    for (size_t word = 0; word < p->words; word++)
        if (s->only[word] & ~p->paired[word])
            return true;
    if (s->looks >= LOOKS && s->saved * 4 < s->looks)
        return true;
    s->looks++;
    for (size_t word = 0; word < p->words; word++)
        for (uint64_t bits = s->only[word]; bits; bits &= bits - 1) {
            const struct literal_list *also = &p->also[word * 64 + (size_t)__builtin_ctzll(bits)];

            if (literals_stand(also->list, also->n, record))
                return true;
        }
    s->saved++;
    return false;
}

bool scan_take(struct scan *s, const struct scan_plan *p, struct slice record, size_t end,
               const uint64_t **ret_rules)
{
    bool all = false, sample = false, found = false;
    size_t next;

    if (!p->parses_all && (!scan_next(s, &next) || next >= end))
        return false;
    memcpy(s->only, p->always, p->words * sizeof *s->only);
    for (; s->mark < s->nmarks && s->marks[s->mark].offset < end; s->mark++) {
        all = all || s->marks[s->mark].literal == ALL_RULES;
        sample = true;
    }
    for (; s->hit < s->nhits && s->hits[s->hit].offset < end; s->hit++, found = true) {
        if (s->hits[s->hit].literal == ALL_RULES)
            all = true;
        else
            add_rules(s, p, s->hits[s->hit].literal);
    }
    *ret_rules = all ? NULL : s->only;
    return p->parses_all || all || sample || (found && any_stands(s, p, record));
}
