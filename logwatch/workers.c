/* Slots, threads, and the one lock between them. How many threads: workers-count.c. */
#include "logwatch/workers.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>

#include "base/log.h"

/* Regular expressions have stacks of their own; what is left needs little. */
#define STACK_BYTES ((size_t)512 << 10)
#define ARENA_CHUNK ((size_t)512 << 10)
#define ARENA_MAX ((size_t)256 << 20)
/* A slot that held more than this gives it back: each could hold the largest block there is. */
#define ARENA_KEPT ((size_t)8 << 20)

struct worker {
    struct workers *pool;
    struct reader *reader;
    pthread_t thread;
};

struct workers {
    const struct engine *engine;
    struct geo *geo;
    struct reader *reader; /* the owner's */
    struct work *slots, *free;
    size_t nslots, nfree;
    struct worker threads[WORKERS_MAX];
    unsigned nthreads, wanted;
    bool refused; /* the system gave no thread: not tried again */
    int fd;

    pthread_mutex_t lock; /* guards what follows, and work->done of blocks that were given */
    pthread_cond_t more, done;
    struct work *jobs, *last_job;
    const struct work *awaited;
    bool stopping;
};

/* ---- one block ---- */

static void read_with(struct reader *reader, struct rules_memory *memory, struct work *work)
{
    reader_remember(reader, memory);
    work->outcome = reader_run(reader, work->source, &work->block, &work->result, &work->err);
    reader_remember(reader, NULL);
}

static struct work *next_job(struct workers *w)
{
    struct work *work;

    while (!w->jobs && !w->stopping)
        pthread_cond_wait(&w->more, &w->lock);
    work = w->jobs;
    if (work)
        w->jobs = work->next_job;
    return work;
}

static void finish(struct workers *w, struct work *work)
{
    const uint64_t one = 1;
    ssize_t n;

    work->done = true;
    if (w->awaited == work)
        pthread_cond_signal(&w->done);
    n = write(w->fd, &one, sizeof one);
    (void)n; /* full: it is readable, and that is all it has to be */
}

static void *work_on(void *arg)
{
    struct worker *self = arg;
    struct workers *w = self->pool;
    struct work *work;

    (void)pthread_setname_np(pthread_self(), "tw-worker");
    pthread_mutex_lock(&w->lock);
    while ((work = next_job(w))) {
        pthread_mutex_unlock(&w->lock);
        rules_memory_forget(work->seen);
        read_with(self->reader, work->seen, work);
        pthread_mutex_lock(&w->lock);
        finish(w, work);
    }
    pthread_mutex_unlock(&w->lock);
    formats_thread_end();
    return NULL;
}

/* ---- threads ---- */

static int start_one(struct workers *w, struct worker *t, const pthread_attr_t *attr)
{
    int r;

    t->pool = w;
    t->reader = reader_new(w->engine, w->geo);
    if (!t->reader)
        return -ENOMEM;
    r = pthread_create(&t->thread, attr, work_on, t);
    if (r)
        reader_free(TAKE(t->reader));
    return -r;
}

/* Signals are the owner's. */
static void start(struct workers *w)
{
    pthread_attr_t attr;
    sigset_t all, before;
    int r = -pthread_attr_init(&attr);

    if (r == 0) {
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        (void)pthread_attr_setstacksize(&attr, STACK_BYTES);
        while (r == 0 && w->nthreads < w->wanted) {
            r = start_one(w, &w->threads[w->nthreads], &attr);
            w->nthreads += r == 0;
        }
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        pthread_attr_destroy(&attr);
    }
    if (r == 0)
        return;
    w->refused = true;
    log_warning("%u of %u worker threads: %s", w->nthreads, w->wanted, err_name(r));
}

static void stop(struct workers *w)
{
    pthread_mutex_lock(&w->lock);
    w->stopping = true;
    pthread_cond_broadcast(&w->more);
    pthread_mutex_unlock(&w->lock);
    for (unsigned i = 0; i < w->nthreads; i++) {
        pthread_join(w->threads[i].thread, NULL);
        reader_free(w->threads[i].reader);
    }
    w->nthreads = 0;
    w->stopping = false;
}

bool workers_awake(const struct workers *w)
{
    return w->nthreads > 0;
}

void workers_rest(struct workers *w)
{
    stop(w);
    for (struct work *work = w->free; work; work = work->next) {
        arena_free(work->block.arena);
        work->block.arena = NULL;
    }
    (void)malloc_trim(0); /* glibc keeps what threads and large blocks had */
}

/* ---- life ---- */

static int open_lock(struct workers *w, struct err *err)
{
    int r = pthread_mutex_init(&w->lock, NULL);

    if (r == 0)
        r = pthread_cond_init(&w->more, NULL);
    if (r == 0)
        r = pthread_cond_init(&w->done, NULL);
    return r ? err_set(err, -r, "workers: %s", err_name(r)) : 0;
}

int workers_new(const struct engine *e, struct geo *geo, unsigned nthreads, size_t nslots,
                struct workers **ret_workers, struct err *err)
{
    AUTO(workers) w = calloc(1, sizeof *w);

    if (!w)
        return err_nomem(err);
    w->fd = -1;
    if (open_lock(w, err) < 0) {
        free(TAKE(w));
        return err_code(err);
    }
    w->engine = e;
    w->geo = geo;
    w->wanted = nthreads < WORKERS_MAX ? nthreads : WORKERS_MAX;
    w->nslots = nslots ? nslots : 1;
    w->reader = reader_new(e, geo);
    w->slots = calloc(w->nslots, sizeof *w->slots);
    if (!w->reader || !w->slots)
        return err_nomem(err);
    for (size_t i = w->nslots; i-- > 0;) {
        w->slots[i].seen = rules_memory_new(e->rules);
        if (!w->slots[i].seen)
            return err_nomem(err);
        w->slots[i].next = w->free;
        w->free = &w->slots[i];
    }
    w->nfree = w->nslots;
    if (w->wanted && (w->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) < 0)
        return err_set(err, -errno, "eventfd: %s", err_name(errno));
    *ret_workers = TAKE(w);
    return 0;
}

void workers_free(struct workers *w)
{
    if (!w)
        return;
    stop(w);
    for (size_t i = 0; w->slots && i < w->nslots; i++) {
        arena_free(w->slots[i].block.arena);
        rules_memory_free(w->slots[i].seen);
    }
    free(w->slots);
    reader_free(w->reader);
    if (w->fd >= 0)
        close(w->fd);
    pthread_cond_destroy(&w->done);
    pthread_cond_destroy(&w->more);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

struct reader *workers_reader(struct workers *w)
{
    return w->reader;
}

int workers_fd(const struct workers *w)
{
    return w->fd;
}

void workers_heard(struct workers *w)
{
    uint64_t n;

    if (w->fd >= 0 && read(w->fd, &n, sizeof n) < 0)
        return; /* nothing was said: that is an answer, too */
}

/* ---- slots ---- */

size_t workers_free_slots(const struct workers *w)
{
    return w->nfree;
}

/* The one that was given back last: a system that needs one slot uses the memory of one. */
struct work *workers_slot(struct workers *w)
{
    struct work *work = w->free;
    struct arena *a;

    if (!work)
        return NULL;
    if (!work->block.arena)
        work->block.arena = arena_new(ARENA_CHUNK, ARENA_MAX);
    a = work->block.arena;
    if (!a)
        return NULL;
    w->free = work->next;
    w->nfree--;
    arena_reset(a);
    work->block = (struct block){ .arena = a };
    work->err = (struct err)ERR_NONE;
    work->next = work->next_job = NULL;
    work->done = false;
    return work;
}

void workers_release(struct workers *w, struct work *work)
{
    if (arena_used(work->block.arena) > ARENA_KEPT) {
        arena_free(work->block.arena);
        work->block.arena = NULL;
    }
    work->next = w->free;
    w->free = work;
    w->nfree++;
}

/* ---- queues ---- */

static void hand_over(struct workers *w, struct work *work)
{
    pthread_mutex_lock(&w->lock);
    if (w->jobs)
        w->last_job->next_job = work;
    else
        w->jobs = work;
    w->last_job = work;
    pthread_cond_signal(&w->more);
    pthread_mutex_unlock(&w->lock);
}

void workers_give(struct workers *w, struct work_queue *q, struct work *work, bool here)
{
    if (q->last)
        q->last->next = work;
    else
        q->first = work;
    q->last = work;
    q->n++;
    here = here || parser_source_ordered(&work->source->parser);
    if (!here && w->nthreads < w->wanted && !w->refused)
        start(w);
    work->here = here || w->nthreads == 0;
    if (!work->here)
        hand_over(w, work);
}

bool workers_ready(struct workers *w, const struct work_queue *q)
{
    bool ready;

    if (!q->first || q->first->here)
        return q->first != NULL;
    pthread_mutex_lock(&w->lock);
    ready = q->first->done;
    pthread_mutex_unlock(&w->lock);
    return ready;
}

static void await(struct workers *w, const struct work *work)
{
    pthread_mutex_lock(&w->lock);
    w->awaited = work;
    while (!work->done)
        pthread_cond_wait(&w->done, &w->lock);
    w->awaited = NULL;
    pthread_mutex_unlock(&w->lock);
}

int workers_take(struct workers *w, struct work_queue *q, struct work **ret_work, struct err *err)
{
    struct work *work = q->first;

    if (!work->here)
        await(w, work);
    if (work->here || (work->outcome == 0 && !rules_memory_pass(work->memory, work->seen)))
        read_with(w->reader, work->memory, work);
    q->first = work->next;
    if (!q->first)
        q->last = NULL;
    q->n--;
    work->next = NULL;
    *ret_work = work;
    if (work->outcome < 0 && err)
        *err = work->err;
    return work->outcome;
}
