/*
 * One table of a report as CSV (RFC 4180): a heading of names, CRLF, quotes where needed. Numbers
 * are plain. A cell that a spreadsheet would take for a formula gets a ' before it: texts are
 * those of strangers. Behind the columns stands `samples`: the entries that a row rests on. Figures
 * and charts are tables here, too.
 */
#include <math.h>

#include "reports/form-private.h"

struct csv_form {
    struct buf *out;
    struct buf scratch;
    bool inside; /* a record has begun */
};

static void comma(struct csv_form *f)
{
    if (f->inside)
        buf_char(f->out, ',');
    f->inside = true;
}

static void end(struct csv_form *f)
{
    buf_str(f->out, "\r\n");
    f->inside = false;
}

/* NUL and the other controls have no place in CSV but tab, CR and LF. */
static void put_clean(struct csv_form *f, struct slice s, bool quoted)
{
    while (s.n) {
        uint32_t cp = 0xfffd;
        unsigned len = utf8_decode(s, &cp);
        bool control = (cp < 0x20 && cp != '\t' && cp != '\r' && cp != '\n') || cp == 0x7f;

        if (!len || control)
            buf_str(f->out, "\xef\xbf\xbd");
        else
            buf_add(f->out, s.p, len);
        if (quoted && cp == '"')
            buf_char(f->out, '"');
        s = slice_skip(s, len ? len : 1);
    }
}

static void put_text(struct csv_form *f, struct slice raw)
{
    struct slice s = form_value(&f->scratch, raw);
    bool formula = s.n && memchr("=+-@\t\r\n", s.p[0], 7);
    bool quoted = formula;

    for (size_t i = 0; i < s.n && !quoted; i++)
        quoted = memchr(",\"\r\n", s.p[i], 4) != NULL;
    if (!quoted && s.n)
        quoted = s.p[0] == ' ' || s.p[s.n - 1] == ' ';
    comma(f);
    if (quoted)
        buf_char(f->out, '"');
    if (formula)
        buf_char(f->out, '\'');
    put_clean(f, s, quoted);
    if (quoted)
        buf_char(f->out, '"');
}

static void put_number(struct csv_form *f, double v)
{
    comma(f);
    form_number(f->out, v);
}

static void put_samples(struct csv_form *f, const struct report_row *row)
{
    comma(f);
    for (size_t i = 0; i < row->nsamples; i++) {
        if (i)
            buf_char(f->out, ' ');
        buf_u64(f->out, row->samples[i]);
    }
}

static void put_table(struct csv_form *f, const struct report_block *b)
{
    for (size_t i = 0; i < b->ncolumns; i++)
        put_text(f, b->columns[i].name);
    put_text(f, SLICE("samples"));
    end(f);
    for (size_t i = 0; i < b->nrows; i++) {
        for (size_t c = 0; c < b->ncolumns; c++) {
            const struct report_cell *cell = &b->rows[i].cells[c];

            if (isfinite(cell->number))
                put_number(f, cell->number);
            else
                put_text(f, cell->text);
        }
        put_samples(f, &b->rows[i]);
        end(f);
    }
}

static void put_figures(struct csv_form *f, const struct report_block *b)
{
    buf_str(f->out, "name,label,text,number,unit,before\r\n");
    for (size_t i = 0; i < b->nfigures; i++) {
        put_text(f, b->figures[i].name);
        put_text(f, b->figures[i].label);
        put_text(f, b->figures[i].text);
        put_number(f, b->figures[i].number);
        put_text(f, b->figures[i].unit);
        put_text(f, b->figures[i].before);
        end(f);
    }
}

static void put_chart(struct csv_form *f, const struct report_block *b)
{
    put_text(f, SLICE("label"));
    for (size_t s = 0; s < b->nseries; s++)
        put_text(f, b->series[s].label);
    end(f);
    for (size_t i = 0; i < b->nlabels; i++) {
        put_text(f, b->labels[i]);
        for (size_t s = 0; s < b->nseries; s++)
            put_number(f, b->series[s].values[i]);
        end(f);
    }
}

static const struct report_block *find(const struct report_section *s, struct slice name)
{
    for (size_t i = 0; i < s->nblocks; i++)
        if (s->blocks[i].kind != BLOCK_TEXT && slice_eq(s->blocks[i].name, name))
            return &s->blocks[i];
    return NULL;
}

/* "logins", or "access/logins" where two sections have one of that name. */
static const struct report_block *find_table(const struct report *r, struct slice table)
{
    struct slice name = table, section = SLICE_NONE;
    const struct report_block *b = NULL;

    for (size_t i = 0; i < r->nsections && !b; i++)
        b = find(&r->sections[i], table);
    if (b || slice_find_byte(table, '/') == SIZE_MAX)
        return b;
    slice_split(&name, '/', &section);
    for (size_t i = 0; i < r->nsections && !b; i++)
        if (slice_eq(r->sections[i].name, section))
            b = find(&r->sections[i], name);
    return b;
}

int report_csv(const struct report *r, struct slice table, struct buf *out, struct err *err)
{
    static void (*const put[])(struct csv_form * f, const struct report_block *b) = {
        [BLOCK_FIGURES] = put_figures, [BLOCK_TABLE] = put_table, [BLOCK_CHART] = put_chart
    };
    const struct report_block *b = find_table(r, table);
    struct csv_form f = { .out = out };

    if (!b)
        return err_set(err, -ENOENT, "the report has no table '%.*s'",
                       SLICE_FMT(slice_take(table, 100)));
    put[b->kind](&f, b);
    if (!buf_ok(&f.scratch))
        out->failed = true;
    buf_fini(&f.scratch);
    return form_end(out, err);
}
