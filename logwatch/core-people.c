#include "logwatch/core-people.h"

#include <errno.h>

#include "base/table.h"

/* An incident without a window is over, without a word, when nothing came for this long. */
#define QUIET_END_US (UINT64_C(24) * 3600 * USEC_PER_SEC)
/* One with a window: when its window is empty, but not sooner, so that it does not flap. */
#define RESOLVE_MIN_US (UINT64_C(300) * USEC_PER_SEC)

struct live_silence {
    struct silence s;
    struct matcher when;
    struct arena *arena;
};

struct core_people {
    struct store *store;
    struct batch *batch;
    struct table *seen; /* key to struct incident, of this batch */
    struct table *touched;
    struct live_silence *silences;
    size_t nsilences;
    uint64_t newest; /* number of the newest silence */
};

/* ---- silences ---- */

static bool keep_silence(struct live_silence *l, const struct silence *s)
{
    l->s = *s;
    l->s.when = arena_slice(l->arena, s->when);
    l->s.by = arena_slice(l->arena, s->by);
    l->s.comment = arena_slice(l->arena, s->comment);
    return l->s.when.p && l->s.by.p && l->s.comment.p;
}

static int load_silence(struct core_people *p, const struct silence *s, struct err *err)
{
    struct live_silence *l = &p->silences[p->nsilences];
    int r;

    if (p->nsilences == SILENCES_MAX)
        return err_set(err, -ENOSPC, "more than %d silences are in force", SILENCES_MAX);
    l->arena = arena_new(1024, 1 << 20);
    if (!l->arena || !keep_silence(l, s)) {
        arena_free(l->arena);
        return err_nomem(err);
    }
    r = matcher_json(l->s.when, l->arena, &l->when, err);
    if (r < 0)
        arena_free(l->arena);
    else
        p->nsilences++;
    return r;
}

struct loading {
    struct core_people *p;
    struct err *err;
};

static int on_silence(void *ctx, const struct silence *s)
{
    struct loading *l = ctx;

    if (s->id > l->p->newest)
        l->p->newest = s->id;
    return 0;
}

static int on_live_silence(void *ctx, const struct silence *s)
{
    struct loading *l = ctx;
    int r = load_silence(l->p, s, l->err);

    return r == -EINVAL ? 0 : r; /* written by another version: it holds nothing back */
}

static void drop_silence(struct core_people *p, size_t i)
{
    arena_free(p->silences[i].arena);
    p->silences[i] = p->silences[--p->nsilences];
}

const struct silence *core_people_silence(const struct core_people *p, const struct alert *alert,
                                          uint64_t now_us, struct arena *a)
{
    for (size_t i = 0; i < p->nsilences; i++) {
        const struct live_silence *l = &p->silences[i];

        if (l->s.from_us <= now_us && now_us < l->s.until_us && matcher_fits(&l->when, alert, a))
            return &l->s;
    }
    return NULL;
}

static int put_silence(struct core_people *p, const struct silence *s)
{
    struct silence *kept = batch_silence(p->batch, s->id);
    struct arena *a = p->batch->arena;

    if (!kept)
        return -ENOMEM;
    *kept = *s;
    kept->when = arena_slice(a, s->when);
    kept->by = arena_slice(a, s->by);
    kept->comment = arena_slice(a, s->comment);
    return kept->when.p && kept->by.p && kept->comment.p ? 0 : -ENOMEM;
}

int core_people_silence_add(struct core_people *p, const struct silence *s, uint64_t *ret_id,
                            struct err *err)
{
    struct silence new = *s;
    int r;

    for (size_t i = p->nsilences; i > 0; i--)
        if (p->silences[i - 1].s.until_us <= s->from_us)
            drop_silence(p, i - 1);
    new.id = p->newest + 1;
    r = load_silence(p, &new, err);
    if (r < 0)
        return r;
    p->newest = *ret_id = new.id;
    return put_silence(p, &new) < 0 ? err_nomem(err) : 0;
}

int core_people_silence_end(struct core_people *p, uint64_t id, uint64_t now_us, struct err *err)
{
    for (size_t i = 0; i < p->nsilences; i++) {
        struct silence *s = &p->silences[i].s;

        if (s->id != id || s->until_us <= now_us)
            continue;
        s->until_us = now_us;
        return put_silence(p, s) < 0 ? err_nomem(err) : 0;
    }
    return err_set(err, -ENOENT, "no silence in force has the number %llu", (unsigned long long)id);
}

/* ---- incidents ---- */

static struct incident *copy(struct arena *a, const struct incident *i)
{
    struct incident *c = arena_alloc(a, sizeof *c);
    struct slice *const texts[] = { &c->key,   &c->rule,       &c->title, &c->channel,
                                    &c->group, &c->last_alert, &c->by,    &c->comment };

    if (!c)
        return NULL;
    *c = *i;
    for (size_t k = 0; k < ARRAY_SIZE(texts); k++) {
        *texts[k] = arena_slice(a, *texts[k]);
        if (!texts[k]->p)
            return NULL;
    }
    return c;
}

static int see(struct core_people *p, const struct incident *i, struct incident **ret)
{
    *ret = copy(p->batch->arena, i);
    return *ret && table_put(p->seen, (*ret)->key, *ret) == 0 ? 0 : -ENOMEM;
}

struct finding {
    struct core_people *p;
    struct incident *found;
};

static int on_found(void *ctx, const struct incident *i)
{
    struct finding *f = ctx;

    return see(f->p, i, &f->found);
}

int core_people_find(struct core_people *p, struct slice key, struct incident **ret_incident,
                     struct err *err)
{
    struct finding f = { p, table_get(p->seen, key) };
    int r = f.found ? 0 : store_incident(p->store, key, on_found, &f, err);

    *ret_incident = f.found;
    return r == -ENOMEM ? err_nomem(err) : r;
}

int core_people_touch(struct core_people *p, struct incident *i)
{
    i->changed_us = p->batch->now_us;
    if (table_get(p->touched, i->key))
        return 0;
    if (table_put(p->touched, i->key, i) < 0)
        return -ENOMEM;
    return batch_incident(p->batch, i);
}

static int open_incident(struct core_people *p, const struct alert *alert, struct slice key,
                         struct incident **ret)
{
    AUTO_BUF group = BUF_INIT;
    struct incident i = { .key = key,
                          .rule = alert->rule_id,
                          .title = alert->rule_title,
                          .channel = alert->channel,
                          .last_alert = SLICE(""),
                          .by = SLICE(""),
                          .comment = SLICE("") };

    incident_group(alert, &group);
    i.group = group.n ? buf_view(&group) : SLICE("");
    return group.failed ? -ENOMEM : see(p, &i, ret);
}

/* It begins: what people said about an earlier one is history. */
static void begin_incident(struct incident *i, const struct alert *alert, uint64_t now_us)
{
    i->state = INCIDENT_OPEN;
    i->alerts = 0;
    i->level = alert->level;
    i->first_us = alert->first_us ? alert->first_us : alert->time_us;
    i->last_us = 0;
    i->opened_us = now_us;
    i->by = i->comment = SLICE("");
}

int core_people_alert(struct core_people *p, const struct alert *alert, struct slice id,
                      struct incident **ret_incident, struct err *err)
{
    uint64_t now = p->batch->now_us, wait = alert->window_us;
    struct incident *i = NULL;
    AUTO_BUF key = BUF_INIT;
    int r;

    if (!incident_key(alert, &key))
        return err_nomem(err);
    r = core_people_find(p, buf_view(&key), &i, err);
    if (r == 0 && !i && open_incident(p, alert, buf_view(&key), &i) < 0)
        r = err_nomem(err);
    if (r < 0)
        return r;
    if (i->alerts == 0 || i->state == INCIDENT_CLOSED || i->state == INCIDENT_RESOLVED)
        begin_incident(i, alert, now);
    i->alerts++;
    i->last_alert = id;
    if (alert->level > i->level)
        i->level = alert->level;
    if (alert->time_us > i->last_us)
        i->last_us = alert->time_us;
    i->resolve_us = now + (wait == 0               ? QUIET_END_US
                           : wait < RESOLVE_MIN_US ? RESOLVE_MIN_US
                                                   : wait);
    *ret_incident = i;
    return core_people_touch(p, i) < 0 ? err_nomem(err) : 0;
}

struct due {
    struct core_people *p;
    uint64_t now_us;
    int (*fn)(void *ctx, struct incident *i);
    void *ctx;
};

/* Those that this batch has changed already are judged by what they are now. */
static int on_due(void *ctx, const struct incident *row)
{
    struct due *d = ctx;
    struct incident *i = table_get(d->p->seen, row->key);

    if (!i && see(d->p, row, &i) < 0)
        return -ENOMEM;
    if (i->resolve_us == 0 || i->resolve_us > d->now_us)
        return 0;
    return d->fn(d->ctx, i);
}

int core_people_due(struct core_people *p, uint64_t now_us,
                    int (*fn)(void *ctx, struct incident *i), void *ctx, struct err *err)
{
    struct due d = { p, now_us, fn, ctx };
    int r = store_incidents_due(p->store, now_us, on_due, &d, err);

    return r == -ENOMEM ? err_nomem(err) : r;
}

uint64_t core_people_due_us(const struct core_people *p)
{
    return store_incident_due_us(p->store);
}

/* ---- life ---- */

int core_people_new(struct store *store, uint64_t now_us, struct core_people **ret_people,
                    struct err *err)
{
    AUTO(core_people) p = calloc(1, sizeof *p);
    struct loading l = { p, err };
    int r;

    if (!p)
        return err_nomem(err);
    p->store = store;
    p->silences = calloc(SILENCES_MAX, sizeof *p->silences);
    p->seen = table_new(0);
    p->touched = table_new(0);
    if (!p->silences || !p->seen || !p->touched)
        return err_nomem(err);
    r = store_silences_each(store, 0, on_silence, &l, err);
    if (r == 0)
        r = store_silences_each(store, now_us, on_live_silence, &l, err);
    if (r < 0)
        return r;
    *ret_people = TAKE(p);
    return 0;
}

void core_people_free(struct core_people *p)
{
    if (!p)
        return;
    while (p->nsilences)
        drop_silence(p, p->nsilences - 1);
    free(p->silences);
    table_free(p->seen);
    table_free(p->touched);
    free(p);
}

void core_people_begin(struct core_people *p, struct batch *b)
{
    p->batch = b;
    table_clear(p->seen);
    table_clear(p->touched);
}
