#include "logwatch/core-summary.h"

#include <errno.h>

#include "base/table.h"
#include "logwatch/core-entry.h"

#define ROWS_SHOWN 10
#define NEWEST_SHOWN 5
#define NAMES_MAX 50000 /* that are counted one by one; more are told as "others" */

enum { BY_RULE, BY_SOURCE, BY_USER, BY_LEVEL, TABLES };
static const char *const table_titles[TABLES] = { "By rule", "Top sources", "Top users",
                                                  "By level" };

struct count {
    struct slice name;
    uint64_t n;
};

struct newest {
    struct slice id, title, source;
    enum level level;
    uint64_t time_us;
};

struct summary {
    struct arena *arena;
    struct table *tables[TABLES]; /* name to struct count */
    struct newest newest[NEWEST_SHOWN]; /* a ring */
    uint64_t n, from_us, to_us;
    struct slice incident; /* of all; empty: they differ */
    enum level level;
};

struct summary *summary_new(void)
{
    AUTO(summary) s = calloc(1, sizeof *s);
    bool ok = s && (s->arena = arena_new(1 << 16, 64 << 20)) != NULL;

    for (size_t i = 0; ok && i < TABLES; i++)
        ok = (s->tables[i] = table_new(NAMES_MAX)) != NULL;
    return ok ? TAKE(s) : NULL;
}

void summary_free(struct summary *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < TABLES; i++)
        table_free(s->tables[i]);
    arena_free(s->arena);
    free(s);
}

static int count(struct summary *s, int which, struct slice name)
{
    struct count *c = name.n ? table_get(s->tables[which], name) : NULL;
    int r;

    if (name.n == 0)
        return 0;
    if (!c) {
        c = arena_alloc(s->arena, sizeof *c);
        if (!c)
            return -ENOMEM;
        *c = (struct count){ arena_slice(s->arena, name), 0 };
        r = c->name.p ? table_put(s->tables[which], name, c) : -ENOMEM;
        if (r < 0)
            return r == -ENOSPC ? 0 : r;
    }
    c->n++;
    return 0;
}

int summary_add(struct summary *s, const struct outbox_row *row)
{
    struct newest *new = &s->newest[s->n % NEWEST_SHOWN];

    if (s->n == 0)
        s->incident = arena_slice(s->arena, row->incident);
    else if (!slice_eq(s->incident, row->incident))
        s->incident = SLICE("");
    if (s->n == 0 || row->created_us < s->from_us)
        s->from_us = row->created_us;
    if (row->created_us > s->to_us)
        s->to_us = row->created_us;
    if (row->level > s->level)
        s->level = row->level;
    *new = (struct newest){ arena_slice(s->arena, row->key), arena_slice(s->arena, row->title),
                            arena_slice(s->arena, row->source.n ? row->source : row->user),
                            row->level, row->created_us };
    s->n++;
    if (!new->id.p || !new->title.p || !new->source.p ||
        count(s, BY_RULE, row->title.n ? row->title : row->rule) < 0 ||
        count(s, BY_SOURCE, row->source) < 0 || count(s, BY_USER, row->user) < 0 ||
        count(s, BY_LEVEL, slice_str(level_name(row->level))) < 0)
        return -ENOMEM;
    return 0;
}

uint64_t summary_count(const struct summary *s)
{
    return s->n;
}

enum level summary_level(const struct summary *s)
{
    return s->level;
}

/* The most frequent first; of equals the one that came first. */
static size_t top(const struct table *t, const struct count *ret[ROWS_SHOWN])
{
    struct slice name;
    void *value;
    size_t n = 0;

    for (size_t i = 0; table_next(t, &i, &name, &value);) {
        const struct count *c = value;
        size_t at = n < ROWS_SHOWN ? n++ : ROWS_SHOWN;

        if (at == ROWS_SHOWN && ret[at - 1]->n >= c->n)
            continue;
        if (at == ROWS_SHOWN)
            at--;
        for (; at > 0 && ret[at - 1]->n < c->n; at--)
            ret[at] = ret[at - 1];
        ret[at] = c;
    }
    return n;
}

struct slice summary_title(const struct summary *s, struct arena *a)
{
    const struct count *most[ROWS_SHOWN];
    size_t rules = table_count(s->tables[BY_RULE]);
    AUTO_BUF b = BUF_INIT;
    struct slice kept;

    buf_printf(&b, "%llu alerts", (unsigned long long)s->n);
    if (top(s->tables[BY_RULE], most)) {
        buf_str(&b, ": ");
        buf_slice(&b, most[0]->name);
    }
    if (rules > 1)
        buf_printf(&b, " and %zu more rule%s", rules - 1, rules == 2 ? "" : "s");
    return entry_keep(a, &b, &kept) ? kept : SLICE_NONE;
}

static void put_table(const struct summary *s, int which, struct json_writer *w)
{
    const struct count *most[ROWS_SHOWN];
    size_t n = top(s->tables[which], most), all = table_count(s->tables[which]);

    if (n == 0)
        return;
    json_object(w);
    json_member_str(w, "title", table_titles[which]);
    json_key(w, "rows");
    json_array(w);
    for (size_t i = 0; i < n; i++) {
        AUTO_BUF value = BUF_INIT;

        buf_u64(&value, most[i]->n);
        json_object(w);
        json_member_slice(w, "name", most[i]->name);
        json_member_buf(w, "value", &value);
        json_object_end(w);
    }
    json_array_end(w);
    json_member_u64(w, "more", all - n);
    json_object_end(w);
}

static void put_newest(const struct summary *s, struct json_writer *w)
{
    size_t n = s->n < NEWEST_SHOWN ? (size_t)s->n : NEWEST_SHOWN;

    json_key(w, "newest");
    json_array(w);
    for (size_t i = 0; i < n; i++) {
        const struct newest *a = &s->newest[(s->n - 1 - i) % NEWEST_SHOWN];

        json_object(w);
        json_member_slice(w, "id", slice_take(a->id, 32));
        json_member_str(w, "level", level_name(a->level));
        json_member_slice(w, "title", a->title);
        json_member_slice(w, "group", a->source);
        json_member_time(w, "time", a->time_us);
        json_object_end(w);
    }
    json_array_end(w);
}

int summary_write(const struct summary *s, const struct summary_head *h, struct arena *a,
                  struct slice *ret_document)
{
    AUTO_BUF b = BUF_INIT;
    struct json_writer w = json_writer(&b);

    json_object(&w);
    json_member_u64(&w, "version", 1);
    json_member_str(&w, "type", "summary");
    json_member_slice(&w, "id", h->key);
    json_member_str(&w, "kind", h->kind);
    json_member_slice(&w, "title", summary_title(s, a));
    json_member_str(&w, "level", level_name(s->level));
    json_member_slice(&w, "why", h->why);
    json_member_u64(&w, "alerts", s->n);
    json_member_time(&w, "from", h->from_us ? h->from_us : s->from_us);
    json_member_time(&w, "to", h->to_us ? h->to_us : s->to_us);
    if (s->incident.n)
        json_member_slice(&w, "incident", s->incident);
    json_key(&w, "tables");
    json_array(&w);
    for (int i = 0; i < TABLES; i++)
        put_table(s, i, &w);
    if (h->more)
        h->more(h->ctx, &w);
    json_array_end(&w);
    put_newest(s, &w);
    json_key(&w, "notification");
    json_object(&w);
    json_member_str(&w, "reason", h->kind);
    json_member_str(&w, "status", "firing");
    json_object_end(&w);
    json_object_end(&w);
    return entry_keep(a, &b, ret_document) ? 0 : -ENOMEM;
}
