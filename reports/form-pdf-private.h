/*
 * Between the parts of the PDF form. A report is laid out twice by the same code: first without
 * drawing, to know on which page each section begins and how many pages there are, then for good.
 * Lengths are points. Texts are shown text (form_show()).
 */
#pragma once

#include <cairo-pdf.h>
#include <pango/pangocairo.h>

#include "reports/form-private.h"

#define PDF_WIDTH 595.28 /* A4 */
#define PDF_HEIGHT 841.89
#define PDF_LEFT 45.0
#define PDF_TOP 48.0
#define PDF_BOTTOM (PDF_HEIGHT - 56)
#define PDF_CONTENT (PDF_WIDTH - 2 * PDF_LEFT)

enum pdf_font {
    FONT_TITLE,
    FONT_SECTION,
    FONT_SUBSECTION,
    FONT_BLOCK,
    FONT_BODY,
    FONT_SMALL,
    FONT_CELL,
    FONT_HEADING,
    FONT_FIGURE,
    FONT_FIXED,
    FONTS
};
enum pdf_colour {
    COLOUR_TEXT,
    COLOUR_QUIET,
    COLOUR_LINE,
    COLOUR_SOFT,
    COLOUR_GAP,
    COLOUR_LINK,
    COLOUR_GOOD,
    COLOUR_ATTENTION,
    COLOUR_BAD,
    COLOUR_SERIES, /* and the FORM_SERIES_MAX - 1 behind it */
};

struct pdf {
    const struct report *report;
    cairo_surface_t *surface;
    cairo_t *cr;
    PangoFontMap *map;
    PangoContext *context;
    PangoAttrList *attributes; /* of all layouts: no hyphens of Pango's own */
    PangoLayout *layout; /* for whatever is laid out next */
    PangoFontDescription *fonts[FONTS];
    struct buf scratch;
    bool draw; /* the second time */
    bool nomem;
    double y;
    unsigned page, pages;
    unsigned *section_pages; /* and of the last chapter */
};

int pdf_text_init(struct pdf *p, struct err *err);
void pdf_text_fini(struct pdf *p);
void pdf_new_page(struct pdf *p);
/* A new page when `height` does not fit on this one. True: it is one. */
bool pdf_need(struct pdf *p, double height);
void pdf_colour(struct pdf *p, enum pdf_colour c);
void pdf_rule(struct pdf *p, double x, double y, double width, double thick, enum pdf_colour c);
void pdf_box(struct pdf *p, double x, double y, double width, double height, enum pdf_colour c);

/* The shown text of raw in p->scratch. */
struct slice pdf_show(struct pdf *p, struct slice raw, size_t max);
/* Lays it out in p->layout: in `width`, at most `lines` of them (0: any), the last one cut. */
void pdf_set(struct pdf *p, PangoLayout *layout, enum pdf_font font, double width, unsigned lines,
             struct slice shown);
void pdf_align(PangoLayout *layout, enum report_align align);
double pdf_layout_height(PangoLayout *layout);
double pdf_layout_width(PangoLayout *layout);
/* Draws a layout of one piece; does nothing the first time. */
void pdf_put(struct pdf *p, PangoLayout *layout, double x, double y, enum pdf_colour c);
/* One line, cut to the width; align: 0 left, 0.5 middle, 1 right of x. */
void pdf_label(struct pdf *p, enum pdf_font font, enum pdf_colour c, double x, double y,
               double width, double align, struct slice shown);
/* A text that may go on over pages, at p->y, which it moves. */
void pdf_paragraph(struct pdf *p, enum pdf_font font, enum pdf_colour c, double x, double width,
                   struct slice shown);

void pdf_table(struct pdf *p, const struct report_block *b);
void pdf_chart(struct pdf *p, const struct report_block *b);
