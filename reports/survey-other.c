/* Bans, messages, acts, faults and what befell the trail itself. */
#include "reports/survey.h"

#include <errno.h>

#include "base/clock.h"
#include "base/utf8.h"

static void set_what(struct survey *e, struct ev_item *i, struct ev_fields *f,
                     const char *const *names)
{
    AUTO_BUF b = BUF_INIT;

    for (; i && *names; names++) {
        struct slice raw = fields_get(f, *names);

        if (!raw.n)
            continue;
        if (b.n)
            buf_str(&b, ", ");
        buf_str(&b, *names);
        buf_char(&b, ' ');
        buf_slice(&b, utf8_cut(line_text(raw, &e->text), 160));
    }
    if (!i)
        return;
    e->failed = e->failed || !buf_ok(&b);
    i->what = ev_keep(e, buf_view(&b));
}

/* ---- bans ---- */

/* The run of failures of that address ended with it. */
static void answer_run(struct survey *e, struct ev_who *w, uint64_t us)
{
    struct ev_run *r = w->run ? &e->runs[w->run - 1] : NULL;

    if (r && !r->banned_us)
        r->banned_us = us;
}

/*
 * Who it is: the address, without ports; for a network (of IPv6) who the alert was about. An
 * address that nothing else told of is new.
 */
static struct ev_who *banned_source(struct survey *e, struct ev_fields *f, struct slice raw)
{
    struct slice text = line_text(raw, &e->text);
    size_t blank = slice_find_byte(text, ' ');
    struct ev_told *told = table_get(e->told, fields_get(f, "id"));

    text = slice_take(text, blank == SIZE_MAX ? text.n : blank);
    if (told && told->source && !table_get(e->sources, text))
        return told->source;
    return text.n ? ev_who(e, e->sources, text, &e->other_sources) : NULL;
}

static struct slice banned_address(struct ev_fields *f, bool *ret_erased)
{
    static const char *const names[] = { "address", "target", "source.ip" };
    struct slice raw = SLICE("");
    bool erased = false;

    *ret_erased = false;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (fields_personal(f, names[i], &raw, &erased))
            return raw;
        *ret_erased = *ret_erased || erased;
    }
    return SLICE("");
}

/* What an entry about a ban says that became of it. */
enum ban_fate {
    FATE_NONE,
    FATE_BANNED,
    FATE_PRETENDED, /* a dry run */
    FATE_FAILED,
    FATE_SKIPPED,
    FATE_UNBANNED,
    FATE_ENDED,
};

/* An order of the book only says how it went: its ban is an entry of its own. */
static enum ban_fate fate_of_order(struct ev_fields *f)
{
    struct slice state = fields_get(f, "state"), id = fields_get(f, "id");

    if (slice_is(state, "dead"))
        return FATE_FAILED;
    if (fields_get(f, "ban").n || !slice_is(state, "sent"))
        return FATE_NONE;
    return slice_find(id, SLICE("-unban-")) == SIZE_MAX ? FATE_BANNED : FATE_UNBANNED;
}

static enum ban_fate fate_of(const struct line_head *h, struct ev_fields *f)
{
    static const struct {
        const char *type;
        enum ban_fate fate;
    } fates[] = { { "ban.add", FATE_BANNED },
                  { "ban.end", FATE_ENDED },
                  { "ban.remove", FATE_UNBANNED },
                  { "ban.skipped", FATE_SKIPPED } };

    if (slice_is(h->type, "ban.order"))
        return fate_of_order(f);
    for (size_t i = 0; i < ARRAY_SIZE(fates); i++)
        if (slice_is(h->type, fates[i].type))
            return fates[i].fate == FATE_BANNED && slice_is(fields_get(f, "dry_run"), "true")
                       ? FATE_PRETENDED
                       : fates[i].fate;
    return FATE_NONE;
}

static void count_ban(struct ev_totals *t, enum ban_fate fate)
{
    t->banned += fate == FATE_BANNED;
    t->unbanned += fate == FATE_UNBANNED;
    t->ban_failed += fate == FATE_FAILED;
    t->ban_skipped += fate == FATE_SKIPPED;
    t->ban_ended += fate == FATE_ENDED;
    t->ban_dry += fate == FATE_PRETENDED;
}

void survey_ban(struct survey *e, const struct line_head *h, struct ev_fields *f)
{
    static const char *const words[] = { "verb",  "state",  "status", "reason",  "origin",
                                         "until", "held_s", "times",  "dry_run", NULL };
    struct ev_totals *t = ev_slot(e, h->us);
    enum ban_fate fate = fate_of(h, f);
    struct slice address;
    struct ev_item *i;
    struct ev_who *w;
    bool erased;

    if (!t)
        return;
    count_ban(t, fate);
    if (t != &e->now)
        return;
    address = banned_address(f, &erased);
    i = ev_list(e, LIST_BAN, h);
    if (i)
        i->who = address.n ? ev_keep(e, line_text(address, &e->text))
                 : erased  ? SLICE(SURVEY_ERASED)
                           : SLICE("");
    set_what(e, i, f, words);
    if (fate == FATE_BANNED)
        ev_add(e, SERIES_BANS, h->us, 1);
    w = fate == FATE_BANNED ? banned_source(e, f, address) : NULL;
    if (!w)
        return;
    w->bans++;
    w->last_us = w->last_us ? w->last_us : h->us;
    w->first_us = w->first_us ? w->first_us : h->us;
    ev_sample(&w->samples, h->index);
    answer_run(e, w, h->us);
}

/* ---- messages ---- */

static struct ev_receiver *receiver_of(struct survey *e, struct slice name)
{
    struct ev_receiver *r = table_get(e->receivers, name);

    if (r || !name.n || table_count(e->receivers) >= SURVEY_NAMES_MAX)
        return r;
    r = arena_alloc(e->arena, sizeof *r);
    if (!r || table_put(e->receivers, name, r) < 0) {
        e->failed = true;
        return NULL;
    }
    r->name = ev_keep(e, line_text(name, &e->text));
    return r;
}

static void on_delivery(struct survey *e, const struct line_head *h, struct ev_fields *f,
                        struct ev_totals *t)
{
    struct slice state = fields_get(f, "state");
    struct ev_receiver *r = t == &e->now ? receiver_of(e, fields_get(f, "receiver")) : NULL;
    struct ev_told *told = table_get(e->told, slice_take(fields_get(f, "id"), 32));
    bool sent = slice_is(state, "sent"), dead = slice_is(state, "dead");

    t->sent += sent;
    t->dead += dead;
    t->retried += slice_is(state, "retry");
    if (sent && told && !told->told_us)
        told->told_us = h->us;
    if (!r)
        return;
    r->sent += sent;
    r->dead += dead;
    r->retried += slice_is(state, "retry");
    if (sent)
        r->last_sent_us = h->us;
}

/* ---- people ---- */

/* Who asked for it: a personal value. */
static void set_who(struct survey *e, struct ev_item *i, struct ev_fields *f)
{
    struct slice raw;
    bool erased;

    if (!i)
        return;
    if (fields_personal(f, "user.name", &raw, &erased))
        i->who = ev_keep(e, line_text(raw, &e->text));
    else if (erased)
        i->who = SLICE(SURVEY_ERASED);
}

static void on_report(struct survey *e, const struct line_head *h, struct ev_fields *f,
                      struct ev_totals *t)
{
    static const char *const words[] = { "kind", "from", "to", "form", "digest", NULL };
    struct ev_item *i = t == &e->now ? ev_list(e, LIST_ACCESS, h) : NULL;

    if (slice_is(h->type, "report.made"))
        t->reports++;
    else
        t->reads++;
    set_what(e, i, f, words);
    set_who(e, i, f);
}

/* That a report was made or verified is an entry of its own: its act is not counted again. */
static void on_act(struct survey *e, const struct line_head *h, struct ev_fields *f,
                   struct ev_totals *t)
{
    static const char *const words[] = { "act", "via", "state", "rule", "number", NULL };
    struct slice act = fields_get(f, "act");
    bool done = slice_is(fields_get(f, "done"), "true");
    struct ev_told *told = table_get(e->told, fields_get(f, "id"));
    struct ev_item *i;

    if (slice_starts(act, SLICE("report.")))
        return;
    t->acts++;
    ev_add(e, SERIES_ACTS, h->us, 1);
    t->refused_acts += !done;
    if (done && (slice_is(act, "ack") || slice_is(act, "close"))) {
        t->acked++;
        if (told && !told->acked_us)
            told->acked_us = h->us;
    }
    i = t == &e->now ? ev_list(e, LIST_ACT, h) : NULL;
    set_what(e, i, f, words);
    set_who(e, i, f);
}

/* ---- what could not be seen ---- */

static const struct {
    const char *begins, *ends; /* ends NULL: a moment */
} trouble_kinds[] = {
    { "input.failed", "input.recovered" },
    { "source.silent", "source.spoke" },
    { "source.behind", "source.caught_up" },
    { "source.unparsed", "source.parsed" },
    { "source.missing", "source.readable" },
    { "source.unreadable", "source.readable" },
    { "disk.full", "disk.room" },
    { "forward.failed", "forward.recovered" },
    { "forward.dead", NULL },
    { "source.blind", NULL },
    { "source.gap", NULL },
    { "source.suppressed", NULL },
    { "source.truncated", NULL },
    { "source.lost", NULL },
    { "source.dropped", NULL },
    { "source.limit", NULL },
    { "source.long_line", NULL },
    { "rule.rests", NULL },
    { "windows.evicted", NULL },
};

static struct slice trouble_key(struct survey *e, struct slice input, size_t kind)
{
    buf_reset(&e->doc2);
    buf_u64(&e->doc2, kind);
    buf_char(&e->doc2, ' ');
    buf_slice(&e->doc2, input);
    return buf_view(&e->doc2);
}

static void begin_trouble(struct survey *e, const struct line_head *h, struct slice input,
                          size_t kind)
{
    struct slice key = trouble_key(e, input, kind);
    struct ev_trouble *t;

    if (trouble_kinds[kind].ends ? table_get(e->open, key) != NULL : h->us < e->from_us)
        return; /* it lasts already, or is of the period before */
    t = ev_trouble(e);
    if (!t)
        return;
    *t = (struct ev_trouble){ .index = h->index,
                              .from_us = h->us,
                              .input = ev_keep(e, line_text(input, &e->text)),
                              .kind = slice_str(trouble_kinds[kind].begins),
                              .lasts = trouble_kinds[kind].ends != NULL };
    /* The array may move: its place is kept, and 1 more, for NULL is no value. */
    if (t->lasts && table_put(e->open, key, (void *)(t - e->troubles + 1)) == -ENOMEM)
        e->failed = true;
}

/* Also those of the period before: one that lasts is of this period, too. */
static void on_trouble(struct survey *e, const struct line_head *h, struct ev_fields *f,
                       struct ev_totals *t)
{
    struct slice input = fields_get(f, fields_get(f, "input").n ? "input" : "receiver");

    for (size_t i = 0; i < ARRAY_SIZE(trouble_kinds); i++) {
        uintptr_t at;

        if (slice_is(h->type, trouble_kinds[i].begins)) {
            t->troubles++;
            begin_trouble(e, h, input, i);
        }
        if (!trouble_kinds[i].ends || !slice_is(h->type, trouble_kinds[i].ends))
            continue;
        at = (uintptr_t)table_remove(e->open, trouble_key(e, input, i));
        if (at)
            e->troubles[at - 1].until_us = h->us;
    }
}

/* ---- the daemon and its trail ---- */

static void on_daemon(struct survey *e, const struct line_head *h, struct ev_fields *f,
                      struct ev_totals *t)
{
    bool reload = slice_is(h->type, "daemon.reload");

    if (fields_get(f, "config_sha256").n) {
        e->config_digest = ev_keep(e, fields_get(f, "config_sha256"));
        e->rules_digest = ev_keep(e, fields_get(f, "rules_sha256"));
        e->version = ev_keep(e, line_text(fields_get(f, "version"), &e->text));
    }
    if (!t)
        return;
    t->starts += slice_is(h->type, "daemon.start") || slice_is(h->type, "daemon.restart");
    t->stops += slice_is(h->type, "daemon.stop");
    t->reloads += reload;
    t->unclean += slice_is(fields_get(f, "unclean"), "true");
}

enum counter {
    COUNT_NONE,
    COUNT_ENDS,
    COUNT_REFUSED,
    COUNT_VERIFIED,
    COUNT_ANCHORED,
    COUNT_DENIED,
    COUNT_EPOCHS,
    COUNT_BEATS,
    COUNT_CLOCK,
    COUNT_ERASED,
    COUNT_PRUNED,
    COUNT_FULL
};

static const struct {
    const char *type; /* ends with a point: all that begin so */
    enum ev_list list; /* LISTS: in none */
    enum counter counter;
} types[] = {
    { "heartbeat", LISTS, COUNT_BEATS },
    { "daemon.", LIST_FAILURE, COUNT_NONE },
    { "role.ended", LIST_FAILURE, COUNT_ENDS },
    { "config.refused", LIST_ADMIN, COUNT_REFUSED },
    { "disk.", LIST_FAILURE, COUNT_FULL },
    { "windows.evicted", LIST_FAILURE, COUNT_NONE },
    { "forward.", LIST_FAILURE, COUNT_NONE },
    { "clock.step", LIST_CLOCK, COUNT_CLOCK },
    { "trail.prune", LIST_KEEP, COUNT_PRUNED },
    { "trail.verify", LIST_TRAIL, COUNT_VERIFIED },
    { "trail.anchor", LIST_TRAIL, COUNT_ANCHORED },
    { "trail.contradicted", LIST_TRAIL, COUNT_DENIED },
    { "trail.", LIST_TRAIL, COUNT_NONE },
    { "key.epoch", LISTS, COUNT_EPOCHS },
    { "pii.erase", LIST_ERASE, COUNT_ERASED },
    { "state.", LIST_ADMIN, COUNT_NONE },
};

static uint64_t *counter_of(struct ev_totals *t, enum counter c)
{
    uint64_t *const counters[] = {
        [COUNT_ENDS] = &t->role_ends,      [COUNT_REFUSED] = &t->config_refused,
        [COUNT_VERIFIED] = &t->verified,   [COUNT_ANCHORED] = &t->anchored,
        [COUNT_DENIED] = &t->contradicted, [COUNT_EPOCHS] = &t->epochs,
        [COUNT_BEATS] = &t->heartbeats,    [COUNT_CLOCK] = &t->clock_steps,
        [COUNT_ERASED] = &t->erased,       [COUNT_PRUNED] = &t->prunes,
        [COUNT_FULL] = &t->disk_full
    };

    return c < ARRAY_SIZE(counters) ? counters[c] : NULL;
}

static bool is_type(struct slice type, const char *pattern)
{
    struct slice p = slice_str(pattern);

    return p.p[p.n - 1] == '.' ? slice_starts(type, p) : slice_eq(type, p);
}

static void by_table(struct survey *e, const struct line_head *h, struct ev_fields *f,
                     struct ev_totals *t)
{
    static const char *const words[] = { "version",  "unclean",   "role",    "why",     "error",
                                         "reason",   "min",       "size",    "seconds", "how",
                                         "receiver", "anchor",    "state",   "status",  "by",
                                         "from",     "true_time", "step_us", "input",   "stream",
                                         NULL };

    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        uint64_t *counter = counter_of(t, types[i].counter);

        if (!is_type(h->type, types[i].type))
            continue;
        if (counter)
            ++*counter;
        if (t == &e->now && types[i].list != LISTS)
            set_what(e, ev_list(e, types[i].list, h), f, words);
        return;
    }
}

void survey_other(struct survey *e, const struct line_head *h, struct ev_fields *f)
{
    struct ev_totals *t = ev_slot(e, h->us);

    if (slice_starts(h->type, SLICE("daemon.")))
        on_daemon(e, h, f, t);
    if (!t)
        return;
    if (slice_is(h->type, "delivery")) {
        on_delivery(e, h, f, t);
    } else if (slice_is(h->type, "act")) {
        on_act(e, h, f, t);
    } else if (slice_is(h->type, "report.made") || slice_is(h->type, "report.read")) {
        on_report(e, h, f, t);
    } else {
        on_trouble(e, h, f, t);
        by_table(e, h, f, t);
    }
}
