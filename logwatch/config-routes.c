/* Which alerts go to which receivers. */
#include "logwatch/config-private.h"

struct when_top {
    struct option_strs levels, rules, channels;
};

static const struct option when_options[] = {
    { .name = "level",
      .type = OPTION_STRS,
      .offset = AT(struct when_top, levels),
      .help = "Levels: informational, low, medium, high, critical." },
    { .name = "rule",
      .type = OPTION_STRS,
      .offset = AT(struct when_top, rules),
      .help = "Ids of rules." },
    { .name = "channel",
      .type = OPTION_STRS,
      .offset = AT(struct when_top, channels),
      .help = "Names of channels." },
    { 0 },
};

struct route_top {
    struct when_top when;
    struct option_strs notify;
    bool go_on;
};

const struct option config_route_options[] = {
    { .name = "when",
      .type = OPTION_GROUP,
      .sub = when_options,
      .help = "All that is named must fit; nothing named: every alert." },
    { .name = "notify",
      .type = OPTION_STRS,
      .offset = AT(struct route_top, notify),
      .required = true,
      .help = "Names of receivers." },
    { .name = "continue",
      .type = OPTION_BOOL,
      .offset = AT(struct route_top, go_on),
      .fallback = "false",
      .help = "Try the following routes too." },
    { 0 },
};

static void check_receiver(struct build *b, struct option_strs *names)
{
    for (size_t i = 0; i < names->n; i++) {
        const char *all[256] = { 0 };
        bool known = false;

        for (size_t j = 0; j < b->c->nsinks && j < ARRAY_SIZE(all) - 1; j++) {
            all[j] = b->c->sinks[j].name;
            known = known || strcmp(all[j], names->items[i]) == 0;
        }
        if (!known) {
            struct yaml at = { .at = names->at[i] };

            config_unknown(b, &at, "receiver", slice_str(names->items[i]), all);
        }
    }
}

static void build_route(struct build *b, const struct yaml *node, struct config_route *r)
{
    struct route_top top = { 0 };

    if (option_load(config_route_options, node, config_place(node), NULL, &top, b->a, b->d) < 0)
        return;
    for (size_t i = 0; i < top.when.levels.n; i++) {
        enum level l;

        if (level_parse(slice_str(top.when.levels.items[i]), &l) < 0)
            diag_error(b->d, top.when.levels.at[i], "'%s' is no level", top.when.levels.items[i]);
        else
            r->levels |= 1u << l;
    }
    r->rules = top.when.rules;
    r->channels = top.when.channels;
    r->notify = top.notify;
    r->go_on = top.go_on;
    check_receiver(b, &r->notify);
}

void config_build_routes(struct build *b, const struct yaml *node)
{
    if (!node)
        return;
    if (node->kind != YAML_SEQ) {
        diag_error(b->d, config_place(node), "routes must be a list");
        return;
    }
    b->c->routes = config_need(b, node->nchildren, sizeof *b->c->routes);
    if (!b->c->routes)
        return;
    YAML_EACH (item, node)
        build_route(b, item, &b->c->routes[b->c->nroutes++]);
}

/* ---- routing ---- */

static bool names_have(const struct option_strs *names, struct slice name)
{
    if (names->n == 0)
        return true;
    for (size_t i = 0; i < names->n; i++)
        if (slice_is(name, names->items[i]))
            return true;
    return false;
}

static bool route_fits(const struct config_route *r, const struct alert *alert)
{
    return (r->levels == 0 || (r->levels & (1u << alert->level))) &&
           names_have(&r->rules, alert->rule_id) && names_have(&r->channels, alert->channel);
}

static const struct sink *find_sink(const struct config *c, struct slice name)
{
    for (size_t i = 0; i < c->nsinks; i++)
        if (slice_is(name, c->sinks[i].name))
            return &c->sinks[i];
    return NULL;
}

void config_route(const struct config *c, const struct alert *alert,
                  void (*fn)(void *ctx, const struct sink *sink), void *ctx)
{
    for (size_t i = 0; i < alert->nnotify; i++) {
        const struct sink *s = find_sink(c, alert->notify[i]);

        if (s)
            fn(ctx, s);
    }
    if (alert->nnotify)
        return;
    if (c->nroutes == 0)
        for (size_t i = 0; i < c->nsinks; i++)
            fn(ctx, &c->sinks[i]);
    for (size_t i = 0; i < c->nroutes; i++) {
        if (!route_fits(&c->routes[i], alert))
            continue;
        for (size_t j = 0; j < c->routes[i].notify.n; j++)
            fn(ctx, find_sink(c, slice_str(c->routes[i].notify.items[j])));
        if (!c->routes[i].go_on)
            return;
    }
}
