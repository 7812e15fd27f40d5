/* Declared formats: YAML to struct format. docs/formats.md is the manual of the keys. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>

#include "base/file.h"
#include "base/num.h"
#include "parsers/filter.h"
#include "parsers/format.h"

/* What happened, with its ECS category and outcome (ECS 8: event.category, event.outcome). */
static const struct action actions[] = {
    { "access", "network", "success" },
    { "access_blocked", "network", "failure" },
    { "access_denied", "web", "failure" },
    { "access_error", "network", "failure" },
    { "access_notfound", "web", "failure" },
    { "account_locked", "iam", "success" },
    { "admin_action", "configuration", "success" },
    { "auth_blocked", "authentication", "failure" },
    { "cert_rejected", "authentication", "failure" },
    { "config_changed", "configuration", "success" },
    { "conn_close", "session", "success" },
    { "conn_open", "session", "success" },
    { "conn_rejected", "session", "failure" },
    { "conn_status", "session", "unknown" },
    { "handshake_done", "network", "success" },
    { "ip_blocked", "intrusion_detection", "success" },
    { "ip_limit", "intrusion_detection", "success" },
    { "ip_unblocked", "intrusion_detection", "success" },
    { "job_failed", "process", "failure" },
    { "login_failed", "authentication", "failure" },
    { "login_ok", "authentication", "success" },
    { "logout", "authentication", "success" },
    { "password_reset", "iam", "success" },
    { "priv_change", "iam", "success" },
    { "probe", "intrusion_detection", "failure" },
    { "provision_failed", "configuration", "failure" },
    { "provision_ok", "configuration", "success" },
    { "rate_limited", "intrusion_detection", "failure" },
    { "service_error", "process", "failure" },
    { "service_start", "process", "success" },
    { "service_stop", "process", "success" },
    { "session_replaced", "session", "success" },
    { "suspicious", "intrusion_detection", "unknown" },
    { "tcp_accept", "network", "success" },
    { "tls_failure", "network", "failure" },
    { "user_added", "iam", "success" },
    { "user_changed", "iam", "success" },
    { "user_removed", "iam", "success" },
};

const char *const action_names[] = {
    "access",         "access_blocked",   "access_denied",
    "access_error",   "access_notfound",  "account_locked",
    "admin_action",   "auth_blocked",     "cert_rejected",
    "config_changed", "conn_close",       "conn_open",
    "conn_rejected",  "conn_status",      "handshake_done",
    "ip_blocked",     "ip_limit",         "ip_unblocked",
    "job_failed",     "login_failed",     "login_ok",
    "logout",         "password_reset",   "priv_change",
    "probe",          "provision_failed", "provision_ok",
    "rate_limited",   "service_error",    "service_start",
    "service_stop",   "session_replaced", "suspicious",
    "tcp_accept",     "tls_failure",      "user_added",
    "user_changed",   "user_removed",     NULL,
};

const struct action *action_find(struct slice name)
{
    for (size_t i = 0; i < ARRAY_SIZE(actions); i++)
        if (slice_is(name, actions[i].name))
            return &actions[i];
    return NULL;
}

struct formats *formats_new(struct field_names *names)
{
    struct formats *f = calloc(1, sizeof *f);

    if (!f)
        return NULL;
    f->names = names;
    f->arena = arena_new(1 << 16, 0);
    if (!f->arena) {
        free(f);
        return NULL;
    }
    return f;
}

void formats_free(struct formats *f)
{
    if (!f)
        return;
    for (size_t i = 0; i < f->nregexes; i++)
        regex_free(f->regexes[i]);
    for (size_t i = 0; i < f->n; i++)
        filter_free(f->list[i]->filter);
    free(f->regexes);
    free(f->list);
    arena_free(f->arena);
    free(f);
}

struct build {
    struct formats *set;
    struct format *f;
    struct arena *a;
    struct diag *d;
    const struct yaml *patterns; /* named pieces: %{NAME} */
    bool failed;
};

static void fault(struct build *b, struct src_pos at, const char *text)
{
    diag_error(b->d, at, "%s", text);
    b->failed = true;
}

static void unknown(struct build *b, struct slice name, struct src_pos at, const char *what,
                    const char *const *names)
{
    const char *near = names ? diag_nearest(name, names) : NULL;
    char hint[96];

    if (near)
        snprintf(hint, sizeof hint, "did you mean '%s'?", near);
    diag_add(b->d, DIAG_ERROR, at, (unsigned)name.n, near ? hint : NULL, "unknown %s '%.*s'", what,
             SLICE_FMT(name));
    b->failed = true;
}

static bool known_keys(struct build *b, const struct yaml *map, const char *const *names)
{
    bool ok = true;

    if (map->kind != YAML_MAP) {
        fault(b, map->at, "this must be a map");
        return false;
    }
    YAML_EACH (m, map) {
        size_t i = 0;

        while (names[i] && !slice_is(m->key, names[i]))
            i++;
        if (!names[i]) {
            unknown(b, m->key, m->key_at, "key", names);
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

/* ---- targets ---- */

static const struct {
    const char *name;
    enum target_kind kind;
} special_targets[] = {
    { "time", TARGET_TIME },       { "level", TARGET_LEVEL },       { "message", TARGET_MESSAGE },
    { "address", TARGET_ADDRESS }, { "address6", TARGET_ADDRESS6 }, { "json", TARGET_JSON },
    { "secret", TARGET_SECRET },   { "ignore", TARGET_IGNORE },
};

/* Short words that formats may use beside the dictionary's names. */
static const struct {
    const char *name;
    enum field_id field;
} short_names[] = {
    { "user", FIELD_USER_NAME },
    { "target_user", FIELD_USER_TARGET_NAME },
    { "reason", FIELD_EVENT_REASON },
    { "error", FIELD_ERROR_MESSAGE },
    { "subject", FIELD_TLS_CLIENT_SUBJECT },
    { "logger", FIELD_LOG_LOGGER },
    { "session", FIELD_TRAILWARDEN_SESSION },
    { "destination", FIELD_DESTINATION_ADDRESS },
    { "until", FIELD_TRAILWARDEN_UNTIL },
    { "path", FIELD_URL_ORIGINAL },
    { "method", FIELD_HTTP_REQUEST_METHOD },
    { "status", FIELD_HTTP_RESPONSE_STATUS_CODE },
    { "order", FIELD_TRAILWARDEN_ORDER },
    { "job", FIELD_TRAILWARDEN_JOB },
};

/* A group's name has no dots: source_nat_ip is source.nat.ip. */
static bool name_fits(struct slice dictionary, struct slice group)
{
    if (dictionary.n != group.n)
        return false;
    for (size_t i = 0; i < group.n; i++)
        if (dictionary.p[i] != group.p[i] && !(dictionary.p[i] == '.' && group.p[i] == '_'))
            return false;
    return true;
}

static bool target_parse(struct build *b, struct slice name, struct target *ret)
{
    *ret = (struct target){ .kind = TARGET_FIELD };
    if (slice_ends(name, SLICE("_go"))) {
        ret->go_quoted = true;
        name.n -= 3;
    }
    for (size_t i = 0; i < ARRAY_SIZE(special_targets); i++)
        if (slice_is(name, special_targets[i].name)) {
            ret->kind = special_targets[i].kind;
            return true;
        }
    for (size_t i = 0; i < ARRAY_SIZE(short_names); i++)
        if (slice_is(name, short_names[i].name)) {
            ret->field = short_names[i].field;
            ret->name = field_name(b->set->names, ret->field);
            return true;
        }
    for (uint32_t i = 0; i < FIELD_DICTIONARY; i++)
        if (name_fits(field_name(b->set->names, i), name)) {
            ret->field = i;
            ret->name = field_name(b->set->names, i);
            return true;
        }
    return false;
}

/* ---- patterns ---- */

/* %{NAME} is replaced by the format's pattern of that name. */
static bool expand(struct build *b, const struct yaml *y, struct buf *out)
{
    struct slice s = y->text;
    size_t at;

    while ((at = slice_find(s, SLICE("%{"))) != SIZE_MAX) {
        size_t end = slice_find_byte(slice_skip(s, at), '}');
        struct slice name;
        const struct yaml *piece = NULL;

        if (end == SIZE_MAX)
            break;
        name = slice_of(s.p + at + 2, end - 2);
        YAML_EACH (m, b->patterns)
            if (slice_eq(m->key, name))
                piece = m;
        if (!piece) {
            unknown(b, name, y->at, "pattern", NULL);
            return false;
        }
        buf_add(out, s.p, at);
        buf_slice(out, piece->text);
        s = slice_skip(s, at + end + 1);
    }
    buf_slice(out, s);
    return buf_ok(out);
}

static bool keep_regex(struct formats *set, struct regex *r)
{
    if (set->nregexes == set->regexes_cap) {
        size_t cap = set->regexes_cap ? set->regexes_cap * 2 : 64;
        struct regex **list = realloc(set->regexes, cap * sizeof *list);

        if (!list)
            return false;
        set->regexes = list;
        set->regexes_cap = cap;
    }
    set->regexes[set->nregexes++] = r;
    return true;
}

/* Anchored at both ends: attackers put text in the middle of lines. */
static struct regex *compile(struct build *b, const struct yaml *y, bool both_ends)
{
    AUTO_BUF pattern = BUF_INIT;
    struct regex *r;
    struct err err = ERR_NONE;

    if (y->kind != YAML_SCALAR || !expand(b, y, &pattern)) {
        fault(b, y->at, "a pattern is a text");
        return NULL;
    }
    if (pattern.n < 2 || pattern.p[0] != '^' || (both_ends && pattern.p[pattern.n - 1] != '$')) {
        fault(b, y->at,
              both_ends ? "a pattern must begin with ^ and end with $"
                        : "a pattern must begin with ^");
        return NULL;
    }
    if (regex_compile(buf_view(&pattern), REGEX_DOTALL, &r, &err) < 0) {
        fault(b, y->at, err.text);
        return NULL;
    }
    if (!keep_regex(b->set, r)) {
        regex_free(r);
        return NULL;
    }
    return r;
}

static void load_captures(struct build *b, const struct yaml *y, struct captures *c)
{
    unsigned flags;

    c->regex = compile(b, y, true);
    if (!c->regex)
        return;
    if (needs_read(regex_pattern(c->regex, &flags), b->a, &c->needs) < 0)
        return fault(b, y->at, "out of memory");
    c->n = regex_groups(c->regex) + 1;
    if (c->n > GROUPS_MAX)
        return fault(b, y->at, "too many groups");
    for (size_t i = 1; i < c->n; i++) {
        const char *name = regex_group_name(c->regex, i);

        if (!name)
            return fault(b, y->at, "every group needs a name; others are written (?:...)");
        if (!target_parse(b, slice_str(name), &c->targets[i]))
            unknown(b, slice_str(name), y->at, "group name (it is no field)", NULL);
        c->has_json = c->has_json || c->targets[i].kind == TARGET_JSON;
    }
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
    unknown(b, y->text, y->at, "trust", trust_words);
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
        fault(b, prefix->at, "the only prefix reader is 'openvpn'");
    for (int i = 0; kind && kinds[i]; i++)
        if (slice_is(kind->text, kinds[i]))
            l->kind = (enum layout_kind)i;
    if (l->kind == LAYOUT_TEXT && !match)
        fault(b, y->at, "a text layout needs 'match'");
    if (match)
        load_captures(b, match, &l->captures);
}

static void load_layouts(struct build *b, const struct yaml *y)
{
    if (!y || y->kind != YAML_SEQ || !y->nchildren)
        return fault(b, y ? y->key_at : (struct src_pos){ 0 }, "a format needs a list of layouts");
    if (y->nchildren > LAYOUTS_MAX)
        return fault(b, y->key_at, "a format has at most 64 layouts");
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
        return fault(b, y ? y->at : (struct src_pos){ 0 }, "too many fields");
    YAML_EACH (m, y) {
        struct alias *alias = arena_alloc(b->a, sizeof *alias);

        if (!alias)
            return fault(b, m->key_at, "out of memory");
        alias->name = m->key;
        alias->id = field_intern(b->set->names, m->key);
        if (!target_parse(b, m->text, &alias->target))
            unknown(b, m->text, m->at, "field", NULL);
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
        if (!target_parse(b, m->key, &t) || t.kind != TARGET_FIELD || t.field >= FIELD_DICTIONARY)
            unknown(b, m->key, m->key_at, "field", NULL);
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
        return fault(b, e->at, "out of memory");
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
            unknown(b, m->key, m->key_at, "key of a sample", NULL);
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
        fault(b, y->at, "an event needs 'action' (none for noise)");
    else if (slice_is(e->action, "none"))
        e->action = SLICE("");
    else if (!e->known)
        unknown(b, e->action, action->at, "action", action_names);
    e->starts = text_of(y, "starts");
    e->has = text_of(y, "has");
    e->outcome = text_of(y, "outcome");
    e->category = text_of(y, "category");
    (void)yaml_bool(yaml_get(y, "duplicate"), &e->duplicate);
    e->forgeable = load_trust(b, y, &trust) && trust == TRUST_FORGEABLE;
    if (match)
        load_captures(b, match, &e->captures);
    if (yaml_get(y, "when"))
        load_conditions(b, yaml_get(y, "when"), e);
    if (yaml_get(y, "set"))
        load_constants(b, yaml_get(y, "set"), e);
    prepare_says(b, e);
    e->asks_has = e->has.n && !needs_hold(&e->captures.needs, e->has);
    if (!match && !e->starts.n && !e->has.n && !e->nconditions)
        fault(b, y->at, "an event needs one of: starts, has, match, when");
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
        return fault(b, format->at, "out of memory");
    YAML_EACH (item, y)
        load_event(b, item, &b->f->events[b->f->nevents++]);
    YAML_EACH (s, yaml_get(format, "samples"))
        add_sample(b, s, NULL);
}

/* ---- framing ---- */

static void load_framing(struct build *b, const struct yaml *y)
{
    static const char *const keys[] = { "start", "start_not", "unclosed", "apart",
                                        "lines", "bytes",     "idle",     NULL };
    const struct yaml *start = yaml_get(y, "start"), *not = yaml_get(y, "start_not");
    uint64_t lines = 256, bytes = 65536, idle = USEC_PER_SEC;

    if (!known_keys(b, y, keys))
        return;
    b->f->start_not = not != NULL;
    b->f->start = compile(b, not ? not : start ? start : y, false);
    format_note_starts(b->f);
    (void)yaml_bool(yaml_get(y, "unclosed"), &b->f->unclosed);
    (void)yaml_bool(yaml_get(y, "apart"), &b->f->apart);
    if ((yaml_get(y, "lines") && parse_u64(text_of(y, "lines"), 2, 65536, &lines) < 0) ||
        (yaml_get(y, "bytes") && parse_bytes(text_of(y, "bytes"), &bytes) < 0) ||
        (yaml_get(y, "idle") && parse_duration(text_of(y, "idle"), &idle) < 0))
        fault(b, y->at, "lines is a number, bytes a size, idle a duration");
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

bool formats_put(struct formats *set, struct format *f)
{
    for (size_t i = 0; i < set->n; i++)
        if (slice_eq(set->list[i]->name, f->name)) {
            set->list[i] = f; /* the user's own replaces ours */
            return true;
        }
    if (set->n == set->cap) {
        size_t cap = set->cap ? set->cap * 2 : 16;
        struct format **list = realloc(set->list, cap * sizeof *list);

        if (!list)
            return false;
        set->list = list;
        set->cap = cap;
    }
    set->list[set->n++] = f;
    return true;
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
        fault(b, y->at, "'logins' needs 'seen_by' and 'hint'");
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

static int load_format(struct formats *set, const struct yaml *y, struct diag *d)
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
        fault(&b, y->at, "a format needs a name: 'format:'");
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

int formats_add(struct formats *f, const char *path, struct slice text, struct diag *d)
{
    struct yaml_docs docs;
    int r = yaml_load_text(path, text, f->arena, d, &docs), worst = r;

    for (size_t i = 0; r == 0 && i < docs.ndocs; i++) {
        int e = docs.docs[i] ? load_format(f, docs.docs[i], d) : 0;

        worst = e < 0 ? e : worst;
    }
    return worst;
}

static int yaml_only(const struct dirent *e)
{
    return e->d_name[0] != '.' && slice_ends(slice_str(e->d_name), SLICE(".yaml"));
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

int formats_add_folder(struct formats *f, const char *folder, struct diag *d)
{
    struct dirent **list = NULL;
    int n = scandir(folder, &list, yaml_only, by_name), worst = 0;
    struct err err = ERR_NONE;

    if (n < 0) {
        err_set(&err, -errno, "cannot read folder '%s': %s", folder, err_name(errno));
        diag_add_err(d, (struct src_pos){ diag_path(d, folder), 0, 0 }, &err);
        return -EINVAL;
    }
    for (int i = 0; i < n; i++) {
        AUTO_BUF path = BUF_INIT;
        AUTO_BUF text = BUF_INIT;
        int e = -ENOMEM;

        buf_printf(&path, "%s/%s", folder, list[i]->d_name);
        if (buf_ok(&path) && (e = file_read(-1, path.p, 1 << 20, &text, &err)) < 0)
            diag_add_err(d, (struct src_pos){ diag_path(d, path.p), 0, 0 }, &err);
        else if (e == 0)
            e = formats_add(f, path.p, buf_view(&text), d);
        worst = e < 0 ? e : worst;
        free(list[i]);
    }
    free(list);
    return worst;
}

size_t formats_count(const struct formats *f)
{
    return f->n;
}

const struct format *formats_at(const struct formats *f, size_t i)
{
    return f->list[i];
}

const struct format *format_declared(const struct formats *f, struct slice name)
{
    for (size_t i = 0; i < f->n; i++)
        if (!f->list[i]->filter && slice_eq(f->list[i]->name, name))
            return f->list[i];
    for (size_t i = 0; i < f->n; i++)
        if (!f->list[i]->filter && slice_eq(f->list[i]->channel, name))
            return f->list[i];
    return NULL;
}

const struct format *format_filter(const struct formats *f, struct slice channel)
{
    for (size_t i = 0; i < f->n; i++)
        if (f->list[i]->filter &&
            (slice_eq(f->list[i]->channel, channel) || slice_eq(f->list[i]->name, channel)))
            return f->list[i];
    return NULL;
}

const struct format *format_find(const struct formats *f, struct slice name)
{
    const struct format *filter = format_filter(f, name);

    return filter ? filter : format_declared(f, name);
}

struct slice format_name(const struct format *f)
{
    return f->name;
}

struct slice format_channel(const struct format *f)
{
    return f->channel;
}

struct slice format_summary(const struct format *f)
{
    return f->summary;
}

const struct logsource *format_logsource(const struct format *f)
{
    return &f->logsource;
}

const struct framing *format_framing(const struct format *f)
{
    return f->framing.starts ? &f->framing : NULL;
}

const char *const *format_units(const struct format *f)
{
    return f->units;
}

const char *const *format_paths(const struct format *f)
{
    return f->paths;
}

/* ---- can logins be seen? ---- */

bool format_forgeable(const struct format *f, struct slice action)
{
    if (f->trust == TRUST_FORGEABLE)
        return true;
    for (size_t i = 0; i < f->nlayouts; i++)
        if (f->layouts[i].has_trust && f->layouts[i].trust == TRUST_FORGEABLE)
            return true;
    for (size_t i = 0; i < f->nevents; i++)
        if (f->events[i].forgeable && slice_eq(f->events[i].action, action))
            return true;
    return false;
}

struct slice format_logins_hint(const struct format *f)
{
    return f->login_hint;
}

bool format_shows_logins(const struct format *f, const struct event *ev)
{
    struct slice action, level;

    if (!f->login_marks) /* most have none, and this is asked for every event */
        return false;
    action = event_text(ev, FIELD_EVENT_ACTION);
    level = event_text(ev, FIELD_LOG_LEVEL);
    for (size_t i = 0; f->login_marks[i]; i++) {
        struct slice mark = slice_str(f->login_marks[i]);
        bool of_level = slice_starts(mark, SLICE("level:"));

        if (slice_eq(of_level ? slice_skip(mark, 6) : mark, of_level ? level : action))
            return true;
    }
    return false;
}
