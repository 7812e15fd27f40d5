#include "logwatch/replay.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "logwatch/inputs/file-zip.h"
#include "logwatch/reader.h"

#define DETECT_BYTES 65536

struct player {
    const struct replay_file *file;
    struct config_channel channel;
    struct config_input config;
    struct input input;
    struct reader_source source;
    struct arena *arena;
    struct option_strs path;
    struct reader_result result;
    size_t next; /* match of the result that comes next */
    uint64_t time_us; /* of the newest match told: a file's own times never go back in the merge */
    bool open, source_open, ended, have;
};

struct replay {
    const struct replay_request *q;
    struct replay_stats stats;
    struct player *players;
    struct reader *reader;
    struct correlator *correlator;
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
    p->arena = arena_new(1 << 19, 256 << 20);
    if (!p->arena)
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
    arena_free(p->arena);
}

/* ---- playing ---- */

static void count(struct replay *r, const struct reader_result *result)
{
    struct replay_stats *s = &r->stats;

    s->lines += result->lines;
    s->bytes += result->bytes;
    s->events += result->events;
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

/* Blocks until one holds a match, or the file's end. */
static int player_fill(struct replay *r, struct player *p, struct err *err)
{
    while (!p->ended && p->next >= (p->have ? p->result.nmatches : 0)) {
        struct block b = { .arena = p->arena };
        int e;

        arena_reset(p->arena);
        p->have = false;
        p->next = 0;
        e = p->input.ops->read(&p->input, &b, err);
        if (e < 0)
            return err_while(err, "'%s'", p->file->path);
        if (e == 0) {
            p->ended = true;
            break;
        }
        e = reader_run(r->reader, &p->source, &b, &p->result, err);
        if (e < 0)
            return e;
        p->have = true;
        count(r, &p->result);
        p->ended = b.end;
    }
    return 0;
}

static bool has_match(const struct player *p)
{
    return p->have && p->next < p->result.nmatches;
}

static uint64_t merge_time(const struct player *p)
{
    uint64_t t = p->result.matches[p->next].event->time_us;

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
    const struct match *m = &p->result.matches[p->next++];
    struct batch b;
    int e = 0;

    p->time_us = m->event->time_us > p->time_us ? m->event->time_us : p->time_us;
    arena_reset(r->batch_arena);
    batch_init(&b, r->batch_arena, m->event->time_us);
    if (m->rule != MATCH_AUDIT)
        e = correlator_take(r->correlator, m, &b, err);
    return e ? e : tell(r, &b);
}

/* There is nothing more: time stands at the last event. */
static int play_end(struct replay *r, struct err *err)
{
    uint64_t last = 0;
    struct batch b;
    int e;

    for (size_t i = 0; i < r->q->nfiles; i++)
        last = r->players[i].time_us > last ? r->players[i].time_us : last;
    arena_reset(r->batch_arena);
    batch_init(&b, r->batch_arena, last);
    e = correlator_advance(r->correlator, last, &b, err);
    return e ? e : tell(r, &b);
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

int replay_run(const struct replay_request *q, struct replay_stats *ret_stats, struct err *err)
{
    struct replay r = { .q = q };
    int e = -ENOMEM;

    r.players = calloc(q->nfiles ? q->nfiles : 1, sizeof *r.players);
    r.reader = reader_new(q->engine, q->geo);
    r.correlator = correlator_new(q->engine->rules, q->groups_max);
    r.batch_arena = arena_new(1 << 16, 256 << 20);
    r.options = arena_new(4096, 16 << 20);
    if (r.players && r.reader && r.correlator && r.batch_arena && r.options) {
        e = 0;
        reader_observe(r.reader, q->event, q->ctx);
        for (size_t i = 0; i < q->nfiles && e == 0; i++)
            e = player_open(&r, &r.players[i], &q->files[i], err);
        if (e == 0)
            e = play_all(&r, err);
        if (e == 0)
            e = play_end(&r, err);
    } else {
        err_nomem(err);
    }
    *ret_stats = r.stats;
    for (size_t i = 0; r.players && i < q->nfiles; i++)
        player_close(&r.players[i]);
    free(r.players);
    reader_free(r.reader);
    correlator_free(r.correlator);
    arena_free(r.batch_arena);
    arena_free(r.options);
    return e < 0 ? e : 0;
}
