/* When somebody is not told, or later: inhibitions, maintenance, digests. */
#include "logwatch/config-private.h"

#include "base/clock.h"

#define ITEMS_MAX 256

/* ---- tables ---- */

struct inhibit_top {
    const char *name;
    struct config_when source, target;
    struct option_strs equal;
};

static const struct option source_options[] = {
    CONFIG_WHEN_OPTIONS(struct inhibit_top, source),
    { 0 },
};

static const struct option target_options[] = {
    CONFIG_WHEN_OPTIONS(struct inhibit_top, target),
    { 0 },
};

const struct option config_inhibit_options[] = {
    { .name = "name",
      .type = OPTION_STR,
      .offset = AT(struct inhibit_top, name),
      .help = "For words about it; default: inhibit[N], counted from 0." },
    { .name = "source",
      .type = OPTION_GROUP,
      .sub = source_options,
      .required = true,
      .help = "While an alert is open that fits this, ..." },
    { .name = "target",
      .type = OPTION_GROUP,
      .sub = target_options,
      .required = true,
      .help = "... nobody is told of those that fit this." },
    { .name = "equal",
      .type = OPTION_STRS,
      .offset = AT(struct inhibit_top, equal),
      .help = "Only of those that agree in these: channel, host, or fields of the group." },
    { 0 },
};

struct maintenance_top {
    const char *name, *hours, *zone, *from, *until;
    struct config_when when;
};

static const struct option maintenance_when_options[] = {
    CONFIG_WHEN_OPTIONS(struct maintenance_top, when),
    { 0 },
};

const struct option config_maintenance_options[] = {
    { .name = "name",
      .type = OPTION_STR,
      .offset = AT(struct maintenance_top, name),
      .help = "For words about it; default: maintenance[N], counted from 0." },
    { .name = "when",
      .type = OPTION_GROUP,
      .sub = maintenance_when_options,
      .help = "What is worked on; nothing named: everything." },
    { .name = "hours",
      .type = OPTION_STR,
      .offset = AT(struct maintenance_top, hours),
      .help = "Each day or week: 02:00-04:00, Sun 02:00-04:00, Sat,Sun." },
    { .name = "zone",
      .type = OPTION_STR,
      .offset = AT(struct maintenance_top, zone),
      .help = "IANA zone of the hours, like Europe/Berlin; default: UTC." },
    { .name = "from",
      .type = OPTION_STR,
      .offset = AT(struct maintenance_top, from),
      .help = "Once, from this time on, like 2026-11-21T22:00:00Z." },
    { .name = "until",
      .type = OPTION_STR,
      .offset = AT(struct maintenance_top, until),
      .help = "Up to this time." },
    { 0 },
};

struct digest_top {
    int every;
    const char *at, *day, *zone;
    struct option_strs notify;
};

static const char *const every_choices[] = { "day", "week", NULL };

const struct option config_digest_options[] = {
    { .name = "every",
      .type = OPTION_ENUM,
      .offset = AT(struct digest_top, every),
      .choices = every_choices,
      .fallback = "day",
      .help = "How often." },
    { .name = "at",
      .type = OPTION_STR,
      .offset = AT(struct digest_top, at),
      .fallback = "07:00",
      .help = "Time of the day." },
    { .name = "day",
      .type = OPTION_STR,
      .offset = AT(struct digest_top, day),
      .help = "Day of a weekly one: Mon, Tue, ...; default: Mon." },
    { .name = "zone",
      .type = OPTION_STR,
      .offset = AT(struct digest_top, zone),
      .help = "IANA zone of the time, like Europe/Berlin; default: UTC." },
    { .name = "notify",
      .type = OPTION_STRS,
      .offset = AT(struct digest_top, notify),
      .required = true,
      .help = "Names of receivers." },
    { 0 },
};

#define X(id, name, kind, pii, help) name,
static const char *const equal_names[] = { "channel", "host", FIELD_LIST(X) NULL };
#undef X

/* Memory for a list of items; NULL: there is none. */
static void *list_of(struct build *b, const struct yaml *node, const char *what, size_t size)
{
    if (!node || yaml_is_null(node))
        return NULL;
    if (node->kind == YAML_SEQ && node->nchildren <= ITEMS_MAX)
        return config_need(b, node->nchildren, size);
    diag_error(b->d, config_place(node), "%s must be a list of at most %d", what, ITEMS_MAX);
    return NULL;
}

static const char *name_of(struct build *b, const char *given, const char *what, size_t i)
{
    const char *name = given ? given : arena_printf(b->a, "%s[%zu]", what, i);

    if (!name)
        b->failed = -ENOMEM;
    return name;
}

/* ---- inhibitions ---- */

static void build_inhibition(struct build *b, const struct yaml *node, struct inhibition *i)
{
    struct inhibit_top top = { 0 };

    (void)option_load(config_inhibit_options, node, config_place(node), NULL, &top, b->a, b->d);
    i->name = name_of(b, top.name, "inhibit", b->c->routing.ninhibitions);
    config_matcher(b, &top.source, &i->source);
    config_matcher(b, &top.target, &i->target);
    i->equal = top.equal;
    for (size_t k = 0; k < top.equal.n; k++)
        config_name_near(b, top.equal.at[k], top.equal.items[k], equal_names);
    b->c->routing.ninhibitions++;
}

void config_build_inhibitions(struct build *b, const struct yaml *node)
{
    struct inhibition *list = list_of(b, node, "inhibit", sizeof *list);

    if (!list)
        return;
    b->c->routing.inhibitions = list;
    YAML_EACH (item, node)
        build_inhibition(b, item, &list[b->c->routing.ninhibitions]);
}

/* ---- maintenance ---- */

static void read_moment(struct build *b, const struct yaml *node, const char *key, const char *text,
                        uint64_t *ret_us)
{
    if (text && time_parse_rfc3339(slice_str(text), ret_us) < 0)
        diag_error(b->d, yaml_get(node, key)->at,
                   "'%s' is no time with a zone: write it like 2026-11-21T22:00:00Z or "
                   "2026-11-21T23:00:00+01:00",
                   text);
}

static void build_maintenance(struct build *b, const struct yaml *node, struct maintenance *m)
{
    struct maintenance_top top = { 0 };
    bool once;
    int r;

    r = option_load(config_maintenance_options, node, config_place(node), NULL, &top, b->a, b->d);
    m->name = name_of(b, top.name, "maintenance", b->c->routing.nmaintenances);
    config_matcher(b, &top.when, &m->when);
    once = top.from && top.until;
    if (r == 0 && (top.hours ? top.from || top.until : !once))
        diag_error(b->d, config_place(node),
                   "maintenance needs hours, or a time from which and one until which it lasts");
    config_hours(b, node, "hours", top.hours, top.zone, &m->hours);
    read_moment(b, node, "from", top.from, &m->from_us);
    read_moment(b, node, "until", top.until, &m->until_us);
    if (once && m->until_us && m->until_us <= m->from_us)
        diag_error(b->d, yaml_get(node, "until")->at, "it ends before it begins");
    b->c->routing.nmaintenances++;
}

void config_build_maintenance(struct build *b, const struct yaml *node)
{
    struct maintenance *list = list_of(b, node, "maintenance", sizeof *list);

    if (!list)
        return;
    b->c->routing.maintenances = list;
    YAML_EACH (item, node)
        build_maintenance(b, item, &list[b->c->routing.nmaintenances]);
}

/* ---- digests ---- */

static void read_day(struct build *b, const struct yaml *node, const struct digest_top *top,
                     struct config_digest *d)
{
    const struct yaml *at = yaml_get(node, "day");

    if (!top->day)
        return;
    if (!d->weekly)
        diag_error(b->d, config_place(at), "a day is for a weekly one: every: week");
    if (hours_parse_day(slice_str(top->day), &d->weekday) < 0)
        diag_error(b->d, at->at, "'%s' is no day: Mon, Tue, Wed, Thu, Fri, Sat or Sun", top->day);
}

static void build_digest(struct build *b, const struct yaml *node, struct config_digest *d)
{
    struct digest_top top = { 0 };

    (void)option_load(config_digest_options, node, config_place(node), NULL, &top, b->a, b->d);
    d->weekly = top.every == 1;
    d->zone = top.zone;
    d->notify = top.notify;
    if (hours_parse_minute(slice_str(top.at), &d->at_min) < 0 || d->at_min == 24 * 60)
        diag_error(b->d, yaml_get(node, "at")->at, "'%s' is no time of day: write it like 07:00",
                   top.at);
    read_day(b, node, &top, d);
    if (top.zone)
        d->local = config_zone(b, yaml_get(node, "zone"), top.zone);
    config_receivers_known(b, &d->notify);
    b->c->ndigests++;
}

void config_build_digests(struct build *b, const struct yaml *node)
{
    b->c->digests = list_of(b, node, "digests", sizeof *b->c->digests);
    if (b->c->digests)
        YAML_EACH (item, node)
            build_digest(b, item, &b->c->digests[b->c->ndigests]);
}

uint64_t config_digest_next_us(const struct config_digest *d, uint64_t wall_us)
{
    const struct hours h = {
        .given = true,
        .zone = d->zone,
        .local = d->local,
        .days = d->weekly ? 1u << d->weekday : 0,
        .from_min = d->at_min,
        .to_min = d->at_min, /* of the next day: only the beginning counts */
    };

    return hours_next_us(&h, wall_us);
}
