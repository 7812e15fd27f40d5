/*
 * The parts of loading a configuration: one file for each group of sections. A builder adds its
 * findings to the diag and goes on, so that all are told at once.
 */
#pragma once

#include "logwatch/config.h"

struct top {
    const char *host, *state;
    const struct yaml *channels, *notifiers, *routes, *priorities, *inhibit, *maintenance, *digests,
        *bans, *anchors, *forward;
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

struct build {
    struct config *c;
    struct diag *d;
    struct arena *a;
    int failed; /* -ENOMEM or 0; findings are in d */
    const char *
        *receivers; /* names of all that are written down, also of faulty ones; NULL behind */
};

/* NULL: no memory, which the build remembers. */
void *config_need(struct build *b, size_t n, size_t size);
/* Of its key, when it has one. */
struct src_pos config_place(const struct yaml *y);
/* "unknown WHAT 'name'", with the nearest of the names. */
void config_unknown(struct build *b, const struct yaml *at, const char *what, struct slice name,
                    const char *const *names);
/* The names of a table, to be ignored while another table is loaded from the same map. */
const char *const *config_names_of(struct build *b, const struct option *table);

/* config-tables.c */
extern const struct option config_top_options[];

/* config-channels.c */
extern const struct option config_channel_options[], config_input_options[];
void config_build_channels(struct build *b, const struct yaml *node);
/* The filters that channels name: their formats must be there before the rules are compiled. */
struct filter_request *config_filters(struct build *b, const struct yaml *node, size_t *ret_n);
void config_discover(struct build *b);
void config_check_input_names(struct build *b);

/* config-receivers.c */
extern const struct option config_anchor_options[];
void config_build_sinks(struct build *b, const struct yaml *node);
void config_build_anchors(struct build *b, const struct yaml *node);
void config_sink_close(struct sink *s);

/* config-bans.c */
extern const struct option config_bans_options[];
void config_build_bans(struct build *b, const struct yaml *node);
void config_bans_close(struct config *c);

/* config-forward.c */
extern const struct option config_forward_options[];
void config_build_forwards(struct build *b, const struct yaml *node);

/* config-manners.c: keys that every notifier knows, beside those of its kind. */
extern const struct option config_notifier_options[];
void config_build_manners(struct build *b, const struct yaml *node, struct sink *sink,
                          struct manners *ret);

/* config-when.c */
struct config_when {
    struct option_strs levels, rules, channels, tags;
    const struct yaml *fields;
};
/* The table of a `when` that stands in a larger struct. */
#define CONFIG_WHEN_OPTIONS(type_, member_)                                                        \
    { .name = "level",                                                                             \
      .type = OPTION_STRS,                                                                         \
      .offset = AT(type_, member_.levels),                                                         \
      .help = "Levels: informational, low, medium, high, critical." },                             \
        { .name = "rule",                                                                          \
          .type = OPTION_STRS,                                                                     \
          .offset = AT(type_, member_.rules),                                                      \
          .help = "Ids of rules; * stands for anything." },                                        \
        { .name = "channel",                                                                       \
          .type = OPTION_STRS,                                                                     \
          .offset = AT(type_, member_.channels),                                                   \
          .help = "Names of channels; * stands for anything." },                                   \
        { .name = "tag",                                                                           \
          .type = OPTION_STRS,                                                                     \
          .offset = AT(type_, member_.tags),                                                       \
          .help = "Tags of rules, like attack.t1110; * stands for anything." },                    \
    {                                                                                              \
        .name = "field", .type = OPTION_NODE, .offset = AT(type_, member_.fields),                 \
        .help = "Fields and their values: {source.ip: [10.0.0.0/8], user.name: [svc-*]}."          \
    }
void config_matcher(struct build *b, const struct config_when *when, struct matcher *ret);
void config_receivers_known(struct build *b, const struct option_strs *names);
/* A warning when it is none of the known names but nearly one. */
void config_name_near(struct build *b, struct src_pos at, const char *name,
                      const char *const *known);
/* The text of node's member `key`, in the zone that its member `zone` names. */
void config_hours(struct build *b, const struct yaml *node, const char *key, const char *text,
                  const char *zone, struct hours *ret);
/* Loaded once and owned by the configuration; NULL: there is none, and it was told at `at`. */
const struct zone *config_zone(struct build *b, const struct yaml *at, const char *name);

/* config-routes.c */
extern const struct option config_route_options[], config_escalation_options[],
    config_priorities_options[];
void config_build_routes(struct build *b, const struct yaml *routes, const struct yaml *priorities);

/* config-calm.c */
extern const struct option config_inhibit_options[], config_maintenance_options[],
    config_digest_options[];
void config_build_inhibitions(struct build *b, const struct yaml *node);
void config_build_maintenance(struct build *b, const struct yaml *node);
void config_build_digests(struct build *b, const struct yaml *node);

/* config-files.c: NULL when there is none. */
struct yaml *config_load_files(struct build *b, const struct config_request *q);
