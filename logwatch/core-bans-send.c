/*
 * What the blocker hears, and what it says. Nothing is handed out before its row is committed, and
 * in the order of the book; what failed comes again after a while.
 */
#include "logwatch/core-bans-private.h"

#include <errno.h>

#include "base/log.h"
#include "logwatch/core-entry.h"
#include "notifiers/sink.h"

/* ---- the queue ---- */

void bans_queue(struct core_bans *b, struct item *i)
{
    if (i->queued)
        return;
    i->queued = true;
    i->next = NULL;
    *b->tail = i;
    b->tail = &i->next;
    b->nqueued++;
}

static struct item *pop(struct core_bans *b)
{
    struct item *i = b->head;

    b->head = i->next;
    if (!b->head)
        b->tail = &b->head;
    i->queued = false;
    b->nqueued--;
    return i;
}

size_t core_bans_owed(const struct core_bans *b)
{
    return b->nqueued + b->nsent + (b->syncing != SYNC_NONE);
}

/* What failed, when its time has come. */
static void queue_failed(struct core_bans *b, uint64_t now_us)
{
    uint64_t next = UINT64_MAX;

    if (now_us < b->retry_us)
        return;
    for (size_t k = 0; k < b->nitems; k++) {
        struct item *i = b->items[k];

        if (!i || i->retry_us == 0 || i->fresh)
            continue;
        if (i->retry_us > now_us) {
            next = i->retry_us < next ? i->retry_us : next;
            continue;
        }
        i->retry_us = 0;
        if (i->owed)
            bans_queue(b, i);
    }
    b->retry_us = next;
}

/* ---- requests ---- */

static void fill(const struct item *i, uint8_t verb, uint64_t now_us, struct ban_request *ret)
{
    AUTO_BUF hex = BUF_INIT;
    struct ban row = { .id = i->id,
                       .target = i->target,
                       .until_us = i->until_us,
                       .rule = slice_str(i->rule),
                       .times = i->times };

    if (i->has_alert)
        buf_hex(&hex, i->alert, sizeof i->alert);
    row.alert = buf_ok(&hex) ? buf_view(&hex) : SLICE("");
    ban_request_fill(&row, verb, now_us, ret);
}

static size_t put_names(struct core_bans *b, struct ban_request *q, size_t max)
{
    size_t n = 0;

    for (size_t k = 0; k < b->config->bans.allow_names.n; k++)
        for (size_t j = 0; j < b->names[k].n && n < max; j++) {
            const struct ip *ip = &b->names[k].ips[j];

            q[n] = (struct ban_request){ .verb = BAN_ALLOW,
                                         .family = ip->family,
                                         .bits = ip->family == 4 ? 32 : 128 };
            memcpy(q[n++].bytes, ip->bytes, sizeof q->bytes);
        }
    b->allow_owed = false;
    return n;
}

/* All that holds and is committed. What is queued besides comes after it, as always. */
static size_t sync_more(struct core_bans *b, struct ban_request *q, size_t max, uint64_t now_us)
{
    size_t n = 0;

    if (b->syncing == SYNC_WANTED && max) {
        q[n++] = (struct ban_request){ .verb = BAN_SYNC_BEGIN };
        b->syncing = SYNC_RUNS;
        b->sync_at = 0;
    }
    for (; b->sync_at < b->nitems && n < max; b->sync_at++) {
        struct item *i = b->items[b->sync_at];

        if (!i || i->gone || i->dry_run || (i->fresh && i->owed && i->changed_us == i->start_us) ||
            (i->until_us && i->until_us <= now_us))
            continue;
        fill(i, BAN_ADD, now_us, &q[n++]);
    }
    if (b->sync_at == b->nitems && n < max) {
        q[n++] = (struct ban_request){ .verb = BAN_SYNC_END };
        b->syncing = SYNC_NONE;
    }
    return n;
}

static bool worth_sending(struct core_bans *b, struct item *i)
{
    if (i->id == 0) { /* forgotten while it waited */
        free(i);
        return false;
    }
    if (i->overtaken) {
        bans_forget(b, i);
        return false;
    }
    if (i->fresh) /* changed again: when that is committed */
        return false;
    i->again = i->again || i->sent;
    return i->owed && !i->sent;
}

size_t core_bans_requests(struct core_bans *b, struct ban_request *q, size_t max, uint64_t now_us)
{
    size_t n = 0;

    if (!b->line)
        return 0;
    queue_failed(b, now_us);
    if (b->allow_owed)
        n = put_names(b, q, max);
    if (b->syncing != SYNC_NONE)
        n += sync_more(b, q + n, max - n, now_us);
    while (b->syncing == SYNC_NONE && b->head && n < max) {
        struct item *i = pop(b);

        if (!worth_sending(b, i))
            continue;
        fill(i, i->owed == BAN_OWES_ADD ? BAN_ADD : BAN_REMOVE, now_us, &q[n++]);
        i->sent = true;
        b->nsent++;
    }
    return n;
}

uint64_t core_bans_send_us(const struct core_bans *b)
{
    if (!b->line)
        return UINT64_MAX;
    return b->head || b->syncing != SYNC_NONE || b->allow_owed ? 0 : b->retry_us;
}

/* What was under way may have been done or not: it is asked for again. */
void core_bans_line_gone(struct core_bans *b)
{
    b->line = false;
    b->syncing = SYNC_NONE;
    for (size_t k = 0; k < b->nitems; k++) {
        struct item *i = b->items[k];

        if (!i || !i->sent)
            continue;
        i->sent = i->again = false;
        if (i->owed)
            bans_queue(b, i);
    }
    b->nsent = 0;
}

/* ---- results ---- */

static int note_order(struct core_bans *b, const struct item *i, const char *state,
                      struct slice status, struct err *err)
{
    AUTO_BUF members = BUF_INIT;
    AUTO_BUF told = BUF_INIT;
    struct json_writer w = json_writer(&members);
    char network[IP_TEXT_SIZE + 4], address[IP_TEXT_SIZE];

    /* The address belongs behind the TAB of the line, also when the blocker repeats it. */
    cidr_text(&i->target.net, network);
    ip_text(&i->target.net.net, address);
    entry_mask(&told, status, slice_str(network));
    status = arena_slice(b->batch->arena, buf_view(&told));
    buf_reset(&told);
    entry_mask(&told, status, slice_str(address));
    json_member_str(&w, "receiver", "bans");
    json_member_str(&w, "verb", i->owed == BAN_OWES_REMOVE ? "remove" : "add");
    json_member_str(&w, "state", state);
    json_member_u64(&w, "attempt", i->failures + 1);
    json_member_buf(&w, "status", &told);
    return bans_entry(b, i, "ban.order", &members, err);
}

static int done(struct core_bans *b, struct item *i, struct slice why, struct err *err)
{
    const struct ban words = { .status = arena_slice(b->batch->arena, why) };

    if (note_order(b, i, "sent", why, err) < 0)
        return err_code(err);
    if (i->gone) {
        i->owed = BAN_OWES_NOTHING;
        /* How it ended stands in the row already: only what is owed changes. */
        if (bans_put_owed(b, i, words.status, err) < 0)
            return err_code(err);
        bans_forget(b, i);
        return 0;
    }
    i->owed = BAN_OWES_NOTHING;
    i->failures = 0;
    return bans_put(b, i, BAN_ACTIVE, &words, err);
}

static int failed(struct core_bans *b, struct item *i, struct slice why, struct err *err)
{
    uint64_t now = b->batch->now_us;

    if (i->failures == 0) { /* the first one is news, the others are not */
        log_warning("a ban could not be done, and is tried again: %.*s", SLICE_FMT(why));
        if (note_order(b, i, "retry", why, err) < 0 ||
            bans_put_owed(b, i, arena_slice(b->batch->arena, why), err) < 0)
            return err_code(err);
    }
    i->failures++;
    i->retry_us = now + sink_backoff_us(i->failures, i->id);
    b->retry_us = i->retry_us < b->retry_us ? i->retry_us : b->retry_us;
    return 0;
}

static int refused(struct core_bans *b, struct item *i, struct slice why, struct err *err)
{
    const struct ban words = { .status = arena_slice(b->batch->arena, why) };

    if (note_order(b, i, "dead", why, err) < 0)
        return err_code(err);
    i->owed = BAN_OWES_NOTHING;
    if (i->gone ? bans_put_owed(b, i, words.status, err) < 0
                : bans_put(b, i, BAN_REFUSED, &words, err) < 0)
        return err_code(err);
    bans_forget(b, i);
    return 0;
}

/* What the blocker found, or it is new: it hears of everything, and of what it had not answered. */
static void lost(struct core_bans *b)
{
    core_bans_line_gone(b);
    b->line = true;
    b->syncing = SYNC_WANTED;
    b->allow_owed = b->config->bans.allow_names.n > 0;
}

int core_bans_result(struct core_bans *b, const struct ban_result *r, struct err *err)
{
    struct slice why = slice_of(r->why, strnlen(r->why, sizeof r->why));
    struct item *i = table_get(b->by_id, slice_of((const char *)&r->id, sizeof r->id));

    if (r->said == BAN_LOST) {
        lost(b);
        return 0;
    }
    if (!i)
        return 0;
    b->nsent -= i->sent;
    i->sent = false;
    if (i->overtaken) {
        bans_forget(b, i);
        return 0;
    }
    if (i->fresh || i->again) { /* the answer is about what it was */
        i->again = false;
        if (!i->fresh && i->owed)
            bans_queue(b, i);
        return 0;
    }
    if (r->said == BAN_NO)
        return refused(b, i, why, err);
    if (i->owed == BAN_OWES_NOTHING) /* of a sync */
        return 0;
    return r->said == BAN_DONE ? done(b, i, why, err) : failed(b, i, why, err);
}
