#include "logwatch/wire.h"

#include <errno.h>

#define SMALL 4096
/* A block of 1 MiB of lines that all become entries, with their fields; cursors of all streams. */
#define RESULT_MAX (64u << 20)
#define MEMBERS_MAX (256u << 10)

static const struct {
    enum role from, to;
    size_t max;
} messages[MESSAGES] = {
    [MESSAGE_BEGIN] = { ROLE_CORE, ROLE_READER, RESULT_MAX },
    [MESSAGE_TICK] = { ROLE_CORE, ROLE_READER, 8 },
    [MESSAGE_RESULT] = { ROLE_READER, ROLE_CORE, RESULT_MAX },
    [MESSAGE_QUIET] = { ROLE_READER, ROLE_CORE, 1 },
    [MESSAGE_TOCK] = { ROLE_READER, ROLE_CORE, 8 },
    [MESSAGE_ATTACH] = { ROLE_PARENT, ROLE_CORE, SMALL },
    [MESSAGE_STOP] = { ROLE_PARENT, ROLE_CORE, SMALL },
    [MESSAGE_PING] = { ROLE_PARENT, ROLE_CORE, SMALL },
    [MESSAGE_TELL] = { ROLE_PARENT, ROLE_CORE, SMALL },
    [MESSAGE_ACT] = { ROLE_PARENT, ROLE_CORE, SMALL },
    [MESSAGE_READY] = { ROLE_CORE, ROLE_PARENT, SMALL },
    [MESSAGE_PONG] = { ROLE_CORE, ROLE_PARENT, SMALL },
    [MESSAGE_DONE] = { ROLE_CORE, ROLE_PARENT, SMALL },
    [MESSAGE_HOPELESS] = { ROLE_CORE, ROLE_PARENT, SMALL },
};

const char *role_name(enum role r)
{
    static const char *const names[] = { "parent",  "reader",   "core",     "sender",
                                         "blocker", "resolver", "forwarder" };

    return names[r];
}

size_t message_limit(unsigned type, enum role from, enum role to)
{
    return type && type < MESSAGES && messages[type].from == from && messages[type].to == to
               ? messages[type].max
               : 0;
}

/* ---- inputs by number ---- */

size_t inputs_count(const struct config *c)
{
    size_t n = 0;

    for (size_t i = 0; i < c->nchannels; i++)
        n += c->channels[i].ninputs;
    return n;
}

struct config_input *inputs_at(const struct config *c, size_t i)
{
    for (size_t k = 0; k < c->nchannels; k++) {
        if (i < c->channels[k].ninputs)
            return &c->channels[k].inputs[i];
        i -= c->channels[k].ninputs;
    }
    return NULL;
}

size_t inputs_index(const struct config *c, const struct config_input *in)
{
    size_t n = 0;

    for (size_t k = 0; k < c->nchannels; k++) {
        const struct config_channel *ch = &c->channels[k];

        if (in >= ch->inputs && in < ch->inputs + ch->ninputs)
            return n + (size_t)(in - ch->inputs);
        n += ch->ninputs;
    }
    return SIZE_MAX;
}

/* ---- events ---- */

static void put_event(struct buf *out, const struct event *ev, const struct config *c)
{
    wire_u64(out, ev->time_us);
    wire_u64(out, ev->received_us);
    wire_slice(out, ev->channel);
    wire_slice(out, ev->format);
    wire_slice(out, ev->input);
    buf_add(out, ev->key.stream, sizeof ev->key.stream);
    wire_u64(out, ev->key.position);
    wire_u8(out, ev->trust);
    wire_u32(out, ev->flags);
    wire_slice(out, ev->raw);
    wire_u32(out, (uint32_t)ev->nfields);
    for (size_t i = 0; i < ev->nfields; i++) {
        const struct field *f = &ev->fields[i];

        wire_u32(out, f->id);
        wire_u8(out, f->type);
        if (f->id >= field_count(c->engine->names))
            wire_slice(out, f->name); /* a number says the others */
        wire_slice(out, f->value);
    }
}

static void get_field(struct wire *w, const struct config *c, struct field *f)
{
    unsigned type;

    f->id = wire_get_u32(w);
    type = wire_get_u8(w);
    if (type > VALUE_NULL)
        w->bad = true;
    f->type = (enum value_type)(type & 3);
    if (f->id < field_count(c->engine->names)) {
        f->name = field_name(c->engine->names, f->id);
    } else {
        f->id = FIELD_OTHER;
        f->name = wire_get_slice(w);
    }
    f->value = wire_get_slice(w);
}

static int get_event(struct wire *w, const struct config *c, struct arena *a, struct event *ev)
{
    struct slice stream;
    unsigned trust;
    size_t n;

    ev->time_us = wire_get_u64(w);
    ev->received_us = wire_get_u64(w);
    ev->channel = wire_get_slice(w);
    ev->format = wire_get_slice(w);
    ev->input = wire_get_slice(w);
    stream = slice_take(w->rest, sizeof ev->key.stream);
    w->rest = slice_skip(w->rest, sizeof ev->key.stream);
    if (stream.n == sizeof ev->key.stream)
        memcpy(ev->key.stream, stream.p, stream.n);
    else
        w->bad = true;
    ev->key.position = wire_get_u64(w);
    trust = wire_get_u8(w);
    if (trust > TRUST_RECORD)
        w->bad = true;
    ev->trust = (enum trust)trust;
    ev->flags = wire_get_u32(w);
    ev->raw = wire_get_slice(w);
    n = wire_get_count(w, 9);
    if (n > EVENT_FIELDS_MAX)
        w->bad = true;
    if (w->bad)
        return 0;
    ev->arena = a;
    ev->fields = arena_array(a, n ? n : 1, sizeof *ev->fields);
    if (!ev->fields)
        return -ENOMEM;
    ev->nfields = ev->fields_cap = n;
    for (size_t i = 0; i < n; i++)
        get_field(w, c, &ev->fields[i]);
    return 0;
}

/* ---- results ---- */

static void put_matches(struct buf *out, const struct config *c, const struct reader_result *r)
{
    size_t events = 0;

    for (size_t i = 0; i < r->nmatches; i++)
        events += i == 0 || r->matches[i].event != r->matches[i - 1].event;
    wire_u32(out, (uint32_t)events);
    for (size_t i = 0; i < r->nmatches; i++)
        if (i == 0 || r->matches[i].event != r->matches[i - 1].event)
            put_event(out, r->matches[i].event, c);
    wire_u32(out, (uint32_t)r->nmatches);
    events = 0;
    for (size_t i = 0; i < r->nmatches; i++) {
        events += i && r->matches[i].event != r->matches[i - 1].event;
        wire_u32(out, r->matches[i].rule);
        wire_u32(out, (uint32_t)events);
    }
}

int wire_put_result(struct buf *out, const struct config *c, const struct reader_result *r)
{
    const uint64_t numbers[] = {
        r->lines,        r->bytes,         r->events,    r->parsed,       r->unparsed,
        r->regex_limits, r->last_event_us, r->lag.bytes, r->lag.since_us, r->lag.streams,
        r->trouble,      r->shows_logins,  r->end,
    };

    wire_u32(out, (uint32_t)inputs_index(c, r->input));
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
        wire_u64(out, numbers[i]);
    wire_slice(out, r->name);
    wire_u32(out, (uint32_t)r->ncursors);
    for (size_t i = 0; i < r->ncursors; i++) {
        wire_slice(out, r->cursors[i].stream);
        wire_slice(out, r->cursors[i].value);
    }
    wire_u32(out, (uint32_t)r->nnotices);
    for (size_t i = 0; i < r->nnotices; i++)
        (void)wire_put_note(out, r->notices[i].type, r->notices[i].members);
    put_matches(out, c, r);
    return buf_ok(out) && out->n <= RESULT_MAX ? 0 : -ENOMEM;
}

static int get_cursors(struct wire *w, struct arena *a, struct reader_result *r)
{
    size_t n = wire_get_count(w, 8);
    struct cursor *list = arena_array(a, n ? n : 1, sizeof *list);

    if (!list)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        list[i].stream = wire_get_slice(w);
        list[i].value = wire_get_slice(w);
    }
    r->cursors = list;
    r->ncursors = n;
    return 0;
}

static int get_notices(struct wire *w, struct arena *a, struct reader_result *r, struct err *err)
{
    size_t n = wire_get_count(w, 8);
    struct notice *list = arena_array(a, n ? n : 1, sizeof *list);

    if (!list)
        return err_nomem(err);
    for (size_t i = 0; i < n && !w->bad; i++) {
        size_t before = w->rest.n;
        struct wire one = *w;
        int e;

        (void)wire_get_slice(&one);
        (void)wire_get_slice(&one);
        e = one.bad ? -EPROTO
                    : wire_get_note(slice_take(w->rest, before - one.rest.n), a, &list[i].type,
                                    &list[i].members, err);
        if (e < 0)
            return one.bad ? err_set(err, -EPROTO, "a notice is cut") : e;
        w->rest = one.rest;
    }
    r->notices = list;
    r->nnotices = n;
    return 0;
}

static int get_matches(struct wire *w, const struct config *c, struct arena *a,
                       struct reader_result *r)
{
    size_t nevents = wire_get_count(w, 60), nrules = rules_count(c->engine->rules), n;
    struct event *events = arena_array(a, nevents ? nevents : 1, sizeof *events);

    if (!events)
        return -ENOMEM;
    for (size_t i = 0; i < nevents && !w->bad; i++)
        if (get_event(w, c, a, &events[i]) < 0)
            return -ENOMEM;
    n = wire_get_count(w, 8);
    r->matches = arena_array(a, n ? n : 1, sizeof *r->matches);
    if (!r->matches)
        return -ENOMEM;
    for (size_t i = 0; i < n && !w->bad; i++) {
        uint32_t rule = wire_get_u32(w), event = wire_get_u32(w);

        if ((rule >= nrules && rule != MATCH_AUDIT) || event >= nevents)
            w->bad = true;
        else
            r->matches[i] = (struct match){ rule, &events[event] };
    }
    r->nmatches = n;
    return 0;
}

int wire_get_result(struct slice body, const struct config *c, struct arena *a,
                    struct reader_result *ret, struct err *err)
{
    struct wire w = { .rest = body };
    struct reader_result r = { .arena = a };
    int e;

    r.input = inputs_at(c, wire_get_u32(&w));
    r.lines = wire_get_u64(&w);
    r.bytes = wire_get_u64(&w);
    r.events = wire_get_u64(&w);
    r.parsed = wire_get_u64(&w);
    r.unparsed = wire_get_u64(&w);
    r.regex_limits = wire_get_u64(&w);
    r.last_event_us = wire_get_u64(&w);
    r.lag.bytes = wire_get_u64(&w);
    r.lag.since_us = wire_get_u64(&w);
    r.lag.streams = (unsigned)wire_get_u64(&w);
    r.trouble = (unsigned)wire_get_u64(&w);
    r.shows_logins = wire_get_u64(&w) != 0;
    r.end = wire_get_u64(&w) != 0;
    r.name = wire_get_slice(&w);
    if (w.bad || !r.input)
        return err_set(err, -EPROTO, "a result of no input");
    if (get_cursors(&w, a, &r) < 0)
        return err_nomem(err);
    e = get_notices(&w, a, &r, err);
    if (e < 0)
        return e;
    if (get_matches(&w, c, a, &r) < 0)
        return err_nomem(err);
    if (w.bad || w.rest.n)
        return err_set(err, -EPROTO, "a result that ends too early or too late");
    *ret = r;
    return 0;
}

/* ---- notes ---- */

int wire_put_note(struct buf *out, const char *type, struct slice members)
{
    wire_slice(out, slice_str(type));
    wire_slice(out, members);
    return buf_ok(out) ? 0 : -ENOMEM;
}

/* It goes into the trail as it is: a type of ours, and members that are JSON. */
static bool note_is_sound(struct arena *a, struct slice type, struct slice members)
{
    char *text;

    if (type.n == 0 || type.n > 40 || members.n > MEMBERS_MAX ||
        slice_find_byte(members, '\0') != SIZE_MAX)
        return false;
    for (size_t i = 0; i < type.n; i++)
        if (!type.p[i] || !strchr("abcdefghijklmnopqrstuvwxyz0123456789._-", type.p[i]))
            return false;
    text = arena_printf(a, "{%.*s}", SLICE_FMT(members));
    return text && json_load(a, slice_str(text), NULL);
}

int wire_get_note(struct slice body, struct arena *a, const char **ret_type,
                  struct slice *ret_members, struct err *err)
{
    struct wire w = { .rest = body };
    struct slice type = wire_get_slice(&w), members = wire_get_slice(&w);

    if (w.bad || w.rest.n || !note_is_sound(a, type, members))
        return err_set(err, -EPROTO, "a note that is none");
    *ret_type = arena_str(a, type);
    *ret_members = members;
    return *ret_type ? 0 : err_nomem(err);
}
