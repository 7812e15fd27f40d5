/*
 * The groups of a date into a time.
 *
 * What is missing is of the present: no year = this one, or the last when the date would lie more
 * than a day ahead; no day = today, or yesterday when the time is still to come. Fractions of a
 * second are left out, as fail2ban does; only an epoch keeps them. All comparing is done in local
 * time.
 */
#include <ctype.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/num.h"
#include "parsers/fail2ban/date.h"

#define DAY_S 86400

struct parts {
    int year, month, day, hour, minute, second; /* year, month, day: -1 = not said */
    int weekday, yearday, week;
    bool week_from_monday, zoned, bad;
    int zone; /* minutes */
};

static int number(struct slice s)
{
    int n = 0;

    s = slice_trim(s);
    for (size_t i = 0; i < s.n && i < 9; i++)
        n = n * 10 + (s.p[i] - '0');
    return n;
}

/* Where the first three letters stand in a list of such; months begin with 1. */
static int word(struct slice s, const char *list)
{
    char low[4] = "";

    for (size_t i = 0; i < 3 && i < s.n; i++)
        low[i] = (char)tolower((unsigned char)s.p[i]);
    for (int i = 0; list[3 * i]; i++)
        if (memcmp(list + 3 * i, low, 3) == 0)
            return i;
    return -1;
}

#define MONTHS "janfebmaraprmayjunjulaugsepoctnovdec"
#define WEEKDAYS "montuewedthufrisatsun"

/* ---- zones ---- */

static bool capital(char c)
{
    return c >= 'A' && c <= 'Z';
}

/* +01, +0100, +01:00 */
static bool is_offset(struct slice s)
{
    static const char *const shapes[] = { "+00", "+0000", "+00:00" };

    for (size_t i = 0; i < ARRAY_SIZE(shapes); i++) {
        bool fits = s.n == strlen(shapes[i]) && (s.p[0] == '+' || s.p[0] == '-');

        for (size_t k = 1; fits && k < s.n; k++)
            fits = shapes[i][k] == ':' ? s.p[k] == ':' : isdigit((unsigned char)s.p[k]) != 0;
        if (fits)
            return true;
    }
    return false;
}

/* CET, or an offset, or both */
bool date_zone_parse(struct slice s, struct date_zone *ret)
{
    size_t n = 0;
    int name = 0, hours, minutes = 0;

    while (n < s.n && capital(s.p[n]))
        n++;
    if (n && !zone_minutes(slice_take(s, n), &name))
        return false;
    *ret = (struct date_zone){ true, name };
    s = slice_skip(s, n);
    if (s.n == 0)
        return n > 0;
    if (!is_offset(s))
        return false;
    hours = number(slice_of(s.p + 1, 2));
    if (s.n >= 5)
        minutes = number(slice_of(s.p + s.n - 2, 2));
    ret->minutes = name + (s.p[0] == '-' ? -1 : 1) * (hours * 60 + minutes);
    return true;
}

/* ---- groups ---- */

static int hour_of_12(int hour, struct slice ampm)
{
    if (ampm.n && (ampm.p[0] | 32) == 'p')
        return hour == 12 ? 12 : hour + 12;
    return hour == 12 ? 0 : hour;
}

static struct slice group_of(const struct date_match *m, char key)
{
    for (size_t i = 1; i < m->template->ngroups; i++)
        if (m->template->keys[i] == key && m->groups[i].p)
            return m->groups[i];
    return SLICE_NONE;
}

/* Directives that are a number. */
static const struct {
    char key;
    unsigned short at; /* in struct parts */
    short more;
} numbers[] = {
    { 'Y', offsetof(struct parts, year), 0 },   { 'y', offsetof(struct parts, year), 2000 },
    { 'm', offsetof(struct parts, month), 0 },  { 'd', offsetof(struct parts, day), 0 },
    { 'H', offsetof(struct parts, hour), 0 },   { 'M', offsetof(struct parts, minute), 0 },
    { 'S', offsetof(struct parts, second), 0 }, { 'j', offsetof(struct parts, yearday), 0 },
    { 'U', offsetof(struct parts, week), 0 },   { 'W', offsetof(struct parts, week), 0 },
};

static bool take_number(struct parts *p, char key, struct slice v)
{
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
        if (numbers[i].key == key) {
            int n = number(v) + numbers[i].more;

            memcpy((char *)p + numbers[i].at, &n, sizeof n);
            p->week_from_monday = p->week_from_monday || key == 'W';
            return true;
        }
    return false;
}

static void take_zone(struct parts *p, struct slice v)
{
    struct date_zone zone;

    p->bad = p->bad || !date_zone_parse(v, &zone);
    p->zoned = true;
    p->zone = p->bad ? 0 : zone.minutes;
}

static void take(struct parts *p, char key, struct slice v, const struct date_match *m)
{
    if (take_number(p, key, v))
        return;
    if (key == 'b' || key == 'B')
        p->month = word(v, MONTHS) + 1;
    else if (key == 'I')
        p->hour = hour_of_12(number(v), group_of(m, 'p'));
    else if (key == 'a' || key == 'A')
        p->weekday = word(v, WEEKDAYS);
    else if (key == 'w')
        p->weekday = (number(v) + 6) % 7;
    else if (key == 'z' || key == 'Z')
        take_zone(p, v);
}

/* ---- the day ---- */

static int weekday_of(int64_t days) /* 0 = Monday; 1970-01-01 was a Thursday */
{
    return (int)(((days + 3) % 7 + 7) % 7);
}

static int day_of_week(const struct parts *p)
{
    int first = weekday_of(days_from_civil(p->year, 1, 1)), day = p->weekday, lead;

    if (!p->week_from_monday) {
        first = (first + 1) % 7;
        day = (day + 1) % 7;
    }
    lead = (7 - first) % 7;
    return p->week == 0 ? 1 + day - first : 1 + lead + 7 * (p->week - 1) + day;
}

static void use_yearday(struct parts *p)
{
    struct civil c;
    int64_t days;

    if (p->yearday < 0 && p->week >= 0 && p->weekday >= 0)
        p->yearday = day_of_week(p);
    if (p->yearday < 0)
        return;
    days = days_from_civil(p->year, 1, 1) + p->yearday - 1;
    if (days < 0)
        return;
    c = civil_from_us((uint64_t)days * DAY_S * USEC_PER_SEC);
    p->year = c.year;
    p->month = (int)c.month;
    p->day = (int)c.day;
}

static bool leap(int year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static bool valid(const struct parts *p)
{
    static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

    return p->year >= 1 && p->month >= 1 && p->month <= 12 && p->day >= 1 &&
           p->day <= days[p->month - 1] + (p->month == 2 && leap(p->year)) && p->hour < 24 &&
           p->minute < 60 && p->second < 60;
}

static int64_t local_seconds(const struct parts *p)
{
    return days_from_civil(p->year, (unsigned)p->month, (unsigned)p->day) * DAY_S + p->hour * 3600 +
           p->minute * 60 + p->second;
}

/* ---- the present ---- */

static void know_now(struct date_now *n)
{
    struct civil c;

    if (n->known)
        return;
    n->local = zone_local(n->zone, (int64_t)n->now_s);
    c = civil_from_us((uint64_t)(n->local < 0 ? 0 : n->local) * USEC_PER_SEC);
    n->year = c.year;
    n->month = (int)c.month;
    n->day = (int)c.day;
    n->known = true;
}

/* ---- the whole ---- */

static bool number_time(const struct date_match *m, uint64_t *ret_us)
{
    struct slice v = m->groups[m->template->number_group];
    double t;

    if (!v.p || parse_double(v, &t) < 0)
        return false;
    if (m->template->kind == DATE_LONG_EPOCH && v.n >= 13)
        t /= v.n >= 16 && slice_find_byte(v, '.') == SIZE_MAX ? 1e6 : 1e3;
    if (!(t >= 0) || t > 1e12)
        return false;
    *ret_us = (uint64_t)(t * 1e6 + 0.5);
    return true;
}

/* @ and 24 hexadecimal digits: 16 of seconds, counted from 2^62, 8 of nanoseconds. */
static bool tai_time(const struct date_match *m, uint64_t *ret_us)
{
    struct slice v = slice_skip(m->groups[1], 2);
    uint64_t t = 0;

    for (size_t i = 0; i < 15 && i < v.n; i++) {
        char c = v.p[i];

        t = t << 4 | (uint64_t)(c <= '9' ? c - '0' : (c | 32) - 'a' + 10);
    }
    if (v.n < 15 || t > UINT64_C(1000000000000))
        return false;
    *ret_us = t * USEC_PER_SEC;
    return true;
}

static bool text_time(const struct parts *said, const struct date_zone *zone,
                      const struct date_now *now, uint64_t *ret_us)
{
    struct parts p = *said;
    bool year = p.year < 0, today;
    int64_t t;

    if (year)
        p.year = now->year;
    if (p.month < 0 || p.day < 0)
        use_yearday(&p);
    today = p.month < 0 && p.day < 0;
    if (today) {
        p.month = now->month;
        p.day = now->day;
    }
    if (!p.zoned && zone->fixed) {
        p.zoned = true;
        p.zone = zone->minutes;
    }
    if (p.bad || !valid(&p))
        return false;
    t = local_seconds(&p) - (p.zoned ? (int64_t)p.zone * 60 : 0);
    if (today && t > now->local)
        t -= DAY_S;
    if (year && t > now->local + DAY_S) {
        int64_t clock = t - (t >= 0 ? t / DAY_S * DAY_S : 0);

        p.year--;
        if (!valid(&p))
            return false;
        t = days_from_civil(p.year, (unsigned)p.month, (unsigned)p.day) * DAY_S + clock;
    }
    *ret_us = (!p.zoned ? zone_to_utc(now->zone, t) : t < 0 ? 0 : (uint64_t)t) * USEC_PER_SEC;
    return true;
}

bool date_time(const struct date_match *m, const struct date_zone *zone, struct date_now *now,
               uint64_t *ret_us)
{
    struct parts p = {
        .year = -1, .month = -1, .day = -1, .weekday = -1, .yearday = -1, .week = -1
    };

    if (m->template->kind == DATE_TAI64N)
        return tai_time(m, ret_us);
    if (m->template->kind != DATE_PATTERN)
        return number_time(m, ret_us);
    know_now(now);
    for (size_t i = 1; i < m->template->ngroups; i++)
        if (m->template->keys[i] && m->groups[i].p)
            take(&p, m->template->keys[i], m->groups[i], m);
    return text_time(&p, zone, now, ret_us);
}
