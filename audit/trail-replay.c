/*
 * Entries that were signed before the state knew them: a restored or lost state
 * database. Their lines are read again, and what they led to must not be
 * written or told twice.
 *
 * An alert, event or refused ban is known again by its type and its id or source key, not by all
 * its members: `backfill` and the like may differ the second time. What was
 * delivered is known by alert and receiver.
 */
#include "audit/trail-private.h"

#include <errno.h>

#define ID_SIZE 16

static struct slice type_of(struct slice line)
{
    return line_member(slice_take(line, 200), "type");
}

static bool is_delivery(struct slice type)
{
    return slice_is(type, "delivery") || slice_is(type, "ban.order");
}

static void make_id(const char *what, const struct slice parts[3], uint8_t out[SHA256_SIZE])
{
    AUTO_BUF b = BUF_LIMIT(65536);

    buf_str(&b, what);
    for (size_t i = 0; i < 3; i++) {
        buf_char(&b, '\0');
        buf_slice(&b, parts[i]);
    }
    sha256(b.p, b.n, out);
}

static void delivery_id(struct slice id, struct slice receiver, uint8_t out[SHA256_SIZE])
{
    make_id("delivery", (const struct slice[3]){ id, receiver, SLICE("") }, out);
}

/* false = it is a fact of its own each time: a start, a gap, a heartbeat. */
static bool entry_id(struct slice line, uint8_t out[SHA256_SIZE])
{
    struct slice type = type_of(line), id = line_member(line, "id");

    if (slice_is(type, "event"))
        id = line_member(line, "key");
    else if (!slice_is(type, "alert") && !slice_is(type, "ban.skipped"))
        return false;
    if (id.n == 0)
        return false;
    make_id("entry", (const struct slice[3]){ type, id, line_member(line, "channel") }, out);
    return true;
}

/* A final outcome: another attempt would be a second message. */
static bool delivered_id(struct slice line, uint8_t out[SHA256_SIZE])
{
    struct slice state = line_member(line, "state");

    if (!is_delivery(type_of(line)) || !(slice_is(state, "sent") || slice_is(state, "dead")))
        return false;
    delivery_id(line_member(line, "id"), line_member(line, "receiver"), out);
    return true;
}

/* What stands behind the TAB or in sd names nothing that is looked for. */
static struct slice public_part(struct slice line)
{
    size_t sd = slice_find(line, SLICE(",\"sd\":")), tab = slice_find_byte(line, '\t');

    line = slice_take(line, tab == SIZE_MAX ? line.n : tab);
    return sd < line.n ? slice_take(line, sd) : line;
}

int trail_replay_add(struct audit *a, struct slice line)
{
    uint8_t id[SHA256_SIZE];

    line = public_part(line);
    if (!entry_id(line, id) && !delivered_id(line, id))
        return 0;
    return table_put(a->replayed, slice_of((const char *)id, ID_SIZE), a);
}

bool trail_replayed(const struct audit *a, struct slice line)
{
    uint8_t id[SHA256_SIZE];

    return a->replayed && entry_id(public_part(line), id) &&
           table_get(a->replayed, slice_of((const char *)id, ID_SIZE));
}

bool audit_delivered(const struct audit *a, struct slice id, struct slice receiver)
{
    uint8_t hash[SHA256_SIZE];

    if (!a->replayed)
        return false;
    delivery_id(id, receiver, hash);
    return table_get(a->replayed, slice_of((const char *)hash, ID_SIZE)) != NULL;
}
