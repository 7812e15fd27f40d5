/*
 * A report as a document: made by the kinds (security, compliance, capacity ...), shown by the
 * forms (text, HTML, PDF, JSON, CSV, OSCAL). Nothing in it depends on the clock or the host: the
 * same trail and the same request give the same bytes. All texts are raw (hostile): each form
 * escapes. Lives in an arena; borrowed by the forms.
 *
 * name    stable word of a section, table, column or figure: keys of JSON, names of CSV files
 * figure  one number that can be traced: `query` and `entries` say how
 */
#pragma once

#include "base/json.h"
#include "base/slice.h"

struct report_proof { /* a sample entry and where it stands in the trail */
    uint64_t index;
    struct slice leaf_hash; /* hex */
    struct slice proof; /* a C2SP tlog-proof, text; may be empty */
};

struct report_figure {
    struct slice name, label;
    struct slice text; /* as people read it: "1,234", "3 h 20 min", "none" */
    double number; /* NAN: it is no number */
    struct slice unit; /* "entries", "bytes", "seconds", "percent" or empty */
    struct slice before; /* the period before, for people: "up 12 %"; may be empty */
};

enum report_align { REPORT_LEFT, REPORT_RIGHT };
struct report_column {
    struct slice name, label;
    enum report_align align;
};
struct report_cell {
    struct slice text;
    double number; /* NAN: none */
    enum report_tone { TONE_NONE, TONE_GOOD, TONE_ATTENTION, TONE_BAD, TONE_QUIET } tone;
};
struct report_row {
    struct report_cell *cells; /* as many as columns */
    uint64_t *samples; /* indexes of entries that it rests on */
    size_t nsamples;
};

enum report_chart_kind { CHART_NONE, CHART_BARS, CHART_LINE };
struct report_series {
    struct slice label;
    double *values; /* NAN: a gap; as many as labels */
};

enum report_block_kind { BLOCK_TEXT, BLOCK_FIGURES, BLOCK_TABLE, BLOCK_CHART };
struct report_block {
    enum report_block_kind kind;
    struct slice name, title; /* title may be empty */
    struct slice text; /* TEXT; of the others a line below the title; may be empty */
    struct report_figure *figures;
    size_t nfigures;
    struct report_column *columns; /* TABLE */
    size_t ncolumns;
    struct report_row *rows;
    size_t nrows;
    uint64_t rows_left; /* that are not shown: "and 12 more" */
    enum report_chart_kind chart;
    struct slice *labels; /* CHART: of the x axis */
    size_t nlabels;
    struct report_series *series;
    size_t nseries;
    struct slice unit; /* of the y axis */
};

struct report_section {
    struct slice name, title;
    unsigned level; /* 1, 2 */
    struct report_block *blocks;
    size_t nblocks;
};

struct report {
    struct slice kind, title; /* "security", "Security report" */
    struct slice subject; /* of `user`; the standard of `compliance`; else empty */
    uint64_t from_us, to_us; /* event time [from, to) */
    struct slice zone; /* name; times in texts are in it */
    struct slice period; /* "2026-11-01 to 2026-11-30 (Europe/Berlin)" */
    struct slice origin; /* of the trail */
    uint64_t size;
    struct slice root, checkpoint, config_digest,
        version; /* root: base64; checkpoint: signed note */
    uint64_t made_us; /* the end of the period or the newest entry's time: no clock */
    struct slice request; /* JSON: what makes the same report again */
    struct report_section *sections;
    size_t nsections;
    struct report_proof *proofs;
    size_t nproofs;
};

enum report_form { FORM_TEXT, FORM_HTML, FORM_PDF, FORM_JSON, FORM_CSV, FORM_OSCAL, FORMS };
const char *report_form_name(enum report_form f);

/* Each form writes the whole into `out`. -ENOMEM; -ENOTSUP: not built in. */
struct report_look {
    unsigned width; /* text: columns */
    bool colour; /* text */
};
int report_text(const struct report *r, const struct report_look *look, struct buf *out,
                struct err *err);
int report_html(const struct report *r, struct buf *out, struct err *err);
int report_pdf(const struct report *r, struct buf *out, struct err *err);
int report_json(const struct report *r, struct buf *out, struct err *err);
/* OSCAL assessment results. -ENOTSUP: the report is about no standard's controls. */
int report_oscal(const struct report *r, struct buf *out, struct err *err);
/* One table: RFC 4180; formula-safe. -ENOENT: there is no such table. */
int report_csv(const struct report *r, struct slice table, struct buf *out, struct err *err);
