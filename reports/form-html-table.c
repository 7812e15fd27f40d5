/* Tables of the HTML form: each scrolls in its own box where the screen is too narrow. */
#include "reports/form-html-private.h"

enum {
    LONG_CELL = 34, /* columns; from there on a cell wraps in a box of its own */
    LONGER_CELL = 110,
};

static const char *cell_class(const struct report_column *c, enum report_tone tone)
{
    static const char *const classes[2][5] = {
        { "", " class=\"good\"", " class=\"attention\"", " class=\"bad\"", " class=\"quiet\"" },
        { " class=\"r\"", " class=\"r good\"", " class=\"r attention\"", " class=\"r bad\"",
          " class=\"r quiet\"" }
    };

    return classes[c->align == REPORT_RIGHT][(size_t)tone < 5 ? tone : TONE_NONE];
}

static void put_text(struct html_form *f, struct slice raw, const char *mark)
{
    size_t n;

    buf_reset(&f->scratch);
    form_show(&f->scratch, raw, FORM_CELL_MAX);
    n = form_width(buf_view(&f->scratch));
    html_put(f, n > LONGER_CELL ? "<div class=\"w x\">" : n > LONG_CELL ? "<div class=\"w\">" : "");
    if (mark[0])
        buf_printf(f->out, "<span aria-hidden=\"true\">%s\xc2\xa0</span>", mark);
    html_shown(f, buf_view(&f->scratch));
    html_put(f, n > LONG_CELL ? "</div>" : "");
    if (!buf_ok(&f->scratch))
        f->out->failed = true;
}

static bool has_proof(const struct report *r, uint64_t index)
{
    for (size_t i = 0; i < r->nproofs; i++)
        if (r->proofs[i].index == index)
            return true;
    return false;
}

static void put_samples(struct html_form *f, const struct report *r, const struct report_row *row)
{
    html_put(f, "<td class=\"k quiet\">");
    for (size_t i = 0; i < row->nsamples && i < FORM_SAMPLES_MAX; i++) {
        unsigned long long at = row->samples[i];

        if (has_proof(r, at))
            buf_printf(f->out, "%s<a href=\"#e%llu\">%llu</a>", i ? ", " : "", at, at);
        else
            buf_printf(f->out, "%s%llu", i ? ", " : "", at);
    }
    html_put(f, row->nsamples > FORM_SAMPLES_MAX ? ", " FORM_CUT "</td>" : "</td>");
}

static void put_heading(struct html_form *f, const struct report_block *b, bool samples)
{
    html_put(f, "<thead><tr>");
    for (size_t i = 0; i < b->ncolumns; i++) {
        buf_printf(f->out, "<th scope=\"col\"%s>",
                   b->columns[i].align == REPORT_RIGHT ? " class=\"r\"" : "");
        put_text(f, b->columns[i].label, "");
        html_put(f, "</th>");
    }
    html_put(f, samples ? "<th scope=\"col\">Entries</th></tr></thead>\n" : "</tr></thead>\n");
}

static void put_row(struct html_form *f, const struct report *r, const struct report_block *b,
                    const struct report_row *row, bool samples)
{
    html_put(f, "<tr>");
    for (size_t i = 0; i < b->ncolumns; i++) {
        const struct report_cell *cell = &row->cells[i];

        buf_printf(f->out, "<td%s>", cell_class(&b->columns[i], cell->tone));
        put_text(f, cell->text, form_tone_mark(cell->tone));
        html_put(f, "</td>");
    }
    if (samples)
        put_samples(f, r, row);
    html_put(f, "</tr>\n");
}

void html_table(struct html_form *f, const struct report *r, const struct report_block *b,
                unsigned title_id)
{
    bool samples = form_has_samples(b);

    if (b->nrows && b->ncolumns) {
        html_put(f, "<div class=\"box\" role=\"group\" tabindex=\"0\"");
        if (title_id)
            buf_printf(f->out, " aria-labelledby=\"t%u\"", title_id);
        html_put(f, "><table>\n");
        put_heading(f, b, samples);
        html_put(f, "<tbody>\n");
        for (size_t i = 0; i < b->nrows; i++)
            put_row(f, r, b, &b->rows[i], samples);
        html_put(f, "</tbody></table></div>\n");
    }
    if (b->rows_left) {
        html_put(f, "<p class=\"rest\">and ");
        form_number_grouped(f->out, (double)b->rows_left);
        html_put(f, " more</p>\n");
    } else if (!b->nrows) {
        html_put(f, "<p class=\"rest\">none</p>\n");
    }
}
