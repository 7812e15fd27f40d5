/*
 * Private to rules/: what contributing events looked like, for alerts to come.
 *
 * One ring for all windows: when it is full, the oldest goes. So strangers who open
 * many windows cannot fill the memory; an alert then shows fewer of its events, and
 * counts all of them.
 */
#pragma once

#include "base/slice.h"

/* A text in the ring: its place + 1; 0 = none. */
struct evidence_ref {
    uint64_t at;
};

struct evidence {
    char *bytes;
    size_t cap;
    uint64_t head; /* bytes ever written */
    struct evidence_ref last;
};

void evidence_fini(struct evidence *e);
/* -ENOMEM. What is longer than a quarter of the ring is not kept. What was put last is not put
 * again: an event that counts for several rules is there once. */
int evidence_put(struct evidence *e, struct slice text, struct evidence_ref *ret);
/* Was it put, and not overwritten since? */
static inline bool evidence_has(const struct evidence *e, struct evidence_ref ref)
{
    return ref.at != 0 && e->head <= ref.at - 1 + e->cap;
}
/* Valid until the next evidence_put(); empty when it is gone. */
struct slice evidence_get(const struct evidence *e, struct evidence_ref ref);
