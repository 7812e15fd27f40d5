#include "schemas/event.h"

#include <errno.h>

#include "base/hash.h"

static bool fields_grow(struct event *ev)
{
    size_t cap = ev->fields_cap ? ev->fields_cap * 2 : 16;
    struct field *fields = arena_array(ev->arena, cap, sizeof *fields);

    if (!fields)
        return false;
    if (ev->nfields)
        memcpy(fields, ev->fields, ev->nfields * sizeof *fields);
    ev->fields = fields;
    ev->fields_cap = cap;
    return true;
}

int event_add(struct event *ev, uint32_t id, struct slice name, enum value_type type,
              struct slice value)
{
    if (ev->nfields >= EVENT_FIELDS_MAX)
        return -E2BIG;
    if (ev->nfields == ev->fields_cap && !fields_grow(ev))
        return -ENOMEM;
    ev->fields[ev->nfields++] =
        (struct field){ .id = id, .type = type, .name = name, .value = value };
    return 0;
}

/* X(id, name, ...): the text of a dictionary name without the registry. */
static const struct slice dictionary_names[FIELD_DICTIONARY] = {
#define X(id, name, kind, pii, help) { name, sizeof(name) - 1 },
    FIELD_LIST(X)
#undef X
};

int event_set(struct event *ev, enum field_id id, struct slice value)
{
    if (value.n == 0)
        return 0;
    return event_add(ev, id, dictionary_names[id], VALUE_STRING, value);
}

const struct field *event_get(const struct event *ev, uint32_t id)
{
    if (id == FIELD_OTHER)
        return NULL;
    for (size_t i = 0; i < ev->nfields; i++)
        if (ev->fields[i].id == id)
            return &ev->fields[i];
    return NULL;
}

const struct field *event_get_named(const struct event *ev, struct slice name)
{
    for (size_t i = 0; i < ev->nfields; i++)
        if (slice_eq(ev->fields[i].name, name))
            return &ev->fields[i];
    return NULL;
}

struct slice event_text(const struct event *ev, uint32_t id)
{
    const struct field *f = event_get(ev, id);

    return f && f->type != VALUE_NULL ? f->value : SLICE_NONE;
}

static bool copy_into(struct arena *a, struct slice *s)
{
    if (!s->p)
        return true;
    *s = arena_slice(a, *s);
    return s->p != NULL;
}

struct event *event_copy(struct arena *a, const struct event *ev)
{
    struct event *c = arena_alloc(a, sizeof *c);
    struct logsource *ls = arena_alloc(a, sizeof *ls);

    if (!c || !ls)
        return NULL;
    *c = *ev;
    c->arena = a;
    c->fields = arena_array(a, ev->nfields ? ev->nfields : 1, sizeof *c->fields);
    c->fields_cap = ev->nfields;
    if (!c->fields || !copy_into(a, &c->channel) || !copy_into(a, &c->format) ||
        !copy_into(a, &c->input) || !copy_into(a, &c->raw))
        return NULL;
    for (size_t i = 0; i < ev->nfields; i++) {
        c->fields[i] = ev->fields[i];
        if (!copy_into(a, &c->fields[i].name) || !copy_into(a, &c->fields[i].value))
            return NULL;
    }
    if (ev->logsource) {
        *ls = *ev->logsource;
        if (!copy_into(a, &ls->product) || !copy_into(a, &ls->category) ||
            !copy_into(a, &ls->service))
            return NULL;
        c->logsource = ls;
    }
    return c;
}

void event_hash(const struct event *ev, uint8_t out[32])
{
    sha256(ev->raw.p, ev->raw.n, out);
}

void buf_source_key(struct buf *b, const struct source_key *key)
{
    buf_hex(b, key->stream, sizeof key->stream);
    buf_char(b, '-');
    buf_u64(b, key->position);
}

const char *trust_name(enum trust t)
{
    static const char *const names[] = { "forgeable", "line", "record" };

    return names[t];
}

static const struct {
    unsigned flag;
    const char *name;
} flag_names[] = {
    { EVENT_TRUNCATED, "truncated" },
    { EVENT_PARTIAL, "partial" },
    { EVENT_INVALID_UTF8, "invalid_utf8" },
    { EVENT_DUPLICATE_KEY, "duplicate_key" },
    { EVENT_NUL, "nul" },
    { EVENT_ANSI, "ansi" },
    { EVENT_UNPARSED, "unparsed" },
    { EVENT_BACKFILL, "backfill" },
    { EVENT_TIME_GUESSED, "time_guessed" },
    { EVENT_DUPLICATE, "duplicate" },
};

static void flags_json(const struct event *ev, struct json_writer *w)
{
    json_key(w, "flags");
    json_array(w);
    for (size_t i = 0; i < ARRAY_SIZE(flag_names); i++)
        if (ev->flags & flag_names[i].flag)
            json_put_str(w, flag_names[i].name);
    json_array_end(w);
}

static void value_json(const struct field *f, struct json_writer *w)
{
    if (f->type == VALUE_NULL)
        json_put_null(w);
    else
        json_put_slice(w, f->value);
}

static bool same_name(const struct field *a, const struct field *b)
{
    return a->id == b->id && (a->id != FIELD_OTHER || slice_eq(a->name, b->name));
}

/*
 * Values are always strings (or null): a number of 30 digits or 1e400 survives,
 * and the pii digests of the trail are over strings. An array's members, which
 * share one name, become one JSON array.
 */
static void fields_json(const struct event *ev, struct json_writer *w)
{
    json_key(w, "fields");
    json_object(w);
    for (size_t i = 0; i < ev->nfields; i++) {
        const struct field *f = &ev->fields[i];
        size_t same = 0;
        bool told = false;

        for (size_t j = 0; j < i && !told; j++)
            told = same_name(&ev->fields[j], f);
        if (told)
            continue;
        for (size_t j = i; j < ev->nfields; j++)
            same += same_name(&ev->fields[j], f);
        json_key_slice(w, f->name);
        if (same > 1)
            json_array(w);
        for (size_t j = i; j < ev->nfields; j++)
            if (same_name(&ev->fields[j], f))
                value_json(&ev->fields[j], w);
        if (same > 1)
            json_array_end(w);
    }
    json_object_end(w);
}

void event_json_cut(const struct event *ev, bool cut, struct json_writer *w)
{
    AUTO_BUF key = BUF_INIT;

    buf_source_key(&key, &ev->key);
    json_object(w);
    json_member_time(w, "time", ev->time_us);
    json_member_slice(w, "channel", ev->channel);
    json_member_slice(w, "format", ev->format);
    json_member_slice(w, "input", ev->input);
    json_member_buf(w, "key", &key);
    json_member_str(w, "trust", trust_name(ev->trust));
    flags_json(ev, w);
    json_member_slice(w, "raw", ev->raw);
    if (cut)
        json_member_bool(w, "cut", true);
    fields_json(ev, w);
    json_object_end(w);
}

void event_json(const struct event *ev, struct json_writer *w)
{
    event_json_cut(ev, false, w);
}
