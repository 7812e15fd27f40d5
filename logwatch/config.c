/* Loading the configuration: tables say what is allowed, this file says how the parts hang
 * together. */
#include "logwatch/config.h"

#include <dirent.h>
#include <errno.h>
#include <glob.h>
#include <sys/stat.h>

#include "audit/anchor.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/table.h"
#include "logwatch/workers.h"

/* ---- tables ---- */

struct top {
    const char *host, *state;
    const struct yaml *channels, *notifiers, *routes, *bans, *anchors;
    const char *trail_folder, *trail_keys, *trail_origin;
    const char *user;
    uint64_t heartbeat_us, epoch_us, anchor_every_us, verify_us, block_bytes, groups_max,
        reader_memory, stall_us;
    struct option_strs rule_paths, placeholders, format_paths, geo;
    struct option_strs personal, public;
    uint64_t keep_us, keep_bytes;
    bool library, compress;
    int workers;
};

static const struct option rules_options[] = {
    { .name = "paths",
      .type = OPTION_STRS,
      .offset = AT(struct top, rule_paths),
      .help = "Files and folders of Sigma rules, added to the library inside the program." },
    { .name = "placeholders",
      .type = OPTION_STRS,
      .offset = AT(struct top, placeholders),
      .help = "Files of lists for %name% in rules (modifier expand): name: [value, ...]." },
    { .name = "library",
      .type = OPTION_BOOL,
      .offset = AT(struct top, library),
      .fallback = "true",
      .help = "Use the library inside the program." },
    { 0 },
};

static const struct option formats_options[] = {
    { .name = "paths",
      .type = OPTION_STRS,
      .offset = AT(struct top, format_paths),
      .help = "Folders with formats of your own; a format of the same name replaces ours." },
    { 0 },
};

static const struct option geo_options[] = {
    { .name = "database",
      .type = OPTION_STRS,
      .offset = AT(struct top, geo),
      .help = "MaxMind databases: country or city, and ASN." },
    { 0 },
};

static const struct option trail_options[] = {
    { .name = "folder",
      .type = OPTION_STR,
      .offset = AT(struct top, trail_folder),
      .help = "Where the audit trail is written; default: trail in the state folder." },
    { .name = "keys",
      .type = OPTION_STR,
      .offset = AT(struct top, trail_keys),
      .help = "Where its secret keys are kept; default: keys in the state folder." },
    { .name = "origin",
      .type = OPTION_STR,
      .offset = AT(struct top, trail_origin),
      .help = "Name of the trail in its checkpoints; default: HOST/trail/1." },
    { .name = "heartbeat",
      .type = OPTION_DURATION,
      .offset = AT(struct top, heartbeat_us),
      .fallback = "5m",
      .min = "1s",
      .max = "1d",
      .help = "An entry is written at least this often." },
    { .name = "epoch",
      .type = OPTION_DURATION,
      .offset = AT(struct top, epoch_us),
      .fallback = "1d",
      .min = "1m",
      .max = "30d",
      .help = "The second signing key is replaced and wiped this often." },
    { .name = "personal",
      .type = OPTION_STRS,
      .offset = AT(struct top, personal),
      .help =
          "Fields that name people, besides those of `help fields`: their values can be erased." },
    { .name = "public",
      .type = OPTION_STRS,
      .offset = AT(struct top, public),
      .help = "Fields that name nobody: their values stay in the trail for ever." },
    { .name = "anchors",
      .type = OPTION_NODE,
      .offset = AT(struct top, anchors),
      .help = "Who keeps its checkpoints elsewhere: a list of {type: ...}." },
    { .name = "anchor_every",
      .type = OPTION_DURATION,
      .offset = AT(struct top, anchor_every_us),
      .fallback = "1h",
      .min = "1s",
      .max = "30d",
      .help = "They get the newest checkpoint this often." },
    { .name = "keep",
      .type = OPTION_DURATION,
      .offset = AT(struct top, keep_us),
      .fallback = "0s",
      .help = "Entries older than this are pruned, in whole segments; 0s: kept for ever." },
    { .name = "keep_bytes",
      .type = OPTION_SIZE,
      .offset = AT(struct top, keep_bytes),
      .fallback = "0",
      .help = "The oldest segments are pruned until the log has at most this size; 0: any size." },
    { .name = "compress",
      .type = OPTION_BOOL,
      .offset = AT(struct top, compress),
      .fallback = "true",
      .help = "Closed segments are compressed with gzip." },
    { .name = "verify",
      .type = OPTION_DURATION,
      .offset = AT(struct top, verify_us),
      .fallback = "1d",
      .max = "30d",
      .help = "The daemon verifies the whole trail this often; 0s: never." },
    { 0 },
};

static const struct option limits_options[] = {
    { .name = "block",
      .type = OPTION_SIZE,
      .offset = AT(struct top, block_bytes),
      .fallback = "256KiB",
      .min = "4KiB",
      .max = "1MiB",
      .help = "Bytes of one source that are worked on in one go." },
    { .name = "groups",
      .type = OPTION_U64,
      .offset = AT(struct top, groups_max),
      .fallback = "100000",
      .min = "16",
      .max = "10000000",
      .help = "Groups a correlation rule remembers; the least recent goes first." },
    { 0 },
};

/* Index: the number and one. */
static const char *const workers_choices[] = { "auto", "0",  "1",  "2",  "3",  "4",  "5",
                                               "6",    "7",  "8",  "9",  "10", "11", "12",
                                               "13",   "14", "15", "16", NULL };

static const struct option processes_options[] = {
    { .name = "user",
      .type = OPTION_STR,
      .offset = AT(struct top, user),
      .help =
          "User of reader, core and receivers when started as root; default: root, with next to "
          "no rights." },
    { .name = "reader_memory",
      .type = OPTION_SIZE,
      .offset = AT(struct top, reader_memory),
      .fallback = "512MiB",
      .min = "64MiB",
      .max = "64GiB",
      .help =
          "Memory that the reader may have; an entry that would need more is left out and told." },
    { .name = "workers",
      .type = OPTION_ENUM,
      .offset = AT(struct top, workers),
      .choices = workers_choices,
      .fallback = "auto",
      .help = "Threads of the reader beside its own, for floods and backlogs; auto: the processors "
              "that it may "
              "use, at most 4, less one for the core; on one or two processors none." },
    { .name = "stall",
      .type = OPTION_DURATION,
      .offset = AT(struct top, stall_us),
      .fallback = "2m",
      .min = "2s",
      .max = "1h",
      .help = "A process that does not move for so long is killed and started again." },
    { 0 },
};

static const struct option top_options[] = {
    { .name = "host",
      .type = OPTION_STR,
      .offset = AT(struct top, host),
      .help = "Name of this host in messages; default: its host name." },
    { .name = "state",
      .type = OPTION_STR,
      .offset = AT(struct top, state),
      .fallback = "/var/lib/trailwarden",
      .help = "Folder of the state database." },
    { .name = "channels",
      .type = OPTION_NODE,
      .offset = AT(struct top, channels),
      .help = "Name of each channel, with its format and inputs." },
    { .name = "rules", .type = OPTION_GROUP, .sub = rules_options, .help = "Detection rules." },
    { .name = "formats", .type = OPTION_GROUP, .sub = formats_options, .help = "Log formats." },
    { .name = "geo", .type = OPTION_GROUP, .sub = geo_options, .help = "Places of addresses." },
    { .name = "notifiers",
      .type = OPTION_NODE,
      .offset = AT(struct top, notifiers),
      .help = "Name of each receiver, with its type and options." },
    { .name = "routes",
      .type = OPTION_NODE,
      .offset = AT(struct top, routes),
      .help = "Which alerts go to which receivers; without routes all go to all." },
    { .name = "bans",
      .type = OPTION_NODE,
      .offset = AT(struct top, bans),
      .help = "How addresses are kept out: backend and its options." },
    { .name = "trail", .type = OPTION_GROUP, .sub = trail_options, .help = "The audit trail." },
    { .name = "limits", .type = OPTION_GROUP, .sub = limits_options, .help = "Bounds." },
    { .name = "processes",
      .type = OPTION_GROUP,
      .sub = processes_options,
      .help = "The processes of `run`." },
    { 0 },
};

struct channel_top {
    const char *format;
    const struct yaml *inputs;
    int audit;
    uint64_t silence_us, behind_us;
};

static const char *const audit_choices[] = { "rules", "all", NULL };

static const struct option channel_options[] = {
    { .name = "format",
      .type = OPTION_STR,
      .offset = AT(struct channel_top, format),
      .help = "Format of the lines; default: the one with the channel's name." },
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

static const struct option input_common_options[] = {
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
static const char *const type_only[] = { "type", NULL };

#define ANCHORS_MAX 12 /* a note has room for 16 signatures */

/* Keys that every anchor knows, beside those of its kind. */
struct anchor_top {
    const char *name, *type;
};

static const struct option anchor_common_options[] = {
    { .name = "type",
      .type = OPTION_STR,
      .offset = AT(struct anchor_top, type),
      .required = true,
      .help = "Kind of anchor." },
    { .name = "name",
      .type = OPTION_STR,
      .offset = AT(struct anchor_top, name),
      .help = "Its name in the trail and in messages; default: its kind, and its url or path." },
    { 0 },
};
static const char *const anchor_common_names[] = { "type", "name", NULL };

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

static const struct option route_options[] = {
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

struct bans_top {
    const char *backend;
    uint64_t max_age_us;
    bool forgeable;
};

static const struct option bans_options[] = {
    { .name = "backend",
      .type = OPTION_STR,
      .offset = AT(struct bans_top, backend),
      .required = true,
      .help = "Kind of ban: dry-run or command." },
    { .name = "max_age",
      .type = OPTION_DURATION,
      .offset = AT(struct bans_top, max_age_us),
      .fallback = "5m",
      .help = "Older events ban nobody; 0s: any age." },
    { .name = "forgeable",
      .type = OPTION_BOOL,
      .offset = AT(struct bans_top, forgeable),
      .fallback = "false",
      .help = "Ban on lines that a stranger can write into the log as well." },
    { 0 },
};
static const char *const bans_common_names[] = { "backend", "max_age", "forgeable", NULL };

/* ---- building ---- */

struct build {
    struct config *c;
    struct diag *d;
    struct arena *a;
    int failed; /* -ENOMEM or 0; findings are in d */
};

static void *need(struct build *b, size_t n, size_t size)
{
    void *p = arena_array(b->a, n ? n : 1, size);

    if (!p)
        b->failed = -ENOMEM;
    return p;
}

static struct src_pos place(const struct yaml *y)
{
    return y->key.n ? y->key_at : y->at;
}

static void unknown_kind(struct build *b, const struct yaml *at, const char *what,
                         struct slice name, const char *const *names)
{
    const char *near = diag_nearest(name, names);
    char *hint = near ? arena_printf(b->a, "did you mean '%s'?", near) : NULL;

    diag_add(b->d, DIAG_ERROR, at->at, (unsigned)name.n, hint, "unknown %s '%.*s'", what,
             SLICE_FMT(name));
}

/* The names of a table, to be ignored while another table is loaded from the same map. */
static const char *const *names_of(struct build *b, const struct option *table)
{
    size_t n = 0;
    const char **names;

    while (table[n].name)
        n++;
    names = need(b, n + 1, sizeof *names);
    for (size_t i = 0; names && i < n; i++)
        names[i] = table[i].name;
    return names;
}

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
    unknown_kind(b, type, "type of input", type->text, names);
    return NULL;
}

static void check_input(struct build *b, const struct yaml *node, const struct config_input *in)
{
    struct err err = ERR_NONE;

    if (in->ops->check && in->ops->check(in->state, &err) < 0)
        diag_add_err(b->d, place(node), &err);
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
        diag_error(b->d, place(node), "an input needs a type: file, journald, stdin or syslog");
        return;
    }
    in->ops = find_input_kind(b, type);
    if (!in->ops)
        return;
    own = names_of(b, in->ops->options);
    if (!own || option_load(input_common_options, node, place(node), own, &common, b->a, b->d) < 0)
        return;
    in->zone = common.zone;
    in->service = common.service;
    in->name = common.name ? common.name : input_key(b, ch, in->ops, node);
    in->state = need(b, 1, in->ops->state_size);
    if (in->state && option_load(in->ops->options, node, place(node), input_common_names, in->state,
                                 b->a, b->d) == 0)
        check_input(b, node, in);
}

static void build_channel(struct build *b, const struct yaml *node, struct config_channel *ch)
{
    struct channel_top top = { 0 };
    size_t n = 0;

    ch->name = node->key;
    if (option_load(channel_options, node, place(node), NULL, &top, b->a, b->d) < 0)
        return;
    ch->audit_all = top.audit == 1;
    ch->silence_us = top.silence_us;
    ch->behind_us = top.behind_us;
    ch->format = format_find(b->c->engine->formats, top.format ? slice_str(top.format) : node->key);
    if (!ch->format)
        diag_add(b->d, DIAG_ERROR, place(node), (unsigned)node->key.n,
                 "name one with 'format:'; `trailwarden help formats` lists them",
                 "no format is called '%.*s'",
                 SLICE_FMT(top.format ? slice_str(top.format) : node->key));
    if (top.inputs->kind != YAML_SEQ) {
        diag_error(b->d, place(top.inputs), "inputs must be a list");
        return;
    }
    ch->inputs = need(b, top.inputs->nchildren, sizeof *ch->inputs);
    if (!ch->inputs)
        return;
    YAML_EACH (item, top.inputs)
        build_input(b, ch, item, &ch->inputs[n++]);
    ch->ninputs = n;
}

static void build_channels(struct build *b, const struct yaml *node)
{
    size_t n = 0;

    if (!node)
        return;
    if (node->kind != YAML_MAP) {
        diag_error(b->d, place(node), "channels must be a map: NAME: {inputs: [...]}");
        return;
    }
    b->c->channels = need(b, node->nchildren, sizeof *b->c->channels);
    if (!b->c->channels)
        return;
    YAML_EACH (ch, node)
        build_channel(b, ch, &b->c->channels[n++]);
    b->c->nchannels = n;
}

static void check_input_names(struct build *b)
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

static const struct sink_ops *find_sink_kind(struct build *b, const struct yaml *type, bool bans)
{
    const char *names[32] = { 0 };
    size_t n = 0;

    for (size_t i = 0; sink_kinds[i] && n < ARRAY_SIZE(names) - 1; i++)
        if (sink_kinds[i]->bans == bans)
            names[n++] = sink_kinds[i]->name;
    for (size_t i = 0; sink_kinds[i]; i++)
        if (sink_kinds[i]->bans == bans && slice_is(type->text, sink_kinds[i]->name))
            return sink_kinds[i];
    unknown_kind(b, type, bans ? "ban backend" : "type of notifier", type->text, names);
    return NULL;
}

static void build_sink(struct build *b, const struct yaml *node, const struct sink_ops *ops,
                       const char *const *common, struct sink *s)
{
    struct err err = ERR_NONE;
    size_t before = diag_errors(b->d);

    s->ops = ops;
    s->state = need(b, 1, s->ops->state_size);
    if (!s->state)
        return;
    (void)option_load(s->ops->options, node, place(node), common, s->state, b->a, b->d);
    if (diag_errors(b->d) == before && s->ops->open && s->ops->open(s, &err) < 0)
        diag_add_err(b->d, place(node), &err);
}

static void build_sinks(struct build *b, const struct yaml *node)
{
    if (!node)
        return;
    if (node->kind != YAML_MAP) {
        diag_error(b->d, place(node), "notifiers must be a map: NAME: {type: ...}");
        return;
    }
    b->c->sinks = need(b, node->nchildren, sizeof *b->c->sinks);
    if (!b->c->sinks)
        return;
    YAML_EACH (m, node) {
        struct sink *s = &b->c->sinks[b->c->nsinks];
        const struct yaml *type = yaml_get(m, "type");
        const struct sink_ops *ops;

        if (!type || type->kind != YAML_SCALAR) {
            diag_error(b->d, place(m), "notifier '%.*s' needs a type", SLICE_FMT(m->key));
            continue;
        }
        ops = find_sink_kind(b, type, false);
        if (!ops)
            continue;
        s->name = arena_str(b->a, m->key);
        build_sink(b, m, ops, type_only, s);
        b->c->nsinks++;
    }
}

static void build_bans(struct build *b, const struct yaml *node)
{
    struct bans_top top = { 0 };
    const struct yaml *backend;
    const struct sink_ops *ops;
    const char *const *own;

    if (!node)
        return;
    backend = yaml_get(node, "backend");
    if (!backend || backend->kind != YAML_SCALAR) {
        diag_error(b->d, place(node), "bans need a backend: dry-run, command or none");
        return;
    }
    if (slice_is(backend->text, "none"))
        return;
    ops = find_sink_kind(b, backend, true);
    own = ops ? names_of(b, ops->options) : NULL;
    if (!own || option_load(bans_options, node, place(node), own, &top, b->a, b->d) < 0)
        return;
    b->c->bans.max_age_us = top.max_age_us;
    b->c->bans.forgeable = top.forgeable;
    b->c->bans.sink = need(b, 1, sizeof *b->c->bans.sink);
    if (!b->c->bans.sink)
        return;
    b->c->bans.sink->name = "bans";
    build_sink(b, node, ops, bans_common_names, b->c->bans.sink);
}

/* "witness:https://w.example/": the same for the daemon and its trail wherever it stands. */
static const char *anchor_name(struct build *b, const struct yaml *node, const struct sink_ops *ops)
{
    const struct yaml *url = yaml_get(node, "url"), *path = yaml_get(node, "path");
    const struct yaml *what = url ? url : path;
    struct slice text = what && what->kind == YAML_SCALAR ? what->text : SLICE("");
    size_t at = slice_find_byte(text, '@'), query;

    /* What is before an @ or behind a question mark may be a secret. */
    if (at != SIZE_MAX)
        text = slice_skip(text, at + 1);
    query = slice_find_byte(text, '?');
    return arena_printf(b->a, "%s:%.*s", ops->name, SLICE_FMT(slice_take(text, query)));
}

static const struct sink_ops *find_anchor_kind(struct build *b, const struct yaml *type)
{
    const char *names[16] = { 0 };

    for (size_t i = 0; anchor_kinds[i] && i < ARRAY_SIZE(names) - 1; i++)
        names[i] = anchor_kinds[i]->name;
    if (!anchor_kind(type->text))
        unknown_kind(b, type, "type of anchor", type->text, names);
    return anchor_kind(type->text);
}

static bool name_taken(const struct config *c, const char *name)
{
    for (size_t i = 0; i < c->nsinks; i++)
        if (strcmp(c->sinks[i].name, name) == 0)
            return true;
    for (size_t i = 0; i < c->nanchors; i++)
        if (strcmp(c->anchors[i].sink->name, name) == 0)
            return true;
    return strcmp(name, "bans") == 0;
}

static void build_anchor(struct build *b, const struct yaml *node)
{
    const struct yaml *type = yaml_get(node, "type");
    struct config_anchor *anchor = &b->c->anchors[b->c->nanchors];
    const struct sink_ops *ops;
    struct anchor_top top = { 0 };
    struct err err = ERR_NONE;
    const char *const *own;
    size_t before = diag_errors(b->d);

    if (!type || type->kind != YAML_SCALAR) {
        diag_error(b->d, place(node), "an anchor needs a type: file, post, witness or timestamp");
        return;
    }
    ops = find_anchor_kind(b, type);
    own = ops ? names_of(b, ops->options) : NULL;
    if (!own || option_load(anchor_common_options, node, place(node), own, &top, b->a, b->d) < 0)
        return;
    anchor->sink = need(b, 1, sizeof *anchor->sink);
    if (!anchor->sink)
        return;
    anchor->sink->name = top.name ? top.name : anchor_name(b, node, ops);
    if (!anchor->sink->name) {
        b->failed = -ENOMEM;
        return;
    }
    if (name_taken(b->c, anchor->sink->name))
        diag_error(b->d, place(node), "two receivers are called '%s': give one another 'name:'",
                   anchor->sink->name);
    build_sink(b, node, ops, anchor_common_names, anchor->sink);
    b->c->nanchors++;
    anchor->vkey = diag_errors(b->d) == before ? anchor_vkey(anchor->sink) : NULL;
    if (anchor->vkey && audit_witness_check(anchor->vkey, &err) < 0)
        diag_add_err(b->d, place(node), &err);
}

static void build_anchors(struct build *b, const struct yaml *node)
{
    if (!node)
        return;
    if (node->kind != YAML_SEQ || node->nchildren > ANCHORS_MAX) {
        diag_error(b->d, place(node), "anchors must be a list of at most %d: [{type: ...}]",
                   ANCHORS_MAX);
        return;
    }
    b->c->anchors = need(b, node->nchildren, sizeof *b->c->anchors);
    if (!b->c->anchors)
        return;
    YAML_EACH (item, node)
        build_anchor(b, item);
}

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

            unknown_kind(b, &at, "receiver", slice_str(names->items[i]), all);
        }
    }
}

static void build_route(struct build *b, const struct yaml *node, struct config_route *r)
{
    struct route_top top = { 0 };

    if (option_load(route_options, node, place(node), NULL, &top, b->a, b->d) < 0)
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

static void build_routes(struct build *b, const struct yaml *node)
{
    if (!node)
        return;
    if (node->kind != YAML_SEQ) {
        diag_error(b->d, place(node), "routes must be a list");
        return;
    }
    b->c->routes = need(b, node->nchildren, sizeof *b->c->routes);
    if (!b->c->routes)
        return;
    YAML_EACH (item, node)
        build_route(b, item, &b->c->routes[b->c->nroutes++]);
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

static void discover(struct build *b)
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
        build_channels(b, yaml_get(docs.docs[0], "channels"));
}

/* ---- files ---- */

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_yaml(const struct dirent *e)
{
    struct slice name = slice_str(e->d_name);

    return e->d_name[0] != '.' &&
           (slice_ends(name, SLICE(".yaml")) || slice_ends(name, SLICE(".yml")));
}

/* Members of `more` are added to `base`: maps are merged, anything else is replaced. */
static void merge(struct yaml *base, struct yaml *more)
{
    struct yaml *next;

    for (struct yaml *m = more->child; m; m = next) {
        struct yaml **slot = &base->child;

        next = m->next;
        while (*slot && !slice_eq((*slot)->key, m->key))
            slot = &(*slot)->next;
        if (*slot && (*slot)->kind == YAML_MAP && m->kind == YAML_MAP) {
            merge(*slot, m);
            continue;
        }
        m->next = *slot ? (*slot)->next : NULL;
        base->nchildren += *slot ? 0 : 1;
        *slot = m;
    }
}

static void load_one(struct build *b, const char *path, struct sha256 *h, struct yaml **ret_root)
{
    struct yaml_docs docs = { 0 };
    AUTO_BUF text = BUF_INIT;
    struct err err = ERR_NONE;

    if (file_read(-1, path, 1 << 20, &text, &err) < 0) {
        diag_add_err(b->d, (struct src_pos){ diag_path(b->d, path), 0, 0 }, &err);
        return;
    }
    sha256_add(h, text.p, text.n);
    if (yaml_load_text(path, buf_view(&text), b->a, b->d, &docs) < 0)
        return;
    if (docs.ndocs > 1)
        diag_error(b->d, docs.docs[1]->at, "a configuration is one document");
    if (!docs.ndocs || !docs.docs[0])
        return;
    if (docs.docs[0]->kind != YAML_MAP) {
        diag_error(b->d, docs.docs[0]->at, "a configuration is a map of settings");
        return;
    }
    if (*ret_root)
        merge(*ret_root, docs.docs[0]);
    else
        *ret_root = docs.docs[0];
}

static void load_drop_ins(struct build *b, const char *path, struct sha256 *h, struct yaml **root)
{
    const char *slash = strrchr(path, '/');
    const char *folder =
        arena_printf(b->a, "%.*sconf.d", slash ? (int)(slash - path) + 1 : 0, path);
    struct dirent **list = NULL;
    int n = folder ? scandir(folder, &list, is_yaml, by_name) : -1;

    for (int i = 0; i < n; i++) {
        const char *file = arena_printf(b->a, "%s/%s", folder, list[i]->d_name);

        if (file)
            load_one(b, file, h, root);
        free(list[i]);
    }
    free(list);
}

static struct yaml *load_files(struct build *b, const struct config_request *q)
{
    struct yaml *root = NULL;
    struct sha256 h = { 0 };
    const char *path = q->path ? q->path : CONFIG_PATH;

    if (sha256_init(&h) < 0) {
        b->failed = -ENOMEM;
        return NULL;
    }
    if (q->path || access(CONFIG_PATH, F_OK) == 0) {
        b->c->path = arena_str(b->a, slice_str(path));
        load_one(b, path, &h, &root);
        load_drop_ins(b, path, &h, &root);
    }
    sha256_end(&h, b->c->digest);
    sha256_fini(&h);
    return root;
}

/* ---- the whole ---- */

static const char *host_name(struct arena *a)
{
    char name[256] = "localhost";

    if (gethostname(name, sizeof name - 1) < 0 || !name[0])
        return "localhost";
    return arena_str(a, slice_str(name));
}

static void set_paths(struct build *b, const struct config_request *q, const struct top *top)
{
    struct config *c = b->c;

    c->host = top->host ? top->host : host_name(b->a);
    c->state = q->state ? arena_str(b->a, slice_str(q->state)) : top->state;
    c->trail = top->trail_folder ? top->trail_folder : arena_printf(b->a, "%s/trail", c->state);
    c->keys = top->trail_keys ? top->trail_keys : arena_printf(b->a, "%s/keys", c->state);
    c->origin = top->trail_origin ? top->trail_origin : arena_printf(b->a, "%s/trail/1", c->host);
    c->origin_given = top->trail_origin != NULL;
    c->heartbeat_us = top->heartbeat_us;
    c->epoch_us = top->epoch_us;
    c->anchor_every_us = top->anchor_every_us;
    c->keep_us = top->keep_us;
    c->keep_bytes = top->keep_bytes;
    c->compress = top->compress;
    c->verify_us = top->verify_us;
    c->block_bytes = top->block_bytes;
    c->groups_max = top->groups_max;
    c->user = top->user;
    c->reader_memory = top->reader_memory;
    c->workers = top->workers ? (uint64_t)top->workers - 1 : WORKERS_AUTO;
    c->stall_us = top->stall_us;
    c->geo = top->geo;
    c->personal_fields = top->personal;
    c->public_fields = top->public;
    if (!c->host || !c->state || !c->trail || !c->keys || !c->origin)
        b->failed = -ENOMEM;
}

static int load_engine(struct build *b, const struct top *top)
{
    struct engine_request q = {
        .rule_paths = top->rule_paths.items,
        .nrule_paths = top->rule_paths.n,
        .placeholders = top->placeholders.items,
        .nplaceholders = top->placeholders.n,
        .no_library = !top->library,
        .format_paths = top->format_paths.items,
        .nformat_paths = top->format_paths.n,
    };

    return engine_load(&q, b->d, &b->c->engine);
}

int config_load(const struct config_request *request, struct diag *d, struct config **ret_config)
{
    AUTO(config) c = calloc(1, sizeof *c);
    struct build b = { .c = c, .d = d };
    struct top top = { 0 };
    struct yaml *root;
    size_t before = diag_errors(d);

    if (!c || !(c->arena = b.a = arena_new(65536, 64 << 20)))
        return -ENOMEM;
    root = load_files(&b, request);
    (void)option_load(top_options, root, (struct src_pos){ c->path, 1, 1 }, NULL, &top, b.a, d);
    set_paths(&b, request, &top);
    if (b.failed || load_engine(&b, &top) < 0)
        return -ENOMEM;
    build_channels(&b, top.channels);
    if (!top.channels && request->discover)
        discover(&b);
    check_input_names(&b);
    build_sinks(&b, top.notifiers);
    build_routes(&b, top.routes);
    build_bans(&b, top.bans);
    build_anchors(&b, top.anchors);
    if (b.failed)
        return b.failed;
    *ret_config = TAKE(c);
    return diag_errors(d) > before ? -EINVAL : 0;
}

static void sink_close(struct sink *s)
{
    if (s && s->ops && s->state && s->ops->close)
        s->ops->close(s);
    if (s)
        s->state = NULL;
}

void config_forget_sinks(struct config *c, const struct sink *keep)
{
    for (size_t i = 0; i < c->nsinks; i++)
        if (&c->sinks[i] != keep)
            sink_close(&c->sinks[i]);
    if (c->bans.sink && c->bans.sink != keep)
        sink_close(c->bans.sink);
    for (size_t i = 0; i < c->nanchors; i++)
        if (c->anchors[i].sink != keep)
            sink_close(c->anchors[i].sink);
}

void config_free(struct config *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->nsinks; i++)
        sink_close(&c->sinks[i]);
    sink_close(c->bans.sink);
    for (size_t i = 0; i < c->nanchors; i++)
        sink_close(c->anchors[i].sink);
    engine_free(c->engine);
    arena_free(c->arena);
    free(c);
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

const char *config_ban_refusal(const struct config *c, const struct alert *alert, uint64_t now_us)
{
    const struct config_bans *bans = &c->bans;

    if (!bans->sink)
        return "no backend";
    if (alert->ban.address.n == 0)
        return "no address";
    if (alert->trust == TRUST_FORGEABLE && !bans->forgeable)
        return "forgeable";
    if (bans->max_age_us && (alert->backfill || alert->time_us + bans->max_age_us < now_us))
        return "too old";
    return NULL;
}

/* ---- words about it ---- */

static void kinds_help(struct buf *out, bool bans)
{
    for (size_t i = 0; sink_kinds[i]; i++)
        if (sink_kinds[i]->bans == bans) {
            buf_printf(out, "\n  type %s: %s\n", sink_kinds[i]->name, sink_kinds[i]->summary);
            option_help(sink_kinds[i]->options, out, "    ");
        }
}

void config_help(struct buf *out)
{
    buf_str(out, "Settings of " CONFIG_PATH " and conf.d/*.yaml\n\n");
    option_help(top_options, out, "  ");
    buf_str(out, "\nchannels: NAME:\n");
    option_help(channel_options, out, "  ");
    buf_str(out, "\ninputs: each item\n");
    option_help(input_common_options, out, "  ");
    for (size_t i = 0; input_kinds[i]; i++) {
        buf_printf(out, "\n  type %s: %s\n", input_kinds[i]->name, input_kinds[i]->summary);
        option_help(input_kinds[i]->options, out, "    ");
    }
    buf_str(out, "\nnotifiers: NAME:\n");
    kinds_help(out, false);
    buf_str(out, "\nroutes: each item\n");
    option_help(route_options, out, "  ");
    buf_str(out, "\nbans:\n");
    option_help(bans_options, out, "  ");
    kinds_help(out, true);
    buf_str(out, "\ntrail: anchors: each item\n");
    option_help(anchor_common_options, out, "  ");
    for (size_t i = 0; anchor_kinds[i]; i++) {
        buf_printf(out, "\n  type %s: %s\n", anchor_kinds[i]->name, anchor_kinds[i]->summary);
        option_help(anchor_kinds[i]->options, out, "    ");
    }
}

/* One object schema from the table all kinds share and the table of one kind. */
static void kind_schema(const struct option *common, const struct option *own, const char *key,
                        const char *kind, struct json_writer *w)
{
    const char *const only[] = { kind, NULL };
    struct option all[64] = {
        { .name = key, .type = OPTION_ENUM, .choices = only, .required = true, .help = "Kind." }
    };
    size_t n = 1;

    for (; common && common->name; common++)
        if (strcmp(common->name, key) != 0 && n < ARRAY_SIZE(all) - 1)
            all[n++] = *common;
    for (; own->name && n < ARRAY_SIZE(all) - 1; own++)
        all[n++] = *own;
    json_object(w);
    option_schema(all, w);
    json_object_end(w);
}

static void inputs_schema(struct json_writer *w)
{
    json_object(w);
    json_member_str(w, "type", "array");
    json_key(w, "items");
    json_object(w);
    json_key(w, "oneOf");
    json_array(w);
    for (size_t i = 0; input_kinds[i]; i++)
        kind_schema(input_common_options, input_kinds[i]->options, "type", input_kinds[i]->name, w);
    json_array_end(w);
    json_object_end(w);
    json_object_end(w);
}

static void sinks_schema(const struct option *common, const char *key, bool bans,
                         struct json_writer *w)
{
    json_object(w);
    json_key(w, "oneOf");
    json_array(w);
    for (size_t i = 0; sink_kinds[i]; i++)
        if (sink_kinds[i]->bans == bans)
            kind_schema(common, sink_kinds[i]->options, key, sink_kinds[i]->name, w);
    if (bans)
        kind_schema(NULL, (const struct option[]){ { 0 } }, key, "none", w);
    json_array_end(w);
    json_object_end(w);
}

static void anchors_schema(struct json_writer *w)
{
    json_object(w);
    json_key(w, "oneOf");
    json_array(w);
    for (size_t i = 0; anchor_kinds[i]; i++)
        kind_schema(anchor_common_options, anchor_kinds[i]->options, "type", anchor_kinds[i]->name,
                    w);
    json_array_end(w);
    json_object_end(w);
}

/* The parts that the option tables leave to us (OPTION_NODE), under $defs. */
static void defs_schema(struct json_writer *w)
{
    json_object(w);
    json_key(w, "channel");
    json_object(w);
    option_schema(channel_options, w);
    json_object_end(w);
    json_key(w, "inputs");
    inputs_schema(w);
    json_key(w, "notifier");
    sinks_schema(NULL, "type", false, w);
    json_key(w, "route");
    json_object(w);
    option_schema(route_options, w);
    json_object_end(w);
    json_key(w, "bans");
    sinks_schema(bans_options, "backend", true, w);
    json_key(w, "anchor");
    anchors_schema(w);
    json_object_end(w);
}

static void map_of(struct json_writer *w, const char *property, const char *each, bool list)
{
    json_key(w, property);
    json_object(w);
    json_member_str(w, "type", list ? "array" : "object");
    json_key(w, list ? "items" : "additionalProperties");
    json_object(w);
    json_member_str(w, "$ref", each);
    json_object_end(w);
    json_object_end(w);
}

void config_schema(struct json_writer *w)
{
    json_object(w);
    json_member_str(w, "$schema", "https://json-schema.org/draft/2020-12/schema");
    json_member_str(w, "title", "trailwarden configuration");
    option_schema(top_options, w);
    json_key(w, "allOf");
    json_array(w);
    json_object(w);
    json_key(w, "properties");
    json_object(w);
    json_key(w, "channels");
    json_object(w);
    json_member_str(w, "type", "object");
    json_key(w, "additionalProperties");
    json_object(w);
    json_key(w, "allOf");
    json_array(w);
    json_object(w);
    json_member_str(w, "$ref", "#/$defs/channel");
    json_object_end(w);
    json_object(w);
    json_key(w, "properties");
    json_object(w);
    json_key(w, "inputs");
    json_object(w);
    json_member_str(w, "$ref", "#/$defs/inputs");
    json_object_end(w);
    json_object_end(w);
    json_object_end(w);
    json_array_end(w);
    json_object_end(w);
    json_object_end(w);
    map_of(w, "notifiers", "#/$defs/notifier", false);
    map_of(w, "routes", "#/$defs/route", true);
    json_key(w, "bans");
    json_object(w);
    json_member_str(w, "$ref", "#/$defs/bans");
    json_object_end(w);
    json_key(w, "trail");
    json_object(w);
    json_key(w, "properties");
    json_object(w);
    map_of(w, "anchors", "#/$defs/anchor", true);
    json_object_end(w);
    json_object_end(w);
    json_object_end(w);
    json_object_end(w);
    json_array_end(w);
    json_key(w, "$defs");
    defs_schema(w);
    json_object_end(w);
}
