/*
 * Time: real or given.
 *
 * Whoever needs the time takes a `struct clock *`. In `run` it is the
 * machine's; in `replay` and tests it is what was set. Wall times are
 * microseconds since 1970 UTC; monotonic times only measure intervals.
 */
#pragma once

#include "base/slice.h"

struct clock {
    bool given;
    uint64_t now_us; /* when given */
    uint64_t mono_us; /* when given */
};

#define CLOCK_REAL                                                                                 \
    {                                                                                              \
        0                                                                                          \
    }

uint64_t clock_now(const struct clock *c);
uint64_t clock_mono(const struct clock *c);
void clock_set(struct clock *c,
               uint64_t now_us); /* makes it given; monotonic follows, never back */

/* Days since 1970-01-01 of a proleptic Gregorian date; no validation. */
int64_t days_from_civil(int64_t year, unsigned month, unsigned day);
/* Broken-down UTC. */
struct civil {
    int year;
    unsigned month, day, hour, minute, second, us;
    unsigned weekday; /* 0 = Sunday */
};
struct civil civil_from_us(uint64_t us);
/* Writes 2026-11-21T01:38:59.123456Z and a NUL. */
#define TIME_TEXT_SIZE 28
void time_text(uint64_t us, char out[TIME_TEXT_SIZE]);
/* For people, in its two largest units: "2 d 3 h", "5 min", "40 s". */
#define SPAN_TEXT_SIZE 32
void time_span_text(uint64_t us, char out[SPAN_TEXT_SIZE]);
/*
 * RFC 3339 with any number of fraction digits (beyond 6 cut) and any offset.
 * Every range is checked, and nothing may follow. Also taken, for programs write
 * it: a blank for the T, a comma for the point, an offset without its colon. Second
 * 60 is the first of the next minute. Before 1970: -ERANGE.
 */
int time_parse_rfc3339(struct slice s, uint64_t *ret_us);
