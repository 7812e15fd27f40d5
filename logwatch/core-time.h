/*
 * Event time, live: how far it may move.
 *
 * Windows that are judged when they are over must not be judged while an input
 * still has lines from before: after a stop, or when one log is read slower than
 * another. So time waits for who is behind, and at the start for everybody, but not
 * for ever: who is an hour behind, or says nothing for a minute, is late.
 */
#pragma once

#include "logwatch/reader.h"

struct core_time;

struct core_time *core_time_new(const struct config *c, uint64_t now_us);
void core_time_free(struct core_time *t);
/* What an input says of itself with its result. */
void core_time_take(struct core_time *t, const struct reader_result *r, uint64_t now_us);
/* Event time before which lines may still come; 0 = all that was written is read. */
uint64_t core_time_behind(const struct core_time *t, uint64_t now_us);
/*
 * Stored signals are needed as long as lines of their time come: the oldest event time of what
 * each input told lately (all of it, while it is behind). An input that is weeks behind another,
 * or whose clock is, finds its windows again after a restart. 0 = nobody knows yet.
 */
uint64_t core_time_needed(const struct core_time *t, uint64_t now_us);
