/* What of an event counts, and for which group: its key, its value, the signal that says so. */
#include <errno.h>

#include "rules/correlate-private.h"

/* ---- what is asked of the event ---- */

static uint64_t heard_hash(struct heard *h)
{
    if (!h->hashed) {
        h->hash = table_hash(h->text);
        h->hashed = true;
    }
    return h->hash;
}

/* A field of the event. NULL: the rules ask for more of them than are remembered. */
static struct heard *hear(struct taking *t, uint32_t field, struct slice name)
{
    struct heard *h = &t->heard[t->nheard];
    struct slice text;

    for (unsigned i = 0; i < t->nheard; i++)
        if (t->heard[i].field == field)
            return &t->heard[i];
    if (t->nheard == HEARD_MAX || field == FIELD_OTHER)
        return NULL;
    t->nheard++;
    text = event_value(t->ev, field, name);
    *h = (struct heard){ .field = field,
                         .text = text.p ? text : SLICE(""),
                         .joined = group_key_splits(text) };
    return h;
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

struct signal *correlator_signal(struct taking *t, size_t rule, uint64_t time_us,
                                 const struct source_key *key, struct heard *group,
                                 struct heard *value)
{
    struct signal *s = batch_signal(t->b);

    if (!s || !keep_evidence(t))
        return NULL;
    memcpy(s->rule, t->c->rules->list[rule].signal_id, sizeof s->rule);
    s->time_us = time_us;
    s->keep_us = t->c->rules->list[rule].keep_us;
    s->key = *key;
    s->group = keep(t, group);
    s->value = value ? keep(t, value) : SLICE("");
    s->evidence = t->evidence;
    return s->group.p && s->value.p ? s : NULL;
}

/* ---- entries ---- */

/* What the group points to is far away: it comes while the signal is made. */
static void fetch(const struct group *g)
{
    __builtin_prefetch(g->more);
    __builtin_prefetch(g->more + 1);
    if (g->list_log)
        __builtin_prefetch(group_at(g, g->n));
}

/* In the ring, once for all that the event counts for. */
static int share_evidence(struct taking *t, struct stamp *s)
{
    if (!evidence_has(&t->c->evidence, t->ref) &&
        evidence_put(&t->c->evidence, t->evidence, &t->ref) < 0)
        return -ENOMEM;
    s->evidence = t->ref;
    return 0;
}

/* Its signal, then the entry. */
static int enter(struct taking *t, size_t index, struct heard *key, struct heard *value,
                 struct stamp *s)
{
    const struct rule *rule = &t->c->rules->list[index];
    struct groups *w = &t->c->groups[index];
    uint32_t tag = (uint32_t)heard_hash(key), record = groups_find(w, &t->c->slab, key->text, tag);
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
    signal = g ? correlator_signal(t, index, s->time_us, &s->key, key, value) : NULL;
    if (!signal || share_evidence(t, s) < 0)
        return -ENOMEM;
    signal->part = s->part;
    return group_take(t, rule, g, s, t->b->nsignals - 1);
}

static int listen_to(struct taking *t, size_t index, uint32_t part, struct heard *key,
                     struct heard *value)
{
    const struct correlation *c = t->c->rules->list[index].correlation;
    struct stamp s = { .time_us = event_time_us(t->ev),
                       .part = (uint16_t)part,
                       .trust = (uint8_t)t->ev->trust,
                       .key = t->ev->key };

    if (value)
        stamp_value(c, value, &s);
    if (c->type == CORRELATE_VALUE_NEW && s.value == 0)
        return 0; /* an empty value is no value */
    return enter(t, index, key, value, &s);
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
static int listen_joined(struct taking *t, size_t index, uint32_t part)
{
    const struct correlation *c = t->c->rules->list[index].correlation;
    AUTO_BUF key_text = BUF_INIT;
    AUTO_BUF value_texts = BUF_INIT;
    struct heard key = { .field = FIELD_OTHER }, value = { .field = FIELD_OTHER };

    if (!group_key(c, part, t->ev, &key_text)) {
        t->c->stats.no_group += buf_ok(&key_text);
        return buf_ok(&key_text) ? 0 : -ENOMEM;
    }
    value_text(c, t->ev, &value_texts);
    if (!buf_ok(&value_texts))
        return -ENOMEM;
    key.text = buf_view(&key_text);
    value.text = buf_view(&value_texts);
    return listen_to(t, index, part, &key, &value);
}

/* Most rules group by one field and count events or the values of one other. */
int correlator_listen(struct taking *t, size_t index, uint32_t part)
{
    const struct correlation *c = t->c->rules->list[index].correlation;
    bool plain = c->ngroups == 1 && c->nvalues <= 1;
    struct heard *key = plain ? hear(t, c->groups[0].fields[part], c->groups[0].names[part]) : NULL;
    struct heard *value = key && c->nvalues ? hear(t, c->values[0], c->value_names[0]) : NULL;

    if (!key || key->joined || (c->nvalues && !value))
        return listen_joined(t, index, part);
    if (key->text.n == 0) {
        t->c->stats.no_group++;
        return 0;
    }
    return listen_to(t, index, part, key, value);
}
