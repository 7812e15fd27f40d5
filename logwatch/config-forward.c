/* The section `forward`: programs elsewhere that get the trail's entries. */
#include "logwatch/config-private.h"
#include "logwatch/forward.h"

static const char *const from_choices[] = { "begin", "now", NULL };

static const struct option filter_options[] = {
    { .name = "type",
      .type = OPTION_STRS,
      .offset = AT(struct config_forward, types),
      .help = "Types of entries; a * may end one: [alert, event, ban.*]." },
    { .name = "level",
      .type = OPTION_STRS,
      .offset = AT(struct config_forward, levels),
      .help = "Levels of alerts; entries without a level pass." },
    { .name = "channel",
      .type = OPTION_STRS,
      .offset = AT(struct config_forward, channels),
      .help = "Names of channels; entries without a channel pass." },
    { .name = "field",
      .type = OPTION_STRS,
      .offset = AT(struct config_forward, fields),
      .help = "NAME=VALUE, of which one must be in the entry; a * may end the value: "
              "[user.name=root, rule=4616d1ce-*]." },
    { 0 },
};

const struct option config_forward_options[] = {
    { .name = "type",
      .type = OPTION_STR,
      .offset = AT(struct config_forward, type),
      .required = true,
      .help = "Kind of receiver." },
    { .name = "filter",
      .type = OPTION_GROUP,
      .sub = filter_options,
      .help = "Which entries; without it all." },
    { .name = "from",
      .type = OPTION_ENUM,
      .offset = AT(struct config_forward, from),
      .fallback = "begin",
      .choices = from_choices,
      .help = "Where a receiver that is new begins: with the trail's first entry, or with the next "
              "one." },
    { .name = "batch",
      .type = OPTION_U64,
      .offset = AT(struct config_forward, batch),
      .fallback = "500",
      .min = "1",
      .max = "2000",
      .help = "Entries that are handed over at once, at most." },
    { 0 },
};

static const struct machine_ops *find_kind(struct build *b, const struct yaml *type)
{
    const char *names[16] = { 0 };

    for (size_t i = 0; machine_kinds[i] && i < ARRAY_SIZE(names) - 1; i++)
        names[i] = machine_kinds[i]->name;
    if (!machine_kind(type->text))
        config_unknown(b, type, "type of receiver", type->text, names);
    return machine_kind(type->text);
}

static void check_filter(struct build *b, const struct yaml *node, const struct config_forward *f)
{
    for (size_t i = 0; i < f->levels.n; i++) {
        enum level level;

        if (level_parse(slice_str(f->levels.items[i]), &level) < 0)
            diag_error(b->d, config_place(node), "'%s' is no level", f->levels.items[i]);
    }
}

static void check_fields(struct build *b, const struct yaml *node, const struct config_forward *f)
{
    for (size_t i = 0; i < f->fields.n; i++) {
        const char *equals = strchr(f->fields.items[i], '=');

        if (!equals || equals == f->fields.items[i] || strchr(f->fields.items[i], '"'))
            diag_error(b->d, config_place(node), "'%s' is not NAME=VALUE", f->fields.items[i]);
    }
}

static void build_machine(struct build *b, const struct yaml *node, struct config_forward *f)
{
    static const char *const ours[] = { "type", "filter", "from", "batch", NULL };
    struct machine *m = &f->machine;
    size_t before = diag_errors(b->d);
    struct err err = ERR_NONE;
    const char *const *own = config_names_of(b, m->ops->options);

    m->state = config_need(b, 1, m->ops->state_size);
    if (!m->state || !own)
        return;
    m->host = b->c->host;
    (void)option_load(config_forward_options, node, config_place(node), own, f, b->a, b->d);
    (void)option_load(m->ops->options, node, config_place(node), ours, m->state, b->a, b->d);
    check_filter(b, node, f);
    check_fields(b, node, f);
    if (diag_errors(b->d) == before && m->ops->open(m, &err) < 0)
        diag_add_err(b->d, config_place(node), &err);
}

void config_build_forwards(struct build *b, const struct yaml *node)
{
    if (!node)
        return;
    if (node->kind != YAML_MAP || node->nchildren > FORWARDS_MAX) {
        diag_error(b->d, config_place(node),
                   "forward must be a map of at most %d: NAME: {type: "
                   "...}",
                   FORWARDS_MAX);
        return;
    }
    b->c->forwards = config_need(b, node->nchildren, sizeof *b->c->forwards);
    if (!b->c->forwards)
        return;
    YAML_EACH (m, node) {
        struct config_forward *f = &b->c->forwards[b->c->nforwards];
        const struct yaml *type = yaml_get(m, "type");

        if (!type || type->kind != YAML_SCALAR) {
            diag_error(b->d, config_place(m), "receiver '%.*s' needs a type", SLICE_FMT(m->key));
            continue;
        }
        f->machine.ops = find_kind(b, type);
        f->machine.name = arena_str(b->a, m->key);
        if (!f->machine.ops || !f->machine.name)
            continue;
        build_machine(b, m, f);
        b->c->nforwards++;
    }
}

void config_forget_forwards(struct config *c, const struct machine *keep)
{
    for (size_t i = 0; i < c->nforwards; i++) {
        struct machine *m = &c->forwards[i].machine;

        if (m == keep)
            continue;
        if (m->state && m->ops->close)
            m->ops->close(m);
        m->state = NULL;
    }
}
