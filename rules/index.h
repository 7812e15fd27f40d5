/*
 * Index: which rules may hold on an event, found by what stands in it.
 *
 * For each rule a set of keys is chosen of which every event that it matches has at least one:
 * of an AND the rarest child's, of an OR those of all children, of a NOT none. A key is
 *
 *     a field whose value is a text
 *     a field in whose value four bytes stand (of what it contains, begins or ends with, of an
 *         expression's literal), or any field for keywords
 *     a field that is there
 *
 * Case is put aside by setting a bit of each byte, which makes some other characters equal, too:
 * keys promise nothing, they only exclude. A predicate behind a key is asked before its rules are.
 * Rules without a key are always named. So a value is read once, however many rules ask for it.
 *
 * Made by rules_compile(), read-only from then on, shared by threads.
 */
#pragma once

#include "rules/tree.h"

struct rule_index;
struct rules_scratch;

/* NULL with -ENOMEM; what it keeps is in the arena of the rules. */
int index_new(const struct rules *r, struct rule_index **ret_index);
size_t index_buckets(const struct rule_index *x); /* for struct rules_scratch: looked */
/* Fills a set of rules (bit i % 64 of word i / 64) that holds all rules that hold on the event. */
void index_find(const struct rule_index *x, struct rules_scratch *s, const struct event *ev,
                uint64_t *set);
