/* Loading the configuration: tables say what is allowed, the builders how the parts hang together.
 */
#include "logwatch/config-private.h"

#include <errno.h>
#include <sys/stat.h>

#include "logwatch/workers.h"

/* ---- for the builders ---- */

void *config_need(struct build *b, size_t n, size_t size)
{
    void *p = arena_array(b->a, n ? n : 1, size);

    if (!p)
        b->failed = -ENOMEM;
    return p;
}

struct src_pos config_place(const struct yaml *y)
{
    return y->key.n ? y->key_at : y->at;
}

void config_unknown(struct build *b, const struct yaml *at, const char *what, struct slice name,
                    const char *const *names)
{
    const char *near = diag_nearest(name, names);
    char *hint = near ? arena_printf(b->a, "did you mean '%s'?", near) : NULL;

    diag_add(b->d, DIAG_ERROR, at->at, (unsigned)name.n, hint, "unknown %s '%.*s'", what,
             SLICE_FMT(name));
}

/* The names of a table, to be ignored while another table is loaded from the same map. */
const char *const *config_names_of(struct build *b, const struct option *table)
{
    size_t n = 0;
    const char **names;

    while (table[n].name)
        n++;
    names = config_need(b, n + 1, sizeof *names);
    for (size_t i = 0; names && i < n; i++)
        names[i] = table[i].name;
    return names;
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

static int load_engine(struct build *b, const struct top *top, bool tests)
{
    struct engine_request q = {
        .rule_paths = top->rule_paths.items,
        .nrule_paths = top->rule_paths.n,
        .placeholders = top->placeholders.items,
        .nplaceholders = top->placeholders.n,
        .no_library = !top->library,
        .tests = tests,
        .format_paths = top->format_paths.items,
        .nformat_paths = top->format_paths.n,
    };

    q.filters = config_filters(b, top->channels, &q.nfilters);
    return !q.filters ? -ENOMEM : engine_load(&q, b->d, &b->c->engine);
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
    root = config_load_files(&b, request);
    (void)option_load(config_top_options, root, (struct src_pos){ c->path, 1, 1 }, NULL, &top, b.a,
                      d);
    set_paths(&b, request, &top);
    if (b.failed || load_engine(&b, &top, request->tests) < 0)
        return -ENOMEM;
    config_build_channels(&b, top.channels);
    if (!top.channels && request->discover)
        config_discover(&b);
    config_check_input_names(&b);
    config_build_sinks(&b, top.notifiers);
    config_build_routes(&b, top.routes, top.priorities);
    config_build_inhibitions(&b, top.inhibit);
    config_build_maintenance(&b, top.maintenance);
    config_build_digests(&b, top.digests);
    config_build_bans(&b, top.bans);
    config_build_anchors(&b, top.anchors);
    config_build_forwards(&b, top.forward);
    if (b.failed)
        return b.failed;
    *ret_config = TAKE(c);
    return diag_errors(d) > before ? -EINVAL : 0;
}

void config_free(struct config *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->nsinks; i++)
        config_sink_close(&c->sinks[i]);
    config_bans_close(c);
    for (size_t i = 0; i < c->nanchors; i++)
        config_sink_close(c->anchors[i].sink);
    config_forget_forwards(c, NULL);
    for (struct config_zone *z = c->zones; z; z = z->next)
        zone_free(z->zone);
    engine_free(c->engine);
    arena_free(c->arena);
    free(c);
}
