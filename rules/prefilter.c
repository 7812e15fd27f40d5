#include "rules/prefilter.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <config.h>

#ifdef HAVE_VECTORSCAN

#include <hs.h>

#include "rules/grams.h"
#include "rules/rare.h"

/* So few texts are scanned for as fast as anything. */
#define FEW 8
/* Of less it is not known what is rare; of more hardly more. */
#define SAMPLE_MIN ((size_t)64 << 10)
#define SAMPLE_MAX ((size_t)128 << 10)
/* Grams without a literal oftener than once in so many bytes are the wrong ones for this log. */
#define IDLE_BYTES 128
/* A log, or who writes into it, may go on changing: then the literals themselves are scanned for.
 */
#define TUNINGS_MAX 16

/* A choice of grams, and the scan for them. */
struct tuned {
    struct grams grams;
    hs_database_t *database;
    struct arena *arena;
    struct tuned *former;
};

/* What the threads learn on their way: whoever is `busy` chooses, the others go on. */
struct tuning {
    struct tuned *_Atomic now; /* NULL: the literals themselves */
    atomic_flag busy;
    atomic_uint left; /* choices that may still be made */
    struct tuned *all; /* kept to the end: others may be scanning by it */
};

struct prefilter {
    struct slice *texts; /* the literals that are not rare */
    uint32_t *ids; /* of each, its place in the list of literals */
    size_t ntexts;
    hs_database_t *database; /* for them; NULL: there are none */
    struct rares rares;
    struct tuning *tuning;
    struct arena *arena;
};

struct prefilter_scratch {
    hs_scratch_t *scratch;
    const hs_database_t *fits;
};

/* ---- databases ---- */

static int compile(const struct slice *texts, size_t n, hs_database_t **ret, struct err *err)
{
    const char **begins = calloc(n, sizeof *begins);
    size_t *lengths = calloc(n, sizeof *lengths);
    unsigned *flags = calloc(n, sizeof *flags), *ids = calloc(n, sizeof *ids);
    hs_compile_error_t *why = NULL;
    int r = 0;

    for (size_t i = 0; begins && lengths && flags && ids && i < n; i++) {
        begins[i] = texts[i].p;
        lengths[i] = texts[i].n;
        flags[i] = HS_FLAG_CASELESS;
        ids[i] = (unsigned)i;
    }
    if (!begins || !lengths || !flags || !ids)
        r = err_nomem(err);
    else if (hs_compile_lit_multi(begins, flags, ids, lengths, (unsigned)n, HS_MODE_BLOCK, NULL,
                                  ret, &why) != HS_SUCCESS)
        r = err_set(err, -EINVAL, "the literals of the rules cannot be compiled: %s",
                    why ? why->message : "?");
    hs_free_compile_error(why);
    free(begins);
    free(lengths);
    free(flags);
    free(ids);
    return r;
}

static bool keep_texts(struct prefilter *p, const struct slice *literals, size_t n)
{
    p->texts = arena_array(p->arena, n + 1, sizeof *p->texts);
    p->ids = arena_array(p->arena, n + 1, sizeof *p->ids);
    for (size_t i = 0; p->texts && p->ids && i < n; i++) {
        if (is_rare(literals[i]))
            continue;
        p->texts[p->ntexts] = arena_slice(p->arena, literals[i]);
        p->ids[p->ntexts] = (uint32_t)i;
        if (!p->texts[p->ntexts++].p)
            return false;
    }
    return p->texts && p->ids;
}

int prefilter_new(const struct slice *literals, size_t n, struct prefilter **ret_prefilter,
                  struct err *err)
{
    AUTO(prefilter) p = calloc(1, sizeof *p);

    if (p) {
        p->arena = arena_new(1024, 0);
        p->tuning = calloc(1, sizeof *p->tuning);
    }
    if (!p || !p->arena || !p->tuning || !keep_texts(p, literals, n) ||
        !rares_keep(&p->rares, literals, n, p->arena))
        return err_nomem(err);
    p->tuning->left = p->ntexts > FEW ? TUNINGS_MAX : 0;
    if (hs_valid_platform() != HS_SUCCESS)
        return err_set(err, -ENOSYS, "this processor is too old for Vectorscan");
    if (p->ntexts && compile(p->texts, p->ntexts, &p->database, err) < 0)
        return err_code(err);
    *ret_prefilter = TAKE(p);
    return 0;
}

static void tuned_free(struct tuned *t)
{
    if (!t)
        return;
    hs_free_database(t->database);
    arena_free(t->arena);
    free(t);
}

void prefilter_free(struct prefilter *p)
{
    if (!p)
        return;
    while (p->tuning && p->tuning->all) {
        struct tuned *t = p->tuning->all;

        p->tuning->all = t->former;
        tuned_free(t);
    }
    hs_free_database(p->database);
    arena_free(p->arena);
    free(p->tuning);
    free(p);
}

static int fit(struct prefilter_scratch *s, const hs_database_t *database)
{
    if (database && s->fits != database) {
        if (hs_alloc_scratch(database, &s->scratch) != HS_SUCCESS)
            return -ENOMEM;
        s->fits = database;
    }
    return 0;
}

int prefilter_scratch_for(struct prefilter_scratch **scratch, const struct prefilter *p)
{
    if (!*scratch)
        *scratch = calloc(1, sizeof **scratch);
    if (!*scratch)
        return -ENOMEM;
    (*scratch)->fits = NULL; /* a database at the place of one that is gone */
    return fit(*scratch, p->database);
}

void prefilter_scratch_free(struct prefilter_scratch *s)
{
    if (!s)
        return;
    hs_free_scratch(s->scratch);
    free(s);
}

/* ---- grams that suit the log ---- */

static int tuned_fill(struct tuned *t, const struct prefilter *p, struct slice sample)
{
    struct slice texts[GRAMS_MAX];
    struct err err = ERR_NONE;

    t->arena = arena_new(1024, 0);
    if (!t->arena ||
        grams_choose(p->texts, p->ntexts, slice_take(sample, SAMPLE_MAX), t->arena, &t->grams) < 0)
        return -ENOMEM;
    for (size_t i = 0; i < t->grams.n; i++)
        texts[i] = slice_of(t->grams.texts[i], GRAM_BYTES);
    return t->grams.n ? compile(texts, t->grams.n, &t->database, &err) : -ENOENT;
}

/* Chooses, once; what fails is not tried again. */
static void tune(const struct prefilter *p, struct slice sample)
{
    struct tuning *tuning = p->tuning;
    struct tuned *t = calloc(1, sizeof *t);

    if (t && tuned_fill(t, p, sample) == 0) {
        t->former = tuning->all;
        tuning->all = t;
        tuning->left--;
        atomic_store(&tuning->now, t);
    } else {
        tuned_free(t);
        tuning->left = 0;
    }
}

/* NULL: the literals themselves are scanned for. */
static struct tuned *tuned_for(const struct prefilter *p, struct slice bytes)
{
    struct tuning *tuning = p->tuning;

    if (!atomic_load(&tuning->now) && tuning->left && bytes.n >= SAMPLE_MIN &&
        !atomic_flag_test_and_set(&tuning->busy)) {
        if (!atomic_load(&tuning->now) && tuning->left)
            tune(p, bytes);
        atomic_flag_clear(&tuning->busy);
    }
    return atomic_load(&tuning->now);
}

/* ---- the scan ---- */

struct scanning {
    const struct prefilter *prefilter;
    const struct tuned *tuned;
    struct slice bytes;
    prefilter_hit *hit;
    void *ctx;
    size_t idle; /* grams without a literal */
};

static int on_text(unsigned text, unsigned long long from UNUSED, unsigned long long to,
                   unsigned flags UNUSED, void *ctx)
{
    const struct scanning *s = ctx;

    return s->hit(s->ctx, s->prefilter->ids[text], (size_t)to - 1);
}

/* Does the text stand where a gram of it does, which begins at `at`? */
static bool stands(const struct scanning *s, const struct gram_use *use, size_t at)
{
    struct slice text = s->prefilter->texts[use->literal];

    return at >= use->at && text.n <= s->bytes.n - (at - use->at) &&
           slice_eq_nocase(slice_of(s->bytes.p + at - use->at, text.n), text);
}

static int on_gram(unsigned gram, unsigned long long from UNUSED, unsigned long long to,
                   unsigned flags UNUSED, void *ctx)
{
    struct scanning *s = ctx;
    const struct grams *g = &s->tuned->grams;
    bool any = false;

    for (size_t i = g->first[gram]; i < g->first[gram + 1]; i++) {
        if (!stands(s, &g->uses[i], (size_t)to - GRAM_BYTES))
            continue;
        any = true;
        if (s->hit(s->ctx, s->prefilter->ids[g->uses[i].literal], (size_t)to - 1))
            return 1;
    }
    s->idle += !any;
    return 0;
}

int prefilter_scan(const struct prefilter *p, struct prefilter_scratch *s, struct slice bytes,
                   prefilter_hit *hit, void *ctx)
{
    struct tuned *tuned = tuned_for(p, bytes);
    struct scanning scanning = { p, tuned, bytes, hit, ctx, 0 };
    const hs_database_t *database = tuned ? tuned->database : p->database;
    hs_error_t e = HS_SUCCESS;

    if (bytes.n > UINT32_MAX || fit(s, database) < 0)
        return -EIO;
    if (database)
        e = hs_scan(database, bytes.p, (unsigned)bytes.n, 0, s->scratch, tuned ? on_gram : on_text,
                    &scanning);
    if (bytes.n >= SAMPLE_MIN && scanning.idle > bytes.n / IDLE_BYTES)
        atomic_compare_exchange_strong(&p->tuning->now, &tuned, NULL);
    if (e != HS_SUCCESS)
        return e == HS_SCAN_TERMINATED ? 0 : -EIO;
    rares_find(&p->rares, bytes, hit, ctx);
    return 0;
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
