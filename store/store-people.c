/* Incidents and silences: what people deal with. */
#include "store/store-private.h"

static int put_incident(struct store *s, const struct incident *i)
{
    sqlite3_stmt *st = stmt_ready(s, S_INCIDENT_PUT);
    const struct slice texts[] = { i->key,   i->rule,       i->title, i->channel,
                                   i->group, i->last_alert, i->by,    i->comment };
    const uint64_t numbers[] = { i->level,   i->state,     i->alerts,     i->first_us,
                                 i->last_us, i->opened_us, i->changed_us, i->resolve_us };

    if (!st)
        return -1;
    for (int k = 0; k < (int)ARRAY_SIZE(texts); k++)
        stmt_text(st, 1 + k, texts[k]);
    for (int k = 0; k < (int)ARRAY_SIZE(numbers); k++)
        stmt_u64(st, 9 + k, numbers[k]);
    return stmt_run(s, st);
}

static int put_silence(struct store *s, const struct silence *i)
{
    sqlite3_stmt *st = stmt_ready(s, S_SILENCE_PUT);

    if (!st)
        return -1;
    stmt_u64(st, 1, i->id);
    stmt_text(st, 2, i->when);
    stmt_text(st, 3, i->by);
    stmt_text(st, 4, i->comment);
    stmt_u64(st, 5, i->from_us);
    stmt_u64(st, 6, i->until_us);
    return stmt_run(s, st);
}

int store_put_people(struct store *s, const struct batch *b)
{
    for (size_t i = 0; i < b->nincidents; i++)
        if (put_incident(s, b->incidents[i]) < 0)
            return -1;
    for (size_t i = 0; i < b->nsilences; i++)
        if (put_silence(s, &b->silences[i]) < 0)
            return -1;
    return 0;
}

static struct incident incident_row(sqlite3_stmt *st)
{
    return (struct incident){
        .key = stmt_column(st, 0),
        .rule = stmt_column(st, 1),
        .title = stmt_column(st, 2),
        .channel = stmt_column(st, 3),
        .group = stmt_column(st, 4),
        .last_alert = stmt_column(st, 5),
        .by = stmt_column(st, 6),
        .comment = stmt_column(st, 7),
        .level = (enum level)(stmt_column_u64(st, 8) % LEVELS),
        .state = (enum incident_state)(stmt_column_u64(st, 9) % INCIDENT_STATES),
        .alerts = stmt_column_u64(st, 10),
        .first_us = stmt_column_u64(st, 11),
        .last_us = stmt_column_u64(st, 12),
        .opened_us = stmt_column_u64(st, 13),
        .changed_us = stmt_column_u64(st, 14),
        .resolve_us = stmt_column_u64(st, 15),
    };
}

static int walk(struct store *s, sqlite3_stmt *st, int (*fn)(void *ctx, const struct incident *i),
                void *ctx, struct err *err)
{
    int rc = SQLITE_DONE, r = 0;

    while (r == 0 && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        struct incident i = incident_row(st);

        r = fn(ctx, &i);
    }
    return stmt_walked(s, st, rc, r, err);
}

int store_incidents_each(struct store *s, const struct incident_filter *f,
                         int (*fn)(void *ctx, const struct incident *i), void *ctx, struct err *err)
{
    sqlite3_stmt *st = stmt_ready(s, S_INCIDENTS);

    if (!st)
        return store_error(s, err);
    stmt_text(st, 1, f->key);
    stmt_u64(st, 2, f->states ? f->states : UINT32_MAX);
    stmt_text(st, 3, f->rule);
    stmt_text(st, 4, f->channel);
    sqlite3_bind_int(st, 5, f->level_min);
    stmt_u64(st, 6, f->since_us);
    stmt_u64(st, 7, f->limit ? f->limit : 100);
    return walk(s, st, fn, ctx, err);
}

int store_incident(struct store *s, struct slice key,
                   int (*fn)(void *ctx, const struct incident *i), void *ctx, struct err *err)
{
    sqlite3_stmt *st = stmt_ready(s, S_INCIDENT);

    if (!st)
        return store_error(s, err);
    stmt_text(st, 1, key);
    return walk(s, st, fn, ctx, err);
}

int store_incidents_due(struct store *s, uint64_t now_us,
                        int (*fn)(void *ctx, const struct incident *i), void *ctx, struct err *err)
{
    sqlite3_stmt *st = stmt_ready(s, S_INCIDENTS_DUE);

    if (!st)
        return store_error(s, err);
    stmt_u64(st, 1, now_us);
    return walk(s, st, fn, ctx, err);
}

uint64_t store_incident_due_us(struct store *s)
{
    sqlite3_stmt *st = stmt_ready(s, S_INCIDENT_NEXT_DUE);
    uint64_t v = UINT64_MAX;

    if (st && sqlite3_step(st) == SQLITE_ROW && sqlite3_column_type(st, 0) != SQLITE_NULL)
        v = stmt_column_u64(st, 0);
    sqlite3_reset(st);
    return v;
}

int store_silences_each(struct store *s, uint64_t until_us,
                        int (*fn)(void *ctx, const struct silence *i), void *ctx, struct err *err)
{
    sqlite3_stmt *st = stmt_ready(s, S_SILENCES);
    int rc = SQLITE_DONE, r = 0;

    if (!st)
        return store_error(s, err);
    stmt_u64(st, 1, until_us);
    while (r == 0 && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        const struct silence i = { stmt_column_u64(st, 0), stmt_column(st, 1),
                                   stmt_column(st, 2),     stmt_column(st, 3),
                                   stmt_column_u64(st, 4), stmt_column_u64(st, 5) };

        r = fn(ctx, &i);
    }
    return stmt_walked(s, st, rc, r, err);
}
