/*
 * The parts of loading a configuration: one file for each group of sections. A builder adds its
 * findings to the diag and goes on, so that all are told at once.
 */
#pragma once

#include "logwatch/config.h"

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

struct build {
    struct config *c;
    struct diag *d;
    struct arena *a;
    int failed; /* -ENOMEM or 0; findings are in d */
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
void config_discover(struct build *b);
void config_check_input_names(struct build *b);

/* config-receivers.c */
extern const struct option config_bans_options[], config_anchor_options[];
void config_build_sinks(struct build *b, const struct yaml *node);
void config_build_bans(struct build *b, const struct yaml *node);
void config_build_anchors(struct build *b, const struct yaml *node);
void config_sink_close(struct sink *s);

/* config-routes.c */
extern const struct option config_route_options[];
void config_build_routes(struct build *b, const struct yaml *node);

/* config-files.c: NULL when there is none. */
struct yaml *config_load_files(struct build *b, const struct config_request *q);
