/* notify route: its words, its tree and its JSON. */
#include "base/clock.h"
#include "base/num.h"
#include "base/utf8.h"
#include "logwatch/commands/notify-route.h"

/* ---- pieces ---- */

static const struct manners *manners_of(const struct config *c, const char *receiver)
{
    const struct sink *s = config_sink(c, slice_str(receiver));

    return s ? &c->manners[s - c->sinks] : NULL;
}

/* Critical alerts come at any hour. */
static uint64_t quiet_until(const struct tracing *t, const struct manners *m, uint64_t at_us)
{
    if (!m || t->alert.level == LEVEL_CRITICAL || !hours_inside(&m->quiet, at_us))
        return 0;
    return hours_end_us(&m->quiet, at_us);
}

/* "2026-11-22 07:00 Europe/Berlin" */
static void buf_wall(struct buf *out, const struct hours *h, uint64_t us)
{
    int64_t local = zone_local(h ? h->local : NULL, (int64_t)(us / USEC_PER_SEC));
    char text[TIME_TEXT_SIZE];

    time_text((uint64_t)(local < 0 ? 0 : local) * USEC_PER_SEC, text);
    buf_printf(out, "%.10s %.5s %s", text, text + 11, h && h->zone ? h->zone : "UTC");
}

static void buf_names(struct buf *out, const struct option_strs *names)
{
    for (size_t i = 0; i < names->n; i++)
        buf_printf(out, "%s%s", i ? ", " : "", names->items[i]);
    if (names->n == 0)
        buf_str(out, "nobody");
}

static void receiver_text(const struct tracing *t, const char *name, uint64_t after_us, bool first,
                          struct buf *out)
{
    const struct manners *m = manners_of(t->config, name);
    uint64_t until = quiet_until(t, m, t->at_us + after_us);

    buf_printf(out, "%s%s", first ? "" : ", ", name);
    if (!until)
        return;
    buf_str(out, " (quiet until ");
    buf_wall(out, &m->quiet, until);
    buf_char(out, ')');
}

static void timing_text(const struct route *r, struct buf *out)
{
    const char *comma = "";
    const struct {
        const char *before;
        uint64_t us;
        const char *after;
    } parts[] = {
        { "the first waits ", r->wait_us, " for others" },
        { "the group is told at most every ", r->interval_us, "" },
        { "one incident at most every ", r->repeat_us, "" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
        if (!parts[i].us || (!r->group.n && i < 2))
            continue;
        buf_printf(out, "%s%s", comma, parts[i].before);
        buf_duration(out, parts[i].us);
        buf_str(out, parts[i].after);
        comma = "; ";
    }
    if (!comma[0])
        buf_str(out, "at once, each");
}

static void line(struct buf *out, const char *label)
{
    buf_printf(out, "    %-10s ", label);
}

/* ---- one alert, as text ---- */

static void told_text(const struct tracing *t, const struct route *r, struct buf *out)
{
    bool first = true, before = true;

    line(out, "told");
    for (size_t i = 0; i < t->config->nsinks; i++)
        if (t->told[i] && t->told_by[i] == r) {
            receiver_text(t, t->config->sinks[i].name, 0, first, out);
            first = false;
        }
    for (size_t i = 0; r && i < r->notify.n; i++) {
        const struct sink *s = config_sink(t->config, slice_str(r->notify.items[i]));

        if (!s || t->told_by[s - t->config->sinks] == r)
            continue;
        buf_printf(out, "%s%s",
                   !before ? ", "
                   : first ? "already by another route: "
                           : "; already by another route: ",
                   s->name);
        first = before = false;
    }
    buf_str(out, first ? "nobody\n" : "\n");
}

static void taken_text(const struct tracing *t, const struct route *r, struct buf *out)
{
    AUTO_BUF group = BUF_INIT;

    told_text(t, r, out);
    route_group(r, &t->alert, t->incident, t->arena, &group);
    line(out, "group");
    if (group.n)
        buf_printable(out, buf_view(&group));
    else
        buf_str(out, "none: it goes alone");
    buf_char(out, '\n');
    line(out, "when");
    timing_text(r, out);
    buf_char(out, '\n');
    for (size_t i = 0; i < r->nescalate; i++) {
        AUTO_BUF after = BUF_INIT;

        buf_str(&after, "after ");
        buf_duration(&after, r->escalate[i].after_us);
        line(out, buf_ok(&after) ? after.p : "after");
        for (size_t k = 0; k < r->escalate[i].notify.n; k++)
            receiver_text(t, r->escalate[i].notify.items[k], r->escalate[i].after_us, k == 0, out);
        buf_str(out, ", unless somebody acknowledges it\n");
    }
    line(out, "its end");
    buf_str(out, r->resolved ? "is told, too\n" : "is not told\n");
}

static void route_text(struct tracing *t, const struct route *r, struct buf *out)
{
    if (t->reached) {
        buf_printf(out, "  -  %s: not asked, an earlier route took it\n", r->name);
        return;
    }
    if (!matcher_fits(&r->when, &t->alert, t->arena)) {
        buf_printf(out, "  -  %s: ", r->name);
        matcher_why(&r->when, &t->alert, out);
        buf_char(out, '\n');
        return;
    }
    buf_printf(out, "  +  %s: ", r->name);
    matcher_words(&r->when, out);
    buf_str(out, r->go_on ? "; the next ones are asked, too\n" : "\n");
    taken_text(t, r, out);
    t->reached = !r->go_on;
}

static void maintenance_text(const struct tracing *t, struct buf *out)
{
    const struct maintenance *m = t->maintenance;

    if (!m)
        return;
    buf_printf(out, "  maintenance '%s' until ", m->name);
    buf_wall(out, m->hours.given ? &m->hours : NULL, maintenance_end_us(m, t->at_us));
    buf_str(out, ": nobody is told\n");
}

static void inhibition_text(const struct tracing *t, const struct inhibition *i, struct buf *out)
{
    AUTO_BUF values = BUF_INIT;

    if (!matcher_fits(&i->target, &t->alert, t->arena) || !inhibition_values(i, &t->alert, &values))
        return;
    buf_printf(out, "  inhibition '%s': held back while an alert is open that fits: ", i->name);
    matcher_words(&i->source, out);
    if (values.n) {
        buf_str(out, "; with ");
        buf_printable(out, buf_view(&values));
    }
    buf_char(out, '\n');
}

static void head_text(const struct tracing *t, struct buf *out)
{
    const struct alert *a = &t->alert;
    AUTO_BUF group = BUF_INIT;

    incident_group(a, &group);
    buf_printf(out, "[%s] ", level_name(a->level));
    buf_printable(out, a->rule_title.n ? a->rule_title : a->rule_id);
    buf_str(out, "\n  rule ");
    buf_printable(out, a->rule_id);
    buf_str(out, ", channel ");
    buf_printable(out, a->channel);
    buf_str(out, group.n ? ", " : "");
    buf_printable(out, buf_view(&group));
    buf_str(out, "\n  as of ");
    buf_wall(out, NULL, t->at_us);
    buf_char(out, '\n');
}

void trace_text(struct tracing *t, struct buf *out)
{
    const struct routing *r = &t->config->routing;

    if (out->n)
        buf_char(out, '\n');
    head_text(t, out);
    maintenance_text(t, out);
    for (size_t i = 0; i < r->ninhibitions; i++)
        inhibition_text(t, &r->inhibitions[i], out);
    if (t->by_rule || r->nroutes == 0) {
        buf_printf(out, "  +  %s\n",
                   t->by_rule ? "the rule names its receivers itself, no route is asked"
                              : "there are no routes: everyone hears of everything");
        told_text(t, NULL, out);
        return;
    }
    for (size_t i = 0; i < r->nroutes; i++)
        route_text(t, &r->routes[i], out);
    if (t->ntold == 0)
        buf_str(out, "  nobody hears of it\n");
}

/* ---- JSON ---- */

static void json_words(struct json_writer *w, const char *key, const struct buf *text)
{
    if (text->n)
        json_member_buf(w, key, text);
    else
        json_member_str(w, key, "");
}

static void json_names(struct json_writer *w, const char *key, const struct option_strs *names)
{
    json_key(w, key);
    json_array(w);
    for (size_t i = 0; i < names->n; i++)
        json_put_str(w, names->items[i]);
    json_array_end(w);
}

static void settings_json(const struct route *r, struct json_writer *w)
{
    AUTO_BUF when = BUF_INIT;

    matcher_words(&r->when, &when);
    json_member_str(w, "name", r->name);
    json_words(w, "when", &when);
    json_names(w, "notify", &r->notify);
    json_names(w, "group_by", &r->group);
    json_member_u64(w, "wait_s", r->wait_us / USEC_PER_SEC);
    json_member_u64(w, "interval_s", r->interval_us / USEC_PER_SEC);
    json_member_u64(w, "repeat_s", r->repeat_us / USEC_PER_SEC);
    json_member_bool(w, "resolved", r->resolved);
    json_member_bool(w, "continue", r->go_on);
    json_key(w, "escalate");
    json_array(w);
    for (size_t i = 0; i < r->nescalate; i++) {
        json_object(w);
        json_member_u64(w, "after_s", r->escalate[i].after_us / USEC_PER_SEC);
        json_names(w, "notify", &r->escalate[i].notify);
        json_object_end(w);
    }
    json_array_end(w);
}

static void told_json(const struct tracing *t, struct json_writer *w)
{
    json_key(w, "told");
    json_array(w);
    for (size_t i = 0; i < t->config->nsinks; i++) {
        uint64_t until = quiet_until(t, &t->config->manners[i], t->at_us);

        if (!t->told[i])
            continue;
        json_object(w);
        json_member_str(w, "receiver", t->config->sinks[i].name);
        if (t->told_by[i])
            json_member_str(w, "route", t->told_by[i]->name);
        if (until)
            json_member_time(w, "quiet_until", until);
        json_object_end(w);
    }
    json_array_end(w);
}

static void route_json(struct tracing *t, const struct route *r, struct json_writer *w)
{
    bool takes = !t->reached && matcher_fits(&r->when, &t->alert, t->arena);
    AUTO_BUF why = BUF_INIT;
    AUTO_BUF group = BUF_INIT;

    json_object(w);
    settings_json(r, w);
    json_member_bool(w, "asked", !t->reached);
    json_member_bool(w, "takes", takes);
    if (!t->reached && !takes) {
        matcher_why(&r->when, &t->alert, &why);
        json_words(w, "why_not", &why);
    }
    if (takes) {
        route_group(r, &t->alert, t->incident, t->arena, &group);
        json_words(w, "group", &group);
        t->reached = !r->go_on;
    }
    json_object_end(w);
}

static void inhibitions_json(const struct tracing *t, struct json_writer *w)
{
    const struct routing *r = &t->config->routing;

    json_key(w, "inhibitions");
    json_array(w);
    for (size_t i = 0; i < r->ninhibitions; i++) {
        const struct inhibition *in = &r->inhibitions[i];
        AUTO_BUF values = BUF_INIT;
        AUTO_BUF source = BUF_INIT;

        if (!matcher_fits(&in->target, &t->alert, t->arena) ||
            !inhibition_values(in, &t->alert, &values))
            continue;
        matcher_words(&in->source, &source);
        json_object(w);
        json_member_str(w, "name", in->name);
        json_words(w, "source", &source);
        json_words(w, "equal", &values);
        json_object_end(w);
    }
    json_array_end(w);
}

void trace_json(struct tracing *t, struct buf *out)
{
    const struct routing *r = &t->config->routing;
    struct json_writer writer = json_writer(out), *w = &writer;

    json_object(w);
    json_member_slice(w, "rule", t->alert.rule_id);
    json_member_str(w, "level", level_name(t->alert.level));
    json_member_slice(w, "incident", t->incident);
    json_member_time(w, "at", t->at_us);
    json_member_str(w, "by", t->by_rule ? "rule" : r->nroutes > 0 ? "routes" : "everyone");
    told_json(t, w);
    if (t->maintenance) {
        json_key(w, "maintenance");
        json_object(w);
        json_member_str(w, "name", t->maintenance->name);
        json_member_time(w, "until", maintenance_end_us(t->maintenance, t->at_us));
        json_object_end(w);
    }
    inhibitions_json(t, w);
    json_key(w, "routes");
    json_array(w);
    for (size_t i = 0; !t->by_rule && i < r->nroutes; i++)
        route_json(t, &r->routes[i], w);
    json_array_end(w);
    json_object_end(w);
    buf_char(out, '\n');
}

void routes_json(const struct config *c, struct buf *out)
{
    struct json_writer writer = json_writer(out), *w = &writer;

    json_object(w);
    json_key(w, "routes");
    json_array(w);
    for (size_t i = 0; i < c->routing.nroutes; i++) {
        json_object(w);
        settings_json(&c->routing.routes[i], w);
        json_object_end(w);
    }
    json_array_end(w);
    json_object_end(w);
    buf_char(out, '\n');
}

/* ---- the tree ---- */

struct strokes {
    const char *branch, *last, *down, *none; /* each three wide */
};

static void tree_names(const struct config *c, const struct option_strs *names, struct buf *out)
{
    for (size_t i = 0; i < names->n; i++) {
        const struct manners *m = manners_of(c, names->items[i]);

        buf_printf(out, "%s%s", i ? ", " : "", names->items[i]);
        if (!m || !m->quiet.given)
            continue;
        buf_str(out, " (quiet ");
        hours_words(&m->quiet, out);
        buf_char(out, ')');
    }
    if (names->n == 0)
        buf_str(out, "nobody");
    buf_char(out, '\n');
}

static void tree_route(const struct config *c, const struct route *r, bool last,
                       const struct strokes *s, struct buf *out)
{
    const char *down = last ? s->none : s->down;

    buf_printf(out, "%s%s: ", last ? s->last : s->branch, r->name);
    matcher_words(&r->when, out);
    buf_str(out, r->go_on ? "; the next ones are asked, too\n" : "\n");
    if (r->group.n || r->repeat_us) {
        buf_printf(out, "%s%s", down, s->branch);
        if (r->group.n) {
            buf_str(out, "by ");
            buf_names(out, &r->group);
            buf_str(out, ": ");
        }
        timing_text(r, out);
        buf_char(out, '\n');
    }
    buf_printf(out, "%s%s", down, r->nescalate ? s->branch : s->last);
    tree_names(c, &r->notify, out);
    for (size_t i = 0; i < r->nescalate; i++) {
        buf_printf(out, "%s%safter ", down, i + 1 < r->nescalate ? s->branch : s->last);
        buf_duration(out, r->escalate[i].after_us);
        buf_str(out, ": ");
        tree_names(c, &r->escalate[i].notify, out);
    }
}

/* The levels of which the route takes every alert. */
static unsigned levels_taken(const struct matcher *m)
{
    if (m->rules.n || m->channels.n || m->tags.n || m->nfields)
        return 0;
    return m->levels ? m->levels : (1u << LEVELS) - 1;
}

void routes_tree(const struct config *c, bool utf8, struct buf *out)
{
    static const struct strokes lines = { "├─ ", "└─ ", "│  ", "   " };
    static const struct strokes ascii = { "|- ", "`- ", "|  ", "   " };
    const struct strokes *s = utf8 ? &lines : &ascii;
    const struct routing *r = &c->routing;
    unsigned levels = 0;

    buf_str(out, "alerts\n");
    for (size_t i = 0; i < r->nroutes; i++)
        levels |= levels_taken(&r->routes[i].when);
    for (size_t i = 0; i < r->nroutes; i++)
        tree_route(c, &r->routes[i], i + 1 == r->nroutes && levels == (1u << LEVELS) - 1, s, out);
    if (r->nroutes == 0)
        buf_printf(out, "%sno routes: everyone hears of everything\n", s->last);
    else if (levels != (1u << LEVELS) - 1)
        buf_printf(out, "%sany other: nobody\n", s->last);
}
