#include "logwatch/core-entry.h"

#include <errno.h>

bool entry_keep(struct arena *a, const struct buf *b, struct slice *ret)
{
    if (!buf_ok(b))
        return false;
    *ret = arena_slice(a, buf_view(b));
    return ret->p != NULL;
}

/* ---- what can be erased ---- */

static bool listed(const struct option_strs *list, struct slice name)
{
    for (size_t i = 0; i < list->n; i++)
        if (slice_is(name, list->items[i]))
            return true;
    return false;
}

bool entry_is_personal(const struct config *c, struct slice field)
{
    uint32_t id = field_find(c->engine->names, field);

    if (listed(&c->public_fields, field))
        return false;
    return id >= FIELD_DICTIONARY || field_is_pii(id) || listed(&c->personal_fields, field);
}

/* Room for n personal values. */
static bool room(struct batch *b, struct entry *e, size_t n)
{
    e->pii = arena_array(b->arena, n, sizeof *e->pii);
    return e->pii != NULL;
}

static bool add_pii(struct batch *b, struct entry *e, struct slice name, struct slice value)
{
    if (value.n == 0)
        return true;
    for (size_t i = 0; i < e->npii; i++)
        if (slice_eq(e->pii[i].name, name))
            return true;
    e->pii[e->npii].name = arena_slice(b->arena, name);
    e->pii[e->npii].value = arena_slice(b->arena, value);
    return e->pii[e->npii].name.p && e->pii[e->npii++].value.p;
}

bool entry_personal(struct batch *b, struct entry *e, struct slice name, struct slice value)
{
    struct entry_pii *before = e->pii;
    size_t n = e->npii;

    if (value.n == 0)
        return true;
    if (!room(b, e, n + 1))
        return false;
    if (n)
        memcpy(e->pii, before, n * sizeof *before);
    return add_pii(b, e, name, value);
}

/* ---- alerts ---- */

/* The raw events, as one JSON array. */
static bool add_evidence(struct batch *b, struct entry *e, const struct alert *alert)
{
    AUTO_BUF text = BUF_INIT;

    buf_char(&text, '[');
    for (size_t i = 0; i < alert->nevidence; i++) {
        if (i)
            buf_char(&text, ',');
        buf_slice(&text, alert->evidence[i]);
    }
    buf_char(&text, ']');
    return buf_ok(&text) && add_pii(b, e, SLICE("events"), buf_view(&text));
}

static bool add_group(struct batch *b, struct entry *e, const struct config *c,
                      const struct alert *alert)
{
    if (!room(b, e, alert->ngroup + 1))
        return false;
    for (size_t i = 0; i < alert->ngroup; i++)
        if (entry_is_personal(c, alert->group[i].name) &&
            !add_pii(b, e, alert->group[i].name, alert->group[i].value))
            return false;
    return add_evidence(b, e, alert);
}

/* What of ATT&CK it is, for programs that ask. */
static void put_tags(const struct alert *alert, struct json_writer *w)
{
    if (alert->ntags == 0)
        return;
    json_key(w, "tags");
    json_array(w);
    for (size_t i = 0; i < alert->ntags; i++)
        json_put_slice(w, alert->tags[i]);
    json_array_end(w);
}

/* Values of the group that name nobody stay for ever: "group":{"host.name":"fra-1"}. */
static void public_group(const struct config *c, const struct alert *alert, struct json_writer *w)
{
    bool any = false;

    for (size_t i = 0; i < alert->ngroup; i++) {
        if (entry_is_personal(c, alert->group[i].name))
            continue;
        if (!any) {
            json_key(w, "group");
            json_object(w);
        }
        any = true;
        json_key_slice(w, alert->group[i].name);
        json_put_slice(w, alert->group[i].value);
    }
    if (any)
        json_object_end(w);
}

int entry_of_alert(struct batch *b, const struct config *c, const struct alert *alert)
{
    struct entry *e = batch_entry(b, "alert");
    AUTO_BUF members = BUF_INIT;
    AUTO_BUF text = BUF_INIT;
    struct json_writer w = json_writer(&members);

    if (!e)
        return -ENOMEM;
    buf_hex(&text, alert->id, sizeof alert->id);
    json_member_buf(&w, "id", &text);
    json_member_slice(&w, "rule", alert->rule_id);
    json_member_slice(&w, "title", alert->rule_title);
    buf_reset(&text);
    buf_hex(&text, alert->rule_digest, sizeof alert->rule_digest);
    json_member_buf(&w, "rule_sha256", &text);
    json_member_str(&w, "level", level_name(alert->level));
    put_tags(alert, &w);
    json_member_slice(&w, "channel", alert->channel);
    json_member_time(&w, "time", alert->time_us);
    json_member_u64(&w, "count", alert->count);
    json_member_bool(&w, "backfill", alert->backfill);
    buf_reset(&text);
    buf_source_key(&text, &alert->key);
    json_member_buf(&w, "key", &text);
    public_group(c, alert, &w);
    return entry_keep(b->arena, &members, &e->members) && add_group(b, e, c, alert) ? 0 : -ENOMEM;
}

/* ---- the others ---- */

int entry_of_event(struct batch *b, const struct event *ev)
{
    struct entry *e = batch_entry(b, "event");
    AUTO_BUF members = BUF_INIT;
    AUTO_BUF key = BUF_INIT;
    AUTO_BUF document = BUF_INIT;
    struct json_writer w = json_writer(&members);
    struct json_writer dw = json_writer(&document);

    if (!e)
        return -ENOMEM;
    buf_source_key(&key, &ev->key);
    json_member_slice(&w, "channel", ev->channel);
    json_member_time(&w, "time", ev->time_us);
    json_member_slice(&w, "action", event_text(ev, FIELD_EVENT_ACTION));
    json_member_buf(&w, "key", &key);
    event_json(ev, &dw);
    return buf_ok(&document) && entry_keep(b->arena, &members, &e->members) && room(b, e, 1) &&
                   add_pii(b, e, SLICE("event"), buf_view(&document))
               ? 0
               : -ENOMEM;
}

/* A blocker's answer may repeat the address, which belongs behind the TAB. */
void entry_mask(struct buf *out, struct slice status, struct slice address)
{
    size_t at;

    while (address.n && (at = slice_find(status, address)) != SIZE_MAX) {
        buf_slice(out, slice_take(status, at));
        buf_str(out, "(address)");
        status = slice_skip(status, at + address.n);
    }
    buf_slice(out, status);
}

int entry_of_delivery(struct batch *b, const struct core_delivery *d)
{
    struct entry *e = batch_entry(b, "delivery");
    AUTO_BUF members = BUF_INIT;
    struct json_writer w = json_writer(&members);

    if (!e)
        return -ENOMEM;
    json_member_slice(&w, "id", d->key);
    json_member_slice(&w, "receiver", d->receiver);
    json_member_str(&w, "state", delivery_state_name(d->state));
    json_member_u64(&w, "attempt", d->attempts);
    json_member_slice(&w, "status", d->status);
    return entry_keep(b->arena, &members, &e->members) ? 0 : -ENOMEM;
}

int entry_of_refused_ban(struct batch *b, const struct alert *alert, struct slice id,
                         const char *why)
{
    struct entry *e = batch_entry(b, "ban.skipped");
    AUTO_BUF members = BUF_INIT;
    struct json_writer w = json_writer(&members);

    if (!e)
        return -ENOMEM;
    json_member_slice(&w, "id", id);
    json_member_str(&w, "reason", why);
    return entry_keep(b->arena, &members, &e->members) && room(b, e, 1) &&
                   add_pii(b, e, SLICE("address"), alert->ban.address)
               ? 0
               : -ENOMEM;
}
