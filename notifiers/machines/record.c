/* An entry's line to a record: two flat readings, of the line and of the event in it. */
#include "notifiers/machines/record.h"

#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/ip.h"
#include "base/json.h"
#include "base/num.h"

#define SCALARS_MAX 2048

#define CACHE 256

struct record_reader {
    struct field_names *names;
    struct { /* of the dictionary, where their quick number says */
        struct slice name;
        uint32_t id;
    } cache[CACHE];
    struct slice origin, host;
};

struct record_reader *record_reader_new(const char *origin, const char *host)
{
    AUTO(record_reader) rr = calloc(1, sizeof *rr);

    if (!rr)
        return NULL;
    rr->origin = slice_str(origin);
    rr->host = slice_str(host);
    rr->names = field_names_new();
    return rr->names ? TAKE(rr) : NULL;
}

void record_reader_free(struct record_reader *rr)
{
    if (!rr)
        return;
    field_names_free(rr->names);
    free(rr);
}

/* One text under reading: the line, or the document of an event in it. */
struct reading {
    struct record_reader *rr;
    struct arena *arena;
    struct trail_record *r;
    struct slice text;
    struct slice salted; /* the personal value whose salt was just read */
    struct slice document; /* found: of the event */
    bool timed; /* the document said when */
};

/* Texts that lie in what is read stay there. */
static bool keep(struct reading *x, struct slice s, struct slice *ret)
{
    if (s.n == 0 || (s.p >= x->text.p && s.p + s.n <= x->text.p + x->text.n)) {
        *ret = s;
        return true;
    }
    *ret = arena_slice(x->arena, s);
    return ret->p != NULL;
}

/* The first value wins; the members of an array, which share a path, are joined. */
static bool put(struct reading *x, struct slice *slot, struct slice value, bool joins)
{
    char *both;

    if (value.n == 0 || (slot->n && !joins))
        return true;
    if (!slot->n)
        return keep(x, value, slot);
    both = arena_text(x->arena, slot->n + 1 + value.n);
    if (!both)
        return false;
    memcpy(both, slot->p, slot->n);
    both[slot->n] = ' ';
    memcpy(both + slot->n + 1, value.p, value.n);
    *slot = slice_of(both, slot->n + 1 + value.n);
    return true;
}

static bool put_extra(struct reading *x, struct slice name, struct slice value)
{
    struct trail_record *r = x->r;
    struct record_extra *e;

    if (r->nextra == RECORD_EXTRA_MAX || value.n == 0)
        return true;
    if (!r->extra)
        r->extra = arena_array(x->arena, RECORD_EXTRA_MAX, sizeof *r->extra);
    if (!r->extra)
        return false;
    e = &r->extra[r->nextra];
    if (r->nextra && slice_eq(e[-1].name, name))
        return put(x, &e[-1].value, value, true);
    r->nextra++;
    return keep(x, name, &e->name) && keep(x, value, &e->value);
}

/* The table of names asks a keyed hash, which is dear for a score of names in each record. */
static uint32_t find_field(struct record_reader *rr, struct slice name)
{
    size_t at = slice_ends_mix(slice_ends_of(name), name.n) >> 56;
    uint32_t id;

    if (slice_eq(rr->cache[at].name, name) && name.n)
        return rr->cache[at].id;
    id = field_find(rr->names, name);
    if (id < FIELD_DICTIONARY) {
        rr->cache[at].name = field_name(rr->names, id);
        rr->cache[at].id = id;
    }
    return id;
}

static bool put_field(struct reading *x, struct slice name, struct slice value)
{
    uint32_t id = find_field(x->rr, name);

    if (id >= FIELD_DICTIONARY)
        return put_extra(x, name, value);
    return put(x, &x->r->slots[id], value, id == FIELD_USER_ROLES || id == FIELD_GROUP_NAME);
}

struct place {
    struct slice path;
    unsigned slot;
};
#define AT_PATH(literal, slot)                                                                     \
    {                                                                                              \
        { (literal), sizeof(literal) - 1 }, (slot)                                                 \
    }

/* Of the entry itself. */
static const struct place members[] = {
    AT_PATH("channel", RECORD_CHANNEL),    AT_PATH("action", FIELD_EVENT_ACTION),
    AT_PATH("act", FIELD_EVENT_ACTION),    AT_PATH("key", RECORD_KEY),
    AT_PATH("id", RECORD_ALERT),           AT_PATH("rule", RECORD_RULE),
    AT_PATH("title", RECORD_TITLE),        AT_PATH("rule_sha256", RECORD_RULE_SHA256),
    AT_PATH("level", RECORD_LEVEL),        AT_PATH("count", RECORD_COUNT),
    AT_PATH("tags", RECORD_TAGS),          AT_PATH("receiver", RECORD_RECEIVER),
    AT_PATH("state", RECORD_STATE),        AT_PATH("status", RECORD_STATUS),
    AT_PATH("reason", FIELD_EVENT_REASON), AT_PATH("input", FIELD_LOG_FILE_PATH),
};

/* Of an event's document; its fields have their own names. */
static const struct place document_members[] = {
    AT_PATH("raw", RECORD_RAW),
    AT_PATH("channel", RECORD_CHANNEL),
    AT_PATH("input", FIELD_LOG_FILE_PATH),
    AT_PATH("key", RECORD_KEY),
    AT_PATH("trust", RECORD_TRUST),
};

static const struct place *find_place(const struct place *list, size_t n, struct slice path)
{
    for (size_t i = 0; i < n; i++)
        if (slice_eq(path, list[i].path))
            return &list[i];
    return NULL;
}

static int take_document(void *ctx, struct slice path, enum json_type type, struct slice text)
{
    struct reading *x = ctx;
    const struct place *p;

    (void)type;
    if (slice_starts(path, SLICE("fields.")))
        return put_field(x, slice_skip(path, 7), text) ? 0 : -ENOMEM;
    if (slice_eq(path, SLICE("time"))) {
        if (!x->timed)
            x->timed = time_parse_rfc3339(text, &x->r->event_us) == 0;
        return 0;
    }
    p = find_place(document_members, ARRAY_SIZE(document_members), path);
    if (!p)
        return 0;
    return put(x, &x->r->slots[p->slot], text, false) ? 0 : -ENOMEM;
}

/* {"source.ip":[SALT,VALUE]}: both have one path. */
static bool take_personal(struct reading *x, struct slice name, struct slice text)
{
    if (!slice_eq(x->salted, name)) {
        x->salted = arena_slice(x->arena, name);
        return x->salted.p != NULL;
    }
    if (slice_is(name, "event") || slice_is(name, "events"))
        return keep(x, text, &x->document);
    if (slice_is(name, "address"))
        return put(x, &x->r->slots[FIELD_SOURCE_IP], text, false);
    return put_field(x, name, text);
}

static int take_member(void *ctx, struct slice path, enum json_type type, struct slice text)
{
    struct reading *x = ctx;
    struct trail_record *r = x->r;
    const struct place *p;

    (void)type;
    if (slice_eq(path, SLICE("i")))
        return parse_u64(text, 0, UINT64_MAX - 1, &r->index);
    if (slice_eq(path, SLICE("t")))
        return time_parse_rfc3339(text, &r->time_us);
    if (slice_eq(path, SLICE("type")))
        return keep(x, text, &r->type) ? 0 : -ENOMEM;
    if (slice_eq(path, SLICE("time"))) {
        (void)time_parse_rfc3339(text, &r->event_us);
        return 0;
    }
    if (slice_starts(path, SLICE("sd.")))
        return 0;
    if (slice_starts(path, SLICE("pii.")))
        return take_personal(x, slice_skip(path, 4), text) ? 0 : -ENOMEM;
    if (slice_starts(path, SLICE("group.")))
        return put_field(x, slice_skip(path, 6), text) ? 0 : -ENOMEM;
    p = find_place(members, ARRAY_SIZE(members), path);
    if (p)
        return put(x, &r->slots[p->slot], text, p->slot == RECORD_TAGS) ? 0 : -ENOMEM;
    return put_extra(x, path, text) ? 0 : -ENOMEM;
}

/*
 * The last of an array of documents. Where a document begins stands ,{"time":" with quotes as they
 * are, which no text in it can have: there they are escaped.
 */
static struct slice last_document(struct slice array)
{
    static const struct slice begin = { ",{\"time\":\"", 10 };

    if (array.n < 2 || array.p[0] != '[')
        return array;
    array = slice_of(array.p + 1, array.n - 2);
    for (size_t i = array.n; i-- > 0;)
        if (array.p[i] == ',' && slice_starts(slice_skip(array, i), begin))
            return slice_skip(array, i + 1);
    return array;
}

/* ---- how bad it is ---- */

struct word {
    const char *name;
    unsigned severity;
};
static const struct word levels[] = {
    { "informational", 1 }, { "low", 3 }, { "medium", 5 }, { "high", 7 }, { "critical", 9 },
};
static const struct word log_levels[] = {
    { "debug", 0 }, { "info", 2 },     { "notice", 4 },     { "warning", 5 },
    { "error", 7 }, { "critical", 9 }, { "emergency", 10 },
};

static unsigned look_up(const struct word *list, size_t n, struct slice name, unsigned fallback)
{
    for (size_t i = 0; i < n; i++)
        if (slice_is(name, list[i].name))
            return list[i].severity;
    return fallback;
}

/* A source that calls a refused login "info" does not make it harmless. */
static unsigned severity_of_record(const struct trail_record *r)
{
    unsigned own = look_up(levels, ARRAY_SIZE(levels), r->slots[RECORD_LEVEL], r->kind->severity);
    unsigned said;

    if (slice_is(r->slots[RECORD_STATE], "dead"))
        return own > 6 ? own : 6;
    if (!slice_is(r->type, "event"))
        return own;
    said = look_up(log_levels, ARRAY_SIZE(log_levels), r->slots[FIELD_LOG_LEVEL], 0);
    return said > own ? said : own;
}

/* ---- the whole ---- */

static int read_document(struct reading *line, struct err *err)
{
    struct reading x = {
        .rr = line->rr, .arena = line->arena, .r = line->r, .text = last_document(line->document)
    };
    struct json_flat flat = { .scalar = take_document, .ctx = &x, .scalars_max = SCALARS_MAX };

    return x.text.n ? json_flatten(x.text, &flat, err) : 0;
}

static bool put_id(struct arena *a, struct trail_record *r)
{
    char *p = arena_text(a, r->origin.n + 22);
    int n = p ? snprintf(p, r->origin.n + 22, "%.*s/%llu", SLICE_FMT(r->origin),
                         (unsigned long long)r->index)
              : -1;

    r->id = n < 0 ? SLICE_NONE : slice_of(p, (size_t)n);
    return n >= 0;
}

int record_read(struct record_reader *rr, struct slice line, struct arena *a,
                struct trail_record *ret, struct err *err)
{
    struct reading x = { .rr = rr, .arena = a, .r = ret, .text = line };
    struct json_flat flat = { .scalar = take_member, .ctx = &x, .scalars_max = SCALARS_MAX };

    *ret = (struct trail_record){
        .line = line, .origin = rr->origin, .host = rr->host, .index = UINT64_MAX
    };
    if (json_flatten(line, &flat, err) < 0)
        return err_while(err, "entry");
    if (ret->index == UINT64_MAX || ret->time_us == 0 || ret->type.n == 0)
        return err_set(err, -EINVAL, "that is no entry of a trail");
    if (ret->event_us == 0)
        ret->event_us = ret->time_us;
    if (read_document(&x, err) == -ENOMEM) /* any other fault: the entry is told without it */
        return err_code(err);
    ret->kind = record_kind_of(ret->type, ret->slots[FIELD_EVENT_ACTION]);
    ret->severity = severity_of_record(ret);
    return put_id(a, ret) ? 0 : err_nomem(err);
}

bool record_is_alert(const struct trail_record *r)
{
    return slice_is(r->type, "alert");
}

struct slice record_message(const struct trail_record *r)
{
    const struct slice *s = r->slots;

    if (s[RECORD_TITLE].n)
        return s[RECORD_TITLE];
    if (s[FIELD_MESSAGE].n)
        return s[FIELD_MESSAGE];
    if (s[RECORD_RAW].n)
        return s[RECORD_RAW];
    return s[RECORD_STATUS].n ? s[RECORD_STATUS] : slice_str(r->kind->title);
}

struct slice record_outcome(const struct trail_record *r)
{
    struct slice said = r->slots[FIELD_EVENT_OUTCOME];

    if (!record_is_alert(r) && (slice_is(said, "success") || slice_is(said, "failure")))
        return said;
    return r->kind->outcome ? slice_str(r->kind->outcome) : SLICE("unknown");
}

struct slice record_address(const struct trail_record *r)
{
    struct slice s = r->slots[FIELD_SOURCE_IP];
    struct ip ip;

    return ip_parse(s, &ip) == 0 ? s : SLICE("");
}
