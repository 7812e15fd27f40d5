/* The book of bans. Networks are kept as their first and last address, so that one is found by any
 * address in it. */
#include "store/store-private.h"

#include <string.h>

#define EDGE_SIZE 17 /* family and address */

static struct slice edge(const struct cidr *c, bool last, char out[EDGE_SIZE])
{
    size_t n = c->net.family == 4 ? 4 : 16;

    memset(out, 0, EDGE_SIZE);
    out[0] = (char)c->net.family;
    memcpy(out + 1, c->net.bytes, n);
    for (size_t bit = c->bits; last && bit < n * 8; bit++)
        out[1 + bit / 8] = (char)((unsigned char)out[1 + bit / 8] | 0x80u >> (bit % 8));
    return slice_of(out, EDGE_SIZE);
}

static int put_ban(struct store *s, const struct ban *b)
{
    sqlite3_stmt *st = stmt_ready(s, S_BAN_PUT);
    char text[BAN_TEXT_SIZE], lo[EDGE_SIZE], hi[EDGE_SIZE];
    const struct slice texts[] = { b->origin,  b->rule,   b->title, b->alert,
                                   b->channel, b->reason, b->by,    b->status };
    const uint64_t numbers[] = { b->state,      b->owed,     b->dry_run, b->start_us, b->until_us,
                                 b->changed_us, b->ended_us, b->times,   b->renewals };

    if (!st)
        return -1;
    ban_target_text(&b->target, text);
    stmt_u64(st, 1, b->id);
    stmt_text(st, 2, slice_str(text));
    stmt_blob(st, 3, edge(&b->target.net, false, lo));
    stmt_blob(st, 4, edge(&b->target.net, true, hi));
    for (int k = 0; k < (int)ARRAY_SIZE(texts); k++)
        stmt_text(st, 5 + k, texts[k]);
    for (int k = 0; k < (int)ARRAY_SIZE(numbers); k++)
        stmt_u64(st, 13 + k, numbers[k]);
    return stmt_run(s, st);
}

int store_put_bans(struct store *s, const struct batch *b)
{
    for (size_t i = 0; i < b->nbans; i++)
        if (put_ban(s, b->bans[i]) < 0)
            return -1;
    return 0;
}

static struct ban ban_row(sqlite3_stmt *st)
{
    struct ban b = {
        .id = stmt_column_u64(st, 0),
        .origin = stmt_column(st, 2),
        .rule = stmt_column(st, 3),
        .title = stmt_column(st, 4),
        .alert = stmt_column(st, 5),
        .channel = stmt_column(st, 6),
        .reason = stmt_column(st, 7),
        .by = stmt_column(st, 8),
        .status = stmt_column(st, 9),
        .state = (enum ban_state)(stmt_column_u64(st, 10) % BAN_STATES),
        .owed = (enum ban_owed)(stmt_column_u64(st, 11) % 3),
        .dry_run = stmt_column_u64(st, 12) != 0,
        .start_us = stmt_column_u64(st, 13),
        .until_us = stmt_column_u64(st, 14),
        .changed_us = stmt_column_u64(st, 15),
        .ended_us = stmt_column_u64(st, 16),
        .times = (uint32_t)stmt_column_u64(st, 17),
        .renewals = (uint32_t)stmt_column_u64(st, 18),
    };

    (void)ban_target_parse(stmt_column(st, 1), &b.target);
    return b;
}

static void bind_inside(sqlite3_stmt *st, int i, const struct ip *ip, char at[EDGE_SIZE])
{
    const struct cidr whole = { *ip, ip->family == 4 ? 32 : 128 };

    if (ip->family)
        stmt_blob(st, i, edge(&whole, false, at));
    else
        sqlite3_bind_null(st, i);
}

static void bind_filter(sqlite3_stmt *st, const struct ban_filter *f, char at[EDGE_SIZE])
{
    stmt_u64(st, 1, f->id);
    stmt_u64(st, 2, f->states ? f->states : UINT32_MAX);
    bind_inside(st, 3, &f->inside, at);
    stmt_text(st, 4, f->rule);
    stmt_text(st, 5, f->origin);
    stmt_text(st, 6, f->alert);
    stmt_u64(st, 7, f->since_us);
    stmt_u64(st, 8, f->until_us);
    stmt_u64(st, 9, f->limit ? f->limit : 100);
    if (f->after_id)
        stmt_u64(st, 10, f->after_id - 1);
}

int store_bans_each(struct store *s, const struct ban_filter *f,
                    int (*fn)(void *ctx, const struct ban *b), void *ctx, struct err *err)
{
    enum statement which = f->held                         ? S_BANS_HELD
                           : f->after_id                   ? S_BANS_BEHIND
                           : f->states == 1u << BAN_ACTIVE ? S_BANS_ACTIVE
                                                           : S_BANS;
    sqlite3_stmt *st = stmt_ready(s, which);
    char at[EDGE_SIZE];
    int rc = SQLITE_DONE, r = 0;

    if (!st)
        return store_error(s, err);
    if (!f->held)
        bind_filter(st, f, at);
    while (r == 0 && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        const struct ban b = ban_row(st);

        r = fn(ctx, &b);
    }
    return stmt_walked(s, st, rc, r, err);
}

int store_ban_totals(struct store *s, struct ban_totals *ret, struct err *err)
{
    sqlite3_stmt *st = stmt_ready(s, S_BAN_TOTALS);

    *ret = (struct ban_totals){ 0 };
    if (!st || sqlite3_step(st) != SQLITE_ROW)
        return store_error(s, err);
    ret->active = stmt_column_u64(st, 0);
    ret->owed = stmt_column_u64(st, 1);
    ret->dry_run = stmt_column_u64(st, 2);
    ret->all = stmt_column_u64(st, 3);
    sqlite3_reset(st);
    return 0;
}

int store_ban_past(struct store *s, const struct cidr *net, struct ban_past *ret, struct err *err)
{
    sqlite3_stmt *st = stmt_ready(s, S_BAN_PAST);
    char lo[EDGE_SIZE], hi[EDGE_SIZE];
    int rc;

    *ret = (struct ban_past){ 0 };
    if (!st)
        return store_error(s, err);
    stmt_blob(st, 1, edge(net, false, lo));
    stmt_blob(st, 2, edge(net, true, hi));
    rc = sqlite3_step(st);
    if (rc == SQLITE_ROW)
        *ret = (struct ban_past){ stmt_column_u64(st, 0), stmt_column_u64(st, 1) };
    return stmt_walked(s, st, rc == SQLITE_ROW ? SQLITE_DONE : rc, 0, err);
}

uint64_t store_ban_last(struct store *s)
{
    sqlite3_stmt *st = stmt_ready(s, S_BAN_LAST);
    uint64_t id = st && sqlite3_step(st) == SQLITE_ROW ? stmt_column_u64(st, 0) : 0;

    sqlite3_reset(st);
    return id;
}
