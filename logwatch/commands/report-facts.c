/* What a report may say beyond the trail: settings, counters of the state, room on the disk. */
#include <sys/statvfs.h>

#include "logwatch/commands/report.h"
#include "store/store.h"

struct counters {
    const struct config *config;
    struct channel_row *rows; /* of each configured channel */
};

static int on_row(void *ctx, const struct channel_row *row)
{
    struct counters *x = ctx;

    for (size_t i = 0; i < x->config->nchannels; i++)
        if (slice_eq(row->channel, x->config->channels[i].name))
            x->rows[i] = *row;
    return 0;
}

/* The state may be absent, or of another user: then nothing is counted. */
static void read_counters(struct counters *x, uint64_t *ret_bytes)
{
    AUTO(store) s = NULL;
    AUTO_BUF path = BUF_INIT;
    struct store_totals totals;

    *ret_bytes = 0;
    buf_printf(&path, "%s/trailwarden.db", x->config->state);
    if (!buf_ok(&path) || access(path.p, R_OK) < 0 || store_view(path.p, &s, NULL) < 0 ||
        store_hold(s, NULL) < 0)
        return;
    (void)store_channels_each(s, on_row, x, NULL);
    if (store_totals(s, &totals, NULL) == 0)
        *ret_bytes = totals.bytes;
}

static void put_channels(struct json_writer *w, const struct counters *x)
{
    json_key(w, "channels");
    json_array(w);
    for (size_t i = 0; i < x->config->nchannels; i++) {
        const struct config_channel *c = &x->config->channels[i];

        json_object(w);
        json_member_slice(w, "name", c->name);
        json_member_bool(w, "audit", c->audit_all);
        json_member_u64(w, "inputs", c->ninputs);
        json_member_u64(w, "lines", x->rows[i].lines);
        json_member_u64(w, "bytes", x->rows[i].bytes);
        json_member_u64(w, "parsed", x->rows[i].parsed);
        json_member_u64(w, "unparsed", x->rows[i].unparsed);
        json_object_end(w);
    }
    json_array_end(w);
}

static void put_sinks(struct json_writer *w, const struct config *c)
{
    json_key(w, "receivers");
    json_array(w);
    for (size_t i = 0; i < c->nsinks; i++) {
        json_object(w);
        json_member_str(w, "name", c->sinks[i].name);
        json_member_str(w, "type", c->sinks[i].ops->name);
        json_object_end(w);
    }
    json_array_end(w);
    json_key(w, "anchors");
    json_array(w);
    for (size_t i = 0; i < c->nanchors; i++)
        json_put_str(w, c->anchors[i].sink->ops->name);
    json_array_end(w);
}

static void put_disk(struct json_writer *w, const struct config *c, uint64_t state_bytes)
{
    struct statvfs v;

    json_member_u64(w, "state_bytes", state_bytes);
    if (statvfs(c->trail, &v) < 0)
        return;
    json_member_u64(w, "disk_bytes", (uint64_t)v.f_blocks * v.f_frsize);
    json_member_u64(w, "disk_free", (uint64_t)v.f_bavail * v.f_frsize);
}

void report_facts(const struct config *c, bool disk, struct buf *out)
{
    struct counters x = { .config = c };
    struct json_writer w = json_writer(out);
    uint64_t state_bytes;

    x.rows = calloc(c->nchannels + 1, sizeof *x.rows);
    if (!x.rows) {
        out->failed = true;
        return;
    }
    read_counters(&x, &state_bytes);
    json_object(&w);
    json_member_u64(&w, "keep_s", c->keep_us / USEC_PER_SEC);
    json_member_u64(&w, "keep_bytes", c->keep_bytes);
    json_member_u64(&w, "verify_s", c->verify_us / USEC_PER_SEC);
    json_member_str(&w, "bans", c->bans.blocker ? c->bans.blocker->ops->name : "");
    put_channels(&w, &x);
    put_sinks(&w, c);
    if (disk)
        put_disk(&w, c, state_bytes);
    json_object_end(&w);
    free(x.rows);
}
