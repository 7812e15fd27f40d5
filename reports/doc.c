#include "reports/doc.h"

#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/num.h"

void doc_init(struct doc *d, struct report *r, struct arena *a, const struct zone *z)
{
    *d = (struct doc){ .report = r, .arena = a, .zone = z, .text = BUF_INIT };
}

int doc_end(struct doc *d, struct err *err)
{
    bool good = !d->failed && buf_ok(&d->text);

    buf_fini(&d->text);
    return good ? 0 : err_nomem(err);
}

struct slice doc_keep(struct doc *d, struct slice text)
{
    struct slice s = arena_slice(d->arena, text);

    d->failed = d->failed || !s.p;
    return s.p ? s : SLICE("");
}

static struct slice keep_scratch(struct doc *d)
{
    struct slice s = doc_keep(d, buf_view(&d->text));

    buf_reset(&d->text);
    return s;
}

struct slice doc_printf(struct doc *d, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    buf_vprintf(&d->text, fmt, args);
    va_end(args);
    return keep_scratch(d);
}

/* One more element, zeroed; the array moves inside the arena when it is full. */
static void *more(struct doc *d, void **items, size_t *n, size_t *cap, size_t size)
{
    if (*n == *cap) {
        size_t wider = *cap ? *cap * 2 : 8;
        char *p = arena_array(d->arena, wider, size);

        if (!p) {
            d->failed = true;
            return NULL;
        }
        if (*n)
            memcpy(p, *items, *n * size);
        *items = p;
        *cap = wider;
    }
    return (char *)*items + size * (*n)++;
}

/* ---- sections and blocks ---- */

static void section(struct doc *d, const char *name, struct slice title, unsigned level)
{
    struct report *r = d->report;
    void *items = r->sections;
    struct report_section *s = more(d, &items, &r->nsections, &d->sections_cap, sizeof *s);

    r->sections = items;
    if (s)
        *s = (struct report_section){ slice_str(name), title, level, NULL, 0 };
    d->blocks_cap = 0;
}

void doc_section(struct doc *d, const char *name, const char *title)
{
    section(d, name, slice_str(title), 1);
}

void doc_subsection(struct doc *d, const char *name, struct slice title)
{
    section(d, name, title, 2);
}

static struct report_section *newest_section(const struct doc *d)
{
    const struct report *r = d->report;

    return r->nsections ? &r->sections[r->nsections - 1] : NULL;
}

static struct report_block *newest_block(const struct doc *d)
{
    const struct report_section *s = newest_section(d);

    return s && s->nblocks ? &s->blocks[s->nblocks - 1] : NULL;
}

static struct report_block *block(struct doc *d, enum report_block_kind kind, const char *name,
                                  const char *title, struct slice text)
{
    struct report_section *s = newest_section(d);
    void *items = s ? s->blocks : NULL;
    struct report_block *b = s ? more(d, &items, &s->nblocks, &d->blocks_cap, sizeof *b) : NULL;

    if (!b)
        return NULL;
    s->blocks = items;
    *b = (struct report_block){
        .kind = kind, .name = slice_str(name), .title = slice_str(title ? title : ""), .text = text
    };
    d->rows_cap = d->figures_cap = 0;
    return b;
}

void doc_text(struct doc *d, const char *name, struct slice text)
{
    (void)block(d, BLOCK_TEXT, name, NULL, doc_keep(d, text));
}

void doc_figures(struct doc *d, const char *name, const char *title, const char *note)
{
    (void)block(d, BLOCK_FIGURES, name, title, slice_str(note ? note : ""));
}

void doc_table(struct doc *d, const char *name, const char *title, const char *note,
               const struct doc_column *columns, size_t n)
{
    struct report_block *b = block(d, BLOCK_TABLE, name, title, slice_str(note ? note : ""));

    if (!b)
        return;
    b->columns = arena_array(d->arena, n, sizeof *b->columns);
    d->failed = d->failed || !b->columns;
    for (size_t i = 0; b->columns && i < n; i++)
        b->columns[i] = (struct report_column){ slice_str(columns[i].name),
                                                slice_str(columns[i].label), columns[i].align };
    b->ncolumns = b->columns ? n : 0;
}

void doc_rows_left(struct doc *d, uint64_t n)
{
    struct report_block *b = newest_block(d);

    if (b)
        b->rows_left = n;
}

/* ---- figures ---- */

static struct report_figure *figure(struct doc *d, const char *name, const char *label)
{
    struct report_block *b = newest_block(d);
    void *items = b ? b->figures : NULL;
    struct report_figure *f = b ? more(d, &items, &b->nfigures, &d->figures_cap, sizeof *f) : NULL;

    if (!f)
        return NULL;
    b->figures = items;
    *f = (struct report_figure){ .name = slice_str(name),
                                 .label = slice_str(label),
                                 .number = NAN,
                                 .unit = SLICE(""),
                                 .text = SLICE(""),
                                 .before = SLICE("") };
    return f;
}

static struct slice compared(struct doc *d, double now, double before, const char *unit)
{
    AUTO_BUF was = BUF_INIT;

    if (isnan(before))
        return SLICE("");
    buf_number(&was, before, unit);
    if (before == now)
        return doc_printf(d, "as before");
    if (before == 0)
        return doc_printf(d, "none before");
    return doc_printf(d, "%s %.0f %%, was %s", now > before ? "up" : "down",
                      100 * fabs(now - before) / fabs(before), was.p ? was.p : "");
}

void doc_figure(struct doc *d, const char *name, const char *label, double number, const char *unit,
                double before)
{
    struct report_figure *f = figure(d, name, label);

    if (!f)
        return;
    f->number = number;
    f->unit = slice_str(unit);
    f->before = d->alone ? SLICE("") : compared(d, number, before, unit);
    if (isnan(number))
        buf_str(&d->text, "none");
    else
        buf_number(&d->text, number, unit);
    f->text = keep_scratch(d);
}

void doc_figure_text(struct doc *d, const char *name, const char *label, struct slice text)
{
    struct report_figure *f = figure(d, name, label);

    if (f)
        f->text = doc_keep(d, text);
}

/* ---- rows ---- */

void doc_row(struct doc *d)
{
    struct report_block *b = newest_block(d);
    void *items = b ? b->rows : NULL;
    struct report_row *row = b ? more(d, &items, &b->nrows, &d->rows_cap, sizeof *row) : NULL;

    if (!row)
        return;
    b->rows = items;
    *row = (struct report_row){ .cells = arena_array(d->arena, b->ncolumns, sizeof *row->cells),
                                .samples = NULL };
    d->failed = d->failed || !row->cells;
    for (size_t i = 0; row->cells && i < b->ncolumns; i++)
        row->cells[i] = (struct report_cell){ SLICE("-"), NAN, TONE_QUIET };
    d->ncells = 0;
}

static struct report_cell *cell(struct doc *d)
{
    struct report_block *b = newest_block(d);
    struct report_row *row = b && b->nrows ? &b->rows[b->nrows - 1] : NULL;

    return row && row->cells && d->ncells < b->ncolumns ? &row->cells[d->ncells++] : NULL;
}

void doc_cell_tone(struct doc *d, struct slice text, enum report_tone tone)
{
    struct report_cell *c = cell(d);

    if (c)
        *c = (struct report_cell){ doc_keep(d, text), NAN, tone };
}

void doc_cell(struct doc *d, struct slice text)
{
    doc_cell_tone(d, text, TONE_NONE);
}

void doc_cell_number(struct doc *d, double n, const char *unit)
{
    struct report_cell *c = cell(d);

    if (!c)
        return;
    buf_number(&d->text, n, unit);
    *c = (struct report_cell){ keep_scratch(d), n, n == 0 ? TONE_QUIET : TONE_NONE };
}

void doc_cell_count(struct doc *d, uint64_t n)
{
    doc_cell_number(d, (double)n, "");
}

void doc_cell_time(struct doc *d, uint64_t us)
{
    struct report_cell *c = us ? cell(d) : NULL;

    if (!us)
        doc_cell_none(d);
    if (!c)
        return;
    buf_when(&d->text, us, d->zone, DOC_SECOND);
    *c = (struct report_cell){ keep_scratch(d), NAN, TONE_NONE };
}

void doc_cell_none(struct doc *d)
{
    (void)cell(d); /* as the row began */
}

void doc_sample(struct doc *d, uint64_t index)
{
    struct report_block *b = newest_block(d);
    struct report_row *row = b && b->nrows ? &b->rows[b->nrows - 1] : NULL;

    if (!row || row->nsamples == DOC_SAMPLES_MAX)
        return;
    if (!row->samples)
        row->samples = arena_array(d->arena, DOC_SAMPLES_MAX, sizeof *row->samples);
    d->failed = d->failed || !row->samples;
    if (row->samples)
        row->samples[row->nsamples++] = index;
}

/* ---- charts ---- */

void doc_chart(struct doc *d, const char *name, const char *title, enum report_chart_kind kind,
               const struct slice *labels, size_t n, const char *unit)
{
    struct report_block *b = block(d, BLOCK_CHART, name, title, SLICE(""));

    if (!b)
        return;
    b->chart = kind;
    b->unit = slice_str(unit);
    b->labels = arena_array(d->arena, n, sizeof *b->labels);
    d->failed = d->failed || !b->labels;
    for (size_t i = 0; b->labels && i < n; i++)
        b->labels[i] = doc_keep(d, labels[i]);
    b->nlabels = b->labels ? n : 0;
}

void doc_series(struct doc *d, const char *label, const double *values)
{
    struct report_block *b = newest_block(d);
    void *items = b ? b->series : NULL;
    struct report_series *s = b ? more(d, &items, &b->nseries, &d->rows_cap, sizeof *s) : NULL;

    if (!s)
        return;
    b->series = items;
    *s = (struct report_series){ slice_str(label),
                                 arena_array(d->arena, b->nlabels, sizeof *s->values) };
    if (s->values && b->nlabels)
        memcpy(s->values, values, b->nlabels * sizeof *values);
    d->failed = d->failed || !s->values;
}

/* ---- texts ---- */

static void thousands(struct buf *b, double n)
{
    char digits[40];
    int len = snprintf(digits, sizeof digits, "%.0f", fabs(n));

    if (n < 0)
        buf_char(b, '-');
    for (int i = 0; i < len; i++) {
        if (i && (len - i) % 3 == 0)
            buf_char(b, ',');
        buf_char(b, digits[i]);
    }
}

/* The two largest units that say something. */
static void spoken(struct buf *b, double seconds)
{
    static const struct {
        double s;
        const char *name;
    } units[] = { { 86400, "d" }, { 3600, "h" }, { 60, "min" }, { 1, "s" } };
    uint64_t left = (uint64_t)(seconds + 0.5);
    unsigned shown = 0;

    if (seconds < 1) {
        buf_printf(b, "%.3g s", seconds);
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(units) && shown < 2; i++) {
        uint64_t n = left / (uint64_t)units[i].s;

        left %= (uint64_t)units[i].s;
        if (n == 0 && shown == 0)
            continue;
        if (n)
            buf_printf(b, "%s%llu %s", shown ? " " : "", (unsigned long long)n, units[i].name);
        shown++;
    }
}

void buf_number(struct buf *b, double n, const char *unit)
{
    if (isnan(n))
        buf_str(b, "none");
    else if (strcmp(unit, "bytes") == 0 && n >= 0 && n < 1e18)
        buf_bytes(b, (uint64_t)n);
    else if (strcmp(unit, "seconds") == 0 && n >= 0 && n < 1e12)
        spoken(b, n);
    else if (strcmp(unit, "percent") == 0)
        buf_printf(b, "%.1f %%", n);
    else if (n == floor(n))
        thousands(b, n);
    else
        buf_printf(b, "%.1f", n);
}

void buf_when(struct buf *b, uint64_t us, const struct zone *z, enum doc_time how)
{
    int64_t local = zone_local(z, (int64_t)(us / USEC_PER_SEC));
    struct civil c = civil_from_us(local < 0 ? 0 : (uint64_t)local * USEC_PER_SEC);

    buf_printf(b, "%04d-%02u-%02u", c.year, c.month, c.day);
    if (how != DOC_DAY)
        buf_printf(b, " %02u:%02u", c.hour, c.minute);
    if (how == DOC_SECOND)
        buf_printf(b, ":%02u", c.second);
}
