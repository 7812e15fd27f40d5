/*
 * Making a report: a request and a trail become the document of report.h.
 *
 *     report_request()   what was asked, with the checkpoint and the facts, as JSON
 *     report_make()      the same JSON over the same trail gives the same document
 *
 * The request stands in the document, so a report can be made again from itself and compared. It
 * is about the tree of its checkpoint, however much longer the trail is by now. Facts that no entry
 * says (settings, sizes of files) are put into the request when it is first made, and the document
 * names them as such: what is made again cannot prove them.
 */
#pragma once

#include "base/json.h"
#include "base/zone.h"
#include "reports/report.h"

#define REPORT_REQUEST_MAX (1 << 20)
#define REPORT_SAMPLES_MAX 100
#define REPORT_ARENA_MAX (UINT64_C(150) << 20) /* evidence and document */

struct report_ask {
    const char *kind;
    uint64_t from_us, to_us;
    const char *zone; /* "": UTC */
    const char *channel, *standard, *subject; /* "": none */
    uint64_t samples, seed;
    struct slice checkpoint; /* a signed note of the trail */
    struct slice facts; /* a JSON object, see docs/reports.md; empty: none */
};
int report_request(const struct report_ask *ask, struct buf *out, struct err *err);

struct report_source {
    const char *folder; /* of the trail */
    void (*progress)(void *ctx, uint64_t done, uint64_t total); /* entries; may be NULL */
    void *ctx;
};
/*
 * Everything is in the arena. -EINVAL: the request asks for what there is not. -EBADMSG: it is no
 * request, or of another trail. -EUCLEAN: the trail is not what was signed. -ENOENT: the entries
 * were pruned.
 */
int report_make(const struct report_source *source, struct slice request, struct arena *a,
                struct report **ret, struct err *err);

/* In the manual's order; ends with { 0 }. */
struct report_kind_info {
    const char *name, *title, *summary;
    const char *period; /* when none is asked for */
    bool standard, subject; /* it takes one */
};
const struct report_kind_info *report_kind(size_t i); /* NULL: no more */
const char *report_standard(size_t i); /* "soc2" ...; NULL: no more */

/* ---- periods (period.c) ---- */

/*
 * today, yesterday, this-week, last-week, this-month, last-month, this-year, last-year, 2026,
 * 2026-10, 2026-10-05, 7d: the span of it in the zone, ending at now at the latest for `7d`.
 * -EINVAL.
 */
int report_period(struct slice words, const struct zone *z, uint64_t now_us, uint64_t *ret_from_us,
                  uint64_t *ret_to_us);
/* 2026-11-30, 2026-11-30T12:00 (in the zone) or RFC 3339; `end` of a day is that of the next
 * one's beginning. -EINVAL */
int report_moment(struct slice text, const struct zone *z, bool end, uint64_t *ret_us);
