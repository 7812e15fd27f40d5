/* Private to store/. */
#pragma once

#include <sqlite3.h>

#include "store/store.h"

#define STORE_VERSION 1
#define STORE_APPLICATION 0x74776172 /* "twar" */

extern const char store_schema[];

/*
 * Where a test wants the process to end: TW_FAULT="store: in txn:3" ends it at
 * the third pass. Costs one comparison when unset.
 */
void store_fault_point(const char *name);

/* Signals of a batch as bytes and back; decoding checks every bound. */
int signals_encode(const struct signal *s, size_t n, struct buf *out);
int signals_decode(struct slice data, int (*fn)(void *ctx, const struct signal *s), void *ctx);
