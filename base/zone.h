/*
 * Time zones by their IANA names, from the system's files.
 *
 * Local times are seconds since 1970-01-01 00:00 as a clock on the wall there shows them. A clock
 * that is put back shows an hour twice, one that is put forward leaves one out; on some days and in
 * some zones that is midnight. A zone of NULL is UTC.
 */
#pragma once

#include "base/err.h"
#include "base/slice.h"

struct zone;
/* -ENOENT: no zone has this name. */
int zone_load(const char *name, struct zone **ret_zone, struct err *err);
void zone_free(struct zone *z);
DEFINE_AUTO(zone)

/* UTC of a local time; in the hour that comes twice the earlier. */
uint64_t zone_to_utc(const struct zone *z, int64_t local_s);
/* What the clock shows. */
int64_t zone_local(const struct zone *z, int64_t utc_s);
/*
 * When the clock first shows this or more: the earlier of two; for a time that is left out the
 * moment of the change.
 */
int64_t zone_reach(const struct zone *z, int64_t local_s);
