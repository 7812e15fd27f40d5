/*
 * Tables of the PDF form: the heading again on each page, no row over two of them. Columns are as
 * wide as their texts want while they fit; else the wide ones give way and their cells wrap. Very
 * many columns become lists of "label: value".
 */
#include <config.h>

#ifdef HAVE_PDF
#include <math.h>

#include "reports/form-pdf-private.h"

enum {
    CELL_LINES = 24, /* so that a row fits on a page */
    MEASURED = 300, /* rows that say how wide columns want to be */
    ROW_MAX = 1000, /* bytes of all cells together; more make it a monster: */
    MONSTER_MAX = 500, /* characters of all its cells; shaping them is what takes time */
    TABLE_MAX = 4 << 20, /* bytes shaped; from there on monsters have short cells only */
    SHORT_CELL = 40, /* always whole */
};
#define PAD_X 4.0
#define PAD_Y 2.6
#define COLUMN_MIN 34.0
#define COLUMN_MAX 320.0

struct pdf_grid {
    struct pdf *p;
    const struct report_block *b;
    size_t ncolumns; /* with the one of the entries */
    double *widths; /* with the padding */
    PangoLayout **layouts;
    enum pdf_colour *tones;
    size_t spent; /* bytes shaped: the same in both passes */
};

static enum pdf_colour tone_colour(enum report_tone tone)
{
    static const enum pdf_colour colours[] = { [TONE_NONE] = COLOUR_TEXT,
                                               [TONE_GOOD] = COLOUR_GOOD,
                                               [TONE_ATTENTION] = COLOUR_ATTENTION,
                                               [TONE_BAD] = COLOUR_BAD,
                                               [TONE_QUIET] = COLOUR_QUIET };

    return (size_t)tone < ARRAY_SIZE(colours) ? colours[tone] : COLOUR_TEXT;
}

/* A row of ordinary texts is shown whole, of a monster each cell has its share; see TABLE_MAX. */
static size_t cell_max(const struct pdf_grid *g, const struct report_row *row)
{
    size_t all = 0, each = g->spent > TABLE_MAX ? SHORT_CELL : MONSTER_MAX / g->ncolumns;

    for (size_t c = 0; c < g->b->ncolumns && all <= ROW_MAX; c++)
        all += row->cells[c].text.n;
    return all <= ROW_MAX ? FORM_CELL_MAX : each < SHORT_CELL ? SHORT_CELL : each;
}

/* What stands in a column of a row (NULL: of the heading): in p->scratch. */
static struct slice cell_text(struct pdf_grid *g, const struct report_row *row, size_t column)
{
    struct buf *out = &g->p->scratch;

    buf_reset(out);
    if (column == g->b->ncolumns) {
        for (size_t i = 0; row && i < row->nsamples && i < FORM_SAMPLES_MAX; i++)
            buf_printf(out, "%s%llu", i ? ", " : "", (unsigned long long)row->samples[i]);
        buf_str(out, !row ? "Entries" : row->nsamples > FORM_SAMPLES_MAX ? ", " FORM_CUT : "");
    } else if (row) {
        const char *mark = form_tone_mark(row->cells[column].tone);

        if (mark[0])
            buf_printf(out, "%s\xc2\xa0", mark);
        form_show(out, row->cells[column].text, cell_max(g, row));
    } else {
        form_show(out, g->b->columns[column].label, FORM_CELL_MAX);
    }
    if (!buf_ok(out))
        g->p->nomem = true;
    g->spent += out->n;
    return buf_view(out);
}

static void measure_row(struct pdf_grid *g, const struct report_row *row)
{
    for (size_t c = 0; c < g->ncolumns; c++) {
        double wide;

        pdf_set(g->p, g->p->layout, row ? FONT_CELL : FONT_HEADING, -1, 0, cell_text(g, row, c));
        wide = fmin(pdf_layout_width(g->p->layout) + 2 * PAD_X + 0.5, COLUMN_MAX);
        g->widths[c] = fmax(g->widths[c], wide);
    }
}

static double width_under(const struct pdf_grid *g, double limit)
{
    double sum = 0;

    for (size_t c = 0; c < g->ncolumns; c++)
        sum += fmin(g->widths[c], limit);
    return sum;
}

/* False: the columns would be too narrow. */
static bool measure(struct pdf_grid *g)
{
    double low = COLUMN_MIN, high = COLUMN_MAX, sum;

    measure_row(g, NULL);
    for (size_t i = 0; i < g->b->nrows && i < MEASURED; i++)
        measure_row(g, &g->b->rows[i]);
    if (width_under(g, COLUMN_MIN) > PDF_CONTENT)
        return false;
    for (int i = 0; i < 30 && width_under(g, high) > PDF_CONTENT; i++) {
        double middle = (low + high) / 2;

        if (width_under(g, middle) > PDF_CONTENT)
            high = middle;
        else
            low = middle;
        if (i == 29)
            high = low;
    }
    sum = width_under(g, high);
    for (size_t c = 0; c < g->ncolumns; c++)
        g->widths[c] = fmin(g->widths[c], high) * PDF_CONTENT / sum;
    return true;
}

/* Lays the row out; its height. */
static double set_row(struct pdf_grid *g, const struct report_row *row)
{
    double height = 0;

    for (size_t c = 0; c < g->ncolumns; c++) {
        bool own = c < g->b->ncolumns;

        pdf_set(g->p, g->layouts[c], row ? FONT_CELL : FONT_HEADING, g->widths[c] - 2 * PAD_X,
                CELL_LINES, cell_text(g, row, c));
        pdf_align(g->layouts[c], own ? g->b->columns[c].align : REPORT_LEFT);
        g->tones[c] = !own  ? (row ? COLOUR_QUIET : COLOUR_TEXT)
                      : row ? tone_colour(row->cells[c].tone)
                            : COLOUR_TEXT;
        height = fmax(height, pdf_layout_height(g->layouts[c]));
    }
    return height + 2 * PAD_Y;
}

static void put_row(struct pdf_grid *g, double height)
{
    double x = PDF_LEFT;

    for (size_t c = 0; c < g->ncolumns; c++) {
        pdf_put(g->p, g->layouts[c], x + PAD_X, g->p->y + PAD_Y, g->tones[c]);
        x += g->widths[c];
    }
    g->p->y += height;
    pdf_rule(g->p, PDF_LEFT, g->p->y, PDF_CONTENT, 0.5, COLOUR_LINE);
}

static void put_heading(struct pdf_grid *g)
{
    double height = set_row(g, NULL);

    pdf_box(g->p, PDF_LEFT, g->p->y, PDF_CONTENT, height, COLOUR_SOFT);
    put_row(g, height);
}

static void put_grid(struct pdf_grid *g)
{
    pdf_need(g->p, 60);
    put_heading(g);
    for (size_t i = 0; i < g->b->nrows; i++) {
        double height = set_row(g, &g->b->rows[i]);

        if (pdf_need(g->p, height)) {
            put_heading(g);
            height = set_row(g, &g->b->rows[i]);
        }
        put_row(g, height);
    }
}

static void put_lists(struct pdf_grid *g)
{
    for (size_t i = 0; i < g->b->nrows; i++) {
        for (size_t c = 0; c < g->ncolumns; c++) {
            AUTO_BUF line = BUF_INIT;

            buf_slice(&line, cell_text(g, NULL, c));
            buf_str(&line, ": ");
            buf_slice(&line, cell_text(g, &g->b->rows[i], c));
            pdf_paragraph(g->p, FONT_CELL, COLOUR_TEXT, PDF_LEFT, PDF_CONTENT, buf_view(&line));
            if (!buf_ok(&line))
                g->p->nomem = true;
        }
        g->p->y += 3;
        pdf_rule(g->p, PDF_LEFT, g->p->y, PDF_CONTENT, 0.5, COLOUR_LINE);
        g->p->y += 3;
    }
}

static void put_rest(struct pdf *p, const struct report_block *b)
{
    AUTO_BUF line = BUF_INIT;

    if (b->rows_left) {
        buf_str(&line, "and ");
        form_number_grouped(&line, (double)b->rows_left);
        buf_str(&line, " more");
    } else if (!b->nrows) {
        buf_str(&line, "none");
    }
    p->y += 3;
    if (line.n)
        pdf_paragraph(p, FONT_CELL, COLOUR_QUIET, PDF_LEFT, PDF_CONTENT, buf_view(&line));
}

static void put_table(struct pdf_grid *g)
{
    for (size_t c = 0; c < g->ncolumns; c++)
        g->layouts[c] = pango_layout_new(g->p->context);
    if (measure(g))
        put_grid(g);
    else
        put_lists(g);
    for (size_t c = 0; c < g->ncolumns; c++)
        g_object_unref(g->layouts[c]);
}

void pdf_table(struct pdf *p, const struct report_block *b)
{
    size_t n = b->ncolumns + form_has_samples(b);
    AUTO_FREE double *widths = calloc(n + 1, sizeof *widths);
    AUTO_FREE PangoLayout **layouts = calloc(n + 1, sizeof *layouts);
    AUTO_FREE enum pdf_colour *tones = calloc(n + 1, sizeof *tones);
    struct pdf_grid g = { p, b, n, widths, layouts, tones, 0 };

    if (!widths || !layouts || !tones) {
        p->nomem = true;
        return;
    }
    if (b->ncolumns && b->nrows)
        put_table(&g);
    put_rest(p, b);
}
#endif
