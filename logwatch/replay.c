#include "logwatch/replay.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/zip.h"
#include "logwatch/workers.h"

#define DETECT_BYTES 65536
/* Blocks read ahead for each worker. */
#define AHEAD 4
/* What matches leave in a batch before it is emptied. */
#define BATCH_BYTES ((size_t)128 << 10)

struct player {
    const struct replay_file *file;
    struct config_channel channel;
    struct config_input config;
    struct input input;
    struct reader_source source;
    struct rules_memory *memory;
    struct option_strs path;
    struct work_queue ahead; /* blocks behind `work` that are read already */
    struct work *work; /* whose matches are told now; NULL = none */
    size_t held; /* slots: of `work` and of what is ahead */
    size_t next; /* its match that comes next */
    uint64_t time_us; /* of the newest match told: a file's own times never go back in the merge */
    int fault; /* reading ended with it: told behind the blocks before */
    struct err err;
    bool open, source_open, ended;
};

struct replay {
    const struct replay_request *q;
    struct replay_stats stats;
    struct player *players;
    struct workers *workers;
    size_t spare; /* slots beyond the one of each file that nobody holds */
    struct correlator *correlator;
    struct batch batch; /* of many matches, one after the other */
    struct signal unasked; /* nobody asks for these here */
    struct arena *batch_arena, *options;
    struct clock clock;
};

/* ---- opening ---- */

static const struct format *find_out(const struct replay_request *q, const char *path,
                                     struct err *err)
{
    AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    AUTO_FREE char *text = malloc(DETECT_BYTES);
    AUTO(zip) z = NULL;
    const struct format *f;
    ssize_t n;
    size_t lf;

    if (fd < 0 || !text) {
        err_set(err, fd < 0 ? -errno : -ENOMEM, "cannot read '%s': %s", path, err_name(errno));
        return NULL;
    }
    n = zip_new(fd, &z, err) == 0 ? -EAGAIN : -ENOMEM;
    while (n == -EAGAIN)
        n = zip_read(z, text, DETECT_BYTES, err);
    if (n < 0) {
        err_while(err, "'%s'", path);
        return NULL;
    }
    lf = slice_rfind_byte(slice_of(text, (size_t)n), '\n');
    f = format_detect(q->engine->formats, slice_of(text, lf == SIZE_MAX ? (size_t)n : lf + 1));
    if (!f && n > 0)
        err_set(err, -EINVAL, "'%s': no format knows these lines; name one with --channel", path);
    else if (!f)
        f = formats_at(q->engine->formats, 0); /* an empty file is any format's */
    return f;
}

static const struct format *format_of(struct replay *r, const struct replay_file *file,
                                      struct err *err)
{
    const struct format *f;

    if (!file->channel)
        return find_out(r->q, file->path, err);
    f = format_find(r->q->engine->formats, slice_str(file->channel));
    if (!f)
        err_set(err, -EINVAL, "no format is called '%s'", file->channel);
    return f;
}

bool replay_is_journal(const char *path)
{
    AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    char magic[8];

    return fd >= 0 && pread(fd, magic, sizeof magic, 0) == (ssize_t)sizeof magic &&
           memcmp(magic, "LPKSHHRH", sizeof magic) == 0;
}

/* An option's text, or list of texts, as the configuration would have it. */
static struct yaml *member(struct arena *a, const char *key, const char *text)
{
    struct yaml *y = arena_alloc(a, sizeof *y);

    if (y)
        *y = (struct yaml){ .kind = text ? YAML_SCALAR : YAML_SEQ,
                            .key = slice_str(key),
                            .text = slice_str(text) };
    return y;
}

static struct yaml *list_of_units(struct arena *a, const char *const *units)
{
    struct yaml *list = member(a, "unit", NULL);
    struct yaml **end = list ? &list->child : NULL;

    for (; end && *units; units++, end = &(*end)->next) {
        *end = member(a, NULL, *units);
        if (!*end)
            return NULL;
        list->nchildren++;
    }
    return list;
}

static struct yaml *options_of(struct arena *a, const struct replay_file *file)
{
    struct yaml *map = arena_alloc(a, sizeof *map);
    struct stat st;
    const char *key = !file->journal                                      ? "path"
                      : stat(file->path, &st) == 0 && S_ISDIR(st.st_mode) ? "directory"
                                                                          : "files";

    if (!map)
        return NULL;
    *map = (struct yaml){ .kind = YAML_MAP, .child = member(a, key, file->path), .nchildren = 1 };
    if (map->child && file->units && file->units[0]) {
        map->child->next = list_of_units(a, file->units);
        map->nchildren++;
    }
    return map->child && (map->nchildren == 1 || map->child->next) ? map : NULL;
}

/* The input with its defaults and this one path, as the configuration would load it. */
static int input_state(struct replay *r, struct player *p, struct err *err)
{
    const struct input_ops *ops = p->config.ops;
    const struct yaml *map = options_of(r->options, p->file);
    AUTO(diag) d = diag_new();

    p->config.state = arena_alloc(r->options, ops->state_size);
    if (!d || !map || !p->config.state)
        return err_nomem(err);
    if (option_load(ops->options, map, map->child->at, NULL, p->config.state, r->options, d) < 0)
        return err_set(err, -EINVAL, "%s", diag_text(d, 0));
    return 0;
}

static int player_open(struct replay *r, struct player *p, const struct replay_file *file,
                       struct err *err)
{
    p->file = file;
    p->memory = rules_memory_new(r->q->engine->rules);
    if (!p->memory)
        return err_nomem(err);
    p->channel.format = format_of(r, file, err);
    if (!p->channel.format)
        return err_code(err);
    p->channel.name = format_channel(p->channel.format);
    p->config.name = file->path;
    p->config.zone = file->zone;
    p->config.ops = file->journal ? &input_journald : &input_file;
    p->config.channel = &p->channel;
    if (input_state(r, p, err) < 0)
        return err_code(err);
    if (reader_source_init(&p->source, &p->config, err) < 0)
        return err_code(err);
    p->source_open = true;
    p->source.replayed = true;
    p->input = (struct input){
        .name = file->path,
        .ops = p->config.ops,
        .state = p->config.state,
        .framing = format_framing(p->channel.format),
        .clock = &r->clock,
        .first_start = true,
        .once = true,
        .block_max = r->q->block_bytes ? r->q->block_bytes : 256 << 10,
        .fd = -1,
        .socket = -1,
    };
    p->open = true;
    if (p->input.ops->open(&p->input, err) < 0)
        return file->journal ? err_while(err, "'%s'", file->path) : err_code(err);
    if (r->q->file)
        r->q->file(r->q->ctx, file->path, p->channel.name);
    return 0;
}

static void player_close(struct player *p)
{
    if (p->open)
        p->input.ops->close(&p->input);
    if (p->source_open)
        reader_source_fini(&p->source);
    rules_memory_free(p->memory);
}

/* ---- playing ---- */

static bool has_match(const struct player *p)
{
    return p->work && p->next < p->work->result.nmatches;
}

static void count(struct replay *r, const struct reader_result *result)
{
    struct replay_stats *s = &r->stats;

    s->lines += result->lines;
    s->bytes += result->bytes;
    s->events += result->events;
    s->parsed += result->parsed;
    s->unparsed += result->unparsed;
    s->matches += result->nmatches;
    s->regex_limits += result->regex_limits;
    if (result->last_event_us > s->last_us)
        s->last_us = result->last_event_us;
    if (r->q->progress)
        r->q->progress(r->q->ctx, s->bytes, s->lines);
    for (size_t i = 0; r->q->notice && i < result->nnotices; i++)
        r->q->notice(r->q->ctx, result->input->name, &result->notices[i]);
}

/*
 * Each file has the room of one block: the merge needs one of each. The rest is shared: a
 * file takes of it while it has less than is left, so one file alone is read far ahead, and many
 * leave something to each other.
 */
static size_t extra(const struct player *p)
{
    return p->held > 1 ? p->held - 1 : 0;
}

static void hold(struct replay *r, struct player *p, size_t held)
{
    r->spare += extra(p);
    p->held = held;
    r->spare -= extra(p);
}

static void read_one(struct replay *r, struct player *p, struct work *work)
{
    int e = p->input.ops->read(&p->input, &work->block, &p->err);

    p->ended = e <= 0 || work->block.end;
    p->fault = e < 0 ? e : 0;
    if (e <= 0) {
        workers_release(r->workers, work);
        return;
    }
    hold(r, p, p->held + 1);
    work->source = &p->source;
    work->memory = p->memory;
    workers_give(r->workers, &p->ahead, work, false);
}

static int read_ahead(struct replay *r, struct player *p, struct err *err)
{
    while (!p->ended && (p->held == 0 || extra(p) < r->spare)) {
        struct work *work = workers_slot(r->workers);

        if (!work)
            return err_nomem(err);
        read_one(r, p, work);
    }
    return 0;
}

static void drop_work(struct replay *r, struct player *p)
{
    if (!p->work)
        return;
    workers_release(r->workers, TAKE(p->work));
    hold(r, p, p->held - 1);
}

static int fault_of(const struct player *p, struct err *err)
{
    if (err)
        *err = p->err;
    return err_while(err, "'%s'", p->file->path);
}

/* Blocks until one holds a match, or the file's end. */
static int player_fill(struct replay *r, struct player *p, struct err *err)
{
    while (!has_match(p)) {
        int e;

        drop_work(r, p);
        if (read_ahead(r, p, err) < 0)
            return err_code(err);
        if (p->ahead.n == 0)
            return p->fault ? fault_of(p, err) : 0;
        p->next = 0;
        e = workers_take(r->workers, &p->ahead, &p->work, err);
        if (e < 0)
            return e;
        count(r, &p->work->result);
    }
    return 0;
}

static uint64_t merge_time(const struct player *p)
{
    uint64_t t = p->work->result.matches[p->next].event->time_us;

    return t > p->time_us ? t : p->time_us;
}

static struct player *earliest(struct replay *r)
{
    struct player *best = NULL;

    for (size_t i = 0; i < r->q->nfiles; i++) {
        struct player *p = &r->players[i];

        if (has_match(p) && (!best || merge_time(p) < merge_time(best)))
            best = p;
    }
    return best;
}

static struct batch *batch_at(struct replay *r, uint64_t time_us)
{
    struct batch *b = &r->batch;

    if (!b->arena || b->nalerts || arena_used(b->arena) >= BATCH_BYTES) {
        arena_reset(r->batch_arena);
        batch_init(b, r->batch_arena, time_us);
        b->unasked = &r->unasked;
    }
    b->now_us = time_us;
    return b;
}

static int tell(struct replay *r, struct batch *b)
{
    int e = 0;

    for (size_t i = 0; i < b->nalerts && e == 0; i++) {
        r->stats.alerts++;
        e = r->q->alert ? r->q->alert(r->q->ctx, b->alerts[i]) : 0;
    }
    return e;
}

static int play(struct replay *r, struct player *p, struct err *err)
{
    const struct match *m = &p->work->result.matches[p->next++];
    struct batch *b = batch_at(r, m->event->time_us);
    int e = 0;

    p->time_us = m->event->time_us > p->time_us ? m->event->time_us : p->time_us;
    if (m->rule != MATCH_AUDIT)
        e = correlator_take(r->correlator, m, b, err);
    return e ? e : tell(r, b);
}

/* There is nothing more: time stands at the last event. */
static int play_end(struct replay *r, struct err *err)
{
    uint64_t last = 0;
    struct batch *b;
    int e;

    for (size_t i = 0; i < r->q->nfiles; i++)
        last = r->players[i].time_us > last ? r->players[i].time_us : last;
    b = batch_at(r, last);
    e = correlator_advance(r->correlator, last, b, err);
    return e ? e : tell(r, b);
}

static int play_all(struct replay *r, struct err *err)
{
    for (;;) {
        struct player *p;
        int e = 0;

        for (size_t i = 0; i < r->q->nfiles && e == 0; i++)
            e = player_fill(r, &r->players[i], err);
        p = e == 0 ? earliest(r) : NULL;
        if (!p)
            return e;
        /* All of this file's matches that come before any other's. */
        do
            e = play(r, p, err);
        while (e == 0 && has_match(p) && earliest(r) == p);
        if (e)
            return e;
    }
}

static int open_all(struct replay *r, struct err *err)
{
    const struct replay_request *q = r->q;
    unsigned nthreads = q->event ? 0 : q->workers;

    r->spare = (size_t)nthreads * AHEAD;
    r->players = calloc(q->nfiles ? q->nfiles : 1, sizeof *r->players);
    r->correlator = correlator_new(q->engine->rules, q->groups_max);
    r->batch_arena = arena_new(1 << 16, 256 << 20);
    r->options = arena_new(4096, 16 << 20);
    if (!r->players || !r->correlator || !r->batch_arena || !r->options)
        return err_nomem(err);
    if (workers_new(q->engine, q->geo, nthreads, q->nfiles + r->spare, &r->workers, err) < 0)
        return err_code(err);
    reader_observe(workers_reader(r->workers), q->event, q->ctx);
    for (size_t i = 0; i < q->nfiles; i++)
        if (player_open(r, &r->players[i], &q->files[i], err) < 0)
            return err_code(err);
    return 0;
}

/* Threads end before what they read from. */
static void close_all(struct replay *r)
{
    workers_free(r->workers);
    for (size_t i = 0; r->players && i < r->q->nfiles; i++)
        player_close(&r->players[i]);
    free(r->players);
    correlator_free(r->correlator);
    arena_free(r->batch_arena);
    arena_free(r->options);
}

int replay_run(const struct replay_request *q, struct replay_stats *ret_stats, struct err *err)
{
    struct replay r = { .q = q };
    int e = open_all(&r, err);

    if (e == 0)
        e = play_all(&r, err);
    if (e == 0)
        e = play_end(&r, err);
    *ret_stats = r.stats;
    close_all(&r);
    return e < 0 ? e : 0;
}
