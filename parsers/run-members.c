/*
 * Members of JSON objects and logfmt pairs: each becomes a field under its own name, and what the
 * format says that it is. Records of one log repeat the same names, so what a name means is kept.
 */
#include "parsers/run.h"

#include <errno.h>
#include <stdio.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define FIELDS_OF_JSON (EVENT_FIELDS_MAX - 32) /* what comes of them needs room, too */
#define MEMBER_FIELDS 4 /* its own name; an address gives three */

/* ---- names ---- */

static enum value_type value_of(enum json_type t)
{
    return t == JSON_NULL     ? VALUE_NULL
           : t == JSON_BOOL   ? VALUE_BOOL
           : t == JSON_NUMBER ? VALUE_NUMBER
                              : VALUE_STRING;
}

/* yajl's decoded texts live only during the call: what is not in our text is copied. */
static ALWAYS_INLINE struct slice keep(struct run *r, struct slice s)
{
    struct slice c;

    if (s.p >= r->text.p && s.p + s.n <= r->text.p + r->text.n)
        return s;
    c = arena_slice(r->a, s);
    r->failed = r->failed || !c.p;
    return c;
}

static void look_up(const struct run *r, struct slice name, struct member_name *ret)
{
    uint32_t id = field_find(r->f->names, name);

    ret->id = id;
    ret->alias = id < r->f->naliases ? r->f->aliases[id] : NULL;
    ret->name = id == FIELD_OTHER ? SLICE_NONE : field_name(r->f->names, id);
}

/* Where it is kept, if it is. */
static ALWAYS_INLINE struct member_name *kept_name(const struct run *r, struct slice_ends ends,
                                                   struct slice name)
{
    return &r->scratch->names[(slice_ends_mix(ends, name.n) >> 32) % NAMES_CACHED];
}

static const struct member_name *name_of(struct run *r, struct slice name,
                                         struct member_name *uncached)
{
    struct slice_ends ends = slice_ends_of(name);
    struct member_name *m = kept_name(r, ends, name);

    if (name.n == 0 || name.n > NAME_CACHED_MAX) {
        look_up(r, name, uncached);
        return uncached;
    }
    if (m->n == name.n && m->ends.a == ends.a && m->ends.b == ends.b &&
        (name.n <= 16 || memcmp(m->bytes, name.p, name.n) == 0))
        return m;
    look_up(r, name, m);
    memcpy(m->bytes, name.p, name.n);
    m->ends = ends;
    m->n = (uint32_t)name.n;
    return m;
}

/* Names are of one format and one state of the dictionary. */
void run_open_names(struct run *r)
{
    struct parser_scratch *s = r->scratch;

    if (LIKELY(s->format == r->f && s->nnames == field_count(r->f->names)))
        return;
    for (size_t i = 0; i < NAMES_CACHED; i++)
        s->names[i].n = 0;
    json_keys_forget(s->keys);
    s->format = r->f;
    s->nnames = field_count(r->f->names);
}

static bool glance_member(const struct glance *g, uint32_t id)
{
    return id < g->nnames && has(g->members, id);
}

static int member(struct run *r, struct slice name, enum value_type type, struct slice value)
{
    UNINITIALIZED struct member_name uncached;
    const struct member_name *m = name_of(r, name, &uncached);
    struct slice kept;

    if (r->glance && !glance_member(r->glance, m->id)) {
        r->passed += MEMBER_FIELDS;
        return 0;
    }
    kept = keep(r, value);
    if (m->alias && type != VALUE_NULL && kept.p) {
        enum target_kind kind = m->alias->target.kind;

        if (kind == TARGET_ADDRESS || kind == TARGET_ADDRESS6)
            run_compare_address(r, kept, kind == TARGET_ADDRESS6 ? ENDPOINT_V6_LAST_COLON_PORT : 0);
        apply(r, &m->alias->target, kept, type);
    }
    /* Under its own name as well: rules written for the source's fields work, too. */
    put(r, m->id, m->name.p ? m->name : keep(r, name), type, kept);
    return r->failed ? -ENOMEM : 0;
}

/* Most members come to nothing for a glance, and of most that was found out for an earlier line. */
static ALWAYS_INLINE bool passes_over(struct run *r, struct slice name)
{
    struct slice_ends ends = slice_ends_of(name);
    const struct member_name *m = kept_name(r, ends, name);

    if (m->n != name.n || m->ends.a != ends.a || m->ends.b != ends.b || name.n > 16 ||
        name.n == 0 || glance_member(r->glance, m->id))
        return false;
    r->passed += MEMBER_FIELDS;
    return true;
}

static uint32_t json_number(void *ctx, struct slice path)
{
    const struct run *r = ctx;

    return field_find(r->f->names, path);
}

static int json_scalar(void *ctx, struct slice path, enum json_type type, struct slice text)
{
    struct run *r = ctx;

    if (r->glance && passes_over(r, path))
        return 0;
    return member(r, path, value_of(type), text);
}

/* Where the next control character is, from i on; or the end. */
static size_t next_control(struct slice s, size_t i)
{
#ifdef __SSE2__
    const __m128i last = _mm_set1_epi8(0x1f);

    for (; s.n - i >= 16; i += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(s.p + i));
        unsigned at = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_min_epu8(v, last), v));

        if (at)
            return i + (size_t)__builtin_ctz(at);
    }
#endif
    while (i < s.n && (unsigned char)s.p[i] >= 0x20)
        i++;
    return i;
}

/*
 * Raw line breaks and tabs inside strings, as some formatters leave them, made legal. Each stays
 * the character that it is: a blank in its place could be part of a text that a rule looks for, but
 * that no scan of the raw bytes would find.
 */
static struct slice repair(struct run *r, struct slice s)
{
    struct buf *b = &r->scratch->escaped;
    struct slice kept;

    buf_reset(b);
    for (size_t i = 0; i < s.n; i++) {
        size_t from = i;

        i = next_control(s, i);
        buf_add(b, s.p + from, i - from);
        if (i < s.n && s.p[i] == '\n')
            buf_str(b, "\\n");
        else if (i < s.n)
            buf_printf(b, "\\u%04x", (unsigned)(unsigned char)s.p[i]);
    }
    kept = arena_slice(r->a, buf_view(b));
    r->failed = r->failed || !buf_ok(b) || !kept.p;
    return kept;
}

/* A writer that does not escape: which of two members of one name is its own? Matters where it says
 * who. */
static void json_again(void *ctx, struct slice path)
{
    struct run *r = ctx;

    for (size_t i = 0; i < r->f->naliases; i++) {
        const struct alias *a = r->f->aliases[i];

        if (a && (a->target.kind == TARGET_ADDRESS || a->target.kind == TARGET_ADDRESS6) &&
            slice_starts(a->name, path) && (a->name.n == path.n || a->name.p[path.n] == '.'))
            r->doubt = true;
    }
}

/* Told before a fault was known. */
static void take_back(struct run *r, const struct run *before, size_t fields)
{
    r->ev->nfields = fields;
    r->has_time = before->has_time;
    r->has_level = before->has_level;
    r->has_address = before->has_address;
    r->doubt = before->doubt;
    r->says_who = before->says_who;
    r->message = before->message;
}

static void cut_members(struct run *r)
{
    r->ev->flags |= EVENT_TRUNCATED;
    r->doubt = true;
    if (r->ev->nfields > FIELDS_OF_JSON)
        r->ev->nfields = FIELDS_OF_JSON;
}

/*
 * Beyond a limit (members, depth, length of a name) what was read stays, as a record that is cut:
 * or who can add a header could have his request go unseen. What stood behind may say other things.
 */
bool run_read_json(struct run *r, struct slice s)
{
    struct json_flat flat = {
        .scalar = json_scalar,
        .again = json_again,
        .ctx = r,
        .scalars_max = EVENT_FIELDS_MAX,
        .keys = r->scratch->keys,
        .wanted = r->glance ? r->glance->members : NULL,
        .nwanted = r->glance ? r->glance->nnames : 0,
        .number = json_number,
    };
    size_t fields = r->ev->nfields;
    struct run before = *r;
    int e = json_flatten(s, &flat, NULL);

    if (e < 0 && e != -E2BIG && !r->failed &&
        (slice_find_byte(s, '\n') != SIZE_MAX || slice_find_byte(s, '\r') != SIZE_MAX)) {
        take_back(r, &before, fields);
        e = json_flatten(repair(r, s), &flat, NULL);
    }
    r->passed += flat.passed * MEMBER_FIELDS;
    r->failed = r->failed || e == -ENOMEM; /* that it is no JSON is not known */
    if (e < 0 && e != -E2BIG)
        take_back(r, &before, fields);
    else if (e == -E2BIG || r->ev->nfields > FIELDS_OF_JSON)
        cut_members(r);
    if (flat.duplicate_key)
        r->ev->flags |= EVENT_DUPLICATE_KEY;
    return e == 0 || e == -E2BIG;
}

static int logfmt_pair(void *ctx, struct slice key, struct slice value)
{
    return member(ctx, key, VALUE_STRING, value);
}

bool run_read_logfmt(struct run *r, struct slice text)
{
    size_t fields = r->ev->nfields;
    bool ok = logfmt_parse(text, r->a, logfmt_pair, r);

    if (!ok)
        r->ev->nfields = fields;
    return ok;
}
