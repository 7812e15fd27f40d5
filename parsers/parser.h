/*
 * Parser: bytes to fields. Declared formats (YAML, one a channel under
 * parsers/formats/) turn records into events with ECS fields.
 *
 *     formats_load()    files or embedded texts -> struct formats (read-only, shared)
 *     format_find()     the format of a channel
 *     parser_run()      one record -> one event, no state kept between records
 *                       (but for some filters of fail2ban: parser_source_ordered())
 *
 * A record that no layout of its format knows stays an event: flags has
 * EVENT_UNPARSED, message is the cleaned text. Nothing here fails on log text.
 */
#pragma once

#include "base/diag.h"
#include "base/regex.h"
#include "schemas/block.h"
#include "schemas/event.h"

struct formats;
struct format;

/* names is borrowed for the life of the formats and gets all names they use. */
struct formats *formats_new(struct field_names *names);
void formats_free(struct formats *f);
DEFINE_AUTO(formats)

/* Adds the formats of one YAML text; findings in diag. A format of the same name replaces. */
int formats_add(struct formats *f, const char *path, struct slice text, struct diag *d);
/* Adds each *.yaml of a folder, in the order of names. */
int formats_add_folder(struct formats *f, const char *folder, struct diag *d);
/* Runs the samples inside the formats: each that comes out other than said is a finding. Number of
 * samples run in *ret_ran. */
int formats_check(const struct formats *f, struct diag *d, size_t *ret_ran);

/* A filter of fail2ban as the format of a channel (docs/fail2ban.md). */
struct filter_request {
    struct slice channel;
    struct slice filter; /* "sshd[mode=aggressive]", "/etc/fail2ban/filter.d/sshd.conf" */
    bool journal; /* its lines come from a journal or a syslog socket */
    struct src_pos at; /* where it is configured */
};
/* Its format is called "filter.CHANNEL". Findings in diag, those of the filter with its file. */
int formats_add_filter(struct formats *f, const struct filter_request *q, struct diag *d);

size_t formats_count(const struct formats *f);
const struct format *formats_at(const struct formats *f, size_t i);
/* By format name or channel name ("openvpn"); a channel's filter comes first. NULL when unknown. */
const struct format *format_find(const struct formats *f, struct slice name);
const struct format *format_declared(const struct formats *f, struct slice name);
const struct format *format_filter(const struct formats *f, struct slice channel);
/* The format whose layouts know the most of the first records; NULL when none knows half. */
const struct format *format_detect(const struct formats *f, struct slice bytes);

struct slice format_name(const struct format *f);
struct slice format_channel(const struct format *f);
struct slice format_summary(const struct format *f);
const struct logsource *format_logsource(const struct format *f);
const struct framing *format_framing(const struct format *f);
/* Called by a thread that split records by a framing, before it ends: what it kept is freed. */
void formats_thread_end(void);
/*
 * Can failed logins be seen in this channel's logs? Some services log them only at another level,
 * or into a log that is off by default. The format says which events prove that they are seen
 * and what to do otherwise; an empty hint: they always are.
 */
bool format_shows_logins(const struct format *f, const struct event *ev);
struct slice format_logins_hint(const struct format *f);
/* Can a stranger make a whole line that gives this action? Nobody is banned on such a line alone.
 */
bool format_forgeable(const struct format *f, struct slice action);
/* Default systemd units and file globs for `run` without configuration; NULL-terminated. */
const char *const *format_units(const struct format *f);
const char *const *format_paths(const struct format *f);

/*
 * Literals of which a raw record must hold one for a field of its event to have a value that fits.
 * n == 0 and not `none`: no record of the format gives such a value.
 *
 * Not covered: records with \u00 (JSON can write every letter so) or ESC, and, when
 * format_hides(), those with a backslash or an ampersand; fields that a transport brings (journal,
 * syslog socket).
 *
 * Without a field the question is a keyword's: the value may be of any field, or the text itself.
 * All values but a few are copied from the text, so what the value holds is there as well. The few:
 * constants of the format, levels and addresses that were made uniform, and what the configuration
 * puts beside every record.
 */
struct format_beside {
    bool places; /* source.geo.* and source.as.* are looked up: any text may come of that */
    struct slice service; /* service.name, may be empty */
};
struct format_ask {
    struct slice field; /* name; empty: any */
    const struct format_beside *beside; /* NULL: not known, so there may be anything */
    const struct literals *in_value; /* of which the value holds one, as far as is known */
    struct slice whole; /* the value is this ASCII text in any case; p NULL: not known */
    bool (*holds)(const void *ctx, struct slice value); /* could this value fit? */
    const void *ctx;
};
struct literals format_literals(const struct format *f, const struct format_ask *ask,
                                struct literal_maker *m);
/* The samples inside the format: what its records usually hold. */
const struct literal_sample *format_sample(const struct format *f);
/*
 * Do some of its fields undo escapes of which literals know nothing (Go's %q, HTML)? Then a record
 * with a backslash or an ampersand may match though it holds no literal.
 */
bool format_hides(const struct format *f);

/* What differs between two sources of the same format. */
struct parser_source {
    const struct format *format;
    const char *zone; /* IANA name for times without one; NULL = UTC */
    struct slice channel; /* name in the configuration; empty = the format's */
    struct slice input; /* path or unit */
    struct slice service; /* unit, for service.name; may be empty */
    bool from_journal; /* the transport kept boundary and sender: trust is TRUST_RECORD */
    const uint8_t *stream; /* of the record: 16 bytes; NULL: one stream is all there is */
    struct zone *private_zone; /* parser_source_init() */
    struct filter_streams *kept; /* likewise */
};
int parser_source_init(struct parser_source *s, struct err *err);
void parser_source_fini(struct parser_source *s);

/*
 * Does what a record is depend on those before it? (Filters of fail2ban that put lines of one
 * connection together.) Then all records of the source are read by one thread, each once and in the
 * order of their stream, and what the source keeps is committed with them: as cursors beside those
 * of the input, and given back before the first record.
 */
bool parser_source_ordered(const struct parser_source *s);
/* Is it such a cursor, and none of the input's? */
bool parser_cursor_is(struct slice stream);
/* -EINVAL: it is of another format or filter, and of no use. */
int parser_source_restore(struct parser_source *s, const struct cursor *c);
/* Of an ordered source: what changed since the last call, in the arena. An empty value: forget it.
 */
int parser_source_changes(const struct parser_source *s, struct arena *a, struct cursor **ret_list,
                          size_t *ret_n);

struct parser_scratch; /* one per thread: regex stacks, table space */
struct parser_scratch *parser_scratch_new(const struct formats *f);
void parser_scratch_free(struct parser_scratch *s);
DEFINE_AUTO(parser_scratch)

/*
 * Fills *ret_event (raw, key.position and times from the record; key.stream is
 * the caller's). Fields live in `a`. -ENOMEM is the only failure. When `trace`
 * is not NULL it is told what was tried: for `explain`.
 */
struct parser_trace {
    void (*tried)(void *ctx, struct slice what, bool matched);
    void *ctx;
};
int parser_run(const struct parser_source *source, struct parser_scratch *scratch,
               const struct record *record, uint64_t received_us, struct arena *a,
               struct event *ret_event, const struct parser_trace *trace);

/*
 * A glance: the part of an event that somebody may ask for, to know whether the whole is wanted.
 * Fields that are asked for are all there, as in the whole event; so are its times, and
 * EVENT_UNPARSED. Other fields and flags may be missing.
 */
struct glance_ask {
    bool (*field)(const void *ctx, uint32_t id);
    /* Could it make a difference that a field that is asked for has this value besides others? */
    bool (*value)(const void *ctx, uint32_t id, struct slice value);
    const void *ctx;
};
struct glance;
/* In the arena, read-only. NULL: no memory, or what is asked for cannot be told apart. */
const struct glance *glance_new(const struct format *f, const struct glance_ask *ask,
                                struct arena *a);
/* Does it ask for what enrich_run() adds? */
bool glance_asks_places(const struct glance *g);
/*
 * 1: told. 0: this record must be read whole to know it. -ENOMEM. The event's fields live until
 * the next glance with the scratch.
 */
int parser_glance(const struct parser_source *source, struct parser_scratch *scratch,
                  const struct record *record, uint64_t received_us, struct arena *a,
                  const struct glance *g, struct event *ret_event);

/* All words that event.action can have; NULL-terminated. */
extern const char *const action_names[];

/* ---- enrichment ---- */

struct geo; /* MaxMind databases, in sealed copies */

/* path NULL: no database. Country, City or ASN files; up to two. */
int geo_open(const char *const *paths, size_t npaths, struct geo **ret_geo, struct err *err);
void geo_free(struct geo *g);
DEFINE_AUTO(geo)
/* Adds source.geo.* and source.as.* when source.ip is there and known. Faults are counted. */
int enrich_run(struct geo *g, struct event *ev);
struct ip;
struct geo_place {
    char country[3]; /* ISO 3166-1; empty: not known */
    uint32_t as_number; /* 0: not known */
};
struct geo_place geo_find(const struct geo *g, const struct ip *ip);
bool enrich_gives(uint32_t id); /* is it one of those fields? */
