/*
 * Controls: which evidence speaks for which control of which standard.
 *
 * Ids are the standards' own; all words are ours: the texts of PCI DSS, ISO and the AICPA are
 * copyrighted. A control without a query cannot be seen by this program at all. Nothing here says
 * that a control is met: that is for who reads the report.
 */
#pragma once

#include <stddef.h>

/* Bits of the queries E1 to E15. */
#define E(n) (1u << ((n)-1))

struct control {
    const char *id, *about;
    unsigned queries;
    const char *cannot; /* what the evidence does not reach; "" */
    unsigned days; /* how far back records should reach; 0 = not asked */
};

struct standard {
    const char *name, *title;
    const struct control *controls;
    size_t n;
};
extern const struct standard standards[];
extern const size_t nstandards;
const struct standard *standard_find(const char *p, size_t n); /* NULL: none */
