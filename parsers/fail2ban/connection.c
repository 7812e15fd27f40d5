/*
 * What several lines of one connection say together.
 *
 * The connection is known by the text of its F-MLFID group. A line may bring the user, another the
 * address; a failure without an address waits for it (pending), an address without a failure
 * (F-NOFAIL) waits for that. F-MLFFORGET ends the connection, F-MLFGAINED says that the log-in
 * came about: it takes back what was pending, unless several users were tried.
 */
#include <errno.h>

#include "parsers/fail2ban/private.h"

static void free_value(struct slice *v)
{
    free((char *)(uintptr_t)v->p);
    *v = SLICE_NONE;
}

void f2b_connection_free(struct connection *c)
{
    if (!c)
        return;
    for (uint64_t set = c->set; set; set &= set - 1)
        free_value(&c->groups.v[__builtin_ctzll(set)]);
    for (size_t i = 0; i < c->nusers; i++)
        free_value(&c->users[i]);
    free(c);
}

void f2b_connections_free(struct table *t)
{
    struct slice key;
    void *value;

    if (!t)
        return;
    for (size_t i = 0; table_next(t, &i, &key, &value);)
        f2b_connection_free(value);
    table_free(t);
}

static bool set_value(struct slice *into, struct slice v)
{
    v = slice_take(v, VALUE_KEPT_MAX);
    if (into->p && slice_eq(*into, v))
        return true;
    free_value(into);
    into->p = slice_dup(v);
    into->n = into->p ? v.n : 0;
    return into->p != NULL;
}

static bool truthy(struct slice v)
{
    return v.p && v.n;
}

static bool add_user(struct connection *c, struct slice user)
{
    user = slice_take(user, VALUE_KEPT_MAX);
    if (!truthy(user) || c->nusers == USERS_MAX)
        return true;
    for (size_t i = 0; i < c->nusers; i++)
        if (slice_eq(c->users[i], user))
            return true;
    c->nusers++;
    return set_value(&c->users[c->nusers - 1], user);
}

/* ---- the connections of a state ---- */

static struct connection *known(struct fail2ban_state *s, struct slice id, uint64_t now_us)
{
    struct connection *c = table_get(s->connections, id);

    if (!c || c->until_us > now_us)
        return c;
    f2b_connection_free(table_remove(s->connections, id));
    return NULL;
}

/* The oldest go, and with them all that have run out. */
static void make_room(struct table *t, uint64_t now_us)
{
    struct slice key;
    void *value;

    if (table_count(t) < CONNECTIONS_MAX)
        return;
    for (size_t i = 0; table_next(t, &i, &key, &value);) {
        struct connection *c = value;
        bool alive = c->until_us > now_us;

        table_remove(t, key);
        f2b_connection_free(c);
        if (alive)
            break;
    }
}

static bool remember(const struct merging *m, struct slice id, struct connection *c)
{
    make_room(m->s->connections, m->now_us);
    c->until_us = m->now_us + CONNECTION_US;
    return table_put(m->s->connections, id, c) == 0;
}

static void part_with(struct fail2ban_state *s, struct connection *c)
{
    f2b_connection_free(s->parting);
    s->parting = c;
}

/* ---- merging ---- */

struct signs {
    bool nofail, forget, gained, was_nofail;
};

static struct signs signs_of(struct groups *g)
{
    struct signs s = { .gained = truthy(g->v[NAME_MLFGAINED]),
                       .forget = truthy(g->v[NAME_MLFFORGET]) };

    if (s.gained && !truthy(g->v[NAME_NOFAIL]))
        g->v[NAME_NOFAIL] = g->v[NAME_MLFGAINED];
    s.nofail = truthy(g->v[NAME_NOFAIL]);
    g->v[NAME_MLFFORGET] = SLICE_NONE;
    return s;
}

static bool take_groups(struct connection *c, const struct merging *m)
{
    for (size_t i = 0; i < m->f->nnames; i++) {
        if (!m->groups->v[i].p)
            continue;
        if (!set_value(&c->groups.v[i], m->groups->v[i]))
            return false;
        c->set |= UINT64_C(1) << i;
    }
    return true;
}

/* Of the state before, only what the last line said counts. */
static void forget_signs(struct connection *c, struct signs *signs)
{
    signs->was_nofail = truthy(c->groups.v[NAME_NOFAIL]) || truthy(c->groups.v[NAME_MLFGAINED]);
    free_value(&c->groups.v[NAME_NOFAIL]);
    free_value(&c->groups.v[NAME_MLFGAINED]);
    if (signs->gained)
        c->pending = false;
    if (!signs->was_nofail && !c->pending)
        c->matches = 0; /* they were part of a failure already */
}

static void count_matches(struct connection *c, const struct signs *signs, unsigned matched)
{
    if (!signs->nofail) {
        c->matches += c->nofail_matches + (signs->gained ? 0 : matched);
        c->nofail_matches = 0;
    } else if (!signs->forget) {
        c->nofail_matches += matched;
    }
}

/* A connection that ends with its first line is never kept: its groups stay those of the line. */
static struct connection *passing(const struct merging *m, const struct signs *signs)
{
    struct connection *c = &m->s->passing;

    memcpy(c->groups.v, m->groups->v, m->f->nnames * sizeof *m->groups->v);
    c->pending = false;
    c->matches = c->nofail_matches = 0;
    count_matches(c, signs, m->matched);
    return c;
}

struct connection *f2b_connection_merge(const struct merging *m)
{
    struct slice id = m->groups->v[NAME_MLFID];
    struct signs signs = signs_of(m->groups);
    struct connection *c = known(m->s, id, m->now_us);
    bool had = c != NULL;

    if (!had && signs.forget)
        return passing(m, &signs);
    if (!had)
        c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    if (!had && (id.n > VALUE_KEPT_MAX || !remember(m, id, c)))
        part_with(m->s, c);
    else if (had && signs.forget)
        part_with(m->s, table_remove(m->s->connections, id));
    if (had)
        forget_signs(c, &signs);
    if (!add_user(c, m->groups->v[NAME_USER]) || !take_groups(c, m))
        return NULL;
    if (c->pending || c->nusers > 1) {
        free_value(&c->groups.v[NAME_NOFAIL]);
        free_value(&c->groups.v[NAME_MLFGAINED]);
        signs.nofail = signs.gained = false;
    }
    c->pending = false;
    count_matches(c, &signs, m->matched);
    return c;
}
