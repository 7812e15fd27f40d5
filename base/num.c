#include "base/num.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>

int parse_u64(struct slice s, uint64_t min, uint64_t max, uint64_t *ret)
{
    uint64_t v = 0;
    bool over = false;

    if (s.n == 0)
        return -EINVAL;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return -EINVAL;
        over |= __builtin_mul_overflow(v, UINT64_C(10), &v);
        over |= __builtin_add_overflow(v, (uint64_t)(s.p[i] - '0'), &v);
    }
    if (over || v < min || v > max)
        return -ERANGE;
    *ret = v;
    return 0;
}

int parse_i64(struct slice s, int64_t min, int64_t max, int64_t *ret)
{
    bool minus = s.n && s.p[0] == '-';
    uint64_t v;
    int64_t i;
    int r = parse_u64(minus ? slice_skip(s, 1) : s, 0, (uint64_t)INT64_MAX + (minus ? 1 : 0), &v);

    if (r < 0)
        return r;
    i = minus ? (int64_t)(0 - v) : (int64_t)v;
    if (i < min || i > max)
        return -ERANGE;
    *ret = i;
    return 0;
}

int parse_double(struct slice s, double *ret)
{
    char text[64], *end;
    double v;

    if (s.n == 0 || s.n >= sizeof text || s.p[0] == '+')
        return -EINVAL;
    for (size_t i = 0; i < s.n; i++)
        if (!strchr("0123456789+-.eE", s.p[i]) || !s.p[i])
            return -EINVAL;
    memcpy(text, s.p, s.n);
    text[s.n] = '\0';
    v = strtod(text, &end); /* the program never leaves the C locale */
    if (*end)
        return -EINVAL;
    if (!isfinite(v))
        return -ERANGE;
    *ret = v;
    return 0;
}

struct unit {
    const char *name;
    uint64_t factor;
};

static int parse_unit(struct slice s, const struct unit *units, uint64_t *ret)
{
    size_t digits = 0;
    uint64_t v;
    int r;

    while (digits < s.n && s.p[digits] >= '0' && s.p[digits] <= '9')
        digits++;
    r = parse_u64(slice_take(s, digits), 0, UINT64_MAX, &v);
    if (r < 0)
        return r;
    for (; units->name; units++)
        if (slice_is(slice_skip(s, digits), units->name)) {
            if (__builtin_mul_overflow(v, units->factor, &v))
                return -ERANGE;
            *ret = v;
            return 0;
        }
    return -EINVAL;
}

int parse_bytes(struct slice s, uint64_t *ret)
{
    static const struct unit units[] = {
        { "", 1 },           { "k", 1000 },       { "M", 1000000 },
        { "G", 1000000000 }, { "KiB", 1u << 10 }, { "MiB", 1u << 20 },
        { "GiB", 1u << 30 }, { "B", 1 },          { NULL, 0 },
    };

    return parse_unit(s, units, ret);
}

int parse_duration(struct slice s, uint64_t *ret_us)
{
    static const struct unit units[] = {
        { "us", 1 },
        { "ms", USEC_PER_MSEC },
        { "s", USEC_PER_SEC },
        { "m", 60 * USEC_PER_SEC },
        { "h", 3600 * USEC_PER_SEC },
        { "d", 86400 * USEC_PER_SEC },
        { "w", 7 * 86400 * USEC_PER_SEC },
        { NULL, 0 },
    };

    return parse_unit(s, units, ret_us);
}

void buf_duration(struct buf *b, uint64_t us)
{
    static const struct unit units[] = {
        { "d", 86400 * USEC_PER_SEC }, { "h", 3600 * USEC_PER_SEC }, { "m", 60 * USEC_PER_SEC },
        { "s", USEC_PER_SEC },         { "ms", USEC_PER_MSEC },      { "us", 1 },
    };

    if (us == 0)
        buf_str(b, "0s");
    for (size_t i = 0; i < ARRAY_SIZE(units) && us; i++) {
        if (us < units[i].factor)
            continue;
        buf_u64(b, us / units[i].factor);
        buf_str(b, units[i].name);
        us %= units[i].factor;
    }
}

void buf_bytes(struct buf *b, uint64_t n)
{
    static const char *const names[] = { "B", "KiB", "MiB", "GiB", "TiB" };
    double v = (double)n;
    size_t i = 0;

    while (v >= 1024 && i + 1 < ARRAY_SIZE(names)) {
        v /= 1024;
        i++;
    }
    buf_printf(b, i && v < 10 ? "%.1f %s" : "%.0f %s", v, names[i]);
}
