/* What is true now. */
#include "store/store-private.h"

#include <errno.h>

/* Ends a walk: the callback's own value, or a fault of the database. */
static int walked(struct store *s, sqlite3_stmt *st, int rc, int r, struct err *err)
{
    int e = r ? r : rc == SQLITE_DONE ? 0 : store_error(s, err);

    sqlite3_reset(st);
    return e;
}

int store_cursors_each(struct store *s, struct slice input,
                       int (*fn)(void *ctx, const struct cursor *c), void *ctx, struct err *err)
{
    sqlite3_stmt *st = stmt_ready(s, S_CURSORS);
    int rc = SQLITE_DONE, r = 0;

    if (!st)
        return store_error(s, err);
    stmt_text(st, 1, input);
    while (r == 0 && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        const struct cursor c = { stmt_column(st, 0), stmt_column(st, 1) };

        r = fn(ctx, &c);
    }
    return walked(s, st, rc, r, err);
}

int store_cursors_all(struct store *s, int (*fn)(void *ctx, const struct cursor_row *row),
                      void *ctx, struct err *err)
{
    sqlite3_stmt *st = stmt_ready(s, S_CURSORS_ALL);
    int rc = SQLITE_DONE, r = 0;

    if (!st)
        return store_error(s, err);
    while (r == 0 && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        const struct cursor_row row = { stmt_column(st, 0),
                                        { stmt_column(st, 1), stmt_column(st, 2) },
                                        stmt_column_u64(st, 3) };

        r = fn(ctx, &row);
    }
    return walked(s, st, rc, r, err);
}

int store_signals_span(struct store *s, struct signals_span *ret, struct err *err)
{
    sqlite3_stmt *st = stmt_ready(s, S_SIGNALS_SPAN);

    if (!st || sqlite3_step(st) != SQLITE_ROW)
        return store_error(s, err);
    *ret = (struct signals_span){ stmt_column_u64(st, 0), stmt_column_u64(st, 1),
                                  stmt_column_u64(st, 2), stmt_column_u64(st, 3) };
    sqlite3_reset(st);
    return 0;
}

unsigned store_version(void)
{
    return STORE_VERSION;
}

int store_hold(struct store *s, struct err *err)
{
    return store_exec(s, "BEGIN") < 0 ? store_error(s, err) : 0;
}

int store_signals_each(struct store *s, int (*fn)(void *ctx, const struct signal *g), void *ctx,
                       struct err *err)
{
    sqlite3_stmt *st = stmt_ready(s, S_SIGNALS);
    int rc = SQLITE_DONE, r = 0;

    if (!st)
        return store_error(s, err);
    while (r == 0 && (rc = sqlite3_step(st)) == SQLITE_ROW)
        r = signals_decode(stmt_column(st, 0), fn, ctx);
    if (r == -EBADMSG)
        err_set(err, r, "stored signals are damaged");
    return walked(s, st, rc, r, err);
}

static struct outbox_row outbox_row(sqlite3_stmt *st)
{
    return (struct outbox_row){
        .id = stmt_column_u64(st, 0),
        .key = stmt_column(st, 1),
        .receiver = stmt_column(st, 2),
        .kind = stmt_column(st, 3),
        .document = stmt_column(st, 4),
        .state = (enum delivery_state)(stmt_column_u64(st, 5) & 3),
        .attempts = (unsigned)stmt_column_u64(st, 6),
        .created_us = stmt_column_u64(st, 7),
        .not_before_us = stmt_column_u64(st, 8),
        .expires_us = stmt_column_u64(st, 9),
        .status = stmt_column(st, 10),
        .remote = stmt_column(st, 11),
    };
}

static int outbox_walk(struct store *s, sqlite3_stmt *st,
                       int (*fn)(void *ctx, const struct outbox_row *row), void *ctx,
                       struct err *err)
{
    int rc = SQLITE_DONE, r = 0;

    while (r == 0 && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        struct outbox_row row = outbox_row(st);

        r = fn(ctx, &row);
    }
    return walked(s, st, rc, r, err);
}

int store_outbox_due(struct store *s, uint64_t now_us, size_t max,
                     int (*fn)(void *ctx, const struct outbox_row *row), void *ctx, struct err *err)
{
    sqlite3_stmt *st = stmt_ready(s, S_OUTBOX_DUE);

    if (!st)
        return store_error(s, err);
    stmt_u64(st, 1, now_us);
    stmt_u64(st, 2, max);
    return outbox_walk(s, st, fn, ctx, err);
}

int store_outbox_each(struct store *s, int state, size_t limit,
                      int (*fn)(void *ctx, const struct outbox_row *row), void *ctx,
                      struct err *err)
{
    sqlite3_stmt *st = stmt_ready(s, S_OUTBOX_ALL);

    if (!st)
        return store_error(s, err);
    sqlite3_bind_int(st, 1, state);
    stmt_u64(st, 2, limit);
    return outbox_walk(s, st, fn, ctx, err);
}

uint64_t store_outbox_next_us(struct store *s)
{
    sqlite3_stmt *st = stmt_ready(s, S_OUTBOX_NEXT);
    uint64_t v = UINT64_MAX;

    if (st && sqlite3_step(st) == SQLITE_ROW && sqlite3_column_type(st, 0) != SQLITE_NULL)
        v = stmt_column_u64(st, 0);
    if (st)
        sqlite3_reset(st);
    return v;
}

int store_alerts_each(struct store *s, const struct alert_filter *f,
                      int (*fn)(void *ctx, const struct alert_row *row), void *ctx, struct err *err)
{
    sqlite3_stmt *st = stmt_ready(s, S_ALERTS);
    int rc = SQLITE_DONE, r = 0;

    if (!st)
        return store_error(s, err);
    stmt_u64(st, 1, f->since_us);
    stmt_u64(st, 2, f->until_us);
    stmt_text(st, 3, f->rule);
    stmt_text(st, 4, f->channel);
    sqlite3_bind_int(st, 5, f->level_min);
    stmt_u64(st, 6, f->limit ? f->limit : 100);
    while (r == 0 && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        const struct alert_row row = {
            .n = stmt_column_u64(st, 0),
            .id = stmt_column(st, 1),
            .rule = stmt_column(st, 2),
            .title = stmt_column(st, 3),
            .channel = stmt_column(st, 4),
            .level = (enum level)(stmt_column_u64(st, 5) % LEVELS),
            .time_us = stmt_column_u64(st, 6),
            .group = stmt_column(st, 7),
            .document = stmt_column(st, 8),
        };

        r = fn(ctx, &row);
    }
    return walked(s, st, rc, r, err);
}

int store_alert_known(struct store *s, const uint8_t id[16], struct err *err)
{
    sqlite3_stmt *st = stmt_ready(s, S_ALERT_KNOWN);
    AUTO_BUF hex = BUF_INIT;
    int rc;

    buf_hex(&hex, id, 16);
    if (!st || !buf_ok(&hex))
        return store_error(s, err);
    stmt_text(st, 1, buf_view(&hex));
    rc = sqlite3_step(st);
    sqlite3_reset(st);
    if (rc == SQLITE_ROW || rc == SQLITE_DONE)
        return rc == SQLITE_ROW;
    return store_error(s, err);
}

int store_channels_each(struct store *s, int (*fn)(void *ctx, const struct channel_row *row),
                        void *ctx, struct err *err)
{
    sqlite3_stmt *st = stmt_ready(s, S_CHANNELS);
    int rc = SQLITE_DONE, r = 0;

    if (!st)
        return store_error(s, err);
    while (r == 0 && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        const struct channel_row row = { stmt_column(st, 0),     stmt_column_u64(st, 1),
                                         stmt_column_u64(st, 2), stmt_column_u64(st, 3),
                                         stmt_column_u64(st, 4), stmt_column_u64(st, 5),
                                         stmt_column_u64(st, 6) };

        r = fn(ctx, &row);
    }
    return walked(s, st, rc, r, err);
}

int store_inputs_each(struct store *s, int (*fn)(void *ctx, const struct input_health *h),
                      void *ctx, struct err *err)
{
    sqlite3_stmt *st = stmt_ready(s, S_INPUTS);
    int rc = SQLITE_DONE, r = 0;

    if (!st)
        return store_error(s, err);
    while (r == 0 && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        const struct input_health h = {
            .input = stmt_column(st, 0),
            .channel = stmt_column(st, 1),
            .lag_bytes = stmt_column_u64(st, 2),
            .lag_since_us = stmt_column_u64(st, 3),
            .last_event_us = stmt_column_u64(st, 4),
            .streams = (unsigned)stmt_column_u64(st, 5),
            .trouble = (unsigned)stmt_column_u64(st, 6),
        };

        r = fn(ctx, &h);
    }
    return walked(s, st, rc, r, err);
}

int store_totals(struct store *s, struct store_totals *ret, struct err *err)
{
    sqlite3_stmt *st = stmt_ready(s, S_TOTALS);

    if (!st || sqlite3_step(st) != SQLITE_ROW)
        return store_error(s, err);
    *ret = (struct store_totals){
        .alerts = stmt_column_u64(st, 0),
        .signals = stmt_column_u64(st, 1),
        .outbox_waiting = stmt_column_u64(st, 2),
        .outbox_sent = stmt_column_u64(st, 3),
        .outbox_dead = stmt_column_u64(st, 4),
    };
    sqlite3_reset(st);
    ret->batches = store_meta_u64(s, "batches");
    ret->trail_entries = store_meta_u64(s, "trail_count");
    ret->last_commit_us = store_meta_u64(s, "last_commit_us");
    ret->bytes = (uint64_t)(store_pragma(s, "PRAGMA page_count")) *
                 (uint64_t)store_pragma(s, "PRAGMA page_size");
    return 0;
}
