#include "notifiers/blockers/standing.h"

#include <string.h>

#include "base/table.h"

struct standing {
    struct table *table;
};

/* What tells one target from another, without padding. */
struct key {
    uint8_t bytes[3 + 16 + 2 * BAN_PORTS_MAX];
};

static struct slice key_of(const struct ban_target *t, struct key *k)
{
    k->bytes[0] = t->net.net.family;
    k->bytes[1] = t->net.bits;
    k->bytes[2] = t->protocol;
    memcpy(k->bytes + 3, t->net.net.bytes, 16);
    memcpy(k->bytes + 19, t->ports, sizeof t->ports);
    return slice_of((const char *)k->bytes, sizeof k->bytes);
}

struct standing *standing_new(void)
{
    struct standing *s = calloc(1, sizeof *s);

    if (!s)
        return NULL;
    s->table = table_new(0);
    if (!s->table) {
        free(s);
        return NULL;
    }
    return s;
}

void standing_clear(struct standing *s)
{
    struct slice key;
    void *value;

    for (size_t i = 0; table_next(s->table, &i, &key, &value);)
        free(value);
    table_clear(s->table);
}

void standing_free(struct standing *s)
{
    if (!s)
        return;
    standing_clear(s);
    table_free(s->table);
    free(s);
}

size_t standing_count(const struct standing *s)
{
    return table_count(s->table);
}

struct standing_entry *standing_get(const struct standing *s, const struct ban_target *t)
{
    struct key k;

    return table_get(s->table, key_of(t, &k));
}

struct standing_entry *standing_put(struct standing *s, const struct ban_target *t,
                                    uint64_t until_us)
{
    struct standing_entry *e = standing_get(s, t);
    struct key k;

    if (!e) {
        e = calloc(1, sizeof *e);
        if (!e)
            return NULL;
        e->target = *t;
        if (table_put(s->table, key_of(t, &k), e) < 0) {
            free(e);
            return NULL;
        }
    }
    e->until_us = until_us;
    return e;
}

void standing_remove(struct standing *s, const struct ban_target *t)
{
    struct key k;

    free(table_remove(s->table, key_of(t, &k)));
}

struct standing_entry *standing_next(const struct standing *s, size_t *i)
{
    struct slice key;
    void *value;

    return table_next(s->table, i, &key, &value) ? value : NULL;
}

void standing_sweep(struct standing *s, uint64_t mono_us)
{
    struct standing_entry *e;

    for (size_t i = 0; (e = standing_next(s, &i));)
        if (e->until_us <= mono_us) {
            struct ban_target t = e->target;

            standing_remove(s, &t);
        }
}
