#include "logwatch/core-replay.h"

#include <errno.h>

#include "base/num.h"

#define KEEP_US (UINT64_C(7) * 24 * 3600 * USEC_PER_SEC)
#define ROWS_MAX 1000000

int core_replay_range(struct store *store, uint64_t now_us, struct audit_range *ret_range,
                      struct err *err)
{
    AUTO_BUF b = BUF_INIT;
    struct slice rest, word;
    uint64_t n[3] = { 0 };
    size_t i = 0;
    int r = store_meta_get(store, "replay", &b);

    *ret_range = (struct audit_range){ 0 };
    if (r == -ENOENT)
        return 0;
    if (r < 0)
        return err_set(err, r, "cannot read the state's 'replay': %s", err_name(r));
    rest = buf_view(&b);
    while (i < ARRAY_SIZE(n) && slice_split(&rest, ' ', &word))
        if (parse_u64(word, 0, UINT64_MAX, &n[i++]) < 0)
            return err_set(err, -EUCLEAN, "the state's 'replay' is no range");
    if (i == ARRAY_SIZE(n) && now_us <= n[2] + KEEP_US)
        *ret_range = (struct audit_range){ n[0], n[1] };
    return 0;
}

struct settling {
    struct audit *audit;
    struct batch *batch;
};

static int settle(void *ctx, const struct outbox_row *row)
{
    struct settling *s = ctx;
    struct outcome *o;

    if ((row->state != DELIVERY_WAITING && row->state != DELIVERY_RETRY) ||
        !audit_delivered(s->audit, row->key, row->receiver))
        return 0;
    o = batch_outcome(s->batch);
    if (!o)
        return -ENOMEM;
    *o = (struct outcome){ .id = row->id,
                           .state = DELIVERY_SENT,
                           .attempts = row->attempts,
                           .status = SLICE("delivered before, as the trail says"),
                           .remote = SLICE("") };
    return 0;
}

int core_replay_begin(struct store *store, struct audit *audit, struct batch *b,
                      struct audit_range range, struct err *err)
{
    struct settling s = { audit, b };
    struct audit_range kept;
    AUTO_BUF text = BUF_INIT;
    int r = core_replay_range(store, b->now_us, &kept, err);

    if (r < 0)
        return r;
    if (kept.to && kept.from < range.from)
        range.from = kept.from;
    buf_printf(&text, "%llu %llu %llu", (unsigned long long)range.from,
               (unsigned long long)range.to, (unsigned long long)b->now_us);
    if (!buf_ok(&text) || store_meta_set(store, "replay", buf_view(&text), err) < 0)
        return err_nomem(err);
    r = store_outbox_each(store, -1, ROWS_MAX, settle, &s, err);
    return r == -ENOMEM ? err_nomem(err) : r;
}
