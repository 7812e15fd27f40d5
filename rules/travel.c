/*
 * Travel: where a user was before, and how fast he must have come from there.
 *
 * A detection that asks for geo.distance_km, geo.speed_kmh or geo.prev_country is
 * matched in two steps. The reader, which remembers nothing, takes these fields
 * for possible; here they are computed from the last place of the user in an event
 * that came so far, and the whole condition is asked. Places are known by
 * source.geo.*, users by user.name; who has neither place nor country is nowhere.
 *
 * The place is kept as a signal of the rule, so it survives restarts.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>

#include "base/num.h"
#include "rules/correlate-private.h"
#include "rules/match.h"

#define EARTH_KM 6371.0
#define KEEP_US (UINT64_C(30) * 24 * 3600 * USEC_PER_SEC) /* where he was before is forgotten */
#define KEY_MARK '\x1e' /* apart from the groups of `suppress` */

bool travel_asked(const struct node *n)
{
    if (n->kind == NODE_PREDICATE)
        return predicate_is_derived(n->predicate);
    for (size_t i = 0; i < n->n; i++)
        if (travel_asked(n->children[i]))
            return true;
    return false;
}

bool travel_may_hold(struct rules_scratch *s, const struct node *n, const struct event *ev,
                     bool unknown)
{
    if (n->kind == NODE_PREDICATE)
        return predicate_is_derived(n->predicate) ? unknown : node_holds(s, n, ev);
    if (n->kind == NODE_NOT)
        return !travel_may_hold(s, n->children[0], ev, !unknown);
    for (size_t i = 0; i < n->n; i++)
        if (travel_may_hold(s, n->children[i], ev, unknown) == (n->kind == NODE_OR))
            return n->kind == NODE_OR;
    return n->kind == NODE_AND;
}

/* ---- places ---- */

static bool coordinate(struct slice text, double limit, double *ret)
{
    return text.n && parse_double(text, ret) == 0 && *ret >= -limit && *ret <= limit;
}

static void place_of(const struct event *ev, struct place *ret)
{
    struct slice country = event_text(ev, FIELD_SOURCE_GEO_COUNTRY_ISO_CODE);

    *ret = (struct place){ .time_us = event_time_us(ev) };
    ret->located = coordinate(event_text(ev, FIELD_SOURCE_GEO_LOCATION_LAT), 90, &ret->lat) &&
                   coordinate(event_text(ev, FIELD_SOURCE_GEO_LOCATION_LON), 180, &ret->lon);
    if (country.n < sizeof ret->country && country.n)
        memcpy(ret->country, country.p, country.n);
}

/* "DE", or "DE 52.5200 13.4050". */
static void place_text(const struct place *p, struct buf *out)
{
    buf_str(out, p->country[0] ? p->country : "-");
    if (p->located)
        buf_printf(out, " %.4f %.4f", p->lat, p->lon);
}

static bool place_parse(struct slice text, uint64_t time_us, struct place *ret)
{
    struct slice country, lat, lon;

    *ret = (struct place){ .time_us = time_us };
    if (!slice_split(&text, ' ', &country) || country.n >= sizeof ret->country)
        return false;
    if (!slice_is(country, "-"))
        memcpy(ret->country, country.p, country.n);
    ret->located = slice_split(&text, ' ', &lat) && slice_split(&text, ' ', &lon) &&
                   coordinate(lat, 90, &ret->lat) && coordinate(lon, 180, &ret->lon);
    return true;
}

/* Great circle (haversine); the Earth is a ball here, which is wrong by half a percent at most. */
static double distance_km(const struct place *a, const struct place *b)
{
    double radian = acos(-1.0) / 180, x = sin((b->lat - a->lat) * radian / 2),
           y = sin((b->lon - a->lon) * radian / 2);
    double h = x * x + cos(a->lat * radian) * cos(b->lat * radian) * y * y;

    return 2 * EARTH_KM * asin(sqrt(h < 1 ? h : 1));
}

/* ---- the second step ---- */

static int add_number(struct event *ev, enum field_id field, double value)
{
    char text[32];
    int n = snprintf(text, sizeof text, "%.0f", value);
    struct slice s = arena_slice(ev->arena, slice_of(text, (size_t)n));

    return s.p ? event_set(ev, field, s) : -ENOMEM;
}

/* In less than a second nobody travels: two places at once are as fast as one second allows. */
static int derive(struct event *ev, const struct place *from, const struct place *to)
{
    double hours = (double)(to->time_us - from->time_us) / (double)USEC_PER_SEC / 3600;
    double km;
    int e = 0;

    if (from->country[0])
        e = event_set(ev, FIELD_GEO_PREV_COUNTRY, arena_slice(ev->arena, slice_str(from->country)));
    if (!from->located || !to->located || e == -ENOMEM)
        return e;
    km = distance_km(from, to);
    e = add_number(ev, FIELD_GEO_DISTANCE_KM, km);
    if (e == 0)
        e = add_number(ev, FIELD_GEO_SPEED_KMH, km / (hours > 1.0 / 3600 ? hours : 1.0 / 3600));
    return e;
}

static bool travel_key(struct slice user, struct buf *out)
{
    buf_char(out, KEY_MARK);
    buf_slice(out, user);
    return buf_ok(out);
}

static struct group *travel_group(struct correlator *c, size_t rule, struct slice user)
{
    AUTO_BUF key = BUF_INIT;
    struct group *g = travel_key(user, &key) ? correlator_group(c, rule, buf_view(&key)) : NULL;

    if (!g || !group_more(&c->slab, g))
        return NULL;
    if (!g->more->place)
        g->more->place = slab_piece(&c->slab, sizeof *g->more->place);
    return g->more->place ? g : NULL;
}

static int remember(struct taking *t, size_t rule, struct group *g, const struct place *to)
{
    AUTO_BUF text = BUF_INIT;
    struct heard group = { .text = key_of_group(g) }, place = { .field = FIELD_OTHER };
    struct signal *s;

    place_text(to, &text);
    place.text = buf_view(&text);
    s = buf_ok(&text) ? correlator_signal(t, rule, to->time_us, &t->ev->key, &group, &place) : NULL;
    if (!s)
        return -ENOMEM;
    s->keep_us = KEEP_US;
    *g->more->place = *to;
    g->last_us = to->time_us;
    return 0;
}

static int whole_condition_holds(struct correlator *c, size_t rule, const struct event *ev)
{
    if (!c->scratch)
        c->scratch = rules_scratch_new(c->rules);
    if (!c->scratch)
        return -ENOMEM;
    scratch_take(c->scratch, ev);
    return node_holds(c->scratch, c->rules->list[rule].condition, ev);
}

int travel_take(struct taking *t, size_t rule, struct event *ret)
{
    struct slice user = event_text(t->ev, FIELD_USER_NAME);
    struct place to, from;
    struct group *g;

    place_of(t->ev, &to);
    if (user.n == 0 || (!to.located && !to.country[0]))
        return 0;
    g = travel_group(t->c, rule, user);
    if (!g)
        return -ENOMEM;
    from = *g->more->place;
    if (from.time_us > to.time_us)
        return 0; /* late: he was elsewhere since */
    if (remember(t, rule, g, &to) < 0)
        return -ENOMEM;
    *ret = *t->ev;
    ret->arena = t->b->arena;
    ret->fields_cap = ret->nfields; /* its fields stay the reader's: ours go to a copy */
    if (from.time_us && from.time_us + KEEP_US > to.time_us && derive(ret, &from, &to) == -ENOMEM)
        return -ENOMEM;
    return whole_condition_holds(t->c, rule, ret);
}

int travel_restore(struct correlator *c, size_t rule, const struct signal *s)
{
    struct place place;
    struct group *g;

    if (s->group.n < 2 || s->group.p[0] != KEY_MARK || !place_parse(s->value, s->time_us, &place))
        return 0;
    g = travel_group(c, rule, slice_skip(s->group, 1));
    if (!g)
        return -ENOMEM;
    if (place.time_us >= g->more->place->time_us) {
        *g->more->place = place;
        g->last_us = place.time_us;
    }
    return 1;
}
