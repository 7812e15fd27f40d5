#include "logwatch/reader.h"

#include <errno.h>

#include "base/hash.h"
#include "logwatch/glances.h"
#include "logwatch/scan.h"

/* Older than this when read: the past. Nobody is banned for it. */
#define BACKFILL_US (UINT64_C(300) * USEC_PER_SEC)
/* A clock this far ahead is wrong: the time of reception is taken. */
#define FUTURE_US (UINT64_C(300) * USEC_PER_SEC)

struct reader {
    const struct engine *engine;
    struct geo *geo;
    struct parser_scratch *parser;
    struct rules_scratch *rules;
    struct scan *scan;
    struct glances *glances;
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
    r->scan = scan_new();
    r->glances = glances_new(e);
    return r->parser && r->rules && r->scan && r->glances ? TAKE(r) : NULL;
}

void reader_free(struct reader *r)
{
    if (!r)
        return;
    parser_scratch_free(r->parser);
    rules_scratch_free(r->rules);
    scan_free(r->scan);
    glances_free(r->glances);
    free(r->matches);
    free(r);
}

void reader_observe(struct reader *r, void (*fn)(void *ctx, const struct event *ev), void *ctx)
{
    r->observe = fn;
    r->observe_ctx = ctx;
}

void reader_remember(struct reader *r, struct rules_memory *m)
{
    rules_scratch_remember(r->rules, m);
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

/* One block on its way. */
struct reading {
    struct reader *reader;
    const struct reader_source *source;
    const struct block *block;
    struct reader_result *result;
    size_t nmatches;
};

/* The rules that hold, of `only` (NULL: all); until the next event is matched. */
struct held {
    const uint32_t *rules;
    size_t n;
};

static struct held match(const struct reading *b, const struct event *ev, const uint64_t *only)
{
    const struct reader *r = b->reader;
    struct held held;

    held.n = only ? rules_match_only(r->engine->rules, r->rules, ev, only, &held.rules)
                  : rules_match(r->engine->rules, r->rules, ev, &held.rules);
    return held;
}

static int add_matches(struct reading *b, const struct event *ev, const struct held *held)
{
    for (size_t i = 0; i < held->n; i++)
        if (add_match(b->reader, &b->nmatches, held->rules[i], ev) < 0)
            return -ENOMEM;
    return 0;
}

/* All that the parser knows of a record, or (1: it is enough) what a glance asks for. */
static int parse(const struct reading *b, const struct record *record, const struct glance *g,
                 struct event *ev)
{
    struct reader *r = b->reader;
    struct parser_source parser = b->source->parser;
    const struct block *block = b->block;
    int e;

    parser.input = block->name;
    parser.stream = block->stream;
    e = g ? parser_glance(&parser, r->parser, record, block->received_us, block->arena, g, ev)
          : parser_run(&parser, r->parser, record, block->received_us, block->arena, ev, NULL);
    if (e < 0)
        return e;
    memcpy(ev->key.stream, block->stream, sizeof ev->key.stream);
    if (!b->source->replayed)
        judge_time(ev, block);
    if (r->geo && (!g || glance_asks_places(g)) && enrich_run(r->geo, ev) == -ENOMEM)
        return -ENOMEM;
    return e;
}

static void count(const struct reading *b, const struct event *ev)
{
    struct reader_result *result = b->result;
    const struct format *f = b->source->input->channel->format;

    result->parsed++;
    result->unparsed += (ev->flags & EVENT_UNPARSED) ? 1 : 0;
    if (ev->time_us > result->last_event_us)
        result->last_event_us = ev->time_us;
    result->shows_logins = result->shows_logins || format_shows_logins(f, ev);
}

/* The rules that hold, by a glance. 0: the record must be read whole to know them. */
static int glance_at(const struct reading *b, const struct record *record, const struct glance *g,
                     const uint64_t *only, struct held *ret_held)
{
    struct event ev;
    int e = parse(b, record, g, &ev);

    if (e <= 0)
        return e;
    count(b, &ev);
    *ret_held = match(b, &ev, only);
    return 1;
}

/* Steps 3 to 5 for one record. */
static int read_record(struct reading *b, const struct record *record, const uint64_t *only)
{
    struct reader *r = b->reader;
    const struct config_channel *channel = b->source->input->channel;
    const struct glance *g = only ? glances_find(r->glances, channel->format, only) : NULL;
    struct held held = { NULL, 0 };
    int glanced = g ? glance_at(b, record, g, only, &held) : 0;
    struct event *ev;

    if (glanced < 0)
        return -ENOMEM;
    if (glanced && held.n == 0) {
        glances_told(r->glances, false);
        return 0; /* that was all */
    }
    ev = arena_alloc(b->block->arena, sizeof *ev);
    if (!ev || parse(b, record, NULL, ev) < 0)
        return -ENOMEM;
    if (!glanced)
        count(b, ev);
    if (r->observe)
        r->observe(r->observe_ctx, ev);
    if (channel->audit_all && add_match(r, &b->nmatches, MATCH_AUDIT, ev) < 0)
        return -ENOMEM;
    if (!glanced)
        held = match(b, ev, only);
    if (only)
        glances_told(r->glances, g || held.n > 0);
    return add_matches(b, ev, &held);
}

/* ---- which records ---- */

/* NULL: all of them, for all rules. */
static const struct scan_plan *plan_of(const struct reading *b)
{
    const struct reader *r = b->reader;
    const struct config_channel *channel = b->source->input->channel;
    const struct format_beside beside = { r->geo != NULL, b->source->parser.service };
    const struct scan_plan *plan;

    /* Records with claims of their own (priority, sender) hold more than their text. */
    if (b->block->records || r->observe || channel->audit_all)
        return NULL;
    plan = scans_plan(r->engine->scans, channel->format, &beside);
    return plan && scan_block(r->scan, plan, b->block->bytes) ? plan : NULL;
}

/* Straight to those that matter. */
static int read_candidates(struct reading *b, const struct scan_plan *plan,
                           const struct framing *framing)
{
    struct reader *r = b->reader;
    struct block_walk walk = { 0 };
    struct record record;
    size_t offset;

    block_count(b->block, &b->result->lines, &b->result->events);
    while (scan_next(r->scan, &offset)) {
        const uint64_t *only;

        block_skip_to(b->block, &walk, offset);
        if (!block_next(b->block, framing, &walk, &record))
            break;
        if (scan_take(r->scan, plan, record.text, walk.offset, &only) && record.text.n &&
            read_record(b, &record, only) < 0)
            return -ENOMEM;
    }
    return 0;
}

static int read_records(struct reading *b, const struct scan_plan *plan,
                        const struct framing *framing)
{
    struct reader *r = b->reader;
    struct block_walk walk = { 0 };
    struct record record;

    while (block_next(b->block, framing, &walk, &record)) {
        const uint64_t *only = NULL;
        bool wanted = !plan || scan_take(r->scan, plan, record.text, walk.offset, &only);

        b->result->lines++;
        b->result->events += record.text.n > 0;
        if (b->block->records)
            b->result->bytes += record.text.n;
        if (wanted && record.text.n && read_record(b, &record, only) < 0)
            return -ENOMEM;
    }
    return 0;
}

static int read_block(struct reading *b)
{
    const struct framing *framing = format_framing(b->source->input->channel->format);
    const struct scan_plan *plan = plan_of(b);

    if (plan && !scan_parses_all(plan) && block_can_skip(b->block, framing))
        return read_candidates(b, plan, framing);
    return read_records(b, plan, framing);
}

/* ---- what the input has to tell ---- */

struct noticed {
    struct reader *reader;
    struct event *event;
};

static int notice_field(void *ctx, struct slice path, enum json_type type, struct slice text)
{
    struct noticed *n = ctx;
    struct arena *a = n->event->arena;
    struct slice name = arena_slice(a, path), value = arena_slice(a, text);

    if (!name.p || !value.p)
        return -ENOMEM;
    return event_add(n->event, field_find(n->reader->engine->names, name), name,
                     type == JSON_NUMBER ? VALUE_NUMBER : VALUE_STRING, value) == -ENOMEM
               ? -ENOMEM
               : 0;
}

/* The same notice at another time is another event. */
static void notice_key(const struct event *ev, struct source_key *ret)
{
    AUTO_BUF b = BUF_INIT;
    uint8_t digest[SHA256_SIZE];

    buf_slice(&b, ev->input);
    buf_char(&b, '\n');
    buf_slice(&b, ev->raw);
    sha256(b.p, b.n, digest);
    memcpy(ret->stream, digest, sizeof ret->stream);
    ret->position = ev->time_us;
}

static int read_notice(struct reading *reading, const struct notice *n)
{
    static const struct logsource own = { { "trailwarden", 11 }, { "", 0 }, { "source", 6 } };
    const struct block *b = reading->block;
    struct reader *r = reading->reader;
    struct event *ev = arena_alloc(b->arena, sizeof *ev);
    struct noticed noticed = { r, ev };
    struct json_flat flat = { .scalar = notice_field, .ctx = &noticed };
    struct held held;
    char *raw = arena_printf(b->arena, "{\"action\":\"%s\"%s%.*s}", n->type,
                             n->members.n ? "," : "", SLICE_FMT(n->members));

    if (!ev || !raw)
        return -ENOMEM;
    *ev = (struct event){
        .time_us = b->received_us,
        .received_us = b->received_us,
        .logsource = &own,
        .channel = reading->source->input->channel->name,
        .format = SLICE("trailwarden"),
        .input = b->name,
        .trust = TRUST_RECORD,
        .raw = slice_str(raw),
        .arena = b->arena,
    };
    notice_key(ev, &ev->key);
    if (event_set(ev, FIELD_EVENT_ACTION, slice_str(n->type)) < 0 ||
        event_set(ev, FIELD_MESSAGE, ev->raw) < 0 || json_flatten(ev->raw, &flat, NULL) == -ENOMEM)
        return -ENOMEM;
    if (r->observe)
        r->observe(r->observe_ctx, ev);
    held = match(reading, ev, NULL);
    return add_matches(reading, ev, &held);
}

static bool rest_notice(struct reader *r, uint32_t rule, struct arena *a, struct notice *ret)
{
    const struct rule_info *info = rules_info(r->engine->rules, rule);
    AUTO_BUF members = BUF_INIT;
    struct json_writer w = json_writer(&members);
    struct rules_trouble trouble;

    (void)rules_scratch_trouble(r->rules, rule, &trouble);
    json_member_slice(&w, "rule", info->id);
    json_member_slice(&w, "title", info->title);
    json_member_u64(&w, "limits", trouble.hits);
    json_member_u64(&w, "events", trouble.rest);
    *ret = (struct notice){ "rule.rests", arena_slice(a, buf_view(&members)) };
    return buf_ok(&members) && ret->members.p;
}

/* Rules that ran into the limits of their regular expressions are news, too. */
static int add_rests(struct reading *reading)
{
    const struct block *b = reading->block;
    const uint32_t *rules;
    size_t n = rules_scratch_rested(reading->reader->rules, &rules);
    struct notice *all = arena_array(b->arena, b->nnotices + n + 1, sizeof *all);

    if (!all)
        return -ENOMEM;
    if (b->nnotices)
        memcpy(all, b->notices, b->nnotices * sizeof *all);
    reading->result->notices = all;
    for (size_t i = 0; i < n; i++)
        if (!rest_notice(reading->reader, rules[i], b->arena, &all[reading->result->nnotices++]))
            return -ENOMEM;
    return 0;
}

static int read_notices(struct reading *b)
{
    if (add_rests(b) < 0)
        return -ENOMEM;
    for (size_t i = 0; !b->source->replayed && b->block->received_us && i < b->result->nnotices;
         i++)
        if (read_notice(b, &b->result->notices[i]) < 0)
            return -ENOMEM;
    return 0;
}

/* What the parser keeps of the block's stream is true when the block's cursors are. */
static int add_kept(struct reading *reading)
{
    const struct block *b = reading->block;
    struct reader_result *result = reading->result;
    struct cursor *changes, *all;
    size_t n;

    if (!parser_source_ordered(&reading->source->parser))
        return 0;
    if (parser_source_changes(&reading->source->parser, b->arena, &changes, &n) < 0)
        return -ENOMEM;
    all = n ? arena_array(b->arena, b->ncursors + n, sizeof *all) : NULL;
    if (!all)
        return n ? -ENOMEM : 0;
    if (b->ncursors)
        memcpy(all, b->cursors, b->ncursors * sizeof *all);
    memcpy(all + b->ncursors, changes, n * sizeof *all);
    result->cursors = all;
    result->ncursors = b->ncursors + n;
    return 0;
}

int reader_run(struct reader *r, const struct reader_source *source, const struct block *b,
               struct reader_result *ret_result, struct err *err)
{
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
    struct reading reading = { r, source, b, &result, 0 };
    uint64_t limits = rules_scratch_limits(r->rules);

    if (read_block(&reading) < 0 || add_kept(&reading) < 0 || read_notices(&reading) < 0)
        return err_nomem(err);
    result.nmatches = reading.nmatches;
    result.matches = arena_array(b->arena, result.nmatches + 1, sizeof *result.matches);
    if (!result.matches)
        return err_nomem(err);
    if (result.nmatches)
        memcpy(result.matches, r->matches, result.nmatches * sizeof *result.matches);
    result.regex_limits = rules_scratch_limits(r->rules) - limits;
    *ret_result = result;
    return 0;
}
