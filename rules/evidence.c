#include "rules/evidence.h"

#include <errno.h>

/* Powers of two. */
#define CAP_MIN ((size_t)64 << 10)
#define CAP_MAX ((size_t)16 << 20)

void evidence_fini(struct evidence *e)
{
    free(e->bytes);
    *e = (struct evidence){ 0 };
}

/* Before anything was overwritten, a longer ring holds the same at the same places. */
static int grow(struct evidence *e, uint64_t need)
{
    size_t cap = e->cap ? e->cap : CAP_MIN;
    char *p;

    while (cap < need && cap < CAP_MAX)
        cap *= 2;
    if (cap == e->cap)
        return 0;
    p = realloc(e->bytes, cap);
    if (!p)
        return -ENOMEM;
    e->bytes = p;
    e->cap = cap;
    return 0;
}

/* Before a text stands its length, so that those who refer to it need not keep it. */
int evidence_put(struct evidence *e, struct slice text, struct evidence_ref *ret)
{
    uint32_t n = (uint32_t)text.n;
    size_t at, bytes = text.n + sizeof n;

    *ret = e->last;
    if (text.n && slice_eq(evidence_get(e, e->last), text))
        return 0;
    *ret = (struct evidence_ref){ 0 };
    if (text.n == 0 || text.n > CAP_MAX / 4)
        return 0;
    if (e->head + bytes > e->cap && e->head <= e->cap && grow(e, e->head + bytes) < 0)
        return -ENOMEM;
    at = (size_t)(e->head & (e->cap - 1));
    if (bytes > e->cap - at) { /* not cut in two */
        e->head += e->cap - at;
        at = 0;
    }
    memcpy(e->bytes + at, &n, sizeof n);
    memcpy(e->bytes + at + sizeof n, text.p, text.n);
    e->last = *ret = (struct evidence_ref){ e->head + 1 };
    e->head += bytes;
    return 0;
}

struct slice evidence_get(const struct evidence *e, struct evidence_ref ref)
{
    const char *p;
    uint32_t n;

    if (!evidence_has(e, ref))
        return SLICE("");
    p = e->bytes + ((ref.at - 1) & (e->cap - 1));
    memcpy(&n, p, sizeof n);
    return slice_of(p + sizeof n, n);
}
