/*
 * The memory of one line, and what lines leave to those behind them, packed: numbers of eight
 * bytes, the lowest first, and texts with their length in front.
 *
 *     1, digest of the filter, clock, last time
 *     lines: number, each text
 *     connections, the oldest first: number, each: until, pending, matches, nofail matches,
 *         number of users, each text; set of names, each text (the first bit: it is set now)
 *
 * A packed state comes from our own database; it is checked like anything foreign all the same.
 */
#include <errno.h>

#include "base/hash.h"
#include "parsers/fail2ban/private.h"

#define LAYOUT 1

struct fail2ban_scratch *fail2ban_scratch_new(void)
{
    AUTO(fail2ban_scratch) s = calloc(1, sizeof *s);

    if (!s)
        return NULL;
    s->regex = regex_scratch_new();
    s->result = arena_new(4 << 10, 4 << 20);
    return s->regex && s->result ? TAKE(s) : NULL;
}

void fail2ban_scratch_free(struct fail2ban_scratch *s)
{
    if (!s)
        return;
    regex_scratch_free(s->regex);
    f2b_connection_free(s->parting);
    arena_free(s->result);
    buf_fini(&s->text);
    buf_fini(&s->content);
    buf_fini(&s->lower);
    free(s);
}

uint64_t fail2ban_given_up(const struct fail2ban_scratch *s)
{
    return s->given_up;
}

struct fail2ban_state *fail2ban_state_new(const struct fail2ban *f)
{
    AUTO(fail2ban_state) s = calloc(1, sizeof *s);

    if (!s)
        return NULL;
    s->filter = f;
    if (f->maxlines > 1) {
        s->kept = arena_new(4 << 10, 4 << 20);
        s->spare = arena_new(4 << 10, 4 << 20);
        if (!s->kept || !s->spare)
            return NULL;
    }
    return TAKE(s);
}

void fail2ban_state_free(struct fail2ban_state *s)
{
    if (!s)
        return;
    f2b_connections_free(s->connections);
    arena_free(s->kept);
    arena_free(s->spare);
    free(s);
}

/* Names by their number, and the expressions. */
uint64_t f2b_digest(const struct fail2ban *f)
{
    AUTO_BUF b = BUF_INIT;
    uint8_t h[SHA256_SIZE];
    uint64_t n = 0;

    for (size_t i = 0; i < f->nnames; i++)
        buf_printf(&b, "%s\n", f->names[i]);
    for (size_t i = 0; i < f->nfail; i++) {
        buf_slice(&b, f->fail[i].source);
        buf_char(&b, '\n');
    }
    buf_u64(&b, f->maxlines);
    sha256(buf_view(&b).p, buf_view(&b).n, h);
    for (size_t i = 0; i < 8; i++)
        n = n << 8 | h[i];
    return n;
}

/* ---- packing ---- */

static void put_number(struct buf *out, uint64_t n)
{
    for (unsigned i = 0; i < 8; i++, n >>= 8)
        buf_char(out, (char)(n & 0xff));
}

static void put_text(struct buf *out, struct slice s)
{
    put_number(out, s.n);
    buf_slice(out, s);
}

static void put_connection(const struct connection *c, struct buf *out)
{
    put_number(out, c->until_us);
    put_number(out, c->pending);
    put_number(out, c->matches);
    put_number(out, c->nofail_matches);
    put_number(out, c->nusers);
    for (size_t i = 0; i < c->nusers; i++)
        put_text(out, c->users[i]);
    put_number(out, c->set);
    for (uint64_t set = c->set; set; set &= set - 1) {
        struct slice v = c->groups.v[__builtin_ctzll(set)];

        put_number(out, v.p != NULL);
        put_text(out, v);
    }
}

static size_t count_connections(const struct fail2ban_state *s)
{
    return s->connections ? table_count(s->connections) : 0;
}

int fail2ban_state_pack(const struct fail2ban_state *s, struct buf *out)
{
    struct slice key;
    void *c;

    if (s->nlines == 0 && s->last_us == 0 && count_connections(s) == 0)
        return 0;
    put_number(out, LAYOUT);
    put_number(out, s->filter->digest);
    put_number(out, s->clock_us);
    put_number(out, s->last_us);
    put_number(out, s->nlines);
    for (size_t i = 0; i < s->nlines; i++)
        put_text(out, s->lines[i]);
    put_number(out, count_connections(s));
    for (size_t i = 0; s->connections && table_next(s->connections, &i, &key, &c);)
        put_connection(c, out);
    return buf_ok(out) ? 0 : -ENOMEM;
}

/* ---- unpacking ---- */

struct packed {
    struct slice rest;
    bool bad;
};

static uint64_t get_number(struct packed *p, uint64_t max)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < 8 && p->rest.n >= 8; i++)
        n |= (uint64_t)(unsigned char)p->rest.p[i] << 8 * i;
    p->bad = p->bad || p->rest.n < 8 || n > max;
    p->rest = slice_skip(p->rest, 8);
    return p->bad ? 0 : n;
}

static struct slice get_text(struct packed *p, size_t max)
{
    size_t n = get_number(p, max);
    struct slice s = slice_take(p->rest, n);

    p->bad = p->bad || s.n < n;
    p->rest = slice_skip(p->rest, n);
    return s;
}

static int get_lines(struct packed *p, struct fail2ban_state *s)
{
    size_t n = get_number(p, s->filter->maxlines);

    if (p->bad || n == 0 || !s->kept)
        return p->bad || n ? -EINVAL : 0;
    s->lines = arena_array(s->kept, n, sizeof *s->lines);
    for (size_t i = 0; s->lines && i < n; i++) {
        s->lines[i] = arena_slice(s->kept, get_text(p, REGEX_TEXT_MAX));
        if (!s->lines[i].p)
            return -ENOMEM;
    }
    s->nlines = n;
    return s->lines ? 0 : -ENOMEM;
}

static bool get_value(struct packed *p, struct connection *c, struct slice *into, bool there)
{
    struct slice v = get_text(p, VALUE_KEPT_MAX);

    return p->bad || !there || f2b_connection_value(c, into, v);
}

static bool fill_connection(struct packed *p, const struct fail2ban *f, struct connection *c)
{
    bool room = true;

    c->until_us = get_number(p, UINT64_MAX);
    c->pending = get_number(p, 1);
    c->matches = (unsigned)get_number(p, UINT_MAX);
    c->nofail_matches = (unsigned)get_number(p, UINT_MAX);
    c->nusers = get_number(p, USERS_MAX);
    for (size_t i = 0; i < c->nusers && room; i++)
        room = get_value(p, c, &c->users[i], true);
    c->set = get_number(p, f->nnames < 64 ? (UINT64_C(1) << f->nnames) - 1 : UINT64_MAX);
    for (uint64_t set = c->set; set && room; set &= set - 1) {
        bool there = get_number(p, 1);

        room = get_value(p, c, &c->groups.v[__builtin_ctzll(set)], there);
    }
    p->bad = p->bad || !c->groups.v[NAME_MLFID].p;
    return room;
}

static int get_connection(struct packed *p, struct fail2ban_state *s)
{
    struct connection *c = f2b_connection_new(s->filter);
    int r = c && fill_connection(p, s->filter, c) ? 0 : -ENOMEM;

    if (r == 0)
        r = p->bad ? -EINVAL : f2b_connection_put(s, c);
    if (r < 0)
        f2b_connection_free(c);
    return r;
}

int fail2ban_state_unpack(struct fail2ban_state *s, struct slice packed)
{
    struct packed p = { packed, false };
    size_t n;
    int r;

    if (get_number(&p, UINT64_MAX) != LAYOUT || get_number(&p, UINT64_MAX) != s->filter->digest)
        return -EINVAL;
    s->clock_us = get_number(&p, UINT64_MAX);
    s->last_us = get_number(&p, UINT64_MAX);
    r = get_lines(&p, s);
    n = r == 0 ? get_number(&p, CONNECTIONS_MAX) : 0;
    for (size_t i = 0; r == 0 && i < n; i++)
        r = get_connection(&p, s);
    return r < 0 ? r : p.bad || p.rest.n ? -EINVAL : 0;
}
