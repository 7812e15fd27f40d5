#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

static uint64_t read_clock(clockid_t id)
{
    struct timespec ts;

    clock_gettime(id, &ts);
    return (uint64_t)ts.tv_sec * USEC_PER_SEC + (uint64_t)ts.tv_nsec / 1000;
}

uint64_t clock_now(const struct clock *c)
{
    return c->given ? c->now_us : read_clock(CLOCK_REALTIME);
}

uint64_t clock_mono(const struct clock *c)
{
    return c->given ? c->mono_us : read_clock(CLOCK_MONOTONIC);
}

void clock_set(struct clock *c, uint64_t now_us)
{
    if (c->given && now_us > c->now_us)
        c->mono_us += now_us - c->now_us;
    c->given = true;
    c->now_us = now_us;
}

int64_t days_from_civil(int64_t year, unsigned month, unsigned day)
{
    /* Years begin in March here, so the leap day is the last of its year. */
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t yoe = y - era * 400;
    int64_t doy = (153 * ((int64_t)month + (month > 2 ? -3 : 9)) + 2) / 5 + (int64_t)day - 1;
    int64_t doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;

    return era * 146097 + doe - 719468;
}

struct civil civil_from_us(uint64_t us)
{
    struct civil c = { 0 };
    int64_t days = (int64_t)(us / (86400 * USEC_PER_SEC));
    uint64_t rest = us % (86400 * USEC_PER_SEC);
    int64_t z = days + 719468;
    int64_t era = z / 146097, doe = z % 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;

    c.day = (unsigned)(doy - (153 * mp + 2) / 5 + 1);
    c.month = (unsigned)(mp < 10 ? mp + 3 : mp - 9);
    c.year = (int)(yoe + era * 400 + (c.month <= 2 ? 1 : 0));
    c.weekday = (unsigned)((days + 4) % 7);
    c.hour = (unsigned)(rest / (3600 * USEC_PER_SEC));
    c.minute = (unsigned)(rest / (60 * USEC_PER_SEC) % 60);
    c.second = (unsigned)(rest / USEC_PER_SEC % 60);
    c.us = (unsigned)(rest % USEC_PER_SEC);
    return c;
}

void time_text(uint64_t us, char out[TIME_TEXT_SIZE])
{
    struct civil c = civil_from_us(us);
    const struct {
        unsigned value, digits;
        char before;
    } parts[] = {
        { (unsigned)c.year, 4, 0 }, { c.month, 2, '-' },  { c.day, 2, '-' }, { c.hour, 2, 'T' },
        { c.minute, 2, ':' },       { c.second, 2, ':' }, { c.us, 6, '.' }
    };

    for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
        unsigned v = parts[i].value;

        if (parts[i].before)
            *out++ = parts[i].before;
        for (unsigned d = parts[i].digits; d-- > 0; v /= 10)
            out[d] = (char)('0' + v % 10);
        out += parts[i].digits;
    }
    out[0] = 'Z';
    out[1] = '\0';
}

/* n digits at *s, which moves on. */
static ALWAYS_INLINE bool digits(struct slice *s, size_t n, unsigned max, unsigned *ret)
{
    unsigned v = 0;

    if (s->n < n)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (s->p[i] < '0' || s->p[i] > '9')
            return false;
        v = v * 10 + (unsigned)(s->p[i] - '0');
    }
    *s = slice_skip(*s, n);
    *ret = v;
    return v <= max;
}

static ALWAYS_INLINE bool literal(struct slice *s, const char *set)
{
    for (; s->n && *set; set++)
        if (s->p[0] == *set) {
            *s = slice_skip(*s, 1);
            return true;
        }
    return false;
}

static unsigned fraction_us(struct slice *s)
{
    unsigned us = 0, scale = 100000;

    while (s->n && s->p[0] >= '0' && s->p[0] <= '9') {
        us += (unsigned)(s->p[0] - '0') * scale;
        scale /= 10;
        *s = slice_skip(*s, 1);
    }
    return us;
}

static bool offset_minutes(struct slice *s, int *ret)
{
    unsigned h, m;
    int sign;

    if (literal(s, "Zz")) {
        *ret = 0;
        return true;
    }
    if (s->n == 0 || (s->p[0] != '+' && s->p[0] != '-'))
        return false;
    sign = s->p[0] == '-' ? -1 : 1;
    *s = slice_skip(*s, 1);
    if (!digits(s, 2, 23, &h))
        return false;
    (void)literal(s, ":");
    if (!digits(s, 2, 59, &m))
        return false;
    *ret = sign * (int)(h * 60 + m);
    return true;
}

static unsigned month_days(unsigned year, unsigned month)
{
    static const uint8_t days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

    return month == 2 && leap ? 29 : days[month - 1];
}

int time_parse_rfc3339(struct slice s, uint64_t *ret_us)
{
    unsigned y, mo, d, h, mi, se, us = 0;
    int offset;
    int64_t t;

    if (!digits(&s, 4, 9999, &y) || !literal(&s, "-") || !digits(&s, 2, 12, &mo) || mo == 0 ||
        !literal(&s, "-") || !digits(&s, 2, 31, &d) || d == 0 || d > month_days(y, mo) ||
        !literal(&s, "Tt ") || !digits(&s, 2, 23, &h) || !literal(&s, ":") ||
        !digits(&s, 2, 59, &mi) || !literal(&s, ":") || !digits(&s, 2, 60, &se))
        return -EINVAL;
    if (s.n && (s.p[0] == '.' || s.p[0] == ',')) {
        s = slice_skip(s, 1);
        if (s.n == 0 || s.p[0] < '0' || s.p[0] > '9')
            return -EINVAL;
        us = fraction_us(&s);
    }
    if (!offset_minutes(&s, &offset) || s.n)
        return -EINVAL;
    t = days_from_civil(y, mo, d) * 86400 + (int64_t)h * 3600 + (int64_t)mi * 60 + (int64_t)se -
        offset * 60;
    if (t < 0)
        return -ERANGE;
    *ret_us = (uint64_t)t * USEC_PER_SEC + us;
    return 0;
}

void time_span_text(uint64_t us, char out[SPAN_TEXT_SIZE])
{
    static const struct {
        uint64_t s;
        const char *name;
    } units[] = { { 86400, "d" }, { 3600, "h" }, { 60, "min" }, { 1, "s" } };
    uint64_t left = us / USEC_PER_SEC;
    size_t i = 0, n;

    while (i < ARRAY_SIZE(units) - 1 && left < units[i].s)
        i++;
    snprintf(out, SPAN_TEXT_SIZE, "%llu %s", (unsigned long long)(left / units[i].s),
             units[i].name);
    left %= units[i].s;
    n = strlen(out);
    if (i + 1 < ARRAY_SIZE(units) && left / units[i + 1].s)
        snprintf(out + n, SPAN_TEXT_SIZE - n, " %llu %s",
                 (unsigned long long)(left / units[i + 1].s), units[i + 1].name);
}
