/*
 * Private to parsers/: a filter of fail2ban (fail2ban/filter.h) as the format of a channel.
 *
 * A line that is a failure is an event with source.ip, user.name, event.category authentication,
 * event.outcome failure, fail2ban.filter (as configured), fail2ban.id (what fail2ban counts: mostly
 * the address) and all groups of the expression as fail2ban.NAME. Any other line is an event with
 * its text only. Log source: product fail2ban, service: the channel.
 *
 * Filters whose lines belong together keep a state for each stream (filter-streams.c).
 */
#pragma once

#include "parsers/parser.h"

struct filter;
struct fail2ban;
struct fail2ban_scratch;
struct fail2ban_state;

void filter_free(struct filter *x);
const struct fail2ban *filter_of(const struct filter *x);
struct literals filter_literals(const struct filter *x, struct slice field,
                                struct literal_maker *m);

/*
 * Is nothing asked for but what only failures have? Then a glance at any other line is an event
 * without a field.
 */
bool filter_only_failures(const struct format *f, const struct glance_ask *ask);

struct filter_line {
    const struct record *record;
    uint64_t received_us;
    const struct zone *zone;
    struct fail2ban_scratch *scratch;
    struct fail2ban_state *state; /* NULL: the line stands alone */
};

struct filtered_field {
    uint32_t id;
    struct slice name, value;
};

struct filtered {
    uint64_t time_us;
    bool time_known;
    bool gave_up; /* a search cost too much: what the line is, is not known */
    struct filtered_field *list;
    size_t n;
};

/* All in the arena. -ENOMEM. */
int filter_read(const struct filter *x, const struct filter_line *line, struct arena *a,
                struct filtered *ret);

/* ---- filter-streams.c ---- */

struct filter_streams;

/* NULL with *ret_failed: no memory; else the filter keeps nothing. */
struct filter_streams *filter_streams_new(const struct filter *x, bool *ret_failed);
void filter_streams_free(struct filter_streams *s);
/* The state for a record at this position of a stream; NULL: no memory. */
struct fail2ban_state *filter_streams_at(struct filter_streams *s, const uint8_t stream[16],
                                         uint64_t position);
