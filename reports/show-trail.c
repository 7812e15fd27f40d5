/* Evidence as tables: inputs, the trail, the daemon, what is kept. */
#include "reports/making.h"

#include <errno.h>

#include "base/clock.h"

#define ARRAY(columns) (columns), ARRAY_SIZE(columns)
#define SHOWN 100

uint64_t fact_u64(const struct making *m, const char *name)
{
    return json_get(m->facts, name) ? json_u64(m->facts, name, UINT64_MAX) : UINT64_MAX;
}

const struct json *fact_list(const struct making *m, const char *name)
{
    const struct json *list = json_get(m->facts, name);

    return list && list->type == JSON_ARRAY ? list->child : NULL;
}

/* ---- E3, E4, E8, E9 ---- */

void show_admin(struct making *m)
{
    show_list(m, LIST_ADMIN, "admin", "What administrators did",
              "Events of the channels that say `audit: all`, refused configurations and changes of "
              "positions. Starts and reloads name the digests of rules and configuration: see the "
              "daemon's table.",
              SHOWN);
}

void show_accounts(struct making *m)
{
    show_list(m, LIST_ACCOUNT, "accounts", "Accounts and privileges",
              "Recorded in channels that say `audit: all`.", SHOWN);
}

void show_bans(struct making *m)
{
    show_list(m, LIST_BAN, "bans", "Bans", NULL, SHOWN);
}

/* Days of the period, as far as the trail was there, in which a series has nothing. */
static double empty_days(const struct making *m, enum ev_series series)
{
    const struct survey *e = &m->survey;
    double n = 0;

    for (size_t i = 0; i < e->nbuckets; i++)
        n += e->bounds[i + 1] > m->first_us && e->bounds[i] < m->report->made_us &&
             e->series[series][i] == 0;
    return n;
}

void show_reviews(struct making *m)
{
    if (m->kind->by_day) {
        doc_figures(&m->doc, "review", "", NULL);
        doc_figure(&m->doc, "days_without_act", "Days without an act of a person",
                   empty_days(m, SERIES_ACTS), "days", NAN);
    }
    show_list(m, LIST_ACT, "acts", "What people did with alerts", NULL, SHOWN);
}

/* ---- E6 ---- */

static void show_troubles(struct making *m)
{
    static const struct doc_column columns[] = {
        { "input", "Input", REPORT_LEFT },    { "kind", "What", REPORT_LEFT },
        { "from", "From", REPORT_LEFT },      { "until", "Until", REPORT_LEFT },
        { "lasted", "Lasted", REPORT_RIGHT },
    };
    const struct survey *e = &m->survey;
    struct doc *d = &m->doc;
    size_t shown = 0;

    doc_table(
        d, "blind", "Blind spots",
        "Times in which an input could not be seen, or only in part, or in which a receiver of "
        "entries took nothing.",
        ARRAY(columns));
    for (size_t i = 0; i < e->ntroubles; i++) {
        const struct ev_trouble *t = &e->troubles[i];

        if (t->until_us && t->until_us <= e->from_us)
            continue;
        if (++shown > SHOWN)
            continue;
        doc_row(d);
        doc_cell(d, t->input.n ? t->input : SLICE("-"));
        doc_cell(d, t->kind);
        doc_cell_time(d, t->from_us);
        if (t->until_us) {
            doc_cell_time(d, t->until_us);
            doc_cell_number(d, (double)(t->until_us - t->from_us) / 1e6, "seconds");
        } else if (t->lasts) {
            doc_cell_tone(d, SLICE("not over"), TONE_ATTENTION);
        }
        doc_sample(d, t->index);
    }
    doc_rows_left(d, (shown > SHOWN ? shown - SHOWN : 0) + e->all_troubles - e->ntroubles);
}

/* The state's counters, which no entry says. */
static void show_counters(struct making *m)
{
    static const struct doc_column columns[] = {
        { "channel", "Channel", REPORT_LEFT },
        { "lines", "Lines", REPORT_RIGHT },
        { "bytes", "Bytes", REPORT_RIGHT },
        { "parsed", "Parsed", REPORT_RIGHT },
        { "unparsed", "Unknown", REPORT_RIGHT },
        { "share", "Unknown of parsed", REPORT_RIGHT },
        { "audit", "Each event an entry", REPORT_LEFT },
    };
    const struct json *c = fact_list(m, "channels");
    struct doc *d = &m->doc;

    if (!c)
        return;
    doc_table(d, "channels", "Channels as they are configured",
              "From the configuration and the state when the report was made, not from the trail: "
              "counted since the state began.",
              ARRAY(columns));
    for (; c; c = c->next) {
        uint64_t parsed = json_u64(c, "parsed", 0), unparsed = json_u64(c, "unparsed", 0);
        bool all = json_bool(c, "audit", false);

        doc_row(d);
        doc_cell(d, json_text(c, "name"));
        doc_cell_count(d, json_u64(c, "lines", 0));
        doc_cell_number(d, (double)json_u64(c, "bytes", 0), "bytes");
        doc_cell_count(d, parsed);
        doc_cell_count(d, unparsed);
        doc_cell_number(d, parsed ? 100.0 * (double)unparsed / (double)parsed : NAN, "percent");
        doc_cell_tone(d, all ? SLICE("yes") : SLICE("no"), all ? TONE_GOOD : TONE_QUIET);
    }
}

static void show_channels(struct making *m)
{
    static const struct doc_column columns[] = {
        { "channel", "Channel", REPORT_LEFT }, { "events", "Events recorded", REPORT_RIGHT },
        { "alerts", "Alerts", REPORT_RIGHT },  { "first", "First", REPORT_LEFT },
        { "last", "Last", REPORT_LEFT },
    };
    struct doc *d = &m->doc;
    size_t n;
    void **list = survey_sorted(m->arena, m->survey.channels, NULL, &n);

    doc_table(d, "seen", "Channels in the trail", NULL, ARRAY(columns));
    for (size_t i = 0; list && i < n; i++) {
        const struct ev_channel *c = list[i];

        doc_row(d);
        doc_cell(d, c->name);
        doc_cell_count(d, c->events);
        doc_cell_count(d, c->alerts);
        doc_cell_time(d, c->first_us);
        doc_cell_time(d, c->last_us);
    }
}

/* What a record of a login, an account or a right says. When, where and what it always says. */
static void show_content(struct making *m)
{
    static const struct doc_column columns[] = {
        { "channel", "Channel", REPORT_LEFT },
        { "events", "Logins, accounts, rights", REPORT_RIGHT },
        { "source", "With an address", REPORT_RIGHT },
        { "user", "With a user", REPORT_RIGHT },
    };
    struct doc *d = &m->doc;
    size_t n;
    void **list = survey_sorted(m->arena, m->survey.channels, NULL, &n);

    doc_table(
        d, "content", "What the records say",
        "Each has its time, channel and action; whose it was is in those that name an address "
        "or a user.",
        ARRAY(columns));
    for (size_t i = 0; list && i < n; i++) {
        const struct ev_channel *c = list[i];

        if (!c->opened)
            continue;
        doc_row(d);
        doc_cell(d, c->name);
        doc_cell_count(d, c->opened);
        doc_cell_number(d, 100.0 * (double)c->with_source / (double)c->opened, "percent");
        doc_cell_number(d, 100.0 * (double)c->with_user / (double)c->opened, "percent");
    }
}

void show_inputs(struct making *m)
{
    show_channels(m);
    show_content(m);
    show_troubles(m);
    show_counters(m);
}

/* ---- E5 ---- */

static void show_gaps(struct making *m)
{
    static const struct doc_column columns[] = {
        { "from", "From", REPORT_LEFT },
        { "until", "Until", REPORT_LEFT },
        { "lasted", "Lasted", REPORT_RIGHT },
    };
    const struct ev_items *l = &m->survey.lists[LIST_GAP];
    struct doc *d = &m->doc;

    doc_table(d, "gaps", "Gaps",
              "Nothing was written for more than two heartbeats though nobody stopped the daemon.",
              ARRAY(columns));
    for (size_t i = 0; i < l->n && i < SHOWN; i++) {
        doc_row(d);
        doc_cell_time(d, l->items[i].us);
        doc_cell_time(d, l->items[i].until_us);
        doc_cell_number(d, (double)(l->items[i].until_us - l->items[i].us) / 1e6, "seconds");
        doc_sample(d, l->items[i].index);
    }
    doc_rows_left(d, l->all > SHOWN ? l->all - SHOWN : 0);
}

void show_trail(struct making *m)
{
    const struct survey *e = &m->survey;
    const struct ev_totals *now = &e->now, *was = &e->before;
    struct doc *d = &m->doc;

    doc_text(d, "trail_checked",
             doc_printf(d,
                        "The lines that this report rests on were compared with the signed tree of "
                        "%llu entries when it was made: they are what was signed.",
                        (unsigned long long)m->report->size));
    doc_figures(d, "trail", "The audit trail", NULL);
    doc_figure(d, "entries", "Entries of the period", (double)now->entries, "entries",
               (double)was->entries);
    doc_figure(d, "verified", "Verified by the daemon", (double)now->verified, "times",
               (double)was->verified);
    doc_figure(d, "anchored", "Checkpoints kept elsewhere", (double)now->anchored, "checkpoints",
               (double)was->anchored);
    doc_figure(d, "contradicted", "Contradictions", (double)now->contradicted, "", NAN);
    doc_figure(d, "epochs", "Epoch keys", (double)now->epochs, "keys", NAN);
    doc_figure(d, "gaps", "Gaps", (double)e->gaps, "", NAN);
    if (m->kind->by_day)
        doc_figure(d, "silent_days", "Days without an entry", empty_days(m, SERIES_ENTRIES), "days",
                   NAN);
    if (now->entries) {
        doc_figure_text(d, "first_entry", "First entry",
                        doc_printf(d, "%llu", (unsigned long long)e->first_index));
        doc_figure_text(d, "last_entry", "Last entry",
                        doc_printf(d, "%llu", (unsigned long long)e->last_index));
    }
    show_gaps(m);
    show_list(m, LIST_TRAIL, "trail_events", "Verifications, checkpoints that left, moves", NULL,
              SHOWN);
}

/* ---- E10, E11, E12, E14, E15 ---- */

void show_retention(struct making *m)
{
    const uint64_t keep_s = fact_u64(m, "keep_s"), free_bytes = fact_u64(m, "disk_free");
    const struct survey *e = &m->survey;
    struct doc *d = &m->doc;
    AUTO_BUF oldest = BUF_INIT;
    double days = (double)(e->to_us - e->from_us) / 86400e6;

    buf_when(&oldest, m->first_us, m->zone, DOC_SECOND);
    doc_figures(d, "retention", "What is kept",
                "Settings and free space are those of the moment when the report was made; the "
                "rest is from the trail.");
    doc_figure_text(d, "oldest", "Oldest entry", buf_view(&oldest));
    doc_figure(d, "oldest_entry", "Its number", (double)m->first_index, "", NAN);
    if (keep_s != UINT64_MAX && keep_s)
        doc_figure(d, "keep", "Kept at least, as configured", (double)keep_s, "seconds", NAN);
    else if (keep_s == 0)
        doc_figure_text(d, "keep", "Kept, as configured", SLICE("for ever"));
    doc_figure(d, "growth", "Bytes of entries a day", days > 0 ? (double)e->now.bytes / days : NAN,
               "bytes", NAN);
    if (free_bytes != UINT64_MAX) {
        doc_figure(d, "disk_free", "Free space", (double)free_bytes, "bytes", NAN);
        doc_figure(d, "days_left", "Days until it is full at this rate",
                   e->now.bytes ? floor((double)free_bytes / ((double)e->now.bytes / days)) : NAN,
                   "days", NAN);
    }
    doc_figure(d, "pruned", "Prunings in the period", (double)e->now.prunes, "", NAN);
    show_list(m, LIST_KEEP, "prunes", "Prunings", NULL, SHOWN);
    m->doc.failed = m->doc.failed || !buf_ok(&oldest);
}

void show_failures(struct making *m)
{
    const struct ev_totals *now = &m->survey.now, *was = &m->survey.before;
    struct doc *d = &m->doc;

    doc_figures(d, "daemon", "The daemon", NULL);
    doc_figure(d, "starts", "Starts", (double)now->starts, "", (double)was->starts);
    doc_figure(d, "unclean", "After an end that was none", (double)now->unclean, "",
               (double)was->unclean);
    doc_figure(d, "reloads", "Reloads", (double)now->reloads, "", (double)was->reloads);
    doc_figure(d, "role_ends", "Processes that ended", (double)now->role_ends, "",
               (double)was->role_ends);
    show_list(m, LIST_FAILURE, "failures", "Starts, ends and faults", NULL, SHOWN);
}

void show_clock(struct making *m)
{
    doc_text(
        &m->doc, "clock",
        SLICE("Times are UTC with microseconds and never go back. A step of more than a second "
              "is an entry. Whether the clock is kept right by NTP, and the clocks of those "
              "who write the logs, are not seen here."));
    show_list(&*m, LIST_CLOCK, "clock_steps", "Steps of the clock", NULL, SHOWN);
}

void show_personal(struct making *m)
{
    const struct survey *e = &m->survey;
    struct doc *d = &m->doc;

    doc_figures(d, "personal", "Personal values", NULL);
    doc_figure(d, "personal_values", "In entries of the period", (double)e->personal, "values",
               NAN);
    doc_figure(d, "personal_erased", "Of them erased", (double)e->erased, "values", NAN);
    doc_figure(d, "erasures", "Erasures in the period", (double)e->now.erased, "",
               (double)e->before.erased);
    show_list(m, LIST_ERASE, "erasures_list", "Erasures", NULL, SHOWN);
}

void show_access(struct making *m)
{
    doc_text(&m->doc, "access",
             SLICE("That a report was made is an entry when a daemon ran. Whoever may "
                   "read the trail's files may also read them without a trace: the modes of the "
                   "folder say who that is."));
    show_list(m, LIST_ACCESS, "reports", "Reports", NULL, SHOWN);
}
