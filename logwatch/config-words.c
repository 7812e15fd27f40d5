/* The configuration in words, for people and as a JSON Schema: from the tables. */
#include "logwatch/config-private.h"
#include "logwatch/forward.h"

static void kind_help(struct buf *out, const char *key, const char *name, const char *summary,
                      const struct option *options)
{
    buf_printf(out, "\n  %s %s: %s\n", key, name, summary);
    option_help(options, out, "    ");
}

static const struct {
    const char *heading, *def;
    const struct option *options;
} lists[] = {
    { "routes: each item", "route", config_route_options },
    { "escalate of a route: each item", "escalation", config_escalation_options },
    { "priorities:", "priorities", config_priorities_options },
    { "inhibit: each item", "inhibition", config_inhibit_options },
    { "maintenance: each item", "maintenance", config_maintenance_options },
    { "digests: each item", "digest", config_digest_options },
};

void config_help(struct buf *out)
{
    buf_str(out, "Settings of " CONFIG_PATH " and conf.d/*.yaml\n\n");
    option_help(config_top_options, out, "  ");
    buf_str(out, "\nchannels: NAME:\n");
    option_help(config_channel_options, out, "  ");
    buf_str(out, "\ninputs: each item\n");
    option_help(config_input_options, out, "  ");
    for (size_t i = 0; input_kinds[i]; i++)
        kind_help(out, "type", input_kinds[i]->name, input_kinds[i]->summary,
                  input_kinds[i]->options);
    buf_str(out, "\nnotifiers: NAME:\n");
    option_help(config_notifier_options, out, "  ");
    for (size_t i = 0; sink_kinds[i]; i++)
        kind_help(out, "type", sink_kinds[i]->name, sink_kinds[i]->summary, sink_kinds[i]->options);
    for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
        buf_printf(out, "\n%s\n", lists[i].heading);
        option_help(lists[i].options, out, "  ");
    }
    buf_str(out, "\nbans:\n");
    option_help(config_bans_options, out, "  ");
    for (size_t i = 0; blocker_kinds[i]; i++)
        kind_help(out, "backend", blocker_kinds[i]->name, blocker_kinds[i]->summary,
                  blocker_kinds[i]->options);
    buf_str(out, "\ntrail: anchors: each item\n");
    option_help(config_anchor_options, out, "  ");
    for (size_t i = 0; anchor_kinds[i]; i++)
        kind_help(out, "type", anchor_kinds[i]->name, anchor_kinds[i]->summary,
                  anchor_kinds[i]->options);
    buf_str(out, "\nforward: NAME:\n");
    option_help(config_forward_options, out, "  ");
    for (size_t k = 0; machine_kinds[k]; k++) {
        buf_printf(out, "\n  type %s: %s\n", machine_kinds[k]->name, machine_kinds[k]->summary);
        option_help(machine_kinds[k]->options, out, "    ");
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
        kind_schema(config_input_options, input_kinds[i]->options, "type", input_kinds[i]->name, w);
    json_array_end(w);
    json_object_end(w);
    json_object_end(w);
}

static void bans_schema(struct json_writer *w)
{
    json_object(w);
    json_key(w, "oneOf");
    json_array(w);
    for (size_t i = 0; blocker_kinds[i]; i++)
        kind_schema(config_bans_options, blocker_kinds[i]->options, "backend",
                    blocker_kinds[i]->name, w);
    kind_schema(NULL, (const struct option[]){ { 0 } }, "backend", "none", w);
    json_array_end(w);
    json_object_end(w);
}

static void sinks_schema(const struct option *common, const char *key, struct json_writer *w)
{
    json_object(w);
    json_key(w, "oneOf");
    json_array(w);
    for (size_t i = 0; sink_kinds[i]; i++)
        kind_schema(common, sink_kinds[i]->options, key, sink_kinds[i]->name, w);
    json_array_end(w);
    json_object_end(w);
}

static void anchors_schema(struct json_writer *w)
{
    json_object(w);
    json_key(w, "oneOf");
    json_array(w);
    for (size_t i = 0; anchor_kinds[i]; i++)
        kind_schema(config_anchor_options, anchor_kinds[i]->options, "type", anchor_kinds[i]->name,
                    w);
    json_array_end(w);
    json_object_end(w);
}

static void forwards_schema(struct json_writer *w)
{
    json_object(w);
    json_key(w, "oneOf");
    json_array(w);
    for (size_t i = 0; machine_kinds[i]; i++)
        kind_schema(config_forward_options, machine_kinds[i]->options, "type",
                    machine_kinds[i]->name, w);
    json_array_end(w);
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

/* A route's escalate is a list, which its table does not say. */
static void route_schema(struct json_writer *w)
{
    json_key(w, "allOf");
    json_array(w);
    json_object(w);
    json_key(w, "properties");
    json_object(w);
    map_of(w, "escalate", "#/$defs/escalation", true);
    json_object_end(w);
    json_object_end(w);
    json_array_end(w);
}

/* The parts that the option tables leave to us (OPTION_NODE), under $defs. */
static void defs_schema(struct json_writer *w)
{
    json_object(w);
    json_key(w, "channel");
    json_object(w);
    option_schema(config_channel_options, w);
    json_object_end(w);
    json_key(w, "inputs");
    inputs_schema(w);
    json_key(w, "notifier");
    sinks_schema(config_notifier_options, "type", w);
    for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
        json_key(w, lists[i].def);
        json_object(w);
        option_schema(lists[i].options, w);
        if (lists[i].options == config_route_options)
            route_schema(w);
        json_object_end(w);
    }
    json_key(w, "bans");
    bans_schema(w);
    json_key(w, "anchor");
    anchors_schema(w);
    json_key(w, "receiver");
    forwards_schema(w);
    json_object_end(w);
}

void config_schema(struct json_writer *w)
{
    json_object(w);
    json_member_str(w, "$schema", "https://json-schema.org/draft/2020-12/schema");
    json_member_str(w, "title", "trailwarden configuration");
    option_schema(config_top_options, w);
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
    map_of(w, "forward", "#/$defs/receiver", false);
    map_of(w, "routes", "#/$defs/route", true);
    map_of(w, "inhibit", "#/$defs/inhibition", true);
    map_of(w, "maintenance", "#/$defs/maintenance", true);
    map_of(w, "digests", "#/$defs/digest", true);
    json_key(w, "priorities");
    json_object(w);
    json_member_str(w, "$ref", "#/$defs/priorities");
    json_object_end(w);
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
