#include "logwatch/reader.h"

#include <errno.h>

/* Older than this when read: the past. Nobody is banned for it. */
#define BACKFILL_US (UINT64_C(300) * USEC_PER_SEC)
/* A clock this far ahead is wrong: the time of reception is taken. */
#define FUTURE_US (UINT64_C(300) * USEC_PER_SEC)

struct reader {
    const struct engine *engine;
    struct geo *geo;
    struct parser_scratch *parser;
    struct rules_scratch *rules;
    void (*observe)(void *ctx, const struct event *ev);
    void *observe_ctx;
    struct match *matches; /* reused */
    size_t matches_cap;
};

struct reader *reader_new(const struct engine *e, struct geo *geo)
{
    AUTO(reader) r = calloc(1, sizeof *r);

    if (!r)
        return NULL;
    r->engine = e;
    r->geo = geo;
    r->parser = parser_scratch_new(e->formats);
    r->rules = rules_scratch_new(e->rules);
    return r->parser && r->rules ? TAKE(r) : NULL;
}

void reader_free(struct reader *r)
{
    if (!r)
        return;
    parser_scratch_free(r->parser);
    rules_scratch_free(r->rules);
    free(r->matches);
    free(r);
}

void reader_observe(struct reader *r, void (*fn)(void *ctx, const struct event *ev), void *ctx)
{
    r->observe = fn;
    r->observe_ctx = ctx;
}

int reader_source_init(struct reader_source *s, const struct config_input *in, struct err *err)
{
    *s = (struct reader_source){
        .input = in,
        .parser = {
            .format = in->channel->format,
            .zone = in->zone,
            .channel = in->channel->name,
            .service = slice_str(in->service),
            .from_journal = in->ops == &input_journald,
        },
    };
    return parser_source_init(&s->parser, err);
}

void reader_source_fini(struct reader_source *s)
{
    parser_source_fini(&s->parser);
}

static int add_match(struct reader *r, size_t *n, uint32_t rule, const struct event *ev)
{
    if (*n == r->matches_cap) {
        size_t cap = r->matches_cap ? r->matches_cap * 2 : 64;
        struct match *m = realloc(r->matches, cap * sizeof *m);

        if (!m)
            return -ENOMEM;
        r->matches = m;
        r->matches_cap = cap;
    }
    r->matches[(*n)++] = (struct match){ rule, ev };
    return 0;
}

/* The event's own clock is believed within bounds; replay has no other clock to hold against it. */
static void judge_time(struct event *ev, const struct block *b)
{
    if (b->received_us == 0)
        return;
    if (ev->time_us > b->received_us + FUTURE_US) {
        ev->time_us = b->received_us;
        ev->flags |= EVENT_TIME_GUESSED;
    }
    if (b->backfill || ev->time_us + BACKFILL_US < b->received_us)
        ev->flags |= EVENT_BACKFILL;
}

/* Steps 3 to 5 for one record. */
static int read_record(struct reader *r, const struct reader_source *source, const struct block *b,
                       const struct record *record, size_t *nmatches, struct reader_result *result)
{
    struct event *ev = arena_alloc(b->arena, sizeof *ev);
    struct parser_source parser = source->parser;
    const uint32_t *rules;
    size_t n;

    if (!ev)
        return -ENOMEM;
    parser.input = b->name;
    if (parser_run(&parser, r->parser, record, b->received_us, b->arena, ev, NULL) < 0)
        return -ENOMEM;
    memcpy(ev->key.stream, b->stream, sizeof ev->key.stream);
    if (!source->replayed)
        judge_time(ev, b);
    result->events++;
    result->unparsed += (ev->flags & EVENT_UNPARSED) ? 1 : 0;
    if (ev->time_us > result->last_event_us)
        result->last_event_us = ev->time_us;
    if (r->geo && enrich_run(r->geo, ev) == -ENOMEM)
        return -ENOMEM;
    if (r->observe)
        r->observe(r->observe_ctx, ev);
    if (source->input->channel->audit_all && add_match(r, nmatches, MATCH_AUDIT, ev) < 0)
        return -ENOMEM;
    n = rules_match(r->engine->rules, r->rules, ev, &rules);
    for (size_t i = 0; i < n; i++)
        if (add_match(r, nmatches, rules[i], ev) < 0)
            return -ENOMEM;
    return 0;
}

int reader_run(struct reader *r, const struct reader_source *source, const struct block *b,
               struct reader_result *ret_result, struct err *err)
{
    struct block_walk walk = { 0 };
    struct record record;
    struct reader_result result = {
        .arena = b->arena,
        .input = source->input,
        .cursors = b->cursors,
        .ncursors = b->ncursors,
        .notices = b->notices,
        .nnotices = b->nnotices,
        .name = b->name,
        .end = b->end,
        .bytes = b->bytes.n,
    };
    uint64_t limits = rules_scratch_limits(r->rules);
    size_t n = 0;

    while (block_next(b, format_framing(source->input->channel->format), &walk, &record)) {
        result.lines++;
        if (b->records)
            result.bytes += record.text.n;
        if (record.text.n && read_record(r, source, b, &record, &n, &result) < 0)
            return err_nomem(err);
    }
    result.matches = arena_array(b->arena, n ? n : 1, sizeof *result.matches);
    if (!result.matches)
        return err_nomem(err);
    if (n)
        memcpy(result.matches, r->matches, n * sizeof *result.matches);
    result.nmatches = n;
    result.regex_limits = rules_scratch_limits(r->rules) - limits;
    *ret_result = result;
    return 0;
}
