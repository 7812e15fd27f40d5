#include "logwatch/core-time.h"

#include "logwatch/wire.h"

#define START_US (60 * USEC_PER_SEC)
#define BEHIND_MAX_US (UINT64_C(3600) * USEC_PER_SEC)

/* Results whose times are remembered, and for how long when nothing is behind. */
#define RECENT 64
#define RECENT_US (UINT64_C(3600) * USEC_PER_SEC)

/* Of one result: its newest event, and when it came. */
struct recent {
    uint64_t event_us, heard_us;
};

struct input_time {
    const struct config_input *input;
    uint64_t last_us; /* its newest event */
    uint64_t behind_us; /* 0 = it is not */
    bool known; /* it has said something */
    struct recent recent[RECENT];
    size_t nrecent; /* in all: the oldest are written over */
};

struct core_time {
    struct input_time *inputs;
    size_t n;
    uint64_t started_us;
};

struct core_time *core_time_new(const struct config *c, uint64_t now_us)
{
    struct core_time *t = calloc(1, sizeof *t);

    if (!t)
        return NULL;
    t->n = inputs_count(c);
    t->started_us = now_us;
    t->inputs = calloc(t->n + 1, sizeof *t->inputs);
    for (size_t i = 0; t->inputs && i < t->n; i++)
        t->inputs[i].input = inputs_at(c, i);
    if (t->inputs)
        return t;
    free(t);
    return NULL;
}

void core_time_free(struct core_time *t)
{
    if (!t)
        return;
    free(t->inputs);
    free(t);
}

void core_time_take(struct core_time *t, const struct reader_result *r, uint64_t now_us)
{
    for (size_t i = 0; i < t->n; i++) {
        struct input_time *in = &t->inputs[i];

        if (in->input != r->input)
            continue;
        in->known = true;
        if (r->last_event_us > in->last_us)
            in->last_us = r->last_event_us;
        if (r->last_event_us)
            in->recent[in->nrecent++ % RECENT] = (struct recent){ r->last_event_us, now_us };
        in->behind_us = r->lag.bytes ? r->lag.since_us : 0;
        if (in->behind_us && in->last_us && in->last_us < in->behind_us)
            in->behind_us = in->last_us; /* what it reads is older than its file */
    }
}

/* It has lines that it never read from, and nobody knows how old they are. */
static bool is_open_question(const struct core_time *t, const struct input_time *in)
{
    return !in->known || (in->behind_us >= t->started_us && in->last_us == 0);
}

uint64_t core_time_behind(const struct core_time *t, uint64_t now_us)
{
    uint64_t behind = UINT64_MAX,
             oldest = now_us > BEHIND_MAX_US ? now_us - BEHIND_MAX_US : TIME_STANDS;

    for (size_t i = 0; i < t->n; i++) {
        const struct input_time *in = &t->inputs[i];

        if (is_open_question(t, in) && now_us < t->started_us + START_US)
            return TIME_STANDS;
        if (in->behind_us && in->behind_us < behind)
            behind = in->behind_us;
    }
    if (behind == UINT64_MAX)
        return 0;
    return behind > oldest ? behind : oldest;
}

static uint64_t oldest_recent(const struct input_time *in, uint64_t now_us)
{
    uint64_t oldest = in->behind_us ? in->behind_us : UINT64_MAX;

    for (size_t i = 0; i < RECENT && i < in->nrecent; i++)
        if ((in->behind_us || now_us < in->recent[i].heard_us + RECENT_US) &&
            in->recent[i].event_us < oldest)
            oldest = in->recent[i].event_us;
    return oldest;
}

uint64_t core_time_needed(const struct core_time *t, uint64_t now_us)
{
    uint64_t oldest = UINT64_MAX;

    for (size_t i = 0; i < t->n; i++) {
        uint64_t one = oldest_recent(&t->inputs[i], now_us);

        if (is_open_question(t, &t->inputs[i]) && now_us < t->started_us + START_US)
            return 0;
        oldest = one < oldest ? one : oldest;
    }
    return oldest;
}
