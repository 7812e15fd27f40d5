/*
 * The request in a finished report: what `report verify` makes the report from again. HTML has it
 * in the one element with the id `request`, PDF in a comment behind its end (and, for people, in
 * its keywords), JSON as the member `request`, text in its last line; CSV has none.
 *
 * Whose file it is nobody knows: what is found is only text, to be read as JSON and judged.
 */
#pragma once

#include "base/err.h"
#include "base/slice.h"

/* Behind a PDF: this, the request, an end of line. */
#define FORM_REQUEST_PDF "\n%trailwarden-request "
/* Before it in the last line of a text. */
#define FORM_REQUEST_TEXT "\nRequest        "

/* ret_form: "html", "pdf", "json", "text". -ENOENT: there is none. */
int form_request_find(struct slice file, struct buf *out, const char **ret_form, struct err *err);
