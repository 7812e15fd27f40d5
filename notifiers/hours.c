/*
 * Times of day and week.
 *
 * A span begins when the clock on the wall first shows its beginning or more, and ends when it
 * first shows its end or more. So it ends at the right wall time on the days on which clocks are
 * changed; in an hour that comes twice the earlier counts, and a time that is left out is the
 * moment of the change.
 */
#include "notifiers/route.h"

#include <errno.h>

#define DAY_S 86400
#define DAYS_MAX 8

static const char *const day_names[] = { "mon", "tue", "wed", "thu", "fri", "sat", "sun" };

/* ---- reading ---- */

static bool read_day(struct slice s, unsigned *ret)
{
    for (unsigned i = 0; i < ARRAY_SIZE(day_names); i++)
        if (slice_eq_nocase(s, slice_str(day_names[i]))) {
            *ret = i;
            return true;
        }
    return false;
}

/* "Mon,Wed-Fri"; "Fri-Mon" goes over the end of the week. */
static bool read_days(struct slice text, unsigned *ret_days)
{
    struct slice part;
    unsigned days = 0;

    while (slice_split(&text, ',', &part)) {
        struct slice first;
        unsigned from, to;

        (void)slice_split(&part, '-', &first);
        if (!read_day(slice_trim(first), &from))
            return false;
        to = from;
        if (part.p && !read_day(slice_trim(part), &to))
            return false;
        days |= 1u << to;
        for (unsigned d = from; d != to; d = (d + 1) % 7)
            days |= 1u << d;
    }
    *ret_days = days;
    return days != 0;
}

static bool digits(struct slice s, unsigned *ret)
{
    unsigned v = 0;

    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
        v = v * 10 + (unsigned)(s.p[i] - '0');
    }
    *ret = v;
    return s.n == 1 || s.n == 2;
}

int hours_parse_minute(struct slice text, unsigned *ret_min)
{
    struct slice hour;
    unsigned h, m;

    text = slice_trim(text);
    (void)slice_split(&text, ':', &hour);
    if (!text.p || text.n != 2 || !digits(hour, &h) || !digits(text, &m) || m > 59 ||
        h * 60 + m > DAY_S / 60)
        return -EINVAL;
    *ret_min = h * 60 + m;
    return 0;
}

/* "22:00-07:00"; an end of 24:00 is midnight. */
static bool read_span(struct slice text, struct hours *h)
{
    struct slice from;

    (void)slice_split(&text, '-', &from);
    if (!text.p || hours_parse_minute(from, &h->from_min) < 0 ||
        hours_parse_minute(text, &h->to_min) < 0 || h->from_min == DAY_S / 60)
        return false;
    h->to_min %= DAY_S / 60;
    return true;
}

static int check_zone(const char *zone, struct err *err)
{
    AUTO(zone) z = NULL;

    if (!zone || zone_load(zone, &z, err) == 0)
        return 0;
    if (err)
        err->code = -EINVAL;
    return -EINVAL;
}

int hours_parse(struct slice text, const char *zone, struct hours *ret, struct err *err)
{
    struct hours h = { .given = true, .zone = zone };
    struct slice rest = slice_trim(text);
    bool has_span = slice_find_byte(rest, ':') != SIZE_MAX;
    size_t blank = slice_rfind_byte(rest, ' ');
    /* The times are the last word; blanks around a dash are not taken. */
    struct slice span = blank == SIZE_MAX ? rest : slice_skip(rest, blank + 1);
    struct slice days = blank == SIZE_MAX ? SLICE_NONE : slice_trim(slice_take(rest, blank));

    if (!has_span)
        days = rest;
    if (rest.n == 0 || (has_span && !read_span(span, &h)) || (days.n && !read_days(days, &h.days)))
        return err_set(err, -EINVAL,
                       "'%.*s' are no times: write 22:00-07:00, Mon-Fri 18:00-08:00 or Sat,Sun",
                       SLICE_FMT(text));
    if (check_zone(zone, err) < 0)
        return -EINVAL;
    *ret = h;
    return 0;
}

int hours_parse_day(struct slice text, unsigned *ret_weekday)
{
    return read_day(slice_trim(text), ret_weekday) ? 0 : -EINVAL;
}

/* ---- asking ---- */

static int64_t day_of(int64_t s)
{
    return s >= 0 ? s / DAY_S : -((-s + DAY_S - 1) / DAY_S);
}

static unsigned weekday_of(int64_t day)
{
    return (unsigned)(((day + 3) % 7 + 7) % 7); /* 1970-01-01 was a Thursday */
}

struct span {
    uint64_t from_us, to_us;
};

static uint64_t moment(const struct zone *z, int64_t day, unsigned minute)
{
    int64_t utc = zone_reach(z, day * DAY_S + (int64_t)minute * 60);

    return utc < 0 ? 0 : (uint64_t)utc * USEC_PER_SEC;
}

/* False: none begins on this day, or the clock leaves all of it out. */
static bool span_of(const struct hours *h, const struct zone *z, int64_t day, struct span *ret)
{
    if (h->days && !(h->days >> weekday_of(day) & 1))
        return false;
    ret->from_us = moment(z, day, h->from_min);
    ret->to_us = moment(z, h->to_min <= h->from_min ? day + 1 : day, h->to_min);
    return ret->from_us < ret->to_us;
}

/* When the last of the spans that hold it ends; itself when none does. */
static uint64_t end_of(const struct hours *h, const struct zone *z, uint64_t wall_us)
{
    int64_t today = day_of(zone_local(z, (int64_t)(wall_us / USEC_PER_SEC)));
    uint64_t end = wall_us;
    struct span s;

    /* A change near midnight can put today's reading behind tomorrow's beginning. */
    for (int64_t day = today - 2; day <= today + 1; day++)
        if (span_of(h, z, day, &s) && s.from_us <= wall_us && wall_us < s.to_us && s.to_us > end)
            end = s.to_us;
    return end;
}

/* The loaded one, else from its name; a name was checked when it was read. */
static const struct zone *zone_of(const struct hours *h, struct zone **loaded)
{
    if (!h->local && h->zone)
        (void)zone_load(h->zone, loaded, NULL);
    return h->local ? h->local : *loaded;
}

bool hours_inside(const struct hours *h, uint64_t wall_us)
{
    AUTO(zone) loaded = NULL;

    return h->given && end_of(h, zone_of(h, &loaded), wall_us) > wall_us;
}

uint64_t hours_end_us(const struct hours *h, uint64_t wall_us)
{
    AUTO(zone) loaded = NULL;
    const struct zone *z = h->given ? zone_of(h, &loaded) : NULL;
    uint64_t most = wall_us + (uint64_t)DAYS_MAX * DAY_S * USEC_PER_SEC;
    uint64_t end = wall_us, next;

    /* Spans that touch are one. */
    for (; h->given && end < most; end = next) {
        next = end_of(h, z, end);
        if (next == end)
            break;
    }
    return end < most ? end : most;
}

uint64_t hours_next_us(const struct hours *h, uint64_t wall_us)
{
    AUTO(zone) loaded = NULL;
    const struct zone *z = h->given ? zone_of(h, &loaded) : NULL;
    int64_t today = day_of(zone_local(z, (int64_t)(wall_us / USEC_PER_SEC)));
    struct span s;

    for (int64_t day = today - 1; h->given && day <= today + DAYS_MAX; day++)
        if (span_of(h, z, day, &s) && s.from_us > wall_us)
            return s.from_us;
    return UINT64_MAX;
}

void hours_words(const struct hours *h, struct buf *out)
{
    bool whole = h->from_min == 0 && h->to_min == 0 && h->days;
    const char *comma = "";

    for (unsigned i = 0; i < ARRAY_SIZE(day_names); i++)
        if (h->days >> i & 1) {
            buf_printf(out, "%s%c%s", comma, day_names[i][0] - 'a' + 'A', day_names[i] + 1);
            comma = ",";
        }
    if (!whole)
        buf_printf(out, "%s%02u:%02u-%02u:%02u", h->days ? " " : "", h->from_min / 60,
                   h->from_min % 60, h->to_min / 60, h->to_min % 60);
    buf_printf(out, " %s", h->zone ? h->zone : "UTC");
}
