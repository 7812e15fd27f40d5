/* Evidence as tables: logins, sources, alerts, bans, messages. */
#include "reports/making.h"

#include <errno.h>

#include "base/clock.h"

#define ARRAY(columns) (columns), ARRAY_SIZE(columns)

static uint64_t weigh_source(const void *v)
{
    const struct ev_who *w = v;

    return w->class[CLASS_FAILED] * 4 + w->alerts * 4 + w->bans * 8 + w->class[CLASS_GOOD];
}

static uint64_t weigh_rule(const void *v)
{
    const struct ev_rule *r = v;

    return r->n * LEVELS + (uint64_t)r->level;
}

/* A table's values, in order; empty and the document failed when memory is out. */
static void **sorted(struct making *m, const struct table *t, survey_weight w, size_t *ret_n)
{
    void **list = survey_sorted(m->arena, t, w, ret_n);

    m->doc.failed = m->doc.failed || !list;
    *ret_n = list ? *ret_n : 0;
    return list;
}

static void samples(struct making *m, const struct ev_samples *s)
{
    for (unsigned i = 0; i < s->n; i++)
        doc_sample(&m->doc, s->index[i]);
}

bool records_events(const struct making *m)
{
    return m->survey.now.events > 0 || m->survey.before.events > 0;
}

/* ---- E1 ---- */

void show_logins(struct making *m)
{
    static const struct doc_column columns[] = {
        { "channel", "Channel", REPORT_LEFT },
        { "good", "Good", REPORT_RIGHT },
        { "failed", "Failed", REPORT_RIGHT },
        { "alerts", "Alerts about failures", REPORT_RIGHT },
        { "alerted", "Failures in them, at most", REPORT_RIGHT },
        { "first", "First", REPORT_LEFT },
        { "last", "Last", REPORT_LEFT },
        { "known", "How it is known", REPORT_LEFT },
    };
    struct doc *d = &m->doc;
    size_t n;
    void **list = sorted(m, m->survey.channels, NULL, &n);

    doc_table(d, "logins", "Logins by channel",
              "Each login is an entry only in channels that say `audit: all`; of the others only "
              "what led to alerts is known, and one failure may be in several alerts.",
              ARRAY(columns));
    for (size_t i = 0; i < n; i++) {
        const struct ev_channel *c = list[i];

        doc_row(d);
        doc_cell(d, c->name);
        for (unsigned k = CLASS_GOOD; k <= CLASS_FAILED; k++) {
            if (c->events)
                doc_cell_count(d, c->class[k]);
            else
                doc_cell_none(d);
        }
        doc_cell_count(d, c->alerts_failed);
        doc_cell_count(d, c->events_failed);
        doc_cell_time(d, c->first_us);
        doc_cell_time(d, c->last_us);
        doc_cell_tone(d, c->events ? SLICE("each event") : SLICE("alerts only"),
                      c->events ? TONE_GOOD : TONE_QUIET);
    }
    doc_rows_left(d, m->survey.other_channels);
}

/* What was done about an address. */
static struct slice done_about(const struct making *m, const struct ev_who *w,
                               enum report_tone *ret_tone)
{
    *ret_tone = TONE_NONE;
    if (w->bans) {
        *ret_tone = TONE_GOOD;
        return SLICE("banned");
    }
    if (w->run && !m->survey.runs[w->run - 1].banned_us) {
        *ret_tone = TONE_ATTENTION;
        return SLICE("not banned");
    }
    return w->alerts ? SLICE("alert") : SLICE("");
}

void show_sources(struct making *m, size_t max)
{
    static const struct doc_column columns[] = {
        { "source", "Address", REPORT_LEFT },  { "country", "Country", REPORT_LEFT },
        { "channel", "Channel", REPORT_LEFT }, { "failed", "Failed", REPORT_RIGHT },
        { "good", "Good", REPORT_RIGHT },      { "alerts", "Alerts", REPORT_RIGHT },
        { "bans", "Bans", REPORT_RIGHT },      { "done", "What was done", REPORT_LEFT },
        { "first", "First", REPORT_LEFT },     { "last", "Last", REPORT_LEFT },
    };
    const struct survey *e = &m->survey;
    struct doc *d = &m->doc;
    size_t n;
    void **list = sorted(m, e->sources, weigh_source, &n);

    doc_table(d, "sources", "Top sources",
              "By failed logins, alerts and bans. The country is the one that the events name.",
              ARRAY(columns));
    for (size_t i = 0; i < n && i < max; i++) {
        const struct ev_who *w = list[i];
        enum report_tone tone;
        struct slice done = done_about(m, w, &tone);

        doc_row(d);
        doc_cell(d, w->key);
        doc_cell(d, w->country.n ? w->country : SLICE("-"));
        doc_cell(d, w->channel);
        doc_cell_count(d, w->class[CLASS_FAILED]);
        doc_cell_count(d, w->class[CLASS_GOOD]);
        doc_cell_count(d, w->alerts);
        doc_cell_count(d, w->bans);
        doc_cell_tone(d, done, tone);
        doc_cell_time(d, w->first_us);
        doc_cell_time(d, w->last_us);
        samples(m, &w->samples);
    }
    doc_rows_left(d, n > max ? n - max : 0);
    if (e->other_sources)
        doc_text(d, "sources_other",
                 doc_printf(d,
                            "%llu more sightings were of addresses beyond the %d that are counted "
                            "one by one.",
                            (unsigned long long)e->other_sources, SURVEY_KEYS_MAX));
}

/* ---- E2 ---- */

void show_lockouts(struct making *m)
{
    static const struct doc_column columns[] = {
        { "source", "Address", REPORT_LEFT },     { "begin", "Began", REPORT_LEFT },
        { "failures", "Failures", REPORT_RIGHT }, { "banned", "Banned", REPORT_LEFT },
        { "delay", "After", REPORT_RIGHT },
    };
    const struct survey *e = &m->survey;
    struct doc *d = &m->doc;

    doc_table(d, "lockouts", "Many failures, and what followed",
              "10 failed logins of one address within 30 minutes, recorded one by one or told by "
              "an alert. Whether the application locks the account itself is not known here.",
              ARRAY(columns));
    for (size_t i = 0; i < e->nruns; i++) {
        const struct ev_run *r = &e->runs[i];

        doc_row(d);
        doc_cell(d, r->key);
        doc_cell_time(d, r->begin_us);
        doc_cell_count(d, r->failures);
        if (r->banned_us) {
            doc_cell_time(d, r->banned_us);
            doc_cell_number(
                d, r->banned_us > r->reached_us ? (double)(r->banned_us - r->reached_us) / 1e6 : 0,
                "seconds");
        } else {
            doc_cell_tone(d, SLICE("no"), TONE_ATTENTION);
        }
        doc_sample(d, r->index);
    }
    doc_rows_left(d, e->all_runs - e->nruns);
}

/* ---- E7 ---- */

void show_rules(struct making *m, size_t max)
{
    static const struct doc_column columns[] = {
        { "rule", "Rule", REPORT_LEFT },      { "id", "Id", REPORT_LEFT },
        { "level", "Level", REPORT_LEFT },    { "channel", "Channel", REPORT_LEFT },
        { "alerts", "Alerts", REPORT_RIGHT }, { "before", "Before", REPORT_RIGHT },
        { "events", "Events", REPORT_RIGHT }, { "last", "Last", REPORT_LEFT },
    };
    static const enum report_tone tones[LEVELS] = { TONE_QUIET, TONE_QUIET, TONE_NONE,
                                                    TONE_ATTENTION, TONE_BAD };
    const struct survey *e = &m->survey;
    struct doc *d = &m->doc;
    size_t n, shown = 0, all = 0;
    void **list = sorted(m, e->rules, weigh_rule, &n);

    doc_table(d, "rules", "Alerts by rule", NULL, ARRAY(columns));
    for (size_t i = 0; i < n; i++) {
        const struct ev_rule *r = list[i];

        all += r->n > 0;
        if (!r->n || shown == max)
            continue;
        shown++;
        doc_row(d);
        doc_cell(d, r->title.n ? r->title : r->id);
        doc_cell_tone(d, r->id, TONE_QUIET);
        doc_cell_tone(d, slice_str(level_name(r->level)), tones[r->level]);
        doc_cell(d, r->channel);
        doc_cell_count(d, r->n);
        doc_cell_count(d, r->before);
        doc_cell_count(d, r->events);
        doc_cell_time(d, r->last_us);
        samples(m, &r->samples);
    }
    doc_rows_left(d, all - shown + e->other_rules);
}

static void show_levels(struct making *m)
{
    static const struct doc_column columns[] = {
        { "level", "Level", REPORT_LEFT },
        { "alerts", "Alerts", REPORT_RIGHT },
        { "before", "Before", REPORT_RIGHT },
    };
    struct doc *d = &m->doc;

    doc_table(d, "levels", "Alerts by level", NULL, ARRAY(columns));
    for (unsigned l = LEVELS; l-- > 0;) {
        doc_row(d);
        doc_cell(d, slice_str(level_name((enum level)l)));
        doc_cell_count(d, m->survey.now.level[l]);
        doc_cell_count(d, m->survey.before.level[l]);
    }
}

static int by_number(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

double *told_delays(struct making *m, bool acked, enum level min, size_t *ret_n,
                    size_t *ret_missing)
{
    size_t n = 0, i = 0;
    double *list = arena_array(m->arena, table_count(m->survey.told) + 1, sizeof *list);
    struct slice key;
    void *value;

    *ret_missing = *ret_n = 0;
    m->doc.failed = m->doc.failed || !list;
    while (list && table_next(m->survey.told, &i, &key, &value)) {
        const struct ev_told *t = value;
        uint64_t then = acked ? t->acked_us : t->told_us;

        if (t->level < min)
            continue;
        if (then)
            list[n++] = (double)(then - t->recorded_us) / 1e6;
        else
            ++*ret_missing;
    }
    if (n)
        qsort(list, n, sizeof *list, by_number);
    *ret_n = n;
    return list;
}

double percentile(const double *sorted_list, size_t n, double p)
{
    size_t at = n ? (size_t)ceil(p * (double)n) : 0;

    return n ? sorted_list[at ? at - 1 : 0] : NAN;
}

static void show_delays(struct making *m)
{
    static const struct doc_column columns[] = {
        { "what", "From the entry of an alert to", REPORT_LEFT },
        { "alerts", "Alerts", REPORT_RIGHT },
        { "median", "Half within", REPORT_RIGHT },
        { "p95", "95 % within", REPORT_RIGHT },
        { "without", "Without", REPORT_RIGHT },
    };
    static const struct {
        const char *what;
        bool acked;
        enum level min;
    } rows[] = {
        { "its first message, high and critical", false, LEVEL_HIGH },
        { "its first message, all levels", false, LEVEL_INFORMATIONAL },
        { "its acknowledgement or end by a person, high and critical", true, LEVEL_HIGH },
    };
    struct doc *d = &m->doc;

    doc_table(d, "delays", "How long it took",
              "A message that was held back or told with others leaves no entry: such alerts are "
              "among those without.",
              ARRAY(columns));
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        size_t n, missing;
        double *list = told_delays(m, rows[i].acked, rows[i].min, &n, &missing);

        doc_row(d);
        doc_cell(d, slice_str(rows[i].what));
        doc_cell_count(d, n);
        doc_cell_number(d, percentile(list, n, 0.5), "seconds");
        doc_cell_number(d, percentile(list, n, 0.95), "seconds");
        doc_cell_count(d, missing);
    }
}

void show_alerts(struct making *m)
{
    show_levels(m);
    show_rules(m, 30);
    show_delays(m);
    if (m->survey.earlier || m->survey.later)
        doc_text(&m->doc, "recorded",
                 doc_printf(&m->doc,
                            "%llu alerts of the period were recorded after it; %llu that were "
                            "recorded in it are about earlier events and not counted.",
                            (unsigned long long)m->survey.later,
                            (unsigned long long)m->survey.earlier));
}

/* ---- E13: what leaves ---- */

void show_messages(struct making *m)
{
    static const struct doc_column columns[] = {
        { "receiver", "Receiver", REPORT_LEFT },        { "sent", "Sent", REPORT_RIGHT },
        { "retried", "Failed at first", REPORT_RIGHT }, { "dead", "Given up", REPORT_RIGHT },
        { "last", "Last sent", REPORT_LEFT },
    };
    struct doc *d = &m->doc;
    size_t n;
    void **list = sorted(m, m->survey.receivers, NULL, &n);

    doc_table(d, "messages", "Messages by receiver", NULL, ARRAY(columns));
    for (size_t i = 0; i < n; i++) {
        const struct ev_receiver *r = list[i];

        doc_row(d);
        doc_cell(d, r->name);
        doc_cell_count(d, r->sent);
        doc_cell_count(d, r->retried);
        if (r->dead)
            doc_cell_tone(d, doc_printf(d, "%llu", (unsigned long long)r->dead), TONE_ATTENTION);
        else
            doc_cell_count(d, 0);
        doc_cell_time(d, r->last_sent_us);
    }
}

/* ---- lists ---- */

void show_list(struct making *m, enum ev_list list, const char *name, const char *title,
               const char *note, size_t max)
{
    static const struct doc_column columns[] = {
        { "time", "Time", REPORT_LEFT }, { "entry", "Entry", REPORT_RIGHT },
        { "type", "Type", REPORT_LEFT }, { "channel", "Channel", REPORT_LEFT },
        { "who", "Who", REPORT_LEFT },   { "what", "What", REPORT_LEFT },
    };
    const struct ev_items *l = &m->survey.lists[list];
    struct doc *d = &m->doc;
    size_t from = l->n > max ? l->n - max : 0;

    doc_table(d, name, title, note, ARRAY(columns));
    for (size_t i = from; i < l->n; i++) {
        const struct ev_item *item = &l->items[i];

        doc_row(d);
        doc_cell_time(d, item->us);
        doc_cell_count(d, item->index);
        doc_cell(d, item->type);
        doc_cell(d, item->channel.n ? item->channel : SLICE("-"));
        doc_cell(d, item->who.n ? item->who : SLICE("-"));
        doc_cell(d, item->what.n ? item->what : SLICE("-"));
        doc_sample(d, item->index);
    }
    doc_rows_left(d, l->all - (l->n - from));
}
