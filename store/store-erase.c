/*
 * A person's data in the store. The bytes must be gone, not only unreachable: deleted rows
 * leave them in free pages, commits in the write-ahead log. So pages are overwritten
 * (secure_delete), the database is written anew (VACUUM: what was deleted earlier, too) and the log
 * is cut.
 */
#include <errno.h>

#include "schemas/event-pack.h"
#include "store/store-private.h"

#define ERASED "[erased]"
#define DOCUMENT_MAX (64 << 20)

struct erasing {
    struct store *s;
    bool (*hit)(void *ctx, struct slice name, struct slice text);
    void *ctx;
    bool only_count;
    struct arena *arena;
    struct store_erased n;
};

/* ---- texts ---- */

/* "source.ip=203.0.113.7 user.name=alice": as a whole, and each part by its name. */
static bool pairs_hit(const struct erasing *e, struct slice text)
{
    struct slice rest = text, part;

    if (text.n == 0)
        return false;
    if (e->hit(e->ctx, SLICE(""), text))
        return true;
    while (slice_split(&rest, ' ', &part)) {
        struct slice value = part, name;

        if (slice_split(&value, '=', &name) && value.p && e->hit(e->ctx, name, value))
            return true;
    }
    return false;
}

/* The document again, with "[erased]" for what hits. How many there were. */
static unsigned put_clean(const struct erasing *e, const struct json *j, struct slice name,
                          struct json_writer *w)
{
    struct slice told = json_text(j->type == JSON_OBJECT ? j : NULL, "name");
    bool is_object = j->type == JSON_OBJECT;
    unsigned hits = 0;

    if (j->type <= JSON_STRING) {
        if (j->type == JSON_NULL || !e->hit(e->ctx, name, j->text)) {
            json_put_tree(w, j);
            return 0;
        }
        json_put_str(w, ERASED);
        return 1;
    }
    is_object ? json_object(w) : json_array(w);
    for (const struct json *m = j->child; m; m = m->next) {
        bool bad_key = is_object && e->hit(e->ctx, SLICE(""), m->key);
        struct slice own = !is_object ? name : told.n && slice_is(m->key, "value") ? told : m->key;

        if (is_object)
            json_key_slice(w, bad_key ? SLICE(ERASED) : m->key);
        hits += bad_key + put_clean(e, m, own, w);
    }
    is_object ? json_object_end(w) : json_array_end(w);
    return hits;
}

/* 1 = it had hits, and `out` is the document without them; 0 = none. */
static int clean_document(struct erasing *e, struct slice document, struct buf *out)
{
    struct json_writer w = json_writer(out);
    const struct json *doc;
    unsigned hits;

    arena_reset(e->arena);
    doc = json_load(e->arena, document, NULL);
    if (!doc) {
        buf_str(out, "{\"erased\":true}");
        return document.n && e->hit(e->ctx, SLICE(""), document);
    }
    hits = put_clean(e, doc, SLICE(""), &w);
    return buf_ok(out) ? hits > 0 : -ENOMEM;
}

/* ---- rows ---- */

/* A copy: the row is changed while its columns are in use. */
static struct slice column(struct buf *b, sqlite3_stmt *st, int i)
{
    buf_reset(b);
    buf_slice(b, stmt_column(st, i));
    return buf_view(b);
}

static int set_alert(struct erasing *e, uint64_t n, bool group_hit, struct slice group,
                     const struct buf *document)
{
    sqlite3_stmt *st = stmt_ready(e->s, S_ALERT_SET);

    e->n.alerts++;
    if (e->only_count)
        return 0;
    if (!st)
        return -1;
    stmt_u64(st, 1, n);
    stmt_text(st, 2, group_hit ? SLICE(ERASED) : group);
    stmt_blob(st, 3, buf_view(document));
    return stmt_run(e->s, st);
}

static int erase_alerts(struct erasing *e)
{
    AUTO_BUF group = BUF_INIT;
    AUTO_BUF document = BUF_INIT;
    uint64_t n = 0;

    for (;;) {
        sqlite3_stmt *st = stmt_ready(e->s, S_ALERT_NEXT);
        AUTO_BUF clean = BUF_INIT;
        bool group_hit;
        int rc, hits;

        if (!st)
            return -1;
        stmt_u64(st, 1, n);
        rc = sqlite3_step(st);
        if (rc != SQLITE_ROW)
            return rc == SQLITE_DONE ? 0 : -1;
        n = stmt_column_u64(st, 0);
        group_hit = pairs_hit(e, column(&group, st, 1));
        hits = clean_document(e, column(&document, st, 2), &clean);
        sqlite3_reset(st);
        if (hits < 0 || !buf_ok(&group) || !buf_ok(&document))
            return -1;
        if ((group_hit || hits) && set_alert(e, n, group_hit, buf_view(&group), &clean) < 0)
            return -1;
    }
}

enum message_text { TEXT_STATUS, TEXT_REMOTE, TEXT_SOURCE, TEXT_USER, MESSAGE_TEXTS };

struct message {
    uint64_t id, state, document_id;
    struct buf document, clean, texts[MESSAGE_TEXTS];
    bool ban, document_hit, hits[MESSAGE_TEXTS];
};

static void message_fini(struct message *m)
{
    buf_fini(&m->document);
    buf_fini(&m->clean);
    for (size_t i = 0; i < MESSAGE_TEXTS; i++)
        buf_fini(&m->texts[i]);
}

static bool any_hit(const struct message *m)
{
    bool any = m->document_hit;

    for (size_t i = 0; i < MESSAGE_TEXTS; i++)
        any = any || m->hits[i];
    return any;
}

static int set_document(struct erasing *e, uint64_t id, struct slice body)
{
    sqlite3_stmt *st = stmt_ready(e->s, S_DOCUMENT_SET);

    if (!st)
        return -1;
    stmt_u64(st, 1, id);
    stmt_blob(st, 2, body);
    return stmt_run(e->s, st);
}

/* Also its incident goes: the key is made of the group, and who guesses the group would know. */
static int set_message(struct erasing *e, const struct message *m)
{
    sqlite3_stmt *st = stmt_ready(e->s, S_OUTBOX_SET);
    bool waits = m->state == DELIVERY_WAITING || m->state == DELIVERY_RETRY;
    bool given_up = m->ban && m->document_hit && waits;

    e->n.messages++;
    if (e->only_count)
        return 0;
    if (!st)
        return -1;
    stmt_u64(st, 1, m->id);
    for (int i = 0; i < MESSAGE_TEXTS; i++)
        stmt_text(st, 2 + i,
                  m->hits[i] || (given_up && i == TEXT_STATUS) ? SLICE(ERASED)
                                                               : buf_view(&m->texts[i]));
    stmt_u64(st, 6, given_up ? DELIVERY_DEAD : m->state);
    return stmt_run(e->s, st);
}

static bool text_hit(const struct erasing *e, int which, struct slice text)
{
    if (which == TEXT_STATUS || which == TEXT_REMOTE)
        return pairs_hit(e, text);
    return text.n && e->hit(e->ctx, SLICE_NONE, text);
}

/* 1 = one more, 0 = there are no more. */
static int next_message(struct erasing *e, struct message *m)
{
    sqlite3_stmt *st = stmt_ready(e->s, S_OUTBOX_BEHIND);
    bool ok = true;
    int rc, hits;

    if (!st)
        return -1;
    stmt_u64(st, 1, m->id);
    rc = sqlite3_step(st);
    if (rc != SQLITE_ROW)
        return rc == SQLITE_DONE ? 0 : -1;
    m->id = stmt_column_u64(st, 0);
    for (int i = 0; i < MESSAGE_TEXTS; i++) {
        m->hits[i] = text_hit(e, i, column(&m->texts[i], st, 2 + i));
        ok = ok && buf_ok(&m->texts[i]);
    }
    m->ban = slice_is(stmt_column(st, 6), "ban");
    m->state = stmt_column_u64(st, 7);
    m->document_id = stmt_column_u64(st, 8);
    buf_reset(&m->clean);
    hits = clean_document(e, column(&m->document, st, 1), &m->clean);
    m->document_hit = hits > 0;
    sqlite3_reset(st);
    return hits < 0 || !ok || !buf_ok(&m->document) ? -1 : 1;
}

static int erase_messages(struct erasing *e)
{
    struct message m = { 0 };
    int r;

    while ((r = next_message(e, &m)) == 1)
        if (any_hit(&m) && set_message(e, &m) < 0) {
            r = -1;
            break;
        }
    message_fini(&m);
    return r;
}

/* After the rows, for several may share one. */
static int erase_documents(struct erasing *e)
{
    AUTO_BUF body = BUF_INIT;
    AUTO_BUF clean = BUF_INIT;
    uint64_t id = 0;

    for (;;) {
        sqlite3_stmt *st = stmt_ready(e->s, S_DOCUMENT_NEXT);
        int rc, hits;

        if (!st)
            return -1;
        stmt_u64(st, 1, id);
        rc = sqlite3_step(st);
        if (rc != SQLITE_ROW)
            return rc == SQLITE_DONE ? 0 : -1;
        id = stmt_column_u64(st, 0);
        buf_reset(&clean);
        hits = clean_document(e, column(&body, st, 1), &clean);
        sqlite3_reset(st);
        if (hits < 0 || !buf_ok(&body))
            return -1;
        if (hits && !e->only_count && set_document(e, id, buf_view(&clean)) < 0)
            return -1;
    }
}

/* ---- incidents and silences ---- */

/* An incident of that person is dropped: its alerts stay, and a new alert opens a new one. */
static int erase_incidents(struct erasing *e)
{
    AUTO_BUF key = BUF_INIT;

    for (;;) {
        sqlite3_stmt *st = stmt_ready(e->s, S_INCIDENT_NEXT);
        bool hit;
        int rc;

        if (!st)
            return -1;
        stmt_text(st, 1, buf_view(&key));
        rc = sqlite3_step(st);
        if (rc != SQLITE_ROW)
            return rc == SQLITE_DONE ? 0 : -1;
        hit = pairs_hit(e, stmt_column(st, 1)) || text_hit(e, TEXT_USER, stmt_column(st, 2)) ||
              pairs_hit(e, stmt_column(st, 3));
        (void)column(&key, st, 0);
        sqlite3_reset(st);
        if (!buf_ok(&key))
            return -1;
        if (!hit || e->only_count)
            continue;
        st = stmt_ready(e->s, S_INCIDENT_DROP);
        if (!st)
            return -1;
        stmt_text(st, 1, buf_view(&key));
        if (stmt_run(e->s, st) < 0)
            return -1;
    }
}

/* One that names that person ends, for nothing of it could be kept. */
static int erase_silence(struct erasing *e, const struct silence *s)
{
    sqlite3_stmt *st = stmt_ready(e->s, S_SILENCE_DROP);

    if (!st)
        return -1;
    stmt_u64(st, 1, s->id);
    return stmt_run(e->s, st);
}

static int each_silence(void *ctx, const struct silence *s)
{
    struct erasing *e = ctx;
    AUTO_BUF clean = BUF_INIT;
    bool hit = clean_document(e, s->when, &clean) != 0 || pairs_hit(e, s->comment) ||
               text_hit(e, TEXT_USER, s->by);

    return hit && !e->only_count && erase_silence(e, s) < 0 ? -EIO : 0;
}

/* ---- bans ---- */

/* Also one that holds: its address is what is to be gone. The next start takes it out of the
 * firewall, too, for it is in the book no more. */
static int erase_ban(struct erasing *e, uint64_t id)
{
    sqlite3_stmt *st = stmt_ready(e->s, S_BAN_DROP);

    if (!st)
        return -1;
    stmt_u64(st, 1, id);
    return stmt_run(e->s, st);
}

static bool ban_hit(const struct erasing *e, sqlite3_stmt *st)
{
    struct slice target = stmt_column(st, 1);
    struct slice network = slice_take(target, slice_find_byte(target, ' '));
    struct slice address = slice_take(network, slice_find_byte(network, '/'));

    return e->hit(e->ctx, SLICE("source.ip"), network) ||
           e->hit(e->ctx, SLICE("source.ip"), address) || pairs_hit(e, stmt_column(st, 2)) ||
           text_hit(e, TEXT_USER, stmt_column(st, 3)) || pairs_hit(e, stmt_column(st, 4));
}

static int erase_bans(struct erasing *e)
{
    uint64_t id = 0;

    for (;;) {
        sqlite3_stmt *st = stmt_ready(e->s, S_BAN_NEXT);
        bool hit;
        int rc;

        if (!st)
            return -1;
        stmt_u64(st, 1, id);
        rc = sqlite3_step(st);
        if (rc != SQLITE_ROW)
            return rc == SQLITE_DONE ? 0 : -1;
        id = stmt_column_u64(st, 0);
        hit = ban_hit(e, st);
        sqlite3_reset(st);
        e->n.bans += hit;
        if (hit && !e->only_count && erase_ban(e, id) < 0)
            return -1;
    }
}

/* ---- signals ---- */

struct blob {
    struct erasing *e;
    struct buf out;
    uint64_t kept, hits;
};

static bool evidence_hit(struct erasing *e, struct slice evidence)
{
    AUTO_BUF text = BUF_INIT;
    AUTO_BUF clean = BUF_INIT;

    event_pack_json(evidence, &text);
    return text.n && clean_document(e, buf_view(&text), &clean) != 0;
}

/* Values of a group are joined by 0x1f; which fields they are of, only the rule knows. */
static bool group_hit(const struct erasing *e, struct slice group)
{
    struct slice part;

    while (slice_split(&group, '\x1f', &part))
        if (part.n && e->hit(e->ctx, SLICE_NONE, part))
            return true;
    return false;
}

/* Without its evidence a signal would count for more than it is worth: it goes as a whole. */
static int on_signal(void *ctx, const struct signal *s)
{
    struct blob *b = ctx;

    if (group_hit(b->e, s->group) || group_hit(b->e, s->value) || evidence_hit(b->e, s->evidence)) {
        b->hits++;
        return 0;
    }
    return signals_encode(s, b->kept++ == 0, &b->out);
}

static int set_signals(struct erasing *e, uint64_t batch, const struct blob *b)
{
    sqlite3_stmt *st = stmt_ready(e->s, b->kept ? S_SIGNALS_SET : S_SIGNALS_DROP);

    e->n.signals += b->hits;
    if (e->only_count)
        return 0;
    if (!st)
        return -1;
    stmt_u64(st, 1, batch);
    if (b->kept) {
        stmt_u64(st, 2, b->kept);
        stmt_blob(st, 3, buf_view(&b->out));
    }
    return stmt_run(e->s, st);
}

/* A blob that cannot be read is left alone: the next start refuses it, and says so. */
static int erase_signals(struct erasing *e)
{
    AUTO_BUF data = BUF_INIT;
    uint64_t batch = 0;
    int r = 1;

    while (r > 0) {
        sqlite3_stmt *st = stmt_ready(e->s, S_SIGNALS_NEXT);
        struct blob b = { .e = e };
        int rc;

        if (!st)
            return -1;
        stmt_u64(st, 1, batch);
        rc = sqlite3_step(st);
        if (rc != SQLITE_ROW)
            return rc == SQLITE_DONE ? 0 : -1;
        batch = stmt_column_u64(st, 0);
        (void)column(&data, st, 1);
        sqlite3_reset(st);
        r = buf_ok(&data) && signals_decode(buf_view(&data), on_signal, &b) >= 0 && buf_ok(&b.out);
        if (r > 0 && b.hits && set_signals(e, batch, &b) < 0)
            r = 0;
        buf_fini(&b.out);
    }
    return -1;
}

/* ---- all of it ---- */

static int erase_all(struct erasing *e)
{
    return erase_alerts(e) < 0 || erase_messages(e) < 0 || erase_documents(e) < 0 ||
                   erase_incidents(e) < 0 ||
                   store_silences_each(e->s, 0, each_silence, e, NULL) < 0 || erase_bans(e) < 0 ||
                   erase_signals(e) < 0
               ? -1
               : 0;
}

static int in_transaction(struct erasing *e, struct err *err)
{
    struct store *s = e->s;
    int r = store_exec(s, "PRAGMA secure_delete = ON");

    if (r == 0)
        r = stmt_run(s, stmt_ready(s, S_BEGIN));
    if (r == 0)
        r = erase_all(e);
    if (r == 0)
        r = e->only_count ? store_exec(s, "ROLLBACK") : stmt_run(s, stmt_ready(s, S_COMMIT));
    if (r < 0) {
        r = store_error(s, err);
        if (!sqlite3_get_autocommit(s->db))
            (void)store_exec(s, "ROLLBACK");
    }
    return r;
}

/* 0 = the log is empty; what it held is in the database, or gone. */
static int cut_log(struct store *s)
{
    return store_pragma(s, "PRAGMA wal_checkpoint(TRUNCATE)") == 0 ? 0 : -1;
}

int store_erase(struct store *s, bool (*hit)(void *ctx, struct slice name, struct slice text),
                void *ctx, bool only_count, struct store_erased *ret, struct err *err)
{
    struct erasing e = { s, hit, ctx, only_count, arena_new(1 << 16, DOCUMENT_MAX), { 0 } };
    int r = e.arena ? in_transaction(&e, err) : err_nomem(err);

    arena_free(e.arena);
    *ret = e.n;
    if (r < 0 || only_count)
        return r;
    /* Also when nothing was found: an earlier run may have ended before this. */
    if (store_exec(s, "VACUUM") < 0 || cut_log(s) < 0) {
        r = store_error(s, err);
        return err_while(err, "what was erased may still be in free pages (run it again)");
    }
    return 0;
}
