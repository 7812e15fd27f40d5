/* What routes, inhibitions and maintenance share: what must fit, and when. */
#include "logwatch/config-private.h"

/* ---- names ---- */

void config_receivers_known(struct build *b, const struct option_strs *names)
{
    for (size_t i = 0; i < names->n; i++) {
        struct yaml at = { .at = names->at[i] };
        bool known = false;

        for (size_t j = 0; b->receivers && b->receivers[j]; j++)
            known = known || strcmp(b->receivers[j], names->items[i]) == 0;
        if (!known)
            config_unknown(b, &at, "receiver", slice_str(names->items[i]), b->receivers);
    }
}

/*
 * A format or a foreign rule can bring fields that the dictionary does not have, so a name that
 * nobody knows is no fault; one that is nearly a known one is a slip.
 */
void config_name_near(struct build *b, struct src_pos at, const char *name,
                      const char *const *known)
{
    const char *near = diag_nearest(slice_str(name), known);

    for (size_t i = 0; known[i]; i++)
        if (strcmp(known[i], name) == 0)
            return;
    if (near)
        diag_add(b->d, DIAG_WARNING, at, (unsigned)strlen(name),
                 arena_printf(b->a, "did you mean '%s'?", near), "nothing known is called '%s'",
                 name);
}

/* ---- what must fit ---- */

#define X(id, name, kind, pii, help) name,
static const char *const field_names[] = { FIELD_LIST(X) NULL };
#undef X

static const char *const level_names[] = { "critical", "high",          "medium",
                                           "low",      "informational", NULL };

static unsigned levels_of(struct build *b, const struct option_strs *names)
{
    unsigned levels = 0;

    for (size_t i = 0; i < names->n; i++) {
        struct yaml at = { .at = names->at[i] };
        enum level l;

        if (level_parse(slice_str(names->items[i]), &l) < 0)
            config_unknown(b, &at, "level", slice_str(names->items[i]), level_names);
        else
            levels |= 1u << l;
    }
    return levels;
}

static void check_values(struct build *b, const struct option_strs *values)
{
    for (size_t i = 0; i < values->n; i++) {
        struct err err = ERR_NONE;

        if (matcher_check_value(values->items[i], &err) < 0)
            diag_add_err(b->d, values->at[i], &err);
    }
}

/* One field is a list like the others: read by a table made for it. */
static void read_field(struct build *b, const struct yaml *node, struct matcher_field *f)
{
    const struct option table[] = {
        { .name = arena_str(b->a, node->key), .type = OPTION_STRS, .help = "Values." },
        { 0 },
    };
    struct yaml map = { .kind = YAML_MAP, .at = node->at, .nchildren = 1 };
    struct yaml only = *node;

    only.next = NULL;
    map.child = &only;
    f->name = table[0].name;
    if (!f->name) {
        b->failed = -ENOMEM;
        return;
    }
    config_name_near(b, config_place(node), f->name, field_names);
    if (option_load(table, &map, config_place(node), NULL, &f->values, b->a, b->d) < 0)
        return;
    if (f->values.n == 0)
        diag_error(b->d, config_place(node), "no values: an empty list fits nothing");
    check_values(b, &f->values);
}

static void read_fields(struct build *b, const struct yaml *node, struct matcher *m)
{
    if (!node || yaml_is_null(node))
        return;
    if (node->kind != YAML_MAP) {
        diag_error(b->d, config_place(node), "field must be a map: {source.ip: [10.0.0.0/8]}");
        return;
    }
    m->fields = config_need(b, node->nchildren, sizeof *m->fields);
    if (!m->fields)
        return;
    YAML_EACH (f, node)
        read_field(b, f, &m->fields[m->nfields++]);
}

void config_matcher(struct build *b, const struct config_when *when, struct matcher *ret)
{
    *ret = (struct matcher){
        .levels = levels_of(b, &when->levels),
        .rules = when->rules,
        .channels = when->channels,
        .tags = when->tags,
    };
    check_values(b, &when->rules);
    check_values(b, &when->channels);
    check_values(b, &when->tags);
    read_fields(b, when->fields, ret);
}

/* ---- when ---- */

const struct zone *config_zone(struct build *b, const struct yaml *at, const char *name)
{
    struct config_zone *z = b->c->zones;
    struct err err = ERR_NONE;

    while (z && strcmp(z->name, name) != 0)
        z = z->next;
    if (z)
        return z->zone;
    z = config_need(b, 1, sizeof *z);
    if (!z)
        return NULL;
    if (zone_load(name, &z->zone, &err) < 0) {
        diag_add_err(b->d, at->at, &err);
        return NULL;
    }
    z->name = name;
    z->next = b->c->zones;
    b->c->zones = z;
    return z->zone;
}

void config_hours(struct build *b, const struct yaml *node, const char *key, const char *text,
                  const char *zone, struct hours *ret)
{
    const struct yaml *at = yaml_get(node, "zone");
    struct err err = ERR_NONE;

    if (text && hours_parse(slice_str(text), NULL, ret, &err) < 0)
        diag_add_err(b->d, yaml_get(node, key)->at, &err);
    if (!zone)
        return;
    ret->zone = zone;
    ret->local = config_zone(b, at, zone);
}
