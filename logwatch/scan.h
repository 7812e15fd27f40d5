/*
 * Scan: which records of a block are parsed, and which rules they are asked.
 *
 * A plan says for one format which raw literals lead to which rules (lane.h).
 * One scan of the block finds them; a record without any is never parsed when
 * all rules of the format have literals. It changes nothing in what is found:
 * where raw bytes may hide a value (JSON's \u00.., terminal escapes, what the format undoes), the
 * record is asked for every rule.
 *
 * Some records are parsed in any case: the first and the last of a block, and
 * one each 64 KiB. By them the health of a source is known: are its lines
 * understood, and how late is it?
 */
#pragma once

#include "logwatch/engine.h"

struct scan_plan;

/* The plans of an engine, each made when it is asked for first; for any number of threads. */
struct scans *scans_new(const struct engine *e);
void scans_free(struct scans *s);
/* From now on every record is parsed and asked for every rule: slow, for comparison. */
void scans_disable(struct scans *s);
/* Of a format, and of what stands beside its records (lane.h). NULL: everything is parsed. */
const struct scan_plan *scans_plan(struct scans *s, const struct format *f,
                                   const struct format_beside *beside);

/* A rule of the format has no literal: every record is parsed, though not asked for every rule. */
bool scan_parses_all(const struct scan_plan *p);

/* What one thread needs. */
struct scan;
struct scan *scan_new(void);
void scan_free(struct scan *s);

/* Finds the candidates of a block. False: it could not, so everything must be parsed. */
bool scan_block(struct scan *s, const struct scan_plan *p, struct slice bytes);
/* Is there a candidate left? A byte of its record in *ret_offset. */
bool scan_next(const struct scan *s, size_t *ret_offset);
/*
 * Takes away the candidates of a record that ends before `end`. False: it need not be parsed. The
 * rules to be asked of it are a set for rules_match_only(), until the next call; NULL: all rules.
 */
bool scan_take(struct scan *s, const struct scan_plan *p, struct slice record, size_t end,
               const uint64_t **ret_rules);
