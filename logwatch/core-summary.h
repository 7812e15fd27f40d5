/*
 * Summaries: many alerts as one document (schemas/summary.json), for a group, a storm, a night, a
 * day or a week. They count by rule, source, user and level, and name the newest.
 */
#pragma once

#include "logwatch/config.h"
#include "store/store.h"

struct summary;

struct summary *summary_new(void); /* NULL: no memory */
void summary_free(struct summary *s);
DEFINE_AUTO(summary)
int summary_add(struct summary *s, const struct outbox_row *row); /* -ENOMEM */
uint64_t summary_count(const struct summary *s);
enum level summary_level(const struct summary *s); /* the highest */

struct summary_head {
    const char *kind; /* group, digest, quiet, repeat, daily, weekly: reason and kind */
    struct slice key; /* its id */
    struct slice why; /* a sentence */
    uint64_t from_us, to_us; /* 0 = of the rows */
    void (*more)(void *ctx, struct json_writer *w); /* further tables; may be NULL */
    void *ctx;
};
/* "17 alerts: Failed logins from one address and 2 more rules". In the arena; empty: no memory. */
struct slice summary_title(const struct summary *s, struct arena *a);
int summary_write(const struct summary *s, const struct summary_head *h, struct arena *a,
                  struct slice *ret_document);
