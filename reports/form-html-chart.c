/*
 * Charts of the HTML form: shapes are SVG that stretches with the page, words are HTML beside it
 * (so they keep their size on a phone). A few bars lie, with their names above them; many bars and
 * lines stand. Each has its words for those who do not see it, and its values as a table.
 */
#include <math.h>

#include "reports/form-html-private.h"

enum {
    WIDE = 1000, /* units of a standing chart */
    HIGH = 200,
    X_LABELS = 7,
    BAR = 15, /* pixels of lying bars */
    NAME_MAX = 60, /* characters */
    X_LABEL_MAX = 16,
};

struct plot {
    const struct report_block *b;
    struct form_points p;
    struct form_axis axis;
    size_t nseries;
};

static double x_of(const struct plot *p, double point)
{
    return p->p.n > 1 ? point * WIDE / (double)(p->p.n - 1) : WIDE / 2.0;
}

static double y_of(const struct plot *p, double v)
{
    return HIGH * (p->axis.high - v) / (p->axis.high - p->axis.low);
}

static void put_line(struct html_form *f, const struct plot *p, size_t series)
{
    bool pen = false;

    buf_printf(f->out, "<path class=\"l c%zu\" d=\"M0 0", series);
    for (size_t i = 0; i < p->p.n; i++) {
        double v = form_point(p->b, &p->p, series, i);
        bool next = i + 1 < p->p.n && !isnan(form_point(p->b, &p->p, series, i + 1));

        if (!isnan(v))
            buf_printf(f->out, "%c%.1f %.1f", pen ? 'L' : 'M', x_of(p, (double)i), y_of(p, v));
        pen = !isnan(v) && (pen || next);
    }
    html_put(f, "\"/>\n");
}

/* A point with gaps on both sides is a dot. */
static void put_dots(struct html_form *f, const struct plot *p, size_t series)
{
    for (size_t i = 0; i < p->p.n; i++) {
        double v = form_point(p->b, &p->p, series, i);

        if (isnan(v) || (i && !isnan(form_point(p->b, &p->p, series, i - 1))) ||
            (i + 1 < p->p.n && !isnan(form_point(p->b, &p->p, series, i + 1))))
            continue;
        buf_printf(f->out, "<path class=\"l c%zu dot\" d=\"M%.1f %.1fh.01\"/>\n", series,
                   x_of(p, (double)i), y_of(p, v));
    }
}

static void put_standing_bars(struct html_form *f, const struct plot *p, size_t series)
{
    double step = (double)WIDE / (double)p->p.n, bar = step * 0.8 / (double)p->nseries;

    for (size_t i = 0; i < p->p.n; i++) {
        double v = form_point(p->b, &p->p, series, i), top, zero = y_of(p, 0);

        if (isnan(v))
            continue;
        top = y_of(p, v);
        buf_printf(
            f->out,
            "<rect class=\"b c%zu\" x=\"%.2f\" y=\"%.1f\" width=\"%.2f\" height=\"%.1f\"/>\n",
            series, ((double)i + 0.1) * step + (double)series * bar, fmin(top, zero), bar,
            fabs(zero - top));
    }
}

static bool all_gaps(const struct plot *p, size_t point)
{
    for (size_t s = 0; s < p->nseries; s++)
        if (!isnan(form_point(p->b, &p->p, s, point)))
            return false;
    return true;
}

/* Where nothing is known there is a ground of its own: no value is not nought. */
static void put_gaps(struct html_form *f, const struct plot *p)
{
    double step =
        p->b->chart == CHART_LINE ? x_of(p, 1) - x_of(p, 0) : (double)WIDE / (double)p->p.n;
    double shift = p->b->chart == CHART_LINE ? -0.5 : 0;

    for (size_t i = 0; i < p->p.n; i++) {
        size_t from = i;
        double a, b;

        while (i < p->p.n && all_gaps(p, i))
            i++;
        if (i == from)
            continue;
        a = fmax(((double)from + shift) * step, 0);
        b = fmin(((double)i + shift) * step, WIDE);
        if (p->p.n == 1)
            b = WIDE;
        buf_printf(f->out,
                   "<rect class=\"gap\" x=\"%.1f\" y=\"0\" width=\"%.1f\" height=\"%d\"/>\n", a,
                   b - a, HIGH);
    }
}

static void put_words(struct html_form *f, const struct plot *p)
{
    AUTO_BUF words = BUF_INIT;

    form_chart_words(&words, p->b);
    html_put(f, "<title>");
    html_text(f, p->b->title.n ? p->b->title : p->b->name);
    html_put(f, "</title><desc>");
    html_shown(f, buf_view(&words));
    html_put(f, "</desc>\n");
    if (!buf_ok(&words))
        f->out->failed = true;
}

static void put_y(struct html_form *f, const struct plot *p)
{
    html_put(f, "<div class=\"y\" aria-hidden=\"true\">");
    for (unsigned i = p->axis.n + 1; i-- > 0;) {
        html_put(f, "<span>");
        form_number_grouped(f->out, p->axis.low + p->axis.step * i);
        html_put(f, "</span>");
    }
    html_put(f, "</div>\n");
}

static void put_x(struct html_form *f, const struct plot *p)
{
    size_t n = p->p.n < X_LABELS ? p->p.n : X_LABELS;

    html_put(f, "<div class=\"x\" aria-hidden=\"true\">");
    for (size_t i = 0; i < n; i++) {
        size_t point = n > 1 ? (i * (p->p.n - 1) + (n - 1) / 2) / (n - 1) : 0;

        html_put(f, "<span>");
        html_limited(f, form_point_label(p->b, &p->p, point), X_LABEL_MAX);
        html_put(f, "</span>");
    }
    html_put(f, "</div>\n");
}

static void put_standing(struct html_form *f, const struct plot *p)
{
    html_put(f, "<div class=\"plot\">\n");
    put_y(f, p);
    buf_printf(f->out, "<svg role=\"img\" viewBox=\"0 0 %d %d\" preserveAspectRatio=\"none\">",
               WIDE, HIGH);
    put_words(f, p);
    put_gaps(f, p);
    for (unsigned i = 0; i <= p->axis.n; i++)
        buf_printf(f->out, "<path class=\"grid\" d=\"M0 %.1fH%d\"/>\n",
                   (double)HIGH * i / p->axis.n, WIDE);
    for (size_t s = 0; s < p->nseries; s++)
        (p->b->chart == CHART_LINE ? put_line : put_standing_bars)(f, p, s);
    for (size_t s = 0; s < p->nseries && p->b->chart == CHART_LINE; s++)
        put_dots(f, p, s);
    buf_printf(f->out, "<path class=\"base\" d=\"M0 %.1fH%d\"/></svg>\n", y_of(p, 0), WIDE);
    put_x(f, p);
    html_put(f, "</div>\n");
}

static void put_lying_bar(struct html_form *f, const struct plot *p, size_t series, size_t point,
                          unsigned y)
{
    double v = form_point(p->b, &p->p, series, point);
    double share = isnan(v) ? 0 : fmax(v, 0) / p->p.high * 84;

    if (!isnan(v) && v > 0)
        buf_printf(f->out,
                   "<rect class=\"b c%zu\" x=\"0\" y=\"%u\" width=\"%.2f%%\" height=\"%d\"/>",
                   series, y, fmax(share, 0.2), BAR - 2);
    buf_printf(f->out, "<text class=\"v\" x=\"%.2f%%\" dx=\"%d\" y=\"%u\">", share,
               share > 0 ? 6 : 0, y + 11);
    if (isnan(v))
        html_put(f, "no value");
    else
        form_number_grouped(f->out, v);
    html_put(f, "</text>\n");
}

static void put_lying(struct html_form *f, const struct plot *p)
{
    unsigned each = 18 + BAR * (unsigned)p->nseries + 9, y = 0;

    buf_printf(f->out, "<svg class=\"bars\" role=\"img\" height=\"%u\">", each * (unsigned)p->p.n);
    put_words(f, p);
    for (size_t i = 0; i < p->p.n; i++, y += each) {
        AUTO_BUF name = BUF_INIT;

        form_show(&name, form_point_label(p->b, &p->p, i), NAME_MAX);
        buf_printf(f->out, "<text x=\"0\" y=\"%u\">", y + 13);
        html_shown(f, buf_view(&name));
        html_put(f, "</text>");
        for (size_t s = 0; s < p->nseries; s++)
            put_lying_bar(f, p, s, i, y + 18 + BAR * (unsigned)s);
        if (!buf_ok(&name))
            f->out->failed = true;
    }
    html_put(f, "</svg>\n");
}

static void put_legend(struct html_form *f, const struct plot *p)
{
    bool lines = p->b->chart == CHART_LINE;

    if (p->nseries < 2)
        return;
    html_put(f, "<ul class=\"legend\">\n");
    for (size_t s = 0; s < p->nseries; s++) {
        buf_printf(
            f->out,
            lines ? "<li><svg aria-hidden=\"true\"><path class=\"l c%zu\" d=\"M1 6H27\"/></svg>"
                  : "<li><svg aria-hidden=\"true\"><rect class=\"b c%zu\" width=\"28\" "
                    "height=\"11\"/></svg>",
            s);
        html_text(f, p->b->series[s].label);
        html_put(f, "</li>\n");
    }
    html_put(f, "</ul>\n");
}

static void put_values(struct html_form *f, const struct plot *p)
{
    html_put(f,
             "<details><summary>Values</summary><div class=\"box\" role=\"group\" tabindex=\"0\">"
             "<table>\n<thead><tr><th scope=\"col\"></th>");
    for (size_t s = 0; s < p->nseries; s++) {
        html_put(f, "<th scope=\"col\" class=\"r\">");
        html_text(f, p->b->series[s].label);
        html_put(f, "</th>");
    }
    html_put(f, "</tr></thead>\n<tbody>\n");
    for (size_t i = 0; i < p->p.n; i++) {
        html_put(f, "<tr><td>");
        html_text(f, form_point_label(p->b, &p->p, i));
        html_put(f, "</td>");
        for (size_t s = 0; s < p->nseries; s++) {
            html_put(f, "<td class=\"r\">");
            form_number_grouped(f->out, form_point(p->b, &p->p, s, i));
            html_put(f, "</td>");
        }
        html_put(f, "</tr>\n");
    }
    html_put(f, "</tbody></table></div></details>\n");
}

static void put_notes(struct html_form *f, const struct plot *p)
{
    if (p->p.each > 1)
        buf_printf(f->out, "<p class=\"quiet\">Each point is the highest of %zu values.</p>\n",
                   p->p.each);
    if (p->b->nseries > p->nseries)
        buf_printf(f->out, "<p class=\"quiet\">%zu more series are not drawn.</p>\n",
                   p->b->nseries - p->nseries);
}

static void put_chart(struct html_form *f, const struct plot *p)
{
    put_legend(f, p);
    if (form_bars_lie(p->b, &p->p))
        put_lying(f, p);
    else
        put_standing(f, p);
    put_notes(f, p);
    put_values(f, p);
}

void html_chart(struct html_form *f, const struct report_block *b)
{
    struct plot p = { .b = b, .p = form_points(b, FORM_POINTS_MAX) };

    p.axis = form_axis_of(&p.p);
    p.nseries = b->nseries < FORM_SERIES_MAX ? b->nseries : FORM_SERIES_MAX;
    html_put(f, "<figure>\n");
    if (b->title.n || form_says_unit(b)) {
        html_put(f, "<figcaption>");
        html_text(f, b->title);
        if (form_says_unit(b)) {
            html_put(f, " <span class=\"quiet\">(");
            html_text(f, b->unit);
            html_put(f, ")</span>");
        }
        html_put(f, "</figcaption>\n");
    }
    if (b->text.n) {
        html_put(f, "<p class=\"quiet\">");
        html_text(f, b->text);
        html_put(f, "</p>\n");
    }
    if (p.p.any)
        put_chart(f, &p);
    else
        html_put(f, "<p class=\"rest\">no values</p>\n");
    html_put(f, "</figure>\n");
}
