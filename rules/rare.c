#include "rules/rare.h"

#include <stdlib.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

static void take_rare(struct rares *p, struct slice text, uint32_t id)
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

bool rares_keep(struct rares *p, const struct slice *literals, size_t n, struct arena *a)
{
    size_t rare = 0;

    for (size_t i = 0; i < n; i++)
        rare += is_rare(literals[i]);
    p->signs = arena_array(a, rare + 1, sizeof *p->signs);
    p->digits = arena_array(a, rare + 1, sizeof *p->digits);
    if (!p->signs || !p->digits)
        return false;
    for (size_t i = 0; i < n; i++) {
        struct slice text;

        if (!is_rare(literals[i]))
            continue;
        text = arena_slice(a, literals[i]);
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

static struct alike alike_at(const struct rares *p, size_t first)
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
        if (slice_starts(slice_skip(bytes, at), a->signs[i].text) && hit(ctx, a->signs[i].id, at))
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

static int find_signs(const struct rares *p, struct slice bytes, prefilter_hit *hit, void *ctx)
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

static int find_digits(const struct rares *p, struct slice bytes, prefilter_hit *hit, void *ctx)
{
    char marks[LITERAL_DIGITS_MAX];
    const struct slice least = { marks, p->digits_min };
    size_t end = 0;

    memset(marks, DIGIT_MARK, sizeof marks);
    while ((end = literal_find(least, bytes, end)) != SIZE_MAX) {
        size_t n = digits_before(bytes, end);

        for (size_t i = 0; i < p->ndigits; i++)
            if (p->digits[i].text.n <= n && hit(ctx, p->digits[i].id, end - 1))
                return 1;
    }
    return 0;
}

void rares_find(const struct rares *p, struct slice bytes, prefilter_hit *hit, void *ctx)
{
    if ((p->nsigns == 0 || find_signs(p, bytes, hit, ctx) == 0) && p->ndigits)
        (void)find_digits(p, bytes, hit, ctx);
}
