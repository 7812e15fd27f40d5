/* One record to one event: what is done with each, whatever its text says. */
#include "parsers/run.h"

#include <errno.h>
#include <stdio.h>

#include "base/utf8.h"
#include "parsers/fail2ban/filter.h"

struct parser_scratch *parser_scratch_new(const struct formats *f UNUSED)
{
    AUTO(parser_scratch) s = calloc(1, sizeof *s);

    if (!s)
        return NULL;
    s->regex = regex_scratch_new();
    s->keys = json_keys_new();
    return s->regex && s->keys ? TAKE(s) : NULL;
}

void parser_scratch_free(struct parser_scratch *s)
{
    if (!s)
        return;
    regex_scratch_free(s->regex);
    json_keys_free(s->keys);
    buf_fini(&s->escaped);
    fail2ban_scratch_free(s->filter);
    free(s);
}

int parser_source_init(struct parser_source *s, struct err *err)
{
    bool failed;

    if (!s->channel.p || s->channel.n == 0)
        s->channel = s->format->channel;
    s->kept = filter_streams_new(s->format->filter, &failed);
    if (failed)
        return err_nomem(err);
    if (!s->zone || strcmp(s->zone, "UTC") == 0)
        return 0;
    return zone_load(s->zone, &s->private_zone, err);
}

void parser_source_fini(struct parser_source *s)
{
    zone_free(s->private_zone);
    filter_streams_free(s->kept);
    s->private_zone = NULL;
    s->kept = NULL;
}

/* ---- the record ---- */

static bool clean_text(struct run *r, const struct record *record)
{
    bool changed = false;
    struct slice s;

    if (LIKELY(utf8_is_plain(record->text))) { /* nothing below changes it or finds anything */
        r->ev->raw = r->text = record->text;
        return true;
    }
    s = utf8_clean(r->a, record->text, &changed);
    if (!s.p)
        return record->text.n == 0;
    r->ev->flags |= changed ? EVENT_INVALID_UTF8 : 0;
    r->ev->raw = s;
    r->text = ansi_strip(r->a, s);
    if (r->text.p != s.p)
        r->ev->flags |= EVENT_ANSI;
    if (s.n && memchr(s.p, '\0', s.n))
        r->ev->flags |= EVENT_NUL;
    return r->text.p != NULL;
}

/* Events of one log are alike: one piece for all fields of most. */
static void reserve_fields(struct run *r)
{
    size_t want = (r->scratch->fields + 8) & ~(size_t)7;

    if (r->glance) {
        r->ev->fields = r->scratch->glanced;
        r->ev->fields_cap = GLANCED;
        return;
    }
    want = want < 16 ? 16 : want > 64 ? 64 : want;
    r->ev->fields = arena_array(r->a, want, sizeof *r->ev->fields);
    r->ev->fields_cap = r->ev->fields ? want : 0;
    r->failed = r->failed || !r->ev->fields;
}

static void init_event(struct run *r, const struct record *record, uint64_t received_us)
{
    *r->ev = (struct event){
        .received_us = record->time_us ? record->time_us : received_us,
        .logsource = &r->f->logsource,
        .channel = r->source->channel,
        .format = r->f->name,
        .input = r->source->input,
        .key = { .position = record->position },
        .trust = r->f->trust,
        .arena = r->a,
    };
    r->ev->time_us = r->ev->received_us;
    if (record->flags & RECORD_TRUNCATED)
        r->ev->flags |= EVENT_TRUNCATED;
    if (record->flags & RECORD_PARTIAL)
        r->ev->flags |= EVENT_PARTIAL;
}

/* Before anything of the text is read: the first of equal names wins. */
static void set_sender(struct run *r, const struct record *record)
{
    set(r, FIELD_HOST_NAME, record->host);
    set(r, FIELD_PROCESS_NAME, record->app);
    set(r, FIELD_LOG_SOURCE_ADDRESS, record->sender);
}

/* A journal keeps a record's boundary, but of a standard output each line became a record. */
static void set_trust(struct run *r, const struct record *record)
{
    if (r->source->from_journal &&
        (r->ev->trust != TRUST_FORGEABLE || !(record->flags & RECORD_LINE)))
        r->ev->trust = TRUST_RECORD;
    if (r->doubt || (record->flags & RECORD_FORGEABLE))
        r->ev->trust = TRUST_FORGEABLE;
}

static void add_common(struct run *r, const struct record *record)
{
    char number[24];

    if (!r->has_time && record->time_us == 0)
        r->ev->flags |= EVENT_TIME_GUESSED;
    if (!r->has_level)
        run_set_priority(r, record->priority);
    set(r, FIELD_MESSAGE, r->message.p ? r->message : r->text);
    set(r, FIELD_EVENT_MODULE, r->f->channel);
    set(r, FIELD_TRAILWARDEN_FORMAT, r->ev->format);
    set(r, FIELD_SERVICE_NAME, r->source->service);
    if (record->pid) {
        snprintf(number, sizeof number, "%llu", (unsigned long long)record->pid);
        set(r, FIELD_PROCESS_PID, arena_slice(r->a, slice_str(number)));
    }
    if (r->ev->flags & EVENT_UNPARSED)
        set(r, FIELD_TRAILWARDEN_UNPARSED, SLICE("true"));
    set_trust(r, record);
    set(r, FIELD_TRAILWARDEN_TRUST, slice_str(trust_name(r->ev->trust)));
}

static void read_fields(struct run *r, const struct record *record)
{
    bool common = !r->glance || r->glance->common;

    run_open_names(r);
    if (common)
        set_sender(r, record);
    if (!run_read_text(r))
        r->ev->flags |= EVENT_UNPARSED;
    if (common)
        add_common(r, record);
}

/* ---- through a filter of fail2ban ---- */

static bool ready_filter(struct run *r, const struct record *record, struct filter_line *line)
{
    static const uint8_t only_stream[16];
    const struct parser_source *source = r->source;

    if (!r->scratch->filter)
        r->scratch->filter = fail2ban_scratch_new();
    *line = (struct filter_line){ record, r->ev->received_us, source->private_zone,
                                  r->scratch->filter, NULL };
    if (source->kept)
        line->state = filter_streams_at(source->kept, source->stream ? source->stream : only_stream,
                                        record->position);
    return line->scratch && (line->state || !source->kept);
}

static bool ask_filter(struct run *r, const struct record *record, struct filtered *ret)
{
    struct parser_scratch *s = r->scratch;
    struct filter_line line;

    if (s->found_text && s->found_text == record->text.p && s->found_at == record->position) {
        *ret = s->found;
        s->found_text = NULL;
        return true;
    }
    return ready_filter(r, record, &line) && filter_read(r->f->filter, &line, r->a, ret) == 0;
}

/* As parser_glance(). */
static int glance_filtered(struct run *r, const struct record *record, uint64_t received_us)
{
    struct filtered found;

    init_event(r, record, received_us);
    r->ev->fields = r->scratch->glanced;
    r->scratch->found_text = NULL;
    if (!ask_filter(r, record, &found))
        return -ENOMEM;
    r->scratch->found = found;
    r->scratch->found_text = record->text.p;
    r->scratch->found_at = record->position;
    if (found.time_known)
        r->ev->time_us = found.time_us;
    if (found.gave_up)
        r->ev->flags |= EVENT_UNPARSED;
    return found.n == 0;
}

static void read_filtered(struct run *r, const struct record *record)
{
    struct filtered found = { 0 };

    r->failed = r->failed || !ask_filter(r, record, &found);
    r->has_time = found.time_known;
    if (found.time_known)
        r->ev->time_us = found.time_us;
    if (found.gave_up)
        r->ev->flags |= EVENT_UNPARSED;
    set_sender(r, record);
    for (size_t i = 0; i < found.n; i++)
        put(r, found.list[i].id, found.list[i].name, VALUE_STRING, found.list[i].value);
    add_common(r, record);
}

static int read_record(struct run *r, const struct record *record, uint64_t received_us)
{
    init_event(r, record, received_us);
    if (!clean_text(r, record))
        return -ENOMEM;
    reserve_fields(r);
    if (r->f->filter)
        read_filtered(r, record);
    else
        read_fields(r, record);
    if (!r->glance)
        r->scratch->fields = r->ev->nfields;
    return r->failed ? -ENOMEM : 0;
}

int parser_run(const struct parser_source *source, struct parser_scratch *scratch,
               const struct record *record, uint64_t received_us, struct arena *a,
               struct event *ret_event, const struct parser_trace *trace)
{
    struct run r = { .source = source,
                     .f = source->format,
                     .scratch = scratch,
                     .a = a,
                     .ev = ret_event,
                     .trace = trace };

    return read_record(&r, record, received_us);
}

int parser_glance(const struct parser_source *source, struct parser_scratch *scratch,
                  const struct record *record, uint64_t received_us, struct arena *a,
                  const struct glance *g, struct event *ret_event)
{
    struct run r = { .source = source,
                     .f = source->format,
                     .scratch = scratch,
                     .a = a,
                     .ev = ret_event,
                     .glance = g };
    int e;

    if (source->format->filter)
        return glance_filtered(&r, record, received_us);
    e = read_record(&r, record, received_us);
    if (e < 0)
        return e;
    /* Where the whole event has no room for all, it is not known which fields it has. */
    return ret_event->nfields + r.passed + g->most <= EVENT_FIELDS_MAX;
}
