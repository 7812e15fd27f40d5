/*
 * Asked: what some rules can ask of an event, so that no more of it need be read to know that none
 * of them holds.
 *
 * A rule that may ask for anything (a keyword, whether a field is there, a field without a number)
 * asks for all. Of a field it is also known whether a value could make a difference: when no
 * predicate holds for it, the rules say the same with it and without it.
 */
#pragma once

#include "rules/rules.h"

struct rules_asked;

/* Of the rules of a set (as rules_match_only() takes it); lives in the arena. NULL: no memory. */
const struct rules_asked *rules_asked(const struct rules *r, const uint64_t *only, struct arena *a);
bool rules_asked_all(const struct rules_asked *q);
bool rules_asked_field(const struct rules_asked *q, uint32_t field);
/* Could it change what a rule says, that the field has this value besides others? */
bool rules_asked_value(const struct rules_asked *q, uint32_t field, struct slice value);
