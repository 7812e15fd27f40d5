/* Shared by the files of the routes (notifiers/route.h). */
#pragma once

#include "notifiers/route.h"

/* A pattern with * for anything; texts exact, also in their case. */
bool glob_fits(struct slice pattern, struct slice text);

/*
 * Calls fn with the value of a field, of the alert's group or else of its newest event (there a
 * field may have several), until it says true. Returns what it said last; false without a value.
 */
bool alert_field(const struct alert *alert, struct slice name,
                 bool (*fn)(void *ctx, struct slice value), void *ctx);
