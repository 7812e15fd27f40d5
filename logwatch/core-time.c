#include "logwatch/core-time.h"

#include "logwatch/wire.h"

#define START_US (60 * USEC_PER_SEC)
#define BEHIND_MAX_US (UINT64_C(3600) * USEC_PER_SEC)

struct input_time {
    const struct config_input *input;
    uint64_t last_us; /* its newest event */
    uint64_t behind_us; /* 0 = it is not */
    bool known; /* it has said something */
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

void core_time_take(struct core_time *t, const struct reader_result *r)
{
    for (size_t i = 0; i < t->n; i++) {
        struct input_time *in = &t->inputs[i];

        if (in->input != r->input)
            continue;
        in->known = true;
        if (r->last_event_us > in->last_us)
            in->last_us = r->last_event_us;
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
