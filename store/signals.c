/*
 * Signals of a batch in one blob: version byte, then each signal as fixed
 * little-endian numbers and length-prefixed texts.
 */
#include <errno.h>

#include "store/store-private.h"

#define SIGNALS_VERSION 1

static void put_u64(struct buf *b, uint64_t v)
{
    uint8_t p[8];

    for (unsigned i = 0; i < 8; i++)
        p[i] = (uint8_t)(v >> (8 * i));
    buf_add(b, p, sizeof p);
}

static void put_text(struct buf *b, struct slice s)
{
    put_u64(b, s.n);
    buf_slice(b, s);
}

int signals_encode(const struct signal *s, bool first, struct buf *out)
{
    if (first)
        buf_char(out, SIGNALS_VERSION);
    buf_add(out, s->rule, sizeof s->rule);
    put_u64(out, s->part | (uint64_t)s->flags << 32);
    put_u64(out, s->time_us);
    buf_add(out, s->key.stream, sizeof s->key.stream);
    put_u64(out, s->key.position);
    put_text(out, s->group);
    put_text(out, s->value);
    put_text(out, s->evidence);
    return buf_ok(out) ? 0 : -ENOMEM;
}

static bool get(struct slice *s, void *out, size_t n)
{
    if (s->n < n)
        return false;
    memcpy(out, s->p, n);
    *s = slice_skip(*s, n);
    return true;
}

static bool get_u64(struct slice *s, uint64_t *ret)
{
    uint8_t p[8];

    if (!get(s, p, sizeof p))
        return false;
    *ret = 0;
    for (unsigned i = 0; i < 8; i++)
        *ret |= (uint64_t)p[i] << (8 * i);
    return true;
}

static bool get_text(struct slice *s, struct slice *ret)
{
    uint64_t n;

    if (!get_u64(s, &n) || n > s->n)
        return false;
    *ret = slice_take(*s, (size_t)n);
    *s = slice_skip(*s, (size_t)n);
    return true;
}

static bool get_signal(struct slice *s, struct signal *ret)
{
    uint64_t part = 0;
    bool ok = get(s, ret->rule, sizeof ret->rule) && get_u64(s, &part) &&
              get_u64(s, &ret->time_us) && get(s, ret->key.stream, sizeof ret->key.stream) &&
              get_u64(s, &ret->key.position) && get_text(s, &ret->group) &&
              get_text(s, &ret->value) && get_text(s, &ret->evidence);

    ret->part = (uint32_t)part;
    ret->flags = (unsigned)(part >> 32);
    return ok;
}

int signals_decode(struct slice data, int (*fn)(void *ctx, const struct signal *s), void *ctx)
{
    if (data.n == 0 || data.p[0] != SIGNALS_VERSION)
        return -EBADMSG;
    data = slice_skip(data, 1);
    while (data.n) {
        struct signal s = { 0 };
        int r;

        if (!get_signal(&data, &s))
            return -EBADMSG;
        r = fn(ctx, &s);
        if (r)
            return r;
    }
    return 0;
}
