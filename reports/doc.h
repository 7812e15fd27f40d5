/*
 * Writing the document of report.h: sections, blocks, figures, tables and series grow in an arena.
 *
 *     doc_init(); doc_section(); doc_figure() ...; doc_table(); doc_row(); doc_cell() ...;
 * doc_end()
 *
 * What is added belongs to the newest section, block or row. Names are string constants; texts are
 * copied. A failure (memory) is remembered and told once by doc_end(). Times are shown in the
 * report's zone.
 */
#pragma once

#include <math.h>

#include "base/zone.h"
#include "reports/report.h"

#define DOC_SAMPLES_MAX 3 /* of a row */

struct doc {
    struct report *report;
    struct arena *arena;
    const struct zone *zone; /* NULL: UTC */
    size_t sections_cap, blocks_cap, rows_cap, figures_cap;
    size_t ncells; /* of the row at hand */
    struct buf text; /* scratch */
    bool alone; /* there is no period before to compare with */
    bool failed;
};

void doc_init(struct doc *d, struct report *r, struct arena *a, const struct zone *z);
int doc_end(struct doc *d, struct err *err);

struct slice doc_keep(struct doc *d, struct slice text);
struct slice doc_printf(struct doc *d, const char *fmt, ...) PRINTF_LIKE(2, 3);

void doc_section(struct doc *d, const char *name, const char *title);
void doc_subsection(struct doc *d, const char *name, struct slice title);
/* A block of the newest section; `note` may be NULL. */
void doc_text(struct doc *d, const char *name, struct slice text);
void doc_figures(struct doc *d, const char *name, const char *title, const char *note);
struct doc_column {
    const char *name, *label;
    enum report_align align;
};
void doc_table(struct doc *d, const char *name, const char *title, const char *note,
               const struct doc_column *columns, size_t n);
void doc_rows_left(struct doc *d, uint64_t n);

/* A number as people read it, with what was before for the comparison (NAN: nothing). */
void doc_figure(struct doc *d, const char *name, const char *label, double number, const char *unit,
                double before);
void doc_figure_text(struct doc *d, const char *name, const char *label, struct slice text);

/* Rows are short of cells until all columns are there. */
void doc_row(struct doc *d);
void doc_cell(struct doc *d, struct slice text);
void doc_cell_tone(struct doc *d, struct slice text, enum report_tone tone);
void doc_cell_count(struct doc *d, uint64_t n);
void doc_cell_number(struct doc *d, double n, const char *unit);
void doc_cell_time(struct doc *d, uint64_t us); /* 0: "-" */
void doc_cell_none(struct doc *d); /* "-" */
void doc_sample(struct doc *d, uint64_t index);

/* Lines or bars over labels; values are copied, NAN is a gap. */
void doc_chart(struct doc *d, const char *name, const char *title, enum report_chart_kind kind,
               const struct slice *labels, size_t n, const char *unit);
void doc_series(struct doc *d, const char *label, const double *values);

/* ---- texts ---- */

/* "1,234"; "12.5 MiB"; "3 h 20 min"; "12.5 %". */
void buf_number(struct buf *b, double n, const char *unit);
/* 2026-11-21 01:38:59; without seconds; the day alone. */
enum doc_time { DOC_SECOND, DOC_MINUTE, DOC_DAY };
void buf_when(struct buf *b, uint64_t us, const struct zone *z, enum doc_time how);
