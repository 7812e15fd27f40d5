#include "rules/prefilter.h"

#include <errno.h>
#include <pthread.h>
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
#define SAMPLE_MIN ((size_t)16 << 10)
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

/* What the threads make on their way: whoever needs it first, while the others wait. */
struct tuning {
    pthread_mutex_t lock;
    struct tuned *_Atomic now; /* NULL: the texts themselves are scanned for */
    unsigned left; /* choices that may still be made */
    struct tuned *all; /* kept to the end: others may be scanning by it */
    hs_database_t *texts; /* for the texts; NULL: not needed yet */
    bool broken; /* they cannot be compiled */
};

struct prefilter {
    struct slice *texts; /* the literals that are not rare */
    uint32_t *ids; /* of each, its place in the list of literals */
    size_t ntexts;
    struct rares rares;
    struct tuning *tuning;
    struct arena *arena;
};

struct prefilter_scratch {
    hs_scratch_t *scratch;
    const hs_database_t *fits;
};

/* ---- databases ---- */

/* NULL: it cannot be done. */
static hs_database_t *compile(const struct slice *texts, size_t n)
{
    hs_database_t *made = NULL;
    const char **begins = calloc(n, sizeof *begins);
    size_t *lengths = calloc(n, sizeof *lengths);
    unsigned *flags = calloc(n, sizeof *flags), *ids = calloc(n, sizeof *ids);
    hs_compile_error_t *why = NULL;

    for (size_t i = 0; begins && lengths && flags && ids && i < n; i++) {
        begins[i] = texts[i].p;
        lengths[i] = texts[i].n;
        flags[i] = HS_FLAG_CASELESS;
        ids[i] = (unsigned)i;
    }
    if (begins && lengths && flags && ids)
        (void)hs_compile_lit_multi(begins, flags, ids, lengths, (unsigned)n, HS_MODE_BLOCK, NULL,
                                   &made, &why);
    hs_free_compile_error(why);
    free(begins);
    free(lengths);
    free(flags);
    free(ids);
    return made;
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

    if (!p)
        return err_nomem(err);
    p->arena = arena_new(1024, 0);
    p->tuning = calloc(1, sizeof *p->tuning);
    if (!p->tuning || pthread_mutex_init(&p->tuning->lock, NULL) != 0) {
        free(TAKE(p->tuning));
        return err_nomem(err);
    }
    if (!p->arena || !keep_texts(p, literals, n) || !rares_keep(&p->rares, literals, n, p->arena))
        return err_nomem(err);
    p->tuning->left = p->ntexts > FEW ? TUNINGS_MAX : 0;
    if (hs_valid_platform() != HS_SUCCESS)
        return err_set(err, -ENOSYS, "this processor is too old for Vectorscan");
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

static void tuning_free(struct tuning *t)
{
    if (!t)
        return;
    while (t->all) {
        struct tuned *one = t->all;

        t->all = one->former;
        tuned_free(one);
    }
    hs_free_database(t->texts);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

void prefilter_free(struct prefilter *p)
{
    if (!p)
        return;
    tuning_free(p->tuning);
    arena_free(p->arena);
    free(p);
}

int prefilter_scratch_for(struct prefilter_scratch **scratch)
{
    if (!*scratch)
        *scratch = calloc(1, sizeof **scratch);
    if (!*scratch)
        return -ENOMEM;
    (*scratch)->fits = NULL; /* another one may be at the place of one that is gone */
    return 0;
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

    t->arena = arena_new(1024, 0);
    if (!t->arena ||
        grams_choose(p->texts, p->ntexts, slice_take(sample, SAMPLE_MAX), t->arena, &t->grams) < 0)
        return -ENOMEM;
    for (size_t i = 0; i < t->grams.n; i++)
        texts[i] = slice_of(t->grams.texts[i], GRAM_BYTES);
    t->database = t->grams.n ? compile(texts, t->grams.n) : NULL;
    return t->database ? 0 : -ENOENT;
}

/* What fails is not tried again. */
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

/* Grams that suit the log, or (NULL) a database of the texts. */
static struct tuned *prepare(const struct prefilter *p, struct slice bytes)
{
    struct tuning *tuning = p->tuning;
    struct tuned *now = atomic_load(&tuning->now);

    if (now || p->ntexts == 0)
        return now;
    pthread_mutex_lock(&tuning->lock);
    if (!atomic_load(&tuning->now) && tuning->left && bytes.n >= SAMPLE_MIN)
        tune(p, bytes);
    now = atomic_load(&tuning->now);
    if (!now && !tuning->texts && !tuning->broken) {
        tuning->texts = compile(p->texts, p->ntexts);
        tuning->broken = !tuning->texts;
    }
    pthread_mutex_unlock(&tuning->lock);
    return now;
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

static int scan_texts(const struct prefilter *p, struct prefilter_scratch *s,
                      struct scanning *scanning)
{
    struct tuned *tuned = prepare(p, scanning->bytes);
    const hs_database_t *database = tuned ? tuned->database : p->tuning->texts;
    struct slice bytes = scanning->bytes;
    hs_error_t e;

    if (!database)
        return p->ntexts ? -EIO : 0;
    if (s->fits != database && hs_alloc_scratch(database, &s->scratch) != HS_SUCCESS)
        return -EIO;
    s->fits = database;
    scanning->tuned = tuned;
    e = hs_scan(database, bytes.p, (unsigned)bytes.n, 0, s->scratch, tuned ? on_gram : on_text,
                scanning);
    if (bytes.n >= SAMPLE_MIN && scanning->idle > bytes.n / IDLE_BYTES)
        atomic_compare_exchange_strong(&p->tuning->now, &tuned, NULL);
    return e == HS_SUCCESS ? 0 : e == HS_SCAN_TERMINATED ? 1 : -EIO;
}

int prefilter_scan(const struct prefilter *p, struct prefilter_scratch *s, struct slice bytes,
                   prefilter_hit *hit, void *ctx)
{
    struct scanning scanning = { .prefilter = p, .bytes = bytes, .hit = hit, .ctx = ctx };
    int r = bytes.n > UINT32_MAX ? -EIO : scan_texts(p, s, &scanning);

    if (r == 0)
        rares_find(&p->rares, bytes, hit, ctx);
    return r < 0 ? r : 0;
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

int prefilter_scratch_for(struct prefilter_scratch **scratch UNUSED)
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
