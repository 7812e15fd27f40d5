/* One record to one event. The hot path: no malloc, all memory from the batch's arena. */
#include <errno.h>
#include <stdio.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "base/ip.h"
#include "base/utf8.h"
#include "parsers/fail2ban/filter.h"
#include "parsers/filter.h"
#include "parsers/format.h"

#define NAMES_CACHED 256
#define NAME_CACHED_MAX 40
#define GLANCED 32
#define FIELDS_OF_JSON (EVENT_FIELDS_MAX - 32) /* what comes of them needs room, too */
#define INPUT_KEPT_MAX 256
#define MEMBER_FIELDS 4 /* its own name; an address gives three */

/* What the name of a member is to a format. */
struct member_name {
    const struct alias *alias; /* NULL: it has no meaning but itself */
    struct slice name; /* p NULL: not in the dictionary, only the record has it */
    uint32_t id;
    uint32_t n; /* of the bytes; 0: nothing is kept here */
    struct slice_ends ends; /* all that there is of up to 16 bytes */
    char bytes[NAME_CACHED_MAX];
};

/* Which layouts of a format no record of an input has: all records of a block ask the same. */
struct left_out {
    const struct format *format; /* NULL: nothing is known */
    uint64_t layouts;
    size_t n; /* of the input's name */
    char input[INPUT_KEPT_MAX];
};

/*
 * One per thread. Records of one log repeat the same names: what was looked up for one is kept for
 * the next, in the place that the name's bytes say. Never more than what a look-up would give:
 * for another format, or when there are more names, it begins anew.
 */
struct parser_scratch {
    struct regex_scratch *regex;
    struct json_keys *keys;
    struct fail2ban_scratch *filter; /* made by the first record that needs it */
    /* What a glance found by a filter, for who reads the same record whole: it is asked once. */
    struct filtered found;
    const char *found_text;
    uint64_t found_at;
    struct slice groups[GROUPS_MAX];
    const struct format *format; /* of the names */
    uint32_t nnames; /* that were interned when they were looked up */
    size_t fields; /* that the last event had */
    struct time_near near;
    struct left_out left_out;
    struct field glanced[GLANCED]; /* of a glance */
    struct member_name names[NAMES_CACHED];
};

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

struct run {
    const struct parser_source *source;
    const struct format *f;
    struct parser_scratch *scratch;
    struct arena *a;
    struct event *ev;
    struct slice text; /* clean, without escape sequences */
    struct slice message;
    bool has_time, has_level, has_address;
    bool says_who; /* a member was there for it, whatever stood in it */
    bool doubt; /* who it is about is a claim, or can be read in two ways: forgeable, also in a
                   journal */
    struct ip ip; /* when there is an address */
    bool failed; /* memory */
    const struct parser_trace *trace;
    const struct glance *glance; /* NULL: the whole event is wanted */
    uint32_t asked; /* by the last condition, when there were so many fields; what was found */
    size_t asked_with;
    const struct field *found;
    size_t passed; /* fields that a glance passed over, at least as many as there are */
};

static ALWAYS_INLINE bool has(const uint64_t *set, uint32_t id)
{
    return set[id / 64] >> id % 64 & 1;
}

static bool wants(const struct glance *g, uint32_t id)
{
    return id < g->nnames && has(g->fields, id);
}

static bool glance_member(const struct glance *g, uint32_t id)
{
    return id < g->nnames && has(g->members, id);
}

static void tell(const struct run *r, struct slice what, bool matched)
{
    if (r->trace)
        r->trace->tried(r->trace->ctx, what, matched);
}

/* event_add(), with the usual case at hand: there is room. */
static ALWAYS_INLINE void put(struct run *r, uint32_t id, struct slice name, enum value_type type,
                              struct slice value)
{
    struct event *ev = r->ev;

    if (r->glance && !wants(r->glance, id))
        r->passed++;
    else if (LIKELY(ev->nfields < ev->fields_cap && ev->nfields < EVENT_FIELDS_MAX))
        ev->fields[ev->nfields++] =
            (struct field){ .id = id, .type = type, .name = name, .value = value };
    else if (event_add(ev, id, name, type, value) == -ENOMEM)
        r->failed = true;
}

/* Fields that were made once for a format. */
static void put_all(struct run *r, const struct field *list, size_t n)
{
    struct event *ev = r->ev;

    if (LIKELY(!r->glance && ev->nfields + n <= ev->fields_cap &&
               ev->nfields + n <= EVENT_FIELDS_MAX)) {
        for (size_t i = 0; i < n; i++)
            ev->fields[ev->nfields + i] = list[i];
        ev->nfields += n;
        return;
    }
    for (size_t i = 0; i < n; i++)
        put(r, list[i].id, list[i].name, list[i].type, list[i].value);
}

static const struct slice dictionary[FIELD_DICTIONARY] = {
#define X(id, name, kind, pii, help) { name, sizeof(name) - 1 },
    FIELD_LIST(X)
#undef X
};

static ALWAYS_INLINE void set(struct run *r, enum field_id id, struct slice value)
{
    if (value.n)
        put(r, id, dictionary[id], VALUE_STRING, value);
}

/* ---- values ---- */

static const struct {
    struct slice word, level;
} level_words[] = {
#define LEVEL(word, level)                                                                         \
    {                                                                                              \
        { word, sizeof(word) - 1 },                                                                \
        {                                                                                          \
            level, sizeof(level) - 1                                                               \
        }                                                                                          \
    }
    LEVEL("debug", "debug"),    LEVEL("info", "info"),       LEVEL("notice", "notice"),
    LEVEL("warn", "warning"),   LEVEL("warning", "warning"), LEVEL("err", "error"),
    LEVEL("error", "error"),    LEVEL("crit", "critical"),   LEVEL("critical", "critical"),
    LEVEL("fatal", "critical"), LEVEL("alert", "critical"),  LEVEL("emergency", "critical"),
    LEVEL("emerg", "critical"), LEVEL("panic", "critical"),  LEVEL("trace", "debug"),
#undef LEVEL
};

const char *level_word(size_t i, const char **ret_level)
{
    *ret_level = i < ARRAY_SIZE(level_words) ? level_words[i].level.p : NULL;
    return i < ARRAY_SIZE(level_words) ? level_words[i].word.p : NULL;
}

/* In any case of ASCII letters. Most words are not the one: their lengths or first letters differ.
 */
static ALWAYS_INLINE bool same_word(struct slice a, struct slice b)
{
    return a.n == b.n && (a.n == 0 || ((a.p[0] ^ b.p[0]) & ~0x20) == 0) && slice_eq_nocase(a, b);
}

static void set_level(struct run *r, struct slice word)
{
    if (r->has_level)
        return;
    for (size_t i = 0; i < ARRAY_SIZE(level_words); i++)
        if (same_word(word, level_words[i].word)) {
            r->has_level = true;
            set(r, FIELD_LOG_LEVEL, level_words[i].level);
            return;
        }
}

static void set_priority(struct run *r, int priority)
{
    static const char *const levels[] = { "critical", "critical", "critical", "error",
                                          "warning",  "notice",   "info",     "debug" };

    if (priority >= 0 && priority <= 7)
        set_level(r, slice_str(levels[priority]));
}

static void set_time(struct run *r, struct slice text, uint64_t received_us)
{
    uint64_t t;

    if (r->has_time ||
        time_parse_near(&r->scratch->near, text, r->source->private_zone, received_us, &t) < 0)
        return;
    r->has_time = true;
    r->ev->time_us = t;
}

static struct slice port_text(unsigned port, char out[8])
{
    size_t n = 8;

    for (; port || n == 8; port /= 10)
        out[--n] = (char)('0' + port % 10);
    return slice_of(out + n, 8 - n);
}

/*
 * A connection never has port 0. Who writes it has the address from a header (X-Forwarded-For), and
 * nothing here says whether a client could write that header.
 */
static bool from_header(struct slice text, unsigned flags, const struct endpoint *e)
{
    if (e->port != 0 || !slice_ends(text, SLICE(":0")))
        return false;
    return e->ip.family == 4 || (flags & ENDPOINT_V6_LAST_COLON_PORT) ||
           slice_ends(text, SLICE("]:0"));
}

/*
 * Members that say who it was must agree, or one of them is a claim: of a proxy's list, or of a
 * value that was not escaped.
 */
static void compare_address(struct run *r, struct slice text, unsigned flags)
{
    struct endpoint e;

    if (text.n == 0)
        return;
    if (r->says_who && endpoint_parse(text, flags, &e) == 0 &&
        (!r->has_address || !ip_eq(&e.ip, &r->ip)))
        r->doubt = true;
    r->says_who = true;
}

/* The same address always gives the same text, whichever of its forms the log has. */
static struct slice ip_value(struct run *r, const struct endpoint *e)
{
    char text[IP_TEXT_SIZE];
    struct slice kept;

    if (LIKELY(e->ip_as_written.p))
        return e->ip_as_written;
    ip_text(&e->ip, text);
    kept = arena_slice(r->a, slice_str(text));
    r->failed = r->failed || !kept.p;
    return kept;
}

static struct slice port_value(struct run *r, const struct endpoint *e)
{
    char text[8];

    if (LIKELY(e->port_as_written.p))
        return e->port_as_written;
    return arena_slice(r->a, port_text(e->port, text));
}

/* Only what is wholly an address becomes source.ip: a masked or made-up one is none. */
static void set_address(struct run *r, struct slice text, unsigned flags)
{
    struct endpoint e;

    if (r->has_address || text.n == 0)
        return;
    if (r->glance && !r->glance->address) {
        r->passed += 3;
        return;
    }
    set(r, FIELD_SOURCE_ADDRESS, text);
    if (endpoint_parse(text, flags, &e) < 0)
        return;
    r->has_address = true;
    r->ip = e.ip;
    r->doubt = r->doubt || from_header(text, flags, &e);
    set(r, FIELD_SOURCE_IP, ip_value(r, &e));
    if (e.port)
        set(r, FIELD_SOURCE_PORT, port_value(r, &e));
}

/* The secret is wiped out of the event's own copy of the text. */
static void mask(struct run *r, struct slice secret)
{
    size_t at = secret.n ? slice_find(r->ev->raw, secret) : SIZE_MAX;
    char *copy;

    if (at == SIZE_MAX)
        return;
    copy = arena_text(r->a, r->ev->raw.n + 3);
    if (!copy) {
        r->failed = true;
        return;
    }
    memcpy(copy, r->ev->raw.p, at);
    memcpy(copy + at, "***", 3);
    memcpy(copy + at + 3, r->ev->raw.p + at + secret.n, r->ev->raw.n - at - secret.n);
    r->ev->raw = slice_of(copy, r->ev->raw.n - secret.n + 3);
    r->message = r->ev->raw; /* the old text is not shown anywhere */
}

static void apply_special(struct run *r, const struct target *t, struct slice value,
                          enum value_type type)
{
    if (t->go_quoted)
        value = go_unquote(r->a, value);
    switch (t->kind) {
    case TARGET_FIELD:
        if (value.n)
            put(r, t->field, t->name, type, value);
        break;
    case TARGET_TIME:
        set_time(r, value, r->ev->received_us);
        break;
    case TARGET_LEVEL:
        set_level(r, value);
        break;
    case TARGET_MESSAGE:
        if (!r->message.p)
            r->message = value;
        break;
    case TARGET_ADDRESS:
        set_address(r, value, 0);
        break;
    case TARGET_ADDRESS6:
        set_address(r, value, ENDPOINT_V6_LAST_COLON_PORT);
        break;
    case TARGET_SECRET:
        mask(r, value);
        break;
    case TARGET_JSON:
    case TARGET_IGNORE:
        break;
    }
}

/* value.p is not NULL. Most targets are fields as they stand. */
static ALWAYS_INLINE void apply(struct run *r, const struct target *t, struct slice value,
                                enum value_type type)
{
    if (t->kind != TARGET_FIELD || t->go_quoted)
        apply_special(r, t, value, type);
    else if (value.n)
        put(r, t->field, t->name, type, value);
}

/* ---- JSON and logfmt ---- */

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
static void open_names(struct run *r)
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
            compare_address(r, kept, kind == TARGET_ADDRESS6 ? ENDPOINT_V6_LAST_COLON_PORT : 0);
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
    AUTO_BUF b = BUF_INIT;
    struct slice kept;

    for (size_t i = 0; i < s.n; i++) {
        size_t from = i;

        i = next_control(s, i);
        buf_add(&b, s.p + from, i - from);
        if (i < s.n && s.p[i] == '\n')
            buf_str(&b, "\\n");
        else if (i < s.n)
            buf_printf(&b, "\\u%04x", (unsigned)(unsigned char)s.p[i]);
    }
    kept = arena_slice(r->a, buf_view(&b));
    r->failed = r->failed || !buf_ok(&b) || !kept.p;
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
static bool read_json(struct run *r, struct slice s)
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

/* ---- layouts ---- */

static bool captures_match(struct run *r, const struct captures *c, struct slice text)
{
    text = slice_take(text, REGEX_TEXT_MAX); /* no more is looked at, so no more is asked */
    return needs_met(&c->needs, text) &&
           regex_match(c->regex, r->scratch->regex, text, r->scratch->groups, c->n) == 1;
}

/* Nothing that is done with a group asks another pattern: the groups stay as they are. */
static void captures_apply(struct run *r, const struct captures *c)
{
    const struct slice *groups = r->scratch->groups;

    for (size_t i = 1; i < c->n; i++)
        if (groups[i].p)
            apply(r, &c->targets[i], groups[i], VALUE_STRING);
    for (size_t i = 1; c->has_json && i < c->n; i++)
        if (c->targets[i].kind == TARGET_JSON && groups[i].p)
            (void)read_json(r, groups[i]);
}

static bool try_layout(struct run *r, const struct layout *l, struct slice text)
{
    size_t fields = r->ev->nfields;
    bool ok = false;

    if (l->kind == LAYOUT_JSON) {
        ok = text.n && text.p[0] == '{' && read_json(r, text);
    } else if (l->kind == LAYOUT_LOGFMT) {
        ok = logfmt_parse(text, r->a, logfmt_pair, r);
        if (!ok)
            r->ev->nfields = fields;
    } else if (captures_match(r, &l->captures, text)) {
        captures_apply(r, &l->captures);
        ok = true;
    }
    tell(r, l->name, ok);
    return ok;
}

static uint64_t find_left_out(const struct format *f, struct slice input)
{
    uint64_t layouts = 0;

    for (size_t i = 0; i < f->nlayouts; i++)
        if (f->layouts[i].not_in.n && slice_find(input, f->layouts[i].not_in) != SIZE_MAX)
            layouts |= UINT64_C(1) << i;
    return layouts;
}

static uint64_t left_out(struct run *r)
{
    struct left_out *kept = &r->scratch->left_out;
    struct slice input = r->source->input;

    if (LIKELY(kept->format == r->f && slice_eq(slice_of(kept->input, kept->n), input)))
        return kept->layouts;
    if (input.n > INPUT_KEPT_MAX)
        return find_left_out(r->f, input);
    kept->format = r->f;
    kept->layouts = find_left_out(r->f, input);
    kept->n = input.n;
    if (input.n)
        memcpy(kept->input, input.p, input.n);
    return kept->layouts;
}

static const struct layout *find_layout(struct run *r, struct slice text)
{
    uint64_t out = r->f->leaves_out ? left_out(r) : 0;

    for (size_t i = 0; i < r->f->nlayouts; i++) {
        const struct layout *l = &r->f->layouts[i];

        if (out >> i & 1)
            continue;
        if (try_layout(r, l, text))
            return l;
    }
    return NULL;
}

/* A file that a syslog daemon wrote: its prefix goes, what is behind it is read. */
static const struct layout *find_behind_syslog(struct run *r)
{
    struct syslog_prefix p;
    size_t n = r->f->syslog ? syslog_prefix(r->text, &p) : 0;
    const struct layout *l = n ? find_layout(r, slice_skip(r->text, n)) : NULL;

    if (!l)
        return NULL;
    set_time(r, p.time, r->ev->received_us);
    if (!r->f->tells_level) /* who wrote the record knows its level, syslog has one for all */
        set_priority(r, p.priority);
    set(r, FIELD_HOST_NAME, p.host);
    set(r, FIELD_PROCESS_NAME, p.program);
    set(r, FIELD_PROCESS_PID, p.pid);
    return l;
}

static void split_peer(struct run *r)
{
    struct slice user, address;
    struct slice message = openvpn_prefix(r->message, &user, &address, &r->doubt);

    if (!address.p)
        return;
    r->message = message;
    set(r, FIELD_TRAILWARDEN_SESSION, address);
    (void)user; /* applied behind the event's own address and user */
}

/* ---- events ---- */

/* Entries that follow one another ask for the same field, and add none before one of them fits. */
static const struct field *field_of(struct run *r, const struct condition *c)
{
    if (r->asked != c->field || r->asked_with != r->ev->nfields || c->field == FIELD_OTHER) {
        r->found = event_get(r->ev, c->field);
        if (!r->found)
            r->found = event_get_named(r->ev, c->name);
        r->asked = c->field;
        r->asked_with = r->ev->nfields;
    }
    return r->found;
}

static bool condition_holds(struct run *r, const struct condition *c)
{
    const struct field *f = field_of(r, c);

    for (size_t i = 0; f && f->type != VALUE_NULL && i < c->n; i++)
        if (same_word(f->value, c->values[i]))
            return true;
    return false;
}

static ALWAYS_INLINE bool entry_fits(struct run *r, const struct event_entry *e)
{
    if (e->starts.n && !slice_starts(r->message, e->starts))
        return false;
    if (e->asks_has && slice_find(r->message, e->has) == SIZE_MAX)
        return false;
    for (size_t i = 0; i < e->nconditions; i++)
        if (!condition_holds(r, &e->conditions[i]))
            return false;
    return !e->captures.regex || captures_match(r, &e->captures, r->message);
}

static void set_event(struct run *r, const struct event_entry *e)
{
    if (e->captures.regex)
        captures_apply(r, &e->captures);
    put_all(r, e->says, e->nsays);
    if (e->action.n == 0)
        return;
    r->ev->flags |= e->duplicate ? EVENT_DUPLICATE : 0;
    r->doubt = r->doubt || e->forgeable;
}

static ALWAYS_INLINE bool try_entry(struct run *r, const struct event_entry *e)
{
    if (!entry_fits(r, e))
        return false;
    tell(r, e->action.n ? e->action : SLICE("noise"), true);
    set_event(r, e);
    return true;
}

/* Of the first 64 entries, those that could fit a message that begins like this one. */
static uint64_t may_fit(const struct run *r)
{
    return r->message.n ? r->f->begin[(unsigned char)r->message.p[0]] : r->f->begin_empty;
}

static void find_event(struct run *r)
{
    uint64_t bits = may_fit(r);

    for (; bits; bits &= bits - 1)
        if (try_entry(r, &r->f->events[__builtin_ctzll(bits)]))
            return;
    for (size_t i = 64; i < r->f->nevents; i++)
        if (try_entry(r, &r->f->events[i]))
            return;
}

/* Of those that could say something that is asked for, does one fit? */
static bool some_entry_fits(struct run *r)
{
    const struct glance *g = r->glance;

    for (uint64_t bits = may_fit(r) & g->entries[0]; bits; bits &= bits - 1)
        if (entry_fits(r, &r->f->events[__builtin_ctzll(bits)]))
            return true;
    for (uint32_t i = 64; i < g->nentries; i++)
        if (has(g->entries, i) && entry_fits(r, &r->f->events[i]))
            return true;
    return false;
}

/* The peer of the prefix stands where the message itself named none. */
static void apply_peer(struct run *r, struct slice text)
{
    struct slice user, address;
    bool doubt;

    (void)openvpn_prefix(text, &user, &address, &doubt);
    set_address(r, address, 0);
    if (user.n && !event_get(r->ev, FIELD_USER_NAME))
        set(r, FIELD_USER_NAME, user);
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
        set_priority(r, record->priority);
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
    const struct layout *l;

    open_names(r);
    if (common)
        set_sender(r, record);
    l = find_layout(r, r->text);
    if (!l)
        l = find_behind_syslog(r);
    if (l) {
        struct slice whole = r->message.p ? r->message : SLICE("");

        if (l->has_trust)
            r->ev->trust = l->trust;
        r->message = whole;
        if (l->openvpn_prefix)
            split_peer(r);
        if (!r->glance || some_entry_fits(r))
            find_event(r);
        if (l->openvpn_prefix)
            apply_peer(r, whole);
    } else {
        r->ev->flags |= EVENT_UNPARSED;
    }
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
