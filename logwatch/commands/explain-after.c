/*
 * What follows an alert: who would be told by which route, and what would
 * become of its ban. Asked of the same functions that the core and the blocker
 * ask; nothing is sent and nobody is banned.
 */
#include "base/clock.h"
#include "base/num.h"
#include "base/utf8.h"
#include "logwatch/commands/explain.h"

/* ---- routes ---- */

struct naming {
    const struct config *config;
    struct buf *text;
    struct json_writer *json;
    bool any, fitted;
};

static int name_sink(void *ctx, const struct route *route UNUSED, const struct sink *sink)
{
    struct naming *n = ctx;

    if (n->json)
        json_put_str(n->json, sink->name);
    else
        buf_printf(n->text, "%s%s", n->any ? ", " : "", sink->name);
    n->any = true;
    return 0;
}

/* No route says it: the rule's own list, or everyone. */
static void unrouted(struct naming *n, const struct alert *alert)
{
    AUTO(arena) a = arena_new(4096, 1 << 20);

    if (a)
        (void)config_tell(n->config, alert, a, name_sink, n);
}

static void receivers_of(struct naming *n, const struct route *route)
{
    n->any = false;
    n->fitted = true;
    for (size_t i = 0; i < route->notify.n; i++) {
        const struct sink *sink = config_sink(n->config, slice_str(route->notify.items[i]));

        if (sink)
            (void)name_sink(n, route, sink);
    }
}

static int route_text(void *ctx, const struct route *route)
{
    struct naming *n = ctx;
    const struct routing *r = &n->config->routing;

    buf_printf(n->text, "    told      by route %zu of %zu: ", (size_t)(route - r->routes) + 1,
               r->nroutes);
    receivers_of(n, route);
    buf_str(n->text, n->any ? "\n" : "nobody\n");
    return 0;
}

static void routes_text(const struct config *c, const struct alert *alert, struct buf *out)
{
    struct naming n = { .config = c, .text = out };

    if (alert->nnotify || c->routing.nroutes == 0) {
        buf_str(out, alert->nnotify ? "    told      by the rule's own notify: "
                                    : "    told      no routes, so all receivers: ");
        unrouted(&n, alert);
        buf_str(out, n.any ? "\n" : "nobody that is configured\n");
        return;
    }
    (void)route_each(&c->routing, alert, NULL, route_text, &n);
    if (!n.fitted)
        buf_str(out, "    told      nobody: no route fits\n");
}

static void told_json(struct naming *n, size_t number)
{
    json_object(n->json);
    json_member_u64(n->json, "route", number);
    json_key(n->json, "receivers");
    json_array(n->json);
}

static int route_json(void *ctx, const struct route *route)
{
    struct naming *n = ctx;

    told_json(n, (size_t)(route - n->config->routing.routes) + 1);
    receivers_of(n, route);
    json_array_end(n->json);
    json_object_end(n->json);
    return 0;
}

static void routes_json(const struct config *c, const struct alert *alert, struct json_writer *out)
{
    struct naming n = { .config = c, .json = out };

    if (!alert->nnotify && c->routing.nroutes) {
        (void)route_each(&c->routing, alert, NULL, route_json, &n);
        return;
    }
    told_json(&n, 0);
    unrouted(&n, alert);
    json_array_end(out);
    json_object_end(out);
}

/* ---- bans ---- */

static const struct {
    const char *reason, *meaning;
} refusals[] = {
    { "no backend", "no bans are configured" },
    { "no address", "the event has no address" },
    { "forgeable", "a stranger can write such a line" },
    { "too old", "the event is older than bans.max_age" },
};

static const char *meaning_of(const char *reason)
{
    for (size_t i = 0; i < ARRAY_SIZE(refusals); i++)
        if (strcmp(refusals[i].reason, reason) == 0)
            return refusals[i].meaning;
    return "";
}

struct ban_fate {
    bool done;
    bool dry;
    char why[224];
};

/* As if the line were read at once: a line of last month would else only tell its age. */
static struct ban_fate ban_fate(const struct config *c, const struct alert *alert)
{
    struct ban_fate f = { .why = "" };
    struct ban_target target;
    char text[80];
    const char *reason = c ? config_ban_refusal(c, alert, alert->time_us) : NULL;

    if (!c)
        snprintf(f.why, sizeof f.why, "not known: no configuration says how bans are done");
    else if (reason)
        snprintf(f.why, sizeof f.why, "refused: %s (%s)", reason, meaning_of(reason));
    else if (config_ban_target(c, alert, &target) < 0)
        snprintf(f.why, sizeof f.why, "refused: that is no address");
    else if ((reason = config_ban_forbidden(c, &target.net, text)))
        snprintf(f.why, sizeof f.why, "refused: %s", reason);
    else
        f.done = true;
    f.dry = f.done && (alert->ban.dry_run || c->bans.dry_run || c->bans.blocker->ops->pretends);
    return f;
}

static void ban_text(const struct config *c, const struct alert *alert, struct buf *out)
{
    struct ban_fate f = ban_fate(c, alert);

    buf_str(out, "    ban       ");
    if (alert->ban.address.n)
        buf_printable(out, alert->ban.address);
    else
        buf_str(out, "(no address)");
    buf_str(out, " for ");
    buf_duration(out, alert->ban.for_us);
    if (f.dry)
        buf_str(out, ": only written down, bans are dry-run");
    else if (f.done)
        buf_printf(out, ": ordered, by '%s'", c->bans.blocker->ops->name);
    else
        buf_printf(out, ": %s", f.why);
    buf_char(out, '\n');
}

/* ---- both ---- */

void alert_text(const struct config *c, const struct rules *r, const struct alert *alert,
                struct buf *out)
{
    size_t rule = rules_find(r, alert->rule_id);
    uint64_t suppress = rule == SIZE_MAX ? 0 : rule_suppress_us(r, rule);
    char time[TIME_TEXT_SIZE];

    buf_printf(out, "  alert, %s: ", level_name(alert->level));
    buf_printable(out, alert->rule_title);
    buf_str(out, "\n    id        ");
    buf_hex(out, alert->id, sizeof alert->id);
    buf_char(out, '\n');
    if (c)
        routes_text(c, alert, out);
    else
        buf_str(out, "    told      not known: no configuration names receivers\n");
    if (alert->ban.wanted)
        ban_text(c, alert, out);
    if (suppress) {
        time_text(alert->time_us + suppress, time);
        buf_printf(out, "    suppress  the next of this group not before %.8s (", time + 11);
        buf_duration(out, suppress);
        buf_str(out, ")\n");
    }
}

void alert_consequences_json(const struct config *c, const struct alert *alert,
                             struct json_writer *out)
{
    struct ban_fate f = ban_fate(c, alert);

    json_key(out, "told");
    json_array(out);
    if (c)
        routes_json(c, alert, out);
    json_array_end(out);
    if (!alert->ban.wanted)
        return;
    json_key(out, "ban");
    json_object(out);
    json_member_slice(out, "address", alert->ban.address);
    json_member_u64(out, "for_s", alert->ban.for_us / USEC_PER_SEC);
    json_member_bool(out, "ordered", f.done);
    json_member_bool(out, "dry_run", f.dry);
    if (!f.done)
        json_member_str(out, "why", f.why);
    json_object_end(out);
}
