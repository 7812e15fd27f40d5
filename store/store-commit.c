/* The commit: a batch becomes true, all of it or nothing. */
#include "store/store-private.h"

#include <errno.h>

#include "base/fault.h"

/* ---- meta ---- */

static struct pending *pending_of(struct store *s, const char *name)
{
    for (size_t i = 0; i < s->npending; i++)
        if (strcmp(s->pending[i].name, name) == 0)
            return &s->pending[i];
    return NULL;
}

int store_meta_get(struct store *s, const char *name, struct buf *out)
{
    const struct pending *p = pending_of(s, name);
    sqlite3_stmt *st = p ? NULL : stmt_ready(s, S_META_GET);
    int r = -ENOENT, rc;

    if (p) {
        buf_slice(out, buf_view(&p->value));
        return buf_ok(out) ? 0 : -ENOMEM;
    }
    if (!st)
        return -EINVAL;
    stmt_text(st, 1, slice_str(name));
    rc = sqlite3_step(st);
    if (rc == SQLITE_ROW) {
        buf_slice(out, stmt_column(st, 0));
        r = buf_ok(out) ? 0 : -ENOMEM;
    } else if (rc != SQLITE_DONE) {
        r = rc == SQLITE_NOMEM ? -ENOMEM : -EIO;
    }
    sqlite3_reset(st);
    return r;
}

int store_meta_set(struct store *s, const char *name, struct slice value, struct err *err)
{
    struct pending *p = pending_of(s, name);

    if (!p && s->npending == PENDING_MAX)
        return err_set(err, -ENOSPC, "more than %d facts wait for a commit", PENDING_MAX);
    if (!p) {
        p = &s->pending[s->npending];
        *p = (struct pending){ .name = slice_dup(slice_str(name)) };
        if (!p->name)
            return err_nomem(err);
        s->npending++;
    }
    buf_reset(&p->value);
    buf_slice(&p->value, value);
    return buf_ok(&p->value) ? 0 : err_nomem(err);
}

static int put_fact(struct store *s, const char *name, struct slice value)
{
    sqlite3_stmt *st = stmt_ready(s, S_META_PUT);

    if (!st)
        return -1;
    stmt_text(st, 1, slice_str(name));
    stmt_blob(st, 2, value);
    return stmt_run(s, st);
}

static int put_number(struct store *s, const char *name, uint64_t v)
{
    AUTO_BUF b = BUF_INIT;

    buf_u64(&b, v);
    return buf_ok(&b) ? put_fact(s, name, buf_view(&b)) : -1;
}

bool store_trail_end(struct store *s, struct trail_end *ret_end)
{
    if (s->batches == 0)
        return false;
    if (s->lock_fd >= 0) {
        *ret_end = s->end;
        return true;
    }
    ret_end->count = store_meta_u64(s, "trail_count");
    ret_end->segment = store_meta_u64(s, "trail_segment");
    ret_end->bytes = store_meta_u64(s, "trail_bytes");
    return true;
}

uint64_t store_batches(struct store *s)
{
    return s->batches;
}

/* ---- the commit ---- */

#define HOUR_US (UINT64_C(3600) * USEC_PER_SEC)

static int put_cursors(struct store *s, const struct batch *b)
{
    for (size_t i = 0; i < b->ncursors; i++) {
        const struct cursor_update *c = &b->cursors[i];
        sqlite3_stmt *st = stmt_ready(s, c->cursor.value.n ? S_CURSOR_PUT : S_CURSOR_DELETE);

        if (!st)
            return -1;
        stmt_text(st, 1, c->input);
        stmt_text(st, 2, c->cursor.stream);
        if (c->cursor.value.n)
            stmt_blob(st, 3, c->cursor.value);
        if (c->cursor.value.n)
            stmt_u64(st, 4, b->now_us);
        if (stmt_run(s, st) < 0)
            return -1;
    }
    return 0;
}

/* Signals that are needed for minutes do not stay as long as those for months. */
static const uint64_t signal_classes[] = { 2 * HOUR_US, 26 * HOUR_US, 8 * 24 * HOUR_US,
                                           UINT64_MAX };

static unsigned signal_class(const struct signal *s)
{
    unsigned i = 0;

    while (s->keep_us > signal_classes[i])
        i++;
    return i;
}

/* The signals of one class, in their order; those of one rule are of one class. */
static int put_class(struct store *s, const struct batch *b, unsigned class)
{
    uint64_t newest = 0, keep = 0, n = 0;
    AUTO_BUF data = BUF_INIT;
    sqlite3_stmt *st;

    for (size_t i = 0; i < b->nsignals; i++) {
        const struct signal *g = &b->signals[i];

        if (signal_class(g) != class)
            continue;
        newest = g->time_us > newest ? g->time_us : newest;
        keep = g->keep_us > keep ? g->keep_us : keep;
        if (signals_encode(g, n++ == 0, &data) < 0)
            return -1;
    }
    if (n == 0)
        return 0;
    st = stmt_ready(s, S_SIGNALS_PUT);
    if (!st)
        return -1;
    stmt_u64(st, 1, (s->batches + 1) * ARRAY_SIZE(signal_classes) + class);
    stmt_u64(st, 2, newest);
    stmt_u64(st, 3, n);
    stmt_blob(st, 4, buf_view(&data));
    stmt_u64(st, 5, newest + keep);
    return stmt_run(s, st);
}

static int put_signals(struct store *s, const struct batch *b)
{
    uint64_t newest = 0;
    sqlite3_stmt *st;

    if (b->nsignals == 0)
        return 0;
    for (size_t i = 0; i < b->nsignals; i++)
        newest = b->signals[i].time_us > newest ? b->signals[i].time_us : newest;
    for (unsigned i = 0; i < ARRAY_SIZE(signal_classes); i++)
        if (put_class(s, b, i) < 0)
            return -1;
    st = stmt_ready(s, S_SIGNALS_PRUNE);
    if (!st)
        return -1;
    stmt_u64(st, 1, newest < b->needed_us ? newest : b->needed_us);
    return stmt_run(s, st);
}

static int put_alert(struct store *s, const struct alert *a)
{
    AUTO_BUF id = BUF_INIT;
    AUTO_BUF group = BUF_INIT;
    AUTO_BUF document = BUF_INIT;
    AUTO_BUF incident = BUF_INIT;
    struct json_writer w = json_writer(&document);
    sqlite3_stmt *st = stmt_ready(s, S_ALERT_PUT);

    buf_hex(&id, a->id, sizeof a->id);
    incident_group(a, &group);
    alert_json(a, &w);
    if (!st || !buf_ok(&id) || !buf_ok(&group) || !buf_ok(&document) || !incident_key(a, &incident))
        return -1;
    stmt_text(st, 1, buf_view(&id));
    stmt_text(st, 2, a->rule_id);
    stmt_text(st, 3, a->rule_title);
    stmt_text(st, 4, a->channel);
    sqlite3_bind_int(st, 5, (int)a->level);
    stmt_u64(st, 6, a->time_us);
    stmt_text(st, 7, buf_view(&group));
    stmt_blob(st, 8, buf_view(&document));
    stmt_text(st, 9, buf_view(&incident));
    return stmt_run(s, st);
}

static int put_counts(struct store *s, const struct batch *b)
{
    for (size_t i = 0; i < b->ncounts; i++) {
        const struct channel_count *c = &b->counts[i];
        sqlite3_stmt *st = stmt_ready(s, S_CHANNEL_ADD);

        if (!st)
            return -1;
        stmt_text(st, 1, c->channel);
        stmt_u64(st, 2, c->lines);
        stmt_u64(st, 3, c->bytes);
        stmt_u64(st, 4, c->unparsed);
        stmt_u64(st, 5, c->matches);
        stmt_u64(st, 6, c->last_event_us);
        stmt_u64(st, 7, c->parsed);
        if (stmt_run(s, st) < 0)
            return -1;
    }
    return 0;
}

static int put_healths(struct store *s, const struct batch *b)
{
    for (size_t i = 0; i < b->nhealths; i++) {
        const struct input_health *h = &b->healths[i];
        sqlite3_stmt *st = stmt_ready(s, S_INPUT_PUT);

        if (!st)
            return -1;
        stmt_text(st, 1, h->input);
        stmt_text(st, 2, h->channel);
        stmt_u64(st, 3, h->lag_bytes);
        stmt_u64(st, 4, h->lag_since_us);
        stmt_u64(st, 5, h->last_event_us);
        stmt_u64(st, 6, h->streams);
        stmt_u64(st, 7, h->trouble);
        if (stmt_run(s, st) < 0)
            return -1;
    }
    return 0;
}

static int put_meta(struct store *s, const struct batch *b)
{
    const struct {
        const char *name;
        uint64_t value;
    } numbers[] = {
        { "batches", s->batches + 1 },         { "trail_count", b->trail.count },
        { "trail_segment", b->trail.segment }, { "trail_bytes", b->trail.bytes },
        { "last_commit_us", b->now_us },
    };

    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
        if (put_number(s, numbers[i].name, numbers[i].value) < 0)
            return -1;
    for (size_t i = 0; i < s->npending; i++)
        if (put_fact(s, s->pending[i].name, buf_view(&s->pending[i].value)) < 0)
            return -1;
    return 0;
}

static int put_all(struct store *s, const struct batch *b)
{
    if (put_cursors(s, b) < 0 || put_signals(s, b) < 0)
        return -1;
    for (size_t i = 0; i < b->nalerts; i++)
        if (put_alert(s, b->alerts[i]) < 0)
            return -1;
    if (store_put_outbox(s, b) < 0 || store_put_people(s, b) < 0 || store_put_bans(s, b) < 0 ||
        put_counts(s, b) < 0 || put_healths(s, b) < 0)
        return -1;
    fault_point(FAULT_STORE_IN_TXN);
    return put_meta(s, b);
}

int store_commit(struct store *s, const struct batch *b, struct err *err)
{
    int r = stmt_run(s, stmt_ready(s, S_BEGIN));

    if (r == 0)
        r = put_all(s, b);
    if (r == 0)
        r = stmt_run(s, stmt_ready(s, S_COMMIT));
    if (r < 0) {
        r = store_error(s, err);
        /* A full disk has rolled back by itself already. */
        if (!sqlite3_get_autocommit(s->db))
            (void)store_exec(s, "ROLLBACK");
        return r;
    }
    s->batches++;
    s->end = b->trail;
    store_drop_pending(s);
    fault_point(FAULT_STORE_AFTER_COMMIT);
    return 0;
}
