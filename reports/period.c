/* Periods in words, and the moments of a calendar. */
#include <errno.h>

#include "base/clock.h"
#include "base/num.h"
#include "reports/make.h"

#define DAY_S 86400

static uint64_t utc_us(const struct zone *z, int64_t local_s)
{
    int64_t s = zone_reach(z, local_s);

    return s < 0 ? 0 : (uint64_t)s * USEC_PER_SEC;
}

/* What the calendar on the wall shows. */
static struct civil wall(const struct zone *z, uint64_t us)
{
    int64_t local = zone_local(z, (int64_t)(us / USEC_PER_SEC));

    return civil_from_us(local < 0 ? 0 : (uint64_t)local * USEC_PER_SEC);
}

struct days {
    int64_t from, to; /* since 1970 */
};

static struct days months(int year, int month, int n)
{
    int first = year * 12 + month - 1, last = first + n;

    return (struct days){ days_from_civil(first / 12, (unsigned)(first % 12) + 1, 1),
                          days_from_civil(last / 12, (unsigned)(last % 12) + 1, 1) };
}

/* The words that begin with today; false: another text. */
static bool word(struct slice s, const struct civil *c, struct days *ret)
{
    int64_t today = days_from_civil(c->year, c->month, c->day);
    int64_t monday = today - (int64_t)((c->weekday + 6) % 7);
    int month = (int)c->month;
    const struct {
        const char *word;
        struct days days;
    } words[] = {
        { "today", { today, today + 1 } },
        { "yesterday", { today - 1, today } },
        { "this-week", { monday, monday + 7 } },
        { "last-week", { monday - 7, monday } },
        { "this-month", months(c->year, month, 1) },
        { "last-month", months(c->year, month - 1, 1) },
        { "this-year", months(c->year, 1, 12) },
        { "last-year", months(c->year - 1, 1, 12) },
    };

    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (slice_is(s, words[i].word)) {
            *ret = words[i].days;
            return true;
        }
    return false;
}

/* 2026, 2026-10 or 2026-10-05. */
static bool calendar(struct slice s, struct days *ret)
{
    struct slice rest = s, part;
    uint64_t n[3] = { 0, 1, 1 };
    size_t parts = 0;

    if (s.n != 4 && s.n != 7 && s.n != 10)
        return false;
    while (parts < 3 && slice_split(&rest, '-', &part))
        if (part.n != (parts ? 2 : 4) || parse_u64(part, 1, 9999, &n[parts++]) < 0)
            return false;
    if (rest.p || n[0] < 1970 || n[1] > 12 || n[2] > 31)
        return false;
    if (parts == 1)
        *ret = months((int)n[0], 1, 12);
    if (parts == 2)
        *ret = months((int)n[0], (int)n[1], 1);
    if (parts < 3)
        return true;
    ret->from = days_from_civil((int64_t)n[0], (unsigned)n[1], (unsigned)n[2]);
    ret->to = ret->from + 1;
    return ret->to <= months((int)n[0], (int)n[1], 1).to;
}

int report_period(struct slice words, const struct zone *z, uint64_t now_us, uint64_t *ret_from_us,
                  uint64_t *ret_to_us)
{
    struct civil c = wall(z, now_us);
    struct days days;
    uint64_t span;

    if (parse_duration(words, &span) == 0 && span && span < now_us) {
        *ret_to_us = now_us / USEC_PER_SEC * USEC_PER_SEC;
        *ret_from_us = *ret_to_us - span;
        return 0;
    }
    if (!word(words, &c, &days) && !calendar(words, &days))
        return -EINVAL;
    *ret_from_us = utc_us(z, days.from * DAY_S);
    *ret_to_us = utc_us(z, days.to * DAY_S);
    return 0;
}

int report_moment(struct slice text, const struct zone *z, bool end, uint64_t *ret_us)
{
    struct days days;
    uint64_t hour, minute;

    if (time_parse_rfc3339(text, ret_us) == 0)
        return 0;
    if (calendar(text, &days)) {
        *ret_us = utc_us(z, (end ? days.to : days.from) * DAY_S);
        return 0;
    }
    if (text.n != 16 || (text.p[10] != 'T' && text.p[10] != ' ') || text.p[13] != ':' ||
        !calendar(slice_take(text, 10), &days) ||
        parse_u64(slice_take(slice_skip(text, 11), 2), 0, 23, &hour) < 0 ||
        parse_u64(slice_skip(text, 14), 0, 59, &minute) < 0)
        return -EINVAL;
    *ret_us = utc_us(z, days.from * DAY_S + (int64_t)(hour * 3600 + minute * 60));
    return 0;
}
