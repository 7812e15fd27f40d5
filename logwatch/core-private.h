/* Private to the core: core.c takes and commits, core-leave.c is what leaves. */
#pragma once

#include "base/log.h"
#include "logwatch/core-anchor.h"
#include "logwatch/core-bans.h"
#include "logwatch/core-digest.h"
#include "logwatch/core-people.h"
#include "logwatch/core-queue.h"
#include "logwatch/core-tell.h"
#include "logwatch/core-time.h"
#include "logwatch/core-windows.h"
#include "logwatch/core.h"

struct core {
    const struct config *config;
    const struct clock *clock;
    struct store *store;
    struct audit *audit;
    struct correlator *correlator;
    struct core_time *time;
    struct core_windows windows;
    struct core_anchors *anchors;
    struct core_people *people;
    struct core_tell *tell;
    struct core_queue *queue;
    struct core_bans *bans;
    struct log_gate keep_gate;
    uint64_t prune_us; /* of the outbox's history */
    bool notes_checked; /* once, at the start */
    bool notes_told; /* that a kept note contradicts the trail */
    struct arena *arena;
    struct batch batch;
    bool full; /* the reserve is in use */
    bool once_only; /* the batch has what cannot be read again */
};

/* Evidence, messages and ban of one alert. */
int core_respond(struct core *core, const struct alert *alert, struct err *err);
/* All rows of a receiver that wait become dead letters. */
int core_give_up(struct core *core, struct slice receiver, const char *why, struct err *err);
