#include "logwatch/commands/testing.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#define THREADS_MAX 16

/* What the tests of one rule came to; written by the thread that took the rule. */
struct slot {
    struct test_outcome *outcomes;
    size_t n;
};

struct worker {
    struct testing *testing;
    struct parser_scratch *scratch;
    struct engine_lines lines;
    struct rules_tester *tester;
    struct arena *arena; /* of the outcomes' texts */
    pthread_t thread;
    size_t rule; /* at work */
    bool started;
    int result;
};

struct testing {
    const struct engine *engine;
    const bool *wanted;
    struct slot *slots; /* by rule */
    struct worker workers[THREADS_MAX];
    size_t nworkers;
    atomic_size_t next, done; /* rule to be taken; tests that ran */
    size_t total;
    struct test_outcome **list;
    size_t n, failed;
};

static bool has_tests(const struct testing *t, size_t i)
{
    return (!t->wanted || t->wanted[i]) && rules_info(t->engine->rules, i)->ntests > 0;
}

/* Processors that this process may use: `taskset` and a unit's limits count. */
static size_t processors(void)
{
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof set, &set) < 0)
        return 1;
    return CPU_COUNT(&set) > 0 ? (size_t)CPU_COUNT(&set) : 1;
}

static bool worker_init(struct worker *w, struct testing *t)
{
    struct rules_test_parser parser = { engine_line, &w->lines };

    w->testing = t;
    w->scratch = parser_scratch_new(t->engine->formats);
    w->lines = (struct engine_lines){ t->engine, w->scratch };
    w->tester = rules_tester_new(t->engine->rules, &parser);
    w->arena = arena_new(4096, 256 << 20);
    return w->scratch && w->tester && w->arena;
}

struct testing *testing_new(const struct engine *e, const bool *wanted)
{
    AUTO(testing) t = calloc(1, sizeof *t);
    size_t rules = rules_count(e->rules), with = 0;

    if (!t)
        return NULL;
    t->engine = e;
    t->wanted = wanted;
    t->slots = calloc(rules + 1, sizeof *t->slots);
    for (size_t i = 0; i < rules; i++)
        if (has_tests(t, i)) {
            with++;
            t->total += rules_info(e->rules, i)->ntests;
        }
    t->list = calloc(t->total + 1, sizeof *t->list);
    if (!t->slots || !t->list)
        return NULL;
    t->nworkers = processors();
    t->nworkers = t->nworkers > THREADS_MAX ? THREADS_MAX : t->nworkers;
    if (t->nworkers > with)
        t->nworkers = with ? with : 1;
    for (size_t i = 0; i < t->nworkers; i++)
        if (!worker_init(&t->workers[i], t))
            return NULL;
    return TAKE(t);
}

void testing_free(struct testing *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->nworkers; i++) {
        rules_tester_free(t->workers[i].tester);
        parser_scratch_free(t->workers[i].scratch);
        arena_free(t->workers[i].arena);
    }
    free(t->slots);
    free(t->list);
    free(t);
}

static void told(void *ctx, const struct rules_test_result *result)
{
    struct worker *w = ctx;
    struct slot *slot = &w->testing->slots[w->rule];
    struct test_outcome *o = slot->outcomes ? &slot->outcomes[slot->n] : NULL;

    if (!o) {
        w->result = -ENOMEM;
        return;
    }
    *o = (struct test_outcome){ .rule = w->rule,
                                .name = result->name,
                                .expected = result->expected,
                                .at = result->at,
                                .got = result->got,
                                .failed = result->failed };
    if (result->failed)
        o->fault = arena_slice(w->arena, slice_str(result->fault));
    slot->n++;
    atomic_fetch_add(&w->testing->done, 1);
}

static void take_rule(struct worker *w, size_t rule)
{
    struct testing *t = w->testing;
    size_t n = rules_info(t->engine->rules, rule)->ntests;

    w->rule = rule;
    t->slots[rule].outcomes = arena_array(w->arena, n, sizeof *t->slots[rule].outcomes);
    if (rules_tester_run(w->tester, rule, told, w) < 0)
        w->result = -ENOMEM;
}

static void work(struct worker *w, struct progress *p)
{
    struct testing *t = w->testing;
    size_t rules = rules_count(t->engine->rules), i;

    while (w->result == 0 && (i = atomic_fetch_add(&t->next, 1)) < rules) {
        if (has_tests(t, i))
            take_rule(w, i);
        if (p)
            progress_step(p, atomic_load(&t->done), atomic_load(&t->done));
    }
}

static void *work_thread(void *ctx)
{
    work(ctx, NULL);
    return NULL;
}

/* Slots to one list in the order of the rules. */
static void collect(struct testing *t)
{
    for (size_t i = 0; i < rules_count(t->engine->rules); i++)
        for (size_t j = 0; j < t->slots[i].n; j++) {
            t->list[t->n++] = &t->slots[i].outcomes[j];
            t->failed += t->slots[i].outcomes[j].failed;
        }
}

int testing_run(struct testing *t, int (*beside)(void *ctx), void *ctx)
{
    struct progress p;
    int r = 0;

    progress_start(&p, "tests", t->total);
    p.unit = "tests";
    progress_step(&p, 0, 0); /* `beside` may take a while */
    /* A thread that cannot be started is one fewer: its rules go to the others. */
    for (size_t i = 1; i < t->nworkers; i++)
        t->workers[i].started =
            pthread_create(&t->workers[i].thread, NULL, work_thread, &t->workers[i]) == 0;
    if (beside)
        r = beside(ctx);
    work(&t->workers[0], &p);
    for (size_t i = 1; i < t->nworkers; i++)
        if (t->workers[i].started)
            pthread_join(t->workers[i].thread, NULL);
    progress_end(&p);
    for (size_t i = 0; i < t->nworkers; i++)
        r = r ? r : t->workers[i].result;
    collect(t);
    return r;
}

size_t testing_count(const struct testing *t)
{
    return t->n;
}

size_t testing_failed(const struct testing *t)
{
    return t->failed;
}

const struct test_outcome *testing_at(const struct testing *t, size_t i)
{
    return t->list[i];
}

void testing_findings(const struct testing *t, struct diag *d)
{
    for (size_t i = 0; i < t->n; i++) {
        const struct test_outcome *o = t->list[i];
        const struct rule_info *info = rules_info(t->engine->rules, o->rule);

        if (o->failed)
            diag_error(d, o->at, "test '%.*s' of rule '%.*s': %.*s", SLICE_FMT(o->name),
                       SLICE_FMT(info->title), SLICE_FMT(o->fault));
    }
}
