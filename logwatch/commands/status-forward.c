#include "logwatch/commands/status-forward.h"

#include "base/clock.h"
#include "logwatch/forward.h"

struct lag {
    struct slice origin;
    struct forward_position at;
    bool begun; /* it ever had a position in this trail */
};

static int on_cursor(void *ctx, const struct cursor *cursor)
{
    struct lag *l = ctx;

    if (slice_is(cursor->stream, FORWARD_STREAM))
        l->begun = forward_position_read(cursor->value, l->origin, &l->at);
    return 0;
}

static int lag_of(const struct config_forward *f, struct store *store, struct lag *ret,
                  struct buf *origin, struct err *err)
{
    AUTO(arena) a = arena_new(1024, 0);
    char *input = a ? forward_input(a, f->machine.name) : NULL;

    *ret = (struct lag){ 0 };
    if (!input)
        return err_nomem(err);
    if (origin->n == 0)
        (void)store_meta_get(store, "trail_origin", origin);
    ret->origin = buf_view(origin);
    return store_cursors_each(store, slice_str(input), on_cursor, ret, err);
}

/* Since the last one that it has. */
static uint64_t seconds_of(const struct lag *l, uint64_t behind)
{
    const struct clock real = CLOCK_REAL;
    uint64_t now = clock_now(&real);

    return behind && l->at.time_us && now > l->at.time_us ? (now - l->at.time_us) / USEC_PER_SEC
                                                          : 0;
}

int status_forward_text(struct cli *cli, const struct config *c, struct store *store,
                        uint64_t entries, struct err *err)
{
    AUTO_BUF origin = BUF_INIT;

    for (size_t i = 0; i < c->nforwards; i++) {
        const struct config_forward *f = &c->forwards[i];
        struct lag l;
        uint64_t behind;

        if (lag_of(f, store, &l, &origin, err) < 0)
            return err_code(err);
        behind = entries > l.at.next ? entries - l.at.next : 0;
        fprintf(cli->out, "forward  %s (%s): %llu entries behind, %llus\n", f->machine.name,
                f->machine.ops->name, (unsigned long long)behind,
                (unsigned long long)seconds_of(&l, behind));
    }
    return 0;
}

int status_forward_json(struct json_writer *w, const struct config *c, struct store *store,
                        uint64_t entries, struct err *err)
{
    AUTO_BUF origin = BUF_INIT;

    if (c->nforwards == 0)
        return 0;
    json_key(w, "forward");
    json_array(w);
    for (size_t i = 0; i < c->nforwards; i++) {
        const struct config_forward *f = &c->forwards[i];
        struct lag l;
        uint64_t behind;

        if (lag_of(f, store, &l, &origin, err) < 0)
            return err_code(err);
        behind = entries > l.at.next ? entries - l.at.next : 0;
        json_object(w);
        json_member_str(w, "receiver", f->machine.name);
        json_member_str(w, "type", f->machine.ops->name);
        json_member_u64(w, "next", l.at.next);
        json_member_u64(w, "lag_entries", behind);
        json_member_u64(w, "lag_seconds", seconds_of(&l, behind));
        json_object_end(w);
    }
    json_array_end(w);
    return 0;
}
