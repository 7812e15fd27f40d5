/* Which routes take an alert, and what else the configuration says about it. */
#include "notifiers/route.h"

#include "notifiers/route-private.h"

int route_each(const struct routing *r, const struct alert *alert, struct arena *a,
               int (*fn)(void *ctx, const struct route *route), void *ctx)
{
    int said = 0;

    if (alert->nnotify)
        return 0;
    for (size_t i = 0; said == 0 && i < r->nroutes; i++) {
        if (!matcher_fits(&r->routes[i].when, alert, a))
            continue;
        said = fn(ctx, &r->routes[i]);
        if (!r->routes[i].go_on)
            break;
    }
    return said;
}

/* ---- groups ---- */

/* Blanks, = and \ of a value are escaped: no two groups give the same text. */
static bool add_escaped(void *ctx, struct slice value)
{
    struct buf *out = ctx;

    for (size_t i = 0; i < value.n; i++) {
        if (strchr(" =\\", value.p[i]) && value.p[i])
            buf_char(out, '\\');
        buf_char(out, value.p[i]);
    }
    return true;
}

static void add_part(struct slice name, const struct alert *alert, struct slice incident,
                     struct buf *out)
{
    const struct {
        const char *name;
        struct slice value;
    } own[] = {
        { "rule", alert->rule_id },
        { "channel", alert->channel },
        { "level", slice_str(level_name(alert->level)) },
        { "incident", incident },
    };

    buf_slice(out, name);
    buf_char(out, '=');
    for (size_t i = 0; i < ARRAY_SIZE(own); i++)
        if (slice_is(name, own[i].name)) {
            (void)add_escaped(out, own[i].value);
            return;
        }
    /* Without a host the event is of this one. */
    (void)alert_field(alert, slice_is(name, "host") ? SLICE("host.name") : name, add_escaped, out);
}

void route_group(const struct route *route, const struct alert *alert, struct slice incident,
                 struct arena *a UNUSED, struct buf *out)
{
    for (size_t i = 0; i < route->group.n; i++) {
        if (i)
            buf_char(out, ' ');
        add_part(slice_str(route->group.items[i]), alert, incident, out);
    }
}

/* ---- maintenance, inhibitions ---- */

static bool maintenance_now(const struct maintenance *m, uint64_t wall_us)
{
    if (m->hours.given)
        return hours_inside(&m->hours, wall_us);
    return m->from_us <= wall_us && wall_us < m->until_us;
}

const struct maintenance *route_maintenance(const struct routing *r, const struct alert *alert,
                                            uint64_t wall_us, struct arena *a)
{
    for (size_t i = 0; i < r->nmaintenances; i++)
        if (maintenance_now(&r->maintenances[i], wall_us) &&
            matcher_fits(&r->maintenances[i].when, alert, a))
            return &r->maintenances[i];
    return NULL;
}

uint64_t maintenance_end_us(const struct maintenance *m, uint64_t wall_us)
{
    if (!maintenance_now(m, wall_us))
        return wall_us;
    return m->hours.given ? hours_end_us(&m->hours, wall_us) : m->until_us;
}

static bool in_group(const struct alert *alert, struct slice name)
{
    for (size_t i = 0; i < alert->ngroup; i++)
        if (slice_eq(alert->group[i].name, name))
            return true;
    return false;
}

bool inhibition_values(const struct inhibition *i, const struct alert *alert, struct buf *out)
{
    for (size_t k = 0; k < i->equal.n; k++) {
        struct slice name = slice_str(i->equal.items[k]);

        if (!slice_is(name, "channel") && !slice_is(name, "host") && !in_group(alert, name))
            return false;
        if (k)
            buf_char(out, ' ');
        add_part(name, alert, SLICE_NONE, out);
    }
    return true;
}
