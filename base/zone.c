/* Zones from the system's TZif files (RFC 8536). */
#include "base/zone.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"

struct zone {
    int64_t *at; /* transitions, UTC seconds */
    int32_t *offset; /* from each transition on; offset[0] is before the first */
    size_t n;
};

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

/* ---- the rule behind the last change ---- */

/*
 * The footer says by a POSIX TZ text how it goes on ("CET-1CEST,M3.5.0,M10.5.0/3"). Files of some
 * systems list no change after 1996, those of others list all up to 2037. It becomes changes of
 * years to come, so that only reading knows of it.
 */
#define YEAR_MAX 2100

struct change_rule {
    char kind; /* 'M' month, week, weekday; 'J' day without 29 February; 'N' day from 0 */
    unsigned a, b, c;
    int32_t time_s; /* local; may be of a neighbouring day */
};

static bool number(struct slice *s, unsigned max, unsigned *ret)
{
    unsigned v = 0;
    size_t n = 0;

    for (; n < s->n && n < 4 && s->p[n] >= '0' && s->p[n] <= '9'; n++)
        v = v * 10 + (unsigned)(s->p[n] - '0');
    *s = slice_skip(*s, n);
    *ret = v;
    return n > 0 && v <= max;
}

static bool sign(struct slice *s, char c)
{
    if (s->n == 0 || s->p[0] != c)
        return false;
    *s = slice_skip(*s, 1);
    return true;
}

/* "-1", "2", "10:30", "-0:30:15" in seconds */
static bool clock_time(struct slice *s, int32_t *ret)
{
    bool minus = sign(s, '-');
    unsigned h, m = 0, sec = 0;

    if (!minus)
        (void)sign(s, '+');
    if (!number(s, 167, &h) || (sign(s, ':') && !number(s, 59, &m)) ||
        (sign(s, ':') && !number(s, 59, &sec)))
        return false;
    *ret = (int32_t)(h * 3600 + m * 60 + sec) * (minus ? -1 : 1);
    return true;
}

/* "CET" or "<+0330>" */
static bool skip_name(struct slice *s)
{
    size_t n = 0;

    if (sign(s, '<')) {
        n = slice_find_byte(*s, '>');
        if (n == SIZE_MAX)
            return false;
        *s = slice_skip(*s, n + 1);
        return true;
    }
    while (n < s->n && ((s->p[n] >= 'A' && s->p[n] <= 'Z') || (s->p[n] >= 'a' && s->p[n] <= 'z')))
        n++;
    *s = slice_skip(*s, n);
    return n >= 3;
}

static bool read_change(struct slice *s, struct change_rule *r)
{
    bool right;

    r->time_s = 2 * 3600;
    if (!sign(s, ','))
        return false;
    r->kind = sign(s, 'M') ? 'M' : sign(s, 'J') ? 'J' : 'N';
    if (r->kind == 'M')
        right = number(s, 12, &r->a) && r->a > 0 && sign(s, '.') && number(s, 5, &r->b) &&
                r->b > 0 && sign(s, '.') && number(s, 6, &r->c);
    else
        right = number(s, 365, &r->a) && (r->kind == 'N' || r->a > 0);
    return right && (!sign(s, '/') || clock_time(s, &r->time_s));
}

/* Local seconds of the change in that year. */
static int64_t change_in(const struct change_rule *r, int year)
{
    int64_t first = days_from_civil(year, r->kind == 'M' ? r->a : 1, 1), day = first, next;
    bool leap = days_from_civil(year, 3, 1) - days_from_civil(year, 2, 28) == 2;

    if (r->kind == 'M') {
        /* 1970-01-01 was a Thursday; 0 is Sunday. */
        day += (7 + (int64_t)r->c - (first + 4) % 7) % 7 + (int64_t)(r->b - 1) * 7;
        next = r->a == 12 ? days_from_civil(year + 1, 1, 1) : days_from_civil(year, r->a + 1, 1);
        while (day >= next) /* the fifth is the last */
            day -= 7;
    } else if (r->kind == 'J') {
        day += (int64_t)r->a - 1 + (leap && r->a >= 60);
    } else {
        day += r->a;
    }
    return day * 86400 + r->time_s;
}

static bool grow(struct zone *z, size_t more)
{
    int64_t *at = realloc(z->at, (z->n + more + 1) * sizeof *at);
    int32_t *offset;

    if (!at)
        return false;
    z->at = at;
    offset = realloc(z->offset, (z->n + more + 1) * sizeof *offset);
    if (!offset)
        return false;
    z->offset = offset;
    return true;
}

static void add_change(struct zone *z, int64_t at, int32_t offset)
{
    if (z->n && at <= z->at[z->n - 1])
        return;
    z->at[z->n++] = at;
    z->offset[z->n] = offset;
}

/* A text that is not understood leaves the zone as it is. Negative: no memory. */
static int go_on(struct zone *z, struct slice s)
{
    uint64_t last = z->n && z->at[z->n - 1] > 0 ? (uint64_t)z->at[z->n - 1] : 0;
    struct change_rule begin, end;
    int32_t standard, summer;

    if (!sign(&s, '\n') || !skip_name(&s) || !clock_time(&s, &standard) || !skip_name(&s))
        return 0;
    summer = standard - 3600;
    if (s.n && s.p[0] != ',' && !clock_time(&s, &summer))
        return 0;
    if (!read_change(&s, &begin) || !read_change(&s, &end) || !sign(&s, '\n'))
        return 0;
    standard = -standard; /* POSIX counts to the west */
    summer = -summer;
    if (!grow(z, 2 * (YEAR_MAX - 1970 + 1)))
        return -ENOMEM;
    for (int y = civil_from_us(last * USEC_PER_SEC).year; y <= YEAR_MAX; y++) {
        int64_t b = change_in(&begin, y) - standard, e = change_in(&end, y) - summer;

        add_change(z, b < e ? b : e, b < e ? summer : standard);
        add_change(z, b < e ? e : b, b < e ? standard : summer);
    }
    return 0;
}

/* ---- loading ---- */

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
    if (r == 0)
        r = go_on(z, slice_skip(s, 44 + body_size(&h, 8)));
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

/* ---- asking ---- */

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

int64_t zone_local(const struct zone *z, int64_t utc_s)
{
    return z ? utc_s + offset_at(z, utc_s) : utc_s;
}

/* No zone is further from UTC. */
#define OFFSET_MAX (26 * 3600)

int64_t zone_reach(const struct zone *z, int64_t local_s)
{
    int64_t utc = local_s - OFFSET_MAX; /* the clock did not show it before */

    if (!z)
        return local_s;
    for (size_t i = 0; i <= z->n; i++) {
        int64_t begin = i > 0 && z->at[i - 1] > utc ? z->at[i - 1] : utc;
        int64_t at = local_s - z->offset[i] > begin ? local_s - z->offset[i] : begin;

        if (i == z->n || at < z->at[i])
            return at;
    }
    return local_s;
}
