/*
 * Which literals a record must hold for a field of its event to have a value.
 *
 * A value is copied from the record (a capture group, a JSON member), put there by a format's
 * entry (actions, constants), made uniform (levels, addresses), or comes from elsewhere (the
 * configuration, a database). Each way in which the field can get a value that fits is a source;
 * the answer is the union over all of them, so one without a literal spoils it. Raw bytes and
 * values differ only where JSON, Go and logfmt escape: literals are cut there (base/literal.c).
 *
 * In a format with JSON or logfmt every field has one more source: a member of its own name.
 *
 * A keyword is asked of every field and of the text: all copies are one source, and what is no copy
 * is asked as for a field.
 */
#include "parsers/filter.h"
#include "parsers/format.h"

/* A member's name stands in many records, whatever the samples say. */
#define KEY_COST 300

struct asking {
    const struct format *f;
    const struct format_ask *ask;
    struct literal_maker *m;
    struct literals all;
    bool any; /* a keyword: whichever the field is */
    bool any_level; /* ... and some level could be its value */
};

static bool could_be(const struct asking *q, const char *value)
{
    return q->ask->holds(q->ask->ctx, slice_str(value));
}

static void source(struct asking *q, struct literals l)
{
    if (!q->all.none)
        q->all = literals_or(q->m, q->all, l);
}

static bool asks_for(const struct asking *q, struct slice name)
{
    return !q->any && slice_eq(q->ask->field, name);
}

static bool asks_id(const struct asking *q, enum field_id id)
{
    return q->any || slice_eq(q->ask->field, field_name(q->f->names, id));
}

static bool asks_level(const struct asking *q)
{
    return q->any ? q->any_level : asks_id(q, FIELD_LOG_LEVEL);
}

/* ---- members of JSON and logfmt ---- */

static bool has_json_group(const struct captures *c)
{
    for (size_t i = 1; i < c->n; i++)
        if (c->targets[i].kind == TARGET_JSON)
            return true;
    return false;
}

static bool format_has(const struct format *f, enum layout_kind kind)
{
    for (size_t i = 0; i < f->nlayouts; i++)
        if (f->layouts[i].kind == kind ||
            (kind == LAYOUT_JSON && has_json_group(&f->layouts[i].captures)))
            return true;
    for (size_t i = 0; i < f->nevents; i++)
        if (kind == LAYOUT_JSON && has_json_group(&f->events[i].captures))
            return true;
    return false;
}

static bool format_has_members(const struct format *f)
{
    return format_has(f, LAYOUT_JSON) || format_has(f, LAYOUT_LOGFMT);
}

/* Keys of nested objects are joined by dots: each part stands in the record by itself. */
static struct literals of_key(struct literal_maker *m, struct slice name)
{
    struct literals best = literals_none("its member's name is too short");
    struct slice part;

    while (slice_split(&name, '.', &part))
        best = literals_and(m, best, literals_of(m, part));
    best.extra = KEY_COST;
    best.cost = 0;
    return best;
}

/* Of a member: what its value must hold, or its name. What others need anyway costs nothing more.
 */
static void member(struct asking *q, struct slice name, struct literals value)
{
    bool covered = literals_cover(q->all, value);

    if (covered && !q->all.also && !value.also)
        return;
    if (!covered && !literals_good(q->m, &value))
        value = literals_and(q->m, value, of_key(q->m, name));
    source(q, value);
}

/* ---- capture groups ---- */

/* What the group holds is copied: in whole, or with something before or behind it. */
static void group_source(struct asking *q, const struct captures *c, size_t group,
                         const struct literals *around, bool whole)
{
    struct literals value = *q->ask->in_value;
    struct regex_ask ask = { .group = group };

    if (!literals_good(q->m, &value)) {
        if (whole)
            ask.whole = q->ask->whole;
        if (!value.none)
            ask.holds = &value;
        value = literals_and(q->m, value, regex_literals(c->regex, &ask, q->m));
        if (around)
            value = literals_and(q->m, value, *around);
    }
    source(q, value);
}

/* ---- addresses are made uniform ---- */

static struct literals of_address(const struct asking *q)
{
    return address_literals(q->m, q->ask->in_value);
}

static void address_source(struct asking *q, const struct captures *c, size_t group,
                           const struct literals *around)
{
    struct regex_ask ask = { .group = group };
    struct literals l;

    if (asks_id(q, FIELD_SOURCE_ADDRESS)) {
        group_source(q, c, group, around, true);
        return;
    }
    l = asks_id(q, FIELD_SOURCE_PORT) ? *q->ask->in_value : of_address(q);
    if (!literals_good(q->m, &l))
        l = literals_and(q->m, l, regex_literals(c->regex, &ask, q->m));
    if (around)
        l = literals_and(q->m, l, *around);
    source(q, l);
}

static bool asks_address(const struct asking *q)
{
    return !q->any && (asks_id(q, FIELD_SOURCE_ADDRESS) || asks_id(q, FIELD_SOURCE_IP) ||
                       asks_id(q, FIELD_SOURCE_PORT));
}

/* ---- levels are made uniform ---- */

static void level_of_group(struct asking *q, const struct captures *c, size_t group,
                           const struct literals *around)
{
    const char *word, *level;

    for (size_t i = 0; (word = level_word(i, &level)); i++) {
        struct regex_ask ask = { .group = group, .whole = slice_str(word) };
        struct literals l;

        if (!could_be(q, level))
            continue;
        l = literals_and(q->m, literals_of(q->m, slice_str(word)),
                         regex_literals(c->regex, &ask, q->m));
        source(q, around ? literals_and(q->m, l, *around) : l);
    }
}

/* A short word stands in quotes in JSON, and behind = or in quotes in logfmt. */
static struct literals of_short_word(const struct asking *q, const char *word)
{
    char *quoted = arena_printf(q->m->arena, "\"%s\"", word);
    char *behind = arena_printf(q->m->arena, "=%s", word);

    if (!quoted || !behind) {
        q->m->failed = true;
        return literals_none("out of memory");
    }
    if (!format_has(q->f, LAYOUT_LOGFMT))
        return literals_exactly(q->m, slice_str(quoted));
    return literals_or(q->m, literals_exactly(q->m, slice_str(quoted)),
                       literals_exactly(q->m, slice_str(behind)));
}

static void level_of_member(struct asking *q, struct slice name)
{
    const char *word, *level;

    for (size_t i = 0; (word = level_word(i, &level)); i++) {
        struct literals l;

        if (!could_be(q, level))
            continue;
        l = strlen(word) < LITERAL_MIN ? of_short_word(q, word)
                                       : literals_of(q->m, slice_str(word));
        member(q, name, l);
    }
}

/* Where a format tells no level, the priority in front of the line does: "<131>". */
static void level_of_priority(struct asking *q)
{
    if (q->f->syslog && !q->f->tells_level)
        source(q, literals_none("the level can be that of a syslog priority"));
}

/* ---- what a capture group or a member can give ---- */

static void of_captures(struct asking *q, const struct captures *c, const struct literals *around)
{
    for (size_t i = 1; i < c->n; i++) {
        const struct target *t = &c->targets[i];

        if (t->kind == TARGET_FIELD && asks_for(q, t->name))
            group_source(q, c, i, around, !t->go_quoted);
        else if (t->kind == TARGET_LEVEL && asks_level(q))
            level_of_group(q, c, i, around);
        else if ((t->kind == TARGET_ADDRESS || t->kind == TARGET_ADDRESS6) && asks_address(q))
            address_source(q, c, i, around);
    }
}

static void of_alias(struct asking *q, const struct alias *alias)
{
    const struct target *t = &alias->target;

    if (t->kind == TARGET_FIELD && asks_for(q, t->name))
        member(q, alias->name, *q->ask->in_value);
    else if (t->kind == TARGET_LEVEL && asks_level(q))
        level_of_member(q, alias->name);
    else if ((t->kind == TARGET_ADDRESS || t->kind == TARGET_ADDRESS6) && asks_address(q))
        member(q, alias->name, asks_id(q, FIELD_SOURCE_IP) ? of_address(q) : *q->ask->in_value);
}

static void of_members(struct asking *q)
{
    if (!format_has_members(q->f))
        return;
    if (!q->any)
        member(q, q->ask->field, *q->ask->in_value);
    for (size_t i = 0; i < q->f->naliases; i++)
        if (q->f->aliases[i])
            of_alias(q, q->f->aliases[i]);
}

/* ---- what readers beside the patterns give: slices of the text, too ---- */

static bool has_openvpn_prefix(const struct format *f)
{
    for (size_t i = 0; i < f->nlayouts; i++)
        if (f->layouts[i].openvpn_prefix)
            return true;
    return false;
}

static void of_prefixes(struct asking *q)
{
    if (q->any)
        return;
    if (q->f->syslog && (asks_id(q, FIELD_HOST_NAME) || asks_id(q, FIELD_PROCESS_NAME) ||
                         asks_id(q, FIELD_PROCESS_PID)))
        source(q, *q->ask->in_value);
    if (!has_openvpn_prefix(q->f))
        return;
    if (asks_id(q, FIELD_TRAILWARDEN_SESSION) || asks_id(q, FIELD_USER_NAME) ||
        asks_id(q, FIELD_SOURCE_ADDRESS))
        source(q, *q->ask->in_value);
    else if (asks_id(q, FIELD_SOURCE_PORT))
        source(q, *q->ask->in_value);
    else if (asks_id(q, FIELD_SOURCE_IP))
        source(q, of_address(q));
}

/* ---- what is put there ---- */

static void constant_source(struct asking *q, enum field_id id, struct slice value,
                            const struct literals *l)
{
    if (asks_id(q, id) && q->ask->holds(q->ask->ctx, value))
        source(q, *l);
}

static void of_entry(struct asking *q, const struct event_entry *e)
{
    if (e->captures.regex)
        of_captures(q, &e->captures, &e->literals);
    for (size_t i = 0; i < e->nconstants; i++)
        constant_source(q, e->constants[i].field, e->constants[i].value, &e->literals);
    if (e->action.n == 0)
        return;
    constant_source(q, FIELD_EVENT_ACTION, e->action, &e->literals);
    constant_source(q, FIELD_EVENT_CATEGORY,
                    e->category.n ? e->category : slice_str(e->known->category), &e->literals);
    constant_source(q, FIELD_EVENT_OUTCOME,
                    e->outcome.n ? e->outcome : slice_str(e->known->outcome), &e->literals);
    if (e->duplicate)
        constant_source(q, FIELD_TRAILWARDEN_DUPLICATE, SLICE("true"), &e->literals);
}

static bool starts_with_one(struct slice s, const char *const *list)
{
    for (; *list; list++)
        if (slice_starts(s, slice_str(*list)))
            return true;
    return false;
}

/*
 * What is looked up, and what the configuration says. Where the user was before (geo.*) is known
 * later, to rules that ask for it: for now it may be anything, but no keyword sees it.
 */
static void of_configuration(struct asking *q)
{
    static const char *const looked_up[] = { "source.geo.", "source.as.", NULL };
    static const char *const computed[] = { "geo.", NULL };
    const struct format_beside *beside = q->ask->beside;
    struct slice service = beside ? beside->service : SLICE_NONE;

    if (asks_id(q, FIELD_SERVICE_NAME) &&
        (!beside || (service.n && q->ask->holds(q->ask->ctx, service))))
        source(q, literals_none("it may come from the configuration"));
    if ((!beside || beside->places) && (q->any || starts_with_one(q->ask->field, looked_up)))
        source(q, literals_none(q->any ? "it may come from the place of an address"
                                       : "it is looked up, not in the record"));
    if (starts_with_one(q->ask->field, computed))
        source(q, literals_none("it is computed, not in the record"));
}

/* Fields of every event. */
static void of_nowhere(struct asking *q)
{
    const struct literals none = literals_none("it is put there for every record");

    constant_source(q, FIELD_EVENT_MODULE, q->f->channel, &none);
    constant_source(q, FIELD_TRAILWARDEN_FORMAT, q->f->name, &none);
    constant_source(q, FIELD_TRAILWARDEN_UNPARSED, SLICE("true"), &none);
    for (int t = TRUST_FORGEABLE; t <= TRUST_RECORD; t++)
        constant_source(q, FIELD_TRAILWARDEN_TRUST, slice_str(trust_name((enum trust)t)), &none);
    of_configuration(q);
    /* the message may be the whole text */
    if (asks_id(q, FIELD_MESSAGE))
        source(q, *q->ask->in_value);
}

/* ---- keywords ---- */

static bool captures_address(const struct captures *c)
{
    for (size_t i = 1; i < c->n; i++)
        if (c->targets[i].kind == TARGET_ADDRESS || c->targets[i].kind == TARGET_ADDRESS6)
            return true;
    return false;
}

static bool format_finds_addresses(const struct format *f)
{
    for (size_t i = 0; i < f->nlayouts; i++)
        if (f->layouts[i].openvpn_prefix || captures_address(&f->layouts[i].captures))
            return true;
    for (size_t i = 0; i < f->nevents; i++)
        if (captures_address(&f->events[i].captures))
            return true;
    for (size_t i = 0; i < f->naliases; i++)
        if (f->aliases[i] && (f->aliases[i]->target.kind == TARGET_ADDRESS ||
                              f->aliases[i]->target.kind == TARGET_ADDRESS6))
            return true;
    return false;
}

/* The text, all that is copied from it, and addresses; levels and constants are asked with fields.
 */
static void of_text(struct asking *q)
{
    const char *level;

    source(q, *q->ask->in_value);
    for (size_t i = 0; level_word(i, &level); i++)
        q->any_level = q->any_level || could_be(q, level);
    if (!q->all.none && format_finds_addresses(q->f))
        source(q, of_address(q));
}

/* These come with a record from the journal or a syslog socket, which is always parsed. */
static bool transport_brings(const struct asking *q)
{
    static const enum field_id brought[] = { FIELD_HOST_NAME, FIELD_PROCESS_NAME, FIELD_PROCESS_PID,
                                             FIELD_LOG_SOURCE_ADDRESS, FIELD_LOG_LEVEL };

    for (size_t i = 0; i < ARRAY_SIZE(brought); i++)
        if (asks_id(q, brought[i]))
            return true;
    return false;
}

/* `before`: before an entry was taken, as `when:` sees the event. */
static struct literals literals_for(const struct format *f, const struct format_ask *ask,
                                    struct literal_maker *m, bool before)
{
    struct asking q = { .f = f, .ask = ask, .m = m, .any = ask->field.n == 0 };

    if (q.any)
        of_text(&q);
    for (size_t i = 0; i < f->nlayouts && !q.all.none; i++)
        of_captures(&q, &f->layouts[i].captures, NULL);
    of_prefixes(&q);
    if (asks_level(&q))
        level_of_priority(&q);
    for (size_t i = 0; !before && i < f->nevents && !q.all.none; i++)
        of_entry(&q, &f->events[i]);
    of_nowhere(&q);
    of_members(&q); /* at last: what the others need anyway serves them, too */
    if (!q.any && !q.all.none && q.all.n == 0 && transport_brings(&q))
        return literals_none("it comes with the record, not in its text");
    return q.all;
}

struct literals format_literals(const struct format *f, const struct format_ask *ask,
                                struct literal_maker *m)
{
    return f->filter ? filter_literals(f->filter, ask->field, m) : literals_for(f, ask, m, false);
}

const struct literal_sample *format_sample(const struct format *f)
{
    return &f->lines;
}

/* ---- entries: all that they ask, once when the format is loaded ---- */

static bool is_value(const void *ctx, struct slice value)
{
    return slice_eq_nocase(*(const struct slice *)ctx, value);
}

static bool is_ascii(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] >= 0x80)
            return false;
    return true;
}

static struct literals of_condition(const struct format *f, const struct condition *c,
                                    struct literal_maker *m)
{
    struct literals all = { .n = 0 };

    for (size_t i = 0; i < c->n && !all.none; i++) {
        struct literals in_value = literals_of(m, c->values[i]);
        struct format_ask ask = { .field = c->name,
                                  .in_value = &in_value,
                                  .whole = is_ascii(c->values[i]) ? c->values[i] : SLICE_NONE,
                                  .holds = is_value,
                                  .ctx = &c->values[i] };

        all = literals_or(m, all, literals_for(f, &ask, m, true));
    }
    return all;
}

static struct literals of_texts(const struct event_entry *e, struct literal_maker *m)
{
    struct literals l = literals_none("nothing that it asks is certain");

    if (e->starts.n)
        l = literals_and(m, l, literals_of(m, e->starts));
    if (e->has.n)
        l = literals_and(m, l, literals_of(m, e->has));
    if (e->captures.regex)
        l = literals_and(m, l, regex_literals(e->captures.regex, NULL, m));
    return l;
}

static int keep(struct arena *a, struct literals *l)
{
    struct slice *list = arena_array(a, l->n + 1, sizeof *list);
    struct literals *also = l->also ? arena_alloc(a, sizeof *also) : NULL;

    if (l->also && !also)
        return -1;
    if (also) {
        *also = *l->also; /* it has no such set of its own */
        l->also = also;
        if (keep(a, also) < 0)
            return -1;
    }

    if (!list)
        return -1;
    for (size_t i = 0; i < l->n; i++) {
        list[i] = arena_slice(a, l->list[i]);
        if (!list[i].p)
            return -1;
    }
    l->list = list;
    if (l->none && l->why)
        l->why = arena_str(a, slice_str(l->why));
    return 0;
}

static int sample_lines(struct format *f, struct arena *a)
{
    AUTO_BUF b = BUF_INIT;

    for (size_t i = 0; i < f->nsamples; i++) {
        buf_slice(&b, f->samples[i].line);
        buf_char(&b, '\0');
    }
    f->lines = (struct literal_sample){ literal_lower(a, buf_view(&b)), f->nsamples };
    return buf_ok(&b) && f->lines.text.p ? 0 : -1;
}

static bool has_level_group(const struct captures *c)
{
    for (size_t i = 1; i < c->n; i++)
        if (c->targets[i].kind == TARGET_LEVEL)
            return true;
    return false;
}

static bool has_level_alias(const struct format *f)
{
    for (size_t i = 0; i < f->naliases; i++)
        if (f->aliases[i] && f->aliases[i]->target.kind == TARGET_LEVEL)
            return true;
    return false;
}

int format_prepare(struct format *f, struct arena *a)
{
    struct arena *work = arena_new(1 << 16, 64 << 20);
    struct literal_maker m = { .arena = work, .sample = &f->lines, .failed = !work };

    m.failed = m.failed || sample_lines(f, a) < 0;
    f->tells_level = format_has_members(f) && has_level_alias(f);
    for (size_t i = 0; i < f->nlayouts; i++)
        f->tells_level = f->tells_level || has_level_group(&f->layouts[i].captures);
    for (size_t i = 0; i < f->nevents && !m.failed; i++) {
        struct event_entry *e = &f->events[i];

        arena_reset(work);
        e->literals = of_texts(e, &m);
        for (size_t j = 0; j < e->nconditions; j++)
            e->literals = literals_and(&m, e->literals, of_condition(f, &e->conditions[j], &m));
        m.failed = m.failed || keep(a, &e->literals) < 0;
    }
    arena_free(work);
    return m.failed ? -1 : 0;
}

/* ---- escapes that literals know nothing of ---- */

static bool unquotes(const struct captures *c)
{
    for (size_t i = 1; i < c->n; i++)
        if (c->targets[i].go_quoted)
            return true;
    return false;
}

bool format_hides(const struct format *f)
{
    for (size_t i = 0; i < f->nlayouts; i++)
        if (unquotes(&f->layouts[i].captures))
            return true;
    for (size_t i = 0; i < f->nevents; i++)
        if (unquotes(&f->events[i].captures))
            return true;
    for (size_t i = 0; i < f->naliases; i++)
        if (f->aliases[i] && f->aliases[i]->target.go_quoted)
            return true;
    return false;
}
