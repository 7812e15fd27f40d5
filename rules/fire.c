/* What is told: alerts of events and of groups, and firings as events for further correlations. */
#include "base/hash.h"
#include "rules/window.h"
#include "schemas/event-pack.h"

#define GROUP_SEPARATOR '\x1f'

struct slice event_value(const struct event *ev, uint32_t id, struct slice name)
{
    const struct field *f = id != FIELD_OTHER ? event_get(ev, id) : event_get_named(ev, name);

    return f && f->type != VALUE_NULL ? f->value : SLICE_NONE;
}

/* ---- keys of groups ---- */

bool group_key_splits(struct slice value)
{
    return value.n && memchr(value.p, GROUP_SEPARATOR, value.n);
}

void group_key_add(struct buf *key, size_t i, struct slice value)
{
    if (i)
        buf_char(key, GROUP_SEPARATOR);
    if (!group_key_splits(value)) {
        buf_slice(key, value);
        return;
    }
    for (size_t j = 0; j < value.n; j++) {
        if (value.p[j] == GROUP_SEPARATOR)
            buf_char(key, GROUP_SEPARATOR);
        buf_char(key, value.p[j]);
    }
}

bool group_key(const struct correlation *c, uint32_t part, const struct event *ev, struct buf *b)
{
    for (size_t i = 0; i < c->ngroups; i++) {
        struct slice v = event_value(ev, c->groups[i].fields[part], c->groups[i].names[part]);

        if (!v.p || v.n == 0)
            return false;
        group_key_add(b, i, v);
    }
    return buf_ok(b);
}

/* The i-th value of an encoded key, decoded into `out`. */
static void group_value(struct slice key, size_t i, struct buf *out)
{
    for (size_t j = 0; j < key.n; j++) {
        bool separator = key.p[j] == GROUP_SEPARATOR;

        if (separator && j + 1 < key.n && key.p[j + 1] == GROUP_SEPARATOR)
            j++;
        else if (separator) {
            if (i-- == 0)
                return;
            continue;
        }
        if (i == 0)
            buf_char(out, key.p[j]);
    }
}

/* ---- alerts ---- */

static bool copy_text(struct arena *a, struct slice *s)
{
    *s = arena_slice(a, *s);
    return s->p != NULL;
}

static bool copy_lists(struct alert *alert, const struct rule *rule, struct arena *a)
{
    alert->ntags = rule->info.ntags;
    alert->tags = arena_array(a, alert->ntags + 1, sizeof *alert->tags);
    alert->nnotify = rule->response.nnotify;
    alert->notify = arena_array(a, alert->nnotify + 1, sizeof *alert->notify);
    if (!alert->tags || !alert->notify)
        return false;
    for (size_t i = 0; i < alert->ntags; i++)
        alert->tags[i] = rule->info.tags[i];
    for (size_t i = 0; i < alert->nnotify; i++)
        alert->notify[i] = rule->response.notify[i];
    return true;
}

struct alert *alert_of_rule(const struct rule *rule, const struct event *ev, struct arena *a)
{
    struct alert *alert = arena_alloc(a, sizeof *alert);

    if (!alert || !copy_lists(alert, rule, a))
        return NULL;
    alert->rule_id = rule->info.id; /* the rules outlive the batch */
    alert->rule_title = rule->info.title;
    alert->rule_author = rule->info.author;
    alert->rule_file = rule->info.file;
    alert->rule_description = rule->info.description;
    memcpy(alert->rule_digest, rule->info.digest, sizeof alert->rule_digest);
    alert->level = rule->info.level;
    alert->audit = rule->response.audit;
    alert->channel = ev->channel;
    alert->time_us = alert->first_us = ev->time_us;
    alert->count = 1;
    alert->trust = ev->trust;
    alert->backfill = (ev->flags & EVENT_BACKFILL) != 0;
    alert->key = ev->key;
    event_hash(ev, alert->event_hash);
    alert->ban.wanted = rule->response.ban_us != 0;
    alert->ban.for_us = rule->response.ban_us;
    alert->ban.dry_run = rule->response.ban_dry_run;
    alert->ban.protocol = rule->response.ban_protocol;
    memcpy(alert->ban.ports, rule->response.ban_ports, sizeof alert->ban.ports);
    alert->ban.field = rule->response.ban_field;
    if (alert->ban.wanted)
        alert->ban.address = event_value(ev, rule->response.ban_id, rule->response.ban_field);
    if (!alert->ban.address.p)
        alert->ban.address = SLICE("");
    return copy_text(a, &alert->channel) && copy_text(a, &alert->ban.address) ? alert : NULL;
}

bool alert_add_evidence(struct alert *alert, struct arena *a, struct slice pack)
{
    AUTO_BUF text = BUF_INIT;

    if (!alert->evidence)
        alert->evidence = arena_array(a, ALERT_EVIDENCE_MAX, sizeof *alert->evidence);
    if (!alert->evidence)
        return false;
    event_pack_json(pack, &text);
    if (!buf_ok(&text) || text.n == 0 || alert->nevidence == ALERT_EVIDENCE_MAX)
        return buf_ok(&text);
    alert->evidence[alert->nevidence] = arena_slice(a, buf_view(&text));
    return alert->evidence[alert->nevidence++].p != NULL;
}

static bool set_group(struct alert *alert, const struct correlation *c, struct slice key,
                      struct arena *a)
{
    alert->group = arena_array(a, c->ngroups + 1, sizeof *alert->group);
    if (!alert->group)
        return false;
    for (size_t i = 0; i < c->ngroups; i++) {
        AUTO_BUF v = BUF_INIT;

        group_value(key, i, &v);
        alert->group[i].name = c->groups[i].name;
        alert->group[i].value = arena_slice(a, buf_view(&v));
        if (!buf_ok(&v) || !alert->group[i].value.p)
            return false;
    }
    alert->ngroup = c->ngroups;
    return true;
}

/* What time alone fires is told as of the last event of the group. */
static struct event event_of_time(const struct rule *rule, const struct group *g,
                                  const struct evidence *evidence, const struct cause *cause,
                                  struct arena *a)
{
    struct stamp last = { .time_us = 0 };
    struct event ev = { .time_us = cause->time_us,
                        .trust = TRUST_RECORD,
                        .channel = rule->info.logsource ? rule->info.logsource->product : SLICE(""),
                        .raw = key_of_group(g),
                        .arena = a };
    struct slice channel;

    if (g->n)
        stamp_unpack(g, g->n - 1u, &last);
    ev.key = last.key;
    channel = g->n ? event_pack_channel(evidence_get(evidence, last.evidence), a) : SLICE("");
    if (channel.n)
        ev.channel = channel;
    if (!ev.channel.p)
        ev.channel = SLICE("");
    return ev;
}

/* A ban is for the value that all events of the group have. */
static void ban_of_group(struct alert *alert)
{
    for (size_t i = 0; i < alert->ngroup; i++)
        if (alert->ban.wanted && alert->ban.address.n == 0 &&
            slice_eq(alert->group[i].name, alert->ban.field))
            alert->ban.address = alert->group[i].value;
}

struct alert *alert_of_group(const struct rule *rule, const struct group *g,
                             const struct evidence *evidence, const struct cause *cause,
                             const struct number *value, struct arena *a)
{
    struct event time;
    const struct event *ev = cause->event;
    struct alert *alert;

    if (!ev) {
        time = event_of_time(rule, g, evidence, cause, a);
        ev = &time;
    }
    alert = alert_of_rule(rule, ev, a);
    if (!alert || !set_group(alert, rule->correlation, key_of_group(g), a))
        return NULL;
    ban_of_group(alert);
    alert->window_us = rule->info.window_us;
    alert->count = value->i > 0 ? (uint64_t)value->i : (uint64_t)(value->d > 0 ? value->d : 0);
    alert->threshold = threshold_of(rule->correlation);
    alert->lower_bound = g->lower_bound;
    alert->first_us = g->n ? group_at(g, 0)->time_us : ev->time_us;
    for (size_t i = 0; i < g->n; i++) {
        const struct packed_stamp *s = group_at(g, i);

        if (s->trust < alert->trust)
            alert->trust = (enum trust)s->trust;
        if (i + ALERT_EVIDENCE_MAX >= g->n &&
            !alert_add_evidence(alert, a, evidence_get(evidence, s->evidence)))
            return NULL;
    }
    alert_identify(alert);
    return alert;
}

struct event *event_of_alert(const struct rules *r, const struct rule *rule,
                             const struct alert *alert, struct arena *a)
{
    struct event *ev = arena_alloc(a, sizeof *ev);

    if (!ev)
        return NULL;
    *ev = (struct event){ .time_us = alert->time_us,
                          .channel = alert->channel,
                          .format = SLICE(""),
                          .input = SLICE(""),
                          .key = alert->key,
                          .trust = alert->trust,
                          .flags = alert->backfill ? EVENT_BACKFILL : 0,
                          .raw = rule->info.title,
                          .arena = a };
    for (size_t i = 0; i < alert->ngroup; i++)
        if (event_add(ev, field_find(r->names, alert->group[i].name), alert->group[i].name,
                      VALUE_STRING, alert->group[i].value) < 0)
            return NULL;
    return ev;
}
