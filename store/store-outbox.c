/* The outbox: rows with their documents, by who puts, empties and looks at them. */
#include "store/store-private.h"

#include <errno.h>

/* ---- the commit's part ---- */

static bool is_final(enum delivery_state s)
{
    return s != DELIVERY_WAITING && s != DELIVERY_RETRY;
}

/* Receivers of one alert share its document: the same bytes at the same place. */
static int put_document(struct store *s, struct slice body, struct slice *last, uint64_t *ret_id)
{
    sqlite3_stmt *st;

    if (*ret_id && last->p == body.p && last->n == body.n)
        return 0;
    st = stmt_ready(s, S_DOCUMENT_PUT);
    if (!st)
        return -1;
    stmt_blob(st, 1, body);
    if (stmt_run(s, st) < 0)
        return -1;
    *last = body;
    *ret_id = (uint64_t)sqlite3_last_insert_rowid(s->db);
    return 0;
}

static int put_row(struct store *s, const struct outgoing *o, uint64_t document, uint64_t now_us)
{
    sqlite3_stmt *st = stmt_ready(s, S_OUTBOX_PUT);
    const struct slice texts[] = { o->reason, o->incident, o->rule,  o->title,
                                   o->source, o->user,     o->group, o->status };

    if (!st)
        return -1;
    stmt_text(st, 1, o->key);
    stmt_text(st, 2, o->receiver);
    stmt_text(st, 3, o->kind);
    stmt_u64(st, 4, o->state);
    stmt_u64(st, 5, now_us);
    stmt_u64(st, 6, o->not_before_us);
    stmt_u64(st, 7, o->expires_us);
    stmt_u64(st, 8, is_final(o->state) ? now_us : 0);
    stmt_u64(st, 9, o->level);
    for (int i = 0; i < (int)ARRAY_SIZE(texts); i++)
        stmt_text(st, 10 + i, texts[i]);
    stmt_u64(st, 18, document);
    return stmt_run(s, st);
}

/* The rows that the summary tells. It is new: a repeat of its key changes nothing. */
static int put_members(struct store *s, const struct outgoing *o, uint64_t now_us)
{
    uint64_t bundle = (uint64_t)sqlite3_last_insert_rowid(s->db);

    if (sqlite3_changes(s->db) == 0)
        return 0;
    for (size_t i = 0; i < o->nmembers; i++) {
        sqlite3_stmt *st = stmt_ready(s, S_OUTBOX_BUNDLE);

        if (!st)
            return -1;
        stmt_u64(st, 1, o->members[i]);
        stmt_u64(st, 2, bundle);
        stmt_u64(st, 3, now_us);
        if (stmt_run(s, st) < 0)
            return -1;
    }
    return 0;
}

static int put_outgoing(struct store *s, const struct batch *b)
{
    struct slice last = SLICE_NONE;
    uint64_t document = 0;

    for (size_t i = 0; i < b->noutgoing; i++) {
        const struct outgoing *o = &b->outgoing[i];

        if (put_document(s, o->document, &last, &document) < 0 ||
            put_row(s, o, document, b->now_us) < 0 || put_members(s, o, b->now_us) < 0)
            return -1;
    }
    return 0;
}

static int put_outcomes(struct store *s, const struct batch *b)
{
    for (size_t i = 0; i < b->noutcomes; i++) {
        const struct outcome *o = &b->outcomes[i];
        sqlite3_stmt *st = stmt_ready(s, S_OUTCOME);

        if (!st)
            return -1;
        stmt_u64(st, 1, o->id);
        stmt_u64(st, 2, o->state);
        stmt_u64(st, 3, o->attempts);
        stmt_u64(st, 4, o->not_before_us);
        stmt_text(st, 5, o->status);
        stmt_text(st, 6, o->remote);
        stmt_u64(st, 7, is_final(o->state) ? b->now_us : 0);
        if (stmt_run(s, st) < 0)
            return -1;
    }
    return 0;
}

static int put_changes(struct store *s, const struct batch *b)
{
    for (size_t i = 0; i < b->nchanges; i++) {
        const struct row_change *c = &b->changes[i];
        sqlite3_stmt *st = stmt_ready(s, S_OUTBOX_CHANGE);

        if (!st)
            return -1;
        stmt_u64(st, 1, c->id);
        stmt_u64(st, 2, c->state);
        stmt_u64(st, 3, c->not_before_us);
        stmt_u64(st, 4, c->expires_us);
        stmt_u64(st, 5, is_final(c->state) ? b->now_us : 0);
        stmt_text(st, 6, c->status);
        if (stmt_run(s, st) < 0)
            return -1;
    }
    return 0;
}

int store_put_outbox(struct store *s, const struct batch *b)
{
    return put_outgoing(s, b) < 0 || put_outcomes(s, b) < 0 || put_changes(s, b) < 0 ? -1 : 0;
}

/* ---- rows ---- */

static struct outbox_row outbox_row(sqlite3_stmt *st)
{
    return (struct outbox_row){
        .id = stmt_column_u64(st, 0),
        .key = stmt_column(st, 1),
        .receiver = stmt_column(st, 2),
        .kind = stmt_column(st, 3),
        .state = (enum delivery_state)(stmt_column_u64(st, 4) % DELIVERY_STATES),
        .attempts = (unsigned)stmt_column_u64(st, 5),
        .created_us = stmt_column_u64(st, 6),
        .not_before_us = stmt_column_u64(st, 7),
        .expires_us = stmt_column_u64(st, 8),
        .done_us = stmt_column_u64(st, 9),
        .level = (enum level)(stmt_column_u64(st, 10) % LEVELS),
        .reason = stmt_column(st, 11),
        .incident = stmt_column(st, 12),
        .rule = stmt_column(st, 13),
        .title = stmt_column(st, 14),
        .source = stmt_column(st, 15),
        .user = stmt_column(st, 16),
        .group = stmt_column(st, 17),
        .bundle = stmt_column_u64(st, 18),
        .status = stmt_column(st, 19),
        .remote = stmt_column(st, 20),
        .document = sqlite3_column_count(st) > 21 ? stmt_column(st, 21) : SLICE(""),
    };
}

static int walk(struct store *s, sqlite3_stmt *st,
                int (*fn)(void *ctx, const struct outbox_row *row), void *ctx, size_t *ret_n,
                struct err *err)
{
    int rc = SQLITE_DONE, r = 0;

    while (r == 0 && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        struct outbox_row row = outbox_row(st);

        if (ret_n)
            ++*ret_n;
        r = fn(ctx, &row);
    }
    return stmt_walked(s, st, rc, r, err);
}

int store_outbox_list(struct store *s, const struct outbox_filter *f,
                      int (*fn)(void *ctx, const struct outbox_row *row), void *ctx,
                      struct err *err)
{
    sqlite3_stmt *st = stmt_ready(s, S_OUTBOX_LIST);

    if (!st)
        return store_error(s, err);
    stmt_u64(st, 1, f->id);
    stmt_u64(st, 2, f->states ? f->states : UINT32_MAX);
    stmt_text(st, 3, f->receiver);
    stmt_text(st, 4, f->rule);
    stmt_text(st, 5, f->incident);
    stmt_text(st, 6, f->key);
    stmt_u64(st, 7, f->since_us);
    stmt_u64(st, 8, f->until_us);
    stmt_u64(st, 9, f->bundle);
    stmt_u64(st, 10, f->limit ? f->limit : 100);
    return walk(s, st, fn, ctx, NULL, err);
}

int store_outbox_each(struct store *s, int state, size_t limit,
                      int (*fn)(void *ctx, const struct outbox_row *row), void *ctx,
                      struct err *err)
{
    const struct outbox_filter f = { .states = state < 0 ? 0 : 1u << state, .limit = limit };

    return store_outbox_list(s, &f, fn, ctx, err);
}

int store_outbox_head(struct store *s, struct slice receiver, uint64_t now_us, unsigned patience,
                      bool fresh, int (*fn)(void *ctx, const struct outbox_row *row), void *ctx,
                      struct err *err)
{
    static const enum statement looks[] = { S_OUTBOX_FAILED, S_OUTBOX_FRESH, S_OUTBOX_STUBBORN };
    size_t n = 0;
    int r = 0;

    for (size_t i = 0; i < ARRAY_SIZE(looks) && n == 0 && r == 0; i++) {
        sqlite3_stmt *st;

        if (looks[i] == S_OUTBOX_FRESH && !fresh)
            continue;
        st = stmt_ready(s, looks[i]);
        if (!st)
            return store_error(s, err);
        stmt_text(st, 1, receiver);
        stmt_u64(st, 2, now_us);
        if (looks[i] != S_OUTBOX_FRESH)
            stmt_u64(st, 3, patience);
        r = walk(s, st, fn, ctx, &n, err);
    }
    return r < 0 ? r : n > 0;
}

int store_outbox_critical(struct store *s, struct slice receiver, uint64_t now_us,
                          int (*fn)(void *ctx, const struct outbox_row *row), void *ctx,
                          struct err *err)
{
    sqlite3_stmt *st = stmt_ready(s, S_OUTBOX_CRITICAL);
    size_t n = 0;
    int r;

    if (!st)
        return store_error(s, err);
    stmt_text(st, 1, receiver);
    stmt_u64(st, 2, now_us);
    r = walk(s, st, fn, ctx, &n, err);
    return r < 0 ? r : n > 0;
}

int store_outbox_waiting(struct store *s, struct slice receiver, struct slice group,
                         uint64_t now_us, size_t max,
                         int (*fn)(void *ctx, const struct outbox_row *row), void *ctx,
                         struct err *err)
{
    sqlite3_stmt *st = stmt_ready(s, S_OUTBOX_WAITING);

    if (!st)
        return store_error(s, err);
    stmt_text(st, 1, receiver);
    stmt_u64(st, 2, now_us);
    stmt_text(st, 3, group);
    stmt_u64(st, 4, max);
    return walk(s, st, fn, ctx, NULL, err);
}

/* ---- numbers ---- */

/* Column i, or `none` where there is no value. */
static uint64_t number(sqlite3_stmt *st, int i, uint64_t none)
{
    return sqlite3_column_type(st, i) == SQLITE_NULL ? none : stmt_column_u64(st, i);
}

struct outbox_due store_outbox_due(struct store *s, struct slice receiver)
{
    sqlite3_stmt *st = stmt_ready(s, S_OUTBOX_DUE);
    struct outbox_due due = { UINT64_MAX, UINT64_MAX, 0 };

    if (!st)
        return due;
    stmt_text(st, 1, receiver);
    if (sqlite3_step(st) == SQLITE_ROW)
        due = (struct outbox_due){ number(st, 0, UINT64_MAX), number(st, 1, UINT64_MAX),
                                   (unsigned)number(st, 2, 0) };
    sqlite3_reset(st);
    return due;
}

uint64_t store_outbox_sent(struct store *s, struct slice receiver, struct slice rule,
                           uint64_t since_us, uint64_t max)
{
    sqlite3_stmt *st = stmt_ready(s, S_OUTBOX_SENT);
    uint64_t n = 0;

    if (!st)
        return 0;
    stmt_text(st, 1, receiver);
    stmt_u64(st, 2, since_us);
    stmt_text(st, 3, rule);
    stmt_u64(st, 4, max);
    if (sqlite3_step(st) == SQLITE_ROW)
        n = stmt_column_u64(st, 0);
    sqlite3_reset(st);
    return n;
}

static struct group_last last_of(struct store *s, enum statement which, struct slice receiver,
                                 struct slice what)
{
    sqlite3_stmt *st = stmt_ready(s, which);
    struct group_last last = { 0 };

    if (!st)
        return last;
    stmt_text(st, 1, receiver);
    stmt_text(st, 2, what);
    if (sqlite3_step(st) == SQLITE_ROW)
        last = (struct group_last){ number(st, 0, 0), number(st, 1, 0) };
    sqlite3_reset(st);
    return last;
}

struct group_last store_outbox_group(struct store *s, struct slice receiver, struct slice group)
{
    return last_of(s, S_OUTBOX_GROUP, receiver, group);
}

struct group_last store_outbox_incident(struct store *s, struct slice receiver,
                                        struct slice incident)
{
    return last_of(s, S_OUTBOX_INCIDENT, receiver, incident);
}

int store_outbox_remote(struct store *s, struct slice incident, struct slice receiver,
                        uint64_t since_us, struct buf *out)
{
    sqlite3_stmt *st = stmt_ready(s, S_OUTBOX_REMOTE);

    if (!st)
        return -EINVAL;
    stmt_text(st, 1, incident);
    stmt_text(st, 2, receiver);
    stmt_u64(st, 3, since_us);
    if (sqlite3_step(st) == SQLITE_ROW)
        buf_slice(out, stmt_column(st, 0));
    sqlite3_reset(st);
    return out->failed ? -ENOMEM : 0;
}

int store_outbox_told(struct store *s, struct slice incident, uint64_t since_us,
                      int (*fn)(void *ctx, struct slice receiver), void *ctx, struct err *err)
{
    sqlite3_stmt *st = stmt_ready(s, S_OUTBOX_TOLD);
    int rc = SQLITE_DONE, r = 0;

    if (!st)
        return store_error(s, err);
    stmt_text(st, 1, incident);
    stmt_u64(st, 2, since_us);
    while (r == 0 && (rc = sqlite3_step(st)) == SQLITE_ROW)
        r = fn(ctx, stmt_column(st, 0));
    return stmt_walked(s, st, rc, r, err);
}

int store_receivers_each(struct store *s, int (*fn)(void *ctx, const struct receiver_row *row),
                         void *ctx, struct err *err)
{
    sqlite3_stmt *st = stmt_ready(s, S_RECEIVERS);
    int rc = SQLITE_DONE, r = 0;

    if (!st)
        return store_error(s, err);
    while (r == 0 && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        struct receiver_row row = { .receiver = stmt_column(st, 0),
                                    .oldest_us = number(st, 7, 0),
                                    .sent_us = number(st, 8, 0) };

        for (int i = 0; i < DELIVERY_STATES; i++)
            row.rows[i] = stmt_column_u64(st, 1 + i);
        r = fn(ctx, &row);
    }
    return stmt_walked(s, st, rc, r, err);
}

int store_outbox_prune(struct store *s, uint64_t before_us, struct err *err)
{
    sqlite3_stmt *st = stmt_ready(s, S_OUTBOX_PRUNE);
    int n = -1;

    if (st) {
        stmt_u64(st, 1, before_us);
        n = stmt_run(s, st) < 0 ? -1 : sqlite3_changes(s->db);
    }
    if (n < 0 || stmt_run(s, stmt_ready(s, S_DOCUMENT_PRUNE)) < 0)
        return store_error(s, err);
    return n;
}
