/* Charts of the PDF form: as in the HTML form, with the words below. */
#include <config.h>

#ifdef HAVE_PDF
#include <math.h>

#include "reports/form-pdf-private.h"

enum { X_LABELS = 6 };
#define AXIS 36.0 /* room for the numbers of the y axis */
#define PLOT_HEIGHT 130.0
#define NAMES 150.0
#define BAR 8.5

struct pdf_plot {
    struct pdf *p;
    const struct report_block *b;
    struct form_points points;
    struct form_axis axis;
    double x, y, width, height;
    size_t nseries;
};

static double x_of(const struct pdf_plot *c, double point)
{
    return c->x + (c->points.n > 1 ? point * c->width / (double)(c->points.n - 1) : c->width / 2);
}

static double y_of(const struct pdf_plot *c, double v)
{
    return c->y + c->height * (c->axis.high - v) / (c->axis.high - c->axis.low);
}

static double value(const struct pdf_plot *c, size_t series, size_t point)
{
    return form_point(c->b, &c->points, series, point);
}

/* A line is known by its dashes, too. */
static void set_line(struct pdf_plot *c, size_t series)
{
    static const double dashes[FORM_SERIES_MAX][6] = { { 0 },        { 5, 3 },
                                                       { 1.5, 2.5 }, { 7, 2, 1.5, 2 },
                                                       { 9, 4 },     { 4, 2, 1, 2, 1, 2 } };
    static const int ndashes[FORM_SERIES_MAX] = { 0, 2, 2, 4, 2, 6 };
    cairo_t *cr = c->p->cr;

    pdf_colour(c->p, COLOUR_SERIES + (enum pdf_colour)series);
    cairo_set_line_width(cr, 1.3);
    cairo_set_line_join(cr, CAIRO_LINE_JOIN_ROUND);
    cairo_set_line_cap(cr, ndashes[series] ? CAIRO_LINE_CAP_BUTT : CAIRO_LINE_CAP_ROUND);
    cairo_set_dash(cr, dashes[series], ndashes[series], 0);
}

static void draw_line(struct pdf_plot *c, size_t series)
{
    cairo_t *cr = c->p->cr;
    bool pen = false;

    set_line(c, series);
    for (size_t i = 0; i < c->points.n; i++) {
        double v = value(c, series, i);
        bool next = i + 1 < c->points.n && !isnan(value(c, series, i + 1));

        if (!isnan(v) && pen)
            cairo_line_to(cr, x_of(c, (double)i), y_of(c, v));
        else if (!isnan(v))
            cairo_move_to(cr, x_of(c, (double)i), y_of(c, v));
        pen = !isnan(v) && (pen || next);
    }
    cairo_stroke(cr);
    cairo_set_dash(cr, NULL, 0, 0);
}

/* A point with gaps on both sides is a dot. */
static void draw_dots(struct pdf_plot *c, size_t series)
{
    for (size_t i = 0; i < c->points.n; i++) {
        double v = value(c, series, i);

        if (isnan(v) || (i && !isnan(value(c, series, i - 1))) ||
            (i + 1 < c->points.n && !isnan(value(c, series, i + 1))))
            continue;
        pdf_colour(c->p, COLOUR_SERIES + (enum pdf_colour)series);
        cairo_arc(c->p->cr, x_of(c, (double)i), y_of(c, v), 1.8, 0, 2 * G_PI);
        cairo_fill(c->p->cr);
    }
}

static void draw_bars(struct pdf_plot *c, size_t series)
{
    double step = c->width / (double)c->points.n, bar = step * 0.8 / (double)c->nseries;

    for (size_t i = 0; i < c->points.n; i++) {
        double v = value(c, series, i), top, zero = y_of(c, 0);

        if (isnan(v))
            continue;
        top = y_of(c, v);
        pdf_box(c->p, c->x + ((double)i + 0.1) * step + (double)series * bar, fmin(top, zero), bar,
                fabs(zero - top), COLOUR_SERIES + (enum pdf_colour)series);
    }
}

static bool all_gaps(const struct pdf_plot *c, size_t point)
{
    for (size_t s = 0; s < c->nseries; s++)
        if (!isnan(value(c, s, point)))
            return false;
    return true;
}

static void draw_gaps(struct pdf_plot *c)
{
    bool line = c->b->chart == CHART_LINE;
    double step = line && c->points.n > 1 ? c->width / (double)(c->points.n - 1)
                                          : c->width / (double)c->points.n;

    for (size_t i = 0; i < c->points.n; i++) {
        double from, to;

        if (!all_gaps(c, i))
            continue;
        from = fmax(((double)i - (line ? 0.5 : 0)) * step, 0);
        while (i + 1 < c->points.n && all_gaps(c, i + 1))
            i++;
        to = fmin(((double)i + (line ? 0.5 : 1)) * step, c->width);
        pdf_box(c->p, c->x + from, c->y, to - from, c->height, COLOUR_GAP);
    }
}

static void draw_axes(struct pdf_plot *c)
{
    size_t n = c->points.n < X_LABELS ? c->points.n : X_LABELS;

    for (unsigned i = 0; i <= c->axis.n; i++) {
        double v = c->axis.low + c->axis.step * i;

        pdf_rule(c->p, c->x, y_of(c, v), c->width, 0.5, COLOUR_LINE);
        buf_reset(&c->p->scratch);
        form_number_grouped(&c->p->scratch, v);
        pdf_label(c->p, FONT_SMALL, COLOUR_QUIET, c->x - 5, y_of(c, v) - 5, AXIS - 5, 1,
                  buf_view(&c->p->scratch));
    }
    for (size_t i = 0; i < n; i++) {
        size_t point = n > 1 ? (i * (c->points.n - 1) + (n - 1) / 2) / (n - 1) : 0;
        double share = n > 1 ? (double)i / (double)(n - 1) : 0;

        pdf_label(c->p, FONT_SMALL, COLOUR_QUIET, c->x + c->width * share, c->y + c->height + 3,
                  c->width / (double)n - 4, share,
                  pdf_show(c->p, form_point_label(c->b, &c->points, point), 24));
    }
}

static void put_standing(struct pdf_plot *c)
{
    pdf_need(c->p, PLOT_HEIGHT + 22);
    c->x = PDF_LEFT + AXIS;
    c->y = c->p->y + 5;
    c->width = PDF_CONTENT - AXIS;
    c->height = PLOT_HEIGHT;
    if (c->p->draw) {
        draw_gaps(c);
        draw_axes(c);
        for (size_t s = 0; s < c->nseries; s++)
            (c->b->chart == CHART_LINE ? draw_line : draw_bars)(c, s);
        for (size_t s = 0; s < c->nseries && c->b->chart == CHART_LINE; s++)
            draw_dots(c, s);
        pdf_rule(c->p, c->x, y_of(c, 0), c->width, 0.7, COLOUR_QUIET);
    }
    c->p->y += PLOT_HEIGHT + 22;
}

static void put_lying_bar(struct pdf_plot *c, size_t series, size_t point, double y)
{
    double v = value(c, series, point), room = PDF_CONTENT - NAMES - 60;
    double wide = isnan(v) ? 0 : fmax(v, 0) / c->points.high * room;

    if (!isnan(v) && v > 0)
        pdf_box(c->p, PDF_LEFT + NAMES, y + 1.5, fmax(wide, 0.5), BAR - 1.5,
                COLOUR_SERIES + (enum pdf_colour)series);
    buf_reset(&c->p->scratch);
    form_number_grouped(&c->p->scratch, v);
    if (isnan(v))
        buf_str(&c->p->scratch, "no value");
    pdf_label(c->p, FONT_SMALL, COLOUR_QUIET, PDF_LEFT + NAMES + wide + 4, y - 0.7, 56, 0,
              buf_view(&c->p->scratch));
}

static double lying_height(const struct pdf_plot *c)
{
    return fmax(14, BAR * (double)c->nseries + 5);
}

static void put_lying(struct pdf_plot *c)
{
    double each = lying_height(c);

    for (size_t i = 0; i < c->points.n; i++) {
        double middle;

        pdf_need(c->p, each);
        middle = c->p->y + (each - BAR * (double)c->nseries) / 2;
        pdf_label(c->p, FONT_CELL, COLOUR_TEXT, PDF_LEFT, c->p->y + each / 2 - 5.5, NAMES - 8, 0,
                  pdf_show(c->p, form_point_label(c->b, &c->points, i), FORM_CELL_MAX));
        for (size_t s = 0; s < c->nseries && c->p->draw; s++)
            put_lying_bar(c, s, i, middle + BAR * (double)s);
        c->p->y += each;
    }
    c->p->y += 4;
}

static void put_legend(struct pdf_plot *c)
{
    double x = PDF_LEFT;

    if (c->nseries < 2)
        return;
    for (size_t s = 0; s < c->nseries; s++) {
        double wide;

        pdf_set(c->p, c->p->layout, FONT_SMALL, -1, 0, pdf_show(c->p, c->b->series[s].label, 60));
        wide = pdf_layout_width(c->p->layout);
        if (x > PDF_LEFT && x + wide + 26 > PDF_LEFT + PDF_CONTENT) {
            x = PDF_LEFT;
            c->p->y += 12;
        }
        pdf_put(c->p, c->p->layout, x + 24, c->p->y, COLOUR_TEXT);
        if (c->p->draw && c->b->chart == CHART_LINE) {
            set_line(c, s);
            cairo_move_to(c->p->cr, x, c->p->y + 5.5);
            cairo_rel_line_to(c->p->cr, 20, 0);
            cairo_stroke(c->p->cr);
            cairo_set_dash(c->p->cr, NULL, 0, 0);
        } else {
            pdf_box(c->p, x, c->p->y + 2.5, 20, 6, COLOUR_SERIES + (enum pdf_colour)s);
        }
        x += wide + 40;
    }
    c->p->y += 13;
}

static void put_words(struct pdf_plot *c)
{
    AUTO_BUF words = BUF_INIT;

    form_chart_words(&words, c->b);
    if (c->points.each > 1)
        buf_printf(&words, " Each point is the highest of %zu values.", c->points.each);
    pdf_paragraph(c->p, FONT_SMALL, COLOUR_QUIET, PDF_LEFT, PDF_CONTENT, buf_view(&words));
    if (!buf_ok(&words))
        c->p->nomem = true;
}

void pdf_chart(struct pdf *p, const struct report_block *b)
{
    struct pdf_plot c = { .p = p, .b = b, .points = form_points(b, FORM_POINTS_MAX) };

    c.axis = form_axis_of(&c.points);
    c.nseries = b->nseries < FORM_SERIES_MAX ? b->nseries : FORM_SERIES_MAX;
    if (c.points.any) {
        put_legend(&c);
        if (form_bars_lie(b, &c.points))
            put_lying(&c);
        else
            put_standing(&c);
    }
    put_words(&c);
}
#endif
