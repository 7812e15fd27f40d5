/* Entries, packed: what the type of the rule asks for, and nothing else. */
#include "rules/window.h"

#define TIME_MAX ((UINT64_C(1) << 62) - 1)

enum number_kind {
    NUMBER_NONE,
    NUMBER_INTEGER,
    NUMBER_LARGE,
    NUMBER_FRACTION,
};

struct stamp_tag {
    uint16_t part;
    uint8_t number_kind, unused[5];
};

/* The pieces of an entry by their places; NULL = it has no such piece. */
struct pieces {
    struct stamp_tag *tag;
    uint64_t *value;
    struct source_key *key;
};

/* It is judged when time passes, or when an event is over: then the last entry stands for it. */
static bool asks_key(const struct rule *rule)
{
    const struct correlation *c = rule->correlation;

    return c->judged_at_end || rule->response.for_us || c->type == CORRELATE_EVENT_ABSENT ||
           c->type == CORRELATE_EVENT_RATIO;
}

static bool asks_parts(const struct correlation *c)
{
    return c->text || c->type == CORRELATE_TEMPORAL || c->type == CORRELATE_TEMPORAL_ORDERED ||
           c->type == CORRELATE_EVENT_RATIO;
}

struct shape shape_of(const struct rule *rule)
{
    const struct correlation *c = rule->correlation;
    struct shape shape = { .stamp_bytes = sizeof(struct packed_stamp), .alone = !c };

    if (!c)
        return shape;
    if (correlation_is_numeric(c) || asks_parts(c)) {
        shape.pieces |= STAMP_TAG;
        shape.stamp_bytes += sizeof(struct stamp_tag);
    }
    if (correlation_is_numeric(c) || c->type == CORRELATE_VALUE_COUNT) {
        shape.pieces |= STAMP_VALUE;
        shape.stamp_bytes += sizeof(uint64_t);
    }
    if (asks_key(rule)) {
        shape.pieces |= STAMP_KEY;
        shape.stamp_bytes += sizeof(struct source_key);
    }
    return shape;
}

static struct pieces pieces_of(struct shape shape, struct packed_stamp *e)
{
    char *at = (char *)(e + 1);
    struct pieces p = { 0 };

    if (shape.pieces & STAMP_TAG) {
        p.tag = (struct stamp_tag *)at;
        at += sizeof *p.tag;
    }
    if (shape.pieces & STAMP_VALUE) {
        p.value = (uint64_t *)at;
        at += sizeof *p.value;
    }
    if (shape.pieces & STAMP_KEY)
        p.key = (struct source_key *)at;
    return p;
}

static void pack_number(const struct number *n, struct pieces *p)
{
    p->tag->number_kind = n->integer ? NUMBER_INTEGER : n->large ? NUMBER_LARGE : NUMBER_FRACTION;
    if (n->integer)
        memcpy(p->value, &n->i, sizeof n->i);
    else if (n->large)
        *p->value = n->u;
    else
        memcpy(p->value, &n->d, sizeof n->d);
}

static struct number unpack_number(const struct pieces *p)
{
    struct number n = { .integer = p->tag->number_kind == NUMBER_INTEGER,
                        .large = p->tag->number_kind == NUMBER_LARGE };

    if (n.integer) {
        memcpy(&n.i, p->value, sizeof n.i);
        n.d = (double)n.i;
    } else if (n.large) {
        n.u = *p->value;
        n.d = (double)n.u;
    } else {
        memcpy(&n.d, p->value, sizeof n.d);
    }
    return n;
}

void stamp_pack(struct shape shape, struct packed_stamp *e, const struct stamp *s)
{
    struct pieces p;

    *e = (struct packed_stamp){ .time_us =
                                    (s->time_us < TIME_MAX ? s->time_us : TIME_MAX) & TIME_MAX,
                                .trust = s->trust & 3u,
                                .evidence = s->evidence };
    if (!shape.pieces)
        return;
    p = pieces_of(shape, e);
    if (p.tag)
        *p.tag = (struct stamp_tag){ .part = s->part };
    if (p.value && !p.tag)
        *p.value = s->value;
    else if (p.value && s->value)
        pack_number(&s->number, &p);
    if (p.key)
        *p.key = s->key;
}

void stamp_unpack(const struct group *g, size_t i, struct stamp *ret)
{
    struct packed_stamp *e = group_at(g, i);
    struct pieces p = pieces_of(g->shape, e);

    *ret = (struct stamp){ .time_us = e->time_us, .evidence = e->evidence, .trust = e->trust };
    if (p.tag)
        ret->part = p.tag->part;
    if (p.value && !p.tag)
        ret->value = *p.value;
    else if (p.value && p.tag->number_kind != NUMBER_NONE) {
        ret->value = 1;
        ret->number = unpack_number(&p);
    }
    if (p.key)
        ret->key = *p.key;
}
