/* What of an event counts, and for which group: its key, its value, the signal that says so. */
#include <errno.h>

#include "rules/correlate-private.h"

/* ---- what is asked of the event ---- */

/*
 * Rules that listen to one match mostly ask for the same few fields, so each is found, hashed and
 * copied once for all of them. What is asked for beyond these is read anew for each rule.
 */
#define HEARD_MAX 4
struct hearing {
    uint64_t time_us; /* of the event */
    unsigned n;
    struct heard list[HEARD_MAX];
};

static uint64_t heard_hash(struct heard *h)
{
    if (!h->hashed) {
        h->hash = table_hash(h->text);
        h->hashed = true;
    }
    return h->hash;
}

static bool is_joined(struct heard *h)
{
    if (!h->looked) {
        h->joined = group_key_splits(h->text);
        h->looked = true;
    }
    return h->joined;
}

static struct heard *hear_first(const struct event *ev, struct hearing *h, uint32_t field)
{
    struct slice text;

    if (h->n == HEARD_MAX || field == FIELD_OTHER)
        return NULL;
    text = event_text(ev, field);
    h->list[h->n] = (struct heard){ .field = field, .text = text.p ? text : SLICE("") };
    return &h->list[h->n++];
}

/* A field of the event. NULL: the rules ask for more of them than are remembered. */
static struct heard *hear(const struct event *ev, struct hearing *h, uint32_t field)
{
    for (unsigned i = 0; i < h->n; i++)
        if (h->list[i].field == field)
            return &h->list[i];
    return hear_first(ev, h, field);
}

void stamp_value(const struct correlation *c, struct heard *value, struct stamp *s)
{
    if (value->text.n == 0)
        s->value = 0;
    else if (correlation_is_numeric(c))
        s->value = number_parse(value->text, &s->number);
    else
        s->value = heard_hash(value) ? heard_hash(value) : 1;
}

uint64_t event_time_us(const struct event *ev)
{
    bool ahead = ev->received_us && ev->time_us > ev->received_us + FUTURE_US;

    return ahead ? ev->received_us : ev->time_us;
}

/* ---- signals ---- */

/* In the batch, once for all signals of a match. */
static struct slice keep(struct taking *t, struct heard *h)
{
    if (!h->kept.p)
        h->kept = arena_slice(t->b->arena, h->text);
    return h->kept;
}

static bool keep_evidence(struct taking *t)
{
    if (!t->kept)
        t->evidence = arena_slice(t->b->arena, t->evidence.p ? t->evidence : SLICE(""));
    t->kept = t->evidence.p != NULL;
    return t->kept;
}

static ALWAYS_INLINE struct signal *add_signal(struct taking *t, const struct rule *rule,
                                               uint64_t time_us, const struct source_key *key,
                                               struct heard *group, struct heard *value)
{
    struct signal *s;

    if (t->b->unasked)
        return t->b->unasked;
    s = batch_signal(t->b);
    if (!s || !keep_evidence(t))
        return NULL;
    memcpy(s->rule, rule->signal_id, sizeof s->rule);
    s->time_us = time_us;
    s->keep_us = rule->keep_us;
    s->key = *key;
    s->group = keep(t, group);
    s->value = value ? keep(t, value) : SLICE("");
    s->evidence = t->evidence;
    return s->group.p && s->value.p ? s : NULL;
}

struct signal *correlator_signal(struct taking *t, size_t rule, uint64_t time_us,
                                 const struct source_key *key, struct heard *group,
                                 struct heard *value)
{
    return add_signal(t, &t->c->rules->list[rule], time_us, key, group, value);
}

/* ---- entries ---- */

/* What the group points to is far away: it comes while the signal is made. */
static void fetch(const struct group *g)
{
    __builtin_prefetch(g->more);
    __builtin_prefetch(g->more + 1);
    if (g->list_log) {
        __builtin_prefetch(group_at(g, 0));
        __builtin_prefetch(group_at(g, g->n));
    }
}

/* Its signal, then the entry. */
static int enter(struct taking *t, const struct rule *rule, struct heard *key, struct heard *value,
                 struct stamp *s)
{
    uint32_t index = rule_index(t->c, rule), tag = (uint32_t)heard_hash(key);
    struct groups *w = &t->c->groups[index];
    uint32_t record = groups_find(w, &t->c->slab, key->text, tag);
    struct group *g = record ? slab_at(&t->c->slab, record) : NULL;
    struct signal *signal;

    if (g)
        fetch(g);
    if (g && group_is_past(rule, g, s->time_us)) {
        t->c->stats.late++;
        return 0;
    }
    if (g)
        groups_touch(w, &t->c->slab, record);
    else
        g = correlator_add_group(t->c, index, key->text, tag);
    signal = g ? add_signal(t, rule, s->time_us, &s->key, key, value) : NULL;
    if (!signal || evidence_put(&t->c->evidence, index, t->evidence, &t->ref) < 0)
        return -ENOMEM;
    s->evidence = t->ref;
    signal->part = s->part;
    return group_take(t, rule, g, s, t->b->nsignals - 1);
}

static int listen_to(struct taking *t, const struct rule *rule, struct stamp *s, struct heard *key,
                     struct heard *value)
{
    if (value)
        stamp_value(rule->correlation, value, s);
    if (rule->correlation->type == CORRELATE_VALUE_NEW && s->value == 0)
        return 0; /* an empty value is no value */
    return enter(t, rule, key, value, s);
}

/* Several values, joined. */
static void value_text(const struct correlation *c, const struct event *ev, struct buf *b)
{
    for (size_t i = 0; i < c->nvalues; i++) {
        if (i)
            buf_char(b, '\x1f');
        buf_slice(b, event_value(ev, c->values[i], c->value_names[i]));
    }
}

/* Keys and values that are made of several, or written otherwise than in the event. */
static int listen_joined(struct taking *t, const struct rule *rule, struct stamp *s)
{
    AUTO_BUF key_text = BUF_INIT;
    AUTO_BUF value_texts = BUF_INIT;
    struct heard key = { .field = FIELD_OTHER }, value = { .field = FIELD_OTHER };

    if (!group_key(rule->correlation, s->part, t->ev, &key_text)) {
        t->c->stats.no_group += buf_ok(&key_text);
        return buf_ok(&key_text) ? 0 : -ENOMEM;
    }
    value_text(rule->correlation, t->ev, &value_texts);
    if (!buf_ok(&value_texts))
        return -ENOMEM;
    key.text = buf_view(&key_text);
    value.text = buf_view(&value_texts);
    return listen_to(t, rule, s, &key, &value);
}

/* Most rules group by one field and count events or the values of one other. */
static int listen(struct taking *t, struct hearing *h, const struct rule *rule, uint32_t part)
{
    const struct correlation *c = rule->correlation;
    bool plain = c->ngroups == 1 && c->nvalues <= 1;
    struct heard *key = NULL, *value = NULL;
    struct stamp s = { .time_us = h->time_us,
                       .part = (uint16_t)part,
                       .trust = (uint8_t)t->ev->trust,
                       .key = t->ev->key };

    if (plain)
        key = hear(t->ev, h, c->groups[0].fields[part]);
    if (key && c->nvalues)
        value = hear(t->ev, h, c->values[0]);
    if (!key || is_joined(key) || (c->nvalues && !value))
        return listen_joined(t, rule, &s);
    if (key->text.n == 0) {
        t->c->stats.no_group++;
        return 0;
    }
    return listen_to(t, rule, &s, key, value);
}

int correlator_tell(struct taking *t, const struct rule *rule)
{
    const struct rule *list = t->c->rules->list;
    UNINITIALIZED struct hearing h;
    int e = 0;

    h.n = 0;
    h.time_us = event_time_us(t->ev);
    for (size_t i = 0; e == 0 && i < rule->nlisteners; i++)
        if (!list[rule->listeners[i]].broken)
            e = listen(t, &h, &list[rule->listeners[i]], rule->listener_parts[i]);
    return e;
}
