/*
 * Lane: what a raw record of a format must hold for a rule to match.
 *
 * A rule whose every match stands in a record with one of a few literals rides the scan lane: the
 * reader looks for the literals in whole blocks and parses only records that hold one. A rule
 * without such literals puts its channel in the field lane: every record is parsed. Where a record
 * must hold one of some others, too, these are looked for in the records found.
 *
 * The promise of LANE_SCAN: a record of the format for which rules_match() gives the rule holds at
 * least one of the literals in its raw bytes, and one of `also` if there are any, without regard to
 * ASCII case. What the promise does
 * not cover, so that the reader parses it always: a record with the text \u00 in any case (JSON may
 * write every letter so), one with an ESC byte (escape sequences are cut out of the text), one from
 * a journal or a syslog socket (they bring fields that are not in the text), and, where
 * format_hides() says so, one with a backslash or an ampersand. LANE_NEVER
 * is of the text alone, too: a record that is parsed is still asked about every rule.
 *
 * Keywords are asked of all values, so also of what stands in no record. The constants of a format,
 * levels and addresses are known and have literals of their own. What the configuration puts beside
 * a record is not of the format, so the caller says it: the name of the service, and whether places
 * of addresses are looked up. A database may give any text; with one, a keyword has no literal.
 *
 * Everything here reads the engine only, so any thread may ask; answers live in the arena.
 */
#pragma once

#include "logwatch/engine.h"

enum lane_kind {
    LANE_SCAN, /* a record must hold one of the literals */
    LANE_FIELD, /* every record of the format is parsed for it */
    LANE_WINDOW, /* a correlation: it sees matches, not records */
    LANE_NEVER, /* no record of the format can match */
};
extern const char *const lane_names[];

struct lane {
    enum lane_kind kind;
    const struct slice *literals; /* LANE_SCAN: lower case, as they stand in a raw record */
    size_t nliterals;
    const struct slice *also; /* the same */
    size_t nalso;
    const char *why; /* LANE_FIELD: what has no literal */
};

/* Of one rule and one format. `beside` NULL: not known. -ENOMEM. */
int lane_of(const struct engine *e, const struct format *f, const struct format_beside *beside,
            size_t rule, struct arena *a, struct lane *ret);
/*
 * Of a rule over all formats that it fits, for people: the worst of them, where the configuration
 * puts nothing beside a record.
 */
int lane_of_rule(const struct engine *e, size_t rule, struct arena *a, struct lane *ret);

/* Is it one of the records (above) that are parsed whatever they hold? */
bool lane_passes_over(const struct format *f, struct slice raw);

/* Does the rule's log source take in events of the other one? */
bool logsource_matches(const struct logsource *rule, const struct logsource *event);
