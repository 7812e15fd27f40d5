/*
 * access-review: who used which account, and who may what. user: what is held about one person.
 */
#include "reports/making.h"

#include <errno.h>

#include "base/clock.h"

#define ARRAY(columns) (columns), ARRAY_SIZE(columns)
#define USERS_SHOWN 500

/* ---- access-review ---- */

static uint64_t weigh_user(const void *v)
{
    const struct ev_who *w = v;

    return w->class[CLASS_GOOD] ? w->good_us : 0;
}

static void user_row(struct making *m, const struct ev_who *w)
{
    struct doc *d = &m->doc;

    doc_row(d);
    doc_cell(d, w->key);
    doc_cell(d, w->channel);
    doc_cell_count(d, w->class[CLASS_GOOD]);
    doc_cell_time(d, w->good_us);
    doc_cell_count(d, w->class[CLASS_FAILED]);
    doc_cell_count(d, w->class[CLASS_PRIVILEGE] + w->class[CLASS_ADMIN]);
    doc_cell_count(d, w->alerts);
    doc_cell_time(d, w->last_us);
    for (unsigned i = 0; i < w->samples.n; i++)
        doc_sample(d, w->samples.index[i]);
}

static void users(struct making *m, bool active, const char *name, const char *title,
                  const char *note)
{
    static const struct doc_column columns[] = {
        { "user", "User", REPORT_LEFT },         { "channel", "Channel", REPORT_LEFT },
        { "good", "Good logins", REPORT_RIGHT }, { "last_good", "The last one", REPORT_LEFT },
        { "failed", "Failed", REPORT_RIGHT },    { "admin", "Acts with privileges", REPORT_RIGHT },
        { "alerts", "Alerts", REPORT_RIGHT },    { "last", "Last seen", REPORT_LEFT },
    };
    size_t n, shown = 0, all = 0;
    void **list = survey_sorted(m->arena, m->survey.users, weigh_user, &n);

    doc_table(&m->doc, name, title, note, ARRAY(columns));
    m->doc.failed = m->doc.failed || !list;
    for (size_t i = 0; list && i < n; i++) {
        const struct ev_who *w = list[i];

        if ((w->class[CLASS_GOOD] > 0) != active || ++all > USERS_SHOWN)
            continue;
        shown++;
        user_row(m, w);
    }
    doc_rows_left(&m->doc, all - shown);
}

int kind_access(struct making *m)
{
    const struct ev_totals *now = &m->survey.now, *was = &m->survey.before;
    struct doc *d = &m->doc;

    doc_section(d, "summary", "At a glance");
    doc_figures(d, "figures", "",
                "Users are known from channels that say `audit: all`, and from "
                "alerts. An account that nobody used or tried is not seen.");
    doc_figure(d, "users", "Users seen", (double)table_count(m->survey.users), "users", NAN);
    doc_figure(d, "logins_good", "Good logins", (double)now->class[CLASS_GOOD], "events",
               (double)was->class[CLASS_GOOD]);
    doc_figure(d, "accounts", "Changes of accounts", (double)now->class[CLASS_ACCOUNT], "events",
               (double)was->class[CLASS_ACCOUNT]);
    doc_figure(d, "privileges", "Changes of privileges", (double)now->class[CLASS_PRIVILEGE],
               "events", (double)was->class[CLASS_PRIVILEGE]);
    if (m->survey.other_users)
        doc_text(d, "users_other",
                 doc_printf(d,
                            "%llu more sightings were of users beyond the %d that are counted "
                            "one by one.",
                            (unsigned long long)m->survey.other_users, SURVEY_KEYS_MAX));
    doc_section(d, "users", "Users");
    users(m, true, "active", "Who logged in", NULL);
    users(m, false, "dormant", "Seen, but never logged in within the period",
          "Names that somebody tried are among them: whether such an account exists is not known "
          "here.");
    doc_section(d, "changes", "Accounts and privileges");
    show_accounts(m);
    show_admin(m);
    doc_section(d, "operators", "Who works with alerts and reports");
    show_reviews(m);
    show_access(m);
    return 0;
}

/* ---- user ---- */

static void held(struct making *m)
{
    static const struct doc_column columns[] = {
        { "time", "Time", REPORT_LEFT },  { "entry", "Entry", REPORT_RIGHT },
        { "type", "Type", REPORT_LEFT },  { "channel", "Channel", REPORT_LEFT },
        { "name", "Field", REPORT_LEFT }, { "value", "Value", REPORT_LEFT },
    };
    const struct survey *e = &m->survey;
    struct doc *d = &m->doc;

    doc_table(d, "held", "Values",
              "An event is shown as the line that was read, cut after 400 bytes; `trail show` has "
              "all of an entry.",
              ARRAY(columns));
    for (size_t i = 0; i < e->nheld; i++) {
        const struct ev_held *h = &e->held[i];

        doc_row(d);
        doc_cell_time(d, h->us);
        doc_cell_count(d, h->index);
        doc_cell(d, h->type);
        doc_cell(d, h->channel.n ? h->channel : SLICE("-"));
        doc_cell(d, h->name);
        doc_cell(d, h->text);
        doc_sample(d, h->index);
    }
    doc_rows_left(d, e->all_held - e->nheld);
}

int kind_user(struct making *m)
{
    const struct survey *e = &m->survey;
    struct doc *d = &m->doc;

    if (!e->subject.value.n)
        return err_set(m->err, -EINVAL, "whose data? the request names nobody");
    doc_section(d, "summary", "At a glance");
    doc_figures(d, "figures", "",
                "Found as an erasure would find it: rather too much than too little.");
    doc_figure(d, "entries", "Entries in which the person occurs", (double)e->held_entries,
               "entries", NAN);
    doc_figure(d, "values", "Values", (double)e->all_held, "values", NAN);
    if (e->held_entries) {
        AUTO_BUF b = BUF_INIT;

        buf_when(&b, e->held_first_us, m->zone, DOC_SECOND);
        buf_str(&b, " to ");
        buf_when(&b, e->held_last_us, m->zone, DOC_SECOND);
        doc_figure_text(d, "span", "From when to when", buf_view(&b));
        d->failed = d->failed || !buf_ok(&b);
    }
    doc_text(d, "elsewhere",
             SLICE("Not in this report: the state database (alerts, messages, incidents, silences, "
                   "windows) holds copies of some of these values as long as they are needed; "
                   "`trailwarden trail erase --subject KIND=VALUE --dry-run` counts those, too. "
                   "Logs, sent messages and backups are outside of this program."));
    doc_section(d, "held", "What is held");
    held(m);
    doc_section(d, "erased", "What was erased");
    doc_text(d, "erased_note",
             SLICE("An erasure says when, how many and why, and never whose: nothing in the trail "
                   "tells a person's name after it."));
    show_personal(m);
    show_retention(m);
    return 0;
}
