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

static void free_value(struct connection *c, struct slice *v)
{
    c->bytes -= v->n;
    free((char *)(uintptr_t)v->p);
    *v = SLICE_NONE;
}

struct connection *f2b_connection_new(const struct fail2ban *f)
{
    return calloc(1, offsetof(struct connection, groups.v) + f->nnames * sizeof(struct slice));
}

void f2b_connection_free(struct connection *c)
{
    if (!c)
        return;
    for (uint64_t set = c->set; set; set &= set - 1)
        free_value(c, &c->groups.v[__builtin_ctzll(set)]);
    for (size_t i = 0; i < c->nusers; i++)
        free_value(c, &c->users[i]);
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

bool f2b_connection_value(struct connection *c, struct slice *into, struct slice v)
{
    v = slice_take(v, VALUE_KEPT_MAX);
    if (into->p && slice_eq(*into, v))
        return true;
    free_value(c, into);
    into->p = slice_dup(v);
    into->n = into->p ? v.n : 0;
    c->bytes += into->n;
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
    return f2b_connection_value(c, &c->users[c->nusers - 1], user);
}

/* ---- the connections of a state ---- */

static void *take_out(struct fail2ban_state *s, struct slice id)
{
    struct connection *c = s->connections ? table_remove(s->connections, id) : NULL;

    if (c)
        s->bytes -= c->bytes;
    return c;
}

static struct connection *known(struct fail2ban_state *s, struct slice id)
{
    struct connection *c = s && s->connections ? table_get(s->connections, id) : NULL;

    if (!c || c->until_us > s->clock_us)
        return c;
    f2b_connection_free(take_out(s, id));
    return NULL;
}

/* The oldest go first, and with the first that must all that have run out. */
static void make_room(struct fail2ban_state *s, size_t connections, size_t bytes)
{
    struct slice key;
    void *value;

    for (size_t i = 0; (table_count(s->connections) > connections || s->bytes > bytes) &&
                       table_count(s->connections) > 1 &&
                       table_next(s->connections, &i, &key, &value);)
        f2b_connection_free(take_out(s, key));
}

static void drop_old(struct fail2ban_state *s)
{
    struct slice key;
    void *value;

    for (size_t i = 0; table_next(s->connections, &i, &key, &value);) {
        struct connection *c = value;

        if (c->until_us > s->clock_us)
            return;
        f2b_connection_free(take_out(s, key));
    }
}

int f2b_connection_put(struct fail2ban_state *s, struct connection *c)
{
    if (!s->connections && !(s->connections = table_new(CONNECTIONS_MAX)))
        return -ENOMEM;
    if (table_count(s->connections) >= CONNECTIONS_MAX)
        drop_old(s);
    make_room(s, CONNECTIONS_MAX - 1, SIZE_MAX);
    if (table_put(s->connections, c->groups.v[NAME_MLFID], c) < 0)
        return -ENOMEM;
    s->bytes += c->bytes;
    return 0;
}

static void part_with(struct fail2ban_scratch *s, struct connection *c)
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
        if (!f2b_connection_value(c, &c->groups.v[i], m->groups->v[i]))
            return false;
        c->set |= UINT64_C(1) << i;
    }
    return true;
}

/* Of the state before, only what the last line said counts. */
static void forget_signs(struct connection *c, struct signs *signs)
{
    signs->was_nofail = truthy(c->groups.v[NAME_NOFAIL]) || truthy(c->groups.v[NAME_MLFGAINED]);
    free_value(c, &c->groups.v[NAME_NOFAIL]);
    free_value(c, &c->groups.v[NAME_MLFGAINED]);
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
    struct connection *c = &m->scratch->passing;

    memcpy(c->groups.v, m->groups->v, m->f->nnames * sizeof *m->groups->v);
    c->pending = false;
    c->matches = c->nofail_matches = 0;
    count_matches(c, signs, m->matched);
    return c;
}

/* What the line adds to what is known. */
static bool add(struct connection *c, const struct merging *m, struct signs *signs)
{
    if (!add_user(c, m->groups->v[NAME_USER]) || !take_groups(c, m))
        return false;
    if (c->pending || c->nusers > 1) {
        free_value(c, &c->groups.v[NAME_NOFAIL]);
        free_value(c, &c->groups.v[NAME_MLFGAINED]);
        signs->nofail = signs->gained = false;
    }
    c->pending = false;
    count_matches(c, signs, m->matched);
    return true;
}

static struct connection *first_line(const struct merging *m, struct signs *signs)
{
    struct connection *c = f2b_connection_new(m->f);

    if (!c)
        return NULL;
    c->until_us = m->state->clock_us + CONNECTION_US;
    if (!add(c, m, signs)) {
        f2b_connection_free(c);
        return NULL;
    }
    if (m->groups->v[NAME_MLFID].n > VALUE_KEPT_MAX || f2b_connection_put(m->state, c) < 0)
        part_with(m->scratch, c);
    return c;
}

static struct connection *next_line(const struct merging *m, struct signs *signs,
                                    struct connection *c)
{
    size_t before = c->bytes;
    bool added;

    forget_signs(c, signs);
    added = add(c, m, signs);
    m->state->bytes += c->bytes - before;
    if (signs->forget)
        part_with(m->scratch, take_out(m->state, m->groups->v[NAME_MLFID]));
    return added ? c : NULL;
}

/*
 * Connections run out by the time of their own lines. Other lines must not count: which of them are
 * read at all depends on blocks. Nor must what is not kept over a restart: without a connection
 * time begins anew.
 */
static void advance(struct fail2ban_state *s, uint64_t time_us)
{
    bool any = s->connections && table_count(s->connections);

    if (time_us && (!any || time_us > s->clock_us))
        s->clock_us = time_us;
    else if (!any)
        s->clock_us = 0;
}

struct connection *f2b_connection_merge(const struct merging *m)
{
    struct signs signs = signs_of(m->groups);
    struct connection *c;

    if (m->state)
        advance(m->state, m->time_us);
    if (m->state && m->state->bytes > STATE_BYTES_MAX)
        make_room(m->state, SIZE_MAX, STATE_BYTES_MAX);
    c = known(m->state, m->groups->v[NAME_MLFID]);
    if (!m->state || (!c && signs.forget))
        return passing(m, &signs);
    return c ? next_line(m, &signs, c) : first_line(m, &signs);
}
