/* Which alerts go to which receivers: routes, or their short form, priorities. */
#include "logwatch/config-private.h"

#include <errno.h>

#define ROUTES_MAX 256
#define STEPS_MAX 8
#define INTERVAL_US (UINT64_C(300) * USEC_PER_SEC)

/* ---- tables ---- */

struct route_top {
    const char *name;
    struct config_when when;
    struct option_strs notify, group;
    uint64_t wait_us, interval_us, repeat_us;
    const struct yaml *escalate;
    bool resolved, go_on;
};

static const struct option when_options[] = {
    CONFIG_WHEN_OPTIONS(struct route_top, when),
    { 0 },
};

const struct option config_route_options[] = {
    { .name = "name",
      .type = OPTION_STR,
      .offset = AT(struct route_top, name),
      .help = "For words about it; default: routes[N], counted from 0." },
    { .name = "when",
      .type = OPTION_GROUP,
      .sub = when_options,
      .help = "All that is named must fit; nothing named: every alert." },
    { .name = "notify",
      .type = OPTION_STRS,
      .offset = AT(struct route_top, notify),
      .required = true,
      .help = "Names of receivers." },
    { .name = "group",
      .type = OPTION_STRS,
      .offset = AT(struct route_top, group),
      .help = "Alerts that agree in these become one message: rule, channel, level, host, "
              "incident, or names of fields; default: each goes alone." },
    { .name = "wait",
      .type = OPTION_DURATION,
      .offset = AT(struct route_top, wait_us),
      .fallback = "0s",
      .max = "1h",
      .help = "The first of a group waits so long for others." },
    { .name = "interval",
      .type = OPTION_DURATION,
      .offset = AT(struct route_top, interval_us),
      .max = "7d",
      .help = "Between two messages about one group; default: 5m with a group, else 0s." },
    { .name = "repeat",
      .type = OPTION_DURATION,
      .offset = AT(struct route_top, repeat_us),
      .fallback = "0s",
      .max = "30d",
      .help = "Between two messages about one incident; what came meanwhile is counted in the "
              "next. 0s: each alert is told." },
    { .name = "escalate",
      .type = OPTION_NODE,
      .offset = AT(struct route_top, escalate),
      .help =
          "Who hears of it when nobody acknowledges it: a list of {after: 15m, notify: [...]}." },
    { .name = "resolved",
      .type = OPTION_BOOL,
      .offset = AT(struct route_top, resolved),
      .fallback = "true",
      .help = "Those who were told hear of the end, too." },
    { .name = "continue",
      .type = OPTION_BOOL,
      .offset = AT(struct route_top, go_on),
      .fallback = "false",
      .help = "Try the following routes too." },
    { 0 },
};

const struct option config_escalation_options[] = {
    { .name = "after",
      .type = OPTION_DURATION,
      .offset = AT(struct route_step, after_us),
      .required = true,
      .min = "1s",
      .max = "30d",
      .help = "So long after the alert." },
    { .name = "notify",
      .type = OPTION_STRS,
      .offset = AT(struct route_step, notify),
      .required = true,
      .help = "Names of receivers." },
    { 0 },
};

#define PRIORITY(name_, level_)                                                                    \
    {                                                                                              \
        .name = name_, .type = OPTION_STRS, .offset = (level_) * sizeof(struct option_strs),       \
        .help = "Who hears of alerts of this level."                                               \
    }
/* The state is an array of option_strs by level. */
const struct option config_priorities_options[] = {
    PRIORITY("critical", LEVEL_CRITICAL),
    PRIORITY("high", LEVEL_HIGH),
    PRIORITY("medium", LEVEL_MEDIUM),
    PRIORITY("low", LEVEL_LOW),
    PRIORITY("informational", LEVEL_INFORMATIONAL),
    { 0 },
};

#define X(id, name, kind, pii, help) name,
static const char *const group_names[] = { "rule", "channel",  "level",
                                           "host", "incident", FIELD_LIST(X) NULL };
#undef X

/* ---- routes ---- */

static void build_step(struct build *b, const struct yaml *node, struct route *r)
{
    struct route_step *step = &r->escalate[r->nescalate];

    (void)option_load(config_escalation_options, node, config_place(node), NULL, step, b->a, b->d);
    if (r->nescalate && step->after_us && step->after_us <= step[-1].after_us)
        diag_error(b->d, config_place(node),
                   "each step of an escalation is later than the one "
                   "before it");
    config_receivers_known(b, &step->notify);
    r->nescalate++;
}

static void build_steps(struct build *b, const struct yaml *node, struct route *r)
{
    if (!node || yaml_is_null(node))
        return;
    if (node->kind != YAML_SEQ || node->nchildren > STEPS_MAX) {
        diag_error(b->d, config_place(node),
                   "escalate must be a list of at most %d: [{after: 15m, notify: [...]}]",
                   STEPS_MAX);
        return;
    }
    r->escalate = config_need(b, node->nchildren, sizeof *r->escalate);
    if (!r->escalate)
        return;
    YAML_EACH (item, node)
        build_step(b, item, r);
}

static void build_route(struct build *b, const struct yaml *node, size_t i, struct route *r)
{
    struct route_top top = { 0 };

    (void)option_load(config_route_options, node, config_place(node), NULL, &top, b->a, b->d);
    *r = (struct route){
        .name = top.name ? top.name : arena_printf(b->a, "routes[%zu]", i),
        .notify = top.notify,
        .group = top.group,
        .wait_us = top.wait_us,
        .interval_us = top.interval_us,
        .repeat_us = top.repeat_us,
        .resolved = top.resolved,
        .go_on = top.go_on,
    };
    if (!r->name)
        b->failed = -ENOMEM;
    if (r->group.n && !yaml_get(node, "interval"))
        r->interval_us = INTERVAL_US;
    config_matcher(b, &top.when, &r->when);
    config_receivers_known(b, &r->notify);
    for (size_t k = 0; k < r->group.n; k++)
        config_name_near(b, r->group.at[k], r->group.items[k], group_names);
    if (!r->group.n && (top.wait_us || yaml_get(node, "interval")))
        diag_warning(b->d, config_place(node), "wait and interval do nothing without a group");
    build_steps(b, top.escalate, r);
}

/* A name says where a message came from, also after a restart. */
static void check_names(struct build *b, const struct yaml *list)
{
    const struct route *r = b->c->routing.routes;
    const struct yaml *node = list->child;

    for (size_t i = 0; node && i < b->c->routing.nroutes; i++, node = node->next)
        for (size_t k = 0; k < i; k++)
            if (r[i].name && r[k].name && strcmp(r[i].name, r[k].name) == 0) {
                const struct yaml *name = yaml_get(node, "name");

                diag_error(b->d, name ? name->at : config_place(node), "two routes are called '%s'",
                           r[i].name);
                break;
            }
}

static void build_list(struct build *b, const struct yaml *node)
{
    struct route *routes;

    if (node->kind != YAML_SEQ || node->nchildren > ROUTES_MAX) {
        diag_error(b->d, config_place(node), "routes must be a list of at most %d", ROUTES_MAX);
        return;
    }
    routes = config_need(b, node->nchildren, sizeof *routes);
    if (!routes)
        return;
    b->c->routing.routes = routes;
    YAML_EACH (item, node) {
        build_route(b, item, b->c->routing.nroutes, &routes[b->c->routing.nroutes]);
        b->c->routing.nroutes++;
    }
    check_names(b, node);
}

/* ---- priorities ---- */

static void build_priorities(struct build *b, const struct yaml *node)
{
    struct option_strs notify[LEVELS] = { 0 };
    struct route *routes = config_need(b, LEVELS, sizeof *routes);

    if (!routes)
        return;
    (void)option_load(config_priorities_options, node, config_place(node), NULL, notify, b->a,
                      b->d);
    b->c->routing.routes = routes;
    b->c->routing.nroutes = 0;
    for (int l = LEVELS - 1; l >= 0; l--) {
        const char *level = level_name((enum level)l);
        struct route *r = &routes[b->c->routing.nroutes];

        if (!yaml_get(node, level))
            continue;
        config_receivers_known(b, &notify[l]);
        *r = (struct route){
            .name = arena_printf(b->a, "priorities.%s", level),
            .when = { .levels = 1u << l },
            .notify = notify[l],
            .resolved = true,
        };
        if (!r->name)
            b->failed = -ENOMEM;
        b->c->routing.nroutes++;
    }
    if (b->c->routing.nroutes == 0)
        diag_error(b->d, config_place(node), "priorities name no level: nobody would be told");
}

void config_build_routes(struct build *b, const struct yaml *routes, const struct yaml *priorities)
{
    if (routes && priorities)
        diag_error(b->d, config_place(priorities),
                   "there are routes and priorities: priorities are routes by level, write one or "
                   "the other");
    if (routes)
        build_list(b, routes);
    if (priorities)
        build_priorities(b, priorities);
}

/* ---- asking ---- */

const struct sink *config_sink(const struct config *c, struct slice name)
{
    for (size_t i = 0; i < c->nsinks; i++)
        if (slice_is(name, c->sinks[i].name))
            return &c->sinks[i];
    return NULL;
}

struct telling {
    const struct config *c;
    bool *told; /* of each sink */
    int (*fn)(void *ctx, const struct route *route, const struct sink *sink);
    void *ctx;
};

static int tell(struct telling *t, const struct route *route, const struct sink *sink)
{
    if (!sink || t->told[sink - t->c->sinks])
        return 0;
    t->told[sink - t->c->sinks] = true;
    return t->fn(t->ctx, route, sink);
}

static int tell_route(void *ctx, const struct route *route)
{
    struct telling *t = ctx;
    int r = 0;

    for (size_t i = 0; r == 0 && i < route->notify.n; i++)
        r = tell(t, route, config_sink(t->c, slice_str(route->notify.items[i])));
    return r;
}

int config_tell(const struct config *c, const struct alert *alert, struct arena *a,
                int (*fn)(void *ctx, const struct route *route, const struct sink *sink), void *ctx)
{
    struct telling t = { .c = c, .fn = fn, .ctx = ctx };
    int r = 0;

    t.told = arena_array(a, c->nsinks ? c->nsinks : 1, sizeof *t.told);
    if (!t.told)
        return -ENOMEM;
    for (size_t i = 0; r == 0 && i < alert->nnotify; i++)
        r = tell(&t, NULL, config_sink(c, alert->notify[i]));
    for (size_t i = 0; !alert->nnotify && !c->routing.nroutes && r == 0 && i < c->nsinks; i++)
        r = tell(&t, NULL, &c->sinks[i]);
    return r ? r : route_each(&c->routing, alert, a, tell_route, &t);
}
