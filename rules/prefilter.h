/*
 * Prefilter: which of many literals stand in raw bytes, in one scan.
 *
 * ASCII letters fit in either case. Literals are those of base/literal.h: texts of LITERAL_MIN
 * bytes or more are looked for all at once; rare signs have a pass of their own, and so have runs
 * of digits (rare.h). Of a longer block it is learned which short pieces of the texts are rare in
 * this log; then these are scanned for, and the texts only where one stands (grams.h). That changes
 * how fast it is, and nothing else. The set is shared by threads; each thread has a scratch.
 *
 * It is a filter, never a verdict: what it names is looked at exactly
 * afterwards. Built without Vectorscan there is none: prefilter_new() says
 * -ENOSYS, and everything is looked at.
 */
#pragma once

#include "base/err.h"
#include "base/literal.h"

struct prefilter;
struct prefilter_scratch;

/* The literals are copied; a hit names one by its index. */
int prefilter_new(const struct slice *literals, size_t n, struct prefilter **ret_prefilter,
                  struct err *err);
void prefilter_free(struct prefilter *p);
DEFINE_AUTO(prefilter)

/* Made, or made ready for another prefilter than the last one. -ENOMEM. */
int prefilter_scratch_for(struct prefilter_scratch **scratch);
void prefilter_scratch_free(struct prefilter_scratch *s);

/*
 * Each occurrence, by one of its bytes: in the order of these those of texts, then of signs that
 * begin alike, then of digits, a run once for each literal. Non-zero ends the scan.
 */
typedef int prefilter_hit(void *ctx, uint32_t literal, size_t at);
/* -EIO: the scan could not be done, so everything must be looked at. */
int prefilter_scan(const struct prefilter *p, struct prefilter_scratch *s, struct slice bytes,
                   prefilter_hit *hit, void *ctx);
