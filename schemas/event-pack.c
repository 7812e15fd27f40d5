#include "schemas/event-pack.h"

#include "base/ipc.h"
#include "base/utf8.h"

#define VERSION 1
#define FIELDS_MAX 24

/* ---- writing ---- */

/* Fields that say what happened; the others only repeat the raw text. */
static bool is_kept(const struct field *f)
{
    return f->id < FIELD_DICTIONARY && f->id != FIELD_MESSAGE;
}

/*
 * A name of the dictionary as a pack has it, with its length in front. All take the same room, so
 * that one is copied without asking how long it is; what is behind it is overwritten.
 */
#define NAME_ROOM 32

struct packed_name {
    uint8_t n;
    char bytes[NAME_ROOM - 1];
};

static const struct packed_name names[FIELD_DICTIONARY] = {
#define X(id, name, kind, pii, help) { sizeof(name) - 1, name },
    FIELD_LIST(X)
#undef X
};

/* The buffer has room: this is the hot path of every event that is counted. */
static char *put(char *p, const void *bytes, size_t n)
{
    if (n)
        memcpy(p, bytes, n);
    return p + n;
}

/* `half`: at least half of it, and no more than there is. */
static ALWAYS_INLINE void put_ends(char *p, struct slice s, size_t half)
{
    memcpy(p, s.p, half);
    memcpy(p + s.n - half, s.p + s.n - half, half);
}

/* Most texts are short: these are copied from both ends at once, without a call. */
static ALWAYS_INLINE char *put_text(char *p, struct slice s)
{
    uint32_t n = (uint32_t)s.n;

    p = put(p, &n, sizeof n);
    if (s.n > 32 || s.n < 4)
        return put(p, s.p, s.n);
    if (s.n >= 16)
        put_ends(p, s, 16);
    else if (s.n >= 8)
        put_ends(p, s, 8);
    else
        put_ends(p, s, 4);
    return p + s.n;
}

static char *put_head(char *p, const struct event *ev, bool cut)
{
    uint32_t flags = ev->flags;

    *p++ = VERSION;
    p = put(p, &ev->time_us, sizeof ev->time_us);
    p = put(p, &ev->key.position, sizeof ev->key.position);
    p = put(p, ev->key.stream, sizeof ev->key.stream);
    *p++ = (char)ev->trust;
    *p++ = (char)cut;
    return put(p, &flags, sizeof flags);
}

static char *put_field(char *p, const struct field *f, size_t max)
{
    const struct packed_name *name = &names[f->id];

    *p++ = (char)f->type;
    memcpy(p, name, sizeof *name);
    p += 1 + name->n;
    return put_text(p, f->value.n > max ? utf8_cut(f->value, max) : f->value);
}

/* At most FIELDS_MAX of them; the first byte is their number. */
static char *put_fields(char *p, const struct event *ev, size_t max)
{
    const struct field *end = ev->fields + ev->nfields;
    char *count = p++;
    unsigned n = 0;

    for (const struct field *f = ev->fields; f < end && n < FIELDS_MAX; f++)
        if (is_kept(f)) {
            p = put_field(p, f, max);
            n++;
        }
    *count = (char)n;
    return p;
}

#define HEAD_SIZE 40 /* and a bit */
#define FIELD_SIZE (1 + sizeof(struct packed_name) + 4)

void event_pack(const struct event *ev, size_t max, struct buf *out)
{
    struct slice texts[] = { ev->channel, ev->format, ev->input, utf8_cut(ev->raw, max / 2) };
    size_t need = HEAD_SIZE + 1 + FIELDS_MAX * (FIELD_SIZE + max / 16);
    char *p;

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        need += sizeof(uint32_t) + texts[i].n;
    if (!buf_reserve(out, need))
        return;
    p = put_head(out->p + out->n, ev, ev->raw.n > max / 2);
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        p = put_text(p, texts[i]);
    p = put_fields(p, ev, max / 16);
    out->n = (size_t)(p - out->p);
    *p = '\0';
}

/* ---- reading ---- */

struct unpacked {
    struct event event;
    bool cut;
    struct field fields[FIELDS_MAX];
};

static struct slice get_bytes(struct wire *w, size_t n)
{
    struct slice s = slice_take(w->rest, n);

    w->bad = w->bad || s.n < n;
    w->rest = slice_skip(w->rest, n);
    return s;
}

static void get_field(struct wire *w, struct field *f)
{
    unsigned type = wire_get_u8(w);

    w->bad = w->bad || type > VALUE_NULL;
    *f = (struct field){ .id = FIELD_OTHER, .type = (enum value_type)(type & 3) };
    f->name = get_bytes(w, wire_get_u8(w));
    f->value = wire_get_slice(w);
}

/* Its texts lie in the pack. */
static bool unpack(struct slice pack, struct unpacked *u)
{
    struct wire w = { .rest = pack };
    struct event *ev = &u->event;
    struct slice stream;
    unsigned trust, n;

    *ev = (struct event){ .fields = u->fields, .fields_cap = FIELDS_MAX };
    if (wire_get_u8(&w) != VERSION)
        return false;
    ev->time_us = wire_get_u64(&w);
    ev->key.position = wire_get_u64(&w);
    stream = get_bytes(&w, sizeof ev->key.stream);
    trust = wire_get_u8(&w);
    u->cut = wire_get_u8(&w) != 0;
    ev->flags = wire_get_u32(&w);
    ev->channel = wire_get_slice(&w);
    ev->format = wire_get_slice(&w);
    ev->input = wire_get_slice(&w);
    ev->raw = wire_get_slice(&w);
    n = wire_get_u8(&w);
    if (w.bad || n > FIELDS_MAX || trust > TRUST_RECORD)
        return false;
    memcpy(ev->key.stream, stream.p, sizeof ev->key.stream);
    ev->trust = (enum trust)trust;
    for (ev->nfields = 0; ev->nfields < n; ev->nfields++)
        get_field(&w, &u->fields[ev->nfields]);
    return !w.bad && w.rest.n == 0;
}

static bool is_document(struct slice pack)
{
    return pack.n && pack.p[0] == '{';
}

void event_pack_json(struct slice pack, struct buf *out)
{
    struct json_writer w = json_writer(out);
    UNINITIALIZED struct unpacked u;

    if (is_document(pack))
        buf_slice(out, pack);
    else if (unpack(pack, &u))
        event_json_cut(&u.event, u.cut, &w);
}

static struct slice member(struct slice document, const char *name, struct arena *a)
{
    struct slice s = json_text(json_load(a, document, NULL), name);

    return s.p ? s : SLICE("");
}

struct slice event_pack_channel(struct slice pack, struct arena *a)
{
    UNINITIALIZED struct unpacked u;

    if (is_document(pack))
        return member(pack, "channel", a);
    return unpack(pack, &u) ? u.event.channel : SLICE("");
}

struct slice event_pack_raw(struct slice pack, struct arena *a)
{
    UNINITIALIZED struct unpacked u;

    if (is_document(pack))
        return member(pack, "raw", a);
    return unpack(pack, &u) ? u.event.raw : SLICE("");
}

/* In a document quotes of values are escaped: the words are found where they are a member. */
static enum trust document_trust(struct slice document)
{
    if (slice_find(document, SLICE("\"trust\":\"forgeable\"")) != SIZE_MAX)
        return TRUST_FORGEABLE;
    if (slice_find(document, SLICE("\"trust\":\"line\"")) != SIZE_MAX)
        return TRUST_LINE;
    return TRUST_RECORD;
}

enum trust event_pack_trust(struct slice pack)
{
    UNINITIALIZED struct unpacked u;

    if (is_document(pack))
        return document_trust(pack);
    return unpack(pack, &u) ? u.event.trust : TRUST_RECORD;
}
