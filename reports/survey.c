/* The pass: which entries are of the period, and who counts them. */
#include "reports/survey.h"

#include <errno.h>

#include "base/clock.h"

/* ---- members ---- */

static const struct line_member *find(const struct ev_fields *f, const char *name)
{
    for (size_t i = 0; i < f->n; i++)
        if (slice_is(f->m[i].key, name))
            return &f->m[i];
    return NULL;
}

/* ,"pii":{"name":["salt","value"],...}} */
void fields_open(struct ev_fields *f)
{
    struct line_member pii, m, salt, value;
    struct slice text = f->personal, rest;

    if (f->open)
        return;
    f->open = true;
    if (!line_begins(&text, &pii.key) || !slice_is(pii.key, "pii") || !text.n || text.p[0] != '{')
        return;
    rest = line_inside(text);
    while (f->npii < ARRAY_SIZE(f->pii) && line_begins(&rest, &m.key)) {
        rest = line_inside(rest); /* of the pair */
        if (!line_item(&rest, &salt) || !line_item(&rest, &value))
            return;
        f->pii[f->npii].name = m.key;
        f->pii[f->npii++].value = value.raw;
        rest = line_inside(rest); /* the pair's end */
    }
}

void fields_read(struct ev_fields *f, const struct line_head *h)
{
    size_t tab = slice_find_byte(h->rest, '\t');
    struct slice leaf = slice_take(h->rest, tab == SIZE_MAX ? h->rest.n : tab), rest;
    const struct line_member *sd;
    struct line_member m;

    f->n = f->npii = 0;
    f->digests = 0;
    f->open = false;
    f->personal = tab == SIZE_MAX ? SLICE("") : slice_skip(h->rest, tab + 1);
    while (f->n < ARRAY_SIZE(f->m) && line_next(&leaf, &f->m[f->n]))
        f->n++;
    sd = find(f, "sd");
    f->sd = sd ? sd->raw : SLICE("");
    rest = line_inside(f->sd);
    while (line_next(&rest, &m))
        f->digests++;
}

struct slice fields_get(const struct ev_fields *f, const char *name)
{
    const struct line_member *m = find(f, name);

    return m && m->kind != LINE_NESTED ? m->raw : SLICE("");
}

bool fields_personal(struct ev_fields *f, const char *name, struct slice *ret, bool *ret_erased)
{
    struct slice rest = line_inside(f->sd);
    struct line_member m;

    *ret = SLICE("");
    *ret_erased = false;
    fields_open(f);
    for (size_t i = 0; i < f->npii; i++)
        if (slice_is(f->pii[i].name, name)) {
            *ret = f->pii[i].value;
            return true;
        }
    while (line_next(&rest, &m))
        *ret_erased = *ret_erased || slice_is(m.key, name);
    return false;
}

static void take_field(struct ev_document *d, const struct line_member *m)
{
    static const char *const names[EV_FIELDS] = {
        [EV_SOURCE] = "source.ip",        [EV_COUNTRY] = "source.geo.country_iso_code",
        [EV_USER] = "user.name",          [EV_ACTION] = "event.action",
        [EV_TARGET] = "user.target.name", [EV_EMAIL] = "user.email",
        [EV_GROUP] = "group.name",        [EV_ROLES] = "user.roles",
        [EV_MESSAGE] = "message",
    };
    struct line_member first;
    struct slice inside;

    for (size_t i = 0; i < EV_FIELDS; i++) {
        if (!slice_is(m->key, names[i]))
            continue;
        inside = line_inside(m->raw);
        if (m->kind != LINE_NESTED)
            d->field[i] = m->raw;
        else if (line_item(&inside, &first))
            d->field[i] = first.raw;
    }
}

void document_read(struct ev_document *d, struct slice text)
{
    struct slice rest = line_inside(text), key;
    struct line_member m;

    *d = (struct ev_document){ .there = text.n > 0 };
    for (size_t i = 0; i < EV_FIELDS; i++)
        d->field[i] = SLICE("");
    while (line_begins(&rest, &key)) {
        if (slice_is(key, "fields")) {
            rest = line_inside(rest);
            while (line_next(&rest, &m))
                take_field(d, &m);
            return;
        }
        if (!line_value(&rest, &m))
            return;
    }
}

/* ---- what grows ---- */

struct slice ev_keep(struct survey *e, struct slice s)
{
    struct slice kept = arena_slice(e->arena, s);

    e->failed = e->failed || !kept.p;
    return kept.p ? kept : SLICE("");
}

void ev_sample(struct ev_samples *s, uint64_t index)
{
    if (s->n < SURVEY_SAMPLES)
        s->index[s->n++] = index;
}

/* A zeroed value under a new key; NULL: the table is full, or memory is out. */
static void *put(struct survey *e, struct table *t, struct slice key, size_t size)
{
    void *v = arena_alloc(e->arena, size);
    int r = v ? table_put(t, key, v) : -ENOMEM;

    e->failed = e->failed || r == -ENOMEM;
    return r == 0 ? v : NULL;
}

struct ev_who *ev_who(struct survey *e, struct table *t, struct slice key, uint64_t *other)
{
    struct ev_who *w = table_get(t, key);
    bool full = table_count(t) >= SURVEY_KEYS_MAX;

    if (!w && !full && (w = put(e, t, key, sizeof *w)))
        w->key = ev_keep(e, key);
    *other += !w;
    return w;
}

struct ev_channel *ev_channel(struct survey *e, struct slice name)
{
    struct ev_channel *c = table_get(e->channels, name);
    bool full = table_count(e->channels) >= SURVEY_NAMES_MAX;

    if (!c && !full && (c = put(e, e->channels, name, sizeof *c)))
        c->name = ev_keep(e, name);
    e->other_channels += !c;
    return c;
}

/* Room for one more in an array of the arena. */
static void *room(struct survey *e, void *items, size_t n, size_t *cap, size_t size)
{
    size_t wider = *cap ? *cap * 2 : 16;
    void *p = n < *cap ? items : arena_array(e->arena, wider, size);

    if (!p) {
        e->failed = true;
        return items;
    }
    if (p != items) {
        if (n)
            memcpy(p, items, n * size);
        *cap = wider;
    }
    return p;
}

struct ev_item *ev_list(struct survey *e, enum ev_list list, const struct line_head *h)
{
    struct ev_items *l = &e->lists[list];

    l->all++;
    if (l->n == SURVEY_ITEMS_MAX)
        return NULL;
    l->items = room(e, l->items, l->n, &l->cap, sizeof *l->items);
    if (e->failed)
        return NULL;
    l->items[l->n] = (struct ev_item){
        .index = h->index, .us = h->us, .type = ev_keep(e, h->type), .channel = SLICE("")
    };
    return &l->items[l->n++];
}

struct ev_trouble *ev_trouble(struct survey *e)
{
    e->all_troubles++;
    if (e->ntroubles == SURVEY_ITEMS_MAX)
        return NULL;
    e->troubles = room(e, e->troubles, e->ntroubles, &e->troubles_cap, sizeof *e->troubles);
    return e->failed ? NULL : &e->troubles[e->ntroubles++];
}

struct ev_held *ev_held(struct survey *e)
{
    e->all_held++;
    if (e->nheld == SURVEY_ITEMS_MAX)
        return NULL;
    e->held = room(e, e->held, e->nheld, &e->held_cap, sizeof *e->held);
    return e->failed ? NULL : &e->held[e->nheld++];
}

struct ev_run *ev_run(struct survey *e)
{
    e->all_runs++;
    if (e->nruns == SURVEY_ITEMS_MAX)
        return NULL;
    e->runs = room(e, e->runs, e->nruns, &e->runs_cap, sizeof *e->runs);
    return e->failed ? NULL : &e->runs[e->nruns++];
}

/* ---- periods and series ---- */

struct ev_totals *ev_slot(struct survey *e, uint64_t us)
{
    if (us >= e->from_us && us < e->to_us)
        return &e->now;
    return us >= e->before_us && us < e->from_us ? &e->before : NULL;
}

void ev_add(struct survey *e, enum ev_series s, uint64_t us, double n)
{
    size_t low = 0, high = e->nbuckets;

    if (us < e->from_us || us >= e->to_us)
        return;
    while (low + 1 < high) {
        size_t mid = (low + high) / 2;

        if (e->bounds[mid] <= us)
            low = mid;
        else
            high = mid;
    }
    e->series[s][low] += n;
}

/* Days of the zone, or hours when it is short; no more than SURVEY_BUCKETS_MAX. */
static int make_buckets(struct survey *e, const struct zone *zone, bool by_day)
{
    uint64_t span_s = (e->to_us - e->from_us) / USEC_PER_SEC + 1;
    int64_t step = span_s <= 2 * 86400 && !by_day ? 3600 : 86400;
    int64_t local = zone_local(zone, (int64_t)(e->from_us / USEC_PER_SEC));

    while (span_s / (uint64_t)step >= SURVEY_BUCKETS_MAX)
        step += 86400;
    e->bounds = arena_array(e->arena, SURVEY_BUCKETS_MAX + 2, sizeof *e->bounds);
    for (size_t i = 0; i < EV_SERIES; i++)
        e->series[i] = arena_array(e->arena, SURVEY_BUCKETS_MAX + 1, sizeof *e->series[i]);
    for (size_t i = 0; i < EV_SERIES; i++)
        if (!e->bounds || !e->series[i])
            return -ENOMEM;
    e->bounds[0] = e->from_us;
    for (local = local / step * step + step; e->nbuckets < SURVEY_BUCKETS_MAX; local += step) {
        uint64_t us = zone_to_utc(zone, local) * USEC_PER_SEC;

        if (us >= e->to_us)
            break;
        if (us > e->bounds[e->nbuckets])
            e->bounds[++e->nbuckets] = us;
    }
    e->bounds[++e->nbuckets] = e->to_us;
    return 0;
}

int survey_init(struct survey *e, struct arena *a, const struct zone *zone, bool by_day,
                struct err *err)
{
    struct table **tables[] = { &e->sources,   &e->users, &e->rules, &e->channels,
                                &e->receivers, &e->told,  &e->open };

    e->arena = a;
    if (make_buckets(e, zone, by_day) < 0)
        return err_nomem(err);
    for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
        *tables[i] = table_new(SURVEY_IDS_MAX);
        if (!*tables[i])
            return err_nomem(err);
    }
    e->sample = arena_array(a, e->samples_max + 1, sizeof *e->sample);
    e->sample_hash = arena_array(a, e->samples_max + 1, sizeof *e->sample_hash);
    return e->sample && e->sample_hash ? 0 : err_nomem(err);
}

void survey_fini(struct survey *e)
{
    table_free(e->sources);
    table_free(e->users);
    table_free(e->rules);
    table_free(e->channels);
    table_free(e->receivers);
    table_free(e->told);
    table_free(e->open);
    buf_fini(&e->text);
    buf_fini(&e->doc);
    buf_fini(&e->doc2);
}

/* ---- the pass ---- */

/* The entries with the smallest hashes are a sample that anybody can draw again. */
static void draw(struct survey *e, uint64_t index)
{
    uint8_t key[16] = { 0 };
    uint64_t hash;
    size_t i;

    if (!e->samples_max)
        return;
    memcpy(key, &e->seed, sizeof e->seed);
    hash = siphash24(key, &index, sizeof index);
    if (e->nsample == e->samples_max && hash >= e->sample_hash[e->nsample - 1])
        return;
    for (i = e->nsample; i > 0 && e->sample_hash[i - 1] > hash; i--) {
        e->sample_hash[i] = e->sample_hash[i - 1];
        e->sample[i] = e->sample[i - 1];
    }
    e->sample_hash[i] = hash;
    e->sample[i] = index;
    if (e->nsample < e->samples_max)
        e->nsample++;
}

/* Nothing for more than two heartbeats, though nobody stopped the daemon. */
static void look_for_gap(struct survey *e, const struct line_head *h)
{
    uint64_t allowed = 2 * e->heartbeat_us;

    if (e->tail_us && !e->stopped && allowed && h->us > e->tail_us + allowed &&
        h->us > e->from_us && e->tail_us < e->to_us) {
        struct ev_item *i = ev_list(e, LIST_GAP, h);

        e->gaps++;
        if (i) {
            i->us = e->tail_us;
            i->until_us = h->us;
        }
    }
    e->tail_us = h->us;
    e->stopped = slice_is(h->type, "daemon.stop") ||
                 (e->stopped && !slice_starts(h->type, SLICE("daemon.")));
}

static void count_entry(struct survey *e, const struct line_head *h, size_t bytes)
{
    struct ev_totals *t = ev_slot(e, h->us);

    if (t) {
        t->entries++;
        t->bytes += bytes;
    }
    if (t != &e->now)
        return;
    if (e->now.entries == 1) {
        e->first_index = h->index;
        e->first_us = h->us;
    }
    e->last_index = h->index;
    e->last_us = h->us;
    ev_add(e, SERIES_ENTRIES, h->us, 1);
    ev_add(e, SERIES_BYTES, h->us, (double)bytes);
    draw(e, h->index);
}

/* One value is there when anything stands behind the TAB: most entries have one. */
static void count_personal(struct survey *e, const struct line_head *h, struct ev_fields *f)
{
    uint64_t there = f->personal.n ? 1 : 0;

    if (ev_slot(e, h->us) != &e->now)
        return;
    if (f->digests > 1) {
        fields_open(f);
        there = f->npii;
    }
    e->personal += f->digests;
    e->erased += f->digests > there ? f->digests - there : 0;
}

void survey_take(struct survey *e, uint64_t index, struct slice line)
{
    struct ev_fields f;
    struct line_head h;

    if (!line_head(line, &h) || h.index != index) {
        e->lines_bad++;
        return;
    }
    look_for_gap(e, &h);
    count_entry(e, &h, line.n + 1);
    fields_read(&f, &h);
    count_personal(e, &h, &f);
    if (e->subject.value.n && f.personal.n && ev_slot(e, h.us) == &e->now)
        survey_subject(e, &h, &f);
    if (slice_is(h.type, "event"))
        survey_event(e, &h, &f);
    else if (slice_is(h.type, "alert"))
        survey_alert(e, &h, &f);
    else if (slice_starts(h.type, SLICE("ban.")))
        survey_ban(e, &h, &f);
    else if (h.us < e->to_us)
        survey_other(e, &h, &f);
}

int survey_end(struct survey *e, struct err *err)
{
    return e->failed || !buf_ok(&e->text) || !buf_ok(&e->doc) || !buf_ok(&e->doc2) ? err_nomem(err)
                                                                                   : 0;
}

/* ---- sorting ---- */

struct sorted {
    void *value;
    struct slice key;
    uint64_t n;
};

static int by_weight(const void *a, const void *b)
{
    const struct sorted *x = a, *y = b;

    return x->n != y->n ? (x->n < y->n ? 1 : -1) : slice_cmp(x->key, y->key);
}

void **survey_sorted(struct arena *a, const struct table *t, survey_weight weight, size_t *ret_n)
{
    size_t n = table_count(t), i = 0, k = 0;
    struct sorted *list = arena_array(a, n + 1, sizeof *list);
    void **ret = arena_array(a, n + 1, sizeof *ret);

    if (!list || !ret)
        return NULL;
    while (k < n && table_next(t, &i, &list[k].key, &list[k].value)) {
        list[k].n = weight ? weight(list[k].value) : 0;
        k++;
    }
    qsort(list, k, sizeof *list, by_weight);
    for (i = 0; i < k; i++)
        ret[i] = list[i].value;
    *ret_n = k;
    return ret;
}
