#include "rules/evidence.h"

#include <errno.h>

/* Of a ring; powers of two. */
#define CAP_MIN ((size_t)64 << 10)
#define CAP_MAX ((size_t)8 << 20)
/* A rule whose events were that many bytes, of the CAP_MAX put last (and half of those before, and
 * so on), takes in much. */
#define MUCH (CAP_MAX / 4)

int evidence_init(struct evidence *e, size_t nrules)
{
    *e = (struct evidence){ .shares = calloc(nrules + 1, sizeof *e->shares), .nrules = nrules };
    return e->shares ? 0 : -ENOMEM;
}

void evidence_fini(struct evidence *e)
{
    for (size_t i = 0; i < ARRAY_SIZE(e->rings); i++)
        free(e->rings[i].bytes);
    free(e->shares);
    *e = (struct evidence){ 0 };
}

/* ---- a ring ---- */

/* Was it put, and not overwritten since? */
static bool ring_has(const struct evidence_ring *r, uint64_t at)
{
    return at != 0 && r->head <= at - 1 + r->cap;
}

static struct slice ring_get(const struct evidence_ring *r, uint64_t at)
{
    const char *p;
    uint32_t n;

    if (!ring_has(r, at))
        return SLICE("");
    p = r->bytes + ((at - 1) & (r->cap - 1));
    memcpy(&n, p, sizeof n);
    return slice_of(p + sizeof n, n);
}

/* Before anything was overwritten, a longer ring holds the same at the same places. */
static int grow(struct evidence_ring *r, uint64_t need)
{
    size_t cap = r->cap ? r->cap : CAP_MIN;
    char *p;

    while (cap < need && cap < CAP_MAX)
        cap *= 2;
    if (cap == r->cap)
        return 0;
    p = realloc(r->bytes, cap);
    if (!p)
        return -ENOMEM;
    r->bytes = p;
    r->cap = cap;
    return 0;
}

/* At *ret, 0 = it is too long. Before a text stands its length, so that those who refer to it need
 * not keep it. */
static int ring_put(struct evidence_ring *r, struct slice text, uint64_t *ret)
{
    uint32_t n = (uint32_t)text.n;
    size_t at, bytes = text.n + sizeof n;

    *ret = 0;
    if (text.n > CAP_MAX / 4)
        return 0;
    if (r->head + bytes > r->cap && r->head <= r->cap && grow(r, r->head + bytes) < 0)
        return -ENOMEM;
    at = (size_t)(r->head & (r->cap - 1));
    if (bytes > r->cap - at) { /* not cut in two */
        r->head += r->cap - at;
        at = 0;
    }
    memcpy(r->bytes + at, &n, sizeof n);
    memcpy(r->bytes + at + sizeof n, text.p, text.n);
    r->last = *ret = r->head + 1;
    r->head += bytes;
    return 0;
}

/* ---- both ---- */

static void halve_shares(struct evidence *e)
{
    e->lately = 0;
    for (size_t i = 0; i < e->nrules; i++)
        e->shares[i] /= 2;
}

int evidence_put(struct evidence *e, size_t rule, struct slice text, struct evidence_ref *ref)
{
    uint64_t at = ref->at >> 1, in = ref->at & 1, much;
    int err = 0;

    if (text.n == 0) {
        ref->at = 0;
        return 0;
    }
    e->shares[rule] += text.n;
    much = e->shares[rule] > MUCH;
    /* What stands with the few serves the many, too; not the other way round. */
    if (in <= much && ring_has(&e->rings[in], at))
        return 0;
    at = e->rings[much].last;
    if (!slice_eq(ring_get(&e->rings[much], at), text)) {
        err = ring_put(&e->rings[much], text, &at);
        e->lately += text.n;
    }
    if (e->lately > CAP_MAX)
        halve_shares(e);
    ref->at = at ? at << 1 | much : 0;
    return err;
}

struct slice evidence_get(const struct evidence *e, struct evidence_ref ref)
{
    return ring_get(&e->rings[ref.at & 1], ref.at >> 1);
}
