/*
 * One declared format: YAML to struct format. docs/formats.md is the manual of the keys.
 *
 * A fault does not end the reading: all of them are told, and the format is refused. What is the
 * same for every record of the format is made here, once: run-match.c does the rest.
 */
#include "parsers/formats-build.h"

#include "base/num.h"

static bool known_keys(struct build *b, const struct yaml *map, const char *const *names)
{
    bool ok = true;

    if (map->kind != YAML_MAP) {
        format_fault(b, map->at, "this must be a map");
        return false;
    }
    YAML_EACH (m, map) {
        size_t i = 0;

        while (names[i] && !slice_is(m->key, names[i]))
            i++;
        if (!names[i]) {
            format_unknown(b, m->key, m->key_at, "key", names);
            ok = false;
        }
    }
    return ok;
}

static struct slice text_of(const struct yaml *map, const char *key)
{
    const struct yaml *y = yaml_get(map, key);

    return y && y->kind == YAML_SCALAR ? y->text : SLICE("");
}

/* ---- layouts ---- */

static const char *const trust_words[] = { "forgeable", "line", "record", NULL };

static bool load_trust(struct build *b, const struct yaml *map, enum trust *ret)
{
    const struct yaml *y = yaml_get(map, "trust");

    if (!y)
        return false;
    for (int i = 0; trust_words[i]; i++)
        if (slice_is(y->text, trust_words[i])) {
            *ret = (enum trust)i;
            return true;
        }
    format_unknown(b, y->text, y->at, "trust", trust_words);
    return false;
}

static void load_layout(struct build *b, const struct yaml *y, struct layout *l)
{
    static const char *const keys[] = {
        "name", "kind", "match", "prefix", "trust", "not_in", NULL
    };
    static const char *const kinds[] = { "text", "json", "logfmt", NULL };
    const struct yaml *kind = yaml_get(y, "kind"), *match = yaml_get(y, "match");
    const struct yaml *prefix = yaml_get(y, "prefix");

    if (!known_keys(b, y, keys))
        return;
    l->name = text_of(y, "name");
    l->has_trust = load_trust(b, y, &l->trust);
    l->not_in = text_of(y, "not_in");
    l->openvpn_prefix = prefix && slice_is(prefix->text, "openvpn");
    if (prefix && !l->openvpn_prefix)
        format_fault(b, prefix->at, "the only prefix reader is 'openvpn'");
    for (int i = 0; kind && kinds[i]; i++)
        if (slice_is(kind->text, kinds[i]))
            l->kind = (enum layout_kind)i;
    if (l->kind == LAYOUT_TEXT && !match)
        format_fault(b, y->at, "a text layout needs 'match'");
    if (match)
        format_read_captures(b, match, &l->captures);
}

static void load_layouts(struct build *b, const struct yaml *y)
{
    if (!y || y->kind != YAML_SEQ || !y->nchildren)
        return format_fault(b, y ? y->key_at : (struct src_pos){ 0 },
                            "a format needs a list of layouts");
    if (y->nchildren > LAYOUTS_MAX)
        return format_fault(b, y->key_at, "a format has at most 64 layouts");
    b->f->layouts = arena_array(b->a, y->nchildren, sizeof *b->f->layouts);
    if (!b->f->layouts)
        return;
    YAML_EACH (item, y)
        load_layout(b, item, &b->f->layouts[b->f->nlayouts++]);
    for (size_t i = 0; i < b->f->nlayouts; i++)
        b->f->leaves_out = b->f->leaves_out || b->f->layouts[i].not_in.n;
}

/* ---- aliases: raw name -> field ---- */

static bool make_room(struct build *b, const struct yaml *y)
{
    size_t n = 0;

    YAML_EACH (m, y) {
        uint32_t id = field_intern(b->set->names, m->key);

        if (id == FIELD_OTHER)
            return false;
        n = id >= n ? id + 1 : n;
    }
    b->f->aliases = arena_array(b->a, n + 1, sizeof(struct alias *));
    b->f->naliases = b->f->aliases ? n : 0;
    return b->f->aliases != NULL;
}

static void load_fields(struct build *b, const struct yaml *y)
{
    if (!make_room(b, y))
        return format_fault(b, y ? y->at : (struct src_pos){ 0 }, "too many fields");
    YAML_EACH (m, y) {
        struct alias *alias = arena_alloc(b->a, sizeof *alias);

        if (!alias)
            return format_fault(b, m->key_at, "out of memory");
        alias->name = m->key;
        alias->id = field_intern(b->set->names, m->key);
        if (!format_read_target(b, m->text, &alias->target))
            format_unknown(b, m->text, m->at, "field", NULL);
        b->f->aliases[alias->id] = alias;
    }
}

/* ---- events ---- */

static struct slice *list_of(struct build *b, const struct yaml *y, size_t *ret_n)
{
    struct slice *list = arena_array(b->a, y->nchildren + 1, sizeof *list);

    *ret_n = 0;
    if (!list)
        return NULL;
    if (y->kind == YAML_SCALAR)
        list[(*ret_n)++] = y->text;
    else
        YAML_EACH (item, y)
            list[(*ret_n)++] = item->text;
    return list;
}

static void load_conditions(struct build *b, const struct yaml *y, struct event_entry *e)
{
    e->conditions = arena_array(b->a, y->nchildren + 1, sizeof *e->conditions);
    YAML_EACH (m, y) {
        struct condition *c;

        if (!e->conditions)
            return;
        c = &e->conditions[e->nconditions++];
        c->name = m->key;
        c->field = field_intern(b->set->names, m->key);
        c->values = list_of(b, m, &c->n);
    }
}

static void load_constants(struct build *b, const struct yaml *y, struct event_entry *e)
{
    e->constants = arena_array(b->a, y->nchildren + 1, sizeof *e->constants);
    YAML_EACH (m, y) {
        struct target t;

        if (!e->constants)
            return;
        if (!format_read_target(b, m->key, &t) || t.kind != TARGET_FIELD ||
            t.field >= FIELD_DICTIONARY)
            format_unknown(b, m->key, m->key_at, "field", NULL);
        else
            e->constants[e->nconstants++] = (struct constant){ (enum field_id)t.field, m->text };
    }
}

static void say(struct build *b, struct event_entry *e, enum field_id id, struct slice value)
{
    if (value.n) /* as everywhere: an empty field is none */
        e->says[e->nsays++] = (struct field){
            .id = id, .type = VALUE_STRING, .name = field_name(b->set->names, id), .value = value
        };
}

/* What an entry says of every record is made once. */
static void prepare_says(struct build *b, struct event_entry *e)
{
    const struct action *known = e->known;

    e->says = arena_array(b->a, e->nconstants + 4, sizeof *e->says);
    if (!e->says)
        return format_fault(b, e->at, "out of memory");
    for (size_t i = 0; i < e->nconstants; i++)
        say(b, e, e->constants[i].field, e->constants[i].value);
    if (e->action.n == 0 || !known)
        return;
    say(b, e, FIELD_EVENT_ACTION, e->action);
    say(b, e, FIELD_EVENT_CATEGORY, e->category.n ? e->category : slice_str(known->category));
    say(b, e, FIELD_EVENT_OUTCOME, e->outcome.n ? e->outcome : slice_str(known->outcome));
    if (e->duplicate)
        say(b, e, FIELD_TRAILWARDEN_DUPLICATE, SLICE("true"));
}

static void add_sample(struct build *b, const struct yaml *y, const struct event_entry *e)
{
    struct sample *s = &b->f->samples[b->f->nsamples++];

    s->at = y->at;
    s->has_action = true;
    s->action = e ? e->action : SLICE("");
    if (y->kind == YAML_SCALAR) {
        s->line = y->text;
        return;
    }
    YAML_EACH (m, y) {
        if (slice_is(m->key, "line"))
            s->line = m->text;
        else if (slice_is(m->key, "ip")) {
            s->ip = m->text;
            s->has_ip = true;
        } else if (slice_is(m->key, "user")) {
            s->user = m->text;
            s->has_user = true;
        } else if (slice_is(m->key, "action"))
            s->action = m->text;
        else if (slice_is(m->key, "unparsed"))
            s->unparsed = true;
        else
            format_unknown(b, m->key, m->key_at, "key of a sample", NULL);
    }
}

static void load_event(struct build *b, const struct yaml *y, struct event_entry *e)
{
    static const char *const keys[] = { "action", "starts",    "has",     "match",
                                        "when",   "set",       "outcome", "category",
                                        "trust",  "duplicate", "samples", NULL };
    const struct yaml *action = yaml_get(y, "action"), *match = yaml_get(y, "match");
    enum trust trust = TRUST_LINE;

    if (!known_keys(b, y, keys))
        return;
    e->at = y->at;
    e->action = text_of(y, "action");
    e->known = action_find(e->action);
    if (!action)
        format_fault(b, y->at, "an event needs 'action' (none for noise)");
    else if (slice_is(e->action, "none"))
        e->action = SLICE("");
    else if (!e->known)
        format_unknown(b, e->action, action->at, "action", action_names);
    e->starts = text_of(y, "starts");
    e->has = text_of(y, "has");
    e->outcome = text_of(y, "outcome");
    e->category = text_of(y, "category");
    (void)yaml_bool(yaml_get(y, "duplicate"), &e->duplicate);
    e->forgeable = load_trust(b, y, &trust) && trust == TRUST_FORGEABLE;
    if (match)
        format_read_captures(b, match, &e->captures);
    if (yaml_get(y, "when"))
        load_conditions(b, yaml_get(y, "when"), e);
    if (yaml_get(y, "set"))
        load_constants(b, yaml_get(y, "set"), e);
    prepare_says(b, e);
    e->asks_has = e->has.n && !needs_hold(&e->captures.needs, e->has);
    if (!match && !e->starts.n && !e->has.n && !e->nconditions)
        format_fault(b, y->at, "an event needs one of: starts, has, match, when");
    YAML_EACH (s, yaml_get(y, "samples"))
        add_sample(b, s, e);
}

static size_t count_samples(const struct yaml *format)
{
    size_t n = 0;

    YAML_EACH (e, yaml_get(format, "events")) {
        const struct yaml *s = yaml_get(e, "samples");

        n += s ? s->nchildren : 0;
    }
    return n + (yaml_get(format, "samples") ? yaml_get(format, "samples")->nchildren : 0);
}

static void load_events(struct build *b, const struct yaml *format)
{
    const struct yaml *y = yaml_get(format, "events");

    b->f->samples = arena_array(b->a, count_samples(format) + 1, sizeof *b->f->samples);
    b->f->events = arena_array(b->a, (y ? y->nchildren : 0) + 1, sizeof *b->f->events);
    if (!b->f->samples || !b->f->events)
        return format_fault(b, format->at, "out of memory");
    YAML_EACH (item, y)
        load_event(b, item, &b->f->events[b->f->nevents++]);
    YAML_EACH (s, yaml_get(format, "samples"))
        add_sample(b, s, NULL);
}

/* ---- framing ---- */

static void load_head(struct build *b, struct head *h)
{
    AUTO_BUF pattern = BUF_INIT;
    unsigned flags;
    struct slice one = head_read(regex_pattern(b->f->start, &flags), h);

    if (!one.p)
        return;
    buf_printf(&pattern, "^(?:%.*s)", SLICE_FMT(one));
    h->alone = buf_ok(&pattern) ? format_make_regex(b, buf_view(&pattern)) : NULL;
    if (!h->alone)
        h->n = 0;
}

static void load_framing(struct build *b, const struct yaml *y)
{
    static const char *const keys[] = { "start", "start_not", "unclosed", "apart",
                                        "lines", "bytes",     "idle",     NULL };
    const struct yaml *start = yaml_get(y, "start"), *not = yaml_get(y, "start_not");
    uint64_t lines = 256, bytes = 65536, idle = USEC_PER_SEC;

    if (!known_keys(b, y, keys))
        return;
    b->f->start_not = not != NULL;
    b->f->start = format_read_regex(b, not ? not : start ? start : y, false);
    if (format_note_starts(b->f))
        load_head(b, &b->f->head);
    (void)yaml_bool(yaml_get(y, "unclosed"), &b->f->unclosed);
    (void)yaml_bool(yaml_get(y, "apart"), &b->f->apart);
    if ((yaml_get(y, "lines") && parse_u64(text_of(y, "lines"), 2, 65536, &lines) < 0) ||
        (yaml_get(y, "bytes") && parse_bytes(text_of(y, "bytes"), &bytes) < 0) ||
        (yaml_get(y, "idle") && parse_duration(text_of(y, "idle"), &idle) < 0))
        format_fault(b, y->at, "lines is a number, bytes a size, idle a duration");
    b->f->framing = (struct framing){
        .starts = b->f->start ? format_record_starts : NULL,
        .begins = format_record_begins,
        .ctx = b->f,
        .lines_max = (unsigned)lines,
        .bytes_max = (size_t)bytes,
        .idle_us = idle,
    };
}

/* ---- the whole ---- */

static const char **strings(struct build *b, const struct yaml *y)
{
    const char **list = arena_array(b->a, (y ? y->nchildren : 0) + 1, sizeof *list);
    size_t n = 0;

    YAML_EACH (item, y)
        if (list)
            list[n++] = arena_str(b->a, item->text);
    return list;
}

/* logins: {seen_by: [probe, level:debug], hint: TEXT} */
static void load_logins(struct build *b, const struct yaml *y)
{
    static const char *const keys[] = { "seen_by", "hint", NULL };

    if (!y || !known_keys(b, y, keys))
        return;
    b->f->login_marks = strings(b, yaml_get(y, "seen_by"));
    b->f->login_hint = text_of(y, "hint");
    if (!b->f->login_marks || b->f->login_hint.n == 0)
        format_fault(b, y->at, "'logins' needs 'seen_by' and 'hint'");
}

/* Most entries are of messages that begin in one way: the others need not look at them. */
static void note_first_bytes(struct format *f)
{
    for (size_t i = 0; i < f->nevents && i < 64; i++) {
        const struct event_entry *e = &f->events[i];

        f->begin_empty |= UINT64_C(1) << i;
        for (unsigned c = 0; c < 256; c++)
            if ((e->starts.n == 0 || (unsigned char)e->starts.p[0] == c) &&
                needs_begin(&e->captures.needs, (char)c))
                f->begin[c] |= UINT64_C(1) << i;
    }
}

int format_load(struct formats *set, const struct yaml *y, struct diag *d)
{
    static const char *const keys[] = { "format",  "channel", "summary", "logsource",
                                        "units",   "paths",   "framing", "patterns",
                                        "layouts", "fields",  "events",  "trust",
                                        "syslog",  "samples", "logins",  NULL };
    struct build b = { .set = set, .a = set->arena, .d = d };
    const struct yaml *ls = yaml_get(y, "logsource");
    struct format *f = b.f = arena_alloc(b.a, sizeof *f);

    if (!f)
        return -ENOMEM;
    if (!known_keys(&b, y, keys))
        return -EINVAL;
    b.patterns = yaml_get(y, "patterns");
    f->name = text_of(y, "format");
    f->channel = text_of(y, "channel");
    f->summary = text_of(y, "summary");
    if (!f->name.n)
        format_fault(&b, y->at, "a format needs a name: 'format:'");
    if (!f->channel.n)
        f->channel = f->name;
    f->logsource = (struct logsource){ text_of(ls, "product"), text_of(ls, "category"),
                                       text_of(ls, "service") };
    f->names = set->names;
    f->trust = TRUST_LINE;
    (void)load_trust(&b, y, &f->trust);
    (void)yaml_bool(yaml_get(y, "syslog"), &f->syslog);
    f->units = strings(&b, yaml_get(y, "units"));
    f->paths = strings(&b, yaml_get(y, "paths"));
    load_logins(&b, yaml_get(y, "logins"));
    load_fields(&b, yaml_get(y, "fields"));
    load_layouts(&b, yaml_get(y, "layouts"));
    load_events(&b, y);
    note_first_bytes(f);
    if (yaml_get(y, "framing"))
        load_framing(&b, yaml_get(y, "framing"));
    if (b.failed)
        return -EINVAL;
    if (format_prepare(f, b.a) < 0)
        return -ENOMEM;
    return formats_put(set, f) ? 0 : -ENOMEM;
}
