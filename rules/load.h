/*
 * Private to rules/load*.c: from YAML documents to the set.
 *
 *     load-files.c        files, folders, texts; documents behind a broken one
 *     load-collection.c   action: global, reset, repeat
 *     load-meta.c         title, status, dates ...: what is allowed where
 *     load.c              documents to rules; compiling the set
 *     load-filter.c       filters
 *     load-placeholders.c lists of `expand`
 */
#pragma once

#include "rules/detection.h"

void *load_room(void *array, size_t n, size_t *cap, size_t size);

/* ---- load-meta.c ---- */

/* A scalar's text, or nothing. */
struct slice meta_text(const struct yaml *doc, const char *key);
/* All keys of the standard that any kind of document may have. Findings in d. */
void meta_check(const struct yaml *doc, struct diag *d);
/* needed: one without any part is a finding. NULL: out of memory. */
struct logsource *meta_logsource(struct rules *r, const struct yaml *doc, bool needed,
                                 struct diag *d);
int meta_tags(struct rules *r, struct rule *rule, const struct yaml *tags);
enum level meta_level(const struct yaml *y);

/* ---- load-collection.c ---- */

/* What the document is after its collection; NULL: it was only an action, or a finding. */
const struct yaml *collection_take(struct rules *r, const struct yaml *doc, struct diag *d);

/* ---- load.c ---- */

/* number: of the document in its file, 0 = the only one. -ENOMEM, else findings. */
int load_document(struct rules *r, const char *path, const struct yaml *doc, unsigned number,
                  struct diag *d);
/* Findings from `from` on are of this document. */
void load_tell_document(struct diag *d, size_t from, unsigned number);

/* ---- load-filter.c ---- */

int filter_add(struct rules *r, const struct yaml *doc, unsigned number, struct diag *d);
int filter_compile(struct rules *r, struct filter *f, struct diag *d);
