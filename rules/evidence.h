/*
 * Private to rules/: what contributing events looked like, for alerts to come.
 *
 * Two rings for all windows: when one is full, the oldest of it goes. So strangers who open many
 * windows cannot fill the memory; an alert then shows fewer of its events, and counts all of them.
 * Rules that take in much of what comes (each access) have a ring of their own, or the few events
 * that matter to the others would be gone within seconds.
 */
#pragma once

#include "base/slice.h"

/* A text in a ring; 0 = none. */
struct evidence_ref {
    uint64_t at; /* its place + 1, then a bit: in which ring */
};

struct evidence_ring {
    char *bytes;
    size_t cap;
    uint64_t head; /* bytes ever written */
    uint64_t last; /* place of the newest text + 1; 0 = none */
};

struct evidence {
    struct evidence_ring
        rings[2]; /* of rules that take in little, and of those that take in much */
    size_t *shares; /* by rule: the bytes of its events lately */
    size_t nrules;
    size_t lately; /* bytes put since the shares were halved */
};

/* -ENOMEM. */
int evidence_init(struct evidence *e, size_t nrules);
void evidence_fini(struct evidence *e);
/*
 * For an entry of that rule; *ref is where the event's text was put for a rule before, or 0, and
 * becomes where it is for this one: an event that counts for several rules is there once, or once
 * in each ring. -ENOMEM. What is longer than a quarter of a ring is not kept.
 */
int evidence_put(struct evidence *e, size_t rule, struct slice text, struct evidence_ref *ref);
/* Empty when it is gone. Valid until the next evidence_put(). */
struct slice evidence_get(const struct evidence *e, struct evidence_ref ref);
