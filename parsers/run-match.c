/*
 * From text to fields: the first layout that fits gives time, level and message, the first entry
 * that fits the message says what happened.
 */
#include "parsers/run.h"

static void tell(const struct run *r, struct slice what, bool matched)
{
    if (r->trace)
        r->trace->tried(r->trace->ctx, what, matched);
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
            (void)run_read_json(r, groups[i]);
}

static bool try_layout(struct run *r, const struct layout *l, struct slice text)
{
    bool ok = false;

    if (l->kind == LAYOUT_JSON) {
        ok = text.n && text.p[0] == '{' && run_read_json(r, text);
    } else if (l->kind == LAYOUT_LOGFMT) {
        ok = run_read_logfmt(r, text);
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
    run_set_time(r, p.time, r->ev->received_us);
    if (!r->f->tells_level) /* who wrote the record knows its level, syslog has one for all */
        run_set_priority(r, p.priority);
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
    run_set_address(r, address, 0);
    if (user.n && !event_get(r->ev, FIELD_USER_NAME))
        set(r, FIELD_USER_NAME, user);
}

bool run_read_text(struct run *r)
{
    const struct layout *l = find_layout(r, r->text);
    struct slice whole;

    if (!l)
        l = find_behind_syslog(r);
    if (!l)
        return false;
    whole = r->message.p ? r->message : SLICE("");
    if (l->has_trust)
        r->ev->trust = l->trust;
    r->message = whole;
    if (l->openvpn_prefix)
        split_peer(r);
    if (!r->glance || some_entry_fits(r))
        find_event(r);
    if (l->openvpn_prefix)
        apply_peer(r, whole);
    return true;
}
