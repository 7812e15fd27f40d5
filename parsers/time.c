/* Times as the channels write them. */
#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/num.h"
#include "parsers/format.h"

/* ---- shapes ---- */

static bool digit(struct slice s, size_t i)
{
    return i < s.n && s.p[i] >= '0' && s.p[i] <= '9';
}

static unsigned two(const char *p)
{
    return (unsigned)(p[0] - '0') * 10 + (unsigned)(p[1] - '0');
}

/* The pattern's 9 stands for a digit; anything else for itself. */
static bool shaped(struct slice s, const char *pattern)
{
    size_t i = 0;

    for (; pattern[i]; i++)
        if (i >= s.n || (pattern[i] == '9' ? !digit(s, i) : s.p[i] != pattern[i]))
            return false;
    return true;
}

static int of_parts(unsigned year, unsigned month, const char *day, const char *clock, unsigned us,
                    const struct zone *z, uint64_t *ret)
{
    unsigned d = day[0] == ' ' ? (unsigned)(day[1] - '0') : two(day);
    unsigned h = two(clock), m = two(clock + 3), s = two(clock + 6);

    if (month < 1 || month > 12 || d < 1 || d > 31 || h > 23 || m > 59 || s > 60)
        return -EINVAL;
    *ret = zone_to_utc(z, days_from_civil(year, month, d) * 86400 + (int64_t)h * 3600 +
                              (int64_t)m * 60 + (int64_t)s) *
               USEC_PER_SEC +
           us;
    return 0;
}

/* ".123456" or ",498" behind the seconds; anything else there is no time. */
static int fraction(struct slice s, unsigned *ret_us)
{
    unsigned scale = 100000;

    *ret_us = 0;
    if (s.n == 0)
        return 0;
    if ((s.p[0] != '.' && s.p[0] != ',') || s.n < 2)
        return -EINVAL;
    for (size_t i = 1; i < s.n; i++) {
        if (!digit(s, i))
            return -EINVAL;
        *ret_us += (unsigned)(s.p[i] - '0') * scale;
        scale /= 10;
    }
    return 0;
}

static int local_time(struct slice s, const struct zone *z, uint64_t *ret)
{
    unsigned year = two(s.p) * 100 + two(s.p + 2), us;
    int r = fraction(slice_skip(s, 19), &us);

    return r < 0 ? r : of_parts(year, two(s.p + 5), s.p + 8, s.p + 11, us, z, ret);
}

static unsigned month_of(const char *p)
{
    static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

    for (unsigned i = 0; i < 12; i++)
        if (memcmp(p, names + i * 3, 3) == 0)
            return i + 1;
    return 0;
}

/* No year: the one that puts the time nearest to its reception. */
static int syslog_time(struct slice s, const struct zone *z, uint64_t received_us, uint64_t *ret)
{
    struct civil now = civil_from_us(received_us);
    uint64_t best = 0, least = UINT64_MAX;

    for (int y = now.year - 1; y <= now.year + 1; y++) {
        uint64_t t, far;

        if (of_parts((unsigned)y, month_of(s.p), s.p + 4, s.p + 7, 0, z, &t) < 0)
            return -EINVAL;
        far = t > received_us ? t - received_us : received_us - t;
        if (far < least) {
            least = far;
            best = t;
        }
    }
    *ret = best;
    return 0;
}

/* 1795224886.132131 (seconds) or 1795225175247.823 (milliseconds): told apart by size. */
static int epoch(struct slice s, uint64_t *ret)
{
    size_t dot = slice_find_byte(s, '.');
    struct slice whole = dot == SIZE_MAX ? s : slice_take(s, dot);
    uint64_t v;
    unsigned us = 0, scale;
    bool ms;

    if (parse_u64(whole, 1, UINT64_C(99999999999999), &v) < 0)
        return -EINVAL;
    ms = v > UINT64_C(99999999999);
    scale = ms ? 100 : 100000;
    for (size_t i = dot == SIZE_MAX ? s.n : dot + 1; i < s.n; i++) {
        if (!digit(s, i))
            return -EINVAL;
        us += (unsigned)(s.p[i] - '0') * scale;
        scale /= 10;
    }
    *ret = v * (ms ? 1000 : USEC_PER_SEC) + us;
    return 0;
}

/* 21/Nov/2026:01:44:28 +0100, of the combined log format. */
static int combined_time(struct slice s, uint64_t *ret)
{
    uint64_t offset = ((uint64_t)two(s.p + 22) * 60 + two(s.p + 24)) * 60 * USEC_PER_SEC;
    int r =
        of_parts(two(s.p + 7) * 100 + two(s.p + 9), month_of(s.p + 3), s.p, s.p + 12, 0, NULL, ret);

    if (r < 0 || two(s.p + 22) > 23 || two(s.p + 24) > 59)
        return -EINVAL;
    if (s.p[21] == '-')
        *ret += offset;
    else
        *ret = *ret > offset ? *ret - offset : 0;
    return 0;
}

int time_parse(struct slice s, const struct zone *z, uint64_t received_us, uint64_t *ret_us)
{
    if (shaped(s, "9999-99-99T"))
        return s.n == 19 || (s.n > 19 && !strchr("Zz+-", s.p[s.n - 1]) &&
                             time_parse_rfc3339(s, ret_us) < 0)
                   ? local_time(s, z, ret_us)
                   : time_parse_rfc3339(s, ret_us);
    if (shaped(s, "9999-99-99 99:99:99"))
        return time_parse_rfc3339(s, ret_us) == 0 ? 0 : local_time(s, z, ret_us);
    if (shaped(s, "9999/99/99 99:99:99"))
        return local_time(s, z, ret_us);
    if (s.n == 24 && shaped(slice_skip(s, 11), "99:99:99 9999"))
        return of_parts(two(s.p + 20) * 100 + two(s.p + 22), month_of(s.p + 4), s.p + 8, s.p + 11,
                        0, z, ret_us);
    if (s.n == 26 && shaped(s, "99/") && shaped(slice_skip(s, 6), "/9999:99:99:99 ") &&
        (s.p[21] == '+' || s.p[21] == '-') && shaped(slice_skip(s, 22), "9999"))
        return combined_time(s, ret_us);
    if (s.n == 15 && shaped(slice_skip(s, 7), "99:99:99") && (digit(s, 4) || s.p[4] == ' ') &&
        digit(s, 5))
        return syslog_time(s, z, received_us, ret_us);
    return epoch(s, ret_us);
}

/* ---- the same second once more ---- */

#define SECONDS_END 19 /* of 2026-11-21T01:42:39 */

/* Of a time that begins with its date, the year first: in others no digit is one of a fraction. */
static size_t fraction_digits(struct slice s)
{
    size_t n = 0;

    if ((s.p[4] == '-' || s.p[4] == '/') && s.n > SECONDS_END &&
        (s.p[SECONDS_END] == '.' || s.p[SECONDS_END] == ','))
        while (digit(s, SECONDS_END + 1 + n))
            n++;
    return n;
}

/* Apart from the digits of the fraction, of which there are as many, the text is the same. */
static bool is_near(const struct time_near *near, struct slice s, uint64_t *ret_us)
{
    const char *p = s.p + near->fraction, *end = p + near->digits;
    uint64_t us = 0;

    if (s.n != near->n || memcmp(s.p, near->text, near->fraction) != 0 ||
        memcmp(end, near->text + near->fraction + near->digits, (size_t)(s.p + s.n - end)) != 0)
        return false;
    for (; p < end; p++) {
        if (*p < '0' || *p > '9')
            return false;
        us = us * 10 + (uint64_t)(*p - '0');
    }
    *ret_us = near->us + us * near->scale;
    return true;
}

/* No time without a year, which are shorter: what it means depends on when it is read. */
static void keep_near(struct time_near *near, struct slice s, uint64_t us)
{
    size_t digits;

    near->n = 0;
    if (s.n < SECONDS_END || s.n > TIME_NEAR_MAX)
        return;
    digits = fraction_digits(s);
    if (digits > 6)
        return;
    near->us = us;
    near->fraction = digits ? SECONDS_END + 1 : s.n;
    near->scale = USEC_PER_SEC;
    for (size_t i = 0; i < digits; i++) {
        near->scale /= 10;
        near->us -= (uint64_t)(s.p[near->fraction + i] - '0') * near->scale;
    }
    memcpy(near->text, s.p, s.n);
    near->n = s.n;
    near->digits = digits;
}

int time_parse_near(struct time_near *near, struct slice s, const struct zone *z,
                    uint64_t received_us, uint64_t *ret_us)
{
    int r;

    if (z) /* zones come and go, and an hour may come twice */
        return time_parse(s, z, received_us, ret_us);
    if (near->n && is_near(near, s, ret_us))
        return 0;
    r = time_parse(s, z, received_us, ret_us);
    if (r == 0)
        keep_near(near, s, *ret_us);
    return r;
}
