#include "logwatch/follow.h"

#include <errno.h>

#include "base/fault.h"
#include "base/log.h"
#include "logwatch/health.h"
#include "logwatch/wire.h"
#include "logwatch/workers.h"

#define RETRY_US (10 * USEC_PER_SEC)
#define SETTLE_US (USEC_PER_SEC / 4)
#define IDLE_US (30 * USEC_PER_SEC)
#define JUDGE_US (5 * USEC_PER_SEC)

/*
 * What is handed to a worker. A wake-up of a quiet system brings a few lines: they are read where
 * they are, as if there were no workers. When one turn over the inputs has brought more, the next
 * blocks of this turn are worth a hand-over (about 10 us); with much more, also the making of
 * threads. After REST_US without one they go.
 */
#define HAND_OVER_BYTES ((size_t)4 << 10)
#define TURN_BYTES ((size_t)16 << 10)
#define WAKE_BYTES ((size_t)64 << 10)
#define REST_US (30 * USEC_PER_SEC)
/* Blocks at once for each worker: one in work, one that waits for it, one that waits for its turn.
 */
#define SLOTS_EACH 3
/* Of all blocks at once: more than that is read when something is finished. */
#define BYTES_AT_ONCE ((size_t)8 << 20)

struct follower {
    const struct config_input *config;
    size_t index;
    struct input input;
    struct reader_source source;
    struct rules_memory *memory;
    bool source_open, open, failed, ended;
    uint64_t retry_us;
    struct log_gate gate;
    struct health *health; /* of its channel */
};

struct follow {
    const struct config *config;
    const struct clock *clock;
    struct follow_out out;
    bool once;
    struct workers *workers;
    struct work_queue queue; /* blocks of all inputs, in the order in which they were read */
    size_t queue_bytes, turn_bytes;
    bool eager; /* hands over every block */
    uint64_t handed_us; /* monotonic: when a block went to a worker last */
    struct geo *geo;
    struct arena *own; /* of what we tell ourselves, while a block may be in work */
    struct follower *followers;
    size_t n, next; /* whose turn it is */
    struct health *health; /* of each channel */
    uint64_t judge_us; /* monotonic: when next */
    const struct follow_cursor *cursors;
    size_t ncursors;
    uint64_t busy_us; /* monotonic: when something was read last */
    bool dry; /* the last turn asked every input, and none had anything */
    uint64_t settle_us; /* how long a record may be held back by its framing */
};

/* ---- opening ---- */

static int add_follower(struct follow *f, size_t i, struct err *err)
{
    struct follower *w = &f->followers[i];
    const struct framing *framing;

    w->index = i;
    w->config = inputs_at(f->config, i);
    w->health = &f->health[w->config->channel - f->config->channels];
    framing = format_framing(w->config->channel->format);
    if (framing && framing->idle_us + SETTLE_US > f->settle_us)
        f->settle_us = framing->idle_us + SETTLE_US;
    if (reader_source_init(&w->source, w->config, err) < 0)
        return err_while(err, "input '%s'", w->config->name);
    w->source_open = true;
    w->memory = rules_memory_new(f->config->engine->rules);
    return w->memory ? 0 : err_nomem(err);
}

static int open_workers(struct follow *f, struct err *err)
{
    unsigned n = workers_count(f->config->workers, true);

    f->eager = workers_eager();
    return workers_new(f->config->engine, f->geo, n, (size_t)n * SLOTS_EACH + 1, &f->workers, err);
}

int follow_new(const struct config *c, const struct clock *clock, const struct follow_out *out,
               bool once, struct follow **ret_follow, struct err *err)
{
    AUTO(follow) f = calloc(1, sizeof *f);

    if (!f)
        return err_nomem(err);
    f->config = c;
    f->clock = clock;
    f->out = *out;
    f->once = once;
    f->settle_us = SETTLE_US;
    f->n = inputs_count(c);
    f->followers = calloc(f->n ? f->n : 1, sizeof *f->followers);
    f->health = calloc(c->nchannels ? c->nchannels : 1, sizeof *f->health);
    f->own = arena_new(16384, 4 << 20);
    if (!f->followers || !f->health || !f->own)
        return err_nomem(err);
    if (c->geo.n && geo_open(c->geo.items, c->geo.n, &f->geo, err) < 0)
        return err_code(err);
    if (open_workers(f, err) < 0)
        return err_code(err);
    for (size_t i = 0; i < f->n; i++)
        if (add_follower(f, i, err) < 0)
            return err_code(err);
    *ret_follow = TAKE(f);
    return 0;
}

void follow_free(struct follow *f)
{
    if (!f)
        return;
    workers_free(f->workers); /* threads end before what they read from */
    for (size_t i = 0; f->followers && i < f->n; i++) {
        if (f->followers[i].open)
            f->followers[i].input.ops->close(&f->followers[i].input);
        if (f->followers[i].source_open)
            reader_source_fini(&f->followers[i].source);
        rules_memory_free(f->followers[i].memory);
    }
    free(f->followers);
    free(f->health);
    geo_free(f->geo);
    arena_free(f->own);
    free(f);
}

/* What the parser kept, as it was true at the input's cursors. */
static int restore(struct follower *w, const struct cursor *c)
{
    int r = parser_source_restore(&w->source.parser, c);

    if (r == -EINVAL && parser_source_ordered(&w->source.parser))
        log_notice("input '%s': what was kept of its last lines is of another filter, so it begins "
                   "anew",
                   w->config->name);
    return r == -ENOMEM ? r : 0;
}

/* The stored cursors of one input, as input_ops wants them. */
static int cursors_of(const struct follow *f, struct follower *w, struct arena *a, struct input *in)
{
    struct cursor *list = arena_array(a, f->ncursors ? f->ncursors : 1, sizeof *list);

    if (!list)
        return -ENOMEM;
    for (size_t i = 0; i < f->ncursors; i++) {
        const struct cursor *c = &f->cursors[i].cursor;

        if (f->cursors[i].input != w->index)
            continue;
        if (!parser_cursor_is(c->stream))
            list[in->ncursors++] = *c;
        else if (restore(w, c) < 0)
            return -ENOMEM;
    }
    in->cursors = list;
    in->first_start = in->ncursors == 0;
    return 0;
}

static int follower_open(struct follow *f, struct follower *w, struct err *err)
{
    AUTO(arena) a = arena_new(16384, 64 << 20);
    int r;

    w->input = (struct input){
        .name = w->config->name,
        .ops = w->config->ops,
        .state = w->config->state,
        .framing = format_framing(w->config->channel->format),
        .clock = f->clock,
        .block_max = f->config->block_bytes,
        .fd = -1,
        .socket = w->config->socket,
    };
    if (!a || cursors_of(f, w, a, &w->input) < 0)
        return err_nomem(err);
    r = w->input.ops->open(&w->input, err);
    w->input.cursors = NULL;
    if (r < 0) {
        w->input.ops->close(&w->input);
        return err_while(err, "input '%s'", w->config->name);
    }
    w->open = true;
    return 0;
}

/* ---- results ---- */

/* How the input stands, behind each of its results. */
static unsigned trouble_of(const struct follower *w)
{
    return health_trouble(w->health) | (w->failed ? TROUBLE_FAILED : 0u);
}

static int give_first(struct follow *f, struct err *err)
{
    struct work *work;
    struct follower *w;
    int r = workers_take(f->workers, &f->queue, &work, err);

    w = work->owner;
    f->queue_bytes -= work->bytes;
    if (r == 0) {
        work->result.lag = work->lag;
        health_count(w->health, &work->result, clock_mono(f->clock));
        work->result.trouble = trouble_of(w);
        fault_point(FAULT_READER_AFTER_READ);
        r = f->out.result(f->out.ctx, &work->result, err);
    }
    workers_release(f->workers, work);
    return r;
}

static bool is_ready(const struct follow *f)
{
    return !f->out.ready || f->out.ready(f->out.ctx);
}

/* What is finished, in order, while somebody takes it. *ret_any: there was something. */
static int give_finished(struct follow *f, bool *ret_any, struct err *err)
{
    int r = 0;

    while (r == 0 && workers_ready(f->workers, &f->queue) && is_ready(f)) {
        r = give_first(f, err);
        *ret_any = true;
    }
    return r;
}

int follow_drain(struct follow *f, struct err *err)
{
    int r = 0;

    while (r == 0 && f->queue.n)
        r = give_first(f, err);
    return r;
}

bool follow_busy(const struct follow *f)
{
    return f->queue.n > 0;
}

/*
 * Something of our own to tell about an input: a block of one notice and no lines, behind all that
 * was read before.
 */
static int tell(struct follow *f, const struct follower *w, const char *type, struct slice members,
                struct err *err)
{
    struct notice n = { type, members };
    struct block b = {
        .arena = f->own,
        .name = slice_str(w->config->name),
        .notices = &n,
        .nnotices = 1,
        .received_us = clock_now(f->clock),
    };
    struct reader *reader = workers_reader(f->workers);
    struct reader_result result;
    int r = follow_drain(f, err);

    if (r < 0)
        return r;
    arena_reset(f->own);
    reader_remember(reader, w->memory);
    r = reader_run(reader, &w->source, &b, &result, err);
    reader_remember(reader, NULL);
    if (r < 0)
        return r;
    result.lag = w->input.lag;
    result.trouble = trouble_of(w);
    return f->out.result(f->out.ctx, &result, err);
}

static int tell_error(struct follow *f, const struct follower *w, const char *type,
                      const char *error, struct err *err)
{
    AUTO_BUF b = BUF_INIT;
    struct json_writer j = json_writer(&b);

    if (error)
        json_member_str(&j, "error", error);
    return buf_ok(&b) ? tell(f, w, type, buf_view(&b), err) : err_nomem(err);
}

static int follower_failed(struct follow *f, struct follower *w, const struct err *why,
                           struct err *err)
{
    uint64_t missed;

    w->retry_us = clock_mono(f->clock) + RETRY_US;
    if (log_gate(&w->gate, clock_mono(f->clock), &missed))
        log_err(LOG_LEVEL_ERROR, why);
    if (w->failed)
        return 0;
    w->failed = true;
    return tell_error(f, w, "input.failed", why->text, err);
}

static int follower_works(struct follow *f, struct follower *w, struct err *err)
{
    if (!w->failed)
        return 0;
    w->failed = false;
    log_notice("input '%s' works again", w->config->name);
    return tell_error(f, w, "input.recovered", NULL, err);
}

int follow_open(struct follow *f, const struct follow_cursor *cursors, size_t n, struct err *err)
{
    f->cursors = cursors;
    f->ncursors = n;
    f->busy_us = clock_mono(f->clock);
    f->judge_us = f->busy_us + JUDGE_US;
    for (size_t i = 0; i < f->config->nchannels; i++)
        health_begin(&f->health[i], f->busy_us);
    for (size_t i = 0; i < f->n; i++) {
        struct err e = ERR_NONE;

        if (follower_open(f, &f->followers[i], &e) < 0 &&
            follower_failed(f, &f->followers[i], &e, err) < 0)
            return err_code(err);
    }
    return 0;
}

/* ---- turning ---- */

/* What an input has to tell is an entry of the trail; the operator at the console hears of it, too.
 */
static void log_notices(const struct follower *w, const struct block *b)
{
    for (size_t i = 0; i < b->nnotices; i++) {
        const struct notice *n = &b->notices[i];
        bool start = strcmp(n->type, "source.start") == 0;

        log_at(start ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING, "%s: %.*s: {%.*s}", n->type,
               b->name.p ? (int)b->name.n : (int)strlen(w->config->name),
               b->name.p ? b->name.p : w->config->name, SLICE_FMT(n->members));
    }
}

static bool stays_here(const struct follow *f, const struct work *work)
{
    size_t enough = workers_awake(f->workers) ? TURN_BYTES : WAKE_BYTES;

    return !f->eager && (work->bytes < HAND_OVER_BYTES || f->turn_bytes < enough);
}

static void give_block(struct follow *f, struct follower *w, struct work *work)
{
    bool here;

    work->source = &w->source;
    work->memory = w->memory;
    work->owner = w;
    work->lag = w->input.lag;
    work->bytes = arena_used(work->block.arena);
    f->queue_bytes += work->bytes;
    f->turn_bytes += work->bytes;
    here = stays_here(f, work);
    if (!here)
        f->handed_us = clock_mono(f->clock);
    workers_give(f->workers, &f->queue, work, here);
}

/* Step 1 for one block of one input, and steps 2-5 here or by a worker. 1 = there was one. */
static int read_block(struct follow *f, struct follower *w, struct err *err)
{
    struct work *work = workers_slot(f->workers);
    struct err e = ERR_NONE;
    int r;

    if (!work)
        return err_nomem(err);
    r = w->input.ops->read(&w->input, &work->block, &e);
    if (r <= 0) {
        workers_release(f->workers, work);
        return r < 0 ? follower_failed(f, w, &e, err) : 0;
    }
    r = follower_works(f, w, err);
    if (r < 0) {
        workers_release(f->workers, work);
        return r;
    }
    w->ended = work->block.end;
    log_notices(w, &work->block);
    give_block(f, w, work);
    return 1;
}

/* Each channel by its first input. */
static int judge(struct follow *f, struct err *err)
{
    uint64_t now = clock_mono(f->clock);

    if (now < f->judge_us || f->once)
        return 0;
    f->judge_us = now + JUDGE_US;
    for (size_t i = 0; i < f->n; i++) {
        const struct follower *w = &f->followers[i];
        AUTO_BUF members = BUF_INIT;
        const char *type;

        while ((i == 0 || f->followers[i - 1].health != w->health) &&
               (type = health_judge(w->health, w->config->channel, now, &members))) {
            log_warning("%s: channel %.*s: {%.*s}", type, SLICE_FMT(w->config->channel->name),
                        SLICE_FMT(buf_view(&members)));
            if (!buf_ok(&members) || tell(f, w, type, buf_view(&members), err) < 0)
                return err_nomem(err);
            buf_reset(&members);
        }
    }
    return 0;
}

static bool is_due(const struct follow *f, const struct follower *w)
{
    return !w->ended && !(w->failed && clock_mono(f->clock) < w->retry_us);
}

/* No more is read than can be held. */
static bool has_room(const struct follow *f)
{
    return workers_free_slots(f->workers) > 0 &&
           (f->queue.n == 0 || f->queue_bytes < BYTES_AT_ONCE);
}

static int turn_one(struct follow *f, struct follower *w, bool *ret_any, struct err *err)
{
    struct err e = ERR_NONE;
    int r;

    if (!w->open && follower_open(f, w, &e) < 0)
        return follower_failed(f, w, &e, err);
    r = read_block(f, w, err);
    if (r <= 0)
        return r;
    *ret_any = true;
    return give_finished(f, ret_any, err);
}

static void rest(struct follow *f)
{
    if (workers_awake(f->workers) && f->queue.n == 0 &&
        clock_mono(f->clock) >= f->handed_us + REST_US)
        workers_rest(f->workers);
}

/*
 * One block from each input in turn: a flooded file cannot starve the others. Where
 * there was no room the next turn begins.
 */
static int turn_all(struct follow *f, bool *ret_any, struct err *err)
{
    int r = 0;

    f->dry = false;
    for (size_t i = 0; r == 0 && i < f->n; i++) {
        struct follower *w = &f->followers[f->next];

        if (!is_ready(f))
            return 0;
        if (is_due(f, w)) {
            if (!has_room(f))
                return 0;
            r = turn_one(f, w, ret_any, err);
        }
        f->next = (f->next + 1) % f->n;
    }
    f->dry = r == 0 && !*ret_any;
    return r;
}

int follow_turn(struct follow *f, bool *ret_any, struct err *err)
{
    int r;

    *ret_any = false;
    f->turn_bytes = 0;
    workers_heard(f->workers);
    r = give_finished(f, ret_any, err);
    if (r == 0)
        r = turn_all(f, ret_any, err);
    if (r < 0)
        return r;
    if (*ret_any)
        f->busy_us = clock_mono(f->clock);
    rest(f);
    return judge(f, err);
}

size_t follow_poll(const struct follow *f, struct pollfd *fds, size_t max)
{
    size_t n = 0;

    if (f->queue.n && workers_fd(f->workers) >= 0 && max)
        fds[n++] = (struct pollfd){ .fd = workers_fd(f->workers), .events = POLLIN };
    for (size_t i = 0; has_room(f) && i < f->n && n < max; i++) {
        const struct follower *w = &f->followers[i];
        const struct input *in = &w->input;

        if (w->open && !w->ended && in->fd >= 0)
            fds[n++] = (struct pollfd){ .fd = in->fd,
                                        .events = (short)(in->events ? in->events : POLLIN) };
    }
    return n;
}

uint64_t follow_wait_us(const struct follow *f)
{
    uint64_t now = clock_mono(f->clock), wait = f->once ? SETTLE_US : IDLE_US;

    if (workers_ready(f->workers, &f->queue))
        return 0;
    if (!has_room(f))
        return wait;
    for (size_t i = 0; i < f->n; i++) {
        const struct follower *w = &f->followers[i];
        uint64_t next = w->failed ? w->retry_us : w->input.wake_us;

        if (w->ended || next == 0)
            continue;
        if (next <= now)
            return 0;
        if (next - now < wait)
            wait = next - now;
    }
    if (!f->once && f->judge_us < now + wait)
        wait = f->judge_us > now ? f->judge_us - now : 0;
    return wait;
}

bool follow_settled(const struct follow *f)
{
    /* Who could not read for long, for want of room, knows nothing. */
    if (!f->dry || f->queue.n)
        return false;
    for (size_t i = 0; i < f->n; i++)
        if (f->followers[i].open && f->followers[i].input.waiting)
            return false;
    return clock_mono(f->clock) >= f->busy_us + f->settle_us;
}
