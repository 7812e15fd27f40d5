/*
 * Glances: the part of an event that is read first, where the scan named the rules.
 *
 * Most candidates of the scan match nothing. So only what their rules can ask for is read of them
 * (parsers/glance.c), and the whole record when a rule holds: a match always has the whole event.
 * Nothing of what is found or counted depends on it.
 *
 * A glance is made once for each set of rules that the scan names, by each thread, up to a limit.
 * Where most records of a set match, it would be work for nothing: those are read whole at once.
 * That is judged by the records themselves, again and again.
 */
#pragma once

#include "logwatch/engine.h"

struct glances; /* one thread's */

struct glances *glances_new(const struct engine *e);
void glances_free(struct glances *g);
DEFINE_AUTO(glances)

/* For a record of the format that is asked these rules. NULL: it is read whole. */
const struct glance *glances_find(struct glances *g, const struct format *f, const uint64_t *only);
/* Whether the record that was asked about last had to be read whole, or would have had to. */
void glances_told(struct glances *g, bool whole);
