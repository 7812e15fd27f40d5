/*
 * Charts in text: bars with names lie, one line for each value; all else stands, in eighths, so
 * that a month of hours fits in the width.
 */
#include <math.h>

#include "reports/form-text-private.h"

enum {
    LABEL_MAX = 24, /* columns of a label before a bar */
    BARS_MAX = 60, /* lines; columns cannot show what is below nought */
    HEIGHT = 4, /* lines of a standing chart */
    WIDE = 3, /* columns of one point in it, at most */
};

static const char *const lying[] = { "",
                                     "\xe2\x96\x8f",
                                     "\xe2\x96\x8e",
                                     "\xe2\x96\x8d",
                                     "\xe2\x96\x8c",
                                     "\xe2\x96\x8b",
                                     "\xe2\x96\x8a",
                                     "\xe2\x96\x89" };
static const char *const standing[] = { " ",
                                        "\xe2\x96\x81",
                                        "\xe2\x96\x82",
                                        "\xe2\x96\x83",
                                        "\xe2\x96\x84",
                                        "\xe2\x96\x85",
                                        "\xe2\x96\x86",
                                        "\xe2\x96\x87",
                                        "\xe2\x96\x88" };

static void put_bar(struct buf *b, double share, size_t width)
{
    size_t eighths = (size_t)(share * (double)width * 8 + 0.5);

    if (!eighths && share > 0)
        eighths = 1;
    for (; eighths >= 8; eighths -= 8)
        buf_str(b, standing[8]);
    buf_str(b, lying[eighths]);
}

static void put_label(struct text_form *f, struct slice raw, size_t width)
{
    AUTO_BUF shown = BUF_INIT;
    struct slice rest, line;
    size_t n;

    form_show(&shown, raw, FORM_CELL_MAX);
    rest = buf_view(&shown);
    line = text_wrap(&rest, rest.n && form_width(rest) > width ? width - 1 : width);
    text_spaces(f->out, 2);
    buf_slice(f->out, line);
    n = form_width(line);
    if (rest.n && n < width) {
        buf_str(f->out, FORM_CUT);
        n++;
    }
    text_spaces(f->out, (width > n ? width - n : 0) + 2);
    if (!buf_ok(&shown))
        f->out->failed = true;
}

static size_t label_width(const struct report_block *b, const struct form_points *p)
{
    size_t widest = 1;

    for (size_t i = 0; i < p->n; i++) {
        AUTO_BUF shown = BUF_INIT;
        size_t n;

        form_show(&shown, form_point_label(b, p, i), FORM_CELL_MAX);
        n = form_width(buf_view(&shown));
        widest = n > widest ? n : widest;
    }
    return widest > LABEL_MAX ? LABEL_MAX : widest;
}

static void put_bars(struct text_form *f, const struct report_block *b, const struct form_points *p,
                     size_t series)
{
    size_t labels = label_width(b, p), room = f->width - labels - 4;
    size_t width = room > 18 ? room - 14 : 4;

    for (size_t i = 0; i < p->n; i++) {
        double v = form_point(b, p, series, i);

        put_label(f, form_point_label(b, p, i), labels);
        if (isnan(v)) {
            text_styled(f, STYLE_QUIET, SLICE("no value"));
        } else {
            put_bar(f->out, fmax(v, 0) / p->high, width);
            if (v > 0)
                buf_char(f->out, ' ');
            form_number_grouped(f->out, v);
        }
        buf_char(f->out, '\n');
    }
}

static size_t point_width(const struct text_form *f, const struct form_points *p)
{
    size_t wide = (f->width - 4) / (p->n ? p->n : 1);

    return wide < 1 ? 1 : wide > WIDE ? WIDE : wide;
}

/* One line of the columns: what of each stands in the HEIGHTth number `level` (0 = lowest). */
static void put_level(struct text_form *f, const struct report_block *b,
                      const struct form_points *p, size_t series, int level)
{
    size_t wide = point_width(f, p);

    text_spaces(f->out, 2);
    for (size_t i = 0; i < p->n; i++) {
        double v = form_point(b, p, series, i);
        int eighths = isnan(v) ? 0 : (int)(fmax(v, 0) / p->high * HEIGHT * 8 + 0.5);

        if (!isnan(v) && !eighths)
            eighths = 1; /* nothing there is a gap, not a nought */
        eighths -= level * 8;
        for (size_t j = 0; j < wide; j++)
            buf_str(f->out, standing[eighths < 0 ? 0 : eighths > 8 ? 8 : eighths]);
    }
    while (f->out->n && f->out->p[f->out->n - 1] == ' ')
        f->out->n--;
    buf_char(f->out, '\n');
}

/* The first label and the last one, where they belong. */
static void put_ends(struct text_form *f, const struct report_block *b, const struct form_points *p)
{
    size_t room = p->n * point_width(f, p), first, last;
    AUTO_BUF from = BUF_INIT;
    AUTO_BUF to = BUF_INIT;

    form_show(&from, form_point_label(b, p, 0), LABEL_MAX);
    form_show(&to, b->labels[b->nlabels - 1], LABEL_MAX);
    first = form_width(buf_view(&from));
    last = form_width(buf_view(&to));
    if (buf_ok(&from) && buf_ok(&to) && first + last + 1 <= room) {
        text_spaces(f->out, 2);
        text_styled(f, STYLE_QUIET, buf_view(&from));
        text_spaces(f->out, room - first - last);
        text_styled(f, STYLE_QUIET, buf_view(&to));
        buf_char(f->out, '\n');
    }
}

static void put_standing(struct text_form *f, const struct report_block *b,
                         const struct form_points *p, size_t series)
{
    for (int level = HEIGHT - 1; level >= 0; level--)
        put_level(f, b, p, series, level);
    put_ends(f, b, p);
}

static void put_heading(struct text_form *f, const struct report_block *b, size_t series)
{
    AUTO_BUF shown = BUF_INIT;

    if (b->nseries < 2 && !b->series[series].label.n)
        return;
    form_show(&shown, b->series[series].label, FORM_CELL_MAX);
    text_paragraph(f, 2, buf_view(&shown));
}

void text_chart_put(struct text_form *f, const struct report_block *b)
{
    struct form_points p = form_points(b, f->width - 4);
    bool lie = form_bars_lie(b, &p) || (b->chart == CHART_BARS && p.low < 0 && p.n <= BARS_MAX);
    AUTO_BUF words = BUF_INIT;

    for (size_t s = 0; s < b->nseries && s < FORM_SERIES_MAX && p.any; s++) {
        put_heading(f, b, s);
        (lie ? put_bars : put_standing)(f, b, &p, s);
    }
    form_chart_words(&words, b);
    if (p.each > 1)
        buf_printf(&words, " One column shows the highest of %zu values.", p.each);
    text_paragraph(f, 2, buf_view(&words));
    if (!buf_ok(&words))
        f->out->failed = true;
}
