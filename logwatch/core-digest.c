#include "logwatch/core-digest.h"

#include <errno.h>

#include "audit/anchor.h"
#include "base/num.h"
#include "logwatch/core-entry.h"
#include "logwatch/core-summary.h"
#include "logwatch/core-tell.h"

#define ALERTS_MAX 200000 /* that are counted; more is said */
#define BANS_SHOWN 10
#define MINUTE_US (60 * USEC_PER_SEC)

/* ---- when ---- */

static void name_of(const struct config_digest *d, struct buf *out)
{
    buf_printf(out, "digest %s %u %u %s", d->weekly ? "week" : "day", d->weekday, d->at_min,
               d->zone ? d->zone : "UTC");
    for (size_t i = 0; i < d->notify.n; i++)
        buf_printf(out, " %s", d->notify.items[i]);
    buf_char(out, '\0');
}

/* When the last one was; 0 = there was none. */
static uint64_t last_us(struct store *store, const struct config_digest *d)
{
    AUTO_BUF name = BUF_INIT;
    AUTO_BUF value = BUF_INIT;
    uint64_t v = 0;

    name_of(d, &name);
    if (!buf_ok(&name) || store_meta_get(store, name.p, &value) < 0 ||
        parse_u64(buf_view(&value), 0, UINT64_MAX, &v) < 0)
        return 0;
    return v;
}

static int set_last(struct store *store, const struct config_digest *d, uint64_t us,
                    struct err *err)
{
    AUTO_BUF name = BUF_INIT;
    AUTO_BUF value = BUF_INIT;

    name_of(d, &name);
    buf_u64(&value, us);
    if (!buf_ok(&name) || !buf_ok(&value))
        return err_nomem(err);
    return store_meta_set(store, name.p, buf_view(&value), err);
}

uint64_t core_digest_due_us(const struct digest_from *from)
{
    uint64_t due = UINT64_MAX;

    for (size_t i = 0; i < from->config->ndigests; i++) {
        uint64_t last = last_us(from->store, &from->config->digests[i]), when = 0;

        if (last)
            when = config_digest_next_us(&from->config->digests[i], last);
        due = when < due ? when : due;
    }
    return due;
}

/* ---- what ---- */

struct digest {
    const struct digest_from *from;
    const struct config_digest *d;
    struct batch *batch;
    struct summary *summary;
    uint64_t since_us, until_us;
    struct slice bans[BANS_SHOWN];
    uint64_t nbans;
    struct err *err;
};

/* "source.ip=192.0.2.1 user.name=x": the value of a name. A blank in a value ends it here. */
static struct slice value_of(struct slice group, const char *name)
{
    struct slice part;

    while (slice_split(&group, ' ', &part)) {
        struct slice value = part, key;

        if (slice_split(&value, '=', &key) && slice_is(key, name))
            return value;
    }
    return SLICE("");
}

static int on_alert(void *ctx, const struct alert_row *row)
{
    struct digest *g = ctx;
    const struct outbox_row as = { .key = row->id,
                                   .rule = row->rule,
                                   .title = row->title,
                                   .source = value_of(row->group, "source.ip"),
                                   .user = value_of(row->group, "user.name"),
                                   .incident = row->incident,
                                   .level = row->level,
                                   .created_us = row->time_us };

    return summary_add(g->summary, &as);
}

static void begin_table(struct json_writer *w, const char *title)
{
    json_object(w);
    json_member_str(w, "title", title);
    json_key(w, "rows");
    json_array(w);
}

static void end_table(struct json_writer *w, uint64_t more)
{
    json_array_end(w);
    json_member_u64(w, "more", more);
    json_object_end(w);
}

static void put_row(struct json_writer *w, struct slice name, struct buf *value)
{
    json_object(w);
    json_member_slice(w, "name", name);
    json_member_buf(w, "value", value);
    json_object_end(w);
    buf_reset(value);
}

static int on_ban(void *ctx, const struct ban *ban)
{
    struct digest *g = ctx;
    char text[BAN_TEXT_SIZE];

    ban_target_text(&ban->target, text);
    if (g->nbans < BANS_SHOWN)
        g->bans[g->nbans] = arena_slice(g->batch->arena, slice_str(text));
    g->nbans++;
    return 0;
}

/* Newest first. */
static void put_bans(struct digest *g, struct json_writer *w)
{
    AUTO_BUF value = BUF_INIT;
    const struct ban_filter f = { .since_us = g->since_us,
                                  .until_us = g->until_us,
                                  .limit = ALERTS_MAX };
    size_t shown;

    if (store_bans_each(g->from->store, &f, on_ban, g, NULL) < 0 || g->nbans == 0)
        return;
    shown = g->nbans < BANS_SHOWN ? (size_t)g->nbans : BANS_SHOWN;
    begin_table(w, "Bans");
    for (size_t i = 0; i < shown; i++) {
        buf_str(&value, "banned");
        put_row(w, g->bans[i], &value);
    }
    end_table(w, g->nbans - shown);
}

struct counting {
    struct digest *g;
    struct json_writer *w;
    uint64_t states[DELIVERY_STATES];
};

static int count_row(void *ctx, const struct outbox_row *row)
{
    struct counting *c = ctx;

    c->states[row->state]++;
    return 0;
}

static void put_receiver(struct digest *g, struct slice receiver, struct json_writer *w)
{
    struct counting c = { .g = g };
    const struct outbox_filter f = {
        .receiver = receiver, .since_us = g->since_us, .until_us = g->until_us, .limit = ALERTS_MAX
    };
    AUTO_BUF value = BUF_INIT;

    if (store_outbox_list(g->from->store, &f, count_row, &c, NULL) < 0)
        return;
    buf_printf(&value, "%llu sent", (unsigned long long)c.states[DELIVERY_SENT]);
    for (int i = 0; i < DELIVERY_STATES; i++)
        if (i != DELIVERY_SENT && c.states[i])
            buf_printf(&value, ", %llu %s", (unsigned long long)c.states[i],
                       delivery_state_name((enum delivery_state)i));
    put_row(w, receiver, &value);
}

static void put_receivers(struct digest *g, struct json_writer *w)
{
    const struct config *c = g->from->config;

    begin_table(w, "Messages");
    for (size_t i = 0; i < c->nsinks; i++)
        put_receiver(g, slice_str(c->sinks[i].name), w);
    end_table(w, 0);
}

static int on_input(void *ctx, const struct input_health *h)
{
    struct counting *c = ctx;
    AUTO_BUF value = BUF_INIT;

    for (unsigned i = 0; i < TROUBLES; i++)
        if (h->trouble & 1u << i)
            buf_printf(&value, "%s%s", value.n ? ", " : "", trouble_name(1u << i));
    if (!value.n)
        buf_str(&value, "well");
    if (h->last_event_us && h->last_event_us < c->g->until_us) {
        buf_str(&value, ", last event ");
        buf_duration(&value, (c->g->until_us - h->last_event_us) / MINUTE_US * MINUTE_US);
        buf_str(&value, " before");
    }
    put_row(c->w, h->input, &value);
    return 0;
}

static void put_channels(struct digest *g, struct json_writer *w)
{
    struct counting c = { .g = g, .w = w };

    begin_table(w, "Channels");
    (void)store_inputs_each(g->from->store, on_input, &c, NULL);
    end_table(w, 0);
}

static void put_trail(struct digest *g, struct json_writer *w)
{
    struct audit_checkpoint_says says;
    AUTO_BUF value = BUF_INIT;

    if (audit_note_read(audit_note(g->from->audit), &says) < 0)
        return;
    begin_table(w, "Audit trail");
    buf_u64(&value, says.size);
    put_row(w, SLICE("Entries"), &value);
    buf_slice(&value, says.root);
    put_row(w, SLICE("Root"), &value);
    end_table(w, 0);
}

static void more_tables(void *ctx, struct json_writer *w)
{
    struct digest *g = ctx;

    put_bans(g, w);
    put_receivers(g, w);
    put_channels(g, w);
    put_trail(g, w);
}

static int document_of(struct digest *g, struct slice key, struct slice *ret)
{
    struct alert_filter f = {
        .since_us = g->since_us, .until_us = g->until_us, .level_min = -1, .limit = ALERTS_MAX
    };
    struct summary_head h = { .kind = g->d->weekly ? "weekly" : "daily",
                              .key = key,
                              .why = SLICE(""), /* the kind says it */
                              .from_us = g->since_us,
                              .to_us = g->until_us,
                              .more = more_tables,
                              .ctx = g };
    int r = store_alerts_each(g->from->store, &f, on_alert, g, g->err);

    if (r == 0)
        r = summary_write(g->summary, &h, g->batch->arena, ret);
    return r == -ENOMEM ? err_nomem(g->err) : r;
}

static int put_rows(struct digest *g, struct slice key, struct slice document)
{
    for (size_t i = 0; i < g->d->notify.n; i++) {
        struct outgoing *o = batch_outgoing(g->batch);

        if (!o)
            return err_nomem(g->err);
        *o = (struct outgoing){ .key = key,
                                .receiver = slice_str(g->d->notify.items[i]),
                                .kind = SLICE("notify"),
                                .document = document,
                                .reason = g->d->weekly ? SLICE("weekly") : SLICE("daily"),
                                .title =
                                    g->d->weekly ? SLICE("Weekly summary") : SLICE("Daily summary"),
                                .level = LEVEL_INFORMATIONAL,
                                .not_before_us = g->until_us,
                                .expires_us = g->until_us + OUTBOX_EXPIRES_US };
    }
    return 0;
}

static int send_digest(struct digest *g)
{
    AUTO(summary) summary = summary_new();
    struct slice document;
    char text[TIME_TEXT_SIZE];
    char *key;

    time_text(g->until_us, text);
    key = arena_printf(g->batch->arena, "sum-%s-%s", g->d->weekly ? "week" : "day", text);
    if (!summary || !key)
        return err_nomem(g->err);
    g->summary = summary;
    if (document_of(g, slice_str(key), &document) < 0)
        return err_code(g->err);
    return put_rows(g, slice_str(key), document);
}

int core_digest_tick(const struct digest_from *from, struct batch *b, uint64_t now_us,
                     struct err *err)
{
    for (size_t i = 0; i < from->config->ndigests; i++) {
        const struct config_digest *d = &from->config->digests[i];
        struct digest g = { .from = from, .d = d, .batch = b, .err = err };
        uint64_t next;

        g.since_us = last_us(from->store, d);
        g.until_us = g.since_us;
        if (!g.since_us) {
            if (set_last(from->store, d, now_us, err) < 0)
                return err_code(err);
            continue;
        }
        while ((next = config_digest_next_us(d, g.until_us)) <= now_us && next > g.until_us)
            g.until_us = next; /* after days off there is one, of all that time */
        if (g.until_us == g.since_us)
            continue;
        if (send_digest(&g) < 0 || set_last(from->store, d, g.until_us, err) < 0)
            return err_code(err);
    }
    return 0;
}
