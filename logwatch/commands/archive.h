/*
 * Rule files of somebody else's set: a folder, a tar archive (also gzip or
 * zstd), or one file. All of it is foreign: names are made harmless before
 * they become paths, sizes and counts are bounded.
 */
#pragma once

#include "base/err.h"
#include "base/slice.h"

#define ARCHIVE_FILE_BYTES (1u << 20) /* what the loader takes, too */
#define ARCHIVE_BYTES (256u << 20) /* of all files told */
#define ARCHIVE_FILES 100000u

/*
 * Calls fn for each *.yml, *.yaml and LICENSE*, in the order of the archive or of names. name is
 * the place in the archive or below the folder, made safe: relative, no "..", plain characters.
 * fn's negative result ends it.
 */
int archive_each(const char *path, int (*fn)(void *ctx, struct slice name, struct slice text),
                 void *ctx, struct err *err);

/* For tests: writes the safe form; false when nothing is left of it. */
bool archive_safe_name(struct slice name, struct buf *out);
bool archive_is_license(struct slice name);
