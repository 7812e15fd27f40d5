#include "rules/prefilter.h"

#include <errno.h>
#include <stdlib.h>

#include <config.h>

#ifdef HAVE_VECTORSCAN

#include <hs.h>

struct prefilter {
    hs_database_t *database;
};

struct prefilter_scratch {
    hs_scratch_t *scratch;
};

struct literal_list {
    const char **texts;
    size_t *lengths;
    unsigned *flags, *ids;
};

static void literal_list_free(struct literal_list *l)
{
    free(l->texts);
    free(l->lengths);
    free(l->flags);
    free(l->ids);
}

static bool literal_list_fill(struct literal_list *l, const struct slice *literals, size_t n)
{
    l->texts = calloc(n, sizeof *l->texts);
    l->lengths = calloc(n, sizeof *l->lengths);
    l->flags = calloc(n, sizeof *l->flags);
    l->ids = calloc(n, sizeof *l->ids);
    if (!l->texts || !l->lengths || !l->flags || !l->ids)
        return false;
    for (size_t i = 0; i < n; i++) {
        l->texts[i] = literals[i].p;
        l->lengths[i] = literals[i].n;
        l->flags[i] = HS_FLAG_CASELESS;
        l->ids[i] = (unsigned)i;
    }
    return true;
}

static int compile(const struct slice *literals, size_t n, hs_database_t **ret, struct err *err)
{
    struct literal_list l = { 0 };
    hs_compile_error_t *why = NULL;
    int r = 0;

    if (!literal_list_fill(&l, literals, n)) {
        literal_list_free(&l);
        return err_nomem(err);
    }
    if (hs_compile_lit_multi(l.texts, l.flags, l.ids, l.lengths, (unsigned)n, HS_MODE_BLOCK, NULL,
                             ret, &why) != HS_SUCCESS)
        r = err_set(err, -EINVAL, "the literals of the rules cannot be compiled: %s",
                    why ? why->message : "?");
    hs_free_compile_error(why);
    literal_list_free(&l);
    return r;
}

int prefilter_new(const struct slice *literals, size_t n, struct prefilter **ret_prefilter,
                  struct err *err)
{
    AUTO(prefilter) p = calloc(1, sizeof *p);

    if (!p)
        return err_nomem(err);
    if (hs_valid_platform() != HS_SUCCESS)
        return err_set(err, -ENOSYS, "this processor is too old for Vectorscan");
    if (compile(literals, n, &p->database, err) < 0)
        return err_code(err);
    *ret_prefilter = TAKE(p);
    return 0;
}

void prefilter_free(struct prefilter *p)
{
    if (!p)
        return;
    hs_free_database(p->database);
    free(p);
}

int prefilter_scratch_for(struct prefilter_scratch **scratch, const struct prefilter *p)
{
    if (!*scratch)
        *scratch = calloc(1, sizeof **scratch);
    if (!*scratch || hs_alloc_scratch(p->database, &(*scratch)->scratch) != HS_SUCCESS)
        return -ENOMEM;
    return 0;
}

void prefilter_scratch_free(struct prefilter_scratch *s)
{
    if (!s)
        return;
    hs_free_scratch(s->scratch);
    free(s);
}

struct scanning {
    prefilter_hit *hit;
    void *ctx;
};

static int on_match(unsigned id, unsigned long long from UNUSED, unsigned long long to,
                    unsigned flags UNUSED, void *ctx)
{
    const struct scanning *s = ctx;

    return s->hit(s->ctx, id, (size_t)to);
}

int prefilter_scan(const struct prefilter *p, struct prefilter_scratch *s, struct slice bytes,
                   prefilter_hit *hit, void *ctx)
{
    struct scanning scanning = { hit, ctx };
    hs_error_t e;

    if (bytes.n > UINT32_MAX)
        return -EIO;
    e = hs_scan(p->database, bytes.p, (unsigned)bytes.n, 0, s->scratch, on_match, &scanning);
    return e == HS_SUCCESS || e == HS_SCAN_TERMINATED ? 0 : -EIO;
}

#else

int prefilter_new(const struct slice *literals UNUSED, size_t n UNUSED,
                  struct prefilter **ret_prefilter UNUSED, struct err *err)
{
    return err_set(err, -ENOSYS, "built without Vectorscan");
}

void prefilter_free(struct prefilter *p UNUSED)
{
}

int prefilter_scratch_for(struct prefilter_scratch **scratch UNUSED,
                          const struct prefilter *p UNUSED)
{
    return -ENOSYS;
}

void prefilter_scratch_free(struct prefilter_scratch *s UNUSED)
{
}

int prefilter_scan(const struct prefilter *p UNUSED, struct prefilter_scratch *s UNUSED,
                   struct slice bytes UNUSED, prefilter_hit *hit UNUSED, void *ctx UNUSED)
{
    return -EIO;
}

#endif
