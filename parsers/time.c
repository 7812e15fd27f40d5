/* Times as the channels write them, and zones from the system's TZif files (RFC 8536). */
#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/num.h"
#include "parsers/format.h"

struct zone {
    int64_t *at; /* transitions, UTC seconds */
    int32_t *offset; /* from each transition on; offset[0] is before the first */
    size_t n;
};

/* ---- zones ---- */

static uint32_t be32(const char *p)
{
    const unsigned char *q = (const unsigned char *)p;

    return (uint32_t)q[0] << 24 | (uint32_t)q[1] << 16 | (uint32_t)q[2] << 8 | q[3];
}

static int64_t be64(const char *p)
{
    return (int64_t)((uint64_t)be32(p) << 32 | be32(p + 4));
}

struct tzif {
    uint32_t isutc, isstd, leap, times, types, chars;
};

static bool read_header(struct slice s, struct tzif *h)
{
    if (s.n < 44 || memcmp(s.p, "TZif", 4) != 0)
        return false;
    *h = (struct tzif){ be32(s.p + 20), be32(s.p + 24), be32(s.p + 28),
                        be32(s.p + 32), be32(s.p + 36), be32(s.p + 40) };
    return h->times < 10000 && h->types > 0 && h->types < 256 && h->chars < 10000 &&
           h->leap < 1000 && h->isutc < 256 && h->isstd < 256;
}

static size_t body_size(const struct tzif *h, size_t time_size)
{
    return h->times * time_size + h->times + (size_t)h->types * 6 + h->chars +
           h->leap * (time_size + 4) + h->isstd + h->isutc;
}

static int fill(struct zone *z, struct slice body, const struct tzif *h)
{
    const char *index = body.p + (size_t)h->times * 8;
    const char *types = index + h->times;

    if (body.n < body_size(h, 8))
        return -EBADMSG;
    z->n = h->times;
    z->at = calloc(z->n + 1, sizeof *z->at);
    z->offset = calloc(z->n + 1, sizeof *z->offset);
    if (!z->at || !z->offset)
        return -ENOMEM;
    z->offset[0] = (int32_t)be32(types);
    for (size_t i = 0; i < z->n; i++) {
        unsigned char type = (unsigned char)index[i];

        if (type >= h->types)
            return -EBADMSG;
        z->at[i] = be64(body.p + i * 8);
        z->offset[i + 1] = (int32_t)be32(types + type * 6);
    }
    return 0;
}

static bool name_is_safe(const char *name)
{
    for (const char *p = name; *p; p++)
        if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') ||
              strchr("_+-/", *p)))
            return false;
    return name[0] && name[0] != '/' && !strstr(name, "//");
}

int zone_load(const char *name, struct zone **ret_zone, struct err *err)
{
    AUTO(zone) z = calloc(1, sizeof *z);
    AUTO_BUF path = BUF_INIT;
    AUTO_BUF text = BUF_INIT;
    struct tzif h;
    struct slice s;
    int r;

    if (!z)
        return err_nomem(err);
    buf_printf(&path, "/usr/share/zoneinfo/%s", name);
    if (!name_is_safe(name) || !buf_ok(&path) || file_read(-1, path.p, 1 << 20, &text, NULL) < 0)
        return err_set(err, -ENOENT, "no time zone is called '%s' (use names like Europe/Berlin)",
                       name);
    s = buf_view(&text);
    if (!read_header(s, &h) || s.p[4] < '2' || s.n < 44 + body_size(&h, 4))
        return err_set(err, -EBADMSG, "'%s' is no time zone file", path.p);
    s = slice_skip(s, 44 + body_size(&h, 4)); /* the 64-bit part follows the 32-bit one */
    if (!read_header(s, &h))
        return err_set(err, -EBADMSG, "'%s' is no time zone file", path.p);
    r = fill(z, slice_skip(s, 44), &h);
    if (r < 0)
        return err_set(err, r, "'%s' is no time zone file", path.p);
    *ret_zone = TAKE(z);
    return 0;
}

void zone_free(struct zone *z)
{
    if (!z)
        return;
    free(z->at);
    free(z->offset);
    free(z);
}

static int32_t offset_at(const struct zone *z, int64_t utc)
{
    size_t lo = 0, hi = z->n;

    while (lo < hi) {
        size_t mid = (lo + hi) / 2;

        if (z->at[mid] <= utc)
            lo = mid + 1;
        else
            hi = mid;
    }
    return z->offset[lo];
}

uint64_t zone_to_utc(const struct zone *z, int64_t local_s)
{
    int64_t utc = local_s;

    if (z) {
        /* The offset of a day before is that before any change: the earlier of two readings. */
        int32_t before = offset_at(z, local_s - 86400);

        utc = local_s - before;
        if (offset_at(z, utc) != before)
            utc = local_s - offset_at(z, utc);
    }
    return utc < 0 ? 0 : (uint64_t)utc;
}

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
