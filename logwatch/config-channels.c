/* Channels and where their lines come from; with none configured, what the host has. */
#include "logwatch/config-private.h"

#include <glob.h>

#include "base/table.h"

struct channel_top {
    const char *format, *filter;
    const struct yaml *inputs;
    int audit;
    uint64_t silence_us, behind_us;
};

static const char *const audit_choices[] = { "rules", "all", NULL };

const struct option config_channel_options[] = {
    { .name = "format",
      .type = OPTION_STR,
      .offset = AT(struct channel_top, format),
      .help = "Format of the lines; default: the one with the channel's name." },
    { .name = "filter",
      .type = OPTION_STR,
      .offset = AT(struct channel_top, filter),
      .help =
          "A filter of fail2ban as it is: sshd or sshd[mode=aggressive] of /etc/fail2ban/filter.d, "
          "or a path. Each failure that it finds is an event." },
    { .name = "inputs",
      .type = OPTION_NODE,
      .offset = AT(struct channel_top, inputs),
      .required = true,
      .help = "Where the lines come from: a list of {type: ...}." },
    { .name = "audit",
      .type = OPTION_ENUM,
      .offset = AT(struct channel_top, audit),
      .choices = audit_choices,
      .fallback = "rules",
      .help = "rules: events that rules name become entries of the trail; all: every event." },
    { .name = "silence",
      .type = OPTION_DURATION,
      .offset = AT(struct channel_top, silence_us),
      .fallback = "1d",
      .max = "90d",
      .help = "A channel that says nothing for so long is told of; 0s: never." },
    { .name = "behind",
      .type = OPTION_DURATION,
      .offset = AT(struct channel_top, behind_us),
      .fallback = "5m",
      .max = "90d",
      .help = "So is one whose reading has been behind for so long; 0s: never." },
    { 0 },
};
/* Keys that every input knows, beside those of its kind. */
struct input_top {
    const char *name, *zone, *service, *type;
};

const struct option config_input_options[] = {
    { .name = "type",
      .type = OPTION_STR,
      .offset = AT(struct input_top, type),
      .required = true,
      .help = "Kind of input." },
    { .name = "name",
      .type = OPTION_STR,
      .offset = AT(struct input_top, name),
      .help = "Key of its stored position; default: channel, kind and first path." },
    { .name = "zone",
      .type = OPTION_STR,
      .offset = AT(struct input_top, zone),
      .help = "IANA zone of times that state none, like Europe/Berlin; default: UTC." },
    { .name = "service",
      .type = OPTION_STR,
      .offset = AT(struct input_top, service),
      .help = "Value of service.name." },
    { 0 },
};
static const char *const input_common_names[] = { "type", "name", "zone", "service", NULL };
/* "xray:file:/var/log/xray/access.log": does not change when inputs are moved in the file. */
static const char *input_key(struct build *b, const struct config_channel *ch,
                             const struct input_ops *ops, const struct yaml *node)
{
    const struct yaml *what = NULL;

    /* The first of the kind's own options that is given: a path, a unit, an address. */
    for (const struct option *o = ops->options; !what && o->name; o++)
        what = yaml_get(node, o->name);
    if (what && what->kind == YAML_SEQ)
        what = what->child;
    return arena_printf(b->a, "%.*s:%s:%.*s", SLICE_FMT(ch->name), ops->name,
                        what && what->kind == YAML_SCALAR ? (int)what->text.n : 0,
                        what && what->kind == YAML_SCALAR ? what->text.p : "");
}

static const struct input_ops *find_input_kind(struct build *b, const struct yaml *type)
{
    const char *names[32] = { 0 };

    for (size_t i = 0; input_kinds[i] && i < ARRAY_SIZE(names) - 1; i++)
        names[i] = input_kinds[i]->name;
    for (size_t i = 0; input_kinds[i]; i++)
        if (slice_is(type->text, input_kinds[i]->name))
            return input_kinds[i];
    config_unknown(b, type, "type of input", type->text, names);
    return NULL;
}

static void check_input(struct build *b, const struct yaml *node, const struct config_input *in)
{
    struct err err = ERR_NONE;

    if (in->ops->check && in->ops->check(in->state, &err) < 0)
        diag_add_err(b->d, config_place(node), &err);
}

static void build_input(struct build *b, struct config_channel *ch, const struct yaml *node,
                        struct config_input *in)
{
    const struct yaml *type = yaml_get(node, "type");
    const char *const *own;
    struct input_top common = { 0 };

    in->channel = ch;
    in->socket = -1;
    if (!type || type->kind != YAML_SCALAR) {
        diag_error(b->d, config_place(node),
                   "an input needs a type: file, journald, stdin or syslog");
        return;
    }
    in->ops = find_input_kind(b, type);
    if (!in->ops)
        return;
    own = config_names_of(b, in->ops->options);
    if (!own ||
        option_load(config_input_options, node, config_place(node), own, &common, b->a, b->d) < 0)
        return;
    in->zone = common.zone;
    in->service = common.service;
    in->name = common.name ? common.name : input_key(b, ch, in->ops, node);
    in->state = config_need(b, 1, in->ops->state_size);
    if (in->state && option_load(in->ops->options, node, config_place(node), input_common_names,
                                 in->state, b->a, b->d) == 0)
        check_input(b, node, in);
}

/* ---- filters of fail2ban ---- */

/* Lines from a journal or a syslog socket come with their sender, and without a date. */
static bool brings_sender(const struct yaml *input)
{
    const struct yaml *type = yaml_get(input, "type");

    return type && type->kind == YAML_SCALAR &&
           (slice_is(type->text, "journald") || slice_is(type->text, "syslog"));
}

static bool all_bring_sender(const struct yaml *inputs)
{
    if (!inputs || inputs->kind != YAML_SEQ || inputs->nchildren == 0)
        return false;
    YAML_EACH (item, inputs)
        if (!brings_sender(item))
            return false;
    return true;
}

struct filter_request *config_filters(struct build *b, const struct yaml *node, size_t *ret_n)
{
    bool channels = node && node->kind == YAML_MAP;
    struct filter_request *list = config_need(b, channels ? node->nchildren : 0, sizeof *list);

    *ret_n = 0;
    if (!list || !channels)
        return list;
    YAML_EACH (ch, node) {
        const struct yaml *filter = ch->kind == YAML_MAP ? yaml_get(ch, "filter") : NULL;

        if (filter && filter->kind == YAML_SCALAR && filter->text.n)
            list[(*ret_n)++] =
                (struct filter_request){ .channel = ch->key,
                                         .filter = filter->text,
                                         .journal = all_bring_sender(yaml_get(ch, "inputs")),
                                         .at = filter->at };
    }
    return list;
}

/* ---- channels ---- */

/* NULL: told. */
static const struct format *format_of(struct build *b, const struct yaml *node,
                                      const struct channel_top *top)
{
    const struct formats *formats = b->c->engine->formats;
    struct slice name = top->format ? slice_str(top->format) : node->key;
    const struct format *f;

    if (top->filter && top->format) {
        diag_error(b->d, config_place(node), "a channel has a format or a filter, not both");
        return NULL;
    }
    if (top->filter)
        return format_filter(formats, node->key); /* where there is none, its faults are told */
    f = format_declared(formats, name);
    if (!f)
        diag_add(b->d, DIAG_ERROR, config_place(node), (unsigned)node->key.n,
                 "name one with 'format:'; `trailwarden help formats` lists them",
                 "no format is called '%.*s'", SLICE_FMT(name));
    return f;
}

static void build_channel(struct build *b, const struct yaml *node, struct config_channel *ch)
{
    struct channel_top top = { 0 };
    size_t n = 0;

    ch->name = node->key;
    if (option_load(config_channel_options, node, config_place(node), NULL, &top, b->a, b->d) < 0)
        return;
    ch->audit_all = top.audit == 1;
    ch->silence_us = top.silence_us;
    ch->behind_us = top.behind_us;
    ch->format = format_of(b, node, &top);
    if (top.inputs->kind != YAML_SEQ) {
        diag_error(b->d, config_place(top.inputs), "inputs must be a list");
        return;
    }
    ch->inputs = config_need(b, top.inputs->nchildren, sizeof *ch->inputs);
    if (!ch->inputs)
        return;
    YAML_EACH (item, top.inputs)
        build_input(b, ch, item, &ch->inputs[n++]);
    ch->ninputs = n;
}

void config_build_channels(struct build *b, const struct yaml *node)
{
    size_t n = 0;

    if (!node)
        return;
    if (node->kind != YAML_MAP) {
        diag_error(b->d, config_place(node), "channels must be a map: NAME: {inputs: [...]}");
        return;
    }
    b->c->channels = config_need(b, node->nchildren, sizeof *b->c->channels);
    if (!b->c->channels)
        return;
    YAML_EACH (ch, node)
        build_channel(b, ch, &b->c->channels[n++]);
    b->c->nchannels = n;
}

void config_check_input_names(struct build *b)
{
    AUTO(table) seen = table_new(0);

    for (size_t i = 0; seen && i < b->c->nchannels; i++)
        for (size_t j = 0; j < b->c->channels[i].ninputs; j++) {
            struct config_input *in = &b->c->channels[i].inputs[j];

            if (!in->name)
                continue;
            if (table_get(seen, slice_str(in->name)))
                diag_error(b->d, ((struct src_pos){ b->c->path, 0, 0 }),
                           "two inputs are called '%s': give one a 'name:'", in->name);
            else if (table_put(seen, slice_str(in->name), in) < 0)
                b->failed = -ENOMEM;
        }
}

/* ---- with no channels: what the host has ---- */

static bool glob_finds(const char *pattern)
{
    glob_t g;
    bool found = glob(pattern, GLOB_BRACE | GLOB_NOSORT, NULL, &g) == 0;

    if (found)
        globfree(&g);
    return found;
}

static bool unit_known(const char *unit)
{
    static const char *const folders[] = { "/etc/systemd/system", "/run/systemd/system",
                                           "/lib/systemd/system", "/usr/lib/systemd/system" };
    char path[512];

    for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
        if (snprintf(path, sizeof path, "%s/%s", folders[i], unit) >= (int)sizeof path)
            continue;
        if (access(path, F_OK) == 0)
            return true;
    }
    return false;
}

/* A YAML text as a user would write it, then the ordinary way in: one code path. */
static void discover_format(const struct format *f, struct buf *out)
{
    bool any = false;
    const char *const *paths = format_paths(f);
    const char *const *units = format_units(f);

    for (size_t i = 0; paths && paths[i]; i++)
        if (glob_finds(paths[i])) {
            if (!any)
                buf_printf(out, "  %.*s:\n    inputs:\n", SLICE_FMT(format_channel(f)));
            any = true;
            buf_printf(out, "      - {type: file, path: \"%s\"}\n", paths[i]);
        }
    for (size_t i = 0; units && units[i]; i++)
        if (unit_known(units[i])) {
            if (!any)
                buf_printf(out, "  %.*s:\n    inputs:\n", SLICE_FMT(format_channel(f)));
            any = true;
            buf_printf(out, "      - {type: journald, unit: \"%s\"}\n", units[i]);
        }
}

void config_discover(struct build *b)
{
    AUTO_BUF text = BUF_INIT;
    struct yaml_docs docs = { 0 };
    const struct formats *formats = b->c->engine->formats;

    buf_str(&text, "channels:\n");
    for (size_t i = 0; i < formats_count(formats); i++)
        discover_format(formats_at(formats, i), &text);
    if (!buf_ok(&text) || text.n <= strlen("channels:\n"))
        return;
    if (yaml_load_text("(found on this host)", buf_view(&text), b->a, b->d, &docs) == 0 &&
        docs.ndocs)
        config_build_channels(b, yaml_get(docs.docs[0], "channels"));
}
