/* What a chart shows, before it is drawn: how many points, from where to where, and in words. */
#include <float.h>
#include <math.h>

#include "reports/form-private.h"

double form_point(const struct report_block *b, const struct form_points *p, size_t series,
                  size_t point)
{
    const double *values = b->series[series].values;
    double highest = NAN;

    for (size_t i = point * p->each; i < (point + 1) * p->each && i < b->nlabels; i++)
        if (isfinite(values[i]) && !(values[i] <= highest))
            highest = values[i];
    return highest;
}

struct slice form_point_label(const struct report_block *b, const struct form_points *p,
                              size_t point)
{
    return b->labels[point * p->each];
}

struct form_points form_points(const struct report_block *b, size_t max)
{
    struct form_points p = { .each = 1, .whole = true };

    if (max && b->nlabels > max)
        p.each = (b->nlabels + max - 1) / max;
    p.n = (b->nlabels + p.each - 1) / p.each;
    for (size_t s = 0; s < b->nseries && s < FORM_SERIES_MAX; s++)
        for (size_t i = 0; i < p.n; i++) {
            double v = form_point(b, &p, s, i);

            if (isnan(v))
                continue;
            p.any = true;
            p.whole = p.whole && v == floor(v);
            p.low = fmin(p.low, v);
            p.high = fmax(p.high, v);
        }
    if (p.low == p.high)
        p.high = 1;
    return p;
}

/* 1, 2 or 5 times a power of ten, at or above v > 0. */
static double round_step(double v)
{
    double base = pow(10, floor(log10(v)));

    return v <= base ? base : v <= 2 * base ? 2 * base : v <= 5 * base ? 5 * base : 10 * base;
}

struct form_axis form_axis_of(const struct form_points *p)
{
    enum { STEPS = 4 }; /* about so many */
    struct form_axis a = { .step = round_step((p->high - p->low) / STEPS) };

    if (p->whole && a.step < 1)
        a.step = 1;
    if (!isfinite(a.step) || !(a.step > 0))
        a.step = DBL_MAX / 8;
    a.low = floor(p->low / a.step) * a.step;
    a.n = (unsigned)ceil((p->high - a.low) / a.step);
    a.n = a.n < 1 ? 1 : a.n > 2 * STEPS ? 2 * STEPS : a.n;
    a.high = a.low + a.step * a.n;
    return a;
}

bool form_bars_lie(const struct report_block *b, const struct form_points *p)
{
    enum { FEW = 10, NAMED = 30, BARS = 36, NAME = 12 };
    size_t widest = 0;

    if (b->chart != CHART_BARS || p->low < 0 || p->n * b->nseries > BARS || p->n > NAMED)
        return false;
    for (size_t i = 0; i < p->n && widest <= NAME; i++) {
        size_t n = form_width(slice_take(form_point_label(b, p, i), 4 * NAME + 4));

        widest = n > widest ? n : widest;
    }
    return p->n <= FEW || widest > NAME;
}

bool form_says_unit(const struct report_block *b)
{
    return b->unit.n && !slice_eq_nocase(b->unit, b->title);
}

bool form_has_before(const struct report_block *b)
{
    for (size_t i = 0; i < b->nfigures; i++)
        if (b->figures[i].before.n)
            return true;
    return false;
}

static void series_words(struct buf *b, const struct report_block *block, size_t series)
{
    const struct report_series *s = &block->series[series];
    size_t highest = SIZE_MAX, gaps = 0;

    for (size_t i = 0; i < block->nlabels; i++) {
        if (!isfinite(s->values[i]))
            gaps++;
        else if (highest == SIZE_MAX || s->values[i] > s->values[highest])
            highest = i;
    }
    buf_char(b, ' ');
    form_show(b, s->label.n ? s->label : SLICE("Values"), FORM_CELL_MAX);
    if (highest == SIZE_MAX) {
        buf_str(b, ": no values.");
        return;
    }
    buf_str(b, ": highest ");
    form_number_grouped(b, s->values[highest]);
    buf_str(b, " at ");
    form_show(b, block->labels[highest], FORM_CELL_MAX);
    if (gaps)
        buf_printf(b, ", %zu without a value", gaps);
    buf_char(b, '.');
}

void form_chart_words(struct buf *b, const struct report_block *block)
{
    size_t shown = block->nseries < FORM_SERIES_MAX ? block->nseries : FORM_SERIES_MAX;

    if (!block->nlabels || !block->nseries) {
        buf_str(b, "No values.");
        return;
    }
    form_show(b, block->labels[0], FORM_CELL_MAX);
    buf_str(b, " to ");
    form_show(b, block->labels[block->nlabels - 1], FORM_CELL_MAX);
    if (block->unit.n) {
        buf_str(b, ", ");
        form_show(b, block->unit, FORM_CELL_MAX);
    }
    buf_char(b, '.');
    for (size_t i = 0; i < shown; i++)
        series_words(b, block, i);
    if (block->nseries > shown)
        buf_printf(b, " %zu more series are not drawn.", block->nseries - shown);
}
