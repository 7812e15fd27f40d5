/* Events of channels that say `audit: all`, and alerts: who tried what, and what came of it. */
#include "reports/survey.h"

#include "base/clock.h"
#include "base/utf8.h"

static const struct {
    const char *action;
    enum event_class class;
} actions[] = {
    { "login_ok", CLASS_GOOD },
    { "login_failed", CLASS_FAILED },
    { "auth_blocked", CLASS_FAILED },
    { "cert_rejected", CLASS_FAILED },
    { "user_added", CLASS_ACCOUNT },
    { "user_changed", CLASS_ACCOUNT },
    { "user_removed", CLASS_ACCOUNT },
    { "account_locked", CLASS_ACCOUNT },
    { "priv_change", CLASS_PRIVILEGE },
    { "config_changed", CLASS_ADMIN },
    { "admin_action", CLASS_ADMIN },
    { "provision_ok", CLASS_PROVISIONED },
    { "provision_failed", CLASS_PROVISION_FAILED },
    { "ip_blocked", CLASS_BLOCKED },
    { "ip_limit", CLASS_BLOCKED },
    { "access_blocked", CLASS_BLOCKED },
};

enum event_class event_class_of(struct slice action)
{
    for (size_t i = 0; i < ARRAY_SIZE(actions); i++)
        if (slice_is(action, actions[i].action))
            return actions[i].class;
    return CLASS_OTHER;
}

static bool of_channel(const struct survey *e, struct slice channel)
{
    return !e->channel.n || slice_eq(channel, e->channel);
}

/* ---- an address or a user ---- */

static void touch(struct survey *e, struct ev_who *w, uint64_t us, struct slice channel)
{
    if (!w->first_us || us < w->first_us)
        w->first_us = us;
    if (us > w->last_us)
        w->last_us = us;
    if (!w->channel.n)
        w->channel = ev_keep(e, channel);
    else if (!slice_eq(w->channel, channel))
        w->channel = SLICE("several");
}

static void open_run(struct survey *e, struct ev_who *w, uint64_t index, uint64_t begin_us,
                     uint64_t us, uint64_t failures)
{
    struct ev_run *r = ev_run(e);

    if (!r)
        return;
    *r = (struct ev_run){
        .index = index, .begin_us = begin_us, .reached_us = us, .failures = failures, .key = w->key
    };
    w->run = (size_t)(r - e->runs) + 1;
}

/* So many failures within the time; one that comes while the run goes on belongs to it. */
static void failed(struct survey *e, struct ev_who *w, uint64_t index, uint64_t us)
{
    uint64_t newest = w->nfails ? w->fails[w->nfails - 1] : 0;

    if (w->run && us > newest + SURVEY_FAILS_US)
        w->run = 0;
    if (w->nfails == SURVEY_FAILS_MAX) {
        memmove(w->fails, w->fails + 1, (SURVEY_FAILS_MAX - 1) * sizeof *w->fails);
        w->nfails--;
    }
    w->fails[w->nfails++] = us;
    if (w->run)
        e->runs[w->run - 1].failures++;
    else if (w->nfails == SURVEY_FAILS_MAX && us - w->fails[0] <= SURVEY_FAILS_US)
        open_run(e, w, index, w->fails[0], us, w->nfails);
}

struct seen {
    uint64_t index, us;
    enum event_class class;
    struct slice channel;
};

static struct ev_who *take_source(struct survey *e, const struct ev_document *document,
                                  const struct seen *s)
{
    struct slice raw = document->field[EV_SOURCE], country = document->field[EV_COUNTRY];
    struct ev_who *w =
        raw.n ? ev_who(e, e->sources, line_text(raw, &e->text), &e->other_sources) : NULL;

    if (!w)
        return NULL;
    touch(e, w, s->us, s->channel);
    if (country.n && !w->country.n)
        w->country = ev_keep(e, slice_take(country, 2));
    return w;
}

static struct ev_who *take_user(struct survey *e, const struct ev_document *document,
                                const struct seen *s)
{
    struct slice raw = document->field[EV_USER];
    struct ev_who *w =
        raw.n ? ev_who(e, e->users, line_text(raw, &e->text), &e->other_users) : NULL;

    if (w)
        touch(e, w, s->us, s->channel);
    return w;
}

static void count_class(struct ev_who *w, const struct seen *s)
{
    w->class[s->class]++;
    if (s->class == CLASS_GOOD && s->us > w->good_us)
        w->good_us = s->us;
    ev_sample(&w->samples, s->index);
}

/* What an account or privilege event says: "user_added alice". */
static void describe(struct survey *e, struct ev_item *i, struct slice action,
                     const struct ev_document *document)
{
    AUTO_BUF b = BUF_INIT;
    struct slice target = SLICE("");

    i->who = ev_keep(e, line_text(document->field[EV_USER], &e->text));
    for (size_t k = EV_TARGET; k < EV_FIELDS && !target.n; k++)
        target = document->field[k];
    buf_slice(&b, action);
    if (target.n) {
        buf_str(&b, ": ");
        buf_slice(&b, utf8_cut(line_text(target, &e->text), 160));
    }
    e->failed = e->failed || !buf_ok(&b);
    i->what = ev_keep(e, buf_view(&b));
}

/* ---- events ---- */

static void look_inside(struct survey *e, const struct line_head *h, struct ev_fields *f,
                        const struct seen *s, struct slice action, struct ev_channel *c)
{
    static const enum ev_list lists[CLASSES] = {
        [CLASS_ACCOUNT] = LIST_ACCOUNT, [CLASS_PRIVILEGE] = LIST_ACCOUNT, [CLASS_ADMIN] = LIST_ADMIN
    };
    bool listed =
        s->class == CLASS_ACCOUNT || s->class == CLASS_PRIVILEGE || s->class == CLASS_ADMIN;
    struct ev_item *i = listed ? ev_list(e, lists[s->class], h) : NULL;
    struct ev_document document;
    struct ev_who *w;
    struct slice raw;
    bool erased;

    (void)fields_personal(f, "event", &raw, &erased);
    document_read(&document, line_text(raw, &e->doc));
    if (c && document.there) {
        c->opened++;
        c->with_source += document.field[EV_SOURCE].n > 0;
        c->with_user += document.field[EV_USER].n > 0;
    }
    if (i) {
        i->us = s->us;
        i->channel = ev_keep(e, s->channel);
        i->who = erased ? SLICE(SURVEY_ERASED) : SLICE("");
        if (document.there)
            describe(e, i, action, &document);
        else
            i->what = ev_keep(e, action);
    }
    w = document.there ? take_source(e, &document, s) : NULL;
    if (erased)
        w = ev_who(e, e->sources, SLICE(SURVEY_ERASED), &e->other_sources);
    if (w) {
        count_class(w, s);
        if (s->class == CLASS_FAILED && !erased)
            failed(e, w, s->index, s->us);
    }
    w = document.there ? take_user(e, &document, s) : NULL;
    if (w)
        count_class(w, s);
}

void survey_event(struct survey *e, const struct line_head *h, struct ev_fields *f)
{
    struct slice channel = fields_get(f, "channel"), action = fields_get(f, "action");
    struct seen s = { .index = h->index, .class = event_class_of(action), .channel = channel };
    struct ev_totals *t;
    struct ev_channel *c;

    if (time_parse_rfc3339(fields_get(f, "time"), &s.us) < 0)
        s.us = h->us;
    t = ev_slot(e, s.us);
    if (!t || !of_channel(e, channel))
        return;
    t->events++;
    t->class[s.class]++;
    if (t != &e->now)
        return;
    ev_add(e, SERIES_EVENTS, s.us, 1);
    if (s.class == CLASS_FAILED || s.class == CLASS_GOOD)
        ev_add(e, s.class == CLASS_GOOD ? SERIES_GOOD : SERIES_FAILED, s.us, 1);
    c = ev_channel(e, channel);
    if (c) {
        c->events++;
        c->class[s.class]++;
        if (!c->first_us || s.us < c->first_us)
            c->first_us = s.us;
        if (s.us > c->last_us)
            c->last_us = s.us;
    }
    if (s.class != CLASS_OTHER)
        look_inside(e, h, f, &s, action, c);
}

/* ---- alerts ---- */

/* The event that fired is the last one of an alert's. */
static struct slice last_event(struct slice events)
{
    struct slice rest = line_inside(events);
    struct line_member m, last = { .raw = SLICE_NONE };

    while (line_item(&rest, &m))
        last = m;
    return last.raw;
}

static struct ev_rule *rule_of(struct survey *e, struct ev_fields *f)
{
    struct slice id = fields_get(f, "rule");
    struct ev_rule *r = table_get(e->rules, id);

    if (r)
        return r;
    if (table_count(e->rules) >= SURVEY_NAMES_MAX) {
        e->other_rules++;
        return NULL;
    }
    r = arena_alloc(e->arena, sizeof *r);
    if (!r || table_put(e->rules, id, r) < 0) {
        e->failed = true;
        return NULL;
    }
    *r = (struct ev_rule){ .id = ev_keep(e, id),
                           .title = ev_keep(e, line_text(fields_get(f, "title"), &e->text)),
                           .channel = ev_keep(e, fields_get(f, "channel")) };
    return r;
}

static void follow(struct survey *e, const struct line_head *h, struct slice id, enum level level,
                   struct ev_who *source)
{
    struct ev_told *told;

    if (!id.n || table_get(e->told, id))
        return;
    if (table_count(e->told) >= SURVEY_IDS_MAX) {
        e->other_told++;
        return;
    }
    told = arena_alloc(e->arena, sizeof *told);
    if (!told || table_put(e->told, id, told) < 0) {
        e->failed = true;
        return;
    }
    *told = (struct ev_told){ .recorded_us = h->us, .level = level, .source = source };
}

/* Whose doing it was: an address or a user of the group or of the event that fired. */
static struct ev_who *blame(struct survey *e, const struct line_head *h, struct ev_fields *f,
                            struct seen *s, uint64_t count)
{
    struct ev_document document;
    struct ev_channel *c = ev_channel(e, s->channel);
    struct ev_who *w, *source;
    struct slice raw;
    bool erased;

    (void)fields_personal(f, "events", &raw, &erased);
    document_read(&document, last_event(line_text(raw, &e->doc)));
    s->class = event_class_of(document.field[EV_ACTION]);
    if (c) {
        c->alerts++;
        c->alerts_failed += s->class == CLASS_FAILED;
        c->events_failed += s->class == CLASS_FAILED ? count : 0;
    }
    w = document.there ? take_source(e, &document, s) : NULL;
    if (erased)
        w = ev_who(e, e->sources, SLICE(SURVEY_ERASED), &e->other_sources);
    if (w) {
        w->alerts++;
        ev_sample(&w->samples, h->index);
        if (s->class == CLASS_FAILED && count >= SURVEY_FAILS_MAX && !w->run && !erased)
            open_run(e, w, h->index, s->us, s->us, count);
    }
    source = w;
    w = document.there ? take_user(e, &document, s) : NULL;
    if (w) {
        w->alerts++;
        ev_sample(&w->samples, h->index);
    }
    return source;
}

/* Recorded in one period about another: both sides are said. */
static void count_late(struct survey *e, const struct line_head *h, uint64_t us)
{
    bool recorded = h->us >= e->from_us && h->us < e->to_us;
    bool happened = us >= e->from_us && us < e->to_us;

    e->earlier += recorded && us < e->from_us;
    e->later += happened && !recorded;
}

void survey_alert(struct survey *e, const struct line_head *h, struct ev_fields *f)
{
    struct seen s = { .index = h->index, .channel = fields_get(f, "channel") };
    uint64_t count = line_u64(fields_get(f, "count"));
    enum level level = LEVEL_INFORMATIONAL;
    struct ev_who *source;
    struct ev_totals *t;
    struct ev_rule *r;

    if (time_parse_rfc3339(fields_get(f, "time"), &s.us) < 0)
        s.us = h->us;
    (void)level_parse(fields_get(f, "level"), &level);
    if (!of_channel(e, s.channel))
        return;
    count_late(e, h, s.us);
    t = ev_slot(e, s.us);
    if (!t)
        return;
    t->alerts++;
    t->level[level]++;
    r = rule_of(e, f);
    if (r) {
        *(t == &e->now ? &r->n : &r->before) += 1;
        r->level = level;
    }
    if (t != &e->now)
        return;
    if (r) {
        r->events += count;
        r->first_us = r->first_us ? r->first_us : s.us;
        r->last_us = s.us > r->last_us ? s.us : r->last_us;
        ev_sample(&r->samples, h->index);
    }
    ev_add(e, SERIES_ALERTS, s.us, 1);
    source = blame(e, h, f, &s, count);
    follow(e, h, fields_get(f, "id"), level, source);
}
