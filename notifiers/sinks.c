/* The registry of receivers, and the patience that all share. */
#include "notifiers/sink.h"

#include "notifiers/kinds.h"

const struct sink_ops *const sink_kinds[] = {
    &sink_email,   &sink_telegram, &sink_slack,     &sink_discord,  &sink_teams,
    &sink_ntfy,    &sink_sms,      &sink_pagerduty, &sink_opsgenie, &sink_alertmanager,
    &sink_webhook, &sink_teller,   &sink_syslog,    &sink_file,     NULL,
};

const struct sink_ops *sink_kind(struct slice name)
{
    for (size_t i = 0; sink_kinds[i]; i++)
        if (slice_is(name, sink_kinds[i]->name))
            return sink_kinds[i];
    return NULL;
}

const struct sink_ops *const anchor_kinds[] = {
    &anchor_folder, &anchor_post, &anchor_witness, &anchor_timestamp, NULL,
};

const struct sink_ops *anchor_kind(struct slice name)
{
    for (size_t i = 0; anchor_kinds[i]; i++)
        if (slice_is(name, anchor_kinds[i]->name))
            return anchor_kinds[i];
    return NULL;
}

void delivery_text(const struct delivery *d, struct buf *out)
{
    struct slice text = slice_trim(d->text);

    /* Of an object with members, as all our documents are. */
    if (d->checkpoint.n == 0 || text.n < 3 || text.p[text.n - 1] != '}') {
        buf_slice(out, d->text);
        return;
    }
    buf_slice(out, slice_take(text, text.n - 1));
    buf_str(out, ",\"checkpoint\":\"");
    buf_json(out, d->checkpoint);
    buf_str(out, "\"}");
}

#define BACKOFF_BASE_US (2 * USEC_PER_SEC)
#define BACKOFF_CAP_US (900 * USEC_PER_SEC)

/* splitmix64: a number that looks random, but is the same for the same seed. */
static uint64_t mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

uint64_t sink_backoff_us(unsigned attempts, uint64_t seed)
{
    uint64_t cap = BACKOFF_BASE_US << (attempts < 10 ? attempts : 10);

    if (cap > BACKOFF_CAP_US)
        cap = BACKOFF_CAP_US;
    /* Full jitter, but never at once: half a second at least. */
    return USEC_PER_SEC / 2 + mix(seed ^ ((uint64_t)attempts << 48)) % cap;
}
