/* Zones from the system's TZif files (RFC 8536). */
#include "base/zone.h"

#include <errno.h>
#include <string.h>

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
