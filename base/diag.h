/*
 * Findings of a load: all faults of all files at once, in the order of place.
 *
 * Loading configuration, formats or rules does not stop at the first fault;
 * it adds findings here and goes on. The command prints them all:
 *
 *     rules/ssh.yml:14:9: error: unknown key 'treshold'
 *         14 |         treshold: 5
 *            |         ^~~~~~~~ did you mean 'threshold'?
 *
 * The diag owns copies of all texts and file names.
 */
#pragma once

#include <stdio.h>

#include "base/err.h"
#include "base/slice.h"

enum diag_level {
    DIAG_NOTE,
    DIAG_WARNING,
    DIAG_ERROR,
};

struct diag;
struct json_writer;

struct diag *diag_new(void);
void diag_free(struct diag *d);
DEFINE_AUTO(diag)

/* Remembers the text of a file, so that findings can show their line. Borrows nothing. */
void diag_source(struct diag *d, const char *path, struct slice text);

/* From this place to the end of its line the source is shown as asterisks: a secret stands there.
 */
void diag_hide(struct diag *d, struct src_pos at);

/* A file name that lives as long as the diag: for src_pos.file. */
const char *diag_path(struct diag *d, const char *path);

/* span: how many columns to underline (0 = 1). hint: "did you mean 'x'?" or NULL. */
void diag_add(struct diag *d, enum diag_level level, struct src_pos at, unsigned span,
              const char *hint, const char *fmt, ...) PRINTF_LIKE(6, 7);
#define diag_error(d, at, ...) diag_add((d), DIAG_ERROR, (at), 0, NULL, __VA_ARGS__)
#define diag_warning(d, at, ...) diag_add((d), DIAG_WARNING, (at), 0, NULL, __VA_ARGS__)

/* The same for an error that a function returned; its own place wins over `at`. */
void diag_add_err(struct diag *d, struct src_pos at, const struct err *err);

/* Findings from `from` on (a diag_count() of before) are of document n of their file. */
void diag_of_document(struct diag *d, size_t from, unsigned n);

size_t diag_errors(const struct diag *d);
size_t diag_count(const struct diag *d);
/* Text of finding i as added ("file:1:2: error: ..."), for tests and err texts. */
const char *diag_text(const struct diag *d, size_t i);

void diag_print(const struct diag *d, FILE *out, bool colour);
/* An array of {level, file, line, column, message, hint}. */
void diag_json(const struct diag *d, struct json_writer *w);

/* The nearest of `names` (NULL-terminated) to `name` by edit distance, or NULL. */
const char *diag_nearest(struct slice name, const char *const *names);
