/* Between the parts of the text form. Texts here are shown text (form_show()). */
#pragma once

#include "reports/form-private.h"

enum { TEXT_WIDTH_MIN = 40, TEXT_WIDTH_MAX = 400 };

struct text_form {
    struct buf *out;
    unsigned width;
    bool colour;
};
enum text_style { STYLE_NONE, STYLE_STRONG, STYLE_QUIET, STYLE_GOOD, STYLE_ATTENTION, STYLE_BAD };
enum text_style text_tone_style(enum report_tone tone);

void text_spaces(struct buf *b, size_t n);
void text_styled(struct text_form *f, enum text_style style, struct slice shown);
/* Wrapped at blanks (a word too long for a line is broken), each line `indent` columns in. */
void text_paragraph(struct text_form *f, size_t indent, struct slice shown);
/* Cuts the first line off: at most `width` columns and at least one character. */
struct slice text_wrap(struct slice *rest, size_t width);

int text_table_put(struct text_form *f, const struct report_block *b, struct err *err);
void text_chart_put(struct text_form *f, const struct report_block *b);
