/* Between the parts of the HTML form. */
#pragma once

#include "reports/form-private.h"

struct html_form {
    struct buf *out;
    struct buf scratch;
    unsigned next_id; /* of what a label points to */
};

extern const char html_style[];

/* Shown and escaped, for a text and for an attribute in double quotes alike. */
void html_text(struct html_form *f, struct slice raw);
void html_limited(struct html_form *f, struct slice raw, size_t max);
void html_shown(struct html_form *f, struct slice shown); /* escaped only */
void html_put(struct html_form *f, const char *markup); /* our own */

void html_table(struct html_form *f, const struct report *r, const struct report_block *b,
                unsigned title_id);
void html_chart(struct html_form *f, const struct report_block *b);
