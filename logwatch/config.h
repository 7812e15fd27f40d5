/*
 * The configuration: one YAML file and its conf.d, loaded whole through option
 * tables. Every setting has a working default; with no file at all the known
 * units and paths of the host are followed.
 *
 *     config_load()   texts to struct config; all faults at once in diag
 *     config_free()   drops it all: one arena
 *
 * Read-only after loading. Inputs and sinks are described here, opened by others.
 */
#pragma once

#include "base/diag.h"
#include "base/option.h"
#include "logwatch/engine.h"
#include "logwatch/inputs/input.h"
#include "notifiers/blockers/blocker.h"
#include "notifiers/route.h"
#include "notifiers/sink.h"
#include "schemas/alert.h"

#define CONFIG_PATH "/etc/trailwarden/trailwarden.yaml"

struct config_input {
    const char *name; /* unique: key of its cursors */
    const char *zone; /* NULL = UTC */
    const char *service;
    const struct input_ops *ops;
    void *state;
    struct config_channel *channel;
    int socket; /* opened by the parent; -1 = none. The parent's, or the process's own copy */
};

struct config_channel {
    struct slice name;
    const struct format *format;
    bool audit_all; /* every event becomes an entry */
    uint64_t silence_us, behind_us; /* alarms of health.h; 0 = none */
    struct config_input *inputs;
    size_t ninputs;
};

/* What came since the last one, counted, to some receivers. */
struct config_digest {
    bool weekly;
    unsigned at_min, weekday; /* minute of the day; 0 = Monday */
    const char *zone; /* NULL = UTC */
    const struct zone *local; /* loaded */
    struct option_strs notify;
};

/* A zone that some section names; loaded while files can be read. */
struct config_zone {
    const char *name;
    struct zone *zone;
    struct config_zone *next;
};

/* Who keeps checkpoints of the trail elsewhere. */
struct config_anchor {
    struct sink *sink; /* of kind "anchor" */
    const char *vkey; /* of a witness; NULL for the others */
};

struct config_bans {
    struct blocker *blocker; /* NULL: no bans */
    uint64_t max_age_us; /* events older than this ban nobody; 0 = any age */
    bool forgeable; /* also on the word of lines that a stranger can write */
    bool dry_run; /* all of them */
    uint64_t *escalate_us; /* of the first ban, the second ...; NULL: as the rule says */
    size_t nescalate;
    uint64_t forgive_us; /* quiet for so long: the next ban is a first one */
    uint8_t bits6; /* in IPv6 this network of the address is banned */
    struct cidr *allow;
    size_t nallow;
    struct option_strs allow_names; /* hosts, resolved while we run (logwatch/names.h) */
    struct option_strs allow_countries;
    uint32_t *allow_as;
    size_t nallow_as;
    uint64_t resolve_us; /* names are asked for so often */
    struct geo *geo; /* NULL: no country and no network operator is allowed */
};

struct config {
    struct arena *arena;
    struct engine *engine; /* formats and rules */
    const char *path; /* file it came from; NULL: defaults */
    const char *host;
    const char *state;
    const char *trail, *keys, *origin;
    uint64_t heartbeat_us, epoch_us, anchor_every_us;
    bool origin_given; /* else the name that a trail has is taken */
    uint64_t keep_us, keep_bytes; /* of the trail; 0 = for ever, any size */
    bool compress;
    uint64_t verify_us; /* the trail is verified this often; 0 = never */
    uint64_t block_bytes;
    uint64_t groups_max;
    const char *user; /* the roles' user when started as root; NULL = root with less rights */
    uint64_t reader_memory;
    uint64_t workers; /* threads of the reader: for workers_count() */
    uint64_t stall_us; /* a process that does not move for so long is killed */
    struct option_strs geo;
    struct option_strs personal_fields, public_fields; /* besides what the dictionary says */
    struct config_channel *channels;
    size_t nchannels;
    struct sink *sinks;
    size_t nsinks;
    struct manners *manners; /* of each sink, same index */
    struct routing routing;
    struct config_digest *digests;
    size_t ndigests;
    struct config_zone *zones;
    struct config_bans bans;
    struct config_anchor *anchors;
    size_t nanchors;
    struct config_forward *forwards; /* forward.h */
    size_t nforwards;
    uint8_t digest[32]; /* of the texts as loaded */
};

struct config_request {
    const char *path; /* NULL: CONFIG_PATH when it is there, else defaults */
    const char *state; /* NULL: as configured */
    bool discover; /* no channels configured: follow what the host has */
    bool tests; /* engine.h */
};

/* 0, or -EINVAL with findings. Warnings alone are fine. */
int config_load(const struct config_request *request, struct diag *d, struct config **ret_config);
void config_free(struct config *c);
DEFINE_AUTO(config)

/* Closes all receivers but `keep` (NULL: all): their secrets are wiped from this process. */
void config_forget_sinks(struct config *c, const struct sink *keep);
struct machine;
void config_forget_forwards(struct config *c, const struct machine *keep); /* the same */

/* JSON Schema of the whole file, and its help text. */
void config_schema(struct json_writer *w);
void config_help(struct buf *out);

/*
 * Why that network is never banned, whatever the book says: "allowed by 192.0.2.0/24" (in `text`);
 * NULL: it may be.
 */
const char *config_ban_forbidden(const struct config *c, const struct cidr *net, char text[80]);
/* What is kept out for the address of an alert. -EINVAL: that is no address. */
int config_ban_target(const struct config *c, const struct alert *alert, struct ban_target *ret);
/* Why the address of an alert that wants a ban is not banned, in words; NULL when it is. */
const char *config_ban_refusal(const struct config *c, const struct alert *alert, uint64_t now_us);
/*
 * Who hears of the alert: calls fn once for each receiver, in order. route: the first that names
 * it; NULL when the rule names its receivers itself, or there are no routes. fn's non-zero answer
 * ends it; -ENOMEM.
 */
int config_tell(const struct config *c, const struct alert *alert, struct arena *a,
                int (*fn)(void *ctx, const struct route *route, const struct sink *sink),
                void *ctx);
/* NULL when unknown. */
const struct sink *config_sink(const struct config *c, struct slice name);
/* When the digest is due next, after wall_us. */
uint64_t config_digest_next_us(const struct config_digest *d, uint64_t wall_us);
