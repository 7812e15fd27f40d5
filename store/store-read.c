/* What is true now. */
#include "store/store-private.h"

#include <errno.h>

int stmt_walked(struct store *s, sqlite3_stmt *st, int rc, int r, struct err *err)
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
    return stmt_walked(s, st, rc, r, err);
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
    return stmt_walked(s, st, rc, r, err);
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
    return stmt_walked(s, st, rc, r, err);
}

/* By the beginning of their id, or by all else. */
static sqlite3_stmt *alerts_ready(struct store *s, const struct alert_filter *f)
{
    uint64_t limit = f->limit ? f->limit : 100;
    sqlite3_stmt *st = stmt_ready(s, f->id.n ? S_ALERTS_BY_ID : S_ALERTS);

    if (!st)
        return NULL;
    if (f->id.n) {
        stmt_text(st, 1, f->id);
        stmt_u64(st, 2, limit);
        return st;
    }
    stmt_u64(st, 1, f->since_us);
    stmt_u64(st, 2, f->until_us);
    stmt_text(st, 3, f->rule);
    stmt_text(st, 4, f->channel);
    sqlite3_bind_int(st, 5, f->level_min);
    stmt_u64(st, 6, limit);
    stmt_text(st, 7, f->incident);
    return st;
}

int store_alerts_each(struct store *s, const struct alert_filter *f,
                      int (*fn)(void *ctx, const struct alert_row *row), void *ctx, struct err *err)
{
    sqlite3_stmt *st = alerts_ready(s, f);
    int rc = SQLITE_DONE, r = 0;

    if (!st)
        return store_error(s, err);
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
            .incident = stmt_column(st, 9),
        };

        r = fn(ctx, &row);
    }
    return stmt_walked(s, st, rc, r, err);
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
    return stmt_walked(s, st, rc, r, err);
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
    return stmt_walked(s, st, rc, r, err);
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
    return store_ban_totals(s, &ret->bans, err);
}
