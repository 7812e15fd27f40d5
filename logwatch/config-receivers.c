/* Who takes what leaves: notifiers and keepers of checkpoints. */
#include "logwatch/config-private.h"

#include "audit/anchor.h"

#define ANCHORS_MAX 12 /* a note has room for 16 signatures */

/* Keys that every anchor knows, beside those of its kind. */
struct anchor_top {
    const char *name, *type;
};

const struct option config_anchor_options[] = {
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

static const struct sink_ops *find_sink_kind(struct build *b, const struct yaml *type)
{
    const char *names[32] = { 0 };
    size_t n = 0;

    for (size_t i = 0; sink_kinds[i] && n < ARRAY_SIZE(names) - 1; i++)
        names[n++] = sink_kinds[i]->name;
    for (size_t i = 0; sink_kinds[i]; i++)
        if (slice_is(type->text, sink_kinds[i]->name))
            return sink_kinds[i];
    config_unknown(b, type, "type of notifier", type->text, names);
    return NULL;
}

static void build_sink(struct build *b, const struct yaml *node, const struct sink_ops *ops,
                       const char *const *common, struct sink *s)
{
    struct err err = ERR_NONE;
    size_t before = diag_errors(b->d);

    s->ops = ops;
    s->state = config_need(b, 1, s->ops->state_size);
    if (!s->state)
        return;
    (void)option_load(s->ops->options, node, config_place(node), common, s->state, b->a, b->d);
    if (diag_errors(b->d) == before && s->ops->open && s->ops->open(s, &err) < 0)
        diag_add_err(b->d, config_place(node), &err);
    if (diag_errors(b->d) > before)
        return;
    s->listens = ops->listens && ops->listens(s);
}

void config_build_sinks(struct build *b, const struct yaml *node)
{
    const char *const *common;
    size_t n = 0;

    if (!node)
        return;
    if (node->kind != YAML_MAP) {
        diag_error(b->d, config_place(node), "notifiers must be a map: NAME: {type: ...}");
        return;
    }
    b->c->sinks = config_need(b, node->nchildren, sizeof *b->c->sinks);
    b->c->manners = config_need(b, node->nchildren, sizeof *b->c->manners);
    b->receivers = config_need(b, node->nchildren + 1, sizeof *b->receivers);
    common = config_names_of(b, config_notifier_options);
    if (!b->c->sinks || !b->c->manners || !b->receivers || !common)
        return;
    YAML_EACH (m, node) {
        struct sink *s = &b->c->sinks[b->c->nsinks];
        const struct yaml *type = yaml_get(m, "type");
        const struct sink_ops *ops;

        b->receivers[n++] = arena_str(b->a, m->key);
        if (!type || type->kind != YAML_SCALAR) {
            diag_error(b->d, config_place(m), "notifier '%.*s' needs a type", SLICE_FMT(m->key));
            continue;
        }
        ops = find_sink_kind(b, type);
        if (!ops)
            continue;
        s->name = arena_str(b->a, m->key);
        s->ops = ops;
        config_build_manners(b, m, s, &b->c->manners[b->c->nsinks]);
        build_sink(b, m, ops, common, s);
        b->c->nsinks++;
    }
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
        config_unknown(b, type, "type of anchor", type->text, names);
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
        diag_error(b->d, config_place(node),
                   "an anchor needs a type: file, post, witness or timestamp");
        return;
    }
    ops = find_anchor_kind(b, type);
    own = ops ? config_names_of(b, ops->options) : NULL;
    if (!own ||
        option_load(config_anchor_options, node, config_place(node), own, &top, b->a, b->d) < 0)
        return;
    anchor->sink = config_need(b, 1, sizeof *anchor->sink);
    if (!anchor->sink)
        return;
    anchor->sink->name = top.name ? top.name : anchor_name(b, node, ops);
    if (!anchor->sink->name) {
        b->failed = -ENOMEM;
        return;
    }
    if (name_taken(b->c, anchor->sink->name))
        diag_error(b->d, config_place(node),
                   "two receivers are called '%s': give one another 'name:'", anchor->sink->name);
    build_sink(b, node, ops, anchor_common_names, anchor->sink);
    b->c->nanchors++;
    anchor->vkey = diag_errors(b->d) == before ? anchor_vkey(anchor->sink) : NULL;
    if (anchor->vkey && audit_witness_check(anchor->vkey, &err) < 0)
        diag_add_err(b->d, config_place(node), &err);
}

void config_build_anchors(struct build *b, const struct yaml *node)
{
    if (!node)
        return;
    if (node->kind != YAML_SEQ || node->nchildren > ANCHORS_MAX) {
        diag_error(b->d, config_place(node), "anchors must be a list of at most %d: [{type: ...}]",
                   ANCHORS_MAX);
        return;
    }
    b->c->anchors = config_need(b, node->nchildren, sizeof *b->c->anchors);
    if (!b->c->anchors)
        return;
    YAML_EACH (item, node)
        build_anchor(b, item);
}

/* ---- the end ---- */

void config_sink_close(struct sink *s)
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
            config_sink_close(&c->sinks[i]);
    for (size_t i = 0; i < c->nanchors; i++)
        if (c->anchors[i].sink != keep)
            config_sink_close(c->anchors[i].sink);
}
