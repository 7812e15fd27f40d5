#include "logwatch/follow.h"

#include <errno.h>

#include "base/fault.h"
#include "base/log.h"
#include "logwatch/health.h"
#include "logwatch/wire.h"

#define RETRY_US (10 * USEC_PER_SEC)
#define SETTLE_US (USEC_PER_SEC / 4)
#define IDLE_US (30 * USEC_PER_SEC)
#define JUDGE_US (5 * USEC_PER_SEC)

struct follower {
    const struct config_input *config;
    size_t index;
    struct input input;
    struct reader_source source;
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
    struct reader *reader;
    struct geo *geo;
    struct arena *arena; /* of the block in work */
    struct arena *own; /* of what we tell ourselves, while a block may be in work */
    struct follower *followers;
    size_t n;
    struct health *health; /* of each channel */
    uint64_t judge_us; /* monotonic: when next */
    const struct follow_cursor *cursors;
    size_t ncursors;
    uint64_t busy_us; /* monotonic: when something was read last */
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
    return 0;
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
    f->arena = arena_new(2 << 20, 256 << 20);
    f->own = arena_new(16384, 4 << 20);
    if (!f->followers || !f->health || !f->arena || !f->own)
        return err_nomem(err);
    if (c->geo.n && geo_open(c->geo.items, c->geo.n, &f->geo, err) < 0)
        return err_code(err);
    f->reader = reader_new(c->engine, f->geo);
    if (!f->reader)
        return err_nomem(err);
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
    for (size_t i = 0; f->followers && i < f->n; i++) {
        if (f->followers[i].open)
            f->followers[i].input.ops->close(&f->followers[i].input);
        if (f->followers[i].source_open)
            reader_source_fini(&f->followers[i].source);
    }
    free(f->followers);
    free(f->health);
    reader_free(f->reader);
    geo_free(f->geo);
    arena_free(f->arena);
    arena_free(f->own);
    free(f);
}

/* The stored cursors of one input, as input_ops wants them. */
static int cursors_of(const struct follow *f, const struct follower *w, struct arena *a,
                      struct input *in)
{
    struct cursor *list = arena_array(a, f->ncursors ? f->ncursors : 1, sizeof *list);

    if (!list)
        return -ENOMEM;
    for (size_t i = 0; i < f->ncursors; i++)
        if (f->cursors[i].input == w->index)
            list[in->ncursors++] = f->cursors[i].cursor;
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

/* How the input stands, behind each of its results. */
static void stand(const struct follower *w, struct reader_result *r)
{
    r->lag = w->input.lag;
    r->trouble = health_trouble(w->health) | (w->failed ? TROUBLE_FAILED : 0u);
}

/* Something of our own to tell about an input: a block of one notice and no lines. */
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
    struct reader_result result;
    int r;

    arena_reset(f->own);
    r = reader_run(f->reader, &w->source, &b, &result, err);
    stand(w, &result);
    return r < 0 ? r : f->out.result(f->out.ctx, &result, err);
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

/* Steps 1-5 for one block of one input. 1 = there was one. */
static int read_block(struct follow *f, struct follower *w, struct err *err)
{
    struct block b = { .arena = f->arena };
    struct reader_result result;
    struct err e = ERR_NONE;
    int r;

    arena_reset(f->arena);
    r = w->input.ops->read(&w->input, &b, &e);
    if (r < 0)
        return follower_failed(f, w, &e, err);
    if (r == 0)
        return 0;
    r = follower_works(f, w, err);
    if (r < 0)
        return r;
    w->ended = b.end;
    log_notices(w, &b);
    r = reader_run(f->reader, &w->source, &b, &result, err);
    if (r < 0)
        return r;
    result.lag = w->input.lag;
    health_count(w->health, &result, clock_mono(f->clock));
    stand(w, &result);
    fault_point(FAULT_READER_AFTER_READ);
    r = f->out.result(f->out.ctx, &result, err);
    return r < 0 ? r : 1;
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

/* One block from each input in turn: a flooded file cannot starve the others. */
int follow_turn(struct follow *f, bool *ret_any, struct err *err)
{
    *ret_any = false;
    for (size_t i = 0; i < f->n; i++) {
        struct follower *w = &f->followers[i];
        struct err e = ERR_NONE;
        int r;

        if (f->out.ready && !f->out.ready(f->out.ctx))
            break;
        if (!is_due(f, w))
            continue;
        if (!w->open && follower_open(f, w, &e) < 0) {
            if (follower_failed(f, w, &e, err) < 0)
                return err_code(err);
            continue;
        }
        r = read_block(f, w, err);
        if (r < 0)
            return r;
        *ret_any = *ret_any || r > 0;
    }
    if (*ret_any)
        f->busy_us = clock_mono(f->clock);
    return judge(f, err);
}

size_t follow_poll(const struct follow *f, struct pollfd *fds, size_t max)
{
    size_t n = 0;

    for (size_t i = 0; i < f->n && n < max; i++) {
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
    for (size_t i = 0; i < f->n; i++)
        if (f->followers[i].open && f->followers[i].input.waiting)
            return false;
    return clock_mono(f->clock) >= f->busy_us + f->settle_us;
}
