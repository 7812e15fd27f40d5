#include "logwatch/core-trail.h"

#include <errno.h>

#include "logwatch/core-replay.h"

struct opening {
    struct audit_config config;
    struct store *store;
    struct trail_end end;
    uint64_t now_us;
    char moved[AUDIT_ORIGIN_MAX]; /* the new trail that took another's place; not committed yet */
};

struct audit_config core_trail_config(const struct config *c, const struct clock *clock)
{
    return (struct audit_config){
        .folder = c->trail,
        .key_folder = c->keys,
        .origin = c->origin,
        .any_origin = !c->origin_given,
        .heartbeat_s = c->heartbeat_us / USEC_PER_SEC,
        .epoch_s = c->epoch_us / USEC_PER_SEC,
        .clock = clock,
    };
}

static bool state_knows(struct store *s, const char *origin)
{
    AUTO_BUF b = BUF_INIT;

    return store_meta_get(s, "trail_origin", &b) == 0 && slice_is(buf_view(&b), origin);
}

/* What the state says of this trail. */
static int read_state(struct opening *o, struct err *err)
{
    int r;

    o->end = (struct trail_end){ 0 };
    o->config.replay = (struct audit_range){ 0 };
    r = audit_move_finish(&o->config, o->moved, err);
    if (r < 0)
        return r;
    if (o->moved[0] && !state_knows(o->store, o->moved))
        return store_meta_set(o->store, "replay", SLICE("0 0 0"), err);
    (void)store_trail_end(o->store, &o->end);
    r = core_replay_range(o->store, o->now_us, &o->config.replay, err);
    return r < 0 ? err_while(err, "state") : 0;
}

static int open_or_make(struct opening *o, struct audit **ret_audit, uint64_t *ret_replay_from,
                        struct err *err)
{
    int r = audit_open(&o->config, &o->end, ret_audit, ret_replay_from, err);

    if (r != -ENOENT || o->end.count)
        return r;
    r = audit_init(&o->config, NULL, err);
    return r < 0 ? r : audit_open(&o->config, &o->end, ret_audit, ret_replay_from, err);
}

/* Ended between the entry that closes the trail and the new one: it goes on from there. */
static int go_on_rotating(struct opening *o, struct audit *a, struct err *err)
{
    int r = store_flush(o->store, err);

    if (r == 0)
        r = audit_checkpoint(a, true, err);
    return r < 0 ? r : audit_rotate_move(a, err);
}

static int open_trail(struct opening *o, struct audit **ret_audit, uint64_t *ret_replay_from,
                      struct err *err)
{
    AUTO(audit) a = NULL;
    int r = read_state(o, err);

    if (r == 0)
        r = open_or_make(o, &a, ret_replay_from, err);
    if (r == 0 && audit_rotating(a)) {
        r = go_on_rotating(o, a, err);
        audit_free(TAKE(a));
        if (r == 0)
            r = read_state(o, err);
        if (r == 0)
            r = open_or_make(o, &a, ret_replay_from, err);
    }
    if (r < 0)
        return r;
    if (!state_knows(o->store, audit_origin(a)))
        r = store_meta_set(o->store, "trail_origin", slice_str(audit_origin(a)), err);
    if (r == 0)
        *ret_audit = TAKE(a);
    return r;
}

int core_trail_open(const struct config *c, const struct clock *clock, uint64_t now_us,
                    struct store *store, struct audit **ret_audit, uint64_t *ret_replay_from,
                    struct err *err)
{
    struct opening o = { .config = core_trail_config(c, clock), .store = store, .now_us = now_us };
    int r = open_trail(&o, ret_audit, ret_replay_from, err);

    return r < 0 ? err_while(err, "trail '%s'", c->trail) : 0;
}
