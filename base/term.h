/*
 * What goes to a person's terminal: colours only on one, columns that fit,
 * a progress bar on stderr.
 */
#pragma once

#include <stdio.h>

#include "base/slice.h"

/* NO_COLOR, TERM=dumb or no terminal: false. */
bool term_colour(FILE *f);
unsigned term_width(FILE *f); /* 80 when unknown */

/* Rows of cells as aligned columns; cells are escaped for terminals; the last column is cut to the
 * width. */
struct text_table;
struct text_table *text_table_new(const char *const *headings); /* NULL-terminated */
void text_table_free(struct text_table *t);
DEFINE_AUTO(text_table)
void text_table_cell(struct text_table *t, struct slice text); /* a row is full after all columns */
void text_table_cellf(struct text_table *t, const char *fmt, ...) PRINTF_LIKE(2, 3);
void text_table_print(struct text_table *t,
                      FILE *out); /* width 0 columns when not a terminal: uncut */

/* Draws at most 10 times a second, nothing when stderr is no terminal. */
struct progress {
    const char *what;
    const char *unit; /* of the items; "lines" unless set after progress_start() */
    uint64_t total, done;
    uint64_t items;
    uint64_t start_us, next_us;
    bool on;
};
void progress_start(struct progress *p, const char *what, uint64_t total_bytes);
void progress_step(struct progress *p, uint64_t done_bytes, uint64_t items);
void progress_end(struct progress *p); /* clears the line */
