/*
 * Health of a channel: what an operator must hear when the logs themselves
 * fail him. Told as notices, so they are entries of the trail and events for rules.
 *
 *     source.silent     nothing came for the channel's `silence`; source.spoke when it is over
 *     source.behind     reading has been behind for longer than `behind`; source.caught_up
 *     source.unparsed   most lines of the last minutes fit no layout of the format
 *     source.blind      the channel speaks, but nothing shows that failed logins can be seen
 *
 * Kept in the reader's memory: a restart begins to watch anew. Times are the
 * monotonic clock's, so nothing here is in the result of a log line.
 */
#pragma once

#include "logwatch/reader.h"

struct health {
    uint64_t spoke_us, behind_us, window_us, began_us; /* monotonic; behind_us 0 = is not */
    uint64_t events, window_events, window_unparsed;
    bool silent, behind, unparsed, sees_logins, blind;
};

void health_begin(struct health *h, uint64_t now_us);
/* What a result says about it. */
void health_count(struct health *h, const struct reader_result *r, uint64_t now_us);
unsigned health_trouble(const struct health *h); /* enum input_trouble */
/* The next thing to tell: its type, members into `members`; NULL = nothing. Call until NULL. */
const char *health_judge(struct health *h, const struct config_channel *c, uint64_t now_us,
                         struct buf *members);
