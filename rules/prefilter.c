#include "rules/prefilter.h"

#include <errno.h>
#include <stdlib.h>

#include <config.h>

#ifdef HAVE_VECTORSCAN

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include <hs.h>

/* Signs, or digits. */
struct rare {
    struct slice text; /* in `texts` */
    uint32_t id;
};

struct prefilter {
    hs_database_t *database;
    struct rare *signs, *digits; /* signs with the same first two bytes beside one another */
    size_t nsigns, ndigits;
    size_t digits_min;
    struct arena *texts;
};

struct prefilter_scratch {
    hs_scratch_t *scratch;
};

struct literal_list {
    const char **texts;
    size_t *lengths;
    unsigned *flags, *ids;
    unsigned n;
};

static void literal_list_free(struct literal_list *l)
{
    free(l->texts);
    free(l->lengths);
    free(l->flags);
    free(l->ids);
}

static bool literal_list_fill(struct literal_list *l, const struct slice *literals, size_t n)
{
    l->texts = calloc(n, sizeof *l->texts);
    l->lengths = calloc(n, sizeof *l->lengths);
    l->flags = calloc(n, sizeof *l->flags);
    l->ids = calloc(n, sizeof *l->ids);
    if (!l->texts || !l->lengths || !l->flags || !l->ids)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (literals[i].n < LITERAL_MIN || literal_digits(literals[i]))
            continue;
        l->texts[l->n] = literals[i].p;
        l->lengths[l->n] = literals[i].n;
        l->flags[l->n] = HS_FLAG_CASELESS;
        l->ids[l->n++] = (unsigned)i;
    }
    return true;
}

static int compile(const struct slice *literals, size_t n, hs_database_t **ret, struct err *err)
{
    struct literal_list l = { 0 };
    hs_compile_error_t *why = NULL;
    int r = 0;

    if (!literal_list_fill(&l, literals, n)) {
        literal_list_free(&l);
        return err_nomem(err);
    }
    if (l.n && hs_compile_lit_multi(l.texts, l.flags, l.ids, l.lengths, l.n, HS_MODE_BLOCK, NULL,
                                    ret, &why) != HS_SUCCESS)
        r = err_set(err, -EINVAL, "the literals of the rules cannot be compiled: %s",
                    why ? why->message : "?");
    hs_free_compile_error(why);
    literal_list_free(&l);
    return r;
}

/* ---- what has a search of its own ---- */

static void take_rare(struct prefilter *p, struct slice text, uint32_t id)
{
    size_t digits = literal_digits(text);

    if (digits) {
        p->digits[p->ndigits++] = (struct rare){ text, id };
        if (p->digits_min == 0 || digits < p->digits_min)
            p->digits_min = digits;
    } else {
        p->signs[p->nsigns++] = (struct rare){ text, id };
    }
}

static int by_text(const void *a, const void *b)
{
    const struct rare *x = a, *y = b;

    return slice_cmp(x->text, y->text);
}

static bool keep_rare(struct prefilter *p, const struct slice *literals, size_t n)
{
    size_t rare = 0;

    for (size_t i = 0; i < n; i++)
        rare += literals[i].n < LITERAL_MIN || literal_digits(literals[i]);
    p->texts = arena_new(1024, 0);
    p->signs = p->texts ? arena_array(p->texts, rare + 1, sizeof *p->signs) : NULL;
    p->digits = p->texts ? arena_array(p->texts, rare + 1, sizeof *p->digits) : NULL;
    if (!p->signs || !p->digits)
        return false;
    for (size_t i = 0; i < n; i++) {
        struct slice text;

        if (literals[i].n >= LITERAL_MIN && !literal_digits(literals[i]))
            continue;
        text = arena_slice(p->texts, literals[i]);
        if (!text.p)
            return false;
        take_rare(p, text, (uint32_t)i);
    }
    qsort(p->signs, p->nsigns, sizeof *p->signs, by_text);
    return true;
}

/* Signs with the same two bytes in front: looked for together. */
struct alike {
    const struct rare *signs;
    size_t n;
};

static struct alike alike_at(const struct prefilter *p, size_t first)
{
    struct alike a = { &p->signs[first], 1 };

    while (first + a.n < p->nsigns && memcmp(a.signs[0].text.p, a.signs[a.n].text.p, 2) == 0)
        a.n++;
    return a;
}

/* Where their two bytes stand. */
static int tell_signs(const struct alike *a, struct slice bytes, size_t at, prefilter_hit *hit,
                      void *ctx)
{
    for (size_t i = 0; i < a->n; i++)
        if (slice_starts(slice_skip(bytes, at), a->signs[i].text) &&
            hit(ctx, a->signs[i].id, at + a->signs[i].text.n))
            return 1;
    return 0;
}

static int find_alike(const struct alike *a, struct slice bytes, prefilter_hit *hit, void *ctx)
{
    const char *two = a->signs[0].text.p;
    size_t at = 0;

#ifdef __SSE2__
    const __m128i first = _mm_set1_epi8(two[0]), second = _mm_set1_epi8(two[1]);

    for (; at + 17 <= bytes.n; at += 16) {
        __m128i x = _mm_loadu_si128((const __m128i *)(const void *)(bytes.p + at));
        __m128i y = _mm_loadu_si128((const __m128i *)(const void *)(bytes.p + at + 1));
        unsigned both = (unsigned)_mm_movemask_epi8(
            _mm_and_si128(_mm_cmpeq_epi8(x, first), _mm_cmpeq_epi8(y, second)));

        for (; UNLIKELY(both); both &= both - 1)
            if (tell_signs(a, bytes, at + (size_t)__builtin_ctz(both), hit, ctx))
                return 1;
    }
#endif
    for (; at + 1 < bytes.n; at++)
        if (bytes.p[at] == two[0] && bytes.p[at + 1] == two[1] &&
            tell_signs(a, bytes, at, hit, ctx))
            return 1;
    return 0;
}

static int find_signs(const struct prefilter *p, struct slice bytes, prefilter_hit *hit, void *ctx)
{
    for (size_t first = 0; first < p->nsigns;) {
        struct alike a = alike_at(p, first);

        if (find_alike(&a, bytes, hit, ctx))
            return 1;
        first += a.n;
    }
    return 0;
}

static size_t digits_before(struct slice bytes, size_t end)
{
    size_t n = 0;

    while (n < end && bytes.p[end - n - 1] >= '0' && bytes.p[end - n - 1] <= '9')
        n++;
    return n;
}

static int find_digits(const struct prefilter *p, struct slice bytes, prefilter_hit *hit, void *ctx)
{
    char marks[LITERAL_DIGITS_MAX];
    const struct slice least = { marks, p->digits_min };
    size_t end = 0;

    memset(marks, DIGIT_MARK, sizeof marks);
    while ((end = literal_find(least, bytes, end)) != SIZE_MAX) {
        size_t n = digits_before(bytes, end);

        for (size_t i = 0; i < p->ndigits; i++)
            if (p->digits[i].text.n <= n && hit(ctx, p->digits[i].id, end))
                return 1;
    }
    return 0;
}

/* ---- the whole ---- */

int prefilter_new(const struct slice *literals, size_t n, struct prefilter **ret_prefilter,
                  struct err *err)
{
    AUTO(prefilter) p = calloc(1, sizeof *p);

    if (!p || !keep_rare(p, literals, n))
        return err_nomem(err);
    if (hs_valid_platform() != HS_SUCCESS)
        return err_set(err, -ENOSYS, "this processor is too old for Vectorscan");
    if (compile(literals, n, &p->database, err) < 0)
        return err_code(err);
    *ret_prefilter = TAKE(p);
    return 0;
}

void prefilter_free(struct prefilter *p)
{
    if (!p)
        return;
    hs_free_database(p->database);
    arena_free(p->texts);
    free(p);
}

int prefilter_scratch_for(struct prefilter_scratch **scratch, const struct prefilter *p)
{
    if (!*scratch)
        *scratch = calloc(1, sizeof **scratch);
    if (!*scratch ||
        (p->database && hs_alloc_scratch(p->database, &(*scratch)->scratch) != HS_SUCCESS))
        return -ENOMEM;
    return 0;
}

void prefilter_scratch_free(struct prefilter_scratch *s)
{
    if (!s)
        return;
    hs_free_scratch(s->scratch);
    free(s);
}

struct scanning {
    prefilter_hit *hit;
    void *ctx;
};

static int on_match(unsigned id, unsigned long long from UNUSED, unsigned long long to,
                    unsigned flags UNUSED, void *ctx)
{
    const struct scanning *s = ctx;

    return s->hit(s->ctx, id, (size_t)to);
}

int prefilter_scan(const struct prefilter *p, struct prefilter_scratch *s, struct slice bytes,
                   prefilter_hit *hit, void *ctx)
{
    struct scanning scanning = { hit, ctx };
    hs_error_t e = HS_SUCCESS;

    if (bytes.n > UINT32_MAX)
        return -EIO;
    if (p->database)
        e = hs_scan(p->database, bytes.p, (unsigned)bytes.n, 0, s->scratch, on_match, &scanning);
    if (e != HS_SUCCESS)
        return e == HS_SCAN_TERMINATED ? 0 : -EIO;
    if ((p->nsigns == 0 || find_signs(p, bytes, hit, ctx) == 0) && p->ndigits)
        (void)find_digits(p, bytes, hit, ctx);
    return 0;
}

#else

int prefilter_new(const struct slice *literals UNUSED, size_t n UNUSED,
                  struct prefilter **ret_prefilter UNUSED, struct err *err)
{
    return err_set(err, -ENOSYS, "built without Vectorscan");
}

void prefilter_free(struct prefilter *p UNUSED)
{
}

int prefilter_scratch_for(struct prefilter_scratch **scratch UNUSED,
                          const struct prefilter *p UNUSED)
{
    return -ENOSYS;
}

void prefilter_scratch_free(struct prefilter_scratch *s UNUSED)
{
}

int prefilter_scan(const struct prefilter *p UNUSED, struct prefilter_scratch *s UNUSED,
                   struct slice bytes UNUSED, prefilter_hit *hit UNUSED, void *ctx UNUSED)
{
    return -EIO;
}

#endif
