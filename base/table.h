/*
 * Table: from a byte key to a pointer.
 *
 * Keyed with a random secret per process (SipHash-1-3), so a stranger who
 * chooses the keys cannot make them collide. Iteration is in the order of
 * insertion: nothing in a result may depend on hash order. Keys are copied.
 * Removing leaves the order of the rest.
 */
#pragma once

#include "base/slice.h"

struct table;

/* max: entries at most (0 = none); table_put() beyond it answers -ENOSPC. */
struct table *table_new(size_t max);
void table_free(struct table *t); /* not what the values point to */
DEFINE_AUTO(table)

void table_clear(struct table *t); /* all entries; keeps the memory of the table itself */
size_t table_count(const struct table *t);
void *table_get(const struct table *t, struct slice key); /* NULL when absent */
/* Replaces. value must not be NULL. 0, -ENOMEM, -ENOSPC. */
int table_put(struct table *t, struct slice key, void *value) MUST_CHECK;
void *table_remove(struct table *t, struct slice key); /* the value, or NULL */

/* for (size_t i = 0; table_next(t, &i, &key, &value);) ... Removing entries meanwhile is
 * allowed, putting new ones is not. */
bool table_next(const struct table *t, size_t *i, struct slice *ret_key, void **ret_value);

uint64_t table_hash(struct slice key); /* SipHash-1-3 with the process's secret */
/* SipHash-2-4 with a given key: for results that must be equal everywhere. */
uint64_t siphash24(const uint8_t key[16], const void *p, size_t n);
