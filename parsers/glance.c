/*
 * Which part of an event a glance reads: made once of what somebody may ask, run.c reads by it.
 *
 * All of a field is read or nothing of it, whichever way it comes: so each answer about a field
 * that is read is that of the whole event. What others depend on is read as well: the time, the
 * message, what tells that failed logins can be seen, the address that places are looked up for.
 *
 * Entries are where most of the work is. One counts when it could say something that is asked for:
 * it fills such a field, with a value that could make a difference. Of constants the value is
 * known, of groups like 5\d\d all that there are. When no entry that counts fits, what the others
 * say is nothing to anybody; when one does, the first that fits is looked for as always. What the
 * conditions of entries ask is read for that.
 */
#include <errno.h>

#include "parsers/filter.h"
#include "parsers/format.h"

#define VALUES_MAX 1000 /* of a group */
#define VALUE_MAX 16

struct making {
    const struct format *f;
    const struct glance_ask *ask;
    struct glance *g;
};

static bool asks(const struct making *m, uint32_t id)
{
    return m->ask->field(m->ask->ctx, id);
}

static bool asks_value(const struct making *m, uint32_t id, struct slice value)
{
    return asks(m, id) && m->ask->value(m->ask->ctx, id, value);
}

static void add_field(struct making *m, uint32_t id)
{
    if (id < m->g->nnames)
        m->g->fields[id / 64] |= UINT64_C(1) << id % 64;
    else
        m->g->unsure = true; /* a name without a number */
}

/* ---- the values of a group ---- */

/* Each place of an alternative: which characters can stand there. */
struct place {
    char chars[64];
    size_t n;
};

static bool put_range(struct place *p, char from, char to)
{
    for (int c = from; c <= to; c++) {
        if (p->n == sizeof p->chars)
            return false;
        p->chars[p->n++] = (char)c;
    }
    return true;
}

static bool is_word(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
}

/* "[1-4]", "[AB]"; bytes taken, 0: something else. */
static size_t read_class(struct slice s, struct place *p)
{
    size_t i = 1;

    while (i < s.n && is_word(s.p[i])) {
        bool range = i + 2 < s.n && s.p[i + 1] == '-' && is_word(s.p[i + 2]);

        if (!put_range(p, s.p[i], range ? s.p[i + 2] : s.p[i]))
            return 0;
        i += range ? 3 : 1;
    }
    return i > 1 && i < s.n && s.p[i] == ']' ? i + 1 : 0;
}

static size_t read_place(struct slice s, struct place *p)
{
    p->n = 0;
    if (is_word(s.p[0]))
        return put_range(p, s.p[0], s.p[0]) ? 1 : 0;
    if (s.n >= 2 && s.p[0] == '\\' && s.p[1] == 'd')
        return put_range(p, '0', '9') ? 2 : 0;
    return s.p[0] == '[' ? read_class(s, p) : 0;
}

/* Its content, without what is around it; p NULL: it is not a plain one. */
static struct slice group_content(const struct captures *c, size_t group)
{
    unsigned flags;
    struct slice pattern = regex_pattern(c->regex, &flags), rest = pattern;
    const char *name = regex_group_name(c->regex, group);
    size_t at;

    if (!name || c->needs.n == 0 || (flags & REGEX_NOCASE)) /* not understood, or any case */
        return SLICE_NONE;
    while ((at = slice_find(rest, SLICE("(?<"))) != SIZE_MAX) {
        size_t n = strlen(name);

        rest = slice_skip(rest, at + 3);
        if (rest.n > n && memcmp(rest.p, name, n) == 0 && rest.p[n] == '>') {
            rest = slice_skip(rest, n + 1);
            at = slice_find_byte(rest, ')');
            return at == SIZE_MAX ? SLICE_NONE : slice_take(rest, at);
        }
    }
    return SLICE_NONE;
}

/* Every value of one alternative is asked about, like the numbers of a counter. */
static bool some_value_asked(const struct making *m, uint32_t id, const struct place *places,
                             size_t n)
{
    size_t digits[VALUE_MAX] = { 0 }, all = 1;

    for (size_t i = 0; i < n; i++)
        all *= places[i].n;
    for (size_t v = 0; v < all; v++) {
        char text[VALUE_MAX];

        for (size_t i = 0; i < n; i++)
            text[i] = places[i].chars[digits[i]];
        if (asks_value(m, id, slice_of(text, n)))
            return true;
        for (size_t i = n; i-- > 0 && ++digits[i] == places[i].n;)
            digits[i] = 0;
    }
    return false;
}

static bool alternative_asked(const struct making *m, uint32_t id, struct slice s, size_t *budget)
{
    struct place places[VALUE_MAX];
    size_t n = 0, all = 1;

    while (s.n) {
        size_t used = n < VALUE_MAX ? read_place(s, &places[n]) : 0;

        all *= used ? places[n].n : VALUES_MAX + 1;
        if (all > *budget)
            return true; /* not known, or too many */
        s = slice_skip(s, used);
        n++;
    }
    *budget -= all;
    return n == 0 || some_value_asked(m, id, places, n);
}

static bool group_asked(const struct making *m, const struct captures *c, size_t group)
{
    const struct target *t = &c->targets[group];
    struct slice content = group_content(c, group), part;
    size_t budget = VALUES_MAX;

    if (!asks(m, t->field))
        return false;
    if (!content.p || t->go_quoted)
        return true;
    while (slice_split(&content, '|', &part))
        if (alternative_asked(m, t->field, part, &budget))
            return true;
    return false;
}

/* ---- entries ---- */

static bool target_asked(const struct making *m, const struct captures *c, size_t group)
{
    switch (c->targets[group].kind) {
    case TARGET_FIELD:
        return group_asked(m, c, group);
    case TARGET_LEVEL:
        return asks(m, FIELD_LOG_LEVEL);
    case TARGET_ADDRESS:
    case TARGET_ADDRESS6:
        return m->g->address;
    case TARGET_SECRET: /* the message is another one then */
        return asks(m, FIELD_MESSAGE);
    case TARGET_TIME:
    case TARGET_JSON:
        return true;
    case TARGET_MESSAGE: /* there is one already */
    case TARGET_IGNORE:
        break;
    }
    return false;
}

static bool action_asked(const struct making *m, const struct event_entry *e)
{
    const struct action *known = e->known;

    if (e->action.n == 0 || !known)
        return e->action.n > 0;
    return asks_value(m, FIELD_EVENT_ACTION, e->action) ||
           asks_value(m, FIELD_EVENT_CATEGORY,
                      e->category.n ? e->category : slice_str(known->category)) ||
           asks_value(m, FIELD_EVENT_OUTCOME,
                      e->outcome.n ? e->outcome : slice_str(known->outcome));
}

static bool entry_asked(const struct making *m, const struct event_entry *e)
{
    if (action_asked(m, e) || (e->forgeable && asks(m, FIELD_TRAILWARDEN_TRUST)) ||
        (e->duplicate && asks(m, FIELD_TRAILWARDEN_DUPLICATE)))
        return true;
    for (size_t i = 0; i < e->nconstants; i++)
        if (asks_value(m, e->constants[i].field, e->constants[i].value))
            return true;
    for (size_t i = 1; e->captures.regex && i < e->captures.n; i++)
        if (target_asked(m, &e->captures, i))
            return true;
    return false;
}

/* What entries up to the last one that counts ask of the event before them. */
static void add_entries(struct making *m)
{
    const struct format *f = m->f;
    size_t end = 0;

    for (size_t i = 0; i < f->nevents; i++)
        if (entry_asked(m, &f->events[i])) {
            m->g->entries[i / 64] |= UINT64_C(1) << i % 64;
            end = i + 1;
        }
    m->g->nentries = end;
    for (size_t i = 0; i < end; i++)
        for (size_t j = 0; j < f->events[i].nconditions; j++)
            add_field(m, f->events[i].conditions[j].field);
}

/* ---- members ---- */

static bool has_field(const struct glance *g, uint32_t id)
{
    return g->fields[id / 64] >> id % 64 & 1;
}

static bool alias_counts(const struct glance *g, const struct target *t)
{
    switch (t->kind) {
    case TARGET_FIELD:
        return t->field >= g->nnames || has_field(g, t->field);
    case TARGET_LEVEL:
        return has_field(g, FIELD_LOG_LEVEL);
    case TARGET_ADDRESS:
    case TARGET_ADDRESS6:
        return g->address;
    case TARGET_TIME:
    case TARGET_MESSAGE:
    case TARGET_SECRET:
        return true;
    case TARGET_JSON:
    case TARGET_IGNORE:
        break;
    }
    return false;
}

static void add_members(struct making *m)
{
    struct glance *g = m->g;

    memcpy(g->members, g->fields, (g->nnames / 64 + 1) * sizeof *g->members);
    for (size_t i = 0; i < m->f->naliases && i < g->nnames; i++)
        if (m->f->aliases[i] && alias_counts(g, &m->f->aliases[i]->target))
            g->members[i / 64] |= UINT64_C(1) << i % 64;
}

/* ---- the whole ---- */

/* More than an entry and what stands behind it can add to an event. */
static size_t most_fields(const struct format *f)
{
    size_t constants = 0;

    for (size_t i = 0; i < f->nevents; i++)
        constants = f->events[i].nconstants > constants ? f->events[i].nconstants : constants;
    return 3 * (size_t)GROUPS_MAX + constants + 32;
}

static bool has_any(const struct glance *g, const enum field_id *ids, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (has_field(g, ids[i]))
            return true;
    return false;
}

/* set_sender() and add_common() of run.c: once conditions are known. */
static void note_common(struct glance *g)
{
    static const enum field_id common[] = {
        FIELD_HOST_NAME,   FIELD_PROCESS_NAME,         FIELD_LOG_SOURCE_ADDRESS, FIELD_LOG_LEVEL,
        FIELD_MESSAGE,     FIELD_EVENT_MODULE,         FIELD_TRAILWARDEN_FORMAT, FIELD_SERVICE_NAME,
        FIELD_PROCESS_PID, FIELD_TRAILWARDEN_UNPARSED, FIELD_TRAILWARDEN_TRUST,
    };

    g->common = has_any(g, common, ARRAY_SIZE(common));
}

static void add_fields(struct making *m)
{
    /* How an address stands there is part of the trust. */
    static const enum field_id address[] = { FIELD_SOURCE_ADDRESS, FIELD_SOURCE_IP,
                                             FIELD_SOURCE_PORT, FIELD_TRAILWARDEN_TRUST };

    for (uint32_t id = 0; id < m->g->nnames; id++) {
        if (!asks(m, id))
            continue;
        add_field(m, id);
        m->g->places = m->g->places || enrich_gives(id);
    }
    if (m->g->places)
        add_field(m, FIELD_SOURCE_IP);
    m->g->address = has_any(m->g, address, ARRAY_SIZE(address));
}

/* What the format itself asks comes on top: can failed logins be seen? */
struct asking_marks {
    const struct format *f;
    const struct glance_ask *ask;
};

static bool mark_field(const void *ctx, uint32_t id)
{
    const struct asking_marks *a = ctx;

    return (a->f->login_marks && (id == FIELD_EVENT_ACTION || id == FIELD_LOG_LEVEL)) ||
           a->ask->field(a->ask->ctx, id);
}

static bool mark_value(const void *ctx, uint32_t id, struct slice value)
{
    const struct asking_marks *a = ctx;

    for (size_t i = 0; a->f->login_marks && id == FIELD_EVENT_ACTION && a->f->login_marks[i]; i++)
        if (slice_is(value, a->f->login_marks[i]))
            return true;
    return (a->f->login_marks && id == FIELD_LOG_LEVEL) ||
           (a->ask->field(a->ask->ctx, id) && a->ask->value(a->ask->ctx, id, value));
}

static struct glance *room(const struct format *f, struct arena *a)
{
    struct glance *g = arena_alloc(a, sizeof *g);

    if (!g)
        return NULL;
    g->nnames = field_count(f->names);
    g->fields = arena_array(a, g->nnames / 64 + 1, sizeof *g->fields);
    g->members = arena_array(a, g->nnames / 64 + 1, sizeof *g->members);
    g->entries = arena_array(a, f->nevents / 64 + 1, sizeof *g->entries);
    return g->fields && g->members && g->entries ? g : NULL;
}

const struct glance *glance_new(const struct format *f, const struct glance_ask *ask,
                                struct arena *a)
{
    struct asking_marks marks = { f, ask };
    const struct glance_ask all = { mark_field, mark_value, &marks };
    struct making m = { .f = f, .ask = &all, .g = room(f, a) };

    if (f->filter)
        return m.g && filter_only_failures(f, ask) ? m.g : NULL;
    if (!m.g)
        return NULL;
    add_fields(&m);
    add_entries(&m);
    add_members(&m);
    note_common(m.g);
    m.g->most = most_fields(f);
    return m.g->unsure ? NULL : m.g;
}

bool glance_asks_places(const struct glance *g)
{
    return g->places;
}
