/*
 * Tables in text: columns as wide as the widest cell while they fit; else the widest give way and
 * their cells wrap. When even narrow columns do not fit, each row becomes a list of "label value".
 */
#include "reports/form-text-private.h"

enum {
    COLUMN_MIN = 6, /* a column never gives way below it */
    GAP = 2,
    CELL_LINES = 8, /* more are cut */
};

struct grid {
    const struct report_block *b;
    size_t *widths;
    struct buf *cells; /* of one row: shown texts */
    struct slice *rests; /* of them what is not written yet */
};

static void show_cell(struct buf *out, const struct report_cell *cell)
{
    const char *mark = form_tone_mark(cell->tone);

    buf_reset(out);
    if (mark[0])
        buf_printf(out, "%s\xc2\xa0", mark); /* never apart from its text */
    form_show(out, cell->text, FORM_CELL_MAX);
}

static void measure(struct grid *g)
{
    for (size_t c = 0; c < g->b->ncolumns; c++) {
        buf_reset(&g->cells[0]);
        form_show(&g->cells[0], g->b->columns[c].label, FORM_CELL_MAX);
        g->widths[c] = form_width(buf_view(&g->cells[0]));
        if (!g->widths[c])
            g->widths[c] = 1;
    }
    for (size_t i = 0; i < g->b->nrows; i++)
        for (size_t c = 0; c < g->b->ncolumns; c++) {
            size_t n;

            show_cell(&g->cells[0], &g->b->rows[i].cells[c]);
            n = form_width(buf_view(&g->cells[0]));
            g->widths[c] = n > g->widths[c] ? n : g->widths[c];
        }
}

/* The widest column that may give way, or the number of columns. */
static size_t widest(const struct grid *g, size_t *ret_next)
{
    size_t at = g->b->ncolumns;

    *ret_next = COLUMN_MIN;
    for (size_t c = 0; c < g->b->ncolumns; c++) {
        if (g->widths[c] <= COLUMN_MIN)
            continue;
        if (at == g->b->ncolumns || g->widths[c] > g->widths[at]) {
            if (at < g->b->ncolumns && g->widths[at] > *ret_next)
                *ret_next = g->widths[at];
            at = c;
        } else if (g->widths[c] > *ret_next) {
            *ret_next = g->widths[c];
        }
    }
    return at;
}

/* False: the columns do not fit. */
static bool squeeze(struct grid *g, size_t room)
{
    size_t sum = GAP * (g->b->ncolumns - 1);

    for (size_t c = 0; c < g->b->ncolumns; c++)
        sum += g->widths[c];
    while (sum > room) {
        size_t next, at = widest(g, &next), give;

        if (at == g->b->ncolumns)
            return false;
        give = g->widths[at] > next ? g->widths[at] - next : 1;
        give = give > sum - room ? sum - room : give;
        g->widths[at] -= give;
        sum -= give;
    }
    return true;
}

static void put_piece(struct text_form *f, const struct report_column *column, struct slice line,
                      size_t width, enum text_style style, bool last)
{
    size_t n = form_width(line), pad = width > n ? width - n : 0;

    if (column->align == REPORT_RIGHT)
        text_spaces(f->out, pad);
    text_styled(f, style, line);
    if (column->align == REPORT_LEFT && !last)
        text_spaces(f->out, pad);
    if (!last)
        text_spaces(f->out, GAP);
}

static bool all_written(const struct grid *g)
{
    for (size_t c = 0; c < g->b->ncolumns; c++)
        if (g->rests[c].n)
            return false;
    return true;
}

/* The row whose texts are in the cells; NULL: the heading. */
static void put_row(struct text_form *f, struct grid *g, const struct report_row *row)
{
    size_t lines = 0, columns = g->b->ncolumns;

    for (size_t c = 0; c < columns; c++)
        g->rests[c] = buf_view(&g->cells[c]);
    do {
        lines++;
        for (size_t c = 0; c < columns; c++) {
            struct slice line = text_wrap(&g->rests[c], g->widths[c]);
            enum text_style style = row ? text_tone_style(row->cells[c].tone) : STYLE_STRONG;

            if (lines == CELL_LINES && g->rests[c].n)
                line = SLICE(FORM_CUT);
            put_piece(f, &g->b->columns[c], line, g->widths[c], style, c + 1 == columns);
        }
        while (f->out->n && f->out->p[f->out->n - 1] == ' ')
            f->out->n--;
        buf_char(f->out, '\n');
    } while (lines < CELL_LINES && !all_written(g));
}

static void put_rule(struct text_form *f, const struct grid *g)
{
    for (size_t c = 0; c < g->b->ncolumns; c++) {
        text_spaces(f->out, c ? GAP : 0);
        for (size_t i = 0; i < g->widths[c]; i++)
            buf_str(f->out, "\xe2\x94\x80");
    }
    buf_char(f->out, '\n');
}

static void put_grid(struct text_form *f, struct grid *g)
{
    for (size_t c = 0; c < g->b->ncolumns; c++) {
        buf_reset(&g->cells[c]);
        form_show(&g->cells[c], g->b->columns[c].label, FORM_CELL_MAX);
    }
    put_row(f, g, NULL);
    put_rule(f, g);
    for (size_t i = 0; i < g->b->nrows; i++) {
        for (size_t c = 0; c < g->b->ncolumns; c++)
            show_cell(&g->cells[c], &g->b->rows[i].cells[c]);
        put_row(f, g, &g->b->rows[i]);
    }
}

static void put_lists(struct text_form *f, struct grid *g)
{
    for (size_t i = 0; i < g->b->nrows; i++) {
        if (i)
            buf_char(f->out, '\n');
        for (size_t c = 0; c < g->b->ncolumns; c++) {
            AUTO_BUF line = BUF_INIT;

            show_cell(&g->cells[0], &g->b->rows[i].cells[c]);
            form_show(&line, g->b->columns[c].label, 60);
            buf_str(&line, ": ");
            buf_slice(&line, buf_view(&g->cells[0]));
            text_paragraph(f, 2, buf_view(&line));
            if (!buf_ok(&line))
                f->out->failed = true;
        }
    }
}

static void put_rest(struct text_form *f, const struct report_block *b)
{
    AUTO_BUF line = BUF_INIT;

    if (b->rows_left) {
        buf_str(&line, "and ");
        form_number_grouped(&line, (double)b->rows_left);
        buf_str(&line, " more");
    } else if (!b->nrows) {
        buf_str(&line, "none");
    }
    if (line.n) {
        text_styled(f, STYLE_QUIET, buf_view(&line));
        buf_char(f->out, '\n');
    }
}

int text_table_put(struct text_form *f, const struct report_block *b, struct err *err)
{
    size_t n = b->ncolumns;
    AUTO_FREE size_t *widths = calloc(n + 1, sizeof *widths);
    AUTO_FREE struct buf *cells = calloc(n + 1, sizeof *cells);
    AUTO_FREE struct slice *rests = calloc(n + 1, sizeof *rests);
    struct grid g = { .b = b, .widths = widths, .cells = cells, .rests = rests };

    if (!widths || !cells || !rests)
        return err_nomem(err);
    if (n && b->nrows) {
        measure(&g);
        if (squeeze(&g, f->width))
            put_grid(f, &g);
        else
            put_lists(f, &g);
    }
    put_rest(f, b);
    for (size_t c = 0; c < n; c++) {
        if (!buf_ok(&cells[c]))
            f->out->failed = true;
        buf_fini(&cells[c]);
    }
    return 0;
}
