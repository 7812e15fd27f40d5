/*
 * The command `report`, in parts: report.c reads the command line and makes one; report-facts.c
 * says what no entry of the trail does; report-file.c shows and keeps it; report-verify.c makes a
 * file's report again and compares.
 */
#pragma once

#include "logwatch/commands/common.h"
#include "reports/make.h"

struct reporting {
    struct cli *cli;
    struct config *config; /* NULL: --trail alone */
    const char *folder; /* of the trail */
    enum report_form form;
    struct arena *arena;
    struct report *report;
    struct zone *zone;
};

/* What settings and state say, as a JSON object. `disk`: free space, too. */
void report_facts(const struct config *c, bool disk, struct buf *out);

#define REPORT_FILE_WIDTH 100 /* of text that is no terminal's */

/* "text", "html" ...; FORMS: there is no such. */
enum report_form report_form_of(struct slice name);
/* A report in a form; `table` of CSV. */
int report_render(const struct report *r, enum report_form form, const struct report_look *look,
                  struct slice table, struct buf *out, struct err *err);
/* What can be CSV, one after the other; NULL: no more. */
const struct report_block *report_table(const struct report *r, size_t *i);
/* To the terminal, the file or the folder; and told to the daemon. An exit code. */
int report_put(struct reporting *x);
/* A bar on stderr. */
void report_progress(void *ctx, uint64_t done, uint64_t total);
/* report.made, by the daemon when one runs. False: it was not noted, and that was said. */
bool report_note(const struct reporting *x, const char *verb, const struct report *r,
                 enum report_form form, struct slice bytes);
